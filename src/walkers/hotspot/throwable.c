/*
 * Where a Throwable was made: its backtrace, which the JVM keeps in arrays until somebody asks
 * for stack trace elements. classfile/javaClasses.cpp, class BacktraceBuilder (jdk-11+28,
 * jdk-17+35, jdk-25+36): an array of objects {numbers of methods, bytecodes, classes, names,
 * ...}, of 32 frames each, with the next one behind those, at an index that releases differ in;
 * a bytecode is in the upper half of a word, the version of its class in the lower one; a name
 * is a Symbol. One without a backtrace (read from a stream, made without one) may have elements
 * that the program gave it: Throwable.stackTrace, texts and a line each.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/hash.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Classes that others derive from: a chain that is longer is damaged. Methods: JVMS 4.1, 16
 * bits. */
#define SUPERS_MAX  256
#define METHODS_MAX 65536
/* Frames of one backtrace that are read: -XX:MaxJavaStackTraceDepth is 1024 by default. */
#define FRAMES_MAX 4096

enum { IN_METHODS, IN_BYTECODES, IN_CLASSES, IN_NAMES, IN_NEXT, IN_NEXT_END = IN_NEXT + 4 };

/* One array of up to 32 frames. */
struct piece {
	struct hs_array methods, bytecodes, classes, names;
	/* 0: it is the last. bytes: of all arrays. */
	uint64_t next, bytes;
};

/* A frame as the JVM keeps it. */
struct raw {
	uint64_t mirror, symbol;
	uint32_t number, bytecode;
};

struct cursor {
	const struct hs *hs;
	struct piece piece;
	uint32_t index, total;
	uint64_t bytes;
};

/* ---- Arrays ---------------------------------------------------------------------------- */

/* The next piece begins with numbers of methods, too. */
static uint64_t next_of(const struct hs *hs, const struct hs_array *chunk)
{
	struct hs_array objects, numbers;
	uint64_t next;
	uint32_t i;

	for (i = IN_NEXT; i < IN_NEXT_END; i++) {
		next = hs_array_ref(hs, chunk, i);
		if (hs_array_open_refs(hs, next, &objects) &&
		    hs_array_open(hs, hs_array_ref(hs, &objects, IN_METHODS), 2, &numbers))
			return next;
	}
	return 0;
}

static bool open_piece(const struct hs *hs, uint64_t array, struct piece *ret)
{
	struct hs_array chunk;

	if (!hs_array_open_refs(hs, array, &chunk) ||
	    !hs_array_open(hs, hs_array_ref(hs, &chunk, IN_METHODS), 2, &ret->methods) ||
	    !hs_array_open(hs, hs_array_ref(hs, &chunk, IN_BYTECODES), 4, &ret->bytecodes) ||
	    !hs_array_open_refs(hs, hs_array_ref(hs, &chunk, IN_CLASSES), &ret->classes) ||
	    !hs_array_open(hs, hs_array_ref(hs, &chunk, IN_NAMES), 8, &ret->names))
		return false;
	ret->next = next_of(hs, &chunk);
	ret->bytes = chunk.bytes + ret->methods.bytes + ret->bytecodes.bytes + ret->classes.bytes +
		     ret->names.bytes;
	return true;
}

/* ---- Backtraces ------------------------------------------------------------------------ */

static bool begin(const struct hs *hs, uint64_t backtrace, struct cursor *ret)
{
	*ret = (struct cursor){ .hs = hs };
	if (!open_piece(hs, backtrace, &ret->piece))
		return false;
	ret->bytes = ret->piece.bytes;
	return true;
}

static bool read_half(const struct hs *hs, uint64_t at, uint32_t *ret)
{
	uint32_t word;

	if (!at || !hs_read_u32(hs, at & ~3ULL, &word))
		return false;
	*ret = word >> 8 * (at & 3) & 0xffff;
	return true;
}

/* The next frame, innermost first. False: there is none. */
static bool next_raw(struct cursor *cursor, struct raw *ret)
{
	const struct hs *hs = cursor->hs;
	const struct piece *piece = &cursor->piece;
	uint64_t codes, names;

	if (cursor->total == FRAMES_MAX)
		return false;
	if (cursor->index && cursor->index >= piece->methods.count) {
		if (!piece->next || !open_piece(hs, piece->next, &cursor->piece))
			return false;
		cursor->bytes += piece->bytes;
		cursor->index = 0;
	}
	codes = hs_array_at(&piece->bytecodes, cursor->index);
	names = hs_array_at(&piece->names, cursor->index);
	ret->mirror = hs_array_ref(hs, &piece->classes, cursor->index);
	if (!ret->mirror || !codes || !names || !hs_read_u32(hs, codes, &ret->bytecode) ||
	    !hs_read_ptr(hs, names, &ret->symbol) ||
	    !read_half(hs, hs_array_at(&piece->methods, cursor->index), &ret->number))
		return false;
	cursor->index++;
	cursor->total++;
	return true;
}

