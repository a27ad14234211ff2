/*
 * use_core.h - ask an open core everything, and check its invariants.
 */
#ifndef COREHEAP_TEST_USE_CORE_H
#define COREHEAP_TEST_USE_CORE_H

#include <coreheap/core.h>

/** Abort when an invariant of coreheap/core.h does not hold. */
void use_core(const struct ch_core *core);

/** Read all findings of a context. */
void use_findings(const struct ch_context *ctx);

/** Open the file of these bytes as a core, use it, close it. */
void use_core_bytes(const uint8_t *data, size_t size);

#endif /* COREHEAP_TEST_USE_CORE_H */
