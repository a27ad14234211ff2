#include "report/threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/death.h"
#include "core/contents.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define NAME_BYTES_MAX 512
/* Names of a group. */
#define NAMES_MAX 8
/* Registers of one line. */
#define REGS_PER_LINE 4

static const char *frame_basis(enum ch_frame_basis basis)
{
	static const char *const names[] = { "registers", "cfi",     "frame-pointer", "call",
					     "runtime",   "inlined", "signal" };

	return (size_t)basis < CH_COUNT_OF(names) ? names[basis] : "unknown";
}

static json_t *json_source(const struct ch_frame *frame)
{
	if (!frame->source)
		return json_null();
	return frame->line ? json_sprintf("%s:%" PRIu32, frame->source, frame->line)
			   : json_string(frame->source);
}

static json_t *json_frame(const struct ch_core *core, const struct ch_frame *frame)
{
	const struct ch_symbol *symbol = &frame->symbol;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s?}", "addr",
			 chp_json_place(core, frame->pc), "symbol", chp_json_text(symbol->name),
			 "offset", symbol->name ? chp_json_uint(symbol->offset) : json_null(),
			 "module", chp_json_text(symbol->module ? symbol->module->name : NULL),
			 "source", json_source(frame), "sp",
			 frame->sp ? chp_json_place(core, frame->sp) : json_null(), "basis",
			 frame_basis(frame->basis), "code", frame->code);
}

json_t *chp_json_frames(const struct ch_core *core, const struct ch_thread_row *row)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		chp_json_append_take(&array, json_frame(core, &row->frames[i]));
	return array;
}

static json_t *json_regs(const struct ch_core *core, const struct ch_threads *threads,
			 const struct ch_thread *thread)
{
	json_t *regs;
	const char *name;
	uint32_t i;

	if (!threads->with_regs)
		return json_null();
	regs = json_object();
	for (i = 0; i < thread->regs_count; i++) {
		name = ch_arch_reg_name(threads->arch, i);
		if (name &&
		    json_object_set_new(regs, name, chp_json_word(core, thread->regs[i])) < 0) {
			json_decref(regs);
			return NULL;
		}
	}
	return regs;
}

static json_t *json_fingerprint(uint64_t fingerprint)
{
	char buf[17];

	snprintf(buf, sizeof(buf), "%016" PRIx64, fingerprint);
	return json_string(buf);
}

static json_t *json_carried(const struct ch_thread_info *info)
{
	if (!info->carried_number)
		return json_null();
	return json_pack("{s:o, s:o}", "number", chp_json_uint(info->carried_number), "name",
			 chp_json_text(info->carried_name[0] ? info->carried_name : NULL));
}

static json_t *json_waits(const struct ch_thread_info *info)
{
	if (!info->waits_to)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o}", "how", info->waits_to, "addr",
			 chp_json_addr(info->waits_for), "type", chp_json_text(info->waits_type),
			 "held_by", info->held_by ? chp_json_uint(info->held_by) : json_null());
}

static json_t *json_info(const struct ch_thread_info *info)
{
	if (!info)
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:s?, s:s?, s:o, s:o, s:o}", "runtime",
			 info->runtime, "kind", info->kind, "name",
			 chp_json_text(info->name[0] ? info->name : NULL), "number",
			 info->number ? chp_json_uint(info->number) : json_null(), "daemon",
			 (int)info->daemon, "state", info->state, "vm_state", info->vm_state,
			 "addr", chp_json_addr(info->addr), "carried", json_carried(info),
			 "waits_for", json_waits(info));
}

static json_t *json_names(const struct ch_thread_group *group)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < group->names_count && i < NAMES_MAX; i++)
		chp_json_append_take(&array,
				     json_pack("{s:o, s:o}", "pattern",
					       chp_json_text(group->names[i].pattern), "count",
					       chp_json_uint(group->names[i].count)));
	return array;
}

static uint64_t used_bytes(const struct ch_thread_stack *stack)
{
	return stack->end - ch_max(ch_min(stack->sp, stack->end), stack->start);
}

static json_t *json_interrupted(const struct ch_thread_row *row)
{
	const struct ch_thread_stack *stack;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < row->interrupted_count; i++) {
		stack = &row->interrupted[i];
		chp_json_append_take(
			&array,
			json_pack("{s:o, s:o, s:o, s:o}", "sp", chp_json_addr(stack->sp),
				  "stack_addr",
				  stack->end ? chp_json_addr(stack->start) : json_null(),
				  "stack_end", stack->end ? chp_json_addr(stack->end) : json_null(),
				  "stack_used_bytes",
				  stack->end ? chp_json_uint(used_bytes(stack)) : json_null()));
	}
	return array;
}

