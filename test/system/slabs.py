#!/usr/bin/env python3
"""Slab classes of memcached: pages and items are counted as a program with the same tables counts
them, in each layout of its releases, and as memcached itself does where it is installed."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

LAYOUTS = {"1.6": ("1.5.17 and later", []), "1.5.16": ("1.5.15 or 1.5.16", ["-DCLASS_BYTES=48"]),
           "1.4": ("1.4.14 to 1.5.14", ["-DCLASS_BYTES=48", "-DFLAGS_BYTES=1"])}
# What is overwritten, and the finding that says so; None: nothing that is known.
HARMS = {"twice": "memcached-pages", "overlap": "memcached-pages", "nowhere": "memcached-pages",
         "free": "memcached-free", "loop": None, "class": "memcached-class",
         "many": "memcached-pages"}
KINDS = ("item", "item that is not linked", "chunk of an item")


def heaps_of(core):
    """The whole answer, and {number of the class: heap}; 0: pages of no class."""
    answer = fixture.answer("heap", "--json", core)
    found = {}
    for heap in answer["heaps"]:
        match = re.match(r"class (\d+), (\d+)-byte items$", heap["name"])
        if heap["runtime"] == "memcached":
            found[int(match.group(1)) if match else 0] = heap
    return answer, found


def items_of(core):
    """{(kind, class): count} of used chunks."""
    found = {}
    for row in fixture.answer("types", "--json", "--limit", "0", "--state", "used",
                              core)["types"]:
        match = re.match(r"(.*) \(class (\d+), (\d+) bytes\)$", row["name"])
        if match and row["runtime"] == "memcached":
            found[match.group(1), int(match.group(2))] = row["count"]
    return found


def closes(heap):
    return heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"] == \
        heap["committed_bytes"] and heap["unwalked_bytes"] == 0


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        *classes, spare = [[int(word) for word in line.split()] for line in file]
    return classes, spare[0]


def dump(flags, where, *arguments):
    program = os.path.join(fixture.folder(), "slabs")
    fixture.build("slabs", program, *flags)
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    return fixture.dump(program, how, where, arguments)


def check_layout(tap, name, memory, *flags):
    what = "%s, %s%s" % (name, memory, ", stripped" if flags else "")
    where = fixture.folder()
    core = dump([*LAYOUTS[name][1], *flags], where, memory)
    classes, spare = read_truth(where)
    answer, heaps = heaps_of(core)
    tap.equal({number: (heap["used_count"], heap["used_bytes"], heap["free_count"])
               for number, heap in heaps.items() if number},
              {row[0]: (sum(row[4:]), sum(row[4:]) * row[1], row[3]) for row in classes},
              "%s: used and free chunks of each class" % what)
    tap.equal(items_of(core), {(kind, row[0]): count for row in classes
                               for kind, count in zip(KINDS, row[4:]) if count},
              "%s: items by what they are" % what)
    # A block of malloc is larger than what was asked for, by what its alignment takes at most.
    room = (1 << 16) + 4096 if memory == "preallocated" else 3 * 16
    tap.ok(spare <= heaps[0]["free_bytes"] <= spare + room, "%s: spare pages" % what,
           (spare, heaps[0]["free_bytes"]))
    tap.ok(all(closes(heap) for heap in answer["heaps"]), "%s: sums close" % what, answer["heaps"])
    tap.equal(answer["complete"], True, "%s: nothing is missing" % what)
    facts = [row for row in answer["runtimes"] if row["name"] == "memcached"][0]
    tap.ok(LAYOUTS[name][0] in str(facts), "%s: the release" % what, facts)
    first = fixture.records("objects", "--jsonl", "--limit", "1", "--type", "item (class 1, 96 bytes)",
                            core)[0]
    tap.equal((first["runtime"], first["size_bytes"]), ("memcached", 96), "%s: objects" % what)


def check_harm(tap, harm, memory):
    what = "%s, %s" % (harm, memory)
    where = fixture.folder()
    answer, heaps = heaps_of(dump([], where, memory, harm))
    tap.ok(heaps and all(closes(heap) for heap in answer["heaps"]), "%s: sums close" % what, answer)
    codes = {row["code"] for row in answer["warnings"]}
    tap.ok(HARMS[harm] is None or HARMS[harm] in codes, "%s is told" % what, codes)


# ---- The daemon itself ------------------------------------------------------------

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def talk(file, *commands):
    rows = {}
    for command in commands:
        file.write(command)
        file.flush()
        for line in iter(file.readline, b"END\r\n"):
            _, key, value = line.decode("ascii").split(None, 2)
            rows[key] = value.strip()
    return rows


def load(port):
    """Give it work; the open connection, and what it says of its memory."""
    end = time.monotonic() + 60
    while True:
        try:
            file = socket.create_connection(("127.0.0.1", port)).makefile("rwb")
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    for i in range(4000):
        size = (20, 100, 700, 4000)[i % 4]
        file.write(b"set key:%d 0 0 %d noreply\r\n%s\r\n" % (i, size, b"z" * size))
    for i in range(3):
        # Larger than any chunk: in several.
        file.write(b"set big:%d 0 0 900000 noreply\r\n%s\r\n" % (i, b"b" * 900000))
    for i in range(0, 4000, 7):
        file.write(b"delete key:%d noreply\r\n" % i)
    return file, talk(file, b"stats\r\n", b"stats slabs\r\n")


def check_daemon(tap, *options):
    what = " ".join(["memcached", *options])
    where, port = fixture.folder(), free_port()
    with subprocess.Popen(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port),
                           "-m", "100", *options], stdin=subprocess.DEVNULL) as daemon:
        try:
            file, says = load(port)
            subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(daemon.pid)],
                           capture_output=True, check=True, stdin=subprocess.DEVNULL)
            file.close()
        finally:
            daemon.kill()
    core = os.path.join(where, "core.%d" % daemon.pid)
    answer, heaps = heaps_of(core)
    numbers = sorted({int(key.split(":")[0]) for key in says if key.endswith(":chunk_size")})
    wanted = {n: tuple(int(says["%d:%s" % (n, key)]) for key in ("used_chunks", "free_chunks"))
              for n in numbers}
    tap.equal({n: (heap["used_count"], heap["free_count"]) for n, heap in heaps.items() if n},
              wanted, "%s: chunks of each class as `stats slabs` has them" % what)
    tap.equal({n: heap["used_bytes"] for n, heap in heaps.items() if n},
              {n: wanted[n][0] * int(says["%d:chunk_size" % n]) for n in numbers},
              "%s: their bytes" % what)
    linked = sum(count for (kind, _), count in items_of(core).items() if kind == "item")
    tap.equal(linked, int(says["curr_items"]), "%s: items as `stats` has them" % what)
    tap.ok(all(closes(heap) for heap in answer["heaps"]), "%s: sums close" % what, answer["heaps"])
    os.remove(core)


def main():
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for name in LAYOUTS:
        for memory in ("malloc", "preallocated"):
            tap.attempt(name, check_layout, name, memory)
    tap.attempt("stripped", check_layout, "1.6", "malloc", "-s")
    for number, harm in enumerate(HARMS):
        tap.attempt(harm, check_harm, harm, ("malloc", "preallocated")[number % 2])
    if not shutil.which("memcached") or fixture.why_not("gcore"):
        tap.skip("memcached", "memcached or gcore is not installed")
    else:
        for options in ((), ("-L",)):
            tap.attempt("memcached", check_daemon, *options)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
