/*
 * Making the index, and what it answers.
 */
#include "index/index.h"

#include <stdlib.h>
#include <string.h>

#include "heap/session.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"

/* Ids from one hint to the next. */
#define HINT_SHIFT 8
#define HINT_IDS   (1U << HINT_SHIFT)

/* A span's slack is not known yet. */
#define SLACK_UNKNOWN UINT32_MAX

/* Pieces of address space that heaps may meet: 64 TiB. */
#define PIECES_MAX (1U << 24)

/* Bytes of lines beside a part of the core's own: only a core that lies about
 * where its blocks are needs more. */
#define LINES_BYTES_MIN   (64ULL << 20)
#define LINES_PART_OF_ALL 16

/* The index in the making. */
struct builder {
	struct ch_index *index;
	/* Of struct ch_index_span; of where their lines were allocated. */
	uint32_t engine_span;
	struct ch_index_span *span;
	/* The last object taken: its granule, address, size, whether it is a node. */
	uint64_t granule, addr, size_bytes;
	bool node;
	uint64_t lines_bytes, lines_bytes_max;
	uint64_t misplaced_count;
	/* of uint32_t */
	struct ch_vec hints;
	/* of uint64_t: words of ch_index.nodes */
	struct ch_vec nodes;
	/* One bit for each type: its tracer has learned it. */
	uint64_t *learned;
	uint32_t learned_words;
};

static struct ch_error *too_sparse(void)
{
	return ch_error_create(CH_ERROR_LIMIT,
			       "the blocks lie too far apart to be indexed; the core is damaged");
}

/* Room for the lines of a span, once a second object shows that they are needed. */
static struct ch_error *make_lines(struct builder *b)
{
	struct ch_index_span *span = b->span;
	uint64_t lines = ((span->end - 1 - span->start) >> span->shift) / CH_LINE_BITS + 1;
	void *base;

	if (lines > UINT32_MAX - 1)
		return too_sparse();
	/* Zeroed pages that are never looked at cost nothing. */
	base = calloc(lines + 1, sizeof(struct ch_index_line));
	if (!base)
		return &ch_enomem;
	span->base = base;
	span->lines = (void *)ch_align_up((uintptr_t)base, sizeof(struct ch_index_line));
	span->lines_count = 1;
	span->lines[0].first_id = span->first_id;
	span->lines[0].bits[0] = 1;
	return NULL;
}

/* The object taken last ends where the next one begins, at next. */
static struct ch_error *end_object(struct builder *b, uint64_t next)
{
	uint64_t gap, bytes = ch_min(b->size_bytes, next - b->addr);
	struct ch_odd_size *odd;

	if (!b->node)
		return NULL;
	gap = next - b->addr - bytes;
	if (b->span->slack_bytes == SLACK_UNKNOWN && gap < SLACK_UNKNOWN)
		b->span->slack_bytes = (uint32_t)gap;
	if (gap == b->span->slack_bytes)
		return NULL;
	odd = ch_vec_push(&b->index->odd_sizes);
	if (!odd)
		return &ch_enomem;
	odd->id = b->index->objects_count - 1;
	odd->size_bytes = bytes;
	return NULL;
}

static struct ch_error *end_span(struct builder *b)
{
	struct ch_error *err;
	size_t len = 0;

	if (!b->span)
		return NULL;
	if (!b->span->count) {
		b->index->spans.count--;
		b->span = NULL;
		return NULL;
	}
	err = end_object(b, b->span->end);
	b->span->bytes = ch_core_span(b->index->core, b->span->start, &len);
	b->span->bytes_end = b->span->start + (b->span->bytes ? len : 0);
	if (b->span->slack_bytes == SLACK_UNKNOWN)
		b->span->slack_bytes = 0;
	b->span = NULL;
	return err;
}

/* Who knows the pointers of a span of the engine. */
static const struct ch_traced *find_traced(const struct ch_index *index, uint32_t span)
{
	struct ch_traced traced;
	uint32_t i;

	if (!chp_heaps_span_tracer(index->heaps, span, &traced))
		return NULL;
	for (i = 0; i < index->traced_count; i++)
		if (index->traced[i].state == traced.state)
			return &index->traced[i];
	return NULL;
}

