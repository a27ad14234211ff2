/*
 * address as it is printed: WinDbg's layout byte for byte against published
 * listings, ours against what a small core is known to hold.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "heap/session.h"
#include "report/address.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "util/cleanup.h"

#define PAGE 0x1000ULL

extern const struct ch_cmd ch_cmd_address;

/* ---- WinDbg's layout ---- */

static void add_row(struct ch_address_table *table, const char *name, uint64_t regions,
		    uint64_t bytes)
{
	struct ch_address_row *row = &table->rows[table->count++];

	row->name = name;
	row->free = strcmp(name, "Free") == 0 || strcmp(name, "MEM_FREE") == 0;
	row->sum.regions_count = regions;
	row->sum.total_bytes = bytes;
}

/* The text of WinDbg's five tables. */
static char *windbg_text(const struct ch_address *address)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	ck_assert_ptr_nonnull(out);
	chp_windbg_tables(out, address);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

/* A well-formed listing of a .NET process on Windows: its numbers give its text. */
START_TEST(windbg_published)
{
	static const char want[] = "\n"
				   "--- Usage Summary ---------------- RgnCount ----------- Total "
				   "Size -------- %ofBusy %ofTotal\n"
				   "Free                                    345     7dfd`ca3ca000 "
				   "( 125.991 TB)           98.43%\n"
				   "<unknown>                             37399      201`54dbf000 "
				   "(   2.005 TB)  99.83%    1.57%\n"
				   "Heap                                  29887        0`d179b000 "
				   "(   3.273 GB)   0.16%    0.00%\n"
				   "Image                                  1312        0`0861b000 "
				   "( 134.105 MB)   0.01%    0.00%\n"
				   "Stack                                   228        0`06e40000 "
				   "( 110.250 MB)   0.01%    0.00%\n"
				   "Other                                    10        0`001d8000 "
				   "(   1.844 MB)   0.00%    0.00%\n"
				   "TEB                                      76        0`00098000 "
				   "( 608.000 kB)   0.00%    0.00%\n"
				   "PEB                                       1        0`00001000 "
				   "(   4.000 kB)   0.00%    0.00%\n"
				   "\n"
				   "--- Type Summary (for busy) ------ RgnCount ----------- Total "
				   "Size -------- %ofBusy %ofTotal\n"
				   "MEM_MAPPED                              352      200`00a40000 "
				   "(   2.000 TB)  99.57%    1.56%\n"
				   "MEM_PRIVATE                           67249        2`2cbcb000 "
				   "(   8.699 GB)   0.42%    0.01%\n"
				   "MEM_IMAGE                              1312        0`0861b000 "
				   "( 134.105 MB)   0.01%    0.00%\n"
				   "\n"
				   "--- State Summary ---------------- RgnCount ----------- Total "
				   "Size -------- %ofBusy %ofTotal\n"
				   "MEM_FREE                                345     7dfd`ca3ca000 "
				   "( 125.991 TB)           98.43%\n"
				   "MEM_RESERVE                           11805      200`22ae8000 "
				   "(   2.001 TB)  99.60%    1.56%\n"
				   "MEM_COMMIT                            57108        2`1313e000 "
				   "(   8.298 GB)   0.40%    0.01%\n"
				   "\n"
				   "--- Protect Summary (for commit) - RgnCount ----------- Total "
				   "Size -------- %ofBusy %ofTotal\n"
				   "\n"
				   "--- Largest Region by Usage ----------- Base Address -------- "
				   "Region Size ----------\n";
	struct ch_address address = { .total_bytes = 0x7fffffff0000, .busy_bytes = 0x20235c26000 };
	char *text;
	size_t i;

	add_row(&address.usage, "Free", 345, 0x7dfdca3ca000);
	add_row(&address.usage, "<unknown>", 37399, 0x20154dbf000);
	add_row(&address.usage, "Heap", 29887, 0xd179b000);
	add_row(&address.usage, "Image", 1312, 0x861b000);
	add_row(&address.usage, "Stack", 228, 0x6e40000);
	add_row(&address.usage, "Other", 10, 0x1d8000);
	add_row(&address.usage, "TEB", 76, 0x98000);
	add_row(&address.usage, "PEB", 1, 0x1000);
	add_row(&address.type, "MEM_MAPPED", 352, 0x20000a40000);
	add_row(&address.type, "MEM_PRIVATE", 67249, 0x22cbcb000);
	add_row(&address.type, "MEM_IMAGE", 1312, 0x861b000);
	add_row(&address.state, "MEM_FREE", 345, 0x7dfdca3ca000);
	add_row(&address.state, "MEM_RESERVE", 11805, 0x20022ae8000);
	add_row(&address.state, "MEM_COMMIT", 57108, 0x21313e000);
	text = windbg_text(&address);
	/* the published part has no largest regions */
	for (i = 0; want[i]; i++)
		ck_assert_msg(text[i] == want[i], "differs at byte %zu: %.60s", i, text + i);
	free(text);
}
END_TEST

