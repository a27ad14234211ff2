/*
 * A session opens each part once, when it is asked for, and remembers failure.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

static int probes;

static struct ch_error *counting_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	(void)ret;
	probes++;
	return NULL;
}

static struct ch_error *failing_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	(void)ret;
	probes++;
	return &ch_enomem;
}

static const struct ch_walker counting = { .name = "counting", .probe = counting_probe };
static const struct ch_walker failing = { .name = "failing", .probe = failing_probe };
static const struct ch_walker *const counting_only[] = { &counting, NULL };
static const struct ch_walker *const failing_only[] = { &failing, NULL };

struct case_session {
	struct ch_context *ctx;
	struct ch_session *session;
};

static struct case_session open_session(const struct ch_walker *const *walkers)
{
	struct toypool pool = tp_create(0x10000000, 0x1000);
	struct case_session s = { .ctx = ch_context_create(NULL) };
	const char *path = cw_temp_path("session");
	struct corewriter *w = hc_writer();

	tp_add(&pool, 40, 1, false);
	tp_write_take(&pool, w);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(s.ctx, path, NULL, &s.session));
	unlink(path);
	chp_session_use_walkers(s.session, walkers);
	return s;
}

static void close_session(struct case_session *s)
{
	ch_session_close(s->session);
	ch_context_destroy(s->ctx);
}

START_TEST(parts_are_opened_once_and_on_demand)
{
	struct case_session s = open_session(counting_only);
	struct ch_heaps *heaps, *again;
	struct ch_sym *sym, *same_sym;
	struct ch_map *map, *same_map;

	ck_assert_ptr_eq(ch_session_context(s.session), s.ctx);
	ck_assert_ptr_nonnull(ch_session_core(s.session));
	ck_ch_ok(ch_session_sym(s.session, &sym));
	ck_assert_int_eq(probes, 0);
	ck_ch_ok(ch_session_map(s.session, &map));
	ck_assert_int_eq(probes, 1);
	ck_ch_ok(ch_session_heaps(s.session, &heaps));
	ck_ch_ok(ch_session_heaps(s.session, &again));
	ck_ch_ok(ch_session_map(s.session, &same_map));
	ck_ch_ok(ch_session_sym(s.session, &same_sym));
	ck_assert_int_eq(probes, 1);
	ck_assert_ptr_eq(heaps, again);
	ck_assert_ptr_eq(map, same_map);
	ck_assert_ptr_eq(sym, same_sym);
	close_session(&s);
}
END_TEST

START_TEST(failure_is_remembered)
{
	struct case_session s = open_session(failing_only);
	struct ch_heaps *heaps = NULL;
	struct ch_map *map = NULL;
	int i;

	for (i = 0; i < 2; i++) {
		ck_ch_err(ch_session_heaps(s.session, &heaps), NOMEM);
		ck_ch_err(ch_session_map(s.session, &map), NOMEM);
	}
	ck_assert_int_eq(probes, 1);
	ck_assert_ptr_null(heaps);
	ck_assert_ptr_null(map);
	close_session(&s);
}
END_TEST

START_TEST(map_has_the_claims_of_the_heaps)
{
	struct case_session s = open_session(toy_only);
	struct ch_map *map;

	ck_ch_ok(ch_session_map(s.session, &map));
	ck_assert_int_eq(ch_map_region_at(map, 0x10000800)->usage, CH_USAGE_ARENA);
	close_session(&s);
}
END_TEST

START_TEST(two_sessions_do_not_know_of_each_other)
{
	struct case_session a = open_session(toy_only), b = open_session(counting_only);
	struct ch_heaps *heaps_a, *heaps_b;
	struct ch_object object;

	ck_ch_ok(ch_session_heaps(a.session, &heaps_a));
	ck_ch_ok(ch_session_heaps(b.session, &heaps_b));
	ck_assert(!ch_heaps_object_at(heaps_b, 0x10000020, &object));
	close_session(&b);
	ck_assert(ch_heaps_object_at(heaps_a, 0x10000020, &object));
	ck_assert_uint_eq(object.size_bytes, 40);
	close_session(&a);
}
END_TEST

START_TEST(no_core_is_no_session)
{
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_session *session = NULL;

	ck_ch_err(ch_session_open(ctx, "/no/such/file", NULL, &session), OS);
	ck_assert_ptr_null(session);
	ch_session_close(NULL);
	ch_context_destroy(ctx);
}
END_TEST

Suite *suite_session(void);
Suite *suite_session(void)
{
	Suite *suite = suite_create("session");
	TCase *tcase = tcase_create("session");

	tcase_add_test(tcase, parts_are_opened_once_and_on_demand);
	tcase_add_test(tcase, failure_is_remembered);
	tcase_add_test(tcase, map_has_the_claims_of_the_heaps);
	tcase_add_test(tcase, two_sessions_do_not_know_of_each_other);
	tcase_add_test(tcase, no_core_is_no_session);
	suite_add_tcase(suite, tcase);
	return suite;
}
