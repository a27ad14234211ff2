#!/usr/bin/env python3
"""Memory contexts of PostgreSQL are heaps in blocks of malloc: a program that lays them out as
each release does says itself what is in them; what is wrong with them is told, and no loop is
endless."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

RELEASES = {"13": "13 to 15", "15": "13 to 15", "16": "16", "17": "17 and 18"}
SECRET = " secret"
# What is wrong, and the finding that says so.
FAULTS = {"children": "postgres-tree", "blocks": "postgres-blocks", "lists": "postgres-free-list",
          "shared": "postgres-blocks", "chunk": "postgres-chunk", "many": None}


def make(program, release, *fault):
    where = fixture.folder()
    how = "kernel" if fixture.why_not("kernel") is None else "gcore"
    return where, fixture.dump(program, how, where, (release, *fault))


def truth(where):
    """[(kind, total, free, used chunks, their bytes, parent, name)]"""
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("|") for line in file]
    return [(row[0], *map(int, row[1:5]), *row[5:]) for row in rows]


def contexts(heaps):
    return [heap for heap in heaps["heaps"] if heap["runtime"] == "postgres"]


def check_closes(tap, what, heaps):
    tap.equal([heap["name"] for heap in heaps["heaps"] if heap["used_bytes"] + heap["free_bytes"] +
               heap["overhead_bytes"] != heap["committed_bytes"]], [], "%s: sums close" % what)


def check_release(tap, program, release):
    where, core = make(program, release)
    heaps = fixture.answer("heap", "--json", core)
    wanted = truth(where)
    # Before release 15 what a Generation has freed is neither used nor free.
    found = collections.Counter(
        (heap["kind"], heap["detail"]["malloc_blocks_bytes"], heap["free_bytes"],
         heap["detail"].get("parent", ""), heap["name"]) for heap in contexts(heaps))
    tap.equal(found, collections.Counter(
        (kind, total, free, parent, name) for kind, total, free, _, _, parent, name in wanted),
        "%s: contexts" % release)
    tap.equal(heaps["warnings"], [], "%s: nothing is wrong" % release)
    check_closes(tap, release, heaps)
    facts = [row["facts"] for row in heaps["runtimes"] if row["name"] == "postgres"][0]
    tap.equal(facts["postgresql_releases"], RELEASES[release], "%s: the release" % release)
    rows = {row["name"]: row for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]
        if row["runtime"] == "postgres"}
    chunks = collections.Counter()
    for _, _, _, count, _, _, name in wanted:
        chunks[name] += count
    tap.equal({name: row["count"] for name, row in rows.items() if not name.endswith("Context")
               or name in chunks}, {name: n for name, n in chunks.items() if n},
              "%s: used chunks by name" % release)
    tap.equal({row["basis"] for row in rows.values()}, {"recorded"}, "%s: basis" % release)
    kinds = collections.Counter(kind + "Context" for kind, *_ in wanted)
    tap.equal({name: rows[name]["count"] for name in kinds}, dict(kinds),
              "%s: the contexts themselves" % release)


def check_secrets(tap, program):
    """Identifiers are contents; a table's name is shown if the program has it as a constant."""
    _, core = make(program, "15")
    hidden = fixture.coreheap("heap", core)
    tap.ok(SECRET not in hidden.out + fixture.coreheap("heap", "--json", core).out,
           "identifiers are hidden", hidden)
    shown = fixture.answer("heap", "--json", "--reveal", core)
    tap.equal(sorted(heap["name"] for heap in contexts(shown)
                     if heap["name"] in (SECRET, "Relcache by OID", "dynahash") or
                     heap["detail"].get("identifier") == SECRET),
              [SECRET, "CacheMemoryContext", "Relcache by OID"], "--reveal shows them")
    lines = {line.split("  ")[0] for line in hidden.out.splitlines()
             if line.startswith("CachedPlan")}
    tap.equal(lines, {"CachedPlan (300)"}, "contexts of one name are one line")


def check_fault(tap, program, release, fault):
    what = "%s, %s" % (release, fault)
    _, core = make(program, release, fault)
    heaps = fixture.answer("heap", "--json", core)
    found = {warning["code"] for warning in heaps["warnings"]}
    # Among the chunks that are overwritten are free ones of a list, which then breaks off.
    may = {"heap-unwalked"} | ({"postgres-free-list"} if fault == "chunk" else set())
    tap.equal(found - may, {FAULTS[fault]} - {None}, "%s: findings" % what)
    check_closes(tap, what, heaps)
    if fault == "lists":
        tap.ok(any("runs in a circle" in warning["message"] for warning in heaps["warnings"]),
               "%s: it is told how" % what, heaps["warnings"])
    if fault == "many":
        tap.equal(len([heap for heap in contexts(heaps) if heap["kind"] == "AllocSet" and
                       heap["name"] == "CacheMemoryContext"]), 30001, "%s: all of them" % what)


def main():
    if fixture.why_not("kernel") and fixture.why_not("gcore"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    program = os.path.join(fixture.folder(), "contexts")
    fixture.build("contexts", program, "-rdynamic", "-Wno-maybe-uninitialized")
    for release in RELEASES:
        tap.attempt(release, check_release, program, release)
    tap.attempt("secrets", check_secrets, program)
    for release in ("15", "17"):
        for fault in FAULTS:
            if (release, fault) != ("15", "lists") and (release, fault) != ("15", "many"):
                tap.attempt("%s, %s" % (release, fault), check_fault, program, release, fault)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
