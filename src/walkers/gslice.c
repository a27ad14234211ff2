/*
 * The walker of GLib's slices (g_slice_new(), until GLib 2.74): small pages of malloc, each carved
 * into chunks of one size.
 *
 * A static structure of libglib leads to the pages of each size, which are in rings. A chunk is
 * free if it is in the list of its page, or in a magazine: two of each thread, and a depot of those
 * that are full. Where in a page the first chunk begins is not written down: pages begin with a gap
 * that differs from one to the next. Any free chunk of a page tells. Of a page in use to the last
 * chunk the pointers to it tell, where each chunk has one and no other gap would do; else it is one
 * object.
 */
#include "heap/walker.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"
#include "util/vec.h"

/* GLib 2.32.0 and 2.74.6, glib/gslice.c, Allocator: min_page_size 0, max_page_size 8, always_malloc
 * i32 16, bypass_magazines i32 20, magazines 64, contention_counters 72, slab_stack 104. */
#define ALLOCATOR_BYTES 120U
#define ALWAYS_MALLOC   16U
#define MAGAZINES       64U
#define COUNTERS        72U
#define SLAB_STACK      104U
/* min_page_size; max_page_size is that of the system, at least 8192. */
#define PAGE_LEAST 128U
#define PAGE_MOST  8192U
/* The largest pages of a system. */
#define PAGE_LIMIT 65536U
/* P2ALIGNMENT, NATIVE_MALLOC_PADDING, SLAB_INFO_SIZE */
#define UNIT    16U
#define PADDING 16U
#define INFO    48U
/* SlabInfo: chunks 0, n_allocated u32 8, next 16, prev 24. */
#define INFO_BYTES 32U
/* Of a page of the least size that holds 8 chunks and a SlabInfo. */
#define CHUNKS_MAX 32U
/* Members of a magazine chain in the depot whose second word is something else. */
#define CHAIN_FIELDS 4U
#define COLOR_OPEN   UINT16_MAX
/* No heap, of a size without pages. */
#define HEAP_NONE UINT32_MAX

struct slab {
	uint64_t addr;
	uint32_t page_bytes;
	/* Of a chunk, and where the first one is; COLOR_OPEN: it is not known yet. */
	uint16_t chunk_bytes, color;
	uint8_t chunks_count;
	/* Chunks in the page's own list; in magazines. */
	uint32_t free, cached;
	/* While it is not known where chunks begin: the first of its masks in struct pointed. */
	uint32_t masks;
	/* Pointers told where. */
	bool guessed;
};

/* Chunks of one size. */
struct size {
	uint32_t heap;
	char name[32], full[48];
};

struct gslice {
	/* What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	/* The Allocator; how many sizes it has. */
	uint64_t addr;
	uint32_t sizes_count, threads_count;
	uint64_t page_most;
	struct size *sizes;
	/* of struct slab, ascending */
	struct ch_vec slabs;
	struct ch_fact facts[4];
};

/* ---- The allocator --------------------------------------------------------------------- */

static uint32_t count_sizes(uint64_t page_most)
{
	/* MAX_SLAB_INDEX() */
	return (uint32_t)((page_most - INFO) / 8 / UNIT);
}

static bool is_allocator(const struct ch_core *core, uint64_t addr)
{
	uint64_t most, counters;
	uint8_t p[ALLOCATOR_BYTES];

	if (!ch_core_try_read(core, addr, p, sizeof(p)))
		return false;
	most = ch_get64(p + 8);
	counters = ch_get64(p + COUNTERS);
	return ch_get64(p) == PAGE_LEAST && most >= PAGE_MOST && most <= PAGE_LIMIT &&
	       (most & (most - 1)) == 0 && !ch_get32(p + ALWAYS_MALLOC) &&
	       (ch_get64(p + 48) == (most - INFO) / 8 || !ch_get64(p + 48)) && counters &&
	       counters % UNIT == 0 && ch_get64(p + MAGAZINES) && ch_get64(p + SLAB_STACK) &&
	       ch_core_segment_at(core, ch_get64(p + SLAB_STACK));
}

