/*
 * What an address is.
 */
#include "report/whatis.h"

#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "render/document.h"
#include "report/heap.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Leaf functions of the x86-64 psABI (3.2.2) use this much below sp. */
#define RED_ZONE_BYTES 128
#define TEXT_BYTES_MAX 4096

typedef unsigned long long ull;

/* "rw-p" as /proc/PID/maps has it; '?' for what is not recorded. */
static void protect_text(const struct ch_region *region, char ret[5])
{
	bool unknown = region->prot & CH_PROT_UNKNOWN;

	ret[0] = unknown ? '?' : region->prot & CH_SEGMENT_READ ? 'r' : '-';
	ret[1] = unknown ? '?' : region->prot & CH_SEGMENT_WRITE ? 'w' : '-';
	ret[2] = unknown ? '?' : region->prot & CH_SEGMENT_EXEC ? 'x' : '-';
	ret[3] = region->flags & CH_REGION_SHARED ? 's' : 'p';
	ret[4] = '\0';
}

static uint64_t chunk_start(const struct ch_object *object)
{
	return object->addr - object->header_bytes;
}

/* Where in its block an address lies, in words. */
static void place_in_block(const struct ch_whatis_result *result, char *ret, size_t max)
{
	const struct ch_object *object = &result->object;

	if (result->addr < object->addr)
		snprintf(ret, max, "in the header, %llu bytes before the data",
			 (ull)(object->addr - result->addr));
	else if (result->addr - object->addr < object->size_bytes)
		snprintf(ret, max, "byte %llu of %llu", (ull)(result->addr - object->addr),
			 (ull)object->size_bytes);
	else
		snprintf(ret, max, "in the padding behind its %llu bytes", (ull)object->size_bytes);
}

static const char *block_word(const struct ch_object *object)
{
	if (object->state == CH_OBJECT_OVERHEAD)
		return "bookkeeping";
	if (object->state == CH_OBJECT_FREE)
		return object->flags & CH_OBJECT_TOP      ? "the unused top"
		       : object->flags & CH_OBJECT_CACHED ? "a free block (in a thread cache)"
							  : "a free block";
	return object->flags & CH_OBJECT_ALLOCATOR ? "a block of the allocator's own"
						   : "a used block";
}

/* The answer in one line; free with free(). NULL when out of memory. */
static char *answer(const struct ch_whatis_result *result)
{
	const struct ch_region *region = &result->region;
	char place[96], *text = NULL;
	int len = -1;

	if (!result->has_region)
		len = asprintf(&text,
			       "above the user address space: not an address of the process");
	else if (region->state == CH_STATE_FREE)
		len = asprintf(&text, "free: nothing is recorded as mapped here");
	else if (result->has_object) {
		place_in_block(result, place, sizeof(place));
		len = asprintf(&text, "%s of %s (%s): %s", block_word(&result->object),
			       result->heap->name, result->heap->runtime, place);
	} else if (result->has_code)
		len = asprintf(&text, "%s+0x%llx (%s)", result->code.name,
			       (ull)(result->addr - result->code.start), result->code.kind);
	else if (result->has_symbol)
		len = asprintf(&text, "%s+0x%llx in %s", result->symbol.name,
			       (ull)result->symbol.offset, result->module->name);
	else if (result->has_stack)
		len = asprintf(&text, "stack of thread %u: %s", result->tid,
			       result->addr >= result->sp ? "live" : "below the stack pointer");
	else if (result->module)
		len = asprintf(&text, "%s+0x%llx", result->module->name,
			       (ull)(result->addr - result->module->start));
	else if (result->heap)
		len = asprintf(&text, "%s (%s), in no block", result->heap->name,
			       result->heap->runtime);
	else
		len = asprintf(&text, "%s", ch_usage_name(region->usage));
	return len < 0 ? NULL : text;
}

/* ---- Fields ---------------------------------------------------------------- */

