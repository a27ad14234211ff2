/*
 * The walk over spans: the walker of each emits batches of objects, which are checked for order,
 * bounds and overlap, summed up, and handed on. Checkpoints let a look-up begin in the middle of
 * a span.
 */
#include "heap/heap_priv.h"

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

/* Distance of checkpoints: a look-up walks at most twice as many objects. */
#define CHECKPOINT_OBJECTS 512
/* No allocator known hands out less; a walker that emits more objects than
 * this allows is running in circles. */
#define OBJECT_BYTES_MIN 8

uint64_t chp_heaps_touched_bytes(const struct ch_heaps *heaps, const struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes;

	if (!(object->flags & CH_OBJECT_UNTOUCHED))
		return object->chunk_bytes;
	return ch_core_touched_bytes(heaps->env.core, start, start + object->chunk_bytes);
}

/* Bytes of [start, end) that are not on touched pages, counted as those of a state. */
static uint64_t note_untouched(struct ch_walk *walk, enum ch_object_state state, uint64_t start,
			       uint64_t end)
{
	const struct ch_core *core = walk->heaps->env.core;
	uint64_t bytes = end - start - ch_core_touched_bytes(core, start, end);

	walk->quiet = ch_core_next_untouched(core, end, walk->limit);
	if (state == CH_OBJECT_USED)
		walk->sums.untouched_used_bytes += bytes;
	else if (state == CH_OBJECT_FREE)
		walk->sums.untouched_free_bytes += bytes;
	else
		walk->sums.untouched_overhead_bytes += bytes;
	return bytes;
}

static void note_quiet_object(struct ch_walk *walk, struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes, bytes;

	bytes = note_untouched(walk, object->state, start, start + object->chunk_bytes);
	if (bytes)
		object->flags |= CH_OBJECT_UNTOUCHED;
	if (object->flags & CH_OBJECT_ALLOCATOR && object->state == CH_OBJECT_USED)
		walk->allocator_untouched += bytes;
}

static void add_gap(struct ch_gaps *gaps, uint64_t start, uint64_t end)
{
	uint64_t bytes = end - start;

	if (start >= end)
		return;
	if (!gaps->count) {
		gaps->first = start;
		gaps->smallest = bytes;
	}
	gaps->count++;
	gaps->bytes += bytes;
	gaps->smallest = ch_min(gaps->smallest, bytes);
	gaps->largest = ch_max(gaps->largest, bytes);
}

/* What no object covers is in the core, or is not: each part for itself. */
static void note_gap(struct ch_walk *walk, uint64_t start, uint64_t end)
{
	const struct ch_core *core = walk->heaps->env.core;
	uint64_t at = start, next;
	size_t len = 0;

	while (at < end) {
		next = ch_core_next_present(core, at, end);
		add_gap(&walk->gaps.absent, at, next);
		at = next;
		if (at >= end || !ch_core_span(core, at, &len) || !len)
			break;
		next = at + ch_min(len, end - at);
		add_gap(&walk->gaps.present, at, next);
		at = next;
	}
}

/* An object that breaks a rule: find out which, and count it. */
static void reject(struct ch_walk *walk, uint64_t at, const struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes, end;

	if (object->addr < object->header_bytes || !object->chunk_bytes ||
	    !ch_add(start, object->chunk_bytes, &end) || object->size_bytes > object->chunk_bytes ||
	    object->state > CH_OBJECT_OVERHEAD)
		walk->dropped_shape++;
	else if (start < at)
		walk->dropped_order += !walk->resuming;
	else if (!(walk->cut || walk->holed) || start >= walk->origin_end)
		walk->dropped_bounds++;
	else
		walk->passed |= start >= walk->limit;
}

