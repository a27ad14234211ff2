#!/usr/bin/env python3
"""What G1 loses behind humongous objects: against the sizes that the program asked for, and the
size of a region that jcmd tells."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, summary, why_not  # noqa: E402
from jvm import Dump, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# how many, of how many bytes: nearly half of a second region, the last eighth of a third, all of two
ARRAYS = [(12, 600_000), (3, 2_490_368), (2, 2 * (1 << 20) - 16)]
SMALL_ARRAYS = [(20, 100_000)]
OPTIONS = ["-XX:+UseG1GC", "-Xmx64m", "-XX:G1HeapRegionSize=1m"]


def arguments(arrays):
    return [str(number) for pair in arrays for number in pair]


def region_bytes(jdk, pid):
    text = tool(jdk, "jcmd", pid, "GC.heap_info")
    return int(re.search(r"region size (\d+)K", text).group(1)) << 10


def facts(core):
    doc = answer("heap", "--json", core)
    return {row["name"]: row["facts"] for row in doc["runtimes"]}["hotspot"], doc


def suspects(core):
    return [row for row in summary(core)["suspects"]
            if row["rule"] == "humongous-waste"]


def check(tap, release, jdk):
    name = "JDK %d" % release
    dump = Dump(jdk, "Large", "kernel", OPTIONS, arguments(ARRAYS), ask=region_bytes)
    region = dump.asked
    used = sum(count * (size + 16) for count, size in ARRAYS)
    waste = sum(count * (-(size + 16) % region) for count, size in ARRAYS)
    found, doc = facts(dump.core)
    tap.equal({key: int(found[key]) for key in ("g1_region_bytes", "humongous_count",
                                                "humongous_bytes", "humongous_waste_bytes")},
              {"g1_region_bytes": region, "humongous_count": sum(row[0] for row in ARRAYS),
               "humongous_bytes": used, "humongous_waste_bytes": waste}, "%s: facts" % name)
    heap = [row for row in doc["heaps"] if row["name"] == "humongous"][0]
    tap.equal((heap["used_bytes"], heap["overhead_bytes"], heap["free_bytes"]), (used, waste, 0),
              "%s: waste is neither used nor free" % name)
    row = (suspects(dump.core) + [{}])[0]
    tap.equal((row.get("bytes"), row.get("count")), (waste, sum(row[0] for row in ARRAYS)),
              "%s: summary names it" % name)
    verdict = summary(dump.core)["verdict"]
    tap.ok(verdict["class"] == "managed" and verdict["read_only_files_bytes"] > 0 and
           verdict["managed_bytes"] + verdict["managed_filled_bytes"] -
           verdict["managed_garbage_bytes"] - verdict["managed_free_bytes"] >= used,
           "%s: the verdict counts arrays of zeros, and no files that are only read" % name,
           verdict)
    # the mean is more than 1 MiB, which would be half a region of 2
    tap.ok("-XX:G1HeapRegionSize=4m" in row.get("message", ""), "%s: and what helps" % name, row)
    garbage = sum(row["total_bytes"] for row in answer("types", "--dead", "--json", dump.core)[
        "types"] if row["name"] in ("int[]", "jdk.internal.vm.FillerElement[]"))
    tap.ok(garbage < 1 << 20, "%s: fillers are no garbage" % name, garbage)
    plain = Dump(jdk, "Large", "kernel", OPTIONS, arguments(SMALL_ARRAYS)).core
    tap.equal((suspects(plain), "humongous_count" in facts(plain)[0]), ([], False),
              "%s: nothing is said of a heap without" % name)


def main():
    reason = why_not("kernel")
    found = jdks("jcmd", since=11)
    if reason or not found:
        skip_all(reason or "no JDK with jcmd is installed")
    tap = Tap()
    for release in sorted({min(found), max(found)}):
        tap.attempt("JDK %d" % release, check, release, found[release])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
