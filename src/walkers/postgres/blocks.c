/*
 * Blocks of contexts. What kind a context is of is found out by what fits it, once for each node
 * tag, as releases number their tags differently. A block is believed if it begins with the first
 * byte of a used block of malloc, ends in it, and says that it is the context's, where blocks do.
 */
#include "walkers/postgres/postgres_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/* PostgreSQL 18 has four tags of contexts. */
#define TAGS_MAX 8

struct tags {
	uint32_t tags[TAGS_MAX];
	enum postgres_kind kinds[TAGS_MAX];
	size_t count;
};

static uint64_t word_at(const struct postgres *pg, uint64_t addr)
{
	return postgres_number(pg->env.core, addr, 8);
}

static const struct postgres_form *form_of(const struct postgres *pg, enum postgres_kind kind)
{
	return &pg->layout->forms[kind];
}

/* ---- Kinds ----------------------------------------------------------------------- */

/* Whether freeptr and endptr, the last words of a block's header, are in order. */
static bool has_pointers(const struct postgres *pg, const struct postgres_form *form, uint64_t at)
{
	const uint64_t first = at + form->block_bytes, used_end = word_at(pg, first - 16);

	return used_end >= first && used_end <= word_at(pg, first - 8);
}

static bool is_aset(const struct postgres *pg, uint64_t addr, const struct postgres_form *form)
{
	const uint64_t block = word_at(pg, addr + form->lists);

	return block && word_at(pg, block) == addr &&
	       word_at(pg, addr + form->context_bytes) == addr;
}

/* Its numbers follow from each other. */
static bool is_slab(const struct postgres *pg, uint64_t addr, const struct postgres_form *form)
{
	const struct postgres_slab *slab = &pg->layout->slab;
	const struct ch_core *core = pg->env.core;
	uint64_t full = postgres_number(core, addr + slab->full_size, slab->width);
	uint64_t chunk = postgres_number(core, addr + slab->chunk_size, slab->width);
	uint64_t block = postgres_number(core, addr + slab->block_size, slab->width);
	uint64_t count = postgres_number(core, addr + slab->per_block, 4);

	return chunk && block > form->block_bytes && full > chunk &&
	       full == form->chunk_bytes + ch_align_up(chunk, 8) &&
	       count == (block - form->block_bytes) / full;
}

/* The block that it always has says how long it is, twice. */
static bool is_generation(const struct postgres *pg, uint64_t addr,
			  const struct postgres_form *form)
{
	const uint64_t block = addr + form->context_bytes, end = block + form->block_bytes;

	return has_pointers(pg, form, block) &&
	       word_at(pg, end - 8) - block == word_at(pg, end - 32);
}

static bool is_generation_13(const struct postgres *pg, uint64_t addr,
			     const struct postgres_form *form)
{
	const uint64_t size = word_at(pg, addr + 80), first = word_at(pg, addr + form->lists + 8);

	if (size < 1024 || size % 8)
		return false;
	return first == addr + form->lists ||
	       (has_pointers(pg, form, first) &&
		word_at(pg, first + form->block_bytes - 8) - first == word_at(pg, first + 16));
}

static bool is_bump(const struct postgres *pg, uint64_t addr, const struct postgres_form *form)
{
	const uint64_t head = addr + form->lists, first = word_at(pg, head + 8);

	return first != head && word_at(pg, first) == head && has_pointers(pg, form, first) &&
	       has_pointers(pg, form, addr + form->context_bytes);
}

static enum postgres_kind kind_by_shape(const struct postgres *pg, uint64_t addr)
{
	static bool (*const fits[])(const struct postgres *, uint64_t,
				    const struct postgres_form *) = {
		[POSTGRES_ASET] = is_aset,
		[POSTGRES_SLAB] = is_slab,
		[POSTGRES_GENERATION] = is_generation,
		[POSTGRES_GENERATION_13] = is_generation_13,
		[POSTGRES_BUMP] = is_bump,
	};
	size_t i;

	for (i = 0; i < POSTGRES_KINDS; i++)
		if (pg->layout->forms[i].context_bytes && fits[i](pg, addr, &pg->layout->forms[i]))
			return (enum postgres_kind)i;
	return POSTGRES_UNKNOWN;
}

