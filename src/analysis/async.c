/*
 * Boxes of state machines, and tasks.
 *
 * dotnet/runtime, release/9.0, src/libraries/System.Private.CoreLib/src/System: Runtime/
 * CompilerServices/AsyncTaskMethodBuilderT.cs (AsyncStateMachineBox: StateMachine),
 * PoolingAsyncValueTaskMethodBuilderT.cs (StateMachineBox), Threading/Tasks/Task.cs
 * (m_continuationObject, m_stateFlags), Threading/Tasks/Sources/
 * ManualResetValueTaskSourceCore.cs (_continuationState). The names are the same from .NET
 * Core 3.1 to .NET 10.
 */
#include "analysis/async_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/filter.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Task.m_stateFlags: ran to completion, was cancelled, or failed. */
#define TASK_COMPLETED 0x1600000U
/* States of a machine that has ended. */
#define STATE_ENDED (-2)
/* Most objects that are looked at as nodes. */
#define NODES_MAX (1U << 26)

const char *chp_async_name(struct async_search *search, const char *name)
{
	char **slot = ch_vec_push(&search->ret->names);

	if (!slot)
		return NULL;
	*slot = strdup(name);
	return *slot;
}

/* ---- Types ------------------------------------------------------------------- */

/* Fields of one type that are looked for. */
struct gathering {
	struct async_plan *plan;
	/* The structure that another continuation lies in. */
	struct ch_named_field core;
	/* Declared type of the machine in a box. */
	char machine[1024];
};

static void keep_field(const struct ch_field *field, struct ch_named_field *ret)
{
	ret->found = true;
	ret->kind = field->kind;
	ret->offset = field->offset;
	ret->size_bytes = field->size_bytes;
	ret->inner = field->inner;
}

static void keep_source(struct async_plan *plan, const struct ch_field *field)
{
	if (plan->sources_count < ASYNC_SOURCES_MAX && field->kind == CH_VALUE_REFERENCE)
		keep_field(field, &plan->sources[plan->sources_count++]);
}

static struct ch_error *gather(void *arg, const struct ch_field *field)
{
	struct gathering *gathering = arg;
	struct async_plan *plan = gathering->plan;

	if (strcmp(field->name, "m_continuationObject") == 0 ||
	    strcmp(field->name, "_continuationState") == 0) {
		keep_source(plan, field);
	} else if (strcmp(field->name, "m_stateFlags") == 0) {
		keep_field(field, &plan->flags);
	} else if (strcmp(field->name, "StateMachine") == 0) {
		keep_field(field, &plan->box);
		if (field->kind == CH_VALUE_STRUCT && field->type)
			snprintf(gathering->machine, sizeof(gathering->machine), "%s", field->type);
	} else if (field->kind == CH_VALUE_STRUCT && field->inner && field->type &&
		   strstr(field->type, ".ManualResetValueTaskSourceCore<")) {
		keep_field(field, &gathering->core);
	}
	return NULL;
}

/* What continues who waits for a value in a structure of a type. */
static struct ch_error *gather_core(const struct async_search *search,
				    const struct ch_named_field *core, struct async_plan *plan)
{
	struct ch_named_field field;
	struct ch_error *err =
		chp_named_field(&search->named, core->inner, true, "_continuationState", &field);

	if (!err && field.found && plan->sources_count < ASYNC_SOURCES_MAX) {
		field.offset += core->offset;
		plan->sources[plan->sources_count++] = field;
	}
	return err;
}

static struct ch_error *make_plan(struct async_search *search, uint64_t key,
				  struct async_plan *plan)
{
	const struct ch_inspected *inspected = &search->named.inspected;
	const struct ch_fields_query query = { .key = key };
	struct gathering gathering = { .plan = plan };
	struct ch_error *err;

	err = inspected->inspector->fields(inspected->state, &query, gather, &gathering);
	if (!err && gathering.core.found)
		err = gather_core(search, &gathering.core, plan);
	if (!err && plan->box.found && plan->box.kind == CH_VALUE_STRUCT && plan->box.inner) {
		err = chp_named_field(&search->named, plan->box.inner, true, "<>1__state",
				      &plan->state);
		plan->state.offset += plan->box.offset;
	}
	if (!err && plan->box.found) {
		plan->machine = chp_async_name(search, gathering.machine);
		if (!plan->machine)
			return &ch_enomem;
	}
	return err;
}

