/*
 * Used blocks by who says what they are, by the module that says it, or by the word that holds
 * them: sums over rows of types, so that no block is looked at twice.
 */
#include "analysis/type_groups.h"

#include <stdlib.h>
#include <string.h>

#include "heap/type_table.h"
#include "types/names.h"
#include "util/number.h"

/* What is not named is one group; equal names are one, too. */
static int compare_names(const void *a, const void *b)
{
	const struct ch_type_group *x = a, *y = b;

	if (x->named != y->named)
		return x->named ? -1 : 1;
	if (!x->name || !y->name)
		return !x->name - !y->name;
	return strcmp(x->name, y->name);
}

static int compare_bytes(const void *a, const void *b)
{
	const struct ch_type_group *x = a, *y = b;

	if (x->named == y->named && x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return compare_names(a, b);
}

struct ch_type_groups chp_type_groups(enum ch_group_by by)
{
	return (struct ch_type_groups){ .by = by,
					.rows = CH_VEC(struct ch_type_group),
					.made = CH_VEC(char *) };
}

/* "server+0x40" of "server+0x40 -> +0x8 -> 24-byte blocks". */
static struct ch_error *name_holder(struct ch_type_groups *groups, const struct ch_type *type,
				    struct ch_type_group *group)
{
	const char *end = strstr(type->name, " -> ");
	char **slot;

	group->title = "named otherwise";
	if (!end || strcmp(type->by, CH_TYPE_BY_HOLDER) != 0)
		return NULL;
	slot = ch_vec_push(&groups->made);
	if (slot)
		*slot = strndup(type->name, (size_t)(end - type->name));
	if (!slot || !*slot)
		return &ch_enomem;
	group->name = *slot;
	return NULL;
}

/* The group of a type. */
static struct ch_error *name_group(struct ch_type_groups *groups, const struct ch_type *type,
				   struct ch_type_group *group)
{
	struct ch_error *err = NULL;

	group->title = "not named";
	if (type->by && groups->by == CH_GROUP_MODULE) {
		group->title = "no module";
		group->name = type->module;
	} else if (type->by && groups->by == CH_GROUP_HOLDER) {
		err = name_holder(groups, type, group);
	} else if (type->by && groups->by == CH_GROUP_PURPOSE) {
		group->title = "named otherwise";
		group->name = type->purpose;
	} else if (type->by) {
		group->name = type->by;
	}
	if (group->name)
		group->title = group->name;
	return err;
}

struct ch_error *chp_type_groups_add(struct ch_type_groups *groups, struct ch_heaps *heaps,
				     const struct ch_type_stat *stat)
{
	struct ch_type_group *group;
	struct ch_error *err;
	struct ch_type type;

	if (stat->kind != CH_TYPE_OBJECT)
		return NULL;
	err = ch_heaps_type(heaps, stat->type, &type);
	if (err)
		return err;
	group = ch_vec_push(&groups->rows);
	if (!group)
		return &ch_enomem;
	*group = (struct ch_type_group){
		.named = type.by != NULL,
		.basis = type.basis,
		.types_count = 1,
		.count = stat->count,
		.bytes = stat->total_bytes,
	};
	groups->used_count += group->count;
	groups->used_bytes += group->bytes;
	groups->named_count += group->named ? group->count : 0;
	groups->named_bytes += group->named ? group->bytes : 0;
	groups->native_named =
		groups->native_named || (group->named && strcmp(type.by, CH_TYPE_BY_RUNTIME) != 0);
	return name_group(groups, &type, group);
}

/* Rows of one name become one. */
static void unite(struct ch_type_groups *groups)
{
	struct ch_type_group *rows = groups->rows.items;
	size_t i, kept = 0;

	ch_vec_sort(&groups->rows, compare_names);
	for (i = 1; i < groups->rows.count; i++) {
		if (compare_names(&rows[kept], &rows[i]) != 0) {
			rows[++kept] = rows[i];
			continue;
		}
		rows[kept].types_count += rows[i].types_count;
		rows[kept].count += rows[i].count;
		rows[kept].bytes += rows[i].bytes;
		if (rows[i].basis > rows[kept].basis)
			rows[kept].basis = rows[i].basis;
	}
	if (groups->rows.count)
		groups->rows.count = kept + 1;
	for (i = 0; i < groups->rows.count; i++)
		rows[i].share = chp_percent(rows[i].bytes, groups->used_bytes);
	ch_vec_sort(&groups->rows, compare_bytes);
}

void chp_type_groups_end(struct ch_type_groups *groups, struct ch_session *session)
{
	unite(groups);
	groups->conflicts_count = chp_session_names_conflicts(session);
}

struct ch_error *chp_type_groups_make(struct ch_session *session,
				      const struct ch_object_filter *filter, enum ch_group_by by,
				      struct ch_type_groups *ret)
{
	struct ch_vec stats = CH_VEC(struct ch_type_stat);
	struct ch_heaps *heaps;
	struct ch_error *err;
	size_t i;

	*ret = chp_type_groups(by);
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = chp_heaps_types_where(heaps, filter, &stats);
	for (i = 0; !err && i < stats.count; i++)
		err = chp_type_groups_add(ret, heaps, CH_VEC_AT(&stats, struct ch_type_stat, i));
	if (!err)
		chp_type_groups_end(ret, session);
	ch_vec_deinit(&stats);
	return err;
}

void chp_type_groups_deinit(struct ch_type_groups *groups)
{
	size_t i;

	for (i = 0; i < groups->made.count; i++)
		free(*CH_VEC_AT(&groups->made, char *, i));
	ch_vec_deinit(&groups->made);
	ch_vec_deinit(&groups->rows);
}