/* The method of a class that has a number. */
static uint64_t method_of(const struct hs *hs, uint64_t klass, uint32_t number)
{
	uint64_t methods, at, method, constant;
	uint32_t count, i, found;

	if (!hs->numbers[HS_SIZE_POINTERS].found || !hs->members[HS_CONST_NUMBER].found ||
	    !hs_member_ptr(hs, HS_KLASS_METHODS, klass, &methods) || !methods ||
	    !hs_read_u32(hs, methods, &count))
		return 0;
	at = methods + hs->numbers[HS_SIZE_POINTERS].value - 8;
	for (i = 0; i < ch_min(count, METHODS_MAX); i++, at += 8)
		if (hs_read_ptr(hs, at, &method) &&
		    hs_member_ptr(hs, HS_METHOD_CONST, method, &constant) &&
		    hs_member_u16(hs, HS_CONST_NUMBER, constant, &found) && found == number)
			return method;
	return 0;
}

static bool name_raw(struct hs *hs, const struct raw *raw, struct ch_trace_frame *ret)
{
	char class[HS_NAME_MAX], name[HS_NAME_MAX];
	struct ch_code code = { .line = 0 };
	uint64_t klass, method;
	uint32_t offset;

	if (!hs_member_u32(hs, HS_CLASS_KLASS, 0, &offset) ||
	    !hs_read_ptr(hs, raw->mirror + offset, &klass) ||
	    !hs_klass_name(hs, klass, class, sizeof(class)) ||
	    !hs_symbol_text(hs, raw->symbol, name, sizeof(name)))
		return false;
	method = method_of(hs, klass, raw->number);
	if (method)
		hs_source_of(hs, method, (int32_t)(raw->bytecode >> 16), &code);
	snprintf(ret->function, sizeof(ret->function), "%.300s.%.200s", class, name);
	snprintf(ret->source, sizeof(ret->source), "%.250s", code.source);
	ret->line = code.line;
	return true;
}

/* ---- Elements -------------------------------------------------------------------------- */

static void text_of(struct hs *hs, uint64_t element, const char *name, char *buf, size_t max)
{
	hs_text(hs, hs_object_ref(hs, element, name), buf, max);
}

/* Of a java.lang.StackTraceElement, what the program says: nothing bears it out. */
static bool name_element(struct hs *hs, uint64_t element, struct ch_trace_frame *ret)
{
	char class[300], name[200];

	if (!hs_object_int(hs, element, "lineNumber", &ret->line))
		return false;
	ret->is_text = true;
	text_of(hs, element, "declaringClass", class, sizeof(class));
	text_of(hs, element, "methodName", name, sizeof(name));
	snprintf(ret->function, sizeof(ret->function), "%s.%s", class, name);
	text_of(hs, element, "fileName", ret->source, sizeof(ret->source));
	if ((int32_t)ret->line < 0)
		ret->line = 0;
	return true;
}

static void sum_up_elements(struct hs *hs, const struct hs_array *elements, struct ch_trace *ret)
{
	struct ch_trace_frame frame;
	uint32_t i;

	ret->bytes = elements->bytes;
	for (i = 0; i < elements->count && i < FRAMES_MAX; i++) {
		frame = (struct ch_trace_frame){ .line = 0 };
		if (!name_element(hs, hs_array_ref(hs, elements, i), &frame))
			return;
		ret->count++;
		ret->hash = ch_hash_bytes(ret->hash, frame.function, strlen(frame.function) + 1);
		ret->hash = ch_hash_number(ret->hash, frame.line);
	}
	ret->cut = i < elements->count;
}

/* ---- Throwables ------------------------------------------------------------------------ */

uint64_t hs_throwable_base(const struct hs *hs, uint64_t klass)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	for (i = 0; klass && klass % 8 == 0 && i < SUPERS_MAX; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return 0;
		if (strcmp(name, "java/lang/Throwable") == 0)
			return klass;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return 0;
	}
	return 0;
}

bool hs_is_throwable(struct hs *hs, uint64_t klass)
{
	size_t slot = (size_t)(klass >> 3 ^ klass >> 11) % HS_KNOWN_CLASSES;

	if (hs->known[slot].klass != klass) {
		hs->known[slot].klass = klass;
		hs->known[slot].throwable = hs_throwable_base(hs, klass) != 0;
	}
	return hs->known[slot].throwable;
}

