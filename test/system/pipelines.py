#!/usr/bin/env python3
"""The commands of docs/PIPELINES.md as they stand there, and the crash hook of docs/HOOKS.md with a
crash."""
import glob
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import docpage  # noqa: E402
from fixture import COREHEAP, answer, build, dump, folder, unpack, why_not  # noqa: E402
from tap import Tap, repo  # noqa: E402

HOOK = os.path.join(repo(), "docs", "hooks", "coreheap-ticket")
PATTERN = "/proc/sys/kernel/core_pattern"


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def shown():
    """The output that the page shows."""
    return re.search(r"^prints.*?\n```\n(.*?)```", docpage.read("PIPELINES.md"),
                     re.M | re.S).group(1)


def test_documented(tap):
    missing = [tool for tool in ("jq", "sqlite3", "zstd") if not shutil.which(tool)]
    if missing:
        tap.skip("the commands of docs/PIPELINES.md", "not installed: " + ", ".join(missing))
        return
    where = folder()
    names = {"first": "bookworm-small-abort", "last": "sid-cpp-abort", "third": "musl-static-abort"}  # those of the page
    for name, fixture in names.items():
        subprocess.run(["zstd", "-q", "-1", "-o", os.path.join(where, name + ".core.zst"),
                        unpack(fixture)], check=True)
    with open(os.path.join(where, "broken.core.zst"), "wb") as file:
        file.write(b"\x28\xb5\x2f\xfd and no more")
    found = [docpage.shell(where, block) for block in docpage.blocks("PIPELINES.md")]
    tap.equal([(result.returncode, result.stderr) for result in found if result.returncode], [],
              "every command of the page succeeds")
    classes, suspects, alike, largest, growth, _, types, errors = [result.stdout for result in found]
    rows = [line.split("\t") for line in classes.splitlines()]
    tap.equal(sorted(row[0] for row in rows), sorted(
        ["broken.core.zst"] + [name + ".core.zst" for name in names]), "jq: a row for each core")
    tap.equal([row[2] for row in rows if row[0].startswith("broken")], ["0"],
              "jq: the broken one, too")
    sizes = [int(line.split("\t")[0]) for line in suspects.splitlines()]
    tap.ok(sizes and sizes == sorted(sizes, reverse=True) and "coreheap " in suspects,
           "jq: suspects of all cores, largest first", suspects)
    known = [answer("summary", "--quick", "--json", unpack(name))["crash"]
             for name in names.values()]
    tap.equal(sorted(line.split("\t")[1:] for line in alike.splitlines()),
              sorted({crash["signature"]["id"]: [crash["signature"]["id"], crash["title"]]
                      for crash in known}.values()), "jq: crashes, each once")
    largest = [int(line.split("\t")[0]) for line in largest.splitlines()]
    tap.equal((len(largest), largest), (5, sorted(largest, reverse=True)),
              "jq: the largest blocks of all cores")
    tap.ok(growth.strip() in ("growth", "no growth"), "diff in a script", growth)
    tap.equal(types.split(), shown().split(), "SQLite: the query gives what the page shows")
    tap.ok(errors.startswith("broken.core.zst|"), "SQLite: what could not be read", errors)


def configure(where, program=COREHEAP, **settings):
    config = os.path.join(where, "ticket.conf")
    settings = {"COREHEAP": os.path.abspath(program), "FOLDER": os.path.join(where, "out"),
                "KEEP": 2, "MAX_BYTES": 200000000, **settings}
    with open(config, "w", encoding="ascii") as file:
        file.write("".join("%s=%s\n" % item for item in settings.items()))
    return config


def check_ticket(tap, name, where, pid, recorded=None):
    """What the hook left for a process; recorded: its id in the core, where that is another."""
    found = {path.rsplit(".", 1)[1]: path
             for path in glob.glob(os.path.join(where, "out", "core.*.%s.*" % pid))}
    tap.equal(sorted(found), ["json", "md", "zst"], "%s: a core, a ticket, JSON" % name)
    ticket = read(found["md"])
    tap.ok(ticket.startswith("# `") and "## Where the bytes are" in ticket, "%s: a ticket" % name,
           ticket[:300])
    doc = json.loads(read(found["json"]))
    tap.equal((doc["schema"], str(doc["dump"]["pid"])), ("coreheap/summary", str(recorded or pid)),
              "%s: JSON of that process" % name)
    tap.equal([oct(stat.S_IMODE(os.stat(path).st_mode)) for path in found.values()],
              ["0o600"] * 3, "%s: for its owner alone" % name)


