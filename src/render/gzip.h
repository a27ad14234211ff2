/*
 * render/gzip.h - bytes that are compressed on their way out (RFC 1952).
 */
#ifndef COREHEAP_RENDER_GZIP_H
#define COREHEAP_RENDER_GZIP_H

#include <stddef.h>
#include <stdio.h>

#include "util/error.h"

struct ch_gzip;

/** out is borrowed until the end. NULL when out of memory. */
struct ch_gzip *chp_gzip_create(FILE *out);
/** Errors: OS. */
CH_MUST_CHECK struct ch_error *chp_gzip_put(struct ch_gzip *gzip, const void *bytes, size_t len);
/** Write what is left. Errors: OS. */
CH_MUST_CHECK struct ch_error *chp_gzip_end(struct ch_gzip *gzip);
/** NULL accepted. */
void chp_gzip_destroy(struct ch_gzip *gzip);

#endif /* COREHEAP_RENDER_GZIP_H */
