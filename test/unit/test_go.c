/* What Go programs say of themselves: build information, and the notes by which files are told
 * apart. */
#include <check.h>
#include <string.h>

#include "support/ck.h"
#include "sym/sym_priv.h"
#include "walkers/go/code.h"

START_TEST(test_minor)
{
	ck_assert_uint_eq(go_minor("go1.19.8"), 19);
	ck_assert_uint_eq(go_minor("go1.27"), 27);
	ck_assert_uint_eq(go_minor("devel go1.28-4c9f2a Mon Nov 2"), 28);
	ck_assert_uint_eq(go_minor("go1.21rc2 X:boringcrypto"), 21);
	ck_assert_uint_eq(go_minor("go2.0"), 0);
	ck_assert_uint_eq(go_minor("go1."), 0);
	ck_assert_uint_eq(go_minor("go1.99999999999999999999"), 0);
	ck_assert_uint_eq(go_minor(""), 0);
}
END_TEST

START_TEST(test_build)
{
	static const char text[] = "path\texample.com/shop/cmd/shopd\n"
				   "mod\texample.com/shop\tv1.4.2\th1:abc=\n"
				   "dep\tgolang.org/x/sys\tv0.1.0\n"
				   "build\t-ldflags=\"-X main.token=secret\"\n"
				   "build\tvcs.revision=0123456789abcdef\n"
				   "build\tvcs.modified=true\n";
	struct go_build build = { .minor = 0 };

	go_build_parse(text, sizeof(text) - 1, &build);
	ck_assert_str_eq(build.package, "example.com/shop/cmd/shopd");
	ck_assert_str_eq(build.module, "example.com/shop");
	ck_assert_str_eq(build.module_version, "v1.4.2");
	ck_assert_str_eq(build.revision, "0123456789abcdef");
	ck_assert_str_eq(build.modified, "true");
}
END_TEST

/* What is no such text leaves no trace: nothing of it would be printed without harm. */
START_TEST(test_bad_build)
{
	struct go_build build = { .minor = 0 };
	char lengthy[400] = "path\t";

	memset(lengthy + 5, 'a', sizeof(lengthy) - 5);
	go_build_parse(lengthy, sizeof(lengthy), &build);
	go_build_parse("path\ta\x1b[31mb", 11, &build);
	go_build_parse("mod", 3, &build);
	go_build_parse("mod\t", 4, &build);
	go_build_parse("\n\n\n", 3, &build);
	ck_assert_str_eq(build.package, "");
	ck_assert_str_eq(build.module, "");
	ck_assert_str_eq(build.module_version, "");
}
END_TEST

#define PART "abcdefghij-lmnopqr_t"

struct note_row {
	const char *what;
	/* behind the header of a note of Go's */
	const char *desc;
	/* what is taken of it; NULL: nothing */
	const char *id;
};
static const struct note_row notes[] = {
	{ "as go build writes it", PART "/" PART "/" PART "/0123456789ABCDEFGHIJ",
	  "0123456789ABCDEFGHIJ" },
	{ "given by a build system", "redacted", NULL },
	{ "two parts", PART "/" PART, NULL },
	{ "as long, without parts", PART "x" PART "x" PART "x" PART, NULL },
	{ "empty", "", NULL },
};

START_TEST(test_note)
{
	const struct note_row *row = &notes[_i];
	uint8_t note[128] = { 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'G', 'o' };
	uint8_t id[CH_BUILD_ID_MAX];
	uint32_t len;

	note[4] = (uint8_t)strlen(row->desc);
	memcpy(note + 16, row->desc, strlen(row->desc));
	len = chp_image_build_id(note, sizeof(note), CH_BUILD_NOTE_GO, id);
	ck_assert_msg(len == (row->id ? strlen(row->id) : 0), "%s: %u", row->what, len);
	if (row->id)
		ck_assert_msg(memcmp(id, row->id, len) == 0, "%s", row->what);
	ck_assert_uint_eq(chp_image_build_id(note, sizeof(note), CH_BUILD_NOTE_GNU, id), 0);
}
END_TEST

/* Rows are in order, without a gap, and their fields behind each other. */
START_TEST(test_layouts)
{
	const struct go_module_layout *row = &go_module_layouts[_i];

	ck_assert_uint_le(row->first_minor, row->last_minor);
	ck_assert_uint_lt(row->types, row->gcdatamask);
	ck_assert_uint_eq(row->gcbssmask, row->gcdatamask + 2);
	ck_assert_uint_gt(row->next, row->gcbssmask + 2);
	if (_i)
		ck_assert_uint_eq(row[-1].last_minor + 1, row->first_minor);
}
END_TEST

Suite *suite_go(void)
{
	Suite *suite = suite_create("go");
	TCase *tcase = tcase_create("go");

	tcase_add_test(tcase, test_minor);
	tcase_add_test(tcase, test_build);
	tcase_add_test(tcase, test_bad_build);
	tcase_add_loop_test(tcase, test_note, 0, (int)(sizeof(notes) / sizeof(notes[0])));
	tcase_add_loop_test(tcase, test_layouts, 0, (int)go_module_layouts_count);
	suite_add_tcase(suite, tcase);
	return suite;
}
