/*
 * All spans that the page map leads to: each leaf is read page by page, from one span's end to the
 * next one's start. What lies between is left from spans that became part of others.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* span.h, struct Span: start, length, next, prev, objects; then bits: refcount, sizeclass,
 * location, sample. */
#define SPAN_LENGTH  8
#define SPAN_OBJECTS 32
#define SPAN_BITS    40
#define SPAN_BYTES   48

const char *tcmalloc_read_span(const struct tcmalloc *tc, uint64_t addr, struct tcmalloc_span *ret)
{
	const uint64_t pages_max = 1ULL << (TCMALLOC_ADDRESS_BITS - 1 - tc->page_shift);
	uint8_t bytes[SPAN_BYTES];
	uint64_t start, length;
	uint32_t bits;

	if (!addr || addr % 8 || !ch_core_try_read(tc->env.core, addr, bytes, sizeof(bytes)))
		return "its structure is not in the core";
	start = ch_get64(bytes);
	length = ch_get64(bytes + SPAN_LENGTH);
	bits = ch_get32(bytes + SPAN_BITS);
	if (!start || !length || start >= pages_max || length > pages_max - start)
		return "its pages cannot be";
	*ret = (struct tcmalloc_span){
		.start = start << tc->page_shift,
		.end = (start + length) << tc->page_shift,
		.addr = addr,
		.objects = ch_get64(bytes + SPAN_OBJECTS),
		.refcount = (uint16_t)bits,
		.class = (uint8_t)(bits >> 16),
		.location = bits >> 24 & 3,
		.is_sample = bits >> 26 & 1,
	};
	if (ret->location > TCMALLOC_RETURNED || ret->class >= TCMALLOC_CLASSES_MAX)
		return "its place or size class does not exist";
	return ch_core_segment_at(tc->env.core, ret->start) ? NULL : "it is not mapped";
}

uint32_t tcmalloc_objects_count(const struct tcmalloc *tc, const struct tcmalloc_span *span)
{
	uint64_t count;

	if (!span->class || span->class >= tc->classes_count)
		return 0;
	count = (span->end - span->start) / tc->sizes[span->class];
	return count <= TCMALLOC_OBJECTS_MAX ? (uint32_t)count : 0;
}

/* A leaf that is being read. */
struct leaf {
	struct tcmalloc *tc;
	uint64_t addr;
	/* The first page that it is for. */
	uint64_t page;
};

static uint64_t element(const struct leaf *leaf, uint64_t slot)
{
	uint64_t word = 0;

	return ch_core_read_u64(leaf->tc->env.core, leaf->addr + 8 * slot, &word) ? word : 0;
}

/* The span that begins at the page of a slot; why there is none, or NULL. */
static const char *read_slot(const struct leaf *leaf, uint64_t slot, struct tcmalloc_span *ret)
{
	const struct tcmalloc *tc = leaf->tc;
	const char *why = tcmalloc_read_span(tc, element(leaf, slot), ret);
	uint64_t last;

	if (why)
		return why;
	if (ret->start != (leaf->page + slot) << tc->page_shift)
		return "its structure is another one's";
	if (ret->location == TCMALLOC_IN_USE && ret->class && !tcmalloc_objects_count(tc, ret))
		return "its objects do not fit it";
	last = slot + ((ret->end - ret->start) >> tc->page_shift) - 1;
	if (last < 1ULL << tc->leaf_bits && element(leaf, last) != element(leaf, slot))
		return "its last page leads to another one";
	return NULL;
}

static struct ch_error *add_span(struct tcmalloc *tc, const struct tcmalloc_span *span)
{
	struct tcmalloc_span *slot = ch_vec_push(&tc->spans);

	if (!slot)
		return &ch_enomem;
	*slot = *span;
	return tcmalloc_add_meta(tc, span->addr, SPAN_BYTES);
}

/* The first slot at or behind one that has an element; more than there are: none. */
static uint64_t next_slot(const struct leaf *leaf, uint64_t slot)
{
	const uint64_t slots = 1ULL << leaf->tc->leaf_bits;
	uint64_t at = leaf->addr + 8 * slot, end = leaf->addr + 8 * slots;
	const uint8_t *bytes;
	size_t len, i;

	while ((bytes = ch_core_next_data(leaf->tc->env.core, &at, end, &len)) && len >= 8) {
		for (i = 0; i + 8 <= len && at + i < end; i += 8)
			if (ch_get64(bytes + i))
				return (at + i - leaf->addr) / 8;
		at += i;
	}
	return slots;
}

