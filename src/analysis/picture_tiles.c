/*
 * Touched memory by what it is for, heap and type, and blocks by size: one walk counts, and what it
 * does not explain of a group of the accounting is the group's rest, so that sums close.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/picture_priv.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/table.h"
#include "util/text.h"

/* What a tile needs to be seen, in ten thousandths of the whole: a square of some 25 columns. */
#define SHARE_MIN 10

#define NO_HEAP   UINT32_MAX

/* What tiles are made of. */
struct leaf {
	enum ch_memory_group group;
	/* Index of the first heap of its name; NO_HEAP: it is a row of the accounting. */
	uint32_t heap;
	enum ch_tile_kind kind;
	/* Of used blocks. */
	uint32_t type;
	/* Of others. Static. */
	const char *name;
	uint64_t count, bytes;
	/* Of all of the group, and of the heap. */
	uint64_t group_bytes, heap_bytes;
};

struct tiling {
	struct ch_heaps *heaps;
	struct ch_picture *picture;
	const struct ch_span *spans;
	const struct ch_heap *list;
	size_t heaps_count;
	/* By heap: the first one that is called the same. */
	uint32_t *same;
	/* By heap and type, or kind: of struct leaf. */
	struct ch_table numbers;
	struct ch_vec leaves;
	struct ch_size_class sizes[CH_SIZE_CLASSES];
};

/* ---- Counting -------------------------------------------------------------------- */

static int compare_heaps(const void *a, const void *b, void *arg)
{
	const struct ch_heap *list = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order;

	if (list[x].walker != list[y].walker)
		return list[x].walker < list[y].walker ? -1 : 1;
	order = strcmp(chp_generation_name(&list[x]), chp_generation_name(&list[y]));
	return order ? order : x < y ? -1 : x > y;
}

/* Heaps of processors are told by generation, pools of one name as one. */
static struct ch_error *find_same(struct tiling *tiling)
{
	_cleanup_free_ struct ch_heap *list = NULL;
	_cleanup_free_ uint32_t *order = NULL;
	size_t count = tiling->heaps_count, i;

	tiling->same = calloc(count + 1, sizeof(uint32_t));
	order = calloc(count + 1, sizeof(uint32_t));
	list = calloc(count + 1, sizeof(*list));
	if (!tiling->same || !order || !list)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		list[i] = tiling->list[i];
		order[i] = (uint32_t)i;
	}
	qsort_r(order, count, sizeof(uint32_t), compare_heaps, list);
	for (i = 0; i < count; i++) {
		bool same = i && list[order[i]].walker == list[order[i - 1]].walker &&
			    strcmp(chp_generation_name(&list[order[i]]),
				   chp_generation_name(&list[order[i - 1]])) == 0;

		tiling->same[order[i]] = same ? tiling->same[order[i - 1]] : order[i];
	}
	return NULL;
}

static enum ch_memory_group group_of(const struct ch_span *span)
{
	return span->usage == CH_USAGE_HEAP || span->usage == CH_USAGE_ARENA ||
			       span->usage == CH_USAGE_MMAP_CHUNK
		       ? CH_MEMORY_MALLOC
		       : CH_MEMORY_MANAGED;
}

/* A heap whose spans are of two groups has two places. */
static uint64_t heap_key(uint32_t heap, enum ch_memory_group group)
{
	return 2ULL * heap + (group == CH_MEMORY_MANAGED);
}

static const char *name_of(const struct ch_object *object, enum ch_type_kind kind)
{
	if (kind == CH_TYPE_FREE)
		return object->flags & CH_OBJECT_TOP ? "unused end" : "free";
	if (kind == CH_TYPE_ALLOCATOR)
		return "allocator's own blocks";
	return kind == CH_TYPE_OBJECT ? NULL : "overhead";
}

/* The leaf of a block; NULL when out of memory. */
static struct leaf *leaf_of(struct tiling *tiling, const struct ch_object *object)
{
	enum ch_type_kind kind = ch_object_kind(object);
	const struct ch_span *span = &tiling->spans[object->span];
	uint32_t heap = tiling->same[span->heap], number;
	enum ch_memory_group group = group_of(span);
	/* types are below 2^28; what is not used is told by its kind alone */
	uint32_t what = kind == CH_TYPE_OBJECT ? object->type
					       : 0xf0000000U | (uint32_t)kind << 1 |
							 !!(object->flags & CH_OBJECT_TOP);
	uint64_t key = heap_key(heap, group) << 32 | what;
	struct leaf *leaf;

