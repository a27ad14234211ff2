/*
 * metaspace.h - what a runtime has for its classes, by chunks.
 */
#ifndef COREHEAP_REPORT_METASPACE_H
#define COREHEAP_REPORT_METASPACE_H

#include <coreheap/runtime.h>

#include "render/fields.h"

/** Fields of the object that is made. */
extern const struct ch_field_spec chp_metaspace_fields[];
/** null where metaspace is NULL. */
json_t *chp_json_metaspace(const struct ch_runtime *runtimes, const struct ch_metaspace *metaspace);
/** A table; nothing where metaspace is NULL. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_metaspace(const struct ch_report *report,
						   const struct ch_metaspace *metaspace);

#endif /* COREHEAP_REPORT_METASPACE_H */
