/*
 * What collections have room for, and how long chains of maps are.
 */
#include "heap/containers.h"

#include <stdlib.h>
#include <string.h>

#include "heap/heap_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Nodes of all maps whose class is not that of the node before: where next lies is looked up
 * again. */
#define CLASSES_KEPT 4
/* Most elements of an array: 2^31 is what a runtime can have. */
#define ROOM_MAX (1ULL << 31)

/* ---- Fields --------------------------------------------------------------------- */

struct finding {
	const char *name;
	struct ch_field_place *ret;
	bool found;
};

static struct ch_error *match(void *arg, const struct ch_field *field)
{
	struct finding *finding = arg;

	if (field->is_static || strcmp(field->name, finding->name) != 0)
		return NULL;
	*finding->ret = (struct ch_field_place){ .offset = field->offset,
						 .size_bytes = field->size_bytes,
						 .kind = field->kind,
						 .inner = field->inner };
	finding->found = true;
	return NULL;
}

struct ch_error *chp_field_find(const struct ch_inspected *of, uint64_t key, bool is_value,
				const char *name, struct ch_field_place *ret, bool *found_ret)
{
	const struct ch_fields_query query = { .key = key, .is_value = is_value };
	struct finding finding = { .name = name, .ret = ret };
	struct ch_error *err = of->inspector->fields(of->state, &query, match, &finding);

	*found_ret = !err && finding.found;
	return err;
}

/* A number or a reference of 1, 2, 4 or 8 bytes. */
static bool read_field(const struct ch_containers *containers, const struct ch_container_type *type,
		       uint64_t addr, const struct ch_field_place *place, uint64_t *ret)
{
	uint8_t bytes[8] = { 0 };
	uint64_t size = place->size_bytes, word;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return false;
	if (!ch_core_try_read(containers->heaps->env.core, addr + place->offset, bytes,
			      (size_t)size))
		return false;
	word = ch_get64(bytes);
	*ret = place->kind == CH_VALUE_REFERENCE && type->of.inspector->reference
		       ? type->of.inspector->reference(type->of.state, word, (uint32_t)size)
		       : word;
	return true;
}

/* ---- Types ---------------------------------------------------------------------- */

/* "List<" is that of "List<A<B>+C>", and not of "List<A>+Enumerator" or "List<A>[]". */
static bool is_row(const struct ch_container *row, const char *name)
{
	size_t len = strlen(row->name), i, depth = 1;

	if (row->name[len - 1] != '<' || strncmp(name, row->name, len) != 0)
		return strcmp(name, row->name) == 0;
	for (i = len; name[i] && depth; i++)
		depth += (name[i] == '<') - (size_t)(name[i] == '>');
	return !depth && !name[i];
}

static struct ch_error *find_fields(struct ch_container_type *type, bool *found_ret)
{
	const struct ch_container *row = type->row;
	const struct {
		const char *name;
		struct ch_field_place *to;
	} wanted[] = { { row->via ? NULL : row->array, &type->array },
		       { row->via, &type->via },
		       { row->size, &type->size },
		       { row->first, &type->first },
		       { row->less, &type->less },
		       { row->shift, &type->shift },
		       { row->buckets, &type->buckets } };
	struct ch_error *err = NULL;
	size_t i;

	*found_ret = true;
	type->placed = !row->via;
	for (i = 0; !err && *found_ret && i < CH_COUNT_OF(wanted); i++)
		if (wanted[i].name)
			err = chp_field_find(&type->of, type->key, false, wanted[i].name,
					     wanted[i].to, found_ret);
	return err;
}

static struct ch_error *add_type(struct ch_containers *containers, const struct ch_opened *opened,
				 const struct ch_container *row, uint32_t id, uint64_t key)
{
	const struct ch_conduct *conduct = opened->runtime->conduct;
	struct ch_container_type type = { .row = row,
					  .type = id,
					  .key = key,
					  .of = { opened->types->inspector, opened->state,
						  opened->index },
					  .length_offset = conduct->length_offset(opened->state) },
				 *slot;
	struct ch_error *err;
	bool found;

	/* a release whose class has other fields: nothing is said of it */
	err = find_fields(&type, &found);
	if (err || !found)
		return err;
	slot = ch_vec_push(&containers->types);
	if (!slot)
		return &ch_enomem;
	*slot = type;
	return NULL;
}

