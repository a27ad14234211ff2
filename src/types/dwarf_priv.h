/*
 * dwarf_priv.h - what the files of the provider `dwarf` share.
 *
 * Declared types are propagated: variables are typed places, and so is each block whose type was
 * found. The pointers of a typed place lead to blocks, and say what these are.
 *
 * Vocabulary:
 *   lead    a pointer in a type: where it is, and what it leads to; a group of leads for each
 *           element of an array in it; or a container of the C++ library, whose own pointers
 *           have not the types of what they lead to;
 *   shape   what a block is: one of a type, many of it, a part of a container. Its number is the
 *           key that the pass knows;
 *   job     memory of a type whose leads are to be followed;
 *   weak    of a pointer: it alone is not enough to say what a block is, as there may be another
 *           reading. These wait until all others have been followed.
 */
#ifndef COREHEAP_TYPES_DWARF_PRIV_H
#define COREHEAP_TYPES_DWARF_PRIV_H

#include "debug/types.h"
#include "types/provider.h"
#include "util/bytes.h"
#include "util/table.h"
#include "util/vec.h"

enum lead_kind {
	/** count pointers, stride bytes apart, to what type says. */
	LEAD_POINTER,
	/** count elements of a type, stride bytes apart. */
	LEAD_GROUP,
	/** A container; type is its number. */
	LEAD_CONTAINER,
	/** A truth value: it is 0 or 1, or the memory is something else. */
	LEAD_BOOL,
};

/** Of lead.count: all that the block has room for. */
#define LEAD_REST UINT64_MAX

struct lead {
	/** From the start of the type. */
	uint64_t offset, count, stride;
	uint32_t type;
	uint8_t kind;
	/** It is of a union, or there in some of the objects only. */
	bool weak;
};

/** The leads of a type, in dwarf.leads. */
struct leads {
	uint32_t first, count;
	/** Where an array begins that takes what a block has beyond the type; 0: there is none. */
	uint64_t flexible_at;
	/** All of them are truth values and single pointers that say something for sure. */
	bool plain;
};

enum container_kind {
	/** Bytes in which a value of the first argument lies. */
	CONTAINER_STORAGE,
	/** Pointers to the first element, behind the last, behind the last there is room for. */
	CONTAINER_VECTOR,
	/** libstdc++: array of blocks, their number, iterators of the first and behind the last. */
	CONTAINER_DEQUE,
	/** libc++: array of blocks as a vector with room at both ends: first, last, end of both. */
	CONTAINER_SPLIT_DEQUE,
	/** A text, and its length. */
	CONTAINER_STRING,
	/** libc++: the text is the container's own unless the lowest bit says that it is long. */
	CONTAINER_FLAGGED_STRING,
	/** A text with a header before it. */
	CONTAINER_COUNTED_STRING,
	/** Nodes that lead to each other: the pointer to one, and to an array of such pointers. */
	CONTAINER_NODES,
	/** A value, and whether there is one. */
	CONTAINER_OPTIONAL,
	/** A value, and of which of the arguments. */
	CONTAINER_VARIANT,
};

#define CONTAINER_MEMBERS 4

/** How a template of a C++ library keeps what it contains: a row of the table. */
struct container_rule {
	/** The template. */
	const char *name;
	enum container_kind kind;
	/** Members, of its own or of what it is made of, by names that are there once. All of them
	 * must be there. */
	const char *members[CONTAINER_MEMBERS];
	/** Which argument is the type of the values. */
	uint8_t argument;
	/** Of nodes: where the value begins, and the most bytes behind it. */
	uint8_t value_at, tail_bytes;
	/** It is inside of what people know: this has the name. */
	bool inner;
};

/** A type that such a rule is about. */
struct container {
	const struct container_rule *rule;
	/** Itself, and what it is called by. */
	uint32_t type, owner;
	/** Where the members are; those that are pointers or begin with one: where that is. */
	uint64_t at[CONTAINER_MEMBERS];
	/** What these lead to; 0: they are no pointers. */
	uint32_t targets[CONTAINER_MEMBERS];
	/** Type of the values. */
	uint32_t value;
};

/** In the order of what is believed: the last one most. */
enum form {
	/** It is not that. */
	FORM_NONE,
	/** Begins with one; there is more. */
	FORM_PREFIX,
	FORM_TEXT,
	/** Numbers, pointers. */
	FORM_SCALARS,
	FORM_ARRAY,
	FORM_ONE,
	/** Parts of containers: type is the container's number. */
	FORM_NODE,
	FORM_BODY,
	FORM_BUCKETS,
	FORM_STRING,
	FORM_MAP,
	FORM_BLOCK,
};

struct shape {
	enum form form;
	uint32_t type;
	/** Made when it is first asked for. */
	char *name;
};

/** Memory of count elements of a type; what is flexible in it ends at end. */
struct job {
	uint64_t addr, count, end;
	uint32_t type;
	/** Of nodes, whose pointers lead to nodes of this container: its number, plus one. */
	uint32_t container;
};

/** A type that has a member of another one; the next one in its list. */
struct whole {
	uint32_t type, next;
};

/** A pointer that waits. */
struct pointer {
	uint64_t value;
	/** What it leads to, and what it is a field of. */
	uint32_t type, source;
	bool weak;
};

/** Memory that is at hand, of which words are read one after the other: [start, end). Zeros are
 * none. */
struct window {
	const uint8_t *bytes;
	uint64_t start, end;
};

