#include "report/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/type_table.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

/* A row is put together by hand: millions of them are asked for. */
#define BUFFER_BYTES   65536
#define ROW_BYTES_MAX  16384
#define NAME_BYTES_MAX 512
#define STATES         (CH_OBJECT_OVERHEAD + 1)

/* Texts of one heap, escaped for the format in use. */
struct heap_text {
	char *name, *runtime;
	/* NULL: it is no generation. */
	char *generation;
};

struct writer {
	const struct ch_report *report;
	const struct ch_objects_result *result;
	const struct ch_span *spans;
	const struct ch_heap *heaps;
	size_t heaps_count;
	struct heap_text *texts;
	/* By type: its name, escaped for the format in use; NULL: it was not met, or has none. */
	char **names;
	uint32_t names_count;
	uint64_t limit;
	uint64_t shown_count, shown_bytes, matched_count, matched_bytes;
	size_t used;
	char buffer[BUFFER_BYTES];
};

static bool is_json(const struct writer *writer)
{
	return writer->report->format == CH_FORMAT_JSON ||
	       writer->report->format == CH_FORMAT_JSONL;
}

static struct ch_error *flush(struct writer *writer)
{
	size_t used = writer->used;

	writer->used = 0;
	errno = 0;
	if (fwrite(writer->buffer, 1, used, writer->report->out) == used)
		return NULL;
	return ch_error_os(errno, "output", "cannot write");
}

static void put(struct writer *writer, const char *text, size_t len)
{
	memcpy(writer->buffer + writer->used, text, len);
	writer->used += len;
}

static void put_text(struct writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)

static void put_hex(struct writer *writer, uint64_t number)
{
	char digits[18], *p = digits + sizeof(digits);

	do
		*--p = "0123456789abcdef"[number & 15];
	while (number >>= 4);
	*--p = 'x';
	*--p = '0';
	put(writer, p, (size_t)(digits + sizeof(digits) - p));
}

static char *format_number(uint64_t number, char digits[20])
{
	char *p = digits + 20;

	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	return p;
}

static void put_number(struct writer *writer, uint64_t number)
{
	char digits[20], *p = format_number(number, digits);

	put(writer, p, (size_t)(digits + sizeof(digits) - p));
}

/* Right-aligned in a column of the text format. */
static void put_column(struct writer *writer, uint64_t number, size_t width)
{
	char text[CH_BYTES_TEXT_MAX];
	size_t len = strlen(chp_count_text(number, text));

	for (; len < width; width--)
		PUT(writer, " ");
	put(writer, text, len);
}

/* Left-aligned, followed by two spaces. */
static void put_padded(struct writer *writer, const char *text, size_t width)
{
	size_t len = strlen(text);

	put(writer, text, len);
	for (; len < width + 2; len++)
		PUT(writer, " ");
}

/* A text as the format wants it: with quotes in JSON. */
static char *render_text(const struct writer *writer, const char *text)
{
	char *escaped = chp_text_escape(text, NAME_BYTES_MAX), *quoted;
	json_t *json;

	if (!escaped || !is_json(writer))
		return escaped;
	json = json_string(escaped);
	quoted = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	json_decref(json);
	free(escaped);
	return quoted;
}

static bool grow_names(struct writer *writer, uint32_t type)
{
	uint32_t count = type + type / 2 + 1024;
	char **names = realloc(writer->names, count * sizeof(*names));

	if (!names)
		return false;
	memset(names + writer->names_count, 0, (count - writer->names_count) * sizeof(*names));
	writer->names = names;
	writer->names_count = count;
	return true;
}

/* The name of an object's type in *ret, NULL when its size is all that is known. */
static struct ch_error *type_name(struct writer *writer, const struct ch_object *object,
				  const char **ret)
{
	struct ch_error *err;
	struct ch_type type;

	*ret = NULL;
	if (chp_type_is_engine(writer->result->heaps, object->type))
		return NULL;
	if (object->type >= writer->names_count && !grow_names(writer, object->type))
		return &ch_enomem;
	if (!writer->names[object->type]) {
		err = ch_heaps_type(writer->result->heaps, object->type, &type);
		if (err)
			return err;
		writer->names[object->type] = render_text(writer, type.name);
		if (!writer->names[object->type])
			return &ch_enomem;
	}
	*ret = writer->names[object->type];
	return NULL;
}

/* "kind" of a row: who the block belongs to. */
static const char *row_kind(const struct ch_object *object)
{
	if (object->state == CH_OBJECT_OVERHEAD)
		return "overhead";
	return object->flags & CH_OBJECT_ALLOCATOR ? "allocator" : "object";
}

