/*
 * Buffers that their program has to release by hand (Netty's ByteBufs): those that it did not,
 * and who has them; those that it dropped without a release, whose piece of a pool is lost; and
 * limits of such memory.
 */
#include "analysis/suspects_graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "graph/gather.h"
#include "graph/retained.h"
#include "graph/reverse.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/number.h"

#define IN_USE "the memory in use, programs' images left out"
/* What makes a suspect: buffers of one holder, of what is touched; of dropped ones. */
#define SIZE_MIN   (1ULL << 20)
#define HELD_SHARE 5
#define LOST_MIN   (256ULL << 10)
#define LOST_SHARE 2
/* A holder has that part of the buffers below what roots hold. */
#define MOST_PERCENT 90
/* Suspects of this kind; holders looked at, and kinds of them. */
#define HOLDERS_MAX 3
#define ROWS_MAX    (1U << 20)
#define GROUPS_MAX  64
/* Buffers that others than a holder have, too, which are looked at; steps from them. */
#define SHARED_MAX 65536
#define CLIMB_MAX  256
/* Less of them is said. */
#define TOUCHED_PERCENT 95
/* Of equal mappings that part are chunks of the pool. */
#define POOL_PERCENT 50

/* Alike holders. */
struct group {
	uint64_t top_type, holder_type;
	uint64_t holders, count, bytes, touched_bytes;
	struct ch_gathered largest;
};

struct finding {
	struct ch_suspecting *suspecting;
	struct ch_graph *graph;
	const struct ch_retained *retained;
	const struct ch_pools *pools;
	const struct ch_pooling *pooling;
	void *state;
	/* of struct ch_gather_item; bytes are what a buffer takes */
	struct ch_vec items;
	struct ch_gathering gathering;
};

/* ---- Limits ------------------------------------------------------------------------------ */

struct ch_error *chp_suspect_limits(struct ch_suspecting *suspecting)
{
	const struct ch_pooled *pooled = suspecting->pooled;
	uint64_t whole = suspecting->sums->verdict.total_bytes;
	struct ch_error *err = NULL;
	char text[CH_QUOTA_TEXT_MAX];
	size_t i;

	for (i = 0; !err && i < pooled->quotas_count; i++) {
		const struct ch_quota *quota = &pooled->quotas[i];
		struct ch_suspect suspect = { .rule = CH_RULE_LIMIT_NEAR,
					      .bytes = quota->used_bytes,
					      .share_of = IN_USE,
					      .basis = CH_BASIS_RECORDED };

		if (!chp_quota_is_near(quota) || quota->used_bytes < SIZE_MIN)
			continue;
		chp_suspect_fact(&suspect, "limit_bytes", quota->limit_bytes);
		chp_suspect_fact(&suspect, "left_bytes", ch_quota_left(quota));
		if (quota->next_bytes)
			chp_suspect_fact(&suspect, "next_bytes", quota->next_bytes);
		chp_suspect_next(&suspect, "heap", 0);
		err = chp_suspect_take(suspecting, &suspect, whole, "%s",
				       chp_quota_text(quota, text));
	}
	return err;
}

/* Whether all ways to a node lead through the holder, which is not far. */
static bool is_below(const struct finding *finding, uint32_t id, uint32_t holder)
{
	const struct ch_retained *retained = finding->retained;
	uint32_t number = retained->number[id], top = retained->number[holder], i;

	/* a dominator's number is below those of all that it dominates */
	for (i = 0; i < CLIMB_MAX && number > top; i++)
		number = retained->idom[number];
	return number == top && number;
}

/* ---- What others have said already --------------------------------------------------------- */

static int compare_addrs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Whether blocks of the suspect of equal mappings are mostly chunks of the pool. */
static bool is_pool(const struct finding *finding)
{
	const struct ch_vec *equal = &finding->suspecting->equal;
	const struct ch_pools *pools = finding->pools;
	struct ch_heaps *heaps = finding->suspecting->heaps;
	struct ch_object object;
	uint64_t found = 0, at;
	size_t i;

	for (i = 0; i < pools->chunks_count; i++) {
		at = pools->chunks[i].memory_addr;
		if (at && ch_heaps_object_at(heaps, at, &object))
			found += bsearch(&object.addr, equal->items, equal->count, sizeof(at),
					 compare_addrs) != NULL;
	}
	return found && chp_percent(found, equal->count) >= POOL_PERCENT * 100;
}

