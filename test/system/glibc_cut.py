#!/usr/bin/env python3
"""A core that is cut short shows fewer arenas, never others, and no block that
is not in the whole core."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

CORES = ["bullseye-small-abort", "bookworm-small-abort", "trixie-small-abort", "sid-small-abort",
         "sid-cpp-abort"]
SPREAD = 40


def places(core):
    """Everywhere evenly, and at and around the ends of writable segments: what a
    heap or an arena needs may lie on the other side."""
    found = {core.bytes * (i + 1) // (SPREAD + 1) for i in range(SPREAD)}
    for _, size, off, flags in core.loads:
        if flags & 2:
            found |= {off + 1, off + 0x40, off + 0x900, off + size // 2, off + size - 1,
                      off + size}
    return sorted((place for place in found if place < core.bytes), reverse=True)


def heaps(path):
    """{kind, address} of heaps, committed ranges of their segments; empty when
    the core is not readable any more. A main arena that is cut off has no address,
    but the memory that it had."""
    result = fixture.coreheap("heap", "--json", path)
    if result.code == 3:
        return set(), []
    document = json.loads(result.out)
    arenas = {(heap["addr"], heap["name"]) for heap in document["heaps"]
              if heap["kind"] == "arena" and heap["runtime"] == "glibc"}
    segments = [(int(segment["addr"], 16), int(segment["end"], 16))
                for heap in document["heaps"] for segment in heap["segments"]]
    return arenas, segments


def check(tap, name):
    source = fixture.unpack(name)
    path = os.path.join(fixture.folder(), "cut.core")
    shutil.copyfile(source, path)
    core = damaging.Core(name, path)
    whole, ranges = heaps(path)
    addresses = {address for address, _ in whole}
    tap.ok(addresses and None not in addresses, name + ": the whole core has arenas", str(whole))
    false, strange, cuts = [], [], places(core)
    fewer = 0
    for place in cuts:
        os.truncate(path, place)
        arenas, segments = heaps(path)
        false += ["%d: %s" % (place, address) for address, _ in arenas
                  if address not in addresses and address is not None]
        strange += ["%d: %#x-%#x" % (place, start, end) for start, end in segments
                    if not any(low <= start and end <= high for low, high in ranges)]
        fewer += len([address for address, _ in arenas if address]) < len(whole)
    tap.ok(not false, "%s: no arena is invented at %d cuts" % (name, len(cuts)), "\n".join(false))
    tap.ok(not strange, "%s: no heap lies where there is none" % name, "\n".join(strange))
    tap.ok(fewer, "%s: some cuts take an arena away" % name)
    os.unlink(path)


def main():
    tap = Tap()
    for name in CORES:
        tap.attempt(name, check, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
