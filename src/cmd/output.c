/*
 * The file of -o. A part of an answer is none, so nothing is left of one that failed.
 */
#include "cmd/output.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct ch_error *chp_output_open(const char *path, const char *core_path, bool text,
				 struct ch_output *ret)
{
	FILE *file;

	if (!path && !text && isatty(STDOUT_FILENO))
		return ch_error_create(CH_ERROR_ARG,
				       "what this writes is no text: give it a file with -o FILE");
	if (!path) {
		*ret = (struct ch_output){ .file = stdout };
		return NULL;
	}
	if (is_same_file(path, core_path))
		return ch_error_create(CH_ERROR_ARG, "-o: %s is the core", path);
	file = fopen(path, "wbe");
	if (!file)
		return ch_error_os(errno, path, "cannot write");
	*ret = (struct ch_output){ .file = file, .path = path };
	return NULL;
}

/* A device or a pipe was there before. */
static void remove_part(const char *path)
{
	struct stat of;

	if (stat(path, &of) == 0 && S_ISREG(of.st_mode))
		unlink(path);
}

struct ch_error *chp_output_end_take(struct ch_output *output, struct ch_error *err)
{
	bool failed;
	int errnum;

	if (!output->path)
		return err;
	errno = 0;
	failed = ferror(output->file);
	failed |= fclose(output->file) != 0;
	errnum = errno;
	if (err || failed)
		remove_part(output->path);
	return err || !failed ? err : ch_error_os(errnum, output->path, "cannot write");
}
