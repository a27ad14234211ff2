/*
 * Folders and patterns instead of cores. Patterns are read here, too, because a container may be
 * started without a shell.
 */
#include "cmd/cores.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/unpack.h"
#include "util/cleanup.h"

static struct ch_error *add_take(struct ch_vec *list, char *path, struct ch_error *why)
{
	struct ch_core_path *core = path ? ch_vec_push(list) : NULL;

	if (core) {
		*core = (struct ch_core_path){ path, why };
		return NULL;
	}
	free(path);
	ch_error_destroy(why);
	return &ch_enomem;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct ch_core_path *)a)->path,
		      ((const struct ch_core_path *)b)->path);
}

static bool is_core(const char *path)
{
	/* a pipe would have us wait for its other end */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool is;

	if (fd < 0)
		return false;
	is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && chp_unpack_is_core(fd);
	close(fd);
	return is;
}

/* What is in a folder: cores, and further folders behind the others. */
static struct ch_error *read_folder(DIR *dir, const char *folder, struct ch_vec *folders,
				    struct ch_vec *ret)
{
	const char *slash = folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/";
	struct ch_error *err = NULL;
	struct dirent *entry;
	struct stat st;
	char *path;

	while (!err && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&path, "%s%s%s", folder, slash, entry->d_name) < 0)
			return &ch_enomem;
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			err = add_take(folders, path, NULL);
		else if (is_core(path))
			err = add_take(ret, path, NULL);
		else
			free(path);
	}
	return err;
}

static struct ch_error *add_folder(const char *word, struct ch_vec *ret)
{
	struct ch_vec folders = CH_VEC(struct ch_core_path);
	struct ch_error *err = add_take(&folders, strdup(word), NULL);
	const char *folder;
	size_t i;
	DIR *dir;

	for (i = 0; !err && i < folders.count; i++) {
		folder = CH_VEC_AT(&folders, struct ch_core_path, i)->path;
		dir = opendir(folder);
		if (!dir) {
			err = add_take(ret, strdup(folder),
				       ch_error_os(errno, folder, "cannot read"));
			continue;
		}
		err = read_folder(dir, folder, &folders, ret);
		closedir(dir);
	}
	chp_cores_free(&folders);
	return err;
}

static struct ch_error *add_path(const char *path, struct ch_vec *ret)
{
	size_t before = ret->count;
	struct ch_error *err;
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return add_take(ret, strdup(path), NULL);
	err = add_folder(path, ret);
	if (err)
		return err;
	if (ret->count == before)
		return ch_error_create(CH_ERROR_ARG, "%s: there is no core in this folder", path);
	qsort(CH_VEC_AT(ret, struct ch_core_path, before), ret->count - before,
	      sizeof(struct ch_core_path), compare_paths);
	return NULL;
}

struct ch_error *chp_cores_add(const char *word, struct ch_vec *ret)
{
	struct ch_error *err = NULL;
	glob_t found;
	size_t i;

	if (!strpbrk(word, "*?[") || access(word, F_OK) == 0)
		return add_path(word, ret);
	if (glob(word, 0, NULL, &found) != 0)
		return add_path(word, ret);
	for (i = 0; !err && i < found.gl_pathc; i++)
		err = add_path(found.gl_pathv[i], ret);
	globfree(&found);
	return err;
}

struct ch_error *chp_cores_one_document(const char *command)
{
	return ch_error_create(
		CH_ERROR_ARG, "%s: --json is one document: use --jsonl for several cores", command);
}

void chp_cores_free(struct ch_vec *cores)
{
	size_t i;

	for (i = 0; i < cores->count; i++) {
		free(CH_VEC_AT(cores, struct ch_core_path, i)->path);
		ch_error_destroy(CH_VEC_AT(cores, struct ch_core_path, i)->err);
	}
	ch_vec_deinit(cores);
}
