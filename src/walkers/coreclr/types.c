/*
 * Method tables: sizes and names of types.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/methodtable.h (the flags),
 * class.h (EEClass), typedesc.h, generics.h (dictionaries).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

enum {
	FLAG_HAS_COMPONENT = 0x80000000U,
	CATEGORY_MASK = 0x000c0000,
	CATEGORY_ARRAY = 0x00080000,
	ARRAY_SINGLE = 0x00020000,
	GENERICS_MASK = 0x30,
	MANAGED_BASE_MAX = 1 << 27,
};

#define ARITY_MAX   CLR_ARITY_MAX
#define NESTED_MAX  CLR_NESTED_MAX
#define MODULES_MAX (1U << 18)
/* Layouts of an image (IMAGE_COUNT). */
#define LAYOUTS 3

bool clr_shape_read(const struct clr *clr, uint64_t mt, struct clr_shape *ret)
{
	uint32_t flags, base;

	if (mt % 8 || !mt || !ch_core_read_u32(clr->core, mt + clr->layout.mt_flags, &flags) ||
	    !ch_core_read_u32(clr->core, mt + clr->layout.mt_base_size, &base))
		return false;
	/* A string has 22: its last character may end the object unaligned. */
	if (base < 16 || base > MANAGED_BASE_MAX)
		return false;
	ret->base_bytes = base;
	ret->component_bytes = flags & FLAG_HAS_COMPONENT ? flags & 0xffff : 0;
	return true;
}

uint32_t clr_array_rank(const struct clr *clr, uint64_t mt)
{
	enum { SINGLE_BYTES = 24, DIMENSION_BYTES = 8, RANKS = 32 };
	struct clr_shape shape;
	uint32_t more;

	if (!clr_shape_read(clr, mt, &shape) || shape.base_bytes <= SINGLE_BYTES)
		return 0;
	more = shape.base_bytes - SINGLE_BYTES;
	return more % DIMENSION_BYTES || more / DIMENSION_BYTES > RANKS ? 0
									: more / DIMENSION_BYTES;
}

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

static struct clr_module **module_slot(const struct clr *clr, uint64_t addr)
{
	size_t slot = (size_t)(addr * 0x9e3779b97f4a7c15ULL >> 32) & clr->modules_mask;

	while (clr->modules[slot] && clr->modules[slot]->addr != addr)
		slot = (slot + 1) & clr->modules_mask;
	return &clr->modules[slot];
}

static bool grow_modules(struct clr *clr)
{
	size_t old = clr->modules ? clr->modules_mask + 1 : 0, size = old ? 2 * old : 256, i;
	struct clr_module **modules = clr->modules;

	clr->modules = calloc(size, sizeof(struct clr_module *));
	if (!clr->modules) {
		clr->modules = modules;
		return false;
	}
	clr->modules_mask = size - 1;
	for (i = 0; i < old; i++)
		if (modules[i])
			*module_slot(clr, modules[i]->addr) = modules[i];
	free(modules);
	return true;
}

void clr_modules_free(struct clr *clr)
{
	size_t i;

	for (i = 0; clr->modules && i <= clr->modules_mask; i++) {
		if (clr->modules[i])
			free(clr->modules[i]->r2r.owners);
		free(clr->modules[i]);
	}
	free(clr->modules);
}

/* One that metadata was not looked for yet. */
static struct clr_module *add_module(struct clr *clr, uint64_t addr)
{
	struct clr_module **slot, *module;

	if (clr->modules_count >= MODULES_MAX ||
	    (2 * clr->modules_count >= clr->modules_mask && !grow_modules(clr)))
		return NULL;
	slot = module_slot(clr, addr);
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	module->addr = addr;
	*slot = module;
	clr->modules_count++;
	return module;
}

/* An image may be flat in one layout and loaded in another: the first one will do. */
static bool open_old_image(const struct clr *clr, struct clr_module *module)
{
	const struct clr_layout *layout = &clr->layout;
	uint32_t layouts = layout->image_layouts ? layout->image_layouts : LAYOUTS, i;
	uint64_t file, image, at, base;

	if (!clr_read_ptr(clr, module->addr + layout->module_file, &file) || !file ||
	    !clr_read_ptr(clr, file + layout->file_image, &image) || !image)
		return false;
	for (i = 0; i < layouts; i++) {
		if (!clr_read_ptr(clr, image + layout->image_layout - 8ULL * i, &at) || !at ||
		    !clr_read_ptr(clr, at + layout->layout_base, &base) || !base)
			continue;
		module->image = base;
		if (clr_metadata_open_image(clr->core, base, &module->metadata))
			return true;
	}
	return false;
}

/* Whether metadata is that of the module: the runtime's maps from rows to what it made
 * of them have an entry for each row, and one for row 0. */
