#!/usr/bin/env python3
"""fixtures/shown: where the words of a block lead is what the program wrote down, and what is in
it appears with --reveal only."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

TEXT = "Quokka-hunter-4711"
NUMBER = 0x4142434445464748
# Offsets in struct shown.
BLOCK, MIDDLE, NOTHING, FUNCTION, VARIABLE, STACK, GONE, REST = 0, 8, 16, 32, 40, 48, 56, 64


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        return dict(line.split() for line in file)


def row_at(rows, offset):
    return [row for row in rows if row["offset"] == offset][0]


def leads(row):
    return row["target_addr"], row["target_type"], row["target_offset"]


def check_words(tap, how, core, truth):
    shown = fixture.answer("show", "--json", core, truth["shown"])["object"]
    rows = shown["fields"]
    tap.equal((shown["addr"], shown["state"], shown["runtime"], shown["shape"]),
              (truth["shown"], "used", "glibc", None), "%s: the block" % how)
    tap.ok(shown["size_bytes"] >= int(truth["size"]) and
           shown["items_count"] == shown["size_bytes"] // 8 == shown["items_shown_count"],
           "%s: all of its words" % how, shown)
    block = fixture.answer("whatis", "--json", core, truth["block"])["results"][0]["object"]
    tap.equal(leads(row_at(rows, BLOCK)),
              (truth["block"], "%d-byte blocks" % block["size_bytes"], 0),
              "%s: a word leads to a block" % how)
    middle = row_at(rows, MIDDLE)
    tap.equal((middle["target_addr"], middle["target_offset"]),
              (hex(int(truth["block"], 16) + 24), 24), "%s: and one into it" % how)
    tap.equal((row_at(rows, NOTHING)["words_count"], row_at(rows, NOTHING)["target_addr"]),
              (2, None), "%s: null and a number lead nowhere" % how)
    tap.equal(leads(row_at(rows, FUNCTION)), (truth["function"], "shown!shown_function", 0),
              "%s: a function has its name" % how)
    tap.equal(leads(row_at(rows, VARIABLE)), (truth["variable"], "shown!shown_variable", 4),
              "%s: a variable has its name" % how)
    tap.equal(leads(row_at(rows, STACK))[:2], (truth["stack"], "stack"),
              "%s: the stack is one" % how)
    tap.ok(row_at(rows, GONE)["target_addr"] == truth["gone"] and
           row_at(rows, GONE)["target_type"], "%s: a free block is a block" % how, rows)
    tap.equal(row_at(rows, REST)["words_count"], (shown["size_bytes"] - REST) // 8,
              "%s: text leads nowhere" % how)
    tap.equal([row["value"] for row in rows if row["value"]], [], "%s: no contents" % how)


def check_reveal(tap, how, core, truth):
    rows = fixture.answer("show", "--json", "--reveal", core, truth["shown"])["object"]["fields"]
    words = b"".join(int(row["value"], 16).to_bytes(8, "little") for row in rows)
    tap.equal(int.from_bytes(words[24:32], "little"), NUMBER, "%s: --reveal shows numbers" % how)
    tap.ok(words[64:].startswith(TEXT.encode()), "%s: and text" % how, words)
    for form in ([], ["--plain"], ["--json"]):
        hidden = fixture.coreheap("show", *form, core, truth["shown"])
        text = hidden.out + hidden.err
        tap.ok(hidden.code == 0 and "%x" % NUMBER not in text and str(NUMBER) not in text and
               TEXT[:6] not in text and TEXT.encode()[:8][::-1].hex() not in text,
               "%s: not without it: %s" % (how, form), hidden)
    hidden = fixture.coreheap("show", core, truth["shown"])
    tap.ok("without --reveal" in hidden.out, "%s: which is said" % how, hidden)


def check_addresses(tap, how, core, truth):
    inside = hex(int(truth["shown"], 16) + 20)
    doc = fixture.coreheap("show", core, inside)
    tap.ok("asked for" in doc.out and "+0x14 in it" in doc.out,
           "%s: an address inside of the block will do" % how, doc)
    few = fixture.answer("show", "--json", "--limit", "2", core, truth["shown"])["object"]
    tap.equal((len(few["fields"]), few["items_shown_count"]), (2, 2), "%s: --limit" % how)
    for args, words in (((truth["stack"],), "lies in no block"),
                        ((truth["shown"], "next"), "has no fields"), ((), "needs an address")):
        bad = fixture.coreheap("show", core, *args)
        tap.ok(bad.code == 2 and words in bad.err and not bad.out,
               "%s: show %s is refused" % (how, " ".join(args)), bad)
    freed = fixture.answer("show", "--json", core, truth["gone"])["object"]
    tap.equal(freed["state"], "free", "%s: a free block is shown as one" % how)


def check(tap, program, how):
    where = fixture.folder()
    core = fixture.dump(program, how, where)
    truth = read_truth(where)
    check_words(tap, how, core, truth)
    check_reveal(tap, how, core, truth)
    check_addresses(tap, how, core, truth)
    os.unlink(core)


def check_all_blocks(tap, name):
    """Every block of a checked-in core can be shown, and shows no contents."""
    core = fixture.unpack(name)
    rows = fixture.records("objects", "--jsonl", "--state", "all", core)[:-1]
    step = max(1, len(rows) // 40)
    bad = []
    for row in rows[::step]:
        doc = fixture.answer("show", "--json", core, row["addr"])["object"]
        words = sum(field["words_count"] or 1 for field in doc["fields"])
        if (doc["addr"], doc["size_bytes"]) != (row["addr"], row["size_bytes"]) or \
                words != min(doc["items_shown_count"], row["size_bytes"] // 8) or \
                any(field["value"] for field in doc["fields"]):
            bad.append((row, doc))
    tap.equal(bad[:1], [], "%s: blocks are shown, their words once each" % name)


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "shown")
    fixture.build("shown", program)
    for how in ("gcore", "kernel"):
        reason = fixture.why_not(how)
        if reason:
            tap.skip(how, reason)
        else:
            tap.attempt(how, check, program, how)
    for name in fixture.every_core():
        tap.attempt(name, check_all_blocks, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
