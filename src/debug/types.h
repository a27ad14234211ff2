/*
 * types.h - types and variables as a program's debug information declares them.
 *
 * A type of C, C++ or Rust is a small number, its id; 0 is none. Types that are equal in several
 * units of a program are one id. const, volatile and typedefs are stripped: what has no name of
 * its own goes by the typedef's. A declaration ("struct order;") is its definition, if one unit
 * has it. What a type is made of is read when chp_ctype() is first asked for it, in a compact form
 * that stays; nothing recurses, however types lead to each other.
 *
 * Debug information is as little to be trusted as a core: what makes no sense is left out, which
 * is told once, as the finding "debug-info-damaged".
 */
#ifndef COREHEAP_DEBUG_TYPES_H
#define COREHEAP_DEBUG_TYPES_H

#include <coreheap/sym.h>

struct ch_ctypes;

enum ch_ctype_kind {
	/** No type: what a void * points at. */
	CH_CTYPE_VOID,
	/** A number, a character, a truth value: see encoding. */
	CH_CTYPE_BASE,
	/** Pointers and references. */
	CH_CTYPE_POINTER,
	/** Classes, too. */
	CH_CTYPE_STRUCT,
	CH_CTYPE_UNION,
	CH_CTYPE_ARRAY,
	CH_CTYPE_ENUM,
	CH_CTYPE_FUNCTION,
	/** Declared, and defined nowhere; or of a kind that is none of these. */
	CH_CTYPE_OPAQUE,
};

struct ch_ctype_member {
	/** NULL: a base class, or an anonymous structure or union in place. Borrowed. */
	const char *name;
	/** From the start of the type. */
	uint64_t offset;
	/** Its id; 0: lost. */
	uint32_t type;
	/** Of a bit field: how many bits; 0: it is none. Its bits begin bit_offset above the lowest
	 * one of the byte at offset (little endian). */
	uint8_t bit_size, bit_offset;
	bool is_base;
	/** It is there only in some of the objects: a field of one variant of an enum of Rust. */
	bool is_variant;
};

/** An argument of a template. */
struct ch_ctype_argument {
	/** The parameter's name, or NULL. Borrowed. */
	const char *name;
	/** The type; of a value, its type. */
	uint32_t type;
	bool is_value;
	uint64_t value;
};

struct ch_ctype {
	enum ch_ctype_kind kind;
	/** With namespaces and template arguments, as they are shown everywhere: defaults of std
	 * are left out. NULL: it has none; pointers, arrays and functions never do. Borrowed. */
	const char *name;
	/** The module in whose debug information it was first seen. */
	const struct ch_module *module;
	/** 0: not known. */
	uint64_t size_bytes;
	/** What a pointer points at, what elements of an array and values of an enumeration are. */
	uint32_t target;
	/** Of an array, how many elements; 0: flexible, or not known. An array of several
	 * dimensions has arrays as elements. */
	uint64_t count;
	/** In the order of their declaration, bases first. Static members are none. */
	const struct ch_ctype_member *members;
	uint32_t members_count;
	uint32_t arguments_count;
	const struct ch_ctype_argument *arguments;
	/** Of a base type: DW_ATE_*, of dwarf.h. */
	uint8_t encoding;
	/** Its first word, or one that it inherits, leads to a table of virtual functions. */
	bool has_vtable;
	/** Declared with "class". */
	bool is_class;
	/** A reference of C++; its kind is that of a pointer. */
	bool is_reference;
};

/** The encoding of truth values: DW_ATE_boolean (DWARF 5, 7.8). */
#define CH_ENCODING_BOOL 2

/** The types of the modules of sym, which is borrowed until chp_ctypes_destroy(), as is core.
 * Nothing is read yet. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_ctypes_create(struct ch_core *core, struct ch_sym *sym,
						 struct ch_ctypes **ret);
/** NULL accepted. */
void chp_ctypes_destroy(struct ch_ctypes *ctypes);

/** A type; read at the first call. Borrowed until chp_ctypes_destroy(), and never NULL: of an id
 * that is none it is void. */
const struct ch_ctype *chp_ctype(struct ch_ctypes *ctypes, uint32_t id);
/** How many ids there are so far: they run from 1 to this. */
uint32_t chp_ctypes_count(const struct ch_ctypes *ctypes);
/** The type of a name as it is shown, defined in module, or in any of them (NULL); 0: none. Of
 * several in C, the first one. Cost: one pass over the debug information, at the first call. */
uint32_t chp_ctype_named(struct ch_ctypes *ctypes, const struct ch_module *module,
			 const char *name);

/** The name of a value of an enumeration; NULL: it has none. Borrowed. */
const char *chp_ctype_enumerator(struct ch_ctypes *ctypes, uint32_t id, uint64_t value);

/** Whether some module has debug information. */
bool chp_ctypes_any(struct ch_ctypes *ctypes);

typedef struct ch_error *(*ch_ctype_fn)(void *arg, uint32_t id);
/** All structures, unions and enumerations that have a name and are defined, some more than once.
 * Errors: NOMEM, STOP, those of fn. Cost: one pass over the debug information, at the first call.
 */
CH_MUST_CHECK struct ch_error *chp_ctypes_definitions(struct ch_ctypes *ctypes, ch_ctype_fn fn,
						      void *arg);

/** A type as C writes it: "order *[16]". Owned by the caller; NULL: no memory. */
char *chp_ctype_text(struct ch_ctypes *ctypes, uint32_t id);

/** A variable, and where it lies in this core. */
struct ch_variable {
	/** With namespaces and the function that it is local to; borrowed for the call. NULL: none.
	 */
	const char *name;
	const struct ch_module *module;
	/** The target's address. */
	uint64_t addr;
	uint32_t type;
	/** Thread whose variable it is; 0: it is global. */
	uint32_t tid;
	/** Of a variable of a frame: which one, innermost 0. It need not have been written yet. */
	bool is_local;
	uint32_t frame;
	/** It lies nowhere, in a register as a rule: what it is. */
	bool is_value;
	uint64_t value;
};
typedef struct ch_error *(*ch_variable_fn)(void *arg, const struct ch_variable *variable);

/** All variables with an address: globals, those of files and functions, and thread-local ones,
 * once for each thread that has them. Modules in order of address. Errors: NOMEM, STOP, those of
 * fn. Cost: one pass over the debug information, at the first call. */
CH_MUST_CHECK struct ch_error *chp_ctypes_variables(struct ch_ctypes *ctypes, ch_variable_fn fn,
						    void *arg);

/** The type of the variable of a module that holds an address, and where it begins; 0: there is
 * none, or it is a thread's. O(log n) after the first call, which is as chp_ctypes_variables(). */
uint32_t chp_ctypes_variable_at(struct ch_ctypes *ctypes, uint64_t addr, uint64_t *start_ret);

/** Parameters and variables of the functions on the stacks of all threads, also of those that a
 * compiler put into others, as far as registers and memory tell where they are. Threads in order,
 * inner frames first. Errors: NOMEM, STOP, those of fn. Cost: stacks are unwound; of units that
 * have code on them, the functions. */
CH_MUST_CHECK struct ch_error *chp_ctypes_locals(struct ch_ctypes *ctypes, ch_variable_fn fn,
						 void *arg);

#endif /* COREHEAP_DEBUG_TYPES_H */
