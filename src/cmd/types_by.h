/*
 * types_by.h - the option --by of `types`, but for sizes.
 */
#ifndef COREHEAP_CMD_TYPES_BY_H
#define COREHEAP_CMD_TYPES_BY_H

#include "analysis/type_groups.h"
#include "cmd/filter_options.h"

/** What groups of types there are. They are sums over rows of types, so that all filters apply. */
struct ch_types_group {
	const char *word;
	enum ch_group_by by;
};

/** The one of this word; NULL: there is none, or word is NULL. */
const struct ch_types_group *chp_types_group(const char *word);
/** Show it. Errors: those of chp_type_groups_make(), OS. */
CH_MUST_CHECK struct ch_error *chp_types_by_group(struct ch_cmd_env *env,
						  const struct ch_object_filter *filter,
						  const struct ch_types_group *group);
/** The options struct of `types`. */
struct ch_types_options {
	struct ch_filter_options filter;
	const char *by, *sort;
	bool stat, strings, traces, by_generation;
};

/** The others, which take no filter. Errors: ARG with what there is, those of the session, OS. */
CH_MUST_CHECK struct ch_error *chp_types_by(struct ch_cmd_env *env,
					    const struct ch_types_options *options);

#endif /* COREHEAP_CMD_TYPES_BY_H */
