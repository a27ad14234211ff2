/*
 * The report layer: numbers, tables, JSON and the envelope.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "render/render.h"
#include "report/process.h"
#include "support/ck.h"
#include "support/opencore.h"
#include "util/cleanup.h"

static const struct {
	uint64_t bytes;
	const char *text;
} bytes_rows[] = {
	{ 0, "0" },
	{ 999, "999" },
	{ 1023, "1,023" },
	{ 1024, "1,024 (1.00 KiB)" },
	{ 1536, "1,536 (1.50 KiB)" },
	{ 1048575, "1,048,575 (1.00 MiB)" },
	{ 1048576, "1,048,576 (1.00 MiB)" },
	{ 3426475520, "3,426,475,520 (3.19 GiB)" }, /* the example of the contract */
	{ UINT64_MAX, "18,446,744,073,709,551,615 (16.00 EiB)" },
};

START_TEST(bytes_as_text)
{
	char buf[CH_BYTES_TEXT_MAX];

	ck_assert_str_eq(chp_bytes_text(bytes_rows[_i].bytes, buf), bytes_rows[_i].text);
}
END_TEST

START_TEST(percents_round_to_hundredths)
{
	ck_assert_uint_eq(chp_percent(1, 3), 3333);
	ck_assert_uint_eq(chp_percent(2, 3), 6667);
	ck_assert_uint_eq(chp_percent(5, 0), 0);
	ck_assert_uint_eq(chp_percent(UINT64_MAX, UINT64_MAX), 10000);
	ck_assert_uint_eq(chp_percent(UINT64_MAX - 1, UINT64_MAX), 10000);
}
END_TEST

START_TEST(build_ids_as_text)
{
	const uint8_t id[] = { 0x00, 0xff, 0x1a };
	char buf[CH_HEX_TEXT_MAX];

	ck_assert_str_eq(chp_hex_text(id, 3, buf), "00ff1a");
	ck_assert_str_eq(chp_hex_text(id, 0, buf), "");
}
END_TEST

/* A report into memory. */
struct sink {
	struct ch_report report;
	char *text;
	size_t size;
};

static void open_sink(struct sink *sink, enum ch_format format)
{
	*sink = (struct sink){ .report = { .format = format } };
	sink->report.out = open_memstream(&sink->text, &sink->size);
	ck_assert_ptr_nonnull(sink->report.out);
}

static void close_sink(struct sink *sink, const char *want)
{
	ck_assert_int_eq(fclose(sink->report.out), 0);
	ck_assert_str_eq(sink->text, want);
	free(sink->text);
}

static struct ch_table *sample_table(void)
{
	static const struct ch_column columns[] = {
		{ "NAME", CH_CELL_TEXT }, { "COUNT", CH_CELL_COUNT },   { "SIZE", CH_CELL_BYTES },
		{ "ADDR", CH_CELL_ADDR }, { "SHARE", CH_CELL_PERCENT }, { "NOTE", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));

	ck_assert_ptr_nonnull(table);
	ck_ch_ok(chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR("a\tb"), CH_CELL_NUM(1234),
							  CH_CELL_NUM(2048), CH_CELL_NUM(0x10),
							  CH_CELL_NUM(10000), CH_CELL_STR("x") }));
	ck_ch_ok(chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR("\xc3\xa9"), CH_CELL_NUM(5),
							  CH_CELL_NUM(17), CH_CELL_NONE,
							  CH_CELL_NUM(7), CH_CELL_STR(NULL) }));
	return table;
}

START_TEST(tables_align)
{
	struct ch_table *table = sample_table();
	struct sink sink;

	open_sink(&sink, CH_FORMAT_TEXT);
	sink.report.width = 60;
	chp_table_print(table, &sink.report);
	close_sink(&sink, "NAME    COUNT              SIZE  ADDR    SHARE  NOTE\n"
			  "a\\x09b  1,234  2,048 (2.00 KiB)  0x10  100.00%  x\n"
			  "\xc3\xa9           5     17                -    0.07%  -\n");
	/* with room, a bar beside the share */
	open_sink(&sink, CH_FORMAT_TEXT);
	sink.report.width = 65;
	chp_table_print(table, &sink.report);
	close_sink(&sink,
		   "NAME    COUNT              SIZE  ADDR    SHARE               NOTE\n"
		   "a\\x09b  1,234  2,048 (2.00 KiB)  0x10  100.00%  ###########  x\n"
		   "\xc3\xa9           5     17                -    0.07%               -\n");
	chp_table_destroy(table);
}
END_TEST

