/*
 * Pointers of objects of Go and what keeps them alive, as its collector has it: masks of types,
 * bits at the ends of spans or in arenas; masks of the data of modules; what finalizers run. Which
 * words of stacks are pointers: stackmaps.c.
 */
#include <stdio.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/go/rtypes.h"

/* mbitmap.go: objects of so many bytes and less have their bits at the end of the span, 1.22 on. */
#define SMALL_BYTES 512U
/* mgcmark_greenteagc.go, spanInlineMarkBits: behind these bits, for objects of 16 bytes and more.
 */
#define MARKS_BYTES 128U
#define MARKS_MIN   16U
/* malloc.go: bytes of an arena. */
#define ARENA_BYTES (64ULL << 20)
/* heapArena of 1.20 and 1.21: words of bits, then one that tells where an object has no more. */
#define NO_MORE_AT (1ULL << 20)
/* mheap.go, special: most of one span. */
#define SPECIALS_MAX 65536U
/* internal/abi/type.go: gcdata leads to where the mask is, 1.24 on. */
#define FLAG_ON_DEMAND  16U
#define MINOR_ON_DEMAND 24U

/* Data of an image is not larger than 4 GiB. */
#define MASK_BITS_MAX (1U << 29)

/* Where the bits of an object are. */
struct bits {
	enum { ALL_WORDS, TYPE_MASK, SPAN_BITS, ARENA_BITS, ARENA_PAIRS } kind;
	/* Address of the first byte; of SPAN_BITS and ARENA_* the object's word in it. */
	uint64_t addr, word;
	/* Of TYPE_MASK: words of a value, and of those that may be pointers. */
	uint64_t period, ptr_words;
	/* Bytes at hand. */
	const uint8_t *bytes;
	size_t len;
};

static bool bit_at(const struct go *go, struct bits *bits, uint64_t bit)
{
	uint8_t byte;

	if (bits->bytes && bit / 8 < bits->len)
		return bits->bytes[bit / 8] >> bit % 8 & 1;
	return !ch_core_try_read(go->env.core, bits->addr + bit / 8, &byte, 1) ||
	       (byte >> bit % 8 & 1);
}

static bool is_pointer(const struct go *go, struct bits *bits, uint64_t word)
{
	uint64_t at;

	switch (bits->kind) {
	case TYPE_MASK:
		at = word % bits->period;
		return at < bits->ptr_words && (!bits->addr || bit_at(go, bits, at));
	case SPAN_BITS:
	case ARENA_BITS:
		return bit_at(go, bits, bits->word + word);
	case ARENA_PAIRS:
		/* four words a byte: pointers in its lower half */
		at = bits->word + word;
		return bit_at(go, bits, at / 4 * 8 + at % 4);
	default:
		return true;
	}
}

static void use_type(const struct go *go, uint64_t type, struct bits *ret)
{
	struct go_rtype read;

	if (!go_rtype_read(go, type, &read) || read.size_bytes < 8 || read.size_bytes % 8)
		return;
	ret->kind = TYPE_MASK;
	ret->period = read.size_bytes / 8;
	ret->ptr_words = read.ptr_bytes / 8;
	if (!read.program &&
	    (go->code.build.minor < MINOR_ON_DEMAND || !(read.flags & FLAG_ON_DEMAND)))
		ret->addr = read.gcdata;
}

static bool has_inline_marks(const struct go *go, const struct go_span *span)
{
	return go->inline_marks && span->elem_bytes >= MARKS_MIN && span->bytes == GO_PAGE_BYTES;
}

/* Go until 1.21: a bitmap in each arena. */
static void use_arena(const struct go *go, uint64_t addr, struct bits *ret)
{
	uint64_t arena = go_arena_at(go, addr);

	if (!arena || !go->arena_spans)
		return;
	ret->kind = go->arena_spans > 2 * NO_MORE_AT - 1 ? ARENA_PAIRS : ARENA_BITS;
	ret->addr = arena;
	ret->word = addr % ARENA_BYTES / 8;
}

