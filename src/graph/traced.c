/*
 * What walkers know of pointers: roots, links, and the pieces of nodes.
 */
#include <stdlib.h>

#include "graph/pieces.h"
#include "util/context.h"
#include "util/search.h"

/* ---- Roots and links --------------------------------------------------------- */

struct collecting {
	struct ch_graph *graph;
	uint32_t traced;
	uint64_t met;
};

/* Look at the rest of the world now and then. */
static struct ch_error *pace(struct collecting *collecting)
{
	return ++collecting->met % 65536 == 0 ? chp_context_check(collecting->graph->ctx) : NULL;
}

static struct ch_error *take_root(void *arg, const struct ch_walker_root *root)
{
	struct collecting *collecting = arg;
	struct ch_traced_root *slot;

	if (ch_graph_node_at(collecting->graph, root->value) == CH_ID_NONE)
		return pace(collecting);
	slot = ch_vec_push(&collecting->graph->traced_roots);
	if (!slot)
		return &ch_enomem;
	*slot = (struct ch_traced_root){ *root, collecting->traced };
	return pace(collecting);
}

static struct ch_error *take_link(void *arg, uint64_t from, uint64_t to)
{
	struct collecting *collecting = arg;
	struct ch_link link = { ch_graph_node_at(collecting->graph, from),
				ch_graph_node_at(collecting->graph, to) };
	struct ch_link *slot;

	if (link.from == CH_ID_NONE || link.to == CH_ID_NONE)
		return pace(collecting);
	slot = ch_vec_push(&collecting->graph->links);
	if (!slot)
		return &ch_enomem;
	*slot = link;
	return pace(collecting);
}