/* Check a batch in place: what is valid moves to the front. Returns how many are. */
static size_t take_batch(struct ch_walk *walk, struct ch_object *objects, size_t n)
{
	uint64_t bytes[CH_OBJECT_OVERHEAD + 1] = { 0 }, count[CH_OBJECT_OVERHEAD + 1] = { 0 };
	uint64_t at = walk->at, limit = walk->limit, start, end;
	struct ch_object *object;
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		object = &objects[i];
		start = object->addr - object->header_bytes;
		end = start + object->chunk_bytes;
		if (__builtin_expect(start < at || end > limit || end <= start ||
					     object->addr < start ||
					     object->size_bytes > object->chunk_bytes ||
					     object->state > CH_OBJECT_OVERHEAD,
				     0)) {
			reject(walk, at, object);
			continue;
		}
		if (__builtin_expect(start > at, 0))
			note_gap(walk, at, start);
		if (__builtin_expect(end > walk->quiet, 0))
			note_quiet_object(walk, object);
		walk->resuming = false;
		at = end;
		bytes[object->state] += object->chunk_bytes;
		count[object->state]++;
		if (__builtin_expect(object->flags & CH_OBJECT_ALLOCATOR, 0) &&
		    object->state == CH_OBJECT_USED) {
			walk->allocator_bytes += object->chunk_bytes;
			walk->allocator_count++;
		}
		if (object->state == CH_OBJECT_FREE && walk->free.sums)
			chp_free_add(&walk->free, object);
		object->span = walk->span;
		if (kept != i)
			objects[kept] = *object;
		kept++;
	}
	walk->at = at;
	walk->sums.used_bytes += bytes[CH_OBJECT_USED];
	walk->sums.used_count += count[CH_OBJECT_USED];
	walk->sums.free_bytes += bytes[CH_OBJECT_FREE];
	walk->sums.free_count += count[CH_OBJECT_FREE];
	walk->sums.overhead_bytes += bytes[CH_OBJECT_OVERHEAD];
	return kept;
}

static uint64_t chunk_start(const struct ch_object *object)
{
	return object->addr - object->header_bytes;
}

/* The part of a valid batch whose chunks meet the walk's range. */
static struct ch_object *trim(struct ch_walk *walk, struct ch_object *objects, size_t *n)
{
	size_t first = 0, end = *n;

	while (first < end &&
	       chunk_start(&objects[first]) + objects[first].chunk_bytes <= walk->start)
		first++;
	while (end > first && chunk_start(&objects[end - 1]) >= walk->end) {
		walk->passed = true;
		end--;
	}
	*n = end - first;
	return objects + first;
}

static struct ch_origin *origin_of(const struct ch_heaps *heaps, uint32_t span)
{
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, span);

	return CH_VEC_AT(&heaps->origins, struct ch_origin, info->origin);
}

static struct ch_error *add_checkpoint(struct ch_walk *walk, const struct ch_object *first)
{
	struct ch_vec *starts = &origin_of(walk->heaps, walk->span)->checkpoints;
	const uint64_t start = chunk_start(first);
	uint64_t *slot;

	if (walk->unmarked < CHECKPOINT_OBJECTS ||
	    (starts->count && *CH_VEC_AT(starts, uint64_t, starts->count - 1) >= start))
		return NULL;
	walk->unmarked = 0;
	slot = ch_vec_push(starts);
	if (!slot)
		return &ch_enomem;
	*slot = start;
	return NULL;
}

/* Objects of the piece under way. */
static struct ch_error *give(struct ch_walk *walk, struct ch_object *objects, size_t n)
{
	struct ch_error *err = NULL;

	/* Those that are dropped count, too: whoever resumes here goes over them. */
	walk->unmarked += n;
	n = take_batch(walk, objects, n);
	/* Nobody can begin at a part of a block. */
	if (n && walk->index && !(objects[0].flags & CH_OBJECT_CONTAINER))
		err = add_checkpoint(walk, &objects[0]);
	if (n && !err && walk->fn) {
		objects = trim(walk, objects, &n);
		if (!chp_type_objects(&walk->heaps->table, walk->walker, objects, n))
			return &ch_enomem;
		if (n && walk->heaps->namer.objects)
			walk->heaps->namer.objects(walk->heaps->namer.arg, objects, n);
		if (n)
			err = walk->fn(walk->arg, objects, n);
	}
	return err;
}

/* Where an object of a batch belongs: the piece under way, to a part, or a later one. */
enum belonging { BELONGS_HERE, BELONGS_PARTLY, BELONGS_BEHIND };

static enum belonging belongs(const struct ch_walk *walk, const struct ch_object *object)
{
	uint64_t start = chunk_start(object), end;

	if (start >= walk->limit && start < walk->origin_end && walk->next != CH_SPAN_NONE)
		return BELONGS_BEHIND;
	if (!walk->holed || !ch_add(start, object->chunk_bytes, &end) || end > walk->origin_end)
		return BELONGS_HERE;
	if ((start < walk->piece_start && end > walk->piece_start) ||
	    (start < walk->limit && end > walk->limit))
		return BELONGS_PARTLY;
	return BELONGS_HERE;
}

