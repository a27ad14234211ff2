"""TAP output for test programs in Python: see test/run.py for the rules."""
import os
import sys
import traceback


class Tap:
    """Numbers the results, prints them at once, and the plan at the end."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, holds, name, detail=""):
        """One result; detail is shown when it does not hold."""
        self.count += 1
        print("%s %d - %s" % ("ok" if holds else "not ok", self.count, name.replace("#", "no. ")))
        if not holds:
            self.failed += 1
            for line in str(detail).splitlines():
                print("# " + line)
        sys.stdout.flush()
        return bool(holds)

    def equal(self, got, want, name):
        return self.ok(got == want, name, "got  %r\nwant %r" % (got, want))

    def same_set(self, got, want, name):
        """Set equality; shows a few of the differing members."""
        got, want = set(got), set(want)
        missing, extra = sorted(want - got), sorted(got - want)
        detail = "got %d, want %d; missing %d: %s; extra %d: %s" % (
            len(got), len(want), len(missing), missing[:5], len(extra), extra[:5])
        return self.ok(not missing and not extra, name, detail)

    def skip(self, name, reason):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, reason))
        sys.stdout.flush()

    def attempt(self, name, function, *args):
        """Run function(tap, ...); an exception is a failed test."""
        try:
            function(self, *args)
        except Exception:  # pylint: disable=broad-except
            self.ok(False, "%s runs to its end" % name, traceback.format_exc())

    def done(self):
        """Print the plan; returns the exit code."""
        print("1..%d" % self.count)
        sys.stdout.flush()
        return 1 if self.failed else 0


def skip_all(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def repo():
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
