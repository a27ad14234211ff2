/*
 * The walker of memcached's slabs: pages of one size, carved into chunks of one size a class.
 *
 * slabs.c keeps an array of classes in the program's data, which Debian's package has no symbol
 * for; what it holds says enough: sizes that grow, and for each of them how many fit one page.
 * Each class lists its pages, which are blocks of malloc, or parts of a single one that was taken
 * at the start. Whether a chunk is in use is a flag in the header of the item there.
 */
#include "heap/walker.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/vec.h"

/* Bits of it_flags: memcached.h, ITEM_*. */
#define ITEM_LINKED  1U
#define ITEM_SLABBED 4U
#define ITEM_FETCHED 8U
#define ITEM_CHUNK   64U
#define ITEM_HDR     128U
/* sizeof(item): a class of smaller chunks could hold none. */
#define ITEM_BYTES 48U
/* Before 1.4.24 there were up to 200 classes, then 63. */
#define CLASSES_MAX  200U
#define CLASSES_FULL 63U
/* As few are not believed to be a table of classes. */
#define CLASSES_MIN 3U
/* Pages are as large as the largest item, for which -I takes 1 GiB at most. */
#define PAGE_BYTES_MAX (1ULL << 30)
/* 4 TiB in pages of 1 MiB, the default. */
#define PAGES_MAX (1U << 22)
/* slabclass_t up to list_size. */
#define CLASS_BYTES 36U
/* do_grow_slab_list(): the first one has room for so many, then twice as many. */
#define LIST_FIRST 16U

/* Where releases have what differs. */
struct layout {
	const char *releases;
	/* sizeof(slabclass_t); offset of it_flags in an item, and its bytes. */
	uint32_t class_bytes, flags, flags_bytes;
	const char *source;
};

static const struct layout layouts[] = {
	{ "1.5.17 and later", 40, 38, 2,
	  "memcached 1.6.18, slabs.c slabclass_t; memcached.h struct _stritem, _strchunk" },
	{ "1.5.15 or 1.5.16", 48, 38, 2,
	  "memcached 1.5.16, slabs.c slabclass_t; memcached.h struct _stritem, _strchunk" },
	{ "1.4.14 to 1.5.14", 48, 39, 1,
	  "memcached 1.4.15 and 1.5.0, slabs.c slabclass_t; memcached.h struct _stritem, "
	  "_strchunk" },
};

/* What a chunk in use is, by the first of these flags that it has. */
static const struct {
	uint32_t flag;
	const char *what;
} kinds[] = {
	{ ITEM_CHUNK, "chunk of an item" },
	{ ITEM_HDR, "item with its value on disk" },
	{ ITEM_LINKED, "item" },
	/* Just made, or removed while somebody still uses it. */
	{ 0, "item that is not linked" },
};
#define KINDS CH_COUNT_OF(kinds)

/* slabclass_t. */
struct class
{
	uint64_t addr, slots, list;
	uint32_t size, per_page, free, pages, list_size;
	/* Its heap in heaps(). */
	uint32_t heap;
	char name[48];
	char types[KINDS][64];
	struct ch_fact facts[3];
};

struct page {
	uint64_t addr;
	uint32_t class;
};

struct memcached {
	/* What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	const struct layout *layout;
	/* classes[0]: pages that belong to none. */
	struct class classes[CLASSES_MAX + 1];
	uint32_t classes_count;
	/* What every page has at least. */
	uint64_t page_bytes;
	/* All lists of pages could be read. */
	bool whole;
	/* of struct page */
	struct ch_vec pages;
	struct ch_fact facts[5];
};

/* ---- The table of classes ------------------------------------------------------------ */

static bool read_class(const struct ch_core *core, uint64_t addr, struct class *ret)
{
	uint8_t p[CLASS_BYTES];

	if (!ch_core_try_read(core, addr, p, sizeof(p)))
		return false;
	*ret = (struct class){ .addr = addr,
			       .size = ch_get32(p),
			       .per_page = ch_get32(p + 4),
			       .slots = ch_get64(p + 8),
			       .free = ch_get32(p + 16),
			       .pages = ch_get32(p + 20),
			       .list = ch_get64(p + 24),
			       .list_size = ch_get32(p + 32) };
	return true;
}

/* Whether the list of pages could be one. */
static bool has_list(const struct class *class)
{
	uint32_t size = class->list_size;

	return (class->list != 0) == (size != 0) && class->list % 8 == 0 && class->pages <= size &&
	       size % LIST_FIRST == 0 && (size & (size - 1)) == 0;
}

