#!/usr/bin/env python3
"""fixtures/holders: blocks held by rarer places are held, and roots names the place; what only
dead memory points at is lost."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

HEX = "0x[0-9a-f]+"
FRAME = r"thread \d+ frame \d+ %s\(\) rsp\+" + HEX
AWAY = r"thread \d+ stack %s \+%s" % (HEX, HEX)
# label: (kind, name of the root, whether it is the only one)
WANT = {
    "sbrk": ("memory", "brk %s \\+0x18" % HEX, True),
    "sbrk-between": ("memory", "brk %s \\+0x(10)?38" % HEX, True),
    "shared": ("memory", r"zero \(deleted\) %s \+0x20" % HEX, True),
    "memfd": ("memory", r"memfd:orders \(deleted\) %s \+0x28" % HEX, True),
    "file": ("memory", r"state %s \+0x30" % HEX, True),
    "parked": ("data", r"(self\.\d|back|heap_stack_parked)(\+%s)? in holders" % HEX, False),
    "interrupted": ("stack", FRAME % "interrupted", True),
    "signal-stack": ("stack", FRAME % "on_signal", True),
    "main-interrupted": ("stack", FRAME % "interrupt_main", True),
    "beside-coroutine": ("stack", AWAY, True),
    "coroutine": ("stack", FRAME % "coroutine", True),
    "beside-block": ("stack", AWAY, True),
    "beside-lower": ("stack", AWAY, True),
    "lower-half": ("stack", FRAME % "coroutine", True),
    "beside-upper": ("stack", AWAY, True),
    "upper-half": ("stack", FRAME % "coroutine", True),
    "block-stack": ("stack", FRAME % "coroutine", False),
    "guardless": ("stack", FRAME % "local_of", True),
    "lent-stack": ("stack", FRAME % "local_of", True),
}
PLUGIN = {"plugin-data": ("data", r"plugin_data\+0x10 in plugin\.so", True)}
LOST = {"lost", "dead", "constant"}


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        return {label: "0x" + addr for label, addr in (line.split() for line in file)}


def check(tap, how, core, truth, wanted):
    for label, (kind, name, alone) in wanted.items():
        doc = fixture.answer("roots", "--json", core, truth[label])
        roots = [chain["root"] for chain in doc["chains"]]
        tap.equal(doc["verdict"], "reachable", "%s: %s is held" % (how, label))
        tap.ok(any(root["kind"] == kind and re.fullmatch(name, root["where"]) for root in roots),
               "%s: %s is held by %s" % (how, label, name), roots)
        tap.ok(not alone or len(roots) == 1, "%s: %s by nothing else" % (how, label), roots)
        refs = fixture.records("refs", "--jsonl", core, truth[label])[:-1]
        live = [ref["where"] for ref in refs if ref["kind"] == kind]
        tap.ok(label == "parked" or any(re.fullmatch(name, where) for where in live),
               "%s: refs of %s say so, too" % (how, label), refs)


def check_lost(tap, how, core, truth):
    doc = {label: fixture.answer("roots", "--json", core, truth[label])["verdict"]
           for label in LOST}
    tap.equal(set(doc.values()), {"unreachable"}, "%s: the lost ones have no root" % how)
    rows = fixture.records("leaks", "--jsonl", core)[:-1]
    lost = {row["addr"] for row in rows}
    tap.equal({label for label, addr in truth.items() if addr in lost} - {"ended"}, LOST,
              "%s: leaks finds those and no others" % how)
    dead = fixture.records("refs", "--jsonl", core, truth["dead"])[:-1]
    # Where the last block ends, the arena keeps the address of its top.
    tap.equal({ref["kind"] for ref in dead} - {"allocator"}, {"dead stack"},
              "%s: the dead part of a stack" % how)


def lies_as_in_file(program):
    """Whether nothing but their rights keeps the mappings of constants and of data apart."""
    text = subprocess.run(["readelf", "-lW", program], check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    rows = re.findall(r"LOAD +(0x\w+) (0x\w+) \S+ (0x\w+) (0x\w+) (R E|RW|R)", text)
    (offset, start, size), (data_offset, data_start, _) = [
        [int(word, 16) for word in row[:3]] for row in rows[-2:]]
    return (start - offset == data_start - data_offset and rows[-2][4] == "R" and
            (start + size - 1) // 4096 + 1 == data_start // 4096)


def build(program, flags):
    fixture.build("holders", program, *flags)
    for pad in range(256, 4352, 256):
        if lies_as_in_file(program):
            return True
        fixture.build("holders", program, "-DPAD=%d" % pad, *flags)
    return lies_as_in_file(program)


def run(tap, name, how, flags, plugin):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "holders")
    if "-static" in flags:
        tap.ok(build(program, flags), "%s: constants and data may merge" % name)
    else:
        fixture.build("holders", program, *flags)
    arguments = ()
    if plugin:
        library = os.path.join(where, "plugin.so")
        source = os.path.join(repo(), "fixtures", "holders", "holders.c")
        subprocess.run([os.environ.get("CC") or "cc", "-O1", "-g", "-shared", "-fPIC",
                        "-DPLUGIN", "-o", library, source], check=True)
        arguments = ("./plugin.so",)
    core = fixture.dump(program, how, where, arguments)
    truth = read_truth(where)
    tap.attempt(name, check, name, core, truth, {**WANT, **(PLUGIN if plugin else {})})
    tap.attempt(name + ": lost", check_lost, name, core, truth)


def main():
    tap = Tap()
    cases = [("gcore", "gcore", [], True), ("kernel", "kernel", [], True),
             ("static", "kernel", ["-static", "-DNO_PLUGIN"], False)]
    for name, how, flags, plugin in cases:
        reason = fixture.why_not(how)
        if reason or os.uname().machine != "x86_64":
            tap.skip(name, reason or "frames are named as on x86-64")
            continue
        run(tap, name, how, flags, plugin)
    sys.exit(tap.done())


main()
