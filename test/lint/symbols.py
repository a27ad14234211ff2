#!/usr/bin/env python3
"""What the objects of a build say about themselves: the shared library exports
ch_ and nothing else, no part of the library prints, exits or aborts, and a
walker calls only its engine and what is on the list below. What files share has a
prefix that tells whose it is.

usage: symbols.py BUILD
"""
import collections
import os
import re
import subprocess
import sys

from circles import symbols

# stdio on streams (formatting into memory is fine), and ways to end the process.
FORBIDDEN = re.compile(
    r"stdin|stdout|stderr|v?printf|puts|putchar|putc|perror|__v?printf_chk|v?d?warnx?|v?errx?"
    r"|exit|_exit|_Exit|quick_exit|abort|__assert_fail|v?syslog|system|popen|execv?[lpe]*|fork")
# Folders of the program, which print and exit.
PROGRAM = ("render", "report", "cmd")
# Memory, text in memory, arithmetic (bits are counted by a function of the compiler), locks: a
# walker needs nothing else.
ALLOWED = re.compile(
    r"_?ch_.*|chp_.*|ch_walker_.*|malloc|calloc|realloc|reallocarray|free"
    r"|mem(cpy|move|set|cmp|mem|chr|rchr)|mempcpy"
    r"|str(n?len|n?cmp|n?casecmp|r?chr|n?dup|str|tou?ll?|spn|cspn)|__isoc23_str.*|v?snprintf"
    r"|v?asprintf|__.*_chk|qsort(_r)?|bsearch|abs|pthread_mutex_[a-z]+|pthread_once"
    r"|__popcountdi2|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer)_.*")
# The one that reads a descriptor in JSON.
READS_JSON = "src/walkers/coreclr/descriptor.o"
# Prefixes of walkers that are not the names of their folders.
PREFIXES = {"coreclr": "clr", "gperftools_tcmalloc": "tcmalloc", "hotspot": "hs"}


def exported(build):
    """What the shared library exports."""
    text = subprocess.run(["nm", "-D", "-P", "--defined-only",
                           os.path.join(build, "libcoreheap.so")], check=True,
                          capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return [row[0].split("@")[0] for row in rows if row[1] != "A"]


def check_exports(build):
    names = exported(build)
    if not names:
        yield "%s/libcoreheap.so exports nothing" % build
    for name in names:
        if not name.startswith("ch_"):
            yield "libcoreheap.so exports %s, which does not begin with ch_" % name


def check_library(objects):
    for path, (_, undefined) in objects.items():
        if path.split("/")[1] in PROGRAM or path == "src/main.o":
            continue
        for name in filter(FORBIDDEN.fullmatch, sorted(undefined)):
            yield "%s: the library must not call %s" % (path, name)


def walker_of(path):
    """The folder of a walker, or its only file."""
    parts = path.split("/")
    return None if parts[1] != "walkers" else parts[2]


def check_walkers(objects):
    # Calls between the files of one walker are its own affair.
    own = collections.defaultdict(set)
    for path, (defined, _) in objects.items():
        own[walker_of(path)] |= defined
    for path, (_, undefined) in objects.items():
        if not walker_of(path):
            continue
        for name in sorted(undefined - own[walker_of(path)]):
            if not ALLOWED.fullmatch(name) and not (
                    path == READS_JSON and name.startswith("json_")):
                yield "%s: a walker must not call %s" % (path, name)


def check_prefixes(objects):
    """That of the library, or in a walker's folder one of its own, else the folder's name."""
    for path, (defined, _) in objects.items():
        prefix = "chp?_"
        if walker_of(path) and path.count("/") > 2:
            folder = walker_of(path)
            prefix = "(ch_walker|%s)_" % PREFIXES.get(folder, folder)
        for name in sorted(defined):
            if path != "src/main.o" and not name.startswith("__") and not re.match(prefix, name):
                yield "%s: exports %s, whose name does not begin with %s" % (path, name, prefix)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    found = symbols(sorted(os.path.join(folder, name)
                           for folder, _, names in os.walk(os.path.join(build, "src"))
                           for name in names if name.endswith(".o")))
    objects = {os.path.relpath(path, build): row for path, row in found.items()}
    complaints = [*check_exports(build), *check_library(objects), *check_walkers(objects),
                  *check_prefixes(objects)]
    for line in complaints:
        print(line, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
