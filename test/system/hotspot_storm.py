#!/usr/bin/env python3
"""Dumps of the JVM at any moment of an allocation storm, and cores that were cut: walks go on,
say what they met, and never hang."""
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import WHOLE, answer, coreheap, why_not  # noqa: E402
from jvm import Dump, has, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

KEPT, DUMPS = 100000, 2 if WHOLE else 1
COLLECTORS = ["-XX:+Use%sGC" % name for name in ("Serial", "Parallel", "G1", "Shenandoah", "Z")]
# Collections of these are long or large parts of the time.
OFTEN = COLLECTORS[:3]
SEED, SECONDS, CUTS = 20, 60, 6 if WHOLE else 2
COMMANDS = [["info"], ["heap"], ["types"], ["types", "--live"], ["leaks", "--limit", "3"],
            ["threads"], ["summary"], ["roots", "--limit", "3", "CORE", "Storm$Node"]]


def counted(core, *options):
    document = answer("types", "--json", *options, core)
    kept = sum(row["count"] for row in document["types"] if row["name"] == "Storm$Node")
    return kept, {row["code"] for row in document["warnings"]}


def check_moment(tap, name, core):
    kept, told = counted(core)
    live, _ = counted(core, "--live")
    if "jvm-gc-active" in told:
        # what was moved already is there twice
        tap.ok(KEPT * 9 // 10 <= kept <= 2 * KEPT and KEPT * 9 // 10 <= live <= kept,
               "%s, in a collection: counts are near" % name, (kept, live, told))
    else:
        # a thread may be about to take memory: jvm-skipped may have been told
        tap.equal((kept, live), (KEPT, KEPT), "%s, between collections: counts are exact" % name)
    summary = answer("summary", "--json", core)
    tap.ok(all(row["ok"] for row in summary["accounting"]["invariants"]),
           "%s: the accounting closes" % name, summary["accounting"]["invariants"])


def check_cuts(tap, name, core, chance):
    """Cut at any place: an answer or a refusal, in time."""
    size, bad = os.path.getsize(core), []
    for number in range(CUTS):
        size = chance.randrange(size * 3 // 4, size)
        os.truncate(core, size)
        # half of them, the others where it is cut next
        for command in COMMANDS[number % 2::2]:
            words = [core if word == "CORE" else word for word in command]
            try:
                result = coreheap(*words, *([core] if words == command else []), seconds=SECONDS)
            except subprocess.TimeoutExpired:
                bad.append((size, command, "hangs"))
                continue
            if result.code not in (0, 2, 3, 4, 5):
                bad.append((size, command, result.code, result.err[-300:]))
    tap.equal(bad, [], "%s: cut cores are answered or refused" % name)


def main():
    found = jdks(since=11)
    if not found:
        skip_all("no JDK is installed")
    if why_not("kernel"):
        skip_all(why_not("kernel"))
    tap, chance = Tap(), random.Random(SEED)
    for release, jdk in sorted(found.items()):
        for collector in COLLECTORS:
            if not has(jdk, collector):
                tap.skip("JDK %d, %s" % (release, collector), "this build of the JDK has it not")
                continue
            for number in range(DUMPS if collector in OFTEN else 1):
                name = "JDK %d, %s, dump %d" % (release, collector, number)
                moment = chance.random() * 0.8
                made = Dump(jdk, "Storm", "kernel", ["-Xmx80m", collector],
                            [str(KEPT)], lambda *_: time.sleep(moment))
                tap.attempt(name, check_moment, name, made.core)
                if number == 0:
                    tap.attempt(name, check_cuts, name, made.core, chance)
                shutil.rmtree(made.folder)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
