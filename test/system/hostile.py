#!/usr/bin/env python3
"""Cores made to exhaust whoever reads them: every command ends soon, in bounded
memory, with an exit code of its own, and says in a finding what it left out.

The layouts are those of <elf.h>, fs/binfmt_elf.c and the LSB (.eh_frame)."""
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import PATIENCE, WHOLE  # noqa: E402
from tap import Tap  # noqa: E402

SANITIZED = os.environ.get("BUILD", "").rstrip("/").endswith("san")
# Of the processors; what sleeps is ended long after that.
SECONDS_MAX = 120 if SANITIZED else 30
# Beside the core's own pages, per byte of it: lists of its segments, mappings and threads.
MEMORY_FIXED, MEMORY_PER_BYTE = (1 << 30, 100) if SANITIZED else (128 << 20, 24)

PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR, PT_GNU_EH_FRAME = 1, 2, 4, 6, 0x6474e550
READ, WRITE, EXEC = 4, 2, 1
RW, RX = READ | WRITE, READ | EXEC
STACK = 0x7ffff0000000
PAGE = b"\1" * 4096


def ehdr(kind, phnum, phoff=64, shoff=0):
    return struct.pack("<4s12sHHIQQQIHHHHHH", b"\x7fELF", b"\2\1\1" + 9 * b"\0", kind, 62, 1, 0,
                       phoff, shoff, 0, 64, 56, phnum, 64, 1 if shoff else 0, 0)


def phdr(kind, flags, off, addr, filesz, memsz, align=4096):
    return struct.pack("<IIQQQQQQ", kind, flags, off, addr, 0, filesz, memsz, align)


def note(name, kind, desc):
    def pad(data):
        return data + b"\0" * (-len(data) % 4)
    return struct.pack("<III", len(name) + 1, len(desc), kind) + pad(name + b"\0") + pad(desc)


def thread(tid, pc=0x400300, sp=STACK + 0x80, fp=STACK + 0x100):
    regs = [0] * 27
    regs[4], regs[16], regs[19] = fp, pc, sp
    return note(b"CORE", 1, struct.pack("<12sH18sI76s27Q8s", b"", 11 if tid == 1 else 0, b"", tid,
                                        b"", *regs, b""))


def auxv(pairs):
    return note(b"CORE", 6, b"".join(struct.pack("<QQ", *pair) for pair in pairs) + bytes(16))


def files(rows, page=4096):
    rows = list(rows)
    return note(b"CORE", 0x46494c45, struct.pack("<QQ", len(rows), page) +
                b"".join(struct.pack("<QQQ", *row[:3]) for row in rows) +
                b"".join(row[3] + b"\0" for row in rows))


def core(loads, notes, contents=PAGE, notes_count=1):
    """loads: rows of flags, addr, filesz, memsz, offset into contents."""
    loads = list(loads)
    count = len(loads) + notes_count
    notes_off = 64 + 56 * count
    off = (notes_off + len(notes) + 4095) & ~4095
    many = count >= 0xffff
    end = off + len(contents)
    return b"".join(
        [ehdr(4, 0xffff if many else count, shoff=end if many else 0),
         phdr(PT_NOTE, 0, notes_off, 0, len(notes), 0, 4) * notes_count] +
        [phdr(PT_LOAD, flags, off + at, addr, filesz, memsz)
         for flags, addr, filesz, memsz, at in loads] +
        [notes.ljust(off - notes_off, b"\0"), contents,
         struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0) if many else b""])


def one_page(notes, notes_count=1):
    return core([(RW, 0x100000, 4096, 4096, 0)], notes, notes_count=notes_count)


def image(phdrs, size=8192):
    return (ehdr(3, len(phdrs)) + b"".join(phdrs)).ljust(size, b"\0")


