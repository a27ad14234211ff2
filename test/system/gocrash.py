#!/usr/bin/env python3
"""fixtures/go/die.go: what a Go program panicked with, or its runtime said, is told; texts that the
program made only with --reveal."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

TEXT = "string (or an error, as its text)"
# by kind: panics, newest first, and what the runtime said; of texts whether they are told without --reveal
DEATHS = {
    "constant": ([("string", "order table is broken", True)], None),
    "made": ([(TEXT, "order 3 is broken", False)], None),
    "error": ([(TEXT, "order error", False)], None),
    "number": ([("int", None, True)], None),
    "again": ([("main.order", None, True), ("string", "the first one", True)], None),
    "nil": ([(TEXT, "runtime error: invalid memory address or nil pointer dereference", True)], None),
    "index": ([(TEXT, "runtime error: index out of range [7] with length 3", True)], None),
    "deadlock": ([], "fatal error: all goroutines are asleep - deadlock!"),
    "unlock": ([], "fatal error: sync: unlock of unlocked mutex"),
}


def build(target):
    """Compile the program; the reason why it cannot be, or None."""
    if not shutil.which("go"):
        return "no go"
    env = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
           "CGO_ENABLED": "1"}
    env.setdefault("GOCACHE", os.path.join(os.path.dirname(target), "cache"))
    subprocess.run(["go", "build", "-ldflags=-s -w", "-o", target,
                    os.path.join(repo(), "fixtures", "go", "die.go")], check=True, env=env)
    return None


def died(core, *options):
    death = fixture.answer("summary", "--quick", "--json", *options, core)["death"]
    return ([(row["type"], row["message"]) for row in death["exceptions"]],
            death["abort_message"] and death["abort_message"]["text"])


def main():
    tap = Tap()
    where = fixture.folder()
    why = build(os.path.join(where, "die")) or fixture.kernel_dumps()
    if why:
        tap.skip("deaths of Go", why)
        return tap.done()
    for kind, (panics, said) in DEATHS.items():
        core = fixture.dump(os.path.join(where, "die"), "kernel", where, end=kind)
        tap.equal(died(core), ([(name, text if shown else None) for name, text, shown in panics], said),
                  kind)
        if any(not shown for _, _, shown in panics):
            tap.equal(died(core, "--reveal"), ([(name, text) for name, text, _ in panics], said),
                      kind + ", revealed")
        os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
