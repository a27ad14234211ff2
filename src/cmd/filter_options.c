/*
 * Options that choose blocks by heap, type, size, state, generation or address, which several
 * commands have in common.
 */
#include "cmd/filter_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analysis/heaps_view.h"
#include "graph/held.h"
#include "types/names.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/number.h"

static struct ch_error *parse_state(const char *text, uint32_t *ret)
{
	uint32_t states = 0;
	enum ch_object_state i;
	size_t len;

	for (; *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		if (len == 3 && strncmp(text, "all", len) == 0) {
			states |= 7;
			continue;
		}
		for (i = 0; i <= CH_OBJECT_OVERHEAD; i++)
			if (strlen(ch_object_state_name(i)) == len &&
			    strncmp(text, ch_object_state_name(i), len) == 0)
				break;
		if (i > CH_OBJECT_OVERHEAD)
			return ch_error_create(
				CH_ERROR_ARG,
				"--state: '%.*s' is not one of used, free, overhead, all", (int)len,
				text);
		states |= 1U << i;
	}
	*ret = states;
	return NULL;
}

/* "A-B". Either side may be a symbol, which may hold a dash: the dash is the
 * first one that leaves an address on both sides. */
struct ch_error *chp_parse_range(struct ch_session *session, const char *text, uint64_t *start_ret,
				 uint64_t *end_ret)
{
	_cleanup_free_ char *copy = strdup(text);
	struct ch_error *err = NULL;
	uint64_t start, end;
	char *dash;

	if (!copy)
		return &ch_enomem;
	for (dash = strchr(copy, '-'); dash; dash = strchr(dash + 1, '-')) {
		*dash = '\0';
		err = chp_parse_addr(session, copy, &start);
		if (!err)
			err = chp_parse_addr(session, dash + 1, &end);
		*dash = '-';
		if (err && err->code != CH_ERROR_ARG)
			return err;
		if (!err && start < end) {
			*start_ret = start;
			*end_ret = end;
			return NULL;
		}
		ch_error_destroy(err);
	}
	return ch_error_create(CH_ERROR_ARG,
			       "--range: '%s' is not START-END with START below END, as in "
			       "0x7f0000000000-0x7f0000021000",
			       text);
}

/* An index as `heap` counts them, from 0, or a name. */
static struct ch_error *parse_heap(struct ch_heaps *heaps, const char *text, bool *wanted)
{
	const struct ch_heap *list;
	unsigned long long index;
	size_t count, i;
	char *end;

	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++) {
		if (strcmp(list[i].name, text) != 0)
			continue;
		wanted[i] = true;
		return NULL;
	}
	errno = 0;
	index = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && index < count) {
		wanted[index] = true;
		return NULL;
	}
	return ch_error_create(
		CH_ERROR_ARG,
		"--arena: no heap is named '%s'; the core has %zu, counted from 0%s%s%s", text,
		count, count ? ", the first is '" : "", count ? list[0].name : "",
		count ? "'" : "");
}

/* Whether a generation is the one that a word of len bytes names. */
static bool is_generation(const struct ch_heap *heap, const char *word, size_t len)
{
	static const struct {
		const char *word, *name;
	} others[] = {
		{ "large", "LOH" }, { "pinned", "POH" }, { "foh", "frozen" }, { "nongc", "frozen" }
	};
	const char *name = chp_generation_name(heap);
	size_t i, end;

	if (strcmp(heap->kind, "generation") != 0)
		return false;
	for (i = 0; i < CH_COUNT_OF(others); i++)
		if (strlen(others[i].word) == len && strncasecmp(others[i].word, word, len) == 0)
			return strncmp(name, others[i].name, strlen(others[i].name)) == 0;
	if (*word >= '0' && *word <= '9' && strncmp(name, "gen", 3) == 0)
		name += 3;
	/* "POH" stands for "POH (pinned)". */
	end = strcspn(name, " ");
	return end == len && strncasecmp(name, word, len) == 0;
}

static struct ch_error *parse_generation(struct ch_heaps *heaps, const char *text, bool *wanted)
{
	const struct ch_heap *list;
	size_t count, len, i;
	bool found;

