/*
 * Fields and elements of blocks by debug information, for those who ask an inspector: bases and
 * what has no name of its own are shown as part of what they lie in, bytes that nothing uses as
 * holes. Nothing recurses: types may claim to hold themselves.
 */
#include "types/inside.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/session.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Bases of bases, unions in structures ... */
#define DEPTH_MAX 32
/* Fields of one type: what a type that holds itself is cut at. */
#define FIELDS_MAX    65536

#define KEY_TYPE(key) ((uint32_t)(key))
#define KEY_MANY(key) (((key) >> 32 & 1) != 0)

/* ---- Fields --------------------------------------------------------------------------- */

/* A type whose members are under way. */
struct level {
	const struct ch_ctype *type;
	uint32_t next;
	uint64_t offset;
	/* The base that declares them; NULL: the type itself. */
	const char *declared_by;
};

struct listing {
	struct ch_ctypes *ctypes;
	const struct ch_fields_query *query;
	ch_fields_fn fn;
	void *arg;
	/* Where the last byte that a field uses ends. */
	uint64_t end;
	uint32_t count;
};

static enum ch_value_kind kind_of_number(const struct ch_ctype *type)
{
	if (type->size_bytes > 8)
		return CH_VALUE_BYTES;
	switch (type->encoding) {
	case DW_ATE_boolean:
		return CH_VALUE_BOOL;
	case DW_ATE_float:
		return type->size_bytes == 4 || type->size_bytes == 8 ? CH_VALUE_FLOAT
								      : CH_VALUE_BYTES;
	case DW_ATE_signed:
	case DW_ATE_signed_char:
		return CH_VALUE_SIGNED;
	case DW_ATE_address:
	case DW_ATE_unsigned:
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
		return CH_VALUE_UNSIGNED;
	default:
		return CH_VALUE_BYTES;
	}
}

static enum ch_value_kind kind_of(struct ch_ctypes *ctypes, const struct ch_ctype *type)
{
	switch (type->kind) {
	case CH_CTYPE_POINTER:
		return CH_VALUE_POINTER;
	case CH_CTYPE_STRUCT:
	case CH_CTYPE_UNION:
		return CH_VALUE_STRUCT;
	case CH_CTYPE_BASE:
		return kind_of_number(type);
	case CH_CTYPE_ENUM:
		return type->target && chp_ctype(ctypes, type->target)->kind == CH_CTYPE_BASE
			       ? kind_of_number(chp_ctype(ctypes, type->target))
			       : CH_VALUE_UNSIGNED;
	case CH_CTYPE_VOID:
	case CH_CTYPE_ARRAY:
	case CH_CTYPE_FUNCTION:
	case CH_CTYPE_OPAQUE:
		break;
	}
	return CH_VALUE_BYTES;
}

static struct ch_error *say(struct listing *listing, const struct ch_field *field)
{
	if (listing->count++ >= FIELDS_MAX)
		return NULL;
	return listing->fn(listing->arg, field);
}

/* Bytes from the end of the last field to a place. */
static struct ch_error *say_hole(struct listing *listing, uint64_t to)
{
	struct ch_field field = { .name = "(hole)",
				  .kind = CH_VALUE_BYTES,
				  .offset = listing->end,
				  .size_bytes = to - listing->end };

	if (to <= listing->end)
		return NULL;
	field.addr = listing->query->addr ? listing->query->addr + field.offset : 0;
	listing->end = to;
	return say(listing, &field);
}

static struct ch_error *say_member(struct listing *listing, const struct level *level,
				   const struct ch_ctype_member *member)
{
	const struct ch_ctype *type = chp_ctype(listing->ctypes, member->type);
	_cleanup_free_ char *plain = chp_ctype_text(listing->ctypes, member->type), *bits = NULL;
	struct ch_field field = { .name = member->name ? member->name : "",
				  .declared_by = level->declared_by,
				  .type = plain,
				  .kind = kind_of(listing->ctypes, type),
				  .offset = level->offset + member->offset,
				  .size_bytes = type->size_bytes };
	uint64_t end = field.offset + type->size_bytes;
	struct ch_error *err;

	if (!plain)
		return &ch_enomem;
	if (member->bit_size) {
		if (asprintf(&bits, "%s : %u", plain, member->bit_size) < 0)
			return &ch_enomem;
		field.type = bits;
		field.kind = CH_VALUE_BYTES;
		field.size_bytes = (member->bit_offset + member->bit_size + 7U) / 8;
		end = field.offset + field.size_bytes;
	}
	if (type->kind == CH_CTYPE_ENUM || type->kind == CH_CTYPE_ARRAY ||
	    field.kind == CH_VALUE_STRUCT)
		field.inner = member->type;
	field.addr = listing->query->addr ? listing->query->addr + field.offset : 0;
	err = say_hole(listing, field.offset);
	listing->end = ch_max(listing->end, end);
	return err ? err : say(listing, &field);
}

