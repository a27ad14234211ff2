/*
 * Counting by type: the rows add up to the heap, bounds of the table included.
 */
#include <string.h>

#include "heap/type_table.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

#define POOL_A 0x10000000ULL

/* The rows of some heaps. */
struct rows {
	struct ch_heaps *heaps;
	const struct ch_type_stat *rows;
	size_t count;
};

static struct rows rows_of(struct ch_heaps *heaps)
{
	struct rows rows = { .heaps = heaps };

	ck_ch_ok(ch_heaps_types(heaps, &rows.rows, &rows.count));
	return rows;
}

static uint64_t key_of(const struct rows *all, size_t i)
{
	struct ch_type type;

	ck_ch_ok(ch_heaps_type(all->heaps, all->rows[i].type, &type));
	return type.key;
}

static const struct ch_type_stat *find(const struct rows *all, enum ch_type_kind kind, uint64_t key)
{
	const struct ch_type_stat *found = NULL, *rows = all->rows;
	size_t i;

	for (i = 0; i < all->count; i++) {
		if (rows[i].kind != kind || key_of(all, i) != key)
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
static uint64_t total_of(const struct rows *all)
{
	const struct ch_type_stat *rows = all->rows;
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < all->count; i++) {
		ck_assert(i == 0 || rows[i - 1].total_bytes >= rows[i].total_bytes);
		ck_assert_uint_gt(rows[i].count, 0);
		total += rows[i].total_bytes;
	}
	return total;
}

static void check_name(struct ch_heaps *heaps, uint64_t key, const char *want)
{
	struct ch_type named;

	ck_ch_ok(ch_heaps_type(heaps, chp_type_of(heaps, 0, key), &named));
	ck_assert_str_eq(named.name, want);
	ck_assert_uint_eq(named.key, key);
	ck_assert_uint_eq(named.walker, 0);
}

START_TEST(rows_are_types_then_sizes)
{
	struct toypool pool = tp_create(POOL_A, 0x8000);
	struct corewriter *w = hc_writer();
	struct rows rows;
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
	rows = rows_of(hc.heaps);
	ck_assert_uint_eq(rows.count, 9);
	check_row(find(&rows, CH_TYPE_OBJECT, 1), 2, 112 + 208, 112, 208);
	ck_assert_uint_eq(find(&rows, CH_TYPE_OBJECT, 1)->sample_addr, apple);
	check_row(find(&rows, CH_TYPE_OBJECT, 2), 1, 32, 32, 32);
	check_row(find(&rows, CH_TYPE_OBJECT, CH_TYPE_KEY_SIZE(24)), 2, 64, 32, 32);
	ck_assert_uint_eq(find(&rows, CH_TYPE_OBJECT, CH_TYPE_KEY_SIZE(24))->sample_addr, plain);
	check_row(find(&rows, CH_TYPE_OBJECT, CH_TYPE_KEY_SIZE(23)), 1, 32, 32, 32);
	check_row(find(&rows, CH_TYPE_OBJECT, CH_TYPE_KEY_SIZE(0)), 1, 8, 8, 8);
	check_row(find(&rows, CH_TYPE_FREE, CH_TYPE_KEY_SIZE(24)), 1, 32, 32, 32);
	check_row(find(&rows, CH_TYPE_FREE, 1), 1, 56, 56, 56);
	check_row(find(&rows, CH_TYPE_FREE, CH_TYPE_KEY_TOP), 1, 0x8000 - pool.bump,
		  0x8000 - pool.bump, 0x8000 - pool.bump);
	check_row(find(&rows, CH_TYPE_OVERHEAD, CH_TYPE_KEY_BOOKKEEPING), 1, 16, 16, 16);
	ck_assert_uint_eq(total_of(&rows), 0x8000);
	ck_assert_uint_eq(ch_heaps_list(hc.heaps, &count)->used_bytes, pool.used_bytes);
	check_name(hc.heaps, 1, "Apple");
	check_name(hc.heaps, 2, "Pear");
	check_name(hc.heaps, 77, "type 77");
	check_name(hc.heaps, CH_TYPE_KEY_SIZE(24), "24-byte blocks");
	check_name(hc.heaps, CH_TYPE_KEY_TOP, "top chunks");
	check_name(hc.heaps, CH_TYPE_KEY_UNWALKED, "not covered by any block");
	check_name(hc.heaps, CH_TYPE_KEY_ABSENT, "not in the core");
	hc_close(&hc);
}
END_TEST

/* Equal bytes: names in order, so that the output is the same each time. */
START_TEST(ties_are_broken_by_name)
{
	struct toypool pool = tp_create(POOL_A, 0x1000);
	struct corewriter *w = hc_writer();
	struct heapcore hc;
	struct rows rows;

	tp_add(&pool, 64, 2, false);
	tp_add(&pool, 64, 1, false);
	tp_add(&pool, 62, 0, false);
	tp_add(&pool, 60, 0, false);
	tp_write_take(&pool, w);
	hc = hc_open_take(w, toy_only);
	rows = rows_of(hc.heaps);
	ck_assert_uint_eq(rows.count, 6);
	ck_assert_uint_eq(key_of(&rows, 1), 1);
	ck_assert_uint_eq(key_of(&rows, 2), 2);
	ck_assert_uint_eq(key_of(&rows, 3), CH_TYPE_KEY_SIZE(60));
	ck_assert_uint_eq(key_of(&rows, 4), CH_TYPE_KEY_SIZE(62));
	hc_close(&hc);
}
END_TEST

START_TEST(kind_and_type_of_an_object)
{
	static const struct {
		struct ch_object object;
		enum ch_type_kind kind;
		uint64_t key;
	} rows[] = {
		{ { .size_bytes = 40 }, CH_TYPE_OBJECT, CH_TYPE_KEY_SIZE(40) },
		{ { .size_bytes = 40, .key = 9 }, CH_TYPE_OBJECT, 9 },
		{ { .size_bytes = 40, .flags = CH_OBJECT_ALLOCATOR },
		  CH_TYPE_ALLOCATOR,
		  CH_TYPE_KEY_SIZE(40) },
		{ { .size_bytes = 40, .state = CH_OBJECT_FREE },
		  CH_TYPE_FREE,
		  CH_TYPE_KEY_SIZE(40) },
		{ { .size_bytes = 40, .state = CH_OBJECT_FREE, .flags = CH_OBJECT_TOP },
		  CH_TYPE_FREE,
		  CH_TYPE_KEY_TOP },
		{ { .size_bytes = 40, .state = CH_OBJECT_OVERHEAD },
		  CH_TYPE_OVERHEAD,
		  CH_TYPE_KEY_BOOKKEEPING },
		{ { .state = CH_OBJECT_OVERHEAD, .key = 3 }, CH_TYPE_OVERHEAD, 3 },
		/* A walker may not use the engine's keys. */
		{ { .size_bytes = 40, .key = CH_TYPE_KEY_TOP },
		  CH_TYPE_OBJECT,
		  CH_TYPE_KEY_SIZE(40) },
	};

	struct ch_object object = rows[_i].object;
	struct ch_type_table table = { .count = 0 };

	ck_assert_int_eq(ch_object_kind(&object), rows[_i].kind);
	ck_ch_ok(chp_type_table_init(&table, 3));
	ck_assert(chp_type_objects(&table, 2, &object, 1));
	ck_assert_uint_eq(object.type, 1);
	ck_assert_uint_eq(chp_type_row(&table, 1)->type.key, rows[_i].key);
	ck_assert_uint_eq(chp_type_row(&table, 1)->type.walker, 2);
	ck_assert_uint_eq(chp_type_intern(&table, &(struct ch_type_source){ .walker = 2,
									    .key = rows[_i].key }),
			  1);
	chp_type_table_deinit(&table);
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
		object.key = many.typed ? i * 0x1000 : 0;
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
	struct rows rows;
	size_t i;

	rows = rows_of(hc.heaps);
	ck_assert_uint_eq(rows.count, 10000);
	ck_assert_uint_eq(total_of(&rows), many_bytes());
	for (i = 0; i < rows.count; i++) {
		check_row(&rows.rows[i], 1, 16 * (10000 - i), 16 * (10000 - i), 16 * (10000 - i));
		ck_assert_uint_eq(key_of(&rows, i), _i == 1 ? (10000 - i) * 0x1000
							    : CH_TYPE_KEY_SIZE(16 * (10000 - i)));
	}
	hc_close(&hc);
}
END_TEST

START_TEST(gaps_have_a_row)
{
	struct heapcore hc = open_many(100, false, 48);
	struct rows rows;
	const struct ch_heap *heap;
	size_t count;

	rows = rows_of(hc.heaps);
	ck_assert_uint_eq(rows.count, 101);
	/* the core has nothing of this memory */
	check_row(find(&rows, CH_TYPE_ABSENT, CH_TYPE_KEY_ABSENT), 100, 4800, 48, 48);
	ck_assert_uint_eq(find(&rows, CH_TYPE_ABSENT, CH_TYPE_KEY_ABSENT)->sample_addr,
			  POOL_A + 16);
	ck_assert_uint_eq(total_of(&rows), many_bytes());
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
	const struct ch_type_stat *other;
	struct rows rows;

	rows = rows_of(hc.heaps);
	ck_assert_uint_lt(rows.count, 1U << 19);
	ck_assert_uint_eq(total_of(&rows), many_bytes());
	other = find(&rows, CH_TYPE_OBJECT, CH_TYPE_KEY_OTHER);
	ck_assert_uint_eq(other->count + rows.count - 1, 600000);
	ck_assert_uint_eq(other->largest_bytes, 16 * 600000);
	check_name(hc.heaps, CH_TYPE_KEY_OTHER, "other sizes");
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
