/*
 * The list of all loaded classes, made once, when the first question needs it: by loader, with
 * the mirror and the static references of each; and what keeps a class alive, its loader's
 * object or its own mirror. loaders.c tells what loaders hold besides.
 *
 * Facts: classfile/classLoaderData.{hpp,cpp} of openjdk/jdk (jdk-11+28, jdk-17+35, jdk-25+36).
 *
 * - The data of the boot loader, and of those that the JVM refers to itself, are always
 *   alive. Any other loader lives as long as something reaches its object: an object reaches
 *   its class, that its loader, and a loader all that its data hold.
 * - A hidden class may have data of its own (_has_class_mirror_holder): these live as long as
 *   its java.lang.Class does.
 */
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/ring.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Lists that are longer are damaged: classes that derive from each other, all classes. */
#define SUPERS_MAX  256
#define CLASSES_MAX (1U << 22)

static bool is_builtin(const struct hs *hs, uint64_t loader)
{
	static const char *const names[] = { "jdk/internal/loader/ClassLoaders$AppClassLoader",
					     "jdk/internal/loader/ClassLoaders$PlatformClassLoader",
					     "sun/misc/Launcher$AppClassLoader",
					     "sun/misc/Launcher$ExtClassLoader" };
	char name[HS_NAME_MAX];
	size_t i;

	if (!hs_klass_symbol(hs, hs_klass_at(hs, loader), name, sizeof(name)))
		return false;
	for (i = 0; i < CH_COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_of_one_class(const struct hs *hs, uint64_t data)
{
	uint64_t at = hs_member_addr(hs, HS_LOADER_IS_HIDDEN, data);
	struct ch_error *err;
	uint8_t byte;

	if (!at)
		return false;
	err = ch_core_read(hs->core, at, &byte, 1);
	ch_error_destroy(err);
	return !err && byte == 1;
}

/* The class of instances that data with one have: arrays of it are there, too. */
static uint64_t only_mirror(const struct hs *hs, uint64_t data)
{
	uint64_t klass, at, mirror;
	struct hs_shape shape;
	uint32_t i;

	if (!hs_member_ptr(hs, HS_LOADER_KLASSES, data, &klass))
		return 0;
	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (hs_shape_read(hs, klass, &shape) && shape.layout >= 0)
			return hs_member_object(hs, HS_KLASS_MIRROR, klass, &at, &mirror) ? mirror
											  : 0;
		if (!hs_member_ptr(hs, HS_KLASS_NEXT, klass, &klass))
			break;
	}
	return 0;
}

uint64_t hs_loader_holder(const struct hs *hs, uint64_t data)
{
	uint64_t at, loader;

	if (is_of_one_class(hs, data))
		return only_mirror(hs, data);
	if (!hs_member_object(hs, HS_LOADER_OOP, data, &at, &loader) || is_builtin(hs, loader))
		return 0;
	return loader;
}

uint64_t hs_class_keeper(const struct hs *hs, uint64_t klass)
{
	uint64_t data, at, mirror;

	if (!hs_member_ptr(hs, HS_KLASS_LOADER, klass, &data) || !data ||
	    !hs_loader_holder(hs, data) ||
	    !hs_member_object(hs, HS_KLASS_MIRROR, klass, &at, &mirror))
		return 0;
	return mirror;
}

bool hs_is_loader_class(const struct hs *hs, uint64_t klass)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return false;
		if (strcmp(name, "java/lang/ClassLoader") == 0)
			return true;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return false;
	}
	return false;
}

struct ch_error *hs_loader_add(struct hs *hs, uint64_t data, uint64_t classes_count)
{
	struct ch_loader *loader = ch_vec_push(&hs->loaders);
	uint64_t at;

	if (!loader)
		return &ch_enomem;
	*loader = (struct ch_loader){ .classes_count = classes_count,
				      .data_addr = data,
				      .hidden = is_of_one_class(hs, data),
				      .addr = hs_loader_holder(hs, data) };
	loader->always = !loader->addr;
	if (!loader->addr && !loader->hidden &&
	    !hs_member_object(hs, HS_LOADER_OOP, data, &at, &loader->addr))
		loader->addr = 0;
	if (loader->addr)
		loader->key = hs_klass_at(hs, loader->addr);
	return NULL;
}

struct listing {
	struct hs *hs;
	struct hs_class class;
	struct ch_error *err;
};

static bool take_static(void *arg, const struct hs_field *field)
{
	struct listing *listing = arg;
	struct hs_static *slot;

	if (!field->is_static || (field->signature[0] != 'L' && field->signature[0] != '['))
		return true;
	slot = ch_vec_push(&listing->hs->statics);
	if (!slot) {
		listing->err = &ch_enomem;
		return false;
	}
	*slot = (struct hs_static){ .klass = listing->class.klass,
				    .addr = listing->class.mirror + field->offset,
				    .offset = field->offset };
	return true;
}

