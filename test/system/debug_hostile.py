#!/usr/bin/env python3
"""Debug information made to keep whoever reads it busy: small files whose entries lead to each
other, or to long texts and tables, as often as they can. Reading ends soon, and says that it left
something out.

Numbers are those of <dwarf.h>: tags, attributes and forms of DWARF 4, 7.5."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

CTYPES = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "test", "debug",
                      "ctypes")
SANITIZED = os.environ.get("BUILD", "").rstrip("/").endswith("san")
# Of the processors. What each of these costs to read once is a part of a second; before
# there was a limit, each took minutes.
SECONDS_MAX = 60 if SANITIZED else 5

NAME, BYTE_SIZE, LANGUAGE, LINE, DECLARATION, MEMBER_AT, TYPE, LOCATION, COUNT = (
    0x03, 0x0b, 0x13, 0x3b, 0x3c, 0x38, 0x49, 0x02, 0x37)
STRING, STRP, DATA1, DATA4, UDATA, REF4, EXPRLOC, PRESENT, DATA8 = (
    0x08, 0x0e, 0x0b, 0x06, 0x0f, 0x13, 0x18, 0x19, 0x07)
C99, CPLUSPLUS = 0x0c, 0x04
# Code: tag, whether it has children, attributes.
ABBREVS = {
    1: (0x11, 1, [(LANGUAGE, DATA1)]),
    2: (0x13, 1, [(NAME, STRING), (BYTE_SIZE, UDATA)]),
    3: (0x0d, 0, [(NAME, STRING), (TYPE, REF4), (MEMBER_AT, UDATA)]),
    4: (0x0f, 0, [(TYPE, REF4)]),
    5: (0x16, 0, [(NAME, STRING), (TYPE, REF4)]),
    6: (0x34, 0, [(NAME, STRING), (TYPE, REF4), (LOCATION, EXPRLOC)]),
    7: (0x24, 0, [(NAME, STRING), (BYTE_SIZE, DATA1), (0x3e, DATA1)]),
    8: (0x13, 0, [(NAME, STRING), (BYTE_SIZE, DATA1), (LINE, DATA4)]),
    9: (0x13, 0, [(NAME, STRP), (BYTE_SIZE, DATA1)]),
    10: (0x13, 0, [(NAME, STRING), (DECLARATION, PRESENT)]),
    11: (0x0d, 0, [(NAME, STRP), (TYPE, REF4), (MEMBER_AT, UDATA)]),
    12: (0x11, 0, []),
    13: (0x39, 1, [(NAME, STRING)]),
    14: (0x01, 1, [(TYPE, REF4)]),
    15: (0x21, 0, [(COUNT, DATA8)]),
}
INT = 'int: .byte 7; .asciz "int"; .byte 4, 5'
END = ".byte 0"


def repeat(count, *lines):
    return [".rept %d" % count, *lines, ".endr"]


def variable(of):
    """One that is in the program's data: v."""
    return '.byte 6; .asciz "v"; .long %s - unit; .byte 9, 3; .quad v' % of


def structure(members):
    return ['big: .byte 2; .asciz "big"; .uleb128 1 << 20', *members, END, variable("big")]


def chain():
    """Each of many members is a pointer to a typedef of a typedef ... of a pointer ..."""
    lines, last = [INT], "int"
    for i in range(63 * 64):
        kind = ".byte 4" if i % 64 == 63 else '.byte 5; .asciz "t"'
        lines.append("t%d: %s; .long %s - unit" % (i, kind, last))
        last = "t%d" % i
    return lines + structure(repeat(200000, '.byte 3; .asciz "m"; .long %s - unit; .byte 0' % last))


def texts(count, offset):
    """Structures and members whose names lie in .debug_str."""
    return [INT, *repeat(count, ".byte 9; .long %s; .byte 8" % offset),
            *structure(repeat(count, ".byte 11; .long %s; .long int - unit; .byte 0" % offset))]


def alike():
    """Structures of one name, each of another line, and declarations of it."""
    lines = [".set line, 0", *repeat(300000, '.byte 8; .asciz "x"; .byte 8; .long line',
                                     ".set line, line + 1")]
    lines += ['x%d: .byte 10; .asciz "x"' % i for i in range(1000)]
    return lines + [variable("x%d" % i) for i in range(1000)]


def text_in_place():
    """A typedef with a name of megabytes, which many members are of."""
    return [INT, 'long: .byte 5; .fill 10000000, 1, 97; .byte 0; .long int - unit',
            *structure(repeat(100000, '.byte 3; .asciz "m"; .long long - unit; .byte 0'))]


def array(of):
    return ".byte 14; .long %s - unit; .byte 15; .quad 1 << 40; .byte 0" % of


def arrays():
    """Variables that are said to be larger than all memory."""
    return ['node: .byte 2; .asciz "node"; .uleb128 16; .byte 3; .asciz "next"',
            ".long pointer - unit; .byte 0", END, "pointer: .byte 4; .long node - unit",
            "many: " + array("pointer"), "more: " + array("node"), variable("many"),
            variable("more")]


