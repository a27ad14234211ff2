#include "map/map_priv.h"

#include "util/cleanup.h"

/* Native name and the name WinDbg's !address has for it. */
static const struct usage_row {
	const char *native, *windbg;
} usage_rows[] = {
	[CH_USAGE_MANAGED_HEAP] = { "managed:heap", "Heap" },
	[CH_USAGE_MANAGED_LOADER] = { "managed:loader", "<unknown>" },
	[CH_USAGE_MANAGED_OTHER] = { "managed:other", "<unknown>" },
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