static bool has_rows(const struct clr *clr, uint64_t addr, const struct clr_metadata *metadata)
{
	enum { MAP_COUNT = 16 };
	const struct {
		uint32_t map;
		enum clr_table table;
	} maps[] = {
		{ clr->layout.module_types, CLR_TABLE_TYPE_DEF },
		{ clr->layout.module_methods, CLR_TABLE_METHOD_DEF },
		{ clr->layout.module_field_map, CLR_TABLE_FIELD },
	};
	uint32_t count;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(maps); i++)
		if (maps[i].map &&
		    ch_core_read_u32(clr->core, addr + maps[i].map + MAP_COUNT, &count) &&
		    count != metadata->rows[maps[i].table] + 1)
			return false;
	return true;
}

/* A file that nothing in the core contradicted may be of another build all the same. */
static void check_file(const struct clr *clr, struct clr_module *module)
{
	const struct ch_module *file = ch_sym_module_at(clr->env->sym, module->image);
	_cleanup_free_ char *path = NULL;

	if (!module->known || !file || file->match != CH_MATCH_LIKELY ||
	    has_rows(clr, module->addr, &module->metadata))
		return;
	module->known = false;
	path = chp_text_escape(file->file_path, 1024);
	chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "assembly-mismatch",
			    "%s is another build than the one in the core: it has not as many "
			    "types, methods or fields; its types have no names",
			    path ? path : "an assembly");
}

/* Made at run time: a snapshot of the metadata, behind its size; before .NET 9 that is
 * an SBuffer (inc/sbuffer.h), which leads to it. */
static bool open_snapshot(const struct clr *clr, struct clr_module *module)
{
	enum { SBUFFER_BYTES = 16 };
	uint64_t blob;
	uint32_t bytes;

	if (!clr_read_ptr(clr, module->addr + clr->layout.module_dynamic, &blob) || !blob ||
	    !ch_core_read_u32(clr->core, blob, &bytes))
		return false;
	if (!clr->layout.old)
		blob += 4;
	else if (!clr_read_ptr(clr, blob + SBUFFER_BYTES, &blob))
		return false;
	return clr_metadata_open(clr->core, blob, bytes, &module->metadata);
}

struct clr_module *clr_module_entry(struct clr *clr, uint64_t addr)
{
	struct clr_module *module = clr->modules ? *module_slot(clr, addr) : NULL;

	if (!addr)
		return NULL;
	if (module)
		return module;
	module = add_module(clr, addr);
	if (!module)
		return NULL;
	if (clr->layout.module_file)
		module->known = open_old_image(clr, module);
	else if (clr_read_ptr(clr, addr + clr->layout.module_base, &module->image) && module->image)
		module->known =
			clr_metadata_open_image(clr->core, module->image, &module->metadata);
	check_file(clr, module);
	if (!module->known && clr->layout.module_dynamic && !(clr->layout.old && module->image))
		module->known = open_snapshot(clr, module);
	return module;
}

const struct clr_metadata *clr_module_metadata(struct clr *clr, uint64_t addr)
{
	const struct clr_module *module = clr_module_entry(clr, addr);

	return module && module->known ? &module->metadata : NULL;
}

/* The tagged word may lead to the canonical method table. */
bool clr_class_of(const struct clr *clr, uint64_t mt, uint64_t *ret)
{
	if (!clr_read_ptr(clr, mt + clr->layout.mt_class, ret))
		return false;
	/* The tag is 1, and was 2 in .NET Core 3.1. */
	if (*ret & 3)
		return clr_read_ptr(clr, (*ret & ~3ULL) + clr->layout.mt_class, ret);
	return true;
}

uint32_t clr_type_arguments(const struct clr *clr, uint64_t mt, uint64_t args[ARITY_MAX])
{
	uint64_t dictionaries, dictionary;
	uint8_t counts[4];
	uint32_t dicts, n, i;

	if (!clr_read_ptr(clr, mt + clr->layout.mt_dictionaries, &dictionaries) ||
	    !ch_core_try_read(clr->core, dictionaries - 4, counts, sizeof(counts)))
		return 0;
	dicts = ch_get16(counts);
	n = ch_get16(counts + 2);
	if (!dicts || n > ARITY_MAX ||
	    !clr_read_ptr(clr, dictionaries + 8ULL * (dicts - 1), &dictionary))
		return 0;
	for (i = 0; i < n; i++)
		if (!clr_read_ptr(clr, dictionary + 8ULL * i, &args[i]))
			return 0;
	return n;
}

/* "[]", "[,]", "[*]". */
static const char *rank_text(const struct clr *clr, uint64_t mt, uint32_t flags)
{
	static const char *const texts[] = { "[?]",    "[*]",     "[,]",      "[,,]",     "[,,,]",
					     "[,,,,]", "[,,,,,]", "[,,,,,,]", "[,,,,,,,]" };
	uint32_t rank;

	if (flags & ARRAY_SINGLE)
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
	if (!(flags & FLAG_HAS_COMPONENT) && flags & GENERICS_MASK)
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
	if ((flags & CATEGORY_MASK) != CATEGORY_ARRAY) {
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
