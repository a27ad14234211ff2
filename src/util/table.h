/*
 * util/table.h - numbers by address: a hash table from a uint64_t that is not 0 to a uint32_t.
 *
 * What is kept of an address is a struct in a vector, or nothing, and its index is the number
 * here: rows stay in the order in which they came, and the table can be made again from its keys.
 * Open addressing, at most half full; an insertion that fails leaves the table as it was.
 */
#ifndef COREHEAP_UTIL_TABLE_H
#define COREHEAP_UTIL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CH_TABLE_NONE UINT32_MAX

struct ch_table_slot {
	/** 0: empty. */
	uint64_t key;
	uint32_t number;
};

/** Zeros are an empty one. */
struct ch_table {
	struct ch_table_slot *slots;
	/** Slots less one; a power of two less one. */
	size_t mask, count;
};

/** The slot that has the key, or the empty one where it would be; of a table with slots. */
static inline struct ch_table_slot *ch_table_slot(const struct ch_table *table, uint64_t key)
{
	/* the golden ratio spreads addresses of things of one size (Knuth, volume 3, 6.4) */
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 32) & table->mask;

	while (table->slots[at].key && table->slots[at].key != key)
		at = (at + 1) & table->mask;
	return &table->slots[at];
}

/** The number of a key; CH_TABLE_NONE: it is not there. */
static inline uint32_t ch_table_find(const struct ch_table *table, uint64_t key)
{
	const struct ch_table_slot *slot = table->slots && key ? ch_table_slot(table, key) : NULL;

	return slot && slot->key ? slot->number : CH_TABLE_NONE;
}

/** Give a key its number, instead of the one it had. False: no memory. */
bool ch_table_put(struct ch_table *table, uint64_t key, uint32_t number);
/** Free the slots; the table is empty then. */
void ch_table_deinit(struct ch_table *table);

#endif /* COREHEAP_UTIL_TABLE_H */
