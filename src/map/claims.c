/*
 * Claims of heap walkers and others on parts of the map, kept as they come and laid over it in
 * one pass when the map is next read. Where several meet, the one that knows more wins; memory of
 * modules and mapped files is not given away.
 */
#include "map/map_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

/* Owner names repeat: each is stored once, looked for among the last few. */
#define NAMES_LOOKED_AT 8

static struct ch_error *intern(struct ch_map *map, const char *name, const char **ret)
{
	size_t i, count = map->names.count;
	char **slot, *copy;

	if (!name) {
		*ret = NULL;
		return NULL;
	}
	for (i = count; i-- > 0 && count - i <= NAMES_LOOKED_AT;) {
		slot = CH_VEC_AT(&map->names, char *, i);
		if (strcmp(*slot, name) == 0) {
			*ret = *slot;
			return NULL;
		}
	}
	copy = strdup(name);
	slot = copy ? ch_vec_push(&map->names) : NULL;
	if (!slot) {
		free(copy);
		return &ch_enomem;
	}
	*slot = copy;
	*ret = copy;
	return NULL;
}

struct ch_error *chp_map_keep_claim(struct ch_map *map, const struct ch_claim *claim, uint32_t rank,
				    bool guard)
{
	struct ch_stored_claim *stored;
	struct ch_error *err;
	const char *owner;

	err = intern(map, claim->owner, &owner);
	if (err)
		return err;
	stored = ch_vec_push(&map->claims);
	if (!stored)
		return &ch_enomem;
	stored->claim = *claim;
	stored->claim.owner = owner;
	stored->rank = rank;
	stored->order = (uint32_t)map->claims.count;
	stored->guard = guard;
	map->dirty = true;
	return NULL;
}

/* Bytes of [start, end) that are in no claimable piece. */
static uint64_t refused_bytes(const struct ch_map *map, uint64_t start, uint64_t end)
{
	const struct ch_piece *pieces = map->pieces.items;
	uint64_t taken = 0;
	size_t i;

	for (i = chp_map_piece_after(map, start);
	     i < map->pieces.count && pieces[i].region.start < end; i++)
		if (pieces[i].claimable)
			taken += ch_min(pieces[i].region.end, end) -
				 ch_max(pieces[i].region.start, start);
	return end - start - taken;
}

struct ch_error *ch_map_claim(struct ch_map *map, const struct ch_claim *claim,
			      uint64_t *refused_ret)
{
	struct ch_error *err;

	if (claim->start >= claim->end || (unsigned int)claim->usage >= CH_USAGE_COUNT)
		return ch_error_create(CH_ERROR_ARG, "empty claim at 0x%llx",
				       (unsigned long long)claim->start);
	err = chp_map_keep_claim(map, claim, CH_RANK(claim->usage), false);
	if (!err && refused_ret)
		*refused_ret = refused_bytes(map, claim->start, claim->end);
	return err;
}

