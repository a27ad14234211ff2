#!/usr/bin/env python3
"""fixtures/jemalloc, on jemalloc: its blocks are the recorded ones, and what is used, cached by
threads, dirty, retained and in each size class is what jemalloc itself counts; linked dynamically,
preloaded, static and stripped, dumped with gcore and by the kernel; beside glibc's malloc; and
damaged."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import recorded  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402
from writable import Writable  # noqa: E402

LINKED = ["-Wl,--no-as-needed", "-ljemalloc"]
STATIC = ["-Wl,-u,malloc", "-Wl,-Bstatic", "-ljemalloc", "-Wl,-Bdynamic", "-lm", "-lstdc++",
          "-ldl", "-s"]
# name, flags, how it is dumped, arguments, MALLOC_CONF
CASES = [("dynamic", LINKED, "kernel", [], ""), ("dynamic", LINKED, "gcore", ["purge"], ""),
         ("static, stripped", STATIC, "gcore", [], ""),
         ("in a child", LINKED, "kernel", ["fork"], ""),
         ("one thread", LINKED, "gcore", ["one-thread"], ""),
         ("without caches", LINKED, "kernel", [], "tcache:false,retain:false"),
         ("in huge pages", LINKED, "kernel", [], "hpa:true,narenas:2,background_thread:true")]
# Programs of fixtures/signs; glibc's malloc is found first, jemalloc's mallocx all the same.
SIGNS = [("linked", LINKED, False, "libjemalloc.so.2 is mapped"),
         ("linked statically, stripped", STATIC, False, "size classes of jemalloc 5"),
         ("beside glibc", ["-DJEMALLOC", "-Wl,--no-as-needed", "-l:libc.so.6", "-ljemalloc"], True,
          "libjemalloc.so.2 is mapped")]
PAGE = 4096


def read_stats(where):
    with open(os.path.join(where, "stats"), encoding="ascii") as file:
        return {name: int(value) for name, value in map(str.split, file)}


def counted_regions(stats, prefix, size, count, number):
    """{size: how many} of jemalloc's size classes, without empty ones."""
    rows = {stats["%s.%d.size" % (prefix, i)]: stats[count % i] for i in range(number)}
    return {size: value for size, value in rows.items() if value}


def check_counters(tap, core, stats, settings, name):
    """What jemalloc counts itself; it takes what is cached for allocated."""
    heaps = fixture.answer("heap", "--json", core)["heaps"]
    facts = [heap["detail"] for heap in heaps]

    def total(key):
        return sum(fact[key] for fact in facts)

    used = sum(heap["used_bytes"] for heap in heaps)
    tap.equal(used + total("tcache_bytes"), stats["stats.allocated"],
              "%s: used and cached bytes are allocated ones" % name)
    tap.equal(total("tcache_bytes"), stats["stats.arenas.4096.tcache_bytes"],
              "%s: bytes in caches of threads" % name)
    tap.equal(total("retained_bytes"), stats["stats.retained"], "%s: retained bytes" % name)
    if "hpa" not in settings:
        # Of huge pages it counts what no extent is for, too, but not as mapped.
        tap.equal((total("dirty_bytes"), total("muzzy_bytes")),
                  (stats["stats.arenas.4096.pdirty"] * PAGE,
                   stats["stats.arenas.4096.pmuzzy"] * PAGE), "%s: dirty and muzzy bytes" % name)
        tap.equal(sum(heap["committed_bytes"] for heap in heaps), stats["stats.mapped"],
                  "%s: committed bytes are mapped ones" % name)
    tap.equal(sum(heap["allocator_bytes"] for heap in heaps), stats["stats.arenas.4096.internal"],
              "%s: the allocator's own blocks" % name)


