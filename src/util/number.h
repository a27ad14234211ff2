/*
 * number.h - numbers as text, for people and from them.
 */
#ifndef COREHEAP_UTIL_NUMBER_H
#define COREHEAP_UTIL_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Room for a number as text. */
#define CH_BYTES_TEXT_MAX 64
/** Most bytes as hexadecimal digits: what a build-id may have (coreheap/sym.h). */
#define CH_HEX_BYTES_MAX 64

/** "3,426,475,520 (3.19 GiB)" into buf; returns buf. Below 1024 only the number. */
char *chp_bytes_text(uint64_t bytes, char buf[CH_BYTES_TEXT_MAX]);
/** "3.19 GiB"; bytes below 1024 as "17 B". */
char *chp_binary_text(uint64_t bytes, char buf[CH_BYTES_TEXT_MAX]);
/** "3,426,475,520". */
char *chp_count_text(uint64_t count, char buf[CH_BYTES_TEXT_MAX]);
/** "1a2b.." of at most CH_HEX_BYTES_MAX bytes. */
#define CH_HEX_TEXT_MAX (2 * CH_HEX_BYTES_MAX + 1)
char *chp_hex_text(const uint8_t *bytes, size_t len, char buf[CH_HEX_TEXT_MAX]);
/** part of whole in hundredths of a percent, rounded; 0 when whole is 0. */
uint64_t chp_percent(uint64_t part, uint64_t whole);

/**
 * A number in hexadecimal digits, with 0x, WinDbg's backtick, or neither. False when text is
 * something else, or wider than 64 bits.
 */
bool chp_parse_hex(const char *text, uint64_t *ret);
/** The same, of an address of the target that stands where a name may, too: without 0x it has
 * at least 8 digits. */
bool chp_parse_id(const char *text, uint64_t *ret);

#endif /* COREHEAP_UTIL_NUMBER_H */
