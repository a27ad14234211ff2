#!/usr/bin/env python3
"""What coreheap may do once it has a core: fixtures/escape is preloaded, and tries at its end to start
a program, to make sockets and files, and to read what no core needs. And all that is asked for
still works: cores in several folders, through pipes, unpacked; files written by -o."""
import ctypes
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

TRIES = ("exec", "socket", "unix", "make", "write", "read", "proc", "trace")
LANDLOCK_CREATE_RULESET, VERSION = 444, 1
FILES = {"make", "write", "read", "proc"}


def landlock():
    """The version of Landlock; below 1: the kernel has none."""
    return ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK_CREATE_RULESET, None, 0, VERSION)


def allowed(preload, folder, *args, copies=None):
    """What was allowed at the end of a run; copies: where cores are unpacked."""
    secret = os.path.join(folder, "secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write("secret\n")
    done = subprocess.run([fixture.COREHEAP, *args], capture_output=True, text=True, check=False,
                          env=dict(os.environ, LD_PRELOAD=preload, ESCAPE_FOLDER=folder,
                                   ESCAPE_FILE=secret, TMPDIR=copies or "/var/tmp"))
    said = dict(line.split(" ", 2)[1:] for line in done.stderr.splitlines()
                if line.startswith("escape: "))
    if done.returncode or set(said) != set(TRIES):
        raise RuntimeError("%s: %d: %s" % (args, done.returncode, done.stderr))
    return {name for name, what in said.items() if what == "allowed"}


def check_closed(tap, core):
    where, elsewhere = fixture.folder(), fixture.folder()
    preload = os.path.join(where, "escape.so")
    fixture.build("escape", preload, "-shared", "-fPIC")
    beyond = set() if landlock() >= 1 else FILES
    if beyond:
        tap.skip("files are out of reach", "the kernel has no Landlock")
    tap.equal(allowed(preload, elsewhere, "summary", "--no-sandbox", core), set(TRIES),
              "with --no-sandbox all is allowed")
    for args in (["summary", core], ["threads", core], ["info", core], ["summary", core, core],
                 ["diff", core, core], ["report", core, "-o", os.path.join(where, "page.html")]):
        tap.equal(allowed(preload, elsewhere, *args), beyond,
                  "%s: nothing is" % " ".join(os.path.basename(word) for word in args))
    packed = os.path.join(where, "core.zst")
    subprocess.run(["zstd", "-q", "-f", core, "-o", packed], check=True)
    tap.equal(allowed(preload, elsewhere, "summary", packed, copies=elsewhere), beyond,
              "nor in the folder of copies, once a core is unpacked")
    tap.equal(allowed(preload, elsewhere, "summary", "--debuginfod", core) & {"exec", "trace"},
              set(), "with --debuginfod still no program is started")


def answers(tap, name, command, wanted, **more):
    done = subprocess.run(command, capture_output=True, check=False, **more)
    tap.ok(done.returncode == 0 and done.stdout.startswith(wanted), name,
           (done.returncode, done.stdout[:300], done.stderr[-500:]))


def check_open(tap, core):
    """What is asked for works."""
    folder, other = fixture.folder(), fixture.folder()
    program = fixture.COREHEAP
    for name in ("a", "b"):
        os.mkdir(os.path.join(folder, name))
        shutil.copy(core, os.path.join(folder, name, "core"))
    want = subprocess.run([program, "info", core], capture_output=True, check=True).stdout[:10]
    line = b'{"schema"'
    answers(tap, "a folder", [program, "summary", "--jsonl", folder], line)
    answers(tap, "a pattern", [program, "summary", "--jsonl", folder + "/*/core"], line)
    answers(tap, "two at a time", [program, "summary", "--jsonl", "-j", "2", folder + "/a",
                                   folder + "/b/core"], line)
    answers(tap, "a relative path", [program, "info", "core"], want, cwd=folder + "/a")
    os.symlink(folder + "/a/core", other + "/link")
    answers(tap, "a link", [program, "info", other + "/link"], want)
    with open(core, "rb") as file:
        answers(tap, "standard input", [program, "info", "-"], want, stdin=file)
    answers(tap, "/dev/stdin", ["sh", "-c", '"$0" info /dev/stdin < "$1"', program, core], want)
    answers(tap, "a pipe", ["sh", "-c", 'cat "$1" | "$0" info -', program, core], want)
    out = os.path.join(other, "out")
    answers(tap, "-o", [program, "export", "--folded", "-o", out, core], b"")
    tap.ok(os.path.getsize(out) > 0, "it was written")
    answers(tap, "-o in this folder", [program, "export", "--folded", "-o", "out", core], b"",
            cwd=folder)
    answers(tap, "-o /dev/null", [program, "export", "--folded", "-o", "/dev/null", core], b"")
    packed = os.path.join(other, "core.gz")
    with open(packed, "wb") as file:
        subprocess.run(["gzip", "-c", core], stdout=file, check=True)
    answers(tap, "a packed core", [program, "info", packed], want)
    answers(tap, "packed ones, compared", [program, "diff", "--plain", packed, packed], b"")


def main():
    if os.path.basename(os.environ.get("BUILD", "")) == "san":
        skip_all("sanitisers do without a sandbox")
    tap = Tap()
    core = fixture.unpack("bookworm-small-abort")
    tap.attempt("closed", check_closed, core)
    tap.attempt("open", check_open, core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
