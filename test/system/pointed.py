#!/usr/bin/env python3
"""Blocks that nothing else names are named by what points at them: with symbols, exported ones only,
none; linked statically; the same names in every run. The program says how many there are of each;
and whether each name is true is looked up in the core, word by word."""
import bisect
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from notes import program_headers  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

SOURCE = os.path.join(repo(), "fixtures", "pointed", "pointed.c")
# How it is linked, and what a program that is stripped then still names.
KINDS = {"symbols": ([], False), "stripped": ([], True),
         "exported": (["-rdynamic"], True), "static and stripped": (["-static"], True),
         "at a fixed address": (["-no-pie"], True)}
PT_LOAD = 1


class Memory:
    """Words of a core."""

    def __init__(self, core):
        with open(core, "rb") as file:
            self.loads = sorted((fields[3], fields[5], fields[2])
                                for _, fields in program_headers(file) if fields[0] == PT_LOAD)
            file.seek(0)
            self.data = file.read()
        self.starts = [load[0] for load in self.loads]

    def word(self, addr):
        start, size, offset = self.loads[bisect.bisect_right(self.starts, addr) - 1]
        if not 0 <= addr - start <= size - 8:
            return 0
        return struct.unpack_from("<Q", self.data, offset + addr - start)[0]


class Names:
    """What a program's variables are called in a build of it."""

    def __init__(self, program, shown):
        self.values = {}
        for line in subprocess.run(["nm", program], capture_output=True, text=True,
                                   check=True).stdout.splitlines():
            value, kind, name = line.rjust(16).rsplit(" ", 2)
            if value.strip():
                self.values[name] = (int(value, 16), kind)
        heads = subprocess.run(["readelf", "-lW", program], capture_output=True, text=True,
                               check=True).stdout
        self.base = min(int(at, 16) for at in re.findall(r"^ +LOAD +\S+ +0x(\w+)", heads, re.M))
        self.tls = min(int(at, 16) for at in re.findall(r"^ +TLS +\S+ +0x(\w+)", heads, re.M))
        self.shown = shown
        self.stem = os.path.basename(program)

    def place(self, variable, offset):
        local, variable = variable.startswith("@"), variable.lstrip("@")
        marks = "[]" if variable.endswith("[]") else ""
        name = variable[:-2] if marks else variable
        if name in self.shown:
            text = name + ("+0x%x" % offset if offset else "")
        else:
            value = self.values[name][0] + offset
            # thread-local ones lie in the module's block
            text = "%s+0x%x" % (self.stem, value if local else value - self.base)
        return ("thread-local " if local else "") + text + marks


def build(flags, strip):
    where = fixture.folder()
    program = os.path.join(where, "pointed")
    done = subprocess.run([*(os.environ.get("CC") or "cc").split(), "-O1", "-pthread",
                           "-fno-builtin", *flags, "-o", program, SOURCE], check=False,
                          capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    external = {"items", "ring", "buckets", "map", "root", "names", "links", "mine"}
    shown = external | {"hidden"} if not strip else external if "-rdynamic" in flags else set()
    names = Names(program, shown)
    if strip:
        subprocess.run(["strip", program], check=True)
    return program, names


def dump(program, *arguments):
    """A core, and the program's own words on it."""
    run = fixture.folder()
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    core = fixture.dump(program, how, run, arguments)
    with open(os.path.join(run, "truth"), encoding="utf-8") as file:
        return core, [line.rstrip("\n").split(" ", 3) for line in file]


def wanted(truth, names):
    found = {}
    for count, variable, offset, way in truth:
        name = names.place(variable, int(offset)) + " " + way if variable else way
        found[name] = int(count)
    return found


def used(core):
    return {row["name"]: row["count"] for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]}


