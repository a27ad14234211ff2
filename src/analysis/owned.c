/*
 * Native memory by the managed objects that own it: their types named.
 */
#include "analysis/owned.h"

static struct ch_error *add_row(struct ch_heaps *heaps, const struct ch_owners_row *sums,
				struct ch_vec *rows)
{
	struct ch_owned_row *row = ch_vec_push(rows);
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	if (!row)
		return &ch_enomem;
	err = ch_heaps_type(heaps, sums->type, &type);
	if (err)
		return err;
	*row = (struct ch_owned_row){ .sums = *sums,
				      .name = type.name,
				      .runtime =
					      ch_heaps_runtimes(heaps, &count)[type.walker].name };
	return NULL;
}

static struct ch_error *take(struct ch_heaps *heaps, const struct ch_owners *owners,
			     struct ch_owned *ret)
{
	struct ch_error *err = NULL;
	size_t i;

	ret->total = owners->total;
	ret->native_count = owners->native_count;
	ret->native_bytes = owners->native_bytes;
	for (i = 0; !err && i < owners->rows.count; i++)
		err = add_row(heaps, CH_VEC_AT(&owners->rows, struct ch_owners_row, i), &ret->rows);
	return err;
}

struct ch_error *chp_owned_make(struct ch_session *session, uint32_t threads, struct ch_owned *ret)
{
	const struct ch_graph_options options = { .threads = threads };
	struct ch_owners owners = { .rows = CH_VEC(struct ch_owners_row) };
	struct ch_retained *retained = NULL;
	struct ch_graph *graph = NULL;
	struct ch_heaps *heaps;
	struct ch_error *err;

	*ret = (struct ch_owned){ .rows = CH_VEC(struct ch_owned_row) };
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_graph_create(session, &options, &graph);
	if (!err)
		err = ch_retained_make(graph, &retained);
	if (!err)
		err = chp_owners_find(graph, retained, &owners);
	if (!err)
		err = take(heaps, &owners, ret);
	chp_owners_deinit(&owners);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	return err;
}

void chp_owned_deinit(struct ch_owned *owned)
{
	ch_vec_deinit(&owned->rows);
}
