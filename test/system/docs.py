#!/usr/bin/env python3
"""README and docs: links lead somewhere, commands exist, examples are what the program prints, and the
version and its day are the same wherever they stand."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import commands  # noqa: E402
from fixture import COREHEAP, ZSTD, coreheap, folder, unpack  # noqa: E402
from tap import Tap, repo  # noqa: E402

# The cores of docs/EXAMPLES.md.
CORES = {"small.core": "fixtures/bookworm-small-abort/core.zst",
         "story.core": "fixtures/dotnet-cores/10.0.12.zst"}


def read(*path):
    with open(os.path.join(repo(), *path), encoding="utf-8") as file:
        return file.read()


def check_links(tap):
    pages = [os.path.join(repo(), "README.md"), *glob.glob(os.path.join(repo(), "docs", "*.md"))]
    for page in sorted(pages):
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page))
        lost = [link for link in links
                if not os.path.exists(os.path.join(os.path.dirname(page), link))]
        tap.equal(lost, [], "%s: each link leads to a file" % os.path.basename(page))


def check_readme(tap):
    text = read("README.md")
    tap.ok(text.count("\n") < 200, "README has less than 200 lines", text.count("\n"))
    table = text.split("| you ask |", 1)[1].split("\n\n", 1)[0]
    named = set(re.findall(r"`([a-z]+)`", table))
    tap.ok(named <= set(commands()), "it names commands that are there", named - set(commands()))
    targets = set(re.findall(r"^    make ([a-z-]+)", text + read("docs", "INSTALL.md"), re.M))
    rules = set(re.findall(r"^([a-z-]+):", read("Makefile") + read("test", "test.mk"), re.M))
    tap.ok(targets <= rules and len(targets) > 5, "make has the targets", targets - rules)


def check_glossary(tap):
    """Words that answers and the help have for states and classes are in the glossary."""
    text = read("docs", "GLOSSARY.md")
    core = unpack("bookworm-small-abort")
    classes = re.findall(r"^([a-z-]+) +[0-9]", coreheap("leaks", core).out, re.M)
    states = re.search(r"--state ([a-z|]+),", coreheap("objects", "--help").out)[1].split("|")
    words = set(classes + states) - {"all"}
    tap.ok(len(words) > 8, "there are words", words)
    tap.equal(sorted(word for word in words if not re.search(r"[ |`]%s[ |`,]" % word, text)), [],
              "classes and states are in the glossary")


def check_examples(tap):
    where = folder()
    for name, packed in CORES.items():
        subprocess.run(ZSTD + ["-o", os.path.join(where, name), os.path.join(repo(), packed)],
                       check=True)
    seen = 0
    for block in re.findall(r"```\n\$ (coreheap .*?)```", read("docs", "EXAMPLES.md"), re.S):
        command, want = block.split("\n", 1)
        words = command.split()[1:]
        if not set(words) & set(CORES):
            continue
        seen += 1
        done = subprocess.run([COREHEAP, *words], cwd=where, capture_output=True, text=True,
                              check=False)
        want = re.sub(r"\.\.\.\n$", "", want)
        # Notes are about files of this system.
        more = [line for line in done.stdout[len(want):].splitlines()
                if line and not line.startswith("note: ")]
        tap.equal((done.stdout[:len(want)], more), (want, []),
                  "%s prints what the page shows" % command)
    tap.equal(seen, len(CORES), "each core has an example")


def check_version(tap):
    version = coreheap("--version").out.split()[1]
    day = re.search(r"^\.TH COREHEAP 1 (\S+) ", coreheap("--man").out, re.M)[1]
    newest = re.search(r"^## (\S+) \((\S+?)[,)]", read("docs", "CHANGELOG.md"), re.M)
    tap.equal(newest.groups(), (version, day), "the newest entry of CHANGELOG.md is the version's")
    debian = read("docs", "deb", "changelog")
    done = subprocess.run(["date", "-u", "+%F", "-d", re.search(r"^ -- .*>  (.*)$", debian, re.M)[1]],
                          capture_output=True, text=True, check=False)
    tap.equal((re.match(r"coreheap \((.*)\)", debian)[1], done.stdout.strip()), (version, day),
              "so is that of the package")


def main():
    tap = Tap()
    for check in (check_links, check_readme, check_glossary, check_examples, check_version):
        tap.attempt(check.__name__, check)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
