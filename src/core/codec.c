/*
 * Compressed cores: one table of functions for each of zstd, lz4, gzip and xz, which give the
 * same answers to the same questions. Nothing else in the project knows these libraries.
 */
#include "core/codec.h"

#include <lz4frame.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "util/bytes.h"
#include "util/cleanup.h"

CH_PRINTF(3, 4)
static enum chp_codec_status refuse(struct chp_codec_io *io, enum chp_codec_status status,
				    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(io->reason, sizeof(io->reason), format, args);
	va_end(args);
	return status;
}

static void used(struct chp_codec_io *io, size_t in, size_t out)
{
	io->in += in;
	io->in_left -= in;
	io->out += out;
	io->out_left -= out;
}

/*
 * zstd and lz4 decode block by block and forget, when a block is damaged, the
 * output of the blocks before it in the same call. Each call says how many
 * bytes would complete the next block: they get just these, and none while
 * they may still hold output of the block before.
 */
struct pace {
	size_t wanted;
	bool holding;
};

static size_t pace_input(const struct pace *pace, const struct chp_codec_io *io)
{
	if (pace->holding)
		return 0;
	return pace->wanted < io->in_left ? pace->wanted : io->in_left;
}

static void pace_next(struct pace *pace, size_t hint, const struct chp_codec_io *io)
{
	pace->holding = io->out_left == 0;
	pace->wanted = hint ? hint : 1;
}

/* ---- zstd: RFC 8878 ------------------------------------------------------------ */

/* Magic, descriptor and window byte of a frame header (RFC 8878, 3.1.1). */
#define ZSTD_HEAD_BYTES 6

struct zstd {
	ZSTD_DStream *stream;
	struct pace pace;
	/* First bytes of the current frame. */
	uint8_t head[ZSTD_HEAD_BYTES];
	size_t head_bytes;
};

static void zstd_close(void *state)
{
	struct zstd *zstd = state;

	if (!zstd)
		return;
	ZSTD_freeDStream(zstd->stream);
	free(zstd);
}

static void *zstd_open(void)
{
	struct zstd *zstd = calloc(1, sizeof(*zstd));

	if (!zstd)
		return NULL;
	zstd->stream = ZSTD_createDStream();
	if (!zstd->stream || ZSTD_isError(ZSTD_initDStream(zstd->stream)) ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(zstd->stream, ZSTD_d_windowLogMax,
						CHP_CODEC_WINDOW_LOG_MAX))) {
		zstd_close(zstd);
		return NULL;
	}
	zstd->pace.wanted = 1;
	return zstd;
}

static enum chp_codec_status zstd_window(const struct zstd *zstd, struct chp_codec_io *io)
{
	unsigned int log;

	/* Single_Segment_flag: the window is the content, and no byte describes it. */
	if (zstd->head_bytes < ZSTD_HEAD_BYTES || (zstd->head[4] & 0x20))
		return refuse(io, CHP_CODEC_LIMIT, "its window is over 2^%d bytes (%llu MiB)",
			      CHP_CODEC_WINDOW_LOG_MAX, (1ULL << CHP_CODEC_WINDOW_LOG_MAX) >> 20);
	/* Window_Descriptor: 5 bits exponent, 3 bits mantissa. */
	log = 10U + (zstd->head[5] >> 3);
	return refuse(io, CHP_CODEC_LIMIT,
		      "its window is %s2^%u bytes (%llu MiB), the most is 2^%d",
		      zstd->head[5] & 7 ? "over " : "", log, (1ULL << log) >> 20,
		      CHP_CODEC_WINDOW_LOG_MAX);
}

static enum chp_codec_status zstd_failed(const struct zstd *zstd, struct chp_codec_io *io,
					 size_t code)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return zstd_window(zstd, io);
	case ZSTD_error_memory_allocation:
		return CHP_CODEC_NOMEM;
	case ZSTD_error_dictionary_wrong:
		return refuse(io, CHP_CODEC_UNSUPPORTED, "it was made with a dictionary");
	default:
		return refuse(io, CHP_CODEC_DAMAGED, "%s", ZSTD_getErrorName(code));
	}
}

