/*
 * Opening and closing a core: the file is mapped, or its unpacked copy is, and header, segments,
 * notes and auxiliary vector are read in the order in which they need each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core_priv.h"
#include "core/kinds.h"
#include "core/unpack.h"
#include "util/context.h"
#include "util/error.h"

/* What a path that is not a regular file is, for the message. */
static const char *kind_of_file(mode_t mode)
{
	static const struct {
		mode_t mode;
		const char *name;
	} kinds[] = { { S_IFDIR, "a directory: name the core file in it" },
		      { S_IFIFO, "a FIFO: save the core to a file first" },
		      { S_IFCHR, "a character device" },
		      { S_IFBLK, "a block device" },
		      { S_IFSOCK, "a socket" } };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((mode & S_IFMT) == kinds[i].mode)
			return kinds[i].name;
	return "not a regular file";
}

/* "-", or a descriptor that the shell opened: /dev/stdin, /dev/fd/63 of `<(...)`. A pipe there has
 * somebody at its other end, which a FIFO in a folder need not. */
static bool is_handed_over(const char *path)
{
	return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0 ||
	       strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* Replace a pipe that was handed over by a file with what comes through it. */
static struct ch_error *keep_pipe(struct ch_context *ctx, const char *path,
				  const struct ch_core_options *options, int *fd, struct stat *st)
{
	struct ch_error *err;
	int kept = -1;

	err = chp_spool(ctx, path, *fd, options, &kept);
	if (err)
		return err;
	close(*fd);
	*fd = kept;
	return fstat(kept, st) < 0 ? ch_error_os(errno, path, "cannot stat") : NULL;
}

static struct ch_error *open_file(struct ch_context *ctx, const char *path,
				  const struct ch_core_options *options, int *fd_ret,
				  bool *kept_ret)
{
	struct ch_error *err = NULL;
	struct stat st;
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
					: open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return ch_error_os(errno, path, "cannot open");
	if (fstat(fd, &st) < 0)
		err = ch_error_os(errno, path, "cannot stat");
	*kept_ret = !err && S_ISFIFO(st.st_mode) && is_handed_over(path);
	if (*kept_ret)
		err = keep_pipe(ctx, path, options, &fd, &st);
	if (!err && !S_ISREG(st.st_mode))
		err = ch_error_create(CH_ERROR_FORMAT, "%s: not a core: it is %s", path,
				      kind_of_file(st.st_mode));
	if (err)
		close(fd);
	else
		*fd_ret = fd;
	return err;
}

/* Map the file (or its unpacked copy); kept: it is a copy of ours already. Takes fd. */
static struct ch_error *map_file(struct ch_core *core, int fd, bool kept,
				 const struct ch_core_options *options)
{
	struct ch_error *err;
	struct stat st;
	void *data;
	int unpacked = -1;

	err = chp_unpack(core->ctx, core->path, fd, options, chp_kind_refuse, &unpacked,
			 &core->stats.compression);
	if (err)
		goto out;
	if (unpacked >= 0) {
		close(fd);
		fd = unpacked;
	}
	if (fstat(fd, &st) < 0) {
		err = ch_error_os(errno, core->path, "cannot stat");
		goto out;
	}
	core->stats.file_bytes = (uint64_t)st.st_size;
	core->allocated_bytes = unpacked < 0 && !kept ? (uint64_t)st.st_blocks * 512 : 0;
	if (st.st_size == 0) {
		err = ch_error_create(CH_ERROR_FORMAT,
				      "%s: not a core: the file is empty (a full disk, or a limit "
				      "of the size of files)",
				      core->path);
		goto out;
	}
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		err = ch_error_os(errno, core->path, "cannot map");
	else
		core->data = data;
out:
	core->fd = fd;
	return err;
}

static void check_truncation(struct ch_core *core)
{
	struct ch_core_stats *stats = &core->stats;

	if (stats->file_bytes >= stats->expected_file_bytes)
		return;
	stats->truncated = true;
	chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "truncated",
			    "the core is truncated: %llu of %llu bytes are there, %llu bytes of "
			    "memory contents are missing",
			    (unsigned long long)stats->file_bytes,
			    (unsigned long long)stats->expected_file_bytes,
			    (unsigned long long)(stats->recorded_bytes - stats->present_bytes));
}

static struct ch_error *read_all(struct ch_core *core, const struct ch_core_options *options)
{
	struct ch_error *err;
	bool kept = false;
	int fd = -1;

	err = open_file(core->ctx, core->path, options, &fd, &kept);
	if (!err)
		err = map_file(core, fd, kept, options);
	if (!err)
		err = chp_core_read_ehdr(core);
	if (!err)
		err = chp_core_read_phdrs(core);
	if (!err)
		err = chp_core_check_owners(core);
	if (err)
		return err;
	chp_core_finish_notes(core);
	err = chp_core_find_auxv(core);
	chp_core_find_producer(core);
	check_truncation(core);
	chp_core_check_limits(core);
	return err;
}

struct ch_error *ch_core_open(struct ch_context *ctx, const char *path,
			      const struct ch_core_options *options, struct ch_core **ret)
{
	static const struct ch_core_options defaults = { 0 };
	struct ch_core *core = calloc(1, sizeof(*core));
	struct ch_error *err;

	if (!core)
		return &ch_enomem;
	core->ctx = ctx;
	core->fd = -1;
	pthread_mutex_init(&core->lock, NULL);
	core->stats.compression = "none";
	core->file_note_whole = true;
	core->segments = CH_VEC(struct ch_segment);
	core->overlays = CH_VEC(struct ch_overlay);
	core->notes = CH_VEC(struct ch_note);
	core->threads = CH_VEC(struct ch_thread);
	core->file_maps = CH_VEC(struct ch_file_map);
	core->auxv = CH_VEC(struct ch_auxv_entry);
	core->note_names = CH_VEC(char *);
	core->path = strdup(path);
	err = core->path ? read_all(core, options ? options : &defaults) : &ch_enomem;
	if (err) {
		ch_core_close(core);
		return err;
	}
	*ret = core;
	return NULL;
}

void ch_core_close(struct ch_core *core)
{
	size_t i;

	if (!core)
		return;
	if (core->data)
		munmap((void *)(uintptr_t)core->data, core->stats.file_bytes);
	if (core->fd >= 0)
		close(core->fd);
	chp_core_forget_touched(core);
	pthread_mutex_destroy(&core->lock);
	for (i = 0; i < core->note_names.count; i++)
		free(*CH_VEC_AT(&core->note_names, char *, i));
	ch_vec_deinit(&core->segments);
	ch_vec_deinit(&core->overlays);
	ch_vec_deinit(&core->notes);
	ch_vec_deinit(&core->threads);
	ch_vec_deinit(&core->file_maps);
	ch_vec_deinit(&core->auxv);
	ch_vec_deinit(&core->note_names);
	free(core->path);
	free(core);
}
