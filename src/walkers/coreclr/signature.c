/*
 * Types of fields as their module's metadata writes them.
 *
 * ECMA-335 II.23.2 (signatures), II.23.2.8 (coded tokens), II.23.1.16 (element
 * types). A signature is a tree in prefix order; it is read with a list of what
 * is still open, not by recursion.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

enum {
	E_END = 0x00,
	E_STRING = 0x0e,
	E_PTR = 0x0f,
	E_BY_REF = 0x10,
	E_VALUE_TYPE = 0x11,
	E_CLASS = 0x12,
	E_VAR = 0x13,
	E_ARRAY = 0x14,
	E_GENERIC = 0x15,
	E_FUNCTION = 0x1b,
	E_OBJECT = 0x1c,
	E_SZ_ARRAY = 0x1d,
	E_MVAR = 0x1e,
	E_CMOD_REQUIRED = 0x1f,
	E_CMOD_OPTIONAL = 0x20,
	E_INTERNAL = 0x21,
	E_CMOD_INTERNAL = 0x22,
	/* Of compiled images (zapsig.h): what shares its code; a type of another module. */
	E_VALUE_NATIVE = 0x3d,
	E_CANONICAL = 0x3e,
	E_MODULE = 0x3f,
	E_SENTINEL = 0x41,
	E_PINNED = 0x45,
	SIGNATURE_FIELD = 0x06,
};

/* What stands for any reference in code that several types share. */
#define CANONICAL "System.__Canon"

/* Of one signature: bytes that are read, types that are open at a time; an array of .NET has at
 * most 32 dimensions. */
#define BYTES_MAX 512
#define OPEN_MAX  64
#define RANK_MAX  32

static const char *const primitives[] = {
	[0x01] = "System.Void",   [0x02] = "System.Boolean", [0x03] = "System.Char",
	[0x04] = "System.SByte",  [0x05] = "System.Byte",    [0x06] = "System.Int16",
	[0x07] = "System.UInt16", [0x08] = "System.Int32",   [0x09] = "System.UInt32",
	[0x0a] = "System.Int64",  [0x0b] = "System.UInt64",  [0x0c] = "System.Single",
	[0x0d] = "System.Double", [0x0e] = "System.String",  [0x16] = "System.TypedReference",
	[0x18] = "System.IntPtr", [0x19] = "System.UIntPtr", [0x1c] = "System.Object",
};

/* Something whose end is still to be written. */
struct open {
	/* Written when the type before it is complete; NULL: arguments. */
	const char *text;
	/* A shape of an array follows. */
	bool array;
	/* Arguments: those left of the current part, and of all parts. */
	uint32_t left, all;
	/* The generic type, and its part whose arguments are being written. */
	enum clr_table table;
	uint32_t row, part;
	/* Its module is not known. */
	bool foreign;
};

struct reader {
	struct clr *clr;
	const struct clr_metadata *metadata;
	uint64_t module;
	uint8_t bytes[BYTES_MAX];
	size_t count, at;
	const uint64_t *args;
	uint32_t args_count;
	struct open open[OPEN_MAX];
	size_t open_count;
	struct clr_signature *ret;
	size_t len;
	bool failed;
	/* References among arguments are written as the runtime shares code for them. */
	bool canonical;
	/* A type of a module that is not known is among them: they have no names. */
	bool foreign;
	/* What follows is a part of one that was written as a whole: until no more
	 * than so many are open. */
	bool mute;
	size_t mute_open;
};

static void put(struct reader *reader, const char *text)
{
	size_t len = strlen(text);

	if (reader->mute)
		return;
	if (reader->len + len + 1 > sizeof(reader->ret->name)) {
		reader->failed = true;
		return;
	}
	memcpy(reader->ret->name + reader->len, text, len + 1);
	reader->len += len;
}

static struct open *push(struct reader *reader)
{
	if (reader->open_count == OPEN_MAX) {
		reader->failed = true;
		return NULL;
	}
	reader->open[reader->open_count] = (struct open){ 0 };
	return &reader->open[reader->open_count++];
}

