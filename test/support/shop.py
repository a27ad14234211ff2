"""What is asked of cores of fixtures/jvm/Shop.java: every class against jhsdb on the same core,
and all else against what the program made."""
import functools
import os
import re
import shutil
import struct
import subprocess

from fixture import answer, coreheap, share, why_not
from jvm import Dump, has, tool
from truth import not_of_words

ORDERS, EVENTS, BUFFERS = 10000, 400, 24
# name: how, first release that has it, options
SETTINGS = {
    "G1": ("gcore", 11, ["-XX:+UseG1GC"]),
    "G1, kernel": ("kernel", 11, ["-XX:+UseG1GC"]),
    "Serial": ("kernel", 11, ["-XX:+UseSerialGC"]),
    "Parallel": ("kernel", 11, ["-XX:+UseParallelGC"]),
    "Shenandoah": ("kernel", 17, ["-XX:+UseShenandoahGC"]),
    "G1, plain pointers": ("kernel", 11, ["-XX:+UseG1GC", "-XX:-UseCompressedOops"]),
    "Serial, no compressed class pointers": (
        "kernel", 11, ["-XX:+UseSerialGC", "-XX:-UseCompressedClassPointers"]),
    # what C1 alone compiles keeps less room behind a thread's buffer
    "Parallel, aligned to 16, C1": (
        "kernel", 11, ["-XX:+UseParallelGC", "-XX:ObjectAlignmentInBytes=16",
                       "-XX:TieredStopAtLevel=1"]),
    "Serial, plain class pointers, C1": (
        "kernel", 11, ["-XX:+UseSerialGC", "-XX:-UseCompressedClassPointers",
                       "-XX:TieredStopAtLevel=1"]),
    "Serial, compact headers, C1": (
        "kernel", 25, ["-XX:+UseSerialGC", "-XX:+UseCompactObjectHeaders",
                       "-XX:TieredStopAtLevel=1"]),
    "ZGC": ("kernel", 17, ["-XX:+UseZGC"]),
    "ZGC, gcore": ("gcore", 17, ["-XX:+UseZGC"]),
    "ZGC, two generations": ("kernel", 21, ["-XX:+UseZGC", "-XX:+ZGenerational"]),
    "G1, compact headers": ("kernel", 25, ["-XX:+UseG1GC", "-XX:+UseCompactObjectHeaders"]),
}
# What layouts differ by the most is tried with each JDK; of the others each JDK has a half, the
# next one the other.
ALWAYS = ("G1", "ZGC", "ZGC, two generations", "G1, compact headers", "Shenandoah")
LIVE = {"Shop$Order": ORDERS, "Shop$Item": 3 * ORDERS, "Shop$Event": EVENTS, "Shop$OnlyStack": 3,
        "Shop$OnlyThreadLocal": 3, "Shop$Softly": 50}
DEAD = {"Shop$Weakly": 50, "Shop$Dropped": 1000}


def settings(turn):
    """Names of what is tried with one JDK."""
    return [*ALWAYS, *share([name for name in SETTINGS if name not in ALWAYS], 2, turn)]


def jhsdb(jdk, core):
    """{class: (count, bytes)}; fillers are arrays of int there."""
    text = tool(jdk, "jhsdb", "jmap", "--histo", "--exe", os.path.join(jdk, "bin", "java"),
                "--core", core)
    found = {}
    for match in re.finditer(r"^\d+:\s+(\d+)\s+(\d+)\s+(\S.*\S)\s*$", text, re.M):
        count, size = found.get(match.group(3), (0, 0))
        found[match.group(3)] = (count + int(match.group(1)), size + int(match.group(2)))
    return found


@functools.lru_cache(maxsize=4)
def every_type(core):
    """What types says of a core as it was dumped."""
    return answer("types", "--json", core)["types"]


