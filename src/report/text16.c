#include "report/text16.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* One character of UTF-16 at index, as many units as it has in *units_ret. */
static uint32_t read_char(const uint8_t *bytes, uint64_t count, uint64_t index, uint64_t *units_ret)
{
	uint32_t unit = ch_get16(bytes + 2 * index), next;

	*units_ret = 1;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	next = index + 1 < count ? ch_get16(bytes + 2 * index + 2) : 0;
	if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff)
		return 0xfffd;
	*units_ret = 2;
	return 0x10000 + ((unit - 0xd800) << 10 | (next - 0xdc00));
}

static size_t put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

char *chp_text16(const struct ch_core *core, uint64_t addr, uint32_t char_bytes, uint64_t count,
		 uint64_t max)
{
	uint64_t n = ch_min(count, max), i, units;
	_cleanup_free_ uint8_t *bytes = malloc(2 * n + 1);
	char *text = malloc(4 * n + 1);
	uint32_t code;
	size_t len = 0;

	if (!bytes || !text) {
		free(text);
		return NULL;
	}
	if (char_bytes < 1 || char_bytes > 2 ||
	    !ch_core_try_read(core, addr, bytes, char_bytes * n))
		n = 0;
	/* Latin-1: the same characters, of one byte */
	for (i = char_bytes == 1 ? n : 0; i > 0; i--) {
		bytes[2 * i - 2] = bytes[i - 1];
		bytes[2 * i - 1] = 0;
	}
	for (i = 0; i < n; i += units) {
		code = read_char(bytes, n, i, &units);
		/* A text of C ends at a zero. */
		len += put_utf8(text + len, code ? code : 0x2400);
	}
	text[len] = '\0';
	return text;
}
