#!/usr/bin/env python3
"""One damaged chunk header costs at most one block, and is told of.

Headers of the checked-in cores, of used and of free chunks, are overwritten one
at a time: with zeros, with letters, with a wrong size, and by a text that is
written beyond the end of the block before. The live blocks that a recorder
noted must still be found, all but one.

A wrong size can be one with which the heap is as consistent as before: it
leads to another chunk, directly or by what looks like headers in blocks, and
all chunks in between are in use. That is not damage that malloc's own data
show; there the blocks up to that chunk may be missed, and no others.
"""
import json
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

HEADERS = {"bookworm-small-abort": 200, "bullseye-small-abort": 40, "trixie-small-abort": 40,
           "sid-small-abort": 40}
TEXT = b"The quick brown fox jumps over the lazy dog and through the fence. " * 2
PREV_INUSE, IS_MMAPPED, NON_MAIN = 1, 2, 4


class Chunk:
    """A chunk of an arena, as the whole core has it."""

    def __init__(self, row):
        self.user = int(row[0], 16)
        self.start = self.user - 16
        self.bytes = int(row[2])
        self.end = self.start + self.bytes
        self.in_use = row[3] == "used" and row[4] == "object"
        self.main = row[6] == "main arena"


def rows_of(core, *states):
    rows, talk = [], ""
    for state in states:
        result = fixture.coreheap("objects", "--state", state, "--plain", core)
        if result.code != 0:
            raise RuntimeError(str(result))
        rows += [line.split("\t") for line in result.out.splitlines()[1:]
                 if line.startswith("0x")]
        talk += result.err
    return rows, talk


def used(core):
    rows, talk = rows_of(core, "used")
    return {(int(row[0], 16), int(row[1])) for row in rows}, talk


class Patient:
    """A core that is damaged and mended."""

    def __init__(self, name):
        self.path = os.path.join(fixture.folder(), name + ".core")
        shutil.copyfile(fixture.unpack(name), self.path)
        self.core = damaging.Core(name, self.path)
        self.file = open(self.path, "r+b")  # pylint: disable=consider-using-with

    def write(self, addr, data):
        """Put data at addr; what was there."""
        at = self.core.offset(addr + 16)
        self.file.seek(at)
        was = self.file.read(len(data))
        self.file.seek(at)
        self.file.write(data)
        self.file.flush()
        return was

    def read(self, addr, count):
        self.file.seek(self.core.offset(addr + 16))
        return self.file.read(count)


def zeros(rand, patient, chunk, before):  # pylint: disable=unused-argument
    count = rand.choice((8, 16))
    return chunk.start + 16 - count, bytes(count)


def letters(rand, patient, chunk, before):  # pylint: disable=unused-argument
    count = rand.choice((8, 16))
    return chunk.start + 16 - count, b"A" * count


def wrong_size(rand, patient, chunk, before):  # pylint: disable=unused-argument
    head = struct.unpack("<Q", patient.read(chunk.start + 8, 8))[0]
    flags = head & 7
    size = rand.choice((0xf1, 0x91, head + 0x30, head - 0x30 if chunk.bytes > 0x50 else head + 0x30,
                        0xf0 | flags, 0x20 + 16 * rand.randrange(64) | flags))
    return chunk.start + 8, struct.pack("<Q", size if size & ~7 != chunk.bytes else head + 0x20)


def text(rand, patient, chunk, before):  # pylint: disable=unused-argument
    lead = min(rand.randrange(64), chunk.start - before.user) if before else 0
    count = rand.choice((1, 2, 4, 8, 9, 10, 12, 15, 16, 17, 24, 40))
    data = TEXT[:lead + count]
    return chunk.start - lead, data[:-1] + b"\0" if rand.random() < 0.5 else data


KINDS = {"zeroed": zeros, "overwritten with letters": letters, "with a wrong size": wrong_size,
         "overrun by a text": text}


def leads_to(patient, chunk, starts):
    """The first true chunk behind this one that sizes lead to, with nothing that
    contradicts them on the way; else None."""
    at, last = chunk.start, 0
    for _ in range(8):
        prev_size, head = struct.unpack("<QQ", patient.read(at, 16))
        size = head & ~7
        if (last and not head & PREV_INUSE and prev_size != last) or head & IS_MMAPPED or \
                bool(head & NON_MAIN) == chunk.main or size < 32 or size % 16 or size > 1 << 20:
            return None
        at, last = at + size, size
        if at in starts:
            return at
    return None


def hidden_end(patient, chunks, chunk):
    """Where sizes lead behind damage that malloc's own data do not show."""
    end = leads_to(patient, chunk, {other.start for other in chunks})
    inside = [other for other in chunks if chunk.start <= other.start < (end or 0)]
    return end if len(inside) > 1 and all(other.in_use for other in inside) else None


class Outcome:
    """What the headers damaged in one way led to."""

    def __init__(self):
        self.lost, self.silent, self.hidden, self.count = [], [], 0, 0

    def add(self, what, truths, found, talk, chunk, end):
        """end: where a damage that does not show ends, or None."""
        live, whole, free = truths
        self.count += 1
        missed = live - found
        strangers = {addr for addr, _ in found} - {addr for addr, _ in whole}
        if end:
            self.hidden += 1
            missed = {block for block in missed if not chunk.start < block[0] < end}
            strangers = {addr for addr in strangers if not chunk.start < addr < end}
        elif "0x%x" % chunk.start not in talk:
            self.silent.append("%s: %s" % (what, talk))
        if "What follows in the list is counted as used" in talk:
            strangers -= free
        if len(missed) > 1 or len(strangers) > 1:
            self.lost.append("%s: %d missed, new: %s: %s" % (
                what, len(missed), sorted(map(hex, strangers))[:4], talk))


