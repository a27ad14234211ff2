#!/usr/bin/env python3
"""Records of --jsonl, over all cores that are checked in: they say of which dump they are, the last
one that it is the last, and objects join with types; what --json says of what is no core; the tree
of `retained`."""
import collections
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import every_fixture  # noqa: E402
from fixture import answer, coreheap, unpack  # noqa: E402
from tap import Tap  # noqa: E402


def lines(*arguments):
    return [json.loads(line) for line in coreheap(*arguments, "--jsonl").out.splitlines()]


def check_join(tap, name, core):
    document = answer("types", "--json", core)
    types = {row["id"]: (row["name"], row["runtime"], row["count"], row["total_bytes"])
             for row in document["types"] if row["kind"] != "absent"}
    *records, closing = lines("objects", "--state", "all", core)
    counted = collections.defaultdict(lambda: [0, 0])
    for record in records:
        row = counted[record["type_id"], record["type"], record["runtime"]]
        row[0] += 1
        row[1] += record["chunk_bytes"]
    tap.equal({key: (name, runtime, *sums) for (key, name, runtime), sums in counted.items()},
              types, name + ": objects by type are the rows of types")
    tap.equal(({record["dump_id"] for record in records}, any("closing" in record
                                                              for record in records)),
              ({document["dump"]["id"]}, False), name + ": each says of which dump it is")
    tap.equal((closing["closing"], closing["dump_id"], closing["matched_count"]),
              (True, document["dump"]["id"], len(records)), name + ": the last one, that it is it")


def check_streams(tap, core):
    """All commands whose --jsonl is records."""
    dump = answer("info", "--json", core)["dump"]["id"]
    held = answer("objects", "--limit", "1", "--json", core)["objects"][0]["addr"]
    for arguments in (["objects"], ["leaks"], ["leaks", "--list"], ["address", "--regions"],
                      ["search", "--text", "lib"], ["refs", held]):
        *records, closing = lines(arguments[0], core, *arguments[1:], "--limit", "5")
        tap.equal(({record.get("dump_id") for record in (*records, closing)},
                   [record for record in records if "closing" in record], closing["closing"]),
                  ({dump}, [], True), " ".join(arguments[:2]) + ": the dump's id, and what closes")
    tap.ok("dump_id" not in answer("objects", "--limit", "1", "--json", core)["objects"][0],
           "a document says it once")


def check_unread(tap, core):
    for arguments, form in ((["info", __file__], "--json"), (["objects", __file__], "--jsonl"),
                            (["types", __file__], "--jsonl"), (["diff", core, __file__], "--json"),
                            (["summary", __file__], "--json")):
        result = coreheap(*arguments, form)
        document = json.loads(result.out)
        tap.equal((result.code, document["schema"], document["dump"]["file_name"],
                   document["complete"], document["error"]["code"]),
                  (3, "coreheap/" + arguments[0], os.path.basename(__file__), False, "format"),
                  "%s %s of what is no core" % (arguments[0], form))
        tap.ok("not a core" in result.err, "and standard error says it, too", result.err)
    result = coreheap("info", __file__)
    tap.equal((result.code, result.out), (3, ""), "people are told once")
    result = coreheap("show", core, "no-such-symbol", "--json")
    tap.equal((result.code, result.out), (2, ""), "a question that cannot be asked has no document")


def check_tree(tap, core):
    document = answer("retained", "--tree", "--depth", "3", "--json", core)
    tree = document["tree"]
    tap.ok(tree and max(row["depth"] for row in tree) <= 3, "a tree, as deep as was asked for")
    above, faults = [], []
    for row in tree:
        above[row["depth"]:] = [row]
        parent = above[row["depth"] - 1] if row["depth"] else None
        if parent and (row["dominator_addr"] != parent["addr"] or
                       row["retained_bytes"] > parent["retained_bytes"]):
            faults.append(row)
    tap.equal(faults, [], "each block stands below the one that dominates it")
    rows = {row["addr"]: row["retained_bytes"] for row in
            answer("retained", "--json", "--limit", "100000", core)["rows"]}
    tap.equal([row for row in tree if rows.get(row["addr"]) != row["retained_bytes"]], [],
              "and retains what its row says")
    tap.equal(answer("retained", "--json", core)["tree"], None, "no tree but with --tree")


def main():
    tap = Tap()
    for name, core in every_fixture():
        tap.attempt(name, check_join, name, core)
    for check in (check_streams, check_unread, check_tree):
        tap.attempt(check.__name__, check, unpack("sid-cpp-abort"))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
