/*
 * heapcore.h - a core with its map and heaps opened by walkers of the test's.
 */
#ifndef COREHEAP_TEST_HEAPCORE_H
#define COREHEAP_TEST_HEAPCORE_H

#include "heap/walker.h"
#include "support/opencore.h"

struct heapcore {
	struct opened o;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
};

/** Open what w writes, destroying w; ends the test on failure. */
struct heapcore hc_open_take(struct corewriter *w, const struct ch_walker *const *walkers);
/** As hc_open_take() without the heaps, which are NULL. */
struct heapcore hc_open_map_take(struct corewriter *w);
/** Open a core file with the registered walkers. */
struct ch_error *hc_open_path(const char *path, struct heapcore *ret);
void hc_close(struct heapcore *hc);

/** A toy pool (toy_walker.h) in the making, and what it should add up to. */
struct toypool {
	uint64_t start, pool_bytes;
	uint8_t *bytes;
	uint64_t bump;
	uint64_t used_bytes, used_count, free_bytes, free_count;
};

struct toypool tp_create(uint64_t start, uint64_t pool_bytes);
/** Hand out a block; returns its address. */
uint64_t tp_add(struct toypool *pool, uint32_t size, uint16_t type, bool freed);
/** Make it a segment of w, and free the bytes. */
void tp_write_take(struct toypool *pool, struct corewriter *w);

/** A writer with one thread and nothing else. */
struct corewriter *hc_writer(void);

#endif /* COREHEAP_TEST_HEAPCORE_H */
