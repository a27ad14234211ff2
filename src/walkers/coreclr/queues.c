/*
 * Objects whose finalizers are to run, and the thread that runs them.
 */
#include "util/bytes.h"
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"

struct visiting {
	const struct clr *clr;
	struct ch_queue queue;
};

static struct ch_error *add(void *arg, const struct ch_walker_root *root)
{
	struct visiting *visiting = arg;
	uint64_t mt;

	if (!clr_read_ptr(visiting->clr, root->value, &mt))
		mt = 0;
	chp_queue_add(visiting->clr->env->ctx, &visiting->queue, mt & CLR_MT_MASK, root->value);
	visiting->queue.count++;
	return NULL;
}

/* The variable is the runtime's; its Thread is one of the list, or something else is there. */
static uint32_t finalizer_tid(const struct clr *clr)
{
	const struct clr_thread *threads = clr->threads.items;
	uint64_t thread;
	size_t i;

	if (!clr_variable_value(clr, CLR_VARIABLE_FINALIZER, &thread))
		return 0;
	for (i = 0; i < clr->threads.count; i++)
		if (threads[i].addr == thread)
			return threads[i].tid;
	return 0;
}

struct ch_error *clr_queues(void *state, struct ch_heaps *heaps, ch_queue_fn fn, void *arg)
{
	struct visiting visiting = {
		.clr = state, .queue = { .kind = "finalizers", .objects = CH_VEC(uint64_t) }
	};
	struct ch_error *err;

	(void)heaps;
	err = clr_finalizers_visit(state, add, &visiting);
	if (!err && visiting.queue.count) {
		visiting.queue.tid = finalizer_tid(state);
		err = fn(arg, &visiting.queue);
	}
	ch_vec_deinit(&visiting.queue.objects);
	return err;
}
