/*
 * Unpacking a compressed core into an unlinked, sparse temporary file, with a bound on its size.
 * codec.c knows the formats; this loop knows about files, holes, progress and bombs. What comes
 * through a pipe is copied into such a file as it is.
 */
#include "core/unpack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/codec.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* What is read of the file, and unpacked, at a time. */
#define IN_BYTES  (256U << 10)
#define OUT_BYTES (1U << 20)
/* Holes are made of whole pages of the copy. */
#define HOLE_BYTES 4096U
/* Skippable frames looked through for the first real one. */
#define SKIPPABLE_MAX 64
/* How long to wait for a pipe before looking whether somebody wants to stop. */
#define WAIT_MS 200
/* Calls in a row that neither take input nor give output: no format needs more. */
#define STALLS_MAX 4

struct unpack {
	struct ch_context *ctx;
	const char *path, *dir;
	int fd, out_fd;
	const struct chp_codec *codec;
	chp_look_fn look;
	void *state;
	struct chp_codec_io io;
	uint8_t *in, *out;
	/* File size, and offset of the next byte to read from it. */
	uint64_t file_bytes, in_off;
	/* Bytes handed over to the copy, holes included. */
	uint64_t out_bytes;
	/* Most that may be, and who says so. */
	uint64_t limit;
	const char *limit_name;
	/* Between two frames: the input may end here. */
	bool at_boundary;
	bool at_eof;
};

/* ---- what it is -------------------------------------------------------------- */

static struct ch_error *read_at(const struct unpack *u, void *buf, size_t size, uint64_t off,
				size_t *ret)
{
	ssize_t n;

	do
		n = pread(u->fd, buf, size, (off_t)off);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return ch_error_os(errno, u->path, "cannot read");
	*ret = (size_t)n;
	return NULL;
}

static const struct chp_codec *codec_of(const uint8_t *head, size_t size, bool skipped)
{
	size_t count, i;
	const struct chp_codec *codecs = chp_codecs(&count);

	for (i = 0; i < count; i++)
		if (size >= codecs[i].magic_bytes &&
		    memcmp(head, codecs[i].magic, codecs[i].magic_bytes) == 0 &&
		    (!skipped || codecs[i].skippable))
			return &codecs[i];
	return NULL;
}

/* pzstd and others begin with skippable frames, which say nothing of the format. */
static struct ch_error *find_codec(struct unpack *u)
{
	struct ch_error *err;
	uint64_t off = 0;
	uint8_t head[8];
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < SKIPPABLE_MAX && off < u->file_bytes; i++) {
		err = read_at(u, head, sizeof(head), off, &size);
		if (err)
			return err;
		if (size < sizeof(head) || (ch_get32(head) & 0xfffffff0U) != 0x184d2a50U) {
			u->codec = codec_of(head, size, i > 0);
			return NULL;
		}
		off += sizeof(head) + (uint64_t)ch_get32(head + 4);
	}
	return NULL;
}

/* ---- the copy ---------------------------------------------------------------- */

static const char *temp_dir(const struct ch_core_options *options)
{
	const char *dir = options ? options->temp_dir : NULL;

	if (!dir)
		dir = secure_getenv("TMPDIR");
	return dir && *dir ? dir : "/var/tmp";
}

static struct ch_error *open_copy(struct unpack *u)
{
	_cleanup_free_ char *name = NULL;
	int errnum;

