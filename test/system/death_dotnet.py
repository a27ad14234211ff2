#!/usr/bin/env python3
"""The exception of which a .NET program died, as the runtime printed it, in dumps of createdump and the kernel."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from tap import Tap  # noqa: E402

PLANTED = "PlantedMessage of order 7"


def dies(program, how, arguments=()):
    """(core, what it printed) of a run until its end."""
    where = fixture.folder()
    core = os.path.join(where, "core")
    env = dict(managed.ENVIRONMENT, HOME=where)
    if how == "createdump":
        env.update({"DOTNET_DbgEnableMiniDump": "1", "DOTNET_DbgMiniDumpType": "4",
                    "DOTNET_DbgMiniDumpName": core})
    done = subprocess.run([shutil.which("dotnet"), program, where, *arguments], cwd=where, env=env,
                          capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=120,
                          preexec_fn=fixture.unlimited_core if how == "kernel" else None)
    found = [name for name in os.listdir(where) if name.startswith("core")]
    if not found:
        raise RuntimeError("no core: " + done.stderr.decode()[-500:])
    return managed.beside(os.path.join(where, found[0]), where), done.stderr.decode()


def methods(text):
    """Methods of a printed stack trace, as a walker names them."""
    return [name.strip()
            for name in re.findall(r"^   at ([^(]+)\(", text, re.M)]


def check(tap, program, name, how, arguments):
    core, printed = dies(program, how, arguments)
    try:
        death = fixture.answer("summary", "--quick", "--json", core)["death"]
        tap.equal((death["dumped_alive"], death["signal_name"]), (False, "SIGABRT"),
                  name + ": died of SIGABRT")
        # FailFast throws one of the runtime's own, with the program's inside of it
        outer = [("System.ExecutionEngineException", 0x80131506)] if arguments else []
        want = outer + [("Crash.OrderException", 0x1234567),
                        ("System.NullReferenceException", 0x80004003)]
        got = death["exceptions"]
        tap.equal([(row["type"], row["hresult"]) for row in got], want, name + ": its exceptions")
        tap.equal([row["depth"] for row in got], list(range(len(want))), name + ": in order")
        # FailFast caught what it was told
        tap.equal([row["uncaught"] for row in got], [None] * 3 if outer else [True, None],
                  name + ": nobody caught it, or it is not said")
        got = got[len(outer):]
        tap.ok(got and got[0]["type"] + ": " + PLANTED in printed, name + ": as it printed",
               printed)
        tap.equal([row["message"] for row in got], [None, None], name + ": no message is shown")
        want = methods(re.split("--- End of inner exception.*", printed)[-1])
        tap.ok(want and got[0]["frames"][0] == "Crash.Shop.Submit" == want[0],
               name + ": it comes from where it printed", "%s %s" % (got, want))
        tap.ok(got[1]["frames"][0] == "Crash.Shop.Price", name + ": so does the inner one", got)
        shown = fixture.answer("summary", "--quick", "--json", "--reveal", core)["death"]
        tap.equal(shown["exceptions"][len(outer)]["message"], PLANTED, name + ": --reveal shows it")
        out = fixture.coreheap("summary", "--quick", core).out
        tap.ok("Crash.OrderException" in out and "Planted" not in out, name + ": on the screen", out)
        # the program's frame between two of the runtime's is lost without its unwind data
        if arguments:
            return
        crashed = [thread for thread in fixture.answer("threads", "--json", core)["threads"]
                   if thread["tid"] == death["tid"]]
        symbols = [frame["symbol"] for frame in crashed[0]["frames"]]
        tap.ok([s for s in symbols if s and s.startswith("Crash.")],
               name + ": the thread that died runs the program's methods", symbols)
    finally:
        os.unlink(core)


def main():
    tap = Tap()
    _, _, program = managed.tools("dotnet-crash", "crash")
    rows = [("createdump", "createdump", ()), ("createdump, FailFast", "createdump", ("failfast",))]
    if fixture.kernel_dumps():
        tap.skip("dumped by the kernel", fixture.kernel_dumps())
    else:
        rows.append(("kernel", "kernel", ()))
    for name, how, arguments in rows:
        tap.attempt(name, check, program, name, how, arguments)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
