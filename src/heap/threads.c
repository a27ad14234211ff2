/*
 * What runtimes know of threads: their stacks, the code in their frames, their names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/heap_priv.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

/* "" when memory is short, which is told: that a runtime knows the code is true all the same. */
static void escape(const struct ch_heaps *heaps, const char *text, char *buf, size_t max)
{
	_cleanup_free_ char *escaped = chp_text_escape(text, max - 1);

	if (!escaped)
		chp_context_no_memory(heaps->env.ctx);
	snprintf(buf, max, "%s", escaped ? escaped : "");
}

bool ch_heaps_code_at(struct ch_heaps *heaps, uint64_t addr, struct ch_code *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	char name[sizeof(ret->name)];
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		if (!opened[i].runtime->code ||
		    !opened[i].runtime->code(opened[i].state, addr, ret, name, sizeof(name)))
			continue;
		ret->offset = ret->start ? addr - ret->start : 0;
		ret->source[0] = '\0';
		ret->line = 0;
		escape(heaps, name, ret->name, sizeof(ret->name));
		return true;
	}
	return false;
}

bool ch_heaps_frame_code(struct ch_heaps *heaps, const struct ch_frame *frame, bool is_top,
			 uint32_t depth, struct ch_code *ret)
{
	const struct ch_walker_frame asked = {
		.regs = { .pc = frame->pc, .sp = frame->sp, .fp = frame->fp, .activation = is_top },
		.depth = depth
	};
	const struct ch_opened *opened = heaps->opened.items;
	char name[sizeof(ret->name)], source[sizeof(ret->source)];
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		if (!opened[i].runtime->frame)
			continue;
		*ret = (struct ch_code){ .basis = CH_BASIS_DERIVED };
		if (!opened[i].runtime->frame(opened[i].state, &asked, ret, name, sizeof(name)))
			continue;
		snprintf(source, sizeof(source), "%s", ret->source);
		escape(heaps, source, ret->source, sizeof(ret->source));
		escape(heaps, name, ret->name, sizeof(ret->name));
		return true;
	}
	/* A return address may be the first byte of what comes behind. */
	if (depth || !ch_heaps_code_at(heaps, frame->pc - !is_top, ret))
		return false;
	ret->offset += !is_top;
	return true;
}

/* ---- Stacks -------------------------------------------------------------------- */

static bool find_caller(void *arg, const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	const struct ch_heaps *heaps = arg;
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->caller &&
		    opened[i].runtime->caller(opened[i].state, frame, ret))
			return true;
	return false;
}

bool chp_heaps_owns_code(const struct ch_heaps *heaps, uint64_t addr)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->owns && opened[i].runtime->owns(opened[i].state, addr))
			return true;
	return false;
}

static bool owns(void *arg, uint64_t pc)
{
	return chp_heaps_owns_code(arg, pc);
}

struct ch_error *ch_heaps_unwind(struct ch_heaps *heaps, size_t thread_index,
				 struct ch_frame *frames, size_t max, size_t *count_ret,
				 const char **end_ret)
{
	const struct ch_frame_source source = { find_caller, owns, heaps };
	struct ch_unwound unwound = { .frames = frames, .max = max };
	struct ch_error *err;

	err = chp_sym_unwind_with(heaps->env.sym, &source, thread_index, &unwound);
	if (err)
		return err;
	*count_ret = unwound.count;
	*end_ret = unwound.end;
	return NULL;
}

/* ---- Goroutines ---------------------------------------------------------------- */

/* Who asks for them, with the name of the runtime. */
struct asked {
	const char *runtime;
	ch_goroutines_fn fn;
	void *arg;
};

static struct ch_error *name_runtime(void *arg, const struct ch_goroutine *goroutine)
{
	const struct asked *asked = arg;
	struct ch_goroutine named = *goroutine;

	named.runtime = asked->runtime;
	return asked->fn(asked->arg, &named);
}

struct ch_error *ch_heaps_goroutines(struct ch_heaps *heaps, ch_goroutines_fn fn, void *arg)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	struct asked asked = { NULL, fn, arg };
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->goroutines)
			continue;
		asked.runtime = opened[i].walker->name;
		err = opened[i].runtime->goroutines(opened[i].state, name_runtime, &asked);
	}
	return err;
}

