/*
 * index.h - numbers for all objects of the heaps, and which object an address is in.
 *
 * Vocabulary:
 *   id      an object's rank by address, over all spans; CH_ID_NONE is none;
 *   node    an object that a program uses: not free, not overhead, not the allocator's own;
 *   traced  in a span of a walker that knows the pointers of its objects.
 *
 * The index is one bit for each granule (8 or 16 bytes) of the spans, set where an object's
 * address is. 448 bits and what is needed to rank them share one cache line, so that address to
 * object costs one line. Objects that are not used are indexed, too: they end the objects before
 * them. It is made once for a session, by one walk, in which tracers also learn the types that
 * there are.
 */
#ifndef COREHEAP_INDEX_INDEX_H
#define COREHEAP_INDEX_INDEX_H

#include <coreheap/coreheap.h>

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

#define CH_LINE_WORDS 7
#define CH_LINE_BITS  (CH_LINE_WORDS * 64)

/** Bits of CH_LINE_BITS granules. 64 bytes, aligned to 64. */
struct ch_index_line {
	/** Id of the first object that begins in this line or behind it. */
	uint32_t first_id;
	/** Granules from the last object before this line to the line's first. */
	uint32_t back;
	uint64_t bits[CH_LINE_WORDS];
};

struct ch_index_span {
	/** Target range [start, end): from the first object's address rounded
	 * down to a granule, to the end of committed bytes. */
	uint64_t start, end;
	/** Lines of this span; NULL when it has a single object, at start. */
	struct ch_index_line *lines;
	/** Where they were allocated. */
	void *base;
	uint32_t lines_count;
	/** Ids of its objects: first_id .. first_id + count - 1. */
	uint32_t first_id, count;
	/** Bytes between the end of an object and the address of the next one,
	 * but for those in ch_index.odd_sizes. */
	uint32_t slack_bytes;
	/** log2 of the granule. */
	uint32_t shift;
	/** The span's bytes in our memory as far as they are in one piece: those
	 * of [start, bytes_end). */
	const uint8_t *bytes;
	uint64_t bytes_end;
	/** Who knows the pointers of its objects; NULL: any word may be one. */
	const struct ch_traced *traced;
	/** Its objects are given back together: who has no pointer to one has not lost it. */
	bool pooled;
	/** The walker knows no type of some of its nodes. */
	bool untyped;
	/** In ch_heaps_list(). */
	uint32_t heap;
};

/** A node whose size does not follow from where the next object begins. */
struct ch_odd_size {
	uint32_t id;
	uint64_t size_bytes;
};

/** First span that meets a piece of address space of CH_PIECE_BYTES. */
struct ch_index_piece {
	uint64_t key;
	uint32_t span;
};
#define CH_PIECE_SHIFT 22

/** Memory within a span that is not the allocator's: target range [start, end). */
struct ch_foreign {
	uint64_t start, end;
};

struct ch_index {
	struct ch_core *core;
	struct ch_heaps *heaps;
	struct ch_context *ctx;

	/** of struct ch_index_span, ascending */
	struct ch_vec spans;
	/** Hash table of pieces_mask + 1 slots; key 0: empty. */
	struct ch_index_piece *pieces;
	uint32_t pieces_mask;
	/** Every node lies in [low, high), and those of spans without a tracer in
	 * [plain_low, plain_high). */
	uint64_t low, high, plain_low, plain_high;
	/** One bit for each id: a node. */
	uint64_t *nodes;
	/** Line (in its span) that holds every 256th object of all. */
	uint32_t *hints;
	/** of struct ch_odd_size, ascending */
	struct ch_vec odd_sizes;
	uint32_t objects_count, nodes_count;
	/** Some objects of the walk have no id: they had no place. */
	bool gaps;

	/** of struct ch_foreign, ascending */
	struct ch_vec foreign;

	/** Walkers that know their pointers. */
	struct ch_traced traced[CH_TRACERS_MAX];
	uint32_t traced_count;
	/** Whose headers other walkers' blocks may begin with, and how long those are; 0: nobody's.
	 */
	const struct ch_traced *headed_by;
	uint32_t header_bytes;
};

/** The index of a session, made when it is first asked for. Borrowed until the session is
 * closed. Errors: LIMIT, NOMEM, STOP, those of the heaps. */
CH_MUST_CHECK struct ch_error *chp_session_index(struct ch_session *session,
						 const struct ch_index **ret);

/** Code of loops that rank bits: use the machine's own instruction where it is. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
	!defined(__clang__)
#define CH_RANKING __attribute__((target_clones("popcnt", "default")))
#else
#define CH_RANKING
#endif
#define CH_INLINE static inline __attribute__((always_inline))

static inline bool chp_is_node(const struct ch_index *index, uint32_t id)
{
	return index->nodes[id / 64] >> (id % 64) & 1;
}

/** Whether a word may point at a node at all; most do not. */
static inline bool chp_may_point(const struct ch_index *index, uint64_t value)
{
	return value - index->low < index->high - index->low;
}

/** As chp_may_point(), for words of which no tracer says that they are pointers. */
static inline bool chp_may_point_plain(const struct ch_index *index, uint64_t value)
{
	return value - index->plain_low < index->plain_high - index->plain_low;
}

