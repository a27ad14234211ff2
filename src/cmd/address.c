/*
 * The command "address": its options, and the question that it asks of the library, what the
 * address space is made of, or what one address is in.
 */
#include "report/address.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "util/cleanup.h"
#include "util/error.h"

struct options {
	bool summary, regions, raw, zero_pages;
	const char *compat, *list;
	struct ch_strings filters;
};

static struct ch_error *parse_list(const char *text, enum ch_address_list *ret)
{
	if (!text)
		*ret = CH_ADDRESS_LIST_TABLE;
	else if (strcmp(text, "csv") == 0)
		*ret = CH_ADDRESS_LIST_CSV;
	else if (strcmp(text, "tsv") == 0)
		*ret = CH_ADDRESS_LIST_TSV;
	else if (strcmp(text, "1") == 0)
		*ret = CH_ADDRESS_LIST_BARE;
	else
		return ch_error_create(CH_ERROR_ARG, "-o:%s: give csv, tsv or 1 (addresses only)",
				       text);
	return NULL;
}

/* The filters as one line: "heap,stack rw-". */
static struct ch_error *join(const struct ch_strings *filters, char **ret)
{
	size_t i, used = 0, size = 1;
	char *text;

	for (i = 0; i < filters->count; i++)
		size += strlen(filters->items[i]) + 1;
	text = calloc(1, size);
	if (!text)
		return &ch_enomem;
	for (i = 0; i < filters->count; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "",
					 filters->items[i]);
	*ret = text;
	return NULL;
}

static struct ch_error *check(const struct options *options, const struct ch_cmd_env *env)
{
	bool json = env->report->format != CH_FORMAT_TEXT;

	if (options->compat && strcmp(options->compat, "windbg") != 0)
		return ch_error_create(CH_ERROR_ARG, "--compat %s: only windbg is known",
				       options->compat);
	if (options->list && json)
		return ch_error_create(CH_ERROR_ARG,
				       "-o: cannot be joined with --json, --jsonl or --plain");
	if (options->raw && (options->filters.count || options->list || options->compat))
		return ch_error_create(CH_ERROR_ARG, "--raw shows segments as they are: it takes "
						     "no -f:, -o: or --compat");
	if (env->argc && (options->filters.count || options->list || options->raw ||
			  options->regions || options->summary || options->zero_pages))
		return ch_error_create(CH_ERROR_ARG,
				       "one address takes no option but --compat windbg");
	return NULL;
}

static struct ch_error *run_one(struct ch_cmd_env *env, bool windbg)
{
	struct ch_address_one one = { .windbg = windbg };
	struct ch_error *err;
	uint64_t addr;

	err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (!err)
		err = chp_address_one_make(env->session, env->threads, addr, &one);
	return err ? err : ch_report_address_one(env->report, &one);
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_region_filter filter = { .windbg = options->compat };
	const struct ch_address_options wanted = {
		.threads = env->threads,
		.flags = (options->zero_pages ? CH_SUM_ZERO : 0) |
			 (options->compat ? CH_SUM_WINDBG : 0),
		.filter = &filter,
	};
	struct ch_address address = { .windbg = options->compat };
	_cleanup_free_ char *text = NULL;
	struct ch_error *err;
	size_t i;

	err = check(options, env);
	if (!err)
		err = parse_list(options->list, &address.list);
	for (i = 0; !err && i < options->filters.count; i++)
		err = ch_region_filter_add(&filter, options->filters.items[i]);
	if (!err && options->filters.count)
		err = join(&options->filters, &text);
	if (err)
		return err;
	if (env->argc)
		return run_one(env, options->compat);
	address.filter = text;
	address.show_segments = options->raw;
	address.show_regions = options->regions || options->list || (text && !options->summary);
	address.show_tables = options->summary || (!address.show_regions && !options->raw);
	address.tables_filtered = text && options->summary;
	err = chp_address_make(env->session, &wanted, &address);
	if (!err)
		err = ch_report_address(env->report, &address);
	chp_address_deinit(&address);
	return err;
}

#define OPTION(member) offsetof(struct options, member)
static const struct ch_option option_rows[] = {
	{ "summary", NULL, CH_OPTION_FLAG, OPTION(summary),
	  "tables (the default); with -f: of the matching regions only" },
	{ "regions", NULL, CH_OPTION_FLAG, OPTION(regions), "every region instead of the tables" },
	{ "f:", "NAME,...", CH_OPTION_STRINGS, OPTION(filters),
	  "regions of these usages, types, states and rights" },
	{ "filter", "NAME,...", CH_OPTION_STRINGS, OPTION(filters), NULL },
	{ "o:", "csv|tsv|1", CH_OPTION_STRING, OPTION(list),
	  "regions as comma or tab separated values, or base addresses only" },
	{ "raw", NULL, CH_OPTION_FLAG, OPTION(raw),
	  "segments as the core has them, before they are split and joined" },
	{ "zero-pages", NULL, CH_OPTION_FLAG, OPTION(zero_pages), "also count pages of zeros" },
	{ "compat", "windbg", CH_OPTION_STRING, OPTION(compat), "the layout of WinDbg's !address" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

const struct ch_cmd ch_cmd_address = {
	.name = "address",
	.aliases = (const char *const[]){ "maddress", "vmmap", NULL },
	.summary = "where the address space went: by usage, type, state and rights",
	.synopsis = "[OPTIONS] CORE [ADDRESS]",
	.examples = "  coreheap address core.1234                     five tables\n"
		    "  coreheap address -f:stack,rw- core.1234        stacks that can be written\n"
		    "  coreheap address core.1234 0x7f44044fb96a      the region of an address\n"
		    "  coreheap address --compat windbg core.1234     as WinDbg prints it\n",
	.notes = "Tables by usage, type, state and protection, the largest regions, and what\n"
		 "is not in the core; with an address, its region. Touched memory has a column\n"
		 "of its own: pages with a byte other than zero, the least that was resident.\n"
		 "\n"
		 "Filters: heap stack image tls free other filemap var (WinDbg's usages), ours\n"
		 "as the tables show them (arena, mmap-chunk, guard, lib, bss, file, anon\n"
		 "...), MEM_IMAGE MEM_MAPPED MEM_PRIVATE, MEM_COMMIT MEM_RESERVE MEM_FREE,\n"
		 "PAGE_* and rw- r-x and the like. A region passes if it has one of the\n"
		 "usages, one of the types, one of the states and one of the rights given.\n",
	.see_also = (const char *const[]){ "whatis", "heap", "modules", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
