/*
 * The layout of WinDbg's `!address`, byte for byte.
 */
#include <inttypes.h>
#include <string.h>

#include "report/address.h"
#include "util/cleanup.h"
#include "util/text.h"

#define HEX_TEXT_MAX   24
#define PATH_BYTES_MAX 4096

/* 7dfd`ca3ca000: the high half without leading zeros. */
static const char *hex(uint64_t value, char buf[HEX_TEXT_MAX])
{
	snprintf(buf, HEX_TEXT_MAX, "%" PRIx64 "`%08" PRIx64, value >> 32, value & 0xffffffff);
	return buf;
}

/* ( 125.991 TB) */
static void print_scaled(FILE *out, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double scaled = (double)bytes;
	size_t i = 0;

	for (; scaled >= 1024 && i + 1 < CH_COUNT_OF(units); i++)
		scaled /= 1024;
	fprintf(out, "(%8.3f %2s)", scaled, units[i]);
}

static const char *percent(uint64_t part, uint64_t whole, char buf[HEX_TEXT_MAX])
{
	uint64_t hundredths = chp_percent(part, whole);

	snprintf(buf, HEX_TEXT_MAX, "%" PRIu64 ".%02" PRIu64 "%%", hundredths / 100,
		 hundredths % 100);
	return buf;
}

static void print_table(FILE *out, const struct ch_address *address, const char *heading,
			const struct ch_address_table *table)
{
	char size[HEX_TEXT_MAX], busy[HEX_TEXT_MAX], total[HEX_TEXT_MAX];
	size_t i;

	fprintf(out, "\n%s\n", heading);
	for (i = 0; i < table->count; i++) {
		const struct ch_address_row *row = &table->rows[i];

		if (row->not_recorded)
			continue;
		fprintf(out, "%-34s %8" PRIu64 " %17s ", row->name, row->sum.regions_count,
			hex(row->sum.total_bytes, size));
		print_scaled(out, row->sum.total_bytes);
		fprintf(out, "%8s %8s\n",
			row->free ? "" : percent(row->sum.total_bytes, address->busy_bytes, busy),
			percent(row->sum.total_bytes, address->total_bytes, total));
	}
}

static void print_largest(FILE *out, const struct ch_address_table *usage)
{
	char base[HEX_TEXT_MAX], size[HEX_TEXT_MAX];
	size_t i;

	fputs("\n--- Largest Region by Usage ----------- Base Address -------- Region Size "
	      "----------\n",
	      out);
	for (i = 0; i < usage->count; i++) {
		const struct ch_map_sum *sum = &usage->rows[i].sum;

		fprintf(out, "%-34s %17s %17s ", usage->rows[i].name, hex(sum->largest_start, base),
			hex(sum->largest_bytes, size));
		print_scaled(out, sum->largest_bytes);
		fputc('\n', out);
	}
}

void chp_windbg_tables(FILE *out, const struct ch_address *address)
{
#define COLUMNS "RgnCount ----------- Total Size -------- %ofBusy %ofTotal"
	print_table(out, address, "--- Usage Summary ---------------- " COLUMNS, &address->usage);
	print_table(out, address, "--- Type Summary (for busy) ------ " COLUMNS, &address->type);
	print_table(out, address, "--- State Summary ---------------- " COLUMNS, &address->state);
	print_table(out, address, "--- Protect Summary (for commit) - " COLUMNS, &address->protect);
#undef COLUMNS
	print_largest(out, &address->usage);
}

/* Names with modifiers, as the protect column has them. */
static const char *protect_text(const struct ch_region *region, char *buf, size_t size)
{
	if (region->state == CH_STATE_FREE)
		return "PAGE_NOACCESS";
	snprintf(buf, size, "%s%s", ch_protect_name(ch_region_protect(region, true)),
		 region->flags & CH_REGION_GUARD ? " | PAGE_GUARD" : "");
	return buf;
}

