/*
 * Collections with room that nobody uses, and maps whose keys share a hash code.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/suspects_containers.h"
#include "graph/reverse.h"
#include "graph/tally.h"
#include "heap/type_table.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/number.h"
#include "util/text.h"

/* A collection that grew to hold what it has uses more: lists that double have half of their room
 * in use, maps that double at three quarters three eighths. */
#define USED_PART 4
#define SIZE_MIN  (1ULL << 20)
#define SHARE     10
/* Collections that are remembered; and nodes of maps that are followed. */
#define FOUND_MAX (1U << 21)
#define NODES_MAX (1ULL << 26)
/* Of keys whose hash codes differ, chains do not come to 20 in any map that fits into memory; as
 * long as this, each look-up is work that shows. */
#define CHAIN_MIN  500
#define CHAINS_MAX 3
/* Types of objects met last: a power of two. */
#define MET 1024
/* Fields of a holder. */
#define FIELDS_MAX 256
#define PAGE_BYTES 4096
/* Blocks between two looks at whether somebody wants the run to end. */
#define CHECK_BLOCKS 65536

/* A collection with too much room. */
struct found {
	uint64_t addr, unused_bytes;
	uint32_t type;
};

struct chained {
	uint64_t addr, entries, longest, sample;
	uint32_t type;
};

struct walking {
	struct ch_suspecting *suspecting;
	struct ch_containers containers;
	/* of struct found, of struct chained: longest chains first */
	struct ch_vec found, chained;
	uint64_t budget, left_out;
	struct {
		uint32_t type;
		struct ch_container_type *container;
	} met[MET];
};

/* ---- What is there -------------------------------------------------------------- */

static struct ch_container_type *type_of(struct walking *walking, uint32_t type)
{
	size_t slot = type % MET;

	if (walking->met[slot].type != type) {
		walking->met[slot].type = type;
		walking->met[slot].container = chp_container_type(&walking->containers, type);
	}
	return walking->met[slot].container;
}

static uint32_t index_of(const struct walking *walking, const struct ch_container_type *type)
{
	const struct ch_container_type *types = walking->containers.types.items;

	return (uint32_t)(type - types);
}

/* What of the unused part was touched; slots of chains lie all over the array. */
static uint64_t touched_bytes(const struct walking *walking, const struct ch_container_type *type,
			      const struct ch_container_use *use)
{
	const struct ch_core *core = ch_session_core(walking->suspecting->session);

	if (use->unused_bytes < PAGE_BYTES || type->row->kind == CH_CONTAINER_NODES ||
	    chp_heaps_clears(walking->suspecting->heaps, type->of.walker))
		return use->unused_bytes;
	return ch_core_touched_bytes(core, use->unused_addr, use->unused_addr + use->unused_bytes);
}

static struct ch_error *take_room(struct walking *walking, struct ch_container_type *type,
				  uint64_t addr, struct ch_container_use *use)
{
	struct found *slot;
	struct ch_error *err;
	uint64_t bytes;
	bool known;

	use->used = 0;
	err = chp_container_read(&walking->containers, type, addr, use, &known);
	if (err || !known || use->used > use->room / USED_PART)
		return err;
	bytes = touched_bytes(walking, type, use);
	if (!bytes)
		return NULL;
	if (walking->found.count >= FOUND_MAX) {
		walking->left_out++;
		return NULL;
	}
	slot = ch_vec_push(&walking->found);
	if (!slot)
		return &ch_enomem;
	*slot = (struct found){ .addr = addr,
				.unused_bytes = bytes,
				.type = index_of(walking, type) };
	return NULL;
}

static struct ch_error *take_chains(struct walking *walking, struct ch_container_type *type,
				    uint64_t addr)
{
	struct ch_container_chains chains;
	struct chained *slot;
	struct ch_error *err;

	err = chp_container_chains(&walking->containers, type, addr, &walking->budget, &chains);
	if (err || chains.longest < CHAIN_MIN)
		return err;
	slot = ch_vec_push(&walking->chained);
	if (!slot)
		return &ch_enomem;
	*slot = (struct chained){ .addr = addr,
				  .entries = chains.entries,
				  .longest = chains.longest,
				  .sample = chains.sample,
				  .type = index_of(walking, type) };
	return NULL;
}

