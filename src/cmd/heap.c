/*
 * The command "heap": its options, and the question that it asks of the library, the heaps and
 * what is free in them.
 */
#include "report/heap.h"
#include "cmd/cmd.h"

struct options {
	bool segments, flags, gc, loader;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_heap_shown shown = { .segments = options->segments,
					     .collected_only = options->gc,
					     .loader_only = options->loader,
					     .all_settings = options->flags };
	struct ch_heap_result result;
	struct ch_error *err = chp_heap_result_make(env->session, env->threads, &result);

	if (!err)
		err = ch_report_heap(env->report, &result, &shown);
	chp_heap_result_deinit(&result);
	return err;
}

static const struct ch_option options_table[] = {
	{ .name = "segments",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, segments),
	  .help = "list every block with a mapping of its own, and what pools have of blocks" },
	{ .name = "flags",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, flags),
	  .help = "all flags of the JVM, not only those that are not at their defaults" },
	{ .name = "gc",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, gc),
	  .help = "only heaps of runtimes that collect their garbage" },
	{ .name = "loader",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, loader),
	  .help = "only what runtimes have for themselves: loader heaps, code, handles" },
	{ 0 },
};

static const char *const aliases[] = { "eeheap", NULL };

const struct ch_cmd ch_cmd_heap = {
	.name = "heap",
	.aliases = aliases,
	.summary = "leak or retention; each heap: used, free, fragmentation, threads",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap heap core.1234\n"
		    "coreheap heap --json core.1234 | jq .verdict\n"
		    "coreheap heap --json core.1234 | jq '.heaps[] | {name, used_bytes, free}'\n",
	.notes = "A verdict with its arithmetic, then every heap of every allocator and\n"
		 "runtime: used, free in bins, fast bins, thread caches and top, fragmentation\n"
		 "by size, what malloc_trim(3) could give back, the threads that allocate from\n"
		 "it, and its segments. Heaps of one name, as of PostgreSQL's memory contexts,\n"
		 "are one line in text. Of a JVM also the flags that are not at their\n"
		 "defaults, and its own accounts of native memory where it kept them; with\n"
		 "Netty its arenas, buffers by whether they were released, and limits of\n"
		 "direct memory.\n"
		 "\n"
		 "Verdict: that of `summary --quick`, on all memory that was touched. Heaps,\n"
		 "of the bytes that they have committed: native-live when blocks that the\n"
		 "program holds are half of them or more (a leak, if they grow);\n"
		 "native-retained when free blocks are: the program gave them back, the\n"
		 "allocator keeps them; mixed when neither is.\n"
		 "\n"
		 "Free memory:\n"
		 "  BINS, FAST BINS      free chunks in the allocator's lists\n"
		 "  THREAD CACHES        free chunks that only one thread may take\n"
		 "  TOP                  the end of a heap: never handed out, or given back\n"
		 "  LARGEST              the largest chunk of bins and fast bins\n"
		 "  FRAGMENTED           external fragmentation, of bins and fast bins: 1 -\n"
		 "                       largest chunk / bytes\n"
		 "  TRAPPED              their share in chunks, neighbours taken as one, that\n"
		 "                       hold no whole page: nothing gives those back to the\n"
		 "                       kernel\n"
		 "  RETURNABLE           what malloc_trim(0), or of another allocator its call\n"
		 "                       for it, would give back: whole pages in chunks of the\n"
		 "                       bins, and the main arena's top above the first page;\n"
		 "                       pages that are not resident count like the others\n"
		 "\n"
		 "Metaspace (a JVM from 16 on), as jcmd VM.metaspace counts it:\n"
		 "  COMMITTED            of the address space that is reserved for it\n"
		 "  CHUNKS, IN CHUNKS    chunks that class loaders have, and what is committed\n"
		 "                       of them\n"
		 "  USED, FREE           handed out of these; still to be handed out\n"
		 "  WASTE                the rest of chunks that nothing is handed out of any\n"
		 "                       more\n"
		 "  FREE CHUNKS          what is committed of chunks that no loader has\n"
		 "\n"
		 "Native memory tracking (a JVM with -XX:NativeMemoryTracking):\n"
		 "  RESERVED, COMMITTED  mappings, blocks and arenas, as jcmd VM.native_memory\n"
		 "                       says\n"
		 "  MALLOC, COUNT        what was asked of malloc; ARENAS lie in such blocks\n"
		 "  CHUNKS, BLOCKS       used blocks that begin with the JVM's header, and\n"
		 "                       what they cost: a part of the heaps' used bytes\n"
		 "\n"
		 "Flags that are texts are shown with --reveal.\n",
	.see_also = (const char *const[]){ "summary", "types", "objects", "leaks", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.run = run,
};