static enum postgres_kind kind_by_tag(const struct tags *tags, uint32_t tag)
{
	size_t i;

	for (i = 0; i < tags->count; i++)
		if (tags->tags[i] == tag)
			return tags->kinds[i];
	return POSTGRES_UNKNOWN;
}

/* Learn tags, then give each context its tag's kind. */
static void find_kinds(struct postgres *pg)
{
	struct postgres_context *contexts = pg->contexts.items;
	struct tags tags = { .count = 0 };
	enum postgres_kind kind;
	uint64_t unknown = 0;
	size_t i;

	for (i = 0; i < pg->contexts.count && tags.count < TAGS_MAX; i++) {
		if (kind_by_tag(&tags, contexts[i].tag) != POSTGRES_UNKNOWN)
			continue;
		kind = kind_by_shape(pg, contexts[i].addr);
		if (kind == POSTGRES_UNKNOWN)
			continue;
		tags.tags[tags.count] = contexts[i].tag;
		tags.kinds[tags.count++] = kind;
	}
	for (i = 0; i < pg->contexts.count; i++) {
		contexts[i].kind = kind_by_tag(&tags, contexts[i].tag);
		unknown += contexts[i].kind == POSTGRES_UNKNOWN;
	}
	if (unknown)
		chp_context_finding(pg->env.ctx, CH_SEVERITY_INCOMPLETE, "postgres-kind",
				    "%llu memory contexts are of no kind that is known; what is "
				    "in their blocks is not told apart",
				    (unsigned long long)unknown);
}

/* ---- Blocks ---------------------------------------------------------------------- */

/* Add [start, block->end) as a span: a block with what is before its header. */
static struct ch_error *add_span(struct postgres *pg, const struct postgres_block *block,
				 uint64_t start)
{
	struct postgres_context *context =
		CH_VEC_AT(&pg->contexts, struct postgres_context, block->context);
	struct postgres_block *slot = ch_vec_push(&pg->blocks);
	struct ch_span *span = ch_vec_push(&pg->out.spans);

	if (!slot || !span)
		return &ch_enomem;
	*slot = *block;
	*span = (struct ch_span){ .start = start,
				  .end = block->end,
				  .committed_end = block->end,
				  .kind = "block of a memory context",
				  .heap = block->context,
				  .usage = CH_USAGE_ARENA,
				  .basis = CH_BASIS_DERIVED,
				  .cookie = pg->blocks.count - 1,
				  .block_addr = start };
	context->bytes += block->end - start;
	context->blocks_count++;
	return NULL;
}

/* The bounds of the block at addr, which is as long as its outer block allows. */
static bool read_bounds(const struct postgres *pg, const struct postgres_context *context,
			struct postgres_block *block)
{
	const struct postgres_form *form = form_of(pg, context->kind);
	const struct postgres_slab *slab = &pg->layout->slab;

	block->first = block->start + form->block_bytes;
	if (context->kind == POSTGRES_SLAB) {
		block->end = block->start + postgres_number(pg->env.core,
							    context->addr + slab->block_size,
							    slab->width);
		/* chunks behind this were never used; before release 16 all are on the list */
		block->used_end =
			pg->layout->method_bits ? word_at(pg, block->start + 24) : block->end;
	} else {
		block->used_end = word_at(pg, block->first - 16);
		block->end = word_at(pg, block->first - 8);
	}
	return block->first <= block->used_end && block->used_end <= block->end &&
	       (form->owner == POSTGRES_NOWHERE ||
		word_at(pg, block->start + form->owner) == context->addr);
}

/* Add the block at addr. False: it is none. */
static bool add_block(struct postgres *pg, uint32_t index, uint64_t addr, struct ch_error **err_ret)
{
	struct postgres_context *context = CH_VEC_AT(&pg->contexts, struct postgres_context, index);
	const struct postgres_form *form = form_of(pg, context->kind);
	struct postgres_block block = { .start = addr, .context = index };
	bool keeper = form->keeper && addr == context->addr + form->context_bytes;
	uint64_t start = keeper ? context->addr : addr;
	struct ch_object outer;

	if (!chp_outer_block_at(&pg->env, start, &outer) || outer.addr != start ||
	    outer.state != CH_OBJECT_USED || !read_bounds(pg, context, &block) ||
	    block.end - start > outer.size_bytes)
		return false;
	*err_ret = add_span(pg, &block, start);
	return true;
}

