#!/usr/bin/env python3
"""Suspects of summary against programs with one thing wrong that count it themselves."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, build, coreheap, dump, folder, why_not  # noqa: E402
from tap import Tap  # noqa: E402


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        return {name: int(value) for name, value in map(str.split, file)}


def names_of(suspect):
    return [kind["name"] for kind in suspect["types"]]


def check_collection(tap, suspect, truth):
    tap.equal((suspect["bytes"], suspect["count"], suspect["evidence"]["children_count"],
               int(suspect["holder"]["addr"], 16)),
              (truth["bytes"], truth["children"] + 1, truth["children"], truth["holder"]),
              "collection: bytes, blocks and holder are the program's")
    tap.equal((suspect["chain"]["root"]["symbol"], suspect["chain"]["root"]["kind"],
               len(suspect["chain"]["path"])), ("orders", "data", 1),
              "collection: a global variable holds it")
    tap.equal((names_of(suspect)[0], suspect["types"][0]["count"]),
              ("orders -> [] -> 296-byte blocks", truth["children"]), "collection: and what of")
    tap.equal(suspect["next"], "coreheap retained CORE " + suspect["holder"]["addr"],
              "collection: the next command names the holder")


def check_several(tap, suspect, truth):
    tap.equal((suspect["bytes"], suspect["evidence"]["children_count"],
               int(suspect["holder"]["addr"], 16), suspect["chain"]["root"]["symbol"]),
              (truth["bytes"], truth["children"], truth["holder"], "hub"),
              "several types: one suspect, their common holder")
    tap.equal({kind["name"] for kind in suspect["types"] if kind["count"] == 3000},
              {"hub+0x%x -> [] -> %d-byte blocks" % (8 * k, 72 + 16 * k) for k in range(6)},
              "several types: all six are named")


def check_lost(tap, suspect, truth):
    tap.equal((suspect["bytes"], suspect["count"], names_of(suspect)[0], suspect["chain"]),
              (truth["bytes"], truth["count"], "136-byte blocks", None),
              "lost: every block that nothing points at, and no other")


def check_list(tap, suspect, truth):
    tap.equal((suspect["bytes"], suspect["count"], int(suspect["holder"]["addr"], 16),
               suspect["chain"]["root"]["symbol"]),
              (truth["bytes"], truth["count"], truth["holder"], "journal"),
              "list: its head, all of its blocks")


def check_mapped(tap, suspect, truth):
    tap.equal((suspect["evidence"]["each_bytes"], suspect["count"],
               suspect["evidence"]["mapped_bytes"]),
              (truth["each"], truth["count"], truth["each"] * truth["count"]),
              "mapped: as many and as large as the program made")
    # the program writes to none: there is a header in the first page of each
    tap.equal(suspect["bytes"], truth["count"] * 4096, "mapped: nearly nothing was touched")
    tap.equal(truth["each"], 16781312, "mapped: they are what one hunt was about")
    tap.equal(suspect["evidence"]["runs_count"], 1, "mapped: they touch")


def check_same(tap, suspect, truth):
    tap.equal((suspect["bytes"], suspect["count"], suspect["evidence"]["groups_count"],
               suspect["evidence"]["largest_group_count"]),
              (truth["bytes"], truth["count"], 1, truth["count"] + 1),
              "same: one group, and what it wastes")
    # an id may have a few of them
    tap.ok(8 * "c" not in json.dumps(suspect), "same: its contents are not shown")


def check_burst(tap, suspect, truth):
    # of the top chunk most pages were never touched
    tap.ok(0 <= truth["free"] + 8192 - suspect["bytes"] < 132 * 1024,
           "burst: free bytes are mallinfo's, but for what came after and the top",
           "%s\n%s" % (suspect, truth))
    tap.equal(suspect["next"], "coreheap heap CORE", "burst: look at the heap next")


def check_behind(tap, suspect, truth):
    check_collection(tap, suspect, truth)
    tap.ok(truth["bytes"] < truth["free"], "behind: more is free than it holds", truth)


def check_threads(tap, suspect, truth):
    tap.equal((suspect["count"], suspect["evidence"]["alike_count"]),
              (truth["count"], truth["alike"]), "threads: all, and those that are alike")


def check_carved(tap, suspect, truth):
    # beside it there is thread-local storage of the one thread
    tap.ok(0 <= suspect["bytes"] - truth["bytes"] < 65536, "carved: what the program mapped",
           suspect)
    tap.equal([(row["name"], row["count"]) for row in suspect["pointed_at_by"]],
              [("slabs in suspects", truth["slabs"]),
               ("held", truth["held"])],
              "carved: the table that has its slabs, and the blocks that have pages")
    tap.ok(0 <= suspect["count"] - truth["slabs"] - truth["held"] < 4,
           "carved: pages that something points at", suspect)


CASES = (
    ("collection", "growing-collection", check_collection),
    ("several", "common-holder", check_several),
    ("lost", "unreachable-native", check_lost),
    ("list", "growing-collection", check_list),
    ("mapped", "equal-mappings", check_mapped),
    ("same", "duplicate-contents", check_same),
    ("burst", "free-retained", check_burst),
    ("behind", "growing-collection", check_behind),
    ("threads", "thread-explosion", check_threads),
    ("carved", "unattributed", check_carved),
)


def test_case(tap, program, how, case):
    thing, rule, check = case
    where = folder()
    core = dump(program, how, where, arguments=(thing,))
    doc = answer("summary", "--json", core)
    found = {suspect["rule"]: suspect for suspect in doc["suspects"]}
    tap.ok(rule in found, "%s: %s is found" % (thing, rule), list(found))
    check(tap, found[rule], read_truth(where))
    # what is free weighs its share of the heap
    order = [(suspect["rule"] == "duplicate-contents",
              -suspect["bytes"] * (0.5 if thing == "behind" and
                                   suspect["rule"] == "free-retained" else 1))
             for suspect in doc["suspects"]]
    tap.equal(order, sorted(order), "%s: largest first, equal contents last" % thing)
    others = set(found) - {rule, "growing-collection", "large-block", "one-type"} - (
        {"free-retained"} if thing == "behind" else set())
    tap.equal(others, set(), "%s: nothing else is suspected" % thing)
    quick = answer("summary", "--quick", "--json", core)
    tap.equal((quick["quick"], [s["chain"] for s in quick["suspects"] if s["chain"]]), (True, []),
              "%s: --quick asks for no chain" % thing)
    tap.equal(quick["verdict"], doc["verdict"], "%s: and has the same verdict" % thing)
    again = dump(program, how, folder(), arguments=(thing,))
    ids = {suspect["rule"]: suspect["id"] for suspect in answer("summary", "--json",
                                                                again)["suspects"]}
    tap.equal(ids.get(rule), found[rule]["id"], "%s: the next run's has the same id" % thing)
    ticket = coreheap("summary", "--markdown", core)
    tap.ok("**%s**" % rule in ticket.out and ticket.code == 0, "%s: the ticket has it" % thing,
           ticket)
    os.remove(core)
    os.remove(again)


def main():
    tap = Tap()
    reason = why_not("kernel")
    how = "gcore" if reason else "kernel"
    if reason and why_not("gcore"):
        tap.skip("suspects", reason)
        return tap.done()
    program = os.path.join(folder(), "suspects")
    build("suspects", program)
    for case in CASES:
        if case[0] == "mapped" and how == "gcore":
            tap.skip("mapped", "gcore would write 1.6 GB of zeros; and " + reason)
            continue
        tap.attempt(case[0], test_case, program, how, case)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