def check_classes(tap, core, stats, name):
    """Regions in use or in a cache, by size, are those of jemalloc's bins."""
    found = {}
    rows = truth.objects(core, "used")[0]
    rows += [row for row in truth.objects(core, "free")[0] if row["place"] == "thread cache"]
    for row in rows:
        found[row["size_bytes"]] = found.get(row["size_bytes"], 0) + 1
    counted = counted_regions(stats, "arenas.bin", "size", "stats.arenas.4096.bins.%d.curregs",
                              stats["arenas.nbins"])
    counted.update(counted_regions(stats, "arenas.lextent", "size",
                                   "stats.arenas.4096.lextents.%d.curlextents",
                                   stats["arenas.nlextents"]))
    tap.equal(found, counted, "%s: blocks of each size class" % name)


def check_blocks(tap, core, where, name):
    """All recorded blocks are used, of that size; all others were made by libc, and are few."""
    live = truth.read_live(os.path.join(where, "live"))
    freed = truth.read_live(os.path.join(where, "freed"))
    rows = truth.objects(core, "used")[0]
    used = {truth.number(row["addr"]): row["size_bytes"] for row in rows}
    tap.ok(len(live) > 1000, "%s: the program recorded its blocks" % name)
    tap.equal([hex(addr) for addr in live if used.get(addr) != live[addr]], [],
              "%s: each recorded block is used, and of that size" % name)
    tap.equal([hex(addr) for addr in freed if addr in used], [],
              "%s: no freed block is used" % name)


def check(tap, case):
    name, flags, how, arguments, settings = case
    name = "%s, %s" % (name, how)
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "jemalloc")
    fixture.build("jemalloc", program, *flags)
    core = fixture.dump(program, how, where, arguments,
                        env={"MALLOC_CONF": settings} if settings else None)
    stats = read_stats(where)
    check_blocks(tap, core, where, name)
    check_counters(tap, core, stats, settings, name)
    check_classes(tap, core, stats, name)
    recorded.check_sums(tap, core, name)
    os.unlink(core)


# ---- damage ----

class Structures:
    """Structures of extents (edata_t of 5.3.0) and elements of leaves, found in the metadata."""

    def __init__(self, core):
        heaps = fixture.answer("heap", "--json", core.path)["heaps"]
        self.words = {}
        for span in (span for heap in heaps for span in heap["segments"]
                     if span["kind"] == "metadata"):
            start = truth.number(span["addr"])
            data = core.read(start, span["committed_bytes"])
            self.words.update((start + 8 * i, word) for i, (word,)
                              in enumerate(struct.iter_unpack("<Q", data)) if word)

    def edata(self, addr):
        """That of the active extent which holds addr: (address, first page, bytes)."""
        for at, word in self.words.items():
            first = self.words.get(at + 8, 0) & -PAGE
            size = self.words.get(at + 16, 0) & -PAGE
            if (at % 128 == 0 and first <= addr < first + size and not word >> 17 & 7
                    and size < 1 << 24 and self.slots(at)):
                return at, first, size
        raise ValueError("no extent holds 0x%x" % addr)

    def slots(self, edata):
        """Elements of leaves that lead to a structure, in order of pages."""
        return sorted(at for at, word in self.words.items()
                      if word & 0xffffffffff80 == edata and word != edata)


def check_damage(tap, core, live, writes, most_lost, code, name):
    """After the writes: an answer, at most so many blocks lost, and it is said."""
    before = [(addr, core.write(addr, data)) for addr, data in writes]
    document = fixture.answer("heap", "--json", core.path)
    used = {truth.number(row["addr"]) for row in truth.objects(core.path, "used")[0]}
    lost = [addr for addr in live if addr not in used]
    tap.ok(len(lost) <= most_lost, "damage: %s: at most %d blocks lost" % (name, most_lost),
           "lost %d" % len(lost))
    said = {warning["code"] for warning in document["warnings"]}
    tap.ok(code in said, "damage: %s: is said" % name, str(sorted(said)))
    for heap in document["heaps"]:
        tap.equal(heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                  heap["committed_bytes"], "damage: %s: %s closes" % (name, heap["name"]))
    for addr, data in reversed(before):
        core.write(addr, data)


