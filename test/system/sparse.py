#!/usr/bin/env python3
"""Files that stand for far more memory than they hold: 200 GiB and 4 TiB of hole, and 4 TiB that the
file only claims to have. What is there is found, and the rest costs neither time nor memory."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bigcore  # noqa: E402
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

GIB = 1 << 30
COMMANDS = (["info"], ["summary"], ["leaks"], ["types"], ["retained"], ["address"], ["heap"],
            ["threads"], ["refs", "CORE", hex(bigcore.FIRST)])
SECONDS, RSS_BYTES = 3, 64 << 20


def cost(*args):
    """(exit code, seconds of the processors, most bytes of memory) of one run."""
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execv(fixture.COREHEAP, [fixture.COREHEAP, *args])
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def check(tap, name, core, holds):
    for command in COMMANDS:
        words = [core if word == "CORE" else word for word in command]
        code, seconds, rss = cost(*words, *([core] * (words == command)))
        tap.ok(code == 0 and seconds < SECONDS and rss < RSS_BYTES, "%s: %s costs nothing" % (
            name, command[0]), "exit code %d, %.2f s, %d bytes" % (code, seconds, rss))
    found = fixture.answer("search", "--json", core, "--text", "the only word")["matches"]
    tap.equal([int(row["addr"], 16) for row in found], holds, name + ": what is there is found")


def main():
    tap = Tap()
    path = os.path.join(fixture.folder(), "core")
    for size in (200 * GIB, 4096 * GIB):
        segments, contents = bigcore.hole(size)
        try:
            bigcore.write(path, segments, contents=contents)
        except OSError as error:
            skip_all("no file of that size can be made here: %s" % error)
        check(tap, "%d GiB of hole" % (size // GIB), path, [bigcore.FIRST + size // 2])
    segments, contents = bigcore.hole(4096 * GIB)
    bigcore.write(path, segments, contents=contents[:1], cut=1 << 20)
    check(tap, "4 TiB claimed by 1 MiB", path, [])
    tap.ok(not fixture.answer("info", "--json", path)["complete"], "and that is incomplete")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