static struct ch_error *look(struct walking *walking, struct ch_container_type *type, uint64_t addr)
{
	struct ch_container_use use;
	struct ch_error *err = take_room(walking, type, addr, &use);

	/* of maps that do not tell, and of those with as many entries */
	if (!err &&
	    (!type->row->size || use.used >= CHAIN_MIN || type->row->kind == CH_CONTAINER_NODES))
		err = take_chains(walking, type, addr);
	return err;
}

/* types: by id, as the walk of leaks met them. */
static struct ch_error *look_at_all(struct walking *walking, const struct ch_graph *graph,
				    const uint32_t *types)
{
	const uint32_t count = ch_graph_objects_count(graph);
	struct ch_container_type *type;
	struct ch_error *err = NULL;
	uint32_t id;

	if (!walking->containers.types.count)
		return NULL;
	for (id = 0; !err && id < count; id++) {
		type = ch_graph_is_node(graph, id) ? type_of(walking, types[id]) : NULL;
		if (type)
			err = look(walking, type, ch_graph_addr(graph, id));
		if (!err && id % CHECK_BLOCKS == 0)
			err = chp_context_check(ch_session_context(walking->suspecting->session));
	}
	return err;
}

/* ---- Who holds them --------------------------------------------------------------- */

/* A type of holders, and where its references to objects lie. */
struct holder {
	uint32_t type;
	uint32_t offsets[FIELDS_MAX], sizes[FIELDS_MAX];
	uint32_t count;
	bool known;
};

struct holding {
	struct walking *walking;
	struct ch_graph *graph;
	const struct ch_retained *retained;
	struct ch_reverse reverse;
	/* By type of the holder; group: its field and the type of the collection. */
	struct ch_tallies rows;
	/* By type of the collection. */
	struct ch_tallies types;
	struct holder holders[64];
	uint64_t live, bytes;
	uint64_t sample, sample_bytes;
};

/* Where in a holder: its offset, in the low bits of a group. */
enum {
	PLACE_BITS = 16,
	PLACE_ELEMENT = 0xfffe,
	PLACE_UNKNOWN = 0xffff,
};

static struct ch_error *add_offset(void *arg, const struct ch_field *field)
{
	struct holder *holder = arg;

	if (field->is_static || field->kind != CH_VALUE_REFERENCE ||
	    field->offset >= PLACE_ELEMENT || holder->count == FIELDS_MAX)
		return NULL;
	holder->offsets[holder->count] = (uint32_t)field->offset;
	holder->sizes[holder->count++] = (uint32_t)field->size_bytes;
	return NULL;
}

static struct ch_error *learn(struct holding *holding, const struct ch_inspected *of,
			      const struct ch_object *object, struct holder **ret)
{
	struct holder *holder = &holding->holders[object->type % 64];
	const struct ch_fields_query query = { .key = object->key };

	*ret = holder;
	if (holder->known && holder->type == object->type)
		return NULL;
	*holder = (struct holder){ .type = object->type, .known = true };
	return of->inspector->fields(of->state, &query, add_offset, holder);
}

static bool refers(const struct holding *holding, const struct ch_inspected *of, uint64_t at,
		   uint32_t bytes, uint64_t to)
{
	const struct ch_core *core = ch_session_core(holding->walking->suspecting->session);
	uint8_t word[8] = { 0 };

	if ((bytes != 4 && bytes != 8) || !ch_core_try_read(core, at, word, bytes))
		return false;
	return (of->inspector->reference
			? of->inspector->reference(of->state, ch_get64(word), bytes)
			: ch_get64(word)) == to;
}

