#!/usr/bin/env python3
"""Java's threads: names, states and stacks against jhsdb on the same core, against the process
before it was dumped, and against what the program does; code addresses against the JVM's list."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, why_not  # noqa: E402
from jvm import Dump, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# A method that is due is compiled before it goes on: on a busy machine the compiler's thread may
# come too late for what sleeps compiled.
AT_ONCE = "-XX:-BackgroundCompilation"
# name: how, first release that has it, options, codes that sleeps-compiled has
SETTINGS = {
    "tiered": ("kernel", 11, ["-XX:+UseSerialGC", AT_ONCE], {"C1", "C2"}),
    "C1 only": ("kernel", 11, ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", AT_ONCE],
                {"C1"}),
    "C2 only": ("kernel", 11, ["-XX:+UseSerialGC", "-XX:-TieredCompilation", AT_ONCE],
                {"C2"}),
    "interpreter only": ("kernel", 11, ["-XX:+UseSerialGC", "-Xint"], {"interpreted"}),
    "G1, plain pointers, gcore": ("gcore", 11, ["-XX:+UseG1GC", "-XX:-UseCompressedOops",
                                             AT_ONCE],
                                  {"C1", "C2"}),
    "compact headers": ("kernel", 25, ["-XX:+UseSerialGC", "-XX:+UseCompactObjectHeaders",
                                   AT_ONCE],
                        {"C1", "C2"}),
}
# Of further releases these are left out.
NOT_AGAIN = ("C1 only", "interpreter only", "G1, plain pointers, gcore")
DEPTH = 7
STATES = {
    "sleeps-compiled": "TIMED_WAITING (sleeping)", "at-work": "RUNNABLE",
    "waits-1": "WAITING (on object monitor)", "waits-2": "WAITING (on object monitor)",
    "parked": "WAITING (parking)", "accepts": "RUNNABLE",
    "blocked": "BLOCKED (on object monitor)", "na\u00efve \u2603 \\x1b[31mred\\x0a":
    "WAITING (parking)", "main": "TIMED_WAITING (sleeping)",
}
VM_STATES = {"_thread_blocked": "blocked", "_thread_in_native": "in native",
             "_thread_in_java": "in Java", "_thread_in_vm": "in VM", "_thread_new": "new"}
WAITS = {"waiting on": "wait", "waiting to lock": "enter", "parking to wait for": "park"}
JAVA = ("interpreted", "C1", "C2", "native wrapper")


def ask(jdk, pid):
    """What the process says of itself: its threads, its code."""
    return {"threads": tool(jdk, "jcmd", pid, "Thread.print"),
            "code": tool(jdk, "jcmd", pid, "Compiler.codelist")}


def number(text):
    return int(text, 0)


def jhsdb(jdk, core):
    """{tid: what jhsdb says}; a name with line breaks is cut."""
    text = tool(jdk, "jhsdb", "jstack", "--exe", os.path.join(jdk, "bin", "java"), "--core", core)
    found = {}
    for part in re.split(r'^(?=")', text, flags=re.M)[1:]:
        head = re.match(r'"([^"]*)" #(\d+) (daemon )?prio=\d+ tid=(\w+) nid=(\w+) ', part)
        if not head:
            continue
        state = re.search(r"^   java\.lang\.Thread\.State: (.*)$", part, re.M)
        vm_state = re.search(r"^   JavaThread state: (\w+)", part, re.M)
        frames = [(name, kind, int(bci) if kind == "Interpreted" else None, int(line or 0))
                  for name, bci, line, kind in re.findall(
                      r"^ - ([^(]*)\(.*?\) @bci=(-?\d+)(?:, line=(\d+))?.*\((\w+) frame", part,
                      re.M)]
        waits = re.search(r"^\s+- (waiting on|waiting to lock|parking to wait for)\s+<(\w+)> "
                          r"\(a ([^)]*)\)", part, re.M)
        found[number(head.group(5))] = {
            "waits": waits and (WAITS[waits.group(1)], number(waits.group(2)), waits.group(3)),
            "locked": {number(addr) for addr in re.findall(r"^\s+- locked <(\w+)>", part, re.M)},
            "name": head.group(1), "number": int(head.group(2)), "daemon": bool(head.group(3)),
            "addr": number(head.group(4)), "state": state and state.group(1),
            "vm_state": vm_state and VM_STATES.get(vm_state.group(1)), "frames": frames}
    return found


def java_frames(thread):
    """As jhsdb()'s: methods, interpreted or compiled, bytecode of those, line."""
    found = []
    for frame in thread["frames"]:
        if frame["code"] not in JAVA:
            continue
        place = (frame["source"] or "").split(":")
        interpreted = frame["code"] == "interpreted"
        found.append((frame["symbol"], "Interpreted" if interpreted else "Compiled",
                      frame["offset"] if interpreted else None,
                      int(place[1]) if len(place) > 1 else 0))
    return found


