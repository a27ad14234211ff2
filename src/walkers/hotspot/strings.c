/*
 * Text and arrays of Java: where the characters or elements of an object lie, of which width
 * and kind, and a String as UTF-8. inspect.c shows them, threads and exceptions take their
 * names and messages from here.
 */
#include <string.h>

#include "util/cleanup.h"
#include "util/utf.h"
#include "walkers/hotspot/hotspot_priv.h"

#define NAME_CHARS 256

enum ch_value_kind hs_value_kind(const struct hs *hs, char code, uint32_t *bytes_ret)
{
	static const struct {
		char code;
		enum ch_value_kind kind;
		uint32_t bytes;
	} rows[] = {
		{ 'B', CH_VALUE_SIGNED, 1 }, { 'C', CH_VALUE_CHAR16, 2 },
		{ 'D', CH_VALUE_FLOAT, 8 },  { 'F', CH_VALUE_FLOAT, 4 },
		{ 'I', CH_VALUE_SIGNED, 4 }, { 'J', CH_VALUE_SIGNED, 8 },
		{ 'S', CH_VALUE_SIGNED, 2 }, { 'Z', CH_VALUE_BOOL, 1 },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (rows[i].code == code) {
			*bytes_ret = rows[i].bytes;
			return rows[i].kind;
		}
	*bytes_ret = hs->narrow_oop ? 4 : 8;
	return CH_VALUE_REFERENCE;
}

void hs_array_read(const struct hs *hs, uint64_t addr, uint64_t klass, uint32_t layout,
		   struct ch_object_shape *ret)
{
	char raw[HS_NAME_MAX];
	uint32_t length;

	ret->kind = CH_SHAPE_ARRAY;
	ret->rank = 1;
	if (!hs_read_u32(hs, addr + hs->length_offset, &length) ||
	    !hs_klass_symbol(hs, klass, raw, sizeof(raw)) || raw[0] != '[')
		return;
	ret->lengths[0] = length;
	ret->count = length;
	ret->data_addr = addr + (layout >> 16 & 0xff);
	ret->element_kind = hs_value_kind(hs, raw[1], &ret->element_bytes);
	hs_java_name(raw + 1, true, ret->element_type, sizeof(ret->element_type));
}

/* java.lang.String: an array of bytes, Latin-1 or UTF-16 as coder says; before 9 one of
 * characters. */
bool hs_string(void *state, uint64_t addr, uint64_t klass, struct ch_string *ret)
{
	const struct hs *hs = state;
	uint32_t length, word = 1, layout;
	struct hs_shape shape;
	uint64_t array;

	if (klass != hs->string_klass || !klass)
		return false;
	if (!hs_read_oop(hs, addr + hs->string_value, &array) || !array ||
	    !hs_shape_read(hs, hs_klass_at(hs, array), &shape) || shape.layout >= 0 ||
	    !hs_read_u32(hs, array + hs->length_offset, &length)) {
		*ret = (struct ch_string){ 0 };
		return true;
	}
	layout = (uint32_t)shape.layout;
	if (hs->string_coder && hs_read_u32(hs, (addr + hs->string_coder) & ~3ULL, &word))
		word = word >> 8 * (hs->string_coder & 3) & 0xff;
	ret->addr = array + (layout >> 16 & 0xff);
	ret->bytes = word ? 2 : 1;
	ret->count = hs->string_coder && word ? length / 2 : length;
	ret->apart_bytes = ch_align_up(
		(layout >> 16 & 0xff) + ((uint64_t)length << (layout & 0x3f) % 4), hs->align);
	return true;
}

void hs_string_read(struct hs *hs, uint64_t addr, uint64_t klass, struct ch_object_shape *ret)
{
	struct ch_string text;

	ret->kind = CH_SHAPE_STRING;
	ret->element_bytes = 2;
	if (!hs_string(hs, addr, klass, &text))
		return;
	ret->data_addr = text.addr;
	ret->element_bytes = text.bytes;
	ret->count = text.count;
}

/* Characters of 1 or 2 bytes as UTF-8, as far as buf reaches. */
static void put_text(const struct hs *hs, const struct ch_object_shape *shape, char *buf,
		     size_t max)
{
	uint64_t count = ch_min(shape->count, NAME_CHARS), i, units = 1;
	uint32_t width = shape->element_bytes, code;
	uint8_t bytes[2 * NAME_CHARS];
	size_t used = 0;

	buf[0] = '\0';
	if (width < 1 || width > 2 || !count ||
	    !ch_core_try_read(hs->core, shape->data_addr, bytes, count * width))
		return;
	for (i = 0; i < count && used + 5 < max; i += units) {
		code = width == 1 ? bytes[i] : chp_utf16_read(bytes, count, i, &units);
		used += chp_utf8_put(buf + used, code ? code : 0xfffd);
	}
	buf[used] = '\0';
}

void hs_text(struct hs *hs, uint64_t object, char *buf, size_t max)
{
	struct ch_object_shape chars = { .count = 0 };
	uint64_t klass = object ? hs_klass_at(hs, object) : 0;
	struct hs_shape shape;

	buf[0] = '\0';
	if (!klass || klass <= HS_TYPE_WASTE || !hs_shape_read(hs, klass, &shape))
		return;
	if (shape.layout < 0)
		hs_array_read(hs, object, klass, (uint32_t)shape.layout, &chars);
	else if (klass == hs->string_klass)
		hs_string_read(hs, object, klass, &chars);
	put_text(hs, &chars, buf, max);
}

/* Up to 8 it may be an array of characters itself. */
void hs_thread_name(struct hs *hs, uint64_t object, char *buf, size_t max)
{
	uint64_t at = hs_object_field(hs, object, "name"), text;

	buf[0] = '\0';
	if (at && hs_read_oop(hs, at, &text))
		hs_text(hs, text, buf, max);
}
