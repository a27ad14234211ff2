/*
 * What is a core and what is not, and how segments come out of the program
 * headers. Expectations are written down from the ELF rules, never computed
 * by the code under test.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/ck.h"
#include "support/opencore.h"

static struct corewriter *small_core(uint16_t machine)
{
	static const uint64_t regs[34] = { 0 };
	struct corewriter *w = cw_create(machine);

	cw_prstatus(w, 100, SIGSEGV, regs, machine == EM_AARCH64 ? 34 : 27);
	cw_load(w, 0x10000, 0x3000, PF_R | PF_W, "hello", 5);
	return w;
}

START_TEST(both_machines_open)
{
	static const struct {
		uint16_t machine;
		enum ch_arch arch;
		const char *name;
	} rows[] = { { EM_X86_64, CH_ARCH_X86_64, "x86_64" },
		     { EM_AARCH64, CH_ARCH_AARCH64, "aarch64" } };
	struct opened o = oc_must_open_take(small_core(rows[_i].machine));
	const struct ch_core_stats *stats = ch_core_stats(o.core);

	ck_assert_int_eq(ch_core_arch(o.core), rows[_i].arch);
	ck_assert_str_eq(ch_arch_name(ch_core_arch(o.core)), rows[_i].name);
	ck_assert(ch_context_complete(o.ctx));
	ck_assert(!stats->truncated);
	ck_assert_str_eq(stats->compression, "none");
	ck_assert_uint_eq(stats->load_count, 1);
	ck_assert_uint_eq(stats->mapped_bytes, 0x3000);
	ck_assert_uint_eq(stats->recorded_bytes, 5);
	ck_assert_uint_eq(stats->present_bytes, 5);
	oc_close(&o);
}
END_TEST

START_TEST(foreign_elf_files_are_refused_by_name)
{
	static const struct {
		uint16_t machine, type;
		uint8_t class, encoding;
		enum ch_error_code code;
		const char *says;
	} rows[] = {
		{ EM_X86_64, ET_EXEC, ELFCLASS64, ELFDATA2LSB, CH_ERROR_FORMAT, "executable" },
		{ EM_X86_64, ET_DYN, ELFCLASS64, ELFDATA2LSB, CH_ERROR_FORMAT, "executable" },
		{ EM_X86_64, ET_REL, ELFCLASS64, ELFDATA2LSB, CH_ERROR_FORMAT, "object" },
		{ EM_X86_64, ET_NONE, ELFCLASS64, ELFDATA2LSB, CH_ERROR_FORMAT, "not a core" },
		{ EM_X86_64, 0xfe00, ELFCLASS64, ELFDATA2LSB, CH_ERROR_FORMAT, "not a core" },
		{ EM_386, ET_CORE, ELFCLASS32, ELFDATA2LSB, CH_ERROR_UNSUPPORTED, "32-bit" },
		{ EM_ARM, ET_CORE, ELFCLASS32, ELFDATA2LSB, CH_ERROR_UNSUPPORTED, "32-bit" },
		{ EM_PPC64, ET_CORE, ELFCLASS64, ELFDATA2MSB, CH_ERROR_UNSUPPORTED, "big-endian" },
		{ EM_S390, ET_CORE, ELFCLASS64, ELFDATA2MSB, CH_ERROR_UNSUPPORTED, "big-endian" },
		{ EM_RISCV, ET_CORE, ELFCLASS64, ELFDATA2LSB, CH_ERROR_UNSUPPORTED, "machine 243" },
		{ EM_X86_64, ET_CORE, 3, ELFDATA2LSB, CH_ERROR_FORMAT, "class" },
		{ EM_X86_64, ET_CORE, ELFCLASS64, 0, CH_ERROR_FORMAT, "byte order" },
	};
	struct corewriter *w = small_core(rows[_i].machine);
	struct opened o;
	struct ch_error *err;

	w->type = rows[_i].type;
	w->class = rows[_i].class;
	w->encoding = rows[_i].encoding;
	err = oc_open(w, CW_ALL, &o);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(ch_error_code_name(err->code), ch_error_code_name(rows[_i].code));
	ck_assert_msg(strstr(err->message, rows[_i].says), "%s: says %s", rows[_i].says,
		      err->message);
	ck_assert_ptr_null(strchr(err->message, '\n'));
	ch_error_destroy(err);
	cw_destroy(w);
}
END_TEST

static void refuse_bytes(const void *bytes, size_t count)
{
	const char *path = cw_temp_path("bytes");
	struct opened o;

	cw_write_bytes(path, bytes, count);
	ck_ch_err(oc_open_path(path, &o), FORMAT);
	unlink(path);
}

START_TEST(other_files_are_refused)
{
	static const char zeros[8192];
	const char *path;
	struct opened o;

	refuse_bytes("", 0);
	refuse_bytes("just text\n", 10);
	refuse_bytes("\177ELF", 4);
	refuse_bytes("\177EL", 3);
	refuse_bytes("\177", 1);
	refuse_bytes(zeros, sizeof(zeros));
	refuse_bytes("\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16);
	ck_ch_err(oc_open_path("/", &o), FORMAT);
	ck_ch_err(oc_open_path("/dev/null", &o), FORMAT);
	ck_ch_err(oc_open_path("/no/such/file", &o), OS);
	ck_ch_err(oc_open_path("", &o), OS);
	/* Without a writer a careless open() would wait for ever. */
	path = cw_temp_path("fifo");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_ch_err(oc_open_path(path, &o), FORMAT);
	unlink(path);
}
END_TEST

