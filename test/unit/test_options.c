/*
 * Command lines: where options may stand, how they are spelled, what is wrong.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/driver.h"
#include "support/ck.h"
#include "util/cleanup.h"

struct own {
	bool flag;
	uint64_t count, bytes;
	const char *text, *filter;
	struct ch_strings many;
};

static const struct ch_option own_options[] = {
	{ "flag", NULL, CH_OPTION_FLAG, offsetof(struct own, flag), "x" },
	{ "count", "N", CH_OPTION_COUNT, offsetof(struct own, count), "x" },
	{ "bytes", "N", CH_OPTION_BYTES, offsetof(struct own, bytes), "x" },
	{ "text", "T", CH_OPTION_STRING, offsetof(struct own, text), "x" },
	{ "f:", "FILTER", CH_OPTION_STRING, offsetof(struct own, filter), "x" },
	{ "many", "M", CH_OPTION_STRINGS, offsetof(struct own, many), "x" },
	{ "q", NULL, CH_OPTION_FLAG, offsetof(struct own, flag), NULL },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

#define WORDS_MAX 8

struct parsed {
	struct own own;
	const char *words[WORDS_MAX];
	size_t words_count;
};

/* Parse arguments that end with NULL. */
static struct ch_error *parse(const char *const *args, struct parsed *ret)
{
	struct ch_option_parser parser = {
		.sets = { { own_options, &ret->own } },
		.sets_count = 1,
		.argv = (char **)(uintptr_t)args,
	};
	const char *word = "";
	struct ch_error *err = NULL;

	memset(ret, 0, sizeof(*ret));
	while (args[parser.argc])
		parser.argc++;
	while (!err && word) {
		err = chp_options_next(&parser, &word);
		if (!err && word)
			ret->words[ret->words_count++] = word;
	}
	return err;
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(words_and_options_mix)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("--flag", "core", "--count", "12", "addr", "--text=a=b"), &p));
	ck_assert(p.own.flag);
	ck_assert_uint_eq(p.own.count, 12);
	ck_assert_str_eq(p.own.text, "a=b");
	ck_assert_uint_eq(p.words_count, 2);
	ck_assert_str_eq(p.words[0], "core");
	ck_assert_str_eq(p.words[1], "addr");
}
END_TEST

START_TEST(windbg_spellings)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("-f:Heap,Stack", "-flag", "-count", "3"), &p));
	ck_assert_str_eq(p.own.filter, "Heap,Stack");
	ck_assert(p.own.flag);
	ck_assert_uint_eq(p.own.count, 3);
	ck_ch_ok(parse(ARGS("/f:Free", "/tmp/core"), &p));
	ck_assert_str_eq(p.own.filter, "Free");
	ck_assert_str_eq(p.words[0], "/tmp/core");
}
END_TEST

START_TEST(one_letter_takes_one_dash)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("-q"), &p));
	ck_assert(p.own.flag);
	ck_ch_err(parse(ARGS("--q"), &p), ARG);
}
END_TEST

START_TEST(dashes_end_options)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("--", "--flag", "-"), &p));
	ck_assert(!p.own.flag);
	ck_assert_str_eq(p.words[0], "--flag");
	ck_ch_ok(parse(ARGS("-"), &p));
	ck_assert_str_eq(p.words[0], "-");
}
END_TEST

START_TEST(repeated_options_collect)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("--many", "a", "--many=b"), &p));
	ck_assert_uint_eq(p.own.many.count, 2);
	ck_assert_str_eq(p.own.many.items[0], "a");
	ck_assert_str_eq(p.own.many.items[1], "b");
	chp_options_deinit(&(struct ch_option_set){ own_options, &p.own });
	ck_assert_uint_eq(p.own.many.count, 0);
}
END_TEST

