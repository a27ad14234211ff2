#!/usr/bin/env python3
"""fixtures/dotnet, dumped by createdump, gcore and the kernel: types, counts and roots are the program's own, with
the workstation's and the server's collector, regions and segments."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
import story  # noqa: E402
from tap import Tap  # noqa: E402

COUNT = 2000
# How it is dumped, what is set, which collector that is.
SETTINGS = {
    "workstation, regions": ("createdump", {}, "workstation", "regions"),
    "server, regions": ("createdump", {"DOTNET_gcServer": "1", "DOTNET_GCHeapCount": "2"},
                        "server", "regions"),
    "workstation, segments": ("createdump", {"DOTNET_GCName": "libclrgc.so"}, "workstation",
                              "segments"),
    "heap dump": ("createdump --withheap", {}, "workstation", "regions"),
    "heap dump, server, segments": ("createdump --withheap",
                                    {"DOTNET_GCName": "libclrgc.so", "DOTNET_gcServer": "1",
                                     "DOTNET_GCHeapCount": "2"}, "server", "segments"),
    "gcore": ("gcore", {}, "workstation", "regions"),
    "kernel": ("kernel", {}, "workstation", "regions"),
    "kernel, server, segments": ("kernel", {"DOTNET_GCName": "libclrgc.so",
                                            "DOTNET_gcServer": "1", "DOTNET_GCHeapCount": "2"},
                                 "server", "segments"),
}


def check_methods(tap, name, core):
    rows = fixture.records("objects", "--jsonl", "--limit", "1", "--type",
                           "System.EventHandler<Story.ErrorArgs>", core)
    doc = fixture.answer("roots", "--json", core, rows[0]["addr"])
    details = [step.get("detail") for step in doc["chains"][0]["path"]]
    tap.ok("calls Story.Cache.OnError" in details and
           "calls %d handlers" % COUNT in details, "%s: a delegate says what it calls" % name,
           details)
    stacks = [[frame["symbol"] for frame in thread["frames"]]
              for thread in fixture.answer("threads", "--json", core)["threads"]]
    for methods in (["System.Threading.Thread.Sleep", "Story.Program.Main"],
                    ["System.Threading.Thread.Sleep", "Story.Blocker.Finalize",
                     "System.GC.RunFinalizers"]):
        tap.ok([stack for stack in stacks if
                [symbol for symbol in stack if symbol and symbol.split(".")[0] in
                 ("System", "Story")] == methods],
               "%s: a stack goes through %s" % (name, methods), stacks)
    frames = [frame for thread in fixture.answer("threads", "--json", core)["threads"]
              for frame in thread["frames"] if frame["symbol"] == "Story.Program.Main"]
    what = fixture.answer("whatis", "--json", core, frames[0]["addr"])["results"][0]
    tap.equal((what["method"]["name"], what["method"]["kind"]), ("Story.Program.Main", "JIT"),
              "%s: an address of code is in a method" % name)


def usage_at(core, addr):
    return fixture.answer("whatis", "--json", core, addr)["results"][0]["region"]["usage"]


def check_memory(tap, name, core):
    heap = fixture.answer("heap", "--json", core)
    facts = [r for r in heap["runtimes"] if r["name"] == "coreclr"][0]["facts"]
    tap.equal((facts.get("dynamic_modules_count"), facts.get("collectible_loaders_count")),
              (1, 1), "%s: the emitted assembly is counted" % name)
    rows = {row["name"]: row for row in heap["runtime_memory"]}
    wanted = {"low frequency heap", "high frequency heap", "precode heaps", "JIT code",
              "handle table", "collectible loaders"}
    tap.ok(wanted <= set(rows) and all(0 < rows[key]["mapped_bytes"] <= rows[key]["total_bytes"]
                                       for key in wanted),
           "%s: the runtime's own memory has rows" % name, rows)
    tap.equal(facts.get("collectible_loaders_bytes"), rows["collectible loaders"]["total_bytes"],
              "%s: what it costs is counted" % name)
    frames = [frame["addr"] for thread in fixture.answer("threads", "--json", core)["threads"]
              for frame in thread["frames"] if frame["symbol"] == "Story.Program.Main"]
    root = fixture.answer("roots", "--json", core, "Story.ByStrongHandle")["chains"][0]["root"]
    tap.equal([usage_at(core, frames[0]), usage_at(core, root["addr"])],
              ["jit", "managed:other"], "%s: code and handles lie where they should" % name)
    summary = fixture.answer("summary", "--json", core)
    used = {row["name"]: row["bytes"] for row in summary["accounting"]["rows"]}
    tap.ok(all(row["ok"] for row in summary["accounting"]["invariants"]) and
           used["managed_loader"] > 0 and used["managed_other"] > 0,
           "%s: summary closes" % name, summary["accounting"])


def check(tap, name, program, createdump):
    how, env, collector, layout = SETTINGS[name]
    core, where = managed.dump(how, program, createdump, env, [str(COUNT)])
    truth = story.read_truth(os.path.join(where, "truth"))
    # --withheap leaves out what malloc has from brk.
    story.check_types(tap, name, core, truth, "--withheap" not in how)
    story.check_heap(tap, name, core, collector, layout)
    with open(os.path.join(where, "native"), encoding="utf-8") as file:
        story.check_roots(tap, name, core, truth, file.read())
    check_methods(tap, name, core)
    check_memory(tap, name, core)
    os.unlink(core)


def check_hunt(tap, program, createdump):
    """Six events of one static object hold nearly everything: one suspect."""
    core, _ = managed.dump("createdump", program, createdump, {}, ["30000"])
    suspects = fixture.answer("summary", "--json", core)["suspects"]
    found = [row for row in suspects if any("EventHandler" in kind["name"] for kind in row["types"])
             and not row["part_of"]]
    tap.equal([(row["rule"], row["holder"] and row["holder"]["type"]) for row in found],
              [("common-holder", "Story.Multiplexer")], "hunt: one holder of all handlers")
    tap.equal(suspects[0]["id"], found[0]["id"], "hunt: it is the first suspect")
    tap.equal(found[0]["chain"]["root"]["where"], "static Story.Cache.s_multiplexer",
              "hunt: a static field holds it")
    handlers = {row["name"] for row in found[0]["types"] if "EventHandler" in row["name"]}
    tap.equal(handlers, {"System.EventHandler<Story.%sArgs>" % name for name in
                         ("Failed", "Error", "Internal", "Changed", "Moved")},
              "hunt: with the types of all handlers")
    tap.ok(found[0]["percent"] > 30 and not any(
        row["rule"] == "one-type" and row["types"][0]["runtime"] == "coreclr" for row in suspects),
           "hunt: and no type is told twice", suspects)
    os.unlink(core)


def main():
    _, folder, program = managed.tools("dotnet", "story")
    createdump = os.path.join(folder, "createdump")
    tap = Tap()
    for name in SETTINGS:
        why = None if SETTINGS[name][0].startswith("createdump") else fixture.why_not(SETTINGS[name][0])
        if why:
            tap.skip(name, why)
            continue
        if "DOTNET_GCName" in SETTINGS[name][1] and not os.path.exists(
                os.path.join(folder, "libclrgc.so")):
            tap.skip(name, "this .NET runtime has no collector with segments")
            continue
        tap.attempt(name, check, name, program, createdump)
    tap.attempt("hunt", check_hunt, program, createdump)
    sys.exit(tap.done())


main()
