#!/usr/bin/env python3
"""The memory map and `address` against what the dumped programs knew.

Truth comes from elsewhere: /proc/self/maps at the moment of the dump, ranges
that the programs wrote down, pthread_getattr_np(), and the program headers
and NT_FILE note of the core, parsed here.
"""
import csv
import io
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import (COREHEAP, answer, build, checked_in, coreheap, dump, folder,  # noqa: E402
                     records, unpack, why_not)
from tap import Tap  # noqa: E402

VSYSCALL = 0xffffffffff600000
SPACE_END = 0x7ffffffff000
PT_LOAD, PT_NOTE, NT_FILE = 1, 4, 0x46494c45
HEAPS = {"heap(brk)", "arena", "mmap-chunk"}
IMAGES = {"exe", "lib", "bss"}


class Core:
    """Segments and file mappings of a core, read without coreheap."""

    def __init__(self, path):
        self.segments = []
        self.files = []
        with open(path, "rb") as file:
            header = file.read(64)
            phoff, = struct.unpack_from("<Q", header, 32)
            shoff, = struct.unpack_from("<Q", header, 40)
            count, = struct.unpack_from("<H", header, 56)
            if count == 0xffff:
                file.seek(shoff)
                count, = struct.unpack_from("<I", file.read(64), 44)
            file.seek(phoff)
            table = file.read(56 * count)
            for at in range(0, len(table) - 55, 56):
                kind, flags, off, vaddr, _, filesz, memsz = struct.unpack_from(
                    "<IIQQQQQ", table, at)
                if kind == PT_LOAD and memsz:
                    self.segments.append((vaddr, vaddr + memsz, flags, filesz))
                elif kind == PT_NOTE:
                    file.seek(off)
                    self.read_notes(file.read(filesz))

    def read_notes(self, data):
        at = 0
        while at + 12 <= len(data):
            namesz, descsz, kind = struct.unpack_from("<III", data, at)
            at += 12 + (namesz + 3) // 4 * 4
            if kind == NT_FILE:
                count, page = struct.unpack_from("<QQ", data, at)
                names = data[at + 16 + 24 * count:at + descsz].split(b"\0")
                for i in range(count):
                    start, end, off = struct.unpack_from("<QQQ", data, at + 16 + 24 * i)
                    self.files.append((start, end, off * page, names[i].decode()))
            at += (descsz + 3) // 4 * 4

    def mapped_bytes(self):
        """Bytes in the address space that a segment or a file mapping covers."""
        covered = total = 0
        for start, end, *_ in sorted(self.segments + self.files):
            start, end = max(start, covered), min(end, SPACE_END)
            if start < end:
                total += end - start
                covered = end
        return total


def sum_bytes(rows, *skip):
    return sum(row["total_bytes"] or 0 for row in rows if row["name"] not in skip)


def span(region):
    return int(region["addr"], 16), int(region["end"], 16)


def totals_by(regions, key):
    totals = {}
    for region in regions:
        name = region[key]
        count, size = totals.get(name, (0, 0))
        totals[name] = (count + 1, size + region["total_bytes"])
    return totals


def native_totals(rows):
    return {row["native_name"]: (row["regions_count"], row["total_bytes"]) for row in rows}


def check_sums(tap, name, doc, core):
    """The five tables close, and agree with the core's own headers."""
    space = doc["address_space"]
    busy = space["busy_bytes"]
    free = next(row["total_bytes"] for row in doc["by_usage"] if row["name"] == "Free")
    tap.equal((free + busy, space["total_bytes"]), (SPACE_END, SPACE_END),
              name + ": free + busy = address space")
    tap.equal((sum_bytes(doc["by_usage"], "Free"), sum_bytes(doc["by_type"]),
               sum_bytes(doc["by_state"], "MEM_FREE")), (busy, busy, busy),
              name + ": usage, type and state add up to busy")
    commit = next(row["total_bytes"] for row in doc["by_state"] if row["name"] == "MEM_COMMIT")
    tap.equal(sum_bytes(doc["by_protect"]), commit, name + ": protect = commit")
    tap.equal(busy, core.mapped_bytes(), name + ": busy = segments and NT_FILE of the core")
    tap.ok(len(doc["invariants"]) == 8 and all(row["ok"] for row in doc["invariants"]),
           name + ": its own invariants hold", doc["invariants"])
    missing = sum(row["total_bytes"] for row in doc["not_in_core"])
    tap.equal(space["in_core_bytes"] + missing, busy,
              name + ": what is in the core and what is not add up to busy")
    for table in ("by_usage", "by_type", "by_state", "by_protect"):
        sizes = [row["total_bytes"] or 0 for row in doc[table]]
        tap.equal(sizes, sorted(sizes, reverse=True), name + ": %s is sorted by size" % table)


