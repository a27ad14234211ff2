/*
 * The walk over one piece of an arena: chunk after chunk is handed out with its state, what lists
 * know of it is applied, and where sizes do not lead on damage.c is asked.
 */
#include "walkers/glibc/chunks.h"

#include <stdio.h>

#include "util/context.h"
#include "util/search.h"
#include "walkers/glibc/flight.h"

/* A heap of a thread ends in two fenceposts, and up to 16 bytes before them. */
#define FENCE_BYTES_MAX (4 * CHUNK_HEADER_BYTES)

/* ---- the walk over one piece ----------------------------------------------- */

struct walk {
	const struct glibc *glibc;
	const struct glibc_piece *piece;
	struct glibc_range range;
	struct ch_object_batch batch;
	const struct glibc_cached *cached, *cached_end;
	/** Address of the chunk of the next one of cached, UINT64_MAX: none. */
	uint64_t listed;
	bool is_main;
	/** The last chunk whose header made sense; 0: none yet. */
	uint64_t last;
	/** Where the walk goes on behind a damaged header at the next chunk. */
	uint64_t resume;
	/** What lies below was settled by a verdict, and is not doubted again: so a
	 * walk ends. */
	uint64_t settled;
	/** Where parts of heaps, and with them lists, are absent: what blocks in a tcache
	 * have for their second word; 0: not known. */
	uint64_t key;
	/** Where the walk went on behind memory that the core lacks; 0: nowhere. */
	uint64_t guess;
	/** Size of a chunk that holds a tcache structure; 1 when not known. */
	uint64_t tcache_bytes;
};

static struct ch_error *put(struct walk *walk, uint64_t start, uint64_t end, uint64_t type)
{
	struct ch_object object = { .addr = start,
				    .size_bytes = end - start,
				    .chunk_bytes = end - start,
				    .key = type,
				    .state = CH_OBJECT_OVERHEAD,
				    .flags = type == GLIBC_TYPE_FOREIGN ? CH_OBJECT_FOREIGN : 0 };

	return start < end ? ch_object_batch_put(&walk->batch, &object) : NULL;
}

static inline bool is_fast(const struct glibc_piece *piece, uint64_t chunk)
{
	uint64_t bit = (chunk - piece->start) / 16;

	return piece->fast[bit / 64] >> bit % 64 & 1;
}

/* Whether a fast bin leads to a place within a chunk. */
static inline bool has_fast_inside(const struct glibc_piece *piece, uint64_t chunk, uint64_t size)
{
	uint64_t bit = (chunk - piece->start) / 16 + 1, end = bit + size / 16 - 1, word;

	while (bit < end) {
		word = piece->fast[bit / 64] >> bit % 64;
		if (end - bit < 64)
			word &= (1ULL << (end - bit)) - 1;
		if (word)
			return true;
		bit += 64 - bit % 64;
	}
	return false;
}

/* A block of a tcache structure's size that no thread points to. */
static void check_stray_tcache(const struct walk *walk, uint64_t chunk)
{
	if (glibc_looks_like_tcache(walk->glibc, chunk + CHUNK_HEADER_BYTES))
		chp_context_finding(walk->glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-tcache-stray",
				    "the block at 0x%llx looks like a tcache structure, but no "
				    "thread's TLS points to it: counted as used",
				    (unsigned long long)chunk + CHUNK_HEADER_BYTES);
}

static void tell_no_boundary(const struct walk *walk, const struct glibc_cached *cached)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&walk->glibc->arenas, struct glibc_arena, walk->piece->arena);

	/* its header may be there, and those before it not */
	if (arena->partial)
		return;
	glibc_tell(walk->glibc, walk->piece->arena, chp_blame(&walk->glibc->env),
		   "glibc-tcache-lost", "a %s holds the block at 0x%llx, but no chunk begins there",
		   cached->flags & CH_OBJECT_CACHED ? "tcache" : "list of free chunks",
		   (unsigned long long)cached->chunk + CHUNK_HEADER_BYTES);
}

