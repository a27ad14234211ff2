/*
 * Where something stands in memory: each match placed, and those in other blocks left out.
 */
#include "analysis/matches.h"

#include <stdio.h>
#include <stdlib.h>

#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Bytes of a match that are read: their text fits, each byte as "\\x00". */
#define CONTENTS_BYTES 64

struct ch_matches_source {
	struct ch_session *session;
	struct ch_places places;
};

struct ch_error *chp_matches_begin(struct ch_session *session, uint32_t threads,
				   struct ch_matches *matches)
{
	const struct ch_graph_options options = { .threads = threads };
	struct ch_matches_source *source = calloc(1, sizeof(*source));
	struct ch_error *err;

	matches->source = source;
	if (!source)
		return &ch_enomem;
	source->session = session;
	matches->search.core = ch_session_core(session);
	err = ch_session_map(session, &matches->search.map);
	if (!err)
		err = ch_session_heaps(session, &source->places.heaps);
	if (!err)
		err = ch_session_sym(session, &source->places.sym);
	return err ? err : ch_graph_create(session, &options, &source->places.graph);
}

void chp_matches_deinit(struct ch_matches *matches)
{
	if (!matches->source)
		return;
	ch_graph_destroy(matches->source->places.graph);
	free(matches->source);
}

/* A search, and what it hands its matches to. */
struct sieve {
	const struct ch_matches *matches;
	ch_match_fn fn;
	void *arg;
};

static struct ch_error *take(void *arg, uint64_t addr, uint64_t bytes)
{
	const struct sieve *sieve = arg;
	const struct ch_places *places = &sieve->matches->source->places;
	const struct ch_object_filter *filter = sieve->matches->objects;
	struct ch_object out;
	struct ch_ref ref;

	if (filter) {
		ch_graph_place(places->graph, addr, &ref);
		if (!ref.has_owner || addr < ref.owner.addr ||
		    chp_filter_batch(places->heaps, filter, &ref.owner, 1, &out) != 1)
			return NULL;
	}
	return sieve->fn(sieve->arg, addr, bytes);
}

struct ch_error *chp_matches_each(const struct ch_matches *matches, ch_match_fn fn, void *arg)
{
	struct sieve sieve = { matches, fn, arg };

	return chp_search(&matches->search, take, &sieve);
}

/* The first bytes of a match, escaped. */
static struct ch_error *read_contents(const struct ch_core *core, struct ch_match_row *row)
{
	char raw[CONTENTS_BYTES + 1];
	size_t n = ch_min(row->size_bytes, CONTENTS_BYTES), i;
	_cleanup_free_ char *safe = NULL;

	row->contents = row->text;
	if (!ch_core_try_read(core, row->place.addr, raw, n))
		return NULL;
	/* Text ends at a zero; here it does not. */
	for (i = 0; i < n; i++)
		if (!raw[i])
			raw[i] = '.';
	raw[n] = '\0';
	safe = chp_text_escape(raw, sizeof(raw));
	if (!safe)
		return &ch_enomem;
	snprintf(row->text, sizeof(row->text), "%s", safe);
	return NULL;
}

struct ch_error *chp_matches_row(const struct ch_matches *matches, uint64_t addr, uint64_t bytes,
				 bool reveal, struct ch_match_row *ret)
{
	struct ch_places *places = &matches->source->places;
	struct ch_error *err;
	struct ch_ref ref;

	/* once there is something that is told by name */
	err = chp_session_named_heaps(matches->source->session, &places->heaps);
	if (err)
		return err;
	ch_graph_place(places->graph, addr, &ref);
	ret->size_bytes = bytes;
	ret->contents = NULL;
	ret->text[0] = '\0';
	err = chp_place_describe(places, &ref, &ret->place);
	return err || !reveal ? err : read_contents(matches->search.core, ret);
}
