/*
 * Metadata of an assembly as ECMA-335 lays it out: tables whose rows have columns of computed
 * width, and heaps of strings and blobs. Names of types, methods and fields come from it.
 */
#include "walkers/coreclr/metadata.h"

#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* ECMA-335, II.24.2.1 (magic), II.22 (no table has more columns), and of PE how many sections
 * Windows loads and which directory is that of the CLI. */
#define SIGNATURE     0x424a5342U
#define STREAMS_MAX   16
#define COLUMNS_MAX   9
#define SECTIONS_MAX  96
#define DIRECTORY_CLI 14

/* What a column holds: a number of bytes, an index into a heap or a table
 * (T | number), or a coded index (C | number in codes[]). */
enum {
	END = 0,
	U2 = 2,
	U4 = 4,
	STR = 0x10,
	GUID,
	BLOB,
	T = 0x40,
	C = 0x80,
};

enum {
	TYPE_DEF_OR_REF,
	HAS_CONSTANT,
	HAS_CUSTOM_ATTRIBUTE,
	HAS_FIELD_MARSHAL,
	HAS_DECL_SECURITY,
	MEMBER_REF_PARENT,
	HAS_SEMANTICS,
	METHOD_DEF_OR_REF,
	MEMBER_FORWARDED,
	IMPLEMENTATION,
	CUSTOM_ATTRIBUTE_TYPE,
	RESOLUTION_SCOPE,
	TYPE_OR_METHOD_DEF,
};

/* ECMA-335 II.24.2.6: bits of the tag, and the tables it tells apart. */
static const struct {
	uint8_t bits, count;
	uint8_t tables[22];
} codes[] = {
	[TYPE_DEF_OR_REF] = { 2, 3, { 0x02, 0x01, 0x1b } },
	[HAS_CONSTANT] = { 2, 3, { 0x04, 0x08, 0x17 } },
	[HAS_CUSTOM_ATTRIBUTE] = { 5, 22, { 0x06, 0x04, 0x01, 0x02, 0x08, 0x09, 0x0a, 0x00,
					    0x0e, 0x17, 0x14, 0x11, 0x1a, 0x1b, 0x20, 0x23,
					    0x26, 0x27, 0x28, 0x2a, 0x2c, 0x2b } },
	[HAS_FIELD_MARSHAL] = { 1, 2, { 0x04, 0x08 } },
	[HAS_DECL_SECURITY] = { 2, 3, { 0x02, 0x06, 0x20 } },
	[MEMBER_REF_PARENT] = { 3, 5, { 0x02, 0x01, 0x1a, 0x06, 0x1b } },
	[HAS_SEMANTICS] = { 1, 2, { 0x14, 0x17 } },
	[METHOD_DEF_OR_REF] = { 1, 2, { 0x06, 0x0a } },
	[MEMBER_FORWARDED] = { 1, 2, { 0x04, 0x06 } },
	[IMPLEMENTATION] = { 2, 3, { 0x26, 0x23, 0x27 } },
	[CUSTOM_ATTRIBUTE_TYPE] = { 3, 2, { 0x06, 0x0a } },
	[RESOLUTION_SCOPE] = { 2, 4, { 0x00, 0x1a, 0x23, 0x01 } },
	[TYPE_OR_METHOD_DEF] = { 1, 2, { 0x02, 0x06 } },
};

/* ECMA-335 II.22: the columns of each table; those of edit-and-continue as in
 * the standard's reserved numbers (03, 05, 07, 13, 16, 1e, 1f). */