static bool is_class(const struct class *class)
{
	return class->size >= ITEM_BYTES && class->size % 8 == 0 && class->per_page &&
	       has_list(class) && (class->slots != 0) == (class->free != 0) &&
	       class->slots % 8 == 0 && class->free <= (uint64_t) class->pages * class->per_page;
}

static bool has_pages(const struct ch_core *core, const struct class *class)
{
	uint64_t page;

	return class->pages && (!ch_core_read_u64(core, class->list, &page) ||
				(page && page % 8 == 0 && ch_core_segment_at(core, page)));
}

/* Read the classes from the one at index 1 on; how many there are. Pages of one size hold
 * per_page chunks of each: there must be such a size. */
static uint32_t read_classes(struct memcached *mc, uint64_t addr)
{
	uint64_t most = UINT64_MAX, page = 0, full;
	struct class *class;
	uint32_t i, used = 0;

	for (i = 1; i <= CLASSES_MAX; i++, addr += mc->layout->class_bytes) {
		class = &mc->classes[i];
		if (!read_class(mc->env.core, addr, class) || !is_class(class) ||
		    (i > 1 && class->size <= class[-1].size))
			break;
		full = (uint64_t) class->size * class->per_page;
		most = ch_min(most, full + class->size - 1);
		if (ch_max(page, full) > most || full > PAGE_BYTES_MAX)
			break;
		page = ch_max(page, full);
		used += has_pages(mc->env.core, class);
	}
	mc->page_bytes = page;
	return i > CLASSES_MIN && used ? i - 1 : 0;
}

/* Whether the classes lie at addr: class 0 is none, it has no size. */
static bool try_classes(void *arg, uint64_t addr, uint64_t word)
{
	struct memcached *mc = arg;
	size_t row;

	if (word || !read_class(mc->env.core, addr, &mc->classes[0]) || !has_list(&mc->classes[0]))
		return false;
	for (row = 0; row < CH_COUNT_OF(layouts); row++) {
		mc->layout = &layouts[row];
		if (row && layouts[row].class_bytes == layouts[row - 1].class_bytes)
			continue;
		mc->classes_count = read_classes(mc, addr + mc->layout->class_bytes);
		if (mc->classes_count)
			return true;
	}
	return false;
}

/* it_flags of the chunk at addr; false: absent. */
static bool read_flags(const struct ch_core *core, const struct layout *layout, uint64_t addr,
		       uint32_t *ret)
{
	uint8_t bytes[2] = { 0 };

	if (!ch_core_try_read(core, addr + layout->flags, bytes, layout->flags_bytes))
		return false;
	*ret = ch_get16(bytes);
	return true;
}

/* Whether a chunk in the list of free ones, where there is one, says so in this layout. */
static bool fits_free(const struct memcached *mc, const struct layout *layout)
{
	uint32_t i, flags;

	for (i = 1; i <= mc->classes_count; i++)
		if (mc->classes[i].free &&
		    read_flags(mc->env.core, layout, mc->classes[i].slots, &flags))
			return (flags & (ITEM_SLABBED | ITEM_LINKED)) == ITEM_SLABBED;
	return true;
}

/* The layout by the size of a class; where two have the same, by free chunks. */
static void choose_layout(struct memcached *mc)
{
	const struct layout *chosen = NULL;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(layouts); i++)
		if (layouts[i].class_bytes == mc->layout->class_bytes &&
		    (!chosen || !fits_free(mc, chosen)))
			chosen = &layouts[i];
	mc->layout = chosen;
}

static bool find_classes(struct memcached *mc)
{
	if (!chp_exe_words(&mc->env, try_classes, mc))
		return false;
	choose_layout(mc);
	return true;
}

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	struct memcached *mc = calloc(1, sizeof(*mc));

	if (!mc)
		return &ch_enomem;
	mc->env = *env;
	if (find_classes(mc)) {
		ret->score = 90;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%u slab classes at 0x%llx: sizes that grow, and how many fit a page",
			 mc->classes_count, (unsigned long long)mc->classes[0].addr);
	} else {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "the executable's data holds no slab classes");
	}
	free(mc);
	return NULL;
}

/* ---- Pages --------------------------------------------------------------------------- */

static struct ch_error *read_pages(struct memcached *mc, uint32_t index)
{
	const struct class *class = &mc->classes[index];
	struct page *page;
	uint64_t addr;
	uint32_t i;

