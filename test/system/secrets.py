#!/usr/bin/env python3
"""Memory contents never appear without --reveal: words that lie on the heap, the
stack, in the arguments and the environment of a program are in its core, and in
nothing that coreheap prints about it."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

WORDS = ["hunter2-Quokka", "Bearer-eyJhbGciOi"]
COMMANDS = [["info"], ["address"], ["address", "--regions"], ["heap"], ["types"], ["objects"], ["leaks"],
            ["leaks", "--list"], ["retained"], ["retained", "--tree"],
            ["summary"], ["summary", "--quick"], ["threads"], ["threads", "--regs"], ["modules"],
            ["types", "--strings"], ["types", "--by-gen"], ["heap", "--segments"],
            ["diff", "--all"]]
FORMATS = [[], ["--json"], ["--plain"], ["--jsonl"]]
TICKETS = [["summary"], ["diff"]]


def shows(text):
    return [word for word in WORDS if word in text or word[:8] in text]


def check_blocks(tap, core, how):
    """show of every block of the heap: one of them is the copy of a word."""
    rows = fixture.records("objects", "--jsonl", "--state", "all", core)[:-1]
    for form in FORMATS:
        shown = [fixture.coreheap("show", *form, core, row["addr"]) for row in rows]
        bad = [result for result in shown if result.code or shows(result.out + result.err)]
        tap.ok(rows and not bad, "%s: show %s shows none of them" % (how, " ".join(form)),
               bad[:1])
    revealed = [fixture.coreheap("show", "--json", "--reveal", core, row["addr"]).out
                for row in rows]
    inside = "0x%016x" % int.from_bytes(WORDS[0].encode()[:8], "little")
    tap.ok(any(inside in text for text in revealed),
           "%s: --reveal shows the first" % how)


def check_command(tap, core, how, command):
    """Commands that are told what to look for: matches, but not what is around them."""
    found = fixture.coreheap("search", "--json", core, "--text", WORDS[0])
    addr = json.loads(found.out)["matches"][0]["addr"]
    for form in FORMATS:
        words = [addr if word == "$ADDR" else word for word in command]
        result = fixture.coreheap(*words, *form)
        tap.ok(result.code in (0, 2) and not shows(result.out),
               "%s: %s %s shows none of them" % (how, command[0], " ".join(command[2:] + form)),
               result)


def check(tap, program, how):
    where = fixture.folder()
    core = fixture.dump(program, how, where, WORDS)
    with open(core, "rb") as file:
        data = file.read()
    for word in WORDS:
        tap.ok(data.count(word.encode()) > 3 and word.encode("utf-16-le") in data,
               "%s: %s is in the core" % (how, word))
    for command in COMMANDS + TICKETS:
        for form in FORMATS if command in COMMANDS else [["--markdown"]]:
            second = [core] if command[0] == "diff" else []
            result = fixture.coreheap(*command, *form, core, *second)
            tap.ok(result.code == 0 and not shows(result.out) and not shows(result.err),
                   "%s: %s shows none of them" % (how, " ".join(command + form)), result)
    for command in (["whatis", core, "$ADDR"], ["refs", core, "$ADDR"], ["roots", core, "$ADDR"],
                    ["search", core, "--text", WORDS[0]], ["search", core, "--utf16", WORDS[1]],
                    ["search", core, "--regex", "hunter2"]):
        check_command(tap, core, how, command)
    check_blocks(tap, core, how)
    os.unlink(core)


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "secrets")
    fixture.build("secrets", program)
    for how in ("gcore", "kernel"):
        reason = fixture.why_not(how)
        if reason:
            tap.skip(how, reason)
        else:
            tap.attempt(how, check, program, how)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
