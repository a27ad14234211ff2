/*
 * What ways that are alike lead to: the sessions of a map that something else holds as well, what
 * all threads of a pool keep in one thread-local, 25,000 pinned handles. And of suspects that are
 * about the same memory, which one stands for them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/suspects_graph.h"
#include "graph/key.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/number.h"

/* As docs/JSON.md lists them for the rule: the least bytes, and a share in percent. */
#define SIZE_MIN    (1ULL << 20)
#define ALIKE_SHARE 10
/* Blocks behind one block: a collection. */
#define FAN_OUT 1000
/* What lies in the memory of another suspect to this part is the same matter. */
#define SAME_PERCENT    70
#define HALF            50
#define DUPLICATE_SHARE 5
/* Entries whose keys are compared. */
#define ENTRIES_MAX 4096

static bool is_most(uint64_t part, uint64_t whole)
{
	return chp_percent(part, whole) >= SAME_PERCENT * 100;
}

/* ---- Words -------------------------------------------------------------------- */

/* "8 java.lang.Object[] hold 4,000 Context", "500 Block" */
static char *tell_blocks(const struct ch_alike *alike, const char *holder, const char *element)
{
	char holders[CH_BYTES_TEXT_MAX], elements[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *one = chp_suspect_one_of(holder);
	char *text = NULL;
	int len = 0;

	if (!one)
		return NULL;

	chp_count_text(alike->holders_count, holders);
	chp_count_text(alike->elements_count, elements);
	if (!alike->elements_count && !alike->holders_count)
		text = strdup("blocks of several types");
	else if (!alike->elements_count && alike->holders_count == 1)
		len = asprintf(&text, "%s", one);
	else if (!alike->elements_count)
		len = asprintf(&text, "%s %s", holders, holder);
	else if (!alike->holders_count)
		len = asprintf(&text, "%s %s", elements, element);
	else if (alike->holders_count == 1)
		len = asprintf(&text, "%s holds %s %s", one, elements, element);
	else
		len = asprintf(&text, "%s %s hold %s %s", holders, holder, elements, element);
	return len < 0 ? NULL : text;
}

static struct ch_error *name_blocks(const struct ch_looking *looking, const struct ch_alike *alike,
				    char **holder_ret, char **element_ret)
{
	struct ch_heaps *heaps = looking->suspecting->heaps;
	struct ch_error *err = NULL;

	if (alike->holder != CH_ID_NONE)
		err = chp_node_type_name(looking->graph, heaps, alike->holder, holder_ret);
	if (!err && alike->element != CH_ID_NONE)
		err = chp_node_type_name(looking->graph, heaps, alike->element, element_ret);
	return err;
}

static enum ch_suspect_rule rule_of(const struct ch_alike *alike)
{
	if (alike->roots_count > 1 || alike->holders_count > 1)
		return CH_RULE_ALIKE_HOLDERS;
	if (alike->elements_count >= FAN_OUT)
		return CH_RULE_GROWING_COLLECTION;
	return alike->elements_count || !alike->holders_count ? CH_RULE_COMMON_HOLDER
							      : CH_RULE_LARGE_BLOCK;
}

static struct ch_error *tell(const struct ch_looking *looking, const struct ch_alike *alike,
			     const char *blocks, struct ch_suspect *suspect)
{
	char roots[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *types = chp_suspect_list_types(suspect);
	const char *key = suspect->chain.key;
	uint64_t whole = looking->suspecting->sums->used_bytes;

	if (!types) {
		chp_suspect_deinit(suspect);
		return &ch_enomem;
	}
	chp_bytes_text(suspect->bytes, bytes);
	if (alike->roots_count > 1)
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"%s roots alike, %s%s%s: %s, %s with what they hold; most "
					"of it %s",
					chp_count_text(alike->roots_count, roots), alike->name,
					key[0] ? ", by the thread-local " : "", key, blocks, bytes,
					types);
	return chp_suspect_take(looking->suspecting, suspect, whole,
				"%s%s%s%s, %s with what they hold; most of it %s",
				key[0] ? "the thread-local " : "", key, key[0] ? ": " : "", blocks,
				bytes, types);
}

/* ---- Suspects ------------------------------------------------------------------ */

/* How many of an element's type a list has; 0: none, or it is not known. */
static uint64_t count_alike(const struct ch_looking *looking, uint32_t element,
			    const struct ch_vec *list)
{
	const struct ch_held_type *types = list->items;
	struct ch_object object;
	size_t i;

	if (element == CH_ID_NONE || !ch_graph_object(looking->graph, element, &object))
		return 0;
	for (i = 0; i < list->count; i++)
		if (types[i].type == object.type)
			return types[i].count;
	return 0;
}

struct ch_error *chp_suspect_elements(const struct ch_looking *looking, size_t holder, char **ret)
{
	const struct ch_alike *alike, *best = NULL;
	uint64_t held, most = 0, number;
	_cleanup_free_ char *type = NULL;
	char count[CH_BYTES_TEXT_MAX];
	struct ch_error *err;
	size_t i;

	*ret = NULL;
	for (i = 0; i < looking->alikes.count; i++) {
		alike = &looking->alikes.items[i];
		held = looking->holders.alike[i].held_bytes[holder];
		if (held <= most || !alike->elements_count ||
		    chp_percent(held, looking->holders.alike[i].total_bytes) < HALF * 100)
			continue;
		best = alike;
		most = held;
	}
	number = best ? count_alike(looking, best->element,
				    &looking->holders.alike[best - looking->alikes.items].types)
		      : 0;
	if (!number)
		return NULL;
	number = ch_max(number, best->elements_count);
	err = chp_node_type_name(looking->graph, looking->suspecting->heaps, best->element, &type);
	if (err)
		return err;
	return asprintf(ret, "; it leads to %s %s", chp_count_text(number, count), type) < 0
		       ? &ch_enomem
		       : NULL;
}

/* The block nearest to the sample, on the way to it, that has a weak key; CH_ID_NONE: none has. */
static uint32_t keyed_on_way(const struct ch_trails *trails, uint32_t id, char *key, size_t max)
{
	for (; id != CH_ID_NONE; id = trails->holder[id])
		if (chp_key_text(trails, id, key, max))
			return id;
	return CH_ID_NONE;
}

static const struct ch_track *track_of(const struct ch_trails *trails, uint32_t id)
{
	return CH_VEC_AT(&trails->tracks, struct ch_track, trails->track[id]);
}

/* The track behind entries that goes on to an alike's; 0: they lie behind that, or on it. */
static uint32_t track_onward(const struct ch_trails *trails, uint32_t entries, uint32_t track)
{
	uint32_t onward = 0;

	for (; track != entries && track != CH_TRACK_ALL;
	     track = CH_VEC_AT(&trails->tracks, struct ch_track, track)->parent)
		onward = track;
	return track == entries ? onward : 0;
}

/*
 * The key by which most of it is held, each block behind an entry weighed as the mean of its
 * track: a pool's threads have entries of many thread-locals, and the one on the way to the
 * sample may be any of them.
 */
static void name_key(const struct ch_looking *looking, const struct ch_alike *alike, char *key,
		     size_t max)
{
	const struct ch_trails *trails = &looking->trails;
	uint32_t entry = keyed_on_way(trails, alike->sample, key, max), onward, id, looks = 0;
	char other[sizeof(((struct ch_suspect_chain *)0)->key)];
	uint64_t mean, total = 0, same = 0;
	const struct ch_track *track;

	if (entry == CH_ID_NONE) {
		key[0] = '\0';
		return;
	}
	onward = track_onward(trails, trails->track[entry], alike->track);
	for (id = 0; id < ch_graph_objects_count(looking->graph) && looks < ENTRIES_MAX; id++) {
		track = track_of(trails, id);
		if (trails->holder[id] == CH_ID_NONE || track->parent != trails->track[entry] ||
		    trails->track[trails->holder[id]] != trails->track[entry] ||
		    (onward && trails->track[id] != onward))
			continue;
		looks++;
		mean = track->bytes / ch_max(track->count, 1U);
		total += mean;
		if (chp_key_text(trails, trails->holder[id], other, sizeof(other)) &&
		    strcmp(other, key) == 0)
			same += mean;
	}
	if (!is_most(same, total))
		key[0] = '\0';
}

static struct ch_error *fill(const struct ch_looking *looking, const struct ch_alike *alike,
			     const struct ch_alike_sum *sum, struct ch_suspect *suspect,
			     char **blocks_ret)
{
	_cleanup_free_ char *holder = NULL, *element = NULL;
	struct ch_error *err;

	err = name_blocks(looking, alike, &holder, &element);
	if (!err)
		err = chp_suspect_types(looking, &sum->types, sum->total_bytes, suspect);
	if (!err)
		err = chp_suspect_trail(looking, alike->sample, &suspect->chain);
	if (err)
		return err;
	name_key(looking, alike, suspect->chain.key, sizeof(suspect->chain.key));
	*blocks_ret = tell_blocks(alike, holder ? holder : "", element ? element : "");
	suspect->chain.alike_count = alike->roots_count;
	if (alike->roots_count > 1)
		snprintf(suspect->chain.alike_name, sizeof(suspect->chain.alike_name), "%s",
			 alike->name);
	if (alike->holder != CH_ID_NONE) {
		suspect->holder_addr = ch_graph_addr(looking->graph, alike->holder);
		suspect->holder_type = holder;
		holder = NULL;
	}
	return *blocks_ret ? NULL : &ch_enomem;
}

static struct ch_error *add_alike(struct ch_looking *looking, struct ch_alike *alike,
				  const struct ch_alike_sum *sum)
{
	struct ch_suspect suspect = { .bytes = sum->total_bytes,
				      .count = sum->total_count,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = ch_graph_addr(looking->graph, alike->sample) };
	_cleanup_free_ char *blocks = NULL;
	struct ch_error *err;

	if (alike->elements_count)
		alike->elements_count = ch_max(alike->elements_count,
					       count_alike(looking, alike->element, &sum->types));
	suspect.rule = rule_of(alike);
	err = fill(looking, alike, sum, &suspect, &blocks);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "roots_count", alike->roots_count);
	chp_suspect_fact(&suspect, "holders_count", alike->holders_count);
	chp_suspect_fact(&suspect, "elements_count", alike->elements_count);
	if (alike->holders_count == 1)
		chp_suspect_next(&suspect, "retained", suspect.holder_addr);
	else
		chp_suspect_next(&suspect, "roots", suspect.sample_addr);
	return tell(looking, alike, blocks, &suspect);
}

