/*
 * Goroutines that nothing can wake, that wait for a lock, or of which there are very many in one
 * place.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/suspects.h"
#include "analysis/thread_rows.h"
#include "util/cleanup.h"
#include "util/number.h"

/* A few wait for ever on purpose; so many are no purpose. Nor do locks that are had for a moment
 * have so many waiters. */
#define WAITING_MIN 10
/* A server has one or two for each connection; so many in one place are told. */
#define ALIKE_MIN   1000
#define FRAMES      64
#define PLACE_BYTES 320

/* What goroutines of a group wait for. */
enum wait {
	WAIT_OTHER,
	/* No other goroutine can ever end it. */
	WAIT_EVER,
	/* A lock of package sync. */
	WAIT_LOCK,
};

/* Reasons of releases (src/runtime/runtime2.go, waitReasonStrings); before Go 1.20 locks have that
 * of semaphores, and the function that they wait in tells. */
static const struct {
	const char *reason, *function;
	enum wait wait;
} waits[] = {
	{ "chan receive (nil chan)", NULL, WAIT_EVER },
	{ "chan send (nil chan)", NULL, WAIT_EVER },
	{ "select (no cases)", NULL, WAIT_EVER },
	{ "sync.Mutex.Lock", NULL, WAIT_LOCK },
	{ "sync.RWMutex.Lock", NULL, WAIT_LOCK },
	{ "sync.RWMutex.RLock", NULL, WAIT_LOCK },
	{ "semacquire", "sync.runtime_SemacquireMutex", WAIT_LOCK },
};

static bool calls(const struct ch_goroutine_group *group, const char *function)
{
	size_t i;

	for (i = 0; i < group->frames_count; i++)
		if (group->frames[i].symbol.name &&
		    strcmp(group->frames[i].symbol.name, function) == 0)
			return true;
	return false;
}

static enum wait wait_of(const struct ch_threads *threads, const struct ch_goroutine_group *group)
{
	const struct ch_goroutine *first = &threads->goroutines[group->first].of;
	size_t i;

	/* that of main() which waits for ever lets a server live */
	if (first->system || (first->number == 1 && group->count == 1))
		return WAIT_OTHER;
	for (i = 0; i < CH_COUNT_OF(waits); i++)
		if (strcmp(first->waits_for, waits[i].reason) == 0 &&
		    (!waits[i].function || calls(group, waits[i].function)))
			return waits[i].wait;
	return WAIT_OTHER;
}

/* "main.worker (main.go:33)": the innermost function that is not of the runtime or its locks. */
static void place_text(const struct ch_goroutine_group *group, char *buf, size_t max)
{
	const struct ch_frame *frame = NULL;
	size_t i;

	for (i = 0; i < group->frames_count; i++) {
		frame = &group->frames[i];
		if (frame->symbol.name && strncmp(frame->symbol.name, "runtime.", 8) != 0 &&
		    strncmp(frame->symbol.name, "sync.", 5) != 0 &&
		    strncmp(frame->symbol.name, "internal/", 9) != 0)
			break;
	}
	if (!frame || !frame->symbol.name)
		snprintf(buf, max, "code that is not known");
	else if (frame->source)
		snprintf(buf, max, "%.200s (%.80s:%" PRIu32 ")", frame->symbol.name, frame->source,
			 frame->line);
	else
		snprintf(buf, max, "%.200s", frame->symbol.name);
}

/* Those that wait alike: all of them, and where most do. */
static struct ch_error *tell_waiting(struct ch_suspecting *suspecting,
				     const struct ch_threads *threads, enum wait wait)
{
	const struct ch_goroutine_group *group, *most = NULL;
	struct ch_suspect suspect = { .rule = wait == WAIT_EVER ? CH_RULE_BLOCKED_GOROUTINES
								: CH_RULE_LOCKED_GOROUTINES,
				      .basis = CH_BASIS_RECORDED };
	char count[CH_BYTES_TEXT_MAX], part[CH_BYTES_TEXT_MAX], place[PLACE_BYTES];
	uint64_t places = 0;
	size_t i;

	for (i = 0; i < threads->goroutine_groups_count; i++) {
		group = &threads->goroutine_groups[i];
		if (wait_of(threads, group) != wait)
			continue;
		most = most ? most : group;
		places++;
		suspect.count += group->count;
		suspect.bytes += group->stack_bytes;
	}
	if (!most || suspect.count < WAITING_MIN)
		return NULL;
	place_text(most, place, sizeof(place));
	chp_suspect_fact(&suspect, "places_count", places);
	chp_suspect_fact(&suspect, "most_in_one_place_count", most->count);
	chp_suspect_next(&suspect, "threads", 0);
	return chp_suspect_take(
		suspecting, &suspect, 0, "%s goroutines %s; %s of them in %s",
		chp_count_text(suspect.count, count),
		wait == WAIT_EVER ? "can never go on: they wait for a channel that is nil, or in a "
				    "select without cases"
				  : "wait for locks",
		chp_count_text(most->count, part), place);
}

static struct ch_error *tell_alike(struct ch_suspecting *suspecting,
				   const struct ch_threads *threads)
{
	const struct ch_goroutine_group *group = threads->goroutine_groups;
	const struct ch_goroutine_row *first;
	struct ch_suspect suspect = { .rule = CH_RULE_ALIKE_GOROUTINES,
				      .basis = CH_BASIS_RECORDED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], place[PLACE_BYTES];

	if (!threads->goroutine_groups_count || group->count < ALIKE_MIN)
		return NULL;
	first = &threads->goroutines[group->first];
	suspect.count = group->count;
	suspect.bytes = group->stack_bytes;
	place_text(group, place, sizeof(place));
	chp_suspect_fact(&suspect, "goroutines_count", threads->goroutines_count);
	chp_suspect_next(&suspect, "threads", 0);
	return chp_suspect_take(
		suspecting, &suspect, 0,
		"%s goroutines, with stacks of %s, stand in one place: %s, %s%s%s%s%s",
		chp_count_text(suspect.count, count), chp_bytes_text(suspect.bytes, bytes), place,
		first->of.state, first->of.waits_for[0] ? ": " : "", first->of.waits_for,
		first->creator ? "; started by " : "", first->creator ? first->creator : "");
}

struct ch_error *chp_suspects_goroutines(struct ch_suspecting *suspecting)
{
	struct ch_thread_rows rows = { .texts = NULL };
	struct ch_error *err = chp_thread_rows_goroutines(suspecting->session, FRAMES, &rows);

	if (!err)
		err = tell_waiting(suspecting, &rows.threads, WAIT_EVER);
	if (!err)
		err = tell_waiting(suspecting, &rows.threads, WAIT_LOCK);
	if (!err)
		err = tell_alike(suspecting, &rows.threads);
	chp_thread_rows_deinit(&rows);
	return err;
}
