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
    tap.attempt("handles", check_handles, managed)
    tap.attempt("show", check_show, managed)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
