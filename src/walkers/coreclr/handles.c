/*
 * Handles, and objects whose finalizers are to run.
 *
 * dotnet/runtime, release/9.0, src/coreclr/gc/handletablepriv.h (TableSegment,
 * HandleTable), objecthandle.h (HandleTableMap), gcpriv.h (CFinalize); measured on
 * 9.0.7 and 10.0.12.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

enum {
	/* GcDacVars. */
	VAR_FINALIZE_QUEUE = 144,
	VAR_HEAPS = 184,
	VAR_HANDLE_MAP = 232,
	HEAP_FINALIZE_QUEUE = 2,
	/* HandleTableMap. */
	MAP_NEXT = 8,
	MAP_COUNT = 16,
	/* TableSegment. */
	SEGMENT_BYTES = 65536,
	SEGMENT_BLOCKS = 120,
	SEGMENT_TYPES = 1560,
	SEGMENT_USER_DATA = 1680,
	SEGMENT_NEXT = 1920,
	SEGMENT_TABLE = 1928,
	SEGMENT_HANDLES = 4096,
	BLOCK_HANDLES = 64,
	/* Bytes in front of SEGMENT_NEXT for each type of handle. */
	TYPE_BYTES = 6,
};

#define MAPS_MAX     4096
#define BUCKETS_MAX  4096
#define SEGMENTS_MAX (1U << 20)
/* Most processors that the collector knows: gcconfig.h, MAX_SUPPORTED_CPUS. */
#define TABLES_MAX 1024

/* objecthandle.h: HandleType. */
enum {
	WEAK_SHORT,
	WEAK_LONG,
	STRONG,
	PINNED,
	VARIABLE,
	REF_COUNTED,
	DEPENDENT,
	ASYNC_PINNED,
	SIZED_REF,
	WEAK_NATIVE,
	WEAK_INTERIOR,
	CROSS_REFERENCE,
	TYPES,
};

static const struct {
	const char *name;
	bool weak;
} kinds[TYPES] = {
	[WEAK_SHORT] = { "weak handle", true },
	[WEAK_LONG] = { "weak handle (tracks resurrection)", true },
	[STRONG] = { "strong handle", false },
	[PINNED] = { "pinned handle", false },
	[VARIABLE] = { "variable handle", false },
	[REF_COUNTED] = { "ref-counted handle", false },
	[DEPENDENT] = { "dependent handle", true },
	[ASYNC_PINNED] = { "async pinned handle", false },
	[SIZED_REF] = { "sized ref handle", false },
	[WEAK_NATIVE] = { "weak native COM handle", true },
	[WEAK_INTERIOR] = { "weak interior pointer handle", true },
	[CROSS_REFERENCE] = { "cross reference handle", true },
};

const char *clr_handle_kind_name(uint64_t kind)
{
	return kind < TYPES ? kinds[kind].name : "handle";
}

/* Types of handles that a segment of a table has room for; 0: it is none. */
static uint32_t types_of(const struct clr *clr, uint64_t segment, uint64_t table)
{
	uint32_t types;
	uint64_t back;

	for (types = CROSS_REFERENCE; types <= TYPES + 2; types++)
		if (clr_read_ptr(clr, segment + SEGMENT_TABLE + TYPE_BYTES * types, &back) &&
		    back == table)
			return types;
	return 0;
}

/* The list of segments of a table is where its structure has a pointer to one. *found_ret:
 * whether it has one, as every table has from its start. */
static struct ch_error *add_segments(struct clr *clr, uint64_t table, bool *found_ret)
{
	uint64_t segment = 0, mark = 0, at, *slot;
	uint32_t types = 0, i;

	for (at = 32; at < 512 && !types; at += 8)
		if (clr_read_ptr(clr, table + at, &segment) && segment &&
		    segment % SEGMENT_BYTES == 0)
			types = types_of(clr, segment, table);
	*found_ret = types;
	for (i = 0; types && segment && i < SEGMENTS_MAX; i++) {
		if (segment % SEGMENT_BYTES || types_of(clr, segment, table) != types)
			break;
		/* A ring comes back to where it was at a power of two; sorting drops what
		 * came twice. */
		slot = ch_vec_push(&clr->handle_segments);
		if (!slot)
			return &ch_enomem;
		*slot = segment;
		if (!clr_read_ptr(clr, segment + SEGMENT_NEXT + TYPE_BYTES * types, &segment))
			break;
		if (segment == mark)
			break;
		if ((i & (i + 1)) == 0)
			mark = segment;
	}
	return NULL;
}

