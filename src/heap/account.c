#include "heap/account.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* Zero or absent pages in a row after which a stack is taken to be untouched. */
#define QUIET_PAGES 16

/* For people, and for programs. */
static const struct account_names {
	const char *title, *name;
} account_names[] = {
	[CH_ACCOUNT_HEAP_USED] = { "heap used", "heap_used" },
	[CH_ACCOUNT_HEAP_MMAPPED] = { "heap used, own mappings", "heap_used_mmapped" },
	[CH_ACCOUNT_HEAP_FREE] = { "heap free", "heap_free" },
	[CH_ACCOUNT_HEAP_TOP] = { "heap top, never used or given back", "heap_top" },
	[CH_ACCOUNT_HEAP_OVERHEAD] = { "heap overhead", "heap_overhead" },
	[CH_ACCOUNT_HEAP_UNWALKED] = { "heap, not walked", "heap_not_walked" },
	[CH_ACCOUNT_MANAGED_LIVE] = { "managed heap live", "managed_live" },
	[CH_ACCOUNT_MANAGED_DEAD] = { "managed heap garbage", "managed_dead" },
	[CH_ACCOUNT_MANAGED_USED] = { "managed heap used, garbage included", "managed_used" },
	[CH_ACCOUNT_MANAGED_FREE] = { "managed heap free", "managed_free" },
	[CH_ACCOUNT_MANAGED_HEAP] = { "managed heap overhead", "managed_heap" },
	[CH_ACCOUNT_MANAGED_LOADER] = { "managed loader", "managed_loader" },
	[CH_ACCOUNT_MANAGED_OTHER] = { "managed other", "managed_other" },
	[CH_ACCOUNT_MANAGED_VIEWS] = { "managed heap, mapped again", "managed_views" },
	[CH_ACCOUNT_STACKS] = { "stacks", "stacks" },
	[CH_ACCOUNT_GUARDS] = { "stack guards", "stack_guards" },
	[CH_ACCOUNT_TLS] = { "thread-local storage", "tls" },
	[CH_ACCOUNT_IMAGE] = { "images of programs", "image" },
	[CH_ACCOUNT_BSS] = { "bss of programs", "bss" },
	[CH_ACCOUNT_FILES] = { "file maps", "file_maps" },
	[CH_ACCOUNT_SHARED] = { "shared memory", "shared_memory" },
	[CH_ACCOUNT_OTHER] = { "other", "other" },
	[CH_ACCOUNT_RESERVED] = { "reservations", "reservations" },
	[CH_ACCOUNT_UNDUMPED] = { "anonymous, untouched or not dumped", "anonymous_not_dumped" },
	[CH_ACCOUNT_UNATTRIBUTED] = { "unattributed", "unattributed" },
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

static void add_region(struct ch_account *account, const struct ch_region *region)
{
	enum ch_account_id id = row_of(region);
	struct ch_account_row *row = &account->rows[id];
	uint64_t bytes = region->end - region->start;

	row->bytes += bytes;
	row->in_core_bytes += region->in_core_bytes;
	if (region->basis > row->basis)
		row->basis = region->basis;
}

/* Take excess bytes away from a row; what it could not give remains. */
static void shave(struct ch_account_row *row, uint64_t *excess)
{
	uint64_t part = ch_min(row->bytes, *excess);

	row->bytes -= part;
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
	enum ch_basis basis = CH_BASIS_DERIVED;
	uint64_t mapped = whole->bytes, excess;
	size_t i;

	rows[CH_ACCOUNT_HEAP_USED].bytes = heaps->used_bytes;
	rows[CH_ACCOUNT_HEAP_MMAPPED].bytes = heaps->mmapped_bytes;
	rows[CH_ACCOUNT_HEAP_FREE].bytes = heaps->free_bytes;
	rows[CH_ACCOUNT_HEAP_TOP].bytes = heaps->top_bytes;
	rows[CH_ACCOUNT_HEAP_OVERHEAD].bytes = heaps->overhead_bytes;
	excess = 0;
	for (i = CH_ACCOUNT_HEAP_USED; i <= CH_ACCOUNT_HEAP_OVERHEAD; i++)
		excess += rows[i].bytes;
	whole->bytes = excess <= mapped ? mapped - excess : 0;
	excess = excess <= mapped ? 0 : excess - mapped;
	for (i = CH_ACCOUNT_HEAP_OVERHEAD + 1; i-- > CH_ACCOUNT_HEAP_USED;)
		shave(&rows[i], &excess);
	if (heaps->heuristic)
		basis = CH_BASIS_HEURISTIC;
	for (i = CH_ACCOUNT_HEAP_USED; i <= CH_ACCOUNT_HEAP_OVERHEAD; i++)
		rows[i].basis = basis;
}

/* The same of managed heaps, whose rest stays in their row. */
static void split_managed(struct ch_account *account, const struct ch_account_heaps *heaps)
{
	struct ch_account_row *rows = account->rows;
	struct ch_account_row *whole = &rows[CH_ACCOUNT_MANAGED_HEAP];
	uint64_t left = whole->bytes;

	if (!heaps->managed_used_bytes && !heaps->managed_free_bytes)
		return;
	rows[CH_ACCOUNT_MANAGED_USED].bytes = ch_min(heaps->managed_used_bytes, left);
	left -= rows[CH_ACCOUNT_MANAGED_USED].bytes;
	rows[CH_ACCOUNT_MANAGED_FREE].bytes = ch_min(heaps->managed_free_bytes, left);
	whole->bytes = left - rows[CH_ACCOUNT_MANAGED_FREE].bytes;
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

static uint64_t sum_rows(const struct ch_account *account)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		sum += account->rows[i].bytes;
	return sum;
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
		       { "rows_are_the_busy_bytes", sum_rows(ret) == sums.busy } },
	       sizeof(ret->invariants));
}

