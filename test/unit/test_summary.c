/*
 * The account closes to the byte whatever the map and the heaps say, and the
 * verdict follows from its numbers.
 */
#include <string.h>

#include "analysis/account.h"
#include "analysis/verdict.h"
#include "support/ck.h"
#include "support/opencore.h"
#include "util/cleanup.h"

#define SPACE_END 0x100000ULL

/* A region of [start, end) in pages of 0x1000. */
#define REGION(first, last, what, kind, how, held)                                                 \
	{                                                                                          \
		.start = (first)*0x1000ULL, .end = (last)*0x1000ULL, .usage = CH_USAGE_##what,     \
		.type = CH_MEMTYPE_##kind, .state = CH_STATE_##how, .in_core_bytes = held          \
	}

static const struct ch_region sample[] = {
	REGION(0x00, 0x10, FREE, NONE, FREE, 0),
	REGION(0x10, 0x12, EXE, IMAGE, COMMIT, 0x1000),
	REGION(0x12, 0x13, BSS, IMAGE, COMMIT, 0x1000),
	REGION(0x13, 0x20, HEAP, PRIVATE, COMMIT, 0xd000),
	REGION(0x20, 0x40, FREE, NONE, FREE, 0),
	REGION(0x40, 0x44, ARENA, PRIVATE, COMMIT, 0x4000),
	REGION(0x44, 0x60, ARENA, PRIVATE, RESERVE, 0),
	REGION(0x60, 0x61, GUARD, PRIVATE, RESERVE, 0),
	REGION(0x61, 0x69, STACK, PRIVATE, COMMIT, 0x8000),
	REGION(0x69, 0x70, ANON, PRIVATE, COMMIT, 0x7000),
	REGION(0x70, 0x78, FILE, MAPPED, COMMIT, 0),
	REGION(0x78, 0x100, FREE, NONE, FREE, 0),
};

static void make(const struct ch_account_heaps *heaps, struct ch_account *ret)
{
	chp_account_make(sample, CH_COUNT_OF(sample), SPACE_END, heaps, ret);
}

static uint64_t sum(const struct ch_account *account)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		total += account->rows[i].bytes;
	return total;
}

static bool holds(const struct ch_account *account, const char *name)
{
	size_t i;

	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (strcmp(account->invariants[i].name, name) == 0)
			return account->invariants[i].ok;
	ck_abort_msg("no invariant %s", name);
	return false;
}

static bool all_hold(const struct ch_account *account)
{
	size_t i;

	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (!account->invariants[i].ok)
			return false;
	return true;
}

START_TEST(rows_by_usage)
{
	struct ch_account a;

	make(NULL, &a);
	ck_assert(all_hold(&a));
	/* pages 0x10-0x20 and 0x40-0x78 */
	ck_assert_uint_eq(a.busy_bytes, 0x48000);
	ck_assert_uint_eq(sum(&a), 0x48000);
	ck_assert_uint_eq(a.in_core_bytes, 0x22000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_UNWALKED].bytes, 0x11000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_USED].bytes, 0);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_IMAGE].bytes, 0x2000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_IMAGE].in_core_bytes, 0x1000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_BSS].bytes, 0x1000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_RESERVED].bytes, 0x1c000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_GUARDS].bytes, 0x1000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_STACKS].bytes, 0x8000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_FILES].bytes, 0x8000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_UNATTRIBUTED].bytes, 0x7000);
}
END_TEST

START_TEST(heap_is_split)
{
	const struct ch_account_heaps heaps = { .used_bytes = 0x9000,
						.mmapped_bytes = 0x1000,
						.free_bytes = 0x2000,
						.top_bytes = 0x1800,
						.overhead_bytes = 0x800,
						.committed_bytes = 0xe000,
						.sums_close = true };
	struct ch_account a;

	make(&heaps, &a);
	ck_assert(all_hold(&a));
	ck_assert_uint_eq(sum(&a), a.busy_bytes);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_USED].bytes, 0x9000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_TOP].bytes, 0x1800);
	/* 0x11000 of the map, 0xe000 of the heaps */
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_UNWALKED].bytes, 0x3000);
}
END_TEST

