/*
 * Locks that threads of Java have or wait for: monitors, by the JVM's list of them, by the
 * threads that wait to enter them and by the lists of those that have them without one (from 21
 * on); synchronizers of java.util.concurrent, which are objects of the heap.
 *
 * runtime/synchronizer.hpp: _in_use_list; objectMonitor.hpp: _contentions, those that wait to
 * enter, virtual threads among them.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, java.base/java/util/concurrent/locks: AbstractQueued-
 * Synchronizer.java (head, tail; of a node next and waiter, a thread up to 16): those behind
 * head wait, threads of the kernel's and virtual ones.
 */
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

/* Nodes of all queues. */
#define NODES_MAX (1U << 22)
/* The JVM's list is no longer, or a ring. */
#define MONITORS_MAX (1U << 22)
/* Classes of synchronizers: those of the JDK are ten, a program has a few of its own. */
#define CLASSES_MAX 64

/* What one thread, or one monitor, says of an object. */
struct row {
	struct ch_lock lock;
	/* As its monitor counts them. */
	uint64_t contentions;
};

struct collecting {
	struct hs *hs;
	/* of struct row */
	struct ch_vec rows;
	uint32_t nodes;
	uint64_t classes[CLASSES_MAX];
	uint32_t classes_count;
};

static bool push_counted(struct collecting *collecting, const struct ch_lock *lock,
			 uint64_t contentions)
{
	struct row *slot = ch_vec_push(&collecting->rows);

	if (slot)
		*slot = (struct row){ *lock, contentions };
	return slot != NULL;
}

static bool push(struct collecting *collecting, const struct ch_lock *lock)
{
	return push_counted(collecting, lock, 0);
}

static void set_owner(struct hs *hs, const struct hs_thread *owner, struct ch_lock *lock)
{
	lock->held = true;
	lock->owner_tid = owner->tid;
	lock->owner_number = hs_thread_number(hs, owner->carried ? owner->carried : owner->object);
}

static const struct hs_thread *thread_of(struct hs *hs, uint32_t tid)
{
	const struct hs_thread *threads;
	size_t count, i;

	threads = hs_threads(hs, &count);
	for (i = 0; i < count; i++)
		if (threads[i].tid == tid)
			return &threads[i];
	return NULL;
}

/* What a thread waits to enter or is parked for. */
static bool add_waiting(struct collecting *collecting, const struct hs_thread *thread)
{
	struct ch_lock lock = { .kind = "synchronizer", .waiters = 1 };
	struct ch_thread_info info = { .waits_to = NULL };
	struct hs *hs = collecting->hs;
	const struct hs_thread *owner;
	uint64_t recursion;

	hs_waits_for(hs, thread, thread->object, &info);
	if (!info.waits_to || strcmp(info.waits_to, "wait") == 0)
		return true;
	/* a condition is no lock: what workers without work are parked for */
	if (strcmp(info.waits_to, "park") == 0 && !hs_owner_field(hs, info.waits_for))
		return true;
	lock.object = info.waits_for;
	if (strcmp(info.waits_to, "enter") == 0) {
		lock.kind = "monitor";
		if (hs_member_ptr(hs, HS_THREAD_ENTERING, thread->addr, &lock.addr))
			lock.recursion_known =
				hs_member_ptr(hs, HS_MONITOR_RECURSIONS, lock.addr, &recursion);
		lock.recursion = lock.recursion_known ? recursion : 0;
	}
	owner = info.held_by ? thread_of(hs, info.held_by) : NULL;
	if (owner)
		set_owner(hs, owner, &lock);
	return push(collecting, &lock);
}

/* What a thread has without a monitor: an object for each time that it took it. */
static bool add_held(struct collecting *collecting, const struct hs_thread *thread)
{
	struct hs *hs = collecting->hs;
	uint64_t objects[HS_LOCK_STACK_MAX];
	uint32_t count = hs_lock_stack(hs, thread->addr, objects), i, k;
	struct ch_lock lock;

	for (i = 0; i < count; i++) {
		lock = (struct ch_lock){ .kind = "monitor",
					 .object = objects[i],
					 .recursion_known = true };
		for (k = 0; k < i && objects[k] != objects[i]; k++)
			;
		if (k < i)
			continue;
		for (k = i + 1; k < count; k++)
			lock.recursion += objects[k] == objects[i];
		set_owner(hs, thread, &lock);
		if (!push(collecting, &lock))
			return false;
	}
	return true;
}

