/*
 * Types of Go: reading descriptions, their names, and what values of a type lead to.
 */
#include "walkers/go/rtypes.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* internal/abi/type.go, Type: Go 1.17 to 1.27. */
#define PTR_BYTES_AT 8U
#define FLAGS_AT     20U
#define KIND_AT      23U
#define GCDATA_AT    32U
#define NAME_AT      40U
#define TYPE_BYTES   48U
/* Behind it, by kind. */
#define ELEM_AT     48U
#define FIELDS_AT   56U
#define COUNT_AT    64U
#define BUCKET_AT   64U
#define EXTRA_BYTES 24U
#define FIELD_BYTES 24U
#define FLAG_STAR   2U
#define KIND_MASK   31U
/* Until 1.23. */
#define KIND_PROGRAM 64U
/* No type of a program is larger. */
#define SIZE_MAX_BYTES (1ULL << 40)
#define FIELDS_MAX     65536U
/* Of one type: leads that are kept, and steps to find them. */
#define LEADS_MAX 1024U
#define STEPS_MAX 16384U
#define DEPTH_MAX 64U

static bool is_in_types(const struct go *go, uint64_t addr)
{
	const struct go_module *modules = go->code.modules.items;
	size_t i;

	for (i = 0; i < go->code.modules.count; i++)
		if (addr >= modules[i].types.start && addr < modules[i].types.end)
			return true;
	return false;
}

/* What kinds have behind the rest. */
static void read_extra(struct go_rtype *type, const uint8_t *p)
{
	switch (type->kind) {
	case GO_KIND_ARRAY:
		type->elem = ch_get64(p);
		type->count = ch_get64(p + COUNT_AT - TYPE_BYTES);
		return;
	case GO_KIND_CHAN:
	case GO_KIND_POINTER:
	case GO_KIND_SLICE:
		type->elem = ch_get64(p);
		return;
	case GO_KIND_MAP:
		type->elem = ch_get64(p + BUCKET_AT - TYPE_BYTES);
		return;
	case GO_KIND_STRUCT:
		type->fields = ch_get64(p + FIELDS_AT - TYPE_BYTES);
		type->count = ch_get64(p + FIELDS_AT + 8 - TYPE_BYTES);
		return;
	case GO_KIND_INTERFACE:
		type->empty = !ch_get64(p + FIELDS_AT + 8 - TYPE_BYTES);
		return;
	default:
		return;
	}
}

bool go_rtype_read(const struct go *go, uint64_t addr, struct go_rtype *ret)
{
	uint8_t p[TYPE_BYTES + EXTRA_BYTES];

	memset(p, 0, sizeof(p));
	if (!is_in_types(go, addr) || addr % 8 ||
	    (!ch_core_try_read(go->env.core, addr, p, sizeof(p)) &&
	     !ch_core_try_read(go->env.core, addr, p, TYPE_BYTES)))
		return false;
	*ret = (struct go_rtype){ .addr = addr,
				  .size_bytes = ch_get64(p),
				  .ptr_bytes = ch_get64(p + PTR_BYTES_AT),
				  .flags = p[FLAGS_AT],
				  .kind = p[KIND_AT] & KIND_MASK,
				  .program = p[KIND_AT] & KIND_PROGRAM,
				  .gcdata = ch_get64(p + GCDATA_AT) };
	if (!ret->kind || ret->kind > GO_KIND_UNSAFE_POINTER || ret->size_bytes > SIZE_MAX_BYTES ||
	    ret->ptr_bytes > ret->size_bytes || ret->ptr_bytes % 8)
		return false;
	read_extra(ret, p + TYPE_BYTES);
	return ret->kind != GO_KIND_STRUCT || ret->count <= FIELDS_MAX;
}

/* ---- Names ------------------------------------------------------------------------------ */

/* internal/abi/type.go, Name: a byte of flags, the length in base 128, the text. */
bool go_rname_text(const struct go *go, uint64_t addr, char *buf, size_t max)
{
	uint8_t head[4];
	uint32_t bytes, lead;

	if (!ch_core_try_read(go->env.core, addr, head, sizeof(head)))
		return false;
	bytes = head[1] & 0x7f;
	lead = head[1] & 0x80 ? 3 : 2;
	if (lead == 3)
		bytes |= (uint32_t)(head[2] & 0x7f) << 7;
	if (!bytes || (lead == 3 && head[2] & 0x80))
		return false;
	bytes = (uint32_t)ch_min(bytes, max - 1);
	if (!ch_core_try_read(go->env.core, addr + lead, buf, bytes))
		return false;
	buf[bytes] = '\0';
	return strlen(buf) == bytes;
}

