/*
 * layout.h - where the runtime's structures have what, and what that differs in
 * between releases.
 */
#ifndef COREHEAP_WALKERS_CORECLR_LAYOUT_H
#define COREHEAP_WALKERS_CORECLR_LAYOUT_H

#include "heap/walker.h"

struct clr;

/** Of the row of a method, in its MethodDesc, since .NET 8. */
#define CLR_TOKEN_BITS 12
/** Of a method table's flags, since .NET 9: it can be unloaded. */
#define CLR_FLAG_COLLECTIBLE 0x00200000U

/** Offsets into the runtime's own structures. */
struct clr_layout {
	/** Of MethodTable. */
	uint32_t mt_flags, mt_base_size, mt_flags2, mt_module, mt_parent, mt_class, mt_dictionaries;
	/** Of Module. */
	uint32_t module_base, module_dynamic;
	/** Of ThreadStore and Thread. */
	uint32_t store_first, store_count, thread_link, thread_os_id, thread_locals;
	/** Of Thread: Thread.ManagedThreadId; 0: not known. */
	uint32_t thread_number;
	/** Of Thread: the handle of what it threw last; 0: not known. */
	uint32_t thread_thrown;
	/** The list of threads has their addresses (.NET 11), not those of their links. */
	bool links_threads;
	/** Of the allocation context in what thread_locals leads to. */
	uint32_t context;

	/* What is not in every descriptor; .NET 9's by measurement. */
	/** Of MethodTable. */
	uint32_t mt_aux;
	/** Of EEClass: list of fields, numbers of them (16 bits). */
	uint32_t class_fields, class_instance_count, class_static_count, class_thread_count;
	/** Of EEClass: CorElementType; the byte behind it is the padding of an object. */
	uint32_t class_kind;
	/** Of Module. */
	uint32_t module_assembly, module_allocator, module_types;
	/** Of Assembly: its LoaderAllocator, where Module has none; 0: not known. */
	uint32_t assembly_allocator;
	/** The same as module_types, of what other modules define. */
	uint32_t module_foreign_types;
	/** Of Thread: its ThreadLocalData. */
	uint32_t thread_data;
	/** Of AppDomain: the list of assemblies; of one of them: its module. 0: not
	 * known. */
	uint32_t domain_assemblies, assembly_module;
	/** Before .NET 9. Of EEClass: the byte that tells where its numbers of fields
	 * are (32 bits each); 0: they are where the others say. */
	uint32_t class_numbers;
	/** Module, file, image, one of several layouts: where each leads to the next;
	 * of the last, the address it is at. 0: Module has that itself. */
	uint32_t module_file, file_image, image_layout, layout_base;
	/** How many layouts an image has, of which image_layout is the last; 0: 3. */
	uint32_t image_layouts;
	/** Of Module: its statics (DomainLocalModule); of that, those that hold objects. 0:
	 * types have their own. */
	uint32_t module_statics, statics_objects;
	/** Of Module: its number among a thread's statics; of Thread: their table. */
	uint32_t module_index, thread_block;
	/** Of a method table's flags: it can be unloaded. */
	uint32_t flag_collectible;
	/** Bytes that the collector's variables lie before where .NET 5 has them. */
	uint32_t gc_shift;
	/** Bits of its row that a MethodDesc has itself, not its chunk; 0: not known. */
	uint32_t token_bits;
	/** Method tables have rows of 16 bits and modules that must be looked for. */
	bool old;
	/** Of Module: maps of its methods and fields. 0: not known. */
	uint32_t module_methods, module_field_map;
};

/** How well a layout fits the runtime's threads. */
enum clr_fit {
	CLR_FIT_NOT,
	/** As many as are counted, with ids that threads may have. */
	CLR_FIT_LIST,
	/** And their ids are those of threads of the core. Seen from another PID
	 * namespace they are not. */
	CLR_FIT_CORE,
};
/** The Thread that a word of the list leads to. */
static inline uint64_t clr_thread_of(const struct clr_layout *layout, uint64_t link)
{
	return layout->links_threads ? link : link - layout->thread_link;
}
/** Hold clr->layout against the list at clr->thread_store. */
enum clr_fit clr_layout_fits(const struct clr *clr);
/**
 * Find by measuring what clr->layout must hold of threads, images, maps and classes,
 * for the store of threads at clr->thread_store, of which thread is one. The rest of
 * the layout is set. False when anything does not come out as it must.
 */
bool clr_layout_measure(struct clr *clr, uint64_t thread);
/** A layout that knows what is the same in all releases without a descriptor. */
struct clr_layout clr_layout_common(void);

/** Layout and variables of runtimes without a descriptor: .NET Core 3.1 to .NET 8,
 * programs of one file of .NET 9. Errors: UNSUPPORTED, CORRUPT. */
CH_MUST_CHECK struct ch_error *clr_old_tables(struct clr *clr);

#endif /* COREHEAP_WALKERS_CORECLR_LAYOUT_H */
