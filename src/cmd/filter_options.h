/*
 * filter_options.h - the options by which `types` and `objects` choose.
 */
#ifndef COREHEAP_CMD_FILTER_OPTIONS_H
#define COREHEAP_CMD_FILTER_OPTIONS_H

#include "cmd/cmd.h"
#include <coreheap/leaks.h>

#include "heap/filter.h"

/** Options struct of both commands. */
struct ch_filter_options {
	const char *state, *range, *heap, *generation, *type, *type_part, *type_id, *by;
	uint64_t min_bytes, max_bytes, size_bytes;
	bool stat, strings, traces, by_generation, live, dead, addrs_only;
	/** type is a part of a name, as SOS has it. */
	bool type_holds;
};

#define CH_FILTER_OPTION(name, value, kind, field, help)                                           \
	{                                                                                          \
		name, value, kind, offsetof(struct ch_filter_options, field), help                 \
	}

/** A filter, and what it borrows. */
struct ch_parsed_filter {
	struct ch_object_filter filter;
	/** of struct ch_type_stat */
	struct ch_vec types;
	/** One for each heap; NULL: all are wanted. */
	bool *heaps;
	/** With --live and --dead: what they ask. */
	struct ch_graph *graph;
	struct ch_leaks *leaks;
	bool live;
};

/**
 * Turn options into a filter; states is what --state is when not given (0 =
 * all). Errors: ARG with what would be right, NOMEM, STOP. Call
 * chp_filter_deinit() also on failure.
 */
CH_MUST_CHECK struct ch_error *chp_filter_parse(struct ch_session *session, struct ch_heaps *heaps,
						const struct ch_filter_options *options,
						uint32_t states, struct ch_parsed_filter *ret);
void chp_filter_deinit(struct ch_parsed_filter *parsed);

/** Help of --live and --dead. */
#define CH_LIVE_HELP "only used blocks that a root reaches"
#define CH_DEAD_HELP "only used blocks that no root reaches: garbage of a runtime, lost blocks"

/** Values and help of --gen. */
#define CH_GENERATION_VALUES "0|1|2|loh|poh|frozen,..."
#define CH_GENERATION_HELP   "only these generations of a managed heap"

/** "START-END", two addresses as chp_parse_addr() takes them. Errors: ARG, NOMEM. */
CH_MUST_CHECK struct ch_error *chp_parse_range(struct ch_session *session, const char *text,
					       uint64_t *start_ret, uint64_t *end_ret);

#endif /* COREHEAP_CMD_FILTER_OPTIONS_H */
