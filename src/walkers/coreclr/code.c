/*
 * What a code address is: a method that was compiled in the process, one that came
 * compiled in its assembly, or a stub of the runtime.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/codeman.h (RangeSectionMap, RangeSection,
 * HeapList, RealCodeHeader), nibblemapmacros.h, method.hpp (MethodDesc,
 * MethodDescChunk), readytoruninfo.h, inc/readytorun.h, vm/nativeformatreader.h
 * (NativeArray); measured on 9.0.7 and 10.0.12.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

enum {
	/* RangeSectionMap: five levels of 256 pointers, over bits 17 to 56; the
	 * variable is the first one. */
	MAP_LEVELS = 5,
	MAP_LOW_BIT = 17,
	MAP_BITS = 8,
	FRAGMENT_NEXT = 0,
	FRAGMENT_BEGIN = 8,
	FRAGMENT_END = 16,
	FRAGMENT_SECTION = 24,
	SECTION_FLAGS = 16,
	SECTION_FLAG_CODE_HEAP = 2,
	SECTION_MODULE = 32,
	SECTION_HEAPS = 40,
	/* HeapList. */
	HEAP_NEXT = 0,
	HEAP_START = 16,
	HEAP_END = 24,
	HEAP_BASE = 32,
	HEAP_MAP = 40,
	/* Nibble map. */
	NIBBLE_CODE_BYTES = 32,
	NIBBLES_PER_WORD = 8,
	WORD_CODE_BYTES = NIBBLE_CODE_BYTES * NIBBLES_PER_WORD,
	NIBBLE_POINTER = 9,
	/* In front of code: a header, or the kind of a stub. */
	STUB_KIND_MAX = 15,
	HEADER_METHOD = 24,
	/* ReadyToRun images. */
	RUNTIME_FUNCTION_BYTES = 12,
	SECTION_RUNTIME_FUNCTIONS = 102,
	SECTION_METHOD_ENTRIES = 103,
};

#define FRAGMENTS_MAX  65536
#define HEAPS_MAX      65536
#define BACK_WORDS_MAX 65536
#define FUNCTIONS_MAX  (1U << 22)
/* Entries and fragments of the whole map: enough for 100 GB of code. */
#define STEPS_MAX (1U << 20)

/* ---- From an address to a section -------------------------------------------- */

static bool find_section(const struct clr *clr, uint64_t addr, uint64_t *ret)
{
	uint64_t at = clr->code_map, begin, end;
	uint32_t level, shift, i;

	for (level = 0; level < MAP_LEVELS; level++) {
		shift = MAP_LOW_BIT + MAP_BITS * (MAP_LEVELS - 1 - level);
		at &= ~1ULL;
		if (!at || !clr_read_ptr(clr, at + 8 * (addr >> shift & 0xff), &at))
			return false;
	}
	for (i = 0; i < FRAGMENTS_MAX && (at &= ~1ULL); i++) {
		if (!clr_read_ptr(clr, at + FRAGMENT_BEGIN, &begin) ||
		    !clr_read_ptr(clr, at + FRAGMENT_END, &end))
			return false;
		if (addr >= begin && addr < end)
			return clr_read_ptr(clr, at + FRAGMENT_SECTION, ret);
		if (!clr_read_ptr(clr, at + FRAGMENT_NEXT, &at))
			return false;
	}
	return false;
}

/* A table of the map that is gone through, and how far. */
struct level {
	uint64_t table;
	uint32_t next;
};

/* Sections of a leaf; the same one comes once for each 128 KiB that it covers. */
static struct ch_error *visit_leaf(const struct clr *clr, uint64_t fragment, uint64_t *last,
				   uint64_t *steps, clr_range_fn fn, void *arg)
{
	uint64_t section, start, end;
	struct ch_error *err = NULL;
	uint32_t flags;

	while (!err && (*steps)++ < STEPS_MAX && (fragment &= ~1ULL)) {
		if (clr_read_ptr(clr, fragment + FRAGMENT_SECTION, &section) && section != *last &&
		    ch_core_read_u32(clr->core, section + SECTION_FLAGS, &flags) &&
		    flags & SECTION_FLAG_CODE_HEAP && clr_read_ptr(clr, section, &start) &&
		    clr_read_ptr(clr, section + 8, &end)) {
			*last = section;
			err = fn(arg, start, end);
		}
		if (!clr_read_ptr(clr, fragment + FRAGMENT_NEXT, &fragment))
			break;
	}
	return err;
}

