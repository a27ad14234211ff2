/*
 * chain.h - how the steps of a chain are shown in documents.
 */
#ifndef COREHEAP_REPORT_CHAIN_H
#define COREHEAP_REPORT_CHAIN_H

#include "analysis/chain.h"
#include "render/render.h"

/** An element of path[], and root{}, of docs/JSON.md. */
json_t *chp_step_json(const struct ch_step *step, bool first);
json_t *chp_root_json(const struct ch_root *root, const struct ch_root_text *text);

#endif /* COREHEAP_REPORT_CHAIN_H */
