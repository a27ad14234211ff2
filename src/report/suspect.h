/*
 * suspect.h - how suspects are shown.
 */
#ifndef COREHEAP_REPORT_SUSPECT_H
#define COREHEAP_REPORT_SUSPECT_H

#include "analysis/suspect.h"
#include "report/chain.h"

/** Elements of suspects[] of docs/JSON.md. */
json_t *chp_suspects_json(const struct ch_suspect *suspects, size_t count);
/** For people, below a heading (TEXT), of most at most the first; a row each (PLAIN);
 * MARKDOWN. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_suspects_print(const struct ch_report *report,
						  const struct ch_suspect *suspects, size_t count,
						  size_t most);

#endif /* COREHEAP_REPORT_SUSPECT_H */
