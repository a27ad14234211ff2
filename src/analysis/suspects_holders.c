/*
 * Blocks that hold much: without them it would go.
 */
#include <inttypes.h>

#include "analysis/suspects_graph.h"
#include "util/cleanup.h"
#include "util/number.h"

/* As docs/JSON.md lists them for the rules: the least bytes, and shares in percent. */
#define SIZE_MIN     (1ULL << 20)
#define HOLDER_SHARE 10
#define BLOCK_SHARE  25
/* Blocks that one block holds directly: a collection. */
#define FAN_OUT      1000
#define MOST_PERCENT 50

static enum ch_suspect_rule rule_of(const struct ch_holder *holder, uint64_t self_bytes)
{
	if (holder->list || holder->children_count >= FAN_OUT)
		return CH_RULE_GROWING_COLLECTION;
	if (chp_percent(self_bytes, holder->total_bytes) >= MOST_PERCENT * 100)
		return CH_RULE_LARGE_BLOCK;
	return CH_RULE_COMMON_HOLDER;
}

/* Whether all blocks of a list are of the one type that is named. */
static bool is_of_one_type(const struct ch_holder *holder, const struct ch_suspect *suspect)
{
	return holder->list && suspect->types_count &&
	       suspect->types[0].count == holder->total_count;
}

static struct ch_error *tell_holder(struct ch_looking *looking, const struct ch_holder *holder,
				    struct ch_suspect *suspect)
{
	uint64_t whole = looking->suspecting->sums->used_bytes;
	char count[CH_BYTES_TEXT_MAX], children[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *types = chp_suspect_list_types(suspect);
	_cleanup_free_ char *one = chp_suspect_one_of(suspect->holder_type);
	_cleanup_free_ char *elements = NULL;
	struct ch_error *err;

	err = chp_suspect_elements(looking, (size_t)(holder - looking->holders.items), &elements);
	if (err || !types || !one) {
		chp_suspect_deinit(suspect);
		return err ? err : &ch_enomem;
	}
	chp_count_text(holder->total_count, count);
	chp_bytes_text(holder->total_bytes, bytes);
	chp_count_text(holder->children_count, children);
	if (suspect->rule == CH_RULE_LARGE_BLOCK)
		return chp_suspect_take(looking->suspecting, suspect, whole, "%s retains %s", one,
					bytes);
	if (is_of_one_type(holder, suspect))
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"a long list of %s %s, %s", count, suspect->types[0].name,
					bytes);
	if (holder->list)
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"a long list that begins with %s: %s blocks, %s; most of "
					"them %s%s",
					one, count, bytes, types, elements ? elements : "");
	if (suspect->rule == CH_RULE_GROWING_COLLECTION)
		return chp_suspect_take(looking->suspecting, suspect, whole,
					"%s holds %s blocks directly and %s in all, %s; most of "
					"them %s%s",
					one, children, count, bytes, types,
					elements ? elements : "");
	return chp_suspect_take(looking->suspecting, suspect, whole,
				"%s holds %s blocks, %s; most of them %s%s", one, count, bytes,
				types, elements ? elements : "");
}

static struct ch_error *add_holder(struct ch_looking *looking, const struct ch_holder *holder)
{
	struct ch_suspect suspect = { .bytes = holder->total_bytes,
				      .count = holder->total_count,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = ch_graph_addr(looking->graph, holder->id),
				      .holder_addr = ch_graph_addr(looking->graph, holder->id) };
	uint64_t self_bytes = chp_graph_weight(looking->graph, holder->id);
	struct ch_error *err;

	suspect.rule = rule_of(holder, self_bytes);
	if (suspect.rule == CH_RULE_LARGE_BLOCK &&
	    !chp_suspect_is(suspect.bytes, SIZE_MIN, BLOCK_SHARE,
			    looking->suspecting->sums->used_bytes))
		return NULL;
	err = chp_node_type_name(looking->graph, looking->suspecting->heaps, holder->id,
				 &suspect.holder_type);
	if (!err)
		err = chp_suspect_types(looking, &holder->types, holder->total_bytes, &suspect);
	if (!err)
		err = chp_suspect_find_chain(looking, holder->id, &suspect.chain);
	if (err) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_fact(&suspect, "children_count", holder->children_count);
	chp_suspect_fact(&suspect, "self_bytes", self_bytes);
	chp_suspect_next(&suspect, "retained", suspect.holder_addr);
	return tell_holder(looking, holder, &suspect);
}

struct ch_error *chp_suspect_holders(struct ch_looking *looking)
{
	const struct ch_vec *suspects = looking->suspecting->suspects;
	uint64_t used = looking->suspecting->sums->used_bytes;
	const struct ch_holder *holder;
	struct ch_error *err = NULL;
	size_t i, before;

	for (i = 0; !err && i < looking->holders.count; i++) {
		holder = &looking->holders.items[i];
		before = suspects->count;
		if (chp_suspect_is(holder->total_bytes, SIZE_MIN, HOLDER_SHARE, used))
			err = add_holder(looking, holder);
		looking->holder_suspects[i] =
			!err && suspects->count > before ? suspects->count : 0;
	}
	return err;
}
