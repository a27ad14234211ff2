/*
 * seeds.c - write the small seeds of all fuzz targets.
 *
 * usage: seeds DIR	writes DIR/<target>/<name>
 */
#include <lz4frame.h>
#include <lzma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "support/corewriter.h"
#include "support/hostile_dwarf.h"

#define PLAIN_BYTES    20000U
#define SEED_BYTES_MAX 4096

static const char *seed_path(const char *dir, const char *target, const char *name, char *path,
			     size_t size)
{
	snprintf(path, size, "%s/%s", dir, target);
	mkdir(path, 0777);
	snprintf(path, size, "%s/%s/%s", dir, target, name);
	return path;
}

static void save(const char *dir, const char *target, const char *name, const void *data,
		 size_t size)
{
	char path[512];

	cw_write_bytes(seed_path(dir, target, name, path, sizeof(path)), data, size);
}

static void save_core(const char *dir, const char *target, const char *name,
		      const struct corewriter *w, uint64_t limit)
{
	char path[512];

	cw_write(w, seed_path(dir, target, name, path, sizeof(path)), limit);
}

/* ---- compressed files ---------------------------------------------------------- */

static void save_packed(const char *dir, const char *name, const uint8_t *data, size_t size)
{
	uint8_t *twice = malloc(2 * size + 11);
	static const uint8_t skip[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3 };
	char other[64];

	if (!twice)
		abort();
	save(dir, "unpack", name, data, size);
	memcpy(twice, data, size);
	memcpy(twice + size, skip, sizeof(skip));
	memcpy(twice + size + sizeof(skip), data, size);
	snprintf(other, sizeof(other), "%s-frames", name);
	save(dir, "unpack", other, twice, 2 * size + sizeof(skip));
	free(twice);
}

static void write_unpack(const char *dir)
{
	uint8_t plain[PLAIN_BYTES], out[2 * PLAIN_BYTES];
	z_stream z = { 0 };
	size_t size = 0, i;

	for (i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i < 8192 ? 0 : i * i >> (i >> 12));
	size = ZSTD_compress(out, sizeof(out), plain, sizeof(plain), 3);
	save_packed(dir, "zstd", out, size);
	size = 0;
	if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, plain, sizeof(plain), out, &size,
				    sizeof(out)) != LZMA_OK)
		abort();
	save_packed(dir, "xz", out, size);
	size = LZ4F_compressFrame(out, sizeof(out), plain, sizeof(plain), NULL);
	save_packed(dir, "lz4", out, size);
	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_in = plain;
	z.avail_in = sizeof(plain);
	z.next_out = out;
	z.avail_out = sizeof(out);
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	save_packed(dir, "gzip", out, z.total_out);
	deflateEnd(&z);
}

/* ---- cores ---------------------------------------------------------------------- */

#define EXE_ADDR   0x400000ULL
#define DATA_ADDR  0x600000ULL
#define HEAP_ADDR  0x700000ULL
#define LIB_ADDR   0x7f0000000000ULL
#define STACK_ADDR 0x7ffff0000000ULL
#define VDSO_ADDR  0x7ffff7fc0000ULL

struct image {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[6];
	struct {
		Elf64_Nhdr nhdr;
		char name[4];
		uint8_t id[20];
	} build_id;
	Elf64_Dyn dynamic[10];
	Elf64_Sym symbols[3];
	uint32_t hash[8];
	char strings[64];
	uint8_t rest[1024];
};

/* <link.h>: struct r_debug and struct link_map, as the target has them. */
struct data {
	struct {
		uint64_t version, map, brk, state, ldbase;
	} r_debug;
	struct {
		uint64_t addr, name, dynamic, next, prev;
	} maps[3];
	char names[64];
	uint64_t words[32];
};

/*
 * Unwind data (LSB core, 10.6): a header with a table of one row, one CIE, and
 * one FDE for all of the image. CFA = sp + 8 by an expression, then registers.
 */
