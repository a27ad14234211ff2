/*
 * The heap engine: what it makes of a well-behaved walker (the toy), and how
 * it contains one that lies. Expected sums are kept by the test while it
 * builds the core, or written down.
 */
#include <string.h>

#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

#define POOL_A 0x10000000ULL
#define POOL_B 0x20000000ULL

/* What a walk hands out, written down. */
struct seen {
	struct ch_object objects[8192];
	size_t count, batches;
	/* Return this after the first batch. */
	struct ch_error *result;
};

static struct ch_error *see(void *arg, const struct ch_object *objects, size_t n)
{
	struct seen *seen = arg;

	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(seen->count + n, 8192);
	memcpy(&seen->objects[seen->count], objects, n * sizeof(*objects));
	seen->count += n;
	seen->batches++;
	return seen->result;
}

static struct seen *walk(struct ch_heaps *heaps, uint64_t start, uint64_t end)
{
	static struct seen seen;

	memset(&seen, 0, sizeof(seen));
	ck_ch_ok(ch_heaps_walk(heaps, start, end, see, &seen));
	return &seen;
}

/* Chunks ascend, do not overlap and lie in the span they name. */
static void check_order(struct ch_heaps *heaps, const struct seen *seen)
{
	size_t spans_count, i;
	const struct ch_span *spans = ch_heaps_spans(heaps, &spans_count);
	uint64_t at = 0, start;

	for (i = 0; i < seen->count; i++) {
		const struct ch_object *o = &seen->objects[i];

		start = o->addr - o->header_bytes;
		ck_assert_uint_ge(start, at);
		ck_assert_uint_lt(o->span, spans_count);
		ck_assert_uint_ge(start, spans[o->span].start);
		at = start + o->chunk_bytes;
		ck_assert_uint_le(at, spans[o->span].committed_end);
	}
}

static void check_closes(const struct ch_heap *heap)
{
	ck_assert_uint_eq(heap->used_bytes + heap->free_bytes + heap->overhead_bytes,
			  heap->committed_bytes);
}

/* ---- The toy walker -------------------------------------------------------- */

