/*
 * The object graph of thousands of random cores: index, edges, and how each
 * block is held, against plain definitions of the same.
 */
#include <stdlib.h>
#include <string.h>

#include <coreheap/leaks.h>

#include "graph/forward.h"
#include "support/ck.h"
#include "support/graphcase.h"

#define CASES 1500

START_TEST(index_knows_each_byte_of_each_block)
{
	struct graphcase gc;
	uint64_t seed, at;
	uint32_t i, id;

	for (seed = 1; seed <= 200; seed++) {
		gc_open(&gc, seed, 1);
		for (i = 0; i < gc.count; i++) {
			id = gc.first_id + i;
			ck_assert_uint_eq(ch_graph_addr(gc.graph, id), gc.addr[i]);
			ck_assert_int_eq(ch_graph_is_node(gc.graph, id), gc.used[i]);
			ck_assert_uint_eq(ch_graph_size_bytes(gc.graph, id),
					  gc.used[i] ? gc.size[i] : 0);
			for (at = gc.addr[i]; at < gc.addr[i] + gc.size[i]; at++)
				ck_assert_uint_eq(ch_graph_node_at(gc.graph, at),
						  gc.used[i] ? id : CH_ID_NONE);
			ck_assert_uint_eq(ch_graph_node_at(gc.graph, at), CH_ID_NONE);
			ck_assert_uint_eq(ch_graph_node_at(gc.graph, gc.addr[i] - 1), CH_ID_NONE);
		}
		ck_assert_uint_eq(ch_graph_node_at(gc.graph, 0), CH_ID_NONE);
		ck_assert_uint_eq(ch_graph_node_at(gc.graph, UINT64_MAX), CH_ID_NONE);
		gc_close(&gc);
	}
}
END_TEST

START_TEST(edges_are_the_words_that_lead_to_blocks)
{
	enum gc_link seen[GC_BLOCKS];
	struct ch_edge edges[2];
	struct graphcase gc;
	uint64_t seed, offset, last;
	size_t n, k;
	uint32_t i;

	for (seed = 1; seed <= 300; seed++) {
		gc_open(&gc, seed, 1);
		for (i = 0; i < gc.count; i++) {
			if (!gc.used[i])
				continue;
			memset(seen, 0, sizeof(seen));
			offset = last = 0;
			while ((n = ch_graph_edges(gc.graph, gc.first_id + i, &offset, edges, 2)) >
			       0) {
				for (k = 0; k < n; k++) {
					ck_assert_uint_ge(edges[k].offset, last);
					last = edges[k].offset + 8;
					ck_assert_uint_le(last, gc.size[i]);
					if (!edges[k].interior)
						seen[edges[k].target - gc.first_id] = GC_EXACT;
					else if (seen[edges[k].target - gc.first_id] == GC_NONE)
						seen[edges[k].target - gc.first_id] = GC_INTERIOR;
				}
			}
			ck_assert_mem_eq(seen, gc.links[i], sizeof(seen));
		}
		gc_close(&gc);
	}
}
END_TEST

/* Grow a set along links that are at least as good as least, in plain sweeps. */
static void close_set(const struct graphcase *gc, bool *set, enum gc_link least)
{
	bool grown = true;
	uint32_t i, k;

	while (grown) {
		grown = false;
		for (i = 0; i < gc->count; i++)
			for (k = 0; set[i] && k < gc->count; k++)
				if (gc->links[i][k] >= least && !set[k])
					set[k] = grown = true;
	}
}

/* A lost block is directly lost if every lost block that leads to it is also led
 * to by it, and it is the first of those. */
static bool is_direct(const struct graphcase *gc, const bool *held, uint32_t block)
{
	bool from[GC_BLOCKS], to[GC_BLOCKS] = { false };
	uint32_t i;

	to[block] = true;
	close_set(gc, to, GC_INTERIOR);
	for (i = 0; i < gc->count; i++) {
		if (held[i] || !gc->used[i] || i == block)
			continue;
		memset(from, 0, sizeof(from));
		from[i] = true;
		close_set(gc, from, GC_INTERIOR);
		if (from[block] && (!to[i] || i < block))
			return false;
	}
	return true;
}

