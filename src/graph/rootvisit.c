/*
 * The words of all places that roots.c found, and of registers, which lead to nodes. A summary
 * asks for them again and again, so they are kept once they were found, unless they are many.
 */
#include <string.h>

#include "graph/graph_priv.h"
#include "graph/pieces.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* Places of sp in user_regs_struct (asm/user_64.h) and user_pt_regs (asm/ptrace.h). */
#define X86_64_SP  19
#define AARCH64_SP 31

/* Roots handed out at a time. */
#define BATCH 256
/* Roots that are kept: 56 bytes each. */
#define KEPT_MAX (1U << 20)

/* Roots on their way to the caller. */
struct batch {
	const struct ch_graph *graph;
	ch_roots_fn fn;
	void *arg;
	size_t count;
	struct ch_root items[BATCH];
};

static struct ch_error *flush(struct batch *batch)
{
	size_t n = batch->count;

	batch->count = 0;
	return n ? batch->fn(batch->arg, batch->items, n) : NULL;
}

/* Whether a root lies where code runs that has no pointers of a runtime. */
static bool is_native(const struct ch_graph *graph, const struct ch_root *root,
		      const struct ch_traced *traced)
{
	const struct ch_native_words *words = graph->native_words.items;
	const struct ch_thread *threads;
	uint64_t at = root->addr;
	size_t count, low;

	if (root->kind == CH_ROOT_REGISTER) {
		threads = ch_core_threads(graph->core, &count);
		at = threads[root->thread].sp;
	} else if (root->kind != CH_ROOT_STACK) {
		return false;
	}
	low = ch_search(words, graph->native_words.count, it, it->end <= at);
	return low < graph->native_words.count && words[low].start <= at &&
	       words[low].traced == traced;
}

/* Fill the rest of a root and keep it, if its value leads to a node. */
static struct ch_error *put(struct batch *batch, struct ch_root root)
{
	/* Who may hold what a collector moves. */
	const uint32_t exact = 1U << CH_ROOT_REGISTER | 1U << CH_ROOT_STACK | 1U << CH_ROOT_HANDLE |
			       1U << CH_ROOT_STATIC | 1U << CH_ROOT_THREAD_STATIC |
			       1U << CH_ROOT_FINALIZER | 1U << CH_ROOT_GOROUTINE |
			       1U << CH_ROOT_FROZEN | 1U << CH_ROOT_WEAK;
	const struct ch_graph *graph = batch->graph;
	const struct ch_index_span *span;
	uint64_t start = 0;

	if (!chp_may_point(graph->index, root.value))
		return NULL;
	span = chp_index_span(graph->index, root.value);
	if (span && span->traced && !(exact & 1U << root.kind))
		return NULL;
	root.target = span ? chp_index_node(graph->index, span, root.value, &start) : CH_ID_NONE;
	if (root.target == CH_ID_NONE)
		return NULL;
	root.interior = chp_is_inner(graph->index, span, root.target, start, root.value);
	if (root.interior && root.kind == CH_ROOT_STACK && span->traced &&
	    span->traced->tracer->first_bytes)
		return NULL;
	if (span->traced && is_native(graph, &root, span->traced))
		return NULL;
	batch->items[batch->count++] = root;
	return batch->count == BATCH ? flush(batch) : NULL;
}

/* A root whose value a runtime's way to keep pointers gave: it must be a first byte. */
static struct ch_error *put_decoded(struct batch *batch, struct ch_root root)
{
	const struct ch_graph *graph = batch->graph;
	uint32_t id;

	if (!chp_may_point(graph->index, root.value))
		return NULL;
	id = ch_graph_node_at(graph, root.value);
	return id != CH_ID_NONE && ch_graph_addr(graph, id) == root.value ? put(batch, root) : NULL;
}

/* What a runtime may have spilled of pointers that are no addresses: halves of the word, or
 * the word in its own code. */
static struct ch_error *put_encoded(struct batch *batch, struct ch_root root)
{
	const struct ch_traced *traced = batch->graph->index->traced;
	const uint64_t word = root.value, addr = root.addr;
	struct ch_error *err = NULL;
	uint32_t i, half;

