/*
 * Where roots lie, and what points at a block: cores made word by word.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <coreheap/graph.h>

#include "heap/session.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

#define POOL     0x10000000ULL
#define STACK    0x20000000ULL
#define DATA     0x30000000ULL
#define CONSTANT 0x40000000ULL
#define CODE     0x50000000ULL
#define BYTES    0x3000
/* user_regs_struct (asm/user_64.h); user_pt_regs (asm/ptrace.h of aarch64). */
#define X86_RBX     5
#define X86_RSP     19
#define X86_REGS    27
#define AARCH64_SP  31
#define AARCH64_REG 34

static const struct ch_walker *const toy_only[] = { &ch_walker_toy, NULL };

struct opened_graph {
	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_graph *graph;
};

static struct opened_graph open_limit(struct corewriter *w, uint64_t limit)
{
	const char *path = cw_temp_path("roots");
	struct opened_graph og = { .ctx = ch_context_create(NULL) };

	cw_write(w, path, limit);
	cw_destroy(w);
	ck_ch_ok(ch_session_open(og.ctx, path, NULL, &og.session));
	unlink(path);
	chp_session_use_walkers(og.session, toy_only);
	ck_ch_ok(ch_graph_create(og.session, NULL, &og.graph));
	return og;
}

static void close_graph(struct opened_graph *og)
{
	ch_graph_destroy(og->graph);
	ch_session_close(og->session);
	ch_context_destroy(og->ctx);
}

static void add_thread(struct corewriter *w, uint32_t tid, uint64_t sp, uint64_t rbx)
{
	uint64_t regs[AARCH64_REG] = { 0 };

	if (w->machine == EM_X86_64) {
		regs[X86_RSP] = sp;
		regs[X86_RBX] = rbx;
		cw_prstatus(w, tid, 0, regs, X86_REGS);
	} else {
		regs[AARCH64_SP] = sp;
		regs[0] = rbx;
		cw_prstatus(w, tid, 0, regs, AARCH64_REG);
	}
}

/* The range that holds addr, or NULL. Also checks what all ranges must be. */
static const struct ch_root_range *range_of(const struct opened_graph *og, uint64_t addr)
{
	const struct ch_root_range *ranges, *found = NULL;
	uint64_t end = 0;
	size_t count, i;

	ranges = ch_graph_root_ranges(og->graph, &count);
	for (i = 0; i < count; i++) {
		ck_assert_uint_ge(ranges[i].start, end);
		ck_assert_uint_lt(ranges[i].start, ranges[i].end);
		ck_assert_uint_eq(ranges[i].start % 8, 0);
		ck_assert_uint_le(ranges[i].lost_bytes, ranges[i].absent_bytes);
		ck_assert_uint_le(ranges[i].absent_bytes, ranges[i].end - ranges[i].start);
		end = ranges[i].end;
		if (addr >= ranges[i].start && addr < end)
			found = &ranges[i];
	}
	return found;
}

START_TEST(stacks_begin_at_the_pointer)
{
	static const struct {
		uint16_t machine;
		uint64_t sp, start;
	} cases[] = {
		{ EM_X86_64, STACK + 0x1000, STACK + 0x1000 - 128 },
		{ EM_X86_64, STACK + 0x1003, STACK + 0x1000 - 128 },
		{ EM_X86_64, STACK + 0x40, STACK },
		{ EM_AARCH64, STACK + 0x1000, STACK + 0x1000 },
	};
	const struct ch_root_range *range;
	struct opened_graph og;
	struct corewriter *w;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w = cw_create(cases[i].machine);
		add_thread(w, 7, cases[i].sp, 0);
		cw_load(w, STACK, BYTES, PF_R | PF_W, NULL, BYTES);
		og = open_limit(w, CW_ALL);
		range = range_of(&og, STACK + 0x1400);
		ck_assert_ptr_nonnull(range);
		ck_assert_int_eq(range->kind, CH_ROOT_STACK);
		ck_assert_uint_eq(range->thread, 0);
		ck_assert_uint_eq(range->start, cases[i].start);
		ck_assert_uint_eq(range->end, STACK + BYTES);
		if (cases[i].start > STACK)
			ck_assert_ptr_null(range_of(&og, cases[i].start - 1));
		close_graph(&og);
	}
}
END_TEST

