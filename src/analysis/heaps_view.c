/*
 * What is known of allocators, runtimes and heaps, gathered for those who show it.
 */
#include "analysis/heaps_view.h"

#include <stdlib.h>
#include <string.h>

struct ch_error *chp_heaps_view_make(const struct ch_heaps *heaps, struct ch_heaps_view *ret)
{
	size_t i;

	*ret = (struct ch_heaps_view){ .runtimes = NULL };
	ret->runtimes = ch_heaps_runtimes(heaps, &ret->runtimes_count);
	ret->heaps = ch_heaps_list(heaps, &ret->heaps_count);
	ret->frees = ch_heaps_free(heaps, &ret->heaps_count);
	ret->spans = ch_heaps_spans(heaps, &ret->spans_count);
	ret->sums = ch_heaps_span_sums(heaps, &ret->spans_count);
	ret->memory = ch_heaps_runtime_memory(heaps, &ret->memory_count);
	ret->facts = calloc(ret->runtimes_count + 1, sizeof(*ret->facts));
	if (!ret->facts)
		return &ch_enomem;
	for (i = 0; i < ret->runtimes_count; i++)
		ret->facts[i].rows = ch_heaps_facts(heaps, (uint32_t)i, &ret->facts[i].count);
	return NULL;
}

void chp_heaps_view_deinit(struct ch_heaps_view *view)
{
	free(view->facts);
}

const char *chp_generation_name(const struct ch_heap *heap)
{
	const char *name = heap->name;
	size_t digits;

	if (strcmp(heap->kind, "generation") != 0 || strncmp(name, "heap ", 5) != 0)
		return name;
	digits = strspn(name + 5, "0123456789");
	return digits && name[5 + digits] == ' ' ? name + 5 + digits + 1 : name;
}