START_TEST(toy_heap_adds_up)
{
	struct toypool a = tp_create(POOL_A, 0x4000), b = tp_create(POOL_B, 0x1000);
	struct corewriter *w = hc_writer();
	const struct ch_runtime *runtimes;
	const struct ch_span_sums *sums;
	const struct ch_heap *heap;
	const struct ch_fact *fact;
	const struct ch_span *spans;
	struct heapcore hc;
	size_t count;
	uint32_t i;

	for (i = 0; i < 200; i++)
		tp_add(&a, 1 + i % 40, (uint16_t)(i % 3), i % 7 == 0);
	tp_add(&b, 100, 1, false);
	tp_write_take(&a, w);
	tp_write_take(&b, w);
	hc = hc_open_take(w, toy_only);
	runtimes = ch_heaps_runtimes(hc.heaps, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(runtimes[0].name, "toy");
	ck_assert_str_eq(runtimes[0].evidence, "pool magic at 0x10000000");
	ck_assert_uint_eq(runtimes[0].score, 100);
	ck_assert(runtimes[0].open);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(heap->name, "toy pools");
	ck_assert_str_eq(heap->runtime, "toy");
	ck_assert_uint_eq(heap->reserved_bytes, 0x5000);
	ck_assert_uint_eq(heap->committed_bytes, 0x5000);
	ck_assert_uint_eq(heap->used_bytes, a.used_bytes + b.used_bytes);
	ck_assert_uint_eq(heap->used_count, a.used_count + b.used_count);
	/* The rest of each pool is one free block more. */
	ck_assert_uint_eq(heap->free_count, a.free_count + b.free_count + 2);
	ck_assert_uint_eq(heap->free_bytes,
			  a.free_bytes + b.free_bytes + 0x4000 - a.bump + 0x1000 - b.bump);
	ck_assert_uint_eq(heap->overhead_bytes, 2 * TOY_HEADER_BYTES);
	ck_assert_uint_eq(heap->unwalked_bytes, 0);
	ck_assert_uint_eq(heap->allocator_count, 0);
	check_closes(heap);
	spans = ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(spans[1].start, POOL_B);
	sums = ch_heaps_span_sums(hc.heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(sums[0].used_bytes, a.used_bytes);
	ck_assert_uint_eq(sums[1].used_bytes, b.used_bytes);
	ck_assert_uint_eq(sums[1].free_bytes, 0x1000 - b.bump);
	fact = ch_heaps_facts(hc.heaps, 0, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(fact->key, "pools_count");
	ck_assert_uint_eq(fact->number, 2);
	ck_assert(ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

/* Sums must not grow with each walk. */
START_TEST(walking_twice_changes_nothing)
{
	struct toypool a = tp_create(POOL_A, 0x1000);
	struct corewriter *w = hc_writer();
	const struct ch_type_stat *types;
	struct ch_heap before;
	struct heapcore hc;
	size_t count;

	tp_add(&a, 24, 0, false);
	tp_write_take(&a, w);
	hc = hc_open_take(w, toy_only);
	ck_assert_uint_eq(walk(hc.heaps, 0, UINT64_MAX)->count, 3);
	before = *ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(before.used_bytes, 32);
	ck_ch_ok(ch_heaps_types(hc.heaps, &types, &count));
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert_uint_eq(walk(hc.heaps, 0, UINT64_MAX)->count, 3);
	ck_assert_int_eq(memcmp(&before, ch_heaps_list(hc.heaps, &count), sizeof(before)), 0);
	hc_close(&hc);
}
END_TEST

START_TEST(ranges_give_the_chunks_that_meet_them)
{
	struct toypool a = tp_create(POOL_A, 0x1000), b = tp_create(POOL_B, 0x1000);
	struct corewriter *w = hc_writer();
	uint64_t addrs[4];
	struct heapcore hc;
	struct seen *seen;
	size_t i;

	for (i = 0; i < 3; i++)
		addrs[i] = tp_add(&a, 32, 0, false);
	addrs[3] = tp_add(&b, 32, 0, false);
	tp_write_take(&a, w);
	tp_write_take(&b, w);
	hc = hc_open_take(w, toy_only);
	/* Twice: before and after the checkpoints of a full walk exist. */
	for (i = 0; i < 2; i++) {
		/* One byte inside the second block. */
		seen = walk(hc.heaps, addrs[1] + 5, addrs[1] + 6);
		ck_assert_uint_eq(seen->count, 1);
		ck_assert_uint_eq(seen->objects[0].addr, addrs[1]);
		/* From its last byte into the third one's header. */
		seen = walk(hc.heaps, addrs[1] + 31, addrs[2] - 7);
		ck_assert_uint_eq(seen->count, 2);
		ck_assert_uint_eq(seen->objects[1].addr, addrs[2]);
		/* Over the end of one pool and the start of the next. */
		seen = walk(hc.heaps, addrs[2], POOL_B + TOY_HEADER_BYTES + 1);
		ck_assert_uint_eq(seen->count, 4);
		ck_assert_uint_eq(seen->objects[0].addr, addrs[2]);
		ck_assert_uint_eq(seen->objects[3].addr, addrs[3]);
		ck_assert_uint_eq(walk(hc.heaps, POOL_A + 0x1000, POOL_B)->count, 0);
		ck_assert_uint_eq(walk(hc.heaps, 0, 1)->count, 0);
		ck_ch_ok(ch_heaps_measure(hc.heaps));
	}
	hc_close(&hc);
}
END_TEST

/* Every address of a pool large enough for several checkpoints. */
START_TEST(look_up_finds_the_chunk_of_any_address)
{
	struct toypool a = tp_create(POOL_A, 0x10000);
	struct corewriter *w = hc_writer();
	static uint64_t starts[4096];
	struct ch_object object;
	struct heapcore hc;
	uint64_t addr;
	size_t count = 0, i = 0;

	for (; a.bump + 48 < 0xff00; count++)
		starts[count] = tp_add(&a, (uint32_t)(count % 37), 0, false) - TOY_BLOCK_HEADER;
	ck_assert_uint_gt(count, 1500);
	starts[count] = POOL_A + a.bump;
	tp_write_take(&a, w);
	hc = hc_open_take(w, toy_only);
	if (_i)
		ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert(ch_heaps_object_at(hc.heaps, POOL_A + 3, &object));
	ck_assert_int_eq(object.state, CH_OBJECT_OVERHEAD);
	for (addr = starts[0]; addr < POOL_A + 0x10000; addr += 3) {
		while (i < count && addr >= starts[i + 1])
			i++;
		ck_assert(ch_heaps_object_at(hc.heaps, addr, &object));
		ck_assert_uint_eq(object.addr - object.header_bytes, starts[i]);
		ck_assert_int_eq(object.state == CH_OBJECT_FREE, i == count);
	}
	ck_assert(!ch_heaps_object_at(hc.heaps, POOL_A - 1, &object));
	ck_assert(!ch_heaps_object_at(hc.heaps, POOL_A + 0x10000, &object));
	ck_assert(!ch_heaps_object_at(hc.heaps, 0, &object));
	ck_assert(!ch_heaps_object_at(hc.heaps, UINT64_MAX, &object));
	hc_close(&hc);
}
END_TEST

START_TEST(damage_leaves_the_rest_unwalked)
{
	struct toypool a = tp_create(POOL_A, 0x1000);
	struct corewriter *w = hc_writer();
	const struct ch_heap *heap;
	struct heapcore hc;
	uint64_t addr;
	size_t count;

	tp_add(&a, 24, 0, false);
	addr = tp_add(&a, 24, 0, false);
	memset(a.bytes + (addr - POOL_A) - TOY_BLOCK_HEADER, 0xff, 4);
	tp_write_take(&a, w);
	hc = hc_open_take(w, toy_only);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->used_bytes, 32);
	ck_assert_uint_eq(heap->unwalked_bytes, 0x1000 - TOY_HEADER_BYTES - 32);
	ck_assert_uint_eq(heap->overhead_bytes, 0x1000 - 32);
	check_closes(heap);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "toy-damaged"));
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "heap-unwalked"));
	ck_assert(!ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

START_TEST(foreign_core_scores_nothing)
{
	struct corewriter *w = hc_writer();
	const struct ch_runtime *runtimes;
	struct heapcore hc;
	size_t count;

	cw_load(w, POOL_A, 0x1000, PF_R | PF_W, "TOYPOOL?", 8);
	hc = hc_open_take(w, toy_only);
	runtimes = ch_heaps_runtimes(hc.heaps, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(runtimes[0].score, 0);
	ck_assert(!runtimes[0].open);
	ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(walk(hc.heaps, 0, UINT64_MAX)->count, 0);
	hc_close(&hc);
}
END_TEST

/* ---- A walker that says what the test tells it ------------------------------ */

struct script {
	struct ch_span spans[4];
	size_t spans_count;
	const struct ch_object *objects;
	size_t objects_count;
	/* Emit the objects again and again; in batches of this size. */
	bool endless;
	size_t batch;
	struct ch_error *open_error, *walk_error;
	int opens, closes;
	/* What the other walkers had when this one was opened. */
	struct ch_taken taken[4];
	size_t taken_count;
};

static struct script script;

static struct ch_error *say_present(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	ret->score = 1;
	memset(ret->evidence, 'e', sizeof(ret->evidence));
	return NULL;
}

static struct ch_error *say_open(const struct ch_heap_env *env, void **state_ret)
{
	size_t i;

	if (script.open_error)
		return script.open_error;
	script.opens++;
	ck_assert_uint_le(env->taken_count, 4);
	script.taken_count = env->taken_count;
	for (i = 0; i < env->taken_count; i++)
		script.taken[i] = env->taken[i];
	*state_ret = &script;
	return NULL;
}

static void say_close(void *state)
{
	ck_assert_ptr_eq(state, &script);
	script.closes++;
}

static const struct ch_heap_desc *say_heaps(void *state, size_t *count_ret)
{
	static const struct ch_heap_desc desc = { .name = "scripted" };

	(void)state;
	*count_ret = 1;
	return &desc;
}

static const struct ch_span *say_spans(void *state, size_t *count_ret)
{
	(void)state;
	*count_ret = script.spans_count;
	return script.spans;
}

static struct ch_error *say_objects(void *state, const struct ch_span *span, uint64_t from,
				    struct ch_object_sink *sink)
{
	size_t batch = script.batch ? script.batch : 3, at, n;
	struct ch_object copy[CH_BATCH_MAX];
	struct ch_error *err;

	(void)state;
	(void)span;
	(void)from;
	do {
		for (at = 0; at < script.objects_count || !script.objects_count; at += n) {
			n = script.objects_count - at;
			n = n > batch ? batch : n;
			memcpy(copy, script.objects + at, n * sizeof(*copy));
			err = sink->emit(sink, copy, n);
			if (err)
				return err;
			if (!n)
				break;
		}
	} while (script.endless);
	return script.walk_error;
}

static const struct ch_walker scripted = {
	.name = "scripted",
	.priority = CH_WALKER_GENERIC,
	.probe = say_present,
	.open = say_open,
	.close = say_close,
	.allocator = &(const struct ch_walker_allocator){ .heaps = say_heaps,
							  .spans = say_spans,
							  .objects = say_objects },
};
/* A runtime that has no heap, only memory of its own. */
static const struct ch_span *say_no_spans(void *state, size_t *count_ret)
{
	(void)state;
	*count_ret = 0;
	return NULL;
}

static const struct ch_walker_claim *say_claims(void *state, size_t *count_ret)
{
	static const struct ch_walker_claim claims[] = {
		{ POOL_A + 0x3000, POOL_A + 0x4000, CH_USAGE_MANAGED_LOADER, CH_BASIS_HEURISTIC,
		  "guess" },
		{ POOL_A + 0x1000, POOL_A + 0x2000, CH_USAGE_MANAGED_LOADER, CH_BASIS_DERIVED,
		  "known" },
		{ POOL_A + 0x5000, POOL_A + 0x5000, CH_USAGE_MANAGED_LOADER, CH_BASIS_DERIVED,
		  "empty" },
	};

	(void)state;
	*count_ret = 3;
	return claims;
}

static const struct ch_walker claiming = {
	.name = "claiming",
	.priority = CH_WALKER_SPECIFIC,
	.probe = say_present,
	.open = say_open,
	.close = say_close,
	.allocator = &(const struct ch_walker_allocator){ .heaps = say_heaps,
							  .spans = say_no_spans,
							  .objects = say_objects },
	.runtime = &(const struct ch_walker_runtime){ .claims = say_claims },
};
static const struct ch_walker *const scripted_and_claiming[] = { &scripted, &claiming, NULL };
static const struct ch_walker *const toy_and_claiming[] = { &ch_walker_toy, &claiming, NULL };
static const struct ch_walker *const scripted_only[] = { &scripted, NULL };
static const struct ch_walker *const scripted_and_toy[] = { &scripted, &ch_walker_toy, NULL };

static struct ch_span span_of(uint64_t start, uint64_t end)
{
	return (struct ch_span){ .start = start,
				 .end = end,
				 .committed_end = end,
				 .kind = "range",
				 .usage = CH_USAGE_ARENA,
				 .basis = CH_BASIS_DERIVED };
}

static struct ch_object block(uint64_t start, uint64_t bytes)
{
	return (struct ch_object){ .addr = start + 16,
				   .header_bytes = 16,
				   .size_bytes = bytes - 8,
				   .chunk_bytes = bytes };
}

/* One mapping [POOL_A, POOL_A + 0x10000), one span over it, these objects. */
static struct heapcore open_script(const struct ch_object *objects, size_t count)
{
	struct corewriter *w = hc_writer();

	cw_load(w, POOL_A, 0x10000, PF_R | PF_W, NULL, 0);
	script.spans[0] = span_of(POOL_A, POOL_A + 0x10000);
	script.spans_count = 1;
	script.objects = objects;
	script.objects_count = count;
	return hc_open_take(w, scripted_only);
}

/* Good blocks at 0x0, 0x100 and 0x1000 with liars between them. */
START_TEST(lying_objects_are_dropped_one_by_one)
{
	const struct ch_object good = block(POOL_A + 0x100, 0x40);
	struct ch_object liars[] = {
		block(POOL_A, 0x20),                       /* descending */
		block(POOL_A + 0x100, 0x40),               /* the same again */
		block(POOL_A + 0x13f, 0x40),               /* overlapping by a byte */
		block(POOL_A - 0x10, 0x10),                /* before the span */
		block(POOL_A + 0xfff0, 0x11),              /* over the end by a byte */
		block(POOL_A + 0x10000, 0x20),             /* after the end */
		block(POOL_A + 0x200, 0),                  /* empty */
		block(POOL_A + 0x200, UINT64_MAX - 0x100), /* wraps */
		block(POOL_A + 0x200, 0x40),               /* bad state, below */
		block(POOL_A + 0x200, 0x40),               /* more usable than it has */
		block(UINT64_MAX - 0x20, 0x30),            /* at the end of everything */
		{ .addr = 8, .header_bytes = 16, .size_bytes = 8, .chunk_bytes = 0x20 },
	};
	static const char *const reasons[] = { "1 out of order", "1 outside", "1 impossible" };
	static const int reason[] = { 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2 };
	struct ch_object objects[4];
	const struct ch_finding *finding;
	const struct ch_heap *heap;
	struct heapcore hc;
	struct seen *seen;
	size_t count;

	liars[6].size_bytes = 0;
	liars[8].state = 7;
	liars[9].size_bytes = 0x41;
	objects[0] = block(POOL_A, 0x20);
	objects[1] = good;
	objects[2] = liars[_i];
	objects[3] = block(POOL_A + 0x1000, 0x20);
	hc = open_script(objects, 4);
	seen = walk(hc.heaps, 0, UINT64_MAX);
	ck_assert_uint_eq(seen->count, 3);
	ck_assert_uint_eq(seen->objects[0].addr, POOL_A + 0x10);
	ck_assert_uint_eq(seen->objects[1].addr, POOL_A + 0x110);
	ck_assert_uint_eq(seen->objects[2].addr, POOL_A + 0x1010);
	check_order(hc.heaps, seen);
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->used_bytes, 0x80);
	ck_assert_uint_eq(heap->used_count, 3);
	ck_assert_uint_eq(heap->unwalked_bytes, 0x10000 - 0x80);
	check_closes(heap);
	finding = oc_finding(&hc.o, "blocks-dropped");
	ck_assert_ptr_nonnull(finding);
	ck_assert_msg(strstr(finding->message, ": 1 blocks left out"), "%s", finding->message);
	ck_assert_msg(strstr(finding->message, reasons[reason[_i]]), "%s", finding->message);
	hc_close(&hc);
}
END_TEST

START_TEST(endless_walkers_are_stopped)
{
	struct ch_object object = block(POOL_A, 0x20);
	const struct ch_heap *heap;
	struct heapcore hc;
	size_t count;

	script.endless = true;
	script.batch = _i == 1 ? CH_BATCH_MAX : 1;
	hc = open_script(&object, _i == 2 ? 0 : 1);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "blocks-endless"));
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->used_count, _i == 2 ? 0 : 1);
	check_closes(heap);
	hc_close(&hc);
}
END_TEST

