"""Damage to cores: cuts and seeded byte flips, and what coreheap makes of them.

Every run must end by itself, without a signal or a sanitizer's report, with
exit code 0 (answered), 3 (not readable as a core) or 4 (incomplete); what it
prints must be valid UTF-8, and valid JSON where JSON was asked for.
"""
import concurrent.futures
import json
import os
import random
import signal
import struct
import subprocess
import threading
import time

import fixture
from tap import repo

COMMANDS = ["info", "address", "heap", "types", "objects", "summary", "threads", "modules", "leaks", "retained"]
HEAP_COMMANDS = ["heap", "objects", "summary", "address", "leaks"]
CUTS = 64
# Of the processors.
HANG_SECONDS = 60
GOOD_EXITS = (0, 3, 4)
PAGE = 4096


def binary():
    """The sanitised build when there is one."""
    san = os.path.join(repo(), "build", "san", "coreheap")
    return san if os.access(san, os.X_OK) else fixture.COREHEAP


class Core:
    """An unpacked core to damage: a copy of our own, and where its parts lie."""

    def __init__(self, name, path, addresses=()):
        self.name = name
        self.path = path
        self.bytes = os.path.getsize(path)
        with open(path, "rb") as file:
            ehdr = file.read(64)
            self.phoff = struct.unpack_from("<Q", ehdr, 32)[0]
            self.phnum = struct.unpack_from("<H", ehdr, 56)[0]
            file.seek(self.phoff)
            table = file.read(56 * self.phnum)
        self.loads, self.notes = [], []
        for at in range(0, len(table) - 55, 56):
            kind, flags, off, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", table, at)
            if kind == 1 and filesz and off + filesz <= self.bytes:
                self.loads.append((vaddr, filesz, off, flags))
            elif kind == 4:
                self.notes.append((off, min(filesz, max(0, self.bytes - off))))
        self.chunks = [off for off in map(self.offset, addresses) if off]

    def offset(self, addr):
        """File offset of the chunk header before addr, or None."""
        for vaddr, filesz, off, _ in self.loads:
            if vaddr + 16 <= addr < vaddr + filesz:
                return off + addr - 16 - vaddr
        return None

    def cuts(self):
        """Places to cut at: spread evenly, and around the headers, descending."""
        end = self.phoff + 56 * self.phnum
        special = [0, 1, 15, 16, 63, 64, self.phoff + 1, self.phoff + 56, end - 1, end,
                   self.bytes - 1]
        for off, size in self.notes:
            special += [off + 1, off + 12, off + size // 3, off + size - 1, off + size]
        special = sorted({place for place in special if 0 <= place < self.bytes})[:20]
        spread = CUTS - len(special)
        places = {self.bytes * (i + 1) // (spread + 1) for i in range(spread)}
        return sorted(places | set(special), reverse=True)

    def targets(self):
        """Areas to flip bytes in: (name, function to a file offset, commands)."""
        areas = [("ELF header", lambda r: r.randrange(64), COMMANDS),
                 ("program headers", lambda r: self.phoff + r.randrange(56 * self.phnum),
                  COMMANDS),
                 # p_offset, p_vaddr, p_filesz or p_memsz as a whole, or its highest bytes
                 ("a program header's field", lambda r: self.phoff + 56 * r.randrange(self.phnum)
                  + r.choice((8, 16, 32, 40)) + r.choice((0, 0, 4, 5, 6)), COMMANDS)]
        if self.notes:
            areas.append(("notes", self.in_notes, COMMANDS))
        if self.chunks:
            areas.append(("chunk headers", lambda r: r.choice(self.chunks) + r.randrange(32),
                          HEAP_COMMANDS))
        writable = [load for load in self.loads if load[3] & 2]
        if writable:
            areas.append(("writable segments' first words",
                          lambda r: self.first_words(r, writable), HEAP_COMMANDS))
        return areas

    def in_notes(self, rand):
        off, size = rand.choice(self.notes)
        # half of them near the start, where the threads' and files' notes are
        return off + rand.randrange(max(1, min(size, 1200) if rand.random() < 0.5 else size))

    def first_words(self, rand, writable):
        """Arena headers and module data: malloc_state, heap_info, link map."""
        _, size, off, _ = rand.choice(writable)
        return off + rand.randrange(min(size, 4 * PAGE))


def run_one(path, command, as_json, program=None):
    """One run; None when it was in order, else what was wrong."""
    args = [program or binary(), command] + (["--jsonl" if command == "objects" else "--json"]
                                  if as_json else []) + [path]
    shown = " ".join(["coreheap"] + args[1:])
    try:
        done = fixture.run_bounded(args, HANG_SECONDS)
    except subprocess.TimeoutExpired:
        return "%s: never ends" % shown
    if done.returncode == -signal.SIGKILL:
        return "%s: took more than %d s of the processors" % (shown, HANG_SECONDS)
    if done.returncode not in GOOD_EXITS:
        return "%s: exit code %d: %s" % (shown, done.returncode,
                                         done.stderr.decode("utf-8", "replace")[-3000:])
    if done.returncode == 3 and not done.stderr.strip():
        return "%s: exit code 3 without a message" % shown
    try:
        text = done.stdout.decode("utf-8")
        if as_json and done.returncode != 3:
            for line in text.splitlines() if command == "objects" else [text]:
                json.loads(line)
    except ValueError as error:
        return "%s: %s" % (shown, error)
    return None


def run_all(path, commands, as_json, what):
    problems = []
    for index, command in enumerate(commands):
        problem = run_one(path, command, as_json ^ bool(index % 2))
        if problem:
            problems.append("%s: %s" % (what, problem))
    return problems


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    os.chmod(target, 0o600)


def cut_all(core, end_time, folder):
    """Cut at all places; (places done, places in all, problems)."""
    path = os.path.join(folder, "cut-" + core.name)
    copy_sparse(core.path, path)
    places, done, problems = core.cuts(), 0, []
    for place in places:
        if done and time.monotonic() > end_time:
            break
        os.truncate(path, place)
        # two commands of three at each place, other ones at the next
        problems += run_all(path, [c for i, c in enumerate(COMMANDS)
                                   if fixture.WHOLE or (i + done) % 3], bool(done // 3 % 2),
                            "cut at %d" % place)
        done += 1
        if len(problems) > 20:
            break
    os.unlink(path)
    return done, len(places), problems


VALUES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01", b"\xff" * 8, b"\x00" * 8,
          struct.pack("<Q", 1 << 63), struct.pack("<q", -16), struct.pack("<Q", (1 << 63) - 1),
          struct.pack("<I", 0xfffffff0), struct.pack("<Q", 0x10), struct.pack("<Q", 0x21)]


def damage_bytes(file, offset, rand):
    """Overwrite or flip at offset; what was there."""
    value = rand.choice(VALUES)
    file.seek(offset)
    before = file.read(len(value))
    if rand.random() < 0.5:
        before = before[:1]
        value = bytes(b ^ (1 << rand.randrange(8)) for b in before)
    file.seek(offset)
    file.write(value[:len(before)])
    file.flush()
    return before


def flip_all(core, trials, end_time, folder):
    """Seeded flips; (trials done, trials in all, problems)."""
    path = os.path.join(folder, "flip-" + core.name)
    copy_sparse(core.path, path)
    areas, done, problems = core.targets(), 0, []
    with open(path, "r+b") as file:
        for trial in range(trials):
            if done and (time.monotonic() > end_time or len(problems) > 20):
                break
            rand = random.Random("%s %d" % (core.name, trial))
            name, place, commands = areas[trial % len(areas)]
            undo = []
            for _ in range(rand.choice((1, 1, 2, 4, 16))):
                offset = min(place(rand), core.bytes - 1)
                undo.append((offset, damage_bytes(file, offset, rand)))
            problems += run_all(path, commands, bool(trial % 2), "flip %d in %s (at %s)" % (
                trial, name, ", ".join(str(offset) for offset, _ in undo)))
            for offset, before in reversed(undo):
                file.seek(offset)
                file.write(before)
            file.flush()
            done += 1
    os.unlink(path)
    return done, trials, problems


def report(tap, core, what, outcome):
    done, total, problems = outcome
    name = "%s: %s: no crash, no hang, exit code 0, 3 or 4" % (core.name, what % total)
    tap.ok(done and not problems, name, "\n".join(problems) or "nothing was tried")
    if done < total and not problems:
        tap.skip("%s: the remaining %d of %d" % (core.name, total - done, total),
                 "time is up; set DAMAGE_SECONDS")


def run(tap, cores, trials, seconds):
    """Cut and flip all cores within about this time, two at a time."""
    seconds = int(os.environ.get("DAMAGE_SECONDS", seconds))
    folder = fixture.folder()
    lock = threading.Lock()
    share = 2 * seconds / max(1, 2 * len(cores))

    def task(core, flips):
        end_time = time.monotonic() + share
        outcome = (flip_all(core, trials, end_time, folder) if flips
                   else cut_all(core, end_time, folder))
        with lock:
            report(tap, core, "%d rounds of flips" if flips else "cut at %d places", outcome)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: task(*job), [(c, f) for c in cores for f in (False, True)]))


