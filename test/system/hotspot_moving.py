#!/usr/bin/env python3
"""Java while its collector moves objects: pointers lead to where they are now."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

NODES = 50000
MOVING = (["-XX:+UseZGC"], ["-XX:+UseG1GC"], ["-XX:+UseSerialGC"])


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


def main():
    found, missing = jdks("jhsdb"), why_not("kernel")
    if not found or missing:
        skip_all(missing or "no JDK with jhsdb is installed")
    tap = Tap()
    for release, jdk in sorted(found.items()):
        for options in MOVING:
            tap.attempt("%d %s moved" % (release, options), check_moved, release, jdk, options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