def namespaces():
    return [*repeat(300000, '.byte 13; .asciz "n"'), INT, variable("int"), *repeat(300000, END)]


# Name: language, entries, more abbreviations, other units, bytes of .debug_str, whether something
# has to be left out.
CASES = {
    "pointers to typedefs to pointers": (C99, chain(), 0, 0, 0, True),
    "names of 50 MB": (C99, texts(20000, "0"), 0, 0, 50000000, True),
    "names of 64 KB": (C99, texts(100000, "4"), 0, 0, 65000, True),
    "a name of 10 MB in place": (C99, text_in_place(), 0, 0, 0, True),
    "many structures of one name": (C99, alike(), 0, 0, 0, True),
    "many units with one long table": (C99, [], 100000, 100000, 0, True),
    "arrays of 2^40 pointers": (C99, arrays(), 0, 0, 0, False),
    "namespaces in namespaces": (CPLUSPLUS, namespaces(), 0, 0, 0, False),
}


def abbreviations(more):
    lines = []
    for code, (tag, children, attributes) in ABBREVS.items():
        numbers = [number for attribute in attributes for number in attribute]
        lines.append(".byte " + ", ".join(map(str, [code, tag, children, *numbers, 0, 0])))
    lines += [".set code, 100", *repeat(more, ".uleb128 code; .byte 0x24, 0, 0, 0",
                                        ".set code, code + 1")]
    return lines + [END]


def assembly(language, entries, more, units, text_bytes):
    return "\n".join([
        '.section .note.GNU-stack,"",@progbits',
        ".data", "v: .quad 0",
        '.section .debug_abbrev,"",@progbits', *abbreviations(more),
        '.section .debug_str,"",@progbits',
        *([".fill %d, 1, 97" % text_bytes, END] if text_bytes else []),
        '.section .debug_info,"",@progbits',
        "unit: .long unit_end - 1f", "1: .short 4; .long 0; .byte 8",
        ".byte 1, %d" % language, *entries, END, "unit_end:",
        *repeat(units, ".long 8; .short 4; .long 0; .byte 8, 12"), ""])


def compile_text(where, name, text, *flags):
    path = os.path.join(where, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    subprocess.run([os.environ.get("CC") or "cc", *flags, path], check=True)


def read(where, *objects):
    """What is said of the core of a program with these objects, and the exit code."""
    program = os.path.join(where, "program")
    compile_text(where, "main.c", "void abort(void), *malloc(unsigned long);\n"
                 "int main(void) { *(volatile char *)malloc(100) = 1; abort(); }\n", "-o", program,
                 *objects)
    core = fixture.dump(program, "kernel", where)
    done = fixture.run_bounded([CTYPES, core, "big"], SECONDS_MAX)
    named = fixture.run_bounded([fixture.COREHEAP, "types", "--by", "basis", core], SECONDS_MAX)
    return done.returncode or named.returncode, done.stderr.decode(errors="replace")


def check(tap, name, case):
    where = fixture.folder()
    entries = os.path.join(where, "entries.o")
    compile_text(where, "entries.s", assembly(*case[:5]), "-c", "-o", entries)
    code, said = read(where, entries)
    tap.equal(code, 0, name + ": is read, soon")
    tap.ok(not case[5] or "debug-info-damaged: the debug information of program" in said,
           name + ": what is left out is told", said)


def package(tap):
    """A package whose index has 2^32 rows of no columns."""
    where = fixture.folder()
    skeleton = os.path.join(where, "skeleton.o")
    compile_text(where, "skeleton.s", "\n".join([
        '.section .note.GNU-stack,"",@progbits',
        # DW_TAG_skeleton_unit with DW_AT_dwo_name, in place
        '.section .debug_abbrev,"",@progbits', ".byte 1, 0x4a, 0, 0x76, 8, 0, 0, 0",
        '.section .debug_info,"",@progbits',
        "unit: .long unit_end - 1f", "1: .short 5; .byte 4, 8; .long 0; .quad 77",
        '.byte 1; .asciz "a.dwo"', "unit_end:", ""]), "-c", "-o", skeleton)
    compile_text(where, "package.s", "\n".join([
        '.section .debug_cu_index,"",@progbits', ".long 5, 0, 0xffffffff, 0", ""]),
        "-c", "-o", os.path.join(where, "program.dwp"))
    tap.equal(read(where, skeleton)[0], 0, "a package of no columns: is read, soon")


def main():
    tap = Tap()
    reason = fixture.why_not("kernel")
    if reason:
        tap.skip("debug_hostile", reason)
        sys.exit(tap.done())
    for name, case in CASES.items():
        tap.attempt(name, check, name, case)
    tap.attempt("a package of no columns", package)
    sys.exit(tap.done())


main()
