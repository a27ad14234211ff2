/*
 * heap, types and objects as they are printed: the four formats say the same,
 * filters choose right, names from a core cannot break out of a line.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/filter_options.h"
#include "heap/session.h"
#include "report/heap.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };
static const struct ch_walker *const nobody[] = { NULL };

#define POOL_A 0x10000000ULL
#define POOL_B 0x20000000ULL

/* Two pools: A with 4 used (24, 40, 40, 100) and 2 free (24, 8) blocks and
 * its top; B with one evil used block of 64 and its top. */
struct shown {
	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_heaps *heaps;
	struct ch_report report;
	uint64_t addrs[7];
	char *text;
	size_t bytes;
};

static struct shown open_shown(enum ch_format format, const struct ch_walker *const *walkers)
{
	struct toypool a = tp_create(POOL_A, 0x1000), b = tp_create(POOL_B, 0x1000);
	struct shown s = { .ctx = ch_context_create(NULL) };
	const char *path = cw_temp_path("shown");
	struct corewriter *w = hc_writer();

	cw_bare_notes(w);
	s.addrs[0] = tp_add(&a, 24, 0, false);
	s.addrs[1] = tp_add(&a, 24, 0, true);
	s.addrs[2] = tp_add(&a, 40, 1, false);
	s.addrs[3] = tp_add(&a, 40, 0, false);
	s.addrs[4] = tp_add(&a, 8, 0, true);
	s.addrs[5] = tp_add(&a, 100, 0, false);
	s.addrs[6] = tp_add(&b, 64, 9, false);
	tp_write_take(&a, w);
	tp_write_take(&b, w);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(s.ctx, path, NULL, &s.session));
	unlink(path);
	chp_session_use_walkers(s.session, walkers);
	ck_ch_ok(ch_session_heaps(s.session, &s.heaps));
	s.report = (struct ch_report){ .session = s.session, .format = format };
	return s;
}

static void close_shown(struct shown *s)
{
	free(s->text);
	ch_session_close(s->session);
	ch_context_destroy(s->ctx);
}

static void begin(struct shown *s)
{
	free(s->text);
	s->report.out = open_memstream(&s->text, &s->bytes);
	ck_assert_ptr_nonnull(s->report.out);
}

static const char *end(struct shown *s)
{
	fclose(s->report.out);
	return s->text;
}

static const char *show_objects(struct shown *s, const struct ch_filter_options *options)
{
	struct ch_objects_result result;
	struct ch_parsed_filter parsed;

	begin(s);
	ck_ch_ok(chp_filter_parse(s->session, s->heaps, options, 1U << CH_OBJECT_USED, &parsed));
	ck_ch_ok(chp_objects_make(s->session, &parsed.filter, &result));
	ck_ch_ok(ch_report_objects(&s->report, &result, false));
	chp_objects_deinit(&result);
	chp_filter_deinit(&parsed);
	return end(s);
}

/* The document or line at text must be JSON. */
static json_t *parse_json(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);

	ck_assert_msg(json != NULL, "%s in: %s", error.text, text);
	return json;
}

static uint64_t int_of(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	ck_assert_msg(json_is_integer(value), "%s is no integer", key);
	return (uint64_t)json_integer_value(value);
}

static const char *text_of(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	ck_assert_msg(json_is_string(value), "%s is no string", key);
	return json_string_value(value);
}

