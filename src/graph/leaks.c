/*
 * What nothing reaches: memory is marked in layers, from live roots by first bytes, then by any
 * pointer, then from what ended threads left. What remains is lost, grouped by who looks alike.
 */
#include <stdlib.h>

#include <coreheap/leaks.h>

#include "graph/held.h"
#include "graph/mark.h"
#include "heap/type_table.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"

/* Groups that are told apart; a program has a few hundred. */
#define GROUPS_MAX 65536

struct ch_leaks {
	struct ch_graph *graph;
	/** Nodes by class: reached exactly; so or by offset rules; at all from live
	 * roots; from any root; from what pools hold; and from what collectors would free;
	 * directly lost. One bit for each id. */
	uint64_t *first, *exact, *live, *held, *pooled, *dead, *direct;
	struct ch_leak_sum sums[CH_REACHES];
	struct ch_leak_sum allocator, offset_sum;
	struct ch_offsets offsets;
	uint64_t absent_block_bytes, absent_root_bytes;
	/** Id of the next object of a walk over everything. */
	uint32_t next_id;
	/** Type of each node, in a graph of which more is asked; else NULL. */
	uint32_t *types;
	/** of struct ch_leak_group; slots of a hash table of their indexes + 1 */
	struct ch_vec groups;
	uint32_t *slots;
	uint32_t slots_mask;
};

/* ---- How nodes are held ------------------------------------------------------ */

/* In exact mode those that lead into a node are put off. */
static struct ch_error *add_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = chp_mark_add(arg, roots[i].value);
	return err;
}

static uint64_t *copy_bits(const struct ch_mark *mark)
{
	size_t bytes = ((size_t)mark->graph->index->objects_count / 64 + 1) * sizeof(uint64_t);
	uint64_t *bits = malloc(bytes);

	if (bits)
		memcpy(bits, mark->marked, bytes);
	return bits;
}

static struct ch_error *mark_roots(struct ch_mark *mark, uint32_t kinds)
{
	struct ch_error *err;

	err = ch_graph_visit_roots(mark->graph, kinds, add_roots, mark);
	return err ? err : chp_mark_run(mark, true);
}

static struct ch_error *mark_deferred(struct ch_mark *mark)
{
	struct ch_error *err = NULL;
	size_t i;

	mark->exact = false;
	for (i = 0; !err && i < mark->deferred.count; i++)
		err = chp_mark_add(mark, *CH_VEC_AT(&mark->deferred, uint64_t, i));
	return err ? err : chp_mark_run(mark, true);
}

/* Where words of what is reached exactly, and roots, lead into what was deferred. */
static ch_inner *copy_insides(const struct ch_mark *mark)
{
	ch_inner *insides = calloc(mark->deferred.count + 1, sizeof(*insides));
	size_t i;

	for (i = 0; insides && i < mark->deferred.count; i++)
		insides[i] = mark->insides[ch_graph_node_at(
			mark->graph, *CH_VEC_AT(&mark->deferred, uint64_t, i))];
	return insides;
}

/* From what is reached exactly on, by offset rules. */
static struct ch_error *mark_by_offset(struct ch_leaks *leaks, struct ch_mark *mark,
				       const ch_inner *insides)
{
	size_t bytes = ((size_t)mark->graph->index->objects_count / 64 + 1) * sizeof(uint64_t), i;
	struct ch_error *err = NULL;
	uint64_t addr;
	uint32_t id;

	memcpy(mark->marked, leaks->first, bytes);
	mark->exact = true;
	mark->offsets = &leaks->offsets;
	for (i = 0; !err && i < mark->deferred.count; i++) {
		addr = *CH_VEC_AT(&mark->deferred, uint64_t, i);
		id = ch_graph_node_at(mark->graph, addr);
		if (chp_offsets_rule_of(&leaks->offsets, ch_graph_size_bytes(mark->graph, id),
					insides[i]))
			err = chp_mark_add(mark, addr);
	}
	if (!err)
		err = chp_mark_run(mark, true);
	mark->exact = false;
	mark->offsets = NULL;
	if (err)
		return err;
	memcpy(leaks->exact, mark->marked, bytes);
	memcpy(mark->marked, leaks->live, bytes);
	return NULL;
}