	list = ch_heaps_list(heaps, &count);
	for (; *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		found = false;
		for (i = 0; i < count; i++) {
			if (!is_generation(&list[i], text, len))
				continue;
			wanted[i] = found = true;
		}
		if (!found)
			return ch_error_create(
				CH_ERROR_ARG,
				"--gen: the core has no generation '%.*s'; `coreheap heap` lists "
				"what it has",
				(int)len, text);
	}
	return NULL;
}

/* --arena and --gen: those that are in all that is given. */
static struct ch_error *parse_heaps(struct ch_heaps *heaps, const struct ch_filter_options *options,
				    struct ch_parsed_filter *ret)
{
	_cleanup_free_ bool *wanted = NULL;
	struct ch_error *err = NULL;
	size_t count, i;

	if (!options->heap && !options->generation)
		return NULL;
	ch_heaps_list(heaps, &count);
	ret->heaps = calloc(count + 1, sizeof(bool));
	wanted = calloc(count + 1, sizeof(bool));
	if (!ret->heaps || !wanted)
		return &ch_enomem;
	if (options->heap)
		err = parse_heap(heaps, options->heap, ret->heaps);
	if (!err && options->generation)
		err = parse_generation(heaps, options->generation, wanted);
	for (i = 0; options->generation && i < count; i++)
		ret->heaps[i] = wanted[i] && (!options->heap || ret->heaps[i]);
	ret->filter.heaps = ret->heaps;
	return err;
}

/* A type by its key: a method table. */
static bool is_type_key(const char *text, uint64_t key)
{
	uint64_t id;

	return key < CH_TYPE_KEY_ENGINE && chp_parse_id(text, &id) && id == key;
}

/* Rows of `types` whose name is the one given, or holds it. */
static struct ch_error *parse_type(struct ch_heaps *heaps, const char *text, bool part,
				   struct ch_vec *ret)
{
	const struct ch_type_stat *rows;
	struct ch_type_stat *slot;
	struct ch_error *err;
	struct ch_type type;
	size_t count, i;

	err = ch_heaps_types(heaps, &rows, &count);
	for (i = 0; !err && i < count; i++) {
		err = ch_heaps_type(heaps, rows[i].type, &type);
		if (err || (part ? !strstr(type.name, text)
				 : strcmp(type.name, text) != 0 && !is_type_key(text, type.key)))
			continue;
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = rows[i];
	}
	if (!err && !ret->count)
		err = ch_error_create(CH_ERROR_ARG,
				      "--type: no type is named '%s'; `coreheap types` lists them",
				      text);
	return err;
}

/* "104-byte blocks": blocks of a size, whatever they are called, where no type has that name. */
static bool is_size_class(const struct ch_error *err, const char *text, uint64_t *ret)
{
	unsigned long long size;
	int end = 0;

	if (!err || err->code != CH_ERROR_ARG ||
	    sscanf(text, "%20llu-byte blocks%n", &size, &end) != 1 || !end || text[end])
		return false;
	*ret = size;
	return true;
}

/* One type by its name; of a size class that is left without one the size. */
static struct ch_error *parse_whole_type(struct ch_heaps *heaps, const char *text,
					 struct ch_parsed_filter *ret)
{
	struct ch_error *err = parse_type(heaps, text, false, &ret->types);
	uint64_t size;

	if (!is_size_class(err, text, &size))
		return err;
	ch_error_destroy(err);
	ret->filter.min_bytes = ret->filter.max_bytes = size;
	ret->filter.states = 1U << CH_OBJECT_USED;
	return NULL;
}

static struct ch_error *parse_sizes(const struct ch_filter_options *options,
				    struct ch_object_filter *ret)
{
	ret->min_bytes = options->size_bytes ? options->size_bytes : options->min_bytes;
	ret->max_bytes = options->size_bytes ? options->size_bytes : options->max_bytes;
	if (options->size_bytes && (options->min_bytes || options->max_bytes))
		return ch_error_create(CH_ERROR_ARG, "--size cannot be combined with bounds");
	if (ret->max_bytes && ret->max_bytes < ret->min_bytes)
		return ch_error_create(CH_ERROR_ARG,
				       "the smallest size asked for is above the largest");
	return NULL;
}

