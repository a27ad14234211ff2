/*
 * jemalloc's own memory: base blocks, mappings at multiples of two mebibytes that begin with their
 * size and lead to the one before. Structures of extents lie in them, which leads to some; the
 * oldest of an arena holds its struct base_s, which leads to the newest, and so to all.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* struct base_block_s (base.h; base_structs.h before 5.3): size, next, then the structure of what
 * is left of the block. */
#define BLOCK_NEXT  8
#define BLOCK_EDATA 16
#define BLOCK_BYTES (BLOCK_EDATA + JEMALLOC_EDATA_BYTES)
/* The first thing in an arena's oldest block, aligned to a cache line, is its struct base_s: the
 * arena's index, and within so many bytes a pointer to the newest block. */
#define BASE_AT    192
#define BASE_BYTES 512
/* Blocks grow from one to the next: more than this no address space holds. */
#define CHAIN_MAX 4096U
/* Blocks that are looked at in all: no process has as many arenas. */
#define LOOKS_MAX (1U << 22)

/* Read the block at addr; next_ret: the one before. */
static bool read_block(const struct ch_core *core, uint64_t addr, struct jemalloc_base *ret,
		       uint64_t *next_ret)
{
	uint8_t bytes[BLOCK_BYTES];
	uint64_t size, free_start, free_bytes, end;

	if (!addr || addr % JEMALLOC_BASE_BYTES ||
	    !ch_core_try_read(core, addr, bytes, sizeof(bytes)))
		return false;
	size = ch_get64(bytes);
	free_start = ch_get64(bytes + BLOCK_EDATA + 8);
	free_bytes = ch_get64(bytes + BLOCK_EDATA + 16);
	if (!size || size % JEMALLOC_BASE_BYTES || !ch_add(addr, size, &end) ||
	    free_start < addr + BLOCK_BYTES || free_start > end || end - free_start != free_bytes)
		return false;
	*ret = (struct jemalloc_base){ .start = addr, .free_start = free_start, .end = end };
	*next_ret = ch_get64(bytes + BLOCK_NEXT);
	return true;
}

/* The oldest block of the chain that a block is in. False: it breaks off. */
static bool oldest_block(const struct ch_core *core, uint64_t addr, uint32_t *looks, uint64_t *ret)
{
	struct jemalloc_base block;
	uint64_t next;
	uint32_t i;

	for (i = 0; i < CHAIN_MAX && *looks < LOOKS_MAX && read_block(core, addr, &block, &next);
	     i++) {
		++*looks;
		if (!next) {
			*ret = addr;
			return true;
		}
		addr = next;
	}
	return false;
}

static bool is_known(const struct jemalloc *je, uint64_t addr)
{
	const struct jemalloc_base *items = je->bases.items;
	size_t i;

	for (i = 0; i < je->bases.count; i++)
		if (items[i].start <= addr && addr < items[i].end)
			return true;
	return false;
}

static bool add_chain(struct jemalloc *je, uint64_t newest, uint16_t arena, uint16_t tree)
{
	struct jemalloc_base block, *slot;
	uint64_t next;
	uint32_t i;

	for (i = 0; i < CHAIN_MAX && read_block(je->env.core, newest, &block, &next) &&
		    !is_known(je, newest);
	     i++) {
		slot = ch_vec_push(&je->bases);
		if (!slot)
			return false;
		block.arena = arena;
		block.tree = tree;
		*slot = block;
		newest = next;
	}
	return true;
}

/* All blocks of the arena whose base block holds the structure of an extent. */
static bool add_arena(struct jemalloc *je, const struct jemalloc_extent *extent, uint32_t *looks)
{
	uint64_t block, oldest, word, at, other;
	uint32_t arena;

	block = ch_align_down(extent->edata, JEMALLOC_BASE_BYTES);
	if (!oldest_block(je->env.core, block, looks, &oldest))
		return true;
	if (!ch_core_read_u32(je->env.core, oldest + BASE_AT, &arena) || arena != extent->arena)
		return add_chain(je, block, extent->arena, extent->tree);
	for (at = 8; at < BASE_BYTES; at += 8)
		if (ch_core_read_u64(je->env.core, oldest + BASE_AT + at, &word) &&
		    oldest_block(je->env.core, word, looks, &other) && other == oldest)
			return add_chain(je, word, extent->arena, extent->tree);
	return add_chain(je, block, extent->arena, extent->tree);
}

/* Structures of extents that lie elsewhere: a base block is damaged, or absent. */
static void check_bases(const struct jemalloc *je)
{
	const struct jemalloc_extent *extents = je->extents.items;
	uint64_t outside = 0;
	size_t i;

	for (i = 0; i < je->extents.count; i++)
		outside += !jemalloc_base_at(je, extents[i].edata);
	if (outside)
		chp_context_finding(
			je->env.ctx, chp_blame(&je->env), "jemalloc-base",
			"jemalloc: %llu structures of extents lie in no base block that "
			"was found: not all of its metadata is counted",
			(unsigned long long)outside);
}

static int compare_bases(const void *a, const void *b)
{
	const struct jemalloc_base *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

struct ch_error *jemalloc_find_bases(struct jemalloc *je)
{
	const struct jemalloc_extent *extents = je->extents.items;
	uint64_t looked_at = 0;
	uint32_t looks = 0;
	size_t i;

	for (i = 0; i < je->extents.count; i++) {
		uint64_t block = ch_align_down(extents[i].edata, JEMALLOC_BASE_BYTES);

		/* Neighbours are often described in one block. */
		if (block == looked_at || is_known(je, extents[i].edata))
			continue;
		looked_at = block;
		if (!add_arena(je, &extents[i], &looks))
			return &ch_enomem;
	}
	ch_vec_sort(&je->bases, compare_bases);
	check_bases(je);
	return NULL;
}

const struct jemalloc_base *jemalloc_base_at(const struct jemalloc *je, uint64_t addr)
{
	const struct jemalloc_base *items = je->bases.items;
	size_t index = ch_search(items, je->bases.count, it, it->end <= addr);

	return index < je->bases.count && items[index].start <= addr ? &items[index] : NULL;
}
