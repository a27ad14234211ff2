/*
 * Two runtimes in one process that give the same numbers to types of their own: nothing that
 * one says is taken for the other's.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <coreheap/leaks.h>

#include "graph/tally.h"
#include "heap/session.h"
#include "heap/type_table.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"
#include "util/cleanup.h"

#define POOL_A 0x10000000ULL
#define POOL_B 0x20000000ULL

/* How often each tracer learned a key, and each walker named one. */
static uint32_t learned[2][10], named[2][10];

static struct ch_error *learn_first(void *state, uint64_t key)
{
	(void)state;
	learned[0][key]++;
	return NULL;
}

static struct ch_error *learn_second(void *state, uint64_t key)
{
	(void)state;
	learned[1][key]++;
	return NULL;
}

static void refs(void *state, struct ch_ref_query *query)
{
	(void)state;
	(void)query;
}

static struct ch_error *roots(void *state, ch_walker_roots_fn fn, void *arg)
{
	(void)state;
	(void)fn;
	(void)arg;
	return NULL;
}

static const struct ch_tracer tracers[] = {
	{ .learn = learn_first, .refs = refs, .roots = roots },
	{ .learn = learn_second, .refs = refs, .roots = roots },
};

static struct ch_error *name_first(void *state, uint64_t key, struct ch_type *ret)
{
	if (key < CH_COUNT_OF(named[0]))
		named[0][key]++;
	return ch_walker_toy.types->name(state, key, ret);
}

static struct ch_error *name_second(void *state, uint64_t key, struct ch_type *ret)
{
	if (key < CH_COUNT_OF(named[1]))
		named[1][key]++;
	return ch_walker_toy_other.types->name(state, key, ret);
}

static const struct ch_walker_types types[] = { { .name = name_first }, { .name = name_second } };

/* Both pools have two blocks of key 1 and one of key 2, in turns. */
static struct corewriter *write_both(void)
{
	static const uint16_t keys[] = { 1, 2, 1 };
	struct corewriter *w = hc_writer();
	struct toypool a = tp_create(POOL_A, 0x1000), b = tp_create(POOL_B, 0x1000);
	size_t i;

	memcpy(b.bytes, TOY_OTHER_MAGIC, 8);
	for (i = 0; i < CH_COUNT_OF(keys); i++) {
		tp_add(&a, 48, keys[i], false);
		tp_add(&b, 48, keys[i], false);
	}
	tp_write_take(&a, w);
	tp_write_take(&b, w);
	return w;
}

struct opened_both {
	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_walker walkers[2];
	const struct ch_walker *list[3];
	struct ch_heaps *heaps;
	struct ch_graph *graph;
};

static void open_both(struct opened_both *both, bool traced)
{
	const char *path = cw_temp_path("both");
	struct corewriter *w = write_both();
	size_t i;

	memset(learned, 0, sizeof(learned));
	memset(named, 0, sizeof(named));
	both->walkers[0] = ch_walker_toy;
	both->walkers[1] = ch_walker_toy_other;
	for (i = 0; i < 2; i++) {
		both->walkers[i].types = &types[i];
		both->walkers[i].tracer = traced ? &tracers[i] : NULL;
		both->list[i] = &both->walkers[i];
	}
	both->list[2] = NULL;
	both->ctx = ch_context_create(NULL);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(both->ctx, path, NULL, &both->session));
	unlink(path);
	chp_session_use_walkers(both->session, both->list);
	ck_ch_ok(ch_session_heaps(both->session, &both->heaps));
	ck_ch_ok(ch_graph_create(both->session, NULL, &both->graph));
}

static void close_both(struct opened_both *both)
{
	ch_graph_destroy(both->graph);
	ch_session_close(both->session);
	ch_context_destroy(both->ctx);
}

START_TEST(both_tracers_learn_their_types)
{
	struct opened_both both;
	size_t i;

	open_both(&both, true);
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(learned[i][1], 1);
		ck_assert_uint_eq(learned[i][2], 1);
	}
	close_both(&both);
}
END_TEST

/* The names of rows, each with its count. */
static void check_names(struct ch_heaps *heaps, const struct ch_type_stat *rows, size_t count)
{
	static const struct {
		const char *name;
		uint64_t count;
		uint32_t walker;
	} wanted[] = { { "Apple", 2, 0 }, { "Plum", 2, 1 }, { "Pear", 1, 0 }, { "Fig", 1, 1 } };
	struct ch_type type;
	size_t i, k, found = 0;

	for (i = 0; i < count; i++) {
		ck_ch_ok(ch_heaps_type(heaps, rows[i].type, &type));
		for (k = 0; k < CH_COUNT_OF(wanted); k++) {
			if (strcmp(type.name, wanted[k].name) != 0)
				continue;
			ck_assert_uint_eq(rows[i].count, wanted[k].count);
			ck_assert_uint_eq(type.walker, wanted[k].walker);
			found++;
		}
	}
	ck_assert_uint_eq(found, CH_COUNT_OF(wanted));
}

