/*
 * Where the address space went, and what one address is.
 */
#include "report/address.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

#define PATH_BYTES_MAX 4096
#define BASIS_COUNT    (CH_BASIS_HEURISTIC + 1)

/* The weakest basis that any byte of a row rests on. */
static const char *weakest(const struct ch_map_sum *sum)
{
	size_t i;

	for (i = BASIS_COUNT; i-- > 0;)
		if (sum->basis_bytes[i])
			return ch_basis_name((enum ch_basis)i);
	return NULL;
}

/* "recorded", "recorded, heuristic": all that occur. */
static const char *basis_text(const struct ch_map_sum *sum, char buf[64])
{
	size_t i, used = 0;

	buf[0] = '\0';
	for (i = 0; i < BASIS_COUNT; i++)
		if (sum->basis_bytes[i])
			used += (size_t)snprintf(buf + used, 64 - used, "%s%s", used ? ", " : "",
						 ch_basis_name((enum ch_basis)i));
	return buf;
}

/* Why bytes are missing, in words. */
static const char *missing_text(enum ch_missing missing)
{
	static const char *const texts[CH_MISSING_COUNT] = {
		[CH_MISSING_TRUNCATED] =
			"written by the dumper, but cut off with the end of the file",
		[CH_MISSING_FILE] = "pages of files, left to the files",
		[CH_MISSING_NO_SEGMENT] = "file mappings that have no segment",
		[CH_MISSING_UNTOUCHED_OR_DONTDUMP] =
			"private memory never touched, or excluded by madvise",
		[CH_MISSING_SHARED] = "shared memory, left out by the dump filter",
		[CH_MISSING_KERNEL] = "memory of the kernel",
		[CH_MISSING_RESERVED] = "reserved address space, which has no contents",
	};

	return texts[missing];
}

static uint64_t missing_bytes(const struct ch_map_sums *sums)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < CH_MISSING_COUNT; i++)
		if (i != CH_MISSING_RESERVED)
			bytes += sums->missing_bytes[i];
	return bytes;
}

/* ---- fields ---- */

struct sum_row {
	const char *name, *native, *basis;
	/* All that occur. */
	char basis_text[64];
	bool known, has_busy, has_zero, has_zero_text, has_touched;
	uint64_t regions_count, total_bytes, in_core_bytes, zero_bytes, touched_bytes;
	uint64_t of_busy, of_total, of_touched;
};

struct largest_row {
	const char *name, *native;
	uint64_t addr, bytes;
};

struct missing_row {
	const char *reason, *why;
	uint64_t bytes;
};

struct sums {
	struct sum_row rows[CH_USAGE_COUNT];
	struct ch_rows list;
};

struct result {
	const struct ch_address *of;
	uint64_t total_bytes, busy_bytes, in_core_bytes, missing_bytes;
	uint64_t reserved_bytes, zero_bytes, touched_bytes;
	bool reserved_known, has_zero, has_touched, tables_filtered;
	const char *filter;
	struct sums usage, type, state, protect;
	struct largest_row largest_rows[CH_USAGE_COUNT];
	struct missing_row missing_rows[CH_MISSING_COUNT];
	struct ch_rows largest, missing, invariants;
	bool show_regions, show_segments;
	struct ch_listing *regions, *segments;
};

#define SUM(member)       CH_AT(struct sum_row, member)
#define LARGEST(member)   CH_AT(struct largest_row, member)
#define MISSING(member)   CH_AT(struct missing_row, member)
#define INVARIANT(member) CH_AT(struct ch_map_invariant, member)
#define RESULT(member)    CH_AT(struct result, member)

static const struct ch_field_spec space_fields[] = {
	{ "total_bytes", NULL, CH_CELL_BYTES, "All of it.", RESULT(total_bytes) },
	{ "busy_bytes", NULL, CH_CELL_BYTES, "What is mapped.", RESULT(busy_bytes) },
	{ "in_core_bytes", NULL, CH_CELL_BYTES, "What of it is in the core.",
	  RESULT(in_core_bytes) },
	{ "missing_bytes", NULL, CH_CELL_BYTES, "What of it is not, though it has contents.",
	  RESULT(missing_bytes) },
	{ "reserved_bytes", NULL, CH_CELL_BYTES, "Reserved: it has no contents.",
	  RESULT(reserved_bytes), CH_KNOWN(struct result, reserved_known) },
	{ "zero_page_bytes", NULL, CH_CELL_BYTES, "Pages that are all zeros.", RESULT(zero_bytes),
	  CH_KNOWN(struct result, has_zero) },
	{ "touched_bytes", NULL, CH_CELL_BYTES, "Pages that are not.", RESULT(touched_bytes),
	  CH_KNOWN_LATER(struct result, has_touched) },
	CH_FIELDS_END,
};

