/*
 * Where distributions put debug information that was stripped from a module: by build-id, and by
 * the name and checksum that the module has for it. And what such files lead to: what several of
 * them have in common, and the files of units that compilers kept apart.
 */
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sym/dwarf.h"
#include "sym/hostfile.h"
#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/text.h"

/* Bytes of debug files that are summed, of all of them, and between two looks whether to go on. */
#define SUMMED_MAX     (1ULL << 30)
#define SUM_STEP_BYTES (16ULL << 20)
/* Files of split units at a time: as many as those of modules. */
#define DEBUG_ELFS_MAX 4096

/* What is looked for. */
struct wanted {
	struct ch_sym *sym;
	const struct ch_module *module;
	/* Build-id of the core, else of the file in use. */
	const uint8_t *id;
	uint32_t id_len;
	/* Name and checksum of .gnu_debuglink, or NULL. */
	const char *link;
	uint32_t crc;
	/* Set when found: the file and its path, owned. */
	int fd;
	char *path;
};

static bool has_build_id(int fd, const struct wanted *wanted)
{
	const void *id;
	ssize_t len;
	bool same;
	Elf *elf;

	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	len = elf ? dwelf_elf_gnu_build_id(elf, &id) : -1;
	same = len == (ssize_t)wanted->id_len && memcmp(id, wanted->id, (size_t)len) == 0;
	elf_end(elf);
	return same;
}

/* CRC-32 of ISO 3309, four bits at a time; sum is what it was of the bytes before, turned over. */
static uint32_t crc32_add(uint32_t sum, const uint8_t *data, uint64_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint64_t i;

	for (i = 0; i < len; i++) {
		sum = table[(sum ^ data[i]) & 15] ^ (sum >> 4);
		sum = table[(sum ^ (uint32_t)(data[i] >> 4)) & 15] ^ (sum >> 4);
	}
	return sum;
}

/* Whether a file may be summed: any user can make one that has no end, of holes. */
static bool may_sum(struct ch_sym *sym, const char *path, uint64_t bytes)
{
	if (bytes <= SUMMED_MAX - sym->summed_bytes) {
		sym->summed_bytes += bytes;
		return true;
	}
	chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "debug-file-not-summed",
			    "the checksum of %s was not taken, because that would take too long "
			    "(%llu bytes): names and lines from it are missing",
			    path, (unsigned long long)bytes);
	return false;
}

/* The checksum that .gnu_debuglink holds. */
static bool has_crc(const struct wanted *wanted, int fd, uint64_t bytes)
{
	const struct ch_context *ctx = wanted->sym->ctx;
	uint32_t sum = UINT32_MAX;
	uint64_t at, n;
	uint8_t *data;

	data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		chp_error_note_file(errno);
		return false;
	}
	for (at = 0; at < bytes && !ch_context_cancelled(ctx); at += n) {
		n = ch_min(bytes - at, SUM_STEP_BYTES);
		sum = crc32_add(sum, data + at, n);
	}
	munmap(data, bytes);
	return at == bytes && ~sum == wanted->crc;
}

/* Open a file if it is regular and the one that is wanted. */
static void try_file(struct wanted *wanted, char *path_take)
{
	_cleanup_free_ char *path = path_take;
	uint64_t bytes;
	bool good;
	int fd;

	if (!path || wanted->fd >= 0)
		return;
	fd = chp_hostfile_open(wanted->sym, path, &bytes);
	if (fd < 0)
		return;
	if (wanted->id_len)
		good = has_build_id(fd, wanted);
	else
		good = wanted->link && may_sum(wanted->sym, path, bytes) &&
		       has_crc(wanted, fd, bytes);
	if (!good) {
		close(fd);
		return;
	}
	wanted->fd = fd;
	wanted->path = ch_take(path);
}

static char *format(const char *a, const char *b, const char *c, const char *d)
{
	char *out;

	return asprintf(&out, "%s%s/%s%s", a, b, c, d) < 0 ? NULL : out;
}

static void try_build_id(struct wanted *wanted, const char *root, const char *below)
{
	char id[2 * CH_BUILD_ID_MAX + 1], place[2 * CH_BUILD_ID_MAX + 16];

	if (wanted->id_len < 2)
		return;
	chp_build_id_text(wanted->id, wanted->id_len, id);
	snprintf(place, sizeof(place), ".build-id/%.2s/%s", id, id + 2);
	try_file(wanted, format(root, below, place, ".debug"));
}

/* The places of gdb's documentation, "Debugging Information in Separate Files". */
static void try_link(struct wanted *wanted, const char *dir)
{
	const struct ch_sym_options *options = &wanted->sym->options;
	size_t i;

	try_file(wanted, format(dir, "", wanted->link, ""));
	try_file(wanted, format(dir, "/.debug", wanted->link, ""));
	for (i = 0; i < options->debug_dirs_count; i++) {
		try_file(wanted, format(options->debug_dirs[i], dir, wanted->link, ""));
		try_file(wanted, format(options->debug_dirs[i], "", wanted->link, ""));
	}
	try_file(wanted, format(CH_DEBUG_DIR, dir, wanted->link, ""));
}

/* By debug link, in the folders of the file in use and of the recorded path. */
static void try_links(struct wanted *wanted)
{
	const char *paths[] = { wanted->module->file_path, wanted->module->path };
	const char *slash;
	char *dir;
	size_t i;

	/* the name comes from a file: it must not lead elsewhere */
	if (!wanted->link || !wanted->link[0] || strchr(wanted->link, '/'))
		return;
	for (i = 0; i < CH_COUNT_OF(paths); i++) {
		slash = paths[i] ? strrchr(paths[i], '/') : NULL;
		dir = slash ? strndup(paths[i], (size_t)(slash - paths[i])) : NULL;
		if (dir)
			try_link(wanted, dir);
		free(dir);
	}
}

