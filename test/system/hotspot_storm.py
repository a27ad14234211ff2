#!/usr/bin/env python3
"""Dumps of the JVM at any moment of an allocation storm, and cores that were cut: walks go on,
say what they met, and never hang."""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, unlimited_core, wait_for, why_not  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

KEPT, THREADS, DUMPS = 100000, 4, 3
COLLECTORS = ["-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseG1GC"]
OPTIONS = ["-Xmx80m", "-Xss256k", "-XX:ReservedCodeCacheSize=32m"]
SEED, SECONDS, CUTS = 20, 60, 8
COMMANDS = [["info"], ["heap"], ["types"], ["types", "--live"], ["leaks", "--limit", "3"],
            ["threads"], ["summary"], ["roots", "--limit", "3", "CORE", "Squall$Kept"]]


def jdks():
    """{release: folder} of the JDKs of this machine that can compile."""
    found = {}
    for path in sorted(glob.glob("/usr/lib/jvm/*")):
        if os.path.islink(path) or not os.access(os.path.join(path, "bin", "javac"), os.X_OK):
            continue
        text = subprocess.run([os.path.join(path, "bin", "java"), "-version"], check=False,
                              capture_output=True, text=True).stderr
        match = re.search(r'version "(\d+)', text)
        if match and int(match.group(1)) >= 11:
            found[int(match.group(1))] = path
    return found


def dump(jdk, collector, seconds):
    where = folder()
    subprocess.run([os.path.join(jdk, "bin", "javac"), "-d", where,
                    os.path.join(repo(), "fixtures", "jvm", "Squall.java")], check=True)
    process = subprocess.Popen(
        [os.path.join(jdk, "bin", "java"), *OPTIONS, collector, "-cp", ".", "Squall", str(KEPT),
         str(THREADS)], cwd=where, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=unlimited_core)
    try:
        wait_for(os.path.join(where, "ready"), process)
        time.sleep(seconds)
        process.send_signal(6)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    return glob.glob(os.path.join(where, "core*"))[0], where


def counted(core, *options):
    document = answer("types", "--json", *options, core)
    kept = sum(row["count"] for row in document["types"] if row["name"] == "Squall$Kept")
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
    for _ in range(CUTS):
        size = chance.randrange(size * 3 // 4, size)
        os.truncate(core, size)
        for command in COMMANDS:
            words = [core if word == "CORE" else word for word in command]
            try:
                result = coreheap(*words, *([core] if words == command else []), timeout=SECONDS)
            except subprocess.TimeoutExpired:
                bad.append((size, command, "hangs"))
                continue
            if result.code not in (0, 2, 3, 4, 5):
                bad.append((size, command, result.code, result.err[-300:]))
    tap.equal(bad, [], "%s: cut cores are answered or refused" % name)


def main():
    found = jdks()
    if not found:
        skip_all("no JDK is installed")
    if why_not("kernel"):
        skip_all(why_not("kernel"))
    tap, chance = Tap(), random.Random(SEED)
    for release, jdk in sorted(found.items()):
        for collector in COLLECTORS:
            for number in range(DUMPS):
                name = "JDK %d, %s, dump %d" % (release, collector, number)
                core, where = dump(jdk, collector, chance.random() * 0.8)
                tap.attempt(name, check_moment, name, core)
                if number == 0:
                    tap.attempt(name, check_cuts, name, core, chance)
                shutil.rmtree(where)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
