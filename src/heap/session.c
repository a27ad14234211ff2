/*
 * A session: a core and what is opened of it when it is first asked for, symbols, map and heaps,
 * each tried once with its failure kept. info does not pay for the heap.
 */
#include "heap/session.h"

#include <stdlib.h>

#include "heap/heap_priv.h"
#include "util/error.h"

/* Something opened on demand: tried once, its failure kept. */
struct part {
	bool tried;
	struct ch_error *err;
};

struct ch_session {
	struct ch_context *ctx;
	struct ch_session_options options;
	const struct ch_walker *const *walkers;
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_ctypes *ctypes;
	struct ch_map *map;
	struct ch_heaps *heaps;
	struct part sym_part, heaps_part;
	struct kept {
		void *state;
		void (*destroy)(void *state);
	} kept[CH_SESSION_PARTS];
};

struct ch_error *ch_session_open(struct ch_context *ctx, const char *path,
				 const struct ch_session_options *options, struct ch_session **ret)
{
	struct ch_session *session = calloc(1, sizeof(*session));
	struct ch_error *err;

	if (!session)
		return &ch_enomem;
	session->ctx = ctx;
	session->walkers = chp_walkers;
	if (options)
		session->options = *options;
	err = ch_core_open(ctx, path, &session->options.core, &session->core);
	if (err) {
		free(session);
		return err;
	}
	*ret = session;
	return NULL;
}

void ch_session_close(struct ch_session *session)
{
	size_t i;

	if (!session)
		return;
	for (i = CH_SESSION_PARTS; i-- > 0;)
		if (session->kept[i].state)
			session->kept[i].destroy(session->kept[i].state);
	ch_heaps_close(session->heaps);
	ch_map_destroy(session->map);
	chp_ctypes_destroy(session->ctypes);
	ch_sym_close(session->sym);
	ch_core_close(session->core);
	ch_error_destroy(session->sym_part.err);
	ch_error_destroy(session->heaps_part.err);
	free(session);
}

uint32_t ch_session_strengths(const struct ch_session *session)
{
	return session->options.strengths_given ? session->options.strengths
						: CH_STRENGTHS_COLLECTOR;
}

void chp_session_use_walkers(struct ch_session *session, const struct ch_walker *const *walkers)
{
	session->walkers = walkers;
}

void *chp_session_kept(const struct ch_session *session, enum ch_session_part part)
{
	return session->kept[part].state;
}

void chp_session_keep(struct ch_session *session, enum ch_session_part part, void *state,
		      void (*destroy)(void *state))
{
	session->kept[part] = (struct kept){ state, destroy };
}

struct ch_context *ch_session_context(const struct ch_session *session)
{
	return session->ctx;
}

struct ch_core *ch_session_core(const struct ch_session *session)
{
	return session->core;
}

/* The failure of a part, as an error of the caller's own. */
static struct ch_error *failure(const struct part *part)
{
	if (!part->err || part->err == &ch_enomem || part->err == &ch_stop)
		return part->err;
	return ch_error_create(part->err->code, "%s", part->err->message ? part->err->message : "");
}

struct ch_error *ch_session_sym(struct ch_session *session, struct ch_sym **ret)
{
	struct part *part = &session->sym_part;

	if (!part->tried) {
		part->tried = true;
		part->err = ch_sym_open(session->core, &session->options.sym, &session->sym);
	}
	if (part->err)
		return failure(part);
	*ret = session->sym;
	return NULL;
}

struct ch_error *chp_session_ctypes(struct ch_session *session, struct ch_ctypes **ret)
{
	struct ch_error *err = NULL;
	struct ch_sym *sym;

	if (!session->ctypes) {
		err = ch_session_sym(session, &sym);
		if (!err)
			err = chp_ctypes_create(session->core, sym, &session->ctypes);
	}
	if (err)
		return err;
	*ret = session->ctypes;
	return NULL;
}

/* The base map, then the heaps, which claim their spans in it. */
static struct ch_error *open_heaps(struct ch_session *session)
{
	struct ch_error *err;
	struct ch_sym *sym;

	err = ch_session_sym(session, &sym);
	if (err)
		return err;
	err = ch_map_create(session->core, sym, &session->map);
	if (err)
		return err;
	return chp_heaps_open_with(session->walkers, session->core, sym, session->map,
				   &session->heaps);
}

struct ch_error *ch_session_heaps(struct ch_session *session, struct ch_heaps **ret)
{
	struct part *part = &session->heaps_part;

	if (!part->tried) {
		part->tried = true;
		part->err = open_heaps(session);
	}
	if (part->err)
		return failure(part);
	*ret = session->heaps;
	return NULL;
}

struct ch_error *ch_session_map(struct ch_session *session, struct ch_map **ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err = ch_session_heaps(session, &heaps);

	if (err)
		return err;
	*ret = session->map;
	return NULL;
}

enum ch_intact ch_session_heap_intact(const struct ch_session *session)
{
	const struct ch_heaps *heaps = session->heaps;

	if (ch_context_damaged(session->ctx))
		return CH_INTACT_NO;
	return heaps && heaps->opened.count && heaps->measured && ch_context_complete(session->ctx)
		       ? CH_INTACT_YES
		       : CH_INTACT_UNKNOWN;
}
