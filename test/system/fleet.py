#!/usr/bin/env python3
"""Many cores: folders and patterns, a line for each in the order of their paths, however many are
read at a time, whatever happens to one of them; and the commands of docs/FLEET.md."""
import csv
import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import docpage  # noqa: E402
from fixture import COREHEAP, coreheap, folder, unpack  # noqa: E402
from tap import Tap  # noqa: E402




def make_tree():
    """A folder of cores, and of what is none."""
    where = folder()
    core = unpack("bookworm-small-abort")
    os.makedirs(os.path.join(where, "b", "deep"))
    os.symlink(core, os.path.join(where, "a.core"))
    os.symlink(unpack("musl-static-abort"), os.path.join(where, "b", "musl"))
    with open(core, "rb") as file, gzip.open(os.path.join(where, "b", "deep", "z"), "wb", 1) as out:
        shutil.copyfileobj(file, out)
    with open(core, "rb") as file, open(os.path.join(where, "b", "cut"), "wb") as out:
        out.write(file.read(1 << 20))
    for name, data in {"notes.txt": b"text", "empty": b"", "b/text.gz": gzip.compress(b"text"),
                       "broken.zst": b"\x28\xb5\x2f\xfd and no more"}.items():
        with open(os.path.join(where, name), "wb") as file:
            file.write(data)
    shutil.copy("/bin/true", os.path.join(where, "program"))
    os.mkfifo(os.path.join(where, "pipe"))
    os.symlink("..", os.path.join(where, "b", "loop"))
    return where


IN_TREE = ["a.core", "b/cut", "b/deep/z", "b/musl", "broken.zst"]


def run(*args, **more):
    return subprocess.run([COREHEAP, *args], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **more)


def paths(out, where):
    return [os.path.relpath(json.loads(line)["dump"]["path"], where) for line in out.splitlines()]


def test_tree(tap, where):
    one = run("summary", "--jsonl", "--quick", where)
    tap.equal(paths(one.stdout, where), IN_TREE,
              "a line for each core of a folder and below it, by path, and for nothing else")
    tap.equal(one.returncode, 3, "the highest exit code is that of the run")
    tap.ok(one.stderr.count("\n") == 1 and "broken.zst" in one.stderr,
           "what cannot be read is told", one.stderr)
    docs = [json.loads(line) for line in one.stdout.splitlines()]
    tap.equal([name for name, doc in zip(IN_TREE, docs) if "error" in doc], ["broken.zst"],
              "and has a line that says so")
    for jobs in ("2", "0"):
        many = run("summary", "--jsonl", "--quick", "-j", jobs, where)
        tap.equal((many.stdout, many.stderr, many.returncode),
                  (one.stdout, one.stderr, one.returncode), "-j %s: the same" % jobs)
    alone = run("summary", "--jsonl", "--quick", os.path.join(where, "b", "musl"))
    tap.equal(alone.stdout, one.stdout.splitlines(True)[3], "the line of a core asked for alone")
    text = run("summary", "--quick", where).stdout
    tap.equal(re.findall(r"^==> (.*) <==$", text, re.M),
              [os.path.join(where, name) for name in IN_TREE], "text has a title for each")


def test_words(tap, where):
    for words, want in ((["*.core"], ["a.core"]), (["b/[cm]*"], ["b/cut", "b/musl"]),
                        (["b", "a.core"], IN_TREE[1:4] + ["a.core"]),
                        (["a.core", "notes.txt"], ["a.core", "notes.txt"]),
                        (["no*thing", "b/musl"], ["no*thing", "b/musl"])):
        result = run("types", "--jsonl", *words, cwd=where)
        got = [os.path.normpath(json.loads(line)["dump"]["path"])
               for line in result.stdout.splitlines()]
        tap.equal(got, want, "types %s" % " ".join(words))
    empty = folder()
    result = run("summary", "--jsonl", empty)
    tap.ok(result.returncode == 3 and "there is no core" in result.stderr and not result.stdout,
           "a folder without a core", result)
    for args in (["summary", "--json", where], ["summary", "-j", "2", where],
                 ["heap", "--jsonl", "-j", "2", unpack("musl-static-abort")]):
        tap.equal(coreheap(*args).code, 2, "refused: %s" % " ".join(args[:-1]))


