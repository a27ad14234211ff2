#!/usr/bin/env python3
"""Hash tables of the OpenSSL that is installed: as many, and as many nodes, as a program makes;
blocks that look like tables are none."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402


def check(tap, program):
    where = fixture.folder()
    how = "kernel" if fixture.why_not("kernel") is None else "gcore"
    core = fixture.dump(program, how, where)
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        tables, nodes = map(int, file.read().split())
    rows = fixture.answer("types", "--json", "--limit", "0", "--state", "used", core)["types"]
    tap.equal({row["name"]: row["count"] for row in rows if row["named_by"] == "openssl"},
              {"OPENSSL_LHASH": tables, "OPENSSL_LHASH buckets": tables,
               "OPENSSL_LH_NODE": nodes}, "tables, buckets and nodes")


def main():
    try:
        ctypes.CDLL("libcrypto.so.3")
    except OSError:
        skip_all("libcrypto.so.3 is not installed")
    if fixture.why_not("kernel") and fixture.why_not("gcore"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    program = os.path.join(fixture.folder(), "hashes")
    fixture.build("hashes", program, "-ldl")
    tap.attempt("hashes", check, program)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
