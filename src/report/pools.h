/*
 * pools.h - how is shown what libraries of runtimes manage themselves: limits, pools, buffers.
 */
#ifndef COREHEAP_REPORT_POOLS_H
#define COREHEAP_REPORT_POOLS_H

#include "analysis/pooled.h"
#include "render/render.h"

/** A line for each limit. */
void chp_print_quotas(const struct ch_report *report, const struct ch_pooled *pooled);

/** limits[] and pools of docs/JSON.md. */
json_t *chp_json_quotas(const struct ch_pooled *pooled);
json_t *chp_json_pools(const struct ch_pooled *pooled);
/** Tables of limits, pools and buffers; nothing where there are none. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_pooled(const struct ch_report *report,
						const struct ch_pooled *pooled);

#endif /* COREHEAP_REPORT_POOLS_H */
