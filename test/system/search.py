#!/usr/bin/env python3
"""search against a plain search over the file, and what it may show."""
import bisect
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

NAME = "bookworm-small-abort"


PAGE = 4096


def runs(path):
    """[(address, bytes)]: what the PT_LOADs hold, neighbours joined, pages of zeros left out."""
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
        for at in range(0, filesz, PAGE):
            page = data[off + at:off + min(at + PAGE, filesz)]
            if not page.strip(b"\0"):
                continue
            if found and found[-1][0] + len(found[-1][1]) == addr + at:
                found[-1][1].extend(page)
            else:
                found.append((addr + at, bytearray(page)))
    return found


def plain(memory, pattern, step=1):
    """Addresses of all matches, also of those that overlap."""
    found, wanted = set(), re.compile(pattern, re.S)
    for addr, data in memory:
        match = wanted.search(data)
        while match:
            if (addr + match.start()) % step == 0:
                found.add(addr + match.start())
            match = wanted.search(data, match.start() + 1)
    return found


def is_zero(memory, addr):
    """Whether the word at an address is 0: a set of all such words would have millions."""
    at = bisect.bisect_right(memory, addr, key=lambda run: run[0]) - 1
    start, data = memory[max(at, 0)]
    return not start <= addr < start + len(data) or (
        data[addr - start:addr - start + 8] == b"\0" * 8)


def check(tap, core, memory, name, options, pattern, step=1):
    rows = fixture.records("search", "--recorded", "--jsonl", *options, core)
    tap.same_set({int(row["addr"], 16) for row in rows[:-1]}, plain(memory, pattern, step), name)
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
    tap.ok(heap and all(is_zero(memory, int(r["addr"], 16)) for r in heap) and
           {r["kind"] for r in heap} <= {"object", "free", "allocator"}, "-f:Heap: only heaps")
    some = sorted(int(r["addr"], 16) for r in heap)[10:20]
    ranged = fixture.records("search", "--jsonl", "--int", "0", "--range",
                             "0x%x-0x%x" % (some[0], some[-1] + 8), core)[:-1]
    tap.equal([int(r["addr"], 16) for r in ranged],
              [a for a in range(some[0], some[-1] + 8, 8) if is_zero(memory, a)], "--range")
    typed = fixture.records("search", "--jsonl", "--int", "0", "--type", "136-byte blocks",
                            core)[:-1]
    tap.ok(typed and {r["owner_type"] for r in typed} == {"136-byte blocks"}, "--type")
    count = fixture.coreheap("search", "--int", "0", "-f:Heap", "--count", "--plain", core).out
    tap.equal(count.split(), ["matches", str(len(heap))], "--count")


def check_usage(tap, core):
    for options in ([], ["--text", "a", "--int", "1"], ["--bytes", "0"], ["--regex", "("],
                    ["--int", "300", "--width", "1"], ["--int", "1", "--width", "3"],
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
    word = struct.pack("<Q", addr)
    check(tap, core, memory, "--pointer", ["--pointer", block[2]], re.escape(word), 8)
    check(tap, core, memory, "-q", ["-q", block[2] if block[2].startswith("0x") else
                                    "0x" + block[2]], re.escape(word), 8)
    check(tap, core, memory, "--bytes", ["--bytes", "7f 45 4c 46 ?? 01"], rb"\x7fELF.\x01")
    check(tap, core, memory, "--text", ["--text", "libc.so.6"], rb"libc\.so\.6")
    check(tap, core, memory, "--text --ignore-case", ["--text", "LIBC.SO", "--ignore-case"],
          rb"(?i:libc\.so)")
    check(tap, core, memory, "--int of 4 bytes", ["--int", "-2", "--width", "4"],
          rb"\xfe\xff\xff\xff", 4)
    check(tap, core, memory, "--int unaligned", ["--int", "0x464c457f", "--width", "4",
                                                 "--unaligned"], rb"\x7fELF")
    into = fixture.records("search", "--recorded", "--jsonl", "--into", block[2], core)[:-1]
    want = {a + i for a, data in memory for i in range(-a % 8, len(data) - 7, 8)
            if addr <= struct.unpack_from("<Q", data, i)[0] < addr + size}
    tap.same_set({int(r["addr"], 16) for r in into}, want, "--into a block")
    check_contents(tap, core)
    check_choice(tap, core, memory)
    check_usage(tap, core)
    sys.exit(tap.done())


main()
