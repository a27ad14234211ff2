#!/usr/bin/env python3
"""Java while its collector moves objects: pointers lead to where they are now."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

NODES = 50000
MOVING = (["-XX:+UseZGC"], ["-XX:+UseG1GC"], ["-XX:+UseSerialGC"])
STORMS = ["-XX:+Use%sGC" % name for name in ("Serial", "Parallel", "G1", "Shenandoah", "Z")]


def check_moved(tap, release, jdk, options):
    """Pointers to what was moved lead to where it is, and nothing is there twice."""
    name = "JDK %d, %s, moved" % (release, " ".join(options))
    # room for pages of a medium size
    dumped = Dump(jdk, "Moved", "kernel", [*options, "-Xmx1g", "-Xms64m"], [str(NODES), "1"])
    core, where = dumped.core, dumped.folder
    live = {row["name"]: (row["count"], row["total_bytes"])
            for row in answer("types", "--live", "--json", core)["types"]}
    tap.equal(live["Moved$Node"], (NODES, 24 * NODES), "%s: every node is held, once" % name)
    middle = answer("objects", "--json", "--live", "--type", "byte[]", "--min-size", "300000", core)
    tap.equal(sorted(row["size_bytes"] for row in middle["objects"]),
              sorted((300000 + i + 16 + 7) // 8 * 8 for i in range(20)),
              "%s: and every array of a medium size" % name)
    tap.ok(not [row for row in answer("types", "--json", core)["warnings"]
                if row["code"] == "jvm-skipped"], "%s: the walk skips nothing" % name)
    shutil.rmtree(where)


def check_storm(tap, release, jdk, option):
    """A dump at any moment of a program that allocates all the time."""
    name = "JDK %d, %s, in a storm" % (release, option)
    if subprocess.run([os.path.join(jdk, "bin", "java"), option, "-version"], check=False,
                      capture_output=True).returncode:
        tap.skip(name, "this build of the JDK has it not")
        return
    dumped = Dump(jdk, "Storm", "kernel", [option, "-Xmx48m"], [str(4 * NODES)])
    core, where = dumped.core, dumped.folder
    every, live = (answer("types", "--json", *more, core) for more in ([], ["--live"]))
    counts = [sum(row["count"] for row in doc["types"] if row["name"] == "Storm$Node")
              for doc in (every, live)]
    moving = any(row["code"] == "jvm-gc-active" for row in every["warnings"])
    tap.ok(counts == [4 * NODES] * 2 or moving and counts[0] >= counts[1] >= 4 * NODES,
           "%s: every node is there, and held; if more, it says why" % name,
           (counts, every["warnings"]))
    skipped = sum(heap["overhead_bytes"] for heap in answer("heap", "--json", core)["heaps"]
                  if heap["runtime"] == "hotspot")
    tap.ok(skipped < 1 << 20 and (not skipped or any(
        row["code"] == "jvm-skipped" for row in every["warnings"])),
           "%s: little is skipped, and said" % name, (skipped, every["warnings"]))
    shutil.rmtree(where)


def main():
    found, missing = jdks(), why_not("kernel")
    if not found or missing:
        skip_all(missing or "no JDK with jhsdb is installed")
    tap = Tap()
    for release, jdk in sorted(found.items()):
        for option in STORMS:
            tap.attempt("%d %s storm" % (release, option), check_storm, release, jdk, option)
        for options in MOVING:
            tap.attempt("%d %s moved" % (release, options), check_moved, release, jdk, options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