/* The block holds nested spans: what of it lies in this piece is nobody's to use. */
static struct ch_error *give_part(struct ch_walk *walk, const struct ch_object *block)
{
	uint64_t start = ch_max(chunk_start(block), walk->piece_start);
	uint64_t end = ch_min(chunk_start(block) + block->chunk_bytes, walk->limit);
	struct ch_object part = { .addr = start,
				  .size_bytes = end - start,
				  .chunk_bytes = end - start,
				  .state = CH_OBJECT_OVERHEAD,
				  .flags = CH_OBJECT_CONTAINER };

	return start < end ? give(walk, &part, 1) : NULL;
}

static struct ch_error *next_piece(struct ch_walk *walk);

/* A block that holds nested spans, in this piece and those behind it. */
static struct ch_error *give_container(struct ch_walk *walk, const struct ch_object *block)
{
	uint64_t end = chunk_start(block) + block->chunk_bytes;
	const struct ch_span *spans = walk->heaps->spans.items;
	struct ch_error *err = walk->index ? add_checkpoint(walk, block) : NULL;

	if (!err)
		err = give_part(walk, block);
	while (!err && walk->next != CH_SPAN_NONE && spans[walk->next].start < end) {
		err = next_piece(walk);
		if (!err)
			err = give_part(walk, block);
	}
	return err;
}

/* Cut the last object of a nested span where its block ends; how many objects are left, as one may
 * lie behind that end altogether. */
static size_t cut_overhang(const struct ch_walk *walk, struct ch_object *objects, size_t n)
{
	uint64_t start, end, over;
	size_t i;

	for (i = 0; i < n; i++) {
		start = chunk_start(&objects[i]);
		if (start < walk->origin_end && walk->origin_end - start <= walk->overhang_bytes)
			break;
		if (!ch_add(start, objects[i].chunk_bytes, &end) || start >= walk->limit ||
		    end <= walk->limit || end - walk->limit > walk->overhang_bytes)
			continue;
		over = end - walk->limit;
		objects[i].chunk_bytes -= over;
		objects[i].size_bytes = ch_min(objects[i].size_bytes, objects[i].chunk_bytes);
	}
	return i;
}

/* Hand a batch out to the piece under way and those behind it. */
static struct ch_error *share_out(struct ch_walk *walk, struct ch_object *objects, size_t n)
{
	enum belonging place = BELONGS_HERE;
	struct ch_error *err = NULL;
	size_t here;

	if (walk->next == CH_SPAN_NONE && !walk->holed)
		return give(walk, objects, n);
	while (!err && n) {
		for (here = 0; here < n; here++) {
			place = belongs(walk, &objects[here]);
			if (place != BELONGS_HERE)
				break;
		}
		err = here ? give(walk, objects, here) : NULL;
		objects += here;
		n -= here;
		if (err || !n)
			break;
		if (place == BELONGS_PARTLY) {
			err = give_container(walk, objects);
			objects++;
			n--;
		} else {
			err = next_piece(walk);
		}
	}
	return err;
}

/* What emit() does once the budget is known to hold. */
static struct ch_error *emit_batch(struct ch_walk *walk, struct ch_object *objects, size_t n)
{
	struct ch_context *ctx = walk->heaps->env.ctx;
	struct ch_error *err;

	if (walk->overhang_bytes)
		n = cut_overhang(walk, objects, n);
	err = share_out(walk, objects, n);
	if (err)
		return err;
	chp_context_progress(ctx, "walking heaps", walk->done_bytes, walk->heaps->committed_bytes);
	err = chp_context_check(ctx);
	return err || !walk->passed ? err : &ch_stop;
}

static struct ch_error *emit(struct ch_object_sink *sink, struct ch_object *objects, size_t n)
{
	struct ch_walk *walk = (struct ch_walk *)sink;
	uint64_t cost = n ? n : 1;

	if (walk->stopped)
		return walk->stopped;
	if (cost > walk->budget) {
		walk->exhausted = true;
		walk->stopped = &ch_stop;
		return walk->stopped;
	}
	walk->budget -= cost;
	walk->stopped = emit_batch(walk, objects, n);
	return walk->stopped;
}

