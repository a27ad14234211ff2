/*
 * What a core is, from its headers and notes.
 */
#include "report/info.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATH_BYTES_MAX 4096

struct runtime_row {
	const char *name, *kind, *status, *evidence, *basis;
};

struct result {
	const struct ch_info *of;
	const char *producer, *producer_basis;
	struct ch_core_stats stats;
	uint64_t segments_count, missing_bytes, threads_count, modules_count;
	struct ch_executable exe;
	bool has_exe;
	/* of struct runtime_row, struct ch_info_auxv, struct ch_info_notes */
	struct ch_rows runtimes, auxv, notes;
};

#define RUNTIME(member) CH_AT(struct runtime_row, member)
#define AUXV(member)    CH_AT(struct ch_info_auxv, member)
#define NOTE(member)    CH_AT(struct ch_info_notes, member)
#define RESULT(member)  CH_AT(struct result, member)

static const struct ch_field_spec producer_fields[] = {
	{ "name", NULL, CH_CELL_SAFE, "Which program or kernel.", RESULT(producer),
	  .words = "kernel|gcore|createdump|valgrind|qemu-user|unknown" },
	{ "basis", NULL, CH_CELL_SAFE, "What says so.", RESULT(producer_basis) },
	CH_FIELDS_END,
};

static const struct ch_field_spec core_fields[] = {
	{ "file_bytes", NULL, CH_CELL_BYTES, "Size of the file, unpacked.",
	  RESULT(stats.file_bytes) },
	{ "expected_file_bytes", NULL, CH_CELL_BYTES, "What the headers say that it had.",
	  RESULT(stats.expected_file_bytes) },
	{ "truncated", NULL, CH_CELL_BOOL, "Whether it is shorter.", RESULT(stats.truncated) },
	{ "compression", NULL, CH_CELL_SAFE, "How the file is packed.", RESULT(stats.compression),
	  .words = "none|zstd|gzip|xz|lz4" },
	{ "load_count", NULL, CH_CELL_COUNT, "Program headers of memory.",
	  RESULT(stats.load_count) },
	{ "segments_count", NULL, CH_CELL_COUNT, "Those that are used.", RESULT(segments_count) },
	{ "mapped_bytes", NULL, CH_CELL_BYTES, "Memory that was mapped.",
	  RESULT(stats.mapped_bytes) },
	{ "recorded_bytes", NULL, CH_CELL_BYTES, "What of it was written to the file.",
	  RESULT(stats.recorded_bytes) },
	{ "present_bytes", NULL, CH_CELL_BYTES, "What of that is still there.",
	  RESULT(stats.present_bytes) },
	{ "missing_bytes", NULL, CH_CELL_BYTES, "What of the mapped memory is not there.",
	  RESULT(missing_bytes) },
	CH_FIELDS_END,
};

static const struct ch_field_spec runtime_fields[] = {
	{ "name", "NAME", CH_CELL_SAFE, "What it is called.", RUNTIME(name) },
	{ "kind", "KIND", CH_CELL_SAFE, "What it is.", RUNTIME(kind),
	  .words = "runtime|allocator" },
	{ "status", "STATUS", CH_CELL_SAFE, "What this program does with it.", RUNTIME(status),
	  .words = "walked|not walked yet|on malloc|mapped, not in use" },
	{ "evidence", "EVIDENCE", CH_CELL_TEXT, "What it was found by.", RUNTIME(evidence),
	  .flags = CH_FIELD_OPTIONAL },
	{ "basis", NULL, CH_CELL_SAFE, "What that rests on.", RUNTIME(basis), .ref = "basis" },
	CH_FIELDS_END,
};

static const struct ch_field_spec auxv_fields[] = {
	{ "type", NULL, CH_CELL_NUMBER, "Number of the entry.", AUXV(type) },
	{ "name", "NAME", CH_CELL_SAFE, "Its name.", AUXV(name) },
	{ "value", "VALUE", CH_CELL_ADDR, "Its value.", AUXV(value) },
	CH_FIELDS_END,
};

static struct ch_cell note_name(const void *row)
{
	const struct ch_info_notes *notes = row;

