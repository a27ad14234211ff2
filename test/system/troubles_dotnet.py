#!/usr/bin/env python3
"""What makes a .NET program stand still or waste: locks that threads wait for, against what the
program itself knows of them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from tap import Tap  # noqa: E402

ENTER, GUARD = 24, 11


def suspects(core, rule):
    return [row for row in fixture.answer("summary", "--json", core)["suspects"]
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


def check(tap, program, createdump):
    core, where = managed.dump("createdump", program, createdump, {}, [str(n) for n in (
        ENTER, GUARD, 0, 0, 0, 0)])
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        check_locks(tap, core, [int(word) for word in file.read().split()])
    os.unlink(core)


def check_well(tap, program, createdump):
    core, _ = managed.dump("createdump", program, createdump, {}, ["9", "9", "0", "0", "0", "0"])
    tap.equal([row["message"] for rule in ("lock-convoy",) for row in suspects(core, rule)], [],
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
