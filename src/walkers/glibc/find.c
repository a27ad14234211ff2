/*
 * Finding main_arena and malloc_par in the data of libc, by symbol or by their shape, and the
 * release they are of by where their members are.
 */
#include "walkers/glibc/glibc_priv.h"

#include <string.h>

/* Nonempty bins that may fail the test of their links in a damaged heap. */
#define BAD_BINS_MAX 4
/* Places that may be tried for an arena: a core made to be slow ends here. */
#define ATTEMPTS_MAX 2048
/* Neighbours on the ring of arenas that are looked at. */
#define RING_LOOKED_AT 16
/* main_arena and mp_ are both in libc's data, some KiB apart. */
#define PAR_DISTANCE_MAX 65536U
#define BYTES_SANE       (1ULL << 47)

/* Whether a pair of pointers is a bin; absent where its chunks are not in the core. */
enum verdict {
	BIN_GOOD,
	BIN_BAD,
	BIN_ABSENT,
};

/* Whether a chunk's link leads back to head. */
static enum verdict leads_back(const struct ch_core *core, uint64_t chunk, uint64_t link,
			       uint64_t head)
{
	uint64_t back;

	if (chunk % 16 || chunk < HEAP_ALIGN_MIN || chunk >= BYTES_SANE)
		return BIN_BAD;
	if (!ch_core_read_u64(core, chunk + link, &back))
		return BIN_ABSENT;
	return back == head ? BIN_GOOD : BIN_BAD;
}

/* A bin's list head is the chunk 16 bytes below its pair of pointers. */
static enum verdict look_at_bin(const struct ch_core *core, uint64_t pair, const uint8_t *links)
{
	uint64_t head = pair - CHUNK_HEADER_BYTES, fd = ch_get64(links), bk = ch_get64(links + 8);
	enum verdict first, last;

	if (fd == head || bk == head)
		return fd == bk ? BIN_GOOD : BIN_BAD;
	first = leads_back(core, fd, 24, head);
	last = leads_back(core, bk, 16, head);
	if (first == BIN_BAD || last == BIN_BAD)
		return BIN_BAD;
	return first > last ? first : last;
}

bool glibc_is_heap_place(uint64_t addr)
{
	uint64_t low = addr % HEAP_ALIGN_MIN;

	return addr >= HEAP_ALIGN_MIN && (low == 0x20 || low == 0x30);
}

/*
 * The ring of arenas leads back, or on to heaps, or to something that is not
 * in the core. Only the main arena, in a module's data, is in no heap. In a
 * damaged process it may break behind another arena; that one's bins, whose
 * place does not depend on addr, then show that the row is right.
 */
static bool is_ring(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    bool damaged)
{
	bool fits = false;
	uint64_t at = addr;
	size_t i;

	for (i = 0; i < RING_LOOKED_AT; i++) {
		if (damaged && i > 0)
			fits |= glibc_has_bins(env, layout, at, BAD_BINS_MAX);
		if (!ch_core_read_u64(env->core, at + layout->next, &at))
			return i > 0;
		if (at == addr)
			return true;
		if (!glibc_is_heap_place(at) &&
		    (at % 8 || !glibc_is_heap_place(addr) || !ch_sym_module_at(env->sym, at)))
			return fits;
	}
	return true;
}

/* Counters that any arena has: top unused means no memory, and the reverse. */
static bool are_sane_counters(const struct ch_core *core, const struct glibc_layout *layout,
			      uint64_t addr)
{
	uint64_t top, now, most, unused = addr + layout->bins - CHUNK_HEADER_BYTES;

	return ch_core_read_u64(core, addr + layout->top, &top) &&
	       top % 16 == (top == unused ? unused % 16 : 0) &&
	       ch_core_read_u64(core, addr + layout->system_mem, &now) &&
	       ch_core_read_u64(core, addr + layout->max_system_mem, &most) && now <= most &&
	       most < BYTES_SANE && (top == unused) == (now == 0);
}

