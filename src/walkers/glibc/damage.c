/*
 * Going on where a chunk's header makes no sense: which of the chunks around is damaged, and
 * where the next sound one is.
 *
 * Where a header makes no sense, one chunk's size is lost. Many places behind
 * it may look like the next chunk: blocks hold small numbers, and what was
 * freed and merged leaves headers behind. Each place is judged by the chain of
 * chunks that begins there: by how many of them something in memory points to,
 * as program and lists do, and by how finely it divides memory.
 */
#include "util/search.h"
#include "walkers/glibc/repairs.h"

/* Chunks that must follow each other from a candidate, or before a place counts as a boundary. */
#define FOLLOW_CHUNKS 8
/* How far behind the first candidate others are looked for. */
#define WINDOW_BYTES   (64U << 10)
#define CANDIDATES_MAX 128U
#define SCORED_BYTES   (WINDOW_BYTES + 4096U)
/* Repairs in one stretch; then the first place that may be a chunk is taken. */
#define REPAIRS_MAX 1024U
/*
 * Scores are bits of likelihood. That something points to a chunk: most are
 * pointed to, few places within blocks are. That a free chunk's size is
 * repeated behind it: no accident. A size that was overwritten is any of 64.
 * That a size leads to what looks like a header: few places do.
 */
#define SCORE_POINTED   8
#define SCORE_UNPOINTED (-2)
#define SCORE_AGREES    16
#define SCORE_ANY_SIZE  (-6)
#define SCORE_HEADER    8
/* Sizes that are counted, and chunks they are counted in at either side. */
#define SIZES_COUNTED 64U
#define SIZES_SAMPLE  512U
#define RARITY_MAX    8

struct repair {
	struct glibc_range *range;
	const struct glibc_doubt *doubt;
	/** Addresses from low on that are scored, and one bit for each 16 bytes of
	 * them: something points to the block there. */
	uint64_t low, high;
	uint64_t pointed[SCORED_BYTES / 16 / 64 + 2];
	/** For each chunk in doubt: it ends there at the latest. */
	uint64_t limits[GLIBC_DOUBTS_MAX + 1];
	uint64_t candidates[CANDIDATES_MAX];
	size_t count;
	/** How many chunks near by are of each size, and of all sizes. */
	uint32_t sizes[SIZES_COUNTED], sizes_sum;
};

/* ---- what lists of free chunks say ------------------------------------------ */

/* Index of the first entry above at. */
static size_t above(const struct glibc_lists *lists, uint64_t at)
{

	return ch_search(lists->cached, lists->count, it, it->chunk <= at);
}

uint64_t glibc_listed_bytes(const struct glibc_lists *lists, uint64_t chunk)
{
	size_t i = above(lists, chunk);

	return i && lists->cached[i - 1].chunk == chunk ? lists->cached[i - 1].bytes : 0;
}

static uint64_t next_fast(const struct glibc_piece *piece, uint64_t at, uint64_t limit)
{
	uint64_t bit = (at - piece->start) / 16 + 1, end, word;

	if (at < piece->start)
		return limit;
	end = (ch_min(limit, piece->end) - piece->start + 15) / 16;
	if (at >= piece->end)
		return limit;
	while (bit < end) {
		word = piece->fast[bit / 64] >> bit % 64;
		if (word)
			return piece->start + 16 * (bit + (uint64_t)__builtin_ctzll(word));
		bit += 64 - bit % 64;
	}
	return limit;
}

uint64_t glibc_next_listed(const struct glibc_lists *lists, uint64_t at, uint64_t limit)
{
	size_t i = above(lists, at);
	uint64_t next = i < lists->count ? ch_min(lists->cached[i].chunk, limit) : limit;

	if (lists->piece && lists->piece->fast && at < next)
		next = ch_min(next, next_fast(lists->piece, at, next));
	return next;
}

/* ---- candidates ------------------------------------------------------------- */

bool glibc_agrees_with(const uint8_t *p, uint64_t at, uint64_t prev)
{
	return (ch_get64(p + 8) & CHUNK_PREV_INUSE) || ch_get64(p) == at - prev;
}

/* Start of the chunk i of those in doubt; the last is the one at next. */
static uint64_t start_of(const struct glibc_doubt *doubt, size_t i)
{
	return i < doubt->count ? doubt->starts[i] : doubt->next;
}

/* Whether the chunk i of those in doubt may end at `at`: PREV_INUSE is set there,
 * or its size is repeated, and no list leads into it. */
static bool may_end(const struct repair *repair, size_t i, const uint8_t *p, uint64_t at)
{
	uint64_t start = start_of(repair->doubt, i);

	return at >= start + CHUNK_BYTES_MIN && at <= repair->limits[i] &&
	       (at == repair->range->top || glibc_agrees_with(p, at, start));
}