struct ch_error *chp_windbg_regions(FILE *out, const struct ch_address *address, uint64_t count)
{
	char base[HEX_TEXT_MAX], end[HEX_TEXT_MAX], size[HEX_TEXT_MAX], protect[64];
	size_t i;

	fputs("\n        BaseAddress      EndAddress+1        RegionSize     Type       State      "
	      "           Protect             Usage\n"
	      "----------------------------------------------------------------------------------"
	      "----------------------------------------\n",
	      out);
	for (i = 0; i < count; i++) {
		const struct ch_region *region = address->regions[i];
		const char *what = region->owner ? region->owner : region->backing;
		_cleanup_free_ char *text = chp_text_escape(what, PATH_BYTES_MAX);

		if (what && !text)
			return &ch_enomem;
		fprintf(out, "+ %17s %17s %17s %-11s %-11s %-34s %-10s %s%s%s\n",
			hex(region->start, base), hex(region->end, end),
			hex(region->end - region->start, size), ch_memtype_name(region->type),
			ch_state_name(region->state),
			protect_text(region, protect, sizeof(protect)),
			ch_usage_windbg_name(region->usage), text ? "[" : "", text ? text : "",
			text ? "]" : "");
	}
	return NULL;
}

/* The constants of winnt.h. */
static uint32_t protect_code(const struct ch_region *region)
{
	static const uint32_t codes[CH_PROTECT_COUNT] = { 0x01, 0x02, 0x04, 0x08, 0x10,
							  0x20, 0x40, 0x80, 0 };
	uint32_t guard = region->flags & CH_REGION_GUARD ? 0x100 : 0;

	if (region->state == CH_STATE_FREE)
		return codes[CH_PROTECT_NOACCESS];
	return codes[ch_region_protect(region, true)] | guard;
}

static void print_addr_line(FILE *out, const char *label, uint64_t value, bool scaled)
{
	fprintf(out, "%-23s %08" PRIx64 "`%08" PRIx64, label, value >> 32, value & 0xffffffff);
	if (scaled) {
		fputc(' ', out);
		print_scaled(out, value);
	}
	fputc('\n', out);
}

static void print_code_line(FILE *out, const char *label, uint32_t code, const char *name)
{
	fprintf(out, "%-23s %08" PRIx32 "          %s\n", label, code, name);
}

struct ch_error *chp_windbg_one(FILE *out, const struct ch_address_one *one)
{
	static const uint32_t types[CH_MEMTYPE_COUNT] = { 0, 0x01000000, 0x00040000, 0x00020000 };
	static const uint32_t states[CH_STATE_COUNT] = { 0x00010000, 0x00002000, 0x00001000 };
	const struct ch_region *region = one->region;
	_cleanup_free_ char *backing = chp_text_escape(region->backing, PATH_BYTES_MAX);
	_cleanup_free_ char *module =
		chp_text_escape(one->module ? one->module->name : NULL, PATH_BYTES_MAX);
	char protect[64];

	if ((region->backing && !backing) || (one->module && !module))
		return &ch_enomem;
	fprintf(out, "\n%-23s %s\n", "Usage:", ch_usage_windbg_name(region->usage));
	print_addr_line(out, "Base Address:", region->start, false);
	print_addr_line(out, "End Address:", region->end, false);
	print_addr_line(out, "Region Size:", region->end - region->start, true);
	print_code_line(out, "State:", states[region->state], ch_state_name(region->state));
	print_code_line(out, "Protect:", protect_code(region),
			protect_text(region, protect, sizeof(protect)));
	if (region->state == CH_STATE_FREE)
		fprintf(out, "%-23s <info not present at the target>\n", "Type:");
	else
		print_code_line(out, "Type:", types[region->type], ch_memtype_name(region->type));
	if (backing)
		fprintf(out, "%-23s %s\n", "Image Path:", backing);
	if (module)
		fprintf(out, "%-23s %s\n", "Module Name:", module);
	return NULL;
}
