#!/usr/bin/env python3
"""fixtures/declared: types and variables by debug information are what the program itself says of
their sizes, offsets and addresses."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

SOURCE = os.path.join(repo(), "fixtures", "declared")
CTYPES = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "test", "debug",
                      "ctypes")


def rows(core, *names):
    env = {"COREHEAP_DEBUG_DIR": os.path.dirname(core)}
    done = fixture.run_bounded([CTYPES, core, *names], 120, env=env)
    return [line.split("\t") for line in done.stdout.decode().splitlines()], done.stderr.decode()


def truth_of(where):
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def layout(core, names):
    """Sizes of types, and offset and size of each of their members, as the library reads them."""
    types, members, current = {}, {}, None
    for row in rows(core, *names)[0]:
        if row[0] == "type":
            current = row[1]
            types[current] = row[3]
        elif row[0] == "member":
            members[current, row[1]] = (row[2], row[5])
    return types, members


def check(tap, name, core, where):
    truth = truth_of(where)
    names = [row[1] for row in truth if row[0] == "type"]
    types, members = layout(core, names)
    tap.equal({n: types.get(n) for n in names},
              {row[1]: row[2] for row in truth if row[0] == "type"}, name + ": sizes")
    wanted = {(row[1], row[2]): (row[3], row[4]) for row in truth if row[0] == "member"}
    tap.equal({key: members.get(key) for key in wanted}, wanted, name + ": members")
    found = {(row[2], row[0]): (row[5], row[4]) for row in rows(core)[0]}
    wanted = {(row[1], row[2]): (row[3], row[4]) for row in truth if row[0] == "variable"}
    tap.equal({key: found.get(key) for key in wanted}, wanted, name + ": variables")


C = ("declared.c", "elsewhere.c")
CXX = ("classes.cc", "classes_more.cc")


def build(compiler, sources, *flags):
    """The program, each unit compiled on its own, in a folder of its own."""
    where = fixture.folder()
    for source in sources:
        subprocess.run([*compiler.split(), "-fno-builtin", *flags, "-c",
                        os.path.join(SOURCE, source)], check=True, cwd=where)
    objects = [source.rsplit(".", 1)[0] + ".o" for source in sources]
    subprocess.run([*compiler.split(), *flags, "-Wl,--build-id", "-o", "declared", *objects],
                   check=True, cwd=where)
    return os.path.join(where, "declared")


def run(tool, *args, cwd=None):
    subprocess.run([tool, *args], check=True, cwd=cwd, stdout=subprocess.DEVNULL)


# ---- What is done to a program that was built: where its debug information goes ------------


def plain(_program):
    pass


def dwz(program):
    run("dwz", program)


def dwz_shared(program):
    """What two programs have in common goes to a third file."""
    shutil.copy(program, program + "-2")
    run("dwz", "-m", program + ".common", "-r", program, program + "-2")


def package(program):
    where = os.path.dirname(program)
    run("dwp", "-e", program, cwd=where)
    for path in glob.glob(os.path.join(where, "*.dwo")):
        os.remove(path)


def linked(program):
    """By name and checksum, in a program without a build-id to go by."""
    run("objcopy", "--only-keep-debug", program, program + ".debug")
    run("strip", "-g", program)
    run("objcopy", "--add-gnu-debuglink=" + program + ".debug", program)


def packed(program):
    run("objcopy", "--compress-debug-sections", program)


def by_build_id(program):
    notes = subprocess.run(["readelf", "-n", program], check=True, capture_output=True, text=True)
    number = re.search("Build ID: ([0-9a-f]+)", notes.stdout).group(1)
    folder = os.path.join(os.path.dirname(program), ".build-id", number[:2])
    os.makedirs(folder)
    run("objcopy", "--only-keep-debug", program, os.path.join(folder, number[2:] + ".debug"))
    run("strip", "-g", program)


# Name, compiler, sources, flags, what is done then, the tool that it takes.
CASES = [
    ("C -O0", "cc", C, "-O0 -g", plain),
    ("C -O2, DWARF 4", "cc", C, "-O2 -g -gdwarf-4", plain),
    ("C -O3, DWARF 2", "cc", C, "-O3 -g -gdwarf-2 -gstrict-dwarf", plain),
    ("C -O1, DWARF 3", "cc", C, "-O1 -g -gdwarf-3", plain),
    ("C 64-bit DWARF", "cc", C, "-O1 -g -gdwarf64", plain),
    ("C link-time optimisation", "cc", C, "-O2 -g -flto", plain),
    ("C type units, DWARF 4", "cc", C, "-g -gdwarf-4 -fdebug-types-section", plain),
    ("C type units, DWARF 5", "cc", C, "-g -gdwarf-5 -fdebug-types-section", plain),
    ("C split, DWARF 4", "cc", C, "-g -gdwarf-4 -gsplit-dwarf", plain),
    ("C split, DWARF 5", "cc", C, "-g -gdwarf-5 -gsplit-dwarf", plain),
    ("C compressed", "cc", C, "-O1 -g", packed),
    ("C dwz", "cc", C, "-O1 -g", dwz),
    ("C dwz of two", "cc", C, "-O1 -g", dwz_shared),
    ("C debug link", "cc", C, "-O1 -g", linked),
    ("C build-id", "cc", C, "-O1 -g", by_build_id),
    ("C clang -O0", "clang", C, "-O0 -g", plain),
    ("C clang -O2, DWARF 4", "clang", C, "-O2 -g -gdwarf-4", plain),
    ("C clang split", "clang", C, "-O1 -g -gsplit-dwarf", plain),
    ("C clang type units", "clang", C, "-O1 -g -gdwarf-5 -fdebug-types-section", plain),
    ("C++ -O0", "c++", CXX, "-O0 -g", plain),
    ("C++ -O2, DWARF 4", "c++", CXX, "-O2 -g -gdwarf-4", plain),
    ("C++ link-time optimisation", "c++", CXX, "-O2 -g -flto", plain),
    ("C++ type units", "c++", CXX, "-O1 -g -fdebug-types-section", plain),
    ("C++ split with type units", "c++", CXX, "-g -gsplit-dwarf -fdebug-types-section", plain),
    ("C++ package, DWARF 4", "c++", CXX, "-g -gdwarf-4 -gsplit-dwarf -fdebug-types-section",
     package),
    ("C++ dwz", "c++", CXX, "-O1 -g", dwz),
    ("C++ clang -O0", "clang++", CXX, "-O0 -g -fstandalone-debug", plain),
    ("C++ clang -O2, type units", "clang++", CXX, "-O2 -g -fdebug-types-section -fstandalone-debug",
     plain),
]
TOOLS = {dwz: "dwz", dwz_shared: "dwz", package: "dwp"}


def compiler_of(name):
    ours = {"cc": os.environ.get("CC") or "cc", "c++": os.environ.get("CXX") or "c++"}
    return ours.get(name, name)


def why_not(compiler, then):
    for tool in (compiler.split()[0], TOOLS.get(then)):
        if tool and not shutil.which(tool):
            return tool + " is not installed"
    return None


def one_case(tap, name, compiler, sources, flags, then):
    program = build(compiler, sources, *flags.split())
    then(program)
    # where the compiler and what came then have put their files
    where = os.path.dirname(program)
    check(tap, name, fixture.dump(program, "kernel", where), where)


def no_types(tap):
    """With -g1 there are functions and lines."""
    program = build(compiler_of("cc"), C, "-g1")
    where = os.path.dirname(program)
    core = fixture.dump(program, "kernel", where)
    tap.equal(rows(core, "order")[0], [["none", "order"]], "-g1: there are no types")


def other_build(tap):
    """A debug file in the right place that is another program's."""
    program = build(compiler_of("cc"), C, "-O1", "-g")
    by_build_id(program)
    where = os.path.dirname(program)
    right, = glob.glob(os.path.join(where, ".build-id", "*", "*.debug"))
    wrong = build(compiler_of("cc"), C, "-O0", "-g", "-DOTHER")
    run("objcopy", "--only-keep-debug", wrong, right)
    core = fixture.dump(program, "kernel", where)
    tap.equal(rows(core, "order")[0], [["none", "order"]], "a debug file of another build")


