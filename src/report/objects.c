/*
 * Blocks one by one, in constant memory.
 */
#include "report/heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "util/cleanup.h"
#include "util/text.h"

#define NAME_BYTES_MAX 512

/* Texts of one heap, escaped. */
struct heap_text {
	char *name;
	/* NULL: it is no generation. */
	char *generation;
};

/* What a type is called, escaped; NULL: it was not met. */
struct type_text {
	char *name;
	/* By kind, as `types` has them; "": not met. */
	char ids[CH_TYPE_ABSENT + 1][17];
};

struct row {
	uint64_t addr, size_bytes, chunk_bytes;
	const char *type, *type_id, *runtime, *kind, *state, *heap, *place, *generation;
};

struct writer {
	const struct ch_objects_result *result;
	/* Each line is to be an address. */
	bool bare;
	/* By heap. */
	struct heap_text *texts;
	/* By type. */
	struct type_text *types;
	uint32_t types_count;
	struct ch_listing *objects;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct writer, member)

static const struct ch_field_spec row_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "The block.", ROW(addr), .width = 16 },
	{ "size_bytes", "SIZE", CH_CELL_COUNT, "What the program may use.", ROW(size_bytes),
	  .width = 15 },
	{ "chunk_bytes", "CHUNK", CH_CELL_COUNT, "What it takes in its heap.", ROW(chunk_bytes),
	  .width = 15 },
	{ "type", "TYPE", CH_CELL_SAFE, "Its type, as `types` calls it.", ROW(type), .column = 5 },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose heap it is in.", ROW(runtime) },
	{ "kind", "KIND", CH_CELL_SAFE, "Whose it is.", ROW(kind), .column = 2, .width = 9,
	  .words = "object|allocator|overhead" },
	{ "state", "STATE", CH_CELL_SAFE, "Whether it is used.", ROW(state), .column = 1,
	  .width = 8, .ref = "object_state" },
	{ "heap", "HEAP", CH_CELL_SAFE, "The heap.", ROW(heap), .column = 4,
	  .flags = CH_FIELD_OPTIONAL },
	{ "place", "PLACE", CH_CELL_SAFE, "Where it is kept, if that is special.", ROW(place),
	  .column = 3, .width = 12, .flags = CH_FIELD_OPTIONAL, .ref = "place" },
	{ "generation", NULL, CH_CELL_SAFE, "Of a heap with generations: which.", ROW(generation),
	  .flags = CH_FIELD_OPTIONAL },
	{ "type_id", NULL, CH_CELL_SAFE, "The `id` of the type's row in `types`.", ROW(type_id),
	  .ref = "id" },
	CH_FIELDS_END,
};

static const struct ch_list objects_list = { .fields = row_fields,
					     .stream = true,
					     .document = "objects",
					     .key = "objects",
					     CH_WEIGHT(struct row, chunk_bytes) };

/* Lines for scripts: an address each. */
static const struct ch_field_spec addr_fields[] = {
	{ NULL, "ADDRESS", CH_CELL_ADDR, NULL, ROW(addr) },
	CH_FIELDS_END,
};

static const struct ch_list addrs_list = { .fields = addr_fields,
					   .document = "objects",
					   CH_WEIGHT(struct row, chunk_bytes) };

static const struct ch_field_spec fields[] = {
	{ "objects", NULL, CH_CELL_LIST, "Blocks, by address.", RESULT(objects),
	  .list = &objects_list },
	CH_FIELDS_COUNTED(struct writer, objects),
	{ "matched_bytes", NULL, CH_CELL_WEIGHT, "What all of them take in their heaps.",
	  RESULT(objects) },
	CH_FIELDS_END,
};

static const struct ch_field_spec closing_fields[] = {
	CH_FIELDS_COUNTED(struct writer, objects),
	{ "matched_bytes", NULL, CH_CELL_WEIGHT, "What all of them take in their heaps.",
	  RESULT(objects) },
	CH_FIELD_COMPLETE,
	CH_FIELDS_END,
};

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct writer *writer = result;
	struct ch_error *err;

	if (report->format == CH_FORMAT_TEXT &&
	    !chp_runtimes_any(writer->result->runtimes, writer->result->runtimes_count))
		return NULL;
	err = chp_listing_flush(writer->objects);
	if (!err)
		chp_listing_print_cut(writer->objects);
	return err;
}

static void say_total(const struct ch_report *report, const void *result)
{
	const struct writer *writer = result;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (writer->bare ||
	    !chp_runtimes_any(writer->result->runtimes, writer->result->runtimes_count))
		return;
	chp_report_say(report, "total: %s blocks, %s in chunks\n",
		       chp_count_text(chp_listing_matched(writer->objects), count),
		       chp_bytes_text(chp_listing_weight(writer->objects), bytes));
}

