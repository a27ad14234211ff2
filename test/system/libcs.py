#!/usr/bin/env python3
"""More than one malloc of glibc's in a process: each block, and whose it is."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

SOURCE = ["-DPLUGIN", "-shared", "-fPIC"]


def read_live(where):
    """{address: (usable size, label)}"""
    with open(os.path.join(where, "live"), encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return {int(row[0], 16): (int(row[1]), row[2]) for row in rows}


def check(tap, name, program, how, argument, heaps, env=None, exact=True):
    where = fixture.folder()
    core = fixture.dump(program, how, where, [argument], env=env)
    live = read_live(where)
    rows = fixture.records("objects", "--state", "used", "--jsonl", core)[:-1]
    used = {int(row["addr"], 16): row for row in rows}
    wrong = ["%#x %s" % (addr, label) for addr, (size, label) in live.items()
             if addr not in used or used[addr]["size_bytes"] < size or
             (exact and used[addr]["size_bytes"] != size)]
    tap.ok(live and not wrong, "%s: all %d blocks are found" % (name, len(live)),
           "\n".join(wrong[:9]))
    tap.ok(len(used) - len(live) < 60, "%s: no others but libc's own" % name,
           "%d more" % (len(used) - len(live)))
    found = {label: {used[addr]["heap"] for addr, (size, owner) in live.items()
                     if owner == label and addr in used and size < 100000}
             for label in {owner for _, owner in live.values()}}
    tap.equal(found, {label: {heap} for label, heap in heaps.items()}, name + ": whose they are")
    document = fixture.answer("heap", "--json", core)
    tap.equal([warning["message"] for warning in document["warnings"]
               if warning["code"].startswith("glibc") and warning["severity"] != "note"], [],
              name + ": counters of all libcs are met")
    os.unlink(core)


TWO = {"main": "main arena", "thread": "arena 1", "plugin": "main arena 2",
       "plugin-thread": "arena 2.1"}


def main():
    tap = Tap()
    where = fixture.folder()
    plugin, program = os.path.join(where, "plugin.so"), os.path.join(where, "libcs")
    static = os.path.join(where, "libcs-static")
    fixture.build("libcs", plugin, *SOURCE)
    fixture.build("libcs", program)
    try:
        fixture.build("libcs", static, "-static", "-DSTATIC", "-w")
    except subprocess.CalledProcessError:
        static = None
    for how in ("kernel", "gcore"):
        if fixture.why_not(how):
            tap.skip(how, fixture.why_not(how))
            continue
        tap.attempt("dlmopen", check, how + ", dlmopen", program, how, plugin, TWO)
        if static:
            tap.attempt("static", check, how + ", static with a plugin", static, how, plugin,
                        TWO)
        else:
            tap.skip("static", "no static libc is installed")
        debug = {"LD_PRELOAD": "libc_malloc_debug.so.0"}
        both = {"main": "main arena", "thread": "main arena"}
        tap.attempt("checking", check, how + ", libc_malloc_debug.so that checks", program, how,
                    "here", both, dict(debug, MALLOC_CHECK_="3"), False)
        tap.attempt("preloaded", check, how + ", libc_malloc_debug.so that does not", program, how,
                    "here", {"main": "main arena", "thread": "arena 1"}, debug)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
