/*
 * death.h - how the process ended, shared by several reports.
 */
#ifndef COREHEAP_REPORT_DEATH_H
#define COREHEAP_REPORT_DEATH_H

#include "analysis/death.h"
#include "render/render.h"

/**
 * One line: "SIGSEGV (11), address not mapped, at 0x0 (a null pointer), in thread 7". Safe
 * to print, owned by the caller; NULL when out of memory.
 */
char *chp_death_text(const struct ch_death *death);
/**
 * The end of a sentence that begins with the process, whose pid is given: " died of SIGSEGV (11),
 * read at 0x18 (a null pointer + 24)", ", dumped while running"; as chp_death_text().
 */
char *chp_death_title(const struct ch_death *death, uint32_t pid);
/** What else is known, by index from 0 on, and what to call it; as chp_death_text(). NULL:
 * there is no more. */
char *chp_death_detail(const struct ch_report *report, const struct ch_death *death, size_t index,
		       const char **label_ret);
/** All of it as fields. */
void chp_report_death(const struct ch_report *report, const struct ch_death *death);
/** An object; a new reference. */
json_t *chp_json_death(const struct ch_report *report, const struct ch_death *death);

#endif /* COREHEAP_REPORT_DEATH_H */
