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
#include "util/context.h"

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
	/* Before .NET 8: a list of sections, the last ones of memory first. What was found
	 * last is between the link and the flags. */
	LISTED_END = 8,
	LISTED_NEXT = 24,
	LISTED_FLAGS = 40,
	LISTED_OWNER = 48,
	LISTED_FLAGS_MAX = 7,
	/* Heaps of dynamic methods begin behind a header of their own, and end with a page. */
	LISTED_ALIGNMENT = 16,
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
	/* Its functions: how many, then of each begin, end and what unwinds it, from where
	 * its heap's code begins on. */
	HEADER_UNWIND_COUNT = 32,
	HEADER_UNWIND = 36,
	RUNTIME_FUNCTION_BYTES = 12,
};

#define FRAGMENTS_MAX  65536
#define HEAPS_MAX      65536
#define BACK_WORDS_MAX 65536
/* Entries and fragments of the whole map: enough for 100 GB of code. */
#define STEPS_MAX (1U << 20)

/* ---- From an address to a section -------------------------------------------- */

/* A range of code: of a module, or of heaps that the runtime's compiler fills. */
struct section {
	uint64_t start, end;
	bool heap;
	/* Module, or the first of its heaps. */
	uint64_t owner;
};

static bool read_section(const struct clr *clr, uint64_t at, struct section *ret)
{
	uint32_t flags;

	if (!ch_core_read_u32(clr->core, at + (clr->code_list ? LISTED_FLAGS : SECTION_FLAGS),
			      &flags) ||
	    !clr_read_ptr(clr, at, &ret->start) || !clr_read_ptr(clr, at + LISTED_END, &ret->end))
		return false;
	ret->heap = flags & SECTION_FLAG_CODE_HEAP;
	if (clr->code_list)
		return clr_read_ptr(clr, at + LISTED_OWNER, &ret->owner);
	return clr_read_ptr(clr, at + (ret->heap ? SECTION_HEAPS : SECTION_MODULE), &ret->owner);
}

static bool find_listed(const struct clr *clr, uint64_t addr, struct section *ret)
{
	uint64_t at = clr->code_list;
	uint32_t i;

	for (i = 0; at && i < FRAGMENTS_MAX; i++) {
		if (!read_section(clr, at, ret))
			return false;
		if (addr >= ret->start && addr < ret->end)
			return true;
		if (!clr_read_ptr(clr, at + LISTED_NEXT, &at))
			return false;
	}
	return false;
}

static bool find_section(const struct clr *clr, uint64_t addr, struct section *ret)
{
	uint64_t at = clr->code_map, begin, end;
	uint32_t level, shift, i;

	if (clr->code_list)
		return find_listed(clr, addr, ret);
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
			return clr_read_ptr(clr, at + FRAGMENT_SECTION, &at) &&
			       read_section(clr, at, ret);
		if (!clr_read_ptr(clr, at + FRAGMENT_NEXT, &at))
			return false;
	}
	return false;
}

/* The variable is the map's first table, or it leads to the first section of a list: what the
 * map's first entry leads to is a table, which has nothing for the lowest addresses. */
void clr_code_tables(struct clr *clr, uint64_t variable)
{
	uint64_t first, start, end;
	uint32_t flags;

	clr->code_map = variable;
	if (clr_read_ptr(clr, variable, &first) && first && first % 8 == 0 &&
	    clr_read_ptr(clr, first, &start) && clr_read_ptr(clr, first + LISTED_END, &end) &&
	    start && start % LISTED_ALIGNMENT == 0 && end % CH_PAGE_BYTES == 0 && start < end &&
	    ch_core_read_u32(clr->core, first + LISTED_FLAGS, &flags) && flags <= LISTED_FLAGS_MAX)
		clr->code_list = first;
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
	struct ch_error *err = NULL;
	struct section section;
	uint64_t at;

	while (!err && (*steps)++ < STEPS_MAX && (fragment &= ~1ULL)) {
		if (clr_read_ptr(clr, fragment + FRAGMENT_SECTION, &at) && at != *last &&
		    read_section(clr, at, &section) && section.heap) {
			*last = at;
			err = fn(arg, section.start, section.end);
		}
		if (!clr_read_ptr(clr, fragment + FRAGMENT_NEXT, &fragment))
			break;
	}
	return err;
}

static struct ch_error *visit_list(const struct clr *clr, clr_range_fn fn, void *arg)
{
	uint64_t at = clr->code_list;
	struct ch_error *err = NULL;
	struct section section;
	uint32_t i;

