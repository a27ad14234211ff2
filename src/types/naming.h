/*
 * naming.h - what the pass keeps while providers name blocks: a word for each, and a queue.
 *
 * A word is the id of a type and some bits, 4 bytes; the queue has a block once at most, another 4
 * at worst. What providers see of it is in types/provider.h.
 */
#ifndef COREHEAP_TYPES_NAMING_H
#define COREHEAP_TYPES_NAMING_H

#include "types/provider.h"
#include "util/vec.h"

/** A provider with something to say. */
struct ch_told {
	const struct ch_provider *provider;
	void *state;
	/** In the registry, plus one: as types have it. */
	uint32_t number;
};

struct ch_naming {
	struct ch_provider_env env;
	/** of struct ch_told, better ones first */
	struct ch_vec told;
	/** By id of the index. */
	uint32_t *words;
	/** By span of the index: the walker of its open blocks, plus one; 0: it has none. */
	uint32_t *walkers;
	/** By heap: its walker leaves blocks open. NULL: most do, and all are walked. */
	bool *open_heaps;
	/** Ids whose name changed: those that are followed now, those that are next. */
	struct ch_vec current, next;
	uint64_t named_count, conflicts_count;
	/** Somebody follows. */
	bool followed;
};

/** Ids of types are below: CH_TYPES_MAX, which is the last one, is 2^19. */
#define CH_WORD_TYPE ((1U << 20) - 1)

/** The provider of a number; NULL: it has nothing to say. */
const struct ch_told *chp_naming_told(const struct ch_naming *naming, uint32_t number);
/** Find which heaps have blocks that walkers leave open. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_naming_find_open(struct ch_naming *naming);
/** Show all blocks that walkers leave open to those who judge by contents. */
CH_MUST_CHECK struct ch_error *chp_naming_blocks(struct ch_naming *naming);
/** Follow the blocks whose names changed until none is left. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_naming_follow(struct ch_naming *naming);

/** Whether an object's walker leaves it to others to say what it is. */
static inline bool chp_is_open(const struct ch_object *object)
{
	return object->state == CH_OBJECT_USED && !object->key &&
	       !(object->flags & CH_OBJECT_ALLOCATOR);
}

#endif /* COREHEAP_TYPES_NAMING_H */
