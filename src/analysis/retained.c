/*
 * What would go away with a block: rows with names, and the dominator tree by shares.
 */
#include "analysis/retained.h"

#include <stdio.h>
#include <stdlib.h>

#include "analysis/chain.h"
#include "graph/retained.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/number.h"

/* Rows where nobody gives a bound: a list of all blocks helps nobody. */
#define ROWS_DEFAULT 1000
#define ROWS_MAX     (1U << 20)

/* The tree: children of a block that are kept, and the least share of the whole,
 * in hundredths of a percent, that one needs. */
#define TREE_CHILDREN 8
#define TREE_SHARE    50
#define TREE_DEPTH    64

/* Blocks that make a chain: two or three of a type below each other are no list. */
#define CHAIN_MIN 8

/* Dominators above a block that are kept. */
#define ABOVE_MAX 16

struct job {
	const struct ch_retained_options *options;
	struct ch_heaps *heaps;
	struct ch_graph *graph;
	struct ch_retained *retained;
	/* The block that was asked for; CH_ID_NONE: all. */
	uint32_t id;
	struct ch_retained_result *ret;
};

static struct ch_error *name_type(const struct job *job, uint32_t id, const char **ret)
{
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	*ret = id == CH_ID_NONE ? "roots" : "?";
	if (id == CH_ID_NONE || !ch_graph_object(job->graph, id, &object))
		return NULL;
	err = ch_heaps_type(job->heaps, object.type, &type);
	if (!err)
		*ret = type.name;
	return err;
}

static struct ch_error *make_block(const struct job *job, const struct ch_retained_row *of,
				   struct ch_retained_block *ret)
{
	*ret = (struct ch_retained_block){ .of = *of,
					   .addr = ch_graph_addr(job->graph, of->id),
					   .share = chp_percent(of->retained_bytes,
								job->ret->all.retained_bytes),
					   .has_dominator = of->dominator != CH_ID_NONE };
	if (ret->has_dominator)
		ret->dominator_addr = ch_graph_addr(job->graph, of->dominator);
	return name_type(job, of->id, &ret->type);
}

static struct ch_error *add_block(const struct job *job, const struct ch_retained_row *of,
				  uint32_t depth, struct ch_vec *list)
{
	struct ch_retained_block *block = ch_vec_push(list);
	struct ch_error *err;

	if (!block)
		return &ch_enomem;
	err = make_block(job, of, block);
	block->depth = depth;
	return err;
}

static size_t rows_max(const struct job *job)
{
	return job->options->rows_max ? (size_t)ch_min(job->options->rows_max, ROWS_MAX)
				      : ROWS_DEFAULT;
}

/* Blocks of all, or what nothing else dominates, or the block that was asked for does. */
static struct ch_error *add_rows(struct job *job, bool all, struct ch_vec *list,
				 uint64_t *count_ret)
{
	size_t max = rows_max(job), n, i;
	_cleanup_free_ struct ch_retained_row *rows = calloc(max + 1, sizeof(*rows));
	struct ch_error *err = NULL;

	if (!rows)
		return &ch_enomem;
	n = all ? ch_retained_top(job->retained, rows, max, count_ret)
		: ch_retained_children(job->retained, job->id, rows, max, count_ret);
	for (i = 0; !err && i < n; i++)
		err = add_block(job, &rows[i], 0, list);
	return err;
}

static void tell_chain(struct ch_retained_block *block, const char *field)
{
	char count[CH_BYTES_TEXT_MAX];

	snprintf(block->chain_field, sizeof(block->chain_field), "%.39s", field);
	snprintf(block->chain, sizeof(block->chain), "%s%s%s",
		 chp_count_text(block->chain_count, count), field[0] ? " by " : "",
		 block->chain_field);
}

/* A list of a million blocks is one row. */
static struct ch_error *find_chain(const struct job *job, struct ch_retained_block *block)
{
	struct ch_error *err;
	struct ch_step step;
	uint64_t count;
	uint32_t next;

	count = chp_retained_chain(job->retained, block->of.id, &next);
	if (count < CHAIN_MIN)
		return NULL;
	err = chp_step_make(job->graph, job->heaps, NULL, block->of.id, next, &step);
	block->chain_count = count;
	if (!err)
		tell_chain(block, step.place);
	free(step.type);
	return err;
}

static struct ch_error *add_tops(struct job *job)
{
	struct ch_vec *tops = &job->ret->tops;
	struct ch_error *err = add_rows(job, false, tops, &job->ret->tops_count);
	size_t i;

	for (i = 0; !err && i < tops->count; i++)
		err = find_chain(job, CH_VEC_AT(tops, struct ch_retained_block, i));
	return err;
}

static struct ch_error *add_types(struct job *job)
{
	const struct ch_retained_type *types;
	struct ch_retained_by_type *row;
	struct ch_error *err;
	struct ch_type type;
	size_t count, all, i;

