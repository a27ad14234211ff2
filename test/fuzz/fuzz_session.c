/* A core through all layers: modules, frames, map, heaps, objects, the graph. */
#include <stdlib.h>
#include <unistd.h>

#include <coreheap/leaks.h>

#include "fuzz/fuzz.h"
#include "fuzz/use_core.h"
#include "types/names.h"

#define THREADS_MAX 16
#define FRAMES_MAX  64
#define ROWS_MAX    4096

static void done(struct ch_error *err)
{
	if (err)
		fuzz_touch_text(err->message);
	ch_error_destroy(err);
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void use_threads(struct ch_core *core, struct ch_sym *sym)
{
	struct ch_frame frames[FRAMES_MAX];
	const char *end = NULL;
	size_t threads, count, i, k;

	(void)ch_core_threads(core, &threads);
	for (i = 0; i < threads && i < THREADS_MAX; i++) {
		count = 0;
		done(ch_sym_unwind(sym, i, frames, FRAMES_MAX, &count, &end));
		require(count <= FRAMES_MAX);
		for (k = 0; k < count; k++)
			fuzz_touch_text(frames[k].symbol.name);
	}
}

static void use_modules(struct ch_sym *sym)
{
	struct ch_symbol symbol;
	size_t count, i;
	const struct ch_module *modules = ch_sym_modules(sym, &count);

	for (i = 0; i < count; i++) {
		require(modules[i].start < modules[i].end);
		require(i == 0 || modules[i - 1].end <= modules[i].start);
		require(modules[i].build_id_len <= CH_BUILD_ID_MAX);
		fuzz_touch_text(modules[i].path);
		fuzz_touch_text(modules[i].file_path);
		if (ch_sym_at(sym, modules[i].start + 0x1234, &symbol))
			fuzz_touch_text(symbol.name);
	}
	(void)ch_sym_by_name(sym, NULL, "main_arena", &symbol);
}

static void use_map(struct ch_map *map)
{
	uint64_t at = 0, start, end;
	size_t count, i;
	const struct ch_region *regions = ch_map_regions(map, &count);

	for (i = 0; i < count; i++) {
		require(regions[i].start == at && regions[i].start < regions[i].end);
		at = regions[i].end;
		if (i < ROWS_MAX) {
			fuzz_touch_text(regions[i].backing);
			fuzz_touch_text(regions[i].owner);
		}
	}
	require(at == ch_map_space_end(map));
	(void)ch_map_thread_stack(map, 0, &start, &end);
	(void)ch_map_vsyscall(map);
}

static struct ch_error *see(void *arg, const struct ch_object *objects, size_t n)
{
	uint64_t *last = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		require(objects[i].addr - objects[i].header_bytes >= *last);
		*last = objects[i].addr - objects[i].header_bytes + objects[i].chunk_bytes;
	}
	return NULL;
}

static void use_heaps(struct ch_heaps *heaps)
{
	const struct ch_type_stat *types = NULL;
	struct ch_type type;
	struct ch_object object;
	uint64_t last = 0;
	size_t count = 0, i;
	const struct ch_heap *list;
	const struct ch_span *spans;

	done(ch_heaps_walk(heaps, 0, UINT64_MAX, see, &last));
	done(ch_heaps_types(heaps, &types, &count));
	for (i = 0; i < count && i < ROWS_MAX; i++) {
		type = (struct ch_type){ 0 };
		done(ch_heaps_type(heaps, types[i].type, &type));
		fuzz_touch_text(type.name);
	}
	done(ch_heaps_measure(heaps));
	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++)
		require(list[i].used_bytes + list[i].free_bytes + list[i].overhead_bytes ==
			list[i].committed_bytes);
	spans = ch_heaps_spans(heaps, &count);
	for (i = 0; i < count && i < 64; i++)
		(void)ch_heaps_object_at(heaps, spans[i].start + 0x100, &object);
}

/* What the parts of the graph say of the same blocks must fit together. */
static void use_marks(struct ch_graph *graph)
{
	struct ch_retained *retained = NULL;
	struct ch_leaks *leaks = NULL;
	struct ch_retained_row row;
	uint32_t i, count = ch_graph_objects_count(graph);
	uint64_t held = 0, reached = 0;
	bool live;

	done(ch_leaks_find(graph, &leaks));
	done(ch_retained_make(graph, &retained));
	for (i = 0; leaks && retained && i < count; i++) {
		if (!ch_graph_is_node(graph, i))
			continue;
		live = ch_leaks_reach(leaks, i) <= CH_REACH_POSSIBLE;
		require(ch_retained_row(retained, i, &row) == live);
		held += live;
		reached++;
		if (live)
			require(row.retained_bytes >= row.self_bytes && row.retained_count > 0);
	}
	if (leaks && retained) {
		require(reached == ch_graph_nodes_count(graph));
		require(ch_retained_row(retained, CH_ID_NONE, &row) && row.retained_count == held);
	}
	ch_leaks_destroy(leaks);
	ch_retained_destroy(retained);
}

static struct ch_error *see_ref(void *arg, const struct ch_ref *ref)
{
	uint64_t *last = arg;

	require(ref->addr >= *last || !ref->addr);
	*last = ref->addr;
	return NULL;
}

static void use_graph(struct ch_session *session)
{
	const struct ch_graph_options options = { .threads = 2 };
	struct ch_chains *chains = NULL;
	struct ch_graph *graph = NULL;
	const struct ch_chain *list;
	struct ch_root_text text;
	uint32_t id = 0, count;
	uint64_t last = 0;
	size_t n, i;

	done(ch_graph_create(session, &options, &graph));
	if (!graph)
		return;
	use_marks(graph);
	count = ch_graph_objects_count(graph);
	while (id < count && !ch_graph_is_node(graph, id))
		id++;
	if (id < count) {
		done(ch_chains_find(graph, &id, 1, NULL, &chains));
		done(ch_graph_refs(graph, ch_graph_addr(graph, id), ch_graph_addr(graph, id) + 64,
				   true, see_ref, &last));
	}
	list = chains ? ch_chains_list(chains, &n) : NULL;
	for (i = 0; list && i < n && i < 64; i++) {
		done(ch_root_describe(graph, &list[i].root, &text));
		fuzz_touch_text(text.where);
	}
	ch_chains_destroy(chains);
	ch_graph_destroy(graph);
}

static void use_session(struct ch_session *session)
{
	struct ch_sym *sym = NULL;
	struct ch_map *map = NULL;
	struct ch_heaps *heaps = NULL;

	use_core(ch_session_core(session));
	done(ch_session_sym(session, &sym));
	if (sym) {
		use_modules(sym);
		use_threads(ch_session_core(session), sym);
	}
	done(ch_session_map(session, &map));
	if (map)
		use_map(map);
	done(ch_session_heaps(session, &heaps));
	if (heaps)
		use_heaps(heaps);
	done(chp_session_named_heaps(session, &heaps));
	if (heaps)
		use_heaps(heaps);
	use_graph(session);
	use_findings(ch_session_context(session));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_session_options options = {
		.core = { .temp_bytes_max = 64U << 20, .temp_dir = "/dev/shm" },
		/* No file of this machine: the result depends on the input alone. */
		.sym = { .sysroot = "/nonexistent" },
	};
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_session *session = NULL;
	char path[64];
	int fd = fuzz_file(data, size, path);

	require(ctx);
	done(ch_session_open(ctx, path, &options, &session));
	if (session)
		use_session(session);
	ch_session_close(session);
	ch_context_destroy(ctx);
	close(fd);
	return 0;
}
