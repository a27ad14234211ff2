/*
 * refs.h - what points at a block, or at an address.
 */
#ifndef COREHEAP_ANALYSIS_REFS_H
#define COREHEAP_ANALYSIS_REFS_H

#include <coreheap/code.h>

#include "analysis/place.h"

/** What is looked through; private to refs.c. */
struct ch_refs_source;

struct ch_refs_result {
	/** What is pointed at: [start, end), and the block it is, if any. */
	uint64_t start, end;
	bool has_block;
	struct ch_object block;
	/** start is the word of this static field, "Type.field", unescaped; "": it is not. */
	char static_name[1536];
	struct ch_refs_source *source;
};

struct ch_refs_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Only the first byte of the block; executable memory, too. */
	bool exact, code;
};

/** What addr is a part of. The caller's to end with chp_refs_deinit() also on failure. Errors:
 * those of the session and the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_refs_make(struct ch_session *session,
					     const struct ch_refs_options *options, uint64_t addr,
					     struct ch_refs_result *ret);
void chp_refs_deinit(struct ch_refs_result *result);

struct ch_refs_row {
	struct ch_place_row place;
	/** Where in the target it points. */
	uint64_t points_into;
	/** Of a word of code, its method, whose place is in words then; name "": it is none. */
	struct ch_code method;
};

/** Called with each word that points at it. Non-NULL stops. */
typedef struct ch_error *(*ch_refs_fn)(void *arg, const struct ch_ref *ref);

/** Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_refs_each(const struct ch_refs_result *result, ch_refs_fn fn,
					     void *arg);
/** Name one of them. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_refs_row(const struct ch_refs_result *result,
					    const struct ch_ref *ref, struct ch_refs_row *ret);

/** The word of a static field by "Type.field"; 0: there is none. Errors: those of the session,
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_static_field(struct ch_session *session, const char *text,
						uint64_t *ret);

#endif /* COREHEAP_ANALYSIS_REFS_H */
