/*
 * free: where free memory is and what can be given back, counted by hand; and
 * the verdict that follows from it.
 */
#include "analysis/retention.h"
#include "heap/heap_priv.h"
#include "support/ck.h"

#define PAGE 4096ULL
#define BASE 0x10000000ULL

/* As glibc has it: 48 bytes of a chunk stay, and 33 of top. */
static const struct ch_trim_rule rule = {
	.name = "trim", .lead_bytes = 48, .top_keep_bytes = 33, .source = "test"
};

struct block {
	uint64_t offset, bytes;
	uint16_t flags;
};

/* Free blocks of a span at BASE, up to one of no bytes. */
static struct ch_heap_free sum_up(const struct block *blocks, uint64_t top_unit)
{
	struct ch_heap_free sums = { .can_trim = true };
	struct ch_free_run run = {
		.sums = &sums, .trim = &rule, .page_bytes = PAGE, .top_unit_bytes = top_unit
	};
	struct ch_object object;

	for (; blocks->bytes; blocks++) {
		object = (struct ch_object){ .addr = BASE + blocks->offset + 16,
					     .size_bytes = blocks->bytes - 16,
					     .chunk_bytes = blocks->bytes,
					     .state = CH_OBJECT_FREE,
					     .header_bytes = 16,
					     .flags = blocks->flags };
		chp_free_add(&run, &object);
	}
	chp_free_end(&run);
	return sums;
}

/* One chunk: whole pages behind its first 48 bytes. */
static const struct whole_page {
	uint64_t offset, bytes, pages, trapped;
} whole_pages[] = {
	{ 0, 2 * PAGE, 1, 0 },
	/* ends one header before the page does */
	{ 0, 2 * PAGE - 16, 0, 2 * PAGE - 16 },
	/* 48 bytes before a page: the page is whole */
	{ PAGE - 48, PAGE + 48, 1, 0 },
	/* 32 bytes before a page: its links would lie in it */
	{ PAGE - 32, PAGE + 32, 0, PAGE + 32 },
	{ PAGE - 32, 2 * PAGE + 32, 1, 0 },
	{ 16, PAGE, 0, PAGE },
	{ 64, 32, 0, 32 },
	{ 16, 100 * PAGE, 99, 0 },
};

START_TEST(whole_pages_can_go)
{
	const struct whole_page *row = &whole_pages[_i];
	const struct block blocks[] = { { row->offset, row->bytes, 0 }, { 0 } };
	struct ch_heap_free sums = sum_up(blocks, PAGE);

	ck_assert_uint_eq(sums.trim_pages_bytes, row->pages * PAGE);
	ck_assert_uint_eq(sums.trapped_bytes, row->trapped);
	ck_assert_uint_eq(sums.trim_top_bytes, 0);
	ck_assert_uint_eq(sums.bins.bytes, row->bytes);
	ck_assert_uint_eq(sums.largest_bytes, row->bytes);
	ck_assert_uint_eq(sums.largest_addr, BASE + row->offset + 16);
}
END_TEST

/* Fast chunks and their free neighbours are one chunk to the allocator. */
START_TEST(neighbours_are_one)
{
	static const struct block blocks[] = {
		{ 16, 2000, 0 },
		{ 2016, 64, CH_OBJECT_FASTBIN },
		{ 2080, 2 * PAGE - 2080, 0 },
		/* a thread's cache parts what is beside it */
		{ 4 * PAGE, 2048, 0 },
		{ 4 * PAGE + 2048, 64, CH_OBJECT_CACHED },
		{ 4 * PAGE + 2112, 2 * PAGE - 2112, 0 },
		{ 0 },
	};
	struct ch_heap_free sums = sum_up(blocks, PAGE);

	/* [16, 8192) has one page, [18496, 24576) from 20480 on another */
	ck_assert_uint_eq(sums.trim_pages_bytes, 2 * PAGE);
	ck_assert_uint_eq(sums.trapped_bytes, 2048);
	ck_assert_uint_eq(sums.fast.bytes, 64);
	ck_assert_uint_eq(sums.cached.bytes, 64);
	ck_assert_uint_eq(sums.bins.count, 4);
	ck_assert_uint_eq(sums.largest_bytes, 2 * PAGE - 2080);
}
END_TEST

