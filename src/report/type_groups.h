/*
 * report/type_groups.h - used blocks by who says what they are, and what share of them has a name.
 */
#ifndef COREHEAP_REPORT_TYPE_GROUPS_H
#define COREHEAP_REPORT_TYPE_GROUPS_H

#include "analysis/type_groups.h"
#include "render/document.h"

/** Fields of struct ch_type_groups: what other documents say of names. */
extern const struct ch_field_spec chp_named_fields[];

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_report_type_groups(const struct ch_report *report,
						      const struct ch_type_groups *groups);

/** Groups by basis in a line: "93.4 % of used bytes (dwarf 71, container 12, holder 7)". NULL when
 * out of memory; owned by the caller. */
char *chp_named_text(const struct ch_type_groups *groups);

#endif /* COREHEAP_REPORT_TYPE_GROUPS_H */
