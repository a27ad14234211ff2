#!/usr/bin/env python3
"""Every command where memory, descriptors, threads or the disk run out: one call fails, or one and
all that come after it. The answer is then the right one, or there is none and one line says why;
never another one.

A sample of calls is tried, another one for each command; with CHAOS=N about N of each command's, in
both ways, in text and in JSON. `make chaos` tries as many as there are, or nearly.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

CHAOS = int(os.environ.get("CHAOS", "0"))
NOT_A_CORE, FAILED = 3, 5
# Calls that fail, and how many of a command's are tried without CHAOS. Of memory those that the
# program asks for itself, and those of libraries.
KINDS = {"own": 3, "memory": 2, "mmap": 1, "open": 2, "read": 1, "fstat": 1, "thread": 1}
COMMANDS = (["summary"], ["leaks"], ["types", "--strings"], ["objects"], ["report"], ["threads"],
            ["retained"], ["info"], ["address"], ["heap"], ["types"], ["modules"],
            ["summary", "--quick"], ["diff", "CORE"])


def run(preload, args, kind, **settings):
    settings.update({"NOMEM_OWN": "1"} if kind == "own" else {"NOMEM_KIND": kind})
    done = subprocess.run([fixture.COREHEAP, *args], capture_output=True, check=False, timeout=600,
                          env=dict(os.environ, LD_PRELOAD=preload, **settings))
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").splitlines()


def is_right(result, want):
    """The right answer, or none. One that is whole may still say that something is missing."""
    code, out, lines = result
    if code == want[0]:
        return out == want[1]
    lines = [line for line in lines if not line.startswith("coreheap: note")]
    return code in (NOT_A_CORE, FAILED) and len(lines) == 1 and lines[0].startswith("coreheap: ")


def places(count, number, many):
    """Which of count calls fail: the first and the last are tried for some commands, too."""
    if CHAOS:
        return sorted({1 + (count - 1) * i // CHAOS for i in range(CHAOS + 1)})
    return sorted({1 + (count - 1) * ((number * 37 + i * 61) % 101) // 100 for i in range(many)})


def check(tap, preload, name, core):
    count_file = os.path.join(fixture.folder(), "count")
    tried = 0
    for number, command in enumerate(COMMANDS):
        # without CHAOS two thirds of the commands, others for each core
        if not CHAOS and (number + len(name)) % 3 == 0:
            continue
        forms = ([], ["--json"]) if command[0] != "report" else ([],)
        for options in forms if CHAOS else forms[number % len(forms):][:1]:
            args = command[:1] + options + [core if word == "CORE" else word
                                            for word in command[1:]] + ["--limit", "200", core]
            want, wrong = run(preload, args, "all", NOMEM_COUNT=count_file), []
            with open(count_file, encoding="ascii") as file:
                counts = {kind: int(number) for kind, number in map(str.split, file)}
            for kind, many in KINDS.items():
                count = counts[kind]
                for at in places(count, number, many) if count else ():
                    ways = ({}, {"NOMEM_FOREVER": "1"})
                    for more in ways if CHAOS else ways[(at + number) % 2:][:1]:
                        tried += 1
                        result = run(preload, args, kind, NOMEM_AT=str(at), **more)
                        if not is_right(result, want):
                            wrong.append((kind, at, count, more, result[0], result[2][:2]))
            tap.ok(want[0] == 0 and not wrong, "%s: %s" % (name, " ".join(command + options)),
                   json.dumps(wrong))
    print("# %s: %d calls failed" % (name, tried))


def cores():
    yield "glibc", fixture.unpack("bookworm-small-abort")
    yield "dotnet", fixture.unpack("dotnet-cores", "11.0.0")
    yield "jvm", fixture.unpack_xz("jvm-cores", "25-compact")


def main():
    if os.path.basename(os.environ.get("BUILD", "")) == "san":
        skip_all("sanitisers have an allocator of their own")
    preload = os.path.join(fixture.folder(), "nomem.so")
    fixture.build("nomem", preload, "-shared", "-fPIC")
    tap = Tap()
    for name, core in cores():
        tap.attempt(name, check, preload, name, core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
