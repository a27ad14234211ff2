#!/usr/bin/env python3
"""The command line: help, exit codes, bad input, pipes, signals, shapes of output."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import WRITERS  # noqa: E402
from fixture import COREHEAP, checked_in, coreheap, folder, unpack  # noqa: E402
from tap import Tap  # noqa: E402

# Long enough on any machine for what ends at once.
WAIT = 600
CORE = "bookworm-small-abort"
ENVELOPE = ["schema", "schema_version", "tool", "dump", "complete", "heap_intact",
            "warnings"]
DUMP = ["id", "file_name", "producer", "arch", "pid", "comm"]


def commands():
    """Names of all commands, from the help."""
    text = coreheap("--help").out
    block = text.split("Commands", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^  ([a-z]+)", block, re.M)


def answering():
    """Those that answer with documents, tables and records."""
    return [command for command in commands() if command not in WRITERS]


def arguments(command):
    """What a command needs after CORE."""
    return {"whatis": ["0x10000"], "roots": ["136-byte blocks"], "refs": ["0x10000"],
            "disassemble": [a_pc()], "search": ["--int", "0x1234567"], "show": [a_block()],
            "diff": [unpack(CORE), "--all"]}.get(command, [])


def a_block():
    """Address of some block of CORE."""
    return json.loads(coreheap("types", "--json", "--limit", "1", unpack(CORE)).out)[
        "types"][0]["sample_addr"]


def a_pc():
    """Address of some code of CORE."""
    return json.loads(coreheap("threads", "--json", unpack(CORE)).out)["threads"][0]["pc"]


def one_line(text):
    return text.startswith("coreheap: ") and text.count("\n") == 1 and text.endswith("\n")


def test_help(tap):
    help_text = coreheap("--help")
    tap.ok(help_text.code == 0 and help_text.out.startswith("Examples:") and not help_text.err,
           "--help begins with examples", help_text)
    tap.equal(coreheap("-h").out, help_text.out, "-h is --help")
    tap.equal(coreheap("help").out, help_text.out, "help is --help")
    for command in commands():
        result = coreheap(command, "--help")
        tap.ok(result.code == 0 and result.out.startswith("Examples:") and
               "Usage: coreheap %s " % command in result.out and not result.err,
               "%s --help begins with examples" % command, result)
        tap.equal(coreheap("help", command).out, result.out, "help %s is the same" % command)
    for line in help_text.out.splitlines():
        if len(line) > 100:
            tap.ok(False, "help keeps to 100 columns", line)
    result = coreheap("--version")
    tap.ok(re.fullmatch(r"coreheap \d+\.\d+\.\d+\n", result.out) and result.code == 0,
           "--version", result)


def test_usage(tap):
    rows = [
        ((), "no command"),
        (("sumary", "x"), "did you mean 'summary'?"),
        (("qqqqqqqq", "x"), "unknown command"),
        (("summ", "x"), "unknown command"),
        (("summary",), "no core given"),
        (("info", "a", "b"), "too many"),
        (("summary", "--json", "a", "b"), "--jsonl"),
        (("summary", "--json", "--markdown", "a"), "only one of"),
        (("types", "--markdown", "a"), "no --markdown"),
        (("summary", "x", "--jsno"), "did you mean '--json'?"),
        (("--stat", "types", "x"), "unknown option"),
        (("types", "x", "--limit"), "needs a value"),
        (("types", "x", "--limit", "many"), "not a number"),
        (("types", "x", "--temp-bytes", "1Q"), "not a size"),
        (("types", "x", "--json", "--plain"), "only one of"),
        (("types", "--sysroot", "/nowhere/at/all", unpack(CORE)), "there is no folder"),
        (("search", unpack(CORE), "timeout"), "--text for text"),
        (("whatis", unpack(CORE)), "address"),
        (("whatis", unpack(CORE), "nosuchname"), "nosuchname"),
    ]
    for args, want in rows:
        result = coreheap(*args)
        tap.ok(result.code == 2 and want in result.err and one_line(result.err) and
               not result.out, "usage: coreheap %s" % " ".join(map(os.path.basename, args)), result)


def elf_header(elf_class=2, encoding=1, kind=4, machine=62):
    order = "<" if encoding == 1 else ">"
    ident = b"\x7fELF" + bytes([elf_class, encoding, 1]) + bytes(9)
    if elf_class == 1:
        return ident + struct.pack(order + "HHIIIIIHHHHHH", kind, machine, 1, 0, 52, 0, 0, 52, 32,
                                   0, 0, 0, 0)
    return ident + struct.pack(order + "HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 0,
                               0, 0, 0)


def bad_inputs(where):
    """[(name, path, words of the message)]"""
    contents = {
        "a text file": (b"total 12\ndrwxr-xr-x 2 root root\n", "not a core"),
        "an empty file": (b"", "empty"),
        "one byte": (b"\x7f", "not a core"),
        "half an ELF header": (elf_header()[:40], ""),
        "an ELF header and nothing else": (elf_header(), ""),
        "ELF32": (elf_header(elf_class=1), "32"),
        "big-endian": (elf_header(encoding=2), "endian"),
        "another machine": (elf_header(machine=243), "machine"),
        "an object file": (elf_header(kind=1), "core"),
        "half a gzip header": (b"\x1f\x8b\x08", ""),
    }
    rows = []
    for number, (name, (data, words)) in enumerate(contents.items()):
        path = os.path.join(where, "input%d" % number)
        with open(path, "wb") as file:
            file.write(data)
        rows.append((name, path, words))
    fifo = os.path.join(where, "fifo")
    os.mkfifo(fifo)
    return rows + [
        ("an executable", sys.executable, "executable"),
        ("a directory", where, "directory"),
        ("a FIFO", fifo, "FIFO"),
        ("a device", "/dev/null", "device"),
        ("a missing file", os.path.join(where, "missing"), "No such file"),
        ("a path through a file", sys.executable + "/core", "Not a directory"),
    ]


def test_bad_inputs(tap):
    where = folder()
    for name, path, words in bad_inputs(where):
        result = coreheap("info", path, seconds=20)
        tap.ok(result.code == 3 and one_line(result.err) and not result.out and
               words in result.err, "%s: one line, exit 3" % name, result)
    text = os.path.join(where, "input0")
    for command in commands():
        result = coreheap(command, text, *arguments(command))
        tap.ok(result.code == 3 and one_line(result.err) and not result.out,
               "%s of a text file: one line, exit 3" % command, result)
    path = os.path.join(where, "evil\x1b[31m\n\xff")
    with open(path, "wb") as file:
        file.write(b"text")
    result = coreheap("info", path)
    tap.ok(result.code == 3 and one_line(result.err) and "\x1b" not in result.err,
           "a file name with control bytes is escaped", result)


def test_unreadable(tap):
    name = "an unreadable file: one line, exit 3"
    where = folder()
    path = os.path.join(where, "core")
    shutil.copy(unpack(CORE), path)
    os.chmod(path, 0)
    command = [COREHEAP, "info", path]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            tap.skip(name, "root reads everything, and setpriv is not installed")
            return
        # keep the identity, which may be needed to reach the program: drop the power
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tap.ok(done.returncode == 3 and one_line(done.stderr) and "Permission denied" in done.stderr,
           name, "%d %s" % (done.returncode, done.stderr))


def test_strict(tap):
    core = unpack(CORE)
    cut = os.path.join(folder(), "cut.core")
    with open(core, "rb") as source, open(cut, "wb") as target:
        target.write(source.read(os.path.getsize(core) * 6 // 10))
    for path, strict, want in ((core, [], 0), (core, ["--strict"], 0), (cut, [], 0),
                               (cut, ["--strict"], 4)):
        result = coreheap("info", path, *strict)
        tap.equal(result.code, want, "info %s %s" % (os.path.basename(path), " ".join(strict)))
    result = coreheap("info", cut, "--json")
    tap.ok(not json.loads(result.out)["complete"] and "truncated" in result.out,
           "a truncated core is not complete", result)


def start(*args, out=subprocess.PIPE, **more):
    return subprocess.Popen([COREHEAP, *args], stdout=out, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, **more)


def fill_pipe(core):
    """A process whose pipe is full and that has more to say; SIGINT is not ignored, as it is
    in what a script started with &."""
    process = start("objects", core, "--jsonl",
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    room = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) - 8192
    end = time.monotonic() + 600
    while time.monotonic() < end and process.poll() is None:
        if struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)))[0] > room:
            break
        time.sleep(0.02)
    return process


def is_pending(process, number):
    """Whether a signal was sent to the process and nothing has taken it yet."""
    with open("/proc/%d/status" % process.pid, encoding="utf-8") as file:
        return any(int(line.split()[1], 16) >> (number - 1) & 1 for line in file
                   if line.startswith("ShdPnd"))


def interrupt(process):
    """SIGINT, and a moment for what the one who takes it does then."""
    process.send_signal(signal.SIGINT)
    end = time.monotonic() + 600
    while is_pending(process, signal.SIGINT) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.2)


def test_pipes(tap):
    core = unpack(CORE)
    for ignored in (False, True):
        process = start("objects", core, "--jsonl", preexec_fn=lambda: signal.signal(
            signal.SIGPIPE, signal.SIG_IGN) if ignored else None)
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        code = process.wait(WAIT)
        tap.ok(err == b"" and code == -signal.SIGPIPE,
               "a reader that leaves%s ends it quietly" % (" and SIGPIPE ignored" if ignored
                                                           else ""), "%d %s" % (code, err))
    for command in commands():
        for mode in WRITERS.get(command, ("--plain", "--json")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                process = start(command, core, *arguments(command), mode, out=full)
            err = process.stderr.read().decode()
            code = process.wait(WAIT)
            lines = [line for line in err.splitlines() if "No space left" in line]
            tap.ok(code == 5 and len(lines) == 1, "%s %s to a full disk fails" % (command, mode),
                   "%d %s" % (code, err))
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" info "$1" >&-', COREHEAP, core], capture_output=True,
        check=False)
    tap.ok(done.returncode == 5 and b"cannot write" in done.stderr, "a closed output fails",
           done.stderr)


def test_signals(tap):
    core = os.path.join(folder(), "core")
    shutil.copy(unpack(CORE), core)
    process = fill_pipe(core)
    tap.ok(process.poll() is None, "objects fills the pipe")
    interrupt(process)
    lines = process.stdout.read().decode().splitlines()
    err = process.stderr.read().decode()
    code = process.wait(WAIT)
    tap.ok(code == 130 and "interrupted" in err, "SIGINT ends it in order", "%d %s" % (code, err))
    tap.ok(all(json.loads(line) for line in lines), "its records are whole")
    process = fill_pipe(core)
    interrupt(process)
    process.send_signal(signal.SIGINT)
    tap.equal(process.wait(WAIT), -signal.SIGINT, "a second SIGINT kills")
    process = fill_pipe(core)
    os.truncate(core, 4096)
    process.stdout.read()
    err = process.stderr.read().decode()
    tap.ok(process.wait(WAIT) == 3 and one_line(err) and "shorter" in err,
           "a core that shrinks while it is read: one line, exit 3", err)


def shape_errors(value, path=""):
    """Values that break the rules of the JSON contract, by their keys."""
    if isinstance(value, list):
        return [e for i, item in enumerate(value) for e in shape_errors(item, "%s[%d]" % (path, i))]
    if not isinstance(value, dict):
        return []
    errors = []
    for key, item in value.items():
        place = path + "." + key
        if key.endswith(("_bytes", "_count")) or key == "count":
            if not (item is None or isinstance(item, int) and item >= 0):
                errors.append("%s is %r" % (place, item))
        elif key in ("addr", "end", "pc", "sp") or key.endswith("_addr"):
            if not (item is None or re.fullmatch(r"0x[0-9a-f]+", str(item))):
                errors.append("%s is %r" % (place, item))
        elif key.startswith("percent"):
            if not (item is None or isinstance(item, (int, float)) and
                    round(item, 2) == item):
                errors.append("%s is %r" % (place, item))
        errors += shape_errors(item, place)
    return errors


def test_small(tap):
    core = unpack(CORE)
    result = coreheap("roots", core, "0x10")
    tap.ok(result.code == 5 and "lies in no used block" in result.err,
           "roots of an address of no block is no wrong usage", result)
    tap.equal(coreheap("types", "--plain", "--min-size", "200", "--type-part", "byte", core).out,
              coreheap("types", "--plain", "--min", "200", "--type-part", "byte", core).out,
              "types has the names of options that objects has")
    tap.equal(coreheap("summary", "--limit", "0", core).out,
              coreheap("summary", "--all", core).out, "summary --limit 0 shows all")
    for args in (("bt",), ("jstack",), ("histo",), ("lm",), ("k",)):
        tap.equal(coreheap(*args, core).code, 0, "%s is understood" % args[0])


def at_terminal(args, answers=b"", **env):
    """(code, what is on the screen of a terminal) of a command."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([COREHEAP, *args], stdin=follower, stdout=follower, stderr=follower,
                          env={"PATH": os.environ["PATH"], "TERM": "xterm", **env},
                          start_new_session=True) as process:
        os.close(follower)
        os.write(leader, answers)
        out = b""
        try:
            while part := os.read(leader, 65536):
                out += part
        except OSError:  # EIO: the last writer is gone
            pass
        code = process.wait(WAIT)
    os.close(leader)
    return code, out.decode("utf-8").replace("\r\n", "\n")