struct row {
	struct ch_whatis_result of;
	/* Owned. */
	char *answer;
	/* Of the region; NULL where that is free. */
	const char *type, *protect;
	char protect_text[5];
	const char *usage, *state, *basis;
	uint64_t region_bytes, backing_off, module_addr, module_offset;
	bool has_backing, has_module;
	const char *module_name, *module_path;
	const char *code_basis;
	uint64_t code_offset;
	/* Of the block. */
	const char *object_state, *kind, *place, *runtime, *heap;
	uint64_t chunk_addr;
	int64_t offset;
	bool live;
};

struct result {
	/* of struct row */
	struct ch_rows results;
};

#define ROW(member) CH_AT(struct row, member)

static const struct ch_field_spec region_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "Where it begins.", ROW(of.region.start) },
	{ "end", NULL, CH_CELL_ADDR, "Behind its last byte.", ROW(of.region.end) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "Its size.", ROW(region_bytes) },
	{ "in_core_bytes", NULL, CH_CELL_BYTES, "What of it is in the core.",
	  ROW(of.region.in_core_bytes) },
	{ "usage", NULL, CH_CELL_SAFE, "What it is for.", ROW(usage), .ref = "usage" },
	{ "type", NULL, CH_CELL_SAFE, "What is behind it; null of free memory.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL, .words = "MEM_IMAGE|MEM_MAPPED|MEM_PRIVATE" },
	{ "state", NULL, CH_CELL_SAFE, "Whether it is mapped.", ROW(state),
	  .words = "MEM_FREE|MEM_RESERVE|MEM_COMMIT" },
	{ "native_protect", NULL, CH_CELL_SAFE, "Its rights, as /proc/PID/maps has them.",
	  ROW(protect), .flags = CH_FIELD_OPTIONAL, .pattern = "^([r-][w-][x-]|\\?\\?\\?)[ps]$" },
	{ "backing", NULL, CH_CELL_TEXT, "The file behind it.", ROW(of.region.backing),
	  .flags = CH_FIELD_OPTIONAL },
	{ "backing_offset", NULL, CH_CELL_COUNT, "Where in the file it begins.", ROW(backing_off),
	  CH_KNOWN(struct row, has_backing) },
	{ "owner", NULL, CH_CELL_TEXT, "Whose it is: a thread, a module, a heap.",
	  ROW(of.region.owner), .flags = CH_FIELD_OPTIONAL },
	{ "basis", NULL, CH_CELL_SAFE, "What the usage rests on.", ROW(basis), .ref = "basis" },
	CH_FIELDS_END,
};

static const struct ch_field_spec module_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "Its file, without folders.", ROW(module_name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "path", NULL, CH_CELL_TEXT, "Its file.", ROW(module_path), .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "Where it begins.", ROW(module_addr) },
	{ "offset", NULL, CH_CELL_COUNT, "Where in it the address lies.", ROW(module_offset) },
	CH_FIELDS_END,
};

static const struct ch_field_spec symbol_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "The symbol.", ROW(of.symbol.name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "Where it begins.", ROW(of.symbol.addr) },
	{ "size_bytes", NULL, CH_CELL_BYTES, "Its size.", ROW(of.symbol.size_bytes) },
	{ "offset", NULL, CH_CELL_COUNT, "Where in it the address lies.", ROW(of.symbol.offset) },
	CH_FIELDS_END,
};

static const struct ch_field_spec method_fields[] = {
	{ "name", NULL, CH_CELL_SAFE, "The method.", ROW(of.code.name), .flags = CH_FIELD_INSIDE },
	{ "kind", NULL, CH_CELL_SAFE, "What made the code.", ROW(of.code.kind),
	  .words = "JIT|ReadyToRun|stub|C1|C2|native wrapper|interpreter" },
	{ "addr", NULL, CH_CELL_ADDR, "Where the code begins.", ROW(of.code.start) },
	{ "offset", NULL, CH_CELL_COUNT, "Where in it the address lies.", ROW(code_offset) },
	{ "basis", NULL, CH_CELL_SAFE, "What that rests on.", ROW(code_basis), .ref = "basis" },
	CH_FIELDS_END,
};

