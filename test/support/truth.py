"""Comparisons of coreheap's answers with what is known otherwise."""
import bisect
import xml.etree.ElementTree

import fixture

CHUNK_HEADER = 8


def number(text):
    return int(text, 16)


def read_live(path):
    """{address: usable size} of a .live list."""
    live = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            live[int(fields[0], 16)] = int(fields[1])
    return live


def is_word(root):
    """Whether a root is no more than a word of a thread that looks like an address."""
    return root["kind"] in ("stack", "register")


def not_of_words(core, type_name):
    """Roots of objects of a type that are more than that. What a collection moved may lie where
    something else was that a thread waited for or had looked at: what is left of that on its
    stack leads to it."""
    chains = fixture.answer("roots", "--json", "--limit", "0", core, type_name)["chains"]
    return [chain["root"] for chain in chains if not is_word(chain["root"])]


class Spans:
    """Which of some [start, start + size) an address lies in."""

    def __init__(self, spans):
        self.spans = sorted(spans)
        self.starts = [start for start, _ in self.spans]

    def has(self, addr):
        at = bisect.bisect_right(self.starts, addr) - 1
        return at >= 0 and addr < self.spans[at][0] + self.spans[at][1]


def still_free(freed, live):
    """Freed blocks whose memory was not handed out again as part of another."""
    spans = Spans(live.items())
    return {addr: size for addr, size in freed.items() if not spans.has(addr)}


def objects(core, state):
    """Rows of `objects --state STATE`, without the closing record; and that record."""
    rows = fixture.records("objects", "--state", state, "--jsonl", core)
    return rows[:-1], rows[-1]


def check_live(tap, core, live, allocators, name):
    """The used blocks are exactly the recorded ones plus the allocator's own."""
    rows, closing = objects(core, "used")
    program = {number(row["addr"]): row["size_bytes"] for row in rows
               if row["kind"] == "object"}
    own = [row for row in rows if row["kind"] == "allocator"]
    tap.same_set(program, live, "%s: used blocks are the recorded ones" % name)
    tap.same_set(program.items(), live.items(),
                 "%s: their sizes are what malloc_usable_size said" % name)
    tap.equal(len(own), allocators, "%s: the allocator's own blocks are marked" % name)
    tap.equal(len(program) + len(own), len(rows), "%s: no address twice, no other kind" % name)
    tap.equal(closing.get("matched_count"), len(rows), "%s: the closing record counts" % name)
    tap.equal(closing.get("matched_bytes"), sum(row["chunk_bytes"] for row in rows),
              "%s: the closing record sums the chunks" % name)
    addrs = [number(row["addr"]) for row in rows]
    tap.ok(addrs == sorted(addrs), "%s: rows ascend by address" % name)
    ends = [number(row["addr"]) + row["size_bytes"] for row in rows]
    tap.ok(all(end <= addr for end, addr in zip(ends, addrs[1:])),
           "%s: no two blocks overlap" % name)
    return rows


def check_free(tap, core, freed, used_rows, name):
    """Freed blocks lie in free chunks (perhaps merged with what was free before them)."""
    rows, _ = objects(core, "free")
    used = {number(row["addr"]) for row in used_rows}
    free = Spans((number(r["addr"]), r["size_bytes"]) for r in rows)
    wrong = [addr for addr in freed if not free.has(addr)]
    tap.ok(freed and not wrong, "%s: freed blocks are free" % name,
           "%d freed, not free: %s" % (len(freed), ", ".join(hex(a) for a in sorted(wrong)[:8])))
    tap.equal(sorted(used & set(free.starts)), [], "%s: no block is both used and free" % name)


class ArenaInfo:
    """One <heap> of malloc_info, in true sizes."""

    def __init__(self, element):
        totals = {e.get("type"): e for e in element.findall("total")}
        rest, fast = totals.get("rest"), totals.get("fast")
        count = int(rest.get("count"))
        # glibc sums the size fields of binned chunks with their PREV_INUSE bit; the top
        # chunk and the fast bins are summed without it (malloc/malloc.c, __malloc_info).
        system = {e.get("type"): int(e.get("size")) for e in element.findall("system")}
        self.system, self.system_max = system["current"], system["max"]
        self.binned = int(rest.get("size")) - (count - 1)
        self.fast = int(fast.get("size")) if fast is not None else 0


class MallocInfo:
    def __init__(self, path):
        root = xml.etree.ElementTree.parse(path).getroot()
        self.arenas = [ArenaInfo(e) for e in root.findall("heap")]
        mapped = [e for e in root.findall("total") if e.get("type") == "mmap"][0]
        self.mmapped_count = int(mapped.get("count"))
        self.mmapped_bytes = int(mapped.get("size"))