struct ch_error *clr_code_heaps_visit(const struct clr *clr, clr_range_fn fn, void *arg)
{
	struct level levels[MAP_LEVELS] = { { .table = clr->code_map } };
	struct ch_error *err = NULL;
	uint64_t at, last = 0, steps = 0;
	uint32_t depth = 0;

	/* A table that leads back to one above it is damage: steps bound the loss. */
	while (!err && clr->code_map && steps++ < STEPS_MAX) {
		if (levels[depth].next == 1U << MAP_BITS) {
			if (!depth--)
				break;
			continue;
		}
		if (!clr_read_ptr(clr, levels[depth].table + 8ULL * levels[depth].next++, &at) ||
		    !(at & ~1ULL))
			continue;
		if (depth + 1 == MAP_LEVELS)
			err = visit_leaf(clr, at, &last, &steps, fn, arg);
		else
			levels[++depth] = (struct level){ .table = at & ~1ULL };
	}
	return err;
}

/* ---- Code of the process's own compiler -------------------------------------- */

/* The start of the last piece of code that a word of the map knows of, up to its
 * nibble last; false when there is none. */
static bool start_in_word(uint32_t word, uint64_t index, uint32_t last, uint64_t *ret)
{
	uint32_t nibble, value;

	for (nibble = last + 1; nibble > 0; nibble--) {
		value = word >> (28 - 4 * (nibble - 1)) & 0xf;
		if (!value)
			continue;
		*ret = index * WORD_CODE_BYTES + (uint64_t)(nibble - 1) * NIBBLE_CODE_BYTES +
		       4ULL * (value - 1);
		return true;
	}
	return false;
}

/* Where the code that holds addr begins: the map has a nibble for each 32 bytes, 0 or
 * where in them something begins; from .NET 10 on, a word of those in the middle of
 * something long points back to its start. */
static bool find_start(const struct clr *clr, uint64_t base, uint64_t map, uint64_t addr,
		       uint64_t *ret)
{
	uint64_t offset = addr - base, index = offset / WORD_CODE_BYTES, i;
	uint32_t last = (uint32_t)(offset % WORD_CODE_BYTES / NIBBLE_CODE_BYTES), word;
	uint64_t start;

	for (i = 0; i <= index && i < BACK_WORDS_MAX; i++) {
		if (!ch_core_read_u32(clr->core, map + 4 * (index - i), &word))
			return false;
		if ((word & 0xf) >= NIBBLE_POINTER) {
			*ret = base + (word & ~0xfU) + 4 * ((word & 0xf) - NIBBLE_POINTER);
			return *ret <= addr;
		}
		if (!start_in_word(word, index - i, i ? NIBBLES_PER_WORD - 1 : last, &start)) {
			continue;
		}
		if (start <= offset) {
			*ret = base + start;
			return true;
		}
		/* It begins in the same 32 bytes, behind addr: the one before it. */
		if (last && start_in_word(word, index - i, last - 1, &start)) {
			*ret = base + start;
			return true;
		}
	}
	return false;
}

static bool find_compiled(const struct clr *clr, uint64_t section, uint64_t addr, uint64_t *start)
{
	uint64_t heap, low, high, base, map;
	uint32_t i;

	if (!clr_read_ptr(clr, section + SECTION_HEAPS, &heap))
		return false;
	for (i = 0; heap && i < HEAPS_MAX; i++) {
		if (!clr_read_ptr(clr, heap + HEAP_START, &low) ||
		    !clr_read_ptr(clr, heap + HEAP_END, &high) ||
		    !clr_read_ptr(clr, heap + HEAP_BASE, &base) ||
		    !clr_read_ptr(clr, heap + HEAP_MAP, &map))
			return false;
		if (addr >= low && addr < high && addr >= base)
			return find_start(clr, base, map, addr, start);
		if (!clr_read_ptr(clr, heap + HEAP_NEXT, &heap))
			return false;
	}
	return false;
}

static bool name_compiled(struct clr *clr, uint64_t section, uint64_t addr, struct ch_code *ret,
			  char *buf, size_t max)
{
	uint64_t header, method;

	if (!find_compiled(clr, section, addr, &ret->start) ||
	    !clr_read_ptr(clr, ret->start - 8, &header))
		return false;
	if (header <= STUB_KIND_MAX) {
		ret->kind = "stub";
		snprintf(buf, max, "stub of the runtime");
		return true;
	}
	ret->kind = "JIT";
	return clr_read_ptr(clr, header + HEADER_METHOD, &method) &&
	       clr_method_name(clr, method, buf, max);
}