	u->out_fd = open(u->dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (u->out_fd >= 0)
		return NULL;
	/* Not every file system has O_TMPFILE. */
	if (asprintf(&name, "%s/coreheap-XXXXXX", u->dir) < 0) {
		name = NULL;
		return &ch_enomem;
	}
	u->out_fd = mkostemp(name, O_CLOEXEC);
	if (u->out_fd < 0) {
		errnum = errno;
		return ch_error_os(errnum, u->dir,
				   "cannot make a temporary file for the core "
				   "(--temp-dir or TMPDIR names another folder)");
	}
	unlink(name);
	return NULL;
}

static void set_limit(struct unpack *u, const struct ch_core_options *options)
{
	struct rlimit rlimit;

	u->limit =
		options && options->temp_bytes_max ? options->temp_bytes_max : CHP_UNPACK_BYTES_MAX;
	u->limit_name = "--temp-bytes";
	/* Writing beyond this would end the process with SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &rlimit) == 0 && rlimit.rlim_cur < u->limit) {
		u->limit = rlimit.rlim_cur;
		u->limit_name = "ulimit -f";
	}
}

static struct ch_error *write_failed(const struct unpack *u, int errnum, uint64_t off)
{
	_cleanup_free_ char *what = NULL;

	if (asprintf(&what,
		     "cannot %s %s here, after %llu bytes (--temp-dir or TMPDIR names a folder "
		     "with more room)",
		     u->codec ? "unpack" : "keep", u->path, (unsigned long long)off) < 0) {
		what = NULL;
		return &ch_enomem;
	}
	return ch_error_os(errnum, u->dir, what);
}

static struct ch_error *write_at(const struct unpack *u, const uint8_t *data, size_t size,
				 uint64_t off)
{
	while (size) {
		ssize_t n = pwrite(u->out_fd, data, size, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed(u, errno, off);
		data += n;
		size -= (size_t)n;
		off += (uint64_t)n;
	}
	return NULL;
}

static bool is_zero(const uint8_t *data, size_t size)
{
	return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Length of the run of pages at data that are zero, or are not. */
static size_t page_run(const uint8_t *data, size_t size, bool zero)
{
	size_t pos = 0, page;

	while (pos < size) {
		page = ch_min(size - pos, HOLE_BYTES);
		if (is_zero(data + pos, page) != zero)
			break;
		pos += page;
	}
	return pos;
}

/* Write the pages that are not zero, in runs; skip the others. */
static struct ch_error *write_sparse(const struct unpack *u, const uint8_t *data, size_t size)
{
	struct ch_error *err = NULL;
	size_t pos = 0, run;

	while (pos < size && !err) {
		pos += page_run(data + pos, size - pos, true);
		run = page_run(data + pos, size - pos, false);
		err = write_at(u, data + pos, run, u->out_bytes + pos);
		pos += run;
	}
	return err;
}

static struct ch_error *tick(const struct unpack *u)
{
	chp_context_progress(u->ctx, u->codec ? "unpacking" : "reading", u->in_off - u->io.in_left,
			     u->file_bytes);
	return chp_context_check(u->ctx);
}

static struct ch_error *over_limit(const struct unpack *u)
{
	if (!u->codec)
		return ch_error_create(CH_ERROR_LIMIT,
				       "%s: more than %llu bytes come through the pipe, the limit "
				       "(%s raises it)",
				       u->path, (unsigned long long)u->limit, u->limit_name);
	return ch_error_create(CH_ERROR_LIMIT,
			       "%s: the %s data unpacks to more than %llu bytes, the limit "
			       "(%s raises it)",
			       u->path, u->codec->name, (unsigned long long)u->limit,
			       u->limit_name);
}

/* Hand what lies in the output buffer to the copy. */
static struct ch_error *flush(struct unpack *u)
{
	struct ch_error *err;
	size_t size = OUT_BYTES - u->io.out_left;

	if (!ch_inside(u->out_bytes, size, u->limit))
		return over_limit(u);
	err = u->look && size && !u->out_bytes ? u->look(u->path, u->codec->name, u->out, size)
					       : NULL;
	if (!err)
		err = write_sparse(u, u->out, size);
	if (err)
		return err;
	u->out_bytes += size;
	u->io.out = u->out;
	u->io.out_left = OUT_BYTES;
	return tick(u);
}

/* ---- the loop ---------------------------------------------------------------- */

static struct ch_error *refill(struct unpack *u)
{
	struct ch_error *err = read_at(u, u->in, IN_BYTES, u->in_off, &u->io.in_left);

	if (err)
		return err;
	u->io.in = u->in;
	u->in_off += u->io.in_left;
	u->at_eof = u->io.in_left == 0;
	return tick(u);
}

/* Zero bytes between and after frames are padding, as tar and xz leave it. */
static void skip_padding(struct unpack *u)
{
	while (u->io.in_left && *u->io.in == 0) {
		u->io.in++;
		u->io.in_left--;
	}
}

static struct ch_error *refused(const struct unpack *u, enum chp_codec_status status)
{
	switch (status) {
	case CHP_CODEC_LIMIT:
		return ch_error_create(CH_ERROR_LIMIT,
				       "%s: cannot unpack the %s data: %s; unpack it first: %s",
				       u->path, u->codec->name, u->io.reason, u->codec->program);
	case CHP_CODEC_UNSUPPORTED:
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "%s: cannot unpack the %s data: %s; unpack it first",
				       u->path, u->codec->name, u->io.reason);
	default:
		return &ch_enomem;
	}
}

/* The input ended early (reason NULL) or is damaged: keep what came out. */
static struct ch_error *end_early(struct unpack *u, const char *reason)
{
	unsigned long long in = u->in_off - u->io.in_left;
	struct ch_error *err = flush(u);

