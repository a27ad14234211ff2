/*
 * Free chunks that look like used ones: from release 16 on those of AllocSets, and those of slabs
 * in all. Their addresses are kept, ascending. No list is longer than the context has room for.
 */
#include "walkers/postgres/postgres_priv.h"

#include "util/bytes.h"
#include "util/context.h"
#include "util/ring.h"

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct ch_error *add_chunk(struct postgres *pg, uint64_t addr)
{
	uint64_t *slot = ch_vec_push(&pg->free_chunks);

	if (!slot)
		return &ch_enomem;
	*slot = addr;
	return NULL;
}

static void tell(const struct postgres *pg, uint64_t addr, const char *what)
{
	chp_context_finding(pg->env.ctx, chp_blame(&pg->env), "postgres-free-list",
			    "memory context 0x%llx: a list of free chunks %s; those behind it "
			    "count as used",
			    (unsigned long long)addr, what);
}

/* Chunks from addr on, each of which has the address of the next one as its first word. */
static struct ch_error *add_chain(struct postgres *pg, uint64_t addr, uint64_t max,
				  uint64_t context)
{
	const uint32_t header = pg->layout->forms[POSTGRES_ASET].chunk_bytes;
	struct ch_ring ring = { 0 };
	struct ch_error *err = NULL;
	bool met = false;

	for (; addr && max; max--) {
		met = ch_ring_is_met(&ring, addr);
		if (met)
			break;
		err = add_chunk(pg, addr);
		if (err)
			return err;
		if (!ch_core_read_u64(pg->env.core, addr + header, &addr)) {
			tell(pg, context, "leads to what is not in the core");
			return NULL;
		}
	}
	if (addr)
		tell(pg, context, met ? "runs in a circle" : "is longer than there is room for");
	return NULL;
}

static struct ch_error *add_aset(struct postgres *pg, const struct postgres_context *context)
{
	const uint32_t header = pg->layout->forms[POSTGRES_ASET].chunk_bytes;
	struct ch_error *err = NULL;
	uint64_t bytes, i;

	for (i = 0; !err && i < POSTGRES_ASET_LISTS; i++) {
		bytes = header + (POSTGRES_ASET_MIN_BYTES << i);
		err = add_chain(pg,
				postgres_number(pg->env.core,
						context->addr + POSTGRES_ASET_FREE + 8 * i, 8),
				context->bytes / bytes, context->addr);
	}
	return err;
}

/* Before release 16 chunks are numbered, and a free one holds the number of the next. */
static struct ch_error *add_numbered(struct postgres *pg, const struct postgres_context *context,
				     const struct postgres_block *block)
{
	const uint64_t stride = context->stride_bytes,
		       per_block = (block->end - block->first) / stride;
	const struct ch_core *core = pg->env.core;
	uint64_t left = ch_min(postgres_number(core, block->start + 16, 4), per_block);
	uint64_t i = postgres_number(core, block->start + 20, 4);
	struct ch_error *err = NULL;

	for (; !err && left && i < per_block; left--) {
		err = add_chunk(pg, block->first + i * stride);
		i = postgres_number(core, block->first + i * stride + 16, 4);
	}
	return err;
}

static struct ch_error *add_slab(struct postgres *pg, const struct postgres_context *context,
				 const struct postgres_block *block)
{
	/* the context's own block has no chunks */
	if (block->first == block->end || !context->stride_bytes)
		return NULL;
	if (!pg->layout->method_bits)
		return add_numbered(pg, context, block);
	return add_chain(pg, postgres_number(pg->env.core, block->start + 16, 8),
			 (block->end - block->first) / context->stride_bytes, context->addr);
}

struct ch_error *postgres_read_lists(struct postgres *pg)
{
	const struct postgres_context *contexts = pg->contexts.items;
	const struct postgres_block *blocks = pg->blocks.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < pg->contexts.count && pg->layout->method_bits; i++)
		if (contexts[i].kind == POSTGRES_ASET)
			err = add_aset(pg, &contexts[i]);
	for (i = 0; !err && i < pg->blocks.count; i++)
		if (contexts[blocks[i].context].kind == POSTGRES_SLAB)
			err = add_slab(pg, &contexts[blocks[i].context], &blocks[i]);
	ch_vec_sort(&pg->free_chunks, compare_addresses);
	return err;
}
