/*
 * Comparing the walk with malloc's own lists and counters, in both directions.
 *
 * malloc knows its free chunks twice: by their headers, which the walk reads,
 * and by its lists. malloc_info and mallinfo2 add up the lists. What one way
 * finds and the other does not is told, with both numbers.
 */
#include "walkers/glibc/glibc_priv.h"

#include <stdio.h>

#include "util/context.h"
#include "walkers/glibc/flight.h"

/* A bin under way: lists are followed side by side, because each step of one
 * waits for memory. */
struct bin {
	struct glibc_arena *arena;
	/** List head as a chunk, the chunk to look at, the one before it. */
	uint64_t head, chunk, last;
	/** Number of the bin: 1 is the unsorted list. */
	uint32_t number;
};

static size_t index_of(const struct glibc *glibc, const struct glibc_arena *arena)
{
	return (size_t)(arena - (const struct glibc_arena *)glibc->arenas.items);
}

static void tell_bin(const struct glibc *glibc, const struct bin *bin)
{
	glibc_tell(glibc, index_of(glibc, bin->arena), chp_blame(&glibc->env), "glibc-bin-damaged",
		   "%s: bin %u leads from 0x%llx to %s, which does not lead back: the rest of "
		   "the list is not compared",
		   bin->arena->name, bin->number, (unsigned long long)bin->last,
		   chp_core_word(glibc->env.core, bin->chunk, CH_NO_ADDRESS).text);
}

/*
 * A chunk that is just put into a list, or taken out of it, is linked from one side
 * only: count what the other end of the list leads to.
 */
static void count_back(const struct glibc *glibc, const struct bin *bin, uint64_t *left)
{
	const struct ch_core *core = glibc->env.core;
	uint64_t chunk = bin->head, next = bin->head, fd, bk, size;

	while (*left && ch_core_read_u64(core, chunk + 24, &bk)) {
		chunk = bk;
		if (chunk == bin->last || chunk == bin->head || chunk % 16 ||
		    !ch_core_read_u64(core, chunk + 16, &fd) || fd != next)
			return;
		size = glibc_chunk_size(core, chunk);
		bin->arena->bins_count++;
		bin->arena->bins_bytes += size;
		next = chunk;
		(*left)--;
	}
}

/* One step along a list. A chunk that leads back to the one before it is new:
 * so lists end. */
static void step(const struct glibc *glibc, struct bin *bin, uint64_t *left)
{
	const uint8_t *p;
	size_t len = 0;

	p = bin->chunk % 16 ? NULL : ch_core_span_recorded(glibc->env.core, bin->chunk, &len);
	if (!p && glibc_is_absent(glibc, bin->chunk)) {
		bin->chunk = bin->head;
		return;
	}
	if (!p || len < 32 || ch_get64(p + 24) != bin->last || !*left) {
		tell_bin(glibc, bin);
		if (glibc_is_under_way(glibc, index_of(glibc, bin->arena)))
			count_back(glibc, bin, left);
		bin->chunk = bin->head;
		return;
	}
	(*left)--;
	bin->arena->bins_count++;
	bin->arena->bins_bytes += ch_get64(p + 8) & ~(uint64_t)CHUNK_FLAGS;
	bin->last = bin->chunk;
	bin->chunk = ch_get64(p + 16);
	p = ch_core_span_recorded(glibc->env.core, bin->chunk, &len);
	if (p)
		__builtin_prefetch(p);
}

static struct ch_error *collect_bins(struct glibc *glibc, struct ch_vec *bins)
{
	struct bin *bin;
	uint64_t pair, first;
	size_t i;
	uint32_t k;

	for (i = 0; i < glibc->arenas.count; i++) {
		struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);

		arena->bins_count = arena->bins_bytes = 0;
		for (k = 0; k < BINS_COUNT; k++) {
			pair = arena->addr + glibc->layout->bins + 16ULL * k;
			if (!ch_core_read_u64(glibc->env.core, pair, &first) || !first ||
			    first == pair - CHUNK_HEADER_BYTES)
				continue;
			bin = ch_vec_push(bins);
			if (!bin)
				return &ch_enomem;
			*bin = (struct bin){ .arena = arena,
					     .head = pair - CHUNK_HEADER_BYTES,
					     .last = pair - CHUNK_HEADER_BYTES,
					     .chunk = first,
					     .number = k + 1 };
		}
	}
	return NULL;
}

/* Chunks of bins that are looked at before a walk. */
#define BINNED_MAX (1U << 16)

/* One step along a list, keeping its chunk; the list ends where it is damaged. */
static struct ch_error *keep(struct glibc *glibc, struct bin *bin)
{
	size_t len = 0, piece = glibc_piece_at(glibc, bin->chunk);
	struct glibc_cached *cached;
	const uint8_t *p;

