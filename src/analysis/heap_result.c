/*
 * The state of all heaps, put together from what each part knows of it.
 */
#include "analysis/heap_result.h"

struct ch_error *chp_heap_result_make(struct ch_session *session, uint32_t threads,
				      struct ch_heap_result *ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;

	*ret = (struct ch_heap_result){ .settings = CH_VEC(struct ch_section) };
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = chp_measure(session, threads, &ret->sums);
	/* Sums of a part of the heaps are none. */
	if (!err && !ret->sums.walked)
		err = &ch_stop;
	if (!err)
		err = chp_retention_make(heaps, ch_session_context(session), &ret->retention);
	if (!err)
		err = ch_heaps_tracking(heaps, &ret->tracking);
	if (!err)
		err = ch_heaps_metaspace(heaps, &ret->metaspace);
	if (!err)
		err = chp_heaps_sections(heaps, &chp_section_settings, &ret->settings);
	if (!err)
		err = chp_pooled_find(heaps, true, &ret->pooled);
	return err ? err : chp_heaps_view_make(heaps, &ret->view);
}

void chp_heap_result_deinit(struct ch_heap_result *result)
{
	ch_vec_deinit(&result->settings);
	chp_pooled_deinit(&result->pooled);
	chp_heaps_view_deinit(&result->view);
}
