#!/usr/bin/env python3
"""Which class loaders of a JVM are alive, and what holds them: against what the program dropped
and kept, and against what jmap -histo:live then counts in the same process; what they have of
metaspace, against jcmd."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, why_not  # noqa: E402
from jvm import Dump, has, jdks, tool  # noqa: E402
from tap import Tap, skip_all  # noqa: E402
from truth import is_word, not_of_words  # noqa: E402

KEPT = {"Loaders$KeptMark": 20, "Loaders$ByClassMark": 3, "Loaders$ByArrayMark": 3,
        "Loaders$LinkedMark": 3, "Loaders$LinkingMark": 3}
DROPPED, METASPACE_MAX = 60, 48 << 20
# Dumps, until one is made while metaspace stays as it is.
TRIES = 5
# The oldest release with the first, the newest with the others: jmap of ZGC before 21 does not
# count what a full collection leaves.
SETTINGS = {"Serial": ["-XX:+UseSerialGC"],
            "G1": ["-XX:+UseG1GC", "-XX:MaxMetaspaceSize=%d" % METASPACE_MAX],
            "ZGC": ["-XX:+UseZGC"]}


def histogram(jdk, pid):
    """{class: (count, bytes)} of what a full collection leaves."""
    text = tool(jdk, "jmap", "-histo:live", pid)
    return {match.group(3): (int(match.group(1)), int(match.group(2)))
            for match in re.finditer(r"^\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)", text, re.M)}


def loader_stats(jdk, pid):
    """{class of a loader: [loaders, classes]} as jcmd has it; what hidden classes have of their
    own is counted in lines of its own there."""
    found = {}
    for line in tool(jdk, "jcmd", pid, "VM.classloader_stats").splitlines():
        match = re.match(r"0x\w+\s+0x\w+\s+0x\w+\s+(\d+)\s+\d+\s+\d+\s+(\S+)", line)
        if match:
            row = found.setdefault(match.group(2), [0, 0])
            row[0] += 1
            row[1] += int(match.group(1))
    return found


def compiled(jdk, pid):
    """{address: method} as jcmd has compiled code; names of hidden classes differ in form."""
    line = re.compile(r"\s*\d+ -?\d+ -?\d+ ([^\s(]+)\(.*\[0x\w+, 0x(\w+) - 0x\w+\]")
    return {int(match.group(2), 16): match.group(1).replace("/", ".") for match in
            map(line.match, tool(jdk, "jcmd", pid, "Compiler.codelist").splitlines()) if match}


CHUNKS = ("chunks_count", "chunks_capacity_bytes", "chunks_committed_bytes", "used_bytes",
          "free_bytes", "waste_bytes", "deallocated_count", "deallocated_bytes")


def metaspace(jdk, pid):
    """What jcmd says of metaspace: {part: {field: number}}, and how many loaders have some."""
    for _ in range(2):
        text = tool(jdk, "jcmd", pid, "VM.metaspace", "scale=1")
    usage, space = text[text.index("Total Usage"):].split("Virtual space:", 1)
    found = {"loaders_count": int(re.search(r"Total Usage - (\d+) loader", usage).group(1))}
    for part, word in (("non-class", "Non-Class"), ("class space", "Class"), ("total", "Both")):
        line = re.search(r"^\s*%s: (.*)" % word, usage, re.M).group(1)
        line = re.sub(r"\([^)]*\)", "", line)
        found[part] = dict(zip(CHUNKS, map(int, re.findall(r"\d+", line))))
        line = re.search(r"^\s*%s[^:\n]*:\s*(\d+) bytes reserved,\s*(\d+) bytes" % word, space,
                         re.I | re.M).groups()
        found[part]["reserved_bytes"], found[part]["committed_bytes"] = map(int, line)
    return found


def check_metaspace(tap, name, core, wanted):
    doc = answer("heap", "--json", core)
    found = doc["metaspace"]
    rows = {row["name"]: row for row in found["parts"] + [found["total"]]}
    tap.equal({"loaders_count": found["loaders_count"],
               **{part: {key: row[key] for key in wanted[part]} for part, row in rows.items()}},
              wanted, "%s: metaspace by chunks as jcmd has it" % name)
    tap.ok(found["complete"] and found["unread_loaders_count"] == 0, "%s: all of it" % name)
    claimed = {row["name"]: row["total_bytes"] for row in doc["runtime_memory"]}
    tap.equal((claimed["metaspace"], claimed["class space"]),
              tuple(wanted[part]["committed_bytes"] for part in ("non-class", "class space")),
              "%s: the memory map has as much" % name)
    limits = {row["name"]: (row["used_bytes"], row["limit_bytes"]) for row in doc["limits"]}
    tap.equal((limits["class space"], limits.get("metaspace")),
              ((wanted["class space"]["chunks_capacity_bytes"],
                wanted["class space"]["reserved_bytes"]),
               (wanted["total"]["committed_bytes"], METASPACE_MAX)
               if "G1" in name else None), "%s: and its limits" % name)
    of_loaders = [row["metaspace"] for row in answer(
        "types", "--by", "loader", "--json", core)["loaders"]]
    tap.equal({key: sum(row[key] for row in of_loaders) for key in (
        "committed_bytes", "used_bytes", "free_bytes", "waste_bytes", "class_used_bytes")},
              {"committed_bytes": wanted["total"]["chunks_committed_bytes"],
               "class_used_bytes": wanted["class space"]["used_bytes"],
               **{key: wanted["total"][key] for key in ("used_bytes", "free_bytes",
                                                        "waste_bytes")}},
              "%s: and so have the loaders together" % name)


def check_methods(tap, name, core, wanted):
    rows = answer("methods", "--json", core)["methods"]
    found = {int(row["addr"], 16): row["name"] for row in rows}
    # it goes on compiling, and drops what it deoptimised
    there = [addr for addr in wanted if addr in found]
    tap.ok(len(wanted) > 50 and len(there) >= 0.9 * len(wanted),
           "%s: compiled methods lie where jcmd has them" % name, (len(wanted), len(there)))
    tap.equal([(found[addr], wanted[addr]) for addr in there if found[addr] != wanted[addr] and
               "0x" not in wanted[addr]][:5], [], "%s: and are called so" % name)
    tap.ok(all(row["size_bytes"] > 0 and row["kind"] in ("C1", "C2", "native wrapper")
               for row in rows), "%s: with ends, and who compiled them" % name, rows[:3])


def live(core):
    rows = answer("types", "--live", "--json", core)["types"]
    return {row["name"]: row for row in rows if row["runtime"] == "hotspot"}


def strays(found):
    """Dropped loaders that are live all the same."""
    return found.get("Loaders$DroppedMark", {"count": 0})["count"]


def check_strays(tap, name, core, count):
    roots = not_of_words(core, "Loaders$DroppedMark") if count else []
    tap.ok(count <= DROPPED // 10 and not roots,
           "%s: dropped loaders are dead, but for what words on stacks lead to" % name,
           (count, roots))


def check_loaders(tap, name, core, wanted):
    rows = answer("types", "--by", "loader", "--json", core)["loaders"]
    of_program = [row for row in rows if row["name"] == "Loaders$AppLoader"]
    tap.equal([sum(row[key] for row in of_program) for key in ("count", "classes_count")],
              wanted["Loaders$AppLoader"], "%s: loaders and classes as jcmd has them" % name)
    tap.equal(rows[0]["name"], "Loaders$AppLoader", "%s: the most come first" % name)
    states = {row["state"]: row for row in of_program}
    tap.ok(set(states) == {"live", "dead"} and
           states["live"]["count"] == sum(KEPT.values()) + strays(live(core)) and
           states["live"]["retained_bytes"] > 0 and states["dead"]["retained_bytes"] is None,
           "%s: live and dead ones apart" % name, of_program)


def check_live(tap, name, core, wanted):
    found = live(core)
    stray = strays(found)
    check_strays(tap, name, core, stray)
    marks = {key: row["count"] for key, row in found.items()
             if key.endswith("Mark") and key != "Loaders$DroppedMark"}
    tap.equal(marks, KEPT, "%s: loaders that something keeps are live, and no others" % name)
    tap.equal(marks, {key: wanted[key][0] for key in wanted if key.endswith("Mark")},
              "%s: as jmap has it" % name)
    tap.equal(found["Loaders$AppLoader"]["count"] - stray, wanted["Loaders$AppLoader"][0],
              "%s: as many loaders" % name)


def topmost(rows):
    """Of each mark that is kept, what holds it and is held by nothing else: addresses."""
    found = set()
    for row in rows.values():
        if row["type"] in KEPT:
            while row["dominator_addr"]:
                row = rows[row["dominator_addr"]]
            found.add(row["addr"])
    return found


def check_holder(tap, name, core):
    at = live(core)["Loaders$KeptMark"]["sample_addr"]
    chains = [chain for chain in answer("roots", "--exact", "--json", core, at)["chains"]
              if not is_word(chain["root"])]
    tap.equal(chains[0]["root"]["where"], "static Loaders.REGISTRY",
              "%s: what holds the loaders is the root" % name)
    holder = chains[0]["path"][0]["addr"]
    rows = {row["addr"]: row for row in answer("retained", "--limit", "0", "--json", core)["rows"]}
    # what a word on a stack leads to, too, is not held by the list alone
    tops = topmost(rows) | {holder}
    held = sum(rows[addr]["retained_bytes"] for addr in tops)
    tap.ok(sum(KEPT.values()) * 20_000 < held < sum(KEPT.values()) * 60_000,
           "%s: it retains what the classes hold" % name, [rows[addr] for addr in tops])
    others = [addr for addr in tops - {holder} if not any(
        is_word(chain["root"]) for chain in answer("roots", "--json", "--limit", "0", core,
                                                   addr)["chains"])]
    tap.equal(others, [], "%s: and nothing but words on stacks retains some" % name)


def dump(jdk, options):
    """A core, and what jcmd said of the process before: as it did afterwards, too."""
    def ask(jdk, pid):
        return {"loaders": loader_stats(jdk, pid), "code": compiled(jdk, pid),
                "metaspace": metaspace(jdk, pid)}

    def ask_again(jdk, pid):
        return metaspace(jdk, pid), histogram(jdk, pid)

    for _ in range(TRIES):
        said = []
        made = Dump(jdk, "Loaders", "gcore", options, after=ask_again,
                    ask=lambda jdk, pid: said.append(ask(jdk, pid)))
        if said[0]["metaspace"] == made.asked[0]:
            break
    return made.core, said[0], made.asked[1]


def check(tap, release, jdk, name):
    label = "%d %s" % (release, name)
    if not has(jdk, *SETTINGS[name]):
        tap.skip(label, "this JDK has no such collector")
        return
    core, said, counts = dump(jdk, SETTINGS[name])
    check_live(tap, label, core, counts)
    check_holder(tap, label, core)
    check_loaders(tap, label, core, said["loaders"])
    check_metaspace(tap, label, core, said["metaspace"])
    check_methods(tap, label, core, said["code"])


def main():
    reason = why_not("gcore")
    found = jdks("jmap", since=11)
    if reason or not found:
        skip_all(reason or "no JDK with jmap is installed")
    tap = Tap()
    for name in SETTINGS:
        release = min(found) if name == "Serial" else max(found)
        if release >= 21 or name != "ZGC":
            tap.attempt("%d %s" % (release, name), check, release, found[release], name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