static struct ch_error *begin_span(struct builder *b, const struct ch_object *first)
{
	const struct ch_traced *traced;
	const struct ch_span *span;
	struct ch_error *err;
	size_t count;

	err = end_span(b);
	if (err)
		return err;
	span = &ch_heaps_spans(b->index->heaps, &count)[first->span];
	b->span = ch_vec_push(&b->index->spans);
	if (!b->span)
		return &ch_enomem;
	b->engine_span = first->span;
	traced = find_traced(b->index, first->span);
	*b->span = (struct ch_index_span){
		.start = first->addr - first->addr % 8,
		.end = ch_max(span->committed_end, first->addr + 1),
		.first_id = b->index->objects_count,
		.slack_bytes = SLACK_UNKNOWN,
		.shift = span->align_bytes >= 16 ? 4 : 3,
		.traced = traced,
		.pooled = chp_heaps_span_pooled(b->index->heaps, first->span),
		.heap = span->heap,
	};
	return NULL;
}

/* Write the heads of lines up to the one of granule. */
static struct ch_error *reach_line(struct builder *b, uint64_t granule)
{
	struct ch_index_span *span = b->span;
	uint64_t number = granule / CH_LINE_BITS, back, i;

	b->lines_bytes += (number + 1 - span->lines_count) * sizeof(struct ch_index_line);
	if (b->lines_bytes > b->lines_bytes_max)
		return too_sparse();
	for (i = span->lines_count; i <= number; i++) {
		back = i * CH_LINE_BITS - b->granule;
		if (back > UINT32_MAX)
			return too_sparse();
		span->lines[i].first_id = b->index->objects_count;
		span->lines[i].back = (uint32_t)back;
	}
	span->lines_count = (uint32_t)number + 1;
	return NULL;
}

/* Whether an object can have a bit of its own. */
static bool has_place(const struct builder *b, const struct ch_object *object)
{
	uint64_t align = 1ULL << b->span->shift;

	if (object->addr % 8)
		return false;
	if (!b->span->count)
		return true;
	return object->addr > b->addr && (object->addr - b->span->start) % align == 0 &&
	       object->addr < b->span->end;
}

static struct ch_error *place(struct builder *b, const struct ch_object *object)
{
	struct ch_index_span *span = b->span;
	struct ch_error *err = NULL;
	uint64_t granule;

	if (!span->count)
		span->start = object->addr;
	granule = (object->addr - span->start) >> span->shift;
	if (span->count) {
		err = end_object(b, object->addr);
		if (!err && !span->lines)
			err = make_lines(b);
		if (!err)
			err = reach_line(b, granule);
		if (err)
			return err;
		span->lines[granule / CH_LINE_BITS].bits[granule % CH_LINE_BITS / 64] |=
			1ULL << (granule % 64);
	}
	b->granule = granule;
	return NULL;
}

static bool grow_learned(struct builder *b, uint32_t words)
{
	uint64_t *learned;

	words = (uint32_t)ch_max(words, 2ULL * b->learned_words);
	learned = realloc(b->learned, words * sizeof(*learned));
	if (!learned)
		return false;
	memset(learned + b->learned_words, 0, (words - b->learned_words) * sizeof(*learned));
	b->learned = learned;
	b->learned_words = words;
	return true;
}

/* Let the tracer of the span under way learn an object's type, once. */
static struct ch_error *learn(struct builder *b, const struct ch_object *object)
{
	uint32_t word = object->type / 64;
	uint64_t bit = 1ULL << (object->type % 64);

	if (!object->key)
		return NULL;
	if (word >= b->learned_words && !grow_learned(b, word + 16))
		return &ch_enomem;
	if (b->learned[word] & bit)
		return NULL;
	b->learned[word] |= bit;
	return b->span->traced->tracer->learn(b->span->traced->state, object->key);
}

/* Ids are handed out here. */
static struct ch_error *number(struct builder *b, const struct ch_object *object)
{
	struct ch_index *index = b->index;
	uint32_t id = index->objects_count, *hint;
	uint64_t *word;