	for (i = 0; i < class->pages; i++) {
		if (!ch_core_read_u64(mc->env.core, class->list + 8 * (uint64_t)i, &addr) ||
		    !addr || addr % 8 || !ch_core_segment_at(mc->env.core, addr) ||
		    mc->pages.count == PAGES_MAX)
			break;
		page = ch_vec_push(&mc->pages);
		if (!page)
			return &ch_enomem;
		*page = (struct page){ .addr = addr, .class = index };
	}
	if (i < class->pages) {
		mc->whole = false;
		chp_context_finding(mc->env.ctx, chp_blame(&mc->env), "memcached-pages",
				    "memcached: class %u has %u pages, its list names %u: the "
				    "others are left out",
				    index, class->pages, i);
	}
	return chp_context_check(mc->env.ctx);
}

static int compare_pages(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->class < y->class ? -1 : x->class > y->class;
}

/* Of pages that share bytes only the first is kept. */
static void drop_overlapping(struct memcached *mc)
{
	struct page *pages = mc->pages.items;
	const struct class *class;
	uint64_t end = 0;
	size_t i, kept = 0;

	ch_vec_sort(&mc->pages, compare_pages);
	for (i = 0; i < mc->pages.count; i++) {
		if (pages[i].addr < end)
			continue;
		class = &mc->classes[pages[i].class];
		end = pages[i].addr +
		      (pages[i].class ? (uint64_t) class->size * class->per_page : mc->page_bytes);
		pages[kept++] = pages[i];
	}
	if (kept < mc->pages.count) {
		mc->whole = false;
		chp_context_finding(mc->env.ctx, CH_SEVERITY_DAMAGED, "memcached-pages",
				    "memcached: %zu pages lie in others; they are left out",
				    mc->pages.count - kept);
	}
	mc->pages.count = kept;
}

static bool add_span(struct memcached *mc, uint64_t start, uint64_t end, uint32_t class,
		     uint64_t block)
{
	struct ch_span *span;

	if (start >= end)
		return true;
	span = ch_vec_push(&mc->out.spans);
	if (span)
		*span = (struct ch_span){ .start = start,
					  .end = end,
					  .committed_end = end,
					  .kind = class ? "slab page" : "spare pages",
					  .heap = class,
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED,
					  .cookie = class,
					  .block_addr = block };
	return span != NULL;
}

static bool holds(const struct ch_object *block, uint64_t addr)
{
	return block->addr && block->state == CH_OBJECT_USED && addr >= block->addr &&
	       addr - block->addr < block->size_bytes;
}

/*
 * The spans of pages[*next] and of all others in its block: each ends where the next one begins.
 * What is left of the block behind the last, and would be another page, was taken at the start
 * and is spare (-L).
 */
static bool add_block(struct memcached *mc, size_t *next)
{
	const struct page *pages = mc->pages.items;
	struct ch_object block = { 0 };
	uint64_t at, limit, end;
	bool good;

	at = pages[*next].addr;
	if (!chp_outer_block_at(&mc->env, at, &block) || !holds(&block, at))
		block = (struct ch_object){ 0 };
	limit = block.addr ? block.addr + block.size_bytes : at + mc->page_bytes;
	do {
		at = pages[*next].addr;
		end = limit;
		if (*next + 1 < mc->pages.count)
			end = ch_min(end, pages[*next + 1].addr);
		/* A little more is what malloc made of the size that was asked for. */
		if (end - at >= 2 * mc->page_bytes)
			end = at + mc->page_bytes;
		good = add_span(mc, at, end, pages[*next].class, block.addr);
		++*next;
	} while (good && *next < mc->pages.count && holds(&block, pages[*next].addr));
	limit -= (limit - end) % mc->page_bytes;
	return good && (!mc->whole || add_span(mc, end, limit, 0, block.addr));
}

static struct ch_error *find_spans(struct memcached *mc)
{
	struct ch_error *err = NULL;
	size_t next = 0;
	uint32_t i;

	mc->whole = true;
	for (i = 0; !err && i <= mc->classes_count; i++)
		err = read_pages(mc, i);
	drop_overlapping(mc);
	while (!err && next < mc->pages.count)
		err = add_block(mc, &next) ? chp_context_check(mc->env.ctx) : &ch_enomem;
	return err;
}

/* ---- Heaps and facts ------------------------------------------------------------------- */

