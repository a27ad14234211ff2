/*
 * Every mapped byte in one named row: regions by usage, heap regions divided by what the walk
 * says, the rest unattributed. Made of sums alone, so that it is tested without a core.
 */
#include "analysis/account.h"

#include <stdlib.h>
#include <string.h>

#include "heap/type_table.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* For people, and for programs. */
static const struct account_names {
	const char *title, *name;
} account_names[] = {
	[CH_ACCOUNT_HEAP_USED] = { "malloc blocks in use", "heap_used" },
	[CH_ACCOUNT_HEAP_MMAPPED] = { "malloc blocks in own mappings", "heap_used_mmapped" },
	[CH_ACCOUNT_HEAP_FREE] = { "free memory kept by malloc", "heap_free" },
	[CH_ACCOUNT_HEAP_TOP] = { "unused end of the arena", "heap_top" },
	[CH_ACCOUNT_HEAP_OVERHEAD] = { "malloc's own bookkeeping", "heap_overhead" },
	[CH_ACCOUNT_HEAP_UNWALKED] = { "heap memory, not walked", "heap_not_walked" },
	[CH_ACCOUNT_MANAGED_LIVE] = { "managed objects in use", "managed_live" },
	[CH_ACCOUNT_MANAGED_DEAD] = { "managed garbage", "managed_dead" },
	[CH_ACCOUNT_MANAGED_USED] = { "managed objects, with garbage", "managed_used" },
	[CH_ACCOUNT_MANAGED_FREE] = { "managed heap free", "managed_free" },
	[CH_ACCOUNT_MANAGED_HEAP] = { "managed heap overhead", "managed_heap" },
	[CH_ACCOUNT_MANAGED_LOADER] = { "types and code that runtimes load", "managed_loader" },
	[CH_ACCOUNT_MANAGED_OTHER] = { "other memory of runtimes", "managed_other" },
	[CH_ACCOUNT_MANAGED_VIEWS] = { "managed heap, mapped again", "managed_views" },
	[CH_ACCOUNT_STACKS] = { "stacks", "stacks" },
	[CH_ACCOUNT_GUARDS] = { "stack guards", "stack_guards" },
	[CH_ACCOUNT_TLS] = { "thread-local storage", "tls" },
	[CH_ACCOUNT_IMAGE] = { "images of programs", "image" },
	[CH_ACCOUNT_BSS] = { "bss of programs", "bss" },
	[CH_ACCOUNT_FILES] = { "mapped files", "file_maps" },
	[CH_ACCOUNT_SHARED] = { "shared memory", "shared_memory" },
	[CH_ACCOUNT_OTHER] = { "other mappings", "other" },
	[CH_ACCOUNT_RESERVED] = { "reservations", "reservations" },
	[CH_ACCOUNT_UNDUMPED] = { "anonymous, untouched or not dumped", "anonymous_not_dumped" },
	[CH_ACCOUNT_UNATTRIBUTED] = { "memory of no known owner", "unattributed" },
};

const char *chp_account_title(enum ch_account_id id)
{
	return (size_t)id < CH_COUNT_OF(account_names) ? account_names[id].title : "";
}

const char *chp_account_name(enum ch_account_id id)
{
	return (size_t)id < CH_COUNT_OF(account_names) ? account_names[id].name : "";
}

/* Row of a region; heap regions go to UNWALKED first. A usage without an entry
 * would land in row 0: the assertion below makes the next one add it. */