static const struct ch_field_spec object_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "Where its data begins.", ROW(of.object.addr) },
	{ "size_bytes", NULL, CH_CELL_BYTES, "What the program may use.",
	  ROW(of.object.size_bytes) },
	{ "chunk_addr", NULL, CH_CELL_ADDR, "Where its chunk begins.", ROW(chunk_addr) },
	{ "chunk_bytes", NULL, CH_CELL_BYTES, "What it takes in its heap.",
	  ROW(of.object.chunk_bytes) },
	{ "offset", NULL, CH_CELL_SIGNED, "From the data to the address: negative in the header.",
	  ROW(offset) },
	{ "state", NULL, CH_CELL_SAFE, "Whether it is used.", ROW(object_state),
	  .ref = "object_state" },
	{ "kind", NULL, CH_CELL_SAFE, "Whose it is.", ROW(kind), .ref = "type_kind" },
	{ "place", NULL, CH_CELL_SAFE, "Where it is kept, if that is special.", ROW(place),
	  .flags = CH_FIELD_OPTIONAL, .ref = "place" },
	{ "type", NULL, CH_CELL_TEXT, "Its type, where the runtime knows one.", ROW(of.type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose heap it is in.", ROW(runtime) },
	{ "heap", NULL, CH_CELL_TEXT, "The heap.", ROW(heap), .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

static const struct ch_field_spec stack_fields[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "The thread, by the kernel's number.", ROW(of.tid) },
	{ "addr", NULL, CH_CELL_ADDR, "Where the stack begins.", ROW(of.stack_start) },
	{ "end", NULL, CH_CELL_ADDR, "Behind its last byte.", ROW(of.stack_end) },
	{ "sp", NULL, CH_CELL_ADDR, "The stack pointer.", ROW(of.sp) },
	{ "live", NULL, CH_CELL_BOOL, "Whether the address is not below it.", ROW(live) },
	CH_FIELDS_END,
};

struct register_row {
	uint32_t tid;
	const char *name;
	uint64_t value;
	bool shown;
};

#define REGISTER(member) CH_AT(struct register_row, member)

static const struct ch_field_spec register_fields[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "The thread, by the kernel's number.", REGISTER(tid) },
	{ "name", NULL, CH_CELL_SAFE, "The register.", REGISTER(name) },
	{ "value", NULL, CH_CELL_ADDR, "Null where it may not be shown.", REGISTER(value),
	  CH_KNOWN(struct register_row, shown) },
	CH_FIELDS_END,
};

static json_t *registers_of(const struct ch_report *report, const void *arg)
{
	const struct ch_whatis_result *result = &((const struct row *)arg)->of;
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_whatis_register *of;
	json_t *array = json_array();
	struct register_row row;
	uint64_t i;

	for (i = 0; i < result->registers_count && i < CH_WHATIS_REGISTERS; i++) {
		of = &result->registers[i];
		row = (struct register_row){ of->tid, of->name, of->value,
					     chp_core_shows(core, of->value) };
		chp_json_append_take(&array, chp_fields_json(report, register_fields, &row));
	}
	return array;
}

static const struct ch_field_spec row_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "What was asked for.", ROW(of.addr) },
	{ "answer", NULL, CH_CELL_TEXT, "The answer in one line.", ROW(answer) },
	{ "readable", NULL, CH_CELL_BOOL,
	  "Whether the byte is in the core, or a file that matches.", ROW(of.readable) },
	{ "region", NULL, CH_CELL_OBJECT, "The memory it lies in.",
	  CH_KNOWN(struct row, of.has_region), .fields = region_fields },
	{ "module", NULL, CH_CELL_OBJECT, "The image it lies in.", CH_KNOWN(struct row, has_module),
	  .fields = module_fields },
	{ "symbol", NULL, CH_CELL_OBJECT, "The symbol it lies in.",
	  CH_KNOWN(struct row, of.has_symbol), .fields = symbol_fields },
	{ "method", NULL, CH_CELL_OBJECT, "The compiled method it lies in.",
	  CH_KNOWN(struct row, of.has_code), .fields = method_fields },
	{ "object", NULL, CH_CELL_OBJECT, "The block it lies in.",
	  CH_KNOWN(struct row, of.has_object), .fields = object_fields },
	{ "stack", NULL, CH_CELL_OBJECT, "The stack it lies in.",
	  CH_KNOWN(struct row, of.has_stack), .fields = stack_fields },
	{ "registers", NULL, CH_CELL_PART, "Registers that hold it, or lead into its block.",
	  .part = registers_of, .fields = register_fields },
	{ "registers_count", NULL, CH_CELL_COUNT, "How many there are.", ROW(of.registers_count) },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "results", NULL, CH_CELL_ROWS, "One for each address.", CH_AT(struct result, results),
	  .fields = row_fields },
	CH_FIELDS_END,
};