/* Whether a member is shown by what is in it. */
static bool is_part(const struct ch_ctype_member *member, const struct ch_ctype *type)
{
	return (member->is_base || !member->name) &&
	       (type->kind == CH_CTYPE_STRUCT || type->kind == CH_CTYPE_UNION);
}

static struct ch_error *list_members(struct listing *listing, const struct ch_ctype *type)
{
	struct level levels[DEPTH_MAX] = { { .type = type } }, *level;
	const struct ch_ctype_member *member;
	const struct ch_ctype *inner;
	struct ch_error *err = NULL;
	uint32_t depth = 1;

	while (!err && depth && listing->count < FIELDS_MAX) {
		level = &levels[depth - 1];
		if (level->next == level->type->members_count) {
			depth--;
			continue;
		}
		member = &level->type->members[level->next++];
		inner = chp_ctype(listing->ctypes, member->type);
		if (!is_part(member, inner) || depth == DEPTH_MAX) {
			err = say_member(listing, level, member);
			continue;
		}
		levels[depth++] =
			(struct level){ .type = inner,
					.offset = level->offset + member->offset,
					.declared_by = member->is_base ? inner->name
								       : level->declared_by };
		/* two of two of two ... that are empty are no fields, and do not end */
		listing->count++;
	}
	return err ? err : say_hole(listing, type->size_bytes);
}

/* Elements of an array in place. */
static struct ch_error *list_elements(struct listing *listing, const struct ch_ctype *array)
{
	const struct ch_ctype *type = chp_ctype(listing->ctypes, array->target);
	_cleanup_free_ char *text = chp_ctype_text(listing->ctypes, array->target);
	struct ch_error *err = NULL;
	char name[24];
	uint64_t i;

	if (!text)
		return &ch_enomem;
	for (i = 0; !err && type->size_bytes && i < ch_min(array->count, FIELDS_MAX); i++) {
		struct ch_field field = { .name = name,
					  .type = text,
					  .kind = kind_of(listing->ctypes, type),
					  .offset = i * type->size_bytes,
					  .size_bytes = type->size_bytes,
					  .inner = array->target };

		snprintf(name, sizeof(name), "[%llu]", (unsigned long long)i);
		field.addr = listing->query->addr ? listing->query->addr + field.offset : 0;
		err = say(listing, &field);
	}
	return err;
}

static struct ch_error *fields(void *state, const struct ch_fields_query *query, ch_fields_fn fn,
			       void *arg)
{
	const struct ch_inside *inside = state;
	const struct ch_ctype *type = chp_ctype(inside->ctypes, KEY_TYPE(query->key));
	struct listing listing = { inside->ctypes, query, fn, arg, 0, 0 };

	/* They are variables, which have names of their own. */
	if (query->statics)
		return NULL;
	if (type->kind == CH_CTYPE_ARRAY)
		return list_elements(&listing, type);
	return type->kind == CH_CTYPE_STRUCT || type->kind == CH_CTYPE_UNION
		       ? list_members(&listing, type)
		       : NULL;
}

/* ---- Elements ------------------------------------------------------------------------- */

/* Where the first of many objects is: new[] of C++ puts their number before those that are to be
 * destroyed (Itanium C++ ABI, 2.7), of which a class with virtual functions says itself that it
 * begins otherwise. */
static uint64_t first_at(const struct ch_inside *inside, uint64_t addr, const struct ch_ctype *type)
{
	uint64_t count, bytes;
	struct ch_object object;

	return type->has_vtable && ch_heaps_object_at(inside->heaps, addr, &object) &&
			       ch_core_read_u64(inside->core, addr, &count) &&
			       ch_mul(count, type->size_bytes, &bytes) &&
			       ch_inside(8, bytes, object.size_bytes)
		       ? 8
		       : 0;
}

static void shape(void *state, uint64_t addr, uint64_t key, struct ch_object_shape *ret)
{
	const struct ch_inside *inside = state;
	const struct ch_ctype *type = chp_ctype(inside->ctypes, KEY_TYPE(key));
	_cleanup_free_ char *text = NULL;
	struct ch_object object;
	uint64_t first;

	*ret = (struct ch_object_shape){ .kind = CH_SHAPE_OBJECT };
	if (!addr)
		ret->facts[ret->facts_count++] =
			(struct ch_fact){ .key = "size_bytes", .number = type->size_bytes };
	if (!KEY_MANY(key) || !type->size_bytes || type->size_bytes > UINT32_MAX ||
	    !ch_heaps_object_at(inside->heaps, addr, &object))
		return;
	text = chp_ctype_text(inside->ctypes, KEY_TYPE(key));
	ret->kind = CH_SHAPE_ARRAY;
	ret->rank = 1;
	first = first_at(inside, addr, type);
	ret->count = (object.size_bytes - first) / type->size_bytes;
	ret->lengths[0] = (uint32_t)ch_min(ret->count, UINT32_MAX);
	ret->data_addr = addr + first;
	ret->element_bytes = (uint32_t)type->size_bytes;
	ret->element_kind = kind_of(inside->ctypes, type);
	ret->element_inner = KEY_TYPE(key);
	snprintf(ret->element_type, sizeof(ret->element_type), "%s", text ? text : "");
}