def check_regions(tap, name, doc):
    """The list covers the address space, and the tables are sums of it."""
    regions = doc["regions"]
    at = 0
    for region in regions:
        start, end = span(region)
        if start != at or end <= start or end - start != region["total_bytes"]:
            break
        at = end
    tap.equal(at, SPACE_END, name + ": regions touch each other from 0 to the end")
    usages = totals_by(regions, "usage")
    if doc["dump"]["producer"] == "createdump":
        usages["free or not recorded"] = usages.pop("free")
    tap.equal(native_totals(doc["by_usage"]), usages, name + ": by_usage sums the regions")
    busy = [region for region in regions if region["state"] != "MEM_FREE"]
    tap.equal({row["name"]: (row["regions_count"], row["total_bytes"]) for row in doc["by_type"]},
              totals_by(busy, "type"), name + ": by_type sums the regions")
    largest = {}
    for region in regions:
        usage = region["windbg_usage"], region["usage"]
        if region["total_bytes"] > largest.get(usage, (0, ""))[0]:
            largest[usage] = region["total_bytes"], region["addr"]
    got = {(row["name"], row["native_name"].replace(" or not recorded", "")):
           (row["total_bytes"], row["addr"]) for row in doc["largest_by_usage"]}
    tap.equal(got, largest, name + ": the largest regions are the largest")
    tap.ok(all(region["basis"] in ("recorded", "derived", "heuristic") for region in regions),
           name + ": each region says on what basis")


def check_windbg(tap, name, core, doc):
    """WinDbg's layout: line by line, and the same sums."""
    result = coreheap("address", "--compat", "windbg", core)
    summary = re.compile(r"^(?P<name>.{34}) (?P<count> *\d+) (?P<hex> *[0-9a-f]+`[0-9a-f]{8}) "
                         r"\( *(?P<scaled>\d+\.\d{3}) (?P<unit>[kMGTPE]B| B)\)"
                         r"(?P<busy>.{8}) (?P<total>.{8})$")
    largest = re.compile(r"^.{34} ( *[0-9a-f]+`[0-9a-f]{8}) ( *[0-9a-f]+`[0-9a-f]{8}) "
                         r"\( *\d+\.\d{3} ([kMGTPE]B| B)\)$")
    titles, odd, sums = [], [], {}
    for line in result.out.splitlines():
        match = summary.match(line)
        if line.startswith("--- "):
            titles.append(line[4:].split(" -")[0])
        elif match and len(line) == 92:
            table = sums.setdefault(titles[-1], {})
            size = int(match["hex"].replace("`", ""), 16)
            table[match["name"].strip()] = int(match["count"]), size
        elif line and not largest.match(line) and not line.startswith(("note:", "warning:")):
            odd.append(line)
    tap.equal(odd, [], name + ": each line has WinDbg's columns")
    tap.equal(titles, ["Usage Summary", "Type Summary (for busy)", "State Summary",
                       "Protect Summary (for commit)", "Largest Region by Usage"],
              name + ": WinDbg's five tables")
    want = {}
    for row in doc["by_usage"]:
        count, size = want.get(row["name"], (0, 0))
        want[row["name"]] = count + row["regions_count"], size + row["total_bytes"]
    tap.equal(sums["Usage Summary"], want, name + ": WinDbg's usages sum ours")
    tap.equal(sums["State Summary"],
              {row["name"]: (row["regions_count"], row["total_bytes"])
               for row in doc["by_state"] if row["total_bytes"] is not None},
              name + ": states are the same in both layouts")


