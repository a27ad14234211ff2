/*
 * Exceptions that threads have on their way.
 *
 * A thread's pending exception is what the JVM itself has thrown and Java code has not been
 * told of yet; one that compiled code throws passes through another member of the thread
 * (openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: utilities/exceptions.hpp,
 * ThreadShadow; runtime/javaThread.hpp, _exception_oop). Behind a handler only the thread's own
 * variables refer to it: a word of the stack that is the address of a Throwable. Before the
 * JVM throws OutOfMemoryError it reports that: utilities/debug.cpp, report_java_out_of_memory(),
 * dumps the heap, runs commands, crashes.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

#define CAUSES_MAX 64
#define FRAMES_MAX 64
/* Words of all stacks that are looked at. */
#define WORDS_MAX (1ULL << 24)
/* Bytes below which the function that reports is on a stack. */
#define NEAR_BYTES 65536U
/* More than that function has: 700 in 17. */
#define REPORT_BYTES  4096
#define REPORT_NAME   "_Z25report_java_out_of_memoryPKc"
#define OUT_OF_MEMORY "java.lang.OutOfMemoryError"

/* What a stack is looked through for. */
struct search {
	struct hs *hs;
	/* A word may return to report_java_out_of_memory(). */
	bool reported;
	/* Where objects are; one that is an exception, 0: none yet. */
	uint64_t low, high, object;
};

/* ---- Objects ------------------------------------------------------------------------- */

static bool in_space(const struct hs *hs, uint64_t addr)
{
	const struct hs_space *spaces = hs->spaces.items;
	size_t i;

	for (i = 0; i < hs->spaces.count; i++)
		if (addr >= spaces[i].start && addr < spaces[i].top)
			return true;
	return false;
}

/* A pointer of 8 bytes of a thread, of which the collector may not know yet. */
static uint64_t decode(const struct hs *hs, uint64_t word)
{
	return hs->colors.used ? hs_zgc_decode_spilled(hs, word) : word;
}

static bool is_exception(struct hs *hs, uint64_t addr)
{
	uint64_t klass;

	if (!addr || !hs->align || addr % hs->align)
		return false;
	klass = hs_klass_at(hs, addr);
	return klass && hs_is_throwable(hs, klass) && in_space(hs, addr);
}

/* The object that a field of Throwable refers to; 0: none. */
static uint64_t field_of(const struct hs *hs, uint64_t object, const char *name)
{
	uint64_t base = hs_throwable_base(hs, hs_klass_at(hs, object)), value;
	uint32_t offset = base ? hs_field_offset(hs, base, name, false) : 0;

	return offset && hs_read_oop(hs, object + offset, &value) ? value : 0;
}

/* ---- Threads ------------------------------------------------------------------------- */

static void begin_search(struct hs *hs, struct search *ret)
{
	const struct hs_space *spaces = hs->spaces.items;
	struct ch_symbol symbol;
	size_t i;

	*ret = (struct search){ .hs = hs, .low = UINT64_MAX };
	for (i = 0; i < hs->spaces.count; i++) {
		ret->low = ch_min(ret->low, spaces[i].start);
		ret->high = ch_max(ret->high, spaces[i].top);
	}
	if (!hs->report_known && ch_sym_by_name(hs->env->sym, hs->module, REPORT_NAME, &symbol))
		hs->report = symbol.addr;
	hs->report_known = true;
}

static void look_at(struct search *search, uint64_t word)
{
	uint64_t addr, report = search->hs->report;

	if (report && word > report && word - report < REPORT_BYTES)
		search->reported = true;
	if (search->object)
		return;
	addr = decode(search->hs, word);
	if (addr >= search->low && addr < search->high && is_exception(search->hs, addr))
		search->object = addr;
}

/* Words in use of a stack, from its top on. */
static void search_stack(struct search *search, uint64_t sp, uint64_t end)
{
	struct hs *hs = search->hs;
	uint64_t words[512], at = ch_align_up(sp, 8), n, i;

	for (; at < end && (!search->object || at - sp < NEAR_BYTES); at += 8 * n) {
		n = ch_min((end - at) / 8, CH_COUNT_OF(words));
		hs->work.thrown += n;
		if (!n || hs->work.thrown > WORDS_MAX)
			break;
		if (!ch_core_try_read(hs->core, at, words, 8 * n))
			continue;
		for (i = 0; i < n; i++)
			look_at(search, le64toh(words[i]));
	}
	if (hs->work.thrown > WORDS_MAX)
		chp_context_finding(hs->env->ctx, CH_SEVERITY_NOTE, "jvm-stacks-limit",
				    "not all stacks of Java threads were looked through for "
				    "exceptions");
}