static const struct ch_opened *opened_of(const struct ch_heaps *heaps, uint32_t walker)
{
	const struct ch_opened *opened = chp_opened_of(heaps, walker);

	return opened && opened->runtime->conduct && opened->types->inspector &&
			       opened->runtime->conduct->containers
		       ? opened
		       : NULL;
}

static struct ch_error *look_up(struct ch_containers *containers, const struct ch_type_stat *stat)
{
	uint32_t walker = chp_type_walker(containers->heaps, stat->type);
	const struct ch_opened *opened = opened_of(containers->heaps, walker);
	const struct ch_container *row = opened ? opened->runtime->conduct->containers : NULL;
	struct ch_error *err = NULL;
	struct ch_type named;

	if (!row || stat->kind != CH_TYPE_OBJECT ||
	    chp_type_is_engine(containers->heaps, stat->type))
		return NULL;
	err = ch_heaps_type(containers->heaps, stat->type, &named);
	for (; !err && row->name; row++)
		if (is_row(row, named.name))
			return add_type(containers, opened, row, stat->type, named.key);
	return err;
}

static int compare_types(const void *a, const void *b)
{
	const struct ch_container_type *x = a, *y = b;

	return x->type < y->type ? -1 : x->type > y->type;
}

struct ch_error *chp_containers_find(struct ch_heaps *heaps, struct ch_containers *ret)
{
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count, i;

	ret->heaps = heaps;
	ret->types = CH_VEC(struct ch_container_type);
	err = ch_heaps_types(heaps, &stats, &count);
	for (i = 0; !err && i < count; i++)
		err = look_up(ret, &stats[i]);
	ch_vec_sort(&ret->types, compare_types);
	return err;
}

void chp_containers_deinit(struct ch_containers *containers)
{
	ch_vec_deinit(&containers->types);
}

struct ch_container_type *chp_container_type(const struct ch_containers *containers, uint32_t type)
{
	const struct ch_container_type key = { .type = type };

	return containers->types.count
		       ? bsearch(&key, containers->types.items, containers->types.count,
				 sizeof(key), compare_types)
		       : NULL;
}

/* ---- Room ----------------------------------------------------------------------- */

/* Arrays of one field have elements of one size. */
static struct ch_error *measure(struct ch_containers *containers, struct ch_container_type *type,
				uint64_t array)
{
	struct ch_object_shape *shape;
	struct ch_error *err = NULL;
	struct ch_object object;
	bool found = true;

	if (!ch_heaps_object_at(containers->heaps, array, &object) || object.addr != array)
		return NULL;
	shape = malloc(sizeof(*shape));
	if (!shape)
		return &ch_enomem;
	type->of.inspector->shape(type->of.state, array, object.key, shape);
	if (shape->kind == CH_SHAPE_ARRAY && shape->data_addr > array) {
		type->data_offset = shape->data_addr - array;
		type->element_bytes = shape->element_bytes;
		if (type->row->kind == CH_CONTAINER_ENTRIES)
			err = chp_field_find(&type->of, shape->element_inner, true, type->row->next,
					     &type->next, &found);
		type->measured = !err && found && type->element_bytes;
	}
	free(shape);
	return err;
}

/* Elements that are in use. */
static bool read_used(const struct ch_containers *containers, const struct ch_container_type *type,
		      uint64_t addr, uint64_t room, uint64_t *ret)
{
	uint64_t size, more = 0;

	if (!read_field(containers, type, addr, &type->size, &size))
		return false;
	if (type->row->first) {
		if (!read_field(containers, type, addr, &type->first, &more) || size > room ||
		    more > room)
			return false;
		*ret = size >= more ? size - more : size + room - more;
		return true;
	}
	if (type->row->shift) {
		if (!read_field(containers, type, addr, &type->shift, &more) || more > 1)
			return false;
		size <<= more;
		more = 0;
	}
	if (type->row->less && !read_field(containers, type, addr, &type->less, &more))
		return false;
	/* negative numbers of 4 bytes are large ones */
	if (size > ROOM_MAX || more > size)
		return false;
	*ret = size - more;
	return true;
}

