/*
 * Metaspace by its own bookkeeping: what a class loader has of it, what is free, what of the
 * address space is committed. libjvm's tables do not list these structures; they are found from
 * the data of the loaders, and believed where their parts agree with each other.
 *
 * Source: openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share/memory/metaspace/
 * {metaspaceArena,metachunkList,metachunk,chunkManager,freeChunkList,virtualSpaceList,
 * virtualSpaceNode,commitMask,rootChunkArea,freeBlocks,binList,blockTree}.hpp and
 * memory/classLoaderMetaspace.hpp; measured on 17.0.15 and 25. Up to 15 metaspace was another
 * one: it is not known here.
 *
 * - ClassLoaderData has its ClassLoaderMetaspace behind the handle of the loader; that has a
 *   lock, a kind, and one arena each for classes and for all else.
 * - An arena has {.., chunk manager, growth policy, first chunk, how many, free blocks}; what
 *   comes before differs between releases.
 * - A chunk's header lies in malloc's memory. Chunks have 1 KiB shifted by some levels, those of
 *   level 0 are the largest; how large those are is said by the node of the address space.
 * - The first chunk of an arena is the one that is handed out from: what the others have left
 *   is waste.
 */
#include "walkers/hotspot/metaspace.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Of a core as a whole: a million loaders have some millions of chunks. */
#define CHUNKS_MAX (1U << 24)
#define NODES_MAX  4096
#define LEVELS_MAX 24
/* Words of structures that are looked at. */
#define NODE_WORDS 32
#define LIST_WORDS 8
/* Bits of a node's mask of what is committed: 1 TiB in pieces of 64 KiB. */
#define BITS_MAX  (1ULL << 24)
#define MASK_STEP 512
/* No process has as much. */
#define UNLIMITED (1ULL << 48)

/* metachunk.hpp */
enum {
	CHUNK_BASE = 0,
	CHUNK_USED = 8,
	CHUNK_COMMITTED = 16,
	CHUNK_LEVEL = 24,
	CHUNK_STATE = 25,
	CHUNK_NODE = 32,
	CHUNK_NEXT = 48,
	CHUNK_BYTES = 72,
	STATE_FREE = 0,
	STATE_IN_USE = 1,
};
/* classLoaderMetaspace.hpp: arenas of CH_METASPACE_NON_CLASS and of CH_METASPACE_CLASS. */
enum { ARENAS_AT = 16 };
/* Of an arena, from its first chunk. */
enum { ARENA_MANAGER_BEFORE = 16, ARENA_COUNT = 8, ARENA_BLOCKS = 16 };
/* Of free blocks: 32 lists of small ones, and how many there are; a tree of larger ones. */
enum { BLOCKS_SMALL = 256, BLOCKS_TREE = 280 };
/* Of a chunk manager: its list of nodes; lists {first, last, how many} of free chunks. */
enum { MANAGER_LIST = 0, MANAGER_FREE = 16, FREE_STRIDE = 24 };

/* A piece of address space: virtualSpaceNode.hpp. */
struct node {
	uint64_t base, bytes, next, mask, bits, granule, root_bytes;
};

struct chunk {
	uint64_t base, used, committed, bytes, node, next;
	uint8_t state;
};

/* ---- Nodes ------------------------------------------------------------------------ */

/* The words behind {base, words, used} of a node: a mask of what is committed, {map, bits, ..,
 * base, words, words of a bit}, and a table of largest chunks, {base, how many}. */
