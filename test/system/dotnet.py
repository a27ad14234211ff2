#!/usr/bin/env python3
"""fixtures/dotnet, dumped by createdump, gcore and the kernel: types, counts and roots are the program's own, with
the workstation's and the server's collector, regions and segments."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from tap import Tap  # noqa: E402

COUNT = 2000
# How it is dumped, what is set, which collector that is.
SETTINGS = {
    "workstation, regions": ("createdump", {}, "workstation", "regions"),
    "server, regions": ("createdump", {"DOTNET_gcServer": "1", "DOTNET_GCHeapCount": "2"},
                        "server", "regions"),
    "workstation, segments": ("createdump", {"DOTNET_GCName": "libclrgc.so"}, "workstation",
                              "segments"),
    "gcore": ("gcore", {}, "workstation", "regions"),
    "kernel": ("kernel", {}, "workstation", "regions"),
    "kernel, server, segments": ("kernel", {"DOTNET_GCName": "libclrgc.so",
                                            "DOTNET_gcServer": "1", "DOTNET_GCHeapCount": "2"},
                                 "server", "segments"),
}


# What holds an object of a type: the root, and the last step of its chain.
HELD = {
    "Story.Multiplexer": ("static", r"static Story\.Cache\.s_multiplexer", None),
    "System.EventHandler<Story.FailedArgs>":
        ("static", r"static Story\.Cache\.s_multiplexer", r"\.(Failed|Restored)"),
    "System.EventHandler<Story.ErrorArgs>":
        ("static", r"static Story\.Cache\.s_multiplexer", r"\.Error"),
    "System.EventHandler<Story.InternalArgs>":
        ("static", r"static Story\.Cache\.s_multiplexer", r"\.Internal"),
    "System.EventHandler<Story.MovedArgs>":
        ("static", r"static Story\.Cache\.s_multiplexer", r"\.Moved"),
    "System.EventHandler<Story.ChangedArgs>":
        ("static", r"static Story\.Cache\.s_multiplexer", r"\.Changed"),
    "Story.Order": ("static", r"static Story\.Program\.orders", r"\[\d+\]"),
    "Story.Point[]": ("static", r"static Story\.Program\.orders", r"\.Points"),
    "Story.ByStrongHandle": ("handle", r"strong handle 0x[0-9a-f]+", None),
    "Story.ByPinnedHandle": ("handle", r"pinned handle 0x[0-9a-f]+", None),
    "Story.ByDependentHandle": ("static", r"static Story\.Program\.key", None),
    "Story.ByThreadStatic":
        ("thread-static", r"thread \d+ \[ThreadStatic\] Story\.Program\.t_own", None),
    "Story.ByCollectible":
        ("static", r"static Story\.Program\.emitted", r"static Emitted\.Type\.Held"),
    "Story.ByFinalizer": ("finalizer", r"finalizer queue 0x[0-9a-f]+", None),
}
DEAD = ("Story.Garbage", "Story.ByWeakHandle")


def check_roots(tap, name, core, truth, native):
    for type_name, (kind, where, place) in HELD.items():
        doc = fixture.answer("roots", "--json", core, type_name)
        # A word on a stack may point there, too.
        chains = [chain for chain in doc["chains"]
                  if chain["root"]["kind"] == kind and re.fullmatch(where, chain["root"]["where"])]
        tap.ok(chains, "%s: %s is held by %s" % (name, type_name, where),
               [chain["root"] for chain in doc["chains"]])
        tap.ok(chains and (not place or
                           re.fullmatch(place, str(chains[0]["path"][-1].get("field")))),
               "%s: %s lies at %s" % (name, type_name, place), chains[:1])
    # Words on stacks may look like pointers to a few: they are roots, and said to be.
    held = {}
    for type_name in DEAD:
        doc = fixture.answer("roots", "--json", "--limit", "0", core, type_name)
        held[type_name] = {chain["path"][-1]["addr"] for chain in doc["chains"]}
        tap.ok(all(chain["root"]["kind"] in ("stack", "register") for chain in doc["chains"]) and
               len(held[type_name]) <= 20,
               "%s: %s is held by nothing but stacks" % (name, type_name), doc["chains"][:3])
    leaks = fixture.answer("leaks", "--json", core)
    dead = {row["type"]: row["count"] for row in leaks["groups"] if row["class"] == "dead"}
    tap.equal({key: dead.get(key, 0) + len(held[key]) for key in DEAD},
              {key: truth[key] for key in DEAD}, "%s: garbage is counted" % name)
    tap.equal([key for key in HELD if key in dead], [], "%s: nothing else is garbage" % name)
    tap.ok(not [row for row in leaks["groups"] if row["class"] != "dead" and
                row["runtime"] == "coreclr"], "%s: no object is lost" % name)
    doc = fixture.answer("roots", "--json", core, native)
    tap.ok([chain for chain in doc["chains"] if
            chain["root"]["where"] == "static Story.Program.native" and
            chain["path"][-1]["field"] == ".Block"],
           "%s: a block from malloc is held by a field" % name, doc["chains"])


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


def dump(how, program, createdump, env):
    core, where = managed.dump(how, program, createdump, env, [str(COUNT)])
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        truth = {name: int(count) for count, name in (line.rstrip("\n").split("\t")
                                                      for line in file)}
    with open(os.path.join(where, "native"), encoding="utf-8") as file:
        return core, truth, file.read()


def check(tap, name, program, createdump):
    how, env, collector, layout = SETTINGS[name]
    core, truth, native = dump(how, program, createdump, env)
    types = fixture.answer("types", "--json", core)
    counts = {row["name"]: row["count"] for row in types["types"] if row["runtime"] == "coreclr"}
    tap.equal({key: counts.get(key) for key in truth}, truth,
              "%s: the counts are the program's" % name)
    tap.ok(types["complete"], "%s: nothing is missing" % name, types["warnings"])
    tap.ok(counts.get("System.String", 0) > 100 and
           not [key for key in counts if "no metadata" in key], "%s: every type has a name" % name)
    heap = fixture.answer("heap", "--json", core)
    facts = [r for r in heap["runtimes"] if r["name"] == "coreclr"][0]["facts"]
    tap.equal((facts["collector"], facts["heap_layout"]), (collector, layout),
              "%s: the collector is told" % name)
    heaps = [h for h in heap["heaps"] if h["runtime"] == "coreclr"]
    tap.ok(heaps and all(h["used_bytes"] + h["free_bytes"] + h["overhead_bytes"] ==
                           h["committed_bytes"] and not h["unwalked_bytes"] for h in heaps),
           "%s: objects and allocation contexts fill the regions" % name, heaps)
    verdict = fixture.answer("info", "--json", core)
    tap.ok(".NET" in str(verdict), "%s: info names the runtime" % name)
    check_roots(tap, name, core, truth, native)
    check_methods(tap, name, core)
    check_memory(tap, name, core)
    os.unlink(core)


def main():
    _, folder, program = managed.tools("dotnet", "story")
    createdump = os.path.join(folder, "createdump")
    tap = Tap()
    for name in SETTINGS:
        why = None if SETTINGS[name][0] == "createdump" else fixture.why_not(SETTINGS[name][0])
        if why:
            tap.skip(name, why)
            continue
        if "DOTNET_GCName" in SETTINGS[name][1] and not os.path.exists(
                os.path.join(folder, "libclrgc.so")):
            tap.skip(name, "this .NET runtime has no collector with segments")
            continue
        tap.attempt(name, check, name, program, createdump)
    sys.exit(tap.done())


main()
