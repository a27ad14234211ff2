#!/usr/bin/env python3
"""fixtures/blocks on aarch64: a real program under qemu-user, whose core has every block with its
size and state, and the counters of malloc_info."""
import glob
import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

COMPILER, EMULATOR, ROOT = "aarch64-linux-gnu-gcc", "qemu-aarch64", "/usr/aarch64-linux-gnu"
THREADS = 4


def dump(program, where, arguments):
    """The core that qemu-user writes when the program in it dies; the kernel's, of qemu-user
    itself, is not wanted."""
    subprocess.run([EMULATOR, "-L", ROOT, program, ".", "abort", *arguments], cwd=where, env={},
                   check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   preexec_fn=lambda: resource.setrlimit(
                       resource.RLIMIT_CORE, (1 << 30, resource.RLIM_INFINITY)))
    for path in glob.glob(os.path.join(where, "core*")):
        os.unlink(path)
    return glob.glob(os.path.join(where, "qemu_*.core"))[0]


def check(tap, program, arguments):
    name = " ".join(["aarch64", *arguments])
    where = fixture.folder()
    core = dump(program, where, arguments)
    live = truth.read_live(os.path.join(where, "live"))
    freed = truth.still_free(truth.read_live(os.path.join(where, "free")), live)
    tap.ok(len(live) > 2500 and len(freed) > 600, "%s: the program recorded its blocks" % name)
    info = fixture.answer("info", "--json", core)["dump"]
    tap.equal((info["arch"], info["producer"]), ("aarch64", "qemu-user"), "%s: what it is" % name)
    rows = truth.check_live(tap, core, live, 1 if "one-thread" in arguments else THREADS + 1, name)
    truth.check_free(tap, core, freed, rows, name)
    heaps = truth.check_heap(tap, core, truth.MallocInfo(os.path.join(where, "malloc_info")), True,
                             name)
    truth.check_used_bytes(tap, heaps, rows, name)
    truth.check_types(tap, core, heaps, rows, name)
    check_stack(tap, name, core, program)
    os.unlink(core)


def check_stack(tap, name, core, program):
    """Of the thread that died: frames of libc, then main(), at the line that calls abort()."""
    with open(os.path.join(repo(), "fixtures", "blocks", "blocks.c"), encoding="utf-8") as file:
        lines = [number for number, line in enumerate(file, 1) if line.strip() == "abort();"]
    crash = fixture.answer("summary", "--json", "--exe", program, core)["crash"]
    sources = [frame["source"] for frame in crash["frames"] if frame["symbol"] == "main"]
    tap.ok(len(sources) == 1 and sources[0] in ["blocks.c:%d" % line for line in lines],
           "%s: main() calls abort()" % name, crash["frames"])


def main():
    missing = [tool for tool in (COMPILER, EMULATOR) if not shutil.which(tool)]
    if missing:
        skip_all("not installed: " + ", ".join(missing))
    tap = Tap()
    program = os.path.join(fixture.folder(), "blocks")
    built = subprocess.run([COMPILER, "-O1", "-g", "-pthread", "-fno-builtin", "-o", program,
                            os.path.join(repo(), "fixtures", "blocks", "blocks.c")],
                           capture_output=True, text=True, check=False)
    if built.returncode:
        skip_all("it does not build: " + built.stderr.strip().splitlines()[-1])
    for arguments in (["one-thread"], [], ["one-thread", "traps"]):
        tap.attempt(" ".join(["aarch64", *arguments]), check, program, arguments)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
