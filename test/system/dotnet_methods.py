#!/usr/bin/env python3
"""Names of methods, compared with what the program's own reflection says of each MethodDesc:
code that was compiled in the process, methods made at run time, stacks, delegates. And what is
damaged has no name. On the newest runtime here and, where their packages can be had, on those of
$DOTNET_RELEASES (8.0.34)."""
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import managed  # noqa: E402
from damaging import Core  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

RELEASES = os.environ.get("DOTNET_RELEASES", "8.0.34").split()
ADDRESSES_MAX = 60
SECRET = "hunter2-Quokka"


def read_list(path):
    """{MethodDesc: name} as the program wrote them down."""
    with open(path, encoding="utf-8") as file:
        rows = [line.split(" ", 1) for line in file.read().splitlines()]
    return {int(addr, 16): name for addr, name in rows}


def whatis(core, addrs):
    """{address: method} of all that are in one."""
    found = {}
    for at in range(0, len(addrs), ADDRESSES_MAX):
        results = fixture.answer("whatis", "--json", core,
                                 *["0x%x" % addr for addr in addrs[at:at + ADDRESSES_MAX]])
        found |= {int(row["addr"], 16): row["method"] for row in results["results"]
                  if row["method"]}
    return found


def word(data, core, addr):
    offset = core.offset(addr + 16)
    return struct.unpack_from("<Q", data, offset)[0] if offset else 0


def compiled(path, data, core):
    """{MethodDesc: (start, name)} of the code in heaps of the compiler: RealCodeHeader lies
    before it, and in that, behind three pointers, the MethodDesc."""
    regions = fixture.answer("address", "--regions", "--json", path)["regions"]
    addrs = [addr for row in regions if row["usage"] == "jit"
             for addr in range(int(row["addr"], 16), int(row["end"], 16), 32)]
    methods = [method for method in whatis(path, addrs).values() if method["kind"] == "JIT"]
    starts = {int(method["addr"], 16): method["name"] for method in methods}
    return {word(data, core, word(data, core, start - 8) + 24): (start, name)
            for start, name in starts.items()}


def simple(name):
    """Without the arguments of generic types, which each writes in its way."""
    while re.search(r"<[^<>]*>", name):
        name = re.sub(r"<[^<>]*>", "", name)
    return re.sub(r"`\d+|\[.*?\]", "", name)


def check_names(tap, name, found, known, dynamic):
    told = {method: text for method, (_, text) in found.items()}
    both = [method for method in told if method in known]
    wrong = [(told[method], known[method]) for method in both
             if simple(told[method]) != simple(known[method])]
    tap.ok(len(both) > 30 and not wrong, "%s: %d methods of the compiler have their names" %
           (name, len(both)), wrong[:8])
    made = {told[method] for method in dynamic if method in told}
    tap.equal(made, {"(dynamic) PlantedDynamicName", "(dynamic) SecondName"},
              "%s: dynamic methods have their names" % name)
    stubs = {text for text in told.values() if text and "IL_STUB" in text}
    tap.ok("(dynamic) IL_STUB_MulticastDelegate_Invoke" in stubs,
           "%s: stubs of the runtime have theirs" % name, sorted(stubs))


def check_stacks(tap, name, core):
    stacks = [[frame["symbol"] for frame in thread["frames"]
               if (frame["symbol"] or "").startswith("Program")]
              for thread in fixture.answer("threads", "--json", core)["threads"]]
    deep = ["Program.Wait"] + 6 * ["Program.Deep"]
    tap.equal((sum(stack[:7] == deep for stack in stacks), ["Program.Wait", "Program.Main"] in stacks),
              (2, True), "%s: stacks go through the methods they went through" % name)


def check_delegates(tap, name, core):
    rows = [row for kind in ("Sum", "Told")
            for row in fixture.records("objects", "--jsonl", "--type", kind, core)[:-1]]
    details = {fixture.answer("show", "--json", core, row["addr"])["object"]["detail"] for row in rows}
    wanted = {"calls Statics.Add", "calls Statics.OnTold", "calls Program.Instance",
              "calls Program.OnTold", "calls (dynamic) PlantedDynamicName", "calls 3 handlers"}
    tap.ok(wanted <= details, "%s: delegates say what they call" % name, sorted(map(str, details)))


def patched(path, core, changes):
    """A copy of a core with bytes at addresses replaced."""
    target = path + ".patched"
    shutil.copy(path, target)
    with open(target, "r+b") as file:
        for addr, data in changes:
            file.seek(core.offset(addr + 16))
            file.write(data)
    return target


def check_damage(tap, name, path, core, found, dynamic, known, at):
    """A name that is something else, flags that say nothing, a row of another type."""
    method = next(method for method in dynamic if method in found)
    start = found[method][0]
    for what, changes in (
            ("a pointer to no text", [(method + at, struct.pack("<Q", method))]),
            ("text", [(method + at, SECRET[:8].encode())]),
            ("flags of two kinds", [(method + at - 4, struct.pack("<I", 0xffffffff))])):
        damaged = patched(path, core, changes)
        tap.equal(whatis(damaged, [start]), {}, "%s: a dynamic method with %s has no name" %
                  (name, what))
        os.unlink(damaged)
    method = next(method for method in found if known.get(method) == "Program.Wait")
    damaged = patched(path, core, [(method, struct.pack("<H", 0xfff))])
    tap.equal(whatis(damaged, [found[method][0]]), {}, "%s: a row of another type is no name" % name)
    os.unlink(damaged)


def check(tap, name, program, createdump):
    path, where = managed.dump("createdump", program, createdump, {})
    known = read_list(os.path.join(where, "methods"))
    dynamic = read_list(os.path.join(where, "dynamic"))
    core = Core(name, path)
    with open(path, "rb") as file:
        data = file.read()
    found = compiled(path, data, core)
    check_names(tap, name, found, known, dynamic)
    check_stacks(tap, name, path)
    check_delegates(tap, name, path)
    # DynamicMethodDesc has its name there.
    check_damage(tap, name, path, core, found, dynamic, known,
                 24 if int(name.split(".")[0]) < 9 else 32)
    os.unlink(path)


def check_release(tap, release):
    program, why = managed.build("dotnet-methods", "methods", release)
    createdump = os.path.join(os.path.dirname(program or "."), "createdump")
    if not program or not os.path.exists(createdump):
        tap.skip(release, "its runtime cannot be had: " + why.strip().splitlines()[-1])
        return
    os.chmod(createdump, 0o755)
    check(tap, release, program, createdump)


def main():
    tap = Tap()
    version, runtime, program = managed.tools("dotnet-methods", "methods")
    tap.attempt(version, check, version, program, os.path.join(runtime, "createdump"))
    for release in RELEASES:
        tap.attempt(release, check_release, release)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
