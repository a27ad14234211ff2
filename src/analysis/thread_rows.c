/*
 * Threads as rows: stacks with names of functions and methods, states, registers, and groups of
 * threads that stand in the same place.
 */
#include "analysis/thread_rows.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/account.h"
#include "analysis/thread_names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/vec.h"

/* What all rows are filled with. */
struct filler {
	struct ch_session *session;
	struct ch_frame_names names;
	struct ch_frame *scratch;
};

static struct ch_error *unwind(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	struct ch_vec frames = CH_VEC(struct ch_frame);
	const char *end = NULL;
	struct ch_error *err;
	size_t count;

	err = ch_heaps_unwind(filler->names.heaps, index, filler->scratch, filler->names.frames_max,
			      &count, &end);
	if (err)
		return err;
	row->end = end ? strdup(end) : NULL;
	if (end && !row->end)
		return &ch_enomem;
	err = chp_frames_name(&filler->names, filler->scratch, count, &frames);
	row->frames = frames.items;
	row->frames_count = frames.count;
	row->fingerprint =
		chp_frames_fingerprint(filler->names.sym, row->frames, row->frames_count);
	return err;
}

/* What a runtime knows of it. */
static struct ch_error *describe(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	struct ch_thread_info info;

	if (!ch_heaps_thread(filler->names.heaps, index, &info))
		return NULL;
	row->info = malloc(sizeof(*row->info));
	if (!row->info)
		return &ch_enomem;
	*row->info = info;
	if (info.name[0])
		row->name = row->info->name;
	return NULL;
}

/* The stacks that it uses, the one that it runs on first. */
static void take_stacks(struct filler *filler, const struct ch_map *map, size_t index,
			struct ch_thread_row *row)
{
	const struct ch_thread_stack *stacks;
	struct ch_thread_stack stack;
	size_t count, i;

	stacks = ch_map_stacks_of(map, index, &count);
	for (i = 0; i < count; i++) {
		stack = ch_heaps_stack(filler->names.heaps, &stacks[i]);
		if (stack.interrupted) {
			if (row->interrupted_count < CH_INTERRUPTED_MAX)
				row->interrupted[row->interrupted_count++] = stack;
			continue;
		}
		row->stack_start = stack.start;
		row->stack_end = stack.end;
		row->for_signals = stack.for_signals;
		row->used_bytes = stack.end - ch_max(ch_min(stack.sp, stack.end), stack.start);
	}
}

static struct ch_error *fill_row(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	const struct ch_core *core = ch_session_core(filler->session);
	const struct ch_process *process = ch_core_process(core);
	struct ch_error *err;
	struct ch_map *map;
	size_t count;

	row->thread = &ch_core_threads(core, &count)[index];
	if (row->thread->tid == process->pid && process->comm[0])
		row->name = process->comm;
	row->crashed = process->signal && row->thread->tid == process->crash_tid;
	err = ch_session_map(filler->session, &map);
	if (!err)
		err = describe(filler, index, row);
	if (err)
		return err;
	take_stacks(filler, map, index, row);
	return unwind(filler, index, row);
}