/* Which field of an object leads to another one. */
static struct ch_error *find_place(struct holding *holding, const struct ch_object *from,
				   uint64_t to, uint32_t *ret)
{
	struct ch_error *err = NULL;
	struct ch_inspected of;
	struct holder *holder;
	uint32_t i;

	*ret = PLACE_UNKNOWN;
	if (!chp_heaps_span_inspector(holding->walking->suspecting->heaps, from->span, &of))
		return NULL;
	err = learn(holding, &of, from, &holder);
	if (err)
		return err;
	/* an array of references has no fields */
	*ret = holder->count ? PLACE_UNKNOWN : PLACE_ELEMENT;
	for (i = 0; i < holder->count; i++)
		if (refers(holding, &of, from->addr + holder->offsets[i], holder->sizes[i], to))
			*ret = holder->offsets[i];
	return NULL;
}

/* The first of those that point at it that is alive. */
static struct ch_error *add_holder(struct holding *holding, const struct found *found, uint32_t id)
{
	struct ch_object object = { .addr = 0 };
	struct ch_retained_row row;
	struct ch_tally *tally;
	struct ch_error *err = NULL;
	uint32_t k, place = PLACE_UNKNOWN, source = CH_ID_NONE;

	for (k = holding->reverse.start[id]; k < holding->reverse.start[id + 1]; k++) {
		source = holding->reverse.sources[k];
		if (ch_retained_row(holding->retained, source, &row) &&
		    ch_graph_object(holding->graph, source, &object))
			break;
		object.addr = 0;
	}
	if (object.addr)
		err = find_place(holding, &object, found->addr, &place);
	tally = err ? NULL
		    : chp_tally_of(&holding->rows, found->type << PLACE_BITS | place,
				   object.addr ? object.type : 0);
	if (!tally)
		return err ? err : &ch_enomem;
	tally->count++;
	tally->bytes += found->unused_bytes;
	tally->most_id = tally->most_id ? tally->most_id : source;
	return NULL;
}

static struct ch_error *add_found(struct holding *holding, const struct found *found)
{
	uint32_t id = ch_graph_node_at(holding->graph, found->addr);
	struct ch_retained_row row;
	struct ch_tally *tally;

	if (id == CH_ID_NONE || !ch_retained_row(holding->retained, id, &row))
		return NULL;
	tally = chp_tally_of(&holding->types, 0, found->type);
	if (!tally)
		return &ch_enomem;
	tally->count++;
	tally->bytes += found->unused_bytes;
	holding->live++;
	holding->bytes += found->unused_bytes;
	if (found->unused_bytes > holding->sample_bytes) {
		holding->sample_bytes = found->unused_bytes;
		holding->sample = found->addr;
	}
	return add_holder(holding, found, id);
}

/* ---- Suspects ---------------------------------------------------------------------- */

