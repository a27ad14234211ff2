/* Regular expressions: against those of the C library, and what these do not know. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map/regex.h"
#include "support/ck.h"

#define MATCHES_MAX 64
#define PATTERNS    3000
#define PATTERN_MAX 256

struct match {
	size_t at, len;
};

struct matches {
	size_t count;
	struct match items[MATCHES_MAX];
};

static struct ch_error *take(void *arg, size_t at, size_t len)
{
	struct matches *matches = arg;

	if (matches->count < MATCHES_MAX)
		matches->items[matches->count] = (struct match){ at, len };
	matches->count++;
	return NULL;
}

static struct matches find(const char *pattern, bool ignore_case, const char *text, size_t len)
{
	struct matches found = { 0 };
	struct ch_regex *regex;

	ck_ch_ok(chp_regex_make(pattern, ignore_case, &regex));
	ck_ch_ok(chp_regex_find(regex, (const uint8_t *)text, len, take, &found));
	ck_assert_int_eq(chp_regex_is_in(regex, (const uint8_t *)text, len), found.count > 0);
	chp_regex_destroy(regex);
	return found;
}

/* What the C library finds, without matches of nothing. */
static struct matches find_as_libc(const regex_t *regex, const char *text, size_t len)
{
	struct matches found = { 0 };
	size_t at = 0;
	regmatch_t match;

	while (at < len) {
		match = (regmatch_t){ .rm_so = (regoff_t)at, .rm_eo = (regoff_t)len };
		if (regexec(regex, text, 1, &match, REG_STARTEND))
			break;
		if (match.rm_eo > match.rm_so)
			take(&found, (size_t)match.rm_so, (size_t)(match.rm_eo - match.rm_so));
		at = (size_t)match.rm_eo + (match.rm_eo == match.rm_so);
	}
	return found;
}

static uint32_t random_below(uint32_t *state, uint32_t bound)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % bound;
}

static void append(char *pattern, const char *text)
{
	size_t len = strlen(pattern);

	snprintf(pattern + len, PATTERN_MAX - len, "%s", text);
}

/* Operands with signs behind them, in groups that are closed. */
static void make_pattern(uint32_t *state, char *pattern)
{
	static const char *const operands[] = { "a", "b", "c",    "ab",   ".",
						"x", "(", "[ab]", "[^a]", "[a-c]" };
	static const char *const signs[] = { "", "", "", "*", "+", "?", "{2}", "{1,3}", "|" };
	uint32_t open = 0, count = 1 + random_below(state, 8), i;
	const char *operand;
	bool repeated = false;

	pattern[0] = '\0';
	for (i = 0; i < count; i++) {
		operand = operands[random_below(state, 10)];
		append(pattern, operand);
		if (operand[0] == '(') {
			open++;
			append(pattern, "a");
		}
		/* the C library takes memory for repeats of repeats */
		if (open && !repeated && random_below(state, 3) == 0) {
			append(pattern, ")");
			open--;
		}
		operand = signs[random_below(state, i + 1 < count ? 9 : 8)];
		repeated = operand[0] == '{';
		append(pattern, operand);
		if (operand[0] == '|')
			append(pattern, "b");
	}
	while (open--)
		append(pattern, ")");
}

START_TEST(matches_are_those_of_the_c_library)
{
	static const char letters[] = "aaabbccx\n";
	uint32_t state = 17, i, k;
	size_t matched = 0, a;
	struct matches got, want;
	char pattern[PATTERN_MAX], text[41];
	regex_t regex;

	for (i = 0; i < PATTERNS; i++) {
		make_pattern(&state, pattern);
		for (k = 0; k < sizeof(text) - 1; k++)
			text[k] = letters[random_below(&state, sizeof(letters) - 1)];
		text[k] = '\0';
		ck_assert_msg(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE) == 0, "%s",
			      pattern);
		want = find_as_libc(&regex, text, k);
		regfree(&regex);
		got = find(pattern, false, text, k);
		ck_assert_msg(got.count == want.count, "%s in %s: %zu for %zu", pattern, text,
			      got.count, want.count);
		for (a = 0; a < want.count && a < MATCHES_MAX; a++)
			ck_assert_msg(got.items[a].at == want.items[a].at &&
					      got.items[a].len == want.items[a].len,
				      "%s in %s: %zu+%zu for %zu+%zu", pattern, text,
				      got.items[a].at, got.items[a].len, want.items[a].at,
				      want.items[a].len);
		matched += want.count > 0;
	}
	/* the patterns are worth it */
	ck_assert_uint_gt(matched, PATTERNS / 2);
}
END_TEST