static bool read_mask(const uint64_t *words, struct node *ret)
{
	enum { MAP = 3, BITS = 4, BASE = 6, STEP = 8, ROOTS_BASE = 9, ROOTS = 10 };
	uint64_t roots = words[ROOTS] & 0xffffffff;

	if (words[BASE] != ret->base || words[ROOTS_BASE] != ret->base || !words[MAP] ||
	    !words[STEP] || words[STEP] > (1U << 27) || !roots)
		return false;
	ret->mask = words[MAP];
	ret->bits = words[BITS];
	ret->granule = 8 * words[STEP];
	ret->root_bytes = ret->bytes / roots;
	return ret->bits <= BITS_MAX && ret->bits == ret->bytes / ret->granule &&
	       ret->bytes % roots == 0 && ret->root_bytes >= 1024 &&
	       (ret->root_bytes & (ret->root_bytes - 1)) == 0;
}

/* A node begins with the next one and {base, bytes} of what was reserved; base comes once more,
 * then with a number of words. */
static bool read_node(const struct hs *hs, uint64_t addr, struct node *ret)
{
	uint8_t bytes[8 * NODE_WORDS];
	uint64_t words[NODE_WORDS];
	size_t i;

	if (!addr || addr % 8 || !ch_core_try_read(hs->core, addr, bytes, sizeof(bytes)))
		return false;
	for (i = 0; i < NODE_WORDS; i++)
		words[i] = ch_get64(bytes + 8 * i);
	*ret = (struct node){ .next = words[0], .base = words[1], .bytes = words[2] };
	if (!ret->base || !ret->bytes || ret->base % 8 || ret->bytes > 1ULL << 46 ||
	    ret->base > UINT64_MAX - ret->bytes)
		return false;
	for (i = 3; i + 10 < NODE_WORDS; i++)
		if (words[i] == ret->base && words[i + 1] == ret->bytes / 8 &&
		    read_mask(words + i, ret))
			return true;
	return false;
}

/* Runs of committed pieces. */
static bool add_committed(struct hs *hs, const struct node *node, const char *label,
			  uint64_t *committed)
{
	uint64_t at, start = UINT64_MAX, words = (node->bits + 63) / 64, i, word = 0;
	uint8_t bytes[8 * MASK_STEP];
	bool on;

	for (i = 0; i <= node->bits; i++) {
		if (i % (64ULL * MASK_STEP) == 0 && i < node->bits &&
		    !ch_core_try_read(hs->core, node->mask + i / 8, bytes,
				      (size_t)ch_min(sizeof(bytes), 8 * words - i / 8)))
			return false;
		if (i % 64 == 0 && i < node->bits)
			word = ch_get64(bytes + (i / 8) % sizeof(bytes));
		on = i < node->bits && (word >> i % 64 & 1);
		if (on && start == UINT64_MAX)
			start = i;
		if (on || start == UINT64_MAX)
			continue;
		at = node->base + start * node->granule;
		*committed += (i - start) * node->granule;
		if (!hs_claim_add(hs, &(struct ch_walker_claim){ at, node->base + i * node->granule,
								 CH_USAGE_MANAGED_LOADER,
								 CH_BASIS_DERIVED, label }))
			return false;
		start = UINT64_MAX;
	}
	return true;
}

/* ---- Chunks ------------------------------------------------------------------------- */

static bool read_chunk(struct hs *hs, uint64_t addr, struct chunk *ret)
{
	uint8_t bytes[CHUNK_BYTES], level;

	if (!addr || addr % 8 || ++hs->metaspace->chunks_seen > CHUNKS_MAX ||
	    !ch_core_try_read(hs->core, addr, bytes, sizeof(bytes)))
		return false;
	level = bytes[CHUNK_LEVEL];
	*ret = (struct chunk){ .base = ch_get64(bytes + CHUNK_BASE),
			       .node = ch_get64(bytes + CHUNK_NODE),
			       .next = ch_get64(bytes + CHUNK_NEXT),
			       .state = bytes[CHUNK_STATE] };
	if (!ret->base || level >= LEVELS_MAX || !hs->metaspace->root_bytes)
		return false;
	ret->bytes = hs->metaspace->root_bytes >> level;
	if (ret->bytes < 1024 || ch_get64(bytes + CHUNK_COMMITTED) > ret->bytes / 8 ||
	    ch_get64(bytes + CHUNK_USED) > ch_get64(bytes + CHUNK_COMMITTED))
		return false;
	ret->committed = 8 * ch_get64(bytes + CHUNK_COMMITTED);
	ret->used = 8 * ch_get64(bytes + CHUNK_USED);
	return true;
}

