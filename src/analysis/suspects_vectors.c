/*
 * Vectors of C++ with room that nobody uses: what was reserved and never filled, or filled once
 * and cleared.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/suspects_vectors.h"
#include "graph/reverse.h"
#include "graph/tally.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/number.h"
#include "util/table.h"

enum {
	/* As of collections of runtimes: what grew by doubling uses more. */
	USED_PART = 4,
	SHARE = 10,
	/* Behind the last element: what malloc rounds a chunk up by, and a mapping of its own. */
	ROUNDING = 32,
	MAPPED_BYTES = 64 << 10,
	WORDS = 512,
	/* Vectors that are remembered. */
	FOUND_MAX = 1 << 21,
	PAGE_BYTES = 4096,
	/* Blocks between two looks at whether somebody wants the run to end. */
	CHECK_BLOCKS = 65536,
};
#define SIZE_MIN (1ULL << 20)

/* What has the vectors: blocks of one type, or one variable. */
struct owner {
	/* Its count: the bodies that are its own. */
	struct ch_suspect_source of;
	uint32_t type;
	/* Words that look like vectors of it. */
	uint64_t words_count, bytes;
};

/* What looks like a vector. */
struct found {
	uint32_t body;
	uint32_t owner;
	uint64_t bytes;
};

struct walking {
	struct ch_suspecting *suspecting;
	struct ch_graph *graph;
	const struct ch_retained *retained;
	const uint32_t *types;
	/* By type of bodies of vectors, and 1: whether they are known by their shape alone. */
	struct ch_table bodies;
	/* of struct owner, of struct found */
	struct ch_vec owners, found;
	/* By type of owners that are blocks: most_id is the index. */
	struct ch_tallies owner_types;
	uint64_t left_out;
	/* A bit for each block that points at the beginning of a body. */
	uint64_t *sources;
	bool by_shape;
	uint64_t count, bytes, sample_bytes;
	uint32_t sample;
};

/* ---- Which blocks --------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), part = strlen(end);

	return len >= part && strcmp(text + len - part, end) == 0;
}

/* Types of bodies; whether their bytes are enough for it to matter. Providers call them
 * "std::vector<shop::Order> body", and by their shape "std::vector body or buffer". */
static struct ch_error *find_bodies(struct walking *walking, bool *ret)
{
	const struct ch_type_stat *stats;
	struct ch_error *err;
	struct ch_type named;
	uint64_t bytes = 0;
	size_t count, i;
	bool by_shape;

	err = ch_heaps_types(walking->suspecting->heaps, &stats, &count);
	for (i = 0; !err && i < count; i++) {
		err = ch_heaps_type(walking->suspecting->heaps, stats[i].type, &named);
		if (err)
			break;
		by_shape = ends_with(named.name, "std::vector body or buffer");
		if (!by_shape && (strncmp(named.name, "std::vector<", 12) != 0 ||
				  !ends_with(named.name, " body")))
			continue;
		bytes += stats[i].total_bytes;
		if (!ch_table_put(&walking->bodies, stats[i].type + 1ULL, by_shape))
			err = &ch_enomem;
	}
	*ret = chp_suspect_is(bytes, SIZE_MIN, SHARE, walking->suspecting->sums->used_bytes);
	return err;
}

/* CH_TABLE_NONE: a node is no body; else whether it is one by its shape. */
static uint32_t body_kind(const struct walking *walking, uint32_t id)
{
	return ch_table_find(&walking->bodies, walking->types[id] + 1ULL);
}

/* ---- What is in them ------------------------------------------------------------ */

/* Each word of a variable is one of its own. NULL: out of memory. */
static struct owner *owner_of(struct walking *walking, const struct owner *wanted)
{
	struct ch_tally *tally =
		wanted->of.is_block ? chp_tally_of(&walking->owner_types, 0, wanted->type) : NULL;
	struct owner *slot;

	if (wanted->of.is_block && !tally)
		return NULL;
	if (tally && tally->count++)
		return CH_VEC_AT(&walking->owners, struct owner, tally->most_id);
	slot = ch_vec_push(&walking->owners);
	if (slot)
		*slot = *wanted;
	if (tally)
		tally->most_id = (uint32_t)walking->owners.count - 1;
	return slot;
}