/* Whether one block holds most of it: that says more. */
static bool is_held(const struct ch_alike_sum *sum)
{
	size_t i;

	for (i = 0; i < CH_HOLDERS_MAX; i++)
		if (is_most(sum->held_bytes[i], sum->total_bytes))
			return true;
	return false;
}

struct ch_error *chp_suspect_alike(struct ch_looking *looking)
{
	const struct ch_measured *sums = looking->suspecting->sums;
	const struct ch_vec *suspects = looking->suspecting->suspects;
	const struct ch_alike_sum *sum;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < looking->alikes.count; i++) {
		sum = &looking->holders.alike[i];
		if (!chp_suspect_is(sum->total_bytes, SIZE_MIN, ALIKE_SHARE, sums->used_bytes) ||
		    is_held(sum))
			continue;
		err = add_alike(looking, &looking->alikes.items[i], sum);
		looking->alike_suspects[i] = err ? 0 : suspects->count;
	}
	return err;
}

/* ---- One matter, one suspect ---------------------------------------------------- */

static struct ch_suspect *suspect_at(const struct ch_looking *looking, size_t place)
{
	return place ? CH_VEC_AT(looking->suspecting->suspects, struct ch_suspect, place - 1)
		     : NULL;
}

/* Whether an address lies below a holder, or on a track or behind it. */
static bool is_below(const struct ch_looking *looking, uint32_t holder, uint32_t id)
{
	const struct ch_retained *retained = looking->retained;
	uint32_t number = retained->number[id], top = retained->number[holder];

	/* a dominator's number is below those of all that it dominates */
	while (number > top)
		number = retained->idom[number];
	return number == top && number;
}

