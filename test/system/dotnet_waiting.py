#!/usr/bin/env python3
"""fixtures/dotnet-waiting: async methods, timers, work for the pool, handles and finalizers are those that the
program wrote down."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from tap import Tap  # noqa: E402


def read_truth(where):
    """{kind: [words]} of what the program wrote."""
    found = {}
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        for line in file:
            words = line.rstrip("\n").split("\t")
            found.setdefault(words[0], []).append(words[1:])
    return found


def check_async(tap, core, truth):
    doc = fixture.answer("async", "--json", core)
    mine = {row["type"]: row for row in doc["machines"] if row["type"].startswith("Waiting.")}
    tap.equal({(name, row["state"], row["count"]) for name, row in mine.items()},
              {(row[0], int(row[1]), int(row[2])) for row in truth["async"]},
              "machines by type and state")
    for name, _, _, awaits in truth["async"]:
        tap.ok(not awaits or mine[name]["awaits"] == awaits, "%s awaits %s" % (name, awaits),
               mine[name])
    sizes = {row["name"]: row for row in fixture.answer("types", "--json", core)["types"]}
    boxes = [row for name, row in sizes.items() if "AsyncStateMachineBox<Waiting." in name]
    tap.equal((doc["machines_count"], doc["machines_bytes"]),
              (sum(row["count"] for row in boxes), sum(row["total_bytes"] for row in boxes)),
              "they are all boxes of the heap")
    # From the innermost method outwards, as the source has it.
    names = ["<Stock>d__2", "<Price>d__3", "<Order>d__4", "WhenAllPromise", "<All>d__7"]
    steps = doc["steps"]
    starts = [i for i, row in enumerate(steps) if row["type"].endswith("+" + names[0])]
    tap.equal(len(starts), 1, "one chain has the innermost method")
    chain = steps[starts[0] - 1:starts[0] + 5]
    tap.equal([row["type"].split("+")[-1] for row in chain[1:]], names, "its steps")
    tap.equal([row["depth"] for row in chain], list(range(6)), "each continues the one before")
    tap.equal([row["count"] for row in chain], [1, 30, 30, 30, 1, 1], "alike ones in one row")
    tap.equal(chain[0]["type"], "System.Threading.Tasks.Task<System.Int32>",
              "all of it waits for one task")


def check_timers(tap, core, truth):
    doc = fixture.answer("timers", "--json", core)
    mine = {(row["calls"], row["due_ms"], row["period_ms"], row["count"]) for row in doc["timers"]
            if row["calls"].startswith("Waiting.")}
    want = {(row[0], int(row[1]), int(row[2]) if row[2] != "-1" else None, 1)
            for row in truth["timer"]}
    tap.equal(mine, want, "timers by method and times; none that is not set")
    tap.ok([row for row in doc["timers"] if row["due_ms"] == 86400000 and
            row["state_type"] == "System.Threading.Tasks.Task+DelayPromise"],
           "a delay is a timer", doc["timers"])


def check_pool(tap, core, truth):
    doc = fixture.answer("threadpool", "--json", core)
    count, workers = int(truth["queued"][0][0]), int(truth["worker"][0][0])
    tap.equal((doc["queued_count"], [(row["count"], row["queue"], row["calls"])
                                     for row in doc["queued"]]),
              (count, [(count, "global", "Waiting.Program.Work")]), "work that waits")
    tap.equal(doc["workers"], dict(dict.fromkeys(("workers_count", "working_count", "goal_count",
                                                  "min_count", "max_count"), workers)),
              "threads of the pool")


def check_handles(tap, core, truth):
    doc = fixture.answer("handles", "--json", core)
    rows = {(row["kind"], row["type"]): row for row in doc["handles"]}
    for kind, name, count, size in truth["handle"]:
        row = rows.get((kind + " handle", name), {})
        tap.equal((row.get("count"), row.get("total_bytes")), (int(count), int(count) * int(size)),
                  "%s %s handles to %s" % (count, kind, name))
    each = fixture.answer("handles", "--json", "--list", "--kind", "pinned", core)["handles"]
    tap.equal(len(each), sum(row["count"] for row in doc["handles"]
                             if row["kind"].startswith("pinned")), "--list has a row for each")
    sample = [row for row in each if row["type"] == "System.Byte[]"][0]
    roots = fixture.answer("roots", "--json", core, sample["object_addr"])
    tap.ok([chain for chain in roots["chains"]
            if chain["root"]["addr"] == sample["sample_addr"]], "an entry is a root", sample)


def check_finalizers(tap, core, truth):
    doc = fixture.answer("handles", "--json", "--finalizers", core)
    for name, registered, ready in truth["finalizer"]:
        found = {}
        for row in doc["handles"]:
            if row["type"] == name:
                found[row["table"]] = found.get(row["table"], 0) + row["count"]
        tap.equal(found, {"finalizable": int(registered), "ready": int(ready)},
                  "%s: registered and ready" % name)
    only = fixture.answer("handles", "--json", "--ready", core)["handles"]
    tap.equal(only, [row for row in doc["handles"] if row["table"] == "ready"], "--ready")
    objects = {row["addr"]: row["generation"]
               for row in fixture.records("objects", "--jsonl", core)[:-1]}
    rows = [row for row in fixture.answer("handles", "--json", "--finalizers", "--list",
                                          core)["handles"] if row["table"] == "finalizable"]
    tap.ok(rows and all(row["kind"].endswith(objects[row["object_addr"]] or "")
                        for row in rows), "generations are those of the objects' heaps", rows[:3])


CHECKS = (check_async, check_timers, check_pool, check_handles, check_finalizers)


def main():
    tap = Tap()
    _, folder, program = managed.tools("dotnet-waiting", "waiting")
    core, where = managed.dump("createdump", program, os.path.join(folder, "createdump"), {})
    truth = read_truth(where)
    for check in CHECKS:
        tap.attempt(check.__name__, check, core, truth)
    os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