	if (id >= CH_ID_NONE - 1)
		return ch_error_create(CH_ERROR_LIMIT, "more than 4,294,967,293 blocks");
	if (id % HINT_IDS == 0) {
		hint = ch_vec_push(&b->hints);
		if (!hint)
			return &ch_enomem;
		*hint = (uint32_t)(b->granule / CH_LINE_BITS);
	}
	if (id % 64 == 0 && !ch_vec_push(&b->nodes))
		return &ch_enomem;
	b->addr = object->addr;
	b->size_bytes = object->size_bytes;
	b->node = object->state == CH_OBJECT_USED && !(object->flags & CH_OBJECT_ALLOCATOR);
	if (b->node) {
		word = CH_VEC_AT(&b->nodes, uint64_t, id / 64);
		*word |= 1ULL << (id % 64);
		index->nodes_count++;
		b->span->untyped |= !object->key;
		index->low = ch_min(index->low, object->addr);
		index->high = ch_max(index->high, object->addr + ch_max(object->size_bytes, 1));
		if (!b->span->traced) {
			index->plain_low = ch_min(index->plain_low, object->addr);
			index->plain_high = ch_max(index->plain_high,
						   object->addr + ch_max(object->size_bytes, 1));
		}
	}
	b->span->count++;
	index->objects_count++;
	return NULL;
}

/* Overhead may be said to begin where the user of the block before it may still
 * write (glibc's fenceposts): it is put behind. */
static struct ch_object behind_last(const struct builder *b, const struct ch_object *object)
{
	struct ch_object moved = *object;
	uint64_t end = b->addr + b->size_bytes;

	if (b->span->count && b->node && object->state != CH_OBJECT_USED && object->addr < end)
		moved.addr =
			ch_align_up(end - b->span->start, 1ULL << b->span->shift) + b->span->start;
	return moved;
}

static struct ch_error *note_foreign(struct ch_index *index, const struct ch_object *object)
{
	struct ch_foreign *slot = ch_vec_push(&index->foreign);

	if (!slot)
		return &ch_enomem;
	*slot = (struct ch_foreign){ object->addr, object->addr + object->size_bytes };
	return NULL;
}

static struct ch_error *take(void *arg, const struct ch_object *objects, size_t n)
{
	struct builder *b = arg;
	struct ch_error *err = NULL;
	struct ch_object object;
	size_t i;

	if (n && (!b->span || objects[0].span != b->engine_span))
		err = begin_span(b, &objects[0]);
	for (i = 0; !err && i < n; i++) {
		if (objects[i].state == CH_OBJECT_OVERHEAD &&
		    objects[i].flags & CH_OBJECT_CONTAINER) {
			/* What is left of a block around nested spans begins at any address. */
			b->index->gaps = true;
			continue;
		}
		if (objects[i].flags & CH_OBJECT_FOREIGN)
			err = note_foreign(b->index, &objects[i]);
		if (err)
			break;
		object = behind_last(b, &objects[i]);
		if (b->span->traced) {
			/* Their sizes follow from where the next ones begin. */
			object.size_bytes = ch_align_up(object.size_bytes, 8);
			if (object.state == CH_OBJECT_USED)
				err = learn(b, &object);
			if (err)
				break;
		}
		if (!has_place(b, &object)) {
			b->misplaced_count += object.state == CH_OBJECT_USED;
			b->index->gaps = true;
			continue;
		}
		err = place(b, &object);
		if (!err)
			err = number(b, &object);
	}
	return err;
}

static void add_piece(struct ch_index *index, uint64_t key, uint32_t span)
{
	uint32_t slot = (uint32_t)(key * 0x9e3779b1U) & index->pieces_mask;

	for (; index->pieces[slot].key; slot = (slot + 1) & index->pieces_mask)
		if (index->pieces[slot].key == key)
			return;
	index->pieces[slot] = (struct ch_index_piece){ key, span };
}

static struct ch_error *make_pieces(struct ch_index *index)
{
	const struct ch_index_span *spans = index->spans.items;
	uint64_t pieces = 0, key, last;
	uint32_t size = 16, i;

	for (i = 0; i < index->spans.count; i++)
		pieces += ((spans[i].end - 1) >> CH_PIECE_SHIFT) -
			  (spans[i].start >> CH_PIECE_SHIFT) + 1;
	if (pieces > PIECES_MAX)
		return too_sparse();
	while (size < 2 * pieces)
		size *= 2;
	index->pieces = calloc(size, sizeof(*index->pieces));
	if (!index->pieces)
		return &ch_enomem;
	index->pieces_mask = size - 1;
	for (i = 0; i < index->spans.count; i++) {
		last = ((spans[i].end - 1) >> CH_PIECE_SHIFT) + 1;
		for (key = (spans[i].start >> CH_PIECE_SHIFT) + 1; key <= last; key++)
			add_piece(index, key, i);
	}
	return NULL;
}

