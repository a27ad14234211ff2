/*
 * Which pages hold anything: a bit for each page of each segment. Holes of the file are known at
 * once, zeros after the pages were looked at, by several threads and once for the core; sums of
 * touched bytes and walks that step over zeros both read these bits.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"

#define WORD_PAGES 64ULL
/* Words of the bitmap that a thread looks at before it takes the next ones: 16 MiB. */
#define SHARE_WORDS 64
#define THREADS_ALL 64
/* Ranges of the file that are looked for; what lies beyond is taken for data. */
#define EXTENTS_MAX (1U << 22)

/* Bytes [start, end) of the file that are no hole. */
struct extent {
	uint64_t start, end;
};

/* One bit for each page of each segment: that it may hold something other than zeros;
 * that it does, once it was looked at. */
struct ch_touched {
	_Atomic(uint64_t) *words;
	/* By segment: its first word. One more than there are segments. */
	uint64_t *bases;
	bool looked;
};

static const struct ch_segment *segment_of(const struct ch_core *core, size_t index)
{
	return CH_VEC_AT(&core->segments, struct ch_segment, index);
}

static uint64_t first_page(const struct ch_segment *segment)
{
	return ch_align_down(segment->start, CH_PAGE_BYTES);
}

static uint64_t pages_of(const struct ch_segment *segment)
{
	uint64_t bytes = segment->present_end - first_page(segment);

	return segment->present_end > segment->start
		       ? bytes / CH_PAGE_BYTES + (bytes % CH_PAGE_BYTES != 0)
		       : 0;
}

/* The first page from page on whose bit is value; pages when there is none. */
static uint64_t next_page(const struct ch_touched *touched, size_t segment, uint64_t page,
			  uint64_t pages, bool value)
{
	uint64_t bits;

	while (page < pages) {
		bits = atomic_load_explicit(
			&touched->words[touched->bases[segment] + page / WORD_PAGES],
			memory_order_relaxed);
		bits = (value ? bits : ~bits) >> (page % WORD_PAGES);
		if (bits)
			return ch_min(page + (uint64_t)__builtin_ctzll(bits), pages);
		page = (page / WORD_PAGES + 1) * WORD_PAGES;
	}
	return pages;
}

/* ---- What is no hole of the file ------------------------------------------------ */

/* Where the file system cannot tell, all of it. */
static struct ch_error *find_extents(const struct ch_core *core, struct ch_vec *ret)
{
	uint64_t size = core->stats.file_bytes, at = 0;
	struct extent *extent;
	off_t start, end;

	while (at < size) {
		start = ret->count < EXTENTS_MAX ? lseek(core->fd, (off_t)at, SEEK_DATA)
						 : (off_t)at;
		if (start < 0 && errno == ENXIO)
			return NULL;
		end = start < 0 || ret->count >= EXTENTS_MAX ? (off_t)size
							     : lseek(core->fd, start, SEEK_HOLE);
		start = start < 0 ? (off_t)at : start;
		end = end <= start ? (off_t)size : end;
		extent = ch_vec_push(ret);
		if (!extent)
			return &ch_enomem;
		*extent = (struct extent){ (uint64_t)start, (uint64_t)end };
		at = (uint64_t)end;
	}
	return NULL;
}

static void set_pages(struct ch_touched *touched, size_t segment, uint64_t page, uint64_t end)
{
	uint64_t word, bits, n;

	for (; page < end; page += n) {
		word = touched->bases[segment] + page / WORD_PAGES;
		n = ch_min(WORD_PAGES - page % WORD_PAGES, end - page);
		bits = (n == WORD_PAGES ? UINT64_MAX : (1ULL << n) - 1) << (page % WORD_PAGES);
		atomic_fetch_or_explicit(&touched->words[word], bits, memory_order_relaxed);
	}
}

