/*
 * What a root is called: the variable, the function whose frame it lies in, the
 * thread-local variable.
 */
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "graph/graph_priv.h"
#include "graph/rootname.h"
#include "heap/inspect.h"
#include "sym/shown.h"
#include "sym/tls.h"
#include "types/inside.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Frames of a thread in which roots are named, and what a leaf function may use below its stack
 * pointer (x86-64 psABI, 3.2.2). */
#define FRAMES_MAX     256
#define RED_ZONE_BYTES 128

/* The frames of one thread; unwound when the first of its roots is named. */
struct ch_root_stack {
	bool known;
	struct ch_frame *frames;
	size_t count;
};

void chp_rootnames_deinit(struct ch_graph *graph)
{
	size_t threads, i;

	ch_core_threads(graph->core, &threads);
	for (i = 0; graph->stacks && i < threads; i++)
		free(graph->stacks[i].frames);
	free(graph->stacks);
}

/* Escape what came from the core into a buffer. */
static struct ch_error *put_escaped(const char *text, char *buf, size_t max)
{
	_cleanup_free_ char *escaped = chp_text_escape(text, max - 1);

	if (!escaped)
		return &ch_enomem;
	snprintf(buf, max, "%s", escaped);
	return NULL;
}

static uint32_t tid_of(const struct ch_graph *graph, uint32_t thread)
{
	const struct ch_thread *threads;
	size_t count;

	threads = ch_core_threads(graph->core, &count);
	return thread < count ? threads[thread].tid : 0;
}

static bool copy_escaped(const char *text, char *buf, size_t max)
{
	_cleanup_free_ char *escaped = chp_text_escape(text, max - 1);

	if (!escaped)
		return false;
	snprintf(buf, max, "%s", escaped);
	return true;
}

/* ---- Variables of modules ---------------------------------------------------- */

/* The field or element of the variable that a root is. */
static void name_field(struct ch_graph *graph, uint64_t addr, struct ch_root_text *ret)
{
	struct ch_inside *inside = chp_session_inside(graph->session);
	struct ch_made_of of = { .many = false };
	uint64_t start = 0;
	char text[512];

	of.type = inside ? chp_ctypes_variable_at(inside->ctypes, addr, &start) : 0;
	if (!of.type ||
	    !chp_inside_inspector.place_text(inside, start, chp_inside_key(&of), addr - start, text,
					     sizeof(text)) ||
	    !copy_escaped(text, ret->field, sizeof(ret->field)))
		ret->field[0] = '\0';
}

static struct ch_error *name_data(struct ch_graph *graph, const struct ch_root *root,
				  struct ch_root_text *ret)
{
	const struct ch_module *module = ch_sym_module_at(graph->sym, root->addr);
	const char *name = module ? module->name : "?";
	struct ch_symbol symbol;
	char text[768];

	ret->basis = CH_BASIS_RECORDED;
	name_field(graph, root->addr, ret);
	if (!chp_sym_shown_at(graph->sym, root->addr, &symbol)) {
		snprintf(text, sizeof(text), "%s+0x%llx", name,
			 (unsigned long long)(root->addr - (module ? module->start : 0)));
		return put_escaped(text, ret->where, sizeof(ret->where));
	}
	if (symbol.offset)
		snprintf(text, sizeof(text), "%.400s+0x%llx in %.200s", symbol.name,
			 (unsigned long long)symbol.offset, name);
	else
		snprintf(text, sizeof(text), "%.400s in %.200s", symbol.name, name);
	return put_escaped(symbol.name, ret->symbol, sizeof(ret->symbol))
		       ? &ch_enomem
		       : put_escaped(text, ret->where, sizeof(ret->where));
}

/* ---- Stacks ------------------------------------------------------------------ */

struct ch_error *chp_rootnames_frames(struct ch_graph *graph, uint32_t thread,
				      const struct ch_frame **frames_ret, size_t *count_ret)
{
	struct ch_root_stack *stack;
	struct ch_error *err;
	const char *end;
	size_t count;

	ch_core_threads(graph->core, &count);
	if (!graph->stacks)
		graph->stacks = calloc(count + 1, sizeof(*graph->stacks));
	if (!graph->stacks)
		return &ch_enomem;
	stack = &graph->stacks[thread];
	if (!stack->known) {
		stack->frames = calloc(FRAMES_MAX, sizeof(*stack->frames));
		if (!stack->frames)
			return &ch_enomem;
		stack->known = true;
		err = ch_heaps_unwind(graph->heaps, thread, stack->frames, FRAMES_MAX,
				      &stack->count, &end);
		if (err && err->code == CH_ERROR_NOMEM)
			return err;
		ch_error_destroy(err);
	}
	*frames_ret = stack->frames;
	*count_ret = stack->count;
	return NULL;
}

/*
 * The frame that a stack address lies in: of those in the same memory the one
 * that begins last at or below it. What lies below frame 0 is its red zone. A
 * thread may have frames on two stacks, the one for signals first.
 */
