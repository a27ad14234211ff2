/*
 * Where nodes come together, on random graphs: against the way of each up its dominators.
 */
#include "graph/gather.h"
#include "support/ck.h"
#include "support/graphcase.h"

#define ROUNDS  300
#define PERCENT 90

/* What no other node dominates, on the way up from id. */
static uint32_t top_of(const struct ch_retained *retained, uint32_t id)
{
	struct ch_retained_row row;

	for (;;) {
		ck_assert(ch_retained_row(retained, id, &row));
		if (row.dominator == CH_ID_NONE)
			return id;
		id = row.dominator;
	}
}

static bool is_dominated(const struct ch_retained *retained, uint32_t id, uint32_t by)
{
	struct ch_retained_row row;

	for (; id != CH_ID_NONE; id = row.dominator) {
		if (id == by)
			return true;
		ck_assert(ch_retained_row(retained, id, &row));
	}
	return false;
}

static void check_row(const struct ch_retained *retained, const struct ch_gathered *row,
		      const struct ch_gather_item *items, size_t count)
{
	uint64_t found = 0, bytes = 0, below = 0;
	bool is_item = false, has_sample = false;
	struct ch_retained_row unused;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!ch_retained_row(retained, items[i].id, &unused) ||
		    top_of(retained, items[i].id) != row->top)
			continue;
		found++;
		bytes += items[i].bytes;
		below += is_dominated(retained, items[i].id, row->holder);
		is_item |= items[i].id == row->holder;
		has_sample |= items[i].id == row->sample;
	}
	ck_assert_uint_eq(row->count, found);
	ck_assert_uint_eq(row->bytes, bytes);
	ck_assert(has_sample);
	ck_assert(is_dominated(retained, row->holder, row->top));
	ck_assert(below * 100 >= found * PERCENT || row->holder == row->top);
	ck_assert(!is_item || row->holder == row->top);
}

static void check_case(const struct graphcase *gc, uint64_t *seed)
{
	struct ch_gather_item items[GC_BLOCKS];
	struct ch_gathering gathering;
	struct ch_retained *retained;
	struct ch_retained_row row;
	uint64_t live = 0, dead = 0, in_rows = 0;
	size_t count = 0, i;

	for (i = 0; i < gc->count; i++)
		if (gc->used[i] && gc_random(seed, 2))
			items[count++] = (struct ch_gather_item){ .id = ch_graph_node_at(
									  gc->graph, gc->addr[i]),
								  .bytes = gc->size[i],
								  .touched_bytes = gc->size[i] / 2,
								  .lasts = gc_random(seed, 2) };
	ck_ch_ok(ch_retained_make(gc->graph, &retained));
	ck_ch_ok(chp_gather(retained, items, count, PERCENT, &gathering));
	for (i = 0; i < count; i++)
		if (ch_retained_row(retained, items[i].id, &row))
			live++;
		else
			dead += items[i].lasts;
	ck_assert_uint_eq(gathering.count, live);
	ck_assert_uint_eq(gathering.dead_count, dead);
	for (i = 0; i < gathering.rows.count; i++) {
		const struct ch_gathered *one = CH_VEC_AT(&gathering.rows, struct ch_gathered, i);

		check_row(retained, one, items, count);
		in_rows += one->count;
	}
	ck_assert_uint_eq(in_rows, live);
	chp_gathering_deinit(&gathering);
	ch_retained_destroy(retained);
}

START_TEST(random_graphs)
{
	uint64_t seed = 77;
	struct graphcase gc;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		gc_open(&gc, 1000 + (uint64_t)round, 1);
		check_case(&gc, &seed);
		gc_close(&gc);
	}
}
END_TEST

Suite *suite_gather(void)
{
	Suite *suite = suite_create("gather");
	TCase *cases = tcase_create("gather");

	tcase_set_timeout(cases, 120);
	tcase_add_test(cases, random_graphs);
	suite_add_tcase(suite, cases);
	return suite;
}