/* The tracers, which are told what counts as a pointer before they learn types. */
static void find_tracers(struct ch_index *index, const struct ch_session *session)
{
	const struct ch_traced *traced = index->traced;
	uint32_t i;

	index->traced_count =
		(uint32_t)chp_heaps_tracers(index->heaps, index->traced, CH_TRACERS_MAX);
	for (i = 0; i < index->traced_count; i++) {
		if (traced[i].tracer->follow)
			traced[i].tracer->follow(traced[i].state, ch_session_strengths(session));
		if (traced[i].tracer->header_bytes && !index->header_bytes) {
			index->header_bytes = traced[i].tracer->header_bytes(traced[i].state);
			index->headed_by = &traced[i];
		}
	}
}

/* Fill it from the heaps. */
static struct ch_error *build(struct ch_index *index)
{
	const struct ch_core_stats *stats = ch_core_stats(index->core);
	struct builder b = { .index = index,
			     .hints = CH_VEC(uint32_t),
			     .nodes = CH_VEC(uint64_t),
			     .lines_bytes_max =
				     LINES_BYTES_MIN + stats->present_bytes / LINES_PART_OF_ALL };
	struct ch_error *err;

	index->low = index->plain_low = UINT64_MAX;
	index->high = index->plain_high = 0;
	err = ch_heaps_walk(index->heaps, 0, UINT64_MAX, take, &b);
	if (!err)
		err = end_span(&b);
	index->hints = b.hints.items;
	index->nodes = b.nodes.items;
	free(b.learned);
	if (index->low > index->high)
		index->low = index->high = 0;
	if (index->plain_low > index->plain_high)
		index->plain_low = index->plain_high = 0;
	if (!err)
		err = make_pieces(index);
	if (b.misplaced_count)
		chp_context_finding(index->ctx, CH_SEVERITY_DAMAGED, "blocks-misaligned",
				    "%llu blocks at addresses no block of their heap can have; "
				    "they are in no graph",
				    (unsigned long long)b.misplaced_count);
	return err;
}

static void destroy(void *state)
{
	struct ch_index *index = state;
	size_t i;

	for (i = 0; i < index->spans.count; i++)
		free(CH_VEC_AT(&index->spans, struct ch_index_span, i)->base);
	ch_vec_deinit(&index->spans);
	ch_vec_deinit(&index->foreign);
	ch_vec_deinit(&index->odd_sizes);
	free(index->pieces);
	free(index->hints);
	free(index->nodes);
	free(index);
}

struct ch_error *chp_session_index(struct ch_session *session, const struct ch_index **ret)
{
	struct ch_index *index = chp_session_kept(session, CH_SESSION_INDEX);
	struct ch_error *err;

	if (!index) {
		index = calloc(1, sizeof(*index));
		if (!index)
			return &ch_enomem;
		index->core = ch_session_core(session);
		index->ctx = ch_session_context(session);
		index->spans = CH_VEC(struct ch_index_span);
		index->odd_sizes = CH_VEC(struct ch_odd_size);
		index->foreign = CH_VEC(struct ch_foreign);
		err = ch_session_heaps(session, &index->heaps);
		if (!err) {
			find_tracers(index, session);
			err = build(index);
		}
		if (err) {
			destroy(index);
			return err;
		}
		chp_session_keep(session, CH_SESSION_INDEX, index, destroy);
	}
	*ret = index;
	return NULL;
}

/* The last line among [low, high) whose first id is at or below id; low if none. */
static uint32_t line_of(const struct ch_index_span *span, uint32_t low, uint32_t high, uint32_t id)
{
	uint32_t mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (span->lines[mid].first_id <= id)
			low = mid;
		else
			high = mid;
	}
	return low;
}

bool chp_index_has_header(const struct ch_index *index, const struct ch_index_span *span,
			  uint32_t id, uint64_t start)
{
	const struct ch_traced *traced = index->headed_by;

	return !span->traced && traced->tracer->has_header(traced->state, start,
							   chp_index_size(index, span, id, start));
}

