/*
 * A process under valgrind, whose malloc is not the program's; its heap is not walked.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "vgpreload_core",
				       "vgpreload_memcheck",
				       "vgpreload_massif",
				       "vgpreload_dhat",
				       "vgpreload_helgrind",
				       "vgpreload_drd",
				       NULL };

static const struct ch_signs signs = {
	.modules = modules,
};

const struct ch_walker ch_walker_valgrind = {
	.name = "valgrind",
	.title = "valgrind's allocator",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "malloc of valgrind's tools: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
