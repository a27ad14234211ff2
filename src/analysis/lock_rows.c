/*
 * Locks that runtimes know of as rows: what is locked, by whom, how many wait for it.
 */
#include "analysis/lock_rows.h"

#include <stdlib.h>

#include "util/text.h"

#define NAME_BYTES_MAX 512

struct filler {
	struct ch_session *session;
	struct ch_heaps *heaps;
	struct ch_locks_result *result;
};

static struct ch_error *name_type(const struct filler *filler, struct ch_locks_row *row)
{
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	if (!ch_heaps_object_at(filler->heaps, row->lock.object, &object) ||
	    object.addr != row->lock.object)
		return NULL;
	err = ch_heaps_type(filler->heaps, object.type, &type);
	if (!err && !type.unnamed)
		row->type = type.name;
	return err;
}

/* Few are taken, and of those few are looked for among all threads. */
static struct ch_error *name_owner(const struct filler *filler, struct ch_locks_row *row)
{
	const struct ch_thread *threads;
	struct ch_thread_info info;
	size_t count, i = 0;

	threads = ch_core_threads(ch_session_core(filler->session), &count);
	while (i < count && threads[i].tid != row->lock.owner_tid)
		i++;
	if (!row->lock.owner_tid || i == count || !ch_heaps_thread(filler->heaps, i, &info) ||
	    !info.name[0])
		return NULL;
	row->owner_name = chp_text_escape(info.name, NAME_BYTES_MAX);
	return row->owner_name ? NULL : &ch_enomem;
}

static struct ch_error *take(void *arg, const struct ch_lock *lock)
{
	const struct filler *filler = arg;
	struct ch_locks_row *row = ch_vec_push(&filler->result->rows);

	if (!row)
		return &ch_enomem;
	*row = (struct ch_locks_row){ .lock = *lock };
	filler->result->held_count += lock->held;
	filler->result->waiters_count += lock->waiters;
	return NULL;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_locks_row *x = a, *y = b;

	if (x->lock.waiters != y->lock.waiters)
		return x->lock.waiters > y->lock.waiters ? -1 : 1;
	return x->lock.object < y->lock.object ? -1 : x->lock.object > y->lock.object;
}

struct ch_error *chp_lock_rows_make(struct ch_session *session, struct ch_locks_result *ret)
{
	struct filler filler = { .session = session, .result = ret };
	const struct ch_runtime *runtimes;
	struct ch_locks_row *rows;
	struct ch_error *err;
	size_t count, i;

	ret->rows = CH_VEC(struct ch_locks_row);
	err = ch_session_heaps(session, &filler.heaps);
	if (err)
		return err;
	ret->known = chp_heaps_know_locks(filler.heaps);
	runtimes = ch_heaps_runtimes(filler.heaps, &count);
	err = chp_heaps_locks(filler.heaps, take, &filler);
	ch_vec_sort(&ret->rows, compare_rows);
	rows = ret->rows.items;
	for (i = 0; !err && i < ret->rows.count; i++) {
		rows[i].runtime = runtimes[rows[i].lock.walker].name;
		err = name_type(&filler, &rows[i]);
		if (!err)
			err = name_owner(&filler, &rows[i]);
	}
	return err;
}

void chp_lock_rows_deinit(struct ch_locks_result *result)
{
	struct ch_locks_row *rows = result->rows.items;
	size_t i;

	for (i = 0; i < result->rows.count; i++)
		free(rows[i].owner_name);
	ch_vec_deinit(&result->rows);
}
