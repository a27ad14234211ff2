/*
 * Modules, symbols and stacks of synthetic cores: what NT_FILE, link map and
 * auxiliary vector say, and what happens when they lie. Programs with real
 * files are in system/modules.py and system/threads.py.
 */
#include <coreheap/sym.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/ck.h"
#include "support/opencore.h"
#include "sym/unwind.h"

#define BASE     0x7f0000000000ULL
#define EXE      0x400000ULL
#define STACK    0x7ffd00000000ULL
#define R_DEBUG  0x500000ULL
#define PAGE     4096ULL
#define X86_REGS 27
#define ARM_REGS 34

/* An ELF image of two pages: headers, notes and tables; then writable data and bss. */
struct image {
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdrs[6];
		struct {
			Elf64_Nhdr head;
			char name[4];
			uint8_t id[20];
		} note;
		Elf64_Dyn dynamic[8];
		uint32_t hash[2];
		Elf64_Sym symbols[6];
		char strings[64];
		uint8_t rest[4096 - 64 - 6 * 56 - 36 - 4 - 8 * 16 - 8 - 6 * 24 - 64];
	} page;
};

_Static_assert(sizeof(((struct image *)0)->page) <= 4096, "one page");

static Elf64_Phdr phdr(uint32_t type, uint32_t flags, uint64_t at, uint64_t filesz, uint64_t memsz)
{
	return (Elf64_Phdr){ .p_type = type,
			     .p_flags = flags,
			     .p_offset = at,
			     .p_vaddr = at,
			     .p_paddr = at,
			     .p_filesz = filesz,
			     .p_memsz = memsz,
			     .p_align = type == PT_LOAD ? PAGE : 8 };
}

#define AT(member) ((uint64_t)offsetof(struct image, page.member))

/* The library at bias: "first" at 0x100 (16 bytes), "asm_label" at 0x200 (no size),
 * "outer" 0x300 (0x100 bytes) with "__inner" and "inner" at 0x340 (16 bytes). */
static struct image make_image(uint16_t machine, uint64_t bias)
{
	static const char strings[] = "\0first\0asm_label\0outer\0__inner\0inner@@V1";
	struct image image = { 0 };

	memcpy(image.page.ehdr.e_ident, ELFMAG, SELFMAG);
	image.page.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	image.page.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	image.page.ehdr.e_type = ET_DYN;
	image.page.ehdr.e_machine = machine;
	image.page.ehdr.e_phoff = AT(phdrs);
	image.page.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	image.page.ehdr.e_phnum = 6;
	image.page.phdrs[0] = phdr(PT_LOAD, PF_R | PF_X, 0, PAGE, PAGE);
	image.page.phdrs[1] = phdr(PT_LOAD, PF_R | PF_W, PAGE, 0x800, 3 * PAGE);
	image.page.phdrs[2] = phdr(PT_NOTE, PF_R, AT(note), sizeof(image.page.note), 36);
	image.page.phdrs[3] =
		phdr(PT_DYNAMIC, PF_R, AT(dynamic), sizeof(image.page.dynamic), 8 * 16);
	image.page.phdrs[4] = phdr(PT_TLS, PF_R, PAGE, 0x10, 0x90);
	image.page.phdrs[5] = phdr(PT_PHDR, PF_R, AT(phdrs), 6 * 56, 6 * 56);
	image.page.note.head = (Elf64_Nhdr){ 4, 20, NT_GNU_BUILD_ID };
	memcpy(image.page.note.name, "GNU", 4);
	memset(image.page.note.id, 0xab, sizeof(image.page.note.id));
	image.page.dynamic[0] = (Elf64_Dyn){ DT_SYMTAB, { bias + AT(symbols) } };
	image.page.dynamic[1] = (Elf64_Dyn){ DT_STRTAB, { bias + AT(strings) } };
	image.page.dynamic[2] = (Elf64_Dyn){ DT_STRSZ, { sizeof(strings) } };
	image.page.dynamic[3] = (Elf64_Dyn){ DT_HASH, { bias + AT(hash) } };
	image.page.dynamic[4] = (Elf64_Dyn){ DT_DEBUG, { R_DEBUG } };
	image.page.hash[1] = 6;
	image.page.symbols[1] =
		(Elf64_Sym){ 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x100, 16 };
	image.page.symbols[2] =
		(Elf64_Sym){ 7, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, 1, 0x200, 0 };
	image.page.symbols[3] =
		(Elf64_Sym){ 17, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x300, 0x100 };
	image.page.symbols[4] =
		(Elf64_Sym){ 23, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x340, 16 };
	image.page.symbols[5] =
		(Elf64_Sym){ 31, ELF64_ST_INFO(STB_WEAK, STT_FUNC), 0, 1, 0x340, 16 };
	memcpy(image.page.strings, strings, sizeof(strings));
	return image;
}

struct session {
	struct opened o;
	struct ch_sym *sym;
	const struct ch_module *modules;
	size_t count;
};

static struct session open_take(struct corewriter *w, const struct ch_sym_options *options)
{
	struct session s = { .o = oc_must_open_take(w) };

	ck_ch_ok(ch_sym_open(s.o.core, options, &s.sym));
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
	static const uint64_t regs[X86_REGS] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);

	cw_prstatus(w, 100, 0, regs, X86_REGS);
	return w;
}

