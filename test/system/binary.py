#!/usr/bin/env python3
"""The program as an ELF file: it reads what attackers wrote, so it is built to be hard to turn."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import COREHEAP  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402


def read(*options):
    done = subprocess.run(["readelf", "-W", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True,
                          env={**os.environ, "LC_ALL": "C"}, text=True)
    return done.stdout


def main():
    if not shutil.which("readelf"):
        skip_all("readelf is not installed")
        return 0
    tap = Tap()
    symbols = read("--dyn-syms", COREHEAP)
    sanitised = "__asan_" in symbols or "__ubsan_" in symbols
    library = os.path.join(os.path.dirname(COREHEAP), "libcoreheap.so")
    for path in [COREHEAP, library] if os.path.exists(library) else [COREHEAP]:
        name = os.path.basename(path)
        headers, dynamic = read("-l", path), read("-d", path)
        tap.ok("GNU_RELRO" in headers and re.search(r"\(FLAGS(_1)?\).*NOW", dynamic),
               "%s: its tables are read-only before it runs" % name, dynamic)
        stack = re.search(r"GNU_STACK.*", headers)
        tap.ok(stack and "E" not in stack.group(0).split()[6], "%s: its stack is no code" % name,
               headers)
        loads = [line.split() for line in headers.splitlines() if line.split()[:1] == ["LOAD"]]
        tap.ok(loads and not [row for row in loads if {"W", "E"} <= set("".join(row[6:-1]))],
               "%s: what can be written is no code" % name, loads)
        tap.ok("TEXTREL" not in dynamic, "%s: its code is not relocated" % name, dynamic)
    tap.ok("PIE" in read("-d", COREHEAP) and "DYN" in read("-h", COREHEAP),
           "coreheap: it can be loaded anywhere")
    for wanted, what in (("__stack_chk_fail", "its stack is guarded"),
                         ("_chk@", "buffers are checked where their sizes are known")):
        if sanitised:
            tap.skip("coreheap: %s" % what, "a build with sanitizers has checks of its own")
        else:
            tap.ok(wanted in symbols, "coreheap: %s" % what, symbols)
    obj = os.path.join(repo(), "build", "src", "main.o")
    if sanitised or "X86-64" not in read("-h", COREHEAP) or not os.path.exists(obj):
        tap.skip("coreheap: branches lead to marked places",
                 "not x86-64, built elsewhere, or a build with sanitizers")
    else:
        tap.ok("IBT" in read("-n", obj), "coreheap: branches lead to marked places")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