static void check_reach(uint64_t seed, uint32_t threads, struct ch_leak_sum sums[CH_REACHES])
{
	bool exact[GC_BLOCKS] = { false }, held[GC_BLOCKS] = { false };
	struct ch_leaks *leaks;
	enum ch_reach want;
	struct graphcase gc;
	uint32_t i;

	gc_open(&gc, seed, threads);
	ck_ch_ok(ch_leaks_find(gc.graph, &leaks));
	for (i = 0; i < gc.count; i++) {
		exact[i] = gc.roots[i] == GC_EXACT;
		held[i] = gc.roots[i] != GC_NONE;
	}
	close_set(&gc, exact, GC_EXACT);
	close_set(&gc, held, GC_INTERIOR);
	for (i = 0; i < gc.count; i++) {
		if (!gc.used[i])
			continue;
		want = exact[i]                  ? CH_REACH_LIVE
		       : held[i]                 ? CH_REACH_POSSIBLE
		       : is_direct(&gc, held, i) ? CH_REACH_DIRECT
						 : CH_REACH_INDIRECT;
		ck_assert_msg(ch_leaks_reach(leaks, gc.first_id + i) == want,
			      "seed %llu block %u: %s, not %s", (unsigned long long)seed, i,
			      ch_reach_name(ch_leaks_reach(leaks, gc.first_id + i)),
			      ch_reach_name(want));
		sums[want].count++;
		sums[want].bytes += gc.size[i];
	}
	for (i = 0; i < CH_REACHES; i++) {
		ck_assert_uint_eq(ch_leaks_sums(leaks)[i].count, sums[i].count);
		ck_assert_uint_eq(ch_leaks_sums(leaks)[i].bytes, sums[i].bytes);
	}
	ch_leaks_destroy(leaks);
	gc_close(&gc);
}

START_TEST(blocks_are_held_as_defined)
{
	struct ch_leak_sum sums[CH_REACHES], all[CH_REACHES] = { { 0 } };
	uint64_t seed;
	size_t i;

	for (seed = 1; seed <= CASES; seed++) {
		memset(sums, 0, sizeof(sums));
		check_reach(seed, (uint32_t)(1 + seed % 3), sums);
		for (i = 0; i < CH_REACHES; i++)
			all[i].count += sums[i].count;
	}
	/* The cases are worth something only if each class has many. */
	for (i = 0; i < CH_REACHES; i++)
		if (i != CH_REACH_LEFTOVER && i != CH_REACH_POOLED && i != CH_REACH_DEAD)
			ck_assert_uint_gt(all[i].count, CASES / 2);
}
END_TEST

/* Make steps shorter, but for those that are sure, by plain relaxation. */
static void relax(const struct graphcase *gc, enum gc_link least, const bool *sure, uint32_t *steps)
{
	bool changed = true;
	uint32_t i, k;

	while (changed) {
		changed = false;
		for (i = 0; i < gc->count; i++)
			for (k = 0; !sure[i] && k < gc->count; k++)
				if (gc->links[i][k] >= least && steps[k] != UINT32_MAX &&
				    steps[k] + 1 < steps[i]) {
					steps[i] = steps[k] + 1;
					changed = true;
				}
	}
}

/* Steps from each block to the target, UINT32_MAX: none. Ways of pointers to first bytes
 * stay what they are; sure: which have one. */
static void find_steps(const struct graphcase *gc, uint32_t target, bool exact, bool *sure,
		       uint32_t *steps)
{
	uint32_t i;

	memset(steps, 0xff, GC_BLOCKS * sizeof(*steps));
	memset(sure, 0, GC_BLOCKS * sizeof(*sure));
	steps[target] = 0;
	relax(gc, GC_EXACT, sure, steps);
	for (i = 0; i < gc->count; i++)
		sure[i] = steps[i] != UINT32_MAX;
	if (!exact)
		relax(gc, GC_INTERIOR, sure, steps);
}

struct expected {
	const struct graphcase *gc;
	const uint32_t *steps;
	const bool *sure;
	bool exact;
	const struct ch_chain *chains;
	size_t count, seen;
};

static struct ch_error *expect_root(void *arg, const struct ch_root *roots, size_t n)
{
	struct expected *expected = arg;
	size_t i, k;

	for (i = 0; i < n; i++) {
		uint32_t steps = expected->steps[roots[i].target - expected->gc->first_id];

		if (steps == UINT32_MAX || (expected->exact && roots[i].interior))
			continue;
		expected->seen++;
		for (k = 0; k < expected->count; k++)
			if (expected->chains[k].root.addr == roots[i].addr)
				break;
		ck_assert_uint_lt(k, expected->count);
		ck_assert_uint_eq(expected->chains[k].steps, steps);
		ck_assert_int_eq(expected->chains[k].inner,
				 roots[i].interior ||
					 !expected->sure[roots[i].target - expected->gc->first_id]);
	}
	return NULL;
}

