/*
 * The memory map of synthetic cores: what is there is free of doubt, because
 * each test wrote it.
 */
#include <stdlib.h>
#include <string.h>

#include "support/ck.h"
#include "support/heapcore.h"
#include "util/cleanup.h"

#define PAGE      0x1000ULL
#define SPACE_END 0x7ffffffff000ULL
/* Places of general registers in NT_PRSTATUS of x86-64. */
#define REG_RIP     16
#define REG_RSP     19
#define REG_FS_BASE 21
#define REGS        27

static void add_thread(struct corewriter *w, uint32_t tid, uint64_t sp, uint64_t fs_base)
{
	uint64_t regs[REGS] = { [REG_RSP] = sp, [REG_FS_BASE] = fs_base };

	cw_prstatus(w, tid, 0, regs, REGS);
}

static const struct ch_region *at(struct heapcore *hc, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(hc->map, addr);

	ck_assert_ptr_nonnull(region);
	return region;
}

/* The region that holds addr is exactly this. */
#define ck_region(hc, addr, want_start, want_end, want_usage, want_state)                          \
	do {                                                                                       \
		const struct ch_region *ck_r = at(hc, addr);                                       \
		ck_assert_msg(ck_r->start == (want_start) && ck_r->end == (want_end),              \
			      "0x%llx: [0x%llx, 0x%llx)", (unsigned long long)(addr),              \
			      (unsigned long long)ck_r->start, (unsigned long long)ck_r->end);     \
		ck_assert_str_eq(ch_usage_name(ck_r->usage), ch_usage_name(want_usage));           \
		ck_assert_str_eq(ch_state_name(ck_r->state), ch_state_name(want_state));           \
	} while (0)

/* All sums close; returns them. */
static struct ch_map_sums must_close(struct heapcore *hc)
{
	struct ch_map_invariant invariants[CH_MAP_INVARIANTS];
	struct ch_map_sums sums;
	size_t i;

	ck_ch_ok(ch_map_sum_up(hc->map, NULL, 0, &sums));
	ch_map_check(hc->map, &sums, invariants);
	for (i = 0; i < CH_MAP_INVARIANTS; i++)
		ck_assert_msg(invariants[i].ok, "%s: 0x%llx, 0x%llx", invariants[i].name,
			      (unsigned long long)invariants[i].left,
			      (unsigned long long)invariants[i].right);
	ck_assert_ptr_null(oc_finding(&hc->o, "map-invariant"));
	return sums;
}

static void claim(struct heapcore *hc, uint64_t start, uint64_t end, enum ch_usage usage,
		  const char *owner)
{
	ck_ch_ok(ch_map_claim(hc->map,
			      &(struct ch_claim){ .start = start,
						  .end = end,
						  .usage = usage,
						  .basis = CH_BASIS_DERIVED,
						  .owner = owner },
			      NULL));
}

/* ---- the address space ---- */

START_TEST(gaps_are_free)
{
	struct corewriter *w = hc_writer();
	struct ch_map_sums sums;
	struct heapcore hc;

	cw_load(w, 0x10000, 2 * PAGE, PF_R | PF_W, NULL, 2 * PAGE);
	cw_load(w, 0x7ffff0000000, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, 0xffffffffff600000, PAGE, PF_X, NULL, PAGE);
	hc = hc_open_map_take(w);
	ck_assert_uint_eq(ch_map_space_end(hc.map), SPACE_END);
	ck_region(&hc, 0, 0, 0x10000, CH_USAGE_FREE, CH_STATE_FREE);
	ck_region(&hc, 0x11fff, 0x10000, 0x12000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x12000, 0x12000, 0x7ffff0000000, CH_USAGE_FREE, CH_STATE_FREE);
	ck_region(&hc, SPACE_END - 1, 0x7ffff0001000, SPACE_END, CH_USAGE_FREE, CH_STATE_FREE);
	ck_region(&hc, 0xffffffffff600fff, 0xffffffffff600000, 0xffffffffff601000,
		  CH_USAGE_VSYSCALL, CH_STATE_COMMIT);
	ck_assert_ptr_null(ch_map_region_at(hc.map, SPACE_END));
	ck_assert_ptr_null(ch_map_region_at(hc.map, UINT64_MAX));
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.busy.total_bytes, 3 * PAGE);
	ck_assert_uint_eq(sums.state[CH_STATE_FREE].total_bytes, SPACE_END - 3 * PAGE);
	ck_assert_uint_eq(sums.usage[CH_USAGE_VSYSCALL].regions_count, 0);
	ck_assert_uint_eq(sums.usage[CH_USAGE_FREE].regions_count, 3);
	ck_assert_uint_eq(sums.usage[CH_USAGE_FREE].largest_start, 0x12000);
	hc_close(&hc);
}
END_TEST

START_TEST(empty_core_is_free)
{
	struct heapcore hc = hc_open_map_take(hc_writer());
	struct ch_map_sums sums = must_close(&hc);

	ck_region(&hc, 0x1234, 0, SPACE_END, CH_USAGE_FREE, CH_STATE_FREE);
	ck_assert_uint_eq(sums.busy.total_bytes, 0);
	ck_assert_ptr_null(ch_map_vsyscall(hc.map));
	hc_close(&hc);
}
END_TEST

START_TEST(space_of_57_bits)
{
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_load(w, 0x10000, PAGE, PF_R, NULL, PAGE);
	cw_load(w, 0xf0000000000000, PAGE, PF_R | PF_W, NULL, PAGE);
	hc = hc_open_map_take(w);
	ck_assert_uint_eq(ch_map_space_end(hc.map), 0xfffffffffff000);
	ck_region(&hc, 0xf0000000000000, 0xf0000000000000, 0xf0000000001000, CH_USAGE_ANON,
		  CH_STATE_COMMIT);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

START_TEST(beyond_the_space)
{
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_load(w, 0xffffffffffe000, 4 * PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, 0xffffffff80000000, 0x7ffff000, PF_R | PF_W, NULL, 0);
	hc = hc_open_map_take(w);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "address-beyond-space"));
	ck_region(&hc, 0xffffffffffe000, 0xffffffffffe000, 0xfffffffffff000, CH_USAGE_ANON,
		  CH_STATE_COMMIT);
	ck_assert_uint_eq(must_close(&hc).busy.total_bytes, PAGE);
	hc_close(&hc);
}
END_TEST