static bool is_static(const struct ch_suspect_chain *chain)
{
	return chain->roots_count && chain->root.kind == CH_ROOT_STATIC;
}

/* Whether most of what a suspect is about is what ours has: its holder is on the same way, or
 * begins at the same static. */
static bool is_same_matter(const struct finding *finding, const struct ch_suspect *suspect,
			   const struct ch_suspect *ours, uint32_t holder)
{
	uint32_t id = suspect->holder_addr ? ch_graph_node_at(finding->graph, suspect->holder_addr)
					   : CH_ID_NONE;

	if (id == CH_ID_NONE)
		return false;
	if (is_below(finding, id, holder))
		return true;
	return 2 * ours->bytes >= suspect->bytes &&
	       (is_below(finding, holder, id) ||
		(is_static(&suspect->chain) && is_static(&ours->chain) &&
		 strcmp(suspect->chain.text.where, ours->chain.text.where) == 0));
}

/* What others say of the same matter is a part of the suspect that was added last: holders on the
 * same way, the pool's chunks, a limit that is near. */
static void fold_others(const struct finding *finding, uint32_t holder)
{
	struct ch_vec *suspects = finding->suspecting->suspects;
	const struct ch_suspect *ours;
	struct ch_suspect *suspect;
	size_t i;

	ours = CH_VEC_AT(suspects, struct ch_suspect, suspects->count - 1);
	for (i = 0; i + 1 < suspects->count; i++) {
		suspect = CH_VEC_AT(suspects, struct ch_suspect, i);
		if (suspect->part_of || suspect->rule == CH_RULE_UNRELEASED_BUFFERS)
			continue;
		if (suspect->rule == CH_RULE_LIMIT_NEAR ||
		    (suspect->rule == CH_RULE_EQUAL_MAPPINGS && is_pool(finding)) ||
		    is_same_matter(finding, suspect, ours, holder))
			suspect->part_of = ours->id;
	}
}

/* ---- Buffers ------------------------------------------------------------------------------- */

/* Of a buffer's memory, or a chunk's. java.nio writes zeros into direct buffers: those pages were
 * resident, though no page shows it, and their block weighs all that it has. */
static uint64_t touched_of(const struct finding *finding, uint64_t addr, uint64_t bytes)
{
	const struct ch_core *core = ch_session_core(finding->suspecting->session);
	uint32_t id = ch_graph_node_at(finding->graph, addr);
	struct ch_object block;

	if (id != CH_ID_NONE && ch_graph_object(finding->graph, id, &block) &&
	    chp_graph_weight(finding->graph, id) >= block.size_bytes)
		return bytes;
	return ch_core_touched_bytes(core, addr, addr + bytes);
}

static struct ch_error *take_buffers(void *arg, const struct ch_object *objects, size_t n)
{
	struct finding *finding = arg;
	struct ch_gather_item item, *slot;
	struct ch_counted counted;
	size_t i;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || !objects[i].key ||
		    !finding->pooling->counted(finding->state, objects[i].addr, objects[i].key,
					       &counted) ||
		    !counted.refs)
			continue;
		item.id = ch_graph_node_at(finding->graph, objects[i].addr);
		if (item.id == CH_ID_NONE)
			continue;
		item.bytes = ch_max(counted.pooled_bytes, counted.capacity_bytes);
		item.lasts = counted.pooled_bytes > 0;
		item.touched_bytes = counted.memory_addr
					     ? touched_of(finding, counted.memory_addr, item.bytes)
					     : item.bytes;
		slot = ch_vec_push(&finding->items);
		if (!slot)
			return &ch_enomem;
		*slot = item;
	}
	return NULL;
}

