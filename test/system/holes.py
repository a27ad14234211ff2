#!/usr/bin/env python3
"""Heaps with parts that the core lacks: what is there is found, what is not is absent.

fixtures/busy marks pages of its heaps with MADV_DONTDUMP. Its table and the core's segments
say which blocks are wholly in the core. The same with the end of a core cut off, and without
the data of libc, in which main_arena lies.
"""
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import busy  # noqa: E402
import damaging  # noqa: E402
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

DUMPS = int(os.environ.get("HOLES_DUMPS", "4"))
# Blocks between two holes that are too few to be told from other memory, a hole.
LONELY = 3


def whole(path, blocks):
    """Those of blocks whose chunks are in the core."""
    core = damaging.Core("holes", path)
    loads = [(start, start + size) for start, size, _, _ in core.loads]
    return {addr: size for addr, size in blocks.items()
            if any(start <= addr - 16 and addr + size + 16 <= end for start, end in loads)}


def accusations(document):
    return [warning["message"] for warning in document["warnings"]
            if "sign of a" in warning["message"] or warning["severity"] == "damaged"]


def judge(tap, name, core, blocks, spare, hole):
    there = whole(core, blocks)
    missed, _ = busy.misses(core, there)
    rows = fixture.records("objects", "--state", "used", "--jsonl", core)[:-1]
    strange = len([row for row in rows if int(row["addr"], 16) not in blocks])
    document = fixture.answer("heap", "--json", core)
    total = document["total"]
    tap.ok(there and len(missed) <= spare, "%s: %d of %d blocks are in the core and found" % (
        name, len(there), len(blocks)), "\n".join(missed[:20]))
    tap.ok(strange < 150, name + ": no others but libc's own", str(strange))
    tap.equal(accusations(document), [], name + ": nothing is called damaged")
    tap.ok(not document["complete"], name + ": it is incomplete")
    if hole == "kernel":  # gdb leaves no segment for what it does not dump
        tap.ok(0 < total["absent_bytes"] <= total["unwalked_bytes"] < total["absent_bytes"] + 400000,
               name + ": what is absent is named", str(total))


def check_holes(tap, program, how, number):
    where = fixture.folder()
    core = fixture.dump(program, how, where, [str(random.Random(number).randrange(900)), "holes"])
    judge(tap, "%s, holes %d" % (how, number), core, busy.read_table(core), 12 * LONELY, how)
    shutil.rmtree(where)


def strip_libc(path):
    """Drop the bytes of libc's writable data, as dumpers do that leave files' pages out."""
    rows = fixture.coreheap("address", "--regions", "--plain", path).out.splitlines()
    starts = [int(row.split("\t")[0], 16) for row in rows
              if "libc.so" in row and "\trw-" in row]
    with open(path, "r+b") as file:
        phoff, = struct.unpack_from("<Q", file.read(64), 32)
        file.seek(56)
        count, = struct.unpack("<H", file.read(2))
        for i in range(count):
            file.seek(phoff + 56 * i)
            kind, _, _, start, _, _, size, _ = struct.unpack("<IIQQQQQQ", file.read(56))
            if kind == 1 and any(start <= at < start + size for at in starts):
                file.seek(phoff + 56 * i + 32)
                file.write(bytes(8))
    return starts


def check_without_main(tap, program, how):
    where = fixture.folder()
    core = fixture.dump(program, how, where, ["5", "holes"])
    tap.ok(strip_libc(core), how + ": libc's data are found and dropped")
    judge(tap, how + ", no main_arena", core, busy.read_table(core), 12 * LONELY, how)
    shutil.rmtree(where)


def check_cut(tap, program):
    """Cut before libraries: brk memory is there, and main_arena is not."""
    where = fixture.folder()
    core = fixture.dump(program, "kernel", where, ["5", "alone"])
    blocks = busy.read_table(core)
    loads = damaging.Core("holes", core).loads
    table = next(off + size for start, size, off, _ in loads if start == busy.TABLE)
    os.truncate(core, table)
    judge(tap, "cut behind brk memory", core, blocks, 4, None)
    shutil.rmtree(where)


class Cut:
    """Without the bytes of one segment that lie behind at, or before it."""

    def __init__(self, core, at, before=False):
        self.core = core
        with open(core, "r+b") as file:
            head = file.read(64)
            phoff, = struct.unpack_from("<Q", head, 32)
            count, = struct.unpack_from("<H", head, 56)
            for self.place in range(phoff, phoff + 56 * count, 56):
                file.seek(self.place)
                self.row = file.read(56)
                kind, flags, off, start, _, _, size, _ = struct.unpack("<IIQQQQQQ", self.row)
                if kind == 1 and start < at < start + size:
                    break
            else:
                raise RuntimeError("no segment holds %#x" % at)
            if before:
                row = (off + at - start, at, 0, start + size - at, start + size - at)
            else:
                row = (off, start, 0, at - start, at - start)
            file.seek(self.place)
            file.write(struct.pack("<IIQQQQQQ", kind, flags, *row, 4096))

    def undo(self):
        with open(self.core, "r+b") as file:
            file.seek(self.place)
            file.write(self.row)


