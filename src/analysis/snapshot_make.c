/*
 * From an open core to what a comparison needs of it.
 */
#include "analysis/snapshot.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <coreheap/assembly.h>
#include <sys/stat.h>

#include "analysis/chain.h"
#include "analysis/measure.h"
#include "analysis/signature.h"
#include "analysis/thread_rows.h"
#include "graph/rootpaths.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

#define NAME_BYTES_MAX 2048
/* Frames that tell stacks apart, and those that name a group. */
#define FRAMES        32
#define FRAMES_NAMED  3
#define METHODS_NAMED 5
/* Root paths that are told apart, the largest ones. */
#define PATHS_MAX 20000
/* Types that a root path goes on with while one child retains most. */
#define PATH_STEPS 2
#define PATH_SHARE 70

struct taking {
	const struct ch_snapshot_options *options;
	struct ch_session *session;
	struct ch_heaps *heaps;
	struct ch_measured sums;
	struct ch_snapshot *ret;
};

static char *escape(const char *text)
{
	return chp_text_escape(text ? text : "", NAME_BYTES_MAX);
}

/* ---- When ---------------------------------------------------------------------- */

/* systemd-coredump's "core.COMM.UID.BOOT.PID.MICROSECONDS[.zst]"; 0: another name. */
static uint64_t time_of_name(const char *name)
{
	const char *end, *dot;
	uint64_t time;

	if (strncmp(name, "core.", 5) != 0)
		return 0;
	for (dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		time = strtoull(dot + 1, (char **)(uintptr_t)&end, 10);
		/* sixteen digits since 2001 */
		if (isdigit((unsigned char)dot[1]) && end - dot - 1 == 16 && (*end == '.' || !*end))
			return time;
	}
	return 0;
}

static void find_time(struct taking *taking)
{
	const char *path = ch_core_path(ch_session_core(taking->session));
	struct ch_snapshot *ret = taking->ret;
	struct stat stat_of;

	ret->time_us = time_of_name(chp_base_name(path));
	if (ret->time_us) {
		ret->time_basis = "file name";
	} else if (taking->options->with_file_time && stat(path, &stat_of) == 0 &&
		   stat_of.st_mtim.tv_sec > 0) {
		ret->time_us = (uint64_t)stat_of.st_mtim.tv_sec * 1000000 +
			       (uint64_t)stat_of.st_mtim.tv_nsec / 1000;
		ret->time_basis = "modification time";
	}
}

/* ---- What it is ----------------------------------------------------------------- */

static struct ch_error *take_facts(struct taking *taking)
{
	const struct ch_context *ctx = ch_session_context(taking->session);
	struct ch_core *core = ch_session_core(taking->session);
	struct ch_snapshot *ret = taking->ret;
	const struct ch_module *exe;
	const struct ch_runtime *runtimes;
	char hex[CH_HEX_TEXT_MAX] = "";
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count, i, size = 0;
	FILE *out;

	err = ch_session_sym(taking->session, &sym);
	if (!err)
		err = chp_dump_make(core, &ret->dump);
	if (!err)
		err = chp_dump_findings_copy(ctx, &ret->findings);
	if (err)
		return err;
	exe = ch_sym_executable(sym);
	if (exe && exe->build_id_len)
		chp_hex_text(exe->build_id, exe->build_id_len, hex);
	ret->executable = escape(exe ? exe->name : ch_core_process(core)->comm);
	ret->build_id = strdup(hex);
	ret->complete = ch_context_complete(ctx);
	ret->intact = ch_session_heap_intact(taking->session);
	out = open_memstream(&ret->runtimes, &size);
	if (!out)
		return &ch_enomem;
	runtimes = ch_heaps_runtimes(taking->heaps, &count);
	for (i = 0; i < count; i++)
		if (runtimes[i].score)
			fprintf(out, "%s%s", ftell(out) ? ", " : "", runtimes[i].name);
	if (!chp_text_end(out, &ret->runtimes) || !ret->executable || !ret->build_id)
		return &ch_enomem;
	return NULL;
}

