#include "walkers/glibc/glibc_priv.h"

#include "util/context.h"

/* Chunks that must follow each other before a place counts as a boundary. */
#define FOLLOW_CHUNKS 8
/* The same for memory that nothing else vouches for. */
#define FOLLOW_STRETCH 64
/* A heap of a thread ends in two fenceposts, and up to 16 bytes before them. */
#define FENCE_BYTES_MAX (4 * CHUNK_HEADER_BYTES)

/* ---- following sizes ------------------------------------------------------- */

/* Size field of a fencepost: 16 bytes, or in a thread's heap none at all. The
 * chunk before it may be free. */
static inline bool is_fence(uint64_t head)
{
	return (head & ~(uint64_t)CHUNK_PREV_INUSE) == CHUNK_HEADER_BYTES ||
	       head == CHUNK_PREV_INUSE;
}

enum glibc_stop glibc_follow(struct glibc_range *range, uint64_t chunk, uint64_t *left,
			     uint64_t *stop_ret)
{
	uint64_t at = chunk, head, size, last = 0, flagged = 0;
	const uint8_t *p;

	for (;; at += size, (*left)--) {
		*stop_ret = at;
		if (at == range->top)
			return GLIBC_STOP_TOP;
		if (at >= range->end)
			return at == range->end ? GLIBC_STOP_END : GLIBC_STOP_BROKEN;
		if (!*left)
			return GLIBC_STOP_MAX;
		p = glibc_view_chunk(&range->view, at);
		if (!p)
			return GLIBC_STOP_BROKEN;
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		/* a free chunk's size is repeated in the next one's prev_size */
		if ((last && !(head & CHUNK_PREV_INUSE) && ch_get64(p) != last) ||
		    (head & (range->bad_flags | CHUNK_IS_MMAPPED)) ||
		    (range->needs_non_main && last && (head & CHUNK_PREV_INUSE) && !flagged))
			return GLIBC_STOP_BROKEN;
		flagged = head & CHUNK_NON_MAIN;
		if (size < CHUNK_BYTES_MIN)
			return last && is_fence(head) ? GLIBC_STOP_FENCE : GLIBC_STOP_BROKEN;
		if (size % 16 || size > range->end - at)
			return GLIBC_STOP_BROKEN;
		last = size;
	}
}

/*
 * Fenceposts are two chunks of 16 bytes at the end of a page, three where the
 * old top left 16 bytes over (malloc.c, sysmalloc: "Shrink old_top to insert
 * fenceposts").
 */
uint64_t glibc_fence_end(struct glibc_range *range, uint64_t fence)
{
	uint64_t end = ch_align_up(fence + 1, CH_PAGE_BYTES), at;
	const uint8_t *p;

	if (end < fence || end > range->end || end - fence < 2 * CHUNK_HEADER_BYTES ||
	    end - fence > 3 * CHUNK_HEADER_BYTES)
		return 0;
	for (at = fence; at < end; at += CHUNK_HEADER_BYTES) {
		p = glibc_view_chunk(&range->view, at);
		if (!p ||
		    (ch_get64(p + 8) | CHUNK_PREV_INUSE) != (CHUNK_HEADER_BYTES | CHUNK_PREV_INUSE))
			return 0;
	}
	return end;
}

bool glibc_is_boundary(struct glibc_range *range, uint64_t at, uint64_t enough)
{
	uint64_t left = enough, stop = at;

	switch (glibc_follow(range, at, &left, &stop)) {
	case GLIBC_STOP_BROKEN:
		return false;
	case GLIBC_STOP_FENCE:
	case GLIBC_STOP_END:
		return stop > at;
	default:
		return true;
	}
}

uint64_t glibc_next_stretch(struct glibc_range *range, uint64_t low)
{
	uint64_t at = ch_align_up(low, 16), head;
	const uint8_t *p;

	for (; at < range->end; at += 16) {
		p = glibc_view_chunk(&range->view, at);
		if (!p)
			break;
		if (at == range->top)
			return at;
		head = ch_get64(p + 8);
		if ((head & CHUNK_FLAGS) == CHUNK_PREV_INUSE &&
		    glibc_is_boundary(range, at, FOLLOW_STRETCH))
			return at;
	}
	return range->end;
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
	/** Size of a chunk that holds a tcache structure; 1 when not known. */
	uint64_t tcache_bytes;
};

static struct ch_error *put(struct walk *walk, uint64_t start, uint64_t end, uint64_t type)
{
	struct ch_object object = { .addr = start,
				    .size_bytes = end - start,
				    .chunk_bytes = end - start,
				    .type = type,
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
	chp_context_finding(walk->glibc->env.ctx, chp_blame(&walk->glibc->env), "glibc-tcache-lost",
			    "a %s holds the block at 0x%llx, but no chunk begins there",
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
				object->type = GLIBC_TYPE_TCACHE;
			else
				object->state = CH_OBJECT_FREE;
		}
	}
	walk->listed = walk->cached < walk->cached_end ? walk->cached->chunk : UINT64_MAX;
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
	object->type = 0;
	object->state = used ? CH_OBJECT_USED : CH_OBJECT_FREE;
	object->header_bytes = CHUNK_HEADER_BYTES;
	object->flags = 0;
	if (__builtin_expect(walk->listed <= chunk, 0))
		apply_cached(walk, chunk, used, object);
	if (__builtin_expect(size == walk->tcache_bytes, 0) && used && !object->flags)
		check_stray_tcache(walk, chunk);
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
	size_t low = 0, high = glibc->cached.count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (cached[mid].chunk < chunk)
			low = mid + 1;
		else
			high = mid;
	}
	return cached ? cached + low : NULL;
}

