/*
 * Counting by type: the rows add up to the heap, bounds of the table included.
 */
#include <string.h>

#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

#define POOL_A 0x10000000ULL

static const struct ch_type_stat *find(const struct ch_type_stat *rows, size_t count,
				       enum ch_type_kind kind, uint64_t type)
{
	const struct ch_type_stat *found = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (rows[i].kind != kind || rows[i].type != type)
			continue;
		ck_assert_ptr_null(found);
		found = &rows[i];
	}
	ck_assert_ptr_nonnull(found);
	return found;
}

static void check_row(const struct ch_type_stat *row, uint64_t count, uint64_t total,
		      uint64_t smallest, uint64_t largest)
{
	ck_assert_uint_eq(row->count, count);
	ck_assert_uint_eq(row->total_bytes, total);
	ck_assert_uint_eq(row->smallest_bytes, smallest);
	ck_assert_uint_eq(row->largest_bytes, largest);
}

/* Total of the rows, which must be in order: by bytes, largest first. */
static uint64_t total_of(const struct ch_type_stat *rows, size_t count)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		ck_assert(i == 0 || rows[i - 1].total_bytes >= rows[i].total_bytes);
		ck_assert_uint_gt(rows[i].count, 0);
		total += rows[i].total_bytes;
	}
	return total;
}

static void check_name(struct ch_heaps *heaps, uint64_t type, const char *want)
{
	struct ch_type named;

	ck_ch_ok(ch_heaps_type(heaps, 0, type, &named));
	ck_assert_str_eq(named.name, want);
}

START_TEST(rows_are_types_then_sizes)
{
	struct toypool pool = tp_create(POOL_A, 0x8000);
	struct corewriter *w = hc_writer();
	const struct ch_type_stat *rows;
	struct heapcore hc;
	uint64_t apple, plain;
	size_t count;

	apple = tp_add(&pool, 100, 1, false);
	tp_add(&pool, 200, 1, false);
	tp_add(&pool, 24, 2, false);
	plain = tp_add(&pool, 24, 0, false);
	tp_add(&pool, 24, 0, false);
	tp_add(&pool, 23, 0, false);
	tp_add(&pool, 24, 0, true);
	tp_add(&pool, 48, 1, true);
	tp_add(&pool, 0, 0, false);
	tp_write_take(&pool, w);
	hc = hc_open_take(w, toy_only);
	ck_ch_ok(ch_heaps_types(hc.heaps, &rows, &count));
	ck_assert_uint_eq(count, 9);
	check_row(find(rows, count, CH_TYPE_OBJECT, 1), 2, 112 + 208, 112, 208);
	ck_assert_uint_eq(find(rows, count, CH_TYPE_OBJECT, 1)->sample_addr, apple);
	check_row(find(rows, count, CH_TYPE_OBJECT, 2), 1, 32, 32, 32);
	check_row(find(rows, count, CH_TYPE_OBJECT, CH_TYPE_ID_SIZE(24)), 2, 64, 32, 32);
	ck_assert_uint_eq(find(rows, count, CH_TYPE_OBJECT, CH_TYPE_ID_SIZE(24))->sample_addr,
			  plain);
	check_row(find(rows, count, CH_TYPE_OBJECT, CH_TYPE_ID_SIZE(23)), 1, 32, 32, 32);
	check_row(find(rows, count, CH_TYPE_OBJECT, CH_TYPE_ID_SIZE(0)), 1, 8, 8, 8);
	check_row(find(rows, count, CH_TYPE_FREE, CH_TYPE_ID_SIZE(24)), 1, 32, 32, 32);
	check_row(find(rows, count, CH_TYPE_FREE, 1), 1, 56, 56, 56);
	check_row(find(rows, count, CH_TYPE_FREE, CH_TYPE_ID_TOP), 1, 0x8000 - pool.bump,
		  0x8000 - pool.bump, 0x8000 - pool.bump);
	check_row(find(rows, count, CH_TYPE_OVERHEAD, CH_TYPE_ID_BOOKKEEPING), 1, 16, 16, 16);
	ck_assert_uint_eq(total_of(rows, count), 0x8000);
	ck_assert_uint_eq(ch_heaps_list(hc.heaps, &count)->used_bytes, pool.used_bytes);
	check_name(hc.heaps, 1, "Apple");
	check_name(hc.heaps, 2, "Pear");
	check_name(hc.heaps, 77, "type 77");
	check_name(hc.heaps, CH_TYPE_ID_SIZE(24), "24-byte blocks");
	check_name(hc.heaps, CH_TYPE_ID_TOP, "top chunks");
	check_name(hc.heaps, CH_TYPE_ID_UNWALKED, "not covered by any block");
	check_name(hc.heaps, CH_TYPE_ID_ABSENT, "not in the core");
	hc_close(&hc);
}
END_TEST