/* Threads from first on. */
static struct ch_error *fill_rows(struct filler *filler, size_t first, struct ch_thread_row *rows,
				  size_t count)
{
	struct ch_context *ctx = ch_session_context(filler->session);
	struct ch_error *err;
	size_t i;

	err = ch_session_heaps(filler->session, &filler->names.heaps);
	if (!err)
		err = ch_session_sym(filler->session, &filler->names.sym);
	filler->scratch = calloc(filler->names.frames_max, sizeof(*filler->scratch));
	if (!err && !filler->scratch)
		err = &ch_enomem;

	for (i = 0; !err && i < count; i++) {
		chp_context_progress(ctx, "unwinding threads", i, count);
		err = chp_context_check(ctx);
		if (!err)
			err = fill_row(filler, first + i, &rows[i]);
	}
	free(filler->scratch);
	return err;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_thread_row *rows = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (rows[x].fingerprint != rows[y].fingerprint)
		return rows[x].fingerprint < rows[y].fingerprint ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int compare_groups(const void *a, const void *b)
{
	const struct ch_thread_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* groups holds room for rows_count. */
static struct ch_error *make_groups(struct ch_threads *threads, struct ch_thread_group *groups)
{
	size_t i, order_at = 0, *order = calloc(threads->rows_count + 1, sizeof(*order));
	struct ch_error *err = NULL;
	struct ch_thread_row *rows = (struct ch_thread_row *)(uintptr_t)threads->rows;
	struct ch_thread_group *group = NULL;

	if (!order)
		return &ch_enomem;
	for (i = 0; i < threads->rows_count; i++)
		order[i] = i;
	qsort_r(order, threads->rows_count, sizeof(*order), compare_rows, rows);
	for (i = 0; i < threads->rows_count; i++) {
		const struct ch_thread_row *row = &rows[order[i]];

		if (!group || group->fingerprint != row->fingerprint) {
			group = &groups[threads->groups_count++];
			*group = (struct ch_thread_group){ .fingerprint = row->fingerprint,
							   .first = order[i] };
		}
		group->count++;
		group->stack_bytes += row->stack_end - row->stack_start;
		group->used_bytes += row->used_bytes;
	}
	for (i = 0; !err && i < threads->groups_count; i++, order_at += groups[i - 1].count)
		err = chp_thread_names_make(rows, order + order_at, &groups[i]);
	qsort(groups, threads->groups_count, sizeof(*groups), compare_groups);
	threads->groups = groups;
	free(order);
	return err;
}

static struct ch_error *make(struct ch_session *session, size_t first, size_t count, bool alone,
			     size_t frames_max, struct ch_thread_rows *ret)
{
	struct filler filler = { .session = session,
				 .names = { .frames_max = frames_max, .with_inlined = alone } };
	struct ch_threads *threads = &ret->threads;
	struct ch_error *err;

	threads->rows_count = count;
	threads->arch = ch_core_arch(ch_session_core(session));
	ret->rows = calloc(threads->rows_count + 1, sizeof(*ret->rows));
	ret->groups = calloc(threads->rows_count + 1, sizeof(*ret->groups));
	threads->rows = ret->rows;
	err = ret->rows && ret->groups ? fill_rows(&filler, first, ret->rows, count) : &ch_enomem;
	ret->texts = filler.names.texts;
	chp_frame_names_deinit(&filler.names);
	return err ? err : make_groups(threads, ret->groups);
}

static size_t count_stacks(const struct ch_threads *threads)
{
	size_t i, count = 0;

	for (i = 0; i < threads->rows_count; i++)
		count += 1 + threads->rows[i].interrupted_count;
	return count;
}

/* Totals over all stacks, each byte once. */
static struct ch_error *sum_stacks(const struct ch_core *core, struct ch_threads *threads)
{
	_cleanup_free_ struct ch_stack_use *stacks =
		calloc(count_stacks(threads) + 1, sizeof(*stacks));
	const struct ch_thread_row *row;
	struct ch_stack_sums sums;
	size_t i, k, kept = 0;

	if (!stacks)
		return &ch_enomem;
	for (i = 0; i < threads->rows_count; i++) {
		row = &threads->rows[i];
		if (row->stack_end)
			stacks[kept++] = (struct ch_stack_use){ row->stack_start, row->stack_end,
								row->thread->sp };
		for (k = 0; k < row->interrupted_count; k++)
			if (row->interrupted[k].end)
				stacks[kept++] = (struct ch_stack_use){ row->interrupted[k].start,
									row->interrupted[k].end,
									row->interrupted[k].sp };
	}
	sums = chp_stack_sum_up(core, stacks, kept);
	threads->stack_bytes = sums.bytes;
	threads->used_bytes = sums.used_bytes;
	return NULL;
}

struct ch_error *chp_thread_rows_make(struct ch_session *session, size_t frames_max,
				      struct ch_thread_rows *ret)
{
	const struct ch_core *core = ch_session_core(session);
	struct ch_error *err;
	size_t count;

	ch_core_threads(core, &count);
	err = make(session, 0, count, false, frames_max, ret);
	return err ? err : sum_stacks(core, &ret->threads);
}

struct ch_error *chp_thread_rows_of(struct ch_session *session, uint32_t tid, size_t frames_max,
				    struct ch_thread_rows *ret)
{
	const struct ch_thread *threads;
	size_t count, i = 0;

	threads = ch_core_threads(ch_session_core(session), &count);
	while (i < count && threads[i].tid != tid)
		i++;
	return make(session, i, i < count, true, frames_max, ret);
}

bool chp_thread_row_has_methods(const struct ch_thread_row *row)
{
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		if (chp_thread_row_method(&row->frames[i]))
			return true;
	return false;
}

size_t chp_thread_row_first(const struct ch_thread_row *row)
{
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		if (chp_thread_row_method(&row->frames[i]))
			return i;
	return 0;
}

void chp_thread_rows_deinit(struct ch_thread_rows *rows)
{
	size_t i;

	for (i = 0; rows->rows && i < rows->threads.rows_count; i++) {
		free(rows->rows[i].frames);
		free(rows->rows[i].end);
		free(rows->rows[i].info);
	}
	for (i = 0; rows->groups && i < rows->threads.groups_count; i++)
		chp_thread_names_free(&rows->groups[i]);
	for (i = 0; i < rows->goroutine_groups.count; i++) {
		free(CH_VEC_AT(&rows->goroutine_groups, struct ch_goroutine_group, i)->frames);
		free(CH_VEC_AT(&rows->goroutine_groups, struct ch_goroutine_group, i)->end);
	}
	ch_vec_deinit(&rows->goroutines);
	ch_vec_deinit(&rows->goroutine_groups);
	free(rows->rows);
	free(rows->groups);
	tdestroy(rows->texts, free);
}
