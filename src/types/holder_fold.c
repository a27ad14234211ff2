/*
 * Steps of holders: which words of a node are one step, so that names are few and tell something.
 *
 * The words of a node that lead on, over all of its blocks, are known at the end of a level. They
 * stay apart where they are few, as fields of a struct are. They fold into "[]"
 *   - where 16 words or more follow each other at one distance, whatever they lead to: an array;
 *   - where 16 or more that lead to blocks of one size lie close together (a hash table, of which
 *     some places are empty), or more than 64 anywhere in the node;
 *   - where more than 256 lead anywhere: a struct has no more pointers than that.
 * Words that lead to blocks of the node's own size are one step: a list, a tree. Where one step
 * leads to more than four sizes, they are of no importance: texts.
 */
#include <stdlib.h>
#include <string.h>

#include "types/holder_priv.h"
#include "util/bytes.h"
#include "util/error.h"

#define ARRAY_WORDS_MIN 16
#define STRIDE_MAX      64
#define SAME_SIZE_MAX   64
#define WORDS_MAX       256
#define SIZES_MAX       4
#define LINKS_PART      16

/* Keys of tables: 40 bits behind a number. */
#define KEY_SHIFT 40
#define KEY_MAX   ((1ULL << KEY_SHIFT) - 1)
/* Names that a program may have of this kind: two of its types in five. */
#define NODES_MAX (1U << 18)

static uint64_t key_of(uint32_t number, uint64_t value)
{
	return ((uint64_t)number + 1) << KEY_SHIFT | ch_min(value, KEY_MAX);
}

/* ---- Places and nodes -------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static bool are_same(const struct ch_hold_node *x, const struct ch_hold_node *y)
{
	return x->place == y->place && x->size_bytes == y->size_bytes &&
	       memcmp(x->steps, y->steps, sizeof(x->steps)) == 0 &&
	       (x->steps_count == y->steps_count ||
		(x->steps_count > CH_HOLD_STEPS && y->steps_count > CH_HOLD_STEPS));
}

/* The node as it is known, added if it is new: nodes that are shown alike are one. */
static uint32_t intern(struct ch_holding *holding, const struct ch_hold_node *node)
{
	uint64_t hash = mix(mix(node->place, node->size_bytes),
			    ch_min(node->steps_count, CH_HOLD_STEPS + 1U));
	struct ch_hold_node *slot;
	uint32_t number, i;

	for (i = 0; i < CH_HOLD_STEPS; i++)
		hash = mix(hash, node->steps[i]);
	for (hash += !hash;; hash += hash == UINT64_MAX ? 2 : 1) {
		number = ch_table_find(&holding->nodes_by, hash);
		if (number == CH_TABLE_NONE)
			break;
		if (are_same(node, CH_VEC_AT(&holding->nodes, struct ch_hold_node, number)))
			return number;
	}
	number = (uint32_t)holding->nodes.count;
	if (number >= NODES_MAX) {
		holding->full = true;
		return CH_ID_NONE;
	}
	slot = ch_vec_push(&holding->nodes);
	if (!slot || !ch_table_put(&holding->nodes_by, hash, number))
		return CH_ID_NONE;
	*slot = *node;
	return number;
}

uint32_t chp_holding_place(struct ch_holding *holding, const struct ch_place *place, uint64_t key)
{
	uint32_t number = ch_table_find(&holding->places_by, key);
	struct ch_hold_node node = { .size_bytes = 0 };
	struct ch_place *slot;

	if (number != CH_TABLE_NONE)
		return number;
	node.place = (uint32_t)holding->places.count;
	number = intern(holding, &node);
	if (number == CH_ID_NONE)
		return CH_ID_NONE;
	slot = ch_vec_push(&holding->places);
	if (!slot || !ch_table_put(&holding->places_by, key, number))
		return CH_ID_NONE;
	*slot = *place;
	return number;
}

/* ---- What was met ------------------------------------------------------------------ */

static struct ch_hold_node *node_at(const struct ch_holding *holding, uint32_t number)
{
	return CH_VEC_AT(&holding->nodes, struct ch_hold_node, number);
}

uint64_t chp_step_add(uint64_t step, uint64_t offset)
{
	uint64_t first = step & CH_STEP_OFFSET, low = ch_min(first, offset), words;

	if (step & CH_STEP_ARRAY || chp_step_has(step, offset))
		return step;
	words = (ch_max(first, offset) - low) / 8;
	if (step & CH_STEP_SECOND || words > CH_STEP_WORDS_MAX)
		return step | CH_STEP_MORE;
	return (step & ~CH_STEP_OFFSET) | low | CH_STEP_SECOND | words << CH_STEP_SHIFT;
}

