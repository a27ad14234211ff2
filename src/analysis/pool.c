/*
 * The pool of threads of .NET: what waits in its queues, and how many threads it has.
 *
 * dotnet/runtime, release/9.0, src/libraries/System.Private.CoreLib/src/System/Threading/
 * ThreadPoolWorkQueue.cs (workItems, highPriorityWorkItems, _assignableWorkItemQueues;
 * WorkStealingQueue: m_array from m_headIndex to m_tailIndex), Collections/Concurrent/
 * ConcurrentQueueSegment.cs (_slots, _headAndTail; what is frozen has twice its length added
 * to the tail), PortableThreadPool.ThreadCounts.cs (three numbers of 16 bits). Before .NET 6
 * the threads are the runtime's own business.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/work_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

#define QUEUE_TYPE "System.Threading.ThreadPoolWorkQueue"
#define POOL_TYPE  "System.Threading.PortableThreadPool"
/* Bounds: of one queue, and of queues. */
#define SEGMENTS_MAX (1U << 20)
#define ITEMS_MAX    (1U << 24)
#define QUEUES_MAX   4096

/* Which method an item calls. */
static const char *const delegate_names[] = { "_callback", "m_action", "_timerCallback",
					      "m_timerCallback", NULL };

struct search {
	struct work_finder finder;
	uint64_t items;
};

/* ---- Items ------------------------------------------------------------------- */

static struct ch_error *take_item(struct search *search, const char *queue, uint64_t addr)
{
	struct work_finder *finder = &search->finder;
	struct ch_work_row row = { .queue = queue, .count = 1, .sample_addr = addr };
	struct ch_object object;
	struct ch_error *err;
	uint64_t at;

	if (search->items++ >= ITEMS_MAX)
		finder->ret->cut = true;
	if (finder->ret->cut || !chp_named_object(&finder->named, addr, &object))
		return NULL;
	err = chp_work_type(finder, addr, &row.type);
	if (!err)
		err = chp_work_field(finder, object.key, delegate_names, &finder->delegate);
	if (!err && chp_named_read(&finder->named, addr, &finder->delegate.field, &at))
		err = chp_work_calls(finder, at, &row.calls);
	if (err) {
		free(row.type);
		return err;
	}
	return chp_work_add_take(finder->ret, &row);
}

/* A number or reference of an object; 0 when it is not known. */
static struct ch_error *get(const struct search *search, const struct ch_object *object,
			    const char *path, uint64_t *ret)
{
	bool found;
	struct ch_error *err = chp_named_get(&search->finder.named, object, path, &found, ret);

	if (!err && !found)
		*ret = 0;
	return err;
}

/* A ring of slots, which are structures. */
struct ring {
	uint64_t slots, head, tail, mask, frozen, next;
};

static struct ch_error *read_ring(const struct search *search, const struct ch_object *segment,
				  struct ring *ret)
{
	const struct {
		const char *path;
		uint64_t *to;
	} wanted[] = { { "_slots", &ret->slots },
		       { "_headAndTail.Head", &ret->head },
		       { "_headAndTail.Tail", &ret->tail },
		       { "_slotsMask", &ret->mask },
		       { "_frozenForEnqueues", &ret->frozen },
		       { "_nextSegment", &ret->next } };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < CH_COUNT_OF(wanted); i++)
		err = get(search, segment, wanted[i].path, wanted[i].to);
	return err;
}

static struct ch_error *take_ring(struct search *search, const char *queue, const struct ring *ring)
{
	const struct ch_named *named = &search->finder.named;
	_cleanup_free_ struct ch_object_shape *shape = calloc(1, sizeof(*shape));
	struct ch_named_field item;
	struct ch_error *err;
	uint64_t count, at, i;
	uint32_t tail;

	if (!shape)
		return &ch_enomem;
	if (!chp_named_array(named, ring->slots, shape) || ring->mask >= shape->count)
		return NULL;
	err = chp_named_field(named, shape->element_inner, true, "Item", &item);
	/* Both count on and on. */
	tail = (uint32_t)ring->tail - (ring->frozen ? 2 * (uint32_t)(ring->mask + 1) : 0);
	count = tail - (uint32_t)ring->head;
	count = count > ring->mask + 1 ? 0 : count;
	for (i = 0; !err && i < count; i++) {
		at = shape->data_addr + ((ring->head + i) & ring->mask) * shape->element_bytes;
		if (chp_named_read(named, at, &item, &at) && at)
			err = take_item(search, queue, at);
	}
	return err;
}

/* ConcurrentQueue<object>: segments from the oldest on. */
static struct ch_error *take_queue(struct search *search, const char *queue, uint64_t addr)
{
	struct ch_error *err = NULL;
	struct ch_object object;
	struct ring ring;
	uint32_t i;
	uint64_t at;

