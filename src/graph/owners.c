/*
 * Native memory by the object or block that owns it, and mapped files by who has their address:
 * one owner a block, the surest, summed up by its type.
 */
#include "graph/owners.h"

#include <stdlib.h>

#include "graph/mark.h"
#include "graph/pieces.h"
#include "graph/retained.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* Nodes between two looks at the rest of the world. */
#define PACE 4096

/* A mapping of a file, and who has its address. */
struct mapping {
	uint64_t start, bytes;
	uint32_t owner;
};

/* What a thing is owned by, and how much it is. */
struct owned {
	uint32_t owner;
	uint64_t blocks, bytes, mappings, mapped;
	/* As its runtime calls it; NULL: only its address was found. */
	const char *label;
};

/* A block that a runtime knows to be owned. */
struct known {
	uint32_t id;
	const char *label;
};

struct search {
	struct ch_graph *graph;
	const struct ch_retained *retained;
	struct ch_owners *ret;
	/* By id, of native blocks: the owner. */
	uint32_t *owners;
	/* of struct known; and a bit for each id that is in it */
	struct ch_vec known;
	uint64_t *known_bits;
	/* No memory for one of known. */
	bool failed;
	/* of struct mapping, ascending; and how far apart the ends are. */
	struct ch_vec mappings;
	uint64_t mappings_low, mappings_span;
	/* The node under way. */
	uint32_t source;
	struct ch_pieces pieces;
	/* of struct owned */
	struct ch_vec list;
};

/* ---- Who has the address ------------------------------------------------------------ */

static bool is_held(const struct search *search, uint32_t id)
{
	return search->retained->number[id] != CH_DOMINATOR_ROOT;
}

static uint32_t rank_of(const struct search *search, uint32_t id)
{
	const struct ch_traced *traced = chp_index_span_of(search->graph->index, id)->traced;

	return traced->tracer->owner_rank
		       ? traced->tracer->owner_rank(traced->state, ch_graph_addr(search->graph, id))
		       : 0;
}

/* The node under way has the address of what *owner owns until now. */
static void consider(const struct search *search, uint32_t *owner)
{
	const uint32_t one = search->source;
	bool held = is_held(search, one);

	if (*owner == one)
		return;
	if (*owner == CH_ID_NONE || (held && !is_held(search, *owner)) ||
	    (held == is_held(search, *owner) && rank_of(search, one) < rank_of(search, *owner)))
		*owner = one;
}

/* A position in a file need not begin a page: an address in the first one is the mapping's. */
static void take_mapping(struct search *search, uint64_t value)
{
	struct mapping *list = search->mappings.items;
	size_t low;

	if (value - search->mappings_low >= search->mappings_span)
		return;
	low = ch_search(list, search->mappings.count, it, it->start <= value);
	if (low && rank_of(search, search->source) < CH_OWNER_RUNTIME &&
	    value - list[low - 1].start < ch_min(list[low - 1].bytes, CH_PAGE_BYTES))
		consider(search, &list[low - 1].owner);
}

/* The node under way owns a block, says its runtime. */
static void take_native(void *arg, const struct ch_native *native)
{
	struct search *search = arg;
	const struct ch_index_span *span =
		chp_may_point_plain(search->graph->index, native->addr)
			? chp_index_span(search->graph->index, native->addr)
			: NULL;
	struct known *slot;
	uint64_t start;
	uint32_t id;

	if (!span || span->traced)
		return;
	id = chp_index_node(search->graph->index, span, native->addr, &start);
	if (id == CH_ID_NONE || chp_is_inner(search->graph->index, span, id, start, native->addr) ||
	    chp_bit(search->known_bits, id))
		return;
	slot = ch_vec_push(&search->known);
	search->failed |= !slot;
	if (!slot)
		return;
	*slot = (struct known){ id, native->label };
	search->known_bits[id / 64] |= 1ULL << (id % 64);
	search->owners[id] = search->source;
}

CH_INLINE void take_word(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	struct search *search = arg;
	const struct ch_index_span *span;
	uint64_t start;
	uint32_t id;

	/* references to other objects */
	if (exact && offset != UINT64_MAX)
		return;
	span = chp_may_point_plain(search->graph->index, value)
		       ? chp_index_span(search->graph->index, value)
		       : NULL;
	if (!span) {
		take_mapping(search, value);
		return;
	}
	id = span->traced ? CH_ID_NONE : chp_index_node(search->graph->index, span, value, &start);
	if (id != CH_ID_NONE && !chp_is_inner(search->graph->index, span, id, start, value) &&
	    !chp_bit(search->known_bits, id))
		consider(search, &search->owners[id]);
}