def check_heap(tap, core, info, contiguous, name):
    """Counters of `heap` against malloc_info of the same moment."""
    heaps = fixture.answer("heap", "--json", core)["heaps"]
    arenas = [heap for heap in heaps if heap["kind"] == "arena"]
    mapped = [heap for heap in heaps if heap["kind"] == "mmapped"]
    tap.equal(len(arenas), len(info.arenas), "%s: number of arenas" % name)
    if contiguous:
        # what a heap gave back (malloc/arena.c, shrink_heap) stays accessible
        pairs = [(arena.system, heap["committed_bytes"], arena.system_max)
                 for heap, arena in zip(arenas, info.arenas)]
        tap.ok(all(low <= committed <= high for low, committed, high in pairs),
               "%s: committed bytes of each arena are its system_mem" % name, str(pairs))
    for heap in heaps:
        tap.equal(heap["used_bytes"] + heap["free_bytes"] + heap["overhead_bytes"],
                  heap["committed_bytes"],
                  "%s: %s: used + free + overhead = committed" % (name, heap["name"]))
    cached = sum(heap["detail"].get("tcache_bytes", 0) for heap in arenas)
    tap.equal(sum(heap["free_bytes"] for heap in arenas) - cached,
              sum(arena.binned + arena.fast for arena in info.arenas),
              "%s: free bytes outside of thread caches are malloc_info's" % name)
    tap.equal(sum(heap["used_count"] for heap in mapped), info.mmapped_count,
              "%s: number of mmapped chunks" % name)
    # Mappings are whole pages; glibc 2.43 counts 16 bytes more for a chunk that realloc moved.
    tap.equal(sum(heap["committed_bytes"] for heap in mapped), info.mmapped_bytes // 4096 * 4096,
              "%s: bytes of mmapped chunks" % name)
    return heaps


def check_used_bytes(tap, heaps, rows, name):
    """Counters of `heap` against the rows of `objects`."""
    tap.equal(sum(heap["used_count"] for heap in heaps), len(rows),
              "%s: heap counts the used blocks that objects lists" % name)
    tap.equal(sum(heap["used_bytes"] for heap in heaps),
              sum(row["chunk_bytes"] for row in rows),
              "%s: heap sums the chunks that objects lists" % name)


def check_types(tap, core, heaps, rows, name):
    types = fixture.answer("types", "--json", core)
    used = [row for row in types["types"] if row["kind"] in ("object", "allocator")]
    free = [row for row in types["types"] if row["kind"] == "free"]
    tap.equal(sum(row["count"] for row in used), len(rows), "%s: types counts all used" % name)
    tap.equal(sum(row["total_bytes"] for row in used),
              sum(heap["used_bytes"] for heap in heaps), "%s: types sums all used" % name)
    tap.equal(sum(row["total_bytes"] for row in free),
              sum(heap["free_bytes"] for heap in heaps), "%s: types sums all free" % name)
    tap.equal(sum(row["total_bytes"] for row in types["types"]), types["total_bytes"],
              "%s: types adds up to its total" % name)


def check_address(tap, core, name):
    """The invariants of the address summary; returns the regions."""
    doc = fixture.answer("address", "--json", "--regions", core)
    space, regions = doc["address_space"], doc["regions"]

    def total(axis, skip=()):
        # null: what the dumper does not record (reservations of createdump)
        return sum(row["total_bytes"] or 0 for row in doc[axis]
                   if not {row["name"], row.get("native_name")} & set(skip))

    free = ("Free", "free", "MEM_FREE")
    free_bytes = sum(row["total_bytes"] or 0 for row in doc["by_state"]
                     if {row["name"], row.get("native_name")} & set(free))
    commit = sum(row["total_bytes"] or 0 for row in doc["by_state"]
                 if {row["name"], row.get("native_name")} & {"MEM_COMMIT", "commit"})
    tap.equal(free_bytes + space["busy_bytes"], space["total_bytes"],
              "%s: free + busy = address space" % name)
    for axis in ("by_usage", "by_type", "by_state"):
        tap.equal(total(axis, free), space["busy_bytes"], "%s: %s = busy" % (name, axis))
    tap.equal(total("by_protect"), commit, "%s: by_protect = commit" % name)
    tap.ok(commit > 0, "%s: something is committed" % name)

    spans = [(number(r["addr"]), number(r["end"])) for r in regions
             if number(r["addr"]) < space["total_bytes"]]
    tap.ok(all(start < end for start, end in spans) and spans == sorted(spans)
           and all(a[1] <= b[0] for a, b in zip(spans, spans[1:])),
           "%s: regions ascend and do not overlap" % name)
    listed = {"busy": 0, "free": 0}
    for region in regions:
        if number(region["addr"]) < space["total_bytes"]:
            key = "free" if region["usage"] in free else "busy"
            listed[key] += region["total_bytes"]
    tap.equal(listed["busy"], space["busy_bytes"], "%s: regions add up to busy" % name)
    tap.ok(all(r["in_core_bytes"] <= r["total_bytes"] for r in regions),
           "%s: no region has more bytes in the core than bytes" % name)
    return doc


def pieces(regions, start, end):
    """Parts of regions that meet [start, end), as (start, end, region)."""
    for region in regions:
        low, high = max(start, number(region["addr"])), min(end, number(region["end"]))
        if low < high:
            yield low, high, region
