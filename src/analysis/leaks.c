/*
 * Used blocks that nothing holds, grouped and named, and what leaves the question open.
 */
#include "analysis/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/presence.h"
#include "graph/held.h"
#include "sym/shown.h"
#include "types/names.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/text.h"

#define SIGNATURE_BYTES_MAX 256

struct ch_leaks_source {
	struct ch_graph *graph;
	struct ch_leaks *leaks;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	/* NULL: all blocks were asked for. */
	const struct ch_object_filter *filter;
};

/* "vtable for Order+0x10 in orders", "null", "a lost block"; escaped, owned. */
static char *signature_text(struct ch_sym *sym, const struct ch_leak_group *group)
{
	static const char *const texts[] = {
		[CH_SIGNATURE_NONE] = "-",
		[CH_SIGNATURE_ZERO] = "null",
		[CH_SIGNATURE_MODULE] = "",
		[CH_SIGNATURE_LOST] = "a lost block",
		[CH_SIGNATURE_HELD] = "a block that is held",
		[CH_SIGNATURE_OTHER] = "no address",
	};
	const struct ch_module *module;
	char text[SIGNATURE_BYTES_MAX];
	struct ch_symbol symbol;

	if (group->signature != CH_SIGNATURE_MODULE)
		return strdup(texts[group->signature]);
	module = ch_sym_module_at(sym, group->word);
	if (chp_sym_shown_at(sym, group->word, &symbol))
		snprintf(text, sizeof(text), symbol.offset ? "%s+0x%llx in %s" : "%s%.0llx in %s",
			 symbol.name, (unsigned long long)symbol.offset,
			 symbol.module ? symbol.module->name : "?");
	else
		snprintf(text, sizeof(text), "%s+0x%llx", module ? module->name : "?",
			 (unsigned long long)(group->word - (module ? module->start : 0)));
	return chp_text_escape(text, 4 * sizeof(text));
}

static struct ch_error *add_row(const struct ch_leaks_source *source,
				const struct ch_leak_group *group, struct ch_vec *rows)
{
	struct ch_leaks_row *row = ch_vec_push(rows);
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	if (!row)
		return &ch_enomem;
	*row = (struct ch_leaks_row){ .group = *group,
				      .signature = signature_text(source->sym, group) };
	if (!row->signature)
		return &ch_enomem;
	err = ch_heaps_type(source->heaps, group->type, &type);
	if (err)
		return err;
	row->type = type.name;
	row->runtime = ch_heaps_runtimes(source->heaps, &count)[type.walker].name;
	/* Of a size class all blocks have one size. */
	row->of_one_size = type.key >= CH_TYPE_KEY_ENGINE;
	if (row->of_one_size && group->sum.count)
		row->size_bytes = group->sum.bytes / group->sum.count;
	return NULL;
}

static void add_sum(struct ch_leak_sum *to, const struct ch_leak_sum *from)
{
	to->count += from->count;
	to->bytes += from->bytes;
	to->chunk_bytes += from->chunk_bytes;
	to->touched_bytes += from->touched_bytes;
}

static void take_away(struct ch_leak_sum *from, const struct ch_leak_sum *sum)
{
	from->count -= sum->count;
	from->bytes -= sum->bytes;
	from->chunk_bytes -= sum->chunk_bytes;
	from->touched_bytes -= sum->touched_bytes;
}

/* All used blocks are left out until some are asked for. */
static void sum_up_all(const struct ch_leaks *leaks, struct ch_leaks_result *ret)
{
	size_t i;

	for (i = 0; i < CH_REACHES; i++)
		add_sum(&ret->left_out, &ch_leaks_sums(leaks)[i]);
	ret->used_bytes = ret->left_out.chunk_bytes;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_leaks_row *x = a, *y = b;
	const struct ch_leak_sum *of_x = &x->group.sum, *of_y = &y->group.sum;
	struct ch_order_key x_key = { of_x->chunk_bytes, of_x->count, x->type };
	struct ch_order_key y_key = { of_y->chunk_bytes, of_y->count, y->type };
	int by = chp_order_compare(*(const enum ch_order *)arg, x_key, y_key);

	if (!by)
		by = chp_order_compare(CH_ORDER_BYTES, x_key, y_key);
	if (by || x->group.sample_addr == y->group.sample_addr)
		return by;
	return x->group.sample_addr < y->group.sample_addr ? -1 : 1;
}

static void sum_up(const struct ch_leaks *leaks, struct ch_leaks_result *ret)
{
	uint32_t needs = CH_NEED_STACKS | CH_NEED_MEMORY;
	size_t i;

	memcpy(ret->sums, ch_leaks_sums(leaks), sizeof(ret->sums));
	add_sum(&ret->lost, &ret->sums[CH_REACH_DIRECT]);
	add_sum(&ret->lost, &ret->sums[CH_REACH_INDIRECT]);
	ret->allocator = ch_leaks_allocator_sum(leaks);
	ret->by_offset = ch_leaks_offset_sum(leaks);
	for (i = 0; i < CH_REACHES; i++)
		take_away(&ret->left_out, &ret->sums[i]);
	ret->rows_bytes = ret->lost.chunk_bytes + ret->sums[CH_REACH_DEAD].chunk_bytes;
	ret->rules = ch_leaks_offset_rules(leaks, &ret->rules_count);
	ret->absent_root_bytes = ch_leaks_absent_root_bytes(leaks);
	ret->absent_block_bytes = ch_leaks_absent_block_bytes(leaks);
	/* That nothing is lost is true of all blocks, or not known. */
	if (!chp_coverage_lacks(&ret->coverage, ret->lost.count ? needs : needs | CH_NEED_HEAPS,
				ret->open))
		ret->open[0] = '\0';
}

