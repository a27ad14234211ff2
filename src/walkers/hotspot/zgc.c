/*
 * The heap of ZGC: its pages, how its pointers are colored, and what it keeps besides.
 * zgc_pointers.c says what a pointer stands for.
 *
 * Layout facts: gc/z/ of openjdk/jdk (tags jdk-17+35, jdk-21+35, jdk-25+36), in 21 gc/x/ for
 * the single generation: zAddress.hpp (colors), zGranuleMap.hpp, zPage.hpp, zHeuristics.cpp
 * (medium pages).
 */
#include "util/cleanup.h"

#include "util/context.h"
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Of 2 MiB each: 16 TiB, the largest heap of ZGC. */
#define GRANULES_MAX (1ULL << 23)
/* Granules asked for at once. */
#define CHUNK 512

enum z_heap { Z_SMALL, Z_MEDIUM, Z_LARGE, Z_FREE };
static const char *const z_names[] = { "small pages", "medium pages", "large pages", "free pages" };

/* A number that ZGlobalsForVMStructs has the address of. */
static bool read_global(const struct hs *hs, enum hs_member_id id, uint64_t *ret)
{
	uint64_t globals, at;

	return hs_member_ptr(hs, hs_z_id(hs, HS_Z_GLOBALS), 0, &globals) &&
	       hs_member_ptr(hs, hs_z_id(hs, id), globals, &at) && hs_read_ptr(hs, at, ret);
}

/* ---- Pointers --------------------------------------------------------------------- */

/* ---- Opening ---------------------------------------------------------------------- */

/* Which kind it is, and what its pointers look like. */
static struct ch_error *read_colors(struct hs *hs)
{
	struct hs_colors *colors = &hs->colors;
	uint64_t flag;

	/* 21 has both kinds, and names that of a single generation X */
	if (hs->members[HS_X_GLOBALS].found && hs_flag(hs, "ZGenerational", &flag) &&
	    !(flag & 0xff))
		colors->ids = HS_X_GLOBALS - HS_Z_GLOBALS;
	colors->generational = !colors->ids && hs->members[HS_Z_LOAD_SHIFT].found;
	colors->granule_shift = (uint32_t)hs->numbers[HS_Z_GRANULE_SHIFT].value;
	colors->forwarding_bytes =
		hs->numbers[colors->ids ? HS_X_SIZE_FORWARDING : HS_Z_SIZE_FORWARDING].value;
	if (!read_global(hs, HS_Z_OFFSET_MASK, &colors->offset_mask) ||
	    !read_global(hs, HS_Z_GOOD_MASK, &colors->good_mask) ||
	    !read_global(hs, HS_Z_BAD_MASK, &colors->bad_mask) || !colors->granule_shift)
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "libjvm.so's tables do not tell what pointers of this "
				       "ZGC look like (that of JDK 11 is not read)");
	if (colors->granule_shift > 40 || colors->offset_mask & (colors->offset_mask + 1) ||
	    colors->offset_mask >> 32 == 0 || colors->offset_mask >> 48)
		return ch_error_create(CH_ERROR_CORRUPT, "ZGC's masks are not possible");
	colors->used = true;
	return NULL;
}

/* zHeuristics.cpp, set_medium_page_size(): what objects of medium pages begin at
 * multiples of, zGlobals.hpp. */
static uint32_t medium_align(const struct hs *hs)
{
	const uint64_t granule = 1ULL << hs->colors.granule_shift;
	uint64_t most, bytes;

	if (!hs_flag(hs, "MaxHeapSize", &most))
		most = 0;
	bytes = ch_min(ch_max(most / 32, granule), 16 * granule);
	bytes = 1ULL << (63 - __builtin_clzll(bytes));
	return (uint32_t)(bytes >> 13);
}

static bool read_page(const struct hs *hs, uint64_t page, struct hs_space *ret)
{
	uint64_t at = hs_member_addr(hs, hs_z_id(hs, HS_Z_PAGE_VIRTUAL), page), size;
	uint32_t type;

	if (!hs_member_ptr(hs, hs_z_id(hs, HS_Z_VIRTUAL_START), at, &ret->start) ||
	    !hs_member_ptr(hs, hs_z_id(hs, HS_Z_PAGE_TOP), page, &ret->top) ||
	    !hs_member_u32(hs, hs_z_id(hs, HS_Z_PAGE_TYPE), page, &type))
		return false;
	if (!hs_member_ptr(hs, hs_z_id(hs, HS_Z_VIRTUAL_END), at, &ret->end)) {
		if (!hs_member_ptr(hs, hs_z_id(hs, HS_Z_VIRTUAL_SIZE), at, &size))
			return false;
		ret->end = ret->start + size;
	}
	ret->heap = type & 0xff;
	return ret->heap <= Z_LARGE && ret->start <= ret->top && ret->top <= ret->end &&
	       ret->end <= hs->colors.offset_mask + 1;
}

