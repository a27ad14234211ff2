/*
 * Static fields that hold objects, and those of threads.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/methodtable.h (DynamicStaticsInfo,
 * ThreadStaticsInfo), threadstatics.h (TLSIndex, ThreadLocalData), ceeload.h
 * (LookupMap); measured on 9.0.7 and 10.0.12.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"

enum {
	/* LookupMap. */
	MAP_NEXT = 0,
	MAP_TABLE = 8,
	MAP_COUNT = 16,
};

#define MAPS_MAX    65536
#define TYPES_MAX   (1U << 22)
#define ENTRIES_MAX (1U << 24)
#define PARENTS_MAX 256

struct search {
	struct clr *clr;
	/* Statics that hold no objects are looked for. */
	bool numbers;
	/* of uint64_t: method tables; modules; all that are in either */
	struct ch_vec types, modules;
	struct ch_table seen;
	struct clr_field *fields;
	/* Of all modules' maps of types. */
	uint64_t entries;
};

/* Keep an address in a list, once in all. */
static struct ch_error *keep(struct search *search, struct ch_vec *list, uint64_t addr)
{
	uint64_t *slot;

	if (!addr || ch_table_find(&search->seen, addr) != CH_TABLE_NONE)
		return NULL;
	if (!ch_table_put(&search->seen, addr, 0))
		return &ch_enomem;
	slot = ch_vec_push(list);
	if (!slot)
		return &ch_enomem;
	*slot = addr;
	return NULL;
}

static struct ch_error *keep_type(struct search *search, uint64_t mt)
{
	struct ch_error *err = NULL;
	uint64_t module;
	uint32_t up;

	for (up = 0; !err && mt && up < PARENTS_MAX && search->types.count < TYPES_MAX; up++) {
		if (ch_table_find(&search->seen, mt) != CH_TABLE_NONE)
			break;
		err = keep(search, &search->types, mt);
		if (!err && clr_type_module(search->clr, mt, &module))
			err = keep(search, &search->modules, module);
		if (!clr_read_ptr(search->clr, mt + search->clr->layout.mt_parent, &mt))
			break;
	}
	return err;
}

/* ---- Modules ----------------------------------------------------------------- */

/* The types of a module that the runtime has loaded. */
static struct ch_error *keep_types_of(struct search *search, uint64_t module)
{
	uint64_t map = module + search->clr->layout.module_types, table, mt;
	struct ch_error *err = NULL;
	uint32_t maps, count, i;

	for (maps = 0; !err && map && maps < MAPS_MAX; maps++) {
		if (!clr_read_ptr(search->clr, map + MAP_TABLE, &table) ||
		    !ch_core_read_u32(search->clr->core, map + MAP_COUNT, &count) ||
		    count > TYPES_MAX)
			break;
		for (i = 0; !err && i < count && search->entries++ < ENTRIES_MAX; i++) {
			if (!clr_read_ptr(search->clr, table + 8ULL * i, &mt))
				break;
			err = keep_type(search, mt & ~7ULL);
		}
		if (!clr_read_ptr(search->clr, map + MAP_NEXT, &map))
			break;
	}
	return err;
}

/* ---- Words ------------------------------------------------------------------- */

static struct ch_error *add_slot(struct clr *clr, struct ch_vec *list, uint64_t addr, uint64_t mt,
				 uint32_t field, uint32_t tid)
{
	struct clr_slot *slot = ch_vec_push(list);

	if (!slot)
		return &ch_enomem;
	*slot = (struct clr_slot){ addr, mt, field, tid, clr_is_collectible(clr, mt) };
	return NULL;
}

/* Words of the statics of a type, or of a thread, at base. */
static struct ch_error *add_fields(struct search *search, uint64_t mt, uint64_t base, uint32_t tid)
{
	uint32_t count = clr_fields_of(search->clr, mt, search->fields, CLR_FIELDS_MAX), i;
	struct ch_error *err = NULL;
	const struct clr_field *field;

	for (i = 0; !err && i < count; i++) {
		field = &search->fields[i];
		if (field->is_static && field->is_thread_static == (tid != 0) &&
		    clr_holds_object(field))
			err = add_slot(search->clr, &search->clr->slots, base + field->offset, mt,
				       field->row, tid);
	}
	return err;
}

static struct ch_error *add_thread_fields(struct search *search, uint64_t mt)
{
	const struct clr_thread *threads = search->clr->threads.items;
	const struct clr_thread_query query = {
		.mt = mt,
		.fields = search->fields,
		.count = clr_fields_of(search->clr, mt, search->fields, CLR_FIELDS_MAX),
		.objects = true,
	};
	struct ch_error *err = NULL;
	uint64_t base;
	size_t i;

