#!/usr/bin/env python3
"""Netty's pools, limits and buffers that were not released: against what the program counts
itself, and the metrics of Netty's allocator."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, why_not  # noqa: E402
from jvm import SMALL, jdks, netty, printed  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

KEPT, DROPPED, RELEASED, WORKERS = 3000, 400, 500, 3
LIMIT = 30 << 20
# No collection before the dump: what was dropped is there.
OPTIONS = ["-Xmx64m", "-Xmn48m", *SMALL[1:], "-XX:MaxDirectMemorySize=%d" % LIMIT,
           "-Dio.netty.allocator.maxOrder=7", "-Dio.netty.tryReflectionSetAccessible=true",
           "--add-opens", "java.base/java.nio=ALL-UNNAMED",
           "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"]


def check_arenas(tap, name, pools, lines):
    """Chunks with their sizes and free bytes, and threads, of each arena."""
    wanted = {}
    for words in lines:
        if words[0] in ("heap", "direct"):
            chunks = [tuple(map(int, pair.split(":"))) for pair in words[3:-2]]
            wanted["%s arena %s" % tuple(words[:2])] = (int(words[2]), sorted(chunks))
    found = {row["name"]: (len(row["tids"]), sorted((chunk["total_bytes"], chunk["free_bytes"])
                                                    for chunk in row["chunks"]))
             for row in pools["arenas"]}
    tap.equal(found, wanted, "%s: arenas as Netty's metrics have them" % name)
    for row in pools["arenas"]:
        used = row["chunks_bytes"] - row["free_bytes"]
        if not tap.ok(row["buffers_bytes"] <= used and (not used or row["buffers_bytes"] > 0),
                      "%s: buffers of %s are in its chunks" % (name, row["name"]), row):
            break


def lost_bytes(counted):
    """With cleaners what is larger than a chunk goes when it is collected."""
    return counted["taken"][0] - (2 << 20 if counted["netty"][0] < 0 else 0)


def check_buffers(tap, name, pools, counted, collected):
    """Those that were dropped and collected have left their pieces behind."""
    rows = pools["buffers"]
    there = [counted["kept"][k] + (0 if collected else counted["dropped"][k]) for k in (0, 1)]
    tap.equal([sum(row["count"] for row in rows), sum(row["capacity_bytes"] for row in rows)],
              there, "%s: buffers that were not released" % name)
    tap.equal(sum(row["lost_bytes"] for row in pools["arenas"]),
              lost_bytes(counted) if collected else 0, "%s: what of the pool nobody has" % name)
    tap.equal([(row["huge_bytes"], row["huge_buffers_bytes"]) for row in pools["arenas"]
               if row["huge_bytes"]], [(4 << 20, (2 if collected else 4) << 20)],
              "%s: what is larger than a chunk" % name)
    if not collected:
        # those of the pool are used again
        unpooled = [row for row in rows if not row["pooled_bytes"]]
        tap.ok(sum(row["released_count"] for row in unpooled) >= counted["released"][0] // 4,
               "%s: and those that were" % name, rows)


def check_limits(tap, name, document, counted):
    rows = {row["counter"]: row for row in document["limits"]
            if row["name"].startswith("direct memory")}
    used, limit = counted["netty"]
    if used < 0:
        row = rows["java.nio.Bits.RESERVED_MEMORY"]
        tap.equal((row["limit_bytes"], row["left_bytes"], row["next_bytes"], len(rows)),
                  (LIMIT, LIMIT - row["used_bytes"], counted["metric"][2], 1),
                  "%s: java.nio counts for Netty, whose chunks are the next" % name)
        tap.ok(row["used_bytes"] >= counted["metric"][0], "%s: chunks are counted" % name, row)
        return
    rows = [rows["io.netty.util.internal.PlatformDependent.DIRECT_MEMORY_COUNTER"]]
    tap.equal((rows[0]["used_bytes"], rows[0]["limit_bytes"], rows[0]["left_bytes"],
               rows[0]["next_bytes"]), (used, limit, limit - used, counted["metric"][2]),
              "%s: its limit, and what a chunk takes" % name)


def check_suspects(tap, name, summary, core, counted, collected):
    """The first one is the map that keeps them; those that were dropped are told."""
    first = summary["suspects"][0]
    types = [step.get("type") for step in first["chain"]["path"]]
    tap.equal((first["rule"], first["count"], first["chain"]["root"]["where"],
               first["holder"]["type"], types[0]),
              ("unreleased-buffers", counted["kept"][0], "static NettyMail.PENDING",
               "java.util.HashMap$Node[]", "java.util.HashMap"),
              "%s: the first suspect is the map that keeps buffers" % name)
    # what they take of the pool is more than what they hold
    tap.ok(counted["kept"][1] <= first["bytes"] + (1 << 16) and
           first["bytes"] < 2 * counted["kept"][1], "%s: and their bytes" % name,
           (first, counted))
    held = [row["part_of"] for row in summary["suspects"]
            if row["holder"] and row["holder"]["addr"] == first["holder"]["addr"]]
    tap.ok(held[0] is None and set(held[1:]) <= {first["id"]}, "%s: it is told once" % name,
           summary["suspects"])
    # 2 of 8 are not of the pool; one is larger than a chunk
    dropped = sum(i % 8 not in (1, 2) for i in range(KEPT, KEPT + DROPPED)) * WORKERS + 1
    taken = counted["taken"][0]
    found = [(row["count"] or 0, row["evidence"]["dropped_bytes"], row["evidence"]["lost_bytes"])
             for row in summary["suspects"] if row["rule"] == "dropped-buffers"]
    if collected:
        tap.equal(found, [(0, 0, lost_bytes(counted))], "%s: what was dropped is lost" % name)
        return
    # old words on a stack may lead to one for each thread, and to the one larger than a chunk
    tap.ok(len(found) == 1 and 0 <= dropped - found[0][0] <= WORKERS + 1 and
           0 <= taken - found[0][1] <= (2 << 20) + WORKERS * 8192 and found[0][2] == 0,
           "%s: buffers that were dropped" % name, (found, dropped, taken))
    near = [row for row in summary["limits"] if row["near"] and
            row["name"].startswith("direct memory")]
    tap.ok(len(near) == 1 and near[0]["percent"] > 90, "%s: a limit is near" % name,
           summary["limits"])
    out = " ".join(coreheap("summary", core).out.split())
    tap.ok("held by static NettyMail.PENDING" in out and re.search(
        r"LIMIT direct memory of \S+: [\d.]+ MiB, 9\d % of its limit of ", out),
           "%s: and for people" % name, out)
    tap.equal([row["rule"] for row in answer("summary", "--quick", "--json", core)["suspects"]
               if row["rule"] == "limit-near"], ["limit-near"],
              "%s: without the graph the limit is a suspect" % name)


def check(tap, name, jdk, options, args):
    core, where, lines = printed(jdk, "kernel", "NettyMail", [*OPTIONS, *options], args, netty())
    counted = {words[0]: list(map(int, words[1:])) for words in lines
               if words[0] not in ("heap", "direct")}
    if tap.ok(set(counted) >= {"kept", "dropped", "netty"}, "%s: the program counts" % name, lines):
        heap = answer("heap", "--json", core)
        check_arenas(tap, name, heap["pools"], lines)
        check_buffers(tap, name, heap["pools"], counted, "gc" in args)
        check_limits(tap, name, heap, counted)
        summary = answer("summary", "--json", core)
        tap.equal((summary["pools"], summary["limits"]), (heap["pools"], heap["limits"]),
                  "%s: summary has the same" % name)
        check_suspects(tap, name, summary, core, counted, "gc" in args)
        out = coreheap("heap", core).out
        tap.ok("Netty arenas" in out and "Netty buffers" in out and
               re.search("limit +direct memory of", out), "%s: for people" % name, out)
    shutil.rmtree(where)


def main():
    found = jdks(since=11)
    why = why_not("kernel") or (None if netty() else "Netty (libnetty-java) is not installed")
    if why or not found:
        skip_all(why or "no JDK is installed")
    tap = Tap()
    args = [KEPT, DROPPED, RELEASED, WORKERS]
    for release, options, more in (
            (min(found), ["-XX:+UseSerialGC", "-XX:NativeMemoryTracking=summary"], []),
            (max(found), ["-XX:+UseParallelGC"], ["gc"])):
        name = "JDK %d" % release
        tap.attempt(name, check, name, found[release], options, [*args, *more])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
