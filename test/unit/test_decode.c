/*
 * What instructions name: the same addresses with capstone and without.
 */
#include "analysis/decode.h"

#include <string.h>

#include "support/ck.h"
#include "util/cleanup.h"

#define ADDR 0x7f0000001000ULL

/* Bytes as the SDM has them (volume 2: CALL, JMP, MOV, LEA), and what they name. */
static const struct {
	const char *name;
	uint8_t bytes[10];
	size_t len;
	enum ch_operand_kind kind;
	uint64_t addr;
} rows[] = {
	{ "call rel32", { 0xe8, 0xfb, 0x0f, 0, 0 }, 5, CH_OPERAND_BRANCH, ADDR + 0x1000 },
	{ "call rel32, back",
	  { 0xe8, 0xfb, 0xef, 0xff, 0xff },
	  5,
	  CH_OPERAND_BRANCH,
	  ADDR - 0x1000 },
	{ "call [rip + n]", { 0xff, 0x15, 0xfa, 0x0f, 0, 0 }, 6, CH_OPERAND_MEMORY, ADDR + 0x1000 },
	{ "movabs rax, n",
	  { 0x48, 0xb8, 0x80, 0x01, 0, 0xeb, 0x6c, 0x7f, 0, 0 },
	  10,
	  CH_OPERAND_VALUE,
	  0x7f6ceb000180 },
	{ "movabs r15, n",
	  { 0x49, 0xbf, 0x80, 0x01, 0, 0xeb, 0x6c, 0x7f, 0, 0 },
	  10,
	  CH_OPERAND_VALUE,
	  0x7f6ceb000180 },
	{ "mov rax, [rip + n]",
	  { 0x48, 0x8b, 0x05, 0xf9, 0x0f, 0, 0 },
	  7,
	  CH_OPERAND_MEMORY,
	  ADDR + 0x1000 },
	{ "lea rdi, [rip - n]",
	  { 0x48, 0x8d, 0x3d, 0xf9, 0xef, 0xff, 0xff },
	  7,
	  CH_OPERAND_MEMORY,
	  ADDR - 0x1000 },
};

START_TEST(names)
{
	struct ch_decoder *decoder = chp_decoder_create(CH_ARCH_X86_64);
	struct ch_instruction insn;
	uint32_t i, found = 0;

	ck_assert_ptr_nonnull(decoder);
	ck_assert(chp_decoder_next(decoder, rows[_i].bytes, rows[_i].len, ADDR, &insn));
	ck_assert_uint_eq(insn.addr, ADDR);
	ck_assert_uint_eq(insn.bytes, rows[_i].len);
	for (i = 0; i < insn.operands_count; i++)
		found += insn.operands[i].kind == rows[_i].kind &&
			 insn.operands[i].addr == rows[_i].addr;
	ck_assert_msg(found == 1, "%s: %u operands", rows[_i].name, insn.operands_count);
	ck_assert_int_eq(insn.text[0] != '\0', chp_decoder_is_whole());
	chp_decoder_destroy(decoder);
}
END_TEST

/* An instruction that is cut off names nothing, and there is an end to any bytes. */
START_TEST(cut_off)
{
	struct ch_decoder *decoder = chp_decoder_create(CH_ARCH_X86_64);
	struct ch_instruction insn;
	size_t at, len = rows[_i].len - 1, steps = 0;

	ck_assert_ptr_nonnull(decoder);
	for (at = 0; at < len; steps++) {
		if (!chp_decoder_next(decoder, rows[_i].bytes + at, len - at, ADDR + at, &insn))
			break;
		ck_assert_uint_gt(insn.bytes, 0);
		at = (size_t)(insn.addr - ADDR) + insn.bytes;
		ck_assert_uint_le(at, len);
	}
	ck_assert_uint_le(steps, len);
	ck_assert(!chp_decoder_next(decoder, rows[_i].bytes, 0, ADDR, &insn));
	chp_decoder_destroy(decoder);
}
END_TEST

Suite *suite_decode(void)
{
	Suite *s = suite_create("decode");
	TCase *tc = tcase_create("decode");

	tcase_add_loop_test(tc, names, 0, (int)CH_COUNT_OF(rows));
	tcase_add_loop_test(tc, cut_off, 0, (int)CH_COUNT_OF(rows));
	suite_add_tcase(s, tc);
	return s;
}
