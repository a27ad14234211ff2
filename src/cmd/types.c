/*
 * The command "types": its options, and the question that it asks of the library, objects by
 * type.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "cmd/types_by.h"
#include "report/heap.h"
#include "report/strings.h"
#include "report/traces.h"
#include "types/names.h"
#include "util/cleanup.h"
#include "util/error.h"

#define OPTION(name, value, kind, member, help)                                                    \
	{                                                                                          \
		name, value, kind, offsetof(struct ch_types_options, member), help                 \
	}

static struct ch_error *report_types(struct ch_cmd_env *env, const struct ch_object_filter *filter,
				     bool by_generation, enum ch_order order)
{
	struct ch_types_result result;
	struct ch_error *err = chp_types_make(env->session, filter, by_generation, &result);

	if (!err && order != CH_ORDER_BYTES)
		chp_types_sort(&result, order);
	if (!err)
		err = ch_report_types(env->report, &result);
	chp_types_deinit(&result);
	return err;
}

static struct ch_error *report_strings(struct ch_cmd_env *env, struct ch_heaps *heaps,
				       const struct ch_object_filter *filter)
{
	struct ch_strings_stat strings = { .count = 0 };
	struct ch_error *err = chp_strings_count(heaps, filter, &strings);

	if (!err)
		err = ch_report_strings(env->report, ch_session_core(env->session), &strings);
	chp_strings_deinit(&strings);
	return err;
}

static struct ch_error *report_traces(struct ch_cmd_env *env, const struct ch_object_filter *filter)
{
	struct ch_traces_result result;
	struct ch_error *err = chp_traces_make(env->session, filter, &result);

	if (!err)
		err = ch_report_traces(env->report, &result);
	chp_traces_result_deinit(&result);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_types_options *options = env->options;
	const bool by_size = options->by && strcmp(options->by, "size") == 0;
	const struct ch_types_group *group = chp_types_group(options->by);
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err;
	enum ch_order order;

	if (options->sort && (options->strings || options->traces || (options->by && !by_size)))
		return ch_error_create(CH_ERROR_ARG, "--sort is of rows of types only");
	err = chp_parse_order(options->sort, &order);
	if (err)
		return err;
	if (options->by && !by_size && !group)
		return chp_types_by(env, options);
	if (options->strings + options->by_generation + options->traces + (group != NULL) > 1)
		return ch_error_create(CH_ERROR_ARG,
				       "--strings, --traces, --by-gen and --by %s "
				       "cannot be combined",
				       group ? group->word : "basis");
	err = by_size ? ch_session_heaps(env->session, &heaps)
		      : chp_session_named_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_filter_parse(env->session, heaps, &options->filter, 0, &parsed);
	if (!err && group)
		err = chp_types_by_group(env, &parsed.filter, group);
	else if (!err && options->strings)
		err = report_strings(env, heaps, &parsed.filter);
	else if (!err && options->traces)
		err = report_traces(env, &parsed.filter);
	else if (!err)
		err = report_types(env, &parsed.filter, options->by_generation, order);
	chp_filter_deinit(&parsed);
	return err;
}

static const char *const aliases[] = { "dumpheap", NULL };

static const struct ch_option options_table[] = {
	CH_FILTER_OPTIONS("all"),
	OPTION("by-gen", NULL, CH_OPTION_FLAG, by_generation,
	       "a row for each type and generation (or arena)"),
	OPTION("by", "basis|holder|loader|module|owner|purpose|site|size", CH_OPTION_STRING, by,
	       "rows of another kind than types"),
	CH_ORDER_OPTION(struct ch_types_options),
	OPTION("strings", NULL, CH_OPTION_FLAG, strings,
	       "equal strings of managed heaps, and what they waste (texts only with "
	       "--reveal)"),
	OPTION("traces", NULL, CH_OPTION_FLAG, traces,
	       "stack traces that objects carry (exceptions, leak records), by type and "
	       "frames"),
	OPTION("stat", NULL, CH_OPTION_FLAG, stat, NULL),
	{ 0 },
};

const struct ch_cmd ch_cmd_types = {
	.name = "types",
	.aliases = aliases,
	.summary = "count and bytes by type, by what holds them where no type is known",
	.synopsis = "[OPTIONS] CORE...",
	.cores = CH_CORES_EACH,
	.examples = "coreheap types core.1234\n"
		    "coreheap types --state used --min-size 1K core.1234\n"
		    "coreheap types --strings core.1234\n"
		    "coreheap types --traces --type-part OutOfMemoryError core.1234\n"
		    "coreheap types --by basis core.1234\n"
		    "coreheap types --by loader core.1234\n"
		    "coreheap types --by owner core.1234\n"
		    "coreheap types --by purpose core.1234\n"
		    "coreheap types --by site core.1234\n"
		    "coreheap types --by size core.1234\n",
	.notes = "Blocks of malloc that begin with a table of virtual functions have the name\n"
		 "of their C++ class, parts of its containers that of the container, and\n"
		 "structures of libc and of the dynamic linker theirs. Where debug information\n"
		 "is at hand, what variables and fields lead to has the name of its type:\n"
		 "order, order[] (one or more of it), order and more (what begins with one).\n"
		 "What nothing else names has the name of the nearest variable or named block\n"
		 "that leads to it: `server+0x40 -> +0x18 -> [] -> +0x8* -> 48-byte blocks`\n"
		 "are blocks to which the word at `server+0x40` leads by a word at offset 0x18\n"
		 "of a block, any word of the next one ([], as in an array or a hash table)\n"
		 "and any number of links at offset 8 (*, as in a list; none for the first\n"
		 "one). Steps that were left out are `..`; at most the last three are shown.\n"
		 "Names hold no addresses: the next dump has the same ones. Where no name is\n"
		 "known it is the size.\n"
		 "\n"
		 "Rows of --by:\n"
		 "  basis   used blocks by who says what they are: the runtime of a language,\n"
		 "          a pool of the program's, a provider of names (vtable, dwarf ...),\n"
		 "          and in the last row what has no name\n"
		 "  module  by the module that has the type\n"
		 "  holder  by the variable or named block that leads to them\n"
		 "  loader  class loaders of a JVM, alike ones in one row: how many classes\n"
		 "          they loaded, whether anything reaches them, what they retain, and\n"
		 "          what the JVM has of metaspace for them\n"
		 "  owner   native memory by the managed objects that own it: direct buffers,\n"
		 "          segments, streams of zlib, whatever has the address of a block of\n"
		 "          malloc or of a mapped file in a field\n"
		 "  site    where objects of Go were allocated, by stack: estimated from the\n"
		 "          samples that its runtime takes for runtime/pprof, as of the last\n"
		 "          collection (export --pprof --sites writes them for go tool pprof)\n"
		 "  size    blocks of malloc by their size only, also where their class is\n"
		 "          known\n"
		 "\n"
		 "With --strings equal strings are one row; with --traces stack traces of\n"
		 "exceptions and records of leak detectors that were made at the same place\n"
		 "are.\n",
	.see_also = (const char *const[]){ "objects", "show", "roots", "retained", NULL },
	.options = options_table,
	.options_size = sizeof(struct ch_types_options),
	.run = run,
};
