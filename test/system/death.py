#!/usr/bin/env python3
"""Why a process died, against what the program said before, and what its libc printed."""
import glob
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import (answer, coreheap, folder, gcore_works, kernel_dumps, unlimited_core,
                     wait_for)
from tap import Tap, repo

FLAGS = ["-O1", "-g", "-w", "-pthread", "-fno-builtin", "-fstack-protector-all"]

# What dies of a fault: signal, access, what the address was, its address as the program said
# (none: it cannot know).
FAULTS = [
    ("null-read", "SIGSEGV", "read", "null-pointer", True),
    ("null-write", "SIGSEGV", "write", "null-pointer", True),
    ("null-thread", "SIGSEGV", "read", "null-pointer", True),
    ("jump-null", "SIGSEGV", "execute", "null-pointer", True),
    ("jump-data", "SIGSEGV", "execute", "not-executable", True),
    ("wild", "SIGSEGV", "write", "unmapped", True),
    ("constant-write", "SIGSEGV", "write", "read-only", True),
    ("no-access", "SIGSEGV", "read", "no-access", True),
    ("freed-mapping", "SIGSEGV", "read", "unmapped", True),
    ("beyond-file", "SIGBUS", "read", "beyond-file", True),
    ("overflow", "SIGSEGV", "write", "stack-overflow", False),
    ("overflow-thread", "SIGSEGV", "write", "stack-overflow", False),
    ("big-frame", "SIGSEGV", "write", "stack-overflow", False),
    ("non-canonical", "SIGSEGV", "read", "non-canonical", None),
    ("divide", "SIGFPE", None, None, False),
    ("illegal", "SIGILL", None, "instruction", False),
]

# What glibc says before abort(), by the kind it is.
MESSAGES = [
    ("assert", "assert"), ("double-free", "malloc"), ("invalid-pointer", "malloc"),
    ("corrupt-top", "malloc"), ("next-size", "malloc"), ("stack-smashing", "stack-smashing"),
    ("fortify", "fortify"),
]

# How a C++ program ends, the types it says, and whether anybody caught the first.
THROWN = [
    ("own", ["shop::OutOfStock"], True),
    ("runtime", ["shop::OrderError"], True),
    ("hidden", ["(anonymous namespace)::Hidden"], True),
    ("int", ["int"], True),
    ("bad-alloc", ["std::bad_alloc"], True),
    ("thread", ["shop::OutOfStock"], True),
    ("noexcept", ["shop::OutOfStock"], True),
    ("rethrow", ["shop::OutOfStock"], True),
    ("nested", ["shop::OrderError", "shop::OutOfStock"], True),
    ("in-catch", ["shop::OutOfStock"], False),
    ("terminate", [], False),
    ("pure", [], False),
    ("caught-before", [], False),
]


