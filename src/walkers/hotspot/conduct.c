/*
 * What this walker knows of how programs run on a JVM.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, java.base/java/util and java/lang: fields of the classes.
 * Before 9 builders have arrays of characters and no coder: of those nothing is said.
 */
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

const struct ch_conduct hs_conduct = {
	.locks = hs_locks,
	.queues = hs_queues,
	.containers = containers,
	.length_offset = length_offset,
	.type_at = type_at,
	.library = library,
};