/* Settle what the tcaches say about a chunk: their entries ascend. */
static void apply_cached(struct walk *walk, uint64_t chunk, bool used, struct ch_object *object)
{
	for (; walk->cached < walk->cached_end && walk->cached->chunk <= chunk; walk->cached++) {
		if (walk->cached->chunk != chunk) {
			tell_no_boundary(walk, walk->cached);
		} else if (used && walk->cached->flags) {
			object->flags |= walk->cached->flags;
			if (walk->cached->flags & CH_OBJECT_ALLOCATOR)
				object->key = GLIBC_TYPE_TCACHE;
			else
				object->state = CH_OBJECT_FREE;
		}
	}
	walk->listed = walk->cached < walk->cached_end ? walk->cached->chunk : UINT64_MAX;
}

/* The key says that a block is in a tcache, also where that is not in the core: free
 * writes it, and malloc erases it. */
static void apply_key(const struct walk *walk, uint64_t chunk, struct ch_object *object)
{
	uint64_t word;

	if (!ch_core_read_u64(walk->glibc->env.core, chunk + CHUNK_HEADER_BYTES + 8, &word) ||
	    word != walk->key)
		return;
	object->state = CH_OBJECT_FREE;
	object->flags |= CH_OBJECT_CACHED;
}

/* One chunk. What looks used may be cached. */
static inline struct ch_error *put_chunk(struct walk *walk, uint64_t chunk, uint64_t size,
					 bool used)
{
	struct ch_object *object = &walk->batch.items[walk->batch.count];

	object->addr = chunk + CHUNK_HEADER_BYTES;
	/* the next chunk's prev_size belongs to a used chunk */
	object->size_bytes = size - 8;
	object->chunk_bytes = size;
	object->key = 0;
	object->state = used ? CH_OBJECT_USED : CH_OBJECT_FREE;
	object->header_bytes = CHUNK_HEADER_BYTES;
	object->flags = 0;
	if (__builtin_expect(walk->listed <= chunk, 0))
		apply_cached(walk, chunk, used, object);
	if (__builtin_expect(size == walk->tcache_bytes, 0) && used && !object->flags)
		check_stray_tcache(walk, chunk);
	if (__builtin_expect(walk->key != 0, 0) && used && !object->flags)
		apply_key(walk, chunk, object);
	if (walk->piece->fast && used && is_fast(walk->piece, chunk)) {
		object->state = CH_OBJECT_FREE;
		object->flags |= CH_OBJECT_FASTBIN;
	}
	return ++walk->batch.count == CH_BATCH_MAX ? ch_object_batch_flush(&walk->batch) : NULL;
}

static struct ch_error *put_top(struct walk *walk, uint64_t chunk)
{
	uint64_t end = walk->piece->end;
	struct ch_object top = { .addr = chunk + CHUNK_HEADER_BYTES,
				 .size_bytes = end - chunk - CHUNK_HEADER_BYTES,
				 .chunk_bytes = end - chunk,
				 .state = CH_OBJECT_FREE,
				 .header_bytes = CHUNK_HEADER_BYTES,
				 .flags = CH_OBJECT_TOP };

	return ch_object_batch_put(&walk->batch, &top);
}

/* The first entry of a list that ascends at or above chunk. */
static const struct glibc_cached *cached_from(const struct glibc *glibc, uint64_t chunk)
{
	const struct glibc_cached *cached = glibc->cached.items;
	size_t low = ch_search(cached, glibc->cached.count, it, it->chunk < chunk);

	return cached ? cached + low : NULL;
}

static void set_cached(struct walk *walk, uint64_t chunk)
{
	walk->cached = cached_from(walk->glibc, chunk);
	walk->listed = walk->cached < walk->cached_end ? walk->cached->chunk : UINT64_MAX;
}