static void put_json_row(struct writer *writer, const struct ch_object *object, const char *type)
{
	const struct heap_text *text = &writer->texts[writer->spans[object->span].heap];
	const char *place = chp_object_place(object);

	PUT(writer, "{\"addr\":\"");
	put_hex(writer, object->addr);
	PUT(writer, "\",\"size_bytes\":");
	put_number(writer, object->size_bytes);
	PUT(writer, ",\"chunk_bytes\":");
	put_number(writer, object->chunk_bytes);
	PUT(writer, ",\"type\":");
	put_text(writer, type ? type : "null");
	PUT(writer, ",\"runtime\":");
	put_text(writer, text->runtime);
	PUT(writer, ",\"kind\":\"");
	put_text(writer, row_kind(object));
	PUT(writer, "\",\"state\":\"");
	put_text(writer, ch_object_state_name(object->state));
	PUT(writer, "\",\"heap\":");
	put_text(writer, text->name);
	PUT(writer, ",\"place\":");
	if (place) {
		PUT(writer, "\"");
		put_text(writer, place);
		PUT(writer, "\"");
	} else {
		PUT(writer, "null");
	}
	PUT(writer, ",\"generation\":");
	put_text(writer, text->generation ? text->generation : "null");
	PUT(writer, "}");
}

static void put_plain_row(struct writer *writer, const struct ch_object *object, const char *type)
{
	const char *place = chp_object_place(object);

	put_hex(writer, object->addr);
	PUT(writer, "\t");
	put_number(writer, object->size_bytes);
	PUT(writer, "\t");
	put_number(writer, object->chunk_bytes);
	PUT(writer, "\t");
	put_text(writer, ch_object_state_name(object->state));
	PUT(writer, "\t");
	put_text(writer, row_kind(object));
	PUT(writer, "\t");
	put_text(writer, place ? place : "");
	PUT(writer, "\t");
	put_text(writer, writer->texts[writer->spans[object->span].heap].name);
	PUT(writer, "\t");
	put_text(writer, type ? type : "");
	PUT(writer, "\n");
}

static void put_text_row(struct writer *writer, const struct ch_object *object, const char *type)
{
	const char *place = chp_object_place(object);
	size_t start = writer->used;

	put_hex(writer, object->addr);
	while (writer->used - start < 16)
		PUT(writer, " ");
	put_column(writer, object->size_bytes, 17);
	put_column(writer, object->chunk_bytes, 17);
	PUT(writer, "  ");
	put_padded(writer, ch_object_state_name(object->state), 8);
	put_padded(writer, row_kind(object), 9);
	put_padded(writer, place ? place : "-", 12);
	put_text(writer, writer->texts[writer->spans[object->span].heap].name);
	if (type) {
		PUT(writer, "  ");
		put_text(writer, type);
	}
	PUT(writer, "\n");
}

/* Whether each line is to be an address. */
static bool addrs_only(const struct writer *writer)
{
	return writer->result->addrs_only && !is_json(writer);
}

static struct ch_error *put_row(struct writer *writer, const struct ch_object *object)
{
	struct ch_error *err;
	const char *type;

	err = type_name(writer, object, &type);
	if (!err && writer->used > BUFFER_BYTES - ROW_BYTES_MAX)
		err = flush(writer);
	if (err)
		return err;
	if (addrs_only(writer)) {
		put_hex(writer, object->addr);
		PUT(writer, "\n");
		return NULL;
	}
	switch (writer->report->format) {
	case CH_FORMAT_TEXT:
	case CH_FORMAT_MARKDOWN:
		put_text_row(writer, object, type);
		break;
	case CH_FORMAT_PLAIN:
		put_plain_row(writer, object, type);
		break;
	case CH_FORMAT_JSON:
		put_text(writer, writer->shown_count ? ",\n    " : "\n    ");
		put_json_row(writer, object, type);
		break;
	case CH_FORMAT_JSONL:
		put_json_row(writer, object, type);
		PUT(writer, "\n");
		break;
	}
	return NULL;
}

static struct ch_error *show(void *arg, const struct ch_object *objects, size_t n)
{
	struct writer *writer = arg;
	struct ch_error *err;
	size_t i;

	writer->matched_count += n;
	for (i = 0; i < n; i++)
		writer->matched_bytes += objects[i].chunk_bytes;
	for (i = 0; i < n && writer->shown_count < writer->limit; i++) {
		err = put_row(writer, &objects[i]);
		if (err)
			return err;
		writer->shown_count++;
		writer->shown_bytes += objects[i].chunk_bytes;
	}
	return NULL;
}

/* What comes before the rows. */
static struct ch_error *begin(struct writer *writer)
{
	char *head = NULL;
	json_t *envelope;
	size_t len;