	if (err)
		return err;
	if (!u->out_bytes)
		return ch_error_create(
			CH_ERROR_FORMAT,
			"%s: not a core: nothing could be unpacked from the %s data, "
			"which %s%s%s",
			u->path, u->codec->name, reason ? "is damaged (" : "ends early",
			reason ? reason : "", reason ? ")" : "");
	if (reason)
		chp_context_finding(
			u->ctx, CH_SEVERITY_INCOMPLETE, "compressed-damaged",
			"the %s data is damaged near byte %llu of %llu (%s): %llu bytes "
			"came out before, the rest is missing",
			u->codec->name, in, (unsigned long long)u->file_bytes, reason,
			(unsigned long long)u->out_bytes);
	else
		chp_context_finding(u->ctx, CH_SEVERITY_INCOMPLETE, "compressed-truncated",
				    "the %s data ends before its end mark, after %llu bytes: %llu "
				    "bytes came out, the rest is missing",
				    u->codec->name, in, (unsigned long long)u->out_bytes);
	return NULL;
}

/* One call of the codec. *moved_ret: it took input or gave output, or ended a frame. */
static struct ch_error *step(struct unpack *u, enum chp_codec_status *status_ret, bool *moved_ret)
{
	size_t in = u->io.in_left, out = u->io.out_left;
	enum chp_codec_status status = u->codec->step(u->state, &u->io);
	bool moved = in != u->io.in_left || out != u->io.out_left || status == CHP_CODEC_END;

	if (status > CHP_CODEC_DAMAGED)
		return refused(u, status);
	*status_ret = status;
	*moved_ret = moved;
	return u->io.out_left ? NULL : flush(u);
}

static struct ch_error *unpack_frames(struct unpack *u)
{
	enum chp_codec_status status = CHP_CODEC_MORE;
	struct ch_error *err;
	unsigned int stalls = 0;
	bool moved = true;

	for (;;) {
		if (u->at_boundary)
			skip_padding(u);
		if (!u->io.in_left && !u->at_eof) {
			err = refill(u);
			if (err)
				return err;
			continue;
		}
		if (u->at_boundary && u->at_eof)
			return flush(u);
		err = step(u, &status, &moved);
		if (err)
			return err;
		if (status == CHP_CODEC_DAMAGED)
			return end_early(u, u->io.reason);
		u->at_boundary = status == CHP_CODEC_END;
		stalls = moved ? 0 : stalls + 1;
		if (stalls && u->at_eof)
			return end_early(u, NULL);
		if (stalls > STALLS_MAX)
			return end_early(u, "it leads nowhere");
	}
}

static struct ch_error *prepare(struct unpack *u)
{
	u->state = u->codec->open();
	u->in = malloc(IN_BYTES);
	u->out = malloc(OUT_BYTES);
	if (!u->state || !u->in || !u->out)
		return &ch_enomem;
	u->io.in = u->in;
	u->io.out = u->out;
	u->io.out_left = OUT_BYTES;
	return open_copy(u);
}

static struct ch_error *unpack_all(struct unpack *u)
{
	struct ch_error *err = prepare(u);

	if (!err)
		err = unpack_frames(u);
	/* A hole at the end has no bytes written. */
	if (!err && ftruncate(u->out_fd, (off_t)u->out_bytes) < 0)
		err = write_failed(u, errno, u->out_bytes);
	u->codec->close(u->state);
	free(u->in);
	free(u->out);
	if (err && u->out_fd >= 0)
		close(u->out_fd);
	return err;
}

/* Read until the buffer is full: holes are found in whole buffers. */
static struct ch_error *fill_from_pipe(struct unpack *u)
{
	struct pollfd wait = { .fd = u->fd, .events = POLLIN };
	struct ch_error *err;
	ssize_t n;

