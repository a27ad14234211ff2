/*
 * Files of this host that a core leads to. Whoever wrote the core chose their paths, and this
 * program is run by root: so only regular files are opened, and only below folders that hold
 * programs and libraries, those that the user named, and the one where the core lies. Below
 * --sysroot links lead to nothing outside of it. A device is not even opened: opening some does
 * something.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sym/hostfile.h"
#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

const char *const chp_system_folders[] = { "/usr",       "/lib",       "/lib32", "/lib64",
					   "/libx32",    "/bin",       "/sbin",  "/opt",
					   "/nix/store", "/gnu/store", NULL };

/* What below "/" is no place for files, should the user have named "/". */
static const char *const forbidden[] = { "/proc", "/sys", "/dev", NULL };

/* What of a path is below a folder, without slashes before it; NULL: it is elsewhere. */
static const char *below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len && folder[len - 1] == '/')
		len--;
	if (strncmp(path, folder, len) != 0 || path[len] != '/')
		return NULL;
	while (path[len] == '/')
		len++;
	return path + len;
}

static bool is_below_any(const char *path, const char *const *folders)
{
	for (; *folders; folders++)
		if (below(path, *folders))
			return true;
	return false;
}

/* ---- opening ------------------------------------------------------------------- */

/* How openat2() is to follow links; -1 with ENOSYS where the kernel is too old. */
static int open_how(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };

	return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

/* Looked at before it is opened for reading, and after that: it may be another file by then. */
static int open_checked(int folder, const char *path, uint64_t resolve, struct stat *st)
{
	int fd = open_how(folder, path, O_PATH, resolve);
	bool regular;

	if (fd < 0)
		return -1;
	errno = ENOENT;
	regular = fstat(fd, st) == 0 && S_ISREG(st->st_mode);
	close(fd);
	return !regular ? -1 : open_how(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, resolve);
}

/* Without openat2(): path has no links in it, as realpath() says. */
static int open_plain(const char *path, struct stat *st)
{
	if (lstat(path, st) < 0 || !S_ISREG(st->st_mode))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
}

static int open_real(const char *real, struct stat *st)
{
	int fd = open_checked(AT_FDCWD, real, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, st);

	return fd < 0 && (errno == ENOSYS || errno == EPERM) ? open_plain(real, st) : fd;
}

/* ---- where from ---------------------------------------------------------------- */

char *chp_hostfile_folder_of(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!slash)
		return realpath(".", NULL);
	slash[slash == folder] = '\0';
	return realpath(folder, NULL);
}

/* Whether a path is below a folder that the user named, as it was named or where that leads. */
static bool is_below_named(const char *path, const char *folder)
{
	_cleanup_free_ char *real = realpath(folder, NULL);

	return below(path, folder) || (real && below(path, real));
}

/* Whether files of that path are opened; lexically, without asking the disk about it. */
static bool is_inside(const struct ch_sym *sym, const char *path)
{
	const struct ch_sym_options *options = &sym->options;
	size_t i;

	if (is_below_any(path, forbidden))
		return false;
	if (is_below_any(path, chp_system_folders))
		return true;
	for (i = 0; i < options->debug_dirs_count; i++)
		if (is_below_named(path, options->debug_dirs[i]))
			return true;
	return (sym->core_folder && below(path, sym->core_folder)) ||
	       (sym->exe_folder && below(path, sym->exe_folder));
}

/* Below --sysroot: links of it are links in it. */
static int open_in_root(const char *root, const char *path, struct stat *st)
{
	_cleanup_free_ char *real = NULL, *real_root = NULL, *whole = NULL;
	int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (folder < 0)
		return -1;
	fd = open_checked(folder, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, st);
	close(folder);
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return fd;
	if (asprintf(&whole, "%s/%s", root, path) < 0)
		whole = NULL;
	real_root = realpath(root, NULL);
	real = whole ? realpath(whole, NULL) : NULL;
	return real && real_root && below(real, real_root) ? open_plain(real, st) : -1;
}

/* A relative path becomes one from the root; links in it are followed. Both ends must be inside. */
static int open_inside(const struct ch_sym *sym, const char *path, struct stat *st)
{
	_cleanup_free_ char *real = NULL;

	if (path[0] == '/' && !is_inside(sym, path))
		return -1;
	real = realpath(path, NULL);
	return real && is_inside(sym, real) ? open_real(real, st) : -1;
}

/* What the user named is opened wherever it is. */
static int open_named(const char *path, struct stat *st)
{
	if (stat(path, st) < 0 || !S_ISREG(st->st_mode))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int open_any(const struct ch_sym *sym, const char *path, struct stat *st)
{
	const char *root = sym->options.sysroot, *exe = sym->options.exe;
	const char *rest = root ? below(path, root) : NULL;
	_cleanup_free_ char *rooted = NULL;

	if (exe && strcmp(path, exe) == 0)
		return open_named(path, st);
	if (!rest)
		return open_inside(sym, path, st);
	if (asprintf(&rooted, "/%s", rest) < 0)
		rooted = NULL;
	return rooted && !is_below_any(rooted, forbidden) ? open_in_root(root, rest, st) : -1;
}

int chp_hostfile_open(const struct ch_sym *sym, const char *path, uint64_t *bytes_ret)
{
	struct stat st;
	int fd;

	errno = 0;
	fd = open_any(sym, path, &st);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		errno = 0;
		*bytes_ret = (uint64_t)st.st_size;
		if (S_ISREG(st.st_mode) && st.st_size > 0)
			return fd;
	}
	chp_error_note_file(errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* statx() mounts nothing that is mounted when it is asked for. */
bool chp_hostfile_is_outside(const struct ch_sym *sym, const char *path)
{
	const char *root = sym->options.sysroot;
	struct statx st;

	if (path[0] != '/' || is_inside(sym, path) || is_below_any(path, forbidden) ||
	    (root && below(path, root)))
		return false;
	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
	       S_ISREG(st.stx_mode);
}
