/*
 * Heaps inside of heaps: pools in blocks of the toy allocator, pools in blocks of these pools; a
 * nested walker that lies; a million nested spans. Sums are kept by the test while it builds the
 * core.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <coreheap/leaks.h>

#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

#define POOL_A 0x10000000ULL
#define ROOTS  0x20000000ULL

static const struct ch_walker *const three[] = { &ch_walker_toy_innermost, &ch_walker_toy,
						 &ch_walker_toy_inner, NULL };

/* Put a pool into the block at addr of the one around it. */
static void put_take(struct toypool *outer, struct toypool *inner, const char *magic)
{
	memcpy(inner->bytes, magic, 8);
	memcpy(inner->bytes + 8, &inner->bump, 8);
	memcpy(outer->bytes + (inner->start - outer->start), inner->bytes, inner->pool_bytes);
	free(inner->bytes);
	inner->bytes = NULL;
}

/* A pool with a pool in it that has one in it; addresses of a block of each, and of the blocks
 * that hold them. */
struct nest {
	struct toypool pools[3];
	uint64_t blocks[3], holders[3], words[3];
};

static struct nest make_nest(struct corewriter *w)
{
	static const char *const magic[] = { TOY_MAGIC, TOY_MAGIC_INNER, TOY_MAGIC_INNERMOST };
	static const uint32_t bytes[] = { 0x1000, 0x400, 0x100 };
	struct nest nest = { .holders = { 0 } };
	uint64_t at = POOL_A;
	size_t i;

	for (i = 0; i < 3; i++) {
		nest.pools[i] = tp_create(at, bytes[i]);
		tp_add(&nest.pools[i], 24, 1, true);
		nest.blocks[i] = tp_add(&nest.pools[i], 40, (uint16_t)(i % 2 + 1), false);
		if (i < 2)
			at = nest.holders[i] = tp_add(&nest.pools[i], bytes[i + 1], 0, false);
		nest.words[i] = tp_add(&nest.pools[i], 16, 2, false);
	}
	for (i = 2; i > 0; i--)
		put_take(&nest.pools[i - 1], &nest.pools[i], magic[i]);
	tp_write_take(&nest.pools[0], w);
	return nest;
}

static struct ch_error *see_ascending(void *arg, const struct ch_object *objects, size_t n)
{
	uint64_t *at = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(objects[i].addr - objects[i].header_bytes, *at);
		*at += objects[i].chunk_bytes;
	}
	return NULL;
}

static void check_closes(const struct ch_heap *heap)
{
	ck_assert_uint_eq(heap->used_bytes + heap->free_bytes + heap->overhead_bytes,
			  heap->committed_bytes);
	ck_assert_uint_eq(heap->unwalked_bytes, 0);
}

START_TEST(sums_close_at_each_level)
{
	struct corewriter *w = hc_writer();
	struct nest nest = make_nest(w);
	struct heapcore hc = hc_open_take(w, three);
	const struct ch_heap *heaps;
	uint64_t at = POOL_A, bytes = 0;
	size_t count, i;

	ck_ch_ok(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see_ascending, &at));
	ck_assert_uint_eq(at, POOL_A + 0x1000);
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(count, 3);
	for (i = 0; i < 3; i++) {
		check_closes(&heaps[i]);
		bytes += heaps[i].committed_bytes;
		/* What holds a pool is no block any more. */
		ck_assert_uint_eq(heaps[i].used_count, 2);
		ck_assert_uint_eq(heaps[i].used_bytes, 2 * TOY_BLOCK_HEADER + 40 + 16);
	}
	ck_assert_uint_eq(bytes, 0x1000);
	ck_assert_str_eq(heaps[1].runtime, "toy_inner");
	ck_assert_uint_eq(heaps[1].committed_bytes, 0x400 - 0x100);
	ck_assert_str_eq(heaps[2].runtime, "toy_innermost");
	ck_assert_uint_eq(heaps[2].committed_bytes, 0x100);
	ck_assert_uint_eq(heaps[0].overhead_bytes, TOY_HEADER_BYTES + TOY_BLOCK_HEADER);
	ck_assert(ch_context_complete(hc.o.ctx));
	ck_assert_uint_ne(nest.blocks[0], 0);
	hc_close(&hc);
}
END_TEST

