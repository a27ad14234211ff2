/*
 * Marking what can be reached, by several threads over one set of bits. Two rings hold words and
 * nodes whose memory is on its way, because waiting for it is what a mark takes its time for.
 */
#include "graph/mark.h"

#include <pthread.h>
#include <stdlib.h>

#include "graph/pieces.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Words and nodes that wait for memory; powers of two. */
#define WORDS 16
#define NODES 16

/* Most entries that a thread gives away when others have nothing to do. */
#define SHARE 512

/* Nodes scanned between two looks at the rest of the world. */
#define PACE 4096

/* A node to be scanned: its bytes in our memory, NULL if they are not in one
 * piece. Of one that an edge led to nothing but its id is known: no span. */
struct entry {
	const uint8_t *bytes;
	uint64_t addr, size_bytes;
	const struct ch_index_span *span;
	uint32_t id;
};

struct word {
	uint64_t value;
	const struct ch_index_span *span;
	/* Address of the node that it is a word of; 0: of none. */
	uint64_t source;
};

/* What the threads of one run have in common. */
struct crew {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* of struct entry */
	struct ch_vec pool;
	uint32_t threads, idle;
	/* Somebody waits: others should give. */
	_Atomic(bool) hungry;
	_Atomic(struct ch_error *) err;
};

/* One thread's part. */
struct ch_marker {
	struct ch_mark *mark;
	/* Edges that were written down; NULL: they are to be read from the heap. */
	const struct ch_forward *edges;
	struct crew *crew;
	/* of struct entry */
	struct ch_vec stack;
	/* of uint64_t */
	struct ch_vec deferred;
	struct word words[WORDS];
	struct entry nodes[NODES];
	uint32_t words_head, words_count, nodes_head, nodes_count;
	/* Address of the node under way. */
	uint64_t source;
	uint64_t absent_bytes, scanned;
	bool starved;
	struct ch_pieces pieces;
};

struct ch_error *chp_mark_init(struct ch_mark *mark, const struct ch_graph *graph)
{
	size_t words = (size_t)graph->index->objects_count / 64 + 1;
	uint32_t i;

	*mark = (struct ch_mark){ .graph = graph,
				  .index = graph->index,
				  .deferred = CH_VEC(uint64_t) };
	mark->marked = calloc(words, sizeof(uint64_t));
	mark->interior = calloc(words, sizeof(uint64_t));
	mark->markers = calloc(graph->threads, sizeof(*mark->markers));
	if (!mark->marked || !mark->interior || !mark->markers) {
		chp_mark_deinit(mark);
		return &ch_enomem;
	}
	for (i = 0; i < graph->threads; i++) {
		mark->markers[i].mark = mark;
		mark->markers[i].edges = graph->forward.parts_count ? &graph->forward : NULL;
		mark->markers[i].stack = CH_VEC(struct entry);
		mark->markers[i].deferred = CH_VEC(uint64_t);
	}
	return NULL;
}

void chp_mark_deinit(struct ch_mark *mark)
{
	uint32_t i;

	for (i = 0; mark->markers && i < mark->graph->threads; i++) {
		ch_vec_deinit(&mark->markers[i].stack);
		ch_vec_deinit(&mark->markers[i].deferred);
	}
	free(mark->markers);
	free(mark->marked);
	free(mark->interior);
	ch_vec_deinit(&mark->deferred);
}

/* Set a bit; whether it was not set before. */
CH_INLINE bool set_bit(uint64_t *bits, uint32_t id)
{
	uint64_t mask = 1ULL << (id % 64);
	uint64_t *word = &bits[id / 64];

	if (__atomic_load_n(word, __ATOMIC_RELAXED) & mask)
		return false;
	return !(__atomic_fetch_or(word, mask, __ATOMIC_RELAXED) & mask);
}

static bool push_entry(struct ch_vec *stack, const struct entry *entry)
{
	if (stack->count == stack->capacity && !ch_vec_reserve(stack, stack->count + 1))
		return false;
	*CH_VEC_AT(stack, struct entry, stack->count) = *entry;
	stack->count++;
	return true;
}