static void join_gaps(struct ch_gaps *sum, const struct ch_gaps *one)
{
	if (!one->count)
		return;
	sum->first = sum->count ? ch_min(sum->first, one->first) : one->first;
	sum->smallest = sum->count ? ch_min(sum->smallest, one->smallest) : one->smallest;
	sum->largest = ch_max(sum->largest, one->largest);
	sum->count += one->count;
	sum->bytes += one->bytes;
}

/* Keep the sums of a span. */
static void keep_sums(struct ch_walk *walk)
{
	struct ch_heaps *heaps = walk->heaps;
	struct ch_span *span = CH_VEC_AT(&heaps->spans, struct ch_span, walk->span);
	struct ch_heap *heap = CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap);
	struct ch_uncovered *heap_gaps = CH_VEC_AT(&heaps->gaps, struct ch_uncovered, span->heap);

	chp_free_end(&walk->free);
	if (walk->limit > walk->at)
		note_gap(walk, walk->at, walk->limit);
	walk->sums.absent_bytes = walk->gaps.absent.bytes;
	walk->sums.unwalked_bytes = walk->gaps.absent.bytes + walk->gaps.present.bytes;
	walk->sums.overhead_bytes += walk->sums.unwalked_bytes;
	*CH_VEC_AT(&heaps->sums, struct ch_span_sums, walk->span) = walk->sums;
	join_gaps(&heap_gaps->absent, &walk->gaps.absent);
	join_gaps(&heap_gaps->present, &walk->gaps.present);
	heap->allocator_bytes += walk->allocator_bytes;
	heap->allocator_count += walk->allocator_count;
	heap->untouched_allocator_bytes += walk->allocator_untouched;
}

/* Tell what was wrong with the pieces of an origin, [start, end). */
static void tell_dropped(const struct ch_walk *walk, uint64_t start, uint64_t end)
{
	const struct ch_heaps *heaps = walk->heaps;
	const struct ch_span *span = CH_VEC_AT(&heaps->spans, struct ch_span, walk->span);
	const char *name = CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap)->name;
	uint64_t dropped = walk->dropped_order + walk->dropped_bounds + walk->dropped_shape;

	if (dropped)
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_DAMAGED, "blocks-dropped",
				    "%s, 0x%llx-0x%llx: %llu blocks left out (%llu out of order or "
				    "overlapping, %llu outside, %llu impossible)",
				    name, (unsigned long long)start, (unsigned long long)end,
				    (unsigned long long)dropped,
				    (unsigned long long)walk->dropped_order,
				    (unsigned long long)walk->dropped_bounds,
				    (unsigned long long)walk->dropped_shape);
	if (walk->exhausted)
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_DAMAGED, "blocks-endless",
				    "%s, 0x%llx-0x%llx: more blocks than it can hold; stopped",
				    name, (unsigned long long)start, (unsigned long long)end);
}

static enum ch_severity severity_of(const struct ch_walk *walk, const struct ch_error *err)
{
	return err->code == CH_ERROR_CORRUPT ? chp_blame(&walk->heaps->env)
					     : CH_SEVERITY_INCOMPLETE;
}

/* What objects() returned, told apart from what emit() returned through it. */
static struct ch_error *walk_result(struct ch_walk *walk, struct ch_error *err)
{
	const struct ch_span *span = CH_VEC_AT(&walk->heaps->spans, struct ch_span, walk->span);
	const struct ch_heap *heap = CH_VEC_AT(&walk->heaps->heaps, struct ch_heap, span->heap);
	struct ch_error *stopped = walk->stopped;

	if (stopped) {
		if (err != stopped)
			ch_error_destroy(err);
		return (walk->passed || walk->exhausted) && stopped == &ch_stop
			       ? chp_context_check(walk->heaps->env.ctx)
			       : stopped;
	}
	if (!err || err->code == CH_ERROR_NOMEM || err->code == CH_ERROR_STOP)
		return err;
	chp_context_finding(walk->heaps->env.ctx, severity_of(walk, err), "heap-walk-failed",
			    "%s, 0x%llx-0x%llx: %s", heap->name, (unsigned long long)span->start,
			    (unsigned long long)span->end, err->message);
	ch_error_destroy(err);
	return NULL;
}

