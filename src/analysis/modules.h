/*
 * modules.h - the images of a process, and what their mappings cost.
 */
#ifndef COREHEAP_ANALYSIS_MODULES_H
#define COREHEAP_ANALYSIS_MODULES_H

#include <coreheap/coreheap.h>

#include "heap/sections.h"

/** Modules of one kind. */
struct ch_modules_group {
	enum ch_module_kind kind;
	uint64_t count, mapped_bytes, bss_bytes;
};

#define CH_MODULE_KINDS (CH_MODULE_PE + 1)

struct ch_modules {
	/** Ascending by address. Borrowed. */
	const struct ch_module *modules;
	size_t modules_count;
	/** By mapped bytes, descending. */
	struct ch_modules_group groups[CH_MODULE_KINDS];
	size_t groups_count;
	uint64_t mapped_bytes;
	/** Of whose assemblies says by index. Borrowed. */
	const struct ch_runtime *runtimes;
	/** of struct ch_section: managed code that was loaded */
	struct ch_vec assemblies;
};

/** The caller's to end with chp_modules_deinit() also on failure. Errors: those of the session,
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_modules_make(struct ch_session *session, struct ch_modules *ret);
void chp_modules_deinit(struct ch_modules *modules);

#endif /* COREHEAP_ANALYSIS_MODULES_H */
