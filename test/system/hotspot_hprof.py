#!/usr/bin/env python3
"""export --hprof against the heap dump that jmap makes of the same process: the same objects,
with the same classes, references and, with --reveal, contents."""
import glob
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hprof  # noqa: E402
from fixture import answer, coreheap, folder, unpack_xz, why_not  # noqa: E402
from jvm import Dump, classes, jdks, tool  # noqa: E402
from tap import Tap, repo  # noqa: E402

THREAD = 0x08


def dumped(core, *options):
    path = os.path.join(folder(), "heap.hprof")
    result = coreheap("export", "--hprof", *options, core, "-o", path)
    if result.code or result.out or result.err:
        raise RuntimeError(str(result))
    return hprof.Dump(path)


def references(dump):
    """{address: what it refers to} of all objects."""
    found = {key: [value for kind, value in dump.read(key).values() if kind == hprof.OBJECT]
             for key in dump.instances}
    found.update({key: list(ids) for key, (_, ids) in dump.objects.items()})
    return found


def reached(dump):
    """Objects that a collector would keep: dead ones may refer to what was there once."""
    ids = references(dump)
    for key, of in dump.classes.items():
        ids[key] = [of["super"], of["loader"]] + [
            value for kind, value in of["statics"].values() if kind == hprof.OBJECT]
    for key, (of, _) in [*dump.instances.items(), *dump.objects.items()]:
        ids[key].append(of)
    found, queue = set(), [key for _, key, _ in dump.roots]
    while queue:
        key = queue.pop()
        if key and key not in found:
            found.add(key)
            queue += ids.get(key, [])
    return found


def contents(dump):
    """All bytes that are no references."""
    for key in dump.instances:
        for kind, value in dump.read(key).values():
            if kind != hprof.OBJECT:
                yield value
    for _, data in dump.values.values():
        yield from data
    for of in dump.classes.values():
        for kind, value in of["statics"].values():
            if kind != hprof.OBJECT:
                yield value


def check_whole(tap, name, dump):
    """What holds for any heap dump."""
    known = {0, *dump.instances, *dump.objects, *dump.values, *dump.classes}
    held = reached(dump)
    tap.ok(held <= known and len(held) > 1000, "%s: what roots reach is there" % name,
           sorted(held - known)[:5])
    tap.ok(all(of in dump.classes for of, _ in dump.instances.values()) and
           all(of in dump.classes for of, _ in dump.objects.values()) and
           all(of["super"] in dump.classes or not of["super"] for of in dump.classes.values()) and
           set(dump.class_names) == set(dump.classes), "%s: and so are classes" % name)
    tap.ok(all(key in known for _, key, _ in dump.roots), "%s: and what roots lead to" % name)
    threads = {key for tag, key, _ in dump.roots if tag == THREAD}
    tap.ok(threads and all(dump.derives(dump.instances[key][0], "java/lang/Thread")
                           for key in threads), "%s: threads are roots" % name, threads)


def check_fixture(tap):
    """A small core that is checked in, with what jmap counted."""
    core = unpack_xz("jvm-cores", "25-compact")
    dump = dumped(core)
    check_whole(tap, "25, compact headers", dump)
    tap.equal({value for value in contents(dump) if value}, set(), "contents are zeros")
    names = dump.class_names
    got = Counter(names[of].replace("/", ".") for of, _ in dump.instances.values())
    with open(os.path.join(repo(), "fixtures", "jvm-cores", "25-compact.histo"),
              encoding="utf-8") as file:
        rows = re.findall(r"^\s*\d+:\s+(\d+)\s+\d+\s+(\S+)", file.read(), re.M)
    # an object that stands for a class is one; those of int and the like stand for none
    want = {name: int(count) for count, name in rows
            if not name.endswith("[]") and name != "java.lang.Class"}
    tap.equal({name: (got.get(name, 0), count) for name, count in want.items()
               if got.get(name, 0) != count}, {}, "as many instances of each class as jmap counted")


def ask_jmap(jdk, pid):
    path = os.path.join(folder(), "jmap.hprof")
    tool(jdk, "jmap", "-dump:format=b,file=" + path, pid)
    return hprof.Dump(path)


def in_order(part):
    return sorted(part) if isinstance(part, list) else part