static void set_cached(struct walk *walk, uint64_t chunk)
{
	walk->cached = cached_from(walk->glibc, chunk);
	walk->listed = walk->cached < walk->cached_end ? walk->cached->chunk : UINT64_MAX;
}

/* ---- damage ---------------------------------------------------------------- */

static void tell_damage(const struct walk *walk, uint64_t chunk, uint64_t head, uint64_t next)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&walk->glibc->arenas, struct glibc_arena, walk->piece->arena);

	chp_context_finding(walk->glibc->env.ctx, CH_SEVERITY_DAMAGED, "glibc-chunk-damaged",
			    "%s: the chunk header at 0x%llx is damaged: its size field is %s, "
			    "0x%llx was expected; the next intact chunk is at 0x%llx, the last "
			    "intact one before it at 0x%llx",
			    arena->name, (unsigned long long)chunk,
			    chp_core_word(walk->glibc->env.core, head, GLIBC_NO_SIZE).text,
			    (unsigned long long)(next - chunk), (unsigned long long)next,
			    (unsigned long long)walk->last);
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
	*chunk = verdict->next;
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
		glibc_repair(&walk->range, &doubt, &verdict);
	}
	return put_verdict(walk, chunk, &verdict);
}

/*
 * chunk's size leads to a place that does not look like the chunk after it.
 * Either a size is wrong, or the header there is.
 */
static struct ch_error *put_doubtful(struct walk *walk, uint64_t *chunk, uint64_t head)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS, at = *chunk;
	struct glibc_verdict verdict;
	struct glibc_doubt doubt;

	set_doubt(walk, at, at + size, &doubt);
	glibc_repair(&walk->range, &doubt, &verdict);
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
	chp_context_finding(walk->glibc->env.ctx, CH_SEVERITY_DAMAGED, "glibc-chunk-flags",
			    "the size field of the chunk at 0x%llx is %s: its flags or a list "
			    "of free chunks say otherwise, but the next chunk follows",
			    (unsigned long long)chunk,
			    chp_core_word(walk->glibc->env.core, head, GLIBC_NO_SIZE).text);
}

/* A chunk that leads to the next one, but something else contradicts it. */
static struct ch_error *put_contradicted(struct walk *walk, uint64_t *chunk, uint64_t head,
					 bool used)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS, at = *chunk;
	struct glibc_verdict verdict;
	struct glibc_doubt doubt;

	set_doubt(walk, 0, at, &doubt);
	glibc_repair(&walk->range, &doubt, &verdict);
	if (verdict.next < walk->range.end && verdict.next != verdict.damaged &&
	    (verdict.damaged != at || verdict.next != at + size))
		return put_verdict(walk, chunk, &verdict);
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

	if (!(head & CHUNK_PREV_INUSE) && ch_get64(p) != size)
		return false;
	if (addr == walk->range.top)
		return true;
	if (next_size < CHUNK_BYTES_MIN)
		return is_fence(head);
	return next_size % 16 == 0 && next_size <= walk->piece->end - addr &&
	       !(head & walk->range.bad_flags);
}

/* Whether the chunk before the header next is in use. */
static inline bool used(const uint8_t *next)
{
	return !next || (ch_get64(next + 8) & CHUNK_PREV_INUSE);
}

/* Whether is_contradicted() is worth a call. */
static inline bool may_contradict(const struct walk *walk, uint64_t chunk, uint64_t head,
				  bool is_used)
{
	uint64_t size = head & ~(uint64_t)CHUNK_FLAGS;

	return walk->listed < chunk + size ||
	       (walk->range.needs_non_main && is_used && !(head & CHUNK_NON_MAIN)) ||
	       (walk->piece->fast && has_fast_inside(walk->piece, chunk, size));
}

static struct ch_error *walk_chunks(struct walk *walk, uint64_t chunk)
{
	uint64_t end = walk->piece->end, head, size;
	struct ch_error *err = NULL;
	const uint8_t *p, *next;

	p = glibc_view_chunk(&walk->range.view, chunk);
	while (!err && p && chunk < end) {
		if (__builtin_expect(chunk == walk->range.top, 0))
			return put_top(walk, chunk);
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		next = size < end - chunk ? glibc_view_chunk(&walk->range.view, chunk + size)
					  : NULL;
		if (__builtin_expect(size < CHUNK_BYTES_MIN || size % 16 || size > end - chunk ||
					     (head & walk->range.bad_flags),
				     0)) {
			err = is_fence(head) ? put_small(walk, &chunk) : recover(walk, &chunk);
		} else if (__builtin_expect(next && !is_next(walk, next, chunk + size, size), 0)) {
			err = put_doubtful(walk, &chunk, head);
		} else if (__builtin_expect(
				   next && is_long_fence(walk, chunk, head, ch_get64(next + 8)),
				   0)) {
			return put(walk, chunk, end, 0);
		} else if (__builtin_expect(may_contradict(walk, chunk, head, used(next)), 0) &&
			   is_contradicted(walk, chunk, head, used(next))) {
			err = put_contradicted(walk, &chunk, head, used(next));
		} else {
			err = put_chunk(walk, chunk, size, used(next));
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
	       ch_core_read_u64(walk->glibc->env.core, addr - 8, &head) && is_fence(head);
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
					   .end = piece->end };
	walk.range.needs_non_main = !arena->is_main;
	walk.range.bad_flags = CHUNK_IS_MMAPPED | (arena->is_main ? CHUNK_NON_MAIN : 0);
	walk.batch.sink = sink;
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
