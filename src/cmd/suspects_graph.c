#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/measure.h"
#include "cmd/suspects.h"
#include "graph/holders.h"
#include "graph/retained.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

#define SIZE_MIN     (1ULL << 20)
#define HOLDER_SHARE 10
#define BLOCK_SHARE  25
#define TYPE_SHARE   30
#define LOOSE_SHARE  20
/* Of all types, by bytes. */
#define TYPES_LOOKED_AT 1000
#define GARBAGE_SHARE   30
#define LOST_MIN        (64ULL << 10)
#define LOST_SHARE      5
/* Blocks that one block holds directly: a collection. */
#define FAN_OUT 1000
/* A part of a holder's memory that is worth a word, and that is most of it. */
#define PART_PERCENT 5
#define MOST_PERCENT 50

struct looking {
	struct ch_suspecting *suspecting;
	struct ch_graph *graph;
	struct ch_retained *retained;
	struct ch_leaks *leaks;
	struct ch_holders holders;
};

/* ---- Chains ------------------------------------------------------------------- */

static bool is_passing(const struct ch_root *root)
{
	return root->kind == CH_ROOT_STACK || root->kind == CH_ROOT_REGISTER;
}

/* The shortest chain of those that are as good as the first, of a root that lasts if there
 * is one. */
static const struct ch_chain *best_chain(const struct ch_chain *list, size_t count)
{
	size_t i;

	for (i = 0; i < count && list[i].inner == list->inner; i++)
		if (!is_passing(&list[i].root))
			return &list[i];
	return list;
}

static struct ch_error *keep_steps(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				   const struct ch_chains *chains, const struct ch_chain *chain,
				   struct ch_suspect_chain *ret)
{
	uint32_t id = chain->root.target, holder = CH_ID_NONE, i, length = chain->steps + 1;
	struct ch_error *err = NULL;

	ret->elided_at = CH_SUSPECT_STEPS / 2;
	if (length > CH_SUSPECT_STEPS)
		ret->elided_count = length - CH_SUSPECT_STEPS;
	for (i = 0; !err && id != CH_ID_NONE && ret->steps_count < CH_SUSPECT_STEPS; i++) {
		if (i < ret->elided_at || i >= ret->elided_at + ret->elided_count) {
			err = chp_step_make(graph, suspecting->summary->heaps, chain, holder, id,
					    &ret->steps[ret->steps_count]);
			ret->steps_count += !err;
		}
		holder = id;
		id = ch_chains_next(chains, id);
	}
	return err;
}

static struct ch_error *make_chain(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				   const struct ch_chains *chains, struct ch_suspect_chain *ret)
{
	const struct ch_chain *list, *best;
	struct ch_error *err;
	size_t roots;

	list = ch_chains_list(chains, &roots);
	if (!roots)
		return NULL;
	best = best_chain(list, roots);
	ret->root = best->root;
	err = ch_root_describe(graph, &best->root, &ret->text);
	if (!err)
		err = keep_steps(suspecting, graph, chains, best, ret);
	ret->roots_count = err ? 0 : roots;
	return err;
}

struct ch_error *chp_suspect_chain(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				   const uint32_t *targets, size_t count,
				   struct ch_suspect_chain *ret)
{
	struct ch_chains *chains = NULL;
	struct ch_error *err;

	err = ch_chains_find(graph, targets, count, NULL, &chains);
	if (!err)
		err = make_chain(suspecting, graph, chains, ret);
	ch_chains_destroy(chains);
	return err;
}

static struct ch_error *find_chain(struct looking *looking, uint32_t target,
				   struct ch_suspect_chain *ret)
{
	return chp_suspect_chain(looking->suspecting, looking->graph, &target, 1, ret);
}

/* ---- Holders ------------------------------------------------------------------ */

static struct ch_error *name_types(struct looking *looking, const struct ch_holder *holder,
				   struct ch_suspect *suspect)
{
	const struct ch_held_type *types = holder->types.items;
	struct ch_error *err = NULL;
	size_t i;

