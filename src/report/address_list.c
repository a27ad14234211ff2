/*
 * Regions and segments one by one.
 */
#include <inttypes.h>
#include <string.h>

#include "render/document.h"
#include "report/address.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATH_BYTES_MAX 4096

/* ---- Regions ------------------------------------------------------------------ */

struct row {
	struct ch_region of;
	uint64_t total_bytes;
	const char *usage, *windbg_usage, *state, *native_protect, *basis;
	/* NULL of free memory; reason: also where nothing is missing. */
	const char *type, *protect, *reason;
	bool is_mapped, guard, has_backing, is_counted;
};

#define ROW(member) CH_AT(struct row, member)
#define PROTECT_WORDS                                                                              \
	"PAGE_NOACCESS|PAGE_READONLY|PAGE_READWRITE|PAGE_WRITECOPY|PAGE_EXECUTE|PAGE_EXECUTE_"     \
	"READ|PAGE_EXECUTE_READWRITE|PAGE_EXECUTE_WRITECOPY|unknown"

const struct ch_field_spec chp_region_fields[] = {
	{ "addr", "START", CH_CELL_ADDR, "Where it begins.", ROW(of.start) },
	{ "end", "END", CH_CELL_ADDR, "Behind its last byte.", ROW(of.end) },
	{ "total_bytes", "SIZE", CH_CELL_BYTES, "Its size.", ROW(total_bytes) },
	{ "in_core_bytes", NULL, CH_CELL_BYTES, "What of it is in the core.",
	  ROW(of.in_core_bytes) },
	{ NULL, "IN CORE", CH_CELL_BYTES, NULL, ROW(of.in_core_bytes),
	  CH_KNOWN(struct row, is_mapped) },
	{ "usage", "USAGE", CH_CELL_SAFE, "What it is for.", ROW(usage), .ref = "usage" },
	{ "windbg_usage", NULL, CH_CELL_SAFE, "The same in WinDbg's words.", ROW(windbg_usage) },
	{ "type", "TYPE", CH_CELL_SAFE, "What is behind it; null of free memory.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL, .words = "MEM_IMAGE|MEM_MAPPED|MEM_PRIVATE" },
	{ "state", "STATE", CH_CELL_SAFE, "Whether it is mapped.", ROW(state),
	  .words = "MEM_FREE|MEM_RESERVE|MEM_COMMIT" },
	{ "protect", NULL, CH_CELL_SAFE, "Its rights in WinDbg's words.", ROW(protect),
	  .flags = CH_FIELD_OPTIONAL, .words = PROTECT_WORDS },
	{ "native_protect", "PROTECT", CH_CELL_SAFE, "Its rights, as /proc/PID/maps has them.",
	  ROW(native_protect), .flags = CH_FIELD_OPTIONAL,
	  .pattern = "^([r-][w-][x-]|\\?\\?\\?)[ps]\\??$" },
	{ "guard", NULL, CH_CELL_BOOL, "Whether it guards a stack.", ROW(guard) },
	{ "backing", "BACKING", CH_CELL_TEXT, "The file behind it.", ROW(of.backing),
	  .flags = CH_FIELD_OPTIONAL, .column = 2 },
	{ "backing_offset", NULL, CH_CELL_COUNT, "Where in the file it begins.",
	  ROW(of.backing_off), CH_KNOWN(struct row, has_backing) },
	{ "owner", "OWNER", CH_CELL_TEXT, "Whose it is: a thread, a module, a heap.", ROW(of.owner),
	  .flags = CH_FIELD_OPTIONAL, .column = 1 },
	{ "basis", "BASIS", CH_CELL_SAFE, "What the usage rests on.", ROW(basis), .ref = "basis" },
	{ "missing_reason", NULL, CH_CELL_SAFE, "Why bytes of it are not in the core.", ROW(reason),
	  .flags = CH_FIELD_OPTIONAL, .ref = "missing" },
	{ "touched_bytes", "TOUCHED", CH_CELL_BYTES, "Bytes on pages that are not all zeros.",
	  ROW(of.touched_bytes), CH_KNOWN_LATER(struct row, is_counted), .column = 3 },
	CH_FIELDS_END,
};

const struct ch_list chp_regions_list = { .fields = chp_region_fields,
					  .stream = true,
					  CH_WEIGHT(struct row, total_bytes) };

static void fill_row(struct row *row, const struct ch_region *region)
{
	bool mapped = region->state != CH_STATE_FREE;
	uint64_t bytes = region->end - region->start;
	bool missing = mapped && region->in_core_bytes + region->lost_bytes < bytes;

	*row = (struct row){
		.of = *region,
		.total_bytes = bytes,
		.usage = ch_usage_name(region->usage),
		.windbg_usage = ch_usage_windbg_name(region->usage),
		.state = ch_state_name(region->state),
		.native_protect = ch_region_native_protect(region),
		.basis = ch_basis_name(region->basis),
		.type = mapped ? ch_memtype_name(region->type) : NULL,
		.protect = mapped ? ch_protect_name(ch_region_protect(region, false)) : NULL,
		.reason = missing ? ch_missing_name(ch_region_missing(region)) : NULL,
		.is_mapped = mapped,
		.guard = region->flags & CH_REGION_GUARD,
		.has_backing = region->backing != NULL,
		.is_counted = mapped && region->flags & CH_REGION_COUNTED,
	};
	if (!missing && region->lost_bytes)
		row->reason = ch_missing_name(CH_MISSING_TRUNCATED);
}

json_t *chp_json_region(const struct ch_region *region)
{
	struct row row;

	fill_row(&row, region);
	return chp_fields_json(NULL, chp_region_fields, &row);
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

static struct ch_error *print_csv_row(FILE *out, const struct ch_field_spec *const *columns,
				      const void *row)
{
	struct ch_error *err = NULL;
	struct ch_cell cell;
	size_t i;

	for (i = 0; !err && columns[i]; i++) {
		if (i)
			fputc(',', out);
		cell = chp_field_cell(columns[i], row);
		if (cell.absent)
			continue;
		if (columns[i]->kind == CH_CELL_ADDR)
			fprintf(out, "0x%" PRIx64, cell.number);
		else if (columns[i]->kind == CH_CELL_BYTES)
			fprintf(out, "%" PRIu64, cell.number);
		else
			err = print_csv_text(out, cell.text);
	}
	fputs("\r\n", out);
	return err;
}

static struct ch_error *print_csv(FILE *out, const struct ch_address *address, uint64_t rows)
{
	const struct ch_field_spec *columns[CH_COLUMNS_MAX + 1];
	struct ch_error *err = NULL;
	struct row row;
	uint64_t i;

	chp_fields_columns(chp_region_fields, columns);
	for (i = 0; columns[i]; i++)
		fprintf(out, "%s%s", i ? "," : "", columns[i]->title);
	fputs("\r\n", out);
	for (i = 0; !err && i < rows; i++) {
		fill_row(&row, address->regions[i]);
		err = print_csv_row(out, columns, &row);
	}
	return err;
}

struct ch_error *chp_put_regions(struct ch_listing *listing, const struct ch_report *report,
				 const struct ch_address *address)
{
	struct ch_error *err = NULL;
	struct row row;
	uint64_t rows = chp_report_rows(report, address->regions_count), i;

	for (i = 0; !err && i < rows; i++) {
		fill_row(&row, address->regions[i]);
		err = chp_listing_row(listing, &row);
	}
	chp_listing_total(listing, address->regions_count, address->regions_bytes);
	return err;
}

struct ch_error *chp_address_list(const struct ch_report *report, const struct ch_address *address,
				  struct ch_listing *regions)
{
	uint64_t rows = chp_report_rows(report, address->regions_count), i;

	switch (address->list) {
	case CH_ADDRESS_LIST_CSV:
		return print_csv(report->out, address, rows);
	case CH_ADDRESS_LIST_BARE:
		for (i = 0; i < rows; i++)
			fprintf(report->out, "0x%" PRIx64 "\n", address->regions[i]->start);
		return NULL;
	case CH_ADDRESS_LIST_TSV:
	case CH_ADDRESS_LIST_TABLE:
		break;
	}
	chp_listing_print_rows(regions);
	return NULL;
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

struct segment_row {
	uint64_t index, start, end, total_bytes, recorded_bytes, present_bytes;
	char flags[4];
	const char *path;
};

#define SEGMENT(member) CH_AT(struct segment_row, member)

static const struct ch_field_spec segment_fields[] = {
	{ "index", "INDEX", CH_CELL_COUNT, "Number of its program header.", SEGMENT(index) },
	{ "addr", "START", CH_CELL_ADDR, "Where it begins.", SEGMENT(start) },
	{ "end", "END", CH_CELL_ADDR, "Behind its last byte.", SEGMENT(end) },
	{ "total_bytes", "SIZE", CH_CELL_BYTES, "Its size.", SEGMENT(total_bytes) },
	{ "recorded_bytes", "RECORDED", CH_CELL_BYTES, "What of it was written to the file.",
	  SEGMENT(recorded_bytes) },
	{ "in_core_bytes", "PRESENT", CH_CELL_BYTES, "What of that is still there.",
	  SEGMENT(present_bytes) },
	{ "flags", "FLAGS", CH_CELL_SAFE, "Its rights.", SEGMENT(flags), .flags = CH_FIELD_INSIDE,
	  .pattern = "^[r-][w-][x-]$" },
	{ "backing", "BACKING", CH_CELL_TEXT, "The file mapped where it begins.", SEGMENT(path),
	  .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

const struct ch_list chp_segments_list = { .fields = segment_fields,
					   CH_WEIGHT(struct segment_row, total_bytes) };

struct ch_error *chp_put_segments(struct ch_listing *listing, const struct ch_core *core)
{
	size_t count, files_count, next = 0, i;
	const struct ch_segment *segments = ch_core_segments(core, &count);
	const struct ch_file_map *files = ch_core_file_maps(core, &files_count);
	const struct ch_segment *of;
	struct ch_error *err = NULL;
	struct segment_row row;

	for (i = 0; !err && i < count; i++) {
		of = &segments[i];
		row = (struct segment_row){
			.index = of->phdr_index,
			.start = of->start,
			.end = of->end,
			.total_bytes = of->end - of->start,
			.recorded_bytes = of->recorded_end - of->start,
			.present_bytes = of->present_end - of->start,
			.path = path_of(files, files_count, &next, of->start),
		};
		flags_text(of->flags, row.flags);
		err = chp_listing_row(listing, &row);
	}
	return err;
}