/* Whether chunks follow from at, and its header fits one of those in doubt. */
static bool is_candidate(struct repair *repair, uint64_t at)
{
	const uint8_t *p = glibc_view_chunk(&repair->range->view, at);
	bool fits = at == repair->doubt->next && repair->doubt->count;
	size_t i;

	if (!p)
		return false;
	for (i = 0; !fits && i <= repair->doubt->count; i++)
		fits = may_end(repair, i, p, at);
	return fits &&
	       (at == repair->range->top || glibc_is_boundary(repair->range, at, FOLLOW_CHUNKS));
}

static void find_candidates(struct repair *repair)
{
	const struct glibc_doubt *doubt = repair->doubt;
	uint64_t at = start_of(doubt, 0) + CHUNK_BYTES_MIN, end = repair->range->end;
	size_t max = repair->range->repairs <= REPAIRS_MAX ? CANDIDATES_MAX : 1, i;

	for (i = 0; i <= doubt->count; i++)
		repair->limits[i] =
			glibc_next_listed(&doubt->lists, start_of(doubt, i), UINT64_MAX);
	/* no chunk ends behind the begin of another that a list knows */
	end = ch_min(end - 16, repair->limits[doubt->count]) + 16;
	for (; at < end && repair->count < max; at += 16) {
		if (!glibc_view_chunk(&repair->range->view, at))
			return;
		if (!is_candidate(repair, at))
			continue;
		repair->candidates[repair->count++] = at;
		/* the place behind the doubtful header is always looked at */
		if (repair->count == 1)
			end = ch_min(end, ch_max(at, doubt->next) + WINDOW_BYTES);
	}
}

/* ---- pointers --------------------------------------------------------------- */

static void mark(struct repair *repair, uint64_t user)
{
	uint64_t bit;

	if (user % 16 || user < repair->low + 16 || user - 16 >= repair->high)
		return;
	bit = (user - 16 - repair->low) / 16;
	repair->pointed[bit / 64] |= 1ULL << bit % 64;
}

static bool is_pointed(const struct repair *repair, uint64_t chunk)
{
	uint64_t bit;

	if (chunk < repair->low || chunk >= repair->high)
		return false;
	bit = (chunk - repair->low) / 16;
	return repair->pointed[bit / 64] >> bit % 64 & 1;
}

/* Mark the chunks in lists. */
static void mark_listed(struct repair *repair)
{
	uint64_t at = repair->low ? repair->low - 16 : 0;

	for (;;) {
		at = glibc_next_listed(&repair->doubt->lists, at, repair->high);
		if (at >= repair->high)
			return;
		mark(repair, at + 16);
	}
}

/* ---- sizes ------------------------------------------------------------------ */

/* Count the sizes of some chunks from at on. */
static void count_sizes(struct repair *repair, uint64_t at, uint64_t end)
{
	uint64_t left, next;
	uint32_t i;

	for (i = 0; i < SIZES_SAMPLE && at < end; i++, at = next) {
		left = 1;
		if (glibc_follow(repair->range, at, &left, &next) != GLIBC_STOP_MAX || next <= at)
			return;
		if ((next - at) / 16 < SIZES_COUNTED)
			repair->sizes[(next - at) / 16]++;
		repair->sizes_sum++;
	}
}

static int64_t log2_of(uint64_t n)
{
	return 63 - (int64_t)__builtin_clzll(n | 1);
}

/* Whether the chunk i of those in doubt is as long as the one before it or the
 * one at `at` behind it: blocks of one size come in runs. */
static bool is_alike(const struct repair *repair, size_t i, uint64_t bytes, uint64_t at)
{
	const struct glibc_doubt *doubt = repair->doubt;

	return (i && bytes == start_of(doubt, i) - doubt->starts[i - 1]) ||
	       bytes == glibc_chunk_size(repair->range->view.core, at);
}

/* In bits, how rare it is that the chunk i of those in doubt ends at `at`. */
static int64_t rarity(const struct repair *repair, size_t i, uint64_t at)
{
	uint64_t bytes = at - start_of(repair->doubt, i);
	uint32_t count = bytes / 16 < SIZES_COUNTED ? repair->sizes[bytes / 16] : 0;
	int64_t bits = log2_of(repair->sizes_sum + SIZES_COUNTED) - log2_of(count + 1ULL);

	if (is_alike(repair, i, bytes, at))
		return 1;
	return bits < RARITY_MAX ? bits : RARITY_MAX;
}

/* ---- the verdict ------------------------------------------------------------ */

/* What the chain of chunks from at is worth. */
static int64_t score_chain(struct repair *repair, uint64_t at)
{
	int64_t score = 0;
	uint64_t left, next;

	while (at < repair->high) {
		score += 1 + (is_pointed(repair, at) ? SCORE_POINTED : 0);
		left = 1;
		if (glibc_follow(repair->range, at, &left, &next) != GLIBC_STOP_MAX || next <= at)
			break;
		at = next;
	}
	return score;
}

