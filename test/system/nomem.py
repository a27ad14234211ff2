#!/usr/bin/env python3
"""Every command where memory runs out: one allocation fails, or one and all that come after it.
The answer is then the right one, or there is none and one line says why; never another one."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

FAILED = 5
# Which allocations fail, as parts of all of a run. CHAOS=N tries N of them.
PARTS = [0, 0.003, 0.02, 0.11, 0.31, 0.52, 0.77, 0.94, 1]
COMMANDS = (["info"], ["address"], ["heap"], ["types"], ["types", "--strings"], ["objects"],
            ["leaks"], ["retained"], ["summary"], ["threads"], ["modules"])


def run(preload, args, **settings):
    done = subprocess.run([fixture.COREHEAP, *args], capture_output=True, check=False, timeout=300,
                          env=dict(os.environ, LD_PRELOAD=preload, NOMEM_OWN="1", **settings))
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").splitlines()


def is_right(result, want):
    code, out, lines = result
    if code == want[0]:
        return out == want[1]
    return code == FAILED and [line for line in lines if not line.startswith("coreheap: note")] == \
        ["coreheap: out of memory"]


def parts():
    many = int(os.environ.get("CHAOS", "0"))
    return [i / many for i in range(many + 1)] if many else PARTS


def check(tap, preload, name, core):
    count_file = os.path.join(fixture.folder(), "count")
    for command in COMMANDS:
        for options in ([], ["--json"]):
            args = command[:1] + options + command[1:] + ["--limit", "200", core]
            want = run(preload, args, NOMEM_COUNT=count_file)
            with open(count_file, encoding="ascii") as file:
                count = int(file.read())
            wrong = []
            for at in sorted({1 + int(part * (count - 1)) for part in parts()}):
                for more in ({}, {"NOMEM_FOREVER": "1"}):
                    result = run(preload, args, NOMEM_AT=str(at), **more)
                    if not is_right(result, want):
                        wrong.append((at, more, result[0], result[2][:2]))
            tap.ok(not wrong and count > 50, "%s: %s, some of %d allocations" % (
                name, " ".join(command + options), count), wrong)


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
