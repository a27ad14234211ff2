/*
 * Finding the page map by its shape: a word in the data of a module leads to a leaf, whose first
 * element leads to a span that names the very page of the element, which in turn tells where in the
 * root the word has to be. And the table of size classes, which begins alike in all releases.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

#include "heap/signs.h"
#include "util/cleanup.h"

/* What leaves are looked through for their first elements, for one module and together. */
#define LOOKED_BYTES_MAX       (256ULL << 20)
#define LOOKED_BYTES_TOTAL_MAX (1ULL << 30)
/* Elements of a leaf that must be spans, or the first one that is none ends it. */
#define TRIES_MAX 16U

/* common.h, kPageShift: 13 unless it was built otherwise (--with-tcmalloc-pagesize). */
static const uint8_t page_shifts[] = { 13, 12, 14, 15, 16, 18 };

/* common.cc, SizeMap::Init(): the first classes. */
static const uint32_t first_sizes[] = { 0, 8, 16, 32, 48, 64, 80, 96, 112, 128 };

static void set_shift(struct tcmalloc *tc, uint32_t shift)
{
	/* pagemap.h, TCMalloc_PageMap2. */
	const uint32_t bits = TCMALLOC_ADDRESS_BITS - shift;

	tc->page_shift = shift;
	tc->leaf_bits = (bits + 1) / 2;
	tc->root_bits = bits - tc->leaf_bits;
}

/* Whether the element in a slot of a leaf leads to a span that begins there, and the element of
 * its last page does, too. page_ret: its first page. */
static bool is_element(const struct tcmalloc *tc, uint64_t leaf, uint64_t slot, uint64_t element,
		       uint64_t *page_ret)
{
	const uint64_t slots = 1ULL << tc->leaf_bits;
	struct tcmalloc_span span;
	uint64_t pages, last;

	if (tcmalloc_read_span(tc, element, &span))
		return false;
	*page_ret = span.start >> tc->page_shift;
	pages = (span.end - span.start) >> tc->page_shift;
	if ((*page_ret & (slots - 1)) != slot)
		return false;
	return slot + pages > slots ||
	       (ch_core_read_u64(tc->env.core, leaf + 8 * (slot + pages - 1), &last) &&
		last == element);
}

/* A page that a leaf is for, by its first elements. */
static bool page_of_leaf(const struct tcmalloc *tc, uint64_t leaf, uint64_t *looked_bytes,
			 uint64_t *page_ret)
{
	uint64_t at = leaf, end = leaf + (8ULL << tc->leaf_bits), word;
	const uint8_t *bytes;
	uint64_t last = 0;
	uint32_t tries = 0;
	size_t len, i;

	while (*looked_bytes < LOOKED_BYTES_MAX &&
	       (bytes = ch_core_next_data(tc->env.core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		*looked_bytes += 64;
		for (i = 0; i < len; i += 8, *looked_bytes += 8) {
			word = ch_get64(bytes + i);
			if (!word || word == last)
				continue;
			last = word;
			if (is_element(tc, leaf, (at + i - leaf) / 8, word, page_ret))
				return true;
			if (word % 8 || word > 1ULL << 47 || ++tries == TRIES_MAX)
				return false;
		}
		if (!len)
			return false;
		at += len;
	}
	return false;
}

static bool look_at_word(struct tcmalloc *tc, uint64_t addr, uint64_t word, uint64_t *looked_bytes)
{
	uint64_t page;
	size_t i;

	if (!word || word % 8 || word > 1ULL << 47 || !ch_core_segment_at(tc->env.core, word))
		return false;
	for (i = 0; i < CH_COUNT_OF(page_shifts); i++) {
		set_shift(tc, page_shifts[i]);
		if (!page_of_leaf(tc, word, looked_bytes, &page) ||
		    addr < 8 * (page >> tc->leaf_bits))
			continue;
		tc->root = addr - 8 * (page >> tc->leaf_bits);
		if (tc->root >= tc->module->start)
			return true;
	}
	return false;
}

bool tcmalloc_find_map(struct tcmalloc *tc)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	uint64_t at, looked_bytes, total_bytes = 0;
	size_t count, i, k;

	modules = ch_sym_modules(tc->env.sym, &count);
	for (i = 0; i < count && total_bytes < LOOKED_BYTES_TOTAL_MAX; i++) {
		looked_bytes = 0;
		tc->module = &modules[i];
		at = modules[i].start;
		while (chp_data_next(&tc->env, &modules[i], &at, &run))
			for (k = ch_align_up(run.addr, 8) - run.addr;
			     k < run.len && run.len - k >= 8; k += 8)
				if (look_at_word(tc, run.addr + k, ch_get64(run.bytes + k),
						 &looked_bytes))
					return true;
		total_bytes += looked_bytes;
	}
	return false;
}

/* SizeMap::class_to_size_: sizes of 4 bytes that grow up to kMaxSize. */
static bool take_sizes(struct tcmalloc *tc, const uint8_t *p, size_t len)
{
	uint32_t i, size;

	for (i = 0; i < CH_COUNT_OF(first_sizes); i++)
		if (ch_get32(p + 4 * (size_t)i) != first_sizes[i])
			return false;
	for (i = 0; i < TCMALLOC_CLASSES_MAX && 4 * (size_t)i + 4 <= len; i++) {
		size = ch_get32(p + 4 * (size_t)i);
		if (i && (size <= tc->sizes[i - 1] || size > TCMALLOC_SIZE_MAX || size % 8))
			break;
		tc->sizes[i] = size;
	}
	tc->classes_count = i;
	return true;
}

bool tcmalloc_find_sizes(struct tcmalloc *tc)
{
	struct ch_data_run run = { 0 };
	uint64_t at = tc->module->start;
	size_t k;

	while (chp_data_next(&tc->env, tc->module, &at, &run))
		for (k = ch_align_up(run.addr, 4) - run.addr;
		     k < run.len && run.len - k >= sizeof(first_sizes); k += 4)
			if (take_sizes(tc, run.bytes + k, run.len - k))
				return true;
	return false;
}
