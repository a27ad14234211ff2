#!/usr/bin/env python3
"""Files that are no bare ELF core: each is named, with what to do about it, whether
it comes plain or packed. The programs that write such files make them here."""
import base64
import bz2
import gzip
import io
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import checked_in, coreheap, folder, unpack  # noqa: E402
from tap import Tap  # noqa: E402

ELF = b"\x7fELF\x02\x01\x01" + bytes(9)


def elf(kind, notes=b"", machine=62, phnum=1):
    """An ELF file of this type with one PT_NOTE."""
    head = ELF + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, phnum,
                             0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), 0, 4) + notes


def note(owner, kind=0, desc=b"text"):
    name = owner + b"\0"
    return struct.pack("<III", len(name), len(desc), kind) + name + bytes(-len(name) % 4) + \
        desc + bytes(-len(desc) % 4)


def tar(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(name, data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def mach_o(filetype):
    return struct.pack("<IIIIIIII", 0xfeedfacf, 0x01000007, 3, filetype, 0, 0, 0, 0)


def windows_program():
    return (b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0").ljust(512, b"\0")


def apport(core):
    """As apport writes it: RFC 822 fields, values of many lines indented."""
    packed = base64.b64encode(gzip.compress(core)).decode()
    return ("ProblemType: Crash\nArchitecture: amd64\nDate: Mon Nov 30 06:00:00 2026\n"
            "CoreDump: base64\n %s\n" % packed).encode()


def inputs(core):
    """{name: (bytes, words of the message)}"""
    return {
        "tar": (tar("core", core), ("tar archive", "tar -xf")),
        "zip": (zipped("core", core), ("zip archive", "unzip")),
        "bzip2": (bz2.compress(core), ("bzip2 data", "bzip2 -dc")),
        "lzma": (lzma.compress(core, format=lzma.FORMAT_ALONE), ("lzma data", "xz -dc")),
        "lz4 legacy": (struct.pack("<II", 0x184c2102, 4) + b"text", ("legacy", "lz4 -dc")),
        "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24), ("7z archive", "7z x")),
        "cpio": (b"07070100000001" + b"0" * 96, ("cpio archive",)),
        "base64": (base64.encodebytes(core), ("base64 text", "base64 -d")),
        "minidump": (b"MDMP\x93\xa7\0\0" + bytes(24), ("minidump", "minidump_stackwalk")),
        "Windows kernel": (b"PAGEDU64" + bytes(100), ("Windows kernel", "WinDbg")),
        "kdump": (b"KDUMP   \6\0\0\0" + bytes(100), ("kdump", "Linux kernel", "crash")),
        "flattened": (b"makedumpfile\0\0\0\0" + bytes(100), ("makedumpfile -R",)),
        "hprof": (b"JAVA PROFILE 1.0.2\0\0\0\0\x08" + bytes(8), ("hprof", "gcore PID")),
        "apport": (apport(core), ("apport", "apport-unpack")),
        "heapsnapshot": (b'{"snapshot":{"meta":{"node_fields":["type"]}}}', ("V8",)),
        "perf.data": (b"PERFILE2" + bytes(96), ("perf report",)),
        "journal": (b"LPKSHHRH" + bytes(200), ("journal", "coredumpctl dump")),
        "Mach-O core": (mach_o(4), ("Mach-O core", "lldb")),
        "Mach-O program": (mach_o(2), ("Mach-O program",)),
        "Java class": (b"\xca\xfe\xba\xbe\0\0\0\x3d" + bytes(8), ("Java class",)),
        "universal Mach-O": (b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40), ("several machines",)),
        "PE": (windows_program(), ("Windows program",)),
        "erl_crash.dump": (b"=erl_crash_dump:0.5\nMon\n", ("Erlang",)),
        "hs_err": (b"#\n# A fatal error has been detected by the Java Runtime Environment:\n",
                   ("hs_err",)),
        "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                    ("git lfs pull",)),
        "HTML": (b"<!DOCTYPE html>\n<html>", ("HTML page",)),
        "text": (b"Segmentation fault (core dumped)\n", ("a text file",)),
        "MZ and no PE": (b"MZ" + bytes(range(62)), ("not an ELF file",)),
        "random bytes": (bytes(range(255, 0, -1)), ("not an ELF file",)),
        "zeros": (bytes(8192), ("zero bytes",)),
        "zeros, then more": (bytes(4096) + b"text", ("zero bytes",)),
        "few zeros": (bytes(64) + b"\1\2\3" * 50, ("not an ELF file",)),
        "ELF program": (elf(2), ("executable", "--exe")),
        "ELF library": (elf(3), ("shared library",)),
        "ELF object": (elf(1), ("object file",)),
        "vmcore": (elf(4, note(b"VMCOREINFO")), ("Linux kernel (vmcore)", "crash")),
        "vmcore, threads first": (elf(4, note(b"CORE", 1, bytes(336)) + note(b"VMCOREINFO")),
                                  ("Linux kernel (vmcore)",)),
        "virtual machine": (elf(4, note(b"CORE", 1, bytes(336)) + note(b"QEMU")),
                            ("virtual machine",)),
        "FreeBSD": (elf(4, note(b"FreeBSD", 1, bytes(336))), ("FreeBSD",)),
        "cut in ELF header": (core[:40], ("cut off inside",)),
        "cut behind ELF header": (core[:64], ("cut off before its program headers",)),
        "cut in the first program header": (core[:119], ("cut off before its program headers",)),
    }


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True,
                          check=True).stdout


PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "zstd": zstd}


def one_line(result):
    return result.code == 3 and not result.out and result.err.startswith("coreheap: ") and \
        result.err.count("\n") == 1


def refused(tap, where, name, data, words, args=()):
    path = os.path.join(where, name)
    with open(path, "wb") as file:
        file.write(data)
    result = coreheap("info", path, *args)
    tap.ok(one_line(result) and all(word in result.err for word in words),
           "%s: named by what it is" % name, result)
    os.unlink(path)


def main():
    tap = Tap()
    where = folder()
    with open(unpack(checked_in()[0]), "rb") as file:
        core = file.read(1 << 20)
    rows = inputs(core)
    for name, (data, words) in rows.items():
        refused(tap, where, name, data, words)
    for packer, pack in PACKERS.items():
        if packer == "zstd" and not shutil.which("zstd"):
            tap.skip("zstd", "zstd is not installed")
            continue
        for name in ("tar", "minidump", "vmcore", "text", "ELF program", "cut in ELF header"):
            data, words = rows[name]
            refused(tap, where, "%s in %s" % (name, packer), pack(data),
                    (packer + " data", *words))
        refused(tap, where, "packed twice by " + packer, pack(gzip.compress(core)),
                (packer + " data", "packed once more"))
    # what is inside is seen before all of it is unpacked
    refused(tap, where, "a large archive", gzip.compress(tar("core", bytes(64 << 20))),
            ("tar archive",), ("--temp-bytes", "16777216"))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
