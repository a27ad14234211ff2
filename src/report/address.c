/*
 * The report of the address space: regions, their sums and what of them is missing.
 */
#include "report/address.h"

#include <inttypes.h>
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

/* ---- JSON ---- */

static json_t *json_or_null(bool known, json_t *value)
{
	if (known)
		return value;
	json_decref(value);
	return json_null();
}

static json_t *json_table(const struct ch_address *address, const struct ch_address_table *table)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < table->count; i++) {
		const struct ch_address_row *row = &table->rows[i];
		const struct ch_map_sum *sum = &row->sum;
		uint64_t bytes = sum->total_bytes;
		bool known = !row->not_recorded;

		chp_json_append_take(
			&array,
			json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:o, s:o}",
				  "name", row->name, "native_name", row->native, "regions_count",
				  json_or_null(known, chp_json_uint(sum->regions_count)),
				  "total_bytes", json_or_null(known, chp_json_uint(bytes)),
				  "in_core_bytes",
				  json_or_null(known, chp_json_uint(sum->in_core_bytes)),
				  "zero_page_bytes",
				  json_or_null(known && address->sums.has_zero,
					       chp_json_uint(sum->zero_bytes)),
				  "percent_of_busy",
				  json_or_null(known && !row->free,
					       chp_json_percent(
						       chp_percent(bytes, address->busy_bytes))),
				  "percent_of_total",
				  json_or_null(known, chp_json_percent(chp_percent(
							      bytes, address->total_bytes))),
				  "basis", known ? weakest(sum) : NULL, "touched_bytes",
				  json_or_null(known && !row->free && address->sums.has_touched,
					       chp_json_uint(sum->touched_bytes)),
				  "percent_of_touched",
				  json_or_null(
					  known && !row->free && address->sums.has_touched,
					  chp_json_percent(chp_percent(sum->touched_bytes,
								       address->touched_bytes)))));
	}
	return array;
}

static json_t *json_largest(const struct ch_address_table *usage)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < usage->count; i++) {
		const struct ch_address_row *row = &usage->rows[i];

		chp_json_append_take(&array,
				     json_pack("{s:s, s:s?, s:o, s:o}", "name", row->name,
					       "native_name", row->native, "addr",
					       chp_json_addr(row->sum.largest_start), "total_bytes",
					       chp_json_uint(row->sum.largest_bytes)));
	}
	return array;
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

static json_t *json_missing(const struct ch_map_sums *sums)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < CH_MISSING_COUNT; i++)
		if (sums->missing_bytes[i])
			chp_json_append_take(&array,
					     json_pack("{s:s, s:o}", "reason",
						       ch_missing_name((enum ch_missing)i),
						       "total_bytes",
						       chp_json_uint(sums->missing_bytes[i])));
	return array;
}

static json_t *json_invariants(const struct ch_address *address)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < CH_MAP_INVARIANTS; i++)
		chp_json_append_take(&array,
				     json_pack("{s:s, s:b, s:o, s:o}", "name",
					       address->invariants[i].name, "ok",
					       (int)address->invariants[i].ok, "left",
					       chp_json_uint(address->invariants[i].left), "right",
					       chp_json_uint(address->invariants[i].right)));
	return array;
}

static json_t *json_regions(const struct ch_report *report, const struct ch_address *address)
{
	uint64_t rows = chp_report_rows(report, address->regions_count), i;
	json_t *array = json_array();

	for (i = 0; array && i < rows; i++)
		chp_json_append_take(&array, chp_json_region(address->regions[i]));
	return array;
}

/* Fields that are there only when asked for. */
static bool add_lists(const struct ch_report *report, const struct ch_address *address, json_t *doc)
{
	bool ok = true;

	if (address->show_regions)
		ok = json_object_set_new(doc, "matched_count",
					 chp_json_uint(address->regions_count)) == 0 &&
		     json_object_set_new(doc, "matched_bytes",
					 chp_json_uint(address->regions_bytes)) == 0 &&
		     json_object_set_new(doc, "regions", json_regions(report, address)) == 0;
	if (ok && address->show_segments)
		ok = json_object_set_new(doc, "segments", chp_json_segments(report)) == 0;
	return ok;
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_address *address)
{
	const struct ch_map_sums *sums = &address->sums;
	json_t *doc = json_pack(
		"{s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o}, s:s?, s:b, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, "
		"s:o}",
		"address_space", "total_bytes", chp_json_uint(address->total_bytes), "busy_bytes",
		chp_json_uint(address->busy_bytes), "in_core_bytes",
		chp_json_uint(sums->busy.in_core_bytes), "missing_bytes",
		chp_json_uint(missing_bytes(sums)), "reserved_bytes",
		json_or_null(address->producer != CH_PRODUCER_CREATEDUMP ||
				     sums->state[CH_STATE_RESERVE].regions_count,
			     chp_json_uint(sums->state[CH_STATE_RESERVE].total_bytes)),
		"zero_page_bytes",
		json_or_null(sums->has_zero, chp_json_uint(sums->busy.zero_bytes)), "touched_bytes",
		json_or_null(sums->has_touched, chp_json_uint(sums->busy.touched_bytes)), "filter",
		address->filter, "tables_filtered", (int)address->tables_filtered, "by_usage",
		json_table(address, &address->usage), "by_type",
		json_table(address, &address->type), "by_state",
		json_table(address, &address->state), "by_protect",
		json_table(address, &address->protect), "largest_by_usage",
		json_largest(&address->usage), "not_in_core", json_missing(sums), "outside",
		address->vsyscall ? json_pack("[o]", chp_json_region(address->vsyscall))
				  : json_array(),
		"invariants", json_invariants(address));

	if (doc && !add_lists(report, address, doc)) {
		json_decref(doc);
		doc = NULL;
	}
	return chp_json_print_take(report, chp_json_document_take(report, "address", doc));
}

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