/* ---- Code that came with the assembly ---------------------------------------- */

/* NativeReader::DecodeUnsigned: the low bits of the first byte tell the length. */
static bool decode(const struct clr *clr, uint64_t *at, uint32_t *ret)
{
	uint8_t bytes[5] = { 0 };
	uint32_t len;

	if (!ch_core_try_read(clr->core, *at, bytes, 1))
		return false;
	for (len = 1; len < 5 && bytes[0] >> (len - 1) & 1;)
		len++;
	if (len > 1 && !ch_core_try_read(clr->core, *at, bytes, len))
		return false;
	*at += len;
	*ret = len == 5 ? ch_get32(bytes + 1)
			: (uint32_t)((ch_get32(bytes) & (0xffffffffU >> (32 - 8 * len))) >> len);
	return true;
}

/* NativeArray::TryGetAt: blocks of 16, each a tree over the bits of an index. */
static bool array_at(const struct clr *clr, uint64_t array, uint32_t index, uint64_t *ret)
{
	uint32_t head, block = 0, value, bit;
	uint64_t base = array, at, next;
	uint8_t offset[4] = { 0 };

	if (!decode(clr, &base, &head) || index >= head >> 2)
		return false;
	block = 1U << ch_min(head & 3, 2);
	if (!ch_core_try_read(clr->core, base + (uint64_t)block * (index / 16), offset, block))
		return false;
	at = base + ch_get32(offset);
	for (bit = 8; bit; bit >>= 1) {
		next = at;
		if (!decode(clr, &next, &value))
			return false;
		if (index & bit && value & 2) {
			at += value >> 2;
			continue;
		}
		if (!(index & bit) && value & 1) {
			at = next;
			continue;
		}
		if (value & 3 || value >> 2 != (index & 15))
			return false;
		at = next;
		break;
	}
	*ret = at;
	return true;
}

/* The runtime function that a method (row of MethodDef) begins with. */
static bool entry_of(const struct clr *clr, uint64_t entries, uint32_t row, uint32_t *ret)
{
	uint64_t at;

	if (!array_at(clr, entries, row - 1, &at) || !decode(clr, &at, ret))
		return false;
	*ret >>= *ret & 1 ? 2 : 1;
	return true;
}

/* READYTORUN_HEADER: signature, versions, flags, then sections: kind, place, size. */
static bool r2r_section(const struct clr *clr, uint64_t base, uint64_t header, uint32_t kind,
			uint64_t *addr_ret, uint64_t *bytes_ret)
{
	enum { SIGNATURE = 0x00525452, COUNT = 12, SECTIONS = 16, SECTION_BYTES = 12, MOST = 256 };
	uint8_t head[SECTIONS], section[SECTION_BYTES];
	uint32_t i;

	if (!ch_core_try_read(clr->core, header, head, sizeof(head)) || ch_get32(head) != SIGNATURE)
		return false;
	for (i = 0; i < ch_get32(head + COUNT) && i < MOST; i++) {
		if (!ch_core_try_read(clr->core, header + SECTIONS + (uint64_t)SECTION_BYTES * i,
				      section, sizeof(section)))
			return false;
		if (ch_get32(section) != kind)
			continue;
		*addr_ret = base + ch_get32(section + 4);
		*bytes_ret = ch_get32(section + 8);
		return true;
	}
	return false;
}

static bool find_r2r(const struct clr *clr, uint64_t base, struct clr_r2r *ret)
{
	uint64_t header, functions, bytes, entries, unused;

	if (!clr_image_ready_to_run(clr->core, base, &header) ||
	    !r2r_section(clr, base, header, SECTION_RUNTIME_FUNCTIONS, &functions, &bytes) ||
	    !r2r_section(clr, base, header, SECTION_METHOD_ENTRIES, &entries, &unused))
		return false;
	ret->functions = functions;
	ret->entries = entries;
	ret->count = (uint32_t)ch_min(bytes / RUNTIME_FUNCTION_BYTES, FUNCTIONS_MAX);
	return true;
}

