/*
 * Growing and freeing of the hash table; look-ups are in the header, as they are asked for every
 * object.
 */
#include "util/table.h"

#include <stdlib.h>

/* A page of slots. */
#define SLOTS_MIN 256

static bool grow(struct ch_table *table)
{
	size_t old = table->slots ? table->mask + 1 : 0, size = old ? 2 * old : SLOTS_MIN, i;
	struct ch_table more = { calloc(size, sizeof(*more.slots)), size - 1, table->count };

	if (!more.slots)
		return false;
	for (i = 0; i < old; i++)
		if (table->slots[i].key)
			*ch_table_slot(&more, table->slots[i].key) = table->slots[i];
	free(table->slots);
	*table = more;
	return true;
}

bool ch_table_put(struct ch_table *table, uint64_t key, uint32_t number)
{
	struct ch_table_slot *slot;

	if (2 * table->count >= table->mask && !grow(table))
		return false;
	slot = ch_table_slot(table, key);
	table->count += !slot->key;
	*slot = (struct ch_table_slot){ key, number };
	return true;
}

void ch_table_deinit(struct ch_table *table)
{
	free(table->slots);
	*table = (struct ch_table){ .slots = NULL };
}
