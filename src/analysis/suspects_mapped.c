/*
 * Who holds blocks that have mappings of their own of the same size.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/suspects.h"
#include "graph/reverse.h"
#include "graph/tally.h"
#include "heap/type_table.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Sources that are remembered. */
#define SOURCES 1024
/* Of a source that is nobody's. */
#define NOBODY UINT32_MAX

struct owner {
	uint32_t type;
	/* Of it, for its name. */
	uint32_t sample;
	uint64_t live, dead;
	/* The blocks counted last, 1-based: each counts once. */
	uint64_t last_live, last_dead;
};

/* What is known of a block that points at one. */
struct source {
	/* Index of its owner. */
	uint32_t id, owner;
	bool live;
};

struct owners {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	const struct ch_retained *retained;
	/* of struct owner; by type: most_id is the index, once count is 1 */
	struct ch_vec list;
	struct ch_tallies types;
	/* A bit for each id: the blocks themselves, which own no others. */
	uint64_t *group;
	/* The last sources, by the low bits of their ids: many point at many. */
	struct source sources[SOURCES];
};

static struct ch_error *find_owner(struct owners *owners, uint32_t source, uint32_t *ret)
{
	struct ch_object object;
	struct ch_tally *tally;
	struct owner *owner;

	*ret = NOBODY;
	if (!ch_graph_object(owners->graph, source, &object))
		return NULL;
	tally = chp_tally_of(&owners->types, 0, object.type);
	if (!tally)
		return &ch_enomem;
	if (!tally->count) {
		owner = ch_vec_push(&owners->list);
		if (!owner)
			return &ch_enomem;
		*owner = (struct owner){ .type = object.type, .sample = source };
		tally->count = 1;
		tally->most_id = (uint32_t)owners->list.count - 1;
	}
	*ret = tally->most_id;
	return NULL;
}

static struct ch_error *find_source(struct owners *owners, uint32_t id, const struct source **ret)
{
	struct source *source = &owners->sources[id % SOURCES];
	struct ch_retained_row row;
	struct ch_error *err;

	*ret = source;
	if (source->id == id)
		return NULL;
	err = find_owner(owners, id, &source->owner);
	source->id = err ? CH_ID_NONE : id;
	source->live = !err && ch_retained_row(owners->retained, id, &row);
	return err;
}

/* What points at the first byte of the block, the number-th one. */
static struct ch_error *count_owners(struct owners *owners, const struct ch_reverse *reverse,
				     uint32_t target, uint64_t number)
{
	const struct source *source;
	struct ch_error *err = NULL;
	struct owner *owner;
	uint32_t k;

	for (k = reverse->start[target]; !err && k < reverse->start[target + 1]; k++) {
		if (chp_reverse_inner(reverse, k) ||
		    owners->group[reverse->sources[k] / 64] >> (reverse->sources[k] % 64) & 1)
			continue;
		err = find_source(owners, reverse->sources[k], &source);
		if (err || source->owner == NOBODY)
			continue;
		owner = CH_VEC_AT(&owners->list, struct owner, source->owner);
		if (source->live) {
			owner->live += owner->last_live != number;
			owner->last_live = number;
		} else {
			owner->dead += owner->last_dead != number;
			owner->last_dead = number;
		}
	}
	return err;
}

static int compare_live(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->live != y->live)
		return x->live > y->live ? -1 : 1;
	if (x->dead != y->dead)
		return x->dead > y->dead ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Those that a root holds; if there are none, the others. */
static struct ch_error *name_owners(struct owners *owners, struct ch_suspect *suspect)
{
	const struct owner *list = owners->list.items;
	const struct ch_runtime *runtimes;
	struct ch_suspect_owner *slot;
	struct ch_error *err = NULL;
	size_t i, count;

	ch_vec_sort(&owners->list, compare_live);
	runtimes = ch_heaps_runtimes(owners->heaps, &count);
	suspect->owners_dead = owners->list.count && !list[0].live;
	for (i = 0; !err && i < owners->list.count; i++) {
		if (!(suspect->owners_dead ? list[i].dead : list[i].live))
			break;
		suspect->owners_total++;
		if (suspect->owners_count == CH_SUSPECT_OWNERS)
			continue;
		slot = &suspect->owners[suspect->owners_count];
		slot->count = suspect->owners_dead ? list[i].dead : list[i].live;
		slot->runtime = runtimes[chp_type_walker(owners->heaps, list[i].type)].name;
		err = chp_node_type_name(owners->graph, owners->heaps, list[i].sample, &slot->name);
		suspect->owners_count += !err;
	}
	return err;
}

static struct ch_error *find_owners(struct owners *owners, const uint32_t *targets, size_t count,
				    struct ch_suspect *suspect)
{
	struct ch_reverse reverse;
	struct ch_error *err;
	size_t i;

	for (i = 0; i < SOURCES; i++)
		owners->sources[i].id = CH_ID_NONE;
	err = chp_reverse_borrow(owners->graph, &reverse);
	if (err)
		return err;
	for (i = 0; !err && i < count; i++)
		err = count_owners(owners, &reverse, targets[i], i + 1);
	chp_reverse_return(owners->graph, &reverse);
	return err ? err : name_owners(owners, suspect);
}

static struct ch_suspect *find_suspect(const struct ch_suspecting *suspecting)
{
	struct ch_suspect *suspects = suspecting->suspects->items;
	size_t i;

	for (i = 0; i < suspecting->suspects->count; i++)
		if (suspects[i].rule == CH_RULE_EQUAL_MAPPINGS)
			return &suspects[i];
	return NULL;
}

struct ch_error *chp_suspect_mapped(struct ch_suspecting *suspecting, struct ch_graph *graph,
				    const struct ch_retained *retained)
{
	struct ch_suspect *suspect = find_suspect(suspecting);
	const uint64_t *addrs = suspecting->equal.items;
	_cleanup_free_ uint32_t *targets = NULL;
	_cleanup_free_ struct owners *owners = NULL;
	_cleanup_free_ uint64_t *group = NULL;
	struct ch_error *err = NULL;
	size_t i, count = 0;
	uint32_t id;

	if (!suspect || !suspecting->equal.count)
		return NULL;
	targets = calloc(suspecting->equal.count, sizeof(*targets));
	owners = malloc(sizeof(*owners));
	group = calloc(ch_graph_objects_count(graph) / 64 + 1ULL, sizeof(*group));
	if (!targets || !owners || !group)
		return &ch_enomem;
	*owners = (struct owners){ .graph = graph,
				   .heaps = suspecting->heaps,
				   .retained = retained,
				   .group = group,
				   .list = CH_VEC(struct owner),
				   .types = CH_TALLIES(suspecting->heaps) };
	for (i = 0; i < suspecting->equal.count; i++) {
		id = ch_graph_node_at(graph, addrs[i]);
		if (id == CH_ID_NONE)
			continue;
		targets[count++] = id;
		group[id / 64] |= 1ULL << (id % 64);
	}
	if (count)
		err = find_owners(owners, targets, count, suspect);
	ch_vec_deinit(&owners->list);
	chp_tallies_deinit(&owners->types);
	if (!err && count)
		err = chp_suspect_chain(suspecting, graph, targets, count, &suspect->chain);
	if (!err && suspect->chain.steps_count) {
		suspect->sample_addr = suspect->chain.steps[suspect->chain.steps_count - 1].addr;
		chp_suspect_next(suspect, "roots", suspect->sample_addr);
	}
	return err;
}
