/*
 * What keeps objects alive: static fields and whatever else classes hold, thread objects,
 * JNI handles. Stacks and registers are looked at by the graph.
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/ring.h"
#include "walkers/hotspot/owners.h"

/* Blocks of handles in a list, and handles of each (runtime/jniHandles.hpp, block_size_in_oops). */
#define BLOCKS_MAX (1U << 16)
#define LOCALS_MAX 32

/* Cookies of roots: a number of a static field, or one of these. */
enum {
	COOKIE_CLASS = 1ULL << 32,
	COOKIE_LOADER = 2ULL << 32,
	COOKIE_RESOLVED = 3ULL << 32,
	COOKIE_THREAD = 4ULL << 32,
	COOKIE_STORAGE = 5ULL << 32,
	COOKIE_LOCAL = 6ULL << 32,
	COOKIE_VARIABLE = 7ULL << 32,
	COOKIE_JNI = 8ULL << 32,
};

/* ---- Visiting --------------------------------------------------------------------- */

struct visit {
	struct hs *hs;
	ch_walker_roots_fn fn;
	void *arg;
};

static struct ch_error *put(const struct visit *visit, enum ch_walker_root_kind kind, uint64_t addr,
			    uint64_t value, uint64_t cookie)
{
	const struct ch_walker_root root = { kind, addr, value, cookie };

	return value ? visit->fn(visit->arg, &root) : NULL;
}

static struct ch_error *visit_statics(const struct visit *visit)
{
	const struct hs_static *statics = visit->hs->statics.items;
	struct ch_error *err = NULL;
	uint64_t value;
	size_t i;

	for (i = 0; !err && i < visit->hs->statics.count; i++)
		if (hs_read_oop(visit->hs, statics[i].addr, &value))
			err = put(visit, CH_WALKER_ROOT_STATIC, statics[i].addr, value, i);
	return err;
}

/* An object that a structure refers to, as a root. */
static struct ch_error *put_member(const struct visit *visit, enum hs_member_id id, uint64_t addr,
				   uint64_t cookie)
{
	uint64_t at, value;

	if (!hs_member_object(visit->hs, id, addr, &at, &value))
		return NULL;
	return put(visit, CH_WALKER_ROOT_HANDLE, at, value, cookie);
}

static struct ch_error *visit_classes(const struct visit *visit)
{
	const struct hs *hs = visit->hs;
	const struct hs_class *classes = hs->classes.items;
	struct ch_error *err = NULL;
	uint64_t at, value;
	size_t i;

	for (i = 0; !err && i < hs->classes.count; i++) {
		if (classes[i].loader)
			continue;
		err = put_member(visit, HS_KLASS_MIRROR, classes[i].klass,
				 COOKIE_CLASS | (i & UINT32_MAX));
		if (!err && hs_constants_of(hs, classes[i].klass, &at, &value))
			err = put(visit, CH_WALKER_ROOT_HANDLE, at, value,
				  COOKIE_RESOLVED | (i & UINT32_MAX));
	}
	return err;
}

/* What a loader holds of others: its own classes are roots already. */
static struct ch_error *visit_handle(void *arg, uint64_t at, uint64_t value)
{
	const struct visit *visit = arg;
	struct hs *hs = visit->hs;
	uint64_t klass = hs_klass_at(hs, value);
	uint32_t offset;

	if (klass && klass == hs->class_klass &&
	    (!hs_member_u32(hs, HS_CLASS_KLASS, 0, &offset) ||
	     !hs_read_ptr(hs, value + offset, &klass) || !hs_class_keeper(hs, klass)))
		return NULL;
	if (hs_is_constants(hs, value))
		return NULL;
	return put(visit, CH_WALKER_ROOT_HANDLE, at, value, COOKIE_LOADER);
}

static struct ch_error *visit_loaders(struct visit *visit)
{
	struct hs *hs = visit->hs;
	struct ch_ring ring = { 0 };
	struct ch_error *err = NULL;
	uint64_t loader;
	uint32_t i;

	if (!hs_member_ptr(hs, HS_LOADERS, 0, &loader))
		return NULL;
	for (i = 0; !err && loader && i < HS_LOADERS_MAX && !ch_ring_is_met(&ring, loader); i++) {
		if (!hs_loader_holder(hs, loader)) {
			err = put_member(visit, HS_LOADER_OOP, loader, COOKIE_LOADER);
			if (!err)
				err = hs_loader_handles(hs, loader, visit_handle, visit);
		}
		if (!hs_member_ptr(hs, HS_LOADER_NEXT, loader, &loader))
			break;
	}
	return err;
}