def ours(core):
    rows = [row for row in every_type(core) if row["runtime"] == "hotspot"]
    found = {}
    for row in rows:
        if row["kind"] != "object":
            continue
        name = row["name"]
        if name == "jdk.internal.vm.FillerElement[]":
            name = "int[]"
        count, size = found.get(name, (0, 0))
        found[name] = (count + row["count"], size + row["total_bytes"])
    return found


def check_live(tap, name, core):
    every = {row["name"]: row["count"] for row in every_type(core)}
    live = {row["name"]: row["count"]
            for row in answer("types", "--live", "--json", core)["types"]}
    tap.equal({key: live.get(key, 0) for key in LIVE}, LIVE, "%s: what is held is live" % name)
    # words on stacks may hold some of them
    held = {key: (live[key], not_of_words(core, key)) for key in DEAD if live.get(key)}
    tap.ok(all(count <= DEAD[key] // 10 and not roots for key, (count, roots) in held.items()),
           "%s: what nothing holds is not" % name, held)
    tap.equal({key: every[key] for key in DEAD if key in every and every[key] != DEAD[key] and
               "ZGC" not in name}, {}, "%s: but it is there" % name)
    for references, wanted in (("strong", (0, 0)), ("soft,weak", (50, every.get("Shop$Weakly", 0)))):
        found = {row["name"]: row["count"] for row in answer(
            "types", "--live", "--json", "--references", references, core)["types"]}
        if "ZGC" in name:
            # it ran before, and weak references have nothing any more
            found["Shop$Weakly"] = wanted[1]
        tap.equal((found.get("Shop$Softly", 0), found.get("Shop$Weakly", 0)), wanted,
                  "%s: what only %s references hold" % (name, references))
    steps = [step["field"] for chain in answer("roots", "--json", core, "Shop$Softly")["chains"]
             for step in chain["path"] if "field" in step]
    tap.ok(".referent (soft)" in steps, "%s: a soft reference is marked" % name, steps[-3:])
    classes = answer("leaks", "--json", core)["classes"]
    tap.ok(classes["directly_lost"]["count"] < 20 and
           ("ZGC" in name or classes["dead"]["count"] > 900),
           "%s: garbage is dead, not lost" % name, classes)
    sides = [sum(row["count"] for row in answer("types", side, "--json", core)["types"])
             for side in ("--live", "--dead")]
    held = sum(classes[key]["count"] for key in ("reachable", "possibly_lost", "thread_leftover"))
    lost = sum(classes[key]["count"] for key in ("dead", "directly_lost", "indirectly_lost"))
    tap.equal(sides, [held, lost], "%s: types --live and --dead as leaks counts" % name)
    part = answer("objects", "--json", "--live", "--type", "Shop$Order", "--limit", "0", core)
    tap.equal(part["matched_count"], ORDERS, "%s: objects --live of one type" % name)


def check_chains(tap, name, core):
    chains = answer("roots", "--json", core, "Shop$Order")["chains"]
    # a chain may end where it meets an earlier one
    wanted = [chain["path"] for chain in chains
              if chain["root"]["where"] == "static Shop$Cache.orders"]
    tap.ok(wanted and wanted[0][1]["field"] == ".table" and
           ("joins_chain" in wanted[0][-1] or wanted[0][-1]["field"] == ".value"),
           "%s: a static field holds the orders" % name, wanted[:1])
    sizes = answer("types", "--json", "--by", "size", "--limit", "0", core)
    blocks = [row for row in sizes["types"]
              if row["runtime"] == "glibc" and 65536 <= row["smallest_bytes"] <= 65600]
    tap.ok(sum(row["count"] for row in blocks) >= BUFFERS,
           "%s: direct buffers are blocks of malloc" % name, blocks)
    for row in answer("objects", "--json", "--type", "java.nio.DirectByteBuffer", core)["objects"]:
        fields = {field["name"]: field["value"] for field in answer(
            "show", "--json", "--reveal", core, row["addr"])["object"]["fields"]}
        if fields["capacity"] == "65536":
            break
    chains = answer("roots", "--json", core, fields["address"])["chains"]
    paths = [[step.get("type") for step in chain["path"]] for chain in chains]
    tap.ok(any("java.nio.DirectByteBuffer" in path for path in paths) and
           any(chain["root"]["where"] == "static Shop.buffers" for chain in chains),
           "%s: a buffer holds its block" % name, paths[:3])


def check_fields(tap, name, core):
    """An order's fields by name, type and value: what the program put there."""
    # not the one at the very beginning of ZGC's heap: numbers that lie beside each other, 0 and
    # 1024, read like its address, and refs looks at words
    sample = next(row["addr"] for row in answer("objects", "--json", "--live", "--limit", "4",
                                                "--type", "Shop$Order", core)["objects"]
                  if int(row["addr"], 16) & 0xffffffff)
    fields = {row["name"]: row for row in answer("show", "--json", "--reveal", core, sample)[
        "object"]["fields"]}
    tap.equal({key: (row["type"], row["declared_by"]) for key, row in fields.items()},
              {"id": ("java.lang.String", "Shop$Order"), "total": ("long", "Shop$Order"),
               "items": ("java.util.List", "Shop$Order")}, "%s: an order's fields" % name)
    tap.equal(fields["id"]["value"], "order-" + fields["total"]["value"],
              "%s: and their values" % name)
    found = {row["owner_addr"]: row["owner_type"]
             for row in answer("refs", "--json", core, sample)["refs"]
             if row["kind"] == "object" and not row["owner_type"].endswith(" blocks")}
    # garbage of others may still have the address
    for kind in set(found.values()) - {"java.util.HashMap$Node", "Shop$Event"}:
        live = {row["addr"] for row in answer("objects", "--live", "--json", "--limit", "0",
                                              "--type", kind, core)["objects"]}
        found = {addr: owner for addr, owner in found.items() if owner != kind or addr in live}
    tap.ok("java.util.HashMap$Node" in found.values() and
           set(found.values()) <= {"java.util.HashMap$Node", "Shop$Event"},
           "%s: what refers to an order" % name, found)
    hidden = answer("show", "--json", core, sample)["object"]["fields"]
    tap.equal([row["value"] for row in hidden], [None] * 3, "%s: only with --reveal" % name)
    item = answer("show", "--json", "--reveal", core, sample,
                  ".items.elementData[2]")["object"]
    tap.equal(({row["name"]: row["value"] for row in item["fields"]}, item["type"]),
              ({"name": "item-2", "price": fields["total"]["value"]}, "Shop$Item"),
              "%s: through fields and elements" % name)
    static = answer("show", "--json", "--statics", core, "Shop$Cache")["object"]["fields"]
    tap.equal([(row["name"], row["target_type"]) for row in static],
              [("orders", "java.util.HashMap"), ("events", "java.util.ArrayList")],
              "%s: static fields" % name)
    facts = {row["name"]: row["facts"] for row in answer("heap", "--json", core)["runtimes"]}
    # the class library may have one of two bytes
    tap.ok(0 <= facts["hotspot"]["direct_count"] - BUFFERS <= 1 and
           0 <= facts["hotspot"]["direct_reserved_bytes"] - BUFFERS * 65536 <= 2,
           "%s: direct memory as java.nio.Bits counts it" % name, facts["hotspot"])


def check_strings(tap, name, core):
    """Each order made three names of its own."""
    strings = answer("types", "--strings", "--reveal", "--json", core)
    named = {row["text"]: row["count"] for row in strings["strings"]}
    every = {row["name"]: row["count"] for row in every_type(core)}
    # a word of the class library or two may be the same; what a collector is moving while the
    # process is dumped may be there twice, and the answer says so
    moving = any(row["code"] == "jvm-gc-active" for row in strings["warnings"])
    counts = [named["item-%d" % i] for i in range(3)]
    tap.ok(every["java.lang.String"] == strings["total_count"] and
           all(0 <= count - ORDERS <= (ORDERS if moving else 2) for count in counts),
           "%s: equal strings" % name,
           (strings["total_count"], every["java.lang.String"], counts, moving))


def loads(core):
    """[(address, end, offset in the file)]"""
    with open(core, "rb") as file:
        head = file.read(64)
        at, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        file.seek(at)
        rows = [struct.unpack_from("<IIQQQQQQ", file.read(size)) for _ in range(count)]
    return [(row[3], row[3] + row[5], row[2]) for row in rows if row[0] == 1 and row[5]]


def check_rings(tap, name, core):
    """Whatever a class points at leads back to it: no list may be followed for ever."""
    places = loads(core)

    def place(addr):
        return next((off + addr - start for start, end, off in places if start <= addr < end), None)

    sample = next(row["sample_addr"] for row in every_type(core) if row["name"] == "Shop$Order")
    slow = []
    with open(core, "r+b") as file:
        file.seek(place(int(sample, 16) + 8))
        klass = struct.unpack("<Q", file.read(8))[0]
        file.seek(place(klass))
        words = struct.unpack("<64Q", file.read(512))
        for index, word in share(enumerate(words), 2):
            if place(word) is None:
                continue
            file.seek(place(klass) + 8 * index)
            file.write(struct.pack("<Q", klass))
            file.flush()
            for command in (["heap"], ["types", "--live"]):
                try:
                    if coreheap(*command, core, seconds=20).code not in (0, 5):
                        slow.append((index, command))
                except subprocess.TimeoutExpired:
                    slow.append((index, command))
            file.seek(place(klass) + 8 * index)
            file.write(struct.pack("<Q", word))
    tap.equal(slow, [], "%s: rings of pointers end" % name)


def check(tap, release, jdk, setting):
    """One setting of a JDK."""
    how, since, options = SETTINGS[setting]
    name = "JDK %d, %s" % (release, setting)
    if release < since or why_not(how):
        tap.skip(name, why_not(how) or "this release has it not")
        return
    if not has(jdk, *options):
        tap.skip(name, "this build of the JDK has it not")
        return
    dumped = Dump(jdk, "Shop", how, options, [str(ORDERS), str(EVENTS), str(BUFFERS)])
    core, where = dumped.core, dumped.folder
    wanted, found = jhsdb(jdk, core), ours(core)
    if "ZGC" in setting or ("C1" in setting and release < 25):
        # jhsdb does not read the one's heap, and up to 21 does not know how little room is
        # behind the buffers of the other: it loses the first objects, thread locals too
        wanted = found
    differing = {key: (found.get(key), wanted.get(key)) for key in set(found) | set(wanted)
                 if found.get(key) != wanted.get(key)}
    if wanted is not found:
        tap.ok(len(wanted) > 200 and not differing, "%s: all %d classes as jhsdb has them" % (
            name, len(wanted)), differing)
    doc = answer("heap", "--json", core)
    heaps = [heap for heap in doc["heaps"] if heap["runtime"] == "hotspot"]
    tap.ok(heaps and all(heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"] ==
                         heap["committed_bytes"] for heap in heaps) and
           sum(heap["used_bytes"] for heap in heaps) == sum(size for _, size in wanted.values()),
           "%s: its spaces close" % name, heaps)
    check_live(tap, name, core)
    check_chains(tap, name, core)
    check_fields(tap, name, core)
    check_strings(tap, name, core)
    summary = answer("summary", "--json", core)
    tap.ok(all(row["ok"] for row in summary["accounting"]["invariants"]),
           "%s: summary closes" % name, summary["accounting"])
    holders = [row for row in summary["suspects"] if row["holder"] and row["chain"] and
               row["chain"]["root"]["where"] == "static Shop$Cache.orders"]
    tap.ok(holders, "%s: the map of orders is a suspect" % name, summary["suspects"])
    tap.equal(coreheap("types", "--json", "--threads", "1", core).out,
              coreheap("types", "--json", "--threads", "2", core).out,
              "%s: the same with one thread and two" % name)
    if "no compressed class" in setting:
        check_rings(tap, name, core)
    shutil.rmtree(where)
