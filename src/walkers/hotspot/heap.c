/*
 * The collector's spaces or regions, and what threads have taken of them.
 */
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Collectors aim at some 2,048 regions; a table of a million is damaged. */
#define REGIONS_MAX (1U << 20)

/* Heaps of a collector, in the order shown. */
enum g1_heap { G1_EDEN, G1_SURVIVOR, G1_OLD, G1_HUMONGOUS, G1_FREE };
static const char *const g1_names[] = { "eden", "survivor", "old", "humongous", "free regions" };
/* The tables of 8 do not tell what a region is for. */
enum untold_heap { UNTOLD_REGIONS, UNTOLD_FREE };
static const char *const untold_names[] = { "regions", "free regions" };
static const char *const serial_names[] = { "eden", "from", "to", "tenured" };
static const char *const parallel_names[] = { "eden", "from", "to", "old" };

/* Whether the memory at addr was backed at all. */
static bool is_committed(const struct hs *hs, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(hs->env->map, addr);

	return region && region->state == CH_STATE_COMMIT;
}

static struct ch_error *add_space(struct hs *hs, uint32_t heap, uint64_t start, uint64_t top,
				  uint64_t end)
{
	const struct hs_space space = { .start = start, .top = top, .end = end, .heap = heap };

	return hs_space_add(hs, &space);
}

/* ---- G1 ------------------------------------------------------------------------- */

struct region {
	uint64_t bottom, top, end;
	uint32_t tag;
};

static bool read_region(const struct hs *hs, uint64_t addr, struct region *ret)
{
	ret->tag = 0;
	return hs_member_ptr(hs, HS_G1_BOTTOM, addr, &ret->bottom) &&
	       hs_member_ptr(hs, HS_G1_TOP, addr, &ret->top) &&
	       hs_member_ptr(hs, HS_G1_END, addr, &ret->end) &&
	       (!hs->members[HS_G1_TAG].found ||
		hs_member_u32(hs, HS_G1_TAG, hs_member_addr(hs, HS_G1_TYPE, addr), &ret->tag));
}

static uint32_t g1_heap_of(const struct hs *hs, const struct region *region)
{
	static const struct {
		enum hs_number_id tag;
		enum g1_heap heap;
	} rows[] = { { HS_TAG_FREE, G1_FREE },
		     { HS_TAG_EDEN, G1_EDEN },
		     { HS_TAG_SURVIVOR, G1_SURVIVOR },
		     { HS_TAG_STARTS, G1_HUMONGOUS },
		     { HS_TAG_CONTINUES, G1_HUMONGOUS } };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (hs->numbers[rows[i].tag].found && hs->numbers[rows[i].tag].value == region->tag)
			return rows[i].heap;
	/* old, and what is archived */
	return G1_OLD;
}

/* A region that an object of the one before reaches into makes that one longer. */
static void extend_last(struct hs *hs, const struct region *region)
{
	struct hs_space *space = CH_VEC_AT(&hs->spaces, struct hs_space, hs->spaces.count - 1);
	struct ch_span *span = CH_VEC_AT(&hs->spans, struct ch_span, hs->spans.count - 1);

	if (space->end != region->bottom || region->top < region->bottom ||
	    region->end < region->top)
		return;
	if (space->top == space->end)
		space->top = region->top;
	space->end = span->end = span->committed_end = region->end;
}

/*
 * A region of 8. The first one of a large object ends where the object's last one does
 * (gc_implementation/g1/heapRegion.cpp, set_startsHumongous, jdk8u), so that those in
 * between begin inside it.
 */
static struct ch_error *add_untold(struct hs *hs, const struct region *region)
{
	const struct hs_space *last =
		hs->spaces.count ? CH_VEC_AT(&hs->spaces, struct hs_space, hs->spaces.count - 1)
				 : NULL;

	if (last && region->bottom >= last->start && region->bottom < last->end)
		return NULL;
	if (region->top != region->bottom)
		return add_space(hs, UNTOLD_REGIONS, region->bottom, region->top, region->end);
	return is_committed(hs, region->bottom)
		       ? add_space(hs, UNTOLD_FREE, region->bottom, region->bottom, region->end)
		       : NULL;
}

static struct ch_error *add_region(struct hs *hs, const struct region *region)
{
	struct hs_space *space;
	struct ch_error *err;

