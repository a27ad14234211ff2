/*
 * graph_priv.h - the inside of struct ch_graph, shared by the files of src/graph.
 *
 * The index is one bit for each granule (8 or 16 bytes) of the spans, set where
 * an object's address is. 448 bits and what is needed to rank them share one
 * cache line, so that address to object costs one line. Objects that are not
 * used are indexed, too: they end the objects before them.
 */
#ifndef COREHEAP_GRAPH_GRAPH_PRIV_H
#define COREHEAP_GRAPH_GRAPH_PRIV_H

#include <coreheap/graph.h>

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
	 * but for those in ch_graph.odd_sizes. */
	uint32_t slack_bytes;
	/** log2 of the granule. */
	uint32_t shift;
	/** The span's bytes in our memory as far as they are in one piece: those
	 * of [start, bytes_end). */
	const uint8_t *bytes;
	uint64_t bytes_end;
	/** Who knows the pointers of its objects; NULL: any word may be one. */
	const struct ch_traced *traced;
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

/** A root that a walker named. */
struct ch_traced_root {
	struct ch_walker_root root;
	/** Index into ch_graph.traced. */
	uint32_t traced;
};

/** An edge without a word: ids. */
struct ch_link {
	uint32_t from, to;
};

/** Sources of each target: sources[start[t]] .. sources[start[t + 1]], one for each
 * word; and by the same index a bit for those words that lead into the target, not to
 * its first byte. */
struct ch_reverse {
	uint32_t *start, *sources;
	uint64_t *inner;
};

struct ch_graph {
	struct ch_session *session;
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
	struct ch_context *ctx;
	uint32_t threads;

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

	/** of struct ch_foreign, ascending: what index.c met for roots.c */
	struct ch_vec foreign;
	/** of struct ch_root_range, ascending */
	struct ch_vec ranges;

	/** Walkers that know their pointers, and what they said. */
	struct ch_traced traced[CH_TRACERS_MAX];
	uint32_t traced_count;
	/** of struct ch_traced_root, in the walkers' order */
	struct ch_vec traced_roots;
	/** of struct ch_link, ascending */
	struct ch_vec links;

	/** Whose headers other walkers' blocks may begin with, and how long those are; 0: nobody's.
	 */
	const struct ch_traced *headed_by;
	uint32_t header_bytes;

	/** Inner offsets that count as first bytes, by size, then by offset, once leaks were
	 * looked for: of struct ch_offset_rule. */
	struct ch_vec offset_rules;

	/** All edges turned round, once they were asked for, in a graph that keeps them. */
	struct ch_reverse reverse;
	bool keep_edges, touched_only;

	/** By thread; NULL until a root on a stack is named. */
	struct ch_root_stack *stacks;
	/** Modules with thread-local storage: see tls.c. */
	struct ch_vec tls_modules;
	bool tls_listed;
};

/** index.c: fill the index from the heaps. Errors: LIMIT, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_index_build(struct ch_graph *graph);
void chp_index_deinit(struct ch_graph *graph);

/** rootname.c: the frames of a thread, unwound once. Borrowed. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_rootnames_frames(struct ch_graph *graph, uint32_t thread,
						    const struct ch_frame **frames_ret,
						    size_t *count_ret);
/**
 * tls.c: the module whose block of thread-local storage of the thread with thread
 * pointer base holds addr, and where in the block; module NULL when none does.
 * Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_tls_find(struct ch_graph *graph, uint64_t base, uint64_t addr,
					    const struct ch_module **module_ret,
					    uint64_t *offset_ret);
/** rootname.c: forget what names rest on. */
void chp_rootnames_deinit(struct ch_graph *graph);

/** roots.c: find the ranges. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_roots_collect(struct ch_graph *graph);

/** traced.c: ask walkers for roots and links. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_traced_collect(struct ch_graph *graph);
void chp_traced_deinit(struct ch_graph *graph);

/** Code of loops that rank bits: use the machine's own instruction where it is. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
	!defined(__clang__)
#define CH_RANKING __attribute__((target_clones("popcnt", "default")))
#else
#define CH_RANKING
#endif
#define CH_INLINE static inline __attribute__((always_inline))

static inline bool chp_is_node(const struct ch_graph *graph, uint32_t id)
{
	return graph->nodes[id / 64] >> (id % 64) & 1;
}

/** Whether a word may point at a node at all; most do not. */
static inline bool chp_may_point(const struct ch_graph *graph, uint64_t value)
{
	return value - graph->low < graph->high - graph->low;
}