/* Only objects of the runtime whose buffers they are. */
static struct ch_error *find_buffers(struct finding *finding)
{
	struct ch_heaps *heaps = finding->suspecting->heaps;
	uint64_t low = UINT64_MAX, high = 0;
	const struct ch_span *spans;
	const struct ch_heap *list;
	size_t count, i, unused;

	spans = ch_heaps_spans(heaps, &count);
	list = ch_heaps_list(heaps, &unused);
	for (i = 0; i < count; i++)
		if (list[spans[i].heap].walker == finding->pools->walker) {
			low = ch_min(low, spans[i].start);
			high = ch_max(high, spans[i].committed_end);
		}
	return low < high ? ch_heaps_walk(heaps, low, high, take_buffers, finding) : NULL;
}

/* Buffers that no single block holds: several do, each of them. */
static bool is_loose(const struct ch_gathered *row)
{
	return row->top == row->sample;
}

/* "static Mail.PENDING", or the type of what holds them. */
static const char *holder_text(const struct ch_suspect *suspect)
{
	if (is_static(&suspect->chain))
		return suspect->chain.text.where;
	return suspect->holder_type ? suspect->holder_type : "a root";
}

static struct ch_error *add_holder(struct finding *finding, const struct group *group)
{
	const struct ch_gathered *row = &group->largest;
	struct ch_suspecting *suspecting = finding->suspecting;
	struct ch_suspect suspect = { .rule = CH_RULE_UNRELEASED_BUFFERS,
				      .count = group->count,
				      .bytes = group->touched_bytes,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = ch_graph_addr(finding->graph, row->sample),
				      .holder_addr = ch_graph_addr(finding->graph, row->holder) };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], more[64] = "";
	char touched[CH_BYTES_TEXT_MAX];
	bool untouched = chp_percent(group->touched_bytes, group->bytes) < TOUCHED_PERCENT * 100;
	struct ch_error *err;

	err = chp_node_type_name(finding->graph, suspecting->heaps, row->holder,
				 &suspect.holder_type);
	if (!err)
		err = chp_suspect_chain(suspecting, finding->graph, &row->sample, 1,
					&suspect.chain);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	if (is_loose(row))
		snprintf(more, sizeof(more), " and by other ways, too");
	else if (group->holders > 1)
		snprintf(more, sizeof(more), " and %" PRIu64 " more like it", group->holders - 1);
	chp_suspect_fact(&suspect, "holders_count", group->holders);
	chp_suspect_fact(&suspect, "unreleased_count", finding->gathering.count);
	chp_suspect_fact(&suspect, "unreleased_bytes", finding->gathering.bytes);
	chp_suspect_next(&suspect, "roots", suspect.sample_addr);
	err = chp_suspect_take(suspecting, &suspect, suspecting->sums->verdict.total_bytes,
			       "%s buffers of %s are not released (their counts of references "
			       "are above 0): %s, held by %s%s%s%s",
			       chp_count_text(group->count, count), finding->pools->library,
			       chp_bytes_text(group->bytes, bytes), holder_text(&suspect), more,
			       untouched ? "; touched " : "",
			       untouched ? chp_bytes_text(group->touched_bytes, touched) : "");
	if (!err)
		fold_others(finding, row->holder);
	return err;
}

static uint32_t type_of(const struct finding *finding, uint32_t id)
{
	struct ch_object object;

	return ch_graph_object(finding->graph, id, &object) ? object.type : 0;
}

/* Buffers that roots alone dominate, as a stack has them, too, but the holder holds as well. */
static struct ch_error *add_shared(const struct finding *finding, struct group *group)
{
	const struct ch_gathered *rows = finding->gathering.rows.items;
	struct ch_reverse reverse;
	struct ch_error *err = chp_reverse_borrow(finding->graph, &reverse);
	size_t i, looked = 0;
	uint32_t k, end;

