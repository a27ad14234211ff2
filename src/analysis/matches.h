/*
 * matches.h - where something stands in memory, and what each place is.
 */
#ifndef COREHEAP_ANALYSIS_MATCHES_H
#define COREHEAP_ANALYSIS_MATCHES_H

#include "analysis/place.h"
#include "heap/filter.h"
#include "map/search.h"

/** Contents of a match that are read, escaped. */
#define CH_MATCH_TEXT_MAX 512

/** What is looked through; private to matches.c. */
struct ch_matches_source;

struct ch_matches {
	/** What is looked for, and where; core and map are filled in. */
	struct ch_search search;
	/** Only matches in objects that pass; NULL: anywhere. Borrowed. */
	const struct ch_object_filter *objects;
	struct ch_matches_source *source;
};

/** Make ready for a search. The caller's to end with chp_matches_deinit() also on failure.
 * Errors: those of the session and the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_matches_begin(struct ch_session *session, uint32_t threads,
						 struct ch_matches *matches);
void chp_matches_deinit(struct ch_matches *matches);

/** Called with each match. Non-NULL stops. */
typedef struct ch_error *(*ch_match_fn)(void *arg, uint64_t addr, uint64_t bytes);

/** Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_matches_each(const struct ch_matches *matches, ch_match_fn fn,
						void *arg);

struct ch_match_row {
	struct ch_place_row place;
	uint64_t size_bytes;
	/** What stands there, the first bytes of it; NULL: not asked for. Points to text. */
	const char *contents;
	char text[CH_MATCH_TEXT_MAX];
};

/** Name one of them; reveal: with its contents. Do not copy *ret. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_matches_row(const struct ch_matches *matches, uint64_t addr,
					       uint64_t bytes, bool reveal,
					       struct ch_match_row *ret);

#endif /* COREHEAP_ANALYSIS_MATCHES_H */
