/*
 * Damage costs once. A walk comes by the same damage each time that somebody asks for a block near
 * it, so verdicts are kept; and what points into the heaps is found by one reading of all memory,
 * which the first repair pays for and all others use.
 */
#include "walkers/glibc/repairs.h"

#include <stdlib.h>

#include "util/hash.h"
#include "util/table.h"

/* Writable memory that is searched for pointers, at most. */
#define SEARCHED_MAX (4ULL << 30)
#define WORD_BITS    64ULL

struct kept {
	uint64_t starts[GLIBC_DOUBTS_MAX];
	size_t count;
	uint64_t next;
	struct glibc_verdict verdict;
};

struct glibc_repairs {
	pthread_mutex_t lock;
	/* By the hash of a doubt: index in kept. */
	struct ch_table numbers;
	/* of struct kept */
	struct ch_vec kept;
	/* For each piece one bit for each 16 bytes of it: something points to the block there.
	 * NULL before the first search. */
	uint64_t **pointed;
	size_t pieces_count;
	bool searched;
};

struct glibc_repairs *glibc_repairs_create(void)
{
	struct glibc_repairs *repairs = calloc(1, sizeof(*repairs));

	if (!repairs)
		return NULL;
	pthread_mutex_init(&repairs->lock, NULL);
	repairs->kept = CH_VEC(struct kept);
	return repairs;
}

void glibc_repairs_destroy(struct glibc_repairs *repairs)
{
	size_t i;

	if (!repairs)
		return;
	for (i = 0; repairs->pointed && i < repairs->pieces_count; i++)
		free(repairs->pointed[i]);
	free(repairs->pointed);
	ch_table_deinit(&repairs->numbers);
	ch_vec_deinit(&repairs->kept);
	pthread_mutex_destroy(&repairs->lock);
	free(repairs);
}

/* ---- verdicts ---------------------------------------------------------------- */

/* Never 0, which a table has no place for. */
static uint64_t hash_of(const struct glibc_doubt *doubt)
{
	uint64_t hash = ch_hash_number(CH_HASH_START, doubt->next);
	size_t i;

	for (i = 0; i < doubt->count; i++)
		hash = ch_hash_number(hash, doubt->starts[i]);
	return hash ? hash : 1;
}

static bool is_same(const struct kept *kept, const struct glibc_doubt *doubt)
{
	size_t i;

	if (kept->next != doubt->next || kept->count != doubt->count)
		return false;
	for (i = 0; i < doubt->count; i++)
		if (kept->starts[i] != doubt->starts[i])
			return false;
	return true;
}

bool glibc_repairs_recall(const struct glibc *glibc, const struct glibc_doubt *doubt,
			  struct glibc_verdict *ret)
{
	struct glibc_repairs *repairs = glibc->repairs;
	const struct kept *kept;
	uint32_t number;
	bool found;

	pthread_mutex_lock(&repairs->lock);
	number = ch_table_find(&repairs->numbers, hash_of(doubt));
	kept = number == CH_TABLE_NONE ? NULL : CH_VEC_AT(&repairs->kept, struct kept, number);
	found = kept && is_same(kept, doubt);
	if (found)
		*ret = kept->verdict;
	pthread_mutex_unlock(&repairs->lock);
	return found;
}

void glibc_repairs_keep(const struct glibc *glibc, const struct glibc_doubt *doubt,
			const struct glibc_verdict *verdict)
{
	struct glibc_repairs *repairs = glibc->repairs;
	struct kept *kept;
	size_t i;

	pthread_mutex_lock(&repairs->lock);
	kept = repairs->kept.count < CH_TABLE_NONE ? ch_vec_push(&repairs->kept) : NULL;
	if (kept) {
		*kept = (struct kept){ .count = doubt->count,
				       .next = doubt->next,
				       .verdict = *verdict };
		for (i = 0; i < doubt->count; i++)
			kept->starts[i] = doubt->starts[i];
		/* without a number it is found out anew */
		(void)ch_table_put(&repairs->numbers, hash_of(doubt),
				   (uint32_t)(repairs->kept.count - 1));
	}
	pthread_mutex_unlock(&repairs->lock);
}

/* ---- pointers ---------------------------------------------------------------- */

/* One reading of memory: the piece hit last, and the range that all pieces lie in. */
struct search {
	const struct glibc *glibc;
	uint64_t **pointed;
	uint64_t low, span;
	const struct glibc_piece *piece;
	uint64_t *bits;
};