/* The server's collector has a table for each processor, however many heaps it uses: with
 * dynamic adaptation (the default since 9) one of many at first. How many there are is nowhere
 * in the core, so the array is read to the first entry that is no table. */
static struct ch_error *add_bucket(struct clr *clr, uint64_t bucket)
{
	uint32_t i, count = clr->server ? TABLES_MAX : 1;
	struct ch_error *err = NULL;
	uint64_t tables, table;
	bool found = true;

	if (!clr_read_ptr(clr, bucket, &tables))
		return NULL;
	for (i = 0; !err && found && i < count; i++)
		if (!clr_read_ptr(clr, tables + 8ULL * i, &table) || !table)
			break;
		else
			err = add_segments(clr, table, &found);
	return err;
}

static int compare_addrs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct ch_error *clr_handles_find(struct clr *clr)
{
	uint64_t map, buckets, bucket, *segments;
	struct ch_error *err = NULL;
	uint32_t maps, count, i;
	size_t k, kept;

	if (clr->handle_segments.count || !clr_gc_variable(clr, VAR_HANDLE_MAP, &map))
		return NULL;
	for (maps = 0; !err && map && maps < MAPS_MAX; maps++) {
		if (!clr_read_ptr(clr, map, &buckets) ||
		    !ch_core_read_u32(clr->core, map + MAP_COUNT, &count))
			break;
		for (i = 0; !err && i < count && i < BUCKETS_MAX; i++)
			if (clr_read_ptr(clr, buckets + 8ULL * i, &bucket) && bucket)
				err = add_bucket(clr, bucket);
		if (!clr_read_ptr(clr, map + MAP_NEXT, &map))
			break;
	}
	ch_vec_sort(&clr->handle_segments, compare_addrs);
	segments = clr->handle_segments.items;
	for (k = kept = 0; k < clr->handle_segments.count; k++)
		if (!kept || segments[k] != segments[kept - 1])
			segments[kept++] = segments[k];
	clr->handle_segments.count = kept;
	if (!err && !kept)
		chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-handles",
				    "the runtime's table of handles was not found: what only "
				    "handles hold looks dead");
	return err;
}

/* Called with each handle in use: its block's number and its own in it. */
typedef struct ch_error *(*handle_fn)(struct clr *clr, uint64_t segment, uint32_t block,
				      uint32_t number, uint64_t object, void *arg);

struct visit {
	ch_walker_roots_fn roots;
	ch_walker_links_fn links;
	void *arg;
	/* Of the segment under way: kinds of its blocks, and where their user data is. */
	uint8_t types[SEGMENT_BLOCKS], user_data[SEGMENT_BLOCKS];
};

/* What others have as their user data is no block of handles, whatever its type says: the
 * number of that type is the one behind the last, which differs between releases. */
static bool is_user_data(const struct visit *visit, uint32_t block)
{
	uint32_t i;

	for (i = 0; i < SEGMENT_BLOCKS; i++)
		if (visit->types[i] < TYPES && visit->types[i] != visit->types[block] &&
		    visit->user_data[i] == block)
			return true;
	return false;
}

static struct ch_error *visit_segments(struct clr *clr, struct visit *visit, handle_fn fn)
{
	uint8_t handles[BLOCK_HANDLES * 8];
	struct ch_error *err = NULL;
	uint64_t segment, object;
	uint32_t block, i;
	size_t k;

	for (k = 0; k < clr->handle_segments.count; k++) {
		segment = *CH_VEC_AT(&clr->handle_segments, uint64_t, k);
		if (!ch_core_try_read(clr->core, segment + SEGMENT_TYPES, visit->types,
				      SEGMENT_BLOCKS) ||
		    !ch_core_try_read(clr->core, segment + SEGMENT_USER_DATA, visit->user_data,
				      SEGMENT_BLOCKS))
			continue;
		for (block = 0; block < SEGMENT_BLOCKS; block++) {
			if (visit->types[block] >= TYPES || is_user_data(visit, block) ||
			    !ch_core_try_read(clr->core,
					      segment + SEGMENT_HANDLES +
						      (uint64_t)block * sizeof(handles),
					      handles, sizeof(handles)))
				continue;
			for (i = 0; !err && i < BLOCK_HANDLES; i++) {
				object = ch_get64(handles + 8ULL * i);
				if (object)
					err = fn(clr, segment, block, i, object, visit);
			}
			if (err)
				return err;
		}
	}
	return NULL;
}