/* runtime/jniHandles.hpp: blocks of 32 handles each. */
static struct ch_error *visit_handles(const struct visit *visit, uint64_t block, uint64_t cookie)
{
	const struct hs *hs = visit->hs;
	struct ch_ring ring = { 0 };
	struct ch_error *err = NULL;
	uint64_t at, value;
	uint32_t top, i, blocks;

	for (blocks = 0; !err && block && blocks < BLOCKS_MAX && !ch_ring_is_met(&ring, block);
	     blocks++) {
		at = hs_member_addr(hs, HS_HANDLES, block);
		if (!at || !hs_member_u32(hs, HS_HANDLES_TOP, block, &top))
			break;
		for (i = 0; !err && i < ch_min(top, LOCALS_MAX); i++)
			/* free ones are numbers with the lowest bit set */
			if (hs_read_word(hs, at + 8ULL * i, &value) && !(value & 7))
				err = put(visit, CH_WALKER_ROOT_HANDLE, at + 8ULL * i, value,
					  cookie);
		if (!hs_member_ptr(hs, HS_HANDLES_NEXT, block, &block))
			break;
	}
	return err;
}

static struct ch_error *visit_thread(const struct visit *visit, uint64_t thread, uint32_t index)
{
	const struct hs *hs = visit->hs;
	struct ch_error *err;
	uint64_t block;

	err = put_member(visit, HS_THREAD_OOP, thread, COOKIE_THREAD | index);
	if (!err && hs_member_ptr(hs, HS_THREAD_HANDLES, thread, &block))
		err = visit_handles(visit, block, COOKIE_LOCAL | index);
	return err;
}

static struct ch_error *visit_threads(const struct visit *visit)
{
	struct ch_vec threads = CH_VEC(uint64_t);
	struct ch_error *err = hs_threads_find(visit->hs, &threads);
	size_t i;

	for (i = 0; !err && i < threads.count; i++)
		err = visit_thread(visit, *CH_VEC_AT(&threads, uint64_t, i), (uint32_t)i);
	ch_vec_deinit(&threads);
	return err;
}

/* What the JVM itself holds in variables: up to 11 most of it, later in storages. */
static struct ch_error *visit_variables(const struct visit *visit)
{
	const struct hs_variable *variables = visit->hs->variables.items;
	struct ch_error *err = NULL;
	uint64_t value;
	size_t i;

	for (i = 0; !err && i < visit->hs->variables.count; i++)
		if (hs_read_word(visit->hs, variables[i].addr, &value))
			err = put(visit, CH_WALKER_ROOT_HANDLE, variables[i].addr, value,
				  COOKIE_VARIABLE | i);
	return err;
}

struct ch_error *hs_roots_visit(void *state, ch_walker_roots_fn fn, void *arg)
{
	struct visit visit = { state, fn, arg };
	struct ch_error *err = hs_classes_list(visit.hs);
	uint64_t block;

	if (!err)
		err = visit_statics(&visit);
	if (!err)
		err = visit_threads(&visit);
	if (!err)
		err = visit_variables(&visit);
	if (!err && visit.hs->members[HS_JNI_GLOBAL].is_block &&
	    hs_member_ptr(visit.hs, HS_JNI_GLOBAL, 0, &block))
		err = visit_handles(&visit, block, COOKIE_JNI);
	else if (!err)
		err = hs_storages_visit(visit.hs, COOKIE_STORAGE, fn, arg);
	if (!err)
		err = visit_classes(&visit);
	return err ? err : visit_loaders(&visit);
}

/* ---- Names ------------------------------------------------------------------------ */

static void name_static(struct hs *hs, const struct hs_static *place, char *buf, size_t max)
{
	char class[HS_NAME_MAX], field[300];

	if (!hs_klass_name(hs, place->klass, class, sizeof(class)))
		snprintf(class, sizeof(class), "class %s",
			 chp_core_word(hs->core, place->klass, CH_NO_ADDRESS).text);
	if (!hs_place_text(hs, place->addr - place->offset, hs->class_klass, place->offset, field,
			   sizeof(field)))
		snprintf(field, sizeof(field), "+0x%x", place->offset);
	snprintf(buf, max, "static %s%s", class, field);
}

static void name_class(struct hs *hs, const char *what, uint64_t index, char *buf, size_t max)
{
	char class[HS_NAME_MAX];

	if (index >= hs->classes.count ||
	    !hs_klass_name(hs, CH_VEC_AT(&hs->classes, struct hs_class, index)->klass, class,
			   sizeof(class)))
		snprintf(class, sizeof(class), "?");
	snprintf(buf, max, "%s %s", what, class);
}

