/*
 * hprof.h - the heap of a JVM, class by class and object by object, for a heap dump.
 */
#ifndef COREHEAP_ANALYSIS_HPROF_H
#define COREHEAP_ANALYSIS_HPROF_H

#include <coreheap/coreheap.h>

#include "analysis/thread_rows.h"
#include "util/table.h"
#include "util/texts.h"

/** A field that a class declares itself. */
struct ch_hprof_field {
	/** In ch_hprof.names. */
	uint32_t name;
	/** As class files have it: 'I', 'L' ... */
	char code;
	bool is_static;
	uint32_t bytes, offset;
};

struct ch_hprof_class {
	/** The object that stands for it, and that of its loader, 0: none. */
	uint64_t object, loader;
	/** The class it derives from; NULL: none. */
	const struct ch_hprof_class *super;
	/** In ch_hprof.names: "java/lang/String", "[I". */
	uint32_t name;
	/** Of an array: its elements; else 0. */
	char element;
	/** It goes only with the process. */
	bool always;
	/** Its part of ch_hprof.fields. */
	size_t fields_from, fields_count;
	/** As its walker calls it, and super. */
	uint64_t key, super_key;
};

enum ch_hprof_root_kind {
	CH_HPROF_ROOT_UNKNOWN,
	/** A handle of the runtime. */
	CH_HPROF_ROOT_HANDLE,
	/** On the stack of a thread, or in a register of it. */
	CH_HPROF_ROOT_STACK,
};

struct ch_hprof_root {
	enum ch_hprof_root_kind kind;
	uint64_t object;
	/** Where the pointer lies. */
	uint64_t addr;
	/** Of STACK: the thread, by its index in threads. */
	uint32_t thread;
};

/** An object in turn. */
struct ch_hprof_object {
	uint64_t addr;
	const struct ch_hprof_class *class;
	/** Of an array: how many elements, and where the first one lies. */
	uint64_t count, data_addr;
	uint32_t element_bytes;
};

struct ch_hprof_source;

struct ch_hprof {
	struct ch_texts names;
	/** of struct ch_hprof_field, ch_hprof_class, ch_hprof_root */
	struct ch_vec fields, classes, roots;
	/** All threads of the process with their stacks. */
	struct ch_thread_rows threads;
	/** What objects are read from. */
	struct ch_hprof_source *source;
};

/** Threads to work with; 0: as many as there are processors. The caller's to end with
 * chp_hprof_deinit() also on failure. Errors: ARG (there is no JVM), those of the session and the
 * graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_hprof_make(struct ch_session *session, uint32_t threads,
					      struct ch_hprof *ret);
void chp_hprof_deinit(struct ch_hprof *of);

/** Non-NULL ends the visit. */
typedef struct ch_error *(*ch_hprof_fn)(void *arg, const struct ch_hprof_object *object);
/** All objects by address, but those that stand for a class. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_hprof_objects(const struct ch_hprof *of, ch_hprof_fn fn,
						 void *arg);
/** The object that a reference in memory leads to; 0: to none, to what is no heap, or it is not in
 * the core. */
uint64_t chp_hprof_reference(const struct ch_hprof *of, uint64_t addr, uint32_t bytes);

#endif /* COREHEAP_ANALYSIS_HPROF_H */
