/*
 * The command "modules": its options, and the question that it asks of the library, the modules
 * of the process.
 */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "report/modules.h"

#define KINDS (CH_MODULE_PE + 1)

static int compare_groups(const void *a, const void *b)
{
	const struct ch_modules_group *x = a, *y = b;

	if (x->mapped_bytes != y->mapped_bytes)
		return x->mapped_bytes < y->mapped_bytes ? 1 : -1;
	return (int)x->kind - (int)y->kind;
}

/* Kinds that occur, into groups[KINDS]. */
static void group(struct ch_modules *modules, struct ch_modules_group *groups)
{
	const struct ch_module *module;
	size_t i, kept = 0;

	for (i = 0; i < KINDS; i++)
		groups[i] = (struct ch_modules_group){ .kind = (enum ch_module_kind)i };
	for (i = 0; i < modules->modules_count; i++) {
		module = &modules->modules[i];
		groups[module->kind].count++;
		groups[module->kind].mapped_bytes += module->mapped_bytes;
		groups[module->kind].bss_bytes += module->bss_end - module->bss_start;
		modules->mapped_bytes += module->mapped_bytes;
	}
	for (i = 0; i < KINDS; i++)
		if (groups[i].count)
			groups[kept++] = groups[i];
	qsort(groups, kept, sizeof(groups[0]), compare_groups);
	modules->groups = groups;
	modules->groups_count = kept;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_modules_group groups[KINDS];
	struct ch_modules modules = { .assemblies.list = CH_VEC(struct ch_section) };
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_sym *sym;
	size_t count;

	err = ch_session_sym(env->session, &sym);
	if (!err)
		err = ch_session_heaps(env->session, &heaps);
	if (!err)
		err = chp_heaps_sections(heaps, &chp_section_assemblies, &modules.assemblies.list);
	if (!err) {
		modules.runtimes = ch_heaps_runtimes(heaps, &count);
		modules.modules = ch_sym_modules(sym, &modules.modules_count);
		group(&modules, groups);
		err = ch_report_modules(env->report, &modules);
	}
	ch_vec_deinit(&modules.assemblies.list);
	return err;
}

const struct ch_cmd ch_cmd_modules = {
	.name = "modules",
	.summary = "executable, libraries and other images, with build-ids and bytes",
	.synopsis = "[OPTIONS] CORE",
	.examples =
		"  coreheap modules core.1234\n"
		"  coreheap modules --sysroot /srv/image core.1234    files of another system\n",
	.run = run,
};
