#!/usr/bin/env python3
"""modules: what was loaded where, as the program's own dynamic linker says;
build-ids as readelf and elfutils read them; files found, refused and missing."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import frames  # noqa: E402
from fixture import answer  # noqa: E402
from tap import Tap  # noqa: E402

VARIANTS = {
    "plain": [],
    "stripped": ["-s"],
    "no-pie": ["-no-pie"],
    "static": ["-static"],
    "static-pie": ["-static-pie"],
    "no build-id": ["-Wl,--build-id=none"],
}
VDSO = "linux-vdso.so.1"


def modules_of(core, *options):
    doc = answer("modules", core, "--json", *options)
    return doc, {int(module["addr"], 16): module for module in doc["modules"]}


def executable(core, *options):
    doc, modules = modules_of(core, *options)
    exes = [module for module in modules.values() if module["image"] == "exe"]
    if len(exes) != 1:
        raise RuntimeError("%d executables" % len(exes))
    return doc, exes[0]


def warnings(doc, code):
    return [row["message"] for row in doc["warnings"] if row["code"] == code]


def check_variant(tap, name, how, dump):
    label = "%s, %s: " % (name, how)
    _, modules = modules_of(dump.core)
    tap.same_set(modules, [module["start"] for module in dump.truth.modules],
                 label + "starts are the linker's")
    for module in dump.truth.modules:
        mine = modules.get(module["start"])
        if not mine:
            continue
        if module["name"] == VDSO:
            tap.equal((mine["image"], mine["match"]), ("vdso", "in-core"), label + "the vdso")
            continue
        path = dump.program if not module["name"] else os.path.realpath(module["name"])
        tap.equal(int(mine["end"], 16), module["end"],
                  label + "the linker's end of " + os.path.basename(path))
        tap.equal(mine["build_id"], frames.build_id(path),
                  label + "readelf's build-id of " + os.path.basename(path))
        match = "matched" if frames.build_id(path) else "likely"
        tap.equal((mine["match"], os.path.realpath(mine["matched_file"] or "")),
                  (match, os.path.realpath(path)), label + "file of " + os.path.basename(path))
        if not module["name"]:
            tap.equal(mine["image"], "exe", label + "the executable is told apart")
            tap.equal(mine["bss_bytes"], dump.truth.bss[1] - dump.truth.bss[0],
                      label + "bytes of bss")


def test_variants(tap):
    for how in ("kernel", "gcore"):
        for name, flags in VARIANTS.items():
            reason = fixture.why_not(how)
            if reason:
                tap.skip("%s, %s" % (name, how), reason)
            else:
                check_variant(tap, name, how, frames.Dump(how, flags))


def test_without_first_pages(tap):
    """Filter 0x23 leaves ELF headers out: there is no build-id in the core."""
    reason = fixture.kernel_dumps()
    if reason:
        tap.skip("filter 0x23", reason)
        return
    dump = frames.Dump("kernel", coredump_filter=0x23)
    doc, modules = modules_of(dump.core)
    tap.same_set(modules, [module["start"] for module in dump.truth.modules],
                 "filter 0x23: starts are the linker's")
    tap.equal([module["build_id"] for module in modules.values() if module["image"] != "vdso"],
              [None] * (len(modules) - 1), "filter 0x23: no build-id is made up")
    tap.equal({module["match"] for module in modules.values()}, {"likely", "in-core"},
              "filter 0x23: files with the same dynamic section are likely")
    tap.ok(warnings(doc, "file-likely"), "filter 0x23: says what that rests on")
    # another build of the same program at the same place
    fixture.build("frames", dump.program, "-O2", "-DANOTHER")
    doc, exe = executable(dump.core)
    tap.equal((exe["match"], exe["matched_file"]), ("mismatched", None),
              "filter 0x23: another build is refused by its dynamic section")
    tap.ok(warnings(doc, "build-id-mismatch"), "filter 0x23: and that is said")


def test_other_builds(tap):
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("replaced and deleted executables", reason)
        return
    dump = frames.Dump("gcore")
    name = os.path.basename(dump.program)
    kept = shutil.move(dump.program, os.path.join(fixture.folder(), name))
    _, exe = executable(dump.core)
    tap.equal((exe["match"], exe["matched_file"], exe["path"]), ("missing", None, dump.program),
              "a file that is gone is missing")

    fixture.build("frames", dump.program, "-O2")
    doc, exe = executable(dump.core)
    tap.equal((exe["match"], exe["matched_file"]), ("mismatched", None),
              "another build at the recorded path is not used")
    found = warnings(doc, "build-id-mismatch")
    tap.ok(len(found) == 1 and frames.build_id(kept) in found[0] and
           frames.build_id(dump.program) in found[0], "the warning has both build-ids", found)

    doc, exe = executable(dump.core, "--exe", kept)
    tap.equal((exe["match"], exe["matched_file"]), ("matched", kept), "--exe gives the file")
    tap.equal(warnings(doc, "build-id-mismatch"), [], "a file that matches ends the search")
    doc, exe = executable(dump.core, "--exe", dump.program)
    tap.ok(exe["match"] == "mismatched" and warnings(doc, "exe-not-used"),
           "--exe with another build is refused", doc["warnings"])
    doc, exe = executable(dump.core, "--exe", "/nonexistent")
    tap.ok(warnings(doc, "exe-not-used"), "--exe with no file is said", doc["warnings"])

    root = fixture.folder()
    os.makedirs(root + os.path.dirname(dump.program))
    shutil.copy(kept, root + dump.program)
    for where, what in ((root, "the whole path"), (os.path.dirname(kept), "the bare name")):
        doc, exe = executable(dump.core, "--sysroot", where)
        tap.ok(exe["match"] == "matched" and exe["matched_file"].startswith(where),
               "--sysroot by " + what, exe)
        tap.equal(warnings(doc, "build-id-mismatch"), [],
                  "--sysroot by %s: the other build does not matter" % what)
    debug = fixture.folder()
    ident = frames.build_id(kept)
    os.makedirs(os.path.join(debug, ".build-id", ident[:2]))
    shutil.copy(kept, os.path.join(debug, ".build-id", ident[:2], ident[2:]))
    _, exe = executable(dump.core, "--debug-dir", debug)
    tap.equal(exe["match"], "matched", "--debug-dir by build-id")


def test_deleted(tap):
    reason = fixture.why_not("gcore")
    if reason:
        tap.skip("an executable deleted while it ran", reason)
        return
    dump = frames.Dump("gcore", ready=os.unlink)
    _, exe = executable(dump.core)
    tap.equal((exe["path"], exe["match"]), (dump.program + " (deleted)", "missing"),
              "deleted: recorded as such and missing")
    tap.ok(exe["build_id"], "deleted: its build-id is in the core")
    fixture.build("frames", dump.program)
    _, exe = executable(dump.core)
    tap.equal((exe["match"], exe["matched_file"]), ("matched", dump.program),
              "deleted: the same build put back is found")


def test_truncated(tap):
    """Cut after the notes: NT_FILE still says what was mapped."""
    for name in fixture.checked_in():
        core = fixture.unpack(name)
        _, whole = modules_of(core)
        cut = os.path.join(fixture.folder(), "core")
        with open(core, "rb") as source, open(cut, "wb") as target:
            target.write(source.read(1 << 16))
        doc, modules = modules_of(cut)
        tap.same_set(modules, whole, name + ": cut after the notes, all modules are listed")
        tap.equal((doc["complete"], [module["build_id"] for module in modules.values()
                                     if module["image"] not in ("exe", "vdso")]),
                  (False, [None] * (len(modules) - 2)),
                  name + ": cut after the notes, build-ids are not known")


def test_against_elfutils(tap):
    if not shutil.which("eu-unstrip"):
        tap.skip("build-ids agree with eu-unstrip", "elfutils is not installed")
        return
    for name in fixture.checked_in():
        core = fixture.unpack(name)
        out = subprocess.run(["eu-unstrip", "-n", "--core", core], capture_output=True, text=True,
                             check=False, env={**os.environ, "DEBUGINFOD_URLS": ""}).stdout
        want = {}
        for line in out.splitlines():
            place, ident = line.split()[:2]
            want[int(place.split("+")[0], 16)] = ident.split("@")[0]
        _, modules = modules_of(core)
        tap.equal({addr: module["build_id"] for addr, module in modules.items()}, want,
                  name + ": addresses and build-ids are eu-unstrip's")


def main():
    tap = Tap()
    for test in (test_variants, test_without_first_pages, test_other_builds, test_deleted,
                 test_truncated, test_against_elfutils):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