/* Whether a thread's frames are in that function: words of a stack may be old. */
static bool is_reporting(const struct hs *hs, size_t index)
{
	struct ch_frame frames[FRAMES_MAX];
	size_t count = 0, i;
	const char *end;

	chp_context_drop_take(hs->env->ctx,
			      ch_sym_unwind(hs->env->sym, index, frames, FRAMES_MAX, &count, &end));
	for (i = 1; i < count; i++)
		if (frames[i].symbol.name && strcmp(frames[i].symbol.name, REPORT_NAME) == 0)
			return true;
	return false;
}

/* What a thread has under way. False: nothing. */
static bool find(struct hs *hs, size_t index, const struct ch_thread *thread, uint64_t *object_ret,
		 enum ch_exception_found *found_ret)
{
	static const enum hs_member_id members[] = { HS_THREAD_PENDING, HS_THREAD_EXCEPTION };
	const struct hs_thread *java = hs_thread_at(hs, thread->sp);
	struct search search;
	uint64_t value;
	size_t i;

	*object_ret = 0;
	if (!java)
		return false;
	begin_search(hs, &search);
	search_stack(&search, thread->sp, java->stack_end);
	*found_ret = CH_EXCEPTION_ANNOUNCED;
	if (search.reported && is_reporting(hs, index))
		return true;
	*found_ret = CH_EXCEPTION_PENDING;
	for (i = 0; i < CH_COUNT_OF(members) && !*object_ret; i++)
		if (hs_member_ptr(hs, members[i], java->addr, &value) &&
		    is_exception(hs, decode(hs, value)))
			*object_ret = decode(hs, value);
	if (*object_ret)
		return true;
	*found_ret = CH_EXCEPTION_ON_STACK;
	*object_ret = search.object;
	return *object_ret != 0;
}

/* The exception that others were made of, depth times; it is its own cause when there is
 * none. */
static uint64_t cause_of(struct hs *hs, uint64_t object, uint32_t depth)
{
	uint64_t seen[CAUSES_MAX], next;
	uint32_t i, k;

	for (i = 0; i < depth; i++) {
		seen[i] = object;
		next = field_of(hs, object, "cause");
		if (!is_exception(hs, next))
			return 0;
		for (k = 0; k <= i; k++)
			if (seen[k] == next)
				return 0;
		object = next;
	}
	return object;
}

/* Where it was made; of elements that the program gave it only how many there are. */
static void read_frames(struct hs *hs, uint64_t object, struct ch_exception *ret)
{
	uint64_t klass = hs_klass_at(hs, object);
	struct ch_trace_frame frame;
	struct ch_trace trace;
	char text[800];

	hs_trace(hs, object, klass, &trace);
	ret->frames_total = trace.count;
	while (ret->frames_count < CH_EXCEPTION_FRAMES &&
	       hs_trace_frame(hs, object, klass, ret->frames_count, &frame) && !frame.is_text) {
		hs_trace_text(&frame, text, sizeof(text));
		snprintf(ret->frames[ret->frames_count++], sizeof(ret->frames[0]), "%.255s", text);
	}
}

bool hs_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret)
{
	struct hs *hs = state;
	const struct ch_thread *threads;
	uint64_t object;
	size_t count;

	threads = ch_core_threads(hs->core, &count);
	if (index >= count || depth >= CAUSES_MAX ||
	    !find(hs, index, &threads[index], &object, &ret->found))
		return false;
	if (!object) {
		snprintf(ret->type, sizeof(ret->type), "%s", OUT_OF_MEMORY);
		return depth == 0;
	}
	object = cause_of(hs, object, depth);
	if (!object || !hs_klass_name(hs, hs_klass_at(hs, object), ret->type, sizeof(ret->type)))
		return false;
	ret->addr = object;
	hs_text(hs, field_of(hs, object, "detailMessage"), ret->message, sizeof(ret->message));
	read_frames(hs, object, ret);
	return true;
}