/* ---- chunks that are being split --------------------------------------------- */

static bool is_at_work(const struct walk *walk)
{
	return glibc_is_under_way(walk->glibc, walk->piece->arena);
}

static void tell_split(const struct walk *walk, uint64_t chunk, uint64_t at)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&walk->glibc->arenas, struct glibc_arena, walk->piece->arena);

	glibc_tell(walk->glibc, walk->piece->arena, CH_SEVERITY_DAMAGED, "glibc-chunk-damaged",
		   "%s: the chunk at 0x%llx was being split at 0x%llx", arena->name,
		   (unsigned long long)chunk, (unsigned long long)at);
}

/* The chunk within [chunk, end) that a bin leads to, or the one at chunk; 0: none. */
static uint64_t binned_in(const struct walk *walk, uint64_t chunk, uint64_t end)
{
	const struct glibc_cached *cached = walk->cached;

	while (cached < walk->cached_end && cached->chunk < chunk)
		cached++;
	for (; cached < walk->cached_end && cached->chunk < end; cached++)
		if (!cached->flags)
			return cached->chunk;
	return 0;
}

/*
 * A chunk that is split: its rest is top already, or in a bin, and its own size is
 * still the old one (glibc-2.36, malloc/malloc.c, _int_malloc: "Split" links the
 * rest before it writes the sizes; use_top moves top before). *chunk moves on.
 */
static bool is_split(const struct walk *walk, uint64_t chunk, uint64_t size, uint64_t *rest_ret)
{
	uint64_t top = walk->range.top, rest;

	if (top > chunk && top < chunk + size) {
		*rest_ret = top;
		return is_at_work(walk);
	}
	rest = binned_in(walk, chunk, chunk + size);
	*rest_ret = rest;
	return rest >= chunk + CHUNK_BYTES_MIN && chunk + size - rest >= CHUNK_BYTES_MIN &&
	       is_at_work(walk);
}

static struct ch_error *put_split(struct walk *walk, uint64_t *chunk, uint64_t rest, uint64_t end)
{
	uint64_t at = *chunk;
	struct ch_error *err;

	tell_split(walk, at, rest);
	err = put_chunk(walk, at, rest - at, true);
	*chunk = walk->settled = walk->range.top == rest ? rest : end;
	if (err || *chunk == rest)
		return err;
	walk->last = rest;
	return put_chunk(walk, rest, end - rest, false);
}

/* As far as the end of a rest is looked for. */
#define REST_BYTES_MAX (64ULL << 20)

/*
 * The end of a chunk's rest whose own header is not written yet: behind it the old
 * size still stands, from chunk on. 0: there is none.
 */
static uint64_t rest_end(struct walk *walk, uint64_t chunk, uint64_t rest)
{
	uint64_t end = ch_min(walk->piece->end, rest + REST_BYTES_MAX), at;
	const uint8_t *p;

	if (binned_in(walk, rest, rest + 1) != rest || !is_at_work(walk))
		return 0;
	for (at = rest + CHUNK_BYTES_MIN; at < end; at += 16) {
		p = glibc_view_chunk(&walk->range.view, at);
		if (!p)
			return 0;
		if (ch_get64(p) == at - chunk && !(ch_get64(p + 8) & CHUNK_PREV_INUSE) &&
		    glibc_is_boundary(&walk->range, at, 8))
			return at;
	}
	return 0;
}

/* ---- damage ---------------------------------------------------------------- */

/* Whether a chunk could have that size. */
static bool is_size(const struct walk *walk, uint64_t chunk, uint64_t head)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS;

	return size >= CHUNK_BYTES_MIN && size % 16 == 0 && size <= walk->piece->end - chunk &&
	       !(head & walk->range.bad_flags);
}

