/*
 * References in objects. oops/instanceKlass.hpp: behind the vtable and the itable of a
 * class come blocks of {offset, count} of its instances' references; those of
 * java.lang.Class have the static fields of their class behind their own, references
 * first. What a reference (java.lang.ref) refers to is in no block; it is added here for
 * those that are to be followed: soft and final ones, as the collector does while there is
 * memory, if nobody asked for others.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/owners.h"

/* What a class may have of each before it is taken for damaged: blocks of references, classes
 * that it derives from, words of its vtable. */
#define MAPS_MAX   4096
#define SUPERS_MAX 256
#define WORDS_MAX  65536

void hs_narrow(void *state, struct ch_narrow *ret)
{
	const struct hs *hs = state;

	*ret = (struct ch_narrow){ hs->narrow_oop, hs->oop_base, hs->oop_shift };
}

static uint32_t width_of(const struct hs *hs)
{
	return hs->narrow_oop ? 4 : 8;
}

static bool add_run(struct hs *hs, struct hs_type *type, uint64_t offset, uint64_t count)
{
	struct ch_ref_run *run = ch_vec_push(&hs->maps);

	if (!run)
		return false;
	*run = (struct ch_ref_run){ .offset = offset, .words = count };
	type->map_count++;
	return true;
}

static int compare_runs(const void *a, const void *b)
{
	const struct ch_ref_run *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

uint32_t hs_referent(const struct hs *hs, uint64_t klass, enum ch_strength *ret)
{
	static const struct {
		const char *name;
		enum ch_strength strength;
	} rows[] = { { "java/lang/ref/SoftReference", CH_STRENGTH_SOFT },
		     { "java/lang/ref/WeakReference", CH_STRENGTH_WEAK },
		     { "java/lang/ref/FinalReference", CH_STRENGTH_FINAL },
		     { "java/lang/ref/PhantomReference", CH_STRENGTH_PHANTOM } };
	char name[HS_NAME_MAX];
	bool known = false;
	uint32_t i, k;

	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return 0;
		for (k = 0; k < CH_COUNT_OF(rows) && !known; k++)
			if (strcmp(rows[k].name, name) == 0) {
				*ret = rows[k].strength;
				known = true;
			}
		if (strcmp(name, "java/lang/ref/Reference") == 0)
			return known ? hs_field_offset(hs, klass, "referent", false) : 0;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return 0;
	}
	return 0;
}

void hs_follow(void *state, uint32_t strengths)
{
	struct hs *hs = state;

	if (strengths == hs->strengths)
		return;
	/* what was learned is not true any more */
	hs->strengths = strengths;
	ch_table_deinit(&hs->types_by_klass);
	hs->types.count = 0;
	hs->maps.count = 0;
}

/* The blocks of an instance's references. */
static bool learn_maps(struct hs *hs, struct hs_type *type)
{
	uint64_t klass = type->klass, at = klass + hs->numbers[HS_SIZE_KLASS].value;
	uint32_t vtable, itable, blocks, i, offset, count, referent;
	enum ch_strength strength = 0;

	if (!hs->numbers[HS_SIZE_KLASS].found ||
	    !hs_member_u32(hs, HS_KLASS_VTABLE, klass, &vtable) ||
	    !hs_member_u32(hs, HS_KLASS_ITABLE, klass, &itable) ||
	    !hs_member_u32(hs, HS_KLASS_MAPS, klass, &blocks) || vtable > WORDS_MAX ||
	    itable > WORDS_MAX * 16 || blocks > MAPS_MAX)
		return true;
	at += 8ULL * vtable + 8ULL * itable;
	for (i = 0; i < blocks; i++, at += 8) {
		if (!hs_read_u32(hs, at, &offset) || !hs_read_u32(hs, at + 4, &count))
			break;
		if (count && !add_run(hs, type, offset, count))
			return false;
	}
	referent = hs_referent(hs, klass, &strength);
	if (referent && hs->strengths & strength && !add_run(hs, type, referent, 1))
		return false;
	if (type->map_count)
		qsort(CH_VEC_AT(&hs->maps, struct ch_ref_run, type->map_first), type->map_count,
		      sizeof(struct ch_ref_run), compare_runs);
	return true;
}

struct ch_error *hs_edges_learn(struct hs *hs, uint64_t klass)
{
	struct hs_type type = { .klass = klass, .map_first = (uint32_t)hs->maps.count };
	struct hs_shape shape;
	struct hs_type *slot;
	uint32_t layout;

