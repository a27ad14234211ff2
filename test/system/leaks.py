#!/usr/bin/env python3
"""leaks on cores whose programs recorded what they lost: the same blocks by address,
nothing else; and blocks held in unusual ways are not among them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

SMALL = ["bullseye-small-abort", "bookworm-small-abort", "trixie-small-abort", "sid-small-abort"]
# What no reader of a core can see: a pointer at an odd address, an encoded one.
UNSEEN = {"hidden", "anchored-misaligned"}


def blocks(name):
    """[(label, address, expected)] of a .truth file."""
    with open(fixture.unpack(name, "truth"), encoding="utf-8") as file:
        rows = [line.split() for line in file if line.startswith("BLOCK")]
    return [(row[1], int(row[2], 16), row[5]) for row in rows]


def check_small(tap, name):
    core = fixture.unpack(name)
    truth = blocks(name)
    want = {addr for _, addr, expected in truth if expected == "leaked" or expected in UNSEEN}
    rows = fixture.records("leaks", "--jsonl", core)
    lost = {int(row["addr"], 16): row["class"] for row in rows[:-1]}
    tap.equal(len([1 for _, _, expected in truth if expected == "leaked"]), 165,
              "%s: the program lost 165 blocks" % name)
    tap.same_set(lost, want, "%s: lost blocks are those 165, and two that are hidden" % name)
    chains = {addr: label for label, addr, _ in truth if label.startswith("leakC")}
    tap.equal([sum(1 for addr, label in chains.items() if label == "leakC-head" and
                   lost[addr] == "directly-lost"),
               sum(1 for addr, label in chains.items() if label == "leakC-tail" and
                   lost[addr] == "indirectly-lost")], [11, 22],
              "%s: of a chain the head is directly lost, the rest indirectly" % name)
    rings = sorted((addr, lost[addr]) for label, addr, _ in truth if label == "cyc")
    tap.equal([kind for _, kind in rings], ["directly-lost", "indirectly-lost"] * 5,
              "%s: of a ring of two the lower one" % name)
    for label in ("interior-only", "from-anon-mmap", "tls-only", "stack-only"):
        (addr,) = [a for lbl, a, _ in truth if lbl == label]
        tap.ok(addr not in lost, "%s: %s is held" % (name, label))
    possible = {int(row["addr"], 16)
                for row in fixture.records("leaks", "--possible", "--jsonl", core)[:-1]}
    (interior,) = [a for lbl, a, _ in truth if lbl == "interior-only"]
    tap.ok(interior in possible and not possible & set(lost),
           "%s: a block with an interior pointer only is possibly lost" % name)
    check_document(tap, name, core, rows, len(want))


def check_document(tap, name, core, rows, lost):
    doc = fixture.answer("leaks", "--json", core)
    classes = doc["classes"]
    used = fixture.answer("heap", "--json", core)["total"]
    tap.equal((doc["unreachable_count"], doc["unreachable_bytes"]),
              (lost, sum(row["chunk_bytes"] for row in rows[:-1])), "%s: sums of lost blocks" % name)
    tap.equal((sum(c["count"] for c in classes.values()),
               sum(c["total_bytes"] for c in classes.values())),
              (used["used_count"], used["used_bytes"]), "%s: the classes make up all used blocks" % name)
    tap.equal((sum(g["count"] for g in doc["groups"]), sum(g["total_bytes"] for g in doc["groups"])),
              (doc["unreachable_count"], doc["unreachable_bytes"]), "%s: groups add up" % name)
    texts = {fixture.coreheap("leaks", "--list", "--threads", str(threads), core).out
             for threads in (1, 2, 3, 8)}
    tap.equal(len(texts), 1, "%s: the same for any --threads" % name)


def check_cpp(tap):
    name = "sid-cpp-abort"
    core = fixture.unpack(name)
    doc = fixture.answer("leaks", "--json", core)
    sizes = {}
    for group in doc["groups"]:
        # bytes of chunks
        key = group["size_bytes"] or group["total_bytes"] // group["count"] - 8
        sizes[key] = sizes.get(key, 0) + group["count"]
    # 25 D1 and 40 D2 of 48 bytes, 10 vectors of a header and a body, 40 strings, 16 Obs
    # with their control blocks.
    tap.equal(doc["unreachable_count"], 141, "%s: 141 blocks lost" % name)
    tap.equal(sizes, {56: 65, 40: 50, 24: 10, 72: 16}, "%s: by size" % name)
    tap.equal({g["signature_kind"] for g in doc["groups"]
               if g["type"].endswith("56-byte blocks")}, {"module"},
              "%s: objects with a vtable are told by it" % name)
    tap.equal(doc["classes"]["directly_lost"]["count"], 25 + 10 + 8,
              "%s: 25 D1, 10 vectors, one of each pair of Obs lost directly" % name)


def main():
    tap = Tap()
    for name in SMALL:
        tap.attempt(name, check_small, name)
    tap.attempt("sid-cpp-abort", check_cpp)
    sys.exit(tap.done())


main()
