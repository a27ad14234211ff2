/*
 * death_priv.h - the parts of finding out why a process died.
 */
#ifndef COREHEAP_ANALYSIS_DEATH_PRIV_H
#define COREHEAP_ANALYSIS_DEATH_PRIV_H

#include "analysis/death.h"

/** What an instruction did when it faulted. */
struct ch_insn {
	enum ch_access access;
	/** Address of its operand in memory, valid when has_addr; bytes after it that it may
	 * be off by (a vector; an operand relative to the end of the instruction). */
	bool has_addr;
	uint64_t addr;
	uint32_t slack;
	/** Its operand must be a multiple of 16. */
	bool aligned;
	/** It divides integers. */
	bool divides;
	/** "hlt", "ud2": it is itself the fault. Static; NULL otherwise. */
	const char *special;
};

/** insn.c: decode what lies at pc; an empty answer when it is not known. */
void chp_insn_decode(const struct ch_core *core, const struct ch_machine *machine,
		     struct ch_insn *ret);

/** signal.c: name and meaning of fault->signal and code; addr as siginfo has it. */
void chp_fault_begin(struct ch_fault *fault, int32_t signal);
void chp_fault_add_code(struct ch_fault *fault, int32_t code, uint64_t addr);

/** fault.c: what the address of a fault was. index: the thread. */
void chp_fault_explain(const struct ch_death_env *env, size_t index,
		       const struct ch_machine *machine, struct ch_fault *fault);

/** A frame of a signal on a stack. */
struct ch_interrupted {
	/** Where the kernel put it. */
	uint64_t addr;
	struct ch_machine machine;
	/** Error code of a page fault; valid when has_error. */
	bool has_error;
	uint64_t error;
	int32_t signal, code;
	uint64_t fault_addr;
};

/** interrupted.c: the frame of a signal whose handler a thread is in: the innermost of those
 * that an instruction caused, else of all. False: none. */
bool chp_interrupted_find(const struct ch_death_env *env, size_t index, struct ch_interrupted *ret);

/** abortmsg.c: fill message and what belongs to it. */
void chp_death_find_message(const struct ch_death_env *env, struct ch_death *ret);
/** What kind of message a text is. Static. */
const char *chp_abort_message_kind(const char *text);

/** thrown.c: exceptions of a thread. */
void chp_death_find_thrown(const struct ch_death_env *env, size_t index, struct ch_death *ret);

#endif /* COREHEAP_ANALYSIS_DEATH_PRIV_H */