static int compare_links(const void *a, const void *b)
{
	const struct ch_link *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* A runtime may name one more than once. */
static void sort_links(struct ch_vec *list)
{
	struct ch_link *links = list->items;
	size_t i, kept;

	ch_vec_sort(list, compare_links);
	for (i = kept = 0; i < list->count; i++)
		if (!kept || compare_links(&links[kept - 1], &links[i]))
			links[kept++] = links[i];
	list->count = kept;
}

struct ch_error *chp_traced_collect(struct ch_graph *graph)
{
	struct collecting collecting = { .graph = graph };
	const struct ch_traced *traced;
	struct ch_error *err = NULL;

	graph->traced_roots = CH_VEC(struct ch_traced_root);
	graph->links = CH_VEC(struct ch_link);
	for (; !err && collecting.traced < graph->index->traced_count; collecting.traced++) {
		traced = &graph->index->traced[collecting.traced];
		err = traced->tracer->roots(traced->state, take_root, &collecting);
		if (!err && traced->tracer->links)
			err = traced->tracer->links(traced->state, take_link, &collecting);
	}
	sort_links(&graph->links);
	return err;
}

void chp_traced_deinit(struct ch_graph *graph)
{
	ch_vec_deinit(&graph->traced_roots);
	ch_vec_deinit(&graph->links);
}

/* ---- Pieces ------------------------------------------------------------------ */

/* The first link from id or a later node. */
static size_t first_link(const struct ch_graph *graph, uint32_t id)
{
	const struct ch_link *links = graph->links.items;

	return ch_search(links, graph->links.count, it, it->from < id);
}

void chp_pieces_begin(struct ch_pieces *pieces, const struct ch_graph *graph,
		      const struct ch_index_span *span, uint32_t id, uint64_t addr, uint64_t size)
{
	struct ch_ref_query *query = &pieces->query;

	pieces->graph = graph;
	pieces->traced = span->traced;
	pieces->at = 0;
	pieces->run = 0;
	pieces->told_also = false;
	pieces->id = id;
	pieces->found_links = false;
	pieces->link = pieces->links_end = 0;
	query->addr = addr;
	query->size_bytes = size;
	query->bytes = addr + size <= span->bytes_end ? span->bytes + (addr - span->start) : NULL;
	query->resume = query->also = 0;
	query->unlinked = false;
	query->count = 0;
	query->more = true;
}

static uint32_t width_of(const struct ch_pieces *pieces, const struct ch_ref_run *run)
{
	return pieces->traced->narrow.used && !run->stack ? 4 : 8;
}

/* Runs inside of the object that begin behind what was handed out. */
static bool next_run(struct ch_pieces *pieces, struct ch_ref_run *ret)
{
	struct ch_ref_query *query = &pieces->query;
	uint64_t words;
	uint32_t width;

	for (;; pieces->run++) {
		if (pieces->run >= query->count) {
			if (!query->more)
				return false;
			query->count = pieces->run = 0;
			query->more = false;
			pieces->traced->tracer->refs(pieces->traced->state, query);
			if (!query->count)
				return false;
		}
		*ret = query->runs[pieces->run];
		width = width_of(pieces, ret);
		words = query->size_bytes / width;
		if (ret->words && ret->offset % width == 0 && ret->offset >= pieces->at &&
		    ret->offset / width < words && ret->words <= words - ret->offset / width)
			return true;
	}
}

/* Whole words of 8 bytes between what was handed out and end, if any word of the object
 * may be an address. */
static bool put_rest(struct ch_pieces *pieces, uint64_t end, struct ch_piece *ret)
{
	uint64_t from = ch_align_up(pieces->at, 8);

	pieces->at = end;
	if (pieces->query.pure || end < from + 8)
		return false;
	ret->offset = from;
	ret->words = (end - from) / 8;
	ret->width = 8;
	return true;
}

static void find_links(struct ch_pieces *pieces)
{
	const struct ch_graph *graph = pieces->graph;

	pieces->found_links = true;
	if (!graph->links.count || pieces->query.unlinked)
		return;
	pieces->link = first_link(graph, pieces->id);
	pieces->links_end = first_link(graph, pieces->id + 1);
}

bool chp_pieces_next(struct ch_pieces *pieces, struct ch_piece *ret)
{
	const struct ch_ref_query *query = &pieces->query;
	uint64_t end = query->size_bytes & ~7ULL;
	struct ch_ref_run run;
	bool found;

	*ret = (struct ch_piece){ .offset = pieces->at };
	while (pieces->at < end) {
		found = next_run(pieces, &run);
		if (!found || run.offset > pieces->at) {
			if (put_rest(pieces, found ? run.offset : end, ret))
				return true;
			continue;
		}
		ret->offset = pieces->at;
		ret->words = run.words;
		ret->width = width_of(pieces, &run);
		ret->exact = true;
		ret->stack = run.stack;
		pieces->at += ret->width * run.words;
		pieces->run++;
		return true;
	}
	*ret = (struct ch_piece){ .offset = UINT64_MAX, .exact = true };
	if (!pieces->told_also) {
		pieces->told_also = true;
		ret->value = query->also;
		if (ret->value)
			return true;
	}
	if (!pieces->found_links)
		find_links(pieces);
	if (pieces->link == pieces->links_end)
		return false;
	ret->value =
		ch_graph_addr(pieces->graph,
			      CH_VEC_AT(&pieces->graph->links, struct ch_link, pieces->link++)->to);
	return true;
}

uint64_t chp_pieces_visit_slowly(const struct ch_pieces *pieces, const struct ch_piece *piece,
				 chp_word_fn fn, void *arg)
{
	const struct ch_core *core = pieces->graph->core;
	uint64_t at = pieces->query.addr + piece->offset, end = at + piece->width * piece->words;
	uint64_t absent = 0, value, next;
	uint32_t word = 0;

	while (at < end) {
		if (piece->width == 4 ? ch_core_read_u32(core, at, &word)
				      : ch_core_read_u64(core, at, &value)) {
			if (piece->width == 4)
				value = chp_narrow_value(&pieces->traced->narrow, word);
			else
				value = chp_word_value(pieces->traced, value, piece->exact);
			fn(arg, at - pieces->query.addr, value, piece->exact);
			at += piece->width;
			continue;
		}
		next = ch_max(at + 8, ch_align_up(ch_core_next_present(core, at + 1, end), 8));
		next = ch_min(next, end);
		absent += next - at;
		at = next;
	}
	return absent;
}

/* Whether an object of the same runtime begins there. */
static bool is_start(const struct ch_pieces *pieces, uint64_t value)
{
	const struct ch_graph *graph = pieces->graph;
	const struct ch_index_span *span =
		chp_may_point(graph->index, value) ? chp_index_span(graph->index, value) : NULL;
	uint64_t start;

	return span && span->traced == pieces->traced &&
	       chp_index_node(graph->index, span, value, &start) != CH_ID_NONE && start == value;
}

/* One value for each place: edges are counted by their offsets. */
static void visit_stack_word(const struct ch_pieces *pieces, uint64_t offset, uint64_t word,
			     chp_word_fn fn, void *arg)
{
	const struct ch_narrow *narrow = &pieces->traced->narrow;
	uint64_t value = chp_word_value(pieces->traced, word, true);

	if (is_start(pieces, value)) {
		fn(arg, offset, value, true);
		return;
	}
	value = narrow->used ? chp_narrow_value(narrow, (uint32_t)word) : 0;
	if (is_start(pieces, value))
		fn(arg, offset, value, true);
	else
		/* it may be the address of another walker's block */
		fn(arg, offset, word, false);
	value = narrow->used ? chp_narrow_value(narrow, (uint32_t)(word >> 32)) : 0;
	if (is_start(pieces, value))
		fn(arg, offset + 4, value, true);
}

uint64_t chp_pieces_visit_stack(const struct ch_pieces *pieces, const struct ch_piece *piece,
				chp_word_fn fn, void *arg)
{
	const struct ch_ref_query *query = &pieces->query;
	uint64_t end = piece->offset + 8 * piece->words, at, word, absent = 0;

	for (at = piece->offset; at < end; at += 8) {
		if (query->bytes)
			word = ch_get64(query->bytes + at);
		else if (!ch_core_read_u64(pieces->graph->core, query->addr + at, &word)) {
			absent += 8;
			continue;
		}
		visit_stack_word(pieces, at, word, fn, arg);
	}
	return absent;
}