START_TEST(only_writable_memory_has_roots)
{
	struct corewriter *w = cw_create(EM_X86_64);
	const struct ch_root_range *range;
	struct opened_graph og;

	add_thread(w, 7, STACK + 0x1000, 0);
	cw_load(w, STACK, BYTES, PF_R | PF_W, NULL, BYTES);
	cw_load(w, DATA, BYTES, PF_R | PF_W, NULL, BYTES);
	cw_load(w, CONSTANT, BYTES, PF_R, NULL, BYTES);
	cw_load(w, CODE, BYTES, PF_R | PF_X, NULL, BYTES);
	og = open_limit(w, CW_ALL);
	range = range_of(&og, DATA);
	ck_assert_ptr_nonnull(range);
	ck_assert_int_eq(range->kind, CH_ROOT_MEMORY);
	ck_assert_uint_eq(range->thread, UINT32_MAX);
	ck_assert_ptr_null(range_of(&og, CONSTANT));
	ck_assert_ptr_null(range_of(&og, CODE));
	close_graph(&og);
}
END_TEST

START_TEST(lost_is_not_left_out)
{
	struct corewriter *w = cw_create(EM_X86_64);
	const struct ch_root_range *range;
	struct opened_graph og;
	struct cw_layout layout;

	add_thread(w, 7, STACK + 0x1000, 0);
	cw_load(w, STACK, BYTES, PF_R | PF_W, NULL, 0x2000);
	cw_load(w, DATA, BYTES, PF_R | PF_W, NULL, BYTES);
	layout = cw_layout(w);
	og = open_limit(w, layout.file_bytes - 0x1000);
	range = range_of(&og, STACK + 0x2800);
	ck_assert_uint_eq(range->absent_bytes, 0x1000);
	ck_assert_uint_eq(range->lost_bytes, 0);
	range = range_of(&og, DATA + 0x2800);
	ck_assert_uint_eq(range->absent_bytes, 0x1000);
	ck_assert_uint_eq(range->lost_bytes, 0x1000);
	close_graph(&og);
}
END_TEST

/* All of these threads say that they run on the same few places. */
START_TEST(ranges_never_overlap)
{
	struct corewriter *w = cw_create(EM_X86_64);
	struct toypool pool = tp_create(POOL, BYTES);
	uint64_t block = tp_add(&pool, 0x800, 0, false);
	static const uint64_t places[] = { 0x10, 0x700, 0x7f8 };
	struct opened_graph og;
	uint32_t i;

	for (i = 0; i < 600; i++)
		add_thread(w, 10 + i,
			   i % 2 ? block + places[i % 3] + i % 7 * 8 : STACK + i * 16 % BYTES, 0);
	add_thread(w, 1000, UINT64_MAX, 0);
	add_thread(w, 1001, 0, 0);
	tp_write_take(&pool, w);
	cw_load(w, STACK, BYTES, PF_R | PF_W, NULL, BYTES);
	og = open_limit(w, CW_ALL);
	ck_assert_ptr_nonnull(range_of(&og, STACK + BYTES - 8));
	ck_assert_ptr_nonnull(range_of(&og, block + 0x7f8));
	close_graph(&og);
}
END_TEST

/* ---- What points at it ------------------------------------------------------- */

struct seen {
	struct ch_ref refs[32];
	size_t count;
};

static struct ch_error *see(void *arg, const struct ch_ref *ref)
{
	struct seen *seen = arg;

	ck_assert_uint_lt(seen->count, sizeof(seen->refs) / sizeof(seen->refs[0]));
	seen->refs[seen->count++] = *ref;
	return NULL;
}