	for (i = 0; !err && i < batch->graph->index->traced_count; i++) {
		root.addr = addr;
		if (traced[i].decode) {
			root.value = traced[i].decode(traced[i].state, word);
			if (root.value != word)
				err = put_decoded(batch, root);
		}
		for (half = 0; !err && traced[i].narrow.used && half < 2; half++) {
			root.value = chp_narrow_value(&traced[i].narrow,
						      (uint32_t)(word >> (32 * half)));
			root.addr = addr ? addr + 4 * half : 0;
			if (root.value != word)
				err = put_decoded(batch, root);
		}
	}
	return err;
}

static struct ch_error *put_register(struct batch *batch, struct ch_root root)
{
	struct ch_error *err = put(batch, root);

	return err ? err : put_encoded(batch, root);
}

static struct ch_error *visit_registers(struct batch *batch)
{
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, i;
	uint32_t k;

	threads = ch_core_threads(batch->graph->core, &count);
	for (i = 0; i < count; i++)
		for (k = 0; !err && k < threads[i].regs_count; k++)
			err = put_register(batch, (struct ch_root){ .kind = CH_ROOT_REGISTER,
								    .value = threads[i].regs[k],
								    .thread = (uint32_t)i,
								    .reg = k,
								    .range = UINT32_MAX });
	return err;
}

/* A stack pointer into a block says that the whole of it is a stack in use: as good as a
 * pointer to its first byte. */
static struct ch_error *visit_stack_pointers(struct batch *batch)
{
	const struct ch_graph *graph = batch->graph;
	const uint32_t reg = ch_core_arch(graph->core) == CH_ARCH_AARCH64 ? AARCH64_SP : X86_64_SP;
	const struct ch_thread_stack *stacks;
	struct ch_error *err = NULL;
	size_t count, i;
	uint32_t id;

	stacks = ch_map_thread_stacks(graph->map, &count);
	for (i = 0; !err && i < count; i++) {
		id = ch_graph_node_at(graph, stacks[i].sp);
		if (id != CH_ID_NONE && !chp_index_span_of(graph->index, id)->traced)
			err = put(batch, (struct ch_root){ .kind = CH_ROOT_REGISTER,
							   .value = ch_graph_addr(graph, id),
							   .thread = stacks[i].thread,
							   .reg = reg,
							   .range = UINT32_MAX });
	}
	return err;
}

static struct ch_error *visit_range(struct batch *batch, uint32_t index)
{
	const struct ch_core *core = batch->graph->core;
	const struct ch_root_range *range =
		CH_VEC_AT(&batch->graph->ranges, struct ch_root_range, index);
	struct ch_root root = { .kind = range->kind, .thread = range->thread, .range = index };
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	uint64_t at, stop, skip;
	size_t len;

	/* Pages of zeros hold no pointers. */
	for (at = range->start; !err && at + 8 <= range->end; at = stop) {
		bytes = ch_core_next_data(core, &at, range->end, &len);
		if (!bytes)
			break;
		skip = ch_align_up(at, 8) - at;
		at += skip;
		len -= ch_min(len, skip);
		stop = at + ch_align_down(len, 8);
		for (bytes += skip; !err && at < stop; at += 8, bytes += 8) {
			root.addr = at;
			root.stale = at < range->sp;
			root.value = ch_get64(bytes);
			err = put(batch, root);
			if (!err && range->kind == CH_ROOT_STACK)
				err = put_encoded(batch, root);
		}
		/* a word that the next run does not continue */
		stop += len % 8 ? 8 : 0;
		if (!err)
			err = chp_context_check(batch->graph->ctx);
	}
	return err;
}

/* What runtimes name. */
static struct ch_error *visit_traced(struct batch *batch, uint32_t kinds)
{
	static const enum ch_root_kind kind_of_root[] = {
		[CH_WALKER_ROOT_HANDLE] = CH_ROOT_HANDLE,
		[CH_WALKER_ROOT_STATIC] = CH_ROOT_STATIC,
		[CH_WALKER_ROOT_THREAD_STATIC] = CH_ROOT_THREAD_STATIC,
		[CH_WALKER_ROOT_FINALIZER] = CH_ROOT_FINALIZER,
		[CH_WALKER_ROOT_GOROUTINE] = CH_ROOT_GOROUTINE,
		[CH_WALKER_ROOT_FROZEN] = CH_ROOT_FROZEN,
		[CH_WALKER_ROOT_WEAK] = CH_ROOT_WEAK,
	};
	const struct ch_traced_root *roots = batch->graph->traced_roots.items;
	struct ch_root root = { .thread = UINT32_MAX, .range = UINT32_MAX };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < batch->graph->traced_roots.count && i < UINT32_MAX; i++) {
		root.kind = kind_of_root[roots[i].root.kind];
		root.addr = roots[i].root.addr;
		root.value = roots[i].root.value;
		root.named = (uint32_t)i;
		if (kinds & 1U << root.kind)
			err = put(batch, root);
	}
	return err;
}

