/*
 * Chunks in fast bins, which look used: they are marked before the first walk, each list being
 * followed as far as it holds.
 */
#include "walkers/glibc/glibc_priv.h"

#include <stdlib.h>

#include "util/context.h"
#include "util/search.h"

/* The longest memory that gets a bitmap (1 GiB of it, used where chunks are). */
#define FAST_BYTES_MAX (128ULL << 30)

/* A fast bin under way: lists are followed side by side, because each step of
 * one waits for memory. */
struct fastbin {
	struct glibc_arena *arena;
	uint64_t chunk, size;
	/** Where the link to chunk lies, and what is there. */
	uint64_t slot, stored;
};

/* The piece that holds a chunk, found by bisection; NULL if none. */
static struct glibc_piece *piece_of(const struct glibc *glibc, uint64_t chunk)
{
	struct glibc_piece *pieces = glibc->pieces.items;
	size_t low = ch_search(pieces, glibc->pieces.count, it, it->end <= chunk);

	return low < glibc->pieces.count && pieces[low].first <= chunk ? &pieces[low] : NULL;
}

static struct glibc_arena *arena_of(const struct glibc *glibc, const struct glibc_piece *piece)
{
	return CH_VEC_AT(&glibc->arenas, struct glibc_arena, piece->arena);
}

/* Mark a chunk as free in its piece. False: no memory, or marked before. */
static bool mark_fast(struct glibc_piece *piece, uint64_t chunk)
{
	uint64_t bit = (chunk - piece->start) / 16, mask = 1ULL << bit % 64;

	if (!piece->fast) {
		if (piece->end - piece->start > FAST_BYTES_MAX)
			return false;
		piece->fast = calloc((piece->end - piece->start) / 16 / 64 + 1, 8);
		if (!piece->fast)
			return false;
	}
	if (piece->fast[bit / 64] & mask)
		return false;
	piece->fast[bit / 64] |= mask;
	return true;
}

static bool is_fast(const struct glibc_piece *piece, uint64_t chunk)
{
	uint64_t bit = (chunk - piece->start) / 16;

	return piece->fast && (piece->fast[bit / 64] >> bit % 64 & 1);
}

static void tell_fastbin(const struct glibc *glibc, const struct fastbin *bin)
{
	const struct glibc_piece *piece = bin->chunk % 16 ? NULL : piece_of(glibc, bin->chunk);
	const struct ch_core *core = glibc->env.core;
	char why[80];

	if (piece && is_fast(piece, bin->chunk)) {
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-double-free",
				    "%s: the fast bin of %llu bytes leads from 0x%llx to the block "
				    "at 0x%llx, which is in a fast bin already; a sign of a double "
				    "free",
				    bin->arena->name, (unsigned long long)bin->size,
				    (unsigned long long)bin->slot,
				    (unsigned long long)bin->chunk + CHUNK_HEADER_BYTES);
		return;
	}
	chp_context_finding(
		glibc->env.ctx, chp_blame(&glibc->env), "glibc-fastbin-damaged",
		"%s: the fast bin of %llu bytes leads to %s, %s; the word at 0x%llx is %s%s. What "
		"follows in the list is counted as used",
		bin->arena->name, (unsigned long long)bin->size,
		chp_core_word(core, bin->chunk, CH_NO_ADDRESS).text,
		glibc_explain_link(glibc, bin->chunk + CHUNK_HEADER_BYTES, why, sizeof(why)),
		(unsigned long long)bin->slot,
		chp_core_word(core, bin->stored, "no link to a chunk").text,
		glibc_sign(glibc, bin->chunk + CHUNK_HEADER_BYTES));
}

/* Whether a list goes on from a chunk whose header is damaged: its link is
 * behind the header, and leads to a chunk of the list or ends it. */
static bool goes_on(const struct glibc *glibc, const struct fastbin *bin, uint64_t next)
{
	const struct glibc_piece *piece = next % 16 ? NULL : piece_of(glibc, next);

	return !next || (piece && arena_of(glibc, piece) == bin->arena &&
			 glibc_chunk_size(glibc->env.core, next) == bin->size);
}

/* A chunk whose header is not that of its list: the list knows its size. */
static bool keep_size(struct glibc *glibc, const struct fastbin *bin)
{
	struct glibc_cached *cached = ch_vec_push(&glibc->cached);

	if (cached)
		*cached = (struct glibc_cached){ .chunk = bin->chunk,
						 .bytes = (uint32_t)bin->size,
						 .flags = CH_OBJECT_FASTBIN };
	return cached;
}

