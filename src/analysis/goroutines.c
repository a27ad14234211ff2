/*
 * Goroutines as rows, and groups of those that stand in the same place and wait for the same. Of a
 * group only the first one's frames are kept, for there may be a million alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/frame_names.h"
#include "analysis/thread_rows.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/table.h"

#define PLACE_BYTES_MAX 256

/* What all rows are made with. */
struct maker {
	struct ch_context *ctx;
	struct ch_thread_rows *rows;
	struct ch_frame_names names;
	struct ch_frame *scratch;
	/* By hash of a place: index of its group. */
	struct ch_table groups;
};

/* Where it stands and what it waits for; never 0. */
static uint64_t hash_place(const struct ch_goroutine *goroutine, const struct ch_frame *frames,
			   size_t count)
{
	uint64_t hash = ch_hash_bytes(CH_HASH_START, goroutine->state, strlen(goroutine->state));
	size_t i;

	hash = ch_hash_bytes(hash, goroutine->waits_for, strlen(goroutine->waits_for) + 1);
	for (i = 0; i < count; i++)
		hash = ch_hash_number(hash, frames[i].pc);
	return hash ? hash : 1;
}

/* A group of its own for what nobody stood in before. */
static struct ch_error *add_group(struct maker *maker, uint64_t place, size_t count,
				  const char *end, size_t *ret)
{
	struct ch_vec *groups = &maker->rows->goroutine_groups, frames = CH_VEC(struct ch_frame);
	struct ch_goroutine_group *group;
	struct ch_error *err;

	*ret = groups->count;
	group = ch_vec_push(groups);
	if (!group || !ch_table_put(&maker->groups, place, (uint32_t)*ret))
		return &ch_enomem;
	err = chp_frames_name(&maker->names, maker->scratch, count, &frames);
	*group = (struct ch_goroutine_group){ .place = place,
					      .first = maker->rows->goroutines.count,
					      .frames = frames.items,
					      .frames_count = frames.count };
	group->fingerprint =
		chp_frames_fingerprint(maker->names.sym, group->frames, group->frames_count);
	group->end = end ? strdup(end) : NULL;
	return err ? err : end && !group->end ? &ch_enomem : NULL;
}

/* The name of a function, and with at the line of pc; NULL: it is not known. */
static struct ch_error *name_place(struct maker *maker, uint64_t pc, const char **name_ret,
				   const char **at_ret)
{
	const struct ch_frame frame = { .pc = pc };
	struct ch_code code;
	char text[PLACE_BYTES_MAX];

	*name_ret = NULL;
	if (!pc || !ch_heaps_frame_code(maker->names.heaps, &frame, !at_ret, 0, &code))
		return NULL;
	*name_ret = chp_frame_names_keep(&maker->names, code.name);
	if (!*name_ret)
		return &ch_enomem;
	if (!at_ret || !code.source[0])
		return NULL;
	snprintf(text, sizeof(text), "%s:%u", code.source, code.line);
	*at_ret = chp_frame_names_keep(&maker->names, text);
	return *at_ret ? NULL : &ch_enomem;
}

static struct ch_error *add_row(void *arg, const struct ch_goroutine *goroutine)
{
	struct maker *maker = arg;
	struct ch_goroutine_row row = { .of = *goroutine };
	struct ch_goroutine_group *group;
	struct ch_goroutine_row *slot;
	const char *end = NULL;
	struct ch_error *err;
	uint64_t place;
	uint32_t index;
	size_t count;

	err = ch_heaps_unwind_goroutine(maker->names.heaps, goroutine, maker->scratch,
					maker->names.frames_max, &count, &end);
	if (err)
		return err;
	place = hash_place(goroutine, maker->scratch, count);
	index = ch_table_find(&maker->groups, place);
	row.group = index;
	if (index == CH_TABLE_NONE)
		err = add_group(maker, place, count, end, &row.group);
	if (!err)
		err = name_place(maker, goroutine->start_pc, &row.start, NULL);
	if (!err)
		err = name_place(maker, goroutine->created_pc, &row.creator, &row.created_at);
	if (err)
		return err;
	group = CH_VEC_AT(&maker->rows->goroutine_groups, struct ch_goroutine_group, row.group);
	group->count++;
	group->stack_bytes += goroutine->stack_end - goroutine->stack_start;
	group->stuck_count += goroutine->stuck && !goroutine->system;
	if (goroutine->waited_ns > group->waited_most_ns)
		group->waited_most_ns = goroutine->waited_ns;
	slot = ch_vec_push(&maker->rows->goroutines);
	if (!slot)
		return &ch_enomem;
	*slot = row;
	return chp_context_check(maker->ctx);
}

static int compare_groups(const void *a, const void *b)
{
	const struct ch_goroutine_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Most goroutines first; rows keep leading to their groups. */
static struct ch_error *sort_groups(struct maker *maker)
{
	struct ch_vec *groups = &maker->rows->goroutine_groups, *rows = &maker->rows->goroutines;
	_cleanup_free_ size_t *places = calloc(groups->count + 1, sizeof(*places));
	struct ch_goroutine_row *row;
	size_t i;

	if (!places)
		return &ch_enomem;
	ch_vec_sort(groups, compare_groups);
	for (i = 0; i < groups->count; i++) {
		row = CH_VEC_AT(rows, struct ch_goroutine_row,
				CH_VEC_AT(groups, struct ch_goroutine_group, i)->first);
		places[row->group] = i;
	}
	for (i = 0; i < rows->count; i++) {
		row = CH_VEC_AT(rows, struct ch_goroutine_row, i);
		row->group = places[row->group];
	}
	return NULL;
}

static struct ch_error *make(struct ch_session *session, struct maker *maker)
{
	struct ch_error *err = ch_session_heaps(session, &maker->names.heaps);

	if (!err)
		err = ch_session_sym(session, &maker->names.sym);
	if (!err)
		err = ch_heaps_goroutines(maker->names.heaps, add_row, maker);
	return err ? err : sort_groups(maker);
}

struct ch_error *chp_thread_rows_goroutines(struct ch_session *session, size_t frames_max,
					    struct ch_thread_rows *rows)
{
	struct maker maker = { .ctx = ch_session_context(session),
			       .rows = rows,
			       .names = { .frames_max = frames_max, .texts = rows->texts },
			       .scratch = calloc(frames_max, sizeof(*maker.scratch)) };
	struct ch_error *err;

	rows->goroutines = CH_VEC(struct ch_goroutine_row);
	rows->goroutine_groups = CH_VEC(struct ch_goroutine_group);
	err = maker.scratch ? make(session, &maker) : &ch_enomem;
	rows->texts = maker.names.texts;
	chp_frame_names_deinit(&maker.names);
	ch_table_deinit(&maker.groups);
	free(maker.scratch);
	rows->threads.goroutines = rows->goroutines.items;
	rows->threads.goroutines_count = rows->goroutines.count;
	rows->threads.goroutine_groups = rows->goroutine_groups.items;
	rows->threads.goroutine_groups_count = rows->goroutine_groups.count;
	return err;
}