static const struct {
	const char *text;
	uint64_t bytes;
} size_rows[] = {
	{ "4096", 4096 },     { "0x1000", 4096 },     { "4k", 4096 },
	{ "4K", 4096 },       { "64M", 64ULL << 20 }, { "2G", 2ULL << 30 },
	{ "1T", 1ULL << 40 }, { "1GiB", 1ULL << 30 }, { "18446744073709551615", UINT64_MAX },
};

START_TEST(sizes_with_units)
{
	struct parsed p;

	ck_ch_ok(parse(ARGS("--bytes", size_rows[_i].text), &p));
	ck_assert_uint_eq(p.own.bytes, size_rows[_i].bytes);
}
END_TEST

static const char *const bad_rows[][2] = {
	{ "--bytes", "4X" },        { "--bytes", "" },   { "--bytes", "18446744073709551616" },
	{ "--bytes", "99999999T" }, { "--bytes", "-1" }, { "--bytes", "1GB" },
	{ "--count", "1x" },        { "--count", "-1" }, { "--count", "0x" },
	{ "--count", " 1" },        { "--count", "1K" }, { "--flag=1", "w" },
	{ "--fla", "w" },           { "--flags", "w" },  { "--count=", "w" },
	{ "-f", "Heap" },           { "w", "--count" },
};

START_TEST(wrong_values_are_refused)
{
	struct parsed p;

	ck_ch_err(parse(ARGS(bad_rows[_i][0], bad_rows[_i][1]), &p), ARG);
}
END_TEST

START_TEST(unknown_option_suggests)
{
	struct ch_error *err;
	struct parsed p;

	err = parse(ARGS("--cuont", "1"), &p);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "unknown option '--cuont': did you mean '--count'?");
	ch_error_destroy(err);
	err = parse(ARGS("--zzzzzzzz"), &p);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_null(strstr(err->message, "did you mean"));
	ch_error_destroy(err);
}
END_TEST

static struct ch_error *parse_line(struct ch_line *line, const char *const *args)
{
	int argc = 0;

	memset(line, 0, sizeof(*line));
	while (args[argc])
		argc++;
	return chp_line_parse(line, argc, (char **)(uintptr_t)args);
}

START_TEST(global_options_on_both_sides)
{
	struct ch_line line;

	ck_ch_ok(parse_line(&line, ARGS("--json", "info", "core", "--limit", "5", "--debug-dir",
					"a", "--debug-dir", "b")));
	ck_ch_ok(chp_line_check(&line));
	ck_assert_str_eq(line.cmd->name, "info");
	ck_assert_str_eq(line.core_path, "core");
	ck_assert(line.global.json);
	ck_assert_uint_eq(line.global.limit, 5);
	ck_assert_uint_eq(line.global.debug_dirs.count, 2);
	chp_line_deinit(&line);
}
END_TEST

START_TEST(limit_not_given_is_told_from_zero)
{
	struct ch_line line;

	ck_ch_ok(parse_line(&line, ARGS("info", "core")));
	ck_assert_uint_eq(line.global.limit, CH_LIMIT_UNSET);
	chp_line_deinit(&line);
	ck_ch_ok(parse_line(&line, ARGS("info", "core", "--limit=0")));
	ck_assert_uint_eq(line.global.limit, 0);
	chp_line_deinit(&line);
}
END_TEST

static const char *const unusable_lines[][5] = {
	{ NULL },
	{ "info", NULL },
	{ "info", "core", "one-too-many", NULL },
	{ "info", "core", "--json", "--plain", NULL },
	{ "--json", "--jsonl", "info", "core", NULL },
};

START_TEST(lines_that_cannot_run)
{
	struct ch_line line;

	ck_ch_ok(parse_line(&line, unusable_lines[_i]));
	ck_ch_err(chp_line_check(&line), ARG);
	chp_line_deinit(&line);
}
END_TEST