bool go_rtype_name(const struct go *go, uint64_t addr, char *buf, size_t max)
{
	const struct go_module *modules = go->code.modules.items;
	uint32_t offset;
	uint8_t flags;
	size_t i;

	if (!ch_core_read_u32(go->env.core, addr + NAME_AT, &offset) ||
	    !ch_core_try_read(go->env.core, addr + FLAGS_AT, &flags, 1))
		return false;
	for (i = 0; i < go->code.modules.count; i++)
		if (addr >= modules[i].types.start && addr < modules[i].types.end)
			break;
	if (i == go->code.modules.count ||
	    !go_rname_text(go, modules[i].types.start + offset, buf, max))
		return false;
	if (flags & FLAG_STAR && buf[0] == '*')
		memmove(buf, buf + 1, strlen(buf));
	return true;
}

/* ---- What is inside --------------------------------------------------------------------- */

bool go_rtype_field(const struct go *go, const struct go_rtype *type, uint64_t index,
		    struct go_rfield *ret)
{
	uint8_t p[FIELD_BYTES];

	if (!ch_core_try_read(go->env.core, type->fields + FIELD_BYTES * index, p, sizeof(p)))
		return false;
	*ret = (struct go_rfield){ ch_get64(p), ch_get64(p + 8), ch_get64(p + 16) };
	/* Until 1.18 the lowest bit tells whether it is embedded. */
	if (go->code.build.minor && go->code.build.minor < 19)
		ret->offset >>= 1;
	return ret->offset <= type->size_bytes;
}

/* The last field that begins at or below an offset. */
static bool field_at(const struct go *go, const struct go_rtype *type, uint64_t offset,
		     struct go_rfield *ret)
{
	struct go_rfield field;
	bool found = false;
	uint64_t i;

	for (i = 0; i < type->count; i++) {
		if (!go_rtype_field(go, type, i, &field) || field.offset > offset)
			break;
		*ret = field;
		found = true;
	}
	return found;
}

bool go_rtype_place(const struct go *go, uint64_t addr, uint64_t offset, char *buf, size_t max)
{
	struct go_rtype type, elem;
	char name[GO_NAME_MAX];
	struct go_rfield field;
	size_t len = 0;
	uint32_t i;

	buf[0] = '\0';
	for (i = 0; i < DEPTH_MAX && len < max && go_rtype_read(go, addr, &type); i++) {
		if (type.kind == GO_KIND_STRUCT) {
			if (!field_at(go, &type, offset, &field) ||
			    !go_rname_text(go, field.name, name, sizeof(name)))
				break;
			len += (size_t)snprintf(buf + len, max - len, ".%s", name);
			addr = field.type;
			offset -= field.offset;
		} else if (type.kind == GO_KIND_ARRAY) {
			if (!go_rtype_read(go, type.elem, &elem) || !elem.size_bytes)
				break;
			len += (size_t)snprintf(buf + len, max - len, "[%llu]",
						(unsigned long long)(offset / elem.size_bytes));
			addr = type.elem;
			offset %= elem.size_bytes;
		} else {
			break;
		}
	}
	return buf[0];
}

/* internal/abi/iface.go, ITab: the interface's type, the concrete one, its hash. */
uint64_t go_itab_type(const struct go *go, uint64_t addr)
{
	struct go_rtype interface, type;
	uint32_t hash, own;
	uint8_t p[20];

	if (addr % 8 || !ch_core_try_read(go->env.core, addr, p, sizeof(p)) ||
	    !go_rtype_read(go, ch_get64(p), &interface) || interface.kind != GO_KIND_INTERFACE ||
	    !go_rtype_read(go, ch_get64(p + 8), &type) ||
	    !ch_core_read_u32(go->env.core, type.addr + 16, &own))
		return 0;
	hash = ch_get32(p + 16);
	return hash == own ? type.addr : 0;
}

/* Pointers, and what consists of one. */
bool go_rtype_direct(const struct go *go, const struct go_rtype *type)
{
	struct go_rtype at = *type;
	struct go_rfield field;
	uint32_t i;

	for (i = 0; i < DEPTH_MAX; i++) {
		if (at.kind == GO_KIND_POINTER || at.kind == GO_KIND_MAP ||
		    at.kind == GO_KIND_CHAN || at.kind == GO_KIND_FUNC ||
		    at.kind == GO_KIND_UNSAFE_POINTER)
			return true;
		if (at.count != 1 || at.size_bytes != 8)
			return false;
		if (at.kind == GO_KIND_ARRAY) {
			if (!go_rtype_read(go, at.elem, &at))
				return false;
		} else if (at.kind != GO_KIND_STRUCT || !go_rtype_field(go, &at, 0, &field) ||
			   !go_rtype_read(go, field.type, &at)) {
			return false;
		}
	}
	return false;
}

/* Whether a struct has a field of that name there. */
static bool has_field(const struct go *go, const struct go_rtype *type, uint64_t index,
		      const char *expected)
{
	struct go_rfield field;
	char name[16];

	return type->kind == GO_KIND_STRUCT && index < type->count &&
	       go_rtype_field(go, type, index, &field) &&
	       go_rname_text(go, field.name, name, sizeof(name)) && strcmp(name, expected) == 0;
}

