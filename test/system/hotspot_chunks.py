#!/usr/bin/env python3
"""Virtual threads that wait: the objects that have their frames, and what only the frames hold.
Against what jmap counts in the same process (jhsdb loses its way behind such objects), and the
program's arguments."""
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, has, jdks, tool  # noqa: E402
from shop import loads, ours  # noqa: E402
from tap import Tap, skip_all  # noqa: E402
from truth import not_of_words  # noqa: E402

THREADS, ENDED = 2000, 100
CHUNK = "jdk.internal.vm.StackChunk"
LIVE = {"Parked$Outer": THREADS, "Parked$Kept": THREADS, "Parked$Inner": THREADS}
OPTIONS = ["-Xmx64m", "-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Parked::make*"]
# Options, and whether the collector runs before the dump: it then keeps references of frames in
# its own way.
SETTINGS = {
    "Serial": (["-XX:+UseSerialGC"], False),
    "Serial, interpreted, collected": (["-XX:+UseSerialGC", "-Xint"], True),
    "Parallel, plain pointers": (["-XX:+UseParallelGC", "-XX:-UseCompressedOops"], True),
    "G1, compact headers": (["-XX:+UseG1GC", "-XX:+UseCompactObjectHeaders"], True),
    "G1, aligned to 16": (["-XX:+UseG1GC", "-XX:ObjectAlignmentInBytes=16"], False),
    "ZGC": (["-XX:+UseZGC"], True),
}
# What answering jmap may take of its own: classes, objects of each.
OF_JMAP = 10, 10


def histogram(jdk, pid, what):
    """{class: (count, bytes)}, arrays as Java writes them."""
    words = {"I": "int", "B": "byte", "C": "char", "J": "long", "Z": "boolean", "S": "short",
             "F": "float", "D": "double"}
    found = {}
    for match in re.finditer(r"^\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)",
                             tool(jdk, "jmap", "-histo:" + what, pid), re.M):
        name = match.group(3)
        dims = len(name) - len(name.lstrip("["))
        if dims:
            name = name[dims:]
            name = (words.get(name) or name[1:].rstrip(";")) + "[]" * dims
        name = re.sub(r"^jdk\.internal\.vm\.FillerElement\[\]$", "int[]", name)
        count, size = found.get(name, (0, 0))
        found[name] = (count + int(match.group(1)), size + int(match.group(2)))
    return found


def of_process(jdk, pid):
    return histogram(jdk, pid, "all")


def collected_first(jdk, pid):
    return histogram(jdk, pid, "live"), histogram(jdk, pid, "all")


def check_types(tap, name, wanted, found):
    """Every class as the process had it, but for what being asked made."""
    def own(row):
        return "$$Lambda" not in row and (
            row.startswith("Parked") or row == CHUNK or "VirtualThread" in row)

    tap.equal({row: found[row] for row in found if own(row)},
              {row: wanted[row] for row in wanted if own(row)},
              "%s: chunks and what threads have as jmap has them" % name)
    # the names of lambdas differ; jmap ends what threads have taken with arrays of int
    differing = {row: (found.get(row), wanted.get(row)) for row in set(found) | set(wanted)
                 if found.get(row) != wanted.get(row) and "$$Lambda" not in row and row != "int[]"}
    far = {row: pair for row, pair in differing.items() if abs(
        (pair[0] or (0,))[0] - (pair[1] or (0,))[0]) > OF_JMAP[1]}
    tap.ok(len(wanted) > 200 and len(differing) <= OF_JMAP[0] and not far,
           "%s: and all %d classes" % (name, len(wanted)), (len(differing), far, differing))