def check_same(tap, name, got, want):
    """want is of the process a moment later, in which jmap itself was answered."""
    names, wanted = got.class_names, want.class_names
    ours = {key for key, text in names.items() if not re.search("Lambda", text)}
    # classes that were loaded to answer jmap are not in the core
    tap.equal(sorted(key for key in ours if wanted.get(key) != names[key]), [],
              "%s: classes have the same objects and names" % name)
    # jmap leaves out some that were never used
    ours &= set(want.classes)
    tap.ok(len(ours) > 300, "%s: nearly all" % name, len(ours))
    for part in ("super", "loader", "size", "fields"):
        tap.equal([(names[key], got.classes[key][part], want.classes[key][part]) for key in ours
                   if in_order(got.classes[key][part]) != in_order(want.classes[key][part])][:5],
                  [], "%s: classes have the same %s" % (name, part))
    own = {key for key, (of, _) in want.instances.items() if "Values" in wanted[of]}
    tap.ok(len(own) >= 50 and {key for key, (of, _) in got.instances.items()
                               if "Values" in names[of]} == own,
           "%s: the program's objects lie where jmap saw them" % name, len(own))
    tap.equal([key for key in own if {k[1:]: v for k, v in by_name(got, key).items()} !=
               {k[1:]: v for k, v in by_name(want, key).items()}], [],
              "%s: with the same values in the same fields" % name)
    same = [key for key in got.instances if key in want.instances and
            got.instances[key][0] == want.instances[key][0]]
    # jmap leaves out objects of classes that are in the JVM's archive and were not loaded yet
    held = {key for key in reached(got).intersection(got.instances)
            if names[got.instances[key][0]] != "java/lang/Class"}
    tap.ok(len(held.intersection(same)) > 0.98 * len(held),
           "%s: nearly all objects that are held are there in both" % name, (len(same), len(held)))
    differ = [key for key in same if by_name(got, key) != by_name(want, key)]
    tap.ok(len(differ) < 0.02 * len(same), "%s: and nearly all are as they were" % name,
           [names[got.instances[key][0]] for key in differ[:20]])
    for what in ("objects", "values"):
        have, other = getattr(got, what), getattr(want, what)
        equal = sum(have[key] == other.get(key) for key in have)
        tap.ok(equal > 0.97 * len(have), "%s: arrays (%s) have the same contents" % (name, what),
               (equal, len(have)))
    values = next(key for key, text in names.items() if text == "Values")
    tap.equal(got.classes[values]["statics"], {
        field: value for field, value in want.classes[values]["statics"].items()
        if field[0] != "<"}, "%s: statics" % name)


def by_name(dump, key):
    return {(dump.class_names[of], field): value
            for (of, field), value in dump.read(key).items()}


def check_live(tap, jdk, options):
    name = "JDK %d" % jdk[0]
    dump = Dump(jdk[1], "Values", "gcore", options, after=ask_jmap)
    got = dumped(dump.core, "--reveal")
    check_whole(tap, name, got)
    check_same(tap, name, got, dump.asked)
    frames = [got.frames[key][0] for _, keys in got.traces.values() for key in keys]
    tap.ok("main" in frames and "sleep" in " ".join(frames), "%s: stacks of threads" % name, frames)
    hidden = dumped(dump.core)
    tap.equal({value for value in contents(hidden) if value}, set(),
              "%s: contents are zeros without --reveal" % name)
    tap.equal(references(hidden), references(got), "%s: references are not" % name)
    shutil.rmtree(dump.folder)


def check_other_reader(tap):
    """VisualVM's library reads the dump, and counts what `types` counts."""
    jars = sorted(glob.glob("/usr/share/visualvm/**/org-graalvm-visualvm-lib-jfluid*.jar",
                            recursive=True))
    found = jdks(since=11)
    if not jars or not found:
        tap.skip("VisualVM reads it", "no JDK is installed" if jars else "no visualvm")
        return
    core = unpack_xz("jvm-cores", "25-compact")
    path = os.path.join(folder(), "heap.hprof")
    coreheap("export", "--hprof", core, "-o", path)
    jdk = found[max(found)]
    out = subprocess.run([os.path.join(jdk, "bin", "java"), "-cp",
                          classes(jdk, "HeapOf", ":".join(jars)), "HeapOf", path],
                         capture_output=True, text=True, check=False).stdout
    rows = [line.split(" ", 2) for line in out.splitlines()]
    tap.ok(rows and rows[0][0] == "roots" and int(rows[0][1]) > 100, "VisualVM reads it", out[:500])
    got = {name: int(count) for count, _, name in rows[1:]}
    want = {row["name"]: row["count"] for row in answer("types", "--json", "--state", "used", core)["types"]
            if row["runtime"] == "hotspot" and row["kind"] == "object"}
    same = [name for name in got if got[name] == want.get(name)]
    tap.ok(len(same) > 200 and len(same) >= len(got) - 2,
           "VisualVM counts the instances of each class that types counts",
           [(name, got[name], want.get(name)) for name in got if name not in same][:10])
    held = sum(int(row[1]) for row in rows[1:])
    tap.ok(held > 1000, "VisualVM finds ways from roots", held)


def main():
    tap = Tap()
    tap.attempt("fixture", check_fixture)
    tap.attempt("other reader", check_other_reader)
    found = jdks("jmap", since=11)
    reason = why_not("gcore") or (None if found else "no JDK with jmap is installed")
    if reason:
        tap.skip("a heap dump of jmap", reason)
        return tap.done()
    for release, options in sorted({min(found): ["-XX:+UseSerialGC"],
                                    max(found): ["-XX:+UseG1GC"]}.items()):
        tap.attempt("JDK %d" % release, check_live, (release, found[release]), options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