/* Prepare the state of one piece. */
static void begin_span(struct ch_walk *walk, uint32_t index, uint64_t from)
{
	struct ch_heaps *heaps = walk->heaps;
	const struct ch_span *span = CH_VEC_AT(&heaps->spans, struct ch_span, index);
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, index);

	walk->span = index;
	walk->walker = CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened)->index;
	walk->next = walk->pieces ? info->next : CH_SPAN_NONE;
	walk->at = ch_max(from, span->start);
	walk->limit = span->committed_end;
	walk->resuming = walk->at > origin_of(heaps, index)->span->start;
	walk->cut = info->cut;
	walk->holed = info->holed;
	walk->piece_start = span->start;
	walk->sums = (struct ch_span_sums){ 0 };
	walk->gaps = (struct ch_uncovered){ 0 };
	walk->allocator_bytes = walk->allocator_count = walk->allocator_untouched = 0;
	walk->quiet = UINT64_MAX;
	if (walk->touching)
		walk->quiet = ch_core_next_untouched(heaps->env.core, walk->at, walk->limit);
	if (walk->measure)
		chp_free_begin(heaps, index, &walk->free);
}

static void end_span(struct ch_walk *walk)
{
	const struct ch_span *span = CH_VEC_AT(&walk->heaps->spans, struct ch_span, walk->span);

	if (walk->measure)
		keep_sums(walk);
	walk->done_bytes += span->committed_end - span->start;
}

/* Prepare the state of one origin, of which a piece was begun. */
static void begin_origin(struct ch_walk *walk, struct ch_origin *origin)
{
	walk->sink.emit = emit;
	walk->origin_end = origin->span->end;
	walk->overhang_bytes = origin->overhang_bytes;
	walk->budget = (origin->span->end - origin->span->start) / OBJECT_BYTES_MIN + 64;
	walk->passed = walk->exhausted = false;
	walk->stopped = NULL;
	walk->dropped_order = walk->dropped_bounds = walk->dropped_shape = 0;
	walk->unmarked = 0;
	if (walk->index)
		origin->checkpoints.count = 0;
}

/* Walk the origin of a piece from a chunk's start, or its own, and hand out what belongs to that
 * piece; with walk->pieces, to all pieces from that one on. */
static struct ch_error *walk_origin(struct ch_walk *walk, uint32_t index, uint64_t from)
{
	struct ch_heaps *heaps = walk->heaps;
	struct ch_origin *origin = origin_of(heaps, index);
	const struct ch_opened *opened =
		CH_VEC_AT(&heaps->opened, struct ch_opened, origin->opened);
	uint64_t start = CH_VEC_AT(&heaps->spans, struct ch_span, index)->start;
	struct ch_error *err;

	begin_span(walk, index, from);
	begin_origin(walk, origin);
	err = opened->allocator->objects(opened->state, origin->span, from, &walk->sink);
	err = walk_result(walk, err);
	if (err)
		return err;
	origin->indexed |= walk->index;
	end_span(walk);
	if (walk->measure)
		tell_dropped(walk, start,
			     CH_VEC_AT(&heaps->spans, struct ch_span, walk->span)->end);
	return NULL;
}

/* A piece that the walk of its origin did not get to. */
static void pass_over(struct ch_walk *walk, uint32_t index)
{
	begin_span(walk, index, 0);
	end_span(walk);
}

/* The spans [first, end) of the table, origin by origin. */
static struct ch_error *walk_spans(struct ch_walk *walk, uint32_t first, uint32_t end)
{
	const struct ch_origin *origin;
	struct ch_error *err;
	uint32_t i;

	for (i = first; i < end; i = walk->span + 1) {
		origin = origin_of(walk->heaps, i);
		if (origin->first == i) {
			err = walk_origin(walk, i, origin->span->start);
			if (err)
				return err;
		} else {
			pass_over(walk, i);
		}
	}
	return NULL;
}

/*
 * The origin's walker has come to the end of a piece. What lies before the next one is better
 * known by others, who are asked here, so that all objects come in ascending order and nobody
 * is asked twice. Their origins lie between the two pieces: there are never more walks inside
 * of each other than walkers.
 */
static struct ch_error *next_piece(struct ch_walk *walk)
{
	uint32_t next = walk->next, first = walk->span + 1;
	struct ch_walk inner = { .heaps = walk->heaps,
				 .fn = walk->fn,
				 .arg = walk->arg,
				 .start = walk->start,
				 .end = walk->end,
				 .measure = walk->measure,
				 .index = walk->index,
				 .pieces = true,
				 .between = true,
				 .touching = walk->touching };
	struct ch_error *err;

