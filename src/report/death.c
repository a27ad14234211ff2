/*
 * Why the process died, as lines and as JSON.
 */
#include "report/death.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

#define WHAT_BYTES_MAX 1024
#define LABEL_SIGNAL   "died of"
#define SIGNAL_UNSURE  " (createdump writes a signal also for a living process)"

/* "SIGSEGV (11), address not mapped, read at 0x18 (a null pointer + 24)" */
static void print_fault(FILE *out, const struct ch_fault *fault)
{
	_cleanup_free_ char *words = chp_text_escape(fault->words, sizeof(fault->words));
	const char *access = chp_access_name(fault->access);

	if (fault->name)
		fprintf(out, "%s (%" PRId32 ")", fault->name, fault->signal);
	else
		fprintf(out, "signal %" PRId32, fault->signal);
	if (fault->meaning)
		fprintf(out, ", %s", fault->meaning);
	else if (fault->has_code)
		fprintf(out, ", code %" PRId32, fault->code);
	if (fault->has_addr)
		fprintf(out, ", %s%sat ", access ? access : "", access ? " " : "");
	if (fault->addr_shown)
		fprintf(out, "0x%" PRIx64, fault->addr);
	else if (fault->has_addr)
		fputs("an address that only --reveal shows", out);
	if (words && words[0] && fault->has_addr)
		fprintf(out, " (%s)", words);
	else if (words && words[0])
		fprintf(out, ", %s%s%s",
			access && fault->kind == CH_FAULT_NON_CANONICAL ? access : "",
			access && fault->kind == CH_FAULT_NON_CANONICAL ? " " : "", words);
}

char *chp_death_text(const struct ch_death *death)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (death->dumped_alive) {
		fputs("no signal: dumped while running", out);
	} else if (!death->fault.signal) {
		fputs("not known: the core has no threads", out);
	} else {
		print_fault(out, &death->fault);
		if (death->has_sender)
			fprintf(out, ", from process %" PRIu32, death->sender_pid);
		fprintf(out, ", in thread %" PRIu32, death->tid);
	}
	if (death->signal_unsure)
		fputs(SIGNAL_UNSURE, out);
	if (death->in_debugger && !death->dumped_alive)
		fputs(" (a debugger held it there and wrote the core)", out);
	return chp_text_end(out, &text);
}

/* What is left out here, other lines of the screen say: the thread, the message, the sender where
 * that is the process itself. */
char *chp_death_title(const struct ch_death *death, uint32_t pid)
{
	struct ch_fault fault = death->fault;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (death->dumped_alive || !fault.signal)
		return strdup(death->dumped_alive ? ", dumped while running"
						  : ": what it died of is not in the core");
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	/* the words say it better */
	if (fault.words[0] || death->has_sender)
		fault.meaning = NULL;
	fault.has_code = fault.has_code && !death->has_sender && !fault.words[0];
	fputs(" died of ", out);
	print_fault(out, &fault);
	if (death->has_sender && death->sender_pid == pid)
		fputs(", which it sent itself", out);
	else if (death->has_sender)
		fprintf(out, ", sent by process %" PRIu32, death->sender_pid);
	if (death->signal_unsure)
		fputs(SIGNAL_UNSURE, out);
	return chp_text_end(out, &text);
}

static void print_message(FILE *out, const struct ch_report *report, const struct ch_death *death)
{
	_cleanup_free_ char *text = NULL;

	if (!chp_death_message_shown(death) && !report->reveal) {
		fputs("not of a known kind, which may be contents of memory: shown with --reveal",
		      out);
		return;
	}
	text = chp_text_escape(death->message, sizeof(death->message));
	fputs(text ? text : "", out);
}

/* What the exception says of itself; NULL unless it may be shown. */
static char *what_of(const struct ch_report *report, const struct ch_thrown *thrown)
{
	char text[WHAT_BYTES_MAX];

	if (!report->reveal || !thrown->what_addr ||
	    !ch_core_read_string(ch_session_core(report->session), thrown->what_addr, text,
				 sizeof(text)))
		return NULL;
	return chp_text_escape(text, sizeof(text));
}

