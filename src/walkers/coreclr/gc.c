/*
 * The collector's heaps, generations and regions.
 *
 * GcDacVars: dotnet/runtime, release/9.0, src/coreclr/gc/gcinterface.dac.h and
 * dacvars in gcinterface.dacvars.def: two bytes of version, the size of a
 * generation, the number of generations, then the address of each variable.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Offsets into GcDacVars. */
enum {
	VAR_GENERATION_BYTES = 8,
	VAR_GENERATIONS = 16,
	VAR_GENERATION_TABLE = 48,
	VAR_EPHEMERAL = 80,
	VAR_ALLOC_ALLOCATED = 120,
	VAR_HEAPS_COUNT = 176,
	VAR_HEAPS = 184,
	VAR_INVALID_COUNT = 192,
	VAR_HEAP_FIELDS = 240,
	VAR_GENERATION_FIELDS = 248,
};

/* Indexes into the arrays of field offsets. */
enum {
	HEAP_ALLOC_ALLOCATED = 0,
	HEAP_EPHEMERAL = 1,
	HEAP_FINALIZE_QUEUE = 2,
	HEAP_GENERATION_TABLE = 18,
	HEAP_FIELDS = 19,
	GENERATION_CONTEXT = 0,
	GENERATION_SEGMENT = 1,
	GENERATION_START = 2,
	GENERATION_FIELDS = 3,
};

/* dac_heap_segment. */
enum {
	SEGMENT_ALLOCATED = 0,
	SEGMENT_COMMITTED = 8,
	SEGMENT_RESERVED = 16,
	SEGMENT_MEM = 32,
	SEGMENT_FLAGS = 40,
	SEGMENT_NEXT = 48,
	SEGMENT_BYTES = 56,
	SEGMENT_FLAG_READONLY = 1,
};

/* Regions of 4 MiB each: 4 TiB of heap. */
#define SEGMENTS_MAX (1U << 20)

/* Of GcDacVars; the last ones that were seen: .NET 11. */
#define VERSION_MAJOR 2
#define VERSION_MINOR 9

/* Offsets of fields; a field that this collector does not have. */
#define FIELD_OFFSET_MAX (1U << 20)
#define FIELD_NONE       UINT32_MAX

/* Generations, and what else has spans of its own. */
enum {
	GEN2 = 2,
	LARGE = 3,
	FROZEN = CLR_GENERATIONS,
	GROUPS,
};

/* One heap of the collector: there are several with the server's. */
struct gc_heap {
	const struct clr *clr;
	uint32_t number;
	uint64_t generations, ephemeral, alloc_allocated;
	uint64_t segment[CLR_GENERATIONS], start[CLR_GENERATIONS];
	/* Index of its struct ch_heap_desc, by group; UINT32_MAX: none yet. */
	uint32_t descs[GROUPS];
};

struct segment {
	uint64_t allocated, committed, reserved, mem, flags, next;
};

static bool read_var(const struct clr *clr, uint32_t var, uint64_t *ret)
{
	/* .NET Core 3.1 does not count generations: all behind that lies lower. */
	if (var > VAR_GENERATIONS)
		var -= clr->layout.gc_shift;
	return clr_read_ptr(clr, clr->gc_vars + var, ret);
}

/* The value of a variable of the collector. */
static bool read_value(const struct clr *clr, uint32_t var, uint64_t *ret)
{
	uint64_t addr;

	return read_var(clr, var, &addr) && addr && clr_read_ptr(clr, addr, ret);
}

bool clr_gc_variable(const struct clr *clr, uint32_t offset, uint64_t *ret)
{
	return read_var(clr, offset, ret) && *ret;
}

static bool read_count(const struct clr *clr, uint32_t var, uint32_t *ret)
{
	uint64_t addr;

	*ret = 0;
	return read_var(clr, var, &addr) && (!addr || ch_core_read_u32(clr->core, addr, ret));
}

static bool is_offsets(const struct clr *clr, uint32_t var, size_t count)
{
	uint32_t offset;
	uint64_t addr;
	size_t i;

	if (!read_var(clr, var, &addr) || !addr)
		return false;
	for (i = 0; i < count; i++)
		if (!ch_core_read_u32(clr->core, addr + 4 * i, &offset) ||
		    (offset > FIELD_OFFSET_MAX && offset != FIELD_NONE))
			return false;
	return true;
}