bool chp_heaps_said(struct ch_heaps *heaps, const struct ch_said *said, struct ch_last_words *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->said && opened[i].runtime->said(opened[i].state, said, ret))
			return true;
	return false;
}

struct ch_error *chp_heaps_set_timers(struct ch_heaps *heaps, ch_set_timer_fn fn, void *arg)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++)
		if (opened[i].runtime->set_timers)
			err = opened[i].runtime->set_timers(opened[i].state, fn, arg);
	return err;
}

struct ch_error *chp_heaps_find_stuck(struct ch_heaps *heaps)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++)
		if (opened[i].runtime->find_stuck)
			err = opened[i].runtime->find_stuck(opened[i].state);
	return err;
}

/* Frames of a thread that lie on the stack of the goroutine that it runs. */
static size_t keep_own(const struct ch_goroutine *goroutine, struct ch_frame *frames, size_t count)
{
	size_t i, kept = 0;

	for (i = 0; i < count; i++)
		if (frames[i].sp >= goroutine->stack_start && frames[i].sp <= goroutine->stack_end)
			frames[kept++] = frames[i];
	return kept;
}

struct ch_error *ch_heaps_unwind_goroutine(struct ch_heaps *heaps,
					   const struct ch_goroutine *goroutine,
					   struct ch_frame *frames, size_t max, size_t *count_ret,
					   const char **end_ret)
{
	const struct ch_frame_source source = { find_caller, owns, heaps };
	const struct ch_frame_regs from = { .pc = goroutine->pc,
					    .sp = goroutine->sp,
					    .fp = goroutine->fp,
					    .activation = goroutine->at_start };
	struct ch_unwound unwound = { .frames = frames, .max = max };
	struct ch_error *err;

	if (goroutine->on_thread)
		err = chp_sym_unwind_with(heaps->env.sym, &source, goroutine->thread_index,
					  &unwound);
	else
		err = chp_sym_unwind_at(heaps->env.sym, &source, &from, &unwound);
	if (err)
		return err;
	*count_ret =
		goroutine->on_thread ? keep_own(goroutine, frames, unwound.count) : unwound.count;
	*end_ret = unwound.end;
	return NULL;
}

/* ---- Threads ------------------------------------------------------------------- */

bool ch_heaps_thread(struct ch_heaps *heaps, size_t thread_index, struct ch_thread_info *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		*ret = (struct ch_thread_info){ .number = 0 };
		if (!opened[i].runtime->thread ||
		    !opened[i].runtime->thread(opened[i].state, thread_index, ret))
			continue;
		ret->runtime = opened[i].walker->name;
		return true;
	}
	return false;
}

struct ch_thread_stack ch_heaps_stack(struct ch_heaps *heaps, const struct ch_thread_stack *stack)
{
	struct ch_thread_stack ret = *stack;
	struct ch_object object;

	if (!ret.end && ch_heaps_object_at(heaps, ret.sp, &object) &&
	    object.state == CH_OBJECT_USED && ret.sp >= object.addr) {
		ret.start = object.addr;
		ret.end = object.addr + object.size_bytes;
	}
	return ret;
}

bool ch_heaps_stack_at(struct ch_heaps *heaps, uint64_t addr, struct ch_thread_stack *ret)
{
	const struct ch_thread_stack *known = ch_map_stack_at(heaps->env.map, addr), *stacks;
	size_t count, i;

	if (known) {
		*ret = *known;
		return true;
	}
	stacks = ch_map_thread_stacks(heaps->env.map, &count);
	for (i = 0; i < count; i++) {
		*ret = ch_heaps_stack(heaps, &stacks[i]);
		if (addr >= ret->start && addr < ret->end)
			return true;
	}
	return false;
}

const char *ch_exception_found_name(enum ch_exception_found found)
{
	static const char *const names[] = { "last-thrown", "announced", "pending", "on-stack" };

	return names[found];
}

bool ch_heaps_thrown(struct ch_heaps *heaps, size_t thread_index, uint32_t depth,
		     struct ch_exception *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		*ret = (struct ch_exception){ .addr = 0 };
		if (!opened[i].runtime->thrown ||
		    !opened[i].runtime->thrown(opened[i].state, thread_index, depth, ret))
			continue;
		ret->runtime = opened[i].walker->name;
		return true;
	}
	return false;
}
