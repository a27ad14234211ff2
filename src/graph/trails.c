/*
 * The way from a root to each node by names and types instead of addresses: equal ways are one
 * track. alike.c lays tracks over each other.
 */
#include "graph/trails.h"

#include <stdlib.h>
#include <string.h>

#include "graph/offsets.h"
#include "graph/rootpaths.h"
#include "heap/type_table.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/search.h"
#include "util/text.h"

/* Nodes between two looks at the rest of the world. */
#define PACE 8192
/* Tracks that are told apart; what goes beyond stays on the one before. */
#define TRACKS_MAX (1U << 20)
/* As a holder: no way was found yet. */
#define UNSEEN (UINT32_MAX - 1)
/* Types in turns that count as one step. */
#define TURNS_MAX 3
/* Edges that wait for memory, a power of two; nodes whose edges are asked for before their turn. */
#define EDGES 16U
#define AHEAD 8U
/* Edges of a node that are read at once. */
#define READ_MAX 64

enum {
	NOT_ASKED,
	HAS_FIELDS,
	HAS_ELEMENTS,
};

/* An edge that waits for what is known of its node. */
struct edge {
	uint32_t source, id;
	uint16_t place;
	bool inner;
};

struct finding {
	struct ch_trails *trails;
	struct ch_graph *graph;
	/* of uint32_t: nodes with a way, in the order in which they were met; those before at
	 * were looked at */
	struct ch_vec queue;
	size_t at;
	/* Hash table of indexes of tracks; 0: empty. */
	uint32_t *slots, slots_mask;
	/* By type: enum above. */
	uint8_t *elements;
	/* Edges that wait, the oldest one first. */
	struct edge edges[EDGES];
	uint32_t head, count;
	/* Whether only pointers to first bytes count. */
	bool exact;
	struct ch_error *err;
	uint32_t named_count;
	/* Of the goroutine whose words were met last: all of them are one root of its track. */
	uint64_t goroutine;
};

/* ---- Tracks ------------------------------------------------------------------ */

static struct ch_track *track_at(const struct ch_trails *trails, uint32_t index)
{
	return CH_VEC_AT(&trails->tracks, struct ch_track, index);
}

static uint32_t slot_of(uint32_t parent, uint32_t type, uint64_t field)
{
	uint64_t hash = (parent * 0x9e3779b97f4a7c15ULL) ^ (type * 0xc2b2ae3d27d4eb4fULL) ^
			(field * 0x165667b19e3779f9ULL);

	return (uint32_t)(hash >> 32 ^ hash >> 15);
}

static bool grow_slots(struct finding *finding)
{
	uint32_t size = finding->slots ? (finding->slots_mask + 1) * 2 : 1024, slot, i;
	const struct ch_track *track;

	free(finding->slots);
	finding->slots = calloc(size, sizeof(*finding->slots));
	if (!finding->slots)
		return false;
	finding->slots_mask = size - 1;
	for (i = 1; i < finding->trails->tracks.count; i++) {
		track = track_at(finding->trails, i);
		slot = slot_of(track->parent, track->type, track->field) & finding->slots_mask;
		while (finding->slots[slot])
			slot = (slot + 1) & finding->slots_mask;
		finding->slots[slot] = i;
	}
	return true;
}

/* The track behind parent, made if there is none. */
static struct ch_error *find_track(struct finding *finding, uint32_t parent, uint32_t type,
				   uint64_t field, uint32_t *ret)
{
	struct ch_vec *tracks = &finding->trails->tracks;
	struct ch_track *track;
	uint32_t slot;

	if ((!finding->slots || 2 * tracks->count >= finding->slots_mask) && !grow_slots(finding))
		return &ch_enomem;
	for (slot = slot_of(parent, type, field) & finding->slots_mask; finding->slots[slot];
	     slot = (slot + 1) & finding->slots_mask) {
		*ret = finding->slots[slot];
		track = track_at(finding->trails, *ret);
		if (track->parent == parent && track->type == type && track->field == field)
			return NULL;
	}
	*ret = parent;
	if (tracks->count >= TRACKS_MAX)
		return NULL;
	track = ch_vec_push(tracks);
	if (!track)
		return &ch_enomem;
	*track = (struct ch_track){
		.parent = parent, .type = type, .field = field, .first = CH_ID_NONE
	};
	*ret = finding->slots[slot] = (uint32_t)tracks->count - 1;
	return NULL;
}