static struct ch_cell basis_of(const void *row)
{
	const struct sum_row *sum = row;

	return CH_CELL_STR(sum->known ? sum->basis_text : "not recorded by this dumper");
}

static const struct ch_field_spec sum_fields[] = {
	{ "name", "WINDBG", CH_CELL_SAFE, "WinDbg's name.", SUM(name), .column = 1 },
	{ "native_name", "NAME", CH_CELL_SAFE, "Our name.", SUM(native),
	  .flags = CH_FIELD_OPTIONAL },
	{ "regions_count", "REGIONS", CH_CELL_COUNT, "Regions.", SUM(regions_count),
	  CH_KNOWN(struct sum_row, known), .column = 2 },
	{ "total_bytes", "TOTAL SIZE", CH_CELL_BYTES, "Their size.", SUM(total_bytes),
	  CH_KNOWN(struct sum_row, known), .column = 2 },
	{ "in_core_bytes", NULL, CH_CELL_BYTES, "What of them is in the core.", SUM(in_core_bytes),
	  CH_KNOWN(struct sum_row, known) },
	{ "zero_page_bytes", NULL, CH_CELL_BYTES, "Pages that are all zeros.", SUM(zero_bytes),
	  CH_KNOWN(struct sum_row, has_zero) },
	{ "percent_of_busy", "%OF BUSY", CH_CELL_PERCENT, "Share in what is mapped.", SUM(of_busy),
	  CH_KNOWN(struct sum_row, has_busy), .column = 2 },
	{ "percent_of_total", "%OF TOTAL", CH_CELL_PERCENT, "Share in the address space.",
	  SUM(of_total), CH_KNOWN(struct sum_row, known), .column = 2 },
	{ NULL, "IN CORE", CH_CELL_BYTES, NULL, SUM(in_core_bytes),
	  CH_KNOWN(struct sum_row, has_busy), .column = 2 },
	{ "basis", NULL, CH_CELL_SAFE, "The weakest basis that any byte rests on.", SUM(basis),
	  .flags = CH_FIELD_OPTIONAL, .ref = "basis" },
	{ NULL, "BASIS", CH_CELL_SAFE, NULL, .get = basis_of, .column = 2 },
	{ "touched_bytes", "TOUCHED", CH_CELL_BYTES, "Pages that are not all zeros.",
	  SUM(touched_bytes), CH_KNOWN_LATER(struct sum_row, has_touched), .column = 2 },
	{ "percent_of_touched", NULL, CH_CELL_PERCENT, "Share in all touched bytes.",
	  SUM(of_touched), CH_KNOWN_LATER(struct sum_row, has_touched) },
	{ NULL, "ZERO PAGES", CH_CELL_BYTES, NULL, SUM(zero_bytes),
	  CH_KNOWN(struct sum_row, has_zero_text), .column = 2 },
	CH_FIELDS_END,
};

static const struct ch_field_spec largest_fields[] = {
	{ "name", "WINDBG", CH_CELL_SAFE, "WinDbg's name of the usage.", LARGEST(name),
	  .column = 1 },
	{ "native_name", "LARGEST BY USAGE", CH_CELL_SAFE, "Our name.", LARGEST(native),
	  .flags = CH_FIELD_OPTIONAL },
	{ "addr", "BASE ADDRESS", CH_CELL_ADDR, "Where its largest region begins.", LARGEST(addr),
	  .column = 2 },
	{ "total_bytes", "REGION SIZE", CH_CELL_BYTES, "Its size.", LARGEST(bytes), .column = 2 },
	CH_FIELDS_END,
};

static const struct ch_field_spec missing_fields[] = {
	{ "reason", "NOT IN THE CORE", CH_CELL_SAFE, "Why it is not in the core.", MISSING(reason),
	  .ref = "missing" },
	{ "total_bytes", "BYTES", CH_CELL_BYTES, "How much.", MISSING(bytes) },
	{ NULL, "WHY", CH_CELL_SAFE, NULL, MISSING(why) },
	CH_FIELDS_END,
};

