#!/usr/bin/env python3
"""The checked-in cores of glibc 2.31, 2.36, 2.41 and 2.43: every live block is
found and nothing else, and the counters are those of malloc_info."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

# tcache structures: one for each thread that used one
ALLOCATORS = {
    "bullseye-small-abort": 5,
    "bookworm-small-abort": 5,
    "trixie-small-abort": 5,
    "sid-small-abort": 5,
    "sid-cpp-abort": 1,
}


def malloc_info_of(text):
    """The malloc_info document inside a truth file."""
    path = os.path.join(fixture.folder(), "malloc_info")
    start, end = text.index("<malloc "), text.index("</malloc>") + len("</malloc>")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[start:end])
    return truth.MallocInfo(path)


def check(tap, name):
    core = fixture.unpack(name)
    with open(fixture.unpack(name, "truth"), encoding="utf-8") as file:
        text = file.read()
    live = truth.read_live(fixture.unpack(name, "live"))
    rows = truth.check_live(tap, core, live, ALLOCATORS[name], name)
    freed = [int(line.split()[2], 16) for line in text.splitlines() if line.startswith("FREE ")]
    if name != "sid-cpp-abort":  # its truth names no freed block
        truth.check_free(tap, core, freed, rows, name)
    heaps = truth.check_heap(tap, core, malloc_info_of(text), True, name)
    truth.check_used_bytes(tap, heaps, rows, name)
    truth.check_types(tap, core, heaps, rows, name)


def main():
    tap = Tap()
    tap.equal(sorted(ALLOCATORS), fixture.checked_in(), "every checked-in core is tested")
    for name in sorted(ALLOCATORS):
        tap.attempt(name, check, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