static uint64_t key_at(const struct ch_containers *containers, const struct ch_container_type *type,
		       uint64_t addr)
{
	const struct ch_opened *opened = opened_of(containers->heaps, type->of.walker);

	return opened->runtime->conduct->type_at(opened->state, addr);
}

/* What has the array of the collection at addr; 0: nothing has. */
static struct ch_error *read_owner(struct ch_containers *containers, struct ch_container_type *type,
				   uint64_t addr, uint64_t *ret)
{
	struct ch_error *err = NULL;

	*ret = addr;
	if (!type->row->via)
		return NULL;
	if (!read_field(containers, type, addr, &type->via, ret) || !*ret)
		*ret = 0;
	else if (!type->placed)
		err = chp_field_find(&type->of, key_at(containers, type, *ret), false,
				     type->row->array, &type->array, &type->placed);
	if (err || !type->placed)
		*ret = 0;
	return err;
}

/* The array of the collection at addr, and its length. */
static struct ch_error *read_array(struct ch_containers *containers, struct ch_container_type *type,
				   uint64_t addr, uint64_t *array_ret, uint64_t *room_ret)
{
	struct ch_error *err;
	uint32_t length = 0;
	uint64_t owner;

	*array_ret = 0;
	err = read_owner(containers, type, addr, &owner);
	if (err || !owner)
		return err;
	if (!read_field(containers, type, owner, &type->array, array_ret) || !*array_ret ||
	    !ch_core_read_u32(containers->heaps->env.core, *array_ret + type->length_offset,
			      &length) ||
	    !length || length > ROOM_MAX) {
		*array_ret = 0;
		return NULL;
	}
	if (!type->measured)
		err = measure(containers, type, *array_ret);
	if (!type->measured)
		*array_ret = 0;
	*room_ret = length;
	return err;
}

struct ch_error *chp_container_read(struct ch_containers *containers,
				    struct ch_container_type *type, uint64_t addr,
				    struct ch_container_use *ret, bool *found_ret)
{
	struct ch_error *err;

	*found_ret = false;
	if (!type->row->size)
		return NULL;
	err = read_array(containers, type, addr, &ret->array, &ret->room);
	if (err || !ret->array || !read_used(containers, type, addr, ret->room, &ret->used))
		return err;
	/* of chains there may be more than slots; of anything else that is damage */
	if (ret->used > ret->room) {
		if (type->row->kind != CH_CONTAINER_NODES)
			return NULL;
		ret->used = ret->room;
	}
	ret->unused_bytes = (ret->room - ret->used) * type->element_bytes;
	ret->unused_addr = ret->array + type->data_offset + ret->used * type->element_bytes;
	*found_ret = true;
	return NULL;
}

/* ---- Chains --------------------------------------------------------------------- */

struct following {
	struct ch_containers *containers;
	struct ch_container_type *type;
	uint64_t *budget;
	struct ch_container_chains *ret;
	/* No chain has more than the whole map says it has; else it is damaged. */
	uint64_t size;
	/* Where classes of nodes met last have the field next, and tree; the oldest one goes. */
	struct {
		uint64_t key;
		bool has_next, has_tree;
		struct ch_field_place next, tree;
	} known[CLASSES_KEPT];
	uint32_t turn;
};

static struct ch_error *learn(struct following *following, uint64_t key, uint32_t *ret)
{
	const struct ch_container *row = following->type->row;
	struct ch_error *err;
	uint32_t i;

	for (i = 0; i < CLASSES_KEPT; i++)
		if (following->known[i].key == key) {
			*ret = i;
			return NULL;
		}
	*ret = i = following->turn++ % CLASSES_KEPT;
	following->known[i].key = key;
	following->known[i].has_tree = false;
	err = chp_field_find(&following->type->of, key, false, row->next, &following->known[i].next,
			     &following->known[i].has_next);
	if (!err && row->tree)
		err = chp_field_find(&following->type->of, key, false, row->tree,
				     &following->known[i].tree, &following->known[i].has_tree);
	return err;
}

