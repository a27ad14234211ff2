/*
 * Which words of goroutines' stacks are pointers, as the collector has it: the linker has a map for
 * each place where a goroutine may stop, of the arguments and of the locals of the function. What
 * lies below the stack pointer, and what no map marks, holds nothing alive. A goroutine that runs,
 * or that was interrupted where it did not ask to be, has no map for where it stands: of such all
 * words count. So do variables whose address was taken.
 *
 * src/runtime/stkframe.go, getStackMap(), and src/runtime/traceback.go, Go 1.19.8, 1.24.4, 1.27.3:
 * amd64, where a return address and a saved frame pointer lie above the locals.
 */
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/go/go_priv.h"

/* Stacks of Go are at most 1 GB; larger ones than this are not looked into. */
#define STACK_BYTES_MAX (64ULL << 20)
#define FRAMES_MAX      (1U << 20)
/* A word of a map is a word of a frame. */
#define MAP_BITS_MAX (1U << 20)
#define OBJECTS_MAX  4096U
/* Variables that live at different times share words; more often than so many is not believed. */
#define SHARED_MAX 64U
/* Of a function whose arguments are not known, words of its caller that may be such. */
#define ARGUMENTS_BYTES_MAX 65536U
/* struct stackObjectRecord. */
#define OBJECT_BYTES 16U

/* One stack: a bit for each word that may be a pointer. */
struct marks {
	struct go *go;
	uint64_t start, end;
	uint8_t *bits;
};

static void mark(struct marks *marks, uint64_t start, uint64_t end)
{
	uint64_t at;

	start = ch_max(start, marks->start);
	for (at = ch_align_down(start, 8); at < end && at < marks->end; at += 8)
		marks->bits[(at - marks->start) / 64] |=
			(uint8_t)(1U << (at - marks->start) / 8 % 8);
}

/* Mark what a map of a function says of words from where on, or that end there. False: it has no
 * such map, and the frame is to be taken as a whole. */
static bool mark_map(struct marks *marks, uint64_t map, int32_t index, uint64_t at, bool ends)
{
	const struct ch_core *core = marks->go->env.core;
	uint32_t count, bits, i;
	uint64_t bytes;
	uint8_t byte = 0;

	if (!ch_core_read_u32(core, map, &count) || !ch_core_read_u32(core, map + 4, &bits) ||
	    bits > MAP_BITS_MAX)
		return false;
	if (!bits)
		return true;
	if (index < 0 || (uint32_t)index >= count || (ends && at < marks->start + 8ULL * bits))
		return false;
	bytes = map + 8 + (uint64_t)(uint32_t)index * ((bits + 7) / 8);
	at -= ends ? 8ULL * bits : 0;
	for (i = 0; i < bits; i++) {
		if (i % 8 == 0 && !ch_core_try_read(core, bytes + i / 8, &byte, 1))
			return false;
		if (byte >> i % 8 & 1)
			mark(marks, at + 8ULL * i, at + 8ULL * i + 8);
	}
	return true;
}

/* Variables whose address was taken: offsets are from the end of locals, or from arguments. They
 * lie in the frame, from sp on, or in its arguments. */
static bool mark_objects(struct marks *marks, uint64_t list, uint64_t sp, uint64_t locals_end,
			 uint64_t arguments, uint64_t end)
{
	uint64_t left = SHARED_MAX * (end - sp), count, i, at;
	uint8_t record[OBJECT_BYTES];
	uint32_t bytes;
	int32_t offset;

	if (!ch_core_read_u64(marks->go->env.core, list, &count) || count > OBJECTS_MAX)
		return false;
	for (i = 0; i < count; i++) {
		if (!ch_core_try_read(marks->go->env.core, list + 8 + OBJECT_BYTES * i, record,
				      sizeof(record)))
			return false;
		offset = (int32_t)ch_get32(record);
		bytes = ch_get32(record + 4);
		at = (offset < 0 ? locals_end : arguments) + (uint64_t)(int64_t)offset;
		if (at < sp || at > end || bytes > end - at || bytes > left)
			return false;
		left -= bytes;
		mark(marks, at, at + bytes);
	}
	return true;
}

/* A frame from sp to where its caller's begins. False: there is no map for it; function is filled,
 * or zeros. */
static bool mark_frame(struct marks *marks, const struct ch_frame_regs *frame, uint64_t next_sp,
		       struct go_function *ret)
{
	const struct go_code *code = &marks->go->code;
	const uint64_t pc = frame->pc - !frame->activation;
	uint64_t locals_end, map;
	int32_t index, bytes;

	*ret = (struct go_function){ .entry = 0 };
	if (!go_function_at(code, pc, ret) || !go_number(code, ret, ret->frame_sizes, pc, &bytes) ||
	    bytes < 0 || frame->sp + (uint32_t)bytes + 8 != next_sp)
		return false;
	locals_end = next_sp - 8;
	if (locals_end > frame->sp)
		locals_end -= 8;
	index = frame->pc == ret->entry ? 0 : go_stack_map_index(code, ret, pc);
	if (index < 0)
		index = 0;
	map = go_data(code, ret, GO_DATA_LOCALS);
	if (locals_end > frame->sp && (!map || !mark_map(marks, map, index, locals_end, true)))
		return false;
	map = go_data(code, ret, GO_DATA_ARGUMENTS);
	if (ret->arguments_bytes && (!map || !mark_map(marks, map, index, next_sp, false)))
		return false;
	map = go_data(code, ret, GO_DATA_OBJECTS);
	return !map || mark_objects(marks, map, frame->sp, locals_end, next_sp,
				    next_sp + ret->arguments_bytes);
}

