#!/usr/bin/env python3
"""fixtures/jemalloc, on jemalloc: its blocks are the recorded ones, and what is used, cached by
threads, dirty, retained and in each size class is what jemalloc itself counts; linked dynamically,
preloaded, static and stripped, dumped with gcore and by the kernel; beside glibc's malloc; and
damaged."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402

LINKED = ["-Wl,--no-as-needed", "-ljemalloc"]
STATIC = ["-Wl,-u,malloc", "-Wl,-Bstatic", "-ljemalloc", "-Wl,-Bdynamic", "-lm", "-lstdc++",
          "-ldl", "-s"]
CASES = [("dynamic", LINKED, "kernel", []), ("dynamic", LINKED, "gcore", ["purge"]),
         ("static, stripped", STATIC, "gcore", []), ("in a child", LINKED, "kernel", ["fork"]),
         ("one thread", LINKED, "gcore", ["one-thread"])]
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


def check_counters(tap, core, stats, name):
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
    tap.equal((total("dirty_bytes"), total("muzzy_bytes")),
              (stats["stats.arenas.4096.pdirty"] * PAGE, stats["stats.arenas.4096.pmuzzy"] * PAGE),
              "%s: dirty and muzzy bytes" % name)
    tap.equal(total("retained_bytes"), stats["stats.retained"], "%s: retained bytes" % name)
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


def check_sums(tap, core, name):
    document = fixture.answer("heap", "--json", core)
    for heap in document["heaps"]:
        tap.equal((heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                   heap["unwalked_bytes"]), (heap["committed_bytes"], 0),
                  "%s: %s: used + free + overhead = committed" % (name, heap["name"]))
    tap.equal((document["complete"], document["warnings"]), (True, []),
              "%s: nothing is missing or damaged" % name)
    account = fixture.answer("summary", "--json", core)["accounting"]
    tap.equal([row["name"] for row in account["invariants"] if not row["ok"]], [],
              "%s: the account closes" % name)


def check(tap, case):
    name, flags, how, arguments = case
    name = "%s, %s" % (name, how)
    where = fixture.folder()
    program = os.path.join(fixture.folder(), "jemalloc")
    fixture.build("jemalloc", program, *flags)
    core = fixture.dump(program, how, where, arguments)
    stats = read_stats(where)
    check_blocks(tap, core, where, name)
    check_counters(tap, core, stats, name)
    check_classes(tap, core, stats, name)
    check_sums(tap, core, name)
    os.unlink(core)


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
    for name, flags, has_glibc, evidence in SIGNS:
        reason = reason_for(flags) or fixture.why_not("gcore")
        if reason:
            tap.skip(name, reason)
        else:
            tap.attempt(name, check_signs, flags, has_glibc, evidence, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