static void mark(struct search *search, uint64_t user)
{
	const struct glibc_piece *piece = search->piece;
	uint64_t chunk = user - CHUNK_HEADER_BYTES, bit;
	size_t index;

	if (user % 16)
		return;
	if (!piece || chunk < piece->start || chunk >= piece->end) {
		index = glibc_piece_at(search->glibc, chunk);
		if (index >= search->glibc->pieces.count)
			return;
		piece = search->piece =
			CH_VEC_AT(&search->glibc->pieces, struct glibc_piece, index);
		search->bits = search->pointed[index];
		if (chunk >= piece->end)
			return;
	}
	bit = (chunk - piece->start) / 16;
	search->bits[bit / WORD_BITS] |= 1ULL << bit % WORD_BITS;
}

static void mark_words(struct search *search, const uint8_t *p, size_t bytes)
{
	uint64_t low = search->low, span = search->span, word;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		word = ch_get64(p + i);
		if (__builtin_expect(word - low < span, 0))
			mark(search, word);
	}
}

static void mark_registers(struct search *search, const struct ch_core *core)
{
	const struct ch_thread *threads;
	size_t count, i, k;

	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++)
		for (k = 0; k < threads[i].regs_count && k < CH_REGS_MAX; k++)
			if (threads[i].regs[k] - search->low < search->span)
				mark(search, threads[i].regs[k]);
}

/* Pages that are known to hold nothing are not read. */
static void mark_memory(struct search *search, const struct ch_core *core)
{
	const struct ch_segment *segments;
	uint64_t sum = 0, at;
	size_t count, i, len;
	const uint8_t *p;

	segments = ch_core_segments(core, &count);
	for (i = 0; i < count; i++)
		if (segments[i].flags & CH_SEGMENT_WRITE)
			sum += segments[i].present_end - segments[i].start;
	for (i = 0; i < count && sum <= SEARCHED_MAX; i++) {
		if (!(segments[i].flags & CH_SEGMENT_WRITE))
			continue;
		at = segments[i].start;
		while ((p = ch_core_next_data(core, &at, segments[i].present_end, &len))) {
			mark_words(search, p, len);
			at += len;
		}
	}
}

/* The bits of all pieces; false: no memory. */
static bool make_bits(struct glibc_repairs *repairs, const struct glibc *glibc)
{
	const struct glibc_piece *piece;
	size_t i, count = glibc->pieces.count;

	repairs->pointed = calloc(count + 1, sizeof(*repairs->pointed));
	if (!repairs->pointed)
		return false;
	repairs->pieces_count = count;
	for (i = 0; i < count; i++) {
		piece = CH_VEC_AT(&glibc->pieces, struct glibc_piece, i);
		repairs->pointed[i] = calloc((piece->end - piece->start) / 16 / WORD_BITS + 1,
					     sizeof(**repairs->pointed));
		if (!repairs->pointed[i])
			return false;
	}
	return true;
}

/* Caller holds the lock. */
static void find_pointers(struct glibc_repairs *repairs, const struct glibc *glibc)
{
	struct search search = { .glibc = glibc };
	const struct glibc_piece *pieces = glibc->pieces.items;

	repairs->searched = true;
	if (!glibc->pieces.count || !make_bits(repairs, glibc))
		return;
	search.pointed = repairs->pointed;
	search.low = pieces[0].start + CHUNK_HEADER_BYTES;
	search.span = pieces[glibc->pieces.count - 1].end + CHUNK_HEADER_BYTES - search.low;
	mark_registers(&search, glibc->env.core);
	mark_memory(&search, glibc->env.core);
}

void glibc_repairs_pointed(const struct glibc *glibc, uint64_t low, uint64_t high, uint64_t *bits)
{
	struct glibc_repairs *repairs = glibc->repairs;
	size_t index = glibc_piece_at(glibc, low);
	const struct glibc_piece *piece;
	const uint64_t *from;
	uint64_t i, bit;

	if (index >= glibc->pieces.count)
		return;
	pthread_mutex_lock(&repairs->lock);
	if (!repairs->searched)
		find_pointers(repairs, glibc);
	from = repairs->pointed ? repairs->pointed[index] : NULL;
	pthread_mutex_unlock(&repairs->lock);
	piece = CH_VEC_AT(&glibc->pieces, struct glibc_piece, index);
	if (!from || low < piece->start)
		return;
	for (i = 0; low + i * 16 < high && low + i * 16 < piece->end; i++) {
		bit = (low - piece->start) / 16 + i;
		bits[i / WORD_BITS] |= (from[bit / WORD_BITS] >> bit % WORD_BITS & 1)
				       << i % WORD_BITS;
	}
}
