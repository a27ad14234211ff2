/*
 * The class of a verdict, and how far it is to be trusted.
 */
#include "analysis/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"

/* Shares of the total in percent. */
#define LEADS    50
#define CLEAR    70
#define CLOUDING 10
/* A process with less than this did not die of what its memory holds. */
#define SMALL_BYTES (1ULL << 20)
#define LEFT_OUT    "(programs' images left out)"

struct candidate {
	const char *class, *name;
	uint64_t bytes;
};

static void judge_confidence(const struct ch_verdict_input *input, struct ch_verdict *verdict)
{
	uint64_t unknown = input->unattributed_bytes + input->unwalked_bytes;
	const struct {
		bool applies;
		const char *confidence, *reason;
		/* the sentence leaves no doubt of it */
		bool said;
	} rows[] = {
		{ verdict->total_bytes == 0, "low", "nothing was found to judge", true },
		{ !input->closes, "low", "the accounting contradicts itself", false },
		{ chp_percent(unknown, verdict->total_bytes) >= LEADS * 100, "low",
		  "half of the memory or more is not attributed", true },
		{ !input->complete && input->damaged, "low",
		  "something is missing, and the heap is damaged: see the warnings", false },
		{ !input->complete, "low", "something is missing: see the warnings", false },
		{ chp_percent(unknown, verdict->total_bytes) >= CLOUDING * 100, "medium",
		  "a tenth of the memory or more is not attributed",
		  verdict->total_bytes < SMALL_BYTES },
		{ input->damaged, "medium",
		  "the core is complete; the heap in it is damaged: see the warnings", false },
		{ verdict->share < CLEAR * 100, "medium", "the largest part is below 70 percent",
		  true },
		{ true, "high",
		  "the accounting closes, nothing is missing, and one part is above 70 percent",
		  true },
	};
	size_t i = 0;

	while (!rows[i].applies)
		i++;
	verdict->confidence = rows[i].confidence;
	verdict->reason = rows[i].reason;
	verdict->doubt = rows[i].said ? NULL : rows[i].reason;
}

/* What most of the managed memory is. */
static const char *managed_class(const struct ch_verdict_input *input)
{
	uint64_t garbage = input->managed_garbage_bytes, free = input->managed_free_bytes;
	uint64_t all = input->managed_bytes + input->managed_filled_bytes;
	uint64_t live = all - ch_min(all, garbage + free);

	if (live >= garbage && live >= free)
		return "managed";
	return garbage >= free ? "managed-garbage" : "managed-free";
}

/* What the class says, up to its share. */
static const char *words_of(const char *class)
{
	static const struct {
		const char *class, *words;
	} rows[] = {
		{ "native-live", "malloc blocks that the program uses" },
		{ "native-retained", "free memory kept by malloc, which is no leak" },
		{ "managed", "the managed heap" },
		{ "managed-garbage", "the managed heap, and most of that is garbage" },
		{ "managed-free", "the managed heap, and most of that is free" },
		{ "loader", "what runtimes loaded and compiled" },
		{ "stacks", "stacks of threads" },
		{ "files", "files and shared memory" },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (strcmp(rows[i].class, class) == 0)
			return rows[i].words;
	return NULL;
}

void chp_verdict_make(const struct ch_verdict_input *input, struct ch_verdict *ret)
{
	const struct candidate candidates[] = {
		{ "native-live", "malloc blocks in use",
		  input->native_used_bytes + input->filled_bytes },
		{ "native-retained", "free memory kept by malloc", input->native_free_bytes },
		{ managed_class(input), "the managed heap",
		  input->managed_bytes + input->managed_filled_bytes },
		{ "loader", "what runtimes loaded and compiled",
		  input->loader_bytes + input->runtime_other_bytes },
		{ "stacks", "stacks of threads", input->stacks_bytes },
		{ "files", "files and shared memory", input->files_bytes },
		{ "inconclusive", "memory of no known owner", input->unattributed_bytes },
		{ "inconclusive", "heap memory that was not walked", input->unwalked_bytes },
		{ "mixed", "malloc's own bookkeeping", input->native_overhead_bytes },
	};
	const struct candidate *best = &candidates[0];
	size_t i;

	*ret = (struct ch_verdict){ .class = "inconclusive", .leader = best->name };
	for (i = 0; i < CH_COUNT_OF(candidates); i++) {
		ret->total_bytes += candidates[i].bytes;
		if (candidates[i].bytes > best->bytes)
			best = &candidates[i];
	}
	ret->leader = best->name;
	ret->share = chp_percent(best->bytes, ret->total_bytes);
	if (ret->total_bytes && chp_percent(input->unattributed_bytes + input->unwalked_bytes,
					    ret->total_bytes) < LEADS * 100)
		ret->class = ret->share >= LEADS * 100 ? best->class : "mixed";
	ret->words = words_of(ret->class);
	judge_confidence(input, ret);
}

void chp_verdict_sentence(const struct ch_verdict *verdict, char ret[CH_VERDICT_SENTENCE_MAX])
{
	char bytes[CH_BYTES_TEXT_MAX], share[CH_BYTES_TEXT_MAX];

	chp_binary_text(verdict->total_bytes, bytes);
	/* cut, not rounded: nearly all is not all */
	snprintf(share, sizeof(share), "%" PRIu64 ".%" PRIu64 "%%", verdict->share / 100,
		 verdict->share / 10 % 10);
	if (verdict->total_bytes < SMALL_BYTES)
		snprintf(ret, CH_VERDICT_SENTENCE_MAX, "only %s of memory in use " LEFT_OUT, bytes);
	else if (verdict->words)
		snprintf(ret, CH_VERDICT_SENTENCE_MAX, "%s: %s of %s " LEFT_OUT, verdict->words,
			 share, bytes);
	else
		snprintf(ret, CH_VERDICT_SENTENCE_MAX, "%s; the largest, %s, is %s of %s " LEFT_OUT,
			 strcmp(verdict->class, "mixed") == 0
				 ? "no part is half of the memory"
				 : "not known what half of the memory or more is",
			 verdict->leader, share, bytes);
}

void chp_verdict_text(const struct ch_verdict *verdict, char ret[CH_VERDICT_TEXT_MAX])
{
	char sentence[CH_VERDICT_SENTENCE_MAX];

	chp_verdict_sentence(verdict, sentence);
	snprintf(ret, CH_VERDICT_TEXT_MAX, "%s: %s; confidence %s: %s", verdict->class, sentence,
		 verdict->confidence, verdict->reason);
}