static bool push_address(struct ch_vec *list, uint64_t addr)
{
	uint64_t *slot = ch_vec_push(list);

	if (slot)
		*slot = addr;
	return slot != NULL;
}

CH_INLINE bool get_bit(const uint64_t *bits, uint32_t id)
{
	return __atomic_load_n(&bits[id / 64], __ATOMIC_RELAXED) >> (id % 64) & 1;
}

/* A pointer that leads into a node which begins at start; whether to follow it. */
static bool take_inner(struct ch_marker *marker, const struct word *word, uint32_t id,
		       uint64_t start)
{
	struct ch_mark *mark = marker->mark;
	uint64_t offset = word->value - start;
	bool fresh;

	if (!chp_is_inner(mark->index, word->span, id, start, word->value))
		return true;
	if (mark->exact && mark->offsets)
		return chp_offsets_rule(mark->offsets,
					chp_index_size(mark->index, word->span, id, start), offset);
	if (word->source == start || get_bit(mark->known ? mark->known : mark->marked, id))
		return !mark->exact;
	if (mark->insides && !word->span->traced)
		chp_inside_add(&mark->insides[id], offset);
	fresh = set_bit(mark->interior, id);
	if (mark->exact && fresh)
		marker->starved |= !push_address(&marker->deferred, start);
	return !mark->exact;
}

/* Of an entry with a span and an address. */
CH_INLINE void measure(const struct ch_mark *mark, struct entry *entry)
{
	const struct ch_index_span *span = entry->span;

	entry->size_bytes = chp_index_size(mark->index, span, entry->id, entry->addr);
	if (entry->addr + entry->size_bytes <= span->bytes_end)
		entry->bytes = span->bytes + (entry->addr - span->start);
}

/* Follow one pointer. */
CH_INLINE void resolve(struct ch_marker *marker, const struct word *word)
{
	struct ch_mark *mark = marker->mark;
	uint64_t start = 0;
	uint32_t id = chp_index_node(mark->index, word->span, word->value, &start);
	struct entry entry = { .span = word->span, .addr = start, .id = id };

	if (id == CH_ID_NONE)
		return;
	if (word->value != start && !take_inner(marker, word, id, start))
		return;
	if (!set_bit(mark->marked, id))
		return;
	measure(mark, &entry);
	marker->starved |= !push_entry(&marker->stack, &entry);
}

/* A word of a node or a root; what waited longest is followed when it is full. Only
 * an exact one leads to what has a tracer. */
CH_INLINE void take_word(struct ch_marker *marker, uint64_t value, bool exact)
{
	const struct ch_index *index = marker->mark->index;
	struct word *slot;

	if (exact ? !chp_may_point(index, value) : !chp_may_point_plain(index, value))
		return;
	slot = &marker->words[(marker->words_head + marker->words_count) % WORDS];
	if (marker->words_count == WORDS) {
		resolve(marker, slot);
		marker->words_head++;
		marker->words_count--;
	}
	slot->value = value;
	slot->source = marker->source;
	slot->span = chp_index_span(index, value);
	if (!slot->span || (!exact && slot->span->traced))
		return;
	chp_index_prefetch(slot->span, value);
	marker->words_count++;
}

CH_INLINE void take_traced(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	(void)offset;
	take_word(arg, value, exact);
}

/* A node whose walker knows its pointers. */
CH_RANKING static void scan_traced(struct ch_marker *marker, const struct entry *entry)
{
	chp_pieces_begin(&marker->pieces, marker->mark->graph, entry->span, entry->id, entry->addr,
			 entry->size_bytes);
	marker->absent_bytes += chp_pieces_visit(&marker->pieces, take_traced, marker);
}

/* A node that lies in pieces, or partly not in the core. */
static void scan_slowly(struct ch_marker *marker, const struct entry *entry)
{
	const struct ch_core *core = marker->mark->graph->core;
	uint64_t at = ch_align_up(entry->addr, 8), end = entry->addr + entry->size_bytes, next;
	uint64_t value;

	while (at + 8 <= end) {
		if (ch_core_read_u64(core, at, &value)) {
			take_word(marker, value, false);
			at += 8;
			continue;
		}
		next = ch_max(at + 8, ch_align_up(ch_core_next_present(core, at + 1, end), 8));
		next = ch_min(next, end);
		marker->absent_bytes += next - at;
		at = next;
	}
}

