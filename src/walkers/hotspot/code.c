/*
 * What a code address is: a method that C1 or C2 compiled, a piece of the interpreter, or
 * a stub.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: memory/heap.{hpp,cpp}
 * (CodeHeap::find_block_for), code/codeBlob.hpp, code/nmethod.hpp,
 * code/stubs.hpp (StubQueue), interpreter/interpreter.hpp (InterpreterCodelet),
 * oops/method.hpp, oops/constMethod.hpp; measured on 17.0.15 and 25.0.3.
 */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/text.h"
#include "walkers/hotspot/hotspot_priv.h"

#define HEAPS_MAX 16
/* A byte of the map goes back at most 254 segments, and few where memory is in many
 * pieces: of one block; of all that are asked for. */
#define HOPS_MAX        65536
#define HOPS_OF_ALL_MAX (1U << 24)
#define CODELETS_MAX    4096
/* Of a segment that holds nothing. */
#define SEGMENT_FREE    0xff
#define FRAME_WORDS_MAX (1U << 20)

/* ---- The code cache ------------------------------------------------------------------ */

/* code/codeCache.cpp: what a CodeHeap is called, whose pointer lies somewhere in it. */
static const char *label_of(const struct hs *hs, uint64_t heap)
{
	static const struct {
		const char *name, *label;
	} rows[] = { { "CodeHeap 'non-nmethods'", "code cache, stubs" },
		     { "CodeHeap 'profiled nmethods'", "code cache, profiled methods" },
		     { "CodeHeap 'non-profiled nmethods'", "code cache, other methods" } };
	const uint64_t bytes = ch_min(hs->numbers[HS_SIZE_CODE_HEAP].value, 1024);
	char name[48];
	uint64_t at, value;
	size_t i;

	for (at = heap; at + 8 <= heap + bytes; at += 8)
		if (hs_read_ptr(hs, at, &value) && value &&
		    ch_core_read_string(hs->core, value, name, sizeof(name)))
			for (i = 0; i < CH_COUNT_OF(rows); i++)
				if (strcmp(rows[i].name, name) == 0)
					return rows[i].label;
	return "code cache";
}

static struct ch_error *add_heap(struct hs *hs, uint64_t heap)
{
	uint64_t memory = hs_member_addr(hs, HS_CODE_MEMORY, heap);
	uint64_t segmap = hs_member_addr(hs, HS_CODE_SEGMAP, heap);
	struct hs_code_heap made = { 0 }, *slot;

	if (!hs_member_ptr(hs, HS_VIRTUAL_LOW, memory, &made.low) ||
	    !hs_member_ptr(hs, HS_VIRTUAL_HIGH, memory, &made.high) || made.high <= made.low)
		return NULL;
	/* without a map it is still known what the memory is for */
	if (!hs_member_ptr(hs, HS_VIRTUAL_LOW, segmap, &made.map) ||
	    !hs_member_ptr(hs, HS_VIRTUAL_HIGH, segmap, &made.map_end) ||
	    !hs_member_u32(hs, HS_CODE_SEGMENT_LOG2, heap, &made.segment_log2) ||
	    made.segment_log2 < 3 || made.segment_log2 > 20)
		made.map = made.map_end = 0;
	made.label = label_of(hs, heap);
	slot = ch_vec_push(&hs->code_heaps);
	if (!slot)
		return &ch_enomem;
	*slot = made;
	return NULL;
}

struct ch_error *hs_code_open(struct hs *hs)
{
	struct ch_error *err = NULL;
	uint64_t list, data, heap;
	uint32_t count, i;

	/* 8 has one heap, later releases have a list */
	if (hs_member_ptr(hs, HS_CODE_HEAP, 0, &heap))
		return add_heap(hs, heap);
	if (!hs_member_ptr(hs, HS_CODE_HEAPS, 0, &list) ||
	    !hs_member_u32(hs, HS_ARRAY_LENGTH, list, &count) ||
	    !hs_member_ptr(hs, HS_ARRAY_DATA, list, &data))
		return NULL;
	for (i = 0; !err && i < count && i < HEAPS_MAX; i++)
		if (hs_read_ptr(hs, data + 8ULL * i, &heap))
			err = add_heap(hs, heap);
	return err;
}