/* Rows of MethodDef by the runtime function they begin with; made once. */
static bool learn_methods(struct clr *clr, uint64_t module, struct clr_r2r *r2r)
{
	const struct clr_metadata *metadata = clr_module_metadata(clr, module);
	uint32_t row, function;

	if (r2r->rows)
		return true;
	r2r->rows = metadata ? calloc(r2r->count + 1ULL, sizeof(uint32_t)) : NULL;
	if (!r2r->rows)
		return false;
	for (row = 1; row <= metadata->rows[CLR_TABLE_METHOD_DEF]; row++)
		if (entry_of(clr, r2r->entries, row, &function) && function < r2r->count &&
		    !r2r->rows[function])
			r2r->rows[function] = row;
	return true;
}

/* The function whose code begins last at or before an address of the image. */
static bool function_at(const struct clr *clr, const struct clr_r2r *r2r, uint32_t rva,
			uint32_t *index_ret, uint32_t *start_ret)
{
	uint32_t low = 0, high = r2r->count, mid, start;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (!ch_core_read_u32(clr->core,
				      r2r->functions + (uint64_t)RUNTIME_FUNCTION_BYTES * mid,
				      &start))
			return false;
		if (start <= rva)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return false;
	*index_ret = low - 1;
	return ch_core_read_u32(clr->core,
				r2r->functions + (uint64_t)RUNTIME_FUNCTION_BYTES * (low - 1),
				start_ret);
}

/* "Type.Method" from metadata alone: the type that a row of MethodDef belongs to. */
static bool name_definition(const struct clr_metadata *metadata, uint32_t row, char *buf,
			    size_t max)
{
	uint32_t low = 1, high = metadata->rows[CLR_TABLE_TYPE_DEF] + 1, mid, first;
	char type[CLR_NAME_MAX], method[256];

	while (low < high) {
		mid = low + (high - low) / 2;
		if (!clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, mid, CLR_TYPE_DEF_METHODS,
				       &first))
			return false;
		if (first <= row)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 1 || !clr_definition_name(metadata, low - 1, type, sizeof(type)) ||
	    !clr_metadata_string(metadata, CLR_TABLE_METHOD_DEF, row, CLR_METHOD_DEF_NAME, method,
				 sizeof(method)))
		return false;
	snprintf(buf, max, "%s.%s", type, method);
	return true;
}

/* The method that the runtime prepared at an entry point: those of generic types and
 * methods are in no table of the image. HashMap: buckets of four keys and values, the
 * first one holds how many there are. */
static bool prepared_at(const struct clr *clr, uint64_t module, uint64_t entry, uint64_t *ret)
{
	enum { BUCKET_BYTES = 64, KEYS = 4, BUCKETS_MAX = 1 << 20, BUCKETS = 16 };
	uint8_t bucket[BUCKET_BYTES];
	uint64_t info, buckets;
	uint32_t count, i, k;

	if (!clr->layout.module_r2r || !clr->layout.r2r_methods ||
	    !clr_read_ptr(clr, module + clr->layout.module_r2r, &info) ||
	    !clr_read_ptr(clr, info + clr->layout.r2r_methods + BUCKETS, &buckets) ||
	    !ch_core_read_u32(clr->core, buckets, &count))
		return false;
	for (i = 1; i <= count && i < BUCKETS_MAX; i++) {
		if (!ch_core_try_read(clr->core, buckets + (uint64_t)BUCKET_BYTES * i, bucket,
				      sizeof(bucket)))
			return false;
		for (k = 0; k < KEYS; k++)
			if (ch_get64(bucket + 8ULL * k) == entry) {
				*ret = ch_get64(bucket + 8ULL * (KEYS + k)) << 1;
				return true;
			}
	}
	return false;
}

static bool name_ready_to_run(struct clr *clr, uint64_t module, uint64_t addr, struct ch_code *ret,
			      char *buf, size_t max)
{
	struct clr_module *entry = clr_module_entry(clr, module);
	uint32_t index, start;
	uint64_t base, method;

	ret->kind = "ReadyToRun";
	if (!entry || !entry->known || !entry->image)
		return false;
	base = entry->image;
	if (!entry->r2r_tried) {
		entry->r2r_tried = true;
		entry->has_r2r = find_r2r(clr, base, &entry->r2r);
	}
	if (!entry->has_r2r || addr < base || addr - base > UINT32_MAX ||
	    !learn_methods(clr, module, &entry->r2r) ||
	    !function_at(clr, &entry->r2r, (uint32_t)(addr - base), &index, &start))
		return false;
	ret->start = base + start;
	if (prepared_at(clr, module, ret->start, &method))
		return clr_method_name(clr, method, buf, max);
	/* A method's handlers follow it as functions of their own, and so do instances
	 * of generic methods that nobody prepared: they have no name. */
	return entry->r2r.rows[index] &&
	       name_definition(&entry->metadata, entry->r2r.rows[index], buf, max);
}