static int compare_tallies(const void *a, const void *b)
{
	const struct ch_tally *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

/* "Shop$Order.notes (java.util.ArrayList)", escaped; owned. */
static struct ch_error *name_holder(const struct holding *holding, const struct ch_tally *row,
				    char **ret)
{
	struct ch_heaps *heaps = holding->walking->suspecting->heaps;
	const struct ch_container_type *type =
		CH_VEC_AT(&holding->walking->containers.types, struct ch_container_type,
			  row->group >> PLACE_BITS);
	uint32_t place = row->group & ((1U << PLACE_BITS) - 1);
	struct ch_type named, of;
	struct ch_traced traced;
	struct ch_object object;
	struct ch_error *err;
	char field[256] = "";

	err = ch_heaps_type(heaps, type->type, &of);
	if (!err && row->what)
		err = ch_heaps_type(heaps, (uint32_t)row->what, &named);
	if (err)
		return err;
	if (place < PLACE_ELEMENT && ch_graph_object(holding->graph, row->most_id, &object) &&
	    chp_heaps_span_tracer(heaps, object.span, &traced) && traced.tracer->place_text)
		traced.tracer->place_text(traced.state, object.addr, object.key, place, field,
					  sizeof(field));
	_cleanup_free_ char *escaped = chp_text_escape(field, sizeof(field));

	if (!escaped || asprintf(ret, "%s%s%s%s%s", row->what ? named.name : "", escaped,
				 row->what ? " (" : "", of.name, row->what ? ")" : "") < 0) {
		*ret = NULL;
		return &ch_enomem;
	}
	return NULL;
}

static struct ch_error *name_holders(struct holding *holding, struct ch_suspect *suspect)
{
	const struct ch_heaps *heaps = holding->walking->suspecting->heaps;
	const struct ch_tally *rows;
	const struct ch_runtime *runtimes;
	struct ch_suspect_owner *slot;
	struct ch_error *err = NULL;
	size_t i, count;

	runtimes = ch_heaps_runtimes(heaps, &count);
	ch_vec_sort(&holding->rows.rows, compare_tallies);
	rows = holding->rows.rows.items;
	suspect->owners_total = holding->rows.rows.count;
	for (i = 0; !err && i < holding->rows.rows.count && i < CH_SUSPECT_OWNERS; i++) {
		slot = &suspect->owners[i];
		slot->count = rows[i].count;
		slot->runtime =
			rows[i].what ? runtimes[chp_type_walker(heaps, (uint32_t)rows[i].what)].name
				     : runtimes[0].name;
		err = name_holder(holding, &rows[i], &slot->name);
		suspect->owners_count += !err;
	}
	return err;
}

static struct ch_error *name_types(struct holding *holding, struct ch_suspect *suspect)
{
	const struct ch_container_type *type;
	const struct ch_tally *rows;
	struct ch_error *err = NULL;
	size_t i;

	ch_vec_sort(&holding->types.rows, compare_tallies);
	rows = holding->types.rows.items;
	suspect->types_total = holding->types.rows.count;
	for (i = 0; !err && i < holding->types.rows.count && i < CH_SUSPECT_TYPES; i++) {
		type = CH_VEC_AT(&holding->walking->containers.types, struct ch_container_type,
				 rows[i].what);
		err = chp_suspect_type(holding->walking->suspecting, suspect, type->type,
				       rows[i].count, rows[i].bytes);
	}
	return err;
}

static struct ch_error *tell_room(struct holding *holding)
{
	struct ch_suspecting *suspecting = holding->walking->suspecting;
	uint64_t whole = suspecting->sums->used_bytes;
	struct ch_suspect suspect = { .rule = CH_RULE_EMPTY_COLLECTIONS,
				      .count = holding->live,
				      .bytes = holding->bytes,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = holding->sample };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;
	uint32_t id;

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, SHARE, whole))
		return NULL;
	err = name_types(holding, &suspect);
	if (!err)
		err = name_holders(holding, &suspect);
	id = ch_graph_node_at(holding->graph, suspect.sample_addr);
	if (!err && id != CH_ID_NONE)
		err = chp_suspect_chain(suspecting, holding->graph, &id, 1, &suspect.chain);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "not_looked_at_count", holding->walking->left_out);
	chp_suspect_next(&suspect, "show", suspect.sample_addr);
	return chp_suspect_take(
		suspecting, &suspect, whole,
		"%s collections use a quarter of their room or less: %s that nothing is in; most "
		"in "
		"%s",
		chp_count_text(suspect.count, count), chp_bytes_text(suspect.bytes, bytes),
		suspect.owners_count ? suspect.owners[0].name : suspect.types[0].name);
}

