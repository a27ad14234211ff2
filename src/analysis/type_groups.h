/*
 * type_groups.h - used blocks by who says what they are, by the module that says it, by the word
 * that holds them, or by what their program has them for.
 */
#ifndef COREHEAP_ANALYSIS_TYPE_GROUPS_H
#define COREHEAP_ANALYSIS_TYPE_GROUPS_H

#include <coreheap/coreheap.h>

#include "heap/filter.h"
#include "util/vec.h"

/** By what blocks are counted. */
enum ch_group_by {
	/** Who named their type: a provider, a runtime, a pool. */
	CH_GROUP_BASIS,
	/** The module that defines it. */
	CH_GROUP_MODULE,
	/** The variable or named block that a name by holders begins with. */
	CH_GROUP_HOLDER,
	/** What their program has them for. */
	CH_GROUP_PURPOSE,
};

struct ch_type_group {
	/** Borrowed until the heaps are closed, or the groups' own; NULL: the types have names, but
	 * no module, or no holder; or no names. */
	const char *name;
	/** The name, or what stands for it. */
	const char *title;
	/** Its blocks have names. */
	bool named;
	/** The weakest of its types. */
	enum ch_basis basis;
	/** Types; blocks, and what they take in the heap. */
	uint64_t types_count, count, bytes;
	/** Of all used bytes, in hundredths of a percent. */
	uint64_t share;
};

struct ch_type_groups {
	enum ch_group_by by;
	/** of struct ch_type_group: by bytes, descending, what is not named last */
	struct ch_vec rows;
	/** of char *: names that were made */
	struct ch_vec made;
	/** Sums over them: used blocks but the allocators' own, and those with a name. */
	uint64_t used_count, used_bytes, named_count, named_bytes;
	/** Blocks with two names of equal worth, of which the first is shown: of all. */
	uint64_t conflicts_count;
	/** Somebody beside the runtimes gave a name. */
	bool native_named;
};

/** Begin without any. */
struct ch_type_groups chp_type_groups(enum ch_group_by by);
/** Add a row that was counted. Errors: NOMEM, those of ch_heaps_type(). */
CH_MUST_CHECK struct ch_error *chp_type_groups_add(struct ch_type_groups *groups,
						   struct ch_heaps *heaps,
						   const struct ch_type_stat *stat);
/** All were added: unite and sort them. */
void chp_type_groups_end(struct ch_type_groups *groups, struct ch_session *session);
/** All of this, of objects that pass a filter (NULL: of all). The caller's to end with
 * chp_type_groups_deinit() also on failure. Errors: those of the session, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_type_groups_make(struct ch_session *session,
						    const struct ch_object_filter *filter,
						    enum ch_group_by by,
						    struct ch_type_groups *ret);
void chp_type_groups_deinit(struct ch_type_groups *groups);

#endif /* COREHEAP_ANALYSIS_TYPE_GROUPS_H */
