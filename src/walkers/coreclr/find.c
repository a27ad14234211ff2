/*
 * Finding .NET in a core: its module, the descriptor in which later releases describe themselves,
 * and the variables that lead to heaps and threads.
 */
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Entries of g_dacTable: 158 in 9.0. */
#define DAC_ENTRIES_MAX 512
/* A library of this name may be Mono, in the place of CoreCLR. */
#define MONO_SYMBOL "mono_get_root_domain"

const struct ch_module *clr_find_runtime(const struct ch_heap_env *env)
{
	const struct ch_module *modules;
	struct ch_symbol symbol;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (strcmp(modules[i].name, "libcoreclr.so") == 0 &&
		    !ch_sym_exported(env->sym, &modules[i], MONO_SYMBOL, &symbol))
			return &modules[i];
	/* A single file: the program itself exports what the library would. */
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE &&
		    ch_sym_exported(env->sym, &modules[i], "g_dacTable", &symbol))
			return &modules[i];
	return NULL;
}

struct wanted_field {
	const char *type, *field;
	size_t offset;
};

#define FIELD(member, type, field)                                                                 \
	{                                                                                          \
		type, field, offsetof(struct clr_layout, member)                                   \
	}

/* What .NET 9 and later tell. */
static const struct wanted_field fields[] = {
	FIELD(mt_flags, "MethodTable", "MTFlags"),
	FIELD(mt_base_size, "MethodTable", "BaseSize"),
	FIELD(mt_flags2, "MethodTable", "MTFlags2"),
	FIELD(mt_module, "MethodTable", "Module"),
	FIELD(mt_parent, "MethodTable", "ParentMethodTable"),
	FIELD(mt_class, "MethodTable", "EEClassOrCanonMT"),
	FIELD(mt_dictionaries, "MethodTable", "PerInstInfo"),
	FIELD(module_base, "Module", "Base"),
	FIELD(module_dynamic, "Module", "DynamicMetadata"),
	FIELD(store_first, "ThreadStore", "FirstThreadLink"),
	FIELD(store_count, "ThreadStore", "ThreadCount"),
	FIELD(thread_link, "Thread", "LinkNext"),
	FIELD(thread_os_id, "Thread", "OSId"),
	FIELD(thread_locals, "Thread", "RuntimeThreadLocals"),
	FIELD(context, "RuntimeThreadLocals", "AllocContext"),
};

/* What not every release tells; where .NET 9 has it (measured on 9.0.7). */
static const struct {
	struct wanted_field field;
	uint32_t usual;
} more_fields[] = {
	{ FIELD(mt_aux, "MethodTable", "AuxiliaryData"), 32 },
	{ FIELD(class_fields, "EEClass", "FieldDescList"), 24 },
	{ FIELD(class_instance_count, "EEClass", "NumInstanceFields"), 50 },
	{ FIELD(class_static_count, "EEClass", "NumStaticFields"), 54 },
	{ FIELD(class_thread_count, "EEClass", "NumThreadStaticFields"), 58 },
	{ FIELD(class_kind, "EEClass", "InternalCorElementType"), 48 },
	{ FIELD(module_assembly, "Module", "Assembly"), 312 },
	{ FIELD(module_allocator, "Module", "LoaderAllocator"), 248 },
	{ FIELD(module_types, "Module", "TypeDefToMethodTableMap"), 624 },
	{ FIELD(module_foreign_types, "Module", "TypeRefToMethodTableMap"), 8 },
	{ FIELD(thread_data, "Thread", "ThreadLocalDataPtr"), 928 },
	{ FIELD(thread_number, "Thread", "Id"), 0 },
	{ FIELD(thread_thrown, "Thread", "LastThrownObject"), 0 },
	{ FIELD(domain_assemblies, "AppDomain", "DomainAssemblyList"), 0 },
	{ FIELD(assembly_module, "Assembly", "Module"), 0 },
	{ FIELD(module_methods, "Module", "MethodDefToDescMap"), 0 },
	{ FIELD(module_field_map, "Module", "FieldDefToDescMap"), 0 },
};

static void take_more_fields(struct clr *clr, const struct clr_descriptor *descriptor)
{
	uint32_t *to;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(more_fields); i++) {
		to = (void *)((char *)&clr->layout + more_fields[i].field.offset);
		if (!clr_descriptor_field(descriptor, more_fields[i].field.type,
					  more_fields[i].field.field, to))
			*to = more_fields[i].usual;
	}
	clr->layout.token_bits = CLR_TOKEN_BITS;
}