/* All nodes of a span whose runtime knows them. */
CH_RANKING static struct ch_error *look(struct search *search, const struct ch_index_span *span)
{
	const struct ch_graph *graph = search->graph;
	uint64_t addr = ch_graph_addr(graph, span->first_id);
	struct ch_error *err = NULL;
	uint32_t id;

	for (id = span->first_id; !err && id < span->first_id + span->count; id++) {
		if (chp_is_node(graph->index, id)) {
			search->source = id;
			chp_pieces_begin(&search->pieces, graph, span, id, addr,
					 chp_index_size(graph->index, span, id, addr));
			chp_pieces_visit(&search->pieces, take_word, search);
			if (span->traced->tracer->native)
				span->traced->tracer->native(span->traced->state, addr, take_native,
							     search);
		}
		addr = chp_index_next(span, id, addr);
		if (id % PACE == 0)
			err = chp_context_check(graph->ctx);
	}
	return err;
}

static struct ch_error *list_mappings(struct search *search)
{
	const struct ch_region *regions;
	struct mapping *slot;
	size_t count, i;

	regions = ch_map_regions(search->graph->map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].usage != CH_USAGE_FILE)
			continue;
		slot = ch_vec_push(&search->mappings);
		if (!slot)
			return &ch_enomem;
		*slot = (struct mapping){ .start = regions[i].start,
					  .bytes = regions[i].end - regions[i].start,
					  .owner = CH_ID_NONE };
		if (search->mappings.count == 1)
			search->mappings_low = regions[i].start;
		search->mappings_span = regions[i].end - search->mappings_low;
	}
	return NULL;
}

/* ---- How much it is ------------------------------------------------------------------ */

static struct ch_error *add_owned(struct search *search, const struct owned *one)
{
	struct owned *slot = ch_vec_push(&search->list);

	if (!slot)
		return &ch_enomem;
	*slot = *one;
	return NULL;
}

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static const char *label_of(const struct search *search, uint32_t id)
{
	const struct known key = { .id = id }, *found;

	if (!chp_bit(search->known_bits, id))
		return NULL;
	found = bsearch(&key, search->known.items, search->known.count, sizeof(key), compare_known);
	return found ? found->label : NULL;
}

/* A block with all that is held through it alone; what nothing holds stands for itself. A block
 * that something holds, but not its owner, is another's. */
static struct ch_error *add_block(struct search *search, uint32_t id)
{
	struct owned one = { .owner = search->owners[id],
			     .blocks = 1,
			     .label = label_of(search, id) };
	uint64_t bytes = chp_graph_weight(search->graph, id);
	struct ch_retained_row row;

	search->ret->native_count++;
	search->ret->native_bytes += bytes;
	if (one.owner == CH_ID_NONE)
		return NULL;
	one.bytes = bytes;
	if (ch_retained_row(search->retained, id, &row)) {
		if (!is_held(search, one.owner))
			return NULL;
		one.bytes = row.retained_bytes;
		one.blocks = row.retained_count;
	}
	return add_owned(search, &one);
}

static struct ch_error *add_all(struct search *search)
{
	const struct ch_index_span *spans = search->graph->index->spans.items;
	const struct mapping *mappings = search->mappings.items;
	struct ch_error *err = NULL;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < search->graph->index->spans.count; i++) {
		for (id = spans[i].first_id;
		     !err && !spans[i].traced && id < spans[i].first_id + spans[i].count; id++)
			if (chp_is_node(search->graph->index, id))
				err = add_block(search, id);
		if (!err)
			err = chp_context_check(search->graph->ctx);
	}
	for (i = 0; !err && i < search->mappings.count; i++)
		if (mappings[i].owner != CH_ID_NONE)
			err = add_owned(search, &(struct owned){ .owner = mappings[i].owner,
								 .mappings = 1,
								 .mapped = mappings[i].bytes });
	return err;
}

/* ---- By type ---------------------------------------------------------------------------- */

static void add_row(struct ch_owners_row *sum, const struct ch_owners_row *one)
{
	sum->owners_count += one->owners_count;
	sum->blocks_count += one->blocks_count;
	sum->blocks_bytes += one->blocks_bytes;
	sum->mappings_count += one->mappings_count;
	sum->mapped_bytes += one->mapped_bytes;
	if (one->sample_bytes > sum->sample_bytes) {
		sum->label = one->label;
		sum->sample_bytes = one->sample_bytes;
		sum->sample_addr = one->sample_addr;
	}
}