class Died:
    """One run of a program that dies, dumped by the kernel."""

    def __init__(self, program, how):
        self.where = folder()
        name = os.path.basename(program)
        shutil.copy(program, self.where)
        done = subprocess.run(["./" + name, how], cwd=self.where, env={}, capture_output=True,
                              preexec_fn=unlimited_core, check=False, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.stderr = done.stderr.decode()
        cores = glob.glob(os.path.join(self.where, "core*"))
        if len(cores) != 1:
            raise RuntimeError("%s: exit %d, cores %s" % (how, done.returncode, cores))
        self.core = cores[0]
        self.death = answer("info", self.core, "--json")["death"]

    def said(self, what):
        """A number that the program wrote down before it died; None: it did not."""
        try:
            with open(os.path.join(self.where, "said"), encoding="ascii") as file:
                return dict(line.split() for line in file)[what]
        except FileNotFoundError:
            return None

    def remove(self):
        shutil.rmtree(self.where)


def compile_to(where, name, source, compiler, *flags):
    target = os.path.join(where, name)
    subprocess.run([compiler, *flags, "-o", target, os.path.join(repo(), "fixtures", source)],
                   check=True, capture_output=True)
    return target


def check_fault(tap, program, row, prefix="", where="death"):
    how, name, access, kind, has_addr = row
    label = "%s %s%s" % (os.path.basename(program), prefix, how)
    died = Died(program, prefix + how)
    death = died.death
    part = death if where == "death" else death["interrupted"] or {}
    got = tuple(part.get(key) for key in ("signal_name", "access", "fault_kind"))
    tap.equal(got, (name, access, kind), label + ": signal, access, what the address was")
    if how == "wild":
        # far from everything: what was taken for an address may be text
        tap.ok(part.get("fault_addr") is None, label + ": its address is not shown", part)
        shown = answer("info", "--reveal", died.core, "--json")["death"]
        part = shown if where == "death" else shown["interrupted"]
    if has_addr:
        tap.equal(part.get("fault_addr"), died.said("addr"), label + ": its address")
    elif has_addr is None:
        tap.ok(part.get("fault_addr") is None, label + ": no address is claimed", part)
    if died.said("tid"):
        tap.equal(death["tid"], int(died.said("tid")), label + ": the thread")
    died.remove()


def check_faults(tap, program):
    for row in FAULTS:
        tap.attempt(row[0], check_fault, program, row)


def check_handlers(tap, program):
    """A handler on a stack of its own that aborts, and one that lets it happen again."""
    for row in FAULTS:
        if row[0] == "illegal" or "thread" in row[0]:
            continue
        tap.attempt(row[0], check_fault, program, row, "alt-", "interrupted")
        if row[0] == "null-write":
            tap.attempt(row[0], check_fault, program, row, "again-")


def check_thread_without_room(tap, program):
    """The kernel finds no place for the frame of the handler, and gives no address."""
    died = Died(program, "alt-overflow-thread")
    tap.equal((died.death["signal_name"], died.death["fault_kind"], died.death["fault_addr"]),
              ("SIGSEGV", "stack-overflow", None), "no room for a handler: stack overflow")
    tap.equal(died.death["tid"], int(died.said("tid")), "no room for a handler: the thread")
    died.remove()


def check_message(tap, program, how, kind):
    label = "%s %s" % (os.path.basename(program), how)
    died = Died(program, how)
    message = died.death["abort_message"] or {}
    tap.equal((died.death["signal_name"], message.get("kind")), ("SIGABRT", kind),
              label + ": aborted, kind of message")
    tap.equal(message.get("text"), died.stderr.strip(), label + ": what glibc printed")
    for command in (["info"], ["summary", "--quick"], ["summary", "--quick", "--markdown"]):
        words = set(died.stderr.split())
        got = coreheap(*command, died.core).out.replace("\\", "").split()
        tap.ok(words <= set(got), "%s: %s shows it" % (label, " ".join(command)), got[:80])
    died.remove()


def check_messages(tap, program):
    for how, kind in MESSAGES:
        tap.attempt(how, check_message, program, how, kind)


def check_freed(tap, program):
    """What free() was given is the first suspect."""
    for how, words in (("double-free", "that was free already; by what the frames of free() hold it is the one at 0x%x (40 bytes)"),
                       ("double-free-bin", "it was freed twice, or "),
                       ("double-free-large", "was given 0x%x, where nothing is mapped: a large "),
                       ("invalid-pointer", "no block of malloc's")):
        died = Died(program, how)
        addr = int(died.said("addr"), 16)
        first = (answer("summary", died.core, "--json")["suspects"] or [{}])[0]
        tap.ok(first.get("rule") == "bad-free" and
               (words % addr if "%" in words else words) in first["message"],
               how + ": it says so", first)
        if how == "double-free-bin":
            tap.equal(int(first["sample_addr"], 16), addr, how + ": which block")
        died.remove()


def check_recursion(tap, program):
    """How deep it went, as gdb counts the frames."""
    died = Died(program, "overflow")
    counted = subprocess.run(["gdb", "-q", "-batch", "-nx", "-ex", "bt -1", program, died.core],
                             capture_output=True, text=True, check=False).stdout
    want = int(re.findall(r"^#(\d+)", counted, re.M)[-1])
    lines = " ".join(coreheap("summary", "--quick", died.core).out.split())
    found = re.search(r" in deep\(\) dying\.c:\d+ \(some ([\d,]+) times\)", lines)
    tap.ok(found and abs(int(found.group(1).replace(",", "")) - want) <= want // 50,
           "overflow: one line for %d frames" % want, lines[:300])
    died.remove()


def check_silent(tap, program):
    for how in ("abort", "sent"):
        died = Died(program, how)
        tap.equal((died.death["abort_message"], died.death["fault_kind"],
                   died.death["fault_addr"]), (None, None, None), how + ": nothing is claimed")
        tap.equal(died.death["sender_pid"] is not None, True, how + ": a process sent it")
        died.remove()


def without_libc(core):
    """A sysroot in which nothing is found, so that symbols and constants are not at hand."""
    hidden = os.path.join(os.path.dirname(core), "hidden")
    with open(core, "rb") as file:
        data = file.read()
    # another path of the same length: the file is not there
    with open(hidden, "wb") as file:
        file.write(data.replace(b"/usr/lib/x86_64-linux-gnu/libc.so.6",
                                b"/usr/lib/x86_64-linux-xxx/libc.so.6"))
    return hidden


def test_by_shape(tap, where):
    """The message without any symbol: libc is not at hand; a static program is stripped."""
    program = compile_to(where, "shape", "dying/dying.c", "cc", *FLAGS)
    died = Died(program, "double-free")
    message = answer("info", without_libc(died.core), "--json")["death"]["abort_message"]
    tap.equal(message and (message["text"], message["basis"]),
              (died.stderr.strip(), "heuristic"), "libc not at hand: its message by shape")
    died.remove()
    program = compile_to(where, "bare", "dying/dying.c", "cc", *FLAGS, "-static", "-s")
    died = Died(program, "next-size")
    message = died.death["abort_message"]
    tap.equal(message and message["text"], died.stderr.strip(), "static and stripped: the same")
    died.remove()


def check_thrown(tap, program, how, types, uncaught):
    label = "%s %s" % (os.path.basename(program), how)
    died = Died(program, how)
    got = died.death["exceptions"]
    tap.equal([thrown["type"] for thrown in got], types, label + ": types")
    if types:
        tap.equal(got[0]["uncaught"], uncaught, label + ": whether nobody caught it")
        tap.ok(not uncaught or "'%s'" % types[0] in died.stderr, label + ": as it said",
               died.stderr)
    if how == "pure":
        tap.equal((died.death["aborted_because"] or {}).get("function"), "__cxa_pure_virtual",
                  label + ": why")
    if how == "runtime":
        text = "PlantedWhatText of order 12"
        tap.equal(got[0]["message"], None, label + ": what() is not shown")
        shown = answer("info", died.core, "--json", "--reveal")["death"]["exceptions"]
        tap.equal(shown[0]["message"], text, label + ": but with --reveal")
        tap.ok(text not in coreheap("summary", died.core).out, label + ": nor on the screen")
    died.remove()


def test_thrown(tap, where):
    for name, flags in (("dynamic", []), ("static", ["-static"])):
        program = compile_to(where, "throwing-" + name, "throwing/throwing.cc", "c++", "-O1", "-w",
                             "-g", "-pthread", *flags)
        for how, types, uncaught in THROWN:
            if name == "static" and how == "pure":
                continue
            tap.attempt(how, check_thrown, program, how, types, uncaught)


def test_dynamic(tap, where):
    program = compile_to(where, "dying", "dying/dying.c", "cc", *FLAGS)
    check_faults(tap, program)
    check_handlers(tap, program)
    check_messages(tap, program)
    check_thread_without_room(tap, program)
    tap.attempt("freed", check_freed, program)
    if shutil.which("gdb"):
        tap.attempt("recursion", check_recursion, program)
    else:
        tap.skip("recursion", "gdb is not installed")
    check_silent(tap, program)


def test_static(tap, where):
    program = compile_to(where, "dying-static", "dying/dying.c", "cc", *FLAGS, "-static")
    for row in FAULTS[:3] + FAULTS[10:12]:
        tap.attempt(row[0], check_fault, program, row)
    check_messages(tap, program)


def test_musl(tap, where):
    if not shutil.which("musl-gcc"):
        tap.skip("programs on musl", "musl-gcc is not installed")
        return
    program = compile_to(where, "dying-musl", "dying/dying.c", "musl-gcc", "-O1", "-g", "-w",
                         "-static", "-Wl,--build-id")
    check_faults(tap, program)
    for row in FAULTS[:2] + FAULTS[10:11]:
        tap.attempt(row[0], check_fault, program, row, "alt-", "interrupted")
    died = Died(program, "assert")
    tap.equal((died.death["aborted_because"] or {}).get("function"), "__assert_fail",
              "musl: an assertion, by its function")
    died.remove()


def gcore(program, how):
    where = folder()
    shutil.copy(program, where)
    process = subprocess.Popen(["./" + os.path.basename(program), how], cwd=where, env={},
                               stdin=subprocess.DEVNULL)
    try:
        wait_for(os.path.join(where, "ready"), process)
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                       capture_output=True, check=False, stdin=subprocess.DEVNULL)
        return answer("info", os.path.join(where, "core.%d" % process.pid), "--json")["death"]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_alive(tap, where):
    reason = gcore_works()
    if reason:
        tap.skip("processes dumped alive", reason)
        return
    program = compile_to(where, "living", "dying/dying.c", "cc", *FLAGS)
    death = gcore(program, "kill")
    tap.ok(death["dumped_alive"] and death["interrupted"] is None and
           death["abort_message"] is None, "gcore: dumped alive, of nothing", death)
    death = gcore(program, "hold-overflow")
    got = death["interrupted"] or {}
    tap.equal((death["dumped_alive"], got.get("signal_name"), got.get("fault_kind")),
              (True, "SIGSEGV", "stack-overflow"), "gcore: in a handler of a stack overflow")


