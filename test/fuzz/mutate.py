#!/usr/bin/env python3
"""Whole commands on cores with a few words changed, as damage and attackers change them.

usage: mutate.py [--seconds S] [--seed N] [--keep DIR] [NAME...]

Each round takes one core (a native, several .NET and JVM ones), changes up to 20 words, and runs
one command. Words are not changed at random: pointers become other pointers of the same core, or
lead a little beside; counts and sizes become small, huge or negative ones. What must hold:

- it ends by itself with 0, 3 or 4, and what it prints is whole JSON;
- an answer that contradicts itself does not call itself complete: where an invariant of `summary`
  does not hold, `complete` is false;
- it takes at most 3 times the processor's time that the intact core takes, and a little.

A failure is shown with what makes it again: the core, the command and the words. With --keep the
damaged core is kept, too. The slowest commands are told at the end.
"""
import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402

COMMANDS = (["summary", "--json"], ["summary", "--json"], ["summary", "--quick", "--json"],
            ["heap", "--json"], ["types", "--json"], ["leaks", "--json"], ["threads", "--json"],
            ["retained", "--json", "--limit", "20"], ["objects", "--jsonl", "--limit", "100"],
            ["modules", "--json"], ["address", "--json"], ["info", "--json"])
# Of the processors: what is allowed beside 3 times what the intact core takes.
RATIO, SPARE_SECONDS = 3, 0.5
HANG_SECONDS = 60
WORDS_MAX = 20
NUMBERS = [0, 1, 2, 7, 8, 0x10, 0x11, 0x21, 0xff, 0x1000, 0x10000, 0x7fffffff, 0xffffffff, 1 << 32,
           (1 << 47) - 1, 1 << 47, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, (1 << 64) - 16]
CORES = {"glibc": ("bookworm-small-abort", None), "blocks": ("trixie-small-abort", None),
         "dotnet-3.1": ("dotnet-cores", "3.1.3"), "dotnet-8": ("dotnet-cores", "8.0.33"),
         "dotnet-11": ("dotnet-cores", "11.0.0"), "jvm-compact": ("jvm-cores", "25-compact"),
         "jvm-zgc": ("jvm-cores", "25-zgc")}


def unpack(name):
    folder, what = CORES[name]
    if folder == "jvm-cores":
        return fixture.unpack_xz(folder, what)
    return fixture.unpack(folder, what) if what else fixture.unpack(folder)


class Target:
    """One core: its words that are worth a change, and what its commands take intact."""

    def __init__(self, name, folder):
        self.name = name
        self.core = damaging.Core(name, unpack(name))
        self.path = os.path.join(folder, name)
        damaging.copy_sparse(self.core.path, self.path)
        self.seconds = {}
        self.places = [(off, size) for _, size, off, flags in self.core.loads if flags & 2]
        self.lows = [(addr, addr + size) for addr, size, _, _ in self.core.loads]

    def intact(self, command):
        """Seconds that a command takes on the intact core."""
        if tuple(command) not in self.seconds:
            args = [damaging.binary(), *command, self.core.path]
            self.seconds[tuple(command)] = min(run(args)[2] for _ in range(2))
        return self.seconds[tuple(command)]

    def is_pointer(self, word):
        return any(low <= word < high for low, high in self.lows)

    def pick(self, file, rand):
        """The offset of a word of writable memory that is not zero, pointers rather than others."""
        best = None
        for _ in range(40):
            off, size = rand.choice(self.places)
            reach = size if rand.random() < 0.6 else min(size, 4 * damaging.PAGE)
            at = off + rand.randrange(max(1, reach // 8)) * 8
            file.seek(at)
            word = int.from_bytes(file.read(8), "little")
            if word and self.is_pointer(word):
                return at, word
            if word and best is None:
                best = (at, word)
        return best or (at, word)

    def changed(self, file, word, rand):
        """What a word becomes."""
        way = rand.randrange(5)
        if way == 0:
            return rand.choice(NUMBERS)
        if way == 1:
            return self.pick(file, rand)[1]
        if way == 2:
            return word + rand.choice((-4096, -64, -16, -8, -1, 1, 4, 8, 16, 64, 4096))
        if way == 3:
            return word ^ 1 << rand.randrange(64)
        low, high = rand.choice(self.lows)
        return rand.randrange(low, high) & ~7

    def patches(self, file, rand):
        found = []
        for _ in range(rand.choice((1, 1, 1, 2, 5, WORDS_MAX))):
            at, word = self.pick(file, rand)
            found.append((at, struct.pack("<Q", self.changed(file, word, rand) & (1 << 64) - 1)))
        return found


def run(args):
    """(exit code, output, seconds of the processors)."""
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL)
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (HANG_SECONDS, HANG_SECONDS))
    out = process.stdout.read()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, out, used.ru_utime + used.ru_stime


