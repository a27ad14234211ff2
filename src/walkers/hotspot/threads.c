/*
 * The JVM's threads that run Java: the JVM's own list of them, sorted by stack, so that a stack
 * pointer, a JavaThread or a java.lang.Thread leads to the thread that it belongs to. What is
 * shown of them is in thread_info.c.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: runtime/thread.hpp,
 * runtime/javaThread.hpp, runtime/osThread.hpp.
 */
#include <string.h>

#include "util/context.h"
#include "util/search.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Four times what pid_max is by default; a chain of classes that is longer is damaged. */
#define THREADS_MAX (1U << 17)
#define SUPERS_MAX  64

/* ---- The list ------------------------------------------------------------------------ */

struct ch_error *hs_threads_find(const struct hs *hs, struct ch_vec *ret)
{
	uint64_t list, array, thread = 0, *slot;
	uint32_t length = 0, i;
	bool linked;

	/* up to 8 a list of structures, later an array */
	linked = !hs_member_ptr(hs, HS_THREADS_LIST, 0, &list) ||
		 !hs_member_u32(hs, HS_THREADS_LENGTH, list, &length) ||
		 !hs_member_ptr(hs, HS_THREADS_ARRAY, list, &array);
	if (linked && !hs_member_ptr(hs, HS_THREAD_FIRST, 0, &thread))
		return NULL;
	/* a ring of a damaged list ends with the bound */
	for (i = 0; i < THREADS_MAX && (linked ? thread != 0 : i < length); i++) {
		if (!linked && !hs_read_ptr(hs, array + 8ULL * i, &thread))
			continue;
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = thread;
		if (linked && !hs_member_ptr(hs, HS_THREAD_NEXT, thread, &thread))
			break;
	}
	return NULL;
}

bool hs_thread_read(const struct hs *hs, uint64_t addr, struct hs_thread *ret)
{
	uint64_t base, size, os;

	*ret = (struct hs_thread){ .addr = addr };
	if (!addr || addr % 8 || !hs_member_ptr(hs, HS_THREAD_STACK_BASE, addr, &base) ||
	    !hs_member_ptr(hs, HS_THREAD_STACK_SIZE, addr, &size) || !base || !size || size > base)
		return false;
	ret->stack_start = base - size;
	ret->stack_end = base;
	if (!hs_member_ptr(hs, HS_THREAD_OWNER_ID, addr, &ret->owner_id))
		ret->owner_id = 0;
	return hs_member_ptr(hs, HS_THREAD_OS, addr, &os) &&
	       hs_member_u32(hs, HS_OS_TID, os, &ret->tid);
}

/* False: no memory. */
static bool add_thread(struct hs *hs, uint64_t addr)
{
	struct hs_thread thread, *slot;
	uint64_t at;

	if (!hs_thread_read(hs, addr, &thread))
		return true;
	if (!hs_member_object(hs, HS_THREAD_OOP, addr, &at, &thread.object))
		thread.object = 0;
	if (!hs_member_object(hs, HS_THREAD_VIRTUAL, addr, &at, &thread.carried))
		thread.carried = 0;
	slot = ch_vec_push(&hs->threads);
	if (slot)
		*slot = thread;
	return slot != NULL;
}

static int compare_threads(const void *a, const void *b)
{
	const struct hs_thread *x = a, *y = b;

	if (x->stack_start != y->stack_start)
		return x->stack_start < y->stack_start ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void list_threads(struct hs *hs)
{
	struct ch_vec addrs = CH_VEC(uint64_t);
	struct ch_error *err = hs_threads_find(hs, &addrs);
	size_t i;

	hs->threads_listed = true;
	for (i = 0; !err && i < addrs.count; i++)
		if (!add_thread(hs, *CH_VEC_AT(&addrs, uint64_t, i)))
			err = &ch_enomem;
	/* who asks for a thread has no room for an error: then there are no names */
	chp_context_drop_take(hs->env->ctx, err);
	ch_vec_deinit(&addrs);
	ch_vec_sort(&hs->threads, compare_threads);
}

const struct hs_thread *hs_threads(struct hs *hs, size_t *count_ret)
{
	if (!hs->threads_listed)
		list_threads(hs);
	*count_ret = hs->threads.count;
	return hs->threads.items;
}

const struct hs_thread *hs_thread_at(struct hs *hs, uint64_t sp)
{
	const struct hs_thread *threads;
	size_t low, count;

	threads = hs_threads(hs, &count);
	low = ch_search(threads, count, it, it->stack_start <= sp);
	return low && sp < threads[low - 1].stack_end ? &threads[low - 1] : NULL;
}

/* ---- Java ---------------------------------------------------------------------------- */

static bool is_thread_class(const struct hs *hs, uint64_t klass)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	for (i = 0; klass && i < SUPERS_MAX; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return false;
		if (strcmp(name, "java/lang/Thread") == 0)
			return true;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return false;
	}
	return false;
}

uint64_t hs_thread_object(const struct hs *hs, enum hs_member_id id, uint64_t thread)
{
	uint64_t at, object;

	return hs_member_object(hs, id, thread, &at, &object) &&
			       is_thread_class(hs, hs_klass_at(hs, object))
		       ? object
		       : 0;
}

struct ch_error *hs_threads_visit(struct hs *hs, hs_thread_fn fn, void *arg)
{
	struct ch_vec addrs = CH_VEC(uint64_t);
	struct ch_error *err = hs_threads_find(hs, &addrs);
	struct hs_thread thread;
	uint64_t object;
	size_t i;

	for (i = 0; !err && i < addrs.count; i++) {
		if (!hs_thread_read(hs, *CH_VEC_AT(&addrs, uint64_t, i), &thread))
			continue;
		object = hs_thread_object(hs, HS_THREAD_OOP, thread.addr);
		if (object)
			err = fn(arg, thread.tid, object);
	}
	ch_vec_deinit(&addrs);
	return err;
}
