/*
 * report/lists.h - what commands say whose answer is one list.
 */
#ifndef COREHEAP_REPORT_LISTS_H
#define COREHEAP_REPORT_LISTS_H

#include "analysis/stackobjects.h"
#include "render/document.h"

/** `methods`. */
struct ch_method_row {
	uint64_t addr, size_bytes;
	/** Where its code ends is known. */
	bool has_size;
	const char *kind, *name;
};

struct ch_methods_result {
	/** A runtime lists its own. */
	bool known;
	uint64_t code_bytes;
	struct ch_listing *methods;
};

extern const struct ch_list ch_methods_list;
extern const struct ch_document ch_document_methods;

/** `stackobjects`. */
struct ch_stackobjects_result {
	uint64_t threads_count;
	struct ch_listing *objects;
};

extern const struct ch_list ch_stackobjects_list;
extern const struct ch_document ch_document_stackobjects;

#endif /* COREHEAP_REPORT_LISTS_H */
