/*
 * decode.h - machine code as text, and the addresses that it names.
 *
 * With capstone, whole instructions of x86-64 and aarch64. Built without it, only what looks
 * like an address in an instruction of x86-64: calls, 64-bit immediates and words relative to
 * the instruction. That is a guess, byte by byte, and says so.
 */
#ifndef COREHEAP_ANALYSIS_DECODE_H
#define COREHEAP_ANALYSIS_DECODE_H

#include <coreheap/core.h>

enum ch_operand_kind {
	/** Where a call or a jump leads. */
	CH_OPERAND_BRANCH,
	/** Where a word lies that is read, written, or called through. */
	CH_OPERAND_MEMORY,
	/** A number, which may be an address. */
	CH_OPERAND_VALUE,
};

struct ch_operand {
	enum ch_operand_kind kind;
	uint64_t addr;
};
#define CH_OPERANDS_MAX 4

struct ch_instruction {
	uint64_t addr;
	uint32_t bytes;
	/** "mov rax, qword ptr [rax]"; "" without a decoder, and where it is no instruction. */
	char text[224];
	struct ch_operand operands[CH_OPERANDS_MAX];
	uint32_t operands_count;
};

struct ch_decoder;

/** Whether whole instructions are decoded. */
bool chp_decoder_is_whole(void);
/** NULL: out of memory, or not for this architecture. */
struct ch_decoder *chp_decoder_create(enum ch_arch arch);
void chp_decoder_destroy(struct ch_decoder *decoder);
/** The instruction at bytes, of which there are len, at the target's addr; of a guess the next
 * one that names an address. False: there is none. */
bool chp_decoder_next(struct ch_decoder *decoder, const uint8_t *bytes, size_t len, uint64_t addr,
		      struct ch_instruction *ret);

#endif /* COREHEAP_ANALYSIS_DECODE_H */
