#!/usr/bin/env python3
"""threads: the functions that the program says it stands in, frame by frame the
addresses and functions of gdb, with and without files and unwind data."""
import ctypes.util
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import frames  # noqa: E402
from fixture import answer, coreheap  # noqa: E402
from tap import Tap  # noqa: E402

VARIANTS = {
    "plain": [],
    "optimised": ["-O2", "-fno-optimize-sibling-calls"],
    "no-pie": ["-no-pie"],
    "static": ["-static"],
    "static-pie": ["-static-pie"],
    "no build-id": ["-Wl,--build-id=none"],
    "frame pointers only": ["-g0", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer",
                            "-fno-optimize-sibling-calls"],
}
FUNCTIONS = {"stand_deep", "run_deep", "handle", "run_signal", "compare", "run_sort", "run_wait",
             "end", "main"}

# Where in a symbol the program's points lie, if not at its start.
POINT_OFFSETS = {"frames_bss": 1000}


def stacks_of(core, *options):
    """{tid: thread} of the JSON document."""
    return {thread["tid"]: thread
            for thread in answer("threads", core, "--json", "--frames", "200", *options)["threads"]}


def own_functions(thread):
    """The program's functions on a stack, without what the compiler appends to names."""
    names = [(frame["symbol"] or "").split(".")[0] for frame in thread["frames"]]
    return [name for name in names if name in FUNCTIONS]


def places(thread):
    """As gdb_stacks() has them."""
    return [(int(frame["addr"], 16),
             int(frame["addr"], 16) - frame["offset"] if frame["symbol"] else 0)
            for frame in thread["frames"]]


def check_truth(tap, label, dump, threads):
    tap.equal({tid: own_functions(thread) for tid, thread in threads.items()}, dump.truth.stacks,
              label + "the functions that each thread stands in")
    tap.equal({thread["frames_end"] for thread in threads.values()}, {"end of stack"},
              label + "every stack is walked to its end")


def check_gdb(tap, label, dump, threads, program):
    reason = frames.why_no_gdb()
    if reason:
        tap.skip(label + "frames are gdb's", reason)
        return
    want = frames.gdb_stacks(dump.core, program)
    got = {tid: places(thread) for tid, thread in threads.items()}
    differ = ["%d:\n  got  %s\n  want %s" % (tid, got.get(tid), want.get(tid))
              for tid in sorted(set(got) | set(want)) if got.get(tid) != want.get(tid)]
    tap.ok(want and not differ, label + "frames and their functions are gdb's",
           "\n".join(differ) or "gdb shows nothing")


def test_variants(tap):
    for how in ("kernel", "gcore"):
        for name, flags in VARIANTS.items():
            label = "%s, %s: " % (name, how)
            reason = fixture.why_not(how)
            if reason:
                tap.skip(label + "stacks", reason)
                continue
            dump = frames.Dump(how, flags)
            threads = stacks_of(dump.core)
            check_truth(tap, label, dump, threads)
            check_gdb(tap, label, dump, threads, dump.program)
            bases = {frame["basis"] for thread in threads.values() for frame in thread["frames"]}
            expected = {"registers", "cfi"}
            if name == "frame pointers only":
                expected.add("frame-pointer")
            tap.equal(bases, expected, label + "and what the frames rest on")


def test_points(tap):
    """Symbols found by address and by name are where the program has them."""
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("addresses of symbols", reason)
        return
    dump = frames.Dump("gcore")
    for name, addr in dump.truth.points.items():
        found = answer("whatis", dump.core, hex(addr), "--json")["results"][0]["symbol"]
        tap.equal(found and found["name"], name, "whatis: the symbol around " + name)
        start = int(answer("whatis", dump.core, name, "--json")["results"][0]["addr"], 16)
        tap.equal(addr - start, POINT_OFFSETS.get(name, 0), "whatis: the address of " + name)


def test_bad_call(tap):
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("a call of address 0", reason)
        return
    dump = frames.Dump("kernel", end="null")
    threads = stacks_of(dump.core)
    check_truth(tap, "call of 0: ", dump, threads)
    check_gdb(tap, "call of 0: ", dump, threads, dump.program)
    thread = threads[max(dump.truth.stacks, key=lambda tid: "main" in dump.truth.stacks[tid])]
    tap.equal([(frame["addr"], frame["basis"]) for frame in thread["frames"]][0],
              ("0x0", "registers"), "call of 0: the first frame is address 0")
    tap.equal(thread["frames"][1]["basis"], "call", "call of 0: its caller by the call")


def test_without_first_pages(tap):
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("filter 0x23", reason)
        return
    dump = frames.Dump("kernel", coredump_filter=0x23)
    threads = stacks_of(dump.core)
    check_truth(tap, "filter 0x23: ", dump, threads)
    check_gdb(tap, "filter 0x23: ", dump, threads, dump.program)