static const struct ch_frame *frame_of(struct ch_graph *graph, const struct ch_frame *frames,
				       size_t count, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(graph->map, addr);
	const struct ch_frame *found = NULL;
	size_t i;

	for (i = 0; region && i < count; i++) {
		if (!frames[i].sp || frames[i].sp < region->start || frames[i].sp >= region->end)
			continue;
		if (frames[i].sp <= addr ? !found || frames[i].sp >= found->sp
					 : !found && frames[i].sp - addr <= RED_ZONE_BYTES)
			found = &frames[i];
	}
	return found;
}

/* A part of a stack that no frame is known for. */
static void name_frameless(struct ch_graph *graph, const struct ch_root *root,
			   struct ch_root_text *ret)
{
	const struct ch_region *region = ch_map_region_at(graph->map, root->addr);
	const struct ch_thread *threads;
	uint64_t from;
	size_t count;

	threads = ch_core_threads(graph->core, &count);
	from = threads[root->thread].sp;
	if (region && from >= region->start && from < region->end) {
		snprintf(ret->where, sizeof(ret->where), "thread %u stack sp%c0x%llx", ret->tid,
			 root->addr < from ? '-' : '+',
			 (unsigned long long)(root->addr < from ? from - root->addr
								: root->addr - from));
		return;
	}
	from = region ? region->start : 0;
	snprintf(ret->where, sizeof(ret->where), "thread %u stack 0x%llx +0x%llx", ret->tid,
		 (unsigned long long)from, (unsigned long long)(root->addr - from));
}

static struct ch_error *name_stack(struct ch_graph *graph, const struct ch_root *root,
				   struct ch_root_text *ret)
{
	const struct ch_frame *frames, *frame;
	const struct ch_module *module;
	struct ch_code method;
	struct ch_error *err;
	const char *function;
	char text[768], code[256];
	int64_t offset;
	size_t count;

	err = chp_rootnames_frames(graph, root->thread, &frames, &count);
	if (err)
		return err;
	ret->basis = CH_BASIS_DERIVED;
	frame = frame_of(graph, frames, count, root->addr);
	if (!frame) {
		name_frameless(graph, root, ret);
		return NULL;
	}
	offset = (int64_t)(root->addr - frame->sp);
	function = frame->symbol.name ? chp_sym_shown(graph->sym, frame->symbol.name) : "";
	if (!function[0] && ch_heaps_frame_code(graph->heaps, frame, frame == frames, 0, &method))
		function = method.name;
	module = ch_sym_module_at(graph->sym, frame->pc);
	if (module)
		snprintf(code, sizeof(code), "%.200s+0x%llx", module->name,
			 (unsigned long long)(frame->pc - module->start));
	else
		snprintf(code, sizeof(code), "?+%s",
			 chp_core_addr(graph->core, frame->pc, "?").text);
	snprintf(text, sizeof(text), "thread %u frame %zu %.400s%s %s%c0x%llx", ret->tid,
		 (size_t)(frame - frames), function[0] ? function : code,
		 function[0] ? chp_sym_call(function) : "",
		 ch_core_arch(graph->core) == CH_ARCH_X86_64 ? "rsp" : "sp", offset < 0 ? '-' : '+',
		 (unsigned long long)(offset < 0 ? -offset : offset));
	if (frame->basis == CH_FRAME_FP)
		ret->basis = CH_BASIS_HEURISTIC;
	return put_escaped(function, ret->symbol, sizeof(ret->symbol))
		       ? &ch_enomem
		       : put_escaped(text, ret->where, sizeof(ret->where));
}

/* ---- Thread-local storage ---------------------------------------------------- */

static struct ch_error *name_tls(struct ch_graph *graph, const struct ch_root *root,
				 struct ch_root_text *ret)
{
	const struct ch_thread *threads;
	const struct ch_module *module;
	struct ch_symbol symbol;
	struct ch_error *err;
	uint64_t offset, base;
	char text[768];
	size_t count;

	threads = ch_core_threads(graph->core, &count);
	base = threads[root->thread].tls_base;
	ret->basis = CH_BASIS_DERIVED;
	err = chp_tls_find(graph->sym, base, root->addr, &module, &offset);
	if (err)
		return err;
	if (!module) {
		offset = root->addr - base;
		snprintf(ret->where, sizeof(ret->where),
			 root->addr >= base ? "thread %u descriptor +0x%llx"
					    : "TLS thread %u tp-0x%llx",
			 ret->tid, (unsigned long long)(root->addr >= base ? offset : -offset));
		return NULL;
	}
	if (!ch_sym_tls_at(graph->sym, module, offset, &symbol)) {
		snprintf(text, sizeof(text), "TLS thread %u +0x%llx in %.200s", ret->tid,
			 (unsigned long long)offset, module->name);
		return put_escaped(text, ret->where, sizeof(ret->where));
	}
	symbol.name = chp_sym_shown(graph->sym, symbol.name);
	if (symbol.offset)
		snprintf(text, sizeof(text), "TLS thread %u +0x%llx (%.400s+0x%llx)", ret->tid,
			 (unsigned long long)offset, symbol.name,
			 (unsigned long long)symbol.offset);
	else
		snprintf(text, sizeof(text), "TLS thread %u +0x%llx (%.400s)", ret->tid,
			 (unsigned long long)offset, symbol.name);
	return put_escaped(symbol.name, ret->symbol, sizeof(ret->symbol))
		       ? &ch_enomem
		       : put_escaped(text, ret->where, sizeof(ret->where));
}

