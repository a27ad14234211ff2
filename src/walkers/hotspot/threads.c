/*
 * The JVM's threads: those that run Java, by the JVM's list of them, with their names and
 * states; its own (collector, compiler) by the structure that their stacks lead to.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: runtime/thread.hpp,
 * runtime/javaThread.hpp, runtime/nonJavaThread.hpp, runtime/osThread.hpp,
 * classfile/javaClasses.hpp (JavaThreadStatus, the same numbers in 8 to 25),
 * utilities/globalDefinitions.hpp (JavaThreadState); java.base/java/lang/Thread.java.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/utf.h"
#include "walkers/hotspot/hotspot_priv.h"

#define THREADS_MAX (1U << 17)
#define SUPERS_MAX  64
#define NAME_CHARS  256
/* How far from the end of its stack a thread's own structure is looked for. */
#define SCAN_BYTES 32768U
/* Words of all stacks. */
#define WORDS_MAX (1ULL << 26)

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

/* A thread's stack and number; false: the structure makes no sense. */
static bool read_thread(const struct hs *hs, uint64_t addr, struct hs_thread *ret)
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

static void add_thread(struct hs *hs, uint64_t addr)
{
	struct hs_thread thread, *slot;

	uint64_t at;

	if (!read_thread(hs, addr, &thread))
		return;
	if (!hs_member_object(hs, HS_THREAD_OOP, addr, &at, &thread.object))
		thread.object = 0;
	if (!hs_member_object(hs, HS_THREAD_VIRTUAL, addr, &at, &thread.carried))
		thread.carried = 0;
	slot = ch_vec_push(&hs->threads);
	if (slot)
		*slot = thread;
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
	size_t i;

	hs->threads_listed = true;
	/* without memory for the list there are no names */
	if (!hs_threads_find(hs, &addrs))
		for (i = 0; i < addrs.count; i++)
			add_thread(hs, *CH_VEC_AT(&addrs, uint64_t, i));
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
	size_t low = 0, high, mid;

	threads = hs_threads(hs, &high);
	while (low < high) {
		mid = low + (high - low) / 2;
		if (threads[mid].stack_start <= sp)
			low = mid + 1;
		else
			high = mid;
	}
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

/* The java.lang.Thread that a member of a thread leads to. 0: not known. */
static uint64_t thread_object(const struct hs *hs, enum hs_member_id id, uint64_t thread)
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
		if (!read_thread(hs, *CH_VEC_AT(&addrs, uint64_t, i), &thread))
			continue;
		object = thread_object(hs, HS_THREAD_OOP, thread.addr);
		if (object)
			err = fn(arg, thread.tid, object);
	}
	ch_vec_deinit(&addrs);
	return err;
}

/* Characters of 1 or 2 bytes as UTF-8, as far as buf reaches. */
static void put_text(const struct hs *hs, const struct ch_object_shape *shape, char *buf,
		     size_t max)
{
	uint64_t count = ch_min(shape->count, NAME_CHARS), i, units = 1;
	uint32_t width = shape->element_bytes, code;
	uint8_t bytes[2 * NAME_CHARS];
	size_t used = 0;

	buf[0] = '\0';
	if (width < 1 || width > 2 || !count ||
	    !ch_core_try_read(hs->core, shape->data_addr, bytes, count * width))
		return;
	for (i = 0; i < count && used + 5 < max; i += units) {
		code = width == 1 ? bytes[i] : chp_utf16_read(bytes, count, i, &units);
		used += chp_utf8_put(buf + used, code ? code : 0xfffd);
	}
	buf[used] = '\0';
}

/* A field of a class or one that it derives from, in an object. */
static uint64_t field_addr(const struct hs *hs, uint64_t object, const char *name)
{
	uint32_t offset = object ? hs_field_offset(hs, hs_klass_at(hs, object), name, false) : 0;

	return offset ? object + offset : 0;
}

void hs_text(struct hs *hs, uint64_t object, char *buf, size_t max)
{
	struct ch_object_shape shape;

	buf[0] = '\0';
	if (!object)
		return;
	hs_inspector.shape(hs, object, hs_klass_at(hs, object), &shape);
	if (shape.kind == CH_SHAPE_STRING || shape.kind == CH_SHAPE_ARRAY)
		put_text(hs, &shape, buf, max);
}

/* Up to 8 it may be an array of characters itself. */
void hs_thread_name(struct hs *hs, uint64_t object, char *buf, size_t max)
{
	uint64_t at = field_addr(hs, object, "name"), text;

	buf[0] = '\0';
	if (at && hs_read_oop(hs, at, &text))
		hs_text(hs, text, buf, max);
}

