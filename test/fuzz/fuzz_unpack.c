/* A compressed file, of whatever format its first bytes say. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/unpack.h"
#include "fuzz/fuzz.h"
#include "fuzz/use_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ch_core_options options = { .temp_bytes_max = 8U << 20,
						 .temp_dir = "/dev/shm" };
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_error *err;
	const char *format = NULL;
	struct stat st;
	char path[64];
	int fd = fuzz_file(data, size, path), copy = -2;

	if (!ctx)
		abort();
	err = chp_unpack(ctx, path, fd, &options, NULL, &copy, &format);
	if (err) {
		fuzz_touch_text(err->message);
		if (copy != -2)
			abort();
	} else if (copy >= 0) {
		if (fstat(copy, &st) < 0 || (uint64_t)st.st_size > options.temp_bytes_max)
			abort();
		close(copy);
	}
	ch_error_destroy(err);
	use_findings(ctx);
	ch_context_destroy(ctx);
	close(fd);
	return 0;
}
