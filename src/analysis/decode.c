/*
 * Machine code as text: by capstone, or a guess without it.
 */
#include "analysis/decode.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/bytes.h"

#ifdef CH_CAPSTONE

#include <capstone/capstone.h>

struct ch_decoder {
	csh handle;
	enum ch_arch arch;
	cs_insn *insn;
};

bool chp_decoder_is_whole(void)
{
	return true;
}

struct ch_decoder *chp_decoder_create(enum ch_arch arch)
{
	struct ch_decoder *decoder = calloc(1, sizeof(*decoder));
	bool x86 = arch == CH_ARCH_X86_64;

	if (!decoder)
		return NULL;
	decoder->arch = arch;
	if (cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64, x86 ? CS_MODE_64 : CS_MODE_ARM,
		    &decoder->handle) != CS_ERR_OK) {
		free(decoder);
		return NULL;
	}
	cs_option(decoder->handle, CS_OPT_DETAIL, CS_OPT_ON);
	decoder->insn = cs_malloc(decoder->handle);
	if (!decoder->insn) {
		chp_decoder_destroy(decoder);
		return NULL;
	}
	return decoder;
}

void chp_decoder_destroy(struct ch_decoder *decoder)
{
	if (!decoder)
		return;
	if (decoder->insn)
		cs_free(decoder->insn, 1);
	cs_close(&decoder->handle);
	free(decoder);
}

static void put(struct ch_instruction *ret, enum ch_operand_kind kind, uint64_t addr)
{
	if (ret->operands_count < CH_OPERANDS_MAX)
		ret->operands[ret->operands_count++] = (struct ch_operand){ kind, addr };
}

static void put_x86(const struct ch_decoder *decoder, struct ch_instruction *ret)
{
	const cs_insn *insn = decoder->insn;
	const cs_x86 *x86 = &insn->detail->x86;
	bool branch = cs_insn_group(decoder->handle, insn, CS_GRP_JUMP) ||
		      cs_insn_group(decoder->handle, insn, CS_GRP_CALL);
	uint8_t i;

	for (i = 0; i < x86->op_count; i++) {
		const cs_x86_op *op = &x86->operands[i];

		if (op->type == X86_OP_IMM)
			put(ret, branch ? CH_OPERAND_BRANCH : CH_OPERAND_VALUE, (uint64_t)op->imm);
		else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP)
			put(ret, CH_OPERAND_MEMORY,
			    insn->address + insn->size + (uint64_t)op->mem.disp);
	}
}

static void put_arm64(const struct ch_decoder *decoder, struct ch_instruction *ret)
{
	const cs_insn *insn = decoder->insn;
	const cs_arm64 *arm64 = &insn->detail->arm64;
	bool branch = cs_insn_group(decoder->handle, insn, CS_GRP_JUMP) ||
		      cs_insn_group(decoder->handle, insn, CS_GRP_CALL);
	uint8_t i;

	for (i = 0; i < arm64->op_count; i++)
		if (arm64->operands[i].type == ARM64_OP_IMM)
			put(ret, branch ? CH_OPERAND_BRANCH : CH_OPERAND_VALUE,
			    (uint64_t)arm64->operands[i].imm);
}

bool chp_decoder_next(struct ch_decoder *decoder, const uint8_t *bytes, size_t len, uint64_t addr,
		      struct ch_instruction *ret)
{
	const uint8_t *at = bytes;
	uint64_t address = addr;
	size_t left = len;

	*ret = (struct ch_instruction){ .addr = addr, .bytes = 1 };
	if (!len)
		return false;
	if (!cs_disasm_iter(decoder->handle, &at, &left, &address, decoder->insn)) {
		if (decoder->arch != CH_ARCH_X86_64)
			ret->bytes = (uint32_t)ch_min(4, len);
		return true;
	}
	ret->bytes = decoder->insn->size;
	snprintf(ret->text, sizeof(ret->text), "%s%s%s", decoder->insn->mnemonic,
		 decoder->insn->op_str[0] ? " " : "", decoder->insn->op_str);
	if (decoder->arch == CH_ARCH_X86_64)
		put_x86(decoder, ret);
	else
		put_arm64(decoder, ret);
	return true;
}

#else /* CH_CAPSTONE */

struct ch_decoder {
	enum ch_arch arch;
};

bool chp_decoder_is_whole(void)
{
	return false;
}

struct ch_decoder *chp_decoder_create(enum ch_arch arch)
{
	struct ch_decoder *decoder = arch == CH_ARCH_X86_64 ? calloc(1, sizeof(*decoder)) : NULL;

	if (decoder)
		decoder->arch = arch;
	return decoder;
}

void chp_decoder_destroy(struct ch_decoder *decoder)
{
	free(decoder);
}

/* Intel SDM volume 2: E8 call rel32, FF /2 and 8B, 8D with mod 0 and rm 5 relative to the
 * end, REX.W B8+r with an immediate of 8 bytes. */
static bool guess(const uint8_t *p, size_t len, uint64_t addr, struct ch_instruction *ret)
{
	enum { CALL = 5, LOAD = 7, CALL_CELL = 6, MOVE = 10 };
	struct ch_operand *operand = &ret->operands[0];

	ret->operands_count = 1;
	if (len >= MOVE && (p[0] & 0xfe) == 0x48 && (p[1] & 0xf8) == 0xb8) {
		ret->bytes = MOVE;
		*operand = (struct ch_operand){ CH_OPERAND_VALUE, ch_get64(p + 2) };
	} else if (len >= CALL && p[0] == 0xe8) {
		ret->bytes = CALL;
		*operand = (struct ch_operand){ CH_OPERAND_BRANCH,
						addr + CALL + (uint64_t)(int32_t)ch_get32(p + 1) };
	} else if (len >= CALL_CELL && p[0] == 0xff && p[1] == 0x15) {
		ret->bytes = CALL_CELL;
		*operand = (struct ch_operand){
			CH_OPERAND_MEMORY, addr + CALL_CELL + (uint64_t)(int32_t)ch_get32(p + 2)
		};
	} else if (len >= LOAD && (p[0] & 0xfb) == 0x48 && (p[1] == 0x8b || p[1] == 0x8d) &&
		   (p[2] & 0xc7) == 0x05) {
		ret->bytes = LOAD;
		*operand = (struct ch_operand){ CH_OPERAND_MEMORY,
						addr + LOAD + (uint64_t)(int32_t)ch_get32(p + 3) };
	} else {
		ret->operands_count = 0;
		return false;
	}
	return true;
}

bool chp_decoder_next(struct ch_decoder *decoder, const uint8_t *bytes, size_t len, uint64_t addr,
		      struct ch_instruction *ret)
{
	size_t i;

	(void)decoder;
	for (i = 0; i < len; i++) {
		*ret = (struct ch_instruction){ .addr = addr + i };
		if (guess(bytes + i, len - i, addr + i, ret))
			return true;
	}
	return false;
}

#endif /* CH_CAPSTONE */