/* Rows of a listing of a Linux core, whose protect table is right, with a
 * denominator of 16 EB. */
START_TEST(windbg_protect)
{
	static const char want[] = "PAGE_READWRITE                          520        0`f6bf0000 "
				   "(   3.855 GB)   0.00%    0.00%\n"
				   "PAGE_EXECUTE_READ                       160        0`05141000 "
				   "(  81.254 MB)   0.00%    0.00%\n"
				   "PAGE_READONLY                           466        0`0147c000 "
				   "(  20.484 MB)   0.00%    0.00%\n"
				   "PAGE_EXECUTE_WRITECOPY                   32        0`00b76000 "
				   "(  11.461 MB)   0.00%    0.00%\n";
	struct ch_address address = { .total_bytes = UINT64_MAX, .busy_bytes = UINT64_MAX };
	char *text;

	add_row(&address.protect, "PAGE_READWRITE", 520, 0xf6bf0000);
	add_row(&address.protect, "PAGE_EXECUTE_READ", 160, 0x5141000);
	add_row(&address.protect, "PAGE_READONLY", 466, 0x147c000);
	add_row(&address.protect, "PAGE_EXECUTE_WRITECOPY", 32, 0xb76000);
	text = windbg_text(&address);
	ck_assert_ptr_nonnull(strstr(text, want));
	free(text);
}
END_TEST

/* The numbers of the same listing's largest region, which are its fault; a row is
 * as wide as the heading, 84 columns. */
START_TEST(windbg_largest)
{
	static const char want[] = "<unknown>                              7ffd`7f5ad000 "
				   "ffff8002`80053000 (  16.000 EB)\n";
	struct ch_address address = { .total_bytes = UINT64_MAX, .busy_bytes = UINT64_MAX };
	char *text;

	add_row(&address.usage, "<unknown>", 1, 1);
	address.usage.rows[0].sum.largest_start = 0x7ffd7f5ad000;
	address.usage.rows[0].sum.largest_bytes = 0xffff800280053000;
	text = windbg_text(&address);
	ck_assert_uint_eq(strlen(want), 84 + 1);
	ck_assert_msg(strstr(text, want) != NULL, "%s", text);
	free(text);
}
END_TEST

/* ---- a core ---- */

static const struct ch_walker *const nobody[] = { NULL };

struct options {
	bool summary, regions, raw, zero_pages;
	const char *compat, *list;
	struct ch_strings filters;
};

struct shown {
	struct ch_context *ctx;
	struct ch_session *session;
};

/* The kernel's or createdump's core: two anonymous pages, one of them zero, a
 * reservation that only the kernel writes, a file with an evil name. */
static struct shown open_shown(bool createdump)
{
	static const struct cw_file_row rows[] = {
		{ 0x80000, 0x82000, 0, "/srv/a,\"b\"\033[31m\n" },
	};
	struct shown s = { .ctx = ch_context_create(NULL) };
	const char *path = cw_temp_path("address");
	struct corewriter *w = hc_writer();
	uint8_t bytes[2 * PAGE] = { 1 };

	cw_load(w, 0x10000, 2 * PAGE, PF_R | PF_W, bytes, 2 * PAGE);
	if (createdump)
		cw_load(w, 0x7ffffff10000, PAGE, PF_R, "DIAGINFOHEADER", 15);
	else
		cw_load(w, 0x20000, 16 * PAGE, 0, NULL, 0);
	cw_load(w, 0x80000, 2 * PAGE, PF_R, NULL, 0);
	cw_file(w, rows, 1);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(s.ctx, path, NULL, &s.session));
	unlink(path);
	chp_session_use_walkers(s.session, nobody);
	return s;
}

static void close_shown(struct shown *s)
{
	ch_session_close(s->session);
	ch_context_destroy(s->ctx);
}

/* Run the command; text owned by the caller, NULL when it fails. */
static char *run(struct shown *s, enum ch_format format, uint64_t limit,
		 const struct options *options, const char *argument)
{
	char *text = NULL, *argv[] = { (char *)(uintptr_t)argument, NULL };
	size_t bytes = 0;
	struct ch_report report = { .session = s->session, .format = format, .limit = limit };
	struct ch_cmd_env env = { .session = s->session,
				  .report = &report,
				  .options = options,
				  .argc = argument ? 1 : 0,
				  .argv = argv };
	struct ch_error *err;

	report.out = open_memstream(&text, &bytes);
	ck_assert_ptr_nonnull(report.out);
	err = ch_cmd_address.run(&env);
	ck_assert_int_eq(fclose(report.out), 0);
	if (err) {
		ch_error_destroy(err);
		free(text);
		return NULL;
	}
	return text;
}

