#include "walkers/glibc/glibc_priv.h"

#include "util/context.h"

/* Chunks that must follow each other before a place counts as a boundary. */
#define FOLLOW_CHUNKS 8

bool glibc_follow(struct glibc_view *view, uint64_t chunk, uint64_t end, uint64_t top, size_t max,
		  uint64_t *stop_ret)
{
	uint64_t at = chunk, head, size, last = 0;
	const uint8_t *p;

	for (; max; max--) {
		*stop_ret = at;
		if (at == top || at == end)
			return true;
		p = at < end ? glibc_view_chunk(view, at) : NULL;
		if (!p)
			return false;
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		/* a free chunk's size is repeated in the next one's prev_size */
		if (last && !(head & CHUNK_PREV_INUSE) && ch_get64(p) != last)
			return false;
		if (head & CHUNK_IS_MMAPPED)
			return false;
		if (size < CHUNK_BYTES_MIN)
			return last && (head & CHUNK_PREV_INUSE) &&
			       (size == CHUNK_HEADER_BYTES || size == 0);
		if (size % 16 || size > end - at)
			return false;
		last = size;
		at += size;
	}
	*stop_ret = at;
	return true;
}

/* State of the walk over one piece. */
struct walk {
	const struct glibc *glibc;
	const struct glibc_piece *piece;
	struct glibc_view view;
	struct ch_object_batch batch;
	const struct glibc_cached *cached, *cached_end;
	/** 0 when the piece does not hold its arena's top. */
	uint64_t top;
};

static struct ch_error *put(struct walk *walk, uint64_t start, uint64_t end,
			    enum ch_object_state state, uint16_t flags)
{
	struct ch_object object = { .addr = start,
				    .size_bytes = end - start,
				    .chunk_bytes = end - start,
				    .state = (uint8_t)state,
				    .flags = flags };

	if (start >= end)
		return NULL;
	return ch_object_batch_put(&walk->batch, &object);
}

static inline bool is_fast(const struct glibc_piece *piece, uint64_t chunk)
{
	uint64_t bit = (chunk - piece->start) / 16;

	return piece->fast[bit / 64] >> bit % 64 & 1;
}

/* One chunk. What looks used may be cached: the list of those ascends. */
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
	while (__builtin_expect(walk->cached < walk->cached_end && walk->cached->chunk <= chunk,
				0)) {
		if (walk->cached->chunk == chunk && used) {
			object->flags |= walk->cached->flags;
			if (walk->cached->flags & CH_OBJECT_ALLOCATOR)
				object->type = GLIBC_TYPE_TCACHE;
			else
				object->state = CH_OBJECT_FREE;
		}
		walk->cached++;
	}
	if (walk->piece->fast && used && is_fast(walk->piece, chunk)) {
		object->state = CH_OBJECT_FREE;
		object->flags |= CH_OBJECT_FASTBIN;
	}
	return ++walk->batch.count == CH_BATCH_MAX ? ch_object_batch_flush(&walk->batch) : NULL;
}

/* The lowest boundary above low from which chunks follow each other; end if none. */
static uint64_t resync(struct walk *walk, uint64_t low)
{
	uint64_t at = low, end = walk->piece->end, stop;

	for (; at < end; at += 16) {
		if (!glibc_view_chunk(&walk->view, at))
			return end;
		if (glibc_follow(&walk->view, at, end, walk->top, FOLLOW_CHUNKS, &stop) &&
		    (stop != at || at == walk->top))
			return at;
	}
	return end;
}

static void tell_damage(const struct walk *walk, uint64_t chunk, uint64_t head, uint64_t last,
			uint64_t next)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&walk->glibc->arenas, struct glibc_arena, walk->piece->arena);

	chp_context_finding(walk->glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-chunk-damaged",
			    "%s: the chunk header at 0x%llx is damaged: its size field is 0x%llx, "
			    "the next intact chunk is at 0x%llx, the last intact one at 0x%llx",
			    arena->name, (unsigned long long)chunk, (unsigned long long)head,
			    (unsigned long long)next, (unsigned long long)last);
}

