/*
 * The files of modules: looked for at the recorded path, under --sysroot, beside the core and by
 * build-id; mapped when one matches, and lent to the core for pages that it lacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sym/candidate.h"
#include "sym/hostfile.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Files mapped at a time: the kernel gives a process 65,530 mappings. */
#define FILES_MAX 4096

char *chp_path_plain(const char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path);

	if (len > sizeof(mark) - 1 && strcmp(path + len - (sizeof(mark) - 1), mark) == 0)
		len -= sizeof(mark) - 1;
	return strndup(path, len);
}

static void set_file(struct ch_module *module, const struct ch_candidate *file, const char *path)
{
	module->file_path = path;
	memcpy(module->file_build_id, file->build_id, sizeof(module->file_build_id));
	module->file_build_id_len = file->build_id_len;
}

/* Use the file: the module owns the mapping now. path is kept. */
static void take_file(struct ch_sym *sym, struct ch_module *module, struct ch_candidate *file,
		      const char *path, enum ch_verdict verdict)
{
	struct ch_module_extra *extra = chp_module_extra(sym, module);

	set_file(module, file, path);
	module->match = verdict == CH_VERDICT_SAME ? CH_MATCH_MATCHED : CH_MATCH_LIKELY;
	extra->file_data = file->data;
	extra->file_bytes = file->bytes;
	file->data = NULL;
	sym->files_count++;
	if (module->kind == CH_MODULE_PE || extra->has_image)
		return;
	module->bias = chp_candidate_bias(sym, module, file);
	extra->image = file->image;
	extra->has_image = true;
	file->image.phdrs = NULL;
	chp_image_describe(sym->core, &extra->image, module);
	if (extra->index + 1 < sym->modules.count)
		module->end = ch_min(module->end, module[1].start);
}

/* Remember the first file that is there and cannot be used. */
static void reject_file(struct ch_module *module, const struct ch_candidate *file, const char *path,
			enum ch_verdict verdict)
{
	if (module->match != CH_MATCH_MISSING)
		return;
	set_file(module, file, path);
	module->match = verdict == CH_VERDICT_OTHER ? CH_MATCH_MISMATCHED : CH_MATCH_UNVERIFIED;
}

static bool is_settled(const struct ch_module *module)
{
	return module->match == CH_MATCH_MATCHED || module->match == CH_MATCH_LIKELY;
}

/*
 * Try one path for a module, unless one was found already. trusted: the user
 * named the file, which counts where the core does not contradict.
 */
static struct ch_error *try_path(struct ch_sym *sym, struct ch_module *module, char *path_take,
				 bool trusted)
{
	_cleanup_free_ char *path = path_take;
	struct ch_candidate file;
	enum ch_verdict verdict;
	const char *kept;

	if (!path)
		return &ch_enomem;
	if (is_settled(module) || sym->files_count >= FILES_MAX ||
	    !chp_candidate_open(sym, path, module->kind == CH_MODULE_PE, &file))
		return NULL;
	kept = chp_sym_keep(sym, ch_take(path));
	verdict = chp_candidate_judge(sym, module, &file);
	if (kept && (verdict == CH_VERDICT_SAME || verdict == CH_VERDICT_ALIKE ||
		     (verdict == CH_VERDICT_UNKNOWN && trusted)))
		take_file(sym, module, &file, kept, verdict);
	else if (kept)
		reject_file(module, &file, kept, verdict);
	chp_candidate_close(&file);
	return kept ? NULL : &ch_enomem;
}

static char *join(const char *dir, const char *path)
{
	char *out;

	return asprintf(&out, "%s/%s", dir, path) < 0 ? NULL : out;
}

/* The path in the folder of the core. */
static char *beside_core(const struct ch_sym *sym, const char *path)
{
	_cleanup_free_ char *dir = strdup(ch_core_path(sym->core));
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!dir)
		return NULL;
	if (!slash)
		return strdup(path);
	*slash = '\0';
	return join(dir, path);
}

/* dir/.build-id/xx/yyyy: a distribution's link from build-id to file. */
static struct ch_error *try_build_id(struct ch_sym *sym, struct ch_module *module, const char *dir,
				     const char *below)
{
	char id[2 * CH_BUILD_ID_MAX + 1], *out;

	if (module->build_id_len < 2 || is_settled(module))
		return NULL;
	chp_build_id_text(module->build_id, module->build_id_len, id);
	if (asprintf(&out, "%s%s/.build-id/%.2s/%s", dir, below, id, id + 2) < 0)
		out = NULL;
	return try_path(sym, module, out, false);
}

/* Fedora links from /usr/lib/.build-id, others from /usr/lib/debug. */
static struct ch_error *try_build_ids(struct ch_sym *sym, struct ch_module *module)
{
	const struct ch_sym_options *options = &sym->options;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < options->debug_dirs_count; i++)
		err = try_build_id(sym, module, options->debug_dirs[i], "");
	if (!err && options->sysroot)
		err = try_build_id(sym, module, options->sysroot, CH_DEBUG_DIR);
	if (!err && options->sysroot)
		err = try_build_id(sym, module, options->sysroot, "/usr/lib");
	if (!err)
		err = try_build_id(sym, module, "", CH_DEBUG_DIR);
	if (!err)
		err = try_build_id(sym, module, "", "/usr/lib");
	return err;
}

