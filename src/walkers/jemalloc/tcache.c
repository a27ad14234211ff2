/*
 * What threads keep for themselves: stacks of free regions, one for each size class, that arenas
 * count as allocated. Each thread's struct tsd_s is a thread-local variable of jemalloc's module,
 * and the array of stacks (bins) lies in it. It is told by its shape: the stacks follow each other
 * in one block. Since 5.3 the arena's list leads to tcaches that a program made itself, too.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include <stdlib.h>

#include "util/addrs.h"
#include "util/cleanup.h"
#include "util/context.h"

#define BIN_BYTES 24U
/* A stack ends where a number of 16 bits says (5.3), and holds no more before it. */
#define STACK_BYTES_MAX 65536U
/* struct tcache_slow_s (5.3): ql_elm link, then that of the descriptor, and its bins. */
#define SLOW_NEXT  0
#define SLOW_BINS  32
#define SLOW_ARENA 40
/* struct tcache_s before 5.3: what lies between small and large bins. */
#define BETWEEN_BYTES_MAX 160U
/* tsd.h before 5.3: arenas_tdata, a block of jemalloc's own, and binshards come before the tcache.
 */
#define BEFORE_BYTES_MAX 96U
/* Thread-local variables of the module that are looked through. */
#define TLS_BYTES_MAX (1U << 20)
#define NO_TID        0U
/* tcache_types.h, MALLOCX_TCACHE_MAX: those that no thread has. */
#define TCACHES_MAX 4094U

/* A bin, whichever way it is written. */
struct bin {
	/* The stack grows down from end. */
	uint64_t end, count;
};

struct tcaches {
	struct jemalloc *je;
	/* of uint64_t: structures tcache_slow_s that were found */
	struct ch_vec slows;
	/* The thread under way, and its module's tree. */
	uint32_t tid;
	uint16_t tree;
	uint64_t refused, unread;
};

static const struct jemalloc_tree *tree_of(const struct tcaches *tcaches)
{
	return CH_VEC_AT(&tcaches->je->trees, struct jemalloc_tree, tcaches->tree);
}

static uint32_t bins_count(const struct tcaches *tcaches)
{
	return jemalloc_bins_count(tree_of(tcaches)->lg_quantum);
}

/* ---- stacks ------------------------------------------------------------------ */

/* Since 5.3: the top of the stack, nrequests, and the low bits of its end. */
static struct bin read_bin(const struct jemalloc_layout *layout, const uint8_t *p)
{
	uint64_t head = ch_get64(p);
	uint16_t room;

	if (!layout->has_tcache_slow)
		return (struct bin){ .end = ch_get64(p + 16), .count = ch_get32(p + 4) };
	room = (uint16_t)(ch_get16(p + 20) - (uint16_t)head);
	return (struct bin){ .end = head ? head + room : 0, .count = room / 8 };
}

static bool is_bin(const struct bin *bin)
{
	return bin->end && bin->end % 8 == 0 && bin->count <= STACK_BYTES_MAX / 8 &&
	       bin->end > 8 * bin->count;
}

/* Whether a region that lies on the stack of a class is one that its arena counts as in use. */
static bool is_region(const struct tcaches *tcaches, uint64_t addr, uint32_t szind)
{
	const struct jemalloc *je = tcaches->je;
	const struct jemalloc_extent *extent = jemalloc_extent_at(je, addr);
	uint64_t index, bits, bytes;

	if (!extent || extent->state != JEMALLOC_ACTIVE || extent->szind != szind ||
	    extent->tree != tcaches->tree)
		return false;
	if (!extent->is_slab)
		return addr == extent->start + extent->offset;
	bytes = jemalloc_extent_class(extent);
	index = (addr - extent->start) / bytes;
	return (addr - extent->start) % bytes == 0 && index < jemalloc_regions_count(extent) &&
	       ch_core_read_u64(je->env.core, extent->edata + 64 + index / 64 * 8, &bits) &&
	       !(bits >> index % 64 & 1);
}

static struct ch_error *take_bin(struct tcaches *tcaches, const struct bin *bin, uint32_t szind)
{
	uint64_t i, addr, *slot;

	for (i = 0; i < bin->count; i++) {
		if (!ch_core_read_u64(tcaches->je->env.core, bin->end - 8 * (bin->count - i),
				      &addr)) {
			tcaches->unread++;
			return NULL;
		}
		if (!is_region(tcaches, addr, szind)) {
			tcaches->refused++;
			continue;
		}
		slot = ch_vec_push(&tcaches->je->cached);
		if (!slot)
			return &ch_enomem;
		*slot = addr;
	}
	return NULL;
}