/* Which blocks a filter lets through, by number; written down by hand. */
START_TEST(filters_choose)
{
	static const struct {
		struct ch_filter_options options;
		const char *want;
	} rows[] = {
		{ { 0 }, "02356" },
		{ { .state = "free" }, "14tt" },
		{ { .state = "used,free" }, "012345t6t" },
		{ { .state = "all" }, "h012345th6t" },
		{ { .state = "overhead" }, "hh" },
		{ { .size_bytes = 40 }, "23" },
		{ { .size_bytes = 24, .state = "all" }, "01" },
		{ { .min_bytes = 41 }, "56" },
		{ { .max_bytes = 24 }, "0" },
		{ { .min_bytes = 25, .max_bytes = 99 }, "236" },
		{ { .type = "Apple" }, "2" },
		{ { .type = "40-byte blocks" }, "3" },
		{ { .type = "24-byte blocks", .state = "all" }, "01" },
		{ { .type_part = "byte" }, "035" },
		{ { .type = "top chunks", .state = "all" }, "tt" },
		{ { .range = "20000000-20001000" }, "6" },
		{ { .range = "0x10000010-0x10000011", .state = "all" }, "0" },
		{ { .range = "10000000`-1", .state = "all", .type = NULL }, NULL },
		{ { .heap = "toy pools", .max_bytes = 30 }, "0" },
		{ { .heap = "0", .max_bytes = 30 }, "0" },
		/* What cannot be. */
		{ { .state = "dead" }, NULL },
		{ { .state = "use" }, NULL },
		{ { .range = "5" }, NULL },
		{ { .range = "20-10" }, NULL },
		{ { .range = "-" }, NULL },
		{ { .heap = "1" }, NULL },
		{ { .heap = "arena 7" }, NULL },
		{ { .heap = "" }, NULL },
		{ { .type = "apple" }, NULL },
		{ { .size_bytes = 8, .min_bytes = 4 }, NULL },
		{ { .min_bytes = 9, .max_bytes = 8 }, NULL },
	};
	struct shown s = open_shown(CH_FORMAT_PLAIN, toy_only);
	struct ch_parsed_filter parsed;
	char got[32] = "", addr[32];
	size_t i, used = 0;
	const char *line;

	if (!rows[_i].want) {
		ck_ch_err(chp_filter_parse(s.session, s.heaps, &rows[_i].options, 1, &parsed), ARG);
		chp_filter_deinit(&parsed);
		close_shown(&s);
		return;
	}
	line = strchr(show_objects(&s, &rows[_i].options), '\n') + 1;
	for (; *line; line = strchr(line, '\n') + 1) {
		ck_assert_uint_lt(used, sizeof(got) - 1);
		got[used] = strncmp(line, "0x10000000\t", 11) == 0 ||
					    strncmp(line, "0x20000000\t", 11) == 0
				    ? 'h'
				    : 't';
		for (i = 0; i < 7; i++) {
			snprintf(addr, sizeof(addr), "0x%llx\t", (unsigned long long)s.addrs[i]);
			if (strncmp(line, addr, strlen(addr)) == 0)
				got[used] = (char)('0' + i);
		}
		got[++used] = '\0';
	}
	ck_assert_str_eq(got, rows[_i].want);
	close_shown(&s);
}
END_TEST

START_TEST(json_lines_have_every_block_and_a_closing_record)
{
	struct shown s = open_shown(CH_FORMAT_JSONL, toy_only);
	const struct ch_filter_options all = { .state = "all" };
	const char *line;
	json_t *json;
	size_t lines = 0;

	line = show_objects(&s, &all);
	json = parse_json(line);
	ck_assert_str_eq(text_of(json, "kind"), "overhead");
	ck_assert_str_eq(text_of(json, "state"), "overhead");
	json_decref(json);
	line = strchr(line, '\n') + 1;
	json = parse_json(line);
	ck_assert_str_eq(text_of(json, "addr"), "0x10000018");
	ck_assert_uint_eq(int_of(json, "size_bytes"), 24);
	ck_assert_uint_eq(int_of(json, "chunk_bytes"), 32);
	ck_assert_str_eq(text_of(json, "type"), "24-byte blocks");
	ck_assert_uint_eq(strlen(text_of(json, "type_id")), 16);
	ck_assert(!json_object_get(json, "closing"));
	ck_assert_str_eq(text_of(json, "runtime"), "toy");
	ck_assert_str_eq(text_of(json, "kind"), "object");
	ck_assert_str_eq(text_of(json, "state"), "used");
	ck_assert_str_eq(text_of(json, "heap"), "toy pools");
	ck_assert(json_is_null(json_object_get(json, "place")));
	ck_assert(json_is_null(json_object_get(json, "generation")));
	json_decref(json);
	for (line = s.text; strchr(line, '\n')[1]; line = strchr(line, '\n') + 1)
		lines++;
	ck_assert_uint_eq(lines, 11);
	json = parse_json(line);
	ck_assert(json_is_true(json_object_get(json, "closing")));
	ck_assert_uint_eq(strlen(text_of(json, "dump_id")), 16);
	ck_assert_uint_eq(int_of(json, "showing_count"), 11);
	ck_assert_uint_eq(int_of(json, "matched_count"), 11);
	ck_assert_uint_eq(int_of(json, "matched_bytes"), 0x2000);
	json_decref(json);
	close_shown(&s);
}
END_TEST

