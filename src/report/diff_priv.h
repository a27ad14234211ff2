/*
 * diff_priv.h - the parts of a comparison's report.
 */
#ifndef COREHEAP_REPORT_DIFF_PRIV_H
#define COREHEAP_REPORT_DIFF_PRIV_H

#include "report/diff.h"

#define CH_SIGNED_TEXT_MAX (CH_BYTES_TEXT_MAX + 2)

/** "+91.72 MiB", "-3 B", "0 B". Returns buf. */
char *chp_signed_bytes(int64_t bytes, char buf[CH_SIGNED_TEXT_MAX]);
/** "+1,234", "-1,234", "0". Returns buf. */
char *chp_signed_count(int64_t number, char buf[CH_SIGNED_TEXT_MAX]);

/** What it comes to, in a sentence. */
void chp_diff_verdict(const struct ch_diff *diff, char *buf, size_t max);
/** The file of a dump, or where that is not to be told its program. */
const char *chp_diff_dump(const struct ch_report *report, const struct ch_snapshot *dump);
/** What a row is about: its name, of the accounting's rows what people call them. */
const char *chp_diff_name(const struct ch_diff_row *row);
/** diff_growth.c: what more there is to say of a growth, with names of at most room bytes; NULL
 * when out of memory, "" when there is nothing. Owned by the caller. */
char *chp_growth_text(const struct ch_diff *diff, const struct ch_growth *growth, size_t room);
/** diff_screen.c: TEXT, at most a screen of it. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_diff_print_screen(const struct ch_report *report,
						     const struct ch_diff *diff);

/** diff_screen.c: what grew, at most so many rows (TEXT). Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_diff_print_growths(const struct ch_report *report,
						      const struct ch_diff *diff, size_t most);

#endif /* COREHEAP_REPORT_DIFF_PRIV_H */
