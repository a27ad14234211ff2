/*
 * Stacks of threads, frame by frame: by call frame information, by a runtime that knows its own
 * code, by frame pointers, or by what looks like a return address; each frame says which. The
 * kernel's frames of signals are stepped over.
 */
#include <libelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "core/sigframe.h"
#include "sym/sym_priv.h"
#include "sym/unwind.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

/* A frame larger than this is no frame. */
#define FRAME_BYTES_MAX (64ULL << 20)
/* How far above a stack pointer the kernel's frame of a signal is looked for, and how
 * many of them. */
#define SIGFRAME_BYTES_MAX (1ULL << 20)
#define SIGNALS_MAX        8
/* Times that a runtime goes on on another stack of its own. */
#define SWITCHES_MAX 8

enum stop {
	/* Not yet. */
	STOP_NONE,
	/* Call frame information says that nobody called this frame. */
	STOP_END,
	/* No call frame information for the code of the last frame. */
	STOP_NO_CFI,
	/* It says something, but no frame comes of it. */
	STOP_BROKEN,
	STOP_BACKWARDS,
	STOP_LIMIT,
};

/* What differs between architectures. */
struct unwind_arch {
	/* Index in ch_thread.regs of each DWARF register. */
	const uint8_t *dwarf;
	uint32_t dwarf_count;
	/* DWARF numbers. pc -1: not a numbered register. */
	int sp, fp, pc;
	/* Register with the return address right after a call; -1: on the stack. */
	int link;
	/* Bits of a code address: above them are signatures (PAC). */
	uint64_t code_mask;
	/* A caller's sp is right above the frame record. */
	bool sp_above_record;
	/* By bit, DWARF numbers that a called function leaves as they are, and sp and pc. */
	uint32_t kept;
};

/* psABI x86-64, figure 3.36; the core's order is user_regs_struct (core/arch.c). */
static const uint8_t x86_64_dwarf[] = { 10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16 };
/* DWARF for the Arm 64-bit Architecture: x0..x30 and sp, as in user_pt_regs. */
static const uint8_t aarch64_dwarf[] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
					 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
					 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static const struct unwind_arch archs[] = {
	/* rbx, rbp, rsp, r12 to r15, rip (psABI x86-64, figure 3.4). */
	[CH_ARCH_X86_64] = { x86_64_dwarf, CH_COUNT_OF(x86_64_dwarf), 7, 6, 16, -1, UINT64_MAX,
			     true, 0x1f0c8 },
	/* x19 to x30 and sp (Procedure Call Standard for the Arm 64-bit Architecture, 6.1.1). */
	[CH_ARCH_AARCH64] = { aarch64_dwarf, CH_COUNT_OF(aarch64_dwarf), 31, 29, -1, 30,
			      (1ULL << 48) - 1, false, 0xfff80000 },
};

/* One walk over a stack. */
struct ch_unwind {
	struct ch_sym *sym;
	/* May be NULL. */
	const struct ch_frame_source *source;
	const struct unwind_arch *arch;
	struct ch_frame *frames;
	/* May be NULL. */
	struct ch_frame_state *states;
	size_t max, count;
	/* Registers of the last frame, by DWARF number; valid ones by bit. */
	Dwarf_Word regs[CH_FRAME_REGS_MAX];
	uint32_t valid;
	uint64_t pc, sp, fp;
	/* The last frame was interrupted, not left by a call. */
	bool activation;
	/* The next frame libdwfl shows is the last one again. */
	bool skip;
	/* The last frame has no bytes of the stack. */
	bool frameless;
	/* Signals whose frames were found by their shape. */
	uint32_t signals;
	/* Times that it went on on another stack. */
	uint32_t switches;
	enum stop stop;
	/* Memory that was asked for last and is not there. */
	uint64_t fault;
	bool faulted;
};

