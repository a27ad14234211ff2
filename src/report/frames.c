/*
 * Frames of a stack, as all reports show them.
 */
#include "report/frames.h"

#include <inttypes.h>

#include "core/contents.h"
#include "util/cleanup.h"

#define NAME_BYTES_MAX 512

static const char *frame_basis(enum ch_frame_basis basis)
{
	static const char *const names[] = { "registers", "cfi",     "frame-pointer", "call",
					     "runtime",   "inlined", "signal" };

	return (size_t)basis < CH_COUNT_OF(names) ? names[basis] : "unknown";
}

/* A frame, without what may not be shown. */
struct frame_row {
	uint64_t addr, sp, offset;
	uint64_t module_offset;
	bool has_addr, has_sp, has_offset, has_module;
	const char *symbol, *module, *basis, *code;
	/* "": not known. */
	char build_id[CH_HEX_TEXT_MAX];
	/* "Shop.java:37"; "": not known. */
	char source[1024];
};

#define FRAME(member) CH_AT(struct frame_row, member)

const struct ch_field_spec chp_frame_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "The program counter; of callers the return address.",
	  FRAME(addr), CH_KNOWN(struct frame_row, has_addr) },
	{ "symbol", NULL, CH_CELL_TEXT, "The function.", FRAME(symbol),
	  .flags = CH_FIELD_OPTIONAL },
	{ "offset", NULL, CH_CELL_COUNT, "Where in it.", FRAME(offset),
	  CH_KNOWN(struct frame_row, has_offset) },
	{ "module", NULL, CH_CELL_TEXT, "The image it lies in.", FRAME(module),
	  .flags = CH_FIELD_OPTIONAL },
	{ "source", NULL, CH_CELL_SAFE, "Source file and line.", FRAME(source),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "sp", NULL, CH_CELL_ADDR, "The stack pointer there.", FRAME(sp),
	  CH_KNOWN(struct frame_row, has_sp) },
	{ "basis", NULL, CH_CELL_SAFE, "What the frame was found by.", FRAME(basis),
	  .words = "registers|cfi|frame-pointer|call|runtime|inlined|signal|unknown" },
	{ "code", NULL, CH_CELL_SAFE, "What made the code, of a runtime's.", FRAME(code),
	  .flags = CH_FIELD_OPTIONAL },
	{ "module_offset", NULL, CH_CELL_COUNT, "Where in the image.", FRAME(module_offset),
	  CH_KNOWN(struct frame_row, has_module) },
	{ "build_id", NULL, CH_CELL_SAFE, "The image's build-id.", FRAME(build_id),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static void fill_frame(struct frame_row *row, const struct ch_core *core, const struct ch_frame *of)
{
	const struct ch_symbol *symbol = &of->symbol;

	row->has_addr = chp_core_shows_addr(core, of->pc);
	row->addr = of->pc;
	row->has_sp = of->sp && chp_core_shows_addr(core, of->sp);
	row->sp = of->sp;
	row->symbol = symbol->name;
	row->has_offset = symbol->name != NULL;
	row->offset = symbol->offset;
	row->has_module = symbol->module != NULL;
	row->module = row->has_module ? symbol->module->name : NULL;
	row->module_offset = row->has_module ? of->pc - symbol->module->start : 0;
	row->build_id[0] = '\0';
	if (row->has_module && symbol->module->build_id_len)
		chp_hex_text(symbol->module->build_id, symbol->module->build_id_len, row->build_id);
	row->basis = frame_basis(of->basis);
	row->code = of->code;
	row->source[0] = '\0';
	if (of->source && of->line)
		snprintf(row->source, sizeof(row->source), "%s:%" PRIu32, of->source, of->line);
	else if (of->source)
		snprintf(row->source, sizeof(row->source), "%s", of->source);
}

json_t *chp_json_frames(const struct ch_core *core, const struct ch_thread_row *row)
{
	json_t *array = json_array();
	struct frame_row frame;
	size_t i;

	for (i = 0; i < row->frames_count; i++) {
		fill_frame(&frame, core, &row->frames[i]);
		chp_json_append_take(&array, chp_fields_json(NULL, chp_frame_fields, &frame));
	}
	return array;
}

/* "pthread_kill+0x11c", "Shop.main+0x120 (Shop.java:37)" */
static void symbol_text(const struct ch_frame *frame, char *buf, size_t max)
{
	int len;

	if (!frame->symbol.name)
		return;
	len = snprintf(buf, max, "%.*s+0x%" PRIx64, NAME_BYTES_MAX, frame->symbol.name,
		       frame->symbol.offset);
	if (len < 0 || (size_t)len >= max || !frame->source)
		return;
	if (frame->line)
		snprintf(buf + len, max - (size_t)len, " (%s:%" PRIu32 ")", frame->source,
			 frame->line);
	else
		snprintf(buf + len, max - (size_t)len, " (%s)", frame->source);
}

/* What was used as an address may be contents, too: of a stack that was written over. */
struct ch_cell chp_place_cell(const struct ch_report *report, uint64_t addr)
{
	bool shown = chp_core_shows_addr(ch_session_core(report->session), addr);

	return (struct ch_cell){ .number = addr, .absent = !shown };
}

/* "#1  0x7f06ed5d0e5c  pthread_kill+0x11c  libc.so.6" */
struct ch_error *chp_print_frames(const struct ch_report *report, const struct ch_thread_row *row)
{
	static const struct ch_column columns[] = { { "FRAME", CH_CELL_TEXT },
						    { "ADDRESS", CH_CELL_ADDR },
						    { "SYMBOL", CH_CELL_TEXT },
						    { "MODULE", CH_CELL_TEXT },
						    { "BASIS", CH_CELL_TEXT } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	char number[24], symbol[2 * NAME_BYTES_MAX];
	size_t i;

	for (i = 0; !err && i < row->frames_count; i++) {
		const struct ch_frame *frame = &row->frames[i];
		const struct ch_module *module = frame->symbol.module;

		snprintf(number, sizeof(number), "  #%zu", i);
		symbol_text(frame, symbol, sizeof(symbol));
		err = chp_table_row(
			table, (struct ch_cell[]){ CH_CELL_STR(number),
						   chp_place_cell(report, frame->pc),
						   { .text = frame->symbol.name ? symbol : NULL },
						   { .text = module ? module->name : frame->code },
						   { .text = frame_basis(frame->basis) } });
	}
	if (!err && row->frames_count)
		chp_table_print(table, report);
	if (!err && row->end && report->format == CH_FORMAT_HTML)
		chp_report_field(report, "ends", "%s", row->end);
	else if (!err && row->end)
		fprintf(report->out, "  ends: %s\n", row->end);
	chp_table_destroy(table);
	return err;
}