/* The stacks lie in a block that is jemalloc's own. */
static struct ch_error *take_stacks(struct tcaches *tcaches, const struct bin *first)
{
	uint64_t *slot = ch_vec_push(&tcaches->je->own);

	if (!slot)
		return &ch_enomem;
	*slot = first->end - 8;
	tcaches->je->tcaches_count++;
	return NULL;
}

/* Bins one after the other, the first for the class szind, up to the first that is none. Small
 * classes have a bin in any case. */
static struct ch_error *take_bins(struct tcaches *tcaches, uint64_t addr, uint32_t szind)
{
	const struct jemalloc_layout *layout = tree_of(tcaches)->layout;
	uint8_t bytes[BIN_BYTES];
	struct ch_error *err = NULL;
	bool has_stacks = szind > 0;
	struct bin bin;

	for (; !err && szind < jemalloc_classes_count(tree_of(tcaches)->lg_quantum);
	     szind++, addr += BIN_BYTES) {
		if (!ch_core_try_read(tcaches->je->env.core, addr, bytes, sizeof(bytes)))
			break;
		bin = read_bin(layout, bytes);
		if (!is_bin(&bin) && szind >= bins_count(tcaches))
			break;
		if (!is_bin(&bin)) {
			tcaches->unread++;
			continue;
		}
		if (!has_stacks)
			err = take_stacks(tcaches, &bin);
		has_stacks = true;
		if (!err)
			err = take_bin(tcaches, &bin, szind);
	}
	return err;
}

/* The thread under way allocates from the arena that a pointer leads to. */
static struct ch_error *take_arena(struct tcaches *tcaches, uint64_t arena)
{
	const struct jemalloc_base *base = jemalloc_base_at(tcaches->je, arena);
	struct jemalloc_thread *thread;

	if (!base || tcaches->tid == NO_TID)
		return NULL;
	thread = ch_vec_push(&tcaches->je->threads);
	if (!thread)
		return &ch_enomem;
	*thread = (struct jemalloc_thread){ .tid = tcaches->tid,
					    .arena = base->arena,
					    .tree = base->tree };
	return NULL;
}

/* ---- 5.3 ----------------------------------------------------------------------- */

/* Whether a tcache_slow_s is at addr; bins_ret: where its bins are, behind a pointer to it. */
static bool is_slow(const struct ch_core *core, uint64_t addr, uint64_t *bins_ret)
{
	uint64_t bins, back;

	if (!addr || addr % 8 || !ch_core_read_u64(core, addr + SLOW_BINS, &bins) || bins < 8 ||
	    bins % 8 || !ch_core_read_u64(core, bins - 8, &back) || back != addr)
		return false;
	*bins_ret = bins;
	return true;
}

static bool is_taken(const struct tcaches *tcaches, uint64_t slow)
{
	const uint64_t *items = tcaches->slows.items;
	size_t i;

	for (i = 0; i < tcaches->slows.count; i++)
		if (items[i] == slow)
			return true;
	return false;
}

static struct ch_error *take_slow(struct tcaches *tcaches, uint64_t slow, uint64_t bins)
{
	struct ch_error *err;
	uint64_t arena, *slot;

	slot = ch_vec_push(&tcaches->slows);
	if (!slot)
		return &ch_enomem;
	*slot = slow;
	err = take_bins(tcaches, bins, 0);
	if (!err && ch_core_read_u64(tcaches->je->env.core, slow + SLOW_ARENA, &arena))
		err = take_arena(tcaches, arena);
	return err;
}

/* A word of a thread's variables that leads to a tcache_slow_s whose bins lie right behind it. */
static struct ch_error *look_for_slow(struct tcaches *tcaches, const uint8_t *tls, uint64_t addr,
				      uint64_t len)
{
	uint64_t at, slow, bins;

	for (at = 0; at + 16 <= len; at += 8) {
		slow = ch_get64(tls + at);
		if (slow - addr < len && is_slow(tcaches->je->env.core, slow, &bins) &&
		    bins == addr + at + 8)
			return take_slow(tcaches, slow, bins);
	}
	return NULL;
}

/*
 * The tcaches of an arena are in a ring: those that are no thread's lie in it, too. Each ring is
 * followed once, from the first of its members.
 */
static struct ch_error *follow_ring(struct tcaches *tcaches, uint64_t first)
{
	const struct ch_core *core = tcaches->je->env.core;
	const uint64_t limit = tcaches->slows.count + TCACHES_MAX;
	uint64_t at = first, bins, steps = 0;
	struct ch_error *err = NULL;

