"""Every kind of document that coreheap prints, on which fixtures, and its schema."""
import functools
import glob
import json
import os

from fixture import coreheap, every_core, unpack
from tap import repo

# Rows that are asked for where a list may be long.
ROWS = "30"
# What these print with --jsonl are records and a closing line, not documents.
STREAMS = (["objects"], ["refs"], ["search"], ["leaks"], ["address", "--regions"],
           ["address", "-f:PAGE_READWRITE"])
# What these write are formats of other programs, not documents; an option says which.
WRITERS = {"export": ("--folded", "--pprof")}


def commands():
    """Names of all commands, as the help lists them."""
    lines = coreheap("--help").out.split("Commands")[1].split("Global options")[0].splitlines()
    return [line.split()[0] for line in lines[1:] if line.startswith("  ") and line[2] != " "]


def every_fixture():
    """(name, core) of all cores that are checked in."""
    for name in every_core():
        yield name, unpack(name)
    for path in sorted(glob.glob(os.path.join(repo(), "fixtures", "dotnet-cores", "*.zst"))):
        version = os.path.basename(path)[:-len(".zst")]
        yield "dotnet " + version, unpack("dotnet-cores", version)


@functools.lru_cache(maxsize=None)
def samples(core):
    """Addresses, a type and a heap that lie in a core."""
    rows = json.loads(coreheap("types", "--json", core).out)["types"]
    objects = [row for row in rows if row["kind"] == "object"]
    threads = json.loads(coreheap("threads", "--json", core).out)["threads"]
    held = json.loads(coreheap("retained", "--json", "--limit", "1", core).out)["rows"]
    return {"held": held[0]["addr"] if held else None,
            "block": objects[0]["sample_addr"] if objects else None,
            "rare": objects[-1]["sample_addr"] if objects else None,
            "type": objects[0]["name"] if objects else None,
            "managed": [row for row in objects if row["runtime"] == "coreclr"][:4],
            "pc": threads[0]["pc"] if threads and threads[0]["pc"] else "0x10",
            "sp": threads[0]["sp"] if threads else "0x10"}


def is_stream(arguments):
    """Whether --jsonl prints records, not the document on one line."""
    return any(all(word in arguments for word in words) for words in STREAMS)


def plain_cases(core, rows):
    """What can be asked of any core."""
    limit = ["--limit", rows]
    yield "info", ["info", core]
    yield "summary", ["summary", core]
    yield "summary", ["summary", "--quick", core]
    yield "address", ["address", core]
    yield "address", ["address", "--zero-pages", core]
    yield "address", ["address", "--summary", "-f:stack,lib", core]
    yield "address", ["address", "--regions", *limit, core]
    yield "address", ["address", "-f:PAGE_READWRITE", *limit, core]
    yield "address", ["address", "--raw", *limit, core]
    yield "heap", ["heap", core]
    yield "heap", ["heap", "--segments", core]
    yield "heap", ["heap", "--flags", core]
    yield "types", ["types", *limit, core]
    yield "types", ["types", "--by-gen", *limit, core]
    yield "types", ["types", "--live", *limit, core]
    yield "types", ["types", "--state", "free", *limit, core]
    yield "loaders", ["types", "--by", "loader", *limit, core]
    yield "owners", ["types", "--by", "owner", *limit, core]
    yield "sites", ["types", "--by", "site", *limit, core]
    yield "groups", ["types", "--by", "basis", *limit, core]
    yield "strings", ["types", "--strings", *limit, core]
    yield "strings", ["types", "--strings", "--reveal", *limit, core]
    yield "traces", ["types", "--traces", *limit, core]
    yield "objects", ["objects", *limit, core]
    yield "objects", ["objects", "--state", "all", *limit, core]
    yield "retained", ["retained", *limit, core]
    yield "leaks", ["leaks", *limit, core]
    yield "leaks", ["leaks", "--list", *limit, core]
    yield "leaks", ["leaks", "--possible", *limit, core]
    yield "leaks", ["leaks", "--dead", *limit, core]
    yield "threads", ["threads", core]
    yield "threads", ["threads", "--regs", "--group", "--frames", "3", core]
    yield "locks", ["locks", *limit, core]
    yield "modules", ["modules", core]
    yield "exceptions", ["exceptions", core]
    yield "exceptions", ["exceptions", "--reveal", core]
    yield "stackobjects", ["stackobjects", *limit, core]
    yield "methods", ["methods", *limit, core]
    yield "handles", ["handles", *limit, core]
    yield "handles", ["handles", "--finalizers", "--list", *limit, core]
    yield "async", ["async", *limit, core]
    yield "timers", ["timers", *limit, core]
    yield "threadpool", ["threadpool", *limit, core]
    yield "search", ["search", "--text", "lib", *limit, core]
    yield "search", ["search", "--utf16", "S", "--reveal", *limit, core]
    yield "search", ["search", "--regex", "[a-z]{9}", "--count", core]
    yield "report", ["report", core]
    yield "diff", ["diff", core, core]
    yield "diff", ["diff", "--all", "--hours", "2", *limit, core, core, core]
    yield "diff", ["diff", "--all", "--no-paths", *limit, core, core]


def address_cases(core, rows):
    """What is asked of an address or a type that lies in the core."""
    found = samples(core)
    limit = ["--limit", rows]
    for addr in (found["pc"], found["sp"], "0x10"):
        yield "address", ["address", core, addr]
        yield "whatis", ["whatis", core, addr]
    yield "refs", ["refs", *limit, core, found["sp"]]
    if found["pc"] != "0x10":
        yield "disassemble", ["disassemble", *limit, core, found["pc"]]
        yield "disassemble", ["disassemble", "--reveal", "--count", "20", core, found["pc"]]
    if not found["block"]:
        return
    yield "whatis", ["whatis", core, found["block"], found["rare"], found["pc"]]
    for addr in dict.fromkeys((found["block"], found["rare"], found["held"] or found["rare"])):
        yield "show", ["show", *limit, core, addr]
        yield "show", ["show", "--reveal", *limit, core, addr]
        yield "roots", ["roots", *limit, core, addr]
        yield "refs", ["refs", *limit, core, addr]
        yield "refs", ["refs", "--code", "--exact", *limit, core, addr]
    for row in found["managed"]:
        yield "show", ["show", "--statics", *limit, core, row["name"]]
        yield "show", ["show", *limit, core, row["sample_addr"]]
    if found["held"]:
        yield "retained", ["retained", *limit, core, found["held"]]
    yield "roots", ["roots", "--depth", "2", *limit, core, found["type"]]
    yield "objects", ["objects", "--type", found["type"], *limit, core]
    yield "search", ["search", "--pointer", found["block"], "--reveal", *limit, core]


def cases(core, rows=ROWS):
    """(schema, arguments) of everything that can be asked of a core."""
    yield from plain_cases(core, rows)
    yield from address_cases(core, rows)
