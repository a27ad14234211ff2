#!/usr/bin/env python3
"""fixtures/declared: types and variables by debug information are what the program itself says of
their sizes, offsets and addresses."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

SOURCE = os.path.join(repo(), "fixtures", "declared")
CTYPES = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "test", "debug",
                      "ctypes")


def rows(core, *names):
    done = fixture.run_bounded([CTYPES, core, *names], 120)
    return [line.split("\t") for line in done.stdout.decode().splitlines()], done.stderr.decode()


def truth_of(where):
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def layout(core, names):
    """Sizes of types, and offset and size of each of their members, as the library reads them."""
    types, members, current = {}, {}, None
    for row in rows(core, *names)[0]:
        if row[0] == "type":
            current = row[1]
            types[current] = row[3]
        elif row[0] == "member":
            members[current, row[1]] = (row[2], row[5])
    return types, members


def check(tap, name, core, where):
    truth = truth_of(where)
    names = [row[1] for row in truth if row[0] == "type"]
    types, members = layout(core, names)
    tap.equal({n: types.get(n) for n in names},
              {row[1]: row[2] for row in truth if row[0] == "type"}, name + ": sizes")
    wanted = {(row[1], row[2]): (row[3], row[4]) for row in truth if row[0] == "member"}
    tap.equal({key: members.get(key) for key in wanted}, wanted, name + ": members")
    found = {(row[2], row[0]): (row[5], row[4]) for row in rows(core)[0]}
    wanted = {(row[1], row[2]): (row[3], row[4]) for row in truth if row[0] == "variable"}
    tap.equal({key: found.get(key) for key in wanted}, wanted, name + ": variables")


def build_c(where, compiler, *flags):
    program = os.path.join(where, "declared")
    subprocess.run([*compiler.split(), *flags, "-o", program,
                    os.path.join(SOURCE, "declared.c"), os.path.join(SOURCE, "elsewhere.c")],
                   check=True)
    return program


def main():
    tap = Tap()
    cc = os.environ.get("CC") or "cc"
    reason = fixture.why_not("kernel")
    if reason:
        tap.skip("debug", reason)
        sys.exit(tap.done())
    for name, flags in (("gcc -O0", ["-O0", "-g"]), ("gcc -O2", ["-O2", "-g"])):
        where = fixture.folder()
        program = build_c(fixture.folder(), cc, *flags)
        check(tap, name, fixture.dump(program, "kernel", where), where)
    sys.exit(tap.done())


main()