/** The span that holds addr, or NULL. */
CH_INLINE const struct ch_index_span *chp_index_span(const struct ch_index *index, uint64_t addr)
{
	const struct ch_index_span *spans = index->spans.items;
	uint64_t key = (addr >> CH_PIECE_SHIFT) + 1;
	uint32_t slot = (uint32_t)(key * 0x9e3779b1U) & index->pieces_mask, i, high, mid;

	while (index->pieces[slot].key != key) {
		if (!index->pieces[slot].key)
			return NULL;
		slot = (slot + 1) & index->pieces_mask;
	}
	i = index->pieces[slot].span;
	if (addr < spans[i].end)
		return addr >= spans[i].start ? &spans[i] : NULL;
	/* Many small spans in one piece. */
	high = (uint32_t)index->spans.count;
	for (i++; i < high;) {
		mid = i + (high - i) / 2;
		if (spans[mid].end <= addr)
			i = mid + 1;
		else
			high = mid;
	}
	return i < index->spans.count && addr >= spans[i].start ? &spans[i] : NULL;
}

/** What the index knows of one address. */
struct ch_index_hit {
	uint32_t id;
	/** Address of that object. */
	uint64_t start;
};

/** The object that begins last at or before addr, which lies in span. */
CH_INLINE struct ch_index_hit chp_index_hit(const struct ch_index_span *span, uint64_t addr)
{
	uint64_t granule = (addr - span->start) >> span->shift;
	uint64_t number = granule / CH_LINE_BITS;
	uint32_t bit = (uint32_t)(granule % CH_LINE_BITS), word = bit / 64, w, before = 0;
	const struct ch_index_line *line;
	struct ch_index_hit hit;
	uint64_t bits;

	if (!span->lines)
		return (struct ch_index_hit){ span->first_id, span->start };
	/* Behind the last object's line there are none. */
	if (number >= span->lines_count) {
		number = span->lines_count - 1;
		word = CH_LINE_WORDS - 1;
		bit = CH_LINE_BITS - 1;
	}
	line = &span->lines[number];
	for (w = 0; w < word; w++)
		before += (uint32_t)__builtin_popcountll(line->bits[w]);
	bits = line->bits[word] & (~0ULL >> (63 - bit % 64));
	hit.id = line->first_id + before + (uint32_t)__builtin_popcountll(bits) - 1;
	for (w = word; !bits && w > 0; w--)
		bits = line->bits[w - 1];
	granule = number * CH_LINE_BITS;
	if (bits)
		granule += w * 64 + 63 - (uint32_t)__builtin_clzll(bits);
	else
		granule -= line->back;
	hit.start = span->start + (granule << span->shift);
	return hit;
}

/** Bring the line that chp_index_hit() will need. */
CH_INLINE void chp_index_prefetch(const struct ch_index_span *span, uint64_t addr)
{
	uint64_t number = ((addr - span->start) >> span->shift) / CH_LINE_BITS;

	if (span->lines && number < span->lines_count)
		__builtin_prefetch(&span->lines[number]);
}

/** Usable bytes of a node at start, behind which the next object begins at next. */
uint64_t chp_index_size_to(const struct ch_index *index, const struct ch_index_span *span,
			   uint32_t id, uint64_t start, uint64_t next);
/** Usable bytes of a node at start. */
uint64_t chp_index_size(const struct ch_index *index, const struct ch_index_span *span, uint32_t id,
			uint64_t start);

/** The node that addr, which lies in span, points at or into. */
CH_INLINE uint32_t chp_index_node(const struct ch_index *index, const struct ch_index_span *span,
				  uint64_t addr, uint64_t *start_ret)
{
	struct ch_index_hit hit = chp_index_hit(span, addr);

	if (!chp_is_node(index, hit.id))
		return CH_ID_NONE;
	*start_ret = hit.start;
	if (addr == hit.start)
		return hit.id;
	return addr - hit.start < chp_index_size(index, span, hit.id, hit.start) ? hit.id
										 : CH_ID_NONE;
}

/** Whether the block at start begins with a runtime's header. */
bool chp_index_has_header(const struct ch_index *index, const struct ch_index_span *span,
			  uint32_t id, uint64_t start);

/** Whether value leads into a node of span, which begins at start, and neither to its first
 * byte nor to that behind a runtime's header. */
CH_INLINE bool chp_is_inner(const struct ch_index *index, const struct ch_index_span *span,
			    uint32_t id, uint64_t start, uint64_t value)
{
	return value != start && (!index->header_bytes || value - start != index->header_bytes ||
				  !chp_index_has_header(index, span, id, start));
}

/** Where the object after id begins, which begins at start; the span's end if
 * none does. */
uint64_t chp_index_next(const struct ch_index_span *span, uint32_t id, uint64_t start);

/** The span of an id. */
const struct ch_index_span *chp_index_span_of(const struct ch_index *index, uint32_t id);
/** The object that begins at addr, or CH_ID_NONE. O(1). */
uint32_t chp_index_at(const struct ch_index *index, uint64_t addr);
/** Address of an object; of one of span. */
uint64_t chp_index_addr(const struct ch_index *index, uint32_t id);
uint64_t chp_index_addr_in(const struct ch_index *index, const struct ch_index_span *span,
			   uint32_t id);

#endif /* COREHEAP_INDEX_INDEX_H */