static struct ch_error *scan(const struct ch_graph *graph, uint32_t kinds, ch_roots_fn fn,
			     void *arg)
{
	struct batch batch = { .graph = graph, .fn = fn, .arg = arg };
	struct ch_error *err = NULL;
	uint32_t i;

	if (kinds & 1U << CH_ROOT_REGISTER)
		err = visit_registers(&batch);
	if (!err && kinds & 1U << CH_ROOT_REGISTER)
		err = visit_stack_pointers(&batch);
	for (i = 0; !err && i < graph->ranges.count; i++)
		if (kinds & 1U << CH_VEC_AT(&graph->ranges, struct ch_root_range, i)->kind)
			err = visit_range(&batch, i);
	if (!err)
		err = visit_traced(&batch, kinds);
	return err ? err : flush(&batch);
}

static struct ch_error *keep(void *arg, const struct ch_root *roots, size_t n)
{
	struct ch_kept_roots *kept = arg;
	struct ch_vec *list = &kept->roots;

	if (list->count + n > KEPT_MAX)
		kept->state = CH_KEPT_TOO_MANY;
	/* whichever it is, it ends the scan */
	if (kept->state == CH_KEPT_TOO_MANY || !ch_vec_reserve(list, list->count + n))
		return &ch_enomem;
	memcpy(CH_VEC_AT(list, struct ch_root, list->count), roots, n * sizeof(*roots));
	list->count += n;
	return NULL;
}

/* Roots of all kinds, once. */
static struct ch_error *find_all(const struct ch_graph *graph)
{
	struct ch_kept_roots *kept = graph->kept_roots;
	struct ch_error *err = scan(graph, (1U << CH_ROOT_KINDS) - 1, keep, kept);

	if (!err)
		kept->state = CH_KEPT_ALL;
	else
		ch_vec_deinit(&kept->roots);
	return kept->state == CH_KEPT_TOO_MANY ? NULL : err;
}

struct ch_error *ch_graph_visit_roots(const struct ch_graph *graph, uint32_t kinds, ch_roots_fn fn,
				      void *arg)
{
	const struct ch_kept_roots *kept = graph->kept_roots;
	const struct ch_root *roots;
	struct ch_error *err = NULL;
	size_t i, k;

	if (kept->state == CH_KEPT_NOT)
		err = find_all(graph);
	if (!err && kept->state == CH_KEPT_TOO_MANY)
		return scan(graph, kinds, fn, arg);
	roots = kept->roots.items;
	for (i = 0; !err && i < kept->roots.count; i = k) {
		for (k = i; k < kept->roots.count && k - i < BATCH; k++)
			if (!(kinds & 1U << roots[k].kind))
				break;
		if (k > i)
			err = fn(arg, &roots[i], k - i);
		else
			k++;
	}
	return err;
}

const char *ch_root_kind_name(enum ch_root_kind kind)
{
	static const char *const names[CH_ROOT_KINDS] = {
		[CH_ROOT_REGISTER] = "register",
		[CH_ROOT_STACK] = "stack",
		[CH_ROOT_TLS] = "tls",
		[CH_ROOT_DATA] = "data",
		[CH_ROOT_MEMORY] = "memory",
		[CH_ROOT_HANDLE] = "handle",
		[CH_ROOT_STATIC] = "static",
		[CH_ROOT_THREAD_STATIC] = "thread-static",
		[CH_ROOT_FINALIZER] = "finalizer",
		[CH_ROOT_GOROUTINE] = "goroutine",
		[CH_ROOT_FROZEN] = "frozen",
		[CH_ROOT_LEFTOVER] = "leftover",
		[CH_ROOT_WEAK] = "weak",
	};

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : "unknown";
}
