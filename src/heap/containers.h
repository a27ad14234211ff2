/*
 * containers.h - collections of a runtime's library: what they have room for, and how long the
 * chains of those are that go by hash codes.
 *
 * A collection has room: an array, of which it uses a part. What it does not use is bytes that
 * nothing is in. A map by hash codes has, in the slots of an array, chains of entries: one with
 * nearly all of them is a map whose keys share a hash code.
 *
 * A walker names the classes and their fields (struct ch_container); where these lie is looked
 * up by its inspector.
 */
#ifndef COREHEAP_HEAP_CONTAINERS_H
#define COREHEAP_HEAP_CONTAINERS_H

#include "heap/inspect.h"
#include "util/vec.h"

struct ch_heaps;

enum ch_container_kind {
	/** As many elements of the array are in use as size says. */
	CH_CONTAINER_LIST,
	/** Those from the index first to the index size, round its end. */
	CH_CONTAINER_RING,
	/** The array has the first nodes of chains, which are objects of their own; size is that
	 * of the whole map, or NULL: not known. */
	CH_CONTAINER_NODES,
	/** The array has all entries, chained by numbers: buckets has those of first ones plus 1,
	 * next (a field of an entry) that of the next one, negative: there is none. */
	CH_CONTAINER_ENTRIES,
};

struct ch_container {
	/** As the walker names the type; all that begins with it when it ends in '<'. NULL ends
	 * the table. */
	const char *name;
	enum ch_container_kind kind;
	/** Fields: the array; see enum ch_container_kind. */
	const char *array, *size, *first;
	/** How many of size are not in use after all; or the shift that makes elements of it. NULL:
	 * there is none. */
	const char *less, *shift;
	/** NODES and ENTRIES. */
	const char *buckets, *next;
	/** The field of what has the array; NULL: the collection itself. */
	const char *via;
	/** NODES: the field of what may stand in the place of a first node, and has it. */
	const char *tree;
};

/** A row of a walker's table and a type that it is of. */
struct ch_container_type {
	const struct ch_container *row;
	/** And what its walker calls it. */
	uint32_t type;
	uint64_t key;
	struct ch_inspected of;
	/** Names that row has. */
	struct ch_field_place array, size, first, less, shift, buckets, via;
	/** array is known: with via once an instance was met. */
	bool placed;
	/** Where arrays have their lengths; of this one, once an instance was met: its elements
	 * from its address on, and their bytes. */
	uint32_t length_offset;
	uint64_t data_offset, element_bytes;
	/** ENTRIES: where next lies in an entry. */
	struct ch_field_place next;
	bool measured;
};

/** Types of collections that the heaps have. */
struct ch_containers {
	struct ch_heaps *heaps;
	/** of struct ch_container_type, by type */
	struct ch_vec types;
};

/** An instance. */
struct ch_container_use {
	uint64_t array;
	/** Elements that the array has and uses; for NODES the least that it does not use is
	 * room - used. */
	uint64_t room, used;
	/** Of those that it does not use. */
	uint64_t unused_bytes, unused_addr;
};

/** Look the types up; ret is zeroed before, and the caller's to end with
 * chp_containers_deinit() also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_containers_find(struct ch_heaps *heaps,
						   struct ch_containers *ret);
void chp_containers_deinit(struct ch_containers *containers);
/** What is known of a type; NULL: it is no collection. */
struct ch_container_type *chp_container_type(const struct ch_containers *containers, uint32_t type);
/** What the collection at addr has room for. *found_ret is false when it has no array, or its
 * memory makes no sense. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_container_read(struct ch_containers *containers,
						  struct ch_container_type *type, uint64_t addr,
						  struct ch_container_use *ret, bool *found_ret);

/** The chains of a map. */
struct ch_container_chains {
	/** All entries that were met, and those of the longest chain. */
	uint64_t entries, longest;
	/** NODES: a node of the longest chain; else 0. */
	uint64_t sample;
	/** The budget ended it. */
	bool cut;
};
/** Follow them; budget counts down by the nodes. Of a type that has no chains: all 0. Errors:
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_container_chains(struct ch_containers *containers,
						    struct ch_container_type *type, uint64_t addr,
						    uint64_t *budget,
						    struct ch_container_chains *ret);

#endif /* COREHEAP_HEAP_CONTAINERS_H */