/* Monitors that somebody has or waits for. */
static bool add_monitors(struct collecting *collecting)
{
	struct hs *hs = collecting->hs;
	uint64_t list = hs_member_addr(hs, HS_MONITORS, 0), monitor, recursion;
	const struct hs_thread *owner;
	uint32_t i, contentions;
	struct ch_lock lock;

	if (!list || !hs_member_ptr(hs, HS_MONITORS_HEAD, list, &monitor))
		return true;
	for (i = 0; monitor && i < MONITORS_MAX; i++) {
		lock = (struct ch_lock){ .kind = "monitor",
					 .object = hs_monitor_object(hs, monitor),
					 .addr = monitor };
		owner = lock.object ? thread_of(hs, hs_monitor_owner(hs, monitor, lock.object))
				    : NULL;
		if (owner)
			set_owner(hs, owner, &lock);
		if (!hs_member_u32(hs, HS_MONITOR_CONTENTIONS, monitor, &contentions) ||
		    contentions > INT32_MAX)
			contentions = 0;
		lock.recursion_known =
			owner && hs_member_ptr(hs, HS_MONITOR_RECURSIONS, monitor, &recursion);
		lock.recursion = lock.recursion_known ? recursion : 0;
		if (lock.object && (owner || contentions) &&
		    !push_counted(collecting, &lock, contentions))
			return false;
		if (!hs_member_ptr(hs, HS_MONITOR_NEXT, monitor, &monitor))
			break;
	}
	return true;
}

static int compare_objects(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->lock.object != y->lock.object)
		return x->lock.object < y->lock.object ? -1 : 1;
	return x->lock.held == y->lock.held ? 0 : x->lock.held ? -1 : 1;
}

static void join(struct row *to, const struct row *from)
{
	to->lock.waiters += from->lock.waiters;
	to->contentions = ch_max(to->contentions, from->contentions);
	if (!to->lock.addr)
		to->lock.addr = from->lock.addr;
	if (!to->lock.recursion_known && from->lock.recursion_known) {
		to->lock.recursion = from->lock.recursion;
		to->lock.recursion_known = true;
	}
}

/* Rows of one object as one; those with an owner come first. */
static void merge(struct ch_vec *rows)
{
	struct row *list = rows->items;
	size_t i, kept = 0;

	ch_vec_sort(rows, compare_objects);
	for (i = 0; i < rows->count; i++) {
		if (kept && list[kept - 1].lock.object == list[i].lock.object)
			join(&list[kept - 1], &list[i]);
		else
			list[kept++] = list[i];
	}
	rows->count = kept;
	for (i = 0; i < kept; i++)
		list[i].lock.waiters = ch_max(list[i].lock.waiters, list[i].contentions);
}

static bool read_field(const struct hs *hs, uint64_t object, const char *name, uint64_t *ret)
{
	uint32_t offset = object ? hs_field_offset(hs, hs_klass_at(hs, object), name, false) : 0;

	return offset && hs_read_oop(hs, object + offset, ret);
}

/* Those in the queue, if it can be read to its end. */
static bool count_queue(struct collecting *collecting, uint64_t object, uint64_t *ret)
{
	const struct hs *hs = collecting->hs;
	uint64_t node, waiter, count = 0;

	if (!read_field(hs, object, "head", &node))
		return false;
	while (node && read_field(hs, node, "next", &node) && node) {
		if (++collecting->nodes > NODES_MAX)
			return false;
		/* one that gave up has none */
		count += (read_field(hs, node, "waiter", &waiter) ||
			  read_field(hs, node, "thread", &waiter)) &&
			 waiter;
	}
	*ret = count;
	return true;
}

static bool is_queued(const struct hs *hs, uint64_t object)
{
	uint64_t klass = hs_klass_at(hs, object);

	return klass && hs_field_offset(hs, klass, "head", false) &&
	       hs_field_offset(hs, klass, "tail", false) &&
	       hs_field_offset(hs, klass, "state", false);
}

