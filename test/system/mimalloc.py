#!/usr/bin/env python3
"""fixtures/recorded on mimalloc: its used blocks are the recorded ones, with one and with many
threads, preloaded and linked, dumped with gcore and by the kernel; leaks, roots, retained, diff and
names work on them; damage loses what it describes."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import recorded  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402
from writable import Writable  # noqa: E402

# Where libmimalloc-dev puts it; a file of another release may be given instead.
LIBRARY = os.environ.get("LIBMIMALLOC") or recorded.library("libmimalloc.so", "libmimalloc.so.3",
                                                            "libmimalloc.so.2")


def check_heaps(tap, core, name):
    """Each thread has its heap, and the kernel's id of it is known."""
    heaps = fixture.answer("heap", "--json", core)["heaps"]
    tids = [thread["tid"] for thread in fixture.answer("threads", "--json", core)["threads"]]
    owners = [tid for heap in heaps for tid in heap["tids"] or []]
    tap.equal((heaps[0]["name"], sorted(owners)), ("main thread", sorted(tids)),
              "%s: each thread has its heap" % name)


def check_damages(tap, core_path, where):
    """Releases 2: words of a segment, of descriptors and of free blocks."""
    heap = fixture.answer("heap", "--json", core_path)
    facts = next(row["facts"] for row in heap["runtimes"] if row["name"] == "mimalloc")
    if "2.0.9" not in str(facts):
        tap.skip("damage", "written for mimalloc 2.0.9")
        return
    core, live = Writable(core_path), truth.read_live(os.path.join(where, "live"))
    quad, word = struct.Struct("<Q").pack, struct.Struct("<I").pack
    some = next(addr for addr in sorted(live) if live[addr] == 80)
    segment = some & -(32 << 20)
    index = (some - segment) >> 16
    page = segment + 264 + 80 * index
    inside = sum(addr >> 16 == some >> 16 for addr in live)
    tap.ok(core.word(page) == 1 and inside > 100, "damage: a page of one slice")
    free = core.word(page + 16) or core.word(page + 32)
    for what, at, data, most, code in (
            ("the block size is 0", page + 28, word(0), inside, "mimalloc-page"),
            ("the block size is another one", page + 28, word(64), inside, "mimalloc-list"),
            ("the capacity is more than reserved", page + 10, b"\xff\xff", inside, "mimalloc-page"),
            ("the count of used blocks", page + 24, word(3), 0, "mimalloc-list"),
            ("the list of free blocks leads nowhere", page + 16, quad(0x4141414141414141), 0,
             "mimalloc-list"),
            ("a free block leads to itself", free, quad(free), 0, "mimalloc-list"),
            ("the count of slices", page, word(0), 0, "mimalloc-segment"),
            ("the count of slices is huge", page, word(1 << 30), 0, "mimalloc-segment"),
            ("the cookie of the segment", segment + 216, quad(1), 0, "mimalloc-segment")):
        recorded.check_damage(tap, core, live, [(at, data)], most, {code}, what)
    os.unlink(core.path)


def check_tables(tap):
    """A core of 3.6, whose page map are tables: its used blocks are those that the program wrote
    down, beside what the dynamic linker has for a thread; damage loses what it describes."""
    name = "mimalloc-36"
    core = Writable(fixture.unpack(name))
    live = truth.read_live(fixture.unpack(name, "live"))
    used = recorded.Used(core.path).sizes
    tap.equal({addr: used.get(addr) for addr in live}, live, "3.6: each block is used, of its size")
    tap.equal((len(live), len(used)), (869, 870), "3.6: and one more")
    document = fixture.answer("heap", "--json", core.path)
    tap.equal((document["complete"], [row for row in document["warnings"]
                                      if row["severity"] != "note"]), (True, []),
              "3.6: nothing is missing")
    quad = struct.Struct("<Q").pack
    sizes = sorted(live.values())
    some = next(addr for addr in sorted(live) if live[addr] == sizes[len(sizes) // 2])
    base = some & -(1 << 28)
    slot = base + ((some - base) >> 16) * 128
    page = core.word(slot) | core.word(slot + 4) << 32
    inside = sum(addr >> 16 == some >> 16 for addr in live)
    for what, at, data, most, code in (
            ("a slot of the table", slot, quad(0x41414141418), inside, "mimalloc-page"),
            ("the block size is 0", page + 32, quad(0), inside, "mimalloc-page"),
            ("where blocks begin", page + 48, quad(1 << 63), inside, "mimalloc-page"),
            ("more blocks than there is room for", page + 58, b"\xff\xff", inside,
             "mimalloc-page"),
            ("the list of free blocks leads nowhere", page + 16, quad(0x4141414141414141), 0,
             "mimalloc-list")):
        recorded.check_damage(tap, core, live, [(at, data)], most, {code}, "3.6: " + what)
    os.unlink(core.path)


def main():
    tap = Tap()
    tap.attempt("tables of 3.6", check_tables)
    if LIBRARY:
        recorded.check_library(tap, LIBRARY, check_heaps, check_damages)
    else:
        tap.skip("mimalloc", "libmimalloc.so is not installed")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
