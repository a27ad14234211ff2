/*
 * Where a variable of a frame is: expressions of debug information (DWARF 5, 2.5 and 2.6), as far
 * as a frame of a dead process has what they need. What needs more is not known.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/code_priv.h"
#include "util/bytes.h"

#define STACK_MAX      32
#define OPERATIONS_MAX 256

struct machine {
	struct ch_ctypes *ctypes;
	const struct ch_debug_frame *frame;
	struct ch_debug_unit *unit;
	struct ch_debug_reader reader;
	uint64_t stack[STACK_MAX];
	uint32_t depth;
	/* What it came to is the value, not where that is. */
	bool is_value, ended;
	bool failed;
};

static void push(struct machine *machine, uint64_t value)
{
	if (machine->depth == STACK_MAX)
		machine->failed = true;
	else
		machine->stack[machine->depth++] = value;
}

static uint64_t pop(struct machine *machine)
{
	if (!machine->depth) {
		machine->failed = true;
		return 0;
	}
	return machine->stack[--machine->depth];
}

static uint64_t read_register(struct machine *machine, uint64_t number)
{
	const struct ch_frame_state *state = machine->frame->state;

	if (number >= CH_FRAME_REGS_MAX || !(state->valid & (1ULL << number))) {
		machine->failed = true;
		return 0;
	}
	return state->regs[number];
}

static void take_register(struct machine *machine, uint64_t number)
{
	push(machine, read_register(machine, number));
	machine->is_value = machine->ended = true;
}

static uint64_t indexed(struct machine *machine)
{
	const struct ch_debug_spec spec = { .form = DW_FORM_addrx };
	struct ch_debug_value value;

	if (!chp_debug_value(&machine->reader, machine->unit, &spec, &value) ||
	    value.class != CH_DEBUG_ADDRESS) {
		machine->failed = true;
		return 0;
	}
	return value.number;
}

static void read_memory(struct machine *machine, uint64_t addr)
{
	uint64_t value;

	if (!ch_core_read_u64(machine->ctypes->core, addr, &value))
		machine->failed = true;
	else
		push(machine, value);
}

/* Operations of two operands. */
static void combine(struct machine *machine, uint8_t op)
{
	uint64_t b = pop(machine), a = pop(machine);

	switch (op) {
	case DW_OP_plus:
		push(machine, a + b);
		break;
	case DW_OP_minus:
		push(machine, a - b);
		break;
	case DW_OP_mul:
		push(machine, a * b);
		break;
	case DW_OP_and:
		push(machine, a & b);
		break;
	case DW_OP_or:
		push(machine, a | b);
		break;
	case DW_OP_xor:
		push(machine, a ^ b);
		break;
	case DW_OP_shl:
		push(machine, b < 64 ? a << b : 0);
		break;
	case DW_OP_shr:
		push(machine, b < 64 ? a >> b : 0);
		break;
	default:
		machine->failed = true;
	}
}

/* Numbers that an operation has with it. */
static bool take_constant(struct machine *machine, uint8_t op)
{
	struct ch_debug_reader *reader = &machine->reader;

	switch (op) {
	case DW_OP_const1u:
		push(machine, chp_debug_fixed(reader, 1));
		return true;
	case DW_OP_const1s:
		push(machine, (uint64_t)(int8_t)chp_debug_fixed(reader, 1));
		return true;
	case DW_OP_const2u:
		push(machine, chp_debug_fixed(reader, 2));
		return true;
	case DW_OP_const2s:
		push(machine, (uint64_t)(int16_t)chp_debug_fixed(reader, 2));
		return true;
	case DW_OP_const4u:
		push(machine, chp_debug_fixed(reader, 4));
		return true;
	case DW_OP_const4s:
		push(machine, (uint64_t)(int32_t)chp_debug_fixed(reader, 4));
		return true;
	case DW_OP_const8u:
	case DW_OP_const8s:
		push(machine, chp_debug_fixed(reader, 8));
		return true;
	case DW_OP_constu:
		push(machine, chp_debug_uleb(reader));
		return true;
	case DW_OP_consts:
		push(machine, (uint64_t)chp_debug_sleb(reader));
		return true;
	case DW_OP_addr:
		push(machine, chp_debug_fixed(reader, 8) + machine->unit->file->bias);
		return true;
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
		push(machine, indexed(machine) + machine->unit->file->bias);
		return true;
	default:
		return false;
	}
}

