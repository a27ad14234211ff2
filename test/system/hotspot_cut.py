#!/usr/bin/env python3
"""Cores of the JVM in a storm of allocations, cut at any place: an answer or a refusal, in time."""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import coreheap, folder, unlimited_core, wait_for, why_not  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

NODES = 100000
COLLECTORS = ["-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseG1GC"]
OPTIONS = ["-Xmx80m", "-Xss256k", "-XX:ReservedCodeCacheSize=32m"]
SEED, SECONDS, CUTS = 20, 60, 5
COMMANDS = [["info"], ["heap"], ["types"], ["types", "--live"], ["leaks", "--limit", "3"],
            ["threads"], ["summary"], ["roots", "--limit", "3", "CORE", "Storm$Node"]]


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
                    os.path.join(repo(), "fixtures", "jvm", "Storm.java")], check=True)
    process = subprocess.Popen(
        [os.path.join(jdk, "bin", "java"), *OPTIONS, collector, "-cp", ".", "Storm",
         str(NODES)], cwd=where, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
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


def check_cuts(tap, name, core, chance):
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
        document = coreheap("summary", "--json", core, timeout=SECONDS)
        if document.code == 0 and '"complete": false' not in document.out:
            bad.append((size, "looks complete"))
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
            name = "JDK %d, %s" % (release, collector)
            core, where = dump(jdk, collector, chance.random() / 2)
            tap.attempt(name, check_cuts, name, core, chance)
            shutil.rmtree(where)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
