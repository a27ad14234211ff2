/*
 * Modules of cores without NT_FILE: which ELF headers in memory are modules,
 * where their names come from, and that the map then agrees with the list.
 */
#include <coreheap/map.h>
#include <coreheap/sym.h>

#include <elf.h>
#include <stddef.h>
#include <string.h>

#include "support/ck.h"
#include "support/opencore.h"

#define PAGE  4096ULL
#define EXE   0x400000ULL
#define LIB   0x7f0000000000ULL
#define OTHER 0x7f0000100000ULL
#define LINKS 0x500000ULL

/* Headers and code in one page, data in the next one, then two pages of bss. */
struct image {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[3];
	Elf64_Dyn dynamic[4];
	char name[32];
	uint8_t rest[PAGE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 4 * sizeof(Elf64_Dyn) -
		     32];
};

_Static_assert(sizeof(struct image) == PAGE, "one page");

static struct image make_image(uint64_t bias, const char *soname, uint64_t debug)
{
	const uint64_t dynamic = offsetof(struct image, dynamic);
	struct image image = {
		.ehdr = { .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_phoff = offsetof(struct image, phdrs),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3 },
		.phdrs = { { .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_filesz = PAGE,
			     .p_memsz = PAGE,
			     .p_align = PAGE },
			   { .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_W,
			     .p_offset = PAGE,
			     .p_vaddr = PAGE,
			     .p_filesz = PAGE,
			     .p_memsz = 3 * PAGE,
			     .p_align = PAGE },
			   { .p_type = PT_DYNAMIC,
			     .p_flags = PF_R,
			     .p_offset = dynamic,
			     .p_vaddr = dynamic,
			     .p_filesz = sizeof(image.dynamic),
			     .p_memsz = sizeof(image.dynamic),
			     .p_align = 8 } },
		.dynamic = { { DT_STRTAB, { bias + offsetof(struct image, name) } },
			     { soname ? DT_SONAME : DT_DEBUG, { soname ? 0 : debug } } },
	};

	memcpy(image.ehdr.e_ident, ELFMAG, SELFMAG);
	image.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	image.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	if (soname)
		memcpy(image.name, soname, strlen(soname));
	return image;
}

/* An image as the kernel maps it; with_headers: its first page is in the core. */
static void load(struct corewriter *w, uint64_t at, const struct image *image, bool with_headers)
{
	cw_load(w, at, PAGE, PF_R | PF_X, image, with_headers ? PAGE : 0);
	cw_load(w, at + PAGE, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, at + 2 * PAGE, 2 * PAGE, PF_R | PF_W, NULL, 2 * PAGE);
}

struct session {
	struct opened o;
	struct ch_sym *sym;
	const struct ch_module *modules;
	size_t count;
};

static struct session open_take(struct corewriter *w)
{
	struct session s = { .o = oc_must_open_take(w) };

	ck_ch_ok(ch_sym_open(s.o.core, NULL, &s.sym));
	s.modules = ch_sym_modules(s.sym, &s.count);
	return s;
}

static void close_session(struct session *s)
{
	ch_sym_close(s->sym);
	oc_close(&s->o);
}

static struct corewriter *new_core(void)
{
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);

	cw_prstatus(w, 100, 0, regs, 27);
	cw_prpsinfo(w, 100, 1, "program", "program");
	return w;
}

START_TEST(headers_in_segments_are_modules)
{
	struct image exe = make_image(EXE, NULL, 0), lib = make_image(LIB, "libx.so.1", 0);
	struct image vdso = make_image(OTHER, "linux-vdso.so.1", 0);
	struct corewriter *w = new_core();
	const struct ch_file_map *maps;
	struct session s;
	size_t count;

	load(w, EXE, &exe, true);
	load(w, LIB, &lib, true);
	cw_load(w, OTHER, PAGE, PF_R | PF_X, &vdso, PAGE);
	s = open_take(w);
	ck_assert_uint_eq(s.count, 3);
	ck_assert_int_eq(s.modules[0].kind, CH_MODULE_EXE);
	ck_assert_str_eq(s.modules[0].path, "program");
	ck_assert_str_eq(s.modules[1].path, "libx.so.1");
	ck_assert_str_eq(s.modules[1].basis, "ELF headers");
	ck_assert_int_eq(s.modules[1].kind, CH_MODULE_LIB);
	ck_assert_uint_eq(s.modules[1].end, LIB + 4 * PAGE);
	ck_assert_uint_eq(s.modules[1].mapped_bytes, 4 * PAGE);
	ck_assert_int_eq(s.modules[2].kind, CH_MODULE_VDSO);
	ck_assert_str_eq(s.modules[2].path, "[vdso]");
	ck_assert_ptr_nonnull(oc_finding(&s.o, "file-note-missing"));
	ck_assert(ch_context_complete(s.o.ctx));
	/* what the files' mappings must have been, while the session lives */
	maps = ch_core_file_maps(s.o.core, &count);
	ck_assert_uint_eq(count, 4);
	ck_assert(maps[2].derived && maps[2].start == LIB && maps[2].end == LIB + PAGE);
	ck_assert_uint_eq(maps[2].off, 0);
	ck_assert_uint_eq(maps[3].start, LIB + PAGE);
	ck_assert_uint_eq(maps[3].end, LIB + 2 * PAGE);
	ck_assert_uint_eq(maps[3].off, PAGE);
	ch_sym_close(s.sym);
	ch_core_file_maps(s.o.core, &count);
	ck_assert_uint_eq(count, 0);
	oc_close(&s.o);
}
END_TEST

