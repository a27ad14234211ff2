#!/usr/bin/env python3
"""The sums of the address summary close on every core at hand: the checked-in
ones, and those of $SHARED_CORES or ../shared/cores; the kernel's and gcore's
core of one program agree up to what a dumper leaves out."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

HEAP = {"heap(brk)", "arena", "mmap-chunk"}


def bytes_of(doc, names):
    return sum(r["total_bytes"] for r in doc["regions"]
               if r["usage"] in names and r["state"] == "MEM_COMMIT")


def check_two_dumpers(tap, program):
    """One program, dumped alive with gcore, and run again to be dumped by the kernel."""
    where = fixture.folder()
    alive = fixture.dump(program, "gcore", where)
    live = truth.check_address(tap, alive, "gcore")
    os.unlink(alive)
    # equal but for the addresses
    where = fixture.folder()
    dead = fixture.dump(program, "kernel", where)
    core = truth.check_address(tap, dead, "kernel")
    os.unlink(dead)
    for what, names in (("heap", HEAP), ("image", {"exe", "lib", "bss"}),
                        ("thread stacks", {"stack"})):
        tap.ok(bytes_of(core, names) > 0, "the kernel's core has committed %s bytes" % what)
    tap.equal(bytes_of(live, HEAP - {"heap(brk)"}), bytes_of(core, HEAP - {"heap(brk)"}),
              "arenas and mmapped chunks are the same for both dumpers")
    tap.equal(bytes_of(live, {"exe", "lib", "bss"}), bytes_of(core, {"exe", "lib", "bss"}),
              "image bytes are the same for both dumpers")


def check_shared(tap, packed):
    name = os.path.basename(packed)[:-len(".core.zst")]
    path = os.path.join(fixture.folder(), name + ".core")
    subprocess.run(fixture.ZSTD + ["--sparse", "-o", path, packed], check=True)
    truth.check_address(tap, path, "shared " + name)
    os.unlink(path)


def main():
    tap = Tap()
    for name in fixture.every_core():
        tap.attempt(name, truth.check_address, fixture.unpack(name), name)
    shared = fixture.shared_cores()
    if not shared:
        tap.skip("shared cores", "there are none ($SHARED_CORES, ../shared/cores)")
    for packed in shared:
        tap.attempt(packed, check_shared, packed)
    reason = fixture.why_not("gcore") or fixture.why_not("kernel")
    if reason:
        tap.skip("two dumpers", reason)
    else:
        program = os.path.join(fixture.folder(), "blocks")
        fixture.build("blocks", program)
        tap.attempt("two dumpers", check_two_dumpers, program)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