static bool value_text(void *state, uint64_t key, uint64_t value, char *buf, size_t max)
{
	const struct ch_inside *inside = state;
	const char *name = chp_ctype_enumerator(inside->ctypes, KEY_TYPE(key), value);

	if (name)
		snprintf(buf, max, "%s", name);
	return name != NULL;
}

static struct ch_error *find_type(void *state, const char *name, uint64_t *ret)
{
	const struct ch_inside *inside = state;

	*ret = chp_ctype_named(inside->ctypes, NULL, name);
	return NULL;
}

/* ---- Places --------------------------------------------------------------------------- */

/* The member at an offset: of a union's the first pointer, else the first. */
static const struct ch_ctype_member *member_at(struct ch_ctypes *ctypes,
					       const struct ch_ctype *type, uint64_t offset)
{
	const struct ch_ctype_member *member, *found = NULL;
	const struct ch_ctype *inner;
	uint32_t i;

	for (i = 0; i < type->members_count; i++) {
		member = &type->members[i];
		inner = chp_ctype(ctypes, member->type);
		if (offset < member->offset ||
		    (inner->size_bytes && offset - member->offset >= inner->size_bytes))
			continue;
		if (!inner->size_bytes && inner->kind != CH_CTYPE_ARRAY)
			continue;
		if (inner->kind == CH_CTYPE_POINTER)
			return member;
		found = found ? found : member;
	}
	return found;
}

struct place {
	char *buf;
	size_t max, len;
};

static void append(struct place *place, const char *before, const char *text, const char *behind)
{
	int len = snprintf(place->buf + place->len, place->max - place->len, "%s%s%s", before, text,
			   behind);

	place->len = len < 0 ? place->len : ch_min(place->len + (size_t)len, place->max - 1);
}

/* The element of so many bytes each that an offset lies in; what is left of the offset. */
static uint64_t append_element(struct place *place, uint64_t offset, uint64_t bytes)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)(offset / bytes));
	append(place, "[", number, "]");
	return offset % bytes;
}

/* What lies inside of a type of the library is its own affair: ".by_user" says it all. */
static bool is_of_library(const struct ch_ctype *type)
{
	return type->name && strncmp(type->name, "std::", 5) == 0;
}

static bool place_text(void *state, uint64_t addr, uint64_t key, uint64_t offset, char *buf,
		       size_t max)
{
	const struct ch_inside *inside = state;
	const struct ch_ctype *type = chp_ctype(inside->ctypes, KEY_TYPE(key)), *element;
	struct place place = { buf, max, 0 };
	const struct ch_ctype_member *member;
	uint64_t first;
	uint32_t depth;

	buf[0] = '\0';
	if (KEY_MANY(key)) {
		first = first_at(inside, addr, type);
		if (!type->size_bytes || offset < first)
			return false;
		offset = append_element(&place, offset - first, type->size_bytes);
	}
	for (depth = 0; depth < DEPTH_MAX && !(place.len && is_of_library(type)); depth++) {
		if (type->kind == CH_CTYPE_ARRAY) {
			element = chp_ctype(inside->ctypes, type->target);
			if (!element->size_bytes)
				break;
			offset = append_element(&place, offset, element->size_bytes);
			type = element;
			continue;
		}
		member = type->kind == CH_CTYPE_STRUCT || type->kind == CH_CTYPE_UNION
				 ? member_at(inside->ctypes, type, offset)
				 : NULL;
		if (!member)
			break;
		if (member->name)
			append(&place, ".", member->name, "");
		offset -= member->offset;
		type = chp_ctype(inside->ctypes, member->type);
	}
	return place.len != 0;
}

const struct ch_inspector chp_inside_inspector = {
	.shape = shape,
	.fields = fields,
	.value_text = value_text,
	.find_type = find_type,
	.place_text = place_text,
};

/* ---- Its life ------------------------------------------------------------------------- */

struct ch_inside *chp_session_inside(struct ch_session *session)
{
	struct ch_inside *inside = chp_session_kept(session, CH_SESSION_INSIDE);
	struct ch_error *err;

	if (inside)
		return inside;
	inside = calloc(1, sizeof(*inside));
	if (!inside)
		return NULL;
	inside->core = ch_session_core(session);
	err = chp_session_ctypes(session, &inside->ctypes);
	if (!err)
		err = ch_session_heaps(session, &inside->heaps);
	if (err) {
		ch_error_destroy(err);
		free(inside);
		return NULL;
	}
	chp_session_keep(session, CH_SESSION_INSIDE, inside, free);
	return inside;
}
