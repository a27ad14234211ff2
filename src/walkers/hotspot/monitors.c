/*
 * What threads of Java wait for: monitors to enter or to be notified of, objects that they
 * were parked for; and which thread has the monitor.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share/runtime: objectMonitor.hpp
 * (_object is the object itself up to 15, later a weak handle of it; _owner is a JavaThread
 * or a lock on its stack, from 24 on the number that JavaThread::_monitor_owner_id has, and
 * 1 where nobody has told which thread it is: as with lightweight locks from 21 on).
 */
#include <stdio.h>

#include "walkers/hotspot/hotspot_priv.h"

/* Threads looked at for owners, in all. */
#define OWNERS_MAX (1ULL << 26)

static bool take_object(const struct hs *hs, uint64_t object, struct ch_thread_info *ret)
{
	if (!object || object % 8 ||
	    !hs_klass_name(hs, hs_klass_at(hs, object), ret->waits_type, sizeof(ret->waits_type)))
		return false;
	ret->waits_for = object;
	return true;
}

static bool is_object(const struct hs *hs, uint64_t addr)
{
	char name[HS_NAME_MAX];

	return addr && addr % 8 == 0 &&
	       hs_klass_name(hs, hs_klass_at(hs, addr), name, sizeof(name));
}

/* The tables do not tell of which kind it is. */
uint64_t hs_monitor_object(const struct hs *hs, uint64_t monitor)
{
	uint64_t at = hs_member_addr(hs, HS_MONITOR_OBJECT, monitor), word, object;

	if (!at || !hs_read_ptr(hs, at, &word) || !word)
		return 0;
	if (hs_read_word(hs, word, &object) && is_object(hs, object))
		return object;
	return is_object(hs, word) ? word : 0;
}

static bool take_monitor(const struct hs *hs, uint64_t monitor, struct ch_thread_info *ret)
{
	return take_object(hs, hs_monitor_object(hs, monitor), ret);
}

/* Who locks without a monitor keeps the object in a list of its own, where it stays when
 * somebody else makes a monitor of it (runtime/lockStack.hpp): the offset of the first
 * free entry, and entries. */
uint32_t hs_lock_stack(const struct hs *hs, uint64_t thread, uint64_t objects[HS_LOCK_STACK_MAX])
{
	uint64_t stack = hs_member_addr(hs, HS_LOCK_STACK, thread), base, value;
	uint32_t top, i, count = 0;

	base = hs_member_addr(hs, HS_LOCK_STACK_BASE, stack);
	if (!base || !hs_member_u32(hs, HS_LOCK_STACK_TOP, stack, &top))
		return 0;
	for (i = 0; i < HS_LOCK_STACK_MAX && base + 8ULL * i < thread + top; i++)
		if (hs_read_word(hs, base + 8ULL * i, &value) && value)
			objects[count++] = value;
	return count;
}

static bool has_locked(const struct hs *hs, uint64_t thread, uint64_t object)
{
	uint64_t objects[HS_LOCK_STACK_MAX];
	uint32_t count = hs_lock_stack(hs, thread, objects), i;

	for (i = 0; i < count; i++)
		if (objects[i] == object)
			return true;
	return false;
}

uint32_t hs_monitor_owner(struct hs *hs, uint64_t monitor, uint64_t object)
{
	enum { ANONYMOUS = 1 };
	const struct hs_thread *threads = hs->threads.items, *found;
	uint64_t owner;
	size_t i;

	if (!hs_member_ptr(hs, HS_MONITOR_OWNER, monitor, &owner) || !owner ||
	    hs->work.owners > OWNERS_MAX)
		return 0;
	hs->work.owners += hs->threads.count;
	for (i = 0; i < hs->threads.count; i++)
		if (owner == ANONYMOUS ? has_locked(hs, threads[i].addr, object)
				       : threads[i].addr == owner || (threads[i].owner_id &&
								      threads[i].owner_id == owner))
			return threads[i].tid;
	found = hs_thread_at(hs, owner);
	return found ? found->tid : 0;
}

/* java.util.concurrent.locks.AbstractOwnableSynchronizer, which all that have an owner derive
 * from. */
uint64_t hs_owner_field(const struct hs *hs, uint64_t object)
{
	uint32_t offset =
		hs_field_offset(hs, hs_klass_at(hs, object), "exclusiveOwnerThread", false);

	return offset ? object + offset : 0;
}

const struct hs_thread *hs_thread_running(struct hs *hs, uint64_t object)
{
	const struct hs_thread *threads;
	size_t count, i;

	threads = hs_threads(hs, &count);
	if (!object || hs->work.owners > OWNERS_MAX)
		return NULL;
	hs->work.owners += count;
	for (i = 0; i < count; i++)
		if ((threads[i].carried ? threads[i].carried : threads[i].object) == object)
			return &threads[i];
	return NULL;
}

void hs_waits_for(struct hs *hs, const struct hs_thread *thread, uint64_t object,
		  struct ch_thread_info *ret)
{
	uint64_t monitor, blocker, at;
	const struct hs_thread *owner;
	uint32_t offset;

	if (hs_member_ptr(hs, HS_THREAD_ENTERING, thread->addr, &monitor) && monitor &&
	    take_monitor(hs, monitor, ret)) {
		ret->waits_to = "enter";
		ret->held_by = hs_monitor_owner(hs, monitor, ret->waits_for);
		return;
	}
	if (hs_member_ptr(hs, HS_THREAD_WAITING, thread->addr, &monitor) && monitor &&
	    take_monitor(hs, monitor, ret)) {
		ret->waits_to = "wait";
		return;
	}
	offset = object ? hs_field_offset(hs, hs_klass_at(hs, object), "parkBlocker", false) : 0;
	if (!offset || !hs_read_oop(hs, object + offset, &blocker) ||
	    !take_object(hs, blocker, ret))
		return;
	ret->waits_to = "park";
	at = hs_owner_field(hs, blocker);
	owner = at && hs_read_oop(hs, at, &blocker) ? hs_thread_running(hs, blocker) : NULL;
	ret->held_by = owner ? owner->tid : 0;
}
