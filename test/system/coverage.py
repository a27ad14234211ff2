#!/usr/bin/env python3
"""No accusation and no reassurance from an incomplete list: what is missing is said instead.

A program whose threads hold lists of blocks on their stacks is dumped, then the stacks are
taken from the core as gdb does (zeros) and as other dumpers do (nothing in the file); a
program with an allocator that is not walked; one that never called malloc."""
import json
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

PT_LOAD = 1
NODES, THREADS = 2000, 3


def loads(data):
    """Index of the program header, address, bytes in the file, offset of each segment."""
    at, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for i in range(count):
        kind, _, offset, addr, _, size = struct.unpack_from("<IIQQQQ", data, at + 56 * i)
        if kind == PT_LOAD:
            yield at + 56 * i, addr, size, offset


def lose_stacks(core, path, leave_out):
    """Copy core; the stacks of all threads but the first become zeros or are left out."""
    with open(core, "rb") as file:
        data = bytearray(file.read())
    threads = fixture.answer("threads", "--json", core)["threads"]
    first = min(thread["tid"] for thread in threads)
    for thread in threads:
        if thread["tid"] == first:
            continue
        start, end = int(thread["stack_addr"], 16), int(thread["stack_end"], 16)
        for header, addr, size, offset in loads(data):
            low, high = max(start, addr), min(end, addr + size)
            if low >= high:
                continue
            data[offset + low - addr:offset + high - addr] = bytes(high - low)
            if leave_out:
                struct.pack_into("<Q", data, header + 32, low - addr)
    with open(path, "wb") as file:
        file.write(data)


def suspects(core):
    return [row["rule"] for row in fixture.answer("summary", "--json", core)["suspects"]]


def check_stacks(tap, core):
    whole = fixture.answer("leaks", "--json", core)
    tap.equal((whole["unreachable_count"], whole["not_checked"]), (0, None),
              "whole: the lists are held")
    tap.ok("No used block is lost." in fixture.coreheap("leaks", core).out, "whole: it is said")
    for leave_out in (False, True):
        name = "stacks left out" if leave_out else "stacks of zeros"
        path = os.path.join(fixture.folder(), "lost.core")
        lose_stacks(core, path, leave_out)
        document = fixture.answer("leaks", "--json", path)
        tap.ok(document["unreachable_count"] >= NODES * THREADS, name + ": the lists look lost",
               document["unreachable_count"])
        tap.ok("the stacks of 3 of 4 threads are not in the core" in
               (document["not_checked"] or ""), name + ": what is missing is said",
               document["not_checked"])
        told = fixture.coreheap("leaks", path).out
        tap.ok("whether they are lost is not known" in told and "Lost:" not in told,
               name + ": leaks does not accuse", told)
        codes = [row["code"] for row in fixture.answer("summary", "--json", path)["warnings"]]
        tap.ok("unreachable-native" not in suspects(path) and "stacks-lost" in codes
               and "leaks-not-judged" in codes, name + ": neither does summary", str(codes))
        os.unlink(path)


def check_leak(tap):
    """What is lost all the same is an accusation where nothing is missing."""
    program = os.path.join(fixture.folder(), "onstacks")
    fixture.build("onstacks", program, "-DLEAK")
    core = fixture.dump(program, "gcore", fixture.folder())
    document = fixture.answer("leaks", "--json", core)
    tap.ok(document["unreachable_count"] >= 1400 and document["not_checked"] is None and
           "Lost: " in fixture.coreheap("leaks", core).out, "a real leak is called one",
           json.dumps(document["not_checked"]))
    os.unlink(core)


def check_unwalked(tap):
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, "-DGO", "-DAREA=0xc000000000")
    core = fixture.dump(program, "gcore", fixture.folder())
    leaks = " ".join(fixture.coreheap("leaks", core).out.split())
    tap.ok("Not checked: Go's blocks are not walked" in leaks and
           "No used block is lost" not in leaks, "not walked: leaks does not reassure", leaks)
    for command in ("heap", "summary"):
        covers = fixture.answer(command, "--json", core)["verdict"]["covers"]
        tap.ok(covers.startswith("what glibc malloc has, ") and
               covers.endswith("Go's blocks are not walked: at least 1048576 bytes"),
               "not walked: %s says what its verdict covers" % command, covers)
        told = " ".join(fixture.coreheap(command, core).out.split())
        tap.ok("covers " in told and covers in told, "not walked: and to people", told)
    told = str(fixture.coreheap("summary", core).out)
    tap.ok("not complete: Go's blocks are not walked" in " ".join(told.split()),
           "not walked: the first screen names what is missing", told)
    os.unlink(core)


def check_never(tap):
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, "-DNONE")
    core = fixture.dump(program, "gcore", fixture.folder())
    for command in ("heap", "summary", "leaks"):
        document = fixture.answer(command, "--json", core)
        codes = [row["code"] for row in document["warnings"]]
        tap.equal((document["complete"], "malloc-never-called" in codes), (True, True),
                  "malloc never called: %s is complete, and says so" % command)
    tap.equal([(row["name"], row["status"]) for row in
               fixture.answer("info", "--json", core)["runtimes"]],
              [("glibc malloc", "mapped, not in use")], "malloc never called: info")
    os.unlink(core)


def main():
    tap = Tap()
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("coverage", reason)
        return tap.done()
    program = os.path.join(fixture.folder(), "onstacks")
    fixture.build("onstacks", program)
    core = fixture.dump(program, "gcore", fixture.folder())
    tap.attempt("stacks", check_stacks, core)
    os.unlink(core)
    shutil.rmtree(os.path.dirname(program), ignore_errors=True)
    tap.attempt("a leak", check_leak)
    tap.attempt("not walked", check_unwalked)
    tap.attempt("malloc never called", check_never)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