static const struct ch_field_spec invariant_fields[] = {
	{ "name", NULL, CH_CELL_SAFE, "What has to be equal.", INVARIANT(name) },
	{ "ok", NULL, CH_CELL_BOOL, "Whether it is.", INVARIANT(ok) },
	{ "left", NULL, CH_CELL_COUNT, "One side.", INVARIANT(left) },
	{ "right", NULL, CH_CELL_COUNT, "The other side.", INVARIANT(right) },
	CH_FIELDS_END,
};

static json_t *outside_of(const struct ch_report *report, const void *result)
{
	const struct ch_region *vsyscall = ((const struct result *)result)->of->vsyscall;
	json_t *array = json_array();

	(void)report;
	if (vsyscall)
		chp_json_append_take(&array, chp_json_region(vsyscall));
	return array;
}

static const struct ch_field_spec fields[] = {
	{ "address_space", NULL, CH_CELL_OBJECT, "Sums over all regions.", CH_NOWHERE,
	  .fields = space_fields },
	{ "filter", NULL, CH_CELL_SAFE, "The filter, as it was given.", RESULT(filter),
	  .flags = CH_FIELD_OPTIONAL },
	{ "tables_filtered", NULL, CH_CELL_BOOL, "Whether tables are of what passes it.",
	  RESULT(tables_filtered) },
	{ "by_usage", NULL, CH_CELL_ROWS, "By what memory is for.", RESULT(usage.list),
	  .fields = sum_fields },
	{ "by_type", NULL, CH_CELL_ROWS, "By what is behind it.", RESULT(type.list),
	  .fields = sum_fields },
	{ "by_state", NULL, CH_CELL_ROWS, "By whether it is mapped.", RESULT(state.list),
	  .fields = sum_fields },
	{ "by_protect", NULL, CH_CELL_ROWS, "By its rights.", RESULT(protect.list),
	  .fields = sum_fields },
	{ "largest_by_usage", NULL, CH_CELL_ROWS, "The largest region of each usage.",
	  RESULT(largest), .fields = largest_fields },
	{ "not_in_core", NULL, CH_CELL_ROWS, "What is missing, by the reason.", RESULT(missing),
	  .fields = missing_fields },
	{ "outside", NULL, CH_CELL_PART, "[vsyscall], which is in no sum.", .part = outside_of,
	  .fields = chp_region_fields },
	{ "invariants", NULL, CH_CELL_ROWS, "What the sums were checked by.", RESULT(invariants),
	  .fields = invariant_fields },
	{ "matched_count", NULL, CH_CELL_MATCHED, "Regions that pass.", RESULT(regions),
	  CH_IF_ASKED(struct result, show_regions) },
	{ "matched_bytes", NULL, CH_CELL_WEIGHT, "Their size.", RESULT(regions),
	  CH_IF_ASKED(struct result, show_regions) },
	{ "regions", NULL, CH_CELL_LIST, "Regions that pass, by address.", RESULT(regions),
	  CH_IF_ASKED(struct result, show_regions), .list = &chp_regions_list },
	{ "segments", NULL, CH_CELL_LIST, "Segments, as the file has them.", RESULT(segments),
	  CH_IF_ASKED(struct result, show_segments), .list = &chp_segments_list },
	CH_FIELDS_END,
};

static const struct ch_field_spec closing_fields[] = {
	CH_FIELDS_COUNTED(struct result, regions),
	{ "matched_bytes", NULL, CH_CELL_WEIGHT, "Size of all regions that pass.",
	  RESULT(regions) },
	CH_FIELDS_END,
};

/* ---- text ---- */

/* Tables say what they are in the first column's title; PLAIN needs a line to
 * split them at. */
static void print_title(const struct ch_report *report, const char *title, bool first)
{
	if (report->format == CH_FORMAT_PLAIN)
		chp_report_heading(report, title, first);
	else if (!first)
		fputc('\n', report->out);
}

