#!/usr/bin/env python3
"""Pools of the APR that is installed: a program fills pools with tags, and without, to a known
size; a ring of nodes that is none ends."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

POOL_BYTES = 120
UNTAGGED = "pool without a tag"


def dump(program, *fault):
    where = fixture.folder()
    how = "kernel" if fixture.why_not("kernel") is None else "gcore"
    return where, fixture.dump(program, how, where, fault)


def mine(heaps):
    return [heap for heap in heaps["heaps"] if heap["runtime"] == "apr"]


def check_closes(tap, what, heaps):
    tap.equal([heap["name"] for heap in heaps["heaps"] if heap["used_bytes"] + heap["free_bytes"] +
               heap["overhead_bytes"] != heap["committed_bytes"]], [], "%s: sums close" % what)


def check(tap, program):
    where, core = dump(program)
    heaps = fixture.answer("heap", "--json", core)
    found = {}
    for heap in mine(heaps):
        count, used = found.get(heap["name"], (0, 0))
        found[heap["name"]] = count + 1, used + heap["used_bytes"]
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split(" ", 2) for line in file]
    # the pool itself lies in its first node
    tap.equal({tag: found[tag or UNTAGGED] for _, _, tag in rows},
              {tag: (int(count), int(count) * POOL_BYTES + int(asked)) for count, asked, tag in rows},
              "pools by their tags")
    tap.equal(heaps["warnings"], [], "nothing is wrong")
    check_closes(tap, "pools", heaps)
    used = {row["name"]: row["total_bytes"] for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]}
    tap.equal({name: used[name] for name in ("server", "request", "scratch", UNTAGGED)},
              {name: found[name][1] for name in ("server", "request", "scratch", UNTAGGED)}, "types")


def check_ring(tap, program):
    _, core = dump(program, "ring")
    heaps = fixture.answer("heap", "--json", core)
    tap.equal({warning["code"] for warning in heaps["warnings"]}, {"apr-nodes"}, "ring: findings")
    check_closes(tap, "ring", heaps)


def main():
    if not shutil.which("apr-1-config"):
        skip_all("APR (libapr1-dev) is not installed")
    if fixture.why_not("kernel") and fixture.why_not("gcore"):
        skip_all(fixture.why_not("gcore"))
    flags = subprocess.run(["apr-1-config", "--includes", "--cppflags"], check=True, text=True,
                           capture_output=True).stdout.split()
    library = subprocess.run(["apr-1-config", "--link-ld"], check=True, text=True,
                             capture_output=True).stdout.split()
    tap = Tap()
    program = os.path.join(fixture.folder(), "tags")
    fixture.build("tags", program, *flags, "-Wl,--no-as-needed", *library)
    tap.attempt("pools", check, program)
    tap.attempt("ring", check_ring, program)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