START_TEST(document_holds_the_rows)
{
	struct shown s = open_shown(CH_FORMAT_JSON, toy_only);
	const struct ch_filter_options used = { 0 };
	json_t *json, *rows;

	s.report.limit = _i ? 0 : 2;
	json = parse_json(show_objects(&s, &used));
	rows = json_object_get(json, "objects");
	ck_assert_str_eq(text_of(json, "schema"), "coreheap/objects");
	ck_assert_uint_eq(json_array_size(rows), _i ? 5 : 2);
	ck_assert_uint_eq(int_of(json, "showing_count"), _i ? 5 : 2);
	ck_assert_uint_eq(int_of(json, "matched_count"), 5);
	ck_assert_uint_eq(int_of(json, "matched_bytes"), 32 + 48 + 48 + 112 + 72);
	ck_assert_str_eq(text_of(json_array_get(rows, 1), "type"), "Apple");
	json_decref(json);
	close_shown(&s);
}
END_TEST

/* No control byte leaves in any format, and JSON stays JSON. */
START_TEST(evil_names_are_harmless)
{
	static const enum ch_format formats[] = { CH_FORMAT_TEXT, CH_FORMAT_PLAIN, CH_FORMAT_JSON,
						  CH_FORMAT_JSONL };
	struct shown s = open_shown(formats[_i], toy_only);
	const struct ch_filter_options evil = { .min_bytes = 64, .max_bytes = 64 };
	struct ch_types_result types;
	const char *p;
	json_t *json;
	size_t lines = 0;

	show_objects(&s, &evil);
	if (_i >= 2) {
		json = parse_json(s.text);
		ck_assert_str_eq(
			text_of(_i == 2 ? json_array_get(json_object_get(json, "objects"), 0)
					: json,
				"type"),
			"\"x\"\\x0a\\x1b[31m\\x5c<b>");
		json_decref(json);
	} else {
		ck_assert_ptr_nonnull(strstr(s.text, "\"x\"\\x0a\\x1b[31m\\x5c<b>"));
	}
	for (p = s.text; *p; p++) {
		ck_assert(*p == '\n' || *p == '\t' || (unsigned char)*p >= ' ');
		lines += *p == '\n';
	}
	/* Heading or closing record, the row, the total. */
	ck_assert(_i == 2 || lines == (_i == 0 ? 3 : 2));
	ck_ch_ok(chp_types_make(s.session, NULL, false, &types));
	begin(&s);
	ck_ch_ok(ch_report_types(&s.report, &types));
	chp_types_deinit(&types);
	end(&s);
	ck_assert_ptr_null(strchr(s.text, '\033'));
	ck_assert_ptr_nonnull(strstr(s.text, "31m"));
	close_shown(&s);
}
END_TEST

static struct ch_error *report_heap(struct shown *s)
{
	const struct ch_heap_shown all = { .segments = false };
	struct ch_heap_result result;
	struct ch_error *err;

	ck_ch_ok(chp_heap_result_make(s->session, 1, &result));
	err = ch_report_heap(&s->report, &result, &all);
	chp_heap_result_deinit(&result);
	return err;
}

