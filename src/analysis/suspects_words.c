/*
 * The types of a suspect, as rows and as words: which of them are worth a row, "A, B and 3 more
 * types", "a String". Rules about holders and rules about blocks that are alike say it the same
 * way.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/suspects_graph.h"
#include "util/bytes.h"
#include "util/number.h"
#include "util/text.h"

/* A part of a holder's memory that is worth a word, and that is most of it. */
#define PART_PERCENT 5

struct ch_error *chp_suspect_types(const struct ch_looking *looking, const struct ch_vec *list,
				   uint64_t bytes, struct ch_suspect *suspect)
{
	const struct ch_held_type *types = list->items;
	struct ch_error *err = NULL;
	size_t i;

	suspect->types_total = list->count;
	for (i = 0; !err && i < list->count && suspect->types_count < CH_SUSPECT_TYPES; i++)
		if (!i || chp_percent(types[i].total_bytes, bytes) >= PART_PERCENT * 100)
			err = chp_suspect_type(looking->suspecting, suspect, types[i].type,
					       types[i].count, types[i].total_bytes);
	return err;
}

char *chp_suspect_one_of(const char *type)
{
	static const char suffix[] = " blocks";
	size_t len = strlen(type);
	char *text = NULL;

	if (len < sizeof(suffix) || strcmp(type + len - (sizeof(suffix) - 1), suffix) != 0)
		return strdup(type);
	return asprintf(&text, "a %.*s", (int)len - 1, type) < 0 ? NULL : text;
}

/* Whether a type before has the same words: blocks of one size that different places hold. */
static bool was_said(const struct ch_suspect *suspect, size_t number)
{
	size_t i;

	for (i = 0; i < number; i++)
		if (strcmp(suspect->types[i].words, suspect->types[number].words) == 0)
			return true;
	return false;
}

/* "A, B, C and 3 more types" */
char *chp_suspect_list_types(const struct ch_suspect *suspect)
{
	uint64_t more = suspect->types_total - ch_min(suspect->types_total, suspect->types_count);
	char *text = NULL;
	size_t i, size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < suspect->types_count; i++) {
		if (was_said(suspect, i))
			more++;
		else
			fprintf(out, "%s%s", i ? ", " : "", suspect->types[i].words);
	}
	if (more)
		fprintf(out, " and %" PRIu64 " more type%s", more, more == 1 ? "" : "s");
	return chp_text_end(out, &text);
}
