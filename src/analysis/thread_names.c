/*
 * Names of threads that are alike: digits are left out, and names that are then equal are one.
 */
#include "analysis/thread_names.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"

static int compare_patterns(const void *a, const void *b)
{
	return strcmp(((const struct ch_thread_names *)a)->pattern,
		      ((const struct ch_thread_names *)b)->pattern);
}

static int compare_counts(const void *a, const void *b)
{
	const struct ch_thread_names *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->pattern, y->pattern);
}

/* Equal ones are neighbours: one of each stays. */
static void unite(struct ch_thread_group *group)
{
	struct ch_thread_names *names = group->names;
	size_t i, kept = 0;

	for (i = 0; i < group->names_count; i++) {
		if (kept && strcmp(names[kept - 1].pattern, names[i].pattern) == 0) {
			names[kept - 1].count++;
			free(names[i].pattern);
		} else {
			names[kept++] = names[i];
		}
	}
	group->names_count = kept;
}

struct ch_error *chp_thread_names_make(const struct ch_thread_row *rows, const size_t *members,
				       struct ch_thread_group *group)
{
	const struct ch_thread_row *row;
	struct ch_thread_names *slot;
	size_t i;

	group->names = calloc(group->count + 1, sizeof(*group->names));
	if (!group->names)
		return &ch_enomem;
	for (i = 0; i < group->count; i++) {
		row = &rows[members[i]];
		if (!row->name)
			continue;
		slot = &group->names[group->names_count];
		slot->pattern = chp_text_pattern(row->name);
		if (!slot->pattern)
			return &ch_enomem;
		slot->count = 1;
		group->names_count++;
	}
	qsort(group->names, group->names_count, sizeof(*group->names), compare_patterns);
	unite(group);
	qsort(group->names, group->names_count, sizeof(*group->names), compare_counts);
	return NULL;
}

void chp_thread_names_free(struct ch_thread_group *group)
{
	size_t i;

	for (i = 0; i < group->names_count; i++)
		free(group->names[i].pattern);
	free(group->names);
}