static void push_text(struct reader *reader, const char *text)
{
	struct open *open = push(reader);

	if (open)
		open->text = text;
}

static uint8_t read_byte(struct reader *reader)
{
	if (reader->at >= reader->count) {
		reader->failed = true;
		return 0;
	}
	return reader->bytes[reader->at++];
}

/* II.23.2: one, two or four bytes, the most significant first. */
static uint32_t read_number(struct reader *reader)
{
	uint32_t value = read_byte(reader), more = 0;

	if (!(value & 0x80))
		return value;
	if (value & 0x40)
		more = 2;
	value &= more ? 0x1f : 0x3f;
	for (more++; more; more--)
		value = value << 8 | read_byte(reader);
	return value;
}

static bool read_token(struct reader *reader, enum clr_table *table_ret, uint32_t *row_ret)
{
	static const enum clr_table tables[] = { CLR_TABLE_TYPE_DEF, CLR_TABLE_TYPE_REF,
						 CLR_TABLE_TYPE_SPEC };
	uint32_t token = read_number(reader);

	if (reader->failed || (token & 3) == 3) {
		reader->failed = true;
		return false;
	}
	*table_ret = tables[token & 3];
	*row_ret = token >> 2;
	return true;
}

/* Parts of a name until one that has arguments; false when all are written. */
static bool write_parts(struct reader *reader, struct open *open)
{
	struct clr_nest nest;
	uint32_t sum = 0, i;

	if (open->foreign) {
		/* All arguments at once. */
		open->left = open->part++ ? 0 : open->all;
		return open->left != 0;
	}
	if (!clr_nest_read(reader->metadata, open->table, open->row, &nest)) {
		reader->failed = true;
		return false;
	}
	for (i = 0; i < nest.count; i++)
		sum += nest.arities[i];
	/* Where names do not tell whose arguments they are, all are the last one's. */
	for (i = 0; sum != open->all && i < nest.count; i++)
		nest.arities[i] = i + 1 == nest.count ? open->all : 0;
	while (open->part < nest.count) {
		i = open->part++;
		if (i == 0 && nest.space[0]) {
			put(reader, nest.space);
			put(reader, ".");
		}
		if (i)
			put(reader, "+");
		put(reader, nest.names[i]);
		if (nest.arities[i]) {
			put(reader, "<");
			open->left = nest.arities[i];
			return true;
		}
	}
	return false;
}

static void write_class(struct reader *reader, enum clr_table table, uint32_t row)
{
	struct open open = { .table = table, .row = row };

	if (reader->foreign)
		return;
	if (table == CLR_TABLE_TYPE_SPEC)
		reader->failed = true;
	else
		write_parts(reader, &open);
}

/* "[,]", and over the sizes and bounds that follow. */
static void write_array_shape(struct reader *reader)
{
	uint32_t rank = read_number(reader), n, i, k;

	if (rank == 0 || rank > RANK_MAX) {
		reader->failed = true;
		return;
	}
	put(reader, rank == 1 ? "[*" : "[");
	for (i = 1; i < rank; i++)
		put(reader, ",");
	put(reader, "]");
	/* Lengths, then first indexes. */
	for (k = 0; k < 2; k++) {
		n = read_number(reader);
		for (i = 0; i < n && !reader->failed; i++)
			read_number(reader);
	}
}

/* A type is complete: end what it completes. */
static void close_open(struct reader *reader)
{
	struct open *open;

	while (!reader->failed) {
		if (reader->open_count == reader->mute_open)
			reader->mute = false;
		if (!reader->open_count)
			return;
		open = &reader->open[reader->open_count - 1];
		if (open->text) {
			put(reader, open->text);
		} else if (open->array) {
			write_array_shape(reader);
		} else if (--open->left) {
			put(reader, ", ");
			return;
		} else {
			put(reader, ">");
			if (write_parts(reader, open))
				return;
		}
		reader->open_count--;
	}
}