/* Strings are asked for by the million: what is to be known of them is looked up once. */
static void meet_string(struct hs *hs, uint64_t klass)
{
	char name[HS_NAME_MAX];

	if (hs->string_klass || !hs_klass_symbol(hs, klass, name, sizeof(name)) ||
	    strcmp(name, "java/lang/String") != 0)
		return;
	hs->string_value = hs_field_offset(hs, klass, "value", false);
	hs->string_coder = hs_field_offset(hs, klass, "coder", false);
	if (hs->string_value)
		hs->string_klass = klass;
}

static struct ch_error *add_class(struct hs *hs, uint64_t klass, uint64_t loader)
{
	struct listing listing = { .hs = hs, .class = { .klass = klass, .loader = loader } };
	struct hs_class *slot;
	uint64_t at;

	if (!hs_member_object(hs, HS_KLASS_MIRROR, klass, &at, &listing.class.mirror))
		listing.class.mirror = 0;
	slot = ch_vec_push(&hs->classes);
	if (!slot)
		return &ch_enomem;
	*slot = listing.class;
	meet_string(hs, klass);
	/* those of a loader that may die are reached through their class */
	if (listing.class.mirror && !loader)
		hs_fields_visit(hs, klass, take_static, &listing);
	return listing.err;
}

/* Where the list is not in the tables, a class must know its loader. */
static bool belongs_to(const struct hs *hs, uint64_t klass, uint64_t loader)
{
	uint64_t data;

	return !hs->members[HS_LOADER_KLASSES].is_guess ||
	       (hs_member_ptr(hs, HS_KLASS_LOADER, klass, &data) && data == loader);
}

static struct ch_error *list_loader(struct hs *hs, uint64_t loader)
{
	struct ch_ring ring = { 0 };
	struct ch_error *err = NULL;
	uint64_t klass, mortal;

	if (!hs_member_ptr(hs, HS_LOADER_KLASSES, loader, &klass))
		return NULL;
	mortal = hs_loader_holder(hs, loader) ? loader : 0;
	while (!err && klass && hs->classes.count < CLASSES_MAX) {
		if (ch_ring_is_met(&ring, klass) || !belongs_to(hs, klass, loader)) {
			chp_context_finding(hs->env->ctx, chp_blame(hs->env), "jvm-damaged",
					    "the list of a class loader's classes is damaged: not "
					    "all classes are known");
			break;
		}
		err = add_class(hs, klass, mortal);
		if (!err && hs->classes.count % 1024 == 0)
			err = chp_context_check(hs->env->ctx);
		if (!hs_member_ptr(hs, HS_KLASS_NEXT, klass, &klass))
			break;
	}
	return err;
}

struct ch_error *hs_classes_list(struct hs *hs)
{
	struct ch_ring ring = { 0 };
	struct ch_error *err = NULL;
	uint64_t loader;
	size_t before;
	uint32_t i;

	if (hs->classes_listed)
		return NULL;
	hs->classes_listed = true;
	if (!hs_member_ptr(hs, HS_LOADERS, 0, &loader)) {
		if (hs->members[HS_LOADERS].found)
			chp_context_finding(hs->env->ctx, CH_SEVERITY_INCOMPLETE, "jvm-no-classes",
					    "the list of class loaders is not in the core: static "
					    "fields are not known as roots");
		return NULL;
	}
	for (i = 0; !err && loader && i < HS_LOADERS_MAX && !ch_ring_is_met(&ring, loader); i++) {
		before = hs->classes.count;
		err = list_loader(hs, loader);
		if (!err)
			err = hs_loader_add(hs, loader, hs->classes.count - before);
		if (!err)
			err = chp_context_check(hs->env->ctx);
		if (!hs_member_ptr(hs, HS_LOADER_NEXT, loader, &loader))
			break;
	}
	return err;
}

bool hs_constants_of(const struct hs *hs, uint64_t klass, uint64_t *at_ret, uint64_t *ret)
{
	uint64_t pool, cache;
	struct hs_shape shape;

	if (!hs_shape_read(hs, klass, &shape) || shape.layout < 0 ||
	    !hs_member_ptr(hs, HS_KLASS_CONSTANTS, klass, &pool))
		return false;
	if (hs->members[HS_POOL_OWN_RESOLVED].found)
		return hs_member_object(hs, HS_POOL_OWN_RESOLVED, pool, at_ret, ret);
	return hs_member_ptr(hs, HS_POOL_CACHE, pool, &cache) &&
	       hs_member_object(hs, HS_POOL_RESOLVED, cache, at_ret, ret);
}
