"""fixtures/recorded on some malloc: its blocks, its sums and what is asked of them."""
import bisect
import os
import shutil
import subprocess

import fixture
import truth
from tap import repo

def library(*names):
    """Path of the first of these shared libraries that the linker finds, or None."""
    for name in names:
        done = subprocess.run([os.environ.get("CC") or "cc", "-print-file-name=" + name],
                              capture_output=True, text=True, check=False)
        if os.path.isabs(done.stdout.strip()):
            return done.stdout.strip()
    return None


def build(flags=()):
    program = os.path.join(fixture.folder(), "recorded")
    fixture.build("recorded", program, *flags, "-ldl")
    return program


def labels(where):
    """{address: label} of the live blocks."""
    with open(os.path.join(where, "live"), encoding="ascii") as file:
        return {int(fields[0], 16): fields[3] for fields in map(str.split, file)}


class Used:
    """Used blocks of the program: {address: bytes}."""

    def __init__(self, core):
        rows, _ = truth.objects(core, "used")
        self.sizes = {truth.number(row["addr"]): row["size_bytes"] for row in rows
                      if row["kind"] == "object"}
        self.starts = sorted(self.sizes)

    def holding(self, addr, size):
        """The block that has an aligned one at its end, or None."""
        at = bisect.bisect_right(self.starts, addr) - 1
        start = self.starts[at]
        return start if at >= 0 and addr + size == start + self.sizes[start] else None


def library_cases(library):
    """(name, flags, whether the library is preloaded, how it is dumped, arguments)."""
    return [("preloaded", [], True, "kernel", []),
            ("linked, stripped", ["-Wl,--no-as-needed", library, "-s"], False, "gcore", []),
            ("one thread", [], True, "gcore", ["one-thread"])]


def check_library(tap, path, check_more, check_damages, **expected):
    """The program on an allocator in a shared library. check_more: what else is to be true of a
    core; check_damages: given a core with one thread and where it ran."""
    cores = []
    for name, flags, preloaded, how, arguments in library_cases(path):
        title = "%s, %s" % (name, how)
        reason = fixture.why_not(how)
        if reason:
            tap.skip(title, reason)
            continue
        where = fixture.folder()
        core = fixture.dump(build(flags), how, where, arguments,
                            env={"LD_PRELOAD": path} if preloaded else {})
        check_blocks(tap, core, where, title, **expected)
        check_sums(tap, core, title)
        check_more(tap, core, title)
        cores.append((core, where, bool(arguments)))
    many = [(core, where) for core, where, is_one in cores if not is_one]
    one = [(core, where) for core, where, is_one in cores if is_one]
    if many:
        tap.attempt("graph", check_graph, *many[0], "many threads", expected.get("others", 0))
    if many and one:
        tap.attempt("diff", check_diff, one[0][0], many[0][0], "one and many threads")
    if one:
        tap.attempt("damage", check_damages, *one[0])
    tap.attempt("classes of C++", check_classes, path)
    for core, _, _ in cores:
        os.unlink(core)


def check_blocks(tap, core, where, name, shifted=True, others=0):
    """The used blocks are the recorded ones. shifted: an allocator may cut an aligned block out of
    a longer one, and gives out what is behind. others: so many it made by its own operator new. It
    may not know the size of the first ones yet when they are made."""
    live, kinds, used = truth.read_live(os.path.join(where, "live")), labels(where), Used(core)
    found = {}
    for addr, size in live.items():
        start = addr
        if shifted and addr not in used.sizes and kinds[addr] == "aligned":
            start = used.holding(addr, size)
        elif addr not in used.sizes or size not in (0, used.sizes[addr]):
            start = None
        found[start] = addr
    tap.equal([hex(addr) for addr in live if addr not in found.values()][:8], [],
              "%s: each recorded block is used, and of that size" % name)
    rest = [hex(addr) for addr in used.starts if addr not in found]
    tap.ok(len(rest) <= others, "%s: no other block is used" % name, str(rest[:8]))
    freed = truth.still_free(truth.read_live(os.path.join(where, "freed")), live)
    tap.ok(freed, "%s: blocks were given back" % name, str(len(freed)))