/* ---- Rows ----------------------------------------------------------------------- */

static struct ch_error *take_totals(struct taking *taking)
{
	const struct ch_account *account = &taking->sums.account;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < CH_ACCOUNT_ROWS; i++) {
		if (!account->rows[i].bytes && i != CH_ACCOUNT_UNATTRIBUTED)
			continue;
		err = chp_snapshot_add(taking->ret, CH_AXIS_TOTALS, NULL,
				       chp_account_name((enum ch_account_id)i), 0,
				       account->rows[i].bytes);
		/* Of stacks most is never touched: threads have rows of their own. */
		if (!err && (i == CH_ACCOUNT_RESERVED || i == CH_ACCOUNT_UNDUMPED ||
			     i == CH_ACCOUNT_GUARDS || i == CH_ACCOUNT_STACKS))
			chp_snapshot_idle(taking->ret);
	}
	taking->ret->busy_bytes = account->busy_bytes;
	taking->ret->used_bytes = taking->sums.used_bytes;
	return err;
}

/* "used blocks of 64-127 bytes" */
static struct ch_error *add_class(struct taking *taking, const char *runtime, const char *state,
				  uint32_t shift, uint64_t count, uint64_t bytes)
{
	char name[96];

	snprintf(name, sizeof(name), "%s blocks of %" PRIu64 "-%" PRIu64 " bytes", state,
		 UINT64_C(1) << shift, (UINT64_C(2) << shift) - 1);
	return chp_snapshot_add(taking->ret, CH_AXIS_SIZE_CLASSES, runtime, name, count, bytes);
}

/* Blocks that their walkers know by their size alone: asked before they are named. */
static struct ch_error *take_sizes(struct taking *taking)
{
	struct ch_heaps *heaps = taking->heaps;
	const struct ch_type_stat *stats;
	const struct ch_runtime *runtimes;
	struct ch_error *err;
	uint64_t each;
	size_t count, i, n;

	err = ch_heaps_types(heaps, &stats, &count);
	runtimes = ch_heaps_runtimes(heaps, &n);
	for (i = 0; !err && i < count; i++) {
		each = stats[i].count ? stats[i].total_bytes / stats[i].count : 0;
		if (stats[i].kind == CH_TYPE_OBJECT && each &&
		    chp_type_is_engine(heaps, stats[i].type))
			err = add_class(taking,
					runtimes[chp_type_walker(heaps, stats[i].type)].name,
					"used", 63 - (uint32_t)__builtin_clzll(each),
					stats[i].count, stats[i].total_bytes);
	}
	return err;
}

static struct ch_error *take_types(struct taking *taking)
{
	struct ch_heaps *heaps = taking->heaps;
	const struct ch_type_stat *stats;
	const struct ch_runtime *runtimes;
	struct ch_error *err;
	struct ch_type type;
	size_t count, i, n;

	err = ch_heaps_types(heaps, &stats, &count);
	runtimes = ch_heaps_runtimes(heaps, &n);
	for (i = 0; !err && i < count; i++) {
		if (stats[i].kind != CH_TYPE_OBJECT)
			continue;
		err = ch_heaps_type(heaps, stats[i].type, &type);
		if (!err)
			err = chp_snapshot_add(taking->ret, CH_AXIS_TYPES,
					       runtimes[type.walker].name, type.name,
					       stats[i].count, stats[i].total_bytes);
	}
	return err;
}

static struct ch_error *take_heaps(struct taking *taking)
{
	const struct ch_heap_free *frees;
	const struct ch_heap *heaps;
	struct ch_error *err = NULL;
	char name[NAME_BYTES_MAX];
	size_t count, i;
	uint32_t k;