def settled(frames):
    """Without what a thread was in the middle of: there jhsdb guesses."""
    names = [frame[0] for frame in frames]
    return frames[names.index("Stands.work"):] if "Stands.work" in names else frames


def check_jhsdb(tap, label, threads, jdk, core):
    wanted = jhsdb(jdk, core)
    tap.ok(len(wanted) >= 12 and set(wanted) <= set(threads),
           label + "all threads of jhsdb are there", sorted(set(wanted) - set(threads)))
    tap.equal({tid: settled(java_frames(threads[tid])) for tid in wanted if tid in threads},
              {tid: settled(thread["frames"]) for tid, thread in wanted.items()},
              label + "Java frames, bytecodes and lines are jhsdb's")
    keys = ("number", "daemon", "state", "vm_state")
    tap.equal({tid: [threads[tid]["runtime_thread"][key] for key in keys] for tid in wanted},
              {tid: [thread[key] for key in keys] for tid, thread in wanted.items()},
              label + "numbers, daemons and states are jhsdb's")
    waits = {tid: threads[tid]["runtime_thread"]["waits_for"] for tid in wanted}
    tap.equal({tid: (row["how"], int(row["addr"], 16), row["type"])
               for tid, row in waits.items() if row},
              {tid: thread["waits"] for tid, thread in wanted.items() if thread["waits"]},
              label + "what threads wait for is jhsdb's")
    entering = [row for row in waits.values() if row and row["how"] == "enter"]
    tap.ok(len(entering) == 1 and int(entering[0]["addr"], 16) in wanted.get(
        entering[0]["held_by"], {"locked": ()})["locked"],
           label + "who has a monitor that another waits for", entering)
    plain = {tid: thread for tid, thread in wanted.items() if thread["name"].isascii() and
             "\n" not in thread["name"]}
    tap.equal({tid: (threads[tid]["name"], int(threads[tid]["runtime_thread"]["addr"], 16))
               for tid in plain},
              {tid: (thread["name"], thread["addr"]) for tid, thread in plain.items()},
              label + "names and structures are jhsdb's")


def down(n):
    """What down(n) of the program stands in when it sleeps, innermost first."""
    if n == 0:
        return ["pause", "down"]
    return down(n - 1) + (["add", "down"] if n % 2 == 0 else ["down"])


def own(thread):
    """Functions of the program that a thread stands in."""
    return [frame["symbol"].split(".", 1)[1] for frame in thread["frames"]
            if (frame["symbol"] or "").startswith("Stands.")]