static void read_generic(struct reader *reader)
{
	struct open *open = push(reader);

	/* CLASS or VALUETYPE. */
	read_byte(reader);
	if (!open || !read_token(reader, &open->table, &open->row))
		return;
	open->all = read_number(reader);
	if (open->table == CLR_TABLE_TYPE_SPEC || !open->all || open->all > CLR_ARITY_MAX) {
		reader->failed = true;
		return;
	}
	open->foreign = reader->foreign;
	if (!write_parts(reader, open)) {
		/* Arguments, but no part that takes them: damaged. */
		reader->failed = true;
	}
}

/* The type that shares its code with a type: all of one shape. */
static uint64_t canonical_of(const struct clr *clr, uint64_t type)
{
	/* Of EEClass. */
	enum { CLASS_METHOD_TABLE = 16 };
	uint64_t class, ret;

	if (type & 2 || !clr_class_of(clr, type, &class) ||
	    !clr_read_ptr(clr, class + CLASS_METHOD_TABLE, &ret))
		return type;
	return ret;
}

/* An argument of the type that declares the field. */
static void read_variable(struct reader *reader, bool whole)
{
	uint32_t index = read_number(reader);
	uint64_t type = index < reader->args_count ? reader->args[index] : 0;
	char name[CLR_NAME_MAX];

	if (reader->canonical && !whole && type && !clr_is_value_type(reader->clr, type)) {
		put(reader, CANONICAL);
		return;
	}
	if (reader->canonical)
		type = canonical_of(reader->clr, type);
	if (!type || !clr_type_name(reader->clr, type, name, sizeof(name))) {
		snprintf(name, sizeof(name), "!%u", index);
		put(reader, name);
		return;
	}
	put(reader, name);
	if (whole && !(reader->args[index] & 2))
		reader->ret->value_type = reader->args[index];
}

static void read_class(struct reader *reader, bool value, bool whole)
{
	enum clr_table table;
	uint32_t row;

	if (!read_token(reader, &table, &row))
		return;
	write_class(reader, table, row);
	if (value && whole)
		reader->ret->value_type = clr_module_type(reader->clr, reader->module, table, row);
}

/* A type that only the runtime could name: a type handle follows. */
static void read_internal(struct reader *reader, bool whole)
{
	uint8_t bytes[8];
	char name[CLR_NAME_MAX];
	uint64_t type;
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = read_byte(reader);
	type = ch_get64(bytes);
	if (reader->failed || !clr_type_name(reader->clr, type, name, sizeof(name))) {
		reader->failed = true;
		return;
	}
	put(reader, name);
	if (whole && !(type & 2))
		reader->ret->value_type = type;
}

/* Whether an element begins a reference that is an argument. */
static bool is_reference(const struct reader *reader, uint8_t element)
{
	const struct open *open;

	if (!reader->canonical || reader->mute || !reader->open_count)
		return false;
	open = &reader->open[reader->open_count - 1];
	if (open->text || open->array)
		return false;
	return element == E_CLASS || element == E_STRING || element == E_OBJECT ||
	       element == E_SZ_ARRAY || element == E_ARRAY ||
	       (element == E_GENERIC && reader->at < reader->count &&
		reader->bytes[reader->at] == E_CLASS);
}

/* One element; true: it ends a type. */
static bool read_element(struct reader *reader, bool whole)
{
	uint8_t element = read_byte(reader);
	enum clr_table table;
	struct open *open;
	char name[32];
	uint32_t row;

	if (is_reference(reader, element)) {
		put(reader, CANONICAL);
		reader->mute = true;
		reader->mute_open = reader->open_count;
	}
	switch (element) {
	case E_SZ_ARRAY:
		push_text(reader, "[]");
		return false;
	case E_PTR:
	case E_BY_REF:
		push_text(reader, element == E_PTR ? "*" : "&");
		return false;
	case E_ARRAY:
		open = push(reader);
		if (open)
			open->array = true;
		return false;
	case E_CMOD_REQUIRED:
	case E_CMOD_OPTIONAL:
		read_token(reader, &table, &row);
		return false;
	case E_SENTINEL:
	case E_PINNED:
		return false;
	case E_GENERIC:
		read_generic(reader);
		return false;
	case E_VAR:
		read_variable(reader, whole);
		return true;
	case E_MVAR:
		snprintf(name, sizeof(name), "!!%u", read_number(reader));
		put(reader, name);
		return true;
	case E_VALUE_TYPE:
	case E_CLASS:
		read_class(reader, element == E_VALUE_TYPE, whole);
		return true;
	case E_INTERNAL:
		read_internal(reader, whole);
		return true;
	case E_VALUE_NATIVE:
		return false;
	case E_CANONICAL:
		put(reader, CANONICAL);
		return true;
	case E_MODULE:
		read_number(reader);
		reader->foreign = true;
		return false;
	case E_FUNCTION:
		/* Its own signature follows; nothing is behind it in a field's. */
		put(reader, "fnptr");
		reader->at = reader->count;
		return true;
	default:
		if (element >= CH_COUNT_OF(primitives) || !primitives[element])
			reader->failed = true;
		else
			put(reader, primitives[element]);
		return true;
	}
}

