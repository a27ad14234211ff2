/*
 * disassemble.h - code with the names of what it uses.
 */
#ifndef COREHEAP_ANALYSIS_DISASSEMBLE_H
#define COREHEAP_ANALYSIS_DISASSEMBLE_H

#include <coreheap/coreheap.h>

#include "analysis/decode.h"
#include "util/vec.h"

/** What an operand of an instruction is. Texts are unescaped. */
struct ch_code_target {
	uint64_t addr;
	/** "static", "method", "type", "object", "string", "symbol", "cell". Static. */
	const char *kind;
	char name[1600];
	/** Of a string, with --reveal: its text, owned; else NULL. */
	char *text;
};

struct ch_code_line {
	struct ch_instruction insn;
	bool has_target;
	struct ch_code_target target;
};

struct ch_function {
	/** Unescaped; "": not known. */
	char name[1600];
	/** "JIT", "ReadyToRun", "C2", "native"; NULL: not known. Static. */
	const char *kind;
	/** Target range; size_known: end is the function's, not only as far as was looked. */
	uint64_t start, end;
	bool size_known;
	/** All of it is in the core. */
	bool present;
	/** of struct ch_code_line */
	struct ch_vec lines;
};

struct ch_disassembly {
	/** of struct ch_function */
	struct ch_vec functions;
	/** More functions have the name than are shown. */
	uint64_t matched_count;
	/** Whole instructions, not guesses. */
	bool whole;
	/** Texts of strings were asked for. */
	bool reveal;
};

struct ch_disassemble_options {
	/** Instructions of a function at most; 0: all, or a few where it has no end. */
	uint64_t lines;
	/** Texts of strings are wanted, too. */
	bool reveal;
};

/** The function that addr lies in. ret is the caller's to end with ch_disassembly_deinit() also
 * on failure. Errors: ARG where there is no code, UNSUPPORTED, those of the session, NOMEM,
 * STOP. */
CH_MUST_CHECK struct ch_error *chp_disassemble_at(struct ch_session *session,
						  const struct ch_disassemble_options *options,
						  uint64_t addr, struct ch_disassembly *ret);
/** Compiled methods of that name, or with names that end with it. Errors: ARG where there is
 * none, else the same. */
CH_MUST_CHECK struct ch_error *chp_disassemble_named(struct ch_session *session,
						     const struct ch_disassemble_options *options,
						     const char *name, struct ch_disassembly *ret);
void ch_disassembly_deinit(struct ch_disassembly *disassembly);

#endif /* COREHEAP_ANALYSIS_DISASSEMBLE_H */
