#!/usr/bin/env python3
"""fixtures/blocks, dumped with gcore and by the kernel: every block of the heap
is found, with its size and state, and the heap's counters are malloc_info's."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

THREADS = 4
VARIANTS = [[], ["one-thread"], ["two-heaps"], ["foreign-brk"], ["blocked-brk"], ["traps"],
            ["one-thread", "foreign-brk"], ["one-thread", "blocked-brk"], ["one-thread", "traps"]]


def check(tap, program, how, arguments):
    name = "%s%s" % (how, "".join(" " + a for a in arguments))
    where = fixture.folder()
    core = fixture.dump(program, how, where, arguments)
    live = truth.read_live(os.path.join(where, "live"))
    freed = truth.still_free(truth.read_live(os.path.join(where, "free")), live)
    tap.ok(len(live) > 2500 and len(freed) > 600, "%s: the program recorded its blocks" % name)
    # main, and each of the waiting threads, has a tcache structure
    caches = 1 if "one-thread" in arguments else THREADS + 1
    rows = truth.check_live(tap, core, live, caches, name)
    truth.check_free(tap, core, freed, rows, name)
    info = truth.MallocInfo(os.path.join(where, "malloc_info"))
    # With foreign-brk, system_mem counts the hole, which is not the arena's.
    heaps = truth.check_heap(tap, core, info, "foreign-brk" not in arguments, name)
    truth.check_used_bytes(tap, heaps, rows, name)
    truth.check_types(tap, core, heaps, rows, name)
    os.unlink(core)


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "blocks")
    fixture.build("blocks", program)
    for how in ("gcore", "kernel"):
        for arguments in VARIANTS:
            reason = fixture.why_not(how)
            if reason:
                tap.skip(" ".join([how] + arguments), reason)
            else:
                tap.attempt(" ".join([how] + arguments), check, program, how, arguments)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
