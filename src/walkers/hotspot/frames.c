/*
 * Frames of Java code. Compiled methods and most stubs have frames of a size that their
 * blob tells, and no frame pointer; the interpreter has frame pointers, and the method
 * that it runs in a word below.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot: cpu/x86/frame_x86.{hpp,inline.hpp},
 * cpu/aarch64/frame_aarch64.hpp (the same numbers), share/code/codeBlob.hpp; JDK 8 has
 * no mirror in the frame, which makes the words below one less.
 */
#include <stdio.h>
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

enum {
	/* From the frame pointer, in bytes: frame::link_offset, return_addr_offset,
	 * sender_sp_offset. */
	LINK = 0,
	RETURN_ADDR = 8,
	SENDER_SP = 16,
	/* Below it: frame::interpreter_frame_{sender_sp,method,bcp}_offset. */
	INTERPRETER_SENDER_SP = 8,
	INTERPRETER_METHOD = 24,
	INTERPRETER_BCP = 64,
	INTERPRETER_BCP_8 = 56,
};

/* Whether something can return there: the unwinder looks closer. */
static bool is_return(const struct hs *hs, uint64_t addr)
{
	const struct ch_segment *segment = addr ? ch_core_segment_at(hs->core, addr - 1) : NULL;

	return segment && segment->flags & CH_SEGMENT_EXEC;
}

/* The Method that a frame of the interpreter runs; 0: that is none. */
static uint64_t interpreted_method(const struct hs *hs, uint64_t fp)
{
	uint64_t method, constant, pool;

	if (fp % 8 || !hs_read_ptr(hs, fp - INTERPRETER_METHOD, &method) || method % 8 ||
	    !hs_member_ptr(hs, HS_METHOD_CONST, method, &constant) ||
	    !hs_member_ptr(hs, HS_CONST_POOL, constant, &pool) || !pool)
		return 0;
	return method;
}

static bool leave_interpreter(const struct hs *hs, const struct ch_frame_regs *frame,
			      struct ch_frame_regs *ret)
{
	uint64_t sender_sp;

	if (frame->fp < frame->sp || !interpreted_method(hs, frame->fp) ||
	    !hs_read_ptr(hs, frame->fp + LINK, &ret->fp) ||
	    !hs_read_ptr(hs, frame->fp + RETURN_ADDR, &ret->pc) ||
	    !hs_read_ptr(hs, frame->fp - INTERPRETER_SENDER_SP, &sender_sp))
		return false;
	/* Behind the arguments, where the caller had any: what a compiled caller's frame
	 * is counted from. */
	ret->sp = sender_sp % 8 || sender_sp < frame->fp + SENDER_SP ? frame->fp + SENDER_SP
								     : sender_sp;
	return is_return(hs, ret->pc);
}

/* The frame is whole: its size leads to the caller. */
static bool leave_frame(const struct hs *hs, const struct hs_blob *blob,
			const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	if (!blob->frame_bytes || !ch_add(frame->sp, blob->frame_bytes, &ret->sp) ||
	    !hs_read_ptr(hs, ret->sp - 8, &ret->pc) || !hs_read_ptr(hs, ret->sp - 16, &ret->fp))
		return false;
	return is_return(hs, ret->pc);
}

/* It is not made yet, or no more: the return address is on top, or below the caller's
 * frame pointer. */
static bool leave_edge(const struct hs *hs, const struct ch_frame_regs *frame,
		       struct ch_frame_regs *ret)
{
	ret->sp = frame->sp + 8;
	ret->fp = frame->fp;
	if (hs_read_ptr(hs, frame->sp, &ret->pc) && is_return(hs, ret->pc))
		return true;
	ret->sp = frame->sp + 16;
	return hs_read_ptr(hs, frame->sp, &ret->fp) && hs_read_ptr(hs, frame->sp + 8, &ret->pc) &&
	       is_return(hs, ret->pc);
}

