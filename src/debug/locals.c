/*
 * Variables of frames: which function a place in code belongs to, which of its blocks are under
 * way there, and where their parameters and variables are.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/code_priv.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"

/* Frames of a stack; what is deeper is the same function again and again. */
#define FRAMES_MAX 256

/* ---- Functions by their code --------------------------------------------------------------- */

struct adding {
	struct ch_vec *rows;
	struct ch_debug_code row;
};

static bool add_code(void *arg, uint64_t start, uint64_t end)
{
	struct adding *adding = arg;
	struct ch_debug_code *slot = ch_vec_push(adding->rows);

	if (!slot)
		return false;
	*slot = adding->row;
	slot->start = start;
	slot->end = end;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct ch_debug_code *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* The row that holds an address; they do not overlap in what a linker made. */
static const struct ch_debug_code *code_at(const struct ch_vec *rows, uint64_t pc)
{
	const struct ch_debug_code *items = rows->items;
	size_t i = ch_search(items, rows->count, it, it->start <= pc);

	return i && pc < items[i - 1].end ? &items[i - 1] : NULL;
}

static void list_units_code(struct ch_debug_sections *file)
{
	struct adding adding = { .rows = &file->code };
	struct ch_die root;
	size_t i;

	file->has_code = true;
	for (i = 0; i < file->info_count; i++) {
		adding.row.unit = *CH_VEC_AT(&file->units, struct ch_debug_unit *, i);
		chp_debug_unit_begin(adding.row.unit);
		if (chp_die_root(adding.row.unit, &root) &&
		    !chp_debug_each_range(&root, add_code, &adding))
			break;
	}
	ch_vec_sort(&file->code, by_start);
}

/* Functions of a unit, those in namespaces and classes among them. */
static void list_functions(struct ch_debug_unit *unit)
{
	struct adding adding = { .rows = &unit->functions, .row = { .unit = unit } };
	int32_t depth = 0;
	struct ch_die die;
	bool more;

	unit->has_functions = true;
	if (!chp_die_root(unit, &die))
		return;
	for (more = chp_die_next(&die, &depth); more && depth > 0;) {
		adding.row.off = die.off;
		if (chp_die_tag(&die) == DW_TAG_subprogram &&
		    !chp_debug_each_range(&die, add_code, &adding))
			break;
		/* functions in functions are in the list of these, as blocks */
		more = chp_die_tag(&die) == DW_TAG_subprogram ? chp_die_skip(&die, &depth)
							      : chp_die_next(&die, &depth);
	}
	ch_vec_sort(&unit->functions, by_start);
}

/* The function whose code is at a place. */
static bool function_at(struct ch_debug_sections *file, uint64_t pc, struct ch_die *ret)
{
	const struct ch_debug_code *row;
	struct ch_debug_unit *unit;

	if (!file->has_code)
		list_units_code(file);
	row = code_at(&file->code, pc);
	if (!row)
		return false;
	unit = chp_debug_split(row->unit);
	unit = unit ? unit : row->unit;
	if (!unit->has_functions)
		list_functions(unit);
	row = code_at(&unit->functions, pc);
	return row && chp_die_at(unit, row->off, ret);
}

/* ---- One frame ------------------------------------------------------------------------------ */

struct frame {
	struct ch_ctypes *ctypes;
	struct ch_debug_frame frame;
	const struct ch_module *module;
	uint32_t tid, number;
	ch_variable_fn fn;
	void *arg;
};

static struct ch_error *say(struct frame *frame, const struct ch_die *die)
{
	struct ch_debug_location location;
	struct ch_variable variable = {
		.module = frame->module, .tid = frame->tid, .frame = frame->number, .is_local = true
	};
	_cleanup_free_ char *name = NULL;

	if (!chp_debug_attr_locate(die, DW_AT_location, &frame->frame, &location))
		return NULL;
	variable.is_value = location.is_value;
	variable.addr = location.is_value ? 0 : location.number;
	variable.value = location.is_value ? location.number : 0;
	/* what is static has an address that is no frame's: the others tell of it */
	if (!location.is_value && variable.addr >= frame->module->start &&
	    variable.addr < frame->module->end)
		return NULL;
	name = chp_debug_name(die, NULL);
	variable.name = name;
	variable.type = chp_debug_variable_type(frame->ctypes, die);
	return frame->fn(frame->arg, &variable);
}

/* Parameters and variables of a function and of those of its blocks that are under way. */
static struct ch_error *say_all(struct frame *frame, const struct ch_die *function)
{
	struct ch_debug_location base;
	struct ch_die die = *function;
	struct ch_error *err = NULL;
	int32_t depth = 0;
	bool more, enters;

	frame->frame.has_base = false;
	if (chp_debug_attr_locate(function, DW_AT_frame_base, &frame->frame, &base)) {
		frame->frame.has_base = true;
		frame->frame.base = base.number;
	}
	for (more = chp_die_next(&die, &depth); !err && more && depth > 0;) {
		enters = false;
		switch (chp_die_tag(&die)) {
		case DW_TAG_formal_parameter:
		case DW_TAG_variable:
			err = say(frame, &die);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			enters = chp_debug_covers(&die, frame->frame.pc);
			break;
		default:
			break;
		}
		more = enters ? chp_die_next(&die, &depth) : chp_die_skip(&die, &depth);
	}
	return err;
}

static struct ch_error *say_frame(struct frame *frame, uint64_t addr)
{
	const struct ch_module *modules;
	struct ch_debug_sections *file;
	struct ch_die function;
	size_t count;

	modules = ch_sym_modules(frame->ctypes->sym, &count);
	frame->module = ch_sym_module_at(frame->ctypes->sym, addr);
	file = frame->module ? chp_debug_of_module(frame->ctypes, (size_t)(frame->module - modules))
			     : NULL;
	if (!file)
		return NULL;
	frame->frame.pc = addr - file->bias;
	return function_at(file, frame->frame.pc, &function) ? say_all(frame, &function) : NULL;
}

/* ---- All ------------------------------------------------------------------------------------ */

struct stack {
	struct ch_frame frames[FRAMES_MAX];
	struct ch_frame_state states[FRAMES_MAX];
};

static struct ch_error *say_thread(struct ch_ctypes *ctypes, size_t thread, struct stack *stack,
				   ch_variable_fn fn, void *arg)
{
	struct ch_unwound unwound = { .frames = stack->frames,
				      .states = stack->states,
				      .max = FRAMES_MAX };
	struct frame frame = { .ctypes = ctypes, .fn = fn, .arg = arg };
	struct ch_error *err;
	size_t count, i;

	frame.tid = ch_core_threads(ctypes->core, &count)[thread].tid;
	err = chp_sym_unwind_with(ctypes->sym, NULL, thread, &unwound);
	for (i = 0; !err && i < unwound.count; i++) {
		frame.number = (uint32_t)i;
		frame.frame.state = &stack->states[i];
		err = say_frame(&frame, stack->states[i].pc);
	}
	return err;
}

struct ch_error *chp_ctypes_locals(struct ch_ctypes *ctypes, ch_variable_fn fn, void *arg)
{
	_cleanup_free_ struct stack *stack = malloc(sizeof(*stack));
	struct ch_error *err = NULL;
	size_t count, i;

	if (!stack)
		return &ch_enomem;
	ch_core_threads(ctypes->core, &count);
	for (i = 0; !err && i < count; i++) {
		err = chp_context_check(ch_core_context(ctypes->core));
		if (!err)
			err = say_thread(ctypes, i, stack, fn, arg);
	}
	return err;
}