	while (!err && ch_core_read_u64(core, at + SLOW_NEXT, &at) && at != first &&
	       is_slow(core, at, &bins) && steps++ < limit)
		if (!is_taken(tcaches, at))
			err = take_slow(tcaches, at, bins);
	return err;
}

static struct ch_error *follow_rings(struct tcaches *tcaches)
{
	struct ch_vec arenas = CH_VEC(uint64_t);
	const size_t count = tcaches->slows.count;
	struct ch_error *err = NULL;
	size_t i, k;

	tcaches->tid = NO_TID;
	for (i = 0; !err && i < count; i++) {
		uint64_t slow = *CH_VEC_AT(&tcaches->slows, uint64_t, i), arena, *slot;

		if (!ch_core_read_u64(tcaches->je->env.core, slow + SLOW_ARENA, &arena))
			continue;
		for (k = 0; k < arenas.count; k++)
			if (*CH_VEC_AT(&arenas, uint64_t, k) == arena)
				break;
		if (k < arenas.count)
			continue;
		slot = ch_vec_push(&arenas);
		if (!slot)
			err = &ch_enomem;
		else
			*slot = arena;
		if (!err)
			err = follow_ring(tcaches, slow);
	}
	ch_vec_deinit(&arenas);
	return err;
}

/* ---- before 5.3 ---------------------------------------------------------------- */

/* Whether a bin's stack lies right behind that of the bin before. */
static bool follows(const struct bin *before, const struct bin *bin)
{
	return is_bin(bin) && bin->end > before->end && bin->end - before->end <= STACK_BYTES_MAX &&
	       bin->count <= (bin->end - before->end) / 8;
}

/* Whether the bins of all small classes begin at p. last_ret: the last of them. */
static bool are_small_bins(const struct tcaches *tcaches, const uint8_t *p, struct bin *last_ret)
{
	const struct jemalloc_layout *layout = tree_of(tcaches)->layout;
	const uint32_t count = bins_count(tcaches);
	struct bin before = read_bin(layout, p), bin;
	uint32_t i;

	if (!is_bin(&before))
		return false;
	for (i = 1; i < count; i++) {
		bin = read_bin(layout, p + (size_t)i * BIN_BYTES);
		if (!follows(&before, &bin))
			return false;
		before = bin;
	}
	*last_ret = before;
	return true;
}

/* What comes behind the small bins: the arena, and the bins of large classes. */
static struct ch_error *take_behind(struct tcaches *tcaches, const uint8_t *p, uint64_t addr,
				    uint64_t len, const struct bin *last)
{
	const struct jemalloc_layout *layout = tree_of(tcaches)->layout;
	struct ch_error *err = NULL;
	bool has_arena = false;
	struct bin bin;
	uint64_t at;

	for (at = 0; !err && at <= BETWEEN_BYTES_MAX && at + BIN_BYTES <= len; at += 8) {
		if (!has_arena && jemalloc_base_at(tcaches->je, ch_get64(p + at))) {
			has_arena = true;
			err = take_arena(tcaches, ch_get64(p + at));
			continue;
		}
		bin = read_bin(layout, p + at);
		if (has_arena && !err && follows(last, &bin))
			return take_bins(tcaches, addr + at, bins_count(tcaches));
	}
	return err;
}

static struct ch_error *take_small(struct tcaches *tcaches, const uint8_t *p)
{
	const struct jemalloc_layout *layout = tree_of(tcaches)->layout;
	struct ch_error *err = NULL;
	struct bin bin;
	uint32_t i;

	for (i = 0; !err && i < bins_count(tcaches); i++) {
		bin = read_bin(layout, p + (size_t)i * BIN_BYTES);
		if (i == 0)
			err = take_stacks(tcaches, &bin);
		if (!err)
			err = take_bin(tcaches, &bin, i);
	}
	return err;
}

/* Blocks that the words before the small bins lead to; the others among these lead to arenas. */
static struct ch_error *take_before(struct tcaches *tcaches, const uint8_t *bins, uint64_t before)
{
	const struct jemalloc_extent *extent;
	uint64_t at, word;

	for (at = 8; at <= ch_min(before, BEFORE_BYTES_MAX); at += 8) {
		word = ch_get64(bins - at);
		extent = jemalloc_extent_at(tcaches->je, word);
		if (extent && is_region(tcaches, word, extent->szind) &&
		    !ch_addrs_push(&tcaches->je->own, word))
			return &ch_enomem;
	}
	return NULL;
}

