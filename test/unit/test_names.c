/*
 * The pass that names native blocks: the best word wins, conflicts are counted, and nothing is
 * done where nobody has anything to say.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"
#include "types/names.h"
#include "types/provider.h"

#define POOL 0x10000000ULL

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

/* What a provider of the tests knows: a key for first words of 8, 16, 24 ... */
struct knowledge {
	uint64_t keys[4];
	bool absent;
	uint32_t opened, closed, asked, named;
};
static struct knowledge guess, first, second;

static struct ch_error *open_by(struct knowledge *knowledge, void **state_ret)
{
	knowledge->opened++;
	*state_ret = knowledge->absent ? NULL : knowledge;
	return NULL;
}

static struct ch_error *open_guess(const struct ch_provider_env *env, void **state_ret)
{
	(void)env;
	return open_by(&guess, state_ret);
}

static struct ch_error *open_first(const struct ch_provider_env *env, void **state_ret)
{
	(void)env;
	return open_by(&first, state_ret);
}

static struct ch_error *open_second(const struct ch_provider_env *env, void **state_ret)
{
	(void)env;
	return open_by(&second, state_ret);
}

static void close_one(void *state)
{
	((struct knowledge *)state)->closed++;
}

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	struct knowledge *knowledge = state;
	size_t i;

	knowledge->asked += (uint32_t)n;
	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(objects[i].state, CH_OBJECT_USED);
		ck_assert_uint_eq(objects[i].key, 0);
		keys_ret[i] = knowledge->keys[objects[i].size_bytes / 8 - 1];
	}
	return NULL;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	static const char *const names[] = { "", "One", "Two", "Three" };

	((struct knowledge *)state)->named++;
	ret->name = names[key];
	return NULL;
}

#define PROVIDER(stem, how, worth)                                                                 \
	static const struct ch_provider provider_##stem = { .name = #stem,                         \
							    .basis = how,                          \
							    .rank = worth,                         \
							    .open = open_##stem,                   \
							    .close = close_one,                    \
							    .blocks = blocks,                      \
							    .type = type }
PROVIDER(guess, CH_BASIS_HEURISTIC, CH_RANK_SHAPE);
PROVIDER(first, CH_BASIS_DERIVED, CH_RANK_KNOWN);
PROVIDER(second, CH_BASIS_DERIVED, CH_RANK_KNOWN);

static const struct ch_provider *const all[] = { &provider_guess, &provider_first, &provider_second,
						 NULL };

struct opened_names {
	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_heaps *heaps;
	/* Blocks of 8, 16, 24 and 32 bytes; one of a type, and one that was given back. */
	uint64_t addr[4], apple, freed;
};

static void open_names(struct opened_names *opened)
{
	struct toypool pool = tp_create(POOL, 0x1000);
	const char *path = cw_temp_path("names");
	struct corewriter *w = hc_writer();
	uint32_t i;

	for (i = 0; i < 4; i++)
		opened->addr[i] = tp_add(&pool, 8 * (i + 1), 0, false);
	opened->apple = tp_add(&pool, 8, 1, false);
	opened->freed = tp_add(&pool, 8, 0, true);
	tp_write_take(&pool, w);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	opened->ctx = ch_context_create(NULL);
	ck_ch_ok(ch_session_open(opened->ctx, path, NULL, &opened->session));
	unlink(path);
	chp_session_use_walkers(opened->session, toy_only);
	ck_ch_ok(chp_session_named_heaps_by(opened->session, all, &opened->heaps));
}

static void close_names(struct opened_names *opened)
{
	ch_session_close(opened->session);
	ch_context_destroy(opened->ctx);
}

static void check_name(const struct opened_names *opened, uint64_t addr, const char *name,
		       enum ch_basis basis)
{
	struct ch_object object;
	struct ch_type named;

	ck_assert(ch_heaps_object_at(opened->heaps, addr, &object));
	ck_ch_ok(ch_heaps_type(opened->heaps, object.type, &named));
	ck_assert_str_eq(named.name, name);
	ck_assert_int_eq(named.basis, basis);
	ck_assert_uint_eq(named.walker, 0);
}