	end_span(walk);
	if (walk->between) {
		inner.done_bytes = walk->done_bytes;
		err = walk_spans(&inner, first, next);
		if (err)
			return err;
		walk->done_bytes = inner.done_bytes;
	}
	begin_span(walk, next, 0);
	return NULL;
}

/* Tell what of an origin stayed unwalked, of all pieces that others did not cut out of it. */
static void tell_uncovered(const struct ch_heaps *heaps, const struct ch_origin *origin)
{
	const struct ch_span_info *infos = heaps->infos.items;
	const struct ch_span *spans = heaps->spans.items;
	const struct ch_span_sums *sums = heaps->sums.items;
	const char *name =
		CH_VEC_AT(&heaps->heaps, struct ch_heap, spans[origin->first].heap)->name;
	uint64_t start = spans[origin->first].start, end = start;
	uint64_t bytes = 0, absent = 0, unwalked = 0;
	uint32_t i;

	for (i = origin->first; i != CH_SPAN_NONE; i = infos[i].next) {
		if (infos[i].cut)
			return;
		end = spans[i].committed_end;
		bytes += end - spans[i].start;
		absent += sums[i].absent_bytes;
		unwalked += sums[i].unwalked_bytes;
	}
	if (absent)
		chp_context_finding(
			heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "heap-absent",
			"%s, 0x%llx-0x%llx: %llu of %llu bytes are not in the core: the "
			"blocks there are not counted",
			name, (unsigned long long)start, (unsigned long long)end,
			(unsigned long long)absent, (unsigned long long)bytes);
	if (unwalked > absent)
		chp_context_finding(
			heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "heap-unwalked",
			"%s, 0x%llx-0x%llx: %llu of %llu bytes are covered by no block: "
			"not walked",
			name, (unsigned long long)start, (unsigned long long)end,
			(unsigned long long)(unwalked - absent), (unsigned long long)bytes);
}

/* Add up the sums of the spans, and tell what stayed unwalked. */
static void sum_heaps(struct ch_heaps *heaps)
{
	const struct ch_span_sums *sums = heaps->sums.items;
	const struct ch_origin *origin;
	const struct ch_span *spans = heaps->spans.items;
	struct ch_heap *list = heaps->heaps.items, *heap;
	uint32_t i;

	for (i = 0; i < heaps->spans.count; i++) {
		heap = &list[spans[i].heap];
		heap->used_bytes += sums[i].used_bytes;
		heap->used_count += sums[i].used_count;
		heap->free_bytes += sums[i].free_bytes;
		heap->free_count += sums[i].free_count;
		heap->overhead_bytes += sums[i].overhead_bytes;
		heap->unwalked_bytes += sums[i].unwalked_bytes;
		heap->untouched_used_bytes += sums[i].untouched_used_bytes;
		heap->untouched_free_bytes += sums[i].untouched_free_bytes;
		heap->absent_bytes += sums[i].absent_bytes;
		origin = origin_of(heaps, i);
		if (origin->first == i)
			tell_uncovered(heaps, origin);
	}
}

struct ch_error *chp_walk_all(struct ch_heaps *heaps, ch_objects_fn fn, void *arg)
{
	struct ch_heap *list = heaps->heaps.items;
	bool first = !heaps->measured && !heaps->opening;
	struct ch_walk walk = { .heaps = heaps,
				.fn = fn,
				.arg = arg,
				.end = UINT64_MAX,
				.measure = first,
				.touching = ch_core_knows_touched(heaps->env.core),
				.index = first,
				.pieces = true,
				.between = true };
	struct ch_error *err;
	uint32_t i;

	/* A walk that was cut short may have left some. */
	for (i = 0; first && i < heaps->heaps.count; i++) {
		list[i].allocator_bytes = list[i].allocator_count = 0;
		list[i].untouched_allocator_bytes = 0;
		*CH_VEC_AT(&heaps->frees, struct ch_heap_free, i) = (struct ch_heap_free){ 0 };
		*CH_VEC_AT(&heaps->gaps, struct ch_uncovered, i) = (struct ch_uncovered){ 0 };
	}
	err = walk_spans(&walk, 0, (uint32_t)heaps->spans.count);
	if (err)
		return err;
	if (first)
		sum_heaps(heaps);
	heaps->measured |= first;
	return first ? chp_free_check(heaps) : NULL;
}

