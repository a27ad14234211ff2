#!/usr/bin/env python3
"""Allocators that are recognised and not walked: named with their evidence by
every command that counts blocks, never taken for an empty heap; several in one
process are all listed; where there is none, it is said what was looked for."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap  # noqa: E402

NAMES = ["google_tcmalloc", "mono", "nativeaot"]
RUNTIMES = ["mono", "nativeaot"]
TITLES = {"gperftools_tcmalloc": "tcmalloc (gperftools)", "google_tcmalloc": "tcmalloc (Google)",
          "mono": "Mono", "nativeaot": ".NET ahead of time", "glibc": "glibc malloc",
          "mallocng": "musl malloc"}
SHARED = "-Wl,--no-as-needed"
# name of the test, flags, what is not walked, whether glibc is, part of the evidence
CASES = [
    ("mimalloc 3, never used", ["-DMIMALLOC3"], None, True, ""),
    ("Google's tcmalloc, exported", ["-DGOOGLE", "-rdynamic"], "google_tcmalloc", True,
     "TCMalloc_Internal_GetStats"),
    ("Google's tcmalloc, static", ["-DGOOGLE", "-static"], "google_tcmalloc", True,
     "TCMalloc_Internal_GetStats"),
    ("Mono, exported", ["-DMONO", "-rdynamic"], "mono", True, "mono_get_root_domain"),
    (".NET ahead of time, exported", ["-DNATIVEAOT", "-rdynamic"], "nativeaot", True,
     "DotNetRuntimeDebugHeader, version 4.0"),
    (".NET ahead of time, by its data", ["-DNATIVEAOT", "-s"], "nativeaot", True,
     "DotNetRuntimeDebugHeader, version 4.0"),
    ("glibc", [], None, True, ""),
    ("glibc, static", ["-static"], None, True, ""),
]


def links(flags):
    """Why a program cannot be linked with flags, or None."""
    done = subprocess.run([os.environ.get("CC") or "cc", "-x", "c", "-", "-o", "/dev/null"]
                          + [flag for flag in flags if not flag.startswith("-D")],
                          input=b"int main(void) { return 0; }", capture_output=True, check=False)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "%s: %s" % (" ".join(flags), lines[0]) if done.returncode else None


def check_named(tap, core, allocator, evidence, name):
    """One allocator that is here: every answer says so, and is incomplete."""
    title = TITLES.get(allocator, allocator)
    for command in ("heap", "types", "summary", "objects"):
        document = fixture.answer(command, "--json", core)
        said = [warning for warning in document["warnings"]
                if warning["code"] == "allocator-not-walked"]
        tap.equal((len(said), document["complete"]), (1, False),
                  "%s: %s has one warning, and is incomplete" % (name, command))
        message = said[0]["message"] if said else ""
        tap.ok(message.startswith(title + " ") and "not counted" in message
               and evidence in message and "\n" not in message,
               "%s: %s names it with its evidence" % (name, command), message)
        result = fixture.coreheap(command, core)
        text = result.out + result.err
        tap.ok(result.code == 0 and title in text and "not counted" in text,
               "%s: %s says so to people" % (name, command), str(result))
        tap.equal(fixture.coreheap(command, "--strict", core).code, 4,
                  "%s: %s --strict fails" % (name, command))
    rows = fixture.answer("info", "--json", core)["runtimes"]
    tap.ok([row for row in rows if row["status"] == "not walked yet"
            and row["kind"] == ("runtime" if allocator in RUNTIMES else "allocator")],
           "%s: info lists it" % name, str(rows))


def check_none_named(tap, core, name):
    heap = fixture.answer("heap", "--json", core)
    tap.equal(([warning["code"] for warning in heap["warnings"]
                if "allocator" in warning["code"]], heap["complete"]), ([], True),
              "%s: nothing else is suspected" % name)


def check(tap, how, case):
    name, flags, allocator, has_glibc, evidence = case
    name = "%s, %s" % (name, how)
    where = fixture.folder()
    program = os.path.join(where, "signs")
    fixture.build("signs", program, *flags)
    core = fixture.dump(program, how, fixture.folder())
    heap = fixture.answer("heap", "--json", core)
    status = {row["name"]: row["status"] for row in heap["runtimes"]}
    tap.equal([other for other in NAMES if status[other] == "not walked yet"],
              [allocator] if allocator else [], "%s: it is recognised, and no other" % name)
    tap.equal((status["glibc"], bool(heap["heaps"])),
              ("walked", True) if has_glibc else ("not found", False),
              "%s: glibc's malloc" % name)
    if has_glibc:
        tap.ok(heap["total"]["used_count"] > 1300, "%s: glibc's blocks are counted" % name)
    if allocator:
        check_named(tap, core, allocator, evidence, name)
    else:
        check_none_named(tap, core, name)
    os.unlink(core)


def check_table_alone(tap):
    """A table like mimalloc's, in use, and nothing that it leads to: it is here, and not read."""
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, "-DMIMALLOC3", "-DUSED", "-s")
    core = fixture.dump(program, "gcore", fixture.folder())
    heap = fixture.answer("heap", "--json", core)
    row = next(row for row in heap["runtimes"] if row["name"] == "mimalloc")
    tap.equal((row["status"], heap["complete"]), ("not readable", False),
              "mimalloc's table alone: what belongs to it is missed")
    tap.ok("neither segments nor a page map" in row["evidence"],
           "mimalloc's table alone: what is missing", row["evidence"])
    tap.equal([warning["code"] for warning in heap["warnings"]], ["heap-not-opened"],
              "mimalloc's table alone: it is said")
    os.unlink(core)


