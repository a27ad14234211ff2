/*
 * text16.h - characters of a target's string as UTF-8.
 */
#ifndef COREHEAP_ANALYSIS_TEXT16_H
#define COREHEAP_ANALYSIS_TEXT16_H

#include <coreheap/core.h>

/**
 * At most max of count characters at addr, of UTF-16 (char_bytes 2) or Latin-1 (1), unescaped. Half
 * pairs become U+FFFD, zeros U+2400. "" when they are not in the core; NULL when
 * out of memory. Free with free().
 */
char *chp_text16(const struct ch_core *core, uint64_t addr, uint32_t char_bytes, uint64_t count,
		 uint64_t max);

#endif /* COREHEAP_ANALYSIS_TEXT16_H */
