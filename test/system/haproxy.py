#!/usr/bin/env python3
"""Objects of haproxy's pools are named by their pool: as a program with the same pools counts them,
in the layouts of several releases, and as haproxy itself does where it is installed."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

RELEASES = {"2.6": ["-DRELEASE=26"], "2.8": ["-DRELEASE=28"], "3.0": ["-DRELEASE=30", "-s"],
            "3.2": ["-DRELEASE=32"]}
# What is overwritten: a list of freed objects, of pools; what a pool says of itself.
HARMS = ("loop", "down", "ring", "lists", "name", "size")
CONFIG = """global
 maxconn 200
 nbthread 2
 stats socket {socket} level admin
defaults
 mode http
 timeout connect 5s
 timeout client 5s
 timeout server 5s
frontend f
 bind 127.0.0.1:{port}
 stick-table type string len 64 size 10k expire 30m store http_req_cnt
 http-request track-sc0 url
 http-request return status 200
"""


def named(core):
    """{pool: [in use, freed]}"""
    found = {}
    for row in fixture.answer("types", "--json", "--limit", "0", "--state", "used",
                              core)["types"]:
        match = re.match(r"pool (.*?)(, freed)?$", row["name"])
        if match and not fixture.is_held(row["name"]):
            found.setdefault(match.group(1), [0, 0])[bool(match.group(2))] = row["count"]
    return found


def dump(flags, where, *arguments):
    program = os.path.join(fixture.folder(), "haproxy")
    fixture.build("haproxy", program, *flags)
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    return fixture.dump(program, how, where, arguments)


def read_truth(where):
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        return {name: [int(used), int(freed)] for name, used, freed in map(str.split, file)}


def check_release(tap, release):
    where = fixture.folder()
    core = dump(RELEASES[release], where)
    tap.equal(named(core), read_truth(where), "%s: objects of each pool" % release)
    rows = fixture.answer("types", "--json", "--by", "basis", core)["groups"]
    tap.equal([row["basis"] for row in rows if row["name"] == "haproxy"], ["recorded"],
              "%s: who says so" % release)


def check_unmarked(tap):
    where = fixture.folder()
    core = dump(["-DMARKS=0"], where)
    tap.equal(named(core), {name: [0, freed] for name, (_, freed) in read_truth(where).items()},
              "without marks: only freed objects")


def check_harm(tap, harm):
    where = fixture.folder()
    found, wanted = named(dump([], where, harm)), read_truth(where)
    tap.ok(all(name in wanted and found[name][0] <= wanted[name][0] and
               found[name][1] <= wanted[name][1] for name in found),
           "%s overwritten: no object more than there are" % harm, (found, wanted))


# ---- The daemon itself ------------------------------------------------------------

def ask(path, command):
    with socket.socket(socket.AF_UNIX) as stats:
        stats.connect(path)
        stats.sendall(command + b"\n")
        return b"".join(iter(lambda: stats.recv(65536), b"")).decode("ascii")


def pools_of(report):
    return {name: int(count) for name, count in
            re.findall(r"Pool (\S+) \(\d+ bytes\) : (\d+) allocated", report) if int(count)}


def check_daemon(tap):
    where = fixture.folder()
    path = os.path.join(where, "stats")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(os.path.join(where, "config"), "w", encoding="ascii") as file:
        file.write(CONFIG.format(socket=path, port=port))
    with subprocess.Popen(["haproxy", "-db", "-f", file.name], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as daemon:
        try:
            fixture.wait_for(path, daemon)
            for i in range(300):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(b"GET /%d HTTP/1.0\r\n\r\n" % i)
                    while client.recv(4096):
                        pass
            # What a report takes itself is there after the first ones; the last connection has
            # to go.
            for _ in range(5):
                report = ask(path, b"show pools")
                time.sleep(0.2)
            subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(daemon.pid)],
                           capture_output=True, check=True, stdin=subprocess.DEVNULL)
        finally:
            daemon.kill()
    core = os.path.join(where, "core.%d" % daemon.pid)
    says, found = pools_of(report), named(core)
    # Pools of one size are one, named after the first.
    tap.ok(max(says.values()) >= 300, "haproxy: it has entries of the table", says)
    tap.equal({name: sum(counts) for name, counts in found.items()}, says,
              "haproxy: objects of each pool as `show pools` has them")
    os.remove(core)


def main():
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    for release in RELEASES:
        tap.attempt(release, check_release, release)
    tap.attempt("unmarked", check_unmarked)
    for harm in HARMS:
        tap.attempt(harm, check_harm, harm)
    if not shutil.which("haproxy") or fixture.why_not("gcore"):
        tap.skip("haproxy", "haproxy or gcore is not installed")
    else:
        tap.attempt("haproxy", check_daemon)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
