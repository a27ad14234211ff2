/*
 * unpack.h - compressed cores: unpacked once into a temporary file; and cores that come through
 * a pipe, which are kept in one.
 *
 * The copy has no name, can be read by nobody else, and vanishes with its
 * descriptor. Pages of zero bytes become holes, so that a core that is mostly
 * empty takes little room. Memory is bounded by the format's window.
 */
#ifndef COREHEAP_CORE_UNPACK_H
#define COREHEAP_CORE_UNPACK_H

#include <coreheap/core.h>

/** What a file may unpack to unless the options say otherwise: 1 TiB. */
#define CHP_UNPACK_BYTES_MAX (1ULL << 40)

/** What chp_unpack() shows the first bytes that come out: an error ends it. */
typedef struct ch_error *(*chp_look_fn)(const char *path, const char *format, const uint8_t *data,
					size_t len);

/**
 * When fd holds a zstd, gzip, xz or lz4 file (by its first bytes), unpack it
 * into an unlinked temporary file: *fd_ret is its descriptor (owned by the
 * caller) and *format_ret names the format (static). Otherwise *fd_ret is -1
 * and *format_ret "none". fd is borrowed and its offset left alone; path is
 * for messages. look may be NULL.
 *
 * Input that ends early or is damaged is no error as long as something came
 * out: the finding "compressed-truncated" or "compressed-damaged" says how much.
 *
 * Errors: LIMIT (more than temp_bytes_max, or a window that is too large), OS
 * (fd cannot be read, the temporary file not be made or written: no room),
 * FORMAT (nothing could be unpacked), UNSUPPORTED (made with a dictionary),
 * STOP (cancelled), NOMEM, and what look says.
 */
CH_MUST_CHECK struct ch_error *chp_unpack(struct ch_context *ctx, const char *path, int fd,
					  const struct ch_core_options *options, chp_look_fn look,
					  int *fd_ret, const char **format_ret);

/**
 * Keep what can be read of fd, a pipe, in an unlinked temporary file: *fd_ret, owned by the
 * caller. fd is borrowed; path is for messages. Errors: LIMIT (more than temp_bytes_max), OS,
 * STOP (cancelled, also while nothing comes), NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_spool(struct ch_context *ctx, const char *path, int fd,
					 const struct ch_core_options *options, int *fd_ret);

/**
 * Whether a file is an ELF core, or unpacks to one, by its first bytes; so may be one that is
 * packed and of which nothing can be unpacked. fd is borrowed and its offset left alone.
 */
bool chp_unpack_is_core(int fd);

#endif /* COREHEAP_CORE_UNPACK_H */
