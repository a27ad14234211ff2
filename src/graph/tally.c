#include "graph/tally.h"

#include <stdlib.h>

#include <coreheap/heap.h>

#include "util/hash.h"

#define ROWS_MAX (1U << 16)

static uint32_t slot_of(const struct ch_tallies *tallies, uint32_t group, uint64_t type)
{
	return (uint32_t)ch_hash_number(ch_hash_number(CH_HASH_START, type), group) & tallies->mask;
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
		slot = slot_of(tallies, row->group, row->type);
		while (tallies->slots[slot])
			slot = (slot + 1) & tallies->mask;
		tallies->slots[slot] = (uint32_t)i + 1;
	}
	return true;
}

struct ch_tally *chp_tally_of(struct ch_tallies *tallies, uint32_t group, uint32_t walker,
			      uint64_t type)
{
	struct ch_tally *row;
	uint32_t slot;

	if ((!tallies->slots || 2 * tallies->rows.count >= tallies->mask) && !grow(tallies))
		return NULL;
	if (tallies->rows.count >= ROWS_MAX)
		type = CH_TYPE_ID_OTHER;
	for (slot = slot_of(tallies, group, type); tallies->slots[slot];
	     slot = (slot + 1) & tallies->mask) {
		row = CH_VEC_AT(&tallies->rows, struct ch_tally, tallies->slots[slot] - 1);
		if (row->type == type && row->group == group && row->walker == walker)
			return row;
	}
	row = ch_vec_push(&tallies->rows);
	if (!row)
		return NULL;
	*row = (struct ch_tally){ .group = group, .walker = walker, .type = type };
	tallies->slots[slot] = (uint32_t)tallies->rows.count;
	return row;
}

void chp_tallies_deinit(struct ch_tallies *tallies)
{
	ch_vec_deinit(&tallies->rows);
	free(tallies->slots);
}
