/*
 * graphcase.h - random object graphs in cores, and what they look like.
 */
#ifndef COREHEAP_TEST_GRAPHCASE_H
#define COREHEAP_TEST_GRAPHCASE_H

#include <coreheap/graph.h>

#define GC_BLOCKS 40

enum gc_link {
	GC_NONE,
	/** Only by pointers behind the first byte. */
	GC_INTERIOR,
	GC_EXACT,
};

/** Blocks by address; free ones hold and get pointers, too, which do not count. */
struct graphcase {
	uint32_t count;
	uint64_t addr[GC_BLOCKS];
	uint32_t size[GC_BLOCKS];
	bool used[GC_BLOCKS];
	enum gc_link links[GC_BLOCKS][GC_BLOCKS];
	enum gc_link roots[GC_BLOCKS];
	/** Id of the first block; the pool's header has one, too. */
	uint32_t first_id;

	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_graph *graph;
};

/** Make and open one; ends the test on failure. threads as in ch_graph_options. */
void gc_open(struct graphcase *gc, uint64_t seed, uint32_t threads);
void gc_close(struct graphcase *gc);
/** A number below bound. */
uint32_t gc_random(uint64_t *state, uint32_t bound);

#endif /* COREHEAP_TEST_GRAPHCASE_H */
