/*
 * The pass that names blocks of walkers that know no types: who has something to say is asked in
 * order, and from then on the heaps hand out what was said. The words are kept by naming.c.
 */
#include "types/names.h"

#include <stdlib.h>

#include "heap/session.h"
#include "types/inside.h"
#include "types/naming.h"
#include "util/context.h"
#include "util/error.h"

/* ---- What the heaps ask ----------------------------------------------------------- */

/* The id of the first of n objects that follow each other, if their ids do, too; else CH_ID_NONE.
 */
static uint32_t first_id(const struct ch_index *index, const struct ch_object *objects, size_t n)
{
	uint32_t first = n && !index->gaps ? chp_index_at(index, objects[0].addr) : CH_ID_NONE;

	return first != CH_ID_NONE && chp_index_at(index, objects[n - 1].addr) == first + n - 1
		       ? first
		       : CH_ID_NONE;
}

static void set_types(void *arg, struct ch_object *objects, size_t n)
{
	const struct ch_naming *naming = arg;
	const struct ch_index *index = naming->env.index;
	const uint32_t first = first_id(index, objects, n);
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!chp_is_open(&objects[i]))
			continue;
		id = first != CH_ID_NONE ? first + (uint32_t)i
					 : chp_index_at(index, objects[i].addr);
		if (id < index->objects_count && naming->words[id] & CH_WORD_TYPE)
			objects[i].type = naming->words[id] & CH_WORD_TYPE;
	}
}

static struct ch_error *name_type(void *arg, const struct ch_type_source *source,
				  struct ch_type *ret)
{
	const struct ch_naming *naming = arg;
	const struct ch_told *told = chp_naming_told(naming, source->provider);

	if (!told)
		return NULL;
	ret->basis = told->provider->basis;
	ret->by = told->provider->name;
	return told->provider->type(told->state, source->key, ret);
}

static bool inspect(void *arg, const struct ch_type_source *source, struct ch_inspected *ret,
		    uint64_t *key_ret)
{
	const struct ch_naming *naming = arg;
	const struct ch_told *told = chp_naming_told(naming, source->provider);
	struct ch_made_of made_of;
	struct ch_inside *inside;

	if (!told || !told->provider->made_of)
		return false;
	inside = chp_session_inside(naming->env.session);
	if (!inside || !told->provider->made_of(told->state, inside->ctypes, source->key, &made_of))
		return false;
	*ret = (struct ch_inspected){ &chp_inside_inspector, inside, source->walker };
	*key_ret = chp_inside_key(&made_of);
	return true;
}

/* ---- The pass --------------------------------------------------------------------- */

static void destroy(void *state)
{
	struct ch_naming *naming = state;
	struct ch_told *told;
	size_t i;

	for (i = 0; i < naming->told.count; i++) {
		told = CH_VEC_AT(&naming->told, struct ch_told, i);
		told->provider->close(told->state);
	}
	ch_vec_deinit(&naming->told);
	ch_vec_deinit(&naming->current);
	ch_vec_deinit(&naming->next);
	free(naming->words);
	free(naming->walkers);
	free(naming->open_heaps);
	free(naming);
}

/* Better ones first; of equal ones, the first registered. */
static int by_rank(const void *a, const void *b)
{
	const struct ch_told *x = a, *y = b;

	if (x->provider->rank != y->provider->rank)
		return x->provider->rank < y->provider->rank ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct ch_error *open_providers(struct ch_naming *naming,
				       const struct ch_provider *const *providers)
{
	struct ch_error *err;
	struct ch_told *told;
	uint32_t i;

	for (i = 0; providers[i]; i++) {
		told = ch_vec_push(&naming->told);
		if (!told)
			return &ch_enomem;
		*told = (struct ch_told){ .provider = providers[i], .number = i + 1 };
		err = providers[i]->open(&naming->env, &told->state);
		if (err || !told->state)
			naming->told.count--;
		if (err)
			return err;
		naming->followed |= told->state && providers[i]->follow;
	}
	ch_vec_sort(&naming->told, by_rank);
	return NULL;
}

static struct ch_error *ask_for_seeds(struct ch_naming *naming)
{
	const struct ch_told *told = naming->told.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < naming->told.count; i++)
		if (told[i].provider->seeds)
			err = told[i].provider->seeds(told[i].state, naming);
	return err ? err : chp_naming_follow(naming);
}