START_TEST(heap_larger_than_its_memory)
{
	const struct ch_account_heaps heaps = { .used_bytes = 0x20000,
						.free_bytes = 0x1000,
						.overhead_bytes = 0x1000,
						.committed_bytes = 0x22000,
						.sums_close = true };
	struct ch_account a;

	make(&heaps, &a);
	ck_assert_uint_eq(sum(&a), a.busy_bytes);
	ck_assert(holds(&a, "rows_are_the_busy_bytes"));
	ck_assert(!holds(&a, "heap_spans_are_heap_memory"));
}
END_TEST

START_TEST(sums_that_do_not_close_are_told)
{
	const struct ch_account_heaps heaps = { .sums_close = false };
	struct ch_region broken[CH_COUNT_OF(sample)];
	struct ch_account a;

	make(&heaps, &a);
	ck_assert(!holds(&a, "heap_used_free_and_overhead_are_committed"));
	memcpy(broken, sample, sizeof(broken));
	broken[3].start += 0x1000;
	chp_account_make(broken, CH_COUNT_OF(broken), SPACE_END, NULL, &a);
	ck_assert(!holds(&a, "regions_cover_the_address_space"));
	ck_assert(!holds(&a, "free_and_busy_are_the_address_space"));
	memcpy(broken, sample, sizeof(broken));
	broken[3].type = CH_MEMTYPE_NONE;
	chp_account_make(broken, CH_COUNT_OF(broken), SPACE_END, NULL, &a);
	ck_assert(!holds(&a, "usage_type_and_state_have_equal_sums"));
}
END_TEST

START_TEST(undumped_memory_is_a_row_of_its_own)
{
	struct ch_region regions[CH_COUNT_OF(sample)];
	struct ch_account a;

	memcpy(regions, sample, sizeof(regions));
	regions[9].usage = CH_USAGE_UNDUMPED;
	chp_account_make(regions, CH_COUNT_OF(regions), SPACE_END, NULL, &a);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_UNATTRIBUTED].bytes, 0);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_UNDUMPED].bytes, 0x7000);
	ck_assert(all_hold(&a));
}
END_TEST

/* Each mapped byte is touched, zeros, left out, without access, or not in the core. */
START_TEST(parts_of_what_is_mapped)
{
	struct ch_region regions[CH_COUNT_OF(sample)];
	const struct ch_account_heaps heaps = { .used_bytes = 0x9000,
						.mmapped_bytes = 0x1000,
						.free_bytes = 0x2000,
						.top_bytes = 0x1800,
						.overhead_bytes = 0x800,
						.used_touched = 0x3000,
						.mmapped_touched = 0x1000,
						.top_touched = 0x800,
						.overhead_touched = 0x800,
						.committed_bytes = 0xe000,
						.sums_close = true };
	struct ch_account a;

	memcpy(regions, sample, sizeof(regions));
	regions[1].touched_bytes = 0x1000;
	regions[3].touched_bytes = 0x5000;
	regions[5].touched_bytes = 0x2000;
	regions[8].touched_bytes = 0x3000;
	/* the ANON one: half of it zeros, half left out */
	regions[9].in_core_bytes = 0x3000;
	regions[9].flags = CH_REGION_UNDUMPED;
	chp_account_make(regions, CH_COUNT_OF(regions), SPACE_END, &heaps, &a);
	ck_assert(all_hold(&a));
	ck_assert_uint_eq(a.touched_bytes, 0xb000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_USED].touched_bytes, 0x3000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_FREE].touched_bytes, 0);
	/* 0x7000 of heap memory, 0x5000 of it in blocks */
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_UNWALKED].touched_bytes, 0x2000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_STACKS].touched_bytes, 0x3000);
	/* bss, heap, arena, stack, anon */
	ck_assert_uint_eq(a.untouched_bytes, 0x1000 + 0x8000 + 0x2000 + 0x5000 + 0x3000);
	ck_assert_uint_eq(a.undumped_bytes, 0x4000);
	ck_assert_uint_eq(a.reserved_bytes, 0x1d000);
	/* a page of the program, the file */
	ck_assert_uint_eq(a.absent_bytes, 0x9000);
	/* blocks said to be touched where nothing was: the rows do not close */
	regions[3].touched_bytes = 0;
	regions[5].touched_bytes = 0;
	chp_account_make(regions, CH_COUNT_OF(regions), SPACE_END, &heaps, &a);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_HEAP_USED].touched_bytes, 0);
	ck_assert(all_hold(&a));
}
END_TEST