/* Walkers need not know how to begin in the middle, as this one does not. */
START_TEST(walkers_that_ignore_from_can_be_looked_up)
{
	static struct ch_object objects[2000];
	struct ch_object found;
	struct heapcore hc;
	size_t i;

	for (i = 0; i < 2000; i++)
		objects[i] = block(POOL_A + 0x20 * i, 0x20);
	script.batch = 100;
	hc = open_script(objects, 2000);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	for (i = 0; i < 2000; i += 61) {
		ck_assert(ch_heaps_object_at(hc.heaps, objects[i].addr + 15, &found));
		ck_assert_uint_eq(found.addr, objects[i].addr);
		ck_assert_uint_eq(walk(hc.heaps, objects[i].addr, objects[i].addr + 0x40)->count,
				  3);
	}
	ck_assert(!ch_heaps_object_at(hc.heaps, POOL_A + 0x20 * 2000, &found));
	hc_close(&hc);
}
END_TEST

START_TEST(lying_spans_are_left_out)
{
	static const struct {
		uint64_t start, end, committed_end;
		uint32_t heap;
		const char *finding;
	} rows[] = {
		{ POOL_A + 0x100, POOL_A + 0x100, POOL_A + 0x100, 0, "span-dropped" },
		{ POOL_A + 0x200, POOL_A + 0x100, POOL_A + 0x200, 0, "span-dropped" },
		{ POOL_A + 0x100, POOL_A + 0x200, POOL_A + 0x201, 0, "span-dropped" },
		{ POOL_A + 0x100, POOL_A + 0x200, POOL_A + 0xff, 0, "span-dropped" },
		{ POOL_A + 0x100, POOL_A + 0x200, POOL_A + 0x200, 1, "span-dropped" },
		{ POOL_A + 0x100, POOL_A + 0x200, POOL_A + 0x200, UINT32_MAX, "span-dropped" },
		{ POOL_B, POOL_B + 0x1000, POOL_B + 0x1000, 0, "span-unmapped" },
		{ UINT64_MAX - 5, UINT64_MAX, UINT64_MAX, 0, "span-unmapped" },
		/* Overlaps the good one. */
		{ POOL_A + 0xfff, POOL_A + 0x2000, POOL_A + 0x2000, 0, "span-dropped" },
	};
	struct corewriter *w = hc_writer();
	const struct ch_span *spans;
	struct heapcore hc;
	size_t count;

	cw_load(w, POOL_A, 0x10000, PF_R | PF_W, NULL, 0);
	script.spans[0] = (struct ch_span){ .start = rows[_i].start,
					    .end = rows[_i].end,
					    .committed_end = rows[_i].committed_end,
					    .heap = rows[_i].heap };
	script.spans[1] = span_of(POOL_A + 0x800, POOL_A + 0x1000);
	script.spans_count = 2;
	script.objects_count = 1;
	script.objects = &(struct ch_object){ .addr = POOL_A + 0x800, .chunk_bytes = 16 };
	hc = hc_open_take(w, scripted_only);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, rows[_i].finding));
	spans = ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(spans[0].start, POOL_A + 0x800);
	ck_assert_uint_eq(walk(hc.heaps, 0, UINT64_MAX)->count, 1);
	hc_close(&hc);
}
END_TEST

