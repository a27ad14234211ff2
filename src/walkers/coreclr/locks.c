/*
 * Locks of .NET: monitors of objects and instances of System.Threading.Lock.
 *
 * dotnet/runtime, release/8.0 to release/10.0, src/coreclr/vm/syncblk.h: the word before an
 * object has the thread that locked it and how often once more (a thin lock), or the number of
 * its SyncBlock in the table g_pSyncTable, whose entries are SyncBlock and object. AwareLock is
 * the first member of a SyncBlock: state (bit 0: locked, from bit 6 on the number of waiters),
 * recursion, owner: up to 9 its Thread, in 10 its number; from 8 on its kernel id follows. In 11
 * it is a handle of a System.Threading.Lock that does the work.
 * System.Private.CoreLib, System/Threading/Lock.cs (9 and later): waiters from bit 7 on.
 */
#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"

enum {
	HEADER_BYTES = 4,
	/* SyncTableEntry; AwareLock. */
	ENTRY_BYTES = 16,
	ENTRY_OBJECT = 8,
	LOCK_BYTES = 24,
	LOCK_RECURSION = 4,
	LOCK_OWNER = 8,
	LOCK_OWNER_TID = 16,
	/* How many times a thread has it. */
	LOCKED = 1,
	MONITOR_WAITERS_SHIFT = 6,
	LOCK_WAITERS_SHIFT = 7,
	/* Where in Thread its number lies, before .NET 9. */
	NUMBER_FROM = 16,
	NUMBER_END = 64,
	NUMBER_MAX = 1 << 16,
	/* Of objects that may be damaged. */
	SEARCHES_MAX = 64,
};

#define HEADER_IS_INDEX 0x08000000U
#define HEADER_IS_HASH  0x04000000U
#define INDEX_MASK      0x03ffffffU

/* ---- Threads ------------------------------------------------------------------ */

static bool read_number(const struct clr *clr, uint64_t thread, uint32_t offset, uint32_t *ret)
{
	return ch_core_read_u32(clr->core, thread + offset, ret) && *ret && *ret < NUMBER_MAX;
}

/* Numbers of threads are small, and no two are alike. */
static bool fits_numbers(const struct clr *clr, uint32_t offset)
{
	const struct clr_thread *threads = clr->threads.items;
	uint8_t seen[NUMBER_MAX / 8] = { 0 };
	uint32_t number;
	size_t i;

	for (i = 0; i < clr->threads.count; i++) {
		if (!read_number(clr, threads[i].addr, offset, &number) ||
		    seen[number / 8] >> number % 8 & 1)
			return false;
		seen[number / 8] = (uint8_t)(seen[number / 8] | 1U << number % 8);
	}
	return clr->threads.count > 1;
}

void clr_thread_numbers(struct clr *clr)
{
	struct clr_thread *threads = clr->threads.items;
	uint32_t offset = clr->layout.thread_number;
	size_t i;

	if (!clr->threads.count || threads[0].number)
		return;
	for (i = NUMBER_FROM; !offset && i < NUMBER_END; i += 4)
		if (fits_numbers(clr, (uint32_t)i))
			offset = (uint32_t)i;
	for (i = 0; offset && i < clr->threads.count; i++)
		if (!read_number(clr, threads[i].addr, offset, &threads[i].number))
			threads[i].number = 0;
}

static void set_owner(const struct clr *clr, uint64_t word, uint32_t tid, struct ch_lock *lock)
{
	const struct clr_thread *threads = clr->threads.items, *found = NULL;
	size_t i;

	for (i = 0; i < clr->threads.count; i++) {
		if (threads[i].addr == word || (threads[i].number && threads[i].number == word)) {
			found = &threads[i];
			break;
		}
		if (tid && threads[i].tid == tid)
			found = &threads[i];
	}
	lock->owner_tid = found ? found->tid : 0;
	lock->owner_number = found ? found->number : 0;
}

/* ---- Locks -------------------------------------------------------------------- */

struct visiting {
	struct clr *clr;
	ch_lock_fn fn;
	void *arg;
	/* g_pSyncTable; how often it was looked for. */
	uint64_t table;
	uint32_t searches;
	/* Monitors that are not in the core. */
	uint64_t unread;
	/* System.Threading.Lock, 0: there is none; and its fields. */
	uint64_t lock_mt;
	struct ch_field_place state, owner, recursion;
	/* of struct ch_lock: instances of it; of uint64_t: those that are monitors of objects */
	struct ch_vec instances, inner;
	/* Bytes at hand: [bytes, bytes + (end - start)) stands for [start, end). */
	uint64_t start, end;
	const uint8_t *bytes;
};