def endless_link_map():
    exe = bytearray(image([phdr(PT_PHDR, READ, 64, 0x400040, 168, 168),
                           phdr(PT_LOAD, RX, 0, 0x400000, 4096, 4096),
                           phdr(PT_DYNAMIC, RW, 0x400, 0x400400, 64, 64)], 4096))
    struct.pack_into("<H", exe, 16, 2)
    struct.pack_into("<QQ", exe, 0x400, 21, 0x400500)            # DT_DEBUG
    struct.pack_into("<QQ", exe, 0x500, 1, 0x400600)             # r_debug
    struct.pack_into("<QQQQQ", exe, 0x600, 0x401000, 0x400800, 0, 0x400640, 0)
    struct.pack_into("<QQQQQ", exe, 0x640, 0x401000, 0x400800, 0, 0x400600, 0)
    exe[0x800:0xfff] = b"a" * 0x7ff
    lib = image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096)], 4096)
    return core([(RX, 0x400000, 8192, 8192, 0)],
                thread(1) + auxv([(3, 0x400040), (4, 56), (5, 3)]) +
                files([(0x400000, 0x401000, 0, b"/bin/exe")]), bytes(exe) + lib)


def greedy_images():
    """Modules whose 60 program headers ask for the same 250 MiB each."""
    count, start = 3000, 0x10000000
    greedy = image([phdr(PT_LOAD, RW, i, i * 4096, 250 << 20, 250 << 20) for i in range(58)] +
                   [phdr(PT_LOAD, RX, 0, 0, 0, 4096), phdr(PT_GNU_EH_FRAME, READ, 64, 64, 64, 64)],
                   4096)
    return core([(RX, start + i * 4096, 4096, 4096, 0) for i in range(count)] +
                [(RW, start + count * 4096, 4096, 300 << 20, 0)],
                thread(1, pc=start + 0x300) +
                files((start + i * 4096, start + i * 4096 + 4096, 0, b"/l%d.so" % i)
                      for i in range(count)), greedy)


def unwind_data(expression):
    """An image whose CFA is this DWARF expression."""
    start = 0x7f0000000000
    lib = bytearray(image([phdr(PT_LOAD, RX, 0, 0, 8192, 8192),
                           phdr(PT_GNU_EH_FRAME, READ, 0x1000, 0x1000, 0x20, 0x20, 4)]))
    cie = struct.pack("<IB", 0, 1) + b"zR\0\x01\x78\x10\x01\x1b" + \
        bytes([0x0f, len(expression)]) + expression + b"\x90\x01"
    cie += b"\0" * (-len(cie) % 4)
    fde_at = 0x1020 + 4 + len(cie)
    fde = struct.pack("<IiI", fde_at + 4 - 0x1020, 0x300 - (fde_at + 8), 0x100) + 4 * b"\0"
    struct.pack_into("<BBBBiIii", lib, 0x1000, 1, 0x1b, 3, 0x3b, 0x1020 - 0x1004, 1,
                     0x300 - 0x1000, fde_at - 0x1000)
    entries = struct.pack("<I", len(cie)) + cie + struct.pack("<I", len(fde)) + fde
    lib[0x1020:0x1020 + len(entries)] = entries
    stack = bytes(128) + struct.pack("<Q", start + 0x320) * 100
    return core([(RX, start, 8192, 8192, 0), (RW, STACK, 1024, 135168, 8192)],
                thread(1, pc=start + 0x310) +
                files([(start, start + 8192, 0, b"/lib/libx.so")]),
                bytes(lib) + stack.ljust(4096, b"\0"))


def sparse_headers(path):
    """2^32 - 1 program headers in a file of 225 GiB without a single block of contents."""
    count = (1 << 32) - 1
    with open(path, "wb") as file:
        file.write(ehdr(4, 0xffff, phoff=4096, shoff=64))
        file.write(struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0))
        file.truncate(4096 + 56 * count)