void chp_account_split_live(struct ch_account *account, uint64_t dead_bytes)
{
	struct ch_account_row *used = &account->rows[CH_ACCOUNT_MANAGED_USED];
	struct ch_account_row *live = &account->rows[CH_ACCOUNT_MANAGED_LIVE];
	struct ch_account_row *dead = &account->rows[CH_ACCOUNT_MANAGED_DEAD];

	dead->bytes = ch_min(dead_bytes, used->bytes);
	live->bytes = used->bytes - dead->bytes;
	live->basis = dead->basis = used->basis;
	used->bytes = 0;
}

static bool is_native(enum ch_usage usage)
{
	return usage == CH_USAGE_HEAP || usage == CH_USAGE_ARENA || usage == CH_USAGE_MMAP_CHUNK;
}

static void add_span(const struct ch_span *span, const struct ch_span_sums *sums,
		     struct ch_account_heaps *ret)
{
	ret->committed_bytes += span->committed_end - span->start;
	if (span->usage == CH_USAGE_MMAP_CHUNK)
		ret->mmapped_bytes += sums->used_bytes;
	else
		ret->used_bytes += sums->used_bytes;
	ret->free_bytes += sums->free_bytes;
	ret->overhead_bytes += sums->overhead_bytes - sums->unwalked_bytes;
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
		if (heaps[i].used_bytes + heaps[i].free_bytes + heaps[i].overhead_bytes !=
		    heaps[i].committed_bytes)
			ret->sums_close = false;
	}
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
		if (types[i].kind == CH_TYPE_FREE && types[i].type == CH_TYPE_ID_TOP)
			ret->top_bytes += types[i].total_bytes;
	spans = ch_heaps_spans(heaps, &count);
	sums = ch_heaps_span_sums(heaps, &count);
	for (i = 0; i < count; i++)
		if (is_native(spans[i].usage)) {
			add_span(&spans[i], &sums[i], ret);
		} else {
			ret->managed_used_bytes += sums[i].used_bytes;
			ret->managed_free_bytes += sums[i].free_bytes;
		}
	list = ch_heaps_list(heaps, &count);
	move_own_blocks(list, count, ret);
	ret->top_bytes = ch_min(ret->top_bytes, ret->free_bytes);
	ret->free_bytes -= ret->top_bytes;
	return NULL;
}

/* Whether a page holds anything but zeros; false when it is absent. */
static bool page_is_touched(const struct ch_core *core, uint64_t addr)
{
	static const uint8_t zeros[CH_PAGE_BYTES];
	const uint8_t *bytes;
	size_t len;

	bytes = ch_core_span_recorded(core, addr, &len);
	return bytes && memcmp(bytes, zeros, ch_min(len, CH_PAGE_BYTES)) != 0;
}

uint64_t chp_stack_touched_bytes(const struct ch_core *core, uint64_t start, uint64_t end,
				 uint64_t sp)
{
	uint64_t page, lowest, quiet = 0;

	if (sp < start || sp >= end)
		return 0;
	lowest = ch_max(ch_align_down(sp, CH_PAGE_BYTES), start);
	page = lowest;
	while (page >= start + CH_PAGE_BYTES && quiet < QUIET_PAGES) {
		page -= CH_PAGE_BYTES;
		if (page_is_touched(core, page)) {
			lowest = page;
			quiet = 0;
		} else {
			quiet++;
		}
	}
	return end - lowest;
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
		sums.touched_bytes +=
			chp_stack_touched_bytes(core, whole.start, whole.end, whole.sp);
	}
	return sums;
}
