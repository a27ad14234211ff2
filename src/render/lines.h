/*
 * render/lines.h - rows that are written as they come: lists too long for memory.
 *
 * In TEXT columns have the widths of the table of fields, for nothing is measured; a last one
 * that is not always there has no heading. Texts are of CH_CELL_SAFE. A document is begun before
 * the first row, and ended behind the last one by who prints the document.
 */
#ifndef COREHEAP_RENDER_LINES_H
#define COREHEAP_RENDER_LINES_H

#include "render/fields.h"

struct ch_lines;

/** document: its name, and key the one of the rows in it. All are borrowed. NULL when out of
 * memory. */
struct ch_lines *chp_lines_create(const struct ch_report *report,
				  const struct ch_field_spec *fields, const char *document,
				  const char *key);
void chp_lines_destroy(struct ch_lines *lines);
/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_lines_row(struct ch_lines *lines, const void *row);
/** Write what is left, and what comes before the rows if there was none. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_lines_flush(struct ch_lines *lines);
/** End the rows of a document (JSON) with the fields of rest, which is released. Errors: NOMEM,
 * OS. */
CH_MUST_CHECK struct ch_error *chp_lines_end_take(struct ch_lines *lines, json_t *rest);

#endif /* COREHEAP_RENDER_LINES_H */
