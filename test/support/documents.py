"""Every kind of document that coreheap prints, and on which fixtures.

Run as a program it writes the goldens of test/golden anew: only for a new major
version of the schemas, or for documents that had none.
"""
import functools
import glob
import json
import os
import subprocess
import sys

from fixture import coreheap, every_core, unpack
from tap import repo

# Largest cores that are looked at for their documents' shape.
ROWS = "30"
GOLDEN_ROWS = "3"


def commands():
    """Names of all commands, as the help lists them."""
    lines = coreheap("--help").out.split("Commands")[1].split("Global options")[0].splitlines()
    return [line.split()[0] for line in lines[1:] if line.startswith("  ") and line[2] != " "]


def unpack_dotnet(path):
    folder = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "fixtures")
    target = os.path.join(folder, "dotnet-%s.core" % os.path.basename(path)[:-len(".zst")])
    if not os.path.exists(target):
        os.makedirs(folder, exist_ok=True)
        part = "%s.%d" % (target, os.getpid())
        subprocess.run(["zstd", "-q", "-d", "-f", "--long=27", "-o", part, path], check=True)
        os.rename(part, target)
    return target


def every_fixture():
    """(name, core) of all cores that are checked in."""
    for name in every_core():
        yield name, unpack(name)
    for path in sorted(glob.glob(os.path.join(repo(), "fixtures", "dotnet-cores", "*.zst"))):
        yield "dotnet " + os.path.basename(path)[:-len(".zst")], unpack_dotnet(path)


@functools.lru_cache(maxsize=None)
def samples(core):
    """Addresses and a type name that lie in a core."""
    rows = json.loads(coreheap("types", "--json", core).out)["types"]
    objects = [row for row in rows if row["kind"] == "object" and row["sample_addr"]]
    threads = json.loads(coreheap("threads", "--json", core).out)["threads"]
    held = json.loads(coreheap("retained", "--json", "--limit", "1", core).out)["rows"]
    return {"held": held[0]["addr"] if held else None,
            "block": objects[0]["sample_addr"] if objects else None,
            "rare": objects[-1]["sample_addr"] if objects else None,
            "type": objects[0]["name"] if objects else None,
            "pc": threads[0]["pc"] if threads else "0x10"}


def cases(core, rows=ROWS):
    """(schema, arguments) of everything that can be asked of a core."""
    found = samples(core)
    limit = ["--limit", rows]
    yield "info", ["info", core]
    yield "summary", ["summary", core]
    yield "summary", ["summary", "--quick", core]
    yield "address", ["address", core]
    yield "address", ["address", "--regions", *limit, core]
    yield "address", ["address", "--raw", core]
    yield "address", ["address", core, found["pc"]]
    yield "heap", ["heap", core]
    yield "heap", ["heap", "--segments", core]
    yield "types", ["types", core]
    yield "types", ["types", "--by-gen", core]
    yield "strings", ["types", "--strings", *limit, core]
    yield "objects", ["objects", *limit, core]
    yield "retained", ["retained", *limit, core]
    yield "leaks", ["leaks", *limit, core]
    yield "leaks", ["leaks", "--list", *limit, core]
    yield "threads", ["threads", "--regs", core]
    yield "modules", ["modules", core]
    yield "search", ["search", "--text", "lib", *limit, core]
    yield "whatis", ["whatis", core, found["pc"]]
    yield "whatis", ["whatis", core, "0x10"]
    yield "diff", ["diff", "--all", *limit, core, core]
    if not found["block"]:
        return
    for addr in (found["block"], found["rare"]):
        yield "whatis", ["whatis", core, addr]
        yield "show", ["show", *limit, core, addr]
        yield "show", ["show", "--reveal", *limit, core, addr]
        yield "roots", ["roots", *limit, core, addr]
        yield "refs", ["refs", *limit, core, addr]
    if found["held"]:
        yield "retained", ["retained", *limit, core, found["held"]]
    yield "roots", ["roots", *limit, core, found["type"]]
    yield "search", ["search", "--pointer", found["block"], "--reveal", *limit, core]


def golden_cases():
    """(name, core, arguments) of the documents that are kept."""
    fixtures = dict(every_fixture())
    for name in ("bookworm-small-abort", "dotnet 10.0.12"):
        core = fixtures[name]
        count = {}
        for schema, arguments in cases(core, GOLDEN_ROWS):
            count[schema] = count.get(schema, 0) + 1
            if "--reveal" not in arguments:
                yield ("%s.%s.%d" % (name.replace(" ", "-"), schema, count[schema]), core,
                       [*arguments, "--limit", GOLDEN_ROWS])


def golden_path(name):
    return os.path.join(repo(), "test", "golden", name + ".json")


def shortened(value):
    """A few elements of each list are enough to show its shape."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value[:int(GOLDEN_ROWS)]]
    return value


def main():
    os.makedirs(os.path.dirname(golden_path("x")), exist_ok=True)
    for name, _, arguments in golden_cases():
        if os.path.exists(golden_path(name)):
            print("kept   " + name)
            continue
        doc = json.loads(coreheap(*arguments, "--json", "--reproducible").out)
        with open(golden_path(name), "w", encoding="utf-8") as file:
            json.dump(shortened(doc), file, indent=1)
            file.write("\n")
        print("wrote  " + name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
