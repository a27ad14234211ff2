#!/usr/bin/env python3
"""summary, info and threads against the recorded blocks, gdb and the ELF file."""
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documents  # noqa: E402
from fixture import (answer, build, checked_in, coreheap, dump, folder, kernel_dumps,  # noqa: E402
                     unpack, why_not)
from tap import Tap, repo  # noqa: E402

# DEFAULT_MMAP_THRESHOLD_MIN of glibc; the fixtures free no block above it.
MMAP_THRESHOLD = 128 * 1024


def rows_of(doc):
    return {row["name"]: row["bytes"] for row in doc["accounting"]["rows"]}


def test_closing(tap):
    for name in checked_in():
        doc = answer("summary", unpack(name), "--json")
        accounting, space = doc["accounting"], doc["address_space"]
        tap.equal(sum(row["bytes"] for row in accounting["rows"]), space["busy_bytes"],
                  "%s: the rows are the busy bytes" % name)
        tap.ok(accounting["total_bytes"] == space["busy_bytes"] and
               accounting["unattributed_bytes"] == rows_of(doc)["unattributed"] and
               space["in_core_bytes"] + space["missing_bytes"] == space["busy_bytes"],
               "%s: its totals agree" % name, space)
        tap.equal([row["name"] for row in accounting["invariants"] if not row["ok"]], [],
                  "%s: all invariants hold" % name)
        verdict = doc["verdict"]
        numbers = [int(n.replace(",", "")) for n in re.findall(r"\b\d[\d,]*(?= \+| =| bytes)",
                                                               verdict["arithmetic"])]
        tap.ok(len(numbers) > 2 and sum(numbers[:-1]) == numbers[-1] == verdict["total_bytes"],
               "%s: the verdict's arithmetic is right" % name, verdict)
        heaps = doc["native_heaps"]
        tap.ok(heaps and all(heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"] ==
                             heap["committed_bytes"] for heap in heaps),
               "%s: each heap's sums close" % name, heaps)


def cost(address, usable):
    """What a block costs: its usable bytes and one word; in a mapping of its
    own all from its header to the end of the page (glibc malloc/malloc.c)."""
    if usable < MMAP_THRESHOLD:
        return usable + 8
    return (address + usable + 4095) // 4096 * 4096 - (address - 16)


def test_used_bytes(tap):
    for name in checked_in():
        with open(unpack(name, "live"), encoding="utf-8") as file:
            blocks = [(int(words[0], 16), int(words[1])) for words in map(str.split, file)]
        rows = rows_of(answer("summary", unpack(name), "--json"))
        tap.equal(rows["heap_used"], sum(cost(a, n) for a, n in blocks if n < MMAP_THRESHOLD),
                  "%s: heap used is what the recorder counted" % name)
        tap.equal(rows["heap_used_mmapped"],
                  sum(cost(a, n) for a, n in blocks if n >= MMAP_THRESHOLD),
                  "%s: so are blocks in their own mappings" % name)


HEADINGS = ("MEMORY ", "VERDICT ", "SUSPECTS", "CORE ", "WHERE THE MEMORY IS")


def shape(core, *options, columns=None):
    """Lines but commands to copy, and the places of the headings."""
    env = {"COLUMNS": str(columns)} if columns else {}
    with unittest.mock.patch.dict(os.environ, env):
        lines = coreheap("summary", core, *options).out.splitlines()
    places = [i for heading in HEADINGS for i, line in enumerate(lines)
              if line.startswith(heading)]
    return lines, max(len(line) for line in lines if not line.startswith("    next: ")), places


def first_lines(lines):
    """Where identity, verdict and the first suspect begin."""
    return [next((i for i, line in enumerate(lines) if re.match(start, line)), None)
            for start in (r"\S.* \(\d+, \w+\)", "VERDICT ", " 1  ")]


def torn_units(lines):
    """Numbers whose unit is on the next line."""
    return [line for line in lines if re.match(r" +([KMGT]iB|B)[ ,;.)]*", line)]