static int compare_plans(const void *a, const void *b)
{
	const struct async_plan *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static bool wants_all(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return true;
}

/* Plans of all types whose objects are of interest, and the types. */
static struct ch_error *make_plans(struct async_search *search, struct ch_vec *wanted)
{
	struct ch_vec types = CH_VEC(struct ch_type_stat);
	struct async_plan plan, *slot;
	struct ch_type_stat *kept;
	const struct ch_type_stat *row;
	struct ch_type type;
	struct ch_error *err;
	size_t i;

	err = chp_named_types(&search->named, wants_all, NULL, &types);
	for (i = 0; !err && i < types.count; i++) {
		row = CH_VEC_AT(&types, struct ch_type_stat, i);
		err = ch_heaps_type(search->named.heaps, row->type, &type);
		if (err)
			break;
		plan = (struct async_plan){ .key = type.key, .name = type.name };
		err = make_plan(search, type.key, &plan);
		if (err || (!plan.sources_count && !plan.box.found))
			continue;
		slot = ch_vec_push(&search->plans);
		kept = ch_vec_push(wanted);
		if (!slot || !kept) {
			err = &ch_enomem;
			break;
		}
		*slot = plan;
		*kept = *row;
	}
	ch_vec_sort(&search->plans, compare_plans);
	ch_vec_deinit(&types);
	return err;
}

static const struct async_plan *plan_of(const struct async_search *search, uint64_t key)
{
	const struct async_plan wanted = { .key = key };

	return search->plans.count ? bsearch(&wanted, search->plans.items, search->plans.count,
					     sizeof(wanted), compare_plans)
				   : NULL;
}

/* ---- Objects ----------------------------------------------------------------- */

/* Of a box that refers to its machine, as boxes of debug builds do. */
static struct ch_error *read_machine(struct async_search *search, const struct async_plan *plan,
				     struct async_node *node)
{
	struct ch_object machine;
	struct ch_error *err;
	struct ch_type type;
	uint64_t at, state;

	if (!chp_named_read(&search->named, node->addr, &plan->box, &at) ||
	    !chp_named_object(&search->named, at, &machine))
		return NULL;
	err = chp_named_get(&search->named, &machine, "<>1__state", &node->has_state, &state);
	if (!err && node->has_state)
		node->state = (int32_t)state;
	if (!err)
		err = ch_heaps_type(search->named.heaps, machine.type, &type);
	if (!err)
		node->name = type.name;
	return err;
}

static struct ch_error *read_node(struct async_search *search, const struct async_plan *plan,
				  const struct ch_object *object, struct async_node *ret,
				  bool *completed_ret)
{
	struct ch_error *err = NULL;
	uint64_t flags, state;

	*ret = (struct async_node){ .addr = object->addr,
				    .bytes = object->chunk_bytes,
				    .name = plan->name,
				    .is_box = plan->box.found };
	if (plan->box.found && plan->box.kind == CH_VALUE_REFERENCE)
		err = read_machine(search, plan, ret);
	else if (plan->box.found && plan->machine[0])
		ret->name = plan->machine;
	if (chp_named_read(&search->named, object->addr, &plan->state, &state)) {
		ret->has_state = true;
		ret->state = (int32_t)state;
	}
	*completed_ret = chp_named_read(&search->named, object->addr, &plan->flags, &flags)
				 ? flags & TASK_COMPLETED
				 : ret->has_state && ret->state == STATE_ENDED;
	return err;
}

static struct ch_error *take_object(struct async_search *search, const struct ch_object *object)
{
	const struct async_plan *plan = plan_of(search, object->key);
	struct async_node node, *slot;
	struct ch_error *err;
	bool completed;
	uint32_t i;
	uint64_t at;

	if (!plan)
		return NULL;
	err = read_node(search, plan, object, &node, &completed);
	if (err)
		return err;
	if (completed) {
		search->ret->completed_count += node.is_box;
		return NULL;
	}
	if (search->nodes.count >= NODES_MAX) {
		search->ret->cut = true;
		return NULL;
	}
	slot = ch_vec_push(&search->nodes);
	if (!slot)
		return &ch_enomem;
	*slot = node;
	for (i = 0; !err && i < plan->sources_count; i++)
		if (chp_named_read(&search->named, object->addr, &plan->sources[i], &at) && at)
			err = chp_async_follow(search, object->addr, at);
	return err;
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct async_search *search = arg;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = take_object(search, &objects[i]);
	return err;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct async_node *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The object at the end of an edge, when it is none of the nodes. */
static struct ch_error *add_other(struct async_search *search, uint64_t addr, struct ch_vec *others)
{
	struct async_node *slot;
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	if (chp_async_node_at(search, addr) >= 0 ||
	    !chp_named_object(&search->named, addr, &object))
		return NULL;
	err = ch_heaps_type(search->named.heaps, object.type, &type);
	if (err)
		return err;
	slot = ch_vec_push(others);
	if (!slot)
		return &ch_enomem;
	*slot = (struct async_node){ .addr = addr, .bytes = object.chunk_bytes, .name = type.name };
	return NULL;
}

/* What continues something and is no task: a thread that waits, code of a library. */
static struct ch_error *add_others(struct async_search *search)
{
	struct ch_vec others = CH_VEC(struct async_node);
	struct ch_error *err = NULL;
	struct async_node *slot;
	uint64_t last = 0, to;
	size_t i;

	ch_vec_sort(&search->nodes, compare_nodes);
	for (i = 0; !err && i < search->edges.count; i++) {
		to = CH_VEC_AT(&search->edges, struct async_edge, i)->to;
		if (to != last)
			err = add_other(search, to, &others);
		last = to;
	}
	ch_vec_sort(&others, compare_nodes);
	last = 0;
	for (i = 0; !err && i < others.count; i++) {
		const struct async_node *other = CH_VEC_AT(&others, struct async_node, i);

		if (other->addr == last)
			continue;
		last = other->addr;
		slot = ch_vec_push(&search->nodes);
		if (!slot)
			err = &ch_enomem;
		else
			*slot = *other;
	}
	ch_vec_sort(&search->nodes, compare_nodes);
	ch_vec_deinit(&others);
	return err;
}

struct ch_error *chp_async_find(struct ch_heaps *heaps, const struct ch_core *core,
				struct ch_async *ret)
{
	struct async_search search = { .ret = ret };
	struct ch_object_filter filter = { .states = 1U << CH_OBJECT_USED };
	struct ch_vec types = CH_VEC(struct ch_type_stat);
	struct ch_error *err;

	*ret = (struct ch_async){ .groups = CH_VEC(struct ch_async_group),
				  .steps = CH_VEC(struct ch_async_step),
				  .names = CH_VEC(char *) };
	search.plans = CH_VEC(struct async_plan);
	search.nodes = CH_VEC(struct async_node);
	search.edges = CH_VEC(struct async_edge);
	search.resolvers = CH_VEC(struct async_resolver);
	ret->known = chp_named_open(heaps, core, CH_CLASS_LIBRARY_DOTNET, &search.named);
	err = ret->known ? make_plans(&search, &types) : NULL;
	filter.types = types.items;
	filter.types_count = types.count;
	if (!err && types.count)
		err = chp_heaps_walk_where(heaps, &filter, take_objects, &search);
	if (!err)
		err = add_others(&search);
	if (!err)
		err = chp_async_sum_up(&search);
	ch_vec_deinit(&types);
	ch_vec_deinit(&search.plans);
	ch_vec_deinit(&search.nodes);
	ch_vec_deinit(&search.edges);
	ch_vec_deinit(&search.resolvers);
	return err;
}

void chp_async_deinit(struct ch_async *async)
{
	size_t i;

	for (i = 0; i < async->names.count; i++)
		free(*CH_VEC_AT(&async->names, char *, i));
	ch_vec_deinit(&async->names);
	ch_vec_deinit(&async->groups);
	ch_vec_deinit(&async->steps);
}