static enum chp_codec_status zstd_step(void *state, struct chp_codec_io *io)
{
	struct zstd *zstd = state;
	ZSTD_inBuffer in = { io->in, pace_input(&zstd->pace, io), 0 };
	ZSTD_outBuffer out = { io->out, io->out_left, 0 };
	size_t head = ch_min(ZSTD_HEAD_BYTES - zstd->head_bytes, in.size);
	size_t hint;

	memcpy(zstd->head + zstd->head_bytes, io->in, head);
	zstd->head_bytes += head;
	hint = ZSTD_decompressStream(zstd->stream, &out, &in);
	used(io, in.pos, out.pos);
	if (ZSTD_isError(hint))
		return zstd_failed(zstd, io, hint);
	pace_next(&zstd->pace, hint, io);
	if (hint)
		return CHP_CODEC_MORE;
	zstd->pace.holding = false;
	zstd->head_bytes = 0;
	return CHP_CODEC_END;
}

/* ---- lz4: frames (lz4_Frame_format.md of lz4), not the legacy format --------------- */

struct lz4 {
	LZ4F_dctx *stream;
	struct pace pace;
};

static void lz4_close(void *state)
{
	struct lz4 *lz4 = state;

	if (!lz4)
		return;
	LZ4F_freeDecompressionContext(lz4->stream);
	free(lz4);
}

static void *lz4_open(void)
{
	struct lz4 *lz4 = calloc(1, sizeof(*lz4));

	if (!lz4)
		return NULL;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4->stream, LZ4F_VERSION))) {
		lz4->stream = NULL;
		lz4_close(lz4);
		return NULL;
	}
	lz4->pace.wanted = LZ4F_HEADER_SIZE_MIN;
	return lz4;
}

static enum chp_codec_status lz4_step(void *state, struct chp_codec_io *io)
{
	struct lz4 *lz4 = state;
	size_t in = pace_input(&lz4->pace, io), out = io->out_left;
	size_t hint = LZ4F_decompress(lz4->stream, io->out, &out, io->in, &in, NULL);

	if (LZ4F_isError(hint))
		return refuse(io, CHP_CODEC_DAMAGED, "%s", LZ4F_getErrorName(hint));
	used(io, in, out);
	pace_next(&lz4->pace, hint, io);
	if (hint)
		return CHP_CODEC_MORE;
	lz4->pace = (struct pace){ .wanted = LZ4F_HEADER_SIZE_MIN };
	return CHP_CODEC_END;
}

/* ---- gzip: RFC 1952 ------------------------------------------------------------ */

static void *gzip_open(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	/* 15 bits of window; + 16: a gzip header and nothing else. */
	if (stream && inflateInit2(stream, 15 + 16) != Z_OK) {
		free(stream);
		return NULL;
	}
	return stream;
}

static void gzip_close(void *state)
{
	if (!state)
		return;
	inflateEnd(state);
	free(state);
}

static enum chp_codec_status gzip_step(void *state, struct chp_codec_io *io)
{
	z_stream *stream = state;
	uInt in = (uInt)ch_min(io->in_left, UINT32_MAX),
	     out = (uInt)ch_min(io->out_left, UINT32_MAX);
	int code;

	stream->next_in = (Bytef *)(uintptr_t)io->in;
	stream->avail_in = in;
	stream->next_out = io->out;
	stream->avail_out = out;
	code = inflate(stream, Z_NO_FLUSH);
	used(io, in - stream->avail_in, out - stream->avail_out);
	switch (code) {
	case Z_OK:
	case Z_BUF_ERROR:
		return CHP_CODEC_MORE;
	case Z_STREAM_END:
		return inflateReset(stream) == Z_OK ? CHP_CODEC_END : CHP_CODEC_NOMEM;
	case Z_MEM_ERROR:
		return CHP_CODEC_NOMEM;
	default:
		return refuse(io, CHP_CODEC_DAMAGED, "%s",
			      stream->msg ? stream->msg : "not a gzip stream");
	}
}

