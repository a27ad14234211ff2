/*
 * Spans that better walkers cut into pieces: how many does not matter, nothing is left out,
 * and the walker whose span is cut is asked once. The walkers of this file number their blocks
 * by address, and count what they are asked for.
 */
#include <string.h>

#include "support/ck.h"
#include "support/heapcore.h"

#define BASE 0x10000000ULL

/* Blocks of the general allocator, and how many of them lie between two holes. */
#define BLOCK_BYTES 0x20
#define HOLE_EACH   8
#define HOLES_MAX   40000
#define SPAN_BYTES  ((uint64_t)HOLES_MAX * HOLE_EACH * BLOCK_BYTES)

/* What both walkers of a test say and have been asked for. */
static struct riddled {
	uint32_t holes;
	/* Blocks that the general walker made up, and the better one. */
	uint64_t made, inner_made;
	uint32_t walks;
	/* It gives up after so many blocks; 0: never. */
	uint64_t give_up;
	struct ch_span whole[1], inner[HOLES_MAX];
} riddled;

static struct ch_error *probe_riddled(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	ret->score = 100;
	return NULL;
}

static struct ch_error *open_riddled(const struct ch_heap_env *env, void **state_ret)
{
	(void)env;
	*state_ret = &riddled;
	return NULL;
}

static void close_riddled(void *state)
{
	(void)state;
}

static const struct ch_heap_desc *heaps_riddled(void *state, size_t *count_ret)
{
	static const struct ch_heap_desc desc = { .name = "riddled" };

	(void)state;
	*count_ret = 1;
	return &desc;
}

static const struct ch_span *whole_spans(void *state, size_t *count_ret)
{
	struct riddled *r = state;

	r->whole[0] = (struct ch_span){ .start = BASE,
					.end = BASE + SPAN_BYTES,
					.committed_end = BASE + SPAN_BYTES,
					.usage = CH_USAGE_ARENA };
	*count_ret = 1;
	return r->whole;
}

static const struct ch_span *inner_spans(void *state, size_t *count_ret)
{
	struct riddled *r = state;
	uint64_t at;
	uint32_t i;

	for (i = 0; i < r->holes; i++) {
		at = BASE + (uint64_t)i * HOLE_EACH * BLOCK_BYTES + 2 * BLOCK_BYTES;
		r->inner[i] = (struct ch_span){ .start = at,
						.end = at + BLOCK_BYTES,
						.committed_end = at + BLOCK_BYTES,
						.usage = CH_USAGE_ARENA };
	}
	*count_ret = r->holes;
	return r->inner;
}

/* Blocks of bytes each from at to end; *made counts them. */
static struct ch_error *make_blocks(uint64_t at, uint64_t end, uint64_t bytes, uint64_t *made,
				    struct ch_object_sink *sink)
{
	struct ch_object_batch batch = { .sink = sink };
	struct ch_error *err = NULL;
	struct ch_object object;

	for (; !err && at < end; at += bytes) {
		object =
			(struct ch_object){ .addr = at, .size_bytes = bytes, .chunk_bytes = bytes };
		++*made;
		err = ch_object_batch_put(&batch, &object);
	}
	return err ? err : ch_object_batch_flush(&batch);
}

static struct ch_error *whole_objects(void *state, const struct ch_span *span, uint64_t from,
				      struct ch_object_sink *sink)
{
	struct riddled *r = state;
	uint64_t end = r->give_up ? span->start + r->give_up * BLOCK_BYTES : span->end;

	r->walks++;
	return make_blocks(from, end, BLOCK_BYTES, &r->made, sink);
}

static struct ch_error *inner_objects(void *state, const struct ch_span *span, uint64_t from,
				      struct ch_object_sink *sink)
{
	struct riddled *r = state;

	return make_blocks(from, span->end, BLOCK_BYTES / 4, &r->inner_made, sink);
}

static const struct ch_walker general = {
	.name = "general",
	.priority = CH_WALKER_GENERIC,
	.probe = probe_riddled,
	.open = open_riddled,
	.close = close_riddled,
	.allocator = &(const struct ch_walker_allocator){ .heaps = heaps_riddled,
							  .spans = whole_spans,
							  .objects = whole_objects },
};
static const struct ch_walker better = {
	.name = "better",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe_riddled,
	.open = open_riddled,
	.close = close_riddled,
	.allocator = &(const struct ch_walker_allocator){ .heaps = heaps_riddled,
							  .spans = inner_spans,
							  .objects = inner_objects },
};
static const struct ch_walker *const both[] = { &general, &better, NULL };

static struct heapcore open_riddled_core(uint32_t holes)
{
	struct corewriter *w = hc_writer();

	memset(&riddled, 0, sizeof(riddled));
	riddled.holes = holes;
	cw_load(w, BASE, SPAN_BYTES, PF_R | PF_W, NULL, 0);
	return hc_open_take(w, both);
}

static struct ch_error *see_ascending(void *arg, const struct ch_object *objects, size_t n)
{
	uint64_t *at = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(objects[i].addr, *at);
		*at = objects[i].addr + objects[i].chunk_bytes;
	}
	return NULL;
}

