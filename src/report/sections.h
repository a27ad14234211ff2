/*
 * report/sections.h - tables of runtimes (heap/sections.h), whatever they are of.
 */
#ifndef COREHEAP_REPORT_SECTIONS_H
#define COREHEAP_REPORT_SECTIONS_H

#include "heap/sections.h"
#include "render/render.h"

struct ch_sections {
	/** of struct ch_section, all of one shape */
	struct ch_vec list;
	/** Rows that say nothing new, too. */
	bool all;
};

/** One array of the rows of all runtimes; texts are null unless contents may be shown. */
json_t *chp_json_sections(const struct ch_report *report, const struct ch_runtime *runtimes,
			  const struct ch_sections *sections);
/** A table for each runtime. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_sections(const struct ch_report *report,
						  const struct ch_runtime *runtimes,
						  const struct ch_sections *sections);

#endif /* COREHEAP_REPORT_SECTIONS_H */