/* Give each class that has spans a heap. */
static bool add_heaps(struct memcached *mc)
{
	struct ch_span *spans = mc->out.spans.items;
	bool has_spans[CLASSES_MAX + 1] = { false };
	struct ch_heap_desc *heap;
	struct class *class;
	size_t i;

	for (i = 0; i < mc->out.spans.count; i++)
		has_spans[spans[i].cookie] = true;
	for (i = 0; i <= mc->classes_count; i++) {
		if (!has_spans[i])
			continue;
		class = &mc->classes[i];
		class->heap = (uint32_t)mc->out.heaps.count;
		heap = ch_vec_push(&mc->out.heaps);
		if (!heap)
			return false;
		*heap = (struct ch_heap_desc){ .kind = i ? "slab class" : "spare pages",
					       .name = class->name,
					       .addr = class->addr,
					       .facts = class->facts,
					       .facts_count = i ? CH_COUNT_OF(class->facts) : 0 };
	}
	for (i = 0; i < mc->out.spans.count; i++)
		spans[i].heap = mc->classes[spans[i].cookie].heap;
	return true;
}

static void name_classes(struct memcached *mc)
{
	struct class *class;
	uint32_t i;
	size_t k;

	snprintf(mc->classes[0].name, sizeof(mc->classes[0].name), "pages of no class");
	for (i = 1; i <= mc->classes_count; i++) {
		class = &mc->classes[i];
		snprintf(class->name, sizeof(class->name), "class %u, %u-byte items", i,
			 class->size);
		for (k = 0; k < KINDS; k++)
			snprintf(class->types[k], sizeof(class->types[k]),
				 "%s (class %u, %u bytes)", kinds[k].what, i, class->size);
		class->facts[0] = (struct ch_fact){ .key = "pages_count", .number = class->pages };
		class->facts[1] = (struct ch_fact){ .key = "chunks_per_page_count",
						    .number = class->per_page };
		class->facts[2] =
			(struct ch_fact){ .key = "free_chunks_count", .number = class->free };
	}
}

static void add_facts(struct memcached *mc)
{
	struct ch_fact *fact = mc->facts;

	*fact++ = (struct ch_fact){ .key = "memcached_releases", .text = mc->layout->releases };
	*fact++ = (struct ch_fact){ .key = "layout_source", .text = mc->layout->source };
	*fact++ = (struct ch_fact){ .key = "slab_classes_count", .number = mc->classes_count };
	*fact++ = (struct ch_fact){ .key = "page_bytes", .number = mc->page_bytes };
	*fact = (struct ch_fact){ .key = "pages_count", .number = mc->pages.count };
}

/* The table ends with a class of no size, or is full: else one of them was overwritten. */
static void check_end(const struct memcached *mc)
{
	uint32_t count = mc->classes_count, size = 0;
	uint64_t addr = mc->classes[count].addr + mc->layout->class_bytes;

	if (count == CLASSES_FULL || count == CLASSES_MAX ||
	    !ch_core_read_u32(mc->env.core, addr, &size) || !size)
		return;
	chp_context_finding(mc->env.ctx, chp_blame(&mc->env), "memcached-class",
			    "memcached: slab class %u at 0x%llx contradicts itself or those before "
			    "it: it and those behind it are left out",
			    count + 1, (unsigned long long)addr);
}

static void close_memcached(void *state)
{
	struct memcached *mc = state;

	ch_vec_deinit(&mc->pages);
	chp_answers_deinit(&mc->out);
	free(mc);
}

static struct ch_error *open_memcached(const struct ch_heap_env *env, void **state_ret)
{
	struct memcached *mc = calloc(1, sizeof(*mc));
	struct ch_error *err = NULL;

	if (!mc)
		return &ch_enomem;
	mc->env = *env;
	mc->pages = CH_VEC(struct page);
	mc->out = CH_ANSWERS;
	if (!find_classes(mc))
		err = ch_error_create(CH_ERROR_UNSUPPORTED, "there are no slab classes");
	if (!err) {
		check_end(mc);
		name_classes(mc);
		err = find_spans(mc);
	}
	if (!err && !add_heaps(mc))
		err = &ch_enomem;
	/* Only what open() was given for its own time. */
	mc->env.outer = NULL;
	mc->env.taken = NULL;
	if (err) {
		close_memcached(mc);
		return err;
	}
	add_facts(mc);
	*state_ret = mc;
	return NULL;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	const struct memcached *mc = state;

	*count_ret = CH_COUNT_OF(mc->facts);
	return mc->facts;
}

/* ---- Items ------------------------------------------------------------------------------ */

