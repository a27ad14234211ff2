/*
 * Numbers as text for people and back: grouped counts, bytes with a binary unit, percents in
 * hundredths, addresses and ids as they are typed. All floors write numbers by these, so that one
 * number looks the same everywhere.
 */
#include "util/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_DIGITS "0123456789abcdefABCDEF"

char *chp_count_text(uint64_t count, char buf[CH_BYTES_TEXT_MAX])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t used = 0;
	int i;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[used++] = ',';
		buf[used++] = digits[i];
	}
	buf[used] = '\0';
	return buf;
}

char *chp_binary_text(uint64_t bytes, char buf[CH_BYTES_TEXT_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t unit = 1, hundredths;
	size_t i = 0;

	while (bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	if (!i) {
		snprintf(buf, CH_BYTES_TEXT_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	/* Rounded half up; a value that rounds to 1024.00 moves to the next unit. */
	hundredths = (uint64_t)(((unsigned __int128)bytes * 100 + unit / 2) / unit);
	if (hundredths >= 102400 && i + 1 < sizeof(units) / sizeof(units[0])) {
		hundredths = 100;
		i++;
	}
	snprintf(buf, CH_BYTES_TEXT_MAX, "%" PRIu64 ".%02" PRIu64 " %s", hundredths / 100,
		 hundredths % 100, units[i]);
	return buf;
}

char *chp_bytes_text(uint64_t bytes, char buf[CH_BYTES_TEXT_MAX])
{
	char exact[CH_BYTES_TEXT_MAX], binary[CH_BYTES_TEXT_MAX];

	if (bytes < 1024)
		chp_count_text(bytes, buf);
	else
		snprintf(buf, CH_BYTES_TEXT_MAX, "%.30s (%.30s)", chp_count_text(bytes, exact),
			 chp_binary_text(bytes, binary));
	return buf;
}

char *chp_hex_text(const uint8_t *bytes, size_t len, char buf[CH_HEX_TEXT_MAX])
{
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < len && i < CH_HEX_BYTES_MAX; i++)
		snprintf(buf + 2 * i, 3, "%02x", bytes[i]);
	return buf;
}

uint64_t chp_percent(uint64_t part, uint64_t whole)
{
	if (!whole)
		return 0;
	return (uint64_t)(((unsigned __int128)part * 10000 + whole / 2) / whole);
}

/* WinDbg's form has a backtick before the last eight digits. */
bool chp_parse_hex(const char *text, uint64_t *ret)
{
	char digits[17];
	size_t len = 0, seen = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	for (; *text; text++) {
		if (*text == '`' && seen && strlen(text + 1) == 8)
			continue;
		if (!strchr(HEX_DIGITS, *text))
			return false;
		seen++;
		if (!len && *text == '0')
			continue;
		if (len == sizeof(digits) - 1)
			return false;
		digits[len++] = *text;
	}
	digits[len] = '\0';
	if (!seen)
		return false;
	*ret = len ? strtoull(digits, NULL, 16) : 0;
	return true;
}

bool chp_parse_id(const char *text, uint64_t *ret)
{
	enum { DIGITS = 8 };

	return (text[0] == '0' || strlen(text) >= DIGITS) && chp_parse_hex(text, ret);
}