/* Equal bytes: names in order, so that the output is the same each time. */
START_TEST(ties_are_broken_by_name)
{
	struct toypool pool = tp_create(POOL_A, 0x1000);
	struct corewriter *w = hc_writer();
	const struct ch_type_stat *rows;
	struct heapcore hc;
	size_t count;

	tp_add(&pool, 64, 2, false);
	tp_add(&pool, 64, 1, false);
	tp_add(&pool, 62, 0, false);
	tp_add(&pool, 60, 0, false);
	tp_write_take(&pool, w);
	hc = hc_open_take(w, toy_only);
	ck_ch_ok(ch_heaps_types(hc.heaps, &rows, &count));
	ck_assert_uint_eq(count, 6);
	ck_assert_uint_eq(rows[1].type, 1);
	ck_assert_uint_eq(rows[2].type, 2);
	ck_assert_uint_eq(rows[3].type, CH_TYPE_ID_SIZE(60));
	ck_assert_uint_eq(rows[4].type, CH_TYPE_ID_SIZE(62));
	hc_close(&hc);
}
END_TEST

START_TEST(kind_and_type_of_an_object)
{
	static const struct {
		struct ch_object object;
		enum ch_type_kind kind;
		uint64_t type;
	} rows[] = {
		{ { .size_bytes = 40 }, CH_TYPE_OBJECT, CH_TYPE_ID_SIZE(40) },
		{ { .size_bytes = 40, .type = 9 }, CH_TYPE_OBJECT, 9 },
		{ { .size_bytes = 40, .flags = CH_OBJECT_ALLOCATOR },
		  CH_TYPE_ALLOCATOR,
		  CH_TYPE_ID_SIZE(40) },
		{ { .size_bytes = 40, .state = CH_OBJECT_FREE },
		  CH_TYPE_FREE,
		  CH_TYPE_ID_SIZE(40) },
		{ { .size_bytes = 40, .state = CH_OBJECT_FREE, .flags = CH_OBJECT_TOP },
		  CH_TYPE_FREE,
		  CH_TYPE_ID_TOP },
		{ { .size_bytes = 40, .state = CH_OBJECT_OVERHEAD },
		  CH_TYPE_OVERHEAD,
		  CH_TYPE_ID_BOOKKEEPING },
		{ { .state = CH_OBJECT_OVERHEAD, .type = 3 }, CH_TYPE_OVERHEAD, 3 },
		/* A walker may not use the engine's ids. */
		{ { .size_bytes = 40, .type = CH_TYPE_ID_TOP },
		  CH_TYPE_OBJECT,
		  CH_TYPE_ID_SIZE(40) },
	};

	ck_assert_int_eq(ch_object_kind(&rows[_i].object), rows[_i].kind);
	ck_assert_uint_eq(ch_object_type_id(&rows[_i].object), rows[_i].type);
}
END_TEST

/* ---- A heap with as many types and sizes as one likes -------------------------- */

struct many {
	/* Objects of 16, 32, 48 ... bytes, with types or without. */
	uint64_t count;
	bool typed;
	/* Bytes left out after each object. */
	uint64_t gap_bytes;
	struct ch_span span;
};

static struct many many;

static uint64_t many_bytes(void)
{
	return 8 * many.count * (many.count + 1) + many.count * many.gap_bytes;
}

static struct ch_error *many_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	ret->score = 1;
	return NULL;
}

static struct ch_error *many_open(const struct ch_heap_env *env, void **state_ret)
{
	(void)env;
	*state_ret = &many;
	return NULL;
}

static void many_close(void *state)
{
	(void)state;
}

static const struct ch_heap_desc *many_heaps(void *state, size_t *count_ret)
{
	static const struct ch_heap_desc desc = { .name = "many" };

	(void)state;
	*count_ret = 1;
	return &desc;
}

static const struct ch_span *many_spans(void *state, size_t *count_ret)
{
	(void)state;
	*count_ret = 1;
	return &many.span;
}

static struct ch_error *many_objects(void *state, const struct ch_span *span, uint64_t from,
				     struct ch_object_sink *sink)
{
	struct ch_object_batch batch = { .sink = sink };
	uint64_t i, at = span->start;
	struct ch_object object = { 0 };
	struct ch_error *err;

