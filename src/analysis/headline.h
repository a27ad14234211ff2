/*
 * headline.h - the matter of a dump in a few words.
 */
#ifndef COREHEAP_ANALYSIS_HEADLINE_H
#define COREHEAP_ANALYSIS_HEADLINE_H

#include "analysis/summary.h"

/** "a crash: it read through a null pointer", "a leak: 61.2% of what malloc holds can be reached by
 * nothing", "nothing stands out"; "" where there is no such matter, and only the verdict says what
 * the memory is. The suspects of the summary are sorted by then. */
void chp_headline_make(struct ch_session *session, const struct ch_summary *summary,
		       char ret[CH_HEADLINE_MAX]);

#endif /* COREHEAP_ANALYSIS_HEADLINE_H */