uint32_t chp_track_repeated(const struct ch_vec *tracks, uint32_t parent, uint32_t type)
{
	uint32_t last[2 * TURNS_MAX], turns, i, at = parent, count = 0;
	const struct ch_track *list = tracks->items;

	while (count < 2 * TURNS_MAX && list[at].type != CH_TYPE_NONE) {
		last[count++] = at;
		at = list[at].parent;
	}
	if (count && list[last[0]].type == type)
		return last[0];
	for (turns = 2; turns <= TURNS_MAX && 2 * turns - 1 <= count; turns++) {
		if (list[last[turns - 1]].type != type)
			continue;
		for (i = 0; i + turns < 2 * turns - 1; i++)
			if (list[last[i]].type != list[last[i + turns]].type)
				break;
		if (i + turns == 2 * turns - 1)
			return last[turns - 1];
	}
	return CH_TRACK_ALL;
}

/* ---- Ways -------------------------------------------------------------------- */

/* Where an edge lies that is too far behind to be told. */
static uint64_t find_offset(const struct finding *finding, const struct edge *edge)
{
	struct ch_edge edges[READ_MAX];
	uint64_t offset = 0;
	size_t n, i;

	while ((n = ch_graph_edges(finding->graph, edge->source, &offset, edges, READ_MAX)))
		for (i = 0; i < n; i++)
			if (edges[i].target == edge->id &&
			    edges[i].offset / 4 >= CH_PLACE_FAR - CH_PLACE_FIRST)
				return edges[i].offset;
	return CH_OFFSET_NONE;
}

/* What lies where in an array is nothing that its elements differ in. */
static uint64_t field_of(struct finding *finding, const struct edge *edge)
{
	uint32_t type = track_at(finding->trails, finding->trails->track[edge->source])->type;
	uint64_t offset;
	char place[160];

	if (edge->place < CH_PLACE_FIRST || finding->elements[type] == HAS_ELEMENTS)
		return CH_OFFSET_NONE;
	offset = edge->place == CH_PLACE_FAR ? find_offset(finding, edge)
					     : 4ULL * (edge->place - CH_PLACE_FIRST);
	if (finding->elements[type] == NOT_ASKED)
		finding->elements[type] = ch_graph_place_name(finding->graph, edge->source, offset,
							      place, sizeof(place)) &&
							  place[0] != '['
						  ? HAS_FIELDS
						  : HAS_ELEMENTS;
	return finding->elements[type] == HAS_FIELDS ? offset : CH_OFFSET_NONE;
}

static struct ch_error *put(struct finding *finding, uint32_t id, uint32_t holder, uint32_t track)
{
	uint32_t *slot = ch_vec_push(&finding->queue);

	if (!slot)
		return &ch_enomem;
	*slot = id;
	finding->trails->holder[id] = holder;
	finding->trails->track[id] = track;
	track_at(finding->trails, track)->count++;
	if (track_at(finding->trails, track)->first == CH_ID_NONE)
		track_at(finding->trails, track)->first = id;
	return NULL;
}

/* The oldest edge. Until a node is met, its type stands for its track. */
static void meet(struct finding *finding)
{
	const struct edge *edge = &finding->edges[finding->head++ % EDGES];
	struct ch_trails *trails = finding->trails;
	uint32_t parent, track;

	finding->count--;
	if (finding->err || trails->holder[edge->id] != UNSEEN || (finding->exact && edge->inner))
		return;
	parent = trails->track[edge->source];
	track = chp_track_repeated(&trails->tracks, parent, trails->track[edge->id]);
	if (track != CH_TRACK_ALL)
		track_at(trails, track)->row = true;
	else
		finding->err = find_track(finding, parent, trails->track[edge->id],
					  field_of(finding, edge), &track);
	if (!finding->err)
		finding->err = put(finding, edge->id, edge->source, track);
}