static int compare_chained(const void *a, const void *b)
{
	const struct chained *x = a, *y = b;

	if (x->longest != y->longest)
		return x->longest > y->longest ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static struct ch_error *tell_chain(const struct holding *holding, const struct chained *chained,
				   uint32_t id, uint64_t retained_bytes)
{
	struct ch_suspecting *suspecting = holding->walking->suspecting;
	const struct ch_container_type *type = CH_VEC_AT(&holding->walking->containers.types,
							 struct ch_container_type, chained->type);
	struct ch_suspect suspect = { .rule = CH_RULE_COLLIDING_KEYS,
				      .count = chained->longest,
				      .bytes = retained_bytes,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = chained->addr,
				      .holder_addr = chained->addr };
	char entries[CH_BYTES_TEXT_MAX], longest[CH_BYTES_TEXT_MAX];
	struct ch_error *err;
	struct ch_type named;

	err = ch_heaps_type(suspecting->heaps, type->type, &named);
	if (err)
		return err;
	suspect.holder_type = strdup(named.name);
	err = suspect.holder_type
		      ? chp_suspect_chain(suspecting, holding->graph, &id, 1, &suspect.chain)
		      : &ch_enomem;
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "entries_count", chained->entries);
	chp_suspect_fact(&suspect, "longest_chain_count", chained->longest);
	chp_suspect_next(&suspect, "roots", chained->addr);
	return chp_suspect_take(suspecting, &suspect, suspecting->sums->used_bytes,
				"%s of the %s entries of one map (%s) are in one bucket: the hash "
				"codes of its keys are the same, or nearly",
				chp_count_text(chained->longest, longest),
				chp_count_text(chained->entries, entries), suspect.holder_type);
}

static struct ch_error *tell_chains(struct holding *holding)
{
	const struct chained *chained;
	struct ch_retained_row row;
	struct ch_error *err = NULL;
	size_t i, told = 0;
	uint32_t id;

	ch_vec_sort(&holding->walking->chained, compare_chained);
	chained = holding->walking->chained.items;
	for (i = 0; !err && i < holding->walking->chained.count && told < CHAINS_MAX; i++) {
		id = ch_graph_node_at(holding->graph, chained[i].addr);
		if (id == CH_ID_NONE || !ch_retained_row(holding->retained, id, &row))
			continue;
		err = tell_chain(holding, &chained[i], id, row.retained_bytes);
		told++;
	}
	if (!err && !holding->walking->budget)
		chp_context_finding(ch_session_context(holding->walking->suspecting->session),
				    CH_SEVERITY_NOTE, "chains-not-followed",
				    "the maps have more than %" PRIu64
				    " entries: long chains of the rest are not known",
				    (uint64_t)NODES_MAX);
	return err;
}

static struct ch_error *hold(struct walking *walking, struct ch_graph *graph,
			     const struct ch_retained *retained)
{
	struct holding *holding = calloc(1, sizeof(*holding));
	const struct found *found = walking->found.items;
	struct ch_error *err;
	size_t i;

	if (!holding)
		return &ch_enomem;
	holding->walking = walking;
	holding->graph = graph;
	holding->retained = retained;
	holding->rows = (struct ch_tallies)CH_TALLIES(walking->suspecting->heaps);
	holding->types = (struct ch_tallies)CH_TALLIES(NULL);
	err = chp_reverse_borrow(graph, &holding->reverse);
	if (!err) {
		for (i = 0; !err && i < walking->found.count; i++)
			err = add_found(holding, &found[i]);
		chp_reverse_return(graph, &holding->reverse);
	}
	if (!err)
		err = tell_room(holding);
	if (!err)
		err = tell_chains(holding);
	chp_tallies_deinit(&holding->rows);
	chp_tallies_deinit(&holding->types);
	free(holding);
	return err;
}

struct ch_error *chp_suspects_containers(struct ch_suspecting *suspecting, struct ch_graph *graph,
					 const struct ch_retained *retained, const uint32_t *types)
{
	struct walking *walking = calloc(1, sizeof(*walking));
	struct ch_error *err;

	if (!walking)
		return &ch_enomem;
	walking->suspecting = suspecting;
	walking->found = CH_VEC(struct found);
	walking->chained = CH_VEC(struct chained);
	walking->budget = NODES_MAX;
	err = chp_containers_find(suspecting->heaps, &walking->containers);
	if (!err)
		err = look_at_all(walking, graph, types);
	if (!err)
		err = hold(walking, graph, retained);
	chp_containers_deinit(&walking->containers);
	ch_vec_deinit(&walking->found);
	ch_vec_deinit(&walking->chained);
	free(walking);
	return err;
}
