/*
 * Names of methods by their MethodDesc.
 *
 * dotnet/runtime, release/9.0 and 8.0, src/coreclr/vm/method.hpp (MethodDesc,
 * MethodDescChunk, DynamicMethodDesc); dotnet/coreclr, release/3.1, the same file;
 * measured on 3.1.3, 8.0.34, 9.0.22 and 10.0.12.
 *
 * A name is either a row of metadata, and then one of the type that the method's chunk
 * belongs to, or that of a method made at run time, and then text that ends. Anything
 * else is no name, and not shown: what lies there may be anything.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/text.h"

enum {
	METHOD_TOKEN = 0,
	METHOD_INDEX = 2,
	METHOD_FLAGS = 6,
	METHOD_KIND = 7,
	METHOD_DYNAMIC = 7,
	METHOD_UNIT = 8,
	/* The chunk that it lies in: its type, and the upper bits of all rows. */
	CHUNK_BYTES = 24,
	CHUNK_TOKEN = 18,
	ROW_BITS = 24,
	/* DynamicMethodDesc; .NET 9 has a pointer more in front. */
	DYNAMIC_NAME = 32,
	DYNAMIC_NAME_OLD = 24,
	/* Its flags, in the 32 bits before: made by the program, or by the runtime. */
	DYNAMIC_PROGRAM = 0x4000,
	DYNAMIC_STUB = 0x8000,
	DYNAMIC_PROGRAM_3 = 0x20000,
	DYNAMIC_STUB_3 = 0x10000,
};

/* Whether a row of MethodDef is a method of a row of TypeDef. */
static bool is_method_of(const struct clr_metadata *metadata, uint32_t type, uint32_t row)
{
	uint32_t last = metadata->rows[CLR_TABLE_METHOD_DEF] + 1, first, end, to;

	if (!row || row >= last ||
	    !clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, type, CLR_TYPE_DEF_METHODS, &first))
		return false;
	if (type == metadata->rows[CLR_TABLE_TYPE_DEF])
		end = (uint32_t)ch_max(last, metadata->rows[CLR_TABLE_METHOD_PTR] + 1);
	else if (!clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, type + 1, CLR_TYPE_DEF_METHODS,
				    &end))
		return false;
	if (!metadata->rows[CLR_TABLE_METHOD_PTR])
		return row >= first && row < end;
	/* Where types were made at run time, lists of methods are out of order. */
	for (; first < end; first++)
		if (clr_metadata_cell(metadata, CLR_TABLE_METHOD_PTR, first, 0, &to) && to == row)
			return true;
	return false;
}

/* The row of MethodDef. How many of its bits a method has itself differs between
 * releases: 14 until .NET 6 or 7, 12 since .NET 8; those that say the same do. */
static bool row_of(const struct clr *clr, const struct clr_metadata *metadata, uint64_t mt,
		   const uint8_t head[8], uint32_t range, uint32_t *ret)
{
	static const uint8_t splits[] = { CLR_TOKEN_BITS, 13, 14 };
	uint32_t type, row, bits, found = 0;
	size_t i;

	if (!clr_type_row(clr, mt, &type))
		return false;
	for (i = 0; i < sizeof(splits); i++) {
		bits = splits[i];
		if (clr->layout.token_bits && bits != clr->layout.token_bits)
			continue;
		row = (range & ((1U << (ROW_BITS - bits)) - 1)) << bits |
		      (ch_get16(head + METHOD_TOKEN) & ((1U << bits) - 1));
		if (!is_method_of(metadata, type, row))
			continue;
		if (found && found != row)
			return false;
		found = row;
	}
	*ret = found;
	return found;
}

/* Whether they say one thing and not both. Releases whose flags are not known may have
 * the one or the other. */
static bool is_dynamic(const struct clr *clr, uint32_t flags)
{
	bool is_new = !(flags & DYNAMIC_PROGRAM) != !(flags & DYNAMIC_STUB);
	bool is_old = !(flags & DYNAMIC_PROGRAM_3) != !(flags & DYNAMIC_STUB_3);

	return clr->layout.token_bits == CLR_TOKEN_BITS ? is_new : is_old || is_new;
}

/* A method that no assembly has: made by the program, or a stub of the runtime. */
static bool name_dynamic(const struct clr *clr, uint64_t method, char *buf, size_t max)
{
	uint64_t slot = method + (clr->layout.old ? DYNAMIC_NAME_OLD : DYNAMIC_NAME), name;
	char text[256];
	uint32_t flags;

	if (!ch_core_read_u32(clr->core, slot - 4, &flags) || !is_dynamic(clr, flags) ||
	    !clr_read_ptr(clr, slot, &name) ||
	    !ch_core_read_string(clr->core, name, text, sizeof(text)) ||
	    strlen(text) == sizeof(text) - 1 || !chp_text_is_name(text))
		return false;
	snprintf(buf, max, "(dynamic) %s", text);
	return true;
}

bool clr_method_name(struct clr *clr, uint64_t method, char *buf, size_t max)
{
	const struct clr_metadata *metadata;
	char type[CLR_NAME_MAX], name[256];
	uint64_t chunk, mt, module;
	uint8_t head[8], range[2];
	uint32_t row;

	if (!ch_core_try_read(clr->core, method, head, sizeof(head)))
		return false;
	if ((head[METHOD_FLAGS] & METHOD_KIND) == METHOD_DYNAMIC)
		return name_dynamic(clr, method, buf, max);
	chunk = method - (uint64_t)METHOD_UNIT * head[METHOD_INDEX] - CHUNK_BYTES;
	if (!clr_read_ptr(clr, chunk, &mt) || !clr_type_module(clr, mt, &module) ||
	    !ch_core_try_read(clr->core, chunk + CHUNK_TOKEN, range, sizeof(range)))
		return false;
	metadata = clr_module_metadata(clr, module);
	if (!metadata || !row_of(clr, metadata, mt, head, ch_get16(range), &row) ||
	    !clr_metadata_string(metadata, CLR_TABLE_METHOD_DEF, row, CLR_METHOD_DEF_NAME, name,
				 sizeof(name)))
		return false;
	if (!clr_type_name(clr, mt, type, sizeof(type)))
		snprintf(type, sizeof(type), "MT %s",
			 chp_core_word(clr->core, mt, CH_NO_ADDRESS).text);
	snprintf(buf, max, "%s.%s", type, name);
	return true;
}