def test_pager(tap):
    """On a terminal, and only there, the output goes through a pager."""
    core = unpack(CORE)
    marked = "sed 's/^/| /'"
    code, out = at_terminal(("info", core), PAGER=marked)
    tap.ok(code == 0 and out and all(line.startswith("| ") for line in out.splitlines()),
           "a pager shows all of the output", out)
    own = at_terminal(("info", core), PAGER="false", COREHEAP_PAGER=marked)
    tap.equal(own, (code, out), "COREHEAP_PAGER wins")
    tap.ok("\033[1mVERDICT" in at_terminal((core,), PAGER=marked)[1], "bold text stays bold")
    for name, args, env in (("--no-pager", ("--no-pager",), {"PAGER": marked}),
                            ("an empty PAGER", (), {"PAGER": ""}),
                            ("a dumb terminal", (), {"PAGER": marked, "TERM": "dumb"})):
        tap.ok("| " not in at_terminal(("info", core, *args), **env)[1], "no pager: %s" % name)
    code, out = at_terminal(("info", "/nowhere"), PAGER=marked)
    tap.ok(code == 3 and "No such file" in out, "the exit code is the tool's", (code, out))
    code, out = at_terminal(("objects", "--limit", "0", core), PAGER="head -n 1")
    tap.ok(code in (0, -signal.SIGPIPE) and "coreheap" not in out and out.count("\n") == 1,
           "a pager that ends early is no error", (code, out))
    done = subprocess.run([COREHEAP, "info", core], capture_output=True, text=True, check=False,
                          env={**os.environ, "PAGER": "false", "TERM": "xterm"})
    tap.ok(done.returncode == 0 and done.stdout, "no pager without a terminal")