static int compare_by_bytes(const void *a, const void *b)
{
	const struct ch_offset_rule *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->size_bytes != y->size_bytes)
		return x->size_bytes < y->size_bytes ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* How many blocks each rule holds; those that hold none are no news. */
static void count_rules(struct ch_leaks *leaks, const struct ch_mark *mark)
{
	struct ch_vec *rules = &leaks->offsets.rules;
	struct ch_offset_rule *rule;
	uint64_t bits, size;
	uint32_t word, id;

	for (word = 0; rules->count && word <= mark->graph->index->objects_count / 64; word++) {
		for (bits = mark->interior[word] & leaks->exact[word] & ~leaks->first[word]; bits;
		     bits &= bits - 1) {
			id = word * 64 + (uint32_t)__builtin_ctzll(bits);
			size = ch_graph_size_bytes(mark->graph, id);
			rule = chp_offsets_rule_of(&leaks->offsets, size, mark->insides[id]);
			if (!rule)
				continue;
			rule->count++;
			rule->bytes += size;
		}
	}
	ch_vec_sort(rules, compare_by_bytes);
	while (rules->count && !CH_VEC_AT(rules, struct ch_offset_rule, rules->count - 1)->count)
		rules->count--;
}

/* Chains that are looked for later take the same pointers for as good. */
static struct ch_error *keep_rules(struct ch_leaks *leaks)
{
	const struct ch_vec *rules = &leaks->offsets.rules;
	struct ch_vec *kept = &leaks->graph->offset_rules;

	kept->count = 0;
	if (!rules->count)
		return NULL;
	if (!ch_vec_reserve(kept, rules->count))
		return &ch_enomem;
	memcpy(kept->items, rules->items, rules->count * sizeof(struct ch_offset_rule));
	kept->count = rules->count;
	return NULL;
}

/* What is reached by pointers into blocks, and which of these are as good as others. */
static struct ch_error *mark_inside(struct ch_leaks *leaks, struct ch_mark *mark)
{
	_cleanup_free_ ch_inner *insides = copy_insides(mark);
	struct ch_error *err;
	uint32_t word;

	if (!insides)
		return &ch_enomem;
	mark->known = leaks->first;
	err = mark_deferred(mark);
	mark->known = NULL;
	if (err)
		return err;
	leaks->absent_block_bytes = mark->absent_bytes;
	leaks->live = copy_bits(mark);
	if (!leaks->live)
		return &ch_enomem;
	for (word = 0; word <= mark->graph->index->objects_count / 64; word++)
		mark->interior[word] &= ~leaks->first[word];
	err = chp_offsets_find(mark->graph, mark->interior, mark->insides, &leaks->offsets);
	if (!err)
		err = keep_rules(leaks);
	if (!err && leaks->offsets.rules.count)
		err = mark_by_offset(leaks, mark, insides);
	if (!err)
		count_rules(leaks, mark);
	return err;
}

/* Live roots by first bytes, then all pointers, then what ended threads left. */
static struct ch_error *mark_held(struct ch_leaks *leaks, struct ch_mark *mark)
{
	_cleanup_free_ ch_inner *insides = NULL;
	struct ch_error *err;

	/* Pages of what nothing leads into are never touched. */
	mark->insides = insides =
		calloc(mark->graph->index->objects_count + 1ULL, sizeof(*insides));
	if (!insides)
		return &ch_enomem;
	mark->exact = true;
	err = mark_roots(mark, CH_ROOTS_LIVE);
	if (!err) {
		leaks->first = copy_bits(mark);
		leaks->exact = copy_bits(mark);
		err = leaks->first && leaks->exact ? mark_inside(leaks, mark) : &ch_enomem;
	}
	mark->insides = NULL;
	if (!err)
		err = mark_roots(mark, 1U << CH_ROOT_LEFTOVER);
	if (err)
		return err;
	leaks->held = copy_bits(mark);
	return leaks->held ? NULL : &ch_enomem;
}

