#!/usr/bin/env python3
"""fixtures/crash: the first screen, the ticket and JSON show the stack of the thread that died with functions that
were inlined, files and lines; a damaged heap is the first suspect."""
import os
import re
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


def check_damage(tap, program):
    core = fixture.dump(program, "kernel", fixture.folder(), end="overrun")
    document = fixture.answer("summary", "--json", core)
    first = document["suspects"][0]
    tap.equal((first["rule"], first["of"], document["heap_intact"], document["complete"]),
              ("heap-damaged", None, False, True), "overrun: the damage is the first suspect")
    tap.ok("is damaged" in first["message"] and "0x4141" not in first["message"] and
           "AAAA" not in first["message"], "overrun: it says where, not what", first["message"])
    text = str(fixture.coreheap("summary", core).out)
    tap.ok(re.search(r"^ 1  heap-damaged: ", text, re.M), "overrun: so does the screen", text)
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
    if fixture.why_not("gcore"):
        tap.skip("alive", fixture.why_not("gcore"))
    else:
        fixture.build("blocks", os.path.join(where, "blocks"))
        tap.attempt("alive", check_alive, program)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