	if (!hs->members[HS_G1_TAG].found)
		return add_untold(hs, region);
	if (hs->numbers[HS_TAG_CONTINUES].found &&
	    region->tag == hs->numbers[HS_TAG_CONTINUES].value && hs->spaces.count) {
		extend_last(hs, region);
		return NULL;
	}
	if (g1_heap_of(hs, region) == G1_FREE)
		return is_committed(hs, region->bottom)
			       ? add_space(hs, G1_FREE, region->bottom, region->bottom, region->end)
			       : NULL;
	err = add_space(hs, g1_heap_of(hs, region), region->bottom, region->top, region->end);
	if (!err && g1_heap_of(hs, region) == G1_HUMONGOUS && hs->spaces.count) {
		space = CH_VEC_AT(&hs->spaces, struct hs_space, hs->spaces.count - 1);
		space->single = space->humongous = space->start == region->bottom;
		hs->region_bytes = region->end - region->bottom;
	}
	return err;
}

static struct ch_error *open_g1(struct hs *hs, uint64_t heap)
{
	uint64_t holder = hs_member_addr(hs, HS_G1_REGIONS_HOLDER, heap);
	uint64_t table = hs_member_addr(hs, HS_G1_REGIONS, holder), base, length, i, addr;
	struct region region;
	struct ch_error *err;

	if (!hs_member_ptr(hs, HS_G1_TABLE_BASE, table, &base) ||
	    !hs_member_ptr(hs, HS_G1_TABLE_LENGTH, table, &length) || length > REGIONS_MAX)
		return ch_error_create(CH_ERROR_CORRUPT, "G1's table of regions is not readable");
	err = hs->members[HS_G1_TAG].found
		      ? hs_heaps_add(hs, g1_names, CH_COUNT_OF(g1_names))
		      : hs_heaps_add(hs, untold_names, CH_COUNT_OF(untold_names));
	for (i = 0; !err && i < length; i++) {
		if (!hs_read_ptr(hs, base + 8 * i, &addr) || !addr)
			continue;
		if (!read_region(hs, addr, &region)) {
			chp_context_finding(hs->env->ctx, chp_blame(hs->env), "jvm-no-region",
					    "a region of the Java heap is not readable: %s",
					    chp_core_word(hs->core, addr, CH_NO_ADDRESS).text);
			continue;
		}
		err = add_region(hs, &region);
	}
	return err;
}

/* ---- Shenandoah ------------------------------------------------------------------ */

/* gc/shenandoah/shenandoahHeapRegion.hpp, enum RegionState (jdk-17, jdk-25). */
enum {
	STATE_UNCOMMITTED = 0,
	STATE_EMPTY = 1,
	STATE_HUMONGOUS = 3,
	STATE_CONTINUES = 4,
	STATE_PINNED_HUMONGOUS = 5,
	STATE_TRASH = 9,
};

enum shenandoah_heap { SHENANDOAH_REGULAR, SHENANDOAH_HUMONGOUS, SHENANDOAH_FREE };
static const char *const shenandoah_names[] = { "regular", "humongous", "free regions" };

static struct ch_error *add_shenandoah(struct hs *hs, uint64_t addr, uint64_t bytes)
{
	struct region region;

	if (!hs_member_ptr(hs, HS_SHENANDOAH_BOTTOM, addr, &region.bottom) ||
	    !hs_member_ptr(hs, HS_SHENANDOAH_TOP, addr, &region.top) ||
	    !hs_member_u32(hs, HS_SHENANDOAH_STATE, addr, &region.tag))
		return ch_error_create(CH_ERROR_CORRUPT,
				       "a region of the Java heap is not readable");
	if (!hs_member_ptr(hs, HS_SHENANDOAH_END, addr, &region.end))
		region.end = region.bottom + bytes;
	switch (region.tag) {
	case STATE_UNCOMMITTED:
		return NULL;
	case STATE_EMPTY:
	case STATE_TRASH:
		return add_space(hs, SHENANDOAH_FREE, region.bottom, region.bottom, region.end);
	case STATE_CONTINUES:
		if (hs->spaces.count)
			extend_last(hs, &region);
		return NULL;
	case STATE_HUMONGOUS:
	case STATE_PINNED_HUMONGOUS:
		return add_space(hs, SHENANDOAH_HUMONGOUS, region.bottom, region.top, region.end);
	default:
		return add_space(hs, SHENANDOAH_REGULAR, region.bottom, region.top, region.end);
	}
}

