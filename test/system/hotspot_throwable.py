#!/usr/bin/env python3
"""Where Throwables were made, as `show` and `types --traces` say it without a call to
getStackTrace(): against what that said, or printStackTrace() of another one made in the same
place."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import answer, coreheap, why_not  # noqa: E402
from jvm import Dump, jdks  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

FRAMES = 8
SETTINGS = {"Serial": ["-XX:+UseSerialGC"],
            "Parallel, plain pointers": ["-XX:+UseParallelGC", "-XX:-UseCompressedOops"]}


def check(tap, name, jdk, options, depth):
    dump = Dump(jdk, "Thrown", "kernel", options, [str(depth)])
    with open(os.path.join(dump.folder, "trace"), encoding="ascii") as file:
        # the numbers of two lambdas differ
        wanted = [re.sub(r"lambda\$main\$\d", "lambda", line.strip()) for line in file]
    at = [row["sample_addr"] for row in answer("types", "--json", dump.core)["types"]
          if row["name"] == "Thrown$Leak"]
    facts = answer("show", "--json", dump.core, at[0])["object"]["shape"]["detail"]
    found = [re.sub(r"lambda\$main\$\d", "lambda", text) for key, text in facts.items()
             if key == "thrown_at" or key.startswith("called_from_")]
    tap.equal(found, wanted[:FRAMES], "%s: %d of %d frames" % (name, len(found), len(wanted)))
    trace = answer("show", "--json", dump.core, at[0])["object"]["stack_trace"]
    tap.equal([re.sub(r"lambda\$main\$\d", "lambda", "%s (%s:%d)" % (
        frame["method"], frame["source"], frame["line"])) for frame in trace["frames"]], wanted,
              "%s: all frames" % name)
    out = coreheap("show", dump.core, at[0]).out
    tap.equal(out.count("Thrown.deep (Thrown.java:"), depth + 1, "%s: and for people" % name)
    check_groups(tap, name, dump)


def printed_groups(path):
    """[(class, count, frames)] as the program printed them."""
    found = []
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("\tat "):
                found[-1][2].append(line.strip())
            elif re.match(r"[\w$]+ \d+$", line):
                name, count = line.split()
                found.append((name, int(count), []))
    return sorted(found)


def frame_text(frame):
    return "at %s(%s:%s)" % (frame["method"], frame["source"], frame["line"])


def check_groups(tap, name, dump):
    """By class and stack. Those that were written to a stream are there, too."""
    wanted = printed_groups(os.path.join(dump.folder, "groups"))
    names = {row[0] for row in wanted}
    shown = answer("types", "--json", "--traces", "--reveal", "--type-part", "Thrown$", dump.core)
    found = [(row["type"], row["count"], [frame_text(frame) for frame in row["frames"]])
             for row in shown["traces"] if row["type"] in names]
    tap.equal(sorted({(row[0], row[1], tuple(row[2])) for row in found}),
              [(row[0], row[1], tuple(row[2])) for row in wanted],
              "%s: groups as the program printed them" % name)
    sent = [row for row in shown["traces"] if row["type"] == "Thrown$Sent"]
    tap.equal(sorted(row["frames"][0]["is_text"] for row in sent), [False, True],
              "%s: one that came from a stream has texts" % name)
    counts = {row["name"]: (row["count"], row["total_bytes"])
              for row in answer("types", "--json", dump.core)["types"]}
    for kind in sorted(names):
        rows = [row for row in shown["traces"] if row["type"] == kind]
        tap.equal((sum(row["count"] for row in rows), sum(row["total_bytes"] for row in rows)),
                  counts[kind], "%s: all of %s" % (name, kind))
    hidden = answer("types", "--json", "--traces", "--type-part", "Thrown$Sent", dump.core)["traces"]
    tap.equal([frame["method"] for row in hidden for frame in row["frames"] if frame["is_text"]],
              [None] * len(sent[-1]["frames"]), "%s: no texts without --reveal" % name)
    out = coreheap("types", "--traces", "--type-part", "Thrown$", dump.core).out
    tap.ok("at Thrown.deep (Thrown.java:" in out and ", 150 times\n" in out and
           "(a text that the program gave: shown with --reveal), 9 times" in out,
           "%s: for people" % name, out)


def main():
    reason = why_not("kernel")
    found = jdks(since=11)
    if reason or not found:
        skip_all(reason or "no JDK is installed")
    tap = Tap()
    for release in sorted({min(found), max(found)}):
        for setting, options in SETTINGS.items():
            name = "%d %s" % (release, setting)
            tap.attempt(name, check, name, found[release], options,
                        1 if setting == "Serial" else 100)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
