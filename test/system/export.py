#!/usr/bin/env python3
"""export: folded stacks and profiles of pprof say what `retained` says, and other programs read
them."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, folder, unpack  # noqa: E402
from pprof import Profile  # noqa: E402
from tap import Tap  # noqa: E402

LOST = "no root reaches it"


def read_folded(text):
    """{frames: bytes}, by the rules of flamegraph.pl: "^(.*)\\s+?(\\d+)$", frames between ";"."""
    paths = {}
    for line in text.splitlines():
        stack, size = re.match(r"^(.*)\s+?(\d+)$", line).groups()
        frames = tuple(stack.split(";"))
        assert frames not in paths and all(frames)
        paths[frames] = int(size)
    return paths


def check_types(tap, name, paths, rows):
    """Ends of paths are what types have. A block of a managed heap counts in steps of 8 bytes,
    which its collector gives it, where a type has the bytes of each."""
    got, want = {}, {}
    for frames, size in paths.items():
        if frames[0] != LOST:
            got[frames[-1]] = got.get(frames[-1], 0) + size
    for row in rows:
        low, high = want.get(row["type"].replace(";", ","), (0, 0))
        want[row["type"].replace(";", ",")] = (
            low + row["self_bytes"],
            high + row["self_bytes"] + (0 if row["runtime"] == "glibc" else 7 * row["count"]))
    tap.equal(sorted(got), sorted(want), "%s: paths end at the types that roots hold" % name)
    tap.equal([type for type, (low, high) in want.items() if not low <= got.get(type, 0) <= high],
              [], "%s: type by type the same bytes" % name)


def check_folded(tap, name, core):
    path = os.path.join(folder(), "held.folded")
    result = coreheap("export", "--folded", core, "-o", path)
    tap.equal((result.code, result.out, result.err), (0, "", ""), "%s: folded, to a file" % name)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    tap.equal(coreheap("export", "--folded", "--threads", "1", core).out, text,
              "%s: to standard output the same" % name)
    paths = read_folded(text)
    held = answer("retained", "--json", core)
    tap.equal(sum(size for frames, size in paths.items() if frames[0] != LOST),
              held["reachable_bytes"], "%s: paths hold what the roots retain" % name)
    check_types(tap, name, paths, held["by_type"])
    cut = read_folded(coreheap("export", "--folded", "--limit", "2", core).out)
    tap.equal((len(cut), sum(cut.values())), (min(3, len(paths)), sum(paths.values())),
              "%s: what --limit leaves out is one line" % name)
    return paths


def check_pprof(tap, name, core, paths):
    path = os.path.join(folder(), "held.pb.gz")
    result = coreheap("export", "--pprof", core, "-o", path)
    tap.equal((result.code, result.out, result.err), (0, "", ""), "%s: a profile" % name)
    profile = Profile(path)
    tap.equal((profile.types, profile.default),
              ([("inuse_objects", "count"), ("inuse_space", "bytes")], "inuse_space"),
              "%s: what its values are" % name)
    tap.equal({tuple(frame.replace(";", ",") for frame in frames): values[1]
               for frames, values in profile.samples.items()}, paths,
              "%s: the same paths as folded" % name)
    held = answer("retained", "--json", core)
    tap.equal(sum(values[0] for frames, values in profile.samples.items() if frames[0] != LOST),
              held["reachable_count"], "%s: as many blocks as the roots hold" % name)
    rows = [(int(row["addr"], 16), int(row["end"], 16), row["path"], row["build_id"] or "")
            for row in answer("modules", "--json", core)["modules"] if row["kind"] == "native"]
    tap.equal(sorted(row for row in profile.mappings if row in rows), sorted(rows),
              "%s: modules with their build-ids" % name)
    check_go(tap, name, path, sum(values[1] for values in profile.samples.values()))


def check_go(tap, name, path, total):
    if not shutil.which("go"):
        tap.skip("%s: Go's pprof" % name, "go is not installed")
        return

    def top(*options):
        done = subprocess.run(["go", "tool", "pprof", "-top", "-unit=B", *options, path],
                              capture_output=True, text=True, check=False,
                              env=dict(os.environ, HOME=folder()))
        return done.stdout + done.stderr

    tap.ok(" of %dB total" % total in top(), "%s: Go's pprof reads all of it" % name, top())
    tap.ok(" of 0 total" in top("-diff_base", path) or " 0, " in top("-diff_base", path),
           "%s: and sees no growth to itself" % name, top("-diff_base", path))


def check_refusals(tap, core):
    where = folder()
    copy, out = os.path.join(where, "core"), os.path.join(where, "out")
    shutil.copy(core, copy)
    for args in ([], ["--folded", "--pprof"], ["--folded", "--json"], ["--folded", "-o", copy]):
        tap.equal(coreheap("export", *args, copy).code, 2, "refused: %s" % " ".join(args))
    tap.ok(os.path.getsize(copy) == os.path.getsize(core), "the core is not written over")
    tap.equal(coreheap("export", "--folded", "-o", where, copy).code, 5, "refused: a folder")
    with open(out, "w", encoding="ascii") as file:
        file.write("text")
    tap.equal(coreheap("export", "--folded", "-o", out, out).code, 3, "refused: what is no core")


def main():
    tap = Tap()
    cores = {"glibc": unpack("bookworm-small-abort"), "cpp": unpack("sid-cpp-abort"),
             "dotnet": unpack("dotnet-cores", "11.0.0")}
    for name, core in cores.items():
        paths = {}
        tap.attempt(name, lambda tap, name=name, core=core, paths=paths:
                    paths.update(check_folded(tap, name, core)))
        tap.attempt(name, check_pprof, name, core, paths)
    tap.attempt("refusals", check_refusals, cores["glibc"])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