/* The number of a word of a node; CH_TABLE_NONE: no memory. */
static uint32_t word_of(struct ch_holding *holding, uint32_t from, uint64_t *offset)
{
	struct ch_hold_node *node = node_at(holding, from);
	uint64_t key = key_of(from, node->folded ? KEY_MAX : *offset / 8);
	uint32_t number = ch_table_find(&holding->words_by, key);

	if (number == CH_TABLE_NONE && !node->folded && ++node->words_count > WORDS_MAX) {
		node->folded = true;
		key = key_of(from, KEY_MAX);
	}
	if (node->folded)
		*offset = 0;
	if (number != CH_TABLE_NONE)
		return number;
	number = (uint32_t)holding->word_sizes.count;
	if (!ch_vec_push(&holding->word_sizes) || !ch_table_put(&holding->words_by, key, number))
		return CH_TABLE_NONE;
	return number;
}

uint32_t chp_holding_way(struct ch_holding *holding, uint32_t from, uint64_t offset,
			 uint64_t size_bytes, uint64_t inside)
{
	uint32_t word = word_of(holding, from, &offset), number, *sizes;
	struct ch_hold_way *way;

	if (word == CH_TABLE_NONE)
		return word;
	sizes = CH_VEC_AT(&holding->word_sizes, uint32_t, word);
	if (*sizes > SIZES_MAX)
		size_bytes = 0;
	number = ch_table_find(&holding->ways_by, key_of(word, size_bytes));
	if (number != CH_TABLE_NONE)
		return number;
	++*sizes;
	number = (uint32_t)holding->ways.count;
	way = ch_vec_push(&holding->ways);
	if (!way || !ch_table_put(&holding->ways_by, key_of(word, size_bytes), number))
		return CH_TABLE_NONE;
	*way = (struct ch_hold_way){ .from = from,
				     .offset = offset,
				     .step = offset,
				     .size_bytes = size_bytes,
				     .inside = inside };
	return number;
}

/* ---- Folding ----------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
	const struct ch_hold_way *x = *(struct ch_hold_way *const *)a;
	const struct ch_hold_way *y = *(struct ch_hold_way *const *)b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static int by_size(const void *a, const void *b)
{
	const struct ch_hold_way *x = *(struct ch_hold_way *const *)a;
	const struct ch_hold_way *y = *(struct ch_hold_way *const *)b;

	if (x->from == y->from && x->size_bytes != y->size_bytes)
		return x->size_bytes < y->size_bytes ? -1 : 1;
	return by_offset(a, b);
}

static int by_step(const void *a, const void *b)
{
	const struct ch_hold_way *x = *(struct ch_hold_way *const *)a;
	const struct ch_hold_way *y = *(struct ch_hold_way *const *)b;

	if (x->from == y->from && x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return by_size(a, b);
}

static bool is_folded(const struct ch_hold_way *way)
{
	return way->step & CH_STEP_ARRAY;
}

/* How many ways from the first one on are an array: words at most so far from each other, all at
 * one distance if so wanted; and how many words these are. */
static size_t run_of(struct ch_hold_way *const *ways, size_t n, uint64_t stride_max, bool steady,
		     size_t *words_ret)
{
	uint64_t stride = 0, distance;
	size_t i;

	*words_ret = 1;
	for (i = 1; i < n && !is_folded(ways[i]); i++) {
		distance = ways[i]->offset - ways[i - 1]->offset;
		if (!distance)
			continue;
		if (distance > stride_max || (steady && stride && distance != stride))
			break;
		stride = distance;
		++*words_ret;
	}
	return i;
}

static void fold_arrays(struct ch_hold_way *const *ways, size_t n, bool steady)
{
	size_t i, k, run, words;

	for (i = 0; i < n; i += run) {
		run = 1;
		if (is_folded(ways[i]))
			continue;
		run = run_of(ways + i, n - i, STRIDE_MAX, steady, &words);
		for (k = 0; words >= ARRAY_WORDS_MIN && k < run; k++)
			ways[i + k]->step = ways[i]->offset | CH_STEP_ARRAY;
	}
}

/* Ways of one node and one size. */
static void fold_size(const struct ch_hold_node *node, struct ch_hold_way *const *ways, size_t n)
{
	uint64_t step = ways[0]->step;
	size_t i;

	/* a list, or a tree */
	if (node->steps_count && node->size_bytes && node->size_bytes == ways[0]->size_bytes) {
		for (i = 1; i < n; i++)
			step = is_folded(ways[i]) ? step : chp_step_add(step, ways[i]->offset);
		for (i = 0; i < n; i++)
			ways[i]->step = n > SIZES_MAX ? CH_STEP_ARRAY : step;
		return;
	}
	fold_arrays(ways, n, false);
	if (n <= SAME_SIZE_MAX)
		return;
	for (i = 0; i < n; i++)
		ways[i]->step = CH_STEP_ARRAY;
}

