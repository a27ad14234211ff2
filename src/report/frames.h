/*
 * frames.h - how the frames of a stack are shown.
 */
#ifndef COREHEAP_REPORT_FRAMES_H
#define COREHEAP_REPORT_FRAMES_H

#include "analysis/thread_rows.h"
#include "render/fields.h"

/** What a frame is in documents. */
extern const struct ch_field_spec chp_frame_fields[];

/** The frames of a stack as documents have them. */
json_t *chp_json_frames(const struct ch_core *core, const struct ch_thread_row *row);

/** The frames of a stack as a table. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_frames(const struct ch_report *report,
						const struct ch_thread_row *row);

/** An address that a thread used; what was used as one may be contents, too: of a stack that was
 * written over. */
struct ch_cell chp_place_cell(const struct ch_report *report, uint64_t addr);

#endif /* COREHEAP_REPORT_FRAMES_H */
