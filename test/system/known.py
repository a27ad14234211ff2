#!/usr/bin/env python3
"""What libc and the dynamic linker keep in malloc has its name, without symbols: link maps, open
files and their buffers, directories, storage of threads, the environment. The program knows the
addresses."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

# Of each of them the program has so many; three lists of 32 functions follow libc's own.
COUNTS = {"FILE": 10, "DIR": 3, "struct exit_function_list": 3, "thread-local storage": 3,
          "ld.so: dtv of a thread": 3, "struct link_map": 1, "environ": 1,
          "variable of the environment": 2}


def build(where):
    folder = os.path.join(repo(), "fixtures", "known")
    compiler = os.environ.get("CC") or "cc"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", os.path.join(where, "plugin.so"),
                    os.path.join(folder, "plugin.c")], check=True)
    fixture.build("known", os.path.join(where, "known"), "-s")
    return os.path.join(where, "known")


def check(tap, core, wanted):
    rows = [row for row in fixture.records("objects", "--jsonl", "--limit", "0", core)[:-1]
            if row["state"] == "used"]
    said = {int(row["addr"], 16): None if fixture.is_held(row["type"]) else row["type"]
            for row in rows}
    for name in sorted({name for _, name in wanted}):
        addrs = [addr for addr, other in wanted if other == name]
        want = None if name == "-" else name
        tap.equal([said.get(addr, "no block") if said.get(addr, "no block") != want else want
                   for addr in addrs], [want] * len(addrs),
                  "blocks that are %s" % (name if want else "none of them"))
    tap.equal({name: sum(row["type"] == name for row in rows) for name in COUNTS}, COUNTS,
              "how many there are")
    types = fixture.answer("types", "--json", "--limit", "0", "--state", "used", core)["types"]
    tap.equal({(row["name"], row["module"]) for row in types
               if row["name"] in ("thread-local storage", "struct link_map")},
              {("thread-local storage", "plugin.so"), ("struct link_map", "plugin.so")},
              "whose they are")


def check_release(tap, name):
    """A program with threads and one open file, on another glibc, without its files."""
    core = fixture.unpack(name)
    types = {row["name"]: row["count"] for row in fixture.answer(
        "types", "--json", "--limit", "0", "--state", "used", core)["types"]}
    threads = len(fixture.answer("threads", "--json", "--limit", "0", core)["threads"])
    tap.equal((types.get("ld.so: dtv of a thread", 0), types.get("FILE", 0)), (threads - 1, 1),
              "%s: dtv of each thread but the first, and a FILE" % name)


def main():
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    if fixture.why_not(how):
        skip_all(fixture.why_not(how))
    if not shutil.which(os.environ.get("CC") or "cc"):
        skip_all("no compiler")
    tap = Tap()
    where = fixture.folder()
    program = build(where)
    run = os.path.join(where, "run")
    os.mkdir(run)
    core = fixture.dump(program, how, run, arguments=[os.path.join(where, "plugin.so")])
    with open(os.path.join(run, "truth"), encoding="utf-8") as file:
        wanted = [(int(line.split(" ", 1)[0], 16), line.rstrip("\n").split(" ", 1)[1])
                  for line in file]
    tap.attempt("check", check, core, wanted)
    for name in fixture.checked_in():
        if "small" in name:
            tap.attempt(name, check_release, name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
