#!/usr/bin/env python3
"""Slices of GLib are counted as the program that has them counts them; pages that were written over
are told, and sums close."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# What is overwritten in a page, and the finding that says so; None: nothing that is known.
HARMS = {"ring": "gslice-ring", "prev": "gslice-ring", "list": "gslice-slab",
         "count": "gslice-slab", "chain": None}


def dump(program, where, *arguments):
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    return fixture.dump(program, how, where, arguments)


def slices(core):
    """{size: slices in use}, those of pages that are one object, too; the sizes of such pages."""
    found, pages = {}, set()
    for row in fixture.answer("heap", "--json", core)["heaps"]:
        match = re.match(r"(\d+)-byte slices$", row["name"])
        if match and row["runtime"] == "gslice":
            found[int(match.group(1))] = row["used_count"]
    for row in fixture.answer("types", "--json", "--limit", "0", "--by", "size", core)["types"]:
        match = re.match(r"(\d+) slices of (\d+) bytes$", row["name"])
        if match:
            found[int(match.group(2))] += row["count"] * (int(match.group(1)) - 1)
            pages.add(int(match.group(2)))
    return found, pages


def check_counts(tap, program):
    where = fixture.folder()
    core = dump(program, where)
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        rows = {size: (count, set(held)) for size, count, *held in
                (map(int, line.split()) for line in file)}
    found, pages = slices(core)
    tap.equal({size: found.get(size) for size in rows}, {size: rows[size][0] for size in rows},
              "slices of each size")
    tap.ok(pages and not any(rows[size][1] for size in pages),
           "pages are one object only where nothing tells", pages)
    for size, (_, held) in rows.items():
        if held:
            objects = fixture.records("objects", "--jsonl", "--limit", "0", "--arena",
                                      "%d-byte slices" % size, core)[:-1]
            tap.equal({int(row["addr"], 16) for row in objects}, held,
                      "%d-byte slices are where the program has them" % size)
    answer = fixture.answer("heap", "--json", core)
    tap.equal(answer["complete"], True, "nothing is missing")
    tap.ok(all(row["used_bytes"] + row["free_bytes"] + row["overhead_bytes"] ==
               row["committed_bytes"] for row in answer["heaps"]), "sums close", answer["heaps"])
    row = [row for row in answer["runtimes"] if row["name"] == "gslice"][0]
    # The main thread, and two that did not end.
    tap.equal(row["facts"]["threads_count"], 3, "threads that have magazines")


def check_harm(tap, program, harm):
    where = fixture.folder()
    answer = fixture.answer("heap", "--json", dump(program, where, harm))
    tap.ok(all(row["used_bytes"] + row["free_bytes"] + row["overhead_bytes"] ==
               row["committed_bytes"] for row in answer["heaps"]),
           "%s overwritten: sums close" % harm, answer["heaps"])
    codes = {row["code"] for row in answer["warnings"]}
    tap.ok(HARMS[harm] is None or HARMS[harm] in codes, "%s overwritten: it is told" % harm, codes)


def main():
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    program = os.path.join(fixture.folder(), "gslice")
    fixture.build("gslice", program, "-ldl")
    # It ends by itself where there are no slices, else it is killed by abort().
    if subprocess.run([program, fixture.folder(), "abort"], check=False).returncode == 77:
        skip_all("no libglib-2.0, or one of 2.76 or later, which has no slices")
    tap = Tap()
    tap.attempt("counts", check_counts, program)
    for harm in HARMS:
        tap.attempt(harm, check_harm, program, harm)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