LOCALS = [("-O0", "cc", "-O0 -g"), ("-O2", "cc", "-O2 -g"), ("-O1, DWARF 4", "cc", "-O1 -g -gdwarf-4"),
          ("-O2, split", "cc", "-O2 -g -gsplit-dwarf"), ("clang -O0", "clang", "-O0 -g"),
          ("clang -O2", "clang", "-O2 -g")]


def found_locals(core):
    """Address and value of each variable of a function of ours; 0: in no memory."""
    found = {}
    for row in rows(core, "--locals")[0]:
        if len(row) != 6 or "::" not in row[2]:
            continue
        _, _, name, how, number, declared = row
        found.setdefault(name, []).append((how, int(number, 16), declared))
    return found


def locals_of(tap, name, compiler, flags):
    """What is said of a variable is true; those in memory and in registers that calls keep are
    found at any optimisation."""
    program = build(compiler_of(compiler), ("locals.c",), *flags.split())
    where = os.path.dirname(program)
    core = fixture.dump(program, "kernel", where)
    found = found_locals(core)
    wrong, seen = [], set()
    for _, function, local, addr, value in truth_of(where):
        for how, number, declared in found.get(function + "::" + local, []):
            seen.add(local)
            good = number == int(value, 16) if how == "value" else \
                addr == "0" or number == int(addr, 16)
            if not good or declared != ("table" if local == "table" else "node *"):
                wrong.append((local, how, hex(number), declared))
    tap.equal(wrong, [], "locals %s: none is wrong" % name)
    wanted = {"given", "next", "current", "table", "whole", "first"} if "-O0" in flags \
        else {"table", "whole", "first"}
    tap.equal(wanted - seen, set(), "locals %s: they are found" % name)