/* A span that runs out of its mapping is used as far as there is memory. */
START_TEST(spans_end_with_their_mapping)
{
	struct corewriter *w = hc_writer();
	const struct ch_heap *heap;
	const struct ch_span *spans;
	struct heapcore hc;
	size_t count;

	cw_load(w, POOL_A, 0x3000, PF_R | PF_W, NULL, 0);
	script.spans[0] = span_of(POOL_A + 0x1000, POOL_A + 0x9000);
	script.spans[0].committed_end = _i ? POOL_A + 0x2000 : POOL_A + 0x9000;
	script.spans_count = 1;
	script.objects_count = 1;
	script.objects = &(struct ch_object){ .addr = POOL_A + 0x1000, .chunk_bytes = 16 };
	hc = hc_open_take(w, scripted_only);
	spans = ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(spans[0].end, POOL_A + 0x3000);
	ck_assert_uint_eq(spans[0].committed_end, _i ? POOL_A + 0x2000 : POOL_A + 0x3000);
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->reserved_bytes, 0x2000);
	ck_assert_uint_eq(heap->committed_bytes, _i ? 0x1000 : 0x2000);
	/* Only committed bytes that are not there are damage. */
	ck_assert_int_eq(oc_finding(&hc.o, "span-unmapped") == NULL, _i);
	hc_close(&hc);
}
END_TEST

