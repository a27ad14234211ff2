/*
 * opencore.h - a synthetic core, written and opened in one step.
 */
#ifndef COREHEAP_TEST_OPENCORE_H
#define COREHEAP_TEST_OPENCORE_H

#include <coreheap/core.h>

#include "support/corewriter.h"

struct opened {
	struct ch_context *ctx;
	struct ch_core *core;
};

/** Open a file. On failure ctx is gone and *ret untouched. */
struct ch_error *oc_open_path(const char *path, struct opened *ret);
/** Write the first limit bytes of w to a file and open it; the file is gone again afterwards. */
struct ch_error *oc_open(const struct corewriter *w, uint64_t limit, struct opened *ret);
/** As oc_open() of the whole core, destroying w; ends the test on failure. */
struct opened oc_must_open_take(struct corewriter *w);
void oc_close(struct opened *opened);

/** The finding of this code, or NULL. */
const struct ch_finding *oc_finding(const struct opened *opened, const char *code);

#endif /* COREHEAP_TEST_OPENCORE_H */
