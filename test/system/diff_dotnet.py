#!/usr/bin/env python3
"""diff of two runs of a .NET program: types, bytes and the static field that holds them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import managed  # noqa: E402
from fixture import answer  # noqa: E402
from tap import Tap  # noqa: E402

FEWER, MORE = 2000, 102000


def row(doc, axis, name):
    return next((item for item in doc[axis] if item["name"].startswith(name)), None)


def test_two_runs(tap, program, createdump):
    dumps = [managed.dump("createdump", program, createdump, {}, [str(count)])
             for count in (FEWER, MORE)]
    doc = answer("diff", "--json", dumps[0][0], dumps[1][0])
    moved = row(doc, "types", "System.EventHandler<Story.ErrorArgs>")
    tap.equal((moved["delta_count"], moved["delta_bytes"]),
              (MORE - FEWER, (MORE - FEWER) * 64), "a type's growth is what the program made")
    tap.equal((doc["growth_rank"][0]["axis"], doc["growth_rank"][0]["name"]),
              ("types", "System.EventHandler<Story.FailedArgs>"), "what grew most comes first")
    path = row(doc, "root_paths", "static Story.Cache.s_multiplexer -> Story.Multiplexer")
    tap.ok(path and path["delta_count"] == 0 and path["delta_bytes"] > 6 * (MORE - FEWER) * 64,
           "the static field that holds it is compared", path)
    growth, part = doc["growths"][0], doc["growths"][0]["parts"][0]
    tap.ok(growth["axis"] == "root_paths" and growth["id"] == path["id"] and
           0 <= growth["delta_bytes"] - path["delta_bytes"] < path["delta_bytes"] // 10,
           "what grew most is what that field holds", growth)
    tap.ok(part["name"] == "System.EventHandler<Story.FailedArgs>" and
           2 * (MORE - FEWER) - part["delta_count"] in range(8) and
           part["delta_bytes"] == 64 * part["delta_count"],
           "with the type that there is most of", part)
    tap.equal([item for item in doc["growths"] if item["axis"] == "types" and
               "EventHandler" in item["name"]], [], "which is told nowhere else")
    tap.equal((doc["comparable"]["same_executable"], doc["verdict"]["grown"]), (True, True),
              "it is the same program, and it grew")
    types = {item["name"]: item["state"] for item in doc["types"] if item["runtime"] == "coreclr"}
    tap.equal([name for name, state in types.items() if "Story." in name and
               state in ("new", "gone")], [], "no type of the program is new or gone")
    groups = [item for item in answer("diff", "--all", "--json", "--no-paths", dumps[0][0],
                                      dumps[1][0])["thread_groups"] if "Story." in item["name"]]
    tap.ok(len(groups) > 2, "threads stand in methods of the program", groups)
    tap.equal([item for item in groups if item["state"] in ("new", "gone")], [],
              "and keep their groups, though methods were compiled again while they ran")
    for core, _ in dumps:
        os.unlink(core)


def main():
    _, runtime, program = managed.tools("dotnet", "story")
    tap = Tap()
    tap.attempt("two runs", test_two_runs, program, os.path.join(runtime, "createdump"))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