/* ---- state ---- */

START_TEST(states)
{
	static const struct cw_file_row rows[] = {
		{ 0x80000, 0x82000, 0, "/srv/data" },
		{ 0x90000, 0x91000, 0, "/dev/zero (deleted)" },
		{ 0xa0000, 0xa1000, 0, "/memfd:x (deleted)" },
	};
	static const uint8_t something[PAGE] = { 1 };
	struct corewriter *w = hc_writer();
	struct ch_map_sums sums;
	struct heapcore hc;

	cw_load(w, 0x10000, PAGE, 0, NULL, 0);
	cw_load(w, 0x20000, PAGE, 0, something, PAGE);
	cw_load(w, 0x30000, PAGE, PF_R | PF_W, NULL, 0);
	cw_load(w, 0x40000, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, 0x50000, PAGE, PF_R | PF_X, NULL, PAGE);
	cw_load(w, 0x60000, PAGE, PF_R, NULL, PAGE);
	cw_load(w, 0x80000, PAGE, PF_R | PF_W, NULL, 0);
	cw_load(w, 0x90000, PAGE, PF_R | PF_W, NULL, 0);
	cw_load(w, 0xa0000, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_file(w, rows, 3);
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x10000, 0x10000, 0x11000, CH_USAGE_RESERVE, CH_STATE_RESERVE);
	ck_region(&hc, 0x20000, 0x20000, 0x21000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x30000, 0x30000, 0x31000, CH_USAGE_UNDUMPED, CH_STATE_COMMIT);
	ck_region(&hc, 0x40000, 0x40000, 0x41000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x80000, 0x80000, 0x81000, CH_USAGE_FILE, CH_STATE_COMMIT);
	ck_region(&hc, 0x81000, 0x81000, 0x82000, CH_USAGE_FILE, CH_STATE_COMMIT);
	ck_region(&hc, 0x90000, 0x90000, 0x91000, CH_USAGE_SHM, CH_STATE_COMMIT);
	ck_region(&hc, 0xa0000, 0xa0000, 0xa1000, CH_USAGE_MEMFD, CH_STATE_COMMIT);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x10000)), "---p");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x50000)), "r-xp");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x80000)), "rw-p?");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x81000)), "???p?");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x90000)), "rw-s");
	ck_assert_ptr_null(ch_region_native_protect(at(&hc, 0)));
	ck_assert_uint_eq(at(&hc, 0x81000)->backing_off, PAGE);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.protect[CH_PROTECT_NOACCESS].total_bytes, PAGE);
	ck_assert_uint_eq(sums.protect[CH_PROTECT_UNKNOWN].total_bytes, PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_RESERVED], PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_UNTOUCHED_OR_DONTDUMP], PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_FILE], PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_NO_SEGMENT], PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_SHARED], PAGE);
	ck_assert_uint_eq(sums.busy.in_core_bytes, 5 * PAGE);
	hc_close(&hc);
}
END_TEST

/* A name tells neither that memory is shared nor that it is in use. */
START_TEST(names_of_the_kernel)
{
	static const struct cw_file_row rows[] = {
		{ 0x200000, 0x202000, 0, "/anon_hugepage (deleted)" },
		{ 0x300000, 0x302000, 0, "/anon_hugepage (deleted)" },
		{ 0x400000, 0x402000, 0, "/dev/zero" },
		{ 0x500000, 0x502000, 0, "/dev/zero (deleted)" },
		{ 0x600000, 0x602000, 0, "/dev/shm/ring" },
		{ 0x700000, 0x702000, 0, "/SYSV0000002a (deleted)" },
		{ 0x800000, 0x802000, 0, "/dev/zero" },
	};
	static const uint8_t something[2 * PAGE] = { 1 };
	struct corewriter *w = hc_writer();
	struct ch_map_sums sums;
	struct heapcore hc;
	size_t i;

	cw_load(w, rows[0].start, 2 * PAGE, PF_R | PF_W, something, 2 * PAGE);
	/* the tail of an arena on huge pages: no access, and the dumper wrote zeros */
	cw_load(w, rows[1].start, 2 * PAGE, 0, NULL, 2 * PAGE);
	for (i = 2; i < 6; i++)
		cw_load(w, rows[i].start, 2 * PAGE, PF_R | PF_W, something, 2 * PAGE);
	cw_load(w, rows[6].start, 2 * PAGE, PF_R | PF_W, NULL, 0);
	cw_file(w, rows, CH_COUNT_OF(rows));
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x200000, 0x200000, 0x202000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, 0x200000)->type, CH_MEMTYPE_PRIVATE);
	ck_assert_int_eq(at(&hc, 0x200000)->basis, CH_BASIS_HEURISTIC);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x200000)), "rw-p?");
	ck_region(&hc, 0x300000, 0x300000, 0x302000, CH_USAGE_RESERVE, CH_STATE_RESERVE);
	ck_region(&hc, 0x400000, 0x400000, 0x402000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, 0x400000)->basis, CH_BASIS_RECORDED);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x400000)), "rw-p");
	ck_region(&hc, 0x500000, 0x500000, 0x502000, CH_USAGE_SHM, CH_STATE_COMMIT);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x500000)), "rw-s");
	ck_region(&hc, 0x600000, 0x600000, 0x602000, CH_USAGE_SHM, CH_STATE_COMMIT);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x600000)), "rw-p?");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, 0x700000)), "rw-s");
	ck_region(&hc, 0x800000, 0x800000, 0x802000, CH_USAGE_UNDUMPED, CH_STATE_COMMIT);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_UNTOUCHED_OR_DONTDUMP], 2 * PAGE);
	hc_close(&hc);
}
END_TEST