def check_harness(tap, folder):
    """What must be noticed is noticed, in stand-ins for coreheap."""
    path = os.path.join(folder, "stand-in")
    for script, command, noticed in (
            ("kill -SEGV $$", "info", True), ("kill -ABRT $$", "info", True),
            ("exit 99", "info", True), ("exit 1", "info", True), ("exit 2", "info", True),
            ("exit 3", "info", True), ("echo no core >&2; exit 3", "info", False),
            ("echo '{}'", "info", False), ("echo '{'", "info", True),
            ("echo '{}'; echo '{}'", "objects", False), ("echo '{}'; echo '{'", "objects", True),
            ("printf '\\377'", "info", True)):
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script + "\n")
        os.chmod(path, 0o755)
        problem = run_one("core", command, True, path)
        tap.equal(problem is not None, noticed, "a program that does: " + script)


def check_control(tap, core):
    """The undamaged core is read, so that the rest means something."""
    problems = run_all(core.path, COMMANDS, True, "undamaged")
    result = subprocess.run([binary(), "info", "--json", core.path], capture_output=True,
                            check=False)
    tap.ok(not problems and result.returncode == 0,
           "%s: the undamaged core is read by all commands" % core.name,
           "\n".join(problems) + result.stderr.decode("utf-8", "replace"))


def check_cut_is_said(tap, core, folder):
    """A core that lost its second half does not count as complete."""
    path = os.path.join(folder, "half-" + core.name)
    copy_sparse(core.path, path)
    os.truncate(path, core.bytes // 2)
    for command in ("info", "summary", "heap"):
        done = subprocess.run([binary(), command, "--json", path], capture_output=True,
                              check=False)
        try:
            complete = json.loads(done.stdout)["complete"]
        except (ValueError, KeyError) as error:
            complete = error
        tap.equal(complete, False, "%s: cut in half, %s says it is not complete" % (
            core.name, command))
        strict = subprocess.run([binary(), "--strict", command, path], capture_output=True,
                                check=False)
        tap.equal(strict.returncode, 4, "%s: and with --strict %s ends with code 4" % (
            core.name, command))
    os.unlink(path)