def shown(tap):
    """`show` has the fields where the compiler put them, and chains call them by name."""
    program = build(compiler_of("c++"), CXX, "-O1", "-g")
    where = os.path.dirname(program)
    core = fixture.dump(program, "kernel", where)
    truth = truth_of(where)
    wanted = {row[2]: (int(row[3]), int(row[4])) for row in truth
              if row[:2] == ["member", "shop::Order"]}
    layout = fixture.answer("show", "--json", core, "shop::Order")["object"]
    found = {row["name"]: (row["offset"], row["size_bytes"]) for row in layout["fields"]}
    tap.equal({name: found.get(name) for name in wanted}, wanted, "show TYPE: its layout")
    size, = [int(row[2]) for row in truth if row[:2] == ["type", "shop::Order"]]
    covered = bytearray(size)
    for row in layout["fields"]:
        if not row["depth"]:
            covered[row["offset"]:row["offset"] + row["size_bytes"]] = \
                b"x" * row["size_bytes"]
    tap.equal(bytes(covered), b"x" * size, "show TYPE: with its holes it is all of it")
    (_, _, addr, hidden), = [row for row in truth if row[0] == "object"]
    doc = fixture.answer("show", "--json", core, addr)["object"]
    found = {row["name"]: (row["offset"], row["size_bytes"]) for row in doc["fields"]}
    tap.equal({name: found.get(name) for name in wanted}, wanted, "show ADDR: its fields")
    target, = [row["target_addr"] for row in doc["fields"] if row["name"] == "hidden"]
    tap.equal(target, hidden, "show ADDR: what a pointer leads to")
    inner = fixture.answer("show", "--json", core, addr, "ring.items[1]")["object"]
    tap.equal([(row["name"], row["type"], row["offset"]) for row in inner["fields"]][:2],
              [("order", "shop::Order *", 0), ("count", "int", 8)],
              "show ADDR PATH: an element of an array in place")
    chains = fixture.answer("roots", "--json", core, hidden)["chains"]
    places = {step.get("field") for chain in chains for step in chain["path"]}
    tap.ok(".hidden" in places, "roots: the field that leads to a block", chains)


def roots_named(tap):
    """Roots in variables are called by their fields and elements."""
    program = build(compiler_of("cc"), C, "-O1", "-g")
    where = os.path.dirname(program)
    core = fixture.dump(program, "kernel", where)
    (_, _, addr, _), = [row for row in truth_of(where) if row[0] == "object"]
    chains = fixture.answer("roots", "--json", core, addr)["chains"]
    fields = {(chain["root"]["symbol"], chain["root"]["field"]) for chain in chains}
    tap.ok({("all_orders", "[1]"), ("first_order", None)} <= fields,
           "roots: the element of an array that is one", fields)


def main():
    tap = Tap()
    reason = fixture.why_not("kernel")
    if reason:
        tap.skip("debug", reason)
        sys.exit(tap.done())
    for name, compiler, sources, flags, then in CASES:
        compiler = compiler_of(compiler)
        reason = why_not(compiler, then)
        if reason:
            tap.skip(name, reason)
        else:
            tap.attempt(name, one_case, name, compiler, sources, flags, then)
    for name, compiler, flags in LOCALS:
        if shutil.which(compiler_of(compiler).split()[0]):
            tap.attempt("locals " + name, locals_of, name, compiler, flags)
        else:
            tap.skip("locals " + name, compiler + " is not installed")
    tap.attempt("no types", no_types)
    tap.attempt("another build", other_build)
    tap.attempt("show", shown)
    tap.attempt("roots", roots_named)
    sys.exit(tap.done())


main()
