/*
 * coreclr_priv.h - the inside of the .NET walker.
 *
 * find.c finds the runtime and its tables, descriptor.c reads the contract
 * descriptor (.NET 9 and later), gc.c the heaps and their regions, objects.c walks
 * them. method_tables.c and fields.c read what a type is, module_table.c opens the
 * metadata of its module, types.c and metadata.c name it. Pointers: edges.c knows
 * those in objects, handles.c handles and finalizers, statics.c static fields, slots.c
 * their names; tracer.c puts them together. layout.c knows what differs before .NET 9.
 *
 * Layout facts: dotnet/runtime, release/9.0 and release/10.0, docs/design/
 * datacontracts (the descriptor), src/coreclr/gc/gcinterface.dac.h (GcDacVars,
 * dac_generation, dac_heap_segment), src/coreclr/vm/methodtable.h; measured on
 * 9.0.7, 10.0.9 and 10.0.12.
 */
#ifndef COREHEAP_WALKERS_CORECLR_PRIV_H
#define COREHEAP_WALKERS_CORECLR_PRIV_H

#include "heap/walker.h"
#include "util/table.h"
#include "util/vec.h"
#include "walkers/coreclr/code.h"
#include "walkers/coreclr/layout.h"
#include "walkers/coreclr/metadata.h"
#include "walkers/coreclr/method_tables.h"
#include "walkers/coreclr/r2r.h"

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
	/** Read only: what lies in it is never collected. */
	bool frozen;
};

struct clr_module {
	uint64_t addr;
	/** Where its image is; 0: it has none. */
	uint64_t image;
	bool known;
	/** Whether r2r was looked for, and found. */
	bool r2r_tried, has_r2r;
	struct clr_metadata metadata;
	struct clr_r2r r2r;
};

/** What edges.c knows of a type. */
struct clr_type {
	uint64_t mt;
	/** An object that each instance keeps alive; 0: none. */
	uint64_t also;
	uint32_t base_bytes, component_bytes;
	/** Its series: series_count items of clr.series from series_first on. */
	uint32_t series_first, series_count;
	/** Bytes of an element, where elements are structures with pointers. */
	uint32_t element_bytes;
	/** No word but those of series is an address. */
	bool pure;
	/** An array of references. */
	bool array;
};

/** Where pointers lie: in an object from offset on, delta + size bytes of it; in
 * an element words of them from offset on. */
struct clr_series {
	uint64_t offset;
	int64_t delta;
};

/** A named word: a static field, or a thread's. */
struct clr_slot {
	uint64_t addr;
	/** Method table and row of the field's definition. */
	uint64_t mt;
	uint32_t field;
	/** Kernel id of the thread; 0: an ordinary static. */
	uint32_t tid;
	/** Its type can be unloaded: it is no root, but an element of an array that
	 * its LoaderAllocator keeps. */
	bool collectible;
};
/** A LoaderAllocator, and the bytes of its heaps. */
struct clr_allocator {
	uint64_t addr, bytes;
};

/** A managed thread. */
struct clr_thread {
	/** Thread, and its ThreadLocalData or 0. */
	uint64_t addr, data;
	/** Kernel's; Thread.ManagedThreadId, 0: not known. */
	uint32_t tid, number;
};

/** A type, and System.Exception if it derives from that, else 0. */
struct clr_carrier {
	uint64_t type, base;
};

struct clr {
	const struct ch_heap_env *env;
	const struct ch_core *core;
	/** libcoreclr, or the executable that holds it. */
	const struct ch_module *runtime;
	struct clr_layout layout;
	/** Of variables: AppDomain*, ThreadStore*, and of method tables. */
	uint64_t app_domain, thread_store, free_mt, object_mt, string_mt;
	uint64_t gc_vars; /**< GcDacVars */
	/** Method table of System.MulticastDelegate, once it was met. */
	uint64_t delegate_mt;
	/** See clr_variable_value(); 0: not known. */
	uint64_t variables;
	bool variables_relative;
	/** ExecutionManager's map of code; 0: not known. */
	uint64_t code_map;
	/** Before .NET 8: the first section of its list; else 0. */
	uint64_t code_list;
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
	/** module_table.c: of struct clr_module *, owned; its index by address */
	struct ch_vec modules;
	struct ch_table modules_by_addr;
	/** of struct ch_fact */
	struct ch_vec facts;
	/** of char *: type names, owned */
	struct ch_vec type_names;