	return CH_CELL_STR(notes->name    ? notes->name
			   : notes->known ? "known"
					  : "unknown, not used");
}

static struct ch_cell note_type(const void *row)
{
	return CH_CELL_NUM(((const struct ch_info_notes *)row)->type);
}

static const struct ch_field_spec note_fields[] = {
	{ "owner", "OWNER", CH_CELL_TEXT, "Whose notes they are.", NOTE(owner) },
	{ "type", NULL, CH_CELL_NUMBER, "Their type.", NOTE(type) },
	{ NULL, "TYPE", CH_CELL_ADDR, NULL, .get = note_type },
	{ "name", NULL, CH_CELL_SAFE, "Name of the type.", NOTE(name), .flags = CH_FIELD_OPTIONAL },
	{ NULL, "NAME", CH_CELL_SAFE, NULL, .get = note_name },
	{ "count", "COUNT", CH_CELL_COUNT, "Notes.", NOTE(count) },
	{ "total_bytes", "BYTES", CH_CELL_BYTES, "What they take in the file.", NOTE(total_bytes) },
	{ "known", NULL, CH_CELL_BOOL, "Whether this program knows the type.", NOTE(known) },
	CH_FIELDS_END,
};

static const struct ch_list runtimes_list = { .fields = runtime_fields };
static const struct ch_list auxv_list = { .fields = auxv_fields };
static const struct ch_list notes_list = { .fields = note_fields };

static json_t *process_of(const struct ch_report *report, const void *result)
{
	(void)result;
	return chp_json_process(ch_session_core(report->session));
}

static json_t *death_of(const struct ch_report *report, const void *result)
{
	return chp_json_death(report, &((const struct result *)result)->of->death);
}

static const struct ch_field_spec fields[] = {
	{ "producer", NULL, CH_CELL_OBJECT, "What wrote the core.", .fields = producer_fields,
	  CH_NOWHERE },
	{ "process", NULL, CH_CELL_PART, "The process.", .part = process_of, .ref = "process" },
	{ "death", NULL, CH_CELL_PART, "How it ended.", .part = death_of, .ref = "death" },
	{ "core", NULL, CH_CELL_OBJECT, "The file.", .fields = core_fields, CH_NOWHERE },
	{ "executable", NULL, CH_CELL_OBJECT, "The program.", RESULT(exe),
	  CH_KNOWN(struct result, has_exe), .fields = chp_executable_fields },
	{ "threads_count", NULL, CH_CELL_COUNT, "Threads.", RESULT(threads_count) },
	{ "modules_count", NULL, CH_CELL_COUNT, "Executable, libraries and other images.",
	  RESULT(modules_count) },
	{ "runtimes", NULL, CH_CELL_ROWS, "Runtimes of languages, and allocators.",
	  RESULT(runtimes), .fields = runtime_fields },
	{ "auxv", NULL, CH_CELL_ROWS, "The auxiliary vector.", RESULT(auxv),
	  .fields = auxv_fields },
	{ "notes", NULL, CH_CELL_ROWS, "Notes of the file, by owner and type.", RESULT(notes),
	  .fields = note_fields },
	CH_FIELDS_END,
};

const char *chp_info_status(const struct ch_runtime *runtime)
{
	if (!runtime->score || runtime->unused)
		return "mapped, not in use";
	return runtime->named_only ? ch_runtime_status(runtime) : "walked";
}

/* ---- Text ------------------------------------------------------------------ */

