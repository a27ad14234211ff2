/*
 * Native memory by owner: what a runtime says that an object owns is its, whoever else has the
 * address.
 */
#include <string.h>
#include <unistd.h>

#include <coreheap/graph.h>

#include "graph/owners.h"
#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

#define MANAGED 0x10000000ULL
#define NATIVE  0x20000000ULL

/* The managed object that says what it owns, and that: two blocks. */
static struct {
	uint64_t owner;
	struct ch_native native[2];
	bool silent;
} said;

static struct ch_error *learn(void *state, uint64_t key)
{
	(void)state;
	(void)key;
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

static void native(const void *state, uint64_t owner, ch_native_fn fn, void *arg)
{
	size_t i;

	(void)state;
	for (i = 0; owner == said.owner && !said.silent && i < 2; i++)
		fn(arg, &said.native[i]);
}

static const struct ch_tracer tracer = {
	.learn = learn, .refs = refs, .roots = roots, .native = native
};

/* Apples have the addresses of blocks, a pear owns them. */
static void write_core(const char *path)
{
	struct corewriter *w = hc_writer();
	struct toypool managed = tp_create(MANAGED, 0x1000), blocks = tp_create(NATIVE, 0x1000);
	uint64_t apple = tp_add(&managed, 64, 1, false), at;
	size_t i;

	said.owner = tp_add(&managed, 64, 2, false);
	memcpy(blocks.bytes, TOY_OTHER_MAGIC, 8);
	for (i = 0; i < 2; i++) {
		at = tp_add(&blocks, 100 + (uint32_t)i, 0, false);
		said.native[i] = (struct ch_native){ at, 100, "buffer" };
		memcpy(managed.bytes + (apple - MANAGED) + 8 * i, &at, 8);
		memcpy(managed.bytes + (said.owner - MANAGED) + 8 * i, &at, 8);
	}
	/* This one nobody owns but by its address. */
	at = tp_add(&blocks, 300, 0, false);
	memcpy(managed.bytes + (apple - MANAGED) + 16, &at, 8);
	tp_write_take(&managed, w);
	tp_write_take(&blocks, w);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
}

START_TEST(who_is_said_to_own_owns)
{
	struct ch_walker managed = ch_walker_toy;
	const struct ch_walker *const walkers[] = { &managed, &ch_walker_toy_other, NULL };
	const char *path = cw_temp_path("owners");
	struct ch_context *ctx = ch_context_create(NULL);
	const struct ch_owners_row *rows;
	struct ch_session *session;
	struct ch_retained *retained;
	struct ch_owners owners;
	struct ch_graph *graph;

	managed.tracer = &tracer;
	said.silent = _i;
	write_core(path);
	ck_ch_ok(ch_session_open(ctx, path, NULL, &session));
	unlink(path);
	chp_session_use_walkers(session, walkers);
	ck_ch_ok(ch_graph_create(session, NULL, &graph));
	ck_ch_ok(ch_retained_make(graph, &retained));
	ck_ch_ok(chp_owners_find(graph, retained, &owners));
	rows = owners.rows.items;
	if (said.silent) {
		ck_assert_uint_eq(owners.rows.count, 1);
		ck_assert_uint_eq(rows[0].blocks_count, 3);
		ck_assert_ptr_null(rows[0].label);
	} else {
		ck_assert_uint_eq(owners.rows.count, 2);
		ck_assert_uint_eq(rows[0].blocks_count, 1);
		ck_assert_ptr_null(rows[0].label);
		ck_assert_uint_eq(rows[1].sample_addr, said.owner);
		ck_assert_uint_eq(rows[1].blocks_count, 2);
		ck_assert_str_eq(rows[1].label, "buffer");
	}
	chp_owners_deinit(&owners);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	ch_session_close(session);
	ch_context_destroy(ctx);
}
END_TEST

Suite *suite_owners(void);
Suite *suite_owners(void)
{
	Suite *suite = suite_create("owners");
	TCase *tcase = tcase_create("owners");

	tcase_add_loop_test(tcase, who_is_said_to_own_owns, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
