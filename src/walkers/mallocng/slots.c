/*
 * Slots of groups as objects: groups lie in slots of larger ones, and only the innermost blocks
 * are the program's.
 */
#include "walkers/mallocng/mallocng_priv.h"

#include "util/context.h"
#include "util/search.h"

/* A nested group is smaller than the slot it lies in; slots shrink by half at
 * least from one level to the next. */
#define DEPTH_MAX 16
/* Header of a slot, top three bits: bytes left over behind the block, where 5
 * says that their number is in the slot's last word (enframe(), set_size()). */
#define REST_IN_WORD 5U
#define REST_GROUP   6U
#define REST_OFFSET  7U
#define OFFSETS_MAX  65536U
#define OFFSET_WRAP  (65536ULL * UNIT_BYTES)

/* Memory read in order: remembers the last run. */
struct view {
	const struct ch_core *core;
	const uint8_t *p;
	uint64_t start, end;
};

/* A group under way. */
struct frame {
	const struct mallocng_group *group;
	uint32_t slot;
	/* end of what the group may cover, in its own mapping or its slot */
	uint64_t limit;
};

struct walk {
	const struct mallocng *ng;
	struct view view;
	struct ch_object_batch batch;
	struct frame frames[DEPTH_MAX];
	uint32_t depth;
	/* what was emitted ends here */
	uint64_t at;
};

/* One slot: its first byte, and the end of what a block in it may use. */
struct slot {
	uint64_t start, end;
	uint32_t index;
};

/* len bytes at addr, or NULL when they are absent. */
static const uint8_t *view_bytes(struct view *view, uint64_t addr, size_t len)
{
	uint64_t page = ch_align_down(addr, CH_PAGE_BYTES);
	size_t run = 0;

	if (addr < view->start || addr >= view->end) {
		view->p = ch_core_span_recorded(view->core, page, &run);
		view->start = view->p ? page : 0;
		view->end = view->p ? page + run : 0;
	}
	return addr < view->end && view->end - addr >= len ? view->p + (addr - view->start) : NULL;
}

static struct ch_error *put(struct walk *walk, const struct ch_object *object)
{
	walk->at = object->addr - object->header_bytes + object->chunk_bytes;
	return ch_object_batch_put(&walk->batch, object);
}

/* Everything up to end is overhead. */
static struct ch_error *put_overhead(struct walk *walk, uint64_t end, enum mallocng_type type)
{
	struct ch_object object = { .addr = walk->at,
				    .size_bytes = end - walk->at,
				    .chunk_bytes = end - walk->at,
				    .key = type,
				    .state = CH_OBJECT_OVERHEAD };

	return end > walk->at ? put(walk, &object) : NULL;
}

/* Whether a block of this slot begins at p: its header leads back to the group. */
static bool is_block(struct view *view, const struct mallocng_group *group, const struct slot *slot,
		     uint64_t p)
{
	const uint8_t *head = view_bytes(view, p - 8, 8);
	uint64_t units = (p - group->start - UNIT_BYTES) / UNIT_BYTES;

	if (!head || (head[5] & 31U) != slot->index)
		return false;
	if (!head[4])
		return ch_get16(head + 6) == units;
	return !ch_get16(head + 6) && ch_get32(head) == units;
}

/*
 * Where the block of a used slot begins: at its start, or as far behind it as a
 * header left there says. Alignments of a mebibyte and more wrap that offset.
 * False: nothing leads there.
 */
static bool find_block(struct view *view, const struct mallocng_group *group,
		       const struct slot *slot, uint64_t *ret)
{
	const uint8_t *head = view_bytes(view, slot->start - 4, 4);
	uint64_t p = slot->start, i;

	if (!head)
		return false;
	if (head[1] >> 5 == REST_OFFSET)
		p += (uint64_t)UNIT_BYTES * ch_get16(head + 2);
	for (i = 0; i < OFFSETS_MAX && p < slot->end; i++, p += OFFSET_WRAP) {
		if (is_block(view, group, slot, p)) {
			*ret = p;
			return true;
		}
		if (group->slots_count > 1)
			break;
	}
	return false;
}

/* What is wrong with a slot; the block is counted with all of it. */
static void report_slot(const struct walk *walk, const struct slot *slot, const char *why)
{
	chp_context_finding(walk->ng->env.ctx, CH_SEVERITY_DAMAGED, "mallocng-slot",
			    "musl malloc: used slot %u at 0x%llx: %s; counted as one block",
			    slot->index, (unsigned long long)slot->start, why);
}

/*
 * Size that was asked for, as malloc_usable_size() returns it. The byte behind
 * the block and the one behind the slot are 0 unless somebody wrote too far.
 */
