#!/usr/bin/env python3
"""heap against malloc_info and mallinfo of the same moment, counter by counter;
and what it says where malloc's own counters do not agree with the blocks."""
import os
import re
import shutil
import struct
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

SMALL = ["bullseye-small-abort", "bookworm-small-abort", "trixie-small-abort", "sid-small-abort"]
CODES = ("glibc-counters", "glibc-threads", "glibc-bin-damaged", "glibc-system-mem",
         "glibc-mmapped")


def info_of_arena(element):
    """(system, max, fast count, fast bytes, rest count, rest bytes) of a <heap>."""
    totals = {e.get("type"): (int(e.get("count")), int(e.get("size")))
              for e in element.findall("total")}
    system = {e.get("type"): int(e.get("size")) for e in element.findall("system")}
    return (system["current"], system["max"], *totals.get("fast", (0, 0)), *totals["rest"])


def counters_of_heap(heap):
    """The same from `heap`. malloc_info adds the size fields of chunks in bins as they
    are, with PREV_INUSE, which is always set there; and counts top as a chunk."""
    free = heap["free"]
    return (heap["detail"]["system_mem_bytes"], heap["detail"]["max_system_mem_bytes"],
            free["fastbins_count"], free["fastbins_bytes"], free["bins_count"] + 1,
            free["bins_bytes"] + free["bins_count"] + free["top_bytes"])


def check_info(tap, doc, text, name):
    root = xml.etree.ElementTree.fromstring(text)
    arenas = [heap for heap in doc["heaps"] if heap["kind"] == "arena"]
    mapped = [heap for heap in doc["heaps"] if heap["kind"] == "mmapped"]
    want = [info_of_arena(e) for e in root.findall("heap")]
    got = [counters_of_heap(heap) for heap in arenas]
    tap.equal(got[:1], want[:1], "%s: counters of the main arena are malloc_info's" % name)
    tap.equal(sorted(got), sorted(want), "%s: counters of all arenas" % name)
    totals = {e.get("type"): (int(e.get("count")), int(e.get("size")))
              for e in root.findall("total")}
    tap.equal((sum(heap["used_count"] for heap in mapped),
               sum(heap["committed_bytes"] for heap in mapped)), totals["mmap"],
              "%s: mmapped chunks are malloc_info's" % name)
    return arenas, mapped


def check_mallinfo(tap, arenas, mapped, told, name):
    free = [heap["free"] for heap in arenas]
    system = sum(heap["detail"]["system_mem_bytes"] for heap in arenas)
    fordblks = sum(f["bins_bytes"] + f["fastbins_bytes"] + f["top_bytes"] for f in free)
    want = {
        "arena": system,
        "ordblks": sum(f["bins_count"] + 1 for f in free),
        "smblks": sum(f["fastbins_count"] for f in free),
        "fsmblks": sum(f["fastbins_bytes"] for f in free),
        "fordblks": fordblks,
        "uordblks": system - fordblks,
        "keepcost": arenas[0]["free"]["top_bytes"],
        "hblks": sum(heap["used_count"] for heap in mapped),
        "hblkhd": sum(heap["committed_bytes"] for heap in mapped),
    }
    tap.equal(want, {key: told.get(key) for key in want}, "%s: mallinfo's counters" % name)


def counter_warnings(doc):
    return [w for w in doc["warnings"] if w["code"] in CODES]


def check(tap, core, info, mallinfo, name):
    doc = fixture.answer("heap", "--json", core)
    arenas, mapped = check_info(tap, doc, info, name)
    if mallinfo:
        told = {key: int(value) for key, value in re.findall(r"(\w+)[ =:]+(\d+)", mallinfo)}
        check_mallinfo(tap, arenas, mapped, told, name)
    tap.equal(counter_warnings(doc), [], "%s: no counter differs" % name)


def check_recorded(tap, name):
    with open(fixture.unpack(name, "truth"), encoding="utf-8") as file:
        text = file.read()
    start, end = text.index("<malloc "), text.index("</malloc>") + len("</malloc>")
    check(tap, fixture.unpack(name), text[start:end], None, name)


def check_live(tap, how, arguments):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "blocks")
    fixture.build("blocks", program)
    core = fixture.dump(program, how, where, arguments)
    texts = []
    for name in ("malloc_info", "mallinfo"):
        with open(os.path.join(where, name), encoding="utf-8") as file:
            texts.append(file.read())
    check(tap, core, *texts, " ".join([how] + arguments))
    os.unlink(core)