static struct ch_error *add_row(struct ch_table *table, const struct ch_address *address,
				const struct ch_address_row *row)
{
	const struct ch_map_sum *sum = &row->sum;
	uint64_t bytes = sum->total_bytes;
	bool unknown = row->not_recorded;
	char basis[64];

	return chp_table_row(
		table,
		(struct ch_cell[]){
			{ .text = row->native },
			{ .text = row->name },
			{ .number = sum->regions_count, .absent = unknown },
			{ .number = bytes, .absent = unknown },
			{ .number = chp_percent(bytes, address->busy_bytes),
			  .absent = unknown || row->free },
			{ .number = chp_percent(bytes, address->total_bytes), .absent = unknown },
			{ .number = sum->in_core_bytes, .absent = unknown || row->free },
			{ .text = unknown ? "not recorded by this dumper"
					  : basis_text(sum, basis) },
			{ .number = sum->touched_bytes,
			  .absent = unknown || row->free || !address->sums.has_touched },
			{ .number = sum->zero_bytes, .absent = unknown || row->free },
		});
}

static struct ch_error *print_table(const struct ch_report *report,
				    const struct ch_address *address, const char *title,
				    const struct ch_address_table *rows, bool first)
{
	struct ch_column columns[] = {
		{ title, CH_CELL_TEXT },         { "WINDBG", CH_CELL_TEXT },
		{ "REGIONS", CH_CELL_COUNT },    { "TOTAL SIZE", CH_CELL_BYTES },
		{ "%OF BUSY", CH_CELL_PERCENT }, { "%OF TOTAL", CH_CELL_PERCENT },
		{ "IN CORE", CH_CELL_BYTES },    { "BASIS", CH_CELL_TEXT },
		{ "TOUCHED", CH_CELL_BYTES },    { "ZERO PAGES", CH_CELL_BYTES },
	};
	size_t count = CH_COUNT_OF(columns) - !address->sums.has_zero, i;
	struct ch_table *table = chp_table_create(columns, count);
	struct ch_error *err = table ? NULL : &ch_enomem;

	for (i = 0; !err && i < rows->count; i++)
		err = add_row(table, address, &rows->rows[i]);
	if (!err && rows->count) {
		print_title(report, title, first);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_largest(const struct ch_report *report,
				      const struct ch_address_table *usage)
{
	static const struct ch_column columns[] = { { "LARGEST BY USAGE", CH_CELL_TEXT },
						    { "WINDBG", CH_CELL_TEXT },
						    { "BASE ADDRESS", CH_CELL_ADDR },
						    { "REGION SIZE", CH_CELL_BYTES } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < usage->count; i++) {
		const struct ch_address_row *row = &usage->rows[i];

		err = chp_table_row(table,
				    (struct ch_cell[]){ { .text = row->native },
							{ .text = row->name },
							CH_CELL_NUM(row->sum.largest_start),
							CH_CELL_NUM(row->sum.largest_bytes) });
	}
	if (!err && usage->count) {
		print_title(report, columns[0].title, false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_missing(const struct ch_report *report,
				      const struct ch_map_sums *sums)
{
	static const struct ch_column columns[] = { { "NOT IN THE CORE", CH_CELL_TEXT },
						    { "BYTES", CH_CELL_BYTES },
						    { "WHY", CH_CELL_TEXT } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	bool any = false;
	size_t i;

	for (i = 0; !err && i < CH_MISSING_COUNT; i++) {
		if (!sums->missing_bytes[i])
			continue;
		any = true;
		err = chp_table_row(
			table, (struct ch_cell[]){ { .text = ch_missing_name((enum ch_missing)i) },
						   CH_CELL_NUM(sums->missing_bytes[i]),
						   { .text = missing_text((enum ch_missing)i) } });
	}
	if (!err && any) {
		print_title(report, columns[0].title, false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
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

static struct ch_error *print_tables(const struct ch_report *report,
				     const struct ch_address *address)
{
	struct ch_error *err;

	if (address->windbg) {
		chp_windbg_tables(report->out, address);
		return NULL;
	}
	print_head(report, address);
	err = print_table(report, address, "USAGE", &address->usage, true);
	if (!err)
		err = print_table(report, address, "TYPE (BUSY)", &address->type, false);
	if (!err)
		err = print_table(report, address, "STATE", &address->state, false);
	if (!err)
		err = print_table(report, address, "PROTECT (COMMIT)", &address->protect, false);
	if (!err)
		err = print_largest(report, &address->usage);
	if (!err)
		err = print_missing(report, &address->sums);
	if (!err && address->vsyscall && !address->tables_filtered &&
	    report->format == CH_FORMAT_TEXT)
		fprintf(report->out,
			"\n[vsyscall], %" PRIu64 " bytes at 0x%" PRIx64
			", lies outside the address space and is not counted.\n",
			address->vsyscall->end - address->vsyscall->start,
			address->vsyscall->start);
	return err;
}

static uint64_t shown_bytes(const struct ch_address *address, uint64_t rows)
{
	uint64_t bytes = 0, i;

	for (i = 0; i < rows; i++)
		bytes += address->regions[i]->end - address->regions[i]->start;
	return bytes;
}

static struct ch_error *print_regions(const struct ch_report *report,
				      const struct ch_address *address)
{
	uint64_t rows = chp_report_rows(report, address->regions_count);
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (address->windbg && address->list == CH_ADDRESS_LIST_TABLE)
		err = chp_windbg_regions(report->out, address, rows);
	else
		err = chp_address_list(report, address);
	if (err || report->format != CH_FORMAT_TEXT || address->list != CH_ADDRESS_LIST_TABLE)
		return err;
	if (rows < address->regions_count)
		chp_report_cut(report, rows, address->regions_count, shown_bytes(address, rows),
			       address->regions_bytes);
	else if (!address->windbg)
		fprintf(report->out, "\n%s %s%s%s: %s bytes\n",
			chp_count_text(address->regions_count, count),
			address->regions_count == 1 ? "region" : "regions",
			address->filter ? " of " : "", address->filter ? address->filter : "",
			chp_count_text(address->regions_bytes, bytes));
	return NULL;
}

struct ch_error *ch_report_address(const struct ch_report *report, const struct ch_address *address)
{
	struct ch_error *err = NULL;

	if (report->format == CH_FORMAT_JSON ||
	    (report->format == CH_FORMAT_JSONL && !address->show_regions))
		return print_json(report, address);
	if (address->show_segments)
		err = chp_address_segments(report);
	if (!err && address->show_regions)
		err = print_regions(report, address);
	if (!err && address->show_tables && report->format != CH_FORMAT_JSONL) {
		if (address->show_regions && report->format == CH_FORMAT_TEXT && !address->windbg)
			fputc('\n', report->out);
		err = print_tables(report, address);
	}
	if (!err && address->list == CH_ADDRESS_LIST_TABLE)
		chp_report_findings(report);
	return err;
}

/* ---- one address ---- */

static json_t *json_method(const struct ch_code *code)
{
	if (!code)
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", code->name, "kind", code->kind,
			 "addr", chp_json_addr(code->start), "offset", chp_json_uint(code->offset),
			 "basis", ch_basis_name(code->basis));
}

static json_t *json_one(const struct ch_address_one *one)
{
	const struct ch_module *module = one->module;

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "addr",
		chp_json_addr(one->addr), "region", chp_json_region(one->region), "module",
		chp_json_text(module ? module->name : NULL), "module_offset",
		module ? chp_json_uint(one->addr - module->start) : json_null(), "symbol",
		chp_json_text(one->has_symbol ? one->symbol.name : NULL), "symbol_offset",
		one->has_symbol ? chp_json_uint(one->symbol.offset) : json_null(), "thread",
		one->tid ? chp_json_uint(one->tid) : json_null(), "sp",
		one->tid ? chp_json_addr(one->sp) : json_null(), "thread_name",
		chp_json_text(one->has_thread && one->thread.name[0] ? one->thread.name : NULL),
		"method", json_method(one->has_code ? &one->code : NULL));
}

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

struct ch_error *ch_report_address_one(const struct ch_report *report,
				       const struct ch_address_one *one)
{
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(
			report, chp_json_document_take(report, "address", json_one(one)));
	if (one->windbg)
		return chp_windbg_one(report->out, one);
	print_one(report, one);
	err = print_more(report, one);
	if (!err)
		chp_report_findings(report);
	return err;
}
