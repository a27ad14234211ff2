/*
 * Locks and queues, as the walkers know them.
 */
#include "heap/locks.h"

#include <stdio.h>
#include <string.h>

#include "heap/heap_priv.h"
#include "heap/type_table.h"
#include "util/context.h"

/* What numbers of a runtime's walker are put into. */
struct numbering {
	uint32_t walker;
	ch_lock_fn lock;
	ch_queue_fn queue;
	void *arg;
};

static struct ch_error *number_lock(void *arg, const struct ch_lock *lock)
{
	const struct numbering *numbering = arg;
	struct ch_lock copy = *lock;

	copy.walker = numbering->walker;
	return numbering->lock(numbering->arg, &copy);
}

static struct ch_error *number_queue(void *arg, const struct ch_queue *queue)
{
	const struct numbering *numbering = arg;
	struct ch_queue copy = *queue;

	copy.walker = numbering->walker;
	return numbering->queue(numbering->arg, &copy);
}

struct ch_error *chp_heaps_locks(struct ch_heaps *heaps, ch_lock_fn fn, void *arg)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct numbering numbering = { .lock = fn, .arg = arg };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++) {
		numbering.walker = opened[i].index;
		if (opened[i].runtime->conduct && opened[i].runtime->conduct->locks)
			err = opened[i].runtime->conduct->locks(opened[i].state, heaps, number_lock,
								&numbering);
	}
	return err;
}

bool chp_heaps_know_locks(const struct ch_heaps *heaps)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->conduct && opened[i].runtime->conduct->locks)
			return true;
	return false;
}

struct ch_error *chp_heaps_queues(struct ch_heaps *heaps, ch_queue_fn fn, void *arg)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct numbering numbering = { .queue = fn, .arg = arg };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++) {
		numbering.walker = opened[i].index;
		if (opened[i].runtime->conduct && opened[i].runtime->conduct->queues)
			err = opened[i].runtime->conduct->queues(opened[i].state, heaps,
								 number_queue, &numbering);
	}
	return err;
}

/* By count, descending: one that has come to more than those before it moves up. */
static void move_up(struct ch_queue *queue, size_t at)
{
	struct ch_queue_type row;

	for (; at && queue->types[at].count > queue->types[at - 1].count; at--) {
		row = queue->types[at];
		queue->types[at] = queue->types[at - 1];
		queue->types[at - 1] = row;
	}
}

void chp_queue_add(struct ch_context *ctx, struct ch_queue *queue, uint64_t key, uint64_t object)
{
	bool listed = queue->objects.count < CH_QUEUE_OBJECTS;
	uint64_t *slot = listed ? ch_vec_push(&queue->objects) : NULL;
	size_t i;

	queue->looked_at++;
	if (slot)
		*slot = object;
	else if (listed)
		chp_context_no_memory(ctx);
	for (i = 0; i < queue->types_count; i++)
		if (queue->types[i].key == key)
			break;
	if (i == CH_QUEUE_TYPES)
		return;
	if (i == queue->types_count)
		queue->types[queue->types_count++] =
			(struct ch_queue_type){ .key = key, .sample = object };
	queue->types[i].count++;
	move_up(queue, i);
}

const struct ch_fixed_heap *chp_heap_fixed(const struct ch_heaps *heaps, const struct ch_heap *heap)
{
	const struct ch_opened *opened = heaps->opened.items;
	const struct ch_fixed_heap *row;
	const char *name = heap->name;
	unsigned int number;
	int skipped = 0;
	size_t i;

	/* "heap 3 LOH" of a server */
	if (sscanf(name, "heap %u %n", &number, &skipped) == 1)
		name += skipped;
	for (i = 0; i < heaps->opened.count; i++) {
		if (opened[i].index != heap->walker || !opened[i].runtime->conduct)
			continue;
		for (row = opened[i].runtime->conduct->fixed; row && row->name; row++)
			if (strcmp(row->name, name) == 0)
				return row;
	}
	return NULL;
}

struct ch_error *chp_heaps_pins(struct ch_heaps *heaps, ch_object_fn fn, void *arg)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++)
		if (opened[i].runtime->conduct && opened[i].runtime->conduct->pins)
			err = opened[i].runtime->conduct->pins(opened[i].state, fn, arg);
	return err;
}

bool chp_heaps_is_library(const struct ch_heaps *heaps, const char *name)
{
	const struct ch_opened *opened = heaps->opened.items;
	const char *const *prefix;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		prefix = opened[i].runtime->conduct ? opened[i].runtime->conduct->library : NULL;
		for (; prefix && *prefix; prefix++)
			if (strncmp(name, *prefix, strlen(*prefix)) == 0)
				return true;
	}
	return false;
}

struct ch_error *chp_heaps_walk_runtime(struct ch_heaps *heaps, const char *runtime,
					ch_objects_fn fn, void *arg)
{
	const struct ch_heap *list;
	const struct ch_span *spans;
	struct ch_error *err = NULL;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	spans = ch_heaps_spans(heaps, &count);
	for (i = 0; !err && i < count; i++)
		if (strcmp(list[spans[i].heap].runtime, runtime) == 0)
			err = ch_heaps_walk(heaps, spans[i].start, spans[i].end, fn, arg);
	return err;
}

void chp_heaps_use_finder(struct ch_heaps *heaps, const struct ch_type_finder *finder)
{
	heaps->finder = finder;
}

/* The only walker of a runtime's heaps. */
static bool walker_of(const struct ch_heaps *heaps, const char *runtime, uint32_t *ret)
{
	const struct ch_heap *list = heaps->heaps.items;
	bool found = false;
	size_t i;

	for (i = 0; i < heaps->heaps.count; i++) {
		if (strcmp(list[i].runtime, runtime) != 0)
			continue;
		if (found && list[i].walker != *ret)
			return false;
		*ret = list[i].walker;
		found = true;
	}
	return found;
}

struct ch_error *chp_heaps_find_keys(struct ch_heaps *heaps, const char *runtime,
				     const uint64_t *keys, size_t count, ch_objects_fn fn,
				     void *arg)
{
	uint32_t types[CH_FIND_KEYS_MAX], walker;
	size_t i, n = 0;

	if (!heaps->finder || count > CH_FIND_KEYS_MAX || !walker_of(heaps, runtime, &walker))
		return chp_heaps_walk_runtime(heaps, runtime, fn, arg);
	for (i = 0; i < count; i++) {
		if (!keys[i])
			continue;
		types[n] = chp_type_of(heaps, walker, keys[i]);
		if (!types[n++])
			return &ch_enomem;
	}
	return heaps->finder->find(heaps->finder->arg, types, n, fn, arg);
}