/* The library at BASE, mapped from path in its two segments. */
static void add_library(struct corewriter *w, const struct image *image, const char *path)
{
	const struct cw_file_row rows[] = { { BASE, BASE + PAGE, 0, path },
					    { BASE + PAGE, BASE + 2 * PAGE, PAGE, path } };

	cw_load(w, BASE, PAGE, PF_R | PF_X, image, sizeof(*image));
	cw_load(w, BASE + PAGE, PAGE, PF_R | PF_W, NULL, PAGE);
	cw_load(w, BASE + 2 * PAGE, 2 * PAGE, PF_R | PF_W, NULL, 2 * PAGE);
	cw_file(w, rows, 2);
}

START_TEST(headers_in_memory_describe_a_module)
{
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	struct session s;
	uint8_t id[20];

	add_library(w, &image, "/nonexistent/libx.so.1");
	s = open_take(w, NULL);
	memset(id, 0xab, sizeof(id));
	ck_assert_uint_eq(s.count, 1);
	ck_assert_uint_eq(s.modules[0].start, BASE);
	ck_assert_uint_eq(s.modules[0].end, BASE + 4 * PAGE);
	ck_assert_uint_eq(s.modules[0].bias, BASE);
	ck_assert_uint_eq(s.modules[0].bss_start, BASE + PAGE + 0x800);
	ck_assert_uint_eq(s.modules[0].bss_end, BASE + 4 * PAGE);
	ck_assert_uint_eq(s.modules[0].tls_memsz, 0x90);
	ck_assert_uint_eq(s.modules[0].tls_filesz, 0x10);
	ck_assert_uint_eq(s.modules[0].build_id_len, 20);
	ck_assert_mem_eq(s.modules[0].build_id, id, 20);
	ck_assert_uint_eq(s.modules[0].mapped_bytes, 4 * PAGE);
	ck_assert_str_eq(s.modules[0].name, "libx.so.1");
	ck_assert_str_eq(s.modules[0].basis, "NT_FILE");
	ck_assert_int_eq(s.modules[0].match, CH_MATCH_MISSING);
	ck_assert_ptr_eq(ch_sym_module_at(s.sym, BASE + 4 * PAGE - 1), &s.modules[0]);
	ck_assert_ptr_null(ch_sym_module_at(s.sym, BASE + 4 * PAGE));
	ck_assert_ptr_null(ch_sym_module_at(s.sym, BASE - 1));
	close_session(&s);
}
END_TEST

/* Each symbol ends where its size or its neighbour says; of two names the plain one. */
START_TEST(symbols_come_from_the_dynamic_table_in_memory)
{
	static const struct {
		uint64_t at;
		const char *name;
		uint64_t start;
	} rows[] = {
		{ 0xff, NULL, 0 },
		{ 0x100, "first", 0x100 },
		{ 0x10f, "first", 0x100 },
		{ 0x110, NULL, 0 },
		{ 0x200, "asm_label", 0x200 },
		{ 0x2ff, "asm_label", 0x200 },
		{ 0x300, "outer", 0x300 },
		{ 0x340, "inner", 0x340 },
		{ 0x34f, "inner", 0x340 },
		{ 0x350, "outer", 0x300 },
		{ 0x3ff, "outer", 0x300 },
		{ 0x400, NULL, 0 },
	};
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	struct ch_symbol symbol;
	struct session s;
	bool found;

	add_library(w, &image, "/nonexistent/libx.so.1");
	s = open_take(w, NULL);
	found = ch_sym_at(s.sym, BASE + rows[_i].at, &symbol);
	ck_assert_msg(found == (rows[_i].name != NULL), "0x%lx", (unsigned long)rows[_i].at);
	if (found) {
		ck_assert_str_eq(symbol.name, rows[_i].name);
		ck_assert_uint_eq(symbol.addr, BASE + rows[_i].start);
		ck_assert_uint_eq(symbol.offset, rows[_i].at - rows[_i].start);
		ck_assert_ptr_eq(symbol.module, &s.modules[0]);
	}
	ck_assert(ch_sym_by_name(s.sym, NULL, "inner", &symbol));
	ck_assert_uint_eq(symbol.addr, BASE + 0x340);
	ck_assert_uint_eq(symbol.size_bytes, 16);
	ck_assert(ch_sym_by_name(s.sym, &s.modules[0], "__inner", &symbol));
	ck_assert(!ch_sym_by_name(s.sym, NULL, "inner@@V1", &symbol));
	ck_assert(!ch_sym_by_name(s.sym, NULL, "inne", &symbol));
	close_session(&s);
}
END_TEST

