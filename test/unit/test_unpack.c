/*
 * Compressed cores. What goes in is made by the formats' own libraries and
 * programs, or written by hand from their specifications; what comes out is
 * compared with what was compressed.
 */
#include <fcntl.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core/unpack.h"
#include "support/ck.h"
#include "support/opencore.h"

struct bytes {
	uint8_t *data;
	size_t size;
};

struct result {
	struct ch_context *ctx;
	struct ch_error *err;
	const char *format;
	int fd;
	struct bytes out;
	/* Room the copy takes on the disk. */
	uint64_t disk_bytes;
};

static struct bytes bytes_alloc(size_t size)
{
	struct bytes b = { calloc(1, size ? size : 1), size };

	ck_assert_ptr_nonnull(b.data);
	return b;
}

static struct bytes bytes_join(const void *a, size_t a_size, const void *b, size_t b_size)
{
	struct bytes joined = bytes_alloc(a_size + b_size);

	memcpy(joined.data, a, a_size);
	memcpy(joined.data + a_size, b, b_size);
	return joined;
}

/* Numerical Recipes' generator: the same bytes on every machine. */
static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

/* Noise, text and holes in turn, 16 KiB each. */
static struct bytes sample(size_t size)
{
	struct bytes b = bytes_alloc(size);
	uint32_t state = 1;
	size_t i;

	for (i = 0; i < size; i++) {
		size_t kind = i / 16384 % 4;

		if (kind < 2)
			b.data[i] = (uint8_t)(next_random(&state) >> 16);
		else if (kind == 2)
			b.data[i] = (uint8_t)("the quick brown fox"[i % 19]);
	}
	return b;
}

/* ---- makers: library calls ------------------------------------------------------- */

static struct bytes make_zstd(const struct bytes *in)
{
	struct bytes out = bytes_alloc(ZSTD_compressBound(in->size));
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	out.size = ZSTD_compress2(cctx, out.data, out.size, in->data, in->size);
	ck_assert(!ZSTD_isError(out.size));
	ZSTD_freeCCtx(cctx);
	return out;
}

static struct bytes make_gzip(const struct bytes *in)
{
	z_stream z = { 0 };
	struct bytes out;

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	out = bytes_alloc(deflateBound(&z, in->size));
	z.next_in = in->data;
	z.avail_in = (uInt)in->size;
	z.next_out = out.data;
	z.avail_out = (uInt)out.size;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.size = z.total_out;
	deflateEnd(&z);
	return out;
}

static struct bytes make_xz(const struct bytes *in)
{
	struct bytes out = bytes_alloc(lzma_stream_buffer_bound(in->size));
	size_t size = 0;

	ck_assert_int_eq(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, in->data, in->size,
						 out.data, &size, out.size),
			 LZMA_OK);
	out.size = size;
	return out;
}

static struct bytes make_lz4(const struct bytes *in)
{
	LZ4F_preferences_t prefs = { 0 };
	struct bytes out;

	prefs.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	prefs.frameInfo.blockSizeID = LZ4F_max64KB;
	out = bytes_alloc(LZ4F_compressFrameBound(in->size, &prefs));
	out.size = LZ4F_compressFrame(out.data, out.size, in->data, in->size, &prefs);
	ck_assert(!LZ4F_isError(out.size));
	return out;
}

static const struct maker {
	const char *name;
	struct bytes (*make)(const struct bytes *in);
	/* Whether a valid zstd or lz4 skippable frame may precede. */
	bool skippable;
} makers[] = {
	{ "zstd", make_zstd, true },
	{ "gzip", make_gzip, false },
	{ "xz", make_xz, false },
	{ "lz4", make_lz4, true },
};
#define MAKERS 4

/* ---- running it ----------------------------------------------------------------- */

