/*
 * The process, as several answers have it.
 */
#include "report/process.h"

#include <inttypes.h>

#include "util/cleanup.h"
#include "util/text.h"

#define OF(member)  CH_AT(struct ch_process, member)
#define EXE(member) CH_AT(struct ch_executable, member)
#define RECORDED    CH_KNOWN(struct ch_process, has_ids)

static const struct ch_field_spec fields[] = {
	{ "pid", NULL, CH_CELL_NUMBER, "Its number.", OF(pid), .flags = CH_FIELD_NOT_ZERO },
	{ "ppid", NULL, CH_CELL_NUMBER, "Its parent's number.", OF(ppid), RECORDED },
	{ "uid", NULL, CH_CELL_NUMBER, "The user.", OF(uid), RECORDED },
	{ "gid", NULL, CH_CELL_NUMBER, "The group.", OF(gid), RECORDED },
	{ "comm", NULL, CH_CELL_TEXT, "Its name.", OF(comm),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "argv0", NULL, CH_CELL_TEXT, "What it was called with.", OF(argv0),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

const struct ch_field_spec chp_executable_fields[] = {
	{ "path", NULL, CH_CELL_TEXT, "Its file.", EXE(path), .flags = CH_FIELD_OPTIONAL },
	{ "build_id", NULL, CH_CELL_SAFE, "The build-id that the core has of it.", EXE(id),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO, .pattern = "^[0-9a-f]+$" },
	{ "match", NULL, CH_CELL_SAFE, "Whether a file at hand is the same.", EXE(match),
	  .words = "matched|mismatched|unverified|missing|in-core|likely" },
	CH_FIELDS_END,
};

void chp_executable_fill(const struct ch_module *module, struct ch_executable *ret)
{
	*ret = (struct ch_executable){ .path = module->path,
				       .match = ch_module_match_name(module->match) };
	chp_hex_text(module->build_id, module->build_id_len, ret->id);
}

json_t *chp_json_executable(const struct ch_module *module)
{
	struct ch_executable executable;

	if (!module)
		return json_null();
	chp_executable_fill(module, &executable);
	return chp_fields_json(NULL, chp_executable_fields, &executable);
}

json_t *chp_json_process(const struct ch_core *core)
{
	return chp_fields_json(NULL, fields, ch_core_process(core));
}

void chp_report_process(const struct ch_report *report, const struct ch_core *core)
{
	const struct ch_process *process = ch_core_process(core);
	_cleanup_free_ char *comm = chp_text_escape(process->comm, sizeof(process->comm));
	_cleanup_free_ char *argv0 = chp_text_escape(process->argv0, sizeof(process->argv0));

	if (process->comm[0] && !process->has_ids)
		chp_report_field(report, "process", "%" PRIu32 " (%s)", process->pid,
				 comm ? comm : "");
	else if (process->comm[0])
		chp_report_field(report, "process",
				 "%" PRIu32 " (%s), parent %" PRIu32 ", uid %" PRIu32, process->pid,
				 comm ? comm : "", process->ppid, process->uid);
	else
		chp_report_field(report, "process", "%" PRIu32 ", name not recorded", process->pid);
	if (process->argv0[0])
		chp_report_field(report, "argv[0]", "%s", argv0 ? argv0 : "");
}
