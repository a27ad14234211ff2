#!/usr/bin/env python3
"""Native Memory Tracking and the flags of a JVM, against what jcmd said right before the dump."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, share, why_not  # noqa: E402
from jvm import SMALL, classes, dumped, has, jdks, start, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

BUFFERS = 24
# What answering jcmd takes of its own, and what it may leave behind.
OF_JCMD = ("Internal", "Native Memory Tracking", "Serviceability", "Arena Chunk", "Arguments")
JCMD_BYTES = 2 << 20
# What a JVM that does nothing may do between the answer and the dump.
IDLE_CATEGORIES, IDLE_BYTES = 2, 65536
# Answers, until two in a row are the same.
ANSWERS = 20
STEADY = ("Java Heap", "GC", "Other", "Symbol", "Class")
WORD = "word-of-the-user"


def twin(jdk, where):
    """A JDK of its own, whose libjvm.so can be taken away."""
    target = os.path.join(where, "jdk")
    for path, folders, files in os.walk(jdk):
        here = os.path.join(target, os.path.relpath(path, jdk))
        os.makedirs(here)
        for name in files + [name for name in folders if os.path.islink(os.path.join(path, name))]:
            source = os.path.realpath(os.path.join(path, name))
            if name in ("java", "libjvm.so", "libjli.so"):
                shutil.copy(source, os.path.join(here, name))
            else:
                os.symlink(source, os.path.join(here, name))
    return target


def tracked(jdk, pid):
    return tool(jdk, "jcmd", str(pid), "VM.native_memory", "summary", "scale=b")


def of_others(text):
    """What it says of all but what jcmd itself takes."""
    return {key: row for key, row in categories(text).items() if key not in OF_JCMD}


def dump(jdk, java, where, options, how):
    """The core of a shop, and what jcmd said of it: (core, tracking, flags)."""
    process = start(java, where, how, [*SMALL, *options],
                    [classes(jdk, "Shop"), "Shop", "2000", "100", str(BUFFERS)])
    said = []

    def ask(pid):
        said.append(tool(jdk, "jcmd", str(pid), "VM.flags", "-all"))
        # the first answers load what the next ones need, and compilers may be at work
        before, tracking = "", tracked(jdk, pid)
        for _ in range(ANSWERS):
            if of_others(before) == of_others(tracking):
                break
            before, tracking = tracking, tracked(jdk, pid)
        said.append(tracking)
    core = dumped(process, where, how, ask)
    return core, said[1], said[0]


def categories(text):
    """{category: its numbers} of VM.native_memory."""
    found = {}
    for part in re.split(r"\n-\s+", text)[1:]:
        head = re.match(r"(.+?) \(reserved=(\d+), committed=(\d+)", part)
        malloc = re.search(r"\(malloc=(\d+)(?: tag=[^#\n]*?)?(?: #(\d+))?\)", part)
        arena = re.search(r"\(arena=(\d+) #(\d+)\)", part)
        found[head.group(1)] = {
            "reserved_bytes": int(head.group(2)), "committed_bytes": int(head.group(3)),
            "malloc_bytes": int(malloc.group(1)) if malloc else 0,
            "malloc_count": int(malloc.group(2) or 0) if malloc else 0,
            "arena_bytes": int(arena.group(1)) if arena else 0}
    return found


def far(one, other, keys):
    """How far two categories are apart."""
    return max(abs((one or {}).get(key, 0) - (other or {}).get(key, 0)) for key in keys)


def check_counters(tap, name, wanted, found):
    keys = ("reserved_bytes", "committed_bytes", "malloc_bytes", "arena_bytes")
    rows = {row["name"]: row for row in found["categories"]}
    apart = {key: far(wanted.get(key), rows.get(key), keys) for key in set(wanted) | set(rows)}
    differing = {key: (wanted.get(key), rows.get(key)) for key, bytes_ in apart.items()
                 if bytes_ and key not in OF_JCMD}
    tap.ok(len(wanted) >= 15 and len(differing) <= IDLE_CATEGORIES and
           not set(differing) & set(STEADY) and
           all(apart[key] <= IDLE_BYTES for key in differing),
           "%s: %d categories as jcmd has them" % (name, len(wanted)), differing)
    own = {key: apart.get(key, 0) for key in OF_JCMD if apart.get(key, 0) > JCMD_BYTES}
    tap.equal(own, {}, "%s: but for what jcmd itself took" % name)
    tap.equal({key: rows[key]["malloc_count"] for key in STEADY},
              {key: wanted[key]["malloc_count"] for key in STEADY}, "%s: counts" % name)
    sums = {key: sum(row[key] for row in rows.values()) for key in keys}
    tap.equal({key: found["total"][key] for key in keys}, sums, "%s: the total" % name)


def check_headers(tap, name, wanted, found):
    """Without symbols: all that is asked of malloc, but no mappings and arenas."""
    tap.equal((found["counted"], found["basis"]), (False, "heuristic"), "%s: basis" % name)
    rows = {row["name"]: row for row in found["categories"]}
    # jcmd leaves out of chunks what arenas have of them
    apart = {key: far(row, rows.get(key), ("malloc_bytes", "malloc_count"))
             for key, row in wanted.items() if key not in OF_JCMD and row["malloc_count"]}
    differing = {key: (wanted[key], rows.get(key)) for key, distance in apart.items() if distance}
    tap.ok(len(apart) >= 10 and len(differing) <= IDLE_CATEGORIES and
           not set(differing) & set(STEADY) and
           all(apart[key] <= IDLE_BYTES for key in differing),
           "%s: %d categories as jcmd has them" % (name, len(apart)), differing)
    tap.ok(rows["Arena Chunk"]["malloc_bytes"] >= wanted["Arena Chunk"]["malloc_bytes"] -
           IDLE_BYTES, "%s: chunks of arenas" % name, rows["Arena Chunk"])
    tap.equal({row["reserved_bytes"] for row in rows.values()}, {None},
              "%s: mappings are not known" % name)


def check_sums(tap, name, core, found):
    """Whose the used blocks are adds up to them."""
    summary = answer("summary", "--quick", "--json", core)
    rows = {row["name"]: row["bytes"] for row in summary["accounting"]["rows"]}
    tap.equal(found["total"]["blocks_bytes"] + found["other_blocks_bytes"],
              rows["heap_used"] + rows["heap_used_mmapped"], "%s: blocks add up" % name)
    tap.equal((found["total"]["blocks_count"], found["total"]["blocks_bytes"]),
              tuple(sum(row[key] for row in found["categories"])
                    for key in ("blocks_count", "blocks_bytes")), "%s: and categories" % name)
    tap.equal(summary["native_tracking"], found, "%s: summary says the same" % name)
    others = [row for row in found["categories"] if row["name"] == "Other"]
    tap.ok(others and others[0]["blocks_count"] >= BUFFERS and
           0 <= others[0]["malloc_bytes"] - BUFFERS * 65536 < 65536,
           "%s: direct buffers are others" % name, others)
    text = coreheap("summary", "--quick", "--all", core).out
    tap.ok("hotspot: Other" in text and "blocks of others" in text, "%s: in text" % name, text)


def check_holders(tap, name, core, every):
    """A buffer's address is what the JVM handed out, behind its header. every: of how many
    blocks one is asked for."""
    blocks = [row["addr"] for row in answer(
        "objects", "--json", "--state", "used", "--min-size", "65536", "--max-size", "65640",
        core)["objects"] if row["runtime"] == "glibc"]
    asked = blocks[::every]
    ways = [answer("roots", "--exact", "--json", core, block) for block in asked]
    held = [way for way in ways if any(
        "ByteBuffer" in str(step.get("type")) for chain in way["chains"] for step in chain["path"])]
    # a block or two may be as large by chance
    tap.ok(len(blocks) >= BUFFERS and len(held) >= len(asked) - (len(blocks) - BUFFERS) and
           all(way["verdict"] == "reachable" for way in held) and
           (every > 1 or len(held) == BUFFERS),
           "%s: exact ways lead to direct buffers' memory" % name,
           (len(blocks), len(asked), len(held)))


def check_off(tap, name, core, jcmd_said):
    doc = answer("heap", "--json", core)
    facts = {row["name"]: row["facts"] for row in doc["runtimes"]}["hotspot"]
    tap.ok("not enabled" in jcmd_said and doc["native_tracking"] is None and
           facts["native_memory_tracking"] == "off", "%s: it is off" % name, facts)
    text = coreheap("heap", core).out + coreheap("summary", "--quick", core).out
    tap.ok("native memory tracking" not in text and "USED BLOCKS OF MALLOC" not in text,
           "%s: and nothing else is said of it" % name, text)


def check_flags(tap, name, core, text):
    wanted = {}
    for line in text.splitlines():
        match = re.match(r"\s*(\S+) (\S+)\s+= ?(.*?)\s+\{[^}]*\} \{(.*)\}$", line)
        if match:
            wanted[match.group(2)] = (match.group(1), match.group(3), match.group(4))
    rows = answer("heap", "--flags", "--reveal", "--json", core)["settings"]
    found = {row["name"]: (row["type"], row["value"] or "", row["origin"]) for row in rows}
    differing = {key: (row, found.get(key)) for key, row in wanted.items()
                 if found.get(key) != row}
    tap.ok(len(wanted) > 400 and not differing, "%s: %d flags as jcmd has them" % (
        name, len(wanted)), differing)
    tap.equal([row["name"] for row in rows], sorted(found), "%s: each once, by name" % name)
    changed = {row["name"] for row in answer("heap", "--json", core)["settings"]}
    tap.ok(changed and changed & set(wanted) == {key for key, row in wanted.items()
                                                 if row[2] != "default"},
           "%s: those that are not default" % name, sorted(changed))
    hidden = answer("heap", "--flags", "--json", core)["settings"]
    tap.equal({row["value"] for row in hidden if row["type"] in ("ccstr", "ccstrlist")}, {None},
              "%s: texts only with --reveal" % name)
    said = "".join(coreheap(*command, core).out for command in (
        ["heap"], ["heap", "--flags"], ["heap", "--flags", "--json"], ["summary", "--json"]))
    tap.ok(WORD not in said, "%s: not in any answer without it" % name)
    tap.ok(WORD in coreheap("heap", "--reveal", core).out, "%s: and with it" % name)


def check(tap, release, jdk, level, how, options=()):
    name = ", ".join(["JDK %d" % release, level, how, *options])
    files = how != "no file of libjvm"
    if why_not(how if files else "gcore"):
        tap.skip(name, why_not(how if files else "gcore"))
        return
    if not has(jdk, *options):
        tap.skip(name, "this build of the JDK has it not")
        return
    where = folder()
    java = jdk if files else twin(jdk, where)
    core, tracking, flags = dump(
        jdk, java, where, ["-XX:NativeMemoryTracking=" + level,
                           "-XX:OnOutOfMemoryError=echo " + WORD, *options], how if files else "gcore")
    if not files:
        os.unlink(os.path.join(java, "lib", "server", "libjvm.so"))
    check_flags(tap, name, core, flags)
    if level == "off":
        check_off(tap, name, core, tracking)
    else:
        found = answer("heap", "--json", core)["native_tracking"]
        tap.equal(found["level"], level, "%s: the level" % name)
        if found["counted"]:
            check_counters(tap, name, categories(tracking), found)
            tap.equal({row["name"]: row["blocks_count"] for row in found["categories"]},
                      {row["name"]: row["malloc_count"] for row in found["categories"]},
                      "%s: each block that is counted has a header" % name)
        else:
            check_headers(tap, name, categories(tracking), found)
        tap.equal(found["counted"], files, "%s: counters take symbols" % name)
        check_sums(tap, name, core, found)
        # all of them where the JVM counts, and of further cores some
        check_holders(tap, name, core, 1 if how == "gcore" else 6)
    shutil.rmtree(where)


def main():
    found = jdks("jcmd")
    if not found:
        skip_all("no JDK with jcmd is installed")
    tap = Tap()
    for turn, (release, jdk) in enumerate(sorted(found.items())):
        for level, how in share((("summary", "gcore"), ("detail", "kernel"), ("off", "kernel"),
                                 ("summary", "no file of libjvm")), 2, turn):
            tap.attempt("%d %s %s" % (release, level, how), check, release, jdk, level, how)
        # its heap lies in files, which later releases count apart
        tap.attempt("%d ZGC" % release, check, release, jdk, "summary", "kernel",
                    ["-XX:+UseZGC"])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
