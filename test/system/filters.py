#!/usr/bin/env python3
"""Options that choose blocks: the same words and meaning in each command that has them."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from fixture import answer, coreheap, records  # noqa: E402
from tap import Tap  # noqa: E402

CHOOSING = ("types", "objects", "search", "handles")
# About used blocks, by whether something reaches them: no states, no --live and no --dead.
USED = ("leaks", "retained")
SHARED = ("type", "type-part", "state", "size", "min-size", "max-size", "range", "arena", "gen",
          "live", "dead")
# "string n", as the strings of the program begin
WORD = "0x6e20676e69727473"
DEFAULT = re.compile(r" \(default \w+\)")


def explained(command):
    """{option: its help} of a command, in one line each."""
    text = coreheap(command, "--help").out.split("\nOptions:\n")[1].split("\n\n")[0]
    found, name = {}, None
    for line in text.splitlines():
        match = re.match(r"  --?([\w-]+)\S*(?: \S+)*?(?:  +(.*)|$)", line)
        name = match[1] if match else name
        words = (match[2] or "") if match else line.strip()
        found[name] = (found.get(name, "") + " " + words).strip()
    return found


def check_words(tap):
    want = explained("types")
    for command in CHOOSING[1:]:
        got = explained(command)
        tap.equal([(name, DEFAULT.sub("", got.get(name, ""))) for name in SHARED],
                  [(name, DEFAULT.sub("", want[name])) for name in SHARED],
                  "%s explains them as types does" % command)
    names = [name for name in SHARED if name not in ("state", "live", "dead")]
    for command in USED:
        got = explained(command)
        tap.equal([(name, got.get(name, "")) for name in names],
                  [(name, want[name]) for name in names], "%s, too" % command)


def listed(core, *options):
    return records("objects", "--jsonl", "--state", "all", *options, core)[:-1]


def owners(core, *options):
    """Blocks that hold the word of a text that many begin with, behind their headers."""
    found = records("search", "--jsonl", "--int", WORD, *options, core)[:-1]
    return {row["owner_addr"] for row in found if row["owner_addr"] and
            int(row["addr"], 16) >= int(row["owner_addr"], 16)}


def same(tap, got, want, what):
    tap.ok(got == want, what, sorted(got ^ want)[:10])


def check_meaning(tap, core):
    """Each choice leaves what it says of all blocks, whoever is asked."""
    every = {row["addr"]: row for row in listed(core)}
    texts = owners(core)
    tap.ok(len(texts) > 100, "many blocks have the word", len(texts))
    name = next(row["name"] for row in answer("types", "--json", core)["types"]
                if row["kind"] == "object" and row["count"] > 1)
    part = name[1:-1]
    start = sorted(int(addr, 16) for addr in every)[len(every) // 2]
    choices = (
        (["--type", name], lambda row: row["type"] == name),
        (["--type-part", part], lambda row: part in row["type"]),
        (["--state", "free"], lambda row: row["state"] == "free"),
        (["--size", "136"], lambda row: row["size_bytes"] == 136),
        (["--min-size", "200"], lambda row: row["size_bytes"] >= 200),
        (["--max-size", "100"], lambda row: row["size_bytes"] <= 100),
        (["--min-size", "100", "--max-size", "200"], lambda row: 100 <= row["size_bytes"] <= 200),
        (["--arena", "main arena"], lambda row: row["heap"] == "main arena"))
    for options, passes in choices:
        want = {addr for addr, row in every.items() if passes(row)}
        what = " ".join(options)
        tap.ok(want and len(want) < len(every), "%s: it chooses" % what, len(want))
        same(tap, {row["addr"] for row in listed(core, *options)}, want, "objects %s" % what)
        tap.equal(answer("types", "--json", *options, core)["total_count"], len(want),
                  "types %s" % what)
        same(tap, owners(core, *options), want & texts, "search %s" % what)
    where = "0x%x-0x%x" % (start, start + 4096)
    tap.equal(answer("types", "--json", "--range", where, core)["total_count"],
              len(listed(core, "--range", where)), "types and objects --range")
    held = {row["addr"] for row in listed(core, "--live")}
    lost = {row["addr"] for row in listed(core, "--dead")}
    used = {addr for addr, row in every.items()
            if row["state"] == "used" and row["kind"] != "allocator"}
    tap.ok(held and lost and not held & lost and held | lost <= used, "objects --live and --dead")
    same(tap, owners(core, "--live"), held & texts, "search --live")
    same(tap, owners(core, "--dead"), lost & texts, "search --dead")


def chosen(core):
    """Options that choose used blocks, and what they leave, by address."""
    rows = [row for row in listed(core) if row["state"] == "used" and row["kind"] == "object"]
    where = sorted(int(row["addr"], 16) for row in rows)
    # a chunk begins 16 bytes before what the program may use
    start, end = where[len(where) // 4], where[3 * len(where) // 4]
    name = rows[len(rows) // 2]["type"]
    for options, passes in (
            (["--type", name], lambda row: row["type"] == name),
            (["--type-part", "4"], lambda row: "4" in row["type"]),
            (["--size", "136"], lambda row: row["size_bytes"] == 136),
            (["--min-size", "40", "--max-size", "200"], lambda row: 40 <= row["size_bytes"] <= 200),
            (["--arena", "main arena"], lambda row: row["heap"] == "main arena"),
            (["--range", "0x%x-0x%x" % (start, end), "--min-size", "100"],
             lambda row: row["size_bytes"] >= 100 and int(row["addr"], 16) - 16 < end and
             int(row["addr"], 16) - 16 + row["chunk_bytes"] > start)):
        yield " ".join(options), options, {row["addr"]: row for row in rows if passes(row)}


def sums(rows):
    rows = list(rows)
    return {"count": len(rows), "total_bytes": sum(row["chunk_bytes"] for row in rows),
            "usable_bytes": sum(row["size_bytes"] for row in rows)}


def check_leaks(tap, core):
    """The classes are those of what was chosen, and with the rest all used blocks."""
    lost = {row["addr"]: row for row in records("leaks", "--jsonl", core)[:-1]}
    held = {row["addr"] for row in records("leaks", "--jsonl", "--possible", core)[:-1]}
    every = answer("leaks", "--json", core)
    tap.equal((every["filtered"], every["filtered_out"]),
              (False, {"count": 0, "total_bytes": 0, "usable_bytes": 0}), "leaks: all of them")
    for what, options, want in chosen(core):
        got = answer("leaks", "--json", *options, core)
        classes = dict(got["classes"])
        tap.equal(classes.pop("allocator"), every["classes"]["allocator"],
                  "leaks %s: the allocator's own stay" % what)
        added = [{key: sum(part[key] for part in parts) for key in got["filtered_out"]}
                 for parts in (classes.values(), [*classes.values(), got["filtered_out"]])]
        whole = [row for name, row in every["classes"].items() if name != "allocator"]
        tap.equal((got["filtered"], added[0], added[1]),
                  (True, sums(want.values()),
                   {key: sum(row[key] for row in whole) for key in added[1]}),
                  "leaks %s: classes of what was chosen, with the rest all" % what)
        same(tap, {row["addr"] for row in records("leaks", "--jsonl", *options, core)[:-1]},
             set(lost) & set(want), "leaks %s lists those that are lost" % what)
        same(tap, {row["addr"] for row in records("leaks", "--jsonl", "--possible", *options,
                                                  core)[:-1]},
             held & set(want), "leaks %s lists those that may be" % what)
        tap.equal((got["unreachable_count"], sum(row["count"] for row in got["groups"]),
                   sum(row["total_bytes"] for row in got["groups"])),
                  (len(set(lost) & set(want)),) * 2 +
                  (sum(row["chunk_bytes"] for addr, row in lost.items() if addr in want),),
                  "leaks %s: groups have them all" % what)
    text = coreheap("leaks", "--size", "136", core).out
    tap.ok("filtered-out" in text and "Lost of these: " in text, "the text says so", text)


def below(rows, some, top):
    """Of some blocks those below top that have no other one of them between."""
    found = set()
    for addr in some:
        above = rows[addr]["dominator_addr"]
        while above and above != top and above not in some:
            above = rows[above]["dominator_addr"]
        if above == top:
            found.add(addr)
    return found


def check_retained(tap, core):
    """Rows are of what was chosen; what they retain is each byte once."""
    every = answer("retained", "--json", "--limit", "0", core)
    rows = {row["addr"]: row for row in every["rows"]}
    top = every["tops"][0]["addr"]
    tap.equal((every["chosen_count"], every["chosen_retained_bytes"]), (None, None),
              "retained: nothing was chosen")
    for what, options, want in chosen(core):
        got = answer("retained", "--json", "--limit", "0", *options, core)
        some = set(want) & set(rows)
        heads = below(rows, some, None)
        tap.equal((got["matched_count"], got["chosen_count"], got["reachable_bytes"]),
                  (len(some), len(some), every["reachable_bytes"]),
                  "retained %s: so many of all" % what)
        tap.equal({row["addr"]: row["retained_bytes"] for row in got["rows"]},
                  {addr: rows[addr]["retained_bytes"] for addr in some},
                  "retained %s: rows are theirs" % what)
        tap.equal((got["tops_count"], {row["addr"] for row in got["tops"]},
                   got["chosen_retained_bytes"], got["chosen_retained_count"]),
                  (len(heads), heads, sum(rows[addr]["retained_bytes"] for addr in heads),
                   sum(rows[addr]["retained_count"] for addr in heads)),
                  "retained %s: none of them dominates another, and the sum is theirs" % what)
        tap.equal((sum(row["count"] for row in got["by_type"]),
                   sum(row["self_bytes"] for row in got["by_type"])),
                  (len(some), sum(rows[addr]["self_bytes"] for addr in some)),
                  "retained %s: types have them all" % what)
        if len(got["by_type"]) == 1:
            tap.equal(got["by_type"][0]["retained_bytes"], got["chosen_retained_bytes"],
                      "retained %s: one type is all of it" % what)
        inner = answer("retained", "--json", "--limit", "0", *options, core, top)
        same(tap, {row["addr"] for row in inner["tops"]}, below(rows, some, top),
             "retained %s ADDR has those below it" % what)
    refused = coreheap("retained", "--tree", "--size", "136", core)
    tap.ok(refused.code == 2 and "--tree has all blocks" in refused.err, "no tree of some", refused)


def check_sort(tap, core):
    """--sort: the same rows in another order; a limit leaves the first ones."""
    for command, rows, name in (("types", "types", "name"), ("leaks", "groups", "type")):
        plain = answer(command, "--json", core)[rows]
        tap.ok(len({row[name] for row in plain}) > 5, "%s: many rows" % command, len(plain))
        tap.equal(answer(command, "--json", "--sort", "bytes", core)[rows], plain,
                  "%s --sort bytes is the order without" % command)
        for word, key in (("count", lambda row: (-row["count"], -row["total_bytes"])),
                          ("name", lambda row, name=name: row[name].encode())):
            got = answer(command, "--json", "--sort", word, core)[rows]
            tap.equal([key(row) for row in got], sorted(key(row) for row in plain),
                      "%s --sort %s" % (command, word))
            tap.equal(sorted(got, key=str), sorted(plain, key=str), "and no row is lost")
            tap.equal(answer(command, "--json", "--sort", word, "--limit", "3", core)[rows],
                      got[:3], "%s --sort %s --limit 3" % (command, word))
        bad = coreheap(command, "--sort", "size", core)
        tap.ok(bad.code == 2 and "'size' is not one of bytes, count, name" in bad.err,
               "%s: another word is none" % command, bad)
    bad = coreheap("types", "--by", "basis", "--sort", "name", core)
    tap.ok(bad.code == 2 and "--sort" in bad.err, "rows of another kind have one order", bad)


def check_handles(tap, core):
    every = answer("handles", "--json", "--list", core)["handles"]
    name = next(row["type"] for row in every if row["type"])
    for options, passes in ((["--type", name], lambda row: row["type"] == name),
                            (["--type-part", name[:-1]], lambda row: name[:-1] in row["type"])):
        tap.equal([row["object_addr"] for row in answer("handles", "--json", "--list", *options, core)["handles"]],
                  [row["object_addr"] for row in every if row["type"] and passes(row)],
                  "handles " + " ".join(options))


def check_show(tap, core):
    """An array of more items than are shown by default."""
    long = max(records("objects", "--jsonl", "--type", "System.Object[]", core)[:-1],
               key=lambda row: row["size_bytes"])
    shown = answer("show", "--json", core, long["addr"])["object"]
    whole = answer("show", "--json", "--limit", "0", core, long["addr"])["object"]
    tap.ok(shown["items_shown_count"] < shown["items_count"] == whole["items_shown_count"],
           "show --limit 0 has all items", shown["items_count"])


def main():
    tap = Tap()
    managed = fixture.unpack("dotnet-cores", "10.0.12")
    tap.attempt("words", check_words)
    tap.attempt("meaning", check_meaning, fixture.unpack("bookworm-small-abort"))
    tap.attempt("leaks", check_leaks, fixture.unpack("bookworm-small-abort"))
    tap.attempt("retained", check_retained, fixture.unpack("bookworm-small-abort"))
    tap.attempt("sort", check_sort, fixture.unpack("bookworm-small-abort"))
    tap.attempt("handles", check_handles, managed)
    tap.attempt("show", check_show, managed)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
