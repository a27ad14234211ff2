/*
 * Whether a block is what a pointer to its first byte says it is.
 *
 * A `T *` may lead to one T, to many, or to what begins with one. The size of the block decides, as
 * far as it can: allocators round up.
 */
#include <string.h>

#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* glibc (malloc/malloc.c): chunks are multiples of 16 bytes with 8 of overhead, and the smallest
 * one has 24 that can be used. */
#define STEP_BYTES     16
#define SMALLEST_BYTES 24
/* Chunks above this (DEFAULT_MMAP_THRESHOLD_MIN) may be mappings of their own: whole pages. */
#define MAPPED_BYTES (128U << 10)

/* Pointers and truth values that are looked at to believe one claim. */
#define CHECKS_MAX 128
/* Types that begin with each other. */
#define DEPTH_MAX 32

bool chp_dwarf_rounds(uint64_t size_bytes, uint64_t usable_bytes)
{
	const uint64_t left = usable_bytes - size_bytes;

	if (size_bytes > usable_bytes)
		return false;
	return left < STEP_BYTES || usable_bytes <= SMALLEST_BYTES ||
	       (usable_bytes >= MAPPED_BYTES && left < CH_PAGE_BYTES + STEP_BYTES);
}

bool chp_dwarf_begins(struct dwarf *dwarf, uint32_t type, uint32_t with)
{
	const struct ch_ctype *ctype;
	int depth;

	for (depth = 0; depth < DEPTH_MAX && type != with; depth++) {
		ctype = chp_ctype(dwarf->ctypes, type);
		if (ctype->kind == CH_CTYPE_ARRAY)
			type = ctype->target;
		else if (ctype->kind == CH_CTYPE_STRUCT && ctype->members_count &&
			 !ctype->members[0].offset)
			type = ctype->members[0].type;
		else
			return false;
	}
	return type == with;
}

bool chp_dwarf_alike(struct dwarf *dwarf, uint32_t a, uint32_t b)
{
	const struct ch_ctype *x = chp_ctype(dwarf->ctypes, a), *y = chp_ctype(dwarf->ctypes, b);
	uint32_t i;

	if (x->size_bytes != y->size_bytes || x->members_count != y->members_count)
		return false;
	for (i = 0; i < x->members_count; i++)
		if (x->members[i].offset != y->members[i].offset ||
		    x->members[i].type != y->members[i].type || !x->members[i].name ||
		    !y->members[i].name || strcmp(x->members[i].name, y->members[i].name) != 0)
			return false;
	return true;
}

bool chp_dwarf_fits_size(struct dwarf *dwarf, uint32_t type, uint64_t usable_bytes)
{
	const uint64_t size = chp_ctype(dwarf->ctypes, type)->size_bytes;
	const uint32_t number = ch_table_find(&dwarf->types_at, type);

	if (!size || size > usable_bytes)
		return false;
	return chp_dwarf_rounds(size, usable_bytes) ||
	       (number != CH_TABLE_NONE &&
		CH_VEC_AT(&dwarf->of_types, struct leads, number)->flexible_at);
}

/* ---- What memory holds -------------------------------------------------------------- */

bool chp_dwarf_open_window(struct dwarf *dwarf, struct window *window, uint64_t addr, uint64_t *ret)
{
	size_t len;

	window->bytes = ch_core_span(dwarf->core, addr, &len);
	window->start = addr;
	window->end = window->bytes && len <= UINT64_MAX - addr ? addr + len : addr;
	/* it may lie on both sides of where memory in one piece ends */
	if (window->end - addr < 8)
		return ch_core_read_u64(dwarf->core, addr, ret);
	*ret = ch_get64(window->bytes);
	return true;
}

struct checking {
	struct dwarf *dwarf;
	struct window window;
	uint32_t checks;
	bool holds;
};

static bool is_pointer(struct dwarf *dwarf, uint64_t word)
{
	const struct ch_segment *segment;

	if (!word || word - dwarf->met_start < dwarf->met_bytes)
		return true;
	segment = ch_core_segment_at(dwarf->core, word);
	if (!segment)
		return false;
	dwarf->met_start = segment->start;
	dwarf->met_bytes = segment->end - segment->start;
	return true;
}

