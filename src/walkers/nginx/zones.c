/*
 * Shared zones: mappings that all workers share, each a pool of slabs. Pages have a word that says
 * whether they are free, one piece of memory, or chunks of a power of two, with a bit for each.
 *
 * Source: nginx 1.11.7 to 1.31, src/core/ngx_slab.h, ngx_slab_pool_t, ngx_slab_page_t;
 * src/core/ngx_slab.c, ngx_slab_init(), ngx_slab_alloc_locked(); before, there were no statistics.
 */
#include "walkers/nginx/nginx_priv.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/text.h"

/* ngx_slab_pool_t */
#define MIN_SIZE  16
#define MIN_SHIFT 24
#define PAGES     32
#define LAST      40
#define STATS     72
#define FREE      80
#define START     88
#define END       96
/* ngx_slab_page_t: slab, next, prev, whose low bits are the type; ngx_slab_stat_t: total, used,
 * reqs, fails */
#define PAGE_BYTES 24U
#define STAT_BYTES 32U
#define STAT_FAILS 24U
#define TYPE_MASK  3U
#define TYPE_BIG   1U
#define TYPE_EXACT 2U
#define TYPE_SMALL 3U
#define PAGE_START 0x8000000000000000ULL
#define SHIFT_MASK 0xfU
#define BIG_BITS   32U
/* ngx_shm_zone_t: data, then addr, size and name (length, text); in a ngx_list_t, of which the
 * first part is its second member */
#define ZONE_ADDR      8
#define ZONE_NAME      24
#define CYCLE_BYTES    1024
#define NAME_BYTES_MAX 256

struct zone {
	uint64_t pages, pages_count, start, end, stats, slots_count;
};

/* Whether a slab pool begins at addr: all that ngx_slab_init() derives from its bounds is so. */
static bool read_zone(const struct nginx *ng, uint64_t addr, uint64_t limit, struct zone *ret)
{
	const uint64_t page = ng->page_bytes, shift = nginx_word(ng, addr + MIN_SHIFT);
	uint64_t last = nginx_word(ng, addr + LAST);

	*ret = (struct zone){ .pages = nginx_word(ng, addr + PAGES),
			      .start = nginx_word(ng, addr + START),
			      .end = nginx_word(ng, addr + END),
			      .stats = nginx_word(ng, addr + STATS) };
	if (shift < 3 || shift > 8 || nginx_word(ng, addr + MIN_SIZE) != 1ULL << shift)
		return false;
	ret->slots_count = (uint64_t)__builtin_ctzll(page) - shift;
	if (ret->end <= addr || ret->end > limit || ret->stats <= addr || ret->stats >= ret->end ||
	    ret->pages != ret->stats + ret->slots_count * STAT_BYTES || ret->start <= ret->pages ||
	    ret->start > ret->end || ret->start % page || last < ret->pages || last > ret->start ||
	    (last - ret->pages) % PAGE_BYTES)
		return false;
	ret->pages_count = (last - ret->pages) / PAGE_BYTES;
	return ret->pages_count <= (ret->end - ret->start) / page;
}

/* Where zones say their names: by their address, the index in zones. */
struct named {
	/* of uint64_t: addresses of ngx_shm_zone_t */
	struct ch_vec zones;
	struct ch_table by_addr;
	/* Zones that may still be looked at: as many as the cycle's pool has room for. */
	uint64_t left;
};

/* Zones of one part of a list, each of zone_bytes. */
static struct ch_error *add_part(const struct nginx *ng, struct named *named, uint64_t elements,
				 uint64_t count, uint64_t zone_bytes)
{
	uint64_t i, addr, *slot;

	for (i = 0; i < count && named->left; i++, named->left--) {
		addr = nginx_word(ng, elements + i * zone_bytes + ZONE_ADDR);
		if (!addr)
			continue;
		slot = ch_vec_push(&named->zones);
		if (!slot || !ch_table_put(&named->by_addr, addr, (uint32_t)named->zones.count - 1))
			return &ch_enomem;
		*slot = elements + i * zone_bytes;
	}
	return NULL;
}

