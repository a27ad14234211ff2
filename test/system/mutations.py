#!/usr/bin/env python3
"""Whole commands on native, .NET and JVM cores with a few words changed, for MUTATE_SECONDS (20):
see test/fuzz/mutate.py for what must hold, and for how to make a failure again."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz"))
import mutate  # noqa: E402
from tap import Tap  # noqa: E402


def main():
    tap = Tap()
    seconds = float(os.environ.get("MUTATE_SECONDS", "20"))
    rounds, problems, slowest = mutate.fuzz(list(mutate.CORES), seconds,
                                            os.environ.get("MUTATE_SEED", "1"))
    tap.ok(rounds and not problems, "%d rounds: no crash, no contradiction, no hang" % rounds,
           "\n".join(problems))
    for row in slowest:
        print("# slowest: %.1f times the intact core's time, %.2f s: %s, %s" % row)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
