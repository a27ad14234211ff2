/*
 * Who has the address of a mapping that no heap knows: blocks and roots that point at its first
 * page, the surest first.
 */
#include "analysis/mapping_holders.h"

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/error.h"

/* How sure a block is to have the mapping: smaller is surer. */
struct holder {
	uint32_t id, doubt;
};
/* It leads behind the first page; the block is not of a runtime that knows its objects. */
#define DOUBT_INSIDE 0x100
#define DOUBT_PLAIN  0x200
#define DOUBT_RANK   0xff

struct gathering {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	const struct ch_region *mapping;
	/* of struct holder */
	struct ch_vec holders;
};

struct ch_error *chp_mapping_at(struct ch_session *session, uint64_t addr,
				const struct ch_region **ret)
{
	const struct ch_region *region;
	struct ch_error *err;
	struct ch_map *map;

	err = ch_session_map(session, &map);
	if (err)
		return err;
	region = ch_map_region_at(map, addr);
	*ret = region && (region->usage == CH_USAGE_FILE || region->usage == CH_USAGE_ANON) ? region
											    : NULL;
	return NULL;
}

static struct ch_error *take_ref(void *arg, const struct ch_ref *ref)
{
	struct gathering *gathering = arg;
	struct holder holder = { .doubt = 0 }, *slot;
	struct ch_traced traced;

	if (ref->kind != CH_REF_OBJECT || !ref->has_owner)
		return NULL;
	holder.id = ch_graph_node_at(gathering->graph, ref->owner.addr);
	if (holder.id == CH_ID_NONE)
		return NULL;
	if (!chp_heaps_span_tracer(gathering->heaps, ref->owner.span, &traced))
		holder.doubt = DOUBT_PLAIN;
	else if (traced.tracer->owner_rank)
		holder.doubt = (uint32_t)ch_min(
			traced.tracer->owner_rank(traced.state, ref->owner.addr), DOUBT_RANK);
	if (ref->value - gathering->mapping->start >= CH_PAGE_BYTES)
		holder.doubt += DOUBT_INSIDE;
	slot = ch_vec_push(&gathering->holders);
	if (!slot)
		return &ch_enomem;
	*slot = holder;
	return NULL;
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->doubt != y->doubt)
		return x->doubt < y->doubt ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct ch_error *chp_mapping_holders(struct ch_graph *graph, struct ch_heaps *heaps,
				     const struct ch_region *mapping, struct ch_vec *ids)
{
	struct gathering gathering = {
		.graph = graph, .heaps = heaps, .mapping = mapping, .holders = CH_VEC(struct holder)
	};
	const struct holder *holders;
	struct ch_error *err;
	uint32_t *slot;
	size_t i;

	err = ch_graph_refs(graph, mapping->start, mapping->end, false, take_ref, &gathering);
	ch_vec_sort(&gathering.holders, compare_holders);
	holders = gathering.holders.items;
	for (i = 0; !err && i < gathering.holders.count && holders[i].doubt == holders[0].doubt;
	     i++) {
		if (i && holders[i].id == holders[i - 1].id)
			continue;
		slot = ch_vec_push(ids);
		if (slot)
			*slot = holders[i].id;
		else
			err = &ch_enomem;
	}
	ch_vec_deinit(&gathering.holders);
	return err;
}
