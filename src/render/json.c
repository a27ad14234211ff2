/*
 * JSON as all results have it: addresses and large numbers as text, the envelope around a
 * document, and the one place that writes it out.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "render/render.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"

/* Longest text of one string, in bytes before escaping. */
#define TEXT_BYTES_MAX 65536

json_t *chp_json_addr(uint64_t addr)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "0x%" PRIx64, addr);
	return json_string(buf);
}

json_t *chp_json_word(const struct ch_core *core, uint64_t word)
{
	return chp_core_shows(core, word) ? chp_json_addr(word) : json_null();
}

json_t *chp_json_place(const struct ch_core *core, uint64_t addr)
{
	return chp_core_shows_addr(core, addr) ? chp_json_addr(addr) : json_null();
}

json_t *chp_json_uint(uint64_t number)
{
	return number > INT64_MAX ? json_null() : json_integer((json_int_t)number);
}

json_t *chp_json_text(const char *text)
{
	_cleanup_free_ char *escaped = NULL;

	if (!text)
		return json_null();
	escaped = chp_text_escape(text, TEXT_BYTES_MAX);
	return escaped ? json_string(escaped) : NULL;
}

json_t *chp_json_percent(uint64_t hundredths)
{
	return json_real((double)hundredths / 100);
}

void chp_json_append_take(json_t **array, json_t *item)
{
	/* Releases item also when it fails, and fails when *array is NULL. */
	if (json_array_append_new(*array, item) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

json_t *chp_json_dump(const struct ch_dump *dump, bool reproducible)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o}", "id", dump->id, "file_name",
			 reproducible ? json_null() : json_string(dump->file), "producer",
			 dump->producer, "arch", dump->arch, "pid",
			 dump->pid ? chp_json_uint(dump->pid) : json_null(), "comm",
			 dump->comm[0] ? json_string(dump->comm) : json_null());
}

/* Of the core that is open. */
static json_t *json_own_dump(const struct ch_report *report)
{
	struct ch_dump dump;
	struct ch_error *err = chp_dump_make(ch_session_core(report->session), &dump);
	json_t *object = err ? NULL : chp_json_dump(&dump, report->reproducible);

	ch_error_destroy(err);
	chp_dump_deinit(&dump);
	if (object && report->path &&
	    json_object_set_new(object, "path", chp_json_text(report->path)) != 0) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

const char *chp_json_dump_id(const struct ch_report *report, char ret[CH_DUMP_ID_MAX])
{
	ret[0] = '\0';
	return report->session ? chp_dump_id(ch_session_core(report->session), ret) : ret;
}

json_t *chp_json_record_take(const char *dump_id, json_t *fields)
{
	if (!fields || !dump_id[0] ||
	    json_object_set_new(fields, "dump_id", json_string(dump_id)) == 0)
		return fields;
	json_decref(fields);
	return NULL;
}

json_t *chp_json_finding(const struct ch_finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "code", finding->code, "message", finding->message,
			 "severity", ch_severity_name(finding->severity), "count",
			 chp_json_uint(finding->count));
}

static json_t *json_warnings(const struct ch_context *ctx)
{
	const struct ch_finding *findings;
	json_t *array = json_array();
	size_t i, count;

	findings = ch_context_findings(ctx, &count);
	for (i = 0; i < count; i++)
		chp_json_append_take(&array, chp_json_finding(&findings[i]));
	return array;
}

json_t *chp_json_intact(enum ch_intact intact)
{
	return intact == CH_INTACT_UNKNOWN ? json_null() : json_boolean(intact == CH_INTACT_YES);
}

json_t *chp_json_envelope(const struct ch_report *report, const char *schema_name)
{
	const struct ch_context *ctx = ch_session_context(report->session);
	char schema[64];

	snprintf(schema, sizeof(schema), "coreheap/%s", schema_name);
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:b, s:o, s:o}", "schema", schema,
			 "schema_version", "1.0", "tool", "name", "coreheap", "version", CH_VERSION,
			 "dump", json_own_dump(report), "complete", (int)ch_context_complete(ctx),
			 "heap_intact", chp_json_intact(ch_session_heap_intact(report->session)),
			 "warnings", json_warnings(ctx));
}

json_t *chp_json_document_take(const struct ch_report *report, const char *schema_name,
			       json_t *fields)
{
	json_t *doc = fields ? chp_json_envelope(report, schema_name) : NULL;

	if (!doc || json_object_update(doc, fields) == 0) {
		json_decref(fields);
		return doc;
	}
	json_decref(fields);
	json_decref(doc);
	return NULL;
}

static struct ch_error *print_take(FILE *out, json_t *doc, size_t form)
{
	struct ch_error *err = NULL;

	if (!doc)
		return &ch_enomem;
	errno = 0;
	if (json_dumpf(doc, out, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15) | form) < 0 ||
	    fputc('\n', out) == EOF)
		err = errno == ENOMEM || !errno ? &ch_enomem
						: ch_error_os(errno, "output", "cannot write");
	json_decref(doc);
	return err;
}

struct ch_error *chp_json_print_take(const struct ch_report *report, json_t *doc)
{
	return print_take(report->out, doc,
			  report->format == CH_FORMAT_JSONL ? JSON_COMPACT : JSON_INDENT(2));
}

/* "OS" as "os", like the codes of warnings. */
static json_t *error_code(const struct ch_error *why)
{
	char code[32];
	size_t i;

	snprintf(code, sizeof(code), "%s", ch_error_code_name(why->code));
	for (i = 0; code[i]; i++)
		code[i] = (char)tolower((unsigned char)code[i]);
	return json_string(code);
}

struct ch_error *chp_json_print_failure(const struct ch_report *report, const char *schema_name,
					const char *path, const struct ch_error *why)
{
	char schema[64];

	snprintf(schema, sizeof(schema), "coreheap/%s", schema_name);
	return chp_json_print_take(
		report, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:n, s:o, s:n, s:n, s:n, s:n, s:o}, "
				  "s:b, s:n, s:[], "
				  "s:{s:o, s:o}}",
				  "schema", schema, "schema_version", "1.0", "tool", "name",
				  "coreheap", "version", CH_VERSION, "dump", "id", "file_name",
				  chp_json_text(chp_base_name(path)), "producer", "arch", "pid",
				  "comm", "path", chp_json_text(path), "complete", 0, "heap_intact",
				  "warnings", "error", "code", error_code(why), "message",
				  chp_json_text(why->message)));
}
