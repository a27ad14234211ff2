#!/usr/bin/env python3
"""A backend of the PostgreSQL that is installed: its memory contexts, as
pg_backend_memory_contexts shows them, but for those that the question itself changes."""
import collections
import glob
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# What the query works with, and keeps.
TOUCHED = {"TopMemoryContext", "CacheMemoryContext", "MessageContext", "TopTransactionContext",
           "TopPortalContext", "PortalContext", "ExecutorState", "ExprContext", "printtup",
           "TupleSort main", "TupleSort sort", "Caller tuples", "Table function arguments",
           "PgStat Pending", "relation rules", "index info"}
SETUP = """create table a as select g id, md5(g::text) v, g % 100 k from generate_series(1, 20000) g;
analyze a;
"""
WORK = "".join("prepare p%d as select k, count(*) from a where k > $1 group by k;\n"
               "execute p%d(%d);\n" % (i, i, i) for i in range(40)) + """
begin;
declare c cursor for select x.v, y.v from a x join a y using (id) order by y.v;
fetch 10 from c;
\\o report
select name, coalesce(parent, ''), total_bytes, free_bytes from pg_backend_memory_contexts;
\\o pid
select pg_backend_pid();
\\o
\\! touch ready
\\! sleep 600
"""


def find():
    """The folder of PostgreSQL's programs, of a release that has the view."""
    found = [os.path.dirname(path) for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    found = [path for path in found if int(path.split("/")[-2]) >= 14 and
             os.path.exists(os.path.join(path, "psql"))]
    return max(found, key=lambda path: int(path.split("/")[-2])) if found else None


def user():
    """PostgreSQL does not run as root: words that make a command another user's."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] \
        if os.getuid() == 0 else []


def dump(programs, where):
    """Where the backend's core is."""
    def run(*command, **more):
        return subprocess.run([*user(), os.path.join(programs, command[0]), *command[1:]],
                              cwd=where, check=True, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **more)

    psql = [*user(), os.path.join(programs, "psql"), "-h", where, "-U", "test", "-d", "postgres",
            "-qAt", "-F", "|"]
    run("initdb", "-D", "data", "-A", "trust", "-U", "test", "--no-sync")
    run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o",
        "-k %s -h '' -c jit=off -c fsync=off" % where, "start")
    session = None
    try:
        subprocess.run(psql, cwd=where, input=SETUP, text=True, check=True)
        session = subprocess.Popen(psql, cwd=where, stdin=subprocess.PIPE, text=True)
        session.stdin.write(WORK)
        session.stdin.flush()
        fixture.wait_for(os.path.join(where, "ready"), session)
        with open(os.path.join(where, "pid"), encoding="ascii") as file:
            pid = file.read().strip()
        subprocess.run(["gcore", "-o", os.path.join(where, "core"), pid], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
        return os.path.join(where, "core." + pid)
    finally:
        if session:
            session.kill()
            session.wait()
        run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")


def check(tap, programs):
    where = fixture.folder()
    if os.getuid() == 0:
        shutil.chown(where, "postgres")
        # the folders above are for root alone
        os.chmod(where, 0o755)
    core = dump(programs, where)
    heaps = fixture.answer("heap", "--json", core)
    with open(os.path.join(where, "report"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("|") for line in file]
    wanted = collections.Counter((name, parent, int(total), int(free))
                                 for name, parent, total, free in rows if name not in TOUCHED)
    mine = [heap for heap in heaps["heaps"] if heap["runtime"] == "postgres"]
    found = collections.Counter(
        (heap["name"], heap["detail"].get("parent", ""), heap["detail"]["malloc_blocks_bytes"],
         heap["free_bytes"]) for heap in mine if heap["name"] not in TOUCHED)
    tap.equal(found, wanted, "contexts and their bytes")
    tap.ok(len(wanted) > 20, "there are some", wanted)
    tap.equal({heap["name"] for heap in mine} - {row[0] for row in rows}, set(),
              "no other contexts")
    tap.equal([heap["name"] for heap in heaps["heaps"] if heap["used_bytes"] + heap["free_bytes"] +
               heap["overhead_bytes"] != heap["committed_bytes"]], [], "sums close")
    used = fixture.answer("types", "--json", "--limit", "0", "--state", "used", core)["types"]
    total = sum(row["total_bytes"] for row in used)
    named = sum(row["total_bytes"] for row in used if row["runtime"] == "postgres")
    tap.ok(named > 0.8 * total, "names of used bytes", "%d of %d" % (named, total))


def main():
    programs = find()
    if not programs:
        skip_all("PostgreSQL 14 or later is not installed")
    if fixture.gcore_works():
        skip_all(fixture.gcore_works())
    tap = Tap()
    started = time.monotonic()
    tap.attempt("postgres", check, programs)
    print("# %.1f s" % (time.monotonic() - started))
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