static const uint8_t schema[CLR_TABLES][COLUMNS_MAX + 1] = {
	[0x00] = { U2, STR, GUID, GUID, GUID },
	[0x01] = { C | RESOLUTION_SCOPE, STR, STR },
	[0x02] = { U4, STR, STR, C | TYPE_DEF_OR_REF, T | 0x04, T | 0x06 },
	[0x03] = { T | 0x04 },
	[0x04] = { U2, STR, BLOB },
	[0x05] = { T | 0x06 },
	[0x06] = { U4, U2, U2, STR, BLOB, T | 0x08 },
	[0x07] = { T | 0x08 },
	[0x08] = { U2, U2, STR },
	[0x09] = { T | 0x02, C | TYPE_DEF_OR_REF },
	[0x0a] = { C | MEMBER_REF_PARENT, STR, BLOB },
	[0x0b] = { U2, C | HAS_CONSTANT, BLOB },
	[0x0c] = { C | HAS_CUSTOM_ATTRIBUTE, C | CUSTOM_ATTRIBUTE_TYPE, BLOB },
	[0x0d] = { C | HAS_FIELD_MARSHAL, BLOB },
	[0x0e] = { U2, C | HAS_DECL_SECURITY, BLOB },
	[0x0f] = { U2, U4, T | 0x02 },
	[0x10] = { U4, T | 0x04 },
	[0x11] = { BLOB },
	[0x12] = { T | 0x02, T | 0x14 },
	[0x13] = { T | 0x14 },
	[0x14] = { U2, STR, C | TYPE_DEF_OR_REF },
	[0x15] = { T | 0x02, T | 0x17 },
	[0x16] = { T | 0x17 },
	[0x17] = { U2, STR, BLOB },
	[0x18] = { U2, T | 0x06, C | HAS_SEMANTICS },
	[0x19] = { T | 0x02, C | METHOD_DEF_OR_REF, C | METHOD_DEF_OR_REF },
	[0x1a] = { STR },
	[0x1b] = { BLOB },
	[0x1c] = { U2, C | MEMBER_FORWARDED, STR, T | 0x1a },
	[0x1d] = { U4, T | 0x04 },
	[0x1e] = { U4, U4 },
	[0x1f] = { U4 },
	[0x20] = { U4, U2, U2, U2, U2, U4, BLOB, STR, STR },
	[0x21] = { U4 },
	[0x22] = { U4, U4, U4 },
	[0x23] = { U2, U2, U2, U2, U4, BLOB, STR, STR, BLOB },
	[0x24] = { U4, T | 0x23 },
	[0x25] = { U4, U4, U4, T | 0x23 },
	[0x26] = { U4, STR, BLOB },
	[0x27] = { U4, U4, STR, STR, C | IMPLEMENTATION },
	[0x28] = { U4, U4, STR, C | IMPLEMENTATION },
	[0x29] = { T | 0x02, T | 0x02 },
	[0x2a] = { U2, U2, C | TYPE_OR_METHOD_DEF, STR },
	[0x2b] = { C | METHOD_DEF_OR_REF, BLOB },
	[0x2c] = { T | 0x2a, C | TYPE_DEF_OR_REF },
};

static uint32_t code_bytes(const struct clr_metadata *metadata, uint32_t code)
{
	uint32_t i, most = 0;

	for (i = 0; i < codes[code].count; i++)
		if (metadata->rows[codes[code].tables[i]] > most)
			most = metadata->rows[codes[code].tables[i]];
	return most < 1U << (16 - codes[code].bits) ? 2 : 4;
}

static uint32_t column_bytes(const struct clr_metadata *metadata, uint8_t column)
{
	if (column & C)
		return code_bytes(metadata, column & ~(uint32_t)C);
	if (column & T)
		return metadata->rows[column & ~(uint32_t)T] < 65536 ? 2 : 4;
	switch (column) {
	case STR:
		return metadata->wide_strings ? 4 : 2;
	case GUID:
		return metadata->wide_guids ? 4 : 2;
	case BLOB:
		return metadata->wide_blobs ? 4 : 2;
	default:
		return column;
	}
}

/* Where the columns of a table begin in its row; returns the bytes of a row. */
static uint32_t column_offset(const struct clr_metadata *metadata, uint32_t table, uint32_t column)
{
	uint32_t i, bytes = 0;

	for (i = 0; i < column && schema[table][i] != END; i++)
		bytes += column_bytes(metadata, schema[table][i]);
	return bytes;
}

/* The stream of tables, "#~" or, with rows out of order, "#-". */
static bool open_tables(struct clr_metadata *metadata, uint64_t addr, uint64_t bytes)
{
	enum { HEAD = 24, WIDE_STRINGS = 1, WIDE_GUIDS = 2, WIDE_BLOBS = 4, EXTRA_DATA = 0x40 };
	uint8_t head[HEAD];
	uint64_t valid, at = addr + HEAD, size;
	uint32_t i;

	if (bytes < HEAD || !ch_core_try_read(metadata->core, addr, head, HEAD))
		return false;
	metadata->wide_strings = head[6] & WIDE_STRINGS;
	metadata->wide_guids = head[6] & WIDE_GUIDS;
	metadata->wide_blobs = head[6] & WIDE_BLOBS;
	valid = ch_get64(head + 8);
	for (i = 0; i < 64; i++) {
		if (!(valid >> i & 1))
			continue;
		/* Tables of portable debug files are not laid out here. */
		if (i >= CLR_TABLES || !ch_core_read_u32(metadata->core, at, &metadata->rows[i]))
			return false;
		at += 4;
	}
	if (head[6] & EXTRA_DATA)
		at += 4;
	for (i = 0; i < CLR_TABLES; i++) {
		metadata->row_bytes[i] = column_offset(metadata, i, COLUMNS_MAX + 1);
		metadata->tables[i] = at;
		if (!ch_mul(metadata->rows[i], metadata->row_bytes[i], &size) ||
		    !ch_inside(at - addr, size, bytes))
			return false;
		at += size;
	}
	return true;
}