/* What is done with each pointer of a table but those that repeat the one before. */
typedef struct ch_error *(*granule_fn)(struct hs *hs, uint64_t granule, uint64_t value);

static struct ch_error *add_page(struct hs *hs, uint64_t granule, uint64_t page)
{
	const struct hs_colors *colors = &hs->colors;
	struct hs_space space = { 0 };

	if (!read_page(hs, page, &space)) {
		chp_context_finding(hs->env->ctx, chp_blame(hs->env), "jvm-no-region",
				    "a page of the Java heap is not readable: %s",
				    chp_core_word(hs->core, page, CH_NO_ADDRESS).text);
		return NULL;
	}
	/* Others of its granules stand for the same page. */
	if (space.start >> colors->granule_shift != granule)
		return NULL;
	space.start += colors->view;
	space.top += colors->view;
	space.end += colors->view;
	space.align = space.heap == Z_MEDIUM ? colors->medium_align : 0;
	space.single = space.heap == Z_LARGE;
	return hs_space_add(hs, &space);
}

/* What is moved has users until it is done. */
static struct ch_error *count_moving(struct hs *hs, uint64_t granule, uint64_t forwarding)
{
	uint32_t users;

	(void)granule;
	if (hs_member_u32(hs, hs_z_id(hs, HS_Z_FORWARDING_USERS), forwarding, &users) && users)
		hs->colors.moving_count++;
	return NULL;
}

static struct ch_error *visit_granules(struct hs *hs, const struct hs_granules *table,
				       granule_fn fn)
{
	const uint64_t end = table->map + 8 * table->count;
	uint64_t words[CHUNK], before = 0, at;
	struct ch_error *err = NULL;
	size_t n, i;

	for (at = table->map; !err && at < end; at += 8 * n) {
		at = ch_align_up(ch_core_next_present(hs->core, at, end), 8);
		n = (size_t)ch_min((end - ch_min(at, end)) / 8, CHUNK);
		if (!n)
			break;
		if (!ch_core_try_read(hs->core, at, words, 8 * n)) {
			n = 1;
			if (!hs_read_ptr(hs, at, &words[0]))
				continue;
		}
		for (i = 0; !err && i < n; i++) {
			if (words[i] && words[i] != before)
				err = fn(hs, (at - table->map) / 8 + i, words[i]);
			before = words[i];
		}
		if (!err)
			err = chp_context_check(hs->env->ctx);
	}
	return err;
}

/* zGranuleMap.hpp: a count of granules, and a map of as many pointers. */
static bool read_granules(const struct hs *hs, uint64_t at, struct hs_granules *ret)
{
	return at && hs_read_ptr(hs, at, &ret->count) &&
	       hs_member_ptr(hs, hs_z_id(hs, HS_Z_MAP), at, &ret->map) && ret->count &&
	       ret->count <= GRANULES_MAX && ret->map % 8 == 0 && ret->map;
}

/*
 * The single generation's table of what it moved has a name. With two, each generation lies
 * in ZHeap and begins with its id, 0 of the young one, a pointer to ZHeap's allocator of
 * pages and one to its table of pages; then comes its own table (zGeneration.hpp).
 */
static void find_moved(struct hs *hs, uint64_t heap)
{
	enum { ID = 0, ALLOCATOR = 8, TABLE = 16, MOVED = 24 };
	const uint64_t allocator = hs_member_addr(hs, hs_z_id(hs, HS_Z_PAGE_ALLOCATOR), heap);
	const uint64_t table = hs_member_addr(hs, hs_z_id(hs, HS_Z_PAGE_TABLE), heap);
	const uint64_t bytes = ch_min(hs->numbers[HS_Z_SIZE_HEAP].value, 1U << 16);
	struct hs_colors *colors = &hs->colors;
	uint64_t at, first, second;
	uint32_t id;

	if (!colors->generational) {
		colors->moved_count = read_granules(
			hs, hs_member_addr(hs, hs_z_id(hs, HS_Z_FORWARDING_TABLE), heap),
			colors->moved);
		return;
	}
	for (at = heap; at < heap + bytes && colors->moved_count < 2; at += 8) {
		if (!hs_read_ptr(hs, at + ALLOCATOR, &first) || first != allocator ||
		    !hs_read_ptr(hs, at + TABLE, &second) || second != table ||
		    !hs_read_u32(hs, at + ID, &id) ||
		    !read_granules(hs, at + MOVED, &colors->moved[colors->moved_count]))
			continue;
		colors->moved[colors->moved_count++].color_bit = id ? 2 : 1;
	}
}

/* The heap of a single generation is mapped once for each color of its pointers: look at
 * that of the good one, or at one that is in the core. */
static void choose_view(struct hs *hs, uint64_t offset)
{
	struct hs_colors *colors = &hs->colors;
	size_t len;
	uint32_t i;

	if (colors->generational) {
		colors->view = colors->offset_mask + 1;
		return;
	}
	colors->view = colors->good_mask & ~colors->offset_mask;
	for (i = 0; i < 3 && !ch_core_span(hs->core, colors->view + offset, &len); i++)
		colors->view = (colors->offset_mask + 1) << i;
}

