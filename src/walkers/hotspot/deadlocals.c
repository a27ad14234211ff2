/*
 * Words on stacks of Java threads that hold no objects.
 *
 * Locals of methods that the interpreter runs which nobody looks at any more: what a loop left
 * in its variables, say. The JVM's collector does not take them for references, and so they hold
 * nothing (interpreter/oopMapCache.cpp, jdk-17+35): bytecode.c says which they are.
 *
 * Frames of native code. A thread that waits, or is in code that Java called, is one that
 * collections do not stop (runtime/safepoint.cpp): it has handles there, and what looks like an
 * object's address is left from before, as where ZGC moved things.
 *
 * Frames are found without the system's unwinder: a thread that left Java code has its last frame
 * there in JavaThread::_anchor, and so has each call from the JVM into Java that was under way
 * (runtime/javaCalls.hpp, JavaCallWrapper; where an entry frame has its wrapper:
 * cpu/{x86,aarch64}/frame_*.hpp). A frame that is not understood ends what is known of a thread.
 */
#include <stdlib.h>

#include "util/context.h"
#include "walkers/hotspot/bytecode.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Of a thread; of all, and bytes of code that are looked at. */
#define DEPTH_MAX  4096
#define FRAMES_MAX (1U << 18)
#define CODE_MAX   (64U << 20)

enum {
	/* From the frame pointer of the interpreter's frame, in bytes: where it has the address
	 * of local 0; from 21 on how many words above the frame pointer that is. */
	LOCALS = -56,
	/* Below locals come the return address and the frame pointer. */
	LOCALS_LOWEST = 16,
	/* As many words are no address. */
	RELATIVE_MAX = 1 << 17,
	/* Of an entry frame, in words below the frame pointer. */
	WRAPPER_X86_64 = 6,
	WRAPPER_AARCH64 = 8,
	ACC_STATIC = 8,
	/* enum JavaThreadState (utilities/globalDefinitions.hpp) */
	IN_NATIVE = 4,
	BLOCKED = 10,
};

struct visit {
	struct hs *hs;
	ch_stack_words_fn fn;
	void *arg;
	uint32_t frames;
	uint64_t code_bytes;
};

/* ---- Locals ------------------------------------------------------------------------ */

/* Behind one type of a signature; NULL: it is cut. */
static const char *skip_type(const char *c)
{
	while (*c == '[')
		c++;
	if (*c == 'L')
		while (*c && *c != ';')
			c++;
	return *c ? c + 1 : NULL;
}

/* Locals with references when a method is called: bits. False: it is not called with as many. */
static bool read_parameters(const char *signature, bool is_static, uint32_t slots, uint64_t *ret)
{
	uint32_t at = is_static ? 0 : 1;
	const char *c = signature + 1;
	uint64_t refs = at;

	if (signature[0] != '(')
		return false;
	for (; c && *c && *c != ')'; c = skip_type(c), at++) {
		if ((*c == 'L' || *c == '[') && at < HS_LOCALS_MAX)
			refs |= 1ULL << at;
		at += *c == 'J' || *c == 'D';
	}
	*ret = refs;
	return c && *c == ')' && at == slots;
}

/* Bits of the locals that have references, of a frame at bci. */
static bool find_refs(struct visit *visit, const struct hs_interpreted *frame, uint64_t *ret)
{
	const struct hs *hs = visit->hs;
	uint32_t slots, index, flags;
	char signature[HS_NAME_MAX];
	uint64_t pool, entry;
	uint8_t *codes;
	bool ok;

	visit->code_bytes += frame->size;
	if (visit->code_bytes > CODE_MAX ||
	    !hs_member_u16(hs, HS_CONST_PARAMETERS, frame->constant, &slots) ||
	    !hs_member_u16(hs, HS_CONST_SIGNATURE, frame->constant, &index) ||
	    !hs_member_u16(hs, HS_METHOD_ACCESS, frame->method, &flags) ||
	    !hs_member_ptr(hs, HS_CONST_POOL, frame->constant, &pool) ||
	    !hs_pool_text(hs, pool, index, signature, sizeof(signature)) ||
	    !read_parameters(signature, (flags & ACC_STATIC) != 0, slots, &entry))
		return false;
	codes = malloc(frame->size);
	ok = codes && ch_core_try_read(hs->core, frame->codes, codes, frame->size) &&
	     hs_bytecode_refs(codes, frame->size, frame->bci, entry, ret);
	free(codes);
	return ok;
}

/* Words of a frame's locals without references. */
static struct ch_error *tell_locals(struct visit *visit, const struct ch_frame_regs *regs,
				    const struct hs_thread *thread)
{
	const struct hs *hs = visit->hs;
	struct hs_interpreted frame;
	struct ch_error *err = NULL;
	uint64_t locals, refs, at;
	uint32_t count, i;

	if (!hs_interpreted_at(visit->hs, regs, &frame) ||
	    !hs_member_u16(hs, HS_CONST_LOCALS, frame.constant, &count) || !count ||
	    !hs_read_ptr(hs, regs->fp + (uint64_t)LOCALS, &locals))
		return NULL;
	if (locals < RELATIVE_MAX)
		locals = regs->fp + 8 * locals;
	if (locals % 8 || locals >= thread->stack_end ||
	    locals < regs->fp + LOCALS_LOWEST + 8ULL * (count - 1) ||
	    !find_refs(visit, &frame, &refs))
		return NULL;
	for (i = 0; !err && i < ch_min(count, HS_LOCALS_MAX); i++) {
		at = locals - 8ULL * i;
		if (!(refs >> i & 1))
			err = visit->fn(visit->arg, CH_WORDS_DEAD, at, at + 8);
	}
	return err;
}