def test_without_file(tap):
    """gcore keeps the text of a deleted program: unwind data and exported names."""
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("a deleted program", reason)
        return
    dump = frames.Dump("gcore", ["-rdynamic"], ready=os.unlink)
    threads = stacks_of(dump.core)
    want = frames.gdb_stacks(dump.core, dump.built) if not frames.why_no_gdb() else None
    if want is None:
        tap.skip("deleted: frames are gdb's", frames.why_no_gdb())
    else:
        tap.equal({tid: [addr for addr, _ in places(thread)] for tid, thread in threads.items()},
                  {tid: [addr for addr, _ in stack] for tid, stack in want.items()},
                  "deleted: frames without the file are gdb's with it")
    mains = [thread for thread in threads.values() if "main" in own_functions(thread)]
    tap.equal(len(mains), 1, "deleted: exported names come from memory")


def test_missing_file(tap):
    """A kernel core holds no code: the stack ends where the missing file begins."""
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("a missing program", reason)
        return
    dump = frames.Dump("kernel")
    os.unlink(dump.program)
    for tid, thread in stacks_of(dump.core).items():
        tap.ok(thread["frames_end"] == "no unwind data for frames" and
               thread["frames"][-1]["module"] == "frames",
               "missing: thread %s ends in the missing module" %
               dump.truth.stacks[tid][0], thread)


def strip(dump, folder, link):
    """Split the program: symbols go to folder, by build-id, or by debug link."""
    ident = frames.build_id(dump.program)
    if link:
        debug = os.path.join(folder, "frames.debug")
    else:
        os.makedirs(os.path.join(folder, ".build-id", ident[:2]))
        debug = os.path.join(folder, ".build-id", ident[:2], ident[2:] + ".debug")
    subprocess.run(["objcopy", "--only-keep-debug", dump.program, debug], check=True)
    subprocess.run(["strip", "--strip-all", dump.program], check=True)
    if link:
        subprocess.run(["objcopy", "--add-gnu-debuglink=" + debug, dump.program], check=True)
    return debug


def test_debug_files(tap):
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("separate debug files", reason)
        return
    dump = frames.Dump("gcore")
    debug = fixture.folder()
    strip(dump, debug, False)
    tap.ok(not any(own_functions(thread) for thread in stacks_of(dump.core).values()),
           "stripped: no names without the debug file")
    check_truth(tap, "debug file by build-id: ", dump, stacks_of(dump.core, "--debug-dir", debug))

    dump = frames.Dump("gcore", ["-Wl,--build-id=none"])
    debug = strip(dump, dump.where, True)
    check_truth(tap, "debug file by link: ", dump, stacks_of(dump.core))
    with open(debug, "ab") as file:
        file.write(b"\0")
    tap.ok(not any(own_functions(thread) for thread in stacks_of(dump.core).values()),
           "debug link: a file of another checksum is not used")


class Server:
    """A server that knows nothing, and counts who asked."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.asked = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            self.asked += 1
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                                   b"Connection: close\r\n\r\n")

    def environment(self):
        return {**os.environ, "DEBUGINFOD_URLS": "http://127.0.0.1:%d/" %
                self.socket.getsockname()[1], "DEBUGINFOD_CACHE_PATH": fixture.folder()}


def test_network(tap):
    """Nothing is asked over the network unless --debuginfod allows it."""
    core = fixture.unpack(fixture.checked_in()[0])
    server = Server()
    for command in ("threads", "modules", "info"):
        subprocess.run([fixture.COREHEAP, command, core], env=server.environment(), check=True,
                       capture_output=True)
    tap.equal(server.asked, 0, "no server is asked without --debuginfod")
    if not ctypes.util.find_library("debuginfod"):
        tap.skip("a server is asked with --debuginfod", "libdebuginfod is not installed")
        return
    subprocess.run([fixture.COREHEAP, "threads", "--debuginfod", core], env=server.environment(),
                   check=True, capture_output=True)
    tap.ok(server.asked > 0, "a server is asked with --debuginfod")


def test_limits(tap):
    core = fixture.unpack(fixture.checked_in()[0])
    for frames_max in (1, 2):
        threads = answer("threads", core, "--json", "--frames", str(frames_max))["threads"]
        tap.ok(all(len(thread["frames"]) <= frames_max for thread in threads),
               "--frames %d holds" % frames_max)
    tap.equal(coreheap("threads", core, "--frames", "100000").code, 2, "--frames has a limit")


def main():
    tap = Tap()
    for test in (test_variants, test_points, test_bad_call, test_without_first_pages,
                 test_without_file, test_missing_file, test_debug_files, test_network,
                 test_limits):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
