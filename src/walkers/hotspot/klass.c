/*
 * Classes: how large their objects are, and what they are called.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"
#include "walkers/hotspot/hotspot_priv.h"

#define CLASS_NAME "java/lang/Class"
#define CHUNK_NAME "jdk/internal/vm/StackChunk"
/* The layout helper's bit that objects are not all of the size that it has. */
#define LAYOUT_SLOW_PATH 1U

bool hs_symbol_text(const struct hs *hs, uint64_t symbol, char *buf, size_t max)
{
	struct ch_error *err;
	uint32_t word, length;

	if (!symbol || !hs_read_u32(hs, symbol + hs->members[HS_SYMBOL_LENGTH].offset, &word))
		return false;
	length = word & 0xffff;
	if (!length || length >= max)
		return false;
	err = ch_core_read(hs->core, symbol + hs->members[HS_SYMBOL_BODY].offset, buf, length);
	if (err) {
		ch_error_destroy(err);
		return false;
	}
	buf[length] = '\0';
	return strlen(buf) == length && chp_text_is_name(buf);
}

bool hs_klass_symbol(const struct hs *hs, uint64_t klass, char *buf, size_t max)
{
	uint64_t symbol;

	return hs_member_ptr(hs, HS_KLASS_NAME, klass, &symbol) &&
	       hs_symbol_text(hs, symbol, buf, max);
}

bool hs_shape_read(const struct hs *hs, uint64_t klass, struct hs_shape *ret)
{
	char name[HS_NAME_MAX];
	uint32_t layout;

	if (!klass || klass % 8 || !hs_member_u32(hs, HS_KLASS_LAYOUT_HELPER, klass, &layout) ||
	    !layout || !hs_klass_symbol(hs, klass, name, sizeof(name)))
		return false;
	ret->layout = (int32_t)layout;
	ret->mirror = strcmp(name, CLASS_NAME) == 0;
	ret->chunk = hs_is_chunk_class(name, layout);
	return true;
}

/* "I" as "int"; NULL for what is none. */
static const char *primitive(char code)
{
	static const struct {
		char code;
		const char *name;
	} rows[] = {
		{ 'B', "byte" }, { 'C', "char" }, { 'D', "double" }, { 'F', "float" },
		{ 'I', "int" },  { 'J', "long" }, { 'S', "short" },  { 'Z', "boolean" },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (rows[i].code == code)
			return rows[i].name;
	return NULL;
}

void hs_java_name(const char *raw, bool signature, char *buf, size_t max)
{
	size_t dims = strspn(raw, "["), len, used;
	char name[HS_NAME_MAX], *start = name, *at;

	snprintf(name, sizeof(name), "%s", raw + dims);
	len = strlen(name);
	if ((dims || signature) && len == 1 && primitive(name[0])) {
		used = (size_t)snprintf(buf, max, "%s", primitive(name[0]));
	} else {
		if ((dims || signature) && len > 2 && name[0] == 'L' && name[len - 1] == ';') {
			name[len - 1] = '\0';
			start++;
		}
		for (at = start; *at; at++)
			if (*at == '/')
				*at = '.';
		used = (size_t)snprintf(buf, max, "%s", start);
	}
	for (; dims && used + 3 < max; dims--)
		used += (size_t)snprintf(buf + used, max - used, "[]");
}

bool hs_klass_name(const struct hs *hs, uint64_t klass, char *buf, size_t max)
{
	char raw[HS_NAME_MAX];

	if (!hs_klass_symbol(hs, klass, raw, sizeof(raw)))
		return false;
	hs_java_name(raw, false, buf, max);
	return true;
}

bool hs_is_chunk_class(const char *symbol, uint32_t layout)
{
	return layout & LAYOUT_SLOW_PATH && strcmp(symbol, CHUNK_NAME) == 0;
}
