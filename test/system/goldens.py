#!/usr/bin/env python3
"""Documents that an older version printed: today's still have all that readers rely on."""
import copy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import WRITERS, commands, every_fixture  # noqa: E402
from golden import ask, changes, files_used, has_debug_file, saved  # noqa: E402
from tap import Tap  # noqa: E402


def test_golden(tap, name, golden, core, values, files):
    kind = "lines" if "lines" in golden else "document"
    new = ask(core, golden["arguments"])[kind]
    if golden["arguments"][0] == "disassemble" and new["basis"] != golden[kind]["basis"]:
        tap.skip("golden %s" % name, "built without capstone")
        return
    faults = changes(golden[kind], new, values=values, files=files)
    tap.ok(not faults, "golden %s" % name, "\n".join(faults[:8]))


def test_changes(tap, golden):
    """The comparison can fail, and lets pass what is only added."""
    old = golden["document"]
    for what, change, breaks in (
            ("a field that is gone", lambda d: d["types"][0].pop("count"), True),
            ("a number that is a text", lambda d: d["types"][0].update(count="1"), True),
            ("another number", lambda d: d["types"][0].update(count=12345), True),
            ("another id", lambda d: d["types"][0].update(id="0" * 16), True),
            ("a fact that became null", lambda d: d["types"][0].update(sample_addr=None), True),
            ("a row that is gone", lambda d: d["types"].pop(0), True),
            ("a field more", lambda d: d["types"][0].update(more=1), False),
            ("a row more", lambda d: d["types"].insert(0, dict(d["types"][0], name="x")), False),
            ("another version of the tool", lambda d: d["tool"].update(version="9.9"), False)):
        new = copy.deepcopy(old)
        change(new)
        tap.equal(bool(changes(old, new)), breaks, "%s %s" % (
            what, "breaks" if breaks else "does not break"))
    other = copy.deepcopy(old)
    other["types"][0]["count"] = 12345
    tap.ok(not changes(old, other, values=False), "another number, where values may differ")
    old = {"frames": [{"symbol": "raise", "pc": 1}, {"symbol": "abort", "pc": 2}], "pc": 3}
    for what, new, files, breaks in (
            ("a name that became null", {"frames": [{"symbol": None, "pc": 1}, None], "pc": 3},
             True, True),
            ("a name that became null", {"frames": [{"symbol": None, "pc": 1}], "pc": 3},
             False, False),
            ("a fact that no file told", {"frames": [], "pc": None}, False, True),
            ("another type", {"frames": [{"symbol": 7, "pc": 1}], "pc": 3}, False, True)):
        tap.equal(bool(changes(old, new, files=files)), breaks, "%s, %s debug files: %s" % (
            what, "the same" if files else "without", "breaks" if breaks else "does not break"))


def main():
    tap = Tap()
    fixtures = dict(every_fixture())
    files, known, seen = {}, set(commands()) - set(WRITERS), set()
    for name, golden in saved():
        core = fixtures[golden["fixture"]]
        if golden["fixture"] not in files:
            files[golden["fixture"]] = files_used(core)
            if files[golden["fixture"]] != golden["files_used"]:
                tap.skip("%s: values" % golden["fixture"], "the goldens were made where the "
                         "files of this core lay, or did not; only fields and types are compared")
            elif not has_debug_file(golden["files_used"]):
                tap.skip("%s: names from libc's debug file" % golden["fixture"],
                         "libc6-dbg is not installed")
        same = files[golden["fixture"]] == golden["files_used"]
        tap.attempt(name, test_golden, name, golden, core, same,
                    same and has_debug_file(golden["files_used"]))
        seen |= known & set(golden["arguments"][:1])
        if name == os.path.join("musl-static-abort", "types"):
            tap.attempt("changes", test_changes, golden)
    tap.equal(sorted(known - seen), [], "each command has goldens")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