static enum ch_account_id row_of(const struct ch_region *region)
{
	static const enum ch_account_id rows[CH_USAGE_COUNT] = {
		[CH_USAGE_MANAGED_HEAP] = CH_ACCOUNT_MANAGED_HEAP,
		[CH_USAGE_MANAGED_LOADER] = CH_ACCOUNT_MANAGED_LOADER,
		[CH_USAGE_MANAGED_OTHER] = CH_ACCOUNT_MANAGED_OTHER,
		[CH_USAGE_MANAGED_VIEW] = CH_ACCOUNT_MANAGED_VIEWS,
		[CH_USAGE_JIT] = CH_ACCOUNT_MANAGED_OTHER,
		[CH_USAGE_TLS] = CH_ACCOUNT_TLS,
		[CH_USAGE_STACK] = CH_ACCOUNT_STACKS,
		[CH_USAGE_GUARD] = CH_ACCOUNT_GUARDS,
		[CH_USAGE_HEAP] = CH_ACCOUNT_HEAP_UNWALKED,
		[CH_USAGE_ARENA] = CH_ACCOUNT_HEAP_UNWALKED,
		[CH_USAGE_MMAP_CHUNK] = CH_ACCOUNT_HEAP_UNWALKED,
		[CH_USAGE_EXE] = CH_ACCOUNT_IMAGE,
		[CH_USAGE_LIB] = CH_ACCOUNT_IMAGE,
		[CH_USAGE_BSS] = CH_ACCOUNT_BSS,
		[CH_USAGE_FILE] = CH_ACCOUNT_FILES,
		[CH_USAGE_SHM] = CH_ACCOUNT_SHARED,
		[CH_USAGE_MEMFD] = CH_ACCOUNT_SHARED,
		[CH_USAGE_VDSO] = CH_ACCOUNT_OTHER,
		[CH_USAGE_VVAR] = CH_ACCOUNT_OTHER,
		[CH_USAGE_VSYSCALL] = CH_ACCOUNT_OTHER,
		[CH_USAGE_OTHER] = CH_ACCOUNT_OTHER,
		[CH_USAGE_RESERVE] = CH_ACCOUNT_RESERVED,
		[CH_USAGE_UNDUMPED] = CH_ACCOUNT_UNDUMPED,
		[CH_USAGE_ANON] = CH_ACCOUNT_UNATTRIBUTED,
		[CH_USAGE_FREE] = CH_ACCOUNT_UNATTRIBUTED,
	};
	_Static_assert(CH_USAGE_COUNT == 25, "a usage was added: give it a row");
	enum ch_account_id id =
		region->usage < CH_USAGE_COUNT ? rows[region->usage] : CH_ACCOUNT_UNATTRIBUTED;
	bool of_program = id == CH_ACCOUNT_IMAGE || id == CH_ACCOUNT_GUARDS;

	if (region->state == CH_STATE_RESERVE && !of_program)
		return CH_ACCOUNT_RESERVED;
	return id;
}

enum ch_memory_group chp_account_group(enum ch_account_id id)
{
	static const enum ch_memory_group groups[CH_ACCOUNT_ROWS] = {
		[CH_ACCOUNT_HEAP_USED] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_HEAP_MMAPPED] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_HEAP_FREE] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_HEAP_TOP] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_HEAP_OVERHEAD] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_HEAP_UNWALKED] = CH_MEMORY_MALLOC,
		[CH_ACCOUNT_MANAGED_LIVE] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_DEAD] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_USED] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_FREE] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_HEAP] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_VIEWS] = CH_MEMORY_MANAGED,
		[CH_ACCOUNT_MANAGED_LOADER] = CH_MEMORY_RUNTIME,
		[CH_ACCOUNT_MANAGED_OTHER] = CH_MEMORY_RUNTIME,
		[CH_ACCOUNT_STACKS] = CH_MEMORY_STACKS,
		[CH_ACCOUNT_GUARDS] = CH_MEMORY_STACKS,
		[CH_ACCOUNT_TLS] = CH_MEMORY_STACKS,
		[CH_ACCOUNT_IMAGE] = CH_MEMORY_PROGRAMS,
		[CH_ACCOUNT_BSS] = CH_MEMORY_PROGRAMS,
		[CH_ACCOUNT_FILES] = CH_MEMORY_FILES,
		[CH_ACCOUNT_SHARED] = CH_MEMORY_SHARED,
		[CH_ACCOUNT_OTHER] = CH_MEMORY_OTHER,
		[CH_ACCOUNT_RESERVED] = CH_MEMORY_OTHER,
		[CH_ACCOUNT_UNDUMPED] = CH_MEMORY_OTHER,
		[CH_ACCOUNT_UNATTRIBUTED] = CH_MEMORY_UNATTRIBUTED,
	};

	return groups[id];
}

