#!/usr/bin/env python3
"""Damage costs once: a core with one damaged word in malloc takes each command at most 3 times as
long as the intact one, however much memory lies beside it, most of it of no use to anybody."""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

# A chunk header of the core, and a size that leads far behind the next one.
HEADER, WORD = 767512, struct.pack("<Q", 0x11000171)
# Memory added: written to, and never touched.
USED_MB, HOLE_MB = 48, 800
SPARE_SECONDS = 0.2
COMMANDS = (["summary"], ["leaks"], ["types"], ["heap"], ["objects"], ["retained", "--limit", "20"],
            ["address"], ["threads"])


def add_segments(path):
    """Two writable segments more, behind all else."""
    with open(path, "r+b") as file:
        header = file.read(64)
        phoff, count = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        file.seek(phoff)
        table = file.read(56 * count)
        size = os.path.getsize(path)
        at = (size + 4095) // 4096 * 4096
        used = at + (len(table) + 2 * 56 + 4095) // 4096 * 4096
        hole = used + (USED_MB << 20)
        for addr, off, bytes_ in ((0x100000000000, used, USED_MB << 20),
                                  (0x110000000000, hole, HOLE_MB << 20)):
            table += struct.pack("<IIQQQQQQ", 1, 6, off, addr, 0, bytes_, bytes_, 4096)
        file.seek(at)
        file.write(table)
        file.seek(32)
        file.write(struct.pack("<Q", at))
        file.seek(56)
        file.write(struct.pack("<H", count + 2))
        file.seek(used)
        piece = random.Random(1).randbytes(1 << 20)
        for _ in range(USED_MB):
            file.write(piece)
        file.truncate(hole + (HOLE_MB << 20))


def seconds(*args):
    before = fixture.cpu_seconds()
    done = fixture.run_bounded([fixture.COREHEAP, *args], 120)
    return fixture.cpu_seconds() - before, done.returncode


def main():
    tap = Tap()
    folder = fixture.folder()
    intact, damaged = os.path.join(folder, "intact"), os.path.join(folder, "damaged")
    damaging.copy_sparse(fixture.unpack("dotnet-cores", "3.1.3"), intact)
    add_segments(intact)
    damaging.copy_sparse(intact, damaged)
    with open(damaged, "r+b") as file:
        file.seek(HEADER)
        file.write(WORD)
    said = {row["code"] for row in fixture.answer("heap", "--json", damaged)["warnings"]}
    tap.ok("glibc-chunk-damaged" in said, "the damage is found", said)
    for command in [["diff", intact], *COMMANDS]:
        want, code = min(seconds(*command, intact) for _ in range(2))
        took, damaged_code = seconds(*command, damaged)
        tap.equal((code, damaged_code), (0, 0), "%s answers" % command[0])
        tap.ok(took <= 3 * want + SPARE_SECONDS, "%s: at most 3 times as long" % command[0],
               "%.2f s instead of %.2f s" % (took, want))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