def run_hook(config, core, *arguments):
    with open(core, "rb") as file:
        return subprocess.run(["sh", HOOK, *arguments], stdin=file, check=False,
                              capture_output=True, text=True, env={"CONFIG": config})


def test_hook(tap):
    if not shutil.which("zstd"):
        tap.skip("hook", "zstd is not installed")
        return
    where = folder()
    config = configure(where)
    core = unpack("bookworm-small-abort")
    result = run_hook(config, core, "20751", "../../small;x", "1700000000")
    tap.equal((result.returncode, result.stderr), (0, ""), "hook: succeeds")
    check_ticket(tap, "hook", where, "20751")
    tap.equal([name for name in os.listdir(where) if name not in ("out", "ticket.conf")], [],
              "hook: a name from the process leads nowhere else")
    for number in ("1", "2"):
        time.sleep(1.1)
        run_hook(config, core, number, "small", "1700000000")
    kept = glob.glob(os.path.join(where, "out", "*.core.zst"))
    tap.equal((len(kept), len(glob.glob(os.path.join(where, "out", "*.md")))), (2, 3),
              "hook: keeps as many cores as it was told, and all tickets")
    broken = os.path.join(where, "broken")
    with open(broken, "wb") as file:
        file.write(b"not a core")
    tap.equal(run_hook(config, broken, "9", "x", "1").returncode, 0, "hook: survives what is none")
    tap.ok("error" in json.loads(read(where, "out", "core.x.9.1.json")) and
           "no answer" in read(where, "out", "core.x.9.1.md") and
           "not a core: " in read(where, "out", "core.x.9.1.md"),
           "hook: and says so", read(where, "out", "core.x.9.1.md"))


def test_bounds(tap):
    """What is too large is cut, what is too slow is asked less."""
    if not shutil.which("zstd"):
        tap.skip("bounds", "zstd is not installed")
        return
    where = folder()
    core = unpack("bookworm-small-abort")
    run_hook(configure(where, MAX_BYTES=1 << 20), core, "1", "cut", "1")
    doc = json.loads(read(where, "out", "core.cut.1.1.json"))
    tap.ok(not doc["complete"] and any(row["code"] == "truncated" for row in doc["warnings"]) and
           "truncated" in read(where, "out", "core.cut.1.1.md"),
           "a core above the bound is cut, and the ticket says so", doc["warnings"])
    unpacked = subprocess.run(["zstd", "-dc", os.path.join(where, "out", "core.cut.1.1.core.zst")],
                              capture_output=True, check=False).stdout
    tap.equal(len(unpacked), 1 << 20, "to as many bytes as were allowed")
    slow = os.path.join(where, "slow")
    with open(slow, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\ncase \" $* \" in *--quick*) ;; *) sleep 3600 ;; esac\n"
                   "exec %s \"$@\"\n" % os.path.abspath(COREHEAP))
    os.chmod(slow, 0o755)
    # Long enough for the quick one on a busy machine.
    config = configure(where, slow, SECONDS_MAX=3)
    both = [subprocess.Popen(["sh", HOOK, pid, "slow", "1"], stdin=open(core, "rb"),
                             env={"CONFIG": config}) for pid in ("2", "3")]
    tap.equal([process.wait(900) for process in both], [0, 0],
              "two at once, each slow, end long before their hour")
    for pid in ("2", "3"):
        check_ticket(tap, "slow", where, pid, "20751")
        tap.ok(json.loads(read(where, "out", "core.slow.%s.1.json" % pid))["quick"],
               "slow: what can be had in no time")