/* The toy's pool lies inside a span of the scripted allocator: the pool wins,
 * and no byte is counted twice. */
START_TEST(specific_walker_wins_over_generic)
{
	struct toypool pool = tp_create(POOL_A + 0x4000, 0x1000);
	struct corewriter *w = hc_writer();
	struct ch_object objects[] = {
		block(POOL_A, 0x100),
		/* Reaches into the pool: belongs to no piece. */
		block(POOL_A + 0x3f00, 0x200),
		block(POOL_A + 0x4800, 0x100),
		/* Reaches out of it. */
		block(POOL_A + 0x4f00, 0x200),
		block(POOL_A + 0x6000, 0x100),
	};
	const struct ch_heap *heaps;
	const struct ch_span *spans;
	struct ch_object found;
	struct heapcore hc;
	struct seen *seen;
	uint64_t addr;
	size_t count;

	addr = tp_add(&pool, 50, 1, false);
	cw_load(w, POOL_A, 0x4000, PF_R | PF_W, NULL, 0);
	tp_write_take(&pool, w);
	cw_load(w, POOL_A + 0x5000, 0x3000, PF_R | PF_W, NULL, 0);
	script.spans[0] = span_of(POOL_A, POOL_A + 0x8000);
	script.spans_count = 1;
	script.objects = objects;
	script.objects_count = 5;
	hc = hc_open_take(w, scripted_and_toy);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "span-overlap"));
	spans = ch_heaps_spans(hc.heaps, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(spans[0].end, POOL_A + 0x4000);
	ck_assert_uint_eq(spans[1].start, POOL_A + 0x4000);
	ck_assert_uint_eq(spans[2].start, POOL_A + 0x5000);
	ck_assert_uint_eq(spans[2].end, POOL_A + 0x8000);
	seen = walk(hc.heaps, 0, UINT64_MAX);
	check_order(hc.heaps, seen);
	ck_assert_uint_eq(seen->count, 2 + 3);
	/* The toy is opened first, so its heap is the first. */
	heaps = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(heaps[0].runtime, "toy");
	ck_assert_uint_eq(heaps[0].walker, 1);
	ck_assert_uint_eq(heaps[0].used_count, 1);
	ck_assert_uint_eq(heaps[1].used_count, 2);
	ck_assert_uint_eq(heaps[1].used_bytes, 0x200);
	ck_assert_uint_eq(heaps[1].committed_bytes, 0x7000);
	check_closes(&heaps[0]);
	check_closes(&heaps[1]);
	/* Being cut is not damage. */
	ck_assert(ch_context_complete(hc.o.ctx));
	ck_assert(ch_heaps_object_at(hc.heaps, addr + 3, &found));
	ck_assert_uint_eq(found.addr, addr);
	ck_assert(ch_heaps_object_at(hc.heaps, POOL_A + 0x6000, &found));
	ck_assert_uint_eq(found.addr, POOL_A + 0x6010);
	ck_assert(!ch_heaps_object_at(hc.heaps, POOL_A + 0x5000, &found));
	hc_close(&hc);
}
END_TEST