/* Lies in one image: none may hang or take memory, all leave the module listed. */
static void lie_phnum(struct image *image)
{
	image->page.ehdr.e_phnum = 0xffff;
}
static void lie_phoff(struct image *image)
{
	image->page.ehdr.e_phoff = UINT64_MAX - 8;
}
static void lie_machine(struct image *image)
{
	image->page.ehdr.e_machine = EM_AARCH64;
}
static void lie_memsz(struct image *image)
{
	image->page.phdrs[1].p_memsz = UINT64_MAX - 0x10;
}
static void lie_large(struct image *image)
{
	image->page.phdrs[1].p_memsz = 1ULL << 45;
}
static void lie_note(struct image *image)
{
	image->page.note.head = (Elf64_Nhdr){ UINT32_MAX, UINT32_MAX, NT_GNU_BUILD_ID };
}
static void lie_note_size(struct image *image)
{
	image->page.phdrs[2].p_filesz = 1ULL << 40;
	image->page.phdrs[2].p_memsz = 1ULL << 40;
}
static void lie_hash(struct image *image)
{
	image->page.hash[1] = UINT32_MAX;
}
static void lie_strings(struct image *image)
{
	image->page.dynamic[2].d_un.d_val = 1ULL << 60;
}
static void lie_gnu_hash(struct image *image)
{
	/* all zero: no chain of it ever ends */
	image->page.dynamic[3] = (Elf64_Dyn){ DT_GNU_HASH, { BASE + 2 * PAGE } };
}
static void lie_gnu_buckets(struct image *image)
{
	image->page.dynamic[3] = (Elf64_Dyn){ DT_GNU_HASH, { BASE + AT(strings) } };
	memset(image->page.strings, 0x7f, sizeof(image->page.strings));
}
static void lie_symbols(struct image *image)
{
	image->page.dynamic[0].d_un.d_ptr = UINT64_MAX - 16;
}
static void lie_names(struct image *image)
{
	image->page.symbols[1].st_name = UINT32_MAX;
	image->page.symbols[3].st_size = UINT64_MAX;
}

static const struct {
	void (*lie)(struct image *image);
	/* What is still known. */
	bool has_id, has_bss;
} lies[] = {
	{ lie_phnum, false, false },     { lie_phoff, false, false },
	{ lie_machine, false, false },   { lie_memsz, false, false },
	{ lie_large, false, false },     { lie_note, false, true },
	{ lie_note_size, false, true },  { lie_hash, true, true },
	{ lie_strings, true, true },     { lie_gnu_hash, true, true },
	{ lie_gnu_buckets, true, true }, { lie_symbols, true, true },
	{ lie_names, true, true },
};

START_TEST(lying_headers_do_no_harm)
{
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	struct ch_symbol symbol;
	struct session s;

	lies[_i].lie(&image);
	add_library(w, &image, "/nonexistent/libx.so.1");
	s = open_take(w, NULL);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_uint_eq(s.modules[0].start, BASE);
	ck_assert_uint_ge(s.modules[0].end, BASE + 2 * PAGE);
	ck_assert_int_eq(s.modules[0].build_id_len != 0, lies[_i].has_id);
	ck_assert_int_eq(s.modules[0].bss_end != 0, lies[_i].has_bss);
	ch_sym_at(s.sym, BASE + 0x345, &symbol);
	ck_assert(!ch_sym_by_name(s.sym, NULL, "none such", &symbol));
	close_session(&s);
}
END_TEST

/* A module that claims its neighbour's memory is cut where that begins. */
START_TEST(modules_do_not_overlap)
{
	static const struct cw_file_row rows[] = {
		{ BASE, BASE + PAGE, 0, "/nonexistent/liba.so" },
		{ BASE + 2 * PAGE, BASE + 3 * PAGE, 0, "/nonexistent/libb.so" },
	};
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	struct session s;

	cw_load(w, BASE, PAGE, PF_R | PF_X, &image, sizeof(image));
	cw_load(w, BASE + 2 * PAGE, PAGE, PF_R | PF_X, &image, sizeof(image));
	cw_file(w, rows, 2);
	s = open_take(w, NULL);
	ck_assert_uint_eq(s.count, 2);
	ck_assert_uint_eq(s.modules[0].end, BASE + 2 * PAGE);
	ck_assert_uint_le(s.modules[0].bss_end, s.modules[0].end);
	ck_assert_uint_eq(s.modules[1].end, BASE + 6 * PAGE);
	close_session(&s);
}
END_TEST

/* Files that were mapped to be read, and memory without a file, are no modules. */
START_TEST(data_is_no_module)
{
	static const struct cw_file_row rows[] = {
		{ BASE, BASE + 8 * PAGE, 0, "/nonexistent/libread-as-data.so" },
		{ BASE + 16 * PAGE, BASE + 17 * PAGE, 0, "/nonexistent/locale-archive" },
		{ BASE + 32 * PAGE, BASE + 33 * PAGE, 0, "/memfd:jit (deleted)" },
		{ BASE + 48 * PAGE, BASE + 49 * PAGE, 0, "/dev/zero (deleted)" },
	};
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	struct session s;

	cw_load(w, BASE, 8 * PAGE, PF_R, &image, sizeof(image));
	cw_load(w, BASE + 16 * PAGE, PAGE, PF_R, NULL, 0);
	cw_load(w, BASE + 32 * PAGE, PAGE, PF_R | PF_X, NULL, 0);
	cw_load(w, BASE + 48 * PAGE, PAGE, PF_R | PF_X, NULL, PAGE);
	cw_file(w, rows, 4);
	s = open_take(w, NULL);
	ck_assert_uint_eq(s.count, 0);
	close_session(&s);
}
END_TEST

START_TEST(damaged_library_is_listed_and_reported)
{
	static const struct cw_file_row row = { BASE, BASE + PAGE, 0, "/nonexistent/libx.so.1" };
	struct corewriter *w = new_core();
	struct session s;

	cw_load(w, BASE, PAGE, PF_R | PF_X, NULL, PAGE);
	cw_file(w, &row, 1);
	s = open_take(w, NULL);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_ptr_nonnull(oc_finding(&s.o, "module-damaged"));
	ck_assert(!ch_context_complete(s.o.ctx));
	close_session(&s);
}
END_TEST

