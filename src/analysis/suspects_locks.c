/*
 * Threads that stand still because one thread has a lock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lock_rows.h"
#include "analysis/suspects.h"
#include "analysis/thread_rows.h"
#include "util/number.h"

/* A lock that is had for a moment has a few waiters now and then, also on a machine with many
 * processors; a queue of this length does not come from that. */
#define WAITERS_MIN 10
/* Locks that are told, each with what its owner does. */
#define CONVOYS_MAX 4
#define FRAMES      64

struct ch_error *chp_suspect_method(const struct ch_suspecting *suspecting, uint32_t tid, char *buf,
				    size_t max)
{
	struct ch_thread_rows rows = { .texts = NULL };
	const struct ch_thread_row *row;
	const struct ch_frame *frame, *best = NULL;
	struct ch_error *err;
	size_t i;

	buf[0] = '\0';
	err = chp_thread_rows_of(suspecting->session, tid, FRAMES, &rows);
	row = !err && rows.threads.rows_count ? rows.threads.rows : NULL;
	for (i = 0; row && i < row->frames_count; i++) {
		frame = &row->frames[i];
		if (!chp_thread_row_method(frame) || !frame->symbol.name)
			continue;
		best = best ? best : frame;
		if (chp_heaps_is_library(suspecting->heaps, frame->symbol.name))
			continue;
		best = frame;
		break;
	}
	if (best)
		snprintf(buf, max, "%s", best->symbol.name);
	chp_thread_rows_deinit(&rows);
	return err;
}

/* "thread 27507 (pool-1-thread-3)", "virtual thread #42" */
static void owner_text(const struct ch_locks_row *row, char *buf, size_t max)
{
	if (!row->lock.owner_tid && row->lock.owner_number)
		snprintf(buf, max, "thread #%" PRIu64, row->lock.owner_number);
	else if (!row->lock.owner_tid)
		snprintf(buf, max, "a thread that is not known");
	else
		snprintf(buf, max, "thread %" PRIu32 "%s%.200s%s", row->lock.owner_tid,
			 row->owner_name ? " (" : "", row->owner_name ? row->owner_name : "",
			 row->owner_name ? ")" : "");
}

/* ---- Threads that wait for each other ------------------------------------------- */

/* A thread that waits for an object which another one has. */
struct waiting {
	uint64_t object;
	/* Index of the one that has it; its own where there is none. */
	size_t next;
	/* Number of the walk that came by, 0: none yet. */
	size_t walk;
};

static struct ch_error *read_waiting(const struct ch_suspecting *suspecting,
				     const struct ch_thread *threads, size_t count,
				     struct waiting *ret)
{
	struct ch_thread_info *info = malloc(sizeof(*info));
	size_t i, k;

	if (!info)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		ret[i].next = i;
		if (!ch_heaps_thread(suspecting->heaps, i, info) || !info->waits_to ||
		    !info->held_by)
			continue;
		for (k = 0; k < count && threads[k].tid != info->held_by; k++)
			;
		ret[i].next = k < count ? k : i;
		ret[i].object = info->waits_for;
	}
	free(info);
	return NULL;
}

static struct ch_error *add_ring(struct ch_suspecting *suspecting, const struct ch_thread *threads,
				 const struct waiting *waiting, size_t first)
{
	struct ch_suspect suspect = { .rule = CH_RULE_DEADLOCK,
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = waiting[first].object };
	char text[512] = "";
	size_t i = first, used = 0;
	int len;

	do {
		suspect.count++;
		len = used < sizeof(text) / 2
			      ? snprintf(text + used, sizeof(text) - used,
					 "%s%" PRIu32 " for 0x%" PRIx64 " that %" PRIu32 " has",
					 used ? ", " : "", threads[i].tid, waiting[i].object,
					 threads[waiting[i].next].tid)
			      : 0;
		used += len > 0 ? (size_t)len : 0;
		i = waiting[i].next;
	} while (i != first);
	chp_suspect_fact(&suspect, "threads_count", suspect.count);
	chp_suspect_next(&suspect, "locks", 0);
	return chp_suspect_take(suspecting, &suspect, 0,
				"%" PRIu64 " threads wait for each other, for ever: %s",
				suspect.count, text);
}