START_TEST(an_os_error_names_the_file_and_the_reason)
{
	struct opened o;
	struct ch_error *err = oc_open_path("/no/such/file", &o);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->errnum, 2 /* ENOENT */);
	ck_assert_ptr_nonnull(err->path);
	ck_assert_str_eq(err->path, "/no/such/file");
	ch_error_destroy(err);
}
END_TEST

START_TEST(no_headers_at_all_is_not_a_core)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	w->no_notes = true;
	ck_ch_err(oc_open(w, CW_ALL, &o), FORMAT);
	cw_destroy(w);
}
END_TEST

START_TEST(wrong_header_size_is_damage)
{
	static const uint16_t sizes[] = { 0, 1, 32, 55, 57, 64, 0xffff };
	struct corewriter *w = small_core(EM_X86_64);
	struct opened o;

	w->phentsize = sizes[_i];
	ck_ch_err(oc_open(w, CW_ALL, &o), FORMAT);
	cw_destroy(w);
}
END_TEST

START_TEST(header_table_outside_the_file)
{
	static const uint64_t offs[] = { 0x100000, 0x7fffffffffffffffULL, 0x8000000000000000ULL,
					 0xffffffffffffff00ULL, 0xfffffffffffffffeULL };
	struct corewriter *w = small_core(EM_X86_64);
	struct opened o;
	struct ch_error *err;

	w->phoff = offs[_i];
	err = oc_open(w, CW_ALL, &o);
	/* Either answer is honest; an empty core that claims to be complete is not. */
	if (err) {
		ck_assert_int_eq(err->code, CH_ERROR_FORMAT);
		ch_error_destroy(err);
	} else {
		ck_assert(!ch_context_complete(o.ctx));
		oc_close(&o);
	}
	cw_destroy(w);
}
END_TEST

/* A segment as the test expects it. */
struct want {
	uint64_t start, end, recorded_end, present_end;
	uint32_t flags, phdr_index;
};

static void check_segments(const struct opened *o, const struct want *want, size_t want_count)
{
	size_t count, i;
	const struct ch_segment *s = ch_core_segments(o->core, &count);

	ck_assert_uint_eq(count, want_count);
	for (i = 0; i < count; i++) {
		ck_assert_uint_eq(s[i].start, want[i].start);
		ck_assert_uint_eq(s[i].end, want[i].end);
		ck_assert_uint_eq(s[i].recorded_end, want[i].recorded_end);
		ck_assert_uint_eq(s[i].present_end, want[i].present_end);
		ck_assert_uint_eq(s[i].flags, want[i].flags);
		ck_assert_uint_eq(s[i].phdr_index, want[i].phdr_index);
	}
}

START_TEST(segments_come_out_sorted)
{
	static const struct want want[] = {
		{ 0x1000, 0x2000, 0x1002, 0x1002, CH_SEGMENT_READ, 3 },
		{ 0x4000, 0x6000, 0x4000, 0x4000, 0, 2 },
		{ 0x9000, 0xa000, 0x9003, 0x9003, CH_SEGMENT_READ | CH_SEGMENT_EXEC, 1 },
	};
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	cw_load(w, 0x9000, 0x1000, PF_R | PF_X, "abc", 3);
	cw_load(w, 0x4000, 0x2000, 0, NULL, 0);
	cw_load(w, 0x1000, 0x1000, PF_R | 0xfff00000, "xy", 2);
	o = oc_must_open_take(w);
	ck_assert(ch_context_complete(o.ctx));
	check_segments(&o, want, 3);
	oc_close(&o);
}
END_TEST

