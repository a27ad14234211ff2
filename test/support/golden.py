#!/usr/bin/env python3
"""Documents of an older version of this program, kept so that what readers rely on stays.

usage: golden.py [NAME...]    write those that are missing; anew those of these names

Each file below test/golden holds the fixture, the arguments (CORE stands for the core) and
what was printed, its lists cut to a few elements: a `document`, or the `lines` of --jsonl.
"""
import glob
import json
import os
import re
import sys

from documents import every_fixture, is_stream, plain_cases, address_cases
from fixture import coreheap
from tap import repo

FOLDER = os.path.join(repo(), "test", "golden")
ROWS = "3"
FIXTURES = ("bookworm-small-abort", "musl-static-abort", "dotnet 10.0.12")
# Texts for people: they may be worded better.
FOR_PEOPLE = {"message", "arithmetic", "confidence_reason", "meaning", "answer", "evidence", "why",
              "next", "notes", "version", "schema_version", "of", "status", "reason"}
# What the files of the system, and the debug files of libc, add to a core: names of functions
# and variables.
FROM_FILES = {"symbol", "symbol_offset", "where", "frames", "frames_end", "fingerprint", "match",
              "matched_file", "root_paths", "root", "growth_rank", "warnings", "groups",
              "signature", "suspects", "thread_groups"}
# What the same files say of blocks: with them it is always the same.
FROM_TYPES = {"types", "types_top", "named", "matched_count", "owner_type", "type",
              "named_count", "named_bytes"}


def shortened(value):
    """A few elements of each list are enough to show its shape."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        # With --jsonl there is a closing line, too.
        return [shortened(item) for item in value[:int(ROWS) + 1]]
    return value


def kind_of(value):
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def row_names(rows):
    """What names the rows of a list, or None where nothing does."""
    names = [(row.get("name"), row.get("runtime"), row.get("kind"))
             for row in rows if isinstance(row, dict) and row.get("name")]
    return names if rows and len(set(names)) == len(rows) else None


def pairs(old, new, by_name=True):
    """(old row, new row) of two lists: by name where rows have one, for others may be
    between them, else by their order; None for a row that is gone."""
    names, new_names = row_names(old) if by_name else None, row_names(new)
    if names and new_names:
        found = dict(zip(new_names, new))
        return [(row, found.get(name)) for name, row in zip(names, old)]
    return [(row, new[i] if i < len(new) else None) for i, row in enumerate(old)]


def changes(old, new, path="", values=True, files=True, lax=False):
    """What a reader of old misses in new: fields that are gone or of another type, and with
    values, facts that are others. null may become known, but not the other way round; without
    files, what came from them may be missing (lax: and that is what this is)."""
    if old is None or new is None and lax:
        return []
    if kind_of(old) != kind_of(new):
        return ["%s was %r, is %r" % (path, old, new)]
    found = []
    if isinstance(old, dict):
        for key, value in old.items():
            if key not in new:
                found.append("%s.%s is gone" % (path, key))
            else:
                same = values and key not in FOR_PEOPLE | FROM_FILES and (
                    files or key not in FROM_TYPES)
                found += changes(value, new[key], "%s.%s" % (path, key), same,
                                 files, lax or not files and key in FROM_FILES)
    elif isinstance(old, list):
        for one, other in pairs(old, new, not lax):
            found += changes(one, other, path + "[]", values, files, lax)
    elif values and old != new:
        found.append("%s was %r, is %r" % (path, old, new))
    return found


def files_used(core):
    """Which of the core's modules this system has: they add names and bytes."""
    rows = json.loads(coreheap("modules", "--json", core).out)["modules"]
    return sorted("%s %s" % (row["name"], row["build_id"]) for row in rows
                  if row["match"] in ("matched", "likely"))


def has_debug_file(files):
    """Whether libc's debug file is here, if libc is among the files: the goldens have names
    from it."""
    ids = [line.split()[1] for line in files if line.startswith("libc.so.6 ")]
    return all(os.path.exists("/usr/lib/debug/.build-id/%s/%s.debug" % (one[:2], one[2:]))
               for one in ids)


def ask(core, arguments):
    """What the program of today prints, as a golden holds it."""
    words = [core if word == "CORE" else word for word in arguments]
    result = coreheap(*words)
    if result.code != 0:
        raise RuntimeError(str(result))
    if "--jsonl" not in arguments:
        return {"document": json.loads(result.out)}
    return {"lines": [json.loads(line) for line in result.out.splitlines()]}


def saved():
    for path in sorted(glob.glob(os.path.join(FOLDER, "*", "*.json"))):
        with open(path, encoding="utf-8") as file:
            yield os.path.relpath(path, FOLDER)[:-len(".json")], json.load(file)


def wanted(core):
    """Arguments of all documents that are kept of a core."""
    for cases in (plain_cases, address_cases):
        for _, arguments in cases(core, ROWS):
            if "--reveal" in arguments:
                continue
            words = ["CORE" if word == core else word for word in arguments]
            yield [*words, "--reproducible", "--limit", ROWS,
                   "--jsonl" if is_stream(arguments) else "--json"]


def file_name(arguments, seen):
    """From the words that are no addresses; a number where that is not enough."""
    words = [word for word in arguments if word not in ("CORE", "--limit", ROWS, "--json",
                                                        "--reproducible")]
    name = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(
        word for word in words if not word.startswith("0x"))).strip("-")
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else "%s-%d" % (name, seen[name])


def main(names):
    fixtures = dict(every_fixture())
    for fixture in FIXTURES:
        core, seen = fixtures[fixture], {}
        files = files_used(core)
        if not has_debug_file(files):
            sys.exit("golden.py: install libc6-dbg; goldens are made with it")
        for arguments in wanted(core):
            name = os.path.join(fixture.replace(" ", "-"), file_name(arguments, seen))
            path = os.path.join(FOLDER, name + ".json")
            if os.path.exists(path) and name not in names:
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"fixture": fixture, "arguments": arguments, "files_used": files,
                           **shortened(ask(core, arguments))}, file, indent=None, separators=(",", ":"))
                file.write("\n")
            print("wrote " + name)
    return 0


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
