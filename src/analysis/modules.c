/*
 * The images of a process, by kind, and managed code.
 */
#include "analysis/modules.h"

#include <stdlib.h>

static int compare_groups(const void *a, const void *b)
{
	const struct ch_modules_group *x = a, *y = b;

	if (x->mapped_bytes != y->mapped_bytes)
		return x->mapped_bytes < y->mapped_bytes ? 1 : -1;
	return (int)x->kind - (int)y->kind;
}

/* Kinds that occur. */
static void group(struct ch_modules *modules)
{
	struct ch_modules_group *groups = modules->groups;
	const struct ch_module *module;
	size_t i, kept = 0;

	for (i = 0; i < CH_MODULE_KINDS; i++)
		groups[i] = (struct ch_modules_group){ .kind = (enum ch_module_kind)i };
	for (i = 0; i < modules->modules_count; i++) {
		module = &modules->modules[i];
		groups[module->kind].count++;
		groups[module->kind].mapped_bytes += module->mapped_bytes;
		groups[module->kind].bss_bytes += module->bss_end - module->bss_start;
		modules->mapped_bytes += module->mapped_bytes;
	}
	for (i = 0; i < CH_MODULE_KINDS; i++)
		if (groups[i].count)
			groups[kept++] = groups[i];
	qsort(groups, kept, sizeof(groups[0]), compare_groups);
	modules->groups_count = kept;
}

struct ch_error *chp_modules_make(struct ch_session *session, struct ch_modules *ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count;

	*ret = (struct ch_modules){ .assemblies = CH_VEC(struct ch_section) };
	err = ch_session_sym(session, &sym);
	if (!err)
		err = ch_session_heaps(session, &heaps);
	if (!err)
		err = chp_heaps_sections(heaps, &chp_section_assemblies, &ret->assemblies);
	if (err)
		return err;
	ret->runtimes = ch_heaps_runtimes(heaps, &count);
	ret->modules = ch_sym_modules(sym, &ret->modules_count);
	group(ret);
	return NULL;
}

void chp_modules_deinit(struct ch_modules *modules)
{
	ch_vec_deinit(&modules->assemblies);
}
