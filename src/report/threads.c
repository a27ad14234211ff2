/*
 * Threads, their stacks, and groups of equal stacks.
 */
#include "report/threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/death.h"
#include "core/contents.h"
#include "render/document.h"
#include "report/frames.h"
#include "report/goroutines.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define NAME_BYTES_MAX 512
/* Names of a group. */
#define NAMES_MAX 8
/* Registers of one line. */
#define REGS_PER_LINE 4

/* ---- Fields ---------------------------------------------------------------- */

struct stack_row {
	uint64_t sp, start, end, used_bytes;
	bool known;
};

struct row {
	const struct ch_threads *threads;
	const struct ch_thread_row *of;
	uint32_t tid;
	int32_t signal;
	const char *name, *end;
	bool crashed, has_signal, has_pc, has_sp, has_stack, for_signals;
	uint64_t pc, sp, stack_start, stack_end, stack_bytes, used_bytes, fingerprint;
	struct stack_row stacks[CH_INTERRUPTED_MAX];
	struct ch_rows interrupted;
	struct ch_thread_info info;
	bool has_info, is_carrying, is_waiting;
};

struct group_row {
	const struct ch_thread_row *first;
	uint64_t fingerprint, count, stack_bytes, used_bytes;
	/* of struct ch_thread_names */
	struct ch_rows names;
};

struct result {
	struct ch_threads of;
	struct ch_listing *threads, *groups, *goroutines, *goroutine_groups;
};

#define STACK(member)  CH_AT(struct stack_row, member)
#define ROW(member)    CH_AT(struct row, member)
#define GROUP(member)  CH_AT(struct group_row, member)
#define NAME(member)   CH_AT(struct ch_thread_names, member)
#define RESULT(member) CH_AT(struct result, member)

static const struct ch_field_spec stack_fields[] = {
	{ "sp", NULL, CH_CELL_ADDR, "The stack pointer when the signal came.", STACK(sp) },
	{ "stack_addr", NULL, CH_CELL_ADDR, "Where the stack begins.", STACK(start),
	  CH_KNOWN(struct stack_row, known) },
	{ "stack_end", NULL, CH_CELL_ADDR, "Behind its last byte.", STACK(end),
	  CH_KNOWN(struct stack_row, known) },
	{ "stack_used_bytes", NULL, CH_CELL_BYTES, "From the stack pointer on.", STACK(used_bytes),
	  CH_KNOWN(struct stack_row, known) },
	CH_FIELDS_END,
};

