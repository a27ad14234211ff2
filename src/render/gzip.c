/*
 * A stream of gzip without a name and a time in its header, so that the same bytes are the same
 * file.
 */
#include "render/gzip.h"

#include <errno.h>
#include <stdlib.h>

#include <zlib.h>

/* zlib.h, deflateInit2(): 16 more asks for a header and a trailer of gzip. */
#define WINDOW_BITS (15 + 16)
#define MEMORY      8
#define OUT_BYTES   65536

struct ch_gzip {
	FILE *out;
	z_stream stream;
	unsigned char buffer[OUT_BYTES];
};

struct ch_gzip *chp_gzip_create(FILE *out)
{
	struct ch_gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return NULL;
	gzip->out = out;
	if (deflateInit2(&gzip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void chp_gzip_destroy(struct ch_gzip *gzip)
{
	if (!gzip)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}

/* Compress what is there; until nothing is left to write. */
static struct ch_error *run(struct ch_gzip *gzip, int flush)
{
	size_t len;

	do {
		gzip->stream.next_out = gzip->buffer;
		gzip->stream.avail_out = OUT_BYTES;
		deflate(&gzip->stream, flush);
		len = OUT_BYTES - gzip->stream.avail_out;
		errno = 0;
		if (fwrite(gzip->buffer, 1, len, gzip->out) != len)
			return ch_error_os(errno, "output", "cannot write");
	} while (!gzip->stream.avail_out);
	return NULL;
}

struct ch_error *chp_gzip_put(struct ch_gzip *gzip, const void *bytes, size_t len)
{
	/* next_in is not const in zlib's older interface, and is not written to. */
	gzip->stream.next_in = (unsigned char *)(uintptr_t)bytes;
	gzip->stream.avail_in = (unsigned int)len;
	return run(gzip, Z_NO_FLUSH);
}

struct ch_error *chp_gzip_end(struct ch_gzip *gzip)
{
	gzip->stream.avail_in = 0;
	return run(gzip, Z_FINISH);
}