/** As chp_may_point(), for words of which no tracer says that they are pointers. */
static inline bool chp_may_point_plain(const struct ch_graph *graph, uint64_t value)
{
	return value - graph->plain_low < graph->plain_high - graph->plain_low;
}

/** The span that holds addr, or NULL. */
CH_INLINE const struct ch_index_span *chp_index_span(const struct ch_graph *graph, uint64_t addr)
{
	const struct ch_index_span *spans = graph->spans.items;
	uint64_t key = (addr >> CH_PIECE_SHIFT) + 1;
	uint32_t slot = (uint32_t)(key * 0x9e3779b1U) & graph->pieces_mask, i, high, mid;

	while (graph->pieces[slot].key != key) {
		if (!graph->pieces[slot].key)
			return NULL;
		slot = (slot + 1) & graph->pieces_mask;
	}
	i = graph->pieces[slot].span;
	if (addr < spans[i].end)
		return addr >= spans[i].start ? &spans[i] : NULL;
	/* Many small spans in one piece. */
	high = (uint32_t)graph->spans.count;
	for (i++; i < high;) {
		mid = i + (high - i) / 2;
		if (spans[mid].end <= addr)
			i = mid + 1;
		else
			high = mid;
	}
	return i < graph->spans.count && addr >= spans[i].start ? &spans[i] : NULL;
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

/** Usable bytes of a node at start. */
uint64_t chp_index_size(const struct ch_graph *graph, const struct ch_index_span *span, uint32_t id,
			uint64_t start);

/** The node that addr, which lies in span, points at or into. */
CH_INLINE uint32_t chp_index_node(const struct ch_graph *graph, const struct ch_index_span *span,
				  uint64_t addr, uint64_t *start_ret)
{
	struct ch_index_hit hit = chp_index_hit(span, addr);

	if (!chp_is_node(graph, hit.id))
		return CH_ID_NONE;
	*start_ret = hit.start;
	if (addr == hit.start)
		return hit.id;
	return addr - hit.start < chp_index_size(graph, span, hit.id, hit.start) ? hit.id
										 : CH_ID_NONE;
}

/** Whether the block at start begins with a runtime's header. */
bool chp_index_has_header(const struct ch_graph *graph, const struct ch_index_span *span,
			  uint32_t id, uint64_t start);

/** Whether value leads into a node of span, which begins at start, and neither to its first
 * byte nor to that behind a runtime's header. */
CH_INLINE bool chp_is_inner(const struct ch_graph *graph, const struct ch_index_span *span,
			    uint32_t id, uint64_t start, uint64_t value)
{
	return value != start && (!graph->header_bytes || value - start != graph->header_bytes ||
				  !chp_index_has_header(graph, span, id, start));
}

/** Where the object after id begins, which begins at start; the span's end if
 * none does. */
uint64_t chp_index_next(const struct ch_index_span *span, uint32_t id, uint64_t start);

/** Chunk bytes of an object that count: see chp_graph_weight(). */
CH_INLINE uint64_t chp_object_weight(const struct ch_graph *graph, const struct ch_object *object)
{
	return graph->touched_only ? chp_heaps_held_bytes(graph->heaps, object)
				   : object->chunk_bytes;
}

/** The span of an id. */
const struct ch_index_span *chp_index_span_of(const struct ch_graph *graph, uint32_t id);

/** Bytes of the target in our memory, kept between reads: zero it to begin. */
struct ch_cursor {
	uint64_t start, end;
	const uint8_t *bytes;
};

/** The bytes at addr, at most *len_ret; NULL when they are absent. */
CH_INLINE const uint8_t *chp_cursor_at(const struct ch_core *core, struct ch_cursor *cursor,
				       uint64_t addr, size_t *len_ret)
{
	size_t len;

	if (addr - cursor->start >= cursor->end - cursor->start) {
		cursor->bytes = ch_core_span(core, addr, &len);
		if (!cursor->bytes) {
			cursor->start = cursor->end = 0;
			return NULL;
		}
		cursor->start = addr;
		cursor->end = addr + len;
	}
	*len_ret = cursor->end - addr;
	return cursor->bytes + (addr - cursor->start);
}

#endif /* COREHEAP_GRAPH_GRAPH_PRIV_H */
