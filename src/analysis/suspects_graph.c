/*
 * The rules that need the graph, in the order in which one builds on what others found.
 */
#include "analysis/suspects_graph.h"

#include "analysis/measure.h"
#include "analysis/suspects_containers.h"
#include "analysis/suspects_vectors.h"
#include "graph/forward.h"
#include "graph/held.h"
#include "graph/retained.h"
#include "util/bytes.h"

/* Of the rules about holders, a little less than they ask for: rounding must not hide one. */
#define SIZE_MIN     (1ULL << 20)
#define HOLDER_SHARE 10

static struct ch_error *look(struct ch_looking *looking)
{
	struct ch_measured *sums = looking->suspecting->sums;
	uint64_t bytes_min = ch_max(SIZE_MIN / 2, sums->used_bytes / 100 * (HOLDER_SHARE - 1));
	char why[CH_COVERAGE_TEXT_MAX];
	struct ch_error *err;

	err = ch_leaks_find(looking->graph, &looking->leaks);
	if (!err)
		err = ch_retained_make(looking->graph, &looking->retained);
	if (!err)
		err = chp_trails_make(looking->graph, looking->retained,
				      chp_leaks_types(looking->leaks), &looking->trails);
	/* what comes now goes against the edges */
	chp_forward_drop(looking->graph);
	if (!err)
		err = chp_alike_find(&looking->trails, bytes_min, &looking->alikes);
	if (!err)
		err = chp_holders_find(looking->graph, looking->retained, looking->leaks,
				       &looking->alikes, bytes_min, &looking->holders);
	if (err)
		return err;
	if (!chp_suspect_is_open(looking, why)) {
		chp_account_split_live(&sums->account, looking->holders.managed_dead_bytes,
				       looking->holders.managed_dead_touched_bytes);
		sums->input.managed_garbage_bytes =
			sums->account.rows[CH_ACCOUNT_MANAGED_DEAD].touched_bytes;
		chp_verdict_make(&sums->input, &sums->verdict);
	}
	err = chp_suspect_holders(looking);
	if (!err)
		err = chp_suspect_alike(looking);
	if (!err)
		err = chp_suspect_mapped(looking->suspecting, looking->graph, looking->retained);
	if (!err)
		err = chp_suspect_unknown(looking->suspecting, looking->graph);
	if (!err)
		err = chp_suspects_locks_held(looking->suspecting, looking->graph);
	if (!err)
		err = chp_suspects_queues(looking->suspecting, looking->graph, looking->retained,
					  chp_leaks_types(looking->leaks));
	if (!err)
		err = chp_suspects_containers(looking->suspecting, looking->graph,
					      looking->retained, chp_leaks_types(looking->leaks));
	if (!err)
		err = chp_suspects_vectors(looking->suspecting, looking->graph, looking->retained,
					   chp_leaks_types(looking->leaks));
	if (!err)
		err = chp_suspect_one_types(looking);
	if (!err)
		err = chp_suspect_lost(looking);
	if (!err)
		err = chp_suspect_garbage(looking);
	if (!err)
		err = chp_suspect_buffers(looking);
	if (!err)
		chp_suspect_fold(looking);
	return err;
}

struct ch_error *chp_suspects_in_graph(struct ch_suspecting *suspecting)
{
	const struct ch_graph_options options = { .threads = suspecting->threads,
						  .keep_edges = true,
						  .touched_only = !suspecting->sums->zeros_count };
	struct ch_looking looking = { .suspecting = suspecting };
	struct ch_error *err;

	err = ch_graph_create(suspecting->session, &options, &looking.graph);
	if (!err && !chp_graph_is_bloated(suspecting->session, looking.graph))
		err = look(&looking);
	chp_holders_deinit(&looking.holders);
	chp_trails_deinit(&looking.trails);
	ch_leaks_destroy(looking.leaks);
	ch_retained_destroy(looking.retained);
	ch_graph_destroy(looking.graph);
	return err;
}
