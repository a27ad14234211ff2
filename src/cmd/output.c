/*
 * The file of -o: it has another name until it is whole, so that nobody reads a part of an answer,
 * and what was there before stays where there is none.
 */
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names that are tried: another run may have left one. */
#define TRIES 100

struct ch_error *chp_output_spares(const char *path, const char *core_path)
{
	struct stat x, y;

	if (!path || stat(path, &x) != 0 || stat(core_path, &y) != 0 || x.st_dev != y.st_dev ||
	    x.st_ino != y.st_ino)
		return NULL;
	return ch_error_create(CH_ERROR_ARG, "-o: %s is the core", path);
}

/* Whether another file may take the place of what is at path, if anything is. */
static bool is_replaceable(const char *path)
{
	struct stat of;

	return stat(path, &of) != 0 || S_ISREG(of.st_mode);
}

/* A new file beside the one that is meant, with the rights that any new file has. */
static int create_part(struct ch_output *output)
{
	int fd = -1, i;

	for (i = 0; i < TRIES && fd < 0; i++) {
		free(output->part);
		if (asprintf(&output->part, "%s.%d-%d", output->path, (int)getpid(), i) < 0) {
			output->part = NULL;
			errno = ENOMEM;
			return -1;
		}
		fd = open(output->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	return fd;
}

static void drop(struct ch_output *output)
{
	if (output->part)
		unlink(output->part);
	free(output->path);
	free(output->part);
	*output = (struct ch_output){ .file = NULL };
}

static struct ch_error *open_file(const char *path, struct ch_output *ret)
{
	struct ch_error *err;
	int fd;

	/* where a link leads; a file that is not there yet has the name that was given */
	ret->path = realpath(path, NULL);
	if (!ret->path)
		ret->path = strdup(path);
	if (!ret->path)
		return &ch_enomem;
	fd = is_replaceable(path) ? create_part(ret) : open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ret->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (ret->file)
		return NULL;
	err = ch_error_os(errno, path, "cannot write");
	if (fd >= 0)
		close(fd);
	drop(ret);
	return err;
}

struct ch_error *chp_output_open(const char *path, const char *core_path, bool text,
				 struct ch_output *ret)
{
	struct ch_error *err = chp_output_spares(path, core_path);

	if (err)
		return err;
	if (!path && !text && isatty(STDOUT_FILENO))
		return ch_error_create(CH_ERROR_ARG,
				       "what this writes is no text: give it a file with -o FILE");
	*ret = (struct ch_output){ .file = stdout, .before = chp_shortage() };
	return path && strcmp(path, "-") != 0 ? open_file(path, ret) : NULL;
}

struct ch_error *chp_output_end_take(struct ch_output *output, struct ch_error *err)
{
	bool failed;

	/* the driver looks after standard output */
	if (!output->path)
		return err;
	errno = 0;
	failed = ferror(output->file);
	failed |= fclose(output->file) != 0;
	if (!err)
		err = chp_shortage_since(&output->before);
	if (!err && failed)
		err = ch_error_os(errno, output->path, "cannot write");
	if (!err && output->part && rename(output->part, output->path) != 0)
		err = ch_error_os(errno, output->path, "cannot write");
	if (!err) {
		free(output->part);
		output->part = NULL;
	}
	drop(output);
	return err;
}
