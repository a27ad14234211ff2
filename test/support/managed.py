"""Programs of fixtures/ for .NET: built where its SDK is, run and dumped."""
import glob
import os
import re
import shutil
import signal
import subprocess

import fixture
from tap import repo, skip_all

ENVIRONMENT = {"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1",
               "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1", "DOTNET_EnableDiagnostics": "0"}


def newest_runtime():
    """(version, folder) of the newest .NET runtime here, or None."""
    done = subprocess.run(["dotnet", "--list-runtimes"], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    found = re.findall(r"^Microsoft\.NETCore\.App (\d+)\.(\S+) \[(.*)\]", done.stdout, re.M)
    rows = sorted((int(major), "%s.%s" % (major, rest), folder) for major, rest, folder in found)
    return (rows[-1][1], os.path.join(rows[-1][2], rows[-1][1])) if rows else None


def build(name, target, below="fixtures"):
    """fixtures/NAME as TARGET.dll, or why it cannot be built."""
    where = fixture.folder()
    for path in glob.glob(os.path.join(repo(), below, name, "*.cs*")):
        shutil.copy(path, where)
    env = dict(ENVIRONMENT, HOME=where, PATH=os.environ["PATH"])
    done = subprocess.run(["dotnet", "build", "-c", "Release", "-o", "out", "--nologo"], cwd=where,
                          env=env, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    program = os.path.join(where, "out", target + ".dll")
    return program if os.path.exists(program) else None, done.stdout[-2000:]


def crash(process, where):
    """The runtime may take the first signal for its own."""
    for _ in range(200):
        process.send_signal(signal.SIGSEGV)
        try:
            process.wait(timeout=3)
            break
        except subprocess.TimeoutExpired:
            pass
    found = glob.glob(os.path.join(where, "core*"))
    if found:
        os.rename(found[0], os.path.join(where, "core"))


def dump(how, program, createdump, env, arguments=()):
    """(core, folder with what the program wrote) of a program that waits to be dumped.

    how: "kernel", "gcore", or "createdump" with its options (all memory unless given)."""
    where = fixture.folder()
    core = os.path.join(where, "core")
    process = subprocess.Popen([shutil.which("dotnet"), program, where, *arguments], cwd=where,
                               env=dict(ENVIRONMENT, HOME=where, **env), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=fixture.unlimited_core)
    try:
        fixture.wait_for(os.path.join(where, "ready"), process)
        if how == "kernel":
            crash(process, where)
        elif how == "gcore":
            subprocess.run(["gcore", "-o", core, str(process.pid)], capture_output=True,
                           check=False, stdin=subprocess.DEVNULL)
            os.rename("%s.%d" % (core, process.pid), core)
        else:
            options = how.split()[1:] or ["--full"]
            subprocess.run([createdump, *options, "-f", core, str(process.pid)],
                           capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if not os.path.exists(core):
            raise RuntimeError("no core from " + how)
    finally:
        process.kill()
        process.wait()
    return beside(core, where), where


def beside(core, where):
    """The core moved to a folder that the program lies below, too: its files may be read then."""
    moved = where + ".core"
    os.rename(core, moved)
    return moved


def tools(name, target):
    """(version of the runtime, its folder, program built from fixtures/NAME), or the test is
    skipped."""
    if not shutil.which("dotnet"):
        skip_all("no .NET SDK is installed")
    runtime = newest_runtime()
    if not runtime or int(runtime[0].split(".")[0]) < 9:
        skip_all("no .NET runtime from 9 on is installed")
    if not os.path.exists(os.path.join(runtime[1], "createdump")):
        skip_all("this .NET runtime has no createdump")
    program, why = build(name, target)
    if not program:
        skip_all("the .NET SDK cannot build here: " + why.strip().splitlines()[-1])
    return runtime[0], runtime[1], program
