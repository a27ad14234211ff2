/*
 * What a signal's handler interrupted: the frame that the kernel put on the stack before it
 * called the handler, and of several the one that was first.
 */
#include <signal.h>
#include <string.h>

#include "analysis/death_priv.h"
#include "core/sigframe.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/*
 * struct rt_sigframe of x86-64 (arch/x86/include/asm/sigframe.h): the address of code that
 * calls rt_sigreturn, struct ucontext (flags, link, stack, 40 bytes; struct sigcontext, 256
 * bytes; a mask, 8 bytes), siginfo. The kernel puts it where sp + 8 is a multiple of 16.
 */
#define MC_REGS     48
#define MC_ERROR    200
#define MC_TRAP     208
#define MC_CR2      224
#define SIGINFO     312
#define FRAME_BYTES (SIGINFO + 24)
/* Trap of a page fault; bits of its error code. */
#define TRAP_PAGE    14
#define TRAPS        20
#define ERROR_WRITE  2U
#define SEARCH_BYTES (256ULL << 10)
/* What may lie between a frame and what it interrupted: vector registers (AVX-512 and AMX
 * take 11 KiB) and the red zone. */
#define GAP_BYTES  (32ULL << 10)
#define FRAMES_MAX 128
/* Handlers that were interrupted by others. */
#define NESTED_MAX 4

/* struct sigcontext: general registers by their index in ch_thread.regs; then the stack
 * pointer, the instruction pointer and flags. */
static const uint8_t order[18] = { 9, 8, 7, 6, 3, 2, 1, 0, 14, 13, 4, 5, 12, 10, 11, 19, 16, 18 };

/* It returns to code, and on the same stack it lies below what it interrupted. */
static bool looks_right(const struct ch_death_env *env, const struct ch_sigframe *frame)
{
	const struct ch_region *code, *stack = ch_map_region_at(env->map, frame->addr);
	uint64_t back;

	if (!ch_core_read_u64(env->core, frame->addr, &back))
		return false;
	code = ch_map_region_at(env->map, back);
	if (!code || !(code->prot & CH_SEGMENT_EXEC))
		return false;
	return !stack || frame->sp < stack->start || frame->sp >= stack->end ||
	       (frame->sp > frame->addr && frame->sp - frame->addr <= GAP_BYTES);
}

/*
 * Which signal a trap of the processor became. siginfo is there only for handlers that
 * asked for it (SA_SIGINFO); otherwise its place holds anything, and the number of the last
 * trap, which may be an older one, is all there is: it counts if the instruction fits.
 */
static void take_trap(const struct ch_death_env *env, const uint8_t *p, struct ch_interrupted *ret)
{
	static const struct {
		int32_t signal, code;
	} rows[TRAPS] = {
		[0] = { SIGFPE, FPE_INTDIV },    [3] = { SIGTRAP, SI_KERNEL },
		[4] = { SIGSEGV, SI_KERNEL },    [5] = { SIGSEGV, SI_KERNEL },
		[6] = { SIGILL, ILL_ILLOPN },    [13] = { SIGSEGV, SI_KERNEL },
		[14] = { SIGSEGV, SEGV_MAPERR }, [16] = { SIGFPE, 0 },
		[17] = { SIGBUS, BUS_ADRALN },   [19] = { SIGFPE, 0 },
	};
	uint64_t trap = ch_get64(p + MC_TRAP), addr = ch_get64(p + MC_CR2);
	const struct ch_region *region;
	struct ch_insn insn;

	chp_insn_decode(env->core, &ret->machine, &insn);
	if (trap >= TRAPS || !rows[trap].signal || (trap == 0 && !insn.divides))
		return;
	ret->signal = rows[trap].signal;
	ret->code = rows[trap].code;
	ret->fault_addr = ret->machine.pc;
	if (trap != TRAP_PAGE)
		return;
	if (insn.has_addr && addr != ret->machine.pc && addr - insn.addr > insn.slack) {
		ret->signal = 0;
		return;
	}
	ret->fault_addr = addr;
	region = ch_map_region_at(env->map, addr);
	if (region && region->usage != CH_USAGE_FREE)
		ret->code = SEGV_ACCERR;
	/* the file ends there: a page that the rights allow to be read */
	if (region && region->backing && addr != ret->machine.pc &&
	    region->prot != CH_PROT_UNKNOWN &&
	    region->prot & (ret->error & ERROR_WRITE ? CH_SEGMENT_WRITE : CH_SEGMENT_READ)) {
		ret->signal = SIGBUS;
		ret->code = BUS_ADRERR;
	}
}