enum ch_memory_group chp_region_group(const struct ch_region *region)
{
	return chp_account_group(row_of(region));
}

const char *chp_memory_group_title(enum ch_memory_group group)
{
	static const char *const titles[CH_MEMORY_GROUPS] = {
		[CH_MEMORY_MALLOC] = "malloc",        [CH_MEMORY_MANAGED] = "managed heap",
		[CH_MEMORY_RUNTIME] = "runtime",      [CH_MEMORY_STACKS] = "stacks",
		[CH_MEMORY_PROGRAMS] = "programs",    [CH_MEMORY_FILES] = "files",
		[CH_MEMORY_SHARED] = "shared memory", [CH_MEMORY_UNATTRIBUTED] = "unknown",
		[CH_MEMORY_OTHER] = "other",
	};

	return titles[group];
}

static void add_region(struct ch_account *account, const struct ch_region *region)
{
	enum ch_account_id id = row_of(region);
	struct ch_account_row *row = &account->rows[id];
	uint64_t bytes = region->end - region->start;

	row->bytes += bytes;
	row->touched_bytes += region->touched_bytes;
	row->in_core_bytes += region->in_core_bytes;
	if (region->basis > row->basis)
		row->basis = region->basis;
}

/* Which part of the busy bytes a region is. */
static void add_part(struct ch_account *account, const struct ch_region *region)
{
	uint64_t bytes = region->end - region->start - region->touched_bytes;
	uint64_t zeros = region->in_core_bytes - region->touched_bytes;

	account->touched_bytes += region->touched_bytes;
	if (region->state == CH_STATE_RESERVE) {
		account->reserved_bytes += bytes;
		return;
	}
	account->untouched_bytes += zeros;
	if (region->flags & CH_REGION_UNDUMPED || region->usage == CH_USAGE_UNDUMPED)
		account->undumped_bytes += bytes - zeros;
	else
		account->absent_bytes += bytes - zeros;
}

/* Take excess bytes away from a row; what it could not give remains. */
static void shave(uint64_t *bytes, uint64_t *excess)
{
	uint64_t part = ch_min(*bytes, *excess);

	*bytes -= part;
	*excess -= part;
}

/*
 * Split the heap bytes of the map by what the heaps say. A walker may claim
 * memory that the map gives to somebody else: those bytes are in another row
 * already, so they are taken off here, and an invariant is broken.
 */
static void split_heap(struct ch_account *account, const struct ch_account_heaps *heaps)
{
	struct ch_account_row *rows = account->rows;
	struct ch_account_row *whole = &rows[CH_ACCOUNT_HEAP_UNWALKED];
	enum ch_basis basis = heaps->heuristic ? CH_BASIS_HEURISTIC : CH_BASIS_DERIVED;
	uint64_t excess = 0, excess_touched = 0;
	size_t i;

	rows[CH_ACCOUNT_HEAP_USED].bytes = heaps->used_bytes;
	rows[CH_ACCOUNT_HEAP_MMAPPED].bytes = heaps->mmapped_bytes;
	rows[CH_ACCOUNT_HEAP_FREE].bytes = heaps->free_bytes;
	rows[CH_ACCOUNT_HEAP_TOP].bytes = heaps->top_bytes;
	rows[CH_ACCOUNT_HEAP_OVERHEAD].bytes = heaps->overhead_bytes;
	rows[CH_ACCOUNT_HEAP_USED].touched_bytes = heaps->used_touched;
	rows[CH_ACCOUNT_HEAP_MMAPPED].touched_bytes = heaps->mmapped_touched;
	rows[CH_ACCOUNT_HEAP_FREE].touched_bytes = heaps->free_touched;
	rows[CH_ACCOUNT_HEAP_TOP].touched_bytes = heaps->top_touched;
	rows[CH_ACCOUNT_HEAP_OVERHEAD].touched_bytes = heaps->overhead_touched;
	for (i = CH_ACCOUNT_HEAP_USED; i <= CH_ACCOUNT_HEAP_OVERHEAD; i++) {
		excess += rows[i].bytes;
		excess_touched += rows[i].touched_bytes;
		rows[i].basis = basis;
	}
	shave(&whole->bytes, &excess);
	shave(&whole->touched_bytes, &excess_touched);
	for (i = CH_ACCOUNT_HEAP_OVERHEAD + 1; i-- > CH_ACCOUNT_HEAP_USED;) {
		shave(&rows[i].bytes, &excess);
		shave(&rows[i].touched_bytes, &excess_touched);
	}
}

