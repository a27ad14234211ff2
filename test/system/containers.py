#!/usr/bin/env python3
"""Containers of libstdc++ and libc++ are named by their shape where nothing else tells: by gcc and
clang, optimised or not, stripped. The program writes down what each of its blocks is."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

GCC = os.environ.get("CXX") or "g++"
KINDS = {"gcc": (GCC, "-O2", "-s"), "static": (GCC, "-O0", "-s", "-static"),
         "libc++": ("clang++", "-O2", "-s", "-stdlib=libc++")}
# Of the blocks of containers that many may have no name.
UNNAMED_MAX = 0.02


def truth(where):
    """{address: role}"""
    found = {}
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        for line in file:
            addr, role = line.rstrip("\n").split(" ", 1)
            found[int(addr, 16)] = role
    return found


def without_size(name):
    return re.sub(r", \d+ bytes$", "", name)


def check(tap, what, core, wanted):
    blocks = {int(row["addr"], 16): row["type"]
              for row in fixture.records("objects", "--jsonl", "--limit", "0", core)[:-1]
              if row["state"] == "used"}
    tap.equal([hex(addr) for addr in wanted if addr not in blocks], [], "%s: blocks" % what)
    said = {addr: without_size(name) for addr, name in blocks.items()
            if name and name.startswith("std::") and not fixture.is_held(name)}
    wrong = [(hex(addr), name, wanted.get(addr)) for addr, name in said.items()
             if name != wanted.get(addr)]
    tap.equal(wrong[:20], [], "%s: wrong names" % what)
    parts = [addr for addr, role in wanted.items() if role != "-"]
    missing = {}
    for addr in parts:
        if addr not in said:
            missing[wanted[addr]] = missing.get(wanted[addr], 0) + 1
    tap.ok(sum(missing.values()) <= UNNAMED_MAX * len(parts), "%s: parts without a name" % what,
           (missing, len(parts)))


def check_kind(tap, what):
    compiler, *flags = KINDS[what]
    dumped = fixture.dump_built(tap, what, [compiler, "-std=c++17", *flags], "containers/containers.cc")
    if not dumped:
        return
    core, run = dumped
    check(tap, what, core, truth(run))


def main():
    if not shutil.which(GCC):
        skip_all("no compiler for C++")
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for what in KINDS:
        tap.attempt(what, check_kind, what)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