/* How all blocks are held, and then which of them are told of. */
static struct ch_error *find(struct ch_session *session, const struct ch_leaks_options *options,
			     struct ch_leaks_result *ret)
{
	const struct ch_graph_options graph_options = { .threads = options->threads };
	struct ch_leaks_source *source = ret->source;
	struct ch_error *err;

	err = chp_session_named_heaps(session, &source->heaps);
	if (!err)
		err = ch_session_sym(session, &source->sym);
	if (!err)
		err = chp_coverage_find(session, &ret->coverage);
	if (!err)
		err = ch_graph_create(session, &graph_options, &source->graph);
	if (!err)
		err = ch_leaks_find(source->graph, &source->leaks);
	if (err)
		return err;
	sum_up_all(source->leaks, ret);
	if (ret->filtered)
		err = chp_leaks_choose(source->leaks, source->filter);
	if (!err)
		sum_up(source->leaks, ret);
	return err;
}

struct ch_error *chp_leaks_make(struct ch_session *session, const struct ch_leaks_options *options,
				struct ch_leaks_result *ret)
{
	struct ch_leaks_source *source = calloc(1, sizeof(*source));
	enum ch_order order = options->order;
	const struct ch_leak_group *groups;
	struct ch_leaks_row *rows;
	struct ch_error *err;
	size_t count, i;

	*ret = (struct ch_leaks_result){ .rows = CH_VEC(struct ch_leaks_row),
					 .filtered = options->filter != NULL,
					 .source = source };
	if (!source)
		return &ch_enomem;
	source->filter = options->filter;
	err = find(session, options, ret);
	if (err)
		return err;
	groups = ch_leaks_groups(source->leaks, &count);
	for (i = 0; !err && i < count; i++)
		err = add_row(source, &groups[i], &ret->rows);
	rows = ret->rows.items;
	for (i = 0; !err && i < ret->rows.count; i++)
		rows[i].share = chp_percent(rows[i].group.sum.chunk_bytes, ret->used_bytes);
	if (err)
		return err;
	if (order != CH_ORDER_BYTES && ret->rows.count)
		qsort_r(rows, ret->rows.count, sizeof(*rows), compare_rows, &order);
	chp_heaps_tell_none(source->heaps, ch_session_context(session));
	return NULL;
}

void chp_leaks_deinit(struct ch_leaks_result *result)
{
	struct ch_leaks_row *rows = result->rows.items;
	size_t i;

	for (i = 0; i < result->rows.count; i++)
		free(rows[i].signature);
	ch_vec_deinit(&result->rows);
	if (!result->source)
		return;
	ch_leaks_destroy(result->source->leaks);
	ch_graph_destroy(result->source->graph);
	free(result->source);
}

/* ---- Single blocks ----------------------------------------------------------- */

struct lister {
	const struct ch_leaks_source *source;
	const struct ch_heap *heaps;
	const struct ch_span *spans;
	uint32_t reaches;
	ch_leaks_block_fn fn;
	void *arg;
};

static struct ch_error *hand_over(const struct lister *lister, const struct ch_object *object,
				  enum ch_reach reach)
{
	const struct ch_heap *heap = &lister->heaps[lister->spans[object->span].heap];
	struct ch_leaks_block block = { .addr = object->addr,
					.size_bytes = object->size_bytes,
					.chunk_bytes = object->chunk_bytes,
					.runtime = heap->runtime,
					.heap = heap->name,
					.reach = reach };
	struct ch_type type;
	struct ch_error *err = ch_heaps_type(lister->source->heaps, object->type, &type);

	if (err)
		return err;
	block.type = type.key >= CH_TYPE_KEY_ENGINE ? NULL : type.name;
	return lister->fn(lister->arg, &block);
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	const struct lister *lister = arg;
	struct ch_error *err = NULL;
	enum ch_reach reach;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].flags & CH_OBJECT_ALLOCATOR)
			continue;
		id = ch_graph_node_at(lister->source->graph, objects[i].addr);
		if (id == CH_ID_NONE)
			continue;
		reach = ch_leaks_reach(lister->source->leaks, id);
		if (lister->reaches & 1U << reach)
			err = hand_over(lister, &objects[i], reach);
	}
	return err;
}

struct ch_error *chp_leaks_blocks(const struct ch_leaks_result *result, uint32_t reaches,
				  ch_leaks_block_fn fn, void *arg)
{
	const struct ch_object_filter all = { .states = 0 };
	struct lister lister = {
		.source = result->source, .reaches = reaches, .fn = fn, .arg = arg
	};
	size_t count;

	lister.heaps = ch_heaps_list(lister.source->heaps, &count);
	lister.spans = ch_heaps_spans(lister.source->heaps, &count);
	return chp_heaps_walk_where(lister.source->heaps,
				    lister.source->filter ? lister.source->filter : &all,
				    take_objects, &lister);
}