	if (!chp_named_object(&search->finder.named, addr, &object))
		return NULL;
	err = get(search, &object, "_head", &at);
	for (i = 0; !err && i < SEGMENTS_MAX && at && !search->finder.ret->cut &&
		    chp_named_object(&search->finder.named, at, &object);
	     i++) {
		err = read_ring(search, &object, &ring);
		if (!err)
			err = take_ring(search, queue, &ring);
		/* What leads back to itself would be gone through for long. */
		at = ring.next == at ? 0 : ring.next;
	}
	return err;
}

static struct ch_error *take_queues(struct search *search, const char *queue, uint64_t array)
{
	_cleanup_free_ struct ch_object_shape *shape = calloc(1, sizeof(*shape));
	struct ch_error *err = NULL;
	uint64_t i, at;

	if (!shape)
		return &ch_enomem;
	if (!chp_named_array(&search->finder.named, array, shape) || shape->element_bytes != 8)
		return NULL;
	for (i = 0; !err && i < ch_min(shape->count, QUEUES_MAX); i++)
		if (ch_core_read_u64(search->finder.named.core, shape->data_addr + 8 * i, &at))
			err = take_queue(search, queue, at);
	return err;
}

static struct ch_error *take_global(void *arg, const struct ch_object *objects, size_t n)
{
	static const struct {
		const char *field, *queue;
		bool array;
	} queues[] = { { "workItems", "global", false },
		       { "highPriorityWorkItems", "high priority", false },
		       { "lowPriorityWorkItems", "low priority", false },
		       { "_assignableWorkItemQueues", "global", true } };
	struct search *search = arg;
	struct ch_error *err = NULL;
	uint64_t at;
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; !err && k < CH_COUNT_OF(queues); k++) {
			err = get(search, &objects[i], queues[k].field, &at);
			if (!err && at && queues[k].array)
				err = take_queues(search, queues[k].queue, at);
			else if (!err && at)
				err = take_queue(search, queues[k].queue, at);
		}
	return err;
}

/* Each thread's own queue: items from head to tail, null where one was taken. */
static struct ch_error *take_local_queue(struct search *search, const struct ch_object *object)
{
	_cleanup_free_ struct ch_object_shape *shape = calloc(1, sizeof(*shape));
	uint64_t array, head, tail, count, i, at;
	struct ch_error *err;

	if (!shape)
		return &ch_enomem;
	err = get(search, object, "m_array", &array);
	if (!err)
		err = get(search, object, "m_headIndex", &head);
	if (!err)
		err = get(search, object, "m_tailIndex", &tail);
	if (err || !chp_named_array(&search->finder.named, array, shape) ||
	    shape->element_bytes != 8 || !shape->count || shape->count & (shape->count - 1))
		return err;
	count = (uint32_t)tail - (uint32_t)head;
	/* The owner may be about to take the last one. */
	count = count > INT32_MAX ? 0 : ch_min(count, shape->count);
	for (i = 0; !err && i < count; i++)
		if (ch_core_read_u64(search->finder.named.core,
				     shape->data_addr + 8 * ((head + i) & (shape->count - 1)),
				     &at) &&
		    at)
			err = take_item(search, "local", at);
	return err;
}

static struct ch_error *take_local(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = take_local_queue(arg, &objects[i]);
	return err;
}

/* ---- Threads ----------------------------------------------------------------- */

static struct ch_error *take_pool(void *arg, const struct ch_object *objects, size_t n)
{
	struct search *search = arg;
	struct ch_work *ret = search->finder.ret;
	uint64_t counts, min, max;
	struct ch_error *err;
	bool found;

	if (!n || ret->has_workers)
		return NULL;
	err = chp_named_get(&search->finder.named, objects, "_separated.counts._data", &found,
			    &counts);
	if (!err)
		err = get(search, objects, "_minThreads", &min);
	if (!err)
		err = get(search, objects, "_maxThreads", &max);
	if (err || !found)
		return err;
	ret->has_workers = true;
	ret->working_count = counts & 0xffff;
	ret->workers_count = counts >> 16 & 0xffff;
	ret->goal_count = counts >> 32 & 0xffff;
	ret->min_count = (uint32_t)min;
	ret->max_count = (uint32_t)max;
	return NULL;
}

struct ch_error *chp_pool_find(struct ch_heaps *heaps, const struct ch_core *core,
			       struct ch_work *ret)
{
	struct search search = { .finder.ret = ret };
	struct ch_error *err;

	*ret = (struct ch_work){ .rows = CH_VEC(struct ch_work_row) };
	ret->known = chp_named_open(heaps, core, CH_CLASS_LIBRARY_DOTNET, &search.finder.named);
	if (!ret->known)
		return NULL;
	err = chp_named_walk(&search.finder.named, QUEUE_TYPE, take_global, &search);
	if (!err)
		err = chp_named_walk(&search.finder.named, QUEUE_TYPE "+WorkStealingQueue",
				     take_local, &search);
	if (!err)
		err = chp_named_walk(&search.finder.named, POOL_TYPE, take_pool, &search);
	chp_work_finish(ret);
	return err;
}