static struct ch_error *open_shenandoah(struct hs *hs, uint64_t heap)
{
	uint64_t regions, count, bytes = 0, i, addr;
	struct ch_error *err;

	hs_member_ptr(hs, HS_SHENANDOAH_BYTES, 0, &bytes);
	if (!hs_member_ptr(hs, HS_SHENANDOAH_REGIONS, heap, &regions) ||
	    !hs_member_ptr(hs, HS_SHENANDOAH_COUNT, heap, &count) || count > REGIONS_MAX)
		return ch_error_create(CH_ERROR_CORRUPT,
				       "Shenandoah's table of regions is not readable");
	err = hs_heaps_add(hs, shenandoah_names, CH_COUNT_OF(shenandoah_names));
	for (i = 0; !err && i < count; i++)
		if (hs_read_ptr(hs, regions + 8 * i, &addr) && addr)
			err = add_shenandoah(hs, addr, bytes);
	return err;
}

/* ---- Serial and Parallel --------------------------------------------------------- */

/* A space at a pointer that lies in the generation. */
static struct ch_error *add_at(struct hs *hs, uint32_t heap, uint64_t generation,
			       enum hs_member_id where, enum hs_member_id bottom_id)
{
	uint64_t space, bottom, top, end;

	/* bottom, top and end are in this order among the members */
	if (!hs_member_ptr(hs, where, generation, &space) ||
	    !hs_member_ptr(hs, bottom_id, space, &bottom) ||
	    !hs_member_ptr(hs, bottom_id + 1, space, &top) ||
	    !hs_member_ptr(hs, bottom_id + 2, space, &end))
		return ch_error_create(CH_ERROR_CORRUPT,
				       "a space of the Java heap is not readable");
	return add_space(hs, heap, bottom, top, end);
}

static struct ch_error *open_spaces(struct hs *hs, uint64_t heap, const char *const *names,
				    enum hs_member_id young_id, enum hs_member_id eden_id,
				    enum hs_member_id bottom_id)
{
	uint64_t young, old;
	struct ch_error *err;
	uint32_t i;

	/* 8 has an array of both, which is the row of the young one */
	if (!hs_member_ptr(hs, young_id, heap, &young) ||
	    !(hs->members[young_id + 1].found
		      ? hs_member_ptr(hs, young_id + 1, heap, &old)
		      : hs_read_ptr(hs, hs_member_addr(hs, young_id, heap) + 8, &old)))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "the generations of this collector are not known");
	err = hs_heaps_add(hs, names, 4);
	/* eden, from, to, then that of the old generation */
	for (i = 0; !err && i < 4; i++)
		err = add_at(hs, i, i < 3 ? young : old, eden_id + i, bottom_id);
	return err;
}

/* ---- What threads have taken ------------------------------------------------------ */

/*
 * Room for a filler is kept at the end of a buffer: in 8 for the header of an array of int
 * (memory/threadLocalAllocBuffer.hpp, alignment_reserve()), later for that of an object,
 * where it is longer than what objects are aligned to (gc/shared/collectedHeap.hpp,
 * tlab_alloc_reserve() in 17; _lab_alignment_reserve in 25, which its tables have).
 */
static uint32_t filler_words(const struct hs *hs)
{
	const uint32_t align = hs->align / 8, words = hs->compact ? 1 : 2;
	uint32_t told;

	if (hs_member_u32(hs, HS_LAB_RESERVE, 0, &told))
		return told;
	if (!hs->members[HS_TLAB_RESERVE].found)
		return (uint32_t)ch_align_up(hs->narrow_klass ? 2 : 3, align);
	return words > align ? (uint32_t)ch_align_up(words, align) : 0;
}

static struct ch_error *add_gap(struct hs *hs, uint64_t thread)
{
	uint64_t tlab = hs_member_addr(hs, HS_THREAD_TLAB, thread), top, end;
	uint32_t reserve = 0;
	struct hs_gap *gap;

	if (!hs_member_ptr(hs, HS_TLAB_TOP, tlab, &top) ||
	    !hs_member_ptr(hs, HS_TLAB_END, tlab, &end) || !top || end < top)
		return NULL;
	hs_member_u32(hs, HS_TLAB_RESERVE, 0, &reserve);
	reserve = (uint32_t)ch_max(reserve, filler_words(hs));
	top = hs_decode(hs, top);
	end = hs_decode(hs, end);
	gap = top && end >= top ? ch_vec_push(&hs->gaps) : NULL;
	if (!gap)
		return top && end >= top ? &ch_enomem : NULL;
	*gap = (struct hs_gap){ top, end + 8ULL * ch_min(reserve, 4096) };
	return NULL;
}