/* All lists of the cycle whose elements may be zones, part by part. */
static struct ch_error *find_named(const struct nginx *ng, struct named *named)
{
	struct ch_error *err = NULL;
	uint64_t at, list, size, most, part;

	for (at = 24; !err && at < CYCLE_BYTES; at += 8) {
		list = ng->cycle + at;
		size = nginx_word(ng, list + 32);
		most = nginx_word(ng, list + 40);
		if (nginx_word(ng, list + 48) != ng->cycle_pool || size < ZONE_NAME + 16 ||
		    size > CYCLE_BYTES)
			continue;
		for (part = list + 8; !err && part && named->left;
		     part = nginx_word(ng, part + 16)) {
			named->left--;
			err = add_part(ng, named, nginx_word(ng, part),
				       ch_min(nginx_word(ng, part + 8), most), size);
		}
	}
	return err;
}

/* The name of a zone, which the configuration gave it: contents. */
static struct ch_error *read_name(const struct nginx *ng, const struct named *named, uint64_t addr,
				  char **ret)
{
	const uint32_t index = ch_table_find(&named->by_addr, addr);
	char text[NAME_BYTES_MAX + 1] = "";
	uint64_t zone, len;

	if (index == CH_TABLE_NONE)
		return NULL;
	zone = *CH_VEC_AT(&named->zones, uint64_t, index);
	len = ch_min(nginx_word(ng, zone + ZONE_NAME), NAME_BYTES_MAX);
	if (!ch_core_try_read(ng->env.core, nginx_word(ng, zone + ZONE_NAME + 8), text, len))
		return NULL;
	*ret = chp_text_escape(text, NAME_BYTES_MAX);
	return *ret ? NULL : &ch_enomem;
}

static struct ch_error *add_zone(struct nginx *ng, const struct named *named, uint64_t addr,
				 const struct zone *zone)
{
	struct nginx_heap heap = { .kind = "shared zone",
				   .addr = addr,
				   .key = NGINX_ZONE + ng->zone_names.count,
				   .counts = { nginx_word(ng, addr + FREE) } };
	char **name = ch_vec_push(&ng->zone_names);
	struct ch_error *err;
	uint32_t index;
	uint64_t i;

	if (!name)
		return &ch_enomem;
	for (i = 0; i < zone->slots_count; i++)
		heap.counts[1] += nginx_word(ng, zone->stats + i * STAT_BYTES + STAT_FAILS);
	err = read_name(ng, named, addr, name);
	if (!err)
		err = nginx_add_heap(ng, &heap, &index);
	return err ? err
		   : nginx_add_part(ng, index,
				    &(struct nginx_part){ .kind = NGINX_SLAB,
							  .start = addr,
							  .used_end = zone->start,
							  .end = zone->end,
							  .key = heap.key },
				    false);
}

static struct ch_error *add_zones(struct nginx *ng, const struct named *named)
{
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	struct zone zone;
	size_t count, i;

	regions = ch_map_regions(ng->env.map, &count);
	for (i = 0; !err && i < count; i++)
		if (regions[i].state == CH_STATE_COMMIT && regions[i].prot & CH_SEGMENT_WRITE &&
		    regions[i].type != CH_MEMTYPE_IMAGE &&
		    read_zone(ng, regions[i].start, regions[i].end, &zone))
			err = add_zone(ng, named, regions[i].start, &zone);
	return err ? err : chp_context_check(ng->env.ctx);
}

struct ch_error *nginx_read_zones(struct nginx *ng)
{
	struct named named = { .zones = CH_VEC(uint64_t) };
	const struct nginx_heap *heaps = ng->heaps.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < ng->heaps.count; i++)
		if (heaps[i].key == NGINX_CYCLE_POOL)
			named.left += heaps[i].bytes / ZONE_NAME;
	if (ng->cycle && chp_context_reveals(ng->env.ctx))
		err = find_named(ng, &named);
	if (!err)
		err = add_zones(ng, &named);
	ch_vec_deinit(&named.zones);
	ch_table_deinit(&named.by_addr);
	return err;
}

