#!/usr/bin/env python3
"""The same core gives the same bytes: for one thread and two, run after run, and from raw
and compressed input."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import cases, every_fixture  # noqa: E402
from fixture import coreheap, folder  # noqa: E402
from tap import Tap  # noqa: E402

FIXTURES = {"bookworm-small-abort": ("zst", "gz", "xz", "lz4"), "dotnet 9.0.22": ("zst",)}
PACKERS = {"zst": ["zstd", "-q", "-3", "-c"], "gz": ["gzip", "-1", "-c"],
           "xz": ["xz", "-0", "-c"], "lz4": ["lz4", "-q", "-1", "-c"]}
# What says that its input was compressed.
ABOUT_THE_FILE = {"info"}


def outputs(core, options):
    """{arguments: output} of every command in text and JSON, tickets too."""
    found = {}
    for schema, arguments in cases(core):
        words = [word if word != core else "CORE" for word in arguments]
        for form in ([], ["--json"]):
            found[(schema, *words, *form)] = coreheap(
                *arguments, *form, *options).out.replace(core, "CORE")
    for words in (["summary", core], ["diff", core, core]):
        found[(words[0], "--markdown")] = coreheap(*words, "--markdown", *options).out
    return found


def differing(first, second, without=()):
    return [" ".join(key) for key in first if key[0] not in without and
            first[key] != second.get(key)]


def test_fixture(tap, name, source):
    where = folder()
    core = os.path.join(where, "core")
    shutil.copy(source, core)
    plain = outputs(core, ["--threads", "1"])
    tap.ok(plain and all(plain.values()), "%s: every command says something" % name,
           [key for key in plain if not plain[key]])
    tap.equal(differing(plain, outputs(core, ["--threads", "2"])), [],
              "%s: one thread and two" % name)
    reproducible = outputs(core, ["--reproducible"])
    tap.equal([key for key, text in reproducible.items() if os.path.dirname(core) in text], [],
              "%s: --reproducible does not say where the file lies" % name)
    for suffix in FIXTURES[name]:
        packer = PACKERS[suffix]
        if not shutil.which(packer[0]):
            tap.skip("%s, %s" % (name, suffix), packer[0] + " is not installed")
            continue
        packed = os.path.join(folder(), "core")
        with open(packed, "wb") as file:
            subprocess.run([*packer, core], stdout=file, check=True)
        tap.equal(differing(plain, outputs(packed, ["--threads", "2"]), ABOUT_THE_FILE),
                  [], "%s: from .%s" % (name, suffix))
        os.remove(packed)


def main():
    tap = Tap()
    fixtures = dict(every_fixture())
    for name in FIXTURES:
        tap.attempt(name, test_fixture, name, fixtures[name])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
