/*
 * Chunks of talloc (Samba, SSSD): each is a block of malloc whose header says what it is called. A
 * name is the type or the place of the source that the program allocated it for, a constant; or a
 * text that the program made, which is contents. A string is called what it holds: the name is
 * the chunk's own memory.
 *
 * Headers are known by a number that the library makes at random when it starts, in its data:
 * words there are tried, and a header has one of them, but for 4 bits, numbers that fit its block
 * and pointers that lead to memory.
 *
 * Source: talloc 2.1.9 to 2.4, lib/talloc/talloc.c, struct talloc_chunk, struct talloc_pool_hdr.
 */
#include <stdlib.h>

#include "heap/constants.h"
#include "heap/signs.h"
#include "types/provider.h"
#include "util/bytes.h"
#include "util/search.h"

/* struct talloc_chunk: flags, next, prev, parent, child, refs, destructor, name, size, limit, pool
 */
#define CHILD        32
#define NAME         56
#define SIZE         64
#define HEADER_BYTES 96U
#define HEADER_WORDS (HEADER_BYTES / 8)
/* Before the header of a pool: end, object_count, poolsize. */
#define POOL_BYTES 32U
#define POOL_SIZE  16
/* TALLOC_FLAG_* */
#define FLAGS     0xfU
#define FLAG_FREE 1U
#define FLAG_POOL 4U
#define FLAG_IN   8U

/* The library has few variables, of which pointers are two words each. */
#define CANDIDATES_MAX 4096U

/* Keys; then constants by their index. */
#define KEY_STRING  1
#define KEY_UNNAMED 2
#define KEY_NAMED   3

struct talloc {
	struct ch_heap_env env;
	/* of uint32_t, ascending: what headers may begin with */
	struct ch_vec candidates;
	struct ch_constants names;
};

static int compare_words(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Words of the library's data that may be the number. */
static struct ch_error *find_candidates(struct talloc *talloc, const struct ch_module *module)
{
	struct ch_data_run run = { 0 };
	uint64_t at = module->start;
	uint32_t word, *slot;
	size_t i;

	while (chp_data_next(&talloc->env, module, &at, &run))
		for (i = ch_align_up(run.addr, 4) - run.addr; i + 4 <= run.len; i += 4) {
			word = ch_get32(run.bytes + i);
			/* it has bits everywhere but in the lowest four */
			if (word & FLAGS || word >> 16 == 0 ||
			    talloc->candidates.count >= CANDIDATES_MAX)
				continue;
			slot = ch_vec_push(&talloc->candidates);
			if (!slot)
				return &ch_enomem;
			*slot = word;
		}
	ch_vec_sort(&talloc->candidates, compare_words);
	return NULL;
}

static void close_talloc(void *state)
{
	struct talloc *talloc = state;

	ch_vec_deinit(&talloc->candidates);
	chp_constants_deinit(&talloc->names);
	free(talloc);
}

static struct ch_error *open_talloc(const struct ch_provider_env *env, void **state_ret)
{
	const struct ch_module *modules, *library = NULL;
	struct ch_error *err;
	struct talloc *talloc;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count && !library; i++)
		if (chp_has_stem(modules[i].name, "libtalloc"))
			library = &modules[i];
	if (!library)
		return NULL;
	talloc = calloc(1, sizeof(*talloc));
	if (!talloc)
		return &ch_enomem;
	talloc->env = (struct ch_heap_env){
		.core = env->core, .sym = env->sym, .map = env->map, .ctx = env->ctx
	};
	talloc->candidates = CH_VEC(uint32_t);
	talloc->names = CH_CONSTANTS;
	err = find_candidates(talloc, library);
	if (err) {
		close_talloc(talloc);
		return err;
	}
	*state_ret = talloc;
	return NULL;
}

static bool is_mapped(const struct talloc *talloc, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(talloc->env.map, addr);

	return region && region->state == CH_STATE_COMMIT;
}

/* Whether a chunk's header is at addr, of a block that has so many bytes from there on. */
static bool read_header(const struct talloc *talloc, uint64_t addr, uint64_t room_bytes,
			uint64_t words[HEADER_WORDS])
{
	const uint32_t *candidates = talloc->candidates.items;
	const size_t count = talloc->candidates.count;
	uint32_t magic;
	size_t i;

	if (room_bytes < HEADER_BYTES ||
	    !ch_core_try_read(talloc->env.core, addr, words, HEADER_BYTES))
		return false;
	magic = (uint32_t)words[0] & ~FLAGS;
	i = ch_search(candidates, count, it, *it < magic);
	if (i == count || candidates[i] != magic || words[0] & (FLAG_FREE | FLAG_IN) ||
	    words[SIZE / 8] > room_bytes - HEADER_BYTES || !is_mapped(talloc, words[NAME / 8]))
		return false;
	for (i = 1; i <= CHILD / 8; i++)
		if (words[i] && !is_mapped(talloc, words[i]))
			return false;
	return true;
}

/* The header of the chunk that has a block; that of a pool is behind its own. */
static bool find_header(const struct talloc *talloc, const struct ch_object *object,
			uint64_t words[HEADER_WORDS], uint64_t *addr_ret)
{
	uint64_t size;

	*addr_ret = object->addr;
	if (read_header(talloc, object->addr, object->size_bytes, words))
		return !(words[0] & FLAG_POOL);
	*addr_ret = object->addr + POOL_BYTES;
	return object->size_bytes > POOL_BYTES &&
	       read_header(talloc, *addr_ret, object->size_bytes - POOL_BYTES, words) &&
	       words[0] & FLAG_POOL &&
	       ch_core_read_u64(talloc->env.core, object->addr + POOL_SIZE, &size) &&
	       size <= object->size_bytes;
}

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	struct talloc *talloc = state;
	uint64_t words[HEADER_WORDS], addr;
	struct ch_error *err;
	uint32_t name;
	size_t i;

	for (i = 0; i < n; i++) {
		keys_ret[i] = 0;
		if (!find_header(talloc, &objects[i], words, &addr))
			continue;
		err = chp_constants_at(&talloc->names, &talloc->env, words[NAME / 8], &name);
		if (err)
			return err;
		keys_ret[i] = words[NAME / 8] == addr + HEADER_BYTES ? KEY_STRING
			      : name == CH_TABLE_NONE                ? KEY_UNNAMED
								     : KEY_NAMED + (uint64_t)name;
	}
	return NULL;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct talloc *talloc = state;

	ret->name = key == KEY_STRING ? "talloc string"
		    : key == KEY_UNNAMED
			    ? "talloc chunk"
			    : chp_constant(&talloc->names, (uint32_t)(key - KEY_NAMED));
	return NULL;
}

const struct ch_provider ch_provider_talloc = {
	.name = "talloc",
	.summary = "chunks of talloc, by their names",
	.basis = CH_BASIS_RECORDED,
	.rank = CH_RANK_RECORDED,
	.open = open_talloc,
	.close = close_talloc,
	.blocks = blocks,
	.type = type,
};
