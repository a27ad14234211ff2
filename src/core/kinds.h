/*
 * kinds.h - files that are no bare ELF core: what they are, and what to do.
 */
#ifndef COREHEAP_CORE_KINDS_H
#define COREHEAP_CORE_KINDS_H

#include <stddef.h>
#include <stdint.h>

#include <coreheap/core.h>

/**
 * The error (FORMAT) that says what a file is by its first len bytes, of which
 * none may be missing up to 4096 or the end of the file; NULL when it begins as
 * an ELF file does. format: what it was unpacked from, "none" when it was not.
 */
CH_MUST_CHECK struct ch_error *chp_kind_refuse(const char *path, const char *format,
					       const uint8_t *data, size_t len);

/** The error (FORMAT) for a file that is this. */
struct ch_error *chp_not_a_core(const char *path, const char *format, const char *what);

#endif /* COREHEAP_CORE_KINDS_H */
