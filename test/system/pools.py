#!/usr/bin/env python3
"""Pools, tables and shared zones of nginx: a program that lays them out says itself what is in
them; what is wrong with them is told, and no loop is endless."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

SECRET = "secret"
FAULTS = {"blocks": "nginx-pool", "large": "nginx-large", "shared": "nginx-pool"}


def make(program, *fault):
    where = fixture.folder()
    how = "kernel" if fixture.why_not("kernel") is None else "gcore"
    return where, fixture.dump(program, how, where, fault)


def truth(where):
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("|") for line in file]
    return {row[4]: tuple(map(int, row[:4])) for row in rows[:4]}, tuple(map(int, rows[4]))


def mine(heaps):
    return [heap for heap in heaps["heaps"] if heap["runtime"] == "nginx"]


def check_closes(tap, what, heaps):
    tap.equal([heap["name"] for heap in heaps["heaps"] if heap["used_bytes"] + heap["free_bytes"] +
               heap["overhead_bytes"] != heap["committed_bytes"]], [], "%s: sums close" % what)


def check(tap, program):
    where, core = make(program)
    heaps = fixture.answer("heap", "--json", core)
    pools, (connections, chunks) = truth(where)
    found = collections.defaultdict(lambda: [0, 0, 0, 0])
    for heap in mine(heaps):
        if heap["kind"] != "pool":
            continue
        detail, sums = heap["detail"], found[heap["name"]]
        for i, number in enumerate((1, detail["malloc_blocks_count"] + detail["large_count"],
                                    detail["malloc_blocks_bytes"],
                                    detail["malloc_blocks_bytes"] - heap["free_bytes"])):
            sums[i] += number
    tap.equal({name: tuple(sums) for name, sums in found.items()}, pools, "pools")
    tap.equal(heaps["warnings"], [], "nothing is wrong")
    check_closes(tap, "pools", heaps)
    table, zone = [heap for heap in mine(heaps) if heap["kind"] != "pool"]
    tap.equal((table["name"], table["used_count"]), ("connections", 3 * connections),
              "connections and their events")
    tap.equal((zone["name"], zone["used_count"], zone["used_bytes"],
               zone["detail"]["failed_requests_count"]),
              ("shared zone", chunks, 9 * 32 + 4 * 64 + 2 * 512 + 3 * 4096, 3), "the zone")
    tap.ok(zone["committed_bytes"] == 64 * 4096 and zone["unwalked_bytes"] == 0, "all of it", zone)
    rows = {row["name"]: row for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]
        if row["runtime"] == "nginx"}
    tap.equal((rows["ngx_connection_t"]["count"], rows["ngx_event_t"]["count"],
               rows["request pool"]["basis"], rows["connection pool"]["basis"]),
              (connections, 2 * connections, "derived", "heuristic"), "types")
    tap.ok(SECRET not in fixture.coreheap("heap", core).out, "the zone's name is hidden")
    shown = fixture.answer("heap", "--json", "--reveal", core)
    tap.equal([heap["name"] for heap in mine(shown) if heap["kind"] == "shared zone"], [SECRET],
              "--reveal shows it")


def check_fault(tap, program, fault):
    _, core = make(program, fault)
    heaps = fixture.answer("heap", "--json", core)
    tap.equal({warning["code"] for warning in heaps["warnings"]}, {FAULTS[fault]},
              "%s: findings" % fault)
    check_closes(tap, fault, heaps)


def main():
    if fixture.why_not("kernel") and fixture.why_not("gcore"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    program = os.path.join(fixture.folder(), "pools")
    fixture.build("pools", program, "-rdynamic")
    tap.attempt("pools", check, program)
    for fault in FAULTS:
        tap.attempt(fault, check_fault, program, fault)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
