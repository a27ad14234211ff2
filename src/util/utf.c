/*
 * Characters of strings in UTF-16, as Java and .NET have them, and of UTF-8, as we print them.
 */
#include "util/utf.h"

#include "util/bytes.h"

uint32_t chp_utf16_read(const uint8_t *bytes, uint64_t count, uint64_t index, uint64_t *units_ret)
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

size_t chp_utf8_put(char *to, uint32_t code)
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