START_TEST(plain_tables_are_exact)
{
	struct ch_table *table = sample_table();
	struct sink sink;

	open_sink(&sink, CH_FORMAT_PLAIN);
	chp_table_print(table, &sink.report);
	close_sink(&sink, "NAME\tCOUNT\tSIZE\tADDR\tSHARE\tNOTE\n"
			  "a\\x09b\t1234\t2048\t0x10\t100.00\tx\n"
			  "\xc3\xa9\t5\t17\t\t0.07\t\n");
	chp_table_destroy(table);
}
END_TEST

START_TEST(cut_lists_say_so)
{
	struct sink sink;

	open_sink(&sink, CH_FORMAT_TEXT);
	chp_report_cut(&sink.report, 20, 20, 5, 5);
	chp_report_cut(&sink.report, 20, 1234, 5000, 1000000);
	close_sink(&sink, "showing 20 of 1,234 (5,000 of 1,000,000 bytes)\n");
}
END_TEST

START_TEST(limits_bound_rows)
{
	struct ch_report report = { .limit = 20 };

	ck_assert_uint_eq(chp_report_rows(&report, 21), 20);
	ck_assert_uint_eq(chp_report_rows(&report, 19), 19);
	report.limit = 0;
	ck_assert_uint_eq(chp_report_rows(&report, 21), 21);
}
END_TEST

START_TEST(wrapped_lines_keep_to_100_columns)
{
	char text[400] = "", *line, *rest;
	struct sink sink;
	size_t i;

	for (i = 0; i < 30; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sword%zu",
			 i ? " " : "", i);
	open_sink(&sink, CH_FORMAT_TEXT);
	chp_report_wrapped(&sink.report, "label", text);
	ck_assert_int_eq(fclose(sink.report.out), 0);
	ck_assert(strstr(sink.text, "word29\n"));
	for (line = sink.text, i = 0; (rest = strchr(line, '\n')); line = rest + 1, i++)
		ck_assert_int_le(rest - line, 100);
	ck_assert_uint_ge(i, 2);
	free(sink.text);
}
END_TEST

/* Compact text of a JSON value, which is released. */
static void ck_json(json_t *value, const char *want)
{
	char *text;

	ck_assert_ptr_nonnull(value);
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	ck_assert_str_eq(text, want);
	free(text);
	json_decref(value);
}

START_TEST(json_values)
{
	ck_json(chp_json_addr(0xffffffffff600000ULL), "\"0xffffffffff600000\"");
	ck_json(chp_json_addr(0), "\"0x0\"");
	ck_json(chp_json_uint(INT64_MAX), "9223372036854775807");
	ck_json(chp_json_uint((uint64_t)INT64_MAX + 1), "null");
	ck_json(chp_json_percent(1234), "12.34");
	ck_json(chp_json_percent(10), "0.1");
	ck_json(chp_json_text(NULL), "null");
	/* control bytes, invalid UTF-8 and the backslash that escapes them */
	ck_json(chp_json_text("a\x1b[0m\xff\\"), "\"a\\\\x1b[0m\\\\xff\\\\x5c\"");
}
END_TEST

START_TEST(json_arrays_fail_as_a_whole)
{
	json_t *array = json_array();

	chp_json_append_take(&array, json_integer(1));
	ck_assert_uint_eq(json_array_size(array), 1);
	chp_json_append_take(&array, NULL);
	ck_assert_ptr_null(array);
	chp_json_append_take(&array, json_integer(2));
	ck_assert_ptr_null(array);
}
END_TEST

START_TEST(no_document_is_no_memory)
{
	struct ch_report report = { .out = stdout };

	ck_assert_ptr_eq(chp_json_print_take(&report, NULL), &ch_enomem);
}
END_TEST

/* A session over a synthetic core that was cut to limit bytes. */
static struct ch_session *open_session(struct ch_context *ctx, uint64_t limit)
{
	struct corewriter *w = cw_create(EM_X86_64);
	const char *path = cw_temp_path("core");
	struct ch_session *session;
	uint64_t regs[27] = { 7 };

