#!/usr/bin/env python3
"""What makes a Java program stand still or waste: locks that threads wait for and finalizers that
do not run, against what jcmd tells of the process; collections nearly empty and keys of one hash
code, against what the program made."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, summary, why_not  # noqa: E402
from jvm import Dump, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

ENTER, LOCK = 24, 11
# each with a list and a map for 60 and a queue for 60, one element in each
ORDERS, ROOM = 4000, 60
KEYS, SLOW, CLEANED = 3000, 1500, 1200
POLLERS = 100
RING, VIRTUAL = 3, 25
TROUBLES = ("deadlock", "lock-convoy", "finalizer-backlog", "colliding-keys", "empty-collections")
SETTINGS = {"Serial": ["-XX:+UseSerialGC", "-Xmx96m"],
            "G1, plain pointers": ["-XX:+UseG1GC", "-XX:-UseCompressedOops", "-Xmx96m"]}


def said(jdk, pid):
    return (tool(jdk, "jcmd", pid, "Thread.print", "-l"),
            tool(jdk, "jcmd", pid, "GC.finalizer_info"))


def threads_of(text):
    """{name: (tid, the rest)} of a thread dump; tids are hexadecimal up to 20."""
    found = {}
    for part in re.split(r"\n(?=\")", text):
        match = re.match(r'"([^"]+)".*? nid=(0x)?([0-9a-f]+)', part)
        if match:
            found[match.group(1)] = (int(match.group(3), 16 if match.group(2) else 10), part)
    return found


def suspects(core, rule):
    return [row for row in summary(core)["suspects"] if row["rule"] == rule]


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


def check_queues(tap, name, core, text):
    waiting = int(re.search(r"(\d+) +Troubles\$Slow", text).group(1))
    found = {row["types"][0]["name"].split("$$")[0]: row for row in suspects(
        core, "finalizer-backlog")}
    # the one that hangs is out of the queue
    tap.equal({key: row["count"] for key, row in found.items()},
              {"Troubles$Slow": waiting, "Troubles": CLEANED - 1}, "%s: both queues" % name)
    tap.ok(all(row["message"].endswith(" is in Troubles.hang") for row in found.values()),
           "%s: with what their threads do" % name, found)


def check_collections(tap, name, core, reference):
    row = (suspects(core, "empty-collections") + [{}])[0]
    unused = {"java.util.ArrayList": ROOM - 1, "java.util.HashMap": 64 - 1,
              "java.util.ArrayDeque": ROOM + 1 - 1}
    found = {part["name"]: part for part in row.get("types", [])}
    for type_, slots in unused.items():
        part = found.get(type_, {"count": 0, "total_bytes": 0})
        wanted = ORDERS * slots * reference
        # the JDK has some of its own
        tap.ok(ORDERS <= part["count"] < ORDERS + 500 and
               wanted <= part["total_bytes"] < wanted * 1.1, "%s: %s" % (name, type_), part)
    tap.equal(sorted((part["name"], part["count"]) for part in row.get(
        "pointed_at_by", []) if "Order" in part["name"]),
              [("Troubles$Order.notes (java.util.ArrayList)", ORDERS),
               ("Troubles$Order.options (java.util.HashMap)", ORDERS),
               ("Troubles$Order.steps (java.util.ArrayDeque)", ORDERS)],
              "%s: and which fields have them" % name)


def check_keys(tap, name, core):
    tap.equal([(row["count"], row["evidence"]["entries_count"], row["chain"]["root"]["where"])
               for row in suspects(core, "colliding-keys")],
              [(KEYS, KEYS, "static Troubles.SESSIONS")],
              "%s: keys of one hash code, and of no other map" % name)


def check(tap, name, jdk, options):
    dump = Dump(jdk, "Troubles", "kernel", options, [str(n) for n in (
        ENTER, LOCK, ORDERS, KEYS, SLOW, CLEANED)], ask=said)
    check_locks(tap, name, dump.core, dump.asked[0])
    check_queues(tap, name, dump.core, dump.asked[1])
    check_collections(tap, name, dump.core, 8 if "-XX:-UseCompressedOops" in options else 4)
    check_keys(tap, name, dump.core)
    os.unlink(dump.core)


def check_pollers(tap, name, release, jdk, options):
    """Threads in one method are alike, be it interpreted or compiled."""
    core = Dump(jdk, "Troubles", "kernel", [*options, "-Xbatch"],
                ["1", "1", "0", "0", "0", "0", str(POLLERS), str(RING),
                 str(VIRTUAL if release >= 21 else 0)], ask=said)
    text, core = core.asked[0], core.core
    doc = answer("threads", "--json", core)
    kinds = {frame["code"] for thread in doc["threads"] for frame in thread["frames"]
             if frame["symbol"] == "Troubles.poll"}
    tap.ok(len(kinds) > 1, "%s: there are copies of one method" % name, kinds)
    tap.equal([group["count"] for group in doc["groups"] if any(
        frame["symbol"] == "Troubles.poll" for frame in group["frames"])], [POLLERS],
              "%s: threads in them are alike" % name)
    rows = suspects(core, "thread-explosion")
    tap.equal([row["evidence"]["alike_count"] for row in rows], [POLLERS],
              "%s: and one suspect" % name)
    tap.equal({row["waiters_count"] for row in answer("locks", "--json", core)["locks"]
               if row["owner"] and str(row["owner"]["name"]).endswith("-owner")},
              {1 + (VIRTUAL if release >= 21 else 0)}, "%s: virtual threads wait, too" % name)
    tap.equal(text.count("Found one Java-level deadlock"), 1, "%s: jcmd finds a ring" % name)
    ring = {threads_of(text)["ring-%d" % i][0] for i in range(RING)}
    rows = suspects(core, "deadlock")
    tap.equal([(row["count"], {int(word) for word in re.findall(
        r"\b(\d+) for 0x", row["message"])}) for row in rows], [(RING, ring)],
              "%s: threads that wait for each other" % name)
    os.unlink(core)


def check_well(tap, name, jdk, options):
    """Nothing of it is said of a program that is well."""
    core = Dump(jdk, "Troubles", "kernel", options, ["9", "9", "9", "99", "9", "0"]).core
    tap.equal([row["message"] for rule in TROUBLES for row in suspects(core, rule)], [],
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
        tap.attempt(name + " pollers", check_pollers, name, release, found[release],
                    options)
        tap.attempt(name + " well", check_well, name, found[release], options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