static void find_bits(const struct go *go, const struct go_spot *place, struct bits *ret)
{
	const struct go_span *span = place->span;
	uint64_t type;

	if (!go->layout->large_type)
		use_arena(go, place->addr, ret);
	else if (!span->class)
		use_type(go, span->large_type, ret);
	else if (go_span_header(go, span)) {
		if (ch_core_read_u64(go->env.core, place->addr - 8, &type))
			use_type(go, type, ret);
	} else if (span->elem_bytes <= SMALL_BYTES) {
		ret->kind = SPAN_BITS;
		ret->addr = span->start + span->bytes - span->bytes / 64 -
			    (has_inline_marks(go, span) ? MARKS_BYTES : 0);
		ret->word = (place->addr - span->start) / 8;
	}
	if (ret->addr)
		ret->bytes = ch_core_span(go->env.core, ret->addr, &ret->len);
}

static void go_refs(void *state, struct ch_ref_query *query)
{
	const struct go *go = state;
	struct bits bits = { .kind = ALL_WORDS };
	uint64_t words = query->size_bytes / 8, at = query->resume;
	struct go_spot place;
	struct ch_ref_run *run;

	query->count = 0;
	query->more = false;
	query->unlinked = true;
	if (!go_object_at(go, query->addr, &place) || place.span->class % 2)
		return;
	words = ch_min(words, place.bytes / 8);
	find_bits(go, &place, &bits);
	while (at < words) {
		if (!is_pointer(go, &bits, at)) {
			at++;
			continue;
		}
		if (query->count == CH_REF_RUNS) {
			query->more = true;
			break;
		}
		run = &query->runs[query->count++];
		*run = (struct ch_ref_run){ .offset = 8 * at };
		if (bits.kind == ALL_WORDS) {
			run->words = words - at;
			at = words;
		}
		for (; at < words && is_pointer(go, &bits, at); at++)
			run->words++;
	}
	query->resume = at;
}

/* Bits are found for each object by itself. */
static struct ch_error *go_learn_type(void *state, uint64_t key)
{
	(void)state;
	(void)key;
	return NULL;
}

/* ---- Roots --------------------------------------------------------------------------------- */

/* Cookies: whose word it is. */
enum {
	COOKIE_DATA,
	COOKIE_FINALIZER,
	/* And above: the index of a goroutine. */
	COOKIE_STACK,
};

static struct ch_error *visit(const struct go *go, uint64_t addr, uint64_t cookie,
			      ch_walker_roots_fn fn, void *arg)
{
	struct ch_walker_root root = { .kind = cookie == COOKIE_DATA ? CH_WALKER_ROOT_STATIC
					       : cookie == COOKIE_FINALIZER
						       ? CH_WALKER_ROOT_FINALIZER
						       : CH_WALKER_ROOT_GOROUTINE,
				       .addr = addr,
				       .cookie = cookie };
	struct go_spot place;

	if (!ch_core_read_u64(go->env.core, addr, &root.value) || !root.value ||
	    !go_object_at(go, root.value, &place))
		return NULL;
	root.value = place.addr;
	return fn(arg, &root);
}

static struct ch_error *visit_data(const struct go *go, const struct go_range *range,
				   const struct go_mask *mask, ch_walker_roots_fn fn, void *arg)
{
	struct ch_error *err = NULL;
	uint64_t i, n = ch_min(mask->bits, (range->end - range->start) / 8);
	uint8_t byte = 0;

	for (i = 0; !err && i < n; i++) {
		if (i % 8 == 0 && !ch_core_try_read(go->env.core, mask->addr + i / 8, &byte, 1))
			byte = 0xff;
		if (byte >> i % 8 & 1)
			err = visit(go, range->start + 8 * i, COOKIE_DATA, fn, arg);
	}
	return err;
}

/* mheap.go, special: its offset takes two bytes until 1.23, eight since; kinds that lead to what
 * they keep alive (0: the release has none): the function of a finalizer, the value that weak
 * pointers have in common, what a cleanup calls and, since 1.26, is given. */
struct special_kinds {
	uint32_t first_minor;
	uint8_t finalizer, weak, cleanup, kind_at, value_at, cleanup_at, cleanup_words;
};
static const struct special_kinds special_kinds[] = {
	{ 26, 2, 3, 7, 16, 24, 32, 2 }, { 25, 2, 3, 7, 16, 24, 24, 1 },
	{ 24, 1, 2, 6, 16, 24, 24, 1 }, { 23, 1, 2, 0, 10, 16, 0, 0 },
	{ 0, 1, 0, 0, 10, 16, 0, 0 },
};