	if (addrs_only(writer))
		return NULL;
	switch (writer->report->format) {
	case CH_FORMAT_TEXT:
	case CH_FORMAT_MARKDOWN:
		put_text(writer, "ADDRESS                      SIZE            CHUNK  STATE     "
				 "KIND       PLACE         HEAP\n");
		return NULL;
	case CH_FORMAT_PLAIN:
		put_text(writer, "ADDRESS\tSIZE\tCHUNK\tSTATE\tKIND\tPLACE\tHEAP\tTYPE\n");
		return NULL;
	case CH_FORMAT_JSONL:
		return NULL;
	case CH_FORMAT_JSON:
		break;
	}
	/* The rows may not fit in memory, so they are put into the printed
	 * envelope before its closing brace. */
	envelope = chp_json_envelope(writer->report, "objects");
	if (envelope)
		head = json_dumps(envelope, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	json_decref(envelope);
	if (!head)
		return &ch_enomem;
	len = strlen(head);
	while (len && (head[len - 1] == '}' || head[len - 1] == '\n'))
		len--;
	fwrite(head, 1, len, writer->report->out);
	free(head);
	PUT(writer, ",\n  \"objects\": [");
	return NULL;
}

/* The closing record, or the lines below the table. */
static void end(struct writer *writer)
{
	bool complete = ch_context_complete(ch_session_context(writer->report->session));
	FILE *out = writer->report->out;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	switch (writer->report->format) {
	case CH_FORMAT_JSON:
		fprintf(out,
			"%s],\n  \"showing_count\": %llu,\n  \"matched_count\": %llu,\n"
			"  \"matched_bytes\": %llu\n}\n",
			writer->shown_count ? "\n  " : "", (unsigned long long)writer->shown_count,
			(unsigned long long)writer->matched_count,
			(unsigned long long)writer->matched_bytes);
		return;
	case CH_FORMAT_JSONL:
		fprintf(out,
			"{\"showing_count\":%llu,\"matched_count\":%llu,\"matched_bytes\":%llu,"
			"\"complete\":%s}\n",
			(unsigned long long)writer->shown_count,
			(unsigned long long)writer->matched_count,
			(unsigned long long)writer->matched_bytes, complete ? "true" : "false");
		return;
	case CH_FORMAT_TEXT:
	case CH_FORMAT_MARKDOWN:
		chp_report_cut(writer->report, writer->shown_count, writer->matched_count,
			       writer->shown_bytes, writer->matched_bytes);
		if (!addrs_only(writer))
			fprintf(out, "total: %s blocks, %s in chunks\n",
				chp_count_text(writer->matched_count, count),
				chp_bytes_text(writer->matched_bytes, bytes));
		chp_report_findings(writer->report);
		return;
	case CH_FORMAT_PLAIN:
		return;
	}
}

static struct ch_error *prepare(struct writer *writer)
{
	size_t count, i;

	writer->spans = ch_heaps_spans(writer->result->heaps, &count);
	writer->heaps = ch_heaps_list(writer->result->heaps, &writer->heaps_count);
	writer->limit = writer->report->limit ? writer->report->limit : UINT64_MAX;
	writer->texts = calloc(writer->heaps_count + 1, sizeof(*writer->texts));
	if (!writer->texts)
		return &ch_enomem;
	for (i = 0; i < writer->heaps_count; i++) {
		writer->texts[i].name = render_text(writer, writer->heaps[i].name);
		writer->texts[i].runtime = render_text(writer, writer->heaps[i].runtime);
		if (!writer->texts[i].name || !writer->texts[i].runtime)
			return &ch_enomem;
		if (strcmp(writer->heaps[i].kind, "generation") == 0)
			writer->texts[i].generation =
				render_text(writer, chp_generation_name(&writer->heaps[i]));
	}
	return NULL;
}

static void writer_destroy(struct writer *writer)
{
	size_t i;

	for (i = 0; writer->texts && i < writer->heaps_count; i++) {
		free(writer->texts[i].name);
		free(writer->texts[i].runtime);
		free(writer->texts[i].generation);
	}
	free(writer->texts);
	for (i = 0; i < writer->names_count; i++)
		free(writer->names[i]);
	free(writer->names);
	free(writer);
}

struct ch_error *ch_report_objects(const struct ch_report *report,
				   const struct ch_objects_result *result)
{
	struct writer *writer;
	struct ch_error *err;

	if (!chp_runtimes_any(result->runtimes, result->runtimes_count)) {
		chp_report_no_heap(report, result->runtimes, result->runtimes_count);
		if (report->format == CH_FORMAT_TEXT) {
			chp_report_findings(report);
			return NULL;
		}
	}
	writer = calloc(1, sizeof(*writer));
	if (!writer)
		return &ch_enomem;
	writer->report = report;
	writer->result = result;
	err = prepare(writer);
	if (!err)
		err = begin(writer);
	if (!err)
		err = chp_heaps_walk_where(result->heaps, &result->filter, show, writer);
	if (!err)
		err = flush(writer);
	if (!err)
		end(writer);
	writer_destroy(writer);
	return err;
}
