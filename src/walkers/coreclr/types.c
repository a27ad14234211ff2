/*
 * Names of types, as SOS prints them: of classes from the metadata of their module, with what
 * they are nested in and their type arguments, of arrays, pointers and variables from the types
 * that they are made of. Names nest without end in a damaged core: parts still to be written are
 * on a list of bounded length.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/typedesc.h, generics.h (dictionaries).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define ARITY_MAX  CLR_ARITY_MAX
#define NESTED_MAX CLR_NESTED_MAX

/* Name parts that are still to be written, the next one on top. */
struct work {
	struct {
		/* A type from that part of its nest on, or text if it is not NULL. */
		uint64_t type;
		uint32_t part;
		const char *text;
	} items[ARITY_MAX * 4];
	size_t count;
	char *buf;
	size_t max, len;
	bool failed;
};

static void put(struct work *work, const char *text)
{
	size_t len = strlen(text);

	if (work->len + len + 1 > work->max) {
		work->failed = true;
		return;
	}
	memcpy(work->buf + work->len, text, len + 1);
	work->len += len;
}

static void later(struct work *work, uint64_t type, uint32_t part, const char *text)
{
	if (work->count == CH_COUNT_OF(work->items)) {
		work->failed = true;
		return;
	}
	work->items[work->count].type = type;
	work->items[work->count].part = part;
	work->items[work->count++].text = text;
}

/* "[]", "[,]", "[*]". */
static const char *rank_text(const struct clr *clr, uint64_t mt, uint32_t flags)
{
	static const char *const texts[] = { "[?]",    "[*]",     "[,]",      "[,,]",     "[,,,]",
					     "[,,,,]", "[,,,,,]", "[,,,,,,]", "[,,,,,,,]" };
	uint32_t rank;

	if (flags & CLR_MT_SINGLE)
		return "[]";
	rank = clr_array_rank(clr, mt);
	return texts[rank < CH_COUNT_OF(texts) ? rank : 0];
}

/* TypeDesc: what is no class (typedesc.h; CorElementType in corhdr.h). */
static void name_type_desc(const struct clr *clr, struct work *work, uint64_t desc)
{
	enum {
		POINTER = 0x0f,
		BY_REF = 0x10,
		VARIABLE = 0x13,
		FUNCTION = 0x1b,
		METHOD = 0x1e,
		/* In .NET Core 3.1: with its method table before the element. */
		SINGLE = 0x1d,
		ARRAY = 0x14
	};
	uint64_t target;
	uint8_t kind;

	if (!ch_core_try_read(clr->core, desc, &kind, 1)) {
		put(work, "?");
		return;
	}
	switch (kind) {
	case SINGLE:
	case ARRAY:
		if (clr_read_ptr(clr, desc + 8, &target) && target && !(target & 3))
			later(work, target, 0, NULL);
		else
			put(work, "?");
		return;
	case POINTER:
	case BY_REF:
		later(work, 0, 0, kind == POINTER ? "*" : "&");
		if (clr_read_ptr(clr, desc + 16, &target))
			later(work, target, 0, NULL);
		return;
	case VARIABLE:
	case METHOD:
		put(work, kind == VARIABLE ? "!T" : "!!T");
		return;
	default:
		put(work, kind == FUNCTION ? "fnptr" : "?");
	}
}

/* The type that a type lies in, of the same table; 0: it is not nested. */
static uint32_t enclosing(const struct clr_metadata *metadata, enum clr_table table, uint32_t row)
{
	/* ResolutionScope (II.24.2.6): two bits of tag, 3 is TypeRef. */
	enum { TAG_BITS = 2, TAG_TYPE_REF = 3 };
	uint32_t scope;

	if (table == CLR_TABLE_TYPE_DEF)
		return clr_metadata_enclosing(metadata, row);
	if (!clr_metadata_cell(metadata, table, row, CLR_TYPE_REF_SCOPE, &scope) ||
	    (scope & TAG_TYPE_REF) != TAG_TYPE_REF)
		return 0;
	return scope >> TAG_BITS;
}

/* Rows of a table from the outermost type in; returns how many, 0 when damaged. */
static uint32_t nest_of(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
			uint32_t rows[NESTED_MAX])
{
	uint32_t reversed[NESTED_MAX], n = 0, i;

	for (; row && n < NESTED_MAX; row = enclosing(metadata, table, row))
		reversed[n++] = row;
	if (row)
		return 0;
	for (i = 0; i < n; i++)
		rows[i] = reversed[n - 1 - i];
	return n;
}

/* The part of a name that one type of a nest has: its bare name is written, its
 * arguments are left to later. Returns the number of arguments taken. */
