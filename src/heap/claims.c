/*
 * What walkers have found, claimed in the map: spans with their reservations, and memory of a
 * runtime that holds no objects. A runtime's word for the latter does not take away another
 * walker's heap.
 */
#include <string.h>

#include "heap/heap_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"

/* Claim one range of a span. What the map refuses (image, file) stays as it is. */
static struct ch_error *claim(struct ch_heaps *heaps, const struct ch_span *span, uint64_t start,
			      uint64_t end, bool reserved)
{
	const struct ch_heap *heap = CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap);
	struct ch_claim wanted = { .start = start,
				   .end = end,
				   .usage = span->usage,
				   .basis = span->basis,
				   .owner = heap->name,
				   .reserved = reserved };
	struct ch_error *err;
	uint64_t refused = 0;

	if (start >= end)
		return NULL;
	err = ch_map_claim(heaps->env.map, &wanted, &refused);
	if (!err && refused)
		chp_context_log(heaps->env.ctx, CH_LOG_DEBUG,
				"%s: the map refused %llu bytes of 0x%llx-0x%llx", heap->name,
				(unsigned long long)refused, (unsigned long long)start,
				(unsigned long long)end);
	return err;
}

/* The sum that a claim belongs to; made if there is none. */
static struct ch_runtime_memory *memory_of(struct ch_heaps *heaps, const struct ch_opened *opened,
					   const struct ch_walker_claim *claim)
{
	struct ch_runtime_memory *sum;
	size_t i;

	for (i = 0; i < heaps->memory.count; i++) {
		sum = CH_VEC_AT(&heaps->memory, struct ch_runtime_memory, i);
		if (sum->walker == opened->index && strcmp(sum->label, claim->label) == 0)
			return sum;
	}
	sum = ch_vec_push(&heaps->memory);
	if (sum)
		*sum = (struct ch_runtime_memory){ .walker = opened->index,
						   .usage = claim->usage,
						   .label = claim->label };
	return sum;
}

/* The first span that ends above start and would lose to a claim of this walker's: another
 * walker's, of memory from the kernel. NULL: there is none below the end of the claim. */
static const struct ch_span *foreign_span(const struct ch_heaps *heaps, uint32_t opened,
					  const struct ch_claim *claim, uint64_t start)
{
	const struct ch_span_info *infos = heaps->infos.items;
	const struct ch_span *spans = heaps->spans.items;
	size_t i = ch_search(spans, heaps->spans.count, it, it->end <= start);

	for (; i < heaps->spans.count && spans[i].start < claim->end; i++)
		if (infos[i].opened != opened && !spans[i].block_addr &&
		    spans[i].committed_end > start && spans[i].usage > claim->usage)
			return &spans[i];
	return NULL;
}

/* Claim what is not in another walker's heap: a damaged word must not give one runtime the memory
 * of another, whose blocks were found there. A claim that knows less loses by itself. */
static struct ch_error *claim_around(struct ch_heaps *heaps, uint32_t opened,
				     const struct ch_claim *whole, uint64_t *refused_ret)
{
	struct ch_claim wanted = *whole;
	const struct ch_span *span;
	struct ch_error *err = NULL;
	uint64_t refused;

	*refused_ret = 0;
	while (!err && wanted.start < whole->end) {
		span = foreign_span(heaps, opened, whole, wanted.start);
		wanted.end = span ? ch_max(span->start, wanted.start) : whole->end;
		refused = 0;
		if (wanted.start < wanted.end)
			err = ch_map_claim(heaps->env.map, &wanted, &refused);
		*refused_ret += refused;
		wanted.start = wanted.end;
		if (!span)
			break;
		wanted.start = ch_min(span->committed_end, whole->end);
		*refused_ret += wanted.start - wanted.end;
		chp_context_finding(
			heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "claim-meets-heap",
			"%s (0x%llx-0x%llx) meets %s, which lies there with its blocks: "
			"where it really is is not known",
			whole->owner, (unsigned long long)whole->start,
			(unsigned long long)whole->end,
			CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap)->name);
	}
	return err;
}

/* What runtimes have beside their spans; those have been claimed before. */
static struct ch_error *claim_memory(struct ch_heaps *heaps, uint32_t index)
{
	const struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, index);
	const struct ch_walker_claim *claims;
	struct ch_runtime_memory *sum;
	struct ch_error *err = NULL;
	uint64_t refused;
	size_t count, i;

	if (!opened->runtime->claims)
		return NULL;
	claims = opened->runtime->claims(opened->state, &count);
	for (i = 0; !err && i < count; i++) {
		const struct ch_claim wanted = { .start = claims[i].start,
						 .end = claims[i].end,
						 .usage = claims[i].usage,
						 .basis = claims[i].basis,
						 .owner = claims[i].label };

		if (claims[i].start >= claims[i].end)
			continue;
		sum = memory_of(heaps, opened, &claims[i]);
		if (!sum)
			return &ch_enomem;
		refused = 0;
		err = claim_around(heaps, index, &wanted, &refused);
		sum->count++;
		sum->bytes += wanted.end - wanted.start;
		sum->mapped_bytes += wanted.end - wanted.start - refused;
	}
	return err;
}

struct ch_error *chp_heaps_claim(struct ch_heaps *heaps, uint32_t first)
{
	const struct ch_span_info *infos = heaps->infos.items;
	const struct ch_span *span;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < heaps->spans.count; i++) {
		span = CH_VEC_AT(&heaps->spans, struct ch_span, i);
		if (infos[i].opened < first || span->block_addr)
			continue;
		err = claim(heaps, span, span->start, span->committed_end, false);
		if (!err)
			err = claim(heaps, span, span->committed_end, span->end, true);
		if (err)
			return err;
	}
	for (i = first; !err && i < heaps->opened.count; i++)
		err = claim_memory(heaps, (uint32_t)i);
	return err;
}
