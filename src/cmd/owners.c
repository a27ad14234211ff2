/*
 * The command "owners": its options, and the question that it asks of the library, native memory
 * by owner.
 */
#include "cmd/owners.h"

#include "report/owners.h"

struct ch_error *chp_owners_run(struct ch_cmd_env *env)
{
	const struct ch_graph_options options = { .threads = env->threads };
	struct ch_owners_result result = { .owners.rows = CH_VEC(struct ch_owners_row) };
	struct ch_retained *retained = NULL;
	struct ch_graph *graph = NULL;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &result.heaps);
	if (!err)
		err = ch_graph_create(env->session, &options, &graph);
	if (!err)
		err = ch_retained_make(graph, &retained);
	if (!err)
		err = chp_owners_find(graph, retained, &result.owners);
	if (!err)
		err = chp_report_owners(env->report, &result);
	chp_owners_deinit(&result.owners);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	return err;
}
