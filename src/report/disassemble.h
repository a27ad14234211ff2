/*
 * report/disassemble.h - code with the names of what it uses.
 */
#ifndef COREHEAP_REPORT_DISASSEMBLE_H
#define COREHEAP_REPORT_DISASSEMBLE_H

#include "analysis/decode.h"
#include "render/render.h"
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

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_disassembly(const struct ch_report *report,
						     const struct ch_disassembly *disassembly);
void ch_disassembly_deinit(struct ch_disassembly *disassembly);

#endif /* COREHEAP_REPORT_DISASSEMBLE_H */
