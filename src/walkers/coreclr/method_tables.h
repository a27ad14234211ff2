/*
 * method_tables.h - what the runtime's own structures say of a type: method_tables.c.
 */
#ifndef COREHEAP_WALKERS_CORECLR_METHOD_TABLES_H
#define COREHEAP_WALKERS_CORECLR_METHOD_TABLES_H

#include "walkers/coreclr/layout.h"
#include "walkers/coreclr/metadata.h"

/** Of the flags of a method table, in all releases (vm/methodtable.h). */
enum clr_mt_flags {
	/** Objects have elements: bytes of each in the lowest 16 bits. */
	CLR_MT_COMPONENT = 0x80000000U,
	/** Objects have references. */
	CLR_MT_POINTERS = 0x01000000,
	/** Generic; of those without elements. */
	CLR_MT_GENERICS = 0x30,
	/** Value, array or neither; of arrays: one dimension that begins at 0. */
	CLR_MT_CATEGORY = 0x000c0000,
	CLR_MT_VALUE = 0x00040000,
	CLR_MT_ARRAY = 0x00080000,
	CLR_MT_SINGLE = 0x00020000,
	/** More bits of it: masked by this, a structure has those of CLR_MT_VALUE; by this, an
	 * enumeration those of CLR_MT_ENUM. */
	CLR_MT_STRUCT = 0x000e0000,
	CLR_MT_KIND = 0x000f0000,
	CLR_MT_ENUM = 0x00060000,
	/** Before .NET 9: it can be unloaded. */
	CLR_MT_OLD_COLLECTIBLE = 0x10000000,
};

/** Where a method table before .NET 9 has its second flags and the first of its slots. */
enum { CLR_MT_OLD_FLAGS2 = 8, CLR_MT_OLD_SLOTS = 48 };

/** What a method table says of the size of its objects. */
struct clr_shape {
	uint32_t base_bytes, component_bytes;
};
/** False when mt is no method table. */
bool clr_shape_read(const struct clr *clr, uint64_t mt, struct clr_shape *ret);
/** Flags of a method table; 0: not in the core. */
uint32_t clr_type_flags(const struct clr *clr, uint64_t mt);
/** Whether a type is one of values, enumerations included. */
bool clr_is_value_type(const struct clr *clr, uint64_t mt);
/** The method table that a module has loaded for a row of TypeDef or TypeRef; 0: none. */
uint64_t clr_module_type(const struct clr *clr, uint64_t module, enum clr_table table,
			 uint32_t row);
/** EEClass of a method table. */
bool clr_class_of(const struct clr *clr, uint64_t mt, uint64_t *ret);
/** Module of a method table, and its row of TypeDef. */
bool clr_type_module(const struct clr *clr, uint64_t mt, uint64_t *ret);
bool clr_type_row(const struct clr *clr, uint64_t mt, uint32_t *ret);
/** Dimensions of an array that is not of the simple kind: each has a length and a lower bound
 * in the object, and nothing else makes it larger. 0: it is none. */
uint32_t clr_array_rank(const struct clr *clr, uint64_t mt);
/** LoaderAllocator of a Module. */
bool clr_module_allocator(const struct clr *clr, uint64_t module, uint64_t *ret);
bool clr_is_collectible(const struct clr *clr, uint64_t mt);

/** Numbers of fields that an EEClass has. */
enum clr_number {
	CLR_NUMBER_INSTANCE,
	CLR_NUMBER_STATIC,
	CLR_NUMBER_THREAD,
};
/** 0 when it is not in the core. */
uint32_t clr_class_number(const struct clr *clr, uint64_t class, enum clr_number number);
/** Where statics that hold objects begin, and the others; 0: not known. */
void clr_static_bases(const struct clr *clr, uint64_t mt, uint64_t bases[2]);

/** The Module whose table has the statics of a type, before .NET 9; false when it is
 * generic, an array or collectible: then they are elsewhere. */
bool clr_old_statics_module(const struct clr *clr, uint64_t mt, uint64_t *ret);

#define CLR_ARITY_MAX 64
/** Type arguments of an instance of a generic type: type handles; returns how many. */
uint32_t clr_type_arguments(const struct clr *clr, uint64_t mt, uint64_t args[CLR_ARITY_MAX]);

#endif /* COREHEAP_WALKERS_CORECLR_METHOD_TABLES_H */