	for (i = 0; !err && i < search->clr->threads.count; i++) {
		base = clr_thread_base(search->clr, &threads[i], &query);
		if (base && threads[i].tid)
			err = add_fields(search, mt, base, threads[i].tid);
	}
	return err;
}

static struct ch_error *add_numbers(struct search *search, uint64_t mt, uint64_t base)
{
	uint32_t count = clr_fields_of(search->clr, mt, search->fields, CLR_FIELDS_MAX), i;
	struct ch_error *err = NULL;
	const struct clr_field *field;

	for (i = 0; !err && i < count; i++) {
		field = &search->fields[i];
		if (field->is_static && !field->is_thread_static && !field->has_rva &&
		    !clr_holds_object(field))
			err = add_slot(search->clr, &search->clr->numbers, base + field->offset, mt,
				       field->row, 0);
	}
	return err;
}

static struct ch_error *add_type(struct search *search, uint64_t mt)
{
	struct clr *clr = search->clr;
	struct ch_error *err = NULL;
	uint64_t bases[2], class;

	clr_static_bases(clr, mt, bases);
	if (search->numbers)
		return bases[1] ? add_numbers(search, mt, bases[1]) : NULL;
	if (bases[0])
		err = add_fields(search, mt, bases[0], 0);
	if (!err && clr_class_of(clr, mt, &class) &&
	    clr_class_number(clr, class, CLR_NUMBER_THREAD))
		err = add_thread_fields(search, mt);
	return err;
}

static int compare_slots(const void *a, const void *b)
{
	const struct clr_slot *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->mt < y->mt ? -1 : x->mt > y->mt;
}

/* Two fields at one place: the core is damaged, or one is not what it seems. */
static void drop_doubles(struct clr *clr)
{
	struct clr_slot *slots = clr->slots.items;
	size_t i, kept;

	for (i = kept = 0; i < clr->slots.count; i++)
		if (!kept || slots[i].addr != slots[kept - 1].addr)
			slots[kept++] = slots[i];
	clr->slots.count = kept;
	if (!kept)
		return;
	/* An object's address is before its words. */
	clr->slots_low = slots[0].addr - ch_min(slots[0].addr, 1U << 27);
	clr->slots_high = slots[kept - 1].addr;
}

/* All types that are known: those of objects, then those that modules have loaded. */
static struct ch_error *collect(struct search *search)
{
	struct clr *clr = search->clr;
	const struct clr_type *types = clr->types.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < clr->types.count; i++)
		err = keep_type(search, types[i].mt);
	if (!err)
		err = clr_modules_find(clr);
	for (i = 0; !err && i < clr->module_list.count; i++)
		err = keep(search, &search->modules, *CH_VEC_AT(&clr->module_list, uint64_t, i));
	for (i = 0; !err && i < search->modules.count; i++) {
		err = keep_types_of(search, *CH_VEC_AT(&search->modules, uint64_t, i));
		if (!err && i % 256 == 0)
			err = chp_context_check(clr->env->ctx);
	}
	return err;
}

static struct ch_error *find(struct search *search)
{
	struct clr *clr = search->clr;
	struct ch_error *err = collect(search);
	size_t i;

	for (i = 0; !err && i < search->types.count; i++) {
		err = add_type(search, *CH_VEC_AT(&search->types, uint64_t, i));
		if (!err && i % 4096 == 0)
			err = chp_context_check(clr->env->ctx);
	}
	if (search->numbers) {
		ch_vec_sort(&clr->numbers, compare_slots);
	} else {
		ch_vec_sort(&clr->slots, compare_slots);
		drop_doubles(clr);
	}
	return err;
}

static struct ch_error *look_for(struct clr *clr, bool numbers)
{
	struct search search = { .clr = clr,
				 .numbers = numbers,
				 .types = CH_VEC(uint64_t),
				 .modules = CH_VEC(uint64_t) };
	struct ch_error *err;

	search.fields = calloc(CLR_FIELDS_MAX, sizeof(*search.fields));
	err = search.fields ? find(&search) : &ch_enomem;
	ch_vec_deinit(&search.types);
	ch_vec_deinit(&search.modules);
	ch_table_deinit(&search.seen);
	free(search.fields);
	return err;
}

struct ch_error *clr_statics_find(struct clr *clr)
{
	return clr->slots.count ? NULL : look_for(clr, false);
}

struct ch_error *clr_numbers_find(struct clr *clr)
{
	if (clr->numbers_known)
		return NULL;
	clr->numbers_known = true;
	return look_for(clr, true);
}

struct ch_error *clr_types_list(struct clr *clr, struct ch_vec *ret)
{
	struct search search = { .clr = clr, .types = *ret, .modules = CH_VEC(uint64_t) };
	struct ch_error *err = collect(&search);

	*ret = search.types;
	ch_vec_deinit(&search.modules);
	ch_table_deinit(&search.seen);
	return err;
}