static void check_lead(struct checking *checking, const struct lead *lead, uint64_t addr)
{
	const uint64_t count = lead->count == LEAD_REST ? 0 : lead->count;
	uint64_t word, i;
	uint8_t byte;

	for (i = 0; checking->holds && i < count && checking->checks < CHECKS_MAX; i++) {
		checking->checks++;
		if (lead->kind == LEAD_POINTER)
			checking->holds =
				chp_dwarf_word(checking->dwarf, &checking->window,
					       addr + lead->offset + i * lead->stride, &word) &&
				is_pointer(checking->dwarf, word);
		else
			checking->holds = ch_core_try_read(checking->dwarf->core,
							   addr + lead->offset, &byte, 1) &&
					  byte <= 1;
	}
}

/* A container whose members are pointers has them in order, if it is one. */
static void check_container(struct checking *checking, const struct lead *lead, uint64_t addr)
{
	const struct container *container =
		CH_VEC_AT(&checking->dwarf->containers, struct container, lead->type);
	uint64_t words[CONTAINER_MEMBERS] = { 0 };
	size_t i;

	for (i = 0; checking->holds && i < CONTAINER_MEMBERS; i++) {
		if (!container->targets[i])
			continue;
		checking->checks++;
		checking->holds =
			chp_dwarf_word(checking->dwarf, &checking->window,
				       addr + lead->offset + container->at[i], &words[i]) &&
			is_pointer(checking->dwarf, words[i]);
	}
	if (container->rule->kind == CONTAINER_VECTOR && container->targets[2])
		checking->holds &= words[0] <= words[1] && words[1] <= words[2];
	if (container->rule->kind == CONTAINER_STRING ||
	    container->rule->kind == CONTAINER_COUNTED_STRING ||
	    container->rule->kind == CONTAINER_DEQUE)
		checking->holds &= words[0] != 0;
}

static void check_one(struct checking *checking, const struct leads *leads, uint64_t addr)
{
	const struct lead *lead;
	uint32_t i;

	for (i = 0; checking->holds && i < leads->count && checking->checks < CHECKS_MAX; i++) {
		lead = CH_VEC_AT(&checking->dwarf->leads, struct lead, leads->first + i);
		checking->checks++;
		if (lead->weak)
			continue;
		if (lead->kind == LEAD_CONTAINER)
			check_container(checking, lead, addr);
		else if (lead->kind != LEAD_GROUP)
			check_lead(checking, lead, addr);
	}
}

struct ch_error *chp_dwarf_holds(struct dwarf *dwarf, uint32_t type, uint64_t addr, uint64_t count,
				 bool *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	struct checking checking = { .dwarf = dwarf, .holds = true };
	struct ch_error *err;
	struct leads leads;
	uint64_t i, word;

	if (ctype->kind == CH_CTYPE_POINTER) {
		for (i = 0; checking.holds && i < ch_min(count, CHECKS_MAX); i++)
			checking.holds =
				chp_dwarf_word(dwarf, &checking.window, addr + 8 * i, &word) &&
				is_pointer(dwarf, word);
		*ret = checking.holds;
		return NULL;
	}
	err = chp_dwarf_leads(dwarf, type, &leads);
	for (i = 0;
	     !err && leads.count && checking.holds && i < count && checking.checks < CHECKS_MAX;
	     i++) {
		checking.checks++;
		check_one(&checking, &leads, addr + i * ctype->size_bytes);
	}
	*ret = checking.holds;
	return err;
}

/* The length of the text that a block holds and that ends in it; 0: there is none. */
static uint64_t measure_text(const struct dwarf *dwarf, const struct ch_named_block *block)
{
	size_t len, i;
	const uint8_t *bytes = ch_core_span(dwarf->core, block->addr, &len);

	len = bytes ? (size_t)ch_min(len, block->size_bytes) : 0;
	for (i = 0; i < len && bytes[i]; i++)
		if (bytes[i] < ' ' && !strchr("\t\n\r\f\v\033", bytes[i]))
			return 0;
	return i < len ? i : 0;
}

/* Many pointers may lead to one large block. */
static uint64_t text_length(struct dwarf *dwarf, const struct ch_named_block *block)
{
	if (dwarf->text_addr != block->addr) {
		dwarf->text_addr = block->addr;
		dwarf->text_length = measure_text(dwarf, block);
	}
	return dwarf->text_length;
}

/* ---- How a type fits ----------------------------------------------------------------- */

static bool leads_to(struct dwarf *dwarf, const struct leads *leads, uint32_t type)
{
	uint32_t i;

	for (i = 0; i < leads->count; i++)
		if (CH_VEC_AT(&dwarf->leads, struct lead, leads->first + i)->type == type)
			return true;
	return false;
}

/* A block with room for more than one. What has pointers to its like may as well be the link in
 * something larger. */
