#!/usr/bin/env python3
"""refs finds every aligned word of the core that points at a block: the same words as a
plain search over the file's program headers, and says what they lie in."""
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402
from writable import Writable  # noqa: E402

NAME = "bookworm-small-abort"
KINDS = {"tls-only": "tls", "stack-only": "stack", "from-anon-mmap": "memory",
         "interior-only": "data", "leakC-tail": "object", "cyc": "object"}
PF_X = 1


def segments(path):
    """[(address, bytes)] of the PT_LOADs that are not code."""
    with open(path, "rb") as file:
        data = file.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    phnum, = struct.unpack_from("<H", data, 56)
    found = []
    for i in range(phnum):
        kind, flags, off, addr, _, filesz, _, _ = struct.unpack_from("<IIQQQQQQ", data,
                                                                     phoff + 56 * i)
        if kind == 1 and filesz and not flags & PF_X:
            found.append((addr, data[off:off + filesz]))
    return found


def plain_search(loads, start, end):
    found = set()
    for addr, data in loads:
        words = struct.unpack("<%dQ" % (len(data) // 8), data[:len(data) // 8 * 8])
        found.update(addr + 8 * i for i, word in enumerate(words) if start <= word < end)
    return found


def relative_targets(program):
    """{address: [instructions]}: what a disassembler says is addressed by rip in program."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], check=True,
                          capture_output=True, text=True).stdout
    found = {}
    for at, target in re.findall(r"^ +([0-9a-f]+):.*\(%rip\).*# ([0-9a-f]+)", text, re.M):
        found.setdefault(int(target, 16), []).append(int(at, 16))
    return found


def check_code(tap):
    if fixture.why_not("gcore") or not shutil.which("objdump") or os.uname().machine != "x86_64":
        tap.skip("--code", "needs gcore and objdump, on x86-64")
        return
    program = os.path.join(fixture.folder(), "held")
    fixture.build("held", program)
    core = fixture.dump(program, "gcore", fixture.folder())
    module = next(m for m in fixture.answer("modules", "--json", core)["modules"]
                  if m["name"] == "held")
    base = int(module["addr"], 16)
    targets = relative_targets(program)
    tap.ok(len(targets) > 10, "--code: a disassembler sees many targets", targets)
    for target, instructions in sorted(targets.items()):
        refs = fixture.records("refs", "--code", "--jsonl", core, "0x%x" % (base + target))[:-1]
        at = sorted(int(ref["addr"], 16) - base for ref in refs if ref["kind"] == "code")
        tap.ok(len(at) == len(instructions) and
               all(0 < x - y < 12 for x, y in zip(at, instructions)),
               "--code: what refers to 0x%x" % target, (at, instructions))
    refs = fixture.records("refs", "--code", "--jsonl", core, "g_orders")[:-1]
    tap.ok(any(ref["kind"] == "code" and ref["where"].startswith("build+0x") for ref in refs),
           "--code: with the symbol", refs)


def blocks(core, *options):
    return fixture.records("objects", "--jsonl", *options, core)[:-1]


def places(core, target):
    return {(ref["addr"], ref["kind"])
            for ref in fixture.records("refs", "--jsonl", core, target)[:-1]}


def check_numbers(tap):
    """A number in a managed object that reads like the address of another one is no reference;
    what is written to native memory is told as what it is."""
    core = Writable(fixture.unpack("dotnet-cores", "10.0.12"))
    orders = blocks(core.path, "--type", "Story.Order")
    target, other = orders[0]["addr"], orders[1]["addr"]
    array = blocks(core.path, "--type", "System.Byte[]", "--min-size", "2000")[0]["addr"]
    native = blocks(core.path, "--arena", "main arena", "--min-size", "50000")[0]["addr"]
    holders = blocks(core.path, "--type", "Story.Order[]")
    before = places(core.path, target)
    tap.ok(len(before) == 1 and {kind for _, kind in before} == {"object"},
           "an element of an array is its reference", before)
    word = struct.pack("<Q", int(target, 16))
    core.write(int(array, 16) + 1024, word)
    core.write(int(native, 16) + 1024, word)
    after = places(core.path, target)
    tap.equal(after - before, {("0x%x" % (int(native, 16) + 1024), "object")},
              "bytes of an array are none, a native block is one")
    tap.ok(before <= after, "the element stays", after)
    element = next(addr for addr, _ in places(core.path, other)
                   if any(int(h["addr"], 16) <= int(addr, 16) < int(h["addr"], 16) + h["size_bytes"]
                          for h in holders))
    core.write(int(element, 16), word)
    tap.equal(places(core.path, target) - after, {(element, "object")}, "another element is one")
    tap.ok((element, "object") not in places(core.path, other), "and none of what was there")
    found = fixture.records("search", "--jsonl", "--pointer", target, core.path)[:-1]
    tap.ok("0x%x" % (int(array, 16) + 1024) in {row["addr"] for row in found},
           "search finds the number")


def main():
    tap = Tap()
    tap.attempt("--code", check_code)
    tap.attempt("numbers", check_numbers)
    core = fixture.unpack(NAME)
    loads = segments(core)
    with open(fixture.unpack(NAME, "truth"), encoding="utf-8") as file:
        rows = [line.split() for line in file if line.startswith("BLOCK")]
    for label, want in KINDS.items():
        row = next(r for r in rows if r[1] == label)
        start, size = int(row[2], 16), int(row[4])
        refs = fixture.records("refs", "--jsonl", core, "0x%x" % (start + size // 2))
        live = [r["kind"] for r in refs[:-1] if r["kind"] not in ("free", "dead stack",
                                                                  "allocator")]
        tap.equal(set(live), {want}, "%s: what holds it is its only reference but stale ones" %
                  label)
        memory = {int(r["addr"], 16) for r in refs[:-1] if r["addr"]}
        tap.same_set(memory, plain_search(loads, start, start + size),
                     "%s: the words that a plain search finds" % label)
        tap.equal(refs[-1]["matched_count"], len(refs) - 1, "%s: the closing record" % label)
        exact = fixture.records("refs", "--exact", "--jsonl", core, "0x%x" % start)
        tap.same_set({int(r["addr"], 16) for r in exact[:-1] if r["addr"]},
                     plain_search(loads, start, start + 1), "%s: --exact" % label)
    for row in rows[::60]:
        start, size = int(row[2], 16), int(row[4])
        refs = fixture.records("refs", "--jsonl", core, row[2])[:-1]
        tap.same_set({int(r["addr"], 16) for r in refs if r["addr"]},
                     plain_search(loads, start, start + size), "%s at %s" % (row[1], row[2]))
    sys.exit(tap.done())


main()