static void tell_damage(const struct walk *walk, uint64_t chunk, uint64_t head, uint64_t next)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&walk->glibc->arenas, struct glibc_arena, walk->piece->arena);

	char text[320];

	snprintf(text, sizeof(text),
		 "%s: the chunk header at 0x%llx is damaged: its size field is %s, 0x%llx was "
		 "expected; the next intact chunk is at 0x%llx, the last intact one before it at "
		 "0x%llx",
		 arena->name, (unsigned long long)chunk,
		 chp_core_word(walk->glibc->env.core, head, GLIBC_NO_SIZE).text,
		 (unsigned long long)(next - chunk), (unsigned long long)next,
		 (unsigned long long)walk->last);
	/* malloc at work leaves sizes of before, no others */
	if (is_size(walk, chunk, head))
		glibc_tell(walk->glibc, walk->piece->arena, CH_SEVERITY_DAMAGED,
			   "glibc-chunk-damaged", "%s", text);
	else
		chp_context_finding(walk->glibc->env.ctx, CH_SEVERITY_DAMAGED,
				    "glibc-chunk-damaged", "%s", text);
	chp_context_finding_addr(walk->glibc->env.ctx, "glibc-chunk-damaged", chunk);
}

/* Whether a chunk is in a list of free chunks: its neighbours there point back. */
static bool is_binned(const struct walk *walk, uint64_t chunk)
{
	const struct ch_core *core = walk->glibc->env.core;
	uint64_t fd, bk, back;

	return ch_core_read_u64(core, chunk + 16, &fd) && ch_core_read_u64(core, chunk + 24, &bk) &&
	       ch_core_read_u64(core, fd + 24, &back) && back == chunk &&
	       ch_core_read_u64(core, bk + 16, &back) && back == chunk;
}

/* Chunks right behind memory that the core lacks may be what blocks hold: that they
 * contradict something is no damage. */
#define GUESS_BYTES 8192U

static bool is_guess(const struct walk *walk, uint64_t chunk)
{
	return walk->guess && chunk >= walk->guess && chunk - walk->guess < GUESS_BYTES;
}

/* Put a chunk whose own size says nothing. */
static struct ch_error *put_damaged(struct walk *walk, uint64_t chunk, uint64_t head, uint64_t next)
{
	const uint8_t *p;

	tell_damage(walk, chunk, head, next);
	walk->last = chunk;
	if (next - chunk < CHUNK_BYTES_MIN)
		return put(walk, chunk, next, 0);
	p = next < walk->piece->end ? glibc_view_chunk(&walk->range.view, next) : NULL;
	return put_chunk(walk, chunk, next - chunk, !p || (ch_get64(p + 8) & CHUNK_PREV_INUSE));
}

static struct glibc_lists lists_of(const struct walk *walk)
{
	return (struct glibc_lists){ .cached = walk->glibc->cached.items,
				     .count = walk->glibc->cached.count,
				     .piece = walk->piece };
}

/*
 * The header at next is in doubt, and with it those of the chunks that led
 * there: chunk, which is not emitted yet, 0 if there is none, and the last ones
 * that can be taken back.
 */
static void set_doubt(const struct walk *walk, uint64_t chunk, uint64_t next,
		      struct glibc_doubt *ret)
{
	const struct ch_object *item = walk->batch.items + walk->batch.count;
	uint64_t at = chunk ? chunk : next;
	size_t back = 0, max = GLIBC_DOUBTS_MAX - (chunk != 0);

	*ret = (struct glibc_doubt){ .next = next, .lists = lists_of(walk) };
	while (back < walk->batch.count && back < max && item[-1].header_bytes &&
	       item[-1].addr - CHUNK_HEADER_BYTES >= walk->settled &&
	       item[-1].addr - CHUNK_HEADER_BYTES + item[-1].chunk_bytes == at) {
		item--;
		back++;
		at = item->addr - CHUNK_HEADER_BYTES;
	}
	for (; ret->count < back; ret->count++, item++)
		ret->starts[ret->count] = item->addr - CHUNK_HEADER_BYTES;
	if (chunk)
		ret->starts[ret->count++] = chunk;
}