/* DOS header, PE signature, COFF header, optional header of PE32+. */
static void make_pe(uint8_t *page, uint32_t timestamp)
{
	memcpy(page, "MZ", 2);
	page[0x3c] = 0x80;
	memcpy(page + 0x80, "PE\0\0", 4);
	memcpy(page + 0x80 + 4 + 4, &timestamp, 4);
	page[0x80 + 4 + 16] = 0xf0;
	memcpy(page + 0x80 + 24, "\x0b\x02", 2);
	page[0x80 + 24 + 57] = 0x40;
}

/* A file on disk with the same time stamp is the managed assembly, another is not. */
START_TEST(pe_images_are_matched_by_time_stamp)
{
	const char *path = cw_temp_path("assembly.dll");
	struct cw_file_row row = { BASE, BASE + PAGE, 0, path };
	uint8_t page[PAGE] = { 0 }, other[PAGE] = { 0 };
	struct corewriter *w = new_core();
	struct session s;

	make_pe(page, 0x12345678);
	make_pe(other, _i ? 0x12345679 : 0x12345678);
	cw_write_bytes(path, other, sizeof(other));
	cw_load(w, BASE, PAGE, PF_R, page, sizeof(page));
	cw_file(w, &row, 1);
	s = open_take(w, NULL);
	unlink(path);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_int_eq(s.modules[0].kind, CH_MODULE_PE);
	ck_assert_int_eq(s.modules[0].match, _i ? CH_MATCH_MISMATCHED : CH_MATCH_MATCHED);
	ck_assert_int_eq(oc_finding(&s.o, "build-id-mismatch") != NULL, _i);
	close_session(&s);
}
END_TEST

/* The file lends bytes that the core left out, while the session lives and no longer. */
START_TEST(matched_file_lends_absent_bytes)
{
	const char *path = cw_temp_path("libx.so.1");
	struct image image = make_image(EM_X86_64, 0);
	struct corewriter *w = new_core();
	const struct cw_file_row rows[] = { { BASE, BASE + 2 * PAGE, 0, path },
					    { BASE + 2 * PAGE, BASE + 3 * PAGE, 2 * PAGE, path } };
	uint8_t file[3 * 4096], byte = 0;
	struct session s;

	/* text of two pages, of which the core has the first; then written data */
	image.page.phdrs[0] = phdr(PT_LOAD, PF_R | PF_X, 0, 2 * PAGE, 2 * PAGE);
	image.page.phdrs[1] = phdr(PT_LOAD, PF_R | PF_W, 2 * PAGE, PAGE, PAGE);
	memset(file, 'f', sizeof(file));
	memcpy(file, &image, sizeof(image));
	if (_i) /* another build-id */
		file[AT(note.id)] ^= 1;
	cw_write_bytes(path, file, sizeof(file));
	cw_load(w, BASE, 2 * PAGE, PF_R | PF_X, &image, sizeof(image));
	/* RELRO: no longer writable, but not what the file holds */
	cw_load(w, BASE + 2 * PAGE, PAGE, PF_R, NULL, 0);
	cw_file(w, rows, 2);
	s = open_take(w, NULL);
	unlink(path);
	ck_assert_int_eq(s.modules[0].match, _i ? CH_MATCH_MISMATCHED : CH_MATCH_MATCHED);
	ck_assert_int_eq(ch_core_try_read(s.o.core, BASE + PAGE, &byte, 1), !_i);
	ck_assert_uint_eq(byte, _i ? 0 : 'f');
	ck_assert(!ch_core_try_read(s.o.core, BASE + 2 * PAGE, &byte, 1));
	ch_sym_close(s.sym);
	ck_assert(!ch_core_try_read(s.o.core, BASE + PAGE, &byte, 1));
	oc_close(&s.o);
}
END_TEST

/* Without build-id in the core: what the linker writes may differ, all else may not. */
static const struct {
	/* Changes of an entry of the file's dynamic section, by adding. */
	int64_t tag, value;
	uint32_t entry;
	/* The core has the first page. */
	bool with_headers;
	enum ch_module_match match;
} likely[] = {
	{ 0, 0, 0, true, CH_MATCH_LIKELY },      { 0, 0, 0, false, CH_MATCH_LIKELY },
	{ 0, 8, 0, false, CH_MATCH_MISMATCHED }, { 0, 8, 2, true, CH_MATCH_MISMATCHED },
	{ 1, 0, 2, false, CH_MATCH_MISMATCHED }, { 0, 1, 4, false, CH_MATCH_LIKELY }, /* DT_DEBUG */
};

