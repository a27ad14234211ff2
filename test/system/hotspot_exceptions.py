#!/usr/bin/env python3
"""Exceptions that Java threads have under way: as the program made and printed them, and as the
JVM said when it had no memory; dumped by the kernel and by gcore."""
import functools
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, why_not  # noqa: E402
from jvm import SMALL, classes, dumped, has, jdks, start  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

ORDER, FULL = "Thrower$OrderException", "java.lang.OutOfMemoryError"
SERIAL = "-XX:+UseSerialGC"
# Options, first release that has them; for the mode whose exceptions have causes.
FURTHER = {"G1, plain pointers": (11, ["-XX:+UseG1GC", "-XX:-UseCompressedOops"]),
           "compiled": (11, ["-XX:+UseParallelGC", "-Xcomp"]),
           "ZGC": (17, ["-XX:+UseZGC"]),
           "compact headers": (25, [SERIAL, "-XX:+UseCompactObjectHeaders"])}
# Of further releases these are left out.
NOT_AGAIN = ("G1, plain pointers", "compiled")


@functools.lru_cache(maxsize=None)
def library(jdk):
    """The library of the program."""
    path, source = os.path.join(folder(), "libthrower.so"), os.path.join(repo(), "fixtures", "jvm")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC",
                    "-I" + os.path.join(jdk, "include"),
                    "-I" + os.path.join(jdk, "include", "linux"), "-o", path,
                    os.path.join(source, "thrower.c")], check=True)
    return path


def run(jdk, mode, how, options):
    """(folder, core, what was printed); how: "gcore", "kernel" (killed once it is ready), "end"
    (it ends by itself)."""
    where = folder()
    shutil.copy(library(jdk), where)
    with open(os.path.join(where, "printed"), "wb") as out:
        process = start(jdk, where, how, [*SMALL, *options], [classes(jdk, "Thrower"), "Thrower",
                                                             mode], out, subprocess.STDOUT,
                        # a command of the JVM's may be gcore, too
                        {"PATH": os.environ["PATH"], "MALLOC_ARENA_MAX": "2"})
        try:
            if how == "end":
                process.wait(300)
                core = glob.glob(os.path.join(where, "core*"))[0]
            else:
                core = dumped(process, where, how)
        finally:
            process.kill()
            process.wait()
    with open(os.path.join(where, "printed"), encoding="utf-8", errors="replace") as text:
        return where, core, text.read()


def others(death):
    return sorted((row["name"], row["type"], row["found"]) for row in death["other_exceptions"])


def check_shown(tap, label, core, death, wanted):
    out = coreheap("summary", "--quick", core).out
    tap.ok(all(name in re.sub(r"\s+", " ", out) for name in wanted) and "Planted" not in out,
           label + "on the screen, without messages", out[:1500])
    tap.ok("Planted" not in str(death), label + "no message in JSON")
    tap.equal(death["other_exceptions_count"], len(death["other_exceptions"]), label + "counted")


def check_threads(tap, label, death, _core, _printed, wanted):
    tap.equal(death["exceptions"], [], label + "none of the thread that died")
    tap.equal(others(death), wanted, label + "exceptions of other threads")


def printed_frames(printed):
    """Of each exception that "dying" printed, as many frames as it did: causes leave out those
    that they have in common."""
    found = []
    text = printed.split('Exception in thread "dying"')[-1]
    for line in text.splitlines():
        if line.startswith("Caused by: ") or not found:
            found.append([])
        match = re.match(r"\tat (?:[\w.@]+/)?(\S+)\((\S+:\d+)\)$", line)
        if match:
            found[-1].append("%s (%s)" % match.groups())
        elif line.startswith("#"):
            break
    return found


def check_died(tap, label, death, core, printed):
    wanted = re.findall(r'^(?:Exception in thread "dying" |Caused by: )?([\w.$]+Exception): (.*)$', printed,
                        re.M)[:3]
    tap.ok(len(wanted) == 3 and wanted[0][0] == ORDER, label + "the program printed them", printed)
    tap.equal([(row["type"], row["depth"], row["found"], row["message"])
               for row in death["exceptions"]],
              [(name, depth, "on-stack", None) for depth, (name, _) in enumerate(wanted)],
              label + "exception and causes of the thread that died")
    for row, frames in zip(death["exceptions"], printed_frames(printed)):
        tap.ok(frames and row["frames"][:len(frames)] == frames[:8] and
               len(frames) <= row["frames_count"] <= len(frames) + 8,
               label + "frames of " + row["type"], (row, frames))
    shown = answer("summary", "--quick", "--json", "--reveal", core)["death"]
    tap.equal([(row["type"], row["message"]) for row in shown["exceptions"]], wanted,
              label + "messages with --reveal")
    names = {thread["tid"]: thread["name"] for thread in answer("threads", "--json",
                                                                core)["threads"]}
    tap.equal(names.get(death["tid"]), "dying", label + "the thread that died")


def check_ring(tap, label, death, _core, _printed):
    tap.equal([(row["type"], row["depth"]) for row in death["exceptions"]],
              [(ORDER, 0), ("java.lang.IllegalStateException", 1)], label + "each of a ring once")


