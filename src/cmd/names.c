/*
 * Names of other tools' commands, and what they are here.
 *
 * Names of SOS are those of `help` in dotnet-dump 9 and 10, aliases included.
 */
#include "cmd/names.h"

#include <string.h>

#include "cmd/driver.h"
#include "util/cleanup.h"

#define TYPE_SAY "type: coreheap show --statics CORE TYPE (its name, or its method table)"
#define WHAT_SAY "type: coreheap whatis CORE ADDR"
#define LIVE_SAY "a core holds no running process; type: coreheap threads CORE"

static const struct ch_other_name rows[] = {
	/* SOS: heaps and objects */
	{ "dumpgen",
	  NULL,
	  { NULL },
	  "type: coreheap types --gen 0 CORE (0, 1, 2, LOH, POH, frozen)" },
	{ "dg", NULL, { NULL }, "type: coreheap types --gen 0 CORE (0, 1, 2, LOH, POH, frozen)" },
	{ "gcheapstat", "types", { "--by-gen", NULL }, NULL },
	{ "sizestats", "types", { "--by-gen", NULL }, NULL },
	{ "gcwhere", "whatis", { NULL }, NULL },
	{ "listnearobj", "whatis", { NULL }, NULL },
	{ "lno", "whatis", { NULL }, NULL },
	{ "dumpstack", "threads", { NULL }, NULL },
	{ "eestack", "threads", { NULL }, NULL },
	{ "dumparray", "show", { NULL }, NULL },
	{ "da", "show", { NULL }, NULL },
	{ "dumpdelegate", "show", { NULL }, NULL },
	{ "dumpvc",
	  NULL,
	  { NULL },
	  "type: coreheap show CORE OBJECT FIELD, where OBJECT holds the value in FIELD" },
	{ "dumpobjgcrefs", "show", { NULL }, NULL },
	{ "dumpmt", "show", { "--statics", NULL }, NULL },
	{ "dumpclass", NULL, { NULL }, TYPE_SAY },
	{ "dumpalc", NULL, { NULL }, "type: coreheap modules CORE" },
	{ "pathto",
	  NULL,
	  { NULL },
	  "type: coreheap roots CORE ADDR: chains go through what holds it" },
	{ "objsize",
	  "retained",
	  { NULL },
	  "bytes are what would go away with the object; SOS counts all that it reaches" },
	{ "verifyheap",
	  "heap",
	  { NULL },
	  "the walk of every heap checks it: a warning at the end says what is damaged" },
	{ "verifyobj", "whatis", { NULL }, NULL },
	{ "analyzeoom",
	  "summary",
	  { NULL },
	  "an end by lack of memory, and what it was that ran out, is in the first lines" },
	{ "notreachableinrange",
	  NULL,
	  { NULL },
	  "type: coreheap objects --dead --range START-END CORE" },
	{ "traverseheap", NULL, { NULL }, "type: coreheap objects --jsonl CORE" },
	{ "findpointersin", NULL, { NULL }, "type: coreheap refs CORE ADDR" },
	{ "gctonative", NULL, { NULL }, "type: coreheap roots CORE ADDR of the native block" },
	{ "gchandleleaks", NULL, { NULL }, "type: coreheap roots CORE TYPE: handles are roots" },

	/* SOS: threads */
	{ "finalizequeue", "handles", { "--finalizers", NULL }, NULL },
	{ "fq", "handles", { "--finalizers", NULL }, NULL },
	{ "dumpexceptions", "types", { "--traces", NULL }, NULL },
	{ "clrstack", "threads", { NULL }, NULL },
	{ "clrthreads", "threads", { NULL }, NULL },
	{ "syncblk", "locks", { NULL }, NULL },
	{ "setthread", NULL, { NULL }, "coreheap threads CORE shows all of them" },
	{ "parallelstacks", "threads", { "--group", NULL }, NULL },
	{ "pstacks", "threads", { "--group", NULL }, NULL },
	{ "threadstate", "threads", { NULL }, NULL },
	{ "crashinfo", "info", { NULL }, NULL },

	/* SOS: modules, types and code */
	{ "eeversion", "info", { NULL }, NULL },
	{ "runtimes", "info", { NULL }, NULL },
	{ "clrmodules", "modules", { NULL }, NULL },
	{ "assemblies", "modules", { NULL }, NULL },
	{ "dumpdomain", "modules", { NULL }, NULL },
	{ "dumpassembly", "modules", { NULL }, NULL },
	{ "dumpmodule", "modules", { NULL }, NULL },
	{ "dumpil", NULL, { NULL }, "IL is in the assembly's file, not asked for here" },
	{ "dumpsig", NULL, { NULL }, TYPE_SAY },
	{ "dumpsigelem", NULL, { NULL }, TYPE_SAY },
	{ "dumpruntimetypes",
	  NULL,
	  { NULL },
	  "type: coreheap objects --type System.RuntimeType CORE" },
	{ "dumplog", NULL, { NULL }, "the runtime's stress log is not read" },
	{ "histinit", NULL, { NULL }, "the runtime's stress log is not read" },
	{ "bpmd", NULL, { NULL }, LIVE_SAY },
	{ "sosstatus", "info", { NULL }, NULL },
	{ "setsymbolserver",
	  NULL,
	  { NULL },
	  "give --debuginfod, --debug-dir DIR or --sysroot DIR" },
	{ "loadsymbols", NULL, { NULL }, "give --debuginfod, --debug-dir DIR or --sysroot DIR" },

	/* WinDbg and gdb */
	{ "analyze", "summary", { NULL }, NULL },
	{ "lm", "modules", { NULL }, NULL },
	{ "k", "threads", { NULL }, NULL },
	{ "kb", "threads", { NULL }, NULL },
	{ "kp", "threads", { NULL }, NULL },
	{ "r", "threads", { "--regs", NULL }, NULL },
	{ "bt", "threads", { NULL }, NULL },
	{ "backtrace", "threads", { NULL }, NULL },
	{ "where", "threads", { NULL }, NULL },
	{ "ln", "whatis", { NULL }, NULL },
	{ "dt", "show", { NULL }, NULL },
	{ "sharedlibrary", "modules", { NULL }, NULL },
	{ "x", NULL, { NULL }, "type: coreheap show --reveal CORE ADDR, or " WHAT_SAY },
	{ "db", NULL, { NULL }, "type: coreheap show --reveal CORE ADDR" },
	{ "dd", NULL, { NULL }, "type: coreheap show --reveal CORE ADDR" },
	{ "dq", NULL, { NULL }, "type: coreheap show --reveal CORE ADDR" },
	{ "dps", NULL, { NULL }, "type: coreheap show --reveal CORE ADDR" },

	/* The JDK's tools */
	{ "jstack", "threads", { NULL }, NULL },
	{ "jmap",
	  NULL,
	  { NULL },
	  "type: coreheap types CORE (-histo), coreheap heap CORE (-heap)" },
	{ "histo", "types", { NULL }, NULL },
	{ "jinfo", "heap", { "--flags", NULL }, NULL },
	{ "jcmd",
	  NULL,
	  { NULL },
	  "type: coreheap types CORE (GC.class_histogram), coreheap threads "
	  "CORE (Thread.print), coreheap heap CORE (GC.heap_info)" },
	{ "universe", "heap", { NULL }, NULL },
	{ "inspect", "show", { NULL }, NULL },
	{ "scanoops", "objects", { NULL }, NULL },
	{ "revptrs", "refs", { NULL }, NULL },
	{ "pmap", "address", { "--regions", NULL }, NULL },
};