/* The same of managed heaps, whose rest stays in their row. */
static void split_managed(struct ch_account *account, const struct ch_account_heaps *heaps)
{
	struct ch_account_row *rows = account->rows;
	struct ch_account_row *whole = &rows[CH_ACCOUNT_MANAGED_HEAP];
	uint64_t left = whole->bytes, touched = whole->touched_bytes;

	if (!heaps->managed_used_bytes && !heaps->managed_free_bytes)
		return;
	rows[CH_ACCOUNT_MANAGED_USED].bytes = ch_min(heaps->managed_used_bytes, left);
	left -= rows[CH_ACCOUNT_MANAGED_USED].bytes;
	rows[CH_ACCOUNT_MANAGED_FREE].bytes = ch_min(heaps->managed_free_bytes, left);
	whole->bytes = left - rows[CH_ACCOUNT_MANAGED_FREE].bytes;
	rows[CH_ACCOUNT_MANAGED_USED].touched_bytes = ch_min(heaps->managed_used_touched, touched);
	touched -= rows[CH_ACCOUNT_MANAGED_USED].touched_bytes;
	rows[CH_ACCOUNT_MANAGED_FREE].touched_bytes = ch_min(heaps->managed_free_touched, touched);
	whole->touched_bytes = touched - rows[CH_ACCOUNT_MANAGED_FREE].touched_bytes;
	whole->has_core = false;
	rows[CH_ACCOUNT_MANAGED_USED].basis = rows[CH_ACCOUNT_MANAGED_FREE].basis = whole->basis;
}

/* Sums over the regions, for the invariants. */
struct sums {
	uint64_t free, busy, by_usage, by_type, by_state, by_protect, commit;
	bool touching;
};

static void sum_regions(const struct ch_region *regions, size_t count, uint64_t space_end,
			struct sums *ret)
{
	uint64_t at = 0, bytes;
	size_t i;

	*ret = (struct sums){ .touching = true };
	for (i = 0; i < count; i++) {
		const struct ch_region *region = &regions[i];

		bytes = region->end - region->start;
		ret->touching = ret->touching && region->start == at && region->end > at;
		at = region->end;
		if (region->state == CH_STATE_FREE) {
			ret->free += bytes;
			continue;
		}
		ret->busy += bytes;
		ret->by_usage += region->usage != CH_USAGE_FREE ? bytes : 0;
		ret->by_type += region->type != CH_MEMTYPE_NONE ? bytes : 0;
		ret->by_state += bytes;
		ret->commit += region->state == CH_STATE_COMMIT ? bytes : 0;
	}
	ret->touching = ret->touching && at == space_end;
}

/* Whether the rows are the busy bytes, or the touched ones. */
static bool rows_close(const struct ch_account *account, bool touched)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		sum += touched ? account->rows[i].touched_bytes : account->rows[i].bytes;
	return sum == (touched ? account->touched_bytes : account->busy_bytes);
}

static bool parts_close(const struct ch_account *account)
{
	return account->touched_bytes + account->untouched_bytes + account->undumped_bytes +
		       account->reserved_bytes + account->absent_bytes ==
	       account->busy_bytes;
}