/* ---- xz: the .xz file format, version 1.1 ---------------------------------------- */

static bool xz_start(lzma_stream *stream)
{
	return lzma_stream_decoder(stream, CHP_CODEC_XZ_BYTES_MAX, 0) == LZMA_OK;
}

static void xz_close(void *state)
{
	if (!state)
		return;
	lzma_end(state);
	free(state);
}

static void *xz_open(void)
{
	/* All zero is LZMA_STREAM_INIT. */
	lzma_stream *stream = calloc(1, sizeof(*stream));

	if (stream && !xz_start(stream)) {
		xz_close(stream);
		return NULL;
	}
	return stream;
}

static enum chp_codec_status xz_failed(const lzma_stream *stream, struct chp_codec_io *io,
				       lzma_ret code)
{
	switch (code) {
	case LZMA_MEM_ERROR:
		return CHP_CODEC_NOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return refuse(io, CHP_CODEC_LIMIT,
			      "it takes %llu MiB of memory to unpack, the most is %llu MiB",
			      (unsigned long long)lzma_memusage(stream) >> 20,
			      CHP_CODEC_XZ_BYTES_MAX >> 20);
	case LZMA_OPTIONS_ERROR:
		return refuse(io, CHP_CODEC_DAMAGED, "it asks for an unknown filter or option");
	case LZMA_FORMAT_ERROR:
		return refuse(io, CHP_CODEC_DAMAGED, "not an xz stream");
	default:
		return refuse(io, CHP_CODEC_DAMAGED, "corrupt data");
	}
}

static enum chp_codec_status xz_step(void *state, struct chp_codec_io *io)
{
	lzma_stream *stream = state;
	lzma_ret code;

	stream->next_in = io->in;
	stream->avail_in = io->in_left;
	stream->next_out = io->out;
	stream->avail_out = io->out_left;
	code = lzma_code(stream, LZMA_RUN);
	used(io, io->in_left - stream->avail_in, io->out_left - stream->avail_out);
	switch (code) {
	case LZMA_OK:
	case LZMA_BUF_ERROR:
		return CHP_CODEC_MORE;
	case LZMA_STREAM_END:
		return xz_start(stream) ? CHP_CODEC_END : CHP_CODEC_NOMEM;
	default:
		return xz_failed(stream, io, code);
	}
}

const struct chp_codec *chp_codecs(size_t *count_ret)
{
	static const struct chp_codec codecs[] = {
		{ .name = "zstd",
		  .program = "zstd -d --long=31",
		  .magic = { 0x28, 0xb5, 0x2f, 0xfd },
		  .magic_bytes = 4,
		  .skippable = true,
		  .open = zstd_open,
		  .close = zstd_close,
		  .step = zstd_step },
		{ .name = "gzip",
		  .program = "gzip -dc",
		  .magic = { 0x1f, 0x8b, 0x08 },
		  .magic_bytes = 3,
		  .open = gzip_open,
		  .close = gzip_close,
		  .step = gzip_step },
		{ .name = "xz",
		  .program = "xz -dc",
		  .magic = { 0xfd, '7', 'z', 'X', 'Z', 0 },
		  .magic_bytes = 6,
		  .open = xz_open,
		  .close = xz_close,
		  .step = xz_step },
		{ .name = "lz4",
		  .program = "lz4 -dc",
		  .magic = { 0x04, 0x22, 0x4d, 0x18 },
		  .magic_bytes = 4,
		  .skippable = true,
		  .open = lz4_open,
		  .close = lz4_close,
		  .step = lz4_step },
	};

	*count_ret = CH_COUNT_OF(codecs);
	return codecs;
}
