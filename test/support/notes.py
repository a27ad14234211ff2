"""Cores with other notes than their writer gave them: notes left out or changed."""
import shutil
import struct

PRSTATUS, PRPSINFO, AUXV, FILE = 1, 3, 6, 0x46494c45


def parse(data):
    """[(owner, type, desc)] of a PT_NOTE segment."""
    notes, pos = [], 0
    while pos + 12 <= len(data):
        name_bytes, desc_bytes, kind = struct.unpack_from("<III", data, pos)
        name = pos + 12
        desc = name + (name_bytes + 3) // 4 * 4
        notes.append((data[name:name + name_bytes].rstrip(b"\0"), kind,
                      data[desc:desc + desc_bytes]))
        pos = desc + (desc_bytes + 3) // 4 * 4
    return notes


def pack(notes):
    data = b""
    for owner, kind, desc in notes:
        name = owner + b"\0"
        data += struct.pack("<III", len(name), len(desc), kind) + name + \
            bytes(-len(name) % 4) + desc + bytes(-len(desc) % 4)
    return data


def program_headers(file):
    """[(offset in the file, fields)] of an ELF64 core."""
    file.seek(0)
    head = file.read(64)
    table, = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    rows = []
    for index in range(count):
        file.seek(table + index * size)
        rows.append((table + index * size, list(struct.unpack("<IIQQQQQQ", file.read(56)))))
    return rows


def rewrite(core, target, change=lambda notes: notes, header=None):
    """Copy a core, with change(notes) for its notes, which may not grow, and
    header(fields) for each program header."""
    shutil.copyfile(core, target)
    with open(target, "r+b") as file:
        for at, fields in program_headers(file):
            if fields[0] == 4:
                file.seek(fields[2])
                old = file.read(fields[5])
                new = pack(change(parse(old)))
                assert len(new) <= len(old)
                file.seek(fields[2])
                file.write(new + bytes(len(old) - len(new)))
                fields[5] = len(new)
            if header:
                fields = header(fields)
            file.seek(at)
            file.write(struct.pack("<IIQQQQQQ", *fields))
    return target


def without(core, target, *kinds):
    """Copy a core without the notes of owner CORE and these types."""
    return rewrite(core, target, lambda notes: [note for note in notes
                                                if note[0] != b"CORE" or note[1] not in kinds])
