#!/usr/bin/env python3
"""Memory that was mapped and never touched weighs nothing, whoever dumped it: held against
what the program wrote, and what the kernel said was resident."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, build, coreheap, dump, folder, why_not  # noqa: E402
from tap import Tap  # noqa: E402

PAGE = 4096
LOST = 40000 * 256
# What a mapping is: usages, type, rights, and the row of the account it is in.
KINDS = {
    "calloc": ({"mmap-chunk"}, "MEM_PRIVATE", "rw-p", "heap_used_mmapped"),
    "anon": ({"anon"}, "MEM_PRIVATE", "rw-p", "unattributed"),
    "shared": ({"shm"}, "MEM_MAPPED", "rw-s", "shared_memory"),
    "memfd": ({"memfd"}, "MEM_MAPPED", "rw-p?", "shared_memory"),
    "sysv": ({"shm"}, "MEM_MAPPED", "rw-s", "shared_memory"),
    "private-zero": ({"anon"}, "MEM_PRIVATE", "rw-p", "unattributed"),
}


def read_truth(where):
    """{name: (start, end, bytes written to, bytes resident)}"""
    areas = {}
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        for line in file:
            name, start, end, written, rss = line.split()
            areas[name] = (int(start, 16), int(end, 16), int(written), int(rss) * 1024)
    return areas


def test_regions(tap, how, core, areas):
    doc = answer("address", "--regions", core, "--json")
    for name, (start, end, written, rss) in areas.items():
        rows = [row for row in doc["regions"] if int(row["addr"], 16) < end and
                int(row["end"], 16) > start and row["state"] == "MEM_COMMIT"]
        touched = sum(row["touched_bytes"] for row in rows)
        # the allocator's header is on the first page, which was written to; a neighbour that
        # the kernel joined has less than one page of TLS and the like
        tap.ok(written <= touched <= rss + 16 * PAGE and (name == "anon" or touched == written),
               "%s: %s: touched is what was written to" % (how, name),
               "%d written, %d touched, %d resident" % (written, touched, rss))
        usages, kind, rights, _ = KINDS[name]
        tap.ok({row["usage"] for row in rows if int(row["addr"], 16) >= start - PAGE} & usages and
               all(row["type"] == kind and row["native_protect"] == rights
                   for row in rows if row["usage"] in usages),
               "%s: %s: what it is" % (how, name), rows)
    doc = answer("address", core, "--json", "--zero-pages")
    for table in ("by_usage", "by_type", "by_state"):
        tap.equal(sum(row["touched_bytes"] or 0 for row in doc[table]),
                  doc["address_space"]["touched_bytes"], "%s: %s adds up" % (how, table))
        tap.ok(all(row["touched_bytes"] + row["zero_page_bytes"] == row["in_core_bytes"]
                   for row in doc[table] if row["touched_bytes"] is not None),
               "%s: %s: touched and zeros are what the core holds" % (how, table))


def test_summary(tap, how, core, areas):
    doc = answer("summary", core, "--json")
    accounting, verdict = doc["accounting"], doc["verdict"]
    rows = {row["name"]: row for row in accounting["rows"]}
    tap.equal([row["name"] for row in accounting["invariants"] if not row["ok"]], [],
              "%s: all invariants hold" % how)
    tap.equal(sum(row["touched_bytes"] for row in accounting["rows"]),
              accounting["touched_bytes"], "%s: the rows are the touched bytes" % how)
    tap.equal(sum(accounting[part + "_bytes"] for part in
                  ("touched", "untouched", "undumped", "reserved", "not_in_core")),
              doc["address_space"]["busy_bytes"], "%s: its parts are what is mapped" % how)
    tap.ok(accounting["untouched_bytes"] > 600 << 20, "%s: 600 MiB were never touched" % how,
           accounting)
    tap.equal(rows["heap_used_mmapped"]["touched_bytes"], areas["calloc"][2],
              "%s: of a large block what was written to is in use" % how)
    tap.ok(rows["heap_used_mmapped"]["bytes"] >= 200 << 20, "%s: all of it is mapped" % how)
    tap.equal(rows["shared_memory"]["touched_bytes"],
              sum(area[2] for name, area in areas.items() if KINDS[name][3] == "shared_memory"),
              "%s: so it is of shared memory" % how)
    tap.ok(1 << 20 > rows["stacks"]["touched_bytes"] >= 2 * PAGE and
           rows["stacks"]["bytes"] > 16 << 20, "%s: a deep stack is touched in places" % how,
           rows["stacks"])
    tap.ok(verdict["class"] == "native-live" and verdict["confidence"] == "high" and
           LOST <= verdict["native_used_bytes"] < verdict["total_bytes"] < LOST + (2 << 20),
           "%s: the verdict is about what is in use" % how, verdict)
    tap.ok(re.match("a leak: " if how == "gcore" else r"a crash: it called abort\(\); a leak: ",
                    doc["headline"]) and
           doc["headline"].endswith(" of what malloc holds can be reached by nothing"),
           "%s: and what the matter is" % how, doc["headline"])
    suspects = doc["suspects"]
    tap.ok(suspects and suspects[0]["rule"] == "unreachable-native" and
           LOST <= suspects[0]["bytes"] < LOST + 4096 and suspects[0]["percent"] > 99,
           "%s: what is wrong comes first" % how, suspects)
    tap.ok(not {suspect["rule"] for suspect in suspects} &
           {"unattributed", "file-maps", "large-block"},
           "%s: what nobody touched is no suspect" % how, suspects)
    tap.equal(doc["types_top"][0]["touched_bytes"], LOST, "%s: the largest type, too" % how)
    text = coreheap("summary", core).out
    tap.ok("committed, never touched" in text and "MEMORY" in text and "in use of" in text,
           "%s: the screen says so" % how, text)
    quick = answer("summary", "--quick", core, "--json")
    tap.equal(quick["verdict"], verdict, "%s: --quick says the same" % how)


def test_how(tap, program, how):
    reason = why_not(how)
    if reason:
        tap.skip(how, reason)
        return
    where = folder()
    core = dump(program, how, where)
    areas = read_truth(where)
    tap.ok(len(areas) >= 4, "%s: the program made its areas" % how, areas)
    test_regions(tap, how, core, areas)
    test_summary(tap, how, core, areas)
    os.unlink(core)


def main():
    tap = Tap()
    program = os.path.join(folder(), "untouched")
    build("untouched", program)
    for how in ("kernel", "gcore"):
        tap.attempt(how, test_how, program, how)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
