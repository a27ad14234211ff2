#!/usr/bin/env python3
"""fixtures/dotnet-shown: fields, their types, offsets and contents, statics, generations and equal
strings are those that the program wrote down; contents appear with --reveal only."""
import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import damaging  # noqa: E402
import fixture  # noqa: E402
import managed  # noqa: E402
import planted  # noqa: E402
from tap import Tap  # noqa: E402

WHOLE = "Shown.Whole"
# Of the objects' contents, as text and as hidden numbers would show.
SECRETS = ["Quokka", "54321", "3000000000", "1195853639", "4702394921427289928", "-1234.5",
           "0x1234567", "0x7654321", "fedcba98", "Green", "Far", "81985529216486895", "471101"]
TOKEN, ARGUMENT = "hunter2-Quokka", "Bearer-eyJhbGciOi"


class Truth:
    def __init__(self, where):
        with open(os.path.join(where, "truth"), encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        self.rows = {kind: [row[1:] for row in rows if row[0] == kind]
                     for kind in ("field", "static", "thread", "count", "text", "code")}


def one(core, name):
    """Address of the only object of a type."""
    rows = fixture.records("objects", "--jsonl", "--type", name, core)[:-1]
    return rows[0]["addr"] if len(rows) == 1 else None


def show(core, addr, *path, options=()):
    return fixture.answer("show", "--json", "--reveal", *options, core, addr, *path)["object"]


def same_contents(core, addr, fields, field, want):
    """Whether a field holds what the program says; wants begin with what kind they are of."""
    if want == "null":
        return field["null"] and not field["target_addr"]
    if want[0] == '"':
        return field["value"] == want[1:] and field["target_count"] == len(want) - 1
    if want[0] == "=":
        return field["target_type"] == want[1:] and field["target_offset"] == 0
    if want[0] == "{":
        return field["kind"] == "struct" and field["size_bytes"] > 0
    if want[0] == "~":
        form = "f" if field["size_bytes"] == 4 else "d"
        return struct.pack(form, float(field["value"])) == struct.pack(form, float(want[1:]))
    if field["kind"] == "reference":
        boxed = show(core, addr, field["name"])
        return boxed["shape"]["kind"] == "boxed value" and \
            boxed["fields"][0]["value"] == want.split()[0]
    if field["kind"] == "struct":
        inner = {row["name"]: row["value"] for row in fields}
        return (inner[field["name"] + ".hasValue"], inner[field["name"] + ".value"]) == \
            ("true", want)
    return field["value"] == want


def check_fields(tap, core, truth):
    for name in sorted({row[0] for row in truth.rows["field"]}):
        addr = one(core, name)
        tap.ok(addr, "there is one %s" % name)
        fields = show(core, addr)["fields"]
        mine = {(row["declared_by"], row["name"]): row for row in fields if row["depth"] == 0}
        want = {(row[2], row[1]): row for row in truth.rows["field"] if row[0] == name}
        tap.same_set(mine, want, "%s: all fields, by the type that declares them" % name)
        tap.equal({key: (row["type"], row["offset"]) for key, row in mine.items()},
                  {key: (row[3], int(row[4])) for key, row in want.items()},
                  "%s: their types and offsets" % name)
        for key, row in want.items():
            tap.ok(key in mine and same_contents(core, addr, fields, mine[key], row[5]),
                   "%s: %s.%s holds %s" % (name, key[0], key[1], row[5]), mine.get(key))


def check_paths(tap, core):
    addr = one(core, WHOLE)
    fields = {row["name"]: row for row in show(core, addr)["fields"]}
    tap.equal([(fields[name]["value"], fields[name]["depth"]) for name in
               ("Cell.Row", "Cell.Tag", "Shared.First", "Nested.key")],
              [("12", 1), ("Quokka-cell", 1), ("Quokka-pair", 1), ("8 (Blue)", 1)],
              "structures are opened one level")
    for path, want in (("Cell.Inner.Second", "10"), ("Cells[1].Row", "99"), ("hidden",
                       "-81985529216486895"), ("Colour", "7 (Green)")):
        rows = show(core, addr, path)["fields"]
        tap.equal([row["value"] for row in rows], [want], "path %s" % path)
    for path, want in (("Name", "Quokka-name"), ("Jagged[0][0]", "Quokka-jagged"),
                       ("Cells[1].Tag", "Quokka-99"), ("text", "Quokka-base")):
        doc = show(core, addr, path)
        tap.equal((doc["type"], doc["text"]), ("System.String", want), "path %s" % path)
    doc = show(core, addr, "Cell")
    tap.equal((doc["addr"], doc["value"]["type"], [row["name"] for row in doc["fields"]][:2]),
              (addr, "Shown.Cell", ["Tag", "Row"]), "a path to a structure")
    for path, why in (("next.next", "null"), ("Jagged[7]", "no such element"),
                      ("nosuch", "no such field"), ("Port.x", "nothing inside"),
                      ("Cells[", "write it as"), ("Cells[1", "write it as")):
        bad = fixture.coreheap("show", core, addr, path)
        tap.ok(bad.code == 2 and why in bad.err and not bad.out, "path %s is refused" % path, bad)


def check_arrays(tap, core):
    addr = one(core, WHOLE)
    grid = show(core, addr, "Grid")
    tap.equal((grid["type"], [row["length"] for row in grid["shape"]["dimensions"]],
               [row["name"] for row in grid["fields"]]),
              ("System.Int32[,]", [2, 3], ["[%d,%d]" % (i, j) for i in range(2)
                                           for j in range(3)]), "an array of rank 2")
    bounded = show(core, addr, "Bounded")
    tap.equal((bounded["type"], bounded["shape"]["dimensions"],
               [row["name"] for row in bounded["fields"]]),
              ("System.Int32[*]", [{"length": 4, "lower_bound": 2}],
               ["[%d]" % i for i in range(2, 6)]), "an array that begins at 2")
    large = fixture.records("objects", "--jsonl", "--gen", "loh", "--type", "Shown.Big[]",
                            core)[:-1]
    tap.ok(len(large) == 1 and large[0]["size_bytes"] > 50000 * 16, "a large one", large)
    doc = fixture.answer("show", "--json", "--limit", "5", core, large[0]["addr"])["object"]
    tap.equal((doc["generation"], doc["shape"]["count"], doc["items_shown_count"],
               len([row for row in doc["fields"] if row["depth"] == 0])), ("LOH", 50000, 5, 5),
              "its first elements")


def check_calls(tap, core):
    addr = one(core, WHOLE)
    call = show(core, addr, "Call")
    tap.ok(call["detail"] and call["detail"].startswith("calls Shown.Whole+<>c."),
           "a delegate says what it calls", call["detail"])
    tap.ok([row for row in call["fields"] if row["name"] == "_target" and
            row["target_type"] == "Shown.Whole+<>c"], "and on what", call["fields"])


def check_code(tap, core, truth):
    """Methods of the runtime's own addresses: those of return, so the call is before them."""
    rows = truth.rows["code"]
    named = {"ReadyToRun": 0, "JIT": 0}
    found = fixture.answer("whatis", "--json", core,
                           *["0x%x" % (int(row[0], 16) - 1) for row in rows])["results"]
    for (addr, kind, method), row in zip(rows, found):
        parts = re.match(r"(.*)\+0x[0-9a-f]+ \((ReadyToRun|JIT)\)$", row["answer"])
        name = re.escape(kind) + "(<.*>)?" + re.escape("." + method)
        tap.ok(parts and re.fullmatch(name, parts.group(1)),
               "code of %s.%s" % (kind, method), "%s %s" % (addr, row["answer"]))
        if parts:
            named[parts.group(2)] += 1
    tap.ok(min(named.values()) > 2, "compiled here, and come compiled", named)


def check_statics(tap, core, truth):
    rows = show(core, one(core, "Shown.Holder"), options=["--statics"])["fields"]
    named = show(core, "Shown.Holder", options=["--statics"])
    tap.equal((named["addr"], named["type"], named["fields"]), (None, "Shown.Holder", rows),
              "a type may be asked for by its name")
    table = named["shape"]["detail"]["method_table_addr"]
    tap.equal(show(core, table, options=["--statics"]), named, "or by its method table")
    # A class that is static has no objects.
    rows += show(core, "Shown.Kept", options=["--statics"])["fields"]
    mine = {(row["declared_by"], row["name"]): row for row in rows
            if row["depth"] == 0 and not row["thread"]}
    for name, field, kind, want in truth.rows["static"]:
        row = mine.get((name, field), {})
        tap.ok(row and row["type"] == kind and row["static"] and
               same_contents(core, None, rows, row, want),
               "static %s.%s holds %s" % (name, field, want), row)
    cell = {row["name"]: row["value"] for row in rows if row["depth"] == 1}
    tap.equal((cell.get("s_cell.Row"), cell.get("s_cell.Tag")), ("55", "Quokka-boxed"),
              "a static structure is opened, too")
    own = [row for row in rows if row["name"] == "t_length" and row["value"] != "0"]
    tap.equal(sorted(row["value"] for row in own), sorted(row[3] for row in truth.rows["thread"]),
              "each thread has its own number")
    own = [row for row in rows if row["name"] == "t_text" and row["value"]]
    threads = fixture.answer("threads", "--json", core)["threads"]
    tap.equal(sorted(row["value"] for row in own), sorted(row[2] for row in truth.rows["thread"]),
              "and its own text")
    tap.ok(len({row["thread"] for row in own}) == 2 and
           {row["thread"] for row in own} <= {thread["tid"] for thread in threads},
           "threads are those of the process", own)


def check_generations(tap, core, truth):
    rows = fixture.answer("types", "--json", "--by-gen", core)
    whole = fixture.answer("types", "--json", core)
    tap.equal((rows["total_count"], rows["total_bytes"]),
              (whole["total_count"], whole["total_bytes"]), "generations add up to the whole")
    by_gen = {(row["name"], row["generation"]): row["count"] for row in rows["types"]}
    for count, name, generation in truth.rows["count"]:
        tap.equal(by_gen.get((name, "gen" + generation), 0), int(count),
                  "%s %s in generation %s" % (count, name, generation))
        only = fixture.answer("types", "--json", "--mt", name, "--gen", generation, core)
        tap.equal(sum(row["count"] for row in only["types"]), int(count),
                  "the same with --gen %s" % generation)
        found = fixture.records("objects", "--jsonl", "--type", name, "--gen", generation, core)
        tap.equal((len(found) - 1, {row["generation"] for row in found[:-1]} <=
                   {"gen" + generation}), (int(count), True), "the same of objects")
    large = fixture.answer("types", "--json", "--min", "800000", "--state", "used", core)
    tap.ok("Shown.Big[]" in [row["name"] for row in large["types"]] and
           all(row["smallest_bytes"] >= 800000 for row in large["types"]), "--min takes the large")
    table = show(core, one(core, WHOLE))["shape"]["detail"]["method_table_addr"]
    tap.equal([row["name"] for row in fixture.answer("types", "--json", "--mt", table,
                                                     core)["types"]], [WHOLE],
              "a type by its method table")


def check_strings(tap, core, truth):
    doc = fixture.answer("types", "--json", "--strings", "--reveal", core)
    rows = {row["text"]: row for row in doc["strings"]}
    for count, text in truth.rows["text"]:
        row = rows.get(text, {})
        tap.equal((row.get("count"), row.get("characters_count"), row.get("waste_bytes")),
                  (int(count), len(text), (int(count) - 1) * row.get("each_bytes", 0)),
                  "%s strings are %s" % (count, text))
    whole = [row for row in fixture.answer("types", "--json", core)["types"]
             if row["name"] == "System.String"]
    tap.equal((doc["total_count"], doc["total_bytes"]),
              (whole[0]["count"], whole[0]["total_bytes"]), "all strings are compared")
    tap.equal((sum(row["count"] for row in doc["strings"]), len(doc["strings"]),
               sum(row["waste_bytes"] for row in doc["strings"])),
              (doc["total_count"], doc["distinct_count"], doc["waste_bytes"]), "rows add up")


def check_silence(tap, core):
    addr = one(core, WHOLE)
    holder = one(core, "Shown.Holder")
    runs = [("show", core, addr), ("show", core, addr, "Cell"), ("show", core, addr, "Name"),
            ("show", core, addr, "Cells"), ("show", core, addr, "Map"), ("show", core, addr, "Grid"),
            ("show", core, addr, "Colour"), ("show", core, addr, "Jagged"),
            ("show", core, addr, "Boxed"), ("show", core, addr, "Call"),
            ("show", "--statics", core, holder), ("show", "--statics", core, "Shown.Kept"),
            ("show", "--statics", core, addr),
            ("types", "--strings", core), ("types", "--by-gen", core),
            ("objects", "--type-part", "Shown", core)]
    for run in runs:
        for form in ([], ["--json"], ["--plain"]):
            result = fixture.coreheap(run[0], *form, *run[1:])
            text = (result.out + result.err).replace(core, "").replace(addr, "")
            tap.ok(result.code == 0 and not [word for word in SECRETS if word in text],
                   "no contents: %s" % " ".join([run[0], *form, *run[2:]]),
                   [word for word in SECRETS if word in text])


def check_everything(tap, core):
    """Strings of objects, of the environment and of the arguments, in whatever is asked."""
    words = ["Quokka-name", "Quokka-static", TOKEN, ARGUMENT]
    with open(core, "rb") as file:
        data = file.read()
    tap.ok(all(sum(planted.lies_in(data, word)) for word in words), "secrets are in the core")
    count, bad = planted.shown(core, words, None if fixture.WHOLE else planted.questions(core, 0))
    tap.ok(count > 60 and not bad, "%d answers show none of them" % count, "\n".join(bad[:5]))


def check_damage(tap, core):
    """Types whose tables are damaged are shown as well as may be, and every run ends."""
    addr = one(core, WHOLE)
    detail = show(core, addr)["shape"]["detail"]
    places = [(int(detail[key], 16), size) for key, size in
              (("method_table_addr", 64), ("eeclass_addr", 80))]
    loads = damaging.Core("shown", core).loads

    def offset(at):
        return [off + at - vaddr for vaddr, bytes_, off, _ in loads
                if vaddr <= at < vaddr + bytes_][0]

    rng = random.Random(5)
    with open(core, "r+b") as file:
        file.seek(offset(places[1][0] + 24))
        places += [(struct.unpack("<Q", file.read(8))[0], 16 * 30), (int(addr, 16), 300)]
        bad = []
        for _ in range(60 if fixture.WHOLE else 20):
            start, size = rng.choice(places)
            at = offset(start + rng.randrange(size))
            file.seek(at)
            old = file.read(8)
            file.seek(at)
            file.write(rng.choice([bytes([old[0] ^ 1 << rng.randrange(8)]) + old[1:], bytes(8),
                                   b"\xff" * 8, struct.pack("<Q", rng.choice(places)[0])]))
            file.flush()
            for option in ("--reveal", "--statics"):
                done = fixture.run_bounded([damaging.binary(), "show", option, core, addr], 60)
                if done.returncode not in (0, 2):
                    bad.append((hex(start), at, done.returncode, done.stderr[-2000:]))
            file.seek(at)
            file.write(old)
            file.flush()
    tap.equal(bad[:1], [], "damaged types end in an answer")


def check(tap, program, createdump):
    core, where = managed.dump("createdump", program, createdump, {"TOKEN": TOKEN}, [ARGUMENT])
    truth = Truth(where)
    check_fields(tap, core, truth)
    check_paths(tap, core)
    check_arrays(tap, core)
    check_calls(tap, core)
    check_code(tap, core, truth)
    check_statics(tap, core, truth)
    check_generations(tap, core, truth)
    check_strings(tap, core, truth)
    check_silence(tap, core)
    check_everything(tap, core)
    check_damage(tap, core)
    os.unlink(core)


def main():
    _, folder, program = managed.tools("dotnet-shown", "shown")
    tap = Tap()
    tap.attempt("shown", check, program, os.path.join(folder, "createdump"))
    sys.exit(tap.done())


main()