def test_debugger(tap, where):
    """gdb stops a program at its fault and writes a core: it did not die of it yet."""
    if gcore_works():
        tap.skip("a core that a debugger wrote at a fault", gcore_works())
        return
    program = compile_to(where, "debugged", "dying/dying.c", "cc", *FLAGS)
    place = folder()
    core = os.path.join(place, "core")
    subprocess.run(["gdb", "-nx", "-batch", "-ex", "run", "-ex", "generate-core-file " + core,
                    "-ex", "kill", "--args", program, "null-thread"], cwd=place,
                   capture_output=True, check=False, stdin=subprocess.DEVNULL)
    with open(os.path.join(place, "said"), encoding="ascii") as file:
        said = dict(line.split() for line in file)
    death = answer("info", core, "--json")["death"]
    tap.equal((death["signal_name"], death["in_debugger"], death["fault_addr"], death["tid"]),
              ("SIGSEGV", True, said["addr"], int(said["tid"])),
              "a core that a debugger wrote at a fault")
    tap.ok(re.search(r"a debugger held it\s+there", coreheap("info", core).out),
           "it says that a debugger held it")


def main():
    tap = Tap()
    reason = kernel_dumps()
    where = folder()
    for test in (test_dynamic, test_static, test_by_shape, test_thrown, test_musl):
        if reason:
            tap.skip(test.__name__, reason)
        else:
            tap.attempt(test.__name__, test, where)
    for test in (test_alive, test_debugger):
        tap.attempt(test.__name__, test, where)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