bool glibc_is_arena(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max)
{
	return addr <= UINT64_MAX - layout->state_bytes &&
	       are_sane_counters(env->core, layout, addr) &&
	       is_ring(env, layout, addr, bad_max > 0) &&
	       glibc_has_bins(env, layout, addr, bad_max);
}

bool glibc_has_bins(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max)
{
	uint8_t bins[BINS_COUNT * 16];
	unsigned int i, bad = 0, good = 0;
	enum verdict verdict;

	if (addr > UINT64_MAX - layout->state_bytes ||
	    !ch_core_try_read(env->core, addr + layout->bins, bins, sizeof(bins)))
		return false;
	for (i = 0; i < BINS_COUNT && bad <= bad_max; i++) {
		verdict = look_at_bin(env->core, addr + layout->bins + 16 * (uint64_t)i,
				      bins + 16 * (size_t)i);
		bad += verdict == BIN_BAD;
		good += verdict == BIN_GOOD;
	}
	return bad <= bad_max && good >= BINS_COUNT / 4;
}

/* Try every arena that could have one of its bins at pair. */
static bool arena_around(const struct ch_heap_env *env, uint64_t pair, unsigned int bad_max,
			 struct glibc_place *ret)
{
	uint64_t addr, i;
	size_t row;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		for (i = 0; i < BINS_COUNT; i++) {
			addr = pair - layout->bins - 16 * i;
			if (addr % 8 || !glibc_is_arena(env, layout, addr, bad_max))
				continue;
			ret->layout = layout;
			ret->addr = addr;
			ret->basis = "bins that point at themselves in writable module data";
			return true;
		}
	}
	return false;
}

/* A search under way. */
struct search {
	const struct ch_heap_env *env;
	unsigned int bad_max;
	uint32_t attempts;
	struct glibc_place *ret;
};

/* Look for empty bins in a run of bytes: they point at their own list head. */
static bool scan_run(struct search *search, uint64_t at, const uint8_t *p, size_t len)
{
	uint64_t pair, last = 0;
	size_t i;

	for (i = 0; i + 16 <= len; i += 8) {
		pair = at + i;
		if (ch_get64(p + i) != pair - CHUNK_HEADER_BYTES ||
		    ch_get64(p + i + 8) != pair - CHUNK_HEADER_BYTES)
			continue;
		/* one attempt for each row of empty bins: the others try the same */
		if (last + 16 != pair && search->attempts < ATTEMPTS_MAX) {
			search->attempts++;
			if (arena_around(search->env, pair, search->bad_max, search->ret))
				return true;
		}
		last = pair;
	}
	return false;
}

static bool scan_data(struct search *search, uint64_t start, uint64_t end)
{
	uint64_t at = ch_align_up(start, 8);
	const uint8_t *p;
	size_t len = 0;

	while (at < end && end - at >= 16) {
		p = ch_core_span(search->env->core, at, &len);
		if (!p) {
			at = ch_align_up(ch_core_next_present(search->env->core, at, end), 8);
			continue;
		}
		len = ch_min(len, end - at);
		if (scan_run(search, at, p, len))
			return true;
		at += len < 16 ? 16 : len - len % 8;
	}
	return false;
}

static bool scan_module(struct search *search, const struct ch_module *module)
{
	const struct ch_region *region;
	uint64_t at = module->start;

	while (at < module->end) {
		region = ch_map_region_at(search->env->map, at);
		if (!region)
			return false;
		if ((region->prot & CH_SEGMENT_WRITE) && region->in_core_bytes &&
		    scan_data(search, ch_max(region->start, module->start),
			      ch_min(region->end, module->end)))
			return true;
		at = region->end;
	}
	return false;
}

bool glibc_is_libc(const struct ch_module *module)
{
	return strncmp(module->name, "libc.so.6", 9) == 0 ||
	       strncmp(module->name, "libc-2.", 7) == 0;
}

/* Where the symbol table of a file at hand says it is: taken even if many of
 * its bins are damaged. */
static bool by_symbol(const struct ch_heap_env *env, const struct ch_module *module,
		      struct glibc_place *ret)
{
	struct ch_symbol symbol;
	size_t row;

