#!/usr/bin/env python3
"""Blocks are named by the debug information: every block that a program wrote down has a name that
is true of it, or none, and nearly all have one. C and C++, optimised or not, by gcc and clang."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

SOURCES = {"c": "followed/followed.c", "c++": "contained/contained.cc"}
KINDS = {
    "gcc -O0": ("c", "gcc", "-O0"),
    "gcc -O2": ("c", "gcc", "-O2"),
    "clang -O1": ("c", "clang", "-O1"),
    "g++ -O0": ("c++", "g++", "-O0"),
    "g++ -O2": ("c++", "g++", "-O2"),
    "clang++ -O1": ("c++", "clang++", "-O1"),
    "clang++ -O1 libc++": ("c++", "clang++", "-O1", "-stdlib=libc++"),
}
# Who goes by what is declared; others may say something else of a block, that is true, too.
DECLARED = ("dwarf", "vtable")
# Of the bytes that the program asked for, what may have no name.
UNNAMED_PERCENT = 2


def truth(where):
    """[(address, bytes, [names])]"""
    rows = []
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        for line in file:
            addr, size, names = line.rstrip("\n").split(" ", 2)
            rows.append((int(addr, 16), int(size), names.split("|")))
    return rows


def names_of(core):
    """{address: (name, who said it)}"""
    by = {row["name"]: row["named_by"] for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]}
    return {int(row["addr"], 16): (row["type"], by.get(row["type"]))
            for row in fixture.records("objects", "--jsonl", "--limit", "0", "--state", "used",
                                       core) if "addr" in row}


def compare(rows, found):
    """What is wrong, and the bytes without a name: {truth: bytes}, and of how many."""
    wrong, unnamed, total = {}, {}, 0
    for addr, size, names in rows:
        name, who = found.get(addr, (None, None))
        if names == ["?"]:
            continue
        if "?" not in names:
            total += size
        if who not in DECLARED:
            if "?" not in names:
                unnamed[names[0]] = unnamed.get(names[0], 0) + size
        elif name not in names:
            wrong.setdefault((names[0], name, who), []).append(hex(addr))
    return wrong, unnamed, total


def check_kind(tap, what):
    language, compiler, *flags = KINDS[what]
    dumped = fixture.dump_built(tap, what, [compiler, "-g", *flags, "-pthread", *(
        ["-std=c++17"] if language == "c++" else [])], SOURCES[language])
    if not dumped:
        return
    core, run = dumped
    wrong, unnamed, total = compare(truth(run), names_of(core))
    tap.equal({key: (len(where), where[0]) for key, where in wrong.items()}, {},
              "%s: no wrong name" % what)
    tap.ok(100 * sum(unnamed.values()) <= UNNAMED_PERCENT * total,
           "%s: %.1f %% without a name" % (what, 100 * sum(unnamed.values()) / total), unnamed)


def main():
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for what in KINDS:
        tap.attempt(what, check_kind, what)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