static void put(uint8_t *bytes, uint64_t at, uint64_t word)
{
	memcpy(bytes + at, &word, 8);
}

/* Everything that can point at the block `target`, once, and some that do not. */
static struct opened_graph open_refs(uint64_t *target, uint64_t *holder, uint64_t *freed)
{
	uint8_t stack[BYTES] = { 0 }, data[BYTES] = { 0 }, constant[BYTES] = { 0 },
		code[BYTES] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct toypool pool = tp_create(POOL, BYTES);
	struct opened_graph og;

	*target = tp_add(&pool, 0x100, 0, false);
	*holder = tp_add(&pool, 0x100, 0, false);
	*freed = tp_add(&pool, 0x100, 0, true);
	put(pool.bytes, *holder - POOL + 0x20, *target);
	put(pool.bytes, *freed - POOL + 0x28, *target + 0xff);
	add_thread(w, 7, STACK + 0x1000, *target + 8);
	put(stack, 0x1008, *target);
	put(stack, 0x0808, *target);
	put(data, 0, *target + 0x10);
	put(data, BYTES - 8, *target);
	/* No references: unaligned, the byte before, the byte after. */
	put(data, 0x1001, *target);
	put(data, 0x2000, *target - 1);
	put(data, 0x2008, *target + 0x100);
	put(constant, 0x2800, *target);
	put(code, 0x1003, *target);
	put(code, BYTES - 8, *target);
	tp_write_take(&pool, w);
	cw_load(w, STACK, BYTES, PF_R | PF_W, stack, BYTES);
	cw_load(w, DATA, BYTES, PF_R | PF_W, data, BYTES);
	cw_load(w, CONSTANT, BYTES, PF_R, constant, BYTES);
	cw_load(w, CODE, BYTES, PF_R | PF_X, code, BYTES);
	og = open_limit(w, CW_ALL);
	return og;
}

START_TEST(refs_are_found_and_placed)
{
	uint64_t target, holder, freed;
	struct opened_graph og = open_refs(&target, &holder, &freed);
	const struct {
		uint64_t addr, value;
		enum ch_ref_kind kind;
	} want[] = {
		{ 0, target + 8, CH_REF_REGISTER },
		{ holder + 0x20, target, CH_REF_OBJECT },
		{ freed + 0x28, target + 0xff, CH_REF_FREE },
		{ STACK + 0x808, target, CH_REF_DEAD_STACK },
		{ STACK + 0x1008, target, CH_REF_STACK },
		{ DATA, target + 0x10, CH_REF_MEMORY },
		{ DATA + BYTES - 8, target, CH_REF_MEMORY },
		{ CONSTANT + 0x2800, target, CH_REF_CONSTANT },
		{ CODE + 0x1003, target, CH_REF_CODE },
		{ CODE + BYTES - 8, target, CH_REF_CODE },
	};
	const size_t count = sizeof(want) / sizeof(want[0]);
	struct seen seen = { .count = 0 };
	struct ch_root_text text;
	size_t i;

	ck_ch_ok(ch_graph_refs(og.graph, target, target + 0x100, true, see, &seen));
	ck_assert_uint_eq(seen.count, count);
	for (i = 0; i < count; i++) {
		ck_assert_uint_eq(seen.refs[i].addr, want[i].addr);
		ck_assert_uint_eq(seen.refs[i].value, want[i].value);
		ck_assert_str_eq(ch_ref_kind_name(seen.refs[i].kind),
				 ch_ref_kind_name(want[i].kind));
		if (seen.refs[i].has_root)
			ck_ch_ok(ch_root_describe(og.graph, &seen.refs[i].root, &text));
	}
	ck_assert_uint_eq(seen.refs[1].owner.addr, holder);
	ck_assert_uint_eq(seen.refs[2].owner.addr, freed);
	ck_ch_ok(ch_root_describe(og.graph, &seen.refs[0].root, &text));
	ck_assert_str_eq(text.where, "thread 7 rbx");
	ck_ch_ok(ch_root_describe(og.graph, &seen.refs[5].root, &text));
	ck_assert_str_eq(text.where, "anon 0x30000000 +0x0");
	seen.count = 0;
	ck_ch_ok(ch_graph_refs(og.graph, target, target + 0x100, false, see, &seen));
	ck_assert_uint_eq(seen.count, count - 2);
	seen.count = 0;
	ck_ch_ok(ch_graph_refs(og.graph, UINT64_MAX - 1, UINT64_MAX, true, see, &seen));
	ck_assert_uint_eq(seen.count, 0);
	close_graph(&og);
}
END_TEST