/* Set the bits of pages of a segment that an extent meets. */
static void set_segment(const struct ch_core *core, struct ch_touched *touched, size_t index,
			const struct ch_vec *extents)
{
	const struct ch_segment *segment = segment_of(core, index);
	uint64_t end = segment->off + (segment->present_end - segment->start), from, to;
	const struct extent *items = extents->items;
	size_t low = ch_search(items, extents->count, it, it->end <= segment->off);

	for (; low < extents->count && items[low].start < end; low++) {
		from = segment->start + (ch_max(items[low].start, segment->off) - segment->off);
		to = segment->start + (ch_min(items[low].end, end) - segment->off);
		set_pages(touched, index, (from - first_page(segment)) / CH_PAGE_BYTES,
			  (to - 1 - first_page(segment)) / CH_PAGE_BYTES + 1);
	}
}

static void destroy(struct ch_touched *touched)
{
	if (!touched)
		return;
	free(touched->words);
	free(touched->bases);
	free(touched);
}

/*
 * Not for segments that share bytes of the file: their pages may be more than any
 * file has, so looking at each would not end.
 */
static struct ch_error *build(const struct ch_core *core, struct ch_touched **ret)
{
	struct ch_touched *touched = calloc(1, sizeof(*touched));
	struct ch_vec extents = CH_VEC(struct extent);
	struct ch_error *err;
	uint64_t words = 0;
	size_t i, count = core->segments.count;

	if (!touched)
		return &ch_enomem;
	touched->bases = calloc(count + 1, sizeof(*touched->bases));
	for (i = 0; touched->bases && i < count; i++) {
		touched->bases[i] = words;
		words += (pages_of(segment_of(core, i)) + WORD_PAGES - 1) / WORD_PAGES;
	}
	if (touched->bases) {
		touched->bases[count] = words;
		touched->words = calloc(words + 1, sizeof(*touched->words));
	}
	err = touched->words ? find_extents(core, &extents) : &ch_enomem;
	for (i = 0; !err && i < count; i++)
		if (pages_of(segment_of(core, i)))
			set_segment(core, touched, i, &extents);
	ch_vec_deinit(&extents);
	if (err) {
		destroy(touched);
		return err;
	}
	*ret = touched;
	return NULL;
}

static bool shares_bytes(const struct ch_core *core)
{
	return core->stats.present_bytes / 2 > core->stats.file_bytes;
}

/* The bitmap, made when it is first asked for; NULL: there is none. */
static struct ch_touched *get(const struct ch_core *core)
{
	struct ch_core *own = (struct ch_core *)(uintptr_t)core;
	struct ch_touched *touched = atomic_load_explicit(&own->touched, memory_order_acquire);

	if (touched || shares_bytes(core))
		return touched;
	pthread_mutex_lock(&own->lock);
	touched = atomic_load_explicit(&own->touched, memory_order_acquire);
	if (!touched) {
		/* without it all is looked at */
		ch_error_destroy(build(core, &touched));
		atomic_store_explicit(&own->touched, touched, memory_order_release);
	}
	pthread_mutex_unlock(&own->lock);
	return touched;
}

void chp_core_forget_touched(struct ch_core *core)
{
	destroy(atomic_load_explicit(&core->touched, memory_order_relaxed));
}

/* ---- Looking -------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	/* each byte equals the one before it, and the first is zero */
	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* What is common to all threads that look. */
struct look {
	const struct ch_core *core;
	struct ch_touched *touched;
	/** The next word that nobody has looked at, and bytes done. */
	_Atomic(uint64_t) next;
	_Atomic(bool) stopped;
};

/* Whether a page whose bit is set holds something; else the bit is cleared. */
static bool look_at_page(const struct ch_core *core, struct ch_touched *touched, size_t index,
			 uint64_t page)
{
	const struct ch_segment *segment = segment_of(core, index);
	uint64_t start = first_page(segment) + page * CH_PAGE_BYTES, end;

	end = ch_min(start + CH_PAGE_BYTES, segment->present_end);
	start = ch_max(start, segment->start);
	if (!is_zero(core->data + segment->off + (start - segment->start), end - start))
		return true;
	atomic_fetch_and_explicit(&touched->words[touched->bases[index] + page / WORD_PAGES],
				  ~(1ULL << (page % WORD_PAGES)), memory_order_relaxed);
	return false;
}