	suspect->types_total = holder->types.count;
	for (i = 0; !err && i < holder->types.count && suspect->types_count < CH_SUSPECT_TYPES; i++)
		if (!i ||
		    chp_percent(types[i].total_bytes, holder->total_bytes) >= PART_PERCENT * 100)
			err = chp_suspect_type(looking->suspecting, suspect, types[i].walker,
					       types[i].type, types[i].count, types[i].total_bytes);
	return err;
}

static enum ch_suspect_rule rule_of(const struct ch_holder *holder, uint64_t self_bytes)
{
	if (holder->list || holder->children_count >= FAN_OUT)
		return CH_RULE_GROWING_COLLECTION;
	if (chp_percent(self_bytes, holder->total_bytes) >= MOST_PERCENT * 100)
		return CH_RULE_LARGE_BLOCK;
	return CH_RULE_COMMON_HOLDER;
}

/* "Cache", "a 104-byte block" */
static char *one_of(const char *type)
{
	static const char suffix[] = " blocks";
	size_t len = strlen(type);
	char *text = NULL;

	if (len < sizeof(suffix) || strcmp(type + len - (sizeof(suffix) - 1), suffix) != 0)
		return strdup(type);
	return asprintf(&text, "a %.*s", (int)len - 1, type) < 0 ? NULL : text;
}

/* "A, B, C and 3 more types" */
static char *list_types(const struct ch_suspect *suspect)
{
	char *text = NULL;
	size_t i, size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < suspect->types_count; i++)
		fprintf(out, "%s%s", i ? ", " : "", suspect->types[i].name);
	if (suspect->types_total > suspect->types_count)
		fprintf(out, " and %" PRIu64 " more type%s",
			suspect->types_total - suspect->types_count,
			suspect->types_total - suspect->types_count == 1 ? "" : "s");
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static struct ch_error *tell_holder(struct looking *looking, const struct ch_holder *holder,
				    struct ch_suspect *suspect)
{
	uint64_t whole = looking->suspecting->summary->used_bytes;
	char count[CH_BYTES_TEXT_MAX], children[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *types = list_types(suspect);
	_cleanup_free_ char *one = one_of(suspect->holder_type);

	if (!types || !one) {
		chp_suspect_deinit(suspect);
		return &ch_enomem;
	}
	chp_count_text(holder->total_count, count);
	chp_bytes_text(holder->total_bytes, bytes);
	chp_count_text(holder->children_count, children);
	if (suspect->rule == CH_RULE_LARGE_BLOCK)
		return chp_suspect_take(looking->suspecting, suspect, whole, "%s retains %s", one,
					bytes);
	if (holder->list)
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"a long list that begins with %s: %s blocks, %s; most of "
					"them %s",
					one, count, bytes, types);
	if (suspect->rule == CH_RULE_GROWING_COLLECTION)
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"%s holds %s blocks directly and %s in all, %s; most of "
					"them %s",
					one, children, count, bytes, types);
	return chp_suspect_take(looking->suspecting, suspect, whole,
				"%s holds %s blocks, %s; most of them %s", one, count, bytes,
				types);
}

static struct ch_error *add_holder(struct looking *looking, const struct ch_holder *holder)
{
	struct ch_suspect suspect = { .bytes = holder->total_bytes,
				      .count = holder->total_count,
				      .share_of = "the touched used bytes",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = ch_graph_addr(looking->graph, holder->id),
				      .holder_addr = ch_graph_addr(looking->graph, holder->id) };
	uint64_t self_bytes = chp_graph_weight(looking->graph, holder->id);
	struct ch_error *err;

	suspect.rule = rule_of(holder, self_bytes);
	if (suspect.rule == CH_RULE_LARGE_BLOCK &&
	    !chp_suspect_is(suspect.bytes, SIZE_MIN, BLOCK_SHARE,
			    looking->suspecting->summary->used_bytes))
		return NULL;
	err = chp_node_type_name(looking->graph, looking->suspecting->summary->heaps, holder->id,
				 &suspect.holder_type);
	if (!err)
		err = name_types(looking, holder, &suspect);
	if (!err)
		err = find_chain(looking, holder->id, &suspect.chain);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "children_count", holder->children_count);
	chp_suspect_fact(&suspect, "self_bytes", self_bytes);
	chp_suspect_next(&suspect, "retained", suspect.holder_addr);
	return tell_holder(looking, holder, &suspect);
}