/* Each ring once: what a walk comes back to that it passed itself is one. */
static struct ch_error *find_rings(struct ch_suspecting *suspecting)
{
	const struct ch_thread *threads;
	struct ch_error *err;
	struct waiting *waiting;
	size_t count, i, at;

	threads = ch_core_threads(ch_session_core(suspecting->session), &count);
	waiting = calloc(count + 1, sizeof(*waiting));
	if (!waiting)
		return &ch_enomem;
	err = read_waiting(suspecting, threads, count, waiting);
	for (i = 0; !err && i < count; i++) {
		for (at = i; !waiting[at].walk && waiting[at].next != at; at = waiting[at].next)
			waiting[at].walk = i + 1;
		if (waiting[at].walk == i + 1 && waiting[at].next != at)
			err = add_ring(suspecting, threads, waiting, at);
	}
	free(waiting);
	return err;
}

/* ---- Threads that wait for one that does not -------------------------------------- */

static struct ch_error *add_convoy(struct ch_suspecting *suspecting, const struct ch_locks_row *row)
{
	struct ch_suspect suspect = { .rule = CH_RULE_LOCK_CONVOY,
				      .count = row->lock.waiters,
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = row->lock.object };
	char count[CH_BYTES_TEXT_MAX], owner[256], method[512] = "";
	struct ch_error *err = NULL;

	if (row->lock.owner_tid)
		err = chp_suspect_method(suspecting, row->lock.owner_tid, method, sizeof(method));
	if (err)
		return err;
	owner_text(row, owner, sizeof(owner));
	suspect.holder_addr = row->lock.object;
	suspect.holder_type = row->type ? strdup(row->type) : NULL;
	if (row->type && !suspect.holder_type)
		return &ch_enomem;
	chp_suspect_fact(&suspect, "waiters_count", row->lock.waiters);
	chp_suspect_fact(&suspect, "owner_tid", row->lock.owner_tid);
	chp_suspect_next(&suspect, "locks", 0);
	return chp_suspect_take(
		suspecting, &suspect, 0,
		"%s threads wait for one lock, the %s 0x%" PRIx64 " of type %s, which %s has%s%s",
		chp_count_text(row->lock.waiters, count), row->lock.kind, row->lock.object,
		row->type ? row->type : "?", owner, method[0] ? "; that is in " : "", method);
}

struct ch_error *chp_suspects_locks_held(const struct ch_suspecting *suspecting,
					 struct ch_graph *graph)
{
	struct ch_suspect *suspects = suspecting->suspects->items;
	struct ch_error *err = NULL;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < suspecting->suspects->count; i++) {
		if (suspects[i].rule != CH_RULE_LOCK_CONVOY)
			continue;
		id = ch_graph_node_at(graph, suspects[i].sample_addr);
		if (id != CH_ID_NONE)
			err = chp_suspect_chain(suspecting, graph, &id, 1, &suspects[i].chain);
	}
	return err;
}

struct ch_error *chp_suspects_locks(struct ch_suspecting *suspecting)
{
	struct ch_locks_result result = { .held_count = 0 };
	const struct ch_locks_row *rows;
	struct ch_error *err;
	size_t i;

	err = find_rings(suspecting);
	if (!err)
		err = chp_lock_rows_make(suspecting->session, &result);
	else
		result.rows = CH_VEC(struct ch_locks_row);
	rows = result.rows.items;
	for (i = 0; !err && i < result.rows.count && i < CONVOYS_MAX; i++)
		if (rows[i].lock.held && rows[i].lock.waiters >= WAITERS_MIN)
			err = add_convoy(suspecting, &rows[i]);
	chp_lock_rows_deinit(&result);
	return err;
}
