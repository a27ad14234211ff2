/*
 * What each piece of the map is for, by what is recorded: a file's data or code, a library's
 * zeroed data, the heap of brk, a reservation, the vdso. What nothing is known of stays anonymous
 * memory.
 */
#include "map/map_priv.h"

#include <elf.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* How far above the executable the kernel may start brk
 * (arch/x86/kernel/process.c, arch_randomize_brk: 32 MiB; 1 GiB for PIE on
 * aarch64). */
#define BRK_DISTANCE_MAX (1ULL << 30)
/* createdump's page that was never mapped: see core/producer.c */
#define DIAGINFO_ADDR 0x7ffffff10000ULL

/*
 * Paths of file mappings that are memory, not files: mm/shmem.c, ipc/shm.c, mm/memfd.c.
 * SysV segments and what the kernel makes for MAP_SHARED | MAP_ANONYMOUS cannot be private;
 * of the others the name does not tell.
 */
static const struct path_row {
	const char *prefix;
	enum ch_usage usage;
	uint32_t flags;
} path_rows[] = {
	{ "/memfd:", CH_USAGE_MEMFD, 0 },
	{ "/dev/zero (deleted)", CH_USAGE_SHM, CH_REGION_SHARED },
	{ "/SYSV", CH_USAGE_SHM, CH_REGION_SHARED },
	{ "/dev/shm/", CH_USAGE_SHM, 0 },
	{ "/[aio]", CH_USAGE_OTHER, 0 },
};

/*
 * Names of mappings that are anonymous memory, whatever they are called: huge pages, private
 * ones too (fs/hugetlbfs/inode.c, hugetlb_file_setup), and a private mapping of /dev/zero, whose
 * name stays (drivers/char/mem.c, mmap_zero).
 */
static bool is_anonymous(const char *path)
{
	static const char huge[] = "/anon_hugepage";

	return strncmp(path, huge, sizeof(huge) - 1) == 0 || strcmp(path, "/dev/zero") == 0;
}

/* Rights of a piece that no segment records, from the ELF headers. */
static void set_rights(const struct ch_sym *sym, struct ch_region *region,
		       const struct ch_module *module)
{
	uint32_t rights;

	if (!(region->flags & CH_REGION_NO_SEGMENT) ||
	    !ch_sym_module_rights(sym, module, region->start, &rights))
		return;
	region->prot = rights;
	region->flags |= CH_REGION_STATE_GUESSED;
	if (rights == CH_PROT_NONE)
		region->state = CH_STATE_RESERVE;
}

static void classify_file(const struct ch_sym *sym, struct ch_region *region)
{
	const struct ch_module *module = ch_sym_module_at(sym, region->start);
	size_t i;

	region->basis = CH_BASIS_RECORDED;
	if (module && strcmp(module->path, region->backing) == 0) {
		if (strcmp(module->basis, "NT_FILE") != 0)
			region->basis = CH_BASIS_DERIVED;
		region->type = CH_MEMTYPE_IMAGE;
		region->usage = module->kind == CH_MODULE_EXE ? CH_USAGE_EXE : CH_USAGE_LIB;
		region->flags |= CH_REGION_PRIVATE_FILE;
		region->owner = module->name;
		set_rights(sym, region, module);
		return;
	}
	region->type = CH_MEMTYPE_MAPPED;
	region->usage = CH_USAGE_FILE;
	for (i = 0; i < CH_COUNT_OF(path_rows); i++) {
		if (strncmp(region->backing, path_rows[i].prefix, strlen(path_rows[i].prefix)))
			continue;
		region->usage = path_rows[i].usage;
		region->flags |= path_rows[i].flags;
		return;
	}
}

/* Whether an anonymous piece is the tail of a module's writable segment. */
static bool classify_bss(struct ch_region *region, const struct ch_region *below,
			 const struct ch_module *module)
{
	if (module && module->bss_end > module->bss_start &&
	    region->start >= ch_align_down(module->bss_start, CH_PAGE_BYTES) &&
	    region->end <= ch_align_up(module->bss_end, CH_PAGE_BYTES)) {
		region->basis = CH_BASIS_DERIVED;
	} else if (module && module->bss_end == 0 && below && below->end == region->start &&
		   below->type == CH_MEMTYPE_IMAGE && (below->prot & CH_SEGMENT_WRITE) &&
		   region->prot == below->prot) {
		/* no program headers at hand: what follows writable data directly */
		region->basis = CH_BASIS_HEURISTIC;
	} else {
		return false;
	}
	region->usage = CH_USAGE_BSS;
	region->type = CH_MEMTYPE_IMAGE;
	region->owner = module->name;
	region->flags &= ~(uint32_t)CH_REGION_TYPE_GUESSED;
	return true;
}

