/*
 * codec.h - the compression formats a core may come in, behind one interface.
 *
 * A compressed file is a row of frames (zstd, lz4), members (gzip) or streams
 * (xz), here all called frames. A codec is fed input and output windows and
 * moves them on; it ends every frame with CHP_CODEC_END and starts the next
 * one by itself when it is called again. It holds a bounded amount of memory,
 * whatever its input says.
 */
#ifndef COREHEAP_CORE_CODEC_H
#define COREHEAP_CORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/core.h>

/** The largest window (zstd) a core may need: 2^27, as the zstd program's own default. */
#define CHP_CODEC_WINDOW_LOG_MAX 27
/** What liblzma may hold; `xz -9` needs 65 MiB. */
#define CHP_CODEC_XZ_BYTES_MAX (256ULL << 20)

enum chp_codec_status {
	/** In the midst of a frame: give more input or take output. */
	CHP_CODEC_MORE,
	/** A frame ended, and all of its bytes were handed out. */
	CHP_CODEC_END,
	/** The input contradicts itself; what was handed out before is good. */
	CHP_CODEC_DAMAGED,
	/** It would take more memory than it may. */
	CHP_CODEC_LIMIT,
	/** Sound, but of a kind that is not handled. */
	CHP_CODEC_UNSUPPORTED,
	CHP_CODEC_NOMEM,
};

struct chp_codec_io {
	/** Input not yet used; moved on by step. */
	const uint8_t *in;
	size_t in_left;
	/** Room for output; moved on by step. */
	uint8_t *out;
	size_t out_left;
	/** For DAMAGED, LIMIT and UNSUPPORTED: why, without the name of the format. */
	char reason[160];
};

struct chp_codec {
	const char *name;
	/** Program, with options, that unpacks what this codec refuses. */
	const char *program;
	/** First bytes of a frame. */
	uint8_t magic[6];
	size_t magic_bytes;
	/** Whether skippable frames (0x184d2a50 ..) may stand between its frames. */
	bool skippable;
	/** Decoder state; NULL when out of memory. */
	void *(*open)(void);
	/** NULL accepted. */
	void (*close)(void *state);
	enum chp_codec_status (*step)(void *state, struct chp_codec_io *io);
};

/** All codecs. Static. */
const struct chp_codec *chp_codecs(size_t *count_ret);

#endif /* COREHEAP_CORE_CODEC_H */
