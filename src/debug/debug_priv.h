/*
 * debug_priv.h - the inside of struct ch_ctypes, shared by the files of src/debug.
 *
 * On top of the entries of entries_priv.h, names.c says what encloses one, scan.c goes over all of
 * them once for variables and definitions, types.c makes types of entries and unites equal ones,
 * members.c reads what is inside of them, variables.c says where variables lie; code_priv.h is
 * about code, and locals.c about variables of frames.
 *
 * A file of debug information is read by our own code only, as every byte of it may be wrong: a
 * reader never leaves its unit, goes forwards only, and all work in a file has a budget.
 */
#ifndef COREHEAP_DEBUG_DEBUG_PRIV_H
#define COREHEAP_DEBUG_DEBUG_PRIV_H

#include "debug/entries_priv.h"

/** A variable that a scan found. */
struct ch_debug_found {
	struct ch_debug_unit *unit;
	uint64_t off;
	/** Without bias; of a thread-local one, in its module's block. */
	uint64_t addr;
	bool is_tls;
};

/** Memory of a variable: [start, end). */
struct ch_debug_place {
	uint64_t start, end;
	uint32_t type;
};

/** A definition that a scan found. */
struct ch_debug_definition {
	struct ch_debug_unit *unit;
	uint64_t off;
	/** Index of the next one of that name; CH_TABLE_NONE: none. */
	uint32_t next;
	/** Index of its module. */
	uint32_t module;
	/** Equal for definitions that are likely the same one, in several units. */
	uint32_t look;
};

/** A type's entry that was given a number. */
struct ch_debug_seen {
	/** Of its kind, name and size. */
	uint64_t hash;
	uint32_t id;
};

struct ch_ctype_row {
	struct ch_ctype type;
	/** The entry that it is read from; of an array of several dimensions, from which one on,
	 * and how many it has. */
	struct ch_die die;
	uint32_t dimension, dimensions;
	bool read;
};

#define CH_CTYPES_PIECE 1024

struct ch_ctypes {
	struct ch_core *core;
	struct ch_sym *sym;
	/** of struct ch_debug_sections *, owned */
	struct ch_vec files;
	/** That of each module, once it was looked for; NULL: none. */
	struct ch_debug_sections **by_module;
	bool *tried;
	/** Files without debug information, by their build-ids. */
	struct ch_table without;
	size_t modules_count;

	/** of struct ch_ctype_row[CH_CTYPES_PIECE], which do not move; and how many rows there are.
	 */
	struct ch_vec pieces;
	uint32_t count;
	/** Ids by the hash of what they are. */
	struct ch_table by_hash;
	/** of struct ch_debug_seen, and their places here by chp_die_key(). */
	struct ch_vec seen;
	struct ch_table by_die;
	/** Texts and arrays of types: of void *, owned. */
	struct ch_vec kept;

	/** What scans found: of struct ch_debug_found and ch_debug_definition. */
	struct ch_vec found, definitions;
	/** First of them by hash. */
	struct ch_table by_name;
	/** Ids by hash of the name that is shown, once asked for. */
	struct ch_table shown;
	bool is_shown;

	/** of struct ch_debug_place: variables of modules, ascending, once somebody asks for one.
	 */
	struct ch_vec places;
	bool has_places;

	bool damaged;
};

/* ---- names.c ---------------------------------------------------------------------- */

/** What is around an entry, and its name, "a::b::name" without folding; NULL: it has no name, or
 * no memory. name: instead of its own. Owned by the caller. */
char *chp_debug_name(const struct ch_die *die, const char *name);
/** Spell numbers in a name as people do: "long unsigned int" is "unsigned long". In place. */
void chp_debug_plain_numbers(char *name);
/** Whether one of its scopes is a function or a namespace without a name. */
bool chp_debug_is_local(const struct ch_die *die);
/** Hash of a part of a name: begin with 0, then what is around first. */
uint64_t chp_debug_name_hash(uint64_t around, const char *part, size_t len);
/** Hash of the whole name of an entry; 0: it has none. */
uint64_t chp_debug_die_hash(const struct ch_die *die, const char *name);

/* ---- scan.c ----------------------------------------------------------------------- */

/** Go over all entries of a file, once. False: no memory. */
bool chp_debug_scan(struct ch_debug_sections *file);
/** The definition of a declared type; false: there is none, or there are several. */
bool chp_debug_definition(const struct ch_die *declaration, struct ch_die *ret);

/* ---- variables.c ------------------------------------------------------------------ */

/** The type of a variable, or of what it completes; 0: none. */
uint32_t chp_debug_variable_type(struct ch_ctypes *ctypes, const struct ch_die *die);

/* ---- types.c ---------------------------------------------------------------------- */

/** The id of the type that an entry stands for, of an array from a dimension on; 0: lost. */
uint32_t chp_ctypes_of_die(struct ch_ctypes *ctypes, const struct ch_die *die, uint32_t dimension);
/** That which an attribute (DW_AT_type) of an entry leads to; void where it has none. */
uint32_t chp_ctypes_of_attr(struct ch_ctypes *ctypes, const struct ch_die *die);
static inline struct ch_ctype_row *chp_ctype_row(struct ch_ctypes *ctypes, uint32_t id)
{
	struct ch_ctype_row **pieces = ctypes->pieces.items;

	return &pieces[(id - 1) / CH_CTYPES_PIECE][(id - 1) % CH_CTYPES_PIECE];
}

#endif /* COREHEAP_DEBUG_DEBUG_PRIV_H */
