#!/usr/bin/env python3
"""Memory contents never appear without --reveal: words that lie on the heap, the stack, in the
arguments and the environment of a program, or are strings of a managed one, are in its core, and
in nothing that coreheap prints about it, in any form."""
import itertools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import planted  # noqa: E402
from tap import Tap  # noqa: E402

WORDS = ["hunter2-Quokka", "Bearer-eyJhbGciOi"]
# What fixtures/overrun writes over, and codes of what is said of that.
FOUND = {"headers": {"glibc-chunk-damaged", "link-map-damaged"},
         "lists": {"glibc-tcache-damaged", "glibc-fastbin-damaged"},
         "death": set()}
FORMS = planted.FORMS
# Strings and settings that are in each core of fixtures/dotnet-cores: UTF-16 on the managed heap,
# and the environment.
MANAGED = ["International Monetary Fund", "APP_CONTEXT_BASE_DIRECTORY",
           "ERROR: Exception during construction of EventSource"]
ENVIRONMENT = ["COMPlus_EnableDiagnostics", "DOTNET_GCHeapCount", "DOTNET_gcServer",
               "DOTNET_EnableDiagnostics"]


def shows(text):
    return [mark for word in WORDS for mark in planted.traces(word) if mark in text]


def check_blocks(tap, core, how):
    """show of every block of the heap: one of them is the copy of a word."""
    rows = fixture.records("objects", "--jsonl", "--state", "all", core)[:-1]
    for form in FORMS if how == "gcore" or fixture.WHOLE else FORMS[:2]:
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
    for form in FORMS:
        words = [addr if word == "$ADDR" else word for word in command]
        result = fixture.coreheap(*words, *form)
        tap.ok(result.code in (0, 2, 5) and not shows(result.out),
               "%s: %s %s shows none of them" % (how, command[0], " ".join(command[2:] + form)),
               result)


def check(tap, program, how):
    where = fixture.folder()
    core = fixture.dump(program, how, where, WORDS)
    with open(core, "rb") as file:
        data = file.read()
    for word in WORDS:
        # argument, heap and environment; what registers of vectors are left with depends on the processor
        tap.ok(data.count(word.encode()) >= 3 and word.encode("utf-16-le") in data,
               "%s: %s is in the core" % (how, word))
    turn = None if how == "gcore" or fixture.WHOLE else 1
    count, bad = planted.shown(core, WORDS, planted.questions(core, turn))
    tap.ok(count > 70 and not bad, "%s: %d answers show none of them" % (how, count),
           "\n".join(bad[:5]))
    tap.ok(planted.shown(core, ["confidence_reason"], [["summary", "--json", core]])[1] and
           planted.shown(core, ["sum"], [["no-such-command", core]])[1] and
           planted.shown(core, WORDS, [["search", "--text", WORDS[0], "--reveal", core]])[1],
           "%s: a word that is shown, or no answer, is found out" % how)
    for command in (["whatis", core, "$ADDR"], ["refs", core, "$ADDR"], ["roots", core, "$ADDR"],
                    ["search", core, "--text", WORDS[0]], ["search", core, "--utf16", WORDS[1]],
                    ["search", core, "--regex", "hunter2"], ["show", core, "$ADDR"],
                    ["retained", core, "$ADDR"], ["address", core, "$ADDR"]):
        check_command(tap, core, how, command)
    check_blocks(tap, core, how)
    os.unlink(core)


def check_overrun(tap, program, how, what, turn):
    """Text where malloc, the linker and the processor keep numbers. Each question in one of the
    forms; the cores have as many turns as there are forms, and one more."""
    core = fixture.dump(program, how, fixture.folder(), [what, *WORDS])
    name = "%s, %s" % (how, what)
    found = {warning["code"] for command in ("summary", "leaks")
             for warning in fixture.answer(command, "--json", core)["warnings"]}
    tap.ok(FOUND[what] <= found, "%s: it is noticed" % name, sorted(found))
    count, bad = planted.shown(core, WORDS, planted.questions(core, turn))
    tap.ok(count > 50 and not bad, "%s: %d answers show none of it" % (name, count),
           "\n".join(bad[:8]))
    revealed = [fixture.coreheap(*words, "--reveal", core).out for words in (
        ["summary", "--json"], ["leaks", "--json"], ["threads", "--regs"])]
    tap.ok(any(mark in text for text in revealed for word in WORDS
               for mark in planted.traces(word)), "%s: --reveal shows some" % name)
    os.unlink(core)


def check_managed(tap, version, turn):
    core = fixture.unpack("dotnet-cores", version)
    with open(core, "rb") as file:
        data = file.read()
    words = [word for word in ENVIRONMENT if planted.lies_in(data, word)[0]]
    tap.ok(all(planted.lies_in(data, word)[1] for word in MANAGED),
           ".NET %s: strings are in the core" % version)
    count, bad = planted.shown(core, MANAGED + words, planted.questions(core, turn))
    tap.ok(count > 60 and not bad, ".NET %s: %d answers show neither them nor %d names of the "
           "environment" % (version, count, len(words)), "\n".join(bad[:5]))
    revealed = fixture.coreheap("types", "--strings", "--reveal", core).out
    tap.ok(all(word in revealed for word in MANAGED), ".NET %s: --reveal shows strings" % version)


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
    program = os.path.join(fixture.folder(), "overrun")
    fixture.build("overrun", program)
    turns = itertools.count()
    for how in ("gcore", "kernel"):
        for what in () if fixture.why_not(how) else sorted(FOUND):
            tap.attempt("%s, %s" % (how, what), check_overrun, program, how, what, next(turns))
    # as many as there are forms
    for turn, version in enumerate(("3.1.3", "8.0.33", "9.0.20", "9.0.22", "10.0.12")):
        tap.attempt(version, check_managed, version, turn)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
