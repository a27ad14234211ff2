/*
 * Objects of runtimes that registers and stacks of threads lead to.
 */
#include "analysis/stackobjects.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/vec.h"

/* Bytes of a stack that are looked at. */
#define STACK_BYTES_MAX (1ULL << 30)

/* A word of a thread that is the address of an object. */
struct found {
	uint64_t object, at, bytes;
	uint32_t type;
	/* Of a register: its number plus one. */
	uint32_t reg;
};

struct job {
	struct ch_core *core;
	struct ch_heaps *heaps;
	ch_stackobject_fn fn;
	void *arg;
	uint64_t threads_count;
	/* of struct found: of the thread at hand */
	struct ch_vec found;
};

static struct ch_error *take_word(struct job *job, uint64_t word, uint64_t at, uint32_t reg)
{
	struct ch_inspected inspected;
	struct ch_object object;
	struct found *slot;

	if (!word || word % 8 || !ch_heaps_object_at(job->heaps, word, &object) ||
	    object.addr != word || object.state != CH_OBJECT_USED || !object.key ||
	    !chp_heaps_span_inspector(job->heaps, object.span, &inspected))
		return NULL;
	slot = ch_vec_push(&job->found);
	if (!slot)
		return &ch_enomem;
	*slot = (struct found){ word, at, object.chunk_bytes, object.type, reg };
	return NULL;
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if ((x->reg != 0) != (y->reg != 0))
		return x->reg ? -1 : 1;
	return x->at != y->at ? x->at < y->at ? -1 : 1 : (x->reg > y->reg) - (x->reg < y->reg);
}

static int compare_places(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if ((x->reg != 0) != (y->reg != 0))
		return x->reg ? -1 : 1;
	if (x->reg != y->reg)
		return x->reg < y->reg ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Each object of a thread once, where it is first. */
static struct ch_error *put_thread(struct job *job, uint32_t tid)
{
	struct found *rows = job->found.items;
	struct ch_error *err = NULL;
	struct ch_type type;
	char where[32];
	size_t i, kept;

	ch_vec_sort(&job->found, compare_found);
	for (i = kept = 0; i < job->found.count; i++)
		if (!kept || rows[kept - 1].object != rows[i].object)
			rows[kept++] = rows[i];
	job->found.count = kept;
	ch_vec_sort(&job->found, compare_places);
	for (i = 0; !err && i < kept; i++) {
		err = ch_heaps_type(job->heaps, rows[i].type, &type);
		if (err)
			break;
		if (rows[i].reg)
			snprintf(where, sizeof(where), "%s",
				 ch_arch_reg_name(ch_core_arch(job->core), rows[i].reg - 1));
		else
			snprintf(where, sizeof(where), "0x%llx", (unsigned long long)rows[i].at);
		const struct ch_stackobject_row row = { tid, where, rows[i].object, rows[i].bytes,
							type.name };
		err = job->fn(job->arg, &row);
	}
	job->threads_count += kept != 0;
	job->found.count = 0;
	return err;
}

static struct ch_error *take_stack(struct job *job, const struct ch_thread_stack *stack)
{
	uint64_t at = ch_align_up(stack->sp, 8), end, word;
	struct ch_error *err = NULL;

	end = stack->end > at ? at + ch_min(stack->end - at, STACK_BYTES_MAX) : at;
	for (; !err && at + 8 <= end; at += 8) {
		if (ch_core_read_u64(job->core, at, &word))
			err = take_word(job, word, at, 0);
		if (!err && at % (1U << 20) == 0)
			err = chp_context_check(ch_core_context(job->core));
	}
	return err;
}

static struct ch_error *take_thread(struct job *job, struct ch_map *map,
				    const struct ch_thread *thread, size_t index)
{
	const struct ch_thread_stack *stacks;
	struct ch_error *err = NULL;
	struct ch_thread_stack stack;
	size_t count, i;
	uint32_t k;

	for (k = 0; !err && k < thread->regs_count; k++)
		err = take_word(job, thread->regs[k], 0, k + 1);
	stacks = ch_map_thread_stacks(map, &count);
	for (i = 0; !err && i < count; i++) {
		if (stacks[i].thread != index)
			continue;
		stack = ch_heaps_stack(job->heaps, &stacks[i]);
		err = take_stack(job, &stack);
	}
	return err ? err : put_thread(job, thread->tid);
}

struct ch_error *chp_stackobjects(struct ch_session *session, uint64_t tid, ch_stackobject_fn fn,
				  void *arg, uint64_t *threads_ret)
{
	struct job job = { .core = ch_session_core(session),
			   .fn = fn,
			   .arg = arg,
			   .found = CH_VEC(struct found) };
	const struct ch_thread *threads;
	struct ch_error *err;
	struct ch_map *map;
	bool any = false;
	size_t count, i;

	err = ch_session_heaps(session, &job.heaps);
	if (!err)
		err = ch_session_map(session, &map);
	threads = ch_core_threads(job.core, &count);
	for (i = 0; !err && i < count; i++) {
		if (tid && threads[i].tid != tid)
			continue;
		any = true;
		err = take_thread(&job, map, &threads[i], i);
	}
	if (!err && tid && !any)
		err = ch_error_create(CH_ERROR_ARG, "--thread: the core has no thread %llu",
				      (unsigned long long)tid);
	*threads_ret = job.threads_count;
	ch_vec_deinit(&job.found);
	return err;
}
