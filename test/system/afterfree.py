#!/usr/bin/env python3
"""Signs of use after free and of double free, made on purpose by
fixtures/afterfree, are told: which block, list, thread or arena, and value."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

# mode: (code of the finding, names of what must be in it)
MODES = {
    "tcache-wild": ("glibc-tcache-damaged", ["tid", "bytes", "block", "value"]),
    "tcache-inside": ("glibc-tcache-damaged", ["tid", "bytes", "block", "value"]),
    "tcache-key": ("glibc-tcache-key", ["tid", "bytes", "block", "value"]),
    "tcache-double": ("glibc-double-free", ["tid", "bytes", "block"]),
    "tcache-fast": ("glibc-double-free", ["block"]),
    "fast-wild": ("glibc-fastbin-damaged", ["arena", "block", "value"]),
    "fast-inside": ("glibc-fastbin-damaged", ["arena", "block", "value"]),
    "fast-double": ("glibc-double-free", ["arena", "block"]),
}
SIGNS = {code for code, _ in MODES.values()}


def read_truth(path):
    truth = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            name, value = line.split()
            truth.setdefault(name, int(value, 16))
    return truth


def why_not(mode):
    version = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2]))
    if "fast" in mode and version >= (2, 43):
        return "this glibc has no fast bins"
    return None


def check(tap, program, mode, where):
    folder = fixture.folder()
    core = fixture.dump(program, "kernel", folder, [mode] + (["main"] if where == "main" else []))
    truth = read_truth(os.path.join(folder, "truth"))
    name = "%s in the %s thread" % (mode, where)
    told, revealed = ([finding for finding in fixture.answer("heap", "--json", *more, core)["warnings"]
                       if finding["code"] in SIGNS] for more in ([], ["--reveal"]))
    os.unlink(core)
    if mode == "none":
        tap.equal(told, [], name + ": nothing is told")
        return
    code, facts = MODES[mode]
    texts = [finding["message"] for finding in told if finding["code"] == code]
    tap.ok(texts, "%s: %s is told" % (name, code), str(told))
    shown = {"tid": "thread %d" % truth["tid"], "bytes": "%d bytes" % truth["bytes"],
             "block": "%#x" % truth["block"], "value": "%#x" % truth.get("value", 0),
             "arena": "main arena" if where == "main" else "arena 1"}
    for fact in facts:
        # a word that is no address is a content
        if fact == "value":
            tap.ok(not any(shown[fact] in text for text in texts),
                   "%s: it does not show the value" % name, texts)
            texts = [finding["message"] for finding in revealed if finding["code"] == code]
        tap.ok(any(shown[fact] in text for text in texts),
               "%s: it names the %s" % (name, fact), "%s is not in %s" % (shown[fact], texts))


def main():
    reason = fixture.kernel_dumps()
    if reason:
        skip_all(reason)
    tap = Tap()
    program = os.path.join(fixture.folder(), "afterfree")
    fixture.build("afterfree", program, "-Wno-use-after-free")
    for mode in ["none"] + list(MODES):
        for where in ("main", "other"):
            if why_not(mode):
                tap.skip("%s in the %s thread" % (mode, where), why_not(mode))
            else:
                tap.attempt(mode, check, program, mode, where)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
