/*
 * strings.h - the different texts among the strings of all runtimes.
 */
#ifndef COREHEAP_HEAP_STRINGS_H
#define COREHEAP_HEAP_STRINGS_H

#include "heap/filter.h"
#include "heap/inspect.h"

/** One text, and the strings that hold it. */
struct ch_string_stat {
	uint64_t hash;
	/** Characters of the first one; its address, that of the object. */
	struct ch_string text;
	uint64_t sample_addr;
	uint64_t count;
	/** Compared for blocks only, and there of those that have a runtime; else 0. */
	uint32_t type;
	/** Sum of chunk_bytes, with those of other objects that hold the characters (one
	 * that several share with the first is counted once); those of the smallest. */
	uint64_t total_bytes, each_bytes;
};

/** Bytes that are there more than once: all but one string. */
static inline uint64_t ch_string_waste(const struct ch_string_stat *stat)
{
	return stat->total_bytes - stat->each_bytes;
}

struct ch_strings_stat {
	/** of struct ch_string_stat: most waste first, then most bytes, then by
	 * address. Of chp_contents_count() hardly more than what is there twice. */
	struct ch_vec rows;
	/** Of chp_contents_count() total_bytes is that of rows. */
	uint64_t count, total_bytes, waste_bytes;
	/** Strings whose characters are not in the core. */
	uint64_t absent_count;
	/** Strings that have no characters yet (a thread was making them) or none that can be
	 * read (garbage whose array is gone, damage): in the totals, in no row. */
	uint64_t unset_count;
	/** Strings that came after the table was full: in no row. */
	uint64_t left_out_count, left_out_bytes;
	/** For chp_contents_count(): blocks of zeros, in no row. */
	uint64_t zero_count, zero_bytes;
};

/**
 * Compare all strings that pass. ret is zeroed before, and the caller's to end
 * with chp_strings_deinit() also on failure. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_strings_count(struct ch_heaps *heaps,
						 const struct ch_object_filter *filter,
						 struct ch_strings_stat *ret);
/**
 * The same for the contents of all used blocks of programs. Of a malloc block of 64
 * bytes or more the last 15 are not compared, as they may be padding; of objects what
 * their runtime keeps for itself at their start is not, but their types are.
 * Nothing is counted where less than bytes_min can be there more than once.
 */
CH_MUST_CHECK struct ch_error *chp_contents_count(struct ch_heaps *heaps, uint64_t bytes_min,
						  struct ch_strings_stat *ret);
void chp_strings_deinit(struct ch_strings_stat *strings);

#endif /* COREHEAP_HEAP_STRINGS_H */
