/*
 * Who holds blocks that have mappings of their own of the same size.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/suspects.h"
#include "graph/reverse.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Blocks looked at, and types of what points at them. */
#define BLOCKS_MAX 65536
#define TYPES_MAX  256
/* Words looked at of a block that points at one, and of all of them. */
#define EDGES_MAX     4096
#define ALL_EDGES_MAX (1U << 26)
/* What it costs to ask for an object, in words. */
#define OBJECT_COST 256

struct owner {
	uint32_t walker;
	uint64_t type;
	/* Of it, for its name. */
	uint32_t sample;
	uint64_t live, dead;
	/* The blocks counted last, 1-based: each counts once. */
	uint64_t last_live, last_dead;
};

struct owners {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	const struct ch_retained *retained;
	struct owner items[TYPES_MAX];
	size_t count;
	/* Words that may still be looked at. */
	uint64_t left;
};

static struct owner *owner_of(struct owners *owners, uint32_t source)
{
	const struct ch_span *spans;
	const struct ch_heap *heaps;
	struct ch_object object;
	struct owner *owner;
	uint32_t walker;
	size_t i, count;

	if (!ch_graph_object(owners->graph, source, &object))
		return NULL;
	spans = ch_heaps_spans(owners->heaps, &count);
	heaps = ch_heaps_list(owners->heaps, &count);
	walker = heaps[spans[object.span].heap].walker;
	for (i = 0; i < owners->count; i++)
		if (owners->items[i].walker == walker &&
		    owners->items[i].type == ch_object_type_id(&object))
			return &owners->items[i];
	if (owners->count == TYPES_MAX)
		return NULL;
	owner = &owners->items[owners->count++];
	*owner = (struct owner){ .walker = walker,
				 .type = ch_object_type_id(&object),
				 .sample = source };
	return owner;
}

/* Whether one of the words of source holds the address of target's first byte. */
static bool points_at_start(struct owners *owners, uint32_t source, uint32_t target)
{
	struct ch_edge edges[64];
	uint64_t offset = 0;
	size_t n, i, seen;

	for (seen = 0; seen < EDGES_MAX && owners->left; seen += n) {
		n = ch_graph_edges(owners->graph, source, &offset, edges, CH_COUNT_OF(edges));
		owners->left -= ch_min(owners->left, n + 1);
		for (i = 0; i < n; i++)
			if (edges[i].target == target && !edges[i].interior)
				return true;
		if (!n)
			break;
	}
	return false;
}

/* What points at the block, the number-th one. */
static void count_owners(struct owners *owners, const struct ch_reverse *reverse, uint32_t target,
			 uint64_t number)
{
	struct ch_retained_row row;
	struct owner *owner;
	uint32_t k;

	for (k = reverse->start[target]; k < reverse->start[target + 1] && owners->left; k++) {
		if (!points_at_start(owners, reverse->sources[k], target))
			continue;
		owners->left -= ch_min(owners->left, OBJECT_COST);
		owner = owner_of(owners, reverse->sources[k]);
		if (!owner)
			continue;
		if (ch_retained_row(owners->retained, reverse->sources[k], &row)) {
			owner->live += owner->last_live != number;
			owner->last_live = number;
		} else {
			owner->dead += owner->last_dead != number;
			owner->last_dead = number;
		}
	}
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
	const struct ch_runtime *runtimes;
	struct ch_suspect_owner *slot;
	struct ch_error *err = NULL;
	struct owner *owner;
	size_t i, count;

	qsort(owners->items, owners->count, sizeof(owners->items[0]), compare_live);
	runtimes = ch_heaps_runtimes(owners->heaps, &count);
	suspect->owners_dead = owners->count && !owners->items[0].live;
	for (i = 0; !err && i < owners->count && suspect->owners_count < CH_SUSPECT_OWNERS; i++) {
		owner = &owners->items[i];
		slot = &suspect->owners[suspect->owners_count];
		slot->count = suspect->owners_dead ? owner->dead : owner->live;
		if (!slot->count)
			break;
		slot->runtime = runtimes[owner->walker].name;
		err = chp_node_type_name(owners->graph, owners->heaps, owner->sample, &slot->name);
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

	err = chp_reverse_borrow(owners->graph, false, &reverse);
	if (err)
		return err;
	for (i = 0; i < count; i++)
		count_owners(owners, &reverse, targets[i], i + 1);
	chp_reverse_return(owners->graph, false, &reverse);
	return name_owners(owners, suspect);
}

static struct ch_suspect *find_suspect(const struct ch_summary *summary)
{
	struct ch_suspect *suspects = summary->suspects.items;
	size_t i;

	for (i = 0; i < summary->suspects.count; i++)
		if (suspects[i].rule == CH_RULE_EQUAL_MAPPINGS)
			return &suspects[i];
	return NULL;
}

struct ch_error *chp_suspect_mapped(struct ch_suspecting *suspecting, struct ch_graph *graph,
				    const struct ch_retained *retained)
{
	struct ch_suspect *suspect = find_suspect(suspecting->summary);
	const uint64_t *addrs = suspecting->equal.items;
	_cleanup_free_ uint32_t *targets = NULL;
	_cleanup_free_ struct owners *owners = NULL;
	struct ch_error *err = NULL;
	size_t i, count = 0;
	uint32_t id;

	if (!suspect || !suspecting->equal.count)
		return NULL;
	targets = calloc(BLOCKS_MAX, sizeof(*targets));
	owners = calloc(1, sizeof(*owners));
	if (!targets || !owners)
		return &ch_enomem;
	owners->graph = graph;
	owners->heaps = suspecting->summary->heaps;
	owners->retained = retained;
	owners->left = ALL_EDGES_MAX;
	for (i = 0; i < suspecting->equal.count && count < BLOCKS_MAX; i++) {
		id = ch_graph_node_at(graph, addrs[i]);
		if (id != CH_ID_NONE)
			targets[count++] = id;
	}
	if (count)
		err = find_owners(owners, targets, count, suspect);
	if (!err && count)
		err = chp_suspect_chain(suspecting, graph, targets, count, &suspect->chain);
	if (!err && suspect->chain.steps_count) {
		suspect->sample_addr = suspect->chain.steps[suspect->chain.steps_count - 1].addr;
		chp_suspect_next(suspect, "roots", suspect->sample_addr);
	}
	return err;
}
