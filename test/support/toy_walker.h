/*
 * toy_walker.h - a walker for an allocator that exists in tests only.
 *
 * It proves that the walker contract carries an allocator that is not malloc,
 * and is the example of docs/ADDING-A-WALKER.md. The allocator: pools that are
 * mappings of their own and begin with
 *
 *	char magic[8]	"TOYPOOL1"
 *	u64 bump	bytes handed out so far, this header included
 *
 * followed by blocks up to bump, each
 *
 *	u32 size	of the payload, which is padded to 8
 *	u16 type	0 = none, 1 = "Apple", 2 = "Pear", 9 = TOY_EVIL_NAME
 *	u16 freed	0 or 1
 *
 * What lies between bump and the end of the mapping was never handed out.
 *
 * Pools may lie in used blocks of such pools, too, with TOYPOOL3 for a magic, and pools in
 * blocks of these, with TOYPOOL4: two more walkers know those, which are the example of nested
 * ones. They are of the stages 1 and 2.
 */
#ifndef COREHEAP_TEST_TOY_WALKER_H
#define COREHEAP_TEST_TOY_WALKER_H

#include "heap/walker.h"

#define TOY_MAGIC "TOYPOOL1"
/** Pools of ch_walker_toy_other, whose types are 1 = "Plum" and 2 = "Fig". */
#define TOY_OTHER_MAGIC     "TOYPOOL2"
#define TOY_MAGIC_INNER     "TOYPOOL3"
#define TOY_MAGIC_INNERMOST "TOYPOOL4"
/** What a name from a core may hold. */
#define TOY_EVIL_NAME    "\"x\"\n\033[31m\\<b>"
#define TOY_HEADER_BYTES 16
#define TOY_BLOCK_HEADER 8

extern const struct ch_walker ch_walker_toy, ch_walker_toy_other;
extern const struct ch_walker ch_walker_toy_inner, ch_walker_toy_innermost;

#endif /* COREHEAP_TEST_TOY_WALKER_H */
