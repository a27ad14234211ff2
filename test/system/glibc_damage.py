#!/usr/bin/env python3
"""One damaged chunk header costs at most one block, and is told of.

Headers of the checked-in cores are overwritten one at a time: with zeros, with
letters, and by a block that is written 24 bytes beyond its end. A wrong size
that looks like any other cannot always be noticed; then other blocks may be
missed, but never many.
"""
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

HEADERS = 25
CORES = ["bookworm-small-abort", "bullseye-small-abort", "sid-small-abort"]
KINDS = {
    "zeroed": lambda was: bytes(16) + was[16:],
    "overwritten with letters": lambda was: b"A" * 16 + was[16:],
    "overrun by 24 bytes": lambda was: b"B" * 24 + was[24:],
}
PLAUSIBLE = struct.pack("<Q", 0xf1)
# At most so many blocks are missed for one wrong size of 0xf0 bytes that leads
# to another header: those that fit into it, and where sizes meet again.
MISSED_MAX = 24


def used(core):
    result = fixture.coreheap("objects", "--state", "used", "--plain", core)
    if result.code != 0:
        raise RuntimeError(str(result))
    rows = [line.split("\t") for line in result.out.splitlines()[1:]]
    return {(int(row[0], 16), int(row[1])) for row in rows if row[0].startswith("0x")}, result.err


class Patient:
    """A core that is damaged and mended."""

    def __init__(self, name):
        self.path = os.path.join(fixture.folder(), name + ".core")
        shutil.copyfile(fixture.unpack(name), self.path)
        self.core = damaging.Core(name, self.path)
        self.file = open(self.path, "r+b")  # pylint: disable=consider-using-with

    def write(self, addr, change):
        """Change the 32 bytes from the header of the block at addr on."""
        at = self.core.offset(addr)
        self.file.seek(at)
        was = self.file.read(32)
        self.file.seek(at)
        self.file.write(change(was))
        self.file.flush()
        return at, was

    def mend(self, at, was):
        self.file.seek(at)
        self.file.write(was)
        self.file.flush()


def choose(name, whole):
    """Some used blocks of arenas: a mmapped one ends a page behind its header."""
    rand = random.Random(name)
    blocks = sorted(addr for addr, size in whole if size < 100000 and addr % 4096 != 16)
    return rand.sample(blocks, HEADERS)


def check(tap, name):
    patient = Patient(name)
    whole, _ = used(patient.path)
    live = truth.read_live(fixture.unpack(name, "live"))
    tap.ok(set(live.items()) <= whole, name + ": all blocks are found before the damage")
    for kind, change in KINDS.items():
        lost, silent = [], []
        for addr in choose(name, whole):
            at, was = patient.write(addr, change)
            found, talk = used(patient.path)
            patient.mend(at, was)
            missed = {block for block, _ in whole} - {block for block, _ in found}
            if len(missed) > 1 or len(whole - found) > 2 or len(found - whole) > 2:
                lost.append("%#x: %d missed, %d new" % (addr, len(missed), len(found - whole)))
            if "is damaged: its size field is" not in talk:
                silent.append("%#x: %s" % (addr, talk))
        tap.ok(not lost, "%s: a header %s costs one block at most" % (name, kind),
               "\n".join(lost))
        tap.ok(not silent, "%s: a header %s is told of" % (name, kind), "\n".join(silent))
    worst = 0
    for addr in choose(name, whole):
        at, was = patient.write(addr, lambda was: was[:8] + PLAUSIBLE + was[16:])
        found, _ = used(patient.path)
        patient.mend(at, was)
        worst = max(worst, len({b for b, _ in whole} - {b for b, _ in found}))
    tap.ok(worst <= MISSED_MAX, "%s: a plausible wrong size costs few blocks" % name,
           "%d missed" % worst)
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
        at, was = patient.write(addr, lambda was: was[:16] + b"\xa5" * 8 + was[24:])
        found, talk = used(patient.path)
        patient.mend(at, was)
        told += "use after free" in talk
        tap.ok(whole <= found, "%s: the other blocks stay (link of %#x)" % (name, addr),
               str(sorted(whole - found)[:3]))
    tap.equal(told, len(cached[:6]), name + ": a link that leads astray is told of")
    patient.file.close()
    os.unlink(patient.path)


def main():
    tap = Tap()
    for name in CORES:
        tap.attempt(name, check, name)
        tap.attempt(name + ": links", check_link, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
