/*
 * What is inside of a Java object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

/* Classes that others derive from: a chain that is longer is damaged. Fields: JVMS 4.1, 16 bits. */
#define SUPERS_MAX 256
#define FIELDS_MAX 65536

/* A field before they are in order. Texts are owned. */
struct entry {
	char *name, *type, *declared_by;
	uint32_t offset, bytes;
	enum ch_value_kind kind;
};

struct listing {
	struct hs *hs;
	bool statics;
	char declared_by[HS_NAME_MAX];
	/* of struct entry */
	struct ch_vec entries;
	bool failed;
};

static bool take_field(void *arg, const struct hs_field *field)
{
	struct listing *listing = arg;
	char type[HS_NAME_MAX];
	struct entry *entry;

	if (field->is_static != listing->statics || listing->entries.count >= FIELDS_MAX)
		return true;
	entry = ch_vec_push(&listing->entries);
	if (!entry) {
		listing->failed = true;
		return false;
	}
	hs_java_name(field->signature, true, type, sizeof(type));
	entry->name = strdup(field->name);
	entry->type = strdup(type);
	entry->declared_by = strdup(listing->declared_by);
	entry->offset = field->offset;
	entry->kind = hs_value_kind(listing->hs, field->signature[0], &entry->bytes);
	/* the only numbers of the class library that are addresses by design */
	if (entry->bytes == 8 && strcmp(field->name, "address") == 0)
		entry->kind = CH_VALUE_POINTER;
	/* for good: the classes that follow must not make up for it */
	listing->failed |= !entry->name || !entry->type || !entry->declared_by;
	return !listing->failed;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void end_entries(struct ch_vec *entries)
{
	struct entry *list = entries->items;
	size_t i;

	for (i = 0; i < entries->count; i++) {
		free(list[i].name);
		free(list[i].type);
		free(list[i].declared_by);
	}
	ch_vec_deinit(entries);
}

/* Hand out what one class declares, or a class and all it derives from, by offset. */
static struct ch_error *hand_out(struct listing *listing, uint64_t base, ch_fields_fn fn, void *arg)
{
	struct entry *list = listing->entries.items;
	struct ch_error *err = listing->failed ? &ch_enomem : NULL;
	struct ch_field field;
	size_t i;

	ch_vec_sort(&listing->entries, compare_entries);
	for (i = 0; !err && i < listing->entries.count; i++) {
		field = (struct ch_field){ .name = list[i].name,
					   .type = list[i].type,
					   .declared_by = list[i].declared_by,
					   .kind = list[i].kind,
					   .offset = list[i].offset,
					   .addr = base ? base + list[i].offset : 0,
					   .size_bytes = list[i].bytes,
					   .is_static = listing->statics };
		err = fn(arg, &field);
	}
	end_entries(&listing->entries);
	listing->entries = CH_VEC(struct entry);
	return err;
}

static struct ch_error *list_fields(void *state, const struct ch_fields_query *query,
				    ch_fields_fn fn, void *arg)
{
	struct listing listing = { .hs = state,
				   .statics = query->statics,
				   .entries = CH_VEC(struct entry) };
	uint64_t klass = query->key, mirror, at;
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < SUPERS_MAX && klass > HS_TYPE_WASTE; i++) {
		if (!hs_klass_name(listing.hs, klass, listing.declared_by,
				   sizeof(listing.declared_by)))
			break;
		hs_fields_visit(listing.hs, klass, take_field, &listing);
		/* statics of each class lie in a mirror of its own */
		if (query->statics) {
			if (!hs_member_object(listing.hs, HS_KLASS_MIRROR, klass, &at, &mirror))
				mirror = 0;
			err = hand_out(&listing, mirror, fn, arg);
		}
		if (!hs_member_ptr(listing.hs, HS_KLASS_SUPER, klass, &klass))
			break;
	}
	return err ? err : hand_out(&listing, query->addr, fn, arg);
}

static void shape(void *state, uint64_t addr, uint64_t klass, struct ch_object_shape *ret)
{
	struct hs *hs = state;
	struct hs_shape of;

	memset(ret, 0, sizeof(*ret));
	if (klass <= HS_TYPE_WASTE) {
		ret->kind = CH_SHAPE_FREE;
		return;
	}
	if (!hs_shape_read(hs, klass, &of))
		return;
	if (of.layout < 0)
		hs_array_read(hs, addr, klass, (uint32_t)of.layout, ret);
	else if (klass == hs->string_klass)
		hs_string_read(hs, addr, klass, ret);
	else
		hs_throwable_frames(hs, addr, klass, ret);
}

static struct ch_error *find_type(void *state, const char *name, uint64_t *ret)
{
	struct hs *hs = state;
	struct ch_error *err = hs_classes_list(hs);
	const struct hs_class *classes = hs->classes.items;
	char text[HS_NAME_MAX];
	size_t i;

	*ret = 0;
	for (i = 0; !err && !*ret && i < hs->classes.count; i++) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)classes[i].klass);
		if (strcmp(text, name) == 0 ||
		    (hs_klass_name(hs, classes[i].klass, text, sizeof(text)) &&
		     strcmp(text, name) == 0))
			*ret = classes[i].klass;
	}
	return err;
}

static uint64_t reference(void *state, uint64_t word, uint32_t bytes)
{
	const struct hs *hs = state;

	if (bytes == 8)
		return hs_decode(hs, word);
	return word ? hs->oop_base + (word << hs->oop_shift) : 0;
}

const struct ch_inspector hs_inspector = {
	.shape = shape,
	.fields = list_fields,
	.find_type = find_type,
	.reference = reference,
	.string = hs_string,
	.tracing = &hs_tracing,
};