def long_link_map():
    """60,000 libraries that NT_FILE does not name, each with the same long path."""
    count, image_at, maps_at, libs_at = 60000, 0x402000, 0x10000000, 0x20000000
    exe = bytearray(image([phdr(PT_PHDR, READ, 64, 0x400040, 168, 168),
                           phdr(PT_LOAD, RX, 0, 0x400000, 4096, 4096),
                           phdr(PT_DYNAMIC, RW, 0x400, 0x400400, 64, 64)], 4096))
    struct.pack_into("<H", exe, 16, 2)
    struct.pack_into("<QQ", exe, 0x400, 21, 0x400500)            # DT_DEBUG
    struct.pack_into("<QQ", exe, 0x500, 1, maps_at)              # r_debug
    lib = image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096)], 4096)
    maps = b"".join(struct.pack("<5Q", libs_at + i * 4096, image_at, 0,
                                maps_at + 40 * (i + 1) if i < count - 1 else 0, 0)
                    for i in range(count))
    maps += b"\0" * (-len(maps) % 4096)
    return core([(RX, 0x400000, 4096, 4096, 0), (RX, image_at, 4096, 4096, 8192),
                 (RW, maps_at, len(maps), len(maps), 12288)] +
                [(RX, libs_at + i * 4096, 4096, 4096, 4096) for i in range(count)],
                thread(1) + auxv([(3, 0x400040), (4, 56), (5, 3)]) +
                files([(0x400000, 0x401000, 0, b"/bin/exe")]),
                bytes(exe) + lib + b"/" + b"a" * 4094 + b"\0" + maps)


def symbol_tables():
    """1,000 modules whose dynamic sections name the same large symbol and string tables."""
    count, start, strings, symbols = 1000, 0x10000000, 0x40000000, 0x50000000
    number, names = 100000, 16 << 20
    tables = b"".join(struct.pack("<IBBHQQ", 1 + i % 50000, 0x12, 0, 1, 0x300 + i % 0xc00, 1)
                      for i in range(number))
    tables += b"\0" * (-len(tables) % 4096)
    images = []
    for i in range(count):
        lib = bytearray(image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096),
                               phdr(PT_DYNAMIC, RW, 0x400, 0x400, 0x60, 0x60)], 4096))
        bias = start + i * 4096
        struct.pack_into("<10Q", lib, 0x400, 5, strings - bias, 6, symbols - bias, 10, names,
                         4, symbols - 4096 - bias, 0, 0)
        images.append(bytes(lib))
    contents = (b"".join(images) + struct.pack("<II", 1, number).ljust(4096, b"\0") + tables +
                (b"\0" + b"n" * 60000 + b"@v\0").ljust(names, b"x"))
    at = count * 4096
    return core([(RX, start, at, at, 0),
                 (RW, strings, names, names, at + 4096 + len(tables)),
                 (RW, symbols - 4096, 4096 + len(tables), 4096 + len(tables), at)],
                b"".join(thread(i + 1, pc=start + i * 4096 + 0x310) for i in range(count)) +
                files((start + i * 4096, start + i * 4096 + 4096, 0, b"/l%d.so" % i)
                      for i in range(count)), contents)


def images_without_end():
    count, lib = 60000, image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096)], 4096)
    return core([(RX, (1 << 28) + i * 8192, 4096, 4096, 0) for i in range(count)],
                thread(1, pc=(1 << 28) + 0x300) +
                files(((1 << 28) + i * 8192, (1 << 28) + i * 8192 + 4096, 0, b"/l%d.so" % i)
                      for i in range(count)), lib)


def one_file_many_times():
    """A file of this system that fits its first page, as 60,000 modules."""
    count, path, step = 60000, os.path.realpath("/bin/true"), 1 << 20
    with open(path, "rb") as file:
        first = file.read(4096)
    return core([(RX, (1 << 28) + i * step, 4096, 4096, 0) for i in range(count)],
                thread(1, pc=(1 << 28) + 0x300) +
                files(((1 << 28) + i * step, (1 << 28) + i * step + 4096, 0, path.encode())
                      for i in range(count)), first)


