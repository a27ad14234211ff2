#!/usr/bin/env python3
"""diff against programs that grow, or only churn, and count it themselves."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, unpack, wait_for, why_not  # noqa: E402
from tap import Tap, repo  # noqa: E402

# What leaks, where nothing leads there; all of a list that a variable of the program begins. With
# debug information it is what the variable is declared as.
LOST = "248-byte blocks"
HELD = "journal -> +0x0* -> " + LOST
AXES = ("types", "root_paths", "modules", "thread_groups", "heaps", "size_classes", "regions",
        "totals")


def compile_growing(language, target):
    compiler = {"c": os.environ.get("CC") or "cc", "c++": "g++"}[language]
    if not shutil.which(compiler.split()[0]):
        return "%s is not installed" % compiler
    subprocess.run([*compiler.split(), "-x", language, "-O1",
                    *(["-g"] if language == "c" else []), "-pthread", "-fno-builtin", "-o", target,
                    os.path.join(repo(), "fixtures", "growing", "growing.c")], check=True)
    return None


def grow(program, mode, steps):
    """Dump one process after each of its steps: [(core, truth)]."""
    where = folder()
    shutil.copy(program, os.path.join(where, "growing"))
    process = subprocess.Popen(["./growing", ".", mode, str(steps)], cwd=where, env={},
                               stdin=subprocess.DEVNULL)
    dumps = []
    try:
        for step in range(1, steps + 1):
            wait_for(os.path.join(where, "ready.%d" % step), process)
            prefix = os.path.join(where, "core%d" % step)
            subprocess.run(["gcore", "-o", prefix, str(process.pid)], capture_output=True,
                           check=True, stdin=subprocess.DEVNULL)
            with open(os.path.join(where, "truth.%d" % step), encoding="ascii") as file:
                truth = {name: int(value) for name, value in map(str.split, file)}
            dumps.append(("%s.%d" % (prefix, process.pid), truth))
            with open(os.path.join(where, "go.%d" % step), "w", encoding="ascii"):
                pass
    finally:
        if process.poll() is None and len(dumps) < steps:
            process.kill()
        process.wait()
    return dumps


def row(doc, axis, name):
    return next((item for item in doc[axis] if item["name"] == name), None)


def check_sums(tap, name, doc):
    """Whatever is compared, each row's numbers agree, and the totals close."""
    wrong = [item for axis in AXES for item in doc[axis]
             if item["delta_bytes"] != item["target_bytes"] - item["baseline_bytes"] or
             item["delta_count"] != item["target_count"] - item["baseline_count"]]
    tap.equal(wrong, [], "%s: every delta is new - old" % name)
    tap.equal(sum(item["delta_bytes"] for item in doc["totals"]),
              doc["verdict"]["mapped_delta_bytes"], "%s: the totals add up" % name)
    ids = [item["id"] for axis in AXES for item in doc[axis]]
    tap.equal(len(ids), len(set(ids)), "%s: ids are unique" % name)


def order_of(name):
    """What leaks, by the name of the checks."""
    if name in ("c, held", "c, three", "two runs"):
        return "order"
    return LOST if "lost" in name else HELD


def check_leak(tap, name, dumps, variable):
    order = order_of(name)
    (first, before), (second, now) = dumps[0], dumps[-1]
    doc = answer("diff", "--json", first, second)
    check_sums(tap, name, doc)
    best = doc["growth_rank"][0]
    tap.equal((best["axis"], best["name"], best["delta_bytes"]),
              ("types", order, now["orders_bytes"] - before["orders_bytes"]),
              "%s: the leaking type comes first, with the program's bytes" % name)
    found = row(doc, "types", order)
    tap.equal((found["delta_count"], found["state"], found["monotonic"]),
              (now["orders"] - before["orders"], "grown", None),
              "%s: and with its count" % name)
    tap.equal([item["name"] for item in doc["types"] if item["name"] != order and
               item["significant"]], [], "%s: no other type grew" % name)
    if variable:
        # a chain shows already what leads there
        step = LOST if order == HELD else order
        path = row(doc, "root_paths", " -> ".join([variable, step, step, step]))
        tap.equal((path and path["delta_count"], path and path["delta_bytes"] > 0), (0, True),
                  "%s: the variable that holds them is named" % name)
    check_growths(tap, name, doc, dumps, variable)
    lines = check_screen(tap, name, [first, second])
    grew = lines[lines.index("GREW MOST") + 1].split()
    tap.equal(grew[:4], ["1", "+%.2f" % (doc["growths"][0]["delta_bytes"] / 2 ** 20), "MiB",
                         variable or order.split()[0]], "%s: and what grew follows" % name)
    tap.equal(doc["comparable"], {"same_executable": True, "notes": []},
              "%s: nothing weakens it" % name)
    tap.ok(doc["verdict"]["grown"] and doc["verdict"]["explained_percent"] > 95,
           "%s: growth is explained" % name, doc["verdict"])
    for options, code in ((["--exit-code"], 1), ([], 0), (["--exit-code", "--threshold", "1G"], 0),
                          (["--exit-code", "--threshold", "1%"], 1)):
        tap.equal(coreheap("diff", "--no-paths", *options, first, second).code, code,
                  "%s: exit code %d with %s" % (name, code, options))
    back = answer("diff", "--json", "--no-paths", second, first)
    tap.equal((row(back, "types", order)["delta_bytes"], back["verdict"]["grown"]),
              (before["orders_bytes"] - now["orders_bytes"], False),
              "%s: the other way round it shrank" % name)