static struct ch_error *take_fields(struct clr *clr, const struct clr_descriptor *descriptor)
{
	uint32_t inner;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(fields); i++)
		if (!clr_descriptor_field(descriptor, fields[i].type, fields[i].field,
					  (void *)((char *)&clr->layout + fields[i].offset)))
			return ch_error_create(CH_ERROR_UNSUPPORTED,
					       "the descriptor of the runtime does not tell "
					       "where %s.%s is",
					       fields[i].type, fields[i].field);
	/* .NET 10 put a structure of its own around the collector's. */
	if (clr_descriptor_field(descriptor, "EEAllocContext", "GCAllocationContext", &inner))
		clr->layout.context += inner;
	take_more_fields(clr, descriptor);
	clr->layout.flag_collectible = CLR_FLAG_COLLECTIBLE;
	return NULL;
}

struct wanted_global {
	const char *name;
	size_t offset;
	/* It is the address of a variable that holds what is wanted. */
	bool variable;
};

#define GLOBAL(member, name, variable)                                                             \
	{                                                                                          \
		name, offsetof(struct clr, member), variable                                       \
	}

static const struct wanted_global globals[] = {
	GLOBAL(app_domain, "AppDomain", false),
	GLOBAL(thread_store, "ThreadStore", true),
	GLOBAL(free_mt, "FreeObjectMethodTable", true),
	GLOBAL(object_mt, "ObjectMethodTable", true),
	GLOBAL(string_mt, "StringMethodTable", true),
};

static struct ch_error *take_globals(struct clr *clr, const struct clr_descriptor *descriptor)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(globals); i++) {
		if (!clr_descriptor_global(descriptor, globals[i].name, &value))
			return ch_error_create(CH_ERROR_UNSUPPORTED,
					       "the descriptor of the runtime does not name %s",
					       globals[i].name);
		if (globals[i].variable && !clr_read_ptr(clr, value, &value))
			return ch_error_create(CH_ERROR_ABSENT,
					       "the runtime's variable %s is not in the core",
					       globals[i].name);
		memcpy((char *)clr + globals[i].offset, &value, sizeof(value));
	}
	return NULL;
}

/* g_gcDacGlobals is the entry of g_dacTable before that of AppDomain's variable
 * (src/coreclr/inc/dacvars.h). */
static struct ch_error *find_gc_vars(struct clr *clr)
{
	struct ch_symbol table;
	uint64_t entry, before = 0, i;

	if (!ch_sym_exported(clr->env->sym, clr->runtime, "g_dacTable", &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED, "the runtime exports no g_dacTable");
	/* The first entry is that of ExecutionManager's map. */
	if (clr_read_ptr(clr, table.addr, &entry))
		clr_code_tables(clr, entry);
	for (i = 0; i < DAC_ENTRIES_MAX; i++) {
		if (!clr_read_ptr(clr, table.addr + 8 * i, &entry))
			break;
		if (entry == clr->app_domain && before) {
			clr->variables = table.addr + 8 * (i - 1);
			if (clr_read_ptr(clr, before, &clr->gc_vars) && clr->gc_vars)
				return NULL;
			break;
		}
		before = entry;
	}
	return ch_error_create(CH_ERROR_CORRUPT,
			       "the runtime's table of variables does not lead to its collector");
}

/* What the words of the list of threads lead to, no descriptor says: what fits. */
static void choose_links(struct clr *clr)
{
	if (clr_layout_fits(clr) != CLR_FIT_NOT)
		return;
	clr->layout.links_threads = true;
	clr->layout.links_threads = clr_layout_fits(clr) != CLR_FIT_NOT;
}

struct ch_error *clr_find_tables(struct clr *clr)
{
	struct clr_descriptor *descriptor;
	struct ch_error *err;

	err = clr_descriptor_open(clr, &descriptor);
	/* Those before .NET 9 are told by their tables, and those whose descriptor is not in
	 * the core. */
	if (err && (err->code == CH_ERROR_UNSUPPORTED || err->code == CH_ERROR_ABSENT)) {
		ch_error_destroy(err);
		err = clr_old_tables(clr);
		if (!err && !clr->layout.old && clr->runtime->kind != CH_MODULE_EXE &&
		    clr_lacks_runtime(clr))
			clr_needs_runtime(clr);
		return clr_needs_error(clr, err);
	}
	if (err)
		return err;
	err = take_fields(clr, descriptor);
	if (!err)
		err = take_globals(clr, descriptor);
	if (!err)
		choose_links(clr);
	clr_descriptor_close(descriptor);
	return err ? err : find_gc_vars(clr);
}
