/*
 * ring.h - whether a list that is followed leads back to where it was.
 *
 * A list in a core may be damaged, and a ring has no end. Brent's way to tell needs no memory
 * for what was seen: it keeps one address, and takes another one after twice as many steps, so
 * that a ring is known from its second round on. Begin with zeros.
 */
#ifndef COREHEAP_UTIL_RING_H
#define COREHEAP_UTIL_RING_H

#include <stdbool.h>
#include <stdint.h>

struct ch_ring {
	uint64_t seen;
	uint32_t steps, power;
};

/** Take one step, to addr. True: it was there before. */
static inline bool ch_ring_is_met(struct ch_ring *ring, uint64_t addr)
{
	if (ring->steps && addr == ring->seen)
		return true;
	if (ring->steps == ring->power) {
		ring->seen = addr;
		ring->power = 2 * ring->power + 1;
		ring->steps = 0;
	}
	ring->steps++;
	return false;
}

#endif /* COREHEAP_UTIL_RING_H */