START_TEST(heap_document_closes)
{
	struct shown s = open_shown(CH_FORMAT_JSON, toy_only);
	json_t *json, *heap, *segments, *verdict;

	ck_ch_ok(ch_heaps_measure(s.heaps));
	begin(&s);
	ck_ch_ok(report_heap(&s));
	json = parse_json(end(&s));
	ck_assert_str_eq(text_of(json, "schema"), "coreheap/heap");
	heap = json_array_get(json_object_get(json, "heaps"), 0);
	ck_assert_str_eq(text_of(heap, "name"), "toy pools");
	ck_assert_str_eq(text_of(heap, "runtime"), "toy");
	ck_assert_str_eq(text_of(heap, "kind"), "pools");
	ck_assert(json_is_null(json_object_get(heap, "addr")));
	ck_assert_uint_eq(int_of(heap, "used_count"), 5);
	ck_assert_uint_eq(int_of(heap, "used_bytes"), 32 + 48 + 48 + 112 + 72);
	ck_assert_uint_eq(int_of(heap, "free_count"), 4);
	ck_assert_uint_eq(int_of(heap, "overhead_bytes"), 32);
	ck_assert_uint_eq(int_of(heap, "used_bytes") + int_of(heap, "free_bytes") +
				  int_of(heap, "overhead_bytes"),
			  0x2000);
	segments = json_object_get(heap, "segments");
	ck_assert_uint_eq(json_array_size(segments), 2);
	ck_assert_str_eq(text_of(json_array_get(segments, 1), "addr"), "0x20000000");
	ck_assert_uint_eq(int_of(json_array_get(segments, 1), "used_bytes"), 72);
	ck_assert_uint_eq(int_of(json_object_get(json, "total"), "committed_bytes"), 0x2000);
	/* 2 free blocks with their headers, and two tops: 8192 - 312 - 32 used */
	verdict = json_object_get(json, "verdict");
	ck_assert_str_eq(text_of(verdict, "class"), "native-retained");
	ck_assert_str_eq(text_of(verdict, "largest_part"), "top");
	ck_assert_uint_eq(int_of(verdict, "bins_bytes"), 32 + 16);
	ck_assert_uint_eq(int_of(verdict, "top_bytes"), 0x2000 - 32 - 312 - 48);
	ck_assert_uint_eq(int_of(verdict, "used_bytes"), 312);
	ck_assert(json_is_null(json_object_get(verdict, "trim_call")));
	ck_assert(json_is_null(json_object_get(heap, "tids")));
	json_decref(json);
	close_shown(&s);
}
END_TEST

/* Never "0 blocks": it is not known. */
START_TEST(no_allocator_is_said)
{
	static const enum ch_format formats[] = { CH_FORMAT_TEXT, CH_FORMAT_PLAIN, CH_FORMAT_JSON,
						  CH_FORMAT_JSONL };
	struct shown s = open_shown(formats[_i], nobody);
	const struct ch_filter_options all = { 0 };
	struct ch_types_result types;
	size_t count;

	begin(&s);
	ck_ch_ok(report_heap(&s));
	if (_i == 0)
		ck_assert_ptr_nonnull(strstr(end(&s), "no known allocator"));
	else
		end(&s);
	begin(&s);
	ck_ch_ok(chp_types_make(s.session, NULL, false, &types));
	ck_ch_ok(ch_report_types(&s.report, &types));
	chp_types_deinit(&types);
	if (_i == 2)
		ck_assert_ptr_nonnull(strstr(end(&s), "no-allocator"));
	else
		end(&s);
	show_objects(&s, &all);
	ck_assert(_i != 0 || !strstr(s.text, "0 blocks"));
	ck_assert(!ch_context_complete(s.ctx));
	ck_assert_str_eq(ch_context_findings(s.ctx, &count)[0].code, "no-allocator");
	ck_assert_uint_eq(count, 1);
	close_shown(&s);
}
END_TEST

Suite *suite_heap_reports(void);
Suite *suite_heap_reports(void)
{
	Suite *suite = suite_create("heap_reports");
	TCase *tcase = tcase_create("reports");

	tcase_add_loop_test(tcase, filters_choose, 0, 31);
	tcase_add_test(tcase, json_lines_have_every_block_and_a_closing_record);
	tcase_add_loop_test(tcase, document_holds_the_rows, 0, 2);
	tcase_add_loop_test(tcase, evil_names_are_harmless, 0, 4);
	tcase_add_test(tcase, heap_document_closes);
	tcase_add_loop_test(tcase, no_allocator_is_said, 0, 4);
	suite_add_tcase(suite, tcase);
	return suite;
}
