"""A copy of a core that can be read by address, overwritten and mended."""
import os
import shutil
import struct

import fixture


class Writable:
    def __init__(self, source):
        self.path = os.path.join(fixture.folder(), "core")
        shutil.copy(source, self.path)
        os.chmod(self.path, 0o600)
        self.file = open(self.path, "r+b", buffering=0)
        head = self.file.read(64)
        phoff, phnum = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        self.file.seek(phoff)
        table = self.file.read(56 * phnum)
        self.loads = []
        for at in range(0, len(table), 56):
            kind, _, off, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", table, at)
            if kind == 1:
                self.loads.append((vaddr, filesz, off))

    def seek(self, addr, count):
        for vaddr, filesz, off in self.loads:
            if vaddr <= addr and addr + count <= vaddr + filesz:
                self.file.seek(off + addr - vaddr)
                return
        raise ValueError("0x%x is not in the core" % addr)

    def read(self, addr, count):
        self.seek(addr, count)
        return self.file.read(count)

    def write(self, addr, data):
        before = self.read(addr, len(data))
        self.seek(addr, len(data))
        self.file.write(data)
        return before

    def word(self, addr):
        return struct.unpack("<Q", self.read(addr, 8))[0]
