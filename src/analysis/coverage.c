/*
 * What an answer about the heap does not cover: runtimes that are not walked, memory that the
 * core lacks, stacks that are lost; as numbers and as words.
 */
#include "analysis/coverage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"

/* Add to a text; what does not fit is cut. */
static CH_PRINTF(2, 3) void add(char buf[CH_COVERAGE_TEXT_MAX], const char *format, ...)
{
	size_t used = strlen(buf);
	va_list args;

	va_start(args, format);
	vsnprintf(buf + used, CH_COVERAGE_TEXT_MAX - used, format, args);
	va_end(args);
}

static bool is_unwalked(const struct ch_runtime *runtime)
{
	return runtime->score && !runtime->open && runtime->kind != CH_RUNTIME_ON_MALLOC;
}

static void count_runtimes(const struct ch_heaps *heaps, struct ch_coverage *ret)
{
	const struct ch_heap *list;
	size_t count, i;

	ret->runtimes = ch_heaps_runtimes(heaps, &ret->runtimes_count);
	for (i = 0; i < ret->runtimes_count; i++) {
		ret->walked_count += ret->runtimes[i].open;
		if (!is_unwalked(&ret->runtimes[i]))
			continue;
		ret->unwalked_count++;
		ret->unwalked_bytes += ret->runtimes[i].named_bytes;
	}
	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++)
		ret->walked_bytes += list[i].committed_bytes;
}

/* Whether memory of the core has a byte other than zero; holes are not read. */
static bool holds_data(const struct ch_core *core, uint64_t at, uint64_t end)
{
	const uint8_t *bytes;
	size_t len, i;

	while ((bytes = ch_core_next_data(core, &at, end, &len))) {
		for (i = 0; i < len; i++)
			if (bytes[i])
				return true;
		at += len;
	}
	return false;
}

/*
 * Whether a thread's stack is mapped, but nothing of it is in the core: absent, or zeros
 * from its stack pointer to the end (gdb writes them for what it cannot read), where a
 * live one has return addresses.
 */
static bool is_stack_lost(const struct ch_core *core, struct ch_map *map, size_t index, uint64_t sp)
{
	const struct ch_region *region = ch_map_region_at(map, sp);
	uint64_t start, end, at;
	size_t len;

	if (!sp || !region || region->state != CH_STATE_COMMIT)
		return false;
	if (!ch_map_thread_stack(map, index, &start, &end) || sp < start || sp >= end)
		end = region->end;
	for (at = sp; at < end; at += len) {
		if (!ch_core_span_recorded(core, at, &len))
			return true;
		len = ch_min(len, end - at);
		if (holds_data(core, at, at + len))
			return false;
	}
	return true;
}

/* A libc is here, and was never asked for memory: no gap. */
static void tell_unused(struct ch_context *ctx, const struct ch_coverage *coverage)
{
	size_t i;

	for (i = 0;
	     i < coverage->runtimes_count && !coverage->unwalked_count && !coverage->walked_count;
	     i++)
		if (coverage->runtimes[i].unused)
			chp_context_finding(
				ctx, CH_SEVERITY_NOTE, "malloc-never-called",
				"malloc was never called: it has no block to count (%s)",
				coverage->runtimes[i].evidence);
}

static void count_stacks(struct ch_session *session, struct ch_map *map, struct ch_coverage *ret)
{
	const struct ch_core *core = ch_session_core(session);
	const struct ch_thread *threads;
	size_t i;

	threads = ch_core_threads(core, &ret->threads_count);
	for (i = 0; i < ret->threads_count; i++)
		ret->stacks_lost += is_stack_lost(core, map, i, threads[i].sp);
	if (ret->stacks_lost)
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "stacks-lost",
				    "the stacks of %zu of %zu threads are not in the core: what "
				    "only they hold cannot be told from what nothing holds",
				    ret->stacks_lost, ret->threads_count);
}

/* The kernel leaves out what was never written, which holds no pointer to a heap. */
static uint64_t absent_data(const struct ch_core *core, struct ch_map *map)
{
	const struct ch_region *regions;
	uint64_t bytes = 0;
	size_t count, i;

	if (ch_core_producer(core) == CH_PRODUCER_KERNEL)
		return 0;
	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++)
		if (regions[i].type == CH_MEMTYPE_IMAGE && (regions[i].prot & CH_SEGMENT_WRITE))
			bytes += regions[i].end - regions[i].start - regions[i].in_core_bytes;
	return bytes;
}

struct ch_error *chp_coverage_find(struct ch_session *session, struct ch_coverage *ret)
{
	const struct ch_core *core = ch_session_core(session);
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_map *map;

	*ret = (struct ch_coverage){ 0 };
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_session_map(session, &map);
	if (err)
		return err;
	ret->truncated = ch_core_stats(core)->truncated;
	ret->data_absent_bytes = absent_data(core, map);
	count_runtimes(heaps, ret);
	tell_unused(ch_session_context(session), ret);
	count_stacks(session, map, ret);
	return NULL;
}

static void add_unwalked(const struct ch_coverage *coverage, char buf[CH_COVERAGE_TEXT_MAX])
{
	const char *comma = "";
	size_t i;

	for (i = 0; i < coverage->runtimes_count; i++) {
		if (!is_unwalked(&coverage->runtimes[i]))
			continue;
		add(buf, "%s%s's blocks", comma, coverage->runtimes[i].title);
		comma = ", ";
	}
	add(buf, " are not walked");
}

bool chp_coverage_lacks(const struct ch_coverage *coverage, uint32_t needs,
			char buf[CH_COVERAGE_TEXT_MAX])
{
	buf[0] = '\0';
	if ((needs & CH_NEED_HEAPS) && coverage->unwalked_count)
		add_unwalked(coverage, buf);
	if ((needs & CH_NEED_STACKS) && coverage->stacks_lost)
		add(buf, "%sthe stacks of %zu of %zu threads are not in the core",
		    buf[0] ? "; " : "", coverage->stacks_lost, coverage->threads_count);
	if ((needs & CH_NEED_MEMORY) && coverage->truncated)
		add(buf, "%sthe core is truncated", buf[0] ? "; " : "");
	if ((needs & CH_NEED_MEMORY) && coverage->data_absent_bytes)
		add(buf, "%s%llu bytes of the writable data of modules are not in the core",
		    buf[0] ? "; " : "", (unsigned long long)coverage->data_absent_bytes);
	return buf[0];
}

bool chp_coverage_words(const struct ch_coverage *coverage, char buf[CH_COVERAGE_TEXT_MAX])
{
	const char *comma = "";
	size_t i;

	buf[0] = '\0';
	if (!coverage->unwalked_count)
		return false;
	for (i = 0; i < coverage->runtimes_count; i++) {
		if (!coverage->runtimes[i].open)
			continue;
		add(buf, "%s%s", *comma ? comma : "what ", coverage->runtimes[i].title);
		comma = ", ";
	}
	if (coverage->walked_count)
		add(buf, " %s, %llu bytes; ", coverage->walked_count == 1 ? "has" : "have",
		    (unsigned long long)coverage->walked_bytes);
	else
		add(buf, "no heap; ");
	add_unwalked(coverage, buf);
	if (coverage->unwalked_bytes)
		add(buf, ": at least %llu bytes", (unsigned long long)coverage->unwalked_bytes);
	else
		add(buf, "; how much memory that is, is not known");
	return true;
}
