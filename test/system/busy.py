#!/usr/bin/env python3
"""Processes whose threads were inside malloc when they were dumped are not damaged.

fixtures/busy is dumped again and again, at any moment. Nothing may be called damaged or
incomplete, and every block that its table holds at that moment must be found.
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

KINDS = ["small", "fast", "large", "alone", "coming"]
# Dumps of each kind by each dumper; more of them find rarer moments.
DUMPS = int(os.environ.get("BUSY_DUMPS", "3"))
TABLE = 0x600000000000
MAGIC = b"busy table here\0"


def read_table(path):
    """{address: size asked for, and whether that is exact} in the core's table."""
    core = damaging.Core("busy", path)
    with open(path, "rb") as file:
        file.seek(core.offset(TABLE + 16))
        data = file.read(32)
        if data[:16] != MAGIC:
            raise RuntimeError("no table in " + path)
        slots = struct.unpack_from("<Q", data, 24)[0]
        entries = struct.unpack("<%dQ" % slots, file.read(8 * slots))
    blocks = {}
    for entry in entries:
        kept = entry >> 48
        if entry:
            blocks[entry & (1 << 48) - 1] = (kept & 0x7fff) << 12 if kept & 0x8000 else kept
    return blocks


def misses(path, blocks):
    """Blocks of the table that are not found, and how many strangers there are."""
    rows = fixture.records("objects", "--state", "used", "--jsonl", path)[:-1]
    used = {int(row["addr"], 16): row["size_bytes"] for row in rows if row["kind"] == "object"}
    lost = ["%#x: %d bytes, found: %s" % (addr, size, used.get(addr))
            for addr, size in blocks.items() if used.get(addr, -1) < size]
    return lost, len(used) - len(blocks)


def complaints(path):
    """What is said of damage and of what is missing."""
    document = fixture.answer("heap", "--json", path)
    return ["%s: %s" % (warning["code"], warning["message"]) for warning in document["warnings"]
            if warning["severity"] != "note" or "sign of" in warning["message"]]


def dump(program, how, kind, rand):
    where = fixture.folder()
    return fixture.dump(program, how, where, [str(rand.randrange(1, 300)), kind])


def check(tap, program, how, kind):
    rand = random.Random(how + kind)
    said, lost, strangers = [], [], []
    for number in range(DUMPS):
        core = dump(program, how, kind, rand)
        blocks = read_table(core)
        missed, strange = misses(core, blocks)
        said += ["dump %d: %s" % (number, text) for text in complaints(core)]
        lost += ["dump %d: %s" % (number, text) for text in missed]
        # A thread that ends gives back what it had in its cache, one by one;
        # malloc_consolidate() has a whole fast bin in hand: 128 chunks were seen.
        if strange > (600 if kind in ("coming", "fast") else 40):
            strangers.append("dump %d: %d" % (number, strange))
        if os.environ.get("BUSY_KEEP") and (missed or complaints(core) or strange > 40):
            os.rename(core, "%s/%s-%s-%d.core" % (os.environ["BUSY_KEEP"], how, kind, number))
        else:
            os.unlink(core)
    name = "%d dumps by %s of %s" % (DUMPS, how, kind)
    tap.ok(not said, name + ": nothing is called damaged", "\n".join(said))
    tap.ok(not lost, name + ": all blocks of the table are found", "\n".join(lost))
    tap.ok(not strangers, name + ": no others but what is under way", "\n".join(strangers))


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "busy")
    fixture.build("busy", program)
    for how in ("kernel", "gcore"):
        why = fixture.why_not(how)
        for kind in KINDS:
            if why:
                tap.skip("%s %s" % (how, kind), why)
            else:
                tap.attempt("%s %s" % (how, kind), check, program, how, kind)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