static int compare_claims(const void *a, const void *b)
{
	const struct ch_stored_claim *x = a, *y = b;

	if (x->claim.start != y->claim.start)
		return x->claim.start < y->claim.start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_better(const struct ch_stored_claim *x, const struct ch_stored_claim *y)
{
	return x->rank < y->rank || (x->rank == y->rank && x->order < y->order);
}

/* Claims sorted by start, and a heap, best on top, of those that began at or
 * below the sweep's position. Many may meet in a damaged core. */
struct sweep {
	const struct ch_stored_claim *claims;
	size_t count, next;
	/* of const struct ch_stored_claim * */
	struct ch_vec heap;
};

static void swap(const struct ch_stored_claim **a, const struct ch_stored_claim **b)
{
	const struct ch_stored_claim *old = *a;

	*a = *b;
	*b = old;
}

static struct ch_error *heap_push(struct ch_vec *heap, const struct ch_stored_claim *claim)
{
	const struct ch_stored_claim **slot = ch_vec_push(heap), **items = heap->items;
	size_t i = heap->count - 1;

	if (!slot)
		return &ch_enomem;
	*slot = claim;
	for (; i && is_better(items[i], items[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&items[i], &items[(i - 1) / 2]);
	return NULL;
}

static void heap_pop(struct ch_vec *heap)
{
	const struct ch_stored_claim **items = heap->items;
	size_t i = 0, child, count = --heap->count;

	items[0] = items[count];
	for (child = 1; child < count; child = 2 * i + 1) {
		if (child + 1 < count && is_better(items[child + 1], items[child]))
			child++;
		if (!is_better(items[child], items[i]))
			return;
		swap(&items[i], &items[child]);
		i = child;
	}
}

/*
 * The best claim at addr, or NULL, and in *until_ret how far nothing changes.
 * A claim that ended is dropped when it comes to the top.
 */
static struct ch_error *best_at(struct sweep *sweep, uint64_t addr, uint64_t *until_ret,
				const struct ch_stored_claim **ret)
{
	const struct ch_stored_claim *const *top;
	struct ch_error *err;

	for (; sweep->next < sweep->count && sweep->claims[sweep->next].claim.start <= addr;
	     sweep->next++) {
		err = heap_push(&sweep->heap, &sweep->claims[sweep->next]);
		if (err)
			return err;
	}
	top = sweep->heap.items;
	while (sweep->heap.count && top[0]->claim.end <= addr)
		heap_pop(&sweep->heap);
	*until_ret = UINT64_MAX;
	if (sweep->next < sweep->count)
		*until_ret = sweep->claims[sweep->next].claim.start;
	*ret = sweep->heap.count ? top[0] : NULL;
	if (*ret)
		*until_ret = ch_min(*until_ret, (*ret)->claim.end);
	return NULL;
}

static void apply(struct ch_region *region, const struct ch_stored_claim *stored)
{
	region->usage = stored->claim.usage;
	region->basis = stored->claim.basis;
	region->owner = stored->claim.owner;
	if (stored->guard)
		region->flags |= CH_REGION_GUARD;
	if (stored->claim.reserved) {
		region->state = CH_STATE_RESERVE;
		if (region->prot != CH_PROT_NONE)
			region->flags |= CH_REGION_STATE_GUESSED;
		region->prot = CH_PROT_NONE;
		region->flags &= ~(uint32_t)CH_REGION_UNDUMPED;
	}
}

/* One stretch of a piece with one owner. */
static struct ch_error *emit(struct ch_vec *regions, const struct ch_piece *piece, uint64_t start,
			     uint64_t end, const struct ch_stored_claim *stored)
{
	struct ch_region *region = ch_vec_push(regions);

	if (!region)
		return &ch_enomem;
	*region = piece->region;
	region->start = start;
	region->end = end;
	if (region->backing)
		region->backing_off += start - piece->region.start;
	if (piece->present_end > start)
		region->in_core_bytes = ch_min(piece->present_end, end) - start;
	if (piece->recorded_end > start)
		region->lost_bytes =
			ch_min(piece->recorded_end, end) - start - region->in_core_bytes;
	if (stored)
		apply(region, stored);
	return NULL;
}

static struct ch_error *lay_piece(struct sweep *sweep, const struct ch_piece *piece,
				  struct ch_vec *regions)
{
	uint64_t at = piece->region.start, until = 0;
	const struct ch_stored_claim *best = NULL;
	struct ch_error *err;

	while (at < piece->region.end) {
		err = best_at(sweep, at, &until, &best);
		if (err)
			return err;
		until = ch_min(until, piece->region.end);
		err = emit(regions, piece, at, until, piece->claimable ? best : NULL);
		if (err)
			return err;
		at = until;
	}
	return NULL;
}

struct ch_error *chp_map_lay_claims(struct ch_map *map, struct ch_vec *regions)
{
	const struct ch_piece *pieces = map->pieces.items;
	struct ch_error *err = NULL;
	struct sweep sweep;
	size_t i;

	ch_vec_sort(&map->claims, compare_claims);
	sweep = (struct sweep){ .claims = map->claims.items,
				.count = map->claims.count,
				.heap = CH_VEC(const struct ch_stored_claim *) };
	for (i = 0; !err && i < map->pieces.count; i++)
		err = lay_piece(&sweep, &pieces[i], regions);
	ch_vec_deinit(&sweep.heap);
	return err;
}