/* In the data of libglib, or of a program that has it in itself. */
static uint64_t find_allocator(const struct ch_heap_env *env, bool *mapped_ret)
{
	struct ch_data_run run = { 0 };
	const struct ch_module *modules;
	size_t count, i, k;
	uint64_t at;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		if (modules[i].kind != CH_MODULE_EXE &&
		    !chp_has_stem(modules[i].name, "libglib-2.0"))
			continue;
		*mapped_ret |= modules[i].kind != CH_MODULE_EXE;
		at = modules[i].start;
		while (chp_data_next(env, &modules[i], &at, &run))
			for (k = ch_align_up(run.addr, 8) - run.addr;
			     k < run.len && run.len - k >= 8; k += 8)
				if (ch_get64(run.bytes + k) == PAGE_LEAST &&
				    is_allocator(env->core, run.addr + k))
					return run.addr + k;
	}
	return 0;
}

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	uint64_t addr = find_allocator(env, &ret->mapped);

	ret->score = addr ? 90 : 0;
	if (addr)
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "allocator of slices at 0x%llx: its page sizes", (unsigned long long)addr);
	else
		snprintf(ret->evidence, sizeof(ret->evidence), "%s",
			 ret->mapped
				 ? "libglib-2.0 is mapped, and has no pages of slices (2.76 and "
				   "later have none)"
				 : "no libglib-2.0 is mapped");
	return NULL;
}

/* ---- Pages --------------------------------------------------------------------------------- */

/* allocator_aligned_page_size() */
static uint32_t page_bytes_of(uint32_t chunk_bytes)
{
	uint32_t bytes = PAGE_LEAST;

	while (bytes < 8 * chunk_bytes + INFO)
		bytes *= 2;
	return bytes;
}

static uint32_t room_of(const struct slab *slab)
{
	return slab->page_bytes - INFO;
}

static struct slab make_slab(uint64_t info, uint32_t chunk_bytes)
{
	struct slab slab = { .page_bytes = page_bytes_of(chunk_bytes),
			     .chunk_bytes = (uint16_t)chunk_bytes };
	uint32_t spare = room_of(&slab) % chunk_bytes;

	slab.addr = info - room_of(&slab);
	slab.chunks_count = (uint8_t)(room_of(&slab) / chunk_bytes);
	/* allocator_add_slab(): the gap is a multiple of a unit below what is spare. */
	slab.color = spare > UNIT ? COLOR_OPEN : 0;
	return slab;
}

/* The chunk of a slab that begins at addr, as a bit; 0: none does. The first one that is asked for
 * says where all of them begin. */
static uint32_t chunk_bit(struct slab *slab, uint64_t addr)
{
	uint64_t offset = addr - slab->addr;
	uint32_t spare = room_of(slab) % slab->chunk_bytes, color;

	if (offset % UNIT || offset / slab->chunk_bytes >= slab->chunks_count)
		return 0;
	color = (uint32_t)(offset % slab->chunk_bytes);
	if (slab->color == COLOR_OPEN && color < spare)
		slab->color = (uint16_t)color;
	return slab->color == color ? 1U << offset / slab->chunk_bytes : 0;
}

/* Mark the chunks of a page's own list. False: it leads elsewhere, or in a circle. */
static bool mark_own(const struct gslice *gs, struct slab *slab, uint64_t chunk)
{
	uint32_t bit;

	while (chunk) {
		bit = chunk_bit(slab, chunk);
		if (!bit || (slab->free & bit))
			return false;
		slab->free |= bit;
		if (!ch_core_read_u64(gs->env.core, chunk, &chunk))
			return false;
	}
	return true;
}

static void tell_slab(const struct gslice *gs, const struct slab *slab, const char *what)
{
	chp_context_finding(gs->env.ctx, chp_blame(&gs->env), "gslice-slab",
			    "GLib slices: page 0x%llx of %u-byte chunks: %s",
			    (unsigned long long)slab->addr, slab->chunk_bytes, what);
}

static struct ch_error *add_slab(struct gslice *gs, uint64_t info, const uint8_t *bytes,
				 uint32_t chunk_bytes)
{
	struct slab slab = make_slab(info, chunk_bytes), *slot;
	uint32_t count, allocated = ch_get32(bytes + 8);

	if (!mark_own(gs, &slab, ch_get64(bytes)))
		tell_slab(gs, &slab, "its list of free chunks breaks off");
	count = (uint32_t)__builtin_popcount(slab.free);
	/* One may be on its way. */
	if (count + allocated + 1 < slab.chunks_count || count + allocated > slab.chunks_count + 1U)
		tell_slab(gs, &slab, "its counter of chunks contradicts its list");
	slot = ch_vec_push(&gs->slabs);
	if (!slot)
		return &ch_enomem;
	*slot = slab;
	return NULL;
}

