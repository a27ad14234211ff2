#!/usr/bin/env python3
"""fixtures/sites/sites.go: where a Go program allocated is what its own runtime/pprof said right before
the dump: stacks with addresses, functions that were put into others, files and lines, all numbers.
Of several releases of Go, stripped and not; go tool pprof takes one profile from the other."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from pprof import Sites  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Cores of stripped programs, and what those wrote.
RELEASES = ["1.24", "1.27"]
KINDS = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]


def export(core, *args):
    path = os.path.join(fixture.folder(), "sites.pb.gz")
    subprocess.run([fixture.COREHEAP, "export", "--pprof", "--sites", *args, core, "-o", path],
                   check=True)
    return path


def check(tap, core, profile, name):
    path = export(core)
    told, truth = Sites(path), Sites(profile)
    tap.equal({key: (told.samples.get(key), truth.samples.get(key))
               for key in {*told.samples, *truth.samples}
               if told.samples.get(key) != truth.samples.get(key)}, {},
              name + ": each sample is what the program wrote")
    tap.equal((told.types, told.period), (KINDS, truth.period), name + ": so is what it is of")
    tap.ok(len(truth.samples) > 5, name + ": it wrote some", str(len(truth.samples)))
    answer = fixture.answer("types", "--by", "site", "--json", core)
    sums = [answer[key] for key in ("allocated_count", "allocated_bytes", "used_count",
                                    "used_bytes")]
    tap.equal((tuple(sums), answer["rate_bytes"], answer["rate_known"]),
              (truth.sums(), truth.period, True), name + ": types --by site has the same sums")
    tap.equal({key: sum(row[key] for row in answer["sites"])
               for key in ("used_bytes", "allocated_bytes")},
              {"used_bytes": sums[3], "allocated_bytes": sums[1]}, name + ": rows add up")
    places = {(row["function"].split("[")[0], row["source"]) for row in answer["sites"]}
    tap.ok({("main.makeOrder", "sites.go:40"), ("main.(*List", "sites.go:24"),
            ("main.fill", "sites.go:55"), ("main.recurse.func1", "sites.go:80")} <= places,
           name + ": the places that allocate", str(places))
    check_limit(tap, core, truth, name)
    return path


def check_limit(tap, core, truth, name):
    """What a limit leaves out is one more sample."""
    cut = Sites(export(core, "--limit", "2"))
    tap.equal(cut.sums(), truth.sums(), name + ": nothing is lost with --limit")
    names = {stack[0][1][0][0] for stack, _ in cut.samples}
    tap.ok("other sites" in names and len(names) <= 3, name + ": the rest is one", str(names))
    folded = fixture.coreheap("export", "--folded", "--sites", core).out.splitlines()
    tap.equal(sum(int(line.rsplit(" ", 1)[1]) for line in folded), truth.sums()[3],
              name + ": folded stacks have all bytes in use")


def check_difference(tap, path, profile, name):
    done = subprocess.run(["go", "tool", "pprof", "-top", "-sample_index=alloc_space",
                           "-diff_base", profile, path], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "HOME": fixture.folder()}, check=True)
    tap.ok("accounting for 0, 0%" in done.stdout, name + ": nothing is left for go tool pprof",
           done.stdout)


def check_none(tap, core, name):
    answer = fixture.answer("types", "--by", "site", "--json", core)
    tap.equal((answer["rate_bytes"], answer["sites"]), (0, []), name + ": no samples")
    tap.ok("MemProfileRate is 0" in (answer["reason"] or ""), name + ": and why", str(answer))
    done = subprocess.run([fixture.COREHEAP, "export", "--pprof", "--sites", core, "-o",
                           os.path.join(fixture.folder(), "none")], stderr=subprocess.PIPE,
                          text=True, check=False)
    tap.ok(done.returncode and "MemProfileRate is 0" in done.stderr, name + ": export says it",
           done.stderr)


def check_built(tap):
    """One program at several rates: some allocations, all, as it begins, and none."""
    where = fixture.folder()
    why = "no go" if not shutil.which("go") else fixture.kernel_dumps()
    if why:
        tap.skip("a Go program", why)
        return
    env = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
           "CGO_ENABLED": "0", "GOCACHE": os.path.join(where, "cache")}
    program = os.path.join(where, "sites")
    subprocess.run(["go", "build", "-buildmode=pie", "-ldflags=-s -w", "-o", program,
                    os.path.join(repo(), "fixtures", "sites", "sites.go")], check=True, env=env)
    for rate in ("1000", "1", "begin", "0"):
        name = "stripped, position independent, rate " + rate
        core = fixture.dump(program, "kernel", where, end=rate)
        if rate == "0":
            check_none(tap, core, name)
        elif rate == "begin":
            tap.equal(fixture.answer("types", "--by", "site", "--json", core)["rate_bytes"],
                      512 * 1024, name + ": it is Go's own")
        else:
            path = check(tap, core, os.path.join(where, "profile"), name)
            check_difference(tap, path, os.path.join(where, "profile"), name)
        os.unlink(core)


def main():
    tap = Tap()
    for release in RELEASES:
        path = os.path.join(repo(), "fixtures", "sites", release)
        check(tap, path + ".xz", path + ".profile", "Go " + release)
    tap.attempt("built", check_built)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
