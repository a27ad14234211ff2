/*
 * util/utf.h - characters of UTF-16 read, of UTF-8 written.
 */
#ifndef COREHEAP_UTIL_UTF_H
#define COREHEAP_UTIL_UTF_H

#include <stddef.h>
#include <stdint.h>

/** The character at index of count units; half of a pair is U+FFFD. *units_ret: 1, or 2. */
uint32_t chp_utf16_read(const uint8_t *bytes, uint64_t count, uint64_t index, uint64_t *units_ret);

/** Write one; returns its bytes, at most 4. */
size_t chp_utf8_put(char *to, uint32_t code);

#endif /* COREHEAP_UTIL_UTF_H */