static uint64_t block_bytes(struct walk *walk, const struct slot *slot, uint64_t p)
{
	const uint8_t *head = view_bytes(&walk->view, p - 4, 4), *tail;
	uint64_t room = slot->end - p, rest = head ? head[1] >> 5 : 0;
	bool overwritten;

	if (rest >= REST_GROUP) {
		report_slot(walk, slot, "its header has no size");
		return room;
	}
	tail = room >= 4 ? view_bytes(&walk->view, slot->end - 4, 5) : NULL;
	if (!tail)
		return room < rest ? room : room - rest;
	overwritten = tail[4] != 0;
	if (rest == REST_IN_WORD) {
		rest = ch_get32(tail);
		if (rest < REST_IN_WORD || rest > room) {
			report_slot(walk, slot, "the size in its last bytes was overwritten");
			return room;
		}
	}
	tail = view_bytes(&walk->view, slot->end - rest, 1);
	overwritten |= tail && *tail;
	if (overwritten)
		chp_context_finding(
			walk->ng->env.ctx, CH_SEVERITY_NOTE, "mallocng-overflow",
			"musl malloc: the block at 0x%llx of %llu bytes was written past "
			"its end: the byte there is not 0",
			(unsigned long long)p, (unsigned long long)(room - rest));
	return room - rest;
}

/* The nested group whose memory is the block at p. */
static const struct mallocng_group *nested_at(const struct mallocng *ng, uint64_t p)
{
	const struct mallocng_group *items = ng->nested.items;
	size_t low = ch_search(items, ng->nested.count, it, it->start < p);

	return low < ng->nested.count && items[low].start == p ? &items[low] : NULL;
}

static struct ch_error *enter(struct walk *walk, const struct mallocng_group *group, uint64_t limit)
{
	walk->frames[walk->depth++] = (struct frame){ .group = group, .limit = limit };
	return put_overhead(walk, group->start + UNIT_BYTES - SLOT_HEADER_BYTES,
			    MALLOCNG_TYPE_HEADER);
}

static struct ch_error *put_used(struct walk *walk, const struct mallocng_group *group,
				 const struct slot *slot)
{
	const struct mallocng_group *nested = NULL;
	struct ch_object object = { .state = CH_OBJECT_USED,
				    .header_bytes = SLOT_HEADER_BYTES,
				    .addr = slot->start };
	struct ch_error *err;
	bool found = find_block(&walk->view, group, slot, &object.addr);

	if (found && group->size_class < CLASSES_COUNT)
		nested = nested_at(walk->ng, object.addr);
	if (nested && nested->end - SLOT_HEADER_BYTES <= slot->end && walk->depth < DEPTH_MAX)
		return enter(walk, nested, slot->end);
	err = put_overhead(walk, object.addr - SLOT_HEADER_BYTES, MALLOCNG_TYPE_OFFSET);
	if (err)
		return err;
	if (found)
		object.size_bytes = block_bytes(walk, slot, object.addr);
	else
		object.size_bytes = slot->end - object.addr;
	if (!found)
		report_slot(walk, slot, "its header was overwritten, or is not in the core");
	object.chunk_bytes = slot->end - object.addr + SLOT_HEADER_BYTES;
	if (group->kind == MALLOCNG_MAPPED && group->slots_count == 1)
		object.flags = CH_OBJECT_MMAPPED;
	return put(walk, &object);
}

static struct ch_error *put_free(struct walk *walk, const struct slot *slot)
{
	const struct ch_object object = { .addr = slot->start,
					  .size_bytes = slot->end - slot->start,
					  .chunk_bytes =
						  slot->end - slot->start + SLOT_HEADER_BYTES,
					  .header_bytes = SLOT_HEADER_BYTES,
					  .state = CH_OBJECT_FREE };

	return put(walk, &object);
}

/* The next slot of the innermost group, or its end. */
static struct ch_error *step(struct walk *walk)
{
	struct frame *frame = &walk->frames[walk->depth - 1];
	const struct mallocng_group *group = frame->group;
	struct slot slot = { .index = frame->slot };

	if (frame->slot == group->slots_count) {
		walk->depth--;
		return put_overhead(walk, frame->limit, MALLOCNG_TYPE_REST);
	}
	frame->slot++;
	slot.start = group->start + UNIT_BYTES + group->stride * slot.index;
	slot.end = slot.start + group->stride - SLOT_HEADER_BYTES;
	if (group->free_mask >> slot.index & 1)
		return put_free(walk, &slot);
	return put_used(walk, group, &slot);
}

struct ch_error *mallocng_walk_groups(const struct mallocng *ng, const struct ch_span *span,
				      uint64_t from, struct ch_object_sink *sink)
{
	const struct mallocng_group *groups = ng->groups.items;
	struct walk walk = { .ng = ng, .view = { .core = ng->env.core }, .batch.sink = sink };
	size_t i = mallocng_group_after(&ng->groups, ch_max(span->start, from));
	struct ch_error *err = NULL;

	for (; !err && i < ng->groups.count && groups[i].start < span->end; i++) {
		walk.at = groups[i].start;
		err = enter(&walk, &groups[i], groups[i].end);
		while (!err && walk.depth)
			err = step(&walk);
	}
	return err ? err : ch_object_batch_flush(&walk.batch);
}

struct ch_error *mallocng_walk_areas(const struct ch_span *span, struct ch_object_sink *sink)
{
	struct ch_object_batch batch = { .sink = sink };
	struct ch_object area = { .size_bytes = AREA_BYTES,
				  .chunk_bytes = AREA_BYTES,
				  .key = MALLOCNG_TYPE_META,
				  .state = CH_OBJECT_OVERHEAD };
	struct ch_error *err = NULL;

	for (area.addr = span->start; !err && area.addr < span->committed_end;
	     area.addr += AREA_BYTES)
		err = ch_object_batch_put(&batch, &area);
	return err ? err : ch_object_batch_flush(&batch);
}