def test_screen(tap):
    for name, core in documents.every_fixture():
        lines, width, places = shape(core, columns=80)
        suspects = len(answer("summary", core, "--json")["suspects"])
        tap.ok(0 < len(lines) <= 40 and width <= 80 and not torn_units(lines),
               "%s: one screen" % name, "%d lines, %d columns" % (len(lines), width))
        tap.ok(places == sorted(places) and len(places) == len(HEADINGS) - (not suspects),
               "%s: what matters first" % name, places)
        first = first_lines(lines)
        tap.ok(first[0] == 0 and first[1] < 12 and (not suspects or first[2] < 12),
               "%s: who, how, what and the first suspect are in twelve lines" % name, first)
        tap.ok("--json" not in "".join(lines), "%s: it sends nobody to JSON" % name)
        tap.ok(not re.search(r"^NOTE .*\b0 (more )?(warning|note)", "\n".join(lines), re.M),
               "%s: nothing is told of no warnings" % name)
        if name not in checked_in():
            continue
        wide = shape(core, columns=120)
        tap.ok(len(wide[0]) <= len(lines) and width < wide[1] <= 120,
               "%s: a wider screen is used" % name, wide)
        every = shape(core, "--all")[0]
        tap.equal(sum(line.startswith("    next: ") for line in every), suspects,
                  "%s: --all shows all suspects" % name)


def words_of(text):
    return " ".join(text.split())


def test_verdict(tap):
    """One sentence, whoever says it, and what the matter is before it."""
    for name in ("bookworm-small-abort", "sid-cpp-abort"):
        core = unpack(name)
        doc = answer("summary", core, "--json")
        sentence, headline = doc["verdict"]["text"], doc["headline"]
        tap.ok(headline.startswith("a crash: "), "%s: it is a crash" % name, headline)
        tap.ok("VERDICT %s; %s" % (headline, sentence) in
               words_of(coreheap("summary", core).out), "%s: the screen says so" % name)
        ticket = words_of(coreheap("summary", core, "--markdown").out).replace("\\", "")
        tap.ok("**Verdict:** %s; %s: %s; " % (headline, doc["verdict"]["class"], sentence) in ticket,
               "%s: and Markdown" % name, ticket[:400])
    classes = re.findall(
        r"^  ([a-z-]+) +\S", coreheap("summary", "--help").out.split("Its classes")[1], re.M)
    with open(os.path.join(repo(), "docs", "schema", "summary.json"), encoding="utf-8") as file:
        known = json.load(file)["properties"]["verdict"]["properties"]["class"]["enum"]
    tap.same_set(classes, known, "--help explains each class of verdict")


