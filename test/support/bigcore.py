"""Cores of any size that take no room: written word by word, with holes for memory."""
import struct

PAGE = 4096
LOAD, NOTE, CORE_TYPE, X86_64 = 1, 4, 4, 62
PRSTATUS, PRSTATUS_BYTES, PRSTATUS_PID, PRSTATUS_SP = 1, 336, 32, 112 + 19 * 8
FIRST = 0x100000000


def note(kind, desc):
    return struct.pack("<III", 5, len(desc), kind) + b"CORE\0\0\0\0" + desc + b"\0" * (-len(desc) % 4)


def thread(tid, sp):
    desc = bytearray(PRSTATUS_BYTES)
    struct.pack_into("<I", desc, PRSTATUS_PID, tid)
    struct.pack_into("<Q", desc, PRSTATUS_SP, sp)
    return note(PRSTATUS, bytes(desc))


def write(path, segments, threads=1, contents=(), cut=None):
    """A core whose writable segments, (address, bytes in the core), follow each other in the file;
    contents: (address, bytes) of what is there, all else is a hole. Each thread has its stack
    pointer in a segment of its own, as far as they go. cut: how long the file is instead."""
    notes = b"".join(thread(1 + i, segments[i % len(segments)][0] + 64) for i in range(threads))
    count = 1 + len(segments)
    table = 64 + 56 * count
    begin = (table + len(notes) + 64 + PAGE) // PAGE * PAGE
    rows, offsets, at = [struct.pack("<IIQQQQQQ", NOTE, 0, table, 0, 0, len(notes), 0, 4)], {}, begin
    for addr, size in segments:
        rows.append(struct.pack("<IIQQQQQQ", LOAD, 6, at, addr, 0, size, size, PAGE))
        offsets[addr] = at
        at += size
    # gABI, "Extended numbering": from 0xffff on the number is in section header 0
    many = count >= 0xffff
    with open(path, "wb") as file:
        file.write(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
            "<HHIQQQIHHHHHH", CORE_TYPE, X86_64, 1, 0, 64, at if many else 0, 0, 64, 56,
            0xffff if many else count, 64 if many else 0, 1 if many else 0, 0))
        file.write(b"".join(rows) + notes)
        for addr, data in contents:
            start = max(low for low in offsets if low <= addr) if len(segments) < 1000 else addr
            file.seek(offsets[start] + addr - start)
            file.write(data)
        if many:
            file.seek(at)
            file.write(struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0))
            at += 64
        file.truncate(cut or at)


def hole(size):
    """(segments, contents): one segment with a word in its middle; the rest is no memory."""
    return [(FIRST, size)], [(FIRST, b"first word"), (FIRST + size // 2, b"the only word")]


def many_segments(count):
    return [(FIRST + 2 * PAGE * i, PAGE) for i in range(count)]