def test_user(tap):
    """What reads the core is a user without rights, and has no more memory than it was given."""
    where = folder()
    program = os.path.join(where, "asked")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n{ id -u; id -G; grep -E '^(NoNewPrivs|CapEff)' /proc/self/status; } >&2\n"
                   "case \" $* \" in *' --memory 1G '*) ;; *) exit 9 ;; esac\n"
                   "exec %s \"$@\"\n" % os.path.abspath(COREHEAP))
    os.chmod(program, 0o755)
    os.chmod(where, 0o755)
    become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("zstd", "setpriv")) or \
            subprocess.run([*become, program, "--memory", "1G", "--version"], check=False,
                           capture_output=True).returncode:
        tap.skip("a user of its own", "this is not root, or others may not run what is here")
        return
    config = configure(where, program, RUN_AS="nobody", MEMORY_MAX="1G")
    run_hook(config, unpack("bookworm-small-abort"), "20751", "small", "1")
    said = read(where, "out", "core.small.20751.1.err").split()
    os.remove(os.path.join(where, "out", "core.small.20751.1.err"))
    check_ticket(tap, "user", where, "20751")
    nobody = pwd.getpwnam("nobody")
    tap.equal(said, [str(nobody.pw_uid), str(nobody.pw_gid), "CapEff:", "0" * 16, "NoNewPrivs:",
                     "1"], "user: without groups, capabilities and a way to get them")


