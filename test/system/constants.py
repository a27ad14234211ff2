#!/usr/bin/env python3
"""fixtures/constants, dumped without any private memory: what the dynamic linker relocated and protected comes from
the program's own file; what a symbol of another library filled, and what the program may change, does not."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

# Only the first page of each ELF image (core(5)).
HEADERS_ONLY = 0x10
NO_RELRO = "nothing is protected"
FLAGS = {
    NO_RELRO: ["-pie", "-fPIE", "-Wl,-z,norelro"],
    "RELR": ["-pie", "-fPIE", "-Wl,-z,now", "-Wl,-z,pack-relative-relocs"],
    "RELA": ["-pie", "-fPIE", "-Wl,-z,now"],
}


def read_truth(path):
    with open(path, encoding="ascii") as file:
        rows = [line.split() for line in file]
    return [(name, int(addr, 16), int(value, 16)) for name, addr, value in rows]


def places(core, value, *options):
    rows = fixture.records("search", "--jsonl", "--pointer", hex(value), *options, core)
    return {int(row["addr"], 16) for row in rows if "addr" in row}


def check(tap, name, program, how, lent=True):
    where = fixture.folder()
    core = fixture.dump(program, how, where, coredump_filter=HEADERS_ONLY)
    rows = read_truth(os.path.join(where, "truth"))
    tap.equal(len(rows), 5, "%s: the program wrote down its pointers" % name)
    for kind, addr, value in rows:
        tap.ok(addr not in places(core, value, "--recorded"), "%s: %s is not in the core" %
               (name, kind))
        tap.equal(addr in places(core, value), lent and kind == "protected",
                  "%s: %s at 0x%x" % (name, kind, addr))
    # The initial value of what the program changed would be a lie.
    second = [value for kind, _, value in rows if kind == "protected"][1]
    tap.equal(len(places(core, second)), int(lent), "%s: data that may change stays absent" % name)
    return core, where, second


def check_builds(tap, program):
    """A program of the same name and another build-id lends nothing."""
    core, where, second = check(tap, "own build", program, "gcore")
    fixture.build("constants", os.path.join(where, "constants"), "-DOTHER", "-O2")
    tap.equal(places(core, second), set(), "another build lends nothing")


def main():
    tap = Tap()
    program = os.path.join(fixture.folder(), "constants")
    for flavour, flags in FLAGS.items():
        try:
            fixture.build("constants", program, *flags)
        except subprocess.CalledProcessError:
            tap.skip(flavour, "the linker does not know these flags")
            continue
        for how in ("gcore", "kernel"):
            name = "%s, %s" % (flavour, how)
            reason = fixture.why_not(how)
            if reason:
                tap.skip(name, reason)
            else:
                tap.attempt(name, check, name, program, how, flavour != NO_RELRO)
    if fixture.why_not("gcore"):
        tap.skip("builds", fixture.why_not("gcore"))
    else:
        tap.attempt("builds", check_builds, program)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
