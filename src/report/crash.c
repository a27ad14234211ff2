/*
 * The stack of the thread that died, in one line and as rows.
 */
#include "report/crash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/threads.h"
#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Frames of the line; JSON has all. */
#define FRAMES_SHOWN   6
#define NAME_BYTES_MAX 160
/* How deep raise() and abort() lie, at most, when they sent the signal. */
#define SENT_MAX 6

/* The first frame of the program's own: what a signal that the thread sent to itself went
 * through says nothing. */
static size_t first_frame(const struct ch_thread_row *row)
{
	static const char *const sent[] = { "abort", "raise", "__GI_abort", "__GI_raise",
					    "pthread_kill" };
	size_t i, k, first = 0;

	for (i = 0; i < row->frames_count && i < SENT_MAX; i++)
		for (k = 0; row->frames[i].symbol.name && k < CH_COUNT_OF(sent); k++)
			if (strcmp(row->frames[i].symbol.name, sent[k]) == 0)
				first = i + 1;
	return first < row->frames_count ? first : 0;
}

/* Behind the last frame of the program's own: how threads begin says nothing. */
static size_t frames_end(const struct ch_thread_row *row, size_t first)
{
	static const char *const starts[] = { "_start",
					      "__libc_start_main",
					      "__libc_start_main_impl",
					      "__libc_start_call_main",
					      "start_thread",
					      "clone",
					      "clone3",
					      "__clone",
					      "__clone3" };
	size_t end = row->frames_count, i;

	while (end > first + 1 && row->frames[end - 1].symbol.name) {
		for (i = 0; i < CH_COUNT_OF(starts); i++)
			if (strcmp(row->frames[end - 1].symbol.name, starts[i]) == 0)
				break;
		if (i == CH_COUNT_OF(starts))
			break;
		end--;
	}
	return end;
}

static void put_frame(FILE *out, const struct ch_frame *frame)
{
	const struct ch_module *module = frame->symbol.module;
	_cleanup_free_ char *name =
		frame->symbol.name ? chp_text_escape(frame->symbol.name, NAME_BYTES_MAX) : NULL;
	_cleanup_free_ char *where = module ? chp_text_escape(module->name, NAME_BYTES_MAX) : NULL;

	if (name && frame->source)
		fprintf(out, "%s%s %s:%" PRIu32, name, chp_sym_call(name), frame->source,
			frame->line);
	else if (name)
		fprintf(out, "%s%s%s%s", name, chp_sym_call(name), where ? " in " : "",
			where ? where : "");
	else if (where)
		fprintf(out, "%s+0x%" PRIx64, where, frame->pc - module->start);
	else
		fputs("code of no module", out);
}

char *chp_crash_text(const struct ch_thread_row *row)
{
	size_t first = first_frame(row), end = frames_end(row, first), i, size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = first; i < end && i < first + FRAMES_SHOWN; i++) {
		fputs(i > first ? " <- " : "", out);
		put_frame(out, &row->frames[i]);
	}
	if (i < end)
		fprintf(out, " <- %zu more", end - i);
	return fclose(out) == 0 ? text : NULL;
}

json_t *chp_json_crash(const struct ch_report *report, const struct ch_thread_row *row)
{
	if (!row)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "tid", chp_json_uint(row->thread->tid), "name",
			 chp_json_text(row->name), "fingerprint",
			 json_sprintf("%016" PRIx64, row->fingerprint), "frames",
			 chp_json_frames(ch_session_core(report->session), row));
}
