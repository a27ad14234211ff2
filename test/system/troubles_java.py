#!/usr/bin/env python3
"""What makes a Java program stand still or waste: locks that threads wait for, against what jcmd
tells of the process."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

ENTER, LOCK = 24, 11
SETTINGS = {"Serial": ["-XX:+UseSerialGC", "-Xmx96m"],
            "G1, plain pointers": ["-XX:+UseG1GC", "-XX:-UseCompressedOops", "-Xmx96m"]}


def said(jdk, pid):
    return tool(jdk, "jcmd", pid, "Thread.print", "-l")


def threads_of(text):
    """{name: (tid, the rest)} of a thread dump; tids are hexadecimal up to 20."""
    found = {}
    for part in re.split(r"\n(?=\")", text):
        match = re.match(r'"([^"]+)".*? nid=(0x)?([0-9a-f]+)', part)
        if match:
            found[match.group(1)] = (int(match.group(3), 16 if match.group(2) else 10), part)
    return found


def suspects(core, rule):
    return [row for row in answer("summary", "--json", core)["suspects"] if row["rule"] == rule]


def check_locks(tap, name, core, text):
    threads = threads_of(text)
    entering = len(re.findall(r"- waiting to lock <", text))
    parked = len([1 for _, part in threads.values() if re.search(
        r"parking to wait for +<\S+> \(a java.util.concurrent.locks.ReentrantLock\$", part)])
    tap.equal((entering, parked), (ENTER, LOCK), "%s: jcmd counts as the program" % name)
    rows = {row["type"]: row for row in answer("locks", "--json", core)["locks"]}
    wanted = {"java.lang.StringBuilder": ("monitor", ENTER, "enter-owner"),
              "java.util.concurrent.locks.ReentrantLock$NonfairSync":
                  ("synchronizer", LOCK, "lock-owner")}
    for type_, (kind, waiters, owner) in wanted.items():
        row = rows.get(type_, {"owner": {}})
        tap.equal((row.get("kind"), row.get("waiters_count"), row["owner"]),
                  (kind, waiters, {"tid": threads[owner][0], "name": owner,
                                   "number": row["owner"].get("number")}),
                  "%s: %s" % (name, type_))
        number = re.search(r"^\"[^\"]+\" #(\d+)", threads[owner][1]).group(1)
        tap.equal(str(row["owner"].get("number")), number, "%s: its owner's number" % name)
    found = suspects(core, "lock-convoy")
    tap.equal([(row["count"], row["holder"]["type"], row["chain"]["root"]["where"])
               for row in found],
              [(ENTER, "java.lang.StringBuilder", "static Troubles.GATE"),
               (LOCK, "java.util.concurrent.locks.ReentrantLock$NonfairSync",
                "static Troubles.LOCK")], "%s: both are suspects" % name)
    tap.ok(all("that is in Troubles.hang" in row["message"] for row in found),
           "%s: with what their owners do" % name, found)


def check(tap, name, jdk, options):
    dump = Dump(jdk, "Troubles", "kernel", options, [str(n) for n in (
        ENTER, LOCK, 0, 0, 0, 0)], ask=said)
    check_locks(tap, name, dump.core, dump.asked)
    os.unlink(dump.core)


def check_well(tap, name, jdk, options):
    """Nothing of it is said of a program that is well."""
    core = Dump(jdk, "Troubles", "kernel", options, ["9", "9", "0", "0", "0", "0"]).core
    tap.equal([row["message"] for rule in ("lock-convoy",) for row in suspects(core, rule)], [],
              "%s: a program that is well" % name)
    os.unlink(core)


def main():
    reason = why_not("kernel")
    found = jdks("jcmd", since=11)
    if reason or not found:
        skip_all(reason or "no JDK with jcmd is installed")
    tap = Tap()
    for release, (setting, options) in zip(sorted({min(found), max(found)}), SETTINGS.items()):
        name = "%d %s" % (release, setting)
        tap.attempt(name, check, name, found[release], options)
        tap.attempt(name + " well", check_well, name, found[release], options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