def check_core(tap, name, path):
    doc = answer("address", "--json", "--regions", path)
    check_sums(tap, name, doc, Core(path))
    check_regions(tap, name, doc)
    check_windbg(tap, name, path, doc)


# ---- filters and formats ----

WINDBG_NAMES = ("VAR Free Image Stack Teb Peb Heap PageHeap CSR Actx NLS FileMap Other "
                "MEM_IMAGE MEM_MAPPED MEM_PRIVATE MEM_COMMIT MEM_FREE MEM_RESERVE "
                "PAGE_NOACCESS PAGE_READONLY PAGE_READWRITE PAGE_WRITECOPY PAGE_EXECUTE "
                "PAGE_EXECUTE_READ PAGE_EXECUTE_READWRITE PAGE_EXECUTE_WRITECOPY PAGE_GUARD "
                "PAGE_NOCACHE PAGE_WRITECOMBINE").split()


def pick(regions, **axes):
    return [region["addr"] for region in regions
            if all(region[key] in values for key, values in axes.items())]


def check_filters(tap, path):
    regions = answer("address", "--json", "--regions", path)["regions"]

    def check(text, **axes):
        rows = records("address", "--jsonl", "-f:" + text, path)
        closing = rows.pop()
        want = pick(regions, **axes)
        tap.equal([row["addr"] for row in rows], want, "-f:%s picks by its names" % text)
        tap.equal((closing["matched_count"], closing["matched_bytes"]),
                  (len(want), sum(row["total_bytes"] for row in rows)),
                  "-f:%s counts what it picked" % text)

    check("heap", usage=HEAPS)
    check("Stack", usage={"stack", "guard"})
    check("image", usage=IMAGES)
    check("tls", usage={"tls"})
    check("TEB", usage={"tls"})
    check("arena,guard", usage={"arena", "guard"})
    check("VAR", windbg_usage={"<unknown>"})
    check("MEM_RESERVE", state={"MEM_RESERVE"})
    check("heap,mem_reserve", usage=HEAPS, state={"MEM_RESERVE"})
    check("Image,Heap,MEM_COMMIT,PAGE_READWRITE", usage=HEAPS | IMAGES, state={"MEM_COMMIT"},
          protect={"PAGE_READWRITE"})
    check("rw-,MEM_PRIVATE,mem_image", type={"MEM_PRIVATE", "MEM_IMAGE"},
          protect={"PAGE_READWRITE"})
    check("peb", usage=set())
    failed = [name for name in WINDBG_NAMES
              if coreheap("address", "-f:" + name, path).code != 0]
    tap.equal(failed, [], "all of WinDbg's names are taken")
    tap.equal(pick(records("address", "--jsonl", "-f:PEB,CSR,NLS", path)[:-1]), [],
              "names without a meaning on Linux match nothing")
    twice = records("address", "--jsonl", "/f:heap", "-f:MEM_COMMIT", path)[:-1]
    tap.equal([row["addr"] for row in twice],
              pick(regions, usage=HEAPS, state={"MEM_COMMIT"}), "filters add up, also as /f:")
    wrong = coreheap("address", "-f:heap,nonsense", path)
    tap.equal((wrong.code, "'nonsense'" in wrong.err), (2, True), "a wrong name is named, exit 2")
    filtered = answer("address", "--json", "-summary", "-f:heap", path)
    tap.equal({row["native_name"] for row in filtered["by_usage"]} - HEAPS, set(),
              "-summary -f:heap has tables of the heaps only")


