/*
 * Stacks of Go code: what a frame runs, and who called it. Each function has a table that says how
 * large its frame is at each instruction, so neither frame pointers nor debug information are
 * needed. Functions of the runtime that change stacks are known by name.
 *
 * Go 1.19.8, 1.24.4 and 1.27.3, src/runtime/traceback.go: gentraceback(), and (*unwinder).next()
 * and resolveInternal(); src/runtime/asm_amd64.s and asm_arm64.s.
 */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"
#include "walkers/go/go_priv.h"

bool go_frames_owns(void *state, uint64_t addr)
{
	const struct go_code *code = &((const struct go *)state)->code;
	const struct go_module *module = go_module_at(code, addr);

	return module && module->has_table;
}

bool go_frames_code(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max)
{
	const struct go_code *code = &((const struct go *)state)->code;
	struct go_function function;
	const char *name;

	if (!go_function_at(code, addr, &function))
		return false;
	name = go_name(code, function.module, function.name);
	if (!name)
		return false;
	ret->kind = "Go";
	ret->start = function.entry;
	ret->end = function.end;
	ret->basis = CH_BASIS_RECORDED;
	snprintf(buf, max, "%s", name);
	return true;
}

bool go_frames_frame(void *state, const struct ch_walker_frame *frame, struct ch_code *ret,
		     char *buf, size_t max)
{
	const struct go_code *code = &((const struct go *)state)->code;
	const uint64_t pc = frame->regs.pc - !frame->regs.activation;
	struct go_function function;
	struct go_place place;

	if (!go_function_at(code, pc, &function) ||
	    !go_place(code, &function, pc, frame->depth, &place))
		return false;
	ret->kind = "Go";
	ret->basis = CH_BASIS_RECORDED;
	if (!place.inlined) {
		ret->start = function.entry;
		ret->end = function.end;
		ret->offset = frame->regs.pc - function.entry;
	}
	if (place.line.file) {
		snprintf(ret->source, sizeof(ret->source), "%s", chp_base_name(place.line.file));
		ret->line = place.line.line;
	}
	snprintf(buf, max, "%s", place.name);
	return true;
}

/* ---- Callers --------------------------------------------------------------------------- */

/* What the runtime's own functions do with stacks. */
enum role {
	ROLE_NONE,
	/* It goes on on the stack for the scheduler, and comes back: the goroutine's own stack
	 * has the caller. */
	ROLE_SYSTEM,
	/* The same, but what called it is where the goroutine was interrupted. */
	ROLE_GROW,
	/* The kernel or the runtime put its call where no call is: the caller was interrupted. */
	ROLE_INJECTED,
	/* The kernel calls it for a signal, and left what it interrupted on its stack. */
	ROLE_SIGNAL,
	/* It calls C on the stack for the scheduler, from a frame without bytes of its own. */
	ROLE_FOREIGN,
	/* It changes the stack, but both sides have its frame. */
	ROLE_CALLBACK,
	/* A goroutine that is on another stack seems to be in it. */
	ROLE_SWITCH,
};

static const struct {
	const char *name;
	enum role role;
} roles[] = {
	{ "runtime.systemstack", ROLE_SYSTEM },   { "runtime.morestack", ROLE_GROW },
	{ "runtime.sigpanic", ROLE_INJECTED },    { "runtime.asyncPreempt", ROLE_INJECTED },
	{ "runtime.debugCallV2", ROLE_INJECTED }, { "runtime.sigtramp", ROLE_SIGNAL },
	{ "runtime.cgocallback", ROLE_CALLBACK }, { "runtime.cgoSigtramp", ROLE_SIGNAL },
	{ "runtime.sigpanic0", ROLE_INJECTED },   { "runtime.systemstack_switch", ROLE_SWITCH },
	{ "runtime.asmcgocall", ROLE_FOREIGN },
};

static enum role role_of(const struct go_code *code, const struct go_function *function)
{
	const char *name = go_name(code, function->module, function->name);
	size_t i;

	if (!name || strncmp(name, "runtime.", 8) != 0)
		return ROLE_NONE;
	for (i = 0; i < CH_COUNT_OF(roles); i++)
		if (strcmp(name, roles[i].name) == 0)
			return roles[i].role;
	return ROLE_NONE;
}