/* Follow a ring of pages; each leads back to the one before, so that it ends where it began. */
static struct ch_error *read_ring(struct gslice *gs, uint32_t index, uint64_t first)
{
	uint32_t chunk_bytes = (index + 1) * UNIT, page = page_bytes_of(chunk_bytes);
	uint64_t info = first, next = first, back;
	struct ch_error *err = NULL;
	uint8_t bytes[INFO_BYTES];

	do {
		info = next;
		if ((info + INFO) % page ||
		    !ch_core_try_read(gs->env.core, info, bytes, INFO_BYTES))
			break;
		next = ch_get64(bytes + 16);
		if (!ch_core_read_u64(gs->env.core, next + 24, &back) || back != info)
			break;
		err = add_slab(gs, info, bytes, chunk_bytes);
		if (!err && gs->slabs.count % 4096 == 0)
			err = chp_context_check(gs->env.ctx);
		if (err || next == first)
			return err;
	} while (true);
	chp_context_finding(gs->env.ctx, chp_blame(&gs->env), "gslice-ring",
			    "GLib slices: the ring of pages of %u-byte chunks breaks off at %s",
			    chunk_bytes, chp_core_word(gs->env.core, info, CH_NO_ADDRESS).text);
	return NULL;
}

static int compare_slabs(const void *a, const void *b)
{
	const struct slab *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Of pages that share bytes the first is kept. */
static void drop_overlapping(struct gslice *gs)
{
	struct slab *slabs = gs->slabs.items;
	size_t i, kept = 0;

	ch_vec_sort(&gs->slabs, compare_slabs);
	for (i = 0; i < gs->slabs.count; i++) {
		if (kept && slabs[i].addr < slabs[kept - 1].addr + slabs[kept - 1].page_bytes)
			tell_slab(gs, &slabs[i], "it lies in another one; left out");
		else
			slabs[kept++] = slabs[i];
	}
	gs->slabs.count = kept;
}

static struct ch_error *read_slabs(struct gslice *gs)
{
	struct ch_error *err = NULL;
	uint64_t stack, first;
	uint32_t i;

	if (!ch_core_read_u64(gs->env.core, gs->addr + SLAB_STACK, &stack))
		return NULL;
	for (i = 0; !err && i < gs->sizes_count; i++)
		if (ch_core_read_u64(gs->env.core, stack + 8 * (uint64_t)i, &first) && first)
			err = read_ring(gs, i, first);
	drop_overlapping(gs);
	return err;
}

/* ---- Magazines --------------------------------------------------------------------------------
 */

/* Mark a chunk that is in a magazine. False: it is none of its size, or was marked before: what is
 * followed ends here. */
static bool mark_cached(struct gslice *gs, uint64_t chunk, uint32_t chunk_bytes)
{
	struct slab *slabs = gs->slabs.items;
	size_t i = ch_search(slabs, gs->slabs.count, it, it->addr <= chunk);
	uint32_t bit;

	if (!i || slabs[i - 1].chunk_bytes != chunk_bytes)
		return false;
	bit = chunk_bit(&slabs[i - 1], chunk);
	if (!bit || ((slabs[i - 1].free | slabs[i - 1].cached) & bit))
		return false;
	slabs[i - 1].cached |= bit;
	return true;
}

/* A chain of chunks: the next by the first word, a chain of more by the second, but for those
 * whose second word is something else. */
static void follow_chain(struct gslice *gs, uint64_t chunk, uint32_t chunk_bytes, uint32_t fields)
{
	const struct ch_core *core = gs->env.core;
	uint64_t more;

	while (chunk && mark_cached(gs, chunk, chunk_bytes)) {
		if (fields)
			fields--;
		else if (ch_core_read_u64(core, chunk + 8, &more))
			while (more && mark_cached(gs, more, chunk_bytes) &&
			       ch_core_read_u64(core, more, &more))
				;
		if (!ch_core_read_u64(core, chunk, &chunk))
			return;
	}
}

/* The depot: a ring of chains, by the second word of the third chunk of each. */
static void follow_depot(struct gslice *gs, uint64_t first, uint32_t chunk_bytes, uint64_t *left)
{
	const struct ch_core *core = gs->env.core;
	uint64_t at = first, next;

	while (at && *left) {
		--*left;
		follow_chain(gs, at, chunk_bytes, CHAIN_FIELDS);
		if (!ch_core_read_u64(core, at, &next) || !ch_core_read_u64(core, next, &next) ||
		    !ch_core_read_u64(core, next + 8, &at) || at == first)
			return;
	}
}

static void read_depot(struct gslice *gs)
{
	/* Each chain of any size has a chunk at least. */
	uint64_t magazines, first, left = gs->slabs.count * CHUNKS_MAX;
	uint32_t i;

	if (!ch_core_read_u64(gs->env.core, gs->addr + MAGAZINES, &magazines))
		return;
	for (i = 0; i < gs->sizes_count; i++)
		if (ch_core_read_u64(gs->env.core, magazines + 8 * (uint64_t)i, &first))
			follow_depot(gs, first, (i + 1) * UNIT, &left);
}

/* What a thread has: ThreadMemory, which points at the two arrays behind itself. */
static struct ch_error *look_at_block(void *arg, const struct ch_object *objects, size_t n)
{
	struct gslice *gs = arg;
	uint64_t array = 16 * (uint64_t)gs->sizes_count, bytes = 16 + 2 * array, words[2], chunk;
	const struct ch_core *core = gs->env.core;
	uint32_t k;
	size_t i;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].size_bytes < bytes ||
		    objects[i].size_bytes > bytes + 64 ||
		    !ch_core_read_u64(core, objects[i].addr, &words[0]) ||
		    !ch_core_read_u64(core, objects[i].addr + 8, &words[1]) ||
		    words[0] != objects[i].addr + 16 || words[1] != words[0] + array)
			continue;
		gs->threads_count++;
		for (k = 0; k < 2 * gs->sizes_count; k++)
			if (ch_core_read_u64(core, words[0] + 16 * (uint64_t)k, &chunk))
				follow_chain(gs, chunk, (k % gs->sizes_count + 1) * UNIT, 0);
	}
	return NULL;
}