#define GOOD .complete = true, .closes = true

/* A hunt that was published: committed bytes of a process, and what its GC heap and its
 * loader heaps had of them; the rest was subtracted with a calculator. */
#define HUNT_COMMIT 8910004224ULL
#define HUNT_GC     3442001168ULL
#define HUNT_LOADER 3237711872ULL
#define HUNT_REST   2230291184ULL
#define HUNT_FROM   0x7f0000000000ULL
#define HUNT_END    0x7fffffffffffULL

START_TEST(published_hunt)
{
	static const struct ch_region hunt[] = {
		{ .end = HUNT_FROM, .usage = CH_USAGE_FREE, .state = CH_STATE_FREE },
		{ .start = HUNT_FROM,
		  .end = HUNT_FROM + HUNT_GC,
		  .usage = CH_USAGE_MANAGED_HEAP,
		  .type = CH_MEMTYPE_PRIVATE,
		  .state = CH_STATE_COMMIT },
		{ .start = HUNT_FROM + HUNT_GC,
		  .end = HUNT_FROM + HUNT_GC + HUNT_LOADER,
		  .usage = CH_USAGE_MANAGED_LOADER,
		  .type = CH_MEMTYPE_PRIVATE,
		  .state = CH_STATE_COMMIT },
		{ .start = HUNT_FROM + HUNT_GC + HUNT_LOADER,
		  .end = HUNT_FROM + HUNT_COMMIT,
		  .usage = CH_USAGE_ANON,
		  .type = CH_MEMTYPE_PRIVATE,
		  .state = CH_STATE_COMMIT },
		{ .start = HUNT_FROM + HUNT_COMMIT,
		  .end = HUNT_END,
		  .usage = CH_USAGE_FREE,
		  .state = CH_STATE_FREE },
	};
	const struct ch_account_heaps heaps = { .managed_used_bytes = 3000000000ULL,
						.managed_free_bytes = 442000000ULL,
						.sums_close = true };
	struct ch_account a;
	struct ch_verdict verdict;

	chp_account_make(hunt, CH_COUNT_OF(hunt), HUNT_END, &heaps, &a);
	ck_assert(all_hold(&a));
	ck_assert_uint_eq(a.busy_bytes, HUNT_COMMIT);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_LOADER].bytes, HUNT_LOADER);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_USED].bytes +
				  a.rows[CH_ACCOUNT_MANAGED_FREE].bytes +
				  a.rows[CH_ACCOUNT_MANAGED_HEAP].bytes,
			  HUNT_GC);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_UNATTRIBUTED].bytes, HUNT_REST);
	ck_assert_uint_eq(sum(&a), HUNT_COMMIT);
	chp_verdict_make(&(struct ch_verdict_input){ .managed_bytes = HUNT_GC,
						     .loader_bytes = HUNT_LOADER,
						     .unattributed_bytes = HUNT_REST,
						     GOOD },
			 &verdict);
	ck_assert_str_eq(verdict.class, "mixed");
	ck_assert_uint_eq(verdict.total_bytes, HUNT_COMMIT);
	/* 3,442,001,168 of 8,910,004,224 */
	ck_assert_uint_eq(verdict.share, 3863);
}
END_TEST

