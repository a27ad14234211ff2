/*
 * Notes and headers as dumpers outside of the kernel write them, what is put
 * right, and what is not: a sound core must not be taken for one of theirs.
 */
#include <elf.h>
#include <signal.h>
#include <string.h>

#include "support/ck.h"
#include "support/opencore.h"

#define PAGE  4096ULL
#define TEXT  0x400000ULL
#define STACK 0x7ffd00000000ULL

static struct corewriter *new_core(uint64_t sp)
{
	uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);

	regs[19] = sp;
	cw_prstatus(w, 100, SIGSEGV, regs, 27);
	return w;
}

/* ---- rights ---- */

/* VM_READ 1, VM_WRITE 2, VM_EXEC 4 with VM_MAY... and VM_SOFTDIRTY, VM_ACCOUNT (mm.h). */
static const struct {
	uint32_t written[3], want[3];
	bool said;
} rights[] = {
	{ { 0x8000075, 0x8000071, 0x8100073 },
	  { CH_SEGMENT_READ | CH_SEGMENT_EXEC, CH_SEGMENT_READ,
	    CH_SEGMENT_READ | CH_SEGMENT_WRITE },
	  true },
	/* a special mapping among them has no VM_MAY... */
	{ { 0x75, 0x5, 0x73 },
	  { CH_SEGMENT_READ | CH_SEGMENT_EXEC, CH_SEGMENT_READ | CH_SEGMENT_EXEC,
	    CH_SEGMENT_READ | CH_SEGMENT_WRITE },
	  true },
	{ { 0x70, 0x70, 0x73 }, { 0, 0, CH_SEGMENT_READ | CH_SEGMENT_WRITE }, true },
	{ { PF_R | PF_X, PF_R, PF_R | PF_W },
	  { CH_SEGMENT_READ | CH_SEGMENT_EXEC, CH_SEGMENT_READ,
	    CH_SEGMENT_READ | CH_SEGMENT_WRITE },
	  false },
	/* one damaged header makes no dumper */
	{ { PF_R | PF_X, PF_R, 0x70 | PF_R | PF_W },
	  { CH_SEGMENT_READ | CH_SEGMENT_EXEC, CH_SEGMENT_READ,
	    CH_SEGMENT_READ | CH_SEGMENT_WRITE },
	  false },
	/* bits for processors and systems are nobody's rights */
	{ { PF_R | PF_X | PF_MASKOS, PF_R | PF_MASKPROC, PF_R | PF_W },
	  { CH_SEGMENT_READ | CH_SEGMENT_EXEC, CH_SEGMENT_READ,
	    CH_SEGMENT_READ | CH_SEGMENT_WRITE },
	  false },
};

