/*
 * report/disassemble.h - how code is shown.
 */
#ifndef COREHEAP_REPORT_DISASSEMBLE_H
#define COREHEAP_REPORT_DISASSEMBLE_H

#include "analysis/disassemble.h"
#include "render/render.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_disassembly(const struct ch_report *report,
						     const struct ch_disassembly *disassembly);

#endif /* COREHEAP_REPORT_DISASSEMBLE_H */
