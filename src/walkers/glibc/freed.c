/*
 * Signs of use after free, and of blocks freed twice, in what malloc keeps in free blocks.
 *
 * Who writes to a block after it was freed destroys what malloc keeps there:
 * the link of its list, and the key by which free() notices that a block is
 * in a tcache already. The key is the address of the tcache structure
 * (glibc-2.29, malloc/malloc.c, tcache_put), from 2.34 on a random number of
 * the process (tcache_key_initialize), and none in 2.26 to 2.28.
 */
#include "walkers/glibc/glibc_priv.h"

#include <stdio.h>

#include "util/context.h"

/* ---- keys ------------------------------------------------------------------ */

/* What keys are in this process. */
struct keys {
	/** The one of all blocks; else each has its structure's address. */
	uint64_t common;
	bool is_common, is_own;
};

/* More than half of all blocks decide, and two of them at least. */
static struct keys find_keys(const struct glibc *glibc)
{
	const struct glibc_freed *freed = glibc->freed.items;
	size_t count = glibc->freed.count, i, own = 0, lead = 0, same = 0;
	struct keys keys = { 0 };

	for (i = 0; i < count; i++) {
		own += freed[i].key == freed[i].tcache;
		/* Boyer and Moore: the only one that can have a majority */
		if (!lead)
			keys.common = freed[i].key;
		lead = freed[i].key == keys.common ? lead + 1 : lead - 1;
	}
	for (i = 0; i < count; i++)
		same += freed[i].key == keys.common;
	keys.is_own = own >= 2 && own > count / 2;
	keys.is_common = !keys.is_own && keys.common && same >= 2 && same > count / 2;
	return keys;
}

static void tell_key(const struct glibc *glibc, const struct glibc_freed *freed, uint64_t key)
{
	const struct ch_core *core = glibc->env.core;

	chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-tcache-key",
			    "the free block at 0x%llx, of %u bytes, in the tcache of thread %u: "
			    "its key is %s, %s was expected; a sign of a use after free",
			    (unsigned long long)freed->user, freed->bytes, freed->tid,
			    chp_core_word(core, freed->key, "another one").text,
			    chp_core_word(core, key, "that of all others").text);
}

static void tell_twice(const struct glibc *glibc, const struct glibc_freed *a,
		       const struct glibc_freed *b)
{
	chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-double-free",
			    "the free block at 0x%llx is in tcaches twice: in the list of %u bytes "
			    "of thread %u and in that of %u bytes of thread %u; a sign of a double "
			    "free",
			    (unsigned long long)a->user, a->bytes, a->tid, b->bytes, b->tid);
}

static int compare_freed(const void *a, const void *b)
{
	const struct glibc_freed *x = a, *y = b;

	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	if (x->tcache != y->tcache)
		return x->tcache < y->tcache ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

void glibc_check_freed(struct glibc *glibc)
{
	const struct glibc_freed *freed = glibc->freed.items;
	struct keys keys = find_keys(glibc);
	size_t i;

	glibc->key = keys.is_common ? keys.common : 0;
	ch_vec_sort(&glibc->freed, compare_freed);
	for (i = 0; i < glibc->freed.count; i++) {
		if (i && freed[i].user == freed[i - 1].user) {
			tell_twice(glibc, &freed[i - 1], &freed[i]);
			continue;
		}
		if (keys.is_own && freed[i].key != freed[i].tcache)
			tell_key(glibc, &freed[i], freed[i].tcache);
		else if (keys.is_common && freed[i].key != keys.common)
			tell_key(glibc, &freed[i], keys.common);
	}
}

/* ---- links ----------------------------------------------------------------- */

const char *glibc_explain_link(const struct glibc *glibc, uint64_t addr, char *buf, size_t bytes)
{
	if (addr % 16)
		snprintf(buf, bytes, "which is not aligned as blocks are");
	else if (addr < CHUNK_HEADER_BYTES ||
		 glibc_piece_at(glibc, addr - CHUNK_HEADER_BYTES) == glibc->pieces.count)
		snprintf(buf, bytes, "which is outside of all heaps");
	else
		snprintf(buf, bytes, "where the size of a chunk is %s",
			 chp_core_word(glibc->env.core,
				       glibc_chunk_size(glibc->env.core, addr - CHUNK_HEADER_BYTES),
				       GLIBC_NO_SIZE)
				 .text);
	return buf;
}

/* Whether a block of a heap that is not in the core may lie at addr. */
static bool may_be_elsewhere(const struct glibc *glibc, uint64_t addr)
{
	size_t len;

	if (addr % 16 || addr < HEAP_ALIGN_MIN || addr >= 1ULL << 47)
		return false;
	return glibc_piece_at(glibc, addr - CHUNK_HEADER_BYTES) == glibc->pieces.count ||
	       !ch_core_span_recorded(glibc->env.core, addr - CHUNK_HEADER_BYTES, &len);
}

const char *glibc_sign(const struct glibc *glibc, uint64_t addr)
{
	if (chp_blame(&glibc->env) == CH_SEVERITY_DAMAGED || !may_be_elsewhere(glibc, addr))
		return ", a sign of a use after free";
	return "; that is no sign of damage, for parts of the heaps are not in the core";
}