static bool carries_trace(void *state, uint64_t type)
{
	return type > HS_TYPE_WASTE && hs_is_throwable(state, type);
}

/* What fields of Throwable refer to; looked up once. */
static uint64_t read_field(struct hs *hs, uint64_t addr, uint64_t klass, bool backtrace)
{
	uint32_t offset;
	uint64_t value;

	if (!hs->throwable_known) {
		klass = hs_throwable_base(hs, klass);
		hs->throwable_backtrace = hs_field_offset(hs, klass, "backtrace", false);
		hs->throwable_elements = hs_field_offset(hs, klass, "stackTrace", false);
		hs->throwable_known = klass != 0;
	}
	offset = backtrace ? hs->throwable_backtrace : hs->throwable_elements;
	return offset && hs_read_oop(hs, addr + offset, &value) ? value : 0;
}

void hs_trace(void *state, uint64_t addr, uint64_t klass, struct ch_trace *ret)
{
	struct hs *hs = state;
	struct cursor cursor;
	struct hs_array elements;
	struct raw raw;

	*ret = (struct ch_trace){ .hash = CH_HASH_START };
	if (!begin(hs, read_field(hs, addr, klass, true), &cursor)) {
		if (hs_array_open_refs(hs, read_field(hs, addr, klass, false), &elements))
			sum_up_elements(hs, &elements, ret);
		return;
	}
	while (next_raw(&cursor, &raw)) {
		ret->hash = ch_hash_number(ret->hash, raw.mirror);
		ret->hash = ch_hash_number(ret->hash, raw.symbol);
		ret->hash = ch_hash_number(ret->hash, (uint64_t)raw.number << 32 | raw.bytecode);
	}
	ret->count = cursor.total;
	ret->cut = cursor.total == FRAMES_MAX;
	ret->bytes = cursor.bytes;
}

bool hs_trace_frame(void *state, uint64_t addr, uint64_t klass, uint32_t index,
		    struct ch_trace_frame *ret)
{
	struct hs *hs = state;
	struct cursor cursor;
	struct hs_array elements;
	struct raw raw;
	uint32_t hops;

	*ret = (struct ch_trace_frame){ .line = 0 };
	if (!begin(hs, read_field(hs, addr, klass, true), &cursor))
		return hs_array_open_refs(hs, read_field(hs, addr, klass, false), &elements) &&
		       name_element(hs, hs_array_ref(hs, &elements, index), ret);
	for (hops = 0; index >= cursor.piece.methods.count; hops++) {
		index -= cursor.piece.methods.count;
		if (hops == FRAMES_MAX || !cursor.piece.next ||
		    !open_piece(hs, cursor.piece.next, &cursor.piece))
			return false;
	}
	cursor.index = index;
	return next_raw(&cursor, &raw) && name_raw(hs, &raw, ret);
}

void hs_trace_text(const struct ch_trace_frame *frame, char *buf, size_t max)
{
	if (frame->source[0] && frame->line)
		snprintf(buf, max, "%s (%s:%u)", frame->function, frame->source, frame->line);
	else
		snprintf(buf, max, "%s", frame->function);
}

void hs_throwable_frames(struct hs *hs, uint64_t addr, uint64_t klass, struct ch_object_shape *ret)
{
	static const char *const keys[] = { "thrown_at",     "called_from_1", "called_from_2",
					    "called_from_3", "called_from_4", "called_from_5",
					    "called_from_6", "called_from_7" };
	struct ch_trace_frame frame;
	uint64_t used = 0;
	char text[800];
	uint32_t i;

	if (!carries_trace(hs, klass))
		return;
	for (i = 0; i < CH_COUNT_OF(keys) && ret->facts_count < CH_SHAPE_FACTS_MAX; i++) {
		if (!hs_trace_frame(hs, addr, klass, i, &frame) || frame.is_text)
			return;
		hs_trace_text(&frame, text, sizeof(text));
		if (strlen(text) >= sizeof(ret->storage) - used)
			return;
		memcpy(ret->storage + used, text, strlen(text) + 1);
		ret->facts[ret->facts_count++] =
			(struct ch_fact){ .key = keys[i], .text = ret->storage + used };
		used += strlen(text) + 1;
	}
}

const struct ch_tracing hs_tracing = {
	.carries = carries_trace,
	.read = hs_trace,
	.frame = hs_trace_frame,
};