static struct ch_error *find_holders(struct looking *looking)
{
	uint64_t used = looking->suspecting->summary->used_bytes;
	const struct ch_holder *holder;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < looking->holders.count; i++) {
		holder = &looking->holders.items[i];
		if (chp_suspect_is(holder->total_bytes, SIZE_MIN, HOLDER_SHARE, used))
			err = add_holder(looking, holder);
	}
	return err;
}

/* ---- Types -------------------------------------------------------------------- */

static uint64_t touched_bytes(const struct ch_suspecting *suspecting,
			      const struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes;

	return ch_core_touched_bytes(ch_session_core(suspecting->env->session), start,
				     start + object->chunk_bytes);
}

/* Whether the suspect of equal mappings is about most of a type. */
static bool is_mapped(const struct looking *looking, const struct ch_type_stat *stat)
{
	const struct ch_suspecting *suspecting = looking->suspecting;
	const uint64_t *addrs = suspecting->equal.items;
	const struct ch_span *spans;
	const struct ch_heap *heaps;
	struct ch_object object;
	uint64_t bytes = 0;
	size_t i, count;

	spans = ch_heaps_spans(suspecting->summary->heaps, &count);
	heaps = ch_heaps_list(suspecting->summary->heaps, &count);
	for (i = 0; i < suspecting->equal.count; i++)
		if (ch_heaps_object_at(suspecting->summary->heaps, addrs[i], &object) &&
		    heaps[spans[object.span].heap].walker == stat->walker &&
		    ch_object_type_id(&object) == stat->type)
			bytes += suspecting->summary->input.filled_bytes
					 ? object.chunk_bytes
					 : touched_bytes(suspecting, &object);
	return chp_percent(bytes, chp_touched_of(looking->suspecting->summary, stat)) >=
	       MOST_PERCENT * 100;
}

/* What is said of most of a type already: what holders have, nothing holds, or has mappings
 * of the same size. */
static bool is_told(const struct looking *looking, const struct ch_type_stat *stat)
{
	const struct ch_leak_group *groups;
	const struct ch_held_type *types;
	uint64_t told = 0, lost = 0;
	size_t i, k, count;

	for (i = 0; i < looking->holders.count; i++) {
		types = looking->holders.items[i].types.items;
		for (k = 0; k < looking->holders.items[i].types.count; k++)
			if (types[k].walker == stat->walker && types[k].type == stat->type)
				told += types[k].total_bytes;
	}
	if (chp_percent(told, chp_touched_of(looking->suspecting->summary, stat)) >=
		    MOST_PERCENT * 100 ||
	    is_mapped(looking, stat))
		return true;
	groups = ch_leaks_groups(looking->leaks, &count);
	for (i = 0; i < count; i++)
		if (groups[i].walker == stat->walker && groups[i].type == stat->type)
			lost += groups[i].sum.touched_bytes;
	return chp_percent(lost, chp_touched_of(looking->suspecting->summary, stat)) >=
	       MOST_PERCENT * 100;
}

struct sampling {
	const struct looking *looking;
	const struct ch_type_stat *stat;
	/* Instances to pass by: the one in the middle stands for most. */
	uint64_t skip;
	/* The last one that live roots reach, CH_ID_NONE: none yet. */
	uint32_t id;
};

