/*
 * Which thread allocates from which arena: `static __thread mstate
 * thread_arena` of libc (glibc-2.36, malloc/arena.c) lies in static TLS, at the
 * same distance from every thread's thread pointer. The distance at which most
 * threads have an arena's address, and fewest have anything else, is its place.
 */
#include "walkers/glibc/glibc_priv.h"

#include "util/context.h"

/* Threads that decide where the variable is. */
#define VOTERS_MAX 64U

/* What the threads have at one distance. */
struct tally {
	/** An arena's address; something else but NULL. */
	uint32_t hits, misses;
};

static int compare_tids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static struct glibc_arena *arena_of(const struct glibc *glibc, uint64_t addr)
{
	struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		if (arenas[i].addr == addr)
			return &arenas[i];
	return NULL;
}

/* The word of a thread at a distance; false when there is none to read. */
static bool read_word(const struct glibc *glibc, const struct ch_thread *thread, int64_t offset,
		      uint64_t *ret)
{
	return glibc_has_tls(glibc, thread) &&
	       ch_core_read_u64(glibc->env.core, thread->tls_base + (uint64_t)offset, ret);
}

/* Where thread_arena is; false when no thread shows an arena. */
static struct ch_error *find_place(const struct glibc *glibc, int64_t *offset_ret, bool *found_ret)
{
	bool above = ch_core_arch(glibc->env.core) == CH_ARCH_AARCH64;
	int64_t bytes = glibc_tls_bytes(glibc), first = above ? 0 : -bytes;
	struct ch_vec tallies = CH_VEC(struct tally);
	const struct ch_thread *threads;
	struct tally *tally, *best;
	size_t count, i, slot, slots = (size_t)bytes / 8;
	uint64_t word;

	if (!ch_vec_reserve(&tallies, slots))
		return &ch_enomem;
	while (tallies.count < slots)
		ch_vec_push(&tallies);
	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; i < count && i < VOTERS_MAX; i++) {
		for (slot = 0; slot < slots; slot++) {
			tally = CH_VEC_AT(&tallies, struct tally, slot);
			if (!read_word(glibc, &threads[i], first + 8 * (int64_t)slot, &word) ||
			    !word)
				continue;
			if (word % 8 == 0 && arena_of(glibc, word))
				tally->hits++;
			else
				tally->misses++;
		}
	}
	best = tallies.items;
	for (slot = 0; slot < slots; slot++) {
		tally = CH_VEC_AT(&tallies, struct tally, slot);
		if (tally->hits > tally->misses &&
		    tally->hits - tally->misses >
			    (best->hits > best->misses ? best->hits - best->misses : 0))
			best = tally;
	}
	*found_ret = slots && best->hits > best->misses;
	*offset_ret = first + 8 * (best - (struct tally *)tallies.items);
	ch_vec_deinit(&tallies);
	return NULL;
}

/* Add each thread to its arena; count those of which nothing is known. */
static struct ch_error *take_threads(struct glibc *glibc, int64_t offset, uint64_t *unknown_ret)
{
	const struct ch_thread *threads;
	struct glibc_arena *arena;
	uint64_t word, unknown = 0;
	uint32_t *tid;
	size_t count, i;

	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; i < count; i++) {
		if (!read_word(glibc, &threads[i], offset, &word)) {
			unknown++;
			continue;
		}
		arena = word ? arena_of(glibc, word) : NULL;
		if (!arena) {
			/* NULL: it has not allocated yet, or is about to end */
			unknown += word != 0;
			continue;
		}
		tid = ch_vec_push(&arena->tids);
		if (!tid)
			return &ch_enomem;
		*tid = threads[i].tid;
	}
	*unknown_ret = unknown;
	return NULL;
}

/* attached_threads counts what thread_arena of all threads says, but for threads
 * that begin or end just then; no block depends on it. */
static void check_attached(const struct glibc *glibc)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		if (arenas[i].attached != UINT64_MAX && arenas[i].attached != arenas[i].tids.count)
			chp_context_finding(
				glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-threads",
				"%s: attached_threads counts %llu threads, %zu have it in their "
				"thread_arena",
				arenas[i].name, (unsigned long long)arenas[i].attached,
				arenas[i].tids.count);
}

struct ch_error *glibc_find_threads(struct glibc *glibc)
{
	uint64_t unknown = 0;
	struct ch_error *err;
	int64_t offset = 0;
	bool found = false;
	size_t i;

	err = glibc->arenas.count ? find_place(glibc, &offset, &found) : NULL;
	if (!err && found)
		err = take_threads(glibc, offset, &unknown);
	if (err)
		return err;
	for (i = 0; i < glibc->arenas.count; i++)
		ch_vec_sort(&CH_VEC_AT(&glibc->arenas, struct glibc_arena, i)->tids, compare_tids);
	glibc->threads_known = found && !unknown;
	if (glibc->threads_known)
		check_attached(glibc);
	else if (glibc->arenas.count)
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-threads-unknown",
				    found ? "which arena %llu of the threads use is not known: "
					    "their TLS is damaged or not in the core"
					  : "which thread uses which arena is not known: no "
					    "thread's TLS in the core has an arena's address",
				    (unsigned long long)unknown);
	return NULL;
}
