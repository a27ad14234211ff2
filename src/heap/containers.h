/*
 * containers.h - where collections of a runtime's library have what they hold, as tables.
 *
 * A collection has room: an array, of which it uses a part. What it does not use is bytes that
 * nothing is in. A map by hash codes has, in the slots of an array, chains of nodes: one chain
 * with nearly all nodes is a map whose keys share a hash code.
 */
#ifndef COREHEAP_HEAP_CONTAINERS_H
#define COREHEAP_HEAP_CONTAINERS_H

#include <stdint.h>

enum ch_container_kind {
	/** The array has elements [0, size), or as many between two indices. */
	CH_CONTAINER_ARRAY,
	/** The array has heads of chains, nodes are objects of their own. */
	CH_CONTAINER_BUCKETS,
	/** The array has entries; another one has numbers of their first ones, 1-based. */
	CH_CONTAINER_ENTRIES,
};

struct ch_container {
	/** As the walker names the type; all that begins with it when it ends in '<'. NULL ends
	 * the table. */
	const char *name;
	enum ch_container_kind kind;
	/** Fields: the array, and how many are in use. Less (NULL: none) of those in use are free
	 * again. Of a ring, where size is an index: that of its first element, else NULL. */
	const char *array, *size, *less, *first;
	/** Of chains: the array of numbers of first entries; the field of a node (or an entry)
	 * that leads to the next one, and that of a node which a tree has in its place. */
	const char *buckets, *next;
};

#endif /* COREHEAP_HEAP_CONTAINERS_H */
