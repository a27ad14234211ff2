/*
 * Memory outside of the heaps, by the usage that the map knows. Of stacks only what is in use
 * counts: what lies below the stack pointer is left from calls that have returned.
 */
#include "types/outside.h"

#include "util/bytes.h"
#include "util/context.h"

/* Memory below the stack pointer that a leaf function may use (psABI). */
#define RED_ZONE_BYTES 128

static bool is_outside(const struct ch_region *region)
{
	if (region->state != CH_STATE_COMMIT || !(region->prot & CH_SEGMENT_WRITE) ||
	    region->prot == CH_PROT_UNKNOWN)
		return false;
	switch (region->usage) {
	case CH_USAGE_TLS:
	case CH_USAGE_EXE:
	case CH_USAGE_LIB:
	case CH_USAGE_BSS:
	case CH_USAGE_OTHER:
	case CH_USAGE_ANON:
		return true;
	default:
		return false;
	}
}

static struct ch_error *give(ch_outside_fn fn, void *arg, uint64_t start, uint64_t end)
{
	start = ch_align_up(start, 8);
	end = ch_align_down(end, 8);
	return start < end ? fn(arg, start, end) : NULL;
}

struct ch_error *chp_outside_each(const struct ch_provider_env *env, ch_outside_fn fn, void *arg)
{
	const struct ch_thread_stack *stacks;
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	size_t count, i;

	regions = ch_map_regions(env->map, &count);
	for (i = 0; !err && i < count; i++) {
		err = chp_context_check(env->ctx);
		if (!err && is_outside(&regions[i]))
			err = give(fn, arg, regions[i].start, regions[i].end);
	}
	stacks = ch_map_thread_stacks(env->map, &count);
	for (i = 0; !err && i < count; i++)
		if (stacks[i].end)
			err = give(fn, arg,
				   ch_max(stacks[i].start,
					  stacks[i].sp - ch_min(stacks[i].sp, RED_ZONE_BYTES)),
				   stacks[i].end);
	return err;
}