void chp_account_make(const struct ch_region *regions, size_t regions_count, uint64_t space_end,
		      const struct ch_account_heaps *heaps, struct ch_account *ret)
{
	uint64_t heap_bytes;
	struct sums sums;
	size_t i;

	*ret = (struct ch_account){ .total_bytes = space_end };
	sum_regions(regions, regions_count, space_end, &sums);
	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		ret->rows[i].has_core =
			i > CH_ACCOUNT_HEAP_OVERHEAD &&
			(i < CH_ACCOUNT_MANAGED_LIVE || i > CH_ACCOUNT_MANAGED_FREE);
	for (i = 0; i < regions_count; i++) {
		if (regions[i].state == CH_STATE_FREE)
			continue;
		ret->in_core_bytes += regions[i].in_core_bytes;
		add_region(ret, &regions[i]);
		add_part(ret, &regions[i]);
	}
	ret->busy_bytes = sums.busy;
	heap_bytes = ret->rows[CH_ACCOUNT_HEAP_UNWALKED].bytes;
	if (heaps) {
		split_heap(ret, heaps);
		split_managed(ret, heaps);
		ret->rows[CH_ACCOUNT_HEAP_UNWALKED].has_core = false;
	}
	memcpy(ret->invariants,
	       (const struct ch_invariant[CH_ACCOUNT_INVARIANTS]){
		       { "regions_cover_the_address_space", sums.touching },
		       { "free_and_busy_are_the_address_space",
			 sums.free + sums.busy == space_end },
		       { "usage_type_and_state_have_equal_sums",
			 sums.by_usage == sums.busy && sums.by_type == sums.busy &&
				 sums.by_state == sums.busy },
		       { "heap_used_free_and_overhead_are_committed", !heaps || heaps->sums_close },
		       { "heap_spans_are_heap_memory",
			 !heaps || heaps->committed_bytes <= heap_bytes },
		       { "rows_are_the_busy_bytes", rows_close(ret, false) },
		       { "touched_rows_are_the_touched_bytes", rows_close(ret, true) },
		       { "touched_and_untouched_parts_are_the_busy_bytes", parts_close(ret) } },
	       sizeof(ret->invariants));
}

void chp_account_split_live(struct ch_account *account, uint64_t dead_bytes, uint64_t dead_touched)
{
	struct ch_account_row *used = &account->rows[CH_ACCOUNT_MANAGED_USED];
	struct ch_account_row *live = &account->rows[CH_ACCOUNT_MANAGED_LIVE];
	struct ch_account_row *dead = &account->rows[CH_ACCOUNT_MANAGED_DEAD];

	dead->bytes = ch_min(dead_bytes, used->bytes);
	live->bytes = used->bytes - dead->bytes;
	dead->touched_bytes = ch_min(dead_touched, used->touched_bytes);
	live->touched_bytes = used->touched_bytes - dead->touched_bytes;
	live->basis = dead->basis = used->basis;
	used->bytes = used->touched_bytes = 0;
}

static bool is_native(enum ch_usage usage)
{
	return usage == CH_USAGE_HEAP || usage == CH_USAGE_ARENA || usage == CH_USAGE_MMAP_CHUNK;
}

static void add_span(const struct ch_span *span, const struct ch_span_sums *sums,
		     struct ch_account_heaps *ret)
{
	uint64_t used_touched = sums->used_bytes - sums->untouched_used_bytes;

	ret->committed_bytes += span->committed_end - span->start;
	if (span->usage == CH_USAGE_MMAP_CHUNK) {
		ret->mmapped_bytes += sums->used_bytes;
		ret->mmapped_touched += used_touched;
	} else {
		ret->used_bytes += sums->used_bytes;
		ret->used_touched += used_touched;
	}
	ret->free_bytes += sums->free_bytes;
	ret->free_touched += sums->free_bytes - sums->untouched_free_bytes;
	ret->overhead_bytes += sums->overhead_bytes - sums->unwalked_bytes;
	ret->overhead_touched +=
		sums->overhead_bytes - sums->unwalked_bytes - sums->untouched_overhead_bytes;
	if (span->basis == CH_BASIS_HEURISTIC)
		ret->heuristic = true;
}

