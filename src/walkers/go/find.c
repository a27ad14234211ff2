/*
 * Finding the heap of Go without symbols. The page allocator begins with five slices of summaries
 * whose capacities are powers of two that nothing else has in a row; the tables of chunks and the
 * ranges in use follow at places that no release has moved, and a little behind them, in the
 * structure around it (mheap), the list of all spans: a slice of pointers to structures that begin
 * at a page in use.
 */
#include <string.h>

#include "heap/signs.h"
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/go_priv.h"

/* mpagealloc.go and mpagealloc_64bit.go, Go 1.17 to 1.27: struct pageAlloc. */
#define LEVELS       5U
#define CHUNKS_AT    120U
#define CHUNKS_L1    8192U
#define CHUNKS_L2    8192U
#define IN_USE_AT    (CHUNKS_AT + 8 * CHUNKS_L1 + 24)
#define PALLOC_BYTES 128U
/* The list of spans lies behind it, within so many bytes. */
#define SPANS_FROM   (IN_USE_AT + 40)
#define SPANS_WITHIN 1024U
/* 256 TiB in ranges of 4 MiB at worst; no program has as many. */
#define IN_USE_MAX (1U << 20)
/* A core that is cut to less than such a part of the heap is not read. */
#define PARTS_MAX 64U
/* Spans have a page at least. */
#define ALLSPANS_MAX (1ULL << 32)
/* Of the list, how many are looked at before it is believed. */
#define SAMPLES 64U
/* mspan, all releases. */
#define SPAN_START_AT 24U
#define SPAN_PAGES_AT 32U

/* malloc.go: addresses are 48 bits, of which the lowest are negative on amd64. */
static uint64_t chunk_of(const struct go *go, uint64_t addr)
{
	uint64_t base = ch_core_arch(go->env.core) == CH_ARCH_X86_64 ? 1ULL << 47 : 0;

	return (addr + base) / GO_CHUNK_BYTES;
}

/* Whether five summaries are at p, of at least 120 bytes: mpagealloc_64bit.go, levelBits. */
static bool are_summaries(const uint8_t *p)
{
	static const uint32_t bits[LEVELS] = { 14, 17, 20, 23, 26 };
	uint32_t i;

	for (i = 0; i < LEVELS; i++)
		if (ch_get64(p + 24ULL * i + 16) != 1ULL << bits[i] ||
		    ch_get64(p + 24ULL * i + 8) > 1ULL << bits[i] || !ch_get64(p + 24ULL * i))
			return false;
	return true;
}

static bool in_run(const struct ch_data_run *run, uint64_t *ret)
{
	size_t at = ch_align_up(run->addr, 8) - run->addr;

	for (; ch_inside(at, CHUNKS_AT, run->len); at += 8) {
		if (ch_get64(run->bytes + at + 16) != 1ULL << 14 || !are_summaries(run->bytes + at))
			continue;
		*ret = run->addr + at;
		return true;
	}
	return false;
}

static bool in_ranges(const struct go *go, uint64_t addr)
{
	const struct go_pages *ranges = go->in_use.items;
	size_t i = ch_search(ranges, go->in_use.count, it, it->end <= addr);

	return i < go->in_use.count && ranges[i].start <= addr;
}

struct ch_error *go_find_in_use(struct go *go)
{
	uint64_t list, count, start, end, i, last = 0, total = 0;
	struct go_pages *range;

	if (!ch_core_read_u64(go->env.core, go->pages + IN_USE_AT, &list) ||
	    !ch_core_read_u64(go->env.core, go->pages + IN_USE_AT + 8, &count) ||
	    count > IN_USE_MAX)
		return ch_error_create(CH_ERROR_ABSENT,
				       "the page allocator of Go is not whole in the core");
	for (i = 0; i < count; i++) {
		if (!ch_core_read_u64(go->env.core, list + 16 * i, &start) ||
		    !ch_core_read_u64(go->env.core, list + 16 * i + 8, &end) || start < last ||
		    end <= start || start % GO_PAGE_BYTES || end % GO_PAGE_BYTES)
			return ch_error_create(CH_ERROR_CORRUPT,
					       "the ranges that Go's page allocator has in use are "
					       "not in order, or not in the core");
		range = ch_vec_push(&go->in_use);
		if (!range)
			return &ch_enomem;
		*range = (struct go_pages){ .start = start, .end = end };
		last = end;
		total += end - start;
	}
	/* A table of pages is made of it: as little as what is left of a cut core allows. */
	if (total / PARTS_MAX > ch_core_stats(go->env.core)->present_bytes)
		return ch_error_create(
			CH_ERROR_CORRUPT,
			"Go's page allocator has more pages in use than the core has "
			"memory");
	return NULL;
}