START_TEST(lines_classes_and_escapes)
{
	static const char text[] = "one\nTwo 2_x\0three\tA-9\xff{}";
	static const struct {
		const char *pattern;
		bool ignore_case;
		size_t count, at, len;
	} rows[] = {
		{ "^[A-Z]", false, 1, 4, 1 },
		{ "^[a-z]+$", false, 0, 0, 0 },
		{ "[a-z]+$", false, 2, 0, 3 },
		{ "^t", true, 2, 4, 1 },
		{ "^three", false, 1, 12, 5 },
		{ "\\w+", false, 6, 0, 3 },
		{ "\\d\\w", false, 1, 8, 2 },
		{ "\\s\\S", false, 3, 3, 2 },
		{ "[[:upper:]]-[[:digit:]]", false, 1, 18, 3 },
		{ "\\x54\\x77", false, 1, 4, 2 },
		{ "\\xff\\{\\}", false, 1, 21, 3 },
		{ "e\\tA", false, 1, 16, 3 },
		{ "[]}]", false, 1, 23, 1 },
		{ "[^]a-z]o", false, 0, 0, 0 },
		{ "o.*", false, 2, 0, 3 },
		{ "x.three", false, 0, 0, 0 },
		{ "x[^a]three", false, 1, 10, 7 },
		{ "two", true, 1, 4, 3 },
		{ "()", false, 0, 0, 0 },
		{ "(one|one\nTwo)", false, 1, 0, 7 },
	};
	struct matches got = find(rows[_i].pattern, rows[_i].ignore_case, text, sizeof(text) - 1);

	ck_assert_uint_eq(got.count, rows[_i].count);
	if (!got.count)
		return;
	ck_assert_uint_eq(got.items[0].at, rows[_i].at);
	ck_assert_uint_eq(got.items[0].len, rows[_i].len);
}
END_TEST

START_TEST(what_is_no_expression)
{
	static const char *const rows[] = { "(",
					    "a)",
					    "[a",
					    "[z-a]",
					    "a{2",
					    "a{3,2}",
					    "a{,2}",
					    "*a",
					    "a|*",
					    "\\",
					    "a\\1",
					    "\\b",
					    "\\xg0",
					    "[[:no:]]",
					    "[[.a.]]",
					    "a{99999}",
					    "(.*){1,32000}",
					    "((a{1,100}){1,100}){1,100}" };
	struct ch_regex *regex;

	ck_ch_err(chp_regex_make(rows[_i], false, &regex), ARG);
}
END_TEST

/* Patterns that took gigabytes, minutes or the stack where each match is tried out. */
START_TEST(time_grows_with_the_bytes)
{
	static const char *const rows[] = { "a+++++++++++++++++++++++", "([^x]*){1,200}x",
					    "(a|a[^x]*){1,100}y", "(a*)*b", "((a|b)*){1,50}c" };
	const size_t len = 1 << 20;
	char *text = malloc(len);
	struct matches found = { 0 };
	struct ch_regex *regex;

	ck_assert_ptr_nonnull(text);
	memset(text, 'a', len);
	ck_ch_ok(chp_regex_make(rows[_i], false, &regex));
	ck_ch_ok(chp_regex_find(regex, (const uint8_t *)text, len, take, &found));
	ck_assert_uint_eq(found.count, _i == 0);
	chp_regex_destroy(regex);
	free(text);
}
END_TEST

/* One that goes on to look for a longer match behind each short one. */
START_TEST(what_takes_too_long_is_given_up)
{
	const size_t len = 1 << 20;
	struct matches found = { 0 };
	struct ch_error *err = NULL;
	struct ch_regex *regex;
	char *text = malloc(len);
	size_t i;

	ck_assert_ptr_nonnull(text);
	memset(text, 'b', len);
	text[0] = text[len / 2] = text[len - 1] = 'a';
	ck_ch_ok(chp_regex_make("a|a[^x]*x", false, &regex));
	ck_ch_ok(chp_regex_find(regex, (const uint8_t *)text, len, take, &found));
	ck_assert_uint_eq(found.count, 3);
	for (i = 0; i < len; i += 64)
		text[i] = 'a';
	for (i = 0; !err && i < 8; i++) {
		found.count = 0;
		err = chp_regex_find(regex, (const uint8_t *)text, len, take, &found);
	}
	ck_ch_err(err, LIMIT);
	chp_regex_destroy(regex);
	free(text);
}
END_TEST

Suite *suite_regex(void)
{
	Suite *suite = suite_create("regex");
	TCase *tcase = tcase_create("regex");

	tcase_add_test(tcase, matches_are_those_of_the_c_library);
	tcase_add_loop_test(tcase, lines_classes_and_escapes, 0, 20);
	tcase_add_loop_test(tcase, what_is_no_expression, 0, 18);
	tcase_add_loop_test(tcase, time_grows_with_the_bytes, 0, 5);
	tcase_add_test(tcase, what_takes_too_long_is_given_up);
	suite_add_tcase(suite, tcase);
	return suite;
}
