/*
 * Handles of the JVM itself and of JNI: gc/shared/oopStorage.{hpp,inline.hpp} of openjdk/jdk
 * (jdk-17+35, jdk-25+36), which libjvm's tables do not describe. A storage begins with its
 * name and a pointer to an array {size, count of blocks, count of users} with the blocks
 * behind it; a block begins with 64 references and a word with a bit for each in use.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/hotspot/hotspot_priv.h"

#define BLOCKS_MAX   (1U << 16)
#define STORAGES_MAX 64

enum { NAME = 0, ARRAY = 8, ARRAY_COUNT = 8, ARRAY_BLOCKS = 24, IN_BLOCK = 64 };

/* A word of letters: "VM Global". */
static bool read_name(const struct hs *hs, uint64_t storage, char *buf, size_t max)
{
	uint64_t at;
	size_t i;

	if (!storage || !hs_read_ptr(hs, storage + NAME, &at) ||
	    !ch_core_read_string(hs->core, at, buf, max))
		return false;
	for (i = 0; buf[i]; i++)
		if (buf[i] < ' ' || buf[i] > '~' || buf[i] == '\\')
			return false;
	return i > 2 && i + 1 < max;
}

static struct ch_error *add(struct hs *hs, uint64_t addr, const char *name)
{
	struct hs_storage *storage = ch_vec_push(&hs->storages);

	if (!storage)
		return &ch_enomem;
	storage->addr = addr;
	snprintf(storage->name, sizeof(storage->name), "%s", name);
	return NULL;
}

/* gc/shared/oopStorageSet.hpp: all storages in a row. Its address is not in the tables, but
 * it lies in libjvm's data, JNI's is in it, and all have names. */
static struct ch_error *take_set(struct hs *hs, uint64_t at)
{
	struct ch_error *err = NULL;
	uint64_t storage;
	char name[40];
	uint32_t i;

	for (i = 0; i < STORAGES_MAX && hs_read_ptr(hs, at - 8, &storage) &&
		    read_name(hs, storage, name, sizeof(name));
	     i++)
		at -= 8;
	while (!err && hs->storages.count < STORAGES_MAX && hs_read_ptr(hs, at, &storage) &&
	       read_name(hs, storage, name, sizeof(name))) {
		err = add(hs, storage, name);
		at += 8;
	}
	return err;
}

static struct ch_error *find_set(struct hs *hs, uint64_t first, uint64_t not_at)
{
	const uint64_t end = hs->module->end;
	uint64_t at = hs->module->start, value, second;
	const struct ch_region *region;
	char name[40];

	while (at < end) {
		region = ch_map_region_at(hs->env->map, at);
		if (!region)
			break;
		if (region->state == CH_STATE_COMMIT && region->prot & CH_SEGMENT_WRITE &&
		    region->prot != CH_PROT_UNKNOWN)
			for (; at + 16 <= ch_min(region->end, end); at += 8)
				if (at != not_at && hs_read_ptr(hs, at, &value) && value == first &&
				    hs_read_ptr(hs, at + 8, &second) &&
				    read_name(hs, second, name, sizeof(name)))
					return take_set(hs, at);
		at = region->end;
	}
	return NULL;
}

static struct ch_error *list(struct hs *hs)
{
	struct ch_error *err = NULL;
	uint64_t global, weak;

	if (hs->storages.count || !hs_member_ptr(hs, HS_JNI_GLOBAL, 0, &global) || !global)
		return NULL;
	err = find_set(hs, global, hs_member_addr(hs, HS_JNI_GLOBAL, 0));
	if (err || hs->storages.count)
		return err;
	err = add(hs, global, "JNI Global");
	if (!err && hs_member_ptr(hs, HS_JNI_WEAK, 0, &weak) && weak)
		err = add(hs, weak, "JNI Weak");
	return err;
}

const char *hs_storage_name(const struct hs *hs, uint64_t number)
{
	return number < hs->storages.count
		       ? CH_VEC_AT(&hs->storages, struct hs_storage, number)->name
		       : "handle";
}

static struct ch_error *visit(struct hs *hs, const struct hs_storage *storage,
			      struct ch_walker_root *root, ch_walker_roots_fn fn, void *arg)
{
	uint64_t array, size, count, block, used, i;
	struct ch_error *err = NULL;
	uint32_t k;

	if (!hs_read_ptr(hs, storage->addr + ARRAY, &array) || !hs_read_ptr(hs, array, &size) ||
	    !hs_read_ptr(hs, array + ARRAY_COUNT, &count) || count > size || size > BLOCKS_MAX)
		return NULL;
	for (i = 0; !err && i < count; i++) {
		if (!hs_read_ptr(hs, array + ARRAY_BLOCKS + 8 * i, &block) ||
		    !hs_read_ptr(hs, block + 8 * IN_BLOCK, &used))
			continue;
		for (k = 0; !err && k < IN_BLOCK; k++) {
			root->addr = block + 8ULL * k;
			if (used >> k & 1 && hs_read_word(hs, root->addr, &root->value) &&
			    root->value)
				err = fn(arg, root);
		}
	}
	return err;
}

struct ch_error *hs_storages_visit(struct hs *hs, uint64_t cookie, ch_walker_roots_fn fn, void *arg)
{
	struct ch_walker_root root = { .kind = CH_WALKER_ROOT_HANDLE };
	const struct hs_storage *storage;
	struct ch_error *err = list(hs);
	size_t i;

	for (i = 0; !err && i < hs->storages.count; i++) {
		storage = CH_VEC_AT(&hs->storages, struct hs_storage, i);
		root.kind =
			strstr(storage->name, "Weak") ? CH_WALKER_ROOT_WEAK : CH_WALKER_ROOT_HANDLE;
		root.cookie = cookie | i;
		err = visit(hs, storage, &root, fn, arg);
		if (!err)
			err = chp_context_check(hs->env->ctx);
	}
	return err;
}
