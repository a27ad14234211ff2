/*
 * The session's types: interning of {walker, key}, and their names.
 */
#include "heap/type_table.h"

#include <stdlib.h>
#include <string.h>

#include "heap/heap_priv.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Slots at first; a program has some thousand types. */
#define SLOTS_FIRST 4096
/* Rows that are left for "other sizes" of each walker, once the table is full. */
#define ROWS_OTHER 1024

/* ---- Reading ------------------------------------------------------------------- */

static inline uint32_t hash_of(const struct ch_type_source *source)
{
	uint64_t key = source->key ^ (uint64_t)source->walker << 52;

	key ^= (uint64_t)source->provider << 58;
	key ^= key >> 29;
	return (uint32_t)((key * 0x9e3779b97f4a7c15ULL) >> 32);
}

/* The id of a type, or 0. What another thread makes meanwhile may be missed. */
static inline uint32_t find(const struct ch_type_table *table, const struct ch_type_source *source)
{
	const struct ch_type_slots *slots = __atomic_load_n(&table->slots, __ATOMIC_ACQUIRE);
	uint32_t at = hash_of(source) & slots->mask, id;
	const struct ch_type_row *row;

	while ((id = __atomic_load_n(&slots->ids[at], __ATOMIC_ACQUIRE))) {
		row = chp_type_row(table, id);
		if (row->type.key == source->key && row->type.walker == source->walker &&
		    row->provider == source->provider)
			return id;
		at = (at + 1) & slots->mask;
	}
	return 0;
}

/* Where the id of a size class is kept; NULL: it is none, or a large one. */
static inline uint32_t *size_slot(uint32_t *sizes, uint64_t key)
{
	uint64_t size = key & ~CH_TYPE_KEY_ENGINE;

	return sizes && key >= CH_TYPE_KEY_ENGINE && size < CH_TYPES_SIZE_MAX && !(size & 7)
		       ? &sizes[size >> 3]
		       : NULL;
}

/* ---- Making -------------------------------------------------------------------- */

static struct ch_type_slots *make_slots(uint32_t count)
{
	struct ch_type_slots *slots = calloc(1, sizeof(*slots) + count * sizeof(slots->ids[0]));

	if (slots)
		slots->mask = count - 1;
	return slots;
}

static void put(const struct ch_type_table *table, struct ch_type_slots *slots, uint32_t id)
{
	const struct ch_type_row *row = chp_type_row(table, id);
	const struct ch_type_source source = { row->provider, row->type.walker, row->type.key };
	uint32_t at = hash_of(&source) & slots->mask;

	while (slots->ids[at])
		at = (at + 1) & slots->mask;
	__atomic_store_n(&slots->ids[at], id, __ATOMIC_RELEASE);
}

static bool grow(struct ch_type_table *table)
{
	struct ch_type_slots *slots = make_slots(2 * (table->slots->mask + 1));
	uint32_t id;

	if (!slots)
		return false;
	for (id = 1; id <= table->count; id++)
		put(table, slots, id);
	slots->older = table->slots;
	__atomic_store_n(&table->slots, slots, __ATOMIC_RELEASE);
	return true;
}

/* With the lock held. */
static uint32_t make(struct ch_type_table *table, const struct ch_type_source *source)
{
	struct ch_type_row **piece = &table->pieces[table->count >> CH_TYPES_PIECE_SHIFT];
	struct ch_type_row *row;

	if (table->count == CH_TYPES_MAX)
		return 0;
	if (!*piece)
		*piece = calloc(CH_TYPES_PIECE, sizeof(**piece));
	if (!*piece || (2 * table->count >= table->slots->mask && !grow(table)))
		return 0;
	row = chp_type_row(table, table->count + 1);
	row->type.walker = source->walker;
	row->type.key = source->key;
	row->provider = source->provider;
	put(table, table->slots, table->count + 1);
	return ++table->count;
}

/* What find() did not find; another thread may have made it since. */
static uint32_t find_or_make(struct ch_type_table *table, const struct ch_type_source *source)
{
	const struct ch_type_source other = { .walker = source->walker, .key = CH_TYPE_KEY_OTHER };
	uint32_t id;

	pthread_mutex_lock(&table->lock);
	id = find(table, source);
	if (!id && table->count >= CH_TYPES_MAX - ROWS_OTHER) {
		source = &other;
		id = find(table, source);
	}
	if (!id)
		id = make(table, source);
	pthread_mutex_unlock(&table->lock);
	return id;
}

uint32_t chp_type_intern(struct ch_type_table *table, const struct ch_type_source *source)
{
	uint32_t id = find(table, source);

	return id ? id : find_or_make(table, source);
}