START_TEST(dynamic_section_stands_in_for_build_id)
{
	const char *path = cw_temp_path("libx.so.1");
	struct image memory = make_image(EM_X86_64, BASE), file = make_image(EM_X86_64, 0);
	const struct cw_file_row rows[] = { { BASE, BASE + PAGE, 0, path },
					    { BASE + PAGE, BASE + 2 * PAGE, PAGE, path } };
	struct corewriter *w = new_core();
	struct image *images[] = { &memory, &file };
	uint8_t bytes[2 * 4096] = { 0 }, data[4096] = { 0 };
	Elf64_Dyn dynamic[10];
	uint64_t i, k, byte;
	struct session s;

	/* nine entries in the data page, where a filter of 0x23 keeps them */
	for (i = 0; i < 2; i++) {
		images[i]->page.phdrs[2].p_type = PT_NULL;
		images[i]->page.phdrs[3] =
			phdr(PT_DYNAMIC, PF_R | PF_W, PAGE, sizeof(dynamic), sizeof(dynamic));
		memcpy(dynamic, images[i]->page.dynamic, 5 * sizeof(dynamic[0]));
		for (k = 5; k < 9; k++)
			dynamic[k] = (Elf64_Dyn){ DT_RELACOUNT, { k } };
		dynamic[9] = (Elf64_Dyn){ DT_NULL, { 0 } };
		if (i == 0)
			memcpy(data, dynamic, sizeof(dynamic));
	}
	dynamic[likely[_i].entry].d_tag += likely[_i].tag;
	dynamic[likely[_i].entry].d_un.d_val += (uint64_t)likely[_i].value;
	memcpy(bytes, &file, sizeof(file));
	memcpy(bytes + PAGE, dynamic, sizeof(dynamic));
	cw_write_bytes(path, bytes, sizeof(bytes));
	cw_load(w, BASE, PAGE, PF_R | PF_X, &memory, likely[_i].with_headers ? sizeof(memory) : 0);
	cw_load(w, BASE + PAGE, PAGE, PF_R | PF_W, data, sizeof(data));
	cw_file(w, rows, 2);
	s = open_take(w, NULL);
	unlink(path);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_int_eq(s.modules[0].match, likely[_i].match);
	ck_assert_uint_eq(s.modules[0].build_id_len, 0);
	/* such a file is trusted with names, not with bytes */
	ck_assert_int_eq(ch_core_read_u64(s.o.core, BASE, &byte), likely[_i].with_headers);
	close_session(&s);
}
END_TEST

