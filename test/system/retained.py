#!/usr/bin/env python3
"""fixtures/retained: heap says how many pages malloc_trim(0) gives back, which
threads use which arena, and that this is retention; the program found out by
calling malloc_trim(0) after it was dumped."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

PAGE = 4096


def make(where):
    """The core of the program, and the folder with what it wrote."""
    program = os.path.join(where, "retained")
    fixture.build("retained", program)
    process = subprocess.Popen(["./retained", "."], cwd=where, env={}, stdin=subprocess.DEVNULL)
    try:
        fixture.wait_for(os.path.join(where, "ready"), process)
        done = subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                              capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        core = os.path.join(where, "core.%d" % process.pid)
        if not os.path.exists(core):
            raise RuntimeError("gcore: " + done.stdout + done.stderr)
        with open(os.path.join(where, "go"), "w", encoding="utf-8"):
            pass
        if process.wait(60) != 0:
            raise RuntimeError("the program ended with %d" % process.returncode)
        return core
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def pairs(where, name):
    with open(os.path.join(where, name), encoding="utf-8") as file:
        return [line.split() for line in file]


def arena_name(heap):
    return "main" if heap["name"] == "main arena" else heap["addr"]


def check_trim(tap, doc, where):
    told = dict(pairs(where, "trimmed"))
    brk = int(told.pop("brk"))
    want = {name: int(pages) * PAGE for name, pages in told.items()}
    got = {arena_name(heap): heap["free"]["trim_pages_bytes"] for heap in doc["heaps"]
           if heap["kind"] == "arena"}
    tap.ok(len(want) == 3 and all(want.values()) and brk > 0,
           "malloc_trim(0) took pages from three arenas, and moved the break", told)
    tap.equal(got, want, "pages that malloc_trim(0) returns, arena by arena")
    tap.equal({arena_name(heap): heap["free"]["trim_top_bytes"] for heap in doc["heaps"]
               if heap["free"]["trim_top_bytes"]}, {"main": brk},
              "bytes that it cuts off the top of the main arena")
    tap.equal(doc["verdict"]["trim_bytes"], sum(want.values()) + brk, "the sum is in the verdict")


def check_threads(tap, doc, where):
    want = {}
    for tid, arena in pairs(where, "threads"):
        if arena != "-":
            want.setdefault(arena, []).append(int(tid))
    got = {arena_name(heap): heap["tids"] for heap in doc["heaps"] if heap["kind"] == "arena"}
    tap.equal({name: sorted(tids) for name, tids in want.items()},
              {name: tids for name, tids in got.items() if tids},
              "threads of each arena, by their own word")
    tap.ok(len(got) == 3, "an arena whose thread has ended is listed, too", got)
    tap.equal([w for w in doc["warnings"] if w["code"].startswith("glibc-")], [],
              "the counters of malloc agree")


def check_sums(tap, doc):
    for heap in doc["heaps"] + [dict(doc["total"], name="total", free=doc["free"])]:
        free, name = heap["free"], heap["name"]
        tap.equal(sum(free[key] for key in ("bins_bytes", "fastbins_bytes",
                                            "thread_caches_bytes", "top_bytes")),
                  heap["free_bytes"], "%s: places add up to the free bytes" % name)
        tap.equal((sum(row["total_bytes"] for row in free["classes"]),
                   sum(row["count"] for row in free["classes"])),
                  (heap["free_bytes"] - free["top_bytes"], heap["free_count"] - free["top_count"]),
                  "%s: size classes add up to the free blocks without top" % name)
    verdict = doc["verdict"]
    tap.equal(sum(value for key, value in verdict.items() if key.endswith("_bytes")
                  and key not in ("total_bytes", "trim_bytes")), doc["total"]["committed_bytes"],
              "the parts of the verdict add up to the committed bytes")


def check_classes(tap, core, doc):
    """Size classes and the largest chunk, counted from `objects`."""
    rows = [row for row in fixture.records("objects", "--state", "free", "--jsonl", core)
            if "addr" in row and row["place"] != "top"]
    want = {}
    for row in rows:
        bits = row["chunk_bytes"].bit_length() - 1
        count, size = want.get(bits, (0, 0))
        want[bits] = (count + 1, size + row["chunk_bytes"])
    got = {row["smallest_bytes"].bit_length() - 1: (row["count"], row["total_bytes"])
           for row in doc["free"]["classes"]}
    tap.equal(got, want, "size classes are those of the free blocks")
    listed = [row for row in rows if row["place"] != "thread cache"]
    largest = max(row["chunk_bytes"] for row in listed)
    total = sum(row["chunk_bytes"] for row in listed)
    tap.equal(doc["free"]["largest_chunk_bytes"], largest, "the largest free chunk")
    tap.ok(abs(doc["free"]["fragmented_percent"] - 100 * (1 - largest / total)) < 0.01,
           "fragmented is 1 - largest / free", doc["free"])


def check_verdict(tap, core, doc):
    verdict = doc["verdict"]
    tap.equal((verdict["class"], verdict["largest_part"]), ("native-retained", "bins"),
              "the verdict is retention, in the bins")
    summary = fixture.answer("summary", "--json", core)["verdict"]
    tap.equal(summary["class"], verdict["class"], "summary has the same verdict")
    text = fixture.coreheap("heap", core).out
    tap.ok("native-retained" in text and verdict["arithmetic"] in " ".join(text.split()),
           "the text has verdict and arithmetic", text)


def check(tap):
    where = fixture.folder()
    core = make(where)
    doc = fixture.answer("heap", "--json", core)
    check_trim(tap, doc, where)
    check_threads(tap, doc, where)
    check_sums(tap, doc)
    check_classes(tap, core, doc)
    check_verdict(tap, core, doc)
    os.unlink(core)


def main():
    tap = Tap()
    reason = fixture.gcore_works()
    if reason:
        tap.skip("malloc_trim", reason)
    else:
        tap.attempt("retained", check)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
