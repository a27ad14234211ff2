/*
 * Which locals of a method have references, by what its bytecodes store: a word of a frame of
 * the interpreter in which some other way to the same place left no reference is nobody's any
 * more. So does the JVM itself (openjdk/jdk, jdk-17+35 and jdk-25+36,
 * src/hotspot/share/oops/generateOopMap.cpp); here handlers of exceptions are left out, which
 * makes it say less.
 *
 * Bytecodes: JVM specification, chapter 6; those of the interpreter's own, which it puts in
 * place of others: share/interpreter/bytecodes.hpp, bytecodes.cpp, the same numbers from 9 to 25.
 * Some stand for two: what the second one was follows, and is taken as such.
 */
#include "walkers/hotspot/bytecode.h"

#include <stdlib.h>

#include "util/bytes.h"

/* Of a method; each takes one more local away from somewhere. */
#define STEPS_MAX (1U << 20)
#define NONE      UINT32_MAX

enum {
	ILOAD = 21,
	ISTORE = 54,
	ASTORE = 58,
	ISTORE_0 = 59,
	ASTORE_3 = 78,
	IINC = 132,
	IFEQ = 153,
	GOTO = 167,
	JSR = 168,
	RET = 169,
	TABLESWITCH = 170,
	LOOKUPSWITCH = 171,
	IRETURN = 172,
	RETURN = 177,
	ATHROW = 191,
	WIDE = 196,
	IFNULL = 198,
	IFNONNULL = 199,
	GOTO_W = 200,
	JSR_W = 201,
	FAST_LINEARSWITCH = 228,
	FAST_BINARYSWITCH = 229,
	RETURN_REGISTER_FINALIZER = 232,
};

/* Bytes of bytecodes [first, ...) up to the next row; 0: of no fixed length, or not to be
 * understood: a breakpoint (202) hides another one. */
static const struct {
	uint8_t first, bytes;
} lengths[] = {
	{ 0, 1 },
	{ 16, 2 },
	{ 17, 3 },
	{ 18, 2 },
	{ 19, 3 },
	{ 21, 2 },
	{ 26, 1 },
	{ 54, 2 },
	{ 59, 1 },
	{ 132, 3 },
	{ 133, 1 },
	{ 153, 3 },
	{ 169, 2 },
	{ 170, 0 },
	{ 172, 1 },
	{ 178, 3 },
	{ 185, 5 },
	{ 187, 3 },
	{ 188, 2 },
	{ 189, 3 },
	{ 190, 1 },
	{ 192, 3 },
	{ 194, 1 },
	{ 196, 0 },
	{ 197, 4 },
	{ 198, 3 },
	{ 200, 5 },
	{ 202, 0 },
	/* the interpreter's own */
	{ 203, 3 },
	{ 220, 1 },
	{ 224, 2 },
	{ 227, 3 },
	{ 228, 0 },
	{ 230, 2 },
	{ 231, 3 },
	{ 232, 1 },
	{ 233, 3 },
	{ 236, 1 },
	{ 237, 2 },
	{ 238, 0 },
};

/* What is known at the start of a bytecode. */
struct place {
	uint64_t refs;
	/* The next one of those that are to be looked at. */
	uint32_t next;
	bool met, queued;
};

struct flow {
	const uint8_t *codes;
	uint32_t size;
	struct place *places;
	uint32_t queue;
};

static uint32_t fixed_length(uint8_t code)
{
	size_t i = sizeof(lengths) / sizeof(lengths[0]);

	while (lengths[--i].first > code)
		;
	return lengths[i].bytes;
}

static uint32_t get_u16(const struct flow *flow, uint32_t at)
{
	return (uint32_t)flow->codes[at] << 8 | flow->codes[at + 1];
}

static uint32_t get_u32(const struct flow *flow, uint32_t at)
{
	return get_u16(flow, at) << 16 | get_u16(flow, at + 2);
}

/* refs is true at target, too, whatever else is. False: there is no such place. */
static bool go(struct flow *flow, uint32_t at, int64_t distance, uint64_t refs)
{
	int64_t target = (int64_t)at + distance;
	struct place *place;
	uint64_t both;

	if (target < 0 || target >= (int64_t)flow->size)
		return false;
	place = &flow->places[target];
	both = place->met ? place->refs & refs : refs;
	if (place->met && both == place->refs)
		return true;
	place->refs = both;
	place->met = true;
	if (!place->queued) {
		place->queued = true;
		place->next = flow->queue;
		flow->queue = (uint32_t)target;
	}
	return true;
}

