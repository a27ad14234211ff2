/*
 * Free objects that spans count as in use: those in the central cache, an array of a structure for
 * each size class, which says its class; and those in caches of threads, whose list of each class
 * says the size of its objects. Both are told by that.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

#include <stdlib.h>

#include "heap/signs.h"
#include "util/addrs.h"
#include "util/cleanup.h"
#include "util/context.h"

/* central_freelist.h, class CentralFreeList, from size_class_ on: two struct Span, two words, then
 * tc_slots_ and used_slots_. The next one is a multiple of a cache line away. */
#define CENTRAL_SLOTS     120U
#define CENTRAL_SLOTS_MAX 64U
#define CENTRAL_USED      (CENTRAL_SLOTS + 16U * CENTRAL_SLOTS_MAX)
#define CENTRAL_BYTES     (CENTRAL_USED + 4U)
#define CENTRAL_STRIDE    64U
#define CENTRAL_MAX       4096U
/* Classes that must follow each other. */
#define CENTRAL_CLASSES 8U
/* thread_cache.h, class FreeList: list_, length_, three more numbers, size_. */
#define LIST_BYTES  32U
#define LIST_LENGTH 8U
#define LIST_SIZE   24U
#define LISTS_BYTES (LIST_BYTES * TCMALLOC_CLASSES_MAX)
/* Behind the lists: numbers, the sampler, next_ and prev_. */
#define BEHIND_BYTES 256U
#define CACHES_MAX   (1U << 16)
/* Objects in all caches: they are kept small, 32 MiB by default. */
#define OBJECTS_MAX (1U << 24)
/* common.cc, SizeMap::NumMoveSize(): of a chain at most 64 KiB. */
#define CHAIN_MAX 8192U

struct caches {
	struct tcmalloc *tc;
	/* of uint64_t: caches of threads */
	struct ch_vec found;
	uint64_t refused;
};

/* ---- objects ------------------------------------------------------------------- */

static bool is_object(const struct tcmalloc *tc, uint64_t addr, uint32_t class)
{
	const struct tcmalloc_span *span = tcmalloc_span_at(tc, addr);

	return span && span->location == TCMALLOC_IN_USE && span->class == class &&
	       (addr - span->start) % tc->sizes[class] == 0 &&
	       (addr - span->start) / tc->sizes[class] < tcmalloc_objects_count(tc, span);
}

/* A chain of at most so many objects of a class; *taken_ret: how many there were. */
static struct ch_error *take_chain(struct caches *caches, struct ch_vec *to, uint32_t class,
				   uint64_t addr, uint64_t most, uint64_t *taken_ret)
{
	for (*taken_ret = 0; addr && *taken_ret < most; ++*taken_ret) {
		if (to->count >= OBJECTS_MAX || !is_object(caches->tc, addr, class)) {
			caches->refused++;
			return NULL;
		}
		if (!ch_addrs_push(to, addr))
			return &ch_enomem;
		if (!ch_core_read_u64(caches->tc->env.core, addr, &addr))
			return NULL;
	}
	return NULL;
}

/* ---- the central cache ------------------------------------------------------------ */

/* The distance from one class to the next, where size_class_ of the first is at p; 0: it is not. */
static uint32_t central_stride(const uint8_t *p, size_t len)
{
	uint32_t stride, i;

	if (ch_get64(p) != 1)
		return 0;
	for (stride = (CENTRAL_BYTES + 8) / CENTRAL_STRIDE * CENTRAL_STRIDE;
	     stride <= CENTRAL_MAX && (CENTRAL_CLASSES - 1ULL) * stride + 8 <= len;
	     stride += CENTRAL_STRIDE) {
		for (i = 1; i < CENTRAL_CLASSES; i++)
			if (ch_get64(p + (size_t)i * stride) != i + 1U)
				break;
		if (i == CENTRAL_CLASSES)
			return stride;
	}
	return 0;
}

static struct ch_error *take_central(struct caches *caches, uint64_t addr, uint32_t class)
{
	struct tcmalloc *tc = caches->tc;
	struct ch_error *err = NULL;
	uint64_t head, taken;
	uint32_t used, i;

	if (!ch_core_read_u32(tc->env.core, addr + CENTRAL_USED, &used) ||
	    used > CENTRAL_SLOTS_MAX) {
		chp_context_finding(tc->env.ctx, chp_blame(&tc->env), "tcmalloc-cache",
				    "tcmalloc: the central cache of objects of %u bytes is damaged "
				    "or not in the core: what it holds counts as used",
				    tc->sizes[class]);
		return NULL;
	}
	for (i = 0; !err && i < used; i++) {
		if (ch_core_read_u64(tc->env.core, addr + CENTRAL_SLOTS + 16ULL * i, &head))
			err = take_chain(caches, &tc->central, class, head, CHAIN_MAX, &taken);
	}
	return err;
}

/* Where size_class_ of the first class is, and how far the others are. False: nowhere. */
static bool find_central(const struct tcmalloc *tc, uint64_t *addr_ret, uint32_t *stride_ret)
{
	struct ch_data_run run = { 0 };
	uint64_t at = tc->module->start;
	size_t k;

	while (chp_data_next(&tc->env, tc->module, &at, &run))
		for (k = ch_align_up(run.addr, 8) - run.addr; k < run.len && run.len - k >= 8;
		     k += 8) {
			*stride_ret = central_stride(run.bytes + k, run.len - k);
			*addr_ret = run.addr + k;
			if (*stride_ret)
				return true;
		}
	return false;
}

static struct ch_error *take_all_central(struct caches *caches)
{
	struct tcmalloc *tc = caches->tc;
	struct ch_error *err = NULL;
	uint32_t stride, i;
	uint64_t addr;

