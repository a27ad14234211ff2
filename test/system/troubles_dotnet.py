#!/usr/bin/env python3
"""What makes a .NET program stand still or waste: locks that threads wait for, finalizers that do
not run, collections nearly empty, keys of one hash code; against what the program made."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from tap import Tap  # noqa: E402

ENTER, GUARD = 24, 11
# each with a list, a dictionary and a builder for 60, one element in each
ORDERS, ROOM = 4000, 60
KEYS, SLOW = 3000, 1500
# every second large array stays; one of ten small ones, pinned
LARGE, HOLE_BYTES, PINNED = 200, 150_024, 4000
TROUBLES = ("lock-convoy", "finalizer-backlog", "colliding-keys", "empty-collections",
            "fragmented-heap")


def suspects(core, rule):
    return [row for row in fixture.summary(core)["suspects"]
            if row["rule"] == rule]


def check_locks(tap, core, owners):
    rows = {row["type"]: row for row in fixture.answer("locks", "--json", core)["locks"]}
    wanted = {"Troubles.Gate": ("monitor", ENTER, 0, owners[0]),
              "System.Threading.Lock": ("Lock", GUARD, 0, owners[1]),
              "Troubles.Thin": ("thin lock", 0, 1, owners[0])}
    for name, of in wanted.items():
        row = rows.get(name, {"owner": {}})
        tap.equal((row.get("kind"), row.get("waiters_count"), row.get("recursion"),
                   row["owner"].get("tid")), of, "the lock of %s" % name)
    found = suspects(core, "lock-convoy")
    tap.equal([(row["count"], row["chain"]["root"]["where"]) for row in found],
              [(ENTER, "static Troubles.Program.gate"),
               (GUARD, "static Troubles.Program.guard")], "both with waiters are suspects")
    tap.ok(all("that is in Troubles.Program.Hang" in row["message"] for row in found),
           "with what their owners do", found)


def check_queue(tap, core):
    found = suspects(core, "finalizer-backlog")
    # the one that hangs is out of the queue
    tap.equal([(row["types"][0]["name"], row["count"]) for row in found],
              [("Troubles.Slow", SLOW - 1)], "objects that wait for their finalizers")
    tap.ok(found[0]["message"].endswith(" is in Troubles.Program.Hang"),
           "with what the finalizer's thread does", found)


def check_collections(tap, core):
    row = (suspects(core, "empty-collections") + [{}])[0]
    # 71 is the first prime from 60 on that the library has; an entry has 24 bytes
    unused = {"System.Collections.Generic.List<System.String>": (ROOM - 1) * 8,
              "System.Collections.Generic.Dictionary<System.String, System.String>": 70 * 24,
              "System.Text.StringBuilder": (ROOM - 1) * 2}
    found = {part["name"]: (part["count"], part["total_bytes"]) for part in row.get("types", [])}
    tap.equal({name: found.get(name) for name in unused},
              {name: (ORDERS, ORDERS * size) for name, size in unused.items()},
              "what collections do not use")
    tap.equal({part["name"].split(" ")[0]: part["count"] for part in row.get(
        "pointed_at_by", []) if "Order" in part["name"]},
              {"Troubles.Order." + field: ORDERS for field in ("notes", "options", "text")},
              "and which fields have them")


def check_keys(tap, core):
    # and the key whose own hash code it is
    tap.equal(sorted((row["chain"]["root"]["where"], row["count"],
                      row["evidence"]["entries_count"])
                     for row in suspects(core, "colliding-keys")),
              [("static Troubles.Program.sessions", KEYS, KEYS),
               ("static Troubles.Program.shared", KEYS // 2 + 1, KEYS)],
              "keys of one hash code, half of those of another map, and of no other")


def check_holes(tap, core):
    found = {row["message"].split(" ")[0]: row for row in suspects(core, "fragmented-heap")}
    large = found.get("LOH", {"bytes": 0})
    wanted = LARGE // 2 * HOLE_BYTES
    tap.ok(wanted - HOLE_BYTES <= large["bytes"] < 1.02 * wanted, "holes between large objects",
           large)
    pinned = [row for name, row in found.items() if name.startswith("gen")]
    # the collector may put some of its own between those that are pinned, and may have moved some
    # regions on to a generation that is not fragmented as a whole
    wanted = 9 * PINNED * 1024
    tap.ok(0.8 * wanted < sum(row["bytes"] for row in pinned) < 1.05 * wanted and
           0.8 * PINNED <= sum(row["evidence"]["pinned_count"] for row in pinned) < PINNED + 50,
           "and between pinned ones", pinned)


def check(tap, program, createdump):
    core, where = managed.dump("createdump", program, createdump, {}, [str(n) for n in (
        ENTER, GUARD, ORDERS, KEYS, SLOW, LARGE, PINNED)])
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        check_locks(tap, core, [int(word) for word in file.read().split()])
    check_queue(tap, core)
    check_collections(tap, core)
    check_keys(tap, core)
    check_holes(tap, core)
    os.unlink(core)


def check_well(tap, program, createdump):
    core, _ = managed.dump("createdump", program, createdump, {}, ["9", "9", "9", "99", "9", "9", "9"])
    tap.equal([row["message"] for rule in TROUBLES for row in suspects(core, rule)], [],
              "nothing of it is said of a program that is well")
    os.unlink(core)


def main():
    _, folder, program = managed.tools("dotnet-troubles", "troubles")
    createdump = os.path.join(folder, "createdump")
    tap = Tap()
    tap.attempt("ill", check, program, createdump)
    tap.attempt("well", check_well, program, createdump)
    sys.exit(tap.done())


main()
