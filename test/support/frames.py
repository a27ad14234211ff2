"""fixtures/frames: building and dumping it, and the truth it writes."""
import os
import re
import shutil
import subprocess

import fixture

# What gdb must be asked for each thread: pc of each frame that has one of its
# own, and where the function around it begins.
GDB_SCRIPT = r'''
import gdb
import re
gdb.execute("set backtrace past-main on")
for thread in gdb.selected_inferior().threads():
    thread.switch()
    print("thread %d" % thread.ptid[1])
    frame, returned = gdb.newest_frame(), False
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            trampoline = frame.type() == gdb.SIGTRAMP_FRAME
            pc = frame.pc() - (1 if returned and not trampoline else 0)
            text = gdb.execute("info symbol 0x%x" % pc, to_string=True)
            match = re.match(r"(\S+)(?: \+ (\d+))? in section", text)
            print("frame %x %x" % (frame.pc(), pc - int(match.group(2) or 0) if match else 0))
            returned = not trampoline
        try:
            frame = frame.older()
        except gdb.error:
            break
'''


class Truth:
    """What the program wrote about itself."""

    def __init__(self, path):
        self.modules = []  # {bias, start, end, tls, name}
        self.points = {}   # symbol: address inside
        self.stacks = {}   # tid: [function, ...]
        self.bss = None
        with open(path, encoding="ascii") as file:
            for line in file:
                kind, *rest = line.rstrip("\n").split(" ")
                if kind == "module":
                    self.modules.append({"bias": int(rest[0], 16), "start": int(rest[1], 16),
                                         "end": int(rest[2], 16), "tls": int(rest[3]),
                                         "name": rest[4]})
                elif kind == "bss":
                    self.bss = (int(rest[0], 16), int(rest[1], 16))
                elif kind == "point":
                    self.points[rest[0]] = int(rest[1], 16)
                elif kind == "stack":
                    self.stacks[int(rest[0])] = rest[1:]


class Dump:
    """One core of the program: its path, the program's, and the truth."""

    def __init__(self, how, flags=(), **options):
        self.where = fixture.folder()
        built = os.path.join(fixture.folder(), "frames")
        fixture.build("frames", built, *flags)
        self.built = built
        self.program = os.path.join(self.where, "frames")
        self.core = fixture.dump(built, how, self.where, **options)
        self.truth = Truth(os.path.join(self.where, "truth"))


def build_id(path):
    """Build-id of an ELF file as readelf shows it, or None."""
    out = subprocess.run(["readelf", "-nW", path], capture_output=True, text=True, check=False,
                         env={**os.environ, "LC_ALL": "C"}).stdout
    match = re.search(r"Build ID: ([0-9a-f]+)", out)
    return match.group(1) if match else None


def why_no_gdb():
    """None when gdb can run Python, else why the comparison is left out."""
    if not shutil.which("gdb"):
        return "gdb is not installed"
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "python print(6 * 7)"],
                          capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    return None if "42" in done.stdout else "this gdb has no Python"


def gdb_stacks(core, program):
    """{tid: [(pc, start of its function or 0), ...]} as gdb sees them."""
    script = os.path.join(fixture.folder(), "stacks.py")
    with open(script, "w", encoding="ascii") as file:
        file.write(GDB_SCRIPT)
    done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                           "-c", core, program, "-x", script],
                          capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    stacks, tid = {}, None
    for line in done.stdout.splitlines():
        match = re.match(r"thread (\d+)$", line)
        if match:
            tid = int(match.group(1))
            stacks[tid] = []
        match = re.match(r"frame ([0-9a-f]+) ([0-9a-f]+)$", line)
        if match:
            stacks[tid].append((int(match.group(1), 16), int(match.group(2), 16)))
    return stacks
