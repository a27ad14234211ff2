#!/usr/bin/env python3
"""fixtures/blocks under the settings that change malloc: tunables, arenas, and
static executables without symbols. Each core is compared with the truth."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import truth  # noqa: E402
from tap import Tap, skip_all  # noqa: E402

THREADS = 4
MULDEFS = "-Wl,-z,muldefs"  # blocks defines malloc, and so does libc.a
LINKED = {
    "dynamic": [],
    "static": ["-static", MULDEFS, "-s"],
    "static PIE": ["-static-pie", "-fPIE", MULDEFS, "-s"],
}


def tunable(text):
    return {"GLIBC_TUNABLES": "glibc.malloc." + text}


# name: how linked, arguments, environment
SETTINGS = {
    "static": ("static", [], {}),
    "static, break blocked": ("static", ["blocked-brk"], {}),
    "static PIE": ("static PIE", [], {}),
    "static PIE, break blocked": ("static PIE", ["blocked-brk"], {}),
    "one arena": ("dynamic", [], {"MALLOC_ARENA_MAX": "1"}),
    "two arenas": ("dynamic", [], {"MALLOC_ARENA_MAX": "2"}),
    "no tcache": ("dynamic", [], tunable("tcache_count=0")),
    "large tcache": ("dynamic", [], tunable("tcache_count=100")),
    "tcache of large blocks": ("dynamic", [], tunable("tcache_max=4194304")),
    "tcache of small blocks": ("dynamic", [], tunable("tcache_max=200")),
    "no fast bins": ("dynamic", [], tunable("mxfast=0")),
    "more fast bins": ("dynamic", [], tunable("mxfast=160")),
    "filled with a pattern": ("dynamic", [], {"MALLOC_PERTURB_": "165"}),
    "transparent huge pages": ("dynamic", [], tunable("hugetlb=1")),
    "huge pages": ("dynamic", ["two-heaps"], tunable("hugetlb=2")),
    "everything mapped": ("dynamic", [], tunable("mmap_threshold=4096")),
    "nothing mapped": ("dynamic", [], {"MALLOC_MMAP_MAX_": "0"}),
    "padded top": ("dynamic", [], {"MALLOC_TOP_PAD_": "1000000"}),
}


def check(tap, name, program, arguments, env):
    where = fixture.folder()
    core = fixture.dump(program, "kernel", where, arguments, env=env)
    live = truth.read_live(os.path.join(where, "live"))
    rows, closing = truth.objects(core, "used")
    program_rows = {(truth.number(row["addr"]), row["size_bytes"]) for row in rows
                    if row["kind"] == "object"}
    own = [row for row in rows if row["kind"] == "allocator"]
    tap.same_set(program_rows, live.items(), name + ": used blocks are the recorded ones")
    # Before 2.42 there is one even when it holds nothing.
    tap.ok(len(own) in ((0, THREADS + 1) if name == "no tcache" else (THREADS + 1,)),
           name + ": the allocator's own blocks are marked", "%d of them" % len(own))
    tap.ok(closing["complete"], name + ": nothing is missing")
    info = truth.MallocInfo(os.path.join(where, "malloc_info"))
    truth.check_used_bytes(tap, truth.check_heap(tap, core, info, True, name), rows, name)
    os.unlink(core)


def build_all(tap):
    """{how linked: program}; without those that cannot be linked here."""
    programs = {}
    for how, flags in LINKED.items():
        program = os.path.join(fixture.folder(), "blocks")
        try:
            fixture.build("blocks", program, *flags)
            programs[how] = program
        except subprocess.CalledProcessError:
            tap.skip(how, "it cannot be linked here")
    return programs


def main():
    reason = fixture.kernel_dumps()
    if reason:
        skip_all(reason)
    tap = Tap()
    programs = build_all(tap)
    for name, (how, arguments, env) in SETTINGS.items():
        if how in programs:
            tap.attempt(name, check, name, programs[how], arguments, env)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
