/* What of a word of the target may be shown. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <coreheap/core.h>

#include "core/contents.h"
#include "support/ck.h"
#include "support/corewriter.h"

struct shown_word {
	uint64_t word;
	bool word_shown, addr_shown, size_shown;
};

/* One segment of two pages at 0x7f0000000000, one at 0x400000. */
static struct ch_core *open_core(struct ch_context *ctx)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t regs[27] = { 0 };
	const char *path = cw_temp_path("contents");
	struct ch_core *core;

	cw_prstatus(w, 100, SIGSEGV, regs, 27);
	cw_load(w, 0x400000, 0x1000, PF_R | PF_X, NULL, 0x1000);
	cw_load(w, 0x7f0000000000, 0x2000, PF_R | PF_W, NULL, 0x2000);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_core_open(ctx, path, NULL, &core));
	unlink(path);
	return core;
}

START_TEST(test_rules)
{
	static const struct shown_word rows[] = {
		{ 0, true, true, true },
		{ 17, true, true, true },
		/* "key" and a zero, "key1", "secret", "hunter2-", "hunt" in UTF-16 */
		{ 0x79656b, false, false, false },
		{ 0x3179656b, false, false, false },
		{ 0x746572636573, false, false, false },
		{ 0x2d327265746e7568, false, false, false },
		{ 0x0074006e00750068, false, false, false },
		/* two letters are no word; an error of a system call */
		{ 0x6b65, true, true, true },
		{ (uint64_t)-11, true, true, false },
		{ 0xfffffff5, true, true, false },
		/* in a segment, behind it, in a guard page below it, far from it */
		{ 0x7f0000000010, true, true, false },
		{ 0x7f0000002000, true, true, true },
		{ 0x7efffffff008, false, true, false },
		{ 0x7e0000000008, false, false, false },
		{ 0x400fff, true, true, true },
		/* the whole of a heap is a size */
		{ 64 << 20, false, false, true },
	};
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_core *core = open_core(ctx);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(chp_core_shows(core, rows[i].word) == rows[i].word_shown, "word %llx",
			      (unsigned long long)rows[i].word);
		ck_assert_msg(chp_core_shows_addr(core, rows[i].word) == rows[i].addr_shown,
			      "address %llx", (unsigned long long)rows[i].word);
		ck_assert_msg(chp_core_shows_size(core, rows[i].word) == rows[i].size_shown,
			      "size %llx", (unsigned long long)rows[i].word);
	}
	ck_assert_str_eq(chp_core_word(core, 0x3179656b, "no size").text, "no size");
	ck_assert_str_eq(chp_core_word(core, 0x21, "no size").text, "0x21");
	ck_assert_str_eq(chp_core_size(core, 0x21, "no size").text, "33 bytes");
	ch_core_close(core);
	ch_context_destroy(ctx);
}
END_TEST

START_TEST(test_reveal)
{
	const struct ch_context_options options = { .reveal = true };
	struct ch_context *ctx = ch_context_create(&options);
	struct ch_core *core = open_core(ctx);

	ck_assert(chp_core_shows(core, 0x3179656b));
	ck_assert(chp_core_shows_addr(core, 0x3179656b));
	ck_assert(chp_core_shows_size(core, 0x2d327265746e7568));
	ck_assert_str_eq(chp_core_word(core, 0x3179656b, "no size").text, "0x3179656b");
	ch_core_close(core);
	ch_context_destroy(ctx);
}
END_TEST

Suite *suite_contents(void)
{
	Suite *suite = suite_create("contents");
	TCase *tcase = tcase_create("rules");

	tcase_add_test(tcase, test_rules);
	tcase_add_test(tcase, test_reveal);
	suite_add_tcase(suite, tcase);
	return suite;
}
