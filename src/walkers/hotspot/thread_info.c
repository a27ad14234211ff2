/*
 * What `threads` shows of a thread: of one that runs Java its name, states and what it waits
 * for; of the JVM's own (collector, compiler) the name in the structure that its stack leads to.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: runtime/nonJavaThread.hpp,
 * runtime/osThread.hpp, classfile/javaClasses.hpp (JavaThreadStatus, the same numbers in 8 to
 * 25), utilities/globalDefinitions.hpp (JavaThreadState); java.base/java/lang/Thread.java.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/hotspot_priv.h"

/* How far from the end of its stack a thread's own structure is looked for. */
#define SCAN_BYTES 32768U
/* Words of all stacks. */
#define WORDS_MAX (1ULL << 26)

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
	uint64_t at = hs_object_field(hs, object, "tid"), number;

	return at && hs_read_ptr(hs, at, &number) ? number : 0;
}

static void describe_java(struct hs *hs, const struct hs_thread *thread, struct ch_thread_info *ret)
{
	uint64_t object = hs_thread_object(hs, HS_THREAD_OOP, thread->addr), holder = 0, at;
	uint32_t status;
	uint8_t daemon;

	ret->kind = "Java";
	ret->addr = thread->addr;
	ret->object = object;
	if (hs_member_u32(hs, HS_THREAD_STATE, thread->addr, &status))
		ret->vm_state = vm_state_text(status);
	hs_waits_for(hs, thread, object, ret);
	if (!object)
		return;
	hs_thread_name(hs, object, ret->name, sizeof(ret->name));
	ret->number = hs_thread_number(hs, object);
	at = hs_thread_object(hs, HS_THREAD_VIRTUAL, thread->addr);
	if (at && at != object) {
		hs_thread_name(hs, at, ret->carried_name, sizeof(ret->carried_name));
		ret->carried_number = hs_thread_number(hs, at);
	}
	/* from 19 on what virtual threads do not have is in an object of its own */
	at = hs_object_field(hs, object, "holder");
	if (!at || !hs_read_oop(hs, at, &holder) || !holder)
		holder = object;
	at = hs_object_field(hs, holder, "threadStatus");
	if (at && hs_read_u32(hs, at, &status))
		ret->state = status_text(status);
	if (read_byte(hs, hs_object_field(hs, holder, "daemon"), &daemon))
		ret->daemon = daemon == 1;
}

/* Whether a word is the Thread of a core's thread: its stack and its pthread_t say so. */
static bool is_thread(const struct hs *hs, uint64_t addr, const struct ch_thread *thread)
{
	struct hs_thread found;
	uint64_t os, pthread;

	return hs_thread_read(hs, addr, &found) && thread->sp >= found.stack_start &&
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