static struct ch_error *refuse(void *arg, const struct ch_ref *ref)
{
	size_t *left = arg;

	(void)ref;
	return --*left ? NULL : (struct ch_error *)&ch_stop;
}

START_TEST(refs_end_when_told)
{
	uint64_t target, holder, freed;
	struct opened_graph og = open_refs(&target, &holder, &freed);
	size_t left;

	for (left = 1; left <= 10; left++) {
		size_t now = left;

		ck_assert_ptr_eq(
			ch_graph_refs(og.graph, target, target + 0x100, true, refuse, &now),
			&ch_stop);
		ck_assert_uint_eq(now, 0);
	}
	close_graph(&og);
}
END_TEST

/* ---- Stacks that signals left ---------------------------------------------------- */

/* What the kernel leaves on [DATA, DATA + BYTES), the stack for signals, of a thread that
 * was at sp: struct rt_sigframe of both architectures. Returns its place. */
static uint64_t put_sigframe(uint16_t machine, uint8_t *data, uint64_t sp)
{
	uint64_t at = machine == EM_X86_64 ? 0x408 : 0x400;
	uint64_t uc = at + (machine == EM_X86_64 ? 8 : 128);

	put(data, uc + 16, DATA);
	put(data, uc + 32, BYTES);
	if (machine == EM_X86_64) {
		put(data, at, CODE);
		put(data, uc + 40 + 15 * 8, sp);
		put(data, uc + 40 + 16 * 8, CODE + 0x20);
		put(data, uc + 40 + 17 * 8, 0x10246);
		put(data, uc + 40 + 18 * 8, 0x002b000000000033);
		put(data, uc + 40 + 20 * 8, 14);
		put(data, uc + 40 + 23 * 8, DATA + 0x600);
	} else {
		put(data, uc + 184 + 31 * 8, sp);
		put(data, uc + 184 + 32 * 8, CODE + 0x20);
		put(data, uc + 464, 0x0000021046508001);
	}
	return DATA + at;
}

static struct opened_graph open_interrupted(uint16_t machine, uint64_t sp, bool spoilt)
{
	struct corewriter *w = cw_create(machine);
	uint8_t data[BYTES] = { 0 };
	uint64_t at = put_sigframe(machine, data, sp);

	if (spoilt)
		put(data, at - DATA + (machine == EM_X86_64 ? 8 : 128) + 8, 1);
	add_thread(w, 7, DATA + 0x100, 0);
	cw_load(w, STACK, BYTES, PF_R | PF_W, NULL, BYTES);
	cw_load(w, DATA, BYTES, PF_R | PF_W, data, BYTES);
	return open_limit(w, CW_ALL);
}

