/*
 * util/bytes.h - arithmetic and reads on values that came from a core.
 *
 * Every such value may be anything. Sums and products go through the checked
 * forms; unaligned little-endian reads through the get forms.
 */
#ifndef COREHEAP_UTIL_BYTES_H
#define COREHEAP_UTIL_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CH_PAGE_BYTES 4096ULL

/** *ret = a + b; false on overflow. */
static inline bool ch_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

/** *ret = a * b; false on overflow. */
static inline bool ch_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/** Whether [off, off + len) lies inside [0, size). */
static inline bool ch_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/** value rounded down to a multiple of align, a power of two. */
static inline uint64_t ch_align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

/** value rounded up to a multiple of align, a power of two; UINT64_MAX rounded down if it wraps. */
static inline uint64_t ch_align_up(uint64_t value, uint64_t align)
{
	uint64_t sum;

	if (!ch_add(value, align - 1, &sum))
		sum = UINT64_MAX;
	return ch_align_down(sum, align);
}

static inline uint64_t ch_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t ch_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/** Little-endian integers at p, which need not be aligned. */
static inline uint16_t ch_get16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return le16toh(value);
}

static inline uint32_t ch_get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

static inline uint64_t ch_get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

#endif /* COREHEAP_UTIL_BYTES_H */