static bool looks_like_span(const struct go *go, uint64_t addr)
{
	uint64_t start, count;

	return addr && addr % 8 == 0 &&
	       ch_core_read_u64(go->env.core, addr + SPAN_START_AT, &start) &&
	       ch_core_read_u64(go->env.core, addr + SPAN_PAGES_AT, &count) &&
	       start % GO_PAGE_BYTES == 0 && count < ALLSPANS_MAX &&
	       ((!start && !count) || in_ranges(go, start));
}

/* Whether a slice at addr leads to spans. Those that were given back keep their place in the list.
 */
static bool leads_to_spans(struct go *go, uint64_t addr)
{
	uint64_t list, count, room, span, i, good = 0, tried = 0;

	if (!ch_core_read_u64(go->env.core, addr, &list) ||
	    !ch_core_read_u64(go->env.core, addr + 8, &count) ||
	    !ch_core_read_u64(go->env.core, addr + 16, &room) || !list || !count || count > room ||
	    room > ALLSPANS_MAX || list % 8)
		return false;
	for (i = 0; i < ch_min(count, SAMPLES); i++, tried++)
		if (ch_core_read_u64(go->env.core, list + 8 * i, &span) &&
		    looks_like_span(go, span))
			good++;
	if (good * 4 < tried * 3)
		return false;
	go->allspans = addr;
	go->allspans_addr = list;
	go->allspans_count = count;
	return true;
}

static bool find_pages(struct go *go)
{
	struct ch_data_run run = { 0 };
	const struct ch_module *modules;
	size_t count, i;
	uint64_t at;

	modules = ch_sym_modules(go->env.sym, &count);
	for (i = 0; i < count; i++) {
		at = modules[i].start;
		while (chp_data_next(&go->env, &modules[i], &at, &run))
			if (in_run(&run, &go->pages))
				return true;
	}
	return false;
}

struct ch_error *go_find(struct go *go)
{
	struct ch_error *err;
	uint64_t at;

	if (!find_pages(go))
		return ch_error_create(
			CH_ERROR_UNSUPPORTED,
			"no page allocator of Go 1.14 or later is in the data of any "
			"module: its release is older, or the data is not in the core");
	err = go_find_in_use(go);
	if (err)
		return err;
	for (at = SPANS_FROM; at < SPANS_FROM + SPANS_WITHIN; at += 8)
		if (leads_to_spans(go, go->pages + at))
			break;
	/* mheap.go: sweepgen is the word before allspans since Go 1.18 */
	if (!go->allspans || !ch_core_read_u32(go->env.core, go->allspans - 8, &go->sweepgen))
		return ch_error_create(
			CH_ERROR_UNSUPPORTED,
			"the list of all spans does not lie behind the page allocator "
			"of Go, as it does in 1.17 to 1.27");
	return NULL;
}

static bool bit_at(const struct go *go, uint64_t addr, uint32_t bit, bool *ret)
{
	uint64_t word;

	if (!ch_core_read_u64(go->env.core, addr + bit / 64 * 8, &word))
		return false;
	*ret = word >> bit % 64 & 1;
	return true;
}

enum go_page go_page_at(const struct go *go, uint64_t addr)
{
	uint64_t chunk = chunk_of(go, addr), table, data;
	uint32_t bit = (uint32_t)(addr % GO_CHUNK_BYTES / GO_PAGE_BYTES);
	bool taken, released;

	if (chunk / CHUNKS_L2 >= CHUNKS_L1 ||
	    !ch_core_read_u64(go->env.core, go->pages + CHUNKS_AT + 8 * (chunk / CHUNKS_L2),
			      &table) ||
	    !table)
		return GO_PAGE_UNKNOWN;
	data = table + PALLOC_BYTES * (chunk % CHUNKS_L2);
	if (!bit_at(go, data, bit, &taken) || !bit_at(go, data + PALLOC_BYTES / 2, bit, &released))
		return GO_PAGE_UNKNOWN;
	return taken ? GO_PAGE_TAKEN : released ? GO_PAGE_RELEASED : GO_PAGE_FREE;
}
