/*
 * Notes: threads, process, auxiliary vector, mapped files; and what becomes
 * of notes whose sizes lie.
 */
#include <signal.h>
#include <string.h>

#include "support/ck.h"
#include "support/opencore.h"

#define NT_ARM_TLS_TYPE 0x401

/* Registers with a value that tells their index. */
static void numbered_regs(uint64_t *regs, size_t count, uint64_t base)
{
	size_t i;

	for (i = 0; i < count; i++)
		regs[i] = base + i;
}

static struct corewriter *new_core(uint16_t machine)
{
	struct corewriter *w = cw_create(machine);

	cw_load(w, 0x10000, 0x1000, PF_R | PF_W, "x", 1);
	return w;
}

static const struct ch_thread *threads_of(const struct opened *o, size_t want_count)
{
	size_t count;
	const struct ch_thread *threads = ch_core_threads(o->core, &count);

	ck_assert_uint_eq(count, want_count);
	return threads;
}

/* createdump orders threads by their ids, and only the one that died has a signal. */
START_TEST(the_thread_that_died)
{
	struct corewriter *w = new_core(EM_X86_64);
	const struct ch_process *process;
	uint64_t regs[27] = { 0 };
	struct opened o;

	cw_prstatus(w, 501, 0, regs, 27);
	cw_prstatus(w, 502, SIGABRT, regs, 27);
	cw_siginfo(w, SIGABRT, 0, 501);
	cw_prstatus(w, 503, 0, regs, 27);
	o = oc_must_open_take(w);
	process = ch_core_process(o.core);
	ck_assert_uint_eq(process->crash_tid, 502);
	ck_assert_uint_eq(process->crash_index, 1);
	ck_assert_int_eq(process->signal, SIGABRT);
	oc_close(&o);
}
END_TEST

START_TEST(x86_64_threads)
{
	/* arch/x86/include/asm/user_64.h: rbp 4, rip 16, rsp 19, fs_base 21 */
	struct corewriter *w = new_core(EM_X86_64);
	uint64_t regs[27];
	const struct ch_thread *t;
	struct opened o;

	numbered_regs(regs, 27, 0x1000);
	cw_prstatus(w, 501, SIGABRT, regs, 27);
	cw_siginfo(w, SIGABRT, -6, 0x1234567890);
	numbered_regs(regs, 27, 0x2000);
	cw_prstatus(w, 502, 0, regs, 27);
	o = oc_must_open_take(w);
	ck_assert(ch_context_complete(o.ctx));
	t = threads_of(&o, 2);
	ck_assert_uint_eq(t[0].tid, 501);
	ck_assert_int_eq(t[0].signal, SIGABRT);
	ck_assert_uint_eq(t[0].regs_count, 27);
	ck_assert_uint_eq(t[0].fp, 0x1004);
	ck_assert_uint_eq(t[0].pc, 0x1010);
	ck_assert_uint_eq(t[0].sp, 0x1013);
	ck_assert_uint_eq(t[0].tls_base, 0x1015);
	ck_assert_uint_eq(t[0].regs[26], 0x101a);
	ck_assert(t[0].has_siginfo);
	ck_assert_int_eq(t[0].si_signo, SIGABRT);
	ck_assert_int_eq(t[0].si_code, -6);
	ck_assert_uint_eq(t[0].fault_addr, 0x1234567890);
	ck_assert_uint_eq(t[1].tid, 502);
	ck_assert_uint_eq(t[1].sp, 0x2013);
	ck_assert(!t[1].has_siginfo);
	ck_assert_uint_eq(ch_core_process(o.core)->crash_tid, 501);
	ck_assert_int_eq(ch_core_process(o.core)->signal, SIGABRT);
	oc_close(&o);
}
END_TEST

