#!/usr/bin/env python3
"""Blocks of C++ classes are named by their tables of virtual functions: with symbols and without,
with type information and without, optimised or not, linked statically. The program itself says
how many there are of each."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# Without symbols and without type information nothing is known.
GCC = os.environ.get("CXX") or "g++"
KINDS = {"-O0": (GCC, "-O0", "-g"), "-O2": (GCC, "-O2"), "stripped": (GCC, "-O2", "-s"),
         "no type information": (GCC, "-O2", "-fno-rtti", "-DNO_RTTI"),
         "static and stripped": (GCC, "-O2", "-static", "-s"),
         "clang": ("clang++", "-O2", "-s")}
ORDER = "shop::Order"
# Only symbols of code say what these are.
OF_CODE = ("shop::Action", "shop::Kept")
# Only debug information does.
OF_DEBUG = ("shop::Binned",)


def truth(where):
    """{name: (count, held)}"""
    found = {}
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        for line in file:
            count, held, name = line.rstrip("\n").split(" ", 2)
            found[name] = (int(count), int(held))
    return found


def used(core, *options):
    """{name: row} of used blocks."""
    return {row["name"]: row for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", *options, core)["types"]}



def not_known(what):
    """What nothing tells of in a program that is built so."""
    return (OF_CODE if "-s" in KINDS[what] else ()) + (OF_DEBUG if "-g" not in KINDS[what] else ())


def check_types(tap, what, core, wanted):
    rows, sizes = used(core), used(core, "--by", "size")
    tap.equal([name for name in not_known(what) if name in rows], [], "%s: not known" % what)
    tap.equal({name: rows[name]["count"] if name in rows else 0 for name in wanted},
              {name: count for name, (count, _) in wanted.items()}, "%s: classes" % what)
    tap.equal({(rows[name]["runtime"], rows[name]["basis"], rows[name]["kind"])
               for name in wanted if name in rows and name not in OF_CODE},
              {("glibc", "derived", "object")}, "%s: whose they are, and why" % what)
    tap.equal([name for name in sizes if name in wanted], [], "%s: --by size" % what)
    for key in ("count", "total_bytes"):
        tap.equal(sum(row[key] for row in rows.values()), sum(row[key] for row in sizes.values()),
                  "%s: %s by class and by size" % (what, key))
    tap.equal([row["count"] for name, row in rows.items()
               if "shop::Plain" in name and row["named_by"] == "vtable"], [12],
              "%s: only control blocks of shared pointers say that they have a Plain" % what)


def check_groups(tap, what, core, wanted):
    """Who named blocks: sums over the rows of `types`, whose names are the table's own."""
    rows = fixture.answer("types", "--json", "--limit", "0", "--state", "used", core)["types"]
    doc = fixture.answer("types", "--by", "basis", "--json", "--limit", "0", core)
    sums = {}
    for row in rows:
        if row["kind"] == "object":
            count, size = sums.get(row["named_by"], (0, 0))
            sums[row["named_by"]] = (count + row["count"], size + row["total_bytes"])
    tap.equal({row["name"]: (row["count"], row["total_bytes"]) for row in doc["groups"]}, sums,
              "%s: --by basis" % what)
    tap.equal({row["name"]: row["named_by"] for row in rows if row["name"] in wanted},
              {row["name"]: "shape" if row["name"] in OF_CODE
               else "dwarf" if row["name"] in OF_DEBUG else "vtable"
               for row in rows if row["name"] in wanted}, "%s: who says so" % what)
    named = sum(size for by, (_, size) in sums.items() if by)
    tap.equal((doc["used_bytes"], doc["named_bytes"], doc["groups"][-1]["named"]),
              (sum(size for _, size in sums.values()), named, None not in sums),
              "%s: the sums of it" % what)
    modules = fixture.answer("types", "--by", "module", "--json", "--limit", "0", core)
    tap.equal((modules["used_bytes"], modules["named_bytes"],
               sum(row["total_bytes"] for row in modules["groups"])),
              (doc["used_bytes"], named, doc["used_bytes"]), "%s: --by module" % what)
    line = "named: %.1f %% of used bytes" % (100 * named / doc["used_bytes"])
    for command in ("types", "summary"):
        tap.ok(line in fixture.coreheap(command, core).out, "%s: %s says it" % (what, command),
               line)
    tap.equal(fixture.answer("summary", "--json", core)["named"]["named_bytes"], named,
              "%s: the summary, too" % what)