static json_t *json_thread(const struct ch_core *core, const struct ch_threads *threads,
			   const struct ch_thread_row *row)
{
	const struct ch_thread *thread = row->thread;
	bool known = row->stack_end != 0;

	return json_pack(
		"{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:s?, s:o, "
		"s:o}",
		"tid", chp_json_uint(thread->tid), "name", chp_json_text(row->name), "crashed",
		(int)row->crashed, "signal",
		thread->signal ? json_integer(thread->signal) : json_null(), "pc",
		chp_json_place(core, thread->pc), "sp", chp_json_place(core, thread->sp),
		"stack_addr", known ? chp_json_addr(row->stack_start) : json_null(), "stack_end",
		known ? chp_json_addr(row->stack_end) : json_null(), "stack_bytes",
		known ? chp_json_uint(row->stack_end - row->stack_start) : json_null(),
		"stack_used_bytes", known ? chp_json_uint(row->used_bytes) : json_null(),
		"signal_stack", (int)row->for_signals, "interrupted", json_interrupted(row),
		"fingerprint", json_fingerprint(row->fingerprint), "frames",
		chp_json_frames(core, row), "frames_end", row->end, "registers",
		json_regs(core, threads, thread), "runtime_thread", json_info(row->info));
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_threads *threads)
{
	const struct ch_core *core = ch_session_core(report->session);
	json_t *rows = json_array(), *groups = json_array();
	uint64_t i, count = chp_report_rows(report, threads->rows_count);

	for (i = 0; i < count; i++)
		chp_json_append_take(&rows, json_thread(core, threads, &threads->rows[i]));
	count = chp_report_rows(report, threads->groups_count);
	for (i = 0; i < count; i++) {
		const struct ch_thread_group *group = &threads->groups[i];

		chp_json_append_take(
			&groups, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "fingerprint",
					   json_fingerprint(group->fingerprint), "count",
					   chp_json_uint(group->count), "stack_bytes",
					   chp_json_uint(group->stack_bytes), "stack_used_bytes",
					   chp_json_uint(group->used_bytes), "frames",
					   chp_json_frames(core, &threads->rows[group->first]),
					   "names", json_names(group)));
	}
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "threads",
			json_pack("{s:o, s:o, s:o, s:o, s:o}", "threads_count",
				  chp_json_uint(threads->rows_count), "total_stack_bytes",
				  chp_json_uint(threads->stack_bytes), "total_stack_used_bytes",
				  chp_json_uint(threads->used_bytes), "threads", rows, "groups",
				  groups)));
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
static struct ch_cell place_cell(const struct ch_report *report, uint64_t addr)
{
	bool shown = chp_core_shows_addr(ch_session_core(report->session), addr);

	return (struct ch_cell){ .number = addr, .absent = !shown };
}

/* "#1  0x7f06ed5d0e5c  pthread_kill+0x11c  libc.so.6" */
static struct ch_error *print_frames(const struct ch_report *report,
				     const struct ch_thread_row *row)
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
						   place_cell(report, frame->pc),
						   { .text = frame->symbol.name ? symbol : NULL },
						   { .text = module ? module->name : frame->code },
						   { .text = frame_basis(frame->basis) } });
	}
	if (!err && row->frames_count)
		chp_table_print(table, report);
	if (!err && row->end)
		fprintf(report->out, "  ends: %s\n", row->end);
	chp_table_destroy(table);
	return err;
}

static void print_regs(const struct ch_report *report, const struct ch_threads *threads,
		       const struct ch_thread *thread)
{
	const struct ch_core *core = ch_session_core(report->session);
	char number[24];
	uint32_t i;

	for (i = 0; i < thread->regs_count; i++) {
		if (chp_core_shows(core, thread->regs[i]))
			snprintf(number, sizeof(number), "0x%016" PRIx64, thread->regs[i]);
		else
			snprintf(number, sizeof(number), "(contents)");
		fprintf(report->out, "%s%-8s %-18s",
			i % REGS_PER_LINE ? "  "
			: i               ? "\n  "
					  : "  ",
			ch_arch_reg_name(threads->arch, i), number);
	}
	if (thread->regs_count)
		fputc('\n', report->out);
}