	heaps = ch_heaps_list(taking->heaps, &count);
	frees = ch_heaps_free(taking->heaps, &count);
	for (i = 0; !err && i < count; i++) {
		snprintf(name, sizeof(name), "%s, used", heaps[i].name);
		err = chp_snapshot_add(taking->ret, CH_AXIS_HEAPS, heaps[i].runtime, name,
				       heaps[i].used_count, heaps[i].used_bytes);
		snprintf(name, sizeof(name), "%s, free", heaps[i].name);
		if (!err)
			err = chp_snapshot_add(taking->ret, CH_AXIS_HEAPS, heaps[i].runtime, name,
					       heaps[i].free_count, heaps[i].free_bytes);
		for (k = 0; !err && k < CH_SIZE_CLASSES - 1; k++)
			if (frees[i].classes[k].count)
				err = add_class(taking, heaps[i].runtime, "free", k,
						frees[i].classes[k].count,
						frees[i].classes[k].bytes);
	}
	return err;
}

static bool is_idle(const struct ch_region *region)
{
	return region->state == CH_STATE_RESERVE || region->usage == CH_USAGE_UNDUMPED ||
	       region->usage == CH_USAGE_STACK;
}

/* By usage, and by file where there is one: by its name, as a program may lie elsewhere. */
static struct ch_error *add_region(struct taking *taking, const struct ch_region *region)
{
	const char *reserved = region->state == CH_STATE_RESERVE ? ", reserved" : "";
	_cleanup_free_ char *path = escape(region->backing);
	char name[NAME_BYTES_MAX], usage[64];
	struct ch_error *err;

	if (!path)
		return &ch_enomem;
	snprintf(usage, sizeof(usage), "%s%s%s", ch_usage_name(region->usage), reserved,
		 path[0] ? ": " : "");
	snprintf(name, sizeof(name), "%s%s", usage, chp_base_name(path));
	err = chp_snapshot_add(taking->ret, CH_AXIS_REGIONS, NULL, name, 1,
			       region->end - region->start);
	if (!err && path[0]) {
		snprintf(name, sizeof(name), "%s%s", usage, path);
		err = chp_snapshot_title_take(taking->ret, strdup(name));
	}
	if (!err && is_idle(region))
		chp_snapshot_idle(taking->ret);
	return err;
}

static struct ch_error *take_regions(struct taking *taking)
{
	const struct ch_region *regions;
	struct ch_error *err;
	struct ch_map *map;
	size_t count, i;

	err = ch_session_map(taking->session, &map);
	if (err)
		return err;
	regions = ch_map_regions(map, &count);
	for (i = 0; !err && i < count; i++)
		if (regions[i].state != CH_STATE_FREE)
			err = add_region(taking, &regions[i]);
	return err;
}

/* Told apart by name and build-id. */
static struct ch_error *add_module(struct taking *taking, const struct ch_module *module)
{
	_cleanup_free_ char *path = escape(module->path);
	char hex[CH_HEX_TEXT_MAX] = "", name[NAME_BYTES_MAX];
	struct ch_error *err;

	if (!path)
		return &ch_enomem;
	if (module->build_id_len)
		chp_hex_text(module->build_id, module->build_id_len, hex);
	snprintf(name, sizeof(name), "%s %s", chp_base_name(path), hex);
	err = chp_snapshot_add(taking->ret, CH_AXIS_MODULES, NULL, name, 1, module->mapped_bytes);
	return err ? err : chp_snapshot_title_take(taking->ret, strdup(path));
}

static struct ch_error *take_modules(struct taking *taking)
{
	const struct ch_assembly *assemblies;
	const struct ch_module *modules;
	char name[NAME_BYTES_MAX];
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count, i;

