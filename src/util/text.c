/*
 * Text from a core is made safe here before anybody sees it: what is no valid UTF-8, or would
 * move a terminal's cursor, is escaped. Matching of patterns and base names of paths are here,
 * too, as they work on the same texts.
 */
#include "util/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/search.h"

/* Length of the valid UTF-8 sequence at p (Unicode 15, table 3-7), its code
 * point in *code_ret; 0 when it is not valid. */
static size_t utf8_length(const uint8_t *p, size_t len, uint32_t *code_ret)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t lowest;
	} forms[] = { { 0x80, 0x00, 0 },
		      { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };
	uint32_t code;
	size_t n, i;

	for (n = 0; n < 4; n++)
		if ((p[0] & forms[n].mask) == forms[n].lead)
			break;
	if (n == 4 || n >= len)
		return 0;
	code = p[0] & (uint8_t)~forms[n].mask;
	for (i = 1; i <= n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (code < forms[n].lowest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*code_ret = code;
	return n + 1;
}

/* What controls a terminal; what reorders or hides text: separators, bidirectional controls and
 * what has no picture of its own (Unicode 15: Default_Ignorable_Code_Point, and what is drawn as
 * nothing or as a blank that is no space). Ascending. */
static const struct {
	uint32_t first, last;
} unsafe[] = {
	{ 0x0000, 0x001f },   { '\\', '\\' },       { 0x007f, 0x009f }, { 0x00ad, 0x00ad },
	{ 0x034f, 0x034f },   { 0x061c, 0x061c },   { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e }, { 0x2060, 0x206f },
	{ 0x2800, 0x2800 },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_unsafe(uint32_t code)
{
	size_t i = ch_search(unsafe, CH_COUNT_OF(unsafe), it, it->last < code);

	return i < CH_COUNT_OF(unsafe) && unsafe[i].first <= code;
}

bool chp_text_is_name(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t len = strlen(text), n;
	uint32_t code = 0;

	if (!len)
		return false;
	for (; len; p += n, len -= n) {
		n = utf8_length(p, len, &code);
		if (!n || is_unsafe(code))
			return false;
	}
	return true;
}

char *chp_text_escape(const char *text, size_t max)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t len, n, i, used = 0;
	uint32_t code = 0;
	char *out;

	if (!text)
		return NULL;
	len = strnlen(text, max);
	if (len > (SIZE_MAX - 1) / 4)
		return NULL;
	out = malloc(len * 4 + 1);
	if (!out)
		return NULL;
	while (len) {
		n = utf8_length(p, len, &code);
		if (n && !is_unsafe(code)) {
			memcpy(out + used, p, n);
			used += n;
		} else {
			n = n ? n : 1;
			for (i = 0; i < n; i++)
				used += (size_t)snprintf(out + used, 5, "\\x%02x", p[i]);
		}
		p += n;
		len -= n;
	}
	out[used] = '\0';
	return out;
}

char *chp_text_pattern(const char *name)
{
	char *pattern = malloc(strlen(name) + 1), *to = pattern;
	size_t len;

	while (pattern && *name) {
		len = strspn(name, "0123456789");
		if (!len) {
			*to++ = *name++;
			continue;
		}
		if (name[len] && to > pattern && isalpha((unsigned char)to[-1])) {
			memcpy(to, name, len);
			to += len;
		} else if (to == pattern || to[-1] != '#') {
			*to++ = '#';
		}
		name += len;
	}
	if (pattern)
		*to = '\0';
	return pattern;
}

char *chp_text_end(FILE *out, char **text)
{
	/* fclose() says 0 where glibc had no memory for the first bytes, and for what was lost
	 * before */
	const bool failed = ferror(out) != 0;

	if (fclose(out) != 0 || failed || !*text) {
		free(*text);
		*text = NULL;
	}
	return *text;
}

const char *chp_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Bytes of so many letters of UTF-8. */
static size_t bytes_of(const char *text, size_t letters)
{
	size_t i = 0;

	for (; text[i]; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && letters-- == 0)
			break;
	return i;
}

char *chp_text_cut(const char *name, size_t room)
{
	size_t letters = 0, head = room / 3, tail = room - ch_min(room, head + 3), i;
	char *text = NULL;

	for (i = 0; name[i]; i++)
		letters += ((unsigned char)name[i] & 0xc0) != 0x80;
	if (letters <= room)
		return strdup(name);
	if (asprintf(&text, "%.*s...%s", (int)bytes_of(name, head), name,
		     name + bytes_of(name, letters - tail)) < 0)
		return NULL;
	return text;
}