/* Forget what was emitted from chunk on: it is not flushed yet. */
static void take_back(struct walk *walk, uint64_t chunk)
{
	struct ch_object_batch *batch = &walk->batch;

	while (batch->count && batch->items[batch->count - 1].addr > chunk)
		batch->count--;
	walk->last = batch->count ? batch->items[batch->count - 1].addr - CHUNK_HEADER_BYTES : 0;
	set_cached(walk, chunk);
}

static uint64_t read_head(struct walk *walk, uint64_t chunk)
{
	const uint8_t *p = glibc_view_chunk(&walk->range.view, chunk);

	return p ? ch_get64(p + 8) : 0;
}

/* A chunk's header is damaged: go back to it, and on behind it. */
static struct ch_error *put_verdict(struct walk *walk, uint64_t *chunk,
				    const struct glibc_verdict *verdict)
{
	uint64_t damaged = verdict->damaged;

	if (damaged < *chunk)
		take_back(walk, damaged);
	*chunk = walk->settled = verdict->next;
	if (is_guess(walk, damaged))
		return NULL;
	return put_damaged(walk, damaged, read_head(walk, damaged), verdict->next);
}

/* A header at chunk that makes no sense. */
static struct ch_error *recover(struct walk *walk, uint64_t *chunk)
{
	struct glibc_verdict verdict = { .damaged = *chunk, .next = walk->resume };
	struct glibc_doubt doubt;

	/* or it was settled with the chunk before */
	if (walk->resume <= *chunk) {
		set_doubt(walk, 0, *chunk, &doubt);
		glibc_repair(walk->glibc, &walk->range, &doubt, &verdict);
	}
	return put_verdict(walk, chunk, &verdict);
}

/*
 * chunk's size leads to a place that does not look like the chunk after it.
 * Either a size is wrong, or the header there is.
 */
static struct ch_error *put_doubtful(struct walk *walk, uint64_t *chunk, uint64_t head)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS, at = *chunk, rest = at + size, end;
	struct glibc_verdict verdict;
	struct glibc_doubt doubt;

	end = rest_end(walk, at, rest);
	if (end)
		return put_split(walk, chunk, rest, end);
	set_doubt(walk, at, at + size, &doubt);
	glibc_repair(walk->glibc, &walk->range, &doubt, &verdict);
	if (verdict.damaged <= at)
		return put_verdict(walk, chunk, &verdict);
	walk->last = at;
	walk->resume = verdict.next;
	*chunk = doubt.next;
	return put_chunk(walk, at, size, !is_binned(walk, at));
}

/* Whether lists of free chunks say otherwise: of the size of the chunk, or of
 * another chunk in it. Or its flags are those of another arena. */
static bool is_contradicted(const struct walk *walk, uint64_t chunk, uint64_t head, bool used)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS;
	const struct glibc_cached *cached = walk->cached;

	if (walk->range.needs_non_main && used && !(head & CHUNK_NON_MAIN))
		return true;
	if (walk->range.top > chunk && walk->range.top < chunk + size && is_at_work(walk))
		return true;
	while (cached < walk->cached_end && cached->chunk < chunk)
		cached++;
	if (cached < walk->cached_end && cached->chunk == chunk) {
		if ((cached->bytes && cached->bytes != size) || (!cached->flags && used))
			return true;
		cached++;
	}
	if (cached < walk->cached_end && cached->chunk < chunk + size)
		return true;
	return walk->piece->fast && has_fast_inside(walk->piece, chunk, size);
}

static void tell_flags(const struct walk *walk, uint64_t chunk, uint64_t head)
{
	glibc_tell(walk->glibc, walk->piece->arena, CH_SEVERITY_DAMAGED, "glibc-chunk-flags",
		   "the size field of the chunk at 0x%llx is %s: its flags or a list "
		   "of free chunks say otherwise, but the next chunk follows",
		   (unsigned long long)chunk,
		   chp_core_word(walk->glibc->env.core, head, GLIBC_NO_SIZE).text);
}

