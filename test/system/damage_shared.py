#!/usr/bin/env python3
"""The same damage as damage.py, to the larger cores of $SHARED_CORES or
../shared/cores, where somebody has put some."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap, skip_all  # noqa: E402


def unpacked(packed, folder):
    name = os.path.basename(packed)[:-len(".core.zst")]
    path = os.path.join(folder, name + ".core")
    subprocess.run(fixture.ZSTD + ["--sparse", "-o", path, packed], check=True)
    live = packed[:-len(".core.zst")] + ".live.zst"
    addresses = []
    if os.path.exists(live):
        text = os.path.join(folder, name + ".live")
        subprocess.run(fixture.ZSTD + ["-o", text, live], check=True)
        addresses = sorted(truth.read_live(text))
    return damaging.Core(name, path, addresses)


def main():
    tap = Tap()
    packed = fixture.shared_cores()
    if not packed:
        skip_all("there are no shared cores ($SHARED_CORES, ../shared/cores)")
    print("# binary: " + damaging.binary())
    folder = fixture.folder()
    cores = [unpacked(path, folder) for path in packed]
    for core in cores:
        damaging.check_control(tap, core)
    damaging.run(tap, cores, trials=72, seconds=200)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