static bool is_pooled(const struct ch_index_span *span)
{
	return span->pooled;
}

static bool is_traced(const struct ch_index_span *span)
{
	return span->traced;
}

/* All nodes of spans of one sort that are not marked yet, and what they hold. */
static struct ch_error *mark_spans(const struct ch_graph *graph, struct ch_mark *mark,
				   bool (*wanted)(const struct ch_index_span *span))
{
	const struct ch_index_span *span;
	struct ch_error *err = NULL;
	uint64_t addr;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < graph->index->spans.count; i++) {
		span = CH_VEC_AT(&graph->index->spans, struct ch_index_span, i);
		if (!wanted(span))
			continue;
		addr = span->start;
		for (id = span->first_id; !err && id < span->first_id + span->count; id++) {
			if (chp_is_node(graph->index, id) && !chp_bit(mark->marked, id))
				err = chp_mark_add(mark, addr);
			addr = chp_index_next(span, id, addr);
		}
		if (!err)
			err = chp_mark_run(mark, true);
	}
	return err;
}

/* What its pool holds, and nobody else; then nodes of heaps that a runtime collects. */
static struct ch_error *mark_unheld(struct ch_leaks *leaks, struct ch_mark *mark)
{
	struct ch_error *err = mark_spans(leaks->graph, mark, is_pooled);

	if (err)
		return err;
	leaks->pooled = copy_bits(mark);
	if (!leaks->pooled)
		return &ch_enomem;
	err = mark_spans(leaks->graph, mark, is_traced);
	if (err)
		return err;
	leaks->dead = copy_bits(mark);
	return leaks->dead ? NULL : &ch_enomem;
}

/* Lost nodes by address that nothing before them reaches. */
static struct ch_error *find_heads(const struct ch_leaks *leaks, struct ch_mark *mark,
				   struct ch_vec *heads)
{
	const struct ch_graph *graph = leaks->graph;
	struct ch_error *err = NULL;
	uint64_t lost, addr, *slot;
	uint32_t word, id;

	for (word = 0; !err && word <= graph->index->objects_count / 64; word++) {
		if (word * 64 >= graph->index->objects_count)
			break;
		for (lost = graph->index->nodes[word] & ~mark->marked[word]; !err && lost;
		     lost = graph->index->nodes[word] & ~mark->marked[word]) {
			id = word * 64 + (uint32_t)__builtin_ctzll(lost);
			addr = ch_graph_addr(graph, id);
			slot = ch_vec_push(heads);
			if (!slot)
				return &ch_enomem;
			*slot = addr;
			err = chp_mark_add(mark, addr);
			if (!err)
				err = chp_mark_run(mark, false);
		}
	}
	return err;
}

/*
 * Upwards by address, each lost node that is not reached yet is a head, and all
 * that it reaches is. Downwards, the heads that no later head reaches are what
 * nobody else leads to: the first node of a source component is a head, as
 * nothing outside reaches it, and a head inside of another component is reached
 * from the source before it, which came later or it would be no head.
 */
static struct ch_error *find_direct(struct ch_leaks *leaks, struct ch_mark *mark)
{
	size_t bytes = ((size_t)leaks->graph->index->objects_count / 64 + 1) * sizeof(uint64_t), i;
	struct ch_vec heads = CH_VEC(uint64_t);
	struct ch_error *err;
	uint64_t addr;
	uint32_t id;

