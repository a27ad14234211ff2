/*
 * Hash tables of OpenSSL: their buckets and nodes. Every program that uses the library has one of
 * some thousand error texts, and others of what it looks up by name. A table is believed if its
 * functions are code, its numbers fit each other, and its chains have as many nodes as it says.
 *
 * Source: OpenSSL 1.1.0 to 3.5, crypto/lhash/lhash_local.h, struct lhash_st and lhash_node_st;
 * lhash.c, OPENSSL_LH_new(), expand(). From 3.3 on there are more functions before the numbers.
 */
#include <stdlib.h>

#include "heap/signs.h"
#include "types/provider.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/* struct lhash_st: b, comp, hash; num_nodes, num_alloc_nodes, p and pmax of 4 bytes; up_load,
 * down_load and num_items. */
#define FUNCTIONS 8
#define ITEMS     32
/* Of release 3.0; before, statistics followed, which 1.1 has 120 bytes of. */
#define TABLE_BYTES      64U
#define TABLE_BYTES_MOST 256U
#define NUMBERS_LAST     56U
/* struct lhash_node_st: data, next, hash */
#define NODE_NEXT  8
#define NODE_BYTES 24U

enum key { KEY_TABLE = 1, KEY_BUCKETS, KEY_NODE };
static const char *const names[] = {
	[KEY_TABLE] = "OPENSSL_LHASH",
	[KEY_BUCKETS] = "OPENSSL_LHASH buckets",
	[KEY_NODE] = "OPENSSL_LH_NODE",
};

extern const struct ch_provider ch_provider_openssl;

struct openssl {
	/* Who says it. */
	const struct ch_provider *provider;
	const struct ch_provider_env *env;
	const struct ch_module *library;
	struct ch_naming *naming;
	/* Nodes and buckets that may still be looked at. */
	uint64_t left;
};

/* A table has at least 16 buckets, and is two objects itself; each of its nodes is one. All are
 * looked at twice. Tables that are none may share theirs, and are not followed for ever. */
#define LOOKS_OBJECT 32

/* A table whose numbers fit. */
struct table {
	struct ch_named_block block, buckets;
	uint64_t buckets_count, items_count;
};

static uint64_t word_at(const struct openssl *openssl, uint64_t addr)
{
	uint64_t word;

	return ch_core_read_u64(openssl->env->core, addr, &word) ? word : 0;
}

static bool is_code(const struct openssl *openssl, uint64_t addr)
{
	const struct ch_module *module = ch_sym_module_at(openssl->env->sym, addr);
	uint32_t rights;

	return module && ch_sym_module_rights(openssl->env->sym, module, addr, &rights) &&
	       rights & CH_SEGMENT_EXEC;
}

static bool read_table(const struct openssl *openssl, const struct ch_named_block *block,
		       struct table *ret)
{
	uint64_t at, sizes, places;

	*ret = (struct table){ .block = *block };
	if (block->size_bytes < TABLE_BYTES || block->size_bytes > TABLE_BYTES_MOST ||
	    !is_code(openssl, word_at(openssl, block->addr + FUNCTIONS)) ||
	    !is_code(openssl, word_at(openssl, block->addr + FUNCTIONS + 8)) ||
	    !chp_naming_block(openssl->naming, word_at(openssl, block->addr), &ret->buckets) ||
	    ret->buckets.addr != word_at(openssl, block->addr))
		return false;
	for (at = block->addr + FUNCTIONS + 16; at <= block->addr + NUMBERS_LAST; at += 8) {
		sizes = word_at(openssl, at);
		places = word_at(openssl, at + 8);
		ret->buckets_count = sizes & UINT32_MAX;
		ret->items_count = word_at(openssl, at + ITEMS);
		/* what is split and what is not make up all that are in use */
		if (ret->buckets_count && ret->buckets_count <= sizes >> 32 &&
		    (places & UINT32_MAX) + (places >> 32) == ret->buckets_count &&
		    (sizes >> 32) * 8 <= ret->buckets.size_bytes)
			return true;
	}
	return false;
}

/* Name the nodes of a table, or count them only. False: its chains are not what it says. */
static bool visit_nodes(struct openssl *openssl, const struct table *table, bool say,
			struct ch_error **err_ret)
{
	uint64_t items = table->items_count, at, i;
	struct ch_named_block node;

	for (i = 0; i < table->buckets_count && !*err_ret; i++) {
		if (!openssl->left)
			return false;
		openssl->left--;
		for (at = word_at(openssl, table->buckets.addr + 8 * i); at && !*err_ret;
		     at = word_at(openssl, at + NODE_NEXT)) {
			if (!items || !openssl->left ||
			    !chp_naming_block(openssl->naming, at, &node) || node.addr != at ||
			    node.size_bytes < NODE_BYTES)
				return false;
			items--;
			openssl->left--;
			if (say)
				*err_ret = chp_naming_say(openssl->naming, openssl->provider, &node,
							  KEY_NODE);
		}
	}
	return !items;
}

static struct ch_error *look_for_tables(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct openssl *openssl = arg;
	struct ch_error *err = NULL;
	struct table table;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (!read_table(openssl, &blocks[i], &table) ||
		    !visit_nodes(openssl, &table, false, &err))
			continue;
		err = chp_naming_say(openssl->naming, openssl->provider, &table.block, KEY_TABLE);
		if (!err)
			err = chp_naming_say(openssl->naming, openssl->provider, &table.buckets,
					     KEY_BUCKETS);
		if (!err)
			visit_nodes(openssl, &table, true, &err);
	}
	return err;
}

static struct ch_error *seeds(void *state, struct ch_naming *naming)
{
	struct openssl *openssl = state;
	struct ch_error *err;

	openssl->naming = naming;
	openssl->left = (uint64_t)openssl->env->index->objects_count * LOOKS_OBJECT;
	err = chp_naming_all(naming, look_for_tables, openssl);
	if (!openssl->left)
		chp_context_finding(openssl->env->ctx, CH_SEVERITY_NOTE, "openssl-tables",
				    "hash tables of OpenSSL share what they have; not all were "
				    "looked at");
	return err;
}

static struct ch_error *open_openssl(const struct ch_provider_env *env, void **state_ret)
{
	const struct ch_module *modules, *library = NULL;
	struct openssl *openssl;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count && !library; i++)
		if (chp_has_stem(modules[i].name, "libcrypto"))
			library = &modules[i];
	if (!library)
		return NULL;
	openssl = calloc(1, sizeof(*openssl));
	if (!openssl)
		return &ch_enomem;
	*openssl = (struct openssl){ .provider = &ch_provider_openssl,
				     .env = env,
				     .library = library };
	*state_ret = openssl;
	return NULL;
}

static void close_openssl(void *state)
{
	free(state);
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct openssl *openssl = state;

	ret->name = key < CH_COUNT_OF(names) ? names[key] : NULL;
	ret->module = openssl->library->name;
	return NULL;
}

const struct ch_provider ch_provider_openssl = {
	.name = "openssl",
	.summary = "hash tables of OpenSSL",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_KNOWN,
	.open = open_openssl,
	.close = close_openssl,
	.seeds = seeds,
	.type = type,
};
