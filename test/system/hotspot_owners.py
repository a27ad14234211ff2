#!/usr/bin/env python3
"""Native memory by the Java objects that own it: direct buffers, blocks of Unsafe, streams of
zlib, mapped files, segments of arenas. What is expected follows from the arguments of the
program, which makes that many of each."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, why_not  # noqa: E402
from jvm import SMALL, classes, dumped, jdks, start  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

BUFFERS, BLOCKS, STREAMS = 10, 20, 5
# Owned.java, SegmentsOf.java
BUFFER_BYTES, BLOCK_BYTES, SEGMENTS, SEGMENT_BYTES, MAPPED_BYTES = 20_000, 3_000, 8, 7_000, 1 << 20
# zlib: the window of an inflater; window, hash and chains of a deflater (memLevel 8).
INFLATER_BYTES, DEFLATER_BYTES = 32 << 10, (64 << 10) + (64 << 10) + (64 << 10)
STRAY = 2
# malloc's rest of a block, the JVM's header and footer
SLACK = 64
OPEN = ["--add-opens", "java.base/java.nio=ALL-UNNAMED"]
# That of JDK 17 has no segments that are no preview.
SEGMENTS_SINCE = 22


def dump(jdk, release, how, options):
    """(core, folder, address of the mapped file)"""
    where, path = folder(), classes(jdk, "Owned")
    if release >= SEGMENTS_SINCE:
        path = classes(jdk, "SegmentsOf", path)
    with open(os.path.join(where, "out"), "wb") as out:
        process = start(jdk, where, how, [*SMALL, *OPEN, *options],
                        [path, "Owned", str(BUFFERS), str(BLOCKS), str(STREAMS)], out)
    core = dumped(process, where, how)
    with open(os.path.join(where, "out"), encoding="ascii") as file:
        said = file.read()
    return core, where, re.search(r"mapped (0x[0-9a-f]+)", said).group(1)


def check_row(tap, name, rows, owner, counts, each_bytes):
    """counts: owners and blocks; each owner's blocks have each_bytes, or some more."""
    row = rows.get((owner, "live"), {})
    tap.equal((row.get("owners_count"), row.get("blocks_count")), counts,
              "%s: %s: owners and blocks" % (name, owner))
    least = counts[0] * each_bytes
    tap.ok(least <= row.get("blocks_bytes", 0) <= least + least // 4 + counts[1] * SLACK,
           "%s: %s: bytes" % (name, owner), row)


def check_owners(tap, name, core, release):
    doc = answer("types", "--by", "owner", "--json", core)
    rows = {(row["name"], row["state"]): row for row in doc["owners"]}
    buffers = dict(rows[("java.nio.DirectByteBuffer", "live")])
    # the mapped one has no block
    tap.equal((buffers["mappings_count"], buffers["mapped_bytes"]), (1, MAPPED_BYTES),
              "%s: a mapped file has its buffer" % name)
    tap.equal((buffers["owners_count"], buffers["blocks_count"]), (BUFFERS + 1, BUFFERS),
              "%s: direct buffers: views own nothing" % name)
    tap.ok(0 <= buffers["blocks_bytes"] - BUFFERS * BUFFER_BYTES <= BUFFERS * SLACK,
           "%s: direct buffers: bytes" % name, buffers)
    check_row(tap, name, rows, "Owned$Block", (BLOCKS, BLOCKS), BLOCK_BYTES)
    # a stream is {z_stream, state, window}; that to deflate has two tables and a buffer more
    for owner, blocks, each_bytes in (
            ("java.util.zip.Inflater$InflaterZStreamRef", 3, INFLATER_BYTES),
            ("java.util.zip.Deflater$DeflaterZStreamRef", 6, DEFLATER_BYTES)):
        row = rows[(owner, "live")]
        # a word that a call left on a stack may hold all that is below a z_stream, too
        tap.ok(row["owners_count"] == STREAMS and
               0 <= blocks * STREAMS - row["blocks_count"] <= STRAY * (blocks - 1) and
               row["blocks_bytes"] >= (STREAMS - STRAY) * each_bytes, "%s: %s" % (name, owner),
               row)
    if release >= SEGMENTS_SINCE:
        # of four kinds of arenas; and of one whose segments are gone
        check_row(tap, name, rows, "jdk.internal.foreign.NativeMemorySegmentImpl",
                  (4 * SEGMENTS, 4 * SEGMENTS), SEGMENT_BYTES)
        check_row(tap, name, rows, "jdk.internal.foreign.SegmentFactories$1",
                  (SEGMENTS, SEGMENTS), SEGMENT_BYTES)
        mapped = rows[("jdk.internal.foreign.MappedMemorySegmentImpl", "live")]
        tap.equal((mapped["mappings_count"], mapped["mapped_bytes"]), (1, 1 << 20),
                  "%s: a mapped segment" % name)
    keys = ("owners_count", "blocks_count", "blocks_bytes", "mappings_count", "mapped_bytes")
    tap.equal({key: sum(row[key] for row in doc["owners"]) for key in keys}, doc["total"],
              "%s: rows add up" % name)
    tap.ok(doc["total"]["blocks_bytes"] < doc["native_bytes"], "%s: it is a part" % name, doc)
    text = coreheap("types", "--by", "owner", core).out
    tap.ok("Owned$Block" in text and "owned natively: " in text, "%s: in text" % name, text)


def check_mapping(tap, name, core, mapped):
    inside = hex(int(mapped, 16) + 4096 * 3 + 5)
    doc = answer("roots", "--json", core, inside)
    tap.equal((doc["target"]["type"], doc["target"]["addr"], doc["target"]["size_bytes"],
               doc["target"]["count"], doc["verdict"]),
              ("mapping", mapped, MAPPED_BYTES, 1, "reachable"), "%s: roots of a mapping" % name)
    first = doc["chains"][0]
    tap.equal((first["root"]["where"], first["path"][-1]["type"]),
              ("static Owned.mapped", "java.nio.DirectByteBuffer"), "%s: its buffer" % name)
    text = coreheap("roots", "--limit", "1", core, inside).out
    tap.ok("mapped.bin" in text and "<- target" in text, "%s: in text" % name, text)


def check(tap, name, release, jdk, how, options):
    core, where, mapped = dump(jdk, release, how, options)
    check_owners(tap, name, core, release)
    check_mapping(tap, name, core, mapped)
    shutil.rmtree(where)


def main():
    found = jdks(since=11)
    if not found:
        skip_all("no JDK is installed")
    tap = Tap()
    for release, how, options in (
            (min(found), "kernel", ["-XX:+UseSerialGC", "-XX:NativeMemoryTracking=summary"]),
            (max(found), "gcore", ["-XX:+UseG1GC"])):
        name = "JDK %d, %s" % (release, how)
        if why_not(how):
            tap.skip(name, why_not(how))
            continue
        tap.attempt(name, check, name, release, found[release], how, options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