START_TEST(look_up_gives_the_innermost_block)
{
	struct corewriter *w = hc_writer();
	struct nest nest = make_nest(w);
	struct heapcore hc = hc_open_take(w, three);
	const struct ch_span *spans;
	struct ch_object found;
	uint64_t at;
	size_t count, i;

	if (_i)
		ck_ch_ok(ch_heaps_measure(hc.heaps));
	spans = ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 5);
	for (i = 0; i < 3; i++) {
		ck_assert(ch_heaps_object_at(hc.heaps, nest.blocks[i] + 39, &found));
		ck_assert_uint_eq(found.addr, nest.blocks[i]);
		ck_assert_uint_eq(spans[found.span].block_addr, i ? nest.holders[i - 1] : 0);
		/* The last block of each pool is behind the one that holds the next pool. */
		ck_assert(ch_heaps_object_at(hc.heaps, nest.words[i], &found));
		ck_assert_uint_eq(found.addr, nest.words[i]);
		at = nest.words[i] - TOY_BLOCK_HEADER;
		ck_ch_ok(ch_heaps_walk(hc.heaps, nest.words[i], nest.words[i] + 8, see_ascending,
				       &at));
		ck_assert_uint_eq(at, nest.words[i] + 16);
	}
	/* The header of a block that holds a pool. */
	ck_assert(ch_heaps_object_at(hc.heaps, nest.holders[1] - 1, &found));
	ck_assert_int_eq(found.state, CH_OBJECT_OVERHEAD);
	ck_assert_uint_eq(found.flags, CH_OBJECT_CONTAINER);
	ck_assert_uint_eq(found.chunk_bytes, TOY_BLOCK_HEADER);
	hc_close(&hc);
}
END_TEST

/* A block of the innermost pool is held from outside, those of the others are lost. */
START_TEST(the_graph_knows_nested_blocks)
{
	const char *path = cw_temp_path("nested");
	struct corewriter *w = hc_writer();
	struct nest nest = make_nest(w);
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_session *session;
	struct ch_graph *graph;
	struct ch_leaks *leaks;
	uint32_t id;
	size_t i;

	cw_load(w, ROOTS, 8, PF_R | PF_W, &nest.blocks[2], 8);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(ctx, path, NULL, &session));
	unlink(path);
	chp_session_use_walkers(session, three);
	ck_ch_ok(ch_graph_create(session, NULL, &graph));
	ck_ch_ok(ch_leaks_find(graph, &leaks));
	ck_assert_uint_eq(ch_graph_nodes_count(graph), 6);
	for (i = 0; i < 3; i++) {
		id = ch_graph_node_at(graph, nest.blocks[i] + 8);
		ck_assert_uint_ne(id, CH_ID_NONE);
		ck_assert_uint_eq(ch_graph_addr(graph, id), nest.blocks[i]);
		ck_assert_uint_eq(ch_graph_size_bytes(graph, id), 40);
		ck_assert_int_eq(ch_leaks_reach(leaks, id) == CH_REACH_LIVE, i == 2);
		ck_assert_int_eq(ch_leaks_reach(leaks, id) == CH_REACH_POOLED, i == 1);
		id = ch_graph_node_at(graph, nest.words[i]);
		ck_assert_uint_eq(ch_graph_addr(graph, id), nest.words[i]);
	}
	ck_assert_uint_eq(ch_leaks_sums(leaks)[CH_REACH_LIVE].count, 1);
	/* The header of a block that holds a pool is nobody's. */
	ck_assert_uint_eq(ch_graph_node_at(graph, nest.holders[0] - 4), CH_ID_NONE);
	ch_leaks_destroy(leaks);
	ch_graph_destroy(graph);
	ch_session_close(session);
	ch_context_destroy(ctx);
}
END_TEST

/* ---- Walkers that say what the test tells them ------------------------------- */

/* Blocks of block_bytes in [POOL_A, POOL_A + bytes), every other one used. */
static struct told {
	uint64_t bytes, block_bytes, usable_bytes;
	/* Nested spans. */
	struct ch_span *spans;
	size_t spans_count;
	/* What they end with is told as a block of its own. */
	uint64_t rest_bytes;
	/* Blocks that were made up by the outer walker, walks of nested ones. */
	uint64_t made, walks;
	bool outer_known;
} told;

