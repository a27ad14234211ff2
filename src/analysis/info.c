/*
 * What a core is, from its headers and notes alone.
 */
#include "analysis/info.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Rows of each list; a hostile core may hold a million kinds of notes. */
#define ROWS_MAX 256

struct ch_info_source {
	struct ch_map *map;
	struct ch_heaps *probed;
};

static const char *note_name(const struct ch_note *note)
{
	/* include/uapi/linux/elf.h; gdb/elf-none-tdep.c for GDB's own */
	static const struct {
		const char *owner;
		uint32_t type;
		const char *name;
	} rows[] = {
		{ "CORE", 1, "NT_PRSTATUS" },
		{ "CORE", 2, "NT_FPREGSET" },
		{ "CORE", 3, "NT_PRPSINFO" },
		{ "CORE", 4, "NT_TASKSTRUCT" },
		{ "CORE", 6, "NT_AUXV" },
		{ "CORE", 0x53494749, "NT_SIGINFO" },
		{ "CORE", 0x46494c45, "NT_FILE" },
		{ "LINUX", 0x200, "NT_386_TLS" },
		{ "LINUX", 0x202, "NT_X86_XSTATE" },
		{ "LINUX", 0x204, "NT_X86_SHSTK" },
		{ "LINUX", 0x205, "NT_X86_XSAVE_LAYOUT" },
		{ "LINUX", 0x401, "NT_ARM_TLS" },
		{ "LINUX", 0x402, "NT_ARM_HW_BREAK" },
		{ "LINUX", 0x403, "NT_ARM_HW_WATCH" },
		{ "LINUX", 0x404, "NT_ARM_SYSTEM_CALL" },
		{ "LINUX", 0x405, "NT_ARM_SVE" },
		{ "LINUX", 0x406, "NT_ARM_PAC_MASK" },
		{ "LINUX", 0x409, "NT_ARM_TAGGED_ADDR_CTRL" },
		{ "LINUX", 0x40a, "NT_ARM_PAC_ENABLED_KEYS" },
		{ "GDB", 0xff000000, "NT_GDB_TDESC" },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (rows[i].type == note->type && strcmp(rows[i].owner, note->name) == 0)
			return rows[i].name;
	return NULL;
}

/* Notes by owner and type, in the order of their first one. */
static struct ch_error *gather_notes(const struct ch_core *core, struct ch_info *info)
{
	const struct ch_note *notes;
	struct ch_info_notes *row;
	size_t count, i, k;

	notes = ch_core_notes(core, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < info->notes.count; k++) {
			row = CH_VEC_AT(&info->notes, struct ch_info_notes, k);
			if (row->type == notes[i].type && strcmp(row->owner, notes[i].name) == 0)
				break;
		}
		if (k == info->notes.count) {
			if (k == ROWS_MAX)
				continue;
			row = ch_vec_push(&info->notes);
			if (!row)
				return &ch_enomem;
			row->owner = notes[i].name;
			row->type = notes[i].type;
			row->name = note_name(&notes[i]);
			row->known = notes[i].known;
		}
		row->count++;
		row->total_bytes += notes[i].size_bytes;
	}
	return NULL;
}

static struct ch_error *gather_auxv(const struct ch_core *core, struct ch_info *info)
{
	static const struct {
		uint64_t type;
		const char *name;
	} rows[] = {
		{ AT_PAGESZ, "AT_PAGESZ" },     { AT_PHDR, "AT_PHDR" },
		{ AT_PHNUM, "AT_PHNUM" },       { AT_BASE, "AT_BASE" },
		{ AT_ENTRY, "AT_ENTRY" },       { AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR" },
		{ AT_UID, "AT_UID" },           { AT_EUID, "AT_EUID" },
		{ AT_GID, "AT_GID" },           { AT_EGID, "AT_EGID" },
		{ AT_SECURE, "AT_SECURE" },     { AT_HWCAP, "AT_HWCAP" },
		{ AT_HWCAP2, "AT_HWCAP2" },     { AT_CLKTCK, "AT_CLKTCK" },
		{ AT_RANDOM, "AT_RANDOM" },     { AT_EXECFN, "AT_EXECFN" },
		{ AT_PLATFORM, "AT_PLATFORM" },
	};
	struct ch_info_auxv *row;
	uint64_t value;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++) {
		if (!ch_core_auxv(core, rows[i].type, &value))
			continue;
		row = ch_vec_push(&info->auxv);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_info_auxv){ rows[i].type, value, rows[i].name };
	}
	return NULL;
}

/* What is here, or was mapped and not used. */
static struct ch_error *gather_runtimes(const struct ch_heaps *heaps, struct ch_info *info)
{
	const struct ch_runtime *runtimes, **row;
	size_t count, i;

	runtimes = ch_heaps_runtimes(heaps, &count);
	for (i = 0; i < count; i++) {
		if (!runtimes[i].score && !runtimes[i].mapped)
			continue;
		row = ch_vec_push(&info->runtimes);
		if (!row)
			return &ch_enomem;
		*row = &runtimes[i];
	}
	return NULL;
}

static void find_modules(struct ch_sym *sym, struct ch_info *info)
{
	ch_sym_modules(sym, &info->modules_count);
	info->exe = ch_sym_executable(sym);
}

struct ch_error *chp_info_make(struct ch_session *session, struct ch_info *ret)
{
	struct ch_info_source *source = calloc(1, sizeof(*source));
	struct ch_core *core = ch_session_core(session);
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count;

	*ret = (struct ch_info){ .notes = CH_VEC(struct ch_info_notes),
				 .auxv = CH_VEC(struct ch_info_auxv),
				 .runtimes = CH_VEC(const struct ch_runtime *),
				 .source = source };
	if (!source)
		return &ch_enomem;
	err = ch_session_sym(session, &sym);
	if (!err)
		err = ch_map_create(core, sym, &source->map);
	if (!err)
		err = ch_heaps_probe(core, sym, source->map, &source->probed);
	if (!err)
		err = gather_notes(core, ret);
	if (!err)
		err = gather_auxv(core, ret);
	if (!err)
		err = gather_runtimes(source->probed, ret);
	if (err)
		return err;
	chp_death_find(&(struct ch_death_env){ core, sym, source->map, NULL }, &ret->death);
	find_modules(sym, ret);
	ch_core_threads(core, &count);
	ret->threads_count = count;
	ch_core_segments(core, &count);
	ret->segments_count = count;
	return NULL;
}

void chp_info_deinit(struct ch_info *info)
{
	ch_vec_deinit(&info->notes);
	ch_vec_deinit(&info->auxv);
	ch_vec_deinit(&info->runtimes);
	if (!info->source)
		return;
	ch_heaps_close(info->source->probed);
	ch_map_destroy(info->source->map);
	free(info->source);
}