	for (i = 0; !err && i < finding->gathering.rows.count && looked < SHARED_MAX; i++) {
		if (!is_loose(&rows[i]) || rows[i].top == group->largest.top)
			continue;
		looked++;
		end = (uint32_t)ch_min(reverse.start[rows[i].top + 1],
				       reverse.start[rows[i].top] + CLIMB_MAX);
		for (k = reverse.start[rows[i].top]; k < end; k++)
			if (is_below(finding, reverse.sources[k], group->largest.holder))
				break;
		if (k == end)
			continue;
		group->count += rows[i].count;
		group->bytes += rows[i].bytes;
		group->touched_bytes += rows[i].touched_bytes;
	}
	if (!err)
		chp_reverse_return(finding->graph, &reverse);
	return err;
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->touched_bytes != y->touched_bytes)
		return x->touched_bytes > y->touched_bytes ? -1 : 1;
	return x->largest.top < y->largest.top ? -1 : x->largest.top > y->largest.top;
}

/* Holders of one type below roots of one type are one: queues of the threads of a pool. Rows
 * are by bytes, so the first of a group is its largest. */
static size_t group_rows(const struct finding *finding, struct group *groups)
{
	const struct ch_gathered *rows = finding->gathering.rows.items;
	struct group key;
	size_t i, k, count = 0;

	for (i = 0; i < finding->gathering.rows.count && i < ROWS_MAX; i++) {
		key.top_type = type_of(finding, rows[i].top);
		key.holder_type = type_of(finding, rows[i].holder);
		for (k = 0; k < count; k++)
			if (groups[k].top_type == key.top_type &&
			    groups[k].holder_type == key.holder_type)
				break;
		if (k == GROUPS_MAX)
			continue;
		if (k == count) {
			groups[count++] = key;
			groups[k].largest = rows[i];
			groups[k].holders = 0;
			groups[k].count = groups[k].bytes = groups[k].touched_bytes = 0;
		}
		groups[k].holders++;
		groups[k].count += rows[i].count;
		groups[k].bytes += rows[i].bytes;
		groups[k].touched_bytes += rows[i].touched_bytes;
	}
	qsort(groups, count, sizeof(*groups), compare_groups);
	return count;
}

static struct ch_error *find_held(struct finding *finding)
{
	uint64_t whole = finding->suspecting->sums->verdict.total_bytes;
	struct group groups[GROUPS_MAX];
	size_t count = group_rows(finding, groups), i;
	struct ch_error *err = NULL;

	for (i = 0; !err && i < count && i < HOLDERS_MAX; i++) {
		if (groups[i].count < 2 ||
		    !chp_suspect_is(groups[i].touched_bytes, SIZE_MIN, HELD_SHARE, whole))
			continue;
		err = is_loose(&groups[i].largest) ? NULL : add_shared(finding, &groups[i]);
		if (!err)
			err = add_holder(finding, &groups[i]);
	}
	return err;
}

/* What buffers have of pools that are not known to be theirs: of one that is dead since an earlier
 * collection the chunk has moved. A pool takes it for lost. */
static uint64_t unplaced_bytes(const struct ch_pools *pools)
{
	uint64_t all = 0, placed = 0;
	size_t i;

	for (i = 0; i < pools->types_count; i++)
		all += pools->types[i].pooled_bytes;
	for (i = 0; i < pools->pools_count; i++)
		placed += pools->pools[i].buffers_bytes + pools->pools[i].huge_held_bytes;
	return all > placed ? all - placed : 0;
}

/* What of pools no buffer has any more. */
static void sum_lost(const struct finding *finding, uint64_t *bytes_ret, uint64_t *touched_ret)
{
	const struct ch_pools *pools = finding->pools;
	const struct ch_pool_chunk *chunk;
	uint64_t touched, bytes;
	size_t i, k;

	*bytes_ret = *touched_ret = 0;
	for (i = 0; i < pools->pools_count; i++) {
		const struct ch_pool *pool = &pools->pools[i];

		if (!pool->lost_bytes)
			continue;
		/* which parts of the chunks they are is not known: as touched as the rest */
		for (touched = bytes = 0, k = 0; k < pool->chunks_count; k++) {
			chunk = &pools->chunks[pool->chunks_first + k];
			bytes += chunk->memory_addr ? chunk->bytes : 0;
			touched += chunk->memory_addr
					   ? touched_of(finding, chunk->memory_addr, chunk->bytes)
					   : 0;
		}
		*bytes_ret += pool->lost_bytes;
		*touched_ret += bytes ? (uint64_t)((double)pool->lost_bytes / (double)bytes *
						   (double)touched)
				      : pool->lost_bytes;
	}
	bytes = unplaced_bytes(pools);
	*bytes_ret -= ch_min(*bytes_ret, bytes);
	*touched_ret -= ch_min(*touched_ret, bytes);
}