static struct ch_error *say_present(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	ret->score = 100;
	return NULL;
}

static struct ch_error *say_open(const struct ch_heap_env *env, void **state_ret)
{
	ck_assert_ptr_null(env->outer);
	*state_ret = &told;
	return NULL;
}

static struct ch_error *say_open_nested(const struct ch_heap_env *env, void **state_ret)
{
	struct ch_object block;

	told.outer_known = chp_outer_block_at(env, POOL_A + 1, &block);
	*state_ret = &told;
	return NULL;
}

static void say_close(void *state)
{
	(void)state;
}

static const struct ch_heap_desc *say_heaps(void *state, size_t *count_ret)
{
	static const struct ch_heap_desc desc = { .name = "told" };

	(void)state;
	*count_ret = 1;
	return &desc;
}

static const struct ch_span *say_outer(void *state, size_t *count_ret)
{
	static struct ch_span span;

	(void)state;
	span = (struct ch_span){ .start = POOL_A,
				 .end = POOL_A + told.bytes,
				 .committed_end = POOL_A + told.bytes,
				 .usage = CH_USAGE_ARENA };
	*count_ret = 1;
	return &span;
}

static const struct ch_span *say_nested(void *state, size_t *count_ret)
{
	(void)state;
	*count_ret = told.spans_count;
	return told.spans;
}

static struct ch_error *outer_objects(void *state, const struct ch_span *span, uint64_t from,
				      struct ch_object_sink *sink)
{
	struct ch_object_batch batch = { .sink = sink };
	struct ch_error *err = NULL;
	struct ch_object object;
	uint64_t at = from;

	(void)state;
	for (; !err && at < span->end; at += told.block_bytes) {
		object = (struct ch_object){
			.addr = at + 8,
			.size_bytes = told.usable_bytes,
			.header_bytes = 8,
			.chunk_bytes = told.block_bytes,
			.state = (at - POOL_A) / told.block_bytes % 2 ? CH_OBJECT_FREE
								      : CH_OBJECT_USED,
		};
		told.made++;
		err = ch_object_batch_put(&batch, &object);
	}
	return err ? err : ch_object_batch_flush(&batch);
}

/* One block over all of it, but for a rest. */
static struct ch_error *nested_objects(void *state, const struct ch_span *span, uint64_t from,
				       struct ch_object_sink *sink)
{
	uint64_t bytes = span->end - span->start - told.rest_bytes;
	struct ch_object objects[] = {
		{ .addr = span->start, .size_bytes = bytes, .chunk_bytes = bytes },
		{ .addr = span->start + bytes,
		  .size_bytes = told.rest_bytes,
		  .chunk_bytes = told.rest_bytes,
		  .state = CH_OBJECT_OVERHEAD },
	};

	(void)state;
	(void)from;
	told.walks++;
	return sink->emit(sink, objects, told.rest_bytes ? 2 : 1);
}

static const struct ch_walker outer = {
	.name = "outer",
	.priority = CH_WALKER_GENERIC,
	.probe = say_present,
	.open = say_open,
	.close = say_close,
	.allocator = &(const struct ch_walker_allocator){ .heaps = say_heaps,
							  .spans = say_outer,
							  .objects = outer_objects },
};
static const struct ch_walker nested = {
	.name = "nested",
	.priority = CH_WALKER_SPECIFIC,
	.probe = say_present,
	.open = say_open_nested,
	.close = say_close,
	.allocator = &(const struct ch_walker_allocator){ .stage = 1,
							  .heaps = say_heaps,
							  .spans = say_nested,
							  .objects = nested_objects },
};
static const struct ch_walker *const both[] = { &nested, &outer, NULL };
static const struct ch_walker *const nested_only[] = { &nested, NULL };

static struct heapcore open_told(uint64_t bytes, uint64_t block_bytes, uint64_t usable_bytes,
				 struct ch_span *spans, size_t count)
{
	struct corewriter *w = hc_writer();

	cw_load(w, POOL_A, bytes, PF_R | PF_W, NULL, 0);
	cw_load(w, ROOTS, 0x1000, PF_R | PF_W, NULL, 0);
	told = (struct told){ .bytes = bytes,
			      .block_bytes = block_bytes,
			      .usable_bytes = usable_bytes,
			      .spans = spans,
			      .spans_count = count };
	return hc_open_take(w, both);
}

