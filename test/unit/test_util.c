/*
 * The foundations: checked arithmetic, vectors, errors, findings, and text
 * from a core made safe for a terminal.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/ck.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"
#include "util/table.h"
#include "util/text.h"
#include "util/vec.h"

START_TEST(checked_arithmetic)
{
	uint64_t value = 7;

	ck_assert(!ch_add(UINT64_MAX, 1, &value));
	ck_assert(ch_add(UINT64_MAX - 1, 1, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(!ch_mul(1ULL << 32, 1ULL << 32, &value));
	ck_assert(ch_mul(1ULL << 32, 1ULL << 31, &value));
	ck_assert_uint_eq(value, 1ULL << 63);
	ck_assert(ch_inside(10, 0, 10));
	ck_assert(!ch_inside(11, 0, 10));
	ck_assert(!ch_inside(10, 1, 10));
	ck_assert(!ch_inside(5, UINT64_MAX, 10));
	ck_assert(!ch_inside(UINT64_MAX, 2, 10));
	ck_assert(ch_inside(0, 10, 10));
	ck_assert_uint_eq(ch_align_up(1, 4096), 4096);
	ck_assert_uint_eq(ch_align_up(4096, 4096), 4096);
	ck_assert_uint_eq(ch_align_up(UINT64_MAX, 4096), ~4095ULL);
	ck_assert_uint_eq(ch_align_down(8191, 4096), 4096);
}
END_TEST

START_TEST(unaligned_little_endian_reads)
{
	static const uint8_t bytes[] = { 0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88 };

	ck_assert_uint_eq(ch_get16(bytes + 1), 0x0201);
	ck_assert_uint_eq(ch_get32(bytes + 1), 0x04030201);
	ck_assert_uint_eq(ch_get64(bytes + 1), 0x8807060504030201);
}
END_TEST

static int compare_ints(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

START_TEST(vectors_grow_sort_and_start_again)
{
	struct ch_vec v = CH_VEC(int);
	int i, *slot;

	for (i = 0; i < 10000; i++) {
		slot = ch_vec_push(&v);
		ck_assert_ptr_nonnull(slot);
		ck_assert_int_eq(*slot, 0);
		*slot = (i * 7919) % 10007;
	}
	ch_vec_sort(&v, compare_ints);
	for (i = 1; i < 10000; i++)
		ck_assert_int_lt(*CH_VEC_AT(&v, int, i - 1), *CH_VEC_AT(&v, int, i));
	ck_assert(!ch_vec_reserve(&v, SIZE_MAX / 2));
	ck_assert_uint_eq(v.count, 10000);
	ch_vec_deinit(&v);
	ck_assert_uint_eq(v.count, 0);
	ch_vec_sort(&v, compare_ints);
	ck_assert_ptr_nonnull(ch_vec_push(&v));
	ch_vec_deinit(&v);
}
END_TEST

START_TEST(text_is_safe_for_a_terminal)
{
	static const struct {
		const char *text;
		size_t max;
		const char *want;
	} rows[] = {
		{ "plain /usr/lib/x86_64/libc.so.6", 100, "plain /usr/lib/x86_64/libc.so.6" },
		{ "", 100, "" },
		{ "abcdef", 3, "abc" },
		{ "abc", 0, "" },
		{ "\033]0;owned\007", 100, "\\x1b]0;owned\\x07" },
		{ "a\nb\tc\rd", 100, "a\\x0ab\\x09c\\x0dd" },
		{ "back\\slash", 100, "back\\x5cslash" },
		{ "\x7f", 100, "\\x7f" },
		{ "\xc3\xa9t\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x90\x9b", 100,
		  "\xc3\xa9t\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x90\x9b" },
		/* C1 as UTF-8, right-to-left override, byte order mark */
		{ "\xc2\x9b", 100, "\\xc2\\x9b" },
		{ "\xe2\x80\xae", 100, "\\xe2\\x80\\xae" },
		{ "\xef\xbb\xbf", 100, "\\xef\\xbb\\xbf" },
		/* stray, overlong, surrogate, beyond Unicode, cut off */
		{ "\x80", 100, "\\x80" },
		{ "\xc0\xaf", 100, "\\xc0\\xaf" },
		{ "\xe0\x80\x80", 100, "\\xe0\\x80\\x80" },
		{ "\xed\xa0\x80", 100, "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", 100, "\\xf4\\x90\\x80\\x80" },
		{ "\xf8\x88\x80\x80\x80", 100, "\\xf8\\x88\\x80\\x80\\x80" },
		{ "x\xc3", 100, "x\\xc3" },
		{ "\xe6\xbc\xa2", 2, "\\xe6\\xbc" },
	};
	char *got = chp_text_escape(rows[_i].text, rows[_i].max);

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, rows[_i].want);
	free(got);
}
END_TEST