bool clr_metadata_open(const struct ch_core *core, uint64_t addr, uint64_t bytes,
		       struct clr_metadata *ret)
{
	uint32_t signature, version_bytes, where, size, i;
	uint64_t at, tables = 0, tables_bytes = 0;
	uint8_t count[4];
	char name[33];

	*ret = (struct clr_metadata){ .core = core };
	if (!ch_core_read_u32(core, addr, &signature) || signature != SIGNATURE ||
	    !ch_core_read_u32(core, addr + 12, &version_bytes) || version_bytes > 255 + 4)
		return false;
	at = addr + 16 + ch_align_up(version_bytes, 4);
	if (!ch_core_try_read(core, at, count, sizeof(count)))
		return false;
	at += sizeof(count);
	for (i = 0; i < ch_get16(count + 2) && i < STREAMS_MAX; i++) {
		if (!ch_core_read_u32(core, at, &where) || !ch_core_read_u32(core, at + 4, &size) ||
		    !ch_core_read_string(core, at + 8, name, sizeof(name)))
			return false;
		at += 8 + ch_align_up(strlen(name) + 1, 4);
		if (!ch_inside(where, size, bytes))
			continue;
		if (strcmp(name, "#~") == 0 || strcmp(name, "#-") == 0) {
			tables = addr + where;
			tables_bytes = size;
		} else if (strcmp(name, "#Strings") == 0) {
			ret->strings = addr + where;
			ret->strings_bytes = size;
		} else if (strcmp(name, "#Blob") == 0) {
			ret->blobs = addr + where;
			ret->blobs_bytes = size;
		}
	}
	return ret->strings && tables && open_tables(ret, tables, tables_bytes);
}

/* What a relative address means where the image is not mapped as its loader would. */
static uint64_t flat_offset(const uint8_t *sections, uint32_t count, uint32_t rva)
{
	uint32_t i, start, bytes;

	for (i = 0; i < count; i++) {
		start = ch_get32(sections + 40ULL * i + 12);
		bytes = ch_get32(sections + 40ULL * i + 16);
		if (rva >= start && rva - start < bytes)
			return (uint64_t)ch_get32(sections + 40ULL * i + 20) + (rva - start);
	}
	return rva;
}

/* Headers of a PE image. */
struct pe_head {
	uint8_t sections[40 * SECTIONS_MAX];
	uint32_t sections_count;
	/* Relative address of the CLI header. */
	uint32_t cli;
};

static bool read_pe_head(const struct ch_core *core, uint64_t base, struct pe_head *ret)
{
	uint32_t pe, magic;
	uint64_t optional;
	uint8_t head[24];

	if (!ch_core_read_u32(core, base + 0x3c, &pe) || pe > 0x10000 ||
	    !ch_core_try_read(core, base + pe, head, sizeof(head)) ||
	    memcmp(head, "PE\0\0", 4) != 0)
		return false;
	ret->sections_count = ch_get16(head + 6);
	optional = base + pe + sizeof(head);
	if (ret->sections_count > SECTIONS_MAX || !ch_core_read_u32(core, optional, &magic) ||
	    !ch_core_try_read(core, optional + ch_get16(head + 20), ret->sections,
			      40ULL * ret->sections_count))
		return false;
	/* PE32+ has its directories 16 bytes later than PE32. */
	optional += ((magic & 0xffff) == 0x20b ? 112U : 96U) + 8U * DIRECTORY_CLI;
	return ch_core_read_u32(core, optional, &ret->cli) && ret->cli;
}

bool clr_metadata_open_image(const struct ch_core *core, uint64_t base, struct clr_metadata *ret)
{
	uint32_t rva, size, flat;
	struct pe_head head;
	uint64_t at;

	if (!read_pe_head(core, base, &head))
		return false;
	for (flat = 0; flat < 2; flat++) {
		at = base +
		     (flat ? flat_offset(head.sections, head.sections_count, head.cli) : head.cli);
		if (!ch_core_read_u32(core, at + 8, &rva) ||
		    !ch_core_read_u32(core, at + 12, &size))
			continue;
		at = base + (flat ? flat_offset(head.sections, head.sections_count, rva) : rva);
		if (clr_metadata_open(core, at, size, ret))
			return true;
	}
	return false;
}