/* malloc, opened later, must not look for blocks in what a runtime is known to have. */
START_TEST(claims_that_are_sure_are_told_to_later_walkers)
{
	struct corewriter *w = hc_writer();
	struct heapcore hc;

	cw_load(w, POOL_A, 0x10000, PF_R | PF_W, NULL, 0);
	hc = hc_open_take(w, scripted_and_claiming);
	ck_assert_uint_eq(script.taken_count, 1);
	ck_assert_uint_eq(script.taken[0].start, POOL_A + 0x1000);
	ck_assert_uint_eq(script.taken[0].end, POOL_A + 0x2000);
	hc_close(&hc);
}
END_TEST

/* A damaged word may send a runtime's memory to where another's blocks are. */
START_TEST(claims_leave_heaps_of_others)
{
	struct toypool pool = tp_create(POOL_A, 0x2000);
	struct corewriter *w = hc_writer();
	const struct ch_region *region;
	struct heapcore hc;

	tp_add(&pool, 50, 1, false);
	tp_write_take(&pool, w);
	cw_load(w, POOL_A + 0x2000, 0x4000, PF_R | PF_W, NULL, 0);
	hc = hc_open_take(w, toy_and_claiming);
	/* the sure one, POOL_A + 0x1000 to 0x2000 */
	region = ch_map_region_at(hc.map, POOL_A + 0x1800);
	ck_assert_ptr_nonnull(region);
	ck_assert_int_eq(region->usage, CH_USAGE_ARENA);
	/* what lies in nobody's heap is the runtime's */
	region = ch_map_region_at(hc.map, POOL_A + 0x3800);
	ck_assert_int_eq(region->usage, CH_USAGE_MANAGED_LOADER);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "claim-meets-heap"));
	ck_assert(!ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

START_TEST(spans_become_regions_of_the_map)
{
	struct toypool pool = tp_create(POOL_A, 0x2000);
	struct corewriter *w = hc_writer();
	const struct ch_region *region;
	struct heapcore hc;

	tp_add(&pool, 50, 1, false);
	tp_write_take(&pool, w);
	cw_load(w, POOL_A + 0x2000, 0x2000, PF_R | PF_W, NULL, 0);
	hc = hc_open_take(w, toy_only);
	region = ch_map_region_at(hc.map, POOL_A + 0x1fff);
	ck_assert_ptr_nonnull(region);
	ck_assert_int_eq(region->usage, CH_USAGE_ARENA);
	ck_assert_uint_eq(region->start, POOL_A);
	ck_assert_uint_eq(region->end, POOL_A + 0x2000);
	ck_assert_str_eq(region->owner, "toy pools");
	ck_assert_int_eq(region->state, CH_STATE_COMMIT);
	hc_close(&hc);
}
END_TEST

START_TEST(reserved_tail_is_claimed_as_reserved)
{
	struct corewriter *w = hc_writer();
	const struct ch_region *region;
	struct heapcore hc;

	cw_load(w, POOL_A, 0x4000, PF_R | PF_W, NULL, 0);
	script.spans[0] = span_of(POOL_A, POOL_A + 0x4000);
	script.spans[0].committed_end = POOL_A + 0x1000;
	script.spans_count = 1;
	hc = hc_open_take(w, scripted_only);
	region = ch_map_region_at(hc.map, POOL_A);
	ck_assert_int_eq(region->state, CH_STATE_COMMIT);
	ck_assert_uint_eq(region->end, POOL_A + 0x1000);
	region = ch_map_region_at(hc.map, POOL_A + 0x1000);
	ck_assert_int_eq(region->state, CH_STATE_RESERVE);
	ck_assert_uint_eq(region->end, POOL_A + 0x4000);
	hc_close(&hc);
}
END_TEST

/* ---- Failing and stopping ---------------------------------------------------- */

static struct ch_error failure = { .code = CH_ERROR_CORRUPT };

START_TEST(failed_open_is_a_finding)
{
	struct toypool pool = tp_create(POOL_A, 0x1000);
	struct ch_error *err = calloc(1, sizeof(*err));
	struct corewriter *w = hc_writer();
	const struct ch_runtime *runtimes;
	const struct ch_finding *finding;
	struct heapcore hc;
	size_t count;

	ck_assert_ptr_nonnull(err);
	*err = failure;
	err->message = strdup("torn page\n\033[31m");
	script.open_error = err;
	tp_write_take(&pool, w);
	hc = hc_open_take(w, scripted_and_toy);
	runtimes = ch_heaps_runtimes(hc.heaps, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert(!runtimes[0].open);
	ck_assert_str_eq(runtimes[0].evidence, "torn page\\x0a\\x1b[31m");
	ck_assert(runtimes[1].open);
	finding = oc_finding(&hc.o, "heap-not-opened");
	ck_assert_ptr_nonnull(finding);
	ck_assert_ptr_nonnull(strstr(finding->message, "scripted"));
	ck_assert_uint_eq(walk(hc.heaps, 0, UINT64_MAX)->count, 2);
	hc_close(&hc);
	ck_assert_int_eq(script.closes, 0);
}
END_TEST

START_TEST(lack_of_memory_and_cancelling_end_the_opening)
{
	struct corewriter *w = hc_writer();
	struct ch_heaps *heaps = NULL;
	struct heapcore hc;

	cw_load(w, POOL_A, 0x1000, PF_R | PF_W, NULL, 0);
	hc = hc_open_map_take(w);
	script.open_error = _i ? &ch_enomem : &ch_stop;
	ck_assert_ptr_eq(chp_heaps_open_with(scripted_only, hc.o.core, hc.sym, hc.map, &heaps),
			 script.open_error);
	script.open_error = NULL;
	ch_context_cancel(hc.o.ctx);
	ck_ch_err(chp_heaps_open_with(scripted_only, hc.o.core, hc.sym, hc.map, &heaps), STOP);
	ck_assert_ptr_null(heaps);
	ck_assert_int_eq(script.opens, script.closes);
	hc_close(&hc);
}
END_TEST

START_TEST(evidence_without_an_end_is_cut)
{
	struct heapcore hc = open_script(NULL, 0);
	size_t count;

	ck_assert_uint_eq(strlen(ch_heaps_runtimes(hc.heaps, &count)->evidence), 255);
	hc_close(&hc);
	ck_assert_int_eq(script.opens, 1);
	ck_assert_int_eq(script.closes, 1);
}
END_TEST

START_TEST(callback_and_cancelling_end_a_walk)
{
	static struct ch_object objects[100];
	struct heapcore hc;
	struct seen *seen;
	const struct ch_heap *heap;
	size_t i, count;

	for (i = 0; i < 100; i++)
		objects[i] = block(POOL_A + 0x20 * i, 0x20);
	hc = open_script(objects, 100);
	seen = walk(hc.heaps, 0, 0);
	seen->result = &failure;
	ck_assert_ptr_eq(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see, seen), &failure);
	ck_assert_uint_eq(seen->batches, 1);
	seen->result = &ch_stop;
	ck_assert_ptr_eq(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see, seen), &ch_stop);
	ck_assert_uint_eq(seen->batches, 2);
	/* What was broken off has not spoilt the sums. */
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->used_count, 100);
	check_closes(heap);
	ch_context_cancel(hc.o.ctx);
	ck_ch_err(ch_heaps_walk(hc.heaps, 0, UINT64_MAX, see, seen), STOP);
	hc_close(&hc);
}
END_TEST

