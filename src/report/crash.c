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
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"
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

/* Functions that call each other, and how often. */
#define ROUND_FRAMES_MAX 4
#define ROUNDS_MIN       3

static bool is_same_function(const struct ch_frame *a, const struct ch_frame *b)
{
	if (a->symbol.name && b->symbol.name)
		return a->symbol.module == b->symbol.module &&
		       strcmp(a->symbol.name, b->symbol.name) == 0;
	return a->pc == b->pc;
}

/* How often the first of count frames are there one time after the other, in the shortest rounds
 * that do; 0: they are not. */
static size_t count_rounds(const struct ch_frame *const *frames, size_t count, size_t *round_ret)
{
	size_t round, i;

	for (round = 1; round <= ROUND_FRAMES_MAX; round++) {
		for (i = round; i < count; i++)
			if (!is_same_function(frames[i], frames[i - round]))
				break;
		if (i / round >= ROUNDS_MIN) {
			*round_ret = round;
			return i / round;
		}
	}
	return 0;
}

/* Of a recursion that goes on behind the last frame that was read the stack says how deep it is,
 * nearly. */
static void put_rounds(FILE *out, const struct ch_thread_row *row,
		       const struct ch_frame *const *frames, size_t count, size_t round,
		       size_t rounds)
{
	uint64_t bytes = frames[2 * round]->sp - frames[round]->sp;
	bool goes_on = rounds * round + round > count && row->end && strstr(row->end, "limit");
	char text[CH_BYTES_TEXT_MAX];

	fputs(" (", out);
	if (round > 1)
		fprintf(out, "these %zu ", round);
	if (goes_on && bytes && bytes < row->used_bytes)
		fprintf(out, "some %s times)",
			chp_count_text(ch_max(row->used_bytes / bytes, rounds), text));
	else
		fprintf(out, "%zu times%s)", rounds, goes_on ? " or more" : "");
}

/* Returns how many frames of the stack that says. */
static size_t put_frames(FILE *out, const struct ch_thread_row *row,
			 const struct ch_frame *const *frames, size_t count)
{
	size_t round = 1, rounds = count_rounds(frames, count, &round), i;

	for (i = 0; i < round; i++) {
		fputs(i ? " <- " : "", out);
		put_frame(out, frames[i]);
	}
	if (rounds)
		put_rounds(out, row, frames, count, round, rounds);
	return rounds ? round * rounds : 1;
}

char *chp_crash_text(const struct ch_thread_row *row, size_t most)
{
	_cleanup_free_ const struct ch_frame **frames =
		calloc(row->frames_count + 1, sizeof(*frames));
	size_t i, size, shown, count = 0;
	char *text = NULL;
	FILE *out = frames ? open_memstream(&text, &size) : NULL;

	if (!out)
		return NULL;
	for (i = chp_signature_next(row, 0); i < row->frames_count;
	     i = chp_signature_next(row, i + 1))
		frames[count++] = &row->frames[i];
	for (i = shown = 0; i < count && shown < most; shown++) {
		fputs(i ? " <- " : "", out);
		i += put_frames(out, row, frames + i, count - i);
	}
	if (i < count)
		fprintf(out, " <- %zu more", count - i);
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

/* A panic of Go: its text, or what it is a value of. */
static void put_panic(FILE *out, const struct ch_exception *panic, const char *type)
{
	_cleanup_free_ char *message = chp_text_escape(panic->message, sizeof(panic->message));

	if (panic->message_shown && message && message[0])
		fprintf(out, ", panic: %s", message);
	else
		fprintf(out, ", panic with a value of type %s", type);
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
	else if (type && !thrown && strcmp(death->exceptions[0].runtime, "go") == 0)
		put_panic(out, &death->exceptions[0], type);
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
