#!/usr/bin/env python3
"""One core, one verdict: whoever tells it says the same class, as surely, for the same reason."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documents  # noqa: E402
from fixture import answer, coreheap  # noqa: E402
from tap import Tap  # noqa: E402

SAYS = ("class", "text", "confidence", "confidence_reason", "covers")


def verdict(command, core, *options):
    doc = answer(command, "--json", core, *options)["verdict"]
    return {key: doc[key] for key in SAYS}


def line_of(text, label):
    """What a field of the text says, its lines as one."""
    lines = text.split("\n")
    first = next(k for k, line in enumerate(lines) if line.startswith(label + " "))
    words = lines[first].split()[1:]
    for line in lines[first + 1:]:
        if not line.startswith(" "):
            break
        words += line.split()
    return " ".join(words)


def test_core(tap, name, core):
    summary = verdict("summary", core)
    quick = verdict("summary", core, "--quick")
    heap = verdict("heap", core)
    tap.equal(heap, quick, "%s: heap says what summary --quick says" % name)
    # Who holds what tells garbage from what is in use; heap does not ask.
    if summary["class"] != "managed-garbage":
        tap.equal(heap, summary, "%s: heap says what summary says" % name)
    if heap["class"] != "inconclusive":
        tap.equal(line_of(coreheap("heap", core).out, "verdict"),
                  line_of(coreheap("summary", "--all", core).out, "verdict"),
                  "%s: in the same words" % name)


def main():
    tap = Tap()
    for name, core in documents.every_fixture():
        tap.attempt(name, test_core, name, core)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