static struct ch_error *read_leaf(const struct leaf *leaf)
{
	const uint64_t slots = 1ULL << leaf->tc->leaf_bits;
	struct tcmalloc *tc = leaf->tc;
	struct ch_error *err = chp_context_check(tc->env.ctx);
	struct tcmalloc_span span, *last;
	bool is_told = false;
	const char *why;
	uint64_t slot = 0;

	/* A span may go on from the leaf before. */
	if (tc->spans.count) {
		last = CH_VEC_AT(&tc->spans, struct tcmalloc_span, tc->spans.count - 1);
		if (last->end >> tc->page_shift > leaf->page)
			slot = (last->end >> tc->page_shift) - leaf->page;
	}
	for (slot = next_slot(leaf, slot); !err && slot < slots; slot = next_slot(leaf, slot)) {
		why = read_slot(leaf, slot, &span);
		if (!why) {
			err = add_span(tc, &span);
			slot += (span.end - span.start) >> tc->page_shift;
			is_told = false;
			continue;
		}
		/* Its other pages, and what is left from spans before, are looked through. */
		if (!is_told)
			chp_context_finding(
				tc->env.ctx, chp_blame(&tc->env), "tcmalloc-span",
				"tcmalloc: the span of the page at 0x%llx: %s; it is "
				"left out",
				(unsigned long long)((leaf->page + slot) << tc->page_shift), why);
		is_told = true;
		slot++;
	}
	return err;
}

static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int compare_pages(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return x->page < y->page ? -1 : x->page > y->page;
}

/* Leaves that the root leads to, in order of pages. Of those that overlap the first is kept: that
 * bounds what a damaged root can cost by the bytes of the core. */
static struct ch_error *find_leaves(struct tcmalloc *tc, struct ch_vec *ret)
{
	uint64_t at = tc->root, end = tc->root + (8ULL << tc->root_bits), word;
	struct leaf *items, *leaf;
	size_t len, i, kept = 0;
	const uint8_t *bytes;

	while ((bytes = ch_core_next_data(tc->env.core, &at, end, &len)) && len >= 8) {
		len = ch_min(len, end - at) / 8 * 8;
		for (i = 0; i < len; i += 8) {
			word = ch_get64(bytes + i);
			if (!word || word % 8 || word > 1ULL << 47)
				continue;
			leaf = ch_vec_push(ret);
			if (!leaf)
				return &ch_enomem;
			*leaf = (struct leaf){ .tc = tc,
					       .addr = word,
					       .page = (at + i - tc->root) / 8 << tc->leaf_bits };
		}
		at += len;
	}
	ch_vec_sort(ret, compare_leaves);
	items = ret->items;
	for (i = 0; i < ret->count; i++)
		if (!kept || items[i].addr - items[kept - 1].addr >= 8ULL << tc->leaf_bits)
			items[kept++] = items[i];
	ret->count = kept;
	ch_vec_sort(ret, compare_pages);
	return NULL;
}

struct ch_error *tcmalloc_find_spans(struct tcmalloc *tc)
{
	struct ch_vec leaves = CH_VEC(struct leaf);
	struct ch_error *err = find_leaves(tc, &leaves);
	size_t i;

	for (i = 0; !err && i < leaves.count; i++) {
		const struct leaf *leaf = CH_VEC_AT(&leaves, struct leaf, i);

		err = tcmalloc_add_meta(tc, leaf->addr, 8ULL << tc->leaf_bits);
		if (!err)
			err = read_leaf(leaf);
	}
	ch_vec_deinit(&leaves);
	return err;
}

const struct tcmalloc_span *tcmalloc_span_at(const struct tcmalloc *tc, uint64_t addr)
{
	const struct tcmalloc_span *items = tc->spans.items;
	size_t index = ch_search(items, tc->spans.count, it, it->end <= addr);

	return index < tc->spans.count && items[index].start <= addr ? &items[index] : NULL;
}

struct ch_error *tcmalloc_add_meta(struct tcmalloc *tc, uint64_t addr, uint64_t bytes)
{
	const uint64_t start = ch_align_down(addr, CH_PAGE_BYTES);
	const uint64_t end = ch_align_up(addr + bytes, CH_PAGE_BYTES);
	struct tcmalloc_range *last =
		tc->meta.count ? CH_VEC_AT(&tc->meta, struct tcmalloc_range, tc->meta.count - 1)
			       : NULL;

	/* Neighbours often lie on one page. */
	if (last && start >= last->start && end <= last->end)
		return NULL;
	last = ch_vec_push(&tc->meta);
	if (!last)
		return &ch_enomem;
	*last = (struct tcmalloc_range){ .start = start, .end = end };
	return NULL;
}
