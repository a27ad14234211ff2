#!/usr/bin/env python3
"""Every document and line of every command, on every fixture, against docs/schema with an
independent validator; the schemas against docs/JSON.md; and against goldens."""
import copy
import glob
import json
import os
import re
import sys

try:
    import jsonschema
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and \
            os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    jsonschema = None

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import cases, commands, every_fixture, golden_cases, golden_path  # noqa: E402
from fixture import coreheap  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402


def schemas():
    found = {}
    for path in glob.glob(os.path.join(repo(), "docs", "schema", "*.json")):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)[:-len(".json")]] = json.load(file)
    return found


def closed(schema):
    """The schema, but that it takes no fields that it does not name."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        schema = [closed(item) for item in schema]
    return schema


class Judge:
    """What the validator says of documents and lines, the schemas closed."""

    def __init__(self, found):
        self.documents, self.lines = {}, {}
        for name, schema in found.items():
            strict = closed(schema)
            kinds = strict.pop("$defs", {})
            self.documents[name] = jsonschema.Draft202012Validator(strict)
            self.lines[name] = [jsonschema.Draft202012Validator(kind) for kind in kinds.values()]

    def faults(self, name, doc):
        return ["%s: %s" % (list(error.absolute_path), error.message[:300])
                for error in self.documents[name].iter_errors(doc)]

    def line_faults(self, name, line):
        if "schema" in line and "error" not in line:
            return self.faults(name, line)
        every = [[error.message[:300] for error in kind.iter_errors(line)]
                 for kind in self.lines[name]]
        return min(every, key=len) if every else ["no such lines are described"]


def test_schemas(tap, found):
    with open(os.path.join(repo(), "docs", "JSON.md"), encoding="utf-8") as file:
        words = set(re.findall(r"[a-z_0-9]+", file.read()))
    for name, schema in sorted(found.items()):
        jsonschema.Draft202012Validator.check_schema(schema)
        missing, stack = set(), [schema]
        while stack:
            part = stack.pop()
            if isinstance(part, dict):
                missing |= set(part.get("properties", {})) - words
                stack += part.values()
        tap.equal(sorted(missing), [], "%s: docs/JSON.md has a word for each field" % name)
    lacking = [command for command in commands() if command not in found]
    tap.equal(lacking, [], "each command has a schema")


def test_judge(tap, judge, core):
    """The check itself can fail."""
    doc = json.loads(coreheap("types", "--json", core).out)
    tap.equal(judge.faults("types", doc), [], "a document as it is")
    for what, change in (
            ("without a field", lambda d: d.pop("total_bytes")),
            ("with one more", lambda d: d.update(surplus=1)),
            ("with one more deep inside", lambda d: d["types"][0].update(surplus=1)),
            ("with an address that is a number", lambda d: d["types"][0].update(sample_addr=4096)),
            ("with a negative count", lambda d: d["types"][0].update(count=-1)),
            ("of another version", lambda d: d.update(schema_version="2.0"))):
        broken = copy.deepcopy(doc)
        change(broken)
        tap.ok(judge.faults("types", broken), "a document %s is refused" % what)


def test_core(tap, judge, name, core):
    for schema, arguments in cases(core):
        result = coreheap(*arguments, "--json")
        faults = judge.faults(schema, json.loads(result.out)) if result.code == 0 else [str(result)]
        result = coreheap(*arguments, "--jsonl")
        lines = [json.loads(line) for line in result.out.splitlines()]
        faults += [fault for line in lines for fault in judge.line_faults(schema, line)]
        shown = " ".join("CORE" if word == core else word for word in arguments)
        tap.ok(not faults and lines, "%s: %s" % (name, shown), "\n".join(faults[:8]))


def test_failure(tap, judge, core):
    lines = coreheap("summary", "--jsonl", "--quick", core, "/no/such.core", __file__).out
    lines = [json.loads(line) for line in lines.splitlines()]
    tap.equal(([("error" in line) for line in lines],
               [fault for line in lines for fault in judge.line_faults("summary", line)]),
              ([False, True, True], []), "a line for each core, also for those that are none")
    tap.equal([line["dump"]["file_name"] for line in lines],
              [os.path.basename(core), "such.core", os.path.basename(__file__)],
              "each line names its file")


def changes(old, new, path=""):
    """What of old is not in new, or has another type."""
    if old is None or new is None:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key, value in old.items():
            if key not in new:
                found.append("%s.%s is gone" % (path, key))
            else:
                found += changes(value, new[key], "%s.%s" % (path, key))
        return found
    if isinstance(old, list) and isinstance(new, list):
        return [change for one, other in zip(old, new)
                for change in changes(one, other, path + "[]")]
    numbers = (int, float)
    same = type(old) is type(new) or (isinstance(old, numbers) and isinstance(new, numbers) and
                                      not isinstance(old, bool) and not isinstance(new, bool))
    return [] if same else ["%s was %r, is %r" % (path, old, new)]


def test_goldens(tap):
    """What programs of others rely on."""
    for name, core, arguments in golden_cases():
        with open(golden_path(name), encoding="utf-8") as file:
            old = json.load(file)
        new = json.loads(coreheap(*arguments, "--json", "--reproducible").out)
        faults = changes(old, new)
        tap.ok(not faults, "golden %s" % name, "\n".join(faults[:8]))
        tap.equal((new["schema"], new["schema_version"].split(".")[0], new["dump"]["id"]),
                  (old["schema"], old["schema_version"].split(".")[0], old["dump"]["id"]),
                  "golden %s: what it is, and of what" % name)
        ids = {row["name"]: row["id"] for row in new.get("types", []) if "id" in row}
        tap.equal([row["name"] for row in old.get("types", [])
                   if "id" in row and ids.get(row["name"], row["id"]) != row["id"]], [],
                  "golden %s: ids stay" % name)
    tap.ok(changes({"a": {"b": 1}}, {"a": {}}) and changes([{"a": 1}], [{"a": "1"}]) and
           not changes({"a": 1}, {"a": 2, "b": 3}), "a golden can fail")


def main():
    if jsonschema is None:
        skip_all("python3-jsonschema is not installed")
    tap = Tap()
    found = schemas()
    judge = Judge(found)
    fixtures = list(every_fixture())
    tap.attempt("schemas", test_schemas, found)
    tap.attempt("judge", test_judge, judge, fixtures[0][1])
    for name, core in fixtures:
        tap.attempt(name, test_core, judge, name, core)
    tap.attempt("failure", test_failure, judge, fixtures[0][1])
    tap.attempt("goldens", test_goldens)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
