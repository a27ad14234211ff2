/*
 * sigframe.h - what the kernel leaves on a stack for a signal handler: the registers of what
 * was interrupted, and the stack for signals that the thread has.
 *
 * Found by its shape, because the code that it returns to, and what describes that code,
 * often are not in a core.
 */
#ifndef COREHEAP_CORE_SIGFRAME_H
#define COREHEAP_CORE_SIGFRAME_H

#include <coreheap/core.h>

#define CH_SIGFRAME_REGS 33

struct ch_sigframe {
	/** Where it lies, and where the words behind it begin. */
	uint64_t addr, end;
	/** What sigaltstack(2) was told; both 0: nothing. */
	uint64_t stack_start, stack_end;
	/** Of what was interrupted. */
	uint64_t pc, sp, fp;
	/** By DWARF number; x86-64: rax to r15 as there, then rip; aarch64: x0 to x30, sp. */
	uint64_t regs[CH_SIGFRAME_REGS];
};

/** The lowest one in [from, to), as far as its bytes are in the core, if it can be of what
 * runs with its stack pointer at from. False: none. */
bool chp_sigframe_find(const struct ch_core *core, uint64_t from, uint64_t to,
		       struct ch_sigframe *ret);

#endif /* COREHEAP_CORE_SIGFRAME_H */