/* Code points without a picture, and those right before and behind that have one. */
START_TEST(text_that_is_not_seen)
{
	static const struct {
		const char *text;
		bool hidden;
	} rows[] = {
		{ "\xc2\xac", false },        { "\xc2\xad", true },
		{ "\xc2\xae", false },        { "\xd8\x9c", true },
		{ "\xd8\x9d", false },        { "\xe1\xa0\x8e", true },
		{ "\xe1\xa0\x90", false },    { "\xe2\xa0\x80", true },
		{ "\xe2\xa0\x81", false },    { "\xe3\x85\xa3", false },
		{ "\xe3\x85\xa4", true },     { "\xe3\x85\xa5", false },
		{ "\xef\xb8\x8f", true },     { "\xef\xbe\xa0", true },
		{ "\xef\xbf\xb9", true },     { "\xef\xbf\xbb", true },
		{ "\xef\xbf\xbc", false },    { "\xf3\xa0\x80\x80", true },
		{ "\xf3\xa0\x81\xbf", true }, { "\xf3\xa1\x80\x80", false },
	};
	char *got = chp_text_escape(rows[_i].text, 100);

	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(strncmp(got, "\\x", 2) == 0, rows[_i].hidden);
	ck_assert_int_eq(chp_text_is_name(rows[_i].text), !rows[_i].hidden);
	free(got);
}
END_TEST

START_TEST(names_without_their_numbers)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "worker-12", "worker-#" },
		{ "C2 CompilerThread0", "C2 CompilerThread#" },
		{ "pool-3-thread-17", "pool-#-thread-#" },
		{ "v8platform", "v8platform" },
		{ "12", "#" },
		{ "", "" },
	};
	char *got = chp_text_pattern(rows[_i].name);

	ck_assert_str_eq(got, rows[_i].want);
	free(got);
}
END_TEST

START_TEST(text_of_nothing)
{
	ck_assert_ptr_null(chp_text_escape(NULL, 10));
}
END_TEST

START_TEST(errors_carry_what_they_say)
{
	struct ch_error *err = ch_error_at(CH_ERROR_CORRUPT, 0x1234, "bad %s at %d", "chunk", 5);

	ck_assert_int_eq(err->code, CH_ERROR_CORRUPT);
	ck_assert_uint_eq(err->addr, 0x1234);
	ck_assert_str_eq(err->message, "bad chunk at 5");
	err = ch_error_prefix_take(err, "arena %d", 2);
	ck_assert_str_eq(err->message, "arena 2: bad chunk at 5");
	ck_assert_uint_eq(err->addr, 0x1234);
	ch_error_destroy(err);

	err = ch_error_os(ENOENT, "/a/b", "cannot open");
	ck_assert_int_eq(err->code, CH_ERROR_OS);
	ck_assert_int_eq(err->errnum, ENOENT);
	ck_assert_str_eq(err->path, "/a/b");
	ck_assert_ptr_nonnull(strstr(err->message, "cannot open"));
	ck_assert_ptr_nonnull(strstr(err->message, "No such file"));
	ch_error_destroy(err);
	ch_error_destroy(NULL);
}
END_TEST

START_TEST(static_errors_survive_destruction)
{
	ck_assert_ptr_eq(ch_error_prefix_take(&ch_stop, "x"), &ch_stop);
	ch_error_destroy(&ch_stop);
	ch_error_destroy(&ch_stop);
	ch_error_destroy(&ch_enomem);
	ck_assert_int_eq(ch_enomem.code, CH_ERROR_NOMEM);
	ck_assert_str_eq(ch_error_code_name(ch_stop.code), "STOP");
	ck_assert_str_eq(ch_error_code_name((enum ch_error_code)99), "UNKNOWN");
	ck_assert_str_eq(ch_error_code_name((enum ch_error_code)0), "UNKNOWN");
}
END_TEST