static void name_thread(struct hs *hs, uint64_t index, uint64_t object, char *buf, size_t max)
{
	char name[256];

	hs_thread_name(hs, object, name, sizeof(name));
	if (name[0])
		snprintf(buf, max, "Java thread \"%s\"", name);
	else
		snprintf(buf, max, "Java thread %u", (unsigned)index + 1);
}

void hs_root_text(void *state, const struct ch_walker_root *root, char *buf, size_t max)
{
	struct hs *hs = state;
	uint64_t index = root->cookie & UINT32_MAX;

	switch (root->cookie & ~(uint64_t)UINT32_MAX) {
	case COOKIE_CLASS:
		name_class(hs, "class", index, buf, max);
		return;
	case COOKIE_RESOLVED:
		name_class(hs, "constants of class", index, buf, max);
		return;
	case COOKIE_LOADER:
		snprintf(buf, max, "class loader");
		return;
	case COOKIE_THREAD:
		name_thread(hs, index, root->value, buf, max);
		return;
	case COOKIE_VARIABLE:
		snprintf(buf, max, "%s",
			 index < hs->variables.count
				 ? CH_VEC_AT(&hs->variables, struct hs_variable, index)->name
				 : "variable of the JVM");
		return;
	case COOKIE_JNI:
		snprintf(buf, max, "JNI Global 0x%llx", (unsigned long long)root->addr);
		return;
	case COOKIE_LOCAL:
		snprintf(buf, max, "JNI local of Java thread %u", (unsigned)index + 1);
		return;
	case COOKIE_STORAGE:
		snprintf(buf, max, "%s 0x%llx", hs_storage_name(hs, index),
			 (unsigned long long)root->addr);
		return;
	default:
		if (index < hs->statics.count)
			name_static(hs, CH_VEC_AT(&hs->statics, struct hs_static, index), buf, max);
		else
			snprintf(buf, max, "static 0x%llx", (unsigned long long)root->addr);
	}
}

static uint64_t decode(const void *state, uint64_t word)
{
	return hs_zgc_decode_spilled(state, word);
}

static ch_decode_fn decoder(const void *state)
{
	const struct hs *hs = state;

	return hs->colors.used ? decode : NULL;
}

static struct ch_error *learn(void *state, uint64_t klass)
{
	return hs_edges_learn(state, klass);
}

static bool place_text(void *state, uint64_t addr, uint64_t type, uint64_t offset, char *buf,
		       size_t max)
{
	static const struct {
		enum ch_strength strength;
		const char *word;
	} rows[] = { { CH_STRENGTH_SOFT, "soft" },
		     { CH_STRENGTH_WEAK, "weak" },
		     { CH_STRENGTH_FINAL, "final" },
		     { CH_STRENGTH_PHANTOM, "phantom" } };
	const struct hs *hs = state;
	enum ch_strength strength = 0;
	struct hs_static place;
	size_t len, i;

	/* of a mirror java.lang.Class alone would be known */
	if (type == hs->class_klass && hs->class_klass && offset >= hs->statics_offset) {
		place = (struct hs_static){ hs_class_of_mirror(hs, addr), addr + offset,
					    (uint32_t)offset };
		name_static(state, &place, buf, max);
		return place.klass;
	}
	if (!hs_place_text(state, addr, type, offset, buf, max))
		return false;
	if (strcmp(buf, ".referent") != 0 || hs_referent(state, type, &strength) != offset)
		return true;
	len = strlen(buf);
	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (rows[i].strength == strength)
			snprintf(buf + len, max - len, " (%s)", rows[i].word);
	return true;
}

const struct ch_tracer hs_tracer = {
	/* the mark word */
	.own_bytes = 8,
	.clears = true,
	/* runtime: compiler/oopMap.hpp, a derived pointer has its base in the same frame */
	.first_bytes = true,
	.narrow = hs_narrow,
	.decoder = decoder,
	.follow = hs_follow,
	.learn = learn,
	.refs = hs_edges_refs,
	.roots = hs_roots_visit,
	.root_text = hs_root_text,
	.stack_words = hs_stack_words,
	.place_text = place_text,
	.links = hs_loader_links,
	.header_bytes = hs_nmt_header_bytes,
	.has_header = hs_nmt_has_header,
	.owner_rank = hs_owner_rank,
	.native = hs_owner_native,
};
