#include "core/unpack.h"

struct ch_error *chp_unpack(struct ch_context *ctx, const char *path, int fd,
			    const struct ch_core_options *options, int *fd_ret,
			    const char **format_ret)
{
	(void)ctx;
	(void)path;
	(void)fd;
	(void)options;
	*fd_ret = -1;
	*format_ret = "none";
	return NULL;
}
