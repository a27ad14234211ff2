#!/usr/bin/env python3
"""Cores whose notes lack what the kernel writes: NT_FILE, NT_AUXV, NT_PRPSINFO.

The same core answers the same without them: modules as the program's own dynamic
linker says, types, heaps, stacks and the map's images as with all notes. Then cores
of writers that leave these notes out: valgrind, qemu-user, and the kernel itself
where the names of mapped files take over 4 MiB."""
import glob
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import frames  # noqa: E402
import notes  # noqa: E402
from fixture import answer  # noqa: E402
from tap import Tap  # noqa: E402

PAGE = 4096
VARIANTS = {
    "plain": [],
    "no-pie": ["-no-pie"],
    "static": ["-static"],
    "static-pie": ["-static-pie"],
    "no build-id": ["-Wl,--build-id=none"],
    "holes": ["-Wl,-z,max-page-size=0x200000", "-Wl,-z,noseparate-code"],
}
LACKS = {
    "NT_FILE": (notes.FILE,),
    "NT_FILE and NT_AUXV": (notes.FILE, notes.AUXV),
    "all three": (notes.FILE, notes.AUXV, notes.PRPSINFO),
}
FACTS = ("addr", "end", "build_id", "kind", "image", "mapped_bytes", "bss_bytes", "match")
IMAGES = ("exe", "lib", "bss", "image", "vdso")


def modules(core, *options):
    """{start: facts of the module}, its file as the system has it."""
    doc = answer("modules", core, "--json", *options)
    return {int(row["addr"], 16): {**{fact: row[fact] for fact in FACTS},
                                   "file": os.path.realpath(row["matched_file"] or "")}
            for row in doc["modules"]}


def codes(core):
    return {row["code"] for row in answer("info", core, "--json")["warnings"]}


def images(core):
    """Bytes of the map that belong to images, by usage."""
    return {row["name"]: row["total_bytes"]
            for row in answer("address", core, "--json")["by_usage"] if row["name"] in IMAGES}


def rows(core, command, name, *drop):
    """Rows of a list without fields that hold a path as it was recorded."""
    return [{key: value for key, value in row.items() if key not in drop}
            for row in answer(command, core, "--json")[name]]


def stacks(core):
    return [[(frame["addr"], frame["symbol"]) for frame in thread["frames"]]
            for thread in answer("threads", core, "--json")["threads"]]


def same_answers(tap, whole, core, label):
    want, got = modules(whole), modules(core)
    tap.same_set(got, want, label + ": the same modules")
    for start in set(want) & set(got):
        tap.equal(got[start], want[start],
                  "%s: %s as with all notes" % (label, os.path.basename(want[start]["file"])))
    tap.equal(images(core), images(whole), label + ": the map has the same images")
    tap.equal(rows(core, "types", "types"), rows(whole, "types", "types"), label + ": types")
    tap.equal(rows(core, "heap", "heaps"), rows(whole, "heap", "heaps"), label + ": heaps")
    tap.equal(stacks(core), stacks(whole), label + ": stacks")


def test_variants(tap):
    for how in ("kernel", "gcore"):
        reason = fixture.why_not(how)
        for name, flags in VARIANTS.items():
            label = "%s, %s" % (name, how)
            if reason:
                tap.skip(label, reason)
                continue
            dump = frames.Dump(how, flags)
            tap.same_set(modules(dump.core), [row["start"] for row in dump.truth.modules],
                         label + ": whole, modules are the linker's")
            for lack, kinds in LACKS.items():
                core = notes.without(dump.core, dump.core + ".lacking", *kinds)
                same_answers(tap, dump.core, core, "%s, without %s" % (label, lack))
                said = {"file-note-missing"} | ({"auxv-missing"} if notes.AUXV in kinds else set()) \
                    | ({"psinfo-missing"} if notes.PRPSINFO in kinds else set())
                tap.ok(said <= codes(core) and not codes(dump.core) & said,
                       "%s, without %s: that is said" % (label, lack), codes(core))
            name_of = answer("info", core, "--json")["process"]["comm"]
            tap.equal(name_of, "frames", label + ": the process is named by its file")
            os.unlink(core)
            os.unlink(dump.core)


def test_exe(tap):
    """--exe and --sysroot work by the auxiliary vector."""
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("--exe without NT_FILE", reason)
        return
    dump = frames.Dump("gcore")
    core = notes.without(dump.core, dump.core + ".lacking", notes.FILE)
    kept = shutil.move(dump.program, os.path.join(fixture.folder(), "moved"))
    exe = [row for row in modules(core).values() if row["image"] == "exe"]
    tap.equal([row["match"] for row in exe], ["missing"], "a program that is gone is missing")
    exe = [row for row in modules(core, "--exe", kept).values() if row["image"] == "exe"]
    tap.equal([(row["match"], row["file"]) for row in exe], [("matched", kept)],
              "--exe names it without NT_FILE")


