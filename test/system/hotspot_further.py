#!/usr/bin/env python3
"""The Java heap under further JDKs that are installed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from jvm import jdks  # noqa: E402
from shop import check, settings  # noqa: E402
from tap import Tap, skip_all  # noqa: E402


def main():
    found = jdks("jhsdb")
    if len(found) < 2:
        skip_all("no second JDK with jhsdb is installed")
    tap = Tap()
    for turn, (release, jdk) in enumerate(sorted(found.items())):
        if turn:
            for setting in settings(turn):
                tap.attempt("%d %s" % (release, setting), check, release, jdk, setting)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
