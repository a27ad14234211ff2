#!/usr/bin/env python3
"""Vectors of C++ with room that nobody uses, against a program that counts them: with debug
information, and stripped."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, dump_built  # noqa: E402
from tap import Tap  # noqa: E402

CXX = os.environ.get("CXX") or "g++"
# how it is built: what has the vectors, how it is known
BUILDS = {"debug information": (["-g", "-O1"], "std::vector<Series> body", "derived"),
          "clang": (["-g", "-O2"], "std::vector<Series> body", "derived"),
          "stripped": (["-O2", "-s"], "std::vector body or buffer", "heuristic")}


def check(tap, name, flags, owner, basis):
    made = dump_built(tap, name, ["clang++" if name == "clang" else CXX, *flags],
                      "roomy/roomy.cc")
    if not made:
        return
    core, where = made
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        truth = {key: int(value) for key, value in map(str.split, file)}
    first = answer("summary", "--json", core)["suspects"][0]
    tap.equal((first["rule"], first["count"], first["bytes"], first["basis"]),
              ("empty-collections", truth["count"], truth["bytes"], basis),
              "%s: vectors, and bytes that nothing is in" % name)
    tap.equal([(row["name"], row["count"]) for row in first["pointed_at_by"]][:1],
              [(owner, truth["count"] - 1)], "%s: whose they are" % name)
    lines = " ".join(coreheap("summary", core).out.split())
    tap.ok("3,001 std::vectors %suse a quarter of their room or less" % (
        "or buffers with a place in them " if name == "stripped" else "") in lines,
        "%s: on the first screen" % name, lines[:600])
    shutil.rmtree(os.path.dirname(where))


def main():
    tap = Tap()
    for name, (flags, owner, basis) in BUILDS.items():
        tap.attempt(name, check, name, flags, owner, basis)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
