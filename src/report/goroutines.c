/*
 * Goroutines: where they stand, what they wait for, who started them.
 */
#include "report/goroutines.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/frames.h"
#include "util/cleanup.h"
#include "util/text.h"

#define NAME_BYTES_MAX 512
#define NS_PER_SECOND  1000000000ULL

struct row {
	uint64_t number, addr, stack_addr, stack_end, stack_bytes, waited_seconds, fingerprint;
	const char *runtime, *state, *waits_for, *start, *creator, *created_at;
	uint32_t tid, locked_tid;
	bool waited, has_tid, locked, system, labelled;
};

struct group_row {
	const struct ch_goroutine_group *of;
	struct row first;
	uint64_t fingerprint, count, stack_bytes, waited_seconds;
};

#define ROW(member)   CH_AT(struct row, member)
#define GROUP(member) CH_AT(struct group_row, member)

static const char waited_about[] =
	"It waited at least so long: until what the runtime noted last; null: it noted nothing.";

static const struct ch_field_spec row_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Whose it is.", ROW(runtime) },
	{ "number", NULL, CH_CELL_NUMBER, "The number that the runtime gave it.", ROW(number) },
	{ "state", NULL, CH_CELL_SAFE, "What it does.", ROW(state),
	  .words = "runnable|running|syscall|waiting|copystack|preempted|leaked" },
	{ "waits_for", NULL, CH_CELL_TEXT, "What it waits for, in the runtime's words.",
	  ROW(waits_for), .flags = CH_FIELD_OPTIONAL },
	{ "waited_seconds", NULL, CH_CELL_NUMBER, waited_about, ROW(waited_seconds),
	  CH_KNOWN(struct row, waited) },
	{ "start", NULL, CH_CELL_TEXT, "Its first function.", ROW(start),
	  .flags = CH_FIELD_OPTIONAL },
	{ "creator", NULL, CH_CELL_TEXT, "The function that started it.", ROW(creator),
	  .flags = CH_FIELD_OPTIONAL },
	{ "created_at", NULL, CH_CELL_TEXT, "Source file and line of that.", ROW(created_at),
	  .flags = CH_FIELD_OPTIONAL },
	{ "tid", NULL, CH_CELL_NUMBER, "The thread that runs it.", ROW(tid),
	  CH_KNOWN(struct row, has_tid) },
	{ "locked_tid", NULL, CH_CELL_NUMBER, "The thread that alone may run it.", ROW(locked_tid),
	  CH_KNOWN(struct row, locked) },
	{ "system", NULL, CH_CELL_BOOL, "It is one of the runtime's own.", ROW(system) },
	{ "labelled", NULL, CH_CELL_BOOL, "It has labels for profiles.", ROW(labelled) },
	{ "addr", NULL, CH_CELL_ADDR, "The runtime's structure.", ROW(addr) },
	{ "stack_addr", NULL, CH_CELL_ADDR, "Where its stack begins.", ROW(stack_addr) },
	{ "stack_end", NULL, CH_CELL_ADDR, "Behind the last byte of its stack.", ROW(stack_end) },
	{ "stack_bytes", NULL, CH_CELL_BYTES, "Size of its stack.", ROW(stack_bytes) },
	{ "fingerprint", NULL, CH_CELL_ID, "That of its group.", ROW(fingerprint) },
	CH_FIELDS_END,
};

const struct ch_list chp_goroutines_list = { .fields = row_fields };

/* The stack of a group in the form that frames are shown from. */
static struct ch_thread_row stack_of(const struct ch_goroutine_group *group)
{
	return (struct ch_thread_row){ .frames = group->frames,
				       .frames_count = group->frames_count,
				       .end = group->end };
}

static json_t *group_frames(const struct ch_report *report, const void *row)
{
	const struct ch_thread_row stack = stack_of(((const struct group_row *)row)->of);

	return chp_json_frames(ch_session_core(report->session), &stack);
}

static const struct ch_field_spec group_fields[] = {
	{ "fingerprint", NULL, CH_CELL_ID, "A hash of functions and lines.", GROUP(fingerprint) },
	{ "count", NULL, CH_CELL_COUNT, "Goroutines.", GROUP(count) },
	{ "stack_bytes", NULL, CH_CELL_BYTES, "Size of their stacks.", GROUP(stack_bytes) },
	{ "state", NULL, CH_CELL_SAFE, "What they do.", GROUP(first.state),
	  .words = "runnable|running|syscall|waiting|copystack|preempted|leaked" },
	{ "waits_for", NULL, CH_CELL_TEXT, "What they wait for, in the runtime's words.",
	  GROUP(first.waits_for), .flags = CH_FIELD_OPTIONAL },
	{ "waited_seconds", NULL, CH_CELL_NUMBER, "The longest of them, as in goroutines.",
	  GROUP(waited_seconds), .flags = CH_FIELD_NOT_ZERO },
	{ "first_number", NULL, CH_CELL_NUMBER, "Number of the first of them.",
	  GROUP(first.number) },
	{ "start", NULL, CH_CELL_TEXT, "First function of the first.", GROUP(first.start),
	  .flags = CH_FIELD_OPTIONAL },
	{ "creator", NULL, CH_CELL_TEXT, "The function that started the first.",
	  GROUP(first.creator), .flags = CH_FIELD_OPTIONAL },
	{ "created_at", NULL, CH_CELL_TEXT, "Source file and line of that.",
	  GROUP(first.created_at), .flags = CH_FIELD_OPTIONAL },
	{ "frames", NULL, CH_CELL_PART, "The stack of the first.", .part = group_frames,
	  .fields = chp_frame_fields },
	CH_FIELDS_END,
};

