#include "support/heapcore.h"

#include <stdlib.h>
#include <string.h>

#include "support/ck.h"
#include "support/toy_walker.h"

struct corewriter *hc_writer(void)
{
	static const uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);

	cw_prstatus(w, 100, 0, regs, 27);
	return w;
}

static struct ch_error *open_map(struct heapcore *hc)
{
	struct ch_error *err = ch_sym_open(hc->o.core, NULL, &hc->sym);

	return err ? err : ch_map_create(hc->o.core, hc->sym, &hc->map);
}

struct heapcore hc_open_map_take(struct corewriter *w)
{
	struct heapcore hc = { .o = oc_must_open_take(w) };

	ck_ch_ok(open_map(&hc));
	return hc;
}

struct heapcore hc_open_take(struct corewriter *w, const struct ch_walker *const *walkers)
{
	struct heapcore hc = hc_open_map_take(w);

	ck_ch_ok(chp_heaps_open_with(walkers, hc.o.core, hc.sym, hc.map, &hc.heaps));
	return hc;
}

struct ch_error *hc_open_path(const char *path, struct heapcore *ret)
{
	struct heapcore hc = { 0 };
	struct ch_error *err = oc_open_path(path, &hc.o);

	if (err)
		return err;
	err = open_map(&hc);
	if (!err)
		err = ch_heaps_open(hc.o.core, hc.sym, hc.map, &hc.heaps);
	if (err)
		hc_close(&hc);
	else
		*ret = hc;
	return err;
}

void hc_close(struct heapcore *hc)
{
	ch_heaps_close(hc->heaps);
	ch_map_destroy(hc->map);
	ch_sym_close(hc->sym);
	oc_close(&hc->o);
	hc->heaps = NULL;
}

struct toypool tp_create(uint64_t start, uint64_t pool_bytes)
{
	struct toypool pool = { .start = start,
				.pool_bytes = pool_bytes,
				.bytes = calloc(1, pool_bytes),
				.bump = TOY_HEADER_BYTES };

	ck_assert_ptr_nonnull(pool.bytes);
	memcpy(pool.bytes, TOY_MAGIC, 8);
	return pool;
}

uint64_t tp_add(struct toypool *pool, uint32_t size, uint16_t type, bool freed)
{
	uint64_t addr = pool->start + pool->bump + TOY_BLOCK_HEADER;
	uint64_t chunk = TOY_BLOCK_HEADER + (size + 7ULL) / 8 * 8;
	uint16_t is_free = freed;

	ck_assert_uint_le(pool->bump + chunk, pool->pool_bytes);
	memcpy(pool->bytes + pool->bump, &size, 4);
	memcpy(pool->bytes + pool->bump + 4, &type, 2);
	memcpy(pool->bytes + pool->bump + 6, &is_free, 2);
	pool->bump += chunk;
	*(freed ? &pool->free_bytes : &pool->used_bytes) += chunk;
	*(freed ? &pool->free_count : &pool->used_count) += 1;
	return addr;
}

void tp_write_take(struct toypool *pool, struct corewriter *w)
{
	memcpy(pool->bytes + 8, &pool->bump, 8);
	cw_load(w, pool->start, pool->pool_bytes, PF_R | PF_W, pool->bytes, pool->pool_bytes);
	free(pool->bytes);
	pool->bytes = NULL;
}