/* Whether siginfo in the frame is one, and not what lay there before. */
static bool has_siginfo(const uint8_t *p)
{
	int32_t signal = (int32_t)ch_get32(p + SIGINFO), code = (int32_t)ch_get32(p + SIGINFO + 8);
	uint64_t trap = ch_get64(p + MC_TRAP);

	if (signal <= 0 || signal > 64 || ch_get32(p + SIGINFO + 4) || code < -60 || code > 0x80)
		return false;
	if ((signal == SIGSEGV || signal == SIGBUS) && code > 0 && code < SI_KERNEL)
		return trap != TRAP_PAGE || ch_get64(p + MC_CR2) == ch_get64(p + SIGINFO + 16);
	return true;
}

static void take(const struct ch_death_env *env, const struct ch_thread *thread, const uint8_t *p,
		 uint64_t addr, struct ch_interrupted *ret)
{
	size_t i;

	*ret = (struct ch_interrupted){ .addr = addr };
	memcpy(ret->machine.regs, thread->regs, sizeof(thread->regs));
	for (i = 0; i < CH_COUNT_OF(order); i++)
		ret->machine.regs[order[i]] = ch_get64(p + MC_REGS + i * 8);
	ret->machine.sp = ch_get64(p + MC_REGS + 15 * 8ULL);
	ret->machine.pc = ch_get64(p + MC_REGS + 16 * 8ULL);
	ret->has_error = ch_get64(p + MC_TRAP) == TRAP_PAGE;
	ret->error = ch_get64(p + MC_ERROR);
	if (!has_siginfo(p)) {
		take_trap(env, p, ret);
		return;
	}
	ret->signal = (int32_t)ch_get32(p + SIGINFO);
	ret->code = (int32_t)ch_get32(p + SIGINFO + 8);
	ret->fault_addr = ch_get64(p + SIGINFO + 16);
}

/* The thread's frames, unwound when the first candidate asks for them. */
struct frames {
	struct ch_frame items[FRAMES_MAX];
	size_t count;
	bool known;
};

/*
 * Whether unwinding steps over addr: then what looks like a frame of a signal there is
 * left from one that has returned.
 */
static bool is_stepped_over(const struct ch_death_env *env, size_t index,
			    const struct ch_sigframe *frame, struct frames *frames)
{
	uint64_t addr = frame->addr;
	const char *end;
	size_t i;

	if (!frames->known)
		chp_context_drop_take(ch_core_context(env->core),
				      ch_sym_unwind(env->sym, index, frames->items, FRAMES_MAX,
						    &frames->count, &end));
	frames->known = true;
	for (i = 0; i < frames->count; i++)
		if ((frames->items[i].sp >= addr && frames->items[i].sp <= addr + 16) ||
		    (frames->items[i].sp == frame->sp && frames->items[i].pc == frame->pc))
			return false;
	for (i = 0; i + 1 < frames->count; i++)
		if (frames->items[i].sp <= addr && frames->items[i + 1].sp > addr + 16)
			return true;
	return false;
}

/* The next frame of a signal at or above at, on the same stack. */
static bool find_next(const struct ch_death_env *env, size_t index, uint64_t at,
		      struct frames *frames, struct ch_interrupted *ret)
{
	uint64_t end = at + SEARCH_BYTES;
	struct ch_sigframe frame;
	uint8_t bytes[FRAME_BYTES];
	size_t count;

	for (; chp_sigframe_find(env->core, at, end, &frame); at = frame.addr + 8) {
		if (!looks_right(env, &frame) || is_stepped_over(env, index, &frame, frames) ||
		    !ch_core_try_read(env->core, frame.addr, bytes, sizeof(bytes)))
			continue;
		take(env, ch_core_threads(env->core, &count) + index, bytes, frame.addr, ret);
		return true;
	}
	return false;
}

bool chp_interrupted_find(const struct ch_death_env *env, size_t index, struct ch_interrupted *ret)
{
	struct frames frames = { .count = 0 };
	struct ch_interrupted frame;
	bool found = false;
	size_t count, i;
	uint64_t at;

	if (ch_core_arch(env->core) != CH_ARCH_X86_64)
		return false;
	at = ch_core_threads(env->core, &count)[index].sp;
	for (i = 0; i < NESTED_MAX && find_next(env, index, at, &frames, &frame); i++) {
		at = frame.machine.sp;
		if (!frame.signal)
			continue;
		/* a fault, behind what its handler sent itself */
		if (!found || (ret->code <= 0 && frame.code > 0))
			*ret = frame;
		found = true;
	}
	return found;
}
