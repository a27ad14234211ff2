#!/usr/bin/env python3
"""small_core.py IN OUT: a core with nothing but the pages that hold something: mutations of it are
soon made, and hit what is read. Pages of zeros are as if the dumper had left them out."""
import lzma
import struct
import sys

PAGE = 4096
LOAD = 1


def runs(data):
    """Where pages that are not all zeros lie, neighbours together: (from, to)."""
    start = None
    for at in range(0, len(data) + PAGE, PAGE):
        empty = not any(data[at:at + PAGE])
        if not empty and start is None:
            start = at
        elif empty and start is not None:
            yield start, min(at, len(data))
            start = None


def pieces(core):
    """Program headers and what belongs to them: of a segment one with bytes a run, and the rest."""
    where, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    for i in range(count):
        kind, flags, off, addr, _, filesz, memsz, align = struct.unpack_from(
            "<IIQQQQQQ", core, where + i * size)
        data = core[off:off + filesz]
        at = 0
        for start, end in runs(data) if kind == LOAD else [(0, filesz)]:
            if at < start:
                yield kind, flags, addr + at, start - at, align, b""
            yield kind, flags, addr + start, end - start if kind == LOAD else memsz, align, \
                data[start:end]
            at = end
        if kind == LOAD and at < memsz:
            yield kind, flags, addr + at, memsz - at, align, b""


def main():
    with lzma.open(sys.argv[1]) as file:
        core = file.read()
    rows = list(pieces(core))
    head = bytearray(core[:64])
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<H", head, 56, len(rows))
    body = bytearray()
    start = -(-(64 + 56 * len(rows)) // PAGE) * PAGE
    for kind, flags, addr, memsz, align, data in rows:
        head += struct.pack("<IIQQQQQQ", kind, flags, start + len(body), addr, 0, len(data),
                            memsz, align)
        body += data + bytes(-len(data) % PAGE)
    with open(sys.argv[2], "wb") as file:
        file.write(head + bytes(start - len(head)) + body)


if __name__ == "__main__":
    main()