static void has(const char *text, const char *want)
{
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, want) != NULL, "no '%s' in:\n%s", want, text);
}

static void lacks(const char *text, const char *what)
{
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, what) == NULL, "'%s' in:\n%s", what, text);
}

/* The options struct of the command is the one of this file. */
START_TEST(options_as_here)
{
	ck_assert_uint_eq(ch_cmd_address.options_size, sizeof(struct options));
}
END_TEST

START_TEST(tables)
{
	struct shown s = open_shown(false);
	char *text = run(&s, CH_FORMAT_PLAIN, 0, &(struct options){ .zero_pages = true }, NULL);

	has(text, "busy\t81920\n");
	has(text, "in core\t8192\n");
	has(text, "missing\t8192\n");
	has(text, "zero pages\t4096\n");
	has(text, "reserve\t<unknown>\t1\t65536\t80.00\t0.00\t0\trecorded\t0\t0\n");
	has(text, "anon\t<unknown>\t1\t8192\t10.00\t0.00\t8192\trecorded\t4096\t4096\n");
	has(text, "file\tFileMap\t1\t8192\t10.00\t0.00\t0\trecorded\t0\t0\n");
	has(text, "reserve\tMEM_RESERVE\t1\t65536\t80.00\t0.00\t0\trecorded\t0\t0\n");
	has(text, "commit\tMEM_COMMIT\t2\t16384\t20.00\t0.00\t8192\trecorded\t4096\t4096\n");
	has(text, "rw-\tPAGE_READWRITE\t1\t8192\t10.00\t0.00\t8192\trecorded\t4096\t4096\n");
	has(text, "reserve\t<unknown>\t0x20000\t65536\n");
	has(text, "reserved\t65536\t");
	lacks(text, "not recorded");
	free(text);
	close_shown(&s);
}
END_TEST

/* createdump says nothing of reservations: neither does the answer. */
START_TEST(tables_of_createdump)
{
	struct shown s = open_shown(true);
	char *text = run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .raw = false }, NULL);

	has(text, "\nfree or not recorded  Free ");
	has(text, "\nfree or not recorded  MEM_FREE ");
	has(text, "\nreserve               MEM_RESERVE        -");
	has(text, "  not recorded by this dumper ");
	has(text, "\nother                 Other ");
	has(text, "note: createdump leaves out memory without access");
	free(text);
	text = run(&s, CH_FORMAT_JSON, 0, &(struct options){ .regions = true }, NULL);
	has(text, "\"reserved_bytes\": null");
	has(text, "\"name\": \"MEM_RESERVE\",\n      \"native_name\": \"reserve\",\n"
		  "      \"regions_count\": null,\n      \"total_bytes\": null");
	free(text);
	text = run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .compat = "windbg" }, NULL);
	has(text, "\nFree                                      4 ");
	lacks(text, "MEM_RESERVE");
	free(text);
	close_shown(&s);
}
END_TEST

START_TEST(lists)
{
	struct shown s = open_shown(false);
	struct options options = { .list = "csv" };
	char *text;

	text = run(&s, CH_FORMAT_TEXT, 0, &options, NULL);
	has(text,
	    "START,END,SIZE,IN CORE,USAGE,TYPE,STATE,PROTECT,BASIS,OWNER,BACKING,TOUCHED\r\n");
	has(text,
	    "\r\n0x10000,0x12000,8192,8192,anon,MEM_PRIVATE,MEM_COMMIT,rw-p,recorded,,,4096\r\n");
	has(text, "0x80000,0x82000,8192,0,file,MEM_MAPPED,MEM_COMMIT,r--p?,recorded,,"
		  "\"/srv/a,\"\"b\"\"\\x1b[31m\\x0a\",0\r\n");
	has(text, "\r\n0x82000,0x7ffffffff000,140737487818752,,free,,MEM_FREE,,derived,,,\r\n");
	free(text);
	options.list = "1";
	text = run(&s, CH_FORMAT_TEXT, 2, &options, NULL);
	ck_assert_str_eq(text, "0x0\n0x10000\n");
	free(text);
	options.list = "xml";
	ck_assert_ptr_null(run(&s, CH_FORMAT_TEXT, 0, &options, NULL));
	options.list = "csv";
	ck_assert_ptr_null(run(&s, CH_FORMAT_JSON, 0, &options, NULL));
	close_shown(&s);
}
END_TEST

