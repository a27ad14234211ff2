#!/usr/bin/env python3
"""fixtures/musl, on musl's malloc: its blocks are the recorded ones, linked
statically and dynamically, with one thread and several, dumped with gcore and
by the kernel; musl itself says which addresses are live blocks, and of which
size; a checked-in core is tested where musl-gcc is missing, and damaged."""
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap, repo  # noqa: E402
from writable import Writable  # noqa: E402

CHECKED_IN = "musl-static-abort"
WRAP = "-Wl," + ",".join("--wrap=" + name for name in (
    "malloc", "calloc", "realloc", "aligned_alloc", "free"))
VARIANTS = [[], ["one-thread"], ["small"], ["small", "one-thread"]]
# struct meta_area and struct meta of musl v1.2.3, src/malloc/mallocng/meta.h
AREA, AREA_HEAD, META, AREA_METAS = 4096, 24, 40, 101


def build(where, static):
    program = os.path.join(where, "musl")
    source = os.path.join(repo(), "fixtures", "musl", "musl.c")
    subprocess.run(["musl-gcc", "-O1", "-pthread", "-fno-builtin", WRAP]
                   + (["-static"] if static else []) + ["-o", program, source], check=True)
    return program


def used_blocks(core):
    return {truth.number(row["addr"]): row["size_bytes"]
            for row in truth.objects(core, "used")[0]}


def check_sums(tap, core, rows, name):
    document = fixture.answer("heap", "--json", core)
    heaps = document["heaps"]
    tap.ok(heaps and {heap["runtime"] for heap in heaps} == {"mallocng"},
           "%s: mallocng has all heaps" % name)
    for heap in heaps:
        tap.equal((heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                   heap["unwalked_bytes"]), (heap["committed_bytes"], 0),
                  "%s: %s: used + free + overhead = committed" % (name, heap["name"]))
    truth.check_used_bytes(tap, heaps, rows, name)
    types = fixture.answer("types", "--json", core)
    tap.equal(types["total_bytes"], document["total"]["committed_bytes"],
              "%s: types add up to the heap" % name)
    account = fixture.answer("summary", "--json", core)["accounting"]
    tap.equal([row["name"] for row in account["invariants"] if not row["ok"]], [],
              "%s: the account closes" % name)
    tap.ok(document["complete"], "%s: nothing is missing" % name)


def check_core(tap, core, live, name):
    rows = truth.check_live(tap, core, live, 0, name)
    check_sums(tap, core, rows, name)
    return rows


def check(tap, program, how, arguments, name):
    where = fixture.folder()
    core = fixture.dump(program, how, where, arguments)
    live = truth.read_live(os.path.join(where, "live"))
    tap.ok(len(live) > 300, "%s: the program recorded its blocks" % name)
    rows = check_core(tap, core, live, name)
    freed = truth.read_live(os.path.join(where, "freed"))
    used = {truth.number(row["addr"]) for row in rows}
    tap.ok(len(freed) > 200 and not used & set(freed), "%s: no freed block is used" % name)
    os.unlink(core)


def ask(where, addrs, process):
    """What musl says of addresses: {address: size, or None where it is no block}."""
    partial = os.path.join(where, "question")
    with open(partial, "w", encoding="ascii") as file:
        file.writelines("%x\n" % addr for addr in addrs)
    os.rename(partial, os.path.join(where, "ask"))
    fixture.wait_for(os.path.join(where, "told"), process)
    told = {}
    with open(os.path.join(where, "answers"), encoding="ascii") as file:
        for addr, size in map(str.split, file):
            told[int(addr, 16)] = None if size == "-" else int(size)
    return told


def check_oracle(tap, program, name):
    """The dumped process goes on and is asked, block by block."""
    where = fixture.folder()
    shutil.copy(program, where)
    process = subprocess.Popen(["./musl", ".", "wait"], cwd=where, env={},
                               stdin=subprocess.DEVNULL)
    try:
        fixture.wait_for(os.path.join(where, "ready"), process)
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                       capture_output=True, stdin=subprocess.DEVNULL, check=True)
        core = os.path.join(where, "core.%d" % process.pid)
        used = used_blocks(core)
        free = [truth.number(row["addr"]) for row in truth.objects(core, "free")[0]]
        told = ask(where, list(used) + free, process)
        tap.same_set({addr: told[addr] for addr in used}.items(), used.items(),
                     "%s: musl takes each used block for live, and of that size" % name)
        tap.equal((len(free) > 100, [hex(addr) for addr in free if told[addr] is not None]),
                  (True, []), "%s: and none of the free ones" % name)
        os.unlink(core)
    finally:
        process.kill()
        process.wait()


# ---- damage ----

def areas_of(core):
    """Addresses of the meta areas, first to last, by their own list."""
    heaps = fixture.answer("heap", "--json", core.path)["heaps"]
    spans = [span for heap in heaps if heap["kind"] == "bookkeeping" for span in heap["segments"]]
    pages = [at for span in spans for at in range(truth.number(span["addr"]), truth.number(
        span["addr"]) + span["committed_bytes"], AREA)]
    followers = {core.word(page + 8) for page in pages}
    first = [page for page in pages if page not in followers]
    assert len(first) == 1
    at, chain = first[0], []
    while at:
        chain.append(at)
        at = core.word(at + 8)
    assert sorted(chain) == sorted(pages)
    return chain


