#!/usr/bin/env python3
"""A stack that overflowed, with a handler on a stack for signals (a block, a mapping, a
variable): both are stacks in use in threads, summary, whatis and leaks, also when the program's
file, and with it all unwind data, is gone. The program recorded where both lie."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

SIGNAL_BYTES = 65536
# What the program cannot see: frames of its libc and of the kernel.
SLACK_BYTES = 65536


def check_threads(tap, what, core, signal, deepest):
    rows = [row for row in fixture.answer("threads", "--json", core)["threads"]
            if row["signal_stack"]]
    tap.equal(len(rows), 1, "%s: one thread runs on a stack for signals" % what)
    row = rows[0]
    tap.equal((int(row["stack_addr"], 16), row["stack_bytes"]), (signal, SIGNAL_BYTES),
              "%s: threads says where it lies" % what)
    tap.equal(len(row["interrupted"]), 1, "%s: it came from one other stack" % what)
    left = row["interrupted"][0]
    used = int(left["stack_end"], 16) - deepest
    tap.ok(used > 1 << 20 and used - SLACK_BYTES <= left["stack_used_bytes"] <= used + SLACK_BYTES,
           "%s: that is in use down to where it was left" % what, (used, left))
    tap.ok(any(frame["basis"] in ("signal", "cfi") and int(frame["sp"] or "0", 16) <= deepest +
               SLACK_BYTES and int(frame["sp"] or "0", 16) >= deepest - SLACK_BYTES
               for frame in row["frames"]), "%s: frames go on behind the handler" % what,
           row["frames"])
    return row, used


def check(tap, how, kind, where, gone):
    folder = fixture.folder()
    program = os.path.join(fixture.folder(), "overflow")
    fixture.build("overflow", program, "-fno-stack-protector", "-w", "-O1")
    core = fixture.dump(program, how, folder, arguments=[kind, where])
    what = "%s, %s, %s%s" % (how, kind, where, ", program gone" if gone else "")
    if gone:
        os.unlink(os.path.join(folder, "overflow"))
    with open(os.path.join(folder, "truth"), encoding="ascii") as file:
        signal, deepest = (int(word, 16) for word in file.read().split())
    row, used = check_threads(tap, what, core, signal, deepest)
    stacks = fixture.answer("summary", "--json", core)["threads"]
    tap.ok(stacks["stack_touched_bytes"] >= used - SLACK_BYTES,
           "%s: summary counts it as touched" % what, (used, stacks))
    (answer,) = fixture.answer("whatis", "--json", core, row["sp"])["results"]
    tap.ok(answer["stack"] and int(answer["stack"]["addr"], 16) == signal,
           "%s: whatis says that sp is on it" % what, answer)
    if kind == "malloc":
        lost = {int(block["addr"], 16)
                for block in fixture.records("leaks", "--jsonl", core)[:-1]}
        possible = {int(block["addr"], 16)
                    for block in fixture.records("leaks", "--possible", "--jsonl", core)[:-1]}
        tap.ok(signal not in lost | possible, "%s: leaks takes it for reachable" % what)


def main():
    tap = Tap()
    for how in ("gcore", "kernel"):
        why = fixture.why_not(how)
        for kind, where, gone in (("malloc", "main", False), ("malloc", "thread", True),
                                  ("mmap", "main", True), ("static", "main", True),
                                  ("mmap", "thread", False)):
            name = "%s, %s, %s" % (how, kind, where)
            if why:
                tap.skip(name, why)
            else:
                tap.attempt(name, check, how, kind, where, gone)
    sys.exit(tap.done())


main()