/* Major version 1 has them since .NET 6: before, other data lies there. */
static bool has_field_arrays(const struct clr *clr)
{
	uint64_t version;

	return !clr_read_ptr(clr, clr->gc_vars, &version) || (version & 0xff) > 1 ||
	       (is_offsets(clr, VAR_HEAP_FIELDS, HEAP_FIELDS) &&
		is_offsets(clr, VAR_GENERATION_FIELDS, GENERATION_FIELDS));
}

static bool read_fields(const struct clr *clr, uint32_t var, uint32_t *fields, size_t count)
{
	/* .NET Core 3.1 and .NET 5 do not tell: gcinterface.dac.h has dac_gc_heap, dac_generation.
	 */
	static const uint32_t old_heap[HEAP_FIELDS] = { [HEAP_ALLOC_ALLOCATED] = 0,
							[HEAP_EPHEMERAL] = 8,
							[HEAP_FINALIZE_QUEUE] = 16,
							[HEAP_GENERATION_TABLE] = 344 };
	static const uint32_t old_generation[GENERATION_FIELDS] = { 0, 56, 64 };
	uint64_t addr;
	size_t i;

	if (clr->layout.gc_shift || !has_field_arrays(clr)) {
		memcpy(fields, var == VAR_HEAP_FIELDS ? old_heap : old_generation,
		       count * sizeof(*fields));
		return true;
	}
	if (!read_var(clr, var, &addr) || !addr)
		return false;
	for (i = 0; i < count; i++)
		if (!ch_core_read_u32(clr->core, addr + 4 * i, &fields[i]) ||
		    (fields[i] > FIELD_OFFSET_MAX && fields[i] != FIELD_NONE))
			return false;
	return true;
}

bool clr_gc_heap_field(const struct clr *clr, uint32_t field, uint32_t *ret)
{
	uint32_t fields[HEAP_FIELDS];

	if (field >= HEAP_FIELDS || !read_fields(clr, VAR_HEAP_FIELDS, fields, CH_COUNT_OF(fields)))
		return false;
	*ret = fields[field];
	return *ret != FIELD_NONE;
}

static bool read_segment(const struct clr *clr, uint64_t addr, struct segment *ret)
{
	uint8_t bytes[SEGMENT_BYTES];

	if (!ch_core_try_read(clr->core, addr, bytes, sizeof(bytes)))
		return false;
	ret->allocated = ch_get64(bytes + SEGMENT_ALLOCATED);
	ret->committed = ch_get64(bytes + SEGMENT_COMMITTED);
	ret->reserved = ch_get64(bytes + SEGMENT_RESERVED);
	ret->mem = ch_get64(bytes + SEGMENT_MEM);
	ret->flags = ch_get64(bytes + SEGMENT_FLAGS);
	ret->next = ch_get64(bytes + SEGMENT_NEXT);
	return ret->mem % CLR_ALIGN == 0 && ret->mem > CH_PAGE_BYTES &&
	       ret->allocated >= ret->mem && ret->reserved >= ret->allocated;
}

static struct ch_error *bad_gc(const struct clr *clr, const char *what)
{
	return ch_error_create(CH_ERROR_CORRUPT, "the collector's tables at %s: %s",
			       chp_core_word(clr->core, clr->gc_vars, CH_NO_ADDRESS).text, what);
}

/* "gen0", or "heap 3 gen0" of a server. */
static struct ch_error *add_heap(struct clr *clr, const struct gc_heap *heap, uint32_t group,
				 uint32_t *ret)
{
	static const char *const names[GROUPS] = { "gen0", "gen1",         "gen2",
						   "LOH",  "POH (pinned)", "frozen (NonGC)" };
	struct ch_heap_desc *desc = ch_vec_push(&clr->heaps);
	char **slot = ch_vec_push(&clr->names);

	if (!desc || !slot)
		return &ch_enomem;
	if (clr->server) {
		if (asprintf(slot, "heap %u %s", heap->number, names[group]) < 0)
			*slot = NULL;
	} else {
		*slot = strdup(names[group]);
	}
	if (!*slot)
		return &ch_enomem;
	*desc = (struct ch_heap_desc){ .kind = "generation", .name = *slot };
	*ret = (uint32_t)clr->heaps.count - 1;
	return NULL;
}

