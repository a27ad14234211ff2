/*
 * unpack.h - compressed cores.
 */
#ifndef COREHEAP_CORE_UNPACK_H
#define COREHEAP_CORE_UNPACK_H

#include <coreheap/core.h>

/**
 * When fd holds a compressed file, unpack it into an unlinked temporary file:
 * *fd_ret is its descriptor (owned by the caller) and *format_ret names the
 * format; otherwise *fd_ret is -1 and *format_ret "none".
 */
CH_MUST_CHECK struct ch_error *chp_unpack(struct ch_context *ctx, const char *path, int fd,
					  const struct ch_core_options *options, int *fd_ret,
					  const char **format_ret);

#endif /* COREHEAP_CORE_UNPACK_H */