static void tell_list(const struct postgres *pg, const struct postgres_context *context)
{
	chp_context_finding(pg->env.ctx, chp_blame(&pg->env), "postgres-blocks",
			    "memory context 0x%llx: its list of blocks leads to what is none; "
			    "those behind it are not told apart",
			    (unsigned long long)context->addr);
}

/* A context that has a block of malloc for itself, and then others. False: its numbers cannot be
 * true. */
static bool add_own(struct postgres *pg, uint32_t index, uint64_t lists, struct ch_error **err_ret)
{
	struct postgres_context *context = CH_VEC_AT(&pg->contexts, struct postgres_context, index);
	const struct postgres_form *form = form_of(pg, context->kind);
	uint64_t end = context->addr + form->context_bytes;
	struct postgres_block own;
	struct ch_object outer;

	/* with as many lists as a block may have free chunks */
	if (!form->lists_count)
		end += 16 * lists;
	if (!chp_outer_block_at(&pg->env, context->addr, &outer) ||
	    end - context->addr > outer.size_bytes)
		return false;
	own = (struct postgres_block){
		.start = end, .first = end, .used_end = end, .end = end, .context = index
	};
	*err_ret = add_span(pg, &own, context->addr);
	return true;
}

/* Blocks of one list, that ends with its head or with nothing. Each is another block of malloc, so
 * a list in a circle comes to one that it has: no more blocks than malloc has bytes for. */
static struct ch_error *add_list(struct postgres *pg, uint32_t index, uint64_t head)
{
	const struct postgres_context *context =
		CH_VEC_AT(&pg->contexts, struct postgres_context, index);
	const struct postgres_form *form = form_of(pg, context->kind);
	const bool nodes = context->kind != POSTGRES_ASET;
	uint64_t link = word_at(pg, nodes ? head + 8 : head), addr;
	struct ch_error *err = NULL;

	while (!err && link && link != head) {
		addr = link - (nodes ? form->link : 0);
		if (ch_table_find(&pg->blocks_by_addr, addr) != CH_TABLE_NONE ||
		    !add_block(pg, index, addr, &err)) {
			tell_list(pg, context);
			break;
		}
		if (!err && !ch_table_put(&pg->blocks_by_addr, addr, 0))
			err = &ch_enomem;
		link = word_at(pg, nodes ? link + 8 : addr + form->link);
	}
	return err;
}

static struct ch_error *add_blocks(struct postgres *pg, uint32_t index)
{
	struct postgres_context *context = CH_VEC_AT(&pg->contexts, struct postgres_context, index);
	const struct postgres_slab *slab = &pg->layout->slab;
	const struct postgres_form *form = form_of(pg, context->kind);
	uint64_t lists = form->lists_count, i;
	struct ch_error *err = NULL;

	if (context->kind == POSTGRES_SLAB)
		context->stride_bytes =
			postgres_number(pg->env.core, context->addr + slab->full_size, slab->width);
	if (!lists)
		lists = 1 + postgres_number(pg->env.core, context->addr + slab->per_block, 4);
	if (!form->keeper && !add_own(pg, index, lists, &err)) {
		tell_list(pg, context);
		return NULL;
	}
	if (!err && context->kind == POSTGRES_SLAB && slab->empties)
		err = add_list(pg, index, context->addr + slab->empties);
	for (i = 0; !err && i < lists; i++)
		err = add_list(pg, index, context->addr + form->lists + 16 * i);
	return err ? err : chp_context_check(pg->env.ctx);
}

struct ch_error *postgres_read_blocks(struct postgres *pg)
{
	struct ch_error *err = NULL;
	uint32_t i;

	find_kinds(pg);
	for (i = 0; !err && i < pg->contexts.count; i++)
		if (CH_VEC_AT(&pg->contexts, struct postgres_context, i)->kind != POSTGRES_UNKNOWN)
			err = add_blocks(pg, i);
	return err;
}