/* Ways of one node; one: what it is of is known to be one thing. */
static void fold_node(struct ch_hold_node *node, bool one, struct ch_hold_way **ways, size_t n)
{
	size_t i, end;

	for (i = 0; node->folded && i < n; i++)
		ways[i]->step = CH_STEP_ARRAY;
	if (one)
		fold_arrays(ways, n, true);
	qsort(ways, n, sizeof(*ways), by_size);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && ways[end]->size_bytes == ways[i]->size_bytes;)
			end++;
		fold_size(node, ways + i, end - i);
	}
	qsort(ways, n, sizeof(*ways), by_step);
	node->words_count = 0;
	node->folded = false;
}

static uint64_t second_of(uint64_t step)
{
	return (step & CH_STEP_OFFSET) + 8 * (step >> CH_STEP_SHIFT & CH_STEP_WORDS_MAX);
}

/* Whether all offsets of a step are ones of another; neither is an array. */
static bool is_within(uint64_t step, uint64_t other)
{
	return !((step | other) & CH_STEP_ARRAY) && !(step & CH_STEP_MORE) &&
	       chp_step_has(other, step & CH_STEP_OFFSET) &&
	       (!(step & CH_STEP_SECOND) || chp_step_has(other, second_of(step)));
}

/* A chain by the offsets of both. */
static uint64_t chain_of(uint64_t step, uint64_t other)
{
	step = chp_step_add(step, other & CH_STEP_OFFSET);
	if (other & CH_STEP_SECOND)
		step = chp_step_add(step, second_of(other));
	return step | CH_STEP_CHAIN | (other & CH_STEP_MORE);
}

static uint32_t last_of(const struct ch_hold_node *node)
{
	return (node->steps_count < CH_HOLD_STEPS ? node->steps_count : CH_HOLD_STEPS) - 1;
}

/* Steps before a chain that are of it, too, are part of it. */
static void shorten(struct ch_hold_node *node)
{
	uint32_t last = last_of(node);

	while (node->steps_count > 2 && last > 1 && node->steps[last] & CH_STEP_CHAIN &&
	       is_within(node->steps[last - 1], node->steps[last])) {
		node->steps[last - 1] = node->steps[last];
		if (node->steps_count <= CH_HOLD_STEPS) {
			node->steps[last--] = 0;
			node->steps_count--;
			continue;
		}
		/* which ones were left out is not known any more */
		node->steps[last] = node->steps[last - 1];
		node->steps[last - 1] = node->steps[last - 2];
		node->steps[1] = CH_STEP_UNKNOWN;
	}
}

/* Whether a step to blocks of this size is one more of a chain that the last step of a node is
 * of: that is such a chain already, the same step was taken twice, or it goes back to the size
 * from which the step before the last one led, by the same offset. */
static bool repeats(const struct ch_hold_node *from, uint64_t step, uint64_t size_bytes)
{
	uint64_t last, before = CH_STEP_ARRAY;

	if (from->steps_count < 2)
		return false;
	last = from->steps[last_of(from)];
	if (last_of(from) > 1)
		before = from->steps[last_of(from) - 1];
	if (is_within(step, last) && (last & CH_STEP_CHAIN || before == last))
		return true;
	return !(last & CH_STEP_ARRAY) && is_within(step, before) &&
	       size_bytes == from->before_bytes;
}

/* Make of a node what a step leads to. */
static void attach(struct ch_hold_node *node, uint64_t step, uint64_t size_bytes)
{
	if (repeats(node, step, size_bytes)) {
		node->steps[last_of(node)] = chain_of(node->steps[last_of(node)], step);
		shorten(node);
	} else {
		if (node->steps_count >= CH_HOLD_STEPS)
			memmove(&node->steps[1], &node->steps[2],
				(CH_HOLD_STEPS - 2) * sizeof(node->steps[0]));
		node->steps_count++;
		node->steps[last_of(node)] = step;
	}
	node->is_chain = node->steps_count > 1 && size_bytes && node->size_bytes == size_bytes;
	node->before_bytes = node->size_bytes;
	node->size_bytes = size_bytes;
}

static uint32_t node_of(struct ch_holding *holding, const struct ch_hold_way *way,
			uint64_t size_bytes)
{
	struct ch_hold_node node = *node_at(holding, way->from);
	uint32_t number;

	attach(&node, way->step, size_bytes);
	node.inside = way->inside;
	node.from = way->from;
	node.step = way->step;
	node.head_of = node.found_count = node.links_count = 0;
	number = intern(holding, &node);
	if (number != CH_ID_NONE && number != way->from && node.is_chain)
		node_at(holding, way->from)->head_of = number;
	return number;
}

