/*
 * Memory that the runtime of Go has for itself: tables of the page allocator and of arenas, bits of
 * allocation and marks, and chunks that its own structures are cut from. It maps each of them for
 * itself, and the kernel merges neighbours: so what is known to be used is claimed, nothing around
 * it.
 */
#include "heap/signs.h"
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/go_priv.h"

/* mpagealloc.go: the directory of chunks in pageAlloc, and how large what it leads to is. */
#define SUMMARIES       5U
#define CHUNKS_AT       120U
#define CHUNKS_L1       8192U
#define CHUNKS_L2_BYTES (8192ULL * 128)
/* malloc.go, Linux on 64 bits: heapArenaBytes, arenaL2Bits. */
#define ARENA_BYTES  (64ULL << 20)
#define ARENAS_COUNT (1ULL << 22)
/* mheap.arenas lies behind allspans, within so many bytes. */
#define ARENAS_WITHIN 256U
/* mheap.go, heapArena: what follows its spans. */
#define ARENA_TAIL_BYTES  3088ULL
#define ARENA_SPANS_BYTES 65536ULL
/* malloc.go, persistentChunkSize. */
#define CHUNK_BYTES (256ULL << 10)
/* Chunks that are looked at in all, and spans that tell which of them are meant. */
#define STEPS_MAX (1U << 20)
#define SAMPLES   64U

static const char tables_label[] = "tables of the page allocator";
static const char arenas_label[] = "tables of arenas";
static const char bits_label[] = "bits of allocation and marks";
static const char chunks_label[] = "the runtime's structures";
static const char list_label[] = "list of spans";

/* Of a range, the pages that are anonymous and can be used. */
static struct ch_error *claim(struct go *go, uint64_t start, uint64_t end, const char *label)
{
	const struct ch_region *region;
	struct ch_walker_claim *slot;
	uint64_t at = ch_align_down(start, CH_PAGE_BYTES), next;

	end = ch_align_up(end, CH_PAGE_BYTES);
	for (; at < end; at = next) {
		region = ch_map_region_at(go->env.map, at);
		if (!region || region->end <= at)
			return NULL;
		next = ch_min(region->end, end);
		if (region->state != CH_STATE_COMMIT || region->usage != CH_USAGE_ANON)
			continue;
		slot = ch_vec_push(&go->claims);
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_walker_claim){ .start = at,
						  .end = next,
						  .usage = CH_USAGE_MANAGED_OTHER,
						  .basis = CH_BASIS_DERIVED,
						  .label = label };
	}
	return NULL;
}

static bool word_at(const struct go *go, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(go->env.core, addr, ret);
}

/* ---- Tables of pages ------------------------------------------------------------------- */

static struct ch_error *claim_tables(struct go *go)
{
	struct ch_error *err = NULL;
	uint64_t addr, room;
	uint32_t i;

	for (i = 0; !err && i < SUMMARIES; i++)
		if (word_at(go, go->pages + 24ULL * i, &addr) &&
		    word_at(go, go->pages + 24ULL * i + 16, &room) && room <= 1ULL << 26)
			err = claim(go, addr, addr + 8 * room, tables_label);
	for (i = 0; !err && i < CHUNKS_L1; i++)
		if (word_at(go, go->pages + CHUNKS_AT + 8ULL * i, &addr) && addr)
			err = claim(go, addr, addr + CHUNKS_L2_BYTES, tables_label);
	return err ? err
		   : claim(go, go->allspans_addr, go->allspans_addr + 8 * go->allspans_count,
			   list_label);
}

/* ---- Arenas ----------------------------------------------------------------------------- */

static uint64_t arena_of(const struct go *go, uint64_t addr)
{
	uint64_t base = ch_core_arch(go->env.core) == CH_ARCH_X86_64 ? 1ULL << 47 : 0;

	return (addr + base) / ARENA_BYTES;
}

uint64_t go_arena_at(const struct go *go, uint64_t addr)
{
	uint64_t index = arena_of(go, addr), arena;

	return go->arenas && index < ARENAS_COUNT && word_at(go, go->arenas + 8 * index, &arena)
		       ? arena
		       : 0;
}

/* Where heapArena has its spans: Go 1.22 and later, 1.20 and 1.21, before. */
static bool has_span(struct go *go, uint64_t arena, const struct go_span *span)
{
	static const uint32_t places[] = { 0, (1U << 20) + (16U << 10), 2U << 20 };
	uint64_t page = span->start % ARENA_BYTES / GO_PAGE_BYTES, word;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!word_at(go, arena + places[i] + 8 * page, &word) || word != span->addr)
			continue;
		go->arena_spans = places[i];
		return true;
	}
	return false;
}

void go_arenas_find(struct go *go)
{
	const struct go_span *span = go->spans_known.items;
	uint64_t at = go->allspans + 24, end = at + ARENAS_WITHIN, index, table, arena;

	if (!go->spans_known.count)
		return;
	index = arena_of(go, span->start);
	for (; index < ARENAS_COUNT && at < end; at += 8) {
		if (!word_at(go, at, &table) || !table || table % CH_PAGE_BYTES ||
		    !word_at(go, table + 8 * index, &arena) || !arena || !has_span(go, arena, span))
			continue;
		go->arenas = table;
		return;
	}
}

