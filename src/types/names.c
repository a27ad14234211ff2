/*
 * The pass: every used block of a walker that knows no type of it is shown to the providers, and
 * the best word is kept.
 */
#include "types/names.h"

#include <stdlib.h>

#include "heap/session.h"
#include "types/provider.h"
#include "util/context.h"
#include "util/error.h"

/* A provider with something to say. */
struct told {
	const struct ch_provider *provider;
	void *state;
	/* In the registry, plus one: as types have it. */
	uint32_t number;
};

struct names {
	struct ch_provider_env env;
	/* of struct told */
	struct ch_vec told;
	/* By id of the index: the type of a block; 0: nobody knows better than its walker. */
	uint32_t *types;
	uint64_t named_count, conflicts_count;

	/* Of the walk under way. */
	uint32_t next_id;
};

/* ---- What providers say ---------------------------------------------------------- */

/* Whether an object's walker leaves it to others to say what it is. */
static bool is_open(const struct ch_object *object)
{
	return object->state == CH_OBJECT_USED && !object->key &&
	       !(object->flags & CH_OBJECT_ALLOCATOR);
}

static struct ch_error *ask(struct names *names, const struct ch_object *objects,
			    const uint32_t *ids, size_t n)
{
	struct ch_type_source source = { .walker = chp_type_walker(names->env.heaps,
								   objects[0].type) };
	enum ch_basis best[CH_BATCH_MAX] = { 0 };
	uint64_t keys[CH_BATCH_MAX];
	const struct told *told;
	struct ch_error *err;
	size_t i, k;

	for (k = 0; k < names->told.count; k++) {
		told = CH_VEC_AT(&names->told, struct told, k);
		err = told->provider->blocks(told->state, objects, n, keys);
		if (err)
			return err;
		source.provider = told->number;
		for (i = 0; i < n; i++) {
			if (!keys[i])
				continue;
			if (names->types[ids[i]]) {
				names->conflicts_count += best[i] == told->provider->basis;
				if (best[i] <= told->provider->basis)
					continue;
			}
			source.key = keys[i];
			names->named_count += !names->types[ids[i]];
			names->types[ids[i]] = chp_type_of_provider(names->env.heaps, &source);
			best[i] = told->provider->basis;
			if (!names->types[ids[i]])
				return &ch_enomem;
		}
	}
	return NULL;
}

static struct ch_error *take(void *arg, const struct ch_object *objects, size_t n)
{
	struct names *names = arg;
	const struct ch_index *index = names->env.index;
	struct ch_object open[CH_BATCH_MAX];
	uint32_t ids[CH_BATCH_MAX], id;
	struct ch_error *err = NULL;
	size_t i, count = 0;

	for (i = 0; !err && i < n; i++) {
		id = names->next_id++;
		if (!is_open(&objects[i]))
			continue;
		if (index->gaps)
			id = chp_index_at(index, objects[i].addr);
		if (id >= index->objects_count)
			continue;
		open[count] = objects[i];
		ids[count++] = id;
		if (count == CH_BATCH_MAX) {
			err = ask(names, open, ids, count);
			count = 0;
		}
	}
	return !err && count ? ask(names, open, ids, count) : err;
}

/* ---- What the heaps ask ----------------------------------------------------------- */

static void set_types(void *arg, struct ch_object *objects, size_t n)
{
	const struct names *names = arg;
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_open(&objects[i]))
			continue;
		id = chp_index_at(names->env.index, objects[i].addr);
		if (id < names->env.index->objects_count && names->types[id])
			objects[i].type = names->types[id];
	}
}

static struct ch_error *name_type(void *arg, const struct ch_type_source *source,
				  struct ch_type *ret)
{
	const struct names *names = arg;
	const struct told *told;
	size_t i;

	for (i = 0; i < names->told.count; i++) {
		told = CH_VEC_AT(&names->told, struct told, i);
		if (told->number != source->provider)
			continue;
		ret->basis = told->provider->basis;
		ret->by = told->provider->name;
		return told->provider->type(told->state, source->key, ret);
	}
	return NULL;
}

