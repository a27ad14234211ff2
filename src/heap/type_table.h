/*
 * type_table.h - the session's one table of types.
 *
 * A walker numbers its types as it likes (its keys: addresses of class structures, small numbers);
 * two walkers may use one number for two things. So do providers, which name blocks of walkers that
 * know no types (types/provider.h). A row of this table stands for {provider, walker, key}, and
 * the row's number is the type's id everywhere above the walkers: 0 is none. The engine's own types
 * (size classes, top chunks ...) are rows of the walker in whose spans they lie, by CH_TYPE_KEY_*.
 *
 * Rows are made when they are first asked for, and never move or go. Finding one takes no lock;
 * making one does, so that several threads may walk. A row's name is asked of its walker once.
 *
 * Hence memory grows with types and not with objects; a core that claims to have more than
 * CH_TYPES_MAX of them has the others counted as "other sizes" of their walker.
 */
#ifndef COREHEAP_HEAP_TYPE_TABLE_H
#define COREHEAP_HEAP_TYPE_TABLE_H

#include <pthread.h>

#include <coreheap/heap.h>

struct ch_inspected;

/** 2^19 rows of 64 bytes, and 2^20 slots of 4: with the names, some 50 MiB at most. */
#define CH_TYPES_MAX (1U << 19)
/** Rows of one piece; pieces do not move. */
#define CH_TYPES_PIECE_SHIFT 12
#define CH_TYPES_PIECE       (1U << CH_TYPES_PIECE_SHIFT)
/** Sizes below this, in steps of 8, are found without hashing: nearly all blocks of malloc. */
#define CH_TYPES_SIZE_MAX   65536
#define CH_TYPES_SIZE_SLOTS (CH_TYPES_SIZE_MAX / 8)

struct ch_type_row {
	struct ch_type type;
	/** As in struct ch_type_source. */
	uint32_t provider;
	/** type.name is valid; it is the table's to free. */
	bool named, owned;
};

/** Open addressing: ids, 0 is an empty slot. Replaced by a larger one when it is half full. */
struct ch_type_slots {
	/** The one that it replaced, which some thread may still look at. */
	struct ch_type_slots *older;
	uint32_t mask;
	uint32_t ids[];
};

struct ch_type_table {
	pthread_mutex_t lock;
	/** Ids run from 1 to count. */
	uint32_t count;
	struct ch_type_row *pieces[CH_TYPES_MAX / CH_TYPES_PIECE];
	struct ch_type_slots *slots;
	/** By walker, then by size / 8: ids of size classes. NULL until there is one. */
	uint32_t **sizes;
	size_t walkers;
};

/** walkers: how many the registry has. Errors: NOMEM. End it also on failure. */
CH_MUST_CHECK struct ch_error *chp_type_table_init(struct ch_type_table *table, size_t walkers);
void chp_type_table_deinit(struct ch_type_table *table);

/** The row of an id from 1 to count. */
static inline struct ch_type_row *chp_type_row(const struct ch_type_table *table, uint32_t type)
{
	return &table->pieces[(type - 1) >> CH_TYPES_PIECE_SHIFT]
			     [(type - 1) & (CH_TYPES_PIECE - 1)];
}

/** What a row stands for. */
struct ch_type_source {
	/** 0: the walker itself; else the number of a provider in its registry, plus one. */
	uint32_t provider;
	/** Whose blocks are of the type: index in ch_heaps_runtimes(). */
	uint32_t walker;
	uint64_t key;
};

/** Who names types (struct ch_type) beside providers: the runtime of a language; what carves up
 * blocks of malloc for the program. And the provider whose names say what points at blocks. */
#define CH_TYPE_BY_HOLDER  "holder"
#define CH_TYPE_BY_RUNTIME "runtime"
#define CH_TYPE_BY_POOL    "pool"

/** The name of a type where what points at its blocks is shown, too: of one that only a holder
 * names the rest of it, "48-byte blocks". */
const char *chp_type_short(const struct ch_type *type);

/** The id of a type, made if there is none. 0: out of memory. Thread-safe. */
uint32_t chp_type_intern(struct ch_type_table *table, const struct ch_type_source *source);

/** Set the type of n objects, all of one walker. False: out of memory. Thread-safe. */
bool chp_type_objects(struct ch_type_table *table, uint32_t walker, struct ch_object *objects,
		      size_t n);

/* ---- For those who have a struct ch_heaps only ---------------------------------- */

/** The id of what a walker calls key, made if there is none. 0: out of memory. */
uint32_t chp_type_of(struct ch_heaps *heaps, uint32_t walker, uint64_t key);
/** What the walker of a type calls it; one of CH_TYPE_KEY_*, if that is no walker's. */
uint64_t chp_type_key(const struct ch_heaps *heaps, uint32_t type);
/** What the row of a type stands for. */
void chp_type_source(const struct ch_heaps *heaps, uint32_t type, struct ch_type_source *ret);
/** Index of that walker in ch_heaps_runtimes(). */
uint32_t chp_type_walker(const struct ch_heaps *heaps, uint32_t type);
/** Whether a type is the engine's: a size class, top chunks ... */
bool chp_type_is_engine(const struct ch_heaps *heaps, uint32_t type);
/** Where types that find no place in a table are counted: "other sizes" of the same walker. 0:
 * out of memory. */
uint32_t chp_type_other(struct ch_heaps *heaps, uint32_t type);

/* ---- What names blocks of walkers that know no types ------------------------------ */

/** See types/provider.h, which the heaps do not know. */
struct ch_namer {
	/** Set the type of those objects of a batch that it knows better; they are of one span. */
	void (*objects)(void *arg, struct ch_object *objects, size_t n);
	/** Name the type of a provider's key: fill name, module and basis. */
	struct ch_error *(*name)(void *arg, const struct ch_type_source *source,
				 struct ch_type *ret);
	/** Who knows what is inside of blocks of a provider's key, and what it calls their type.
	 * False: nobody. */
	bool (*inspect)(void *arg, const struct ch_type_source *source, struct ch_inspected *ret,
			uint64_t *key_ret);
	void *arg;
};

/** Count objects by type again when they are asked for: keys have changed. What ch_heaps_types()
 * returned before is gone. */
void chp_heaps_forget_types(struct ch_heaps *heaps);
/** From here on all objects that are handed out have the types of namer, whose arg is
 * borrowed until ch_heaps_close(). What ch_heaps_types() returned before is gone. open, borrowed,
 * too: by heap, whether objects of its walker may have got other types; NULL: those of all. */
void chp_heaps_use_namer(struct ch_heaps *heaps, const struct ch_namer *namer, const bool *open);
/** The id of a provider's type. 0: out of memory. */
uint32_t chp_type_of_provider(struct ch_heaps *heaps, const struct ch_type_source *source);

#endif /* COREHEAP_HEAP_TYPE_TABLE_H */
