/*
 * Tables of fields: one struct in every format.
 */
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "support/ck.h"
#include "util/cleanup.h"

struct inner {
	uint32_t number;
};

struct sample {
	const char *name, *word;
	char text[16];
	uint64_t addr, bytes, id;
	uint32_t small;
	int32_t below;
	bool yes, has_bytes;
	const struct inner *inner;
	struct ch_rows rows;
	struct ch_listing *list;
};

#define AT(member) CH_AT(struct sample, member)

static struct ch_cell twice(const void *row)
{
	return CH_CELL_NUM(2 * ((const struct sample *)row)->bytes);
}

static json_t *part(const struct ch_report *report, const void *row)
{
	(void)report;
	return json_string(((const struct sample *)row)->word);
}

static const struct ch_field_spec inner_fields[] = {
	{ "number", "NUMBER", CH_CELL_NUMBER, "A number.", CH_AT(struct inner, number),
	  .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_list inner_list = { .fields = inner_fields };

static const struct ch_field_spec fields[] = {
	{ "name", "NAME", CH_CELL_TEXT, "From the core.", AT(name), .flags = CH_FIELD_OPTIONAL,
	  .column = 1 },
	{ "word", NULL, CH_CELL_SAFE, "Ours.", AT(word) },
	{ "text", "TEXT", CH_CELL_TEXT, "Inside.", AT(text),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "addr", "ADDRESS", CH_CELL_ADDR, "Where.", AT(addr) },
	{ "bytes", "BYTES", CH_CELL_BYTES, "How much.", AT(bytes),
	  CH_KNOWN(struct sample, has_bytes) },
	{ NULL, "TWICE", CH_CELL_COUNT, NULL, .get = twice },
	{ "id", NULL, CH_CELL_ID, "Which.", AT(id) },
	{ "small", NULL, CH_CELL_COUNT, "A small one.", AT(small) },
	{ "below", NULL, CH_CELL_SIGNED, "A negative one.", AT(below) },
	{ "yes", NULL, CH_CELL_BOOL, "Whether.", AT(yes) },
	{ "part", NULL, CH_CELL_PART, "Made elsewhere.", .part = part },
	{ "inner", NULL, CH_CELL_OBJECT, "A struct.", AT(inner),
	  .flags = CH_FIELD_POINTED | CH_FIELD_OPTIONAL, .fields = inner_fields },
	{ "rows", NULL, CH_CELL_ROWS, "Structs.", AT(rows), .fields = inner_fields },
	{ "values", NULL, CH_CELL_VALUES, "Numbers.", AT(rows), .fields = inner_fields },
	CH_FIELDS_END,
};

/* All keys of another struct among those of this one. */
static const struct ch_field_spec flat_fields[] = {
	{ "first", NULL, CH_CELL_BOOL, "Whether.", AT(yes) },
	{ .kind = CH_CELL_OBJECT,
	  AT(inner),
	  .flags = CH_FIELD_FLAT | CH_FIELD_POINTED,
	  .fields = inner_fields },
	{ "last", NULL, CH_CELL_SAFE, "Ours.", AT(word) },
	CH_FIELDS_END,
};

static const struct inner inners[] = { { 7 }, { 0 } };

static struct sample full(void)
{
	return (struct sample){ .name = "a\\b\n",
				.word = "c\\d",
				.text = "in",
				.addr = 0x1f,
				.bytes = 2048,
				.id = 0xab,
				.small = 5,
				.below = -3,
				.yes = true,
				.has_bytes = true,
				.inner = &inners[0],
				.rows = CH_ROWS(inners, 2) };
}

static void ck_json(json_t *json, const char *want)
{
	_cleanup_free_ char *text = NULL;

	ck_assert_ptr_nonnull(json);
	text = json_dumps(json, JSON_COMPACT);
	ck_assert_str_eq(text, want);
	json_decref(json);
}

START_TEST(fields_as_json)
{
	struct sample sample = full();
	struct ch_report report = { .format = CH_FORMAT_JSON };

	ck_json(chp_fields_json(&report, fields, &sample),
		"{\"name\":\"a\\\\x5cb\\\\x0a\",\"word\":\"c\\\\d\",\"text\":\"in\",\"addr\":"
		"\"0x1f\","
		"\"bytes\":2048,\"id\":\"00000000000000ab\",\"small\":5,\"below\":-3,\"yes\":true,"
		"\"part\":\"c\\\\d\",\"inner\":{\"number\":7},"
		"\"rows\":[{\"number\":7},{\"number\":null}],\"values\":[7,null]}");
	ck_json(chp_fields_json(&report, flat_fields, &sample),
		"{\"first\":true,\"number\":7,\"last\":\"c\\\\d\"}");
}
END_TEST

START_TEST(fields_that_are_not_known)
{
	struct ch_report report = { .format = CH_FORMAT_JSON };
	struct sample sample = { .word = "" };

	ck_json(chp_fields_json(&report, fields, &sample),
		"{\"name\":null,\"word\":\"\",\"text\":null,\"addr\":\"0x0\",\"bytes\":null,"
		"\"id\":\"0000000000000000\",\"small\":0,\"below\":0,\"yes\":false,\"part\":\"\","
		"\"inner\":null,\"rows\":[],\"values\":[]}");
}
END_TEST

/* What a function cannot make is an error of the whole, and leaks nothing. */
START_TEST(fields_without_memory)
{
	struct ch_report report = { .format = CH_FORMAT_JSON };
	struct sample sample = full();

	sample.word = NULL;
	ck_assert_ptr_null(chp_fields_json(&report, fields, &sample));
}
END_TEST

static const struct ch_list list = { .fields = fields };

static void print_rows(enum ch_format format, char **text)
{
	struct ch_report report = { .format = format, .limit = 2 };
	struct sample sample = full(), empty = { .word = "" };
	struct ch_listing *listing;
	size_t size;

	report.out = open_memstream(text, &size);
	ck_assert_ptr_nonnull(report.out);
	listing = chp_listing_create(&report, &list);
	ck_assert_ptr_nonnull(listing);
	ck_ch_ok(chp_listing_row(listing, &sample));
	ck_assert(!chp_listing_is_full(listing));
	ck_ch_ok(chp_listing_row(listing, &empty));
	ck_assert(chp_listing_is_full(listing));
	ck_ch_ok(chp_listing_row(listing, &sample));
	ck_assert_uint_eq(chp_listing_shown(listing), 2);
	ck_assert_uint_eq(chp_listing_matched(listing), 3);
	chp_listing_print(listing);
	chp_listing_destroy(listing);
	ck_assert_int_eq(fclose(report.out), 0);
}

/* Columns of no place of their own come first, in the order of the table. */
START_TEST(rows_in_tables)
{
	_cleanup_free_ char *text = NULL, *plain = NULL, *markdown = NULL;

	print_rows(CH_FORMAT_TEXT, &text);
	ck_assert_str_eq(text, "TEXT  ADDRESS             BYTES  TWICE  NAME\n"
			       "in       0x1f  2,048 (2.00 KiB)  4,096  a\\x5cb\\x0a\n"
			       "-         0x0      -                 0  -\n"
			       "showing 2 of 3\n");
	print_rows(CH_FORMAT_PLAIN, &plain);
	ck_assert_str_eq(plain, "TEXT\tADDRESS\tBYTES\tTWICE\tNAME\n"
				"in\t0x1f\t2048\t4096\ta\\x5cb\\x0a\n"
				"\t0x0\t\t0\t\n");
	print_rows(CH_FORMAT_MARKDOWN, &markdown);
	ck_assert_ptr_nonnull(strstr(markdown, "| in | 0x1f | 2,048 (2.00 KiB) | 4,096 |"));
}
END_TEST

START_TEST(rows_as_lines)
{
	static const struct ch_list stream = { .fields = inner_fields, .stream = true };
	struct ch_report report = { .format = CH_FORMAT_JSONL };
	_cleanup_free_ char *text = NULL;
	struct ch_listing *listing;
	size_t size;

	report.out = open_memstream(&text, &size);
	listing = chp_listing_create(&report, &stream);
	ck_assert_ptr_nonnull(listing);
	ck_ch_ok(chp_listing_row(listing, &inners[0]));
	ck_ch_ok(chp_listing_row(listing, &inners[1]));
	chp_listing_destroy(listing);
	ck_assert_int_eq(fclose(report.out), 0);
	ck_assert_str_eq(text, "{\"number\":7}\n{\"number\":null}\n");
}
END_TEST

/* What is written as it comes: aligned by width, and the last column has no heading. */
START_TEST(rows_that_are_not_kept)
{
	static const struct ch_field_spec columns[] = {
		{ "word", "WORD", CH_CELL_SAFE, "Ours.", AT(word), .width = 6, .column = 1,
		  .flags = CH_FIELD_OPTIONAL },
		{ "addr", "ADDRESS", CH_CELL_ADDR, "Where.", AT(addr), .width = 8 },
		{ "bytes", "BYTES", CH_CELL_COUNT, "How much.", AT(bytes), .width = 7 },
		{ "name", "NAME", CH_CELL_SAFE, "Ours.", AT(name), .column = 2,
		  .flags = CH_FIELD_OPTIONAL },
		CH_FIELDS_END,
	};
	static const struct ch_list lines = {
		.fields = columns, .stream = true, .document = "x", .key = "rows"
	};
	static const struct {
		enum ch_format format;
		const char *want;
	} rows[] = {
		{ CH_FORMAT_TEXT, "ADDRESS     BYTES  WORD  \n"
				  "0x1f        2,048  a\"b   \n"
				  "0x0             0  -       n\n" },
		{ CH_FORMAT_PLAIN, "ADDRESS\tBYTES\tWORD\tNAME\n"
				   "0x1f\t2048\ta\"b\t\n"
				   "0x0\t0\t\tn\n" },
		{ CH_FORMAT_JSONL,
		  "{\"word\":\"a\\\"b\",\"addr\":\"0x1f\",\"bytes\":2048,\"name\":null}\n"
		  "{\"word\":null,\"addr\":\"0x0\",\"bytes\":0,\"name\":\"n\"}\n" },
	};
	struct ch_report report = { .format = rows[_i].format };
	struct sample first = { .word = "a\"b", .addr = 0x1f, .bytes = 2048 };
	struct sample second = { .name = "n" };
	_cleanup_free_ char *text = NULL;
	struct ch_listing *listing;
	size_t size;

	report.out = open_memstream(&text, &size);
	listing = chp_listing_create(&report, &lines);
	ck_assert_ptr_nonnull(listing);
	ck_ch_ok(chp_listing_row(listing, &first));
	ck_ch_ok(chp_listing_row(listing, &second));
	ck_ch_ok(chp_listing_flush(listing));
	chp_listing_destroy(listing);
	ck_assert_int_eq(fclose(report.out), 0);
	ck_assert_str_eq(text, rows[_i].want);
}
END_TEST

/* A list says itself what a document shows of it. */
START_TEST(lists_in_documents)
{
	static const struct ch_field_spec counted[] = {
		CH_FIELDS_COUNTED(struct sample, list),
		{ "rows", NULL, CH_CELL_LIST, "Rows.", AT(list), .list = &inner_list },
		CH_FIELDS_END,
	};
	struct ch_report report = { .format = CH_FORMAT_JSON, .limit = 1 };
	struct sample sample = { .list = chp_listing_create(&report, &inner_list) };

	ck_assert_ptr_nonnull(sample.list);
	ck_ch_ok(chp_listing_row(sample.list, &inners[0]));
	ck_ch_ok(chp_listing_row(sample.list, &inners[1]));
	ck_json(chp_fields_json(&report, counted, &sample),
		"{\"showing_count\":1,\"matched_count\":2,\"rows\":[{\"number\":7}]}");
	chp_listing_destroy(sample.list);
}
END_TEST

START_TEST(fields_as_facts)
{
	struct ch_report report = { .format = CH_FORMAT_PLAIN };
	_cleanup_free_ char *text = NULL;
	struct sample sample = full();
	size_t size;

	report.out = open_memstream(&text, &size);
	ck_ch_ok(chp_fields_print(&report, fields, &sample));
	ck_assert_int_eq(fclose(report.out), 0);
	ck_assert_str_eq(text, "NAME\ta\\x5cb\\x0a\nTEXT\tin\nADDRESS\t0x1f\nBYTES\t2048\n"
			       "TWICE\t4096\n");
}
END_TEST

Suite *suite_fields(void)
{
	Suite *s = suite_create("fields");
	TCase *tc = tcase_create("fields");

	tcase_add_test(tc, fields_as_json);
	tcase_add_test(tc, fields_that_are_not_known);
	tcase_add_test(tc, fields_without_memory);
	tcase_add_test(tc, rows_in_tables);
	tcase_add_test(tc, rows_as_lines);
	tcase_add_loop_test(tc, rows_that_are_not_kept, 0, 3);
	tcase_add_test(tc, lists_in_documents);
	tcase_add_test(tc, fields_as_facts);
	suite_add_tcase(s, tc);
	return s;
}