/* What it is worth that the chunk i of those in doubt ends at `at`. */
static int64_t score_chunk(struct repair *repair, size_t i, uint64_t at)
{
	uint64_t start = start_of(repair->doubt, i), bytes;
	const uint8_t *p = glibc_view_chunk(&repair->range->view, at);
	int64_t score = is_pointed(repair, start) ? SCORE_POINTED : SCORE_UNPOINTED;

	score -= rarity(repair, i, at);
	if (p && !(ch_get64(p + 8) & CHUNK_PREV_INUSE) && ch_get64(p) == at - start)
		score += SCORE_AGREES;
	bytes = glibc_listed_bytes(&repair->doubt->lists, start);
	if (bytes)
		score += bytes == at - start ? SCORE_AGREES : -SCORE_AGREES;
	return score;
}

/* The best way to go on, so far. */
struct choice {
	int64_t score;
	struct glibc_verdict verdict;
};

static void consider(struct choice *best, int64_t score, uint64_t damaged, uint64_t next)
{
	if (score > best->score)
		*best = (struct choice){ score, { .damaged = damaged, .next = next } };
}

static void choose(struct repair *repair, struct glibc_verdict *ret)
{
	const struct glibc_doubt *doubt = repair->doubt;
	struct choice best = { INT64_MIN, *ret };
	int64_t chain, before;
	const uint8_t *p;
	uint64_t at;
	size_t i, k;

	for (i = 0; i < repair->count; i++) {
		at = repair->candidates[i];
		p = glibc_view_chunk(&repair->range->view, at);
		chain = score_chain(repair, at);
		/* which header is damaged: k, or the one at next; those before are right */
		before = 0;
		for (k = 0; p && k <= doubt->count; k++) {
			if (may_end(repair, k, p, at) && (k == doubt->count || at != doubt->next))
				consider(&best,
					 chain + before + score_chunk(repair, k, at) +
						 (k < doubt->count ? SCORE_ANY_SIZE : 0),
					 start_of(doubt, k), at);
			if (k < doubt->count)
				before += score_chunk(repair, k, start_of(doubt, k + 1)) +
					  (k + 1 < doubt->count ? SCORE_HEADER : 0);
		}
		/* only the next header's prev_size or flag is damaged */
		if (at == doubt->next && doubt->count)
			consider(&best, chain + before, at, at);
	}
	*ret = best.verdict;
}

/* Where to look for pointers: from the chunks in doubt, as far as they are near
 * the candidates, to some behind the last of those. */
static void set_scored(struct repair *repair)
{
	uint64_t first = repair->candidates[0], last = repair->candidates[repair->count - 1];

	repair->low = ch_min(start_of(repair->doubt, 0), first);
	if (first - repair->low > WINDOW_BYTES / 2)
		repair->low = ch_min(repair->doubt->next, first);
	if (first - repair->low > WINDOW_BYTES / 2)
		repair->low = first;
	repair->high = ch_min(last + 4096, repair->low + SCORED_BYTES);
}

static void settle(const struct glibc *glibc, struct glibc_range *range,
		   const struct glibc_doubt *doubt, struct glibc_verdict *ret)
{
	struct repair repair = { .range = range, .doubt = doubt };

	*ret = (struct glibc_verdict){ .damaged = doubt->next, .next = range->end };
	find_candidates(&repair);
	if (!repair.count)
		return;
	set_scored(&repair);
	if (repair.count > 1 || doubt->count)
		glibc_repairs_pointed(glibc, repair.low, repair.high, repair.pointed);
	mark_listed(&repair);
	count_sizes(&repair, range->start, start_of(doubt, 0));
	count_sizes(&repair, repair.candidates[repair.count - 1], range->end);
	choose(&repair, ret);
}

void glibc_repair(const struct glibc *glibc, struct glibc_range *range,
		  const struct glibc_doubt *doubt, struct glibc_verdict *ret)
{
	bool keeps = range->repairs < REPAIRS_MAX;

	range->repairs++;
	if (keeps && glibc_repairs_recall(glibc, doubt, ret))
		return;
	settle(glibc, range, doubt, ret);
	if (keeps)
		glibc_repairs_keep(glibc, doubt, ret);
}

uint64_t glibc_resync(struct glibc_range *range, uint64_t low, uint64_t prev)
{
	uint64_t at = low;
	const uint8_t *p;

	for (; at < range->end; at += 16) {
		p = glibc_view_chunk(&range->view, at);
		if (!p)
			break;
		if (at == range->top ||
		    (glibc_agrees_with(p, at, prev) && glibc_is_boundary(range, at, FOLLOW_CHUNKS)))
			return at;
	}
	return range->end;
}
