/*
 * Rows of two dumps or more laid side by side: what is new, what grew, and what of it counts.
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/account.h"
#include "analysis/compare.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* More threads with one stack than this are growth, however little they use. */
#define THREADS_MANY 16
/* Times of files that are closer than this say nothing, in microseconds. */
#define APART_MIN 30000000ULL

/* How much a byte of growth counts in the ranking, in hundredths: a type says more than the
 * place that holds it, with whatever else it holds, and that more than the region around. */
static const uint32_t axis_weights[CH_AXES] = {
	[CH_AXIS_TYPES] = 1000,       [CH_AXIS_ROOT_PATHS] = 90, [CH_AXIS_MODULES] = 80,
	[CH_AXIS_THREAD_GROUPS] = 80, [CH_AXIS_HEAPS] = 40,      [CH_AXIS_SIZE_CLASSES] = 30,
	[CH_AXIS_REGIONS] = 20,       [CH_AXIS_TOTALS] = 10,
};

static const char *const change_names[] = {
	[CH_CHANGE_SAME] = "same",   [CH_CHANGE_NEW] = "new",       [CH_CHANGE_GONE] = "gone",
	[CH_CHANGE_GROWN] = "grown", [CH_CHANGE_SHRUNK] = "shrunk",
};

size_t chp_diff_axis(const struct ch_diff *diff, enum ch_axis axis, size_t *first_ret)
{
	const struct ch_diff_row *rows = diff->rows.items;
	size_t first = 0, end;

	while (first < diff->rows.count && rows[first].axis != axis)
		first++;
	for (end = first; end < diff->rows.count && rows[end].axis == axis;)
		end++;
	*first_ret = first;
	return end;
}

const char *chp_change_name(enum ch_change change)
{
	return change_names[change];
}

/* ---- Rows --------------------------------------------------------------------- */

static int64_t difference(uint64_t now, uint64_t before)
{
	uint64_t size = now > before ? now - before : before - now;

	size = ch_min(size, (uint64_t)INT64_MAX);
	return now >= before ? (int64_t)size : -(int64_t)size;
}

static uint64_t size_of(int64_t delta)
{
	return delta < 0 ? (uint64_t)-delta : (uint64_t)delta;
}

static enum ch_change change_of(const struct ch_diff_row *row, bool before, bool after)
{
	if (!before || !after)
		return before ? CH_CHANGE_GONE : after ? CH_CHANGE_NEW : CH_CHANGE_SAME;
	if (row->delta_bytes)
		return row->delta_bytes > 0 ? CH_CHANGE_GROWN : CH_CHANGE_SHRUNK;
	if (row->delta_count)
		return row->delta_count > 0 ? CH_CHANGE_GROWN : CH_CHANGE_SHRUNK;
	return CH_CHANGE_SAME;
}

/* The rows of all dumps that have one id, NULL where a dump has none, become one. */
static struct ch_error *add_row(struct ch_diff *diff, const struct ch_snapshot_row *any,
				const struct ch_snapshot_row *const *found)
{
	const struct ch_snapshot_row *first = found[0], *last = found[diff->dumps_count - 1];
	struct ch_diff_row *row = ch_vec_push(&diff->rows);
	uint64_t bytes, before = 0;
	size_t i;

	if (!row)
		return &ch_enomem;
	*row = (struct ch_diff_row){ .monotonic = diff->dumps_count > 2 };
	for (i = 0; i < diff->dumps_count; i++) {
		bytes = found[i] ? found[i]->bytes : 0;
		if (i && bytes <= before)
			row->monotonic = false;
		before = bytes;
	}
	row->axis = any->axis;
	row->id = any->id;
	row->name = any->name;
	row->runtime = any->runtime;
	row->idle = any->idle;
	row->baseline_count = first ? first->count : 0;
	row->baseline_bytes = first ? first->bytes : 0;
	row->target_count = last ? last->count : 0;
	row->target_bytes = last ? last->bytes : 0;
	row->delta_count = difference(row->target_count, row->baseline_count);
	row->delta_bytes = difference(row->target_bytes, row->baseline_bytes);
	row->change = change_of(row, first != NULL, last != NULL);
	return NULL;
}