static const struct ch_field_spec carried_fields[] = {
	{ "number", NULL, CH_CELL_NUMBER, "Its number.", ROW(info.carried_number), .least = 1 },
	{ "name", NULL, CH_CELL_TEXT, "Its name.", ROW(info.carried_name),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_field_spec waits_fields[] = {
	{ "how", NULL, CH_CELL_SAFE, "To enter it, to be notified of it, or parked for it.",
	  ROW(info.waits_to), .words = "enter|wait|park" },
	{ "addr", NULL, CH_CELL_ADDR, "The object.", ROW(info.waits_for) },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", ROW(info.waits_type), .flags = CH_FIELD_INSIDE },
	{ "held_by", NULL, CH_CELL_NUMBER, "The thread that has it, where that is known.",
	  ROW(info.held_by), .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_field_spec info_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Whose thread it is.", ROW(info.runtime) },
	{ "kind", NULL, CH_CELL_SAFE, "Java, or one of the JVM's own.", ROW(info.kind),
	  .words = "Java|VM" },
	{ "name", NULL, CH_CELL_TEXT, "What the runtime calls it.", ROW(info.name),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "number", NULL, CH_CELL_NUMBER, "The number that the runtime gave it.", ROW(info.number),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "daemon", NULL, CH_CELL_BOOL, "It does not keep the process running.", ROW(info.daemon) },
	{ "state", NULL, CH_CELL_SAFE, "What its program sees it do.", ROW(info.state),
	  .flags = CH_FIELD_OPTIONAL },
	{ "vm_state", NULL, CH_CELL_SAFE, "What the runtime does with it.", ROW(info.vm_state),
	  .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "The runtime's own structure.", ROW(info.addr) },
	{ "carried", NULL, CH_CELL_OBJECT, "The virtual thread that runs on it.",
	  CH_KNOWN(struct row, is_carrying), .fields = carried_fields },
	{ "waits_for", NULL, CH_CELL_OBJECT, "What it waits for.", CH_KNOWN(struct row, is_waiting),
	  .fields = waits_fields },
	CH_FIELDS_END,
};

static json_t *frames_of(const struct ch_report *report, const void *row)
{
	return chp_json_frames(ch_session_core(report->session), ((const struct row *)row)->of);
}

static json_t *registers_of(const struct ch_report *report, const void *arg)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_threads *threads = ((const struct row *)arg)->threads;
	const struct ch_thread *thread = ((const struct row *)arg)->of->thread;
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

static const struct ch_field_spec row_fields[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "The thread, by the kernel's number.", ROW(tid) },
	{ "name", NULL, CH_CELL_TEXT, "What a runtime or the kernel calls it.", ROW(name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "crashed", NULL, CH_CELL_BOOL, "It got the signal that ended the process.",
	  ROW(crashed) },
	{ "signal", NULL, CH_CELL_SIGNED, "The signal that is recorded of it.", ROW(signal),
	  CH_KNOWN(struct row, has_signal) },
	{ "pc", NULL, CH_CELL_ADDR, "Its program counter.", ROW(pc), CH_KNOWN(struct row, has_pc) },
	{ "sp", NULL, CH_CELL_ADDR, "Its stack pointer.", ROW(sp), CH_KNOWN(struct row, has_sp) },
	{ "stack_addr", NULL, CH_CELL_ADDR, "Where its stack begins.", ROW(stack_start),
	  CH_KNOWN(struct row, has_stack) },
	{ "stack_end", NULL, CH_CELL_ADDR, "Behind the last byte of its stack.", ROW(stack_end),
	  CH_KNOWN(struct row, has_stack) },
	{ "stack_bytes", NULL, CH_CELL_BYTES, "Size of its stack.", ROW(stack_bytes),
	  CH_KNOWN(struct row, has_stack) },
	{ "stack_used_bytes", NULL, CH_CELL_BYTES, "From the stack pointer on.", ROW(used_bytes),
	  CH_KNOWN(struct row, has_stack) },
	{ "signal_stack", NULL, CH_CELL_BOOL, "The program set that stack for signals.",
	  ROW(for_signals) },
	{ "interrupted", NULL, CH_CELL_ROWS, "Stacks on which signals came upon it, in use too.",
	  ROW(interrupted), .fields = stack_fields },
	{ "fingerprint", NULL, CH_CELL_ID, "A hash of modules, functions and offsets.",
	  ROW(fingerprint) },
	{ "frames", NULL, CH_CELL_PART, "Its stack, innermost first.", .part = frames_of,
	  .fields = chp_frame_fields },
	{ "frames_end", NULL, CH_CELL_SAFE, "Why the last frame is the last.", ROW(end),
	  .flags = CH_FIELD_OPTIONAL },
	{ "registers", NULL, CH_CELL_PART, "By name, with --regs.", .part = registers_of,
	  .ref = "registers", .flags = CH_FIELD_OPTIONAL },
	{ "runtime_thread", NULL, CH_CELL_OBJECT, "What a runtime knows of it.",
	  CH_KNOWN(struct row, has_info), .fields = info_fields },
	CH_FIELDS_END,
};

static const struct ch_list threads_list = { .fields = row_fields };

static json_t *group_frames(const struct ch_report *report, const void *row)
{
	return chp_json_frames(ch_session_core(report->session),
			       ((const struct group_row *)row)->first);
}

static const struct ch_field_spec name_fields[] = {
	{ "pattern", NULL, CH_CELL_TEXT, "The name, with # for digits.", NAME(pattern) },
	{ "count", NULL, CH_CELL_COUNT, "Threads called so.", NAME(count), .least = 1 },
	CH_FIELDS_END,
};

static const struct ch_field_spec group_fields[] = {
	{ "fingerprint", NULL, CH_CELL_ID, "A hash of modules, functions and offsets.",
	  GROUP(fingerprint) },
	{ "count", NULL, CH_CELL_COUNT, "Threads.", GROUP(count) },
	{ "stack_bytes", NULL, CH_CELL_BYTES, "Size of their stacks.", GROUP(stack_bytes) },
	{ "stack_used_bytes", NULL, CH_CELL_BYTES, "From their stack pointers on.",
	  GROUP(used_bytes) },
	{ "frames", NULL, CH_CELL_PART, "The stack of the first.", .part = group_frames,
	  .fields = chp_frame_fields },
	{ "names", NULL, CH_CELL_ROWS, "What they are called, the eight most frequent names.",
	  GROUP(names), .fields = name_fields },
	CH_FIELDS_END,
};

static const struct ch_list groups_list = { .fields = group_fields };

static const struct ch_field_spec fields[] = {
	{ "threads_count", NULL, CH_CELL_COUNT, "Threads.", RESULT(of.rows_count) },
	{ "total_stack_bytes", NULL, CH_CELL_BYTES, "Size of all stacks.", RESULT(of.stack_bytes) },
	{ "total_stack_used_bytes", NULL, CH_CELL_BYTES, "From all stack pointers on.",
	  RESULT(of.used_bytes) },
	{ "threads", NULL, CH_CELL_LIST, "Threads.", RESULT(threads), .list = &threads_list },
	{ "groups", NULL, CH_CELL_LIST, "Threads with equal stacks, most threads first.",
	  RESULT(groups), .list = &groups_list },
	{ "goroutines_count", NULL, CH_CELL_COUNT, "Goroutines that are not dead.",
	  RESULT(of.goroutines_count), .flags = CH_FIELD_LATER },
	{ "goroutines", NULL, CH_CELL_LIST, "Goroutines, as the runtime lists them.",
	  RESULT(goroutines), .list = &chp_goroutines_list, .flags = CH_FIELD_LATER },
	{ "goroutine_groups", NULL, CH_CELL_LIST,
	  "Goroutines that stand in one place and wait for the same, most first.",
	  RESULT(goroutine_groups), .list = &chp_goroutine_groups_list, .flags = CH_FIELD_LATER },
	CH_FIELDS_END,
};

static uint64_t used_bytes(const struct ch_thread_stack *stack)
{
	return stack->end - ch_max(ch_min(stack->sp, stack->end), stack->start);
}

static void fill_stacks(struct row *row, const struct ch_thread_row *of)
{
	const struct ch_thread_stack *stack;
	size_t i;

	for (i = 0; i < of->interrupted_count; i++) {
		stack = &of->interrupted[i];
		row->stacks[i] = (struct stack_row){ stack->sp, stack->start, stack->end,
						     used_bytes(stack), stack->end != 0 };
	}
	row->interrupted = CH_ROWS(row->stacks, of->interrupted_count);
}

static void fill_row(struct row *row, const struct ch_core *core, const struct ch_threads *threads,
		     const struct ch_thread_row *of)
{
	const struct ch_thread *thread = of->thread;

	*row = (struct row){
		.threads = threads,
		.of = of,
		.tid = thread->tid,
		.signal = thread->signal,
		.has_signal = thread->signal != 0,
		.name = of->name,
		.end = of->end,
		.crashed = of->crashed,
		.has_pc = chp_core_shows_addr(core, thread->pc),
		.pc = thread->pc,
		.has_sp = chp_core_shows_addr(core, thread->sp),
		.sp = thread->sp,
		.has_stack = of->stack_end != 0,
		.stack_start = of->stack_start,
		.stack_end = of->stack_end,
		.stack_bytes = of->stack_end - of->stack_start,
		.used_bytes = of->used_bytes,
		.for_signals = of->for_signals,
		.fingerprint = of->fingerprint,
		.has_info = of->info != NULL,
	};
	fill_stacks(row, of);
	if (!of->info)
		return;
	row->info = *of->info;
	row->is_carrying = of->info->carried_number != 0;
	row->is_waiting = of->info->waits_to != NULL;
}

static struct ch_error *put_threads(struct ch_listing *listing, const struct ch_core *core,
				    const struct ch_threads *threads)
{
	struct ch_error *err = NULL;
	struct row row;
	size_t i;

	for (i = 0; !err && i < threads->rows_count; i++) {
		fill_row(&row, core, threads, &threads->rows[i]);
		err = chp_listing_row(listing, &row);
	}
	return err;
}

static struct ch_error *put_groups(struct ch_listing *listing, const struct ch_threads *threads)
{
	const struct ch_thread_group *of;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < threads->groups_count; i++) {
		of = &threads->groups[i];
		const struct group_row row = {
			.first = &threads->rows[of->first],
			.fingerprint = of->fingerprint,
			.count = of->count,
			.stack_bytes = of->stack_bytes,
			.used_bytes = of->used_bytes,
			.names = CH_ROWS(of->names, ch_min(of->names_count, NAMES_MAX)),
		};

		err = chp_listing_row(listing, &row);
	}
	return err;
}

/* ---- Text ------------------------------------------------------------------ */

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
		err = chp_print_frames(report, row);
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
		err = chp_print_frames(report, row);
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
				chp_place_cell(report, row->thread->pc),
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

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct ch_threads *threads = &((const struct result *)result)->of;
	char groups[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX],
		used[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (report->format == CH_FORMAT_PLAIN)
		return print_plain(report, threads);
	err = threads->grouped ? print_groups(report, threads) : print_threads(report, threads);
	if (!err)
		chp_report_say(report,
			       "\n%s threads with %s different stacks: stack bytes %s, in use %s\n",
			       chp_count_text(threads->rows_count, count),
			       chp_count_text(threads->groups_count, groups),
			       chp_bytes_text(threads->stack_bytes, bytes),
			       chp_bytes_text(threads->used_bytes, used));
	return err ? err : chp_goroutines_print(report, threads);
}

const struct ch_document ch_document_threads = {
	.name = "threads",
	.title = "Threads, their stacks and registers",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_threads(const struct ch_report *report, const struct ch_threads *threads)
{
	struct result result = { *threads, chp_listing_create(report, &threads_list),
				 chp_listing_create(report, &groups_list),
				 chp_listing_create(report, &chp_goroutines_list),
				 chp_listing_create(report, &chp_goroutine_groups_list) };
	struct ch_error *err = &ch_enomem;

	if (result.threads && result.groups && result.goroutines && result.goroutine_groups)
		err = put_threads(result.threads, ch_session_core(report->session), threads);
	if (!err)
		err = put_groups(result.groups, threads);
	if (!err)
		err = chp_goroutines_put(result.goroutines, result.goroutine_groups, threads);
	if (!err)
		err = chp_document_print(report, &ch_document_threads, &result);
	chp_listing_destroy(result.threads);
	chp_listing_destroy(result.groups);
	chp_listing_destroy(result.goroutines);
	chp_listing_destroy(result.goroutine_groups);
	return err;
}
