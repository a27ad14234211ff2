#!/usr/bin/env python3
"""Every document and line of every command, on every fixture and a core made now, against
docs/schema with an independent validator; the schemas against docs/JSON.md."""
import concurrent.futures
import copy
import glob
import json
import os
import re
import sys
import subprocess

DEBIAN = "/usr/bin/python3"
# Debian's modules belong to its own python3; another one may come first in PATH.
if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN) and os.path.exists(DEBIAN) and \
        subprocess.run([DEBIAN, "-c", "import jsonschema"], capture_output=True,
                       check=False).returncode == 0:
    os.execv(DEBIAN, [DEBIAN, *sys.argv])
try:
    import jsonschema
except ImportError:
    jsonschema = None
try:
    import referencing  # from jsonschema 4.18 on
except ImportError:
    referencing = None

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from documents import WRITERS, cases, commands, every_fixture, is_stream  # noqa: E402
from fixture import coreheap  # noqa: E402
from tap import Tap, repo, skip_all  # noqa: E402

# No table has the fields of these yet: their schemas are written by hand.
HAND_WRITTEN = ["diff", "envelope", "roots", "summary"]

FOLDER = os.path.join(repo(), "docs", "schema")
# Where its base would be; the store holds all of them, so nothing is ever fetched.
BASE = "https://coreheap.invalid/schema/"


def load():
    found = {}
    for path in glob.glob(os.path.join(FOLDER, "*.json")):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)] = json.load(file)
    return found


class Schemas:
    """What the validator says, and which fields nobody describes."""

    def __init__(self, found):
        self.found = found
        self.store = {BASE + name: schema for name, schema in found.items()}
        self.validators = {}

    def validator(self, name, part):
        """Of the document, or of what $defs/PART of the schema describes."""
        start = {"$ref": BASE + name + ".json" + ("#/$defs/" + part if part else "")}
        if (name, part) not in self.validators:
            if referencing:
                more = {"registry": referencing.Registry().with_resources(
                    (url, referencing.Resource.from_contents(schema))
                    for url, schema in self.store.items())}
            else:
                more = {"resolver": jsonschema.RefResolver(BASE, {}, store=self.store)}
            self.validators[name, part] = jsonschema.Draft202012Validator(start, **more)
        return self.validators[name, part]

    def has(self, name, part=None):
        return part is None or part in self.found[name + ".json"].get("$defs", {})

    def faults(self, doc, name, part=None):
        """Of a document, or of a line that $defs/PART of the schema describes."""
        if name + ".json" not in self.found or not self.has(name, part):
            return ["%s: no such schema" % (part or name)]
        wrong = ["%s: %s" % (list(error.absolute_path), error.message[:300])
                 for error in self.validator(name, part).iter_errors(doc)]
        return wrong + self.surplus(doc, name + ".json", part)

    def follow(self, schema, file):
        """All (schema, file) that schema refers to or is made of, itself first."""
        found, todo = [], [(schema, file)]
        while todo:
            schema, file = todo.pop()
            found.append((schema, file))
            if "$ref" in schema:
                target, _, pointer = schema["$ref"].partition("#")
                file = target or file
                part = self.found[file]
                for word in pointer.split("/")[1:]:
                    part = part[word]
                todo.append((part, file))
            todo += [(part, file) for kind in ("allOf", "anyOf") for part in schema.get(kind, ())]
        return found

    def surplus(self, doc, file, part):
        """Fields that are in doc, and in no schema of the place where they stand."""
        start = self.found[file]["$defs"][part] if part else self.found[file]
        found, todo = [], [(doc, self.follow(start, file), "")]
        while todo:
            value, here, path = todo.pop()
            for item in value if isinstance(value, list) else ():
                below = [more for schema, name in here if "items" in schema
                         for more in self.follow(schema["items"], name)]
                todo.append((item, below, path + "[]"))
            for key, item in value.items() if isinstance(value, dict) else ():
                below = [(schema["properties"][key], name) for schema, name in here
                         if key in schema.get("properties", {})]
                below += [(schema["additionalProperties"], name) for schema, name in here
                          if "additionalProperties" in schema]
                if not below:
                    found.append("%s.%s is not described" % (path, key))
                todo.append((item, [more for schema, name in below
                                    for more in self.follow(schema, name)], path + "." + key))
        return found