/* Used blocks on the side that was asked for. */
static void keep_reach(const void *arg, const struct ch_object *objects, size_t n, bool *ret)
{
	const struct ch_parsed_filter *parsed = arg;

	chp_held_select(parsed->graph, parsed->leaks, parsed->live, objects, n, ret);
}

/* ret stays where it is: the filter points at it. */
static struct ch_error *find_reach(struct ch_session *session,
				   const struct ch_filter_options *options,
				   struct ch_parsed_filter *ret)
{
	struct ch_error *err;

	if (!options->live && !options->dead)
		return NULL;
	if (options->live && options->dead)
		return ch_error_create(CH_ERROR_ARG, "--live and --dead: only one of them");
	err = ch_graph_create(session, NULL, &ret->graph);
	if (!err)
		err = chp_held_find(ret->graph, &ret->leaks);
	ret->live = options->live;
	ret->filter.keep = keep_reach;
	ret->filter.keep_arg = ret;
	return err;
}

bool chp_filter_options_any(const struct ch_filter_options *options)
{
	return options->state || options->heap || options->generation || options->type ||
	       options->type_part || options->type_id || options->min_bytes || options->max_bytes ||
	       options->size_bytes || options->live || options->dead;
}

struct ch_error *chp_filter_parse(struct ch_session *session, struct ch_heaps *heaps,
				  const struct ch_filter_options *options, uint32_t states,
				  struct ch_parsed_filter *ret)
{
	struct ch_error *err;

	*ret = (struct ch_parsed_filter){ .types = CH_VEC(struct ch_type_stat) };
	ret->filter.states = states;
	err = parse_sizes(options, &ret->filter);
	if (!err && options->state)
		err = parse_state(options->state, &ret->filter.states);
	if (!err && options->range)
		err = chp_parse_range(session, options->range, &ret->filter.start,
				      &ret->filter.end);
	if (!err)
		err = parse_heaps(heaps, options, ret);
	if (!err && options->type && options->type_holds)
		err = parse_type(heaps, options->type, true, &ret->types);
	else if (!err && options->type)
		err = parse_whole_type(heaps, options->type, ret);
	if (!err && options->type_id)
		err = parse_type(heaps, options->type_id, false, &ret->types);
	if (!err && options->type_part)
		err = parse_type(heaps, options->type_part, true, &ret->types);
	if (!err)
		err = find_reach(session, options, ret);
	/* All states is no filter: the sums are those of the heaps. */
	if (ret->filter.states == 7)
		ret->filter.states = 0;
	ret->filter.types = ret->types.items;
	ret->filter.types_count = ret->types.count;
	return err;
}

struct ch_error *chp_parse_order(const char *text, enum ch_order *ret)
{
	static const char *const words[] = {
		[CH_ORDER_BYTES] = "bytes",
		[CH_ORDER_COUNT] = "count",
		[CH_ORDER_NAME] = "name",
	};
	size_t i;

	*ret = CH_ORDER_BYTES;
	for (i = 0; text && i < CH_COUNT_OF(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*ret = (enum ch_order)i;
		return NULL;
	}
	return text ? ch_error_create(CH_ERROR_ARG, "--sort: '%s' is not one of bytes, count, name",
				      text)
		    : NULL;
}

struct ch_error *chp_filter_parse_used(struct ch_session *session,
				       const struct ch_filter_options *options,
				       struct ch_parsed_filter *ret,
				       const struct ch_object_filter **filter_ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;

	*ret = (struct ch_parsed_filter){ .types = CH_VEC(struct ch_type_stat) };
	*filter_ret = NULL;
	if (!options->range && !chp_filter_options_any(options))
		return NULL;
	err = chp_session_named_heaps(session, &heaps);
	if (!err)
		err = chp_filter_parse(session, heaps, options, 1U << CH_OBJECT_USED, ret);
	if (!err)
		*filter_ret = &ret->filter;
	return err;
}

void chp_filter_deinit(struct ch_parsed_filter *parsed)
{
	ch_vec_deinit(&parsed->types);
	free(parsed->heaps);
	ch_leaks_destroy(parsed->leaks);
	ch_graph_destroy(parsed->graph);
}