static uint64_t key_of(uint32_t class, uint32_t flags)
{
	uint64_t kind = 0;

	while (kinds[kind].flag && !(flags & kinds[kind].flag))
		kind++;
	return class * KINDS + kind + 1;
}

static struct ch_error *put_rest(struct ch_object_batch *batch, uint64_t at, uint64_t end,
				 enum ch_object_state state)
{
	struct ch_object object = {
		.addr = at, .size_bytes = end - at, .chunk_bytes = end - at, .state = (uint8_t)state
	};

	return at < end ? ch_object_batch_put(batch, &object) : NULL;
}

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
				struct ch_object_sink *sink)
{
	const struct memcached *mc = state;
	uint32_t index = (uint32_t)span->cookie, size = mc->classes[index].size, flags, i = 0;
	struct ch_error *err = NULL;
	struct ch_object_batch batch;
	struct ch_object object;
	uint64_t at = span->start;

	/* Not initialised as a whole: the items are 20 KiB. */
	batch.sink = sink;
	batch.count = 0;
	if (index) {
		i = (uint32_t)ch_min((from - at) / size, mc->classes[index].per_page);
		at += (uint64_t)i * size;
	}
	for (; index && !err && i < mc->classes[index].per_page && span->end - at >= size;
	     i++, at += size) {
		if (!read_flags(mc->env.core, mc->layout, at, &flags))
			continue;
		object = (struct ch_object){ .addr = at, .size_bytes = size, .chunk_bytes = size };
		if (flags & ITEM_SLABBED)
			object.state = CH_OBJECT_FREE;
		else
			object.key = key_of(index, flags);
		err = ch_object_batch_put(&batch, &object);
	}
	if (!err)
		err = put_rest(&batch, at, span->end, index ? CH_OBJECT_OVERHEAD : CH_OBJECT_FREE);
	return err ? err : ch_object_batch_flush(&batch);
}

/* ---- What memcached counts --------------------------------------------------------------- */

/* Chunks of a page that is moved to another class are free, and in no list any more
 * (slab_rebalance_move()). */
static uint64_t count_moved(const struct memcached *mc, uint32_t index)
{
	const struct class *class = &mc->classes[index];
	const struct ch_span *spans = mc->out.spans.items;
	uint64_t count = 0, at;
	uint32_t flags, k;
	size_t i;

	for (i = 0; i < mc->out.spans.count; i++) {
		if (spans[i].cookie != index)
			continue;
		at = spans[i].start;
		for (k = 0; k < class->per_page && spans[i].end - at >= class->size; k++) {
			count += read_flags(mc->env.core, mc->layout, at, &flags) &&
				 flags == (ITEM_SLABBED | ITEM_FETCHED);
			at += class->size;
		}
	}
	return count;
}

/* A thread may be about to put one chunk into a list, or to take one. */
static bool is_near(uint64_t a, uint64_t b)
{
	return a - b + 1 <= 2;
}

static struct ch_error *check(void *state, const struct ch_heap_free *found)
{
	const struct memcached *mc = state;
	const struct ch_heap_desc *heaps_items = mc->out.heaps.items;
	const struct class *class;
	uint64_t count;
	uint32_t i;

	for (i = 1; i <= mc->classes_count; i++) {
		class = &mc->classes[i];
		if (class->heap >= mc->out.heaps.count ||
		    heaps_items[class->heap].name != class->name)
			continue;
		count = found[class->heap].bins.count;
		if (is_near(count, class->free) || is_near(count, class->free + count_moved(mc, i)))
			continue;
		chp_context_finding(mc->env.ctx, chp_blame(&mc->env), "memcached-free",
				    "memcached: class %u counts %u free chunks, the flags of %llu "
				    "say so",
				    i, class->free, (unsigned long long)count);
	}
	return NULL;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct memcached *mc = state;
	uint64_t index = (key - 1) / KINDS;

	if (index && index <= mc->classes_count)
		ret->name = mc->classes[index].types[(key - 1) % KINDS];
	ret->basis = CH_BASIS_RECORDED;
	return NULL;
}

const struct ch_walker ch_walker_memcached = {
	.name = "memcached",
	.title = "memcached",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "memcached 1.4.14 and later: slab classes in blocks of malloc, and their items",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_memcached,
	.close = close_memcached,
	.facts = facts,
	.allocator = &(
		const struct ch_walker_allocator){ .stage = 1, .objects = objects, .check = check },
	.types = &(const struct ch_walker_types){ .name = type },
};