	while (u->io.out_left && !u->at_eof) {
		err = tick(u);
		if (err)
			return err;
		if (poll(&wait, 1, WAIT_MS) <= 0)
			continue;
		n = read(u->fd, u->io.out, u->io.out_left);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return ch_error_os(errno, u->path, "cannot read");
		u->at_eof = n == 0;
		if (n <= 0)
			continue;
		u->io.out += n;
		u->io.out_left -= (size_t)n;
		u->in_off += (uint64_t)n;
	}
	return flush(u);
}

struct ch_error *chp_spool(struct ch_context *ctx, const char *path, int fd,
			   const struct ch_core_options *options, int *fd_ret)
{
	_cleanup_free_ uint8_t *out = malloc(OUT_BYTES);
	struct unpack u = { .ctx = ctx,
			    .path = path,
			    .dir = temp_dir(options),
			    .fd = fd,
			    .out_fd = -1,
			    .out = out,
			    .io = { .out = out, .out_left = OUT_BYTES } };
	struct ch_error *err;

	if (!out)
		return &ch_enomem;
	set_limit(&u, options);
	err = open_copy(&u);
	while (!err && !u.at_eof)
		err = fill_from_pipe(&u);
	if (!err && ftruncate(u.out_fd, (off_t)u.out_bytes) < 0)
		err = write_failed(&u, errno, u.out_bytes);
	if (err && u.out_fd >= 0)
		close(u.out_fd);
	else
		*fd_ret = u.out_fd;
	return err;
}

struct ch_error *chp_unpack(struct ch_context *ctx, const char *path, int fd,
			    const struct ch_core_options *options, chp_look_fn look, int *fd_ret,
			    const char **format_ret)
{
	struct unpack u = { .ctx = ctx,
			    .path = path,
			    .dir = temp_dir(options),
			    .look = look,
			    .fd = fd,
			    .out_fd = -1 };
	struct ch_error *err;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ch_error_os(errno, path, "cannot stat");
	u.file_bytes = (uint64_t)st.st_size;
	err = find_codec(&u);
	if (err)
		return err;
	if (u.codec) {
		set_limit(&u, options);
		err = unpack_all(&u);
		if (err)
			return err;
	}
	*fd_ret = u.out_fd;
	*format_ret = u.codec ? u.codec->name : "none";
	return NULL;
}

/* ---- whether it is one ------------------------------------------------------- */

/* Unpack no more than fills head. Returns how much came out. */
static size_t unpack_head(struct unpack *u, uint8_t *head, size_t size)
{
	enum chp_codec_status status = CHP_CODEC_MORE;
	unsigned int stalls = 0;
	size_t in, out;

	u->state = u->codec->open();
	u->in = malloc(IN_BYTES);
	u->io.out = head;
	u->io.out_left = size;
	while (u->state && u->in && status <= CHP_CODEC_END && u->io.out_left &&
	       stalls <= STALLS_MAX) {
		if (!u->io.in_left) {
			ch_error_destroy(read_at(u, u->in, IN_BYTES, u->in_off, &u->io.in_left));
			u->io.in = u->in;
			u->in_off += u->io.in_left;
		}
		in = u->io.in_left;
		out = u->io.out_left;
		status = u->codec->step(u->state, &u->io);
		stalls = in == u->io.in_left && out == u->io.out_left ? stalls + 1 : 0;
	}
	u->codec->close(u->state);
	free(u->in);
	return size - u->io.out_left;
}

bool chp_unpack_is_core(int fd)
{
	struct unpack u = { .path = "", .fd = fd, .out_fd = -1 };
	uint8_t head[EI_NIDENT + 2] = { 0 };
	struct ch_error *err;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) < 0)
		return false;
	u.file_bytes = (uint64_t)st.st_size;
	err = find_codec(&u);
	if (!err && u.codec)
		size = unpack_head(&u, head, sizeof(head));
	else if (!err)
		err = read_at(&u, head, sizeof(head), 0, &size);
	if (err) {
		ch_error_destroy(err);
		return false;
	}
	if (!size)
		return u.codec != NULL;
	return memcmp(head, ELFMAG, SELFMAG) == 0 &&
	       head[EI_NIDENT + (head[EI_DATA] == ELFDATA2MSB)] == ET_CORE &&
	       head[EI_NIDENT + (head[EI_DATA] != ELFDATA2MSB)] == 0;
}