def test_ended(tap, where):
    """A process that the kernel ends (here, as it may write no more than a page) takes no other
    one with it."""
    result = run("summary", "--jsonl", "--quick", "-j", "2", where,
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    docs = [json.loads(line) for line in result.stdout.splitlines()]
    tap.equal((paths(result.stdout, where), result.returncode), (IN_TREE, 5),
              "processes that are ended: a line for each all the same")
    ended = [doc for doc in docs if "error" in doc and "ended by signal" in doc["error"]["message"]]
    tap.ok(len(ended) >= 3 and all(str(int(signal.SIGXFSZ)) in doc["error"]["message"]
                                   for doc in ended), "and by what", docs)


def test_interrupted(tap):
    where = folder()
    for i in range(60):
        os.symlink(unpack("musl-static-abort"), os.path.join(where, "core.%02d" % i))
    with subprocess.Popen([COREHEAP, "summary", "--jsonl", "--quick", "-j", "2", where],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL) as process:
        lines = [process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
        err = process.stderr.read()
        code = process.wait(600)
    tap.equal(code, 130, "interrupted: exit code")
    tap.equal(paths("".join(lines), where), ["core.%02d" % i for i in range(len(lines))],
              "interrupted: whole lines, in their order")
    tap.ok(1 <= len(lines) < 60 and "Traceback" not in err, "interrupted: the others are left out",
           "%d lines\n%s" % (len(lines), err))


def slopes(docs):
    """{name: bytes a dump} of a line through all dumps, by least squares."""
    sums = {}
    for n, doc in enumerate(docs):
        for row in doc["types"]:
            if row["kind"] == "object":
                sums.setdefault(row["name"], [0] * len(docs))[n] += row["total_bytes"]
    mean = (len(docs) - 1) / 2
    below = sum((n - mean) ** 2 for n in range(len(docs)))
    return {name: sum((n - mean) * size for n, size in enumerate(sizes)) / below
            for name, sizes in sums.items()}


def check_answers(tap, what, growth, alike, docs, crashes):
    """Rows of the two questions: (name, bytes a dump), and (cores, builds, signature)."""
    want = slopes(docs)
    tap.ok(len(growth) == 10 and all(abs(want[name] - size) <= 1 for name, size in growth) and
           growth[0][1] > max(want.values()) - 1, "%s: the types that grew most, and how" % what,
           growth)
    known = {}
    for doc in crashes:
        known.setdefault(doc["crash"]["signature"]["id"], []).append(doc["executable"]["build_id"])
    tap.equal(sorted(alike), sorted((len(ids), len(set(ids) - {None}), key) for key, ids in known.items()),
              "%s: which builds crash alike" % what)


def columns(text):
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()[2:]]


def test_page(tap, where):
    missing = [tool for tool in ("sqlite3", "xargs") if not shutil.which(tool)]
    if missing:
        tap.skip("the commands of docs/FLEET.md", "not installed: " + ", ".join(missing))
        return
    base = folder()
    os.rename(where, os.path.join(base, "cores"))
    found = [docpage.shell(base, block, PARTS="2", PART="1") for block in
             docpage.blocks("FLEET.md")]
    tap.equal([(result.returncode, result.stderr) for result in found],
              [(3, "")] + [(0, "")] * 4 + [(0, found[-1].stderr)], "every command of the page works")
    docs, crashes = [[doc for doc in map(json.loads, open(os.path.join(base, name),
                                                          encoding="utf-8")) if "error" not in doc]
                     for name in ("types.jsonl", "dumps.jsonl")]
    growth = [(row[0], int(row[2])) for row in columns(found[2].stdout)]
    alike = [(int(row[0]), int(row[1]), row[2]) for row in columns(found[3].stdout)]
    check_answers(tap, "SQLite", growth, alike, docs, crashes)
    tap.ok(found[4].stdout.startswith("cores/broken.zst|"), "SQLite: what could not be read",
           found[4].stdout)
    with open(os.path.join(base, "part.1.jsonl"), encoding="utf-8") as file:
        tap.ok(0 < len(file.readlines()) < len(os.listdir(os.path.join(base, "cores"))),
               "a part of the cores")
    test_duckdb(tap, base, docs, crashes)


def test_duckdb(tap, base, docs, crashes):
    if not shutil.which("duckdb"):
        tap.skip("DuckDB", "duckdb is not installed")
        return
    load = docpage.blocks("FLEET.md", "sql")[0]
    questions = [re.search(r'"\n(.*)"', block, re.S).group(1) for block in
                 docpage.blocks("FLEET.md")[2:4]]

    def ask(question):
        done = subprocess.run(["duckdb", "-csv", "-noheader", "fleet.duckdb", question], cwd=base,
                              capture_output=True, text=True, check=False)
        tap.ok(done.returncode == 0, "DuckDB: takes it", done.stderr)
        return list(csv.reader(done.stdout.splitlines()))

    ask(load)
    growth = [(row[0], int(row[2])) for row in ask(questions[0])]
    alike = [(int(row[0]), int(row[1]), row[2]) for row in ask(questions[1])]
    check_answers(tap, "DuckDB", growth, alike, docs, crashes)
    tap.equal(ask("SELECT count(*) FROM 'types.parquet'"), ask("SELECT count(*) FROM types"),
              "DuckDB: Parquet")


def main():
    tap = Tap()
    where = make_tree()
    tap.attempt("tree", test_tree, where)
    tap.attempt("words", test_words, where)
    tap.attempt("ended", test_ended, where)
    tap.attempt("interrupted", test_interrupted)
    tap.attempt("page", test_page, where)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