static struct ch_error *match_module(struct ch_sym *sym, struct ch_module *module)
{
	_cleanup_free_ char *plain = chp_path_plain(module->path);
	const char *sysroot = sym->options.sysroot, *slash;
	struct ch_error *err = NULL;

	if (!plain)
		return &ch_enomem;
	slash = strrchr(plain, '/');
	if (module->kind == CH_MODULE_EXE && sym->options.exe)
		err = try_path(sym, module, strdup(sym->options.exe), true);
	if (!err && sysroot && slash)
		err = try_path(sym, module, join(sysroot, plain), false);
	/* a folder into which files were just gathered */
	if (!err && sysroot && plain[0] != '[')
		err = try_path(sym, module, join(sysroot, slash ? slash + 1 : plain), false);
	if (!err && plain[0] == '/')
		err = try_path(sym, module, strdup(plain), false);
	/* AT_EXECFN may be relative; a core lies where the program ran, as a rule */
	else if (!err && module->kind == CH_MODULE_EXE && plain[0] != '[')
		err = try_path(sym, module, beside_core(sym, plain), false);
	if (!err)
		err = try_build_ids(sym, module);
	return err;
}

/* --exe was given and is not in use: why. */
static void report_exe(const struct ch_sym *sym)
{
	const struct ch_module *exe = chp_sym_exe(sym);
	struct ch_candidate file;

	if (exe && is_settled(exe) && strcmp(exe->file_path, sym->options.exe) == 0)
		return;
	if (!chp_candidate_open(sym, sym->options.exe, false, &file)) {
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "exe-not-used",
				    "%s cannot be read as an ELF executable of this core's "
				    "machine and is not used",
				    sym->options.exe);
		return;
	}
	chp_candidate_close(&file);
	chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "exe-not-used", "%s is not used: %s",
			    sym->options.exe,
			    exe ? "it is another build than the executable of the core"
				: "the core does not say where its executable was mapped");
}

static void report_mismatch(const struct ch_sym *sym, const struct ch_module *module)
{
	char core_id[2 * CH_BUILD_ID_MAX + 1], file_id[2 * CH_BUILD_ID_MAX + 1];

	if (!module->build_id_len) {
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "build-id-mismatch",
				    "%s is another build than the one in the core and is not used "
				    "(its headers differ)",
				    module->file_path);
		return;
	}
	chp_build_id_text(module->build_id, module->build_id_len, core_id);
	chp_build_id_text(module->file_build_id, module->file_build_id_len, file_id);
	chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "build-id-mismatch",
			    "%s is another build than the one in the core and is not used "
			    "(build-id %s, core %s)",
			    module->file_path, file_id[0] ? file_id : "none", core_id);
}

/* Whether the file of a module is verified by another one: a program of one file is mapped to be
 * run, and what is packed behind it apart from that. */
static bool verified_elsewhere(const struct ch_sym *sym, const struct ch_module *module)
{
	const struct ch_module *other;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		other = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (other != module && is_settled(other) && strcmp(other->path, module->path) == 0)
			return true;
	}
	return false;
}

/* Files that are there, and may not be opened without being asked for. */
static void report_outside(const struct ch_sym *sym)
{
	const struct ch_module *module;
	_cleanup_free_ char *first = NULL;
	size_t i, count = 0;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		_cleanup_free_ char *plain =
			module->match == CH_MATCH_MISSING ? chp_path_plain(module->path) : NULL;

		if (plain && chp_hostfile_is_outside(sym, plain) && count++ == 0)
			first = ch_take(plain);
	}
	if (!count)
		return;
	chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "file-outside",
			    "names and lines are missing: %s%s not looked at, because it "
			    "lies neither in the system's folders nor below that of the "
			    "core: --exe names the program, --sysroot / allows all",
			    first ? first : "a file",
			    count > 1 ? " (the first of several) is" : " is");
	chp_context_finding_hint(sym->ctx, "file-outside");
}

/* What matching found that a reader of names and stacks should know. */
static void report_matches(const struct ch_sym *sym)
{
	const struct ch_module *module, *likely = NULL, *unverified = NULL;
	size_t i, likely_count = 0, unverified_count = 0;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->match == CH_MATCH_MISMATCHED)
			report_mismatch(sym, module);
		if (module->match == CH_MATCH_LIKELY && likely_count++ == 0)
			likely = module;
		if (module->match == CH_MATCH_UNVERIFIED && !verified_elsewhere(sym, module) &&
		    unverified_count++ == 0)
			unverified = module;
	}
	if (likely)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "file-likely",
				    "the core holds no build-id of %zu modules whose files are "
				    "used for names and stacks, because nothing in the core "
				    "contradicts them (first: %s)",
				    likely_count, likely->file_path);
	if (unverified)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "file-unverified",
				    "the core holds nothing to verify the files of %zu modules "
				    "by; they are not used (first: %s)",
				    unverified_count, unverified->file_path);
	report_outside(sym);
	if (sym->files_count >= FILES_MAX)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "too-many-files",
				    "files of %d modules are in use, the most there may be; the "
				    "others go without names",
				    FILES_MAX);
	if (sym->options.exe)
		report_exe(sym);
}