static void print_carried(const struct ch_report *report, const struct ch_thread_info *info)
{
	_cleanup_free_ char *name = chp_text_escape(info->carried_name, NAME_BYTES_MAX);

	fprintf(report->out, ", carrying virtual thread #%" PRIu64, info->carried_number);
	if (name && name[0])
		fprintf(report->out, " (%s)", name);
}

/* "  waits to enter 0xfe0bde10 (java.lang.Object), which thread 2262 has" */
static void print_waits(const struct ch_report *report, const struct ch_thread_info *info)
{
	_cleanup_free_ char *type = chp_text_escape(info->waits_type, NAME_BYTES_MAX);
	const char *what = strcmp(info->waits_to, "enter") == 0  ? "waits to enter"
			   : strcmp(info->waits_to, "wait") == 0 ? "waits on"
								 : "is parked for";

	fprintf(report->out, "\n  %s 0x%" PRIx64 " (%s)", what, info->waits_for, type ? type : "?");
	if (info->held_by)
		fprintf(report->out, ", which thread %" PRIu32 " has", info->held_by);
}

/* "  Java thread #12, tid 0x5a7, daemon, TIMED_WAITING (sleeping), runtime state: blocked" */
static void print_info(const struct ch_report *report, const struct ch_thread_row *row)
{
	const struct ch_thread_info *info = row->info;

	if (!info)
		return;
	fprintf(report->out, "  %s thread", info->kind);
	if (info->number)
		fprintf(report->out, " #%" PRIu64, info->number);
	fprintf(report->out, ", tid 0x%" PRIx32 "%s", row->thread->tid,
		info->daemon ? ", daemon" : "");
	if (info->state)
		fprintf(report->out, ", %s", info->state);
	if (info->vm_state)
		fprintf(report->out, ", runtime state: %s", info->vm_state);
	if (info->carried_number)
		print_carried(report, info);
	if (info->waits_to)
		print_waits(report, info);
	fputc('\n', report->out);
}

static void print_names(const struct ch_report *report, const struct ch_thread_group *group)
{
	char *name;
	size_t i;

	for (i = 0; i < group->names_count && i < NAMES_MAX; i++) {
		name = chp_text_escape(group->names[i].pattern, NAME_BYTES_MAX);
		fprintf(report->out, "%s%s (%" PRIu64 ")", i ? ", " : "  named ", name ? name : "?",
			group->names[i].count);
		free(name);
	}
	if (i < group->names_count)
		fprintf(report->out, " and %zu other names", group->names_count - i);
	if (i)
		fputc('\n', report->out);
}

static void print_interrupted(const struct ch_report *report, const struct ch_thread_stack *stack)
{
	char bytes[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX];

	if (stack->end)
		fprintf(report->out,
			"  a signal came on stack 0x%" PRIx64 "-0x%" PRIx64
			", bytes %s, in use %s\n",
			stack->start, stack->end, chp_bytes_text(stack->end - stack->start, bytes),
			chp_bytes_text(used_bytes(stack), used));
	else
		fprintf(report->out, "  a signal came where sp was 0x%" PRIx64 "\n", stack->sp);
}

static void print_thread_line(const struct ch_report *report, const struct ch_thread_row *row)
{
	_cleanup_free_ char *name = chp_text_escape(row->name, NAME_BYTES_MAX);
	const char *signal = chp_signal_name(row->thread->signal);
	char bytes[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX];
	size_t i;

	fprintf(report->out, "thread %" PRIu32, row->thread->tid);
	if (name)
		fprintf(report->out, " (%s)", name);
	if (row->stack_end)
		fprintf(report->out, ": %sstack 0x%" PRIx64 "-0x%" PRIx64 ", bytes %s, in use %s",
			row->for_signals ? "signal " : "", row->stack_start, row->stack_end,
			chp_bytes_text(row->stack_end - row->stack_start, bytes),
			chp_bytes_text(row->used_bytes, used));
	else
		fprintf(report->out, ": no stack: sp is %s",
			chp_core_addr(ch_session_core(report->session), row->thread->sp,
				      CH_NOT_MAPPED)
				.text);
	if (row->crashed && row->thread->signal)
		fprintf(report->out, ", died of %s", signal ? signal : "a signal");
	fputc('\n', report->out);
	for (i = 0; i < row->interrupted_count; i++)
		print_interrupted(report, &row->interrupted[i]);
}

