/*
 * named.h - objects of a runtime's own library, read by the names of their types and fields.
 *
 * What a library keeps (tasks, timers, queues of a pool of threads) is told by names, which
 * survive releases better than offsets. A field is looked for once for each type and then read
 * at its offset.
 */
#ifndef COREHEAP_HEAP_NAMED_H
#define COREHEAP_HEAP_NAMED_H

#include "core/contents.h"
#include "heap/inspect.h"
#include "heap/walker.h"
#include "util/vec.h"

/** A runtime whose objects are asked for. */
struct ch_named {
	struct ch_heaps *heaps;
	const struct ch_core *core;
	struct ch_inspected inspected;
};

struct ch_named_field {
	bool found;
	enum ch_value_kind kind;
	/** From an object's address, or from a value's first byte. */
	uint64_t offset, size_bytes;
	/** Key of the type of a structure in place; 0: not known. */
	uint64_t inner;
};

/** A runtime with these classes; false when none is here that knows fields. */
bool chp_named_open(struct ch_heaps *heaps, const struct ch_core *core,
		    enum ch_class_library classes, struct ch_named *ret);
/** Whether a field is called name, or is behind the property of that name. */
bool chp_named_is(const char *field, const char *name, size_t len);
/** The field of a type of the runtime's by its path: "a", or "a.b" where a is a structure in place.
 * is_value: offsets count from the value, not from an object. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_named_field(const struct ch_named *named, uint64_t key,
					       bool is_value, const char *path,
					       struct ch_named_field *ret);
/** What it holds at an object: a reference, or a number of at most 8 bytes, not extended by
 * its sign. False: not found, too large, or not in the core. */
bool chp_named_read(const struct ch_named *named, uint64_t addr, const struct ch_named_field *field,
		    uint64_t *ret);
/** Both: of one object's field. *found_ret: it was read. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_named_get(const struct ch_named *named,
					     const struct ch_object *object, const char *path,
					     bool *found_ret, uint64_t *ret);
/** The used object of the runtime that begins at addr. */
bool chp_named_object(const struct ch_named *named, uint64_t addr, struct ch_object *ret);
/** What an object's runtime says of it: "calls Cache.OnError", unescaped. False: nothing. */
bool chp_named_detail(const struct ch_named *named, const struct ch_object *object, char *buf,
		      size_t max);
/** An array of references or structures: its shape. False: it is none. */
bool chp_named_array(const struct ch_named *named, uint64_t addr, struct ch_object_shape *ret);

/** Whether objects of a type are wanted. */
typedef bool (*ch_named_wants_fn)(void *arg, const char *name);
/** Rows of ch_heaps_types() of the runtime that are wanted are appended to ret (of struct
 * ch_type_stat). Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_named_types(const struct ch_named *named, ch_named_wants_fn fn,
					       void *arg, struct ch_vec *ret);
/** The objects of the types of one name. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_named_walk(const struct ch_named *named, const char *name,
					      ch_objects_fn fn, void *arg);

#endif /* COREHEAP_HEAP_NAMED_H */
