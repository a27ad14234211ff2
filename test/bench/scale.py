#!/usr/bin/env python3
"""Time and memory of commands on cores of unusual shape: a million segments, 60,000 threads, 200 GiB
of hole. The cores are written by support/bigcore.py and take little room; half of each number tells
whether time grows with it."""
import os
import resource
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bigcore  # noqa: E402

COREHEAP = os.environ.get("COREHEAP", "coreheap")
COMMANDS = ("info", "summary", "address", "leaks", "threads", "types")
SHAPES = (("500,000 segments", 500000, 1, None), ("1,000,000 segments", 1000000, 1, None),
          ("30,000 threads", 30000, 30000, None), ("60,000 threads", 60000, 60000, None),
          ("200 GiB of hole", None, 1, 200 << 30))


def cost(command, core):
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
        os.execv(COREHEAP, [COREHEAP, command, core])
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def main():
    row = "%-20s %-9s %5s %9s %10s"
    print(row % ("core", "command", "exit", "seconds", "RSS (MiB)"))
    with tempfile.TemporaryDirectory() as folder:
        core = os.path.join(folder, "core")
        for name, segments, threads, hole in SHAPES:
            if hole:
                bigcore.write(core, *bigcore.hole(hole)[:1], contents=bigcore.hole(hole)[1])
            else:
                bigcore.write(core, bigcore.many_segments(segments), threads)
            for command in COMMANDS:
                code, seconds, rss = cost(command, core)
                print(row % (name, command, code, "%.2f" % seconds, rss), flush=True)


if __name__ == "__main__":
    sys.exit(main())
