/*
 * What a runtime has for its classes, by chunks: as jcmd's VM.metaspace counts them.
 */
#include "report/metaspace.h"

#include "render/document.h"
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

struct part_row {
	const char *name;
	struct ch_metaspace_part of;
};

struct row {
	const char *runtime;
	bool complete;
	uint64_t loaders_count, unread_count;
	struct part_row total;
	struct part_row part_rows[CH_METASPACES];
	struct ch_rows parts;
};

#define PART(member) CH_AT(struct part_row, member)
#define ROW(member)  CH_AT(struct row, member)

static const struct ch_field_spec part_fields[] = {
	{ "name", "PART", CH_CELL_SAFE, "Which part.", PART(name),
	  .words = "total|non-class|class space" },
	{ "reserved_bytes", "RESERVED", CH_CELL_COUNT, "Reserved for it.",
	  PART(of.reserved_bytes) },
	{ "committed_bytes", "COMMITTED", CH_CELL_COUNT, "Committed of that.",
	  PART(of.committed_bytes) },
	{ "chunks_count", "CHUNKS", CH_CELL_COUNT, "Chunks of class loaders.",
	  PART(of.used.count) },
	{ "chunks_capacity_bytes", NULL, CH_CELL_BYTES, "Size of these.",
	  PART(of.used.capacity_bytes) },
	{ "chunks_committed_bytes", "IN CHUNKS", CH_CELL_COUNT, "Committed of that.",
	  PART(of.used.committed_bytes) },
	{ "used_bytes", "USED", CH_CELL_COUNT, "What classes take.", PART(of.used.used_bytes) },
	{ "free_bytes", "FREE", CH_CELL_COUNT, "What is left in chunks.",
	  PART(of.used.free_bytes) },
	{ "waste_bytes", "WASTE", CH_CELL_COUNT, "What is lost at the ends of chunks.",
	  PART(of.used.waste_bytes) },
	{ "deallocated_count", NULL, CH_CELL_COUNT, "Pieces that were given back.",
	  PART(of.used.deallocated_count) },
	{ "deallocated_bytes", NULL, CH_CELL_BYTES, "Their size.",
	  PART(of.used.deallocated_bytes) },
	{ "free_chunks_count", NULL, CH_CELL_COUNT, "Chunks that nobody has.",
	  PART(of.free_count) },
	{ "free_chunks_capacity_bytes", NULL, CH_CELL_BYTES, "Size of these.",
	  PART(of.free_capacity_bytes) },
	{ "free_chunks_committed_bytes", "FREE CHUNKS", CH_CELL_COUNT, "Committed of that.",
	  PART(of.free_committed_bytes) },
	CH_FIELDS_END,
};

const struct ch_field_spec chp_metaspace_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Whose it is.", ROW(runtime) },
	{ "complete", NULL, CH_CELL_BOOL, "Whether all of it was read.", ROW(complete) },
	{ "loaders_count", NULL, CH_CELL_COUNT, "Class loaders.", ROW(loaders_count) },
	{ "unread_loaders_count", NULL, CH_CELL_COUNT, "Those that could not be read.",
	  ROW(unread_count) },
	{ "total", NULL, CH_CELL_OBJECT, "Both parts.", ROW(total), .fields = part_fields },
	{ "parts", NULL, CH_CELL_ROWS, "Each part.", ROW(parts), .fields = part_fields },
	CH_FIELDS_END,
};

static void fill(struct row *row, const struct ch_metaspace *of)
{
	int id;

	row->complete = of->complete;
	row->loaders_count = of->loaders_count;
	row->unread_count = of->unread_count;
	row->total = (struct part_row){ "total", sum_of(of) };
	for (id = 0; id < CH_METASPACES; id++)
		row->part_rows[id] = (struct part_row){ names[id], of->parts[id] };
	row->parts = CH_ROWS(row->part_rows, CH_METASPACES);
}

json_t *chp_json_metaspace(const struct ch_runtime *runtimes, const struct ch_metaspace *metaspace)
{
	struct row row;

	if (!metaspace)
		return json_null();
	fill(&row, metaspace);
	row.runtime = runtimes[metaspace->walker].name;
	return chp_fields_json(NULL, chp_metaspace_fields, &row);
}

struct ch_error *chp_print_metaspace(const struct ch_report *report,
				     const struct ch_metaspace *metaspace)
{
	static const struct ch_list list = { .fields = part_fields };
	struct part_row rows[CH_METASPACES + 1];
	struct row all;
	size_t count = 0;
	int id;

	if (!metaspace)
		return NULL;
	fill(&all, metaspace);
	/* without compressed class pointers all is in one */
	for (id = 0; id < CH_METASPACES; id++)
		if (metaspace->parts[id].reserved_bytes || metaspace->parts[id].used.count)
			rows[count++] = all.part_rows[id];
	rows[count++] = all.total;
	chp_report_heading(report, "metaspace: chunks of class loaders", false);
	chp_report_count_field(report, "loaders", metaspace->loaders_count);
	if (metaspace->unread_count)
		chp_report_count_field(report, "loaders that could not be read",
				       metaspace->unread_count);
	return chp_rows_print(report, &list, CH_ROWS(rows, count), 0);
}