def contradiction(command, out):
    """What does not fit together in an answer; None: nothing."""
    if command[0] == "objects":
        for line in out.splitlines():
            json.loads(line)
        return None
    document = json.loads(out)
    broken = [row["name"] for row in document.get("accounting", {}).get("invariants", [])
              if row["ok"] is False]
    if broken and document["complete"]:
        return "complete, and %s does not hold" % ", ".join(broken)
    return None


def judge(target, command, code, out, seconds):
    if code not in damaging.GOOD_EXITS:
        return "exit code %d" % code
    if seconds > SPARE_SECONDS and seconds > RATIO * target.intact(command) + SPARE_SECONDS:
        return "%.2f s of the processors, %.2f s on the intact core" % (
            seconds, target.intact(command))
    try:
        return contradiction(command, out) if code != 3 else None
    except ValueError as error:
        return "no JSON: %s" % error


def one_round(target, rand):
    """(command, what was wrong or None, seconds / those of the intact core, patches)."""
    command = rand.choice(COMMANDS)
    args = [damaging.binary(), *command, target.path]
    with open(target.path, "r+b", buffering=0) as file:
        patches, before = target.patches(file, rand), []
        for at, value in patches:
            file.seek(at)
            before.append((at, file.read(len(value))))
            file.seek(at)
            file.write(value)
        code, out, seconds = run(args)
        problem = judge(target, command, code, out, seconds)
        for at, value in reversed(before):
            file.seek(at)
            file.write(value)
    return command, problem, seconds, patches


def fuzz(names, seconds, seed, keep=None, tell=print):
    """(rounds, problems, slowest): rounds of all cores in turn until time is up."""
    folder = fixture.folder()
    targets = [Target(name, folder) for name in names]
    end, rounds, problems, slowest = time.monotonic() + seconds, 0, [], []
    while time.monotonic() < end and len(problems) < 10:
        target = targets[rounds % len(targets)]
        rand = random.Random("%s %d" % (seed, rounds))
        command, problem, took, patches = one_round(target, rand)
        slowest = sorted(slowest + [(took, target, command)], key=lambda row: -row[0])[:5]
        if problem:
            words = [(at, value.hex()) for at, value in patches]
            problems.append("%s: %s: %s: words %s" % (target.name, " ".join(command), problem,
                                                      words))
            tell("# " + problems[-1])
            if keep:
                path = os.path.join(keep, "%s-%s-%d" % (target.name, seed, rounds))
                damaging.copy_sparse(target.path, path)
                with open(path, "r+b") as file:
                    for at, value in patches:
                        file.seek(at)
                        file.write(value)
        rounds += 1
    return rounds, problems, [(took / max(target.intact(command), 0.01), took, target.name,
                               " ".join(command)) for took, target, command in slowest]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--keep")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    rounds, problems, slowest = fuzz(args.names or list(CORES), args.seconds, args.seed, args.keep)
    print("%d rounds, %d problems; the slowest:" % (rounds, len(problems)))
    for row in slowest:
        print("  %.1f times the intact core's time, %.2f s: %s, %s" % row)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
