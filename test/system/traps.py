#!/usr/bin/env python3
"""What other readers of a heap get wrong, each by its name: on the checked-in cores, and
on one whose main arena is in pieces."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

SMALL = ["bullseye-small-abort", "bookworm-small-abort", "trixie-small-abort", "sid-small-abort"]
# Lists whose chunks do not merge; glibc 2.43 has a tcache in place of fast bins.
PLACES = {"tcache": "thread cache", "tcache-thread": "thread cache",
          "tcache-main-of-thread-arena": "thread cache", "fastbin": "fast bin",
          "fastbin-thread-arena": "fast bin"}


def loads(path):
    """[(start, end)] of the PT_LOADs."""
    with open(path, "rb") as file:
        data = file.read(1 << 20)
    phoff, = struct.unpack_from("<Q", data, 32)
    phnum, = struct.unpack_from("<H", data, 56)
    rows = [struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i) for i in range(phnum)]
    return [(row[3], row[3] + row[6]) for row in rows if row[0] == 1]


def labelled(name, kind):
    with open(fixture.unpack(name, "truth"), encoding="utf-8") as file:
        return [line.split()[1:] for line in file if line.startswith(kind + " ")]


def check_free_lists(tap, name, free):
    told = {int(addr, 16): PLACES[where] for _, addr, where, *_ in labelled(name, "FREE")
            if where in PLACES}
    if name.startswith("sid"):
        told = {addr: "thread cache" for addr in told}
    tap.ok(len(told) > 40, "%s: %d freed blocks are in caches" % (name, len(told)))
    tap.equal({addr: free[addr]["place"] if addr in free else "not free" for addr in told}, told,
              "%s: each is in the list that it was put in" % name)


def check_cross_arena(tap, name, free):
    rows = [free.get(int(addr, 16)) for label, addr, *_ in labelled(name, "FREE")
            if label == "cross104"]
    tap.ok(len(rows) == 5 and all(rows) and {row["place"] for row in rows} == {"thread cache"} and
           all(row["heap"] != "main arena" for row in rows),
           "%s: cross-arena tcache: the main thread caches another arena's chunks" % name, rows)


def check_mapped(tap, name, core, used):
    mapped = {addr: row for addr, row in used.items() if row["place"] == "own mapping"}
    (addr, usable), = [(int(a, 16), int(u)) for label, a, _, u, *_ in labelled(name, "BLOCK")
                       if label == "memalign-mmapped"]
    tap.ok(addr in mapped and mapped[addr]["size_bytes"] == usable and addr % 4096 == 0,
           "%s: memalign + mmap: the block is where the program has it" % name,
           mapped.get(addr))
    neighbours = [sorted(a for a in mapped if start <= a < end) for start, end in loads(core)]
    most = max(neighbours, key=len)
    tap.ok(len(most) >= 2, "%s: merged VMAs: one segment holds %d mmapped chunks" %
           (name, len(most)))
    live = truth.read_live(fixture.unpack(name, "live"))
    tap.equal({a: mapped[a]["size_bytes"] for a in most}, {a: live.get(a) for a in most},
              "%s: merged VMAs: each of them is told apart" % name)


def check_page_ends(tap, name, used):
    live = truth.read_live(fixture.unpack(name, "live"))
    over = {a for a, size in live.items() if a // 4096 != (a + size - 1) // 4096}
    ends = {a for a, size in live.items() if (a + size) % 4096 in (0, 8)}
    tap.ok(len(over) > 20, "%s: interior page boundaries: %d blocks lie over one, %d end at one" %
           (name, len(over), len(ends)))
    tap.equal({a: used[a]["size_bytes"] for a in over if a in used}, {a: live[a] for a in over},
              "%s: interior page boundaries: those blocks are whole" % name)


def check_fenceposts(tap, how):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "blocks")
    fixture.build("blocks", program)
    core = fixture.dump(program, how, where, ["blocked-brk"])
    live = truth.read_live(os.path.join(where, "live"))
    rows, _ = truth.objects(core, "used")
    used = {int(row["addr"], 16): row["size_bytes"] for row in rows if row["kind"] == "object"}
    heap = fixture.answer("heap", "--json", core)["heaps"][0]
    tap.ok(len(heap["segments"]) > 1, "%s: fenceposts: the main arena is in %d pieces" %
           (how, len(heap["segments"])))
    tap.equal(used, live, "%s: fenceposts: none is a block, none hides one" % how)
    posts, _ = truth.objects(core, "overhead")
    ends = {int(segment["end"], 16) for segment in heap["segments"]}
    # Two chunks of 16 bytes end each piece but the one with the top chunk.
    told = {int(row["addr"], 16) // 4096 * 4096 + 4096 for row in posts
            if row["heap"] == "main arena"}
    tap.equal(len(ends - told), 1, "%s: fenceposts: they are told as overhead" % how)


def check(tap, name):
    core = fixture.unpack(name)
    used = {int(row["addr"], 16): row for row in truth.objects(core, "used")[0]}
    free = {int(row["addr"], 16): row for row in truth.objects(core, "free")[0]}
    check_free_lists(tap, name, free)
    check_cross_arena(tap, name, free)
    check_mapped(tap, name, core, used)
    check_page_ends(tap, name, used)


def main():
    tap = Tap()
    for name in SMALL:
        tap.attempt(name, check, name)
    for how in ("gcore", "kernel"):
        reason = fixture.why_not(how)
        if reason:
            tap.skip("%s: fenceposts" % how, reason)
        else:
            tap.attempt("%s: fenceposts" % how, check_fenceposts, how)
    sys.exit(tap.done())


main()
