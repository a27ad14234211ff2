/*
 * The table by which a runtime's own debugger finds its variables (g_dacTable).
 *
 * dotnet/coreclr, release/3.1, and dotnet/runtime, release/8.0 and 9.0, src/inc/dacvars.h (its
 * order); measured on 3.1.3, 8.0.34, 9.0.22, 10.0.12 and 11.0.0.
 */
#include "walkers/coreclr/tables.h"

#include "heap/signs.h"
#include "util/bytes.h"
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"

enum {
	/* From the method table of System.Object to that of System.String. */
	ENTRY_STRING = 3,
	STRINGS_FROM = 8,
	FREE_FROM = 4,
	ENTRIES = 64,
	/* Flags and bytes of method tables. */
	STRING_FLAGS_MASK = 0x8000ffff,
	STRING_FLAGS = 0x80000002,
	STRING_BYTES = 22,
	FREE_FLAGS = 0x80000001,
	FREE_BYTES = 24,
};

/* Address of the variable of an entry, which may lie before addr; 0: there is none. */
uint64_t clr_table_variable(const struct clr_dac_table *table, int64_t entry)
{
	uint64_t ret = 0;
	uint32_t offset;

	if (!table->relative)
		return clr_read_ptr(table->clr, table->addr + (uint64_t)(8 * entry), &ret) ? ret
											   : 0;
	if (!ch_core_read_u32(table->clr->core, table->addr + (uint64_t)(4 * entry), &offset))
		return 0;
	return table->clr->runtime->start + offset;
}

bool clr_variable_value(const struct clr *clr, int32_t entry, uint64_t *ret)
{
	const struct clr_dac_table table = { .clr = clr,
					     .addr = clr->variables,
					     .relative = clr->variables_relative };
	uint64_t addr = table.addr ? clr_table_variable(&table, entry) : 0;

	return addr && clr_read_ptr(clr, addr, ret) && *ret;
}

bool clr_table_value(const struct clr_dac_table *table, int64_t entry, uint64_t *ret)
{
	uint64_t addr = clr_table_variable(table, entry);

	return addr && clr_read_ptr(table->clr, addr, ret) && *ret;
}

/* GcDacVars: version, bytes of a generation, number of them (since .NET 5), then
 * addresses in the runtime or in a collector of its own file. */
static bool is_gc_vars(const struct clr *clr, uint64_t addr)
{
	uint64_t version, bytes, word;
	uint32_t good = 0, i;

	if (addr % 8 || !clr_read_ptr(clr, addr, &version) ||
	    !clr_read_ptr(clr, addr + 8, &bytes) || !version || version > 0xffff || bytes < 100 ||
	    bytes > 2000 || bytes % 8)
		return false;
	for (i = 2; i < 32; i++)
		if (clr_read_ptr(clr, addr + 8ULL * i, &word) && word > CH_PAGE_BYTES &&
		    ch_core_try_read(clr->core, word, &word, 1))
			good++;
	return good >= 5;
}

static bool is_method_table(const struct clr *clr, uint64_t mt, uint32_t mask, uint32_t flags,
			    uint32_t bytes)
{
	uint32_t words[2];

	return mt % 8 == 0 && ch_core_read_u32(clr->core, mt, &words[0]) &&
	       ch_core_read_u32(clr->core, mt + 4, &words[1]) && (words[0] & mask) == flags &&
	       words[1] == bytes;
}

/* The best known types: strings are unlike all others, objects lie before them. */
bool clr_table_types(struct clr *clr, const struct clr_dac_table *table)
{
	int64_t i, k;

	for (i = STRINGS_FROM; i < ENTRIES; i++)
		if (clr_table_value(table, i, &clr->string_mt) &&
		    is_method_table(clr, clr->string_mt, STRING_FLAGS_MASK, STRING_FLAGS,
				    STRING_BYTES))
			break;
	if (i == ENTRIES || !clr_table_value(table, i - ENTRY_STRING, &clr->object_mt))
		return false;
	for (k = i + FREE_FROM; k < i + ENTRIES; k++)
		if (clr_table_value(table, k, &clr->free_mt) &&
		    is_method_table(clr, clr->free_mt, UINT32_MAX, FREE_FLAGS, FREE_BYTES))
			return true;
	return false;
}

/* Where names are not in the core, and .NET Core 3.1 exports none: the structure lies in the
 * runtime's data or that of a collector's own library, a variable of the runtime points at it, and
 * the table has that variable. */
static uint64_t find_gc_pointer(const struct clr *clr, bool inside)
{
	uint64_t start = clr->runtime->start, at = start, word, i;
	uint64_t end = ch_max(clr->runtime->end, clr->runtime->bss_end);
	struct ch_data_run run = { 0 };

	while (chp_data_next(clr->env, clr->runtime, &at, &run))
		for (i = ch_align_up(run.addr, 8) - run.addr; i < run.len && 8 <= run.len - i;
		     i += 8) {
			word = ch_get64(run.bytes + i);
			if (inside == (word >= start && word < end) && is_gc_vars(clr, word))
				return run.addr + i;
		}
	return 0;
}

static bool find_relative(struct clr *clr, uint64_t pointer, struct clr_dac_table *table)
{
	uint64_t at = clr->runtime->start, i;
	struct ch_data_run run = { 0 };

	while (pointer && chp_data_next(clr->env, clr->runtime, &at, &run))
		for (i = ch_align_up(run.addr, 4) - run.addr; i < run.len && 4 <= run.len - i;
		     i += 4) {
			if (clr->runtime->start + ch_get32(run.bytes + i) != pointer)
				continue;
			*table = (struct clr_dac_table){ .clr = clr,
							 .addr = run.addr + i,
							 .relative = true };
			if (clr_table_types(clr, table))
				return true;
		}
	return false;
}

/* The linker relocated the table: it lies in pages of its own, in cores of the kernel, too. */
static bool find_unnamed(struct clr *clr, uint64_t pointer, struct clr_dac_table *table)
{
	uint64_t at = clr->runtime->start, i;
	struct ch_data_run run = { 0 };

	while (pointer && chp_image_next(clr->env, clr->runtime, &at, &run))
		for (i = ch_align_up(run.addr, 8) - run.addr; i < run.len && 8 <= run.len - i;
		     i += 8) {
			if (ch_get64(run.bytes + i) != pointer)
				continue;
			*table = (struct clr_dac_table){ .clr = clr, .addr = run.addr + i };
			if (clr_table_types(clr, table))
				return true;
		}
	return false;
}

/* The entry of g_gcDacGlobals. */
static bool find_absolute(const struct clr *clr, struct clr_dac_table *table)
{
	struct ch_symbol symbol;
	uint64_t addr;
	int64_t i;

	if (!ch_sym_exported(clr->env->sym, clr->runtime, "g_dacTable", &symbol))
		return false;
	*table = (struct clr_dac_table){ .clr = clr, .addr = symbol.addr };
	for (i = 0; i < ENTRIES; i++)
		if (clr_table_value(table, i, &addr) && is_gc_vars(clr, addr)) {
			table->addr += (uint64_t)(8 * i);
			return true;
		}
	return false;
}

bool clr_table_find(struct clr *clr, struct clr_dac_table *ret)
{
	uint64_t pointer;

	if (find_absolute(clr, ret))
		return true;
	pointer = find_gc_pointer(clr, true);
	if (!pointer)
		pointer = find_gc_pointer(clr, false);
	return find_relative(clr, pointer, ret) || find_unnamed(clr, pointer, ret);
}