/* Of the tables only the first has no empty line before it. */
static struct ch_error *print_sums(const struct ch_report *report, const struct result *result,
				   const char *title, const struct sums *sums)
{
	static const struct ch_list list = { .fields = sum_fields };
	/* the limit is one of regions */
	struct ch_report all = *report;
	struct ch_listing *listing;
	struct ch_error *err = NULL;
	size_t i;

	if (!sums->list.count)
		return NULL;
	all.limit = 0;
	listing = chp_listing_create(&all, &list);
	if (!listing)
		return &ch_enomem;
	chp_listing_rename(listing, "NAME", title);
	if (!result->has_zero)
		err = chp_listing_hide(listing, "ZERO PAGES");
	for (i = 0; !err && i < sums->list.count; i++)
		err = chp_listing_row(listing, &sums->rows[i]);
	if (!err) {
		print_title(report, title, sums == &result->usage);
		chp_listing_print_rows(listing);
	}
	chp_listing_destroy(listing);
	return err;
}

static struct ch_error *print_rows(const struct ch_report *report, const struct ch_list *list,
				   const char *title, struct ch_rows rows)
{
	if (!rows.count)
		return NULL;
	print_title(report, title, false);
	return chp_rows_print(report, list, rows, 0);
}

static void print_bytes(const struct ch_report *report, const char *label, uint64_t bytes)
{
	char text[CH_BYTES_TEXT_MAX];

	if (report->format == CH_FORMAT_PLAIN)
		chp_report_field(report, label, "%" PRIu64, bytes);
	else
		chp_report_field(report, label, "%s", chp_bytes_text(bytes, text));
}

static void print_head(const struct ch_report *report, const struct ch_address *address)
{
	const struct ch_map_sums *sums = &address->sums;

	print_bytes(report, "address space", address->total_bytes);
	print_bytes(report, "busy", address->busy_bytes);
	if (address->tables_filtered)
		print_bytes(report, "matching", sums->all.total_bytes);
	print_bytes(report, "in core", sums->busy.in_core_bytes);
	print_bytes(report, "missing", missing_bytes(sums));
	if (sums->has_touched)
		print_bytes(report, "touched", sums->busy.touched_bytes);
	if (sums->has_zero)
		print_bytes(report, "zero pages", sums->busy.zero_bytes);
	if (report->format == CH_FORMAT_TEXT)
		fputc('\n', report->out);
}

static struct ch_error *print_tables(const struct ch_report *report, const struct result *result)
{
	static const struct ch_list largest = { .fields = largest_fields };
	static const struct ch_list missing = { .fields = missing_fields };
	const struct ch_address *address = result->of;
	struct ch_error *err;

	if (address->windbg) {
		chp_windbg_tables(report->out, address);
		return NULL;
	}
	print_head(report, address);
	err = print_sums(report, result, "USAGE", &result->usage);
	if (!err)
		err = print_sums(report, result, "TYPE (BUSY)", &result->type);
	if (!err)
		err = print_sums(report, result, "STATE", &result->state);
	if (!err)
		err = print_sums(report, result, "PROTECT (COMMIT)", &result->protect);
	if (!err)
		err = print_rows(report, &largest, "LARGEST BY USAGE", result->largest);
	if (!err)
		err = print_rows(report, &missing, "NOT IN THE CORE", result->missing);
	if (!err && address->vsyscall && !address->tables_filtered)
		chp_report_say(report,
			       "\n[vsyscall], %" PRIu64 " bytes at 0x%" PRIx64
			       ", lies outside the address space and is not counted.\n",
			       address->vsyscall->end - address->vsyscall->start,
			       address->vsyscall->start);
	return err;
}

static struct ch_error *print_regions(const struct ch_report *report, const struct result *result)
{
	const struct ch_address *address = result->of;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (address->windbg && address->list == CH_ADDRESS_LIST_TABLE)
		err = chp_windbg_regions(report->out, address,
					 chp_report_rows(report, address->regions_count));
	else
		err = chp_address_list(report, address, result->regions);
	if (err || address->list != CH_ADDRESS_LIST_TABLE)
		return err;
	if (chp_listing_shown(result->regions) < address->regions_count)
		chp_listing_print_cut(result->regions);
	else if (!address->windbg)
		chp_report_say(report, "\n%s %s%s%s: %s bytes\n",
			       chp_count_text(address->regions_count, count),
			       address->regions_count == 1 ? "region" : "regions",
			       address->filter ? " of " : "",
			       address->filter ? address->filter : "",
			       chp_count_text(address->regions_bytes, bytes));
	return NULL;
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	const struct ch_address *address = result->of;
	struct ch_error *err = NULL;