START_TEST(empty_segments_are_counted_and_left_out)
{
	static const struct want want[] = { { 0x1000, 0x2000, 0x1000, 0x1000, CH_SEGMENT_READ,
					      2 } };
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	cw_load(w, 0x9000, 0, PF_R, NULL, 0);
	cw_load(w, 0x1000, 0x1000, PF_R, NULL, 0);
	cw_load(w, 0, 0, 0, NULL, 0);
	o = oc_must_open_take(w);
	ck_assert_uint_eq(ch_core_stats(o.core)->load_count, 3);
	check_segments(&o, want, 1);
	oc_close(&o);
}
END_TEST

START_TEST(more_bytes_recorded_than_mapped)
{
	static const struct want want[] = { { 0x1000, 0x2000, 0x2000, 0x2000, CH_SEGMENT_READ,
					      1 } };
	static const char bytes[0x3000];
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	cw_load(w, 0x1000, 0x1000, PF_R, bytes, sizeof(bytes));
	o = oc_must_open_take(w);
	check_segments(&o, want, 1);
	ck_assert_uint_eq(ch_core_stats(o.core)->present_bytes, 0x1000);
	oc_close(&o);
}
END_TEST

START_TEST(overlapping_segments_are_cut_and_reported)
{
	/* The first by address keeps the range; bytes must come from its file part. */
	static const struct want want[] = {
		{ 0x1000, 0x3000, 0x3000, 0x3000, CH_SEGMENT_READ, 2 },
		{ 0x3000, 0x4000, 0x4000, 0x4000, CH_SEGMENT_WRITE, 1 },
	};
	char first[0x2000], second[0x2000];
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;
	char got[2];

	memset(first, 'A', sizeof(first));
	memset(second, 'B', sizeof(second));
	second[0x1000] = 'C';
	cw_load(w, 0x2000, 0x2000, PF_W, second, sizeof(second));
	cw_load(w, 0x1000, 0x2000, PF_R, first, sizeof(first));
	cw_load(w, 0x1800, 0x100, PF_R, NULL, 0); /* wholly inside the first */
	o = oc_must_open_take(w);
	check_segments(&o, want, 2);
	ck_assert_ptr_nonnull(oc_finding(&o, "segment-overlap"));
	ck_assert(!ch_context_complete(o.ctx));
	ck_ch_ok(ch_core_read(o.core, 0x2fff, got, 2));
	ck_assert_mem_eq(got, "AC", 2);
	ck_assert_uint_eq(ch_core_stats(o.core)->mapped_bytes, 0x3000);
	oc_close(&o);
}
END_TEST

/* A few bytes of the file that two segments have: nothing is taken away, for one of the headers
 * may be damaged. test/system/hostile.py has many that share all. */
START_TEST(shared_bytes_are_reported)
{
	static const struct want want[] = {
		{ 0x10000, 0x12000, 0x12000, 0x12000, CH_SEGMENT_WRITE, 1 },
		{ 0x20000, 0x22000, 0x22000, 0x22000, CH_SEGMENT_WRITE, 2 },
	};
	struct corewriter *w = cw_create(EM_X86_64);
	char bytes[0x2000], got;
	struct opened o;

	memset(bytes, 'A', sizeof(bytes));
	cw_load(w, 0x10000, sizeof(bytes), PF_W, bytes, sizeof(bytes));
	memset(bytes, 'B', sizeof(bytes));
	cw_load(w, 0x20000, sizeof(bytes), PF_W, bytes, sizeof(bytes));
	w->segments[1].offset = cw_layout(w).contents_off + 0x1000;
	o = oc_must_open_take(w);
	check_segments(&o, want, 2);
	ck_assert_ptr_nonnull(oc_finding(&o, "segments-share-bytes"));
	ck_assert(!ch_context_complete(o.ctx));
	ck_ch_ok(ch_core_read(o.core, 0x20fff, &got, 1));
	ck_assert_int_eq(got, 'A');
	oc_close(&o);
}
END_TEST

START_TEST(equal_segments_count_once)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;
	size_t count;

	cw_load(w, 0x1000, 0x1000, PF_R, "first", 5);
	cw_load(w, 0x1000, 0x1000, PF_R, "other", 5);
	o = oc_must_open_take(w);
	ch_core_segments(o.core, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_ptr_nonnull(oc_finding(&o, "segment-overlap"));
	oc_close(&o);
}
END_TEST