	number = ch_table_find(&tiling->numbers, key);
	if (number != CH_TABLE_NONE)
		return CH_VEC_AT(&tiling->leaves, struct leaf, number);
	leaf = ch_vec_push(&tiling->leaves);
	if (!leaf || !ch_table_put(&tiling->numbers, key, (uint32_t)tiling->leaves.count - 1))
		return NULL;
	*leaf = (struct leaf){ .group = group,
			       .heap = heap,
			       .kind = kind == CH_TYPE_OBJECT ? CH_TILE_USED
				       : kind == CH_TYPE_FREE ? CH_TILE_FREE
							      : CH_TILE_OVERHEAD,
			       .type = kind == CH_TYPE_OBJECT ? object->type : 0,
			       .name = name_of(object, kind) };
	return leaf;
}

static void count_size(struct tiling *tiling, const struct ch_object *object)
{
	struct ch_size_class *size;
	enum ch_type_kind kind = ch_object_kind(object);

	if (!object->chunk_bytes || object->flags & CH_OBJECT_TOP)
		return;
	size = &tiling->sizes[63 - __builtin_clzll(object->chunk_bytes)];
	if (kind == CH_TYPE_OBJECT) {
		size->used_count++;
		size->used_bytes += object->chunk_bytes;
	} else if (kind == CH_TYPE_FREE) {
		size->free_count++;
		size->free_bytes += object->chunk_bytes;
	}
}

static struct ch_error *count_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct tiling *tiling = arg;
	struct leaf *leaf;
	size_t i;

	for (i = 0; i < n; i++) {
		leaf = leaf_of(tiling, &objects[i]);
		if (!leaf)
			return &ch_enomem;
		leaf->count++;
		leaf->bytes += chp_heaps_touched_bytes(tiling->heaps, &objects[i]);
		count_size(tiling, &objects[i]);
	}
	return NULL;
}

static struct ch_error *put_sizes(struct tiling *tiling)
{
	struct ch_size_class *size;
	uint32_t i;

	for (i = 0; i < CH_SIZE_CLASSES; i++) {
		if (!tiling->sizes[i].used_count && !tiling->sizes[i].free_count)
			continue;
		size = ch_vec_push(&tiling->picture->sizes);
		if (!size)
			return &ch_enomem;
		*size = tiling->sizes[i];
		size->smallest_bytes = UINT64_C(1) << i;
		size->largest_bytes = size->smallest_bytes * 2 - 1;
	}
	return NULL;
}

/* ---- Closing the sums ------------------------------------------------------------- */

static struct ch_error *add_leaf(struct tiling *tiling, enum ch_memory_group group,
				 const char *name, uint64_t bytes)
{
	struct leaf *leaf;

	if (!bytes)
		return NULL;
	leaf = ch_vec_push(&tiling->leaves);
	if (!leaf)
		return &ch_enomem;
	*leaf = (struct leaf){ .group = group, .heap = NO_HEAP, .name = name, .bytes = bytes };
	return NULL;
}

/* What the accounting gives to somebody else, because the map knows better (account.c), leaves
 * the blocks that come last. */
static void shave(struct tiling *tiling, enum ch_memory_group group, uint64_t excess)
{
	struct leaf *leaves = tiling->leaves.items;
	uint64_t part;
	size_t i;

	for (i = tiling->leaves.count; excess && i-- > 0;) {
		if (leaves[i].group != group)
			continue;
		part = ch_min(leaves[i].bytes, excess);
		leaves[i].bytes -= part;
		excess -= part;
	}
}

static struct ch_error *close_group(struct tiling *tiling, enum ch_memory_group group)
{
	const struct ch_account *account = &tiling->picture->summary.sums.account;
	uint64_t all = 0, counted = 0;
	size_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		if (chp_account_group((enum ch_account_id)i) == group)
			all += account->rows[i].touched_bytes;
	for (i = 0; i < tiling->leaves.count; i++)
		if (CH_VEC_AT(&tiling->leaves, struct leaf, i)->group == group)
			counted += CH_VEC_AT(&tiling->leaves, struct leaf, i)->bytes;
	if (counted > all)
		shave(tiling, group, counted - all);
	return counted < all ? add_leaf(tiling, group, "not in blocks", all - counted) : NULL;
}

/* Images and files by their names. */
static bool is_by_name(enum ch_memory_group group)
{
	return group == CH_MEMORY_PROGRAMS || group == CH_MEMORY_FILES || group == CH_MEMORY_SHARED;
}