	if (address->show_segments)
		chp_listing_print(result->segments);
	if (address->show_regions)
		err = print_regions(report, result);
	if (err || !address->show_tables)
		return err;
	if (address->show_regions && !address->windbg)
		chp_report_say(report, "\n");
	return print_tables(report, result);
}

/* ---- one address ---- */

#define ONE(member) CH_AT(struct ch_address_one, member)

static json_t *region_of(const struct ch_report *report, const void *one)
{
	(void)report;
	return chp_json_region(((const struct ch_address_one *)one)->region);
}

static struct ch_cell module_of(const void *arg)
{
	const struct ch_address_one *one = arg;

	return CH_CELL_STR(one->module ? one->module->name : NULL);
}

static struct ch_cell module_offset(const void *arg)
{
	const struct ch_address_one *one = arg;

	return one->module ? CH_CELL_NUM(one->addr - one->module->start) : CH_CELL_NONE;
}

static struct ch_cell sp_of(const void *arg)
{
	const struct ch_address_one *one = arg;

	return (struct ch_cell){ .number = one->sp, .absent = !one->tid };
}

static struct ch_cell thread_name(const void *arg)
{
	const struct ch_address_one *one = arg;

	return CH_CELL_STR(one->has_thread && one->thread.name[0] ? one->thread.name : NULL);
}

static struct ch_cell code_basis(const void *arg)
{
	return CH_CELL_STR(ch_basis_name(((const struct ch_address_one *)arg)->code.basis));
}

static const struct ch_field_spec method_fields[] = {
	{ "name", NULL, CH_CELL_SAFE, "The method.", ONE(code.name), .flags = CH_FIELD_INSIDE },
	{ "kind", NULL, CH_CELL_SAFE, "What made the code.", ONE(code.kind) },
	{ "addr", NULL, CH_CELL_ADDR, "Where the code begins.", ONE(code.start) },
	{ "offset", NULL, CH_CELL_COUNT, "Where in it the address lies.", ONE(code.offset) },
	{ "basis", NULL, CH_CELL_SAFE, "What that rests on.", .get = code_basis, .ref = "basis" },
	CH_FIELDS_END,
};

static const struct ch_field_spec one_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "The address.", ONE(addr) },
	{ "region", NULL, CH_CELL_PART, "The region it lies in.", .part = region_of,
	  .ref = "region" },
	{ "module", NULL, CH_CELL_TEXT, "The image it lies in.", .get = module_of,
	  .flags = CH_FIELD_OPTIONAL },
	{ "module_offset", NULL, CH_CELL_COUNT, "Where in that.", .get = module_offset,
	  .flags = CH_FIELD_OPTIONAL },
	{ "symbol", NULL, CH_CELL_TEXT, "The symbol it lies in.", ONE(symbol.name),
	  CH_KNOWN(struct ch_address_one, has_symbol) },
	{ "symbol_offset", NULL, CH_CELL_COUNT, "Where in that.", ONE(symbol.offset),
	  CH_KNOWN(struct ch_address_one, has_symbol) },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose stack it lies in.", ONE(tid),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "sp", NULL, CH_CELL_ADDR, "The stack pointer of that thread.", .get = sp_of,
	  .flags = CH_FIELD_OPTIONAL },
	{ "thread_name", NULL, CH_CELL_TEXT, "What a runtime calls that thread.",
	  .get = thread_name, .flags = CH_FIELD_OPTIONAL },
	{ "method", NULL, CH_CELL_OBJECT, "The compiled method it lies in.",
	  CH_KNOWN(struct ch_address_one, has_code), .fields = method_fields },
	CH_FIELDS_END,
};

/* A field whose text came from the core. */
static struct ch_error *print_escaped(const struct ch_report *report, const char *label,
				      const char *text, const char *rest)
{
	_cleanup_free_ char *safe = chp_text_escape(text, PATH_BYTES_MAX);

	if (!text)
		return NULL;
	if (!safe)
		return &ch_enomem;
	chp_report_field(report, label, "%s%s", safe, rest);
	return NULL;
}

static struct ch_error *print_thread(const struct ch_report *report,
				     const struct ch_address_one *one)
{
	_cleanup_free_ char *name =
		chp_text_escape(one->has_thread ? one->thread.name : "", PATH_BYTES_MAX);

	if (!one->tid)
		return NULL;
	if (!name)
		return &ch_enomem;
	chp_report_field(report, "thread", "%" PRIu32 "%s%s%s, whose stack pointer is 0x%" PRIx64,
			 one->tid, name[0] ? " (" : "", name, name[0] ? ")" : "", one->sp);
	return NULL;
}

