/*
 * The dominators of all items, each once, by number: a dominator has a lower number than what it
 * dominates, so sums go up in one pass from the highest one.
 */
#include "graph/gather.h"

#include <stdlib.h>

#include "graph/retained.h"
#include "util/cleanup.h"

/* An item, or a dominator of one. */
struct place {
	uint32_t number;
	bool is_item;
	/* The place below it that most items lie below or are; index, itself: none. */
	size_t best;
	uint64_t best_count;
	uint64_t count, bytes, touched_bytes;
	/* Number of an item. */
	uint32_t sample;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static struct place *place_of(const struct ch_vec *places, uint32_t number)
{
	const struct place key = { .number = number };

	return bsearch(&key, places->items, places->count, sizeof(key), compare_places);
}

/* The way up from a number, as far as it is new. */
static struct ch_error *add_way(const struct ch_retained *retained, uint32_t number, uint64_t *seen,
				struct ch_vec *places)
{
	struct place *slot;

	for (; number != CH_DOMINATOR_ROOT && !(seen[number / 64] >> (number % 64) & 1);
	     number = retained->idom[number]) {
		seen[number / 64] |= 1ULL << (number % 64);
		slot = ch_vec_push(places);
		if (!slot)
			return &ch_enomem;
		*slot = (struct place){ .number = number };
	}
	return NULL;
}

static struct ch_error *find_places(const struct ch_retained *retained,
				    const struct ch_gather_item *items, size_t count,
				    struct ch_vec *places)
{
	_cleanup_free_ uint64_t *seen = calloc(retained->count / 64 + 1ULL, sizeof(*seen));
	struct ch_error *err = seen ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < count; i++)
		err = add_way(retained, retained->number[items[i].id], seen, places);
	ch_vec_sort(places, compare_places);
	return err;
}

static void put_items(const struct ch_retained *retained, const struct ch_gather_item *items,
		      size_t count, struct ch_vec *places, struct ch_gathering *ret)
{
	struct place *place;
	uint32_t number;
	size_t i;

	for (i = 0; i < count; i++) {
		number = retained->number[items[i].id];
		place = number ? place_of(places, number) : NULL;
		if (!place) {
			ret->dead_count += items[i].lasts;
			ret->dead_bytes += items[i].lasts ? items[i].bytes : 0;
			ret->dead_touched_bytes += items[i].lasts ? items[i].touched_bytes : 0;
			continue;
		}
		ret->count++;
		ret->bytes += items[i].bytes;
		place->is_item = true;
		place->sample = number;
		place->count++;
		place->bytes += items[i].bytes;
		place->touched_bytes += items[i].touched_bytes;
	}
}

static void sum_up(const struct ch_retained *retained, struct ch_vec *places)
{
	struct place *list = places->items, *above;
	size_t i;

	for (i = 0; i < places->count; i++)
		list[i].best = i;
	for (i = places->count; i-- > 0;) {
		above = place_of(places, retained->idom[list[i].number]);
		if (!above)
			continue;
		above->count += list[i].count;
		above->bytes += list[i].bytes;
		above->touched_bytes += list[i].touched_bytes;
		if (!above->is_item)
			above->sample = list[i].sample;
		if (list[i].count > above->best_count) {
			above->best_count = list[i].count;
			above->best = i;
		}
	}
}

/* Where the way down from a top ends. */
static size_t descend(const struct place *list, size_t top, uint32_t percent)
{
	size_t at = top;

	while (!list[at].is_item && list[at].best != at && !list[list[at].best].is_item &&
	       list[at].best_count * 100 >= list[top].count * percent)
		at = list[at].best;
	return at;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_gathered *x = a, *y = b;

	if (x->touched_bytes != y->touched_bytes)
		return x->touched_bytes > y->touched_bytes ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->top < y->top ? -1 : x->top > y->top;
}

static struct ch_error *make_rows(const struct ch_retained *retained, const struct ch_vec *places,
				  uint32_t percent, struct ch_gathering *ret)
{
	const struct place *list = places->items;
	struct ch_gathered *row;
	size_t i;

	for (i = 0; i < places->count; i++) {
		if (retained->idom[list[i].number] != CH_DOMINATOR_ROOT)
			continue;
		row = ch_vec_push(&ret->rows);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_gathered){
			.top = retained->ids[list[i].number],
			.holder = retained->ids[list[descend(list, i, percent)].number],
			.count = list[i].count,
			.bytes = list[i].bytes,
			.touched_bytes = list[i].touched_bytes,
			.sample = retained->ids[list[i].sample]
		};
	}
	ch_vec_sort(&ret->rows, compare_rows);
	return NULL;
}

struct ch_error *chp_gather(const struct ch_retained *retained, const struct ch_gather_item *items,
			    size_t count, uint32_t percent, struct ch_gathering *ret)
{
	struct ch_vec places = CH_VEC(struct place);
	struct ch_error *err;

	*ret = (struct ch_gathering){ .rows = CH_VEC(struct ch_gathered) };
	err = find_places(retained, items, count, &places);
	if (!err) {
		put_items(retained, items, count, &places, ret);
		sum_up(retained, &places);
		err = make_rows(retained, &places, percent, ret);
	}
	ch_vec_deinit(&places);
	return err;
}

void chp_gathering_deinit(struct ch_gathering *gathering)
{
	ch_vec_deinit(&gathering->rows);
}