/* gdb's gcore writes what cannot be read as readable zeros. */
START_TEST(gcore_reserve)
{
	struct corewriter *w = hc_writer();
	uint8_t *bytes = calloc(1, 40 * PAGE);
	struct heapcore hc;

	ck_assert_ptr_nonnull(bytes);
	cw_note(w, "GDB", 0xff000000, "x", 1);
	cw_load(w, 0x100000, 40 * PAGE, PF_R, bytes, 40 * PAGE);
	cw_load(w, 0x200000, 40 * PAGE, PF_R | PF_W, bytes, 40 * PAGE);
	bytes[40 * PAGE - 1] = 1;
	cw_load(w, 0x300000, 40 * PAGE, PF_R, bytes, 40 * PAGE);
	bytes[40 * PAGE - 1] = 0;
	bytes[0] = 1;
	cw_load(w, 0x400000, 40 * PAGE, PF_R, bytes, 40 * PAGE);
	/* said to have bytes that the file does not hold */
	cw_load(w, 0x500000, 40 * PAGE, PF_R, NULL, 0)->filesz = 40 * PAGE;
	free(bytes);
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x100000, 0x100000, 0x128000, CH_USAGE_RESERVE, CH_STATE_RESERVE);
	ck_assert_uint_eq(at(&hc, 0x100000)->prot, CH_PROT_NONE);
	ck_assert_int_eq(at(&hc, 0x100000)->basis, CH_BASIS_HEURISTIC);
	ck_region(&hc, 0x200000, 0x200000, 0x228000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x300000, 0x300000, 0x328000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x400000, 0x400000, 0x428000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, 0x500000, 0x500000, 0x528000, CH_USAGE_ANON, CH_STATE_COMMIT);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

START_TEST(truncated_bytes_are_lost)
{
	struct corewriter *w = hc_writer();
	struct heapcore hc = { 0 };
	struct ch_map_sums sums;
	struct cw_layout layout;

	cw_load(w, 0x10000, 4 * PAGE, PF_R | PF_W, NULL, 4 * PAGE);
	cw_load(w, 0x20000, 2 * PAGE, PF_R | PF_W, NULL, PAGE);
	layout = cw_layout(w);
	ck_ch_ok(oc_open(w, layout.contents_off + PAGE, &hc.o));
	cw_destroy(w);
	ck_ch_ok(ch_sym_open(hc.o.core, NULL, &hc.sym));
	ck_ch_ok(ch_map_create(hc.o.core, hc.sym, &hc.map));
	ck_assert_uint_eq(at(&hc, 0x10000)->in_core_bytes, PAGE);
	ck_assert_uint_eq(at(&hc, 0x10000)->lost_bytes, 3 * PAGE);
	ck_assert_uint_eq(at(&hc, 0x20000)->in_core_bytes, 0);
	ck_assert_uint_eq(at(&hc, 0x20000)->lost_bytes, PAGE);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_TRUNCATED], 4 * PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_UNTOUCHED_OR_DONTDUMP], PAGE);
	hc_close(&hc);
}
END_TEST

/* ---- images ---- */

#define IMAGE 0x400000ULL

/* ELF headers: R 1 page, RX 2 pages, hole, RW 1 page in the file and 3 of .bss. */
static void image_header(uint8_t page[PAGE])
{
	const Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					       ELFDATA2LSB, EV_CURRENT },
				  .e_type = ET_DYN,
				  .e_machine = EM_X86_64,
				  .e_phoff = sizeof(Elf64_Ehdr),
				  .e_ehsize = sizeof(Elf64_Ehdr),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 4 };
	const Elf64_Phdr phdrs[4] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = PAGE, .p_memsz = PAGE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_offset = PAGE,
		  .p_vaddr = PAGE,
		  .p_filesz = 2 * PAGE,
		  .p_memsz = 2 * PAGE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_offset = 3 * PAGE,
		  .p_vaddr = 5 * PAGE,
		  .p_filesz = 2 * PAGE - 8,
		  .p_memsz = 4 * PAGE + 8 },
		{ .p_type = PT_GNU_RELRO,
		  .p_flags = PF_R,
		  .p_vaddr = 5 * PAGE,
		  .p_memsz = PAGE + 16 },
	};

	memset(page, 0, PAGE);
	memcpy(page, &ehdr, sizeof(ehdr));
	memcpy(page + sizeof(ehdr), phdrs, sizeof(phdrs));
}

/* The kernel merges .bss with what comes to lie above it. */
START_TEST(bss_is_cut)
{
	static const struct cw_file_row rows[] = {
		{ IMAGE, IMAGE + PAGE, 0, "/lib/libx.so" },
		{ IMAGE + PAGE, IMAGE + 3 * PAGE, PAGE, "/lib/libx.so" },
		{ IMAGE + 3 * PAGE, IMAGE + 5 * PAGE, 3 * PAGE, "/lib/libx.so" },
		{ IMAGE + 5 * PAGE, IMAGE + 6 * PAGE, 3 * PAGE, "/lib/libx.so" },
		{ IMAGE + 6 * PAGE, IMAGE + 7 * PAGE, 4 * PAGE, "/lib/libx.so" },
	};
	struct corewriter *w = hc_writer();
	struct ch_map_sums sums;
	struct heapcore hc;
	uint8_t page[PAGE];

	image_header(page);
	cw_load(w, IMAGE, PAGE, PF_R, page, PAGE);
	cw_load(w, IMAGE + 7 * PAGE, 20 * PAGE, PF_R | PF_W, NULL, 20 * PAGE);
	cw_file(w, rows, CH_COUNT_OF(rows));
	hc = hc_open_map_take(w);
	ck_region(&hc, IMAGE, IMAGE, IMAGE + PAGE, CH_USAGE_LIB, CH_STATE_COMMIT);
	/* no segment: rights from the headers, RELRO rounded down, the hole without any */
	ck_region(&hc, IMAGE + PAGE, IMAGE + PAGE, IMAGE + 3 * PAGE, CH_USAGE_LIB, CH_STATE_COMMIT);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, IMAGE + PAGE)), "r-xp");
	ck_region(&hc, IMAGE + 3 * PAGE, IMAGE + 3 * PAGE, IMAGE + 5 * PAGE, CH_USAGE_LIB,
		  CH_STATE_RESERVE);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, IMAGE + 5 * PAGE)), "r--p");
	ck_assert_str_eq(ch_region_native_protect(at(&hc, IMAGE + 6 * PAGE)), "rw-p");
	ck_region(&hc, IMAGE + 7 * PAGE, IMAGE + 7 * PAGE, IMAGE + 10 * PAGE, CH_USAGE_BSS,
		  CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, IMAGE + 7 * PAGE)->type, CH_MEMTYPE_IMAGE);
	ck_assert_str_eq(at(&hc, IMAGE + 7 * PAGE)->owner, "libx.so");
	ck_region(&hc, IMAGE + 10 * PAGE, IMAGE + 10 * PAGE, IMAGE + 27 * PAGE, CH_USAGE_ANON,
		  CH_STATE_COMMIT);
	/* a heap may claim what lies above, and nothing of the image */
	claim(&hc, IMAGE, IMAGE + 27 * PAGE, CH_USAGE_HEAP, "main arena");
	ck_region(&hc, IMAGE + 7 * PAGE, IMAGE + 7 * PAGE, IMAGE + 10 * PAGE, CH_USAGE_BSS,
		  CH_STATE_COMMIT);
	ck_region(&hc, IMAGE + 10 * PAGE, IMAGE + 10 * PAGE, IMAGE + 27 * PAGE, CH_USAGE_HEAP,
		  CH_STATE_COMMIT);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.type[CH_MEMTYPE_IMAGE].total_bytes, 10 * PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_NO_SEGMENT], 4 * PAGE);
	ck_assert_uint_eq(sums.missing_bytes[CH_MISSING_RESERVED], 2 * PAGE);
	hc_close(&hc);
}
END_TEST