static struct ch_error *print_more(const struct ch_report *report, const struct ch_address_one *one)
{
	const struct ch_region *region = one->region;
	char rest[32] = "";
	struct ch_error *err;

	if (region->backing)
		snprintf(rest, sizeof(rest), " +0x%" PRIx64,
			 region->backing_off + (one->addr - region->start));
	err = print_escaped(report, "file", region->backing, rest);
	if (!err)
		err = print_escaped(report, "owner", one->module ? NULL : region->owner, "");
	if (!err && one->module) {
		snprintf(rest, sizeof(rest), " +0x%" PRIx64, one->addr - one->module->start);
		err = print_escaped(report, "module", one->module->name, rest);
	}
	if (!err && one->has_symbol) {
		snprintf(rest, sizeof(rest), " +0x%" PRIx64, one->symbol.offset);
		err = print_escaped(report, "symbol", one->symbol.name, rest);
	}
	/* its name is escaped */
	if (!err && one->has_code)
		chp_report_field(report, "method", "%s +0x%" PRIx64 " (%s)", one->code.name,
				 one->code.offset, one->code.kind);
	return err ? err : print_thread(report, one);
}

static void print_one(const struct ch_report *report, const struct ch_address_one *one)
{
	const struct ch_region *region = one->region;
	char text[CH_BYTES_TEXT_MAX];
	bool free = region->state == CH_STATE_FREE;
	uint64_t bytes = region->end - region->start;

	chp_report_field(report, "address", "0x%" PRIx64 " (+0x%" PRIx64 " in the region)",
			 one->addr, one->addr - region->start);
	chp_report_field(report, "usage", "%s (%s), %s", ch_usage_name(region->usage),
			 ch_usage_windbg_name(region->usage), ch_basis_name(region->basis));
	chp_report_field(report, "base address", "0x%" PRIx64, region->start);
	chp_report_field(report, "end address", "0x%" PRIx64, region->end);
	print_bytes(report, "region size", bytes);
	chp_report_field(report, "state", "%s", ch_state_name(region->state));
	if (free)
		return;
	chp_report_field(report, "type", "%s", ch_memtype_name(region->type));
	chp_report_field(report, "protect", "%s%s (%s)",
			 ch_protect_name(ch_region_protect(region, false)),
			 region->flags & CH_REGION_GUARD ? " | PAGE_GUARD" : "",
			 ch_region_native_protect(region));
	print_bytes(report, "in core", region->in_core_bytes);
	if (region->flags & CH_REGION_COUNTED)
		print_bytes(report, "touched", region->touched_bytes);
	if (region->lost_bytes)
		print_bytes(report, "cut off", region->lost_bytes);
	if (region->in_core_bytes + region->lost_bytes < bytes)
		chp_report_field(
			report, "not in core", "%s: %s",
			chp_count_text(bytes - region->in_core_bytes - region->lost_bytes, text),
			missing_text(ch_region_missing(region)));
}

static struct ch_error *print_address(const struct ch_report *report, const void *arg)
{
	const struct ch_address_one *one = arg;

	if (one->windbg)
		return chp_windbg_one(report->out, one);
	print_one(report, one);
	return print_more(report, one);
}

static const struct ch_document one_document = {
	.name = "address",
	.title = "What an address is",
	.fields = one_fields,
	.print = print_address,
};

struct ch_error *ch_report_address_one(const struct ch_report *report,
				       const struct ch_address_one *one)
{
	return chp_document_print(report, &one_document, one);
}

const struct ch_document ch_document_address = {
	.name = "address",
	.title = "Where the address space went",
	.fields = fields,
	.others = one_fields,
	.closing = closing_fields,
	.print = print,
};

/* ---- what is printed ---- */

