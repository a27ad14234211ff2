/*
 * Building a graph and destroying it: the index of nodes, the roots, what tracers know. Questions
 * are answered by the other files of this folder.
 */
#include "graph/pieces.h"

#include <coreheap/leaks.h>

#include <stdlib.h>
#include <unistd.h>

#include "graph/reverse.h"
#include "util/error.h"

/* More helps nobody. */
#define THREADS_MAX 64

static uint32_t count_threads(const struct ch_graph_options *options)
{
	long processors;

	if (options && options->threads)
		return (uint32_t)ch_min(options->threads, THREADS_MAX);
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 1 ? 1 : (uint32_t)ch_min((uint64_t)processors, THREADS_MAX);
}

static struct ch_error *build(struct ch_graph *graph)
{
	struct ch_error *err;

	err = ch_session_heaps(graph->session, &graph->heaps);
	if (!err)
		err = ch_session_sym(graph->session, &graph->sym);
	if (!err)
		err = ch_session_map(graph->session, &graph->map);
	if (!err)
		err = chp_session_index(graph->session, &graph->index);
	if (!err)
		err = chp_roots_collect(graph);
	if (!err)
		err = chp_traced_collect(graph);
	return err;
}

struct ch_error *ch_graph_create(struct ch_session *session, const struct ch_graph_options *options,
				 struct ch_graph **ret)
{
	struct ch_graph *graph = calloc(1, sizeof(*graph));
	struct ch_error *err;

	if (!graph)
		return &ch_enomem;
	graph->kept_roots = calloc(1, sizeof(*graph->kept_roots));
	if (!graph->kept_roots) {
		free(graph);
		return &ch_enomem;
	}
	graph->kept_roots->roots = CH_VEC(struct ch_root);
	graph->session = session;
	graph->core = ch_session_core(session);
	graph->ctx = ch_session_context(session);
	graph->threads = count_threads(options);
	graph->offset_rules = CH_VEC(struct ch_offset_rule);
	graph->keep_edges = options && options->keep_edges;
	graph->touched_only = options && options->touched_only;
	err = build(graph);
	if (err) {
		ch_graph_destroy(graph);
		return err;
	}
	*ret = graph;
	return NULL;
}

void ch_graph_destroy(struct ch_graph *graph)
{
	if (!graph)
		return;
	chp_forward_drop(graph);
	chp_reverse_deinit(&graph->reverse);
	chp_rootnames_deinit(graph);
	chp_traced_deinit(graph);
	ch_vec_deinit(&graph->ranges);
	ch_vec_deinit(&graph->native_words);
	if (graph->kept_roots)
		ch_vec_deinit(&graph->kept_roots->roots);
	free(graph->kept_roots);
	ch_vec_deinit(&graph->offset_rules);
	free(graph);
}
