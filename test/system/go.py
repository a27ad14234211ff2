#!/usr/bin/env python3
"""fixtures/go/shop.go: the heap of a Go program is what its own ReadMemStats said right before the
dump, with symbols and without, and all of it is accounted for; of several releases of Go, too."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, repo  # noqa: E402

# Cores of stripped programs, and what those counted.
RELEASES = ["1.19", "1.21", "1.24", "1.27"]
BUILDS = [("with symbols", []), ("stripped", ["-ldflags=-s -w"])]


def read_numbers(path):
    with open(path, encoding="utf-8") as file:
        return {name: int(value) for name, value in map(str.split, file)}


def build(target, flags, source="shop.go"):
    """Compile a program; the reason why it cannot be, or None."""
    if not shutil.which("go"):
        return "no go"
    env = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
           "CGO_ENABLED": "0", "GOCACHE": os.path.join(os.path.dirname(target), "cache")}
    source = os.path.join(repo(), "fixtures", "go", source)
    subprocess.run(["go", "build", *flags, "-o", target, source], check=True, env=env)
    return None


def check_counters(tap, core, path, name):
    heap = fixture.answer("heap", "--json", core)
    truth = read_numbers(path)
    detail = heap["heaps"][0]["detail"]
    told = {key: detail.get(key) for key in truth}
    tap.equal(told, truth, name + ": the counters are those of ReadMemStats")
    tap.equal((heap["heaps"][0]["used_bytes"], heap["heaps"][0]["used_count"]),
              (truth["heap_alloc_bytes"], truth["heap_objects_count"]),
              name + ": so are the objects that the walk finds")
    tap.equal(heap["heaps"][0]["committed_bytes"],
              truth["heap_inuse_bytes"] + truth["heap_idle_bytes"],
              name + ": the heap is what is in use and what is idle")
    own = {row["name"]: row["mapped_bytes"] for row in heap["runtime_memory"]}
    tap.equal(own["goroutine stacks"], truth["stack_inuse_bytes"],
              name + ": stacks of goroutines are StackInuse")
    tap.ok(heap["complete"] and not [row for row in heap["warnings"] if row["severity"] != "note"],
           name + ": nothing is missing", str(heap["warnings"]))


def check_counts(tap, core, path, name):
    """Counts of types as the program has them; returns those of all types."""
    rows = {row["name"]: row["count"] for row in fixture.answer("types", "--live", "--json", core)
            ["types"] if row["kind"] == "object"}
    truth = read_numbers(path)
    tap.equal({key: rows.get(key, 0) for key in truth}, truth, name + ": types as it made them")
    return rows


def check_types(tap, core, path, name):
    """Names come from what the runtime recorded with large objects, and from where these lead."""
    rows = check_counts(tap, core, path, name)
    known = sum(count for key, count in rows.items() if " objects with" not in key)
    tap.ok(known * 100 >= 95 * sum(rows.values()), name + ": nearly all have a type", str(rows))


def check_graph(tap, core, name):
    """Chains go by fields; garbage is dead, and nothing is lost."""
    order = fixture.answer("objects", "--type", "main.Order", "--json", core)["objects"][0]["addr"]
    chains = json.dumps(fixture.answer("roots", "--json", core, order))
    tap.ok(".entries" in chains or ".Refs[3]" in chains or ".Order" in chains,
           name + ": a chain by fields", chains[:400])
    leaks = fixture.answer("leaks", "--json", core)
    lost = {key: row["count"] for key, row in leaks["classes"].items()}
    tap.equal((lost["directly_lost"], lost["indirectly_lost"]), (0, 0), name + ": nothing is lost")
    # ten orders of three items in one list each, made and dropped after the last collection
    tap.ok(lost["dead"] >= 10 * (1 + 1 + 3 + 1 + 3), name + ": what was dropped is dead", str(lost))


def rows_of(core, addr, *args):
    """Fields of an object by their names."""
    shown = fixture.answer("show", "--json", *args, core, addr)
    return {row["name"]: row for row in shown["object"]["fields"]}


def first(core, name):
    return fixture.answer("objects", "--type", name, "--json", core)["objects"][0]["addr"]


def check_show(tap, core, name):
    """Fields by the runtime's types: strings, slices, pointers, arrays, what interfaces have."""
    order = first(core, "main.Order")
    rows = rows_of(core, order, "--reveal")
    tap.equal([(key, row["type"], row["offset"], row["size_bytes"]) for key, row in rows.items()
               if row["depth"] == 0],
              [("ID", "string", 0, 16), ("Items", "[]*main.Item", 16, 24),
               ("Next", "*main.Order", 40, 8)], name + ": fields of an order")
    tap.ok(rows["ID"]["value"].startswith("order number 1000"), name + ": its text",
           str(rows["ID"]))
    tap.equal((rows["ID.len"]["value"], rows["Items.len"]["value"],
               rows["Items.ptr"]["target_type"]), ("20", "3", "[]*main.Item"),
              name + ": how long it is, and its list")
    shown = fixture.answer("show", "--json", "--reveal", core, order, "Items.ptr[2]")
    item = {row["name"]: row["value"] for row in shown["object"]["fields"]}
    tap.equal((shown["object"]["type"], item["SKU"], item["Price"]),
              ("main.Item", "stock keeping 100002", "2"), name + ": along a path")
    secret = rows_of(core, order)
    tap.equal({row["value"] for row in secret.values()}, {None},
              name + ": no contents without --reveal")
    shapes = rows_of(core, first(core, "[]main.Shape"), "--limit", "2")
    tap.equal((shapes["[0].data"]["type"], shapes["[0].data"]["target_type"]),
              ("*main.Square", "main.Square"), name + ": what an interface has")
    ledger = rows_of(core, first(core, "main.Ledger"))
    tap.equal([ledger["Refs[%d]" % i]["target_type"] for i in (3, 4)], ["main.Order", None],
              name + ": an array in place")


