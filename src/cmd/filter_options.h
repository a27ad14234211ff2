/*
 * filter_options.h - the options by which commands choose blocks: the same names, words and meaning
 * in each of them.
 */
#ifndef COREHEAP_CMD_FILTER_OPTIONS_H
#define COREHEAP_CMD_FILTER_OPTIONS_H

#include "cmd/cmd.h"
#include <coreheap/leaks.h>

#include "analysis/order.h"
#include "heap/filter.h"

/** The options struct of each command that has them begins with this one. */
struct ch_filter_options {
	const char *state, *range, *heap, *generation, *type, *type_part, *type_id;
	uint64_t min_bytes, max_bytes, size_bytes;
	bool live, dead;
	/** type is a part of a name, as SOS has it. */
	bool type_holds;
};

#define CH_FILTER_OPTION(name, value, kind, field, help)                                           \
	{                                                                                          \
		name, value, kind, offsetof(struct ch_filter_options, field), help                 \
	}

/* Parts of the option table. */
#define CH_FILTER_TYPE_OPTIONS                                                                     \
	CH_FILTER_OPTION("type", "NAME", CH_OPTION_STRING, type,                                   \
			 "only one type: its whole name, as `types` prints it (\"24-byte "         \
			 "blocks\"), or the address of its method table"),                         \
		CH_FILTER_OPTION("type-part", "TEXT", CH_OPTION_STRING, type_part,                 \
				 "only types whose name holds TEXT")
#define CH_FILTER_STATE_OPTION(default_state)                                                      \
	CH_FILTER_OPTION("state", "used|free|overhead|all,...", CH_OPTION_STRING, state,           \
			 "only blocks of these states (default " default_state ")")
#define CH_FILTER_PLACE_OPTIONS                                                                    \
	CH_FILTER_OPTION("size", "BYTES", CH_OPTION_BYTES, size_bytes,                             \
			 "only blocks of exactly this many usable bytes"),                         \
		CH_FILTER_OPTION("min-size", "BYTES", CH_OPTION_BYTES, min_bytes,                  \
				 "only blocks of at least this many usable bytes"),                \
		CH_FILTER_OPTION("max-size", "BYTES", CH_OPTION_BYTES, max_bytes,                  \
				 "only blocks of at most this many usable bytes"),                 \
		CH_FILTER_OPTION("range", "A-B", CH_OPTION_STRING, range,                          \
				 "only in [A, B): of blocks those that meet it"),                  \
		CH_FILTER_OPTION("arena", "HEAP", CH_OPTION_STRING, heap,                          \
				 "only one heap: its name, or its place in `heap` from 0"),        \
		CH_FILTER_OPTION("gen", "0|1|2|loh|poh|frozen,...", CH_OPTION_STRING, generation,  \
				 "only these generations of a managed heap")
#define CH_FILTER_REACH_OPTIONS                                                                    \
	CH_FILTER_OPTION("live", NULL, CH_OPTION_FLAG, live,                                       \
			 "only used blocks that a root reaches"),                                  \
		CH_FILTER_OPTION("dead", NULL, CH_OPTION_FLAG, dead,                               \
				 "only used blocks that no root reaches: garbage of a runtime, "   \
				 "lost blocks")
/* Other spellings, of SOS and of earlier versions. */
#define CH_FILTER_SPELLINGS                                                                        \
	CH_FILTER_OPTION("mt", "TYPE", CH_OPTION_STRING, type_id, NULL),                           \
		CH_FILTER_OPTION("type-holds", NULL, CH_OPTION_FLAG, type_holds, NULL),            \
		CH_FILTER_OPTION("min", "BYTES", CH_OPTION_BYTES, min_bytes, NULL),                \
		CH_FILTER_OPTION("max", "BYTES", CH_OPTION_BYTES, max_bytes, NULL)

/** Rows of the option table; default_state: what --state is when it is not given. */
#define CH_FILTER_OPTIONS(default_state)                                                           \
	CH_FILTER_TYPE_OPTIONS, CH_FILTER_STATE_OPTION(default_state), CH_FILTER_PLACE_OPTIONS,    \
		CH_FILTER_REACH_OPTIONS, CH_FILTER_SPELLINGS
/** Of commands that are about used blocks, by whether something reaches them. */
#define CH_FILTER_USED_OPTIONS CH_FILTER_TYPE_OPTIONS, CH_FILTER_PLACE_OPTIONS, CH_FILTER_SPELLINGS

/** What rows are sorted by, in a member sort of a command's options struct. */
#define CH_ORDER_OPTION(type)                                                                      \
	{                                                                                          \
		"sort", "bytes|count|name", CH_OPTION_STRING, offsetof(type, sort),                \
			"most bytes, most blocks or the first name first (default bytes)"          \
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

/** As chp_filter_parse() of used blocks; *ret is empty, and *filter_ret NULL, where no option was
 * given. */
CH_MUST_CHECK struct ch_error *chp_filter_parse_used(struct ch_session *session,
						     const struct ch_filter_options *options,
						     struct ch_parsed_filter *ret,
						     const struct ch_object_filter **filter_ret);

/** A word of --sort; NULL: bytes. Errors: ARG with the words. */
CH_MUST_CHECK struct ch_error *chp_parse_order(const char *text, enum ch_order *ret);

/** Whether blocks are chosen at all: any of the options but --range was given. */
bool chp_filter_options_any(const struct ch_filter_options *options);

/** "START-END", two addresses as chp_parse_addr() takes them. Errors: ARG, NOMEM. */
CH_MUST_CHECK struct ch_error *chp_parse_range(struct ch_session *session, const char *text,
					       uint64_t *start_ret, uint64_t *end_ret);

#endif /* COREHEAP_CMD_FILTER_OPTIONS_H */
