#!/usr/bin/env python3
"""Which files of the host a core leads to: only regular ones in the system's folders, below the
core's, and where the user says; and none of them takes for ever."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from fixture import answer  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

FOREVER = 200 << 30


def executable(core, *options):
    """(the file used for the executable or None, codes of findings)."""
    document = answer("modules", "--json", *options, core)
    row = [row for row in document["modules"] if row["kind"] == "exe" or row["name"] == "blocks"][0]
    return row["matched_file"], {warning["code"] for warning in document["warnings"]}


def check_outside(tap, how, built):
    """The program ran in a folder of its own, and the core was taken elsewhere."""
    where, elsewhere = fixture.folder(), fixture.folder()
    core = fixture.dump(built, how, where)
    program = os.path.join(where, "blocks")
    tap.equal(executable(core)[0], program, "a program beside its core is used")
    moved = shutil.move(core, os.path.join(elsewhere, "core"))
    found, codes = executable(moved)
    tap.equal(found, None, "one in a folder that nobody named is not")
    tap.ok("file-outside" in codes, "and that is said", codes)
    screen = " ".join(fixture.coreheap("summary", moved).out.split())
    tap.ok("NOTE names and lines are missing: " in screen and
           "--exe names the program" in screen, "on the first screen, too", screen)
    tap.equal(executable(moved, "--exe", program)[0], program, "--exe names it")
    tap.equal("/" + executable(moved, "--sysroot", "/")[0].lstrip("/"), program,
              "--sysroot / allows all")
    tap.equal(executable(moved, "--debug-dir", where)[0], program, "--debug-dir allows a folder")
    return moved, program


def check_sysroot(tap, core, program):
    """Links below --sysroot lead to nothing outside of it."""
    root = fixture.folder()
    place = os.path.join(root, program.lstrip("/"))
    os.makedirs(os.path.dirname(place))
    shutil.copy(program, os.path.join(root, "copy"))
    for target, wanted, what in (
            (program, None, "a link to a file outside is none"),
            (os.path.relpath(program, os.path.dirname(place)), None, "nor is one by many '..'"),
            ("/copy", place, "a link from the root leads to the root of it")):
        if os.path.lexists(place):
            os.unlink(place)
        os.symlink(target, place)
        found = executable(core, "--sysroot", root)[0]
        tap.equal(found and found.replace("//", "/"), wanted, "below --sysroot: " + what)


def check_links(tap, core, program):
    """A link in the core's folder leads to no file that would not be opened by its own name."""
    folder = os.path.dirname(core)
    os.symlink(program, os.path.join(folder, "link"))
    shutil.move(program, program + ".moved")
    os.symlink(os.path.join(folder, "copy"), program)
    shutil.copy(program + ".moved", os.path.join(folder, "copy"))
    tap.equal(executable(core)[0], None, "a path outside that leads inside is not opened")


def lines_of(core):
    """(whether a frame has a line, codes of findings, seconds of the processors)."""
    before = fixture.cpu_seconds()
    document = answer("threads", "--json", core)
    frames = [frame for thread in document["threads"] for frame in thread["frames"]]
    return (any((frame.get("source") or "").startswith("blocks.c") for frame in frames),
            {warning["code"] for warning in document["warnings"]},
            fixture.cpu_seconds() - before)


def check_debug_link(tap, how, built):
    """A debug file that is found by its checksum: a real one, and one that never ends."""
    where = fixture.folder()
    program, debug = os.path.join(where, "blocks"), os.path.join(where, "blocks.debug")
    run = os.path.join(where, "run")
    os.mkdir(run)
    shutil.copy(built, program)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "--strip-debug", "-R", ".note.gnu.build-id", program], check=True)
    subprocess.run(["objcopy", "--add-gnu-debuglink=" + debug, program], check=True)
    core = fixture.dump(program, how, run)
    shutil.copy(debug, run)
    named, codes, _ = lines_of(core)
    tap.ok(named and "debug-file-not-summed" not in codes, "a debug file is found by its checksum",
           codes)
    with open(os.path.join(run, "blocks.debug"), "r+b") as file:
        file.truncate(FOREVER)
    named, codes, seconds = lines_of(core)
    tap.ok(not named and "debug-file-not-summed" in codes, "one of 200 GiB is left alone", codes)
    tap.ok(seconds < 5, "and takes no time", seconds)


def main():
    how = next((how for how in ("kernel", "gcore") if not fixture.why_not(how)), None)
    if not how:
        skip_all("cores cannot be made here: " + fixture.why_not("gcore"))
    tap = Tap()
    built = os.path.join(fixture.folder(), "blocks")
    fixture.build("blocks", built, "-Wl,--build-id=none")
    core, program = check_outside(tap, how, built)
    check_sysroot(tap, core, program)
    check_links(tap, core, program)
    tap.attempt("debug link", check_debug_link, how, built)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