/* ---- Pages in use to the last chunk ---------------------------------------------------------- */

/* For each gap that a page may have, the chunks that something points at. */
struct pointed {
	struct gslice *gs;
	/* of uint32_t */
	struct ch_vec masks;
	/* All pages lie in [low, high). */
	uint64_t low, high;
};

static uint32_t gaps_of(const struct slab *slab)
{
	return (room_of(slab) % slab->chunk_bytes + UNIT - 1) / UNIT;
}

/* False: no memory. */
static bool make_masks(struct pointed *pointed)
{
	struct slab *slabs = pointed->gs->slabs.items;
	size_t i, count = 0;

	for (i = 0; i < pointed->gs->slabs.count; i++) {
		if (slabs[i].color != COLOR_OPEN)
			continue;
		slabs[i].masks = (uint32_t)count;
		count += gaps_of(&slabs[i]);
		pointed->low = ch_min(pointed->low, slabs[i].addr);
		pointed->high = slabs[i].addr + slabs[i].page_bytes;
	}
	if (count > UINT32_MAX || !ch_vec_reserve(&pointed->masks, count))
		return false;
	while (pointed->masks.count < count)
		if (!ch_vec_push(&pointed->masks))
			return false;
	return true;
}

static void take_pointer(struct pointed *pointed, uint64_t word)
{
	const struct slab *slabs = pointed->gs->slabs.items, *slab;
	size_t i = ch_search(slabs, pointed->gs->slabs.count, it, it->addr <= word);
	uint32_t offset, gap;

	if (!i || slabs[i - 1].color != COLOR_OPEN ||
	    word - slabs[i - 1].addr >= room_of(&slabs[i - 1]))
		return;
	slab = &slabs[i - 1];
	offset = (uint32_t)(word - slab->addr);
	gap = offset % slab->chunk_bytes / UNIT;
	if (gap < gaps_of(slab) && offset / slab->chunk_bytes < slab->chunks_count)
		*CH_VEC_AT(&pointed->masks, uint32_t, slab->masks + gap) |=
			1U << offset / slab->chunk_bytes;
}

static void take_words(struct pointed *pointed, const uint8_t *bytes, size_t len)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		word = ch_get64(bytes + i);
		if (word - pointed->low < pointed->high - pointed->low && word % UNIT == 0)
			take_pointer(pointed, word);
	}
}

static struct ch_error *take_pointers(void *arg, const struct ch_object *objects, size_t n)
{
	struct pointed *pointed = arg;
	const uint8_t *bytes;
	uint64_t at, end;
	size_t i, len;

