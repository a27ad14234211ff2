#!/usr/bin/env python3
"""The checked-in cores of .NET Core 3.1 and .NET 8 to 11: types, counts and roots are the
program's own, where no .NET is installed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import story  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Version: collector, layout of its heap, and whether it tells where its fields are.
CORES = {
    "3.1.3": ("workstation", "segments", False),
    "8.0.33": ("workstation", "regions", False),
    "9.0.22": ("workstation", "segments", True),
    # A program of one file: it leaves the descriptor away.
    "9.0.20": ("workstation", "regions", True),
    "10.0.12": ("server", "regions", True),
    "11.0.0": ("workstation", "regions", True),
}
# Before .NET 9 statics of types that can be unloaded have no names here.
NOT_NAMED = ("Story.ByCollectible",)


def check(tap, version):
    collector, layout, tells = CORES[version]
    folder = os.path.join(repo(), "fixtures", "dotnet-cores")
    core = fixture.unpack("dotnet-cores", version)
    truth = story.read_truth(os.path.join(folder, version + ".truth"))
    name = ".NET " + version
    story.check_types(tap, name, core, truth)
    story.check_heap(tap, name, core, collector, layout)
    with open(os.path.join(folder, version + ".native"), encoding="utf-8") as file:
        story.check_roots(tap, name, core, truth, file.read().strip(), () if tells else NOT_NAMED)


def main():
    tap = Tap()
    for version in CORES:
        tap.attempt(version, check, version)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