static struct ch_error *tell_dropped(struct finding *finding, struct ch_suspect *suspect,
				     uint64_t lost_bytes)
{
	const struct ch_gathering *gathering = &finding->gathering;
	uint64_t whole = finding->suspecting->sums->verdict.total_bytes;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], lost[CH_BYTES_TEXT_MAX];

	if (!gathering->dead_count)
		return chp_suspect_take(
			finding->suspecting, suspect, whole,
			"buffers of %s were dropped without a release and collected: %s of its "
			"pools belong to no buffer that is there, and stay taken",
			finding->pools->library, chp_bytes_text(lost_bytes, lost));
	return chp_suspect_take(
		finding->suspecting, suspect, whole,
		"%s buffers of %s were dropped without a release: nothing holds them, their counts "
		"of references are above 0; what they took of its pools, %s, stays taken%s%s%s",
		chp_count_text(gathering->dead_count, count), finding->pools->library,
		chp_bytes_text(gathering->dead_bytes, bytes), lost_bytes ? ", and " : "",
		lost_bytes ? chp_bytes_text(lost_bytes, lost) : "",
		lost_bytes ? " more that belong to buffers that were collected" : "");
}

/* What nothing in the core holds may be held by what the core lacks. */
static struct ch_error *find_dropped(struct finding *finding)
{
	struct ch_suspecting *suspecting = finding->suspecting;
	const struct ch_gathering *gathering = &finding->gathering;
	struct ch_suspect suspect = { .rule = CH_RULE_DROPPED_BUFFERS,
				      .count = gathering->dead_count,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED };
	uint64_t lost_bytes, lost_touched;
	char why[CH_COVERAGE_TEXT_MAX];

	sum_lost(finding, &lost_bytes, &lost_touched);
	suspect.bytes = gathering->dead_touched_bytes + lost_touched;
	if (!chp_suspect_is(suspect.bytes, LOST_MIN, LOST_SHARE,
			    suspecting->sums->verdict.total_bytes) ||
	    chp_coverage_lacks(&suspecting->coverage, CH_NEED_STACKS | CH_NEED_MEMORY, why))
		return NULL;
	chp_suspect_fact(&suspect, "dropped_bytes", gathering->dead_bytes);
	chp_suspect_fact(&suspect, "lost_bytes", lost_bytes);
	chp_suspect_next(&suspect, "heap", 0);
	return tell_dropped(finding, &suspect, lost_bytes);
}

struct ch_error *chp_suspect_buffers(struct ch_looking *looking)
{
	struct ch_suspecting *suspecting = looking->suspecting;
	struct finding finding = { .suspecting = suspecting,
				   .graph = looking->graph,
				   .retained = looking->retained,
				   .pools = suspecting->pooled->pools,
				   .items = CH_VEC(struct ch_gather_item) };
	struct ch_error *err;

	if (!finding.pools)
		return NULL;
	finding.pooling =
		chp_heaps_pooling(suspecting->heaps, finding.pools->walker, &finding.state);
	if (!finding.pooling)
		return NULL;
	err = find_buffers(&finding);
	if (!err)
		err = chp_gather(looking->retained, finding.items.items, finding.items.count,
				 MOST_PERCENT, &finding.gathering);
	if (!err)
		err = find_held(&finding);
	if (!err)
		err = find_dropped(&finding);
	chp_gathering_deinit(&finding.gathering);
	ch_vec_deinit(&finding.items);
	return err;
}
