/*
 * address.h - where the address space went: tables, lists of regions, one address.
 *
 * Two sets of names: our own, and those of WinDbg's `!address`.
 */
#ifndef COREHEAP_ANALYSIS_ADDRESS_H
#define COREHEAP_ANALYSIS_ADDRESS_H

#include <coreheap/code.h>
#include <coreheap/coreheap.h>

/** One row of a table. */
struct ch_address_row {
	/** WinDbg's name, and ours (NULL in WinDbg's layout). Static. */
	const char *name, *native;
	/** Free memory has no share of what is busy. */
	bool free;
	/** The dumper does not write what this row counts: numbers are unknown. */
	bool not_recorded;
	struct ch_map_sum sum;
};

/** One table, by total bytes descending. */
struct ch_address_table {
	struct ch_address_row rows[CH_USAGE_COUNT];
	size_t count;
};

/** How a list of regions is written, beside the format of the report. */
enum ch_address_list {
	CH_ADDRESS_LIST_TABLE,
	CH_ADDRESS_LIST_CSV,
	CH_ADDRESS_LIST_TSV,
	/** Base addresses only. */
	CH_ADDRESS_LIST_BARE,
};

struct ch_address {
	/** Over the regions that pass the filter when tables_filtered, else all. */
	struct ch_map_sums sums;
	struct ch_address_table usage, type, state, protect;
	/** Of the whole map, whatever the filter. */
	uint64_t total_bytes, busy_bytes, touched_bytes;
	struct ch_map_invariant invariants[CH_MAP_INVARIANTS];
	enum ch_producer producer;
	/** As given, joined by spaces; NULL when there is none. */
	const char *filter;
	bool tables_filtered;
	/** WinDbg's layout. */
	bool windbg;
	/** What to write. */
	bool show_tables, show_regions, show_segments;
	enum ch_address_list list;
	/** Regions that pass the filter, and what they add up to. The array is owned. */
	const struct ch_region **regions;
	size_t regions_count;
	uint64_t regions_bytes;
	/** Outside of the address space; NULL when the core has none. */
	const struct ch_region *vsyscall;
};

/** What one address is. */
struct ch_address_one {
	uint64_t addr;
	const struct ch_region *region;
	bool windbg;
	/** NULL when there is none. */
	const struct ch_module *module;
	bool has_symbol;
	struct ch_symbol symbol;
	/** Thread whose stack holds the address; 0 when none. */
	uint32_t tid;
	uint64_t sp;
	/** What a runtime knows of that thread. */
	bool has_thread;
	struct ch_thread_info thread;
	/** Code of a runtime. */
	bool has_code;
	struct ch_code code;
};

struct ch_address_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Bits of enum ch_sum_flags. */
	uint32_t flags;
	/** What passes, for lists and where tables are filtered. */
	const struct ch_region_filter *filter;
};

/**
 * Fill the tables and, where they are to be shown, the regions; what is to be shown is set
 * before. The caller's to end with chp_address_deinit() also on failure. Errors: those of
 * the session, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_address_make(struct ch_session *session,
						const struct ch_address_options *options,
						struct ch_address *address);
void chp_address_deinit(struct ch_address *address);
/** Errors: ARG above the address space, those of the session, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_address_one_make(struct ch_session *session, uint32_t threads,
						    uint64_t addr, struct ch_address_one *ret);

#endif /* COREHEAP_ANALYSIS_ADDRESS_H */