/* kind: int, long, float, double, reference. */
static uint64_t store(uint64_t refs, uint32_t index, uint32_t kind)
{
	uint64_t bits = index < HS_LOCALS_MAX ? 1ULL << index : 0;

	if (kind == 4)
		return refs | bits;
	/* long and double take two */
	if (kind % 2)
		bits |= index + 1 < HS_LOCALS_MAX ? 1ULL << (index + 1) : 0;
	return refs & ~bits;
}

/* A switch: {default, low, high, targets} or {default, pairs, {value, target}}, aligned. */
static bool go_switch(struct flow *flow, uint32_t at, bool table, uint64_t refs)
{
	uint32_t base = (at + 4) & ~3U, count, first, stride = table ? 4 : 8, i;
	bool ok;

	if (base + 12 > flow->size)
		return false;
	count = get_u32(flow, base + 4);
	first = base + 12;
	if (table)
		count = get_u32(flow, base + 8) - count + 1;
	if (first > flow->size || count > (flow->size - first) / stride + 1)
		return false;
	ok = go(flow, at, (int32_t)get_u32(flow, base), refs);
	/* of a pair the target is its second half */
	for (i = 0; ok && i < count; i++)
		ok = first + stride * i + 4 <= flow->size &&
		     go(flow, at, (int32_t)get_u32(flow, first + stride * i), refs);
	return ok;
}

/* {wide, bytecode, index of two bytes}, of iinc with a number. */
static bool go_wide(struct flow *flow, uint32_t at, uint64_t refs)
{
	uint8_t code;

	if (at + 4 > flow->size)
		return false;
	code = flow->codes[at + 1];
	if (code == RET || code < ILOAD)
		return false;
	if (code >= ISTORE && code <= ASTORE)
		refs = store(refs, get_u16(flow, at + 2), code - ISTORE);
	return go(flow, at, code == IINC ? 6 : 4, refs);
}

static bool is_switch(uint8_t code)
{
	return code == TABLESWITCH || code == LOOKUPSWITCH || code == FAST_LINEARSWITCH ||
	       code == FAST_BINARYSWITCH;
}

/* Where bytecodes with a distance behind them go on. */
static bool go_branch(struct flow *flow, uint32_t at, uint8_t code, uint64_t refs)
{
	if (code == GOTO_W)
		return go(flow, at, (int32_t)get_u32(flow, at + 1), refs);
	return go(flow, at, (int16_t)get_u16(flow, at + 1), refs) &&
	       (code == GOTO || go(flow, at, 3, refs));
}

/* The bytecode at at, and where it leads. */
static bool step(struct flow *flow, uint32_t at)
{
	uint8_t code = flow->codes[at];
	uint64_t refs = flow->places[at].refs;
	uint32_t length = fixed_length(code);

	if (is_switch(code))
		return go_switch(flow, at, code == TABLESWITCH, refs);
	if (code == WIDE)
		return go_wide(flow, at, refs);
	if (!length || length > flow->size - at || code == JSR || code == JSR_W || code == RET)
		return false;
	if ((code >= IRETURN && code <= RETURN) || code == ATHROW ||
	    code == RETURN_REGISTER_FINALIZER)
		return true;
	if ((code >= IFEQ && code <= GOTO) || code == IFNULL || code == IFNONNULL || code == GOTO_W)
		return go_branch(flow, at, code, refs);
	if (code >= ISTORE && code <= ASTORE)
		refs = store(refs, flow->codes[at + 1], code - ISTORE);
	else if (code >= ISTORE_0 && code <= ASTORE_3)
		refs = store(refs, (code - ISTORE_0) % 4U, (code - ISTORE_0) / 4U);
	return go(flow, at, length, refs);
}

bool hs_bytecode_refs(const uint8_t *codes, uint32_t size, uint32_t bci, uint64_t entry,
		      uint64_t *ret)
{
	struct flow flow = { .codes = codes, .size = size, .queue = NONE };
	uint32_t steps, at;
	bool ok;

	if (bci >= size || size > UINT16_MAX)
		return false;
	flow.places = calloc(size, sizeof(*flow.places));
	if (!flow.places)
		return false;
	ok = go(&flow, 0, 0, entry);
	for (steps = 0; ok && flow.queue != NONE; steps++) {
		at = flow.queue;
		flow.queue = flow.places[at].next;
		flow.places[at].queued = false;
		ok = steps < STEPS_MAX && step(&flow, at);
	}
	ok = ok && flow.places[bci].met;
	if (ok)
		*ret = flow.places[bci].refs;
	free(flow.places);
	return ok;
}
