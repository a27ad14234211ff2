/*
 * What points at a block, at an address, or at the word of a static field.
 */
#include "analysis/refs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/walker.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct ch_refs_source {
	struct ch_session *session;
	struct ch_places places;
	bool code;
};

/* A static field by "Type.field": where its word lies; 0: there is none. */
struct static_finder {
	const char *field;
	uint64_t addr;
};

static struct ch_error *take_static(void *arg, const struct ch_field *field)
{
	struct static_finder *finder = arg;

	if (strcmp(field->name, finder->field) == 0 && field->addr && !field->tid)
		finder->addr = field->addr;
	return NULL;
}

struct ch_error *chp_static_field(struct ch_session *session, const char *text, uint64_t *ret)
{
	struct ch_inspected all[CH_INSPECTORS_MAX];
	const char *dot = strrchr(text, '.');
	struct ch_fields_query query = { .statics = true };
	struct static_finder finder = { .field = dot ? dot + 1 : NULL };
	_cleanup_free_ char *type = NULL;
	struct ch_heaps *heaps;
	struct ch_error *err;
	size_t count, i;

	*ret = 0;
	if (!dot || dot == text)
		return NULL;
	type = strndup(text, (size_t)(dot - text));
	if (!type)
		return &ch_enomem;
	err = ch_session_heaps(session, &heaps);
	count = err ? 0 : chp_heaps_inspectors(heaps, all, CH_INSPECTORS_MAX);
	for (i = 0; !err && !finder.addr && i < count; i++) {
		if (!all[i].inspector->find_type)
			continue;
		err = all[i].inspector->find_type(all[i].state, type, &query.key);
		if (!err && query.key)
			err = all[i].inspector->fields(all[i].state, &query, take_static, &finder);
	}
	*ret = finder.addr;
	return err;
}

/* The block that holds the target is meant, but for a static field: only its word, though
 * it may lie in an array with many others. */
static void widen(struct ch_heaps *heaps, bool exact, struct ch_refs_result *result)
{
	struct ch_meaning meaning;

	if (chp_heaps_meaning(heaps, result->start, &meaning) &&
	    meaning.kind == CH_MEANING_STATIC) {
		snprintf(result->static_name, sizeof(result->static_name), "%s", meaning.name);
		return;
	}
	result->has_block = ch_heaps_object_at(heaps, result->start, &result->block) &&
			    result->block.state != CH_OBJECT_OVERHEAD &&
			    result->start >= result->block.addr;
	if (result->has_block) {
		result->start = result->block.addr;
		result->end = result->start + ch_max(exact ? 1 : result->block.size_bytes, 1);
	}
}

struct ch_error *chp_refs_make(struct ch_session *session, const struct ch_refs_options *options,
			       uint64_t addr, struct ch_refs_result *ret)
{
	const struct ch_graph_options graph_options = { .threads = options->threads };
	struct ch_refs_source *source = calloc(1, sizeof(*source));
	struct ch_error *err;

	*ret = (struct ch_refs_result){ .start = addr, .end = addr + 1, .source = source };
	if (!source)
		return &ch_enomem;
	source->session = session;
	source->code = options->code;
	err = ch_session_heaps(session, &source->places.heaps);
	if (!err)
		err = ch_session_sym(session, &source->places.sym);
	if (!err)
		err = ch_graph_create(session, &graph_options, &source->places.graph);
	if (!err)
		widen(source->places.heaps, options->exact, ret);
	return err;
}

void chp_refs_deinit(struct ch_refs_result *result)
{
	if (!result->source)
		return;
	ch_graph_destroy(result->source->places.graph);
	free(result->source);
}

static struct ch_error *take_first(void *arg, const struct ch_ref *ref)
{
	*(bool *)arg = ref->has_owner;
	return ref->has_owner ? &ch_stop : NULL;
}

/* Only blocks that are shown need names: looking for the first one is cheap beside naming all. */
static struct ch_error *name_blocks(const struct ch_refs_result *result)
{
	struct ch_refs_source *source = result->source;
	struct ch_error *err;
	bool any = false;

	err = ch_graph_refs(source->places.graph, result->start, result->end, source->code,
			    take_first, &any);
	if (!any)
		return err;
	ch_error_destroy(err);
	return chp_session_named_heaps(source->session, &source->places.heaps);
}

struct ch_error *chp_refs_each(const struct ch_refs_result *result, ch_refs_fn fn, void *arg)
{
	struct ch_error *err = name_blocks(result);

	if (err)
		return err;
	return ch_graph_refs(result->source->places.graph, result->start, result->end,
			     result->source->code, fn, arg);
}

struct ch_error *chp_refs_row(const struct ch_refs_result *result, const struct ch_ref *ref,
			      struct ch_refs_row *ret)
{
	const struct ch_places *places = &result->source->places;
	struct ch_code *method = &ret->method;
	struct ch_error *err = chp_place_describe(places, ref, &ret->place);

	ret->points_into = ref->value - result->start;
	method->name[0] = '\0';
	if (err || ref->kind != CH_REF_CODE)
		return err;
	/* The method that a word of code belongs to, instead of the memory it lies in. */
	if (!ch_heaps_code_at(places->heaps, ref->addr, method) || !method->start)
		method->name[0] = '\0';
	else
		snprintf(ret->place.text.where, sizeof(ret->place.text.where),
			 "%.400s+0x%" PRIx64 " (%s)", method->name, ref->addr - method->start,
			 method->kind);
	return NULL;
}