/* Pieces of a file join only where the file goes on. */
START_TEST(files_join_by_offset)
{
	static const struct cw_file_row rows[] = {
		{ 0x10000, 0x11000, 0, "/a" },
		{ 0x11000, 0x12000, 0x1000, "/a" },
		{ 0x12000, 0x13000, 0x9000, "/a" },
		{ 0x13000, 0x14000, 0xa000, "/b" },
	};
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_load(w, 0x10000, 0x4000, PF_R, NULL, 0x4000);
	cw_file(w, rows, 4);
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x10000, 0x10000, 0x12000, CH_USAGE_FILE, CH_STATE_COMMIT);
	ck_region(&hc, 0x12000, 0x12000, 0x13000, CH_USAGE_FILE, CH_STATE_COMMIT);
	ck_region(&hc, 0x13000, 0x13000, 0x14000, CH_USAGE_FILE, CH_STATE_COMMIT);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* What can be written below the vdso is no [vvar]. */
START_TEST(vdso_alone)
{
	static const uint64_t auxv[][2] = { { AT_SYSINFO_EHDR, 0x7fff0000 } };
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_auxv(w, auxv, 1);
	cw_load(w, 0x7ffef000, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, 0x7fff0000, 2 * PAGE, PF_R | PF_X, NULL, 2 * PAGE);
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x7fff0000, 0x7fff0000, 0x7fff2000, CH_USAGE_VDSO, CH_STATE_COMMIT);
	ck_region(&hc, 0x7ffef000, 0x7ffef000, 0x7fff0000, CH_USAGE_ANON, CH_STATE_COMMIT);
	hc_close(&hc);
}
END_TEST

START_TEST(vdso_and_vvar)
{
	static const uint64_t auxv[][2] = { { AT_SYSINFO_EHDR, 0x7fff0000 } };
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_auxv(w, auxv, 1);
	cw_load(w, 0x7ffe0000, PAGE, PF_R, NULL, PAGE);
	cw_load(w, 0x7fffa000, 4 * PAGE, PF_R, NULL, 0);
	cw_load(w, 0x7fffe000, 2 * PAGE, PF_R, NULL, 0);
	cw_load(w, 0x7fff0000, 2 * PAGE, PF_R | PF_X, NULL, 2 * PAGE);
	w->segments[1].vaddr = 0x7ffea000;
	w->segments[2].vaddr = 0x7ffee000;
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x7fff1000, 0x7fff0000, 0x7fff2000, CH_USAGE_VDSO, CH_STATE_COMMIT);
	ck_region(&hc, 0x7ffea000, 0x7ffea000, 0x7fff0000, CH_USAGE_VVAR, CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, 0x7ffea000)->basis, CH_BASIS_HEURISTIC);
	/* read only as well, but not directly below */
	ck_region(&hc, 0x7ffe0000, 0x7ffe0000, 0x7ffe1000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_assert_uint_eq(must_close(&hc).missing_bytes[CH_MISSING_KERNEL], 6 * PAGE);
	hc_close(&hc);
}
END_TEST

/* ---- stacks ---- */

#define STACK      0x7f0000000000ULL
#define STACK_SIZE 0x10000ULL

/* stackblock, stackblock_size, guardsize as in struct pthread. */
static void put_descriptor(uint8_t *stack, uint64_t off, uint64_t block, uint64_t size,
			   uint64_t guard)
{
	memcpy(stack + off, &block, 8);
	memcpy(stack + off + 8, &size, 8);
	memcpy(stack + off + 16, &guard, 8);
}

/* A guard page, a stack with its descriptor 0x700 below the end, and more above. */
static void add_stack(struct corewriter *w, uint64_t base, uint64_t above)
{
	uint64_t usable = STACK_SIZE - PAGE;
	uint8_t *bytes = calloc(1, usable + above);

	ck_assert_ptr_nonnull(bytes);
	put_descriptor(bytes, usable - 0x700 + 0x690, base, STACK_SIZE, PAGE);
	cw_load(w, base, PAGE, 0, NULL, 0);
	cw_load(w, base + PAGE, usable + above, PF_R | PF_W, bytes, usable + above);
	free(bytes);
}

