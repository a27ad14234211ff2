/*
 * What an address in code means to the runtime.
 *
 * Code names statics by the words they lie in, types by their method tables and methods by
 * what is called: their code, what jumps there, or a cell with one of the two (dotnet/runtime,
 * release/9.0, src/coreclr/vm/precode.h: FixupPrecodeData has Target and MethodDesc; measured
 * on 9.0.22 and 10.0.12).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <string.h>

#include "util/context.h"
#include "util/error.h"

static bool static_meaning(struct clr *clr, uint64_t addr, struct ch_meaning *ret)
{
	static const char prefix[] = "static ";
	const struct clr_slot *slot = clr_static_at(clr, addr);

	if (!slot)
		return false;
	ret->kind = CH_MEANING_STATIC;
	clr_slot_text(clr, slot, ret->name, sizeof(ret->name));
	if (strncmp(ret->name, prefix, sizeof(prefix) - 1) == 0)
		memmove(ret->name, ret->name + sizeof(prefix) - 1,
			strlen(ret->name + sizeof(prefix) - 1) + 1);
	return true;
}

/* A method table whose class leads back to it, as that of a canonical type does, or one with
 * a name from metadata. */
static bool type_meaning(struct clr *clr, uint64_t addr, struct ch_meaning *ret)
{
	struct clr_shape shape;
	uint64_t class, module;

	if (addr % 8 || !clr_shape_read(clr, addr, &shape) || !clr_class_of(clr, addr, &class) ||
	    !clr_type_module(clr, addr, &module) || !clr_module_metadata(clr, module) ||
	    !clr_type_name(clr, addr, ret->name, sizeof(ret->name)))
		return false;
	ret->kind = CH_MEANING_TYPE;
	return true;
}

static bool method_meaning(struct clr *clr, uint64_t addr, struct ch_meaning *ret)
{
	ret->kind = CH_MEANING_METHOD;
	return clr_entry_name(clr, addr, ret->name, sizeof(ret->name)) ||
	       (addr % 8 == 0 && clr_method_name(clr, addr, ret->name, sizeof(ret->name)));
}

/* A word that leads to a method, or before it was called for the first time to what will
 * look for its code; the word behind it then is the method. */
static bool cell_meaning(struct clr *clr, uint64_t addr, struct ch_meaning *ret)
{
	uint64_t target, method;

	ret->kind = CH_MEANING_CELL;
	if (addr % 8 || !clr_read_ptr(clr, addr, &target) || !target)
		return false;
	return clr_entry_name(clr, target, ret->name, sizeof(ret->name)) ||
	       (clr_read_ptr(clr, addr + 8, &method) && method && method % 8 == 0 &&
		clr_method_name(clr, method, ret->name, sizeof(ret->name)));
}

bool clr_meaning(void *state, uint64_t addr, struct ch_meaning *ret)
{
	struct clr *clr = state;
	struct ch_error *err = clr_statics_find(clr);

	if (!err)
		err = clr_numbers_find(clr);
	/* Without them, the rest is known all the same. */
	chp_context_drop_take(clr->env->ctx, err);
	return static_meaning(clr, addr, ret) || method_meaning(clr, addr, ret) ||
	       type_meaning(clr, addr, ret) || cell_meaning(clr, addr, ret);
}