/* Blocks that were given back early. They are a part of what is used. */
static bool read_blocks(const struct hs *hs, uint64_t blocks, struct ch_metachunks *ret)
{
	static const uint32_t counters[] = { BLOCKS_SMALL, BLOCKS_TREE };
	uint64_t words;
	uint32_t count;
	size_t i;

	for (i = 0; blocks && i < CH_COUNT_OF(counters); i++) {
		if (!hs_read_u32(hs, blocks + counters[i], &count) ||
		    !hs_read_ptr(hs, blocks + counters[i] + 8, &words) ||
		    words > ret->used_bytes / 8 || count > words)
			return false;
		ret->deallocated_count += count;
		ret->deallocated_bytes += 8 * words;
	}
	return ret->deallocated_bytes <= ret->used_bytes;
}

/* The arena at addr. */
static bool read_arena(struct hs *hs, uint64_t addr, struct ch_metachunks *ret)
{
	const uint32_t first = hs->metaspace->first_chunk;
	struct chunk chunk;
	uint64_t at, blocks;
	uint32_t count, i;
	uint64_t rest;

	*ret = (struct ch_metachunks){ 0 };
	if (!hs_read_ptr(hs, addr + first, &at) ||
	    !hs_read_u32(hs, addr + first + ARENA_COUNT, &count) ||
	    !hs_read_ptr(hs, addr + first + ARENA_BLOCKS, &blocks))
		return false;
	for (i = 0; i < count; i++, at = chunk.next) {
		if (!read_chunk(hs, at, &chunk) || chunk.state != STATE_IN_USE)
			return false;
		rest = chunk.committed - chunk.used;
		ret->capacity_bytes += chunk.bytes;
		ret->committed_bytes += chunk.committed;
		ret->used_bytes += chunk.used;
		*(i ? &ret->waste_bytes : &ret->free_bytes) += rest;
	}
	ret->count = count;
	return !at && read_blocks(hs, blocks, ret);
}

/* ---- Finding them -------------------------------------------------------------------- */

/* An arena of a loader; 0: it has none. */
static uint64_t arena_of(const struct hs *hs, uint64_t data, enum ch_metaspace_id id)
{
	uint64_t space, arena;

	return hs_read_ptr(hs, data + hs->metaspace->offset, &space) && space && space % 8 == 0 &&
			       hs_read_ptr(hs, space + ARENAS_AT + 8ULL * (uint32_t)id, &arena) &&
			       arena % 8 == 0
		       ? arena
		       : 0;
}

/* Whether arenas look like this one: its first chunk lies in a node, as large as that says. */
static bool fits(struct hs *hs, uint64_t arena)
{
	struct hs_metaspace *metaspace = hs->metaspace;
	struct ch_metachunks chunks;
	uint64_t chunk, at;
	struct node node;

	if (!hs_read_ptr(hs, arena + metaspace->first_chunk, &chunk) || !chunk || chunk % 8 ||
	    !hs_read_ptr(hs, chunk + CHUNK_NODE, &at) || !read_node(hs, at, &node))
		return false;
	metaspace->root_bytes = node.root_bytes;
	return hs_read_ptr(hs, chunk + CHUNK_BASE, &at) && at >= node.base &&
	       at - node.base < node.bytes && read_arena(hs, arena, &chunks) && chunks.count;
}