static void put_unwind_data(struct image *image)
{
	static const uint8_t cie[28] = { 24, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1,
					 0x1b,
					 /* DW_CFA_def_cfa_expression, DW_OP_breg7 8 */
					 0x0f, 2, 0x77, 8,
					 /* DW_CFA_offset of the return address, 1 * -8 */
					 0x90, 1 };
	const int32_t at = offsetof(struct image, rest) + 64;
	uint8_t *p = image->rest + 64;
	const int32_t fde = at + 32 + (int32_t)sizeof(cie);
	const int32_t head[] = { 32 - 4, 1, 0x100 - at, fde - at };
	const int32_t entry[] = { 16, fde + 4 - (at + 32), 0x100 - (fde + 8), 0x1000, 0 };

	memcpy(p, "\1\x1b\3\x3b", 4);
	memcpy(p + 4, head, sizeof(head));
	memcpy(p + 32, cie, sizeof(cie));
	memcpy(p + 32 + sizeof(cie), entry, sizeof(entry));
}

static Elf64_Phdr phdr(uint32_t type, uint64_t off, uint64_t size)
{
	return (Elf64_Phdr){ .p_type = type,
			     .p_flags = PF_R | PF_X,
			     .p_offset = off,
			     .p_vaddr = off,
			     .p_filesz = size,
			     .p_memsz = size,
			     .p_align = type == PT_LOAD ? 4096 : 8 };
}

/* An ELF image with program headers, a build-id, symbols and a dynamic section. */
static struct image make_image(uint16_t machine, uint16_t type, uint64_t base, uint8_t id)
{
	struct image image = {
		.ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = type,
			  .e_machine = machine,
			  .e_version = EV_CURRENT,
			  .e_phoff = offsetof(struct image, phdrs),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 6 },
		.build_id = { .nhdr = { 4, 20, NT_GNU_BUILD_ID }, .name = "GNU" },
		.symbols = { { 0 },
			     { 1, STB_GLOBAL << 4 | STT_FUNC, 0, 1, 0x300, 0x20 },
			     { 6, STB_GLOBAL << 4 | STT_OBJECT, 0, 1, 0x340, 0x20 } },
		.hash = { 1, 3, 1, 0, 2, 0, 0, 0 },
		.strings = "\0main\0main_arena\0libseed.so.6",
		.phdrs = { phdr(PT_LOAD, 0, sizeof(struct image)),
			   phdr(PT_PHDR, offsetof(struct image, phdrs), 6 * sizeof(Elf64_Phdr)),
			   phdr(PT_DYNAMIC, offsetof(struct image, dynamic),
				10 * sizeof(Elf64_Dyn)),
			   phdr(PT_NOTE, offsetof(struct image, build_id), 36),
			   phdr(PT_TLS, offsetof(struct image, rest), 64),
			   phdr(PT_GNU_EH_FRAME, offsetof(struct image, rest) + 64, 64) },
	};
	const Elf64_Dyn dynamic[10] = {
		{ DT_HASH, { base + offsetof(struct image, hash) } },
		{ DT_SYMTAB, { base + offsetof(struct image, symbols) } },
		{ DT_STRTAB, { base + offsetof(struct image, strings) } },
		{ DT_STRSZ, { sizeof(image.strings) } },
		{ DT_SYMENT, { sizeof(Elf64_Sym) } },
		{ DT_SONAME, { 17 } },
		{ DT_DEBUG, { DATA_ADDR } },
	};

	memcpy(image.dynamic, dynamic, sizeof(dynamic));
	memset(image.build_id.id, id, sizeof(image.build_id.id));
	put_unwind_data(&image);
	return image;
}

/* What the notes of a core may lack. */
enum lack {
	LACKS_NOTHING,
	/* NT_FILE, NT_AUXV and NT_PRPSINFO. */
	LACKS_NOTES,
	/* NT_FILE, and the pages of ELF headers. */
	LACKS_HEADERS,
};

static struct data make_data(enum lack lack)
{
	struct data data = { .r_debug = { 1, DATA_ADDR + offsetof(struct data, maps), 0, 0,
					  LIB_ADDR } };
	const uint64_t names = DATA_ADDR + offsetof(struct data, names);
	const uint64_t addr[3] = { 0, LIB_ADDR, VDSO_ADDR };
	const uint64_t dynamic[3] = { EXE_ADDR, LIB_ADDR, VDSO_ADDR };
	size_t i;