int chp_debugfile_open(struct ch_sym *sym, const struct ch_module *module, const char *debuglink,
		       uint32_t crc, char **path_ret)
{
	struct wanted wanted = {
		.sym = sym, .module = module, .link = debuglink, .crc = crc, .fd = -1
	};
	size_t i;

	if (module->build_id_len) {
		wanted.id = module->build_id;
		wanted.id_len = module->build_id_len;
	} else if (module->match == CH_MATCH_LIKELY) {
		wanted.id = module->file_build_id;
		wanted.id_len = module->file_build_id_len;
	}
	for (i = 0; i < sym->options.debug_dirs_count; i++)
		try_build_id(&wanted, sym->options.debug_dirs[i], "");
	if (sym->options.sysroot)
		try_build_id(&wanted, sym->options.sysroot, CH_DEBUG_DIR);
	try_build_id(&wanted, CH_DEBUG_DIR, "");
	try_links(&wanted);
	if (wanted.fd >= 0)
		*path_ret = wanted.path;
	return wanted.fd;
}

/* ---- Files that debug information leads to ------------------------------------------- */

/* A file of this sym's own; NULL when it is no ELF file. */
static Elf *keep_elf(struct ch_sym *sym, int fd)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL), **slot;

	/* It is mapped, else read: in both cases as a whole, and thousands of files may follow. */
	if (elf)
		elf_cntl(elf, ELF_C_FDREAD);
	close(fd);
	slot = elf && elf_kind(elf) == ELF_K_ELF ? ch_vec_push(&sym->debug_elfs) : NULL;
	if (!slot) {
		elf_end(elf);
		return NULL;
	}
	*slot = elf;
	return elf;
}

/* The folder of a path, with its slash; owned by the caller. */
static char *folder_of(const char *path)
{
	return strndup(path, (size_t)(chp_base_name(path) - path));
}

Elf *chp_sym_debug_alternative(struct ch_sym *sym, const struct ch_debug_file *of)
{
	struct wanted wanted = { .sym = sym, .fd = -1 };
	_cleanup_free_ char *dir = of->path ? folder_of(of->path) : NULL;
	const char *name;
	const void *id;
	ssize_t len;
	size_t i;

	len = dwelf_dwarf_gnu_debugaltlink(of->dwarf, &name, &id);
	if (len <= 0 || len > CH_BUILD_ID_MAX)
		return NULL;
	wanted.id = id;
	wanted.id_len = (uint32_t)len;
	if (name[0] == '/' && sym->options.sysroot)
		try_file(&wanted, format(sym->options.sysroot, "", name + 1, ""));
	if (name[0] == '/')
		try_file(&wanted, strdup(name));
	else if (dir)
		try_file(&wanted, format(dir, ".", name, ""));
	for (i = 0; i < sym->options.debug_dirs_count; i++)
		try_build_id(&wanted, sym->options.debug_dirs[i], "");
	if (sym->options.sysroot)
		try_build_id(&wanted, sym->options.sysroot, CH_DEBUG_DIR);
	try_build_id(&wanted, CH_DEBUG_DIR, "");
	free(wanted.path);
	return wanted.fd >= 0 ? keep_elf(sym, wanted.fd) : NULL;
}

/* Open a path whose contents are judged by who asks for it. */
static void try_any(const struct ch_sym *sym, char *path_take, int *fd)
{
	_cleanup_free_ char *path = path_take;
	uint64_t bytes;

	if (path && *fd < 0)
		*fd = chp_hostfile_open(sym, path, &bytes);
}

Elf *chp_sym_debug_split(struct ch_sym *sym, const struct ch_debug_file *of, const char *dir,
			 const char *name)
{
	_cleanup_free_ char *beside = of->main_path ? folder_of(of->main_path) : NULL;
	const char *base = chp_base_name(name), *sysroot = sym->options.sysroot;
	size_t i;
	int fd = -1;

	if (sym->debug_elfs.count >= DEBUG_ELFS_MAX) {
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "too-many-files",
				    "%d files of debug information are in use, the most there may "
				    "be; the others go without names",
				    DEBUG_ELFS_MAX);
		return NULL;
	}
	if (name[0] != '/' && dir && sysroot)
		try_any(sym, format(sysroot, dir, name, ""), &fd);
	if (name[0] == '/' && sysroot)
		try_any(sym, format(sysroot, "", name + 1, ""), &fd);
	if (name[0] != '/' && dir)
		try_any(sym, format(dir, "", name, ""), &fd);
	if (name[0] == '/')
		try_any(sym, strdup(name), &fd);
	for (i = 0; i < sym->options.debug_dirs_count; i++)
		try_any(sym, format(sym->options.debug_dirs[i], "", base, ""), &fd);
	/* moved with the program */
	if (beside)
		try_any(sym, format(beside, ".", base, ""), &fd);
	return fd >= 0 ? keep_elf(sym, fd) : NULL;
}

Elf *chp_sym_debug_package(struct ch_sym *sym, const struct ch_debug_file *of)
{
	const char *paths[] = { of->main_path, of->path };
	size_t i, k;
	int fd = -1;

	for (i = 0; i < CH_COUNT_OF(paths); i++) {
		_cleanup_free_ char *dir = paths[i] ? folder_of(paths[i]) : NULL;

		if (!dir)
			continue;
		try_any(sym, format(dir, ".", chp_base_name(paths[i]), ".dwp"), &fd);
		for (k = 0; k < sym->options.debug_dirs_count; k++)
			try_any(sym,
				format(sym->options.debug_dirs[k], "", chp_base_name(paths[i]),
				       ".dwp"),
				&fd);
	}
	return fd >= 0 ? keep_elf(sym, fd) : NULL;
}