def metas_of(core, area):
    """(address, group, word of bits) of the metas in use."""
    found = []
    for i in range(AREA_METAS):
        addr = area + AREA_HEAD + i * META
        if core.word(addr + 16):
            found.append((addr, core.word(addr + 16), core.word(addr + 32)))
    return found


def check_damage(tap, core, live, writes, most_lost, codes, name):
    """After the writes: an answer, at most so many blocks lost, none invented."""
    before = [(addr, core.write(addr, data)) for addr, data in writes]
    before_cpu = fixture.cpu_seconds()
    document = fixture.answer("heap", "--json", core.path)
    used = used_blocks(core.path)
    took = fixture.cpu_seconds() - before_cpu
    lost = [addr for addr in live if addr not in used]
    made_up = [addr for addr in used if addr not in live]
    tap.ok(len(lost) <= most_lost and len(made_up) <= max(1, most_lost) and took < 20,
           "damage: %s: at most %d blocks lost" % (name, most_lost),
           "lost %d, made up %d, %.1f s of the processors" % (len(lost), len(made_up), took))
    said = {warning["code"] for warning in document["warnings"]}
    tap.ok(said & codes and (document["heap_intact"] is False or not document["complete"] or
                          codes == {"mallocng-overflow"}),
           "damage: %s: is said" % name, "%s, want one of %s" % (sorted(said), sorted(codes)))
    for addr, data in reversed(before):
        core.write(addr, data)


def blocks_in(live, start, length):
    return sum(start <= addr < start + length for addr in live)


def check_damages(tap):
    core = Writable(fixture.unpack(CHECKED_IN))
    live = truth.read_live(fixture.unpack(CHECKED_IN, "live"))
    areas = areas_of(core)
    tap.ok(len(areas) > 3, "damage: several meta areas")
    quad = struct.Struct("<Q").pack
    listed = {"mallocng-areas", "mallocng-usage"}
    metas = metas_of(core, areas[1])
    whole = max(metas, key=lambda meta: meta[2] >> 12)
    nested = [meta for meta in metas if not meta[2] >> 12]
    shared = [meta for meta in metas if meta[2] & 31 and meta[2] >> 12]
    check_damage(tap, core, live, [(areas[1] + 8, quad(areas[0]))], 0, listed,
                 "the list of areas runs in a circle")
    check_damage(tap, core, live, [(areas[0] + 8, quad(areas[0]))], 0, listed,
                 "an area follows itself")
    check_damage(tap, core, live, [(areas[1] + 8, quad(0x4141414141414141))], 0, listed,
                 "the list of areas leads nowhere")
    check_damage(tap, core, live, [(areas[-1], quad(0x4141414141414141))], len(live), listed,
                 "a wrong secret")
    check_damage(tap, core, live, [(areas[0] + 16, quad(0xffffffff))], len(live), listed,
                 "a huge count of metas")
    check_damage(tap, core, live, [(whole[0] + 32, quad(whole[2] | ~0xfff & (1 << 64) - 1))],
                 blocks_in(live, whole[1], (whole[2] >> 12) * 4096), {"mallocng-meta"},
                 "a huge mapping")
    check_damage(tap, core, live, [(nested[0][0] + 16, quad(nested[1][1]))], 64,
                 {"mallocng-meta", "mallocng-slot", "mallocng-group"}, "two groups in one place")
    check_damage(tap, core, live, [(shared[0][1], quad(0x4141414141414141))], 0,
                 {"mallocng-group"}, "the header of a group")
    for kind, value in (("zeros", b"\0" * 4), ("letters", b"AAAA"), ("ones", b"\xff" * 4)):
        addr = sorted(live)[len(live) // 3]
        check_damage(tap, core, live, [(addr - 4, value)], 1, {"mallocng-slot"},
                     "the header of a block, " + kind)
    addr = next(addr for addr, size in sorted(live.items()) if size % 16 == 5)
    check_damage(tap, core, live, [(addr + live[addr], b"A")], 0, {"mallocng-overflow"},
                 "a block written past its end")


def main():
    tap = Tap()
    live = truth.read_live(fixture.unpack(CHECKED_IN, "live"))
    tap.attempt(CHECKED_IN, check_core, fixture.unpack(CHECKED_IN), live, CHECKED_IN)
    tap.attempt("damage", check_damages)
    missing = None if shutil.which("musl-gcc") else "musl-gcc (package musl-tools) is not installed"
    for link in ("static", "dynamic"):
        program = None if missing else build(fixture.folder(), link == "static")
        for how in ("gcore", "kernel"):
            for arguments in VARIANTS:
                name = " ".join([link, how] + arguments)
                reason = missing or fixture.why_not(how)
                if reason:
                    tap.skip(name, reason)
                else:
                    tap.attempt(name, check, program, how, arguments, name)
        reason = missing or fixture.gcore_works()
        if reason:
            tap.skip("%s: musl's own word" % link, reason)
        else:
            tap.attempt("%s: musl's own word" % link, check_oracle, program, link)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