/* Bring where the edges of a node begin that is soon looked at, and those of one before it. */
CH_INLINE void look_ahead(const struct finding *finding)
{
	const struct ch_forward *forward = &finding->graph->forward;
	const struct ch_edge_part *part;
	const uint32_t *ids = finding->queue.items;
	size_t left = finding->queue.count - finding->at;
	uint32_t id;

	if (left > 2 * AHEAD) {
		id = ids[finding->at + 2 * AHEAD];
		part = chp_forward_part(forward, id);
		__builtin_prefetch(&part->starts[id - part->from]);
	}
	if (left > AHEAD) {
		id = ids[finding->at + AHEAD];
		part = chp_forward_part(forward, id);
		__builtin_prefetch(&part->targets[part->starts[id - part->from]]);
	}
}

CH_INLINE void look_at(struct finding *finding, uint32_t source)
{
	const struct ch_edge_part *part = chp_forward_part(&finding->graph->forward, source);
	uint32_t at = part->starts[source - part->from];
	uint32_t to = part->starts[source + 1 - part->from], id;

	for (; at < to; at++) {
		id = part->targets[at];
		if (finding->count == EDGES)
			meet(finding);
		__builtin_prefetch(&finding->trails->holder[id]);
		__builtin_prefetch(&finding->trails->track[id]);
		finding->edges[(finding->head + finding->count++) % EDGES] =
			(struct edge){ .source = source,
				       .id = id,
				       .place = part->places ? part->places[at] : CH_PLACE_PLAIN,
				       .inner = chp_edge_inner(part, at) };
	}
}

/* Until nothing waits any more. */
static struct ch_error *go_on(struct finding *finding)
{
	const struct ch_graph *graph = finding->graph;
	struct ch_error *err = NULL;

	while (!err && !finding->err) {
		if (finding->at == finding->queue.count) {
			if (!finding->count)
				break;
			meet(finding);
			continue;
		}
		look_ahead(finding);
		look_at(finding, *CH_VEC_AT(&finding->queue, uint32_t, finding->at++));
		if (finding->at % PACE == 0) {
			chp_context_progress(graph->ctx, "looking for ways", finding->at,
					     graph->index->nodes_count);
			err = chp_context_check(graph->ctx);
		}
	}
	return err ? err : finding->err;
}

/* ---- Roots ------------------------------------------------------------------- */

/* "static Shop.ORDERS", "stack of main", and with numbers aside "Java thread "worker-#"". hash_ret:
 * of the name with its numbers. */
static struct ch_error *name_root(struct finding *finding, const struct ch_root *root, char **ret,
				  uint64_t *hash_ret)
{
	char name[sizeof(((struct ch_root_text *)NULL)->where)];
	struct ch_error *err;

	err = chp_root_place(finding->graph, root, &finding->named_count, name, sizeof(name));
	if (err)
		return err;
	*hash_ret = ch_hash_bytes(CH_HASH_START, name, strlen(name));
	*ret = root->kind == CH_ROOT_STATIC || root->kind == CH_ROOT_DATA ? strdup(name)
									  : chp_text_pattern(name);
	return *ret ? NULL : &ch_enomem;
}

static struct ch_error *begin_at(struct finding *finding, const struct ch_root *root)
{
	struct ch_trails *trails = finding->trails;
	uint32_t type = trails->track[root->target], track;
	_cleanup_free_ char *name = NULL;
	struct ch_root *slot;
	struct ch_error *err;
	uint64_t hash;
	bool more;

	err = name_root(finding, root, &name, &hash);
	if (err)
		return err;
	more = root->kind == CH_ROOT_GOROUTINE && hash == finding->goroutine;
	finding->goroutine = hash;
	err = find_track(finding, CH_TRACK_ALL, CH_TYPE_NONE,
			 ch_hash_bytes(CH_HASH_START, name, strlen(name)), &track);
	if (!err && track != CH_TRACK_ALL) {
		track_at(trails, track)->count += !more;
		if (!track_at(trails, track)->name) {
			track_at(trails, track)->name = name;
			name = NULL;
		}
		err = find_track(finding, track, type, CH_OFFSET_NONE, &track);
	}
	slot = err ? NULL : ch_vec_push(&trails->roots);
	if (!slot)
		return err ? err : &ch_enomem;
	*slot = *root;
	return put(finding, root->target, CH_ID_NONE, track);
}