/* One type, with all that belongs to it. */
static void read_type(struct reader *reader)
{
	bool ended;

	do {
		ended = read_element(reader, !reader->open_count);
		if (ended)
			close_open(reader);
	} while (!reader->failed && (reader->open_count || !ended));
}

static void read_field(struct clr *clr, uint64_t mt, uint32_t row, bool canonical,
		       struct clr_signature *ret)
{
	struct reader reader = { .clr = clr, .ret = ret, .canonical = canonical };
	uint64_t args[CLR_ARITY_MAX];

	*ret = (struct clr_signature){ .value_type = 0 };
	if (!clr_type_module(clr, mt, &reader.module))
		return;
	reader.metadata = clr_module_metadata(clr, reader.module);
	if (!reader.metadata)
		return;
	reader.count = clr_metadata_blob(reader.metadata, CLR_TABLE_FIELD, row, CLR_FIELD_SIGNATURE,
					 reader.bytes, sizeof(reader.bytes));
	reader.args = args;
	reader.args_count = clr_type_arguments(clr, mt, args);
	if ((read_byte(&reader) & 0x0f) != SIGNATURE_FIELD)
		reader.failed = true;
	read_type(&reader);
	if (reader.failed)
		*ret = (struct clr_signature){ .value_type = 0 };
}

void clr_signature_of_field(struct clr *clr, uint64_t mt, uint32_t row, struct clr_signature *ret)
{
	read_field(clr, mt, row, false, ret);
}

uint64_t clr_signature_value_type(struct clr *clr, uint64_t mt, uint32_t row,
				  const struct clr_signature *signature)
{
	struct clr_signature shared;
	uint64_t type = signature->value_type;

	if (!type && signature->name[0])
		type = clr_value_type_by_name(clr, signature->name);
	if (type || !signature->name[0])
		return type;
	/* The runtime may have had no need of it but as one of those that share code. */
	read_field(clr, mt, row, true, &shared);
	return shared.name[0] ? clr_value_type_by_name(clr, shared.name) : 0;
}

/* ---- Signatures of compiled images ----------------------------------------------- */

bool clr_signature_number(const struct clr *clr, uint64_t *at, uint32_t *ret)
{
	struct reader reader = { .count = 0 };

	while (reader.count < 4 &&
	       ch_core_try_read(clr->core, *at + reader.count, reader.bytes + reader.count, 1))
		reader.count++;
	*ret = read_number(&reader);
	*at += reader.at;
	return !reader.failed;
}

bool clr_signature_type(struct clr *clr, uint64_t module, uint64_t *at, char *buf, size_t max)
{
	struct clr_signature signature = { .value_type = 0 };
	struct reader reader = { .clr = clr, .ret = &signature, .module = module };

	reader.metadata = clr_module_metadata(clr, module);
	if (!reader.metadata)
		return false;
	for (reader.count = sizeof(reader.bytes); reader.count; reader.count /= 2)
		if (ch_core_try_read(clr->core, *at, reader.bytes, reader.count))
			break;
	read_type(&reader);
	*at += reader.at;
	if (reader.failed)
		return false;
	if (buf)
		snprintf(buf, max, "%s", reader.foreign ? "" : signature.name);
	return true;
}

/* ---- Types of a module ------------------------------------------------------- */
