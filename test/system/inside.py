#!/usr/bin/env python3
"""leaks on programs that hold blocks by a constant place inside (links in the middle, marked
pointers, headers, second bases): those are reachable, and the true leaks among them, the
blocks with a stray pointer, and those that are too few for a rule stay what they are."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Rules that each program's blocks show: (usable bytes or None, place).
INSIDE = {(120, 16): 2000, (440, 1): 500, (None, 16): 90}
BASES = {(40, 8): 3000, (232, 8): 300}


def truth(where):
    """{kind of answer: {address: kind of block}}"""
    found = {"reachable": {}, "possible": {}, "lost": {}}
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        for line in file:
            right, kind, addr = line.split()
            found[right][int(addr, 16)] = kind
    return found


def kinds(want, addrs):
    """How many of each kind are among addresses."""
    counts = {}
    for addr in addrs:
        counts[want.get(addr, "other")] = counts.get(want.get(addr, "other"), 0) + 1
    return counts


def check(tap, what, core, where, rules):
    want = truth(where)
    lost = {int(row["addr"], 16) for row in fixture.records("leaks", "--jsonl", core)[:-1]}
    possible = {int(row["addr"], 16)
                for row in fixture.records("leaks", "--possible", "--jsonl", core)[:-1]}
    known = {addr: kind for part in want.values() for addr, kind in part.items()}
    for name, seen in (("lost", lost), ("possible", possible)):
        tap.equal(kinds(known, seen & set(known)), kinds(known, want[name]),
                  "%s: %s are exactly those" % (what, name))
    tap.equal(kinds(known, lost - set(known)), {}, "%s: nothing else is lost" % what)
    doc = fixture.answer("leaks", "--json", core)
    held = doc["by_inner_offset"]
    seen = {(rule["size_bytes"], rule["offset"]): rule["count"] for rule in held["rules"]}
    for rule, count in rules.items():
        tap.equal(seen.get(rule), count, "%s: blocks of %s bytes by +%s" % ((what,) + rule))
    tap.ok(sum(seen.values()) <= held["count"] <= doc["classes"]["reachable"]["count"],
           "%s: what the rules hold is a part of what is reachable" % what)
    text = fixture.coreheap("leaks", core)
    tap.ok(text.code == 0 and "held by a constant inner offset (heuristic)" in text.out,
           "%s: the rule is named" % what)
    one = {fixture.coreheap("leaks", "--json", "--threads", str(n), core).out for n in (1, 2, 5)}
    tap.equal(len(one), 1, "%s: the same for any --threads" % what)


def c_program(tap, how, flags):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "inside")
    fixture.build("inside", program, *flags)
    core = fixture.dump(program, how, where)
    check(tap, "inside %s, %s" % (" ".join(flags), how), core, where, INSIDE)


def cxx_program(tap, how):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "bases")
    subprocess.run([os.environ.get("CXX") or "c++", "-O1", "-g", "-o", program,
                    os.path.join(repo(), "fixtures", "inside", "bases.cc")], check=True)
    core = fixture.dump(program, how, where)
    check(tap, "bases, %s" % how, core, where, BASES)


def main():
    tap = Tap()
    for how in ("gcore", "kernel"):
        why = fixture.why_not(how)
        if why:
            tap.skip("inside, %s" % how, why)
            continue
        # not at a fixed address: there the heap begins so low that a number, such as the flags
        # of the processor, may be the address of a block
        for flags in (["-O0"], ["-O2"], ["-O1", "-static-pie"]):
            tap.attempt("inside %s, %s" % (" ".join(flags), how), c_program, how, flags)
        if shutil.which(os.environ.get("CXX") or "c++"):
            tap.attempt("bases, %s" % how, cxx_program, how)
        else:
            tap.skip("bases, %s" % how, "no C++ compiler")
    sys.exit(tap.done())


main()