static struct ch_error *take_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct finding *finding = arg;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (finding->trails->holder[roots[i].target] != UNSEEN)
			continue;
		if (finding->exact &&
		    (roots[i].stale ||
		     (roots[i].interior &&
		      !chp_offsets_known(finding->graph, roots[i].target, roots[i].value))))
			continue;
		err = begin_at(finding, &roots[i]);
	}
	return err;
}

/* What lasts first; at last what may point by chance. */
static struct ch_error *find_ways(struct finding *finding, const struct ch_retained *retained)
{
	static const uint32_t passes[] = {
		1U << CH_ROOT_HANDLE | 1U << CH_ROOT_STATIC | 1U << CH_ROOT_THREAD_STATIC |
			1U << CH_ROOT_FINALIZER | 1U << CH_ROOT_FROZEN | 1U << CH_ROOT_DATA,
		1U << CH_ROOT_TLS | 1U << CH_ROOT_MEMORY,
		1U << CH_ROOT_STACK | 1U << CH_ROOT_GOROUTINE | 1U << CH_ROOT_REGISTER,
	};
	struct ch_error *err = NULL;
	size_t i;

	finding->exact = true;
	for (i = 0; !err && i < CH_COUNT_OF(passes); i++) {
		err = ch_graph_visit_roots(finding->graph, passes[i], take_roots, finding);
		if (!err)
			err = go_on(finding);
	}
	if (err || finding->queue.count >= retained->count)
		return err;
	finding->exact = false;
	finding->at = 0;
	err = go_on(finding);
	for (i = 0; !err && i < CH_COUNT_OF(passes); i++) {
		err = ch_graph_visit_roots(finding->graph, passes[i], take_roots, finding);
		if (!err)
			err = go_on(finding);
	}
	return err;
}

/* ---- Types and sums ---------------------------------------------------------- */

/* Until a node is met, its type stands for its track. */
static struct ch_error *take_types(struct ch_trails *trails, const uint32_t *types)
{
	const struct ch_index *index = trails->graph->index;
	const struct ch_tally *tally;
	uint32_t id, met = CH_TYPE_NONE, row = 0;

	for (id = 0; id < index->objects_count; id++) {
		if (!chp_is_node(index, id))
			continue;
		if (types[id] != met) {
			tally = chp_tally_of(&trails->types, 0, types[id]);
			if (!tally)
				return &ch_enomem;
			met = types[id];
			row = (uint32_t)(tally - (const struct ch_tally *)trails->types.rows.items);
		}
		trails->track[id] = row;
	}
	return NULL;
}

struct named_type {
	uint64_t hash;
	uint32_t walker, index;
};

static int compare_names(const void *a, const void *b)
{
	const struct named_type *x = a, *y = b;

	if (x->walker != y->walker)
		return x->walker < y->walker ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct ch_error *name_types(struct ch_trails *trails, struct named_type *names)
{
	const struct ch_tally *rows = trails->types.rows.items;
	struct ch_error *err = NULL;
	struct ch_type type;
	uint32_t i;

	for (i = 0; !err && i < trails->types.rows.count; i++) {
		err = ch_heaps_type(trails->graph->heaps, (uint32_t)rows[i].what, &type);
		if (!err)
			names[i] = (struct named_type){
				.hash = ch_hash_bytes(CH_HASH_START, chp_type_short(&type),
						      strlen(chp_type_short(&type))),
				.walker = type.walker,
				.index = i
			};
	}
	return err;
}

/* Types of one name are one. */
static struct ch_error *unite_types(struct ch_trails *trails)
{
	size_t count = trails->types.rows.count, i;
	_cleanup_free_ struct named_type *names = calloc(count + 1, sizeof(*names));
	struct ch_error *err;
	uint32_t id;

	trails->alias = calloc(count + 1, sizeof(*trails->alias));
	if (!names || !trails->alias)
		return &ch_enomem;
	err = name_types(trails, names);
	if (err)
		return err;
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 0; i < count; i++)
		trails->alias[names[i].index] = i && names[i].walker == names[i - 1].walker &&
								names[i].hash == names[i - 1].hash
							? trails->alias[names[i - 1].index]
							: names[i].index;
	for (id = 0; count && id < trails->graph->index->objects_count; id++)
		trails->track[id] = trails->alias[trails->track[id]];
	return NULL;
}