	for (i = 0; i < n; i++) {
		end = objects[i].state == CH_OBJECT_USED ? objects[i].addr + objects[i].size_bytes
							 : 0;
		for (at = objects[i].addr; at < end; at += len) {
			bytes = ch_core_span(pointed->gs->env.core, at, &len);
			if (!bytes)
				break;
			len = ch_min(len, end - at);
			take_words(pointed, bytes, len);
		}
	}
	return NULL;
}

/* Each chunk of such a page is in use, and somebody has its address. */
static void decide(const struct pointed *pointed, struct slab *slab)
{
	const uint32_t *masks = pointed->masks.items, all = (1U << slab->chunks_count) - 1;
	uint32_t gap, chosen = COLOR_OPEN;

	for (gap = 0; gap < gaps_of(slab); gap++) {
		if (masks[slab->masks + gap] != all)
			continue;
		if (chosen != COLOR_OPEN)
			return;
		chosen = gap * UNIT;
	}
	slab->color = (uint16_t)chosen;
	slab->guessed = chosen != COLOR_OPEN;
}

static struct ch_error *find_gaps(struct gslice *gs)
{
	struct pointed pointed = { .gs = gs, .masks = CH_VEC(uint32_t), .low = UINT64_MAX };
	struct slab *slabs = gs->slabs.items;
	struct ch_error *err = NULL;
	size_t i;

	if (!make_masks(&pointed))
		err = &ch_enomem;
	if (!err && pointed.masks.count)
		err = chp_outer_walk(&gs->env, 0, UINT64_MAX, take_pointers, &pointed);
	for (i = 0; !err && i < gs->slabs.count; i++)
		if (slabs[i].color == COLOR_OPEN)
			decide(&pointed, &slabs[i]);
	ch_vec_deinit(&pointed.masks);
	return err;
}

/* ---- Heaps ------------------------------------------------------------------------------------
 */

static bool add_heap(struct gslice *gs, uint32_t index)
{
	struct size *size = &gs->sizes[index];
	struct ch_heap_desc *heap = ch_vec_push(&gs->out.heaps);
	uint32_t bytes = (index + 1) * UNIT;

	if (!heap)
		return false;
	size->heap = (uint32_t)gs->out.heaps.count - 1;
	snprintf(size->name, sizeof(size->name), "%u-byte slices", bytes);
	snprintf(size->full, sizeof(size->full), "%u slices of %u bytes",
		 (page_bytes_of(bytes) - INFO) / bytes, bytes);
	*heap = (struct ch_heap_desc){ .kind = "slices", .name = size->name };
	return true;
}

static bool add_spans(struct gslice *gs)
{
	const struct slab *slabs = gs->slabs.items;
	struct ch_span *span;
	uint32_t index;
	size_t i;

	for (i = 0; i < gs->sizes_count; i++)
		gs->sizes[i].heap = HEAP_NONE;
	for (i = 0; i < gs->slabs.count; i++) {
		index = slabs[i].chunk_bytes / UNIT - 1;
		if (gs->sizes[index].heap == HEAP_NONE && !add_heap(gs, index))
			return false;
		span = ch_vec_push(&gs->out.spans);
		if (!span)
			return false;
		*span = (struct ch_span){
			.start = slabs[i].addr,
			.end = slabs[i].addr + slabs[i].page_bytes - PADDING,
			.committed_end = slabs[i].addr + slabs[i].page_bytes - PADDING,
			.kind = "page of slices",
			.heap = gs->sizes[index].heap,
			.usage = CH_USAGE_ARENA,
			.basis = slabs[i].guessed ? CH_BASIS_HEURISTIC : CH_BASIS_DERIVED,
			.cookie = i,
			.block_addr = slabs[i].addr
		};
	}
	return true;
}

static void add_facts(struct gslice *gs)
{
	struct ch_fact *fact = gs->facts;

	*fact++ = (struct ch_fact){ .key = "layout_source",
				    .text = "GLib 2.32.0 and 2.74.6, glib/gslice.c Allocator, "
					    "SlabInfo, ThreadMemory" };
	*fact++ = (struct ch_fact){ .key = "pages_count", .number = gs->slabs.count };
	*fact++ = (struct ch_fact){ .key = "page_max_bytes", .number = gs->page_most };
	*fact = (struct ch_fact){ .key = "threads_count", .number = gs->threads_count };
}

static void close_gslice(void *state)
{
	struct gslice *gs = state;

	ch_vec_deinit(&gs->slabs);
	chp_answers_deinit(&gs->out);
	free(gs->sizes);
	free(gs);
}

static struct ch_error *read_all(struct gslice *gs)
{
	bool mapped = false;
	struct ch_error *err;