def check_sums(tap, core, name):
    """Sums close, and nothing is missing."""
    document = fixture.answer("heap", "--json", core)
    for heap in document["heaps"]:
        tap.equal((heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                   heap["unwalked_bytes"]), (heap["committed_bytes"], 0),
                  "%s: %s: used + free + overhead = committed" % (name, heap["name"]))
    tap.equal((document["complete"], document["warnings"]), (True, []),
              "%s: nothing is missing or damaged" % name)
    account = fixture.summary(core)["accounting"]
    tap.equal([row["name"] for row in account["invariants"] if not row["ok"]], [],
              "%s: the account closes" % name)


def check_graph(tap, core, where, name, others=0):
    """What is lost is lost, and what is held is held: leaks, roots, retained, names."""
    kinds = labels(where)
    lost = {addr for addr, kind in kinds.items() if kind == "lost"}
    document = fixture.answer("leaks", "--json", core)
    # What a register or a dead part of a stack still leads to is held.
    tap.ok(len(lost) - 3 <= document["unreachable_count"] <= len(lost) + others,
           "%s: what is lost is found, and nothing else" % name,
           "%d of %d" % (document["unreachable_count"], len(lost)))
    held = next(addr for addr in sorted(kinds) if kinds[addr] == "held")
    root = fixture.answer("roots", "--json", core, hex(held))["chains"][0]["root"]
    tap.ok(root["symbol"] in ("held", "passed"), "%s: roots names the variable" % name, str(root))
    rows = fixture.answer("retained", "--json", "--limit", "0", core)["rows"]
    tap.ok(hex(held) in {row["addr"] for row in rows}, "%s: retained knows the block" % name)
    types = {row["name"]: row["count"] for row in fixture.answer("types", "--json", core)["types"]}
    count = sum(kind == "held" for kind in kinds.values())
    named = sum(number for text, number in types.items() if text.startswith(("held[]", "passed[]")))
    tap.ok(count - 3 <= named <= count + 3, "%s: blocks have names by what holds them" % name,
           "%d of %d" % (named, count))


def check_classes(tap, path):
    """fixtures/classes on the allocator: objects have the names of their classes, as on glibc's. A
    size class that has room for one object more makes a name say so."""
    where = fixture.folder()
    program = os.path.join(where, "classes")
    compiler = os.environ.get("CXX") or "c++"
    how = "gcore" if fixture.why_not("gcore") is None else "kernel"
    if not shutil.which(compiler) or fixture.why_not(how):
        tap.skip("classes of C++", "no %s, or no way to dump" % compiler)
        return
    subprocess.run([compiler, "-std=c++17", "-O1", "-g", "-pthread",
                    os.path.join(repo(), "fixtures", "classes", "classes.cc"), "-o", program],
                   check=True)
    core = fixture.dump(program, how, where, env={"LD_PRELOAD": path})
    with open(os.path.join(where, "truth"), encoding="utf-8") as file:
        wanted = {fields[2].strip(): int(fields[0]) for fields in
                  (line.split(" ", 2) for line in file)}
    types = fixture.answer("types", "--json", core)["types"]
    found = {row["name"].removesuffix(" and more"): row["count"] for row in types}
    tap.ok(len(wanted) > 10, "classes of C++: the program has some")
    tap.equal({name: found.get(name) for name in wanted}, wanted,
              "classes of C++: objects have their names")
    os.unlink(core)


def check_diff(tap, smaller, larger, name):
    """Between two cores as many blocks more as there are."""
    document = fixture.answer("diff", "--json", "--all", smaller, larger)
    delta = sum(row["delta_count"] for row in document["heaps"] if row["name"].endswith(", used"))
    more = len(Used(larger).starts) - len(Used(smaller).starts)
    tap.equal((delta, document["complete"]), (more, True), "%s: diff counts what is new" % name)


def check_damage(tap, core, live, writes, most_lost, codes, name):
    """After the writes: an answer, at most so many blocks lost, and it is said."""
    before = [(addr, core.write(addr, data)) for addr, data in writes]
    document = fixture.answer("heap", "--json", core.path)
    used = Used(core.path)
    lost = [addr for addr, size in live.items()
            if addr not in used.sizes and used.holding(addr, size) is None]
    tap.ok(len(lost) <= most_lost, "damage: %s: at most %d blocks lost" % (name, most_lost),
           "lost %d" % len(lost))
    said = {warning["code"] for warning in document["warnings"]}
    tap.ok(said & set(codes), "damage: %s: is said" % name, str(sorted(said)))
    for heap in document["heaps"]:
        tap.equal(heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                  heap["committed_bytes"], "damage: %s: %s closes" % (name, heap["name"]))
    for addr, data in reversed(before):
        core.write(addr, data)