/* StubRoutines::call_stub, by which the JVM calls Java, and stubs with frame pointers. */
static bool leave_stub(const struct hs *hs, const struct ch_frame_regs *frame,
		       struct ch_frame_regs *ret)
{
	if (frame->fp < frame->sp || frame->fp % 8 || !ch_add(frame->fp, SENDER_SP, &ret->sp))
		return false;
	return hs_read_ptr(hs, frame->fp + LINK, &ret->fp) &&
	       hs_read_ptr(hs, frame->fp + RETURN_ADDR, &ret->pc) && is_return(hs, ret->pc);
}

/* Below frames of a virtual thread of which the rest is still in the heap: what returns
 * here copies the next one (runtime/continuationEntry.hpp, ContinuationEntry::to_frame). */
static bool is_barrier(const struct hs *hs, const struct hs_blob *blob)
{
	return hs->members[HS_CONTINUATION].found && !blob->method && !blob->interpreter &&
	       strstr(blob->name, "continuation");
}

static bool leave_barrier(struct hs *hs, const struct ch_frame_regs *frame,
			  struct ch_frame_regs *ret)
{
	const struct hs_thread *thread = hs_thread_at(hs, frame->sp);
	const uint64_t size = hs->numbers[HS_SIZE_CONTINUATION].value;

	if (!thread || !size || size > CH_PAGE_BYTES ||
	    !hs_member_ptr(hs, HS_CONTINUATION, thread->addr, &ret->sp) || ret->sp < frame->sp ||
	    ret->sp >= thread->stack_end || !hs_member_ptr(hs, HS_CONTINUATION_RETURN, 0, &ret->pc))
		return false;
	return hs_read_ptr(hs, ret->sp + ch_align_up(size, 16), &ret->fp) && is_return(hs, ret->pc);
}

static bool is_java(struct hs *hs, uint64_t pc)
{
	struct hs_blob blob;

	return hs_blob_at(hs, pc - 1, &blob) && (blob.method || blob.interpreter);
}

bool hs_frame_caller(void *state, const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	struct hs *hs = state;
	struct hs_blob blob;
	uint64_t stub;
	bool whole;

	if (!hs_blob_at(hs, frame->pc - !frame->activation, &blob))
		return false;
	if (blob.interpreter)
		return leave_interpreter(hs, frame, ret);
	if (hs_member_ptr(hs, HS_CALL_STUB_RETURN, 0, &stub) && frame->pc == stub)
		return leave_stub(hs, frame, ret);
	if (!frame->activation && is_barrier(hs, &blob))
		return leave_barrier(hs, frame, ret);
	/* Who called something has made its frame. */
	whole = !frame->activation ||
		(blob.frame_complete >= 0 &&
		 frame->pc >= blob.code_start + (uint32_t)blob.frame_complete);
	if (whole && leave_frame(hs, &blob, frame, ret))
		return true;
	if (!frame->activation || ch_core_arch(hs->core) != CH_ARCH_X86_64 ||
	    !leave_edge(hs, frame, ret))
		return false;
	/* A stub may have anything on top; adapters have Java's return address. */
	return blob.method || is_java(hs, ret->pc);
}

/* ---- What they run ------------------------------------------------------------------- */

/* The register that the interpreter keeps its place in: r13; r22 of aarch64. */
static bool live_bcp(struct hs *hs, const struct ch_frame_regs *frame, uint64_t *ret)
{
	enum { SEARCHES_MAX = 1024, R13 = 2, X22 = 22 };
	const uint32_t index = ch_core_arch(hs->core) == CH_ARCH_X86_64 ? R13 : X22;
	const struct ch_thread *threads;
	size_t count, i;

	if (!frame->activation || hs->work.searches++ >= SEARCHES_MAX)
		return false;
	threads = ch_core_threads(hs->core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].sp == frame->sp && threads[i].pc == frame->pc &&
		    index < threads[i].regs_count) {
			*ret = threads[i].regs[index];
			return true;
		}
	return false;
}

/* The bytecode that a frame of the interpreter is at; 0 in native methods. It is saved
 * when something is called; sure: not what was saved before, of one that goes on. */