static struct ch_error *take_sample(void *arg, const struct ch_object *objects, size_t n)
{
	struct sampling *sampling = arg;
	const struct ch_graph *graph = sampling->looking->graph;
	struct ch_retained_row row;
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED ||
		    ch_object_type_id(&objects[i]) != sampling->stat->type)
			continue;
		sampling->skip -= sampling->skip > 0;
		id = ch_graph_node_at(graph, objects[i].addr);
		if (id == CH_ID_NONE || !ch_retained_row(sampling->looking->retained, id, &row))
			continue;
		sampling->id = id;
		if (!sampling->skip)
			return &ch_stop;
	}
	return NULL;
}

/* retained: of those instances that roots alone dominate, or NULL; whole goes with
 * it, or with the type's own bytes. */
static struct ch_error *add_type(struct looking *looking, const struct ch_type_stat *stat,
				 const struct ch_held_type *retained, uint64_t whole)
{
	struct sampling sampling = {
		.looking = looking, .stat = stat, .skip = stat->count / 2, .id = CH_ID_NONE
	};
	struct ch_suspect suspect = {
		.rule = CH_RULE_ONE_TYPE,
		.bytes = retained ? retained->total_bytes
				  : chp_touched_of(looking->suspecting->summary, stat),
		.count = stat->count,
		.share_of =
			retained ? "the touched used bytes" : "the touched used bytes of its heap",
		.basis = CH_BASIS_DERIVED,
		.sample_addr = stat->sample_addr
	};
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_heaps *heaps = looking->suspecting->summary->heaps;
	struct ch_error *err;

	err = ch_heaps_walk(heaps, stat->sample_addr, UINT64_MAX, take_sample, &sampling);
	if (err == &ch_stop && sampling.id != CH_ID_NONE && !sampling.skip)
		err = NULL;
	if (!err)
		err = chp_suspect_type(looking->suspecting, &suspect, stat->walker, stat->type,
				       stat->count,
				       chp_touched_of(looking->suspecting->summary, stat));
	if (!err && sampling.id != CH_ID_NONE) {
		err = find_chain(looking, sampling.id, &suspect.chain);
		suspect.sample_addr = ch_graph_addr(looking->graph, sampling.id);
	}
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "self_bytes",
			 chp_touched_of(looking->suspecting->summary, stat));
	if (retained)
		chp_suspect_fact(&suspect, "retained_bytes", retained->total_bytes);
	chp_suspect_next(&suspect, "roots", suspect.sample_addr);
	return chp_suspect_take(looking->suspecting, &suspect, whole,
				"%s: %s of them %s %s; several blocks or roots hold them together",
				suspect.types[0].name, chp_count_text(stat->count, count),
				retained ? "have, with what only they hold," : "have",
				chp_bytes_text(suspect.bytes, bytes));
}

/* Touched bytes of used blocks that are not the allocator's own. */
static uint64_t touched_used_of(const struct ch_heap *heap)
{
	return heap->used_bytes - heap->untouched_used_bytes -
	       (heap->allocator_bytes - heap->untouched_allocator_bytes);
}

static uint64_t used_bytes_of(const struct ch_heaps *heaps, uint32_t walker)
{
	const struct ch_heap *list;
	uint64_t bytes = 0;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++)
		if (list[i].walker == walker)
			bytes += touched_used_of(&list[i]) + (chp_heaps_clears(heaps, walker)
								      ? list[i].untouched_used_bytes
								      : 0);
	return bytes;
}

/* What instances of a type retain that no other block holds. */
static const struct ch_held_type *loose_of(const struct looking *looking,
					   const struct ch_type_stat *stat)
{
	const struct ch_held_type *loose = looking->holders.loose.items;
	uint64_t used = looking->suspecting->summary->used_bytes;
	size_t i;

	for (i = 0; i < looking->holders.loose.count; i++)
		if (loose[i].walker == stat->walker && loose[i].type == stat->type)
			return loose[i].count > 1 && chp_suspect_is(loose[i].total_bytes, SIZE_MIN,
								    LOOSE_SHARE, used)
				       ? &loose[i]
				       : NULL;
	return NULL;
}

/* Types are by bytes, so what could be a suspect comes early. */
static struct ch_error *find_types(struct looking *looking)
{
	const struct ch_summary *summary = looking->suspecting->summary;
	const struct ch_held_type *retained;
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count, i;
	uint64_t whole;

