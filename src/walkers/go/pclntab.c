/*
 * Functions of a Go program: which one an address lies in, its name, file and line, what was put
 * into it, how large its frame is; all from the tables that the linker wrote for the runtime.
 *
 * Go 1.17.13 to 1.27.3: src/runtime/runtime2.go (type _func), src/runtime/symtab.go (functab,
 * pcvalue, funcdata), src/runtime/symtabinl.go (type inlinedCall).
 */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"
#include "walkers/go/code.h"

/* Of one table of numbers: what a function of some megabytes has. */
#define TABLE_BYTES_MAX (1U << 20)
#define NAME_BYTES_MAX  4096
/* Functions in one another: the compiler gives up at some dozens. */
#define INLINED_MAX 32
/* Numbers of one table: a function of half a megabyte has some hundred thousand. */
#define STEPS_MAX (1U << 17)
/* Functions that tell whether a table is whole. */
#define SAMPLES 64
/* Functions of an image that tell whether its table is whole. */
#define SAMPLES 64
/* Tables of numbers and of data that a function may have; today some ten. */
#define DATA_MAX 64

/* PCDATA_StackMapIndex, PCDATA_InlTreeIndex. */
#define NUMBER_STACK_MAP 1
#define NUMBER_INLINED   2

/* Fields of a struct _func and of an inlinedCall, in bytes. */
struct layout {
	uint32_t first_minor;
	/* Of an entry of the index; of an entry address or offset, there and in struct _func. */
	uint8_t index_bytes, entry_bytes;
	/* With the line that the function starts in. */
	bool has_line;
	/* inlinedCall. */
	uint8_t call_bytes, call_name, call_parent;
};
static const struct layout layouts[] = {
	{ 20, 8, 4, true, 16, 4, 8 },
	{ 18, 8, 4, false, 20, 12, 16 },
	{ 0, 16, 8, false, 20, 12, 16 },
};

static const struct layout *layout_of(const struct go_module *module)
{
	size_t i;

	for (i = 0; i + 1 < CH_COUNT_OF(layouts); i++)
		if (module->layout->first_minor >= layouts[i].first_minor)
			break;
	return &layouts[i];
}

const struct go_module *go_module_at(const struct go_code *code, uint64_t pc)
{
	const struct go_module *module;
	size_t i;

	for (i = 0; i < code->modules.count; i++) {
		module = CH_VEC_AT(&code->modules, struct go_module, i);
		if (pc >= module->pc.start && pc < module->pc.end)
			return module;
	}
	return NULL;
}

/* ---- Functions ----------------------------------------------------------------------- */

static bool read_number(const struct go_code *code, uint64_t addr, uint32_t bytes, uint64_t *ret)
{
	uint32_t small;

	if (bytes == 8)
		return ch_core_read_u64(code->env.core, addr, ret);
	if (!ch_core_read_u32(code->env.core, addr, &small))
		return false;
	*ret = small;
	return true;
}

/* Entry address and place of struct _func of a row of the index. */
static bool read_index(const struct go_code *code, const struct go_module *module, uint64_t row,
		       uint64_t *entry_ret, uint64_t *place_ret)
{
	const struct layout *layout = layout_of(module);
	uint64_t addr = module->index.addr + row * layout->index_bytes;

	if (!read_number(code, addr, layout->entry_bytes, entry_ret) ||
	    !read_number(code, addr + layout->entry_bytes, layout->entry_bytes, place_ret))
		return false;
	/* since 1.18 an offset from the text */
	if (layout->entry_bytes == 4)
		*entry_ret += module->text.start;
	return true;
}

