/*
 * How the containers of libstdc++ and libc++ keep what they contain.
 *
 * Their own pointers lead to base classes of nodes, or to elements without saying how many, so
 * that the types of these pointers alone would give poor names or none. A row of the table says
 * what they lead to, by the names of the members that hold them; offsets are those of the debug
 * information at hand.
 */
#include <string.h>

#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Parts of a type among which a member is looked for. */
#define PARTS_MAX 256

/*
 * libstdc++: bits/stl_vector.h, stl_tree.h, stl_list.h, forward_list.h, hashtable.h,
 * hashtable_policy.h, stl_deque.h, basic_string.h, cow_string.h, ext/aligned_buffer.h, optional,
 * variant (GCC 12). libc++: __config, vector, __tree, list, forward_list, __hash_table, deque,
 * string, optional, variant (LLVM 14).
 */
static const struct container_rule rules[] = {
	{ "__gnu_cxx::__aligned_membuf", CONTAINER_STORAGE, { NULL }, 0, 0, 0, true },
	{ "__gnu_cxx::__aligned_buffer", CONTAINER_STORAGE, { NULL }, 0, 0, 0, true },
	{ "std::vector",
	  CONTAINER_VECTOR,
	  { "_M_start", "_M_finish", "_M_end_of_storage" },
	  0,
	  0,
	  0,
	  false },
	{ "std::vector", CONTAINER_VECTOR, { "__begin_", "__end_", "__end_cap_" }, 0, 0, 0, false },
	/* of bits: how many elements there are is of no interest */
	{ "std::vector", CONTAINER_VECTOR, { "__begin_", "__size_" }, 0, 0, 0, false },
	{ "std::_Rb_tree", CONTAINER_NODES, { "_M_parent" }, 1, 32, 0, true },
	{ "std::__tree", CONTAINER_NODES, { "__left_" }, 0, 32, 0, true },
	{ "std::list", CONTAINER_NODES, { "_M_next" }, 0, 16, 0, false },
	{ "std::list", CONTAINER_NODES, { "__next_" }, 0, 16, 0, false },
	{ "std::forward_list", CONTAINER_NODES, { "_M_next" }, 0, 8, 0, false },
	{ "std::forward_list", CONTAINER_NODES, { "__next_" }, 0, 8, 0, false },
	/* the hash may be kept behind the value */
	{ "std::_Hashtable", CONTAINER_NODES, { "_M_nxt", "_M_buckets" }, 1, 8, 8, true },
	{ "std::__hash_table", CONTAINER_NODES, { "__next_", "__bucket_list_" }, 0, 16, 0, true },
	{ "std::deque",
	  CONTAINER_DEQUE,
	  { "_M_map", "_M_map_size", "_M_start", "_M_finish" },
	  0,
	  0,
	  0,
	  false },
	{ "std::deque",
	  CONTAINER_SPLIT_DEQUE,
	  { "__first_", "__begin_", "__end_", "__end_cap_" },
	  0,
	  0,
	  0,
	  false },
	{ "std::string", CONTAINER_STRING, { "_M_p", "_M_string_length" }, 0, 0, 0, false },
	{ "std::wstring", CONTAINER_STRING, { "_M_p", "_M_string_length" }, 0, 0, 0, false },
	{ "std::basic_string", CONTAINER_STRING, { "_M_p", "_M_string_length" }, 0, 0, 0, false },
	{ "std::string", CONTAINER_COUNTED_STRING, { "_M_p" }, 0, 0, 0, false },
	{ "std::wstring", CONTAINER_COUNTED_STRING, { "_M_p" }, 0, 0, 0, false },
	{ "std::basic_string", CONTAINER_COUNTED_STRING, { "_M_p" }, 0, 0, 0, false },
	{ "std::string", CONTAINER_FLAGGED_STRING, { "__data_", "__r_" }, 0, 0, 0, false },
	{ "std::wstring", CONTAINER_FLAGGED_STRING, { "__data_", "__r_" }, 0, 0, 0, false },
	{ "std::basic_string", CONTAINER_FLAGGED_STRING, { "__data_", "__r_" }, 0, 0, 0, false },
	{ "std::optional", CONTAINER_OPTIONAL, { "_M_value", "_M_engaged" }, 0, 0, 0, false },
	{ "std::optional", CONTAINER_OPTIONAL, { "__val_", "__engaged_" }, 0, 0, 0, false },
	{ "std::variant", CONTAINER_VARIANT, { "_M_u", "_M_index" }, 0, 0, 0, false },
	{ "std::variant", CONTAINER_VARIANT, { "__data", "__index" }, 0, 0, 0, false },
};