# ---- differences are said ---------------------------------------------------


class Patched:
    """A copy of a core to write words into."""

    def __init__(self, name):
        self.path = os.path.join(fixture.folder(), "core")
        shutil.copyfile(fixture.unpack(name), self.path)
        with open(self.path, "rb") as file:
            header = file.read(64)
            file.seek(struct.unpack_from("<Q", header, 32)[0])
            table = file.read(56 * struct.unpack_from("<H", header, 56)[0])
        self.loads = []
        for at in range(0, len(table), 56):
            kind, _, off, addr, _, size = struct.unpack_from("<IIQQQQ", table, at)
            if kind == 1:
                self.loads.append((addr, size, off))

    def offset(self, addr):
        return next(off + addr - start for start, size, off in self.loads
                    if start <= addr < start + size)

    def write(self, addr, word):
        with open(self.path, "r+b") as file:
            file.seek(self.offset(addr))
            file.write(struct.pack("<Q", word))

    def read(self, addr):
        with open(self.path, "rb") as file:
            file.seek(self.offset(addr))
            return struct.unpack("<Q", file.read(8))[0]

    def warnings(self):
        return counter_warnings(fixture.answer("heap", "--json", self.path))


def numbers(warning):
    return [int(n.replace(",", "")) for n in re.findall(r"(?<![x\w])\d[\d,]*", warning["message"])]


def check_lost_list(tap):
    """A list that skips its first chunk: the walk knows one more."""
    name = "bookworm-small-abort"
    core = Patched(name)
    main = [heap for heap in fixture.answer("heap", "--json", core.path)["heaps"]
            if heap["name"] == "main arena"][0]
    rows = [row for row in fixture.records("objects", "--state", "free", "--jsonl", core.path)
            if row.get("heap") == "main arena" and row["place"] is None]
    rows = [row for row in rows if row["chunk_bytes"] == 528]
    first, bins = None, main["free"]
    for row in rows:  # the first of its bin: its bk is in the arena, not in the heap
        chunk = int(row["addr"], 16) - 16
        if core.read(chunk + 24) >> 40 == int(main["addr"], 16) >> 40:
            first = chunk
    tap.ok(first and len(rows) == 4, "a bin of four chunks of 528 bytes, as malloc_info has it",
           rows)
    head, second = core.read(first + 24), core.read(first + 16)
    core.write(head + 16, second)
    core.write(second + 24, head)
    got = core.warnings()
    tap.equal([w["code"] for w in got], ["glibc-counters"], "a chunk that no bin has is said")
    tap.equal(numbers(got[0]), [bins["bins_count"] - 1, bins["bins_bytes"] - 528,
                                bins["bins_count"], bins["bins_bytes"]],
              "with the numbers of both")
    core.write(second + 24, head + 32)
    tap.equal([w["code"] for w in core.warnings()], ["glibc-bin-damaged", "glibc-counters"],
              "and a link that does not lead back")


def check_attached(tap):
    """attached_threads at 0x880 of malloc_state: glibc 2.36, malloc/malloc.c."""
    core = Patched("bookworm-small-abort")
    main = [heap for heap in fixture.answer("heap", "--json", core.path)["heaps"]
            if heap["name"] == "main arena"][0]
    tap.equal(core.read(int(main["addr"], 16) + 0x880), 1, "the main arena counts one thread")
    core.write(int(main["addr"], 16) + 0x880, 7)
    got = core.warnings()
    tap.equal([w["code"] for w in got], ["glibc-threads"], "a wrong count of threads is said")
    tap.equal(numbers(got[0]), [7, 1], "with both numbers")


def main():
    tap = Tap()
    for name in SMALL:
        tap.attempt(name, check_recorded, name)
    for how in ("gcore", "kernel"):
        for arguments in ([], ["one-thread"], ["two-heaps"], ["traps"]):
            reason = fixture.why_not(how)
            name = " ".join([how] + arguments)
            if reason:
                tap.skip(name, reason)
            else:
                tap.attempt(name, check_live, how, arguments)
    tap.attempt("a chunk in no list", check_lost_list)
    tap.attempt("attached threads", check_attached)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
