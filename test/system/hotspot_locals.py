#!/usr/bin/env python3
"""What locals of the interpreter's frames hold: those that are used later, and nothing that a
loop or a block left there, against what jmap -histo:live counts in the same process."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# Leftover.java
LIVE = {"Leftover$Used": 1, "Leftover$Argument": 1}
MADE = {**LIVE, "Leftover$OfLoop": 3, "Leftover$OfBlock": 1, "Leftover$OfOneWay": 1}


def histogram(jdk, pid):
    """{class: count} of what a full collection leaves."""
    return {match.group(2): int(match.group(1)) for match in re.finditer(
        r"^\s*\d+:\s+(\d+)\s+\d+\s+(Leftover\$\S+)", tool(jdk, "jmap", "-histo:live", pid), re.M)}


def counts(core, *options):
    return {row["name"]: row["count"] for row in answer("types", *options, "--json", core)["types"]
            if row["name"].startswith("Leftover$")}


def check(tap, name, jdk, options):
    dump = Dump(jdk, "Leftover", "gcore", ["-Xint", *options], after=histogram)
    tap.equal(counts(dump.core), MADE, "%s: all that was made" % name)
    tap.equal(dump.asked, LIVE, "%s: what the collector leaves" % name)
    tap.equal(counts(dump.core, "--live"), LIVE, "%s: is live, and nothing else" % name)
    shutil.rmtree(dump.folder)


def main():
    reason = why_not("gcore")
    found = jdks("jmap", since=11)
    if reason or not found:
        skip_all(reason or "no JDK with jmap is installed")
    tap = Tap()
    for release, options in ((min(found), ["-XX:+UseSerialGC"]), (max(found), ["-XX:+UseG1GC"])):
        tap.attempt("JDK %d" % release, check, "JDK %d" % release, found[release], options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