static struct ch_span span_in(uint64_t start, uint64_t end, uint64_t block)
{
	return (struct ch_span){ .start = POOL_A + start,
				 .end = POOL_A + end,
				 .committed_end = POOL_A + end,
				 .usage = CH_USAGE_ARENA,
				 .block_addr = block ? POOL_A + block : 0 };
}

/* Blocks of 0x100: 0x008 used, 0x108 free, 0x208 used. The good one is in the third. */
START_TEST(nested_lies_are_left_out)
{
	static const struct {
		uint64_t start, end, block;
		const char *finding;
	} rows[] = {
		{ 0x40, 0x80, 0x000, "span-unplaced" },       /* names none */
		{ 0x40, 0x80, 0x208, "span-unplaced" },       /* another than it is in */
		{ 0x40, 0x80, 0x010, "span-unplaced" },       /* not the first byte of it */
		{ 0x40, 0x180, 0x008, "span-unplaced" },      /* in two */
		{ 0x000, 0x80, 0x008, "span-unplaced" },      /* begins in its header */
		{ 0x140, 0x180, 0x108, "span-unplaced" },     /* in a free one */
		{ 0x220, 0x260, 0x208, "span-dropped" },      /* overlaps the good one */
		{ 0x2000, 0x2040, 0x2008, "span-dropped" },   /* in nothing that is mapped */
		{ 0xfff0, 0x10010, 0xff08, "span-unmapped" }, /* over the end of it */
	};
	struct ch_span spans[] = {
		span_in(0x210, 0x300, 0x208),
		span_in(rows[_i].start, rows[_i].end, rows[_i].block),
	};
	struct heapcore hc;
	const struct ch_heap *heaps;
	uint64_t at = POOL_A;
	size_t count;

	if (_i == 7)
		spans[1].committed_end = spans[1].start - 1;
	hc = open_told(0x10000, 0x100, 0xf8, spans, 2);
	ck_assert(told.outer_known);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, rows[_i].finding));
	ck_assert(!ch_context_complete(hc.o.ctx) || ch_context_damaged(hc.o.ctx));
	ck_ch_ok(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see_ascending, &at));
	ck_assert_uint_eq(at, POOL_A + 0x10000);
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(heaps[0].committed_bytes + heaps[1].committed_bytes, 0x10000);
	ck_assert_uint_eq(heaps[1].used_count, 1);
	ck_assert_uint_eq(heaps[1].used_bytes, 0xf0);
	ck_assert_uint_eq(heaps[0].used_count, 0x80 - 1);
	check_closes(&heaps[0]);
	check_closes(&heaps[1]);
	hc_close(&hc);
}
END_TEST

/* A pool may have a mapping of its own beside blocks, and need not have anyone around it. */
START_TEST(nested_spans_may_be_mappings)
{
	struct ch_span spans[] = { span_in(0x210, 0x300, 0x208),
				   span_in(ROOTS - POOL_A, ROOTS - POOL_A + 0x1000, 0) };
	struct corewriter *w;
	const struct ch_heap *heaps;
	struct heapcore hc;
	size_t count;

	hc = open_told(0x10000, 0x100, 0xf8, spans, 2);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heaps[1].committed_bytes, 0x10f0);
	ck_assert(ch_context_complete(hc.o.ctx));
	ck_assert_str_eq(ch_map_region_at(hc.map, ROOTS)->owner, "told");
	/* Blocks stay their allocator's in the map. */
	ck_assert_uint_eq(ch_map_region_at(hc.map, POOL_A + 0x220)->start, POOL_A);
	hc_close(&hc);
	/* The first one names a block, and nobody has blocks. */
	w = hc_writer();
	cw_load(w, POOL_A, 0x1000, PF_R | PF_W, NULL, 0);
	cw_load(w, ROOTS, 0x1000, PF_R | PF_W, NULL, 0);
	hc = hc_open_take(w, nested_only);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert_uint_eq(ch_heaps_list(hc.heaps, &count)[0].committed_bytes, 0x1000);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "span-unplaced"));
	hc_close(&hc);
}
END_TEST

