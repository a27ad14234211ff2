#!/usr/bin/env python3
"""The checked-in cores of .NET Core 3.1 and .NET 8 to 11: types, counts and roots are the
program's own, where no .NET is installed."""
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import notes  # noqa: E402
import story  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Version: collector, layout of its heap, and whether it tells where its fields are.
CORES = {
    "3.1.3": ("workstation", "segments", False),
    "8.0.33": ("workstation", "regions", False),
    "9.0.22": ("workstation", "segments", True),
    # A program of one file: it leaves the descriptor away.
    "9.0.20": ("workstation", "regions", True),
    "10.0.12": ("server", "regions", True),
    "11.0.0": ("workstation", "regions", True),
}
SINGLE = "9.0.20"
# Before .NET 9 statics of types that can be unloaded have no names here.
NOT_NAMED = ("Story.ByCollectible",)
COMPILED = ("Emitted.Type..ctor", "Generated.Type0..ctor", "Generated.Type1..ctor",
            "Generated.Type2..ctor")


def file_rows(core):
    """(start, end, offset in pages, path) of the files that were mapped."""
    with open(core, "rb") as file:
        for _, fields in notes.program_headers(file):
            if fields[0] != 4:
                continue
            file.seek(fields[2])
            for _, kind, desc in notes.parse(file.read(fields[5])):
                if kind == notes.FILE:
                    count, = struct.unpack_from("<Q", desc)
                    paths = desc[16 + 24 * count:].split(b"\0")
                    return [struct.unpack_from("<QQQ", desc, 16 + 24 * k) + (paths[k].decode(),)
                            for k in range(count)]
    return []


def relocated(core, base):
    """What the linker relocated and protected of the image at base: those pages were written to."""
    with open(core, "rb") as file:
        for _, fields in notes.program_headers(file):
            if fields[0] == 1 and fields[3] == base and fields[5]:
                file.seek(fields[2])
                head = file.read(4096)
    table, = struct.unpack_from("<Q", head, 32)
    count, = struct.unpack_from("<H", head, 56)
    for k in range(count):
        kind, _, _, addr, _, _, size, _ = struct.unpack_from("<IIQQQQQQ", head, table + 56 * k)
        if kind == 0x6474E552:
            return base + addr & ~4095, base + addr + size
    return 0, 0


def without_files(core, target):
    """A copy as the kernel writes it where nothing is set: of the runtime's files, only the head
    of its library and pages that were written to."""
    rows = [row for row in file_rows(core) if row[3].endswith((".dll", "libcoreclr.so"))]
    base = min(row[0] for row in rows if row[3].endswith("libcoreclr.so"))
    low, high = relocated(core, base)

    def change(fields):
        kind, flags, start = fields[0], fields[1], fields[3]
        if kind == 1 and not flags & 2 and start != base and not low <= start < high and \
                any(row[0] <= start < row[1] for row in rows):
            fields[5] = 0
        return fields
    notes.rewrite(core, target, header=change)


def check_needs(tap, name, core, truth):
    """No file and no name: objects by method table all the same, and what is needed."""
    lacking = core + ".lacking"
    without_files(core, lacking)
    full = fixture.answer("types", "--json", "--limit", "0", core)["types"]
    answer = fixture.answer("types", "--json", "--limit", "0", lacking)
    os.unlink(lacking)
    rows = [row for row in answer["types"] if row["runtime"] == "coreclr"]
    tap.equal(sum(row["total_bytes"] for row in rows),
              sum(row["total_bytes"] for row in full if row["runtime"] == "coreclr"),
              name + " without files: the same bytes")
    counts = [row["count"] for row in rows if row["name"].startswith("MT 0x")]
    tap.ok(all(count in counts for count in truth.values()),
           name + " without files: the program's counts, by method table", counts)
    needs = [row["message"] for row in answer["warnings"] if row["code"] == "clr-no-metadata"]
    tap.ok(needs and re.search(r"needed: libcoreclr\.so \(build-id [0-9a-f]{40}\), "
                               r"System\.Private\.CoreLib\.dll.*--sysroot DIR$", needs[0]),
           name + " without files: what is needed, and how to give it", needs)


def check_methods(tap, name, core):
    """What was compiled, also in assemblies that can be unloaded: each piece of code once."""
    rows = fixture.answer("methods", "--json", "--limit", "0", core)["methods"]
    addrs = [row["addr"] for row in rows]
    tap.equal(sorted(addr for addr in set(addrs) if addrs.count(addr) > 1), [],
              name + ": each method once")
    names = [row["name"] for row in rows]
    tap.equal({wanted: names.count(wanted) for wanted in COMPILED}, dict.fromkeys(COMPILED, 1),
              name + ": methods that were compiled")


def check(tap, version):
    collector, layout, tells = CORES[version]
    folder = os.path.join(repo(), "fixtures", "dotnet-cores")
    core = fixture.unpack("dotnet-cores", version)
    truth = story.read_truth(os.path.join(folder, version + ".truth"))
    name = ".NET " + version
    story.check_types(tap, name, core, truth)
    if version != SINGLE:
        check_needs(tap, name, core, truth)
    story.check_heap(tap, name, core, collector, layout)
    check_methods(tap, name, core)
    with open(os.path.join(folder, version + ".native"), encoding="utf-8") as file:
        story.check_roots(tap, name, core, truth, file.read().strip(), () if tells else NOT_NAMED)


def main():
    tap = Tap()
    for version in CORES:
        tap.attempt(version, check, version)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
