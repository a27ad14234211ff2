#include "walkers/glibc/glibc_priv.h"

#include <string.h>

/*
 * Where a header makes no sense, one chunk's size is lost. Many places behind
 * it may look like the next chunk: blocks hold small numbers, and what was
 * freed and merged leaves headers behind. Each place is judged by the chain of
 * chunks that begins there: by how many of them something in memory points to,
 * as program and lists do, and by how finely it divides memory.
 */

/* Chunks that must follow each other from a candidate. */
#define FOLLOW_CHUNKS 8
/* How far behind the first candidate others are looked for. */
#define WINDOW_BYTES   (64U << 10)
#define CANDIDATES_MAX 64U
#define SCORED_BYTES   (WINDOW_BYTES + 4096U)
/* Writable memory that is searched for pointers, at most. */
#define SEARCHED_MAX (4ULL << 30)
/* Searches in one stretch of memory: one that is damaged all over has no use
 * for them. */
#define SEARCHES_MAX 16U
/*
 * Scores are bits of likelihood. That something points to a chunk: most are
 * pointed to, few places within blocks are. That a free chunk's size is
 * repeated behind it: no accident. A size that was overwritten is any of 64.
 */
#define SCORE_POINTED   8
#define SCORE_UNPOINTED (-2)
#define SCORE_AGREES    16
#define SCORE_ANY_SIZE  (-6)
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
	uint64_t candidates[CANDIDATES_MAX];
	size_t count;
	/** How many chunks near by are of each size, and of all sizes. */
	uint32_t sizes[SIZES_COUNTED], sizes_sum;
};

/* ---- what lists of free chunks say ------------------------------------------ */