def check_formats(tap, path):
    regions = answer("address", "--json", "--regions", path)["regions"]
    table = csv.DictReader(io.StringIO(coreheap("address", "-o:csv", path).out, newline=""))
    tap.equal([(row["START"], row["END"], row["SIZE"], row["USAGE"], row["PROTECT"],
                row["BACKING"]) for row in table],
              [(row["addr"], row["end"], str(row["total_bytes"]), row["usage"],
                row["native_protect"] or "", row["backing"] or "") for row in regions],
              "-o:csv says what JSON says")
    tsv = coreheap("address", "-o:tsv", path).out
    tap.equal(tsv, coreheap("address", "--regions", "--plain", path).out,
              "-o:tsv is --regions --plain")
    tap.equal([line.split("\t")[0] for line in tsv.splitlines()[1:]],
              [row["addr"] for row in regions], "-o:tsv has a line for each region")
    tap.equal(coreheap("address", "-o:1", path).out.split(), [row["addr"] for row in regions],
              "-o:1 prints base addresses")
    cut = coreheap("address", "--regions", "--limit", "3", path).out
    tap.ok(len(cut.split("\nshowing")[0].splitlines()) == 4 and
           "showing 3 of %d (" % len(regions) in cut, "--limit cuts and says so", cut)
    tap.equal(coreheap("vmmap", path).out, coreheap("address", "--summary", path).out,
              "vmmap is address, and tables are the default")
    tap.equal(coreheap("maddress", "-o:xml", path).code, 2, "-o:xml is refused")
    tap.equal(coreheap("address", "--compat", "gdb", path).code, 2, "--compat gdb is refused")
    segments = answer("address", "--json", "--raw", path)["segments"]
    tap.equal([(int(row["addr"], 16), int(row["end"], 16), row["recorded_bytes"])
               for row in segments],
              [(start, end, filesz) for start, end, _, filesz in Core(path).segments],
              "--raw lists the program headers")


