/*
 * Debug information that lies: what makes sense of it is read, what does not is lost and told, and
 * all of it ends. Programs of compilers are in system/debug.py.
 */
#include <stdlib.h>
#include <string.h>

#include "support/ck.h"
#include "support/debugcase.h"
#include "support/hostile_dwarf.h"

static struct debugcase made;

static void open_case(const char *name)
{
	uint8_t *bytes = NULL;
	size_t len = 0, i;

	for (i = 0; hostile_dwarfs[i].name; i++)
		if (strcmp(hostile_dwarfs[i].name, name) == 0)
			bytes = hostile_dwarfs[i].make(&len);
	ck_assert_ptr_nonnull(bytes);
	debugcase_open(&made, bytes, len);
	free(bytes);
}

static const struct ch_finding *finding(void)
{
	const struct ch_finding *findings;
	size_t count, i;

	findings = ch_context_findings(made.ctx, &count);
	for (i = 0; i < count; i++)
		if (strcmp(findings[i].code, "debug-info-damaged") == 0)
			return &findings[i];
	return NULL;
}

static struct ch_error *count_one(void *arg, const struct ch_variable *variable)
{
	ck_assert_uint_eq(variable->addr, 0x400100);
	(*(size_t *)arg)++;
	return NULL;
}

static size_t variables(void)
{
	size_t count = 0;

	ck_ch_ok(chp_ctypes_variables(made.ctypes, count_one, &count));
	return count;
}

/* All of them end, within the time of a test. */
START_TEST(test_hostile)
{
	static const struct {
		const char *name;
		size_t variables;
		bool damaged;
	} rows[] = {
		{ "plain", 1, false }, { "cycle", 2, false },    { "typedefs", 2, true },
		{ "huge", 1, true },   { "many", 1, true },      { "long-name", 1, true },
		{ "deep", 0, true },   { "no-abbrev", 1, true }, { "cut", 0, true },
	};

	open_case(rows[_i].name);
	ck_assert_uint_eq(variables(), rows[_i].variables);
	debugcase_use(&made);
	ck_assert_msg((finding() != NULL) == rows[_i].damaged, "%s", rows[_i].name);
	debugcase_close(&made);
}
END_TEST

START_TEST(test_plain)
{
	const struct ch_ctype *type;
	uint32_t id;

	open_case("plain");
	id = chp_ctype_named(made.ctypes, NULL, "node");
	type = chp_ctype(made.ctypes, id);
	ck_assert_int_eq(type->kind, CH_CTYPE_STRUCT);
	ck_assert_uint_eq(type->size_bytes, 16);
	ck_assert_uint_eq(type->members_count, 1);
	ck_assert_str_eq(type->members[0].name, "next");
	ck_assert_uint_eq(chp_ctype(made.ctypes, type->members[0].type)->target, id);
	debugcase_close(&made);
}
END_TEST

/* A structure that holds itself in place is one that is larger than itself: its members are told,
 * and who follows them has sizes to stop at. */
START_TEST(test_cycle)
{
	const struct ch_ctype *type;
	uint32_t id;

	open_case("cycle");
	id = chp_ctype_named(made.ctypes, NULL, "node");
	type = chp_ctype(made.ctypes, id);
	ck_assert_uint_eq(type->members_count, 2);
	ck_assert_uint_eq(type->members[0].type, id);
	ck_assert_uint_eq(chp_ctype(made.ctypes, type->members[1].type)->kind, CH_CTYPE_POINTER);
	debugcase_close(&made);
}
END_TEST

START_TEST(test_huge)
{
	const struct ch_ctype *type;

	open_case("huge");
	type = chp_ctype(made.ctypes, chp_ctype_named(made.ctypes, NULL, "node"));
	ck_assert_uint_eq(type->size_bytes, 0);
	ck_assert_uint_eq(type->members_count, 0);
	debugcase_close(&made);
}
END_TEST

Suite *suite_debug(void);
Suite *suite_debug(void)
{
	Suite *suite = suite_create("debug");
	TCase *tcase = tcase_create("lies");

	tcase_add_loop_test(tcase, test_hostile, 0, 9);
	tcase_add_test(tcase, test_plain);
	tcase_add_test(tcase, test_cycle);
	tcase_add_test(tcase, test_huge);
	suite_add_tcase(suite, tcase);
	return suite;
}