/* ---- The pass --------------------------------------------------------------------- */

static void destroy(void *state)
{
	struct names *names = state;
	struct told *told;
	size_t i;

	for (i = 0; i < names->told.count; i++) {
		told = CH_VEC_AT(&names->told, struct told, i);
		told->provider->close(told->state);
	}
	ch_vec_deinit(&names->told);
	free(names->types);
	free(names);
}

static struct ch_error *open_providers(struct names *names,
				       const struct ch_provider *const *providers)
{
	struct ch_error *err;
	struct told *told;
	uint32_t i;

	for (i = 0; providers[i]; i++) {
		told = ch_vec_push(&names->told);
		if (!told)
			return &ch_enomem;
		*told = (struct told){ .provider = providers[i], .number = i + 1 };
		err = providers[i]->open(&names->env, &told->state);
		if (err || !told->state)
			names->told.count--;
		if (err)
			return err;
	}
	return NULL;
}

static struct ch_error *name_blocks(struct names *names, struct ch_session *session)
{
	const struct ch_namer namer = { .objects = set_types, .name = name_type, .arg = names };
	struct ch_error *err = chp_session_index(session, &names->env.index);

	if (err)
		return err;
	names->types = calloc(names->env.index->objects_count + 1ULL, sizeof(*names->types));
	if (!names->types)
		return &ch_enomem;
	err = ch_heaps_walk(names->env.heaps, 0, UINT64_MAX, take, names);
	if (err)
		return err;
	if (names->conflicts_count)
		chp_context_finding(names->env.ctx, CH_SEVERITY_NOTE, "names-conflict",
				    "%llu blocks have two names of equal worth: the first is shown",
				    (unsigned long long)names->conflicts_count);
	if (names->named_count)
		chp_heaps_use_namer(names->env.heaps, &namer);
	return NULL;
}

/* Blocks that a damaged core has too far apart for an index can be listed all the same. */
static struct ch_error *do_without(struct names *names, struct ch_error *err)
{
	if (!err || err->code != CH_ERROR_LIMIT)
		return err;
	chp_context_finding(names->env.ctx, CH_SEVERITY_NOTE, "blocks-not-named",
			    "classes of native blocks are not known: %s", err->message);
	ch_error_destroy(err);
	return NULL;
}

static struct ch_error *fill(struct names *names, struct ch_session *session,
			     const struct ch_provider *const *providers)
{
	struct ch_error *err;

	names->env.core = ch_session_core(session);
	names->env.ctx = ch_session_context(session);
	err = ch_session_heaps(session, &names->env.heaps);
	if (!err)
		err = ch_session_sym(session, &names->env.sym);
	if (!err)
		err = ch_session_map(session, &names->env.map);
	if (!err)
		err = open_providers(names, providers);
	return !err && names->told.count ? do_without(names, name_blocks(names, session)) : err;
}

struct ch_error *chp_session_named_heaps_by(struct ch_session *session,
					    const struct ch_provider *const *providers,
					    struct ch_heaps **ret)
{
	struct names *names = chp_session_kept(session, CH_SESSION_NAMES);
	struct ch_error *err;

	if (!names) {
		names = calloc(1, sizeof(*names));
		if (!names)
			return &ch_enomem;
		names->told = CH_VEC(struct told);
		err = fill(names, session, providers);
		if (err) {
			destroy(names);
			return err;
		}
		chp_session_keep(session, CH_SESSION_NAMES, names, destroy);
	}
	return ch_session_heaps(session, ret);
}

struct ch_error *chp_session_named_heaps(struct ch_session *session, struct ch_heaps **ret)
{
	return chp_session_named_heaps_by(session, chp_providers, ret);
}

uint64_t chp_session_names_conflicts(const struct ch_session *session)
{
	const struct names *names = chp_session_kept(session, CH_SESSION_NAMES);

	return names ? names->conflicts_count : 0;
}