bool clr_image_identity(const struct ch_core *core, uint64_t base, uint32_t *timestamp_ret,
			uint32_t *bytes_ret)
{
	/* The DOS head leads to "PE\0\0", the COFF head and the optional head. */
	enum { DOS = 0x5a4d, LEAD = 60, LEAD_MAX = 4096, PE = 0x4550, STAMP = 8, SIZE = 24 + 56 };
	uint32_t word;

	if (!ch_core_read_u32(core, base, &word) || (word & 0xffff) != DOS ||
	    !ch_core_read_u32(core, base + LEAD, &word) || word > LEAD_MAX)
		return false;
	base += word;
	return ch_core_read_u32(core, base, &word) && word == PE &&
	       ch_core_read_u32(core, base + STAMP, timestamp_ret) &&
	       ch_core_read_u32(core, base + SIZE, bytes_ret);
}

bool clr_image_ready_to_run(const struct ch_core *core, uint64_t base, uint64_t *ret)
{
	/* Of the CLI header: ManagedNativeHeader (II.25.3.3). */
	const uint64_t native_header = 64;
	struct pe_head head;
	uint32_t rva;

	/* Code runs only where the image lies as the loader maps it. */
	if (!read_pe_head(core, base, &head) ||
	    !ch_core_read_u32(core, base + head.cli + native_header, &rva) || !rva)
		return false;
	*ret = base + rva;
	return true;
}

bool clr_metadata_cell(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
		       uint32_t column, uint32_t *ret)
{
	uint8_t cell[4] = { 0 };
	uint32_t bytes;
	uint64_t at;

	if (!row || row > metadata->rows[table])
		return false;
	bytes = column_bytes(metadata, schema[table][column]);
	at = metadata->tables[table] + (uint64_t)(row - 1) * metadata->row_bytes[table] +
	     column_offset(metadata, table, column);
	if (!ch_core_try_read(metadata->core, at, cell, bytes))
		return false;
	*ret = ch_get32(cell);
	return true;
}

bool clr_metadata_string(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
			 uint32_t column, char *buf, size_t max)
{
	uint32_t index;

	if (!clr_metadata_cell(metadata, table, row, column, &index) ||
	    index >= metadata->strings_bytes)
		return false;
	return ch_core_read_string(metadata->core, metadata->strings + index, buf,
				   ch_min(max, metadata->strings_bytes - index + 1));
}

size_t clr_metadata_blob(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
			 uint32_t column, uint8_t *buf, size_t max)
{
	uint8_t head[4] = { 0 };
	uint64_t len, room;
	uint32_t index, n;

	if (!clr_metadata_cell(metadata, table, row, column, &index) ||
	    index >= metadata->blobs_bytes)
		return 0;
	room = metadata->blobs_bytes - index;
	if (!ch_core_try_read(metadata->core, metadata->blobs + index, head, ch_min(4, room)))
		return 0;
	/* II.24.2.4: one, two or four bytes of length, the most significant first. */
	if (!(head[0] & 0x80)) {
		n = 1;
		len = head[0];
	} else if (!(head[0] & 0x40)) {
		n = 2;
		len = (head[0] & 0x3fU) << 8 | head[1];
	} else {
		n = 4;
		len = (head[0] & 0x1fU) << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 |
		      head[3];
	}
	if (!ch_inside(n, len, room))
		return 0;
	len = ch_min(len, max);
	return ch_core_try_read(metadata->core, metadata->blobs + index + n, buf, len) ? len : 0;
}

uint32_t clr_metadata_find(const struct clr_metadata *metadata, enum clr_table table,
			   uint32_t column, uint32_t value)
{
	uint32_t low = 1, high = metadata->rows[table] + 1, mid, found;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (!clr_metadata_cell(metadata, table, mid, column, &found))
			return 0;
		if (found < value)
			low = mid + 1;
		else
			high = mid;
	}
	return clr_metadata_cell(metadata, table, low, column, &found) && found == value ? low : 0;
}

uint32_t clr_metadata_enclosing(const struct clr_metadata *metadata, uint32_t row)
{
	uint32_t ret;

	/* Sorted by the nested type (II.22.32). */
	row = clr_metadata_find(metadata, CLR_TABLE_NESTED_CLASS, CLR_NESTED_CLASS_NESTED, row);
	if (!row || !clr_metadata_cell(metadata, CLR_TABLE_NESTED_CLASS, row,
				       CLR_NESTED_CLASS_ENCLOSING, &ret))
		return 0;
	return ret;
}