def check_growths(tap, name, doc, dumps, variable):
    """One growth, whatever axes tell of it: what holds it first, or what nothing holds."""
    before, now = dumps[0][1], dumps[-1][1]
    tap.equal([(item["axis"], item["name"].split(" -> ")[0] if variable else item["name"])
               for item in doc["growths"]],
              [("root_paths", variable) if variable else ("types", order_of(name))],
              "%s: it is told once" % name)
    first = doc["growths"][0]
    part = first["parts"][0] if variable else first
    tap.ok(first["delta_bytes"] >= part["delta_bytes"], "%s: a part is no more than all" % name)
    tap.equal((part["name"], part["delta_bytes"], part["delta_count"], first["parts_count"]),
              (order_of(name), now["orders_bytes"] - before["orders_bytes"],
               now["orders"] - before["orders"], 1 if variable else 0),
              "%s: with the blocks that it is, and the program's bytes" % name)


def check_screen(tap, name, cores):
    """The rules of the first screen."""
    text = coreheap("diff", *cores).out
    lines = text.splitlines()
    tap.ok(len(lines) <= 40 and max(map(len, lines)) <= 80 and lines[0].startswith("VERDICT ") and
           "--json" not in text, "%s: one screen, the verdict first" % name, text)
    return lines


def check_three(tap, name, dumps):
    order = order_of(name)
    doc = answer("diff", "--json", "--hours", "2", *[core for core, _ in dumps])
    found = row(doc, "types", order)
    tap.equal((found["monotonic"], found["bytes_per_hour"], len(doc["dumps"])),
              (True, (dumps[-1][1]["orders_bytes"] - dumps[0][1]["orders_bytes"]) // 2, 3),
              "%s: it grew in each step, at that rate" % name)
    mixed = answer("diff", "--json", dumps[1][0], dumps[0][0], dumps[2][0])
    tap.equal(row(mixed, "types", order)["monotonic"], False,
              "%s: not if it shrank between" % name)
    text = coreheap("diff", "--all", "--no-paths", *[core for core, _ in dumps]).out
    line = next((line for line in text.splitlines() if line.startswith("+") and order in line), "")
    tap.equal(line.split(), "+ {:,} ( {:,} - {:,} ) +{:,} {} [grew each time]".format(
        found["delta_bytes"], found["target_bytes"], found["baseline_bytes"],
        found["delta_count"], order).split(), "%s: as UMDH prints it" % name)
    again = coreheap("diff", "--reproducible", *[core for core, _ in dumps]).out
    tap.ok(dumps[0][0] not in again and "time between" not in again,
           "%s: --reproducible names no file and no time" % name, again[:500])
    for count in ("1", "2"):
        tap.equal(coreheap("diff", "--json", "--threads", count, dumps[0][0], dumps[1][0]).out,
                  coreheap("diff", "--json", dumps[0][0], dumps[1][0]).out,
                  "%s: the same with --threads %s" % (name, count))


def check_two_runs(tap, name, program):
    """Another process of the program: other addresses, the same rows."""
    first, second = grow(program, "leak", 1)[0], grow(program, "leak", 2)[1]
    doc = answer("diff", "--json", "--all", first[0], second[0])
    tap.equal([(item["name"], item["state"]) for axis in ("types", "heaps", "modules",
                                                          "thread_groups", "root_paths")
               for item in doc[axis] if item["state"] in ("new", "gone")], [],
              "%s: under randomised addresses no row is new or gone" % name)
    tap.equal(row(doc, "types", order_of(name))["delta_bytes"],
              second[1]["orders_bytes"] - first[1]["orders_bytes"],
              "%s: and the leak has the same bytes" % name)


def check_churn(tap, name, dumps):
    doc = answer("diff", "--json", dumps[0][0], dumps[1][0])
    check_screen(tap, name, [dumps[0][0], dumps[1][0]])
    tap.equal((doc["verdict"]["grown"], doc["growth_rank"] + doc["growths"]), (False, []),
              "%s: a program that only churns does not grow" % name)
    tap.equal(coreheap("diff", "--exit-code", dumps[0][0], dumps[1][0]).code, 0,
              "%s: and says so with its exit code" % name)
    check_sums(tap, name, doc)


def check_cut(tap, name, dumps):
    """What is missing is said in each form, and outdoes growth with --strict."""
    cut = dumps[1][0] + ".cut"
    with open(dumps[1][0], "rb") as whole, open(cut, "wb") as file:
        file.write(whole.read(os.path.getsize(dumps[1][0]) // 2))
    for option in ("--json", "--markdown", "--plain", "--threads=1"):
        got = coreheap("diff", "--no-paths", option, dumps[0][0], cut)
        tap.ok("the core is truncated" in got.out + got.err, "%s: %s says so" % (name, option),
               got.out[:500] + got.err)
    tap.equal(coreheap("diff", "--no-paths", "--strict", "--exit-code", dumps[0][0], cut).code, 4,
              "%s: exit code 4 with --strict" % name)
    os.remove(cut)


def check_threads(tap, name, dumps):
    doc = answer("diff", "--json", dumps[0][0], dumps[1][0])
    grown = [item for item in doc["thread_groups"] if item["significant"]]
    tap.equal([item["delta_count"] for item in grown],
              [dumps[1][1]["threads"] - dumps[0][1]["threads"]],
              "%s: one group of threads grew, by as many" % name)
    tap.ok("wait_for_ever" in grown[0]["name"], "%s: it is named by its frames" % name, grown)
    for cores, code in ((dumps[:2], 1), (dumps[1::-1], 0)):
        tap.equal(coreheap("diff", "--no-paths", "--exit-code", "--threshold", "1G",
                           *[core for core, _ in cores]).code, code,
                  "%s: more of them are growth, however few bytes: exit code %d" % (name, code))


def test_programs(tap):
    if why_not("gcore"):
        tap.skip("programs that grow", why_not("gcore"))
        return
    for language, variable in (("c", "journal"), ("c++", "journal")):
        program = os.path.join(folder(), "growing")
        why = compile_growing(language, program)
        if why:
            tap.skip("a program in " + language, why)
            continue
        dumps = grow(program, "leak", 3)
        tap.attempt(language, lambda tap: check_leak(
            tap, language + ", held", dumps, variable))
        tap.attempt(language, lambda tap: check_three(tap, language + ", three", dumps))
        tap.attempt("cut", lambda tap: check_cut(tap, language + ", cut", dumps))
        for core, _ in dumps:
            os.remove(core)
        if language == "c":
            tap.attempt("lost", lambda tap: check_leak(
                tap, "c, lost", grow(program, "lost", 2), None))
            tap.attempt("churn", lambda tap: check_churn(
                tap, "churn", grow(program, "churn", 2)))
            tap.attempt("threads", lambda tap: check_threads(
                tap, "threads", grow(program, "threads", 2)))
            tap.attempt("runs", lambda tap: check_two_runs(tap, "two runs", program))


def test_odd_dumps(tap):
    core = unpack("bookworm-small-abort")
    other = unpack("sid-cpp-abort")
    same = answer("diff", "--json", core, core)
    tap.equal(([len(same[axis]) for axis in AXES], same["growth_rank"], same["verdict"]["grown"]),
              ([0] * len(AXES), [], False), "a dump and itself: nothing changed")
    everything = answer("diff", "--json", "--all", core, core)
    tap.ok(all(len(everything[axis]) for axis in AXES) and
           {item["state"] for axis in AXES for item in everything[axis]} == {"same"},
           "with --all each row is there, and the same")
    check_screen(tap, "a dump and itself", [core, core])
    check_screen(tap, "different programs", [core, other])
    doc = answer("diff", "--json", core, other)
    tap.ok(not doc["comparable"]["same_executable"] and doc["comparable"]["notes"],
           "different programs are told", doc["comparable"])
    check_sums(tap, "different programs", doc)
    where = folder()
    broken = os.path.join(where, "broken.core")
    with open(broken, "wb") as file:
        file.write(b"no core at all")
    result = coreheap("diff", core, broken)
    tap.ok(result.code == 3 and "broken.core" in result.err and not result.out,
           "a dump that is none is told by its name", result)
    for arguments in ([core], ["--threshold", "x", core, core], ["--hours", "0", core, core]):
        tap.equal(coreheap("diff", *arguments).code, 2, "usage: %s" % " ".join(arguments[:2]))
    named = [os.path.join(where, "core.small.0.%s.20751.%d" % ("0" * 32, time))
             for time in (1700000000000000, 1700007200000000)]
    for name in named:
        os.symlink(core, name)
    timed = answer("diff", "--json", *named)
    tap.equal((timed["hours"], timed["hours_basis"]), (2.0, "file name"),
              "systemd-coredump's names say when")
    ticket = coreheap("diff", "--markdown", core, other).out
    tap.ok(ticket.startswith("# ") and "| Delta | New | Old | Count | Name |" in ticket,
           "a ticket", ticket[:300])
    plain = coreheap("diff", "--plain", core, other).out.splitlines()
    tap.equal({line.count("\t") for line in plain}, {9}, "--plain: ten columns")
    lines = coreheap("diff", "--jsonl", core, other).out.splitlines()
    tap.equal((len(lines), json.loads(lines[0])["schema"]), (1, "coreheap/diff"),
              "--jsonl: one line")


def main():
    tap = Tap()
    tap.attempt("odd dumps", test_odd_dumps)
    tap.attempt("programs", test_programs)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
