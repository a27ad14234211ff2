#!/usr/bin/env python3
"""heap, types, objects and whatis against what the dumped programs recorded.

live: every live block, by a tracker that does not use the heap it watches;
truth: labels of freed blocks, and malloc_info of the moment of the dump.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, checked_in, coreheap, records, unpack  # noqa: E402
from tap import Tap  # noqa: E402

# Threads that made a tcache, each with one structure in the heap.
OWN_BLOCKS = {"small": 5, "cpp": 1}


def live(name):
    """{(address, usable size)} of the recorded list."""
    with open(unpack(name, "live"), encoding="utf-8") as file:
        return {(int(words[0], 16), int(words[1])) for words in map(str.split, file)}


def freed(name):
    """{address: where} of the labelled free blocks."""
    with open(unpack(name, "truth"), encoding="utf-8") as file:
        rows = [line.split() for line in file if line.startswith("FREE ")]
    return {int(row[2], 16): row[3] for row in rows}


def system_current(name):
    """Bytes of each arena by malloc_info, the total left out."""
    with open(unpack(name, "truth"), encoding="utf-8") as file:
        sizes = re.findall(r'<system type="current" size="(\d+)"/>', file.read())
    return sorted(map(int, sizes[:-1]))


def pairs(rows):
    return {(int(row["addr"], 16), row["size_bytes"]) for row in rows}


def check_used(tap, name, core, heap):
    """`objects` equals the recorded list; returns its rows."""
    rows = records("objects", "--state", "used", "--jsonl", core)
    closing = rows.pop()
    own = [row for row in rows if row["kind"] == "allocator"]
    tap.same_set(pairs(row for row in rows if row["kind"] == "object"), live(name),
                 name + ": used blocks are the recorded ones")
    kind = next(kind for kind in OWN_BLOCKS if kind in name)
    tap.equal(len(own), OWN_BLOCKS[kind], name + ": the allocator's own blocks are marked")
    tap.equal((closing["showing_count"], closing["matched_count"], closing["matched_bytes"]),
              (len(rows), len(rows), sum(row["chunk_bytes"] for row in rows)),
              name + ": the closing record counts the rows")
    tap.equal((heap["total"]["used_count"], heap["total"]["used_bytes"]),
              (closing["matched_count"], closing["matched_bytes"]),
              name + ": heap says the same as objects")
    tap.ok(closing["complete"], name + ": nothing is missing")
    return rows


def check_heap(tap, name, heap):
    for row in heap["heaps"]:
        tap.equal(row["used_bytes"] + row["free_bytes"] + row["overhead_bytes"],
                  row["committed_bytes"], "%s: %s adds up" % (name, row["name"]))
        tap.equal(sum(segment["committed_bytes"] for segment in row["segments"]),
                  row["committed_bytes"], "%s: segments of %s add up" % (name, row["name"]))
        tap.equal(row["unwalked_bytes"], 0, "%s: all of %s is understood" % (name, row["name"]))
    arenas = sorted(row["committed_bytes"] for row in heap["heaps"] if row["kind"] == "arena")
    tap.equal(arenas, system_current(name),
              name + ": committed bytes of the arenas are malloc_info's")


def check_types(tap, name, core, heap, rows):
    types = answer("types", "--json", core)
    total = heap["total"]
    sums = {}
    for row in types["types"]:
        sums[row["kind"]] = sums.get(row["kind"], 0) + row["total_bytes"]
    tap.equal(types["total_bytes"], total["committed_bytes"], name + ": types add up to the heap")
    tap.equal((sums.get("object", 0) + sums.get("allocator", 0), sums.get("free", 0),
               sums.get("overhead", 0)),
              (total["used_bytes"], total["free_bytes"], total["overhead_bytes"]),
              name + ": and so does each kind")
    by_size = answer("types", "--json", "--by", "size", "--limit", "0", core)
    classes = {}
    for _, size in live(name):
        classes["%d-byte blocks" % size] = classes.get("%d-byte blocks" % size, 0) + 1
    tap.equal({row["name"]: row["count"] for row in by_size["types"] if row["kind"] == "object"},
              classes, name + ": counts by size are those of the recorded list")
    ids = [row["id"] for row in types["types"]]
    tap.equal(len(set(ids)), len(ids), name + ": ids of types are unique")
    some = answer("types", "--json", "--state", "used", "--min", "100", "--max", "1000", core)
    want = [row["chunk_bytes"] for row in rows if 100 <= row["size_bytes"] <= 1000]
    tap.equal((some["total_count"], some["total_bytes"]), (len(want), sum(want)),
              name + ": types takes bounds")


def check_filters(tap, name, core, heap, rows):
    whole = {row["addr"] for row in rows}
    parts = [{row["addr"] for row in records("objects", "--jsonl", "--arena", str(i), core)[:-1]}
             for i in range(len(heap["heaps"]))]
    tap.ok(sum(map(len, parts)) == len(whole) and set().union(*parts) == whole,
           name + ": the heaps' blocks are all blocks, each once")
    named = records("objects", "--jsonl", "--arena", heap["heaps"][0]["name"], core)[:-1]
    tap.equal({row["addr"] for row in named}, parts[0], name + ": a heap can be named")
    size = sorted(live(name))[0][1]
    got = records("objects", "--jsonl", "--size", str(size), core)[:-1]
    tap.equal({row["addr"] for row in got},
              {row["addr"] for row in rows if row["size_bytes"] == size},
              name + ": --size chooses")
    middle = sorted(int(row["addr"], 16) for row in rows)[len(rows) // 2]
    got = records("objects", "--jsonl", "--range", "%x-%x" % (middle, middle + 4096), core)[:-1]
    want = {row["addr"] for row in rows
            if middle - row["chunk_bytes"] + 16 < int(row["addr"], 16) < middle + 4096 + 16}
    tap.equal({row["addr"] for row in got}, want, name + ": --range chooses")
    cut = records("objects", "--jsonl", "--limit", "3", core)
    tap.equal(([row["addr"] for row in cut[:-1]], cut[-1]["matched_count"]),
              ([row["addr"] for row in rows[:3]], len(rows)), name + ": --limit cuts and counts")


def check_formats(tap, name, core, rows):
    plain = [line.split("\t") for line in coreheap("objects", "--plain", core).out.splitlines()]
    tap.equal([(row[0], int(row[1]), int(row[2])) for row in plain[1:]],
              [(row["addr"], row["size_bytes"], row["chunk_bytes"]) for row in rows],
              name + ": --plain has the same rows")
    document = answer("objects", "--json", core)
    tap.equal([dict(row, dump_id=document["dump"]["id"]) for row in document["objects"]], rows,
              name + ": --json has the same rows")


def check_free(tap, name, core):
    """Blocks the program freed are free, where it said they would be."""
    rows = {int(row["addr"], 16): row
            for row in records("objects", "--state", "free", "--jsonl", core)[:-1]}
    where = freed(name)
    tap.ok(not set(rows) & {addr for addr, _ in live(name)}, name + ": no free block is live")
    if not where:
        return
    # A block in a bin may have merged with a free neighbour below it.
    cached = {addr for addr, place in where.items() if "tcache" in place}
    tap.same_set({addr for addr in cached if addr in rows and
                  rows[addr]["place"] == "thread cache"}, cached,
                 name + ": blocks in a tcache are found there")
    fast = {addr for addr, place in where.items() if "fastbin" in place}
    tap.same_set({addr for addr in fast if addr in rows}, fast,
                 name + ": blocks in fast bins are free")


def check_whatis(tap, name, core, rows):
    sample = rows[::max(1, len(rows) // 20)]
    inside = [int(row["addr"], 16) + row["size_bytes"] // 2 for row in sample]
    results = answer("whatis", "--json", core, *["0x%x" % addr for addr in inside])["results"]
    tap.equal([(result["object"]["addr"], result["object"]["size_bytes"],
                result["object"]["offset"], result["object"]["state"]) for result in results],
              [(row["addr"], row["size_bytes"], row["size_bytes"] // 2, "used")
               for row in sample],
              name + ": whatis finds the block of an inner address")


def check(tap, name):
    core = unpack(name)
    heap = answer("heap", "--json", core)
    check_heap(tap, name, heap)
    rows = check_used(tap, name, core, heap)
    check_types(tap, name, core, heap, rows)
    check_filters(tap, name, core, heap, rows)
    check_formats(tap, name, core, rows)
    check_free(tap, name, core)
    check_whatis(tap, name, core, rows)


def main():
    tap = Tap()
    for name in checked_in():
        tap.attempt(name, check, name)
    sys.exit(tap.done())


main()
