/*
 * Used blocks by who says what they are, by the module that says it, or by what holds them, and the
 * line that sums it up.
 */
#include "report/type_groups.h"

#include <inttypes.h>
#include <stdlib.h>

#include "util/number.h"
#include "util/text.h"

struct result {
	const struct ch_type_groups *of;
	struct ch_listing *groups;
};

#define ROW(member)    CH_AT(struct ch_type_group, member)
#define NAMED(member)  CH_AT(struct ch_type_groups, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_cell basis_of(const void *row)
{
	const struct ch_type_group *group = row;

	return CH_CELL_STR(group->named ? ch_basis_name(group->basis) : NULL);
}

/* By what they are made, and the head of the column of names. */
static const struct {
	const char *word, *head;
} kinds[] = { [CH_GROUP_BASIS] = { "basis", "NAMED BY" },
	      [CH_GROUP_MODULE] = { "module", "MODULE" },
	      [CH_GROUP_HOLDER] = { "holder", "HELD BY" },
	      [CH_GROUP_PURPOSE] = { "purpose", "PURPOSE" } };

static struct ch_cell by_of(const void *result)
{
	const struct ch_type_groups *groups = ((const struct result *)result)->of;

	return CH_CELL_STR(kinds[groups->by].word);
}

static const struct ch_field_spec row_fields[] = {
	{ "name", NULL, CH_CELL_TEXT,
	  "Who says so (runtime, pool, or a provider of names), the module, the variable or "
	  "named block that holds them, or what their program has them for; null where there is "
	  "none.",
	  ROW(name), .flags = CH_FIELD_OPTIONAL },
	{ NULL, "NAMED BY", CH_CELL_TEXT, NULL, ROW(title) },
	{ "named", NULL, CH_CELL_BOOL, "These blocks have names.", ROW(named) },
	{ "basis", "BASIS", CH_CELL_SAFE, "The weakest that a name of these rests on.",
	  .get = basis_of, .ref = "basis", .flags = CH_FIELD_OPTIONAL },
	{ "types_count", "TYPES", CH_CELL_COUNT, "Types of them.", ROW(types_count) },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", ROW(count) },
	{ "total_bytes", "USED", CH_CELL_BYTES, "What they take in the heap.", ROW(bytes) },
	{ "percent_of_used", "SHARE", CH_CELL_PERCENT, "Of all used bytes.", ROW(share) },
	CH_FIELDS_END,
};

static const struct ch_list groups_list = { .fields = row_fields,
					    CH_WEIGHT(struct ch_type_group, bytes) };

#define SUMS                                                                                       \
	{ "used_count", NULL, CH_CELL_COUNT, "Used blocks but the allocators' own.",               \
	  NAMED(used_count) },                                                                     \
		{ "used_bytes", NULL, CH_CELL_BYTES, "What they take in the heaps.",               \
		  NAMED(used_bytes) },                                                             \
		{ "named_count", NULL, CH_CELL_COUNT, "Those of them that have a name.",           \
		  NAMED(named_count) },                                                            \
		{ "named_bytes", NULL, CH_CELL_BYTES, "What those take.", NAMED(named_bytes) },    \
	{                                                                                          \
		"conflicts_count", NULL, CH_CELL_COUNT,                                            \
			"Blocks that two providers name alike well and differently: the first "    \
			"name is shown.",                                                          \
			NAMED(conflicts_count)                                                     \
	}

static const struct ch_field_spec sums_fields[] = { SUMS, CH_FIELDS_END };

const struct ch_field_spec chp_named_fields[] = {
	SUMS,
	{ "groups", NULL, CH_CELL_ROWS, "By who named them, most bytes first.", NAMED(rows),
	  .fields = row_fields, .flags = CH_FIELD_VEC },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "by", NULL, CH_CELL_SAFE, "What makes a group.", .get = by_of,
	  .words = "basis|module|holder|purpose" },
	{ NULL, NULL, CH_CELL_OBJECT, NULL, RESULT(of), .fields = sums_fields,
	  .flags = CH_FIELD_FLAT | CH_FIELD_POINTED },
	CH_FIELDS_COUNTED(struct result, groups),
	{ "groups", NULL, CH_CELL_LIST, "Most bytes first, what is not named last.", RESULT(groups),
	  .list = &groups_list },
	CH_FIELDS_END,
};

/* What is left, and where it is shown. */
static void print_total(const struct ch_report *report, const void *result)
{
	const struct ch_type_groups *groups = ((const struct result *)result)->of;
	char named[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX];

	fprintf(report->out, "named: %s of %s used bytes\n",
		chp_count_text(groups->named_bytes, named),
		chp_count_text(groups->used_bytes, used));
	if (groups->conflicts_count)
		fprintf(report->out, "%s blocks have two names of equal worth\n",
			chp_count_text(groups->conflicts_count, count));
	if (groups->named_bytes < groups->used_bytes)
		fputs("sizes of what is not named: coreheap types; of all blocks: types --by "
		      "size\n",
		      report->out);
}

const struct ch_document ch_document_groups = {
	.name = "groups",
	.title = "Used blocks by who says what they are, by module, by what holds them, or by "
		 "purpose",
	.fields = fields,
	.tail = print_total,
};

struct ch_error *chp_report_type_groups(const struct ch_report *report,
					const struct ch_type_groups *groups)
{
	struct result result = { groups, chp_listing_create(report, &groups_list) };
	struct ch_error *err = result.groups ? NULL : &ch_enomem;
	size_t i;

	if (!err && groups->by != CH_GROUP_BASIS)
		chp_listing_rename(result.groups, "NAMED BY", kinds[groups->by].head);
	for (i = 0; !err && i < groups->rows.count; i++)
		err = chp_listing_row(result.groups,
				      CH_VEC_AT(&groups->rows, struct ch_type_group, i));
	if (!err)
		err = chp_document_print(report, &ch_document_groups, &result);
	chp_listing_destroy(result.groups);
	return err;
}

/* ---- In one line ----------------------------------------------------------------------- */

/* A share in whole percent; small ones by what they are rounded to. */
static void put_share(FILE *out, const char *before, const struct ch_type_group *group)
{
	fprintf(out, "%s%s ", before, group->name);
	if (group->share >= 100)
		fprintf(out, "%" PRIu64, (group->share + 50) / 100);
	else if (group->share >= 10)
		fprintf(out, "0.%" PRIu64, group->share / 10);
	else
		fputs("< 0.1", out);
}

char *chp_named_text(const struct ch_type_groups *groups)
{
	uint64_t share = chp_percent(groups->named_bytes, groups->used_bytes);
	const struct ch_type_group *group;
	const char *before = " (";
	char *text = NULL;
	size_t size = 0, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	/* all of it is what nothing is left of */
	if (groups->named_bytes < groups->used_bytes && share >= 9995)
		share = 9990;
	fprintf(out, "%" PRIu64 ".%" PRIu64 " %% of used bytes", (share + 5) / 100,
		(share + 5) / 10 % 10);
	for (i = 0; i < groups->rows.count; i++) {
		group = CH_VEC_AT(&groups->rows, struct ch_type_group, i);
		if (!group->named)
			continue;
		put_share(out, before, group);
		before = ", ";
	}
	if (before[0] == ',')
		fputc(')', out);
	return chp_text_end(out, &text);
}