	p = bin->chunk % 16 || piece == glibc->pieces.count
		    ? NULL
		    : ch_core_span_recorded(glibc->env.core, bin->chunk, &len);
	if (!p || len < 32 || ch_get64(p + 24) != bin->last) {
		bin->chunk = bin->head;
		return NULL;
	}
	cached = ch_vec_push(&glibc->cached);
	if (!cached)
		return &ch_enomem;
	*cached = (struct glibc_cached){ .chunk = bin->chunk };
	bin->last = bin->chunk;
	bin->chunk = ch_get64(p + 16);
	return NULL;
}

struct ch_error *glibc_take_binned(struct glibc *glibc)
{
	struct ch_vec bins = CH_VEC(struct bin);
	struct ch_error *err = collect_bins(glibc, &bins);
	struct bin *items = bins.items;
	size_t i, left = BINNED_MAX;

	for (i = 0; !err && i < bins.count; i++)
		for (; !err && left && items[i].chunk != items[i].head; left--)
			err = keep(glibc, &items[i]);
	ch_vec_deinit(&bins);
	return err;
}

/* Count the chunks in all bins of all arenas. */
static struct ch_error *count_bins(struct glibc *glibc)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	struct ch_vec bins = CH_VEC(struct bin);
	struct ch_error *err = collect_bins(glibc, &bins);
	struct bin *items = bins.items;
	size_t i, open = bins.count;
	uint64_t left = 0;

	for (i = 0; i < glibc->arenas.count; i++)
		left += arenas[i].found_bytes / CHUNK_BYTES_MIN;
	while (!err && open) {
		open = 0;
		for (i = 0; i < bins.count; i++) {
			if (items[i].chunk == items[i].head)
				continue;
			step(glibc, &items[i], &left);
			open += items[i].chunk != items[i].head;
		}
		err = chp_context_check(glibc->env.ctx);
	}
	ch_vec_deinit(&bins);
	return err;
}

/* Chunks that malloc at work has in no list, or in one too many: a block that is
 * given back and its neighbours. */
#define UNLISTED_MAX 3

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= UNLISTED_MAX;
}

static void compare(const struct glibc *glibc, const struct glibc_arena *arena, const char *what,
		    const struct ch_free_sum *listed, const struct ch_free_sum *walked)
{
	char text[160];

	if (listed->count == walked->count && listed->bytes == walked->bytes)
		return;
	snprintf(text, sizeof(text),
		 "%s have %llu chunks with %s, the walk found %llu with %llu bytes", what,
		 (unsigned long long)listed->count,
		 chp_core_size(glibc->env.core, listed->bytes, "impossible sizes").text,
		 (unsigned long long)walked->count, (unsigned long long)walked->bytes);
	if (is_near(listed->count, walked->count))
		glibc_tell(glibc, index_of(glibc, arena), chp_blame(&glibc->env), "glibc-counters",
			   "%s: %s", arena->name, text);
	else
		chp_context_finding(glibc->env.ctx, chp_blame(&glibc->env), "glibc-counters",
				    "%s: %s", arena->name, text);
}

/* The size in the header of top, as malloc_info counts it. */
static void compare_top(const struct glibc *glibc, const struct glibc_arena *arena,
			const struct ch_free_sum *walked)
{
	uint64_t word, head = arena->system_mem ? glibc_chunk_size(glibc->env.core, arena->top) : 0;

	/* that it is not in the core was said */
	if (head != walked->bytes && ch_core_read_u64(glibc->env.core, arena->top + 8, &word))
		glibc_tell(glibc, index_of(glibc, arena), chp_blame(&glibc->env), "glibc-counters",
			   "%s: top at %s has %s by its header, the walk found %llu", arena->name,
			   chp_core_word(glibc->env.core, arena->top, CH_NO_ADDRESS).text,
			   chp_core_size(glibc->env.core, head, "an impossible size").text,
			   (unsigned long long)walked->bytes);
}

struct ch_error *glibc_check(void *state, const struct ch_heap_free *found)
{
	struct glibc *glibc = state;
	const struct glibc_arena *arena;
	struct ch_error *err;
	size_t i;

	err = count_bins(glibc);
	for (i = 0; !err && i < glibc->arenas.count; i++) {
		arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);
		if (arena->absent || arena->partial)
			continue;
		compare(glibc, arena, "bins",
			&(struct ch_free_sum){ arena->bins_count, arena->bins_bytes },
			&found[i].bins);
		compare(glibc, arena, "fast bins",
			&(struct ch_free_sum){ arena->fastbin_count, arena->fastbin_bytes },
			&found[i].fast);
		if (!glibc_is_partial(glibc))
			compare(glibc, arena, "thread caches",
				&(struct ch_free_sum){ arena->tcache_count, arena->tcache_bytes },
				&found[i].cached);
		compare_top(glibc, arena, &found[i].top);
	}
	if (!err)
		glibc_tell_under_way(glibc);
	if (!err && glibc->absent_lists)
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-lists-absent",
				    "%llu lists of free blocks lead into memory that is not in the "
				    "core: what follows in them counts as used",
				    (unsigned long long)glibc->absent_lists);
	return err;
}