def check_unknown(tap, core, name):
    """Of what the program touched, nearly all has an owner."""
    rows = {row["native_name"]: row["touched_bytes"] or 0
            for row in fixture.answer("address", "--json", core)["by_usage"]}
    tap.ok(rows.get("anon", 0) * 20 <= sum(rows.values()), name + ": next to nothing has no owner",
           str(rows))


def count_of(core, size, *args):
    name = "%d-byte objects with pointers" % size
    rows = fixture.answer("types", *args, "--json", core)["types"]
    return sum(row["count"] for row in rows if row["name"] == name and row["kind"] == "object")


def check_stacks(tap):
    """What a waiting goroutine uses again is live; what only lies on its stack still is not."""
    where = fixture.folder()
    why = build(os.path.join(where, "held"), ["-ldflags=-s -w"], "held.go") or \
        fixture.kernel_dumps()
    if why:
        tap.skip("goroutines that hold objects", why)
        return
    core = fixture.dump(os.path.join(where, "held"), "kernel", where)
    tap.equal((count_of(core, 352), count_of(core, 352, "--live")), (50, 50),
              "stacks: what is used again is live")
    tap.ok(count_of(core, 256, "--live") >= 50, "stacks: so is what a variable has whose address "
           "was taken")
    # one that a thread has not left yet when the signal comes is taken as a whole; without maps all are
    tap.ok(count_of(core, 512) - count_of(core, 512, "--live") >= 40,
           "stacks: what is not used again is dead")
    used = fixture.answer("objects", "--type", "352-byte objects with pointers", "--json", core)
    chains = json.dumps(fixture.answer("roots", "--json", core, used["objects"][0]["addr"]))
    tap.ok("goroutine " in chains, "stacks: by the goroutine", chains)
    os.unlink(core)


def check_interfaces(tap, core, name):
    """Before 1.22 interfaces tell types: squares are in some, and one item in ten."""
    rows = fixture.answer("types", "--live", "--json", core)["types"]
    tap.equal({row["name"]: row["count"] for row in rows if row["name"].startswith("main.")},
              {"main.Square": 100, "main.Item": 100}, name + ": what interfaces have")


def check_maps(tap):
    """What lies in buckets that a map is leaving, and in chains of further ones, has its type, too."""
    path = os.path.join(repo(), "fixtures", "go", "maps-1.23")
    check_counts(tap, path + ".zst", path + ".counts", "Go 1.23, maps that are growing")
    where = fixture.folder()
    why = build(os.path.join(where, "maps"), ["-ldflags=-s -w"], "maps.go") or \
        fixture.kernel_dumps()
    if why:
        tap.skip("maps that are growing", why)
        return
    core = fixture.dump(os.path.join(where, "maps"), "kernel", where)
    check_counts(tap, core, os.path.join(where, "counts"), "maps that are growing")
    os.unlink(core)


def main():
    tap = Tap()
    for name in RELEASES:
        path = os.path.join(repo(), "fixtures", "go", name)
        check_counters(tap, path + ".zst", path + ".truth", "Go " + name)
        if os.path.exists(path + ".counts"):
            check_graph(tap, path + ".zst", "Go " + name)
            check_types(tap, path + ".zst", path + ".counts", "Go " + name)
            check_show(tap, path + ".zst", "Go " + name)
        else:
            check_interfaces(tap, path + ".zst", "Go " + name)
    check_stacks(tap)
    check_maps(tap)
    for name, flags in BUILDS:
        where = fixture.folder()
        why = build(os.path.join(where, "shop"), flags) or fixture.kernel_dumps()
        if why:
            tap.skip("a Go program, " + name, why)
            continue
        core = fixture.dump(os.path.join(where, "shop"), "kernel", where)
        check_counters(tap, core, os.path.join(where, "truth"), name)
        check_unknown(tap, core, name)
        os.unlink(core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