static const struct special_kinds *kinds_of(const struct go *go)
{
	size_t i = 0;

	while (special_kinds[i].first_minor > go->code.build.minor)
		i++;
	return &special_kinds[i];
}

/* The special at *at, and what its kind is; *at becomes the next one. False: there are no more. */
static bool next_special(const struct go *go, const struct special_kinds *kinds, uint64_t *at,
			 uint64_t *addr_ret, uint8_t *kind_ret)
{
	*addr_ret = *at;
	return *at && *at <= UINT64_MAX - 64 &&
	       ch_core_try_read(go->env.core, *at + kinds->kind_at, kind_ret, 1) &&
	       ch_core_read_u64(go->env.core, *at, at);
}

static struct ch_error *visit_specials(const struct go *go, const struct go_span *span,
				       ch_walker_roots_fn fn, void *arg)
{
	const struct special_kinds *kinds = kinds_of(go);
	uint64_t at = span->specials, addr;
	struct ch_error *err = NULL;
	uint32_t i, k;
	uint8_t kind;

	for (i = 0; !err && i < SPECIALS_MAX && next_special(go, kinds, &at, &addr, &kind); i++) {
		if (kind == kinds->finalizer || (kinds->weak && kind == kinds->weak))
			err = visit(go, addr + kinds->value_at, COOKIE_FINALIZER, fn, arg);
		for (k = 0; !err && kind == kinds->cleanup && k < kinds->cleanup_words; k++)
			err = visit(go, addr + kinds->cleanup_at + 8 * k, COOKIE_FINALIZER, fn,
				    arg);
	}
	return err;
}

void go_each_finalizable(const struct go *go, const struct go_span *span, go_object_fn fn,
			 void *arg)
{
	const struct special_kinds *kinds = kinds_of(go);
	uint64_t at = span->specials, addr, offset;
	uint32_t i;
	uint8_t kind;

	for (i = 0; i < SPECIALS_MAX && next_special(go, kinds, &at, &addr, &kind); i++)
		if (kind == kinds->finalizer && ch_core_read_u64(go->env.core, addr + 8, &offset))
			fn(arg, span->start + (kinds->kind_at == 10 ? offset & 0xffff : offset));
}

bool go_root_goroutine(const struct ch_walker_root *root, size_t *ret)
{
	*ret = root->cookie >= COOKIE_STACK ? root->cookie - COOKIE_STACK : 0;
	return root->cookie >= COOKIE_STACK;
}

struct visiting {
	const struct go *go;
	ch_walker_roots_fn fn;
	void *arg;
};

static struct ch_error *visit_stack(void *arg, size_t goroutine, uint64_t addr)
{
	const struct visiting *visiting = arg;

	return visit(visiting->go, addr, COOKIE_STACK + goroutine, visiting->fn, visiting->arg);
}

/* Whether a mask is as long as what it is of, and in the core. */
static bool mask_fits(const struct go *go, const struct go_mask *mask, const struct go_range *range)
{
	uint8_t byte;

	return mask->bits && mask->bits <= MASK_BITS_MAX &&
	       mask->bits == (range->end - range->start) / 8 &&
	       ch_core_try_read(go->env.core, mask->addr, &byte, 1) &&
	       ch_core_try_read(go->env.core, mask->addr + (mask->bits - 1) / 8, &byte, 1);
}

static bool masks_fit(const struct go *go)
{
	const struct go_module *modules = go->code.modules.items;
	size_t i;

	for (i = 0; i < go->code.modules.count; i++)
		if (!mask_fits(go, &modules[i].data_mask, &modules[i].data) ||
		    !mask_fits(go, &modules[i].bss_mask, &modules[i].bss))
			return false;
	return go->code.modules.count;
}

/* Without masks any word of any module may be a pointer. */
static struct ch_error *visit_all_data(const struct go *go, ch_walker_roots_fn fn, void *arg)
{
	struct ch_data_run run = { 0 };
	const struct ch_module *modules;
	struct ch_error *err = NULL;
	size_t count, i;
	uint64_t at, word;

