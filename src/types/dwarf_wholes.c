/*
 * What has a member of a type at an offset, so that a pointer to the member says what the block
 * is: links of lists inside of what is linked, structures that begin with another one, texts
 * behind a header.
 *
 * The members of all types that debug information defines are listed once, when that is first
 * asked for. Which of them fit blocks of one size is found once for each size.
 */
#include <string.h>

#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/hash.h"

/* Members of one type, with those of its members, that are listed. */
#define PARTS_MAX 256

/* ---- The list ----------------------------------------------------------------------- */

/* Never 0: no type has the number 0. */
static uint64_t key_of(uint32_t type, uint64_t offset)
{
	return offset << 32 | type;
}

/* Numbers in tables are places in lists. */
static struct ch_error *add(struct ch_vec *list, struct ch_table *first, uint64_t key,
			    uint32_t type)
{
	struct whole *added = ch_vec_push(list);

	if (!added)
		return &ch_enomem;
	*added = (struct whole){ .type = type, .next = ch_table_find(first, key) };
	return ch_table_put(first, key, (uint32_t)list->count - 1) ? NULL : &ch_enomem;
}

/* What a pointer into such a member leads to; 0: to nothing that is looked for. */
static uint32_t pointee_of(struct dwarf *dwarf, uint32_t type)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);

	if (ctype->kind == CH_CTYPE_STRUCT)
		return type;
	return ctype->kind == CH_CTYPE_ARRAY && !ctype->count &&
			       chp_ctype(dwarf->ctypes, ctype->target)->size_bytes == 1
		       ? ctype->target
		       : 0;
}

static struct ch_error *list_members(struct dwarf *dwarf, uint32_t whole)
{
	struct {
		uint32_t type;
		uint64_t offset;
	} parts[PARTS_MAX] = { { whole, 0 } };
	const struct ch_ctype_member *member;
	const struct ch_ctype *part;
	struct ch_error *err = NULL;
	size_t count = 1, at;
	uint64_t offset;
	uint32_t i, pointee;

	for (at = 0; !err && at < count; at++) {
		part = chp_ctype(dwarf->ctypes, parts[at].type);
		for (i = 0; !err && i < part->members_count; i++) {
			member = &part->members[i];
			pointee = member->bit_size ? 0 : pointee_of(dwarf, member->type);
			if (!pointee || !ch_add(parts[at].offset, member->offset, &offset) ||
			    offset > UINT32_MAX)
				continue;
			err = add(&dwarf->wholes, &dwarf->wholes_at, key_of(pointee, offset),
				  whole);
			if (count == PARTS_MAX || part->kind != CH_CTYPE_STRUCT)
				continue;
			parts[count].type = pointee;
			parts[count++].offset = offset;
		}
	}
	return err;
}

static struct ch_error *list_type(void *arg, uint32_t type)
{
	struct dwarf *dwarf = arg;
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);

	if (ctype->kind != CH_CTYPE_STRUCT || !ctype->name || ctype->has_vtable)
		return NULL;
	return list_members(dwarf, type);
}

/* ---- What fits ---------------------------------------------------------------------- */

/* List those that fit a block's size: *ret is the place of the first, CH_TABLE_NONE: none. */
static struct ch_error *list_fitting(struct dwarf *dwarf, uint64_t key, uint64_t size_bytes,
				     uint32_t *ret)
{
	uint32_t place = ch_table_find(&dwarf->wholes_at, key);
	const struct whole *whole;
	struct ch_error *err = NULL;
	uint64_t hash;

	*ret = CH_TABLE_NONE;
	if (place == CH_TABLE_NONE)
		return NULL;
	hash = ch_hash_number(ch_hash_number(CH_HASH_START, key), size_bytes) | 1;
	*ret = ch_table_find(&dwarf->fitting_at, hash);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	/* one that is void stands at the end, so that a list of none is a list, too */
	err = add(&dwarf->fitting, &dwarf->fitting_at, hash, 0);
	for (; !err && place != CH_TABLE_NONE; place = whole->next) {
		whole = CH_VEC_AT(&dwarf->wholes, struct whole, place);
		err = chp_dwarf_leads(dwarf, whole->type, &(struct leads){ 0 });
		if (!err && chp_dwarf_fits_size(dwarf, whole->type, size_bytes))
			err = add(&dwarf->fitting, &dwarf->fitting_at, hash, whole->type);
	}
	*ret = ch_table_find(&dwarf->fitting_at, hash);
	return err;
}