/* ---- Pages ----------------------------------------------------------------------- */

struct page {
	uint64_t addr, slab;
	uint32_t type;
};

/* Bits of chunks: in the page itself, for small ones, which then has them in its first chunks. */
static bool is_busy(const struct nginx *ng, const struct page *page, uint64_t chunk)
{
	const uint64_t bits = page->type == TYPE_SMALL
				      ? nginx_word(ng, page->addr + chunk / 64 * 8) >> chunk % 64
			      : page->type == TYPE_EXACT ? page->slab >> chunk
							 : page->slab >> (BIG_BITS + chunk);

	return bits & 1;
}

static struct ch_error *walk_chunks(const struct nginx *ng, const struct page *page, uint64_t key,
				    struct ch_object_batch *batch)
{
	const uint32_t page_shift = (uint32_t)__builtin_ctzll(ng->page_bytes);
	/* as many chunks as a word has bits, or the shift is in the page's word */
	const uint32_t shift = page->type == TYPE_EXACT ? page_shift - 6 : page->slab & SHIFT_MASK;
	struct ch_error *err = NULL;
	uint64_t i = 0, bits;

	if (shift < 3 || shift >= page_shift || (page->type == TYPE_BIG && shift + 5 < page_shift))
		return NULL;
	if (page->type == TYPE_SMALL) {
		bits = ng->page_bytes >> shift >> shift >> 3;
		i = bits ? bits : 1;
		err = nginx_put(batch, page->addr, i << shift, CH_OBJECT_OVERHEAD, 0);
	}
	for (; !err && i < ng->page_bytes >> shift; i++)
		err = is_busy(ng, page, i) ? nginx_put(batch, page->addr + (i << shift),
						       1ULL << shift, CH_OBJECT_USED, key)
					   : nginx_put(batch, page->addr + (i << shift),
						       1ULL << shift, CH_OBJECT_FREE, 0);
	return err;
}

/* The last free pages are where those that nobody had yet are. */
static struct ch_error *put_free(struct ch_object_batch *batch, uint64_t addr, uint64_t bytes,
				 bool last)
{
	const struct ch_object object = { .addr = addr,
					  .size_bytes = bytes,
					  .chunk_bytes = bytes,
					  .state = CH_OBJECT_FREE,
					  .flags = last ? CH_OBJECT_TOP : 0 };

	return ch_object_batch_put(batch, &object);
}

struct ch_error *nginx_walk_slab(const struct nginx *ng, const struct nginx_part *part,
				 uint64_t from, struct ch_object_batch *batch)
{
	const uint64_t pages = nginx_word(ng, part->start + PAGES), start = part->used_end;
	const uint64_t count = (nginx_word(ng, part->start + LAST) - pages) / PAGE_BYTES;
	uint64_t i = (ch_max(from, start) - start) / ng->page_bytes, run;
	struct ch_error *err = NULL;
	struct page page;

	if (from <= part->start)
		err = nginx_put(batch, part->start, start - part->start, CH_OBJECT_OVERHEAD, 0);
	for (; !err && i < count; i += run) {
		page = (struct page){ .addr = start + i * ng->page_bytes,
				      .slab = nginx_word(ng, pages + i * PAGE_BYTES),
				      .type = nginx_word(ng, pages + i * PAGE_BYTES + 16) &
					      TYPE_MASK };
		run = 1;
		if (page.type) {
			err = walk_chunks(ng, &page, part->key, batch);
			continue;
		}
		run = page.slab & ~PAGE_START;
		if (!run || run > count - i) {
			/* nobody covers this page, which the engine tells */
			run = 1;
			continue;
		}
		if (page.slab & PAGE_START)
			err = nginx_put(batch, page.addr, run * ng->page_bytes, CH_OBJECT_USED,
					part->key);
		else
			err = put_free(batch, page.addr, run * ng->page_bytes, i + run == count);
	}
	return err ? err
		   : nginx_put(batch, start + count * ng->page_bytes,
			       part->end - start - count * ng->page_bytes, CH_OBJECT_OVERHEAD, 0);
}