def foreign(tap, name, command, pattern):
    """The core of the same program under another writer, which is told."""
    if not shutil.which(command[0]):
        tap.skip(name, "%s is not installed" % command[0])
        return
    where = fixture.folder()
    fixture.build("frames", os.path.join(where, "frames"))
    subprocess.run([*command, "./frames", ".", "abort"], cwd=where, env={}, check=False,
                   capture_output=True, stdin=subprocess.DEVNULL, timeout=200,
                   preexec_fn=fixture.unlimited_core)
    cores = glob.glob(os.path.join(where, pattern))
    if not cores:
        tap.skip(name, "%s wrote no core" % command[0])
        return
    truth = frames.Truth(os.path.join(where, "truth"))
    got = modules(cores[0])
    libraries = [row for row in truth.modules if row["name"] != "linux-vdso.so.1"]
    tap.same_set(got, [row["start"] for row in libraries], name + ": modules are the linker's")
    for row in libraries:
        mine = got.get(row["start"], {})
        path = os.path.realpath(row["name"] or os.path.join(where, "frames"))
        tap.equal((mine.get("end"), mine.get("build_id"), mine.get("match"), mine.get("file")),
                  (hex(row["end"]), frames.build_id(path), "matched", path),
                  "%s: %s" % (name, os.path.basename(path)))
    tap.equal([row["image"] for row in got.values()].count("exe"), 1, name + ": one executable")
    tap.equal(answer("info", cores[0], "--json")["dump"]["producer"], name,
              name + ": the writer is told")
    tap.ok("file-note-missing" in codes(cores[0]), name + ": what is missing is said",
           codes(cores[0]))


def test_foreign_writers(tap):
    foreign(tap, "valgrind", ["valgrind", "-q", "--tool=none"], "vgcore.*")
    foreign(tap, "qemu-user", ["qemu-x86_64"], "qemu_*.core")


def test_long_names(tap):
    """fs/binfmt_elf.c, fill_files_note(): over 4 MiB of names there is no NT_FILE."""
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("names of over 4 MiB", reason)
        return
    where = fixture.folder()
    built = os.path.join(fixture.folder(), "longnames")
    fixture.build("longnames", built)
    core = fixture.dump(built, "kernel", where)
    info = answer("info", core, "--json")
    kinds = {row["name"] for row in info["notes"]}
    tap.ok("NT_FILE" not in kinds and "NT_AUXV" in kinds, "the kernel left NT_FILE out", kinds)
    tap.ok("file-note-missing" in codes(core), "that is said", codes(core))
    found = {os.path.basename(row["file"]): row for row in modules(core).values()}
    tap.ok({"longnames", "libc.so.6"} <= set(found), "program and libc are found", found)
    with open(os.path.join(where, "blocks"), encoding="ascii") as file:
        count, size = map(int, file.read().split())
    mine = {row["name"]: row["count"] for row in answer("types", core, "--json")["types"]
            if row["kind"] == "object"}
    tap.equal(mine.get("%d-byte blocks" % size), count, "its blocks are counted")


def elf(kind, segments, notes_data):
    """An ELF64 file of these (address, flags, bytes)."""
    count = len(segments) + 1
    extended = count >= 0xffff
    start = (64 + 56 * count + len(notes_data) + PAGE - 1) // PAGE * PAGE
    size = sum(len(data) for _, _, data in segments)
    out = [b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, 0, 64, start + size if extended else 0, 0, 64, 56,
        0xffff if extended else count, 64 if extended else 0, int(extended), 0)]
    out.append(struct.pack("<IIQQQQQQ", 4, 0, 64 + 56 * count, 0, 0, len(notes_data), 0, 4))
    at = start
    for addr, flags, data in segments:
        out.append(struct.pack("<IIQQQQQQ", 1, flags, at, addr, 0, len(data), len(data), PAGE))
        at += len(data)
    out.append(notes_data)
    out.append(bytes(start - 64 - 56 * count - len(notes_data)))
    out.extend(data for _, _, data in segments)
    if extended:
        out.append(struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 1, 0, count, 0, 0))
    return b"".join(out)


def many_images(count):
    """A core of count images, each in two segments, without NT_FILE."""
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    for at, flags in ((0, 5), (PAGE, 6)):
        head += struct.pack("<IIQQQQQQ", 1, flags, at, at, 0, PAGE, PAGE, PAGE)
    segments = []
    for index in range(count):
        base = 0x7f0000000000 + index * 4 * PAGE
        segments += [(base, 5, head.ljust(PAGE, b"\0")), (base + PAGE, 6, bytes(PAGE))]
    return elf(4, segments, notes.pack([(b"CORE", notes.PRSTATUS, bytes(336))]))


def test_cost(tap):
    """Twice the segments take twice the time: processor seconds, best of three."""
    where, spent = fixture.folder(), {}
    for count in (12500, 50000):
        core = os.path.join(where, "core%d" % count)
        with open(core, "wb") as file:
            file.write(many_images(count))
        times = []
        for _ in range(3):
            before = os.times()
            doc = answer("modules", core, "--json", "--limit", "1")
            after = os.times()
            times.append(after.children_user - before.children_user +
                         after.children_system - before.children_system)
        tap.equal(doc["modules_count"], count, "%d images in segments are found" % count)
        spent[count] = min(times)
        os.unlink(core)
    tap.ok(spent[50000] < 8 * spent[12500] + 0.2, "four times the segments: less than eight times "
           "the time", spent)


def main():
    tap = Tap()
    for test in (test_cost, test_exe, test_foreign_writers, test_long_names, test_variants):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