START_TEST(each_type_has_one_row_and_one_name)
{
	const struct ch_type_stat *rows;
	struct opened_both both;
	struct ch_type type, again;
	size_t count, i, round;

	open_both(&both, false);
	for (round = 0; round < 3; round++) {
		ck_ch_ok(ch_heaps_types(both.heaps, &rows, &count));
		check_names(both.heaps, rows, count);
	}
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(named[i][1], 1);
		ck_assert_uint_eq(named[i][2], 1);
	}
	ck_ch_ok(ch_heaps_type(both.heaps, chp_type_of(both.heaps, 1, 1), &type));
	ck_ch_ok(ch_heaps_type(both.heaps, chp_type_of(both.heaps, 1, 1), &again));
	ck_assert_str_eq(type.name, "Plum");
	ck_assert_ptr_eq(type.name, again.name);
	ck_ch_ok(
		ch_heaps_type(both.heaps, chp_type_of(both.heaps, 1, CH_TYPE_KEY_SIZE(48)), &type));
	ck_ch_ok(ch_heaps_type(both.heaps, chp_type_of(both.heaps, 1, CH_TYPE_KEY_SIZE(48)),
			       &again));
	ck_assert_ptr_eq(type.name, again.name);
	ck_assert_uint_ne(chp_type_of(both.heaps, 0, CH_TYPE_KEY_SIZE(48)),
			  chp_type_of(both.heaps, 1, CH_TYPE_KEY_SIZE(48)));
	ck_ch_err(ch_heaps_type(both.heaps, 0, &type), ARG);
	ck_ch_err(ch_heaps_type(both.heaps, UINT32_MAX, &type), ARG);
	close_both(&both);
}
END_TEST

/* Samples are of their own type, and groups of lost blocks are of one runtime. */
START_TEST(samples_and_groups_are_of_one_runtime)
{
	const struct ch_leak_group *groups;
	const struct ch_type_stat *rows;
	struct opened_both both;
	struct ch_leaks *leaks;
	struct ch_object object;
	struct ch_type type;
	size_t count, i;

	open_both(&both, false);
	ck_ch_ok(ch_heaps_types(both.heaps, &rows, &count));
	for (i = 0; i < count; i++) {
		ck_assert(ch_heaps_object_at(both.heaps, rows[i].sample_addr, &object));
		ck_assert_uint_eq(object.type, rows[i].type);
	}
	ck_ch_ok(ch_leaks_find(both.graph, &leaks));
	groups = ch_leaks_groups(leaks, &count);
	ck_assert_uint_eq(count, 4);
	for (i = 0; i < count; i++) {
		ck_ch_ok(ch_heaps_type(both.heaps, groups[i].type, &type));
		ck_assert_uint_eq(groups[i].sum.count, type.key == 1 ? 2 : 1);
		ck_assert_uint_eq(groups[i].sample_addr >= POOL_B, type.walker);
	}
	ch_leaks_destroy(leaks);
	close_both(&both);
}
END_TEST

/* What finds no room is counted as another size of its own runtime. */
START_TEST(tallies_are_bounded_for_each_runtime)
{
	struct opened_both both;
	struct ch_tallies tallies;
	const struct ch_tally *tally;
	struct ch_type type;
	uint32_t i, walker;

	open_both(&both, false);
	tallies = (struct ch_tallies)CH_TALLIES(both.heaps);
	for (i = 1; i <= 40000; i++)
		for (walker = 0; walker < 2; walker++) {
			tally = chp_tally_of(&tallies, 0, chp_type_of(both.heaps, walker, i));
			ck_assert_ptr_nonnull(tally);
			ck_ch_ok(ch_heaps_type(both.heaps, (uint32_t)tally->what, &type));
			ck_assert_uint_eq(type.walker, walker);
			ck_assert_uint_eq(type.key, i <= 32768 ? i : CH_TYPE_KEY_OTHER);
		}
	chp_tallies_deinit(&tallies);
	close_both(&both);
}
END_TEST

Suite *suite_two_runtimes(void);
Suite *suite_two_runtimes(void)
{
	Suite *suite = suite_create("two_runtimes");
	TCase *tcase = tcase_create("two_runtimes");

	tcase_add_test(tcase, both_tracers_learn_their_types);
	tcase_add_test(tcase, each_type_has_one_row_and_one_name);
	tcase_add_test(tcase, samples_and_groups_are_of_one_runtime);
	tcase_add_test(tcase, tallies_are_bounded_for_each_runtime);
	suite_add_tcase(suite, tcase);
	return suite;
}
