/*
 * The process that a core is of, as lines and as JSON.
 */
#include "report/process.h"

#include <inttypes.h>

#include "util/cleanup.h"
#include "util/text.h"

json_t *chp_json_process(const struct ch_core *core)
{
	const struct ch_process *process = ch_core_process(core);
	bool known = process->has_ids;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "pid",
			 process->pid ? chp_json_uint(process->pid) : json_null(), "ppid",
			 known ? chp_json_uint(process->ppid) : json_null(), "uid",
			 known ? chp_json_uint(process->uid) : json_null(), "gid",
			 known ? chp_json_uint(process->gid) : json_null(), "comm",
			 chp_json_text(process->comm[0] ? process->comm : NULL), "argv0",
			 chp_json_text(process->argv0[0] ? process->argv0 : NULL));
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
