/*
 * Where words lead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/show_priv.h"
#include "core/contents.h"
#include "sym/shown.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

struct ch_error *chp_show_type_name(struct ch_show *show, const struct ch_object *object,
				    char **ret)
{
	struct ch_error *err;
	struct ch_type type;

	err = ch_heaps_type(show->heaps, object->type, &type);
	if (err)
		return err;
	*ret = strdup(type.name);
	return *ret ? NULL : &ch_enomem;
}

/* Elements of an array, characters of a string. */
static void count_of(struct ch_show *show, const struct ch_object *object, struct ch_target *ret)
{
	struct ch_inspected inspected;
	struct ch_object_shape shape;
	uint64_t key;

	if (!chp_heaps_inspector(show->heaps, object, &inspected, &key))
		return;
	inspected.inspector->shape(inspected.state, object->addr, key, &shape);
	if (shape.kind == CH_SHAPE_ARRAY || shape.kind == CH_SHAPE_STRING)
		ret->counted = shape.kind == CH_SHAPE_ARRAY ? "elements" : "characters";
	ret->count = shape.count;
}

static struct ch_error *lead_to_object(struct ch_show *show, const struct ch_object *object,
				       struct ch_target *ret)
{
	ret->kind = CH_TARGET_OBJECT;
	ret->into = ret->addr - object->addr;
	count_of(show, object, ret);
	return chp_show_type_name(show, object, &ret->name);
}

/* "symbol", or the module's name where there is none. */
static struct ch_error *lead_to_module(struct ch_show *show, const struct ch_module *module,
				       struct ch_target *ret)
{
	struct ch_symbol symbol;
	bool known = chp_sym_shown_at(show->sym, ret->addr, &symbol);
	int len;

	ret->kind = CH_TARGET_MODULE;
	ret->into = known ? symbol.offset : ret->addr - module->start;
	len = known ? asprintf(&ret->name, "%s!%s", module->name, symbol.name)
		    : asprintf(&ret->name, "%s", module->name);
	if (len >= 0)
		return NULL;
	ret->name = NULL;
	return &ch_enomem;
}

static bool lead_to_stack(struct ch_show *show, struct ch_target *ret)
{
	const struct ch_thread_stack *stack = ch_map_stack_at(show->map, ret->addr);
	size_t count;

	if (!stack)
		return false;
	ret->kind = CH_TARGET_STACK;
	ret->tid = ch_core_threads(show->core, &count)[stack->thread].tid;
	return true;
}

static bool lead_to_method(struct ch_show *show, struct ch_target *ret, struct ch_error **err)
{
	struct ch_code code;

	if (!ch_heaps_code_at(show->heaps, ret->addr, &code))
		return false;
	ret->kind = CH_TARGET_METHOD;
	ret->into = code.start && ret->addr > code.start ? ret->addr - code.start : 0;
	ret->name = strdup(code.name);
	*err = ret->name ? NULL : &ch_enomem;
	return true;
}

struct ch_error *chp_show_target(struct ch_show *show, uint64_t value, struct ch_target *ret)
{
	const struct ch_region *region;
	const struct ch_module *module;
	struct ch_error *err = NULL;
	struct ch_object object;

	*ret = (struct ch_target){ .addr = value };
	region = value >= CH_PAGE_BYTES ? ch_map_region_at(show->map, value) : NULL;
	if (!region || region->state == CH_STATE_FREE)
		return NULL;
	if (ch_heaps_object_at(show->heaps, value, &object) && value >= object.addr &&
	    object.state != CH_OBJECT_OVERHEAD)
		return lead_to_object(show, &object, ret);
	if (region->prot & CH_SEGMENT_EXEC && lead_to_method(show, ret, &err))
		return err;
	module = ch_sym_module_at(show->sym, value);
	if (module)
		return lead_to_module(show, module, ret);
	if (lead_to_stack(show, ret))
		return NULL;
	ret->kind = CH_TARGET_MEMORY;
	ret->name = strdup(ch_usage_name(region->usage));
	return ret->name ? NULL : &ch_enomem;
}

struct ch_error *chp_show_reference(struct ch_show *show, uint64_t value, struct ch_target *ret)
{
	struct ch_object object;

	*ret = (struct ch_target){ .addr = value,
				   .kind = value ? CH_TARGET_BAD : CH_TARGET_NULL,
				   .hidden = !chp_core_shows(show->core, value) };
	if (value && ch_heaps_object_at(show->heaps, value, &object) && value == object.addr &&
	    object.state != CH_OBJECT_OVERHEAD)
		return lead_to_object(show, &object, ret);
	return NULL;
}