/* Whether addr is where compiled code begins. */
static bool is_code(const struct clr *clr, uint64_t addr)
{
	uint64_t section, start;
	uint32_t flags;

	if (!find_section(clr, addr, &section) ||
	    !ch_core_read_u32(clr->core, section + SECTION_FLAGS, &flags))
		return false;
	return !(flags & SECTION_FLAG_CODE_HEAP) ||
	       (find_compiled(clr, section, addr, &start) && start == addr);
}

/* precode.h: what jumps to a method has its data on a page of its own behind that of
 * the code, where it jumps to and the method. Its instructions say where: the page's
 * size is that of the system that the runtime was made for. */
static bool precode_slots(const struct clr *clr, uint64_t entry, uint64_t slots[2])
{
	/* jmp [rip + n], and mov r10, [rip + n] */
	static const uint8_t jump[] = { 0xff, 0x25 }, load[] = { 0x4c, 0x8b, 0x15 };
	uint8_t code[sizeof(jump) + sizeof(load) + 8];
	bool jumps;

	if (!ch_core_try_read(clr->core, entry, code, sizeof(code)))
		return false;
	jumps = memcmp(code, jump, 2) == 0 && memcmp(code + 6, load, 3) == 0;
	if (!jumps && (memcmp(code, load, 3) != 0 || memcmp(code + 7, jump, 2) != 0))
		return false;
	slots[0] = entry + (jumps ? 6 : 13) + (uint64_t)(int32_t)ch_get32(code + (jumps ? 2 : 9));
	slots[1] = entry + (jumps ? 13 : 7) + (uint64_t)(int32_t)ch_get32(code + (jumps ? 9 : 3));
	return true;
}

/* Where nobody reads the instructions: before the method is compiled, what is there
 * jumps back to itself. */
static bool precode_guess(const struct clr *clr, uint64_t entry, uint64_t *ret)
{
	static const uint32_t page_bytes[] = { 16384, 4096, 65536 };
	uint64_t target;
	size_t i;

	for (i = 0; i < sizeof(page_bytes) / sizeof(page_bytes[0]); i++) {
		if (!clr_read_ptr(clr, entry + page_bytes[i], &target) ||
		    !clr_read_ptr(clr, entry + page_bytes[i] + 8, ret) || !*ret || *ret % 8)
			continue;
		if (target - entry < 64 || is_code(clr, target))
			return true;
	}
	return false;
}

static bool precode_method(const struct clr *clr, uint64_t entry, uint64_t *ret)
{
	uint64_t slots[2];

	if (ch_core_arch(clr->core) != CH_ARCH_X86_64)
		return precode_guess(clr, entry, ret);
	return precode_slots(clr, entry, slots) && clr_read_ptr(clr, slots[1], ret) && *ret &&
	       *ret % 8 == 0;
}

bool clr_entry_name(struct clr *clr, uint64_t entry, char *buf, size_t max)
{
	struct ch_code code;
	uint64_t method;

	if (clr_code_at(clr, entry, &code, buf, max) && code.start == entry &&
	    strcmp(code.kind, "stub") != 0)
		return true;
	return precode_method(clr, entry, &method) && clr_method_name(clr, method, buf, max);
}

bool clr_code_at(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max)
{
	struct clr *clr = state;
	uint64_t section, module;
	uint32_t flags;

	*ret = (struct ch_code){ .basis = CH_BASIS_DERIVED };
	if (!find_section(clr, addr, &section) ||
	    !ch_core_read_u32(clr->core, section + SECTION_FLAGS, &flags))
		return false;
	if (flags & SECTION_FLAG_CODE_HEAP)
		return name_compiled(clr, section, addr, ret, buf, max);
	return clr_read_ptr(clr, section + SECTION_MODULE, &module) && module &&
	       name_ready_to_run(clr, module, addr, ret, buf, max);
}
