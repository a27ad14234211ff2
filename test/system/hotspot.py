#!/usr/bin/env python3
"""The Java heap under the oldest JDK that is installed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from jvm import jdks  # noqa: E402
from shop import check, settings  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

def main():
    found = jdks("jhsdb")
    if not found:
        skip_all("no JDK with jhsdb is installed")
    tap = Tap()
    for setting in settings(0):
        tap.attempt("%d %s" % (min(found), setting), check, min(found), found[min(found)], setting)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