	err = ch_session_sym(taking->session, &sym);
	if (err)
		return err;
	modules = ch_sym_modules(sym, &count);
	for (i = 0; !err && i < count; i++)
		err = add_module(taking, &modules[i]);
	if (!err)
		err = ch_heaps_assemblies(taking->heaps, &assemblies, &count);
	for (i = 0; !err && i < count; i++) {
		snprintf(name, sizeof(name), "%s (%s)", assemblies[i].name, assemblies[i].kind);
		err = chp_snapshot_add(taking->ret, CH_AXIS_MODULES, "managed", name,
				       assemblies[i].count, assemblies[i].loader_bytes);
	}
	return err;
}

/* "Shop$$Lambda+0x00007fc341001880.run" without the address, which no other process has. */
static void drop_addresses(char *name)
{
	char *from, *to = strstr(name, "+0x");

	for (; to; to = strstr(to, "+0x")) {
		from = to + 3 + strspn(to + 3, "0123456789abcdef");
		memmove(to, from, strlen(from) + 1);
	}
}

static void put_name(char *buf, size_t max, const char *name)
{
	size_t used = strlen(buf);

	if (used + strlen(name) + 8 <= max)
		snprintf(buf + used, max - used, "%s%s", used ? " <- " : "", name);
}

/* "Shop.next <- Shop.work <- Shop.main": the inner methods, but for those that call themselves. */
static struct ch_error *name_methods(const struct ch_thread_row *row, char *buf, size_t max)
{
	const char *last = "";
	size_t i, named = 0;

	for (i = 0; i < row->frames_count && named < METHODS_NAMED; i++) {
		_cleanup_free_ char *name = escape(row->frames[i].symbol.name);

		if (!name)
			return &ch_enomem;
		if (!chp_thread_row_method(&row->frames[i]) ||
		    strcmp(last, row->frames[i].symbol.name) == 0)
			continue;
		last = row->frames[i].symbol.name;
		drop_addresses(name);
		put_name(buf, max, name);
		named++;
	}
	return NULL;
}

/* "poll <- wait_for_work <- worker": the inner frames; methods rather than what they wait in,
 * and more of them, as libraries are deep there. */
static struct ch_error *name_stack(const struct ch_thread_row *row,
				   const struct ch_signature *signature, char *buf, size_t max)
{
	size_t i;

	buf[0] = '\0';
	if (chp_thread_row_has_methods(row))
		return name_methods(row, buf, max);
	for (i = 0; i < signature->frames_count && i < FRAMES_NAMED; i++)
		put_name(buf, max, signature->frames[i]);
	if (!buf[0])
		snprintf(buf, max, "code that is not known");
	return NULL;
}

static bool is_runtime(const struct ch_frame *frame)
{
	return frame->symbol.name && strncmp(frame->symbol.name, "runtime.", 8) == 0;
}

/* The inner functions that are not the runtime's own; all of them where there is no other. */
static struct ch_error *name_program(const struct ch_thread_row *row, char *buf, size_t max)
{
	struct ch_thread_row rest = *row;

	for (; rest.frames_count && is_runtime(rest.frames); rest.frames_count--)
		rest.frames++;
	while (rest.frames_count && is_runtime(&rest.frames[rest.frames_count - 1]))
		rest.frames_count--;
	return name_methods(rest.frames_count ? &rest : row, buf, max);
}

/* By signature: it survives another run and another build. */
static struct ch_error *take_group(struct taking *taking, const struct ch_thread_row *row,
				   const struct ch_thread_group *group)
{
	char name[NAME_BYTES_MAX], stack[NAME_BYTES_MAX / 2];
	struct ch_signature signature;
	struct ch_error *err = chp_signature_make(row, NULL, &signature);

	if (!err)
		err = name_stack(row, &signature, stack, sizeof(stack));
	/* Stacks with equal inner frames may differ further out. */
	if (!err) {
		snprintf(name, sizeof(name), "%s [%08" PRIx32 "]", stack, (uint32_t)signature.id);
		err = chp_snapshot_add(taking->ret, CH_AXIS_THREAD_GROUPS, NULL, name, group->count,
				       group->used_bytes);
	}
	chp_signature_deinit(&signature);
	return err;
}

