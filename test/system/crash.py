#!/usr/bin/env python3
"""fixtures/crash: the first screen, the ticket and JSON show the stack of the thread that died with
functions that were inlined, files and lines, and what all crashes in one place share; a damaged
heap is the first suspect."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

FUNCTIONS = ["parse_price", "handle", "main"]


def marked_lines():
    """Lines of the source with the marks "stack 1", "stack 2", ..."""
    with open(os.path.join(repo(), "fixtures", "crash", "crash.c"), encoding="utf-8") as file:
        found = [(int(match.group(1)), number) for number, line in enumerate(file, 1)
                 for match in [re.search(r"/\* stack (\d) \*/", line)] if match]
    return [line for _, line in sorted(found)]


def check_stack(tap, name, program, with_lines):
    core = fixture.dump(program, "kernel", fixture.folder(), end="null")
    wanted = ["%s() crash.c:%d" % row for row in zip(FUNCTIONS, marked_lines())]
    if not with_lines:
        wanted = ["%s() in crash" % function for function in FUNCTIONS[1:]]
    text = " ".join(str(fixture.coreheap("summary", core).out).split())
    tap.ok(" in " + " <- ".join(wanted) in text, name + ": the screen shows the stack", text)
    ticket = str(fixture.coreheap("summary", "--markdown", core).out)
    tap.ok("stack: " in ticket and wanted[0].split("(")[0].replace("_", "") in
           ticket.replace("\\", "").replace("_", ""), name + ": so does the ticket", ticket)
    document = fixture.answer("summary", "--json", core)
    headline = "a crash: it read through a null pointer"
    tap.ok(document["headline"] == headline and "VERDICT %s; " % headline in text and
           "**Verdict:** %s; " % headline in ticket, name + ": it is called what it is",
           document["headline"])
    frames = document["crash"]["frames"][:len(wanted)]
    tap.equal([frame["symbol"] for frame in frames], FUNCTIONS[-len(wanted):],
              name + ": JSON has the functions")
    if with_lines:
        tap.equal([frame["source"] for frame in frames],
                  ["crash.c:%d" % line for line in marked_lines()], name + ": and the lines")
        tap.equal(frames[0]["basis"], "inlined", name + ": the first one was inlined")
    threads = fixture.answer("threads", "--json", core)["threads"]
    tap.equal((document["crash"]["tid"], document["crash"]["fingerprint"]),
              (threads[0]["tid"], threads[0]["fingerprint"]),
              name + ": the stack is that of `threads`")
    again = fixture.dump(program, "kernel", fixture.folder(), end="null")
    tap.equal(fixture.answer("summary", "--json", again)["crash"]["fingerprint"],
              document["crash"]["fingerprint"], name + ": the fingerprint survives ASLR")


def crash_of(program, end="null"):
    """The crash as JSON has it, of a program that the kernel dumps."""
    core = fixture.dump(program, "kernel", fixture.folder(), end=end)
    return fixture.answer("summary", "--json", core)["crash"]


def as_documented(signal, frames):
    """The id of a signature, as docs/JSON.md says how it is made."""
    value = 0xcbf29ce484222325
    for byte in b"".join(text.encode() + b"\0" for text in [signal, *frames]):
        value = (value ^ byte) * 0x100000001b3 % 2 ** 64
    return "%016x" % value


def check_signature(tap, where):
    program = os.path.join(where, "crash")
    builds = []
    for flags in (["-O0"], ["-O2", "-DANOTHER", "-static"], ["-O0", "-DANOTHER"]):
        fixture.build("crash", program, *flags)
        builds.append(crash_of(program))
    tap.equal([crash["signature"] for crash in builds[1:]], [builds[0]["signature"]] * 2,
              "signature: equal over builds")
    tap.equal(builds[0]["signature"], {"id": as_documented("SIGSEGV", FUNCTIONS), "basis": "names",
                                       "frames": FUNCTIONS}, "signature: of the functions' names")
    tap.equal(len({crash["frames"][0]["module_offset"] for crash in builds}), 3,
              "signature: the builds differ")
    tap.ok(re.fullmatch(r"SIGSEGV, read at 0x0 \(a null pointer\), in parse_price\(\) "
                        r"crash\.c:\d+", builds[0]["title"]), "title: a null pointer, and where",
           builds[0]["title"])
    other = crash_of(program, end="overrun")
    tap.equal(other["signature"]["frames"], ["free", "overrun", "main"],
              "signature: without abort() and the inside of malloc")
    tap.ok(other["signature"]["id"] != builds[0]["signature"]["id"],
           "signature: another crash has another one")
    tap.ok(re.match(r"SIGABRT: [a-z].* in free\(\).* <- overrun\(\)", other["title"]),
           "title: what glibc said, and who called it", other["title"])
    fixture.build("crash", program, "-O1", "-s")
    stripped = crash_of(program)
    places = ["crash+0x%x" % frame["module_offset"] for frame in stripped["frames"]
              if frame["module"] == "crash"]
    tap.equal((stripped["signature"]["basis"], stripped["signature"]["frames"]),
              ("offsets", places), "signature: of a stripped program by places, and it says so")


def check_nested(tap, where):
    program = os.path.join(where, "nested")
    crashes = []
    for flags in ([], ["-DANOTHER"]):
        subprocess.run(["c++", "-O0", "-g", "-w", *flags, "-o", program,
                        os.path.join(repo(), "fixtures", "crash", "nested.cc")], check=True)
        crashes.append(crash_of(program))
    tap.equal([crash["signature"]["frames"] for crash in crashes],
              [["{anonymous}::price_of", "main::{lambda}::operator()", "main"]] * 2,
              "C++: templates, lambdas and what has no name")
    tap.ok(crashes[0]["frames"][0]["symbol"] != crashes[1]["frames"][0]["symbol"] and
           crashes[0]["signature"]["id"] == crashes[1]["signature"]["id"],
           "C++: other types and numbers, the same signature")
    frame = crashes[0]["frames"][0]
    tap.equal((len(frame["build_id"]), int(frame["addr"], 16) % 4096),
              (40, frame["module_offset"] % 4096), "C++: build-id and place in the module")


def check_damage(tap, program):
    core = fixture.dump(program, "kernel", fixture.folder(), end="overrun")
    document = fixture.answer("summary", "--json", core)
    first = document["suspects"][0]
    tap.equal((first["rule"], first["of"], document["heap_intact"], document["complete"]),
              ("heap-damaged", None, False, True), "overrun: the damage is the first suspect")
    tap.equal(document["headline"], "a crash: malloc found its own data damaged",
              "overrun: and what killed it")
    tap.ok("is damaged" in first["message"] and "0x4141" not in first["message"] and
           "AAAA" not in first["message"], "overrun: it says where, not what", first["message"])
    tap.ok(re.search(r"right before it lies a block at 0x[0-9a-f]+ \(names\[\] -> 24-byte blocks, 24 "
                     r"bytes, in use\), past whose end the program may have written; "
                     r"names(\[500\])? points at it", first["message"]),
           "overrun: whose the block before it is", first["message"])
    block = fixture.answer("whatis", "--json", core, first["sample_addr"])["results"][0]["object"]
    tap.equal((block["addr"], block["state"], first["types"][0]["name"]),
              (first["sample_addr"], "used", "names[] -> 24-byte blocks"),
              "overrun: that is the block which was written past its end")
    text = str(fixture.coreheap("summary", core).out)
    tap.ok(re.search(r"^ 1  heap damaged: ", text, re.M), "overrun: so does the screen", text)
    tap.ok("\n  in   " in text and "abort() <-" not in text, "overrun: the stack begins below abort()",
           text)


def check_alive(tap, program):
    """Nobody died: there is no such stack."""
    core = fixture.dump(os.path.join(os.path.dirname(program), "blocks"), "gcore",
                        fixture.folder())
    tap.equal(fixture.answer("summary", "--quick", "--json", core)["crash"], None,
              "alive: no stack of a crash")


def main():
    tap = Tap()
    where = fixture.folder()
    program = os.path.join(where, "crash")
    reason = fixture.why_not("kernel")
    for name, flags in (("DWARF 5", ["-gdwarf-5"]), ("DWARF 4", ["-gdwarf-4"]),
                        ("optimised", ["-O2"]), ("no debug information", ["-g0"])):
        if reason:
            tap.skip(name, reason)
            continue
        fixture.build("crash", program, *flags)
        tap.attempt(name, check_stack, name, program, name != "no debug information")
    if reason:
        tap.skip("overrun", reason)
    else:
        tap.attempt("overrun", check_damage, program)
    for check in (check_signature, check_nested):
        if reason:
            tap.skip(check.__name__, reason)
        else:
            tap.attempt(check.__name__, check, where)
    if fixture.why_not("gcore"):
        tap.skip("alive", fixture.why_not("gcore"))
    else:
        fixture.build("blocks", os.path.join(where, "blocks"))
        tap.attempt("alive", check_alive, program)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
