/*
 * Objects that wait for their finalizers or cleaners, and what the thread does that should run
 * these.
 */
#include <inttypes.h>
#include <stdio.h>

#include "analysis/suspects.h"
#include "heap/locks.h"
#include "heap/type_table.h"
#include "util/bytes.h"
#include "util/number.h"

/* A collection puts what it found dead into the queue at once; a thread that is not held up has
 * that many done in milliseconds. */
#define BACKLOG_MIN 1000
/* What makes a suspect where the thread is not in a finalizer of the program's. */
#define SIZE_MIN (1ULL << 20)
#define SHARE    10

struct looking {
	struct ch_suspecting *suspecting;
	struct ch_graph *graph;
	const struct ch_retained *retained;
	/* By id of a node. */
	const uint32_t *types;
};

/* What would go away with the objects: none of them holds another one alone, for the queue holds
 * each. */
static uint64_t retained_bytes(const struct looking *looking, const struct ch_queue *queue)
{
	const uint64_t *objects = queue->objects.items;
	struct ch_retained_row row;
	uint64_t bytes = 0;
	uint32_t id;
	size_t i;

	for (i = 0; i < queue->objects.count; i++) {
		id = ch_graph_node_at(looking->graph, objects[i]);
		if (id != CH_ID_NONE && ch_retained_row(looking->retained, id, &row))
			bytes += row.retained_bytes;
	}
	return bytes;
}

static struct ch_error *name_types(const struct looking *looking, const struct ch_queue *queue,
				   struct ch_suspect *suspect)
{
	struct ch_error *err = NULL;
	uint32_t type;
	size_t i;

	for (i = 0; !err && i < queue->types_count && suspect->types_count < CH_SUSPECT_TYPES;
	     i++) {
		if (!queue->types[i].key)
			continue;
		type = chp_type_of(looking->suspecting->heaps, queue->walker, queue->types[i].key);
		err = type ? chp_suspect_type(looking->suspecting, suspect, type,
					      queue->types[i].count, 0)
			   : &ch_enomem;
	}
	return err;
}

static struct ch_error *take(void *arg, const struct ch_queue *queue)
{
	const struct looking *looking = arg;
	struct ch_suspect suspect = { .rule = CH_RULE_FINALIZER_BACKLOG,
				      .count = queue->count,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = queue->types[0].sample };
	const struct ch_measured *sums = looking->suspecting->sums;
	char count[CH_BYTES_TEXT_MAX], most[CH_BYTES_TEXT_MAX], method[512] = "", tid[64] = "";
	struct ch_error *err = NULL;

	if (queue->count < BACKLOG_MIN)
		return NULL;
	if (queue->tid) {
		snprintf(tid, sizeof(tid), "; the thread for that, %" PRIu32 ", is in ",
			 queue->tid);
		err = chp_suspect_method(looking->suspecting, queue->tid, method, sizeof(method));
	}
	if (err)
		return err;
	suspect.bytes = retained_bytes(looking, queue);
	/* one that waits for work has just been given it */
	if ((!method[0] || chp_heaps_is_library(looking->suspecting->heaps, method)) &&
	    !chp_suspect_is(suspect.bytes, SIZE_MIN, SHARE, sums->used_bytes))
		return NULL;
	err = name_types(looking, queue, &suspect);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "queue_count", queue->count);
	chp_suspect_fact(&suspect, "looked_at_count", queue->looked_at);
	chp_suspect_fact(&suspect, "thread_tid", queue->tid);
	chp_suspect_next(&suspect, "threads", 0);
	return chp_suspect_take(looking->suspecting, &suspect, sums->used_bytes,
				"%s objects are dead and wait for their %s; %s of them %s%s%s",
				chp_count_text(queue->count, count), queue->kind,
				chp_count_text(queue->types[0].count, most),
				suspect.types_count ? suspect.types[0].name : "of a type not known",
				method[0] ? tid : "", method);
}

static bool is_one_of(const uint32_t *types, size_t count, uint32_t type)
{
	size_t i;

	for (i = 0; i < count && types[i] != type; i++)
		;
	return i < count;
}

/* Nodes of some types, by what is known of all. */
static struct ch_error *find_nodes(void *arg, const uint32_t *types, size_t count, ch_objects_fn fn,
				   void *fn_arg)
{
	const struct looking *looking = arg;
	struct ch_object object = { .state = CH_OBJECT_USED };
	uint32_t objects = ch_graph_objects_count(looking->graph), id;
	struct ch_error *err = NULL;

	for (id = 0; !err && count && id < objects; id++) {
		object.type = looking->types[id];
		if (!object.type || !is_one_of(types, count, object.type))
			continue;
		object.addr = ch_graph_addr(looking->graph, id);
		object.key = chp_type_key(looking->suspecting->heaps, object.type);
		err = fn(fn_arg, &object, 1);
	}
	return err;
}

struct ch_error *chp_suspects_queues(struct ch_suspecting *suspecting, struct ch_graph *graph,
				     const struct ch_retained *retained, const uint32_t *types)
{
	struct looking looking = { suspecting, graph, retained, types };
	const struct ch_type_finder finder = { find_nodes, &looking };
	struct ch_error *err;

	chp_heaps_use_finder(suspecting->heaps, &finder);
	err = chp_heaps_queues(suspecting->heaps, take, &looking);
	chp_heaps_use_finder(suspecting->heaps, NULL);
	return err;
}
