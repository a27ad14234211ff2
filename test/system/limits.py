#!/usr/bin/env python3
"""Cores that a limit cut, as the kernel cuts them: the limit is named. Counts of
mappings and threads are tried on both sides of their limits by unit tests."""
import glob
import os
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from fixture import answer  # noqa: E402
from tap import Tap  # noqa: E402


def warnings(core):
    return {row["code"]: row["message"] for row in answer("info", core, "--json")["warnings"]}


def cut_by_kernel(built, limit):
    """The core of a program that runs under this RLIMIT_CORE."""
    where = fixture.folder()
    subprocess.run([built, where, "abort"], cwd=where, env={}, check=False,
                   stdin=subprocess.DEVNULL, timeout=60,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit, limit)))
    cores = glob.glob(os.path.join(where, "core*"))
    return cores[0] if cores else None


def test_rlimit_core(tap):
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("cores cut by RLIMIT_CORE", reason)
        return
    built = os.path.join(fixture.folder(), "longnames")
    fixture.build("longnames", built)
    for limit in (1 << 20, 1000 * 1024):
        core = cut_by_kernel(built, limit)
        if not core:
            tap.skip("RLIMIT_CORE of %d" % limit, "the kernel wrote no core")
            continue
        if os.stat(core).st_blocks * 512 != limit:
            tap.skip("RLIMIT_CORE of %d" % limit, "this file system rounds otherwise")
            continue
        found = warnings(core)
        tap.ok("truncated" in found and str(limit) in found.get("file-size-limit", ""),
               "RLIMIT_CORE of %d: the limit is named" % limit, found)
    core = cut_by_kernel(built, resource.RLIM_INFINITY)
    found = warnings(core)
    tap.ok("truncated" not in found and "file-size-limit" not in found,
           "no limit: nothing is said", found)


def test_known_sizes(tap):
    """A sparse copy that ends where systemd-coredump would have cut it."""
    where = fixture.folder()
    core = fixture.unpack(fixture.checked_in()[0])
    for size, words in ((2 << 30, "ProcessSizeMax="), (32 << 30, "coredump.conf"),
                        (767 << 20, "JournalSizeMax="), ((2 << 30) - 1, "large file support"),
                        ((2 << 30) + 4096, None)):
        path = os.path.join(where, "core")
        with open(core, "rb") as source, open(path, "wb") as target:
            data = bytearray(source.read(1 << 20)[:-20480])
            # the last segment claims more than any of these sizes
            at = 64 + 56 * (int.from_bytes(data[56:58], "little") - 1)
            data[at + 32:at + 40] = (1 << 36).to_bytes(8, "little")
            data[at + 40:at + 48] = (1 << 36).to_bytes(8, "little")
            target.write(data)
            target.truncate(size)
        found = warnings(path)
        tap.ok("truncated" in found and
               (words in found.get("file-size-limit", "") if words
                else "file-size-limit" not in found),
               "%d bytes: %s" % (size, words or "no limit is named"), found)
        os.unlink(path)


def test_memory(tap):
    """With --memory the answer is the whole one or none, and which of them depends on how much."""
    core = fixture.unpack("sid-cpp-abort")
    for command in ("leaks", "summary", "types"):
        wanted, found = fixture.coreheap(command, core).out, set()
        for kilobytes in (64, 512, 1024, 1200, 1300, 1400, 1500, 1600, 1800, 2048, 1 << 20):
            done = fixture.coreheap(command, "--memory", "%dK" % kilobytes, "--threads", "1", core)
            whole = done.code == 0 and done.out == wanted
            refused = done.code in (3, 5) and not done.out and \
                done.err.count("\n") == 1 and done.err.startswith("coreheap: ")
            found.add("whole" if whole else "refused" if refused else
                      "%dK: %s" % (kilobytes, done))
            if done.code == 5:
                tap.ok("%d bytes are allowed" % (kilobytes << 10) in done.err,
                       "%s: %d KiB are said to be too little" % (command, kilobytes), done.err)
        tap.equal(found, {"whole", "refused"}, "%s: right or refused" % command)


def main():
    tap = Tap()
    for test in (test_rlimit_core, test_known_sizes, test_memory):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
