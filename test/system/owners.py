#!/usr/bin/env python3
"""summary says exactly what points at equal mappings, however many words they are full of."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402


def check(tap, how):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "owners")
    fixture.build("owners", program)
    core = fixture.dump(program, how, where)
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        tables = [tuple(int(word) for word in line.split()) for line in file]
    suspects = fixture.answer("summary", "--json", core)["suspects"]
    found = [s for s in suspects if s["rule"] == "equal-mappings"]
    tap.equal(len(found), 1, "%s: the blocks of one size are a suspect" % how)
    suspect = found[0]
    tap.equal(suspect["count"], sum(count for count, _ in tables), "%s: all of them" % how)
    # usable bytes: the request in chunks of 16, less a word
    want = [(count, "%d-byte blocks" % ((size + 8 + 15) // 16 * 16 - 8)) for count, size in tables]
    tap.equal([(owner["count"], owner["name"]) for owner in suspect["pointed_at_by"]], want[:4],
              "%s: the owners that hold most, with exact numbers" % how)
    tap.equal(suspect["pointed_at_by_count"], len(tables), "%s: all owners are counted" % how)
    text = fixture.coreheap("summary", "--all", core).out
    tap.ok("and 2 more types" in " ".join(text.split()), "%s: those left out are told" % how, text)


def main():
    tap = Tap()
    for how in ("gcore", "kernel"):
        why = fixture.why_not(how)
        if why:
            tap.skip("owners, %s" % how, why)
        else:
            tap.attempt("owners, %s" % how, check, how)
    sys.exit(tap.done())


main()