static void print_core(const struct ch_report *report, const struct ch_core *core,
		       const struct ch_info *info)
{
	const struct ch_core_stats *stats = ch_core_stats(core);
	const char *path = ch_core_path(core), *slash = strrchr(path, '/');
	_cleanup_free_ char *name = chp_text_escape(slash ? slash + 1 : path, PATH_BYTES_MAX);
	uint64_t missing = stats->mapped_bytes - stats->present_bytes;

	chp_report_field(report, "core", "%s", name ? name : "");
	chp_report_field(report, "architecture", "%s", ch_arch_name(ch_core_arch(core)));
	chp_report_field(report, "written by", "%s: %s", ch_producer_name(ch_core_producer(core)),
			 ch_core_producer_basis(core));
	chp_report_bytes_field(report, "file bytes", stats->file_bytes);
	if (strcmp(stats->compression, "none") != 0)
		chp_report_field(report, "unpacked from", "%s", stats->compression);
	chp_report_field(report, "truncated", "%s", stats->truncated ? "yes" : "no");
	if (stats->truncated)
		chp_report_bytes_field(report, "expected bytes", stats->expected_file_bytes);
	chp_report_count_field(report, "segments", info->segments_count);
	chp_report_bytes_field(report, "mapped bytes", stats->mapped_bytes);
	chp_report_bytes_field(report, "recorded bytes", stats->recorded_bytes);
	chp_report_bytes_field(report, "present bytes", stats->present_bytes);
	chp_report_bytes_field(report, "missing bytes", missing);
}

static void print_process(const struct ch_report *report, const struct ch_core *core,
			  const struct ch_info *info)
{
	char id[CH_HEX_TEXT_MAX];
	_cleanup_free_ char *path = NULL;

	chp_report_process(report, core);
	chp_report_death(report, &info->death);
	if (info->exe) {
		path = chp_text_escape(info->exe->path, PATH_BYTES_MAX);
		chp_report_field(report, "executable", "%s", path ? path : "");
		chp_hex_text(info->exe->build_id, info->exe->build_id_len, id);
		chp_report_field(report, "build-id", "%s (file: %s)",
				 id[0] ? id : "not in the core",
				 ch_module_match_name(info->exe->match));
	}
	chp_report_count_field(report, "threads", info->threads_count);
	chp_report_count_field(report, "modules", info->modules_count);
}

static struct ch_error *print_table(const struct ch_report *report, const char *title,
				    const struct ch_list *list, struct ch_rows rows)
{
	chp_report_heading(report, title, false);
	return chp_rows_print(report, list, rows, 0);
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct result *result = arg;
	struct ch_error *err = NULL;

	print_core(report, core, result->of);
	print_process(report, core, result->of);
	if (result->runtimes.count)
		err = print_table(report, "Runtimes and allocators", &runtimes_list,
				  result->runtimes);
	if (!err && result->auxv.count)
		err = print_table(report, "Auxiliary vector", &auxv_list, result->auxv);
	return err ? err : print_table(report, "Notes", &notes_list, result->notes);
}

const struct ch_document ch_document_info = {
	.name = "info",
	.title = "What a core is",
	.fields = fields,
	.print = print,
};

static void fill_runtimes(struct runtime_row *rows, const struct ch_info *info)
{
	const struct ch_runtime *const *runtimes = info->runtimes.items;
	const struct ch_runtime *of;
	size_t i;

	for (i = 0; i < info->runtimes.count; i++) {
		of = runtimes[i];
		rows[i] = (struct runtime_row){ of->title, ch_runtime_kind_name(of->kind),
						chp_info_status(of), of->evidence,
						of->mapped ? "recorded" : "derived" };
	}
}

struct ch_error *ch_report_info(const struct ch_report *report, const struct ch_info *info)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_core_stats *stats = ch_core_stats(core);
	_cleanup_free_ struct runtime_row *runtimes =
		calloc(info->runtimes.count + 1, sizeof(*runtimes));
	struct result result = { .of = info,
				 .producer = ch_producer_name(ch_core_producer(core)),
				 .producer_basis = ch_core_producer_basis(core),
				 .stats = *stats,
				 .segments_count = info->segments_count,
				 .missing_bytes = stats->mapped_bytes - stats->present_bytes,
				 .threads_count = info->threads_count,
				 .modules_count = info->modules_count,
				 .runtimes = CH_ROWS(runtimes, info->runtimes.count),
				 .auxv = CH_VEC_ROWS(&info->auxv),
				 .notes = CH_VEC_ROWS(&info->notes) };

	if (!runtimes)
		return &ch_enomem;
	fill_runtimes(runtimes, info);
	result.has_exe = info->exe != NULL;
	if (info->exe)
		chp_executable_fill(info->exe, &result.exe);
	return chp_document_print(report, &ch_document_info, &result);
}