/* Whether one of those with the parent and the type of a track is a row. */
static bool has_row(const struct ch_trails *trails, const uint32_t *first, uint32_t index)
{
	const struct ch_track *track = track_at(trails, index);
	uint32_t at;

	for (at = first[track->parent]; at; at = track_at(trails, at)->next)
		if (track_at(trails, at)->row && track_at(trails, at)->type == track->type)
			return true;
	return false;
}

/* Tracks from one block to both ends of a row are one: from the head of a list, and its tail.
 * to: by track, which one it becomes. */
static struct ch_error *unite(struct finding *finding, uint32_t *to, const uint32_t *rows)
{
	struct ch_trails *trails = finding->trails;
	struct ch_vec old = trails->tracks;
	struct ch_track *track, *united, *all;
	struct ch_error *err = NULL;
	uint32_t i;

	trails->tracks = CH_VEC(struct ch_track);
	free(finding->slots);
	finding->slots = NULL;
	all = ch_vec_push(&trails->tracks);
	if (!all) {
		trails->tracks = old;
		return &ch_enomem;
	}
	*all = *CH_VEC_AT(&old, struct ch_track, CH_TRACK_ALL);
	to[CH_TRACK_ALL] = CH_TRACK_ALL;
	/* a track comes behind its parent */
	for (i = 1; !err && i < old.count; i++) {
		track = CH_VEC_AT(&old, struct ch_track, i);
		err = find_track(finding, to[track->parent], track->type,
				 rows[i] ? CH_OFFSET_NONE : track->field, &to[i]);
		if (err)
			break;
		united = track_at(trails, to[i]);
		united->count += track->count;
		united->row |= track->row;
		if (united->first == CH_ID_NONE)
			united->first = track->first;
		if (!united->name) {
			united->name = track->name;
			track->name = NULL;
		}
	}
	for (i = 0; i < old.count; i++)
		free(CH_VEC_AT(&old, struct ch_track, i)->name);
	ch_vec_deinit(&old);
	return err;
}

static struct ch_error *unite_rows(struct finding *finding)
{
	struct ch_trails *trails = finding->trails;
	uint32_t count = (uint32_t)trails->tracks.count, i;
	_cleanup_free_ uint32_t *first = calloc(count, sizeof(*first));
	_cleanup_free_ uint32_t *rows = calloc(count, sizeof(*rows));
	_cleanup_free_ uint32_t *to = calloc(count, sizeof(*to));
	struct ch_error *err;
	bool any = false;

	if (!first || !rows || !to)
		return &ch_enomem;
	/* for the time being only rows are listed */
	for (i = 1; i < count; i++) {
		if (!track_at(trails, i)->row)
			continue;
		track_at(trails, i)->next = first[track_at(trails, i)->parent];
		first[track_at(trails, i)->parent] = i;
		any = true;
	}
	for (i = 1; any && i < count; i++)
		rows[i] = track_at(trails, i)->type != CH_TYPE_NONE && has_row(trails, first, i);
	for (i = 1; i < count; i++)
		track_at(trails, i)->next = 0;
	err = any ? unite(finding, to, rows) : NULL;
	if (err || !any)
		return err;
	for (i = 0; i < trails->graph->index->objects_count; i++)
		if (trails->holder[i] != UNSEEN)
			trails->track[i] = to[trails->track[i]];
	return NULL;
}