static size_t check_chains(uint64_t seed, bool exact)
{
	const struct ch_chains_options options = { .exact = exact };
	struct expected expected = { .exact = exact };
	uint32_t steps[GC_BLOCKS], target, id, next, left;
	struct ch_chains *chains;
	bool sure[GC_BLOCKS];
	struct graphcase gc;
	size_t i;

	gc_open(&gc, seed, 1);
	for (target = (uint32_t)(seed % gc.count); !gc.used[target];)
		if (++target == gc.count) {
			gc_close(&gc);
			return 0;
		}
	id = gc.first_id + target;
	find_steps(&gc, target, exact, sure, steps);
	ck_ch_ok(ch_chains_find(gc.graph, &id, 1, &options, &chains));
	expected.gc = &gc;
	expected.steps = steps;
	expected.sure = sure;
	expected.chains = ch_chains_list(chains, &expected.count);
	ck_ch_ok(ch_graph_visit_roots(gc.graph, CH_ROOTS_LIVE, expect_root, &expected));
	ck_assert_uint_eq(expected.count, expected.seen);
	for (i = 0; i < expected.count; i++) {
		if (i && expected.chains[i - 1].inner == expected.chains[i].inner)
			ck_assert_uint_le(expected.chains[i - 1].steps, expected.chains[i].steps);
		else if (i)
			ck_assert(expected.chains[i].inner);
		/* The chain leads to the target, one step nearer each time. */
		id = expected.chains[i].root.target;
		for (left = expected.chains[i].steps; left; left--, id = next) {
			next = ch_chains_next(chains, id);
			ck_assert_uint_ge(gc.links[id - gc.first_id][next - gc.first_id],
					  exact ? GC_EXACT : GC_INTERIOR);
			ck_assert_uint_eq(steps[next - gc.first_id], left - 1);
		}
		ck_assert_uint_eq(id, gc.first_id + target);
		ck_assert_uint_eq(ch_chains_next(chains, id), CH_ID_NONE);
	}
	ch_chains_destroy(chains);
	gc_close(&gc);
	return expected.seen;
}

START_TEST(chains_are_shortest_ways_from_all_roots)
{
	size_t seen = 0;
	uint64_t seed;

	for (seed = 1; seed <= CASES; seed++)
		seen += check_chains(seed, seed % 2);
	ck_assert_uint_gt(seen, CASES / 4);
}
END_TEST

/* Edges of one node as they were written down, against those that are read from its words. */
static uint32_t check_written(const struct graphcase *gc, const struct ch_forward *forward,
			      uint32_t id)
{
	const struct ch_edge_part *part = chp_forward_part(forward, id);
	uint32_t at = part->starts[id - part->from], found = 0;
	struct ch_edge edge;
	uint64_t offset = 0;

	while (ch_graph_is_node(gc->graph, id) &&
	       ch_graph_edges(gc->graph, id, &offset, &edge, 1)) {
		ck_assert_uint_lt(at, part->starts[id + 1 - part->from]);
		ck_assert_uint_eq(part->targets[at], edge.target);
		ck_assert_int_eq(chp_edge_inner(part, at), edge.interior);
		at++;
		found++;
	}
	ck_assert_uint_eq(at, part->starts[id + 1 - part->from]);
	return found;
}

START_TEST(edges_are_written_down_as_they_are_read)
{
	struct ch_forward forward;
	struct graphcase gc;
	uint32_t id, found = 0;
	uint64_t seed;

	for (seed = 1; seed <= 300; seed++) {
		gc_open(&gc, seed, (uint32_t)(1 + seed % 3));
		ck_ch_ok(chp_forward_make(gc.graph, &forward));
		ck_assert_uint_eq(forward.parts_count, 1 + seed % 3);
		for (id = 0; id < ch_graph_objects_count(gc.graph); id++)
			found += check_written(&gc, &forward, id);
		chp_forward_deinit(&forward);
		gc_close(&gc);
	}
	ck_assert_uint_gt(found, 300);
}
END_TEST

/* Blocks that roots reach when one block (or none: UINT32_MAX) is not there. */
static void reach_without(const struct graphcase *gc, uint32_t gone, bool *reached)
{
	bool grown = true;
	uint32_t i, k;

	for (i = 0; i < gc->count; i++)
		reached[i] = gc->roots[i] != GC_NONE && i != gone;
	while (grown) {
		grown = false;
		for (i = 0; i < gc->count; i++)
			for (k = 0; reached[i] && k < gc->count; k++)
				if (gc->links[i][k] != GC_NONE && !reached[k] && k != gone)
					reached[k] = grown = true;
	}
}

