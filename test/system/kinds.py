#!/usr/bin/env python3
"""fixtures/kinds, dumped with gcore and by the kernel: every kind of mapping is
told apart, as the program itself and /proc/self/maps say; sums close."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

PAGE = 4096
ARENA = 64 << 20

# What a range of each kind of the program's truth may be called (native usage
# names), and the states and types it may have. Where a dumper does not record
# what would be needed, more than one answer is honest.
EXPECT = {
    # kind: (usages, states, types)
    "anon": ({"anon"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "mmap-chunk": ({"mmap-chunk"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "reserve": ({"reserve"}, {"MEM_RESERVE"}, {"MEM_PRIVATE"}),
    "noaccess-used": ({"anon"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "dontdump": ({"anon", "undumped"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "untouched": ({"anon", "undumped"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "rwx": ({"anon"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "readonly": ({"anon"}, {"MEM_COMMIT"}, {"MEM_PRIVATE"}),
    "file-private": ({"file"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
    "file-private-written": ({"file"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
    "file-shared": ({"file"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
    "shm-anon": ({"shm"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
    "shm-sysv": ({"shm"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
    "memfd": ({"memfd"}, {"MEM_COMMIT"}, {"MEM_MAPPED"}),
}
# gcore leaves MADV_DONTDUMP out altogether: nothing of it is recorded.
NOT_RECORDED = {"gcore": {"dontdump"}, "kernel": set()}
PROTECT = {
    "anon": "rw-", "mmap-chunk": "rw-", "reserve": "---", "noaccess-used": "---",
    "untouched": "rw-", "rwx": "rwx", "readonly": "r--", "file-private": "r--",
    "file-private-written": "rw-", "file-shared": "rw-", "shm-anon": "rw-", "shm-sysv": "rw-",
    "memfd": "rw-", "dontdump": "rw-",
}
# gdb gives PROT_NONE mappings the flag R and leaves clean file pages out: the rights
# of these are not recorded.
PROTECT_UNSURE = {
    "gcore": {"reserve", "noaccess-used", "file-private", "file-shared"}, "kernel": set(),
}
POINTS = {
    "stack": {"stack"}, "tls": {"tls"}, "arena": {"arena"}, "mmap-chunk": {"mmap-chunk"},
    "heap": {"heap(brk)"}, "exe": {"exe"}, "bss": {"bss"}, "lib": {"lib"}, "vdso": {"vdso"},
}


class Maps:
    """/proc/self/maps."""

    def __init__(self, path):
        self.rows = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                fields = line.split(None, 5)
                start, end = (int(x, 16) for x in fields[0].split("-"))
                self.rows.append((start, end, fields[1],
                                  fields[5].strip() if len(fields) > 5 else ""))

    def at(self, addr):
        return next(row for row in self.rows if row[0] <= addr < row[1])


def read_truth(path):
    ranges, points = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[0] == "point":
                points.append((fields[1], int(fields[2], 16)))
            else:
                ranges.append((fields[0], int(fields[1], 16), int(fields[2], 16)))
    return ranges, points


def check_ranges(tap, ranges, regions, how):
    for kind, start, end in ranges:
        if kind in NOT_RECORDED[how]:
            continue
        usages, states, types = EXPECT[kind]
        if kind == "mmap-chunk":
            start, end = start // PAGE * PAGE, -(-end // PAGE) * PAGE
        found = list(truth.pieces(regions, start, end))
        wrong = [(hex(low), hex(high), r["usage"], r["state"], r["type"])
                 for low, high, r in found
                 if r["usage"] not in usages or r["state"] not in states
                 or r["type"] not in types]
        covered = sum(high - low for low, high, _ in found)
        tap.ok(covered == end - start and not wrong,
               "%s: %s of %d bytes is called so" % (how, kind, end - start),
               "%x-%x: covered %d, wrong %s" % (start, end, covered, wrong[:5]))
        if kind in PROTECT_UNSURE[how]:
            continue
        protects = {r["native_protect"][:3] for _, _, r in found}
        tap.equal(protects, {PROTECT[kind]}, "%s: protection of %s" % (how, kind))


def check_points(tap, points, regions, how):
    for number, (kind, addr) in enumerate(points):
        found = [r for _, _, r in truth.pieces(regions, addr, addr + 1)]
        tap.ok(len(found) == 1 and found[0]["usage"] in POINTS[kind],
               "%s: point %d lies in %s" % (how, number, kind),
               "%x: %s" % (addr, [(r["usage"], r["addr"], r["end"]) for r in found]))


def check_stacks(tap, points, regions, maps, how):
    """Each thread's stack is its mapping, with its guard of the right size below."""
    # the first stack is the main thread's, which has no guard
    for number, (_, addr) in enumerate(p for p in points if p[0] == "stack"):
        start, end = maps.at(addr)[:2]
        if number == 0:
            continue
        guard = maps.at(start - 1)
        # a merged neighbour may make the mapping longer, never shorter
        stack = [(low, high) for low, high, r in truth.pieces(regions, start, end)
                 if r["usage"] in ("stack", "tls")]
        tap.ok(stack and stack[0][0] == start,
               "%s: the stack of thread %d begins where its mapping does" % (how, number),
               "%x-%x: %s" % (start, end, stack))
        below = [(low, high) for low, high, r in truth.pieces(regions, *guard[:2])
                 if r["usage"] == "guard"]
        size = (5 if number == 3 else 1) * PAGE
        tap.equal(below, [(start - size, start)],
                  "%s: the guard of thread %d has %d pages" % (how, number, size // PAGE))


def check_heap_bytes(tap, points, regions, maps, how):
    """[heap] is one region of heap(brk); arenas end where their rights do."""
    heap = next(row for row in maps.rows if row[3] == "[heap]")
    found = {r["usage"] for _, _, r in truth.pieces(regions, heap[0], heap[1])}
    tap.equal(found, {"heap(brk)"}, "%s: all of [heap] is heap(brk)" % how)
    for number, (_, addr) in enumerate(p for p in points if p[0] == "arena"):
        start, end = maps.at(addr)[:2]
        # the kernel joins it with a mapping that ends where it begins
        start = max(start, addr // ARENA * ARENA)
        found = {(r["usage"], r["state"]) for _, _, r in truth.pieces(regions, start, end)}
        tap.equal(found, {("arena", "MEM_COMMIT")},
                  "%s: the committed part of arena %d" % (how, number))
        tail = {r["state"] for _, _, r in
                truth.pieces(regions, end, addr // ARENA * ARENA + ARENA)}
        tap.equal(tail, {"MEM_RESERVE"}, "%s: the tail of arena %d is reserved" % (how, number))


def check_special(tap, regions, maps, how):
    for name, usage in (("[vdso]", "vdso"), ("[vvar]", "vvar")):
        row = next((row for row in maps.rows if row[3] == name), None)
        if not row:
            tap.skip("%s: %s" % (how, name), "this kernel has none")
            continue
        found = {r["usage"] for _, _, r in truth.pieces(regions, row[0], row[1])}
        if how == "gcore" and name == "[vvar]" and not found - {"Free", "free"}:
            tap.skip("%s: %s" % (how, name), "gcore does not record it")
            continue
        tap.equal(found, {usage}, "%s: %s" % (how, name))
    lib = [row for row in maps.rows if "libc.so" in row[3]]
    for start, end, rights, _ in lib:
        found = list(truth.pieces(regions, start, end))
        tap.ok(sum(high - low for low, high, _ in found) == end - start
               and {(r["usage"], r["type"], r["state"]) for _, _, r in found}
               == {("lib", "MEM_IMAGE", "MEM_COMMIT")},
               "%s: libc's %s mapping is image" % (how, rights), found)


def check_busy(tap, doc, maps, how):
    """What is mapped is what /proc/self/maps lists, up to what is not recorded."""
    top = doc["address_space"]["total_bytes"]
    mapped = sum(end - start for start, end, _, _ in maps.rows if end <= top)
    busy = doc["address_space"]["busy_bytes"]
    slack = 64 * PAGE if how == "gcore" else 0  # DONTDUMP, vvar
    tap.ok(mapped - slack <= busy <= mapped,
           "%s: busy bytes are those of /proc/self/maps" % how,
           "mapped %d, busy %d, difference %d" % (mapped, busy, mapped - busy))


def check(tap, program, how):
    where = fixture.folder()
    core = fixture.dump(program, how, where)
    ranges, points = read_truth(os.path.join(where, "truth"))
    maps = Maps(os.path.join(where, "maps"))
    doc = truth.check_address(tap, core, how)
    regions = doc["regions"]
    check_ranges(tap, ranges, regions, how)
    check_points(tap, points, regions, how)
    check_stacks(tap, points, regions, maps, how)
    check_heap_bytes(tap, points, regions, maps, how)
    check_special(tap, regions, maps, how)
    check_busy(tap, doc, maps, how)
    os.unlink(core)


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "kinds")
    fixture.build("kinds", program)
    for how in ("gcore", "kernel"):
        reason = fixture.why_not(how)
        if reason:
            tap.skip(how, reason)
        else:
            tap.attempt(how, check, program, how)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
