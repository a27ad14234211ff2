#!/usr/bin/env python3
"""Names of SOS, WinDbg, gdb and the JDK's tools do what docs/NAMES.md says, with SOS's own forms of arguments."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import story  # noqa: E402
from documents import commands  # noqa: E402
from fixture import coreheap  # noqa: E402
from tap import Tap, repo  # noqa: E402

TYPE = "Story.Order"


def rows():
    """(name, what is here) of each row of docs/NAMES.md."""
    with open(os.path.join(repo(), "docs", "NAMES.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("| `"):
                for name in re.findall(r"`([^`]+)`", cells[0]):
                    yield name, cells[1].strip("`")


def check_table(tap):
    found = list(rows())
    tap.ok(len(found) > 80, "the table has rows", len(found))
    for name, here in found:
        words = name.split()
        done = coreheap(*words, *(["X"] if words[-1] == "-mt" else []), "--help")
        command = here.split()[0] if here else None
        if done.code == 2:
            tap.ok(done.err.count("\n") == 1 and (not command or command in done.err) and
                   not done.out, "%s: one line says what to type" % name, done)
            continue
        tap.ok(done.code == 0 and "Usage: coreheap %s " % command in done.out,
               "%s is %s" % (name, here), done.out[:300] + done.err)
    # Whatever else the program knows is in the table, too.
    script = coreheap("--completion", "bash").out
    own = set(commands())
    aliases = set()
    for line in re.findall(r"^\t([a-z|]+)\) options=", script, re.M):
        aliases |= set(line.split("|")[1:])
    tap.equal(aliases - {name for name, _ in found} - own, set(), "aliases are in the table")


def check_forms(tap, core, truth):
    types = fixture.answer("types", "--json", "--mt", TYPE, core)["types"]
    sample = types[0]["sample_addr"]
    table = fixture.answer("show", "--json", core, sample)["object"]["shape"]["detail"][
        "method_table_addr"]
    bare = table[2:].rjust(16, "0")
    rows_ = coreheap("dumpheap", "-short", "-mt", bare, core)
    tap.ok(rows_.code == 0 and len(rows_.out.split()) == truth[TYPE] and
           all(re.fullmatch("0x[0-9a-f]+", word) for word in rows_.out.split()),
           "dumpheap -short -mt prints addresses", rows_.out[:200] + rows_.err)
    tap.equal(coreheap("!DumpHeap", "-short", "-type", "Story.Ord", core).out,
              coreheap("objects", "--short", "--type-part", "Story.Ord", core).out,
              "-type is a part of a name, and ! is taken off")
    tap.equal(coreheap("dumpheap", "-stat", "-mt", bare, core).out,
              coreheap("types", "--mt", TYPE, core).out, "dumpheap -stat -mt counts")
    tap.equal(coreheap("dumpheap", "-stat", "-type", "Story.Ord", core).out,
              coreheap("types", "--type-part", "Story.Ord", core).out,
              "dumpheap -stat -type counts what a part of a name finds")
    pinned = coreheap("handles", "--kind", "pinned", core).out
    tap.ok("pinned" in pinned and coreheap("gchandles", "-type", "pinned", core).out == pinned,
           "gchandles calls kinds types", pinned)
    tap.equal(coreheap("dumpheap", "-mt", bare, core).out,
              coreheap("objects", "--type", TYPE, core).out, "dumpheap -mt lists")
    want = coreheap("roots", core, sample).out
    for words in (("gcroot", core, sample[2:]), ("gcroot", sample[2:], core),
                  ("GCRoot", "-all", sample, core)):
        tap.equal(coreheap(*words).out, want, "gcroot %s" % " ".join(words[1:-1])[-20:])
    done = coreheap("dumpmodule", core, bare)
    tap.ok(done.code == 0 and done.out == coreheap("modules", core).out and "all are listed" in
           done.err, "dumpmodule of an address lists all, and says so", done.err)
    want = coreheap("methods", core, "Story.Garbage").out
    tap.ok("Story.Garbage..ctor" in want and
           coreheap("name2ee", core, "story.dll!Story.Garbage").out == want and
           coreheap("name2ee", core, "story.dll", "Story.Garbage").out == want,
           "name2ee takes a module, too", want)
    tap.equal(coreheap("dumpasync", "-stats", core).out, coreheap("async", core).out,
              "dumpasync -stats")
    tap.equal(coreheap("dumpmt", core, bare).out, coreheap("show", "--statics", core, TYPE).out,
              "dumpmt of a bare method table")
    heap = coreheap("eeheap", "-gc", core).out
    tap.ok("LOH" in heap and "main" not in heap, "eeheap -gc has heaps of .NET only", heap)
    loader = coreheap("eeheap", "-loader", core).out
    tap.ok("high frequency heap" in loader and "LOH" not in loader, "eeheap -loader", loader)


def check_notes(tap, core):
    done = coreheap("objsize", core, "--limit", "1")
    tap.ok(done.code == 0 and done.err.startswith("coreheap: note: "), "a name that differs says so",
           done.err)
    done = coreheap("objsize", "--json", core, "--limit", "1")
    tap.ok(done.code == 0 and not done.err, "not where a program reads", done.err)
    done = coreheap("clrstak", core)
    tap.ok(done.code == 2 and "did you mean 'clrstack'?" in done.err, "names are suggested",
           done.err)


def main():
    tap = Tap()
    core = fixture.unpack("dotnet-cores", "10.0.12")
    truth = story.read_truth(os.path.join(repo(), "fixtures", "dotnet-cores", "10.0.12.truth"))
    tap.attempt("table", check_table)
    tap.attempt("forms", check_forms, core, truth)
    tap.attempt("notes", check_notes, core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
