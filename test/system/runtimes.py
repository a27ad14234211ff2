#!/usr/bin/env python3
"""Runtimes that are named and not walked: by what they leave in a core, with what is known
of their memory, and in the same words by every command.

Programs of our own bear one sign each; real ones are dumped where this system has them."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

EXPORT = "-rdynamic"
MIB = 1 << 20
# name of the test, flags, walker, its title, its role, bytes that are its by their addresses
CASES = [
    ("CPython", ["-DSYMBOL=Py_InitializeEx", EXPORT], "cpython", "CPython", "runtime", None),
    ("V8", ["-DSYMBOL=v8dbg_SmiTag", EXPORT], "v8", "Node.js (V8)", "runtime", None),
    ("Ruby", ["-DSYMBOL=rb_gc_mark", EXPORT], "ruby", "Ruby", "runtime", None),
    ("PHP", ["-DSYMBOL=_emalloc", EXPORT], "php", "PHP", "runtime", None),
    ("Erlang", ["-DSYMBOL=enif_alloc_binary", EXPORT], "erlang", "Erlang", "runtime", None),
    ("a sanitizer", ["-DSYMBOL=__asan_init", "-DAREA=0x602000000000", EXPORT], "sanitizer",
     "a sanitizer's allocator", "allocator", MIB),
    ("TBB", ["-DSYMBOL=scalable_malloc", EXPORT], "other_malloc", "another malloc", "allocator",
     None),
]
# program, arguments that make it wait, walker
REAL = [
    ("python3", ["-c", "import time; time.sleep(600)"], "cpython"),
    ("node", ["-e", "setTimeout(() => {}, 600000)"], "v8"),
    ("ruby", ["-e", "sleep 600"], "ruby"),
    ("php", ["-r", "sleep(600);"], "php"),
    ("erl", ["-noshell", "-eval", "timer:sleep(600000)."], "erlang"),
    ("perl", ["-e", "sleep 600"], "perl"),
]


def named(core):
    """Walker, status and bytes of what is here, by heap."""
    return {row["name"]: row for row in fixture.answer("heap", "--json", core)["runtimes"]
            if row["score"]}


def check_words(tap, core, row, name):
    """info, heap and summary have one name and one status for it."""
    listed = [other for other in fixture.answer("info", "--json", core)["runtimes"]
              if other["name"] == row["title"]]
    tap.equal([(other["kind"], other["status"]) for other in listed],
              [(row["role"], row["status"])], name + ": info says the same as heap")
    told = " ".join(fixture.coreheap("summary", "--quick", core).out.split())
    words = "counted as such" if row["status"] == "on malloc" else "are not counted"
    tap.ok("; " + row["title"] + " (" in told and words in told, name + ": summary says so", told)


def check(tap, case):
    name, flags, walker, title, role, size = case
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, *flags)
    core = fixture.dump(program, "gcore", fixture.folder())
    rows = named(core)
    tap.equal(sorted(rows), sorted(["glibc", walker]), name + ": it is named, and no other")
    row = rows.get(walker, {})
    tap.equal((row.get("title"), row.get("role"), row.get("status"), row.get("named_bytes")),
              (title, role, "not walked yet", size), name + ": title, status and bytes")
    tap.equal(fixture.answer("heap", "--json", core)["complete"], False,
              name + ": the answer is not complete")
    check_words(tap, core, row, name)
    os.unlink(core)


def dump_real(command, ready):
    """The core of a program once ready() is true of its threads and time."""
    where = fixture.folder()
    process = subprocess.Popen(command, cwd=where, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_asleep(process.pid, ready)
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                       capture_output=True, check=False, stdin=subprocess.DEVNULL)
        return os.path.join(where, "core.%d" % process.pid)
    finally:
        process.kill()
        process.wait()


def ticks(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])


def wait_asleep(pid, ready):
    """Until the process sleeps and has used no time for a while."""
    last, quiet = None, 0
    for _ in range(600):
        time.sleep(0.1)
        state, used = ticks(pid)
        quiet = quiet + 1 if state == "S" and used == last else 0
        last = used
        if quiet >= ready:
            return


def check_real(tap, program, arguments, walker):
    core = dump_real([shutil.which(program)] + arguments, 10)
    if not os.path.exists(core):
        tap.skip(program, "gcore made no core of it")
        return
    rows = named(core)
    tap.ok(walker in rows, program + ": it is named", str(rows.keys()))
    if walker in rows:
        check_words(tap, core, rows[walker], program)
    os.unlink(core)


def main():
    tap = Tap()
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("runtimes", reason)
        return tap.done()
    for case in CASES:
        tap.attempt(case[0], check, case)
    for program, arguments, walker in REAL:
        if shutil.which(program):
            tap.attempt(program, check_real, program, arguments, walker)
        else:
            tap.skip(program, "not installed")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
