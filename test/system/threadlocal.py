#!/usr/bin/env python3
"""fixtures/threadlocal: thread-local variables of programs and libraries on glibc and musl are
named, in the thread whose they are."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

NAMES = {"own": r"own_tls\+0x8", "library": r"library_tls\+0x8"}


def compile_with(compiler, target, *flags):
    source = os.path.join(repo(), "fixtures", "threadlocal", "threadlocal.c")
    subprocess.run([*compiler.split(), "-O1", "-g", "-fno-builtin", "-o", target, source, *flags],
                   check=True)


def build(compiler, static):
    where = fixture.folder()
    program = os.path.join(where, "threadlocal")
    if static:
        compile_with(compiler, program, "-pthread", "-static", "-DLIBRARY", "-DPROGRAM")
    else:
        compile_with(compiler, os.path.join(where, "libside.so"), "-shared", "-fPIC", "-DLIBRARY")
        compile_with(compiler, program, "-pthread", "-L" + where, "-lside", "-Wl,-rpath," + where)
    return program


def check(tap, name, core, truth, main_is_data):
    threads = {}
    for label, addr in truth.items():
        kind, number = label.split("-")
        doc = fixture.answer("roots", "--json", core, addr)
        roots = [chain["root"] for chain in doc["chains"]]
        tls = [root for root in roots if root["kind"] == "tls"]
        # The first thread of a dynamic program on musl has its block on the heap.
        if main_is_data and number == "0":
            tap.equal(doc["verdict"], "reachable", "%s: %s is held" % (name, label))
            continue
        tap.ok(len(tls) == 1 and re.fullmatch(r"TLS thread \d+ \+0x[0-9a-f]+ \(%s\)" % NAMES[kind],
                                              tls[0]["where"]),
               "%s: %s is held by %s" % (name, label, NAMES[kind]), roots)
        threads.setdefault(number, set()).update(root["thread"] for root in tls)
    tap.ok(all(len(tids) == 1 for tids in threads.values()) and
           len(set.union(*threads.values())) == len(threads),
           "%s: each in a thread of its own" % name, threads)


def main():
    tap = Tap()
    cc = os.environ.get("CC") or "cc"
    for name, compiler, static in (("glibc", cc, False), ("glibc static", cc, True),
                                   ("musl", "musl-gcc", False), ("musl static", "musl-gcc", True)):
        reason = fixture.why_not("kernel")
        if not reason and not shutil.which(compiler.split()[0]):
            reason = compiler + " is not installed"
        if reason:
            tap.skip(name, reason)
            continue
        where = fixture.folder()
        core = fixture.dump(build(compiler, static), "kernel", where)
        with open(os.path.join(where, "truth"), encoding="utf-8") as file:
            truth = {label: "0x" + addr for label, addr in (line.split() for line in file)}
        tap.equal(len(truth), 6, "%s: three threads" % name)
        tap.attempt(name, check, name, core, truth, name == "musl")
    sys.exit(tap.done())


main()