static void print_thrown(FILE *out, const struct ch_report *report, const struct ch_thrown *thrown)
{
	_cleanup_free_ char *type = chp_text_escape(thrown->type, sizeof(thrown->type));
	_cleanup_free_ char *what = what_of(report, thrown);

	fputs("C++ exception ", out);
	if (type && type[0])
		fputs(type, out);
	else
		fprintf(out, "of a type whose name is not in the core (type_info at 0x%" PRIx64 ")",
			thrown->type_addr);
	fputs(thrown->uncaught ? ", which nobody caught" : ", which is being handled", out);
	if (what)
		fprintf(out, ": %s", what);
}

static const char *found_words(enum ch_exception_found found)
{
	static const char *const words[] = {
		[CH_EXCEPTION_LAST] = "the last that this thread threw",
		[CH_EXCEPTION_ANNOUNCED] = "which the runtime was about to throw in this thread",
		[CH_EXCEPTION_PENDING] = "which this thread threw and no handler has yet",
		[CH_EXCEPTION_ON_STACK] = ("which this thread's stack refers to (heuristic: it "
					   "may have been handled)"),
	};

	return words[found];
}

/* The value of a panic of Go; depth: how many came after it. */
static void print_panic(FILE *out, const struct ch_report *report, const struct ch_exception *panic,
			size_t depth)
{
	_cleanup_free_ char *type = chp_text_escape(panic->type, sizeof(panic->type));
	_cleanup_free_ char *message = chp_text_escape(panic->message, sizeof(panic->message));

	fprintf(out, "%sa value of type %s", depth ? "before it, " : "", type ? type : "");
	if (!panic->message[0])
		return;
	if (report->reveal || panic->message_shown)
		fprintf(out, ": %s", message ? message : "");
	else
		fputs(", whose text is shown with --reveal", out);
}

/* The exception of a runtime; depth: how many it is inside of. */
static void print_exception(FILE *out, const struct ch_report *report,
			    const struct ch_exception *exception, size_t depth, bool uncaught)
{
	_cleanup_free_ char *type = chp_text_escape(exception->type, sizeof(exception->type));
	uint32_t i;

	fprintf(out, "%s%s", depth ? "inside of it " : "", type ? type : "");
	if (exception->has_hresult)
		fprintf(out, " (HResult 0x%08" PRIx32 ")", exception->hresult);
	if ((report->reveal || exception->message_shown) && exception->message[0]) {
		_cleanup_free_ char *message =
			chp_text_escape(exception->message, sizeof(exception->message));

		fprintf(out, ": %s", message ? message : "");
	}
	if (!depth)
		fprintf(out, ", %s",
			uncaught ? "which nobody caught" : found_words(exception->found));
	for (i = 0; i < exception->frames_count; i++) {
		_cleanup_free_ char *frame =
			chp_text_escape(exception->frames[i], sizeof(exception->frames[i]));

		fprintf(out, "%s %s", i ? " <-" : "; in", frame ? frame : "");
	}
	if (exception->frames_count && exception->frames_total > exception->frames_count)
		fprintf(out, " <- %" PRIu32 " more",
			exception->frames_total - exception->frames_count);
}

static void print_other(FILE *out, const struct ch_death *death, size_t index)
{
	static const char *const words[] = {
		[CH_EXCEPTION_LAST] = "thrown last",
		[CH_EXCEPTION_ANNOUNCED] = "about to be thrown",
		[CH_EXCEPTION_PENDING] = "thrown, no handler has it yet",
		[CH_EXCEPTION_ON_STACK] = ("its stack refers to it (heuristic: it may have been "
					   "handled)"),
	};
	const struct ch_death_other *other = &death->others[index];
	_cleanup_free_ char *type = chp_text_escape(other->type, sizeof(other->type));
	_cleanup_free_ char *name = chp_text_escape(other->name, sizeof(other->name));

	fprintf(out, "%s in thread %" PRIu32, type ? type : "", other->tid);
	if (name && name[0])
		fprintf(out, " \"%s\"", name);
	fprintf(out, ": %s", words[other->found]);
	if (index + 1 == death->others_count && death->others_total > death->others_count)
		fprintf(out, "; %zu more threads have exceptions under way",
			death->others_total - death->others_count);
}