static const struct top_row {
	uint64_t top_bytes, unit, returned;
} top_rows[] = {
	{ 33, PAGE, 0 },
	{ PAGE + 32, PAGE, 0 },
	{ PAGE + 33, PAGE, PAGE },
	{ 20 * PAGE, PAGE, 19 * PAGE },
	{ 20 * PAGE, 0, 0 },
	{ (2 << 20) + 32, 2 << 20, 0 },
	{ (5 << 20), 2 << 20, 4 << 20 },
};

START_TEST(top_shrinks)
{
	const struct top_row *row = &top_rows[_i];
	const struct block alone[] = { { 0, row->top_bytes, CH_OBJECT_TOP }, { 0 } };
	/* 64 bytes of a fast bin before it become part of it */
	const struct block joined[] = { { 0, 64, CH_OBJECT_FASTBIN },
					{ 64, row->top_bytes - 64, CH_OBJECT_TOP },
					{ 0 } };
	struct ch_heap_free sums = sum_up(alone, row->unit);

	ck_assert_uint_eq(sums.trim_top_bytes, row->returned);
	ck_assert_uint_eq(sums.top.bytes, row->top_bytes);
	ck_assert_uint_eq(sums.largest_bytes, 0);
	if (row->top_bytes <= 64)
		return;
	sums = sum_up(joined, row->unit);
	ck_assert_uint_eq(sums.trim_top_bytes, row->returned);
	ck_assert_uint_eq(sums.trim_pages_bytes + sums.trapped_bytes, 0);
}
END_TEST

START_TEST(sizes_have_classes)
{
	static const struct block blocks[] = {
		{ 0, 32, 0 },
		{ 64, 48, CH_OBJECT_CACHED },
		{ 128, 63, 0 },
		{ 256, 64, 0 },
		{ 1024, 1ULL << 40, 0 },
		{ (1ULL << 40) + 4096, 4096, CH_OBJECT_TOP },
		{ 0 },
	};
	struct ch_heap_free sums = sum_up(blocks, 0);
	uint64_t count = 0;
	size_t i;

	ck_assert_uint_eq(sums.classes[5].count, 3);
	ck_assert_uint_eq(sums.classes[5].bytes, 32 + 48 + 63);
	ck_assert_uint_eq(sums.classes[6].count, 1);
	ck_assert_uint_eq(sums.classes[40].bytes, 1ULL << 40);
	for (i = 0; i < CH_SIZE_CLASSES; i++)
		count += sums.classes[i].count;
	ck_assert_uint_eq(count, 5);
}
END_TEST

/* An allocator without such a call: nothing is said about it. */
START_TEST(no_rule_no_trim)
{
	struct ch_heap_free sums = { 0 };
	struct ch_free_run run = { .sums = &sums, .page_bytes = PAGE, .top_unit_bytes = PAGE };
	struct ch_object object = { .addr = BASE + 16,
				    .chunk_bytes = 10 * PAGE,
				    .state = CH_OBJECT_FREE,
				    .header_bytes = 16 };

	chp_free_add(&run, &object);
	object.addr += 10 * PAGE;
	object.flags = CH_OBJECT_TOP;
	chp_free_add(&run, &object);
	chp_free_end(&run);
	ck_assert_uint_eq(sums.trim_pages_bytes + sums.trim_top_bytes + sums.trapped_bytes, 0);
	ck_assert_uint_eq(sums.bins.bytes, 10 * PAGE);
	ck_assert_uint_eq(sums.top.bytes, 10 * PAGE);
}
END_TEST

Suite *suite_free(void)
{
	Suite *suite = suite_create("free");
	TCase *tcase = tcase_create("free");

	tcase_add_loop_test(tcase, whole_pages_can_go, 0,
			    sizeof(whole_pages) / sizeof(whole_pages[0]));
	tcase_add_test(tcase, neighbours_are_one);
	tcase_add_loop_test(tcase, top_shrinks, 0, sizeof(top_rows) / sizeof(top_rows[0]));
	tcase_add_test(tcase, sizes_have_classes);
	tcase_add_test(tcase, no_rule_no_trim);
	suite_add_tcase(suite, tcase);
	return suite;
}