START_TEST(walker_that_gives_up_is_a_finding)
{
	struct ch_object object = block(POOL_A, 0x20);
	struct ch_error *err = calloc(1, sizeof(*err));
	const struct ch_heap *heap;
	struct heapcore hc;
	size_t count;

	ck_assert_ptr_nonnull(err);
	err->code = CH_ERROR_CORRUPT;
	err->message = strdup("lost the thread");
	script.walk_error = err;
	hc = open_script(&object, 1);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "heap-walk-failed"));
	heap = ch_heaps_list(hc.heaps, &count);
	ck_assert_uint_eq(heap->used_count, 1);
	check_closes(heap);
	hc_close(&hc);
}
END_TEST

static void add_toy_tests(TCase *tcase)
{
	tcase_add_test(tcase, toy_heap_adds_up);
	tcase_add_test(tcase, walking_twice_changes_nothing);
	tcase_add_test(tcase, ranges_give_the_chunks_that_meet_them);
	tcase_add_loop_test(tcase, look_up_finds_the_chunk_of_any_address, 0, 2);
	tcase_add_test(tcase, damage_leaves_the_rest_unwalked);
	tcase_add_test(tcase, foreign_core_scores_nothing);
}

static void add_hostile_tests(TCase *tcase)
{
	tcase_add_loop_test(tcase, lying_objects_are_dropped_one_by_one, 0, 12);
	tcase_add_loop_test(tcase, endless_walkers_are_stopped, 0, 3);
	tcase_add_test(tcase, walkers_that_ignore_from_can_be_looked_up);
	tcase_add_loop_test(tcase, lying_spans_are_left_out, 0, 9);
	tcase_add_loop_test(tcase, spans_end_with_their_mapping, 0, 2);
	tcase_add_test(tcase, specific_walker_wins_over_generic);
	tcase_add_test(tcase, claims_that_are_sure_are_told_to_later_walkers);
	tcase_add_test(tcase, claims_leave_heaps_of_others);
	tcase_add_test(tcase, spans_become_regions_of_the_map);
	tcase_add_test(tcase, reserved_tail_is_claimed_as_reserved);
	tcase_add_test(tcase, failed_open_is_a_finding);
	tcase_add_loop_test(tcase, lack_of_memory_and_cancelling_end_the_opening, 0, 2);
	tcase_add_test(tcase, evidence_without_an_end_is_cut);
	tcase_add_test(tcase, callback_and_cancelling_end_a_walk);
	tcase_add_test(tcase, walker_that_gives_up_is_a_finding);
}

Suite *suite_engine(void);
Suite *suite_engine(void)
{
	Suite *suite = suite_create("engine");
	TCase *toy = tcase_create("toy"), *hostile = tcase_create("hostile");

	add_toy_tests(toy);
	add_hostile_tests(hostile);
	suite_add_tcase(suite, toy);
	suite_add_tcase(suite, hostile);
	return suite;
}