static bool find_bci(struct hs *hs, const struct ch_frame_regs *frame, uint64_t codes,
		     uint32_t size, bool sure, uint32_t *ret)
{
	const bool is_8 = hs->members[HS_CODE_HEAP].found;
	uint64_t bcp;

	*ret = 0;
	if (!live_bcp(hs, frame, &bcp) || bcp < codes || bcp - codes >= size) {
		if ((sure && frame->activation) ||
		    !hs_read_ptr(hs, frame->fp - (is_8 ? INTERPRETER_BCP_8 : INTERPRETER_BCP),
				 &bcp) ||
		    bcp < codes || bcp - codes >= size)
			return false;
	}
	*ret = (uint32_t)(bcp - codes);
	return true;
}

bool hs_interpreted_at(struct hs *hs, const struct ch_frame_regs *frame, struct hs_interpreted *ret)
{
	ret->method = interpreted_method(hs, frame->fp);
	if (!ret->method || !hs->numbers[HS_SIZE_CONST].found ||
	    !hs_member_ptr(hs, HS_METHOD_CONST, ret->method, &ret->constant) ||
	    !hs_member_u16(hs, HS_CONST_CODE_SIZE, ret->constant, &ret->size) || !ret->size)
		return false;
	ret->codes = ret->constant + hs->numbers[HS_SIZE_CONST].value;
	return find_bci(hs, frame, ret->codes, ret->size, true, &ret->bci);
}

static bool name_interpreted(struct hs *hs, const struct ch_frame_regs *frame, struct ch_code *ret,
			     char *buf, size_t max)
{
	uint64_t method = interpreted_method(hs, frame->fp), constant;
	uint32_t size, bci;

	if (!method || !hs->numbers[HS_SIZE_CONST].found || !hs_method_name(hs, method, buf, max) ||
	    !hs_member_ptr(hs, HS_METHOD_CONST, method, &constant) ||
	    !hs_member_u16(hs, HS_CONST_CODE_SIZE, constant, &size))
		return false;
	ret->kind = "interpreted";
	ret->start = constant + hs->numbers[HS_SIZE_CONST].value;
	find_bci(hs, frame, ret->start, size, false, &bci);
	ret->offset = bci;
	hs_source_of(hs, method, (int32_t)ret->offset, ret);
	return true;
}

/* A method's code, and those that the compiler put into it. */
static bool name_compiled(struct hs *hs, const struct hs_blob *blob,
			  const struct ch_walker_frame *frame, struct ch_code *ret, char *buf,
			  size_t max)
{
	struct hs_place place;

	if (!hs_scope_at(hs, blob, frame->regs.pc, frame->regs.activation, frame->depth, &place) ||
	    !hs_method_name(hs, place.method, buf, max))
		return false;
	ret->kind = hs_compiler_name(blob);
	ret->start = blob->code_start;
	ret->offset = frame->regs.pc - blob->code_start;
	if (place.inlined)
		ret->offset = place.bci < 0 ? 0 : (uint32_t)place.bci;
	hs_source_of(hs, place.method, place.bci, ret);
	return true;
}

bool hs_frame_code(void *state, const struct ch_walker_frame *frame, struct ch_code *ret, char *buf,
		   size_t max)
{
	struct hs *hs = state;
	struct hs_blob blob;
	uint64_t stub;

	if (!hs_blob_at(hs, frame->regs.pc - !frame->regs.activation, &blob))
		return false;
	if (blob.interpreter)
		return !frame->depth && name_interpreted(hs, &frame->regs, ret, buf, max);
	if (blob.method)
		return name_compiled(hs, &blob, frame, ret, buf, max);
	if (frame->depth || frame->regs.activation)
		return false;
	if (hs_member_ptr(hs, HS_CALL_STUB_RETURN, 0, &stub) && frame->regs.pc == stub)
		snprintf(buf, max, "call stub");
	else if (is_barrier(hs, &blob))
		snprintf(buf, max, "(further frames of the virtual thread are in the heap)");
	else
		return false;
	ret->kind = "stub";
	ret->start = blob.code_start;
	ret->offset = frame->regs.pc - blob.code_start;
	return true;
}
