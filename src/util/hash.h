/*
 * util/hash.h - FNV-1a of 64 bits, for names that must be the same everywhere.
 */
#ifndef COREHEAP_UTIL_HASH_H
#define COREHEAP_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CH_HASH_START 0xcbf29ce484222325ULL

static inline uint64_t ch_hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *p = (const uint8_t *)bytes;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ULL;
	return hash;
}

/** The number as eight little-endian bytes. */
static inline uint64_t ch_hash_number(uint64_t hash, uint64_t number)
{
	int i;

	for (i = 0; i < 64; i += 8)
		hash = (hash ^ (number >> i & 0xff)) * 0x100000001b3ULL;
	return hash;
}

#endif /* COREHEAP_UTIL_HASH_H */