static struct ch_error *claim_arenas(struct go *go)
{
	const struct go_pages *ranges = go->in_use.items;
	/* pageUseSpanInlineMarkBits */
	uint64_t bytes = go->arena_spans + ARENA_SPANS_BYTES + ARENA_TAIL_BYTES +
			 (go->code.build.minor >= 25 ? 1024 : 0);
	uint64_t at, arena, last = 0;
	struct ch_error *err;
	size_t i;

	if (!go->arenas)
		return NULL;
	err = claim(go, go->arenas, go->arenas + 8 * ARENAS_COUNT, arenas_label);
	for (i = 0; !err && i < go->in_use.count; i++)
		for (at = ch_align_down(ranges[i].start, ARENA_BYTES); !err && at < ranges[i].end;
		     at += ARENA_BYTES) {
			arena = go_arena_at(go, at);
			if (arena && arena != last)
				err = claim(go, arena, arena + bytes, arenas_label);
			last = arena;
		}
	return err;
}

/* ---- Chunks of the runtime's own structures ----------------------------------------------- */

/* A list of chunks, by its first one: how many it has, and how many of the first spans lie in them.
 */
struct list {
	uint64_t first;
	uint32_t chunks, spans;
};

static uint32_t spans_in(const struct go *go, uint64_t chunk)
{
	const struct go_span *spans = go->spans_known.items;
	size_t i, n = ch_min(go->spans_known.count, SAMPLES);
	uint32_t count = 0;

	for (i = 0; i < n; i++)
		if (spans[i].addr > chunk && spans[i].addr - chunk < CHUNK_BYTES)
			count++;
	return count;
}

/* The list that begins at first, each chunk of which begins with the address of the next. False:
 * it is none. */
static bool read_list(const struct go *go, uint64_t first, uint32_t *steps, struct list *ret)
{
	uint64_t at = first;

	*ret = (struct list){ .first = first };
	for (; at && *steps < STEPS_MAX; ret->chunks++, (*steps)++) {
		if (at % CH_PAGE_BYTES)
			return false;
		ret->spans += spans_in(go, at);
		if (!word_at(go, at, &at))
			return false;
	}
	return !at && ret->spans;
}

/* The list that has most of the spans, and of several the longest: memory that begins with 0 and
 * lies before spans looks like a list of one. */
static struct list find_chunks(struct go *go, const struct ch_module *module)
{
	struct list best = { 0 }, list;
	struct ch_data_run run = { 0 };
	uint64_t at = module->start, word;
	uint32_t steps = 0;
	size_t i;

	while (chp_data_next(&go->env, module, &at, &run))
		for (i = ch_align_up(run.addr, 8) - run.addr; ch_inside(i, 8, run.len); i += 8) {
			word = ch_get64(run.bytes + i);
			if (word && word % CH_PAGE_BYTES == 0 &&
			    read_list(go, word, &steps, &list) &&
			    (list.spans > best.spans ||
			     (list.spans == best.spans && list.chunks > best.chunks)))
				best = list;
		}
	return best;
}

static struct ch_error *claim_chunks(struct go *go)
{
	const struct ch_module *module = ch_sym_module_at(go->env.sym, go->pages);
	struct ch_error *err = NULL;
	struct list list = { 0 };

	if (module)
		list = find_chunks(go, module);
	for (; !err && list.chunks; list.chunks--) {
		err = claim(go, list.first, list.first + CHUNK_BYTES, chunks_label);
		if (!word_at(go, list.first, &list.first))
			break;
	}
	return err;
}

/* ---- Bits --------------------------------------------------------------------------------- */

/* Of each span the pages where its bits begin. */
static struct ch_error *claim_bits(struct go *go)
{
	const struct go_span *spans = go->spans_known.items;
	uint64_t last[2] = { 0 }, page[2];
	struct ch_error *err = NULL;
	size_t i, j;

	for (i = 0; !err && i < go->spans_known.count; i++) {
		page[0] = ch_align_down(spans[i].alloc_bits, CH_PAGE_BYTES);
		page[1] = ch_align_down(spans[i].mark_bits, CH_PAGE_BYTES);
		for (j = 0; !err && j < 2; j++)
			if (page[j] && page[j] != last[j] && spans[i].state == GO_SPAN_HEAP)
				err = claim(go, page[j], page[j] + CH_PAGE_BYTES, bits_label);
		last[0] = page[0];
		last[1] = page[1];
	}
	return err;
}

static int compare_claims(const void *a, const void *b)
{
	const struct ch_walker_claim *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* What was met twice is claimed once, and neighbours together. */
static void unite(struct go *go)
{
	struct ch_walker_claim *claims = go->claims.items, *last;
	size_t i, kept = 0;

	ch_vec_sort(&go->claims, compare_claims);
	for (i = 0; i < go->claims.count; i++) {
		last = kept ? &claims[kept - 1] : NULL;
		if (last && claims[i].start <= last->end && claims[i].label == last->label)
			last->end = ch_max(last->end, claims[i].end);
		else if (!last || claims[i].start >= last->end)
			claims[kept++] = claims[i];
	}
	go->claims.count = kept;
}

struct ch_error *go_own_claim(struct go *go)
{
	struct ch_error *err = claim_tables(go);

	if (!err)
		err = claim_arenas(go);
	if (!err)
		err = claim_chunks(go);
	if (!err)
		err = claim_bits(go);
	if (!err)
		unite(go);
	return err;
}