uint32_t chp_span_after(const struct ch_heaps *heaps, uint64_t addr)
{
	const struct ch_span *spans = heaps->spans.items;

	return (uint32_t)ch_search(spans, heaps->spans.count, it, it->end <= addr);
}

/* Walk the whole origin of a span for its checkpoints, unless that was done. */
static struct ch_error *index_origin(struct ch_heaps *heaps, uint32_t index)
{
	struct ch_walk walk = { .heaps = heaps, .end = UINT64_MAX, .index = true, .pieces = true };
	struct ch_origin *origin = origin_of(heaps, index);

	return origin->indexed ? NULL : walk_origin(&walk, origin->first, origin->span->start);
}

/* The last checkpoint of a span at or below addr, else where its walk begins. */
static uint64_t resume_point(const struct ch_heaps *heaps, uint32_t index, uint64_t addr)
{
	const struct ch_origin *origin = origin_of(heaps, index);
	const uint64_t *starts = origin->checkpoints.items;
	size_t low =
		ch_search(starts, origin->indexed ? origin->checkpoints.count : 0, it, *it <= addr);

	return low ? starts[low - 1] : origin->span->start;
}

/* What a walk wants of one span. */
static struct ch_error *walk_span(struct ch_walk *walk, uint32_t index)
{
	struct ch_heaps *heaps = walk->heaps;
	const struct ch_span *span = CH_VEC_AT(&heaps->spans, struct ch_span, index);
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, index);
	struct ch_error *err;

	/* A walk of all of the origin for each piece would be too many. */
	err = info->cut || info->holed ? index_origin(heaps, index) : NULL;
	return err ? err
		   : walk_origin(walk, index,
				 resume_point(heaps, index, ch_max(walk->start, span->start)));
}

struct ch_error *ch_heaps_walk(struct ch_heaps *heaps, uint64_t start, uint64_t end,
			       ch_objects_fn fn, void *arg)
{
	const struct ch_span *spans = heaps->spans.items;
	struct ch_walk walk = { .heaps = heaps, .fn = fn, .arg = arg, .start = start, .end = end };
	struct ch_error *err = NULL;
	uint32_t i;

	if (!heaps->spans.count ||
	    (start <= spans[0].start && end >= spans[heaps->spans.count - 1].end))
		return chp_walk_all(heaps, fn, arg);
	for (i = chp_span_after(heaps, start);
	     !err && i < heaps->spans.count && spans[i].start < end; i++)
		err = walk_span(&walk, i);
	return err;
}

struct ch_error *chp_walk_heaps(struct ch_heaps *heaps, const bool *wanted, ch_objects_fn fn,
				void *arg)
{
	const struct ch_span *spans = heaps->spans.items;
	struct ch_walk walk = { .heaps = heaps,
				.fn = fn,
				.arg = arg,
				.touching = ch_core_knows_touched(heaps->env.core) };
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < heaps->spans.count; i++) {
		walk.start = spans[i].start;
		walk.end = spans[i].end;
		if (wanted[spans[i].heap])
			err = walk_span(&walk, i);
	}
	return err;
}

struct ch_error *ch_heaps_measure(struct ch_heaps *heaps)
{
	return heaps->measured ? NULL : chp_walk_all(heaps, NULL, NULL);
}

static struct ch_error *take_first(void *arg, const struct ch_object *objects, size_t n)
{
	(void)n;
	*(struct ch_object *)arg = objects[0];
	return &ch_stop;
}

bool ch_heaps_object_at(struct ch_heaps *heaps, uint64_t addr, struct ch_object *ret)
{
	uint32_t index = chp_span_after(heaps, addr);
	struct ch_object found = { 0 };
	struct ch_walk walk = {
		.heaps = heaps, .fn = take_first, .arg = &found, .start = addr, .end = addr + 1
	};
	const struct ch_span *span;
	struct ch_error *err;

	if (index >= heaps->spans.count || addr == UINT64_MAX)
		return false;
	span = CH_VEC_AT(&heaps->spans, struct ch_span, index);
	if (addr < span->start || addr >= span->committed_end)
		return false;
	err = index_origin(heaps, index);
	if (!err)
		err = walk_origin(&walk, index, resume_point(heaps, index, addr));
	chp_context_drop_take(heaps->env.ctx, err);
	if (!found.chunk_bytes)
		return false;
	*ret = found;
	return true;
}
