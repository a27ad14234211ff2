"""What is true of each core of fixtures/dotnet, however it was made."""
import re

import fixture
from truth import is_word

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


def check_roots(tap, name, core, truth, native, skip=()):
    """skip: types of HELD whose holders this release does not name."""
    for type_name, (kind, where, place) in HELD.items():
        if type_name in skip:
            continue
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
        tap.ok(all(is_word(chain["root"]) for chain in doc["chains"]) and
               len(held[type_name]) <= 20,
               "%s: %s is held by nothing but stacks" % (name, type_name), doc["chains"][:3])
    doc = fixture.answer("roots", "--json", core, "Story.ByWeakHandle")
    tap.equal([weak["where"].split(" 0x")[0] for weak in doc["weak"]], ["weak handle"],
              "%s: a weak handle is shown as one" % name)
    leaks = fixture.answer("leaks", "--json", core)
    dead = {row["type"]: row["count"] for row in leaks["groups"] if row["class"] == "dead"}
    tap.equal({key: dead.get(key, 0) + len(held[key]) for key in DEAD},
              {key: truth[key] for key in DEAD}, "%s: garbage is counted" % name)
    for option, there, absent in (("--dead", DEAD, HELD), ("--live", HELD, ())):
        rows = fixture.answer("types", "--json", "--limit", "0", option, core)["types"]
        names = {row["name"] for row in rows}
        tap.ok(set(there) <= names and not set(absent) & names,
               "%s: types %s" % (name, option), sorted(names))
    tap.equal([key for key in HELD if key in dead], [], "%s: nothing else is garbage" % name)
    tap.ok(not [row for row in leaks["groups"] if row["class"] != "dead" and
                row["runtime"] == "coreclr"], "%s: no object is lost" % name)
    doc = fixture.answer("roots", "--json", core, native)
    tap.ok([chain for chain in doc["chains"] if
            chain["root"]["where"] == "static Story.Program.native" and
            chain["path"][-1]["field"] == ".Block"],
           "%s: a block from malloc is held by a field" % name, doc["chains"])


def read_truth(path):
    """{type: count} as the program wrote it."""
    with open(path, encoding="utf-8") as file:
        return {name: int(count) for count, name in (line.rstrip("\n").split("\t")
                                                     for line in file)}


def check_types(tap, name, core, truth, whole=True):
    """whole: the dumper recorded all memory, that of malloc included."""
    types = fixture.answer("types", "--json", "--limit", "0", core)
    counts = {row["name"]: row["count"] for row in types["types"] if row["runtime"] == "coreclr"}
    tap.equal({key: counts.get(key) for key in truth}, truth,
              "%s: the counts are the program's" % name)
    tap.equal(types["complete"], whole, "%s: nothing is missing, or it is said" % name)
    nameless = [key for key in counts if "no metadata" in key]
    tap.ok(counts.get("System.String", 0) > 100 and not nameless,
           "%s: every type has a name" % name, nameless)


def check_heap(tap, name, core, collector, layout):
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
