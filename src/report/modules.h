/*
 * modules.h - the images of a process, and what their mappings cost.
 */
#ifndef COREHEAP_REPORT_MODULES_H
#define COREHEAP_REPORT_MODULES_H

#include "report/sections.h"

/** Modules of one kind. */
struct ch_modules_group {
	enum ch_module_kind kind;
	uint64_t count, mapped_bytes, bss_bytes;
};

struct ch_modules {
	/** Ascending by address. Borrowed. */
	const struct ch_module *modules;
	size_t modules_count;
	/** By mapped bytes, descending. */
	const struct ch_modules_group *groups;
	size_t groups_count;
	uint64_t mapped_bytes;
	/** Of whose assemblies says by index. Borrowed. */
	const struct ch_runtime *runtimes;
	/** Managed code that was loaded. */
	struct ch_sections assemblies;
};

CH_MUST_CHECK struct ch_error *ch_report_modules(const struct ch_report *report,
						 const struct ch_modules *modules);

#endif /* COREHEAP_REPORT_MODULES_H */