static bool is_behind(const struct ch_looking *looking, uint32_t track, uint32_t id)
{
	const struct ch_track *tracks = looking->trails.tracks.items;
	uint32_t at = looking->trails.track[id];

	/* a track comes behind its parent */
	while (at > track)
		at = tracks[at].parent;
	return at == track && at;
}

/* Blocks with mappings of their own, of one size: what of them a holder has, or a track. */
static uint64_t mapped_bytes(const struct ch_looking *looking, size_t holder, size_t alike)
{
	const uint64_t *addrs = looking->suspecting->equal.items;
	uint64_t bytes = 0;
	uint32_t id;
	size_t i;

	for (i = 0; i < looking->suspecting->equal.count; i++) {
		id = ch_graph_node_at(looking->graph, addrs[i]);
		if (id != CH_ID_NONE &&
		    (holder < CH_HOLDERS_MAX
			     ? is_below(looking, looking->holders.items[holder].id, id)
			     : is_behind(looking, looking->alikes.items[alike].track, id)))
			bytes += chp_graph_weight(looking->graph, id);
	}
	return bytes;
}

/* Of a suspect and that of equal mappings the lesser one is a part of the other. */
static void fold_mapped(struct ch_suspect *mapped, struct ch_suspect *suspect, uint64_t bytes)
{
	struct ch_suspect *lesser, *other;

	if (!suspect || suspect->part_of || mapped->part_of)
		return;
	lesser = suspect->bytes > mapped->bytes ? mapped : suspect;
	other = lesser == mapped ? suspect : mapped;
	if (is_most(bytes, lesser->bytes))
		lesser->part_of = other->id;
}