/* CodeHeap::find_block_for: each segment's byte says how many to go back. */
static bool find_block(struct hs *hs, const struct hs_code_heap *heap, uint64_t addr, uint64_t *ret)
{
	uint64_t segment = (addr - heap->low) >> heap->segment_log2;
	uint8_t back = 1, used;
	uint32_t hops;

	for (hops = 0; hops < HOPS_MAX && hs->work.hops < HOPS_OF_ALL_MAX; hops++) {
		hs->work.hops++;
		if (segment >= heap->map_end - heap->map ||
		    !ch_core_try_read(hs->core, heap->map + segment, &back, 1) ||
		    back == SEGMENT_FREE || back > segment)
			return false;
		if (!back)
			break;
		segment -= back;
	}
	if (back)
		return false;
	*ret = heap->low + (segment << heap->segment_log2);
	return ch_core_try_read(hs->core, hs_member_addr(hs, HS_BLOCK_USED, *ret), &used, 1) &&
	       used;
}

/* Its instructions: up to 21 by a pointer, later by an offset of 4 bytes. */
static bool read_code(const struct hs *hs, struct hs_blob *ret)
{
	uint32_t size, code, data;
	uint64_t begin;

	if (!hs_member_u32(hs, HS_BLOB_SIZE, ret->addr, &size) ||
	    !hs_member_u32(hs, HS_BLOB_DATA_OFFSET, ret->addr, &data) || (int32_t)size <= 0)
		return false;
	if (hs_member_ptr(hs, HS_BLOB_CODE_BEGIN, ret->addr, &begin))
		code = (uint32_t)ch_min(begin - ret->addr, UINT32_MAX);
	else if (!hs_member_u32(hs, HS_BLOB_CODE_OFFSET, ret->addr, &code))
		return false;
	if (code > data || data > size)
		return false;
	ret->end = ret->addr + size;
	ret->code_start = ret->addr + code;
	ret->code_end = ret->addr + data;
	return true;
}

static void read_frame(const struct hs *hs, struct hs_blob *ret)
{
	uint32_t words, complete;

	/* 4 bytes up to 21, later 2; none is larger */
	if (!hs_member_u32(hs, HS_BLOB_FRAME_SIZE, ret->addr, &words) ||
	    !hs_member_u16(hs, HS_BLOB_FRAME_COMPLETE, ret->addr, &complete))
		return;
	ret->frame_bytes = (int32_t)words > 1 && words <= FRAME_WORDS_MAX ? 8ULL * words : 0;
	ret->frame_complete = (int16_t)complete;
}

static bool read_blob(const struct hs *hs, struct hs_blob *ret)
{
	uint64_t name;

	if (!read_code(hs, ret) || !hs_member_ptr(hs, HS_BLOB_NAME, ret->addr, &name) ||
	    !ch_core_read_string(hs->core, name, ret->name, sizeof(ret->name)) ||
	    !chp_text_is_name(ret->name))
		return false;
	read_frame(hs, ret);
	ret->interpreter = strcmp(ret->name, "Interpreter") == 0;
	if (strcmp(ret->name, "nmethod") != 0 && strcmp(ret->name, "native nmethod") != 0)
		return true;
	if (!hs_member_ptr(hs, HS_NMETHOD_METHOD, ret->addr, &ret->method))
		ret->method = 0;
	if (strcmp(ret->name, "nmethod") == 0 &&
	    hs_member_u32(hs, HS_NMETHOD_LEVEL, ret->addr, &ret->level))
		ret->level &= 0xff;
	return true;
}

bool hs_blob_at(struct hs *hs, uint64_t addr, struct hs_blob *ret)
{
	const struct hs_code_heap *heaps = hs->code_heaps.items;
	uint64_t block;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < hs->code_heaps.count; i++) {
		if (addr < heaps[i].low || addr >= heaps[i].high)
			continue;
		if (!heaps[i].map || !hs->numbers[HS_SIZE_BLOCK].found ||
		    !find_block(hs, &heaps[i], addr, &block))
			return false;
		ret->addr = block + hs->numbers[HS_SIZE_BLOCK].value;
		return read_blob(hs, ret) && addr >= ret->addr && addr < ret->end;
	}
	return false;
}

/* ---- Names --------------------------------------------------------------------------- */

bool hs_method_name(const struct hs *hs, uint64_t method, char *buf, size_t max)
{
	char class[HS_NAME_MAX], name[256];
	uint64_t constant, pool, holder;
	uint32_t index;

	if (!method || method % 8 || !hs->numbers[HS_SIZE_POOL].found ||
	    !hs_member_ptr(hs, HS_METHOD_CONST, method, &constant) ||
	    !hs_member_ptr(hs, HS_CONST_POOL, constant, &pool) ||
	    !hs_member_u16(hs, HS_CONST_NAME, constant, &index) ||
	    !hs_pool_text(hs, pool, index, name, sizeof(name)) ||
	    !hs_member_ptr(hs, HS_POOL_HOLDER, pool, &holder) ||
	    !hs_klass_name(hs, holder, class, sizeof(class)))
		return false;
	snprintf(buf, max, "%s.%s", class, name);
	return true;
}

