#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "report/address.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

struct options {
	bool summary, regions, raw, zero_pages;
	const char *compat, *list;
	struct ch_strings filters;
};

/* ---- tables ---- */

static void merge(struct ch_map_sum *sum, const struct ch_map_sum *more)
{
	size_t i;

	sum->regions_count += more->regions_count;
	sum->total_bytes += more->total_bytes;
	sum->in_core_bytes += more->in_core_bytes;
	sum->touched_bytes += more->touched_bytes;
	sum->zero_bytes += more->zero_bytes;
	for (i = 0; i < CH_COUNT_OF(sum->basis_bytes); i++)
		sum->basis_bytes[i] += more->basis_bytes[i];
	if (more->largest_bytes > sum->largest_bytes ||
	    (more->largest_bytes == sum->largest_bytes &&
	     more->largest_start < sum->largest_start)) {
		sum->largest_bytes = more->largest_bytes;
		sum->largest_start = more->largest_start;
	}
}

/* Add a row; without a native name, rows of one name are one row. */
static void add_row(struct ch_address_table *table, const char *name, const char *native,
		    const struct ch_map_sum *sum)
{
	struct ch_address_row *row;
	size_t i;

	if (!sum->regions_count)
		return;
	for (i = 0; !native && i < table->count; i++) {
		if (strcmp(table->rows[i].name, name) == 0) {
			merge(&table->rows[i].sum, sum);
			return;
		}
	}
	row = &table->rows[table->count++];
	*row = (struct ch_address_row){ .name = name, .native = native, .sum = *sum };
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_address_row *x = a, *y = b;

	if (x->sum.total_bytes != y->sum.total_bytes)
		return x->sum.total_bytes < y->sum.total_bytes ? 1 : -1;
	return strcmp(x->native ? x->native : x->name, y->native ? y->native : y->name);
}

static void sort(struct ch_address_table *table)
{
	qsort(table->rows, table->count, sizeof(table->rows[0]), compare_rows);
}

/* createdump writes nothing about memory without access. */
static void add_unrecorded_reserve(struct ch_address *address, const char *native)
{
	struct ch_address_table *state = &address->state;

	if (address->producer != CH_PRODUCER_CREATEDUMP || address->tables_filtered ||
	    address->sums.state[CH_STATE_RESERVE].regions_count)
		return;
	state->rows[state->count++] = (struct ch_address_row){
		.name = ch_state_name(CH_STATE_RESERVE), .native = native, .not_recorded = true
	};
}

static void fill_tables(struct ch_address *address)
{
	static const char *const types[] = { "", "image", "mapped", "private" };
	static const char *const states[] = { "free", "reserve", "commit" };
	static const char *const rights[] = { "---", "r--", "rw-", "rw-", "--x",
					      "r-x", "rwx", "rwx", "???" };
	const struct ch_map_sums *sums = &address->sums;
	bool native = !address->windbg;
	const char *free = "free";
	unsigned int i;

	if (address->producer == CH_PRODUCER_CREATEDUMP)
		free = "free or not recorded";
	for (i = 0; i < CH_USAGE_COUNT; i++)
		add_row(&address->usage, ch_usage_windbg_name(i),
			!native              ? NULL
			: i == CH_USAGE_FREE ? free
					     : ch_usage_name(i),
			&sums->usage[i]);
	for (i = CH_MEMTYPE_IMAGE; i < CH_MEMTYPE_COUNT; i++)
		add_row(&address->type, ch_memtype_name(i), native ? types[i] : NULL,
			&sums->type[i]);
	for (i = 0; i < CH_STATE_COUNT; i++)
		add_row(&address->state, ch_state_name(i),
			!native              ? NULL
			: i == CH_STATE_FREE ? free
					     : states[i],
			&sums->state[i]);
	for (i = 0; i < CH_PROTECT_COUNT; i++)
		add_row(&address->protect, ch_protect_name(i), native ? rights[i] : NULL,
			&sums->protect[i]);
	for (i = 0; i < address->usage.count; i++)
		address->usage.rows[i].free = strcmp(address->usage.rows[i].name, "Free") == 0;
	for (i = 0; i < address->state.count; i++)
		address->state.rows[i].free =
			strcmp(address->state.rows[i].name, ch_state_name(CH_STATE_FREE)) == 0;
	sort(&address->usage);
	sort(&address->type);
	sort(&address->state);
	sort(&address->protect);
	add_unrecorded_reserve(address, native ? "reserve" : NULL);
}

/* ---- regions ---- */

/* The regions that pass, into address->regions, which the caller frees. */
static struct ch_error *pick_regions(struct ch_address *address, struct ch_map *map,
				     const struct ch_region_filter *filter)
{
	const struct ch_region *regions, **picked;
	size_t count, kept = 0, i;

	regions = ch_map_regions(map, &count);
	picked = calloc(count + 1, sizeof(*picked));
	if (!picked)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		if (!ch_region_matches(&regions[i], filter))
			continue;
		picked[kept++] = &regions[i];
		address->regions_bytes += regions[i].end - regions[i].start;
	}
	address->regions = picked;
	address->regions_count = kept;
	return NULL;
}

/* What a reader of the numbers must know of the dumper. */
static void tell_producer(const struct ch_address *address, struct ch_context *ctx)
{
	if (address->producer == CH_PRODUCER_CREATEDUMP)
		chp_context_finding(ctx, CH_SEVERITY_NOTE, "reservations-not-recorded",
				    "createdump leaves out memory without access (reservations, "
				    "guard pages): it counts as free here");
	else if (address->producer == CH_PRODUCER_GCORE)
		chp_context_finding(ctx, CH_SEVERITY_NOTE, "dontdump-not-recorded",
				    "gcore leaves out private memory that madvise excluded from "
				    "dumps: it counts as free here");
}

