/*
 * code_priv.h - code that entries are about, and where their variables are while it runs.
 *
 * ranges.c reads lists of ranges and of locations, locations.c the expressions in them, locals.c
 * finds what belongs to a frame.
 */
#ifndef COREHEAP_DEBUG_CODE_PRIV_H
#define COREHEAP_DEBUG_CODE_PRIV_H

#include "debug/debug_priv.h"
#include "sym/unwind.h"

/** Ranges of code, or such ranges with expressions: read one after the other. */
struct ch_debug_list {
	struct ch_debug_unit *unit;
	struct ch_debug_reader reader;
	uint64_t base;
	uint32_t count;
	bool has_locations;
	/** Of DWARF 2 to 4. */
	bool is_old;
};

/** [start, end), without bias; and where something is while code in it runs. */
struct ch_debug_range {
	uint64_t start, end;
	struct ch_debug_bytes expression;
};

/** A frame whose variables are looked for. */
struct ch_debug_frame {
	const struct ch_frame_state *state;
	/** Its place in code, without bias. */
	uint64_t pc;
	/** What its function counts from. */
	uint64_t base;
	bool has_base;
};

/** An address, or the value itself. */
struct ch_debug_location {
	uint64_t number;
	bool is_value;
};

/** Code of a unit: [start, end), without bias; of which function or unit it is. */
struct ch_debug_code {
	uint64_t start, end;
	struct ch_debug_unit *unit;
	/** Of its function. */
	uint64_t off;
};

/* ---- ranges.c --------------------------------------------------------------------- */

/** The list that an attribute leads to; false: it is none. */
bool chp_debug_list_open(const struct ch_die *die, uint16_t name, struct ch_debug_list *ret);
/** The next range of it; false: there is none. */
bool chp_debug_list_next(struct ch_debug_list *list, struct ch_debug_range *ret);
/** Call fn with each range of code that an entry is about, until it returns false. */
bool chp_debug_each_range(const struct ch_die *die,
			  bool (*fn)(void *arg, uint64_t start, uint64_t end), void *arg);
/** Whether an address of code, without bias, is in one of them. */
bool chp_debug_covers(const struct ch_die *die, uint64_t pc);

/* ---- locations.c ------------------------------------------------------------------ */

/** What an expression comes to in a frame; false: that is not known. */
bool chp_debug_locate(struct ch_debug_unit *unit, const struct ch_debug_bytes *expression,
		      const struct ch_debug_frame *frame, struct ch_debug_location *ret);
/** The same of an attribute: an expression, or a list of them by places in code. */
bool chp_debug_attr_locate(const struct ch_die *die, uint16_t name,
			   const struct ch_debug_frame *frame, struct ch_debug_location *ret);

#endif /* COREHEAP_DEBUG_CODE_PRIV_H */