	memcpy(data.names, "\0/lib/libseed.so.6\0linux-vdso.so.1", 35);
	for (i = 0; i < 3; i++) {
		uint64_t at = DATA_ADDR + offsetof(struct data, maps) + i * 40;

		data.maps[i].addr = addr[i];
		data.maps[i].name = names + (i == 0 ? 0 : i == 1 ? 1 : 19);
		data.maps[i].dynamic = dynamic[i] + offsetof(struct image, dynamic);
		data.maps[i].next = i < 2 ? at + 40 : 0;
		data.maps[i].prev = i ? at - 40 : 0;
	}
	if (lack == LACKS_HEADERS) {
		/* dynamic sections lie in data, which is in the core */
		data.words[0] = DT_DEBUG;
		data.words[1] = DATA_ADDR;
		data.maps[0].dynamic = DATA_ADDR + offsetof(struct data, words);
		data.maps[1].dynamic = LIB_ADDR + 0x1000;
	}
	return data;
}

static const uint64_t auxv[][2] = {
	{ 3 /* AT_PHDR */, EXE_ADDR + offsetof(struct image, phdrs) },
	{ 4 /* AT_PHENT */, sizeof(Elf64_Phdr) },
	{ 5 /* AT_PHNUM */, 6 },
	{ 6 /* AT_PAGESZ */, 4096 },
	{ 7 /* AT_BASE */, LIB_ADDR },
	{ 9 /* AT_ENTRY */, EXE_ADDR + 0x300 },
	{ 33 /* AT_SYSINFO_EHDR */, VDSO_ADDR },
};

static void add_notes(struct corewriter *w, uint16_t machine, enum lack lack)
{
	static const struct cw_file_row rows[] = {
		{ EXE_ADDR, EXE_ADDR + 0x1000, 0, "/usr/bin/seed" },
		{ DATA_ADDR, DATA_ADDR + 0x1000, 0x1000, "/usr/bin/seed" },
		{ LIB_ADDR, LIB_ADDR + 0x1000, 0, "/lib/libseed.so.6" },
		{ LIB_ADDR + 0x1000, LIB_ADDR + 0x3000, 0x1000, "/lib/libseed.so.6 (deleted)" },
	};
	uint64_t regs[34] = { 0 };
	size_t count = machine == EM_AARCH64 ? 34 : 27;
	uint32_t tid;

	/* x86-64: rbp, rip, rsp, fs_base; aarch64: x29, sp, pc. */
	regs[4] = STACK_ADDR + 0x100;
	regs[16] = LIB_ADDR + 0x310;
	regs[19] = STACK_ADDR + 0x80;
	regs[21] = DATA_ADDR + 0x200;
	regs[29] = STACK_ADDR + 0x100;
	regs[31] = STACK_ADDR + 0x80;
	regs[32] = LIB_ADDR + 0x310;
	cw_prstatus(w, 100, SIGSEGV, regs, count);
	if (lack != LACKS_NOTES)
		cw_prpsinfo(w, 100, 1, "seed", "seed --of fuzz");
	cw_siginfo(w, SIGSEGV, 1, 0xdead);
	if (lack != LACKS_NOTES)
		cw_auxv(w, auxv, sizeof(auxv) / sizeof(auxv[0]));
	if (lack == LACKS_NOTHING)
		cw_file(w, rows, sizeof(rows) / sizeof(rows[0]));
	for (tid = 101; tid < 104; tid++) {
		regs[19] += 0x40;
		cw_prstatus(w, tid, 0, regs, count);
	}
	cw_note(w, "GDB", 0xff000000, "<target></target>", 18);
	cw_note(w, "LINUX", 0x202, "unknown", 8);
}

/* The auxiliary vector where the kernel leaves it, behind the environment. */
static void put_vector(uint64_t *stack)
{
	stack[0] = 0;
	memcpy(stack + 1, auxv, sizeof(auxv));
	stack[1 + sizeof(auxv) / 8] = 31 /* AT_EXECFN */;
	stack[2 + sizeof(auxv) / 8] = DATA_ADDR + offsetof(struct data, names) + 1;
}

static struct corewriter *make_core(uint16_t machine, enum lack lack)
{
	struct image exe = make_image(machine, ET_EXEC, EXE_ADDR, 0x11);
	struct image lib = make_image(machine, ET_DYN, 0, 0x22);
	struct image vdso = make_image(machine, ET_DYN, 0, 0x33);
	struct data data = make_data(lack);
	uint64_t stack[128] = { 0 }, heap[128] = { 0 };
	struct corewriter *w = cw_create(machine);
	size_t i;

