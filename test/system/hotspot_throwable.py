#!/usr/bin/env python3
"""Where Throwables were made, as `show` says it without a call to getStackTrace(): against what
that said of another one made in the same place."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

FRAMES = 8
SETTINGS = {"Serial": ["-XX:+UseSerialGC"],
            "Parallel, plain pointers": ["-XX:+UseParallelGC", "-XX:-UseCompressedOops"]}


def check(tap, name, jdk, options, depth):
    dump = Dump(jdk, "Thrown", "kernel", options, [str(depth)])
    with open(os.path.join(dump.folder, "trace"), encoding="ascii") as file:
        # the numbers of two lambdas differ
        wanted = [re.sub(r"lambda\$main\$\d", "lambda", line.strip()) for line in file]
    at = [row["sample_addr"] for row in answer("types", "--json", dump.core)["types"]
          if row["name"] == "Thrown$Leak"]
    facts = answer("show", "--json", dump.core, at[0])["object"]["shape"]["detail"]
    found = [re.sub(r"lambda\$main\$\d", "lambda", text) for key, text in facts.items()
             if key == "thrown_at" or key.startswith("called_from_")]
    tap.equal(found, wanted[:FRAMES], "%s: %d of %d frames" % (name, len(found), len(wanted)))


def main():
    reason = why_not("kernel")
    found = jdks(since=11)
    if reason or not found:
        skip_all(reason or "no JDK is installed")
    tap = Tap()
    for release in sorted({min(found), max(found)}):
        for setting, options in SETTINGS.items():
            name = "%d %s" % (release, setting)
            tap.attempt(name, check, name, found[release], options,
                        1 if setting == "Serial" else 100)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