	if (!ch_sym_by_name(env->sym, module, "main_arena", &symbol))
		return false;
	for (row = 0; row < glibc_layouts_count; row++) {
		if ((symbol.size_bytes && symbol.size_bytes != glibc_layouts[row].state_bytes) ||
		    !glibc_is_arena(env, &glibc_layouts[row], symbol.addr, BINS_COUNT / 2))
			continue;
		*ret = (struct glibc_place){ .layout = &glibc_layouts[row],
					     .addr = symbol.addr,
					     .basis = "symbol main_arena" };
		return true;
	}
	return false;
}

/* Whether a module may have a malloc of its own: libc, the copy of it that checks
 * (libc_malloc_debug.so, 2.34 and later), and the executable, when static. */
static bool may_have_malloc(const struct ch_module *module, int rank)
{
	if (rank == 0)
		return glibc_is_libc(module);
	if (rank == 1)
		return module->kind == CH_MODULE_EXE;
	return strncmp(module->name, "libc_malloc_debug.so", 20) == 0;
}

/* Main arenas whose bins are whole, one a module. */
static size_t find_whole(struct search *search, struct glibc_place *places, size_t max)
{
	const struct ch_module *modules;
	size_t count, i, found = 0;
	int rank;

	modules = ch_sym_modules(search->env->sym, &count);
	for (rank = 0; rank < 3; rank++) {
		for (i = 0; i < count && found < max; i++) {
			search->ret = &places[found];
			search->attempts = 0;
			if (may_have_malloc(&modules[i], rank) && scan_module(search, &modules[i]))
				found++;
		}
	}
	return found;
}

size_t glibc_find_main_arenas(const struct ch_heap_env *env, struct glibc_place *places, size_t max)
{
	struct search search = { .env = env, .ret = places };
	/* Whole bins first: an arena read one bin off has one bad bin. */
	size_t count, i, found = find_whole(&search, places, max);
	const struct ch_module *modules;

	if (found)
		return found;
	search.bad_max = BAD_BINS_MAX;
	found = find_whole(&search, places, 1);
	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count && !found; i++)
		found = glibc_is_libc(&modules[i]) && by_symbol(env, &modules[i], places);
	return found;
}

/* ---- malloc_par ------------------------------------------------------------ */

/* Members that malloc_par has in all releases, and what they may be. */
static bool is_par(const struct glibc_layout *layout, const uint8_t *p)
{
	uint64_t mem = ch_get64(p + layout->mmapped_mem), bins, bytes;
	uint64_t max_mem = ch_get64(p + layout->mmapped_mem + 8);
	uint32_t n = ch_get32(p + layout->n_mmaps), max = ch_get32(p + layout->n_mmaps + 4);
	uint32_t most = ch_get32(p + layout->n_mmaps + 8), fixed;
	/* 2.43 forgets 16 bytes whenever it remaps a chunk (mremap_chunk) */
	uint64_t unit = layout->mmapped_243 ? CHUNK_HEADER_BYTES : CH_PAGE_BYTES;

	fixed = ch_get32(p + layout->n_mmaps + 12);
	/* top_pad, mmap_threshold, arena_test, arena_max */
	if (ch_get64(p + 8) > BYTES_SANE || ch_get64(p + 16) > BYTES_SANE ||
	    ch_get64(p + 24) > UINT16_MAX || ch_get64(p + 32) > INT32_MAX)
		return false;
	if (max > INT32_MAX || n > most || most > INT32_MAX || fixed > 1 || mem > max_mem ||
	    max_mem > BYTES_SANE || mem % unit || max_mem % unit || (mem == 0 && n) ||
	    (most == 0) != (max_mem == 0))
		return false;
	if (!layout->tcache_count)
		return true;
	bins = ch_get64(p + layout->tcache_count - 16);
	bytes = ch_get64(p + layout->tcache_count - 8);
	return bins <= 64 && bytes < 8 << 20 && ch_get64(p + layout->tcache_count) <= UINT16_MAX;
}