class Ways:
    """Whether words lead to blocks as a name says."""

    def __init__(self, core):
        self.memory = Memory(core)
        self.blocks = [(int(row["addr"], 16), row["size_bytes"], row["type"])
                       for row in fixture.records("objects", "--jsonl", "--limit", "0", core)[:-1]]
        self.starts = [block[0] for block in self.blocks]

    def block_at(self, addr):
        found = bisect.bisect_right(self.starts, addr) - 1
        if found >= 0 and addr < self.starts[found] + self.blocks[found][1]:
            return found
        return None

    def led(self, blocks, offsets, any_word):
        """Blocks that words of others lead to."""
        found = set()
        for number in blocks:
            start, size, _ = self.blocks[number]
            places = range(offsets[0] if offsets else 0, size - 7, 8) if any_word else offsets
            found |= {self.block_at(self.memory.word(start + place)) for place in places
                      if place + 8 <= size}
        return found - {None}

    def step(self, blocks, text):
        if text == "..":
            return self.closure(blocks, [], True)
        chain, any_word = text.endswith("*"), "[]" in text or ".." in text
        offsets = [int(word, 16) for word in re.findall(r"\+(0x[0-9a-f]+)", text)]
        # of more offsets than two the others are not named
        offsets = [] if ".." in text else offsets
        if chain:
            return self.closure(blocks, offsets, any_word)
        return self.led(blocks, offsets, any_word)

    def closure(self, blocks, offsets, any_word):
        """A chain has any number of links, or none."""
        found, new = set(blocks), set(blocks)
        while new:
            new = self.led(new, offsets, any_word) - found
            found |= new
        return found

    def of(self, name, first):
        """Blocks that a name is true of."""
        steps = name.split(" -> ")
        blocks = {self.block_at(self.memory.word(addr)) for addr in first} - {None}
        for text in steps[1:-1]:
            blocks = self.step(blocks, text)
        size = re.fullmatch(r"(\d+)-byte blocks", steps[-1])
        return {number for number in blocks
                if not size or self.blocks[number][1] == int(size.group(1))}


def check_true(tap, what, core, names):
    """Of each name that begins with a variable of the program: all its blocks."""
    ways = Ways(core)
    module = next(row for row in fixture.answer("modules", "--json", core)["modules"]
                  if row["name"] == "pointed")
    named, wrong = {}, []
    for number, block in enumerate(ways.blocks):
        named.setdefault(block[2], set()).add(number)
    count = 0
    for name, blocks in named.items():
        place = name and re.fullmatch(r"([a-z]+)(?:\+0x([0-9a-f]+))?(\[\])?", name.split(" -> ")[0])
        if not place or " -> " not in name or place.group(1) not in [*names.shown, "pointed"]:
            continue
        value, size = names.base, 0
        if place.group(1) != "pointed":
            value, size = names.values[place.group(1)][0], 8 * 64
        at = int(module["addr"], 16) - names.base + value + int(place.group(2) or "0", 16)
        first = range(at, at + max(size, 4096), 8) if place.group(3) else [at]
        wrong += [(name, "0x%x" % ways.blocks[number][0])
                  for number in blocks - ways.of(name, first)]
        count += len(blocks)
    tap.equal(wrong[:5], [], "%s: names are true" % what)
    tap.ok(count > 2000, "%s: of most blocks" % what, count)


def check_kind(tap, what):
    flags, strip = KINDS[what]
    program, names = build(flags, strip)
    if not program:
        tap.skip(what, "it does not build: " + names)
        return
    core, truth = dump(program)
    want, got = wanted(truth, names), used(core)
    tap.equal({name: got.get(name, 0) for name in want}, want, "%s: each way" % what)
    check_true(tap, what, core, names)
    groups = fixture.answer("types", "--by", "basis", "--json", core)["groups"]
    tap.equal([row["basis"] for row in groups if row["name"] == "holder"], ["heuristic"],
              "%s: what the names rest on" % what)
    again, _ = dump(program)
    tap.equal(used(again), got, "%s: the next run has the same names" % what)


def check_many(tap):
    """A list is no depth, and names cost little more than sizes."""
    program, names = build([], False)
    core, truth = dump(program, "many")
    want = wanted(truth, names)
    got = used(core)
    tap.equal({name: got.get(name, 0) for name in want}, want, "a million: all of them")
    before = fixture.cpu_seconds()
    fixture.answer("types", "--json", "--by", "size", core)
    between = fixture.cpu_seconds()
    fixture.answer("types", "--json", core)
    named = fixture.cpu_seconds() - between
    tap.ok(named < 20 * (between - before) + 1, "a million: in a moment",
           "%.2f s, %.2f s by size" % (named, between - before))


def main():
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for what in KINDS:
        tap.attempt(what, check_kind, what)
    tap.attempt("a million", check_many)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
