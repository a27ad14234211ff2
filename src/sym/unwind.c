#include "sym/sym_priv.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"

/* One walk over a stack. */
struct unwind {
	struct ch_sym *sym;
	const struct ch_thread *thread;
	struct ch_frame *frames;
	size_t max, count;
	/* Frame pointer of the last frame, 0 when not known. */
	uint64_t fp;
	/* Why it ended; static text. */
	const char *end;
};

/* psABI x86-64, figure 3.36 (DWARF register numbers); user_regs_struct order
 * of the core's registers is in core/arch.c. */
static const uint8_t x86_64_dwarf[] = { 10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16 };
#define X86_64_DWARF_SP  7
#define X86_64_DWARF_FP  6
#define AARCH64_DWARF_SP 31
#define AARCH64_DWARF_FP 29

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)tid;
	/* The index of the thread to unwind travels as tid - 1. */
	*thread_arg = arg;
	return true;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)arg;
	(void)thread_arg;
	return 0;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	const struct ch_sym *sym = arg;
	uint64_t word;

	(void)dwfl;
	if (!ch_core_read_u64(sym->core, addr, &word))
		return false;
	*ret = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct ch_sym *sym = arg;
	const struct ch_thread *threads, *own;
	Dwarf_Word regs[32];
	size_t count, index = (size_t)dwfl_thread_tid(thread) - 1;
	unsigned int i;

	threads = ch_core_threads(sym->core, &count);
	if (index >= count)
		return false;
	own = &threads[index];
	if (ch_core_arch(sym->core) == CH_ARCH_AARCH64) {
		for (i = 0; i < 32; i++)
			regs[i] = own->regs[i];
		dwfl_thread_state_register_pc(thread, own->pc);
		return dwfl_thread_state_registers(thread, 0, 32, regs);
	}
	for (i = 0; i < sizeof(x86_64_dwarf); i++)
		regs[i] = own->regs[x86_64_dwarf[i]];
	return dwfl_thread_state_registers(thread, 0, sizeof(x86_64_dwarf), regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

static void add_frame(struct unwind *unwind, uint64_t pc, uint64_t sp, enum ch_frame_basis basis,
		      bool activation)
{
	struct ch_frame *frame = &unwind->frames[unwind->count++];

	memset(frame, 0, sizeof(*frame));
	frame->pc = pc;
	frame->sp = sp;
	frame->basis = basis;
	/* A return address may be the first byte of the next function. */
	if (!ch_sym_at(unwind->sym, pc - !activation, &frame->symbol))
		frame->symbol.module = ch_sym_module_at(unwind->sym, pc - !activation);
	else if (!activation)
		frame->symbol.offset++;
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
	bool aarch64, activation = false;
	struct unwind *unwind = arg;
	Dwarf_Word sp = 0, fp = 0;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(state, &pc, &activation)) {
		unwind->end = "no program counter";
		return DWARF_CB_ABORT;
	}
	if (unwind->count == unwind->max) {
		unwind->end = "limit of frames";
		return DWARF_CB_ABORT;
	}
	if (!pc) {
		unwind->end = "end of stack";
		return DWARF_CB_ABORT;
	}
	aarch64 = ch_core_arch(unwind->sym->core) == CH_ARCH_AARCH64;
	if (dwfl_frame_reg(state, aarch64 ? AARCH64_DWARF_SP : X86_64_DWARF_SP, &sp) != 0)
		sp = 0;
	if (dwfl_frame_reg(state, aarch64 ? AARCH64_DWARF_FP : X86_64_DWARF_FP, &fp) != 0)
		fp = 0;
	/* Frame 0 is there from the start; stacks grow towards lower addresses. */
	if (unwind->count > 0 && sp && unwind->frames[unwind->count - 1].sp &&
	    sp < unwind->frames[unwind->count - 1].sp) {
		unwind->end = "stack pointer went backwards";
		return DWARF_CB_ABORT;
	}
	add_frame(unwind, pc, sp, unwind->count ? CH_FRAME_CFI : CH_FRAME_REGS,
		  activation || unwind->count == 0);
	unwind->fp = fp;
	return DWARF_CB_OK;
}

/* Frames by call frame information. */
static void unwind_cfi(struct unwind *unwind, size_t index)
{
	struct ch_sym *sym = unwind->sym;
	int status;

	if (!chp_dwfl_open(sym))
		return;
	if (!sym->attached &&
	    dwfl_attach_state(sym->dwfl, NULL, 1, &thread_callbacks, sym) == false)
		return;
	sym->attached = true;
	status = dwfl_getthread_frames(sym->dwfl, (pid_t)index + 1, take_frame, unwind);
	if (unwind->end)
		return;
	if (status == 0)
		unwind->end = "end of stack";
}

/*
 * Frames by the chain of frame pointers: [fp] is the caller's, [fp + 8] the
 * return address, on x86-64 and aarch64 alike. Used from where CFI ended.
 */
static void unwind_fp(struct unwind *unwind)
{
	const struct ch_frame *last = &unwind->frames[unwind->count - 1];
	uint64_t fp = unwind->fp, words[2], sp = last->sp;

	while (unwind->count < unwind->max) {
		if (fp < sp || fp % 8 || fp - sp > (64U << 20)) {
			unwind->end = "no unwind data for the code, and no frame pointer";
			return;
		}
		if (!ch_core_try_read(unwind->sym->core, fp, words, sizeof(words))) {
			unwind->end = "stack memory is not in the core";
			return;
		}
		if (!words[1] || !ch_core_segment_at(unwind->sym->core, words[1])) {
			unwind->end = "end of the frame pointer chain";
			return;
		}
		sp = fp + 16;
		fp = words[0];
		add_frame(unwind, words[1], sp, CH_FRAME_FP, false);
	}
	unwind->end = "limit of frames";
}

struct ch_error *ch_sym_unwind(struct ch_sym *sym, size_t thread_index, struct ch_frame *frames,
			       size_t max, size_t *count_ret, const char **end_ret)
{
	struct unwind unwind = { .sym = sym, .frames = frames, .max = max };
	const struct ch_thread *threads;
	size_t count;

	threads = ch_core_threads(sym->core, &count);
	if (thread_index >= count || thread_index >= INT32_MAX || !max)
		return ch_error_create(CH_ERROR_ARG, "no thread with index %zu", thread_index);
	unwind.thread = &threads[thread_index];
	unwind_cfi(&unwind, thread_index);
	if (unwind.count == 0) {
		add_frame(&unwind, unwind.thread->pc, unwind.thread->sp, CH_FRAME_REGS, true);
		unwind.fp = unwind.thread->fp;
	}
	if (!unwind.end)
		unwind_fp(&unwind);
	*count_ret = unwind.count;
	*end_ret = unwind.end;
	return NULL;
}