def check_damages(tap):
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "jemalloc")
    fixture.build("jemalloc", program, *LINKED)
    core = Writable(fixture.dump(program, "gcore", where, ["one-thread"]))
    live = truth.read_live(os.path.join(where, "live"))
    found = Structures(core)
    quad = struct.Struct("<Q").pack
    sizes = {size: addr for addr, size in live.items()}
    edata, first, length = found.edata(sizes[80])
    inside = sum(first <= addr < first + length for addr in live)
    slots = found.slots(edata)
    large, _, _ = found.edata(sizes[1 << 20])
    tap.equal((len(slots), inside > 10), (length // PAGE, True), "damage: a slab of several pages")
    for what, at, value in (("address", 8, 0x4141414141414141), ("address", 8, 0),
                            ("size", 16, 1 << 40), ("size", 16, 0), ("size", 16, length + PAGE),
                            ("bits", 0, 2 ** 64 - 1)):
        check_damage(tap, core, live, [(edata + at, quad(value))], inside, "jemalloc-extent",
                     "the %s of a slab is 0x%x" % (what, value))
    check_damage(tap, core, live, [(edata, quad(core.word(edata) ^ 1 << 21))], inside,
                 "jemalloc-extent", "one bit of a slab's size class")
    check_damage(tap, core, live, [(large + 16, quad(PAGE))], 1, "jemalloc-extent",
                 "the size of a large extent")
    check_damage(tap, core, live, [(edata + 64, quad(core.word(edata + 64) ^ 0xff0))], 8,
                 "jemalloc-slab", "8 bits of a slab")
    check_damage(tap, core, live, [(slots[0], quad(0))], 0, "jemalloc-extent",
                 "the element of a slab's first page is empty")
    check_damage(tap, core, live, [(slots[0], quad(core.word(found.slots(large)[0])))], inside,
                 "jemalloc-extent", "the element of a slab's first page leads to another extent")
    check_damage(tap, core, live, [(slot, quad(0x4141414141414141)) for slot in slots], inside,
                 "jemalloc-extent", "all elements of a slab lead nowhere")
    check_damage(tap, core, live, [(edata & -(2 << 20), quad(0x4141414141414141))], 0,
                 "jemalloc-base", "the size of a base block")
    os.unlink(core.path)


def check_signs(tap, flags, has_glibc, evidence, name):
    """It is recognised and walked, and glibc's malloc has what is its own."""
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, *flags)
    core = fixture.dump(program, "gcore", fixture.folder())
    document = fixture.answer("heap", "--json", core)
    rows = {row["name"]: row for row in document["runtimes"]}
    tap.equal((rows["jemalloc"]["status"], rows["glibc"]["status"]),
              ("walked", "walked" if has_glibc else "not found"), "%s: who is walked" % name)
    tap.ok(evidence in rows["jemalloc"]["evidence"], "%s: its evidence" % name,
           rows["jemalloc"]["evidence"])
    tap.equal(({heap["runtime"] for heap in document["heaps"]}, document["complete"]),
              ({"jemalloc", "glibc"} if has_glibc else {"jemalloc"}, True),
              "%s: whose heaps there are" % name)
    tap.ok(document["total"]["used_count"] > 1300, "%s: blocks are counted" % name)
    os.unlink(core)


def reason_for(flags):
    done = subprocess.run([os.environ.get("CC") or "cc", "-x", "c", "-", "-o", "/dev/null"]
                          + [flag for flag in flags if not flag.startswith("-D")],
                          input=b"int main(void) { return 0; }", capture_output=True, check=False)
    return "%s cannot be linked" % " ".join(flags) if done.returncode else None


def main():
    tap = Tap()
    for case in CASES:
        name = "%s, %s" % (case[0], case[2])
        reason = reason_for(case[1]) or fixture.why_not(case[2])
        if reason:
            tap.skip(name, reason)
        else:
            tap.attempt(name, check, case)
    reason = reason_for(LINKED) or fixture.why_not("gcore")
    if reason:
        tap.skip("damage", reason)
    else:
        tap.attempt("damage", check_damages)
    for name, flags, has_glibc, evidence in SIGNS:
        reason = reason_for(flags) or fixture.why_not("gcore")
        if reason:
            tap.skip(name, reason)
        else:
            tap.attempt(name, check_signs, flags, has_glibc, evidence, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