/* The map calls an image what the list of modules has, and nothing else. */
START_TEST(the_map_has_the_modules_of_the_list)
{
	static const struct {
		uint64_t at;
		enum ch_usage usage;
	} rows[] = { { LIB, CH_USAGE_LIB },
		     { LIB + PAGE, CH_USAGE_LIB },
		     { LIB + 2 * PAGE, CH_USAGE_BSS },
		     { LIB + 4 * PAGE, CH_USAGE_ANON },
		     { EXE, CH_USAGE_EXE } };
	struct image exe = make_image(EXE, NULL, 0), lib = make_image(LIB, "libx.so.1", 0);
	struct corewriter *w = new_core();
	const struct ch_region *region;
	struct ch_map *map;
	struct session s;
	size_t i;

	load(w, EXE, &exe, true);
	load(w, LIB, &lib, true);
	cw_load(w, LIB + 4 * PAGE, PAGE, PF_R | PF_W, NULL, PAGE);
	s = open_take(w);
	ck_ch_ok(ch_map_create(s.o.core, s.sym, &map));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		region = ch_map_region_at(map, rows[i].at);
		ck_assert_int_eq(region->usage, rows[i].usage);
		ck_assert_int_ne(region->basis, CH_BASIS_RECORDED);
	}
	ch_map_destroy(map);
	close_session(&s);
}
END_TEST

/* Files that were read or mapped as data, and copies inside of an image. */
START_TEST(data_is_no_module)
{
	struct image lib = make_image(LIB, "libx.so.1", 0), copy = make_image(OTHER, "copy.so", 0);
	struct corewriter *w = new_core();
	struct session s;

	cw_load(w, LIB, PAGE, PF_R | PF_X, &lib, PAGE);
	/* in the data of a module */
	cw_load(w, LIB + PAGE, PAGE, PF_R | PF_X, &copy, PAGE);
	/* mapped in one piece to be read; in a buffer */
	cw_load(w, OTHER, 4 * PAGE, PF_R, &copy, PAGE);
	cw_load(w, OTHER + 8 * PAGE, 4 * PAGE, PF_R | PF_W, &copy, PAGE);
	/* at an address that no loader uses */
	cw_load(w, OTHER + 16 * PAGE + 64, 2 * PAGE, PF_R | PF_X, &copy, PAGE);
	s = open_take(w);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_str_eq(s.modules[0].path, "libx.so.1");
	close_session(&s);
}
END_TEST

struct link_map {
	uint64_t addr, name, dynamic, next, prev;
};

/* At LINKS: two struct r_debug, entries at 0x100 + 0x40 * i, names at 0x800. */
static void add_links(struct corewriter *w, const struct link_map *maps, size_t count,
		      uint32_t version)
{
	static const char names[] = "\0/lib/libx.so.1\0/lib/libother.so";
	uint64_t first = LINKS + 0x100, second = LINKS + 0x80, last;
	uint8_t page[PAGE] = { 0 };
	size_t i;

	memcpy(page, &version, 4);
	memcpy(page + 8, &first, 8);
	memcpy(page + 40, &second, 8);
	memcpy(page + 0x80, &version, 4);
	last = LINKS + 0x100 + 0x40 * (count - 1);
	memcpy(page + 0x88, &last, 8);
	for (i = 0; i < count; i++)
		memcpy(page + 0x100 + 0x40 * i, &maps[i], sizeof(maps[i]));
	memcpy(page + 0x800, names, sizeof(names));
	cw_load(w, LINKS, PAGE, PF_R | PF_W, page, PAGE);
}

#define DYNAMIC(base) ((base) + offsetof(struct image, dynamic))

/* The linker's names, also those of another namespace (dlmopen) from version 2 on. */
START_TEST(the_link_map_names_images)
{
	const struct link_map maps[] = {
		{ EXE, LINKS + 0x800, DYNAMIC(EXE), LINKS + 0x140, 0 },
		{ LIB, LINKS + 0x801, DYNAMIC(LIB), 0, LINKS + 0x100 },
		{ OTHER, LINKS + 0x810, DYNAMIC(OTHER), 0, 0 },
	};
	struct image exe = make_image(EXE, NULL, LINKS), lib = make_image(LIB, "libx.so.1", 0),
		     other = make_image(OTHER, "libsoname.so", 0);
	struct corewriter *w = new_core();
	struct session s;

	load(w, EXE, &exe, true);
	load(w, LIB, &lib, true);
	load(w, OTHER, &other, true);
	add_links(w, maps, 3, _i ? 2 : 1);
	s = open_take(w);
	ck_assert_uint_eq(s.count, 3);
	ck_assert_str_eq(s.modules[0].path, "program");
	ck_assert_uint_eq(s.modules[0].link_map, LINKS + 0x100);
	ck_assert_str_eq(s.modules[1].path, "/lib/libx.so.1");
	ck_assert_str_eq(s.modules[1].name, "libx.so.1");
	ck_assert_str_eq(s.modules[2].path, _i ? "/lib/libother.so" : "libsoname.so");
	ck_assert_ptr_null(oc_finding(&s.o, "link-map-damaged"));
	close_session(&s);
}
END_TEST

