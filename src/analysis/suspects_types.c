/*
 * Types of which much is that no single block holds.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/suspects_graph.h"
#include "heap/type_table.h"
#include "util/bytes.h"
#include "util/number.h"

/* As docs/JSON.md lists them for the rules: the least bytes, and shares in percent. */
#define SIZE_MIN    (1ULL << 20)
#define TYPE_SHARE  30
#define LOOSE_SHARE 20
/* Of all types, by bytes. */
#define TYPES_LOOKED_AT 1000
/* A part that is worth a word, and that is most of it. */
#define PART_PERCENT 10
#define MOST_PERCENT 50

static uint64_t touched_bytes(const struct ch_suspecting *suspecting,
			      const struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes;

	return ch_core_touched_bytes(ch_session_core(suspecting->session), start,
				     start + object->chunk_bytes);
}

/* Whether the suspect of equal mappings is about most of a type. */
static bool is_mapped(const struct ch_looking *looking, const struct ch_type_stat *stat)
{
	const struct ch_suspecting *suspecting = looking->suspecting;
	const uint64_t *addrs = suspecting->equal.items;
	struct ch_object object;
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < suspecting->equal.count; i++)
		if (ch_heaps_object_at(suspecting->heaps, addrs[i], &object) &&
		    object.type == stat->type)
			bytes += suspecting->sums->zeros_count ? object.chunk_bytes
							       : touched_bytes(suspecting, &object);
	return chp_percent(bytes, chp_suspect_touched(looking->suspecting, stat)) >=
	       MOST_PERCENT * 100;
}

static uint64_t told_bytes(const struct ch_vec *list, const struct ch_type_stat *stat)
{
	const struct ch_held_type *types = list->items;
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < list->count; i++)
		if (types[i].type == stat->type)
			bytes += types[i].total_bytes;
	return bytes;
}

/* What is said of a type already: what holders have, and tracks lead to. */
static uint64_t told_of(const struct ch_looking *looking, const struct ch_type_stat *stat)
{
	uint64_t told = 0;
	size_t i;

	for (i = 0; i < looking->holders.count; i++)
		told += told_bytes(&looking->holders.items[i].types, stat);
	for (i = 0; i < looking->holders.alike_count; i++)
		if (looking->alike_suspects[i])
			told += told_bytes(&looking->holders.alike[i].rest, stat);
	return told;
}

/* Whether that is most of it, or nothing holds it, or it has mappings of the same size. */
static bool is_told(const struct ch_looking *looking, const struct ch_type_stat *stat,
		    uint64_t told)
{
	const struct ch_leak_group *groups;
	uint64_t lost = 0, all = chp_suspect_touched(looking->suspecting, stat);
	size_t i, count;

	if (chp_percent(told, all) >= MOST_PERCENT * 100 || is_mapped(looking, stat))
		return true;
	groups = ch_leaks_groups(looking->leaks, &count);
	for (i = 0; i < count; i++)
		if (groups[i].type == stat->type)
			lost += groups[i].sum.touched_bytes;
	return chp_percent(lost, all) >= MOST_PERCENT * 100;
}

/* The track on which most of a type lies, and how much of what is on tracks that is. */
static uint32_t main_track(const struct ch_looking *looking, const struct ch_type_stat *stat,
			   uint64_t *share_ret)
{
	const struct ch_tally *types = looking->trails.types.rows.items;
	const struct ch_track *tracks = looking->trails.tracks.items;
	uint32_t i, best = CH_TRACK_ALL, type = CH_TYPE_NONE;
	uint64_t all = 0;

	for (i = 0; i < looking->trails.types.rows.count; i++)
		if (types[i].what == stat->type)
			type = looking->trails.alias[i];

	for (i = 1; i < looking->trails.tracks.count; i++) {
		if (tracks[i].type == CH_TYPE_NONE || tracks[i].type != type)
			continue;
		all += tracks[i].self_bytes;
		if (best == CH_TRACK_ALL || tracks[i].self_bytes > tracks[best].self_bytes)
			best = i;
	}
	*share_ret = best == CH_TRACK_ALL ? 0 : chp_percent(tracks[best].self_bytes, all);
	return best;
}

/* retained: of those instances that roots alone dominate, or NULL; whole goes with
 * it, or with the type's own bytes. */
static struct ch_error *add_type(struct ch_looking *looking, const struct ch_type_stat *stat,
				 const struct ch_held_type *retained, uint64_t told, uint64_t whole)
{
	struct ch_suspect suspect = { .rule = CH_RULE_ONE_TYPE,
				      .bytes = retained ? retained->total_bytes
							: chp_suspect_touched(looking->suspecting,
									      stat),
				      .count = stat->count,
				      .share_of = retained ? "the bytes in use by all blocks"
							   : "the bytes in use in its heap",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = stat->sample_addr };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	uint32_t track, sample;
	struct ch_error *err;

	if (told < suspect.bytes)
		suspect.rank_bytes = suspect.bytes - told;
	track = main_track(looking, stat, &suspect.chain.share);
	sample = track == CH_TRACK_ALL ? CH_ID_NONE : chp_alike_sample(&looking->trails, track);
	err = chp_suspect_type(looking->suspecting, &suspect, stat->type, stat->count,
			       chp_suspect_touched(looking->suspecting, stat));
	if (!err && sample != CH_ID_NONE) {
		err = chp_suspect_trail(looking, sample, &suspect.chain);
		suspect.sample_addr = ch_graph_addr(looking->graph, sample);
	}
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "self_bytes", chp_suspect_touched(looking->suspecting, stat));
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
static const struct ch_held_type *loose_of(const struct ch_looking *looking,
					   const struct ch_type_stat *stat)
{
	const struct ch_held_type *loose = looking->holders.loose.items;
	uint64_t used = looking->suspecting->sums->used_bytes;
	size_t i;

	for (i = 0; i < looking->holders.loose.count; i++)
		if (loose[i].type == stat->type)
			return loose[i].count > 1 && chp_suspect_is(loose[i].total_bytes, SIZE_MIN,
								    LOOSE_SHARE, used)
				       ? &loose[i]
				       : NULL;
	return NULL;
}

/* Types are by bytes, so what could be a suspect comes early. */
struct ch_error *chp_suspect_one_types(struct ch_looking *looking)
{
	const struct ch_measured *sums = looking->suspecting->sums;
	const struct ch_held_type *retained;
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count, i;
	uint64_t whole, told;

	err = ch_heaps_types(looking->suspecting->heaps, &stats, &count);
	for (i = 0; !err && i < count && i < TYPES_LOOKED_AT; i++) {
		if (stats[i].kind != CH_TYPE_OBJECT || stats[i].count < 2)
			continue;
		retained = loose_of(looking, &stats[i]);
		told = told_of(looking, &stats[i]);
		whole = retained ? sums->used_bytes
				 : used_bytes_of(looking->suspecting->heaps,
						 chp_type_walker(looking->suspecting->heaps,
								 stats[i].type));
		/* Most of a heap that is next to nothing is next to nothing. */
		if ((retained ||
		     (chp_suspect_is(chp_suspect_touched(looking->suspecting, &stats[i]), SIZE_MIN,
				     TYPE_SHARE, whole) &&
		      chp_suspect_is(chp_suspect_touched(looking->suspecting, &stats[i]), 0,
				     PART_PERCENT, sums->used_bytes))) &&
		    !is_told(looking, &stats[i], told))
			err = add_type(looking, &stats[i], retained, told, whole);
	}
	return err;
}