START_TEST(signals_leave_stacks_in_use)
{
	static const uint16_t machines[] = { EM_X86_64, EM_AARCH64 };
	const struct ch_thread_stack *stacks;
	const struct ch_root_range *range;
	struct opened_graph og;
	struct ch_map *map;
	size_t count, i;

	for (i = 0; i < 2; i++) {
		og = open_interrupted(machines[i], STACK + 0x1800, false);
		ck_ch_ok(ch_session_map(og.session, &map));
		stacks = ch_map_stacks_of(map, 0, &count);
		ck_assert_uint_eq(count, 2);
		ck_assert(stacks[0].for_signals && !stacks[0].interrupted);
		ck_assert_uint_eq(stacks[0].start, DATA);
		ck_assert_uint_eq(stacks[0].end, DATA + BYTES);
		ck_assert_uint_eq(stacks[0].sp, DATA + 0x100);
		ck_assert(!stacks[1].for_signals && stacks[1].interrupted);
		ck_assert_uint_eq(stacks[1].start, STACK);
		ck_assert_uint_eq(stacks[1].sp, STACK + 0x1800);
		range = range_of(&og, STACK + 0x2000);
		ck_assert_ptr_nonnull(range);
		ck_assert_int_eq(range->kind, CH_ROOT_STACK);
		ck_assert_uint_eq(range->sp, STACK + 0x1800);
		close_graph(&og);
		/* one word that the kernel never writes so: no frame */
		og = open_interrupted(machines[i], STACK + 0x1800, true);
		ck_ch_ok(ch_session_map(og.session, &map));
		stacks = ch_map_stacks_of(map, 0, &count);
		ck_assert_uint_eq(count, 1);
		ck_assert(!stacks[0].for_signals);
		close_graph(&og);
	}
}
END_TEST

/* A word below sp points at the target, other memory at what holds it. */
START_TEST(stale_words_come_last)
{
	uint8_t stack[BYTES] = { 0 }, data[BYTES] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct toypool pool = tp_create(POOL, BYTES);
	uint64_t target = tp_add(&pool, 0x100, 0, false);
	uint64_t holder = tp_add(&pool, 0x100, 0, false);
	const struct ch_chain *list;
	struct ch_chains *chains;
	struct opened_graph og;
	size_t count;
	uint32_t id;

	put(pool.bytes, holder - POOL + 0x20, target);
	put(stack, 0x1000 - 16, target);
	put(stack, 0x1800, target);
	put(data, 0x10, holder);
	put(data, 0x18, target + 8);
	add_thread(w, 7, STACK + 0x1000, 0);
	tp_write_take(&pool, w);
	cw_load(w, STACK, BYTES, PF_R | PF_W, stack, BYTES);
	cw_load(w, DATA, BYTES, PF_R | PF_W, data, BYTES);
	og = open_limit(w, CW_ALL);
	id = ch_graph_node_at(og.graph, target);
	ck_ch_ok(ch_chains_find(og.graph, &id, 1, NULL, &chains));
	list = ch_chains_list(chains, &count);
	ck_assert_uint_eq(count, 4);
	ck_assert_uint_eq(list[0].root.addr, STACK + 0x1800);
	ck_assert_uint_eq(list[1].root.addr, DATA + 0x10);
	ck_assert(!list[1].inner && !list[1].root.stale);
	ck_assert_uint_eq(list[2].root.addr, DATA + 0x18);
	ck_assert(list[2].inner);
	ck_assert_uint_eq(list[3].root.addr, STACK + 0x1000 - 16);
	ck_assert(list[3].root.stale);
	ch_chains_destroy(chains);
	close_graph(&og);
}
END_TEST

Suite *suite_roots(void);

Suite *suite_roots(void)
{
	Suite *suite = suite_create("roots");
	TCase *tcase = tcase_create("roots");

	tcase_add_test(tcase, stacks_begin_at_the_pointer);
	tcase_add_test(tcase, only_writable_memory_has_roots);
	tcase_add_test(tcase, lost_is_not_left_out);
	tcase_add_test(tcase, ranges_never_overlap);
	tcase_add_test(tcase, refs_are_found_and_placed);
	tcase_add_test(tcase, refs_end_when_told);
	tcase_add_test(tcase, signals_leave_stacks_in_use);
	tcase_add_test(tcase, stale_words_come_last);
	suite_add_tcase(suite, tcase);
	return suite;
}
