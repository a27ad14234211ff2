#!/usr/bin/env python3
"""Direct memory of the JVM: who holds the native blocks, as the programs themselves say.

Netty's jars are looked for in $NETTY_JARS and /usr/share/java (Debian: libnetty-java).
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, records, share, summary, why_not  # noqa: E402
from jvm import jdks, netty, printed  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

CHUNKS, CHUNK_BYTES, WORKERS = 96, 2 << 20, 4
# What malloc maps for one: its header, whole pages.
PAGE = 4096
MAPPED_BYTES = CHUNK_BYTES + PAGE
OPTIONS = ["-Xmx32m", "-Xss256k", "-XX:ReservedCodeCacheSize=32m",
           "-XX:CompressedClassSpaceSize=16m", "-XX:MaxDirectMemorySize=512m"]
OPEN = ["--add-opens", "java.base/java.nio=ALL-UNNAMED",
        "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"]
EXPORT = ["--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED"]
NETTY = ["-Dio.netty.allocator.pageSize=8192", "-Dio.netty.allocator.maxOrder=8"]
# Else glibc raises it when the JVM gives back something large.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "262144"}
BUFFER = "java.nio.DirectByteBuffer"


def dump(jdk, how, name, options, args, classpath=None, flags=()):
    return printed(jdk, how, name, [*OPTIONS, *options], args, classpath, flags, ENVIRONMENT)


def whole_paths(chains):
    """[(root, [(field, type)])]: chains that join others, to their ends. Steps that are left
    out are one of ("...", "...")."""
    found = []
    for chain in chains:
        path, steps = [], chain["path"]
        while steps:
            step, steps = steps[0], steps[1:]
            if "elided_count" in step:
                path.append(("...", "..."))
            elif "joins_chain" not in step:
                path.append((step["field"], step["type"]))
            else:
                # goes on behind the block that both have in common, or behind what is left out
                other = chains[step["joins_chain"] - 1]["path"]
                at = [place for place, one in enumerate(other) if one.get("addr") == step["addr"]
                      or "elided_count" in one][0]
                path.append((step["field"], other[at].get("type", "...")))
                steps = other[at + 1:]
        found.append((chain["root"], path))
    return found


def check_suspects(tap, name, core, chunks, arena, cleared=True):
    """One summary: what the blocks are, what points at them, and who holds that."""
    suspects = summary(core)["suspects"]
    alike = [row for row in suspects if row["rule"] == "equal-mappings"]
    if not tap.ok(len(alike) == 1 and alike[0]["count"] == CHUNKS and
                  alike[0]["evidence"]["mapped_bytes"] == CHUNKS * MAPPED_BYTES and
                  (alike[0]["bytes"] == CHUNKS * MAPPED_BYTES if cleared else
                   CHUNKS * PAGE <= alike[0]["bytes"] <= 4 * CHUNKS * PAGE) and
                  alike[0]["percent"] <= 100,
                  "%s: summary: %d blocks of equal size" % (name, CHUNKS), suspects):
        return
    tap.equal(alike[0]["pointed_at_by"][:1],
              [{"name": BUFFER, "runtime": "hotspot", "count": CHUNKS, "dead": False}],
              "%s: summary: each has its buffer" % name)
    path = [step.get("type") for step in alike[0]["chain"]["path"]]
    wanted = [arena[0], arena[1], BUFFER]
    tap.ok([kind for kind in path if kind in wanted] == wanted and
           alike[0]["chain"]["root"]["kind"] in ("handle", "static"),
           "%s: summary: buffer, chunk, arena, and a root that lasts" % name, alike[0]["chain"])
    tap.ok(int(alike[0]["chain"]["path"][-1]["addr"], 16) in chunks,
           "%s: summary: the chain ends at one of them" % name)
    # of blocks as large as they are; the JVM's compilers may have much of smaller ones
    tap.ok(not [row for row in suspects if row["rule"] == "one-type" and
                row["types"][0]["runtime"] == "glibc" and
                row["types"][0]["total_bytes"] >= CHUNK_BYTES * row["types"][0]["count"]],
           "%s: summary: they are told once" % name, suspects)
    # on the screen is what it is a part of
    whole = [row["message"] for row in suspects if row["id"] == alike[0]["part_of"]]
    out = " ".join(coreheap("summary", "--all", core).out.split())
    tap.ok((whole[0][:60] if whole else
            "pointed at by %s (%d of %d)" % (BUFFER, CHUNKS, CHUNKS)) in out,
           "%s: summary: also for people" % name, (whole, out[:3000]))


def check_counters(tap, name, core, lines):
    facts = {row["name"]: row["facts"] for row in summary(core)["runtimes"]}
    facts = facts["hotspot"]
    counted = {words[0]: list(map(int, words[1:])) for words in lines if words[0] != "chunk"}
    if "direct" in counted:
        tap.ok(0 <= facts["direct_count"] - counted["direct"][0] <= 1 and
               0 <= facts["direct_reserved_bytes"] - counted["direct"][1] <= 65536,
               "%s: buffers as the JVM counts them" % name, (facts, counted))
    if counted.get("netty", [-1])[0] >= 0:
        tap.equal([facts.get("netty_direct_bytes"), facts.get("netty_direct_limit_bytes")],
                  counted["netty"], "%s: bytes as Netty counts them" % name)
    tap.equal(facts["direct_limit_bytes"], 512 << 20, "%s: the limit" % name)


def check_retained(tap, name, core):
    """A buffer's memory would go away with it, whatever else has the number."""
    addrs = [row["addr"] for row in records("objects", "--jsonl", "--type", BUFFER, core)
             if "addr" in row]
    retained = [answer("retained", "--json", core, addr)["object"]["retained_bytes"]
                for addr in addrs[::CHUNKS // 16]]
    # words on stacks and in blocks of the JVM's own may lead into one by chance
    tap.ok(sum(CHUNK_BYTES <= size < CHUNK_BYTES + 8192 for size in retained) >= 12,
           "%s: buffers retain their memory" % name, retained)


def check_pool(tap, name, jdk, how, options):
    core, where, lines = dump(jdk, how, "DirectStory", [*options, *OPEN],
                              [CHUNKS, CHUNK_BYTES, WORKERS])
    chunks = [int(words[1], 16) for words in lines if words[0] == "chunk"]
    if not tap.equal(len(chunks), CHUNKS, "%s: the program says where its chunks are" % name):
        return
    check_suspects(tap, name, core, chunks, ("DirectStory$PoolArena", "DirectStory$PoolChunk"))
    check_counters(tap, name, core, lines)
    check_retained(tap, name, core)
    share = CHUNKS // WORKERS
    arenas = [int(words[1]) for words in lines if words[0] == "arena"]
    lists = [row for row in summary(core)["suspects"]
             if row["rule"] == "growing-collection" and
             row["holder"]["type"] == "DirectStory$PoolChunk"]
    # each but those of its chunks that a word elsewhere leads into, too
    tap.ok(len(lists) == WORKERS and all(
        share * CHUNK_BYTES * 2 // 3 <= row["bytes"] <= share * (MAPPED_BYTES + 4096)
        for row in lists), "%s: summary: a list of chunks for each worker" % name, lists)
    for worker in range(WORKERS):
        for place in (0, 2, 5):
            addr = chunks[worker * share + place]
            chains = whole_paths(answer("roots", "--json", core, hex(addr))["chains"])
            wanted = [(".threadLocals", "java.lang.ThreadLocal$ThreadLocalMap"),
                      (".table", "java.lang.ThreadLocal$ThreadLocalMap$Entry[]"),
                      ("[]", "java.lang.ThreadLocal$ThreadLocalMap$Entry"),
                      (".value", "DirectStory$PoolArena"), (".first", "DirectStory$PoolChunk")]
            wanted += [(".next", "DirectStory$PoolChunk")] * place
            wanted += [(".memory", BUFFER)]
            ways = [[(re.sub(r"\[\d+\]", "[]", field or ""), kind) for field, kind in path[1:-1]]
                    for root, path in chains
                    if root["where"] == 'Java thread "imap-%d"' % arenas[worker] and
                    path[0][1] == "java.lang.Thread" and path[-1][0] == ".address"]
            tap.ok(wanted in ways, "%s: chunk %d of worker %d: buffer, chunk, arena, thread" % (
                name, place, worker), ways[:2])
    shutil.rmtree(where)


def check_netty(tap, name, jdk, how, options):
    core, where, lines = dump(jdk, how, "NettyStory", [*NETTY, *options],
                              [CHUNKS, CHUNK_BYTES, WORKERS], netty())
    chunks = [int(words[1], 16) for words in lines if words[0] == "chunk"]
    metric = [int(words[1]) for words in lines if words[0] == "metric"]
    if not tap.equal((len(chunks), metric), (CHUNKS, [CHUNKS * CHUNK_BYTES]),
                     "%s: the pool took as many chunks" % name):
        return
    arena = "io.netty.buffer.PoolArena$DirectArena"
    # java.nio writes zeros; what Netty takes without it is touched where messages are
    cleaners = [int(words[1]) for words in lines if words[0] == "netty"][0] < 0
    check_suspects(tap, name, core, chunks, (arena, "io.netty.buffer.PoolChunk"), cleaners)
    check_counters(tap, name, core, lines)
    for addr in chunks[::CHUNKS // 6]:
        chains = whole_paths(answer("roots", "--json", core, hex(addr))["chains"])
        wanted = [arena, "io.netty.buffer.PoolChunk", BUFFER]
        ways = [(root, path) for root, path in chains
                if [kind for kind in dict.fromkeys(kind for _, kind in path) if kind in wanted] ==
                wanted]
        threads = [path for _, path in ways
                   if path[0][1] == "io.netty.util.concurrent.FastThreadLocalThread" and
                   "io.netty.buffer.PoolThreadCache" in [kind for _, kind in path]]
        tap.ok(threads, "%s: 0x%x: buffer, chunk, arena, cache, thread" % (name, addr),
               [path for _, path in chains][:3])
        tap.ok([root for root, _ in ways if root["where"] ==
                "static io.netty.buffer.PooledByteBufAllocator.DEFAULT"],
               "%s: 0x%x: and the allocator" % (name, addr), ways[:2])
    shutil.rmtree(where)


def check_stuck(tap, name, jdk, how, options):
    """Buffers are gone, their cleaners hold the memory: it is neither lost nor garbage."""
    core, where, _ = dump(jdk, how, "StuckStory", [*options, *EXPORT], [CHUNKS, CHUNK_BYTES],
                          flags=EXPORT)
    blocks = [row for row in answer("types", "--json", core)["types"]
              if row["runtime"] == "glibc" and
              CHUNK_BYTES <= row["smallest_bytes"] <= MAPPED_BYTES]
    buffers = [row for row in answer("types", "--json", "--live", core)["types"]
               if row["name"] == BUFFER]
    tap.ok(sum(row["count"] for row in blocks) >= CHUNKS and
           sum(row["count"] for row in buffers) < CHUNKS // 2,
           "%s: memory without buffers" % name, (blocks, buffers))
    lost = answer("leaks", "--json", core)["classes"]
    tap.ok(lost["directly_lost"]["total_bytes"] + lost["dead"]["total_bytes"] < CHUNK_BYTES * 8,
           "%s: is not lost" % name, lost)
    if blocks:
        largest = max(blocks, key=lambda row: row["count"])
        chains = whole_paths(answer("roots", "--json", core, largest["sample_addr"])["chains"])
        tap.ok([path for root, path in chains
                if root["where"] == "static jdk.internal.ref.Cleaner.first" and
                path[-2][1] == "jdk.internal.ref.Cleaner"],
               "%s: its cleaner holds it" % name, chains[:2])
    shutil.rmtree(where)


def main():
    found = jdks(since=11)
    if not found:
        skip_all("no JDK is installed")
    tap = Tap()
    for turn, (release, jdk) in enumerate(sorted(found.items())):
        for title, check, how, options in share((
                ("pool, Serial", check_pool, "kernel", ["-XX:+UseSerialGC"]),
                ("pool, G1, plain pointers", check_pool, "gcore",
                 ["-XX:+UseG1GC", "-XX:-UseCompressedOops"]),
                ("Netty", check_netty, "kernel",
                 ["-XX:+UseG1GC", "-Dio.netty.tryReflectionSetAccessible=true", *OPEN]),
                ("Netty with cleaners", check_netty, "kernel", ["-XX:+UseParallelGC"]),
                ("stuck cleaner", check_stuck, "kernel", ["-XX:+UseSerialGC"])), 2, turn):
            name = "JDK %d, %s" % (release, title)
            why = why_not(how)
            if check is check_netty and not netty():
                why = "Netty (libnetty-java) is not installed"
            if why:
                tap.skip(name, why)
                continue
            tap.attempt(name, check, name, jdk, how, options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
