/*
 * What class loaders hold besides their classes: the list of loaders for who asks, their
 * handles, and links to and from what may die with them; classes.c says which those are. Facts:
 * classfile/classLoaderData.{hpp,cpp} of openjdk/jdk (jdk-11+28, jdk-17+35, jdk-25+36).
 *
 * _handles is a list of chunks {32 objects, how many, next}; the tables do not have it. The
 * first handle of all is the loader, so a word of the data that leads to the chunk which
 * begins there is the list.
 */
#include <string.h>

#include "util/context.h"
#include "walkers/hotspot/hotspot_priv.h"

#define CHUNKS_MAX  (1U << 16)
#define CHUNK_WORDS 32
/* ClassLoaderData has some 200 bytes; the list is in the first half. */
#define DATA_BYTES 128

enum { CHUNK_SIZE = 8 * CHUNK_WORDS, CHUNK_NEXT = CHUNK_SIZE + 8 };

struct ch_error *hs_loaders(void *state, struct ch_loader **ret, size_t *count_ret)
{
	struct hs *hs = state;
	struct ch_error *err = hs_classes_list(hs);

	*ret = hs->loaders.items;
	*count_ret = hs->loaders.count;
	return err;
}

/* ---- Handles ---------------------------------------------------------------------- */

static bool leads_to(const struct hs *hs, uint64_t chunk, uint64_t last)
{
	uint32_t i, size;

	for (i = 0; i < CHUNKS_MAX && chunk; i++) {
		if (!hs_read_u32(hs, chunk + CHUNK_SIZE, &size) || size > CHUNK_WORDS)
			return false;
		if (chunk == last)
			return true;
		if (!hs_read_ptr(hs, chunk + CHUNK_NEXT, &chunk))
			return false;
	}
	return false;
}

/* Offset of the list in the data, from one that has a loader; 0: not known. */
static uint32_t list_offset(struct hs *hs, uint64_t data)
{
	uint64_t own = hs->members[HS_LOADER_OOP].offset, first, word;
	uint32_t offset;

	if (hs->handles_offset || hs->members[HS_LOADER_OOP].is_oop ||
	    !hs_member_ptr(hs, HS_LOADER_OOP, data, &first) || !first)
		return hs->handles_offset;
	for (offset = 8; offset < DATA_BYTES; offset += 8)
		if (offset != own && hs_read_ptr(hs, data + offset, &word) &&
		    leads_to(hs, word, first)) {
			hs->handles_offset = offset;
			break;
		}
	return hs->handles_offset;
}

struct ch_error *hs_loader_handles(struct hs *hs, uint64_t data, hs_handle_fn fn, void *arg)
{
	uint32_t offset = list_offset(hs, data), chunks, size, i;
	struct ch_error *err = NULL;
	uint64_t chunk, value;

	if (!offset || !hs_read_ptr(hs, data + offset, &chunk))
		return NULL;
	for (chunks = 0; !err && chunk && chunks < CHUNKS_MAX; chunks++) {
		if (!hs_read_u32(hs, chunk + CHUNK_SIZE, &size) || size > CHUNK_WORDS)
			break;
		for (i = 0; !err && i < size; i++)
			if (hs_read_word(hs, chunk + 8ULL * i, &value) && value)
				err = fn(arg, chunk + 8ULL * i, value);
		if (!err)
			err = chp_context_check(hs->env->ctx);
		if (!hs_read_ptr(hs, chunk + CHUNK_NEXT, &chunk))
			break;
	}
	return err;
}

/* ---- Links ------------------------------------------------------------------------ */

struct linking {
	struct hs *hs;
	ch_walker_links_fn fn;
	void *arg;
	uint64_t holder;
};

bool hs_is_constants(const struct hs *hs, uint64_t object)
{
	char name[HS_NAME_MAX];

	return hs_klass_symbol(hs, hs_klass_at(hs, object), name, sizeof(name)) &&
	       strcmp(name, "[Ljava/lang/Object;") == 0;
}

/* Resolved constants are those of a class, which leads to them. */
static struct ch_error *link_handle(void *arg, uint64_t at, uint64_t value)
{
	const struct linking *linking = arg;

	(void)at;
	if (value == linking->holder || hs_is_constants(linking->hs, value))
		return NULL;
	return linking->fn(linking->arg, linking->holder, value);
}

static struct ch_error *link_class(const struct linking *linking, const struct hs_class *class)
{
	const struct hs *hs = linking->hs;
	struct ch_error *err = NULL;
	uint64_t at, constants;

	if (linking->holder != class->mirror)
		err = linking->fn(linking->arg, linking->holder, class->mirror);
	if (!err && hs_constants_of(hs, class->klass, &at, &constants))
		err = linking->fn(linking->arg, class->mirror, constants);
	return err;
}

struct ch_error *hs_loader_links(void *state, ch_walker_links_fn fn, void *arg)
{
	struct linking linking = { .hs = state, .fn = fn, .arg = arg };
	const struct hs_class *classes = linking.hs->classes.items;
	struct ch_error *err = NULL;
	uint64_t data = 0;
	size_t i;

	/* classes of one loader follow on each other */
	for (i = 0; !err && i < linking.hs->classes.count; i++) {
		if (!classes[i].loader || !classes[i].mirror)
			continue;
		if (classes[i].loader != data) {
			data = classes[i].loader;
			linking.holder = hs_loader_holder(linking.hs, data);
			err = linking.holder
				      ? hs_loader_handles(linking.hs, data, link_handle, &linking)
				      : NULL;
		}
		if (!err && linking.holder)
			err = link_class(&linking, &classes[i]);
	}
	return err;
}
