#!/usr/bin/env python3
"""The runner counts right: above all, nothing that died counts as passed."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import Tap, repo  # noqa: E402

CASES = [
    # name, script, last line, exit code, text that must be shown
    ("all pass", "echo 'ok 1 - a'; echo 'ok 2 - b'; echo 1..2",
     "2 passed, 0 failed, 0 skipped", 0, "2 passed"),
    ("one fails", "echo '1..2'; echo 'not ok 1 - apples'; echo 'ok 2 - b'; echo why >&2; exit 1",
     "1 passed, 1 failed, 0 skipped", 1, "failed: %s - apples"),
    ("output of a failure is shown", "echo '1..1'; echo 'not ok 1 - a'; echo because >&2",
     "0 passed, 1 failed, 0 skipped", 1, "| because"),
    ("what failed is shown first, with what is said of it",
     "echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '# got 6'; echo 'ok 3 - c'; echo '# of c'; "
     "echo 'ok 4 - d # SKIP rain'; echo 1..4; echo talk >&2; exit 1",
     "2 passed, 1 failed, 1 skipped", 1,
     "     failed: %s - b\n     # got 6\n     skipped: %s - d: rain\n     | talk\n"
     "     | ok 1 - a\n"),
    ("of many comments the first and the last",
     "echo 'not ok 1 - b'; for i in 1 2 3 4 5 6 7; do echo \"# line $i\"; done; echo 1..1; exit 1",
     "0 passed, 1 failed, 0 skipped", 1,
     "- b\n     # line 1\n     # line 2\n     # [...]\n     # line 5\n     # line 6\n"
     "     # line 7\n     |"),
    ("what failed is listed once more at the end",
     "echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '# got 6'; echo 1..2; exit 1",
     "1 passed, 1 failed, 0 skipped", 1,
     "\nFailed tests, once more:\n     failed: %s - b\n     # got 6\n1 passed"),
    ("no plan", "echo 'ok 1 - a'", "1 passed, 1 failed, 0 skipped", 1, "printed no plan"),
    ("dies before its plan", "echo 'ok 1 - a'; kill -SEGV $$",
     "1 passed, 2 failed, 0 skipped", 1, "died of signal 11"),
    ("dies after its plan", "echo 1..1; echo 'ok 1 - a'; kill -KILL $$",
     "1 passed, 1 failed, 0 skipped", 1, "died of signal 9"),
    ("exits non-zero", "echo 1..1; echo 'ok 1 - a'; exit 3",
     "1 passed, 1 failed, 0 skipped", 1, "exited with code 3"),
    ("fewer than planned", "echo 1..3; echo 'ok 1 - a'; echo 'ok 2 - b'",
     "2 passed, 1 failed, 0 skipped", 1, "planned 3 tests but ran 2"),
    ("misnumbered", "echo 1..2; echo 'ok 1 - a'; echo 'ok 3 - b'",
     "2 passed, 1 failed, 0 skipped", 1, "test number 3 printed where 2 was due"),
    ("bails out", "echo 'Bail out! no disk'; echo 1..0",
     "0 passed, 1 failed, 1 skipped", 1, "Bail out! no disk"),
    ("prints nothing", ":", "0 passed, 1 failed, 0 skipped", 1, "printed no plan"),
    ("hangs", "echo 1..1; echo 'ok 1 - a'; sleep 60",
     "1 passed, 1 failed, 0 skipped", 1, "still running after 2 s"),
    ("skips one", "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - pears # SKIP no ladder'",
     "1 passed, 0 failed, 1 skipped", 0, "%s - pears: no ladder"),
    ("skips all", "echo '1..0 # SKIP no orchard'", "0 passed, 0 failed, 1 skipped", 1,
     "%s: no orchard"),
    ("talk on stderr is no result", "echo 'not ok 1 - x' >&2; echo 1..1; echo 'ok 1 - a'",
     "1 passed, 0 failed, 0 skipped", 0, "1 passed"),
]


def run_case(tap, folder, index, case):
    name, script, last, code, shown = case
    path = os.path.join(folder, "case%d.sh" % index)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n%s\n" % script)
    os.chmod(path, 0o755)
    timeout = "2" if name == "hangs" else "600"
    done = subprocess.run([sys.executable, os.path.join(repo(), "test/run.py"), "--timeout",
                           timeout, "--tmp", os.path.join(folder, "tmp"), path],
                          capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    shown = shown.replace("%s", os.path.relpath(path)[:-len(".sh")])
    tap.ok(lines and lines[-1] == last and done.returncode == code and shown in done.stdout,
           name, "want %r, exit %d and %r, got exit %d:\n%s" % (
               last, code, shown, done.returncode, done.stdout + done.stderr))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        for index, case in enumerate(CASES):
            run_case(tap, folder, index, case)
        missing = subprocess.run([sys.executable, os.path.join(repo(), "test/run.py"), "--tmp",
                                  os.path.join(folder, "tmp"), os.path.join(folder, "absent.sh")],
                                 capture_output=True, text=True, check=False)
        tap.ok(missing.returncode == 1 and "cannot be started" in missing.stdout
               and missing.stdout.endswith("0 passed, 1 failed, 0 skipped\n"),
               "a program that is not there fails", missing.stdout + missing.stderr)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
