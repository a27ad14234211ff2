#!/usr/bin/env python3
"""fixtures/held: roots names what holds each block, and shows whole chains."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

NODES = 300000

WHERE = {
    "global": r"g_orders in held",
    "static": r"table\+0x18 in held",
    "interior": r"g_inside in held",
    "stack": r"thread \d+ frame \d+ work\(\) rsp\+0x[0-9a-f]+",
    "tls": r"TLS thread \d+ \+0x[0-9a-f]+ \(cache_tls\)",
    "anon": r"anon 0x[0-9a-f]+ \+0x10",
    "register": r"thread \d+ r12",
    "last": r"g_chain in held",
}
KINDS = {"global": "data", "static": "data", "interior": "data", "stack": "stack", "tls": "tls",
         "anon": "memory", "register": "register", "last": "data"}


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        return {label: "0x" + addr for label, addr in (line.split() for line in file)}


def check_names(tap, how, core, truth):
    for label, where in WHERE.items():
        doc = fixture.answer("roots", "--json", core, truth[label])
        roots = [chain["root"] for chain in doc["chains"]]
        tap.ok(doc["verdict"] == "reachable" and len(roots) == doc["roots_count"] == 1,
               "%s: %s has one root" % (how, label), doc)
        tap.ok(roots and re.fullmatch(where, roots[0]["where"]),
               "%s: %s is held by %s" % (how, label, where), roots)
        tap.equal(roots[0]["kind"] if roots else None, KINDS[label], "%s: %s: kind" % (how, label))
    symbol = {"global": "g_orders", "stack": "work", "tls": "cache_tls"}
    for label, want in symbol.items():
        doc = fixture.answer("roots", "--json", core, truth[label])
        tap.equal(doc["chains"][0]["root"]["symbol"], want, "%s: %s: symbol" % (how, label))


def check_chain(tap, how, core, truth):
    doc = fixture.answer("roots", "--json", core, truth["last"])
    path = [(step["addr"], step["offset"], step["points_into"])
            for step in doc["chains"][0]["path"]]
    tap.equal(path, [(truth["first"], None, 0), (truth["middle"], 8, 0), (truth["last"], 16, 0)],
              "%s: the whole chain, with offsets" % how)
    doc = fixture.answer("roots", "--json", core, truth["interior"])
    tap.equal(doc["chains"][0]["path"][0]["points_into"], 40, "%s: where a root points" % how)
    doc = fixture.answer("roots", "--exact", "--json", core, truth["interior"])
    tap.equal((doc["verdict"], doc["roots_count"]), ("unreachable", 0),
              "%s: --exact leaves interior pointers out" % how)
    doc = fixture.answer("roots", "--json", core, truth["lost"])
    tap.equal((doc["verdict"], doc["chains"]), ("unreachable", []), "%s: nothing holds it" % how)
    doc = fixture.answer("roots", "--depth", "1", "--json", core, truth["last"])
    tap.equal((doc["verdict"], doc["roots_count"]), ("incomplete", 0),
              "%s: a bound that hides the root makes it incomplete" % how)
    doc = fixture.answer("roots", "--json", core, "456-byte blocks")
    tap.equal((doc["target"]["addr"], doc["target"]["count"], doc["roots_count"]), (None, 1, 1),
              "%s: by type" % how)
    text = fixture.coreheap("roots", core, truth["last"]).out
    tap.ok("g_chain in held" in text and "<- target" in text and "+0x10" in text,
           "%s: as text" % how, text)


def check_long(tap, how, core, truth):
    doc = fixture.answer("roots", "--json", core, truth["end"])
    (chain,) = doc["chains"]
    elided = [step["elided_count"] for step in chain["path"] if "elided_count" in step]
    tap.equal((chain["root"]["symbol"], chain["steps"], doc["reaching_count"]),
              ("g_list", NODES - 1, NODES), "%s: a list of %d nodes" % (how, NODES))
    tap.equal((len(elided), sum(elided) + len(chain["path"]) - 1), (1, NODES),
              "%s: its middle is left out and counted" % how)
    tap.ok(len(fixture.coreheap("roots", core, truth["end"]).out.splitlines()) < 25,
           "%s: and it fits a screen" % how)


def check_leaks(tap, how, core, truth):
    rows = fixture.records("leaks", "--jsonl", core)[:-1]
    lost = {row["addr"] for row in rows} & set(truth.values())
    tap.equal(lost, {truth["lost"]}, "%s: of all blocks only one is lost" % how)
    rows = fixture.records("leaks", "--possible", "--jsonl", core)[:-1]
    classes = {row["addr"]: row["class"] for row in rows}
    tap.equal((classes.get(truth["leftover"]), classes.get(truth["interior"])),
              ("thread-leftover", "possibly-lost"),
              "%s: what an ended thread left, and an interior pointer, are told apart" % how)


def check_retained(tap, how, core, truth):
    doc = fixture.answer("retained", "--json", core, truth["first"])
    tap.equal((doc["object"]["retained_count"], [row["addr"] for row in doc["rows"]]),
              (3, [truth["middle"]]), "%s: the first of a chain retains all three" % how)
    doc = fixture.answer("retained", "--json", core, truth["last"])
    tap.equal(doc["object"]["dominator_addr"], truth["middle"], "%s: its dominator" % how)
    doc = fixture.answer("retained", "--json", "--limit", "5", core)
    tap.equal([(row["chain_count"], row["chain_field"], row["retained_count"])
               for row in doc["tops"] if row["chain_count"]], [(NODES, ".next", NODES)],
              "%s: a list of %d nodes is one row" % (how, NODES))
    tap.equal([row["dominator_addr"] for row in doc["rows"]].count(None), 1,
              "%s: rows have what lies below, too" % how)
    tap.ok(doc["tops_count"] < 50 and doc["matched_count"] > NODES,
           "%s: others are not counted at the top" % how, doc["tops_count"])
    tap.ok("300,000 by .next" in fixture.coreheap("retained", core).out.split("types, each")[0],
           "%s: and so it is as text" % how)


def main():
    tap = Tap()
    for how in ("gcore", "kernel"):
        reason = fixture.why_not(how)
        if reason or os.uname().machine != "x86_64":
            tap.skip(how, reason or "the program needs x86-64")
            continue
        where = fixture.folder()
        program = os.path.join(fixture.folder(), "held")
        fixture.build("held", program)
        core = fixture.dump(program, how, where)
        truth = read_truth(where)
        for check in (check_names, check_chain, check_long, check_leaks, check_retained):
            tap.attempt("%s: %s" % (how, check.__name__), check, how, core, truth)
    sys.exit(tap.done())


main()
