/* Which locals of Java methods have references, by their bytecodes. */
#include <check.h>

#include "support/ck.h"
#include "walkers/hotspot/bytecode.h"

struct row {
	const char *what;
	uint8_t codes[40];
	uint32_t size, bci;
	uint64_t entry, refs;
	bool known;
};

/* As javac writes them; numbers are those of the JVM specification, chapter 6. */
static const struct row rows[] = {
	{ "parameters", { 42, 43, 177 }, 3, 2, 3, 3, true },
	{ "aconst_null, astore_2", { 1, 77, 0, 177 }, 4, 3, 1, 5, true },
	{ "before it is stored", { 1, 77, 0, 177 }, 4, 1, 1, 1, true },
	{ "istore_0 over a reference", { 3, 59, 177 }, 3, 2, 3, 2, true },
	{ "lstore_1 over two", { 9, 64, 177 }, 3, 2, 7, 1, true },
	{ "dstore 5", { 14, 57, 5, 177 }, 4, 3, 0x60, 0, true },
	{ "astore 63, 64", { 1, 58, 63, 1, 58, 64, 177 }, 7, 6, 0, 1ULL << 63, true },
	{ "wide astore 3", { 1, 196, 58, 0, 3, 177 }, 6, 5, 0, 8, true },
	{ "wide iinc", { 196, 132, 0, 3, 0, 1, 177 }, 7, 6, 9, 9, true },
	/* 0: iconst_0 1: istore_1 2: iload_1 3: ifne 11 6: aconst_null 7: astore_2 8: goto 2
	 * 11: return */
	{ "left by a loop",
	  { 3, 60, 27, 154, 0, 8, 1, 77, 167, 255, 250, 177 },
	  12,
	  11,
	  1,
	  1,
	  true },
	{ "inside of it", { 3, 60, 27, 154, 0, 8, 1, 77, 167, 255, 250, 177 }, 12, 8, 1, 5, true },
	/* 0: aload_0 1: ifnull 9 4: aconst_null 5: astore_1 6: goto 11 9: aconst_null
	 * 10: astore_1 11: return */
	{ "stored on both ways",
	  { 42, 198, 0, 8, 1, 76, 167, 0, 5, 1, 76, 177 },
	  12,
	  11,
	  1,
	  3,
	  true },
	/* 0: aload_0 1: ifnull 8 4: aconst_null 5: astore_1 6: nop 7: nop 8: return */
	{ "stored on one", { 42, 198, 0, 7, 1, 76, 0, 0, 177 }, 9, 8, 1, 1, true },
	/* tableswitch of 1..2 at 1: default 30, 1: 24, 2: 27 */
	{ "a table of two",
	  { 26, 170, 0, 0,  0, 0, 0, 29, 0, 0,  0,   1, 0,  0,   0,  2,
	    0,  0,   0, 23, 0, 0, 0, 26, 1, 76, 177, 1, 76, 177, 177 },
	  31,
	  26,
	  0,
	  2,
	  true },
	{ "its default",
	  { 26, 170, 0, 0,  0, 0, 0, 29, 0, 0,  0,   1, 0,  0,   0,  2,
	    0,  0,   0, 23, 0, 0, 0, 26, 1, 76, 177, 1, 76, 177, 177 },
	  31,
	  30,
	  0,
	  0,
	  true },
	/* lookupswitch of one pair at 1, as the interpreter has it (228): default 21, 7: 20 */
	{ "a pair",
	  { 26, 228, 0, 0, 0, 0, 0, 21, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 19, 1, 77, 177 },
	  23,
	  22,
	  0,
	  0,
	  true },
	/* fast_aload_0, fast_agetfield; nofast_iload; fast_iaccess_0 with its getfield */
	{ "rewritten ones",
	  { 220, 203, 1, 0, 76, 237, 4, 221, 208, 2, 0, 61, 177 },
	  13,
	  12,
	  1,
	  3,
	  true },
	{ "not reached", { 177, 1, 76, 177 }, 4, 3, 0, 0, false },
	{ "in the middle of one", { 1, 58, 3, 177 }, 4, 2, 0, 0, false },
	{ "behind the end", { 42, 177 }, 2, 2, 0, 0, false },
	{ "jsr", { 168, 0, 3, 177 }, 4, 3, 0, 0, false },
	{ "a breakpoint", { 202, 177 }, 2, 1, 0, 0, false },
	{ "no bytecode", { 255, 177 }, 2, 1, 0, 0, false },
	{ "a jump to outside", { 167, 0x7f, 0xff }, 3, 0, 0, 0, false },
	{ "a jump to before", { 167, 0x80, 0x00 }, 3, 0, 0, 0, false },
	{ "a cut one", { 0, 153, 0 }, 3, 0, 0, 0, false },
	{ "a cut switch", { 26, 170, 0, 0, 0, 0 }, 6, 0, 0, 0, false },
	{ "a switch of four billions",
	  { 26, 170, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 255, 255, 255, 254, 177 },
	  17,
	  0,
	  0,
	  0,
	  false },
	{ "an end that is missing", { 0, 0 }, 2, 1, 0, 0, false },
};

START_TEST(test_row)
{
	const struct row *row = &rows[_i];
	uint64_t refs = 0x5555;
	bool known = hs_bytecode_refs(row->codes, row->size, row->bci, row->entry, &refs);

	ck_assert_msg(known == row->known, "%s: known", row->what);
	ck_assert_msg(refs == (row->known ? row->refs : 0x5555), "%s: 0x%llx", row->what,
		      (unsigned long long)refs);
}
END_TEST

Suite *suite_bytecode(void)
{
	Suite *suite = suite_create("bytecode");
	TCase *tcase = tcase_create("bytecode");

	tcase_add_loop_test(tcase, test_row, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	suite_add_tcase(suite, tcase);
	return suite;
}