	cw_prstatus(w, 77, SIGSEGV, regs, 27);
	cw_bare_notes(w);
	cw_prpsinfo(w, 77, 1,
		    "da\x01"
		    "emon",
		    "/bin/daemon --secret");
	cw_siginfo(w, SIGSEGV, 1, 0xdead0);
	cw_load(w, 0x10000, 0x2000, PF_R | PF_W, NULL, 0x2000);
	cw_write(w, path, limit);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(ctx, path, NULL, &session));
	unlink(path);
	return session;
}

static json_t *envelope_of(uint64_t limit)
{
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_report report = { .session = open_session(ctx, limit) };
	json_t *doc = chp_json_document_take(&report, "test", json_pack("{s:i}", "own", 1));

	ck_assert_ptr_nonnull(doc);
	ch_session_close(report.session);
	ch_context_destroy(ctx);
	return doc;
}

START_TEST(envelope_as_contracted)
{
	static const char *const keys[] = { "schema",   "schema_version", "tool",     "dump",
					    "complete", "heap_intact",    "warnings", "own" };
	json_t *doc = envelope_of(CW_ALL), *dump = json_object_get(doc, "dump"), *value;
	const char *key;
	size_t i = 0;

	json_object_foreach(doc, key, value)
	{
		ck_assert_uint_lt(i, CH_COUNT_OF(keys));
		ck_assert_str_eq(key, keys[i++]);
	}
	ck_assert_uint_eq(i, CH_COUNT_OF(keys));
	ck_assert_str_eq(json_string_value(json_object_get(doc, "schema")), "coreheap/test");
	ck_assert_str_eq(json_string_value(json_object_get(dump, "arch")), "x86_64");
	ck_assert_int_eq(json_integer_value(json_object_get(dump, "pid")), 77);
	ck_assert_str_eq(json_string_value(json_object_get(dump, "comm")), "da\\x01emon");
	ck_assert_ptr_null(strchr(json_string_value(json_object_get(dump, "file_name")), '/'));
	ck_assert(json_is_true(json_object_get(doc, "complete")));
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "warnings")), 0);
	json_decref(doc);
}
END_TEST

START_TEST(truncated_copy_has_the_same_id)
{
	json_t *whole = envelope_of(CW_ALL), *cut = envelope_of(0x1800);
	const char *id = json_string_value(json_object_get(json_object_get(whole, "dump"), "id"));

	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(cut, "dump"), "id")),
			 id);
	ck_assert(json_is_false(json_object_get(cut, "complete")));
	ck_assert_uint_ge(json_array_size(json_object_get(cut, "warnings")), 1);
	json_decref(whole);
	json_decref(cut);
}
END_TEST

START_TEST(process_without_arguments)
{
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_session *session = open_session(ctx, CW_ALL);

	ck_json(chp_json_process(ch_session_core(session)),
		"{\"pid\":77,\"ppid\":1,\"uid\":0,\"gid\":0,\"comm\":\"da\\\\x01emon\","
		"\"argv0\":\"/bin/daemon\"}");
	ch_session_close(session);
	ch_context_destroy(ctx);
}
END_TEST

Suite *suite_report(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("text");

	tcase_add_loop_test(tc, bytes_as_text, 0, (int)CH_COUNT_OF(bytes_rows));
	tcase_add_test(tc, percents_round_to_hundredths);
	tcase_add_test(tc, build_ids_as_text);
	tcase_add_test(tc, tables_align);
	tcase_add_test(tc, plain_tables_are_exact);
	tcase_add_test(tc, cut_lists_say_so);
	tcase_add_test(tc, limits_bound_rows);
	tcase_add_test(tc, wrapped_lines_keep_to_100_columns);
	suite_add_tcase(s, tc);
	tc = tcase_create("json");
	tcase_add_test(tc, json_values);
	tcase_add_test(tc, json_arrays_fail_as_a_whole);
	tcase_add_test(tc, no_document_is_no_memory);
	tcase_add_test(tc, envelope_as_contracted);
	tcase_add_test(tc, truncated_copy_has_the_same_id);
	suite_add_tcase(s, tc);
	tc = tcase_create("process");
	tcase_add_test(tc, process_without_arguments);
	suite_add_tcase(s, tc);
	return s;
}
