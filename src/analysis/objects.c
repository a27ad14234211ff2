/*
 * The blocks of the heaps that pass a filter, for those who list them.
 */
#include "analysis/objects.h"

#include <stdlib.h>

#include "analysis/presence.h"

struct ch_objects_source {
	struct ch_heaps *heaps;
	const struct ch_object_filter *filter;
};

struct ch_error *chp_objects_make(struct ch_session *session, const struct ch_object_filter *filter,
				  struct ch_objects_result *ret)
{
	struct ch_objects_source *source = malloc(sizeof(*source));
	struct ch_error *err;
	size_t count;

	*ret = (struct ch_objects_result){ .source = source };
	if (!source)
		return &ch_enomem;
	source->filter = filter;
	err = ch_session_heaps(session, &source->heaps);
	if (err)
		return err;
	ret->runtimes = ch_heaps_runtimes(source->heaps, &ret->runtimes_count);
	ret->heaps = ch_heaps_list(source->heaps, &ret->heaps_count);
	ret->spans = ch_heaps_spans(source->heaps, &count);
	chp_heaps_tell_none(source->heaps, ch_session_context(session));
	return NULL;
}

void chp_objects_deinit(struct ch_objects_result *result)
{
	free(result->source);
}

struct ch_error *chp_objects_walk(const struct ch_objects_result *result, ch_objects_fn fn,
				  void *arg)
{
	return chp_heaps_walk_where(result->source->heaps, result->source->filter, fn, arg);
}

struct ch_error *chp_objects_type(const struct ch_objects_result *result,
				  const struct ch_object *object, struct ch_named_type *ret)
{
	const struct ch_type_stat stat = { .type = object->type, .kind = ch_object_kind(object) };

	return chp_named_type_make(result->source->heaps, &stat, ret);
}