static void print_interrupted(FILE *out, const struct ch_death *death)
{
	fprintf(out, "thread %" PRIu32 " runs a handler of ", death->interrupted_tid);
	print_fault(out, &death->interrupted);
	if (death->on_other_stack)
		fputs(", on another stack", out);
}

static void print_own(FILE *out, const struct ch_report *report, const struct ch_death *death,
		      size_t index, const char **label_ret)
{
	const struct ch_exception *exception = &death->exceptions[index];

	if (strcmp(exception->runtime, "go") == 0) {
		*label_ret = "panic";
		print_panic(out, report, exception, index);
	} else {
		print_exception(out, report, exception, index, death->exception_uncaught);
	}
}

char *chp_death_detail(const struct ch_report *report, const struct ch_death *death, size_t index,
		       const char **label_ret)
{
	/* a function is said where nothing says more */
	bool uncaught = death->thrown_count && death->thrown[0].uncaught;
	const bool there[] = { death->has_interrupted, death->message_kind != NULL,
			       death->caller && !death->message_kind && !uncaught };
	const size_t own = death->thrown_count + death->exceptions_count;
	static const char *const labels[] = { "handler", "abort message", "aborted because" };
	char *text = NULL;
	size_t size, i;
	FILE *out;

	for (i = 0; i < CH_COUNT_OF(there); i++)
		if (there[i] && index-- == 0)
			break;
	if (i == CH_COUNT_OF(there) && index >= own + death->others_count)
		return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	*label_ret = i < CH_COUNT_OF(there) ? labels[i] : "exception";
	if (i == 0)
		print_interrupted(out, death);
	else if (i == 1)
		print_message(out, report, death);
	else if (i == 2)
		fprintf(out, "%s: %s()", death->caller_words, death->caller);
	else if (index < death->thrown_count)
		print_thrown(out, report, &death->thrown[index]);
	else if (index >= own)
		print_other(out, death, index - own);
	else
		print_own(out, report, death, index - death->thrown_count, label_ret);
	return chp_text_end(out, &text);
}

static void print_line(const struct ch_report *report, const char *label, const char *text)
{
	chp_report_wrapped(report, label, text);
}

void chp_report_death(const struct ch_report *report, const struct ch_death *death)
{
	_cleanup_free_ char *text = chp_death_text(death);
	const char *label;
	size_t i;

	print_line(report, LABEL_SIGNAL, text ? text : "");
	for (i = 0;; i++) {
		_cleanup_free_ char *detail = chp_death_detail(report, death, i, &label);

		if (!detail)
			return;
		print_line(report, label, detail);
	}
}

static json_t *json_interrupted(const struct ch_death *death)
{
	const struct ch_fault *fault = &death->interrupted;

	if (!death->has_interrupted)
		return json_null();
	return json_pack("{s:o, s:s?, s:o, s:s?, s:o, s:s?, s:s?, s:o, s:o, s:b}", "signal",
			 json_integer(fault->signal), "signal_name", fault->name, "si_code",
			 json_integer(fault->code), "meaning", fault->meaning, "fault_addr",
			 fault->addr_shown ? chp_json_addr(fault->addr) : json_null(), "access",
			 chp_access_name(fault->access), "fault_kind",
			 chp_fault_kind_name(fault->kind), "fault_text",
			 chp_json_text(fault->words[0] ? fault->words : NULL), "tid",
			 chp_json_uint(death->interrupted_tid), "on_other_stack",
			 (int)death->on_other_stack);
}

static json_t *json_message(const struct ch_report *report, const struct ch_death *death)
{
	bool shown = chp_death_message_shown(death) || report->reveal;

	if (!death->message_kind)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:s}", "kind", death->message_kind, "text",
			 chp_json_text(shown ? death->message : NULL), "addr",
			 chp_json_addr(death->message_addr), "basis",
			 ch_basis_name(death->message_basis));
}

