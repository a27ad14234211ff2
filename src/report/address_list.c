/*
 * Regions and segments one by one.
 */
#include <inttypes.h>
#include <string.h>

#include "report/address.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATH_BYTES_MAX 4096

static const struct ch_column region_columns[] = {
	{ "START", CH_CELL_ADDR },    { "END", CH_CELL_ADDR },     { "SIZE", CH_CELL_BYTES },
	{ "IN CORE", CH_CELL_BYTES }, { "USAGE", CH_CELL_TEXT },   { "TYPE", CH_CELL_TEXT },
	{ "STATE", CH_CELL_TEXT },    { "PROTECT", CH_CELL_TEXT }, { "BASIS", CH_CELL_TEXT },
	{ "OWNER", CH_CELL_TEXT },    { "BACKING", CH_CELL_TEXT }, { "TOUCHED", CH_CELL_BYTES },
};
#define REGION_COLUMNS CH_COUNT_OF(region_columns)

static void fill_cells(const struct ch_region *region, struct ch_cell cells[REGION_COLUMNS])
{
	bool free = region->state == CH_STATE_FREE;
	const struct ch_cell all[REGION_COLUMNS] = {
		CH_CELL_NUM(region->start),
		CH_CELL_NUM(region->end),
		CH_CELL_NUM(region->end - region->start),
		{ .number = region->in_core_bytes, .absent = free },
		{ .text = ch_usage_name(region->usage) },
		{ .text = free ? NULL : ch_memtype_name(region->type) },
		{ .text = ch_state_name(region->state) },
		{ .text = ch_region_native_protect(region) },
		{ .text = ch_basis_name(region->basis) },
		{ .text = region->owner },
		{ .text = region->backing },
		{ .number = region->touched_bytes,
		  .absent = free || !(region->flags & CH_REGION_COUNTED) },
	};

	memcpy(cells, all, sizeof(all));
}

/* RFC 4180: quoted where a separator, a quote or a line end is inside. */
static struct ch_error *print_csv_text(FILE *out, const char *text)
{
	_cleanup_free_ char *safe = chp_text_escape(text, PATH_BYTES_MAX);
	const char *p;

	if (!text)
		return NULL;
	if (!safe)
		return &ch_enomem;
	if (!strpbrk(safe, ",\"\r\n")) {
		fputs(safe, out);
		return NULL;
	}
	fputc('"', out);
	for (p = safe; *p; p++) {
		if (*p == '"')
			fputc('"', out);
		fputc(*p, out);
	}
	fputc('"', out);
	return NULL;
}

static struct ch_error *print_csv_row(FILE *out, const struct ch_cell *cells)
{
	struct ch_error *err;
	size_t i;

	for (i = 0; i < REGION_COLUMNS; i++) {
		if (i)
			fputc(',', out);
		if (cells[i].absent)
			continue;
		if (region_columns[i].kind == CH_CELL_ADDR) {
			fprintf(out, "0x%" PRIx64, cells[i].number);
		} else if (region_columns[i].kind == CH_CELL_BYTES) {
			fprintf(out, "%" PRIu64, cells[i].number);
		} else {
			err = print_csv_text(out, cells[i].text);
			if (err)
				return err;
		}
	}
	fputs("\r\n", out);
	return NULL;
}

static struct ch_error *print_csv(FILE *out, const struct ch_address *address, uint64_t rows)
{
	struct ch_cell cells[REGION_COLUMNS];
	struct ch_error *err = NULL;
	uint64_t i;

	for (i = 0; i < REGION_COLUMNS; i++)
		fprintf(out, "%s%s", i ? "," : "", region_columns[i].title);
	fputs("\r\n", out);
	for (i = 0; !err && i < rows; i++) {
		fill_cells(address->regions[i], cells);
		err = print_csv_row(out, cells);
	}
	return err;
}