	leaks->direct = calloc(1, bytes);
	if (!leaks->direct)
		return &ch_enomem;
	err = find_heads(leaks, mark, &heads);
	memcpy(mark->marked, leaks->dead, bytes);
	for (i = heads.count; !err && i > 0; i--) {
		addr = *CH_VEC_AT(&heads, uint64_t, i - 1);
		id = ch_graph_node_at(leaks->graph, addr);
		if (chp_bit(mark->marked, id))
			continue;
		leaks->direct[id / 64] |= 1ULL << (id % 64);
		err = chp_mark_add(mark, addr);
		if (!err)
			err = chp_mark_run(mark, false);
	}
	ch_vec_deinit(&heads);
	return err;
}

enum ch_reach ch_leaks_reach(const struct ch_leaks *leaks, uint32_t id)
{
	if (!leaks->dead)
		return chp_bit(leaks->held, id) ? CH_REACH_LIVE : CH_REACH_DEAD;
	if (chp_bit(leaks->exact, id))
		return CH_REACH_LIVE;
	/* a pointer into what a pool gave is as good: it stays as long as the pool does */
	if (chp_bit(leaks->live, id))
		return chp_index_span_of(leaks->graph->index, id)->pooled ? CH_REACH_LIVE
									  : CH_REACH_POSSIBLE;
	if (chp_bit(leaks->held, id))
		return CH_REACH_LEFTOVER;
	if (chp_bit(leaks->pooled, id))
		return CH_REACH_POOLED;
	if (chp_bit(leaks->dead, id))
		return CH_REACH_DEAD;
	return chp_bit(leaks->direct, id) ? CH_REACH_DIRECT : CH_REACH_INDIRECT;
}

/* ---- Groups ------------------------------------------------------------------ */

static void read_signature(const struct ch_leaks *leaks, const struct ch_object *object,
			   struct ch_leak_group *key)
{
	uint64_t word;
	uint32_t id;

	key->signature = CH_SIGNATURE_NONE;
	if (object->size_bytes < 8 || !ch_core_read_u64(leaks->graph->core, object->addr, &word))
		return;
	key->signature = CH_SIGNATURE_OTHER;
	if (!word) {
		key->signature = CH_SIGNATURE_ZERO;
		return;
	}
	id = ch_graph_node_at(leaks->graph, word);
	if (id != CH_ID_NONE) {
		key->signature = chp_bit(leaks->held, id) ? CH_SIGNATURE_HELD : CH_SIGNATURE_LOST;
	} else if (ch_sym_module_at(leaks->graph->sym, word)) {
		key->signature = CH_SIGNATURE_MODULE;
		key->word = word;
	}
}

static bool same_group(const struct ch_leak_group *a, const struct ch_leak_group *b)
{
	return a->type == b->type && a->reach == b->reach && a->signature == b->signature &&
	       a->word == b->word;
}

static uint64_t hash_of(const struct ch_leak_group *key)
{
	return ch_hash_number(ch_hash_number(CH_HASH_START, key->type), key->word);
}

static struct ch_error *grow_slots(struct ch_leaks *leaks)
{
	uint32_t size = leaks->slots ? (leaks->slots_mask + 1) * 2 : 256, slot;
	uint32_t *slots = calloc(size, sizeof(*slots));
	const struct ch_leak_group *group;
	size_t i;