/* A chunk that leads to the next one, but something else contradicts it. */
static struct ch_error *put_contradicted(struct walk *walk, uint64_t *chunk, uint64_t head,
					 bool used)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS, at = *chunk, rest;
	struct glibc_verdict verdict;
	struct glibc_doubt doubt;

	if (is_split(walk, at, size, &rest))
		return put_split(walk, chunk, rest, at + size);
	set_doubt(walk, 0, at, &doubt);
	glibc_repair(walk->glibc, &walk->range, &doubt, &verdict);
	if (verdict.next < walk->range.end && verdict.next != verdict.damaged &&
	    (verdict.damaged != at || verdict.next != at + size))
		return put_verdict(walk, chunk, &verdict);
	if (!is_guess(walk, at))
		tell_flags(walk, at, head);
	walk->last = at;
	*chunk = at + size;
	return put_chunk(walk, at, size, used);
}

/* ---- ends and holes -------------------------------------------------------- */

/* Behind fenceposts, inside a piece: memory that another user of brk got. */
static struct ch_error *put_hole(struct walk *walk, uint64_t *chunk)
{
	uint64_t start = *chunk;

	*chunk = glibc_next_stretch(&walk->range, start);
	return put(walk, start, *chunk, GLIBC_TYPE_FOREIGN);
}

/* A size below the least: fenceposts, or damage. */
static struct ch_error *put_small(struct walk *walk, uint64_t *chunk)
{
	uint64_t end = walk->piece->end, fence = *chunk, fence_end;
	struct ch_error *err;

	if (!walk->is_main) {
		if (end - fence > FENCE_BYTES_MAX)
			return recover(walk, chunk);
		*chunk = end;
		return put(walk, fence, end, 0);
	}
	fence_end = glibc_fence_end(&walk->range, fence);
	if (!fence_end)
		return recover(walk, chunk);
	*chunk = fence_end;
	err = put(walk, fence, fence_end, 0);
	return err || fence_end >= end ? err : put_hole(walk, chunk);
}

/*
 * In a thread's heap that was left with 16 bytes over, the first fencepost is
 * 32 bytes long and looks like a used chunk; but used ones have NON_MAIN_ARENA
 * there, and it is followed by a size of 0 (malloc.c, sysmalloc: "Setup
 * fencepost").
 */
static bool is_long_fence(const struct walk *walk, uint64_t chunk, uint64_t head,
			  uint64_t next_head)
{
	return !walk->is_main && !(head & CHUNK_NON_MAIN) && next_head == CHUNK_PREV_INUSE &&
	       walk->piece->end - chunk <= FENCE_BYTES_MAX;
}

/* Whether the header at addr, behind a chunk of size bytes, may be one. */
static inline bool is_next(const struct walk *walk, const uint8_t *p, uint64_t addr, uint64_t size)
{
	uint64_t head = ch_get64(p + 8), next_size = head & ~(uint64_t)CHUNK_FLAGS;

	/* top has no free chunk before it, whatever its header says */
	if (addr == walk->range.top)
		return true;
	if (!(head & CHUNK_PREV_INUSE) && ch_get64(p) != size)
		return false;
	if (next_size < CHUNK_BYTES_MIN)
		return glibc_is_fence(head);
	return next_size % 16 == 0 && next_size <= walk->piece->whole_end - addr &&
	       !(head & walk->range.bad_flags);
}

/* Whether the chunk before the header next, at addr, is in use. */
static inline bool used(const struct walk *walk, const uint8_t *next, uint64_t addr)
{
	return !next || (ch_get64(next + 8) & CHUNK_PREV_INUSE) || addr == walk->range.top;
}

