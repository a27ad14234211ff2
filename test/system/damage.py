#!/usr/bin/env python3
"""No damage to a core crashes or hangs coreheap: the checked-in cores, cut at
64 places and with seeded bytes flipped. Uses build/san when it is there."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402


def main():
    tap = Tap()
    print("# binary: " + damaging.binary())
    cores = [damaging.Core(name, fixture.unpack(name),
                           sorted(truth.read_live(fixture.unpack(name, "live"))))
             for name in fixture.with_file("live.zst")]
    damaging.check_harness(tap, fixture.folder())
    for core in cores:
        damaging.check_control(tap, core)
    damaging.check_cut_is_said(tap, cores[0], fixture.folder())
    damaging.run(tap, cores, trials=72 if fixture.WHOLE else 24, seconds=220)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