struct found {
	uint64_t offset;
	uint32_t type;
};

/* Where a member is that has the name, of the type or of what it is made of; by name NULL the
 * first pointer. What is nearer to the top is looked at first. */
static bool find_member(struct dwarf *dwarf, uint32_t type, const char *name, struct found *ret)
{
	struct found parts[PARTS_MAX] = { { 0, type } };
	const struct ch_ctype_member *member;
	const struct ch_ctype *part;
	size_t count = 1, at;
	uint32_t i;

	for (at = 0; at < count; at++) {
		part = chp_ctype(dwarf->ctypes, parts[at].type);
		if (!name && part->kind == CH_CTYPE_POINTER) {
			*ret = parts[at];
			return true;
		}
		for (i = 0; i < part->members_count && count < PARTS_MAX; i++) {
			member = &part->members[i];
			if (!ch_add(parts[at].offset, member->offset, &parts[count].offset))
				continue;
			parts[count++].type = member->type;
			if (name && member->name && strcmp(member->name, name) == 0) {
				*ret = parts[count - 1];
				return true;
			}
		}
	}
	return false;
}

/* Where the members of a rule are; false: one of them is not there. */
static bool find_members(struct dwarf *dwarf, struct container *container)
{
	struct found found, pointer;
	size_t i;

	for (i = 0; i < CONTAINER_MEMBERS && container->rule->members[i]; i++) {
		if (!find_member(dwarf, container->type, container->rule->members[i], &found))
			return false;
		container->at[i] = found.offset;
		/* a value may be anything, and so may be what points from it */
		if (container->rule->kind == CONTAINER_OPTIONAL ||
		    container->rule->kind == CONTAINER_VARIANT ||
		    !find_member(dwarf, found.type, NULL, &pointer))
			continue;
		container->at[i] += pointer.offset;
		container->targets[i] = chp_ctype(dwarf->ctypes, pointer.type)->target;
	}
	return true;
}

static bool is_named(const char *name, const char *template)
{
	const size_t length = strlen(template);

	return strncmp(name, template, length) == 0 && (!name[length] || name[length] == '<');
}

static bool is_container(struct dwarf *dwarf, const struct ch_ctype *type,
			 struct container *container)
{
	const struct container_rule *rule = container->rule;

	if (!is_named(type->name, rule->name))
		return false;
	if (rule->argument < type->arguments_count)
		container->value = type->arguments[rule->argument].type;
	/* what holds itself would have no end */
	if (rule->kind == CONTAINER_OPTIONAL &&
	    chp_ctype(dwarf->ctypes, container->value)->size_bytes >= type->size_bytes)
		return false;
	return (container->value || rule->kind == CONTAINER_STRING ||
		rule->kind == CONTAINER_COUNTED_STRING || rule->kind == CONTAINER_FLAGGED_STRING) &&
	       find_members(dwarf, container);
}

/* Look for the rule of a type, for the first time. */
static struct ch_error *find_rule(struct dwarf *dwarf, uint32_t type, uint32_t owner, uint32_t *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	struct container container, *added;
	size_t i;

	*ret = CH_TABLE_NONE;
	for (i = 0; ctype->name && i < CH_COUNT_OF(rules); i++) {
		container = (struct container){ .rule = &rules[i], .type = type, .owner = owner };
		if (!is_container(dwarf, ctype, &container))
			continue;
		added = ch_vec_push(&dwarf->containers);
		if (!added)
			return &ch_enomem;
		*added = container;
		*ret = (uint32_t)dwarf->containers.count - 1;
		return NULL;
	}
	return NULL;
}

static bool is_inner(const char *name)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rules); i++)
		if (rules[i].inner && is_named(name, rules[i].name))
			return true;
	return false;
}

struct ch_error *chp_dwarf_container(struct dwarf *dwarf, uint32_t type, uint32_t owner,
				     uint32_t *ret)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	const struct ch_ctype *around = chp_ctype(dwarf->ctypes, owner);
	struct ch_error *err;
	uint64_t key;

	*ret = CH_TABLE_NONE;
	if (!ctype->name)
		return NULL;
	if (!is_inner(ctype->name) || !around->name || strncmp(around->name, "std::", 5) != 0)
		owner = type;
	key = (uint64_t)owner << 32 | type;
	*ret = ch_table_find(&dwarf->containers_at, key);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	err = find_rule(dwarf, type, owner, ret);
	return err || *ret == CH_TABLE_NONE || ch_table_put(&dwarf->containers_at, key, *ret)
		       ? err
		       : &ch_enomem;
}
