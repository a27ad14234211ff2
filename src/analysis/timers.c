/*
 * Timers of .NET that will fire.
 *
 * dotnet/runtime, release/9.0, src/libraries/System.Private.CoreLib/src/System/Threading/
 * Timer.cs: TimerQueueTimer. One that is not set has a due time of UINT32_MAX. .NET Core 3.1
 * calls its fields m_....
 */
#include <stdlib.h>

#include "analysis/work_priv.h"
#include "util/cleanup.h"

static const char *const due_names[] = { "_dueTime", "m_dueTime", NULL };
static const char *const period_names[] = { "_period", "m_period", NULL };
static const char *const callback_names[] = { "_timerCallback", "m_timerCallback", NULL };
static const char *const state_names[] = { "_state", "m_state", NULL };

struct search {
	struct work_finder finder;
	struct work_field due, period, callback, state;
};

static struct ch_error *learn(struct search *search, uint64_t key)
{
	struct ch_error *err;

	err = chp_work_field(&search->finder, key, due_names, &search->due);
	if (!err)
		err = chp_work_field(&search->finder, key, period_names, &search->period);
	if (!err)
		err = chp_work_field(&search->finder, key, callback_names, &search->callback);
	if (!err)
		err = chp_work_field(&search->finder, key, state_names, &search->state);
	return err;
}

static struct ch_error *take(struct search *search, const struct ch_object *object)
{
	const struct ch_named *named = &search->finder.named;
	struct ch_work_row row = { .count = 1, .sample_addr = object->addr };
	struct ch_error *err = learn(search, object->key);
	uint64_t due, period, at;

	if (err || !chp_named_read(named, object->addr, &search->due.field, &due) ||
	    due == CH_WORK_NEVER ||
	    !chp_named_read(named, object->addr, &search->period.field, &period))
		return err;
	row.due_ms = (uint32_t)due;
	row.period_ms = (uint32_t)period;
	if (chp_named_read(named, object->addr, &search->callback.field, &at))
		err = chp_work_calls(&search->finder, at, &row.calls);
	if (!err && chp_named_read(named, object->addr, &search->state.field, &at))
		err = chp_work_type(&search->finder, at, &row.type);
	if (err) {
		free(row.calls);
		return err;
	}
	return chp_work_add_take(search->finder.ret, &row);
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = take(arg, &objects[i]);
	return err;
}

struct ch_error *chp_timers_find(struct ch_heaps *heaps, const struct ch_core *core,
				 struct ch_work *ret)
{
	struct search search = { .finder.ret = ret };
	struct ch_error *err;

	*ret = (struct ch_work){ .rows = CH_VEC(struct ch_work_row) };
	ret->known = chp_named_open(heaps, core, CH_CLASS_LIBRARY_DOTNET, &search.finder.named);
	if (!ret->known)
		return NULL;
	err = chp_named_walk(&search.finder.named, "System.Threading.TimerQueueTimer", take_objects,
			     &search);
	chp_work_finish(ret);
	return err;
}