	err = ch_heaps_types(summary->heaps, &stats, &count);
	for (i = 0; !err && i < count && i < TYPES_LOOKED_AT; i++) {
		if (stats[i].kind != CH_TYPE_OBJECT || stats[i].count < 2)
			continue;
		retained = loose_of(looking, &stats[i]);
		whole = retained ? summary->used_bytes
				 : used_bytes_of(summary->heaps, stats[i].walker);
		/* Most of a heap that is next to nothing is next to nothing. */
		if ((retained ||
		     (chp_suspect_is(chp_touched_of(looking->suspecting->summary, &stats[i]),
				     SIZE_MIN, TYPE_SHARE, whole) &&
		      chp_suspect_is(chp_touched_of(looking->suspecting->summary, &stats[i]), 0,
				     PART_PERCENT, summary->used_bytes))) &&
		    !is_told(looking, &stats[i]))
			err = add_type(looking, &stats[i], retained, whole);
	}
	return err;
}

/* ---- What nothing holds -------------------------------------------------------- */

/* What nothing in the core holds may be held by what the core lacks. */
static bool is_open(const struct looking *looking, char why[CH_COVERAGE_TEXT_MAX])
{
	return chp_coverage_lacks(&looking->suspecting->coverage, CH_NEED_STACKS | CH_NEED_MEMORY,
				  why);
}

static struct ch_error *name_lost_types(struct looking *looking, struct ch_suspect *suspect)
{
	const struct ch_leak_group *groups;
	struct ch_held_type types[CH_SUSPECT_TYPES];
	struct ch_error *err = NULL;
	size_t count, i, k, kept = 0;

	groups = ch_leaks_groups(looking->leaks, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < kept; k++)
			if (types[k].walker == groups[i].walker && types[k].type == groups[i].type)
				break;
		if (k == CH_SUSPECT_TYPES)
			continue;
		if (k == kept)
			types[kept++] = (struct ch_held_type){ .walker = groups[i].walker,
							       .type = groups[i].type };
		types[k].count += groups[i].sum.count;
		types[k].total_bytes += groups[i].sum.touched_bytes;
	}
	for (k = 0; !err && k < kept; k++)
		err = chp_suspect_type(looking->suspecting, suspect, types[k].walker, types[k].type,
				       types[k].count, types[k].total_bytes);
	suspect->sample_addr = count ? groups[0].sample_addr : 0;
	return err;
}

static struct ch_error *find_lost(struct looking *looking)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(looking->leaks);
	const struct ch_leak_sum *direct = &sums[CH_REACH_DIRECT];
	const struct ch_leak_sum *indirect = &sums[CH_REACH_INDIRECT];
	uint64_t whole = looking->suspecting->native_bytes;
	struct ch_suspect suspect = { .rule = CH_RULE_UNREACHABLE_NATIVE,
				      .count = direct->count + indirect->count,
				      .bytes = direct->touched_bytes + indirect->touched_bytes,
				      .share_of = "the touched used bytes of native heaps",
				      .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], why[CH_COVERAGE_TEXT_MAX];
	struct ch_error *err;

	if (!chp_suspect_is(suspect.bytes, LOST_MIN, LOST_SHARE, whole))
		return NULL;
	if (is_open(looking, why)) {
		chp_context_finding(
			ch_session_context(looking->suspecting->env->session), CH_SEVERITY_NOTE,
			"leaks-not-judged",
			"nothing in the core holds %s blocks, %s; whether they leaked is "
			"not known: %s",
			chp_count_text(suspect.count, count), chp_bytes_text(suspect.bytes, bytes),
			why);
		return NULL;
	}
	chp_suspect_fact(&suspect, "directly_lost_count", direct->count);
	chp_suspect_fact(&suspect, "directly_lost_bytes", direct->touched_bytes);
	chp_suspect_fact(&suspect, "indirectly_lost_count", indirect->count);
	chp_suspect_fact(&suspect, "indirectly_lost_bytes", indirect->touched_bytes);
	err = name_lost_types(looking, &suspect);
	if (err || !suspect.types_count) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_next(&suspect, "leaks", 0);
	return chp_suspect_take(looking->suspecting, &suspect, whole,
				"nothing points at %s blocks, %s: leaked; the most are %s",
				chp_count_text(suspect.count, count),
				chp_bytes_text(suspect.bytes, bytes), suspect.types[0].name);
}