/* Whether is_contradicted() is worth a call. */
static inline bool may_contradict(const struct walk *walk, uint64_t chunk, uint64_t head,
				  bool is_used)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS;

	return walk->listed < chunk + size || walk->range.top - chunk - 1 < size - 1 ||
	       (walk->range.needs_non_main && is_used && !(head & CHUNK_NON_MAIN)) ||
	       (walk->piece->fast && has_fast_inside(walk->piece, chunk, size));
}

/* Whether one of the neighbours in a list of free chunks, which may be absent, points
 * back to a chunk. */
static bool is_half_binned(const struct walk *walk, uint64_t chunk)
{
	const struct ch_core *core = walk->glibc->env.core;
	uint64_t link, back;

	return (ch_core_read_u64(core, chunk + 16, &link) &&
		ch_core_read_u64(core, link + 24, &back) && back == chunk) ||
	       (ch_core_read_u64(core, chunk + 24, &link) &&
		ch_core_read_u64(core, link + 16, &back) && back == chunk);
}

/* Whether a chunk is in use whose next header, which has its flag, is absent: free
 * ones of threads' arenas lack a flag (malloc.c, _int_free), and are in lists. */
static bool looks_used(const struct walk *walk, uint64_t chunk, uint64_t head)
{
	return (walk->is_main || (head & CHUNK_NON_MAIN)) && !binned_in(walk, chunk, chunk + 1) &&
	       !is_half_binned(walk, chunk);
}

/* Behind memory that the core lacks. */
static uint64_t go_on(struct walk *walk, uint64_t hole)
{
	walk->guess = walk->settled = glibc_behind_hole(&walk->range, hole);
	return walk->guess;
}

static struct ch_error *walk_chunks(struct walk *walk, uint64_t chunk)
{
	uint64_t end = walk->piece->end, whole_end = walk->piece->whole_end, head, size;
	struct ch_error *err = NULL;
	const uint8_t *p, *next;
	bool in_use;

	p = glibc_view_chunk(&walk->range.view, chunk);
	while (!err && chunk < end) {
		if (__builtin_expect(chunk == walk->range.top, 0))
			return put_top(walk, chunk);
		if (__builtin_expect(!p, 0)) {
			chunk = go_on(walk, chunk);
			p = chunk < end ? glibc_view_chunk(&walk->range.view, chunk) : NULL;
			continue;
		}
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		next = size < end - chunk ? glibc_view_chunk(&walk->range.view, chunk + size)
					  : NULL;
		in_use = used(walk, next, chunk + size);
		if (__builtin_expect(!next && (size != end - chunk || whole_end > end), 0))
			in_use = looks_used(walk, chunk, head);
		if (__builtin_expect(size < CHUNK_BYTES_MIN || size % 16 ||
					     size > whole_end - chunk ||
					     (head & walk->range.bad_flags),
				     0)) {
			err = glibc_is_fence(head) ? put_small(walk, &chunk)
						   : recover(walk, &chunk);
		} else if (__builtin_expect(size > end - chunk, 0)) {
			/* it goes on in memory that the core lacks */
			return end - chunk < CHUNK_BYTES_MIN
				       ? put(walk, chunk, end, 0)
				       : put_chunk(walk, chunk, end - chunk, in_use);
		} else if (__builtin_expect(next && !is_next(walk, next, chunk + size, size), 0)) {
			err = put_doubtful(walk, &chunk, head);
		} else if (__builtin_expect(
				   next && is_long_fence(walk, chunk, head, ch_get64(next + 8)),
				   0)) {
			return put(walk, chunk, end, 0);
		} else if (__builtin_expect(may_contradict(walk, chunk, head, in_use), 0) &&
			   is_contradicted(walk, chunk, head, in_use)) {
			err = put_contradicted(walk, &chunk, head, in_use);
		} else {
			err = put_chunk(walk, chunk, size, in_use);
			walk->last = chunk;
			chunk += size;
			p = next;
			if (p)
				continue;
		}
		p = chunk < end ? glibc_view_chunk(&walk->range.view, chunk) : NULL;
	}
	return err;
}