def shared_data():
    """200 modules with 32 MiB of data each, all of them the same bytes of the core."""
    count, start, step, data = 200, 0x100000000, 64 << 20, 32 << 20
    lib = image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096),
                 phdr(PT_LOAD, RW, 4096, 4096, data, data)], 4096)
    loads, rows = [], []
    for i in range(count):
        at, name = start + i * step, b"/libjemalloc%d.so" % i
        loads += [(RX, at, 4096, 4096, 0), (RW, at + 4096, data, data, 4096)]
        rows += [(at, at + 4096, 0, name), (at + 4096, at + 4096 + data, 1, name)]
    return core(loads, thread(1) + files(rows), lib + bytes(data))


N = 200000
SHARED_STACK = "130,000 threads on one stack"
MANY_TIMES = "one file that is 60,000 modules"
CASES = [
    # name, the core or what writes it, the finding that tells it
    ("a segment as large as the address space",
     lambda: core([(RW, 0x100000, 4096, 1 << 46, 0)], thread(1)), None),
    ("a libc as large as the address space",
     lambda: core([(RX, 0x400000, 4096, 4096, 0), (RW, 0x401000, 4096, 1 << 46, 0)],
                  thread(1) + auxv([(9, 0x400300)]) +
                  files([(0x400000, 0x401000, 0, b"/lib/libc.so.6"),
                         (0x401000, 1 << 46, 1, b"/lib/libc.so.6")]),
                  image([phdr(PT_LOAD, RX, 0, 0, 4096, 4096),
                         phdr(PT_LOAD, RW, 4096, 4096, 4096, (1 << 34) - 8192)], 8192)), None),
    ("segments at the end of the address space",
     lambda: core([(RW, (1 << 64) - 4096, 4096, 4095, 0), (RW, 1 << 63, 4096, 1 << 62, 0)],
                  thread(1)), None),
    ("segments of one byte, touching",
     lambda: core(((RW if i & 1 else RX, 0x100000 + i, 1, 1, 0) for i in range(N)), thread(1)),
     None),
    ("segments that share one page of the file",
     lambda: core(((RW, 0x100000 + i * 8192, 4096, 4096, 0) for i in range(N)), thread(1)),
     "segments-share-bytes"),
    ("segments that share 4 MiB, 117 GiB in all",
     lambda: core(((RW, 0x100000000 + (i << 23), 1 << 22, 1 << 22, 0) for i in range(30000)),
                  thread(1), bytes(range(256)) * (1 << 14)), "segments-share-bytes"),
    ("segments that overlap, all of them",
     lambda: core(((RW, 0x100000 + i, 4096, 1 << 40, 0) for i in range(N)), thread(1)),
     "segment-overlap"),
    ("2^32 - 1 program headers", sparse_headers, "too-many-segments"),
    ("60,000 note segments over one NT_FILE",
     lambda: one_page(thread(1) + files((i << 20, (i << 20) + 4096, 0, b"/x")
                                        for i in range(100000)), 60000), "note-damaged"),
    ("60,000 note segments over one long name",
     lambda: one_page(note(b"\1" * 1000000, 77, b""), 60000), "note-damaged"),
    ("NT_FILE that claims 2^32 rows",
     lambda: one_page(thread(1) + note(b"CORE", 0x46494c45,
                                       struct.pack("<QQ", 1 << 32, 4096) + bytes(4096))),
     "note-damaged"),
    ("mapped files of one byte each",
     lambda: one_page(thread(1) + files(((1 << 28) + i, (1 << 28) + i + 1, 0, b"/f")
                                        for i in range(N))), None),
    ("libraries without end, none of them there",
     lambda: core([(RX, 1 << 28, 4096, N * 4096, 0)],
                  thread(1) + files(((1 << 28) + i * 4096, (1 << 28) + i * 4096 + 4096, i,
                                     b"/l%d.so" % i) for i in range(N))), None),
    (SHARED_STACK,
     lambda: core([(RW, STACK, 4096, 135168, 0), (RX, 0x400000, 4096, 4096, 0)],
                  b"".join(thread(i + 1) for i in range(130000))), None),
    ("a link map that comes back to itself", endless_link_map, "link-map-damaged"),
    ("images that ask for the same memory again and again", greedy_images, None),
    ("unwind data that jumps back for ever", lambda: unwind_data(b"\x2f\xfd\xff"), None),
    ("unwind data that jumps back on a condition", lambda: unwind_data(b"\x31\x28\xfc\xff"), None),
    ("a link map of 60,000 libraries", long_link_map, "too-many-modules"),
    ("symbol tables that 1,000 modules have in common", symbol_tables, "too-many-symbols"),
    ("60,000 images", images_without_end, "too-many-modules"),
    (MANY_TIMES, one_file_many_times, "too-many-files"),
    ("data that 200 modules have in common", shared_data, None),
]
COMMANDS = ["info", "modules", "threads", "address", "heap", "types", "objects", "summary", "leaks", "retained", "diff"]