/* The address that belongs to the calling instruction of the last frame. */
static uint64_t lookup_addr(const struct ch_unwind *unwind)
{
	/* A return address may be the first byte of the next function. */
	return unwind->pc - !unwind->activation;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)tid;
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
	if (!ch_core_read_u64(sym->core, addr, &word)) {
		sym->unwind->faulted = true;
		sym->unwind->fault = addr;
		return false;
	}
	*ret = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct ch_unwind *unwind = ((const struct ch_sym *)arg)->unwind;
	uint32_t i;

	for (i = 0; i < unwind->arch->dwarf_count; i++)
		if ((unwind->valid & (1U << i)) &&
		    !dwfl_thread_state_registers(thread, (int)i, 1, &unwind->regs[i]))
			return false;
	if (unwind->arch->pc < 0)
		dwfl_thread_state_register_pc(thread, lookup_addr(unwind));
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

/* Whether libdwfl can walk stacks: needs the machine, nothing else. */
static bool attach(struct ch_sym *sym)
{
	Elf64_Ehdr *ehdr = &sym->machine_ehdr;

	if (!chp_dwfl_open(sym))
		return false;
	if (sym->attach_tried)
		return sym->attached;
	sym->attach_tried = true;
	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_ident[EI_VERSION] = EV_CURRENT;
	ehdr->e_type = ET_CORE;
	ehdr->e_machine = sym->machine;
	ehdr->e_version = EV_CURRENT;
	ehdr->e_ehsize = sizeof(*ehdr);
	sym->machine_elf = elf_memory((char *)ehdr, sizeof(*ehdr));
	sym->attached = sym->machine_elf &&
			dwfl_attach_state(sym->dwfl, sym->machine_elf, 1, &thread_callbacks, sym);
	return sym->attached;
}

/* Whether a module says how to unwind the code at addr. */
static bool has_cfi(const struct ch_sym *sym, uint64_t addr)
{
	Dwfl_Module *module = dwfl_addrmodule(sym->dwfl, addr);
	Dwarf_Frame *frame = NULL;
	Dwarf_CFI *cfi;
	Dwarf_Addr bias;
	bool found;

	if (!module)
		return false;
	cfi = dwfl_module_eh_cfi(module, &bias);
	found = cfi && dwarf_cfi_addrframe(cfi, addr - bias, &frame) == 0;
	if (!found) {
		cfi = dwfl_module_dwarf_cfi(module, &bias);
		found = cfi && dwarf_cfi_addrframe(cfi, addr - bias, &frame) == 0;
	}
	free(frame);
	if (!found)
		chp_dwfl_note_failure();
	return found;
}

static void set_register(struct ch_frame_state *state, int number, uint64_t value)
{
	if (number < 0 || number >= CH_FRAME_REGS_MAX || !value)
		return;
	state->regs[number] = value;
	state->valid |= 1ULL << number;
}

/* What is known of the registers of a frame that is added, without call frame information. */
static void start_state(struct ch_unwind *unwind, enum ch_frame_basis basis)
{
	struct ch_frame_state *state = &unwind->states[unwind->count];

	*state = (struct ch_frame_state){ .pc = lookup_addr(unwind) };
	set_register(state, unwind->arch->sp, unwind->sp);
	set_register(state, unwind->arch->fp, unwind->fp);
	if (basis != CH_FRAME_REGS && basis != CH_FRAME_SIGNAL)
		return;
	memcpy(state->regs, unwind->regs, sizeof(state->regs));
	state->valid = unwind->valid;
}

static void add_frame(struct ch_unwind *unwind, enum ch_frame_basis basis)
{
	struct ch_frame *frame = &unwind->frames[unwind->count];
	uint64_t addr = lookup_addr(unwind);

	if (unwind->states)
		start_state(unwind, basis);
	unwind->count++;
	memset(frame, 0, sizeof(*frame));
	frame->pc = unwind->pc;
	frame->sp = unwind->sp;
	frame->fp = unwind->fp;
	frame->basis = basis;
	if (ch_sym_at(unwind->sym, addr, &frame->symbol))
		frame->symbol.offset += unwind->pc - addr;
	else
		frame->symbol.module = ch_sym_module_at(unwind->sym, addr);
}