/* cmd/compile/internal/reflectdata: topbits, keys, elems, overflow. */
bool go_rtype_is_bucket(const struct go *go, const struct go_rtype *type)
{
	return type->count == 4 && type->size_bytes % 8 == 0 && type->size_bytes > 8 &&
	       has_field(go, type, 0, "topbits") && has_field(go, type, 3, "overflow");
}

/* Groups begin with a word of control bytes. */
bool go_rtype_has_groups(const struct go *go, const struct go_rtype *map)
{
	struct go_rtype type;

	return go_rtype_read(go, map->elem, &type) && has_field(go, &type, 0, "ctrl");
}

/* ---- Shapes ----------------------------------------------------------------------------- */

struct part {
	uint64_t type, offset;
	/* Fields or elements that were done. */
	uint64_t next;
	struct go_rtype known;
};

struct making {
	struct go *go;
	struct go_shape *shape;
	struct part stack[DEPTH_MAX];
	uint32_t depth, steps;
};

static bool lead_of(const struct go_rtype *type, struct go_lead *ret)
{
	switch (type->kind) {
	case GO_KIND_POINTER:
		ret->what = GO_LEAD_POINTER;
		ret->type = type->elem;
		return true;
	case GO_KIND_SLICE:
		ret->what = GO_LEAD_SLICE;
		ret->type = type->elem;
		return true;
	case GO_KIND_STRING:
		ret->what = GO_LEAD_STRING;
		return true;
	case GO_KIND_INTERFACE:
		ret->what = type->empty ? GO_LEAD_EFACE : GO_LEAD_IFACE;
		return true;
	case GO_KIND_MAP:
		ret->what = GO_LEAD_MAP;
		ret->type = type->addr;
		return true;
	case GO_KIND_CHAN:
		ret->what = GO_LEAD_CHAN;
		ret->type = type->addr;
		return true;
	case GO_KIND_FUNC:
		ret->what = GO_LEAD_FUNC;
		return true;
	case GO_KIND_UNSAFE_POINTER:
		ret->what = GO_LEAD_UNSAFE;
		return true;
	default:
		return false;
	}
}

/* Look at a type at an offset: a lead, or something to go into. False: no memory. */
static bool enter(struct making *making, uint64_t type, uint64_t offset)
{
	struct part *part = &making->stack[making->depth];
	struct go_lead lead = { 0 }, *slot;

	making->steps++;
	if (!go_rtype_read(making->go, type, &part->known) || !part->known.ptr_bytes)
		return true;
	/* No more leads than words: types of a bad core may say anything. */
	if (making->steps > STEPS_MAX || making->shape->count == LEADS_MAX ||
	    making->shape->count >= making->shape->size_bytes / 8 ||
	    making->depth + 1 == DEPTH_MAX || offset > UINT32_MAX) {
		making->shape->cut = true;
		return true;
	}
	if (part->known.kind == GO_KIND_STRUCT || part->known.kind == GO_KIND_ARRAY) {
		part->type = type;
		part->offset = offset;
		part->next = 0;
		making->depth++;
		return true;
	}
	if (!lead_of(&part->known, &lead))
		return true;
	slot = ch_vec_push(&making->go->leads);
	if (!slot)
		return false;
	lead.offset = (uint32_t)offset;
	*slot = lead;
	making->shape->count++;
	return true;
}

/* Go on with the innermost part. */
static bool step(struct making *making)
{
	struct part *part = &making->stack[making->depth - 1];
	struct go_rtype elem;
	struct go_rfield field;

	if (part->next == part->known.count || making->shape->cut || making->steps > STEPS_MAX) {
		making->depth--;
		return true;
	}
	if (part->known.kind == GO_KIND_STRUCT) {
		if (!go_rtype_field(making->go, &part->known, part->next++, &field))
			return true;
		return enter(making, field.type, part->offset + field.offset);
	}
	if (!go_rtype_read(making->go, part->known.elem, &elem)) {
		making->depth--;
		return true;
	}
	return enter(making, part->known.elem, part->offset + elem.size_bytes * part->next++);
}

const struct go_shape *go_shape_of(struct go *go, uint64_t type)
{
	uint32_t number = ch_table_find(&go->shapes_by_type, type);
	struct making making = { .go = go };
	struct go_rtype read;
	struct go_shape *slot;

	if (number != CH_TABLE_NONE)
		return CH_VEC_AT(&go->shapes, struct go_shape, number);
	if (!go_rtype_read(go, type, &read))
		return NULL;
	slot = ch_vec_push(&go->shapes);
	if (!slot || !ch_table_put(&go->shapes_by_type, type, (uint32_t)go->shapes.count - 1))
		return NULL;
	*slot = (struct go_shape){ .type = type,
				   .size_bytes = read.size_bytes,
				   .ptr_bytes = read.ptr_bytes,
				   .first = go->leads.count,
				   .chained = go_rtype_is_bucket(go, &read) };
	making.shape = slot;
	if (!enter(&making, type, 0))
		return NULL;
	while (making.depth)
		if (!step(&making))
			return NULL;
	return slot;
}
