/*
 * What is said beside answers: a message on standard error, and that not all could be written.
 */
#include <errno.h>
#include <string.h>

#include "cmd/driver.h"
#include "cmd/memory.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define MESSAGE_BYTES_MAX 4096

void chp_driver_complain(const struct ch_error *err)
{
	/* Messages name files and may quote the core. */
	_cleanup_free_ char *safe = err->code == CH_ERROR_NOMEM
					    ? NULL
					    : chp_text_escape(err->message, MESSAGE_BYTES_MAX);
	char buf[CHP_MEMORY_MESSAGE_MAX];

	fprintf(stderr, "coreheap: %s\n", safe ? safe : chp_memory_message(buf));
}

void chp_driver_complain_take(struct ch_error *err)
{
	chp_driver_complain(err);
	ch_error_destroy(err);
}

bool chp_driver_finish(FILE *out)
{
	int errnum;

	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return true;
	errnum = errno;
	fprintf(stderr, "coreheap: cannot write the output%s%s\n", errnum ? ": " : "",
		errnum ? strerror(errnum) : "");
	return false;
}