static int compare_names(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct ch_error *add_names(struct tiling *tiling, struct ch_map *map)
{
	struct ch_vec names = CH_VEC(struct leaf);
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	struct leaf *leaf, *last = NULL;
	size_t count, i;

	regions = ch_map_regions(map, &count);
	for (i = 0; !err && i < count; i++) {
		if (!regions[i].touched_bytes || !is_by_name(chp_region_group(&regions[i])))
			continue;
		/* their pages are the system's: they are not what the process has in use */
		if (chp_region_is_only_read(tiling->heaps, &regions[i])) {
			tiling->picture->touched_bytes -= regions[i].touched_bytes;
			continue;
		}
		leaf = ch_vec_push(&names);
		if (leaf)
			*leaf = (struct leaf){ .group = chp_region_group(&regions[i]),
					       .heap = NO_HEAP,
					       .name = regions[i].backing
							       ? chp_base_name(regions[i].backing)
						       : regions[i].owner
							       ? regions[i].owner
							       : ch_usage_name(regions[i].usage),
					       .bytes = regions[i].touched_bytes };
		else
			err = &ch_enomem;
	}
	ch_vec_sort(&names, compare_names);
	for (i = 0; !err && i < names.count; i++) {
		leaf = CH_VEC_AT(&names, struct leaf, i);
		if (last && compare_names(last, leaf) == 0) {
			last->bytes += leaf->bytes;
			continue;
		}
		last = ch_vec_push(&tiling->leaves);
		if (last)
			*last = *leaf;
		else
			err = &ch_enomem;
	}
	ch_vec_deinit(&names);
	return err;
}

static struct ch_error *add_rows(struct tiling *tiling)
{
	const struct ch_account *account = &tiling->picture->summary.sums.account;
	struct ch_error *err = NULL;
	enum ch_memory_group group;
	size_t i;

	for (i = 0; !err && i < CH_ACCOUNT_ROWS; i++) {
		group = chp_account_group((enum ch_account_id)i);
		if (group != CH_MEMORY_MALLOC && group != CH_MEMORY_MANAGED && !is_by_name(group))
			err = add_leaf(tiling, group, chp_account_title((enum ch_account_id)i),
				       account->rows[i].touched_bytes);
	}
	if (!err)
		err = close_group(tiling, CH_MEMORY_MALLOC);
	return err ? err : close_group(tiling, CH_MEMORY_MANAGED);
}

/* ---- Order ------------------------------------------------------------------------ */

static struct ch_error *sum_up(struct tiling *tiling)
{
	_cleanup_free_ uint64_t *heaps = calloc(2 * tiling->heaps_count + 1, sizeof(*heaps));
	/* of a group, and of what in it is in no heap */
	uint64_t groups[CH_MEMORY_GROUPS] = { 0 }, rows[CH_MEMORY_GROUPS] = { 0 };
	struct leaf *leaves = tiling->leaves.items;
	size_t i;

	if (!heaps)
		return &ch_enomem;
	for (i = 0; i < tiling->leaves.count; i++) {
		groups[leaves[i].group] += leaves[i].bytes;
		if (leaves[i].heap == NO_HEAP)
			rows[leaves[i].group] += leaves[i].bytes;
		else
			heaps[heap_key(leaves[i].heap, leaves[i].group)] += leaves[i].bytes;
	}
	for (i = 0; i < tiling->leaves.count; i++) {
		leaves[i].group_bytes = groups[leaves[i].group];
		leaves[i].heap_bytes = leaves[i].heap == NO_HEAP
					       ? rows[leaves[i].group]
					       : heaps[heap_key(leaves[i].heap, leaves[i].group)];
	}
	return NULL;
}

static int descending(uint64_t x, uint64_t y)
{
	return x > y ? -1 : x < y;
}

/* By group, heap and leaf, the largest of each first; by numbers that stand for the same in each
 * run where they are equal. */
static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->group != y->group)
		return x->group_bytes != y->group_bytes ? descending(x->group_bytes, y->group_bytes)
		       : x->group < y->group            ? -1
							: 1;
	if (x->heap != y->heap)
		return x->heap_bytes != y->heap_bytes ? descending(x->heap_bytes, y->heap_bytes)
		       : x->heap < y->heap            ? -1
						      : 1;
	if (x->bytes != y->bytes)
		return descending(x->bytes, y->bytes);
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return x->name && y->name ? strcmp(x->name, y->name) : 0;
}

/* ---- Tiles ------------------------------------------------------------------------ */

static struct ch_tile *push(struct tiling *tiling, uint32_t level, const struct leaf *leaf)
{
	struct ch_tile *tile = ch_vec_push(&tiling->picture->tiles);

	if (!tile)
		return NULL;
	*tile = (struct ch_tile){ .level = level,
				  .group = leaf->group,
				  .usage = chp_memory_group_title(leaf->group) };
	if (level && leaf->heap != NO_HEAP)
		tile->heap = chp_generation_name(&tiling->list[leaf->heap]);
	return tile;
}

static struct ch_error *put_leaf(struct tiling *tiling, const struct leaf *leaf)
{
	struct ch_tile *tile = push(tiling, leaf->heap == NO_HEAP ? 1 : 2, leaf);
	struct ch_error *err = NULL;
	struct ch_type type;

