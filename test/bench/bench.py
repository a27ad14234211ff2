#!/usr/bin/env python3
"""make bench: what the commands cost on a core of about 1 GB, as ratios to one
scan of the same file (mmap, 8-byte sums). Nothing is asserted. The same blocks on other allocators,
where they are installed, follow.

The variables and types of a C++ program with 100 MB of .debug_info follow.

Where a .NET SDK is installed, fixtures/dotnet with 4,000,000 subscriptions follows: a core of
2 GB with 24 million objects, and ClrMD on the same core where its package is served. Where a
JDK with jhsdb is, fixtures/jvm/Shop.java with 14 million Java objects, and jhsdb on the same
core, BENCH_JHSDB_SECONDS at most for each question. The cores are kept in $BENCH_DIR (default
build/bench) and used again.
"""
import glob
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import jvm  # noqa: E402
import managed  # noqa: E402
from tap import repo  # noqa: E402

RUNS = 5
# Of half a MB of .debug_info each.
DEBUG_UNITS = 190
CTYPES = os.path.join(os.path.dirname(fixture.COREHEAP), "test", "debug", "ctypes")
SUBSCRIPTIONS = 4000000
DOTNET = [("types", ["types"]), ("heap", ["heap"]),
          ("roots of one", ["roots", "CORE", "HANDLER"]),
          ("leaks, 2 threads", ["leaks", "--threads", "2"]),
          ("retained", ["retained", "--limit", "20"])]
# Orders, and events among them: 14 million objects.
SHOP = ["930000", "10000", "24"]
JAVA = [("types", ["types"]), ("types --live", ["types", "--live"]),
        ("heap", ["heap"]), ("roots of one", ["roots", "CORE", "EVENT"]),
        ("roots of a type", ["roots", "--limit", "20", "CORE", "Shop$Event"]),
        ("leaks", ["leaks"]), ("summary", ["summary"])]
# jhsdb takes minutes for each million objects.
JHSDB_SECONDS = int(os.environ.get("BENCH_JHSDB_SECONDS") or 600)
MIB = 1 << 20
COMMANDS = [("open (info)", ["info"]), ("address", ["address"]), ("heap", ["heap"]),
            ("types", ["types"]), ("summary --quick", ["summary", "--quick"]),
            ("summary", ["summary"]), ("leaks, 1 thread", ["leaks", "--threads", "1"]),
            ("leaks, 2 threads", ["leaks", "--threads", "2"]),
            ("retained", ["retained", "--limit", "20"]),
            ("refs", ["refs", "CORE", "0x1000"]),
            ("search text", ["search", "--count", "--text", "no such text"]),
            ("search regex", ["search", "--count", "--regex", "no such [0-9]+"]),
            ("roots of a type", ["roots", "--limit", "20", "CORE", "40-byte blocks"])]
ALLOCATORS = ["/usr/lib/*/libjemalloc.so.2", "/usr/lib/*/libmimalloc.so.*",
              "/usr/lib/*/libtcmalloc_minimal.so.4"]
ON_ALLOCATORS = [("heap", ["heap"]), ("types --by size", ["types", "--by", "size"])]
GROWTH = [("types", ["types"]), ("leaks", ["leaks", "--threads", "1"]),
          ("retained", ["retained", "--limit", "20"])]


def compile_c(name, target):
    source = os.path.join(repo(), "test", "bench", name + ".c")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        subprocess.run([os.environ.get("CC") or "cc", "-O2", "-g", "-pthread", "-o", target,
                        source], check=True)