/* Make nodes of the ways of one step. */
static struct ch_error *make_nodes(struct ch_holding *holding, struct ch_hold_way **ways, size_t n)
{
	size_t i, sizes = 1;

	for (i = 1; i < n; i++)
		sizes += ways[i]->size_bytes != ways[i - 1]->size_bytes;
	for (i = 0; i < n; i++) {
		ways[i]->to =
			node_of(holding, ways[i], sizes > SIZES_MAX ? 0 : ways[i]->size_bytes);
		if (ways[i]->to == CH_ID_NONE && !holding->full)
			return &ch_enomem;
	}
	return NULL;
}

/* A block or a variable is one thing, but a page of variables without symbols is not. */
static bool is_one(const struct ch_holding *holding, uint32_t number)
{
	const struct ch_hold_node *node = node_at(holding, number);
	const struct ch_place *place = CH_VEC_AT(&holding->places, struct ch_place, node->place);

	return node->steps_count || (place->kind != CH_PLACE_DATA && place->kind != CH_PLACE_TLS);
}

static struct ch_error *fold_all(struct ch_holding *holding, struct ch_hold_way **ways, size_t n)
{
	struct ch_error *err = NULL;
	size_t i, k, end, behind;

	qsort(ways, n, sizeof(*ways), by_offset);
	for (i = 0; !err && i < n; i = end) {
		for (end = i + 1; end < n && ways[end]->from == ways[i]->from;)
			end++;
		fold_node(node_at(holding, ways[i]->from), is_one(holding, ways[i]->from), ways + i,
			  end - i);
		for (k = i; !err && k < end; k = behind) {
			for (behind = k + 1; behind < end && ways[behind]->step == ways[k]->step;)
				behind++;
			err = make_nodes(holding, ways + k, behind - k);
		}
	}
	return err;
}

/* ---- At the end ------------------------------------------------------------------------ */

/* What a node is called: from there on, and as the first link of a chain. */
struct told {
	struct ch_hold_node own, shown;
};

/* A node's step from another one, and the links that were found. */
static void tell_step(struct ch_hold_node *told, const struct ch_hold_node *node)
{
	attach(told, node->step, node->size_bytes);
	if (node->links_count) {
		told->steps[last_of(told)] =
			chain_of(told->steps[last_of(told)], node->steps[last_of(node)]);
		shorten(told);
	}
}

/* The first block of a list is found by another word than the others. It is one of them if links
 * lead on from the next one: one in LINKS_PART at least, for where these are fewer, blocks of the
 * same size happen to point at each other. */
static bool is_head(const struct ch_hold_node *nodes, const struct ch_hold_node *node)
{
	const struct ch_hold_node *chain = &nodes[node->head_of];

	return node->head_of && chain->links_count &&
	       chain->links_count >= chain->found_count / LINKS_PART;
}

static void tell(const struct ch_hold_node *nodes, uint32_t number, struct told *told)
{
	const struct ch_hold_node *node = &nodes[number];
	struct told *ret = &told[number];

	if (!node->steps_count) {
		ret->own = ret->shown = *node;
		return;
	}
	/* made after what it is from */
	ret->own =
		nodes[node->from].head_of == number ? told[node->from].own : told[node->from].shown;
	tell_step(&ret->own, node);
	ret->shown = ret->own;
	if (is_head(nodes, node))
		tell_step(&ret->shown, &nodes[node->head_of]);
}

struct ch_error *chp_holding_unite(struct ch_holding *holding, uint32_t **ret)
{
	uint32_t count = (uint32_t)holding->nodes.count,
		 *same = calloc(count + 1ULL, sizeof(*same));
	struct told *told = calloc(count + 1ULL, sizeof(*told));
	struct ch_error *err = same && told ? NULL : &ch_enomem;
	uint32_t i;

	*ret = same;
	for (i = 0; !err && i < count; i++)
		tell(holding->nodes.items, i, told);
	ch_table_deinit(&holding->nodes_by);
	holding->nodes.count = 0;
	for (i = 0; !err && i < count; i++) {
		same[i] = intern(holding, &told[i].shown);
		if (same[i] == CH_ID_NONE)
			err = &ch_enomem;
	}
	free(told);
	return err;
}

struct ch_error *chp_holding_fold(struct ch_holding *holding)
{
	struct ch_hold_way **ways = calloc(holding->ways.count + 1, sizeof(*ways));
	struct ch_error *err;
	size_t i;

	if (!ways)
		return &ch_enomem;
	for (i = 0; i < holding->ways.count; i++)
		ways[i] = CH_VEC_AT(&holding->ways, struct ch_hold_way, i);
	err = fold_all(holding, ways, holding->ways.count);
	free(ways);
	ch_table_deinit(&holding->words_by);
	ch_table_deinit(&holding->ways_by);
	holding->word_sizes.count = 0;
	return err;
}