def check_mono_for_coreclr(tap):
    """A libcoreclr.so that is Mono is named so, and not taken for CoreCLR."""
    where = fixture.folder()
    program = os.path.join(where, "signs")
    fixture.build("signs", os.path.join(where, "libcoreclr.so"), "-shared", "-fPIC", "-DMONO")
    fixture.build("signs", program, SHARED, "-L" + where, "-Wl,-rpath," + where,
                  "-l:libcoreclr.so")
    core = fixture.dump(program, "gcore", fixture.folder())
    status = {row["name"]: row["status"]
              for row in fixture.answer("heap", "--json", core)["runtimes"]}
    tap.equal((status["mono"], status["coreclr"]), ("not walked yet", "not found"),
              "Mono as libcoreclr.so: named")
    os.unlink(core)


def check_native_aot(tap):
    """A real one, of .NET 9.0.20, whose file is not at hand: readelf has its header
    at 0x1455c0 of a program that begins on a page."""
    core = fixture.unpack("nativeaot")
    check_named(tap, core, "nativeaot", "aot is .NET compiled ahead of time: "
                "DotNetRuntimeDebugHeader, version 4.0, at 0x", "a real .NET ahead of time")
    evidence = [row["evidence"] for row in fixture.answer("info", "--json", core)["runtimes"]
                if row["name"] == ".NET ahead of time"]
    tap.equal([int(text.split()[-1], 16) % 4096 for text in evidence], [0x5c0],
              "a real .NET ahead of time: where its header is")


def check_none(tap):
    """A program that never made a block: that is said, and nothing is missing."""
    program = os.path.join(fixture.folder(), "signs")
    fixture.build("signs", program, "-DNONE")
    core = fixture.dump(program, "gcore", fixture.folder())
    heap = fixture.coreheap("heap", core)
    tap.ok("malloc was never called; looked for:" in heap.out
           and all("  %s: " % TITLES.get(name, name) in heap.out
                   for name in NAMES + ["glibc", "jemalloc", "mallocng", "mimalloc",
                                        "gperftools_tcmalloc"])
           and "note: malloc was never called" in heap.out,
           "none: what was looked for is listed", str(heap))
    document = fixture.answer("heap", "--json", core)
    tap.equal(({row["status"] for row in document["runtimes"]}, document["complete"]),
              ({"not found"}, True), "none: who never called malloc has no heap")


def main():
    tap = Tap()
    for case in CASES:
        for how in ("gcore", "kernel"):
            reason = links(case[1]) or fixture.why_not(how)
            if reason:
                tap.skip("%s, %s" % (case[0], how), reason)
            else:
                tap.attempt("%s, %s" % (case[0], how), check, how, case)
    tap.attempt("a real .NET ahead of time", check_native_aot)
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("none", reason)
    else:
        tap.attempt("none", check_none)
        tap.attempt("Mono as libcoreclr.so", check_mono_for_coreclr)
        tap.attempt("mimalloc's table alone", check_table_alone)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