START_TEST(live_and_garbage_are_what_was_used)
{
	struct ch_region regions[] = {
		REGION(0x00, 0x10, MANAGED_HEAP, PRIVATE, COMMIT, 0x10000),
		REGION(0x10, 0x100, FREE, NONE, FREE, 0),
	};
	const struct ch_account_heaps heaps = { .managed_used_bytes = 0xa000,
						.managed_free_bytes = 0x5000,
						.managed_used_touched = 0x8000,
						.managed_free_touched = 0x1000,
						.sums_close = true };
	struct ch_account a;

	regions[0].touched_bytes = 0xa000;
	chp_account_make(regions, CH_COUNT_OF(regions), SPACE_END, &heaps, &a);
	chp_account_split_live(&a, 0x3000, 0x2000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_LIVE].bytes, 0x7000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_LIVE].touched_bytes, 0x6000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_DEAD].touched_bytes, 0x2000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_FREE].touched_bytes, 0x1000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_HEAP].touched_bytes, 0x1000);
	ck_assert(all_hold(&a));
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_DEAD].bytes, 0x3000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_USED].bytes, 0);
	ck_assert_uint_eq(sum(&a), a.busy_bytes);
	/* more garbage than there was */
	chp_account_make(regions, CH_COUNT_OF(regions), SPACE_END, &heaps, &a);
	chp_account_split_live(&a, 0xffff0000, 0xffff0000);
	ck_assert_uint_eq(a.rows[CH_ACCOUNT_MANAGED_DEAD].bytes, 0xa000);
	ck_assert_uint_eq(sum(&a), a.busy_bytes);
}
END_TEST

START_TEST(account_names_are_given_and_unique)
{
	size_t i, k;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++) {
		ck_assert_str_ne(chp_account_name((enum ch_account_id)i), "");
		ck_assert_str_ne(chp_account_title((enum ch_account_id)i), "");
		for (k = 0; k < i; k++)
			ck_assert_str_ne(chp_account_name((enum ch_account_id)i),
					 chp_account_name((enum ch_account_id)k));
	}
}
END_TEST

static const struct {
	struct ch_verdict_input input;
	const char *class, *confidence;
	uint64_t share;
} verdict_rows[] = {
	{ { .native_used_bytes = 90, .native_free_bytes = 10, GOOD }, "native-live", "high", 9000 },
	{ { .native_used_bytes = 60, .native_free_bytes = 40, GOOD },
	  "native-live",
	  "medium",
	  6000 },
	{ { .native_used_bytes = 20, .native_free_bytes = 80, GOOD },
	  "native-retained",
	  "high",
	  8000 },
	{ { .native_used_bytes = 10, .stacks_bytes = 90, GOOD }, "stacks", "high", 9000 },
	{ { .native_used_bytes = 10, .files_bytes = 90, GOOD }, "files", "high", 9000 },
	{ { .managed_bytes = 70, .loader_bytes = 10, .native_used_bytes = 20, GOOD },
	  "managed",
	  "high",
	  7000 },
	/* what most of the managed memory is, zeros that its runtime wrote included */
	{ { .managed_bytes = 60,
	    .managed_free_bytes = 35,
	    .managed_garbage_bytes = 5,
	    .native_used_bytes = 40,
	    GOOD },
	  "managed-free",
	  "medium",
	  6000 },
	{ { .managed_bytes = 60,
	    .managed_free_bytes = 10,
	    .managed_garbage_bytes = 30,
	    .managed_filled_bytes = 15,
	    .native_used_bytes = 25,
	    GOOD },
	  "managed",
	  "high",
	  7500 },
	{ { .managed_bytes = 60,
	    .managed_free_bytes = 10,
	    .managed_garbage_bytes = 40,
	    .native_used_bytes = 40,
	    GOOD },
	  "managed-garbage",
	  "medium",
	  6000 },
	/* files that are only read weigh nothing */
	{ { .native_used_bytes = 90, .native_free_bytes = 10, .read_only_files_bytes = 1000, GOOD },
	  "native-live",
	  "high",
	  9000 },
	{ { .managed_bytes = 10, .loader_bytes = 75, .native_used_bytes = 15, GOOD },
	  "loader",
	  "high",
	  7500 },
	/* code that a runtime compiled is no object */
	{ { .managed_bytes = 20, .loader_bytes = 25, .runtime_other_bytes = 55, GOOD },
	  "loader",
	  "high",
	  8000 },
	{ { .native_used_bytes = 40, .native_free_bytes = 30, .files_bytes = 30, GOOD },
	  "mixed",
	  "medium",
	  4000 },
	{ { .native_used_bytes = 40, .unattributed_bytes = 60, GOOD },
	  "inconclusive",
	  "low",
	  6000 },
	{ { .native_used_bytes = 40, .unwalked_bytes = 60, GOOD }, "inconclusive", "low", 6000 },
	/* two unknowns together */
	{ { .native_used_bytes = 48, .unwalked_bytes = 26, .unattributed_bytes = 26, GOOD },
	  "inconclusive",
	  "low",
	  4800 },
	{ { .native_used_bytes = 85, .unattributed_bytes = 15, GOOD },
	  "native-live",
	  "medium",
	  8500 },
	{ { .native_used_bytes = 100, .complete = false, .closes = true },
	  "native-live",
	  "low",
	  10000 },
	{ { .native_used_bytes = 100, .complete = true, .closes = false },
	  "native-live",
	  "low",
	  10000 },
	{ { GOOD }, "inconclusive", "low", 0 },
};