START_TEST(aarch64_threads)
{
	/* struct user_pt_regs: x0 .. x30, sp, pc, pstate; tpidr_el0 in NT_ARM_TLS */
	struct corewriter *w = new_core(EM_AARCH64);
	const uint64_t one[1] = { 0x7f0000001000 };
	const uint64_t two[2] = { 0x7f0000002000, 0x99 };
	uint64_t regs[34];
	const struct ch_thread *t;
	struct opened o;

	numbered_regs(regs, 34, 0x1000);
	cw_prstatus(w, 71, SIGSEGV, regs, 34);
	cw_note(w, "LINUX", NT_ARM_TLS_TYPE, one, sizeof(one));
	numbered_regs(regs, 34, 0x2000);
	cw_prstatus(w, 72, 0, regs, 34);
	cw_note(w, "LINUX", NT_ARM_TLS_TYPE, two, sizeof(two));
	cw_prstatus(w, 73, 0, regs, 34);
	cw_note(w, "LINUX", NT_ARM_TLS_TYPE, one, 4);
	o = oc_must_open_take(w);
	t = threads_of(&o, 3);
	ck_assert_uint_eq(t[0].tid, 71);
	ck_assert_uint_eq(t[0].fp, 0x101d);
	ck_assert_uint_eq(t[0].sp, 0x101f);
	ck_assert_uint_eq(t[0].pc, 0x1020);
	ck_assert_uint_eq(t[0].regs_count, 34);
	ck_assert_uint_eq(t[0].tls_base, one[0]);
	ck_assert_uint_eq(t[1].tls_base, two[0]);
	ck_assert_uint_eq(t[2].tls_base, 0);
	ck_assert_str_eq(ch_arch_reg_name(CH_ARCH_AARCH64, 31), "sp");
	ck_assert_ptr_null(ch_arch_reg_name(CH_ARCH_AARCH64, 34));
	ck_assert_str_eq(ch_arch_reg_name(CH_ARCH_X86_64, 21), "fs_base");
	ck_assert_ptr_null(ch_arch_reg_name(CH_ARCH_X86_64, 27));
	oc_close(&o);
}
END_TEST

START_TEST(arm_tls_means_nothing_on_x86_64)
{
	static const uint64_t regs[27] = { [21] = 0x7000 };
	struct corewriter *w = new_core(EM_X86_64);
	const uint64_t tls = 0xbad;
	struct opened o;

	cw_prstatus(w, 1, 0, regs, 27);
	cw_note(w, "LINUX", NT_ARM_TLS_TYPE, &tls, sizeof(tls));
	o = oc_must_open_take(w);
	ck_assert_uint_eq(threads_of(&o, 1)->tls_base, 0x7000);
	oc_close(&o);
}
END_TEST

START_TEST(thread_notes_before_any_thread)
{
	struct corewriter *w = new_core(EM_AARCH64);
	const uint64_t tls = 1;
	struct opened o;

	cw_siginfo(w, SIGSEGV, 1, 0x10);
	cw_note(w, "LINUX", NT_ARM_TLS_TYPE, &tls, sizeof(tls));
	o = oc_must_open_take(w);
	threads_of(&o, 0);
	ck_assert_uint_eq(ch_core_process(o.core)->crash_tid, 0);
	ck_assert_str_eq(ch_core_process(o.core)->comm, "");
	oc_close(&o);
}
END_TEST