def check_program(tap, label, threads, codes):
    named = {thread["name"]: thread for thread in threads.values()}
    tap.equal({name: (named[name]["runtime_thread"]["state"] if name in named else "missing")
               for name in STATES}, STATES, label + "the program's threads and their states")
    sleeper = named["sleeps-compiled"]
    tap.equal(own(sleeper), down(DEPTH) + ["sleepCompiled"],
              label + "every function of the sleeper, inlined or not")
    found = {frame["code"] for frame in sleeper["frames"] if frame["symbol"] in (
        "Stands.down", "Stands.add")}
    tap.ok(found and found <= codes, label + "compiled by whom", sorted(found))
    if "C2" in codes and codes != {"C1", "C2"}:
        tap.ok(any(frame["basis"] == "inlined" for frame in sleeper["frames"]),
               label + "some are inlined")
    tap.ok(own(named["at-work"]) in (["churn", "work"], ["mix", "churn", "work"]),
           label + "the one at work", own(named["at-work"]))
    tap.ok(57 <= int(next(frame["source"] for frame in named["at-work"]["frames"] if frame[
        "symbol"] == "Stands.churn").split(":")[1]) <= 63, label + "at a line of its loop",
           named["at-work"]["frames"][:3])
    tap.equal({name: own(named[name]) for name in ("waits-1", "parked", "accepts", "blocked")},
              {"waits-1": ["await"], "parked": ["park"], "accepts": ["accept"],
               "blocked": ["enter"]}, label + "what the others stand in")
    tap.equal(sorted(name for name in set(STATES) & set(named)
                     if not named[name]["runtime_thread"]["daemon"]),
              ["blocked", "main"], label + "who is no daemon")


def check_vm(tap, label, threads, printed):
    """The JVM's own threads, by the names that the process told."""
    wanted = {number(tid): name for name, tid in re.findall(
        r'^"([^"\n]*)" os_prio=\d+ .* nid=(\w+) ', printed, re.M)}
    tap.ok("VM Thread" in wanted.values(), label + "the process tells of its own threads")
    tap.equal({tid: (threads[tid]["name"], (threads[tid]["runtime_thread"] or {}).get("kind"))
               for tid in wanted if tid in threads},
              {tid: (name, "VM") for tid, name in wanted.items()},
              label + "the JVM's own threads have their names")


def check_ends(tap, label, threads):
    tap.equal({thread["name"]: thread["frames_end"] for thread in threads.values()
               if thread["frames_end"] != "end of stack"}, {}, label + "every stack has its end")
    bases = {frame["basis"] for thread in threads.values() for frame in thread["frames"]}
    tap.ok("frame-pointer" not in bases, label + "no frame is a guess", sorted(bases))