START_TEST(equal_findings_are_kept_once)
{
	struct ch_context *ctx = ch_context_create(NULL);
	const struct ch_finding *findings;
	size_t count;
	int i;

	for (i = 0; i < 5; i++)
		chp_context_finding(ctx, CH_SEVERITY_NOTE, "same", "the \033 same");
	findings = ch_context_findings(ctx, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(findings[0].code, "same");
	ck_assert_str_eq(findings[0].message, "the \\x1b same");
	ck_assert(ch_context_complete(ctx));
	ck_assert(!ch_context_damaged(ctx));
	chp_context_finding(ctx, CH_SEVERITY_DAMAGED, "third", "overwritten");
	ck_assert(ch_context_complete(ctx));
	ck_assert(ch_context_damaged(ctx));
	chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "other", "lost");
	ck_assert(!ch_context_complete(ctx));
	ch_context_destroy(ctx);
}
END_TEST

START_TEST(findings_of_one_code_are_bounded)
{
	struct ch_context *ctx = ch_context_create(NULL);
	const struct ch_finding *findings;
	uint64_t total = 0;
	size_t count, i;

	for (i = 0; i < 100000; i++)
		chp_context_finding(ctx, CH_SEVERITY_NOTE, "flood", "number %zu", i);
	findings = ch_context_findings(ctx, &count);
	ck_assert_uint_le(count, 17);
	for (i = 0; i < count; i++)
		total += findings[i].count;
	ck_assert_uint_eq(total, 100000);
	ck_assert_str_eq(findings[0].message, "number 0");
	ch_context_destroy(ctx);
}
END_TEST

