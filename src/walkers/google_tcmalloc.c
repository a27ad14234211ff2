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

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	return chp_signs_probe(env, &signs, ret);
}

const struct ch_walker ch_walker_google_tcmalloc = {
	.name = "google_tcmalloc",
	.summary =
		"tcmalloc with per-CPU caches, github.com/google/tcmalloc: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.probe = probe,
};
