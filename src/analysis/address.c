/*
 * Where the address space went: tables by usage, type, state and rights; regions; one address.
 */
#include "analysis/address.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

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

/* The regions that pass. */
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

struct ch_error *chp_address_make(struct ch_session *session,
				  const struct ch_address_options *options,
				  struct ch_address *address)
{
	struct ch_map_sums all;
	struct ch_error *err;
	struct ch_map *map;

	address->producer = ch_core_producer(ch_session_core(session));
	err = ch_session_map(session, &map);
	if (!err)
		err = ch_map_count_touched(map, options->threads);
	if (err)
		return err;
	err = ch_map_sum_up(map, NULL, address->tables_filtered ? 0 : options->flags, &all);
	if (err)
		return err;
	ch_map_check(map, &all, address->invariants);
	address->total_bytes = all.space_bytes;
	address->busy_bytes = all.busy.total_bytes;
	address->touched_bytes = all.busy.touched_bytes;
	address->sums = all;
	if (address->tables_filtered)
		err = ch_map_sum_up(map, options->filter, options->flags, &address->sums);
	if (err)
		return err;
	address->vsyscall = ch_map_vsyscall(map);
	fill_tables(address);
	tell_producer(address, ch_session_context(session));
	return address->show_regions ? pick_regions(address, map, options->filter) : NULL;
}

void chp_address_deinit(struct ch_address *address)
{
	free(address->regions);
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
static void find_runtime(struct ch_heaps *heaps, struct ch_core *core, struct ch_address_one *ret)
{
	const struct ch_thread *threads;
	size_t count, i;

	ret->has_code =
		!ret->has_symbol && !ret->tid && ch_heaps_code_at(heaps, ret->addr, &ret->code);
	threads = ch_core_threads(core, &count);
	for (i = 0; ret->tid && i < count && threads[i].tid != ret->tid;)
		i++;
	ret->has_thread = ret->tid && i < count && ch_heaps_thread(heaps, i, &ret->thread);
}

struct ch_error *chp_address_one_make(struct ch_session *session, uint32_t threads, uint64_t addr,
				      struct ch_address_one *ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_map *map;
	struct ch_sym *sym;

	ret->addr = addr;
	err = ch_session_sym(session, &sym);
	if (!err)
		err = ch_session_map(session, &map);
	if (!err)
		err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_map_count_touched(map, threads);
	if (err)
		return err;
	ret->region = ch_map_region_at(map, addr);
	if (!ret->region)
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx lies above the user address space, which ends at "
				       "0x%llx",
				       (unsigned long long)addr,
				       (unsigned long long)ch_map_space_end(map));
	if (ret->region->type == CH_MEMTYPE_IMAGE || ret->region->usage == CH_USAGE_VDSO) {
		ret->module = ch_sym_module_at(sym, addr);
		ret->has_symbol = chp_sym_shown_at(sym, addr, &ret->symbol);
	}
	find_thread(ch_session_core(session), heaps, ret);
	find_runtime(heaps, ch_session_core(session), ret);
	return NULL;
}
