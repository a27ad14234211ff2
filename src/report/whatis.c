#include "report/whatis.h"

#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
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

/* ---- JSON ------------------------------------------------------------------ */

static json_t *json_region(const struct ch_region *region)
{
	bool mapped = region->state != CH_STATE_FREE;
	char protect[5];

	protect_text(region, protect);
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:s?, s:s, s:s?, s:o, s:o, s:o, s:s}", "addr",
		chp_json_addr(region->start), "end", chp_json_addr(region->end), "total_bytes",
		chp_json_uint(region->end - region->start), "in_core_bytes",
		chp_json_uint(region->in_core_bytes), "usage", ch_usage_name(region->usage), "type",
		mapped ? ch_memtype_name(region->type) : NULL, "state",
		ch_state_name(region->state), "native_protect", mapped ? protect : NULL, "backing",
		chp_json_text(region->backing), "backing_offset",
		region->backing ? chp_json_uint(region->backing_off) : json_null(), "owner",
		chp_json_text(region->owner), "basis", ch_basis_name(region->basis));
}

static json_t *json_object_of(const struct ch_whatis_result *result)
{
	const struct ch_object *object = &result->object;
	const char *place = chp_object_place(object);

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:s, s:s, s:o, s:o, s:s, s:o}", "addr",
			 chp_json_addr(object->addr), "size_bytes",
			 chp_json_uint(object->size_bytes), "chunk_addr",
			 chp_json_addr(chunk_start(object)), "chunk_bytes",
			 chp_json_uint(object->chunk_bytes), "offset",
			 (json_int_t)(result->addr - object->addr), "state",
			 ch_object_state_name(object->state), "kind",
			 ch_type_kind_name(ch_object_kind(object)), "place", chp_json_text(place),
			 "type", chp_json_text(result->type), "runtime", result->heap->runtime,
			 "heap", chp_json_text(result->heap->name));
}

static json_t *json_module(const struct ch_whatis_result *result)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", chp_json_text(result->module->name),
			 "path", chp_json_text(result->module->path), "addr",
			 chp_json_addr(result->module->start), "offset",
			 chp_json_uint(result->addr - result->module->start));
}

static json_t *json_symbol(const struct ch_whatis_result *result)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", chp_json_text(result->symbol.name), "addr",
			 chp_json_addr(result->symbol.addr), "size_bytes",
			 chp_json_uint(result->symbol.size_bytes), "offset",
			 chp_json_uint(result->symbol.offset));
}

static json_t *json_code(const struct ch_whatis_result *result)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", result->code.name, "kind",
			 result->code.kind, "addr", chp_json_addr(result->code.start), "offset",
			 chp_json_uint(result->addr - result->code.start), "basis",
			 ch_basis_name(result->code.basis));
}

static json_t *json_stack(const struct ch_whatis_result *result)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "tid", chp_json_uint(result->tid), "addr",
			 chp_json_addr(result->stack_start), "end",
			 chp_json_addr(result->stack_end), "sp", chp_json_addr(result->sp), "live",
			 (int)(result->addr >= result->sp));
}

static json_t *json_registers(const struct ch_core *core, const struct ch_whatis_result *result)
{
	json_t *array = json_array();
	uint64_t i;

	for (i = 0; i < result->registers_count && i < CH_WHATIS_REGISTERS; i++)
		chp_json_append_take(&array,
				     json_pack("{s:o, s:s, s:o}", "tid",
					       chp_json_uint(result->registers[i].tid), "name",
					       result->registers[i].name, "value",
					       chp_json_word(core, result->registers[i].value)));
	return array;
}

static json_t *json_result(const struct ch_core *core, const struct ch_whatis_result *result)
{
	_cleanup_free_ char *text = answer(result);

	if (!text)
		return NULL;
	return json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "addr",
			 chp_json_addr(result->addr), "answer", chp_json_text(text), "readable",
			 (int)result->readable, "region",
			 result->has_region ? json_region(&result->region) : json_null(), "module",
			 result->module ? json_module(result) : json_null(), "symbol",
			 result->has_symbol ? json_symbol(result) : json_null(), "method",
			 result->has_code ? json_code(result) : json_null(), "object",
			 result->has_object ? json_object_of(result) : json_null(), "stack",
			 result->has_stack ? json_stack(result) : json_null(), "registers",
			 json_registers(core, result), "registers_count",
			 chp_json_uint(result->registers_count));
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

static struct ch_error *print_result(const struct ch_report *report,
				     const struct ch_whatis_result *result)
{
	_cleanup_free_ char *text = answer(result), *safe = NULL;
	struct ch_error *err = NULL;

	safe = text ? chp_text_escape(text, TEXT_BYTES_MAX) : NULL;
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

struct ch_error *ch_report_whatis(const struct ch_report *report,
				  const struct ch_whatis_result *results, size_t count)
{
	struct ch_error *err = NULL;
	json_t *array;
	size_t i;

	if (report->format == CH_FORMAT_TEXT || report->format == CH_FORMAT_PLAIN) {
		for (i = 0; !err && i < count; i++) {
			if (i)
				fputc('\n', report->out);
			err = print_result(report, &results[i]);
		}
		if (!err)
			chp_report_findings(report);
		return err;
	}
	array = json_array();
	for (i = 0; i < count; i++)
		chp_json_append_take(&array,
				     json_result(ch_session_core(report->session), &results[i]));
	return chp_json_print_take(
		report,
		chp_json_document_take(report, "whatis", json_pack("{s:o}", "results", array)));
}