START_TEST(the_best_word_wins)
{
	const struct ch_type_stat *rows;
	struct opened_names opened;
	size_t count;

	guess = (struct knowledge){ .keys = { 1, 1, 1, 0 } };
	first = (struct knowledge){ .keys = { 2, 0, 2, 0 } };
	second = (struct knowledge){ .keys = { 3, 3, 0, 0 } };
	open_names(&opened);
	check_name(&opened, opened.addr[0], "Two", CH_BASIS_DERIVED);
	check_name(&opened, opened.addr[1], "Three", CH_BASIS_DERIVED);
	check_name(&opened, opened.addr[2], "Two", CH_BASIS_DERIVED);
	check_name(&opened, opened.addr[3], "32-byte blocks", CH_BASIS_DERIVED);
	check_name(&opened, opened.apple, "Apple", CH_BASIS_RECORDED);
	check_name(&opened, opened.freed, "8-byte blocks", CH_BASIS_DERIVED);
	ck_ch_ok(ch_heaps_types(opened.heaps, &rows, &count));
	/* Two, Three, 32 bytes, Apple, what is free, the top, the header */
	ck_assert_uint_eq(count, 7);
	ck_assert_uint_eq(chp_session_names_conflicts(opened.session), 1);
	ck_assert_uint_eq(first.asked, 4);
	ck_ch_ok(chp_session_named_heaps_by(opened.session, all, &opened.heaps));
	ck_assert_uint_eq(first.opened, 1);
	ck_assert_uint_eq(first.asked, 4);
	ck_assert_uint_eq(first.named, 1);
	close_names(&opened);
	ck_assert_uint_eq(first.closed, 1);
}
END_TEST

START_TEST(nobody_has_anything_to_say)
{
	struct opened_names opened;

	guess = first = second = (struct knowledge){ .absent = true };
	open_names(&opened);
	check_name(&opened, opened.addr[0], "8-byte blocks", CH_BASIS_DERIVED);
	ck_assert_ptr_null(chp_session_kept(opened.session, CH_SESSION_INDEX));
	close_names(&opened);
	ck_assert_uint_eq(guess.opened, 1);
	ck_assert_uint_eq(guess.closed, 0);
	ck_assert_uint_eq(guess.asked, 0);
}
END_TEST

/* ---- Following ------------------------------------------------------------------------ */

/* Blocks of a ring that is led into from outside, and one that nothing leads to. */
#define RING 7

static struct {
	struct ch_core *core;
	uint64_t first;
	uint32_t followed, left;
} chain;

static const struct ch_provider provider_chain, provider_last;

static struct ch_error *open_chain(const struct ch_provider_env *env, void **state_ret)
{
	chain.core = env->core;
	*state_ret = &chain;
	return NULL;
}

static void close_chain(void *state)
{
	(void)state;
}

static struct ch_error *seed_chain(void *state, struct ch_naming *naming)
{
	struct ch_named_block block;

	(void)state;
	ck_assert(!chp_naming_block(naming, POOL - 1, &block));
	/* the header of the pool */
	ck_assert(!chp_naming_block(naming, POOL + 8, &block));
	/* an inner address serves as well; what is behind the block does not */
	ck_assert(!chp_naming_block(naming, chain.first + 16, &block));
	ck_assert(chp_naming_block(naming, chain.first + 15, &block));
	ck_assert_uint_eq(block.addr, chain.first);
	ck_assert_uint_eq(block.size_bytes, 16);
	ck_assert_ptr_null(block.provider);
	return chp_naming_say(naming, &provider_chain, &block, 1);
}

/* Calls the next one by another name than this one, so that a ring of odd length never agrees. */
static struct ch_error *follow_chain(void *state, struct ch_naming *naming,
				     const struct ch_named_block *block)
{
	struct ch_named_block next;
	uint64_t addr;

	(void)state;
	if (block->provider != &provider_chain)
		return NULL;
	chain.followed++;
	ck_ch_ok(ch_core_read(chain.core, block->addr, &addr, sizeof(addr)));
	ck_assert(chp_naming_block(naming, addr, &next));
	return chp_naming_say(naming, &provider_chain, &next, 3 - block->key);
}