/* Whether the core holds nothing but zeros for a piece. */
static bool is_zero(const struct ch_core *core, const struct ch_piece *piece)
{
	return piece->present_end >= piece->region.end &&
	       ch_core_is_zero(core, piece->region.start, piece->region.end);
}

/* Address space only: no access, and nothing in it, whatever the dumper wrote. */
static bool is_reserve(const struct ch_core *core, const struct ch_piece *piece)
{
	return piece->region.state == CH_STATE_RESERVE ||
	       (piece->region.prot == CH_PROT_NONE && is_zero(core, piece));
}

/*
 * gdb's gcore writes memory without access rights as readable zeros, so a
 * reservation looks like a read-only mapping of zeros.
 */
static bool is_gcore_reserve(const struct ch_map *map, const struct ch_piece *piece)
{
	return ch_core_producer(map->core) == CH_PRODUCER_GCORE &&
	       piece->region.prot == CH_SEGMENT_READ && is_zero(map->core, piece);
}

/* Whether NT_FILE names every file mapping, so that the rest is anonymous:
 * createdump writes modules only (dotnet/runtime 9.0, src/coreclr/debug/createdump/
 * dumpwriterelf.cpp, WriteNTFileInfo). */
static bool lists_all_files(const struct ch_core *core)
{
	return ch_core_lists_files(core) && ch_core_producer(core) != CH_PRODUCER_CREATEDUMP;
}

/* Whether a piece lies in a module whose headers are neither in the core nor in a file. */
static bool classify_headless(const struct ch_sym *sym, struct ch_region *region)
{
	const struct ch_module *module = ch_sym_module_at(sym, region->start);
	uint32_t rights;

	if (!module || strcmp(module->basis, "NT_FILE") == 0 || region->end > module->end ||
	    ch_sym_module_rights(sym, module, region->start, &rights))
		return false;
	region->usage = module->kind == CH_MODULE_EXE ? CH_USAGE_EXE : CH_USAGE_LIB;
	region->type = CH_MEMTYPE_IMAGE;
	region->basis = CH_BASIS_HEURISTIC;
	region->owner = module->name;
	region->flags &= ~(uint32_t)CH_REGION_TYPE_GUESSED;
	return true;
}

static void classify_anon(struct ch_map *map, struct ch_piece *piece, const struct ch_region *below,
			  bool all_files)
{
	struct ch_region *region = &piece->region;

	region->type = CH_MEMTYPE_PRIVATE;
	if (!all_files)
		region->flags |= CH_REGION_TYPE_GUESSED;
	if (classify_headless(map->sym, region) ||
	    classify_bss(region, below, ch_sym_module_at(map->sym, region->start)))
		return;
	piece->claimable = true;
	region->basis = all_files ? CH_BASIS_RECORDED : CH_BASIS_HEURISTIC;
	region->usage = region->flags & CH_REGION_UNDUMPED ? CH_USAGE_UNDUMPED : CH_USAGE_ANON;
	if (is_reserve(map->core, piece)) {
		region->usage = CH_USAGE_RESERVE;
		region->state = CH_STATE_RESERVE;
	} else if (is_gcore_reserve(map, piece)) {
		region->usage = CH_USAGE_RESERVE;
		region->state = CH_STATE_RESERVE;
		region->prot = CH_PROT_NONE;
		region->basis = CH_BASIS_HEURISTIC;
		region->flags |= CH_REGION_STATE_GUESSED;
	}
}

/* Memory with a name of the kernel's: which one tells whether it is private for sure. */
static void classify_named(struct ch_map *map, struct ch_piece *piece)
{
	struct ch_region *region = &piece->region;
	bool sure = strcmp(region->backing, "/dev/zero") == 0;

	if (region->prot != CH_PROT_UNKNOWN && region->prot & CH_SEGMENT_WRITE &&
	    piece->recorded_end <= region->start)
		region->flags |= CH_REGION_UNDUMPED;
	classify_anon(map, piece, NULL, true);
	piece->claimable = true;
	region->flags |= sure ? CH_REGION_PRIVATE_FILE : CH_REGION_TYPE_GUESSED;
	region->basis = sure ? CH_BASIS_RECORDED : CH_BASIS_HEURISTIC;
}