def check_others(tap, what, core, wanted):
    """What the other commands say of one class."""
    lost = wanted[ORDER][0] - wanted[ORDER][1]
    groups = [row for row in fixture.answer("leaks", "--json", core)["groups"]
              if row["type"] == ORDER]
    tap.equal(sum(row["count"] for row in groups), lost, "%s: leaks" % what)
    objects = fixture.records("objects", "--jsonl", "--limit", "0", "--type", ORDER, core)
    tap.equal((len(objects) - 1, {row["type"] for row in objects[:-1]}),
              (wanted[ORDER][0], {ORDER}), "%s: objects" % what)
    types = fixture.answer("retained", "--json", "--limit", "0", core)["by_type"]
    tap.equal([row["count"] for row in types if row["type"] == ORDER], [wanted[ORDER][1]],
              "%s: retained" % what)
    shown = fixture.answer("show", "--json", core, objects[0]["addr"])["object"]
    tap.equal(shown["type"], ORDER, "%s: show" % what)
    chains = fixture.answer("roots", "--json", core, objects[0]["addr"])
    tap.equal((chains["target"]["type"], chains["chains"][0]["path"][-1]["type"]), (ORDER, ORDER),
              "%s: roots" % what)
    summary = fixture.answer("summary", "--json", core)
    tap.ok(any(row["name"] == ORDER for row in summary["types_top"]), "%s: summary" % what,
           [row["name"] for row in summary["types_top"]])
    tap.ok(all(row["ok"] for row in summary["accounting"]["invariants"]),
           "%s: summary closes" % what, summary["accounting"])
    same = fixture.answer("diff", "--json", core, core)
    tap.ok(not same["types"] or all(row["count_delta"] == 0 for row in same["types"]),
           "%s: diff with itself" % what, same["types"][:3])


# How mangled names begin.
MANGLED = re.compile(r"\b_Z[A-Z0-9]")


def check_names(tap, core):
    """Variables and functions have the names that their program gave them."""
    finish = "void shop::finish<shop::Order>(bool)"
    orders = fixture.records("objects", "--jsonl", "--limit", "0", "--type", ORDER, core)
    # items[30]: 25 items come before
    order = orders[5]["addr"]
    said = {name: str(fixture.coreheap(name, core, *more).out) for name, more in (
        ("threads", ()), ("summary", ()), ("leaks", ()), ("roots", (order,)), ("refs", (order,)))}
    tap.equal([name for name, text in said.items() if MANGLED.search(text)], [],
              "nothing is mangled")
    tap.ok(finish in said["threads"], "threads: a function", said["threads"])
    tap.ok("shop::kept in classes" in said["refs"], "refs: a variable", said["refs"])
    code = re.search(r"(0x[0-9a-f]+) +" + re.escape(finish), said["threads"])
    for name in ("whatis", "address", "disassemble"):
        text = fixture.coreheap(name, core, code.group(1)).out if code else ""
        tap.ok(finish in text and not MANGLED.search(text), "%s: a function" % name, text)


def check_kind(tap, what):
    compiler, *flags = KINDS[what]
    dumped = fixture.dump_built(tap, what, [compiler, "-std=c++17", *flags], "classes/classes.cc")
    if not dumped:
        return
    core, run = dumped
    wanted = {name: row for name, row in truth(run).items() if name not in not_known(what)}
    check_types(tap, what, core, wanted)
    check_groups(tap, what, core, wanted)
    check_others(tap, what, core, wanted)
    if what == "-O0":
        check_names(tap, core)


def main():
    if not shutil.which(GCC):
        skip_all("no compiler for C++")
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for what in KINDS:
        tap.attempt(what, check_kind, what)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