	if (!find_central(tc, &addr, &stride)) {
		chp_context_finding(tc->env.ctx, CH_SEVERITY_INCOMPLETE, "tcmalloc-cache",
				    "tcmalloc: its central cache was not found: what it holds "
				    "counts as used");
		return NULL;
	}
	for (i = 1; !err && i < tc->classes_count; i++)
		err = take_central(caches, addr + (uint64_t)(i - 1) * stride, i);
	return err;
}

/* ---- caches of threads -------------------------------------------------------------- */

/* Whether a cache of a thread is at addr: each list says its size. */
static bool is_cache(const struct tcmalloc *tc, uint64_t addr)
{
	uint8_t bytes[LIST_BYTES];
	uint32_t i;

	if (!addr || addr % 16 || addr > 1ULL << 47)
		return false;
	for (i = 1; i < tc->classes_count; i++)
		if (!ch_core_try_read(tc->env.core, addr + (uint64_t)i * LIST_BYTES, bytes,
				      sizeof(bytes)) ||
		    ch_get32(bytes + LIST_SIZE) != tc->sizes[i])
			return false;
	return true;
}

static bool is_found(const struct caches *caches, uint64_t addr)
{
	const uint64_t *items = caches->found.items;
	size_t i;

	for (i = 0; i < caches->found.count; i++)
		if (items[i] == addr)
			return true;
	return false;
}

static struct ch_error *add_cache(struct caches *caches, uint64_t addr)
{
	if (!is_cache(caches->tc, addr) || is_found(caches, addr) ||
	    caches->found.count >= CACHES_MAX)
		return NULL;
	if (!ch_addrs_push(&caches->found, addr))
		return &ch_enomem;
	return tcmalloc_add_meta(caches->tc, addr, LISTS_BYTES + BEHIND_BYTES);
}

static struct ch_error *take_cache(struct caches *caches, uint64_t addr)
{
	struct tcmalloc *tc = caches->tc;
	struct ch_error *err = NULL;
	uint8_t bytes[LIST_BYTES];
	uint64_t taken;
	uint32_t i;

	for (i = 1; !err && i < tc->classes_count; i++) {
		if (!ch_core_try_read(tc->env.core, addr + (uint64_t)i * LIST_BYTES, bytes,
				      sizeof(bytes)))
			continue;
		err = take_chain(caches, &tc->cached, i, ch_get64(bytes),
				 ch_get32(bytes + LIST_LENGTH), &taken);
		if (taken != ch_get32(bytes + LIST_LENGTH))
			chp_context_finding(tc->env.ctx, chp_blame(&tc->env), "tcmalloc-cache",
					    "tcmalloc: a thread's list of objects of %u bytes "
					    "breaks off: what else is on it counts as used",
					    tc->sizes[i]);
	}
	return err;
}

/* The words behind the lists of a cache lead to others. */
static struct ch_error *follow_cache(struct caches *caches, uint64_t addr)
{
	struct ch_error *err = NULL;
	uint64_t word;
	uint32_t at;

	/* kNumClasses, as many as there may be lists, differs: behind those in use. */
	for (at = caches->tc->classes_count * LIST_BYTES; !err && at < LISTS_BYTES + BEHIND_BYTES;
	     at += 8)
		if (ch_core_read_u64(caches->tc->env.core, addr + at, &word))
			err = add_cache(caches, word);
	return err;
}

/* Those that the module's data leads to (thread_heaps_). */
static struct ch_error *find_in_data(struct caches *caches)
{
	struct tcmalloc *tc = caches->tc;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	uint64_t at = tc->module->start;
	size_t k;

	while (!err && chp_data_next(&tc->env, tc->module, &at, &run))
		for (k = ch_align_up(run.addr, 8) - run.addr;
		     !err && k < run.len && run.len - k >= 8; k += 8)
			err = add_cache(caches, ch_get64(run.bytes + k));
	return err;
}

/* What is in caches twice was freed twice. */
static void order(struct tcmalloc *tc, struct ch_vec *addrs, uint64_t *bytes_ret)
{
	uint64_t *items;
	size_t i, kept = 0;

	ch_addrs_sort(addrs);
	items = addrs->items;
	for (i = 0; i < addrs->count; i++) {
		if (kept && items[kept - 1] == items[i]) {
			chp_context_finding(tc->env.ctx, CH_SEVERITY_DAMAGED, "tcmalloc-cache",
					    "tcmalloc: the block at 0x%llx is cached twice: it was "
					    "freed twice",
					    (unsigned long long)items[i]);
			continue;
		}
		*bytes_ret += tc->sizes[tcmalloc_span_at(tc, items[i])->class];
		items[kept++] = items[i];
	}
	addrs->count = kept;
}

struct ch_error *tcmalloc_find_caches(struct tcmalloc *tc)
{
	struct caches caches = { .tc = tc, .found = CH_VEC(uint64_t) };
	struct ch_error *err = take_all_central(&caches);
	size_t i;

	if (!err)
		err = find_in_data(&caches);
	for (i = 0; !err && i < caches.found.count; i++)
		err = follow_cache(&caches, *CH_VEC_AT(&caches.found, uint64_t, i));
	for (i = 0; !err && i < caches.found.count; i++)
		err = take_cache(&caches, *CH_VEC_AT(&caches.found, uint64_t, i));
	tc->caches_count = caches.found.count;
	ch_vec_deinit(&caches.found);
	if (caches.refused)
		chp_context_finding(tc->env.ctx, chp_blame(&tc->env), "tcmalloc-cache",
				    "tcmalloc: %llu words in caches are no object that is in use: "
				    "what they led to counts as used",
				    (unsigned long long)caches.refused);
	order(tc, &tc->cached, &tc->cached_bytes);
	order(tc, &tc->central, &tc->central_bytes);
	return err;
}