/* A path in the core may name anything; nothing but a regular file is opened. */
START_TEST(special_files_are_passed_over)
{
	const char *path = cw_temp_path("libfifo.so");
	struct image image = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct inotify_event event;
	struct session s;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_ge(inotify_add_watch(watch, path, IN_OPEN), 0);
	add_library(w, &image, path);
	s = open_take(w, NULL);
	unlink(path);
	ck_assert_int_eq(s.modules[0].match, CH_MATCH_MISSING);
	/* Opening some devices does something: it was not opened and closed again either. */
	ck_assert_int_eq(read(watch, &event, sizeof(event)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(watch);
	close_session(&s);
}
END_TEST

struct link_map {
	uint64_t addr, name, ld, next;
};

/* An executable at EXE with AT_PHDR and DT_DEBUG; the list starts at R_DEBUG + 0x100. */
static struct corewriter *linked_core(const struct link_map *maps, size_t count, const char *names)
{
	static const struct cw_file_row row = { EXE, EXE + PAGE, 0, "/nonexistent/exe" };
	const uint64_t auxv[][2] = { { AT_PHDR, EXE + AT(phdrs) }, { AT_PHNUM, 6 } };
	struct image exe = make_image(EM_X86_64, EXE), lib = make_image(EM_X86_64, BASE);
	struct corewriter *w = new_core();
	uint8_t page[PAGE] = { 0 };
	uint64_t first = R_DEBUG + 0x100;

	memcpy(page + 8, &first, sizeof(first));
	memcpy(page + 0x100, maps, count * sizeof(*maps));
	memcpy(page + 0x800, names, 64);
	cw_load(w, EXE, PAGE, PF_R | PF_X, &exe, sizeof(exe));
	cw_load(w, R_DEBUG, PAGE, PF_R | PF_W, page, sizeof(page));
	cw_load(w, BASE, PAGE, PF_R | PF_X, &lib, sizeof(lib));
	cw_auxv(w, auxv, 2);
	cw_file(w, &row, 1);
	return w;
}

static const char names[64] = "\0/nonexistent/liblinked.so";

START_TEST(link_map_adds_what_nt_file_lacks)
{
	const struct link_map maps[] = {
		{ EXE, R_DEBUG + 0x800, EXE + AT(dynamic), R_DEBUG + 0x120 },
		{ BASE, R_DEBUG + 0x801, BASE + AT(dynamic), 0 },
	};
	struct session s = open_take(linked_core(maps, 2, names), NULL);

	ck_assert_uint_eq(s.count, 2);
	ck_assert_int_eq(s.modules[0].kind, CH_MODULE_EXE);
	ck_assert_uint_eq(s.modules[0].link_map, R_DEBUG + 0x100);
	ck_assert_str_eq(s.modules[1].path, "/nonexistent/liblinked.so");
	ck_assert_str_eq(s.modules[1].basis, "link map");
	ck_assert_uint_eq(s.modules[1].build_id_len, 20);
	ck_assert_ptr_null(oc_finding(&s.o, "link-map-damaged"));
	close_session(&s);
}
END_TEST

/* Lists that go round, lead nowhere, or into themselves. */
START_TEST(damaged_link_map_ends)
{
	const struct link_map maps[][3] = {
		{ { EXE, R_DEBUG + 0x800, EXE + AT(dynamic), R_DEBUG + 0x100 } },
		{ { EXE, R_DEBUG + 0x800, EXE + AT(dynamic), R_DEBUG + 0x120 },
		  { BASE, R_DEBUG + 0x801, BASE + AT(dynamic), R_DEBUG + 0x140 },
		  { BASE, R_DEBUG + 0x801, BASE + AT(dynamic), R_DEBUG + 0x120 } },
		{ { EXE, R_DEBUG + 0x800, EXE + AT(dynamic), 0xdead0000 } },
		{ { EXE, R_DEBUG + 0x800, EXE + AT(dynamic), UINT64_MAX - 4 } },
	};
	struct session s = open_take(linked_core(maps[_i], 3, names), NULL);

	ck_assert_uint_eq(s.count, _i == 1 ? 2 : 1);
	ck_assert_ptr_nonnull(oc_finding(&s.o, "link-map-damaged"));
	/* noticed by the cycle, not by a limit */
	ck_assert_ptr_null(strstr(oc_finding(&s.o, "link-map-damaged")->message, "65536"));
	close_session(&s);
}
END_TEST

/* Without NT_FILE: the executable by AT_PHDR, its name by AT_EXECFN. */
START_TEST(auxv_names_the_executable)
{
	const uint64_t auxv[][2] = { { AT_PHDR, EXE + AT(phdrs) },
				     { AT_PHNUM, 6 },
				     { AT_EXECFN, STACK } };
	struct image exe = make_image(EM_X86_64, EXE);
	struct corewriter *w = new_core();
	struct session s;

	cw_load(w, EXE, PAGE, PF_R | PF_X, &exe, sizeof(exe));
	cw_load(w, STACK, PAGE, PF_R | PF_W, "/nonexistent/exe", 17);
	cw_auxv(w, auxv, 3);
	s = open_take(w, NULL);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_str_eq(s.modules[0].path, "/nonexistent/exe");
	ck_assert_str_eq(s.modules[0].basis, "ELF headers");
	ck_assert_int_eq(s.modules[0].kind, CH_MODULE_EXE);
	close_session(&s);
}
END_TEST

#define CODE     0x600000ULL
#define NO_CALLS 0x800

/*
 * Code at CODE without any unwind data and a stack of frame records; calls
 * end before each return address.
 */
static struct session open_stack(uint16_t machine, const uint64_t *words, size_t count, uint64_t pc,
				 uint64_t fp)
{
	bool arm = machine == EM_AARCH64;
	struct corewriter *w = cw_create(machine);
	uint64_t regs[ARM_REGS] = { 0 };
	uint8_t code[PAGE];

	/* E8: "call" in front of every address, as far as x86-64 is concerned;
	 * then a part where nothing is called */
	memset(code, 0xe8, NO_CALLS);
	memset(code + NO_CALLS, 0x90, sizeof(code) - NO_CALLS);
	regs[arm ? 32 : 16] = pc;
	regs[arm ? 31 : 19] = STACK;
	regs[arm ? 29 : 4] = fp;
	regs[arm ? 30 : 0] = arm ? CODE + 0x80 : 0;
	cw_prstatus(w, 100, 0, regs, arm ? ARM_REGS : X86_REGS);
	cw_load(w, CODE, PAGE, PF_R | PF_X, code, sizeof(code));
	cw_load(w, STACK, PAGE, PF_R | PF_W, words, count * 8);
	return open_take(w, NULL);
}

static size_t unwind(struct session *s, struct ch_frame *frames, size_t max, const char **end)
{
	size_t count = 0;

	ck_ch_ok(ch_sym_unwind(s->sym, 0, frames, max, &count, end));
	ck_assert_uint_ge(count, 1);
	ck_assert_uint_le(count, max);
	ck_assert_int_eq(frames[0].basis, CH_FRAME_REGS);
	return count;
}

static const uint16_t machines[] = { EM_X86_64, EM_AARCH64 };

START_TEST(frame_pointers_are_followed)
{
	static const uint64_t words[] = {
		0, 0, STACK + 0x30, CODE + 0x100, 0, 0, STACK + 0x50, CODE + 0x200, 0,
		0, 0, CODE + 0x300,
	};
	struct session s = open_stack(machines[_i], words, 12, CODE + 0x10, STACK + 0x10);
	struct ch_frame frames[16];
	const char *end;

	ck_assert_uint_eq(unwind(&s, frames, 16, &end), 4);
	ck_assert_uint_eq(frames[0].pc, CODE + 0x10);
	ck_assert_uint_eq(frames[1].pc, CODE + 0x100);
	ck_assert_uint_eq(frames[1].sp, STACK + 0x20);
	ck_assert_uint_eq(frames[2].pc, CODE + 0x200);
	ck_assert_uint_eq(frames[3].pc, CODE + 0x300);
	ck_assert_int_eq(frames[3].basis, CH_FRAME_FP);
	ck_assert_str_eq(end, "end of the frame pointer chain");
	ck_assert_uint_eq(unwind(&s, frames, 2, &end), 2);
	ck_assert_str_eq(end, "limit of frames");
	close_session(&s);
}
END_TEST

/* Signed return addresses (PAC) lose their upper bits. */
START_TEST(signed_return_addresses_are_stripped)
{
	static const uint64_t words[] = { 0, 0, 0, (0x2bULL << 48) | (CODE + 0x100) };
	struct session s = open_stack(EM_AARCH64, words, 4, CODE + 0x10, STACK + 0x10);
	struct ch_frame frames[4];
	const char *end;

	ck_assert_uint_eq(unwind(&s, frames, 4, &end), 2);
	ck_assert_uint_eq(frames[1].pc, CODE + 0x100);
	close_session(&s);
}
END_TEST

/* Chains that lead down, round, out of the stack, or to data. */
START_TEST(wild_frame_pointers_end_the_walk)
{
	static const struct {
		uint64_t words[4], fp;
	} rows[] = {
		{ { STACK, CODE + 0x100 }, STACK },
		{ { STACK - 0x100, CODE + 0x100 }, STACK },
		{ { UINT64_MAX - 7, CODE + 0x100 }, STACK },
		{ { STACK + 0x10, CODE + 0x100, 0, STACK }, STACK },
		{ { STACK + 3, CODE + 0x100 }, STACK },
		{ { STACK + (1ULL << 40), CODE + 0x100 }, STACK },
		{ { STACK + 4096 - 8, CODE + 0x100 }, STACK },
	};
	struct session s =
		open_stack(machines[_i % 2], rows[_i / 2].words, 4, CODE + 0x10, rows[_i / 2].fp);
	struct ch_frame frames[64];
	const char *end;

	ck_assert_uint_eq(unwind(&s, frames, 64, &end), 2);
	ck_assert_str_ne(end, "limit of frames");
	ck_assert_str_ne(end, "end of stack");
	close_session(&s);
}
END_TEST

/* pc outside of all code: the call's return address is on the stack, or in x30. */
START_TEST(call_of_a_bad_address_is_stepped_over)
{
	static const uint64_t words[] = { CODE + 0x80, 0 };
	struct session s = open_stack(machines[_i], words, 2, _i ? 8 : 0, 0);
	struct ch_frame frames[4];
	const char *end;

	ck_assert_uint_eq(unwind(&s, frames, 4, &end), 2);
	ck_assert_uint_eq(frames[1].pc, CODE + 0x80);
	ck_assert_int_eq(frames[1].basis, CH_FRAME_CALL);
	ck_assert_uint_eq(frames[1].sp, machines[_i] == EM_X86_64 ? STACK + 8 : STACK);
	close_session(&s);
}
END_TEST

/* Code that no call precedes is no return address; on aarch64 that is not looked at. */
START_TEST(return_addresses_follow_calls)
{
	static const uint64_t words[] = { STACK + 0x20, CODE + NO_CALLS + 0x100, 0, 0, 0, 0 };
	struct session s = open_stack(machines[_i], words, 6, CODE + 0x10, STACK);
	struct ch_frame frames[4];
	const char *end;

	ck_assert_uint_eq(unwind(&s, frames, 4, &end), _i ? 2 : 1);
	close_session(&s);
}
END_TEST

START_TEST(unwinding_checks_its_arguments)
{
	struct session s = open_stack(EM_X86_64, NULL, 0, CODE, 0);
	struct ch_frame frames[1];
	const char *end;
	size_t count;

	ck_ch_err(ch_sym_unwind(s.sym, 1, frames, 1, &count, &end), ARG);
	ck_ch_err(ch_sym_unwind(s.sym, 0, frames, 0, &count, &end), ARG);
	close_session(&s);
}
END_TEST

/* A runtime that knows callers by the address of their callee. */
struct callers {
	struct ch_frame_regs rows[6];
	size_t count, asked;
};

static bool give_caller(void *arg, const struct ch_frame_regs *frame, struct ch_frame_regs *ret)
{
	struct callers *callers = arg;
	uint64_t index = (frame->pc - CODE) / 0x10;

	ck_assert_int_eq(frame->activation, callers->asked++ == 0);
	if (index >= callers->count)
		return false;
	*ret = callers->rows[index];
	return true;
}

static size_t unwind_with(struct session *s, struct callers *callers, struct ch_frame *frames,
			  size_t max)
{
	const struct ch_frame_source source = { .caller = give_caller, .arg = callers };
	struct ch_unwound unwound = { .frames = frames, .max = max };

	ck_ch_ok(chp_sym_unwind_with(s->sym, &source, 0, &unwound));
	ck_assert_ptr_nonnull(unwound.end);
	return unwound.count;
}

/* Frames at CODE, CODE + 0x10 and so on are the runtime's; the rest has frame pointers. */
START_TEST(runtimes_know_further_frames)
{
	static const uint64_t words[] = { [14] = 0, CODE + 0x300 };
	/* the second one takes no stack: once that may be */
	struct callers callers = { { { CODE + 0x10, STACK + 0x20, 1, false, false, false },
				     { CODE + 0x20, STACK + 0x20, 2, false, false, false },
				     { CODE + 0x200, STACK + 0x60, STACK + 0x70, false, false,
				       false } },
				   3,
				   0 };
	struct session s = open_stack(machines[_i], words, 16, CODE, 0);
	struct ch_frame frames[16];

	ck_assert_uint_eq(unwind_with(&s, &callers, frames, 16), 5);
	ck_assert_uint_eq(frames[1].pc, CODE + 0x10);
	ck_assert_uint_eq(frames[1].sp, STACK + 0x20);
	ck_assert_uint_eq(frames[1].fp, 1);
	ck_assert_int_eq(frames[1].basis, CH_FRAME_RUNTIME);
	ck_assert_uint_eq(frames[2].sp, STACK + 0x20);
	ck_assert_uint_eq(frames[3].pc, CODE + 0x200);
	ck_assert_uint_eq(frames[4].pc, CODE + 0x300);
	ck_assert_int_eq(frames[4].basis, CH_FRAME_FP);
	callers.asked = 0;
	ck_assert_uint_eq(unwind_with(&s, &callers, frames, 2), 2);
	close_session(&s);
}
END_TEST

/* Callers below, in one place for ever, far away, in data or nowhere. */
START_TEST(runtimes_may_be_wrong)
{
	static const struct {
		struct ch_frame_regs rows[2];
		size_t frames;
	} rows[] = {
		{ { { CODE + 0x10, STACK - 8, 0, false, false, false } }, 1 },
		{ { { CODE + 0x10, STACK, 0, false, false, false },
		    { CODE + 0x10, STACK, 0, false, false, false } },
		  2 },
		{ { { CODE + 0x10, STACK + (1ULL << 40), 0, false, false, false } }, 1 },
		{ { { CODE + 0x10, 0, 0, false, false, false } }, 1 },
		{ { { STACK, STACK + 0x20, 0, false, false, false } }, 1 },
		{ { { 0, STACK + 0x20, 0, false, false, false } }, 1 },
		{ { { 1ULL << 46, STACK + 0x20, 0, false, false, false } }, 1 },
	};
	struct callers callers = { { rows[_i].rows[0], rows[_i].rows[1] }, 2, 0 };
	struct session s = open_stack(EM_X86_64, (uint64_t[]){ 0, 0 }, 2, CODE, 0);
	struct ch_frame frames[64];

	ck_assert_uint_eq(unwind_with(&s, &callers, frames, 64), rows[_i].frames);
	close_session(&s);
}
END_TEST

/* A caller on another stack may lie below; where it says that nobody called, the stack ends. */
START_TEST(runtimes_change_stacks_and_end_them)
{
	struct callers callers = {
		{ { CODE + 0x10, STACK - 0x800, 1, false, true, false }, { .pc = 0 } }, 2, 0
	};
	struct session s = open_stack(EM_X86_64, (uint64_t[]){ 0, 0 }, 2, CODE, 0);
	const struct ch_frame_source source = { .caller = give_caller, .arg = &callers };
	const struct ch_frame_regs from = {
		.pc = CODE, .sp = STACK + 8, .fp = 7, .activation = true
	};
	struct ch_frame frames[8];
	struct ch_unwound unwound = { .frames = frames, .max = 8 };

	ck_ch_ok(chp_sym_unwind_at(s.sym, &source, &from, &unwound));
	ck_assert_uint_eq(unwound.count, 2);
	ck_assert_uint_eq(frames[0].pc, CODE);
	ck_assert_uint_eq(frames[0].sp, STACK + 8);
	ck_assert_uint_eq(frames[0].fp, 7);
	ck_assert_uint_eq(frames[1].sp, STACK - 0x800);
	ck_assert_str_eq(unwound.end, "end of stack");
	close_session(&s);
}
END_TEST

Suite *suite_sym(void)
{
	Suite *suite = suite_create("sym");
	TCase *modules = tcase_create("modules"), *symbols = tcase_create("symbols"),
	      *stacks = tcase_create("stacks");

	tcase_add_test(modules, headers_in_memory_describe_a_module);
	tcase_add_loop_test(modules, lying_headers_do_no_harm, 0, sizeof(lies) / sizeof(lies[0]));
	tcase_add_test(modules, modules_do_not_overlap);
	tcase_add_test(modules, data_is_no_module);
	tcase_add_test(modules, damaged_library_is_listed_and_reported);
	tcase_add_loop_test(modules, pe_images_are_matched_by_time_stamp, 0, 2);
	tcase_add_loop_test(modules, matched_file_lends_absent_bytes, 0, 2);
	tcase_add_loop_test(modules, dynamic_section_stands_in_for_build_id, 0,
			    sizeof(likely) / sizeof(likely[0]));
	tcase_add_test(modules, special_files_are_passed_over);
	tcase_add_test(modules, link_map_adds_what_nt_file_lacks);
	tcase_add_loop_test(modules, damaged_link_map_ends, 0, 4);
	tcase_add_test(modules, auxv_names_the_executable);
	suite_add_tcase(suite, modules);
	tcase_add_loop_test(symbols, symbols_come_from_the_dynamic_table_in_memory, 0, 12);
	suite_add_tcase(suite, symbols);
	tcase_add_loop_test(stacks, frame_pointers_are_followed, 0, 2);
	tcase_add_test(stacks, signed_return_addresses_are_stripped);
	tcase_add_loop_test(stacks, wild_frame_pointers_end_the_walk, 0, 14);
	tcase_add_loop_test(stacks, call_of_a_bad_address_is_stepped_over, 0, 2);
	tcase_add_loop_test(stacks, return_addresses_follow_calls, 0, 2);
	tcase_add_test(stacks, unwinding_checks_its_arguments);
	tcase_add_loop_test(stacks, runtimes_know_further_frames, 0, 2);
	tcase_add_loop_test(stacks, runtimes_may_be_wrong, 0, 7);
	tcase_add_test(stacks, runtimes_change_stacks_and_end_them);
	suite_add_tcase(suite, stacks);
	return suite;
}