START_TEST(unknown_command_suggests)
{
	struct ch_line line;
	struct ch_error *err = parse_line(&line, ARGS("sumary", "core"));

	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "unknown command 'sumary': did you mean 'summary'?");
	ch_error_destroy(err);
	chp_line_deinit(&line);
	/* no abbreviations */
	err = parse_line(&line, ARGS("summ", "core"));
	ck_assert_ptr_nonnull(err);
	ch_error_destroy(err);
	chp_line_deinit(&line);
}
END_TEST

START_TEST(aliases_are_rows)
{
	size_t c, a;

	for (c = 0; chp_cmds[c]; c++) {
		ck_assert_ptr_eq(chp_cmd_find(chp_cmds[c]->name), chp_cmds[c]);
		for (a = 0; chp_cmds[c]->aliases && chp_cmds[c]->aliases[a]; a++)
			ck_assert_ptr_eq(chp_cmd_find(chp_cmds[c]->aliases[a]), chp_cmds[c]);
	}
	ck_assert_str_eq(chp_cmd_find("eeheap")->name, "heap");
	ck_assert_ptr_null(chp_cmd_find("nothing"));
}
END_TEST

/* The -q of WinDbg's search, which takes a value: it wins over the short form of --quiet. */
static bool is_known_twice(const struct ch_cmd *cmd, const char *name)
{
	return strcmp(cmd->name, "search") == 0 && strcmp(name, "q") == 0;
}

START_TEST(commands_options_win)
{
	struct ch_line line;
	struct ch_error *err = parse_line(&line, ARGS("search", "-q", "0x1234", "core"));

	ck_assert_ptr_null(err);
	ck_assert(!line.global.quiet);
	ck_assert_str_eq(line.core_path, "core");
	chp_line_deinit(&line);
	err = parse_line(&line, ARGS("search", "--quiet", "core"));
	ck_assert_ptr_null(err);
	ck_assert(line.global.quiet);
	chp_line_deinit(&line);
}
END_TEST

/* Two rows of one name would make the second one unreachable. */
START_TEST(option_names_are_unique)
{
	const struct ch_option *options[2], *x, *y;
	size_t c;
	int s, t;

	for (c = 0; chp_cmds[c]; c++) {
		options[0] = chp_cmds[c]->options;
		options[1] = chp_global_options;
		for (s = 0; s < 2; s++)
			for (x = options[s]; x && x->name; x++)
				for (t = 0; t < 2; t++)
					for (y = options[t]; y && y->name; y++)
						ck_assert_msg(x == y || strcmp(x->name, y->name) ||
								      is_known_twice(chp_cmds[c],
										     x->name),
							      "%s: --%s twice", chp_cmds[c]->name,
							      x->name);
	}
}
END_TEST

Suite *suite_options(void)
{
	Suite *s = suite_create("options");
	TCase *tc = tcase_create("parser");

	tcase_add_test(tc, words_and_options_mix);
	tcase_add_test(tc, windbg_spellings);
	tcase_add_test(tc, one_letter_takes_one_dash);
	tcase_add_test(tc, dashes_end_options);
	tcase_add_test(tc, repeated_options_collect);
	tcase_add_loop_test(tc, sizes_with_units, 0, (int)CH_COUNT_OF(size_rows));
	tcase_add_loop_test(tc, wrong_values_are_refused, 0, (int)CH_COUNT_OF(bad_rows));
	tcase_add_test(tc, unknown_option_suggests);
	suite_add_tcase(s, tc);
	tc = tcase_create("line");
	tcase_add_test(tc, global_options_on_both_sides);
	tcase_add_test(tc, limit_not_given_is_told_from_zero);
	tcase_add_loop_test(tc, lines_that_cannot_run, 0, (int)CH_COUNT_OF(unusable_lines));
	tcase_add_test(tc, unknown_command_suggests);
	tcase_add_test(tc, aliases_are_rows);
	tcase_add_test(tc, commands_options_win);
	tcase_add_test(tc, option_names_are_unique);
	suite_add_tcase(s, tc);
	return s;
}