/* The bytecode, or whatever else, that a piece of the interpreter is for: one follows
 * the other, each with its size in front. */
static bool find_codelet(const struct hs *hs, uint64_t addr, uint64_t *start_ret, char *buf,
			 size_t max)
{
	uint64_t queue, at, text;
	uint32_t limit, size, i;

	if (!hs_member_ptr(hs, HS_INTERPRETER, 0, &queue) ||
	    !hs_member_ptr(hs, HS_QUEUE_BUFFER, queue, &at) ||
	    !hs_member_u32(hs, HS_QUEUE_LIMIT, queue, &limit) || addr < at || addr - at >= limit)
		return false;
	for (i = 0; i < CODELETS_MAX && at <= addr; i++, at += size) {
		if (!hs_member_u32(hs, HS_CODELET_SIZE, at, &size) || (int32_t)size <= 0)
			return false;
		if (addr - at >= size)
			continue;
		*start_ret = at;
		return hs_member_ptr(hs, HS_CODELET_TEXT, at, &text) &&
		       ch_core_read_string(hs->core, text, buf, max) && chp_text_is_name(buf);
	}
	return false;
}

static void name_interpreter(const struct hs *hs, uint64_t addr, struct ch_code *ret, char *buf,
			     size_t max)
{
	uint64_t start;
	char text[128];

	ret->kind = "interpreter";
	snprintf(buf, max, "interpreter");
	if (!find_codelet(hs, addr, &start, text, sizeof(text)))
		return;
	ret->start = start;
	snprintf(buf, max, "interpreter (%s)", text);
}

const char *hs_compiler_name(const struct hs_blob *blob)
{
	/* compiler/compilerDefinitions.hpp, CompLevel */
	enum { LEVEL_FULL = 4 };

	if (!blob->level)
		return "native wrapper";
	return blob->level == LEVEL_FULL ? "C2" : "C1";
}

bool hs_code_at(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max)
{
	struct hs *hs = state;
	struct hs_blob blob;

	*ret = (struct ch_code){ .basis = CH_BASIS_DERIVED };
	if (!hs_blob_at(hs, addr, &blob))
		return false;
	ret->start = blob.code_start;
	if (addr < blob.code_start) {
		/* its header, relocations and constants */
		ret->start = blob.addr;
	} else if (blob.method) {
		ret->end = blob.code_end;
	}
	if (blob.interpreter) {
		name_interpreter(hs, addr, ret, buf, max);
		return true;
	}
	ret->kind = blob.method ? hs_compiler_name(&blob) : "stub";
	if (!blob.method || !hs_method_name(hs, blob.method, buf, max))
		snprintf(buf, max, "%s", blob.name);
	return true;
}

/* ---- All methods --------------------------------------------------------------------- */

/* A block that begins at a segment, if it is a method's. */
static struct ch_error *visit_block(struct hs *hs, uint64_t block, ch_methods_fn fn, void *arg)
{
	struct hs_blob blob = { .addr = block + hs->numbers[HS_SIZE_BLOCK].value };
	char name[HS_NAME_MAX + 256];
	struct ch_method method;
	uint8_t used;

	if (!ch_core_try_read(hs->core, hs_member_addr(hs, HS_BLOCK_USED, block), &used, 1) ||
	    !used || !read_blob(hs, &blob) || !blob.method ||
	    !hs_method_name(hs, blob.method, name, sizeof(name)))
		return NULL;
	method = (struct ch_method){ .kind = hs_compiler_name(&blob),
				     .start = blob.code_start,
				     .end = blob.code_end,
				     .name = name };
	return fn(arg, &method);
}

/* A byte of the map is 0 where a block begins. */
static struct ch_error *visit_heap(struct hs *hs, const struct hs_code_heap *heap, ch_methods_fn fn,
				   void *arg)
{
	uint64_t segment, count = (heap->high - heap->low) >> heap->segment_log2;
	struct ch_error *err = NULL;
	uint8_t back;

	count = ch_min(count, heap->map_end - heap->map);
	for (segment = 0; !err && segment < count; segment++) {
		if (ch_core_try_read(hs->core, heap->map + segment, &back, 1) && !back)
			err = visit_block(hs, heap->low + (segment << heap->segment_log2), fn, arg);
		if (!err && segment % 65536 == 0)
			err = chp_context_check(hs->env->ctx);
	}
	return err;
}

struct ch_error *hs_methods_visit(void *state, ch_methods_fn fn, void *arg)
{
	struct hs *hs = state;
	const struct hs_code_heap *heaps = hs->code_heaps.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < hs->code_heaps.count; i++)
		if (heaps[i].map && hs->numbers[HS_SIZE_BLOCK].found)
			err = visit_heap(hs, &heaps[i], fn, arg);
	return err;
}