/* Whether a hole may begin at addr. */
static bool is_behind_fence(struct walk *walk, uint64_t addr)
{
	uint64_t head;

	return walk->is_main && addr % CH_PAGE_BYTES == 0 &&
	       ch_core_read_u64(walk->glibc->env.core, addr - 8, &head) && glibc_is_fence(head);
}

/*
 * Where to begin for an object that was emitted before at from. What stood at
 * odd headers was decided by what came before them: begin at the front then.
 */
static uint64_t begin_at(struct walk *walk, uint64_t from)
{
	const uint8_t *p = from % 16 == 0 ? glibc_view_chunk(&walk->range.view, from) : NULL;
	uint64_t head = p ? ch_get64(p + 8) : 0, size = head & ~(uint64_t)CHUNK_FLAGS;

	if (p && size >= CHUNK_BYTES_MIN && size % 16 == 0 && size <= walk->piece->end - from &&
	    !(head & CHUNK_IS_MMAPPED) && !is_behind_fence(walk, from))
		return from;
	return walk->piece->first;
}

struct ch_error *glibc_walk_piece(const struct glibc *glibc, const struct glibc_piece *piece,
				  uint64_t from, struct ch_object_sink *sink)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&glibc->arenas, struct glibc_arena, piece->arena);
	struct walk walk = { .glibc = glibc, .piece = piece, .is_main = arena->is_main };
	struct ch_error *err = NULL;

	walk.range = (struct glibc_range){ .view.core = glibc->env.core,
					   .start = piece->first,
					   .end = piece->end,
					   .whole_end = piece->whole_end };
	walk.range.needs_non_main = !arena->is_main;
	walk.range.bad_flags = CHUNK_IS_MMAPPED | (arena->is_main ? CHUNK_NON_MAIN : 0);
	walk.batch.sink = sink;
	walk.key = glibc_is_partial(glibc) ? glibc->key : 0;
	walk.cached_end = (const struct glibc_cached *)glibc->cached.items + glibc->cached.count;
	walk.tcache_bytes = glibc->tcache ? glibc->tcache->chunk_bytes : 1;
	if (arena->top >= piece->first && arena->top < piece->end)
		walk.range.top = arena->top;
	if (from < piece->first) {
		err = put(&walk, piece->start, piece->first, 0);
		from = piece->first;
	} else {
		from = begin_at(&walk, from);
	}
	if (from == piece->first && piece->headless)
		from = go_on(&walk, from);
	set_cached(&walk, from);
	if (!err && from < piece->end)
		err = walk_chunks(&walk, from);
	if (!err)
		err = put(&walk, piece->end, piece->committed_end, 0);
	return err ? err : ch_object_batch_flush(&walk.batch);
}

struct ch_error *glibc_walk_mmapped(const struct glibc_mmapped *mmapped,
				    struct ch_object_sink *sink)
{
	struct ch_object objects[2] = { 0 };
	size_t n = 0;

	if (mmapped->chunk > mmapped->start) {
		objects[n].addr = mmapped->start;
		objects[n].size_bytes = objects[n].chunk_bytes = mmapped->chunk - mmapped->start;
		objects[n].state = CH_OBJECT_OVERHEAD;
		n++;
	}
	objects[n].addr = mmapped->chunk + CHUNK_HEADER_BYTES;
	objects[n].size_bytes = mmapped->usable_bytes;
	objects[n].chunk_bytes = mmapped->end - mmapped->chunk;
	objects[n].header_bytes = CHUNK_HEADER_BYTES;
	objects[n].state = CH_OBJECT_USED;
	objects[n].flags = CH_OBJECT_MMAPPED;
	n++;
	return sink->emit(sink, objects, n);
}