def check_code(tap, label, core, printed):
    """Addresses in the middle of methods' code, against the JVM's own list."""
    levels = {0: "native wrapper", 1: "C1", 2: "C1", 3: "C1", 4: "C2"}
    rows = re.findall(r"^\s*\d+\s+(\d+)\s+-?\d+\s+(\S+?)\(\S*\s+\[\w+, (\w+) - (\w+)\]", printed,
                      re.M)
    found = []
    for first in range(0, len(rows), 50):
        found += answer("whatis", "--json", core, *(
            hex((number(row[2]) + number(row[3])) // 2)
            for row in rows[first:first + 50]))["results"]
    # code may have gone between the list and the dump
    differ = [(row, result["method"]) for row, result in zip(rows, found) if
              not result["method"] or
              (result["method"]["name"], result["method"]["kind"], number(
                  result["method"]["addr"])) != (row[1], levels[int(row[0])], number(row[2]))]
    tap.ok(len(rows) > 30 and len(differ) <= len(rows) // 50,
           label + "code addresses have the JVM's names", (len(rows), differ[:3]))
    method = answer("address", "--json", core, found[0]["addr"])["method"]
    tap.equal(method, found[0]["method"], label + "address says it, too")


def check_text(tap, label, core):
    text = coreheap("threads", core).out
    tap.ok(all(char == "\n" or char.isprintable() for char in text),
           label + "no control character of a name is printed")
    tap.ok(re.search(r"Java thread #\d+, tid 0x[0-9a-f]+, daemon, WAITING \(on object monitor\)",
                     text), label + "state, number and hexadecimal tid in text")
    document = answer("threads", "--json", core)
    blocked = next(thread for thread in document["threads"] if thread["name"] == "blocked")
    tap.equal(answer("address", "--json", core, blocked["sp"])["thread_name"], "blocked",
              label + "an address of a stack has its thread's name")
    groups = document["groups"]
    names = {name["pattern"]: name["count"] for group in groups for name in group["names"]}
    tap.equal(names.get("waits-#"), 2, label + "groups have the names of their threads")
    tap.ok("  named waits-# (2)\n" in coreheap("threads", "--group", core).out,
           label + "in text, too")


def check_diff(tap, label, core):
    """Groups are named by the methods that wait, not by what they wait in."""
    names = [row["name"] for row in answer("diff", "--json", "--all", core, core)["thread_groups"]]
    tap.ok(any(re.match(r"java\.lang\.Object\.wait.* <- Stands\.await <- Stands\$\$Lambda[^+]*\.run",
                        name) for name in names), label + "diff names groups by methods", names)


def check_setting(tap, name, jdk, setting):
    how, _, options, codes = setting
    dump = Dump(jdk, "Stands", how, options, ask=ask)
    label = name + ": "
    threads = {thread["tid"]: thread for thread in answer(
        "threads", "--json", "--frames", "1000", dump.core)["threads"]}
    check_program(tap, label, threads, codes)
    check_jhsdb(tap, label, threads, jdk, dump.core)
    check_vm(tap, label, threads, dump.asked["threads"])
    check_ends(tap, label, threads)
    if "interpreted" not in codes:
        check_code(tap, label, dump.core, dump.asked["code"])
    check_text(tap, label, dump.core)
    if codes == {"C2"}:
        check_diff(tap, label, dump.core)
    shutil.rmtree(dump.folder)


def check_virtual(tap, name, jdk):
    """Threads that run on others: which, and stacks over what is still in the heap."""
    dump = Dump(jdk, "Virtual", "kernel", [
        "-XX:+UseSerialGC", "-Djdk.virtualThreadScheduler.parallelism=3"], ask=ask)
    label = name + ": "
    threads = {thread["tid"]: thread for thread in answer("threads", "--json", dump.core)["threads"]}
    carried = {thread["runtime_thread"]["carried"]["name"]: thread for thread in threads.values()
               if thread["runtime_thread"] and thread["runtime_thread"]["carried"]}
    tap.equal(sorted(carried), ["at-work", "waited-1"], label + "those that run are carried")
    told = dict(re.findall(r'^"(ForkJoinPool[^"]*)".*\n(?:.*\n)?\s+Carrying virtual thread #(\d+)',
                           dump.asked["threads"], re.M))
    tap.equal({thread["name"]: str(thread["runtime_thread"]["carried"]["number"])
               for thread in carried.values()}, told, label + "by whom, as the process tells")
    tap.equal([[frame["symbol"] for frame in thread["frames"] if frame["symbol"] and
                frame["symbol"].startswith("Virtual.")] for _, thread in sorted(carried.items())],
              [["Virtual.work"], ["Virtual.work", "Virtual.waitThenWork"]], label + "their stacks")
    waited = [frame["symbol"] for frame in carried["waited-1"]["frames"]]
    gap = [index for index, symbol in enumerate(waited) if symbol and "in the heap" in symbol]
    tap.ok(len(gap) == 1 and waited[gap[0] + 1].endswith(".Continuation.enterSpecial"),
           label + "a stack says that frames are in the heap", waited)
    wanted = jhsdb(jdk, dump.core)
    # what is interrupted may stand anywhere, and jhsdb guesses there
    tap.equal({tid: java_frames(threads[tid])[1:] for tid in wanted},
              {tid: thread["frames"][1:] for tid, thread in wanted.items()},
              label + "Java frames are jhsdb's")
    tap.ok("carrying virtual thread #%s (at-work)\n" % carried["at-work"]["runtime_thread"][
        "carried"]["number"] in coreheap("threads", dump.core).out, label + "in text")
    check_ends(tap, label, threads)
    shutil.rmtree(dump.folder)


def main():
    reason = why_not("gcore") or why_not("kernel")
    if reason:
        return skip_all(reason)
    found = jdks("jhsdb")
    if not found:
        return skip_all("no JDK with jhsdb under /usr/lib/jvm")
    tap = Tap()
    for release, jdk in sorted(found.items()):
        for name, setting in SETTINGS.items():
            if release >= setting[1] and (release == min(found) or name not in NOT_AGAIN):
                check_setting(tap, "JDK %d, %s" % (release, name), jdk, setting)
        if release >= 21:
            check_virtual(tap, "JDK %d, virtual threads" % release, jdk)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