START_TEST(thread_stack)
{
	uint64_t end = STACK + STACK_SIZE, fs_base = end - 0x700, start, stop;
	struct corewriter *w = cw_create(EM_X86_64);
	struct heapcore hc;

	add_thread(w, 77, end - 0x2000, fs_base);
	/* merged with an anonymous mapping above */
	add_stack(w, STACK, 8 * PAGE);
	hc = hc_open_map_take(w);
	ck_region(&hc, STACK, STACK, STACK + PAGE, CH_USAGE_GUARD, CH_STATE_RESERVE);
	ck_assert_uint_eq(at(&hc, STACK)->flags & CH_REGION_GUARD, CH_REGION_GUARD);
	ck_region(&hc, end - 0x2000, STACK + PAGE, fs_base, CH_USAGE_STACK, CH_STATE_COMMIT);
	ck_assert_str_eq(at(&hc, end - 0x2000)->owner, "thread 77");
	ck_region(&hc, fs_base, fs_base, end, CH_USAGE_TLS, CH_STATE_COMMIT);
	ck_region(&hc, end, end, end + 8 * PAGE, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_assert(ch_map_thread_stack(hc.map, 0, &start, &stop));
	ck_assert_uint_eq(start, STACK + PAGE);
	ck_assert_uint_eq(stop, end);
	ck_assert(!ch_map_thread_stack(hc.map, 1, &start, &stop));
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* Stacks of threads that ended: alone, merged with a mapping above, and one
 * whose descriptor speaks of another stack. */
START_TEST(cached_stacks)
{
	uint64_t second = STACK + 0x100000, third = STACK + 0x200000, fourth = STACK + 0x300000;
	struct corewriter *w = cw_create(EM_X86_64);
	struct heapcore hc;
	uint8_t *bytes;

	add_thread(w, 77, STACK + STACK_SIZE - 0x2000, STACK + STACK_SIZE - 0x700);
	add_stack(w, STACK, 0);
	add_stack(w, second, 0);
	add_stack(w, third, 5 * PAGE);
	bytes = calloc(1, STACK_SIZE);
	ck_assert_ptr_nonnull(bytes);
	put_descriptor(bytes, STACK_SIZE - PAGE - 0x100, third, STACK_SIZE, PAGE);
	put_descriptor(bytes, STACK_SIZE - PAGE - 0x80, fourth, STACK_SIZE - PAGE, PAGE);
	cw_load(w, fourth, PAGE, 0, NULL, 0);
	cw_load(w, fourth + PAGE, STACK_SIZE - PAGE, PF_R | PF_W, bytes, STACK_SIZE - PAGE);
	free(bytes);
	hc = hc_open_map_take(w);
	ck_region(&hc, second, second, second + PAGE, CH_USAGE_GUARD, CH_STATE_RESERVE);
	ck_region(&hc, second + PAGE, second + PAGE, second + STACK_SIZE, CH_USAGE_STACK,
		  CH_STATE_COMMIT);
	ck_region(&hc, third + PAGE, third + PAGE, third + STACK_SIZE, CH_USAGE_STACK,
		  CH_STATE_COMMIT);
	ck_region(&hc, third + STACK_SIZE, third + STACK_SIZE, third + STACK_SIZE + 5 * PAGE,
		  CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, fourth, fourth, fourth + PAGE, CH_USAGE_RESERVE, CH_STATE_RESERVE);
	ck_region(&hc, fourth + PAGE, fourth + PAGE, fourth + STACK_SIZE, CH_USAGE_ANON,
		  CH_STATE_COMMIT);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* The last page, with the static TLS above the descriptor, is not in the core. */
START_TEST(cached_stack_with_absent_end)
{
	uint64_t base = STACK + 0x100000, held = STACK_SIZE - 2 * PAGE;
	struct corewriter *w = cw_create(EM_X86_64);
	uint8_t *bytes = calloc(1, held);
	struct heapcore hc;

	ck_assert_ptr_nonnull(bytes);
	add_thread(w, 77, STACK + STACK_SIZE - 0x2000, STACK + STACK_SIZE - 0x700);
	add_stack(w, STACK, 0);
	put_descriptor(bytes, held - 0x100, base, STACK_SIZE, PAGE);
	cw_load(w, base, PAGE, 0, NULL, 0);
	cw_load(w, base + PAGE, STACK_SIZE - PAGE, PF_R | PF_W, bytes, held);
	free(bytes);
	hc = hc_open_map_take(w);
	ck_assert_int_eq(at(&hc, base)->usage, CH_USAGE_GUARD);
	ck_assert_int_eq(at(&hc, base + PAGE)->usage, CH_USAGE_STACK);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* A stack that the program made in a heap block is the heap's. */
START_TEST(heap_before_program_stack)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t heap = 0x600000, block = heap + 0x100;
	uint8_t bytes[4 * PAGE] = { 0 };
	struct heapcore hc;
	uint64_t start, end;

	put_descriptor(bytes, 0x3000 + 0x690, block, 0x3f00, 0);
	add_thread(w, 5, heap + 0x2000, heap + 0x3000);
	cw_load(w, heap, sizeof(bytes), PF_R | PF_W, bytes, sizeof(bytes));
	hc = hc_open_map_take(w);
	ck_assert_int_eq(at(&hc, heap + 0x2000)->usage, CH_USAGE_STACK);
	ck_assert_int_eq(at(&hc, heap)->usage, CH_USAGE_ANON);
	claim(&hc, heap, heap + 4 * PAGE, CH_USAGE_HEAP, "main arena");
	ck_region(&hc, heap + 0x2000, heap, heap + 4 * PAGE, CH_USAGE_HEAP, CH_STATE_COMMIT);
	ck_assert(ch_map_thread_stack(hc.map, 0, &start, &end));
	ck_assert_uint_eq(start, block);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* The stack pointer is in the guard, or below what the main stack had grown to. */
START_TEST(overflowed_stacks)
{
	static const uint64_t auxv[][2] = { { AT_RANDOM, 0x7ffd00020123 } };
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t start, end;
	struct heapcore hc;

	add_thread(w, 77, STACK + 0x10, STACK + STACK_SIZE - 0x700);
	add_thread(w, 70, 0x7ffcfffff000, 0);
	cw_prpsinfo(w, 70, 1, "x", "x");
	cw_auxv(w, auxv, 1);
	add_stack(w, STACK, 0);
	cw_load(w, 0x7ffd00000000, 0x21000, PF_R | PF_W, NULL, 0x21000);
	hc = hc_open_map_take(w);
	ck_region(&hc, STACK, STACK, STACK + PAGE, CH_USAGE_GUARD, CH_STATE_RESERVE);
	ck_assert_int_eq(at(&hc, STACK + PAGE)->usage, CH_USAGE_STACK);
	ck_assert(ch_map_thread_stack(hc.map, 0, &start, &end));
	ck_assert_uint_eq(start, STACK + PAGE);
	ck_assert_str_eq(at(&hc, 0x7ffd00000000)->owner, "thread 70");
	ck_assert(ch_map_thread_stack(hc.map, 1, &start, &end));
	ck_assert_uint_eq(start, 0x7ffd00000000);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* On a stack for signals: the thread keeps its own, the other is not guessed at
 * when it is a large mapping without a guard. */
START_TEST(stack_pointer_elsewhere)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t start, end, large = 0x10000000;
	struct heapcore hc;

	add_thread(w, 77, large + 0x1000, STACK + STACK_SIZE - 0x700);
	add_thread(w, 78, large + 0x5000, 0);
	add_thread(w, 79, 0x20001000, 0);
	add_thread(w, 80, 0x30001000, 0);
	add_stack(w, STACK, 0);
	cw_load(w, large, 0x400000, PF_R | PF_W, NULL, 0);
	cw_load(w, 0x20000000, 0x40000, PF_R | PF_W, NULL, 0x40000);
	cw_load(w, 0x2ffff000, PAGE, 0, NULL, 0);
	cw_load(w, 0x30000000, 0x4000000, PF_R | PF_W, NULL, 0);
	hc = hc_open_map_take(w);
	ck_assert_int_eq(at(&hc, STACK + PAGE)->usage, CH_USAGE_STACK);
	ck_assert(!ch_map_thread_stack(hc.map, 0, &start, &end));
	ck_assert_int_eq(at(&hc, large)->usage, CH_USAGE_UNDUMPED);
	ck_assert(!ch_map_thread_stack(hc.map, 1, &start, &end));
	/* small, or with a guard: a guess, and marked as one */
	ck_region(&hc, 0x20001000, 0x20000000, 0x20040000, CH_USAGE_STACK, CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, 0x20001000)->basis, CH_BASIS_HEURISTIC);
	ck_region(&hc, 0x30001000, 0x30000000, 0x34000000, CH_USAGE_STACK, CH_STATE_COMMIT);
	ck_region(&hc, 0x2ffff000, 0x2ffff000, 0x30000000, CH_USAGE_GUARD, CH_STATE_RESERVE);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

START_TEST(main_stack)
{
	static const uint64_t auxv[][2] = { { AT_RANDOM, 0x7ffd00020123 } };
	struct corewriter *w = cw_create(EM_X86_64);
	struct heapcore hc;

	/* the main thread is gone: nobody's stack pointer is there */
	add_thread(w, 9, 0x1234, 0);
	cw_auxv(w, auxv, 1);
	cw_load(w, 0x7ffd00000000, 0x21000, PF_R | PF_W, NULL, 0x21000);
	hc = hc_open_map_take(w);
	ck_region(&hc, 0x7ffd00000000, 0x7ffd00000000, 0x7ffd00021000, CH_USAGE_STACK,
		  CH_STATE_COMMIT);
	ck_assert_str_eq(at(&hc, 0x7ffd00000000)->owner, "main thread");
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* 1,000 threads that all say the same stack, and 100,000 claims on it, none of
 * which may be compared with all others. */
START_TEST(many_claims_meet)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct heapcore hc;
	uint64_t i;

	for (i = 0; i < 1000; i++)
		add_thread(w, (uint32_t)i + 1, STACK + 0x2000 + i, STACK + 0x3000);
	add_stack(w, STACK, 0);
	hc = hc_open_map_take(w);
	for (i = 0; i < 100000; i++)
		claim(&hc, STACK + PAGE + i % 0x7000, STACK + STACK_SIZE, CH_USAGE_MMAP_CHUNK, "x");
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* ---- claims ---- */

START_TEST(claims_by_precedence)
{
	struct corewriter *w = hc_writer();
	uint64_t refused = 0, base = 0x100000;
	struct ch_map_sums sums;
	struct heapcore hc;

	cw_load(w, base, 0x10000, PF_R | PF_W, NULL, 0x10000);
	hc = hc_open_map_take(w);
	claim(&hc, base, base + 0x8000, CH_USAGE_ARENA, "arena 1");
	claim(&hc, base + 0x4000, base + 0xc000, CH_USAGE_HEAP, "main arena");
	claim(&hc, base + 0x6000, base + 0x7000, CH_USAGE_MANAGED_HEAP, "gen0");
	/* the same usage again: the first to come keeps what it has */
	claim(&hc, base + 0x1800, base + 0x2800, CH_USAGE_ARENA, "arena 2");
	ck_ch_ok(ch_map_claim(hc.map,
			      &(struct ch_claim){ .start = base + 0xf000,
						  .end = base + 0x14000,
						  .usage = CH_USAGE_ARENA,
						  .basis = CH_BASIS_HEURISTIC,
						  .reserved = true },
			      &refused));
	ck_assert_uint_eq(refused, 0x4000);
	ck_region(&hc, base, base, base + 0x4000, CH_USAGE_ARENA, CH_STATE_COMMIT);
	ck_assert_str_eq(at(&hc, base + 0x2000)->owner, "arena 1");
	ck_region(&hc, base + 0x4000, base + 0x4000, base + 0x6000, CH_USAGE_HEAP, CH_STATE_COMMIT);
	ck_region(&hc, base + 0x6000, base + 0x6000, base + 0x7000, CH_USAGE_MANAGED_HEAP,
		  CH_STATE_COMMIT);
	ck_region(&hc, base + 0x7000, base + 0x7000, base + 0xc000, CH_USAGE_HEAP, CH_STATE_COMMIT);
	ck_region(&hc, base + 0xc000, base + 0xc000, base + 0xf000, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_region(&hc, base + 0xf000, base + 0xf000, base + 0x10000, CH_USAGE_ARENA,
		  CH_STATE_RESERVE);
	ck_region(&hc, base + 0x10000, base + 0x10000, SPACE_END, CH_USAGE_FREE, CH_STATE_FREE);
	ck_ch_err(ch_map_claim(hc.map, &(struct ch_claim){ .start = 5, .end = 5 }, NULL), ARG);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.usage[CH_USAGE_HEAP].total_bytes, 0x7000);
	ck_assert_uint_eq(sums.usage[CH_USAGE_ARENA].basis_bytes[CH_BASIS_HEURISTIC], 0x1000);
	ck_assert_uint_eq(sums.state[CH_STATE_RESERVE].basis_bytes[CH_BASIS_HEURISTIC], 0x1000);
	hc_close(&hc);
}
END_TEST

/* Random claims against a map of bytes, the precedence computed anew. */
START_TEST(claims_against_a_byte_map)
{
	enum { BYTES = 3000, CLAIMS = 60 };
	static const enum ch_usage usages[] = { CH_USAGE_HEAP, CH_USAGE_ARENA, CH_USAGE_MMAP_CHUNK,
						CH_USAGE_TLS };
	struct corewriter *w = hc_writer();
	uint8_t want[BYTES];
	uint64_t base = 0x100000, i, k, start, end;
	struct heapcore hc;

	srand((unsigned int)_i);
	memset(want, CH_USAGE_ANON, sizeof(want));
	cw_load(w, base, PAGE, PF_R | PF_W, NULL, PAGE);
	hc = hc_open_map_take(w);
	for (i = 0; i < CLAIMS; i++) {
		enum ch_usage usage = usages[rand() % 4];

		start = (uint64_t)rand() % BYTES;
		end = start + 1 + (uint64_t)rand() % 200;
		claim(&hc, base + start, base + end, usage, NULL);
		for (k = start; k < end && k < BYTES; k++)
			if (usage < want[k])
				want[k] = (uint8_t)usage;
	}
	for (k = 0; k < BYTES; k++)
		ck_assert_int_eq(at(&hc, base + k)->usage, want[k]);
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* ---- createdump ---- */

static void add_diaginfo(struct corewriter *w)
{
	cw_load(w, 0x7ffffff10000, PAGE, PF_R, "DIAGINFOHEADER", 15);
}

/* It writes runs of pages: neighbours are one region, and quickly. */
START_TEST(createdump_page_runs)
{
	enum { RUNS = 150000 };
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t base = 0x200000000, addr;
	struct ch_map_sums sums;
	struct heapcore hc;
	uint64_t i;

	add_thread(w, 4, base + 0x5123, 0);
	w->content_align = 1;
	for (i = 0; i < RUNS; i++) {
		/* pairs of pages, of which every third has other rights */
		addr = base + i * PAGE + i / 2 * PAGE;
		cw_load(w, addr, PAGE, i / 2 % 3 ? PF_R | PF_W : PF_R, NULL, 0)->filesz = 0;
	}
	add_diaginfo(w);
	hc = hc_open_map_take(w);
	ck_assert_int_eq(ch_core_producer(hc.o.core), CH_PRODUCER_CREATEDUMP);
	ck_region(&hc, 0x7ffffff10000, 0x7ffffff10000, 0x7ffffff11000, CH_USAGE_OTHER,
		  CH_STATE_COMMIT);
	/* page 0 and 1 together, a gap, pages 3 and 4 together: where sp is */
	ck_region(&hc, base, base, base + 2 * PAGE, CH_USAGE_ANON, CH_STATE_COMMIT);
	ck_assert_int_eq(at(&hc, base)->basis, CH_BASIS_HEURISTIC);
	sums = must_close(&hc);
	ck_assert_uint_eq(sums.busy.total_bytes, (RUNS + 1) * PAGE);
	ck_assert_uint_eq(sums.busy.regions_count, RUNS / 2 + 1);
	hc_close(&hc);
}
END_TEST

START_TEST(createdump_stack_of_runs)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t base = 0x200000000, i;
	struct heapcore hc;

	add_thread(w, 4, base + 3 * PAGE + 8, 0);
	for (i = 0; i < 8; i++)
		cw_load(w, base + i * PAGE, PAGE, PF_R | PF_W, NULL, PAGE);
	add_diaginfo(w);
	hc = hc_open_map_take(w);
	ck_region(&hc, base, base, base + 8 * PAGE, CH_USAGE_STACK, CH_STATE_COMMIT);
	ck_assert_str_eq(ch_region_native_protect(at(&hc, base)), "rw-p?");
	must_close(&hc);
	hc_close(&hc);
}
END_TEST

/* ---- sums ---- */

START_TEST(zero_pages)
{
	struct corewriter *w = hc_writer();
	uint8_t bytes[4 * PAGE] = { 0 };
	struct ch_map_sums sums;
	struct heapcore hc;

	bytes[PAGE] = 1;
	bytes[4 * PAGE - 1] = 1;
	cw_load(w, 0x10000, 4 * PAGE, PF_R | PF_W, bytes, 4 * PAGE);
	cw_load(w, 0x20000, 2 * PAGE, PF_R | PF_W, bytes, PAGE);
	hc = hc_open_map_take(w);
	/* the first byte of page 1 is not zero, so its other bytes do not count */
	claim(&hc, 0x10000 + PAGE / 2, 0x10000 + 2 * PAGE + 16, CH_USAGE_HEAP, NULL);
	ck_ch_ok(ch_map_sum_up(hc.map, NULL, CH_SUM_ZERO, &sums));
	ck_assert(sums.has_zero);
	ck_assert_uint_eq(sums.usage[CH_USAGE_HEAP].zero_bytes, PAGE / 2 + 16);
	ck_assert_uint_eq(sums.usage[CH_USAGE_ANON].zero_bytes, PAGE / 2 + PAGE - 16 + PAGE);
	ck_assert_uint_eq(sums.busy.zero_bytes, 3 * PAGE);
	ck_ch_ok(ch_map_sum_up(hc.map, NULL, 0, &sums));
	ck_assert(!sums.has_zero);
	ch_context_cancel(hc.o.ctx);
	ck_ch_err(ch_map_sum_up(hc.map, NULL, CH_SUM_ZERO, &sums), STOP);
	hc_close(&hc);
}
END_TEST

START_TEST(broken_sums_make_noise)
{
	struct ch_map_invariant invariants[CH_MAP_INVARIANTS];
	struct corewriter *w = hc_writer();
	struct ch_map_sums sums;
	struct heapcore hc;
	size_t i, broken = 0;

	cw_load(w, 0x10000, PAGE, PF_R | PF_W, NULL, PAGE);
	hc = hc_open_map_take(w);
	sums = must_close(&hc);
	sums.busy.total_bytes += PAGE;
	ch_map_check(hc.map, &sums, invariants);
	for (i = 0; i < CH_MAP_INVARIANTS; i++)
		broken += !invariants[i].ok;
	/* all but the protect table and the list of regions */
	ck_assert_uint_eq(broken, 6);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "map-invariant"));
	ck_assert(!ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

/* ---- filters ---- */

static bool passes(const struct ch_region *region, const char *text, bool windbg)
{
	struct ch_region_filter filter = { .windbg = windbg };

	ck_ch_ok(ch_region_filter_add(&filter, text));
	return ch_region_matches(region, &filter);
}

START_TEST(filters)
{
	const struct ch_region data = { .usage = CH_USAGE_LIB,
					.type = CH_MEMTYPE_IMAGE,
					.state = CH_STATE_COMMIT,
					.prot = CH_SEGMENT_READ | CH_SEGMENT_WRITE,
					.flags = CH_REGION_PRIVATE_FILE };
	const struct ch_region guard = { .usage = CH_USAGE_GUARD,
					 .type = CH_MEMTYPE_PRIVATE,
					 .state = CH_STATE_RESERVE,
					 .flags = CH_REGION_GUARD };
	const struct ch_region gap = { .usage = CH_USAGE_FREE };
	static const struct {
		const char *text;
		bool data, data_windbg, guard, gap;
	} rows[] = {
		{ "image", true, true, false, false },
		{ "LIB", true, true, false, false },
		{ "exe,bss", false, false, false, false },
		{ "stack", false, false, true, false },
		{ "guard,Image", true, true, true, false },
		{ "Free", false, false, false, true },
		{ "var", false, false, false, false },
		{ "MEM_IMAGE,MEM_PRIVATE", true, true, true, false },
		{ "mem_commit", true, true, false, false },
		{ "MEM_FREE", false, false, false, true },
		{ "image,mem_reserve", false, false, false, false },
		{ "PAGE_READWRITE", true, false, false, false },
		{ "PAGE_WRITECOPY", false, true, false, false },
		{ "rw-", true, true, false, false },
		{ "PAGE_NOACCESS", false, false, true, false },
		{ "page_guard", false, false, true, false },
		{ "PAGE_NOCACHE", false, false, false, false },
		{ "csr", false, false, false, false },
		{ "csr,image", true, true, false, false },
	};
	struct ch_region_filter filter = { .usage = 0 };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++) {
		ck_assert_msg(passes(&data, rows[i].text, false) == rows[i].data, "%s: data",
			      rows[i].text);
		ck_assert_msg(passes(&data, rows[i].text, true) == rows[i].data_windbg,
			      "%s: data, WinDbg", rows[i].text);
		ck_assert_msg(passes(&guard, rows[i].text, false) == rows[i].guard, "%s: guard",
			      rows[i].text);
		ck_assert_msg(passes(&gap, rows[i].text, false) == rows[i].gap, "%s: gap",
			      rows[i].text);
	}
	ck_assert(ch_region_matches(&data, &filter) && ch_region_matches(&gap, &filter));
	ck_ch_err(ch_region_filter_add(&filter, "heap,,stack"), ARG);
	ck_ch_err(ch_region_filter_add(&filter, ""), ARG);
	ck_ch_err(ch_region_filter_add(&filter, "heap stack"), ARG);
	/* a filter that failed is as it was */
	ck_assert_uint_eq(filter.usage, 0);
}
END_TEST

Suite *suite_map(void)
{
	Suite *suite = suite_create("map");
	TCase *cases = tcase_create("map");

	tcase_add_test(cases, gaps_are_free);
	tcase_add_test(cases, empty_core_is_free);
	tcase_add_test(cases, space_of_57_bits);
	tcase_add_test(cases, beyond_the_space);
	tcase_add_test(cases, states);
	tcase_add_test(cases, names_of_the_kernel);
	tcase_add_test(cases, gcore_reserve);
	tcase_add_test(cases, truncated_bytes_are_lost);
	tcase_add_test(cases, bss_is_cut);
	tcase_add_test(cases, files_join_by_offset);
	tcase_add_test(cases, vdso_and_vvar);
	tcase_add_test(cases, vdso_alone);
	tcase_add_test(cases, thread_stack);
	tcase_add_test(cases, cached_stacks);
	tcase_add_test(cases, cached_stack_with_absent_end);
	tcase_add_test(cases, heap_before_program_stack);
	tcase_add_test(cases, overflowed_stacks);
	tcase_add_test(cases, stack_pointer_elsewhere);
	tcase_add_test(cases, main_stack);
	tcase_add_test(cases, many_claims_meet);
	tcase_add_test(cases, claims_by_precedence);
	tcase_add_loop_test(cases, claims_against_a_byte_map, 0, 8);
	tcase_add_test(cases, createdump_page_runs);
	tcase_add_test(cases, createdump_stack_of_runs);
	tcase_add_test(cases, zero_pages);
	tcase_add_test(cases, broken_sums_make_noise);
	tcase_add_test(cases, filters);
	suite_add_tcase(suite, cases);
	return suite;
}