/*
 * The header at chunk makes no sense. Either it is damaged, or the size of
 * the chunk before it was: the lowest place above last from which chunks
 * follow says which. Sets *chunk to where the walk goes on.
 */
static struct ch_error *recover(struct walk *walk, uint64_t *chunk, uint64_t head, uint64_t last)
{
	uint64_t next = resync(walk, *chunk + CHUNK_HEADER_BYTES), damaged = *chunk;
	const uint8_t *p;

	tell_damage(walk, damaged, head, last, next);
	*chunk = next;
	if (next - damaged < CHUNK_BYTES_MIN)
		return put(walk, damaged, next, CH_OBJECT_OVERHEAD, 0);
	p = next < walk->piece->end ? glibc_view_chunk(&walk->view, next) : NULL;
	return put_chunk(walk, damaged, next - damaged, !p || (ch_get64(p + 8) & CHUNK_PREV_INUSE));
}

/* Fenceposts, or what ends a heap that is full: overhead up to the end. */
static bool is_fence(const struct walk *walk, uint64_t chunk, uint64_t size)
{
	return walk->piece->end - chunk <= 4 * CHUNK_HEADER_BYTES &&
	       (size == CHUNK_HEADER_BYTES || size == 0);
}

static struct ch_error *walk_chunks(struct walk *walk, uint64_t chunk)
{
	uint64_t end = walk->piece->end, last = walk->piece->first, head, size, next_head;
	struct ch_error *err = NULL;
	const uint8_t *p, *next;

	p = glibc_view_chunk(&walk->view, chunk);
	while (!err && p && chunk < end) {
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		if (__builtin_expect(chunk == walk->top, 0)) {
			struct ch_object top = { .addr = chunk + CHUNK_HEADER_BYTES,
						 .size_bytes = end - chunk - CHUNK_HEADER_BYTES,
						 .chunk_bytes = end - chunk,
						 .state = CH_OBJECT_FREE,
						 .header_bytes = CHUNK_HEADER_BYTES,
						 .flags = CH_OBJECT_TOP };

			return ch_object_batch_put(&walk->batch, &top);
		}
		if (__builtin_expect(is_fence(walk, chunk, size), 0))
			return put(walk, chunk, end, CH_OBJECT_OVERHEAD, 0);
		if (__builtin_expect(size < CHUNK_BYTES_MIN || size % 16 || size > end - chunk ||
					     (head & CHUNK_IS_MMAPPED),
				     0)) {
			err = recover(walk, &chunk, head, last);
			p = chunk < end ? glibc_view_chunk(&walk->view, chunk) : NULL;
			continue;
		}
		next = chunk + size < end ? glibc_view_chunk(&walk->view, chunk + size) : NULL;
		next_head = next ? ch_get64(next + 8) : CHUNK_PREV_INUSE;
		err = put_chunk(walk, chunk, size, next_head & CHUNK_PREV_INUSE);
		last = chunk;
		chunk += size;
		p = next;
	}
	return err;
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
	return cached + low;
}

struct ch_error *glibc_walk_piece(const struct glibc *glibc, const struct glibc_piece *piece,
				  uint64_t from, struct ch_object_sink *sink)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&glibc->arenas, struct glibc_arena, piece->arena);
	struct walk walk = { .glibc = glibc, .piece = piece };
	struct ch_error *err = NULL;

	walk.view.core = glibc->env.core;
	walk.batch.sink = sink;
	walk.cached_end = (const struct glibc_cached *)glibc->cached.items + glibc->cached.count;
	if (arena->top >= piece->first && arena->top < piece->end)
		walk.top = arena->top;
	if (from < piece->first) {
		err = put(&walk, piece->start, piece->first, CH_OBJECT_OVERHEAD, 0);
		from = piece->first;
	}
	walk.cached = cached_from(glibc, from);
	if (!err && from < piece->end)
		err = walk_chunks(&walk, from);
	if (!err)
		err = put(&walk, piece->end, piece->committed_end, CH_OBJECT_OVERHEAD, 0);
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
