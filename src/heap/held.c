/*
 * What an object takes of memory, and whether it lies where every program has garbage.
 */
#include <string.h>

#include "heap/heap_priv.h"
#include "util/cleanup.h"

bool chp_heaps_clears(const struct ch_heaps *heaps, uint32_t runtime)
{
	const struct ch_opened *opened = chp_opened_of(heaps, runtime);

	return opened && opened->walker->tracer && opened->walker->tracer->clears;
}

uint64_t chp_heaps_held_bytes(const struct ch_heaps *heaps, const struct ch_object *object)
{
	const struct ch_span_info *info;

	if (!(object->flags & CH_OBJECT_UNTOUCHED))
		return object->chunk_bytes;
	info = CH_VEC_AT(&heaps->infos, struct ch_span_info, object->span);
	return chp_heaps_clears(heaps,
				CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened)->index)
		       ? object->chunk_bytes
		       : chp_heaps_touched_bytes(heaps, object);
}

bool chp_heap_is_young(const struct ch_heaps *heaps, const struct ch_heap *heap)
{
	const struct ch_opened *opened = chp_opened_of(heaps, heap->walker);
	/* "heap 3 gen0" of a server */
	const char *word = strrchr(heap->name, ' ');
	const char *const *name;

	word = word ? word + 1 : heap->name;
	for (name = opened ? opened->runtime->young : NULL; name && *name; name++)
		if (strcmp(word, *name) == 0)
			return true;
	return false;
}
