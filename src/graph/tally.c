/*
 * Counts and bytes by type, in a table that grows; for sums over parts of a graph.
 */
#include "graph/tally.h"

#include <stdlib.h>

#include <coreheap/heap.h>

#include "heap/type_table.h"

#define ROWS_MAX (1U << 16)

static uint32_t slot_of(const struct ch_tallies *tallies, uint32_t group, uint64_t what)
{
	/* asked for each block: the golden ratio spreads what and group (Knuth, volume 3, 6.4) */
	const uint64_t hash = (what * 0x9e3779b97f4a7c15ULL) ^ (group * 0xc2b2ae3d27d4eb4fULL);

	return (uint32_t)(hash >> 32) & tallies->mask;
}

static bool grow(struct ch_tallies *tallies)
{
	uint32_t size = tallies->slots ? (tallies->mask + 1) * 2 : 1024, slot;
	const struct ch_tally *row;
	size_t i;

	free(tallies->slots);
	tallies->slots = calloc(size, sizeof(*tallies->slots));
	if (!tallies->slots)
		return false;
	tallies->mask = size - 1;
	for (i = 0; i < tallies->rows.count; i++) {
		row = CH_VEC_AT(&tallies->rows, struct ch_tally, i);
		slot = slot_of(tallies, row->group, row->what);
		while (tallies->slots[slot])
			slot = (slot + 1) & tallies->mask;
		tallies->slots[slot] = (uint32_t)i + 1;
	}
	return true;
}

/* Where what finds no room is counted; 0: out of memory. */
static uint64_t other_of(const struct ch_tallies *tallies, uint64_t what)
{
	return tallies->heaps ? chp_type_other(tallies->heaps, (uint32_t)what) : CH_TALLY_OTHER;
}

struct ch_tally *chp_tally_of(struct ch_tallies *tallies, uint32_t group, uint64_t what)
{
	struct ch_tally *row;
	uint32_t slot;

	if ((!tallies->slots || 2 * tallies->rows.count >= tallies->mask) && !grow(tallies))
		return NULL;
	if (what && tallies->rows.count >= ROWS_MAX) {
		what = other_of(tallies, what);
		if (!what)
			return NULL;
	}
	for (slot = slot_of(tallies, group, what); tallies->slots[slot];
	     slot = (slot + 1) & tallies->mask) {
		row = CH_VEC_AT(&tallies->rows, struct ch_tally, tallies->slots[slot] - 1);
		if (row->what == what && row->group == group)
			return row;
	}
	row = ch_vec_push(&tallies->rows);
	if (!row)
		return NULL;
	*row = (struct ch_tally){ .group = group, .what = what };
	tallies->slots[slot] = (uint32_t)tallies->rows.count;
	return row;
}

void chp_tallies_deinit(struct ch_tallies *tallies)
{
	ch_vec_deinit(&tallies->rows);
	free(tallies->slots);
}