static bool take_par(struct glibc *glibc, const struct glibc_layout *layout, uint64_t addr)
{
	uint8_t bytes[GLIBC_PAR_BYTES];

	if (!ch_core_try_read(glibc->env.core, addr, bytes, sizeof(bytes)) ||
	    !is_par(layout, bytes))
		return false;
	glibc->layout = layout;
	glibc->row_fixed = true;
	glibc->par.addr = addr;
	glibc->par.sbrk_base = ch_get64(bytes + layout->sbrk_base);
	glibc->par.n_mmaps = ch_get32(bytes + layout->n_mmaps);
	glibc->par.mmapped_mem = ch_get64(bytes + layout->mmapped_mem);
	if (layout->hp_pagesize) {
		glibc->par.hp_pagesize = ch_get64(bytes + layout->hp_pagesize);
		/* the member before it in every release that has both */
		glibc->par.thp_pagesize = ch_get64(bytes + layout->hp_pagesize - 8);
	}
	if (layout->tcache_count)
		glibc->par.tcache_count = ch_get64(bytes + layout->tcache_count);
	return true;
}

/* Whether the word is where memory that malloc may use begins. counted: where top and
 * system_mem say so; the core may lack what is there. */
static bool is_base(const struct glibc *glibc, uint64_t word, uint64_t counted)
{
	const struct ch_region *region = ch_map_region_at(glibc->env.map, word);

	if (region && region->state == CH_STATE_FREE)
		return word && word == counted;
	return region && region->state == CH_STATE_COMMIT && (region->prot & CH_SEGMENT_WRITE) &&
	       region->type != CH_MEMTYPE_IMAGE;
}

/* Where the main arena's memory begins if it is one stretch; 0: not known. */
static uint64_t counted_base(const struct glibc *glibc, uint64_t main_arena, uint64_t system_mem)
{
	uint64_t top, end;

	if (!ch_core_read_u64(glibc->env.core, main_arena + glibc->layout->top, &top) || !top ||
	    !ch_add(top, glibc_chunk_size(glibc->env.core, top), &end))
		return 0;
	return end > system_mem ? end - system_mem : 0;
}

bool glibc_is_same_state(const struct glibc_layout *a, const struct glibc_layout *b)
{
	return a->top == b->top && a->bins == b->bins && a->next == b->next &&
	       a->state_bytes == b->state_bytes;
}

/* The word at addr as malloc_par's sbrk_base, by each row that is possible. */
static bool try_par(struct glibc *glibc, uint64_t addr)
{
	const struct glibc_layout *known = glibc->layout;
	size_t row;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		if (glibc->row_fixed ? layout != known : !glibc_is_same_state(layout, known))
			continue;
		if (take_par(glibc, layout, addr - layout->sbrk_base))
			return true;
	}
	return false;
}

bool glibc_find_par_like(struct glibc *glibc, const struct glibc *other)
{
	uint64_t addr = glibc->place.addr + (other->par.addr - other->place.addr);

	return other->par.addr && other->layout == glibc->layout &&
	       ch_sym_module_at(glibc->env.sym, addr) == glibc->libc &&
	       take_par(glibc, glibc->layout, addr);
}

void glibc_find_par(struct glibc *glibc, uint64_t main_arena)
{
	const struct ch_module *module = ch_sym_module_at(glibc->env.sym, main_arena);
	uint64_t at, end, word, system_mem = 0, counted;

	/* Without memory of the main arena there is no sbrk_base to know it by. */
	if (!module ||
	    !ch_core_read_u64(glibc->env.core, main_arena + glibc->layout->system_mem,
			      &system_mem) ||
	    !system_mem)
		return;
	counted = counted_base(glibc, main_arena, system_mem);
	at = main_arena > PAR_DISTANCE_MAX ? main_arena - PAR_DISTANCE_MAX : 0;
	at = ch_align_up(ch_max(module->start + GLIBC_PAR_BYTES, at), 8);
	end = ch_min(module->end, main_arena + PAR_DISTANCE_MAX);
	for (; at < end; at += 8)
		if (ch_core_read_u64(glibc->env.core, at, &word) && is_base(glibc, word, counted) &&
		    try_par(glibc, at))
			return;
}