def check_many(tap, label, jdk):
    """More threads than are listed."""
    if why_not("gcore"):
        tap.skip(label, why_not("gcore"))
        return
    where, core, _ = run(jdk, "many", "gcore", [SERIAL])
    try:
        death = answer("summary", "--quick", "--json", core)["death"]
        tap.equal((others(death), death["other_exceptions_count"]),
                  ([("catcher", ORDER, "on-stack")] * 8, 12), label + "8 of 12 are listed")
        tap.ok("; 4 more threads have exceptions under way" in
               re.sub(r"\s+", " ", coreheap("summary", "--quick", core).out),
               label + "how many more there are")
    finally:
        shutil.rmtree(where)


def check_full(tap, label, death, core, printed):
    said = re.search(r"^#  fatal error: (OutOfMemory encountered: .*)$", printed, re.M)
    tid = re.search(r"^#.*pid=\d+, tid=(\d+)", printed, re.M)
    tap.ok(said and tid, label + "the JVM said it", printed)
    tap.equal((death["abort_message"]["kind"], death["abort_message"]["text"]),
              ("jvm", said.group(1)), label + "what the JVM said")
    tap.equal((death["tid"], death["signal_name"]), (int(tid.group(1)), "SIGABRT"),
              label + "the thread that the JVM named")
    tap.equal([(row["type"], row["addr"], row["found"]) for row in death["exceptions"]],
              [(FULL, None, "announced")], label + "out of memory, before there is an object")
    tap.equal(death["aborted_because"]["function"], "report_java_out_of_memory",
              label + "a function on the stack says so")
    tap.equal(answer("info", "--json", core)["death"]["other_exceptions_count"], None,
              label + "info does not ask the JVM")


def check(tap, label, jdk, mode, how, options, wanted):
    reason = why_not("kernel" if how == "end" else how)
    if reason:
        tap.skip(label, reason)
        return
    where, core, printed = run(jdk, mode, how, options)
    try:
        death = answer("summary", "--quick", "--json", core)["death"]
        if callable(wanted):
            wanted(tap, label, death, core, printed)
            check_shown(tap, label, core, death, [FULL if mode == "oom" else ORDER])
        else:
            check_threads(tap, label, death, core, printed, wanted)
            check_shown(tap, label, core, death, [row[1] for row in wanted])
    finally:
        shutil.rmtree(where)


def rows(jdk, release, again):
    """name, mode, how, options, other exceptions or a function that looks."""
    catcher, full = ("catcher", ORDER, "on-stack"), ("full", FULL, "on-stack")
    found = [
        ("in a handler, gcore", "catch", "gcore", [SERIAL], [catcher]),
        ("in handlers, killed", "both", "kernel", [SERIAL], [catcher, full]),
        ("thrown in native code", "native", "gcore", [SERIAL],
         [("thrower", "java.lang.UnsupportedOperationException", "pending")]),
        ("none", "none", "gcore", [SERIAL], []),
        ("dies in a handler", "dies", "end", [SERIAL], check_died),
        ("dies in a handler, causes in a ring", "ring", "end", [SERIAL], check_ring),
        ("crash when out of memory", "oom", "end", [SERIAL, "-XX:+CrashOnOutOfMemoryError"],
         check_full),
    ]
    for name, (since, options) in FURTHER.items():
        if not (again and name in NOT_AGAIN) and release >= since and has(jdk, *options):
            found.append(("dies in a handler, " + name, "dies", "end", options, check_died))
    return found


def check_command(tap, label, jdk):
    """A command that the JVM runs when it is out of memory dumps it."""
    if why_not("gcore"):
        tap.skip(label, why_not("gcore"))
        return
    options = [SERIAL, "-XX:+ExitOnOutOfMemoryError",
               "-XX:OnOutOfMemoryError=%s -o core %%p" % shutil.which("gcore")]
    where, core, printed = run(jdk, "oom", "end", options)
    try:
        death = answer("summary", "--quick", "--json", core)["death"]
        tap.ok(death["dumped_alive"] and FULL in printed, label + "the JVM told of it", printed)
        check_threads(tap, label, death, core, printed, [("hoarder", FULL, "announced")])
        check_shown(tap, label, core, death, [FULL, "hoarder"])
    finally:
        shutil.rmtree(where)


def main():
    found = jdks()
    if not found:
        skip_all("no JDK with javac on this machine")
    tap = Tap()
    for release, jdk in found.items():
        if not os.path.exists(os.path.join(jdk, "include", "jni.h")):
            tap.skip("JDK %d" % release, "it has no jni.h")
            continue
        for name, *row in rows(jdk, release, release != min(found)):
            label = "JDK %d, %s: " % (release, name)
            tap.attempt(label, check, label, jdk, *row)
        label = "JDK %d, many: " % release
        tap.attempt(label, check_many, label, jdk)
        label = "JDK %d, command when out of memory: " % release
        tap.attempt(label, check_command, label, jdk)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