/* What only dominators weigh: each node what it retains, less what those below it do. */
static void weigh(struct ch_trails *trails, const struct ch_retained *retained)
{
	struct ch_track *track;
	uint32_t w, up;
	size_t i;

	for (w = 1; w <= retained->count; w++) {
		track_at(trails, trails->track[retained->ids[w]])->self_bytes += retained->bytes[w];
		up = retained->idom[w];
		if (up != CH_DOMINATOR_ROOT)
			track_at(trails, trails->track[retained->ids[up]])->self_bytes -=
				retained->bytes[w];
	}
	/* a track comes behind its parent */
	for (i = trails->tracks.count; i-- > 0;) {
		track = track_at(trails, (uint32_t)i);
		track->bytes += track->self_bytes;
		if (i == CH_TRACK_ALL)
			break;
		track_at(trails, track->parent)->bytes += track->bytes;
		track->next = track_at(trails, track->parent)->child;
		track_at(trails, track->parent)->child = (uint32_t)i;
	}
}

static int compare_targets(const void *a, const void *b)
{
	const struct ch_root *x = a, *y = b;

	return x->target < y->target ? -1 : x->target > y->target;
}

/* What no way was found to has no track. */
static void tidy(struct ch_trails *trails)
{
	uint32_t id;

	for (id = 0; id < trails->graph->index->objects_count; id++)
		if (trails->holder[id] == UNSEEN)
			trails->track[id] = CH_TRACK_ALL;
	ch_vec_sort(&trails->roots, compare_targets);
}

struct ch_error *chp_trails_make(struct ch_graph *graph, const struct ch_retained *retained,
				 const uint32_t *types, struct ch_trails *ret)
{
	struct finding finding = { .trails = ret, .graph = graph, .queue = CH_VEC(uint32_t) };
	uint32_t ids = graph->index->objects_count, id;
	struct ch_track *all;
	struct ch_error *err;

	*ret = (struct ch_trails){ .graph = graph,
				   .tracks = CH_VEC(struct ch_track),
				   .roots = CH_VEC(struct ch_root),
				   .types = CH_TALLIES(graph->heaps) };
	ret->holder = malloc((ids + 1ULL) * sizeof(*ret->holder));
	ret->track = calloc(ids + 1ULL, sizeof(*ret->track));
	all = ch_vec_push(&ret->tracks);
	if (!ret->holder || !ret->track || !all)
		return &ch_enomem;
	*all = (struct ch_track){ .type = CH_TYPE_NONE, .first = CH_ID_NONE };
	for (id = 0; id < ids; id++)
		ret->holder[id] = UNSEEN;
	err = take_types(ret, types);
	if (!err)
		err = unite_types(ret);
	if (!err)
		err = chp_forward_keep(graph);
	finding.elements = err ? NULL : calloc(ret->types.rows.count + 1, 1);
	if (!err)
		err = finding.elements ? find_ways(&finding, retained) : &ch_enomem;
	if (!err)
		err = unite_rows(&finding);
	ret->count = (uint32_t)finding.queue.count;
	ch_vec_deinit(&finding.queue);
	free(finding.slots);
	free(finding.elements);
	if (err)
		return err;
	tidy(ret);
	weigh(ret, retained);
	return NULL;
}

void chp_trails_deinit(struct ch_trails *trails)
{
	size_t i;

	for (i = 0; i < trails->tracks.count; i++)
		free(track_at(trails, (uint32_t)i)->name);
	free(trails->holder);
	free(trails->track);
	free(trails->alias);
	ch_vec_deinit(&trails->tracks);
	ch_vec_deinit(&trails->roots);
	chp_tallies_deinit(&trails->types);
}

/* ---- Questions ---------------------------------------------------------------- */

uint32_t chp_trails_length(const struct ch_trails *trails, uint32_t id)
{
	uint32_t length = 0;

	for (; id != CH_ID_NONE; id = trails->holder[id])
		length++;
	return length;
}

const struct ch_root *chp_trails_root(const struct ch_trails *trails, uint32_t id)
{
	const struct ch_root *roots = trails->roots.items;
	size_t low;

	if (trails->track[id] == CH_TRACK_ALL)
		return NULL;
	while (trails->holder[id] != CH_ID_NONE)
		id = trails->holder[id];
	low = ch_search(roots, trails->roots.count, it, it->target < id);
	return low < trails->roots.count && roots[low].target == id ? &roots[low] : NULL;
}