/* All pointers of a node are edges to first bytes. False: there is more to it. */
CH_INLINE bool scan_edges(struct ch_marker *marker, uint32_t id)
{
	const struct ch_edge_part *part = chp_forward_part(marker->edges, id);
	struct entry entry = { .span = NULL };
	uint32_t at, to;

	if (chp_edge_odd(part, id))
		return false;
	to = part->starts[id + 1 - part->from];
	for (at = part->starts[id - part->from]; at < to; at++) {
		entry.id = part->targets[at];
		if (set_bit(marker->mark->marked, entry.id))
			marker->starved |= !push_entry(&marker->stack, &entry);
	}
	return true;
}

/* What an edge does not tell of its target. */
static void look_up(const struct ch_marker *marker, struct entry *entry)
{
	const struct ch_index *index = marker->mark->index;

	entry->span = chp_index_span_of(index, entry->id);
	entry->addr = chp_index_addr_in(index, entry->span, entry->id);
	measure(marker->mark, entry);
}

CH_INLINE void scan(struct ch_marker *marker, struct entry *entry)
{
	/* Nodes are aligned to 8. */
	const uint8_t *p, *end;

	if (marker->edges && scan_edges(marker, entry->id))
		return;
	if (!entry->span)
		look_up(marker, entry);
	p = entry->bytes;
	marker->source = entry->addr;
	if (entry->span->traced) {
		scan_traced(marker, entry);
		return;
	}
	if (!p) {
		scan_slowly(marker, entry);
		return;
	}
	for (end = p + (entry->size_bytes & ~7ULL); p < end; p += 8)
		take_word(marker, ch_get64(p), false);
}

/* Where the edges of a node are, once it is known where they begin. */
CH_INLINE void await_edges(const struct ch_marker *marker)
{
	uint32_t id = marker->nodes[(marker->nodes_head + NODES / 2) % NODES].id;
	const struct ch_edge_part *part = chp_forward_part(marker->edges, id);

	__builtin_prefetch(&part->targets[part->starts[id - part->from]]);
}

/* Nodes move from the stack to where their bytes, or their edges, are waited for. */
CH_INLINE void fill_nodes(struct ch_marker *marker)
{
	const struct ch_edge_part *part;
	struct entry *slot;

	if (marker->edges && marker->nodes_count > NODES / 2)
		await_edges(marker);

	while (marker->nodes_count < NODES && marker->stack.count) {
		slot = &marker->nodes[(marker->nodes_head + marker->nodes_count) % NODES];
		*slot = *CH_VEC_AT(&marker->stack, struct entry, --marker->stack.count);
		if (marker->edges) {
			part = chp_forward_part(marker->edges, slot->id);
			__builtin_prefetch(&part->starts[slot->id - part->from]);
		} else if (slot->bytes) {
			__builtin_prefetch(slot->bytes);
		}
		marker->nodes_count++;
	}
}

/* Scan up to PACE nodes; false when there is nothing left to do. */
CH_RANKING static bool work_on(struct ch_marker *marker)
{
	uint32_t i;

	for (i = 0; i < PACE; i++) {
		fill_nodes(marker);
		if (marker->nodes_count) {
			scan(marker, &marker->nodes[marker->nodes_head % NODES]);
			marker->nodes_head++;
			marker->nodes_count--;
			marker->scanned++;
		} else if (marker->words_count) {
			resolve(marker, &marker->words[marker->words_head % WORDS]);
			marker->words_head++;
			marker->words_count--;
		} else {
			return false;
		}
	}
	return true;
}

CH_RANKING static void add_word(struct ch_marker *marker, const struct word *word)
{
	resolve(marker, word);
}

struct ch_error *chp_mark_add(struct ch_mark *mark, uint64_t value)
{
	struct ch_marker *marker = &mark->markers[0];
	struct word word = { .value = value };

	if (!chp_may_point(mark->index, value))
		return NULL;
	word.span = chp_index_span(mark->index, value);
	if (word.span)
		add_word(marker, &word);
	return marker->starved ? &ch_enomem : NULL;
}