def make_core(folder, parts=1, allocator=None):
    """The core in folder, made if it is not there; with parts so much smaller, or on a library
    that is preloaded."""
    prefix = "heap-core" if parts == 1 else "heap-part%d" % parts
    if allocator:
        prefix = os.path.basename(allocator).split(".")[0]
    found = sorted(glob.glob(os.path.join(folder, prefix + ".*")))
    if found:
        return found[0]
    how = "kernel" if not fixture.kernel_dumps() else "gcore"
    if fixture.why_not(how):
        sys.exit("bench: cannot dump: " + fixture.why_not(how))
    program = os.path.join(folder, "bin", "bigheap")
    os.makedirs(os.path.dirname(program), exist_ok=True)
    compile_c("bigheap", program)
    print("making the core (%s) ..." % how, flush=True)
    where = os.path.join(folder, "run")
    os.makedirs(where, exist_ok=True)
    for old in os.listdir(where):
        os.unlink(os.path.join(where, old))
    core = fixture.dump(program, how, where, [str(parts)],
                        env={"LD_PRELOAD": allocator} if allocator else None)
    target = os.path.join(folder, prefix + "." + how)
    os.replace(core, target)
    return target


def measure(args, commands=None, limit=None):
    """(seconds, max RSS in bytes) of one run, fed with commands; ended after limit seconds."""
    begin = time.monotonic()
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL,
                               stdin=subprocess.PIPE if commands else subprocess.DEVNULL)
    if commands:
        process.stdin.write(commands)
        process.stdin.close()
    timer = threading.Timer(limit or threading.TIMEOUT_MAX, process.kill)
    timer.daemon = True
    if limit:
        timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 and not (limit and seconds >= limit):
        sys.exit("bench: %s: exit code %d" % (" ".join(args), process.returncode))
    return seconds, usage.ru_maxrss * 1024


def median_of(args):
    runs = [measure(args) for _ in range(RUNS)]
    return statistics.median(r[0] for r in runs), max(r[1] for r in runs)


def measure_growth(folder):
    """Seconds on cores of a quarter, half and all of the blocks."""
    cores = [make_core(folder, parts) for parts in (4, 2, 1)]
    row = "%-16s %9s %9s %9s"
    print(row % ("growth", "1/4", "1/2", "1"))
    for title, command in GROWTH:
        times = [median_of([fixture.COREHEAP, *command, core])[0] for core in cores]
        print(row % tuple([title] + ["%.3f" % seconds for seconds in times]), flush=True)


def measure_allocators(folder, scan, row):
    """The same blocks on other allocators, where they are installed."""
    for pattern in ALLOCATORS:
        found = sorted(glob.glob(pattern))
        if not found:
            print("%s: not installed" % os.path.basename(pattern).split(".")[0])
            continue
        core = make_core(folder, allocator=found[0])
        measure([scan, core])
        unit, _ = median_of([scan, core])
        print("%s: %s bytes, %s blocks in use, one pass %.3f s" % (
            os.path.basename(found[0]), format(os.path.getsize(core), ","), format(sum(
                heap["used_count"] for heap in fixture.answer("heap", "--json", core)["heaps"]),
                ","), unit))
        for title, command in ON_ALLOCATORS:
            seconds, rss = median_of([fixture.COREHEAP, *command, core])
            print(row % (title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB),
                  flush=True)


def make_dotnet_core(folder):
    """The core, or None and why there is none."""
    target = os.path.join(folder, "dotnet.createdump")
    if os.path.exists(target):
        return target, None
    runtime = managed.newest_runtime() if shutil.which("dotnet") else None
    if not runtime or not os.path.exists(os.path.join(runtime[1], "createdump")):
        return None, "no .NET SDK with createdump is installed"
    program, why = managed.build("dotnet", "story")
    if not program:
        return None, "the .NET SDK cannot build here: " + why.strip()[-200:]
    print("making the .NET core ...", flush=True)
    core, _ = managed.dump("createdump", program, os.path.join(runtime[1], "createdump"), {},
                           [str(SUBSCRIPTIONS), "1000"])
    shutil.move(core, target)
    return target, None