/* Of a synchronizer: virtual threads are in its queue only, and so may the owner be one. */
static void complete(struct collecting *collecting, struct ch_lock *lock)
{
	struct hs *hs = collecting->hs;
	uint64_t at = hs_owner_field(hs, lock->object), owner, count;
	const struct hs_thread *running;
	uint32_t offset, state;

	if (!is_queued(hs, lock->object))
		return;
	if (count_queue(collecting, lock->object, &count) && count > lock->waiters)
		lock->waiters = count;
	if (!at || !hs_read_oop(hs, at, &owner) || !owner)
		return;
	lock->held = true;
	running = hs_thread_running(hs, owner);
	lock->owner_tid = running ? running->tid : 0;
	lock->owner_number = hs_thread_number(hs, owner);
	/* the state of a lock that is no read-write lock: how often it was taken */
	offset = hs_field_offset(hs, hs_klass_at(hs, lock->object), "state", false);
	lock->recursion_known =
		hs_read_u32(hs, lock->object + offset, &state) && state && state < 1U << 16;
	lock->recursion = lock->recursion_known ? state - 1 : 0;
}

/* ---- Synchronizers of the heap ---------------------------------------------------- */

static struct ch_error *find_classes(struct collecting *collecting, struct ch_heaps *heaps)
{
	struct hs *hs = collecting->hs;
	const struct ch_type_stat *stats;
	const struct ch_runtime *runtimes;
	struct ch_error *err;
	char name[HS_NAME_MAX];
	struct ch_type type;
	size_t count, i;

	runtimes = ch_heaps_runtimes(heaps, &count);
	err = ch_heaps_types(heaps, &stats, &count);
	for (i = 0; !err && i < count && collecting->classes_count < CLASSES_MAX; i++) {
		err = ch_heaps_type(heaps, stats[i].type, &type);
		if (!err && stats[i].kind == CH_TYPE_OBJECT &&
		    strcmp(runtimes[type.walker].name, "hotspot") == 0 &&
		    type.key > HS_TYPE_WASTE && !(type.key & CH_TYPE_KEY_ENGINE) &&
		    hs_klass_symbol(hs, type.key, name, sizeof(name)) && name[0] != '[' &&
		    hs_field_offset(hs, type.key, "exclusiveOwnerThread", false))
			collecting->classes[collecting->classes_count++] = type.key;
	}
	return err;
}

/* Those that a thread has, or that something is in the queue of. */
static struct ch_error *look(void *arg, const struct ch_object *objects, size_t n)
{
	struct collecting *collecting = arg;
	const struct hs *hs = collecting->hs;
	struct ch_lock lock = { .kind = "synchronizer" };
	uint64_t owner, waiting;
	uint32_t k;
	size_t i;

	for (i = 0; i < n; i++) {
		for (k = 0; k < collecting->classes_count; k++)
			if (collecting->classes[k] == objects[i].key)
				break;
		if (k == collecting->classes_count || objects[i].state != CH_OBJECT_USED)
			continue;
		lock.object = objects[i].addr;
		if (!read_field(hs, lock.object, "exclusiveOwnerThread", &owner))
			owner = 0;
		if (!count_queue(collecting, lock.object, &waiting))
			waiting = 0;
		if ((owner || waiting) && !push(collecting, &lock))
			return &ch_enomem;
	}
	return NULL;
}

static struct ch_error *add_synchronizers(struct collecting *collecting, struct ch_heaps *heaps)
{
	struct ch_error *err = find_classes(collecting, heaps);

	return err || !collecting->classes_count
		       ? err
		       : chp_heaps_walk_runtime(heaps, "hotspot", look, collecting);
}

struct ch_error *hs_locks(void *state, struct ch_heaps *heaps, ch_lock_fn fn, void *arg)
{
	struct collecting collecting = { .hs = state, .rows = CH_VEC(struct row) };
	const struct hs_thread *threads;
	struct ch_error *err = NULL;
	struct row *rows;
	size_t count, i;

	threads = hs_threads(state, &count);
	for (i = 0; !err && i < count; i++)
		if (!add_waiting(&collecting, &threads[i]) || !add_held(&collecting, &threads[i]))
			err = &ch_enomem;
	if (!err && !add_monitors(&collecting))
		err = &ch_enomem;
	if (!err)
		err = add_synchronizers(&collecting, heaps);
	if (!err)
		merge(&collecting.rows);
	rows = collecting.rows.items;
	for (i = 0; !err && i < collecting.rows.count; i++) {
		if (strcmp(rows[i].lock.kind, "synchronizer") == 0)
			complete(&collecting, &rows[i].lock);
		err = fn(arg, &rows[i].lock);
	}
	ch_vec_deinit(&collecting.rows);
	return err;
}
