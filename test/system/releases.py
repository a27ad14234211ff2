#!/usr/bin/env python3
"""fixtures/blocks on other releases of glibc: every block against the program's record,
counters against malloc_info.

$GLIBC_TREES names a folder of installed systems, one folder each, as debootstrap makes
them (with gcc and libc6-dev): bullseye has glibc 2.31, bookworm 2.36, trixie 2.41. Without
it nothing is run; the checked-in cores stand for them then (glibc_versions).
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

SETTINGS = [[], ["one-thread"], ["blocked-brk"], ["foreign-brk"], ["traps"]]


def build(tree, where):
    shutil.copy(os.path.join(repo(), "fixtures", "blocks", "blocks.c"), where)
    inside = "/" + os.path.relpath(where, tree)
    subprocess.run([shutil.which("chroot") or "/usr/sbin/chroot", tree, "gcc", "-O1", "-g", "-pthread", "-fno-builtin", "-o",
                    inside + "/program", inside + "/blocks.c"], check=True, env={"PATH": "/usr/sbin:/usr/bin:/bin"},
                   stdin=subprocess.DEVNULL, capture_output=True)
    return os.path.join(where, "program")


def check(tap, tree, program, how, arguments):
    name = " ".join([os.path.basename(tree), how] + arguments)
    where = os.path.join(tree, "tmp", "coreheap-run")
    shutil.rmtree(where, ignore_errors=True)
    os.mkdir(where)
    try:
        core = fixture.dump(program, how, where, arguments, root=tree)
        live = truth.read_live(os.path.join(where, "live"))
        threads = 1 if "one-thread" in arguments else 5
        rows = truth.check_live(tap, core, live, threads, name)
        info = truth.MallocInfo(os.path.join(where, "malloc_info"))
        heaps = truth.check_heap(tap, core, info, not arguments, name)
        truth.check_used_bytes(tap, heaps, rows, name)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def main():
    trees = os.environ.get("GLIBC_TREES")
    if not trees:
        skip_all("GLIBC_TREES names no folder of systems with other releases of glibc")
    if os.geteuid() != 0:
        skip_all("changing the root folder needs root")
    tap = Tap()
    for tree in sorted(entry.path for entry in os.scandir(trees) if entry.is_dir()):
        where = os.path.join(tree, "tmp", "coreheap-build")
        shutil.rmtree(where, ignore_errors=True)
        os.mkdir(where)
        program = build(tree, where)
        for how in ("gcore", "kernel"):
            if fixture.why_not(how):
                tap.skip("%s %s" % (os.path.basename(tree), how), fixture.why_not(how))
                continue
            for arguments in SETTINGS:
                tap.attempt(" ".join([os.path.basename(tree), how] + arguments), check, tree,
                            program, how, arguments)
        shutil.rmtree(where, ignore_errors=True)
    sys.exit(tap.done())


main()