static struct ch_error *print_table(const struct ch_report *report,
				    const struct ch_address *address, uint64_t rows)
{
	struct ch_table *table = chp_table_create(region_columns, REGION_COLUMNS);
	struct ch_error *err = table ? NULL : &ch_enomem;
	struct ch_cell cells[REGION_COLUMNS];
	uint64_t i;

	for (i = 0; !err && i < rows; i++) {
		fill_cells(address->regions[i], cells);
		err = chp_table_row(table, cells);
	}
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

/* One record for each region, then what they add up to. */
static struct ch_error *print_records(const struct ch_report *report,
				      const struct ch_address *address, uint64_t rows)
{
	struct ch_error *err = NULL;
	uint64_t i;

	for (i = 0; !err && i < rows; i++)
		err = chp_json_print_take(report, chp_json_region(address->regions[i]));
	if (err)
		return err;
	return chp_json_print_take(
		report, json_pack("{s:o, s:o, s:o}", "showing_count", chp_json_uint(rows),
				  "matched_count", chp_json_uint(address->regions_count),
				  "matched_bytes", chp_json_uint(address->regions_bytes)));
}

struct ch_error *chp_address_list(const struct ch_report *report, const struct ch_address *address)
{
	uint64_t rows = chp_report_rows(report, address->regions_count), i;
	struct ch_report plain = *report;

	if (report->format == CH_FORMAT_JSONL)
		return print_records(report, address, rows);
	switch (address->list) {
	case CH_ADDRESS_LIST_CSV:
		return print_csv(report->out, address, rows);
	case CH_ADDRESS_LIST_BARE:
		for (i = 0; i < rows; i++)
			fprintf(report->out, "0x%" PRIx64 "\n", address->regions[i]->start);
		return NULL;
	case CH_ADDRESS_LIST_TSV:
		plain.format = CH_FORMAT_PLAIN;
		return print_table(&plain, address, rows);
	case CH_ADDRESS_LIST_TABLE:
		break;
	}
	return print_table(report, address, rows);
}

json_t *chp_json_region(const struct ch_region *region)
{
	bool free = region->state == CH_STATE_FREE;
	uint64_t bytes = region->end - region->start;
	bool missing = !free && region->in_core_bytes + region->lost_bytes < bytes;
	const char *reason = missing ? ch_missing_name(ch_region_missing(region)) : NULL;

	if (!missing && region->lost_bytes)
		reason = ch_missing_name(CH_MISSING_TRUNCATED);
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:s, s:s?, s:s, s:s?, s:s?, s:b, s:o, s:o, s:o, s:s, "
		"s:s?, s:o}",
		"addr", chp_json_addr(region->start), "end", chp_json_addr(region->end),
		"total_bytes", chp_json_uint(bytes), "in_core_bytes",
		chp_json_uint(region->in_core_bytes), "usage", ch_usage_name(region->usage),
		"windbg_usage", ch_usage_windbg_name(region->usage), "type",
		free ? NULL : ch_memtype_name(region->type), "state", ch_state_name(region->state),
		"protect", free ? NULL : ch_protect_name(ch_region_protect(region, false)),
		"native_protect", ch_region_native_protect(region), "guard",
		!!(region->flags & CH_REGION_GUARD), "backing", chp_json_text(region->backing),
		"backing_offset",
		region->backing ? chp_json_uint(region->backing_off) : json_null(), "owner",
		chp_json_text(region->owner), "basis", ch_basis_name(region->basis),
		"missing_reason", reason, "touched_bytes",
		!free && region->flags & CH_REGION_COUNTED ? chp_json_uint(region->touched_bytes)
							   : json_null());
}

/* ---- segments, as the file has them ---- */

static const char *flags_text(uint32_t flags, char buf[4])
{
	buf[0] = flags & CH_SEGMENT_READ ? 'r' : '-';
	buf[1] = flags & CH_SEGMENT_WRITE ? 'w' : '-';
	buf[2] = flags & CH_SEGMENT_EXEC ? 'x' : '-';
	buf[3] = '\0';
	return buf;
}