static int compare_owned(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static int compare_alike(const void *a, const void *b)
{
	const struct ch_owners_row *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->live != y->live)
		return x->live ? -1 : 1;
	return 0;
}

static int compare_order(const void *a, const void *b)
{
	const struct ch_owners_row *x = a, *y = b;

	if (!compare_alike(a, b))
		return x->sample_addr < y->sample_addr ? -1 : x->sample_addr > y->sample_addr;
	return compare_alike(a, b);
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_owners_row *x = a, *y = b;
	uint64_t more = x->blocks_bytes + x->mapped_bytes;
	uint64_t less = y->blocks_bytes + y->mapped_bytes;

	return more != less ? (more > less ? -1 : 1) : compare_alike(a, b);
}

/* One row for an owner. */
static struct ch_error *add_owner(struct search *search, const struct owned *all)
{
	struct ch_owners_row *row = ch_vec_push(&search->ret->rows);
	struct ch_object object;

	if (!row || !ch_graph_object(search->graph, all->owner, &object))
		return &ch_enomem;
	*row = (struct ch_owners_row){ .type = object.type,
				       .live = is_held(search, all->owner),
				       .owners_count = 1,
				       .blocks_count = all->blocks,
				       .blocks_bytes = all->bytes,
				       .mappings_count = all->mappings,
				       .mapped_bytes = all->mapped,
				       .label = all->label,
				       .sample_addr = object.addr,
				       .sample_bytes = all->bytes + all->mapped };
	add_row(&search->ret->total, row);
	return NULL;
}

static struct ch_error *group(struct search *search)
{
	struct owned *list = search->list.items, sum;
	struct ch_owners_row *rows;
	struct ch_error *err = NULL;
	size_t i, kept;

	ch_vec_sort(&search->list, compare_owned);
	for (i = 0; !err && i < search->list.count;) {
		for (sum = list[i++]; i < search->list.count && list[i].owner == sum.owner; i++) {
			sum.blocks += list[i].blocks;
			sum.bytes += list[i].bytes;
			sum.mappings += list[i].mappings;
			sum.mapped += list[i].mapped;
			sum.label = sum.label ? sum.label : list[i].label;
		}
		err = add_owner(search, &sum);
	}
	if (err)
		return err;
	ch_vec_sort(&search->ret->rows, compare_order);
	rows = search->ret->rows.items;
	for (i = kept = 0; i < search->ret->rows.count; i++) {
		if (kept && !compare_alike(&rows[kept - 1], &rows[i]))
			add_row(&rows[kept - 1], &rows[i]);
		else
			rows[kept++] = rows[i];
	}
	search->ret->rows.count = kept;
	ch_vec_sort(&search->ret->rows, compare_rows);
	return NULL;
}

struct ch_error *chp_owners_find(struct ch_graph *graph, const struct ch_retained *retained,
				 struct ch_owners *ret)
{
	struct search search = { .graph = graph,
				 .retained = retained,
				 .ret = ret,
				 .known = CH_VEC(struct known),
				 .mappings = CH_VEC(struct mapping),
				 .list = CH_VEC(struct owned) };
	const struct ch_index_span *spans = graph->index->spans.items;
	struct ch_error *err = &ch_enomem;
	size_t i;

	*ret = (struct ch_owners){ .rows = CH_VEC(struct ch_owners_row) };
	search.owners = calloc(graph->index->objects_count + 1ULL, sizeof(*search.owners));
	search.known_bits =
		calloc(graph->index->objects_count / 64 + 1ULL, sizeof(*search.known_bits));
	if (search.owners && search.known_bits) {
		for (i = 0; i < graph->index->objects_count; i++)
			search.owners[i] = CH_ID_NONE;
		err = list_mappings(&search);
	}
	for (i = 0; !err && i < graph->index->spans.count; i++)
		if (spans[i].traced && spans[i].count)
			err = look(&search, &spans[i]);
	if (search.failed)
		err = &ch_enomem;
	ch_vec_sort(&search.known, compare_known);
	if (!err)
		err = add_all(&search);
	if (!err)
		err = group(&search);
	free(search.owners);
	free(search.known_bits);
	ch_vec_deinit(&search.known);
	ch_vec_deinit(&search.mappings);
	ch_vec_deinit(&search.list);
	return err;
}

void chp_owners_deinit(struct ch_owners *owners)
{
	ch_vec_deinit(&owners->rows);
}
