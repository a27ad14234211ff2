/* Text of a core made safe: no control byte, no invalid UTF-8 may come out. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "util/text.h"

/* Length of the well-formed UTF-8 sequence at p, 0 if there is none (Unicode, table 3-7). */
static size_t sequence(const uint8_t *p)
{
	static const struct {
		uint8_t first, last, low, high;
		size_t length;
	} rows[] = {
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last)
			continue;
		if (rows[i].length == 1)
			return 1;
		if (p[1] < rows[i].low || p[1] > rows[i].high)
			return 0;
		for (k = 2; k < rows[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].length;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *safe;
	const uint8_t *p;
	size_t length;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	safe = chp_text_escape(text, size ? size - size / 4 : 0);
	for (p = (const uint8_t *)safe; p && *p; p += length) {
		length = sequence(p);
		/* U+0080 to U+009F are control characters, too. */
		if (!length || (p[0] == 0xc2 && p[1] < 0xa0))
			abort();
	}
	free(safe);
	free(text);
	return 0;
}