/* Through the rows of all dumps at once: they are in one order. */
static struct ch_error *merge(struct ch_diff *diff)
{
	const struct ch_snapshot_row *found[CH_DUMPS_MAX], *next, *row;
	size_t at[CH_DUMPS_MAX] = { 0 }, i;
	struct ch_error *err = NULL;
	bool pathed = true;

	for (i = 0; i < diff->dumps_count; i++)
		pathed = pathed && diff->dumps[i].has_paths;
	while (!err) {
		next = NULL;
		for (i = 0; i < diff->dumps_count; i++) {
			if (at[i] == diff->dumps[i].rows.count)
				continue;
			row = CH_VEC_AT(&diff->dumps[i].rows, struct ch_snapshot_row, at[i]);
			if (!next || chp_snapshot_compare_rows(row, next) < 0)
				next = row;
		}
		if (!next)
			break;
		for (i = 0; i < diff->dumps_count; i++) {
			found[i] = NULL;
			if (at[i] == diff->dumps[i].rows.count)
				continue;
			row = CH_VEC_AT(&diff->dumps[i].rows, struct ch_snapshot_row, at[i]);
			if (chp_snapshot_compare_rows(row, next) == 0) {
				found[i] = row;
				at[i]++;
			}
		}
		/* Where one dump has none, those of the others would all be new. */
		if (pathed || next->axis != CH_AXIS_ROOT_PATHS)
			err = add_row(diff, next, found);
	}
	return err;
}

/* ---- What it means ------------------------------------------------------------- */