/* Whether the goroutine's frames are where maps are for: it waits, or asked to be scheduled. */
static bool has_maps(const struct go_goroutine *goroutine)
{
	return goroutine->state == GO_WAITING || goroutine->state == GO_RUNNABLE ||
	       goroutine->state == GO_SYSCALL || goroutine->state == GO_LEAKED;
}

/* Mark frames from the one where it stands on; returns up to where words are known. */
static uint64_t mark_frames(struct marks *marks, const struct go_goroutine *goroutine)
{
	struct ch_frame_regs frame = goroutine->at, next;
	struct go_function function;
	uint64_t known = frame.sp;
	uint32_t i;

	for (i = 0; i < FRAMES_MAX; i++) {
		next = (struct ch_frame_regs){ .pc = 0 };
		if (!go_frames_caller(marks->go, &frame, &next) || next.other_stack ||
		    next.by_signal || next.activation)
			return known;
		if (!next.pc || next.sp <= frame.sp || next.sp > marks->end)
			return known;
		if (!mark_frame(marks, &frame, next.sp, &function))
			mark(marks, frame.sp,
			     next.sp + ch_min(function.arguments_bytes, ARGUMENTS_BYTES_MAX));
		known = next.sp;
		frame = next;
	}
	return known;
}

/* Where words of a goroutine's stack begin to count: it waits where it says; of one that runs its
 * thread's stack pointer says so, which the graph looks at itself. */
static uint64_t first_word(const struct go *go, const struct go_goroutine *goroutine)
{
	const struct go_range *stack = &goroutine->stack;
	const struct ch_thread *threads;
	const struct go_machine *machine;
	uint64_t sp = goroutine->at.sp;
	size_t count, i;

	threads = ch_core_threads(go->env.core, &count);
	for (i = 0; goroutine->state == GO_RUNNING && i < go->code.machines.count; i++) {
		machine = CH_VEC_AT(&go->code.machines, struct go_machine, i);
		if (machine->thread < count && threads[machine->thread].sp >= stack->start &&
		    threads[machine->thread].sp < stack->end)
			return stack->end;
	}
	return sp >= stack->start && sp < stack->end && sp % 8 == 0 ? sp : stack->start;
}

static struct ch_error *tell(const struct marks *marks, size_t index, go_stack_fn fn, void *arg)
{
	struct ch_error *err = NULL;
	uint64_t at, word;

	for (at = marks->start; !err && at < marks->end; at += 8) {
		word = (at - marks->start) / 8;
		if (marks->bits[word / 8] >> word % 8 & 1)
			err = fn(arg, index, at);
	}
	return err;
}

/* Bytes of the stack that a goroutine uses; 0: it has none, or none that is believed. */
static uint64_t stack_bytes(const struct go_goroutine *goroutine)
{
	const struct go_range *stack = &goroutine->stack;

	if (goroutine->state == GO_DEAD || goroutine->state == GO_DEAD_EXTRA ||
	    goroutine->state == GO_IDLE || stack->start % 8 || stack->start >= stack->end ||
	    stack->end - stack->start > STACK_BYTES_MAX)
		return 0;
	return stack->end - stack->start;
}

static struct ch_error *look_at(struct go *go, size_t index, go_stack_fn fn, void *arg)
{
	const struct go_goroutine *goroutine =
		CH_VEC_AT(&go->code.goroutines, struct go_goroutine, index);
	const struct go_range *stack = &goroutine->stack;
	struct marks marks = { .go = go, .start = stack->start, .end = stack->end };
	struct ch_error *err;
	uint64_t from;

	if (!stack_bytes(goroutine))
		return NULL;
	marks.bits = calloc((stack->end - stack->start) / 64 + 1, 1);
	if (!marks.bits)
		return &ch_enomem;
	from = first_word(go, goroutine);
	if (from == goroutine->at.sp && has_maps(goroutine) &&
	    ch_core_arch(go->env.core) == CH_ARCH_X86_64)
		from = mark_frames(&marks, goroutine);
	/* what no map is for */
	mark(&marks, from, stack->end);
	err = tell(&marks, index, fn, arg);
	free(marks.bits);
	return err;
}

/* Stacks do not overlap, so all of them have no more bytes than there is memory. */
static uint64_t stacks_bytes_max(const struct go *go)
{
	const struct ch_core_stats *stats = ch_core_stats(go->env.core);

	return ch_min(stats->mapped_bytes, STACK_BYTES_MAX + 4 * stats->present_bytes);
}

struct ch_error *go_stack_words(struct go *go, go_stack_fn fn, void *arg)
{
	uint64_t left = stacks_bytes_max(go), bytes;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < go->code.goroutines.count; i++) {
		bytes = stack_bytes(CH_VEC_AT(&go->code.goroutines, struct go_goroutine, i));
		if (bytes > left) {
			chp_context_finding(go->env.ctx, chp_blame(&go->env), "go-stacks-overlap",
					    "stacks of goroutines overlap: %zu of %zu were not "
					    "looked at",
					    go->code.goroutines.count - i,
					    go->code.goroutines.count);
			return NULL;
		}
		left -= bytes;
		err = look_at(go, i, fn, arg);
		if (!err)
			err = chp_context_check(go->env.ctx);
	}
	return err;
}
