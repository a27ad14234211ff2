/*
 * Goroutines that nothing can wake, that wait for a lock or for what the program should have ended,
 * or of which there are very many in one place.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/suspects.h"
#include "analysis/thread_rows.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"

/* A few wait for ever on purpose; so many are no purpose. Nor do locks that are had for a moment
 * have so many waiters. */
#define WAITING_MIN 10
/* A server has one or two for each connection; so many in one place are told. */
#define ALIKE_MIN 1000
/* Requests that are under way wait so, too: so many are no chance, or those that do it for so long.
 */
#define OPEN_MIN    100
#define OPEN_LONG   (60ULL * 1000 * 1000 * 1000)
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

/* Goroutines of Go's own packages, one for each thing that is open, by the function that waits. The
 * functions are called that from Go 1.17 to 1.27. */
static const struct open_kind {
	const char *function, *reason, *words, *help;
} open_kinds[] = {
	{ "net/http.(*persistConn).readLoop", "select",
	  "responses of HTTP requests are open, with a connection each: nobody closed the body, "
	  "or read it to its end",
	  "close each Response.Body" },
	{ "database/sql.(*Rows).awaitDone", NULL,
	  "results of database queries (sql.Rows) are open, with a connection each",
	  "close each Rows" },
	{ "database/sql.(*Tx).awaitDone", NULL,
	  "transactions (sql.Tx) are open, with a connection each",
	  "commit each, or roll it back" },
};

/* The function itself waits, not one that it called: net/http waits in others for the network. */
static bool waits_in(const struct ch_goroutine_group *group, const struct ch_goroutine *first,
		     const struct open_kind *kind)
{
	size_t i;

	if (kind->reason && strcmp(first->waits_for, kind->reason) != 0)
		return false;
	for (i = 0; i < group->frames_count; i++)
		if (group->frames[i].symbol.name &&
		    strncmp(group->frames[i].symbol.name, "runtime.", 8) != 0)
			return strcmp(group->frames[i].symbol.name, kind->function) == 0;
	return false;
}

/* How many of a group wait so. */
static uint64_t waiting_count(const struct ch_threads *threads,
			      const struct ch_goroutine_group *group, enum wait wait)
{
	size_t i;

	if (wait_of(threads, group) == wait)
		return group->count;
	/* those are told by what they wait for */
	for (i = 0; i < CH_COUNT_OF(open_kinds); i++)
		if (waits_in(group, &threads->goroutines[group->first].of, &open_kinds[i]))
			return 0;
	return wait == WAIT_EVER ? group->stuck_count : 0;
}

static const char *waiting_words(enum wait wait, uint64_t count, uint64_t stuck_count)
{
	if (wait == WAIT_LOCK)
		return "wait for locks";
	if (!stuck_count)
		return "can never go on: they wait for a channel that is nil, or in a select "
		       "without cases";
	return stuck_count == count
		       ? "can never go on: nothing but they themselves leads to the channels that "
			 "they wait for"
		       : "can never go on: they wait for channels that are nil or that nothing but "
			 "they themselves leads to, or in a select without cases";
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
	uint64_t places = 0, most_count = 0, stuck_count = 0, n;
	size_t i;

	for (i = 0; i < threads->goroutine_groups_count; i++) {
		group = &threads->goroutine_groups[i];
		n = waiting_count(threads, group, wait);
		if (!n)
			continue;
		most = n > most_count ? group : most;
		most_count = ch_max(most_count, n);
		places++;
		suspect.count += n;
		suspect.bytes += group->stack_bytes / group->count * n;
		stuck_count += wait == WAIT_EVER ? group->stuck_count : 0;
	}
	if (!most || suspect.count < WAITING_MIN)
		return NULL;
	suspect.basis = stuck_count ? CH_BASIS_DERIVED : CH_BASIS_RECORDED;
	place_text(most, place, sizeof(place));
	chp_suspect_fact(&suspect, "places_count", places);
	chp_suspect_fact(&suspect, "most_in_one_place_count", most_count);
	if (wait == WAIT_EVER)
		chp_suspect_fact(&suspect, "unreachable_channels_count", stuck_count);
	chp_suspect_next(&suspect, "threads", 0);
	return chp_suspect_take(suspecting, &suspect, 0, "%s goroutines %s; %s of them in %s",
				chp_count_text(suspect.count, count),
				waiting_words(wait, suspect.count, stuck_count),
				places == 1 ? "all" : chp_count_text(most_count, part), place);
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

static struct ch_error *tell_open(struct ch_suspecting *suspecting,
				  const struct ch_threads *threads, const struct open_kind *kind)
{
	const struct ch_goroutine_group *group;
	struct ch_suspect suspect = { .rule = CH_RULE_OPEN_RESOURCES, .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX];
	uint64_t longest_ns = 0;
	size_t i;

	for (i = 0; i < threads->goroutine_groups_count; i++) {
		group = &threads->goroutine_groups[i];
		if (!waits_in(group, &threads->goroutines[group->first].of, kind))
			continue;
		suspect.count += group->count;
		suspect.bytes += group->stack_bytes;
		longest_ns = ch_max(longest_ns, group->waited_most_ns);
	}
	if (suspect.count < (longest_ns >= OPEN_LONG ? WAITING_MIN : OPEN_MIN))
		return NULL;
	/* its id is that of the function */
	snprintf(suspect.chain.alike_name, sizeof(suspect.chain.alike_name), "%s", kind->function);
	chp_suspect_fact(&suspect, "goroutines_count", threads->goroutines_count);
	chp_suspect_fact(&suspect, "longest_wait_ns", longest_ns);
	chp_suspect_next(&suspect, "threads", 0);
	return chp_suspect_take(suspecting, &suspect, 0, "%s %s; so many goroutines wait in %s; %s",
				chp_count_text(suspect.count, count), kind->words, kind->function,
				kind->help);
}

struct ch_error *chp_suspects_goroutines(struct ch_suspecting *suspecting)
{
	struct ch_thread_rows rows = { .texts = NULL };
	struct ch_error *err = NULL;
	size_t i;

	if (!suspecting->quick && suspecting->sums->walked)
		err = chp_heaps_find_stuck(suspecting->heaps);
	if (!err)
		err = chp_thread_rows_goroutines(suspecting->session, FRAMES, &rows);
	for (i = 0; !err && i < CH_COUNT_OF(open_kinds); i++)
		err = tell_open(suspecting, &rows.threads, &open_kinds[i]);
	if (!err)
		err = tell_waiting(suspecting, &rows.threads, WAIT_EVER);
	if (!err)
		err = tell_waiting(suspecting, &rows.threads, WAIT_LOCK);
	if (!err)
		err = tell_alike(suspecting, &rows.threads);
	chp_thread_rows_deinit(&rows);
	return err;
}