	gs->addr = find_allocator(&gs->env, &mapped);
	if (!gs->addr || !ch_core_read_u64(gs->env.core, gs->addr + 8, &gs->page_most))
		return ch_error_create(CH_ERROR_UNSUPPORTED, "there is no allocator of slices");
	gs->sizes_count = count_sizes(gs->page_most);
	gs->sizes = calloc(gs->sizes_count, sizeof(*gs->sizes));
	if (!gs->sizes)
		return &ch_enomem;
	err = read_slabs(gs);
	if (!err)
		err = chp_outer_walk(&gs->env, 0, UINT64_MAX, look_at_block, gs);
	if (err)
		return err;
	read_depot(gs);
	err = find_gaps(gs);
	return err || add_spans(gs) ? err : &ch_enomem;
}

static struct ch_error *open_gslice(const struct ch_heap_env *env, void **state_ret)
{
	struct gslice *gs = calloc(1, sizeof(*gs));
	struct ch_error *err;

	if (!gs)
		return &ch_enomem;
	gs->env = *env;
	gs->slabs = CH_VEC(struct slab);
	gs->out = CH_ANSWERS;
	err = read_all(gs);
	/* Only what open() was given for its own time. */
	gs->env.outer = NULL;
	gs->env.taken = NULL;
	if (err) {
		close_gslice(gs);
		return err;
	}
	add_facts(gs);
	*state_ret = gs;
	return NULL;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	const struct gslice *gs = state;

	*count_ret = CH_COUNT_OF(gs->facts);
	return gs->facts;
}

/* ---- Chunks -----------------------------------------------------------------------------------
 */

static struct ch_error *put(struct ch_object_batch *batch, uint64_t at, uint64_t end,
			    struct ch_object object)
{
	object.addr = at;
	object.size_bytes = end - at;
	object.chunk_bytes = end - at;
	return at < end ? ch_object_batch_put(batch, &object) : NULL;
}

static struct ch_error *put_chunks(struct ch_object_batch *batch, const struct slab *slab)
{
	uint64_t at = slab->addr + slab->color;
	struct ch_error *err;
	struct ch_object object;
	uint32_t i, bit;

	err = put(batch, slab->addr, at, (struct ch_object){ .state = CH_OBJECT_OVERHEAD });
	for (i = 0; !err && i < slab->chunks_count; i++, at += slab->chunk_bytes) {
		bit = 1U << i;
		object = (struct ch_object){ .state = CH_OBJECT_USED };
		if ((slab->free | slab->cached) & bit)
			object.state = CH_OBJECT_FREE;
		if (slab->cached & bit)
			object.flags = CH_OBJECT_CACHED;
		err = put(batch, at, at + slab->chunk_bytes, object);
	}
	return err ? err
		   : put(batch, at, slab->addr + slab->page_bytes - PADDING,
			 (struct ch_object){ .state = CH_OBJECT_OVERHEAD });
}

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
				struct ch_object_sink *sink)
{
	const struct gslice *gs = state;
	const struct slab *slab = CH_VEC_AT(&gs->slabs, struct slab, span->cookie);
	uint64_t info = slab->addr + room_of(slab);
	struct ch_object_batch batch;
	struct ch_error *err;

	/* A page has few: always from its start. */
	(void)from;
	/* Not initialised as a whole: the items are 20 KiB. */
	batch.sink = sink;
	batch.count = 0;
	if (slab->color != COLOR_OPEN) {
		err = put_chunks(&batch, slab);
	} else {
		err = put(&batch, slab->addr, info,
			  (struct ch_object){ .key = slab->chunk_bytes / UNIT });
		if (!err)
			err = put(&batch, info, slab->addr + slab->page_bytes - PADDING,
				  (struct ch_object){ .state = CH_OBJECT_OVERHEAD });
	}
	return err ? err : ch_object_batch_flush(&batch);
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct gslice *gs = state;

	if (key && key <= gs->sizes_count)
		ret->name = gs->sizes[key - 1].full;
	ret->basis = CH_BASIS_DERIVED;
	return NULL;
}

const struct ch_walker ch_walker_gslice = {
	.name = "gslice",
	.title = "GLib slices",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "GLib 2.32 to 2.74: slices in pages that are blocks of malloc",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_gslice,
	.close = close_gslice,
	.facts = facts,
	.allocator = &(const struct ch_walker_allocator){ .stage = 1, .objects = objects },
	.types = &(const struct ch_walker_types){ .name = type },
};