/* Goroutines that stand in one place: by names, which another run and another build share. */
static struct ch_error *take_goroutines(struct taking *taking, const struct ch_threads *threads,
					const struct ch_goroutine_group *group)
{
	const struct ch_thread_row stack = { .frames = group->frames,
					     .frames_count = group->frames_count };
	const char *runtime = threads->goroutines[group->first].of.runtime;
	char name[NAME_BYTES_MAX], names[NAME_BYTES_MAX / 2] = "";
	struct ch_error *err = name_program(&stack, names, sizeof(names));

	if (err)
		return err;
	snprintf(name, sizeof(name), "goroutines: %s [%08" PRIx32 "]",
		 names[0] ? names : "code that is not known", (uint32_t)group->fingerprint);
	return chp_snapshot_add(taking->ret, CH_AXIS_THREAD_GROUPS, runtime, name, group->count,
				group->stack_bytes);
}

static struct ch_error *take_threads(struct taking *taking)
{
	struct ch_thread_rows rows = { .texts = NULL };
	struct ch_error *err;
	size_t i;

	err = chp_thread_rows_make(taking->session, FRAMES, &rows);
	for (i = 0; !err && i < rows.threads.groups_count; i++)
		err = take_group(taking, &rows.rows[rows.threads.groups[i].first],
				 &rows.threads.groups[i]);
	if (!err)
		err = chp_thread_rows_goroutines(taking->session, FRAMES, &rows);
	for (i = 0; !err && i < rows.threads.goroutine_groups_count; i++)
		err = take_goroutines(taking, &rows.threads, &rows.threads.goroutine_groups[i]);
	chp_thread_rows_deinit(&rows);
	return err;
}

/* ---- Root paths ------------------------------------------------------------------ */

/* "g_orders -> Table", and for people what the largest of them holds: " -> Entry[]". */
static char *name_path(struct taking *taking, struct ch_graph *graph,
		       const struct ch_retained *retained, const struct ch_root_path *path,
		       uint32_t steps_max)
{
	uint32_t id = path->id, steps;
	struct ch_error *err = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(path->place, out);
	for (steps = 0; !err && id != CH_ID_NONE && steps <= steps_max; steps++) {
		_cleanup_free_ char *type = NULL;

		err = chp_node_type_name(graph, taking->heaps, id, &type);
		if (err)
			break;
		fprintf(out, " -> %s", type);
		id = steps < steps_max ? chp_heaviest_child(retained, id, PATH_SHARE) : CH_ID_NONE;
	}
	if (chp_text_end(out, &text) && !err)
		return text;
	ch_error_destroy(err);
	free(text);
	return NULL;
}

/* A part by the ids of the rows that it is of. */
static struct ch_error *add_part(struct taking *taking, struct ch_graph *graph,
				 const struct ch_retained *retained,
				 const struct ch_root_path *path, const struct ch_root_part *of)
{
	struct ch_snapshot_part part = { .count = of->count, .bytes = of->bytes };
	_cleanup_free_ char *name = name_path(taking, graph, retained, path, 0);
	const struct ch_runtime *runtimes;
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	if (!name)
		return &ch_enomem;
	err = ch_heaps_type(taking->heaps, of->type, &type);
	if (err)
		return err;
	runtimes = ch_heaps_runtimes(taking->heaps, &count);
	part.path = chp_snapshot_id(CH_AXIS_ROOT_PATHS, NULL, name);
	part.type = chp_snapshot_id(CH_AXIS_TYPES, runtimes[type.walker].name, type.name);
	return chp_snapshot_add_part(taking->ret, &part);
}