static struct ch_error *print_threads(const struct ch_report *report,
				      const struct ch_threads *threads)
{
	uint64_t i, rows = chp_report_rows(report, threads->rows_count), shown = 0;
	struct ch_error *err = NULL;

	for (i = 0; !err && i < rows; i++) {
		const struct ch_thread_row *row = &threads->rows[i];

		if (i)
			fputc('\n', report->out);
		shown += row->stack_end - row->stack_start;
		print_thread_line(report, row);
		print_info(report, row);
		if (threads->with_regs)
			print_regs(report, threads, row->thread);
		err = print_frames(report, row);
	}
	chp_report_cut(report, rows, threads->rows_count, shown, threads->stack_bytes);
	return err;
}

static struct ch_error *print_groups(const struct ch_report *report,
				     const struct ch_threads *threads)
{
	uint64_t i, rows = chp_report_rows(report, threads->groups_count), shown = 0;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX];
	struct ch_error *err = NULL;

	for (i = 0; !err && i < rows; i++) {
		const struct ch_thread_group *group = &threads->groups[i];
		const struct ch_thread_row *row = &threads->rows[group->first];

		shown += group->stack_bytes;
		fprintf(report->out,
			"%s%s %s with this stack (first: %" PRIu32 "): stack bytes %s, in use %s\n",
			i ? "\n" : "", chp_count_text(group->count, count),
			group->count == 1 ? "thread" : "threads", row->thread->tid,
			chp_bytes_text(group->stack_bytes, bytes),
			chp_bytes_text(group->used_bytes, used));
		print_names(report, group);
		err = print_frames(report, row);
	}
	chp_report_cut(report, rows, threads->groups_count, shown, threads->stack_bytes);
	return err;
}

/* One row a thread: the list that scripts read. */
static struct ch_error *print_plain(const struct ch_report *report,
				    const struct ch_threads *threads)
{
	static const struct ch_column columns[] = {
		{ "TID", CH_CELL_COUNT },         { "NAME", CH_CELL_TEXT },
		{ "SIGNAL", CH_CELL_COUNT },      { "STACK", CH_CELL_ADDR },
		{ "STACK_BYTES", CH_CELL_BYTES }, { "USED_BYTES", CH_CELL_BYTES },
		{ "PC", CH_CELL_ADDR },           { "SYMBOL", CH_CELL_TEXT },
		{ "MODULE", CH_CELL_TEXT },       { "FRAMES", CH_CELL_COUNT },
		{ "FINGERPRINT", CH_CELL_TEXT },  { "STATE", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	uint64_t i, rows = chp_report_rows(report, threads->rows_count);
	char fingerprint[17];

	for (i = 0; !err && i < rows; i++) {
		const struct ch_thread_row *row = &threads->rows[i];
		const struct ch_symbol *symbol = row->frames_count ? &row->frames[0].symbol : NULL;
		bool known = row->stack_end != 0;

		snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, row->fingerprint);
		err = chp_table_row(
			table,
			(struct ch_cell[]){
				CH_CELL_NUM(row->thread->tid),
				{ .text = row->name },
				CH_CELL_NUM((uint64_t)row->thread->signal),
				{ .number = row->stack_start, .absent = !known },
				{ .number = row->stack_end - row->stack_start, .absent = !known },
				{ .number = row->used_bytes, .absent = !known },
				place_cell(report, row->thread->pc),
				{ .text = symbol ? symbol->name : NULL },
				{ .text = symbol && symbol->module ? symbol->module->name : NULL },
				CH_CELL_NUM(row->frames_count),
				CH_CELL_STR(fingerprint),
				{ .text = row->info ? row->info->state : NULL } });
	}
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

struct ch_error *ch_report_threads(const struct ch_report *report, const struct ch_threads *threads)
{
	char groups[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX],
		used[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, threads);
	if (report->format == CH_FORMAT_PLAIN)
		return print_plain(report, threads);
	err = threads->grouped ? print_groups(report, threads) : print_threads(report, threads);
	if (err)
		return err;
	fprintf(report->out, "\n%s threads with %s different stacks: stack bytes %s, in use %s\n",
		chp_count_text(threads->rows_count, count),
		chp_count_text(threads->groups_count, groups),
		chp_bytes_text(threads->stack_bytes, bytes),
		chp_bytes_text(threads->used_bytes, used));
	chp_report_findings(report);
	return NULL;
}