	if (!slots)
		return &ch_enomem;
	for (i = 0; i < leaks->groups.count; i++) {
		group = CH_VEC_AT(&leaks->groups, struct ch_leak_group, i);
		slot = (uint32_t)hash_of(group) & (size - 1);
		while (slots[slot])
			slot = (slot + 1) & (size - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	free(leaks->slots);
	leaks->slots = slots;
	leaks->slots_mask = size - 1;
	return NULL;
}

/* The group that is like key; made if there is none. NULL when out of memory. */
static struct ch_leak_group *group_of(struct ch_leaks *leaks, const struct ch_leak_group *key)
{
	struct ch_leak_group *group;
	uint32_t slot;

	if (2 * leaks->groups.count >= leaks->slots_mask && grow_slots(leaks))
		return NULL;
	slot = (uint32_t)hash_of(key) & leaks->slots_mask;
	for (; leaks->slots[slot]; slot = (slot + 1) & leaks->slots_mask) {
		group = CH_VEC_AT(&leaks->groups, struct ch_leak_group, leaks->slots[slot] - 1);
		if (same_group(group, key))
			return group;
	}
	group = ch_vec_push(&leaks->groups);
	if (!group)
		return NULL;
	*group = *key;
	leaks->slots[slot] = (uint32_t)leaks->groups.count;
	return group;
}

static void add_sum(const struct ch_leaks *leaks, struct ch_leak_sum *sum,
		    const struct ch_object *object)
{
	sum->touched_bytes += chp_object_weight(leaks->graph, object);
	sum->count++;
	sum->bytes += object->size_bytes;
	sum->chunk_bytes += object->chunk_bytes;
}

static struct ch_error *add_lost(struct ch_leaks *leaks, const struct ch_object *object,
				 enum ch_reach reach)
{
	struct ch_leak_group key = { .type = object->type, .reach = reach }, *group;

	if (leaks->groups.count < GROUPS_MAX)
		read_signature(leaks, object, &key);
	else
		key.type = chp_type_other(leaks->graph->heaps, object->type);
	group = key.type ? group_of(leaks, &key) : NULL;
	if (!group)
		return &ch_enomem;
	if (!group->sum.count)
		group->sample_addr = object->addr;
	add_sum(leaks, &group->sum, object);
	return NULL;
}

/* A used block of the program's. */
static struct ch_error *add_used(struct ch_leaks *leaks, const struct ch_object *object,
				 uint32_t id)
{
	enum ch_reach reach = ch_leaks_reach(leaks, id);

	add_sum(leaks, &leaks->sums[reach], object);
	if (leaks->first && chp_bit(leaks->exact, id) && !chp_bit(leaks->first, id))
		add_sum(leaks, &leaks->offset_sum, object);
	return reach >= CH_REACH_DEAD ? add_lost(leaks, object, reach) : NULL;
}

static struct ch_error *add_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_leaks *leaks = arg;
	struct ch_error *err = NULL;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		/* The walk that made the ids came by the same way. */
		id = leaks->next_id++;
		if (objects[i].state != CH_OBJECT_USED)
			continue;
		if (objects[i].flags & CH_OBJECT_ALLOCATOR) {
			add_sum(leaks, &leaks->allocator, &objects[i]);
			continue;
		}
		if (leaks->graph->index->gaps)
			id = ch_graph_node_at(leaks->graph, objects[i].addr);
		if (id >= leaks->graph->index->objects_count)
			continue;
		if (leaks->types)
			leaks->types[id] = objects[i].type;
		err = add_used(leaks, &objects[i], id);
	}
	return err;
}

/* Of a walk that leaves some out. */
static struct ch_error *add_chosen(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_leaks *leaks = arg;
	struct ch_error *err = NULL;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].flags & CH_OBJECT_ALLOCATOR)
			continue;
		id = ch_graph_node_at(leaks->graph, objects[i].addr);
		if (id < leaks->graph->index->objects_count)
			err = add_used(leaks, &objects[i], id);
	}
	return err;
}

static int compare_groups(const void *a, const void *b)
{
	const struct ch_leak_group *x = a, *y = b;

	if (x->sum.chunk_bytes != y->sum.chunk_bytes)
		return x->sum.chunk_bytes > y->sum.chunk_bytes ? -1 : 1;
	return x->sample_addr < y->sample_addr ? -1 : x->sample_addr > y->sample_addr;
}

/* ---- All of it ---------------------------------------------------------------- */

