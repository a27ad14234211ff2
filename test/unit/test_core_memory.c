/*
 * Reads: what is there, what is mapped without bytes, what was never mapped;
 * overlays; and cores cut off at every interesting place.
 */
#include <signal.h>
#include <string.h>

#include "support/ck.h"
#include "support/opencore.h"

/* Page k is filled with the byte 'a' + k. */
static void fill(char *bytes, size_t pages)
{
	size_t i;

	for (i = 0; i < pages * 4096; i++)
		bytes[i] = (char)('a' + i / 4096);
}

/*
 * 0x10000 .. 0x12000  recorded ("a", "b")
 * 0x12000 .. 0x13000  recorded in another segment, elsewhere in the file
 * 0x13000 .. 0x15000  mapped, first page recorded only
 * 0x20000 .. 0x21000  mapped according to NT_FILE, no segment
 */
static struct opened open_sample(void)
{
	static const struct cw_file_row row = { 0x20000, 0x21000, 0, "/usr/lib/x" };
	struct corewriter *w = cw_create(EM_X86_64);
	char bytes[4 * 4096];

	fill(bytes, 4);
	cw_load(w, 0x12000, 0x1000, PF_R | PF_W, bytes + 2 * 4096, 4096);
	cw_load(w, 0x10000, 0x2000, PF_R, bytes, 2 * 4096);
	cw_load(w, 0x13000, 0x2000, PF_R, bytes + 3 * 4096, 4096);
	cw_file(w, &row, 1);
	return oc_must_open_take(w);
}

START_TEST(absent_is_not_unmapped_and_neither_is_zero)
{
	static const struct {
		uint64_t addr;
		size_t len;
		enum ch_error_code code;
		uint64_t at;
	} rows[] = {
		{ 0x10000, 1, 0, 0 },
		{ 0x13fff, 1, 0, 0 },
		{ 0x14000, 1, CH_ERROR_ABSENT, 0x14000 },
		{ 0x13ffe, 4, CH_ERROR_ABSENT, 0x14000 },
		{ 0x14fff, 1, CH_ERROR_ABSENT, 0x14fff },
		{ 0x15000, 1, CH_ERROR_FAULT, 0x15000 },
		{ 0xffff, 1, CH_ERROR_FAULT, 0xffff },
		{ 0, 8, CH_ERROR_FAULT, 0 },
		{ 0x20000, 8, CH_ERROR_ABSENT, 0x20000 },
		{ 0x20ffc, 8, CH_ERROR_ABSENT, 0x20ffc },
		{ 0x21000, 8, CH_ERROR_FAULT, 0x21000 },
		{ 0xffffffffffffffff, 1, CH_ERROR_FAULT, 0xffffffffffffffff },
		{ 0xfffffffffffffff8, 16, CH_ERROR_FAULT, 0xfffffffffffffff8 },
		{ 0x10000, 0x100000, CH_ERROR_ABSENT, 0x14000 },
	};
	struct opened o = open_sample();
	char buf[16] = "untouched";
	static char large[0x100000];
	struct ch_error *err =
		ch_core_read(o.core, rows[_i].addr, rows[_i].len > 16 ? large : buf, rows[_i].len);

	if (rows[_i].code == 0) {
		ck_ch_ok(err);
	} else {
		ck_assert_ptr_nonnull(err);
		ck_assert_str_eq(ch_error_code_name(err->code), ch_error_code_name(rows[_i].code));
		ck_assert_uint_eq(err->addr, rows[_i].at);
		ck_assert_str_eq(buf, "untouched");
	}
	ch_error_destroy(err);
	oc_close(&o);
}
END_TEST

START_TEST(reads_cross_segments_that_touch)
{
	struct opened o = open_sample();
	char buf[4096 * 4], want[4096 * 4];
	size_t len = 0;

	fill(want, 4);
	ck_ch_ok(ch_core_read(o.core, 0x10000, buf, sizeof(buf)));
	ck_assert_mem_eq(buf, want, sizeof(buf));
	ck_ch_ok(ch_core_read(o.core, 0x11ffe, buf, 4));
	ck_assert_mem_eq(buf, "bbcc", 4);
	/* A span ends at the latest where the file is not contiguous. */
	ck_assert_ptr_nonnull(ch_core_span(o.core, 0x10001, &len));
	ck_assert_uint_eq(len, 0x1fff);
	ck_assert_ptr_nonnull(ch_core_span(o.core, 0x13ffc, &len));
	ck_assert_uint_eq(len, 4);
	ck_assert_ptr_null(ch_core_span(o.core, 0x14000, &len));
	ck_assert_ptr_null(ch_core_span(o.core, 0x20000, &len));
	oc_close(&o);
}
END_TEST