static uint64_t next_cached(const struct glibc_lists *lists, uint64_t at)
{
	const struct glibc_cached *cached = lists->cached;
	size_t low = 0, high = lists->count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (cached[mid].chunk <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < lists->count ? cached[low].chunk : UINT64_MAX;
}

static uint64_t next_fast(const struct glibc_piece *piece, uint64_t at, uint64_t limit)
{
	uint64_t bit = (at - piece->start) / 16 + 1, end, word;

	if (at < piece->start)
		return limit;
	end = (ch_min(limit, piece->end) - piece->start + 15) / 16;
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
	uint64_t next = lists->count ? next_cached(lists, at) : UINT64_MAX;

	next = ch_min(next, limit);
	if (lists->piece && lists->piece->fast && at < next)
		next = ch_min(next, next_fast(lists->piece, at, next));
	return next;
}

/* ---- candidates ------------------------------------------------------------- */

bool glibc_agrees_with(const uint8_t *p, uint64_t at, uint64_t prev)
{
	return (ch_get64(p + 8) & CHUNK_PREV_INUSE) || ch_get64(p) == at - prev;
}

/* Whether chunks follow from at, and its header fits one of the doubtful ones. */
static bool is_candidate(struct repair *repair, uint64_t at)
{
	const uint8_t *p = glibc_view_chunk(&repair->range->view, at);
	const struct glibc_doubt *doubt = repair->doubt;

	if (!p)
		return false;
	if (at == repair->range->top)
		return true;
	if (at != doubt->next &&
	    !((doubt->chunk && glibc_agrees_with(p, at, doubt->chunk)) ||
	      (at >= doubt->next + CHUNK_BYTES_MIN && glibc_agrees_with(p, at, doubt->next))))
		return false;
	return glibc_is_boundary(repair->range, at, FOLLOW_CHUNKS);
}

static void find_candidates(struct repair *repair)
{
	const struct glibc_doubt *doubt = repair->doubt;
	uint64_t at = (doubt->chunk ? doubt->chunk : doubt->next) + CHUNK_BYTES_MIN;
	uint64_t end = repair->range->end, start = doubt->chunk ? doubt->chunk : doubt->next;

	/* no chunk ends behind the begin of another that a list knows */
	start = ch_max(start, doubt->next);
	end = glibc_next_listed(&doubt->lists, start, end);
	end = end < repair->range->end ? end + 16 : end;
	for (; at < end && repair->count < CANDIDATES_MAX; at += 16) {
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

/* Mark what the words of a stretch of memory point to. */
static void mark_words(struct repair *repair, const uint8_t *p, uint64_t bytes)
{
	uint64_t low = repair->low + 16, span = repair->high - repair->low, word, i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		word = ch_get64(p + i);
		if (__builtin_expect(word - low < span, 0))
			mark(repair, word);
	}
}

/* Search all writable memory, and registers, for pointers to what is scored. */
static void find_pointers(struct repair *repair, const struct ch_core *core)
{
	const struct ch_segment *segments;
	const struct ch_thread *threads;
	uint64_t sum = 0, at;
	size_t count, i, k, len = 0;
	const uint8_t *p;

	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++)
		for (k = 0; k < threads[i].regs_count && k < CH_REGS_MAX; k++)
			mark(repair, threads[i].regs[k]);
	segments = ch_core_segments(core, &count);
	for (i = 0; i < count; i++)
		if (segments[i].flags & CH_SEGMENT_WRITE)
			sum += segments[i].present_end - segments[i].start;
	for (i = 0; i < count && sum <= SEARCHED_MAX; i++) {
		if (!(segments[i].flags & CH_SEGMENT_WRITE))
			continue;
		at = segments[i].start;
		p = at < segments[i].present_end ? ch_core_span_recorded(core, at, &len) : NULL;
		if (p)
			mark_words(repair, p, segments[i].present_end - at);
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

/* In bits, how rare chunks of that size are in front of `at`, a chunk: blocks
 * of one size come in runs. */
static int64_t rarity(const struct repair *repair, uint64_t bytes, uint64_t at)
{
	uint32_t count = bytes / 16 < SIZES_COUNTED ? repair->sizes[bytes / 16] : 0;
	int64_t bits = log2_of(repair->sizes_sum + SIZES_COUNTED) - log2_of(count + 1ULL);

	if (bytes == glibc_chunk_size(repair->range->view.core, at))
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

/* What it is worth that the chunk at `from` ends at `at`. */
static bool score_step(struct repair *repair, uint64_t from, uint64_t at, int64_t *ret)
{
	const uint8_t *p = glibc_view_chunk(&repair->range->view, at);

	if (!p || at < from + CHUNK_BYTES_MIN ||
	    (at != repair->range->top && !glibc_agrees_with(p, at, from)))
		return false;
	*ret = ch_get64(p + 8) & CHUNK_PREV_INUSE ? 0 : SCORE_AGREES;
	return true;
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
	int64_t chain, step = 0, own, size;
	uint64_t at, limit_next, limit_chunk;
	size_t i;

	limit_next = glibc_next_listed(&doubt->lists, doubt->next, UINT64_MAX);
	limit_chunk = glibc_next_listed(&doubt->lists, doubt->chunk, UINT64_MAX);
	own = is_pointed(repair, doubt->next) ? SCORE_POINTED : SCORE_UNPOINTED;
	for (i = 0; i < repair->count; i++) {
		at = repair->candidates[i];
		chain = score_chain(repair, at);
		/* the size at doubt->chunk is right */
		size = doubt->chunk ? -rarity(repair, doubt->next - doubt->chunk, at) : 0;
		/* only the next header's prev_size or flag is damaged */
		if (at == doubt->next && doubt->chunk)
			consider(&best, chain + size, at, at);
		/* the next chunk's size is damaged */
		if (at <= limit_next && score_step(repair, doubt->next, at, &step))
			consider(&best,
				 chain + step + own + size - rarity(repair, at - doubt->next, at),
				 doubt->next, at);
		/* this chunk's size is damaged: there is no chunk at next */
		if (doubt->chunk && at != doubt->next && at <= limit_chunk &&
		    score_step(repair, doubt->chunk, at, &step))
			consider(&best,
				 chain + step + SCORE_ANY_SIZE -
					 rarity(repair, at - doubt->chunk, at),
				 doubt->chunk, at);
	}
	*ret = best.verdict;
}

void glibc_repair(struct glibc_range *range, const struct glibc_doubt *doubt,
		  struct glibc_verdict *ret)
{
	struct repair repair = { .range = range, .doubt = doubt };

	*ret = (struct glibc_verdict){ .damaged = doubt->next, .next = range->end };
	find_candidates(&repair);
	if (!repair.count)
		return;
	/* next may lie far in front of the candidates; then it goes unscored */
	repair.low = ch_min(doubt->next, repair.candidates[0]);
	if (repair.candidates[0] - repair.low > WINDOW_BYTES / 2)
		repair.low = repair.candidates[0];
	repair.high = ch_min(repair.candidates[repair.count - 1] + 4096, repair.low + SCORED_BYTES);
	if ((repair.count > 1 || doubt->chunk) && range->searches++ < SEARCHES_MAX)
		find_pointers(&repair, range->view.core);
	mark_listed(&repair);
	count_sizes(&repair, range->start, doubt->chunk ? doubt->chunk : doubt->next);
	count_sizes(&repair, repair.candidates[repair.count - 1], range->end);
	choose(&repair, ret);
}
