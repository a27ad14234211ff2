/*
 * Whether a layout is that of the runtime at hand: its list of threads says, which
 * is counted, and whose ids the core has as well.
 */
#include "walkers/coreclr/coreclr_priv.h"

/* PID_MAX_LIMIT of Linux. */
#define TID_MAX (1U << 22)

static bool is_tid(const struct clr *clr, uint32_t id)
{
	const struct ch_thread *threads;
	size_t count, i;

	threads = ch_core_threads(clr->core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].tid == id)
			return true;
	return false;
}

enum clr_fit clr_layout_fits(const struct clr *clr)
{
	const struct clr_layout *layout = &clr->layout;
	uint32_t counted, found = 0, running = 0, known = 0, id;
	uint64_t link;

	if (!clr_read_ptr(clr, clr->thread_store + layout->store_first, &link) ||
	    !ch_core_read_u32(clr->core, clr->thread_store + layout->store_count, &counted) ||
	    !counted || counted > CLR_THREADS_MAX)
		return CLR_FIT_NOT;
	for (; link && found < counted; found++) {
		if (!ch_core_read_u32(clr->core, link - layout->thread_link + layout->thread_os_id,
				      &id) ||
		    id > TID_MAX || !clr_read_ptr(clr, link, &link))
			return CLR_FIT_NOT;
		/* 0: not started yet, or ended. */
		running += id != 0;
		known += id != 0 && is_tid(clr, id);
	}
	if (link || found != counted || !running)
		return CLR_FIT_NOT;
	return known == running ? CLR_FIT_CORE : CLR_FIT_LIST;
}
