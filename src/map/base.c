/*
 * The pieces that the memory map is made of: segments, mapped files and modules are cut at each
 * other's edges, so that a piece is one thing in all three. classify.c says what each is.
 */
#include "map/map_priv.h"

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

/* arch/x86/include/asm/page_64_types.h TASK_SIZE_MAX with 4 and 5 levels of
 * page tables; arch/arm64: 48 bits, 52 with LPA2. */
#define X86_64_END        0x7ffffffff000ULL
#define X86_64_END_57BIT  0xfffffffffff000ULL
#define AARCH64_END       0x1000000000000ULL
#define AARCH64_END_52BIT 0x10000000000000ULL
/* arch/x86/include/uapi/asm/vsyscall.h, VSYSCALL_ADDR */
#define VSYSCALL_ADDR 0xffffffffff600000ULL

/* Cursor over segments, file mappings and modules, all ascending. */
struct cutter {
	struct ch_map *map;
	const struct ch_segment *segments;
	const struct ch_file_map *files;
	const struct ch_module *modules;
	size_t segments_count, files_count, modules_count, segment, file, module;
};

static struct ch_error *add_piece(struct cutter *cutter, uint64_t start, uint64_t end,
				  const struct ch_segment *segment, const struct ch_file_map *file)
{
	struct ch_piece *piece = ch_vec_push(&cutter->map->pieces);
	struct ch_region *region;

	if (!piece)
		return &ch_enomem;
	region = &piece->region;
	region->start = start;
	region->end = end;
	piece->present_end = piece->recorded_end = start;
	region->prot = CH_PROT_UNKNOWN;
	region->state = CH_STATE_COMMIT;
	if (segment) {
		region->prot = segment->flags;
		piece->present_end = ch_min(ch_max(segment->present_end, start), end);
		piece->recorded_end = ch_min(ch_max(segment->recorded_end, start), end);
		if (segment->flags == CH_PROT_NONE && segment->recorded_end == segment->start)
			region->state = CH_STATE_RESERVE;
		if ((segment->flags & CH_SEGMENT_WRITE) && segment->recorded_end <= start)
			region->flags |= CH_REGION_UNDUMPED;
	} else {
		region->flags |= CH_REGION_NO_SEGMENT;
	}
	if (file) {
		region->backing = file->path;
		region->backing_off = file->off + (start - file->start);
		region->flags &= ~(uint32_t)CH_REGION_UNDUMPED;
	}
	return NULL;
}

/* The next start or end of a range at or above at that changes who is mapped. */
static uint64_t next_edge(uint64_t at, uint64_t start, uint64_t end, uint64_t edge)
{
	return ch_min(edge, start > at ? start : end);
}

/*
 * Edges of the pages of .bss: the kernel merges .bss with whatever anonymous
 * memory comes to lie above it (brk without randomisation, a mapping).
 */
static uint64_t next_bss_edge(struct cutter *c, uint64_t at, uint64_t edge)
{
	const struct ch_module *module;
	uint64_t end;

	for (; c->module < c->modules_count; c->module++) {
		module = &c->modules[c->module];
		end = ch_align_up(module->bss_end, CH_PAGE_BYTES);
		if (module->bss_start < module->bss_end && end > at)
			return next_edge(at, ch_align_up(module->bss_start, CH_PAGE_BYTES), end,
					 edge);
	}
	return edge;
}

/* Cut [0, space_end) at every edge of a segment, a file mapping or .bss. */
static struct ch_error *cut_all(struct cutter *c)
{
	uint64_t at = 0, edge, limit = c->map->space_end;
	const struct ch_file_map *file;
	const struct ch_segment *segment;
	struct ch_error *err;

	while (at < limit) {
		while (c->segment < c->segments_count && c->segments[c->segment].end <= at)
			c->segment++;
		while (c->file < c->files_count && c->files[c->file].end <= at)
			c->file++;
		edge = limit;
		segment = c->segment < c->segments_count ? &c->segments[c->segment] : NULL;
		file = c->file < c->files_count ? &c->files[c->file] : NULL;
		if (segment)
			edge = next_edge(at, segment->start, segment->end, edge);
		if (file)
			edge = next_edge(at, file->start, file->end, edge);
		edge = next_bss_edge(c, at, edge);
		segment = segment && segment->start <= at ? segment : NULL;
		file = file && file->start <= at ? file : NULL;
		if (segment || file) {
			err = add_piece(c, at, edge, segment, file);
			if (err)
				return err;
		}
		at = edge;
	}
	return NULL;
}

/* End of the highest range apart from [vsyscall]. */
static uint64_t highest_end(const struct cutter *c)
{
	uint64_t end = 0;
	size_t i;

	for (i = c->segments_count; i-- > 0 && !end;)
		if (c->segments[i].start != VSYSCALL_ADDR)
			end = c->segments[i].end;
	for (i = c->files_count; i-- > 0;)
		if (c->files[i].start != VSYSCALL_ADDR)
			return ch_max(end, c->files[i].end);
	return end;
}

static void find_space_end(struct cutter *c)
{
	bool x86 = ch_core_arch(c->map->core) == CH_ARCH_X86_64;
	uint64_t end = x86 ? X86_64_END : AARCH64_END;
	uint64_t large = x86 ? X86_64_END_57BIT : AARCH64_END_52BIT;
	uint64_t highest = highest_end(c);

	c->map->space_end = highest > end ? large : end;
	if (highest > large)
		chp_context_finding(ch_core_context(c->map->core), CH_SEVERITY_INCOMPLETE,
				    "address-beyond-space",
				    "memory above the user address space (up to 0x%llx) was left "
				    "out",
				    (unsigned long long)highest);
}

static void find_vsyscall(struct ch_map *map)
{
	const struct ch_segment *segment = ch_core_segment_at(map->core, VSYSCALL_ADDR);

	if (!segment || segment->start != VSYSCALL_ADDR)
		return;
	map->has_vsyscall = true;
	map->vsyscall = (struct ch_region){ .start = segment->start,
					    .end = segment->end,
					    .in_core_bytes = segment->present_end - segment->start,
					    .usage = CH_USAGE_VSYSCALL,
					    .type = CH_MEMTYPE_PRIVATE,
					    .state = CH_STATE_COMMIT,
					    .prot = segment->flags,
					    .basis = CH_BASIS_RECORDED,
					    .owner = "[vsyscall]" };
}

struct ch_error *chp_map_cut(struct ch_map *map)
{
	struct cutter cutter = { .map = map };

	cutter.segments = ch_core_segments(map->core, &cutter.segments_count);
	cutter.files = ch_core_file_maps(map->core, &cutter.files_count);
	cutter.modules = ch_sym_modules(map->sym, &cutter.modules_count);
	find_space_end(&cutter);
	find_vsyscall(map);
	return cut_all(&cutter);
}

size_t chp_map_piece_after(const struct ch_map *map, uint64_t addr)
{
	const struct ch_piece *pieces = map->pieces.items;

	return ch_search(pieces, map->pieces.count, it, it->region.end <= addr);
}

struct ch_piece *chp_map_piece_at(const struct ch_map *map, uint64_t addr)
{
	size_t index = chp_map_piece_after(map, addr);
	struct ch_piece *piece;

	if (index >= map->pieces.count)
		return NULL;
	piece = CH_VEC_AT(&map->pieces, struct ch_piece, index);
	return piece->region.start <= addr ? piece : NULL;
}
