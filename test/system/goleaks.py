#!/usr/bin/env python3
"""fixtures/go/leaks.go: what Go services leak is told, with how many there are of it."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402


def build(target):
    """Compile the program; the reason why it cannot be, or None."""
    if not shutil.which("go"):
        return "no go"
    env = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
           # what Debian has compiled already of the library was compiled so
           "CGO_ENABLED": "1"}
    env.setdefault("GOCACHE", os.path.join(os.path.dirname(target), "cache"))
    subprocess.run(["go", "build", "-ldflags=-s -w", "-o", target,
                    os.path.join(repo(), "fixtures", "go", "leaks.go")], check=True, env=env)
    return None


def main():
    tap = Tap()
    where = fixture.folder()
    why = build(os.path.join(where, "leaks")) or fixture.kernel_dumps()
    if why:
        tap.skip("leaks of Go", why)
        return tap.done()
    core = fixture.dump(os.path.join(where, "leaks"), "kernel", where)
    suspects = fixture.summary(core)["suspects"]
    tap.equal({row["message"].split(" ", 1)[1][:20]: row["count"] for row in suspects
               if row["rule"] == "open-resources"},
              {"responses of HTTP re": 120,
               "results of database ": 110,
               "transactions (sql.Tx": 105}, "what was not closed")
    tap.equal({row["message"].split(" ", 1)[1][:30]: row["count"] for row in suspects
               if row["rule"] == "alike-timers"},
              {"timers are set to call main.(*": 1500, "tickers are set, each with a c": 1200},
              "timers that nobody stopped")
    blocked = [row for row in suspects if row["rule"] == "blocked-goroutines"]
    # 40 that send, 40 that select, 40 pairs; where calls that ended left addresses of their channels on a
    # stack that runs they may be woken
    tap.ok([row for row in blocked if 40 <= row["count"] <= 160],
           "goroutines that nothing can wake", str(blocked))
    tap.equal([row["evidence"]["unreachable_channels_count"] == row["count"] for row in blocked],
              [True], "by their channels")
    os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