static const char *status_text(uint32_t status)
{
	static const struct {
		uint32_t status;
		const char *text;
	} rows[] = {
		{ 0, "NEW" },
		{ 5, "RUNNABLE" },
		{ 225, "TIMED_WAITING (sleeping)" },
		{ 401, "WAITING (on object monitor)" },
		{ 417, "TIMED_WAITING (on object monitor)" },
		{ 657, "WAITING (parking)" },
		{ 673, "TIMED_WAITING (parking)" },
		{ 1025, "BLOCKED (on object monitor)" },
		{ 2, "TERMINATED" },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return NULL;
}

static const char *vm_state_text(uint32_t state)
{
	/* every second one is on the way out of the one before */
	static const char *const texts[] = { NULL,        NULL,        "new",     "new",
					     "in native", "in native", "in VM",   "in VM",
					     "in Java",   "in Java",   "blocked", "blocked" };

	return state < CH_COUNT_OF(texts) ? texts[state] : NULL;
}

static bool read_byte(const struct hs *hs, uint64_t addr, uint8_t *ret)
{
	return addr && ch_core_try_read(hs->core, addr, ret, 1);
}

uint64_t hs_thread_number(const struct hs *hs, uint64_t object)
{
	uint64_t at = field_addr(hs, object, "tid"), number;

	return at && hs_read_ptr(hs, at, &number) ? number : 0;
}

static void describe_java(struct hs *hs, const struct hs_thread *thread, struct ch_thread_info *ret)
{
	uint64_t object = thread_object(hs, HS_THREAD_OOP, thread->addr), holder = 0, at;
	uint32_t status;
	uint8_t daemon;

	ret->kind = "Java";
	ret->addr = thread->addr;
	if (hs_member_u32(hs, HS_THREAD_STATE, thread->addr, &status))
		ret->vm_state = vm_state_text(status);
	hs_waits_for(hs, thread, object, ret);
	if (!object)
		return;
	hs_thread_name(hs, object, ret->name, sizeof(ret->name));
	ret->number = hs_thread_number(hs, object);
	at = thread_object(hs, HS_THREAD_VIRTUAL, thread->addr);
	if (at && at != object) {
		hs_thread_name(hs, at, ret->carried_name, sizeof(ret->carried_name));
		ret->carried_number = hs_thread_number(hs, at);
	}
	/* from 19 on what virtual threads do not have is in an object of its own */
	at = field_addr(hs, object, "holder");
	if (!at || !hs_read_oop(hs, at, &holder) || !holder)
		holder = object;
	at = field_addr(hs, holder, "threadStatus");
	if (at && hs_read_u32(hs, at, &status))
		ret->state = status_text(status);
	if (read_byte(hs, field_addr(hs, holder, "daemon"), &daemon))
		ret->daemon = daemon == 1;
}

/* ---- Others -------------------------------------------------------------------------- */

/* Whether a word is the Thread of a core's thread: its stack and its pthread_t say so. */
static bool is_thread(const struct hs *hs, uint64_t addr, const struct ch_thread *thread)
{
	struct hs_thread found;
	uint64_t os, pthread;

	return read_thread(hs, addr, &found) && thread->sp >= found.stack_start &&
	       thread->sp < found.stack_end && thread->tls_base &&
	       hs_member_ptr(hs, HS_THREAD_OS, addr, &os) &&
	       hs_member_ptr(hs, HS_OS_PTHREAD, os, &pthread) && pthread == thread->tls_base;
}

/* A thread's first function keeps its Thread on the stack. */
static uint64_t find_own(struct hs *hs, size_t index, const struct ch_thread *thread)
{
	uint64_t words[SCAN_BYTES / 8], start, end, from, n, i;

	if (!ch_map_thread_stack(hs->env->map, index, &start, &end) || thread->sp < start ||
	    thread->sp >= end)
		return 0;
	from = ch_max(ch_align_up(thread->sp, 8), end - ch_min(end - start, SCAN_BYTES));
	n = from < end ? (end - from) / 8 : 0;
	hs->work.words += n;
	if (!n || hs->work.words > WORDS_MAX || !ch_core_try_read(hs->core, from, words, 8 * n))
		return 0;
	for (i = n; i-- > 0;) {
		const uint64_t word = le64toh(words[i]);

		if (word >= CH_PAGE_BYTES && word % 8 == 0 && is_thread(hs, word, thread))
			return word;
	}
	return 0;
}

/* NamedThread::_name, if that is what lies there: few threads are none. */
static void read_vm_name(const struct hs *hs, uint64_t addr, char *buf, size_t max)
{
	uint64_t text;
	size_t i;

	if (!hs_member_ptr(hs, HS_NAMED_NAME, addr, &text) || !text ||
	    !ch_core_read_string(hs->core, text, buf, max)) {
		buf[0] = '\0';
		return;
	}
	for (i = 0; buf[i] >= ' ' && buf[i] <= '~'; i++)
		;
	if (i < 3 || buf[i])
		buf[0] = '\0';
}

/* WatcherThread::name(): the one thread that has a name of its own by its class only. */
static bool is_watcher(const struct hs *hs, uint64_t addr)
{
	struct ch_symbol symbol;
	uint64_t table;

	return hs_read_ptr(hs, addr, &table) && ch_sym_at(hs->env->sym, table, &symbol) &&
	       strcmp(symbol.name, "_ZTV13WatcherThread") == 0;
}

bool hs_thread_info(void *state, size_t index, struct ch_thread_info *ret)
{
	struct hs *hs = state;
	const struct ch_thread *threads;
	const struct hs_thread *found;
	size_t count;

	threads = ch_core_threads(hs->core, &count);
	if (index >= count)
		return false;
	found = hs_thread_at(hs, threads[index].sp);
	if (found) {
		describe_java(hs, found, ret);
		return true;
	}
	ret->addr = find_own(hs, index, &threads[index]);
	if (!ret->addr)
		return false;
	ret->kind = "VM";
	if (is_watcher(hs, ret->addr))
		snprintf(ret->name, sizeof(ret->name), "VM Periodic Task Thread");
	else
		read_vm_name(hs, ret->addr, ret->name, sizeof(ret->name));
	return true;
}