START_TEST(cheap_reads_leave_the_result_alone)
{
	struct opened o = open_sample();
	uint64_t wide = 42;
	uint32_t narrow = 42;
	char buf[8] = "before";

	ck_assert(!ch_core_read_u64(o.core, 0x13ffc, &wide));
	ck_assert(!ch_core_read_u32(o.core, 0x13ffe, &narrow));
	ck_assert(!ch_core_try_read(o.core, 0x13ffe, buf, 4));
	ck_assert(!ch_core_read_u64(o.core, 0xfffffffffffffffc, &wide));
	ck_assert_uint_eq(wide, 42);
	ck_assert_uint_eq(narrow, 42);
	ck_assert_str_eq(buf, "before");
	ck_assert(ch_core_read_u64(o.core, 0x11ffc, &wide));
	ck_assert_uint_eq(wide, 0x6363636362626262);
	ck_assert(ch_core_read_u32(o.core, 0x11ffe, &narrow));
	ck_assert_uint_eq(narrow, 0x63636262);
	oc_close(&o);
}
END_TEST

START_TEST(strings_end_where_memory_does)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;
	char buf[16];

	cw_load(w, 0x1000, 0x1000, PF_R, "short\0\0\0no end", 14);
	cw_load(w, 0x3000, 0x4, PF_R, "abcd", 4);
	cw_load(w, 0x3004, 0x4, PF_R, "efg", 4);
	o = oc_must_open_take(w);
	ck_assert(ch_core_read_string(o.core, 0x1000, buf, sizeof(buf)));
	ck_assert_str_eq(buf, "short");
	ck_assert(ch_core_read_string(o.core, 0x1005, buf, sizeof(buf)));
	ck_assert_str_eq(buf, "");
	ck_assert(ch_core_read_string(o.core, 0x1008, buf, sizeof(buf)));
	ck_assert_str_eq(buf, "no end...");
	ck_assert(ch_core_read_string(o.core, 0x3000, buf, sizeof(buf)));
	ck_assert_str_eq(buf, "abcdefg");
	ck_assert(ch_core_read_string(o.core, 0x3000, buf, 4));
	ck_assert_str_eq(buf, "abc");
	ck_assert(ch_core_read_string(o.core, 0x3000, buf, 1));
	ck_assert_str_eq(buf, "");
	ck_assert(!ch_core_read_string(o.core, 0x2000, buf, sizeof(buf)));
	ck_assert(!ch_core_read_string(o.core, 0x3000, buf, 0));
	oc_close(&o);
}
END_TEST

START_TEST(overlays_stand_in_for_absent_bytes_only)
{
	struct opened o = open_sample();
	static uint8_t file[0x4000];
	uint8_t buf[4];
	size_t len = 0;

	memset(file, 'F', sizeof(file));
	/* over recorded bytes (0x13000), absent ones (0x14000) and a gap (0x15000) */
	ck_ch_ok(ch_core_add_overlay(o.core, 0x13000, 0x16000, file));
	ck_ch_ok(ch_core_read(o.core, 0x13ffe, buf, 4));
	ck_assert_mem_eq(buf, "ddFF", 4);
	ck_ch_ok(ch_core_read(o.core, 0x14000, buf, 4));
	ck_assert_ptr_null(ch_core_span_recorded(o.core, 0x14000, &len));
	ck_assert_ptr_nonnull(ch_core_span(o.core, 0x14000, &len));
	ck_assert_uint_ge(len, 0x1000);
	/* in NT_FILE's range without a segment */
	ck_ch_ok(ch_core_add_overlay(o.core, 0x20000, 0x21000, file));
	ck_ch_ok(ch_core_read(o.core, 0x20ffc, buf, 4));
	ck_ch_err(ch_core_read(o.core, 0x20ffd, buf, 4), FAULT);
	oc_close(&o);
}
END_TEST