/* Where the data of a loader have their metaspace, and arenas their chunks. */
static bool find_layout(struct hs *hs, uint64_t data)
{
	static const uint32_t firsts[] = { 24, 32, 16 };
	const uint64_t behind = hs->members[HS_LOADER_OOP].offset + 8;
	uint64_t arena;
	uint32_t i, k;

	for (i = 0; i < 8; i++)
		for (k = 0; k < CH_COUNT_OF(firsts); k++) {
			hs->metaspace->offset = behind + 8ULL * i;
			hs->metaspace->first_chunk = firsts[k];
			arena = arena_of(hs, data, CH_METASPACE_NON_CLASS);
			if (arena && fits(hs, arena))
				return true;
		}
	return false;
}

/* What a loader has, and whose the chunks were. */
static void read_loader(struct hs *hs, struct ch_loader *loader)
{
	struct ch_metaspace *result = &hs->metaspace->result;
	uint64_t *managers = hs->metaspace->managers, arena;
	uint32_t first = hs->metaspace->first_chunk;
	uint64_t space;
	int id;

	/* made when the first class comes */
	if (hs_read_ptr(hs, loader->data_addr + hs->metaspace->offset, &space) && space)
		result->loaders_count++;
	loader->chunks_known = true;
	for (id = 0; id < CH_METASPACES; id++) {
		arena = arena_of(hs, loader->data_addr, (enum ch_metaspace_id)id);
		if (!arena)
			continue;
		if (!read_arena(hs, arena, &loader->chunks[id]))
			loader->chunks_known = false;
		else if (!managers[id])
			hs_read_ptr(hs, arena + first - ARENA_MANAGER_BEFORE, &managers[id]);
	}
	if (!loader->chunks_known)
		result->unread_count++;
	for (id = 0; loader->chunks_known && id < CH_METASPACES; id++)
		ch_metachunks_add(&result->parts[id].used, &loader->chunks[id]);
}

/* Chunks of nobody. False: not all of them were read. */
static bool read_free(struct hs *hs, uint64_t manager, struct ch_metaspace_part *part)
{
	uint64_t level_bytes = hs->metaspace->root_bytes, list = manager + MANAGER_FREE, at;
	struct chunk chunk;
	uint32_t count, i;

	for (; level_bytes >= 1024; level_bytes /= 2, list += FREE_STRIDE) {
		if (!hs_read_ptr(hs, list, &at) || !hs_read_u32(hs, list + 16, &count))
			return false;
		for (i = 0; i < count; i++, at = chunk.next) {
			if (!read_chunk(hs, at, &chunk) || chunk.state != STATE_FREE ||
			    chunk.bytes != level_bytes)
				return false;
			part->free_count++;
			part->free_capacity_bytes += chunk.bytes;
			part->free_committed_bytes += chunk.committed;
		}
		if (at)
			return false;
	}
	return true;
}

/* The nodes that a chunk manager takes chunks from. */
static bool read_nodes(struct hs *hs, uint64_t manager, const char *label,
		       struct ch_metaspace_part *part)
{
	uint64_t list, at;
	struct node node;
	uint32_t i;

	if (!hs_read_ptr(hs, manager + MANAGER_LIST, &list) || !list || list % 8)
		return false;
	/* the first word of the list that leads to one */
	for (i = 0; i < LIST_WORDS; i++)
		if (hs_read_ptr(hs, list + 8ULL * i, &at) && read_node(hs, at, &node))
			break;
	for (i = i < LIST_WORDS ? 0 : NODES_MAX; i < NODES_MAX; i++, at = node.next) {
		if (!at)
			return true;
		if (!read_node(hs, at, &node) ||
		    !add_committed(hs, &node, label, &part->committed_bytes))
			return false;
		part->reserved_bytes += node.bytes;
	}
	return false;
}

/* ---- The answer ------------------------------------------------------------------------ */

static bool is_known(const struct hs *hs)
{
	return hs->metaspace && hs->metaspace->known;
}

bool hs_metaspace_is_whole(const struct hs *hs)
{
	return is_known(hs) && hs->metaspace->result.complete;
}

