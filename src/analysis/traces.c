/*
 * The stack traces that objects carry: rows with the names of their types.
 */
#include "analysis/traces.h"

#include <inttypes.h>
#include <stdlib.h>

#include "util/context.h"

struct ch_traces_source {
	struct ch_heaps *heaps;
};

static struct ch_error *add_row(struct ch_traces_result *result, const struct ch_trace_stat *of)
{
	struct ch_traces_row *row = ch_vec_push(&result->rows);
	struct ch_heaps *heaps = result->source->heaps;
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	if (!row)
		return &ch_enomem;
	err = ch_heaps_type(heaps, of->type, &type);
	if (err)
		return err;
	*row = (struct ch_traces_row){ .of = *of,
				       .type = type.name,
				       .runtime =
					       ch_heaps_runtimes(heaps, &count)[type.walker].name,
				       .source = result->source };
	return NULL;
}

struct ch_error *chp_traces_make(struct ch_session *session, const struct ch_object_filter *filter,
				 struct ch_traces_result *ret)
{
	struct ch_traces_source *source = calloc(1, sizeof(*source));
	struct ch_error *err;
	size_t i;

	*ret = (struct ch_traces_result){ .rows = CH_VEC(struct ch_traces_row), .source = source };
	if (!source)
		return &ch_enomem;
	err = ch_session_heaps(session, &source->heaps);
	if (!err)
		err = chp_traces_count(source->heaps, filter, &ret->sums);
	for (i = 0; !err && i < ret->sums.rows.count; i++)
		err = add_row(ret, CH_VEC_AT(&ret->sums.rows, struct ch_trace_stat, i));
	if (!err && ret->sums.left_out_count)
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "traces-limit",
				    "there are more different stack traces than %zu: %" PRIu64
				    " objects are in the totals only",
				    ret->rows.count, ret->sums.left_out_count);
	return err;
}

void chp_traces_result_deinit(struct ch_traces_result *result)
{
	chp_traces_deinit(&result->sums);
	ch_vec_deinit(&result->rows);
	free(result->source);
}

bool chp_traces_frame(const struct ch_traces_row *row, uint32_t index, struct ch_trace_frame *ret)
{
	return chp_trace_frame(row->source->heaps, row->of.sample_addr, index, ret);
}
