/*
 * At which distances from the start of blocks of one size a program keeps its pointers to them:
 * such a distance is as good as a pointer to the first byte, and any other pointer inside is
 * chance.
 */
#include "graph/offsets.h"

#include <coreheap/leaks.h>

#include "graph/tally.h"
#include "util/context.h"
#include "util/search.h"

/*
 * A distance is a rule for a size when so many blocks of it are pointed at there, and
 * at least this part of all those of the size that are pointed at inside. A word that
 * looks like an address by chance, or a pointer that was forgotten, leads anywhere: it
 * makes no rule, and holds a block of a rule's size only where it hits that very byte.
 */
#define BLOCKS_MIN 10
#define PART_OF    4
/* Of the blocks that no rule of their size holds, whatever their sizes, as an allocator
 * makes them that puts a header before what it hands out: of those that are pointed at so
 * near to their beginning this part, and so many sizes. */
#define HEADER_BYTES_MAX 128
#define PART_OF_REST     2
#define SIZES_MIN        8

/* Nodes between two looks at the rest of the world. */
#define PACE 65536

/*
 * malloc of glibc keeps the addresses of chunks, which begin 8 bytes before the end of the
 * block below, in blocks that are free; what comes to use one of these again may leave them
 * there. Such a word means the next block, and holds this one no more than that.
 */
#define NEXT_HEADER_BYTES 8

static bool is_next_header(uint64_t size, uint64_t offset)
{
	return offset + NEXT_HEADER_BYTES == size;
}

struct survey {
	const struct ch_graph *graph;
	const uint64_t *population;
	const ch_inner *insides;
	/* Blocks by size; by size and distance, of sizes that have enough of them. */
	struct ch_tallies sizes, places;
	/* Of blocks that no rule of their size holds, and that are pointed at near to their
	 * beginning: how many; by distance; by distance and size, of the most. */
	uint64_t rest_count;
	struct ch_tallies distances, spread;
	struct ch_offsets *offsets;
};

static struct ch_error *count_one(struct ch_tallies *tallies, uint64_t size, uint64_t offset)
{
	struct ch_tally *tally = chp_tally_of(tallies, (uint32_t)offset, size);

	if (!tally)
		return &ch_enomem;
	tally->count++;
	return NULL;
}

/* Call fn with both distances of a block, those that it has. */
static struct ch_error *each_place(struct survey *survey, uint64_t size, ch_inner inside,
				   struct ch_error *(*fn)(struct survey *survey, uint64_t size,
							  uint64_t offset))
{
	uint64_t first = inside & CH_INSIDE_MASK;
	uint64_t second = inside >> CH_INSIDE_BITS & CH_INSIDE_MASK;
	struct ch_error *err = NULL;

	if (first && !is_next_header(size, first))
		err = fn(survey, size, first);
	if (!err && second && !is_next_header(size, second))
		err = fn(survey, size, second);
	return err;
}

static struct ch_error *count_distance(struct survey *survey, uint64_t size, uint64_t offset)
{
	(void)size;
	return count_one(&survey->distances, 0, offset);
}

static struct ch_error *count_size(struct survey *survey, uint64_t size, ch_inner inside)
{
	(void)inside;
	return count_one(&survey->sizes, size, 0);
}

static struct ch_error *count_place(struct survey *survey, uint64_t size, uint64_t offset)
{
	return count_one(&survey->places, size, offset);
}

static bool is_most(const struct survey *survey, uint64_t count)
{
	return count >= BLOCKS_MIN && count >= survey->rest_count / PART_OF_REST;
}

static struct ch_error *count_spread(struct survey *survey, uint64_t size, uint64_t offset)
{
	const struct ch_tally *tally = chp_tally_of(&survey->distances, (uint32_t)offset, 0);

	if (!tally)
		return &ch_enomem;
	return is_most(survey, tally->count) ? count_one(&survey->spread, size, offset) : NULL;
}

static struct ch_error *count_places(struct survey *survey, uint64_t size, ch_inner inside)
{
	const struct ch_tally *tally = chp_tally_of(&survey->sizes, 0, size);

	if (!tally)
		return &ch_enomem;
	return tally->count < BLOCKS_MIN ? NULL : each_place(survey, size, inside, count_place);
}

static bool is_rest(const struct survey *survey, uint64_t size, ch_inner inside)
{
	uint64_t first = inside & CH_INSIDE_MASK;

	return first && first <= HEADER_BYTES_MAX &&
	       !chp_offsets_rule_of(survey->offsets, size, inside);
}

static struct ch_error *count_rest(struct survey *survey, uint64_t size, ch_inner inside)
{
	if (!is_rest(survey, size, inside))
		return NULL;
	survey->rest_count++;
	return each_place(survey, size, inside, count_distance);
}

static struct ch_error *spread_rest(struct survey *survey, uint64_t size, ch_inner inside)
{
	return is_rest(survey, size, inside) ? each_place(survey, size, inside, count_spread)
					     : NULL;
}

static struct ch_error *each(struct survey *survey,
			     struct ch_error *(*fn)(struct survey *survey, uint64_t size,
						    ch_inner inside))
{
	const struct ch_graph *graph = survey->graph;
	struct ch_error *err = NULL;
	uint64_t bits, seen = 0;
	uint32_t word, id;

	for (word = 0; !err && word <= graph->index->objects_count / 64; word++) {
		for (bits = survey->population[word]; !err && bits; bits &= bits - 1) {
			id = word * 64 + (uint32_t)__builtin_ctzll(bits);
			/* of a runtime's own objects nothing is kept */
			if (survey->insides[id])
				err = fn(survey, ch_graph_size_bytes(graph, id),
					 survey->insides[id]);
			if (!err && ++seen % PACE == 0)
				err = chp_context_check(graph->ctx);
		}
	}
	return err;
}

