/*
 * Where holders begin: variables of modules, thread-local ones, and blocks that have a name.
 *
 * A variable has the name of its symbol, .dynsym being enough. Where a stripped program has
 * static variables there is none: a word of it is told by its offset in the module, as `roots`
 * does, which is the same in every run of one build.
 */
#include "sym/tls.h"
#include "types/holder_priv.h"
#include "types/naming.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Words of one page of data without symbols fold as those of one variable do. */
#define PAGE_BYTES 4096

/* Looking for words that lead into heaps, and what the last one was in. */
struct search {
	struct ch_holding *holding;
	/* The place: its node, and its memory [start, end). */
	uint32_t node;
	uint64_t start, end;
	/* Of thread-local memory: whose, and where its block begins. */
	const struct ch_module *module;
	uint64_t block;
};

/* ---- Variables --------------------------------------------------------------------- */

/* What of a module an address of its data is. */
static struct ch_place data_place(const struct search *search, uint64_t addr, uint64_t *start_ret,
				  uint64_t *end_ret)
{
	const struct ch_provider_env *env = &search->holding->env;
	struct ch_place place = { .kind = CH_PLACE_DATA };
	struct ch_symbol symbol;

	if (ch_sym_at(env->sym, addr, &symbol) && symbol.offset < symbol.size_bytes) {
		*start_ret = symbol.addr;
		*end_ret = symbol.addr + symbol.size_bytes;
		place.kind = CH_PLACE_SYMBOL;
		place.module = symbol.module;
		place.symbol = symbol.name;
		return place;
	}
	place.module = ch_sym_module_at(env->sym, addr);
	if (place.module) {
		place.base = ch_align_down(addr - place.module->start, PAGE_BYTES);
		*start_ret = place.module->start + place.base;
		*end_ret = *start_ret + PAGE_BYTES;
	}
	return place;
}

static struct ch_place tls_place(const struct search *search, uint64_t addr, uint64_t *start_ret,
				 uint64_t *end_ret)
{
	struct ch_place place = { .kind = CH_PLACE_TLS, .module = search->module };
	struct ch_symbol symbol;

	*start_ret = search->block;
	*end_ret = search->block + search->module->tls_memsz;
	if (ch_sym_tls_at(search->holding->env.sym, search->module, addr - search->block,
			  &symbol) &&
	    symbol.offset < symbol.size_bytes) {
		*start_ret = addr - symbol.offset;
		*end_ret = *start_ret + symbol.size_bytes;
		place.kind = CH_PLACE_TLS_SYMBOL;
		place.symbol = symbol.name;
	}
	return place;
}

/* Places of modules by their address in the process, thread-local ones by that of what they begin
 * as, and types by number, which are smaller than any. */
static struct ch_error *enter_place(struct search *search, uint64_t addr)
{
	struct ch_place place;
	uint64_t key;

	place = search->module ? tls_place(search, addr, &search->start, &search->end)
			       : data_place(search, addr, &search->start, &search->end);
	key = search->start;
	if (search->module)
		key = search->module->bias + search->module->tls_vaddr +
		      (search->start - search->block);
	search->node = CH_ID_NONE;
	if (!place.module || search->end <= addr) {
		search->start = search->end = 0;
		return NULL;
	}
	search->node =
		chp_holding_place(search->holding, &place, key << 1 | (search->module != NULL));
	return search->node == CH_ID_NONE && !search->holding->full ? &ch_enomem : NULL;
}

static struct ch_error *meet_word(struct search *search, uint64_t addr, uint64_t value)
{
	struct ch_error *err = NULL;

	if (!chp_holding_leads(search->holding, value))
		return NULL;
	if (addr < search->start || addr >= search->end)
		err = enter_place(search, addr);
	if (err || search->node == CH_ID_NONE)
		return err;
	return chp_holding_meet(search->holding, search->node, addr - search->start, value);
}

/* Allocators have their own descriptors in data: bins lead to what is free. */
static uint64_t skip_heaps(const struct ch_holding *holding, uint64_t addr)
{
	const struct ch_heap *heaps;
	size_t count, i;

	heaps = ch_heaps_list(holding->env.heaps, &count);
	for (i = 0; i < count; i++)
		if (heaps[i].addr && addr - heaps[i].addr < heaps[i].addr_bytes)
			return ch_align_up(heaps[i].addr + heaps[i].addr_bytes, 8);
	return addr;
}

static struct ch_error *meet_range(struct search *search, uint64_t start, uint64_t end)
{
	const struct ch_provider_env *env = &search->holding->env;
	uint64_t at = ch_align_up(start, 8), after, value;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t len;

	search->start = search->end = 0;
	while (!err && (bytes = ch_core_next_data(env->core, &at, end, &len)) != NULL) {
		for (; !err && len >= 8; at += 8, bytes += 8, len -= 8) {
			value = ch_get64(bytes);
			if (!chp_may_point_plain(env->index, value))
				continue;
			after = skip_heaps(search->holding, at);
			if (after != at)
				break;
			err = meet_word(search, at, value);
		}
		after = skip_heaps(search->holding, at);
		at = after != at ? after : ch_align_up(at + (len < 8 ? len : 0), 8);
		if (!err)
			err = chp_context_check(env->ctx);
	}
	return err;
}