def check_live(tap, name, core, wanted):
    doc = answer("types", "--live", "--json", core)
    tap.ok(doc["complete"] and not doc["warnings"], "%s: it is complete" % name, doc["warnings"])
    live = {row["name"]: row["count"] for row in doc["types"]}
    tap.equal({key: wanted.get(key, (0,))[0] for key in LIVE}, LIVE,
              "%s: what the collector leaves" % name)
    tap.equal({key: live.get(key, 0) for key in LIVE}, LIVE, "%s: is live" % name)
    # words on stacks may hold some
    gone = live.get("Parked$Gone", 0)
    roots = not_of_words(core, "Parked$Gone") if gone else []
    tap.ok(gone <= ENDED // 10 and not roots, "%s: what ended threads had is not" % name,
           (gone, roots))
    held = [step.get("field") for chain in answer("roots", "--json", core, "Parked$Inner")[
        "chains"] for step in chain["path"]]
    tap.ok(any(field and re.fullmatch(r"\.stack\[\d+\] \(word of a frame\)", field)
               for field in held), "%s: a frame holds one" % name, held)


def check_hostile(tap, name, core):
    """Sizes and places of a stack that cannot be."""
    places = loads(core)
    chunk = next(step["addr"] for chain in answer("roots", "--json", core, "Parked$Inner")["chains"]
                 for step in chain["path"] if step["type"] == CHUNK)
    fields = {row["name"]: int(row["addr"], 16) for row in answer(
        "show", "--json", core, chunk)["object"]["fields"]}
    before = {row["name"]: row["count"] for row in answer("types", "--json", core)["types"]}
    for field, word, lost in (("size", 0x7fffffff, 1), ("size", 0xffffffff, 1),
                              ("sp", 0x7fffffff, 0), ("sp", 0xffffffff, 0)):
        place = next(off + fields[field] - start for start, end, off in places
                     if start <= fields[field] < end)
        with open(core, "r+b") as file:
            file.seek(place)
            kept = file.read(4)
            file.seek(place)
            file.write(struct.pack("<I", word))
            file.flush()
            doc = answer("types", "--json", core)
            live = {row["name"]: row["count"] for row in answer(
                "types", "--live", "--json", core)["types"]}
            file.seek(place)
            file.write(kept)
        found = {row["name"]: row["count"] for row in doc["types"]}
        tap.equal((before[CHUNK] - found[CHUNK], doc["complete"], live["Parked$Inner"]),
                  (lost, not lost, THREADS - 1), "%s: a %s of 0x%x" % (name, field, word))


def check(tap, name, jdk, options, collected):
    if collected:
        dump = Dump(jdk, "Parked", "gcore", OPTIONS + options, [str(THREADS), str(ENDED)],
                    ask=collected_first)
        left, every = dump.asked
    else:
        every = {}
        dump = Dump(jdk, "Parked", "gcore", OPTIONS + options, [str(THREADS), str(ENDED)],
                    ask=lambda jdk, pid: every.update(of_process(jdk, pid)),
                    after=lambda jdk, pid: histogram(jdk, pid, "live"))
        left = dump.asked
    if "ZGC" in name:
        # jmap of that one counts what it reaches
        live = {row["name"]: (row["count"], row["total_bytes"])
                for row in answer("types", "--live", "--json", dump.core)["types"]
                if row["runtime"] == "hotspot"}
        tap.equal({key: live.get(key) for key in [CHUNK, *LIVE]},
                  {key: every.get(key) for key in [CHUNK, *LIVE]},
                  "%s: chunks and what threads have as jmap has them" % name)
    else:
        check_types(tap, name, every, ours(dump.core))
    check_live(tap, name, dump.core, left)
    if name.endswith(" Serial"):
        check_hostile(tap, name, dump.core)
    shutil.rmtree(dump.folder)


def main():
    reason = why_not("gcore")
    found = jdks("jmap", since=21)
    if reason or not found:
        skip_all(reason or "no JDK from 21 on with jmap is installed")
    tap = Tap()
    release = max(found)
    for name, (options, collected) in SETTINGS.items():
        label = "JDK %d, %s" % (release, name)
        if has(found[release], *options):
            tap.attempt(label, check, label, found[release], options, collected)
        else:
            tap.skip(label, "this build of the JDK has it not")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
