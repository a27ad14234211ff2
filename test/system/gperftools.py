#!/usr/bin/env python3
"""fixtures/recorded on the tcmalloc of gperftools: its used blocks are the recorded ones, with one
and with many threads, preloaded and linked, dumped with gcore and by the kernel; what its caches
hold is free; leaks, roots, retained, diff and names work on them; damage loses what it describes."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fixture  # noqa: E402
import recorded  # noqa: E402
import truth  # noqa: E402
from tap import Tap  # noqa: E402
from writable import Writable  # noqa: E402

# A file of another release may be given instead.
LIBRARY = os.environ.get("LIBTCMALLOC") or recorded.library("libtcmalloc_minimal.so.4",
                                                            "libtcmalloc_minimal.so")
# Its extension of malloc makes some blocks for itself.
OTHERS = 3
PAGE_SHIFT, SPAN_BYTES = 13, 48


def check_caches(tap, core, name):
    """What lies in caches is free, and is counted as its kind."""
    document = fixture.answer("heap", "--json", core)
    heap, verdict = document["heaps"][0], document["verdict"]
    tap.equal((verdict["trim_call"], verdict["trim_bytes"]),
              ("MallocExtension::ReleaseFreeMemory()", heap["detail"]["pageheap_free_bytes"]),
              "%s: what its call could give back is its free pages" % name)
    rows, _ = truth.objects(core, "free")
    cached = [row["size_bytes"] for row in rows if row["place"] == "thread cache"]
    tap.equal((len(cached), sum(cached)),
              (heap["detail"]["thread_cache_count"], heap["detail"]["thread_cache_bytes"]),
              "%s: objects in caches of threads are free" % name)
    tap.ok(len(cached) > 100, "%s: there are some" % name, str(len(cached)))


class Spans:
    """Structures of spans, found in the metadata by the pages that they name."""

    def __init__(self, core):
        heap = fixture.answer("heap", "--json", core.path)["heaps"][0]
        self.words = {}
        for segment in heap["segments"]:
            if segment["kind"] == "metadata":
                start = truth.number(segment["addr"])
                data = core.read(start, segment["committed_bytes"])
                self.words.update((start + 8 * i, word) for i, (word,)
                                  in enumerate(struct.iter_unpack("<Q", data)) if word)

    def of(self, addr):
        """(address, first page, pages) of the span in use that holds addr."""
        page = addr >> PAGE_SHIFT
        for at, first in self.words.items():
            length = self.words.get(at + 8, 0)
            if (first <= page < first + length and length < 1 << 20
                    and self.words.get(at + 40, 0) >> 16 & 0xff and self.elements(at)):
                return at, first, length
        raise ValueError("no span holds 0x%x" % addr)

    def elements(self, span):
        """Elements of the page map that lead to a span."""
        return sorted(at for at, word in self.words.items() if word == span)


def check_damages(tap, core_path, where):
    core, live = Writable(core_path), truth.read_live(os.path.join(where, "live"))
    quad = struct.Struct("<Q").pack
    spans = Spans(core)
    some = next(addr for addr in sorted(live) if live[addr] == 80)
    span, first, length = spans.of(some)
    inside = sum(first <= addr >> PAGE_SHIFT < first + length for addr in live)
    tap.ok(inside > 20, "damage: a span with many objects", str(inside))
    for what, at, data, most, code in (
            ("its first page", span, quad(first + 1), inside, "tcmalloc-span"),
            ("its first page is 0", span, quad(0), inside, "tcmalloc-span"),
            ("its length is 0", span + 8, quad(0), inside, "tcmalloc-span"),
            ("its length is huge", span + 8, quad(1 << 40), inside, "tcmalloc-span"),
            ("its length is one more", span + 8, quad(length + 1), inside, "tcmalloc-span"),
            ("its list of free objects", span + 32, quad(0x4141414141414141), 0, "tcmalloc-list"),
            ("its count of objects", span + 40, b"\x01\x00", 0, "tcmalloc-list"),
            ("its size class", span + 42, b"\x7f", inside, "tcmalloc-span"),
            ("its place", span + 43, b"\x03", inside, "tcmalloc-span")):
        recorded.check_damage(tap, core, live, [(at, data)], most, {code, "tcmalloc-cache"}, what)
    os.unlink(core.path)


def main():
    tap = Tap()
    if LIBRARY:
        recorded.check_library(tap, LIBRARY, check_caches, check_damages, shifted=False,
                               others=OTHERS)
    else:
        tap.skip("tcmalloc", "libtcmalloc_minimal.so.4 is not installed")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