/* More in chunks than there is of the space is no answer. */
static bool is_sane(const struct ch_metaspace_part *part)
{
	return part->used.committed_bytes <= part->committed_bytes &&
	       part->used.capacity_bytes <= part->reserved_bytes &&
	       part->free_capacity_bytes <= part->reserved_bytes - part->used.capacity_bytes;
}

static void read_all(struct hs *hs)
{
	static const char *const labels[] = { "metaspace", "class space" };
	struct ch_metaspace *result = &hs->metaspace->result;
	struct ch_loader *loaders = hs->loaders.items;
	const size_t claims = hs->claims.count;
	size_t i;
	int id;

	for (i = 0; i < hs->loaders.count && !hs->metaspace->known; i++)
		hs->metaspace->known = find_layout(hs, loaders[i].data_addr);
	if (!hs->metaspace->known)
		return;
	hs->metaspace->chunks_seen = 0;
	for (i = 0; i < hs->loaders.count; i++)
		read_loader(hs, &loaders[i]);
	result->complete = !result->unread_count;
	for (id = 0; id < CH_METASPACES; id++)
		if (hs->metaspace->managers[id] &&
		    (!read_nodes(hs, hs->metaspace->managers[id], labels[id], &result->parts[id]) ||
		     !read_free(hs, hs->metaspace->managers[id], &result->parts[id]) ||
		     !is_sane(&result->parts[id])))
			result->complete = false;
	/* then the granules that classes lie in are claimed instead */
	if (!result->complete)
		hs->claims.count = claims;
}

struct ch_error *hs_metaspace_find(struct hs *hs)
{
	if (hs->metaspace)
		return NULL;
	hs->metaspace = calloc(1, sizeof(*hs->metaspace));
	if (!hs->metaspace)
		return &ch_enomem;
	if (hs->members[HS_LOADER_OOP].found)
		read_all(hs);
	if (hs->metaspace->known && !hs->metaspace->result.complete)
		chp_context_finding(hs->env->ctx, chp_blame(hs->env), "jvm-metaspace",
				    "not all of the JVM's metaspace could be read: its sums are "
				    "lower bounds");
	return NULL;
}

struct ch_error *hs_metaspace(void *state, struct ch_metaspace **ret)
{
	struct hs *hs = state;

	*ret = is_known(hs) ? &hs->metaspace->result : NULL;
	return NULL;
}

/* ---- Limits --------------------------------------------------------------------------- */

static struct ch_error *add_quota(struct hs *hs, const char *label, const char *counter,
				  uint64_t used, uint64_t limit)
{
	struct ch_quota *slot = limit ? ch_vec_push(&hs->quotas) : NULL;

	if (!slot)
		return limit ? &ch_enomem : NULL;
	*slot = (struct ch_quota){
		.label = label, .counter = counter, .used_bytes = used, .limit_bytes = limit
	};
	return NULL;
}

/* Of class space its address space runs out, which chunks of loaders take; of both parts what is
 * committed is bounded, if the JVM was told so (MaxMetaspaceSize; memory/metaspace/
 * commitLimiter.cpp). */
struct ch_error *hs_metaspace_quotas(struct hs *hs)
{
	const struct ch_metaspace_part *parts;
	struct ch_error *err;
	uint64_t most;

	if (!hs_metaspace_is_whole(hs))
		return NULL;
	parts = hs->metaspace->result.parts;
	err = add_quota(hs, "class space", "chunks of class loaders",
			parts[CH_METASPACE_CLASS].used.capacity_bytes,
			parts[CH_METASPACE_CLASS].reserved_bytes);
	/* no limit is the largest number that there is */
	if (!err && hs_flag(hs, "MaxMetaspaceSize", &most) && most < UNLIMITED)
		err = add_quota(hs, "metaspace", "committed bytes",
				parts[CH_METASPACE_NON_CLASS].committed_bytes +
					parts[CH_METASPACE_CLASS].committed_bytes,
				most);
	return err;
}