START_TEST(regions_and_filters)
{
	const char *items[] = { "var", "mem_commit" };
	struct options options = { .filters = { items, 2 } };
	struct shown s = open_shown(false);
	char *text = run(&s, CH_FORMAT_TEXT, 0, &options, NULL);

	has(text, "\n0x10000  0x12000  8,192 (8.00 KiB)  8,192 (8.00 KiB)  anon ");
	has(text, "\n1 region of var,mem_commit: 8,192 bytes\n");
	lacks(text, "0x20000");
	free(text);
	text = run(&s, CH_FORMAT_JSONL, 0, &options, NULL);
	ck_assert_str_eq(
		text,
		"{\"addr\":\"0x10000\",\"end\":\"0x12000\",\"total_bytes\":8192,"
		"\"in_core_bytes\":8192,\"usage\":\"anon\",\"windbg_usage\":\"<unknown>\","
		"\"type\":\"MEM_PRIVATE\",\"state\":\"MEM_COMMIT\",\"protect\":\"PAGE_READWRITE\","
		"\"native_protect\":\"rw-p\",\"guard\":false,\"backing\":null,"
		"\"backing_offset\":null,\"owner\":null,\"basis\":\"recorded\","
		"\"missing_reason\":null,\"touched_bytes\":4096,"
		"\"dump_id\":\"860c1d431499692c\"}\n"
		"{\"showing_count\":1,\"matched_count\":1,\"matched_bytes\":8192,"
		"\"closing\":true,\"dump_id\":\"860c1d431499692c\"}\n");
	free(text);
	options.compat = "windbg";
	text = run(&s, CH_FORMAT_TEXT, 0, &options, NULL);
	has(text,
	    "\n+        0`00010000        0`00012000        0`00002000 MEM_PRIVATE MEM_COMMIT  "
	    "PAGE_READWRITE                     <unknown>  \n");
	free(text);
	options.summary = true;
	text = run(&s, CH_FORMAT_TEXT, 0, &options, NULL);
	has(text, "<unknown>                                 1        0`00002000 (   8.000 kB)  "
		  "10.00%    0.00%\n");
	lacks(text, "MEM_FREE");
	free(text);
	close_shown(&s);
}
END_TEST

/* A name from the core cannot break out of its line. */
START_TEST(evil_names)
{
	struct shown s = open_shown(false);
	const struct options options = { .regions = true };
	char *text = run(&s, CH_FORMAT_TEXT, 0, &options, NULL);

	has(text, "/srv/a,\"b\"\\x1b[31m\\x0a  ");
	lacks(text, "\033");
	free(text);
	text = run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .compat = "windbg" }, "80000");
	has(text, "Usage:                  FileMap\n");
	has(text, "Base Address:           00000000`00080000\n");
	has(text, "End Address:            00000000`00082000\n");
	has(text, "Region Size:            00000000`00002000 (   8.000 kB)\n");
	has(text, "State:                  00001000          MEM_COMMIT\n");
	has(text, "Protect:                00000002          PAGE_READONLY\n");
	has(text, "Type:                   00040000          MEM_MAPPED\n");
	lacks(text, "\033");
	free(text);
	text = run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .raw = true }, NULL);
	lacks(text, "\033");
	free(text);
	close_shown(&s);
}
END_TEST

START_TEST(one_address)
{
	struct shown s = open_shown(false);
	const struct options none = { .raw = false };
	char *text = run(&s, CH_FORMAT_PLAIN, 0, &none, "0x81010");

	has(text, "base address\t0x80000\n");
	has(text, "region size\t8192\n");
	has(text, "file\t/srv/a,\"b\"\\x1b[31m\\x0a +0x1010\n");
	has(text, "not in core\t8,192: pages of files, left to the files\n");
	free(text);
	text = run(&s, CH_FORMAT_TEXT, 0, &none, "0");
	has(text, "state            MEM_FREE\n");
	lacks(text, "protect");
	free(text);
	text = run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .compat = "windbg" }, "0`00000010");
	has(text, "State:                  00010000          MEM_FREE\n");
	has(text, "Protect:                00000001          PAGE_NOACCESS\n");
	free(text);
	ck_assert_ptr_null(run(&s, CH_FORMAT_TEXT, 0, &none, "ffff800000000000"));
	ck_assert_ptr_null(run(&s, CH_FORMAT_TEXT, 0, &(struct options){ .regions = true }, "0"));
	close_shown(&s);
}
END_TEST

Suite *suite_address(void)
{
	Suite *suite = suite_create("address");
	TCase *windbg = tcase_create("windbg"), *core = tcase_create("core");

	tcase_add_test(windbg, windbg_published);
	tcase_add_test(windbg, windbg_protect);
	tcase_add_test(windbg, windbg_largest);
	tcase_add_test(core, options_as_here);
	tcase_add_test(core, tables);
	tcase_add_test(core, tables_of_createdump);
	tcase_add_test(core, lists);
	tcase_add_test(core, regions_and_filters);
	tcase_add_test(core, evil_names);
	tcase_add_test(core, one_address);
	suite_add_tcase(suite, windbg);
	suite_add_tcase(suite, core);
	return suite;
}