static int compare_rules(const void *a, const void *b)
{
	const struct ch_offset_rule *x = a, *y = b;

	if (x->size_bytes != y->size_bytes)
		return x->size_bytes < y->size_bytes ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static struct ch_error *add_rule(struct ch_offsets *offsets, uint64_t size, uint32_t offset)
{
	struct ch_offset_rule *rule = ch_vec_push(&offsets->rules);

	if (!rule)
		return &ch_enomem;
	*rule = (struct ch_offset_rule){ .size_bytes = size, .offset = offset };
	return NULL;
}

static struct ch_error *judge_sizes(struct survey *survey)
{
	const struct ch_tally *place, *size;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < survey->places.rows.count; i++) {
		place = CH_VEC_AT(&survey->places.rows, struct ch_tally, i);
		size = chp_tally_of(&survey->sizes, 0, place->what);
		if (!size)
			return &ch_enomem;
		/* too many to tell apart */
		if (place->what == CH_TALLY_OTHER)
			continue;
		if (place->count >= BLOCKS_MIN && place->count >= size->count / PART_OF)
			err = add_rule(survey->offsets, place->what, place->group);
	}
	ch_vec_sort(&survey->offsets->rules, compare_rules);
	return err;
}

static struct ch_error *judge_distances(struct survey *survey)
{
	const struct ch_tally *tally;
	struct ch_error *err = NULL;
	size_t i, k, sizes;

	for (i = 0; !err && i < survey->distances.rows.count; i++) {
		tally = CH_VEC_AT(&survey->distances.rows, struct ch_tally, i);
		if (tally->what == CH_TALLY_OTHER || tally->group > HEADER_BYTES_MAX ||
		    !is_most(survey, tally->count))
			continue;
		for (sizes = k = 0; k < survey->spread.rows.count; k++)
			sizes += CH_VEC_AT(&survey->spread.rows, struct ch_tally, k)->group ==
				 tally->group;
		if (sizes >= SIZES_MIN)
			err = add_rule(survey->offsets, 0, tally->group);
	}
	ch_vec_sort(&survey->offsets->rules, compare_rules);
	return err;
}

struct ch_error *chp_offsets_find(const struct ch_graph *graph, const uint64_t *population,
				  const ch_inner *insides, struct ch_offsets *ret)
{
	struct survey survey = { .graph = graph,
				 .population = population,
				 .insides = insides,
				 .offsets = ret,
				 .sizes = CH_TALLIES(NULL),
				 .places = CH_TALLIES(NULL),
				 .distances = CH_TALLIES(NULL),
				 .spread = CH_TALLIES(NULL) };
	struct ch_error *err;

	*ret = (struct ch_offsets){ .rules = CH_VEC(struct ch_offset_rule) };
	err = each(&survey, count_size);
	if (!err)
		err = each(&survey, count_places);
	if (!err)
		err = judge_sizes(&survey);
	if (!err)
		err = each(&survey, count_rest);
	if (!err)
		err = each(&survey, spread_rest);
	if (!err)
		err = judge_distances(&survey);
	chp_tallies_deinit(&survey.sizes);
	chp_tallies_deinit(&survey.places);
	chp_tallies_deinit(&survey.distances);
	chp_tallies_deinit(&survey.spread);
	return err;
}

static struct ch_offset_rule *find_rule(const struct ch_vec *list, uint64_t size, uint64_t offset)
{
	const struct ch_offset_rule key = { .size_bytes = size, .offset = offset };
	struct ch_offset_rule *rules = list->items;
	size_t low = ch_search(rules, list->count, it, compare_rules(it, &key) < 0);

	return low < list->count && !compare_rules(&rules[low], &key) ? &rules[low] : NULL;
}

struct ch_offset_rule *chp_offsets_rule(const struct ch_offsets *offsets, uint64_t size,
					uint64_t offset)
{
	struct ch_offset_rule *rule;

	if (is_next_header(size, offset))
		return NULL;
	rule = find_rule(&offsets->rules, size, offset);
	return rule ? rule : find_rule(&offsets->rules, 0, offset);
}

struct ch_offset_rule *chp_offsets_rule_of(const struct ch_offsets *offsets, uint64_t size,
					   ch_inner inside)
{
	uint64_t first = inside & CH_INSIDE_MASK, second = inside >> CH_INSIDE_BITS;
	struct ch_offset_rule *rule = first ? chp_offsets_rule(offsets, size, first) : NULL;

	second &= CH_INSIDE_MASK;
	return rule || !second ? rule : chp_offsets_rule(offsets, size, second);
}

bool chp_offsets_known(const struct ch_graph *graph, uint32_t id, uint64_t value)
{
	const struct ch_vec *rules = &graph->offset_rules;
	uint64_t offset;

	if (!rules->count)
		return false;
	offset = value - ch_graph_addr(graph, id);
	return find_rule(rules, ch_graph_size_bytes(graph, id), offset) ||
	       find_rule(rules, 0, offset);
}

void chp_offsets_deinit(struct ch_offsets *offsets)
{
	ch_vec_deinit(&offsets->rules);
}