	/** edges.c: of struct clr_type; its index by method table */
	struct ch_vec types;
	struct ch_table types_by_mt;
	/** of struct clr_series */
	struct ch_vec series;
	/** of struct clr_slot, ascending: words of statics' arrays with a name; [low,
	 * high) holds the arrays */
	struct ch_vec slots;
	uint64_t slots_low, slots_high;
	/** The same of statics that hold no objects, once they were looked for. */
	struct ch_vec numbers;
	bool numbers_known;
	/** Where in a LoaderAllocator the handle of its object is; 0: not known. */
	uint32_t allocator_handle;
	/** of uint64_t: segments of handles, ascending */
	struct ch_vec handle_segments;
	/** of uint64_t: modules of assemblies; see clr_modules_find() */
	struct ch_vec module_list;
	bool modules_found;
	/** of struct ch_walker_claim; of those of collectible types how many
	 * LoaderAllocators and bytes there are */
	struct ch_vec claims;
	uint64_t collectible_count, collectible_bytes, dynamic_count;
	/** of struct clr_allocator, ascending: those of types that can be unloaded */
	struct ch_vec allocators;
	/** of struct ch_assembly, whose texts are owned; see clr_assemblies() */
	struct ch_vec assemblies;
	bool assemblies_made;
	/** of struct clr_thread: the runtime's list */
	struct ch_vec threads;

	/** Where the layout is from, of a runtime without a descriptor; else NULL. */
	const char *tables_source;

	/** exceptions.c: what was asked of types last. */
	struct clr_carrier carriers[64];

