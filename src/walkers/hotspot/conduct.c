/*
 * What this walker knows of how programs run on a JVM.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, java.base/java/util and java/lang: fields of the classes.
 * Before 9 builders have arrays of characters and no coder: of those nothing is said.
 */
#include <inttypes.h>
#include <stdio.h>

#include "walkers/hotspot/hotspot_priv.h"

static const char *const library[] = { "java.", "javax.", "jdk.", "sun.", "com.sun.", NULL };

#define LIST(class, values, count)                                                                 \
	{                                                                                          \
		.name = (class), .kind = CH_CONTAINER_LIST, .array = (values), .size = (count)     \
	}
#define BUILDER(class)                                                                             \
	{                                                                                          \
		.name = (class), .kind = CH_CONTAINER_LIST, .array = "value", .size = "count",     \
		.shift = "coder"                                                                   \
	}
#define MAP(class, count)                                                                          \
	{                                                                                          \
		.name = (class), .kind = CH_CONTAINER_NODES, .array = "table", .size = (count),    \
		.next = "next"                                                                     \
	}

static const struct ch_container containers[] = {
	LIST("java.util.ArrayList", "elementData", "size"),
	LIST("java.util.Vector", "elementData", "elementCount"),
	LIST("java.util.Stack", "elementData", "elementCount"),
	LIST("java.util.PriorityQueue", "queue", "size"),
	LIST("java.util.concurrent.PriorityBlockingQueue", "queue", "size"),
	LIST("java.io.ByteArrayOutputStream", "buf", "count"),
	BUILDER("java.lang.StringBuilder"),
	BUILDER("java.lang.StringBuffer"),
	{ .name = "java.util.ArrayDeque",
	  .kind = CH_CONTAINER_RING,
	  .array = "elements",
	  .size = "tail",
	  .first = "head" },
	MAP("java.util.HashMap", "size"),
	MAP("java.util.LinkedHashMap", "size"),
	MAP("java.util.WeakHashMap", "size"),
	MAP("java.util.Hashtable", "count"),
	/* its size is spread over cells */
	{ .name = "java.util.concurrent.ConcurrentHashMap",
	  .kind = CH_CONTAINER_NODES,
	  .array = "table",
	  .next = "next",
	  .tree = "first" },
	{ .name = NULL },
};

static uint32_t length_offset(const void *state)
{
	const struct hs *hs = state;

	return hs->length_offset;
}

static uint64_t type_at(const void *state, uint64_t addr)
{
	return hs_klass_at(state, addr);
}

/* The largest region that every release of G1 takes. */
#define REGION_MAX (32ULL << 20)

/* What makes most of them ordinary objects: those are smaller than half a region. */
static bool waste(const void *state, struct ch_region_waste *ret)
{
	const struct hs *hs = state;
	uint64_t region = hs->region_bytes, mean;

	if (!hs->humongous_count)
		return false;
	mean = hs->humongous_bytes / hs->humongous_count;
	*ret = (struct ch_region_waste){
		.count = hs->humongous_count,
		.bytes = hs->humongous_bytes,
		.waste_bytes = hs->humongous_waste_bytes,
		.region_bytes = region,
		.why = "G1 gives an object of half a region or more whole regions",
	};
	while (region <= REGION_MAX && region <= 2 * mean)
		region *= 2;
	if (region <= REGION_MAX)
		snprintf(ret->help, sizeof(ret->help),
			 "regions of %" PRIu64 " MiB (-XX:G1HeapRegionSize=%" PRIu64
			 "m) hold objects of their mean size as ordinary ones",
			 region >> 20, region >> 20);
	else
		snprintf(ret->help, sizeof(ret->help),
			 "smaller objects help, larger regions do not");
	return true;
}

const struct ch_conduct hs_conduct = {
	.locks = hs_locks,
	.queues = hs_queues,
	.containers = containers,
	.length_offset = length_offset,
	.type_at = type_at,
	.waste = waste,
	.library = library,
};
