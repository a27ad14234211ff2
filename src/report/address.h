/*
 * address.h - where the address space went: tables, lists of regions, one address.
 *
 * Two layouts: our own, and WinDbg's `!address` to the letter (windbg.c).
 */
#ifndef COREHEAP_REPORT_ADDRESS_H
#define COREHEAP_REPORT_ADDRESS_H

#include <coreheap/code.h>

#include "render/render.h"

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
	/** Regions that pass the filter, and what they add up to. */
	const struct ch_region *const *regions;
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
	/** What a runtime knows of that thread; NULL: nothing. */
	const struct ch_thread_info *thread;
	/** Code of a runtime; NULL: none. */
	const struct ch_code *code;
};

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_address(const struct ch_report *report,
						 const struct ch_address *address);
/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_address_one(const struct ch_report *report,
						     const struct ch_address_one *one);

/* ---- between the files of this report ---- */

/** WinDbg's five tables. */
void chp_windbg_tables(FILE *out, const struct ch_address *address);
/** WinDbg's list of regions: heading and the first count rows. */
CH_MUST_CHECK struct ch_error *chp_windbg_regions(FILE *out, const struct ch_address *address,
						  uint64_t count);
/** WinDbg's answer about one address. */
CH_MUST_CHECK struct ch_error *chp_windbg_one(FILE *out, const struct ch_address_one *one);

/** List of regions or segments in any layout but WinDbg's and JSON documents. */
CH_MUST_CHECK struct ch_error *chp_address_list(const struct ch_report *report,
						const struct ch_address *address);
CH_MUST_CHECK struct ch_error *chp_address_segments(const struct ch_report *report);
/** A region as a JSON object; borrowed nothing. */
json_t *chp_json_region(const struct ch_region *region);
/** Segments as a JSON array. */
json_t *chp_json_segments(const struct ch_report *report);

#endif /* COREHEAP_REPORT_ADDRESS_H */