static uint32_t split_arity(char *name)
{
	char *tick = strrchr(name, '`');
	unsigned long n;
	char *end;

	if (!tick || tick[1] < '0' || tick[1] > '9')
		return 0;
	n = strtoul(tick + 1, &end, 10);
	if (*end || n > ARITY_MAX)
		return 0;
	*tick = '\0';
	return (uint32_t)n;
}

/* Arguments as "<A, B>", pushed so that they come out in order. */
static void later_arguments(struct work *work, const uint64_t *args, uint32_t from, uint32_t to)
{
	uint32_t i;

	if (from == to)
		return;
	later(work, 0, 0, ">");
	for (i = to; i > from; i--) {
		later(work, args[i - 1], 0, NULL);
		later(work, 0, 0, i - 1 > from ? ", " : "<");
	}
}

bool clr_nest_read(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
		   struct clr_nest *nest)
{
	/* Both tables have the name before the namespace, in the same columns. */
	uint32_t rows[NESTED_MAX], i;

	nest->count = nest_of(metadata, table, row, rows);
	for (i = 0; i < nest->count; i++) {
		if (!clr_metadata_string(metadata, table, rows[i], CLR_TYPE_DEF_NAME,
					 nest->names[i], sizeof(nest->names[i])))
			return false;
		nest->arities[i] = split_arity(nest->names[i]);
	}
	return nest->count && clr_metadata_string(metadata, table, rows[0], CLR_TYPE_DEF_NAMESPACE,
						  nest->space, sizeof(nest->space));
}

bool clr_definition_name(const struct clr_metadata *metadata, uint32_t row, char *buf, size_t max)
{
	struct clr_nest nest;
	size_t len;
	uint32_t i;

	if (!clr_nest_read(metadata, CLR_TABLE_TYPE_DEF, row, &nest))
		return false;
	len = (size_t)snprintf(buf, max, "%s%s", nest.space, nest.space[0] ? "." : "");
	for (i = 0; i < nest.count && len < max; i++)
		len += (size_t)snprintf(buf + len, max - len, "%s%s", i ? "+" : "", nest.names[i]);
	return len < max;
}

/* One part of the nest of a class; its arguments and the other parts come later. */
static void name_class(struct clr *clr, struct work *work, uint64_t mt, uint32_t part,
		       uint32_t flags)
{
	const struct clr_metadata *metadata = NULL;
	uint32_t row, from = 0, n = 0, i;
	uint64_t module, args[ARITY_MAX];
	struct clr_nest nest;

	if (clr_type_module(clr, mt, &module))
		metadata = clr_module_metadata(clr, module);
	if (!metadata || !clr_type_row(clr, mt, &row) ||
	    !clr_nest_read(metadata, CLR_TABLE_TYPE_DEF, row, &nest) || part >= nest.count) {
		work->failed = true;
		return;
	}
	if (part == 0 && nest.space[0]) {
		put(work, nest.space);
		put(work, ".");
	}
	if (part > 0)
		put(work, "+");
	put(work, nest.names[part]);
	if (!(flags & CLR_MT_COMPONENT) && flags & CLR_MT_GENERICS)
		n = clr_type_arguments(clr, mt, args);
	for (i = 0; i < part; i++)
		from += nest.arities[i];
	if (part + 1 < nest.count)
		later(work, mt, part + 1, NULL);
	if (from + nest.arities[part] <= n)
		later_arguments(work, args, from, from + nest.arities[part]);
}

static void name_type(struct clr *clr, struct work *work, uint64_t type, uint32_t part)
{
	uint64_t element;
	uint32_t flags;

	if (type & 2) {
		name_type_desc(clr, work, type & ~3ULL);
		return;
	}
	if (!ch_core_read_u32(clr->core, type + clr->layout.mt_flags, &flags)) {
		work->failed = true;
		return;
	}
	if ((flags & CLR_MT_CATEGORY) != CLR_MT_ARRAY) {
		name_class(clr, work, type, part, flags);
		return;
	}
	later(work, 0, 0, rank_text(clr, type, flags));
	if (clr_read_ptr(clr, type + clr->layout.mt_dictionaries, &element))
		later(work, element, 0, NULL);
	else
		work->failed = true;
}

bool clr_type_name(struct clr *clr, uint64_t mt, char *buf, size_t max)
{
	struct work work = { .buf = buf, .max = max };
	/* Each step writes something or comes to an end, but for pointers in a ring. */
	uint32_t steps = 4096;

	buf[0] = '\0';
	if (mt == clr->free_mt) {
		put(&work, "Free");
		return !work.failed;
	}
	later(&work, mt, 0, NULL);
	while (work.count && !work.failed && steps--) {
		work.count--;
		if (work.items[work.count].text)
			put(&work, work.items[work.count].text);
		else
			name_type(clr, &work, work.items[work.count].type,
				  work.items[work.count].part);
	}
	return !work.failed && !work.count && work.len;
}