/* Give entries away, if somebody has none. */
static void share(struct ch_marker *marker)
{
	struct crew *crew = marker->crew;
	size_t n = ch_min(marker->stack.count / 2, SHARE), i;

	if (!n || !crew->hungry)
		return;
	pthread_mutex_lock(&crew->lock);
	/* The oldest ones lead to most. */
	for (i = 0; i < n && !marker->starved; i++)
		marker->starved =
			!push_entry(&crew->pool, CH_VEC_AT(&marker->stack, struct entry, i));
	/* Their places go to the newest: n is at most half of all. */
	marker->stack.count -= i;
	memcpy(marker->stack.items, CH_VEC_AT(&marker->stack, struct entry, marker->stack.count),
	       i * sizeof(struct entry));
	crew->hungry = false;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
}

/* Wait for entries; false when nobody will have any. */
static bool wait_for_work(struct ch_marker *marker)
{
	struct crew *crew = marker->crew;
	size_t i, n;

	pthread_mutex_lock(&crew->lock);
	crew->idle++;
	while (!crew->pool.count && crew->idle < crew->threads && !crew->err) {
		crew->hungry = true;
		pthread_cond_wait(&crew->changed, &crew->lock);
	}
	n = crew->err ? 0 : ch_min(crew->pool.count, SHARE);
	for (i = 0; i < n && !marker->starved; i++)
		marker->starved = !push_entry(
			&marker->stack, CH_VEC_AT(&crew->pool, struct entry, --crew->pool.count));
	if (n)
		crew->idle--;
	else
		pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	return n != 0;
}

static void fail(struct crew *crew, struct ch_error *err)
{
	pthread_mutex_lock(&crew->lock);
	if (!crew->err)
		crew->err = err;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
}

static void *work(void *arg)
{
	struct ch_marker *marker = arg;
	struct ch_context *ctx = marker->mark->graph->ctx;
	struct ch_error *err = NULL;
	bool more = true;

	while (!err && more) {
		more = work_on(marker);
		share(marker);
		err = marker->starved ? &ch_enomem : chp_context_check(ctx);
		if (!err && marker == marker->mark->markers)
			chp_context_progress(ctx, "following pointers",
					     marker->scanned * marker->crew->threads,
					     marker->mark->index->nodes_count);
		if (!err && !more)
			more = wait_for_work(marker);
		if (!err && marker->crew->err)
			break;
	}
	if (err)
		fail(marker->crew, err);
	return NULL;
}

/* The calling thread and helpers, as many as can be had. */
static void run_crew(struct ch_mark *mark, struct crew *crew)
{
	pthread_t threads[64];
	uint32_t i, started = 0;

	/* Nobody gives up before all have come. */
	pthread_mutex_lock(&crew->lock);
	for (i = 1; i < crew->threads && started < CH_COUNT_OF(threads); i++) {
		mark->markers[i].crew = crew;
		if (pthread_create(&threads[started], NULL, work, &mark->markers[i]))
			break;
		started++;
	}
	crew->threads = started + 1;
	pthread_mutex_unlock(&crew->lock);
	work(&mark->markers[0]);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

struct ch_error *chp_mark_run(struct ch_mark *mark, bool threads)
{
	struct crew crew = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER,
			     .pool = CH_VEC(struct entry),
			     .threads = threads ? mark->graph->threads : 1 };
	struct ch_marker *marker;
	uint32_t i;
	size_t k;

	mark->markers[0].crew = &crew;
	run_crew(mark, &crew);
	for (i = 0; i < mark->graph->threads; i++) {
		marker = &mark->markers[i];
		mark->absent_bytes += marker->absent_bytes;
		marker->absent_bytes = 0;
		for (k = 0; k < marker->deferred.count && !crew.err; k++)
			if (!push_address(&mark->deferred,
					  *CH_VEC_AT(&marker->deferred, uint64_t, k)))
				crew.err = &ch_enomem;
		marker->deferred.count = 0;
	}
	ch_vec_deinit(&crew.pool);
	pthread_mutex_destroy(&crew.lock);
	pthread_cond_destroy(&crew.changed);
	return crew.err;
}