def measure_clrmd(core, handler, unit, row):
    """The same questions to ClrMD: one run each; times by which we are faster."""
    dac = os.path.join(managed.newest_runtime()[1], "libmscordaccore.so")
    program, why = managed.build("clrmd", "clrmd", "test/bench")
    if not program or not os.path.exists(dac):
        print("ClrMD: skipped, " + (why.strip()[-200:] if not program else "no " + dac))
        return
    for title, command in [("types", ["types"]), ("gcroot", ["gcroot", handler])]:
        ours = [fixture.COREHEAP, "types", core] if title == "types" else \
            [fixture.COREHEAP, "roots", core, handler]
        seconds, rss = measure([shutil.which("dotnet"), program, core, dac, *command])
        print(row % ("ClrMD, " + title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB) +
              "  %.1f times ours" % (seconds / median_of(ours)[0]), flush=True)


def measure_dotnet(folder, scan, row):
    core, why = make_dotnet_core(folder)
    if not core:
        print(".NET: skipped, " + why)
        return
    print(".NET core: %s bytes" % format(os.path.getsize(core), ","))
    measure([scan, core])
    unit, unit_rss = median_of([scan, core])
    print(row % ("scan", "%.3f" % unit, "1.00", unit_rss // MIB))
    handler = fixture.records("objects", "--jsonl", "--limit", "1", "--type",
                              "System.EventHandler<Story.ErrorArgs>", core)[0]["addr"]
    names = {"CORE": core, "HANDLER": handler}
    for title, command in DOTNET:
        words = [names.get(word, word) for word in command]
        seconds, rss = median_of([fixture.COREHEAP, *words] + [core] * (words == command))
        print(row % (title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB),
              flush=True)
    measure_clrmd(core, handler, unit, row)


def make_java_core(folder):
    """(core, JDK), or None and why there is none."""
    found = jvm.jdks("jhsdb")
    if not found:
        return None, "no JDK with jhsdb is installed"
    how = "kernel" if not fixture.kernel_dumps() else "gcore"
    if fixture.why_not(how):
        return None, fixture.why_not(how)
    target, jdk = os.path.join(folder, "java-core." + how), found[min(found)]
    if os.path.exists(target):
        return target, jdk
    print("making the Java core (%s) ..." % how, flush=True)
    where = os.path.join(folder, "java")
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    subprocess.run([os.path.join(jdk, "bin", "javac"), "-d", where, os.path.join(
        repo(), "fixtures", "jvm", "Shop.java")], check=True)
    process = subprocess.Popen(
        [os.path.join(jdk, "bin", "java"), "-Xmx1400m", "-XX:+UseG1GC", "-cp", ".", "Shop", *SHOP],
        cwd=where, env={}, stdin=subprocess.DEVNULL, preexec_fn=fixture.unlimited_core)
    os.replace(jvm.dumped(process, where, how, seconds=300), target)
    return target, jdk


def measure_java(folder, scan, row):
    core, jdk = make_java_core(folder)
    if not core:
        print("Java: skipped, " + jdk)
        return
    objects = sum(kind["count"] for kind in fixture.answer("types", "--json", core)["types"]
                  if kind["runtime"] == "hotspot" and kind["kind"] == "object")
    print("Java core: %s bytes, %s objects" % (format(os.path.getsize(core), ","),
                                               format(objects, ",")))
    measure([scan, core])
    unit, unit_rss = median_of([scan, core])
    print(row % ("scan", "%.3f" % unit, "1.00", unit_rss // MIB))
    event = fixture.records("objects", "--jsonl", "--limit", "1", "--type", "Shop$Event",
                            core)[0]["addr"]
    names = {"CORE": core, "EVENT": event}
    ours = {}
    for title, command in JAVA:
        words = [names.get(word, word) for word in command]
        ours[title], rss = median_of([fixture.COREHEAP, *words] + [core] * (words == command))
        print(row % (title, "%.3f" % ours[title], "%.2f" % (ours[title] / unit), rss // MIB),
              flush=True)
    jhsdb, of = os.path.join(jdk, "bin", "jhsdb"), ["--exe", os.path.join(jdk, "bin", "java"),
                                                    "--core", core]
    # revptrs makes the table of pointers turned round, of which it shows one step
    for title, ask, commands, than in (
            ("histo", ["jmap", "--histo"], None, "types"),
            ("revptrs", ["clhsdb"], b"revptrs %s\nquit\n" % event.encode(), "roots of one")):
        seconds, rss = measure([jhsdb, *ask, *of], commands, JHSDB_SECONDS)
        print(row % ("jhsdb, " + title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB) +
              "  %s%.0f times %s" % ("ended; more than " if seconds >= JHSDB_SECONDS else "",
                                     seconds / ours[than], than), flush=True)


def make_debug_core(folder):
    """The core of a program with about 100 MB of .debug_info; None: it cannot be made here."""
    where = os.path.join(folder, "declared")
    found = glob.glob(os.path.join(where, "core*"))
    if found:
        return found[0]
    compiler = os.environ.get("CXX") or "c++"
    if fixture.kernel_dumps() or not shutil.which(compiler) or not shutil.which("objcopy"):
        return None
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    source = os.path.join(repo(), "test", "bench", "declared.cc")
    with open(os.path.join(where, "units.inc"), "w", encoding="ascii") as file:
        file.writelines("CALL(%d)\n" % unit for unit in range(DEBUG_UNITS))
    subprocess.run([compiler, "-g", "-c", "-o", "0.o", source], check=True, cwd=where)
    for unit in range(1, DEBUG_UNITS):
        subprocess.run(["objcopy", "--redefine-sym", "unit_0=unit_%d" % unit, "0.o",
                        "%d.o" % unit], check=True, cwd=where)
    subprocess.run([compiler, "-g", "-DMAIN", "-I.", "-o", "declared", source,
                    *("%d.o" % unit for unit in range(DEBUG_UNITS))], check=True, cwd=where)
    for unit in range(DEBUG_UNITS):
        os.remove(os.path.join(where, "%d.o" % unit))
    return fixture.dump(os.path.join(where, "declared"), "kernel", where)


def measure_debug(folder, unit, row):
    """All variables and their types by much debug information."""
    core = make_debug_core(folder)
    if not core:
        print("debug information: a program with much of it cannot be made here")
        return
    seconds, rss = median_of([CTYPES, core])
    print(row % ("debug info", "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB),
          flush=True)


def measure_peers(core, unit, row):
    """The same questions to other analyzers, where they are installed: one run each."""
    chap = os.environ.get("CHAP") or shutil.which("chap")
    if not chap:
        print("chap: not installed (set CHAP to its path)")
        return
    for title, command in [("chap, used", b"count used\n"), ("chap, leaked", b"count leaked\n")]:
        seconds, rss = measure([chap, core], command)
        print(row % (title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB), flush=True)


def main():
    folder = os.path.abspath(os.environ.get("BENCH_DIR") or os.path.join(repo(), "build/bench"))
    os.makedirs(folder, exist_ok=True)
    scan = os.path.join(folder, "scan")
    compile_c("scan", scan)
    core = make_core(folder)
    size = os.path.getsize(core)
    print("core: %s bytes, %s" % (format(size, ","), os.path.basename(core)))
    measure([scan, core])  # warm the page cache
    unit, unit_rss = median_of([scan, core])
    row = "%-16s %9s %9s %14s"
    print(row % ("median of %d" % RUNS, "seconds", "of scan", "max RSS (MiB)"))
    print(row % ("scan", "%.3f" % unit, "1.00", unit_rss // MIB))
    for title, command in COMMANDS:
        words = [core if word == "CORE" else word for word in command]
        seconds, rss = median_of([fixture.COREHEAP, *words] + [core] * (words == command))
        print(row % (title, "%.3f" % seconds, "%.2f" % (seconds / unit), rss // MIB),
              flush=True)
    measure_growth(folder)
    measure_allocators(folder, scan, row)
    measure_debug(folder, unit, row)
    measure_peers(core, unit, row)
    measure_dotnet(folder, scan, row)
    measure_java(folder, scan, row)


if __name__ == "__main__":
    main()
