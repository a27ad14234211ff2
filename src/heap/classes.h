/*
 * classes.h - all classes of a runtime with what they declare, for who writes them down.
 */
#ifndef COREHEAP_HEAP_CLASSES_H
#define COREHEAP_HEAP_CLASSES_H

#include <coreheap/heap.h>

/** A field that a class declares itself. */
struct ch_class_field {
	/** Unescaped; borrowed until the callback returns. */
	const char *name;
	/** As class files have it (JVMS 4.3.2): 'I', 'Z', 'L', '[' ... */
	char code;
	bool is_static;
	/** How many bytes it has in memory. */
	uint32_t bytes;
	/** In an instance; of a static in the object of the class. */
	uint32_t offset;
};

struct ch_class {
	/** As types of objects have it; that of the class it derives from, 0: none. */
	uint64_t key, super;
	/** The object that stands for it, and the one of its loader; 0: none. */
	uint64_t object, loader;
	/** It is dropped only with the process. */
	bool always;
	/** As class files have it: "java/lang/String", "[I". Unescaped; borrowed until the callback
	 * returns. */
	const char *name;
	/** Of an array: its elements, as in struct ch_class_field; else 0. */
	char element;
	/** In no order. */
	const struct ch_class_field *fields;
	size_t fields_count;
};
/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_classes_fn)(void *arg, const struct ch_class *of);

/** All classes of the first runtime that lists its own. *walker_ret is its index in
 * ch_heaps_runtimes(), *known_ret whether there is one. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_classes(struct ch_heaps *heaps, ch_classes_fn fn,
						 void *arg, uint32_t *walker_ret, bool *known_ret);

#endif /* COREHEAP_HEAP_CLASSES_H */
