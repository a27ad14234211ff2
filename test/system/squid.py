#!/usr/bin/env python3
"""Objects of squid's pools are named by their pool where that can be told: as a program with the same
pools counts them, and as squid itself does where it is installed."""
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

# What is overwritten: the list of pools, a stack of freed objects, what a pool says of itself.
HARMS = ("circle", "count", "stack", "node", "size", "idle")
CONFIG = """http_port 127.0.0.1:{port}
http_access allow all
cache_mem 16 MB
pid_filename none
cache_log {where}/log
access_log none
coredump_dir {where}
refresh_pattern . 60 50% 1440 override-expire ignore-reload
visible_hostname h
pinger_enable off
"""


def named(core):
    """{pool: [in use, freed]}"""
    found = {}
    for row in fixture.answer("types", "--json", "--limit", "0", "--state", "used",
                              core)["types"]:
        match = re.match(r"pool (.*?)(, freed)?$", row["name"])
        if match:
            found.setdefault(match.group(1), [0, 0])[bool(match.group(2))] = row["count"]
    return found


def build(*flags):
    program = os.path.join(fixture.folder(), "squid")
    subprocess.run([os.environ.get("CXX") or "g++", "-std=c++17", "-O1", *flags, "-o", program,
                    os.path.join(repo(), "fixtures", "squid", "squid.cc")], check=True)
    return program


def dump(program, where, *arguments):
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    return fixture.dump(program, how, where, arguments)


def read_truth(where):
    """{pool: [in use, freed]} of what can be told"""
    found = {}
    with open(os.path.join(where, "truth"), encoding="ascii") as file:
        for line in file:
            used, freed, told, label = line.rstrip("\n").split(" ", 3)
            found[re.sub(r" \(\d+\)$", "", label)] = [int(used) * int(told), int(freed)]
    return found


def check_counts(tap, what, program):
    where = fixture.folder()
    tap.equal(named(dump(program, where)), read_truth(where), "%s: objects of each pool" % what)


def check_harm(tap, harm, program):
    where = fixture.folder()
    core = dump(program, where, harm)
    found, wanted = named(core), read_truth(where)
    tap.ok(all(name in wanted and sum(found[name]) <= sum(wanted[name]) and
               found[name][1] <= wanted[name][1] for name in found),
           "%s overwritten: no object more than there are" % harm, (found, wanted))
    if harm in ("stack", "node"):
        codes = {row["code"] for row in fixture.answer("types", "--json", core)["warnings"]}
        tap.ok("squid-freed" in codes, "%s overwritten: it is told" % harm, codes)


# ---- The daemon itself ------------------------------------------------------------

class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * (1000 * int(self.path.rsplit("/", 1)[1]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def load(port, pages):
    proxy = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": "http://127.0.0.1:%d" % port}))
    for i in range(1, 60):
        proxy.open("http://127.0.0.1:%d/%d" % (pages, i)).read()
    for _ in range(3):
        # What a report takes itself is there after the first one.
        text = urllib.request.urlopen(urllib.request.Request(
            "http://127.0.0.1:%d/squid-internal-mgr/mem" % port, headers={"Host": "h"})).read()
    rows = [line.split("\t") for line in text.decode("ascii").splitlines()]
    return {row[0].strip(): int(row[9]) for row in rows
            if len(row) > 12 and row[1].strip().isdigit() and row[9].strip().isdigit()}


def wait_for_port(port, daemon):
    while daemon.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            pass


def check_daemon(tap):
    where = fixture.folder()
    os.chmod(where, 0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(os.path.join(where, "config"), "w", encoding="ascii") as file:
        file.write(CONFIG.format(where=where, port=port))
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    with subprocess.Popen(["squid", "-N", "-f", file.name], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as daemon:
        try:
            wait_for_port(port, daemon)
            says = load(port, pages.server_address[1])
            subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(daemon.pid)],
                           capture_output=True, check=True, stdin=subprocess.DEVNULL)
        finally:
            daemon.kill()
            pages.shutdown()
    core = os.path.join(where, "core.%d" % daemon.pid)
    found = {name: sum(counts) for name, counts in named(core).items()}
    wanted = {re.sub(r" \(\d+\)$", "", name): count for name, count in says.items()
              if name == "mem_node" or name.startswith("cbdata ")}
    tap.ok(wanted.get("mem_node", 0) >= 400, "squid: it has cached pages", says)
    tap.equal({name: found.get(name, 0) for name in wanted}, wanted,
              "squid: objects of each pool as its report has them")
    os.remove(core)


def main():
    if not shutil.which(os.environ.get("CXX") or "g++"):
        skip_all("no compiler for C++")
    if fixture.why_not("gcore") and fixture.why_not("kernel"):
        skip_all(fixture.why_not("gcore"))
    tap = Tap()
    program = build()
    tap.attempt("program", check_counts, "5", program)
    tap.attempt("6, stripped", check_counts, "6, stripped", build("-DRELEASE=6", "-s"))
    for harm in HARMS:
        tap.attempt(harm, check_harm, harm, program)
    if not shutil.which("squid") or fixture.why_not("gcore"):
        tap.skip("squid", "squid or gcore is not installed")
    else:
        tap.attempt("squid", check_daemon)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
