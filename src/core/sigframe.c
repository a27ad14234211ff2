/*
 * Frames that the kernel puts on a stack before it calls a signal's handler, found by their
 * shape. They say what a thread was doing before, and which stack it was on.
 */
#include "core/sigframe.h"

#include <string.h>

#include "util/bytes.h"

/* The smallest stack that sigaltstack(2) takes is 2,048 bytes; none is so large. */
#define ALT_BYTES_MIN 2048
#define ALT_BYTES_MAX (1ULL << 32)
/* SS_ONSTACK, SS_DISABLE, SS_AUTODISARM (uapi/linux/signal.h). */
#define ALT_FLAGS       0x80000003U

#define WORD(p, offset) ch_get64((p) + (offset))

/* uc_flags, uc_link and uc_stack, at the beginning of struct ucontext (uapi/asm-generic/
 * ucontext.h, asm/ucontext.h of x86). */
static bool take_context(const uint8_t *uc, uint64_t flags_max, struct ch_sigframe *ret)
{
	uint64_t start = WORD(uc, 16), size = WORD(uc, 32), end;

	if (WORD(uc, 0) > flags_max || WORD(uc, 8) != 0 || ch_get32(uc + 24) & ~ALT_FLAGS)
		return false;
	if (!start && !size)
		return true;
	if (size < ALT_BYTES_MIN || size > ALT_BYTES_MAX || !ch_add(start, size, &end))
		return false;
	ret->stack_start = start;
	ret->stack_end = end;
	return true;
}

/* ---- x86-64: struct rt_sigframe of arch/x86/include/asm/sigframe.h ---- */

#define X86_UC        8
#define X86_GREGS     (X86_UC + 40)
#define X86_EFLAGS    (X86_GREGS + 17 * 8)
#define X86_SEGMENTS  (X86_GREGS + 18 * 8)
#define X86_TRAP      (X86_GREGS + 20 * 8)
#define X86_FPSTATE   (X86_GREGS + 23 * 8)
#define X86_BYTES     (X86_FPSTATE + 8)
#define FPSTATE_FAR   (1ULL << 20)
#define X86_REGS      17
#define X86_UC_FLAGS  7
#define X86_CODE      0x33
#define X86_DATA      0x2b
#define X86_FLAG_ONE  2
#define X86_FLAGS_MAX (1ULL << 22)
#define X86_TRAP_MAX  32

/* Places in sigcontext (asm/sigcontext.h) of each DWARF register. */
static const uint8_t x86_places[X86_REGS] = { 13, 12, 14, 11, 9, 8, 10, 15, 0,
					      1,  2,  3,  4,  5, 6, 7,  16 };

static bool is_x86(const uint8_t *p, uint64_t addr, struct ch_sigframe *ret)
{
	uint64_t segments = WORD(p, X86_SEGMENTS), flags = WORD(p, X86_EFLAGS);
	uint64_t state = WORD(p, X86_FPSTATE), data = segments >> 48;
	size_t i;

	if ((segments & 0xffff) != X86_CODE || (data != X86_DATA && data != 0) ||
	    !(flags & X86_FLAG_ONE) || flags >= X86_FLAGS_MAX || WORD(p, X86_TRAP) > X86_TRAP_MAX ||
	    !WORD(p, 0))
		return false;
	/* the state of the FPU lies right above, aligned */
	if (state && (state % 16 || state <= addr || state - addr > FPSTATE_FAR))
		return false;
	if (!take_context(p + X86_UC, X86_UC_FLAGS, ret))
		return false;
	for (i = 0; i < X86_REGS; i++)
		ret->regs[i] = WORD(p, X86_GREGS + 8 * x86_places[i]);
	ret->fp = ret->regs[6];
	ret->sp = ret->regs[7];
	ret->pc = ret->regs[16];
	ret->end = addr + X86_BYTES;
	return true;
}

/* ---- aarch64: struct rt_sigframe of arch/arm64/kernel/signal.c ---- */

#define A64_UC      128
#define A64_REGS    (A64_UC + 184)
#define A64_PC      (A64_REGS + 32 * 8)
#define A64_RECORDS (A64_UC + 464)
#define A64_BYTES   (A64_RECORDS + 8)
/* _aarch64_ctx of the first record (asm/sigcontext.h): FPSIMD_MAGIC, its bytes. */
#define A64_FPSIMD       0x46508001U
#define A64_FPSIMD_BYTES 0x210

static bool is_aarch64(const uint8_t *p, uint64_t addr, struct ch_sigframe *ret)
{
	size_t i;

	if (ch_get32(p + A64_RECORDS) != A64_FPSIMD ||
	    ch_get32(p + A64_RECORDS + 4) != A64_FPSIMD_BYTES || !take_context(p + A64_UC, 0, ret))
		return false;
	for (i = 0; i < 32; i++)
		ret->regs[i] = WORD(p, A64_REGS + 8 * i);
	ret->fp = ret->regs[29];
	ret->sp = ret->regs[31];
	ret->pc = WORD(p, A64_PC);
	ret->end = addr + A64_BYTES;
	return true;
}

/* ---- Both ---- */

/*
 * Whether a frame is of the handler that runs at from. The kernel may merge mappings that
 * touch: behind the stack that from points into may lie that of another thread, with the
 * frames of its own handlers.
 */
static bool is_of(const struct ch_core *core, uint64_t from, const struct ch_sigframe *frame)
{
	const struct ch_thread *threads;
	size_t count, i;

	if (frame->addr >= frame->stack_start && frame->addr < frame->stack_end &&
	    from < frame->stack_start)
		return false;
	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].sp > from && threads[i].sp <= frame->addr)
			return false;
	return true;
}

bool chp_sigframe_find(const struct ch_core *core, uint64_t from, uint64_t to,
		       struct ch_sigframe *ret)
{
	bool aarch64 = ch_core_arch(core) == CH_ARCH_AARCH64;
	uint64_t bytes = aarch64 ? A64_BYTES : X86_BYTES, shift = aarch64 ? 0 : 8;
	uint64_t addr = ch_align_up(from - ch_min(from, shift), 16) + shift, at;
	const uint8_t *p;
	size_t len;

	if (!from || addr < from || addr >= to)
		return false;
	p = ch_core_span(core, addr, &len);
	if (!p)
		return false;
	len = (size_t)ch_min(len, to - addr);
	for (at = 0; at + bytes <= len; at += 16) {
		*ret = (struct ch_sigframe){ .addr = addr + at };
		if (aarch64 ? is_aarch64(p + at, addr + at, ret) : is_x86(p + at, addr + at, ret))
			return is_of(core, from, ret);
	}
	return false;
}
