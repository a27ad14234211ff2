/*
 * A text in UTF-16 from a core as a string, cut where it gets too long.
 */
#include "analysis/text16.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/utf.h"

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
		code = chp_utf16_read(bytes, n, i, &units);
		/* A text of C ends at a zero. */
		len += chp_utf8_put(text + len, code ? code : 0x2400);
	}
	text[len] = '\0';
	return text;
}
