/*
 * code_targets.h - names for the addresses that code uses.
 */
#ifndef COREHEAP_ANALYSIS_CODE_TARGETS_H
#define COREHEAP_ANALYSIS_CODE_TARGETS_H

#include "analysis/disassemble.h"

struct ch_code_names {
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_heaps *heaps;
	bool reveal;
};

/** What an operand names; *found_ret false: nothing that is known. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_code_target(const struct ch_code_names *names,
					       const struct ch_operand *operand, bool *found_ret,
					       struct ch_code_target *ret);
/** "Type.Method+0x10", or "module!symbol+0x10", of an address of code, unescaped; false: not
 * known. */
bool chp_code_place(const struct ch_code_names *names, uint64_t addr, char *buf, size_t max);

#endif /* COREHEAP_ANALYSIS_CODE_TARGETS_H */