/* The offset of any page. */
static uint64_t any_offset(const struct hs *hs)
{
	const uint64_t map = hs->colors.pages.map, end = map + 8 * hs->colors.pages.count;
	uint64_t at = map, page;

	for (; at < end; at += 8) {
		at = ch_align_up(ch_core_next_present(hs->core, at, end), 8);
		if (at < end && hs_read_ptr(hs, at, &page) && page)
			break;
	}
	return at < end ? ((at - map) / 8) << hs->colors.granule_shift : 0;
}

static struct ch_error *add_free_between(struct hs *hs, const struct ch_region *region,
					 size_t count)
{
	uint64_t at = ch_max(region->start, hs->colors.view), end;
	struct ch_error *err = NULL;
	struct hs_space space;
	size_t i;

	/* pages are in the order of their addresses, each in one mapping */
	for (i = 0; !err && i <= count; i++) {
		if (i < count)
			space = *CH_VEC_AT(&hs->spaces, struct hs_space, i);
		if (i < count && space.end <= at)
			continue;
		end = i < count ? ch_min(space.start, region->end) : region->end;
		if (end > at) {
			const struct hs_space rest = { at, at, end, .heap = Z_FREE };

			err = hs_space_add(hs, &rest);
		}
		if (i < count)
			at = space.end;
		if (at >= region->end)
			break;
	}
	return err;
}

/* What is mapped of the heap beside the pages: those that are free. */
static struct ch_error *add_free(struct hs *hs)
{
	const uint64_t end = hs->colors.view + hs->colors.offset_mask + 1;
	const size_t count = hs->spaces.count;
	const struct ch_region *region;
	struct ch_error *err = NULL;
	uint64_t at;

	for (at = hs->colors.view; !err && at < end; at = region->end) {
		region = ch_map_region_at(hs->env->map, at);
		if (!region)
			break;
		if (region->usage == CH_USAGE_MEMFD || region->usage == CH_USAGE_SHM)
			err = add_free_between(hs, region, count);
		if (!err)
			err = chp_context_check(hs->env->ctx);
	}
	return err;
}

struct ch_error *hs_zgc_open(struct hs *hs, uint64_t addr)
{
	struct hs_colors *colors = &hs->colors;
	struct ch_error *err = read_colors(hs);
	uint64_t heap, table;
	uint32_t i;

	if (err)
		return err;
	heap = hs_member_addr(hs, hs_z_id(hs, HS_Z_HEAP), addr);
	table = hs_member_addr(hs, hs_z_id(hs, HS_Z_PAGE_TABLE), heap);
	if (!read_granules(hs, hs_member_addr(hs, hs_z_id(hs, HS_Z_PAGE_MAP), table),
			   &colors->pages))
		return ch_error_create(CH_ERROR_CORRUPT, "ZGC's table of pages is not readable");
	choose_view(hs, any_offset(hs));
	find_moved(hs, heap);
	err = hs_heaps_add(hs, z_names, CH_COUNT_OF(z_names));
	colors->medium_align = medium_align(hs);
	if (!err)
		err = visit_granules(hs, &colors->pages, add_page);
	for (i = 0; !err && i < colors->moved_count; i++)
		err = visit_granules(hs, &colors->moved[i], count_moving);
	if (!err && colors->moving_count)
		chp_context_finding(
			hs->env->ctx, CH_SEVERITY_INCOMPLETE, "jvm-gc-active",
			"the JVM was dumped while ZGC was moving objects: those of %llu "
			"pages may be there twice",
			(unsigned long long)colors->moving_count);
	return err ? err : add_free(hs);
}

/* ---- Beside the pages ------------------------------------------------------------- */

struct ch_error *hs_zgc_claim(struct hs *hs)
{
	const struct hs_colors *colors = &hs->colors;
	const uint64_t bytes = colors->offset_mask + 1;
	uint64_t view;
	uint32_t i;

	for (i = 0; i <= colors->moved_count; i++) {
		const struct hs_granules *map = i ? &colors->moved[i - 1] : &colors->pages;

		if (!hs_claim_add(hs, &(struct ch_walker_claim){
					      map->map, map->map + 8 * map->count,
					      CH_USAGE_MANAGED_OTHER, CH_BASIS_DERIVED,
					      i ? "where pages were moved" : "table of pages" }))
			return &ch_enomem;
	}
	if (colors->generational)
		return NULL;
	for (view = bytes; view <= 4 * bytes; view *= 2)
		if (view != colors->view &&
		    !hs_claim_add(hs, &(struct ch_walker_claim){
					      view, view + bytes, CH_USAGE_MANAGED_VIEW,
					      CH_BASIS_DERIVED, "the heap, mapped again" }))
			return &ch_enomem;
	return NULL;
}
