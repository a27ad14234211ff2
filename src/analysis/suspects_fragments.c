/*
 * Heaps of managed runtimes whose objects stay where they are, with more holes than they can
 * use.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/suspects.h"
#include "heap/locks.h"
#include "util/bytes.h"
#include "util/number.h"
#include "util/search.h"

/* Of a heap, in holes between objects: what is free behind the last one can be given back. What
 * died since the last collections comes to a third of a heap that is well. */
#define HOLES_PERCENT 40
/* Of all managed heaps. */
#define SHARE    10
#define SIZE_MIN (1ULL << 20)
/* Where other objects are moved: buffers that the kernel reads and writes are pinned in every
 * program, a few at a time. */
#define PINS_MIN 100
/* Tables of runtimes have a few rows. */
#define KINDS_MAX 8

/* Heaps of one kind: a server has one for each processor. */
struct kind {
	const struct ch_fixed_heap *fixed;
	uint32_t walker;
	uint64_t hole_bytes, touched_bytes, holes, used_bytes, used, largest_bytes, largest_addr,
		pins;
};

struct counting {
	struct ch_heaps *heaps;
	struct kind kinds[KINDS_MAX];
	size_t count;
};

static struct kind *kind_of(struct counting *counting, const struct ch_heap *heap)
{
	const struct ch_fixed_heap *fixed = chp_heap_fixed(counting->heaps, heap);
	size_t i;

	for (i = 0; fixed && i < counting->count; i++)
		if (counting->kinds[i].fixed == fixed)
			return &counting->kinds[i];
	if (!fixed || counting->count == KINDS_MAX)
		return NULL;
	counting->kinds[counting->count] = (struct kind){ .fixed = fixed, .walker = heap->walker };
	return &counting->kinds[counting->count++];
}

static void count_heap(struct counting *counting, const struct ch_heap *heap,
		       const struct ch_heap_free *free)
{
	struct kind *kind = kind_of(counting, heap);
	uint64_t touched = heap->free_bytes - heap->untouched_free_bytes;

	if (!kind)
		return;
	kind->hole_bytes += free->bins.bytes;
	kind->touched_bytes += ch_min(free->bins.bytes, touched);
	kind->holes += free->bins.count;
	kind->used_bytes += heap->used_bytes;
	kind->used += heap->used_count;
	if (free->largest_bytes > kind->largest_bytes) {
		kind->largest_bytes = free->largest_bytes;
		kind->largest_addr = free->largest_addr;
	}
}

static struct ch_error *count_pin(void *arg, uint64_t addr)
{
	struct counting *counting = arg;
	const struct ch_span *spans;
	const struct ch_heap *list;
	struct kind *kind;
	size_t count, low;

	list = ch_heaps_list(counting->heaps, &count);
	spans = ch_heaps_spans(counting->heaps, &count);
	low = ch_search(spans, count, it, it->start <= addr);
	kind = low && addr < spans[low - 1].end ? kind_of(counting, &list[spans[low - 1].heap])
						: NULL;
	if (kind)
		kind->pins++;
	return NULL;
}

static struct ch_error *tell(struct ch_suspecting *suspecting, const struct kind *kind,
			     uint64_t whole)
{
	uint64_t share = chp_percent(kind->hole_bytes, kind->hole_bytes + kind->used_bytes);
	struct ch_suspect suspect = { .rule = CH_RULE_FRAGMENTED_HEAP,
				      .count = kind->holes,
				      .bytes = kind->hole_bytes,
				      .share_of = "the managed heaps",
				      .basis = CH_BASIS_DERIVED,
				      .sample_addr = kind->largest_addr };
	char bytes[CH_BYTES_TEXT_MAX], holes[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX],
		largest[CH_BYTES_TEXT_MAX], pins[CH_BYTES_TEXT_MAX];

	if (kind->fixed->pinned && kind->pins < PINS_MIN)
		return NULL;
	if (share < HOLES_PERCENT * 100 || !chp_suspect_is(suspect.bytes, SIZE_MIN, SHARE, whole))
		return NULL;
	/* what was never written to, or was given back, may be no memory: that cannot be told from
	 * zeros */
	chp_suspect_fact(&suspect, "touched_bytes", kind->touched_bytes);
	chp_suspect_fact(&suspect, "used_bytes", kind->used_bytes);
	chp_suspect_fact(&suspect, "used_count", kind->used);
	chp_suspect_fact(&suspect, "largest_hole_bytes", kind->largest_bytes);
	chp_suspect_fact(&suspect, "pinned_count", kind->pins);
	chp_suspect_next(&suspect, "heap", 0);
	return chp_suspect_take(
		suspecting, &suspect, whole,
		"%s is %" PRIu64 ".%02" PRIu64 "%% free: %s in %s holes between %s objects, the "
		"largest %s bytes%s%s%s; %s%s%s",
		kind->fixed->name, share / 100, share % 100, chp_bytes_text(suspect.bytes, bytes),
		chp_count_text(kind->holes, holes), chp_count_text(kind->used, used),
		chp_count_text(kind->largest_bytes, largest), kind->pins ? "; handles pin " : "",
		kind->pins ? chp_count_text(kind->pins, pins) : "", kind->pins ? " of them" : "",
		kind->fixed->why, kind->fixed->help ? "; " : "",
		kind->fixed->help ? kind->fixed->help : "");
}

struct ch_error *chp_suspects_fragments(struct ch_suspecting *suspecting)
{
	const struct ch_account_row *rows = suspecting->sums->account.rows;
	uint64_t whole = rows[CH_ACCOUNT_MANAGED_USED].bytes + rows[CH_ACCOUNT_MANAGED_FREE].bytes +
			 rows[CH_ACCOUNT_MANAGED_HEAP].bytes;
	struct counting counting = { .heaps = suspecting->heaps };
	const struct ch_heap_free *frees;
	const struct ch_heap *list;
	struct ch_error *err = NULL;
	size_t count, i;

	list = ch_heaps_list(counting.heaps, &count);
	frees = ch_heaps_free(counting.heaps, &count);
	for (i = 0; i < count; i++)
		count_heap(&counting, &list[i], &frees[i]);
	if (counting.count)
		err = chp_heaps_pins(counting.heaps, count_pin, &counting);
	for (i = 0; !err && i < counting.count; i++)
		err = tell(suspecting, &counting.kinds[i], whole);
	return err;
}