	/** valuetypes.c: of struct clr_named_type, by hash, once value_types_known. */
	struct ch_vec value_types;
	bool value_types_known;
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

/** types.c: full name of a type, as SOS prints it, unescaped; false when there is no metadata. */
bool clr_type_name(struct clr *clr, uint64_t mt, char *buf, size_t max);
/** module_table.c: metadata of a Module, looked up once; NULL when there is none. */
const struct clr_metadata *clr_module_metadata(struct clr *clr, uint64_t module);
/** The same with what else is kept of a Module; NULL when out of memory. */
struct clr_module *clr_module_entry(struct clr *clr, uint64_t module);
void clr_modules_free(struct clr *clr);
/** modules.c: find the modules of all assemblies, once. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *clr_modules_find(struct clr *clr);

/** assemblies.c: as ch_walker.assemblies. */
CH_MUST_CHECK struct ch_error *clr_assemblies(void *state, const void **ret, size_t *count_ret);
void clr_assemblies_free(struct clr *clr);
/** Bytes of the loader heaps of a LoaderAllocator of types that can be unloaded; 0: it is
 * not one. */
uint64_t clr_loader_bytes(const struct clr *clr, uint64_t allocator);

/** loader.c: find the runtime's own memory. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *clr_loader_find(struct clr *clr);
/** As ch_walker.claims. */
const struct ch_walker_claim *clr_loader_claims(void *state, size_t *count_ret);
/** "Space.Outer+Inner" of a row of TypeDef, unescaped. */
bool clr_definition_name(const struct clr_metadata *metadata, uint32_t row, char *buf, size_t max);

#define CLR_NESTED_MAX 32
/** A type and those it is nested in, outermost first; names without their arities. */
struct clr_nest {
	char names[CLR_NESTED_MAX][256];
	uint32_t arities[CLR_NESTED_MAX];
	uint32_t count;
	char space[256];
};
/** Of a row of TypeDef or TypeRef. */
bool clr_nest_read(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
		   struct clr_nest *nest);
/** signature.c: the type of a field as its module declares it. */
struct clr_signature {
	/** Unescaped; "" when it cannot be told. */
	char name[CLR_NAME_MAX];
	/** Method table of a value type, if it is a type of its own, of another module,
	 * or an argument of the type that declares it; 0: look for it by name. */
	uint64_t value_type;
};
/** Of a row of Field of the type that declares it. */
void clr_signature_of_field(struct clr *clr, uint64_t mt, uint32_t row, struct clr_signature *ret);
/** The value type of such a field; 0: not known. */
uint64_t clr_signature_value_type(struct clr *clr, uint64_t mt, uint32_t row,
				  const struct clr_signature *signature);
/** valuetypes.c: the value type of a name, as clr_type_name() gives it; 0: none. */
uint64_t clr_value_type_by_name(struct clr *clr, const char *name);
void clr_value_types_free(struct clr *clr);

/** A field as the runtime lays it out (FieldDesc). */
struct clr_field {
	/** Row of Field. */
	uint32_t row;
	/** From the first byte behind the method table of an object, or from the
	 * statics' base. */
	uint32_t offset;
	/** CorElementType. */
	uint8_t kind;
	bool is_static, is_thread_static, has_rva;
};
/** Fields that a type declares itself, at most max; returns how many. */
uint32_t clr_fields_of(const struct clr *clr, uint64_t mt, struct clr_field *fields, uint32_t max);
/** Name of a field of the type's module, unescaped. */
bool clr_field_name(struct clr *clr, uint64_t mt, uint32_t row, char *buf, size_t max);
/** Whether a field's word is a reference: to its value when that is a structure. */
bool clr_holds_object(const struct clr_field *field);
#define CLR_FIELDS_MAX 4096

/** edges.c. */
CH_MUST_CHECK struct ch_error *clr_edges_learn(void *state, uint64_t mt);
void clr_edges_refs(void *state, struct ch_ref_query *query);
const struct clr_type *clr_edges_type(const struct clr *clr, uint64_t mt);

/** handles.c: entries of the handle table, and the finalizers' queue. Errors: those of fn. */
CH_MUST_CHECK struct ch_error *clr_handles_visit(struct clr *clr, ch_walker_roots_fn fn, void *arg);
/** Dependent handles: from the object that must live to the one it keeps. */
CH_MUST_CHECK struct ch_error *clr_handles_links(void *state, ch_walker_links_fn fn, void *arg);
CH_MUST_CHECK struct ch_error *clr_finalizers_visit(struct clr *clr, ch_walker_roots_fn fn,
						    void *arg);
/** As ch_walker.handles. */
CH_MUST_CHECK struct ch_error *clr_handles_list(void *state, ch_handles_fn fn, void *arg);
/** Find the segments of handles, once. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *clr_handles_find(struct clr *clr);
/** "strong handle". Static. */
const char *clr_handle_kind_name(uint64_t kind);

/** statics.c: method tables (uint64_t) of all types that are known, added to an empty
 * vector, which is the caller's also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *clr_types_list(struct clr *clr, struct ch_vec *ret);
/** Find the named words; those of statics that hold no objects. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *clr_statics_find(struct clr *clr);
CH_MUST_CHECK struct ch_error *clr_numbers_find(struct clr *clr);
/** Which of a thread's statics are asked for. */
struct clr_thread_query {
	uint64_t mt;
	/** All fields of the type. */
	const struct clr_field *fields;
	uint32_t count;
	/** Those that hold objects, or the others. */
	bool objects;
};
/** threadstatics.c: what offsets of such fields count from; 0: the thread has none. */
uint64_t clr_thread_base(const struct clr *clr, const struct clr_thread *thread,
			 const struct clr_thread_query *query);
/** gc.c: offset of a field of a heap of the server's collector, by its index. */
bool clr_gc_heap_field(const struct clr *clr, uint32_t field, uint32_t *ret);
/** gc.c: a variable of the collector: where it is, and a pointer that it holds. */
bool clr_gc_variable(const struct clr *clr, uint32_t offset, uint64_t *ret);

/** slots.c: the first slot at addr or behind it: an index into clr.slots. */
size_t clr_slot_from(const struct clr *clr, uint64_t addr);
/** The static field that lies at addr, of those that were found; NULL: none. */
const struct clr_slot *clr_static_at(const struct clr *clr, uint64_t addr);
/** "static Type.field". */
void clr_slot_text(struct clr *clr, const struct clr_slot *slot, char *buf, size_t max);
/** What lies at offset of an object of a type: ".name", "[3]", unescaped. */
bool clr_place_text(struct clr *clr, uint64_t addr, uint64_t mt, uint64_t offset, char *buf,
		    size_t max);

/** objects.c: as ch_walker.objects. */
CH_MUST_CHECK struct ch_error *clr_objects(void *state, const struct ch_span *span, uint64_t from,
					   struct ch_object_sink *sink);
/** Objects in the frozen heap. Errors: those of fn. */
CH_MUST_CHECK struct ch_error *clr_frozen_visit(struct clr *clr, ch_walker_roots_fn fn, void *arg);

/** inspect.c. */
extern const struct ch_inspector clr_inspector;
/** tracer.c. */
extern const struct ch_tracer clr_tracer;

/** CorElementType of values and references. */
enum clr_kind {
	CLR_KIND_BOOL = 0x02,
	CLR_KIND_CHAR = 0x03,
	CLR_KIND_I1 = 0x04,
	CLR_KIND_U8 = 0x0b,
	CLR_KIND_R4 = 0x0c,
	CLR_KIND_R8 = 0x0d,
	CLR_KIND_STRING = 0x0e,
	CLR_KIND_POINTER = 0x0f,
	CLR_KIND_VALUE_TYPE = 0x11,
	CLR_KIND_CLASS = 0x12,
	CLR_KIND_I = 0x18,
	CLR_KIND_U = 0x19,
	CLR_KIND_FUNCTION = 0x1b,
	CLR_KIND_OBJECT = 0x1c,
	CLR_KIND_ARRAY = 0x1d,
};

static inline bool clr_read_ptr(const struct clr *clr, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(clr->core, addr, ret);
}

#endif /* COREHEAP_WALKERS_CORECLR_PRIV_H */
