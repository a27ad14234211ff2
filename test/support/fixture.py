"""Programs built, run and dumped at test time, and coreheap run on the cores.

Fixture programs run under an empty environment, named by a relative path, so
that their cores say nothing of this machine beyond the temporary folder.
"""
import functools
import glob
import json
import lzma
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from tap import repo

COREHEAP = os.environ.get("COREHEAP", os.path.join(repo(), "build", "coreheap"))
# Whether a test with many like cases tries all of them (`make check WHOLE=1`), or a share.
WHOLE = os.environ.get("WHOLE") == "1"
# How much longer things may take on a machine that does other work, too.
PATIENCE = 15
ZSTD = ["zstd", "-q", "-d", "-f", "--long=27"]


def share(rows, of, turn=0):
    """Every row of a list with WHOLE=1, else one of so many, other ones with another turn."""
    rows = list(rows)
    return rows if WHOLE else rows[turn % of::of]


def folder():
    """A temporary folder of the test, removed by the runner."""
    return tempfile.mkdtemp(prefix="t-", dir=os.environ.get("TMPDIR"))


def build(name, target, *flags):
    """Compile fixtures/NAME/NAME.c to the path target, with flags added."""
    source = os.path.join(repo(), "fixtures", name, name + ".c")
    subprocess.run([os.environ.get("CC") or "cc", "-O1", "-g", "-pthread", "-fno-builtin",
                    *flags, "-o", target, source], check=True)