/* As in glibc, where the last 8 bytes of a block are those of the next chunk's header. */
START_TEST(spans_end_with_the_chunk_of_their_block)
{
	/* the last block reaches over the end, ends with it, lies behind it */
	static const uint64_t rests[] = { 0, 0x10, 8 };
	struct ch_span spans[] = { span_in(0x208, 0x308, 0x208) };
	const struct ch_heap *heaps;
	struct heapcore hc;
	uint64_t at = POOL_A;
	size_t count;

	hc = open_told(0x10000, 0x100, 0x100, spans, 1);
	told.rest_bytes = rests[_i];
	ck_ch_ok(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see_ascending, &at));
	ck_assert_uint_eq(at, POOL_A + 0x10000);
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heaps[1].used_bytes, rests[_i] == 0x10 ? 0xf0 : 0xf8);
	ck_assert_uint_eq(heaps[1].used_count, 1);
	ck_assert_ptr_null(oc_finding(&hc.o, "blocks-dropped"));
	check_closes(&heaps[0]);
	check_closes(&heaps[1]);
	ck_assert(ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

/* Nobody is asked more than once for a span, however many there are. */
START_TEST(a_million_nested_spans_are_linear)
{
	static const size_t rows[] = { 1000, 1000000 };
	const size_t n = rows[_i];
	struct ch_span *spans = calloc(n, sizeof(*spans));
	const struct ch_heap *heaps;
	clock_t started = clock();
	struct ch_object found;
	struct heapcore hc;
	uint64_t at = POOL_A;
	size_t count, i;

	ck_assert_ptr_nonnull(spans);
	for (i = 0; i < n; i++)
		spans[i] = span_in(i * 0x40 + 0x10, i * 0x40 + 0x20, i * 0x40 + 8);
	hc = open_told(n * 0x40, 0x20, 0x18, spans, n);
	ck_ch_ok(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see_ascending, &at));
	ck_assert_uint_eq(at, POOL_A + n * 0x40);
	/* Once to look where they lie, once to measure, and a checkpoint for the look-up. */
	ck_assert_uint_le(told.made, 3 * 2 * n + 4096);
	ck_assert_uint_eq(told.walks, n);
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heaps[1].used_count, n);
	ck_assert_uint_eq(heaps[0].used_count, 0);
	ck_assert_uint_eq(heaps[0].overhead_bytes, n * 0x10);
	ck_assert_uint_eq(heaps[0].free_bytes, n * 0x20);
	check_closes(&heaps[0]);
	check_closes(&heaps[1]);
	ck_assert(ch_context_complete(hc.o.ctx));
	told.made = 0;
	for (i = 0; i < n; i += n / 100) {
		ck_assert(ch_heaps_object_at(hc.heaps, POOL_A + i * 0x40 + 0x1f, &found));
		ck_assert_uint_eq(found.addr, POOL_A + i * 0x40 + 0x10);
		ck_assert(ch_heaps_object_at(hc.heaps, POOL_A + i * 0x40 + 0x21, &found));
		ck_assert_int_eq(found.state, CH_OBJECT_FREE);
		ck_assert(ch_heaps_object_at(hc.heaps, POOL_A + i * 0x40, &found));
		ck_assert_int_eq(found.state, CH_OBJECT_OVERHEAD);
	}
	ck_assert_uint_lt(told.made, 200 * 2048);
	/* A square would take hours. */
	ck_assert_int_lt((clock() - started) / CLOCKS_PER_SEC, 60);
	hc_close(&hc);
	free(spans);
}
END_TEST

Suite *suite_nesting(void);
Suite *suite_nesting(void)
{
	Suite *suite = suite_create("nesting");
	TCase *tcase = tcase_create("nesting");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, sums_close_at_each_level);
	tcase_add_loop_test(tcase, look_up_gives_the_innermost_block, 0, 2);
	tcase_add_test(tcase, the_graph_knows_nested_blocks);
	tcase_add_loop_test(tcase, nested_lies_are_left_out, 0, 9);
	tcase_add_test(tcase, nested_spans_may_be_mappings);
	tcase_add_loop_test(tcase, spans_end_with_the_chunk_of_their_block, 0, 3);
	tcase_add_loop_test(tcase, a_million_nested_spans_are_linear, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