static struct ch_suspect *find_mapped(const struct ch_looking *looking)
{
	const struct ch_vec *suspects = looking->suspecting->suspects;
	size_t i;

	for (i = 0; i < suspects->count; i++)
		if (CH_VEC_AT(suspects, struct ch_suspect, i)->rule == CH_RULE_EQUAL_MAPPINGS)
			return CH_VEC_AT(suspects, struct ch_suspect, i);
	return NULL;
}

/* Whether what a suspect is about is held by variables of a managed runtime's own library. */
static bool is_of_runtime(const struct ch_looking *looking, const struct ch_suspect *suspect)
{
	struct ch_session *session = looking->suspecting->session;
	const struct ch_module *module;
	const struct ch_runtime *runtimes;
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count, i;

	if (!suspect->chain.roots_count || suspect->chain.root.kind != CH_ROOT_DATA)
		return false;
	err = ch_session_sym(session, &sym);
	if (err) {
		chp_context_drop_take(ch_session_context(session), err);
		return false;
	}
	module = ch_sym_module_at(sym, suspect->chain.root.addr);
	runtimes = ch_heaps_runtimes(looking->suspecting->heaps, &count);
	for (i = 0; module && i < count; i++)
		if (runtimes[i].open && runtimes[i].kind == CH_RUNTIME_LANGUAGE &&
		    runtimes[i].evidence && strstr(runtimes[i].evidence, module->name))
			return true;
	return false;
}

/* Of assemblies that a program makes all the time its runtime has blocks, too. */
static void fold_modules(struct ch_looking *looking)
{
	const struct ch_vec *suspects = looking->suspecting->suspects;
	struct ch_suspect *modules = NULL, *suspect;
	size_t i;

	for (i = 0; !modules && i < suspects->count; i++)
		if (CH_VEC_AT(suspects, struct ch_suspect, i)->rule == CH_RULE_MODULE_EXPLOSION)
			modules = CH_VEC_AT(suspects, struct ch_suspect, i);
	for (i = 0; modules && i < suspects->count; i++) {
		suspect = CH_VEC_AT(suspects, struct ch_suspect, i);
		if (suspect->part_of || !is_of_runtime(looking, suspect))
			continue;
		suspect->part_of = modules->id;
		modules->rank_bytes =
			ch_max(modules->rank_bytes, ch_max(modules->bytes, suspect->bytes));
	}
}

/* Blocks with equal contents that may all be garbage are no matter of their own. */
static void drop_dead_duplicates(struct ch_looking *looking)
{
	struct ch_vec *suspects = looking->suspecting->suspects;
	struct ch_suspect *list = suspects->items;
	uint64_t used = looking->suspecting->sums->used_bytes;
	uint64_t dead = looking->holders.dead_bytes;
	size_t i;

	for (i = 0; i < suspects->count; i++)
		if (list[i].rule == CH_RULE_DUPLICATE_CONTENTS)
			break;
	if (i == suspects->count ||
	    chp_percent(list[i].bytes - ch_min(list[i].bytes, dead), used) >= DUPLICATE_SHARE * 100)
		return;
	chp_suspect_deinit(&list[i]);
	memmove(&list[i], &list[i + 1], (--suspects->count - i) * sizeof(*list));
}

void chp_suspect_fold(struct ch_looking *looking)
{
	struct ch_suspect *alike, *holder, *mapped = find_mapped(looking);
	size_t i, k;

	for (i = 0; i < looking->alikes.count; i++) {
		alike = suspect_at(looking, looking->alike_suspects[i]);
		for (k = 0; alike && k < CH_HOLDERS_MAX; k++) {
			holder = suspect_at(looking, looking->holder_suspects[k]);
			if (holder && !holder->part_of &&
			    is_most(looking->holders.alike[i].held_bytes[k], holder->bytes))
				holder->part_of = alike->id;
		}
	}
	fold_modules(looking);
	for (i = 0; mapped && i < looking->alikes.count; i++)
		fold_mapped(mapped, suspect_at(looking, looking->alike_suspects[i]),
			    mapped_bytes(looking, CH_HOLDERS_MAX, i));
	for (i = 0; mapped && i < looking->holders.count; i++)
		fold_mapped(mapped, suspect_at(looking, looking->holder_suspects[i]),
			    mapped_bytes(looking, i, 0));
	/* places of suspects are not asked for any more */
	drop_dead_duplicates(looking);
}
