/*
 * parts.h - work on all nodes of a graph, in parts, by several threads.
 */
#ifndef COREHEAP_GRAPH_PARTS_H
#define COREHEAP_GRAPH_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/** Threads that share the work, a part for each. */
#define CH_EDGE_PARTS_MAX 4

/** Do work with each of items, at most CH_EDGE_PARTS_MAX of item_bytes: the first one here, and
 * those that get no thread after it. All are done, whatever becomes of the others. Errors: the
 * first one of work. */
CH_MUST_CHECK struct ch_error *chp_parts_run(void *items, size_t item_bytes, uint32_t count,
					     struct ch_error *(*work)(void *item));

#endif /* COREHEAP_GRAPH_PARTS_H */
