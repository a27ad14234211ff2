/*
 * The matter of a dump in a few words, where it has one: how the process died, what stands still,
 * what leaks, or that nothing stands out. It stands before the verdict, which is about sums alone.
 */
#include "analysis/headline.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analysis/suspects.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Percent of what malloc's blocks hold that nothing reaches: most of it. */
#define LEAK_SHARE 50

/* ---- A crash -------------------------------------------------------------------- */

static const char *null_words(enum ch_access access)
{
	switch (access) {
	case CH_ACCESS_READ:
		return "it read through a null pointer";
	case CH_ACCESS_WRITE:
		return "it wrote through a null pointer";
	case CH_ACCESS_EXECUTE:
		return "it called a null pointer";
	case CH_ACCESS_NONE:
		break;
	}
	return "it used a null pointer";
}

/* What an instruction did; NULL: no instruction was it. */
static const char *fault_words(const struct ch_fault *fault)
{
	static const char *const words[] = {
		[CH_FAULT_STACK_OVERFLOW] = "a stack overflowed",
		[CH_FAULT_GUARD] = "it used the guard of a stack",
		[CH_FAULT_UNMAPPED] = "it used an address where nothing is mapped",
		[CH_FAULT_READ_ONLY] = "it wrote to memory that can only be read",
		[CH_FAULT_NOT_EXECUTABLE] = "it jumped to memory that is no code",
		[CH_FAULT_NO_ACCESS] = "it used memory that it may not use",
		[CH_FAULT_BEYOND_FILE] = "it read behind the end of a mapped file",
		[CH_FAULT_MISALIGNED] = "it used an address that is not aligned",
		[CH_FAULT_NON_CANONICAL] = "it used a value that is no address",
		[CH_FAULT_ADDR_NOT_KNOWN] = "it used memory that it may not use",
		[CH_FAULT_INSTRUCTION] = "it came to an instruction that ends a program",
	};

	if (fault->kind == CH_FAULT_NULL)
		return null_words(fault->access);
	return (size_t)fault->kind < CH_COUNT_OF(words) ? words[fault->kind] : NULL;
}

/* Why abort() was called; NULL: not known. */
static const char *abort_words(const struct ch_death *death)
{
	static const struct {
		const char *kind, *words;
	} rows[] = {
		{ "malloc", "malloc found its own data damaged" },
		{ "fortify", "a buffer was too small for what was to be put into it" },
		{ "stack-smashing", "the frame of a function was overwritten" },
		{ "assert", "an assertion failed" },
		{ "jvm", "the JVM gave up" },
	};
	size_t i;

	for (i = 0; death->message_kind && i < CH_COUNT_OF(rows); i++)
		if (strcmp(rows[i].kind, death->message_kind) == 0)
			return rows[i].words;
	if (death->thrown_count && death->thrown[0].uncaught)
		return "nobody caught a C++ exception";
	if (death->exception_uncaught)
		return "nobody caught an exception";
	return death->caller_words;
}

/* Whether the process ended itself: others can send the same signals. */
static bool is_own(const struct ch_death *death, uint32_t pid)
{
	return !death->has_sender || death->sender_pid == pid;
}

static const char *crash_words(const struct ch_death *death, uint32_t pid)
{
	const char *words = NULL;

	/* createdump writes a signal also where there was none */
	if (death->dumped_alive || death->signal_unsure)
		return NULL;
	if (death->has_interrupted)
		words = fault_words(&death->interrupted);
	if (!words)
		words = fault_words(&death->fault);
	if (!words && death->fault.signal == SIGABRT && is_own(death, pid)) {
		words = abort_words(death);
		words = words ? words : "it called abort()";
	}
	return words;
}

/* ---- What runs on --------------------------------------------------------------- */

static const char *standing_words(const struct ch_vec *suspects)
{
	static const char *const words[CH_RULES] = {
		[CH_RULE_HEAP_DAMAGED] = "the heap is damaged",
		[CH_RULE_BAD_FREE] = "free() was called for what was not to be freed",
		[CH_RULE_DEADLOCK] = "a deadlock",
		[CH_RULE_LOCK_CONVOY] = "many threads wait for one lock",
		[CH_RULE_FINALIZER_BACKLOG] = "objects wait for their finalizers",
		[CH_RULE_BLOCKED_GOROUTINES] = "goroutines that can never go on",
		[CH_RULE_OPEN_RESOURCES] = "what the program opened and did not close",
	};

	return suspects->count ? words[CH_VEC_AT(suspects, struct ch_suspect, 0)->rule] : NULL;
}

static const struct ch_suspect *find_rule(const struct ch_vec *suspects, enum ch_suspect_rule rule)
{
	const struct ch_suspect *list = suspects->items;
	size_t i;

	for (i = 0; i < suspects->count; i++)
		if (list[i].rule == rule)
			return &list[i];
	return NULL;
}

/* Whether all was asked, and nothing was found that somebody would have to look at. */
static bool is_quiet(const struct ch_summary *summary, const struct ch_context *ctx)
{
	const struct ch_death *death = &summary->death;

	return death->dumped_alive && !summary->quick && !summary->suspects.count &&
	       !death->thrown_count && !death->exceptions_count && !death->others_count &&
	       summary->sums.walked && ch_context_complete(ctx) && !ch_context_damaged(ctx);
}

/* ---- All of it ------------------------------------------------------------------ */

/* A leak of most of it may be what the process died of in the end: it is told with the crash. */
static void put_leak(const struct ch_summary *summary, char *ret, size_t max)
{
	const struct ch_suspect *lost = find_rule(&summary->suspects, CH_RULE_UNREACHABLE_NATIVE);

	if (lost && lost->share >= LEAK_SHARE * 100 &&
	    strcmp(summary->sums.verdict.class, "native-live") == 0)
		snprintf(ret + strlen(ret), max - strlen(ret),
			 "%sa leak: %" PRIu64 ".%" PRIu64
			 "%% of what malloc holds can be reached by nothing",
			 ret[0] ? "; " : "", lost->share / 100, lost->share / 10 % 10);
}

void chp_headline_make(struct ch_session *session, const struct ch_summary *summary,
		       char ret[CH_HEADLINE_MAX])
{
	uint32_t pid = ch_core_process(ch_session_core(session))->pid;
	const char *crash = crash_words(&summary->death, pid);
	const char *standing = standing_words(&summary->suspects);
	const char *freed = find_rule(&summary->suspects, CH_RULE_BAD_FREE)
				    ? chp_freed_headline(&summary->death)
				    : NULL;

	ret[0] = '\0';
	/* surer than the message alone */
	if (crash && freed)
		crash = freed;
	if (crash)
		snprintf(ret, CH_HEADLINE_MAX, "a crash: %s", crash);
	else if (standing)
		snprintf(ret, CH_HEADLINE_MAX, "%s", standing);
	else if (is_quiet(summary, ch_session_context(session)))
		snprintf(ret, CH_HEADLINE_MAX, "nothing stands out");
	if (crash || !standing)
		put_leak(summary, ret, CH_HEADLINE_MAX);
}