/* words: where a vector has begin, end, end of capacity, if it is one. */
static struct ch_error *take(struct walking *walking, const uint64_t words[3],
			     const struct owner *owner)
{
	const struct ch_core *core = ch_session_core(walking->suspecting->session);
	uint64_t room = words[2] - words[0], rounding = ROUNDING, bytes;
	struct ch_retained_row row;
	struct ch_object body;
	struct owner *has;
	struct found *slot;
	uint32_t id, kind;

	if (words[1] < words[0] || words[2] < words[1] || !room ||
	    words[1] - words[0] > room / USED_PART)
		return NULL;
	if (room >= MAPPED_BYTES)
		rounding += PAGE_BYTES;
	id = ch_graph_node_at(walking->graph, words[0]);
	if (id == CH_ID_NONE || !ch_graph_object(walking->graph, id, &body) ||
	    body.addr != words[0] || room > body.size_bytes || room + rounding < body.size_bytes ||
	    !ch_retained_row(walking->retained, id, &row))
		return NULL;
	kind = body_kind(walking, id);
	if (kind == CH_TABLE_NONE)
		return NULL;
	bytes = words[2] - words[1];
	if (bytes >= PAGE_BYTES)
		bytes = ch_core_touched_bytes(core, words[1], words[2]);
	if (!bytes)
		return NULL;
	if (walking->found.count >= FOUND_MAX) {
		walking->left_out++;
		return NULL;
	}
	has = owner_of(walking, owner);
	slot = has ? ch_vec_push(&walking->found) : NULL;
	if (!slot)
		return &ch_enomem;
	has->words_count++;
	*slot = (struct found){ .body = id,
				.owner = (uint32_t)(has - (struct owner *)walking->owners.items),
				.bytes = bytes };
	walking->by_shape |= kind;
	return NULL;
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->body != y->body)
		return x->body < y->body ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

/* Copies of a vector that moved stay behind in memory that was freed: a body belongs to those that
 * have most of them. */
static void share_out(struct walking *walking)
{
	struct owner *owners = walking->owners.items, *best;
	const struct found *found;
	size_t count = walking->found.count, i, k;

	ch_vec_sort(&walking->found, compare_found);
	found = walking->found.items;
	for (i = 0; i < count; i = k) {
		best = &owners[found[i].owner];
		for (k = i; k < count && found[k].body == found[i].body; k++)
			if (owners[found[k].owner].words_count > best->words_count)
				best = &owners[found[k].owner];
		best->of.count++;
		best->bytes += found[i].bytes;
		walking->count++;
		walking->bytes += found[i].bytes;
		if (found[i].bytes > walking->sample_bytes) {
			walking->sample_bytes = found[i].bytes;
			walking->sample = found[i].body;
		}
	}
}

/* ---- Who has them --------------------------------------------------------------- */

/* Blocks that point at the first byte of one. */
static struct ch_error *find_sources(struct walking *walking)
{
	const uint32_t count = ch_graph_objects_count(walking->graph);
	struct ch_reverse reverse;
	struct ch_error *err;
	uint32_t id, k, source;

	err = chp_reverse_borrow(walking->graph, &reverse);
	if (err)
		return err;
	for (id = 0; id < count; id++) {
		if (!ch_graph_is_node(walking->graph, id) ||
		    body_kind(walking, id) == CH_TABLE_NONE)
			continue;
		for (k = reverse.start[id]; k < reverse.start[id + 1]; k++) {
			source = reverse.sources[k];
			if (!chp_reverse_inner(&reverse, k))
				walking->sources[source / 64] |= 1ULL << (source % 64);
		}
	}
	chp_reverse_return(walking->graph, &reverse);
	return NULL;
}

static struct ch_error *look_in_block(struct walking *walking, uint32_t id)
{
	const struct ch_core *core = ch_session_core(walking->suspecting->session);
	struct owner owner = { .of = { .is_block = true, .id = id }, .type = walking->types[id] };
	struct ch_error *err = NULL;
	struct ch_object block;
	uint64_t at, words[WORDS], end;
	size_t count, i;

	if (!ch_graph_object(walking->graph, id, &block))
		return NULL;
	end = block.addr + block.size_bytes;
	/* the last two words of each part are the first ones of the next */
	for (at = block.addr; !err && at + 24 <= end; at += 8ULL * (WORDS - 2)) {
		count = (size_t)ch_min((end - at) / 8, WORDS);
		if (!ch_core_try_read(core, at, words, 8 * count))
			continue;
		for (i = 0; !err && i + 2 < count; i++)
			err = words[i] ? take(walking, words + i, &owner) : NULL;
	}
	return err;
}

static struct ch_error *look_in_blocks(struct walking *walking)
{
	const uint32_t count = ch_graph_objects_count(walking->graph);
	struct ch_error *err = NULL;
	uint32_t id;