/* The goroutine that called something on its thread's stack for the scheduler. */
static const struct go_goroutine *caller_goroutine(const struct go_code *code, uint64_t sp)
{
	const struct go_machine *machine = go_machine_at(code, sp);

	return machine && machine->current < code->goroutines.count
		       ? CH_VEC_AT(&code->goroutines, struct go_goroutine, machine->current)
		       : NULL;
}

/* A frame of its stack above the frame of the function, on amd64: the return address ends it, the
 * frame pointer that was saved lies below. On arm64 the return address begins it, and the frame
 * pointer lies below that. */
static bool leave_frame(const struct go_code *code, uint64_t sp, int32_t bytes, uint64_t fp,
			struct ch_frame_regs *ret)
{
	const struct ch_core *core = code->env.core;
	const bool links = ch_core_arch(core) == CH_ARCH_AARCH64;
	uint64_t end;

	if (bytes < 0 || !ch_add(sp, (uint32_t)bytes, &end))
		return false;
	ret->fp = fp;
	if (links) {
		/* a leaf keeps it in a register */
		if (!bytes || !ch_core_read_u64(core, sp, &ret->pc) ||
		    !ch_core_read_u64(core, sp - 8, &ret->fp))
			return false;
		ret->sp = end;
		return ret->pc != 0;
	}
	if (bytes >= 8 && !ch_core_read_u64(core, end - 8, &ret->fp))
		return false;
	ret->sp = end + 8;
	return ch_core_read_u64(core, end, &ret->pc) && ret->pc != 0;
}

/* The thread's stack for the scheduler ends: go on where the goroutine left its own. */
static bool change_stack(const struct go_code *code, const struct go_function *function,
			 const struct go_goroutine *goroutine, enum role role,
			 const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	int32_t bytes = 0;

	if (role == ROLE_GROW) {
		*ret = goroutine->saved;
	} else if ((role == ROLE_SYSTEM && !go_number(code, function, function->frame_sizes,
						      frame->pc - !frame->activation, &bytes)) ||
		   !leave_frame(code, goroutine->saved.sp, bytes, frame->fp, ret)) {
		return false;
	}
	ret->other_stack = true;
	return go_module_at(code, ret->pc) != NULL;
}

/* What C called on the goroutine's stack: below is where that went to C, which it left with the
 * first instruction of a function that does nothing for the place that it comes back to. */
static bool leave_callback(const struct go_code *code, struct ch_frame_regs *ret)
{
	struct go_function function;
	int32_t bytes;

	return !go_function_at(code, ret->pc, &function) ||
	       role_of(code, &function) != ROLE_SWITCH ||
	       (go_number(code, &function, function.frame_sizes, ret->pc, &bytes) &&
		leave_frame(code, ret->sp, bytes, ret->fp, ret));
}

bool go_frames_caller(void *state, const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	const struct go_code *code = &((const struct go *)state)->code;
	const uint64_t pc = frame->pc - !frame->activation;
	struct go_function function;
	const struct go_goroutine *goroutine;
	int32_t bytes;
	enum role role;

	if (!go_function_at(code, pc, &function))
		return false;
	role = role_of(code, &function);
	ret->by_signal = role == ROLE_SIGNAL;
	if (ret->by_signal)
		return true;
	if (function.flags & GO_FLAG_TOP)
		return true;
	if (role == ROLE_SYSTEM || role == ROLE_GROW || role == ROLE_FOREIGN) {
		goroutine = caller_goroutine(code, frame->sp);
		if (goroutine)
			return change_stack(code, &function, goroutine, role, frame, ret);
	}
	/* what is below is not known: the goroutine's call that led here is over */
	if (function.flags & GO_FLAG_SP_WRITE && role != ROLE_CALLBACK && !frame->activation)
		return true;
	ret->activation = role == ROLE_INJECTED;
	if (!go_number(code, &function, function.frame_sizes, pc, &bytes) ||
	    !leave_frame(code, frame->sp, bytes, frame->fp, ret))
		return false;
	return role != ROLE_CALLBACK || leave_callback(code, ret);
}