/* Of young generations garbage is no news: every program has it there between collections. */
static struct ch_error *find_garbage(struct looking *looking)
{
	uint64_t whole = looking->suspecting->managed_bytes;
	struct ch_suspect suspect = { .rule = CH_RULE_MANAGED_GARBAGE,
				      .count = looking->holders.old_dead_count,
				      .bytes = looking->holders.old_dead_bytes,
				      .share_of = "the touched used bytes of managed heaps",
				      .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], why[CH_COVERAGE_TEXT_MAX];

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, GARBAGE_SHARE, whole))
		return NULL;
	if (is_open(looking, why)) {
		chp_context_finding(
			ch_session_context(looking->suspecting->env->session), CH_SEVERITY_NOTE,
			"garbage-not-judged",
			"nothing in the core holds %s managed objects, %s; whether they "
			"are garbage is not known: %s",
			chp_count_text(suspect.count, count), chp_bytes_text(suspect.bytes, bytes),
			why);
		return NULL;
	}
	chp_suspect_next(&suspect, "types --dead", 0);
	return chp_suspect_take(looking->suspecting, &suspect, whole,
				"%s managed objects outside of young generations, %s, are garbage: "
				"the next full collection frees them",
				chp_count_text(suspect.count, count),
				chp_bytes_text(suspect.bytes, bytes));
}

/* ---- All of them -------------------------------------------------------------- */

static struct ch_error *look(struct looking *looking)
{
	struct ch_summary *summary = looking->suspecting->summary;
	uint64_t bytes_min = ch_max(SIZE_MIN / 2, summary->used_bytes / 100 * (HOLDER_SHARE - 1));
	char why[CH_COVERAGE_TEXT_MAX];
	struct ch_error *err;

	err = ch_leaks_find(looking->graph, &looking->leaks);
	if (!err)
		err = ch_retained_make(looking->graph, &looking->retained);
	if (!err)
		err = chp_holders_find(looking->graph, looking->retained, looking->leaks, bytes_min,
				       &looking->holders);
	if (err)
		return err;
	if (!is_open(looking, why)) {
		chp_account_split_live(&summary->account, looking->holders.managed_dead_bytes,
				       looking->holders.managed_dead_touched_bytes);
		summary->input.managed_garbage_bytes =
			summary->account.rows[CH_ACCOUNT_MANAGED_DEAD].touched_bytes;
		chp_verdict_make(&summary->input, &summary->verdict);
	}
	err = find_holders(looking);
	if (!err)
		err = chp_suspect_mapped(looking->suspecting, looking->graph, looking->retained);
	if (!err)
		err = chp_suspects_locks_held(looking->suspecting, looking->graph);
	if (!err)
		err = find_types(looking);
	if (!err)
		err = find_lost(looking);
	return err ? err : find_garbage(looking);
}

struct ch_error *chp_suspects_in_graph(struct ch_suspecting *suspecting)
{
	const struct ch_graph_options options = {
		.threads = suspecting->env->threads,
		.keep_edges = true,
		.touched_only = !suspecting->summary->input.filled_bytes
	};
	struct looking looking = { .suspecting = suspecting };
	struct ch_error *err;

	err = ch_graph_create(suspecting->env->session, &options, &looking.graph);
	if (!err && !chp_graph_is_bloated(suspecting->env->session, looking.graph))
		err = look(&looking);
	chp_holders_deinit(&looking.holders);
	ch_leaks_destroy(looking.leaks);
	ch_retained_destroy(looking.retained);
	ch_graph_destroy(looking.graph);
	return err;
}