static void get_register(Dwfl_Frame *state, int number, uint64_t *ret)
{
	Dwarf_Word value = 0;

	*ret = dwfl_frame_reg(state, (unsigned int)number, &value) == 0 ? value : 0;
}

/* All registers of the last frame, and what that says of the one that it called. */
static void restore_state(struct ch_unwind *unwind, Dwfl_Frame *frame)
{
	struct ch_frame_state *state = &unwind->states[unwind->count - 1];
	Dwarf_Word value;
	uint32_t i;

	for (i = 0; i < unwind->arch->dwarf_count; i++)
		if (dwfl_frame_reg(frame, i, &value) == 0) {
			state->regs[i] = value;
			state->valid |= 1ULL << i;
		}
	if (unwind->activation || unwind->count < 2)
		return;
	state[-1].cfa = unwind->sp;
	/* libdw 0.188 takes rax for what functions keep, where it means rbx */
	state->valid &= unwind->arch->kept;
	for (i = 0; i < unwind->arch->dwarf_count && !unwind->faulted; i++)
		if (unwind->arch->kept & ~state->valid & state[-1].valid & (1U << i)) {
			state->regs[i] = state[-1].regs[i];
			state->valid |= 1ULL << i;
		}
}

/* Make libdwfl's frame the last one, if it lies further up the stack. */
static enum stop accept_frame(struct ch_unwind *unwind, Dwfl_Frame *state)
{
	bool activation = false, was_leaf = unwind->count == 1 && unwind->arch->link >= 0;
	uint64_t sp;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(state, &pc, &activation))
		return STOP_BROKEN;
	if (!pc)
		return STOP_END;
	if (unwind->count == unwind->max)
		return STOP_LIMIT;
	get_register(state, unwind->arch->sp, &sp);
	/* A signal may have been taken on a stack of its own. */
	if (!activation && (sp < unwind->sp || (sp == unwind->sp && !was_leaf)))
		return STOP_BACKWARDS;
	unwind->pc = pc;
	unwind->sp = sp;
	unwind->activation = activation;
	get_register(state, unwind->arch->fp, &unwind->fp);
	add_frame(unwind, CH_FRAME_CFI);
	if (unwind->states)
		restore_state(unwind, state);
	return STOP_NONE;
}