/* Namespaces that lead to each other for ever. */
START_TEST(namespaces_in_a_ring_end)
{
	const struct link_map maps[] = { { EXE, LINKS + 0x800, DYNAMIC(EXE), 0, 0 } };
	struct image exe = make_image(EXE, NULL, LINKS);
	struct corewriter *w = new_core();
	uint64_t back = LINKS + 0x80;
	struct session s;

	load(w, EXE, &exe, true);
	add_links(w, maps, 1, 2);
	memcpy(w->segments[w->segments_count - 1].data + 0x80 + 40, &back, 8);
	s = open_take(w);
	ck_assert_uint_eq(s.count, 1);
	close_session(&s);
}
END_TEST

/*
 * No page of headers is in the core, as qemu-user and minidump-2-core leave it:
 * the program's dynamic section is found behind AT_PHDR, libraries by the list.
 */
START_TEST(images_without_headers_come_from_the_link_map)
{
	const uint64_t auxv[][2] = { { AT_PHDR, EXE + 64 }, { AT_PHNUM, 3 } };
	const struct link_map maps[] = {
		{ EXE, LINKS + 0x800, EXE + PAGE, LINKS + 0x140, 0 },
		{ LIB, LINKS + 0x801, LIB + PAGE, 0, LINKS + 0x100 },
	};
	const Elf64_Dyn dynamic[] = { { DT_STRTAB, { 0 } }, { DT_DEBUG, { LINKS } }, { 0, { 0 } } };
	struct image image = make_image(0, NULL, 0);
	struct corewriter *w = new_core();
	const struct ch_region *region;
	struct ch_map *map;
	struct session s;

	load(w, EXE, &image, false);
	memcpy(w->segments[1].data, dynamic, sizeof(dynamic));
	load(w, LIB, &image, false);
	add_links(w, maps, 2, 1);
	if (_i == 1) /* a list that does not lead back is none */
		memset(w->segments[w->segments_count - 1].data + 0x110, 0, 8);
	cw_auxv(w, auxv, 2);
	s = open_take(w);
	if (_i == 1) {
		ck_assert_uint_eq(s.count, 0);
		close_session(&s);
		return;
	}
	ck_assert_uint_eq(s.count, 2);
	ck_assert_int_eq(s.modules[0].kind, CH_MODULE_EXE);
	ck_assert_str_eq(s.modules[0].path, "program");
	ck_assert_str_eq(s.modules[1].path, "/lib/libx.so.1");
	ck_assert_str_eq(s.modules[1].basis, "link map");
	ck_assert_uint_eq(s.modules[1].start, LIB);
	ck_assert_uint_eq(s.modules[1].end, LIB + 2 * PAGE);
	ck_assert_uint_eq(s.modules[1].mapped_bytes, 2 * PAGE);
	ck_ch_ok(ch_map_create(s.o.core, s.sym, &map));
	region = ch_map_region_at(map, LIB);
	ck_assert_int_eq(region->usage, CH_USAGE_LIB);
	ck_assert_int_eq(region->basis, CH_BASIS_HEURISTIC);
	ch_map_destroy(map);
	close_session(&s);
}
END_TEST

/* With NT_FILE memory is not searched: an image in memory of nobody is no module. */
START_TEST(a_whole_list_of_files_is_believed)
{
	static const struct cw_file_row row = { EXE, EXE + PAGE, 0, "/bin/exe" };
	struct image exe = make_image(EXE, NULL, 0), lib = make_image(LIB, "libx.so.1", 0);
	struct corewriter *w = new_core();
	struct session s;

	load(w, EXE, &exe, true);
	load(w, LIB, &lib, true);
	cw_file(w, &row, 1);
	s = open_take(w);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_ptr_null(oc_finding(&s.o, "file-note-missing"));
	close_session(&s);
}
END_TEST

Suite *suite_scan(void)
{
	Suite *suite = suite_create("scan");
	TCase *tcase = tcase_create("scan");

	tcase_add_test(tcase, headers_in_segments_are_modules);
	tcase_add_test(tcase, the_map_has_the_modules_of_the_list);
	tcase_add_test(tcase, data_is_no_module);
	tcase_add_loop_test(tcase, the_link_map_names_images, 0, 2);
	tcase_add_test(tcase, namespaces_in_a_ring_end);
	tcase_add_loop_test(tcase, images_without_headers_come_from_the_link_map, 0, 2);
	tcase_add_test(tcase, a_whole_list_of_files_is_believed);
	suite_add_tcase(suite, tcase);
	return suite;
}