/* The row of the index whose function holds pc. */
static bool find_row(const struct go_code *code, const struct go_module *module, uint64_t pc,
		     uint64_t *ret)
{
	uint64_t low = 0, high = module->index.count - 1, middle, entry, place;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (!read_index(code, module, middle, &entry, &place))
			return false;
		if (entry <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low - 1;
	return low > 0;
}

static bool read_function(const struct go_code *code, uint64_t place, struct go_function *ret)
{
	const struct layout *layout = layout_of(ret->module);
	const uint64_t at = ret->module->functions.addr + place;
	const uint32_t line = layout->has_line ? 4 : 0, bytes = layout->entry_bytes + 36 + line;
	uint8_t raw[8 + 36 + 4], *fields = raw + layout->entry_bytes;

	if (place >= ret->module->functions.count ||
	    !ch_core_try_read(code->env.core, at, raw, bytes))
		return false;
	ret->name = ch_get32(fields);
	ret->frame_sizes = ch_get32(fields + 12);
	ret->files = ch_get32(fields + 16);
	ret->lines = ch_get32(fields + 20);
	ret->numbers_count = ch_get32(fields + 24);
	ret->unit = ch_get32(fields + 28);
	ret->flags = fields[32 + line + 1];
	ret->data_count = fields[32 + line + 3];
	ret->numbers = at + bytes;
	ret->arguments_bytes = ch_get32(fields + 4);
	return ret->numbers_count <= DATA_MAX && ret->data_count <= DATA_MAX;
}

bool go_function_at(const struct go_code *code, uint64_t pc, struct go_function *ret)
{
	const struct go_module *module = go_module_at(code, pc);
	uint64_t row, place, next_place;

	*ret = (struct go_function){ .module = module };
	return module && find_row(code, module, pc, &row) &&
	       read_index(code, module, row, &ret->entry, &place) &&
	       read_index(code, module, row + 1, &ret->end, &next_place) &&
	       read_function(code, place, ret);
}

/* A text of a table, ended by NUL; NULL: it is not there. */
static const char *text_at(const struct go_code *code, const struct go_slice *table, uint64_t at)
{
	const uint8_t *bytes;
	size_t len;

	if (at >= table->count)
		return NULL;
	bytes = ch_core_span(code->env.core, table->addr + at, &len);
	len = bytes ? (size_t)ch_min(ch_min(len, table->count - at), NAME_BYTES_MAX) : 0;
	return bytes && memchr(bytes, 0, len) ? (const char *)bytes : NULL;
}

const char *go_name(const struct go_code *code, const struct go_module *module, uint32_t at)
{
	const char *name = text_at(code, &module->names, at);

	return name && name[0] ? name : NULL;
}

bool go_functions_whole(const struct go_code *code, const struct go_module *module)
{
	const uint64_t count = module->index.count - 1, step = count / SAMPLES + 1;
	uint64_t row, entry = 0, place, last = 0;
	struct go_function function;

	for (row = 0; row < count; row += step, last = entry) {
		function = (struct go_function){ .module = module };
		if (!read_index(code, module, row, &entry, &place) || entry < last ||
		    entry < module->text.start || entry >= module->text.end ||
		    !read_function(code, place, &function) || !go_name(code, module, function.name))
			return false;
	}
	return true;
}

/* ---- Tables from address to number ----------------------------------------------------- */

/* Bytes of a table that are left. */
struct cursor {
	const uint8_t *at, *end;
};

static bool read_varint(struct cursor *cursor, uint32_t *ret)
{
	uint32_t shift;

	*ret = 0;
	for (shift = 0; shift < 35 && cursor->at < cursor->end; shift += 7) {
		*ret |= shift < 32 ? (uint32_t)(*cursor->at & 0x7f) << shift : 0;
		if (!(*cursor->at++ & 0x80))
			return true;
	}
	return false;
}

/* Unit of addresses: instructions of arm64 have 4 bytes each. */
static uint64_t quantum(const struct go_code *code)
{
	return ch_core_arch(code->env.core) == CH_ARCH_AARCH64 ? 4 : 1;
}

bool go_number(const struct go_code *code, const struct go_function *function, uint32_t table,
	       uint64_t pc, int32_t *ret)
{
	const struct go_slice *numbers = &function->module->numbers;
	uint64_t at = function->entry;
	uint32_t delta, step, value = UINT32_MAX, i;
	struct cursor cursor;
	size_t len;

	/* 0: there is no table */
	if (!table || table >= numbers->count)
		return false;
	cursor.at = ch_core_span(code->env.core, numbers->addr + table, &len);
	if (!cursor.at)
		return false;
	cursor.end = cursor.at + ch_min(ch_min(len, numbers->count - table), TABLE_BYTES_MAX);
	for (i = 0; i < STEPS_MAX && read_varint(&cursor, &delta) && (delta || !i) &&
		    read_varint(&cursor, &step) && step;
	     i++) {
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		at += step * quantum(code);
		if (pc < at) {
			memcpy(ret, &value, sizeof(*ret));
			return true;
		}
	}
	return false;
}

/* One of the numbered tables; -1 where the function has none, as the runtime has it. */
static int32_t numbered(const struct go_code *code, const struct go_function *function,
			uint32_t which, uint64_t pc)
{
	uint32_t table;
	int32_t value;

	return which < function->numbers_count &&
			       ch_core_read_u32(code->env.core, function->numbers + 4ULL * which,
						&table) &&
			       go_number(code, function, table, pc, &value)
		       ? value
		       : -1;
}

int32_t go_stack_map_index(const struct go_code *code, const struct go_function *function,
			   uint64_t pc)
{
	return numbered(code, function, NUMBER_STACK_MAP, pc);
}

uint64_t go_data(const struct go_code *code, const struct go_function *function,
		 enum go_data_kind kind)
{
	uint64_t addr = function->numbers + 4ULL * function->numbers_count;
	uint32_t offset;

	if ((uint32_t)kind >= function->data_count)
		return 0;
	if (!function->module->gofunc) {
		addr = ch_align_up(addr, 8) + 8ULL * kind;
		return ch_core_read_u64(code->env.core, addr, &addr) ? addr : 0;
	}
	if (!ch_core_read_u32(code->env.core, addr + 4ULL * kind, &offset) || offset == UINT32_MAX)
		return 0;
	return function->module->gofunc + offset;
}

/* ---- Lines ----------------------------------------------------------------------------- */

bool go_line(const struct go_code *code, const struct go_function *function, uint64_t pc,
	     struct go_line *ret)
{
	const struct go_module *module = function->module;
	int32_t file, line;
	uint32_t at;

	if (!go_number(code, function, function->files, pc, &file) || file < 0 ||
	    !go_number(code, function, function->lines, pc, &line) || line < 0 ||
	    (uint64_t)function->unit + (uint32_t)file >= module->units.count ||
	    !ch_core_read_u32(code->env.core,
			      module->units.addr + 4 * ((uint64_t)function->unit + (uint32_t)file),
			      &at))
		return false;
	ret->file = text_at(code, &module->files, at);
	ret->line = (uint32_t)line;
	return ret->file && ret->file[0];
}

/* One step out of an inlined function: its name, and the address that stands for its call. */
static bool leave_call(const struct go_code *code, const struct go_function *function,
		       int32_t index, uint32_t *name_ret, uint64_t *pc)
{
	const struct layout *layout = layout_of(function->module);
	uint64_t tree = go_data(code, function, GO_DATA_INLINED);
	uint32_t parent;

	tree += (uint64_t)(uint32_t)index * layout->call_bytes;
	if (!ch_core_read_u32(code->env.core, tree + layout->call_name, name_ret) ||
	    !ch_core_read_u32(code->env.core, tree + layout->call_parent, &parent) ||
	    parent >= function->end - function->entry)
		return false;
	*pc = function->entry + parent;
	return true;
}

bool go_place(const struct go_code *code, const struct go_function *function, uint64_t pc,
	      uint32_t depth, struct go_place *ret)
{
	const bool has_tree = go_data(code, function, GO_DATA_INLINED) != 0;
	uint32_t name = function->name, i;
	uint64_t at = pc;
	int32_t index;

	for (i = 0; i <= depth && i < INLINED_MAX; i++) {
		*ret = (struct go_place){ .pc = at };
		index = has_tree ? numbered(code, function, NUMBER_INLINED, at) : -1;
		name = function->name;
		ret->inlined = index >= 0 && leave_call(code, function, index, &name, &at);
		if (!ret->inlined)
			break;
	}
	if (i < depth || i == INLINED_MAX)
		return false;
	ret->name = go_name(code, function->module, name);
	if (!go_line(code, function, ret->pc, &ret->line))
		ret->line = (struct go_line){ .file = NULL };
	return ret->name != NULL;
}
