/*
 * picture.h - how the pictures of a dump are shown: as a page, or the numbers behind them.
 */
#ifndef COREHEAP_REPORT_PICTURE_H
#define COREHEAP_REPORT_PICTURE_H

#include "analysis/picture.h"
#include "render/render.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_picture(const struct ch_report *report,
						 const struct ch_picture *picture);

#endif /* COREHEAP_REPORT_PICTURE_H */