static int compare_gaps(const void *a, const void *b)
{
	const struct hs_gap *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static struct ch_error *find_gaps(struct hs *hs)
{
	struct ch_vec threads = CH_VEC(uint64_t);
	struct ch_error *err = hs_threads_find(hs, &threads);
	size_t i;

	for (i = 0; !err && i < threads.count; i++)
		err = add_gap(hs, *CH_VEC_AT(&threads, uint64_t, i));
	ch_vec_deinit(&threads);
	ch_vec_sort(&hs->gaps, compare_gaps);
	return err;
}

/* ---- All of it -------------------------------------------------------------------- */

static void read_encodings(struct hs *hs)
{
	uint64_t value;
	uint32_t active;

	hs->narrow_klass = hs_flag_is_set(hs, "UseCompressedClassPointers");
	hs->compact = hs_flag_is_set(hs, "UseCompactObjectHeaders");
	hs->narrow_oop = hs_flag_is_set(hs, "UseCompressedOops");
	hs_member_ptr(hs, HS_NARROW_KLASS_BASE, 0, &hs->klass_base);
	hs_member_u32(hs, HS_NARROW_KLASS_SHIFT, 0, &hs->klass_shift);
	hs_member_ptr(hs, HS_NARROW_OOP_BASE, 0, &hs->oop_base);
	hs_member_u32(hs, HS_NARROW_OOP_SHIFT, 0, &hs->oop_shift);
	hs->klass_shift &= 31;
	hs->oop_shift &= 31;
	hs->mark_shift = hs->numbers[HS_KLASS_SHIFT].found
				 ? (uint32_t)hs->numbers[HS_KLASS_SHIFT].value & 63
				 : 42;
	hs->align = 8;
	/* 8 bytes up to 21, 4 in 25 */
	if (hs_flag(hs, "ObjectAlignmentInBytes", &value)) {
		value &= UINT32_MAX;
		if (value >= 8 && value <= 256 && (value & (value - 1)) == 0)
			hs->align = (uint32_t)value;
	}
	hs->length_offset = hs->compact ? 8 : hs->narrow_klass ? 12 : 16;
	hs_member_u32(hs, HS_CLASS_OOP_SIZE, 0, &hs->class_size_offset);
	hs->gc_active = false;
	if (hs_member_ptr(hs, HS_COLLECTED_HEAP, 0, &value) &&
	    hs_member_u32(hs, HS_GC_ACTIVE, value, &active))
		hs->gc_active = (active & 0xff) == 1;
}

struct ch_error *hs_heap_open(struct hs *hs)
{
	struct ch_error *err;
	uint64_t heap;

	read_encodings(hs);
	if (!hs_member_ptr(hs, HS_COLLECTED_HEAP, 0, &heap) || !heap)
		return ch_error_create(CH_ERROR_ABSENT, "the JVM has no heap yet");
	if (hs_flag_is_set(hs, "UseG1GC")) {
		hs->collector = "G1";
		err = open_g1(hs, heap);
	} else if (hs_flag_is_set(hs, "UseSerialGC")) {
		hs->collector = "Serial";
		err = open_spaces(hs, heap, serial_names, HS_SERIAL_YOUNG, HS_SERIAL_EDEN,
				  HS_SPACE_BOTTOM);
	} else if (hs_flag_is_set(hs, "UseParallelGC")) {
		hs->collector = "Parallel";
		err = open_spaces(hs, heap, parallel_names, HS_PARALLEL_YOUNG, HS_PARALLEL_EDEN,
				  HS_MUTABLE_BOTTOM);
	} else if (hs_flag_is_set(hs, "UseShenandoahGC")) {
		hs->collector = "Shenandoah";
		err = open_shenandoah(hs, heap);
	} else if (hs_flag_is_set(hs, "UseZGC")) {
		hs->collector = "ZGC";
		err = hs_zgc_open(hs, heap);
	} else {
		err = ch_error_create(CH_ERROR_UNSUPPORTED,
				      "this collector's heap is not read (only G1, Serial, "
				      "Parallel, Shenandoah and ZGC)");
	}
	return err ? err : find_gaps(hs);
}