def test_turns(tap):
    """A core that takes long does not keep the next one waiting."""
    if not shutil.which("zstd"):
        tap.skip("turns", "zstd is not installed")
        return
    where = folder()
    waits = os.path.join(where, "waits")
    with open(waits, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n[ -e %s/go ] || { touch %s/came; while [ ! -e %s/go ]; do sleep 0.1; "
                   "done; }\nexec %s \"$@\"\n" % (where, where, where, os.path.abspath(COREHEAP)))
    os.chmod(waits, 0o755)
    core = unpack("bookworm-small-abort")
    with open(core, "rb") as file:
        slow = subprocess.Popen(["sh", HOOK, "1", "slow", "1"], stdin=file,
                                env={"CONFIG": configure(where, waits, KEEP=9)})
        while not os.path.exists(os.path.join(where, "came")):
            time.sleep(0.1)
        run_hook(configure(where, KEEP=9), core, "2", "next", "1")
    tap.equal(slow.poll(), None, "turns: the first one is still busy")
    check_ticket(tap, "turns", where, "2", "20751")
    open(os.path.join(where, "go"), "w", encoding="ascii").close()
    tap.equal(slow.wait(300), 0, "turns: and ends")
    check_ticket(tap, "turns: the first", where, "1", "20751")


def test_stored(tap):
    """A folder as systemd-coredump has it."""
    if not shutil.which("zstd"):
        tap.skip("stored", "zstd is not installed")
        return
    where, stored = folder(), folder()
    name = "core.small.0.0123456789abcdef0123456789abcdef.20751.1700000000000000.zst"
    subprocess.run(["zstd", "-q", "-1", "-o", os.path.join(stored, name),
                    unpack("bookworm-small-abort")], check=True)
    with open(os.path.join(stored, ".#core.half.zst"), "wb") as file:
        file.write(b"being written")
    os.symlink("/etc/passwd", os.path.join(stored, "core.link"))
    config = configure(where)

    def run():
        return subprocess.run(["sh", HOOK, "--stored", stored], env={"CONFIG": config}, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)

    result = run()
    made = sorted(name for name in os.listdir(os.path.join(where, "out")) if name[0] != ".")
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    tap.equal((result.returncode, result.stderr, made), (0, "", [stem + ".json", stem + ".md"]),
              "stored: a ticket for the core alone, and no copy of it")
    tap.equal(json.loads(read(where, "out", stem + ".json"))["dump"]["pid"], 20751,
              "stored: of that process")
    before = os.stat(os.path.join(where, "out", stem + ".md")).st_mtime_ns
    run()
    tap.equal(os.stat(os.path.join(where, "out", stem + ".md")).st_mtime_ns, before,
              "stored: once")


def test_units(tap):
    """systemd takes the units."""
    if not shutil.which("systemd-analyze"):
        tap.skip("units", "systemd-analyze is not installed")
        return
    where = folder()
    for kind in ("path", "service"):
        text = read(HOOK + "." + kind).replace("/usr/local/libexec/coreheap-ticket", HOOK)
        with open(os.path.join(where, "coreheap-ticket." + kind), "w", encoding="utf-8") as file:
            file.write(text)
    result = subprocess.run(["systemd-analyze", "verify", "--man=no",
                             os.path.join(where, "coreheap-ticket.path"),
                             os.path.join(where, "coreheap-ticket.service")],
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    about = [line for line in (result.stdout + result.stderr).splitlines()
             if "coreheap-ticket" in line]
    tap.equal(about, [], "systemd-analyze has nothing to say of the units")


def check_crash(tap, where, pid, recorded=None):
    check_ticket(tap, "crash", where, pid, recorded)
    texts = [read(path) for path in glob.glob(os.path.join(where, "out", "*.[mj]*"))]
    tap.ok(not any("hunter2" in text for text in texts), "crash: its arguments are in no ticket")


def test_handed_over(tap):
    """The core of a crash comes through a pipe, as from the kernel."""
    how = "gcore" if why_not("kernel") else "kernel"
    if why_not(how) or not shutil.which("zstd"):
        tap.skip("a crash", "zstd is not installed" if not shutil.which("zstd") else why_not(how))
        return
    where, program = folder(), os.path.join(folder(), "secrets")
    build("secrets", program)
    core = dump(program, how, folder(), arguments=("hunter2-Quokka",))
    with subprocess.Popen(["cat", core], stdout=subprocess.PIPE) as source:
        code = subprocess.run(["sh", HOOK, "77", "secrets", "1"], stdin=source.stdout, check=False,
                              env={"CONFIG": configure(where)}).returncode
    tap.equal(code, 0, "crash: the hook takes a core from a pipe")
    check_crash(tap, where, "77", answer("info", "--json", core)["dump"]["pid"])


def test_crash(tap):
    """The kernel itself runs the hook. For this it is told so, for a moment and for all of the
    machine: only where somebody asked for it."""
    if not os.environ.get("SET_CORE_PATTERN"):
        tap.skip("a real crash", "it sets kernel.core_pattern; SET_CORE_PATTERN=1 allows it")
        return
    if not os.access(PATTERN, os.W_OK) or not shutil.which("zstd"):
        tap.skip("a real crash", "kernel.core_pattern cannot be set here")
        return
    if why_not("kernel"):
        tap.skip("a real crash", why_not("kernel"))
        return
    where = folder()
    program = os.path.join(folder(), "secrets")
    build("secrets", program)
    wrapper = os.path.join(where, "hook")
    with open(wrapper, "w", encoding="ascii") as file:
        # What else crashes at this moment gets its core as if nothing had happened.
        file.write("#!/bin/sh\n[ \"$(readlink /proc/$1/cwd)\" = %s ] || exec cat > /proc/$1/cwd/core\n"
                   "CONFIG=%s exec sh %s \"$@\"\n" % (where, configure(where), HOOK))
    os.chmod(wrapper, 0o755)
    pattern = "|%s %%P %%e %%t" % wrapper
    if len(pattern) > 126:
        tap.skip("a real crash", "the path of the test is too long for kernel.core_pattern")
        return
    with open(PATTERN, encoding="ascii") as file:
        before = file.read()
    process = None
    try:
        # other tests need what was there: only for this moment
        with open(PATTERN, "w", encoding="ascii") as file:
            file.write(pattern)
        process = subprocess.Popen([program, where, "abort", "hunter2-Quokka"], cwd=where, env={},
                                   stdin=subprocess.DEVNULL)
        process.wait(600)
    finally:
        with open(PATTERN, "w", encoding="ascii") as file:
            file.write(before)
    end = time.monotonic() + 600
    while time.monotonic() < end and not (glob.glob(os.path.join(where, "out", "*.json")) and
                                          not glob.glob(os.path.join(where, "out", "*.err"))):
        time.sleep(0.1)
    check_crash(tap, where, process.pid)


def main():
    tap = Tap()
    tap.attempt("documented", test_documented)
    tap.attempt("hook", test_hook)
    tap.attempt("bounds", test_bounds)
    tap.attempt("a user of its own", test_user)
    tap.attempt("turns", test_turns)
    tap.attempt("stored", test_stored)
    tap.attempt("units", test_units)
    tap.attempt("handed over", test_handed_over)
    # Ended by the runner, it still puts the pattern back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tap.attempt("crash", test_crash)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