static struct ch_error *add_region(struct clr *clr, struct gc_heap *heap, uint32_t group,
				   const struct clr_region *region)
{
	struct ch_error *err = NULL;
	struct clr_region *kept;
	struct ch_span *span;

	if (region->committed <= region->start)
		return NULL;
	if (heap->descs[group] == UINT32_MAX)
		err = add_heap(clr, heap, group, &heap->descs[group]);
	if (err)
		return err;
	span = ch_vec_push(&clr->spans);
	kept = ch_vec_push(&clr->regions_list);
	if (!span || !kept)
		return &ch_enomem;
	*kept = *region;
	*span = (struct ch_span){
		.start = region->start,
		.end = region->end,
		.committed_end = region->committed,
		.kind = clr->regions ? "region" : "segment",
		.heap = heap->descs[group],
		.usage = CH_USAGE_MANAGED_HEAP,
		.basis = CH_BASIS_DERIVED,
		.cookie = clr->regions_list.count - 1,
		.align_bytes = CLR_ALIGN,
	};
	return NULL;
}

/* The ephemeral segment holds three generations, oldest first. */
static struct ch_error *add_ephemeral(struct clr *clr, struct gc_heap *heap,
				      const struct clr_region *whole)
{
	uint64_t ends[] = { heap->start[1], heap->start[0], whole->allocated };
	struct clr_region piece = *whole;
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < CH_COUNT_OF(ends); i++) {
		if (ends[i] < piece.first || ends[i] > whole->allocated)
			return bad_gc(clr, "the generations of the ephemeral segment are not in "
					   "order");
		piece.allocated = ends[i];
		piece.end = i + 1 < CH_COUNT_OF(ends) ? ends[i] : whole->end;
		piece.committed = i + 1 < CH_COUNT_OF(ends) ? ends[i] : whole->committed;
		err = add_region(clr, heap, GEN2 - i, &piece);
		piece.start = piece.first = ends[i];
	}
	return err;
}

/* A region that has objects begins with one: what does not is no region, and must not
 * take memory from others. */
static bool begins_with_object(const struct clr *clr, const struct clr_region *region)
{
	struct clr_shape shape;
	uint64_t mt;

	return region->allocated == region->first || clr->invalid_count ||
	       (clr_read_ptr(clr, region->first, &mt) && clr_shape_read(clr, mt & ~7ULL, &shape)) ||
	       !ch_core_try_read(clr->core, region->first, &mt, sizeof(mt));
}

static struct ch_error *add_segment(struct clr *clr, struct gc_heap *heap, uint32_t generation,
				    uint64_t addr, const struct segment *segment)
{
	bool ephemeral = addr == heap->ephemeral;
	uint64_t allocated = ephemeral ? heap->alloc_allocated : segment->allocated;
	struct clr_region region = {
		/* What lies before the first object is the collector's. */
		.start = ch_align_down(segment->mem - 1, CH_PAGE_BYTES),
		.end = ch_max(segment->reserved, segment->committed),
		.committed = ch_max(segment->committed, allocated),
		.first = segment->mem,
		.allocated = allocated,
		.frozen = segment->flags & SEGMENT_FLAG_READONLY,
	};

	if (allocated < segment->mem || allocated > region.end ||
	    !begins_with_object(clr, &region)) {
		chp_context_finding(
			clr->env->ctx, chp_blame(clr->env), "gc-region",
			"heap %u, generation %u: what is at %s is no region of objects; "
			"it is left out",
			heap->number, generation,
			chp_core_word(clr->core, addr, CH_NO_ADDRESS).text);
		return NULL;
	}
	if (segment->flags & SEGMENT_FLAG_READONLY)
		return add_region(clr, heap, FROZEN, &region);
	if (ephemeral && !clr->regions)
		return add_ephemeral(clr, heap, &region);
	return add_region(clr, heap, generation, &region);
}

static struct ch_error *add_chain(struct clr *clr, struct gc_heap *heap, uint32_t generation)
{
	uint64_t addr = heap->segment[generation], mark = 0;
	struct segment segment;
	struct ch_error *err;
	uint32_t i;