/* One step along a list: mark its chunk, go to the next. */
static void step_fastbin(struct glibc *glibc, struct fastbin *bin, bool mangled)
{
	struct glibc_piece *piece = bin->chunk % 16 ? NULL : piece_of(glibc, bin->chunk);
	size_t len = 0;
	const uint8_t *p = piece ? ch_core_span_recorded(glibc->env.core, bin->chunk, &len) : NULL;
	uint64_t next = 0, stored = 0;
	bool fits;

	if (p && len >= 24) {
		stored = ch_get64(p + 16);
		next = glibc_unmangle(mangled, bin->chunk + 16, stored);
	}
	fits = p && (ch_get64(p + 8) & ~(uint64_t)CHUNK_FLAGS) == bin->size;
	if (!p || len < 24 || arena_of(glibc, piece) != bin->arena ||
	    (!fits && !goes_on(glibc, bin, next)) || !mark_fast(piece, bin->chunk) ||
	    (!fits && !keep_size(glibc, bin))) {
		if (glibc_is_absent(glibc, bin->chunk))
			glibc->absent_lists++;
		else
			tell_fastbin(glibc, bin);
		bin->chunk = 0;
		return;
	}
	bin->arena->fastbin_count++;
	bin->arena->fastbin_bytes += bin->size;
	bin->slot = bin->chunk + CHUNK_HEADER_BYTES;
	bin->stored = stored;
	bin->chunk = next;
	p = ch_core_span_recorded(glibc->env.core, bin->chunk, &len);
	if (p)
		__builtin_prefetch(p);
}

/* Whether the second chunk of a list is a chunk of its size, read that way. */
static bool link_holds(const struct glibc *glibc, const struct fastbin *bin, bool mangled)
{
	uint64_t stored, next;

	if (!ch_core_read_u64(glibc->env.core, bin->chunk + 16, &stored))
		return false;
	next = glibc_unmangle(mangled, bin->chunk + 16, stored);
	return !next || (next % 16 == 0 && glibc_chunk_size(glibc->env.core, next) == bin->size);
}

static struct ch_error *collect_fastbins(struct glibc *glibc, struct ch_vec *bins)
{
	struct fastbin *bin;
	uint64_t head;
	size_t i, row;

	for (i = 0; i < glibc->arenas.count; i++) {
		struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);

		for (row = 0; row < FASTBINS_COUNT; row++) {
			if (!ch_core_read_u64(glibc->env.core,
					      arena->addr + glibc->layout->fastbins + 8 * row,
					      &head) ||
			    !head)
				continue;
			bin = ch_vec_push(bins);
			if (!bin)
				return &ch_enomem;
			*bin = (struct fastbin){ .arena = arena,
						 .slot = arena->addr + glibc->layout->fastbins +
							 8 * row,
						 .stored = head,
						 .chunk = head,
						 .size = CHUNK_BYTES_MIN + 16 * row };
		}
	}
	return NULL;
}

/* Follow all fast bins of all arenas. Each chunk is marked once, so loops end. */
static struct ch_error *take_fastbins(struct glibc *glibc)
{
	bool mangled = !glibc->tcache_proven || glibc->tcache->mangled;
	struct ch_vec bins = CH_VEC(struct fastbin);
	struct ch_error *err = collect_fastbins(glibc, &bins);
	struct fastbin *items = bins.items;
	size_t i, left = bins.count;

	/* Without a tcache to tell, the links themselves do. */
	for (i = 0; !err && !glibc->tcache_proven && i < bins.count; i++)
		if (!link_holds(glibc, &items[i], true) && link_holds(glibc, &items[i], false))
			mangled = false;
	while (!err && left) {
		left = 0;
		for (i = 0; i < bins.count; i++) {
			if (!items[i].chunk)
				continue;
			step_fastbin(glibc, &items[i], mangled);
			left += items[i].chunk != 0;
		}
	}
	ch_vec_deinit(&bins);
	return err;
}

/* Order what all lists have; a chunk in two lists was freed twice. */
static void settle(struct glibc *glibc)
{
	struct glibc_cached *cached = glibc->cached.items;
	const struct glibc_piece *piece;
	size_t i, kept = 0;

	ch_vec_sort(&glibc->cached, glibc_compare_cached);
	for (i = 0; i < glibc->cached.count; i++) {
		piece = piece_of(glibc, cached[i].chunk);
		if ((kept && cached[kept - 1].chunk == cached[i].chunk) ||
		    (cached[i].flags == CH_OBJECT_CACHED && piece &&
		     is_fast(piece, cached[i].chunk)))
			chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-double-free",
					    "the free block at 0x%llx is in a tcache, and in "
					    "a fast bin or bin too; a sign of a double free",
					    (unsigned long long)cached[i].chunk +
						    CHUNK_HEADER_BYTES);
		if (!kept || cached[kept - 1].chunk != cached[i].chunk)
			cached[kept++] = cached[i];
	}
	glibc->cached.count = kept;
}

struct ch_error *glibc_find_cached(struct glibc *glibc)
{
	struct ch_error *err = NULL;

	pthread_mutex_lock(&glibc->cached_lock);
	if (!glibc->cached_found && glibc->layout->fastbins)
		err = take_fastbins(glibc);
	if (!err && !glibc->cached_found)
		err = glibc_take_binned(glibc);
	if (!err && !glibc->cached_found)
		settle(glibc);
	if (!err && !glibc->cached_found)
		glibc_update_facts(glibc);
	glibc->cached_found = !err;
	pthread_mutex_unlock(&glibc->cached_lock);
	return err;
}