/* ---- Other memory ------------------------------------------------------------ */

static struct ch_error *name_memory(struct ch_graph *graph, const struct ch_root *root,
				    struct ch_root_text *ret)
{
	const struct ch_root_range *range =
		CH_VEC_AT(&graph->ranges, struct ch_root_range, root->range);
	const struct ch_region *region = ch_map_region_at(graph->map, root->addr);
	unsigned long long start =
		region && region->usage != CH_USAGE_HEAP ? region->start : range->start;
	const char *slash, *kind = "anon";
	char text[768];

	ret->basis = CH_BASIS_RECORDED;
	if (root->kind == CH_ROOT_LEFTOVER)
		kind = "stack of an ended thread";
	else if (region && region->usage == CH_USAGE_HEAP)
		kind = "brk";
	else if (region && region->usage == CH_USAGE_STACK)
		kind = "stack of no known thread";
	if (region && region->backing) {
		slash = strrchr(region->backing, '/');
		snprintf(text, sizeof(text), "%.300s 0x%llx +0x%llx",
			 slash && slash[1] ? slash + 1 : region->backing, start,
			 (unsigned long long)(root->addr - start));
		return put_escaped(text, ret->where, sizeof(ret->where));
	}
	snprintf(ret->where, sizeof(ret->where), "%s 0x%llx +0x%llx", kind, start,
		 (unsigned long long)(root->addr - start));
	return NULL;
}

/* ---- What runtimes name ------------------------------------------------------ */

static struct ch_error *name_traced(struct ch_graph *graph, const struct ch_root *root,
				    struct ch_root_text *ret)
{
	const struct ch_traced_root *named;
	const struct ch_traced *traced;
	char text[768] = "";

	if (root->named >= graph->traced_roots.count)
		return NULL;
	named = CH_VEC_AT(&graph->traced_roots, struct ch_traced_root, root->named);
	traced = &graph->index->traced[named->traced];
	ret->basis = CH_BASIS_DERIVED;
	traced->tracer->root_text(traced->state, &named->root, text, sizeof(text));
	return put_escaped(text, ret->where, sizeof(ret->where));
}

bool ch_graph_place_name(struct ch_graph *graph, uint32_t id, uint64_t offset, char *buf,
			 size_t max)
{
	const struct ch_traced *traced = chp_index_span_of(graph->index, id)->traced;
	struct ch_inspected inspected;
	struct ch_object object;
	char text[512];
	uint64_t key;

	if (offset == CH_OFFSET_NONE || !ch_graph_object(graph, id, &object))
		return false;
	if (traced && traced->tracer->place_text)
		return traced->tracer->place_text(traced->state, object.addr, object.key, offset,
						  text, sizeof(text)) &&
		       copy_escaped(text, buf, max);
	return chp_heaps_inspector(graph->heaps, &object, &inspected, &key) &&
	       inspected.inspector->place_text &&
	       inspected.inspector->place_text(inspected.state, object.addr, key, offset, text,
					       sizeof(text)) &&
	       copy_escaped(text, buf, max);
}

bool ch_graph_detail(struct ch_graph *graph, uint32_t id, char *buf, size_t max)
{
	const struct ch_traced *traced = chp_index_span_of(graph->index, id)->traced;
	struct ch_object object;
	char text[512];

	return traced && traced->tracer->detail_text && ch_graph_object(graph, id, &object) &&
	       traced->tracer->detail_text(traced->state, object.addr, object.key, text,
					   sizeof(text)) &&
	       copy_escaped(text, buf, max);
}

struct ch_error *ch_root_describe(struct ch_graph *graph, const struct ch_root *root,
				  struct ch_root_text *ret)
{
	const char *reg;

	memset(ret, 0, sizeof(*ret));
	ret->basis = CH_BASIS_RECORDED;
	ret->tid = tid_of(graph, root->thread);
	switch (root->kind) {
	case CH_ROOT_REGISTER:
		reg = ch_arch_reg_name(ch_core_arch(graph->core), root->reg);
		snprintf(ret->where, sizeof(ret->where), "thread %u %s", ret->tid,
			 reg ? reg : "register");
		return NULL;
	case CH_ROOT_DATA:
		return name_data(graph, root, ret);
	case CH_ROOT_HANDLE:
	case CH_ROOT_STATIC:
	case CH_ROOT_THREAD_STATIC:
	case CH_ROOT_FINALIZER:
	case CH_ROOT_GOROUTINE:
	case CH_ROOT_FROZEN:
	case CH_ROOT_WEAK:
		return name_traced(graph, root, ret);
	case CH_ROOT_STACK:
		if (root->thread != UINT32_MAX)
			return name_stack(graph, root, ret);
		break;
	case CH_ROOT_TLS:
		if (root->thread != UINT32_MAX)
			return name_tls(graph, root, ret);
		break;
	default:
		break;
	}
	return name_memory(graph, root, ret);
}