static struct ch_error *fit_many(struct dwarf *dwarf, uint32_t type,
				 const struct ch_named_block *block, const struct leads *leads,
				 struct fit *ret)
{
	const uint64_t size = chp_ctype(dwarf->ctypes, type)->size_bytes;
	const uint64_t count = block->size_bytes / size;
	struct ch_error *err;
	bool holds;

	if (count > 1 && chp_dwarf_rounds(count * size, block->size_bytes)) {
		err = chp_dwarf_holds(dwarf, type, block->addr, count, &holds);
		if (err)
			return err;
		if (holds) {
			ret->form = FORM_ARRAY;
			ret->weak = leads_to(dwarf, leads, type);
			return NULL;
		}
	}
	err = chp_dwarf_holds(dwarf, type, block->addr, 1, &holds);
	if (!err && holds) {
		ret->form = FORM_PREFIX;
		ret->weak = true;
	}
	return err;
}

static struct ch_error *fit_structure(struct dwarf *dwarf, uint32_t type,
				      const struct ch_named_block *block, struct fit *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	struct ch_error *err;
	struct leads leads;
	bool holds;

	/* whose class has virtual functions says itself what it is */
	if (!ctype->size_bytes || ctype->size_bytes > block->size_bytes || !ctype->name ||
	    ctype->has_vtable)
		return NULL;
	err = chp_dwarf_leads(dwarf, type, &leads);
	if (err)
		return err;
	if (!chp_dwarf_fits_size(dwarf, type, block->size_bytes))
		return fit_many(dwarf, type, block, &leads, ret);
	err = chp_dwarf_holds(dwarf, type, block->addr, 1, &holds);
	if (!err && holds)
		ret->form = FORM_ONE;
	return err;
}

static void fit_number(struct dwarf *dwarf, const struct ch_ctype *ctype,
		       const struct ch_named_block *block, struct fit *ret)
{
	const uint64_t size = ctype->size_bytes;
	uint64_t length;

	if (!size || size > block->size_bytes || !ctype->name)
		return;
	if (size == 1) {
		/* a pointer to bytes is what programs have to anything: a text that fills the block
		 * is no chance */
		length = ctype->encoding == CH_ENCODING_BOOL ? 0 : text_length(dwarf, block);
		if (length)
			ret->form = FORM_TEXT;
		ret->weak = !chp_dwarf_rounds(length + 1, block->size_bytes);
	} else if (chp_dwarf_rounds(block->size_bytes / size * size, block->size_bytes)) {
		ret->form = FORM_SCALARS;
		ret->weak = true;
	}
}

/* What is behind the pointers that are in use may be anything, or may be another type's. */
static struct ch_error *fit_pointers(struct dwarf *dwarf, uint32_t type,
				     const struct ch_named_block *block, struct fit *ret)
{
	struct ch_error *err;
	bool all, first;

	err = chp_dwarf_holds(dwarf, type, block->addr, 1, &first);
	if (!err)
		err = chp_dwarf_holds(dwarf, type, block->addr, block->size_bytes / 8, &all);
	if (err || !first)
		return err;
	ret->form = FORM_SCALARS;
	ret->weak = !all;
	return NULL;
}

struct ch_error *chp_dwarf_fit(struct dwarf *dwarf, uint32_t type,
			       const struct ch_named_block *block, struct fit *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	int depth;

	*ret = (struct fit){ .form = FORM_NONE };
	for (depth = 0; ctype->kind == CH_CTYPE_ARRAY && depth < DEPTH_MAX; depth++) {
		type = ctype->target;
		ctype = chp_ctype(dwarf->ctypes, type);
	}
	ret->type = type;
	switch (ctype->kind) {
	case CH_CTYPE_STRUCT:
	case CH_CTYPE_UNION:
		return fit_structure(dwarf, type, block, ret);
	case CH_CTYPE_BASE:
	case CH_CTYPE_ENUM:
		fit_number(dwarf, ctype, block, ret);
		return NULL;
	case CH_CTYPE_POINTER:
		/* pointers to anything are what programs have to anything, too */
		if (!chp_dwarf_has_name(dwarf, ctype->target) ||
		    chp_ctype(dwarf->ctypes, ctype->target)->kind == CH_CTYPE_VOID)
			return NULL;
		return fit_pointers(dwarf, type, block, ret);
	case CH_CTYPE_VOID:
	case CH_CTYPE_ARRAY:
	case CH_CTYPE_FUNCTION:
	case CH_CTYPE_OPAQUE:
		break;
	}
	return NULL;
}
