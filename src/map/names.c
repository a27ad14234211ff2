/*
 * Names of what the map tells of a region: usage, type, state, protection, what is missing; ours,
 * and those of WinDbg beside them.
 */
#include "map/map_priv.h"

#include "util/cleanup.h"

/* Native name and the name WinDbg's !address has for it. */
static const struct usage_row {
	const char *native, *windbg;
} usage_rows[] = {
	[CH_USAGE_MANAGED_HEAP] = { "managed:heap", "Heap" },
	[CH_USAGE_MANAGED_LOADER] = { "managed:loader", "<unknown>" },
	[CH_USAGE_MANAGED_OTHER] = { "managed:other", "<unknown>" },
	[CH_USAGE_MANAGED_VIEW] = { "managed:view", "<unknown>" },
	[CH_USAGE_JIT] = { "jit", "<unknown>" },
	[CH_USAGE_TLS] = { "tls", "TEB" },
	[CH_USAGE_STACK] = { "stack", "Stack" },
	[CH_USAGE_GUARD] = { "guard", "Stack" },
	[CH_USAGE_HEAP] = { "heap(brk)", "Heap" },
	[CH_USAGE_ARENA] = { "arena", "Heap" },
	[CH_USAGE_MMAP_CHUNK] = { "mmap-chunk", "Heap" },
	[CH_USAGE_EXE] = { "exe", "Image" },
	[CH_USAGE_LIB] = { "lib", "Image" },
	[CH_USAGE_BSS] = { "bss", "Image" },
	[CH_USAGE_FILE] = { "file", "FileMap" },
	[CH_USAGE_SHM] = { "shm", "FileMap" },
	[CH_USAGE_MEMFD] = { "memfd", "FileMap" },
	[CH_USAGE_VDSO] = { "vdso", "Other" },
	[CH_USAGE_VVAR] = { "vvar", "Other" },
	[CH_USAGE_VSYSCALL] = { "vsyscall", "Other" },
	[CH_USAGE_OTHER] = { "other", "Other" },
	[CH_USAGE_RESERVE] = { "reserve", "<unknown>" },
	[CH_USAGE_UNDUMPED] = { "undumped", "<unknown>" },
	[CH_USAGE_ANON] = { "anon", "<unknown>" },
	[CH_USAGE_FREE] = { "free", "Free" },
};

const char *ch_usage_name(enum ch_usage usage)
{
	return (size_t)usage < CH_COUNT_OF(usage_rows) ? usage_rows[usage].native : "unknown";
}

const char *ch_usage_windbg_name(enum ch_usage usage)
{
	return (size_t)usage < CH_COUNT_OF(usage_rows) ? usage_rows[usage].windbg : "<unknown>";
}

const char *ch_memtype_name(enum ch_memtype type)
{
	static const char *const names[] = { "", "MEM_IMAGE", "MEM_MAPPED", "MEM_PRIVATE" };

	return (size_t)type < CH_COUNT_OF(names) ? names[type] : "";
}

const char *ch_state_name(enum ch_state state)
{
	static const char *const names[] = { "MEM_FREE", "MEM_RESERVE", "MEM_COMMIT" };

	return (size_t)state < CH_COUNT_OF(names) ? names[state] : "";
}

const char *ch_basis_name(enum ch_basis basis)
{
	static const char *const names[] = { "recorded", "derived", "heuristic" };

	return (size_t)basis < CH_COUNT_OF(names) ? names[basis] : "";
}

enum ch_protect ch_region_protect(const struct ch_region *region, bool windbg)
{
	bool copy = windbg && (region->flags & CH_REGION_PRIVATE_FILE);

	if (region->prot == CH_PROT_UNKNOWN)
		return CH_PROTECT_UNKNOWN;
	switch (region->prot & (CH_SEGMENT_READ | CH_SEGMENT_WRITE | CH_SEGMENT_EXEC)) {
	case CH_PROT_NONE:
		return CH_PROTECT_NOACCESS;
	case CH_SEGMENT_READ:
		return CH_PROTECT_READONLY;
	case CH_SEGMENT_EXEC:
		return CH_PROTECT_EXECUTE;
	case CH_SEGMENT_READ | CH_SEGMENT_EXEC:
		return CH_PROTECT_EXECUTE_READ;
	case CH_SEGMENT_WRITE:
	case CH_SEGMENT_READ | CH_SEGMENT_WRITE:
		return copy ? CH_PROTECT_WRITECOPY : CH_PROTECT_READWRITE;
	default:
		return copy ? CH_PROTECT_EXECUTE_WRITECOPY : CH_PROTECT_EXECUTE_READWRITE;
	}
}

const char *ch_protect_name(enum ch_protect protect)
{
	static const char *const names[] = {
		"PAGE_NOACCESS",          "PAGE_READONLY",          "PAGE_READWRITE",
		"PAGE_WRITECOPY",         "PAGE_EXECUTE",           "PAGE_EXECUTE_READ",
		"PAGE_EXECUTE_READWRITE", "PAGE_EXECUTE_WRITECOPY", "unknown",
	};

	return (size_t)protect < CH_COUNT_OF(names) ? names[protect] : "unknown";
}

const char *ch_region_native_protect(const struct ch_region *region)
{
	/* by rights, then private, shared, not known */
	static const char *const names[9][3] = {
		{ "---p", "---s", "---p?" }, { "--xp", "--xs", "--xp?" },
		{ "-w-p", "-w-s", "-w-p?" }, { "-wxp", "-wxs", "-wxp?" },
		{ "r--p", "r--s", "r--p?" }, { "r-xp", "r-xs", "r-xp?" },
		{ "rw-p", "rw-s", "rw-p?" }, { "rwxp", "rwxs", "rwxp?" },
		{ "???p", "???s", "???p?" },
	};
	unsigned int share = 0;

	if (region->state == CH_STATE_FREE)
		return NULL;
	if (region->flags & CH_REGION_SHARED)
		share = 1;
	else if (region->flags & CH_REGION_TYPE_GUESSED ||
		 (region->backing && !(region->flags & CH_REGION_PRIVATE_FILE)))
		share = 2;
	return names[region->prot & CH_PROT_UNKNOWN ? 8 : region->prot & 7][share];
}

enum ch_missing ch_region_missing(const struct ch_region *region)
{
	if (region->state == CH_STATE_RESERVE)
		return CH_MISSING_RESERVED;
	if (region->flags & CH_REGION_NO_SEGMENT)
		return CH_MISSING_NO_SEGMENT;
	if (region->usage == CH_USAGE_VVAR)
		return CH_MISSING_KERNEL;
	if (region->flags & CH_REGION_SHARED || region->usage == CH_USAGE_MEMFD)
		return CH_MISSING_SHARED;
	return region->backing && !(region->flags & CH_REGION_UNDUMPED)
		       ? CH_MISSING_FILE
		       : CH_MISSING_UNTOUCHED_OR_DONTDUMP;
}

const char *ch_missing_name(enum ch_missing missing)
{
	static const char *const names[] = { "truncated",    "file",
					     "not-recorded", "untouched-or-dontdump",
					     "shared",       "kernel",
					     "reserved" };

	return (size_t)missing < CH_COUNT_OF(names) ? names[missing] : "unknown";
}