/* ---- Frames ------------------------------------------------------------------------ */

/* The frame that an anchor keeps. False: it keeps none. */
static bool read_anchor(const struct hs *hs, uint64_t anchor, struct ch_frame_regs *ret)
{
	*ret = (struct ch_frame_regs){ .activation = false };
	if (!hs_member_ptr(hs, HS_ANCHOR_SP, anchor, &ret->sp) || !ret->sp)
		return false;
	if (!hs_member_ptr(hs, HS_ANCHOR_FP, anchor, &ret->fp))
		ret->fp = 0;
	return (hs_member_ptr(hs, HS_ANCHOR_PC, anchor, &ret->pc) && ret->pc) ||
	       hs_read_ptr(hs, ret->sp - 8, &ret->pc);
}

/* Where a thread is in Java, or was last. */
static bool first_frame(struct hs *hs, const struct hs_thread *thread, struct ch_frame_regs *ret)
{
	uint64_t anchor = hs_member_addr(hs, HS_THREAD_ANCHOR, thread->addr);
	const struct ch_thread *threads;
	size_t count, i;

	if (anchor && read_anchor(hs, anchor, ret))
		return true;
	threads = ch_core_threads(hs->core, &count);
	for (i = 0; i < count; i++) {
		if (threads[i].sp < thread->stack_start || threads[i].sp >= thread->stack_end)
			continue;
		*ret = (struct ch_frame_regs){ .pc = threads[i].pc,
					       .sp = threads[i].sp,
					       .fp = threads[i].fp,
					       .activation = true };
		return true;
	}
	return false;
}

/* What a thread has on its stack since it left Java, if collections do not wait for it. */
static struct ch_error *tell_native(struct visit *visit, const struct hs_thread *thread)
{
	uint64_t anchor = hs_member_addr(visit->hs, HS_THREAD_ANCHOR, thread->addr);
	struct ch_frame_regs regs;
	uint32_t state;

	if (!hs_member_u32(visit->hs, HS_THREAD_STATE, thread->addr, &state) ||
	    (state != IN_NATIVE && state != BLOCKED) || !anchor ||
	    !read_anchor(visit->hs, anchor, &regs) || regs.sp <= thread->stack_start ||
	    regs.sp > thread->stack_end)
		return NULL;
	return visit->fn(visit->arg, CH_WORDS_NATIVE, thread->stack_start, regs.sp);
}

/* From where the JVM called Java to where it had left it before. */
static bool leave_entry(const struct hs *hs, struct ch_frame_regs *regs)
{
	const uint64_t words =
		ch_core_arch(hs->core) == CH_ARCH_X86_64 ? WRAPPER_X86_64 : WRAPPER_AARCH64;
	uint64_t wrapper, anchor;

	if (!regs->fp || !hs_read_ptr(hs, regs->fp - 8 * words, &wrapper))
		return false;
	anchor = hs_member_addr(hs, HS_WRAPPER_ANCHOR, wrapper);
	return anchor && read_anchor(hs, anchor, regs);
}

static struct ch_error *visit_thread(struct visit *visit, const struct hs_thread *thread)
{
	struct ch_frame_regs regs, caller;
	struct ch_error *err = NULL;
	struct hs_blob blob;
	uint64_t stub, sp = 0;
	uint32_t depth;

	err = tell_native(visit, thread);
	if (err || !hs_member_ptr(visit->hs, HS_CALL_STUB_RETURN, 0, &stub) ||
	    !first_frame(visit->hs, thread, &regs))
		return err;
	for (depth = 0; !err && depth < DEPTH_MAX && visit->frames < FRAMES_MAX; depth++) {
		visit->frames++;
		if (regs.sp <= sp || regs.sp < thread->stack_start || regs.sp >= thread->stack_end)
			break;
		sp = regs.sp;
		if (!regs.activation && regs.pc == stub) {
			if (!leave_entry(visit->hs, &regs))
				break;
			continue;
		}
		if (hs_blob_at(visit->hs, regs.pc - !regs.activation, &blob) && blob.interpreter)
			err = tell_locals(visit, &regs, thread);
		caller = (struct ch_frame_regs){ .activation = false };
		if (!hs_frame_caller(visit->hs, &regs, &caller))
			break;
		regs = caller;
	}
	return err;
}

struct ch_error *hs_stack_words(void *state, ch_stack_words_fn fn, void *arg)
{
	struct visit visit = { .hs = state, .fn = fn, .arg = arg };
	const struct hs_thread *threads;
	struct ch_error *err = NULL;
	size_t i;

	/* 8 has other bytecodes of its own */
	if (visit.hs->members[HS_CODE_HEAP].found)
		return NULL;
	hs_thread_at(visit.hs, 0);
	threads = visit.hs->threads.items;
	for (i = 0; !err && i < visit.hs->threads.count; i++) {
		err = visit_thread(&visit, &threads[i]);
		if (!err)
			err = chp_context_check(visit.hs->env->ctx);
	}
	return err;
}
