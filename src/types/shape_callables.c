/*
 * What std::function and std::any of libstdc++ hold in a block of its own: each has the address of
 * a function that is made for the class of what it holds, and whose symbol says so.
 *
 * A function is {pointer to the target, a second word, manager, invoker} (gcc 12,
 * bits/std_function.h), something of any type {manager, pointer} (include/any). In a stripped
 * program these functions have no names, and what they hold has none.
 */
#include <stdlib.h>
#include <string.h>

#include "sym/shown.h"
#include "sym/templates.h"
#include "types/shape_priv.h"
#include "util/text.h"

#define NAME_BYTES_MAX 4096
/* Different functions of such names; a large program has some thousands. */
#define CLASSES_MAX (1U << 16)

/* The class that a manager is for, which is a template argument in its name; NULL: it is none. */
static char *class_of(const char *shown, const char *prefix, bool second, const char *suffix)
{
	const char *text, *end;
	char *raw, *name;

	if (strncmp(shown, prefix, strlen(prefix)) != 0)
		return NULL;
	text = shown + strlen(prefix);
	end = chp_templates_argument_end(text);
	if (second && end && *end == ',') {
		text = end + 2;
		end = chp_templates_argument_end(text);
	}
	if (!end || end == text || strncmp(end, suffix, strlen(suffix)) != 0)
		return NULL;
	raw = strndup(text, (size_t)(end - text));
	name = raw ? chp_text_escape(raw, NAME_BYTES_MAX) : NULL;
	free(raw);
	return name;
}

/* The number of the class that the function at an address names; *named_ret false: it names none.
 */
static struct ch_error *find_class(struct ch_shapes *shapes, uint64_t manager, uint32_t *ret,
				   bool *named_ret)
{
	struct ch_shape_class *class;
	struct ch_symbol symbol;
	uint64_t key;

	*named_ret = false;
	if (!ch_sym_module_at(shapes->sym, manager) || !ch_sym_at(shapes->sym, manager, &symbol) ||
	    symbol.offset || strncmp(symbol.name, "_ZNSt", 5) != 0)
		return NULL;
	key = (uint64_t)(uintptr_t)symbol.name;
	*ret = ch_table_find(&shapes->class_numbers, key);
	if (*ret == CH_TABLE_NONE) {
		if (shapes->classes.count >= CLASSES_MAX)
			return NULL;
		*ret = (uint32_t)shapes->classes.count;
		class = ch_vec_push(&shapes->classes);
		if (!class || !ch_table_put(&shapes->class_numbers, key, *ret))
			return &ch_enomem;
		symbol.name = chp_sym_shown(shapes->sym, symbol.name);
		class->module = symbol.module;
		class->name =
			class_of(symbol.name, "std::_Function_handler<", true, ">::_M_manager(");
		if (!class->name)
			class->name = class_of(symbol.name, "std::any::_Manager_external<", false,
					       ">::_S_manage(");
	}
	class = CH_VEC_AT(&shapes->classes, struct ch_shape_class, *ret);
	*named_ret = class->name != NULL;
	return NULL;
}

static struct ch_error *take(struct ch_shapes *shapes, const struct ch_shape_place *place,
			     uint64_t manager, bool *found_ret)
{
	struct ch_error *err;
	uint32_t number;

	err = find_class(shapes, manager, &number, found_ret);
	return err || !*found_ret ? err
				  : chp_shape_say(shapes, place->block, CH_PART_CALLED, number);
}

struct ch_error *chp_shape_function(struct ch_shapes *shapes, const struct ch_shape_place *place,
				    bool *found_ret)
{
	/* manager and invoker are of one class, and of one module */
	if (place->len < 32 || !ch_sym_module_at(shapes->sym, chp_shape_word(place, 16)) ||
	    ch_sym_module_at(shapes->sym, chp_shape_word(place, 16)) !=
		    ch_sym_module_at(shapes->sym, chp_shape_word(place, 24)))
		return NULL;
	return take(shapes, place, chp_shape_word(place, 16), found_ret);
}

struct ch_error *chp_shape_any(struct ch_shapes *shapes, const struct ch_shape_place *place,
			       bool *found_ret)
{
	uint64_t manager;

	if (!chp_shape_read(shapes, place->addr - 8, &manager, 1))
		return NULL;
	return take(shapes, place, manager, found_ret);
}