/* Aliases whose -type is another one than --type here. dumpheap does two things, as its options
 * say: it lists objects, and counts types. */
static const struct ch_other_name list = { "dumpheap", "objects", { "--type-holds", NULL }, NULL };
static const struct ch_other_name count = { "dumpheap", "types", { "--type-holds", NULL }, NULL };
static const struct ch_other_name kinds = {
	"gchandles", "handles", { "--type-holds", NULL }, NULL
};

static bool is_given(const char *option, int argc, char *const *argv)
{
	const char *word;
	int i;

	for (i = 0; i < argc; i++) {
		word = argv[i];
		if (word[0] == '-' && strcasecmp(word + 1 + (word[1] == '-'), option) == 0)
			return true;
	}
	return false;
}

static const char *bare(const char *word)
{
	return word[0] == '!' ? word + 1 : word;
}

const struct ch_other_name *chp_other_name(const char *word, int argc, char *const *argv)
{
	size_t i;

	word = bare(word);
	if (strcasecmp(word, "dumpheap") == 0)
		return is_given("short", argc, argv) ||
				       (is_given("mt", argc, argv) && !is_given("stat", argc, argv))
			       ? &list
			       : &count;
	if (strcasecmp(word, kinds.name) == 0)
		return &kinds;
	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (strcasecmp(rows[i].name, word) == 0)
			return &rows[i];
	return NULL;
}

const char *chp_other_name_at(size_t i)
{
	return i < CH_COUNT_OF(rows) ? rows[i].name : NULL;
}

const struct ch_cmd *chp_cmd_find_any(const char *word)
{
	const struct ch_cmd *cmd = chp_cmd_find(word);
	const char *name;
	size_t i;

	word = bare(word);
	for (i = 0; !cmd && (name = chp_cmd_name(NULL, i)); i++)
		if (strcasecmp(name, word) == 0)
			cmd = chp_cmd_find(name);
	return cmd;
}