static struct ch_error *add_parts(struct taking *taking, struct ch_graph *graph,
				  const struct ch_retained *retained, struct ch_root_paths *paths)
{
	struct ch_vec found = CH_VEC(struct ch_root_part);
	struct ch_error *err = chp_root_parts_find(graph, retained, paths, &found);
	const struct ch_root_part *parts = found.items;
	const struct ch_root_path *rows = paths->rows.items;
	size_t i;

	for (i = 0; !err && i < found.count; i++)
		if (parts[i].row < PATHS_MAX)
			err = add_part(taking, graph, retained, &rows[parts[i].row], &parts[i]);
	ch_vec_deinit(&found);
	return err;
}

static struct ch_error *add_paths(struct taking *taking, struct ch_graph *graph,
				  const struct ch_retained *retained)
{
	uint64_t others = 0, others_count = 0;
	const struct ch_root_path *rows;
	struct ch_root_paths paths;
	struct ch_error *err;
	size_t i;

	err = chp_root_paths_find(graph, retained, &paths);
	rows = paths.rows.items;
	for (i = 0; !err && i < paths.rows.count; i++) {
		_cleanup_free_ char *name = NULL;

		if (i >= PATHS_MAX) {
			others += rows[i].bytes;
			others_count += rows[i].count;
			continue;
		}
		name = name_path(taking, graph, retained, &rows[i], 0);
		err = name ? chp_snapshot_add(taking->ret, CH_AXIS_ROOT_PATHS, NULL, name,
					      rows[i].count, rows[i].bytes)
			   : &ch_enomem;
		if (!err && rows[i].count == 1)
			err = chp_snapshot_title_take(
				taking->ret,
				name_path(taking, graph, retained, &rows[i], PATH_STEPS));
	}
	if (!err && others_count)
		err = chp_snapshot_add(taking->ret, CH_AXIS_ROOT_PATHS, NULL, "(others)",
				       others_count, others);
	if (!err)
		err = add_parts(taking, graph, retained, &paths);
	chp_root_paths_deinit(&paths);
	return err;
}

static struct ch_error *take_paths(struct taking *taking)
{
	const struct ch_graph_options options = { .threads = taking->options->threads };
	struct ch_retained *retained = NULL;
	struct ch_graph *graph = NULL;
	struct ch_error *err;

	err = ch_graph_create(taking->session, &options, &graph);
	taking->ret->bloated = !err && chp_graph_is_bloated(taking->session, graph);
	if (!err && !taking->ret->bloated)
		err = ch_retained_make(graph, &retained);
	if (!err && !taking->ret->bloated)
		err = add_paths(taking, graph, retained);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	taking->ret->has_paths = !err && !taking->ret->bloated;
	return err;
}

struct ch_error *chp_snapshot_make(struct ch_session *session,
				   const struct ch_snapshot_options *options,
				   struct ch_snapshot *ret)
{
	struct taking taking = { .options = options, .session = session, .ret = ret };
	struct ch_error *(*const steps[])(struct taking *) = {
		take_totals,  take_types,   take_heaps, take_regions,
		take_modules, take_threads, take_paths,
	};
	size_t i, count = CH_COUNT_OF(steps) - !options->with_paths;
	struct ch_error *err;

	ret->rows = CH_VEC(struct ch_snapshot_row);
	ret->parts = CH_VEC(struct ch_snapshot_part);
	ret->findings = CH_VEC(struct ch_dump_finding);
	find_time(&taking);
	err = ch_session_heaps(session, &taking.heaps);
	if (!err)
		err = chp_measure(session, options->threads, &taking.sums);
	/* Half of a heap compares with nothing. */
	if (!err && !taking.sums.walked)
		err = &ch_stop;
	if (!err)
		err = take_sizes(&taking);
	if (!err)
		err = chp_session_named_heaps(session, &taking.heaps);
	for (i = 0; !err && i < count; i++)
		err = steps[i](&taking);
	if (!err)
		err = take_facts(&taking);
	if (!err)
		chp_snapshot_finish(ret);
	return err;
}