START_TEST(verdicts)
{
	struct ch_verdict verdict;

	chp_verdict_make(&verdict_rows[_i].input, &verdict);
	ck_assert_str_eq(verdict.class, verdict_rows[_i].class);
	ck_assert_str_eq(verdict.confidence, verdict_rows[_i].confidence);
	ck_assert_uint_eq(verdict.share, verdict_rows[_i].share);
}
END_TEST

/* A stack of 64 pages, written to in three of them: however deep they lie, they count. */
START_TEST(stack_pages_touched)
{
	static uint8_t bytes[64 * 0x1000];
	struct ch_stack_use stack = { 0x100000, 0x140000, 0x13e800 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	bytes[60 * 0x1000 + 0xfff] = bytes[50 * 0x1000] = bytes[20 * 0x1000 + 7] = 1;
	cw_load(w, 0x100000, sizeof(bytes), PF_R | PF_W, bytes, sizeof(bytes));
	o = oc_must_open_take(w);
	ck_ch_ok(ch_core_look_at_pages(o.core, 1));
	ck_assert_uint_eq(chp_stack_sum_up(o.core, &stack, 1).touched_bytes, 3 * 0x1000);
	oc_close(&o);
}
END_TEST

START_TEST(stacks_in_common_count_once)
{
	/* Two alone, out of order; three threads in one mapping; two that overlap. */
	struct ch_stack_use stacks[] = {
		{ 0x500000, 0x501000, 0x500800 }, { 0x300000, 0x310000, 0x308000 },
		{ 0x300000, 0x310000, 0x30f000 }, { 0x300000, 0x310000, 0x30fff0 },
		{ 0x400000, 0x402000, 0x401000 }, { 0x401000, 0x404000, 0x403000 },
		{ 0x200000, 0x201000, 0x200c00 },
	};
	struct opened o = oc_must_open_take(cw_create(EM_X86_64));
	struct ch_stack_sums sums = chp_stack_sum_up(o.core, stacks, CH_COUNT_OF(stacks));

	ck_assert_uint_eq(sums.bytes, 0x1000 + 0x10000 + 0x4000 + 0x1000);
	ck_assert_uint_eq(sums.used_bytes, 0x800 + 0x8000 + 0x3000 + 0x400);
	ck_assert_uint_eq(chp_stack_sum_up(o.core, stacks, 0).bytes, 0);
	oc_close(&o);
}
END_TEST

Suite *suite_summary(void)
{
	Suite *s = suite_create("summary");
	TCase *tc = tcase_create("account");

	tcase_add_test(tc, rows_by_usage);
	tcase_add_test(tc, heap_is_split);
	tcase_add_test(tc, heap_larger_than_its_memory);
	tcase_add_test(tc, sums_that_do_not_close_are_told);
	tcase_add_test(tc, undumped_memory_is_a_row_of_its_own);
	tcase_add_test(tc, parts_of_what_is_mapped);
	tcase_add_test(tc, published_hunt);
	tcase_add_test(tc, live_and_garbage_are_what_was_used);
	tcase_add_test(tc, account_names_are_given_and_unique);
	suite_add_tcase(s, tc);
	tc = tcase_create("verdict");
	tcase_add_loop_test(tc, verdicts, 0, (int)CH_COUNT_OF(verdict_rows));
	tcase_add_test(tc, stack_pages_touched);
	tcase_add_test(tc, stacks_in_common_count_once);
	suite_add_tcase(s, tc);
	return s;
}