START_TEST(hints_are_marked_where_they_are_made)
{
	struct ch_context *ctx = ch_context_create(NULL);
	const struct ch_finding *findings;
	size_t count;

	chp_context_finding(ctx, CH_SEVERITY_NOTE, "hint", "one");
	chp_context_finding(ctx, CH_SEVERITY_NOTE, "hint", "two");
	chp_context_finding(ctx, CH_SEVERITY_NOTE, "other", "three");
	chp_context_finding_hint(ctx, "hint");
	chp_context_finding_hint(ctx, "none");
	findings = ch_context_findings(ctx, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert(!findings[0].hint);
	ck_assert(findings[1].hint);
	ck_assert(!findings[2].hint);
	ch_context_destroy(ctx);
}
END_TEST

START_TEST(tables_find_what_was_put)
{
	struct ch_table table = { .slots = NULL };
	uint64_t i;

	ck_assert_uint_eq(ch_table_find(&table, 8), CH_TABLE_NONE);
	for (i = 1; i <= 10000; i++)
		ck_assert(ch_table_put(&table, i << 4, (uint32_t)i));
	ck_assert(ch_table_put(&table, 16, 77));
	ck_assert_uint_eq(table.count, 10000);
	ck_assert_uint_eq(ch_table_find(&table, 16), 77);
	for (i = 2; i <= 10000; i++)
		ck_assert_uint_eq(ch_table_find(&table, i << 4), i);
	ck_assert_uint_eq(ch_table_find(&table, 24), CH_TABLE_NONE);
	ck_assert_uint_eq(ch_table_find(&table, 0), CH_TABLE_NONE);
	ch_table_deinit(&table);
	ck_assert_uint_eq(ch_table_find(&table, 16), CH_TABLE_NONE);
}
END_TEST

START_TEST(searches_end_where_the_condition_does)
{
	const uint64_t starts[] = { 10, 20, 20, 30 };
	uint64_t addr;

	for (addr = 0; addr < 40; addr++) {
		const size_t below = ch_search(starts, 4, it, *it < addr);
		const size_t up_to = ch_search(starts, 4, it, *it <= addr);

		ck_assert_uint_eq(below, addr <= 10 ? 0 : addr <= 20 ? 1 : addr <= 30 ? 3 : 4);
		ck_assert_uint_eq(up_to, addr < 10 ? 0 : addr < 20 ? 1 : addr < 30 ? 3 : 4);
	}
	ck_assert_uint_eq(ch_search(starts, 0, it, *it < 40), 0);
}
END_TEST

START_TEST(lack_of_memory_is_told_once)
{
	struct ch_context *ctx = ch_context_create(NULL);
	const struct ch_finding *findings;
	size_t count;

	chp_context_drop_take(ctx, NULL);
	chp_context_drop_take(ctx, ch_error_create(CH_ERROR_FAULT, "no memory was mapped there"));
	ck_assert(ch_context_complete(ctx));
	chp_context_drop_take(ctx, &ch_enomem);
	chp_context_no_memory(ctx);
	chp_context_finding(ctx, CH_SEVERITY_NOTE, "other", "behind it");
	findings = ch_context_findings(ctx, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(findings[0].code, "no-memory");
	ck_assert(!ch_context_complete(ctx));
	ch_context_destroy(ctx);
}
END_TEST

static void *report_findings(void *ctx)
{
	int i;

	for (i = 0; i < 1000; i++)
		chp_context_finding(ctx, CH_SEVERITY_NOTE, "race", "number %d", i % 10);
	return NULL;
}

START_TEST(findings_from_many_threads)
{
	struct ch_context *ctx = ch_context_create(NULL);
	pthread_t threads[4];
	size_t i, count;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, report_findings, ctx), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ch_context_findings(ctx, &count);
	ck_assert_uint_eq(count, 10);
	ch_context_destroy(ctx);
}
END_TEST

START_TEST(cancelling_stops_work)
{
	struct ch_context *ctx = ch_context_create(NULL);

	ck_ch_ok(chp_context_check(ctx));
	ch_context_cancel(ctx);
	ck_assert(ch_context_cancelled(ctx));
	ck_assert_ptr_eq(chp_context_check(ctx), &ch_stop);
	ch_context_destroy(ctx);
}
END_TEST

static void count_calls(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	(void)phase;
	*(uint64_t *)arg += done + total;
}

START_TEST(progress_reaches_the_caller)
{
	uint64_t seen = 0;
	struct ch_context_options options = { .progress = count_calls, .arg = &seen };
	struct ch_context *ctx = ch_context_create(&options);

	chp_context_progress(ctx, "walking", 3, 10);
	ck_assert_uint_eq(seen, 13);
	ch_context_destroy(ctx);
	ctx = ch_context_create(NULL);
	chp_context_progress(ctx, "walking", 3, 10);
	chp_context_log(ctx, CH_LOG_WARNING, "nobody listens to %d", 1);
	ch_context_destroy(ctx);
	ch_context_destroy(NULL);
}
END_TEST

Suite *suite_util(void)
{
	Suite *suite = suite_create("util");
	TCase *tcase = tcase_create("util");

	tcase_add_test(tcase, checked_arithmetic);
	tcase_add_test(tcase, unaligned_little_endian_reads);
	tcase_add_test(tcase, vectors_grow_sort_and_start_again);
	tcase_add_loop_test(tcase, text_is_safe_for_a_terminal, 0, 20);
	tcase_add_loop_test(tcase, text_that_is_not_seen, 0, 20);
	tcase_add_loop_test(tcase, names_without_their_numbers, 0, 6);
	tcase_add_test(tcase, text_of_nothing);
	tcase_add_test(tcase, errors_carry_what_they_say);
	tcase_add_test(tcase, static_errors_survive_destruction);
	tcase_add_test(tcase, equal_findings_are_kept_once);
	tcase_add_test(tcase, findings_of_one_code_are_bounded);
	tcase_add_test(tcase, hints_are_marked_where_they_are_made);
	tcase_add_test(tcase, tables_find_what_was_put);
	tcase_add_test(tcase, searches_end_where_the_condition_does);
	tcase_add_test(tcase, lack_of_memory_is_told_once);
	tcase_add_test(tcase, findings_from_many_threads);
	tcase_add_test(tcase, cancelling_stops_work);
	tcase_add_test(tcase, progress_reaches_the_caller);
	suite_add_tcase(suite, tcase);
	return suite;
}
