/*
 * tables.h - the table by which a runtime's own debugger finds its variables (g_dacTable), and
 * what is not at hand to read all of them.
 */
#ifndef COREHEAP_WALKERS_CORECLR_TABLES_H
#define COREHEAP_WALKERS_CORECLR_TABLES_H

#include <stdbool.h>
#include <stdint.h>

struct clr;
struct ch_error;

/** Its entries are counted from that of g_gcDacGlobals, and may be negative. */
struct clr_dac_table {
	const struct clr *clr;
	uint64_t addr;
	/** Offsets of 32 bits from the start of the runtime (.NET Core 3.1), not addresses. */
	bool relative;
};

/** Address of the variable of an entry; 0: there is none. */
uint64_t clr_table_variable(const struct clr_dac_table *table, int64_t entry);
/** What it holds. False: nothing, or it is not in the core. */
bool clr_table_value(const struct clr_dac_table *table, int64_t entry, uint64_t *ret);
/** Find it, by its name or, where names are not in the core, by what it leads to. */
bool clr_table_find(struct clr *clr, struct clr_dac_table *ret);
/** Set the method tables of objects, strings and free objects. False: they are not there. */
bool clr_table_types(struct clr *clr, const struct clr_dac_table *table);

/* needs.c: what is not at hand. */

/** Whether the file of the runtime's library is not. */
bool clr_lacks_runtime(const struct clr *clr);
/** Say which files names need, and that the layout is from a table. */
void clr_needs_names(const struct clr *clr);
void clr_needs_runtime(const struct clr *clr);
/** An error, which is taken, with what is needed, where that may help. */
struct ch_error *clr_needs_error(const struct clr *clr, struct ch_error *err);

#endif /* COREHEAP_WALKERS_CORECLR_TABLES_H */
