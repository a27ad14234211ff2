/*
 * What an address is: a symbol, a block, a stack, code of a runtime, a region.
 */
#include "analysis/whatis.h"
#include "sym/shown.h"

static void find_symbol(struct ch_sym *sym, struct ch_whatis_result *ret)
{
	ret->module = ch_sym_module_at(sym, ret->addr);
	ret->has_symbol = ret->module && chp_sym_shown_at(sym, ret->addr, &ret->symbol);
}

/* The heap of the address, and the block, if there is one. */
static struct ch_error *find_object(struct ch_heaps *heaps, struct ch_whatis_result *ret)
{
	const struct ch_heap *list;
	const struct ch_span *spans;
	struct ch_error *err;
	struct ch_type type;
	size_t count, i;

	spans = ch_heaps_spans(heaps, &count);
	for (i = 0; i < count && !ret->span; i++)
		if (ret->addr >= spans[i].start && ret->addr < spans[i].end)
			ret->span = &spans[i];
	if (!ret->span)
		return NULL;
	list = ch_heaps_list(heaps, &count);
	ret->heap = &list[ret->span->heap];
	ret->has_object = ch_heaps_object_at(heaps, ret->addr, &ret->object);
	if (!ret->has_object)
		return NULL;
	err = ch_heaps_type(heaps, ret->object.type, &type);
	if (!err && type.key < CH_TYPE_KEY_ENGINE && !type.unnamed)
		ret->type = type.name;
	return err;
}

static void find_stack(const struct ch_core *core, struct ch_heaps *heaps,
		       struct ch_whatis_result *ret)
{
	struct ch_thread_stack stack;
	size_t count;

	ret->has_stack = ch_heaps_stack_at(heaps, ret->addr, &stack);
	if (!ret->has_stack)
		return;
	ret->tid = ch_core_threads(core, &count)[stack.thread].tid;
	ret->sp = stack.sp;
	ret->stack_start = stack.start;
	ret->stack_end = stack.end;
}

static void find_registers(struct ch_core *core, struct ch_whatis_result *ret)
{
	uint64_t start = ret->addr, last = ret->addr, value;
	const struct ch_thread *threads;
	size_t count, i;
	uint32_t k;

	if (ret->has_object) {
		start = ret->object.addr - ret->object.header_bytes;
		last = start + ret->object.chunk_bytes - 1;
	}
	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < threads[i].regs_count; k++) {
			value = threads[i].regs[k];
			if (value < start || value > last)
				continue;
			if (ret->registers_count < CH_WHATIS_REGISTERS)
				ret->registers[ret->registers_count] = (struct ch_whatis_register){
					.tid = threads[i].tid,
					.name = ch_arch_reg_name(ch_core_arch(core), k),
					.value = value
				};
			ret->registers_count++;
		}
	}
}

struct ch_error *chp_whatis_find(struct ch_session *session, uint64_t addr,
				 struct ch_whatis_result *ret)
{
	struct ch_core *core = ch_session_core(session);
	const struct ch_region *region;
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_sym *sym;
	struct ch_map *map;
	size_t len;

	*ret = (struct ch_whatis_result){ .addr = addr };
	err = ch_session_sym(session, &sym);
	if (!err)
		err = ch_session_map(session, &map);
	if (!err)
		err = ch_session_heaps(session, &heaps);
	if (err)
		return err;
	region = ch_map_region_at(map, ret->addr);
	ret->has_region = region != NULL;
	if (region)
		ret->region = *region;
	ret->readable = ch_core_span(core, ret->addr, &len) != NULL;
	find_symbol(sym, ret);
	find_stack(core, heaps, ret);
	err = find_object(heaps, ret);
	ret->has_code = !ret->has_symbol && !ret->has_object && !ret->has_stack &&
			ch_heaps_code_at(heaps, ret->addr, &ret->code);
	find_registers(core, ret);
	return err;
}