	(void)state;
	(void)from;
	for (i = 1; i <= many.count; i++) {
		object.addr = at;
		object.size_bytes = object.chunk_bytes = 16 * i;
		object.type = many.typed ? i * 0x1000 : 0;
		err = ch_object_batch_put(&batch, &object);
		if (err)
			return err;
		at += 16 * i + many.gap_bytes;
	}
	return ch_object_batch_flush(&batch);
}

static const struct ch_walker many_walker = {
	.name = "many",
	.probe = many_probe,
	.open = many_open,
	.close = many_close,
	.allocator = &(const struct ch_walker_allocator){ .heaps = many_heaps,
							  .spans = many_spans,
							  .objects = many_objects },
};
static const struct ch_walker *const many_only[] = { &many_walker, NULL };

static struct heapcore open_many(uint64_t count, bool typed, uint64_t gap_bytes)
{
	struct corewriter *w = hc_writer();

	many = (struct many){ .count = count, .typed = typed, .gap_bytes = gap_bytes };
	many.span = (struct ch_span){ .start = POOL_A,
				      .end = POOL_A + many_bytes(),
				      .committed_end = POOL_A + many_bytes(),
				      .kind = "all",
				      .usage = CH_USAGE_ARENA };
	cw_load(w, POOL_A, many_bytes(), PF_R | PF_W, NULL, 0);
	return hc_open_take(w, many_only);
}

/* Sizes and ids on both sides of the bounds of the fast table. */
START_TEST(each_size_and_type_has_its_row)
{
	struct heapcore hc = open_many(10000, _i == 1, 0);
	const struct ch_type_stat *rows;
	size_t count, i;

	ck_ch_ok(ch_heaps_types(hc.heaps, &rows, &count));
	ck_assert_uint_eq(count, 10000);
	ck_assert_uint_eq(total_of(rows, count), many_bytes());
	for (i = 0; i < count; i++) {
		check_row(&rows[i], 1, 16 * (10000 - i), 16 * (10000 - i), 16 * (10000 - i));
		ck_assert_uint_eq(rows[i].type, _i == 1 ? (10000 - i) * 0x1000
							: CH_TYPE_ID_SIZE(16 * (10000 - i)));
	}
	hc_close(&hc);
}
END_TEST

START_TEST(gaps_have_a_row)
{
	struct heapcore hc = open_many(100, false, 48);
	const struct ch_type_stat *rows;
	const struct ch_heap *heap;
	size_t count;

	ck_ch_ok(ch_heaps_types(hc.heaps, &rows, &count));
	ck_assert_uint_eq(count, 101);
	/* the core has nothing of this memory */
	check_row(find(rows, count, CH_TYPE_ABSENT, CH_TYPE_ID_ABSENT), 100, 4800, 48, 48);
	ck_assert_uint_eq(find(rows, count, CH_TYPE_ABSENT, CH_TYPE_ID_ABSENT)->sample_addr,
			  POOL_A + 16);
	ck_assert_uint_eq(total_of(rows, count), many_bytes());
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->absent_bytes, 4800);
	ck_assert_uint_eq(heap->unwalked_bytes, 4800);
	ck_assert_uint_eq(heap->overhead_bytes, 4800);
	hc_close(&hc);
}
END_TEST

/* More types than the table may hold: nothing is lost, only lumped together. */
START_TEST(table_is_bounded)
{
	struct heapcore hc = open_many(600000, _i == 1, 0);
	const struct ch_type_stat *rows, *other;
	size_t count;

	ck_ch_ok(ch_heaps_types(hc.heaps, &rows, &count));
	ck_assert_uint_lt(count, 1U << 19);
	ck_assert_uint_eq(total_of(rows, count), many_bytes());
	other = find(rows, count, CH_TYPE_OBJECT, CH_TYPE_ID_OTHER);
	ck_assert_uint_eq(other->count + count - 1, 600000);
	ck_assert_uint_eq(other->largest_bytes, 16 * 600000);
	check_name(hc.heaps, CH_TYPE_ID_OTHER, "other sizes");
	hc_close(&hc);
}
END_TEST

Suite *suite_types(void);
Suite *suite_types(void)
{
	Suite *suite = suite_create("types");
	TCase *tcase = tcase_create("types");

	tcase_add_test(tcase, rows_are_types_then_sizes);
	tcase_add_test(tcase, ties_are_broken_by_name);
	tcase_add_loop_test(tcase, kind_and_type_of_an_object, 0, 8);
	tcase_add_loop_test(tcase, each_size_and_type_has_its_row, 0, 2);
	tcase_add_test(tcase, gaps_have_a_row);
	tcase_add_loop_test(tcase, table_is_bounded, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