def on_terminal(env, *args):
    """What a command writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([os.environ["COREHEAP"], *args], stdout=follower, env=env,
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        os.close(follower)
        out = b""
        try:
            while part := os.read(leader, 65536):
                out += part
        except OSError:  # EIO: the last writer is gone
            pass
    os.close(leader)
    return out.decode("utf-8").replace("\r\n", "\n")


def test_bold(tap):
    core = unpack(checked_in()[0])
    plain = coreheap("summary", core).out
    always = coreheap("summary", "--color=always", core).out
    tap.ok("\033" not in plain and re.sub(r"\033\[[01]m", "", always) == plain and
           "\033[1mVERDICT" in always, "bold text only where it is asked for", always)
    tap.equal("\033" in coreheap("summary", "--color=always", "--plain", core).out, False,
              "bold: never in --plain")
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "PAGER": ""}
    tap.equal(on_terminal(env, "summary", core), always, "bold: on a terminal")
    for name, more in (("NO_COLOR", {"NO_COLOR": "1"}), ("a dumb terminal", {"TERM": "dumb"})):
        tap.equal(on_terminal({**env, **more}, "summary", core), plain, "bold: not with " + name)
    tap.equal(coreheap("summary", "--color=blue", core).code, 2, "bold: a wrong word is said")


def cpu_of(pid):
    """What a process that runs has taken of the processors, in ticks."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def watched(core):
    """(what a terminal has when the line on memory comes, ticks until then, the rest, and all
    ticks)."""
    leader, follower = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "dumb", "PAGER": ""}
    with subprocess.Popen([os.environ["COREHEAP"], "summary", core], stdout=follower, env=env,
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.close(follower)
        head, rest, ticks = b"", b"", 0
        while b"MEMORY " not in head:
            head += os.read(leader, 65536)
        ticks = cpu_of(process.pid)
        try:
            while part := os.read(leader, 65536):
                rest += part
        except OSError:  # EIO: the writer is gone
            pass
        used = os.wait4(process.pid, 0)[2]
        process.returncode = 0
    os.close(leader)
    return head, ticks, rest, (used.ru_utime + used.ru_stime) * os.sysconf("SC_CLK_TCK")


def test_head_comes_first(tap):
    """Who looks at a terminal reads who died and what memory there is, long before the rest."""
    reason = kernel_dumps()
    if reason:
        tap.skip("the head comes first", reason)
        return
    where = folder()
    program = os.path.join(where, "bigheap")
    subprocess.run([os.environ.get("CC") or "cc", "-O1", "-pthread", "-o", program,
                    os.path.join(repo(), "test", "bench", "bigheap.c")], check=True)
    core = dump(program, "kernel", where, arguments=("20",))
    head, early, rest, late = watched(core)
    whole = (head + rest).decode("utf-8").replace("\r\n", "\n")
    tap.ok(b"SIGABRT" in head and b"VERDICT" not in head, "the head comes first", head)
    tap.ok(late > 20 and early < late / 2, "the head: in less than half of the work",
           "%d of %d ticks" % (early, late))
    tap.equal(whole, coreheap("summary", core).out, "the head: a pipe has the same text")
    os.unlink(core)


def gdb(core, *commands):
    args = [arg for command in commands for arg in ("-ex", command)]
    done = subprocess.run(["gdb", "-nx", "-batch", "-c", core, "-ex", "set height 0", *args],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout


def test_against_gdb(tap):
    if not shutil.which("gdb"):
        tap.skip("info and threads agree with gdb", "gdb is not installed")
        return
    for name in checked_in():
        core = unpack(name)
        out = gdb(core, "thread apply all -q p/x $pc", "thread apply all -q p/x $sp",
                  "info threads")
        doc = answer("threads", core, "--json")
        want = re.findall(r"= (0x[0-9a-f]+)", out)
        half = len(want) // 2
        got = [thread["pc"] for thread in doc["threads"]]
        tap.ok(sorted(got) == sorted(want[:half]), "%s: pc of each thread is gdb's" % name,
               "%s\n%s" % (got, want))
        tap.equal(sorted(thread["sp"] for thread in doc["threads"]), sorted(want[half:]),
                  "%s: so is sp" % name)
        tap.same_set([thread["tid"] for thread in doc["threads"]],
                     map(int, re.findall(r"LWP (\d+)", out)),
                     "%s: so are the thread ids" % name)
        info = answer("info", core, "--json")
        tap.ok("Program terminated with signal %s" % info["death"]["signal_name"] in out and
               "generated by `%s" % info["process"]["argv0"] in out,
               "%s: so are signal and argv[0]" % name, out[:500])


def test_notes_against_readelf(tap):
    if not shutil.which("readelf"):
        tap.skip("info lists the notes that readelf lists", "readelf is not installed")
        return
    core = unpack("bookworm-small-abort")
    out = subprocess.run(["readelf", "-nW", core], capture_output=True, text=True, check=False,
                         env={**os.environ, "LC_ALL": "C"}).stdout
    want = {}
    for owner, size in re.findall(r"^  (\w+) +0x([0-9a-f]+)\t", out, re.M):
        count, total = want.get(owner, (0, 0))
        want[owner] = (count + 1, total + int(size, 16))
    got = {}
    for note in answer("info", core, "--json")["notes"]:
        count, total = got.get(note["owner"], (0, 0))
        got[note["owner"]] = (count + note["count"], total + note["total_bytes"])
    tap.ok(want and got == want, "info lists the notes that readelf lists", "%s\n%s" % (got, want))


def test_alive(tap):
    """A living process has no signal, and gdb's gcore says the same of its heap."""
    reason = why_not("gcore")
    if reason:
        tap.skip("a process dumped alive", reason)
        return
    where = folder()
    build("blocks", os.path.join(where, "built"))
    core = dump(os.path.join(where, "built"), "gcore", folder())
    death = answer("info", core, "--json")["death"]
    tap.ok(death["dumped_alive"] and death["signal"] is None, "gcore: dumped alive", death)
    doc = answer("summary", core, "--json")
    tap.equal(sum(rows_of(doc).values()), doc["address_space"]["busy_bytes"],
              "gcore: the rows are the busy bytes")
    tap.equal(doc["headline"] == "nothing stands out", doc["complete"] and not doc["suspects"],
              "gcore: where nothing stands out, that is said")
    tap.ok(re.match(r"\S+ \(\d+, \w+\), dumped while running\n", coreheap("summary", core).out),
           "gcore: it did not die")
    groups = answer("threads", core, "--json")
    tap.equal(sum(group["count"] for group in groups["groups"]), groups["threads_count"],
              "gcore: groups hold all threads")


def main():
    tap = Tap()
    for test in (test_closing, test_used_bytes, test_screen, test_verdict, test_bold, test_head_comes_first,
                 test_against_gdb,
                 test_notes_against_readelf, test_alive):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