/* The entry of an object's number has that object: which table that is true of is the right
 * one. */
static bool is_entry(const struct clr *clr, uint64_t table, uint32_t index, uint64_t object)
{
	uint64_t at = table + (uint64_t)ENTRY_BYTES * index, found;

	return table % 8 == 0 && clr_read_ptr(clr, at + ENTRY_OBJECT, &found) && found == object;
}

static uint64_t find_table(const struct clr *clr, uint32_t index, uint64_t object)
{
	uint64_t table;
	int32_t i;

	for (i = 1; i < CLR_VARIABLES; i++)
		if (clr_variable_value(clr, i, &table) && is_entry(clr, table, index, object))
			return table;
	return 0;
}

/* What an instance of System.Threading.Lock says. False: it is not in the core. */
static bool read_lock(const struct visiting *visiting, uint64_t object, struct ch_lock *ret)
{
	const struct clr *clr = visiting->clr;
	uint32_t state, owner, recursion;

	if (!ch_core_read_u32(clr->core, object + visiting->state.offset, &state) ||
	    !ch_core_read_u32(clr->core, object + visiting->owner.offset, &owner) ||
	    !ch_core_read_u32(clr->core, object + visiting->recursion.offset, &recursion))
		return false;
	ret->held = state & LOCKED;
	ret->waiters = state >> LOCK_WAITERS_SHIFT;
	ret->recursion = recursion;
	ret->recursion_known = true;
	if (ret->held)
		set_owner(clr, owner, owner, ret);
	return true;
}

/* The instance that a SyncBlock leads to; 0: it has its own lock. */
static uint64_t inner_lock(const struct visiting *visiting, uint64_t handle)
{
	uint64_t object, mt;

	return visiting->lock_mt && handle && handle % 8 == 0 &&
			       clr_read_ptr(visiting->clr, handle, &object) && object &&
			       clr_read_ptr(visiting->clr, object, &mt) &&
			       (mt & CLR_MT_MASK) == visiting->lock_mt
		       ? object
		       : 0;
}

static void read_own(const struct clr *clr, const uint8_t *block, struct ch_lock *ret)
{
	uint32_t state = ch_get32(block), recursion = ch_get32(block + LOCK_RECURSION);

	ret->held = state & LOCKED;
	ret->waiters = state >> MONITOR_WAITERS_SHIFT;
	if (!ret->held)
		return;
	ret->recursion_known = recursion > 0;
	ret->recursion = recursion ? recursion - 1 : 0;
	set_owner(clr, ch_get64(block + LOCK_OWNER), ch_get32(block + LOCK_OWNER_TID), ret);
}

static struct ch_error *put(const struct visiting *visiting, const struct ch_lock *lock)
{
	size_t count;

	ch_core_threads(visiting->clr->core, &count);
	/* more than there are threads: that is no lock */
	if ((!lock->held && !lock->waiters) || lock->waiters > count)
		return NULL;
	return visiting->fn(visiting->arg, lock);
}

static struct ch_error *put_block(struct visiting *visiting, uint32_t index, uint64_t object)
{
	const struct clr *clr = visiting->clr;
	struct ch_lock lock = { .kind = "monitor", .object = object, .index = index };
	uint8_t block[LOCK_BYTES];
	uint64_t inner, *slot;

	if (!visiting->table && visiting->searches < SEARCHES_MAX) {
		visiting->searches++;
		visiting->table = find_table(clr, index, object);
	}
	if (!visiting->table || !is_entry(clr, visiting->table, index, object) ||
	    !clr_read_ptr(clr, visiting->table + (uint64_t)ENTRY_BYTES * index, &lock.addr))
		return NULL;
	if (!ch_core_try_read(clr->core, lock.addr, block, sizeof(block))) {
		visiting->unread++;
		return NULL;
	}
	inner = inner_lock(visiting, ch_get64(block));
	if (!inner) {
		read_own(clr, block, &lock);
		return put(visiting, &lock);
	}
	slot = ch_vec_push(&visiting->inner);
	if (!slot)
		return &ch_enomem;
	*slot = inner;
	return read_lock(visiting, inner, &lock) ? put(visiting, &lock) : NULL;
}

static struct ch_error *put_thin(struct visiting *visiting, uint32_t header, uint64_t object)
{
	bool wide = visiting->clr->layout.token_bits == CLR_TOKEN_BITS;
	uint32_t number = header & (wide ? 0xffffU : 0x3ffU);
	struct ch_lock lock = { .kind = "thin lock",
				.object = object,
				.held = true,
				.recursion = header >> (wide ? 16 : 10) & 0x3f,
				.recursion_known = true };

