#!/usr/bin/env python3
"""search against a plain search over the file, and what it may show."""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

NAME = "bookworm-small-abort"


def runs(path):
    """[(address, bytes)]: what the PT_LOADs hold, neighbours joined."""
    with open(path, "rb") as file:
        data = file.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    phnum, = struct.unpack_from("<H", data, 56)
    found = []
    for i in range(phnum):
        kind, _, off, addr, _, filesz, _, _ = struct.unpack_from("<IIQQQQQQ", data,
                                                                 phoff + 56 * i)
        if kind != 1 or not filesz:
            continue
        if found and found[-1][0] + len(found[-1][1]) == addr:
            found[-1] = (found[-1][0], found[-1][1] + data[off:off + filesz])
        else:
            found.append((addr, data[off:off + filesz]))
    return found


def plain(memory, pattern):
    """Where a pattern that does not overlap with itself matches."""
    return {addr + match.start() for addr, data in memory
            for match in re.finditer(pattern, data, re.S)}


def words(memory, kind, holds):
    """Addresses of the numbers for which holds(number); kind: as in struct. Runs begin at
    pages, so that all of them are aligned."""
    size = struct.calcsize(kind)
    return {addr + size * i for addr, data in memory
            for i, number in enumerate(memoryview(data)[:len(data) // size * size].cast(kind))
            if holds(number)}


def check(tap, core, name, options, want):
    rows = fixture.records("search", "--recorded", "--jsonl", *options, core)
    tap.same_set({int(row["addr"], 16) for row in rows[:-1]}, want, name)
    tap.equal(rows[-1]["matched_count"], len(rows) - 1, name + ": the closing record counts")


def check_contents(tap, core):
    hidden = fixture.coreheap("search", "--text", "libc.so.6", core)
    shown = fixture.coreheap("search", "--text", "libc.so.6", "--reveal", core)
    tap.ok(hidden.code == 0 and "CONTENTS" not in hidden.out, "contents are not shown")
    tap.ok(shown.out.count("libc.so.6") > hidden.out.count("libc.so.6"), "but with --reveal")
    rows = fixture.records("search", "--regex", ".{8}libc", "--reveal", "--jsonl", core)[:-1]
    tap.ok(rows and all(row["contents"].isprintable() for row in rows),
           "what --reveal shows has no control bytes")


def check_choice(tap, core, memory):
    heap = fixture.records("search", "--jsonl", "--int", "0", "-f:Heap", core)[:-1]
    every = words(memory, "Q", lambda number: number == 0)
    tap.ok(heap and {int(r["addr"], 16) for r in heap} <= every and
           {r["kind"] for r in heap} <= {"object", "free", "allocator"}, "-f:Heap: only heaps")
    some = sorted(int(r["addr"], 16) for r in heap)[10:20]
    ranged = fixture.records("search", "--jsonl", "--int", "0", "--range",
                             "0x%x-0x%x" % (some[0], some[-1] + 8), core)[:-1]
    tap.equal([int(r["addr"], 16) for r in ranged],
              [a for a in sorted(every) if some[0] <= a <= some[-1]], "--range")
    typed = fixture.records("search", "--jsonl", "--int", "0", "--type", "136-byte blocks",
                            core)[:-1]
    tap.ok(typed and {r["owner_type"] for r in typed} == {"136-byte blocks"}, "--type")
    count = fixture.coreheap("search", "--int", "0", "-f:Heap", "--count", "--plain", core).out
    tap.equal(count.split(), ["matches", str(len(heap))], "--count")


def check_usage(tap, core):
    for options in ([], ["--text", "a", "--int", "1"], ["--bytes", "0"], ["--regex", "("],
                    ["--int", "300", "--size", "1"], ["--int", "1", "--size", "3"],
                    ["--pointer", "nosuch"], ["--text", ""]):
        done = fixture.coreheap("search", *options, core)
        tap.ok(done.code == 2 and done.err.count("\n") == 1 and not done.out,
               "usage: search %s" % " ".join(options), done)


def main():
    tap = Tap()
    core = fixture.unpack(NAME)
    memory = runs(core)
    with open(fixture.unpack(NAME, "truth"), encoding="utf-8") as file:
        block = next(line.split() for line in file if line.startswith("BLOCK tls-only"))
    addr, size = int(block[2], 16), int(block[4])
    tap.ok(all(start % 4096 == 0 for start, _ in memory), "segments begin at pages")
    pointers = words(memory, "Q", lambda number: number == addr)
    check(tap, core, "--pointer", ["--pointer", block[2]], pointers)
    check(tap, core, "-q", ["-q", block[2] if block[2].startswith("0x") else "0x" + block[2]],
          pointers)
    check(tap, core, "--bytes", ["--bytes", "7f 45 4c 46 ?? 01"], plain(memory, rb"\x7fELF.\x01"))
    check(tap, core, "--text", ["--text", "libc.so.6"], plain(memory, rb"libc\.so\.6"))
    check(tap, core, "--text --ignore-case", ["--text", "LIBC.SO", "--ignore-case"],
          plain(memory, rb"(?i:libc\.so)"))
    check(tap, core, "--int of 4 bytes", ["--int", "-2", "--size", "4"],
          words(memory, "i", lambda number: number == -2))
    check(tap, core, "--int unaligned", ["--int", "0x464c457f", "--size", "4", "--unaligned"],
          plain(memory, rb"\x7fELF"))
    check(tap, core, "--into a block", ["--into", block[2]],
          words(memory, "Q", lambda number: addr <= number < addr + size))
    check_contents(tap, core)
    check_choice(tap, core, memory)
    check_usage(tap, core)
    sys.exit(tap.done())


main()