static struct ch_error *meet_data(struct ch_holding *holding)
{
	struct search search = { .holding = holding };
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	size_t count, i;

	regions = ch_map_regions(holding->env.map, &count);
	for (i = 0; !err && i < count; i++)
		if (regions[i].state == CH_STATE_COMMIT && regions[i].prot != CH_PROT_UNKNOWN &&
		    regions[i].prot & CH_SEGMENT_WRITE &&
		    (regions[i].usage == CH_USAGE_EXE || regions[i].usage == CH_USAGE_LIB ||
		     regions[i].usage == CH_USAGE_BSS))
			err = meet_range(&search, regions[i].start, regions[i].end);
	return err;
}

static struct ch_error *meet_tls(struct ch_holding *holding)
{
	struct search search = { .holding = holding };
	const struct ch_module *modules;
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, n, i, k;

	modules = ch_sym_modules(holding->env.sym, &count);
	threads = ch_core_threads(holding->env.core, &n);
	for (i = 0; !err && i < count; i++) {
		search.module = &modules[i];
		for (k = 0; !err && modules[i].tls_memsz && k < n; k++) {
			err = chp_tls_block(holding->env.sym, threads[k].tls_base, &modules[i],
					    &search.block);
			if (!err && search.block)
				err = meet_range(&search, search.block,
						 search.block + modules[i].tls_memsz);
		}
	}
	return err;
}

/* ---- Blocks that have a name --------------------------------------------------------- */

struct named {
	struct ch_holding *holding;
	const struct ch_naming *naming;
	/* Blocks that are known by their shape alone, which no variable leads to. */
	bool left_over;
	/* Memory that is at hand: between from and start nothing but zeros, then bytes up to end.
	 * Blocks come in ascending order, so that it serves many of them. */
	const uint8_t *bytes;
	uint64_t from, start, end;
};

/* The next bytes from *at on in a block that ends at end; NULL: there is nothing but zeros. */
static const uint8_t *next_bytes(struct named *named, uint64_t *at, uint64_t end, size_t *len_ret)
{
	size_t len = 0;

	if (*at < named->from || *at >= named->end) {
		named->from = named->start = *at;
		named->bytes = ch_core_next_data(named->holding->env.core, &named->start,
						 UINT64_MAX, &len);
		named->end = named->bytes ? named->start + len : UINT64_MAX;
	}
	*at = ch_max(*at, named->start);
	if (!named->bytes || *at >= end)
		return NULL;
	*len_ret = ch_min(named->end, end) - *at;
	return named->bytes + (*at - named->start);
}

static struct ch_error *meet_block(struct named *named, const struct ch_named_block *block,
				   bool is_array)
{
	struct ch_holding *holding = named->holding;
	const struct ch_place place = { .kind = CH_PLACE_TYPE, .type = block->type };
	uint64_t end = block->addr + block->size_bytes, at = block->addr, value;
	uint32_t node = CH_ID_NONE;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t len;

	while (!err && (bytes = next_bytes(named, &at, end, &len)) != NULL) {
		for (; !err && len >= 8; at += 8, bytes += 8, len -= 8) {
			value = ch_get64(bytes);
			if (!chp_may_point_plain(holding->env.index, value) ||
			    !chp_holding_leads(holding, value))
				continue;
			if (node == CH_ID_NONE)
				node = chp_holding_place(holding, &place, block->type);
			if (node == CH_ID_NONE)
				return holding->full ? NULL : &ch_enomem;
			CH_VEC_AT(&holding->nodes, struct ch_hold_node, node)->folded |= is_array;
			err = chp_holding_meet(holding, node, at - block->addr, value);
		}
		at = ch_align_up(at + len, 8);
	}
	return err;
}

/* Which ones are places. "A vector's body" tells less than what leads there. */
static bool is_place(const struct named *named, const struct ch_named_block *block)
{
	if (!block->type || chp_naming_words(named->naming, block) == CH_WORDS_BYTES)
		return false;
	if (!named->left_over)
		return !chp_holding_is_passed(block);
	return chp_holding_is_passed(block) && named->holding->blocks[block->id] == CH_HOLD_OPEN;
}

static struct ch_error *meet_blocks(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct named *named = arg;
	struct ch_holding *holding = named->holding;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (!is_place(named, &blocks[i]))
			continue;
		holding->blocks[blocks[i].id] = CH_HOLD_CLOSED;
		err = meet_block(named, &blocks[i],
				 chp_naming_words(named->naming, &blocks[i]) == CH_WORDS_ELEMENTS);
	}
	return err;
}

struct ch_error *chp_holding_places(struct ch_holding *holding, struct ch_naming *naming)
{
	struct named named = { .holding = holding, .naming = naming };
	struct ch_error *err = meet_data(holding);

	if (!err)
		err = meet_tls(holding);
	if (!err && holding->any_named)
		err = chp_naming_all(naming, meet_blocks, &named);
	return err;
}

struct ch_error *chp_holding_left_over(struct ch_holding *holding, struct ch_naming *naming)
{
	struct named named = { .holding = holding, .naming = naming, .left_over = true };

	return holding->any_passed ? chp_naming_all(naming, meet_blocks, &named) : NULL;
}