	if (klass <= HS_TYPE_WASTE || hs_type_of(hs, klass) || !hs_shape_read(hs, klass, &shape))
		return NULL;
	layout = (uint32_t)shape.layout;
	type.mirror = shape.mirror;
	type.chunk = shape.chunk && hs_chunks_learn(hs, klass, layout, &hs->chunks);
	type.linked = shape.mirror || hs_is_loader_class(hs, klass);
	type.keeps = hs_class_keeper(hs, klass);
	if (shape.layout < 0) {
		/* oops/klass.hpp: two bits say of what it is an array */
		type.kind = layout >> 30 == 2 ? HS_SHAPE_OBJECTS : HS_SHAPE_VALUES;
		type.header_bytes = layout >> 16 & 0xff;
	} else {
		if (!learn_maps(hs, &type))
			return &ch_enomem;
		hs_owner_learn(hs, &type);
	}
	if (type.mirror) {
		hs->class_klass = klass;
		hs->statics_offset = layout & ~7U;
	}
	slot = ch_vec_push(&hs->types);
	if (!slot)
		return &ch_enomem;
	*slot = type;
	return ch_table_put(&hs->types_by_klass, klass, (uint32_t)hs->types.count - 1) ? NULL
										       : &ch_enomem;
}

/* How many references a mirror's class has in static fields. */
static uint32_t statics_of(const struct hs *hs, const struct ch_ref_query *query)
{
	uint32_t offset, count;

	if (!hs_member_u32(hs, HS_CLASS_STATICS_COUNT, 0, &offset) ||
	    !hs_read_u32(hs, query->addr + offset, &count))
		return 0;
	return count;
}

static void put_run(const struct hs *hs, struct ch_ref_query *query, uint64_t offset,
		    uint64_t count)
{
	uint64_t most;

	if (offset >= query->size_bytes || query->count == CH_REF_RUNS)
		return;
	most = (query->size_bytes - offset) / width_of(hs);
	query->runs[query->count++] =
		(struct ch_ref_run){ .offset = offset, .words = ch_min(count, most) };
}

static uint64_t klass_of(const struct hs *hs, const struct ch_ref_query *query)
{
	uint64_t narrow;

	if (!query->bytes || query->size_bytes < 16)
		return hs_klass_at(hs, query->addr);
	if (!hs->compact && !hs->narrow_klass)
		return ch_get64(query->bytes + 8);
	narrow =
		hs->compact ? ch_get64(query->bytes) >> hs->mark_shift : ch_get32(query->bytes + 8);
	return hs->klass_base + (narrow << hs->klass_shift);
}

/* Runs from the first on that was not given. */
static void put_maps(const struct hs *hs, const struct hs_type *type, struct ch_ref_query *query)
{
	const struct ch_ref_run *runs =
		type->map_count ? CH_VEC_AT(&hs->maps, struct ch_ref_run, type->map_first) : NULL;

	for (; query->resume < type->map_count; query->resume++) {
		if (query->count == CH_REF_RUNS) {
			query->more = true;
			return;
		}
		put_run(hs, query, runs[query->resume].offset, runs[query->resume].words);
	}
	if (!(type->mirror || type->chunk) || query->resume > type->map_count)
		return;
	if (query->count == CH_REF_RUNS) {
		query->more = true;
		return;
	}
	query->resume++;
	if (type->mirror)
		put_run(hs, query, hs->statics_offset, statics_of(hs, query));
	else if (hs_chunk_frames(hs, &hs->chunks, query->addr, query->size_bytes,
				 &query->runs[query->count]))
		query->count++;
}

/* Whether no number of an object is the address of a block of its own. */
static bool is_pure(const struct hs *hs, const struct hs_type *type, uint64_t addr)
{
	if (type->kind != HS_SHAPE_INSTANCE || type->chunk || type->role == HS_ROLE_ALIAS ||
	    type->role == HS_ROLE_CLEANER)
		return true;
	return type->role == HS_ROLE_BUFFER && hs_owner_is_view(hs, type, addr);
}

void hs_edges_refs(void *state, struct ch_ref_query *query)
{
	const struct hs *hs = state;
	const struct hs_type *type = query->shape;
	uint64_t klass = klass_of(hs, query);

	query->count = 0;
	query->more = false;
	if (!type || query->key != klass) {
		type = hs_type_of(hs, klass);
		query->shape = type;
		query->key = klass;
	}
	query->pure = type && is_pure(hs, type, query->addr);
	query->unlinked = !type || !type->linked;
	if (!type)
		return;
	if (!query->resume)
		query->also = type->role == HS_ROLE_CLEANER ? hs_owner_orphan(hs, query->addr)
							    : type->keeps;
	if (type->kind == HS_SHAPE_OBJECTS)
		put_run(hs, query, type->header_bytes, UINT64_MAX);
	else if (type->kind == HS_SHAPE_INSTANCE)
		put_maps(hs, type, query);
}

uint32_t hs_owner_rank(const void *state, uint64_t addr)
{
	const struct hs *hs = state;
	const struct hs_type *type = hs_type_of(hs, hs_klass_at(hs, addr));

	/* java.lang.Class has the address of its Klass, which may lie in a file's first page */
	if (type && type->mirror)
		return CH_OWNER_RUNTIME;
	return type && type->role == HS_ROLE_BESIDE ? CH_OWNER_BESIDE : 0;
}
