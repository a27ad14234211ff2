/*
 * whatis.h - what one address is.
 */
#ifndef COREHEAP_ANALYSIS_WHATIS_H
#define COREHEAP_ANALYSIS_WHATIS_H

#include <coreheap/code.h>
#include <coreheap/coreheap.h>

/** Registers kept of those that point to the address or its block. */
#define CH_WHATIS_REGISTERS 16

struct ch_whatis_register {
	uint32_t tid;
	/** Static. */
	const char *name;
	uint64_t value;
};

struct ch_whatis_result {
	uint64_t addr;
	/** The byte is in the core, or in a module's file that matches. */
	bool readable;
	/** has_region is false above the user address space. */
	bool has_region;
	struct ch_region region;
	/** NULL outside any module. */
	const struct ch_module *module;
	bool has_symbol;
	struct ch_symbol symbol;
	/** A method that a runtime compiled, or has compiled code of. */
	bool has_code;
	struct ch_code code;
	/** Heap and span that hold the address; NULL outside any. */
	const struct ch_heap *heap;
	const struct ch_span *span;
	bool has_object;
	struct ch_object object;
	/** Name of a type that the walker knows; NULL for plain blocks. */
	const char *type;
	/** Stack of a thread. */
	bool has_stack;
	uint32_t tid;
	uint64_t sp, stack_start, stack_end;
	/** Registers that hold the address or point into its block. */
	struct ch_whatis_register registers[CH_WHATIS_REGISTERS];
	uint64_t registers_count;
};

/** What addr is. Texts are borrowed until the session is closed. Errors: those of the session,
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_whatis_find(struct ch_session *session, uint64_t addr,
					       struct ch_whatis_result *ret);

#endif /* COREHEAP_ANALYSIS_WHATIS_H */