static int compare_diff_rows(const void *a, const void *b)
{
	const struct ch_diff_row *x = a, *y = b;
	int order;

	if (x->axis != y->axis)
		return x->axis < y->axis ? -1 : 1;
	if (x->delta_bytes != y->delta_bytes)
		return x->delta_bytes > y->delta_bytes ? -1 : 1;
	if (x->delta_count != y->delta_count)
		return x->delta_count > y->delta_count ? -1 : 1;
	if (x->target_bytes != y->target_bytes)
		return x->target_bytes > y->target_bytes ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* What a row must have grown by to count: a bound of bytes, and a part of its axis. */
static void set_significance(struct ch_diff *diff)
{
	uint64_t sums[CH_AXES] = { 0 };
	struct ch_diff_row *row;
	size_t i;

	for (i = 0; i < diff->rows.count; i++) {
		row = CH_VEC_AT(&diff->rows, struct ch_diff_row, i);
		sums[row->axis] += row->baseline_bytes;
	}
	/* Most of what is mapped is not in use: it is no measure for what grows. */
	sums[CH_AXIS_REGIONS] = sums[CH_AXIS_TOTALS] = sums[CH_AXIS_MODULES] =
		sums[CH_AXIS_THREAD_GROUPS] = sums[CH_AXIS_TYPES];
	for (i = 0; i < diff->rows.count; i++) {
		row = CH_VEC_AT(&diff->rows, struct ch_diff_row, i);
		row->least_bytes = ch_max(diff->threshold_bytes,
					  sums[row->axis] / 100 * diff->threshold_percent);
		row->significant = row->delta_bytes && !row->idle &&
				   size_of(row->delta_bytes) >= row->least_bytes;
		if (row->axis == CH_AXIS_THREAD_GROUPS && size_of(row->delta_count) >= THREADS_MANY)
			row->significant = true;
	}
}

static int compare_scores(const void *a, const void *b, void *arg)
{
	const struct ch_diff_row *rows = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (rows[x].score != rows[y].score)
		return rows[x].score > rows[y].score ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Bytes of growth, by what the axis says; what did not grow in every step counts half. */
static struct ch_error *rank(struct ch_diff *diff)
{
	struct ch_diff_row *rows = diff->rows.items;
	uint64_t score;
	size_t i, *slot;

	for (i = 0; i < diff->rows.count; i++) {
		if (!rows[i].significant || rows[i].delta_bytes <= 0)
			continue;
		score = (uint64_t)rows[i].delta_bytes / 100 * axis_weights[rows[i].axis];
		if (diff->dumps_count > 2 && !rows[i].monotonic)
			score /= 2;
		rows[i].score = ch_max(score, 1);
		slot = ch_vec_push(&diff->ranking);
		if (!slot)
			return &ch_enomem;
		*slot = i;
	}
	if (diff->ranking.count)
		qsort_r(diff->ranking.items, diff->ranking.count, sizeof(size_t), compare_scores,
			rows);
	return NULL;
}

/* Rows of the accounting that say nothing of what the memory is for. */
static bool says_nothing(const char *name)
{
	static const enum ch_account_id ids[] = { CH_ACCOUNT_HEAP_UNWALKED,
						  CH_ACCOUNT_UNATTRIBUTED };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(ids); i++)
		if (strcmp(name, chp_account_name(ids[i])) == 0)
			return true;
	return false;
}

static void judge(struct ch_diff *diff)
{
	const struct ch_snapshot *first = &diff->dumps[0];
	const struct ch_snapshot *last = &diff->dumps[diff->dumps_count - 1];
	const struct ch_diff_row *row, *threads = NULL;
	int64_t threads_delta = 0;
	uint64_t bound;
	size_t i;

	diff->busy_delta_bytes = difference(last->busy_bytes, first->busy_bytes);
	diff->used_delta_bytes = difference(last->used_bytes, first->used_bytes);
	bound = ch_max(diff->threshold_bytes, first->used_bytes / 100 * diff->threshold_percent);
	diff->grown = diff->used_delta_bytes > 0 && size_of(diff->used_delta_bytes) >= bound;
	for (i = 0; i < diff->rows.count; i++) {
		row = CH_VEC_AT(&diff->rows, struct ch_diff_row, i);
		/* Rows come by growth, so the first is the group that grew most. */
		if (row->axis == CH_AXIS_THREAD_GROUPS) {
			threads_delta += row->delta_count;
			threads = threads ? threads : row;
		}
		if (row->axis != CH_AXIS_TOTALS || row->idle)
			continue;
		if (says_nothing(row->name)) {
			diff->unexplained_delta_bytes += row->delta_bytes;
			diff->unexplained_growth_bytes +=
				row->delta_bytes > 0 ? (uint64_t)row->delta_bytes : 0;
		}
		if (row->delta_bytes <= 0)
			continue;
		diff->growth_bytes += (uint64_t)row->delta_bytes;
		if (row->significant && !diff->grew_in)
			diff->grew_in = row;
	}
	/* Their stacks are mapped, not used, but they are growth; a move from one group to
	 * another is none. */
	if (!diff->grew_in && threads_delta >= THREADS_MANY)
		diff->grew_in = threads;
	diff->grown = diff->grown || diff->grew_in;
}

static void find_hours(struct ch_diff *diff, const struct ch_diff_options *options)
{
	const struct ch_snapshot *first = &diff->dumps[0];
	const struct ch_snapshot *last = &diff->dumps[diff->dumps_count - 1];

	if (options->hours > 0) {
		diff->hours = options->hours;
		diff->hours_basis = "--hours";
	} else if (first->time_basis && last->time_basis &&
		   last->time_us > first->time_us + APART_MIN) {
		diff->hours = (double)(last->time_us - first->time_us) / 3600e6;
		diff->hours_basis = strcmp(first->time_basis, last->time_basis) == 0
					    ? first->time_basis
					    : "modification time";
	}
}

int64_t chp_diff_rate(const struct ch_diff *diff, const struct ch_diff_row *row)
{
	double rate = (double)row->delta_bytes / diff->hours;

	/* 2^63 is no int64_t, and a double that is less than it by one step is */
	if (rate >= 0x1p63 || rate <= -0x1p63)
		return rate > 0 ? INT64_MAX : -INT64_MAX;
	return (int64_t)rate;
}

static bool all_equal(const struct ch_diff *diff, size_t offset)
{
	const char *first = *(const char *const *)((const char *)&diff->dumps[0] + offset), *other;
	size_t i;

	for (i = 1; i < diff->dumps_count; i++) {
		other = *(const char *const *)((const char *)&diff->dumps[i] + offset);
		if (strcmp(first, other) != 0)
			return false;
	}
	return true;
}

static struct ch_error *note_if(struct ch_diff *diff, bool applies, const char *text)
{
	const char **slot = applies ? ch_vec_push(&diff->notes) : NULL;

	if (!applies)
		return NULL;
	if (!slot)
		return &ch_enomem;
	*slot = text;
	return NULL;
}

static struct ch_error *find_notes(struct ch_diff *diff)
{
	bool builds = all_equal(diff, offsetof(struct ch_snapshot, build_id));
	bool incomplete = false, unpathed = false, bloated = false;
	const struct {
		bool applies;
		const char *text;
	} rows[] = {
		{ !all_equal(diff, offsetof(struct ch_snapshot, executable)),
		  "the executables differ: only equal names are compared" },
		{ !builds, "the executables' build-ids differ: another version of the program, or "
			   "one is not known" },
		{ builds && !diff->dumps[0].build_id[0],
		  "the executable's build-id is not known: that it is the same program is not "
		  "verified" },
		{ !all_equal(diff, offsetof(struct ch_snapshot, runtimes)),
		  "allocators or runtimes differ" },
		{ !all_equal(diff, offsetof(struct ch_snapshot, dump.arch)),
		  "the architectures differ" },
		{ !all_equal(diff, offsetof(struct ch_snapshot, dump.producer)),
		  "the dumpers differ: they see reservations, files and untouched memory in "
		  "different ways, so regions and totals differ for that reason, too" },
	};
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < diff->dumps_count; i++) {
		incomplete = incomplete || !diff->dumps[i].complete;
		unpathed = unpathed || !diff->dumps[i].has_paths;
		bloated = bloated || diff->dumps[i].bloated;
	}
	diff->same_executable = !rows[0].applies && !rows[1].applies;
	for (i = 0; !err && i < CH_COUNT_OF(rows); i++)
		err = note_if(diff, rows[i].applies, rows[i].text);
	if (!err)
		err = note_if(diff, incomplete, "a dump is incomplete: see the warnings");
	if (!err)
		err = note_if(diff, unpathed,
			      bloated ? "root paths were not compared: segments of a core share "
					"bytes of the file"
				      : "root paths were not compared (--no-paths)");
	return err;
}

struct ch_error *chp_diff_make(const struct ch_snapshot *dumps, size_t dumps_count,
			       const struct ch_diff_options *options, struct ch_diff *ret)
{
	struct ch_error *err;

	*ret = (struct ch_diff){ .dumps = dumps,
				 .dumps_count = dumps_count,
				 .rows = CH_VEC(struct ch_diff_row),
				 .ranking = CH_VEC(size_t),
				 .growths = CH_VEC(struct ch_growth),
				 .notes = CH_VEC(const char *),
				 .threshold_bytes = options->threshold_bytes,
				 .threshold_percent = options->threshold_percent };
	err = merge(ret);
	if (err)
		return err;
	ch_vec_sort(&ret->rows, compare_diff_rows);
	set_significance(ret);
	find_hours(ret, options);
	judge(ret);
	err = rank(ret);
	if (!err)
		err = chp_growths_find(ret);
	return err ? err : find_notes(ret);
}

void chp_diff_deinit(struct ch_diff *diff)
{
	ch_vec_deinit(&diff->rows);
	ch_vec_deinit(&diff->ranking);
	ch_vec_deinit(&diff->growths);
	ch_vec_deinit(&diff->notes);
}
