#!/usr/bin/env python3
"""The Java heap under further JDKs that are installed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from jvm import jdks  # noqa: E402
from shop import SETTINGS, check  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# These differ in nothing from what the oldest one shows.
NOT_AGAIN = ("G1", "Serial", "G1, plain pointers")


def main():
    found = jdks("jhsdb")
    if len(found) < 2:
        skip_all("no second JDK with jhsdb is installed")
    tap = Tap()
    for release, jdk in sorted(found.items())[1:]:
        for setting in SETTINGS:
            if setting not in NOT_AGAIN:
                tap.attempt("%d %s" % (release, setting), check, release, jdk, setting)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