static void set_special(struct ch_piece *piece, enum ch_usage usage, enum ch_basis basis,
			const char *owner)
{
	piece->region.usage = usage;
	piece->region.basis = basis;
	piece->region.owner = owner;
	piece->region.flags &= ~(uint32_t)CH_REGION_TYPE_GUESSED;
	piece->claimable = false;
}

/* The vdso is where AT_SYSINFO_EHDR says; [vvar] lies directly below it, read
 * only and anonymous (arch/x86/entry/vdso/vma.c). */
static void classify_vdso(struct ch_map *map)
{
	struct ch_piece *pieces = map->pieces.items, *piece;
	uint64_t addr;
	size_t index;

	if (!ch_core_auxv(map->core, AT_SYSINFO_EHDR, &addr))
		return;
	piece = chp_map_piece_at(map, addr);
	if (!piece || piece->region.start != addr || piece->region.backing)
		return;
	set_special(piece, CH_USAGE_VDSO, CH_BASIS_DERIVED, "[vdso]");
	for (index = (size_t)(piece - pieces); index-- > 0; piece = &pieces[index]) {
		struct ch_region *region = &pieces[index].region;

		if (region->end != piece->region.start || region->backing ||
		    (region->prot != CH_SEGMENT_READ && region->usage != CH_USAGE_RESERVE) ||
		    region->end - region->start > 16 * CH_PAGE_BYTES)
			return;
		region->state = CH_STATE_COMMIT;
		region->prot = CH_SEGMENT_READ;
		region->flags &= ~(uint32_t)CH_REGION_STATE_GUESSED;
		set_special(&pieces[index], CH_USAGE_VVAR, CH_BASIS_HEURISTIC, "[vvar]");
	}
}

static bool is_brk_like(const struct ch_piece *piece)
{
	return piece->claimable && (piece->region.prot & CH_SEGMENT_WRITE) &&
	       (piece->region.usage == CH_USAGE_ANON || piece->region.usage == CH_USAGE_UNDUMPED);
}

/* brk memory begins some way above the executable, below everything mapped.
 * It is one range, if in several pieces. */
static void classify_brk(struct ch_map *map)
{
	struct ch_piece *pieces = map->pieces.items;
	const struct ch_module *modules;
	size_t count, i, index;
	uint64_t end;

	modules = ch_sym_modules(map->sym, &count);
	for (i = 0; i < count && modules[i].kind != CH_MODULE_EXE; i++)
		;
	if (i == count)
		return;
	index = chp_map_piece_after(map, modules[i].end);
	if (index >= map->pieces.count || !is_brk_like(&pieces[index]) ||
	    pieces[index].region.start < modules[i].end ||
	    pieces[index].region.start - modules[i].end > BRK_DISTANCE_MAX)
		return;
	do {
		pieces[index].region.usage = CH_USAGE_HEAP;
		pieces[index].region.basis = CH_BASIS_HEURISTIC;
		pieces[index].region.owner = "brk";
		end = pieces[index++].region.end;
	} while (index < map->pieces.count && pieces[index].region.start == end &&
		 is_brk_like(&pieces[index]));
}

void chp_map_classify(struct ch_map *map)
{
	struct ch_piece *pieces = map->pieces.items, *piece;
	bool all_files = lists_all_files(map->core);
	size_t i;

	for (i = 0; i < map->pieces.count; i++) {
		piece = &pieces[i];
		if (piece->region.backing && is_anonymous(piece->region.backing)) {
			classify_named(map, piece);
		} else if (piece->region.backing) {
			classify_file(map->sym, &piece->region);
			/* code of .NET is in a memfd */
			piece->claimable = piece->region.usage == CH_USAGE_SHM ||
					   piece->region.usage == CH_USAGE_MEMFD;
		} else {
			classify_anon(map, piece, i ? &pieces[i - 1].region : NULL, all_files);
		}
	}
	piece = chp_map_piece_at(map, DIAGINFO_ADDR);
	if (piece && piece->region.start == DIAGINFO_ADDR &&
	    ch_core_producer(map->core) == CH_PRODUCER_CREATEDUMP)
		set_special(piece, CH_USAGE_OTHER, CH_BASIS_DERIVED, "createdump's own page");
	classify_vdso(map);
	classify_brk(map);
}
