/*
 * picture_priv.h - the lists of a picture, one by one.
 */
#ifndef COREHEAP_ANALYSIS_PICTURE_PRIV_H
#define COREHEAP_ANALYSIS_PICTURE_PRIV_H

#include "analysis/picture.h"

/** Tiles and size classes, by one walk. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_picture_tiles(struct ch_heaps *heaps, struct ch_map *map,
						 struct ch_picture *picture);
/** Errors: those of the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_picture_branches(struct ch_session *session, uint32_t threads,
						    struct ch_picture *picture);

#endif /* COREHEAP_ANALYSIS_PICTURE_PRIV_H */