static void fill_region(struct row *row)
{
	const struct ch_region *region = &row->of.region;
	bool mapped = region->state != CH_STATE_FREE;

	protect_text(region, row->protect_text);
	row->type = mapped ? ch_memtype_name(region->type) : NULL;
	row->protect = mapped ? row->protect_text : NULL;
	row->usage = ch_usage_name(region->usage);
	row->state = ch_state_name(region->state);
	row->basis = ch_basis_name(region->basis);
	row->region_bytes = region->end - region->start;
	row->has_backing = region->backing != NULL;
	row->backing_off = region->backing_off;
}

static void fill_object(struct row *row)
{
	const struct ch_object *object = &row->of.object;

	row->object_state = ch_object_state_name(object->state);
	row->kind = ch_type_kind_name(ch_object_kind(object));
	row->place = chp_object_place(object);
	row->runtime = row->of.heap->runtime;
	row->heap = row->of.heap->name;
	row->chunk_addr = chunk_start(object);
	row->offset = (int64_t)(row->of.addr - object->addr);
}

static struct ch_error *fill_row(struct row *row, const struct ch_whatis_result *of)
{
	row->of = *of;
	row->answer = answer(of);
	row->live = of->addr >= of->sp;
	if (of->has_region)
		fill_region(row);
	if (of->has_object)
		fill_object(row);
	row->has_module = of->module != NULL;
	if (of->module) {
		row->module_name = of->module->name;
		row->module_path = of->module->path;
		row->module_addr = of->module->start;
		row->module_offset = of->addr - of->module->start;
	}
	if (of->has_code) {
		row->code_basis = ch_basis_name(of->code.basis);
		row->code_offset = of->addr - of->code.start;
	}
	return row->answer ? NULL : &ch_enomem;
}

/* ---- Text ------------------------------------------------------------------ */

/* A field whose text came from the core. */
static struct ch_error *print_escaped(const struct ch_report *report, const char *label,
				      const char *text)
{
	_cleanup_free_ char *safe = chp_text_escape(text, TEXT_BYTES_MAX);

	if (!safe)
		return &ch_enomem;
	chp_report_field(report, label, "%s", safe);
	return NULL;
}

static struct ch_error *print_region(const struct ch_report *report, const struct ch_region *region)
{
	struct ch_error *err = NULL;
	char protect[5], bytes[CH_BYTES_TEXT_MAX];

	protect_text(region, protect);
	chp_report_field(report, "region", "0x%llx-0x%llx, %s", (ull)region->start,
			 (ull)region->end,
			 chp_report_bytes_text(report, region->end - region->start, bytes));
	if (region->state == CH_STATE_FREE)
		return NULL;
	chp_report_field(report, "usage", "%s (%s)", ch_usage_name(region->usage),
			 ch_basis_name(region->basis));
	chp_report_field(report, "attributes", "%s %s %s", ch_memtype_name(region->type),
			 ch_state_name(region->state), protect);
	if (region->owner)
		err = print_escaped(report, "owner", region->owner);
	if (!err && region->backing)
		err = print_escaped(report, "file", region->backing);
	return err;
}

static void print_object(const struct ch_report *report, const struct ch_whatis_result *result)
{
	const struct ch_object *object = &result->object;
	char place[96];

	place_in_block(result, place, sizeof(place));
	chp_report_field(report, "block", "0x%llx, %llu bytes, %s; %s", (ull)object->addr,
			 (ull)object->size_bytes, ch_object_state_name(object->state), place);
	chp_report_field(report, "chunk", "0x%llx-0x%llx, %llu bytes%s%s", (ull)chunk_start(object),
			 (ull)(chunk_start(object) + object->chunk_bytes), (ull)object->chunk_bytes,
			 chp_object_place(object) ? ", " : "",
			 chp_object_place(object) ? chp_object_place(object) : "");
}