START_TEST(wrapping_segments_are_left_out_and_reported)
{
	static const struct {
		uint64_t vaddr, memsz;
	} rows[] = { { 0xfffffffffffff000, 0x2000 },
		     { 0x1000, 0xfffffffffffff800 },
		     { 0xffffffffffffffff, 0xffffffffffffffff } };
	static const struct want want[] = { { 0x1000, 0x2000, 0x1004, 0x1004, CH_SEGMENT_READ,
					      2 } };
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	cw_load(w, rows[_i].vaddr, rows[_i].memsz, PF_R, "lie", 3);
	cw_load(w, 0x1000, 0x1000, PF_R, "true", 4);
	o = oc_must_open_take(w);
	check_segments(&o, want, 1);
	ck_assert_ptr_nonnull(oc_finding(&o, "segment-damaged"));
	ck_assert(!ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

START_TEST(the_last_byte_of_the_address_space)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;
	uint8_t byte = 0;

	cw_load(w, 0xffffffffff600000, 0x1000, PF_R | PF_X, "v", 1);
	cw_load(w, 0xffffffffffffe000, 0x1fff, PF_R, NULL, 0x1fff);
	o = oc_must_open_take(w);
	ck_ch_ok(ch_core_read(o.core, 0xffffffffff600000, &byte, 1));
	ck_assert_uint_eq(byte, 'v');
	ck_ch_ok(ch_core_read(o.core, 0xfffffffffffffffe, &byte, 1));
	ck_ch_err(ch_core_read(o.core, 0xfffffffffffffffe, &byte, 2), FAULT);
	ck_ch_err(ch_core_read(o.core, 0xffffffffffffffff, &byte, 1), FAULT);
	oc_close(&o);
}
END_TEST

START_TEST(contents_outside_the_file_are_missing_not_zero)
{
	static const uint64_t offs[] = { 0x1000000, 0x7ffffffffffff000, 0xfffffffffffff000,
					 0xffffffffffffff00 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct cw_segment *s = cw_load(w, 0x1000, 0x2000, PF_R, NULL, 0);
	struct opened o;
	uint8_t byte;

	s->offset = offs[_i];
	s->filesz = 0x2000;
	cw_load(w, 0x5000, 0x1000, PF_R, "x", 1);
	o = oc_must_open_take(w);
	ck_assert(!ch_context_complete(o.ctx));
	ck_assert_uint_eq(ch_core_stats(o.core)->present_bytes, 1);
	ck_ch_err(ch_core_read(o.core, 0x1000, &byte, 1), ABSENT);
	ck_ch_err(ch_core_read(o.core, 0x2fff, &byte, 1), ABSENT);
	ck_ch_ok(ch_core_read(o.core, 0x5000, &byte, 1));
	oc_close(&o);
}
END_TEST

static struct corewriter *many_segments(size_t count)
{
	struct corewriter *w = cw_create(EM_X86_64);
	size_t i;

	w->content_align = 1;
	for (i = 0; i < count; i++) {
		uint64_t addr = 0x10000 + i * 0x2000;

		cw_load(w, addr, 0x1000, PF_R, &addr, 8);
	}
	return w;
}

START_TEST(seventy_thousand_segments)
{
	struct opened o = oc_must_open_take(many_segments(70000));
	size_t count, i;
	uint64_t value;

	ch_core_segments(o.core, &count);
	ck_assert_uint_eq(count, 70000);
	ck_assert(ch_context_complete(o.ctx));
	for (i = 0; i < 70000; i += 997) {
		ck_assert(ch_core_read_u64(o.core, 0x10000 + i * 0x2000, &value));
		ck_assert_uint_eq(value, 0x10000 + i * 0x2000);
		ck_assert_ptr_null(ch_core_segment_at(o.core, 0x11000 + i * 0x2000));
	}
	oc_close(&o);
}
END_TEST

START_TEST(the_numbers_around_extended_numbering)
{
	/* with the PT_NOTE: 0xfffe, 0xffff, 0x10000 program headers */
	static const size_t counts[] = { 65533, 65534, 65535 };
	struct opened o = oc_must_open_take(many_segments(counts[_i]));
	size_t count;

	ch_core_segments(o.core, &count);
	ck_assert_uint_eq(count, counts[_i]);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

START_TEST(extended_numbering_without_its_section_header)
{
	/* Cut before section header 0: the segments are still found, and it is said. */
	struct corewriter *w = many_segments(70000);
	struct opened o;
	size_t count;

	ck_ch_ok(oc_open(w, cw_layout(w).shdr_off, &o));
	ch_core_segments(o.core, &count);
	ck_assert_uint_eq(count, 70000);
	ck_assert(!ch_context_complete(o.ctx));
	ck_assert(ch_core_stats(o.core)->truncated);
	oc_close(&o);
	cw_destroy(w);
}
END_TEST

START_TEST(extended_numbering_that_lies)
{
	static const uint32_t claims[] = { 0, 1, 70002, 0x7fffffff, 0xffffffff };
	struct corewriter *w = many_segments(70000);
	struct opened o;
	struct ch_error *err;

	w->sh_info = claims[_i];
	err = oc_open(w, CW_ALL, &o);
	if (err)
		ck_assert_int_eq(err->code, CH_ERROR_FORMAT);
	else
		oc_close(&o);
	ch_error_destroy(err);
	cw_destroy(w);
}
END_TEST

static const uint64_t odd_offs[] = { 0, 1, 64, 0x7fffffffffffffff, 0xffffffffffffffff - 1 };

START_TEST(extended_numbering_in_a_small_file)
{
	/* e_phnum 0xffff, and e_shoff leads nowhere: bounded by the file. */
	struct corewriter *w = small_core(EM_X86_64);
	struct opened o;
	struct ch_error *err;

	w->phnum = PN_XNUM;
	w->shoff = odd_offs[_i];
	err = oc_open(w, CW_ALL, &o);
	if (!err) {
		size_t count;

		ch_core_segments(o.core, &count);
		ck_assert_uint_le(count, 0xffff);
		oc_close(&o);
	}
	ch_error_destroy(err);
	cw_destroy(w);
}
END_TEST

START_TEST(more_headers_claimed_than_there_are)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;
	uint8_t byte = 0;

	w->content_align = 1;
	w->phnum = 0xfffe;
	cw_load(w, 0x1000, 0x1000, PF_R, "x", 1);
	ck_ch_ok(oc_open(w, CW_ALL, &o));
	ck_assert(!ch_context_complete(o.ctx));
	ck_assert_ptr_nonnull(oc_finding(&o, "headers-truncated"));
	ck_ch_ok(ch_core_read(o.core, 0x1000, &byte, 1));
	ck_assert_uint_eq(byte, 'x');
	oc_close(&o);
	cw_destroy(w);
}
END_TEST

Suite *suite_core_headers(void)
{
	Suite *suite = suite_create("core_headers");
	TCase *file = tcase_create("file"), *segments = tcase_create("segments");

	tcase_add_loop_test(file, both_machines_open, 0, 2);
	tcase_add_loop_test(file, foreign_elf_files_are_refused_by_name, 0, 12);
	tcase_add_test(file, other_files_are_refused);
	tcase_add_test(file, an_os_error_names_the_file_and_the_reason);
	tcase_add_test(file, no_headers_at_all_is_not_a_core);
	tcase_add_loop_test(file, wrong_header_size_is_damage, 0, 7);
	tcase_add_loop_test(file, header_table_outside_the_file, 0, 5);
	suite_add_tcase(suite, file);

	tcase_set_timeout(segments, 20);
	tcase_add_test(segments, segments_come_out_sorted);
	tcase_add_test(segments, empty_segments_are_counted_and_left_out);
	tcase_add_test(segments, more_bytes_recorded_than_mapped);
	tcase_add_test(segments, overlapping_segments_are_cut_and_reported);
	tcase_add_test(segments, shared_bytes_are_reported);
	tcase_add_test(segments, equal_segments_count_once);
	tcase_add_loop_test(segments, wrapping_segments_are_left_out_and_reported, 0, 3);
	tcase_add_test(segments, the_last_byte_of_the_address_space);
	tcase_add_loop_test(segments, contents_outside_the_file_are_missing_not_zero, 0, 4);
	tcase_add_test(segments, seventy_thousand_segments);
	tcase_add_loop_test(segments, the_numbers_around_extended_numbering, 0, 3);
	tcase_add_test(segments, extended_numbering_without_its_section_header);
	tcase_add_loop_test(segments, extended_numbering_that_lies, 0, 5);
	tcase_add_loop_test(segments, extended_numbering_in_a_small_file, 0, 5);
	tcase_add_test(segments, more_headers_claimed_than_there_are);
	suite_add_tcase(suite, segments);
	return suite;
}
