/*
 * The class of a verdict, and how far it is to be trusted.
 */
#include "analysis/verdict.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"

/* Shares of the total in percent. */
#define LEADS    50
#define CLEAR    70
#define CLOUDING 10

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
	} rows[] = {
		{ verdict->total_bytes == 0, "low", "nothing was found to judge" },
		{ !input->closes, "low", "the accounting contradicts itself" },
		{ chp_percent(unknown, verdict->total_bytes) >= LEADS * 100, "low",
		  "half of the memory or more is not attributed" },
		{ !input->complete && input->damaged, "low",
		  "something is missing, and the heap is damaged: see the warnings" },
		{ !input->complete, "low", "something is missing: see the warnings" },
		{ chp_percent(unknown, verdict->total_bytes) >= CLOUDING * 100, "medium",
		  "a tenth of the memory or more is not attributed" },
		{ input->damaged, "medium",
		  "the core is complete; the heap in it is damaged: see the warnings" },
		{ verdict->share < CLEAR * 100, "medium", "the largest part is below 70 percent" },
		{ true, "high",
		  "the accounting closes, nothing is missing, and one part is above 70 percent" },
	};
	size_t i = 0;

	while (!rows[i].applies)
		i++;
	verdict->confidence = rows[i].confidence;
	verdict->reason = rows[i].reason;
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

static const char *words_of(const char *class)
{
	static const struct {
		const char *class, *words;
	} rows[] = {
		{ "native-live", "native blocks in use are" },
		{ "native-retained", "free memory that native heaps keep is" },
		{ "managed", "the managed heap is" },
		{ "managed-garbage", "the managed heap, most of it garbage, is" },
		{ "managed-free", "the managed heap, most of it free, is" },
		{ "loader", "what runtimes loaded and compiled is" },
		{ "stacks", "stacks of threads are" },
		{ "files", "pages of files and shared memory are" },
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
		{ "native-live", "native used", input->native_used_bytes + input->filled_bytes },
		{ "native-retained", "native free", input->native_free_bytes },
		{ managed_class(input), "managed",
		  input->managed_bytes + input->managed_filled_bytes },
		{ "loader", "loader", input->loader_bytes + input->runtime_other_bytes },
		{ "stacks", "stacks", input->stacks_bytes },
		{ "files", "files", input->files_bytes },
		{ "inconclusive", "unattributed", input->unattributed_bytes },
		{ "inconclusive", "heap not walked", input->unwalked_bytes },
		{ "mixed", "overhead", input->native_overhead_bytes },
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

void chp_verdict_text(const struct ch_verdict *verdict, char ret[CH_VERDICT_TEXT_MAX])
{
	if (verdict->words)
		snprintf(ret, CH_VERDICT_TEXT_MAX, "%s: %s the largest part (confidence %s: %s)",
			 verdict->class, verdict->words, verdict->confidence, verdict->reason);
	else
		snprintf(ret, CH_VERDICT_TEXT_MAX, "%s (confidence %s: %s)", verdict->class,
			 verdict->confidence, verdict->reason);
}
