#!/usr/bin/env python3
"""The nginx that is installed, with connections that are open, requests that wait, and keys in a
shared zone, of each as many as the test has made."""
import collections
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

IDLE, WAITING = 30, 7
CONFIG = """daemon off; master_process off; pid pid; error_log error.log;
events { worker_connections 256; }
http {
 access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
 uwsgi_temp_path t4; scgi_temp_path t5; keepalive_timeout 600s; keepalive_requests 1000;
 limit_req_zone $arg_q zone=asked:1m rate=1000r/s;
 server { listen unix:front; limit_req zone=asked burst=100 nodelay;
  location / { return 204; }
  location /wait { proxy_pass http://unix:back:/; proxy_read_timeout 600s; } } }
"""


def connect(where, *requests):
    """A connection over which the requests were sent; all but the last were answered."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.path.join(where, "front"))
    for request in requests:
        client.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % request.encode())
        if not request.startswith("/wait"):
            client.recv(4096)
    return client


def work(where):
    """Sockets that must stay open while nginx is dumped."""
    back = socket.socket(socket.AF_UNIX)
    back.bind(os.path.join(where, "back"))
    back.listen(64)
    kept = [back] + [connect(where, "/?q=%d" % i) for i in range(IDLE)]
    for i in range(WAITING):
        kept.append(connect(where, "/wait?q=w%d" % i))
        # it waits for an answer that never comes
        upstream, _ = back.accept()
        upstream.recv(4096)
        kept.append(upstream)
    return kept


def dump(where):
    with open(os.path.join(where, "nginx.conf"), "w", encoding="ascii") as file:
        file.write(CONFIG)
    process = subprocess.Popen(["nginx", "-p", where, "-c", "nginx.conf", "-e", "error.log"],
                               cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        fixture.wait_for(os.path.join(where, "pid"), process)
        kept = work(where)
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        for one in kept:
            one.close()
        return os.path.join(where, "core.%d" % process.pid)
    finally:
        process.kill()
        process.wait()


def check(tap):
    where = fixture.folder()
    core = dump(where)
    heaps = fixture.answer("heap", "--json", core)
    mine = [heap for heap in heaps["heaps"] if heap["runtime"] == "nginx"]
    pools = collections.Counter(heap["name"] for heap in mine)
    tap.equal((pools["cycle pool"], pools["connection pool"], pools["request pool"]),
              (1, IDLE + 2 * WAITING, WAITING), "pools")
    table = [heap for heap in mine if heap["kind"] == "table"][0]
    # the socket that listens, one for each client, and those to what answers
    tap.equal(table["used_count"], 3 * (1 + IDLE + 2 * WAITING), "connections with their events")
    zone = [heap for heap in mine if heap["kind"] == "shared zone"][0]
    # a key of each that waits ("return" answers before limits), the tree of them, a text for logs
    tap.equal(zone["used_count"], WAITING + 2, "keys of the zone")
    tap.equal([heap["name"] for heap in heaps["heaps"] if heap["used_bytes"] + heap["free_bytes"] +
               heap["overhead_bytes"] != heap["committed_bytes"]], [], "sums close")
    tap.equal(fixture.answer("leaks", "--json", core)["classes"]["directly_lost"]["count"], 0,
              "nothing is lost")


def main():
    if not shutil.which("nginx"):
        skip_all("nginx is not installed")
    if fixture.gcore_works():
        skip_all(fixture.gcore_works())
    tap = Tap()
    tap.attempt("nginx", check)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