/* What the core lacks, and what that weakens. */
static void note_absent(struct ch_leaks *leaks)
{
	bool truncated = ch_core_stats(leaks->graph->core)->truncated;
	const struct ch_root_range *ranges;
	uint64_t lost_bytes = 0;
	size_t count, i;

	ranges = ch_graph_root_ranges(leaks->graph, &count);
	for (i = 0; i < count; i++) {
		if (!(CH_ROOTS_LIVE & 1U << ranges[i].kind))
			continue;
		leaks->absent_root_bytes += ranges[i].absent_bytes;
		lost_bytes += ranges[i].lost_bytes;
	}
	if (leaks->absent_root_bytes || leaks->absent_block_bytes)
		chp_context_finding(
			leaks->graph->ctx,
			lost_bytes || (truncated && leaks->absent_block_bytes)
				? CH_SEVERITY_INCOMPLETE
				: CH_SEVERITY_NOTE,
			"leaks-weakened",
			"%llu bytes of roots (%llu of them lost with the end of the file) and "
			"%llu of blocks that are held are not in the core: what only they point "
			"at looks lost",
			(unsigned long long)leaks->absent_root_bytes,
			(unsigned long long)lost_bytes,
			(unsigned long long)leaks->absent_block_bytes);
}

static struct ch_error *find(struct ch_leaks *leaks)
{
	struct ch_error *err;
	struct ch_mark mark;

	if (leaks->graph->keep_edges) {
		leaks->types =
			calloc(leaks->graph->index->objects_count + 1ULL, sizeof(*leaks->types));
		if (!leaks->types)
			return &ch_enomem;
		/* who asks more follows them, too */
		err = chp_forward_keep(leaks->graph);
		if (err)
			return err;
	}
	err = chp_mark_init(&mark, leaks->graph);
	if (err)
		return err;
	err = mark_held(leaks, &mark);
	if (!err)
		err = mark_unheld(leaks, &mark);
	if (!err)
		err = find_direct(leaks, &mark);
	chp_mark_deinit(&mark);
	if (!err && leaks->graph->keep_edges)
		err = chp_forward_use_rules(leaks->graph);
	if (!err)
		err = ch_heaps_walk(leaks->graph->heaps, 0, UINT64_MAX, add_objects, leaks);
	if (err)
		return err;
	ch_vec_sort(&leaks->groups, compare_groups);
	note_absent(leaks);
	return NULL;
}

/* Marks alone. */
static struct ch_error *find_held(struct ch_leaks *leaks)
{
	struct ch_error *err;
	struct ch_mark mark;

	err = chp_mark_init(&mark, leaks->graph);
	if (err)
		return err;
	err = mark_roots(&mark, CH_ROOTS_LIVE | 1U << CH_ROOT_LEFTOVER);
	leaks->absent_block_bytes = mark.absent_bytes;
	if (!err)
		err = mark_spans(leaks->graph, &mark, is_pooled);
	if (!err) {
		leaks->held = mark.marked;
		mark.marked = NULL;
		note_absent(leaks);
	}
	chp_mark_deinit(&mark);
	return err;
}

static struct ch_error *make(struct ch_graph *graph, struct ch_error *(*fn)(struct ch_leaks *),
			     struct ch_leaks **ret)
{
	struct ch_leaks *leaks = calloc(1, sizeof(*leaks));
	struct ch_error *err;

	if (!leaks)
		return &ch_enomem;
	leaks->graph = graph;
	leaks->groups = CH_VEC(struct ch_leak_group);
	leaks->offsets.rules = CH_VEC(struct ch_offset_rule);
	err = fn(leaks);
	if (err) {
		ch_leaks_destroy(leaks);
		return err;
	}
	*ret = leaks;
	return NULL;
}

struct ch_error *ch_leaks_find(struct ch_graph *graph, struct ch_leaks **ret)
{
	return make(graph, find, ret);
}

struct ch_error *chp_leaks_choose(struct ch_leaks *leaks, const struct ch_object_filter *filter)
{
	struct ch_error *err;

	memset(leaks->sums, 0, sizeof(leaks->sums));
	leaks->offset_sum = (struct ch_leak_sum){ .count = 0 };
	leaks->groups.count = 0;
	free(leaks->slots);
	leaks->slots = NULL;
	leaks->slots_mask = 0;
	err = chp_heaps_walk_where(leaks->graph->heaps, filter, add_chosen, leaks);
	if (!err)
		ch_vec_sort(&leaks->groups, compare_groups);
	return err;
}

