/*
 * Making, prefixing and destroying errors. Those for absent memory and for a visit that was ended
 * are static, because an allocation that failed is no time to allocate a message.
 */
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): see coreheap/error.h */
struct ch_error ch_enomem = { .code = CH_ERROR_NOMEM, .message = (char[]){ "out of memory" } };
struct ch_error ch_stop = { .code = CH_ERROR_STOP, .message = (char[]){ "stopped" } };
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

/* Of the whole process: it only grows, and who asks compares two of its values. */
/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables) */
static atomic_ulong nomem_count, nofile_count;

void chp_error_note_nomem(void)
{
	atomic_fetch_add(&nomem_count, 1);
}

void chp_error_note_file(int errnum)
{
	if (errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM || errnum == EIO)
		atomic_fetch_add(&nofile_count, 1);
}

struct ch_shortage chp_shortage(void)
{
	return (struct ch_shortage){ .memory = atomic_load(&nomem_count),
				     .files = atomic_load(&nofile_count) };
}

struct ch_error *chp_shortage_since(const struct ch_shortage *before)
{
	struct ch_shortage now = chp_shortage();

	if (now.memory != before->memory)
		return &ch_enomem;
	if (now.files != before->files)
		return ch_error_create(CH_ERROR_OS,
				       "a file that is needed could not be read: there are no more "
				       "descriptors or no more memory for it, or its disk fails");
	return NULL;
}

static bool is_static(const struct ch_error *err)
{
	return err == &ch_enomem || err == &ch_stop;
}

void ch_error_destroy(struct ch_error *err)
{
	if (err == &ch_enomem)
		chp_error_note_nomem();
	if (!err || is_static(err))
		return;
	free(err->path);
	free(err->message);
	free(err);
}

const char *ch_error_code_name(enum ch_error_code code)
{
	static const char *const names[] = {
		[CH_ERROR_NOMEM] = "NOMEM",
		[CH_ERROR_ARG] = "ARG",
		[CH_ERROR_OS] = "OS",
		[CH_ERROR_FORMAT] = "FORMAT",
		[CH_ERROR_FAULT] = "FAULT",
		[CH_ERROR_ABSENT] = "ABSENT",
		[CH_ERROR_CORRUPT] = "CORRUPT",
		[CH_ERROR_NODEBUG] = "NODEBUG",
		[CH_ERROR_UNSUPPORTED] = "UNSUPPORTED",
		[CH_ERROR_LIMIT] = "LIMIT",
		[CH_ERROR_STOP] = "STOP",
	};
	size_t index = (size_t)code;

	if (index >= sizeof(names) / sizeof(names[0]) || !names[index])
		return "UNKNOWN";
	return names[index];
}

CH_PRINTF(4, 0)
static struct ch_error *make(enum ch_error_code code, uint64_t addr, int errnum, const char *format,
			     va_list args)
{
	struct ch_error *err = calloc(1, sizeof(*err));

	if (!err)
		return &ch_enomem;
	if (vasprintf(&err->message, format, args) < 0) {
		free(err);
		return &ch_enomem;
	}
	err->code = code;
	err->addr = addr;
	err->errnum = errnum;
	return err;
}

struct ch_error *ch_error_create(enum ch_error_code code, const char *format, ...)
{
	va_list args;
	struct ch_error *err;

	va_start(args, format);
	err = make(code, 0, 0, format, args);
	va_end(args);
	return err;
}

struct ch_error *ch_error_at(enum ch_error_code code, uint64_t addr, const char *format, ...)
{
	va_list args;
	struct ch_error *err;

	va_start(args, format);
	err = make(code, addr, 0, format, args);
	va_end(args);
	return err;
}

struct ch_error *ch_error_os(int errnum, const char *path, const char *what)
{
	struct ch_error *err =
		ch_error_create(CH_ERROR_OS, "%s: %s: %s", path, what, strerror(errnum));

	if (is_static(err))
		return err;
	err->errnum = errnum;
	err->path = strdup(path);
	return err;
}

struct ch_error *ch_error_prefix_take(struct ch_error *err, const char *format, ...)
{
	va_list args;
	char *prefix, *message;
	int len;

	if (!err || is_static(err))
		return err;
	va_start(args, format);
	len = vasprintf(&prefix, format, args);
	va_end(args);
	if (len < 0)
		return err;
	len = asprintf(&message, "%s: %s", prefix, err->message);
	free(prefix);
	if (len < 0)
		return err;
	free(err->message);
	err->message = message;
	return err;
}