def parts(schema):
    """All subschemas of a schema, itself included."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack += part.values()
        elif isinstance(part, list):
            stack += part


def fields(schema):
    return {key for part in parts(schema) if isinstance(part.get("properties"), dict)
            for key in part["properties"]}


def documented():
    """{name of a schema: words that docs/JSON.md has of it}."""
    with open(os.path.join(repo(), "docs", "JSON.md"), encoding="utf-8") as file:
        text = file.read()
    rows = dict(re.findall(r"^\| `([a-z -]+)` \| (.*) \|$", text, re.M))
    rows["strings"] = rows.pop("types --strings", "")
    rows["traces"] = rows.pop("types --traces", "")
    rows["loaders"] = rows.pop("types --by loader", "")
    rows["sites"] = rows.pop("types --by site", "")
    rows["groups"] = rows.pop("types --by basis", "")
    rows["owners"] = rows.pop("types --by owner", "")
    shared = " ".join(re.findall(r"^## (?:Envelope|Parts|Suspects)\n(.*?)(?=^## |\Z)", text,
                                 re.M | re.S))
    words = {name: set(re.findall(r"[a-z_0-9]+", row + shared)) for name, row in rows.items()}
    words["envelope"] = set(re.findall(r"[a-z_0-9]+", shared))
    return words


def test_schemas(tap, found):
    """They are schemas, strict ones, and docs/JSON.md explains each field."""
    words = documented()
    for file, schema in sorted(found.items()):
        name = file[:-len(".json")]
        jsonschema.Draft202012Validator.check_schema(schema)
        tap.equal((schema["$schema"], schema["$id"]),
                  ("https://json-schema.org/draft/2020-12/schema", file), "%s: what it is" % name)
        tap.equal(sorted(fields(schema) - words.get(name, set())), [],
                  "%s: docs/JSON.md has a word for each field" % name)
        loose = [part for part in parts(schema) if part.get("additionalProperties") is False or
                 ("properties" in part and isinstance(part["properties"], dict) and
                  "required" not in part and part.get("type") == "object" and "allOf" not in part)]
        tap.equal(loose, [], "%s: takes fields of later versions, and says what must be there"
                  % name)
        bare = [key for part in parts(schema) for key, what in part.get("properties", {}).items()
                if isinstance(what, dict) and key.endswith(("_bytes", "_count")) and
                "delta" not in key and what.get("minimum") is None and key != "managed_bytes"]
        tap.equal(bare, [], "%s: bytes and counts are not negative" % name)
    lacking = [command for command in commands()
               if command + ".json" not in found and command not in WRITERS]
    tap.equal(lacking, [], "each command has a schema")


def test_generated(tap, found):
    """The schemas are what the tables of fields say, and describe each field."""
    where = fixture.folder()
    program = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")),
                           "test", "schemas", "schemas")
    subprocess.run([program, where], check=True)
    made = {}
    for path in glob.glob(os.path.join(where, "*.json")):
        with open(path, encoding="utf-8") as file:
            made[os.path.basename(path)] = json.load(file)
    tap.equal(sorted(name[:-len(".json")] for name in set(found) - set(made)), HAND_WRITTEN,
              "all schemas but these are made of tables")
    for file, schema in sorted(made.items()):
        tap.equal(found.get(file), schema, "%s: what `make schemas` writes" % file)
        bare = [key for part in parts(schema) for key, what in part.get("properties", {}).items()
                if key != "schema" and not what.get("description")]
        tap.equal(bare, [], "%s: each field has a description" % file)


def test_judge(tap, schemas, core):
    """The check itself can fail."""
    doc = json.loads(coreheap("types", "--json", core).out)
    tap.equal(schemas.faults(doc, "types"), [], "a document as it is")
    for what, change in (
            ("without a field", lambda d: d.pop("total_bytes")),
            ("without a field of the envelope", lambda d: d.pop("complete")),
            ("with one more", lambda d: d.update(surplus=1)),
            ("with one more deep inside", lambda d: d["types"][0].update(surplus=1)),
            ("with one more in the envelope", lambda d: d["dump"].update(surplus=1)),
            ("with an address that is a number", lambda d: d["types"][0].update(sample_addr=4096)),
            ("with an address in capitals", lambda d: d["types"][0].update(sample_addr="0xAB")),
            ("with a negative count", lambda d: d["types"][0].update(count=-1)),
            ("with a null that is not allowed", lambda d: d["types"][0].update(name=None)),
            ("with a word that is in no vocabulary", lambda d: d["types"][0].update(kind="thing")),
            ("of another command", lambda d: d.update(schema="coreheap/heap")),
            ("of another version", lambda d: d.update(schema_version="2.0"))):
        broken = copy.deepcopy(doc)
        change(broken)
        tap.ok(schemas.faults(broken, "types"), "a document %s is refused" % what)
    line = json.loads(coreheap("objects", "--jsonl", "--limit", "1", core).out.splitlines()[0])
    tap.equal(schemas.faults(line, "objects", "record"), [], "a line as it is")
    tap.ok(schemas.faults(dict(line, surplus=1), "objects", "record") and
           schemas.faults(dict(line, state="?"), "objects", "record") and
           schemas.faults({}, "objects", "closing"), "lines are refused, too")


def judge_lines(schemas, schema, arguments, text):
    lines = [json.loads(line) for line in text.splitlines()]
    if not is_stream(arguments):
        if len(lines) != 1:
            return ["%d lines, not one document" % len(lines)]
        return schemas.faults(lines[0], schema)
    faults = [] if lines else ["no closing line"]
    for i, line in enumerate(lines):
        faults += schemas.faults(line, schema, "closing" if i == len(lines) - 1 else "record")
    return faults


def questions(core, turn):
    """(schema, arguments, forms): all of the first core, every third one of the next ones, others
    than of the one before; a document on one line is asked for on every third core."""
    for number, (schema, arguments) in enumerate(cases(core)):
        if turn and (number + turn) % 3 and not fixture.WHOLE:
            continue
        one_line = is_stream(arguments) or (number + turn // 3) % 3 == 0
        yield schema, arguments, ("--json", "--jsonl") if one_line else ("--json",)


def ask(question):
    schema, arguments, forms = question
    return schema, arguments, {form: coreheap(*arguments, form) for form in forms}


def judge_case(schemas, schema, arguments, results):
    faults = []
    for form, result in results.items():
        if result.code != 0:
            faults.append(str(result))
        elif not result.out.isascii():
            faults.append("not ASCII")
        elif form == "--json":
            faults += schemas.faults(json.loads(result.out), schema)
        else:
            faults += judge_lines(schemas, schema, arguments, result.out)
    return faults


def test_core(tap, schemas, name, core, turn):
    # The validator keeps a stack of where it is: it must not be used by two threads.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for schema, arguments, results in pool.map(ask, questions(core, turn)):
            faults = judge_case(schemas, schema, arguments, results)
            shown = " ".join("CORE" if word == core else word for word in arguments)
            tap.ok(not faults, "%s: %s" % (name, shown), "\n".join(faults[:8]))


def test_new_cores(tap, schemas):
    """Cores of this system: one of gcore, one of the kernel, threads and all."""
    for turn, how in enumerate(("gcore", "kernel")):
        reason = fixture.why_not(how)
        if reason:
            tap.skip("a new core of %s" % how, reason)
            continue
        program = os.path.join(fixture.folder(), "shown")
        fixture.build("shown", program)
        core = fixture.dump(program, how, fixture.folder())
        test_core(tap, schemas, how, core, turn)
        os.unlink(core)


def test_damaged(tap, schemas, core):
    """A core that is cut or overwritten still gives documents of the contract."""
    where = fixture.folder()
    with open(core, "rb") as file:
        data = file.read()
    for name, change in (("half of it", lambda: data[:len(data) // 2]),
                         ("the first page", lambda: data[:4096]),
                         ("ones over the heap", lambda: bytes(
                             255 if len(data) // 8 < i < len(data) // 8 + 65536 else byte
                             for i, byte in enumerate(data)))):
        path = os.path.join(where, "core")
        with open(path, "wb") as file:
            file.write(change())
        for words in (["info"], ["summary"], ["address"], ["heap"], ["types"], ["leaks"],
                      ["retained"], ["threads"], ["modules"], ["diff", path]):
            result = coreheap(*words, path, "--json")
            faults = [str(result)] if result.code != 0 else schemas.faults(
                json.loads(result.out), words[0])
            tap.ok(not faults, "damaged, %s: %s" % (name, words[0]), "\n".join(faults[:8]))


def test_command_line(tap, core):
    """The command that docs/JSON.md gives."""
    with open(os.path.join(repo(), "docs", "JSON.md"), encoding="utf-8") as file:
        block = re.search(r"```sh\n(.*?)```", file.read(), re.S).group(1)
    if not os.path.exists("/usr/bin/jsonschema"):
        tap.skip("the command of docs/JSON.md", "/usr/bin/jsonschema is not installed")
        return
    where = fixture.folder()
    os.symlink(os.path.join(repo(), "docs"), os.path.join(where, "docs"))
    os.symlink(core, os.path.join(where, "core.1234"))
    os.symlink(os.path.abspath(fixture.COREHEAP), os.path.join(where, "coreheap"))
    script = "set -e\nPATH=.:$PATH\n" + block
    for how, text, want in (("accepts a document", script, 0),
                            ("refuses another one", script.replace("types --json", "heap --json"), 1)):
        result = subprocess.run(["sh", "-c", text], cwd=where, capture_output=True, text=True,
                                check=False, stdin=subprocess.DEVNULL)
        tap.ok((result.returncode != 0) == want, "the command of docs/JSON.md " + how, result.stderr)


def test_failure(tap, schemas, core):
    lines = coreheap("summary", "--jsonl", "--quick", core, "/no/such.core", __file__).out
    lines = [json.loads(line) for line in lines.splitlines()]
    tap.equal(([("error" in line) for line in lines],
               schemas.faults(lines[0], "summary"),
               [fault for line in lines[1:] for fault in schemas.faults(line, "summary", "failure")]),
              ([False, True, True], [], []), "a line for each core, also for those that are none")
    tap.equal([line["dump"]["file_name"] for line in lines],
              [os.path.basename(core), "such.core", os.path.basename(__file__)],
              "each line names its file")
    tap.equal([line["error"]["code"] for line in lines[1:]], ["os", "format"], "and says why")


def main():
    if jsonschema is None:
        skip_all("python3-jsonschema is not installed")
    tap = Tap()
    found = load()
    schemas = Schemas(found)
    fixtures = list(every_fixture())
    small = dict(fixtures)["musl-static-abort"]
    tap.attempt("schemas", test_schemas, found)
    tap.attempt("generated", test_generated, found)
    tap.attempt("judge", test_judge, schemas, small)
    for turn, (name, core) in enumerate(fixtures):
        tap.attempt(name, test_core, schemas, name, core, turn)
    tap.attempt("new cores", test_new_cores, schemas)
    tap.attempt("damaged", test_damaged, schemas, dict(fixtures)["sid-cpp-abort"])
    tap.attempt("command line", test_command_line, small)
    tap.attempt("failure", test_failure, schemas, small)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