def test_quiet(tap):
    core = unpack(CORE)
    cut = os.path.join(folder(), "cut.core")
    with open(core, "rb") as source, open(cut, "wb") as target:
        target.write(source.read(os.path.getsize(core) * 6 // 10))
    tap.ok(coreheap("types", "--plain", cut).err and not coreheap("types", "--plain", "-q", cut).err
           and not coreheap("objsize", "--quiet", core).err, "-q: nothing on standard error")


def test_json(tap):
    core = unpack(CORE)
    for command in answering():
        result = coreheap(command, core, *arguments(command), "--json")
        try:
            doc = json.loads(result.out)
        except ValueError as error:
            tap.ok(False, "%s --json is JSON" % command, "%s\n%s" % (error, result))
            continue
        tap.equal(list(doc)[:len(ENVELOPE)], ENVELOPE, "%s --json begins with the envelope" % command)
        tap.ok(doc["schema"] == "coreheap/" + command and doc["schema_version"] == "1.0" and
               list(doc["dump"]) == DUMP and doc["dump"]["file_name"] == os.path.basename(core) and
               doc["dump"]["pid"] == 20751 and doc["dump"]["comm"] == "small",
               "%s --json says what and of what" % command, doc["dump"])
        errors = shape_errors(doc)
        tap.ok(not errors, "%s --json keeps the rules of keys" % command, "\n".join(errors[:5]))
        tap.ok(result.out.isascii() and not result.err, "%s --json is ASCII, quiet" % command,
               result.err)
        result = coreheap(command, core, *arguments(command), "--jsonl")
        lines = [json.loads(line) for line in result.out.splitlines()]
        tap.ok(lines and not any(map(shape_errors, lines)), "%s --jsonl is records" % command)


def test_plain(tap):
    core = unpack(CORE)
    for command in ("modules", "types"):
        lines = coreheap(command, core, "--plain").out.splitlines()
        widths = {line.count("\t") for line in lines}
        tap.ok(len(widths) == 1 and len(lines) > 2, "%s --plain: equally many columns" % command,
               widths)
    for command in answering():
        result = coreheap(command, core, *arguments(command), "--plain")
        bad = re.findall(r"\d,\d{3}\b|\x1b|[KMG]iB", result.out)
        tap.ok(result.code == 0 and not bad, "%s --plain: exact numbers" % command, bad[:5])


def test_determinism(tap):
    for command in answering():
        args = (command, unpack(CORE), *arguments(command), "--json")
        tap.ok(len({coreheap(*args).out, coreheap(*args, "--threads", "1").out,
                    coreheap("--threads", "4", *args).out}) == 1,
               "%s: the same output each time, for any --threads" % command)


def test_limit(tap):
    core = unpack(CORE)
    rows = len(coreheap("modules", core, "--plain").out.splitlines()) - 1
    tap.ok(rows > 2, "modules has rows to cut")
    tap.equal(len(coreheap("modules", core, "--plain", "--limit", "2").out.splitlines()) - 1, 2,
              "--limit 2 leaves two rows")
    tap.ok("showing 2 of %d (" % rows in coreheap("modules", core, "--limit", "2").out,
           "a cut list says so")
    tap.equal(len(coreheap("modules", core, "--plain", "--limit", "0").out.splitlines()) - 1, rows,
              "--limit 0 is all")
    for command in answering():
        done = coreheap(command, *{"address": ["--regions"], "heap": ["--segments"],
                                   "leaks": ["--list"]}.get(command, []),
                        core, *arguments(command), "--limit", "0")
        tap.ok(done.code == 0 and not re.search(r"^showing (?!0 of 0 )", done.out, re.M),
               "%s: --limit 0 leaves nothing out" % command, done)


def bars(columns, command):
    """[(share, its bar)] of what a command prints on so many columns, and its longest line."""
    with unittest.mock.patch.dict(os.environ, {"COLUMNS": str(columns)}):
        lines = coreheap(command, unpack(CORE)).out.splitlines()
    found = [re.search(r" (\d+)\.(\d\d)%(?:  (#+))?(?: |$)", line) for line in lines]
    return [(int(match[1] + match[2]), len(match[3] or "")) for match in found if match], lines


def test_bars(tap):
    """Shares have bars where the screen has room, and no line grows beyond it for them."""
    for command in ("types", "retained", "address", "leaks"):
        shares, lines = bars(200, command)
        drawn = [(share, bar) for share, bar in shares if bar]
        tap.ok(drawn and max(map(len, lines)) <= 200 and
               all(bar == (24 * share + 5000) // 10000 for share, bar in drawn),
               "%s: a bar of 24 columns is the whole" % command, drawn)
        none, bare = bars(60, command)
        tap.ok(not any(bar for _, bar in none) and
               len(bare) == len(lines), "%s: no bar where it has no room" % command, none)
        want = coreheap(command, unpack(CORE), "--plain").out
        tap.ok("##" not in want, "%s: no bar in --plain" % command)


def test_core_alone(tap):
    core = unpack(CORE)
    want = coreheap("summary", core).out
    tap.equal(coreheap(core).out, want, "a core without a command is its summary")
    tap.equal(coreheap(core, "--all").out, coreheap("summary", "--all", core).out,
              "it takes the options of summary")
    result = coreheap(os.path.join(folder(), "missing"))
    tap.ok(result.code == 2 and "unknown command" in result.err, "no file, no command", result)


def through_pipe(*args, data=b"", where="-"):
    """What coreheap says of a core that comes through a pipe."""
    read_end, write_end = os.pipe()
    stdin = {} if where == "-" else {"pass_fds": [read_end]}
    path = "-" if where == "-" else "%s/%d" % (where, read_end)
    process = subprocess.Popen([COREHEAP, *args, path], stdin=read_end, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **stdin)
    os.close(read_end)
    try:
        with open(write_end, "wb") as file:
            file.write(data)
    except BrokenPipeError:
        pass
    out, err = process.communicate(timeout=WAIT)
    return process.returncode, out, err


def test_piped(tap):
    core = unpack(CORE)
    with open(core, "rb") as file:
        data = file.read()
    packed = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))), "fixtures", CORE, "core.zst")
    with open(packed, "rb") as file:
        small = file.read()
    for command in ("heap", "info"):
        want = coreheap(command, "--json", "--reproducible", core).out.encode()
        for where in ("-", "/dev/fd"):
            code, out, err = through_pipe(command, "--json", "--reproducible", data=data, where=where)
            tap.ok(code == 0 and out == want, "%s of a core through %s" % (command, where), err)
    code, out, err = through_pipe("heap", "--json", "--reproducible", data=small)
    tap.ok(code == 0 and out == coreheap("heap", "--json", "--reproducible", packed).out.encode(),
           "a compressed core through a pipe", err)
    code, out, err = through_pipe("info", "--temp-bytes", "1M", data=data)
    tap.ok(code == 5 and b"through the pipe, the limit" in err and not out,
           "not more than --temp-bytes come through a pipe", err)
    code, out, err = through_pipe("info")
    tap.ok(code == 3 and one_line(err.decode()) and b"empty" in err, "nothing through a pipe", err)
    with open(core, "rb") as file:
        done = subprocess.run([COREHEAP, "info", "-"], stdin=file, capture_output=True, check=False)
    tap.ok(done.returncode == 0 and b"kernel" in done.stdout, "a file as standard input", done.stderr)
    process = subprocess.Popen([COREHEAP, "info", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.stdin.write(data[:1000])
    process.stdin.flush()
    # What was written is read when the pipe is waited for.
    while process.poll() is None and struct.unpack(
            "i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]:
        time.sleep(0.02)
    interrupt(process)
    process.wait(WAIT)
    process.stdin.close()
    err = process.stderr.read()
    tap.ok(process.returncode == 130 and b"stopped" in err, "SIGINT while a pipe gives nothing",
           "%d %s" % (process.returncode, err))


def test_completion(tap):
    script = coreheap("--completion", "bash").out
    ask = 'COMP_WORDS=(coreheap %s); COMP_CWORD=%d; _coreheap; echo "${COMPREPLY[*]}"'
    for words, index, want in (("sum", 1, "summary"), ("threads --gr", 2, "--group"),
                               ("info --verb", 2, "--verbose")):
        done = subprocess.run(["bash", "-c", script + ask % (words, index)], capture_output=True, text=True,
                              check=False)
        tap.equal(done.stdout.strip(), want, "bash completes %s" % words)


def main():
    tap = Tap()
    assert CORE in checked_in()
    for test in (test_help, test_usage, test_bad_inputs, test_unreadable, test_strict, test_pipes,
                 test_signals, test_json, test_plain, test_determinism, test_limit, test_bars,
                 test_core_alone, test_piped, test_completion, test_small, test_pager, test_quiet):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