def check_one(tap, path):
    regions = answer("address", "--json", "--regions", path)["regions"]
    wrong = []
    for region in regions:
        start, end = span(region)
        for addr in (start, (start + end) // 2, end - 1):
            got = answer("address", "--json", path, hex(addr))
            if got["region"] != region:
                wrong.append((hex(addr), got["region"], region))
    tap.equal(wrong, [], "any address answers with its region")
    text = coreheap("address", path, "ffffffff`ff600123").out
    tap.ok("vsyscall" in text and "0xffffffffff601000" in text, "vsyscall is known by address", text)
    above = coreheap("address", path, "0xffff800000000000")
    tap.equal((above.code, "0x7ffffffff000" in above.err), (2, True),
              "an address of the kernel is refused with the reason")
    stack = next(region for region in regions if region["usage"] == "stack")
    windbg = coreheap("address", "--compat", "windbg", path, stack["addr"]).out
    tap.ok(re.search(r"^Usage:                  Stack$", windbg, re.M) and
           re.search(r"^Protect:                00000004          PAGE_READWRITE$", windbg, re.M)
           and re.search(r"^State:                  00001000          MEM_COMMIT$", windbg, re.M),
           "one address in WinDbg's layout", windbg)


# ---- programs that know ----

def read_maps(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split(None, 5)
            start, end = (int(text, 16) for text in words[0].split("-"))
            if start != VSYSCALL:
                rows.append((start, end, words[1], words[5].strip() if len(words) > 5 else ""))
    return rows


def expected_usages(name):
    special = {"[heap]": {"heap(brk)"}, "[stack]": {"stack"}, "[vdso]": {"vdso"},
               "[vvar]": {"vvar"}, "[vvar_vclock]": {"vvar"},
               "": HEAPS - {"heap(brk)"} | {"stack", "guard", "tls", "anon", "reserve", "undumped",
                                            "bss"}}
    if name in special:
        return special[name]
    if name.startswith(("/SYSV", "/dev/zero")):
        return {"shm"}
    if name.startswith("/memfd:"):
        return {"memfd"}
    if name.endswith("/kinds"):
        return {"exe"}
    return {"lib"} if ".so" in name else {"file"}


def overlapping(regions, start, end):
    return [region for region in regions if span(region)[0] < end and span(region)[1] > start]


def check_maps(tap, label, regions, maps, how):
    """Every mapping of /proc/PID/maps has regions of the right kind, to the byte."""
    wrong_usage, wrong_rights, absent = [], [], 0
    for start, end, rights, name in maps:
        # The main thread's TLS lies in memory of ld.so's, or on brk.
        allowed = expected_usages(name)
        parts = overlapping(regions, start, end)
        if all(part["state"] == "MEM_FREE" for part in parts):
            absent += end - start
            continue
        for part in parts:
            if part["usage"] not in allowed:
                wrong_usage.append((hex(start), name, part["addr"], part["usage"]))
            protect = part["native_protect"] or ""
            if how == "kernel" and (protect[:3] != rights[:3] or
                                    (protect[3:] in ("p", "s") and protect[3:] != rights[3])):
                wrong_rights.append((hex(start), rights, part["addr"], protect))
    tap.equal(wrong_usage, [], label + ": each mapping has its usage")
    tap.equal(wrong_rights, [], label + ": rights are those of /proc/self/maps")
    # Left out by gcore: what madvise excluded, and [vvar] with what belongs to it.
    dontdump = sum(end - start for start, end, _, name in maps if name.startswith("[vvar"))
    want = 32 * 4096 + dontdump if how == "gcore" else 0
    tap.equal(absent, want, label + ": only what the dumper left out is free")
    busy = sum(region["total_bytes"] for region in regions if region["state"] != "MEM_FREE")
    tap.equal(busy, sum(end - start for start, end, *_ in maps) - want,
              label + ": busy = mapped bytes of the process")
    for usage, name in (("heap(brk)", "[heap]"), ("vdso", "[vdso]")):
        tap.equal([span(region) for region in regions if region["usage"] == usage],
                  [row[:2] for row in maps if row[3] == name],
                  "%s: %s is %s" % (label, usage, name))
    tap.equal(sum(region["total_bytes"] for region in regions if region["backing"]),
              sum(end - start for start, end, _, name in maps if name.startswith("/")),
              label + ": file mappings have the bytes of /proc/self/maps")


# What `kinds` calls its mappings, and what they must be here: usage, type, state.
KINDS = {
    "anon": ("anon", "MEM_PRIVATE", "MEM_COMMIT"),
    "reserve": ("reserve", "MEM_PRIVATE", "MEM_RESERVE"),
    "noaccess-used": ("anon", "MEM_PRIVATE", "MEM_COMMIT"),
    "rwx": ("anon", "MEM_PRIVATE", "MEM_COMMIT"),
    "readonly": ("anon", "MEM_PRIVATE", "MEM_COMMIT"),
    "file-private": ("file", "MEM_MAPPED", "MEM_COMMIT"),
    "file-private-written": ("file", "MEM_MAPPED", "MEM_COMMIT"),
    "file-shared": ("file", "MEM_MAPPED", "MEM_COMMIT"),
    "shm-anon": ("shm", "MEM_MAPPED", "MEM_COMMIT"),
    "shm-sysv": ("shm", "MEM_MAPPED", "MEM_COMMIT"),
    "memfd": ("memfd", "MEM_MAPPED", "MEM_COMMIT"),
    "mmap-chunk": ("mmap-chunk", "MEM_PRIVATE", "MEM_COMMIT"),
}
POINTS = {"heap": "heap(brk)"}


def read_truth(path):
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in file]


def check_truth(tap, label, regions, truth, how):
    wrong, seen = [], set()
    for row in truth:
        if row[0] == "point":
            kind, start, end = row[1], int(row[2], 16), int(row[2], 16) + 1
            usages = {POINTS.get(kind, kind)}
            want = None
        else:
            kind, start, end = row[0], int(row[1], 16), int(row[2], 16)
            if kind == "dontdump":
                # not there in gcore's, without contents in the kernel's
                want = (("free", None, "MEM_FREE") if how == "gcore" else
                        ("undumped", "MEM_PRIVATE", "MEM_COMMIT"))
            elif kind == "untouched":
                # written as zeros, or not at all
                want = None
                usages = {"anon", "undumped"}
            else:
                want = KINDS[kind]
        seen.add(kind)
        for part in overlapping(regions, start, end):
            got = part["usage"], part["type"], part["state"]
            if got != want if want else part["usage"] not in usages:
                wrong.append((row, part["addr"], got))
    tap.equal(wrong, [], label + ": all that the program mapped is what it is")
    tap.ok(len(seen) >= 18, label + ": the program mapped every kind", sorted(seen))


def by_windbg(regions):
    return {name: size for name, (_, size) in totals_by(regions, "windbg_usage").items()}


def check_kinds(tap):
    where = folder()
    program = os.path.join(where, "kinds")
    build("kinds", program)
    sizes = {}
    for how in ("gcore", "kernel"):
        reason = why_not(how)
        if reason:
            tap.skip("kinds, dumped by " + how, reason)
            continue
        place = folder()
        core = dump(program, how, place)
        doc = answer("address", "--json", "--regions", core)
        regions = doc["regions"]
        label = "kinds, dumped by " + how
        check_core(tap, label, core)
        check_maps(tap, label, regions, read_maps(os.path.join(place, "maps")), how)
        check_truth(tap, label, regions, read_truth(os.path.join(place, "truth")), how)
        tap.equal(sorted(row["code"] for row in doc["warnings"] if "recorded" in row["code"]),
                  ["dontdump-not-recorded"] if how == "gcore" else [],
                  label + ": says what the dumper does not record")
        sizes[how] = by_windbg(regions)
        if how == "kernel":
            check_filters(tap, core)
            check_formats(tap, core)
            check_one(tap, core)
    if len(sizes) == 2:
        tap.equal({name: sizes["gcore"][name] for name in ("Heap", "Stack", "Image", "TEB")},
                  {name: sizes["kernel"][name] for name in ("Heap", "Stack", "Image", "TEB")},
                  "kernel and gcore give the same heap, stack and image bytes")


def check_stacks(tap):
    where = folder()
    program = os.path.join(where, "stacks")
    build("stacks", program)
    for how in ("gcore", "kernel"):
        reason = why_not(how)
        if reason:
            tap.skip("stacks, dumped by " + how, reason)
            continue
        place = folder()
        core = dump(program, how, place)
        regions = answer("address", "--json", "--regions", core)["regions"]
        label = "stacks, dumped by " + how
        want = {"living": {"stack", "tls"}, "ended": {"stack"}, "guard": {"guard"},
                "heap": {"heap(brk)"}}
        wrong, owners, bytes_of = [], {}, {}
        for kind, start, end in read_truth(os.path.join(place, "truth")):
            start, end = int(start, 16), int(end, 16)
            bytes_of[kind] = bytes_of.get(kind, 0) + end - start
            for part in overlapping(regions, start, end):
                owners.setdefault(kind, set()).add(part["owner"])
                if part["usage"] not in want[kind]:
                    wrong.append((kind, hex(start), part["addr"], part["usage"]))
        tap.equal(wrong, [], label + ": stacks, kept stacks, guards, a stack in the heap")
        tap.equal((len(owners["living"]), owners["ended"]), (3, {"no thread (kept for reuse)"}),
                  label + ": stacks have their threads, kept ones have none")
        main = next(region for region in reversed(regions) if region["usage"] == "stack")
        usages = totals_by(regions, "usage")
        tap.equal(usages["stack"][1] + usages["tls"][1],
                  bytes_of["living"] + bytes_of["ended"] + main["total_bytes"] +
                  sum(region["total_bytes"] for region in regions
                      if region["usage"] == "tls" and region["basis"] == "heuristic"),
                  label + ": stack and TLS bytes are those of pthread_getattr_np")


def check_no_random(tap):
    """Without randomisation brk begins right above .bss."""
    label = "kinds without randomisation"
    if why_not("kernel"):
        tap.skip(label, why_not("kernel"))
        return
    place = folder()
    build("kinds", os.path.join(place, "kinds"))
    script = "ulimit -c unlimited; exec setarch -R ./kinds . abort"
    process = subprocess.run(["sh", "-c", script], cwd=place, env={"PATH": os.environ["PATH"]},
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
    cores = [name for name in os.listdir(place) if name.startswith("core")]
    if not cores:
        tap.skip(label, "setarch -R does not work here: %s" % process.stderr.decode()[:80])
        return
    core = os.path.join(place, cores[0])
    regions = answer("address", "--json", "--regions", core)["regions"]
    check_maps(tap, label, regions, read_maps(os.path.join(place, "maps")), "kernel")
    check_truth(tap, label, regions, read_truth(os.path.join(place, "truth")), "kernel")


def main():
    tap = Tap()
    if not os.path.exists(COREHEAP):
        raise SystemExit("no coreheap at " + COREHEAP)
    for name in checked_in():
        tap.attempt(name, check_core, name, unpack(name))
    tap.attempt("kinds", check_kinds)
    tap.attempt("stacks", check_stacks)
    tap.attempt("no randomisation", check_no_random)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
