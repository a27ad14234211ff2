/*
 * process.h - the process, shared by several reports.
 */
#ifndef COREHEAP_REPORT_PROCESS_H
#define COREHEAP_REPORT_PROCESS_H

#include "render/render.h"

/** An object; a new reference. */
json_t *chp_json_process(const struct ch_core *core);
/** "pid 12 (name), parent 1, uid 0" as a field, and argv[0] as another. */
void chp_report_process(const struct ch_report *report, const struct ch_core *core);

#endif /* COREHEAP_REPORT_PROCESS_H */