/* The allocator's own blocks are used in the walk, overhead in the account. */
static void move_own_blocks(const struct ch_heap *heaps, size_t count, struct ch_account_heaps *ret)
{
	uint64_t own;
	size_t i;

	for (i = 0; i < count; i++) {
		own = ch_min(heaps[i].allocator_bytes, ret->used_bytes);
		ret->used_bytes -= own;
		ret->overhead_bytes += own;
		own = ch_min(own - ch_min(own, heaps[i].untouched_allocator_bytes),
			     ret->used_touched);
		ret->used_touched -= own;
		ret->overhead_touched += own;
		if (heaps[i].used_bytes + heaps[i].free_bytes + heaps[i].overhead_bytes !=
		    heaps[i].committed_bytes)
			ret->sums_close = false;
	}
}

static void add_top(const struct ch_type_stat *top, struct ch_account_heaps *ret)
{
	ret->top_bytes += top->total_bytes;
	ret->top_touched += top->total_bytes - top->untouched_bytes;
}

struct ch_error *chp_account_heaps(struct ch_heaps *heaps, struct ch_account_heaps *ret)
{
	const struct ch_span_sums *sums;
	const struct ch_type_stat *types;
	const struct ch_heap *list;
	const struct ch_span *spans;
	struct ch_error *err;
	size_t count, i;

	*ret = (struct ch_account_heaps){ .sums_close = true };
	err = ch_heaps_types(heaps, &types, &count);
	if (err)
		return err;
	for (i = 0; i < count; i++)
		if (types[i].kind == CH_TYPE_FREE &&
		    chp_type_key(heaps, types[i].type) == CH_TYPE_KEY_TOP)
			add_top(&types[i], ret);
	spans = ch_heaps_spans(heaps, &count);
	sums = ch_heaps_span_sums(heaps, &count);
	for (i = 0; i < count; i++)
		if (is_native(spans[i].usage)) {
			add_span(&spans[i], &sums[i], ret);
		} else {
			ret->managed_used_bytes += sums[i].used_bytes;
			ret->managed_free_bytes += sums[i].free_bytes;
			ret->managed_used_touched +=
				sums[i].used_bytes - sums[i].untouched_used_bytes;
			ret->managed_free_touched +=
				sums[i].free_bytes - sums[i].untouched_free_bytes;
		}
	list = ch_heaps_list(heaps, &count);
	move_own_blocks(list, count, ret);
	ret->top_bytes = ch_min(ret->top_bytes, ret->free_bytes);
	ret->free_bytes -= ret->top_bytes;
	ret->top_touched = ch_min(ret->top_touched, ret->free_touched);
	ret->free_touched -= ret->top_touched;
	return NULL;
}

static int compare_stacks(const void *a, const void *b)
{
	const struct ch_stack_use *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

struct ch_stack_sums chp_stack_sum_up(const struct ch_core *core, struct ch_stack_use *stacks,
				      size_t count)
{
	struct ch_stack_sums sums = { 0 };
	struct ch_stack_use whole;
	size_t i = 0;

	if (count)
		qsort(stacks, count, sizeof(*stacks), compare_stacks);
	while (i < count) {
		whole = stacks[i];
		for (i++; i < count && stacks[i].start < whole.end; i++) {
			whole.end = ch_max(whole.end, stacks[i].end);
			whole.sp = ch_min(whole.sp, stacks[i].sp);
		}
		whole.sp = ch_min(ch_max(whole.sp, whole.start), whole.end);
		sums.bytes += whole.end - whole.start;
		sums.used_bytes += whole.end - whole.sp;
		sums.touched_bytes += ch_core_touched_bytes(core, whole.start, whole.end);
	}
	return sums;
}