	if (!tile)
		return &ch_enomem;
	tile->kind = leaf->kind;
	tile->type = leaf->name;
	tile->blocks_count = leaf->count;
	tile->touched_bytes = leaf->bytes;
	if (leaf->kind == CH_TILE_USED) {
		err = ch_heaps_type(tiling->heaps, leaf->type, &type);
		tile->type = err ? NULL : type.name;
	}
	return err;
}

/* Leaves of one heap, [at, end): those that can be seen, and the others together. */
static struct ch_error *put_heap(struct tiling *tiling, size_t at, size_t end, uint64_t least)
{
	const struct leaf *leaves = tiling->leaves.items;
	struct ch_error *err = NULL;
	struct ch_tile *tile;

	if (leaves[at].heap != NO_HEAP) {
		tile = push(tiling, 1, &leaves[at]);
		if (!tile)
			return &ch_enomem;
		tile->touched_bytes = leaves[at].heap_bytes;
	}
	for (; !err && at < end && leaves[at].bytes >= least; at++)
		err = put_leaf(tiling, &leaves[at]);
	if (err || at == end || !leaves[at].bytes)
		return err;
	tile = push(tiling, leaves[at].heap == NO_HEAP ? 1 : 2, &leaves[at]);
	if (!tile)
		return &ch_enomem;
	for (tile->kind = CH_TILE_USED; at < end && leaves[at].bytes; at++) {
		tile->others_count++;
		tile->blocks_count += leaves[at].count;
		tile->touched_bytes += leaves[at].bytes;
	}
	return NULL;
}

static size_t end_of_heap(const struct leaf *leaves, size_t count, size_t at)
{
	size_t end = at;

	while (end < count && leaves[end].group == leaves[at].group &&
	       leaves[end].heap == leaves[at].heap)
		end++;
	return end;
}

/* Heaps of a group, [at, end): those that can be seen, and the others together. */
static struct ch_error *put_group(struct tiling *tiling, size_t at, size_t end, uint64_t least)
{
	const struct leaf *leaves = tiling->leaves.items;
	struct ch_tile *tile = push(tiling, 0, &leaves[at]);
	struct ch_error *err = NULL;
	size_t next;

	if (!tile)
		return &ch_enomem;
	tile->touched_bytes = leaves[at].group_bytes;
	for (; !err && at < end && (leaves[at].heap_bytes >= least || leaves[at].heap == NO_HEAP);
	     at = next) {
		next = end_of_heap(leaves, end, at);
		err = put_heap(tiling, at, next, least);
	}
	if (err || at == end || !leaves[at].heap_bytes)
		return err;
	tile = push(tiling, 1, &leaves[at]);
	if (!tile)
		return &ch_enomem;
	tile->heap = NULL;
	for (; at < end; at = next) {
		next = end_of_heap(leaves, end, at);
		tile->others_count++;
		tile->touched_bytes += leaves[at].heap_bytes;
	}
	return NULL;
}

static struct ch_error *put_tiles(struct tiling *tiling)
{
	uint64_t least = ch_max(tiling->picture->touched_bytes / 10000 * SHARE_MIN, UINT64_C(1));
	const struct leaf *leaves;
	struct ch_error *err = sum_up(tiling);
	size_t at, end, count = tiling->leaves.count;
	struct ch_tile *tiles;

	if (err)
		return err;
	ch_vec_sort(&tiling->leaves, compare_leaves);
	leaves = tiling->leaves.items;
	for (at = 0; !err && at < count && leaves[at].group_bytes; at = end) {
		for (end = at; end < count && leaves[end].group == leaves[at].group;)
			end++;
		err = put_group(tiling, at, end, least);
	}
	tiles = tiling->picture->tiles.items;
	for (at = 0; at < tiling->picture->tiles.count; at++)
		tiles[at].share =
			chp_percent(tiles[at].touched_bytes, tiling->picture->touched_bytes);
	return err;
}

struct ch_error *chp_picture_tiles(struct ch_heaps *heaps, struct ch_map *map,
				   struct ch_picture *picture)
{
	struct tiling tiling = { .heaps = heaps,
				 .picture = picture,
				 .leaves = CH_VEC(struct leaf) };
	struct ch_error *err;
	size_t count;

	tiling.spans = ch_heaps_spans(heaps, &count);
	tiling.list = ch_heaps_list(heaps, &tiling.heaps_count);
	err = find_same(&tiling);
	if (!err && picture->summary.sums.walked)
		err = ch_heaps_walk(heaps, 0, UINT64_MAX, count_objects, &tiling);
	if (!err)
		err = put_sizes(&tiling);
	if (!err)
		err = add_names(&tiling, map);
	if (!err)
		err = add_rows(&tiling);
	if (!err)
		err = put_tiles(&tiling);
	ch_table_deinit(&tiling.numbers);
	ch_vec_deinit(&tiling.leaves);
	free(tiling.same);
	return err;
}