/* The size classes of a walker. */
static uint32_t *make_sizes(struct ch_type_table *table, uint32_t walker)
{
	uint32_t *sizes;

	pthread_mutex_lock(&table->lock);
	sizes = table->sizes[walker];
	if (!sizes) {
		sizes = calloc(CH_TYPES_SIZE_SLOTS, sizeof(*sizes));
		__atomic_store_n(&table->sizes[walker], sizes, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&table->lock);
	return sizes;
}

bool chp_type_objects(struct ch_type_table *table, uint32_t walker, struct ch_object *objects,
		      size_t n)
{
	uint32_t *sizes = __atomic_load_n(&table->sizes[walker], __ATOMIC_ACQUIRE), *slot, id;
	struct ch_type_source source = { .walker = walker };
	size_t i;

	if (!sizes)
		sizes = make_sizes(table, walker);
	if (!sizes)
		return false;
	for (i = 0; i < n; i++) {
		source.key = chp_object_key(&objects[i]);
		slot = size_slot(sizes, source.key);
		id = slot ? __atomic_load_n(slot, __ATOMIC_RELAXED) : find(table, &source);
		if (__builtin_expect(!id, 0)) {
			id = find_or_make(table, &source);
			if (!id)
				return false;
			if (slot)
				__atomic_store_n(slot, id, __ATOMIC_RELEASE);
		}
		objects[i].type = id;
	}
	return true;
}

struct ch_error *chp_type_table_init(struct ch_type_table *table, size_t walkers)
{
	pthread_mutex_init(&table->lock, NULL);
	table->walkers = walkers;
	table->slots = make_slots(SLOTS_FIRST);
	table->sizes = calloc(walkers + 1, sizeof(*table->sizes));
	return table->slots && table->sizes ? NULL : &ch_enomem;
}

void chp_type_table_deinit(struct ch_type_table *table)
{
	struct ch_type_slots *older;
	struct ch_type_row *row;
	uint32_t id;
	size_t i;

	for (id = 1; id <= table->count; id++) {
		row = chp_type_row(table, id);
		if (row->owned)
			free((char *)(uintptr_t)row->type.name);
	}
	for (i = 0; i < CH_TYPES_MAX / CH_TYPES_PIECE; i++)
		free(table->pieces[i]);
	for (i = 0; table->sizes && i < table->walkers; i++)
		free(table->sizes[i]);
	free(table->sizes);
	for (; table->slots; table->slots = older) {
		older = table->slots->older;
		free(table->slots);
	}
	pthread_mutex_destroy(&table->lock);
}

/* ---- Names ---------------------------------------------------------------------- */

/* A name that is made of a number. */
static struct ch_error *name_by_number(struct ch_type_row *row, const char *before, uint64_t number,
				       const char *behind)
{
	char text[48], *name;

	snprintf(text, sizeof(text), "%s%llu%s", before, (unsigned long long)number, behind);
	name = strdup(text);
	if (!name)
		return &ch_enomem;
	row->type.name = name;
	row->type.unnamed = true;
	row->owned = true;
	return NULL;
}

static struct ch_error *name_engine_type(struct ch_type_row *row)
{
	static const struct {
		uint64_t key;
		const char *name;
	} names[] = {
		{ CH_TYPE_KEY_TOP, "top chunks" },
		{ CH_TYPE_KEY_BOOKKEEPING, "headers and fenceposts" },
		{ CH_TYPE_KEY_UNWALKED, "not covered by any block" },
		{ CH_TYPE_KEY_ABSENT, "not in the core" },
		{ CH_TYPE_KEY_OTHER, "other sizes" },
	};
	size_t i;

	row->type.basis = CH_BASIS_DERIVED;
	for (i = 0; i < CH_COUNT_OF(names); i++)
		if (names[i].key == row->type.key) {
			row->type.name = names[i].name;
			return NULL;
		}
	return name_by_number(row, "", row->type.key & ~CH_TYPE_KEY_ENGINE, "-byte blocks");
}

/* Who speaks where a walker names a type itself. */
static const char *walker_word(const struct ch_opened *opened)
{
	return opened && opened->walker->kind != CH_RUNTIME_ALLOCATOR ? CH_TYPE_BY_RUNTIME
								      : CH_TYPE_BY_POOL;
}

static struct ch_error *name_type(const struct ch_heaps *heaps, struct ch_type_row *row)
{
	const struct ch_opened *opened = chp_opened_of(heaps, row->type.walker);
	struct ch_type named = { .basis = CH_BASIS_DERIVED };
	struct ch_type_source source;
	struct ch_error *err = NULL;

	if (row->type.key >= CH_TYPE_KEY_ENGINE)
		return name_engine_type(row);
	if (row->provider) {
		source = (struct ch_type_source){ row->provider, row->type.walker, row->type.key };
		err = heaps->namer.name(heaps->namer.arg, &source, &named);
	} else if (opened && opened->types->name) {
		err = opened->types->name(opened->state, row->type.key, &named);
	} else if (opened && row->type.key < opened->types->names_count) {
		named.name = opened->types->names[row->type.key];
	}
	if (err)
		return err;
	row->type.name = named.name;
	row->type.module = named.module;
	row->type.purpose = named.purpose;
	row->type.basis = named.basis;
	if (named.name)
		row->type.by = named.by ? named.by : walker_word(opened);
	return named.name ? NULL : name_by_number(row, "type ", row->type.key, "");
}

struct ch_error *ch_heaps_type(struct ch_heaps *heaps, uint32_t type, struct ch_type *ret)
{
	struct ch_error *err = NULL;
	struct ch_type_row *row;

	if (!type || type > heaps->table.count)
		return ch_error_create(CH_ERROR_ARG, "there is no type %u", type);
	row = chp_type_row(&heaps->table, type);
	if (!row->named)
		err = name_type(heaps, row);
	if (err)
		return err;
	row->named = true;
	*ret = row->type;
	return NULL;
}

uint32_t chp_type_of(struct ch_heaps *heaps, uint32_t walker, uint64_t key)
{
	const struct ch_type_source source = { .walker = walker, .key = key };

	return chp_type_intern(&heaps->table, &source);
}

uint32_t chp_type_of_provider(struct ch_heaps *heaps, const struct ch_type_source *source)
{
	return chp_type_intern(&heaps->table, source);
}

/* Drop what was counted of heaps that are open; false: no memory. */
static bool keep_closed(struct ch_heaps *heaps, const bool *open)
{
	struct ch_type_stat *rows = heaps->types.items;
	bool *walkers = calloc(heaps->table.walkers + 1, sizeof(*walkers));
	size_t i, kept = 0;

	if (!walkers)
		return false;
	for (i = 0; i < heaps->heaps.count; i++)
		walkers[CH_VEC_AT(&heaps->heaps, struct ch_heap, i)->walker] |= open[i];
	for (i = 0; i < heaps->types.count; i++)
		if (!walkers[chp_type_walker(heaps, rows[i].type)])
			rows[kept++] = rows[i];
	heaps->types.count = kept;
	free(walkers);
	return true;
}

void chp_heaps_use_namer(struct ch_heaps *heaps, const struct ch_namer *namer, const bool *open)
{
	heaps->namer = *namer;
	/* what nobody named is counted */
	if (open && heaps->typed && keep_closed(heaps, open)) {
		heaps->recounted = open;
		heaps->typed = false;
	} else {
		chp_heaps_forget_types(heaps);
	}
}

void chp_heaps_forget_types(struct ch_heaps *heaps)
{
	heaps->typed = false;
	heaps->recounted = NULL;
	ch_vec_deinit(&heaps->types);
}

void chp_type_source(const struct ch_heaps *heaps, uint32_t type, struct ch_type_source *ret)
{
	const struct ch_type_row *row = chp_type_row(&heaps->table, type);

	*ret = (struct ch_type_source){ row->provider, row->type.walker, row->type.key };
}

uint64_t chp_type_key(const struct ch_heaps *heaps, uint32_t type)
{
	return chp_type_row(&heaps->table, type)->type.key;
}

uint32_t chp_type_walker(const struct ch_heaps *heaps, uint32_t type)
{
	return chp_type_row(&heaps->table, type)->type.walker;
}

bool chp_type_is_engine(const struct ch_heaps *heaps, uint32_t type)
{
	return chp_type_key(heaps, type) >= CH_TYPE_KEY_ENGINE;
}

uint32_t chp_type_other(struct ch_heaps *heaps, uint32_t type)
{
	return chp_type_of(heaps, chp_type_walker(heaps, type), CH_TYPE_KEY_OTHER);
}

const char *chp_type_short(const struct ch_type *type)
{
	static const char arrow[] = " -> ";
	const char *name = type->name, *next;

	if (!type->by || strcmp(type->by, CH_TYPE_BY_HOLDER) != 0)
		return name;
	while ((next = strstr(name, arrow)) != NULL)
		name = next + sizeof(arrow) - 1;
	return name;
}