static struct ch_error *name_left(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		chain.left++;
		ck_assert_uint_eq(blocks[i].size_bytes, 24);
		err = chp_naming_say(arg, &provider_last, &blocks[i], 3);
	}
	return err;
}

static struct ch_error *count_all(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct ch_error *err = NULL;
	size_t i;

	/* A better word is there. */
	for (i = 0; !err && i < n; i++)
		err = chp_naming_say(arg, &provider_last, &blocks[i], 2);
	chain.left += (uint32_t)n << 8;
	return err;
}

static struct ch_error *rest_last(void *state, struct ch_naming *naming)
{
	struct ch_error *err = chp_naming_left(naming, name_left, naming);

	(void)state;
	return err ? err : chp_naming_all(naming, count_all, naming);
}

static struct ch_error *type_chain(void *state, uint64_t key, struct ch_type *ret)
{
	static const char *const names[] = { "", "One", "Two", "Three" };

	(void)state;
	ret->name = names[key];
	return NULL;
}

static const struct ch_provider provider_chain = {
	.name = "chain",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_DECLARED,
	.open = open_chain,
	.close = close_chain,
	.seeds = seed_chain,
	.follow = follow_chain,
	.type = type_chain,
};
static const struct ch_provider provider_last = {
	.name = "last",
	.basis = CH_BASIS_HEURISTIC,
	.rank = CH_RANK_HOLDER,
	.open = open_chain,
	.close = close_chain,
	.rest = rest_last,
	.type = type_chain,
};

START_TEST(names_are_followed_and_end)
{
	static const struct ch_provider *const both[] = { &provider_last, &provider_chain, NULL };
	struct toypool pool = tp_create(POOL, 0x1000);
	const char *path = cw_temp_path("names");
	struct opened_names opened = { 0 };
	struct corewriter *w = hc_writer();
	uint64_t addr[RING];
	uint32_t i;

	for (i = 0; i < RING; i++)
		addr[i] = tp_add(&pool, 16, 0, false);
	for (i = 0; i < RING; i++)
		memcpy(pool.bytes + (addr[i] - POOL), &addr[(i + 1) % RING], 8);
	opened.apple = tp_add(&pool, 24, 0, false);
	tp_add(&pool, 24, 1, false);
	tp_add(&pool, 24, 0, true);
	tp_write_take(&pool, w);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	opened.ctx = ch_context_create(NULL);
	ck_ch_ok(ch_session_open(opened.ctx, path, NULL, &opened.session));
	unlink(path);
	chp_session_use_walkers(opened.session, toy_only);
	memset(&chain, 0, sizeof(chain));
	chain.first = addr[0];
	ck_ch_ok(chp_session_named_heaps_by(opened.session, both, &opened.heaps));
	/* Each block was named four times at most, and followed as often. */
	ck_assert_uint_ge(chain.followed, RING);
	ck_assert_uint_le(chain.followed, 4 * RING);
	/* One was left; then there were all of them. */
	ck_assert_uint_eq(chain.left, 1 | (RING + 1) << 8);
	check_name(&opened, opened.apple, "Two", CH_BASIS_HEURISTIC);
	for (i = 0; i < RING; i++) {
		struct ch_object object;
		struct ch_type named;

		ck_assert(ch_heaps_object_at(opened.heaps, addr[i], &object));
		ck_ch_ok(ch_heaps_type(opened.heaps, object.type, &named));
		ck_assert_str_eq(named.by, "chain");
	}
	close_names(&opened);
}
END_TEST

Suite *suite_names(void);
Suite *suite_names(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = tcase_create("names");

	tcase_add_test(tcase, the_best_word_wins);
	tcase_add_test(tcase, nobody_has_anything_to_say);
	tcase_add_test(tcase, names_are_followed_and_end);
	suite_add_tcase(suite, tcase);
	return suite;
}