	for (i = 0; addr && i < SEGMENTS_MAX; i++) {
		/* A ring comes back to where it was at a power of two. */
		if (addr == mark)
			break;
		if ((i & (i + 1)) == 0)
			mark = addr;
		if (!read_segment(clr, addr, &segment)) {
			chp_context_finding(
				clr->env->ctx, chp_blame(clr->env), "gc-region",
				"heap %u, generation %u: no region at %s; what follows it "
				"is not known",
				heap->number, generation,
				chp_core_word(clr->core, addr, CH_NO_ADDRESS).text);
			return NULL;
		}
		err = add_segment(clr, heap, generation, addr, &segment);
		if (err)
			return err;
		addr = segment.next;
	}
	return NULL;
}

static struct ch_error *add_context(struct clr *clr, uint64_t start, uint64_t limit)
{
	struct clr_context *context;

	if (!start || limit < start || limit - start > 1U << 30)
		return NULL;
	context = ch_vec_push(&clr->contexts);
	if (!context)
		return &ch_enomem;
	*context = (struct clr_context){ start, limit };
	return NULL;
}

static struct ch_error *read_heap(struct clr *clr, struct gc_heap *heap)
{
	uint32_t fields[GENERATION_FIELDS], g;
	uint64_t at, start, limit;
	struct ch_error *err;

	if (!read_fields(clr, VAR_GENERATION_FIELDS, fields, CH_COUNT_OF(fields)) ||
	    fields[GENERATION_SEGMENT] == FIELD_NONE || fields[GENERATION_CONTEXT] == FIELD_NONE)
		return bad_gc(clr, "the offsets of generations are not there");
	/* With regions, generations have no start. */
	clr->regions = fields[GENERATION_START] == FIELD_NONE;
	for (g = 0; g < clr->generations_count; g++) {
		at = heap->generations + g * clr->generation_bytes;
		if (!clr_read_ptr(clr, at + fields[GENERATION_SEGMENT], &heap->segment[g]) ||
		    (!clr->regions &&
		     !clr_read_ptr(clr, at + fields[GENERATION_START], &heap->start[g])) ||
		    !clr_read_ptr(clr, at + fields[GENERATION_CONTEXT], &start) ||
		    !clr_read_ptr(clr, at + fields[GENERATION_CONTEXT] + 8, &limit))
			return bad_gc(clr, "a generation is not in the core");
		err = add_context(clr, start, limit);
		if (err)
			return err;
	}
	err = NULL;
	for (g = 0; !err && g < clr->generations_count; g++)
		if (clr->regions || g >= GEN2)
			err = add_chain(clr, heap, g);
	return err;
}

static struct ch_error *read_workstation(struct clr *clr)
{
	struct gc_heap heap = { .clr = clr };

	memset(heap.descs, 0xff, sizeof(heap.descs));
	if (!read_var(clr, VAR_GENERATION_TABLE, &heap.generations) || !heap.generations ||
	    !read_value(clr, VAR_EPHEMERAL, &heap.ephemeral) ||
	    !read_value(clr, VAR_ALLOC_ALLOCATED, &heap.alloc_allocated))
		return bad_gc(clr, "the generations are not there");
	return read_heap(clr, &heap);
}

static struct ch_error *read_server(struct clr *clr)
{
	uint32_t fields[HEAP_FIELDS], i;
	struct ch_error *err = NULL;
	uint64_t heaps, at;

	if (!read_fields(clr, VAR_HEAP_FIELDS, fields, CH_COUNT_OF(fields)) ||
	    fields[HEAP_EPHEMERAL] == FIELD_NONE || fields[HEAP_ALLOC_ALLOCATED] == FIELD_NONE ||
	    fields[HEAP_GENERATION_TABLE] == FIELD_NONE || !read_value(clr, VAR_HEAPS, &heaps))
		return bad_gc(clr, "the heaps of the server's collector are not there");
	for (i = 0; !err && i < clr->heaps_count; i++) {
		struct gc_heap heap = { .clr = clr, .number = i };

		memset(heap.descs, 0xff, sizeof(heap.descs));
		if (!clr_read_ptr(clr, heaps + 8ULL * i, &at) ||
		    !clr_read_ptr(clr, at + fields[HEAP_EPHEMERAL], &heap.ephemeral) ||
		    !clr_read_ptr(clr, at + fields[HEAP_ALLOC_ALLOCATED], &heap.alloc_allocated))
			return bad_gc(clr, "a heap of the server's collector is not in the core");
		heap.generations = at + fields[HEAP_GENERATION_TABLE];
		err = read_heap(clr, &heap);
	}
	return err;
}