const struct ch_list chp_goroutine_groups_list = { .fields = group_fields };

static void fill_row(struct row *row, const struct ch_threads *threads,
		     const struct ch_goroutine_row *of)
{
	const struct ch_goroutine *goroutine = &of->of;

	*row = (struct row){
		.number = goroutine->number,
		.addr = goroutine->addr,
		.stack_addr = goroutine->stack_start,
		.stack_end = goroutine->stack_end,
		.stack_bytes = goroutine->stack_end - goroutine->stack_start,
		.waited_seconds = goroutine->waited_ns / NS_PER_SECOND,
		.waited = goroutine->waited_ns != 0,
		.fingerprint = threads->goroutine_groups[of->group].fingerprint,
		.runtime = goroutine->runtime,
		.state = goroutine->state,
		.waits_for = goroutine->waits_for[0] ? goroutine->waits_for : NULL,
		.start = of->start,
		.creator = of->creator,
		.created_at = of->created_at,
		.has_tid = goroutine->on_thread,
		.tid = goroutine->on_thread ? threads->rows[goroutine->thread_index].thread->tid
					    : 0,
		.locked = goroutine->locked_tid != 0,
		.locked_tid = goroutine->locked_tid,
		.system = goroutine->system,
		.labelled = goroutine->labelled,
	};
}

static void fill_group(struct group_row *row, const struct ch_threads *threads,
		       const struct ch_goroutine_group *of)
{
	*row = (struct group_row){ .of = of,
				   .fingerprint = of->fingerprint,
				   .count = of->count,
				   .stack_bytes = of->stack_bytes,
				   .waited_seconds = of->waited_most_ns / NS_PER_SECOND };
	fill_row(&row->first, threads, &threads->goroutines[of->first]);
}

struct ch_error *chp_goroutines_put(struct ch_listing *rows, struct ch_listing *groups,
				    const struct ch_threads *threads)
{
	struct ch_error *err = NULL;
	struct group_row group;
	struct row row;
	size_t i;

	for (i = 0; !err && i < threads->goroutines_count; i++) {
		fill_row(&row, threads, &threads->goroutines[i]);
		err = chp_listing_row(rows, &row);
	}
	for (i = 0; !err && i < threads->goroutine_groups_count; i++) {
		fill_group(&group, threads, &threads->goroutine_groups[i]);
		err = chp_listing_row(groups, &group);
	}
	return err;
}

/* "20 goroutines (first: 18): waiting, chan receive, for 2 s at least" */
static void print_line(const struct ch_report *report, const struct group_row *group)
{
	_cleanup_free_ char *reason = chp_text_escape(group->first.waits_for, NAME_BYTES_MAX);
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	fprintf(report->out, "\n%s %s (first: %" PRIu64 "), %s",
		chp_count_text(group->count, count), group->count == 1 ? "goroutine" : "goroutines",
		group->first.number, group->first.state);
	if (reason)
		fprintf(report->out, ": %s", reason);
	if (group->waited_seconds)
		fprintf(report->out, ", for at least %" PRIu64 " s", group->waited_seconds);
	if (group->first.has_tid)
		fprintf(report->out, ", on thread %" PRIu32, group->first.tid);
	if (group->first.locked)
		fprintf(report->out, ", locked to thread %" PRIu32, group->first.locked_tid);
	fprintf(report->out, "%s: stack bytes %s\n",
		group->first.system ? ", the runtime's own" : "",
		chp_bytes_text(group->stack_bytes, bytes));
	if (group->first.creator && group->first.created_at)
		fprintf(report->out, "  started by %s (%s)\n", group->first.creator,
			group->first.created_at);
}

struct ch_error *chp_goroutines_print(const struct ch_report *report,
				      const struct ch_threads *threads)
{
	uint64_t i, rows = chp_report_rows(report, threads->goroutine_groups_count);
	char count[CH_BYTES_TEXT_MAX], groups[CH_BYTES_TEXT_MAX];
	struct ch_error *err = NULL;
	struct ch_thread_row stack;
	struct group_row group;

	if (!threads->goroutines_count)
		return NULL;
	chp_report_say(report, "\n%s goroutines in %s different places\n",
		       chp_count_text(threads->goroutines_count, count),
		       chp_count_text(threads->goroutine_groups_count, groups));
	for (i = 0; !err && i < rows; i++) {
		fill_group(&group, threads, &threads->goroutine_groups[i]);
		print_line(report, &group);
		stack = stack_of(group.of);
		err = chp_print_frames(report, &stack);
	}
	chp_report_cut(report, rows, threads->goroutine_groups_count, 0, 0);
	return err;
}