	for (id = 0; !err && id < count; id++) {
		if (walking->sources[id / 64] >> (id % 64) & 1)
			err = look_in_block(walking, id);
		if (!err && id % CHECK_BLOCKS == 0)
			err = chp_context_check(ch_session_context(walking->suspecting->session));
	}
	return err;
}

static struct ch_error *look_at_roots(void *arg, const struct ch_root *roots, size_t count)
{
	struct walking *walking = arg;
	const struct ch_core *core = ch_session_core(walking->suspecting->session);
	struct ch_error *err = NULL;
	uint64_t words[3];
	size_t i;

	for (i = 0; !err && i < count; i++) {
		struct owner owner = { .of = { .root = roots[i] } };

		if (ch_core_try_read(core, roots[i].addr, words, sizeof(words)))
			err = take(walking, words, &owner);
	}
	return err;
}

/* ---- The suspect ---------------------------------------------------------------- */

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->of.is_block != y->of.is_block)
		return x->of.is_block ? -1 : 1;
	return x->of.is_block
		       ? (x->type < y->type ? -1 : x->type > y->type)
		       : (x->of.root.addr < y->of.root.addr ? -1
							    : x->of.root.addr > y->of.root.addr);
}

static struct ch_error *name_owners(struct walking *walking, struct ch_suspect *suspect)
{
	const struct owner *list;
	struct ch_error *err = NULL;
	size_t i;

	ch_vec_sort(&walking->owners, compare_owners);
	list = walking->owners.items;
	for (i = 0; !err && i < walking->owners.count && list[i].of.count; i++)
		err = chp_suspect_pointed(walking->suspecting, walking->graph, &list[i].of,
					  suspect);
	return err;
}

static struct ch_error *tell(struct walking *walking)
{
	struct ch_suspecting *suspecting = walking->suspecting;
	struct ch_suspect suspect = { .rule = CH_RULE_EMPTY_COLLECTIONS,
				      .count = walking->count,
				      .bytes = walking->bytes,
				      .share_of = "the bytes in use by all blocks",
				      .basis = walking->by_shape ? CH_BASIS_HEURISTIC
								 : CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	const bool one = walking->count == 1;
	struct ch_object sample;
	struct ch_error *err;

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, SHARE, suspecting->sums->used_bytes))
		return NULL;
	if (ch_graph_object(walking->graph, walking->sample, &sample))
		suspect.sample_addr = sample.addr;
	err = name_owners(walking, &suspect);
	if (!err)
		err = chp_suspect_chain(suspecting, walking->graph, &walking->sample, 1,
					&suspect.chain);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "not_looked_at_count", walking->left_out);
	chp_suspect_next(&suspect, "roots", suspect.sample_addr);
	return chp_suspect_take(suspecting, &suspect, suspecting->sums->used_bytes,
				"%s std::vector%s%s use%s a quarter of %s room or less: %s that "
				"nothing is in; most in %s",
				chp_count_text(suspect.count, count), one ? "" : "s",
				walking->by_shape ? " or buffers with a place in them" : "",
				one ? "s" : "", one ? "its" : "their",
				chp_bytes_text(suspect.bytes, bytes),
				suspect.owners_count ? suspect.owners[0].name : "memory");
}

static struct ch_error *walk(struct walking *walking)
{
	const uint32_t kinds = 1U << CH_ROOT_DATA | 1U << CH_ROOT_TLS | 1U << CH_ROOT_STACK;
	struct ch_error *err;

	walking->sources = calloc(ch_graph_objects_count(walking->graph) / 64 + 1ULL, 8);
	if (!walking->sources)
		return &ch_enomem;
	err = find_sources(walking);
	if (!err)
		err = look_in_blocks(walking);
	if (!err)
		err = ch_graph_visit_roots(walking->graph, kinds, look_at_roots, walking);
	if (!err) {
		share_out(walking);
		err = tell(walking);
	}
	free(walking->sources);
	return err;
}

struct ch_error *chp_suspects_vectors(struct ch_suspecting *suspecting, struct ch_graph *graph,
				      const struct ch_retained *retained, const uint32_t *types)
{
	struct walking walking = { .suspecting = suspecting,
				   .graph = graph,
				   .retained = retained,
				   .types = types,
				   .owners = CH_VEC(struct owner),
				   .found = CH_VEC(struct found),
				   .owner_types = CH_TALLIES(suspecting->heaps) };
	struct ch_error *err;
	bool worth_it;

	err = find_bodies(&walking, &worth_it);
	if (!err && worth_it)
		err = walk(&walking);
	ch_vec_deinit(&walking.owners);
	ch_vec_deinit(&walking.found);
	chp_tallies_deinit(&walking.owner_types);
	ch_table_deinit(&walking.bodies);
	return err;
}
