/*
 * types.h - count and bytes by type, of all objects or of those that pass a filter.
 */
#ifndef COREHEAP_ANALYSIS_TYPES_H
#define COREHEAP_ANALYSIS_TYPES_H

#include <coreheap/coreheap.h>

#include "analysis/named_types.h"
#include "analysis/order.h"
#include "analysis/type_groups.h"
#include "heap/filter.h"
#include "util/vec.h"

struct ch_types_row {
	struct ch_named_type type;
	/** A hash of names, the same in the next dump. */
	uint64_t id;
	/** Its generation or arena; NULL: rows are of the whole. Borrowed until the heaps are
	 * closed. */
	const char *group;
	/** Its place among rows of equal bytes. */
	size_t order;
	/** In the bytes of all rows, in hundredths of a percent. */
	uint64_t share;
};

struct ch_types_result {
	/** All allocators and runtimes. Borrowed until the heaps are closed. */
	const struct ch_runtime *runtimes;
	size_t runtimes_count;
	/** of struct ch_types_row: by total bytes, then name, or as was asked for */
	struct ch_vec rows;
	/** Sums over the rows. */
	uint64_t total_count, total_bytes;
	/** Who named the used ones of them. */
	struct ch_type_groups named;
	/** Not all objects were asked for. */
	bool filtered;
	/** A row for each type and generation, or arena. */
	bool by_generation;
};

/** filter NULL: all objects. The caller's to end with chp_types_deinit() also on failure. Where
 * there is no allocator, that is a finding. Errors: those of the session, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_types_make(struct ch_session *session,
					      const struct ch_object_filter *filter,
					      bool by_generation, struct ch_types_result *ret);
/** Other than by bytes. */
void chp_types_sort(struct ch_types_result *result, enum ch_order order);
void chp_types_deinit(struct ch_types_result *result);

#endif /* COREHEAP_ANALYSIS_TYPES_H */
