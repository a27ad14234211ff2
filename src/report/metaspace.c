/*
 * What a runtime has for its classes, by chunks: as jcmd's VM.metaspace counts them.
 */
#include "report/metaspace.h"

#include "util/cleanup.h"

static const char *const names[] = {
	[CH_METASPACE_NON_CLASS] = "non-class",
	[CH_METASPACE_CLASS] = "class space",
};

/* Both parts as one. */
static struct ch_metaspace_part sum_of(const struct ch_metaspace *metaspace)
{
	struct ch_metaspace_part sum = { 0 };
	const struct ch_metaspace_part *part;
	int id;

	for (id = 0; id < CH_METASPACES; id++) {
		part = &metaspace->parts[id];
		sum.reserved_bytes += part->reserved_bytes;
		sum.committed_bytes += part->committed_bytes;
		ch_metachunks_add(&sum.used, &part->used);
		sum.free_count += part->free_count;
		sum.free_capacity_bytes += part->free_capacity_bytes;
		sum.free_committed_bytes += part->free_committed_bytes;
	}
	return sum;
}

static json_t *part_json(const char *name, const struct ch_metaspace_part *part)
{
	const struct ch_metachunks *used = &part->used;

	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		name, "reserved_bytes", chp_json_uint(part->reserved_bytes), "committed_bytes",
		chp_json_uint(part->committed_bytes), "chunks_count", chp_json_uint(used->count),
		"chunks_capacity_bytes", chp_json_uint(used->capacity_bytes),
		"chunks_committed_bytes", chp_json_uint(used->committed_bytes), "used_bytes",
		chp_json_uint(used->used_bytes), "free_bytes", chp_json_uint(used->free_bytes),
		"waste_bytes", chp_json_uint(used->waste_bytes), "deallocated_count",
		chp_json_uint(used->deallocated_count), "deallocated_bytes",
		chp_json_uint(used->deallocated_bytes), "free_chunks_count",
		chp_json_uint(part->free_count), "free_chunks_capacity_bytes",
		chp_json_uint(part->free_capacity_bytes), "free_chunks_committed_bytes",
		chp_json_uint(part->free_committed_bytes));
}

json_t *chp_json_metaspace(const struct ch_runtime *runtimes, const struct ch_metaspace *metaspace)
{
	struct ch_metaspace_part total;
	json_t *array;
	int id;

	if (!metaspace)
		return json_null();
	array = json_array();
	for (id = 0; id < CH_METASPACES; id++)
		chp_json_append_take(&array, part_json(names[id], &metaspace->parts[id]));
	total = sum_of(metaspace);
	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "runtime",
			 runtimes[metaspace->walker].name, "complete", (int)metaspace->complete,
			 "loaders_count", chp_json_uint(metaspace->loaders_count),
			 "unread_loaders_count", chp_json_uint(metaspace->unread_count), "total",
			 part_json("total", &total), "parts", array);
}

static struct ch_error *add_part(struct ch_table *table, const char *name,
				 const struct ch_metaspace_part *part)
{
	const struct ch_cell cells[] = {
		CH_CELL_STR(name),
		CH_CELL_NUM(part->reserved_bytes),
		CH_CELL_NUM(part->committed_bytes),
		CH_CELL_NUM(part->used.count),
		CH_CELL_NUM(part->used.committed_bytes),
		CH_CELL_NUM(part->used.used_bytes),
		CH_CELL_NUM(part->used.free_bytes),
		CH_CELL_NUM(part->used.waste_bytes),
		CH_CELL_NUM(part->free_committed_bytes),
	};

	return chp_table_row(table, cells);
}

struct ch_error *chp_print_metaspace(const struct ch_report *report,
				     const struct ch_metaspace *metaspace)
{
	static const struct ch_column columns[] = {
		{ "PART", CH_CELL_TEXT },         { "RESERVED", CH_CELL_COUNT },
		{ "COMMITTED", CH_CELL_COUNT },   { "CHUNKS", CH_CELL_COUNT },
		{ "IN CHUNKS", CH_CELL_COUNT },   { "USED", CH_CELL_COUNT },
		{ "FREE", CH_CELL_COUNT },        { "WASTE", CH_CELL_COUNT },
		{ "FREE CHUNKS", CH_CELL_COUNT },
	};
	struct ch_metaspace_part total;
	struct ch_error *err = NULL;
	struct ch_table *table;
	int id;

	if (!metaspace)
		return NULL;
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	total = sum_of(metaspace);
	/* without compressed class pointers all is in one */
	for (id = 0; !err && id < CH_METASPACES; id++)
		if (metaspace->parts[id].reserved_bytes || metaspace->parts[id].used.count)
			err = add_part(table, names[id], &metaspace->parts[id]);
	if (!err)
		err = add_part(table, "total", &total);
	if (!err) {
		chp_report_heading(report, "metaspace: chunks of class loaders", false);
		chp_report_count_field(report, "loaders", metaspace->loaders_count);
		if (metaspace->unread_count)
			chp_report_count_field(report, "loaders that could not be read",
					       metaspace->unread_count);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}
