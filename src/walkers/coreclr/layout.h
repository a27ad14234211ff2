/*
 * layout.h - where fields are in the runtime's own structures.
 */
#ifndef COREHEAP_WALKERS_CORECLR_LAYOUT_H
#define COREHEAP_WALKERS_CORECLR_LAYOUT_H

#include <stdint.h>

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

	/* What is not in every descriptor; .NET 9's by measurement. */
	/** Of MethodTable. */
	uint32_t mt_aux;
	/** Of EEClass: list of fields, numbers of them (16 bits). */
	uint32_t class_fields, class_instance_count, class_static_count, class_thread_count;
	/** Of EEClass: CorElementType; the byte behind it is the padding of an object. */
	uint32_t class_kind;
	/** Of Module. */
	uint32_t module_assembly, module_allocator, module_types;
	/** The same as module_types, of what other modules define. */
	uint32_t module_foreign_types;
	/** Of Thread: its ThreadLocalData. */
	uint32_t thread_data;
	/** Of AppDomain: the list of assemblies; of one of them: its module. 0: not
	 * known. */
	uint32_t domain_assemblies, assembly_module;
	/** Of Module: its ReadyToRunInfo; of that the map from entry points to methods.
	 * 0: not known. */
	uint32_t module_r2r, r2r_methods;
};

#endif /* COREHEAP_WALKERS_CORECLR_LAYOUT_H */