static struct ch_error *look_for_bins(struct tcaches *tcaches, const uint8_t *tls, uint64_t addr,
				      uint64_t len)
{
	const uint64_t bytes = (uint64_t)bins_count(tcaches) * BIN_BYTES;
	struct ch_error *err;
	struct bin last;
	uint64_t at;

	for (at = 0; at + bytes <= len; at += 8) {
		if (!are_small_bins(tcaches, tls + at, &last))
			continue;
		err = take_small(tcaches, tls + at);
		if (!err)
			err = take_before(tcaches, tls + at, at);
		return err ? err
			   : take_behind(tcaches, tls + at + bytes, addr + at + bytes,
					 len - at - bytes, &last);
	}
	return NULL;
}

/* ---- all threads --------------------------------------------------------------- */

static struct ch_error *look_at_thread(struct tcaches *tcaches, const struct ch_thread *thread,
				       uint8_t *tls, uint64_t *absent)
{
	const struct jemalloc_tree *tree = tree_of(tcaches);
	uint64_t addr, len = ch_min(tree->module->tls_memsz, TLS_BYTES_MAX) / 8 * 8;
	struct ch_error *err;

	err = chp_tls_block(tcaches->je->env.sym, thread->tls_base, tree->module, &addr);
	if (err)
		return err;
	if (!addr || !ch_core_try_read(tcaches->je->env.core, addr, tls, len)) {
		++*absent;
		return NULL;
	}
	tcaches->tid = thread->tid;
	return tree->layout->has_tcache_slow ? look_for_slow(tcaches, tls, addr, len)
					     : look_for_bins(tcaches, tls, addr, len);
}

static struct ch_error *look_at_threads(struct tcaches *tcaches)
{
	const struct jemalloc *je = tcaches->je;
	const struct ch_thread *threads;
	uint8_t *tls = malloc(TLS_BYTES_MAX);
	struct ch_error *err = tls ? NULL : &ch_enomem;
	uint64_t absent = 0;
	size_t count, i;

	threads = ch_core_threads(je->env.core, &count);
	for (i = 0; !err && i < count; i++)
		err = look_at_thread(tcaches, &threads[i], tls, &absent);
	free(tls);
	if (!err && tcaches->slows.count)
		err = follow_rings(tcaches);
	if (absent)
		chp_context_finding(je->env.ctx, CH_SEVERITY_INCOMPLETE, "jemalloc-tcache",
				    "jemalloc: thread-local memory of %llu threads is not in the "
				    "core: what they cache counts as used",
				    (unsigned long long)absent);
	return err;
}

/* A region that lies in caches twice was freed twice. */
static void order_cached(struct jemalloc *je)
{
	uint64_t *items = je->cached.items;
	size_t i, kept = 0;

	ch_addrs_sort(&je->cached);
	for (i = 0; i < je->cached.count; i++) {
		if (!kept || items[kept - 1] != items[i])
			items[kept++] = items[i];
		else
			chp_context_finding(je->env.ctx, CH_SEVERITY_DAMAGED, "jemalloc-tcache",
					    "jemalloc: the block at 0x%llx is cached twice: it was "
					    "freed twice",
					    (unsigned long long)items[i]);
	}
	je->cached.count = kept;
	ch_addrs_sort(&je->own);
}

static int compare_threads(const void *a, const void *b)
{
	const struct jemalloc_thread *x = a, *y = b;

	if (x->tree != y->tree)
		return x->tree < y->tree ? -1 : 1;
	if (x->arena != y->arena)
		return x->arena < y->arena ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void report_refused(const struct tcaches *tcaches)
{
	if (tcaches->refused)
		chp_context_finding(
			tcaches->je->env.ctx, chp_blame(&tcaches->je->env), "jemalloc-tcache",
			"jemalloc: %llu words in caches of threads are no block that is "
			"in use",
			(unsigned long long)tcaches->refused);
	if (tcaches->unread)
		chp_context_finding(
			tcaches->je->env.ctx, CH_SEVERITY_INCOMPLETE, "jemalloc-tcache",
			"jemalloc: %llu stacks of caches of threads are damaged or not in "
			"the core: what they hold counts as used",
			(unsigned long long)tcaches->unread);
}

struct ch_error *jemalloc_find_tcaches(struct jemalloc *je)
{
	struct tcaches tcaches = { .je = je, .slows = CH_VEC(uint64_t) };
	struct ch_error *err = NULL;
	uint16_t i;

	for (i = 0; !err && i < je->trees.count; i++) {
		tcaches.tree = i;
		tcaches.slows.count = 0;
		err = look_at_threads(&tcaches);
	}
	report_refused(&tcaches);
	ch_vec_deinit(&tcaches.slows);
	order_cached(je);
	ch_vec_sort(&je->threads, compare_threads);
	return err;
}