static void look_at_word(const struct look *look, size_t index, uint64_t word)
{
	uint64_t page = (word - look->touched->bases[index]) * WORD_PAGES, left;

	left = atomic_load_explicit(&look->touched->words[word], memory_order_relaxed);
	for (; left; left &= left - 1)
		look_at_page(look->core, look->touched, index,
			     page + (uint64_t)__builtin_ctzll(left));
}

/* The segment of a word: the last one that begins at or before it and has words. */
static size_t segment_of_word(const struct look *look, uint64_t word)
{
	size_t above = ch_search(look->touched->bases, look->core->segments.count, it, *it <= word);

	return above ? above - 1 : 0;
}

static void *work(void *arg)
{
	struct look *look = arg;
	struct ch_context *ctx = look->core->ctx;
	uint64_t all = look->touched->bases[look->core->segments.count], word, end;
	struct ch_error *err;
	size_t index;

	while (!atomic_load_explicit(&look->stopped, memory_order_relaxed)) {
		word = atomic_fetch_add_explicit(&look->next, SHARE_WORDS, memory_order_relaxed);
		if (word >= all)
			break;
		end = ch_min(word + SHARE_WORDS, all);
		for (index = segment_of_word(look, word); word < end; word++) {
			while (look->touched->bases[index + 1] <= word)
				index++;
			look_at_word(look, index, word);
		}
		err = chp_context_check(ctx);
		if (err) {
			ch_error_destroy(err);
			atomic_store_explicit(&look->stopped, true, memory_order_relaxed);
		}
	}
	return NULL;
}

struct ch_error *ch_core_look_at_pages(struct ch_core *core, uint32_t threads)
{
	struct look look = { .core = core, .touched = get(core) };
	pthread_t helpers[THREADS_ALL];
	struct ch_error *err = chp_context_check(core->ctx);
	uint32_t i, started = 0;

	if (err || !look.touched || look.touched->looked)
		return err;
	while (started < THREADS_ALL && started + 1 < threads &&
	       pthread_create(&helpers[started], NULL, work, &look) == 0)
		started++;
	work(&look);
	for (i = 0; i < started; i++)
		pthread_join(helpers[i], NULL);
	/* Bits that are left from an interrupted look say "may hold something". */
	if (atomic_load_explicit(&look.stopped, memory_order_relaxed))
		return &ch_stop;
	look.touched->looked = true;
	return NULL;
}

bool ch_core_knows_touched(const struct ch_core *core)
{
	const struct ch_touched *touched = get(core);

	return touched && touched->looked;
}

/* ---- Answers -------------------------------------------------------------------- */

/* The first segment that ends above addr. */
static size_t segment_after(const struct ch_core *core, uint64_t addr)
{
	const struct ch_segment *segments = core->segments.items;
	const struct ch_segment *at = ch_core_segment_at(core, addr);

	if (at)
		return (size_t)(at - segments);
	return ch_search(segments, core->segments.count, it, it->end <= addr);
}

/* Touched bytes of [start, end), which lies in the present bytes of a segment. */
static uint64_t count_in(const struct ch_touched *touched, const struct ch_segment *segment,
			 size_t index, uint64_t start, uint64_t end)
{
	uint64_t base = first_page(segment), page = (start - base) / CH_PAGE_BYTES;
	uint64_t pages = (end - 1 - base) / CH_PAGE_BYTES + 1, bytes = 0, to;

	while (page < pages) {
		page = next_page(touched, index, page, pages, true);
		to = next_page(touched, index, page, pages, false);
		if (page < to)
			bytes += ch_min(base + to * CH_PAGE_BYTES, end) -
				 ch_max(base + page * CH_PAGE_BYTES, start);
		page = to;
	}
	return bytes;
}