/* Lend one mapping's bytes of the file where the core left them out. */
static struct ch_error *lend(struct ch_sym *sym, const struct ch_module_extra *extra,
			     const struct ch_file_map *map)
{
	const struct ch_segment *segment = ch_core_segment_at(sym->core, map->start);
	struct ch_error *err;
	uint64_t bytes;

	if (map->off >= extra->file_bytes)
		return NULL;
	if (segment && ((segment->flags & CH_SEGMENT_WRITE) || segment->present_end >= map->end))
		return NULL;
	bytes = ch_min(map->end - map->start, extra->file_bytes - map->off);
	err = ch_core_add_overlay(sym->core, map->start, map->start + bytes,
				  extra->file_data + map->off);
	/* Rows do not overlap; should two do so, the first one stands. */
	if (err && err->code == CH_ERROR_ARG) {
		ch_error_destroy(err);
		return NULL;
	}
	return err;
}

/* Whether the pages of [start, start + bytes) and of [at, at + length) have one in common. */
static bool share_pages(uint64_t start, uint64_t bytes, uint64_t at, uint64_t length)
{
	uint64_t end, at_end;

	return ch_add(start, bytes, &end) && ch_add(at, length, &at_end) && start < at_end &&
	       ch_align_down(at, CH_PAGE_BYTES) < end;
}

/*
 * Whether a mapping holds nothing that the program may write. A page of the file may be
 * mapped twice, at the end of constants and at the start of data: addresses tell them
 * apart. What lies outside of the image (a file bundled with it) is judged by its offset.
 */
static bool is_read_only(const struct ch_image *image, const struct ch_module *module,
			 const struct ch_file_map *map)
{
	uint64_t bytes = map->end - map->start, end;
	bool inside = false, writes = false, shares = false;
	uint32_t i;

	if (!ch_add(map->off, bytes, &end))
		return false;
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];
		bool here = phdr->p_type == PT_LOAD && share_pages(map->start - module->bias, bytes,
								   phdr->p_vaddr, phdr->p_memsz);

		inside = inside || here;
		writes = writes || (here && phdr->p_flags & PF_W);
		shares = shares || (phdr->p_type == PT_LOAD && phdr->p_flags & PF_W &&
				    share_pages(map->off, bytes, phdr->p_offset, phdr->p_filesz));
	}
	return inside ? !writes : !shares;
}

/* The module whose file a mapping shows: the one that it is a part of, else the
 * executable (a single file maps what it is bundled with from itself). */
static const struct ch_module *lender_of(const struct ch_sym *sym, const struct ch_module *exe,
					 const struct ch_file_map *map)
{
	const struct ch_module *module = ch_sym_module_at(sym, map->start);

	if (!module)
		module = exe;
	return module && strcmp(module->path, map->path) == 0 ? module : NULL;
}

static struct ch_error *lend_all(struct ch_sym *sym)
{
	const struct ch_module *module, *exe = chp_sym_exe(sym);
	const struct ch_file_map *maps;
	struct ch_module_extra *extra;
	struct ch_error *err;
	size_t count, i;

	maps = ch_core_file_maps(sym->core, &count);
	for (i = 0; i < count; i++) {
		module = lender_of(sym, exe, &maps[i]);
		/* Of an assembly the dumper may have left nothing to verify it by. */
		if (!module || (module->match != CH_MATCH_MATCHED &&
				(module->match != CH_MATCH_LIKELY || module->kind != CH_MODULE_PE)))
			continue;
		extra = chp_module_extra(sym, module);
		if (!is_read_only(&extra->image, module, &maps[i]))
			continue;
		err = lend(sym, extra, &maps[i]);
		if (err)
			return err;
	}
	return NULL;
}

/* A matched file may hold the headers that lead to the link map. */
static struct ch_error *walk_again(struct ch_sym *sym)
{
	const struct ch_module *module;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->link_map)
			return NULL;
	}
	return chp_linkmap_walk(sym);
}

static struct ch_error *match_all(struct ch_sym *sym, const char *basis)
{
	struct ch_error *err = NULL;
	struct ch_module *module;
	size_t i;

	for (i = 0; !err && i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->kind != CH_MODULE_VDSO && (!basis || strcmp(module->basis, basis) == 0))
			err = match_module(sym, module);
	}
	return err;
}

struct ch_error *chp_files_match(struct ch_sym *sym)
{
	size_t known = sym->modules.count;
	struct ch_error *err;

	err = match_all(sym, NULL);
	if (!err)
		err = walk_again(sym);
	if (!err && sym->modules.count > known)
		err = match_all(sym, "link map");
	if (!err)
		err = chp_scan_rows(sym);
	if (!err)
		err = lend_all(sym);
	if (!err)
		err = chp_initial_lend(sym);
	if (!err)
		report_matches(sym);
	return err;
}