/* A header before a text tells its length: some number in it does. */
static bool tells_length(struct dwarf *dwarf, const struct ch_ctype *whole, uint64_t addr,
			 uint64_t offset, uint64_t size_bytes)
{
	const struct ch_ctype_member *member;
	uint8_t bytes[8], end;
	uint64_t number, size;
	uint32_t i;

	for (i = 0; i < whole->members_count; i++) {
		member = &whole->members[i];
		size = chp_ctype(dwarf->ctypes, member->type)->size_bytes;
		memset(bytes, 0, sizeof(bytes));
		if (chp_ctype(dwarf->ctypes, member->type)->kind != CH_CTYPE_BASE ||
		    member->bit_size || size > 8 || member->offset >= offset ||
		    !ch_core_try_read(dwarf->core, addr + member->offset, bytes, size))
			continue;
		number = ch_get64(bytes);
		if (number && number < size_bytes - offset &&
		    ch_core_try_read(dwarf->core, addr + offset + number, &end, 1) && !end)
			return true;
	}
	return false;
}

static struct ch_error *may_be(struct dwarf *dwarf, uint32_t whole, const struct pointer *pointer,
			       const struct ch_named_block *block, bool *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, whole);
	struct ch_error *err;

	err = chp_dwarf_holds(dwarf, whole, block->addr, 1, ret);
	if (!err && *ret && chp_ctype(dwarf->ctypes, pointer->type)->size_bytes == 1)
		*ret = tells_length(dwarf, ctype, block->addr, pointer->value - block->addr,
				    block->size_bytes);
	return err;
}

struct ch_error *chp_dwarf_whole(struct dwarf *dwarf, const struct pointer *pointer,
				 const struct ch_named_block *block, uint32_t *ret)
{
	const uint64_t offset = pointer->value - block->addr;
	struct ch_error *err = NULL;
	uint32_t place, found = 0;
	struct whole whole;
	bool may;

	*ret = 0;
	if (!dwarf->is_listed) {
		dwarf->is_listed = true;
		err = chp_ctypes_definitions(dwarf->ctypes, list_type, dwarf);
	}
	if (err || offset > UINT32_MAX)
		return err;
	err = list_fitting(dwarf, key_of(pointer->type, offset), block->size_bytes, &place);
	for (; !err && place != CH_TABLE_NONE; place = whole.next) {
		whole = *CH_VEC_AT(&dwarf->fitting, struct whole, place);
		if (!whole.type || whole.type == found ||
		    chp_dwarf_begins(dwarf, found, whole.type))
			continue;
		err = may_be(dwarf, whole.type, pointer, block, &may);
		if (err || !may)
			continue;
		/* links lead from their like to their like, but for the one where the ring begins
		 */
		if (whole.type == pointer->source) {
			*ret = whole.type;
			return NULL;
		}
		if (found && !chp_dwarf_begins(dwarf, whole.type, found) &&
		    !chp_dwarf_alike(dwarf, whole.type, found))
			return NULL;
		/* of two that differ in nothing but their names, the same one every time */
		if (!found || !chp_dwarf_alike(dwarf, whole.type, found) ||
		    strcmp(chp_ctype(dwarf->ctypes, whole.type)->name,
			   chp_ctype(dwarf->ctypes, found)->name) > 0)
			found = whole.type;
	}
	if (!err)
		*ret = found;
	return err;
}
