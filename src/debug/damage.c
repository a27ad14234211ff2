/*
 * What all readers of debug information have in common: how much work a file may ask for, what is
 * told when it makes no sense, and memory that is kept until the end.
 */
#include <stdlib.h>

#include "debug/debug_priv.h"
#include "util/context.h"

void chp_debug_damaged(struct ch_ctypes *ctypes, const struct ch_debug_sections *file)
{
	if (ctypes->damaged)
		return;
	ctypes->damaged = true;
	chp_context_finding(ch_core_context(ctypes->core), CH_SEVERITY_NOTE, "debug-info-damaged",
			    "the debug information of %s makes no sense in places: some types "
			    "and variables have no names",
			    file->module ? file->module->name : "a module");
}

void *chp_debug_keep(struct ch_ctypes *ctypes, void *take)
{
	void **slot = take ? ch_vec_push(&ctypes->kept) : NULL;

	if (slot)
		*slot = take;
	else
		free(take);
	return slot ? take : NULL;
}

/* All that is read has an end, however entries lead to each other. */
bool chp_debug_spend(const struct ch_debug_unit *unit, uint64_t steps)
{
	struct ch_debug_sections *file = unit->file;

	if (file->budget >= steps) {
		file->budget -= steps;
		return true;
	}
	file->budget = 0;
	chp_debug_damaged(file->ctypes, file);
	return false;
}
