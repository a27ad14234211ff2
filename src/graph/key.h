/*
 * key.h - the key of an entry that holds it weakly: the ThreadLocal of an entry of a thread's map.
 */
#ifndef COREHEAP_GRAPH_KEY_H
#define COREHEAP_GRAPH_KEY_H

#include "graph/trails.h"

/**
 * Of a block with a weak reference to a key and a value of its own: what leads to the key,
 * "static Shop.CONTEXT". Escaped; may be cut. False: it is none, or nothing leads to its key.
 */
bool chp_key_text(const struct ch_trails *trails, uint32_t id, char *buf, size_t max);

#endif /* COREHEAP_GRAPH_KEY_H */