static void take_chain(struct following *following, uint64_t length, uint64_t sample)
{
	following->ret->entries += length;
	if (length <= following->ret->longest)
		return;
	following->ret->longest = length;
	following->ret->sample = sample;
}

/* A node, and those behind it. */
static struct ch_error *follow_nodes(struct following *following, uint64_t node)
{
	uint64_t length = 0, sample = 0, key;
	struct ch_error *err = NULL;
	uint32_t known = 0;

	while (!err && node && !following->ret->cut && length <= following->size) {
		if (!(*following->budget)--) {
			*following->budget = 0;
			following->ret->cut = true;
			break;
		}
		key = key_at(following->containers, following->type, node);
		err = key ? learn(following, key, &known) : NULL;
		if (err || !key)
			break;
		if (following->known[known].has_tree) {
			/* stands for the chain */
			if (length || !read_field(following->containers, following->type, node,
						  &following->known[known].tree, &node))
				break;
			continue;
		}
		length++;
		sample = node;
		if (!following->known[known].has_next ||
		    !read_field(following->containers, following->type, node,
				&following->known[known].next, &node))
			break;
	}
	if (!err && !following->ret->cut && length <= following->size)
		take_chain(following, length, sample);
	return err;
}

static struct ch_error *follow_all_nodes(struct following *following, uint64_t array, uint64_t room)
{
	const struct ch_container_type *type = following->type;
	struct ch_field_place slot = { .kind = CH_VALUE_REFERENCE,
				       .size_bytes = type->element_bytes };
	struct ch_error *err = NULL;
	uint64_t i, node;

	for (i = 0; !err && i < room && !following->ret->cut; i++) {
		slot.offset = type->data_offset + i * type->element_bytes;
		if (read_field(following->containers, type, array, &slot, &node) && node)
			err = follow_nodes(following, node);
	}
	return err;
}

/* Numbers of entries: a chain is no longer than all of them. */
static void follow_entries(struct following *following, uint64_t entries, uint64_t room,
			   uint64_t buckets)
{
	const struct ch_container_type *type = following->type;
	const struct ch_core *core = following->containers->heaps->env.core;
	uint32_t count, number, i;
	uint64_t length;

	if (!ch_core_read_u32(core, buckets + type->length_offset, &count))
		return;
	for (i = 0; i < count && *following->budget; i++) {
		if (!ch_core_read_u32(core, buckets + type->data_offset + 4ULL * i, &number))
			return;
		for (length = 0; number && number <= room && length <= room && *following->budget;
		     length++, --*following->budget) {
			if (!ch_core_read_u32(core,
					      entries + type->data_offset +
						      (number - 1) * type->element_bytes +
						      type->next.offset,
					      &number) ||
			    number >= INT32_MAX)
				number = UINT32_MAX;
			number++;
		}
		if (length <= room)
			take_chain(following, length, 0);
	}
	following->ret->cut = !*following->budget;
}

struct ch_error *chp_container_chains(struct ch_containers *containers,
				      struct ch_container_type *type, uint64_t addr,
				      uint64_t *budget, struct ch_container_chains *ret)
{
	struct following following = {
		.containers = containers, .type = type, .budget = budget, .ret = ret
	};
	uint64_t array, room, buckets;
	struct ch_error *err;

	following.size = UINT64_MAX;
	*ret = (struct ch_container_chains){ .cut = false };
	if (type->row->kind != CH_CONTAINER_NODES && type->row->kind != CH_CONTAINER_ENTRIES)
		return NULL;
	err = read_array(containers, type, addr, &array, &room);
	if (err || !array)
		return err;
	if (type->row->size && !read_used(containers, type, addr, room, &following.size))
		return NULL;
	if (type->row->kind == CH_CONTAINER_NODES)
		return follow_all_nodes(&following, array, room);
	if (read_field(containers, type, addr, &type->buckets, &buckets) && buckets)
		follow_entries(&following, array, room, buckets);
	return NULL;
}
