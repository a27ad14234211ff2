/*
 * The stack of the thread that died, in one line and as rows.
 */
#include "report/crash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/death.h"
#include "analysis/signature.h"
#include "heap/signs.h"
#include "report/frames.h"
#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/text.h"

#define FRAMES_TITLE   3
#define NAME_BYTES_MAX 160

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

char *chp_crash_frame(const struct ch_frame *frame)
{
	const struct ch_module *module = frame->symbol.module;
	char hex[CH_HEX_TEXT_MAX], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_frame(out, frame);
	if (module && frame->symbol.name) {
		_cleanup_free_ char *name = chp_text_escape(module->name, NAME_BYTES_MAX);

		fprintf(out, ", %s+0x%" PRIx64, name ? name : "", frame->pc - module->start);
	}
	if (module && module->build_id_len) {
		chp_hex_text(module->build_id, module->build_id_len, hex);
		fprintf(out, " (build-id %s)", hex);
	}
	return chp_text_end(out, &text);
}

char *chp_crash_text(const struct ch_thread_row *row, size_t most)
{
	size_t i, size, shown = 0, left = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = chp_signature_next(row, 0); i < row->frames_count;
	     i = chp_signature_next(row, i + 1)) {
		if (shown == most) {
			left++;
			continue;
		}
		fputs(shown++ ? " <- " : "", out);
		put_frame(out, &row->frames[i]);
	}
	if (left)
		fprintf(out, " <- %zu more", left);
	return chp_text_end(out, &text);
}

/* "read at 0x18 (a null pointer + 24)"; false: there is nothing to say. */
static bool put_fault(FILE *out, const struct ch_fault *fault)
{
	_cleanup_free_ char *words = chp_text_escape(fault->words, sizeof(fault->words));
	const char *access = chp_access_name(fault->access);
	bool has_words = words && words[0];

	if (!has_words && !fault->addr_shown)
		return false;
	fprintf(out, ", %s%s", access ? access : "", access ? " " : "");
	if (fault->addr_shown)
		fprintf(out, "at 0x%" PRIx64 "%s", fault->addr, has_words ? " (" : "");
	fputs(has_words ? words : "", out);
	fputs(fault->addr_shown && has_words ? ")" : "", out);
	return true;
}

/* Why it asked for the signal. */
static void put_reason(FILE *out, const struct ch_death *death)
{
	bool thrown = death->thrown_count && death->thrown[0].uncaught && death->thrown[0].type[0];
	_cleanup_free_ char *message = chp_text_escape(death->message, sizeof(death->message));
	_cleanup_free_ char *type = NULL;

	if (thrown || death->exceptions_count)
		type = chp_text_escape(thrown ? death->thrown[0].type : death->exceptions[0].type,
				       NAME_BYTES_MAX);
	if (death->message_kind && chp_death_message_shown(death))
		fprintf(out, ": %s", message ? message : "");
	else if (type)
		fprintf(out, ", %s %s",
			thrown || death->exception_uncaught ? "nobody caught" : "after", type);
	else if (death->caller_words)
		fprintf(out, ", %s", death->caller_words);
	else if (death->fault.meaning && !death->has_sender)
		fprintf(out, ", %s", death->fault.meaning);
}

/* The frame that says what happened; of the C library's the ones up to whoever called it. */
static void put_where(FILE *out, const struct ch_thread_row *row)
{
	const char *separator = ", in ";
	const struct ch_module *module;
	size_t i, shown;

	i = chp_signature_next(row, 0);
	for (shown = 0; i < row->frames_count && shown < FRAMES_TITLE; shown++) {
		fputs(separator, out);
		put_frame(out, &row->frames[i]);
		module = row->frames[i].symbol.module;
		if (!module || !chp_has_stem(module->name, "libc"))
			return;
		separator = " <- ";
		i = chp_signature_next(row, i + 1);
	}
}

char *chp_crash_title(const struct ch_death *death, const struct ch_thread_row *row)
{
	size_t size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (death->fault.name)
		fputs(death->fault.name, out);
	else
		fprintf(out, "signal %" PRId32, death->fault.signal);
	if (!put_fault(out, &death->fault))
		put_reason(out, death);
	put_where(out, row);
	return chp_text_end(out, &text);
}

static json_t *json_signature(const struct ch_signature *signature)
{
	json_t *frames = json_array();
	size_t i;

	if (!signature->basis) {
		json_decref(frames);
		return json_null();
	}
	for (i = 0; i < signature->frames_count; i++)
		chp_json_append_take(&frames, json_string(signature->frames[i]));
	return json_pack("{s:o, s:s, s:o}", "id", json_sprintf("%016" PRIx64, signature->id),
			 "basis", chp_signature_basis_name(signature->basis), "frames", frames);
}

json_t *chp_json_crash(const struct ch_report *report, const struct ch_crash *crash)
{
	const struct ch_thread_row *row = crash->row;
	_cleanup_free_ char *title = row ? chp_crash_title(crash->death, row) : NULL;

	if (!row)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "tid", chp_json_uint(row->thread->tid),
			 "name", chp_json_text(row->name), "fingerprint",
			 json_sprintf("%016" PRIx64, row->fingerprint), "frames",
			 chp_json_frames(ch_session_core(report->session), row), "title",
			 title ? json_string(title) : NULL, "signature",
			 json_signature(crash->signature));
}