START_TEST(flags_of_mappings_are_no_rights)
{
	struct corewriter *w = new_core(STACK);
	const struct ch_segment *segments;
	struct opened o;
	size_t count, i;

	for (i = 0; i < 3; i++)
		cw_load(w, TEXT + i * PAGE, PAGE, rights[_i].written[i], NULL, PAGE);
	o = oc_must_open_take(w);
	segments = ch_core_segments(o.core, &count);
	ck_assert_uint_eq(count, 3);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(segments[i].flags, rights[_i].want[i]);
	ck_assert_int_eq(oc_finding(&o, "segment-flags") != NULL, rights[_i].said);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

/* ---- NT_FILE ---- */

/* Headers, text and data of a program, by a page size and offsets in these units. */
static void add_files(struct corewriter *w, uint64_t page_bytes, uint64_t unit)
{
	static const char paths[] = "/bin/a\0/bin/a\0/bin/a";
	uint64_t desc[2 + 9 + 3] = { 3,
				     page_bytes,
				     TEXT,
				     TEXT + PAGE,
				     0,
				     TEXT + PAGE,
				     TEXT + 4 * PAGE,
				     PAGE / unit,
				     TEXT + 4 * PAGE,
				     TEXT + 5 * PAGE,
				     3 * PAGE / unit };

	memcpy(&desc[11], paths, sizeof(paths));
	cw_note(w, "CORE", NT_FILE, desc, 11 * 8 + sizeof(paths));
}

static const struct {
	/* As the note has them; then the offset of the text in bytes. */
	uint64_t page_bytes, unit, want;
	bool said;
} units[] = {
	{ 4096, 4096, PAGE, false }, { 1, 1, PAGE, false },   /* the kernel; gdb */
	{ 4096, 1, PAGE, true },     { 1, 4096, PAGE, true }, /* one with the other's */
	{ 0, 1, PAGE, true },        { 0, 4096, PAGE, true }, /* no page size */
	{ 65536, 1, PAGE, true },    { 65536, 4096, PAGE, true }, { UINT64_MAX, 1, PAGE, true },
};

START_TEST(offsets_of_files_are_in_the_unit_that_fits)
{
	struct corewriter *w = new_core(STACK);
	const struct ch_file_map *maps;
	struct opened o;
	size_t count;

	cw_load(w, TEXT, 5 * PAGE, PF_R, NULL, 0);
	add_files(w, units[_i].page_bytes, units[_i].unit);
	o = oc_must_open_take(w);
	maps = ch_core_file_maps(o.core, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(maps[1].off, units[_i].want);
	ck_assert_uint_eq(maps[2].off, 3 * units[_i].want);
	ck_assert(!maps[0].derived);
	ck_assert(ch_core_lists_files(o.core));
	ck_assert_int_eq(oc_finding(&o, "file-note-unit") != NULL, units[_i].said);
	oc_close(&o);
}
END_TEST

/* Rows that say nothing about the unit: what the note says stands. */
START_TEST(a_unit_without_evidence_is_believed)
{
	static const struct cw_file_row rows[] = { { TEXT, TEXT + PAGE, 0, "/a" },
						   { TEXT + 2 * PAGE, TEXT + 3 * PAGE, 0x40000000,
						     "/b" } };
	struct corewriter *w = new_core(STACK);
	const struct ch_file_map *maps;
	struct opened o;
	size_t count;

	cw_load(w, TEXT, PAGE, PF_R, NULL, 0);
	cw_file(w, rows, 2);
	o = oc_must_open_take(w);
	maps = ch_core_file_maps(o.core, &count);
	ck_assert_uint_eq(maps[1].off, 0x40000000);
	ck_assert_ptr_null(oc_finding(&o, "file-note-unit"));
	oc_close(&o);
}
END_TEST

START_TEST(a_damaged_list_of_files_is_not_whole)
{
	struct corewriter *w = new_core(STACK);
	struct opened o;
	uint64_t head[2] = { 1000, 4096 };

	cw_load(w, TEXT, PAGE, PF_R, NULL, 0);
	if (_i)
		cw_note(w, "CORE", NT_FILE, head, sizeof(head));
	o = oc_must_open_take(w);
	ck_assert(!ch_core_lists_files(o.core));
	oc_close(&o);
}
END_TEST

/* p_align 8 over notes that are packed to 4 bytes, and odd values. */
START_TEST(notes_are_found_whatever_their_alignment)
{
	static const uint64_t aligns[] = { 0, 1, 2, 3, 4, 8, 16, 4096, 0x8000000000000001ULL };
	struct corewriter *w = new_core(STACK);
	struct opened o;
	size_t count;

	cw_prpsinfo(w, 100, 1, "name", "name");
	cw_load(w, TEXT, PAGE, PF_R, NULL, 0);
	w->notes_align = aligns[_i];
	o = oc_must_open_take(w);
	ch_core_threads(o.core, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(ch_core_process(o.core)->comm, "name");
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

/* ---- the auxiliary vector and the name of the process ---- */

#define NAME_AT (STACK + 0x1800)

static const uint64_t vector[] = { AT_SYSINFO_EHDR, 0x7ffd10000000,
				   AT_HWCAP,        2,
				   AT_PAGESZ,       PAGE,
				   AT_CLKTCK,       100,
				   AT_PHDR,         64,
				   AT_PHENT,        56,
				   AT_PHNUM,        9,
				   AT_BASE,         0,
				   AT_FLAGS,        0,
				   AT_ENTRY,        TEXT,
				   AT_UID,          0,
				   AT_EXECFN,       NAME_AT,
				   AT_NULL,         0 };

/* Two pages of stack; argc, argv, envp, the vector, strings. */
static void add_stack(struct corewriter *w, const uint64_t *words, size_t count)
{
	uint64_t stack[1024] = { [256] = 1, NAME_AT, 0, NAME_AT, NAME_AT + 1, 0 };

	memcpy(&stack[262], words, count * 8);
	memcpy((uint8_t *)stack + 0x1800, "/usr/bin/a-program-of-long-name", 32);
	cw_load(w, STACK, 2 * PAGE, PF_R | PF_W, stack, sizeof(stack));
}

START_TEST(vector_is_read_from_the_stack)
{
	/* the thread stands on the stack, or on another one, in a pipe of segments */
	struct corewriter *w = new_core(_i ? TEXT + 8 : STACK + 0x100);
	struct opened o;
	uint64_t value;

	cw_load(w, TEXT, PAGE, PF_R | PF_W, NULL, PAGE);
	add_stack(w, vector, sizeof(vector) / 8);
	cw_load(w, 0x7ffd10000000ULL, PAGE, PF_R | PF_X, NULL, PAGE);
	o = oc_must_open_take(w);
	ck_assert(ch_core_auxv(o.core, AT_SYSINFO_EHDR, &value));
	ck_assert_uint_eq(value, 0x7ffd10000000);
	ck_assert(ch_core_auxv(o.core, AT_PHNUM, &value));
	ck_assert_uint_eq(value, 9);
	ck_assert(!ch_core_auxv(o.core, AT_NULL, &value));
	ck_assert_ptr_nonnull(oc_finding(&o, "auxv-missing"));
	ck_assert_ptr_nonnull(oc_finding(&o, "psinfo-missing"));
	ck_assert_str_eq(ch_core_process(o.core)->comm, "a-program-of-lo");
	ck_assert(!ch_core_process(o.core)->has_ids);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

/* Words of a vector, one of them changed: nothing that looks like one is taken. */
static const struct {
	uint32_t index;
	uint64_t value;
} odd_vectors[] = {
	{ 11, 32 },  /* AT_PHENT of 32-bit programs */
	{ 5, 0 },    /* AT_PAGESZ */
	{ 4, 1000 }, /* a type that is none */
	{ 24, 7 },   /* no end: what follows are strings */
	{ 9, 0 },    /* AT_PHDR */
};

START_TEST(other_words_are_no_vector)
{
	struct corewriter *w = new_core(STACK + 0x100);
	uint64_t words[sizeof(vector) / 8], value;
	struct opened o;

	memcpy(words, vector, sizeof(words));
	words[odd_vectors[_i].index] = odd_vectors[_i].value;
	if (odd_vectors[_i].index == 24)
		words[25] = UINT64_MAX;
	add_stack(w, words, sizeof(vector) / 8);
	o = oc_must_open_take(w);
	if (odd_vectors[_i].index == 24)
		/* zeros behind it end it all the same */
		ck_assert(ch_core_auxv(o.core, AT_PHNUM, &value));
	else
		ck_assert(!ch_core_auxv(o.core, AT_PHNUM, &value));
	ck_assert_ptr_nonnull(oc_finding(&o, "auxv-missing"));
	oc_close(&o);
}
END_TEST

START_TEST(notes_come_before_the_stack)
{
	static const uint64_t pairs[][2] = { { AT_PHNUM, 5 } };
	struct corewriter *w = new_core(STACK + 0x100);
	struct opened o;
	uint64_t value;

	cw_auxv(w, pairs, 1);
	cw_prpsinfo(w, 100, 1, "kept", "kept");
	add_stack(w, vector, sizeof(vector) / 8);
	o = oc_must_open_take(w);
	ck_assert(ch_core_auxv(o.core, AT_PHNUM, &value));
	ck_assert_uint_eq(value, 5);
	ck_assert_str_eq(ch_core_process(o.core)->comm, "kept");
	ck_assert(ch_core_process(o.core)->has_ids);
	ck_assert_ptr_null(oc_finding(&o, "auxv-missing"));
	ck_assert_ptr_null(oc_finding(&o, "psinfo-missing"));
	oc_close(&o);
}
END_TEST

/* ---- limits ---- */

static const struct {
	size_t segments;
	bool said;
} map_counts[] = {
	{ 65499, false }, { 65500, true },  { 65530, true },  { 65532, true },
	{ 65533, false }, { 30000, false }, { 262144, true },
};

START_TEST(map_count_at_its_limit_is_said)
{
	struct corewriter *w = new_core(STACK);
	struct opened o;
	size_t i;

	for (i = 0; i < map_counts[_i].segments; i++)
		cw_load(w, TEXT + i * 2 * PAGE, PAGE, PF_R | PF_W, NULL, 0);
	o = oc_must_open_take(w);
	ck_assert_int_eq(oc_finding(&o, "map-count-limit") != NULL, map_counts[_i].said);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

static const struct {
	size_t threads;
	bool said;
} thread_counts[] = {
	{ 4898, false }, { 4899, true },  { 4915, true },  { 4916, false },
	{ 512, false },  { 32767, true }, { 10813, true }, { 1, false },
};

START_TEST(thread_count_at_a_limit_is_said)
{
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(STACK);
	struct opened o;
	size_t i;

	for (i = 1; i < thread_counts[_i].threads; i++)
		cw_prstatus(w, (uint32_t)(100 + i), 0, regs, 27);
	cw_load(w, TEXT, PAGE, PF_R, NULL, 0);
	o = oc_must_open_take(w);
	ck_assert_int_eq(oc_finding(&o, "thread-limit") != NULL, thread_counts[_i].said);
	oc_close(&o);
}
END_TEST

/* A core of 3 MiB, cut here or there. */
static const struct {
	uint64_t bytes;
	bool said;
} cuts[] = {
	{ 1 << 20, true },           { 2 << 20, true },        { 2000000, true },
	{ (2 << 20) + 4096, false }, { (2 << 20) - 1, false }, { CW_ALL, false },
};

START_TEST(a_round_size_is_a_limit)
{
	struct corewriter *w = new_core(STACK);
	struct opened o;

	cw_load(w, TEXT, 3 << 20, PF_R, NULL, 3 << 20);
	ck_ch_ok(oc_open(w, cuts[_i].bytes, &o));
	ck_assert_int_eq(oc_finding(&o, "file-size-limit") != NULL, cuts[_i].said);
	ck_assert_int_eq(oc_finding(&o, "truncated") != NULL, cuts[_i].bytes != CW_ALL);
	oc_close(&o);
	cw_destroy(w);
}
END_TEST

Suite *suite_repairs(void)
{
	Suite *suite = suite_create("repairs");
	TCase *headers = tcase_create("headers"), *vectors = tcase_create("vector"),
	      *limits = tcase_create("limits");

	tcase_add_loop_test(headers, flags_of_mappings_are_no_rights, 0,
			    sizeof(rights) / sizeof(rights[0]));
	tcase_add_loop_test(headers, offsets_of_files_are_in_the_unit_that_fits, 0,
			    sizeof(units) / sizeof(units[0]));
	tcase_add_test(headers, a_unit_without_evidence_is_believed);
	tcase_add_loop_test(headers, a_damaged_list_of_files_is_not_whole, 0, 2);
	tcase_add_loop_test(headers, notes_are_found_whatever_their_alignment, 0, 9);
	suite_add_tcase(suite, headers);
	tcase_add_loop_test(vectors, vector_is_read_from_the_stack, 0, 2);
	tcase_add_loop_test(vectors, other_words_are_no_vector, 0,
			    sizeof(odd_vectors) / sizeof(odd_vectors[0]));
	tcase_add_test(vectors, notes_come_before_the_stack);
	suite_add_tcase(suite, vectors);
	tcase_add_loop_test(limits, map_count_at_its_limit_is_said, 0,
			    sizeof(map_counts) / sizeof(map_counts[0]));
	tcase_add_loop_test(limits, thread_count_at_a_limit_is_said, 0,
			    sizeof(thread_counts) / sizeof(thread_counts[0]));
	tcase_add_loop_test(limits, a_round_size_is_a_limit, 0, sizeof(cuts) / sizeof(cuts[0]));
	suite_add_tcase(suite, limits);
	return suite;
}
