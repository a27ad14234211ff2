#include "support/graphcase.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

#define POOL_START  0x10000000ULL
#define POOL_BYTES  0x4000
#define ROOTS_START 0x20000000ULL
#define ROOTS_BYTES 0x1000
#define ROOTS_MOST  6

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

uint32_t gc_random(uint64_t *state, uint32_t bound)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 20) % bound;
}

/* A pointer to some block, or into it, or a number; counts it in row. */
static uint64_t make_word(struct graphcase *gc, uint64_t *state, uint32_t chance, enum gc_link *row)
{
	uint32_t target = gc_random(state, gc->count), offset = 0;

	if (gc_random(state, 100) >= chance)
		return gc_random(state, 5) ? gc_random(state, 1000) : 0;
	if (gc_random(state, 3) == 0)
		offset = gc_random(state, gc->size[target] + 8);
	/* One past the end, and what follows, is no pointer into it; the next
	 * block's header lies there. */
	if (gc->used[target] && offset < gc->size[target]) {
		if (!offset)
			row[target] = GC_EXACT;
		else if (row[target] == GC_NONE)
			row[target] = GC_INTERIOR;
	}
	return gc->addr[target] + (offset < gc->size[target] ? offset : gc->size[target]);
}

static void fill_blocks(struct graphcase *gc, struct toypool *pool, uint64_t *state)
{
	uint32_t chance = 5 + gc_random(state, 60), i, k;
	enum gc_link nowhere[GC_BLOCKS];
	uint64_t word;

	for (i = 0; i < gc->count; i++) {
		memset(nowhere, 0, sizeof(nowhere));
		for (k = 0; k + 8 <= gc->size[i]; k += 8) {
			word = make_word(gc, state, chance, gc->used[i] ? gc->links[i] : nowhere);
			memcpy(pool->bytes + (gc->addr[i] - pool->start) + k, &word, 8);
		}
	}
}

static void make_core(struct graphcase *gc, uint64_t *state, const char *path)
{
	struct toypool pool = tp_create(POOL_START, POOL_BYTES);
	uint32_t roots = gc_random(state, ROOTS_MOST), i;
	uint64_t words[ROOTS_BYTES / 8] = { 0 };
	struct corewriter *w = hc_writer();

	gc->count = 2 + gc_random(state, GC_BLOCKS - 2);
	for (i = 0; i < gc->count; i++) {
		gc->size[i] = 8 + gc_random(state, 65);
		gc->used[i] = gc_random(state, 6) != 0;
		gc->addr[i] = tp_add(&pool, gc->size[i], 0, !gc->used[i]);
	}
	fill_blocks(gc, &pool, state);
	for (i = 0; i < roots; i++)
		words[gc_random(state, ROOTS_BYTES / 8)] = 1;
	for (i = 0; i < ROOTS_BYTES / 8; i++)
		if (words[i])
			words[i] = make_word(gc, state, 90, gc->roots);
	tp_write_take(&pool, w);
	cw_load(w, ROOTS_START, ROOTS_BYTES, PF_R | PF_W, words, ROOTS_BYTES);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
}

void gc_open(struct graphcase *gc, uint64_t seed, uint32_t threads)
{
	const struct ch_graph_options options = { .threads = threads };
	const char *path = cw_temp_path("graph");
	uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;

	memset(gc, 0, sizeof(*gc));
	make_core(gc, &state, path);
	gc->ctx = ch_context_create(NULL);
	ck_ch_ok(ch_session_open(gc->ctx, path, NULL, &gc->session));
	unlink(path);
	chp_session_use_walkers(gc->session, toy_only);
	ck_ch_ok(ch_graph_create(gc->session, &options, &gc->graph));
	while (ch_graph_addr(gc->graph, gc->first_id) < gc->addr[0])
		gc->first_id++;
}

void gc_close(struct graphcase *gc)
{
	ch_graph_destroy(gc->graph);
	ch_session_close(gc->session);
	ch_context_destroy(gc->ctx);
}
