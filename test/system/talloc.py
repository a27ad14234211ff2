#!/usr/bin/env python3
"""Chunks of the talloc that is installed have the names that the program gave them, if these are
constants; the program says how many there are of each."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402


def check(tap, program):
    where = fixture.folder()
    how = "kernel" if fixture.why_not("kernel") is None else "gcore"
    core = fixture.dump(program, how, where)
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        wanted = {name: int(count) for count, name in
                  (line.rstrip("\n").split(" ", 1) for line in file)}
    rows = fixture.answer("types", "--json", "--limit", "0", "--state", "used", core)["types"]
    found = {row["name"]: row["count"] for row in rows if row["named_by"] == "talloc"}
    tap.equal(found, wanted, "chunks by name")
    tap.equal({row["basis"] for row in rows if row["named_by"] == "talloc"}, {"recorded"}, "basis")
    for command in ("types", "summary", "leaks"):
        result = fixture.coreheap(command, core)
        tap.ok("secret" not in result.out and "user-" not in result.out,
               "%s does not show texts that the program made" % command, result)


def main():
    if not os.path.exists("/usr/include/talloc.h"):
        skip_all("talloc (libtalloc-dev) is not installed")
    if fixture.why_not("kernel") and fixture.why_not("gcore"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    program = os.path.join(fixture.folder(), "chunks")
    fixture.build("chunks", program, "-Wl,--no-as-needed", "-ltalloc")
    tap.attempt("chunks", check, program)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
