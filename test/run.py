#!/usr/bin/env python3
"""Run test programs that speak TAP and end with one line of totals.

usage: run.py [--jobs N] [--timeout S] [--tmp DIR] [-v] PROGRAM...

Each PROGRAM runs with the repository as its current folder, standard input
closed, and TMPDIR set to a folder of its own, which is removed afterwards
unless something failed. It prints, on standard output:

    ok 1 - what holds
    not ok 2 - what should hold
    ok 3 - what could not be tried # SKIP why
    1..3

or, alone, `1..0 # SKIP why` when nothing of it can be tried. A program that
prints no plan, another number of tests than planned, exits non-zero without
a failed test, or runs longer than the timeout, counts as one failed test
more. Of a failing program each failure is shown first, with the comments (`# ...`)
that follow it, then what it said on standard error, then all it printed: logs are
often cut after a few lines. At the end all failures are listed once more, for logs cut in the
middle. The last line of output is `N passed, N failed, N skipped`; the exit code is 0 only if
at least one test passed and none failed.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import time

RESULT = re.compile(r"^(ok|not ok)\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*SKIP\b\s*(.*))?$", re.IGNORECASE)
SKIP = re.compile(r"\s*#\s*SKIP\b\s*(.*)$", re.IGNORECASE)
OUTPUT_MAX = 20000
# Comments shown right below a failure, the first and the last ones (a traceback says at its
# end what happened), and characters of each.
COMMENTS_FIRST, COMMENTS_LAST, COMMENT_MAX = 2, 3, 2000


class Outcome:
    """What one program's run came to."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failures = []
        # comments of a failure, by its number
        self.comments = {}
        self.skips = []
        self.output = ""
        self.seconds = 0.0

    def fail(self, what):
        self.failures.append(what)

    def comment(self, line):
        """A line of TAP that says more about the failure before it."""
        self.comments.setdefault(len(self.failures) - 1, []).append(line)


def parse(outcome, text, exit_text):
    """Fill outcome from TAP text; exit_text is None for exit code 0."""
    planned = None
    seen = 0
    failing = False
    for line in text.splitlines():
        result = RESULT.match(line)
        plan = PLAN.match(line)
        if line.startswith("Bail out!"):
            outcome.fail(line)
        elif plan:
            if planned is not None:
                outcome.fail("printed two plans")
            planned = int(plan.group(1))
            if planned == 0:
                outcome.skips.append(("", plan.group(2) or "no reason given"))
        elif result:
            seen += 1
            failing = result.group(1) == "not ok"
            skip = SKIP.search(result.group(3))
            name = SKIP.sub("", result.group(3))
            if failing:
                outcome.fail(name or "test %d" % seen)
            elif skip:
                outcome.skips.append((name, skip.group(1) or "no reason given"))
            else:
                outcome.passed += 1
            if result.group(2) and int(result.group(2)) != seen:
                outcome.fail("test number %s printed where %d was due" % (result.group(2), seen))
        elif failing and line.startswith("#"):
            outcome.comment(line)
    tests_failed = bool(outcome.failures)
    if planned is None:
        outcome.fail("printed no plan (1..N): it died or is not a test")
    elif planned != seen:
        outcome.fail("planned %d tests but ran %d" % (planned, seen))
    if exit_text and not tests_failed:
        outcome.fail(exit_text)


def end_group(process):
    """End the process and everything it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(path, args):
    name = os.path.splitext(os.path.relpath(path))[0]
    outcome = Outcome(name)
    tmp = os.path.join(os.path.abspath(args.tmp), name.replace("/", "-"))
    shutil.rmtree(tmp, ignore_errors=True)
    os.makedirs(tmp)
    env = dict(os.environ, TMPDIR=tmp)
    env.pop("MAKEFLAGS", None)
    env.pop("MAKELEVEL", None)
    logs = [os.path.join(tmp, "stdout.log"), os.path.join(tmp, "stderr.log")]
    begin = time.monotonic()
    try:
        with open(logs[0], "wb") as out, open(logs[1], "wb") as err:
            process = subprocess.Popen([os.path.abspath(path)], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err, env=env,
                                       start_new_session=True)
            try:
                code = process.wait(args.timeout)
                exit_text = "exited with code %d" % code if code > 0 else None
                if code < 0:
                    exit_text = "died of signal %d" % -code
            except subprocess.TimeoutExpired:
                exit_text = "still running after %d s: stopped" % args.timeout
            end_group(process)
            process.wait()
    except OSError as error:
        outcome.fail("cannot be started: %s" % error)
        outcome.seconds = time.monotonic() - begin
        return outcome
    texts = []
    for log in logs:
        with open(log, "rb") as file:
            texts.append(file.read().decode("utf-8", "replace"))
    parse(outcome, texts[0], exit_text)
    outcome.output = texts[1] + texts[0] if outcome.failures else texts[0] + texts[1]
    if exit_text and exit_text not in outcome.failures:
        outcome.output += "\n(%s)\n" % exit_text
    outcome.seconds = time.monotonic() - begin
    if not outcome.failures:
        shutil.rmtree(tmp, ignore_errors=True)
    return outcome


def show_failures(outcome):
    for number, failure in enumerate(outcome.failures):
        print("     failed: %s - %s" % (outcome.name, failure))
        lines = outcome.comments.get(number, [])
        if len(lines) > COMMENTS_FIRST + COMMENTS_LAST:
            lines = [*lines[:COMMENTS_FIRST], "# [...]", *lines[-COMMENTS_LAST:]]
        for line in lines:
            print("     " + line[:COMMENT_MAX])


def show(outcome, verbose):
    print("%s %s: %d passed, %d failed, %d skipped (%.1f s)" % (
        "FAIL" if outcome.failures else "ok  ", outcome.name, outcome.passed,
        len(outcome.failures), len(outcome.skips), outcome.seconds))
    show_failures(outcome)
    for name, reason in outcome.skips:
        print("     skipped: %s%s: %s" % (outcome.name, " - " + name if name else "", reason))
    if outcome.failures or verbose:
        text = outcome.output
        if len(text) > OUTPUT_MAX and not verbose:
            text = text[:OUTPUT_MAX // 2] + "\n[...]\n" + text[-OUTPUT_MAX // 2:]
        print("".join("     | %s\n" % line for line in text.splitlines()), end="")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description="Run TAP test programs.")
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for each program")
    parser.add_argument("--tmp", default="build/test/tmp", help="where TMPDIR folders are made")
    parser.add_argument("-v", "--verbose", action="store_true", help="show all output")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()

    passed = failed = skipped = 0
    failing = []
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        for outcome in pool.map(lambda path: run(path, args), args.programs):
            show(outcome, args.verbose)
            passed += outcome.passed
            failed += len(outcome.failures)
            skipped += len(outcome.skips)
            if outcome.failures:
                failing.append(outcome)
    if failing:
        print("Failed tests, once more:")
    for outcome in failing:
        show_failures(outcome)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
