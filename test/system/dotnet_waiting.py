#!/usr/bin/env python3
"""fixtures/dotnet-waiting: async methods, timers, work for the pool, handles, finalizers, exceptions and uses of
statics are those that the program wrote down; its code is where gdb has it."""
import os
import subprocess
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


def check_exceptions(tap, core, truth):
    rows = fixture.answer("exceptions", "--json", core)["exceptions"]
    mine = [row for row in rows if row["tid"] == rows[0]["tid"]]
    want = [(row[0], int(row[1]) & 0xffffffff, int(row[3])) for row in truth["exception"]]
    tap.equal([(row["type"], row["hresult"], row["depth"]) for row in mine], want,
              "the exception under way, and the one inside of it")
    tap.equal([row["frames"] for row in mine],
              [["Waiting.Thrower.Middle", "Waiting.Thrower.Run"],
               ["Waiting.Thrower.Innermost", "Waiting.Thrower.Middle"]], "their stack traces")
    tap.equal({row["tid"] for row in rows}, {mine[0]["tid"]}, "no other thread has one")
    tap.equal([row["message"] for row in mine], [None, None], "messages are not shown")
    shown = fixture.answer("exceptions", "--json", "--reveal", core, mine[0]["addr"])["exceptions"]
    tap.equal((shown[0]["message"], shown[0]["tid"], len(shown)), (truth["exception"][0][2], None, 2),
              "--reveal shows them, of an object by its address, too")
    traces = fixture.answer("types", "--traces", "--json", core)
    found = {row["type"]: row for row in traces["traces"]}
    tap.equal([frame["method"] for frame in found["Waiting.ShopException"]["frames"]],
              mine[0]["frames"], "types --traces has the same frames")
    done = fixture.coreheap("pe", core, fixture.records(
        "objects", "--jsonl", "--type", "Waiting.Clock", core)[0]["addr"])
    tap.ok(done.code == 2 and "no exception" in done.err, "what is no exception is refused", done)


def check_stack_objects(tap, core, truth):
    rows = fixture.answer("stackobjects", "--json", core)["objects"]
    thrower = fixture.answer("exceptions", "--json", core)["exceptions"][0]
    tap.ok([row for row in rows if row["tid"] == thrower["tid"] and
            row["addr"] == thrower["addr"]], "the stack that handles an exception leads to it",
           thrower)
    tap.ok(len({(row["tid"], row["addr"]) for row in rows}) == len(rows),
           "each object of a thread once")
    only = fixture.answer("stackobjects", "--json", "--thread", str(thrower["tid"]), core)
    tap.equal(only["objects"], [row for row in rows if row["tid"] == thrower["tid"]], "--thread")


def check_uses(tap, core, truth):
    """Statics, and the methods that use them; the class's constructor writes all."""
    used = {}
    for static, method in truth["uses"]:
        used.setdefault(static, {"Waiting.Registry..cctor"} if "s_count" not in static else set()
                        ).add(method)
    fields = {row["name"]: row for row in fixture.answer(
        "show", "--json", "--statics", core, "Waiting.Registry")["object"]["fields"]}
    for static, methods in used.items():
        slot = fields[static.split(".")[-1]]["addr"]
        doc = fixture.answer("refs", "--json", "--code", core, slot)
        tap.equal((doc["static_field"], {row["method"] for row in doc["refs"]
                                         if row["kind"] == "code"}), (static, methods),
                  "%s: methods that use it, by its slot" % static)
        tap.equal(fixture.answer("refs", "--json", "--code", core, static)["refs"], doc["refs"],
                  "%s: the same by its name" % static)
    array = fixture.answer("whatis", "--json", core, fields["s_cache"]["addr"])["results"][0]
    tap.equal(array["object"]["type"], "System.Object[]", "such a slot lies in an array")


def listed_by_gdb(core, functions):
    """Addresses of the instructions of all functions."""
    words = []
    for function in functions:
        words += ["-ex", "disassemble %s,%s" % (function["addr"], function["end"])]
    done = subprocess.run(["gdb", "-nx", "-batch", *words, "-core", core],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return [int(line.split(":")[0].split()[0], 16)
            for line in done.stdout.splitlines() if line.startswith("   0x")]


def check_code(tap, core, truth):
    methods = {row["name"]: row for row in fixture.answer("methods", "--json", core,
                                                           "Waiting.")["methods"]}
    wanted = {method for _, method in truth["uses"]}
    tap.ok(wanted <= set(methods) and all(methods[name]["kind"] == "JIT" for name in wanted),
           "methods that ran are compiled", sorted(methods))
    functions = []
    for name in sorted(wanted | {"Waiting.Registry.Name"}):
        doc = fixture.answer("u", "--json", core, name)
        function = doc["functions"][0]
        tap.equal((doc["functions_count"], function["name"], function["addr"],
                   function["size_bytes"]), (1, name, methods[name]["addr"],
                                             methods[name]["size_bytes"]), "%s is one" % name)
        targets = {row["target"] for row in function["instructions"]
                   if row["target_kind"] == "static"}
        tap.equal(targets, {static for static, method in truth["uses"] if method == name},
                  "%s: statics are named" % name)
        functions.append(function)
    if doc["basis"] == "derived":
        tap.equal([int(row["addr"], 16) for each in functions for row in each["instructions"]],
                  listed_by_gdb(core, functions), "instructions begin where gdb's do")
    else:
        tap.skip("instructions begin where gdb's do", "built without capstone")
    inner = hex(int(function["addr"], 16) + 3)
    tap.equal(fixture.answer("u", "--json", core, inner)["functions"], doc["functions"],
              "an address in the middle is as good")
    rows = fixture.answer("u", "--json", core, "Registry.Name")["functions"][0]["instructions"]
    literal = [row for row in rows if row["target_kind"] == "string"]
    tap.equal([(row["target"], row["contents"]) for row in literal],
              [("System.String of 14 characters", None)], "a string by its length")
    rows = fixture.answer("u", "--json", "--reveal", core,
                          "Registry.Name")["functions"][0]["instructions"]
    tap.ok("Quokka-literal" in [row["contents"] for row in rows], "--reveal shows it")
    tap.ok([row for row in rows if row["target_kind"] == "method" and
            row["target"].endswith("List<System.__Canon>.Add")], "a call is named", rows)
    out = fixture.coreheap("u", core, "Registry.Name").out
    tap.ok("static Waiting.Registry.s_names" in out and "Quokka" not in out, "as text", out)
    native = fixture.answer("u", "--json", core, "pthread_cond_wait")["functions"][0]
    tap.ok(native["kind"] == "native" and native["name"].endswith("!pthread_cond_wait") and
           native["instructions"], "a native function by its symbol", native)
    done = fixture.coreheap("u", core, "Nobody.Knows")
    tap.ok(done.code == 2 and "compiled" in done.err, "a name that no method has", done)


CHECKS = (check_async, check_timers, check_pool, check_handles, check_finalizers, check_exceptions,
          check_stack_objects, check_uses, check_code)


def main():
    tap = Tap()
    _, folder, program = managed.tools("dotnet-waiting", "waiting")
    core, where = managed.dump("createdump", program, os.path.join(folder, "createdump"), {})
    truth = read_truth(where)
    for check in CHECKS:
        tap.attempt(check.__name__, check, core, truth)
    os.unlink(core)
    # one heap of several, tables of handles for all processors
    core, where = managed.dump("createdump", program, os.path.join(folder, "createdump"),
                               {"DOTNET_gcServer": "1"})
    tap.attempt("the server's collector", check_handles, core, read_truth(where))
    os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