START_TEST(overlays_that_make_no_sense)
{
	struct opened o = open_sample();
	static uint8_t file[0x3000];
	uint8_t buf[1];

	ck_ch_err(ch_core_add_overlay(o.core, 0x14000, 0x14000, file), ARG);
	ck_ch_err(ch_core_add_overlay(o.core, 0x14000, 0x13000, file), ARG);
	ck_ch_ok(ch_core_add_overlay(o.core, 0x14000, 0x15000, file));
	ck_ch_err(ch_core_add_overlay(o.core, 0x14000, 0x15000, file), ARG);
	ck_ch_err(ch_core_add_overlay(o.core, 0x14fff, 0x16000, file), ARG);
	ck_ch_err(ch_core_add_overlay(o.core, 0x13000, 0x14001, file), ARG);
	ck_ch_err(ch_core_add_overlay(o.core, 0x13000, 0x16000, file), ARG);
	ck_ch_ok(ch_core_add_overlay(o.core, 0x15000, 0x16000, file));
	ck_ch_ok(ch_core_add_overlay(o.core, 0x13000, 0x14000, file));
	ck_ch_err(ch_core_read(o.core, 0x20000, buf, 1), ABSENT);
	oc_close(&o);
}
END_TEST

START_TEST(a_segment_behind_an_overlay_keeps_its_bytes)
{
	struct opened o = open_sample();
	static uint8_t file[0x8000];
	uint8_t buf[2];

	memset(file, 'F', sizeof(file));
	/* begins in a gap below the recorded segments */
	ck_ch_ok(ch_core_add_overlay(o.core, 0xe000, 0x16000, file));
	ck_ch_ok(ch_core_read(o.core, 0xffff, buf, 2));
	ck_assert_mem_eq(buf, "Fa", 2);
	ck_ch_ok(ch_core_read(o.core, 0x11fff, buf, 2));
	ck_assert_mem_eq(buf, "bc", 2);
	oc_close(&o);
}
END_TEST

static struct corewriter *core_to_cut(void)
{
	static const struct cw_file_row row = { 0x20000, 0x21000, 0, "/usr/lib/x" };
	static const uint64_t auxv[][2] = { { AT_PAGESZ, 4096 } };
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t regs[27] = { 0 };
	char bytes[3 * 4096];

	fill(bytes, 3);
	cw_prstatus(w, 1, SIGSEGV, regs, 27);
	cw_prpsinfo(w, 1, 0, "cut", "cut");
	cw_siginfo(w, SIGSEGV, 1, 0);
	cw_auxv(w, auxv, 1);
	cw_file(w, &row, 1);
	cw_prstatus(w, 2, 0, regs, 27);
	cw_load(w, 0x10000, 0x2000, PF_R, bytes, 2 * 4096);
	cw_load(w, 0x12000, 0x1000, PF_R, NULL, 0);
	cw_load(w, 0x13000, 0x1000, PF_R, bytes + 2 * 4096, 4096);
	return w;
}

/* Every byte that is reported must be the right one, wherever the cut is. */
static void check_bytes(const struct opened *o, uint64_t cut, const struct cw_layout *layout)
{
	uint64_t present = cut > layout->contents_off ? cut - layout->contents_off : 0, addr;
	const struct ch_core_stats *stats = ch_core_stats(o->core);
	char byte = 0;

	/* segments whose header was cut off are unknown: no bytes at all */
	ck_assert_uint_eq(stats->present_bytes, present);
	for (addr = 0x10000; addr < 0x14000; addr += 0x7ff) {
		uint64_t pos = addr < 0x12000 ? addr - 0x10000 : addr - 0x11000;
		bool there = (addr < 0x12000 || addr >= 0x13000) && pos < present;

		ck_assert_int_eq(ch_core_try_read(o->core, addr, &byte, 1), there);
		if (there)
			ck_assert_int_eq(byte, (char)('a' + pos / 4096));
	}
}

START_TEST(truncated_at_every_place)
{
	struct corewriter *w = core_to_cut();
	struct cw_layout layout = cw_layout(w);
	/* all of the headers and notes byte by byte, then in steps of a prime */
	uint64_t cut, step = 1;

	for (cut = 0; cut < layout.file_bytes; cut += step) {
		struct opened o;
		struct ch_error *err = oc_open(w, cut, &o);

		if (cut > layout.contents_off + 64)
			step = 509;
		/* without one program header there is nothing of a process */
		if (cut < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)) {
			ck_ch_err(err, FORMAT);
			continue;
		}
		ck_ch_ok(err);
		ck_assert_msg(!ch_context_complete(o.ctx), "cut at %lu counts as complete", cut);
		check_bytes(&o, cut, &layout);
		oc_close(&o);
	}
	cw_destroy(w);
}
END_TEST

