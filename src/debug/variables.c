/*
 * Variables, and where they lie in this core: what a scan found, by the module's place, or by the
 * place that each thread has for the module's thread-local ones.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "sym/tls.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"

/* The entry that has a variable's type: itself, or the one that it completes. */
uint32_t chp_debug_variable_type(struct ch_ctypes *ctypes, const struct ch_die *die)
{
	struct ch_die at = *die, next;
	struct ch_debug_value value;
	uint32_t i;

	for (i = 0; i < CH_DEBUG_DEPTH_MAX; i++) {
		if (chp_die_attr(&at, DW_AT_type, &value))
			return chp_ctypes_of_attr(ctypes, &at);
		if (!chp_die_ref(&at, DW_AT_specification, &next) &&
		    !chp_die_ref(&at, DW_AT_abstract_origin, &next))
			break;
		at = next;
	}
	return 0;
}

/* One for each thread that has the module's block. */
static struct ch_error *say_tls(struct ch_ctypes *ctypes, const struct ch_debug_found *found,
				struct ch_variable *variable, ch_variable_fn fn, void *arg)
{
	const struct ch_module *module = variable->module;
	uint64_t block, offset = found->addr;
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, i;

	/* gcc 12 has the address in the file instead, where it splits units */
	if (offset >= module->tls_memsz)
		offset -= module->tls_vaddr;
	if (offset >= module->tls_memsz)
		return NULL;
	threads = ch_core_threads(ctypes->core, &count);
	for (i = 0; !err && i < count; i++) {
		err = chp_tls_block(ctypes->sym, threads[i].tls_base, module, &block);
		if (err || !block)
			continue;
		variable->addr = block + offset;
		variable->tid = threads[i].tid;
		err = fn(arg, variable);
	}
	return err;
}

static struct ch_error *say(struct ch_ctypes *ctypes, const struct ch_debug_found *found,
			    ch_variable_fn fn, void *arg)
{
	const struct ch_debug_sections *file = found->unit->file;
	struct ch_variable variable = { .module = file->module };
	_cleanup_free_ char *name = NULL;
	struct ch_die die;

	if (!chp_die_at(found->unit, found->off, &die))
		return NULL;
	name = chp_debug_name(&die, NULL);
	variable.name = name;
	variable.type = chp_debug_variable_type(ctypes, &die);
	if (found->is_tls)
		return say_tls(ctypes, found, &variable, fn, arg);
	/* an address of 0 is what linkers leave of code and data that they dropped */
	if (!found->addr)
		return NULL;
	variable.addr = found->addr + file->bias;
	if (variable.addr < file->module->start || variable.addr >= file->module->end)
		return NULL;
	return fn(arg, &variable);
}

struct ch_error *chp_ctypes_variables(struct ch_ctypes *ctypes, ch_variable_fn fn, void *arg)
{
	struct ch_debug_found found;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < ctypes->modules_count; i++)
		if (chp_debug_of_module(ctypes, i) && !chp_debug_scan(ctypes->by_module[i]))
			return &ch_enomem;
	for (i = 0; !err && i < ctypes->found.count; i++) {
		/* names and types may make a further module be looked at */
		found = *CH_VEC_AT(&ctypes->found, struct ch_debug_found, i);
		err = chp_context_check(ch_core_context(ctypes->core));
		if (!err)
			err = say(ctypes, &found, fn, arg);
	}
	return err;
}

/* ---- What holds an address ------------------------------------------------------------ */

static struct ch_error *add_place(void *arg, const struct ch_variable *variable)
{
	struct ch_ctypes *ctypes = arg;
	uint64_t bytes = chp_ctype(ctypes, variable->type)->size_bytes, end;
	struct ch_debug_place *slot;

	if (variable->tid || !bytes || !ch_add(variable->addr, bytes, &end))
		return NULL;
	slot = ch_vec_push(&ctypes->places);
	if (!slot)
		return &ch_enomem;
	*slot = (struct ch_debug_place){ variable->addr, end, variable->type };
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct ch_debug_place *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

uint32_t chp_ctypes_variable_at(struct ch_ctypes *ctypes, uint64_t addr, uint64_t *start_ret)
{
	const struct ch_debug_place *places;
	size_t i;

	if (!ctypes->has_places) {
		ctypes->has_places = true;
		chp_context_drop_take(ch_core_context(ctypes->core),
				      chp_ctypes_variables(ctypes, add_place, ctypes));
		ch_vec_sort(&ctypes->places, by_start);
	}
	places = ctypes->places.items;
	i = ch_search(places, ctypes->places.count, it, it->start <= addr);
	if (!i || addr >= places[i - 1].end)
		return 0;
	*start_ret = places[i - 1].start;
	return places[i - 1].type;
}