	/* Return addresses for unwind data; then a frame pointer chain: the caller's frame pointer,
	 * the return address. */
	for (i = 16; i < 32; i++)
		stack[i] = EXE_ADDR + 0x308;
	for (; i + 16 < 128; i += 16) {
		stack[i] = STACK_ADDR + (i + 16) * 8;
		stack[i + 1] = EXE_ADDR + 0x308;
	}
	for (i = 0; i + 8 <= 128; i += 8)
		heap[i + 1] = 0x41;
	if (lack == LACKS_NOTES)
		put_vector(stack + 100);
	add_notes(w, machine, lack);
	cw_load(w, EXE_ADDR, 0x1000, PF_R | PF_X, &exe, lack == LACKS_HEADERS ? 0 : sizeof(exe));
	cw_load(w, DATA_ADDR, 0x1000, PF_R | PF_W, &data, sizeof(data));
	cw_load(w, HEAP_ADDR, 0x21000, PF_R | PF_W, heap, sizeof(heap));
	cw_load(w, LIB_ADDR, 0x1000, PF_R | PF_X, &lib, lack == LACKS_HEADERS ? 0 : sizeof(lib));
	cw_load(w, LIB_ADDR + 0x1000, 0x2000, PF_R | PF_W, NULL, 0);
	cw_load(w, STACK_ADDR, lack == LACKS_NOTES ? sizeof(stack) : 0x21000, PF_R | PF_W, stack,
		sizeof(stack));
	cw_load(w, VDSO_ADDR, 0x2000, PF_R | PF_X, &vdso, sizeof(vdso));
	w->content_align = 64;
	return w;
}

static void write_cores(const char *dir, uint16_t machine, const char *name)
{
	static const char *const lacks[] = { "", "-lacking", "-headless" };
	struct corewriter *w = make_core(machine, LACKS_NOTHING);
	uint8_t notes[16384];
	char other[64];
	size_t i;

	save_core(dir, "core", name, w, CW_ALL);
	save_core(dir, "session", name, w, CW_ALL);
	snprintf(other, sizeof(other), "%s-cut", name);
	save_core(dir, "core", other, w, cw_layout(w).contents_off + 3000);
	notes[0] = machine == EM_AARCH64;
	if (w->notes_bytes >= sizeof(notes))
		abort();
	memcpy(notes + 1, w->notes, w->notes_bytes);
	save(dir, "notes", name, notes, w->notes_bytes + 1);
	/* More program headers than e_phnum can say: section header 0 has the count. */
	w->phnum = PN_XNUM;
	w->sh_info = w->segments_count + 1;
	snprintf(other, sizeof(other), "%s-xnum", name);
	save_core(dir, "core", other, w, CW_ALL);
	cw_destroy(w);
	for (i = LACKS_NOTES; i <= LACKS_HEADERS; i++) {
		w = make_core(machine, (enum lack)i);
		snprintf(other, sizeof(other), "%s%s", name, lacks[i]);
		save_core(dir, "core", other, w, CW_ALL);
		save_core(dir, "session", other, w, CW_ALL);
		cw_destroy(w);
	}
}

/* Those that are small enough to be changed everywhere. */
static void write_debug(const char *dir)
{
	const struct hostile_dwarf *row;
	uint8_t *bytes;
	size_t len;

	for (row = hostile_dwarfs; row->name; row++) {
		bytes = row->make(&len);
		if (len < SEED_BYTES_MAX)
			save(dir, "debug", row->name, bytes, len);
		free(bytes);
	}
}

int main(int argc, char **argv)
{
	static const char text[] =
		"plain \x1b[31m \xe2\x80\xae \xc3\xa9 \xff\xfe \xf0\x9f\x98\x80 \\ \x7f";

	if (argc != 2)
		return 2;
	mkdir(argv[1], 0777);
	write_unpack(argv[1]);
	write_cores(argv[1], EM_X86_64, "x86_64");
	write_cores(argv[1], EM_AARCH64, "aarch64");
	write_debug(argv[1]);
	save(argv[1], "text", "mixed", text, sizeof(text));
	save(argv[1], "pattern", "bytes", "de ad ?? ef", 11);
	save(argv[1], "pattern", "regex", "(order|box)-[0-9a-f]+\\.", 23);
	save(argv[1], "pattern", "text", "caf\xc3\xa9 \xf0\x9f\x98\x80", 10);
	return 0;
}