# elfutils up to 0.192 loses the stack of an expression that takes too many steps (expr_eval).
LEAKS = os.path.join(os.environ.get("TMPDIR", "/tmp"), "leaks-of-others-%d" % os.getpid())


def run(arguments):
    """Exit code (negative: signal, None: took too long), memory in bytes, output, messages."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([os.environ["COREHEAP"]] + arguments, stdout=out, stderr=err,
                                   env=dict(os.environ, LSAN_OPTIONS="suppressions=" + LEAKS))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
        timer = threading.Timer(SECONDS_MAX * PATIENCE, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        late = process.returncode == -signal.SIGKILL
        return None if late else process.returncode, usage.ru_maxrss << 10, out.read(), err.read()


def check(tap, path, name, finding, turn):
    # A sparse file takes as much memory as it has program headers that are read: 2 million.
    of_file = MEMORY_PER_BYTE * min(os.path.getsize(path), 64 << 20)
    wrong = []
    # of two commands one, and those that ask for everything
    for number, command in enumerate(COMMANDS):
        if not WHOLE and (number + turn) % 2 and command not in ("info", "summary"):
            continue
        files = [path] * (2 if command == "diff" else 1)
        most = MEMORY_FIXED + of_file * len(files)
        if name == MANY_TIMES:
            # Pages of a file count for each of its mappings, of which there may be 4,096; how
            # many are mapped around the ones that are read is up to the page cache.
            most += 4096 * os.path.getsize("/bin/true")
        code, memory, _, err = run([command, *files])
        if code not in (0, 3) or memory > most:
            wrong.append("%s: exit code %s, %d MiB (at most %d): %s" % (
                command, code, memory >> 20, most >> 20, err[-2000:].decode(errors="replace")))
    tap.ok(not wrong, "%s: commands end well" % name, "\n".join(wrong))
    if finding:
        codes = set()
        for command in "summary", "threads":
            _, _, out, err = run([command, "--json", path])
            try:
                codes |= {warning["code"] for warning in json.loads(out)["warnings"]}
            except (ValueError, KeyError):
                codes.add("no JSON: " + err.decode(errors="replace"))
        tap.ok(finding in codes, "%s: says so" % name, "%s is not in %s" % (finding, sorted(codes)))


def check_shared_stack(tap, path):
    """Each byte of a stack that all threads have in common counts once."""
    for command in "threads", "summary":
        _, _, out, _ = run([command, "--json", "--limit", "1", path])
        found = json.loads(out)
        found = found["total_stack_bytes" if command == "threads" else "threads"]
        tap.equal(found if command == "threads" else found["stack_bytes"], 135168,
                  "%s: %s counts its bytes once" % (SHARED_STACK, command))


def write(make, path):
    """In a process of its own: a child's memory counts from that of its parent on."""
    pid = os.fork()
    if pid == 0:
        if make is sparse_headers:
            make(path)
        else:
            with open(path, "wb") as file:
                file.write(make())
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the core could not be written")


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        with open(LEAKS, "w", encoding="ascii") as file:
            file.write("leak:libdw\n")
        path = os.path.join(folder, "core")
        for turn, (name, make, finding) in enumerate(CASES):
            write(make, path)
            tap.attempt(name, check, path, name, finding, turn)
            if name == SHARED_STACK:
                tap.attempt(name, check_shared_stack, path)
            os.unlink(path)
        os.unlink(LEAKS)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
