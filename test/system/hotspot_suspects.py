#!/usr/bin/env python3
"""Suspects of JVMs whose programs say themselves what holds how much: one cause is one suspect,
and its chain is that of most of it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, why_not  # noqa: E402
from jvm import Dump, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# as in fixtures/jvm/Held.java
THREADS, EACH, BYTES = 6, 1000, 4000
APPS, APP_BYTES = 40, 100000
# of a record, its array and what points at them
PIECE = BYTES + 16 + 16, BYTES + 16 + 16 + 96


def of_their_own(doc):
    """Suspects that are no part of others, and not about equal contents."""
    return [row for row in doc["suspects"]
            if not row["part_of"] and row["rule"] != "duplicate-contents"]


def names_of(suspect):
    return [(step["type"], step.get("field")) for step in suspect["chain"]["path"]
            if "type" in step]


def holds(suspect, count):
    return PIECE[0] * count <= suspect["bytes"] <= PIECE[1] * count + (1 << 20)


def check_threads(tap, name, core, doc):
    rows = of_their_own(doc)
    first = rows[0]
    tap.equal((first["rule"], first["chain"]["alike_count"], first["chain"]["alike_name"],
               first["chain"]["key"]),
              ("alike-holders", THREADS, 'Java thread "keeper-#"', "static Held.CONTEXT"),
              "%s: the threads of a pool, and their thread-local" % name)
    tap.ok(first["evidence"]["elements_count"] == THREADS * EACH and
           "Held$Record" in first["message"] and holds(first, THREADS * EACH),
           "%s: how many of what" % name, first)
    tap.ok(("java.lang.ThreadLocal$ThreadLocalMap", ".threadLocals") in names_of(first),
           "%s: and by which fields" % name, names_of(first))
    tap.equal([row["rule"] for row in rows[1:]], [], "%s: one cause, one suspect" % name)
    groups = [row for row in answer("threads", "--group", "--json", core)["groups"]
              if [name for name in row["names"] if name["pattern"] == "keeper-#"]]
    tap.equal([row["count"] for row in groups], [THREADS],
              "%s: they are in one method, whichever copy of its code runs" % name)
    text = " ".join(coreheap("summary", core).out.split())
    tap.ok('Java thread "keeper-#" (6 of them)' in text and "static Held.CONTEXT" in text,
           "%s: the screen has it" % name, text[-1500:])


def check_apps(tap, name, core, doc):
    """The thread-local is one of each application's: 40 of one name, and 40 that hold nothing."""
    first = of_their_own(doc)[0]
    tap.equal((first["rule"], first["chain"]["alike_count"], first["chain"]["alike_name"],
               first["chain"]["key"]),
              ("alike-holders", THREADS, 'Java thread "request-#"', "static Held$App.SESSION"),
              "%s: the threads, and the thread-local that most of it is held by" % name)
    tap.ok(first["bytes"] >= THREADS * APPS * APP_BYTES, "%s: how much" % name, first)
    sample = answer("roots", "--json", "--limit", "0", core, first["sample_addr"])
    tap.ok(sample["chains"][0]["root"]["where"].startswith('Java thread "request-'),
           "%s: the next command leads to a thread" % name, sample["chains"][:1])


def check_twice(tap, name, _, doc):
    rows = of_their_own(doc)
    tap.equal((len(rows), rows[0]["chain"]["root"]["where"],
               rows[0]["evidence"].get("elements_count")),
              (1, "static Held.ALL", THREADS * EACH),
              "%s: two ways to the same sessions, and one suspect" % name)
    tap.ok(holds(rows[0], THREADS * EACH) and "Held$Session" in rows[0]["message"],
           "%s: how much it is" % name, rows[0])


def check_office(tap, name, _, doc):
    rows = of_their_own(doc)
    found = [[field for _, field in names_of(row) if field in (".guests", ".staff")]
             for row in rows]
    tap.equal(found, [[".guests"], [".staff"]],
              "%s: two maps of one object are two, the larger one first" % name)
    tap.ok(all(holds(row, count) for row, count in zip(rows, (2 * EACH, EACH))),
           "%s: each what it holds" % name, rows)


def check_row(tap, name, _, doc):
    rows = of_their_own(doc)
    tap.equal((len(rows), rows[0]["rule"], rows[0]["chain"]["root"]["where"]),
              (1, "growing-collection", "static Held.ROW"),
              "%s: both ends of a list are one way" % name)
    tap.ok(holds(rows[0], THREADS * EACH) and "6,000 Held$Record" in rows[0]["message"],
           "%s: how many of what" % name, rows[0])


def check(tap, release, jdk, thing, how):
    name = "JDK %d, %s" % (release, thing)
    core = Dump(jdk, "Held", "kernel", ["-XX:+UseSerialGC", "-Xmx64m"], [thing]).core
    doc = answer("summary", "--json", core)
    tap.equal((doc["verdict"]["class"], doc["verdict"]["confidence"]), ("managed", "high"),
              "%s: verdict" % name)
    how(tap, name, core, doc)
    os.remove(core)


def main():
    reason = why_not("kernel")
    found = jdks(since=11)
    if reason or not found:
        skip_all(reason or "no JDK is installed")
    tap = Tap()
    for release in sorted({min(found), max(found)}):
        for thing, how in (("threads", check_threads), ("twice", check_twice),
                           ("office", check_office), ("row", check_row),
                           ("apps", check_apps)):
            tap.attempt("JDK %d, %s" % (release, thing), check, release, found[release], thing, how)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