uint64_t chp_index_next(const struct ch_index_span *span, uint32_t id, uint64_t start)
{
	uint64_t granule = (start - span->start) >> span->shift, bits;
	uint32_t number = (uint32_t)(granule / CH_LINE_BITS), step = 1;
	uint32_t word = (uint32_t)(granule % CH_LINE_BITS) / 64;
	const struct ch_index_line *line;

	if (!span->lines || id + 1 >= span->first_id + span->count)
		return span->end;
	line = &span->lines[number];
	bits = granule % 64 == 63 ? 0 : line->bits[word] & (~0ULL << (granule % 64 + 1));
	while (!bits && ++word < CH_LINE_WORDS)
		bits = line->bits[word];
	if (!bits) {
		/* Lines without objects have the first id of those behind them. */
		while (step < span->lines_count - number &&
		       span->lines[number + step].first_id <= id + 1)
			step *= 2;
		number = line_of(span, number,
				 (uint32_t)ch_min((uint64_t)number + step, span->lines_count),
				 id + 1);
		for (word = 0; word < CH_LINE_WORDS - 1 && !span->lines[number].bits[word];)
			word++;
		bits = span->lines[number].bits[word];
	}
	granule = (uint64_t)number * CH_LINE_BITS + word * 64 + (uint32_t)__builtin_ctzll(bits);
	return span->start + (granule << span->shift);
}

static bool find_odd(const struct ch_index *index, uint32_t id, uint64_t *ret)
{
	const struct ch_odd_size *odds = index->odd_sizes.items;
	size_t low = ch_search(odds, index->odd_sizes.count, it, it->id < id);

	if (low == index->odd_sizes.count || odds[low].id != id)
		return false;
	*ret = odds[low].size_bytes;
	return true;
}

uint64_t chp_index_size_to(const struct ch_index *index, const struct ch_index_span *span,
			   uint32_t id, uint64_t start, uint64_t next)
{
	uint64_t bytes;

	return find_odd(index, id, &bytes) ? bytes : next - start - span->slack_bytes;
}

uint64_t chp_index_size(const struct ch_index *index, const struct ch_index_span *span, uint32_t id,
			uint64_t start)
{
	return chp_index_size_to(index, span, id, start, chp_index_next(span, id, start));
}

const struct ch_index_span *chp_index_span_of(const struct ch_index *index, uint32_t id)
{
	const struct ch_index_span *spans = index->spans.items;
	size_t low = 0, high = index->spans.count, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (spans[mid].first_id <= id)
			low = mid;
		else
			high = mid;
	}
	return &spans[low];
}

uint64_t chp_index_addr(const struct ch_index *index, uint32_t id)
{
	return chp_index_addr_in(index, chp_index_span_of(index, id), id);
}

CH_RANKING uint64_t chp_index_addr_in(const struct ch_index *index,
				      const struct ch_index_span *span, uint32_t id)
{
	uint32_t group = id >> HINT_SHIFT, low = 0, high = span->lines_count, number, nth, word;
	uint64_t bits, granule;

	if (!span->lines)
		return span->start;
	if (group << HINT_SHIFT >= span->first_id)
		low = index->hints[group];
	if (((uint64_t)group + 1) << HINT_SHIFT < span->first_id + (uint64_t)span->count)
		high = index->hints[group + 1] + 1;
	number = line_of(span, low, high, id);
	nth = id - span->lines[number].first_id;
	for (word = 0; word < CH_LINE_WORDS - 1; word++) {
		bits = span->lines[number].bits[word];
		if (nth < (uint32_t)__builtin_popcountll(bits))
			break;
		nth -= (uint32_t)__builtin_popcountll(bits);
	}
	for (bits = span->lines[number].bits[word]; nth; nth--)
		bits &= bits - 1;
	granule = (uint64_t)number * CH_LINE_BITS + word * 64 +
		  (bits ? (uint32_t)__builtin_ctzll(bits) : 0);
	return span->start + (granule << span->shift);
}

CH_RANKING uint32_t chp_index_at(const struct ch_index *index, uint64_t addr)
{
	const struct ch_index_span *span = chp_index_span(index, addr);
	struct ch_index_hit hit;

	if (!span)
		return CH_ID_NONE;
	hit = chp_index_hit(span, addr);
	return hit.start == addr ? hit.id : CH_ID_NONE;
}