	for (i = 0; !err && at && i < FRAGMENTS_MAX && read_section(clr, at, &section); i++) {
		if (section.heap)
			err = fn(arg, section.start, section.end);
		if (!clr_read_ptr(clr, at + LISTED_NEXT, &at))
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

	if (clr->code_list)
		return visit_list(clr, fn, arg);
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

/* The end of compiled code: of its last function; 0: not known. */
static uint64_t compiled_end(const struct clr *clr, uint64_t base, uint64_t start)
{
	enum { FUNCTIONS_MOST = 4096 };
	uint32_t count, begin, end;
	uint64_t header;

	if (!clr_read_ptr(clr, start - 8, &header) || header <= STUB_KIND_MAX ||
	    !ch_core_read_u32(clr->core, header + HEADER_UNWIND_COUNT, &count) || !count ||
	    count > FUNCTIONS_MOST ||
	    !ch_core_read_u32(clr->core, header + HEADER_UNWIND, &begin) || base + begin != start ||
	    !ch_core_read_u32(clr->core,
			      header + HEADER_UNWIND + RUNTIME_FUNCTION_BYTES * (count - 1) + 4,
			      &end) ||
	    end <= begin)
		return 0;
	return base + end;
}

static bool find_compiled(const struct clr *clr, const struct section *section, uint64_t addr,
			  uint64_t *start, uint64_t *end)
{
	uint64_t heap = section->owner, low, high, base, map;
	uint32_t i;

	for (i = 0; heap && i < HEAPS_MAX; i++) {
		if (!clr_read_ptr(clr, heap + HEAP_START, &low) ||
		    !clr_read_ptr(clr, heap + HEAP_END, &high) ||
		    !clr_read_ptr(clr, heap + HEAP_BASE, &base) ||
		    !clr_read_ptr(clr, heap + HEAP_MAP, &map))
			return false;
		if (addr >= low && addr < high && addr >= base) {
			if (!find_start(clr, base, map, addr, start))
				return false;
			*end = compiled_end(clr, base, *start);
			return true;
		}
		if (!clr_read_ptr(clr, heap + HEAP_NEXT, &heap))
			return false;
	}
	return false;
}

static bool name_compiled(struct clr *clr, const struct section *section, uint64_t addr,
			  struct ch_code *ret, char *buf, size_t max)
{
	uint64_t header, method;

	if (!find_compiled(clr, section, addr, &ret->start, &ret->end) ||
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

/* Whether addr is where compiled code begins. */
static bool is_code(const struct clr *clr, uint64_t addr)
{
	struct section section;
	uint64_t start, end;

	return find_section(clr, addr, &section) &&
	       (!section.heap ||
		(find_compiled(clr, &section, addr, &start, &end) && start == addr));
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

/* Before .NET 7 what jumps to a method has its data among the instructions: eight bytes of a
 * row, behind whose last one a MethodDesc is from which each counts; or alone, with a constant
 * (release/3.1, src/vm/amd64/cgenamd64.h, FixupPrecode and StubPrecode). */
static bool precode_old(const struct clr *clr, uint64_t entry, uint64_t *ret)
{
	enum { CALL = 0xe8, JUMP = 0xe9, BYTES = 8, MADE = 0x5f, NOT_YET = 0x5e, UNIT = 8 };
	/* mov r10, constant; a prefix without meaning, jmp */
	static const uint8_t load[] = { 0x49, 0xba }, jump[] = { 0x40, 0xe9 };
	uint8_t code[sizeof(load) + 8 + sizeof(jump)];

	if (!ch_core_try_read(clr->core, entry, code, sizeof(code)))
		return false;
	if (memcmp(code, load, sizeof(load)) == 0 && memcmp(code + 10, jump, sizeof(jump)) == 0) {
		*ret = ch_get64(code + sizeof(load));
		return *ret && *ret % UNIT == 0;
	}
	if ((code[0] != CALL && code[0] != JUMP) || (code[5] != MADE && code[5] != NOT_YET) ||
	    !clr_read_ptr(clr, entry + BYTES * (code[7] + 1ULL), ret) || *ret % UNIT)
		return false;
	*ret += (uint64_t)UNIT * code[6];
	return true;
}

static bool precode_method(const struct clr *clr, uint64_t entry, uint64_t *ret)
{
	uint64_t slots[2];

	if (ch_core_arch(clr->core) != CH_ARCH_X86_64)
		return precode_guess(clr, entry, ret);
	if (clr->code_list && precode_old(clr, entry, ret))
		return true;
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
	struct section section;

	*ret = (struct ch_code){ .basis = CH_BASIS_DERIVED };
	if (!find_section(clr, addr, &section))
		return false;
	if (section.heap)
		return name_compiled(clr, &section, addr, ret, buf, max);
	return section.owner && clr_r2r_name(clr, section.owner, addr, ret, buf, max);
}

/* ---- All of it --------------------------------------------------------------- */

struct visit {
	struct clr *clr;
	ch_methods_fn fn;
	void *arg;
	uint64_t steps;
	/* Pieces of code, or of maps of them, that are not in the core. */
	uint64_t absent;
};

static struct ch_error *visit_method(struct visit *visit, uint64_t addr)
{
	char name[CLR_NAME_MAX + 256];
	struct ch_method method;
	struct ch_code code;

	uint64_t header;

	if (!clr_read_ptr(visit->clr, addr - 8, &header) ||
	    (header > STUB_KIND_MAX &&
	     !clr_read_ptr(visit->clr, header + HEADER_METHOD, &header))) {
		visit->absent++;
		return NULL;
	}
	if (!clr_code_at(visit->clr, addr, &code, name, sizeof(name)) || code.start != addr ||
	    strcmp(code.kind, "stub") == 0)
		return NULL;
	method = (struct ch_method){
		.kind = code.kind, .start = code.start, .end = code.end, .name = name
	};
	return visit->fn(visit->arg, &method);
}

/* What begins in the code that one word of a map is of. */
static struct ch_error *visit_word(struct visit *visit, uint64_t base, uint64_t index,
				   uint32_t word)
{
	struct ch_error *err = NULL;
	uint32_t nibble, value;

	if ((word & 0xf) >= NIBBLE_POINTER)
		return NULL;
	for (nibble = 0; !err && nibble < NIBBLES_PER_WORD; nibble++) {
		value = word >> (28 - 4 * nibble) & 0xf;
		if (value && value < NIBBLE_POINTER)
			err = visit_method(visit, base + index * WORD_CODE_BYTES +
							  (uint64_t)nibble * NIBBLE_CODE_BYTES +
							  4ULL * (value - 1));
	}
	return err;
}

static struct ch_error *visit_heap(struct visit *visit, uint64_t low, uint64_t high, uint64_t base,
				   uint64_t map)
{
	struct ch_error *err = NULL;
	uint64_t index, last;
	uint32_t word;

	if (low < base || high < low)
		return NULL;
	last = (high - base) / WORD_CODE_BYTES;
	for (index = (low - base) / WORD_CODE_BYTES; !err && index <= last; index++) {
		/* Steps bound all heaps together: enough for 4 GB of code. */
		if (visit->steps++ >= 16ULL * STEPS_MAX ||
		    !ch_core_read_u32(visit->clr->core, map + 4 * index, &word)) {
			visit->absent++;
			break;
		}
		if (word)
			err = visit_word(visit, base, index, word);
		if (!err && index % 4096 == 0)
			err = chp_context_check(visit->clr->env->ctx);
	}
	return err;
}

/* The heap of a section. Those that were made before it are behind it in its list, and have
 * sections of their own. */
static struct ch_error *visit_section(void *arg, uint64_t start, uint64_t end)
{
	struct visit *visit = arg;
	struct clr *clr = visit->clr;
	uint64_t heap, low, high, base, map;
	struct ch_error *err = NULL;
	struct section section;
	uint32_t i;

	if (!find_section(clr, start, &section) || !section.heap)
		return NULL;
	for (heap = section.owner, i = 0; !err && heap && i < HEAPS_MAX; i++) {
		if (!clr_read_ptr(clr, heap + HEAP_START, &low) ||
		    !clr_read_ptr(clr, heap + HEAP_END, &high) ||
		    !clr_read_ptr(clr, heap + HEAP_BASE, &base) ||
		    !clr_read_ptr(clr, heap + HEAP_MAP, &map))
			break;
		if (low >= start && low < end)
			err = visit_heap(visit, low, high, base, map);
		if (!clr_read_ptr(clr, heap + HEAP_NEXT, &heap))
			break;
	}
	return err;
}

struct ch_error *clr_methods_visit(void *state, ch_methods_fn fn, void *arg)
{
	struct visit visit = { .clr = state, .fn = fn, .arg = arg };
	struct clr *clr = state;
	struct ch_error *err = clr_code_heaps_visit(clr, visit_section, &visit);
	size_t i;

	if (!err)
		err = clr_modules_find(clr);
	for (i = 0; !err && i < clr->module_list.count; i++)
		err = clr_r2r_visit(clr, *CH_VEC_AT(&clr->module_list, uint64_t, i), fn, arg);
	if (!err && visit.absent)
		chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-code-absent",
				    "%llu pieces of code that the runtime compiled are not in the "
				    "core: their methods are not listed",
				    (unsigned long long)visit.absent);
	return err;
}
