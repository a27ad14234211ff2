/*
 * Google's tcmalloc, recognised by its symbols and not walked yet; malloc's blocks lie in it. What
 * a walker would need: its page map (tcmalloc/pagemap.h) leads to spans as that of gperftools does,
 * but a span keeps its free objects in a bitmap or in lists of indices (tcmalloc/span.h), and
 * caches of processors are slabs (tcmalloc/internal/percpu_tcmalloc.h), all of which change from
 * commit to commit.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

/* It is linked in statically as a rule: there is no file name to go by. */
/* tcmalloc/internal_malloc_extension.h, tcmalloc/libc_override_*.h (2020 to 2026) */
static const char *const symbols[] = { "TCMallocInternalMalloc", "TCMalloc_Internal_GetStats",
				       "MallocExtension_Internal_GetNumericProperty" };

static const struct ch_signs signs = {
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_google_tcmalloc = {
	.name = "google_tcmalloc",
	.title = "tcmalloc (Google)",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary =
		"tcmalloc with per-CPU caches, github.com/google/tcmalloc: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