	err = ch_retained_types(job->retained, &types, &count);
	for (i = 0; !err && i < count && i < rows_max(job); i++) {
		err = ch_heaps_type(job->heaps, types[i].type, &type);
		row = err ? NULL : ch_vec_push(&job->ret->types);
		if (!row)
			return err ? err : &ch_enomem;
		row->of = types[i];
		row->share = chp_percent(types[i].retained_bytes, job->ret->all.retained_bytes);
		row->type = type.name;
		row->runtime = ch_heaps_runtimes(job->heaps, &all)[type.walker].name;
	}
	return err;
}

/* The block, and what dominates it, nearest first. */
static struct ch_error *add_above(struct job *job)
{
	struct ch_retained_row row;
	struct ch_error *err = NULL;
	uint32_t id = job->id;

	for (; !err && id != CH_ID_NONE && ch_retained_row(job->retained, id, &row);
	     id = row.dominator) {
		job->ret->above_count++;
		err = add_block(job, &row, 0, &job->ret->above);
		if (job->ret->above.count > ABOVE_MAX)
			break;
	}
	return err;
}

/* The tree from one block (or the roots) down, children that retain most first. */
static struct ch_error *add_tree(struct job *job)
{
	struct {
		struct ch_retained_row rows[TREE_CHILDREN];
		size_t count, at;
	} * levels;
	uint32_t most = (uint32_t)ch_min(job->options->tree_depth, TREE_DEPTH), depth = 0;
	struct ch_retained_row *row;
	struct ch_error *err = NULL;
	uint64_t all;

	levels = calloc(TREE_DEPTH + 1, sizeof(*levels));
	if (!levels)
		return &ch_enomem;
	levels[0].count =
		ch_retained_children(job->retained, job->id, levels[0].rows, TREE_CHILDREN, &all);
	while (!err) {
		if (levels[depth].at == levels[depth].count ||
		    chp_percent(levels[depth].rows[levels[depth].at].retained_bytes,
				job->ret->all.retained_bytes) < TREE_SHARE) {
			if (!depth--)
				break;
			continue;
		}
		row = &levels[depth].rows[levels[depth].at++];
		err = add_block(job, row, depth, &job->ret->tree);
		if (depth + 1 >= most)
			continue;
		depth++;
		levels[depth].at = 0;
		levels[depth].count = ch_retained_children(job->retained, row->id,
							   levels[depth].rows, TREE_CHILDREN, &all);
	}
	free(levels);
	return err;
}

/* The block that was asked for. */
static struct ch_error *find_block(struct job *job)
{
	unsigned long long addr = job->options->addr;
	struct ch_retained_row row;

	job->id = ch_graph_node_at(job->graph, addr);
	if (job->id == CH_ID_NONE)
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx lies in no used block: see coreheap whatis", addr);
	if (!ch_retained_row(job->retained, job->id, &row))
		return ch_error_create(CH_ERROR_ARG,
				       "no root reaches the block at 0x%llx, so nothing is "
				       "retained by it: see coreheap leaks",
				       addr);
	job->ret->has_block = true;
	return make_block(job, &row, &job->ret->block);
}

static struct ch_error *fill(struct job *job)
{
	struct ch_error *err = NULL;

	if (!ch_retained_row(job->retained, CH_ID_NONE, &job->ret->all))
		job->ret->all = (struct ch_retained_row){ .id = CH_ID_NONE };
	if (job->options->has_addr)
		err = find_block(job);
	if (!err && job->options->filter) {
		err = chp_retained_choose(job->retained, job->options->filter);
		job->ret->filtered = true;
		job->ret->chosen_count = job->retained->chosen_count;
		job->ret->chosen = chp_retained_chosen(job->retained, job->id);
	}
	if (!err && job->id == CH_ID_NONE)
		err = add_rows(job, true, &job->ret->rows, &job->ret->rows_count);
	if (!err)
		err = add_tops(job);
	if (!err)
		err = job->id == CH_ID_NONE ? add_types(job) : add_above(job);
	return err || !job->options->tree_depth ? err : add_tree(job);
}

struct ch_error *chp_retained_make(struct ch_session *session,
				   const struct ch_retained_options *options,
				   struct ch_retained_result *ret)
{
	const struct ch_graph_options graph_options = { .threads = options->threads };
	struct job job = { .options = options, .id = CH_ID_NONE, .ret = ret };
	struct ch_error *err;

	*ret = (struct ch_retained_result){ .above = CH_VEC(struct ch_retained_block),
					    .rows = CH_VEC(struct ch_retained_block),
					    .tops = CH_VEC(struct ch_retained_block),
					    .types = CH_VEC(struct ch_retained_by_type),
					    .tree = CH_VEC(struct ch_retained_block) };
	err = chp_session_named_heaps(session, &job.heaps);
	if (!err)
		err = ch_graph_create(session, &graph_options, &job.graph);
	if (!err)
		err = ch_retained_make(job.graph, &job.retained);
	if (!err)
		err = fill(&job);
	ch_retained_destroy(job.retained);
	ch_graph_destroy(job.graph);
	return err;
}

void chp_retained_deinit(struct ch_retained_result *result)
{
	ch_vec_deinit(&result->above);
	ch_vec_deinit(&result->rows);
	ch_vec_deinit(&result->tops);
	ch_vec_deinit(&result->types);
	ch_vec_deinit(&result->tree);
}
