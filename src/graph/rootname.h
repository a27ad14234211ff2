/*
 * rootname.h - what names of roots rest on, for others that ask the same: rootname.c.
 */
#ifndef COREHEAP_GRAPH_ROOTNAME_H
#define COREHEAP_GRAPH_ROOTNAME_H

#include <coreheap/graph.h>

/** The frames of a thread, unwound once. Borrowed. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_rootnames_frames(struct ch_graph *graph, uint32_t thread,
						    const struct ch_frame **frames_ret,
						    size_t *count_ret);

#endif /* COREHEAP_GRAPH_ROOTNAME_H */