def check_edges(tap, program):
    """Chunks that end where a page is missing, go on there, or begin there."""
    where = fixture.folder()
    core = fixture.dump(program, "gcore", where, ["7", "holes"])
    rows = fixture.records("objects", "--state", "free", "--jsonl", core)[:-1]
    ends = {row["addr"]: int(row["addr"], 16) - 16 + row["chunk_bytes"] for row in rows
            if row["place"] is None}
    heaps = [(start, size) for start, size, _, flags in damaging.Core("edges", core).loads
             if flags == 6 and size >= 4 << 12 and
             any(start < int(row["addr"], 16) < start + size for row in rows)]
    ends = {addr: end for addr, end in ends.items() if end % 4096 == 0 and
            any(start < end < start + size for start, size in heaps)}
    main_arena = {row["addr"] for row in rows if row["heap"] == "main arena"}
    said = []
    for addr, end in list(ends.items())[:6]:
        cut = Cut(core, end)
        said += accusations(fixture.answer("heap", "--json", core))
        free = fixture.records("objects", "--state", "free", "--jsonl", core)[:-1]
        # the list of a free chunk of the main arena may be cut on both sides of it
        if addr not in {row["addr"] for row in free} and addr not in main_arena:
            said.append(addr + " is not free")
        cut.undo()
    name = "gcore: %d free chunks at the edge of a hole are no damage" % len(ends)
    if ends:
        tap.equal(said, [], name)
    else:
        tap.skip(name, "no free chunk ends with a page this time")
    said, rand = [], random.Random(11)
    for start, size in rand.choices(heaps, k=12):
        cut = Cut(core, start + 4096 * rand.randrange(2, size >> 12))
        said += accusations(fixture.answer("heap", "--json", core))
        cut.undo()
    tap.equal(said, [], "gcore: neither are chunks that go on in it")
    base, blocks = min(start for start, _ in heaps), busy.read_table(core)
    for pages in (1, 2, 3):
        cut = Cut(core, base + 4096 * pages, True)
        there = whole(core, blocks)
        missed, _ = busy.misses(core, there)
        tap.equal(accusations(fixture.answer("heap", "--json", core)), [],
                  "gcore: nor where brk memory lacks %d pages at its begin" % pages)
        tap.ok(len(missed) <= 12 * LONELY, "gcore: and %d of %d blocks are found" % (
            len(there) - len(missed), len(there)), "\n".join(missed[:20]))
        cut.undo()
    shutil.rmtree(where)


def check_tail(tap, program):
    """gdb writes the reserved rest of a thread's heap as read-only memory: it is known
    by heap_info, not by what is in it."""
    where = fixture.folder()
    core = fixture.dump(program, "gcore", where, ["5", "small"])
    before = fixture.answer("heap", "--json", core)["total"]["reserved_bytes"]
    rows = fixture.coreheap("address", "--regions", "--plain", core).out
    loads = damaging.Core("tail", core).loads
    tails = [(start, size, off) for start, size, off, flags in loads
             if flags == 4 and size > 1 << 24 and any(at + more == start and rights == 6
                                                      for at, more, _, rights in loads)]
    with open(core, "r+b") as file:
        for _, size, off in tails:
            file.seek(off + size // 2)
            file.write(b"x")
    tap.ok(len(tails) > 3, "gcore: the rests of heaps are read-only memory", rows[:3000])
    tap.equal(fixture.answer("heap", "--json", core)["total"]["reserved_bytes"], before,
              "gcore: they are reservations whatever they hold")
    rows = [line.split("\t") for line in
            fixture.coreheap("address", "--regions", "--plain", core).out.splitlines()]
    states = {row[0]: row for row in rows}
    wrong = ["%#x" % start for start, _, _ in tails
             if "MEM_RESERVE" not in states.get("0x%x" % start, [])]
    tap.equal(wrong, [], "gcore: and said to be so")
    shutil.rmtree(where)


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "busy")
    fixture.build("busy", program)
    for how in ("kernel", "gcore"):
        if fixture.why_not(how):
            tap.skip(how, fixture.why_not(how))
            continue
        for number in range(DUMPS):
            tap.attempt("holes", check_holes, program, how, number)
        tap.attempt("no main_arena", check_without_main, program, how)
    if not fixture.why_not("gcore"):
        tap.attempt("tail", check_tail, program)
        tap.attempt("edges", check_edges, program)
    if not fixture.why_not("kernel"):
        tap.attempt("cut", check_cut, program)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
