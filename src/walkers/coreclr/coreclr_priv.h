/*
 * coreclr_priv.h - the inside of the .NET walker.
 *
 * find.c finds the runtime and its tables, descriptor.c reads the contract
 * descriptor (.NET 9 and later), gc.c the heaps and their regions, types.c and
 * metadata.c name types, coreclr.c walks the objects.
 *
 * Layout facts: dotnet/runtime, release/9.0 and release/10.0, docs/design/
 * datacontracts (the descriptor), src/coreclr/gc/gcinterface.dac.h (GcDacVars,
 * dac_generation, dac_heap_segment), src/coreclr/vm/methodtable.h; measured on
 * 9.0.7, 10.0.9 and 10.0.12.
 */
#ifndef COREHEAP_WALKERS_CORECLR_PRIV_H
#define COREHEAP_WALKERS_CORECLR_PRIV_H

#include "heap/walker.h"
#include "util/vec.h"
#include "walkers/coreclr/metadata.h"

/** Objects are aligned to this, and none is smaller than three of it. */
#define CLR_ALIGN       8ULL
#define CLR_OBJECT_MIN  24ULL
#define CLR_HEAPS_MAX   1024
#define CLR_THREADS_MAX (1U << 17)
#define CLR_GENERATIONS 5
#define CLR_NAME_MAX    1024

/** Type ids below any method table. */
enum clr_pseudo_type {
	/** Memory that a thread has taken to allocate from. */
	CLR_TYPE_CONTEXT = 1,
	/** The part of a region that was never allocated. */
	CLR_TYPE_UNUSED,
};

/** Offsets into the runtime's own structures. */
struct clr_layout {
	/** Of MethodTable. */
	uint32_t mt_flags, mt_base_size, mt_flags2, mt_module, mt_parent, mt_class, mt_dictionaries;
	/** Of Module. */
	uint32_t module_base, module_dynamic;
	/** Of ArrayClass. */
	uint32_t array_rank;
	/** Of ThreadStore and Thread. */
	uint32_t store_first, store_count, thread_link, thread_os_id, thread_locals;
	/** Of the allocation context in what thread_locals leads to. */
	uint32_t context;
};

/** [start, limit): a piece of a region that a thread allocates from. */
struct clr_context {
	uint64_t start, limit;
};

/** What struct ch_span does not say of a region. */
struct clr_region {
	/** Target range [start, end), of which [start, committed) is backed. */
	uint64_t start, end, committed;
	/** First object, and the end of the last one. */
	uint64_t first, allocated;
};

struct clr_module {
	uint64_t addr;
	bool known;
	struct clr_metadata metadata;
};

struct clr {
	const struct ch_heap_env *env;
	const struct ch_core *core;
	/** libcoreclr, or the executable that holds it. */
	const struct ch_module *runtime;
	struct clr_layout layout;
	/** Of variables: AppDomain*, ThreadStore*, and of method tables. */
	uint64_t app_domain, thread_store, free_mt, object_mt, string_mt;
	/** GcDacVars. */
	uint64_t gc_vars;
	uint64_t generation_bytes;
	uint32_t generations_count, heaps_count;
	bool server, regions;
	/** Nonzero: a collection was under way. */
	uint32_t invalid_count;
	char version[64];

	/** of struct ch_heap_desc, of char * (their names, owned) */
	struct ch_vec heaps, names;
	/** of struct ch_span, whose cookies index regions_list; of struct clr_region */
	struct ch_vec spans, regions_list;
	/** of struct clr_context, ascending */
	struct ch_vec contexts;
	/** of struct clr_module */
	struct ch_vec modules;
	/** of struct ch_fact */
	struct ch_vec facts;
	/** of char *: type names, owned */
	struct ch_vec type_names;
};

/** Where the runtime is; NULL when it is not there. */
const struct ch_module *clr_find_runtime(const struct ch_heap_env *env);
/** find.c: layout and variables. Errors: UNSUPPORTED, CORRUPT, NOMEM. */
CH_MUST_CHECK struct ch_error *clr_find_tables(struct clr *clr);

/** The descriptor, read. */
struct clr_descriptor;
/** Errors: UNSUPPORTED (there is none), CORRUPT, ABSENT, NOMEM. */
CH_MUST_CHECK struct ch_error *clr_descriptor_open(const struct clr *clr,
						   struct clr_descriptor **ret);
void clr_descriptor_close(struct clr_descriptor *descriptor);
/** Offset of a field of a type. */
bool clr_descriptor_field(const struct clr_descriptor *descriptor, const char *type,
			  const char *field, uint32_t *ret);
/** Value of a global: a number, or the address of a variable. */
bool clr_descriptor_global(const struct clr_descriptor *descriptor, const char *name,
			   uint64_t *ret);

/** gc.c: GcDacVars, heaps, regions, allocation contexts. Errors: CORRUPT, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *clr_gc_open(struct clr *clr);

/** types.c: what a method table says of the size of its objects. */
struct clr_shape {
	uint32_t base_bytes, component_bytes;
};
/** False when mt is no method table. */
bool clr_shape_read(const struct clr *clr, uint64_t mt, struct clr_shape *ret);
/** Full name of a type, as SOS prints it, unescaped; false when there is no metadata. */
bool clr_type_name(struct clr *clr, uint64_t mt, char *buf, size_t max);
static inline bool clr_read_ptr(const struct clr *clr, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(clr->core, addr, ret);
}

#endif /* COREHEAP_WALKERS_CORECLR_PRIV_H */