static void read_copy(struct result *r)
{
	struct stat st;

	ck_assert_int_eq(fstat(r->fd, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	r->disk_bytes = (uint64_t)st.st_blocks * 512;
	r->out = bytes_alloc((size_t)st.st_size);
	ck_assert_int_eq(pread(r->fd, r->out.data, r->out.size, 0), (ssize_t)r->out.size);
}

static struct result run(const void *data, size_t size, const struct ch_core_options *options,
			 const struct ch_context_options *callbacks)
{
	struct result r = { .ctx = ch_context_create(callbacks), .fd = -7 };
	const char *path = cw_temp_path("packed");
	int fd;

	cw_write_bytes(path, data, size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	r.err = chp_unpack(r.ctx, "the.core", fd, options, NULL, &r.fd, &r.format);
	if (r.err)
		ck_assert_int_eq(r.fd, -7);
	else if (r.fd >= 0)
		read_copy(&r);
	close(fd);
	unlink(path);
	return r;
}

static void finish(struct result *r)
{
	ch_error_destroy(r->err);
	ch_context_destroy(r->ctx);
	if (r->fd >= 0)
		close(r->fd);
	free(r->out.data);
}

static const char *finding(const struct result *r)
{
	size_t count;
	const struct ch_finding *findings = ch_context_findings(r->ctx, &count);

	ck_assert_uint_le(count, 1);
	if (count)
		ck_assert_int_eq(findings[0].severity, CH_SEVERITY_INCOMPLETE);
	return count ? findings[0].code : "";
}

static bool same(const struct result *r, const struct bytes *want)
{
	return r->out.size == want->size && memcmp(r->out.data, want->data, want->size) == 0;
}

/* It unpacks to want, with this finding ("" for none). */
static void expect(const void *data, size_t size, const char *format, const struct bytes *want,
		   const char *code)
{
	struct result r = run(data, size, NULL, NULL);

	ck_ch_ok(r.err);
	ck_assert_str_eq(r.format, format);
	ck_assert_str_eq(finding(&r), code);
	ck_assert_msg(same(&r, want), "%s: %zu bytes came out", format, r.out.size);
	finish(&r);
}

/* ---- sound input ----------------------------------------------------------------- */

START_TEST(library_output_comes_back)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 1U << 20, (3U << 20) + 17 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bytes data = sample(sizes[i]), packed = makers[_i].make(&data);

		expect(packed.data, packed.size, makers[_i].name, &data, "");
		free(packed.data);
		free(data.data);
	}
}
END_TEST

static const struct {
	const char *command, *format;
} programs[] = {
	{ "zstd -q -c", "zstd" },
	{ "zstd -q -19 -c", "zstd" },
	{ "zstd -q --long=27 --no-check -c", "zstd" },
	{ "zstd -q -T2 -B128K -c", "zstd" },
	{ "gzip -c", "gzip" },
	{ "gzip -1 -n -c", "gzip" },
	{ "xz -c", "xz" },
	{ "xz -9e --check=sha256 -c", "xz" },
	{ "xz --block-size=65536 --x86 --lzma2 -T2 -c", "xz" },
	{ "lz4 -q -c", "lz4" },
	{ "lz4 -q -9 -B7 -BD --content-size -c", "lz4" },
	{ "lz4 -q -B4 -BX --no-frame-crc -c", "lz4" },
};

START_TEST(program_output_comes_back)
{
	struct bytes data = sample((1U << 20) + 5), packed = bytes_alloc(4U << 20);
	const char *path = cw_temp_path("plain");
	char command[512];
	FILE *pipe;

	cw_write_bytes(path, data.data, data.size);
	snprintf(command, sizeof(command), "%s < '%s'", programs[_i].command, path);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	packed.size = fread(packed.data, 1, packed.size, pipe);
	ck_assert_msg(pclose(pipe) == 0, "%s failed", command);
	expect(packed.data, packed.size, programs[_i].format, &data, "");
	unlink(path);
	free(packed.data);
	free(data.data);
}
END_TEST

START_TEST(frames_follow_one_another)
{
	static const uint8_t zeros[1000] = { 0 };
	struct bytes a = sample(100000), b = sample(70001);
	struct bytes pa = makers[_i].make(&a), pb = makers[_i].make(&b);
	struct bytes both = bytes_join(a.data, a.size, b.data, b.size);
	struct bytes packed = bytes_join(pa.data, pa.size, pb.data, pb.size);
	struct bytes padded = bytes_join(pa.data, pa.size, zeros, sizeof(zeros));
	struct bytes apart = bytes_join(padded.data, padded.size, pb.data, pb.size);
	struct bytes garbage = bytes_join(pa.data, pa.size, "garbage!garbage!", 16);

	expect(packed.data, packed.size, makers[_i].name, &both, "");
	expect(padded.data, padded.size, makers[_i].name, &a, "");
	expect(apart.data, apart.size, makers[_i].name, &both, "");
	expect(garbage.data, garbage.size, makers[_i].name, &a, "compressed-damaged");
	free(a.data);
	free(b.data);
	free(pa.data);
	free(pb.data);
	free(both.data);
	free(packed.data);
	free(padded.data);
	free(apart.data);
	free(garbage.data);
}
END_TEST

START_TEST(skippable_frames_are_skipped)
{
	/* RFC 8878, 3.1.2: magic 0x184d2a50 to 0x184d2a5f, size, contents. */
	static const uint8_t skip[] = { 0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	struct bytes data = sample(70000), packed = makers[_i].make(&data);
	struct bytes before = bytes_join(skip, sizeof(skip), packed.data, packed.size);
	struct bytes twice = bytes_join(skip, sizeof(skip), before.data, before.size);
	struct bytes after = bytes_join(twice.data, twice.size, skip, sizeof(skip));
	struct bytes cut = bytes_join(twice.data, twice.size, skip, sizeof(skip) - 1);
	struct result r;

	if (makers[_i].skippable) {
		expect(before.data, before.size, makers[_i].name, &data, "");
		expect(after.data, after.size, makers[_i].name, &data, "");
		expect(cut.data, cut.size, makers[_i].name, &data, "compressed-truncated");
	} else {
		r = run(before.data, before.size, NULL, NULL);
		ck_ch_ok(r.err);
		ck_assert_str_eq(r.format, "none");
		ck_assert_int_eq(r.fd, -1);
		finish(&r);
	}
	free(data.data);
	free(packed.data);
	free(before.data);
	free(twice.data);
	free(after.data);
	free(cut.data);
}
END_TEST

START_TEST(other_files_are_left_alone)
{
	static const struct {
		const char *data;
		size_t size;
	} rows[] = {
		{ "", 0 },
		{ "\x7f"
		  "ELF\2\1\1",
		  7 },
		{ "\x28\xb5\x2f", 3 },
		{ "\x1f\x8b\x07\x08", 4 },
		{ "\xfd"
		  "7zXY",
		  5 },
		/* only skippable frames, the last of them cut */
		{ "\x50\x2a\x4d\x18\xff\xff\xff\xff", 8 },
		{ "\x50\x2a\x4d\x18\0\0\0\0\x50\x2a\x4d\x18\0\0\0", 15 },
	};
	struct result r = run(rows[_i].data, rows[_i].size, NULL, NULL);

	ck_ch_ok(r.err);
	ck_assert_int_eq(r.fd, -1);
	ck_assert_str_eq(r.format, "none");
	ck_assert_str_eq(finding(&r), "");
	finish(&r);
}
END_TEST

START_TEST(zero_pages_become_holes)
{
	struct bytes data = bytes_alloc(64U << 20), packed;
	struct result r;

	/* One byte in the middle; the file ends in a hole that ends within a page. */
	data.size -= 100;
	data.data[20000001] = 1;
	packed = makers[_i].make(&data);
	r = run(packed.data, packed.size, NULL, NULL);
	ck_ch_ok(r.err);
	ck_assert(same(&r, &data));
	ck_assert_msg(r.disk_bytes <= 65536, "%llu bytes on disk",
		      (unsigned long long)r.disk_bytes);
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

/* ---- damaged input --------------------------------------------------------------- */

START_TEST(truncated_input_gives_what_came_out)
{
	/* Blocks of all formats, zlib's and liblzma's inner buffers are below this. */
	const size_t lost_most = 256U << 10;
	struct bytes data = sample(2U << 20), packed = makers[_i].make(&data);
	size_t part;

	for (part = 1; part < 64; part++) {
		size_t size = packed.size * part / 64;
		struct result r = run(packed.data, size, NULL, NULL);

		if (r.err && r.err->code == CH_ERROR_FORMAT && size < lost_most) {
			finish(&r);
			continue;
		}
		ck_ch_ok(r.err);
		ck_assert_str_eq(r.format, makers[_i].name);
		ck_assert_str_eq(finding(&r), "compressed-truncated");
		ck_assert_uint_lt(r.out.size, data.size);
		ck_assert(memcmp(r.out.data, data.data, r.out.size) == 0);
		/* The sample does not get larger by packing. */
		ck_assert_uint_ge(r.out.size + lost_most, size);
		finish(&r);
	}
	free(packed.data);
	free(data.data);
}
END_TEST

START_TEST(every_short_file_ends_well)
{
	struct bytes data = sample(300), packed = makers[_i].make(&data);
	size_t size;

	for (size = 0; size < packed.size; size++) {
		struct result r = run(packed.data, size, NULL, NULL);

		if (r.err)
			ck_assert_int_eq(r.err->code, CH_ERROR_FORMAT);
		else if (r.fd >= 0)
			ck_assert_str_eq(finding(&r), "compressed-truncated");
		else
			ck_assert_uint_lt(size, 7);
		finish(&r);
	}
	free(packed.data);
	free(data.data);
}
END_TEST

/* All four carry checksums here: changed bytes never pass for sound ones. */
START_TEST(no_flipped_bit_goes_unnoticed)
{
	struct bytes data = sample(200000), packed = makers[_i].make(&data);
	uint32_t state = 7;
	unsigned int i, noticed = 0;

	for (i = 0; i < 400; i++) {
		/* The first 64 bytes, where headers are, get a quarter of the flips. */
		size_t range = i % 4 ? packed.size : 64;
		size_t at = next_random(&state) % range;
		uint8_t bit = (uint8_t)(1U << (next_random(&state) % 8));
		struct result r;

		packed.data[at] ^= bit;
		r = run(packed.data, packed.size, NULL, NULL);
		packed.data[at] ^= bit;
		if (r.err || r.fd < 0 || *finding(&r))
			noticed++;
		else
			ck_assert_msg(same(&r, &data), "bit %u of byte %zu", bit, at);
		if (r.err)
			ck_assert_msg(r.err->code == CH_ERROR_FORMAT ||
					      r.err->code == CH_ERROR_LIMIT ||
					      r.err->code == CH_ERROR_UNSUPPORTED,
				      "byte %zu: %s", at, r.err->message);
		finish(&r);
	}
	ck_assert_uint_gt(noticed, 300);
	free(packed.data);
	free(data.data);
}
END_TEST

/* Blocks before the damaged one are kept, also those decoded in the same call. */
START_TEST(bytes_before_the_damage_are_kept)
{
	/* The damage holds the header of a block, 128 KiB at most, and begins near the end
	 * of whatever power of two the input is read in. */
	const size_t at = (1U << 20) - (140U << 10), length = 200U << 10;
	/* Half of the sample is noise: the output is twice the input, give or take a cycle
	 * of 64 KiB; one block may be lost with the damage. */
	const size_t kept = 2 * at - (64U << 10) - (128U << 10);
	struct bytes data = sample(4U << 20), packed = makers[_i].make(&data);
	struct result r;

	memset(packed.data + at, 0xff, length);
	r = run(packed.data, packed.size, NULL, NULL);
	ck_ch_ok(r.err);
	ck_assert_str_eq(finding(&r), "compressed-damaged");
	ck_assert_uint_ge(r.out.size, kept);
	ck_assert(memcmp(r.out.data, data.data, kept) == 0);
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------- */

START_TEST(limit_is_exact)
{
	struct bytes data = sample(1500000), packed = makers[_i].make(&data);
	struct ch_core_options options = { .temp_bytes_max = data.size };
	struct result r = run(packed.data, packed.size, &options, NULL);

	ck_ch_ok(r.err);
	ck_assert(same(&r, &data));
	finish(&r);
	options.temp_bytes_max--;
	r = run(packed.data, packed.size, &options, NULL);
	ck_assert_ptr_nonnull(r.err);
	ck_assert_int_eq(r.err->code, CH_ERROR_LIMIT);
	ck_assert_ptr_nonnull(strstr(r.err->message, "1499999 bytes"));
	ck_assert_ptr_nonnull(strstr(r.err->message, "--temp-bytes"));
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

START_TEST(bombs_end_at_the_limit)
{
	struct ch_core_options options = { .temp_bytes_max = 32U << 20 };
	struct bytes zeros = bytes_alloc(16U << 20), packed = makers[_i].make(&zeros);
	struct bytes bomb = bytes_alloc(packed.size * 64);
	struct result r;
	size_t i;

	/* 64 frames: 1 GiB. */
	for (i = 0; i < 64; i++)
		memcpy(bomb.data + i * packed.size, packed.data, packed.size);
	r = run(bomb.data, bomb.size, &options, NULL);
	ck_ch_err(r.err, LIMIT);
	r.err = NULL;
	finish(&r);
	free(bomb.data);
	free(packed.data);
	free(zeros.data);
}
END_TEST

START_TEST(file_size_limit_is_no_signal)
{
	struct bytes data = sample(300000), packed = makers[_i].make(&data);
	struct rlimit rlimit = { 200000, 200000 };
	struct result r;

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rlimit), 0);
	r = run(packed.data, packed.size, NULL, NULL);
	ck_assert_ptr_nonnull(r.err);
	ck_assert_int_eq(r.err->code, CH_ERROR_LIMIT);
	ck_assert_ptr_nonnull(strstr(r.err->message, "ulimit -f"));
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

START_TEST(zstd_windows)
{
	/* RFC 8878, 3.1.1.1.2: exponent in the upper 5 bits, mantissa in the lower 3. */
	static const struct {
		uint8_t descriptor;
		const char *says;
	} rows[] = {
		{ 17 << 3, NULL },
		{ 17 << 3 | 1, "over 2^27" },
		{ 21 << 3, "2^31 bytes (2048 MiB)" },
		{ 31 << 3 | 7, "over 2^41" },
	};
	/* Magic, frame header without content size; one last raw block of 5 bytes. */
	uint8_t frame[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0, 0, 5 << 3 | 1, 0, 0, 'h', 'e', 'l', 'l', 'o'
	};
	struct result r;

	frame[5] = rows[_i].descriptor;
	r = run(frame, sizeof(frame), NULL, NULL);
	if (!rows[_i].says) {
		ck_ch_ok(r.err);
		ck_assert_uint_eq(r.out.size, 5);
		ck_assert(memcmp(r.out.data, "hello", 5) == 0);
	} else {
		ck_assert_ptr_nonnull(r.err);
		ck_assert_int_eq(r.err->code, CH_ERROR_LIMIT);
		ck_assert_msg(strstr(r.err->message, rows[_i].says), "%s", r.err->message);
		ck_assert_ptr_nonnull(strstr(r.err->message, "zstd -d --long=31"));
	}
	finish(&r);
}
END_TEST

START_TEST(xz_dictionary_is_bounded)
{
	/* The largest dictionary of all: 4 GiB - 1. */
	lzma_options_lzma lzma;
	lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &lzma }, { LZMA_VLI_UNKNOWN, NULL } };
	struct bytes data = sample(50000), packed = bytes_alloc(200000);
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *head;
	struct result r;

	ck_assert(!lzma_lzma_preset(&lzma, 0));
	ck_assert_int_eq(lzma_stream_encoder(&stream, filters, LZMA_CHECK_CRC32), LZMA_OK);
	stream.next_in = data.data;
	stream.avail_in = data.size;
	stream.next_out = packed.data;
	stream.avail_out = packed.size;
	ck_assert_int_eq(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&stream);
	/* Block header: size, flags, filter id, size of properties, dictionary; CRC32 last. */
	head = packed.data + LZMA_STREAM_HEADER_SIZE;
	ck_assert_uint_eq(head[2], LZMA_FILTER_LZMA2);
	head[4] = 40;
	memcpy(head + 8, &(uint32_t){ lzma_crc32(head, 8, 0) }, 4);
	r = run(packed.data, (size_t)stream.total_out, NULL, NULL);
	ck_assert_ptr_nonnull(r.err);
	ck_assert_int_eq(r.err->code, CH_ERROR_LIMIT);
	ck_assert_msg(strstr(r.err->message, "256 MiB"), "%s", r.err->message);
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

START_TEST(missing_folder_says_what_to_do)
{
	struct ch_core_options options = { .temp_dir = "/nonexistent/folder" };
	struct bytes data = sample(100), packed = makers[_i].make(&data);
	struct result r = run(packed.data, packed.size, &options, NULL);

	ck_assert_ptr_nonnull(r.err);
	ck_assert_int_eq(r.err->code, CH_ERROR_OS);
	ck_assert_ptr_nonnull(strstr(r.err->message, "/nonexistent/folder"));
	ck_assert_ptr_nonnull(strstr(r.err->message, "--temp-dir"));
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

/* ---- progress and cancellation ------------------------------------------------------ */

struct seen {
	struct ch_context *ctx;
	uint64_t done, total;
	unsigned int calls, cancel_at;
};

static void watch(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct seen *seen = arg;

	ck_assert_str_eq(phase, "unpacking");
	ck_assert_uint_ge(done, seen->done);
	ck_assert_uint_le(done, total);
	seen->done = done;
	seen->total = total;
	seen->calls++;
}

START_TEST(progress_counts_compressed_bytes)
{
	struct seen seen = { 0 };
	struct ch_context_options callbacks = { .progress = watch, .arg = &seen };
	struct bytes data = sample(6U << 20), packed = makers[_i].make(&data);
	struct result r = run(packed.data, packed.size, NULL, &callbacks);

	ck_ch_ok(r.err);
	ck_assert_uint_eq(seen.done, packed.size);
	ck_assert_uint_eq(seen.total, packed.size);
	ck_assert_uint_ge(seen.calls, 6);
	finish(&r);
	free(packed.data);
	free(data.data);
}
END_TEST

static void cancel(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct seen *seen = arg;

	(void)phase;
	(void)done;
	(void)total;
	seen->calls++;
	ch_context_cancel(seen->ctx);
}

START_TEST(cancellation_stops_it)
{
	struct seen seen = { 0 };
	struct ch_context_options callbacks = { .progress = cancel, .arg = &seen };
	struct bytes data = sample(6U << 20), packed = makers[_i].make(&data);
	const char *path = cw_temp_path("packed");
	const char *format;
	int fd, copy = -1;

	cw_write_bytes(path, packed.data, packed.size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	seen.ctx = ch_context_create(&callbacks);
	ck_ch_err(chp_unpack(seen.ctx, path, fd, NULL, NULL, &copy, &format), STOP);
	ck_assert_uint_eq(seen.calls, 1);
	ck_assert_int_eq(copy, -1);
	ch_context_destroy(seen.ctx);
	close(fd);
	unlink(path);
	free(packed.data);
	free(data.data);
}
END_TEST

/* ---- through the door ------------------------------------------------------------- */

START_TEST(compressed_cores_open)
{
	struct corewriter *w = cw_create(EM_X86_64);
	const char *path = cw_temp_path("core");
	struct bytes core = { 0 }, packed;
	struct opened o = { 0 };
	uint64_t value = 0;
	FILE *file;

	cw_load(w, 0x10000, 0x3000, PF_R | PF_W, "\1\2\3\4\5\6\7\x08", 8);
	core = bytes_alloc(cw_layout(w).file_bytes);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	file = fopen(path, "r");
	ck_assert_uint_eq(fread(core.data, 1, core.size, file), core.size);
	fclose(file);
	packed = makers[_i].make(&core);
	cw_write_bytes(path, packed.data, packed.size);
	ck_ch_ok(oc_open_path(path, &o));
	ck_assert_str_eq(ch_core_stats(o.core)->compression, makers[_i].name);
	ck_assert_uint_eq(ch_core_stats(o.core)->file_bytes, core.size);
	ck_assert(ch_core_read_u64(o.core, 0x10000, &value));
	ck_assert_uint_eq(value, 0x0807060504030201ULL);
	ck_assert(ch_context_complete(o.ctx));
	oc_close(&o);
	unlink(path);
	free(packed.data);
	free(core.data);
}
END_TEST

Suite *suite_unpack(void)
{
	Suite *suite = suite_create("unpack");
	TCase *sound = tcase_create("sound"), *damaged = tcase_create("damaged");
	TCase *limits = tcase_create("limits");

	tcase_set_timeout(sound, 60);
	tcase_set_timeout(damaged, 120);
	tcase_set_timeout(limits, 60);
	tcase_add_loop_test(sound, library_output_comes_back, 0, MAKERS);
	tcase_add_loop_test(sound, program_output_comes_back, 0,
			    sizeof(programs) / sizeof(programs[0]));
	tcase_add_loop_test(sound, frames_follow_one_another, 0, MAKERS);
	tcase_add_loop_test(sound, skippable_frames_are_skipped, 0, MAKERS);
	tcase_add_loop_test(sound, other_files_are_left_alone, 0, 7);
	tcase_add_loop_test(sound, zero_pages_become_holes, 0, MAKERS);
	tcase_add_loop_test(sound, progress_counts_compressed_bytes, 0, MAKERS);
	tcase_add_loop_test(sound, cancellation_stops_it, 0, MAKERS);
	tcase_add_loop_test(sound, compressed_cores_open, 0, MAKERS);
	tcase_add_loop_test(damaged, truncated_input_gives_what_came_out, 0, MAKERS);
	tcase_add_loop_test(damaged, every_short_file_ends_well, 0, MAKERS);
	tcase_add_loop_test(damaged, no_flipped_bit_goes_unnoticed, 0, MAKERS);
	tcase_add_loop_test(damaged, bytes_before_the_damage_are_kept, 0, MAKERS);
	tcase_add_loop_test(limits, limit_is_exact, 0, MAKERS);
	tcase_add_loop_test(limits, bombs_end_at_the_limit, 0, MAKERS);
	tcase_add_loop_test(limits, file_size_limit_is_no_signal, 0, MAKERS);
	tcase_add_loop_test(limits, zstd_windows, 0, 4);
	tcase_add_test(limits, xz_dictionary_is_bounded);
	tcase_add_loop_test(limits, missing_folder_says_what_to_do, 0, MAKERS);
	suite_add_tcase(suite, sound);
	suite_add_tcase(suite, damaged);
	suite_add_tcase(suite, limits);
	return suite;
}
