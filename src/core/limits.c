/*
 * Limits that a process or its dump ran into, as far as the core shows them:
 * what people look for is then not in its memory, but in a setting.
 */
#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Dumpers leave some mappings out, and the vsyscall page is none. */
#define MAPS_BELOW 30
#define MAPS_ABOVE 2
/* A service has more processes than the one that was dumped. */
#define THREADS_BELOW 16
#define MIB           (1ULL << 20)

struct limit {
	uint64_t value;
	const char *name;
};

static const struct limit *find_limit(const struct limit *limits, size_t count, uint64_t value,
				      uint64_t below, uint64_t above)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (value + below >= limits[i].value && value <= limits[i].value + above)
			return &limits[i];
	return NULL;
}

/* vm.max_map_count: mm/mmap.c, do_mmap(); Documentation/admin-guide/sysctl/vm.rst. */
static void check_maps(const struct ch_core *core)
{
	static const struct limit limits[] = {
		{ 65530, "the kernel's default" },
		{ 262144, "a usual setting for search engines and databases" },
		{ 1048576, "the default of some distributions" },
	};
	const struct limit *limit;

	/* createdump writes runs of pages, not mappings */
	if (core->producer == CH_PRODUCER_CREATEDUMP)
		return;
	limit = find_limit(limits, CH_COUNT_OF(limits), core->stats.load_count, MAPS_BELOW,
			   MAPS_ABOVE);
	if (limit)
		chp_context_finding(
			core->ctx, CH_SEVERITY_NOTE, "map-count-limit",
			"the process had %llu mappings, and vm.max_map_count allows %llu (%s): at "
			"that limit mmap() fails, and with it malloc(), new threads and "
			"mprotect(), "
			"however much memory is free; 'coreheap address' shows what the mappings "
			"are, 'sysctl -w vm.max_map_count=N' allows more of them",
			(unsigned long long)core->stats.load_count,
			(unsigned long long)limit->value, limit->name);
}

/* systemd-system.conf(5), DefaultTasksMax; logind.conf(5), UserTasksMax; kernel.pid_max. */
static void check_threads(const struct ch_core *core)
{
	static const struct limit limits[] = {
		{ 4915, "systemd's TasksMax of a service, 15 % of 32,768" },
		{ 10813, "systemd's TasksMax of a user, 33 % of 32,768" },
		{ 32768, "kernel.pid_max and kernel.threads-max of small systems" },
	};
	const struct limit *limit;

	limit = find_limit(limits, CH_COUNT_OF(limits), core->threads.count, THREADS_BELOW, 0);
	if (limit)
		chp_context_finding(
			core->ctx, CH_SEVERITY_NOTE, "thread-limit",
			"the process had %zu threads, about as many as a usual limit allows (%llu: "
			"%s): beyond it pthread_create() fails with EAGAIN, 'Resource temporarily "
			"unavailable'; 'coreheap threads' groups them, TasksMax= in the unit or "
			"the limit of the container (pids.max) allows more",
			core->threads.count, (unsigned long long)limit->value, limit->name);
}

static bool is_round(uint64_t bytes)
{
	return bytes && (bytes % MIB == 0 || bytes % 1000000 == 0 || bytes % (1000 * 1024) == 0);
}

/*
 * coredump.conf(5): ProcessSizeMax=, ExternalSizeMax=, JournalSizeMax=. The
 * kernel counts what it writes by RLIMIT_CORE and leaves holes for pages that
 * do not exist (fs/coredump.c, dump_emit()), so the file may be longer.
 */
static void check_file_size(const struct ch_core *core)
{
	static const struct limit limits[] = {
		{ 767 * MIB, "the default of JournalSizeMax= in coredump.conf of systemd" },
		{ 1024 * MIB, "a default of ProcessSizeMax= and ExternalSizeMax= in "
			      "/etc/systemd/coredump.conf" },
		{ 2048 * MIB - 1, "the most that a program without large file support writes" },
		{ 2048 * MIB, "a default of ProcessSizeMax= and ExternalSizeMax= in "
			      "/etc/systemd/coredump.conf" },
		{ 4096 * MIB - 1, "the most that a FAT file system holds" },
		{ 32768 * MIB, "a default of ProcessSizeMax= and ExternalSizeMax= in "
			       "/etc/systemd/coredump.conf" },
	};
	uint64_t bytes = core->stats.file_bytes;
	const struct limit *limit;

	if (!core->stats.truncated)
		return;
	limit = find_limit(limits, CH_COUNT_OF(limits), bytes, 0, 0);
	if (limit)
		chp_context_finding(core->ctx, CH_SEVERITY_NOTE, "file-size-limit",
				    "the core ends at exactly %llu bytes, %s: raise that limit and "
				    "dump again",
				    (unsigned long long)bytes, limit->name);
	else if (is_round(bytes) ||
		 (core->allocated_bytes < bytes && is_round(core->allocated_bytes)))
		chp_context_finding(
			core->ctx, CH_SEVERITY_NOTE, "file-size-limit",
			"exactly %llu bytes of the core were written, as a limit has it: look at "
			"ulimit -c (RLIMIT_CORE) where the process was started, LimitCORE= in its "
			"unit, and the limits of whoever stored the core",
			(unsigned long long)(is_round(bytes) ? bytes : core->allocated_bytes));
}

void chp_core_check_limits(const struct ch_core *core)
{
	check_maps(core);
	check_threads(core);
	check_file_size(core);
}
