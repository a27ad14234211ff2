/*
 * Classes with the fields that they declare, one after the other.
 */
#include <stdlib.h>
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

/* JVMS 4.1: a class file counts its fields in 16 bits. */
#define FIELDS_MAX 65535
/* Classes that derive from each other: a longer chain is damaged. */
#define SUPERS_MAX 256

struct declaring {
	const struct hs *hs;
	/* of struct ch_class_field, whose names are owned */
	struct ch_vec fields;
	bool failed;
};

static bool take_field(void *arg, const struct hs_field *field)
{
	struct declaring *declaring = arg;
	struct ch_class_field *slot;

	if (declaring->fields.count >= FIELDS_MAX)
		return false;
	slot = ch_vec_push(&declaring->fields);
	if (!slot) {
		declaring->failed = true;
		return false;
	}
	*slot = (struct ch_class_field){ .name = strdup(field->name),
					 .code = field->signature[0],
					 .is_static = field->is_static,
					 .offset = field->offset };
	hs_value_kind(declaring->hs, slot->code, &slot->bytes);
	declaring->failed |= !slot->name;
	return !declaring->failed;
}

static void end_fields(struct declaring *declaring)
{
	struct ch_class_field *list = declaring->fields.items;
	size_t i;

	for (i = 0; i < declaring->fields.count; i++)
		free((char *)(uintptr_t)list[i].name);
	ch_vec_deinit(&declaring->fields);
}

/* Arrays derive from java.lang.Object, whatever the JVM has between the two. */
static uint64_t super_of(const struct hs *hs, uint64_t klass, bool is_array)
{
	uint64_t found = 0, super;
	uint32_t i;

	for (i = 0; i < SUPERS_MAX && hs_member_ptr(hs, HS_KLASS_SUPER, klass, &super) && super;
	     i++) {
		found = klass = super;
		if (!is_array)
			break;
	}
	return found;
}

static struct ch_error *tell(const struct hs *hs, const struct hs_class *class, ch_classes_fn fn,
			     void *arg)
{
	struct declaring declaring = { .hs = hs, .fields = CH_VEC(struct ch_class_field) };
	struct ch_class of = { .key = class->klass,
			       .object = class->mirror,
			       .always = !class->loader };
	char name[HS_NAME_MAX];
	struct ch_error *err;
	uint64_t data, at;

	if (!hs_klass_symbol(hs, class->klass, name, sizeof(name)))
		return NULL;
	of.name = name;
	if (name[0] == '[')
		of.element = name[1];
	of.super = super_of(hs, class->klass, of.element);
	if (!hs_member_ptr(hs, HS_KLASS_LOADER, class->klass, &data) || !data ||
	    !hs_member_object(hs, HS_LOADER_OOP, data, &at, &of.loader))
		of.loader = 0;
	hs_fields_visit(hs, class->klass, take_field, &declaring);
	of.fields = declaring.fields.items;
	of.fields_count = declaring.fields.count;
	err = declaring.failed ? &ch_enomem : fn(arg, &of);
	end_fields(&declaring);
	return err;
}

struct ch_error *hs_classes_visit(void *state, ch_classes_fn fn, void *arg)
{
	struct hs *hs = state;
	struct ch_error *err = hs_classes_list(hs);
	const struct hs_class *classes = hs->classes.items;
	size_t i;

	for (i = 0; !err && i < hs->classes.count; i++)
		err = tell(hs, &classes[i], fn, arg);
	return err;
}