static uint32_t check_dominators(uint64_t seed)
{
	bool all[GC_BLOCKS], less[GC_BLOCKS], dominates[GC_BLOCKS][GC_BLOCKS] = { { false } };
	uint64_t bytes = 0, retained_bytes, retained_count;
	struct ch_retained *retained;
	struct ch_retained_row row;
	struct graphcase gc;
	uint32_t i, k, deep = 0, nearest;

	gc_open(&gc, seed, 1);
	ck_ch_ok(ch_retained_make(gc.graph, &retained));
	reach_without(&gc, UINT32_MAX, all);
	for (i = 0; i < gc.count; i++) {
		reach_without(&gc, i, less);
		for (k = 0; all[i] && k < gc.count; k++)
			dominates[i][k] = all[k] && !less[k];
		bytes += all[i] ? gc.size[i] : 0;
	}
	for (i = 0; i < gc.count; i++) {
		ck_assert_int_eq(ch_retained_row(retained, gc.first_id + i, &row), all[i]);
		if (!all[i])
			continue;
		for (retained_bytes = retained_count = 0, k = 0; k < gc.count; k++) {
			retained_bytes += dominates[i][k] ? gc.size[k] : 0;
			retained_count += dominates[i][k];
		}
		ck_assert_uint_eq(row.self_bytes, gc.size[i]);
		ck_assert_uint_eq(row.retained_bytes, retained_bytes);
		ck_assert_uint_eq(row.retained_count, retained_count);
		/* Of all that dominate it, the one that all others dominate. */
		for (nearest = UINT32_MAX, k = 0; k < gc.count; k++)
			if (k != i && dominates[k][i] &&
			    (nearest == UINT32_MAX || dominates[nearest][k]))
				nearest = k;
		ck_assert_uint_eq(row.dominator,
				  nearest == UINT32_MAX ? CH_ID_NONE : gc.first_id + nearest);
		deep += nearest != UINT32_MAX;
	}
	ck_assert(ch_retained_row(retained, CH_ID_NONE, &row));
	ck_assert_uint_eq(row.retained_bytes, bytes);
	ck_assert_uint_eq(row.self_bytes, 0);
	ch_retained_destroy(retained);
	gc_close(&gc);
	return deep;
}

START_TEST(dominators_are_what_cutting_blocks_out_shows)
{
	uint32_t deep = 0;
	uint64_t seed;

	for (seed = 1; seed <= 2 * CASES; seed++)
		deep += check_dominators(seed);
	ck_assert_uint_gt(deep, CASES);
}
END_TEST

/* By type each byte once: the naive way asks every dominator of every block. */
START_TEST(types_retain_each_byte_once)
{
	const struct ch_retained_type *types;
	struct ch_retained_row rows[GC_BLOCKS], row;
	struct ch_retained *retained;
	struct ch_heaps *heaps;
	struct ch_type type;
	struct graphcase gc;
	uint64_t seed, count, want;
	size_t types_count, n, i, k;
	uint32_t at;

	for (seed = 1; seed <= 300; seed++) {
		gc_open(&gc, seed, 1);
		ck_ch_ok(ch_retained_make(gc.graph, &retained));
		ck_ch_ok(ch_retained_types(retained, &types, &types_count));
		n = ch_retained_top(retained, rows, GC_BLOCKS, &count);
		ck_assert_uint_eq(n, count);
		ck_ch_ok(ch_session_heaps(gc.session, &heaps));
		for (i = 0; i < types_count; i++) {
			ck_ch_ok(ch_heaps_type(heaps, types[i].type, &type));
			for (want = 0, k = 0; k < n; k++) {
				/* Of the toy's blocks, those of one size are a type. */
				if (CH_TYPE_KEY_SIZE(rows[k].self_bytes) != type.key)
					continue;
				for (at = rows[k].dominator; at != CH_ID_NONE; at = row.dominator) {
					ck_assert(ch_retained_row(retained, at, &row));
					if (row.self_bytes == rows[k].self_bytes)
						break;
				}
				want += at == CH_ID_NONE ? rows[k].retained_bytes : 0;
			}
			ck_assert_uint_eq(types[i].retained_bytes, want);
		}
		for (k = 1; k < n; k++)
			ck_assert_uint_ge(rows[k - 1].retained_bytes, rows[k].retained_bytes);
		ch_retained_destroy(retained);
		gc_close(&gc);
	}
}
END_TEST

Suite *suite_graph(void)
{
	Suite *suite = suite_create("graph");
	TCase *tcase = tcase_create("random cores");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, index_knows_each_byte_of_each_block);
	tcase_add_test(tcase, edges_are_the_words_that_lead_to_blocks);
	tcase_add_test(tcase, edges_are_written_down_as_they_are_read);
	tcase_add_test(tcase, blocks_are_held_as_defined);
	tcase_add_test(tcase, chains_are_shortest_ways_from_all_roots);
	tcase_add_test(tcase, dominators_are_what_cutting_blocks_out_shows);
	tcase_add_test(tcase, types_retain_each_byte_once);
	suite_add_tcase(suite, tcase);
	return suite;
}