struct ch_error *chp_held_find(struct ch_graph *graph, struct ch_leaks **ret)
{
	return make(graph, find_held, ret);
}

/* Ids of a batch are a row where all objects have one: asked for at both ends. */
static bool find_row(const struct ch_graph *graph, const struct ch_object *objects, size_t n,
		     uint32_t *first_ret)
{
	const struct ch_index_span *span = chp_index_span(graph->index, objects[0].addr);
	struct ch_index_hit first, last;

	if (graph->index->gaps || !span || objects[n - 1].addr < objects[0].addr ||
	    objects[n - 1].addr >= span->end)
		return false;
	first = chp_index_hit(span, objects[0].addr);
	last = chp_index_hit(span, objects[n - 1].addr);
	*first_ret = first.id;
	return first.start == objects[0].addr && last.start == objects[n - 1].addr &&
	       last.id - first.id == n - 1;
}

void chp_held_select(const struct ch_graph *graph, const struct ch_leaks *leaks, bool held,
		     const struct ch_object *objects, size_t n, bool *ret)
{
	uint32_t first = 0, id;
	bool row = n && find_row(graph, objects, n, &first);
	size_t i;

	for (i = 0; i < n; i++) {
		id = row ? first + (uint32_t)i : ch_graph_node_at(graph, objects[i].addr);
		ret[i] = objects[i].state == CH_OBJECT_USED && id != CH_ID_NONE &&
			 chp_is_node(graph->index, id) && chp_bit(leaks->held, id) == held;
	}
}

void ch_leaks_destroy(struct ch_leaks *leaks)
{
	if (!leaks)
		return;
	free(leaks->first);
	free(leaks->exact);
	free(leaks->live);
	free(leaks->held);
	free(leaks->pooled);
	free(leaks->dead);
	free(leaks->direct);
	free(leaks->types);
	ch_vec_deinit(&leaks->groups);
	chp_offsets_deinit(&leaks->offsets);
	free(leaks->slots);
	free(leaks);
}

const uint32_t *chp_leaks_types(const struct ch_leaks *leaks)
{
	return leaks->types;
}

const struct ch_leak_sum *ch_leaks_sums(const struct ch_leaks *leaks)
{
	return leaks->sums;
}

struct ch_leak_sum ch_leaks_allocator_sum(const struct ch_leaks *leaks)
{
	return leaks->allocator;
}

struct ch_leak_sum ch_leaks_offset_sum(const struct ch_leaks *leaks)
{
	return leaks->offset_sum;
}

const struct ch_offset_rule *ch_leaks_offset_rules(const struct ch_leaks *leaks, size_t *count_ret)
{
	*count_ret = leaks->offsets.rules.count;
	return leaks->offsets.rules.items;
}

const struct ch_leak_group *ch_leaks_groups(const struct ch_leaks *leaks, size_t *count_ret)
{
	*count_ret = leaks->groups.count;
	return leaks->groups.items;
}

uint64_t ch_leaks_absent_block_bytes(const struct ch_leaks *leaks)
{
	return leaks->absent_block_bytes;
}

uint64_t ch_leaks_absent_root_bytes(const struct ch_leaks *leaks)
{
	return leaks->absent_root_bytes;
}

const char *ch_reach_name(enum ch_reach reach)
{
	static const char *const names[] = { "reachable",      "possibly-lost", "thread-leftover",
					     "pooled",         "dead",          "directly-lost",
					     "indirectly-lost" };

	return (size_t)reach < CH_COUNT_OF(names) ? names[reach] : "unknown";
}

const char *ch_signature_name(enum ch_signature signature)
{
	static const char *const names[] = { "none", "zero", "module", "lost", "held", "other" };

	return (size_t)signature < CH_COUNT_OF(names) ? names[signature] : "unknown";
}
