/*
 * process.h - the process, shared by several reports.
 */
#ifndef COREHEAP_REPORT_PROCESS_H
#define COREHEAP_REPORT_PROCESS_H

#include "render/fields.h"

/** An object; a new reference. */
json_t *chp_json_process(const struct ch_core *core);
/** The program, for tables of fields. */
struct ch_executable {
	const char *path, *match;
	char id[CH_HEX_TEXT_MAX];
};
extern const struct ch_field_spec chp_executable_fields[];
void chp_executable_fill(const struct ch_module *module, struct ch_executable *ret);
/** An object, or null where there is no module; a new reference. */
json_t *chp_json_executable(const struct ch_module *module);
/** "pid 12 (name), parent 1, uid 0" as a field, and argv[0] as another. */
void chp_report_process(const struct ch_report *report, const struct ch_core *core);

#endif /* COREHEAP_REPORT_PROCESS_H */