static uint64_t handle_addr(uint64_t segment, uint32_t block, uint32_t number)
{
	return segment + SEGMENT_HANDLES + 8ULL * (block * BLOCK_HANDLES + number);
}

static struct ch_error *put_root(struct clr *clr, uint64_t segment, uint32_t block, uint32_t number,
				 uint64_t object, void *arg)
{
	const struct visit *visit = arg;
	const struct ch_walker_root root = {
		.kind = kinds[visit->types[block]].weak ? CH_WALKER_ROOT_WEAK
							: CH_WALKER_ROOT_HANDLE,
		.addr = handle_addr(segment, block, number),
		.value = object,
		.cookie = visit->types[block],
	};

	(void)clr;
	return visit->roots(visit->arg, &root);
}

struct ch_error *clr_handles_visit(struct clr *clr, ch_walker_roots_fn fn, void *arg)
{
	struct visit visit = { .roots = fn, .arg = arg };

	return visit_segments(clr, &visit, put_root);
}

struct pinning {
	ch_object_fn fn;
	void *arg;
};

static struct ch_error *put_pinned(void *arg, const struct ch_walker_root *root)
{
	const struct pinning *pinning = arg;

	return root->cookie == PINNED || root->cookie == ASYNC_PINNED
		       ? pinning->fn(pinning->arg, root->value)
		       : NULL;
}

struct ch_error *clr_pins(void *state, ch_object_fn fn, void *arg)
{
	struct pinning pinning = { fn, arg };
	struct ch_error *err = clr_handles_find(state);

	return err ? err : clr_handles_visit(state, put_pinned, &pinning);
}

/* The other object of a dependent handle lies in the block of user data. */
static struct ch_error *put_link(struct clr *clr, uint64_t segment, uint32_t block, uint32_t number,
				 uint64_t object, void *arg)
{
	const struct visit *visit = arg;
	uint32_t other = visit->user_data[block];
	uint64_t held;

	if (visit->types[block] != DEPENDENT || other >= SEGMENT_BLOCKS ||
	    !clr_read_ptr(clr, handle_addr(segment, other, number), &held) || !held)
		return NULL;
	return visit->links(visit->arg, object, held);
}

struct ch_error *clr_handles_links(void *state, ch_walker_links_fn fn, void *arg)
{
	struct visit visit = { .links = fn, .arg = arg };

	return visit_segments(state, &visit, put_link);
}

/* ---- Objects with finalizers ------------------------------------------------- */

/* Called with each entry of a queue. */
typedef struct ch_error *(*entry_fn)(void *arg, enum ch_handle_table table, const char *kind,
				     uint64_t addr, uint64_t object);

static const char *generation_name(uint32_t generation)
{
	static const char *const names[] = { "gen0", "gen1", "gen2", "LOH", "POH" };

	return generation < CH_COUNT_OF(names) ? names[generation] : "generation";
}

/* Entries of a part of a queue. */
static struct ch_error *visit_part(struct clr *clr, uint64_t start, uint64_t end,
				   enum ch_handle_table table, const char *kind, entry_fn fn,
				   void *arg)
{
	struct ch_error *err = NULL;
	uint64_t addr, object;

	for (addr = start; !err && addr < end; addr += 8) {
		if (clr_read_ptr(clr, addr, &object) && object)
			err = fn(arg, table, kind, addr, object);
		if (!err && addr % CH_PAGE_BYTES == 0)
			err = chp_context_check(clr->env->ctx);
	}
	return err;
}

/* CFinalize: ends of its parts, one for each generation from the highest down and two of
 * those that are ready, then the array that they share and its end. */
static struct ch_error *visit_queue(struct clr *clr, uint64_t queue, entry_fn fn, void *arg)
{
	uint32_t generations = clr->generations_count, part;
	struct ch_error *err = NULL;
	uint64_t start, end, last, array;

