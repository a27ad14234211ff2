/*
 * What this walker knows of how programs run on .NET.
 *
 * dotnet/runtime, release/8.0 to release/10.0, System.Private.CoreLib and System.Collections:
 * fields of the classes.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"

static const char *const library[] = { "System.", "Microsoft.", "Interop.", "Internal.", NULL };

#define GENERIC       "System.Collections.Generic."
#define LENGTH_OFFSET 8

#define LIST(class, values, count)                                                                 \
	{                                                                                          \
		.name = (class), .kind = CH_CONTAINER_LIST, .array = (values), .size = (count)     \
	}
#define MAP(class, field)                                                                          \
	{                                                                                          \
		.name = (class), .kind = CH_CONTAINER_ENTRIES, .array = "_entries",                \
		.size = "_count", .less = "_freeCount", .buckets = "_buckets", .next = (field)     \
	}

static const struct ch_container containers[] = {
	LIST(GENERIC "List<", "_items", "_size"),
	LIST(GENERIC "Stack<", "_array", "_size"),
	LIST(GENERIC "Queue<", "_array", "_size"),
	LIST(GENERIC "PriorityQueue<", "_nodes", "_size"),
	LIST(GENERIC "SortedList<", "keys", "_size"),
	LIST("System.Collections.ArrayList", "_items", "_size"),
	LIST("System.Collections.Stack", "_array", "_size"),
	LIST("System.Collections.Queue", "_array", "_size"),
	LIST("System.Text.StringBuilder", "m_ChunkChars", "m_ChunkLength"),
	MAP(GENERIC "Dictionary<", "next"),
	MAP(GENERIC "HashSet<", "Next"),
	/* its size is spread over locks */
	{ .name = "System.Collections.Concurrent.ConcurrentDictionary<",
	  .kind = CH_CONTAINER_NODES,
	  .via = "_tables",
	  .array = "_buckets",
	  .next = "_next" },
	{ .name = NULL },
};

#define PINNED "what is pinned stays where it is, and keeps what is free around it apart"

static const struct ch_fixed_heap fixed[] = {
	{ "LOH", "large objects are not moved unless the program asks for it",
	  "GCSettings.LargeObjectHeapCompactionMode moves them once; arrays that are used again "
	  "(ArrayPool) leave no holes",
	  false },
	{ "POH (pinned)", "objects there are never moved", NULL, false },
	{ "gen2", "a background collection moves nothing, and what is pinned stays where it is",
	  NULL, false },
	{ "gen1", PINNED, NULL, true },
	{ "gen0", PINNED, NULL, true },
	{ .name = NULL },
};

static uint32_t length_offset(const void *state)
{
	(void)state;
	return LENGTH_OFFSET;
}

static uint64_t type_at(const void *state, uint64_t addr)
{
	uint64_t mt;

	return clr_read_ptr(state, addr, &mt) ? mt & CLR_MT_MASK : 0;
}

const struct ch_conduct clr_conduct = {
	.locks = clr_locks,
	.queues = clr_queues,
	.containers = containers,
	.length_offset = length_offset,
	.type_at = type_at,
	.fixed = fixed,
	.pins = clr_pins,
	.library = library,
};
