/*
 * address.h - how the address space is shown: tables, lists of regions, one address.
 *
 * Two layouts: our own, and WinDbg's `!address` to the letter (address_windbg.c).
 */
#ifndef COREHEAP_REPORT_ADDRESS_H
#define COREHEAP_REPORT_ADDRESS_H

#include "analysis/address.h"
#include "render/document.h"

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

/** List of regions in any layout but WinDbg's. */
CH_MUST_CHECK struct ch_error *chp_address_list(const struct ch_report *report,
						const struct ch_address *address,
						struct ch_listing *regions);
/** Rows of these lists: regions of the address space, and segments as the file has them. */
extern const struct ch_field_spec chp_region_fields[];
extern const struct ch_list chp_regions_list, chp_segments_list;
CH_MUST_CHECK struct ch_error *chp_put_regions(struct ch_listing *listing,
					       const struct ch_report *report,
					       const struct ch_address *address);
CH_MUST_CHECK struct ch_error *chp_put_segments(struct ch_listing *listing,
						const struct ch_core *core);
/** A region as a JSON object; borrowed nothing. */
json_t *chp_json_region(const struct ch_region *region);

#endif /* COREHEAP_REPORT_ADDRESS_H */