static struct ch_error *ask_for_rest(struct ch_naming *naming)
{
	const struct ch_told *told = naming->told.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < naming->told.count; i++) {
		if (!told[i].provider->rest)
			continue;
		err = told[i].provider->rest(told[i].state, naming);
		if (!err)
			err = chp_naming_follow(naming);
	}
	return err;
}

static struct ch_error *name_blocks(struct ch_naming *naming, struct ch_session *session)
{
	const struct ch_namer namer = {
		.objects = set_types, .name = name_type, .inspect = inspect, .arg = naming
	};
	struct ch_error *err = chp_session_index(session, &naming->env.index);

	if (err)
		return err;
	naming->words = calloc(naming->env.index->objects_count + 1ULL, sizeof(*naming->words));
	naming->walkers = calloc(naming->env.index->spans.count + 1, sizeof(*naming->walkers));
	if (!naming->words || !naming->walkers)
		return &ch_enomem;
	err = chp_naming_find_open(naming);
	if (!err)
		err = chp_naming_blocks(naming);
	if (!err)
		err = ask_for_seeds(naming);
	if (!err)
		err = ask_for_rest(naming);
	if (err)
		return err;
	/* No longer needed, and as long as the heap. */
	ch_vec_deinit(&naming->current);
	ch_vec_deinit(&naming->next);
	if (naming->named_count)
		chp_heaps_use_namer(naming->env.heaps, &namer, naming->open_heaps);
	return NULL;
}

/* Blocks that a damaged core has too far apart for an index can be listed all the same. */
static struct ch_error *do_without(struct ch_naming *naming, struct ch_error *err)
{
	if (!err || err->code != CH_ERROR_LIMIT)
		return err;
	chp_context_finding(naming->env.ctx, CH_SEVERITY_NOTE, "blocks-not-named",
			    "classes of native blocks are not known: %s", err->message);
	ch_error_destroy(err);
	return NULL;
}

static struct ch_error *fill(struct ch_naming *naming, struct ch_session *session,
			     const struct ch_provider *const *providers)
{
	struct ch_error *err;
	size_t count = 0;

	naming->env.session = session;
	naming->env.core = ch_session_core(session);
	naming->env.ctx = ch_session_context(session);
	err = ch_session_heaps(session, &naming->env.heaps);
	if (!err)
		err = ch_session_sym(session, &naming->env.sym);
	if (!err)
		err = ch_session_map(session, &naming->env.map);
	if (!err)
		err = chp_heaps_learn(naming->env.heaps);
	if (!err)
		ch_heaps_spans(naming->env.heaps, &count);
	if (!err && count)
		err = open_providers(naming, providers);
	return !err && naming->told.count ? do_without(naming, name_blocks(naming, session)) : err;
}

struct ch_error *chp_session_named_heaps_by(struct ch_session *session,
					    const struct ch_provider *const *providers,
					    struct ch_heaps **ret)
{
	struct ch_naming *naming = chp_session_kept(session, CH_SESSION_NAMES);
	struct ch_error *err;

	if (!naming) {
		naming = calloc(1, sizeof(*naming));
		if (!naming)
			return &ch_enomem;
		naming->told = CH_VEC(struct ch_told);
		naming->current = CH_VEC(uint32_t);
		naming->next = CH_VEC(uint32_t);
		err = fill(naming, session, providers);
		if (err) {
			destroy(naming);
			return err;
		}
		chp_session_keep(session, CH_SESSION_NAMES, naming, destroy);
	}
	return ch_session_heaps(session, ret);
}

struct ch_error *chp_session_named_heaps(struct ch_session *session, struct ch_heaps **ret)
{
	return chp_session_named_heaps_by(session, chp_providers, ret);
}

uint64_t chp_session_names_conflicts(const struct ch_session *session)
{
	const struct ch_naming *naming = chp_session_kept(session, CH_SESSION_NAMES);

	return naming ? naming->conflicts_count : 0;
}
