/*
 * Where a Throwable was made: its backtrace, which the JVM keeps in arrays until somebody asks
 * for stack trace elements. classfile/javaClasses.cpp, class BacktraceBuilder (jdk-11+28,
 * jdk-17+35, jdk-25+36): an array of objects {numbers of methods, bytecodes, classes, names,
 * ...}, of 32 frames each, with the next one behind those; a bytecode is in the upper half of
 * a word, the version of its class in the lower one; a name is a Symbol.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/hotspot_priv.h"

#define SUPERS_MAX  256
#define METHODS_MAX 65536

enum { IN_METHODS, IN_BYTECODES, IN_CLASSES, IN_NAMES };

/* Where the element of an array lies; 0: it has none. */
static uint64_t element_at(const struct hs *hs, uint64_t array, uint32_t index, uint32_t width)
{
	struct hs_shape shape;
	uint32_t length;

	if (!array || !hs_shape_read(hs, hs_klass_at(hs, array), &shape) || shape.layout >= 0 ||
	    (1U << ((uint32_t)shape.layout & 3)) != width ||
	    !hs_read_u32(hs, array + hs->length_offset, &length) || index >= length)
		return 0;
	return array + ((uint32_t)shape.layout >> 16 & 0xff) + (uint64_t)width * index;
}

static uint64_t object_of(const struct hs *hs, uint64_t array, uint32_t index)
{
	uint64_t at = element_at(hs, array, index, hs->narrow_oop ? 4 : 8), value;

	return at && hs_read_oop(hs, at, &value) ? value : 0;
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

/* "shop.Cart.add (Cart.java:12)" */
static bool frame_text(struct hs *hs, uint64_t chunk, uint32_t index, char *buf, size_t max)
{
	const uint64_t mirror = object_of(hs, object_of(hs, chunk, IN_CLASSES), index);
	uint64_t at[3], klass, symbol, method;
	char class[HS_NAME_MAX], name[HS_NAME_MAX];
	struct ch_code code = { .line = 0 };
	uint32_t offset, number, word;

	at[0] = element_at(hs, object_of(hs, chunk, IN_METHODS), index, 2);
	at[1] = element_at(hs, object_of(hs, chunk, IN_BYTECODES), index, 4);
	at[2] = element_at(hs, object_of(hs, chunk, IN_NAMES), index, 8);
	if (!mirror || !at[0] || !at[1] || !at[2] ||
	    !hs_member_u32(hs, HS_CLASS_KLASS, 0, &offset) ||
	    !hs_read_ptr(hs, mirror + offset, &klass) ||
	    !hs_klass_name(hs, klass, class, sizeof(class)) || !hs_read_ptr(hs, at[2], &symbol) ||
	    !hs_symbol_text(hs, symbol, name, sizeof(name)) ||
	    !hs_read_u32(hs, at[0] & ~3ULL, &number) || !hs_read_u32(hs, at[1], &word))
		return false;
	method = method_of(hs, klass, number >> 8 * (at[0] & 3) & 0xffff);
	if (method)
		hs_source_of(hs, method, (int32_t)(word >> 16), &code);
	if (code.source[0] && code.line)
		snprintf(buf, max, "%.300s.%.200s (%s:%u)", class, name, code.source, code.line);
	else
		snprintf(buf, max, "%.300s.%.200s", class, name);
	return true;
}

static bool is_throwable(const struct hs *hs, uint64_t klass)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return false;
		if (strcmp(name, "java/lang/Throwable") == 0)
			return true;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return false;
	}
	return false;
}

void hs_throwable_frames(struct hs *hs, uint64_t addr, uint64_t klass, struct ch_object_shape *ret)
{
	static const char *const keys[] = { "thrown_at",     "called_from_1", "called_from_2",
					    "called_from_3", "called_from_4", "called_from_5",
					    "called_from_6", "called_from_7" };
	uint32_t field =
		is_throwable(hs, klass) ? hs_field_offset(hs, klass, "backtrace", false) : 0;
	uint64_t chunk, used = 0;
	char text[700];
	uint32_t i;

	if (!field || !hs_read_oop(hs, addr + field, &chunk))
		return;
	for (i = 0; i < CH_COUNT_OF(keys) && ret->facts_count < CH_SHAPE_FACTS_MAX; i++) {
		if (!frame_text(hs, chunk, i, text, sizeof(text)) ||
		    strlen(text) >= sizeof(ret->storage) - used)
			return;
		memcpy(ret->storage + used, text, strlen(text) + 1);
		ret->facts[ret->facts_count++] =
			(struct ch_fact){ .key = keys[i], .text = ret->storage + used };
		used += strlen(text) + 1;
	}
}
