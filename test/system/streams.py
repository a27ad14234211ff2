#!/usr/bin/env python3
"""--jsonl streams: a list of half a million rows takes no more memory than its sum."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

# A twentieth of the benchmark's blocks: more than half a million.
PARTS = "20"
# The size field of most chunks (glibc malloc/malloc.c: 48 bytes, and the one before in use).
SIZE = "49"
MORE = 6 << 20
# What streams, and what does the same work but prints a sum.
CASES = ((["objects", "--state", "all", "--jsonl"], ["types", "--json"], 600000),
         (["objects", "--state", "all", "--plain"], ["types", "--json"], 600000),
         (["search", "--int", SIZE, "--jsonl"], ["search", "--int", SIZE, "--count", "--json"],
          20000),
         (["leaks", "--list", "--jsonl"], ["leaks", "--json", "--limit", "1"], 20000))


def run(core, *words):
    """(lines printed, largest resident set in bytes)."""
    process = subprocess.Popen([fixture.COREHEAP, *words, core], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    lines = 0
    while True:
        part = process.stdout.read(1 << 20)
        if not part:
            break
        lines += part.count(b"\n")
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError("coreheap %s: exit code %d" % (" ".join(words), process.returncode))
    return lines, usage.ru_maxrss * 1024


def test_stream(tap, core, stream, total, least):
    lines, memory = run(core, *stream)
    _, base = run(core, *total)
    tap.ok(lines > least and memory < base + MORE, "coreheap %s: %d lines" % (
        " ".join(stream), lines), "%d lines, %d bytes of memory, %d for the sum" % (
            lines, memory, base))


def main():
    if os.path.basename(os.environ.get("BUILD", "")) == "san":
        skip_all("sanitisers keep freed memory for a while: nothing can be measured")
    how = "gcore" if not fixture.why_not("gcore") else "kernel"
    if fixture.why_not(how):
        skip_all(fixture.why_not(how))
    tap = Tap()
    program = os.path.join(fixture.folder(), "bigheap")
    subprocess.run([os.environ.get("CC") or "cc", "-O1", "-g", "-pthread", "-o", program,
                    os.path.join(repo(), "test", "bench", "bigheap.c")], check=True)
    core = fixture.dump(program, how, fixture.folder(), [PARTS])
    for stream, total, least in CASES:
        tap.attempt(" ".join(stream), test_stream, core, stream, total, least)
    # A document of blocks is built before it is printed: this is what the check would find.
    grown = run(core, "leaks", "--list", "--json")[1]
    tap.ok(grown > run(core, "leaks", "--json", "--limit", "1")[1] + MORE,
           "it is found out where memory grows with the rows", grown)
    os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
