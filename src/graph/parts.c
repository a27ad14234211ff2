/* A thread for each part. */
#include "graph/parts.h"

#include <pthread.h>
#include <stdbool.h>

struct run {
	struct ch_error *(*work)(void *item);
	void *item;
	struct ch_error *err;
	pthread_t thread;
	bool started;
};

static void *run_one(void *arg)
{
	struct run *run = arg;

	run->err = run->work(run->item);
	return NULL;
}

struct ch_error *chp_parts_run(void *items, size_t item_bytes, uint32_t count,
			       struct ch_error *(*work)(void *item))
{
	struct run runs[CH_EDGE_PARTS_MAX];
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; i < count; i++) {
		runs[i] = (struct run){ .work = work, .item = (char *)items + i * item_bytes };
		runs[i].started = i && !pthread_create(&runs[i].thread, NULL, run_one, &runs[i]);
	}
	for (i = 0; i < count; i++)
		if (!runs[i].started)
			run_one(&runs[i]);
	for (i = 0; i < count; i++) {
		if (runs[i].started)
			pthread_join(runs[i].thread, NULL);
		if (!err)
			err = runs[i].err;
		else
			ch_error_destroy(runs[i].err);
	}
	return err;
}
