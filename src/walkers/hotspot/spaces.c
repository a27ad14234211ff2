/*
 * The lists that opening the heap fills: heaps, spaces with the span of each, and claims on
 * memory beside them. The files of the collectors and of the code cache and metaspace add to
 * them here, where what a core says of bounds is checked once for all.
 */
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

bool hs_claim_add(struct hs *hs, const struct ch_walker_claim *given)
{
	struct ch_walker_claim *claim;

	if (given->end <= given->start)
		return true;
	claim = ch_vec_push(&hs->claims);
	if (!claim)
		return false;
	*claim = *given;
	return true;
}

struct ch_error *hs_heaps_add(struct hs *hs, const char *const *names, size_t count)
{
	struct ch_heap_desc *heap;
	size_t i;

	for (i = 0; i < count; i++) {
		heap = ch_vec_push(&hs->heaps);
		if (!heap)
			return &ch_enomem;
		heap->kind = "space";
		heap->name = names[i];
	}
	return NULL;
}

struct ch_error *hs_space_add(struct hs *hs, const struct hs_space *given)
{
	const uint64_t start = given->start, top = given->top, end = given->end;
	struct hs_space *space;
	struct ch_span *span;

	if (start == end)
		return NULL;
	if (start % 8 || top % 8 || end % 8 || start > top || top > end || !start)
		return ch_error_create(CH_ERROR_CORRUPT,
				       "a space of the Java heap has impossible bounds: "
				       "%s, %s, %s",
				       chp_core_word(hs->core, start, CH_NO_ADDRESS).text,
				       chp_core_word(hs->core, top, CH_NO_ADDRESS).text,
				       chp_core_word(hs->core, end, CH_NO_ADDRESS).text);
	space = ch_vec_push(&hs->spaces);
	span = ch_vec_push(&hs->spans);
	if (!space || !span)
		return &ch_enomem;
	*space = *given;
	*span = (struct ch_span){ .start = start,
				  .end = end,
				  .kind = "space",
				  .heap = given->heap,
				  .usage = CH_USAGE_MANAGED_HEAP,
				  .committed_end = end,
				  .basis = CH_BASIS_DERIVED,
				  .cookie = hs->spaces.count - 1,
				  .align_bytes = 8 };
	return NULL;
}
