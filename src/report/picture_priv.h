/*
 * picture_priv.h - what the page of a dump and its numbers have in common.
 */
#ifndef COREHEAP_REPORT_PICTURE_PRIV_H
#define COREHEAP_REPORT_PICTURE_PRIV_H

#include "render/document.h"
#include "report/picture.h"

/** Threads with one stack. */
struct ch_picture_threads {
	uint64_t fingerprint, count, share, stack_bytes, used_bytes;
	/** "worker-# (12), main (1)", and the functions on it, innermost first. Owned. */
	char *names, *stack;
};

struct ch_picture_result {
	const struct ch_picture *of;
	uint64_t touched_bytes, mapped_bytes, reserved_bytes, held_bytes;
	bool has_branches;
	struct ch_rows tiles, branches, stretches, sizes;
	/** of struct ch_picture_threads */
	struct ch_vec threads;
};

/** picture_fields.c: all fields, and the rows behind each picture. */
extern const struct ch_field_spec chp_picture_fields[];
extern const struct ch_list chp_picture_tiles_list, chp_picture_branches_list,
	chp_picture_stretches_list, chp_picture_sizes_list, chp_picture_threads_list;

/** page.c: the whole page. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_picture_print_page(const struct ch_report *report,
						      const struct ch_picture_result *result);

#endif /* COREHEAP_REPORT_PICTURE_PRIV_H */