uint64_t ch_core_touched_bytes(const struct ch_core *core, uint64_t start, uint64_t end)
{
	const struct ch_touched *touched = get(core);
	const struct ch_segment *segments = core->segments.items;
	uint64_t bytes = 0, from, to;
	size_t i;

	for (i = segment_after(core, start); i < core->segments.count && segments[i].start < end;
	     i++) {
		from = ch_max(segments[i].start, start);
		to = ch_min(segments[i].present_end, end);
		if (from < to)
			bytes += touched ? count_in(touched, &segments[i], i, from, to) : to - from;
	}
	return bytes;
}

bool ch_core_is_zero(const struct ch_core *core, uint64_t start, uint64_t end)
{
	struct ch_touched *touched = get(core);
	const struct ch_segment *segments = core->segments.items, *segment;
	uint64_t page, pages;
	size_t i;

	for (i = segment_after(core, start); start < end; i++) {
		segment = &segments[i];
		if (i >= core->segments.count || start < segment->start ||
		    start >= segment->present_end || !touched)
			return false;
		pages = (ch_min(end, segment->present_end) - 1 - first_page(segment)) /
				CH_PAGE_BYTES +
			1;
		page = (start - first_page(segment)) / CH_PAGE_BYTES;
		while ((page = next_page(touched, i, page, pages, true)) < pages)
			if (look_at_page(core, touched, i, page))
				return false;
		start = segment->present_end;
	}
	return true;
}

/* Pages of a segment that begin before end, which lies behind its first byte: who asks for a few
 * bytes does not look at the pages of all others. */
static uint64_t pages_before(const struct ch_segment *segment, uint64_t end)
{
	return ch_min(pages_of(segment), (end - first_page(segment) - 1) / CH_PAGE_BYTES + 1);
}

uint64_t ch_core_next_untouched(const struct ch_core *core, uint64_t addr, uint64_t end)
{
	const struct ch_touched *touched = get(core);
	const struct ch_segment *segments = core->segments.items;
	uint64_t pages, page;
	size_t i;

	for (i = segment_after(core, addr); addr < end; i++) {
		if (i >= core->segments.count || addr < segments[i].start ||
		    addr >= segments[i].present_end)
			return addr;
		pages = pages_before(&segments[i], end);
		page = touched ? next_page(touched, i,
					   (addr - first_page(&segments[i])) / CH_PAGE_BYTES, pages,
					   false)
			       : pages;
		if (page < pages)
			return ch_min(ch_max(first_page(&segments[i]) + page * CH_PAGE_BYTES, addr),
				      end);
		addr = segments[i].present_end;
	}
	return end;
}

const uint8_t *ch_core_next_data(const struct ch_core *core, uint64_t *addr, uint64_t end,
				 size_t *len_ret)
{
	const struct ch_touched *touched = get(core);
	const struct ch_segment *segment;
	uint64_t at = *addr, page, pages;
	const uint8_t *bytes;
	size_t index;

	while ((at = ch_core_next_present(core, at, end)) < end) {
		segment = ch_core_segment_at(core, at);
		if (!touched || !segment || at >= segment->present_end)
			break;
		index = (size_t)(segment - (const struct ch_segment *)core->segments.items);
		pages = pages_before(segment, end);
		page = next_page(touched, index, (at - first_page(segment)) / CH_PAGE_BYTES, pages,
				 true);
		if (page < pages) {
			at = ch_max(at, first_page(segment) + page * CH_PAGE_BYTES);
			break;
		}
		at = ch_min(segment->present_end, end);
	}
	bytes = at < end ? ch_core_span(core, at, len_ret) : NULL;
	if (!bytes)
		return NULL;
	*addr = at;
	*len_ret = ch_min(*len_ret, end - at);
	segment = ch_core_segment_at(core, at);
	if (touched && segment && at < segment->present_end)
		*len_ret = ch_min(*len_ret, ch_core_next_untouched(core, at, at + *len_ret) - at);
	return bytes;
}