static size_t count_findings(const struct opened *o, const char *code)
{
	size_t count, n = 0, i;
	const struct ch_finding *findings = ch_context_findings(o->ctx, &count);

	for (i = 0; i < count; i++)
		n += strcmp(findings[i].code, code) == 0;
	return n;
}

static void check_sums(const struct heapcore *hc, uint32_t holes)
{
	const struct ch_heap *heaps;
	uint64_t inner_bytes = (uint64_t)holes * BLOCK_BYTES;
	size_t count;

	heaps = ch_heaps_list(hc->heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(heaps[0].runtime, "better");
	ck_assert_uint_eq(heaps[0].used_bytes, inner_bytes);
	ck_assert_uint_eq(heaps[0].used_count, 4ULL * holes);
	ck_assert_uint_eq(heaps[0].committed_bytes, inner_bytes);
	ck_assert_uint_eq(heaps[1].used_bytes, SPAN_BYTES - inner_bytes);
	ck_assert_uint_eq(heaps[1].used_count, (SPAN_BYTES - inner_bytes) / BLOCK_BYTES);
	ck_assert_uint_eq(heaps[1].committed_bytes, SPAN_BYTES - inner_bytes);
	ck_assert_uint_eq(heaps[1].unwalked_bytes, 0);
}

/* All of the span is walked, by one walk, however many holes there are. */
START_TEST(no_number_of_pieces_is_too_many)
{
	static const uint32_t rows[] = { 1, 64, 65, 1000, HOLES_MAX };
	struct heapcore hc = open_riddled_core(rows[_i]);
	const struct ch_finding *finding;
	uint64_t at = BASE;

	ck_ch_ok(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see_ascending, &at));
	ck_assert_uint_eq(at, BASE + SPAN_BYTES);
	check_sums(&hc, rows[_i]);
	ck_assert_uint_eq(riddled.walks, 1);
	ck_assert_uint_eq(riddled.made, SPAN_BYTES / BLOCK_BYTES);
	/* And said in one line. */
	finding = oc_finding(&hc.o, "span-overlap");
	ck_assert_ptr_nonnull(finding);
	ck_assert_uint_eq(count_findings(&hc.o, "span-overlap"), 1);
	if (_i)
		ck_assert_msg(strstr(finding->message, " ranges of ") != NULL, "%s",
			      finding->message);
	ck_assert(ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

/* A look-up begins at a checkpoint, in whatever piece it is; so does a range. */
START_TEST(look_ups_in_pieces_do_not_walk_the_span)
{
	struct heapcore hc = open_riddled_core(HOLES_MAX);
	struct ch_object found;
	uint64_t addr, at;
	uint32_t i, asked = 0;

	if (_i)
		ck_ch_ok(ch_heaps_measure(hc.heaps));
	for (i = 0; i < HOLES_MAX; i += 97, asked++) {
		addr = BASE + (uint64_t)i * HOLE_EACH * BLOCK_BYTES;
		ck_assert(ch_heaps_object_at(hc.heaps, addr + BLOCK_BYTES + 5, &found));
		ck_assert_uint_eq(found.addr, addr + BLOCK_BYTES);
		ck_assert(ch_heaps_object_at(hc.heaps, addr + 2 * BLOCK_BYTES + 5, &found));
		ck_assert_uint_eq(found.chunk_bytes, BLOCK_BYTES / 4);
		at = addr;
		ck_ch_ok(ch_heaps_walk(hc.heaps, addr, addr + 4 * BLOCK_BYTES, see_ascending, &at));
		ck_assert_uint_eq(at, addr + 4 * BLOCK_BYTES);
	}
	ck_assert_uint_lt(riddled.made, SPAN_BYTES / BLOCK_BYTES + 3ULL * asked * 2048);
	hc_close(&hc);
}
END_TEST

/* Who gives up in the middle leaves the other pieces unwalked, and what lies between them as
 * it is. */
START_TEST(a_walk_that_ends_early_leaves_what_lies_between)
{
	struct heapcore hc = open_riddled_core(1000);
	const struct ch_heap *heaps;
	size_t count;

	riddled.give_up = 500 * HOLE_EACH;
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heaps[0].used_count, 4000);
	ck_assert_uint_eq(heaps[1].used_count, 500 * (HOLE_EACH - 1));
	ck_assert_uint_eq(heaps[1].used_bytes + heaps[1].unwalked_bytes, heaps[1].committed_bytes);
	hc_close(&hc);
}
END_TEST

Suite *suite_pieces(void);
Suite *suite_pieces(void)
{
	Suite *suite = suite_create("pieces");
	TCase *tcase = tcase_create("pieces");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, no_number_of_pieces_is_too_many, 0, 5);
	tcase_add_loop_test(tcase, look_ups_in_pieces_do_not_walk_the_span, 0, 2);
	tcase_add_test(tcase, a_walk_that_ends_early_leaves_what_lies_between);
	suite_add_tcase(suite, tcase);
	return suite;
}