START_TEST(short_prstatus_is_damage)
{
	static const uint8_t desc[335];
	static const size_t sizes[] = { 0, 1, 12, 33, 112, 120, 327 };
	struct corewriter *w = new_core(EM_X86_64);
	static const uint64_t regs[27] = { 0 };
	struct opened o;

	cw_note(w, "CORE", NT_PRSTATUS, desc, sizes[_i]);
	cw_prstatus(w, 9, 0, regs, 27);
	o = oc_must_open_take(w);
	ck_assert_uint_eq(threads_of(&o, 1)->tid, 9);
	ck_assert_ptr_nonnull(oc_finding(&o, "note-damaged"));
	ck_assert(!ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

START_TEST(process_names)
{
	static const struct {
		const char *comm, *args, *want_comm, *want_argv0;
	} rows[] = {
		{ "redis-server", "/usr/bin/redis-server *:6379", "redis-server",
		  "/usr/bin/redis-server" },
		{ "sixteen-bytes-xx", "one", "sixteen-bytes-xx", "one" },
		{ "", "", "", "" },
		{ "a\tb\033[31m", "x\ny z", "a\tb\033[31m", "x\ny" },
		{ "long",
		  "0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789",
		  "long",
		  "0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789" },
		{ "lead", " x", "lead", "" },
	};
	struct corewriter *w = new_core(EM_X86_64);
	const struct ch_process *p;
	struct opened o;

	cw_prpsinfo(w, 4321, 17, rows[_i].comm, rows[_i].args);
	o = oc_must_open_take(w);
	p = ch_core_process(o.core);
	ck_assert_uint_eq(p->pid, 4321);
	ck_assert_uint_eq(p->ppid, 17);
	ck_assert_str_eq(p->comm, rows[_i].want_comm);
	ck_assert_str_eq(p->argv0, rows[_i].want_argv0);
	oc_close(&o);
}
END_TEST

START_TEST(short_prpsinfo_is_damage)
{
	static const uint8_t desc[135] = { 1 };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;

	cw_note(w, "CORE", NT_PRPSINFO, desc, sizeof(desc));
	o = oc_must_open_take(w);
	ck_assert_uint_eq(ch_core_process(o.core)->pid, 0);
	ck_assert_ptr_nonnull(oc_finding(&o, "note-damaged"));
	oc_close(&o);
}
END_TEST

START_TEST(auxiliary_vector)
{
	static const uint64_t pairs[][2] = { { AT_PAGESZ, 4096 },
					     { AT_SYSINFO_EHDR, 0x7fff00000000 },
					     { AT_ENTRY, 0 } };
	struct corewriter *w = new_core(EM_X86_64);
	uint64_t value = 77;
	struct opened o;

	cw_auxv(w, pairs, 3);
	o = oc_must_open_take(w);
	ck_assert(ch_core_auxv(o.core, AT_SYSINFO_EHDR, &value));
	ck_assert_uint_eq(value, 0x7fff00000000);
	ck_assert(ch_core_auxv(o.core, AT_ENTRY, &value));
	ck_assert_uint_eq(value, 0);
	value = 77;
	ck_assert(!ch_core_auxv(o.core, AT_PHDR, &value));
	ck_assert(!ch_core_auxv(o.core, AT_NULL, &value));
	ck_assert_uint_eq(value, 77);
	oc_close(&o);
}
END_TEST

START_TEST(auxiliary_vector_without_end)
{
	/* no AT_NULL, and half an entry */
	static const uint64_t words[] = { AT_PAGESZ, 65536, AT_PHDR };
	struct corewriter *w = new_core(EM_AARCH64);
	uint64_t value = 0;
	struct opened o;

	cw_note(w, "CORE", NT_AUXV, words, sizeof(words));
	o = oc_must_open_take(w);
	ck_assert(ch_core_auxv(o.core, AT_PAGESZ, &value));
	ck_assert_uint_eq(value, 65536);
	ck_assert(!ch_core_auxv(o.core, AT_PHDR, &value));
	oc_close(&o);
}
END_TEST

START_TEST(file_maps_come_out_sorted)
{
	static const struct cw_file_row rows[] = {
		{ 0x7f0000002000, 0x7f0000003000, 0x1000, "/lib/b c.so" },
		{ 0x400000, 0x401000, 0, "/bin/\xff\n (deleted)" },
		{ 0x7f0000000000, 0x7f0000002000, 0, "" },
	};
	struct corewriter *w = new_core(EM_X86_64);
	const struct ch_file_map *maps;
	struct opened o;
	size_t count;

	cw_file(w, rows, 3);
	o = oc_must_open_take(w);
	maps = ch_core_file_maps(o.core, &count);
	ck_assert(ch_context_complete(o.ctx));
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(maps[0].start, 0x400000);
	ck_assert_str_eq(maps[0].path, "/bin/\xff\n (deleted)");
	ck_assert_str_eq(maps[1].path, "");
	ck_assert_uint_eq(maps[2].end, 0x7f0000003000);
	ck_assert_uint_eq(maps[2].off, 0x1000);
	ck_assert_str_eq(maps[2].path, "/lib/b c.so");
	oc_close(&o);
}
END_TEST

START_TEST(impossible_file_maps_are_left_out)
{
	static const struct cw_file_row rows[] = {
		{ 0x400000, 0x402000, 0, "/first" },   { 0x401000, 0x403000, 0, "/overlaps" },
		{ 0x500000, 0x500000, 0, "/empty" },   { 0x600000, 0x5fffff, 0, "/backwards" },
		{ 0x700000, 0x701000, 0, "/no text" },
	};
	struct corewriter *w = new_core(EM_X86_64);
	const struct ch_file_map *maps;
	struct opened o;
	size_t count;

	cw_file(w, rows, 5);
	o = oc_must_open_take(w);
	maps = ch_core_file_maps(o.core, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(maps[0].path, "/first");
	ck_assert_str_eq(maps[1].path, "/no text");
	ck_assert_ptr_nonnull(oc_finding(&o, "note-damaged"));
	oc_close(&o);
}
END_TEST

START_TEST(damaged_nt_file)
{
	/* count, page size, then one row {start, end, page} and a path of 8 bytes */
	static const struct {
		uint64_t count, page;
		size_t bytes;
		size_t want;
	} rows[] = {
		{ 1, 4096, 48, 1 },
		{ 1, 4096, 47, 0 }, /* the path is not terminated */
		{ 1, 4096, 40, 0 }, /* no path */
		{ 1, 4096, 39, 0 }, /* half a row */
		{ 1, 4096, 15, 0 },
		{ 1, 4096, 8, 0 },
		{ 1, 4096, 0, 0 },
		{ 2, 4096, 48, 0 },
		{ 0xffffffff, 4096, 48, 0 },
		{ 0x0aaaaaaaaaaaaaab, 4096, 48, 0 }, /* times 24 wraps to 8 */
		{ 0x1000000000000000, 4096, 48, 0 }, /* times 24 wraps to a multiple of 2^63 */
		{ 0xffffffffffffffff, 4096, 48, 0 },
		{ 1, 0xffffffffffffffff, 48, 0 }, /* page 3 times this wraps */
		{ 0, 4096, 48, 0 },
	};
	uint64_t words[6] = { rows[_i].count, rows[_i].page, 0x1000, 0x2000, 3 };
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;
	size_t count;

	memcpy(&words[5], "/a/file", 8);
	cw_note(w, "CORE", NT_FILE, words, rows[_i].bytes);
	cw_prstatus(w, 5, 0, regs, 27); /* notes after it are still read */
	o = oc_must_open_take(w);
	ch_core_file_maps(o.core, &count);
	ck_assert_uint_eq(count, rows[_i].want);
	if (rows[_i].count && !rows[_i].want)
		ck_assert_ptr_nonnull(oc_finding(&o, "note-damaged"));
	threads_of(&o, 1);
	oc_close(&o);
}
END_TEST

START_TEST(unknown_notes_are_kept_and_listed)
{
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(EM_X86_64);
	const struct ch_note *notes;
	struct opened o;
	size_t count;

	cw_prstatus(w, 1, 0, regs, 27);
	cw_note(w, "ACME", 0x4242, "0123456789", 10);
	cw_note(w, "evil\033[2J\n\xff", 1, NULL, 0);
	cw_note_lying(w, 0, 4, NT_PRSTATUS, "anon", 4); /* no owner: not ours */
	cw_note_lying(w, 4, 0, NT_PRPSINFO, "CORE", 4); /* owner without its NUL */
	cw_note(w, "COREX", NT_PRSTATUS, NULL, 0);
	o = oc_must_open_take(w);
	notes = ch_core_notes(o.core, &count);
	ck_assert_uint_eq(count, 6);
	ck_assert(notes[0].known);
	ck_assert_str_eq(notes[0].name, "CORE");
	ck_assert_uint_eq(notes[0].size_bytes, 336);
	ck_assert(!notes[1].known);
	ck_assert_str_eq(notes[1].name, "ACME");
	ck_assert_uint_eq(notes[1].type, 0x4242);
	ck_assert_uint_eq(notes[1].size_bytes, 10);
	ck_assert_str_eq(notes[2].name, "evil\\x1b[2J\\x0a\\xff");
	ck_assert_str_eq(notes[3].name, "");
	ck_assert(!notes[3].known);
	ck_assert(!notes[5].known);
	threads_of(&o, 1);
	oc_close(&o);
}
END_TEST

START_TEST(sizes_that_lie_end_the_notes_not_the_program)
{
	static const struct {
		uint32_t namesz, descsz;
	} rows[] = {
		{ 5, 0xffffffff }, { 0xffffffff, 4 },          { 0xffffffff, 0xffffffff },
		{ 5, 0xfffffff0 }, { 0xfffffffd, 16 },         { 5, 1000 },
		{ 1000, 4 },       { 0x80000000, 0x80000000 },
	};
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;

	cw_prstatus(w, 31, 0, regs, 27);
	cw_note_lying(w, rows[_i].namesz, rows[_i].descsz, NT_PRPSINFO, "CORE\0\0\0\0abcd", 12);
	o = oc_must_open_take(w);
	ck_assert_uint_eq(threads_of(&o, 1)->tid, 31);
	ck_assert_ptr_nonnull(oc_finding(&o, "note-damaged"));
	ck_assert(!ch_context_complete(o.ctx));
	oc_close(&o);
}
END_TEST

START_TEST(note_segment_that_lies_about_its_place)
{
	static const struct {
		uint64_t offset, filesz;
		bool complete;
	} rows[] = {
		{ CW_TRUE, 0xfffffffffffffffe, false },
		{ 0xfffffffffffff000, CW_TRUE, false },
		{ 0x100000, CW_TRUE, false },
		{ CW_TRUE, 0, true },
		{ CW_TRUE, 11, true },
		{ 0, CW_TRUE, false },
		{ 0xfffffffffffff000, 0x2000, false },
	};
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;

	cw_prstatus(w, 31, 0, regs, 27);
	w->notes_offset = rows[_i].offset;
	w->notes_filesz = rows[_i].filesz;
	ck_ch_ok(oc_open(w, CW_ALL, &o));
	ck_assert_int_eq(ch_context_complete(o.ctx), rows[_i].complete);
	oc_close(&o);
	cw_destroy(w);
}
END_TEST

START_TEST(notes_of_eight_byte_alignment)
{
	/* gABI: with p_align 8 names and descriptors are padded to 8. */
	static const uint64_t regs[27] = { [16] = 0xabc };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;

	w->notes_align = 8;
	cw_note(w, "ODDNAME", 7, "abc", 3);
	cw_prstatus(w, 12, 0, regs, 27);
	cw_prpsinfo(w, 12, 1, "eight", "eight");
	o = oc_must_open_take(w);
	ck_assert(ch_context_complete(o.ctx));
	ck_assert_uint_eq(threads_of(&o, 1)->pc, 0xabc);
	ck_assert_str_eq(ch_core_process(o.core)->comm, "eight");
	oc_close(&o);
}
END_TEST

START_TEST(notes_in_two_segments)
{
	static const uint64_t regs[27] = { 0 };
	struct corewriter *extra = cw_create(EM_X86_64), *w = new_core(EM_X86_64);
	struct opened o;

	cw_prstatus(extra, 62, 0, regs, 27);
	cw_prstatus(w, 61, 0, regs, 27);
	cw_load(w, 0, 0, 0, extra->notes, extra->notes_bytes)->type = PT_NOTE;
	o = oc_must_open_take(w);
	ck_assert_uint_eq(threads_of(&o, 2)[1].tid, 62);
	oc_close(&o);
	cw_destroy(extra);
}
END_TEST

START_TEST(producers_by_their_notes)
{
	/* the orders in which the kernel, gdb and createdump write them */
	static const struct {
		const char *order;
		enum ch_producer want;
	} rows[] = { { "sPiaf", CH_PRODUCER_KERNEL },    { "PsifaG", CH_PRODUCER_GCORE },
		     { "Pafs", CH_PRODUCER_CREATEDUMP }, { "d", CH_PRODUCER_CREATEDUMP },
		     { "", CH_PRODUCER_UNKNOWN },        { "u", CH_PRODUCER_UNKNOWN } };
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = new_core(EM_X86_64);
	struct opened o;
	const char *c;

	for (c = rows[_i].order; *c; c++) {
		switch (*c) {
		case 's':
			cw_prstatus(w, 1, 0, regs, 27);
			break;
		case 'P':
			cw_prpsinfo(w, 1, 0, "p", "p");
			break;
		case 'i':
			cw_siginfo(w, 11, 0, 0);
			break;
		case 'a':
			cw_auxv(w, NULL, 0);
			break;
		case 'f':
			cw_file(w, NULL, 0);
			break;
		case 'G':
			cw_note(w, "GDB", 0xff000000, "<target/>", 9);
			break;
		case 'd':
			cw_load(w, 0x7ffffff10000, 0x1000, PF_R, "DIAGINFOHEADER\0\0", 16);
			break;
		default:
			cw_note(w, "ACME", 1, NULL, 0);
		}
	}
	o = oc_must_open_take(w);
	ck_assert_str_eq(ch_producer_name(ch_core_producer(o.core)),
			 ch_producer_name(rows[_i].want));
	ck_assert_ptr_nonnull(ch_core_producer_basis(o.core));
	oc_close(&o);
}
END_TEST

Suite *suite_core_notes(void)
{
	Suite *suite = suite_create("core_notes");
	TCase *sound = tcase_create("sound"), *damaged = tcase_create("damaged");

	tcase_add_test(sound, the_thread_that_died);
	tcase_add_test(sound, x86_64_threads);
	tcase_add_test(sound, aarch64_threads);
	tcase_add_test(sound, arm_tls_means_nothing_on_x86_64);
	tcase_add_loop_test(sound, process_names, 0, 6);
	tcase_add_test(sound, auxiliary_vector);
	tcase_add_test(sound, file_maps_come_out_sorted);
	tcase_add_test(sound, unknown_notes_are_kept_and_listed);
	tcase_add_test(sound, notes_of_eight_byte_alignment);
	tcase_add_test(sound, notes_in_two_segments);
	tcase_add_loop_test(sound, producers_by_their_notes, 0, 6);
	suite_add_tcase(suite, sound);

	tcase_add_test(damaged, thread_notes_before_any_thread);
	tcase_add_loop_test(damaged, short_prstatus_is_damage, 0, 7);
	tcase_add_test(damaged, short_prpsinfo_is_damage);
	tcase_add_test(damaged, auxiliary_vector_without_end);
	tcase_add_test(damaged, impossible_file_maps_are_left_out);
	tcase_add_loop_test(damaged, damaged_nt_file, 0, 14);
	tcase_add_loop_test(damaged, sizes_that_lie_end_the_notes_not_the_program, 0, 8);
	tcase_add_loop_test(damaged, note_segment_that_lies_about_its_place, 0, 7);
	suite_add_tcase(suite, damaged);
	return suite;
}
