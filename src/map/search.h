/*
 * map/search.h - finding patterns in the memory of a core.
 */
#ifndef COREHEAP_MAP_SEARCH_H
#define COREHEAP_MAP_SEARCH_H

#include <coreheap/map.h>

/** Longest pattern in bytes; longest match of a regular expression. */
#define CH_PATTERN_MAX 4096

enum ch_pattern_kind {
	/** A fixed number of bytes, each with a mask of the bits that count. */
	CH_PATTERN_BYTES,
	/** Words of width_bytes whose value lies in [low, high]. */
	CH_PATTERN_RANGE,
	CH_PATTERN_REGEX,
};

struct ch_pattern;

/**
 * Bytes: hexadecimal digits in pairs, blanks between them or not, "??" for any
 * byte. Errors of all that make patterns: ARG (says what is wrong), NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_pattern_bytes(const char *text, struct ch_pattern **ret);
/** Text as it lies in memory; with wide as UTF-16, little-endian. */
CH_MUST_CHECK struct ch_error *chp_pattern_text(const char *text, bool wide, bool ignore_case,
						struct ch_pattern **ret);
/** Integers of 1, 2, 4 or 8 bytes from low to high, at multiples of their width
 * unless unaligned. */
CH_MUST_CHECK struct ch_error *chp_pattern_range(uint64_t low, uint64_t high, uint32_t width_bytes,
						 bool unaligned, struct ch_pattern **ret);
/** A regular expression as map/expression.h knows them. */
CH_MUST_CHECK struct ch_error *chp_pattern_regex(const char *text, bool ignore_case,
						 struct ch_pattern **ret);
void chp_pattern_destroy(struct ch_pattern *pattern);

struct ch_search {
	const struct ch_core *core;
	struct ch_map *map;
	const struct ch_pattern *pattern;
	/** NULL: all regions. */
	const struct ch_region_filter *filter;
	/** Only matches inside [start, end). */
	uint64_t start, end;
	/** Only bytes of the core itself, none of the files that stand in. */
	bool recorded;
};

/** Called for each match, by address. Non-NULL ends the search. */
typedef struct ch_error *(*chp_match_fn)(void *arg, uint64_t addr, uint64_t bytes);

/**
 * Find all matches; those of regular expressions do not overlap. Errors: STOP,
 * NOMEM, whatever fn returned.
 */
CH_MUST_CHECK struct ch_error *chp_search(const struct ch_search *search, chp_match_fn fn,
					  void *arg);

#endif /* COREHEAP_MAP_SEARCH_H */
