#!/usr/bin/env python3
"""fixtures/goroutines/waits.go: goroutines and their stacks are what the runtime itself said of them
right before the dump: where each stands, with lines and functions that were put into others, what it
waits for, who started it. Of several releases of Go, stripped and not, by gcore and the kernel."""
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Cores of stripped programs, and what their runtimes said.
RELEASES = ["1.19", "1.24", "1.27"]
BUILDS = [("with symbols", []), ("stripped", ["-ldflags=-s -w"]),
          ("position independent", ["-buildmode=pie", "-ldflags=-s -w"])]
# Made by the compiler for "go f(x)" and for what C calls; the runtime leaves them out of what it prints.
WRAPPER = re.compile(r"^(main\.start\.(func|gowrap)\d+|_cgoexp_\w+)$")


def plain(name):
    """What the runtime prints leaves out what a generic function is made for."""
    return re.sub(r"\[.*\]", "[...]", name)


def read_places(lines):
    """Pairs of a line that names a function, and one with its file and line."""
    for function, place in zip(lines[::2], lines[1::2]):
        file, line = re.match(r"\t(.*?):(\d+)", place).groups()
        yield function, "%s:%s" % (os.path.basename(file), line)


def read_truth(path):
    """By number: what a goroutine waits for, whether it is locked, its stack, who started it."""
    goroutines = {}
    with open(path, encoding="utf-8") as file:
        blocks = file.read().strip().split("\n\n")
    for block in blocks:
        head, *lines = block.split("\n")
        number, words = re.match(r"goroutine (\d+) \[(.*)\]:", head).groups()
        reason, *more = words.split(", ")
        frames, creator = [], None
        for function, place in read_places(lines):
            if function.startswith("created by "):
                creator = (re.sub(r" in goroutine \d+$", "", function[11:]), place)
            else:
                frames.append((plain(re.match(r"(.*)\(.*\)$", function).group(1)), place))
        goroutines[int(number)] = (reason, "locked to thread" in more, frames, creator)
    del goroutines[1]
    return goroutines


def read_told(core):
    """The same of what coreheap says: frames of the runtime's own are in no text of the runtime."""
    told = fixture.answer("threads", "--json", core)
    stacks = {group["fingerprint"]: [(plain(frame["symbol"]), frame["source"])
                                     for frame in group["frames"]
                                     if not frame["symbol"].startswith("runtime.")
                                     and not WRAPPER.match(frame["symbol"])]
              for group in told["goroutine_groups"]}
    goroutines = {}
    for row in told["goroutines"]:
        if row["system"] or row["number"] == 1:
            continue
        goroutines[row["number"]] = (row["waits_for"] or row["state"],
                                     row["locked_tid"] is not None,
                                     stacks[row["fingerprint"]],
                                     (row["creator"], row["created_at"]))
    return told, goroutines


def check(tap, core, truth, name, least=32):
    told, goroutines = read_told(core)
    expected = read_truth(truth)
    tap.equal([(number, goroutines.get(number), expected.get(number))
               for number in sorted({*goroutines, *expected})
               if goroutines.get(number) != expected.get(number)], [],
              name + ": each is what the runtime says")
    tap.ok(len(expected) >= least, name + ": it says something of all of them")
    tap.equal(sum(group["count"] for group in told["goroutine_groups"]), told["goroutines_count"],
              name + ": each is in one group")
    ends = {thread["frames_end"] for thread in told["threads"]}
    tap.equal(ends, {"end of stack"}, name + ": stacks of all threads end where they begin")


def check_death(tap, core, name):
    """A nil pointer: the stack goes on through the handler that the runtime has for it."""
    summary = fixture.summary(core)
    tap.equal((summary["death"]["aborted_because"] or {}).get("function"), "runtime.panicmem",
              name + ": why it died")
    tap.equal(summary["crash"]["signature"]["frames"], ["main.explode", "main.main"],
              name + ": where")


def build(target, flags, source="waits.go", cgo="0"):
    """Compile a program; the reason why it cannot be, or None."""
    if not shutil.which("go"):
        return "no go"
    env = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
           "CGO_ENABLED": cgo, "GOCACHE": os.path.join(os.path.dirname(target), "cache")}
    source = os.path.join(repo(), "fixtures", "goroutines", source)
    subprocess.run(["go", "build", *flags, "-o", target, source], check=True, env=env)
    return None


def check_built(tap, name, flags, how):
    name = "%s, %s" % (name, how)
    where = fixture.folder()
    why = build(os.path.join(where, "waits"), flags) or fixture.why_not(how)
    if why:
        tap.skip("a Go program, " + name, why)
        return
    env = {"GOTRACEBACK": "crash", "MODE": "wait" if how == "gcore" else ""}
    core = fixture.dump(os.path.join(where, "waits"), how, where, env=env)
    check(tap, core, os.path.join(where, "truth"), name)
    if how == "kernel":
        check_death(tap, core, name)
    os.unlink(core)