struct dwarf {
	const struct ch_provider_env *env;
	/** The provider itself: words that are its own. */
	const struct ch_provider *self;
	struct ch_core *core;
	struct ch_ctypes *ctypes;
	/** While the pass asks. */
	struct ch_naming *naming;
	/** of struct lead; of struct leads, and the number of each type there */
	struct ch_vec leads, of_types;
	struct ch_table types_at;
	/** of struct container, and the number of each */
	struct ch_vec containers;
	struct ch_table containers_at;
	/** of struct shape, and the number of each */
	struct ch_vec shapes;
	struct ch_table shapes_at;
	/** What other providers say that blocks are made of. */
	struct ch_table others_at;
	/** Wholes: of struct whole (dwarf_wholes.c), those that have a member, and those that fit a
	 * size; where the first of each are. */
	struct ch_vec wholes, fitting;
	struct ch_table wholes_at, fitting_at;
	bool is_listed;
	/** of struct job: to be done before the pass goes on */
	struct ch_vec jobs;
	/** of struct pointer */
	struct ch_vec waiting;
	/** How many may wait; those for which there was no room. */
	uint64_t waiting_max, dropped_count;
	/** The block that was last looked at for a text: its address, and how long its text is. */
	uint64_t text_addr;
	uint64_t text_length;
	/** The segment that a word which was looked at led to last. */
	uint64_t met_start, met_bytes;
	/** Nobody waits any more: all strong words have been said. */
	bool late;
};

extern const struct ch_provider ch_provider_dwarf;

/* ---- dwarf_leads.c ---- */

/** The leads of a type, found at the first call. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_dwarf_leads(struct dwarf *dwarf, uint32_t type,
					       struct leads *ret);

/* ---- dwarf_rules.c ---- */

/** The number of the container that a type is, which is a member of owner, in dwarf.containers;
 * CH_TABLE_NONE: it is none. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_dwarf_container(struct dwarf *dwarf, uint32_t type,
						   uint32_t owner, uint32_t *ret);

/* ---- dwarf_shapes.c ---- */

/** The key of a shape. 0: no memory. */
uint64_t chp_dwarf_shape(struct dwarf *dwarf, enum form form, uint32_t type);
/** That of a key. */
struct shape *chp_dwarf_shape_of(const struct dwarf *dwarf, uint64_t key);
/** Name a shape: "Order", "Order[]", "std::vector<Order> body". NULL: no memory, or it has none. */
const char *chp_dwarf_shape_name(struct dwarf *dwarf, struct shape *shape);
/** Whether something can be named: what has no name, nor is made of what has one, cannot. */
bool chp_dwarf_has_name(struct dwarf *dwarf, uint32_t type);

/* ---- dwarf_fit.c ---- */

/** How a type fits a block: whether it says that the block is that. */
struct fit {
	enum form form;
	/** There may be another reading. */
	bool weak;
	/** Of an array of arrays: the elements in the end. */
	uint32_t type;
};
CH_MUST_CHECK struct ch_error *chp_dwarf_fit(struct dwarf *dwarf, uint32_t type,
					     const struct ch_named_block *block, struct fit *ret);
/** Let a window begin at addr, and read the word there. False: it is not there. */
bool chp_dwarf_open_window(struct dwarf *dwarf, struct window *window, uint64_t addr,
			   uint64_t *ret);
/** The word at addr. False: it is not there. */
static inline bool chp_dwarf_word(struct dwarf *dwarf, struct window *window, uint64_t addr,
				  uint64_t *ret)
{
	if (addr < window->start ||
	    !ch_inside(addr - window->start, 8, window->end - window->start))
		return chp_dwarf_open_window(dwarf, window, addr, ret);
	*ret = ch_get64(window->bytes + (addr - window->start));
	return true;
}
/** Whether size_bytes are what somebody may have asked for who got usable_bytes. */
bool chp_dwarf_rounds(uint64_t size_bytes, uint64_t usable_bytes);
/** Whether memory may be count elements of a type: the pointers that it has are NULL or lead to
 * memory, truth values are 0 or 1. */
CH_MUST_CHECK struct ch_error *chp_dwarf_holds(struct dwarf *dwarf, uint32_t type, uint64_t addr,
					       uint64_t count, bool *ret);
/** Whether a type begins with another one. */
bool chp_dwarf_begins(struct dwarf *dwarf, uint32_t type, uint32_t with);

/** Whether a block of so many bytes may be one of a type whose leads were asked for. */
bool chp_dwarf_fits_size(struct dwarf *dwarf, uint32_t type, uint64_t usable_bytes);
/** Whether two types have the same members at the same places. */
bool chp_dwarf_alike(struct dwarf *dwarf, uint32_t a, uint32_t b);

/* ---- dwarf_wholes.c ---- */

/** The type that a block is because a pointer leads to what only this type has at that place. 0:
 * there is none, or several. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_dwarf_whole(struct dwarf *dwarf, const struct pointer *pointer,
					       const struct ch_named_block *block, uint32_t *ret);

/* ---- dwarf_claims.c ---- */

/** Follow a pointer. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_dwarf_claim(struct dwarf *dwarf, const struct pointer *pointer);
/** Say what a block is; *ret: it was not known before. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_dwarf_say(struct dwarf *dwarf,
					     const struct ch_named_block *block, enum form form,
					     uint32_t type, bool *ret);

/* ---- dwarf_containers.c ---- */

/** Follow what a container at addr has. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_dwarf_contain(struct dwarf *dwarf, uint32_t number,
						 uint64_t addr);
/** A pointer of a node leads to value. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_dwarf_claim_node(struct dwarf *dwarf, uint32_t number,
						    uint64_t value);

#endif /* COREHEAP_TYPES_DWARF_PRIV_H */
