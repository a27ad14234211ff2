#!/usr/bin/env python3
"""The checked-in cores of JDK 25: compact headers, and ZGC of two generations, where no JDK is
installed. The counts are jhsdb's on the same core, and the program's."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import COREHEAP, answer, build, coreheap, folder, unpack_xz  # noqa: E402
from tap import Tap, repo  # noqa: E402
from writable import Writable  # noqa: E402

ORDERS, EVENTS, BUFFERS = 400, 40, 8
CORES = {"25-compact": ("G1", "in the mark word"), "25-zgc": ("ZGC", "compressed")}
LIVE = {"Shop$Order": ORDERS, "Shop$Item": 3 * ORDERS, "Shop$Event": EVENTS, "Shop$OnlyStack": 3,
        "Shop$OnlyThreadLocal": 3}
# where the fields of a java.lang.String lie in it
STRING_FIELDS = {"25-compact": (8, 24), "25-zgc": (12, 32)}
# ZGC ran out of memory once, and cleared the soft references
SOFT = {"25-compact": 50, "25-zgc": 0}


def histogram(name):
    """jhsdb's {class: (count, bytes)}; {}: it does not read this collector's heap."""
    path = os.path.join(repo(), "fixtures", "jvm-cores", name + ".histo")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        rows = re.findall(r"^\d+:\s+(\d+)\s+(\d+)\s+(\S.*\S)\s*$", file.read(), re.M)
    found = {}
    for count, size, key in rows:
        before = found.get(key, (0, 0))
        found[key] = (before[0] + int(count), before[1] + int(size))
    return found


def types(core, *options):
    found = {}
    for row in answer("types", "--json", *options, core)["types"]:
        if row["runtime"] != "hotspot" or row["kind"] != "object":
            continue
        # jhsdb counts fillers so
        name = re.sub(r"^jdk\.internal\.vm\.FillerElement\[\]$", "int[]", row["name"])
        before = found.get(name, (0, 0))
        found[name] = (before[0] + row["count"], before[1] + row["total_bytes"])
    return found


def check_types(tap, name, core):
    wanted, every, live = histogram(name), types(core), types(core, "--live")
    differing = {key: (every.get(key), wanted.get(key)) for key in set(every) | set(wanted)
                 if every.get(key) != wanted.get(key)}
    if wanted:
        tap.equal(differing, {}, "%s: all %d classes as jhsdb has them" % (name, len(wanted)))
    tap.equal({key: live.get(key, (0,))[0] for key in LIVE}, LIVE, "%s: what is held" % name)
    tap.equal(live.get("Shop$Softly", (0,))[0], SOFT[name], "%s: by soft references" % name)
    strings = answer("types", "--strings", "--json", core)
    tap.equal(strings["total_count"], every["java.lang.String"][0], "%s: strings" % name)


def check_unset_strings(tap, name, core):
    """A string without characters is a string: it is in the totals, and said to have none."""
    before = answer("types", "--strings", "--json", "--limit", "0", core)
    samples = [row["sample_addr"] for row in before["strings"] if row["count"] == 1][:5]
    copy = Writable(core)
    start, end = STRING_FIELDS[name]
    for sample in samples:
        copy.write(int(sample, 16) + start, bytes(end - start))
    after = answer("types", "--strings", "--json", copy.path)
    tap.equal((after["total_count"], after["unset_count"], after["distinct_count"]),
              (before["total_count"], before["unset_count"] + 5, before["distinct_count"] - 5),
              "%s: strings without characters" % name)
    tap.ok("\n%d strings have no characters yet" % after["unset_count"] in coreheap(
        "types", "--strings", copy.path).out, "%s: they are named" % name)


def check_objects(tap, name, core):
    sample = next(row["sample_addr"] for row in answer("types", "--json", core)["types"]
                  if row["name"] == "Shop$Order")
    fields = {row["name"]: row["value"] for row in answer(
        "show", "--reveal", "--json", core, sample)["object"]["fields"]}
    tap.equal(fields["id"], "order-" + fields["total"], "%s: fields and their values" % name)
    chains = answer("roots", "--json", core, "Shop$Order")["chains"]
    fields = [[step.get("field") for step in chain["path"][1:]] for chain in chains
              if chain["root"]["where"] == "static Shop$Cache.orders"]
    tap.ok(fields and fields[0][0] == ".table", "%s: a static field holds the orders" % name,
           [chain["root"]["where"] for chain in chains][:9])
    found = {row["owner_type"] for row in answer("refs", "--json", core, sample)["refs"]
             if row["kind"] == "object" and not row["owner_type"].endswith(" blocks")}
    tap.ok("java.util.HashMap$Node" in found and
           found <= {"java.util.HashMap$Node", "Shop$Event"}, "%s: what refers to one" % name, found)


def check_native_frames(tap, name, core):
    """What the JVM's own code left on the stack of a thread that waits is no reference, whatever
    it looks like; what a Java frame has is one."""
    sample = next(row["sample_addr"] for row in answer("types", "--json", core)["types"]
                  if row["name"] == "Shop$Order")
    local = next(chain["root"] for chain in answer("roots", "--json", core,
                                                   "Shop$OnlyStack")["chains"]
                 if chain["root"]["kind"] == "stack")
    thread = next(row for row in answer("threads", "--json", core)["threads"]
                  if row["tid"] == local["thread"])
    waiting = next(row for row in thread["frames"]
                   if "PlatformEvent::park" in (row["symbol"] or ""))
    for what, addr, wanted in (("of native code", int(waiting["sp"], 16), []),
                               ("of Java", int(local["addr"], 16), [local["addr"]])):
        copy = Writable(core)
        copy.write(addr, int(sample, 16).to_bytes(8, "little"))
        found = [chain["root"]["addr"] for chain in answer(
            "roots", "--json", "--limit", "0", copy.path, sample)["chains"]
                 if chain["root"]["kind"] == "stack" and int(chain["root"]["addr"], 16) == addr]
        tap.equal(found, wanted, "%s: a word in a frame %s" % (name, what))


def check_allocations(tap, name, core):
    """Names of types are made once: memory is asked for by types, not by rows."""
    if os.environ.get("BUILD", "").rstrip("/").endswith("san"):
        tap.skip("%s: allocations" % name, "a sanitizer has a malloc of its own")
        return
    preload, counted = (os.path.join(folder(), name) for name in ("nomem.so", "count"))
    build("nomem", preload, "-shared", "-fPIC")
    kinds = len(answer("types", "--json", "--limit", "0", core)["types"])
    for form in ((), ("--jsonl",)):
        counts = []
        # one row, and all of them: what it takes to open the core is in both
        for limit in ("1", "0"):
            done = subprocess.run([COREHEAP, "objects", "--limit", limit, *form, core], check=True,
                                  env=dict(os.environ, LD_PRELOAD=preload, NOMEM_COUNT=counted),
                                  capture_output=True)
            with open(counted, encoding="ascii") as file:
                counts.append(int(file.read()))
        rows = done.stdout.count(b"\n")
        # of a name in JSON: its text, escaped, and what jansson makes of it
        tap.ok(counts[1] - counts[0] < 12 * kinds < rows,
               "%s: objects %s asks for memory once a type" % (name, " ".join(form)),
               (counts, kinds, rows))


def check_process(tap, name, core):
    collector, pointers = CORES[name]
    facts = {row["name"]: row["facts"] for row in answer("heap", "--json", core)["runtimes"]}
    facts = facts["hotspot"]
    tap.equal((facts["collector"], facts["class_pointers"]), CORES[name],
              "%s: the heap is %s, class pointers are %s" % (name, collector, pointers))
    tap.ok(0 <= facts["direct_count"] - BUFFERS <= 1, "%s: direct buffers" % name, facts)
    threads = {row["name"] for row in answer("threads", "--json", core)["threads"]}
    tap.ok({"main", "worker-0", "worker-1", "worker-2"} <= threads, "%s: threads" % name, threads)
    summary = answer("summary", "--json", core)
    tap.ok(all(row["ok"] for row in summary["accounting"]["invariants"]),
           "%s: summary closes" % name, summary["accounting"])
    for command in ("types", "leaks", "retained"):
        tap.equal(coreheap(command, "--json", "--threads", "1", core).out,
                  coreheap(command, "--json", "--threads", "2", core).out,
                  "%s: %s is the same with one thread and two" % (name, command))


def check_names(tap, name, core):
    """A name that libjvm's tables lack costs what it is for, and that is said."""
    with open(core, "rb") as file:
        whole = file.read()
    for text, costs in (("_nonstatic_oop_map_size", "references between objects"),
                        ("_global_handles", "handles of JNI"),
                        ("_java_thread_list", "Java threads")):
        assert text.encode() + b"\0" in whole
        with open(core, "wb") as file:
            file.write(whole.replace(text.encode() + b"\0",
                                     text[:-1].encode() + b"_\0"))
        warnings = [row["message"] for row in answer("types", "--json", core)["warnings"]]
        tap.ok(any(text in message and costs in message for message in warnings),
               "%s: without %s: no %s" % (name, text, costs), warnings)
    with open(core, "wb") as file:
        file.write(whole.replace(b"_layout_helper\0", b"_layout_helpes\0"))
    doc = answer("types", "--json", core)
    tap.ok(not doc["complete"] and any("Klass::_layout_helper" in row["message"]
                                       for row in doc["warnings"]),
           "%s: without sizes there are no objects, and it says so" % name, doc["warnings"])
    with open(core, "wb") as file:
        file.write(whole)


def check(tap, name):
    core = unpack_xz("jvm-cores", name)
    check_names(tap, name, core)
    check_types(tap, name, core)
    check_unset_strings(tap, name, core)
    check_objects(tap, name, core)
    check_native_frames(tap, name, core)
    check_allocations(tap, name, core)
    check_process(tap, name, core)


def main():
    tap = Tap()
    for name in CORES:
        tap.attempt(name, check, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