	if (!clr_read_ptr(clr, queue + 8ULL * (generations + 2), &array) ||
	    !clr_read_ptr(clr, queue + 8ULL * (generations + 3), &last) || array % 8)
		return NULL;
	for (start = array, part = 0; !err && part < generations + 2; part++, start = end) {
		if (!clr_read_ptr(clr, queue + 8ULL * part, &end) || start > end || end > last)
			break;
		if (part < generations)
			err = visit_part(clr, start, end, CH_HANDLE_FINALIZABLE,
					 generation_name(generations - 1 - part), fn, arg);
		else
			err = visit_part(clr, start, end, CH_HANDLE_FINALIZER_READY,
					 part == generations ? "ready, critical" : "ready", fn,
					 arg);
	}
	return err;
}

static struct ch_error *visit_queues(struct clr *clr, entry_fn fn, void *arg)
{
	struct ch_error *err = NULL;
	uint64_t variable, heaps, heap, queue;
	uint32_t offset, i;

	if (!clr->server) {
		if (clr_gc_variable(clr, VAR_FINALIZE_QUEUE, &variable) &&
		    clr_read_ptr(clr, variable, &queue))
			err = visit_queue(clr, queue, fn, arg);
		return err;
	}
	if (!clr_gc_heap_field(clr, HEAP_FINALIZE_QUEUE, &offset) ||
	    !clr_gc_variable(clr, VAR_HEAPS, &heaps) || !clr_read_ptr(clr, heaps, &heaps))
		return NULL;
	for (i = 0; !err && i < clr->heaps_count; i++)
		if (clr_read_ptr(clr, heaps + 8ULL * i, &heap) &&
		    clr_read_ptr(clr, heap + offset, &queue))
			err = visit_queue(clr, queue, fn, arg);
	return err;
}

struct roots_of {
	ch_walker_roots_fn fn;
	void *arg;
};

static struct ch_error *put_finalizer(void *arg, enum ch_handle_table table, const char *kind,
				      uint64_t addr, uint64_t object)
{
	const struct roots_of *roots = arg;
	const struct ch_walker_root root = { .kind = CH_WALKER_ROOT_FINALIZER,
					     .addr = addr,
					     .value = object };

	(void)kind;
	return table == CH_HANDLE_FINALIZER_READY ? roots->fn(roots->arg, &root) : NULL;
}

struct ch_error *clr_finalizers_visit(struct clr *clr, ch_walker_roots_fn fn, void *arg)
{
	struct roots_of roots = { fn, arg };

	return visit_queues(clr, put_finalizer, &roots);
}

/* ---- All of them ------------------------------------------------------------- */

struct lister {
	ch_handles_fn fn;
	void *arg;
};

static struct ch_error *list_finalizer(void *arg, enum ch_handle_table table, const char *kind,
				       uint64_t addr, uint64_t object)
{
	const struct lister *lister = arg;
	const struct ch_handle handle = {
		.table = table, .kind = kind, .addr = addr, .object = object
	};

	return lister->fn(lister->arg, &handle);
}

static struct ch_error *list_handle(struct clr *clr, uint64_t segment, uint32_t block,
				    uint32_t number, uint64_t object, void *arg)
{
	const struct visit *visit = arg;
	const struct lister *lister = visit->arg;
	struct ch_handle handle = { .table = CH_HANDLE,
				    .kind = kinds[visit->types[block]].name,
				    .addr = handle_addr(segment, block, number),
				    .object = object };
	uint32_t other = visit->user_data[block];

	if (visit->types[block] != DEPENDENT || other >= SEGMENT_BLOCKS ||
	    !clr_read_ptr(clr, handle_addr(segment, other, number), &handle.dependent))
		handle.dependent = 0;
	return lister->fn(lister->arg, &handle);
}

struct ch_error *clr_handles_list(void *state, ch_handles_fn fn, void *arg)
{
	struct lister lister = { fn, arg };
	struct visit visit = { .arg = &lister };
	struct ch_error *err = clr_handles_find(state);

	if (!err)
		err = visit_segments(state, &visit, list_handle);
	return err ? err : visit_queues(state, list_finalizer, &lister);
}