/* What the frame has. */
static bool take_of_frame(struct machine *machine, uint8_t op)
{
	struct ch_debug_reader *reader = &machine->reader;
	uint64_t number;

	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		push(machine, (uint64_t)op - DW_OP_lit0);
	} else if (op >= DW_OP_reg0 && op <= DW_OP_reg31) {
		take_register(machine, (uint64_t)op - DW_OP_reg0);
	} else if (op == DW_OP_regx) {
		take_register(machine, chp_debug_uleb(reader));
	} else if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		number = read_register(machine, (uint64_t)op - DW_OP_breg0);
		push(machine, number + (uint64_t)chp_debug_sleb(reader));
	} else if (op == DW_OP_bregx) {
		number = read_register(machine, chp_debug_uleb(reader));
		push(machine, number + (uint64_t)chp_debug_sleb(reader));
	} else if (op == DW_OP_fbreg) {
		machine->failed = machine->failed || !machine->frame->has_base;
		push(machine, machine->frame->base + (uint64_t)chp_debug_sleb(reader));
	} else if (op == DW_OP_call_frame_cfa) {
		machine->failed = machine->failed || !machine->frame->state->cfa;
		push(machine, machine->frame->state->cfa);
	} else {
		return false;
	}
	return true;
}

static void step(struct machine *machine)
{
	uint8_t op = (uint8_t)chp_debug_fixed(&machine->reader, 1);
	uint64_t value;

	if (take_constant(machine, op) || take_of_frame(machine, op))
		return;
	switch (op) {
	case DW_OP_plus_uconst:
		value = pop(machine);
		push(machine, value + chp_debug_uleb(&machine->reader));
		return;
	case DW_OP_deref:
		read_memory(machine, pop(machine));
		return;
	case DW_OP_dup:
		value = pop(machine);
		push(machine, value);
		push(machine, value);
		return;
	case DW_OP_drop:
		pop(machine);
		return;
	case DW_OP_nop:
		return;
	case DW_OP_stack_value:
		machine->is_value = machine->ended = true;
		return;
	default:
		/* pieces, values of callers, and what is not known */
		combine(machine, op);
	}
}

bool chp_debug_locate(struct ch_debug_unit *unit, const struct ch_debug_bytes *expression,
		      const struct ch_debug_frame *frame, struct ch_debug_location *ret)
{
	struct machine machine = { .ctypes = unit->file->ctypes,
				   .frame = frame,
				   .unit = unit,
				   .reader = { expression->data, expression->data + expression->len,
					       false } };
	uint32_t i;

	for (i = 0; i < OPERATIONS_MAX && machine.reader.at < machine.reader.end; i++) {
		/* what follows makes a part of it only */
		if (machine.failed || machine.ended || !chp_debug_spend(unit, 1))
			return false;
		step(&machine);
	}
	if (machine.failed || machine.reader.bad || machine.reader.at < machine.reader.end ||
	    !machine.depth)
		return false;
	*ret = (struct ch_debug_location){ machine.stack[machine.depth - 1], machine.is_value };
	return true;
}

bool chp_debug_attr_locate(const struct ch_die *die, uint16_t name,
			   const struct ch_debug_frame *frame, struct ch_debug_location *ret)
{
	struct ch_debug_bytes expression;
	struct ch_debug_value value;
	struct ch_debug_range range;
	struct ch_debug_list list;

	if (!chp_die_attr(die, name, &value))
		return false;
	if (value.class == CH_DEBUG_BLOCK) {
		expression = (struct ch_debug_bytes){ value.data, value.len };
		return chp_debug_locate(die->unit, &expression, frame, ret);
	}
	if (!chp_debug_list_open(die, name, &list))
		return false;
	while (chp_debug_list_next(&list, &range))
		if (frame->pc >= range.start && frame->pc < range.end)
			return chp_debug_locate(die->unit, &range.expression, frame, ret);
	return false;
}
