#!/usr/bin/env python3
"""What share of used bytes has a name, and who gave it, in cores of any programs.

usage: named_share.py [--depth] CORE...

A row for each core: used bytes, the share with a name, the share of each who names. With --depth
what holders name is split by how far from a place it is: within three steps of it, or further.
COREHEAP is the program to ask; build/coreheap if it is not set.
"""
import json
import os
import subprocess
import sys

REPO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def answer(*arguments):
    program = os.environ.get("COREHEAP") or os.path.join(REPO, "build", "coreheap")
    done = subprocess.run([program, *arguments, "--json"], capture_output=True, text=True,
                          check=False)
    if done.returncode not in (0, 4):
        sys.exit("%s: %s" % (arguments[-1], done.stderr.strip()))
    return json.loads(done.stdout)


def depths(core):
    """Bytes that holders name within three steps, and further away."""
    near = far = 0
    for row in answer("types", "--limit", "0", core)["types"]:
        if row["named_by"] == "holder" and row["kind"] == "object":
            if " -> .. -> " in row["name"]:
                far += row["total_bytes"]
            else:
                near += row["total_bytes"]
    return {"holder": near, "holder further": far}


def shares(core, with_depth):
    doc = answer("types", "--by", "basis", core)
    parts = {row["name"]: row["total_bytes"] for row in doc["groups"] if row["named"]}
    if with_depth and "holder" in parts:
        parts.update(depths(core))
    return doc["used_bytes"], doc["named_bytes"], parts


def percent(part, whole):
    return "%.1f" % (100 * part / whole) if whole and part else "-"


def main(arguments):
    cores = [word for word in arguments if not word.startswith("--")]
    if not cores:
        sys.exit(__doc__)
    found = [(os.path.basename(core), *shares(core, "--depth" in arguments)) for core in cores]
    titles = {}
    for _, _, _, parts in found:
        for name, size in parts.items():
            titles[name] = titles.get(name, 0) + size
    titles = sorted(titles, key=lambda name: -titles[name])
    rows = [["core", "used MB", "named %", *titles]]
    for name, used, named, parts in found:
        rows.append([name, "%.1f" % (used / 1e6), percent(named, used),
                     *(percent(parts.get(title, 0), used) for title in titles)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(word.ljust(width) if i == 0 else word.rjust(width)
                        for i, (word, width) in enumerate(zip(row, widths))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