static struct ch_error *add_thread(struct clr *clr, uint64_t addr)
{
	struct clr_thread *thread = ch_vec_push(&clr->threads);

	if (!thread)
		return &ch_enomem;
	thread->addr = addr;
	ch_core_read_u32(clr->core, addr + clr->layout.thread_os_id, &thread->tid);
	if (clr->layout.thread_data)
		clr_read_ptr(clr, addr + clr->layout.thread_data, &thread->data);
	return NULL;
}

/* What threads have taken of gen0 to allocate from. */
static struct ch_error *read_contexts(struct clr *clr)
{
	const struct clr_layout *layout = &clr->layout;
	uint64_t link, thread, locals, start, limit;
	struct ch_error *err;
	uint32_t count = 0, found = 0;

	if (!clr_read_ptr(clr, clr->thread_store + layout->store_first, &link))
		return bad_gc(clr, "the list of threads is not in the core");
	ch_core_read_u32(clr->core, clr->thread_store + layout->store_count, &count);
	for (; link && found < CLR_THREADS_MAX; found++) {
		thread = clr_thread_of(layout, link);
		if (!clr_read_ptr(clr, thread + layout->thread_link, &link))
			break;
		err = add_thread(clr, thread);
		if (err)
			return err;
		/* Before .NET 9 the context is a part of Thread. */
		locals = thread;
		if ((!layout->old &&
		     (!clr_read_ptr(clr, thread + layout->thread_locals, &locals) || !locals)) ||
		    !clr_read_ptr(clr, locals + layout->context, &start) ||
		    !clr_read_ptr(clr, locals + layout->context + 8, &limit))
			continue;
		err = add_context(clr, start, limit);
		if (err)
			return err;
	}
	if (found != count)
		chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-threads",
				    "the runtime counts %u threads, its list has %u", count, found);
	return NULL;
}

static int compare_contexts(const void *a, const void *b)
{
	const struct clr_context *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Variables are added at the end as the minor version grows; .NET 11 has 2.9. */
static struct ch_error *check_version(const struct clr *clr)
{
	uint64_t version = 0;
	uint32_t major, minor;

	clr_read_ptr(clr, clr->gc_vars, &version);
	major = version & 0xff;
	minor = version >> 8 & 0xff;
	if (major < 1 || major > VERSION_MAJOR)
		return bad_gc(clr, "they are of a version that is not known");
	if (major == VERSION_MAJOR && minor > VERSION_MINOR)
		chp_context_finding(clr->env->ctx, CH_SEVERITY_NOTE, "gc-newer",
				    "the garbage collector's variables have version %u.%u, later "
				    "than .NET 11; they are read as those of .NET 11",
				    major, minor);
	return NULL;
}

struct ch_error *clr_gc_open(struct clr *clr)
{
	uint64_t generations = LARGE + 1;
	struct ch_error *err = check_version(clr);

	if (err)
		return err;
	if (!read_var(clr, VAR_GENERATION_BYTES, &clr->generation_bytes) ||
	    (!clr->layout.gc_shift && !read_var(clr, VAR_GENERATIONS, &generations)) ||
	    clr->generation_bytes < 72 || clr->generation_bytes > 4096 || generations < 4 ||
	    generations > CLR_GENERATIONS)
		return bad_gc(clr, "they are not what a collector of .NET Core 3.1 to .NET 11 has");
	clr->generations_count = (uint32_t)generations;
	if (!read_count(clr, VAR_HEAPS_COUNT, &clr->heaps_count) ||
	    clr->heaps_count > CLR_HEAPS_MAX ||
	    !read_count(clr, VAR_INVALID_COUNT, &clr->invalid_count))
		return bad_gc(clr, "its counters are not in the core");
	clr->server = clr->heaps_count != 0;
	err = clr->server ? read_server(clr) : read_workstation(clr);
	if (!err)
		err = read_contexts(clr);
	ch_vec_sort(&clr->contexts, compare_contexts);
	if (!err && clr->invalid_count)
		chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "gc-in-progress",
				    "the core was taken during a garbage collection: objects may "
				    "be half moved");
	return err;
}