	modules = ch_sym_modules(go->env.sym, &count);
	for (i = 0; i < count; i++) {
		at = modules[i].start;
		while (!err && chp_data_next(&go->env, &modules[i], &at, &run))
			for (word = ch_align_up(run.addr, 8); !err && word < run.addr + run.len;
			     word += 8)
				err = visit(go, word, COOKIE_DATA, fn, arg);
	}
	return err;
}

static struct ch_error *go_roots(void *state, ch_walker_roots_fn fn, void *arg)
{
	const struct go *go = state;
	const struct go_module *modules = go->code.modules.items;
	const struct go_span *spans = go->spans_known.items;
	struct ch_error *err = NULL;
	struct visiting visiting = { go, fn, arg };
	bool fit = masks_fit(go);
	size_t i;

	if (!fit)
		err = visit_all_data(go, fn, arg);
	for (i = 0; !err && fit && i < go->code.modules.count; i++) {
		err = visit_data(go, &modules[i].data, &modules[i].data_mask, fn, arg);
		if (!err)
			err = visit_data(go, &modules[i].bss, &modules[i].bss_mask, fn, arg);
	}
	for (i = 0; !err && i < go->spans_known.count; i++)
		if (spans[i].specials && spans[i].state == GO_SPAN_HEAP)
			err = visit_specials(go, &spans[i], fn, arg);
	return err ? err : go_stack_words(state, visit_stack, &visiting);
}

/* "goroutine 23, main.worker" */
static void name_goroutine(const struct go *go, uint64_t index, char *buf, size_t max)
{
	const struct go_goroutine *goroutine =
		CH_VEC_AT(&go->code.goroutines, struct go_goroutine, index);
	struct go_function function;
	const char *name = NULL;

	if (go_function_at(&go->code, goroutine->start, &function))
		name = go_name(&go->code, function.module, function.name);
	snprintf(buf, max, "goroutine %llu%s%s", (unsigned long long)goroutine->number,
		 name ? ", " : "", name ? name : "");
}

static void go_root_text(void *state, const struct ch_walker_root *root, char *buf, size_t max)
{
	struct go *go = state;
	struct ch_symbol symbol;

	if (root->cookie >= COOKIE_STACK)
		name_goroutine(go, root->cookie - COOKIE_STACK, buf, max);
	else if (root->cookie == COOKIE_FINALIZER)
		snprintf(buf, max, "finalizer 0x%llx", (unsigned long long)root->addr);
	else if (!ch_sym_at(go->env.sym, root->addr, &symbol) || !symbol.name)
		snprintf(buf, max, "global 0x%llx", (unsigned long long)root->addr);
	else if (symbol.offset)
		snprintf(buf, max, "%s+0x%llx", symbol.name, (unsigned long long)symbol.offset);
	else
		snprintf(buf, max, "%s", symbol.name);
}

static bool go_place_text(void *state, uint64_t addr, uint64_t key, uint64_t offset, char *buf,
			  size_t max)
{
	const struct go *go = state;
	const struct go_named *named;
	struct go_rtype type;
	int len;

	(void)addr;
	if (key < GO_KEY_NAMED || key - GO_KEY_NAMED >= go->named.count)
		return false;
	named = CH_VEC_AT(&go->named, struct go_named, key - GO_KEY_NAMED);
	if (named->form == GO_FORM_ONE)
		return go_rtype_place(go, named->what, offset, buf, max);
	if (named->form != GO_FORM_ARRAY || !go_rtype_read(go, named->what, &type) ||
	    !type.size_bytes)
		return false;
	len = snprintf(buf, max, "[%llu]", (unsigned long long)(offset / type.size_bytes));
	if (len > 0 && (size_t)len < max)
		go_rtype_place(go, named->what, offset % type.size_bytes, buf + len,
			       max - (size_t)len);
	return true;
}

const struct ch_tracer go_tracer = {
	.clears = true,
	.learn = go_learn_type,
	.refs = go_refs,
	.roots = go_roots,
	.root_text = go_root_text,
	.place_text = go_place_text,
};