def cpu_seconds():
    """What the children that ended have taken of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_bounded(args, seconds, **more):
    """subprocess.run with its output captured, for a program that may take so many seconds of
    the processors; it is killed above that. Time on the clock is what a busy machine makes of
    it: PATIENCE times as much ends what sleeps for ever, with subprocess.TimeoutExpired."""
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, **more) as process:
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds))
        try:
            out, err = process.communicate(timeout=seconds * PATIENCE)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def wait_for(path, process, seconds=600):
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if process.poll() is not None:
            raise RuntimeError("%s ended with %d before it was ready" % (
                process.args[0], process.returncode))
        if time.monotonic() > end:
            process.kill()
            raise RuntimeError("%s was not ready after %d s" % (process.args[0], seconds))
        time.sleep(0.02)


def kernel_dumps():
    """None when the kernel puts core files beside the program, else why not."""
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        pattern = file.read().strip()
    if pattern.startswith("|") or "/" in pattern:
        return "kernel.core_pattern is %s: core files do not stay here" % pattern
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        return "the hard limit of core files is not unlimited"
    return None


def gcore_works():
    return None if shutil.which("gcore") else "gcore (package gdb) is not installed"


def why_not(how):
    return gcore_works() if how == "gcore" else kernel_dumps()


def unlimited_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def dump(program, how, where, arguments=(), end="abort", coredump_filter=None, ready=None,
         env=None, root=None):
    """Run program in folder where; the path of its core, made by `how`.

    root: the folder that is / for the program; where lies in it.

    end: how the program is told to die for the kernel. ready: called with the
    path of what runs once that waits, before gcore dumps it. env: the
    environment; empty unless given.
    """
    name = os.path.basename(program)
    if os.path.dirname(program) != where:
        shutil.copy(program, os.path.join(where, name))
    command = ["./" + name, ".", "wait" if how == "gcore" else end, *arguments]

    def prepare():
        unlimited_core()
        if coredump_filter is not None:
            with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
                file.write(hex(coredump_filter))
        if root:
            os.chroot(root)
            os.chdir("/" + os.path.relpath(where, root))

    process = subprocess.Popen(command, cwd=where, env=env or {}, stdin=subprocess.DEVNULL,
                               preexec_fn=prepare)
    try:
        if how == "gcore":
            wait_for(os.path.join(where, "ready"), process)
            if ready:
                ready(os.path.join(where, name))
            done = subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                                  capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL)
            core = os.path.join(where, "core.%d" % process.pid)
            if not os.path.exists(core):
                raise RuntimeError("gcore: " + done.stdout + done.stderr)
            return core
        code = process.wait(600)
        cores = glob.glob(os.path.join(where, "core*"))
        if code not in (-signal.SIGABRT, -signal.SIGSEGV) or len(cores) != 1:
            raise RuntimeError("%s: exit %d, cores %s" % (name, code, cores))
        return cores[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def dump_built(tap, what, command, source):
    """Compile a program of fixtures/ by command, and dump it: (core, where it ran). None: that
    cannot be here, and what is skipped."""
    where = folder()
    program = os.path.join(where, os.path.splitext(os.path.basename(source))[0])
    run = os.path.join(where, "run")
    if not shutil.which(command[0]):
        tap.skip(what, "no " + command[0])
        return None
    built = subprocess.run([*command, os.path.join(repo(), "fixtures", source), "-o", program],
                           check=False, capture_output=True, text=True)
    if built.returncode:
        tap.skip(what, "it does not build: " + built.stderr.strip().splitlines()[-1])
        return None
    os.mkdir(run)
    return dump(program, "gcore" if why_not("gcore") is None else "kernel", run), run


def with_file(name):
    return sorted(os.path.basename(os.path.dirname(path))
                  for path in glob.glob(os.path.join(repo(), "fixtures", "*", name)))


def checked_in():
    """Names of fixtures that hold the core of a program on glibc, and its truth."""
    return with_file("truth.zst")


def every_core():
    """Names of all fixtures that hold a core, whatever its allocator."""
    return with_file("core.zst")


def unpack(name, what="core"):
    """Path of the unpacked fixtures/NAME/WHAT.zst in the build folder, made once."""
    target = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "fixtures",
                          name + "." + what)
    source = os.path.join(repo(), "fixtures", name, what + ".zst")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = "%s.%d" % (target, os.getpid())
        subprocess.run(ZSTD + ["-o", partial, source], check=True)
        os.utime(partial)
        os.replace(partial, target)
    return target


def unpack_xz(name, what):
    """Path of the unpacked fixtures/NAME/WHAT.xz, in a folder of the test."""
    path = os.path.join(folder(), "core")
    with lzma.open(os.path.join(repo(), "fixtures", name, what + ".xz")) as packed, \
            open(path, "wb") as file:
        shutil.copyfileobj(packed, file)
    return path


def shared_cores():
    """Packed cores of $SHARED_CORES or ../shared/cores, or none."""
    where = os.environ.get("SHARED_CORES", os.path.join(repo(), "..", "shared", "cores"))
    return sorted(glob.glob(os.path.join(where, "*.core.zst")))


class Result:
    """What one run of coreheap said."""

    def __init__(self, args, code, out, err):
        self.args = args
        self.code = code
        self.out = out
        self.err = err

    def __str__(self):
        return "coreheap %s\nexit code %s\n%s\n%s" % (
            " ".join(self.args), self.code, self.out[:1000], self.err[:4000])


def coreheap(*args, seconds=120):
    done = run_bounded([COREHEAP, *args], seconds)
    return Result(args, done.returncode, done.stdout.decode("utf-8"),
                  done.stderr.decode("utf-8", "replace"))


def is_held(name):
    """Whether the name of a type only says what points at its blocks."""
    return bool(name) and " -> " in name and name.endswith("blocks")


def answer(*args):
    """The JSON document that a command prints."""
    result = coreheap(*args)
    if result.code != 0:
        raise RuntimeError(str(result))
    return json.loads(result.out)


@functools.lru_cache(maxsize=8)
def summary(core):
    """What summary says of a core that stays as it is: several tests may look at one."""
    return answer("summary", "--json", core)


def records(*args):
    """The JSON lines that a command prints."""
    result = coreheap(*args)
    if result.code != 0:
        raise RuntimeError(str(result))
    return [json.loads(line) for line in result.out.splitlines()]
