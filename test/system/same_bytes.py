#!/usr/bin/env python3
"""The same core gives the same bytes: for one thread and two, and from raw and compressed
input, of every command on every fixture."""
import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import cases, every_fixture  # noqa: E402
from fixture import COREHEAP, WHOLE, folder, run_bounded  # noqa: E402
from tap import Tap  # noqa: E402

PACKERS = {"zst": ["zstd", "-q", "-1", "-c"], "gz": ["gzip", "-1", "-c"],
           "xz": ["xz", "-0", "-c"], "lz4": ["lz4", "-q", "-1", "-c"]}
# The first fixture is asked everything, each other one every fourth question, others than the one
# before it: cores of one family stand side by side, so that each question is asked of each family.
SHARE = 1 if WHOLE else 4
# A core is unpacked to a file when it is opened, which takes longer than most answers to what is
# asked of that file then: it is every fourth of these questions, others for each packer; of
# larger cores there are two packers.
LARGE, EACH = 5 << 20, 4
ROWS = "10"
FORMS = (["--json"], [], ["--jsonl"], ["--plain"])


def questions(core, turn):
    """(schema, arguments with CORE for the core) of every command, tickets too. Each in one form,
    and in another one on the next fixture: all of them on each would take minutes."""
    for number, (schema, arguments) in enumerate(cases(core, ROWS)):
        words = ["CORE" if word == core else word for word in arguments]
        if turn == 0 or (number + turn) % SHARE == 0:
            yield schema, [*words, *FORMS[(number + turn) % len(FORMS)]]
    if turn % SHARE:
        return
    for words in (["summary", "CORE"], ["diff", "CORE", "CORE"]):
        yield words[0], [*words, "--markdown"]
        yield words[0], [*words, "--json"]


def ask(core, words, threads):
    """A hash of the answer, or what went wrong."""
    done = run_bounded([COREHEAP, *[core if word == "CORE" else word for word in words],
                        "--threads", threads], 120)
    if done.returncode != 0 or not done.stdout:
        return "exit code %d: %s" % (done.returncode, done.stderr.decode(errors="replace"))
    return hashlib.sha256(done.stdout.replace(os.path.dirname(core).encode(), b"DIR")).hexdigest()


def answers(pool, core, asked, threads):
    return list(pool.map(lambda question: ask(core, question[1], threads), asked))


def differing(asked, first, second):
    return [" ".join(question[1]) + ("" if len(other) == 64 else ": " + other)
            for question, one, other in zip(asked, first, second) if one != other]


def compare_packed(tap, pool, name, core, packer, asked, plain, turn):
    """The same file name, so that nothing but the contents differ; info says what they are."""
    if not shutil.which(PACKERS[packer][0]):
        tap.skip("%s: from .%s" % (name, packer), PACKERS[packer][0] + " is not installed")
        return
    picked = [i for i, question in enumerate(asked)
              if question[0] != "info" and i % EACH == turn % EACH]
    packed = os.path.join(folder(), "core")
    with open(packed, "wb") as file:
        subprocess.run([*PACKERS[packer], core], stdout=file, check=True)
    tap.ok(os.path.getsize(packed) < os.path.getsize(core), "%s: .%s is smaller" % (name, packer))
    asked = [asked[i] for i in picked]
    tap.equal(differing(asked, [plain[i] for i in picked], answers(pool, packed, asked, "2")), [],
              "%s: %d answers from .%s" % (name, len(asked), packer))
    os.remove(packed)


def test_fixture(tap, name, source, packers, turn):
    core = os.path.join(folder(), "core")
    shutil.copy(source, core)
    asked = list(questions(core, turn))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        plain = answers(pool, core, asked, "1")
        tap.equal([pair for pair in zip(asked, plain) if len(pair[1]) != 64], [],
                  "%s: every command answers" % name)
        tap.equal(differing(asked, plain, answers(pool, core, asked, "2")), [],
                  "%s: %d answers with one thread and two" % (name, len(asked)))
        for number, packer in enumerate(packers):
            compare_packed(tap, pool, name, core, packer, asked, plain, turn + number)
    os.remove(core)


def test_reproducible(tap, source):
    """Another name in another folder, at another time: the same bytes. And without it, not."""
    first, second = os.path.join(folder(), "core"), os.path.join(folder(), "other.core.7")
    shutil.copy(source, first)
    shutil.copy(source, second)
    os.utime(first, (1, 1))
    for words in (["summary", "CORE", "--json"], ["summary", "CORE", "--markdown"],
                  ["diff", "CORE", "CORE", "--markdown"], ["types", "CORE", "--json"]):
        shown = " ".join(words)
        both = [subprocess.run([COREHEAP, *[core if word == "CORE" else word for word in words],
                                "--reproducible"], capture_output=True, check=False).stdout
                for core in (first, second)]
        tap.ok(both[0] and both[0] == both[1], "reproducible: " + shown)
        tap.ok(b"/core" not in both[0], "reproducible: %s has no path" % shown)
    named = subprocess.run([COREHEAP, "types", "--json", second], capture_output=True, check=False)
    tap.ok(b"other.core.7" in named.stdout, "the name is there without it")


def main():
    tap = Tap()
    names = sorted(PACKERS)
    fixtures = list(every_fixture())
    for number, (name, core) in enumerate(fixtures):
        # On large ones two, so that each is tried on several.
        packers = names if name == "bookworm-small-abort" or os.path.getsize(core) <= LARGE else (
            names[number % 4], names[(number + 2) % 4])
        tap.attempt(name, test_fixture, name, core, packers, number)
    tap.attempt("reproducible", test_reproducible, dict(fixtures)["sid-cpp-abort"])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