static struct ch_error *print_module(const struct ch_report *report,
				     const struct ch_whatis_result *result)
{
	_cleanup_free_ char *name = chp_text_escape(result->module->name, TEXT_BYTES_MAX);
	_cleanup_free_ char *symbol = NULL;

	if (!name)
		return &ch_enomem;
	chp_report_field(report, "module", "%s+0x%llx", name,
			 (ull)(result->addr - result->module->start));
	if (!result->has_symbol)
		return NULL;
	symbol = chp_text_escape(result->symbol.name, TEXT_BYTES_MAX);
	if (!symbol)
		return &ch_enomem;
	chp_report_field(report, "symbol", "%s+0x%llx", symbol, (ull)result->symbol.offset);
	return NULL;
}

static void print_stack(const struct ch_report *report, const struct ch_whatis_result *result)
{
	bool live = result->addr >= result->sp;
	uint64_t distance = live ? result->addr - result->sp : result->sp - result->addr;

	chp_report_field(report, "stack", "of thread %u, sp %s 0x%llx: %s", result->tid,
			 live ? "+" : "-", (ull)distance,
			 live                         ? "live frames"
			 : distance <= RED_ZONE_BYTES ? "red zone of the last frame"
						      : "not in use");
}

static void print_registers(const struct ch_report *report, const struct ch_whatis_result *result)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_whatis_register *reg;
	uint64_t i;

	for (i = 0; i < result->registers_count && i < CH_WHATIS_REGISTERS; i++) {
		reg = &result->registers[i];
		chp_report_field(report, "register", "%s of thread %u = %s", reg->name, reg->tid,
				 chp_core_word(core, reg->value, "its contents").text);
	}
	if (result->registers_count > CH_WHATIS_REGISTERS)
		chp_report_field(report, "register", "and %llu more",
				 (ull)(result->registers_count - CH_WHATIS_REGISTERS));
}

static struct ch_error *print_result(const struct ch_report *report, const struct row *row)
{
	_cleanup_free_ char *safe = chp_text_escape(row->answer, TEXT_BYTES_MAX);
	const struct ch_whatis_result *result = &row->of;
	struct ch_error *err = NULL;

	if (!safe)
		return &ch_enomem;
	chp_report_field(report, "address", "0x%llx", (ull)result->addr);
	chp_report_field(report, "answer", "%s", safe);
	if (result->has_object)
		print_object(report, result);
	if (result->type)
		err = print_escaped(report, "type", result->type);
	if (!err && result->module)
		err = print_module(report, result);
	if (result->has_code)
		chp_report_field(report, "method", "%s, %s code from 0x%llx", result->code.name,
				 result->code.kind, (ull)result->code.start);
	if (result->has_stack)
		print_stack(report, result);
	if (!err && result->has_region)
		err = print_region(report, &result->region);
	if (!err && result->has_region && result->region.state != CH_STATE_FREE)
		chp_report_field(report, "contents", "%s",
				 result->readable ? "in the core" : "not recorded");
	print_registers(report, result);
	return err;
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct ch_rows *results = &((const struct result *)arg)->results;
	const struct row *rows = results->items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < results->count; i++) {
		if (i)
			fputc('\n', report->out);
		err = print_result(report, &rows[i]);
	}
	return err;
}

const struct ch_document ch_document_whatis = {
	.name = "whatis",
	.title = "What an address is",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_whatis(const struct ch_report *report,
				  const struct ch_whatis_result *results, size_t count)
{
	_cleanup_free_ struct row *rows = calloc(count + 1, sizeof(*rows));
	const struct result result = { CH_ROWS(rows, count) };
	struct ch_error *err = rows ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < count; i++)
		err = fill_row(&rows[i], &results[i]);
	if (!err)
		err = chp_document_print(report, &ch_document_whatis, &result);
	for (i = 0; rows && i < count; i++)
		free(rows[i].answer);
	return err;
}