static void fill_sums(struct sums *ret, const struct ch_address *address,
		      const struct ch_address_table *table)
{
	bool touched = address->sums.has_touched, known, busy;
	const struct ch_address_row *of;
	struct sum_row *row;
	size_t i;

	for (i = 0; i < table->count; i++) {
		of = &table->rows[i];
		row = &ret->rows[i];
		known = !of->not_recorded;
		busy = known && !of->free;
		*row = (struct sum_row){
			.name = of->name,
			.native = of->native,
			.basis = known ? weakest(&of->sum) : NULL,
			.known = known,
			.has_busy = busy,
			.has_zero = known && address->sums.has_zero,
			.has_zero_text = busy,
			.has_touched = busy && touched,
			.regions_count = of->sum.regions_count,
			.total_bytes = of->sum.total_bytes,
			.in_core_bytes = of->sum.in_core_bytes,
			.zero_bytes = of->sum.zero_bytes,
			.touched_bytes = of->sum.touched_bytes,
			.of_busy = chp_percent(of->sum.total_bytes, address->busy_bytes),
			.of_total = chp_percent(of->sum.total_bytes, address->total_bytes),
			.of_touched = chp_percent(of->sum.touched_bytes, address->touched_bytes),
		};
		basis_text(&of->sum, row->basis_text);
	}
	ret->list = CH_ROWS(ret->rows, table->count);
}

static void fill_rows(struct result *ret, const struct ch_address *address)
{
	const struct ch_address_row *of;
	size_t i, count = 0;

	for (i = 0; i < address->usage.count; i++) {
		of = &address->usage.rows[i];
		ret->largest_rows[i] =
			(struct largest_row){ of->name, of->native, of->sum.largest_start,
					      of->sum.largest_bytes };
	}
	ret->largest = CH_ROWS(ret->largest_rows, address->usage.count);
	for (i = 0; i < CH_MISSING_COUNT; i++)
		if (address->sums.missing_bytes[i])
			ret->missing_rows[count++] =
				(struct missing_row){ ch_missing_name((enum ch_missing)i),
						      missing_text((enum ch_missing)i),
						      address->sums.missing_bytes[i] };
	ret->missing = CH_ROWS(ret->missing_rows, count);
	ret->invariants = CH_ROWS(address->invariants, CH_MAP_INVARIANTS);
}

static void fill(struct result *ret, const struct ch_address *address)
{
	const struct ch_map_sums *sums = &address->sums;

	ret->of = address;
	ret->total_bytes = address->total_bytes;
	ret->busy_bytes = address->busy_bytes;
	ret->in_core_bytes = sums->busy.in_core_bytes;
	ret->missing_bytes = missing_bytes(sums);
	ret->reserved_bytes = sums->state[CH_STATE_RESERVE].total_bytes;
	ret->reserved_known = address->producer != CH_PRODUCER_CREATEDUMP ||
			      sums->state[CH_STATE_RESERVE].regions_count;
	ret->zero_bytes = sums->busy.zero_bytes;
	ret->has_zero = sums->has_zero;
	ret->touched_bytes = sums->busy.touched_bytes;
	ret->has_touched = sums->has_touched;
	ret->tables_filtered = address->tables_filtered;
	ret->filter = address->filter;
	ret->show_regions = address->show_regions;
	ret->show_segments = address->show_segments;
	fill_sums(&ret->usage, address, &address->usage);
	fill_sums(&ret->type, address, &address->type);
	fill_sums(&ret->state, address, &address->state);
	fill_sums(&ret->protect, address, &address->protect);
	fill_rows(ret, address);
}

/* Lists that the layout takes elsewhere are not made. */
static struct ch_error *put_lists(struct result *result, const struct ch_report *report)
{
	const struct ch_address *address = result->of;
	struct ch_error *err = NULL;

	result->regions = chp_listing_create(report, &chp_regions_list);
	result->segments = chp_listing_create(report, &chp_segments_list);
	if (!result->regions || !result->segments)
		return &ch_enomem;
	if (address->show_regions)
		err = chp_put_regions(result->regions, report, address);
	if (!err && address->show_segments)
		err = chp_put_segments(result->segments, ch_session_core(report->session));
	return err;
}

struct ch_error *ch_report_address(const struct ch_report *report, const struct ch_address *address)
{
	_cleanup_free_ struct result *result = calloc(1, sizeof(*result));
	struct ch_report as = *report;
	struct ch_error *err;

	if (!result)
		return &ch_enomem;
	/* lists for other programs are no text for people */
	if (address->list != CH_ADDRESS_LIST_TABLE && !chp_report_is_json(report))
		as.format = CH_FORMAT_PLAIN;
	fill(result, address);
	err = put_lists(result, &as);
	if (!err)
		err = chp_document_print(&as, &ch_document_address, result);
	chp_listing_destroy(result->regions);
	chp_listing_destroy(result->segments);
	return err;
}