START_TEST(truncation_says_how_much_is_missing)
{
	struct corewriter *w = core_to_cut();
	struct cw_layout layout = cw_layout(w);
	const struct ch_core_stats *stats;
	struct opened o;

	ck_ch_ok(oc_open(w, layout.file_bytes - 4096 - 100, &o));
	stats = ch_core_stats(o.core);
	ck_assert(stats->truncated);
	ck_assert_uint_eq(stats->file_bytes, layout.file_bytes - 4196);
	ck_assert_uint_eq(stats->expected_file_bytes, layout.file_bytes);
	ck_assert_uint_eq(stats->recorded_bytes, 3 * 4096);
	ck_assert_uint_eq(stats->present_bytes, 2 * 4096 - 100);
	ck_assert_uint_eq(stats->mapped_bytes, 4 * 4096);
	ck_assert_ptr_nonnull(oc_finding(&o, "truncated"));
	oc_close(&o);
	ck_ch_ok(oc_open(w, CW_ALL, &o));
	ck_assert(!ch_core_stats(o.core)->truncated);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
	cw_destroy(w);
}
END_TEST

START_TEST(absent_memory_is_stepped_over)
{
	static const struct {
		uint64_t addr, end, want, with_overlay;
	} rows[] = {
		{ 0, UINT64_MAX, 0x10000, 0x10000 },
		{ 0x10000, 0x10001, 0x10000, 0x10000 },
		{ 0x10000, 0x10000, 0x10000, 0x10000 },
		{ 0x11000, 0x10000, 0x10000, 0x10000 },
		{ 0x13fff, UINT64_MAX, 0x13fff, 0x13fff },
		{ 0x14000, UINT64_MAX, UINT64_MAX, 0x14800 },
		{ 0x14000, 0x14000, 0x14000, 0x14000 },
		{ 0x14000, 0x14700, 0x14700, 0x14700 },
		{ 0x14900, 0x20000, 0x20000, 0x14900 },
		{ 0x14fff, 0x30000, 0x30000, 0x20800 },
		{ 0x20fff, 0x30000, 0x30000, 0x30000 },
		{ 0xffff, 0x10000, 0x10000, 0x10000 },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};
	static uint8_t file[0x1000];
	struct opened o = open_sample();
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(ch_core_next_present(o.core, rows[i].addr, rows[i].end),
				  rows[i].want);
	ck_ch_ok(ch_core_add_overlay(o.core, 0x14800, 0x14fff, file));
	ck_ch_ok(ch_core_add_overlay(o.core, 0x20800, 0x20900, file));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(ch_core_next_present(o.core, rows[i].addr, rows[i].end),
				  rows[i].with_overlay);
	oc_close(&o);
}
END_TEST

START_TEST(two_cores_in_one_process)
{
	struct opened a = open_sample(), b = open_sample();
	static uint8_t file[0x1000];
	uint8_t byte;

	ck_ch_ok(ch_core_add_overlay(a.core, 0x20000, 0x21000, file));
	ck_ch_ok(ch_core_read(a.core, 0x20000, &byte, 1));
	ck_ch_err(ch_core_read(b.core, 0x20000, &byte, 1), ABSENT);
	oc_close(&a);
	ck_ch_ok(ch_core_read(b.core, 0x10000, &byte, 1));
	oc_close(&b);
}
END_TEST

Suite *suite_core_memory(void)
{
	Suite *suite = suite_create("core_memory");
	TCase *reads = tcase_create("reads"), *cuts = tcase_create("truncated");

	tcase_add_loop_test(reads, absent_is_not_unmapped_and_neither_is_zero, 0, 14);
	tcase_add_test(reads, reads_cross_segments_that_touch);
	tcase_add_test(reads, cheap_reads_leave_the_result_alone);
	tcase_add_test(reads, strings_end_where_memory_does);
	tcase_add_test(reads, overlays_stand_in_for_absent_bytes_only);
	tcase_add_test(reads, overlays_that_make_no_sense);
	tcase_add_test(reads, a_segment_behind_an_overlay_keeps_its_bytes);
	tcase_add_test(reads, absent_memory_is_stepped_over);
	tcase_add_test(reads, two_cores_in_one_process);
	suite_add_tcase(suite, reads);

	tcase_set_timeout(cuts, 60);
	tcase_add_test(cuts, truncated_at_every_place);
	tcase_add_test(cuts, truncation_says_how_much_is_missing);
	suite_add_tcase(suite, cuts);
	return suite;
}