	set_owner(visiting->clr, number, 0, &lock);
	/* the number of no thread: damage */
	return number && lock.owner_number ? visiting->fn(visiting->arg, &lock) : NULL;
}

static struct ch_error *keep_lock(struct visiting *visiting, uint64_t object)
{
	struct ch_lock lock = { .kind = "Lock", .object = object }, *slot;

	if (!read_lock(visiting, object, &lock) || (!lock.held && !lock.waiters))
		return NULL;
	slot = ch_vec_push(&visiting->instances);
	if (!slot)
		return &ch_enomem;
	*slot = lock;
	return NULL;
}

static int compare_addrs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Those that are locks of the program's own. */
static struct ch_error *put_locks(struct visiting *visiting)
{
	const struct ch_lock *locks = visiting->instances.items;
	struct ch_error *err = NULL;
	size_t i;

	ch_vec_sort(&visiting->inner, compare_addrs);
	for (i = 0; !err && i < visiting->instances.count; i++)
		if (!visiting->inner.count ||
		    !bsearch(&locks[i].object, visiting->inner.items, visiting->inner.count,
			     sizeof(uint64_t), compare_addrs))
			err = put(visiting, &locks[i]);
	return err;
}

static bool read_header(struct visiting *visiting, uint64_t object, uint32_t *ret)
{
	uint64_t at = object - HEADER_BYTES;
	size_t len;

	if (at < visiting->start || at + HEADER_BYTES > visiting->end) {
		visiting->bytes = ch_core_span(visiting->clr->core, at, &len);
		visiting->start = at;
		visiting->end = visiting->bytes ? at + len : at;
		if (at + HEADER_BYTES > visiting->end)
			return false;
	}
	*ret = ch_get32(visiting->bytes + (at - visiting->start));
	return true;
}

static struct ch_error *look(void *arg, const struct ch_object *objects, size_t n)
{
	struct visiting *visiting = arg;
	struct ch_error *err = NULL;
	uint32_t header;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].key <= CLR_TYPE_UNUSED)
			continue;
		if (objects[i].key == visiting->lock_mt && visiting->lock_mt)
			err = keep_lock(visiting, objects[i].addr);
		if (err || !read_header(visiting, objects[i].addr, &header))
			continue;
		if (!(header & HEADER_IS_INDEX))
			err = put_thin(visiting, header, objects[i].addr);
		else if (!(header & HEADER_IS_HASH))
			err = put_block(visiting, header & INDEX_MASK, objects[i].addr);
	}
	return err;
}

/* Without one of its fields it is another class of that name. */
static struct ch_error *find_lock_class(struct visiting *visiting)
{
	const struct ch_inspected of = { &clr_inspector, visiting->clr, 0 };
	struct {
		const char *name;
		struct ch_field_place *to;
	} wanted[] = { { "_state", &visiting->state },
		       { "_owningThreadId", &visiting->owner },
		       { "_recursionCount", &visiting->recursion } };
	struct ch_error *err;
	bool found = true;
	size_t i;

	err = clr_inspector.find_type(visiting->clr, "System.Threading.Lock", &visiting->lock_mt);
	for (i = 0; !err && visiting->lock_mt && i < CH_COUNT_OF(wanted); i++) {
		err = chp_field_find(&of, visiting->lock_mt, false, wanted[i].name, wanted[i].to,
				     &found);
		if (!found)
			visiting->lock_mt = 0;
	}
	return err;
}

struct ch_error *clr_locks(void *state, struct ch_heaps *heaps, ch_lock_fn fn, void *arg)
{
	struct visiting visiting = { .clr = state,
				     .fn = fn,
				     .arg = arg,
				     .instances = CH_VEC(struct ch_lock),
				     .inner = CH_VEC(uint64_t) };
	struct ch_error *err;

	clr_thread_numbers(state);
	err = find_lock_class(&visiting);
	if (!err)
		err = chp_heaps_walk_runtime(heaps, "coreclr", look, &visiting);
	if (!err)
		err = put_locks(&visiting);
	ch_vec_deinit(&visiting.instances);
	ch_vec_deinit(&visiting.inner);
	if (!err && visiting.unread)
		chp_context_finding(
			visiting.clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-locks",
			"%llu monitors of objects are not in the core: who waits for one "
			"of these is not known",
			(unsigned long long)visiting.unread);
	if (!err && visiting.searches && !visiting.table)
		chp_context_finding(
			visiting.clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-locks",
			"objects have monitors, but the runtime's table of them was not "
			"found: who waits for one is not known");
	return err;
}