const struct ch_document ch_document_objects = {
	.name = "objects",
	.title = "The blocks themselves",
	.fields = fields,
	.closing = closing_fields,
	.print = print,
	.tail = say_total,
};

static bool grow_types(struct writer *writer, uint32_t type)
{
	uint32_t count = type + type / 2 + 1024;
	struct type_text *types = realloc(writer->types, count * sizeof(*types));

	if (!types)
		return false;
	memset(types + writer->types_count, 0, (count - writer->types_count) * sizeof(*types));
	writer->types = types;
	writer->types_count = count;
	return true;
}

/* What an object's type is called, and its id. */
static struct ch_error *put_type(struct writer *writer, const struct ch_object *object,
				 struct row *row)
{
	struct ch_named_type named;
	struct type_text *text;
	struct ch_error *err;
	char *id;

	if (object->type >= writer->types_count && !grow_types(writer, object->type))
		return &ch_enomem;
	text = &writer->types[object->type];
	id = text->ids[ch_object_kind(object)];
	row->type = text->name;
	row->type_id = id;
	if (id[0])
		return NULL;
	err = chp_objects_type(writer->result, object, &named);
	if (err)
		return err;
	snprintf(id, sizeof(text->ids[0]), "%016" PRIx64, chp_named_type_id(&named));
	if (!text->name)
		text->name = chp_text_escape(named.name, NAME_BYTES_MAX);
	row->type = text->name;
	return text->name ? NULL : &ch_enomem;
}

/* "kind" of a row: who the block belongs to. */
static const char *row_kind(const struct ch_object *object)
{
	if (object->state == CH_OBJECT_OVERHEAD)
		return "overhead";
	return object->flags & CH_OBJECT_ALLOCATOR ? "allocator" : "object";
}

static struct ch_error *put(struct writer *writer, const struct ch_object *object)
{
	uint32_t heap = writer->result->spans[object->span].heap;
	const struct heap_text *text = &writer->texts[heap];
	struct row row = {
		.addr = object->addr,
		.size_bytes = object->size_bytes,
		.chunk_bytes = object->chunk_bytes,
		.runtime = writer->result->heaps[heap].runtime,
		.kind = row_kind(object),
		.state = ch_object_state_name(object->state),
		.heap = text->name,
		.place = chp_object_place(object),
		.generation = text->generation,
	};
	struct ch_error *err = put_type(writer, object, &row);

	return err ? err : chp_listing_row(writer->objects, &row);
}

static struct ch_error *show(void *arg, const struct ch_object *objects, size_t n)
{
	struct writer *writer = arg;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		if (chp_listing_is_full(writer->objects))
			chp_listing_skip(writer->objects, 1, objects[i].chunk_bytes);
		else
			err = put(writer, &objects[i]);
	return err;
}

static struct ch_error *prepare(struct writer *writer)
{
	const struct ch_heap *heaps = writer->result->heaps;
	size_t i;

	writer->texts = calloc(writer->result->heaps_count + 1, sizeof(*writer->texts));
	if (!writer->texts)
		return &ch_enomem;
	for (i = 0; i < writer->result->heaps_count; i++) {
		writer->texts[i].name = chp_text_escape(heaps[i].name, NAME_BYTES_MAX);
		if (!writer->texts[i].name)
			return &ch_enomem;
		if (strcmp(heaps[i].kind, "generation") != 0)
			continue;
		writer->texts[i].generation =
			chp_text_escape(chp_generation_name(&heaps[i]), NAME_BYTES_MAX);
		if (!writer->texts[i].generation)
			return &ch_enomem;
	}
	return NULL;
}

static void writer_deinit(struct writer *writer)
{
	size_t i;

	for (i = 0; writer->texts && i < writer->result->heaps_count; i++) {
		free(writer->texts[i].name);
		free(writer->texts[i].generation);
	}
	free(writer->texts);
	for (i = 0; i < writer->types_count; i++)
		free(writer->types[i].name);
	free(writer->types);
	chp_listing_destroy(writer->objects);
}

struct ch_error *ch_report_objects(const struct ch_report *report,
				   const struct ch_objects_result *result, bool addrs_only)
{
	struct writer writer = { .result = result,
				 .bare = addrs_only && !chp_report_is_json(report) };
	struct ch_error *err;

	if (!chp_runtimes_any(result->runtimes, result->runtimes_count))
		chp_report_no_heap(report, result->runtimes, result->runtimes_count);
	writer.objects = chp_listing_create(report, writer.bare ? &addrs_list : &objects_list);
	err = writer.objects ? prepare(&writer) : &ch_enomem;
	if (!err)
		err = chp_objects_walk(result, show, &writer);
	if (!err)
		err = chp_document_print(report, &ch_document_objects, &writer);
	writer_deinit(&writer);
	return err;
}