static struct ch_error *run_tables(struct ch_cmd_env *env, struct ch_address *address,
				   const struct ch_region_filter *filter, uint32_t flags)
{
	struct ch_map_sums all;
	struct ch_error *err;
	struct ch_map *map;

	err = ch_session_map(env->session, &map);
	if (!err)
		err = ch_map_count_touched(map, env->threads);
	if (err)
		return err;
	err = ch_map_sum_up(map, NULL, address->tables_filtered ? 0 : flags, &all);
	if (err)
		return err;
	ch_map_check(map, &all, address->invariants);
	address->total_bytes = all.space_bytes;
	address->busy_bytes = all.busy.total_bytes;
	address->touched_bytes = all.busy.touched_bytes;
	address->sums = all;
	if (address->tables_filtered)
		err = ch_map_sum_up(map, filter, flags, &address->sums);
	if (err)
		return err;
	address->vsyscall = ch_map_vsyscall(map);
	fill_tables(address);
	tell_producer(address, ch_session_context(env->session));
	if (address->show_regions)
		err = pick_regions(address, map, filter);
	if (!err)
		err = ch_report_address(env->report, address);
	free((void *)(uintptr_t)address->regions);
	return err;
}

/* ---- one address ---- */

static void find_thread(const struct ch_core *core, struct ch_heaps *heaps,
			struct ch_address_one *one)
{
	struct ch_thread_stack stack;
	size_t count;

	if (!ch_heaps_stack_at(heaps, one->addr, &stack))
		return;
	one->tid = ch_core_threads(core, &count)[stack.thread].tid;
	one->sp = stack.sp;
}

/* What runtimes know of it. */
static void find_runtime(struct ch_heaps *heaps, struct ch_core *core, struct ch_address_one *ret,
			 struct ch_code *code, struct ch_thread_info *info)
{
	const struct ch_thread *threads;
	size_t count, i;

	if (!ret->has_symbol && !ret->tid && ch_heaps_code_at(heaps, ret->addr, code))
		ret->code = code;
	threads = ch_core_threads(core, &count);
	for (i = 0; ret->tid && i < count && threads[i].tid != ret->tid;)
		i++;
	if (ret->tid && i < count && ch_heaps_thread(heaps, i, info))
		ret->thread = info;
}

static struct ch_error *run_one(struct ch_cmd_env *env, bool windbg)
{
	struct ch_address_one one = { .windbg = windbg };
	struct ch_thread_info info;
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_code code;
	struct ch_map *map;
	struct ch_sym *sym;

	err = chp_parse_addr(env->session, env->argv[0], &one.addr);
	if (!err)
		err = ch_session_sym(env->session, &sym);
	if (!err)
		err = ch_session_map(env->session, &map);
	if (!err)
		err = ch_session_heaps(env->session, &heaps);
	if (!err)
		err = ch_map_count_touched(map, env->threads);
	if (err)
		return err;
	one.region = ch_map_region_at(map, one.addr);
	if (!one.region)
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx lies above the user address space, which ends at "
				       "0x%llx",
				       (unsigned long long)one.addr,
				       (unsigned long long)ch_map_space_end(map));
	if (one.region->type == CH_MEMTYPE_IMAGE || one.region->usage == CH_USAGE_VDSO) {
		one.module = ch_sym_module_at(sym, one.addr);
		one.has_symbol = ch_sym_at(sym, one.addr, &one.symbol);
	}
	find_thread(ch_session_core(env->session), heaps, &one);
	find_runtime(heaps, ch_session_core(env->session), &one, &code, &info);
	return ch_report_address_one(env->report, &one);
}

/* ---- options ---- */

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

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_region_filter filter = { .windbg = options->compat };
	struct ch_address address = { .windbg = options->compat,
				      .producer = ch_core_producer(ch_session_core(env->session)) };
	_cleanup_free_ char *text = NULL;
	struct ch_error *err;
	uint32_t flags = 0;
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
		return run_one(env, address.windbg);
	address.filter = text;
	address.show_segments = options->raw;
	address.show_regions = options->regions || options->list || (text && !options->summary);
	address.show_tables = options->summary || (!address.show_regions && !options->raw);
	address.tables_filtered = text && options->summary;
	flags |= options->zero_pages ? CH_SUM_ZERO : 0;
	flags |= address.windbg ? CH_SUM_WINDBG : 0;
	return run_tables(env, &address, &filter, flags);
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
	.examples =
		"  coreheap address core.1234                     five tables\n"
		"  coreheap address -f:stack,rw- core.1234        stacks that can be written\n"
		"  coreheap address core.1234 0x7f44044fb96a      the region of an address\n"
		"  coreheap address --compat windbg core.1234     as WinDbg prints it\n"
		"\n"
		"Filters: heap stack image tls free other filemap var (WinDbg's usages), ours as\n"
		"the tables show them (arena, mmap-chunk, guard, lib, bss, file, anon ...),\n"
		"MEM_IMAGE MEM_MAPPED MEM_PRIVATE, MEM_COMMIT MEM_RESERVE MEM_FREE, PAGE_* and\n"
		"rw- r-x and the like. A region passes if it has one of the usages, one of the\n"
		"types, one of the states and one of the rights given.\n",
	.options = option_rows,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