/* Path of the file mapping that holds a segment's start; both lists ascend. */
static const char *path_of(const struct ch_file_map *files, size_t count, size_t *next,
			   uint64_t addr)
{
	while (*next < count && files[*next].end <= addr)
		(*next)++;
	return *next < count && files[*next].start <= addr ? files[*next].path : NULL;
}

static struct ch_error *add_segments(struct ch_table *table, const struct ch_core *core,
				     uint64_t rows, uint64_t *shown_bytes_ret)
{
	size_t count, files_count, next = 0, i;
	const struct ch_segment *segments = ch_core_segments(core, &count);
	const struct ch_file_map *files = ch_core_file_maps(core, &files_count);
	struct ch_error *err = NULL;
	char flags[4];

	*shown_bytes_ret = 0;
	for (i = 0; !err && i < rows; i++) {
		const struct ch_segment *segment = &segments[i];
		const char *path = path_of(files, files_count, &next, segment->start);

		*shown_bytes_ret += segment->end - segment->start;
		err = chp_table_row(
			table,
			(struct ch_cell[]){ CH_CELL_NUM(segment->phdr_index),
					    CH_CELL_NUM(segment->start),
					    CH_CELL_NUM(segment->end),
					    CH_CELL_NUM(segment->end - segment->start),
					    CH_CELL_NUM(segment->recorded_end - segment->start),
					    CH_CELL_NUM(segment->present_end - segment->start),
					    { .text = flags_text(segment->flags, flags) },
					    { .text = path } });
	}
	return err;
}

struct ch_error *chp_address_segments(const struct ch_report *report)
{
	static const struct ch_column columns[] = {
		{ "INDEX", CH_CELL_COUNT },    { "START", CH_CELL_ADDR },
		{ "END", CH_CELL_ADDR },       { "SIZE", CH_CELL_BYTES },
		{ "RECORDED", CH_CELL_BYTES }, { "PRESENT", CH_CELL_BYTES },
		{ "FLAGS", CH_CELL_TEXT },     { "BACKING", CH_CELL_TEXT },
	};
	const struct ch_core *core = ch_session_core(report->session);
	uint64_t rows, shown_bytes;
	struct ch_table *table;
	struct ch_error *err;
	size_t count;

	ch_core_segments(core, &count);
	rows = chp_report_rows(report, count);
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	err = add_segments(table, core, rows, &shown_bytes);
	if (!err) {
		chp_table_print(table, report);
		chp_report_cut(report, rows, count, shown_bytes, ch_core_stats(core)->mapped_bytes);
	}
	chp_table_destroy(table);
	return err;
}

json_t *chp_json_segments(const struct ch_report *report)
{
	const struct ch_core *core = ch_session_core(report->session);
	size_t count, files_count, next = 0;
	const struct ch_segment *segments = ch_core_segments(core, &count);
	const struct ch_file_map *files = ch_core_file_maps(core, &files_count);
	uint64_t rows = chp_report_rows(report, count), i;
	json_t *array = json_array();
	char flags[4];

	for (i = 0; array && i < rows; i++) {
		const struct ch_segment *segment = &segments[i];

		chp_json_append_take(
			&array,
			json_pack(
				"{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "index",
				chp_json_uint(segment->phdr_index), "addr",
				chp_json_addr(segment->start), "end", chp_json_addr(segment->end),
				"total_bytes", chp_json_uint(segment->end - segment->start),
				"recorded_bytes",
				chp_json_uint(segment->recorded_end - segment->start),
				"in_core_bytes",
				chp_json_uint(segment->present_end - segment->start), "flags",
				flags_text(segment->flags, flags), "backing",
				chp_json_text(path_of(files, files_count, &next, segment->start))));
	}
	return array;
}