def damage_one(patient, kind, chunks, index, rand):
    """The size field before and after, blocks found, what was said, hidden_end()."""
    chunk, before = chunks[index], chunks[index - 1] if index else None
    if before and before.end != chunk.start:
        before = None
    head = patient.read(chunk.start + 8, 8)
    start, data = KINDS[kind](rand, patient, chunk, before)
    was = patient.write(start, data)
    left = patient.read(chunk.start + 8, 8)
    found, talk = used(patient.path)
    end = hidden_end(patient, chunks, chunk)
    patient.write(start, was)
    return head, left, found, talk, end


def check(tap, name, count):
    patient = Patient(name)
    live = set(truth.read_live(fixture.unpack(name, "live")).items())
    whole, _ = used(patient.path)
    tap.ok(live <= whole, name + ": all blocks are found before the damage")
    rows, _ = rows_of(patient.path, "used", "free")
    chunks = sorted((Chunk(row) for row in rows if row[6] != "mmapped chunks"),
                    key=lambda chunk: chunk.start)
    rand = random.Random(name)
    free = {chunk.user for chunk in chunks if not chunk.in_use}
    outcomes = {kind: Outcome() for kind in KINDS}
    for index in sorted(rand.sample(range(len(chunks)), count)):
        for kind, outcome in outcomes.items():
            head, left, found, talk, end = damage_one(patient, kind, chunks, index, rand)
            if head == left:
                continue
            chunk = chunks[index]
            what = "%#x, %d bytes, %s, size field %#x -> %#x" % (
                chunk.start, chunk.bytes, "used" if chunk.in_use else "free",
                *struct.unpack("<QQ", head + left))
            outcome.add(what, (live, whole, free), found, talk, chunk, end)
    for kind, outcome in outcomes.items():
        tap.ok(not outcome.lost, "%s: %d headers %s cost one block each at most (%d hidden)" % (
            name, outcome.count, kind, outcome.hidden), "\n".join(outcome.lost))
        tap.ok(not outcome.silent, "%s: headers %s are told of" % (name, kind),
               "\n".join(outcome.silent))
    patient.file.close()
    os.unlink(patient.path)


def check_link(tap, name):
    """A block in a tcache that is written to after it was freed."""
    patient = Patient(name)
    with open(fixture.unpack(name, "truth"), encoding="utf-8") as file:
        cached = [int(line.split()[2], 16) for line in file
                  if line.startswith("FREE ") and line.split()[3] == "tcache"]
    whole, _ = used(patient.path)
    told = 0
    for addr in cached[:6]:
        was = patient.write(addr, b"\xa5" * 8)
        found, talk = used(patient.path)
        patient.write(addr, was)
        told += "use after free" in talk
        tap.ok(whole <= found, "%s: the other blocks stay (link of %#x)" % (name, addr),
               str(sorted(whole - found)[:3]))
    tap.equal(told, len(cached[:6]), name + ": a link that leads astray is told of")
    patient.file.close()
    os.unlink(patient.path)


def check_arena(tap, name):
    """A text over the end of malloc_state, and the header of the first chunk."""
    patient = Patient(name)
    live = set(truth.read_live(fixture.unpack(name, "live")).items())
    rows, _ = rows_of(patient.path, "used")
    firsts = {}
    for row in rows:
        if row[6] != "mmapped chunks" and row[6] != "main arena":
            firsts.setdefault(row[6], int(row[0], 16) - 16)
    for arena, start in sorted(firsts.items()):
        was = patient.write(start - 50, TEXT[:54])
        found, _ = used(patient.path)
        patient.write(start - 50, was)
        tap.ok(len(live - found) <= 1, "%s: %s loses no block with the end of its state" % (
            name, arena), "%d lost" % len(live - found))
    patient.file.close()
    os.unlink(patient.path)


def facts(path, command, *options):
    """What the document says of the core and of its heap, and the exit code with --strict."""
    result = fixture.coreheap(command, "--json", "--strict", *options, path)
    document = json.loads(result.out)
    return document["complete"], document["heap_intact"], result.code


def check_facts(tap, name):
    """The core is complete, the heap in it is damaged: two facts."""
    patient = Patient(name)
    tap.equal([facts(patient.path, command) for command in ("heap", "summary", "info")],
              [(True, True, 0), (True, True, 0), (True, None, 0)],
              name + ": whole, and nothing damaged; info did not look")
    rows, _ = rows_of(patient.path, "used")
    chunk = Chunk(rows[len(rows) // 2])
    was = patient.write(chunk.start, TEXT[:16])
    tap.equal([facts(patient.path, command) for command in ("heap", "summary", "info")],
              [(True, False, 4), (True, False, 4), (True, None, 0)],
              name + ": a damaged header leaves the core complete")
    told = fixture.coreheap("summary", patient.path).out
    tap.ok("complete, heap damaged" in " ".join(told.split()), name + ": which is said", told)
    with open(patient.path, "r+b") as file:
        file.truncate(os.path.getsize(patient.path) - 4096)
    tap.equal(facts(patient.path, "heap")[:2], (False, False), name + ": cut, it is both")
    patient.write(chunk.start, was)
    tap.equal(facts(patient.path, "heap")[:2], (False, None),
              name + ": what is missing may hide damage, and is none")
    patient.file.close()
    os.unlink(patient.path)


def main():
    tap = Tap()
    tap.attempt("facts", check_facts, "trixie-small-abort")
    for name, count in HEADERS.items():
        tap.attempt(name, check, name, count)
        tap.attempt(name + ": links", check_link, name)
        tap.attempt(name + ": arenas", check_arena, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