/* Whether call frame information is what the last frame is to be left by. */
static bool goes_by_cfi(const struct ch_unwind *unwind)
{
	uint64_t addr = lookup_addr(unwind);

	return !(unwind->source && unwind->source->owns &&
		 unwind->source->owns(unwind->source->arg, addr)) &&
	       has_cfi(unwind->sym, addr);
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
	struct ch_unwind *unwind = arg;

	if (unwind->skip) {
		unwind->skip = false;
		return DWARF_CB_OK;
	}
	unwind->stop = accept_frame(unwind, state);
	/* libdwfl would go on by frame pointers, without a check. */
	if (unwind->stop == STOP_NONE && !goes_by_cfi(unwind))
		unwind->stop = STOP_NO_CFI;
	unwind->faulted = false;
	return unwind->stop == STOP_NONE ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* Frames by call frame information, as far as it goes from the last frame. */
static void walk_cfi(struct ch_unwind *unwind)
{
	int status;

	if (!goes_by_cfi(unwind)) {
		unwind->stop = STOP_NO_CFI;
		return;
	}
	unwind->stop = STOP_NONE;
	unwind->skip = true;
	unwind->faulted = false;
	status = dwfl_getthread_frames(unwind->sym->dwfl, 1, take_frame, unwind);
	if (status != 0)
		chp_dwfl_note_failure();
	if (unwind->stop == STOP_NONE)
		unwind->stop = status == 0 ? STOP_END : STOP_BROKEN;
}

static bool is_code(const struct ch_sym *sym, uint64_t addr)
{
	const struct ch_segment *segment = ch_core_segment_at(sym->core, addr);

	if (segment)
		return segment->flags & CH_SEGMENT_EXEC;
	return ch_sym_module_at(sym, addr) != NULL;
}

/*
 * Whether a call ends right before addr: E8 rel32, or FF /2 of 2 to 7 bytes
 * (Intel SDM, volume 2, "CALL"). Code that is not in the core is believed.
 */
static bool follows_call(const struct ch_unwind *unwind, uint64_t addr)
{
	uint8_t bytes[7];
	size_t i;

	if (unwind->arch->link >= 0 ||
	    !ch_core_try_read(unwind->sym->core, addr - sizeof(bytes), bytes, sizeof(bytes)))
		return true;
	if (bytes[2] == 0xe8)
		return true;
	for (i = 0; i + 1 < sizeof(bytes); i++)
		if (bytes[i] == 0xff && (bytes[i + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/*
 * Whether addr is where a signal handler returns to: mov $15, %rax; syscall
 * (glibc sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c, __restore_rt). The
 * kernel put that address on the stack, no call did.
 */
static bool is_sigreturn(const struct ch_unwind *unwind, uint64_t addr)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	uint8_t bytes[sizeof(code)];

	return unwind->arch->link < 0 &&
	       ch_core_try_read(unwind->sym->core, addr, bytes, sizeof(bytes)) &&
	       memcmp(bytes, code, sizeof(code)) == 0;
}

static bool is_return_addr(const struct ch_unwind *unwind, uint64_t addr)
{
	return is_code(unwind->sym, addr - 1) &&
	       (follows_call(unwind, addr) || is_sigreturn(unwind, addr));
}

/* Registers of a caller of which only these are known. */
static void set_known(struct ch_unwind *unwind, uint32_t known)
{
	const struct unwind_arch *arch = unwind->arch;

	unwind->valid &= known;
	unwind->regs[arch->sp] = unwind->sp;
	unwind->regs[arch->fp] = unwind->fp;
	unwind->valid |= 1U << arch->sp | 1U << arch->fp;
	if (arch->pc >= 0) {
		/* libdwfl takes it for the address that runs, not for a return address */
		unwind->regs[arch->pc] = lookup_addr(unwind);
		unwind->valid |= 1U << arch->pc;
	}
}

/* Frame 0 where a call led to an address without code: the caller is known well. */
static bool step_call(struct ch_unwind *unwind)
{
	uint64_t addr = 0, sp = unwind->sp;

	if (unwind->count != 1 || is_code(unwind->sym, unwind->pc))
		return false;
	if (unwind->arch->link >= 0)
		addr = unwind->regs[unwind->arch->link] & unwind->arch->code_mask;
	else if (!ch_core_read_u64(unwind->sym->core, sp, &addr) || !ch_add(sp, 8, &sp))
		return false;
	if (!is_return_addr(unwind, addr))
		return false;
	unwind->pc = addr;
	unwind->sp = sp;
	unwind->activation = false;
	set_known(unwind, UINT32_MAX);
	return true;
}

/*
 * Frame pointer chain: [fp] is the caller's, [fp + 8] the return address, on
 * x86-64 and aarch64 alike (AAPCS64, "The Frame Pointer").
 */
static bool step_fp(struct ch_unwind *unwind)
{
	uint64_t fp = unwind->fp, words[2], addr;

	if (fp < unwind->sp || fp % 8 || fp - unwind->sp > FRAME_BYTES_MAX ||
	    !ch_core_try_read(unwind->sym->core, fp, words, sizeof(words)))
		return false;
	addr = le64toh(words[1]) & unwind->arch->code_mask;
	if (!is_return_addr(unwind, addr))
		return false;
	unwind->pc = addr;
	unwind->sp = fp + sizeof(words);
	unwind->fp = le64toh(words[0]);
	/* A handler's frame returns to the first byte of the trampoline. */
	unwind->activation = is_sigreturn(unwind, addr);
	set_known(unwind, 0);
	return true;
}

/*
 * What a signal interrupted, where nothing is known of the handler's frames: the kernel
 * left all registers on its stack.
 */
static bool step_signal(struct ch_unwind *unwind)
{
	uint64_t to = unwind->sp + ch_min(UINT64_MAX - unwind->sp, SIGFRAME_BYTES_MAX);
	struct ch_sigframe frame;
	uint32_t i;

	if (!chp_sigframe_find(unwind->sym->core, unwind->sp, to, &frame) ||
	    unwind->signals++ >= SIGNALS_MAX)
		return false;
	for (i = 0; i < unwind->arch->dwarf_count; i++)
		unwind->regs[i] = frame.regs[i];
	unwind->valid = (uint32_t)((1ULL << unwind->arch->dwarf_count) - 1);
	unwind->pc = frame.pc;
	unwind->sp = frame.sp;
	unwind->fp = frame.fp;
	unwind->activation = true;
	return true;
}

/* Whether a caller may be where its runtime says. */
static bool is_caller(struct ch_unwind *unwind, const struct ch_frame_regs *caller)
{
	if (!is_code(unwind->sym, caller->pc - 1))
		return false;
	if (caller->other_stack)
		return unwind->switches++ < SWITCHES_MAX;
	/* A place that is returned to may have no frame: but not twice. */
	return caller->sp >= unwind->sp && caller->sp - unwind->sp <= FRAME_BYTES_MAX &&
	       (caller->sp != unwind->sp || !unwind->frameless);
}

/* Code of a runtime, which knows its own frames. False with a stop other than STOP_NO_CFI: it
 * says that this is the end. */
static bool step_runtime(struct ch_unwind *unwind)
{
	const struct ch_frame_regs frame = { .pc = unwind->pc,
					     .sp = unwind->sp,
					     .fp = unwind->fp,
					     .activation = unwind->activation };
	struct ch_frame_regs caller = { .pc = 0 };

	if (!unwind->source || !unwind->source->caller(unwind->source->arg, &frame, &caller))
		return false;
	if (caller.by_signal)
		return step_signal(unwind);
	if (!caller.pc) {
		unwind->stop = STOP_END;
		return false;
	}
	caller.pc &= unwind->arch->code_mask;
	if (!is_caller(unwind, &caller))
		return false;
	unwind->frameless = caller.sp == unwind->sp;
	unwind->pc = caller.pc;
	unwind->sp = caller.sp;
	unwind->fp = caller.fp;
	unwind->activation = caller.activation;
	set_known(unwind, 0);
	return true;
}

/* One frame without call frame information. */
static bool step_without_cfi(struct ch_unwind *unwind)
{
	enum ch_frame_basis basis;

	if (step_runtime(unwind))
		basis = unwind->activation ? CH_FRAME_SIGNAL : CH_FRAME_RUNTIME;
	else if (unwind->stop == STOP_END)
		return false;
	else if (step_call(unwind))
		basis = CH_FRAME_CALL;
	else if (step_fp(unwind))
		basis = CH_FRAME_FP;
	else if (step_signal(unwind))
		basis = CH_FRAME_SIGNAL;
	else
		return false;
	add_frame(unwind, basis);
	return true;
}

static void set_end(struct ch_sym *sym, const char *format, ...) CH_PRINTF(2, 3);

static void set_end(struct ch_sym *sym, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sym->end_text, sizeof(sym->end_text), format, args);
	va_end(args);
}

/* Why there is no further frame, in words. */
static void explain(const struct ch_unwind *unwind)
{
	const struct ch_frame *last = &unwind->frames[unwind->count - 1];
	_cleanup_free_ char *name = NULL;
	struct ch_sym *sym = unwind->sym;

	switch (unwind->stop) {
	case STOP_NONE:
	case STOP_LIMIT:
		set_end(sym, "limit of frames");
		return;
	case STOP_END:
		set_end(sym, "end of stack");
		return;
	case STOP_BACKWARDS:
		set_end(sym, "the caller's stack pointer is not above %s",
			chp_core_addr(sym->core, unwind->sp, "its own").text);
		return;
	case STOP_BROKEN:
		if (unwind->faulted)
			set_end(sym, "memory at %s is not in the core",
				chp_core_addr(sym->core, unwind->fault, CH_NOT_MAPPED).text);
		else
			set_end(sym, "unwind data leads nowhere");
		return;
	case STOP_NO_CFI:
		break;
	}
	if (last->basis == CH_FRAME_FP && !unwind->fp) {
		set_end(sym, "end of the frame pointer chain");
		return;
	}
	name = last->symbol.module ? chp_text_escape(last->symbol.module->name, 128) : NULL;
	if (name)
		set_end(sym, "no unwind data for %s", name);
	else
		set_end(sym, "no unwind data for code at %s",
			chp_core_addr(sym->core, unwind->pc, CH_NOT_MAPPED).text);
}

/* By call frame information, and over gaps in it by frame pointers. */
static void walk(struct ch_unwind *unwind)
{
	bool can_cfi = attach(unwind->sym);

	do {
		unwind->stop = STOP_NO_CFI;
		/* After a frame record alone, sp may be unknown. */
		if (can_cfi && (unwind->frames[unwind->count - 1].basis != CH_FRAME_FP ||
				unwind->arch->sp_above_record))
			walk_cfi(unwind);
		if (unwind->stop != STOP_NO_CFI)
			return;
		if (unwind->count == unwind->max) {
			unwind->stop = STOP_LIMIT;
			return;
		}
	} while (step_without_cfi(unwind));
}

/* Walk from where registers are set. */
static void run(struct ch_unwind *unwind, struct ch_unwound *unwound)
{
	struct ch_sym *sym = unwind->sym;

	sym->unwind = unwind;
	add_frame(unwind, unwind->activation ? CH_FRAME_REGS : CH_FRAME_RUNTIME);
	walk(unwind);
	explain(unwind);
	sym->unwind = NULL;
	unwound->count = unwind->count;
	unwound->end = sym->end_text;
}

struct ch_error *chp_sym_unwind_with(struct ch_sym *sym, const struct ch_frame_source *source,
				     size_t thread_index, struct ch_unwound *unwound)
{
	struct ch_unwind unwind = { .sym = sym,
				    .source = source,
				    .frames = unwound->frames,
				    .states = unwound->states,
				    .max = unwound->max,
				    .activation = true };
	const struct ch_thread *threads, *thread;
	size_t count;
	uint32_t i;

	threads = ch_core_threads(sym->core, &count);
	if (thread_index >= count || !unwind.max)
		return ch_error_create(CH_ERROR_ARG, "no thread with index %zu", thread_index);
	thread = &threads[thread_index];
	unwind.arch = &archs[ch_core_arch(sym->core)];
	unwind.pc = thread->pc;
	unwind.sp = thread->sp;
	unwind.fp = thread->fp;
	for (i = 0; i < unwind.arch->dwarf_count; i++)
		unwind.regs[i] = thread->regs[unwind.arch->dwarf[i]];
	unwind.valid = (uint32_t)((1ULL << unwind.arch->dwarf_count) - 1);
	run(&unwind, unwound);
	return NULL;
}

struct ch_error *chp_sym_unwind_at(struct ch_sym *sym, const struct ch_frame_source *source,
				   const struct ch_frame_regs *from, struct ch_unwound *unwound)
{
	struct ch_unwind unwind = { .sym = sym,
				    .source = source,
				    .arch = &archs[ch_core_arch(sym->core)],
				    .frames = unwound->frames,
				    .max = unwound->max,
				    .pc = from->pc,
				    .sp = from->sp,
				    .fp = from->fp,
				    .activation = from->activation };

	if (!unwind.max)
		return ch_error_create(CH_ERROR_ARG, "no room for frames");
	set_known(&unwind, 0);
	run(&unwind, unwound);
	return NULL;
}

struct ch_error *ch_sym_unwind(struct ch_sym *sym, size_t thread_index, struct ch_frame *frames,
			       size_t max, size_t *count_ret, const char **end_ret)
{
	struct ch_unwound unwound = { .frames = frames, .max = max };
	struct ch_error *err = chp_sym_unwind_with(sym, NULL, thread_index, &unwound);

	if (err)
		return err;
	*count_ret = unwound.count;
	*end_ret = unwound.end;
	return NULL;
}
