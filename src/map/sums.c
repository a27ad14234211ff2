/*
 * Sums over the map by usage, type, state and protection, and the invariants that they have to
 * keep: every byte is counted once.
 */
#include "map/map_priv.h"

#include "util/bytes.h"
#include "util/context.h"

/* No region of a user process is this large. */
#define REGION_BYTES_MAX (1ULL << 57)

static void add(struct ch_map_sum *sum, const struct ch_region *region, enum ch_basis basis)
{
	uint64_t bytes = region->end - region->start;

	sum->regions_count++;
	sum->total_bytes += bytes;
	sum->in_core_bytes += region->in_core_bytes;
	sum->touched_bytes += region->touched_bytes;
	sum->zero_bytes += region->in_core_bytes - region->touched_bytes;
	sum->basis_bytes[basis] += bytes;
	if (bytes > sum->largest_bytes) {
		sum->largest_bytes = bytes;
		sum->largest_start = region->start;
	}
}

static enum ch_basis type_basis(const struct ch_region *region)
{
	if (region->flags & CH_REGION_TYPE_GUESSED)
		return CH_BASIS_HEURISTIC;
	return region->usage == CH_USAGE_BSS ? region->basis : CH_BASIS_RECORDED;
}

static enum ch_basis state_basis(const struct ch_region *region)
{
	if (region->state == CH_STATE_FREE)
		return CH_BASIS_DERIVED;
	/* mapped, says NT_FILE; rights from the ELF headers, if at hand */
	if (region->flags & CH_REGION_NO_SEGMENT)
		return CH_BASIS_DERIVED;
	return region->flags & CH_REGION_STATE_GUESSED ? CH_BASIS_HEURISTIC : CH_BASIS_RECORDED;
}

static void add_region(struct ch_map_sums *sums, const struct ch_region *region, bool windbg)
{
	uint64_t absent;

	add(&sums->all, region, region->basis);
	add(&sums->usage[region->usage], region, region->basis);
	add(&sums->state[region->state], region, state_basis(region));
	if (region->state == CH_STATE_FREE)
		return;
	add(&sums->busy, region, region->basis);
	add(&sums->type[region->type], region, type_basis(region));
	if (region->state == CH_STATE_COMMIT)
		add(&sums->protect[ch_region_protect(region, windbg)], region, state_basis(region));
	absent = region->end - region->start - region->in_core_bytes - region->lost_bytes;
	sums->missing_bytes[CH_MISSING_TRUNCATED] += region->lost_bytes;
	sums->missing_bytes[ch_region_missing(region)] += absent;
}

struct ch_error *ch_map_sum_up(struct ch_map *map, const struct ch_region_filter *filter,
			       uint32_t flags, struct ch_map_sums *ret)
{
	struct ch_map_sums sums = { .space_bytes = map->space_end };
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	size_t count, i;

	if (flags & CH_SUM_ZERO)
		err = ch_map_count_touched(map, 1);
	if (err)
		return err;
	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++)
		if (!filter || ch_region_matches(&regions[i], filter))
			add_region(&sums, &regions[i], flags & CH_SUM_WINDBG);
	sums.has_touched = map->counted && ch_core_knows_touched(map->core);
	sums.has_zero = sums.has_touched && flags & CH_SUM_ZERO;
	*ret = sums;
	return NULL;
}

static uint64_t sum_bytes(const struct ch_map_sum *sums, size_t count, size_t skip)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if (i != skip)
			bytes += sums[i].total_bytes;
	return bytes;
}

/* Bytes below limit that segments or file mappings cover, from the headers. */
static uint64_t mapped_bytes(const struct ch_map *map)
{
	size_t segments_count, files_count, s = 0, f = 0;
	const struct ch_segment *segments = ch_core_segments(map->core, &segments_count);
	const struct ch_file_map *files = ch_core_file_maps(map->core, &files_count);
	uint64_t start, end, covered = 0, bytes = 0;

	while (s < segments_count || f < files_count) {
		if (f == files_count ||
		    (s < segments_count && segments[s].start <= files[f].start)) {
			start = segments[s].start;
			end = segments[s++].end;
		} else {
			start = files[f].start;
			end = files[f++].end;
		}
		start = ch_max(start, covered);
		end = ch_min(end, map->space_end);
		if (start < end) {
			bytes += end - start;
			covered = end;
		}
	}
	return bytes;
}

/* How many regions do not begin where the one before ends, or are no ranges. */
static uint64_t broken_regions(struct ch_map *map)
{
	const struct ch_region *regions;
	uint64_t at = 0, broken = 0, bytes;
	size_t count, i;

	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++) {
		bytes = regions[i].end - regions[i].start;
		if (regions[i].start != at || regions[i].end <= at || bytes >= REGION_BYTES_MAX ||
		    !ch_inside(regions[i].in_core_bytes, regions[i].lost_bytes, bytes))
			broken++;
		at = regions[i].end;
	}
	return broken;
}

void ch_map_check(struct ch_map *map, const struct ch_map_sums *sums,
		  struct ch_map_invariant ret[CH_MAP_INVARIANTS])
{
	uint64_t busy = sums->busy.total_bytes, missing = 0;
	size_t i;

	for (i = 0; i < CH_MISSING_COUNT; i++)
		missing += sums->missing_bytes[i];
	const struct ch_map_invariant invariants[CH_MAP_INVARIANTS] = {
		{ "free + busy = address space", sums->state[CH_STATE_FREE].total_bytes + busy,
		  sums->space_bytes, false },
		{ "busy by usage = busy", sum_bytes(sums->usage, CH_USAGE_COUNT, CH_USAGE_FREE),
		  busy, false },
		{ "busy by type = busy", sum_bytes(sums->type, CH_MEMTYPE_COUNT, CH_MEMTYPE_NONE),
		  busy, false },
		{ "busy by state = busy", sum_bytes(sums->state, CH_STATE_COUNT, CH_STATE_FREE),
		  busy, false },
		{ "protect = commit", sum_bytes(sums->protect, CH_PROTECT_COUNT, SIZE_MAX),
		  sums->state[CH_STATE_COMMIT].total_bytes, false },
		{ "in core + missing = busy", sums->busy.in_core_bytes + missing, busy, false },
		{ "segments and file mappings = busy", mapped_bytes(map), busy, false },
		{ "regions out of place = 0", broken_regions(map), 0, false },
	};

	for (i = 0; i < CH_MAP_INVARIANTS; i++) {
		ret[i] = invariants[i];
		ret[i].ok = ret[i].left == ret[i].right;
		if (!ret[i].ok)
			chp_context_finding(ch_core_context(map->core), CH_SEVERITY_INCOMPLETE,
					    "map-invariant",
					    "the memory map does not close, which is a fault of "
					    "this program: %s: 0x%llx against 0x%llx",
					    ret[i].name, (unsigned long long)ret[i].left,
					    (unsigned long long)ret[i].right);
	}
}