static json_t *json_exception(const struct ch_report *report, const struct ch_exception *exception,
			      size_t depth, bool uncaught)
{
	json_t *frames = json_array();
	uint32_t i;

	for (i = 0; i < exception->frames_count; i++)
		chp_json_append_take(&frames, chp_json_text(exception->frames[i]));
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "runtime", exception->runtime,
		"type", chp_json_text(exception->type), "addr",
		exception->addr ? chp_json_addr(exception->addr) : json_null(), "uncaught",
		uncaught ? json_true() : json_null(), "message",
		chp_json_text((report->reveal || exception->message_shown) && exception->message[0]
				      ? exception->message
				      : NULL),
		"hresult", exception->has_hresult ? json_integer(exception->hresult) : json_null(),
		"depth", chp_json_uint(depth), "frames", frames, "frames_count",
		chp_json_uint(exception->frames_total), "found",
		ch_exception_found_name(exception->found));
}

static json_t *json_exceptions(const struct ch_report *report, const struct ch_death *death)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < death->thrown_count; i++) {
		const struct ch_thrown *thrown = &death->thrown[i];
		_cleanup_free_ char *what = what_of(report, thrown);

		chp_json_append_take(
			&array, json_pack("{s:s, s:o, s:o, s:b, s:s?, s:n, s:i, s:[], s:i, s:n}",
					  "runtime", "C++", "type",
					  chp_json_text(thrown->type[0] ? thrown->type : NULL),
					  "addr", chp_json_addr(thrown->addr), "uncaught",
					  (int)thrown->uncaught, "message", what, "hresult",
					  "depth", 0, "frames", "frames_count", 0, "found"));
	}
	for (i = 0; i < death->exceptions_count; i++)
		chp_json_append_take(&array, json_exception(report, &death->exceptions[i], i,
							    !i && death->exception_uncaught));
	return array;
}

static json_t *json_others(const struct ch_death *death)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < death->others_count; i++) {
		const struct ch_death_other *other = &death->others[i];

		chp_json_append_take(
			&array,
			json_pack("{s:o, s:o, s:s, s:o, s:o, s:s}", "tid",
				  chp_json_uint(other->tid), "name",
				  chp_json_text(other->name[0] ? other->name : NULL), "runtime",
				  other->runtime, "type", chp_json_text(other->type), "addr",
				  other->addr ? chp_json_addr(other->addr) : json_null(), "found",
				  ch_exception_found_name(other->found)));
	}
	return array;
}

json_t *chp_json_death(const struct ch_report *report, const struct ch_death *death)
{
	const struct ch_fault *fault = &death->fault;
	bool known = fault->signal != 0;
	json_t *object = json_pack(
		"{s:b, s:o, s:s?, s:o, s:s?, s:o, s:o, s:o, s:b}", "dumped_alive",
		(int)death->dumped_alive, "signal",
		known ? json_integer(fault->signal) : json_null(), "signal_name", fault->name,
		"si_code", fault->has_code ? json_integer(fault->code) : json_null(), "meaning",
		fault->meaning, "fault_addr",
		fault->addr_shown ? chp_json_addr(fault->addr) : json_null(), "sender_pid",
		death->has_sender ? chp_json_uint(death->sender_pid) : json_null(), "tid",
		death->tid ? chp_json_uint(death->tid) : json_null(), "signal_unsure",
		(int)death->signal_unsure);
	json_t *more = json_pack(
		"{s:b, s:s?, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "in_debugger",
		(int)(death->in_debugger && !death->dumped_alive), "access",
		chp_access_name(fault->access), "fault_kind", chp_fault_kind_name(fault->kind),
		"fault_text", chp_json_text(fault->words[0] ? fault->words : NULL), "interrupted",
		json_interrupted(death), "abort_message", json_message(report, death),
		"aborted_because",
		death->caller ? json_pack("{s:s, s:s}", "function", death->caller, "text",
					  death->caller_words)
			      : json_null(),
		"exceptions", json_exceptions(report, death), "other_exceptions",
		json_others(death), "other_exceptions_count",
		death->others_asked ? chp_json_uint(death->others_total) : json_null());

	if (!object || !more || json_object_update(object, more) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return object;
}