def check_foreign(tap):
    """Stacks go on through C, and through Go that C called."""
    where = fixture.folder()
    why = build(os.path.join(where, "foreign"), ["-ldflags=-s -w"], "foreign.go", "1") or \
        fixture.why_not("kernel")
    if why:
        tap.skip("Go and C", why)
        return
    core = fixture.dump(os.path.join(where, "foreign"), "kernel", where,
                        env={"GOTRACEBACK": "crash"})
    check(tap, core, os.path.join(where, "truth"), "Go and C", 3)
    os.unlink(core)


def check_many(tap):
    """Goroutines that cannot go on, that wait for a lock, and many in one place are suspects."""
    where = fixture.folder()
    why = build(os.path.join(where, "waits"), ["-ldflags=-s -w"]) or fixture.why_not("kernel")
    if why:
        tap.skip("many goroutines", why)
        return
    core = fixture.dump(os.path.join(where, "waits"), "kernel", where,
                        env={"GOTRACEBACK": "crash", "MODE": "many"})
    rows = {row["rule"]: row for row in fixture.summary(core)["suspects"]
            if row["rule"].endswith("-goroutines")}
    # that of generic() is one more, unless a word that a call left behind leads to its channel
    lost = rows["blocked-goroutines"]["evidence"]["unreachable_channels_count"]
    tap.equal(({rule: row["count"] for rule, row in rows.items()}, lost <= 1),
              ({"blocked-goroutines": 48 + lost, "locked-goroutines": 23,
                "alike-goroutines": 1200}, True), "many goroutines: how many")
    tap.ok("main.worker (waits.go:29)" in rows["alike-goroutines"]["message"] and
           "main.takeLock (waits.go:49)" in rows["locked-goroutines"]["message"],
           "many goroutines: where", str(rows))
    before = os.path.join(repo(), "fixtures", "goroutines", "1.19.xz")
    groups = fixture.answer("diff", "--json", before, core)["thread_groups"]
    tap.equal([row["delta_count"] for row in groups
               if row["name"].startswith("goroutines: main.worker <- main.many")], [1200],
              "many goroutines: diff tells them")
    os.unlink(core)


def addr_at(data, off):
    """Address of what lies at an offset of a core."""
    start, = struct.unpack_from("<Q", data, 32)
    for i in range(struct.unpack_from("<H", data, 56)[0]):
        kind, _, at, addr, _, size = struct.unpack_from("<IIQQQQ", data, start + 56 * i)
        if kind == 1 and at <= off < at + size:
            return addr + off - at
    raise ValueError("no segment has it")


def places(data):
    """Offsets of the head of the table of functions, of the image's description, which begins with
    its address, and of what the page allocator begins with."""
    table = data.index(b"\xf1\xff\xff\xff\x00\x00\x01\x08")
    addr = struct.pack("<Q", addr_at(data, table))
    image = data.index(addr)
    while not 0 < struct.unpack_from("<Q", data, image + 8)[0] - addr_at(data, table) <= 256:
        image = data.index(addr, image + 1)
    levels = [struct.pack("<Q", 1 << bits) for bits in (14, 17, 20)]
    pages = data.index(levels[0])
    while [data[pages + 24 * i:pages + 24 * i + 8] for i in range(3)] != levels:
        pages = data.index(levels[0], pages + 1)
    return table, image, pages


def check_damaged(tap):
    """What a part that is damaged takes away is said in one finding; the rest is there."""
    path = os.path.join(repo(), "fixtures", "goroutines", "1.24")
    with lzma.open(path + ".xz") as file:
        data = file.read()
    table, image, pages = places(data)
    core = os.path.join(fixture.folder(), "core")

    def warnings(command, off, size):
        with open(core, "wb") as file:
            file.write(data[:off] + bytes(size) + data[off + size:])
        told = fixture.answer(command, "--json", core)
        return told, sorted(row["code"] for row in told["warnings"] if row["severity"] != "note")

    whole, none = warnings("threads", 0, 0)
    tap.equal((whole["complete"], none), (True, []), "damage: none")
    told, codes = warnings("threads", table, 4)
    tap.equal((told["complete"], codes, told["goroutines_count"]),
              (False, ["go-functions-not-known"], whole["goroutines_count"]),
              "damage: no table of functions")
    told, codes = warnings("heap", image, 8)
    tap.equal((told["complete"], codes, len(told["heaps"])), (False, ["go-image-not-known"], 1),
              "damage: no description of the image")
    told, codes = warnings("heap", pages, 8)
    tap.equal((told["complete"], codes, told["heaps"]), (False, ["heap-not-opened"], []),
              "damage: no page allocator")
    check(tap, core, path + ".truth", "damage: no page allocator")


def main():
    tap = Tap()
    for release in RELEASES:
        path = os.path.join(repo(), "fixtures", "goroutines", release)
        check(tap, path + ".xz", path + ".truth", "Go " + release)
        check_death(tap, path + ".xz", "Go " + release)
    for name, flags in BUILDS:
        tap.attempt(name, check_built, name, flags, "kernel")
    tap.attempt("gcore", check_built, BUILDS[0][0], BUILDS[0][1], "gcore")
    tap.attempt("foreign", check_foreign)
    tap.attempt("many", check_many)
    tap.attempt("damage", check_damaged)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
