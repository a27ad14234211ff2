/*
 * What continues a task.
 *
 * Task.m_continuationObject is the box itself, an Action whose target is the box, an object
 * that has one of those in a field, or a list of such (dotnet/runtime, release/9.0,
 * src/libraries/System.Private.CoreLib/src/System/Threading/Tasks/TaskContinuation.cs,
 * Runtime/CompilerServices/AsyncMethodBuilderCore.cs: ContinuationWrapper).
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/async_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/search.h"

/* Objects between a task and what it continues. */
#define HOPS_MAX 8
/* Continuations of one task. */
#define LIST_MAX  (1U << 20)
#define EDGES_MAX (1U << 26)

/* Fields that lead on, the better ones first. */
static const char *const link_names[] = { "_target",    "m_action",
					  "m_task",     "_action",
					  "_box",       "_continuation",
					  "_innerTask", "m_continuationTask" };

static struct ch_error *make_resolver(const struct async_search *search, uint64_t key,
				      struct async_resolver *ret)
{
	struct ch_named_field field;
	struct ch_error *err = NULL;
	size_t i;

	*ret = (struct async_resolver){ .key = key };
	for (i = 0; !err && i < CH_COUNT_OF(link_names) && ret->links_count < ASYNC_LINKS_MAX;
	     i++) {
		err = chp_named_field(&search->named, key, false, link_names[i], &field);
		if (!err && field.found && field.kind == CH_VALUE_REFERENCE)
			ret->links[ret->links_count++] = field;
	}
	if (!err && !ret->links_count)
		err = chp_named_field(&search->named, key, false, "_items", &ret->items);
	if (!err && ret->items.found)
		err = chp_named_field(&search->named, key, false, "_size", &ret->size);
	return err;
}

/* There are few types of such objects, and one follows its like. */
static struct ch_error *resolver_of(struct async_search *search, uint64_t key,
				    const struct async_resolver **ret)
{
	struct async_resolver *slot;
	size_t i;

	for (i = search->resolvers.count; i > 0; i--) {
		slot = CH_VEC_AT(&search->resolvers, struct async_resolver, i - 1);
		*ret = slot;
		if (slot->key == key)
			return NULL;
	}
	slot = ch_vec_push(&search->resolvers);
	*ret = slot;
	return slot ? make_resolver(search, key, slot) : &ch_enomem;
}

static struct ch_error *add_edge(struct async_search *search, uint64_t from, uint64_t to)
{
	struct async_edge *slot;

	if (search->edges.count >= EDGES_MAX) {
		search->ret->cut = true;
		return NULL;
	}
	slot = ch_vec_push(&search->edges);
	if (!slot)
		return &ch_enomem;
	*slot = (struct async_edge){ from, to };
	return NULL;
}

static bool is_task(const struct async_search *search, uint64_t key)
{
	const struct async_plan *plans = search->plans.items;
	size_t low = ch_search(plans, search->plans.count, it, it->key < key);

	return low < search->plans.count && plans[low].key == key &&
	       (plans[low].box.found || plans[low].flags.found);
}

/* The box or task that an object leads to, or else the last one on the way; 0: it is a list,
 * described in *list_ret. */
static struct ch_error *resolve(struct async_search *search, uint64_t addr, uint64_t *ret,
				struct async_resolver *list_ret)
{
	const struct async_resolver *resolver;
	struct ch_error *err = NULL;
	struct ch_object object;
	uint32_t hops, i;
	uint64_t next;

	*ret = addr;
	for (hops = 0; hops < HOPS_MAX && chp_named_object(&search->named, *ret, &object); hops++) {
		if (is_task(search, object.key))
			return NULL;
		err = resolver_of(search, object.key, &resolver);
		if (err)
			return err;
		if (resolver->items.found && hops == 0) {
			*list_ret = *resolver;
			*ret = 0;
			return NULL;
		}
		for (next = 0, i = 0; !next && i < resolver->links_count; i++)
			if (!chp_named_read(&search->named, *ret, &resolver->links[i], &next))
				next = 0;
		/* What leads to no object that may wait is itself what comes next. */
		if (!next || !chp_named_object(&search->named, next, &object))
			return NULL;
		*ret = next;
	}
	return NULL;
}

/* Each element of a list. */
static struct ch_error *follow_list(struct async_search *search, uint64_t from, uint64_t list,
				    const struct async_resolver *resolver)
{
	struct ch_object_shape *shape = NULL;
	_cleanup_free_ void *storage = NULL;
	struct async_resolver nested;
	struct ch_error *err = NULL;
	uint64_t items, size, i, word, to;

	storage = calloc(1, sizeof(*shape));
	shape = storage;
	if (!shape)
		return &ch_enomem;
	if (!chp_named_read(&search->named, list, &resolver->items, &items) ||
	    !chp_named_read(&search->named, list, &resolver->size, &size) ||
	    !chp_named_array(&search->named, items, shape) || shape->element_bytes != 8)
		return NULL;
	if (size > LIST_MAX)
		search->ret->cut = true;
	size = ch_min(ch_min(size, shape->count), LIST_MAX);
	for (i = 0; !err && i < size; i++) {
		if (!ch_core_read_u64(search->named.core, shape->data_addr + 8 * i, &word) || !word)
			continue;
		err = resolve(search, word, &to, &nested);
		if (!err && to)
			err = add_edge(search, from, to);
	}
	return err;
}

struct ch_error *chp_async_follow(struct async_search *search, uint64_t from, uint64_t continuation)
{
	struct async_resolver list;
	struct ch_error *err;
	uint64_t to;

	err = resolve(search, continuation, &to, &list);
	if (err)
		return err;
	return to ? add_edge(search, from, to) : follow_list(search, from, continuation, &list);
}
