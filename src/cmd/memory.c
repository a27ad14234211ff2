/* The limit of --memory. */
#include "cmd/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

void chp_memory_limit(uint64_t bytes)
{
	struct rlimit limit;

	/* setrlimit(2): since Linux 4.7 private mappings that can be written count, not only brk()
	 */
	if (getrlimit(RLIMIT_DATA, &limit) != 0 || bytes >= limit.rlim_cur)
		return;
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_DATA, &limit);
}

const char *chp_memory_message(char buf[CHP_MEMORY_MESSAGE_MAX])
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return "out of memory";
	snprintf(buf, CHP_MEMORY_MESSAGE_MAX,
		 "out of memory: %" PRIu64 " bytes are allowed (--memory or ulimit -d)",
		 (uint64_t)limit.rlim_cur);
	return buf;
}
